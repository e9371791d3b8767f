"""Anybody's own pictures and videos, described by a table; docs/own_data.md tells how to write one.

    manifest.csv or manifest.parquet, else the only file of .csv or .parquet in the folder
    faces/anna.png, talk.mp4, frames/0001.png     what its rows name, anywhere below

    path,frame,subject,split,valence,arousal,expression,AU01,AU12,lighting
    talk.mp4,0,anna,train,0.1,-0.2,happiness,0,1,daylight

All columns but `path` are optional, and an empty cell means unknown.

    path         picture, video or folder of numbered pictures, relative to the folder, with "/"
    frame        counted from 0; of a folder, frame 0 is picture 0 where any folder has one, else picture 1
    time_s       seconds from the start of the video
    split        train, validation or test
    subject, video, face, sound, cropped (1: the pictures are cut out tightly)
    valence, arousal, expression (a class), expression_<class> (shares that add up to 1), AU01 (0 or 1),
    <task> (a class of it) and <task>.<label>, such as expression_8_contempt.anger
    any other    numbers become a column of the Index, texts a group

Where any row has a frame or is a picture, all rows are frames; otherwise, where any has a time, all are
moments; otherwise clips, whose frames share a label. A row that fits not is malformed: kinds are not mixed.
"expression" is of the first task that has all classes named, in the order of `table_labels.CLASSES`; columns
of action units are of the binary task that has all of them and fewest others. A file that `Index.save` wrote
is read as it is.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow.parquet as pq

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.databases.catalog import Database, Metric, Protocol
from mien.databases.findings import Findings
from mien.databases.index import NAMED, Column, Index, Unit
from mien.databases.layout import PICTURES, VIDEOS, files, numbered
from mien.databases.names import Names
from mien.databases.table_cells import UNREADABLE, Cells, numbers_of, read_cells
from mien.databases.table_labels import label_columns, read_labels
from mien.databases.traces import LONGEST
from mien.errors import DatabaseError
from mien.records import Labels
from mien.tasks import TASKS, VALENCE_AROUSAL, Kind

PLACES = ("path", "frame", "time_s", "split", "subject", "video", "face", "sound", "cropped")
"""The columns that say where a row is."""

SPLITS = ("train", "validation", "test", "")
"""What `split` may say."""

LAST = 100_000_000
"""A frame number above it is a mistake."""


def read(folder: Path, findings: Findings) -> Index:
    """Return the rows of the table, those of one face of one video together and in order of time.

    Raises:
        DatabaseError: there is no table or several, it cannot be understood, or a row is malformed and not
            skipped.
    """
    path = _table(folder)
    if path.suffix.lower() == ".parquet" and _is_saved(path):
        return _read_saved(path, folder, findings)
    cells = read_cells(path, findings)
    values = read_labels(cells)
    if not values:
        findings.note("no column of labels: valence and arousal are unknown throughout")
        values = {VALENCE_AROUSAL: np.full((len(cells), len(VALENCE_AROUSAL)), np.nan, np.float32)}
    named = {name: cells.texts(name) for name in ("split", "subject", "video", "face")}
    cells.refuse(
        [row for row, split in enumerate(named["split"]) if split not in SPLITS],
        lambda row: f"split is {named['split'][row][:40]!r}, expected train, validation, test or nothing",
    )
    counted = cells.numbers("frame", 0, LAST, whole=True)
    times = cells.numbers("time_s", 0, LONGEST)
    below = _Below(folder)
    paths = cells.texts("path")
    kinds = _kinds(cells, paths, below)
    unit = _unit(cells, kinds, counted, times)
    named["video"] = _videos(cells, paths, named["video"])
    frames: IntArray = np.nan_to_num(counted).astype(np.int64)
    media, numbering = _media(cells, paths, kinds, frames if unit == "frame" else None, below, findings)
    order, frames = _ordered(cells, named, unit, frames, times)
    columns, groups = _others(cells)
    findings.release = f"{path.name}, by {unit}"
    whole = Index.of(
        "table",
        Labels.of({task: _known(array, cells.good) for task, array in values.items()}),
        split=named["split"],
        subject=named["subject"],
        video=named["video"],
        face=named["face"],
        media=media,
        sound=_sounds(cells, below, findings),
        frame=frames,
        seconds=times,
        unit=unit,
        columns=columns,
        groups=groups,
        cropped=_cropped(cells),
        numbering=numbering,
    )
    return whole[order].compact()


def _table(folder: Path) -> Path:
    """Return the table of a folder."""
    found = files(folder, frozenset({".csv", ".parquet"}))
    manifests: list[str] = [name for name in ("manifest.csv", "manifest.parquet") if name in found]
    chosen = manifests or list(found)
    if len(chosen) != 1:
        several = f"{len(chosen)} tables ({', '.join(chosen[:5])})" if chosen else "no table"
        raise DatabaseError(
            f"{folder}: {several} there, expected one called manifest.csv or manifest.parquet"
        )
    return found[chosen[0]]


class _Below:
    """The files below a folder, found however their names' case is spelled.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._found: dict[str, str] = {}
        self._listed: dict[str, dict[str, str]] = {}

    def find(self, text: str) -> str:
        """Return a path as it is on the disk, "" where it is not there."""
        if text not in self._found:
            self._found[text] = text if os.path.exists(self.folder / text) else self._otherwise(text)
        return self._found[text]

    def _otherwise(self, text: str) -> str:
        """Return a path whose last name is spelled otherwise."""
        above, _, name = text.rpartition("/")
        if above not in self._listed:
            place = self.folder / above
            names = sorted(os.listdir(place)) if os.path.isdir(place) else []
            self._listed[above] = {other.lower(): other for other in reversed(names)}
        other = self._listed[above].get(name.lower(), "")
        return f"{above}/{other}" if above and other else other


def _kinds(cells: Cells, paths: Sequence[str], below: _Below) -> list[str]:
    """Return what each row's path is: "picture", "video", "folder", or "" for no path."""
    kinds = {path: _kind(path, below) for path in set(paths)}
    cells.refuse(
        [row for row, path in enumerate(paths) if kinds[path] == "other"],
        lambda row: (
            f"path is {paths[row][:80]!r}, expected a picture, a video or a folder of numbered "
            "pictures, relative to the folder of the table"
        ),
    )
    return [kinds[path] for path in paths]


def _kind(path: str, below: _Below) -> str:
    """Return what one path is."""
    if not path:
        return ""
    suffix = PurePosixPath(path).suffix.lower()
    if not _is_inside(path):
        return "other"
    if suffix in PICTURES:
        return "picture"
    if suffix in VIDEOS:
        return "video"
    found = below.find(path)
    is_folder = os.path.isdir(below.folder / found) if found else not suffix
    return "folder" if is_folder else "other"


def _is_inside(path: str) -> bool:
    """Return whether a path stays below the folder."""
    return bool(path) and not path.startswith("/") and ".." not in path.split("/")


def _unit(cells: Cells, kinds: Sequence[str], frames: FloatArray, times: FloatArray) -> Unit:
    """Return how rows meet their pictures; rows that do so otherwise are refused."""
    pictures, folders = (np.array([kind == of for kind in kinds], bool) for of in ("picture", "folder"))
    moving = folders | np.array([kind == "video" for kind in kinds], bool)
    if (np.isfinite(frames) | pictures)[cells.good].any():
        wrong = np.flatnonzero(np.isnan(frames) & moving).tolist()
        cells.refuse(wrong, lambda _: "no frame, where other rows have one or are pictures")
        return "frame"
    if np.isfinite(times)[cells.good].any():
        wrong = np.flatnonzero(np.isnan(times) | folders).tolist()
        cells.refuse(wrong, lambda _: "no time_s in a video, where other rows have one")
        return "time"
    return "clip"


def _videos(cells: Cells, paths: Sequence[str], videos: Sequence[str]) -> list[str]:
    """Return each row's recording: what the table says, otherwise its path without suffix."""
    cells.refuse(
        [row for row, path in enumerate(paths) if not path and not videos[row]],
        lambda _: "neither path nor video, expected one of them",
    )
    return [
        video or path.removesuffix(PurePosixPath(path).suffix)
        for path, video in zip(paths, videos, strict=True)
    ]


def _media(
    cells: Cells,
    paths: Sequence[str],
    kinds: Sequence[str],
    frames: IntArray | None,
    below: _Below,
    findings: Findings,
) -> tuple[list[str], int]:
    """Return each row's media, and the number that frame 0 has in folders.

    Args:
        cells: the table.
        paths: as the table has them.
        kinds: what they are.
        frames: None where rows are no frames.
        below: the files that are there.
        findings: what is gathered.
    """
    media = [
        below.find(path) if kind not in ("", "other") else "" for path, kind in zip(paths, kinds, strict=True)
    ]
    folders = {name for name, kind in zip(media, kinds, strict=True) if name and kind == "folder"}
    numbers = {name: set(numbered(below.folder / name, findings)) for name in sorted(folders)}
    numbering = int(bool(numbers) and not any(0 in found for found in numbers.values()))
    for row in np.flatnonzero(cells.good).tolist():
        name = media[row]
        if paths[row] and not name:
            findings.unmatch("label without a picture", f"{paths[row]} (line {cells.line(row)})")
        elif frames is not None and name in numbers and int(frames[row]) + numbering not in numbers[name]:
            place = f"{paths[row]}, frame {frames[row]} (line {cells.line(row)})"
            findings.unmatch("label without a picture", place)
            media[row] = ""
    return media, numbering


def _ordered(
    cells: Cells, named: dict[str, list[str]], unit: Unit, frames: IntArray, times: FloatArray
) -> tuple[IntArray, IntArray]:
    """Return the good rows in order, and all rows' frames; a second row of one place is refused."""
    keys = zip(named["split"], named["video"], named["face"], strict=True)
    sequences = Names.of("\x1f".join(key) for key in keys).codes
    moments = (
        frames if unit == "frame" else np.round(times * 1000) if unit == "time" else np.zeros(len(cells))
    )
    order = np.lexsort((moments, sequences))
    order = order[cells.good[order]]
    same = (np.diff(sequences[order]) == 0) & (np.diff(moments[order]) == 0)
    cells.refuse(
        np.sort(order[1:][same]).tolist(),
        lambda row: (
            f"a second row of {named['video'][row][:80]}, face {named['face'][row][:40]!r}, at the same "
            f"{'time' if unit == 'time' else 'frame'}"
        ),
    )
    order = order[cells.good[order]]
    if unit == "time":
        starts = np.flatnonzero(np.diff(sequences[order], prepend=-1))
        running = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
        frames = frames.copy()
        frames[order] = running
    return order, frames


def _sounds(cells: Cells, below: _Below, findings: Findings) -> list[str]:
    """Return each row's sound; one that is not there is told."""
    sounds = cells.texts("sound")
    found = {text: below.find(text) if _is_inside(text) else "" for text in set(sounds)}
    for text in sorted(found):
        if text and not found[text]:
            findings.unmatch("sound that is not there", text)
    return [found[text] for text in sounds]


def _cropped(cells: Cells) -> bool:
    """Return whether all pictures are cut out tightly."""
    said = cells.numbers("cropped", 0, 1, whole=True)[cells.good]
    if (said == 1).any() and not (said == 1).all():
        raise DatabaseError(f"{cells.path}: some rows are cropped and others not; give a table for each")
    return bool((said == 1).any())


def _others(cells: Cells) -> tuple[dict[str, Column], dict[str, Names]]:
    """Return the columns of numbers and the groups that the table has beside places and labels."""
    columns: dict[str, Column] = {}
    groups: dict[str, Names] = {}
    labels = label_columns(cells.columns)
    for name, column in cells.columns.items():
        if name in PLACES or name in labels:
            continue
        values = numbers_of(column) if isinstance(column, list) else column
        if np.isnan(values).all():
            continue
        if isinstance(column, list) and np.isinf(values).any():
            groups[name.removeprefix("group.")] = Names.of(column)
        else:
            columns[name.removeprefix("column.")] = values
    return columns, groups


def _known(values: FloatArray, good: BoolArray) -> FloatArray:
    """Return values with rows that are left out unknown."""
    return np.where(good[:, None], values, np.float32(np.nan))


def _is_saved(path: Path) -> bool:
    """Return whether a file of Parquet says that `Index.save` wrote it."""
    try:
        facts = pq.read_schema(path).metadata or {}
    except UNREADABLE as error:
        raise DatabaseError(f"{path}: not a readable file of Parquet ({str(error)[:200]})") from error
    return {b"database", b"unit", b"cropped", b"numbering"} <= facts.keys()


def _read_saved(path: Path, folder: Path, findings: Findings) -> Index:
    """Return an Index that was saved; media that are not in the folder are told.

    Raises:
        DatabaseError: it cannot be read, or holds values that its tasks do not have.
    """
    try:
        index = Index.load(path)
    except UNREADABLE as error:
        raise DatabaseError(f"{path}: not an index of mien ({str(error)[:200]})") from error
    for task, values in index.labels.values.items():
        known = index.labels.known[task]
        low, high = task.range
        right = known.all(axis=1) == known.any(axis=1) if task.kind == "categorical" else np.True_
        if not (np.all(right) and ((values >= low) & (values <= high))[known].all()):
            raise DatabaseError(f"{path}: {task.name} has values that are none of its own")
    if index.unit not in ("frame", "time", "clip"):
        raise DatabaseError(f"{path}: unit is {str(index.unit)[:40]!r}, expected frame, time or clip")
    for names in (*(getattr(index, name) for name in NAMED), *index.groups.values()):
        if len(names) and not (names.codes.min() >= 0 and names.codes.max() < len(names.vocabulary)):
            raise DatabaseError(f"{path}: a column of names is damaged")
    below = _Below(folder)
    findings.release = f"{path.name}, an index of {index.database}, by {index.unit}"
    media, sound = (_there(names, below, findings) for names in (index.media, index.sound))
    title = index.title or ("" if index.database == "table" else index.database)
    return replace(index, database="table", title=title, media=media, sound=sound)


def _there(names: Names, below: _Below, findings: Findings) -> Names:
    """Return names of files with those that are not there as ""."""
    found = []
    for text in (str(name) for name in names.vocabulary):
        found.append(below.find(text) if _is_inside(text) else "")
        if text and not found[-1]:
            findings.unmatch("label without a picture", text)
    spelled = Names.of(found)
    return Names(spelled.codes[names.codes], spelled.vocabulary)


_METRICS: dict[Kind, Metric] = {
    "continuous": "CCC",
    "categorical": "macro F1",
    "binary": "binary F1",
    "intensity": "ICC(3,1)",
}
"""How a table's labels are scored; `mien evaluate` tells the other metrics of their kind beside it."""

DATABASE = Database(
    title="Your own table",
    tasks=tuple(TASKS.values()),
    read=read,
    protocols=tuple(
        Protocol(
            name=task.name,
            task=task,
            metric=_METRICS[task.kind],
            aggregation="all labelled rows of the test part as one; mean over labels",
        )
        for task in TASKS.values()
    ),
    licence="What you may do with your own data.",
    obtain="Write a manifest.csv beside your pictures or videos; see docs/own_data.md.",
    citation="Yours.",
)
