"""Pictures of a database looked at by the landmarker, kept piece by piece, so that a stop loses little."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from tqdm import tqdm

from mien.arrays import BoolArray, FloatArray, Image
from mien.databases import DATABASES
from mien.databases.index import Index
from mien.databases.layout import PICTURES
from mien.derived.landmarker import NAMES, Landmarker
from mien.errors import DatabaseError, SettingsError
from mien.faces.detection import Mtcnn
from mien.files import sha256, whole_file
from mien.media.pictures import read_picture
from mien.preparation.finding import in_open_picture, in_tight_picture, wanted_face

PIECE = 1024
"""Rows looked at between two writings."""


@dataclass(frozen=True)
class Seen:
    """What the landmarker says of n faces, each seen as it is and mirrored.

    Attributes:
        activations: (n, 2, 52) in the order of `landmarker.NAMES`, left and right the person's own; NaN
            where there is no picture.
        gaps: (n, 2) between the lips, as shares of the distance of the eyes' outer corners; NaN likewise.
        presences: (n, 2) how sure the landmarker is that a face is there; 0 where there is no picture.
        found: (n,) whether the detector found the face; its place is a guess otherwise.
    """

    activations: FloatArray
    gaps: FloatArray
    presences: FloatArray
    found: BoolArray

    @classmethod
    def blank(cls, rows: int) -> Self:
        """Return rows of which nothing is known."""
        return cls(
            np.full((rows, 2, len(NAMES)), np.nan, np.float32),
            np.full((rows, 2), np.nan, np.float32),
            np.zeros((rows, 2), np.float32),
            np.zeros(rows, bool),
        )

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Return the rows of all parts, in order."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what was kept in a file of NumPy's by the attributes' names."""
        with np.load(path, allow_pickle=False) as kept:
            return cls(**{f.name: kept[f.name] for f in fields(cls)})

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the attributes by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def __len__(self) -> int:
        return len(self.found)


@dataclass(frozen=True)
class Job:
    """What a process needs to look at pictures.

    Attributes:
        database: its name.
        folder: the database.
        models: the folder of the landmarker's files.
        out: the folder that pieces and pictures are kept in.
    """

    database: str
    folder: Path
    models: Path
    out: Path


def observe(job: Job, index: Index, workers: int, quiet: bool) -> Seen:
    """Return what the landmarker says of every row; where each picture is kept is `kept_as`.

    Pieces that are there already are not made again. Each picture is written below `job.out`, a file as it
    is, one that the database keeps in a form of its own as PNG.

    Args:
        job: where everything is.
        index: rows with pictures.
        workers: processes; 1 works in this one.
        quiet: no progress bar.

    Raises:
        DatabaseError: rows are of videos, not of single pictures.
        MediaError: a picture cannot be read.
        SettingsError: what is half done in this place was begun with other rows.
    """
    own = DATABASES[job.database].pictures is not None
    suffixes = {Path(str(name)).suffix.lower() for name in index.media.vocabulary if str(name)}
    if not own and not suffixes <= PICTURES:
        raise DatabaseError(
            f"{job.folder}: labels are derived for single pictures, not for videos or folders"
        )
    (job.out / "pieces").mkdir(parents=True, exist_ok=True)
    _check_begun(job, index)
    starts = range(0, len(index), PIECE)
    missing = [start for start in starts if not _piece(job.out, start).exists()]
    with tqdm(
        desc=job.database,
        total=len(index),
        initial=len(index) - sum(min(PIECE, len(index) - start) for start in missing),
        unit="faces",
        disable=quiet,
        smoothing=0.05,
        mininterval=0.1 if sys.stderr.isatty() else 10.0,
    ) as bar:
        for done in _made(job, index, missing, workers):
            bar.update(done)
    return Seen.joined([Seen.blank(0), *(Seen.load(_piece(job.out, start)) for start in starts)])


def _check_begun(job: Job, index: Index) -> None:
    """Keep which rows are looked at; refuse to go on with others."""
    path = job.out / "begun.parquet"
    with whole_file(path.with_suffix(".new")) as place:
        index.save(place)
        if path.exists() and sha256(path) != sha256(place):
            raise SettingsError(
                f"{job.out}: was begun with other rows of {job.database}; "
                "give the same database to go on, or remove this folder to start anew"
            )
    os.replace(path.with_suffix(".new"), path)


def kept_as(index: Index, row: int, own: bool) -> str:
    """Return where the picture of a row is kept, relative to the new database; "" for none.

    Args:
        index: of the database.
        row: one of it.
        own: whether the database keeps its pictures in a form of its own.
    """
    media = index.media.at(row)
    if not media:
        return ""
    return f"pictures/{index.video.at(row)}.png" if own else f"pictures/{media}"


def _made(job: Job, index: Index, missing: list[int], workers: int) -> Iterator[int]:
    """Make the missing pieces; yield how many rows each had."""
    tasks = ((index[start : start + PIECE].compact(), _piece(job.out, start)) for start in missing)
    if workers == 1:
        observer = Observer(job)
        for rows, path in tasks:
            observer.keep(rows, path)
            yield len(rows)
        return
    with _pool(job, min(workers, max(len(missing), 1))) as pool:
        waiting = {pool.submit(_work, rows, path): len(rows) for rows, path in tasks}
        for future in as_completed(waiting):
            future.result()
            yield waiting[future]


class Observer:
    """Looks at pictures of a job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._detector = Mtcnn()
        self._landmarker = Landmarker(job.models)

    def keep(self, rows: Index, path: Path) -> None:
        """Look at the pictures of some rows, and write them and what was seen; whole or not at all."""
        seen = Seen.blank(len(rows))
        for row, picture in self._pictures(rows):
            if rows.cropped:
                landmarks, seen.found[row] = in_tight_picture(self._detector, picture, given=False)
            else:
                landmarks, seen.found[row] = in_open_picture(self._detector, picture, wanted_face(rows, row))
            both = self._landmarker.see_twice(picture, landmarks)
            for turn, shape in enumerate(both):
                seen.activations[row, turn] = shape.activations
                seen.gaps[row, turn] = shape.gap
                seen.presences[row, turn] = shape.presence
        with whole_file(path) as place, open(place, "wb") as file:
            np.savez(file, allow_pickle=False, **seen.arrays())

    def _pictures(self, rows: Index) -> Iterator[tuple[int, Image]]:
        """Yield the pictures of rows that have one, and write them into the new database."""
        if DATABASES[self._job.database].pictures is not None:
            yield from self._own(rows)
            return
        for row in range(len(rows)):
            name = kept_as(rows, row, own=False)
            if name:
                source, place = self._job.folder / rows.media.at(row), self._job.out / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(source.read_bytes())
                yield row, read_picture(source)

    def _own(self, rows: Index) -> Iterator[tuple[int, Image]]:
        """Yield the pictures that a database keeps in a form of its own, and write them as PNG."""
        read = DATABASES[self._job.database].pictures
        assert read is not None, "only databases that read their own come here"
        medium = rows.media.at(0)
        for row, (_, picture) in enumerate(read(self._job.folder, medium, rows.frame)):
            place = self._job.out / kept_as(rows, row, own=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
            yield row, picture


def _piece(out: Path, start: int) -> Path:
    """Return where the piece that begins with a row is kept."""
    return out / "pieces" / f"{start:08d}.npz"


@contextmanager
def _pool(job: Job, workers: int) -> Iterator[ProcessPoolExecutor]:
    """Give processes that look at pictures."""
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (job,)) as pool:
        yield pool


_OBSERVERS: list[Observer] = []
"""The one Observer of a worker process."""


def _begin(job: Job) -> None:
    """Ready a worker process."""
    cv2.setNumThreads(1)
    _OBSERVERS.append(Observer(job))


def _work(rows: Index, path: Path) -> None:
    """Look at some rows in a worker process."""
    _OBSERVERS[0].keep(rows, path)
