"""The courses in a table of predictions: what was measured of each face, in order of time."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mien.arrays import FloatArray, IntArray
from mien.errors import InputError

PREDICTIONS = "predictions.parquet"
"""The table in a result folder."""

ROWS_PER_GROUP = 4096
"""Rows of a row group that is written, as in the tables that analysis writes."""

_RANGES = {"expression": (0.0, 1.0), "action_units": (0.0, 1.0), "valence_arousal": (-1.0, 1.0)}
_KEYS = ("video", "face", "frame", "time_s")


@dataclass(frozen=True)
class Measure:
    """A measured column.

    Attributes:
        name: of the column.
        behaviour: that of its task.
        label: of the task.
        low: its lowest possible value.
        high: its highest possible value.
        threshold: from which an action unit is present, where the table's network states it, else None.
    """

    name: str
    behaviour: str
    label: str
    low: float
    high: float
    threshold: float | None = None


@dataclass(frozen=True)
class Course:
    """One face of one video over time, n rows.

    Attributes:
        video: name of the file.
        face: number of the face.
        rows: (n,) places of its rows in the table.
        frames: (n,) numbers of their frames.
        places: (n,) which frames of the video they are, counted over those that the table has.
        seconds: (n,) their times, which do not fall.
    """

    video: str
    face: int
    rows: IntArray
    frames: IntArray
    places: IntArray
    seconds: FloatArray


def read(path: Path) -> pa.Table:
    """Return a table of predictions with its metadata.

    Args:
        path: a result folder, or a Parquet file.

    Raises:
        InputError: there is no such table, or it cannot be read.
    """
    place = place_of(path)
    if not place.is_file():
        raise InputError(f"{place}: no such file; expected a result folder of mien or its {PREDICTIONS}")
    try:
        with pq.ParquetFile(place) as file:
            return file.read()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{place}: cannot be read as a table of predictions ({error})") from error


def place_of(path: Path) -> Path:
    """Return where the table of a result is, whether its folder or the file itself is named."""
    return path / PREDICTIONS if path.is_dir() else path


def measures(table: pa.Table, name: str = "table") -> tuple[Measure, ...]:
    """Return the measured columns: those whose metadata say a behaviour and a label.

    Args:
        table: of predictions.
        name: what errors call it.

    Raises:
        InputError: there is none, one holds no numbers, or a threshold is none.
    """
    found = []
    for field in table.schema:
        said = metadata(field)
        behaviour, label = said.get("behaviour", ""), said.get("label", "")
        if behaviour not in _RANGES or not label:
            continue
        if not pa.types.is_floating(field.type):
            raise InputError(f"{name}: column {field.name} holds {field.type}, expected numbers")
        low, high = (0.0, 5.0) if field.name.endswith("_intensity") else _RANGES[behaviour]
        found.append(Measure(field.name, behaviour, label, low, high, _threshold(table, field.name, name)))
    if not found:
        raise InputError(
            f"{name}: no column says in its metadata what it measures; expected a table that mien wrote"
        )
    return tuple(found)


def courses(table: pa.Table, name: str = "table") -> Iterator[Course]:
    """Yield the course of each face, in order of video and face; rows without a face are in none.

    Args:
        table: of predictions; its rows may come in any order.
        name: what errors call it.

    Raises:
        InputError: a column is missing or of another kind, or a row has no video, frame or time.
    """
    missing = [column for column in _KEYS if column not in table.column_names]
    if missing:
        raise InputError(f"{name}: no table of predictions: no column {', '.join(missing)}")
    try:
        video = table["video"].cast(pa.string()).combine_chunks().dictionary_encode()
        face = table["face"].cast(pa.int64())
        seconds = pc.fill_null(table["time_s"].cast(pa.float64()), np.nan).to_numpy()
        frame = table["frame"].cast(pa.int64())
    except pa.ArrowException as error:
        raise InputError(f"{name}: no table of predictions ({error})") from error
    for column, nulls in (("video", video.null_count), ("frame", frame.null_count)):
        if nulls:
            raise InputError(f"{name}: a row without a {column}")
    untimed = np.flatnonzero(~np.isfinite(seconds))
    if len(untimed):
        raise InputError(
            f"{name}: row {untimed[0]} has no time (of {len(untimed)} such rows): what is seen in pictures "
            "has no course over time; expected the table of a video or camera"
        )
    found, frames = pc.is_valid(face).to_numpy(), frame.to_numpy()
    rows, places = np.flatnonzero(found), _places(video.indices.to_numpy(), frames)
    codes, numbers = video.indices.to_numpy()[rows], pc.fill_null(face, -1).to_numpy()[rows]
    order = np.lexsort((rows, seconds[rows], numbers, codes))
    rows, codes, numbers = rows[order], codes[order], numbers[order]
    edges = np.flatnonzero((np.diff(codes) != 0) | (np.diff(numbers) != 0)) + 1
    for start, end in pairwise([0, *edges.tolist(), len(rows)]):
        if end > start:
            mine = rows[start:end]
            clip = video.dictionary[int(codes[start])].as_py()
            yield Course(clip, int(numbers[start]), mine, frames[mine], places[mine], seconds[mine])


def _places(clips: IntArray, frames: IntArray) -> IntArray:
    """Return for each row (n,) which of its video's frames it is, counted over those that are there."""
    _, distinct = np.unique(np.stack([clips, frames], axis=1), axis=0, return_inverse=True)
    return np.asarray(distinct.reshape(-1))


def values(table: pa.Table, columns: tuple[str, ...]) -> FloatArray:
    """Return columns (rows, columns) as numbers; NaN where one is not known."""
    gathered = np.empty((len(table), len(columns)), np.float64)
    for place, column in enumerate(columns):
        gathered[:, place] = pc.fill_null(table[column].cast(pa.float64()), np.nan).to_numpy()
    return gathered


def metadata(field: pa.Field) -> dict[str, str]:
    """Return what a column says of itself."""
    return {
        key.decode(errors="replace"): said.decode(errors="replace")
        for key, said in (field.metadata or {}).items()
    }


def _threshold(table: pa.Table, column: str, name: str) -> float | None:
    """Return the threshold that the table states for an action unit."""
    present = f"{column}_present"
    if present not in table.column_names:
        return None
    said = metadata(table.schema.field(present)).get("threshold")
    if said is None:
        return None
    try:
        number = float(said)
    except ValueError:
        number = float("nan")
    if not 0 <= number <= 1:
        raise InputError(f"{name}: the threshold of {present} is {said!r}, expected a number from 0 to 1")
    return number
