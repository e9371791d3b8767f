"""An Index as a database of audformat, which keeps labels, segments, parts and raters apart.

    write(index, folder)        db.yaml and a table for each part and face, as `audformat.load` reads them

Rows of whole clips and of pictures become tables by file; rows of frames and times become segments, each
from its time to the next row's. A task whose labels are independent becomes a column for each label
("valence", "action_units_8.AU12"); classes become one column of names ("expression_7"), empty where several
lead, with a column for each class's share where any row is not all one class. A rater's trace, a column of
the Index such as "valence_FM1", keeps its rater. Unknown is empty. Needs the package audformat.
"""

import re
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.databases import DATABASES
from mien.databases.index import Index
from mien.databases.layout import PICTURES
from mien.errors import DatabaseError, SettingsError
from mien.files import whole_folder
from mien.tasks import VALENCE_AROUSAL, Task

HEADER = "db.yaml"
"""The file by which a database of audformat is known."""

PARTS = {"train": "train", "validation": "dev", "test": "test"}
"""Our parts, and audformat's kinds of them."""

Values = tuple[Any, dict[str, Any]]
"""A column's values, and the settings of its scheme."""


def write(
    index: Index,
    folder: Path,
    *,
    rate: float | None = None,
    licence: str = "",
    description: str = "",
    usage: str = "restricted",
) -> int:
    """Write an index as a database, whole or not at all; an earlier one there is replaced.

    Args:
        index: the rows.
        folder: the database to make.
        rate: frames per second, for rows of frames whose time the index does not know.
        licence: what may be done with the labels; that of the database by default.
        description: what else a user should know.
        usage: audformat's word: commercial, other, research, restricted or unrestricted.

    Returns:
        How many rows were left out, as they have neither a picture nor a sound.

    Raises:
        SettingsError: audformat is not installed.
        DatabaseError: rows are of frames whose time is not known, or several are of one file or segment.
        OutputError: the folder holds something else, or cannot be written.
    """
    audformat = _audformat()
    files = [media or sound for media, sound in zip(index.media.text(), index.sound.text(), strict=True)]
    there = np.array([bool(file) for file in files], bool)
    index = index[there].compact()
    files = [file for file in files if file]
    keys = _keys(index, files, rate)
    database = _database(audformat, index, licence, description, usage)
    columns = _columns(index)
    for name, (_, scheme) in columns.items():
        database.schemes[name] = audformat.Scheme(**scheme)
    raters = _raters(index)
    for rater in dict.fromkeys(rater for _, rater in raters.values()):
        database.raters[rater] = audformat.Rater(audformat.define.RaterType.HUMAN)
    for name, rows in _tables(index).items():
        table = audformat.Table(keys[rows], split_id=index.split.at(rows[0]) or None)
        database[name] = table
        for column, (values, _) in columns.items():
            table[column] = audformat.Column(scheme_id=column)
            table[column].set(values[rows])
        for column, (label, rater) in raters.items():
            table[column] = audformat.Column(scheme_id=label, rater_id=rater)
            table[column].set(index.columns[column][rows])
    with whole_folder(folder, replacing=HEADER) as place:
        database.save(str(place), storage_format="parquet")
    return int((~there).sum())


def _audformat() -> Any:
    """Return the package audformat.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        return import_module("audformat")
    except ImportError as error:
        raise SettingsError("the package audformat is not installed: pip install audformat") from error


def _database(audformat: Any, index: Index, licence: str, description: str, usage: str) -> Any:
    """Return a database without tables."""
    known = DATABASES.get(index.database)
    database = audformat.Database(
        index.database,
        source=known.obtain if known else "",
        usage=usage,
        description=description or (f"{known.title}. {known.citation}" if known else ""),
        license=licence or (known.licence if known else None),
        meta={"mien": version("mien"), "unit": index.unit},
    )
    for split in index.split.counts():
        if split:
            database.splits[split] = audformat.Split(type=PARTS[split])
    return database


def _keys(index: Index, files: list[str], rate: float | None) -> Any:
    """Return the rows' files or segments as audformat indexes them."""
    audformat, pandas = _audformat(), import_module("pandas")
    if index.unit == "clip" or all(PurePosixPath(file).suffix.lower() in PICTURES for file in files):
        keys = audformat.filewise_index(files)
    else:
        starts = index.seconds
        if not np.isfinite(starts).all():
            if rate is None or not rate > 0:
                raise DatabaseError(
                    f"{index.database}: rows of frames whose time is not known; give the frames per second"
                )
            starts = np.where(np.isfinite(starts), starts, index.frame / rate)
        ends = pandas.to_timedelta(_ticks(_ends(index.sequences(), starts)), unit="us")
        keys = audformat.segmented_index(files, pandas.to_timedelta(_ticks(starts), unit="us"), ends)
    for name, rows in _tables(index).items():
        twice = keys[rows].duplicated()
        if twice.any():
            row = rows[int(np.flatnonzero(twice)[0])]
            raise DatabaseError(f"{index.database}: {name} has {index.describe(row)} twice")
    return keys


def _ticks(seconds: FloatArray) -> IntArray:
    """Return seconds as microseconds."""
    ticks: IntArray = np.round(seconds * 1e6).astype(np.int64)
    return ticks


def _ends(sequences: IntArray, starts: FloatArray) -> FloatArray:
    """Return where each row's segment ends: at the next row of its sequence.

    The last of a sequence ends after the usual distance of all rows; 0 where no two follow each other.
    """
    ends = np.empty_like(starts)
    follow = (np.diff(sequences) == 0) & (np.diff(starts) > 0)
    usual = float(np.median(np.diff(starts)[follow])) if follow.any() else 0.0
    ends[:-1] = np.where(follow, starts[1:], starts[:-1] + usual)
    ends[-1:] = starts[-1:] + usual
    return ends


def _tables(index: Index) -> dict[str, IntArray]:
    """Return table -> its rows: one for each part and face."""
    parts = np.stack([index.split.codes, index.face.codes])
    found: dict[str, IntArray] = {}
    for split, face in sorted({(int(s), int(f)) for s, f in parts.T}):
        rows = np.flatnonzero((parts[0] == split) & (parts[1] == face))
        words = ("labels", index.split.at(rows[0]), re.sub(r"[^\w-]", "_", index.face.at(rows[0])))
        name = ".".join(word for word in words if word)
        found[name if name not in found else f"{name}.{face}"] = rows
    return found


def _columns(index: Index) -> dict[str, Values]:
    """Return column -> its values for all rows, and what its scheme says."""
    columns: dict[str, Values] = {}
    for task, values in index.labels.values.items():
        known = index.labels.known[task]
        if task.kind == "categorical":
            columns |= _classes(task, values, known)
        else:
            columns |= _numbers(task, values, known)
    raters = _raters(index)
    names = {"subject": index.subject, "video": index.video}
    names |= {_free(name, {**columns, **names}, "group"): group for name, group in index.groups.items()}
    for name, group in names.items():
        columns[name] = np.array([text or None for text in group.text()], object), {"dtype": "str"}
    for name, column in index.columns.items():
        if name not in raters:
            own = {"dtype": "float", "description": "the database's own"}
            columns[_free(name, columns, "column")] = column.astype(np.float64), own
    return columns


def _free(name: str, taken: Mapping[str, Any], kind: str) -> str:
    """Return a name that no column has yet."""
    return f"{kind}.{name}" if name in taken else name


def _numbers(task: Task, values: FloatArray, known: BoolArray) -> dict[str, Values]:
    """Return a column for each label of a task."""
    low, high = task.range
    columns: dict[str, Values] = {}
    for place, label in enumerate(task.labels):
        name = label if task.kind == "continuous" else f"{task.name}.{label}"
        said = np.where(known[:, place], values[:, place], np.nan)
        columns[name] = said, {"dtype": "float", "minimum": low, "maximum": high, "description": task.kind}
    return columns


def _classes(task: Task, values: FloatArray, known: BoolArray) -> dict[str, Values]:
    """Return a column of class names and, where shares say more, one for each class."""
    said = known.all(axis=1)
    greatest = values.max(axis=1, keepdims=True)
    clear = said & ((values == greatest).sum(axis=1) == 1)
    names = np.array(task.labels, object)[values.argmax(axis=1)]
    names[~clear] = None
    columns: dict[str, Values] = {task.name: (names, {"dtype": "str", "labels": list(task.labels)})}
    if (greatest[said] < 1).any():
        columns |= _numbers(task, values, known)
    return columns


def _raters(index: Index) -> Mapping[str, tuple[str, str]]:
    """Return the Index's columns that are a rater's trace, and of each (label, rater)."""
    if VALENCE_AROUSAL not in index.labels.values:
        return {}
    split = {name: name.partition("_") for name in index.columns}
    return {name: (of, who) for name, (of, _, who) in split.items() if of in VALENCE_AROUSAL.labels and who}
