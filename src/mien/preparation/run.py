"""Preparing a database: pieces made by several processes, kept one by one, then put together.

Pieces lie in a hidden folder beside the result until all are there. The same command, given again after
it was stopped or killed, goes on with the pieces that are missing; what comes out is the same, byte for
byte, however often it was stopped and however many processes worked.
"""

import fcntl
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import active_children, connection, get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any, TextIO

import cv2
import numpy as np
from tqdm import tqdm

from mien.databases import DATABASES
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.errors import DatabaseError, MienError, OutputError, SettingsError
from mien.faces.detection import Detector, Mtcnn
from mien.files import explained, free_folder, sha256, whole_file
from mien.inputs import Preprocessing
from mien.preparation.finding import BOX, given_landmarks, unplaced
from mien.preparation.merging import ADDED, merge
from mien.preparation.prepared import MARGIN
from mien.preparation.work import Job, Maker, Piece, piece_path, pieces, sound_pieces


@dataclass(frozen=True)
class Options:
    """How a database is prepared.

    Attributes:
        detector: makes the detector; called once in each process.
        given: the database's pictures are aligned faces already and are taken as they are.
        quality: of the stored JPEGs, 1 to 100; 0 stores PNG, without loss.
        workers: processes; 1 works in this one.
        skip: leave out malformed rows and media that cannot be read, and record them.
        sound: also keep the sound.
        quiet: no progress bar.
    """

    detector: Callable[[], Detector] = Mtcnn
    given: bool = False
    quality: int = 95
    workers: int = 1
    skip: bool = False
    sound: bool = True
    quiet: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100 or self.workers < 1:
            raise SettingsError(f"quality {self.quality} (0 to 100) or workers {self.workers} (from 1)")


def prepare(
    name: str, folder: Path, out: Path, preprocessing: Preprocessing, options: Options
) -> dict[str, Any]:
    """Find, align and pack every face of a database's folder into `out`; return the manifest.

    Args:
        name: a key of DATABASES.
        folder: the database as its users have it.
        out: the prepared folder to make; it must not exist.
        preprocessing: the network's; crops are stored MARGIN pixels wider at each side.
        options: how.

    Raises:
        DatabaseError: the database breaks its format, or has nothing that can be prepared.
        MediaError: a picture, video or sound cannot be read.
        SettingsError: what is half done in this place was begun with other settings or files.
        OutputError: `out` exists or cannot be written, or another process is preparing it.
    """
    place = _place(out)
    work = place.with_name(f".{place.name}.preparing")
    if not work.exists():
        free_folder(place)
    findings = Findings(options.skip)
    index = DATABASES[name].read(folder, findings).compact()
    if options.given and not index.cropped:
        raise SettingsError(f"{name}: these pictures are not faces cut out, so faces must be found in them")
    _refuse(index, folder)
    stored = preprocessing.widened(preprocessing.size + 2 * MARGIN)
    threads = 0 if options.workers == 1 else 1
    job = Job(name, folder, stored, options.detector, options.given, options.quality, options.skip, threads)
    todo = pieces(index, DATABASES[name].pictures is not None)
    todo += sound_pieces(index) if options.sound else []
    if not todo:
        raise DatabaseError(
            f"{folder}: none of {len(index):,} rows has a picture or sound that is there; "
            f"see mien databases check {name}"
        )
    with explained(work), _claimed(work):
        settings = _settings(job, index, work, options)
        manifest = _finished(place, settings)
        if manifest is not None:
            shutil.rmtree(work, ignore_errors=True)  # a process that comes now may make it anew
            return manifest
        free_folder(place)
        _make(job, index, todo, work, options)
        facts = settings | {
            "release": findings.release,
            "malformed": findings.malformed.count,
            "unmatched": {kind: tally.count for kind, tally in sorted(findings.unmatched.items())},
            "notes": findings.notes,
        }
        manifest = merge(index, todo, work, facts)
        free_folder(place)
        os.replace(work / "result", place)
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def _place(out: Path) -> Path:
    """Return where the result is to be, links followed.

    Raises:
        OutputError: no folder can be put there.
    """
    place = Path(os.path.realpath(out))
    with explained(out):
        fixed = place.is_mount() or (place.exists() and place.samefile(os.curdir))
    if fixed:
        raise OutputError(f"{out}: is a disk of its own or the current folder; choose a new folder in it")
    return place


def _refuse(index: Index, folder: Path) -> None:
    """Refuse what would come out wrong, before hours of work.

    Raises:
        DatabaseError: a column has the name of one that is added, or a row means a face that no one can tell.
    """
    taken = [name for name in ADDED if name in index.columns]
    if taken:
        raise DatabaseError(f"{folder}: preparing adds a column {taken[0]} itself; call yours otherwise")
    unclear = np.flatnonzero(unplaced(index))
    if len(unclear):
        raise DatabaseError(
            f"{folder}, {index.describe(int(unclear[0]))}: which face is that? Call it left, right or "
            f"nothing (the largest), or give its box in pixels in columns {', '.join(BOX)}"
        )


def _finished(place: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Return the manifest of a result made with these settings, which only needs its work cleared away."""
    try:
        manifest: dict[str, Any] = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
        same = all(manifest.get(key) == value for key, value in json.loads(json.dumps(settings)).items())
    except (OSError, ValueError, AttributeError):
        return None
    return manifest if same else None


@contextmanager
def _claimed(work: Path) -> Iterator[None]:
    """Hold a work folder for this process alone; the system lets go of it when the process ends.

    Raises:
        OutputError: another process holds it.
    """
    busy = OutputError(f"{work}: another process is preparing this place now")
    (work / "pieces").mkdir(parents=True, exist_ok=True)
    try:
        lock = open(work / "lock", "w")  # noqa: SIM115  (closed below)
    except FileNotFoundError as error:  # cleared away this very moment
        raise busy from error
    with lock:
        if not _locked(lock, work):
            raise busy
        yield
    with suppress(OSError):  # on a network's disk the lock is there until it is closed
        work.rmdir()


def _locked(lock: TextIO, work: Path) -> bool:
    """Return whether a lock could be taken and still lies in its folder."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(lock.fileno()), os.stat(work / "lock"))
    except (BlockingIOError, FileNotFoundError):
        return False


def _settings(job: Job, index: Index, work: Path, options: Options) -> dict[str, Any]:
    """Return what decides the result, and keep it; refuse to go on where it differs from before."""
    with whole_file(work / "rows.parquet") as place:
        index.save(place)
    settings = {
        "database": job.database,
        "rows": len(index),
        "rows_sha256": sha256(work / "rows.parquet"),
        "detector": job.detector().name,
        "aligned": _aligned(job, index),
        "encoding": f"JPEG, quality {job.quality}" if job.quality else "PNG, without loss",
        "preprocessing": job.stored.to_json(),
        "sound": options.sound,
        "skip": job.skip,
        "versions": {name: version(name) for name in ("mien", "av", "numpy", "onnxruntime")}
        | {"opencv": cv2.__version__},
    }
    path = work / "settings.json"
    text = json.dumps(settings, indent=2, sort_keys=True)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise SettingsError(
            f"{work}: was begun with other settings, files or versions; "
            "give those again to go on, or remove this folder to start anew"
        )
    with whole_file(path) as place:
        place.write_text(text, encoding="utf-8")
    return settings


def _aligned(job: Job, index: Index) -> str:
    """Return what faces are aligned by."""
    if len(index) and all(given_landmarks(index, row) is not None for row in range(len(index))):
        return "by the landmarks that rows give"
    return "as given" if job.given else "by the detector's landmarks"


def _make(job: Job, index: Index, todo: list[Piece], work: Path, options: Options) -> None:
    """Make the pieces that are not there yet."""
    missing = [number for number in range(len(todo)) if not piece_path(work, number).exists()]
    sizes = [max(piece.last - piece.first, 1) for piece in todo]
    done = sum(sizes) - sum(sizes[number] for number in missing)
    with tqdm(
        desc=job.database,
        total=sum(sizes),
        initial=done,
        unit="rows",
        disable=options.quiet,
        smoothing=0.05,
        mininterval=0.1 if sys.stderr.isatty() else 10.0,
    ) as bar:
        tasks = ((number, todo[number], _rows(index, todo[number])) for number in missing)
        if options.workers == 1:
            maker = Maker(job)
            for number, piece, rows in tasks:
                _keep(maker, piece, rows, piece_path(work, number))
                bar.update(sizes[number])
            return
        with _pool(job, max(min(options.workers, len(missing)), 1)) as pool:
            waiting = {}
            for number, piece, rows in tasks:
                waiting[pool.submit(_work, piece, rows, piece_path(work, number))] = number
            for future in as_completed(waiting):
                future.result()
                bar.update(sizes[waiting[future]])


def _rows(index: Index, piece: Piece) -> Index:
    """Return the rows of a piece, small enough to be sent to a process."""
    return index[piece.first : piece.last].compact()


def _keep(maker: Maker, piece: Piece, rows: Index, path: Path) -> None:
    """Make a piece and keep it; it is there whole or not at all."""
    made = maker.make(piece, rows)
    with whole_file(path) as place, open(place, "wb") as file:
        np.savez(file, allow_pickle=False, **made)


@contextmanager
def _pool(job: Job, workers: int) -> Iterator[ProcessPoolExecutor]:
    """Give processes that do pieces; they end when this block does, or this process dies."""
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (job,))
    try:
        yield pool
        pool.shutdown()
    except BrokenProcessPool as error:
        raise MienError(
            "a worker process died (out of memory?); the same command goes on where it stopped, "
            "with fewer --workers it needs less memory"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in active_children():
            child.terminate()


_MAKERS: list[Maker] = []
"""The one Maker of a worker process."""


def _begin(job: Job) -> None:
    """Ready a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked, and ends its workers
    cv2.setNumThreads(1)
    Thread(target=_die_with_parent, daemon=True).start()
    _MAKERS.append(Maker(job))


def _die_with_parent() -> None:
    """End this process when its parent is gone, killed even."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _work(piece: Piece, rows: Index, path: Path) -> None:
    """Make a piece in a worker process and keep it."""
    _keep(_MAKERS[0], piece, rows, path)
