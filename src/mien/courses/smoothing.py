"""Predictions smoothed over time, face by face: a table of them, or as they come.

    smoothed = smooth(pq.read_table("talk/predictions.parquet"), FILTERS["gaussian"](0.1))

    smoother = Smoother(Exponential(0.2))      # live; a fresh one for each medium
    predictions = smoother.update(seconds, ids, predictions, cut)

Probabilities are smoothed as probabilities, and stay within 0 to 1; those of expressions add up to 1. The
most probable expression, its uncertainty and the presence of action units are told again from the smoothed
values. Sets and intervals with a stated coverage are left out: it was measured on single faces as the network
sees them, and nothing is known of it for smoothed ones.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.courses.filters import GAP, Causal, Filter, Stream, name_of, pieces
from mien.courses.table import ROWS_PER_GROUP, Course, Measure, courses, measures, metadata, values
from mien.errors import InputError, SettingsError
from mien.files import explained, whole_file
from mien.records import Predictions
from mien.tasks import Task

SMOOTHING = "smoothing"
"""Key of the table's metadata that says which filter it went through."""

DROPPED = "smoothing_dropped"
"""Key of the table's metadata that names the columns which smoothing left out."""


def smooth(table: pa.Table, by: Filter, name: str = "table") -> pa.Table:
    """Return a table of predictions smoothed: the same rows in the same order, with the same metadata.

    What was measured is smoothed, see `table.measures`; boxes, scores and times stay. A cell that is not
    known stays so, and the filter goes on after it. Each column's description and the table's metadata say
    what was done.

    Args:
        table: as analysis writes it.
        by: the filter.
        name: what errors call the table.

    Raises:
        InputError: the table is of pictures, is no table of predictions, or is smoothed already.
    """
    before = metadata(table.schema).get(SMOOTHING)
    if before is not None:
        raise InputError(f"{name}: smoothed already ({before}); smooth the table it was made from")
    measured = measures(table, name)
    raw = values(table, tuple(measure.name for measure in measured))
    smoothed = np.full(raw.shape, np.nan, np.float64)
    expressions = [place for place, measure in enumerate(measured) if measure.behaviour == "expression"]
    for course in courses(table, name):
        known = np.isfinite(raw[course.rows])
        known[:, expressions] = known[:, expressions].all(axis=1, keepdims=True)
        for columns in _known_alike(known):
            mine = np.flatnonzero(known[:, columns[0]])
            cells = np.ix_(course.rows[mine], np.array(columns))
            smoothed[cells] = _filtered(course, mine, raw[cells], by)
    for behaviour in dict.fromkeys(measure.behaviour for measure in measured):
        columns = [place for place, measure in enumerate(measured) if measure.behaviour == behaviour]
        bounds = np.array([(measured[place].low, measured[place].high) for place in columns])
        smoothed[:, columns] = _held(smoothed[:, columns], raw[:, columns], bounds, behaviour == "expression")
    told = {m.name: column for m, column in zip(measured, smoothed.astype(np.float32).T, strict=True)}
    return _rebuilt(table, measured, told, by)


def write(table: pa.Table, path: Path) -> None:
    """Write a table as analysis does, with the folders above it; a file that exists is replaced.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        pq.write_table(table, part, compression="zstd", write_page_index=True, row_group_size=ROWS_PER_GROUP)


def described(by: Filter) -> str:
    """Return a filter in words, with what it costs."""
    kind = "causal" if isinstance(by, Causal) else "not causal"
    cost = f"delay {by.delay:g} s, looks {by.ahead:g} s ahead"
    return f"{name_of(by)} {by.seconds:g} s, {kind}: {cost}"


@dataclass
class _Live:
    """The streams of one face, and when it was seen last."""

    seconds: float
    streams: Mapping[Task, Stream]


class Smoother:
    """Smooths what is said of followed faces as it comes; a fresh one for each medium.

    A face begins anew at a cut, after GAP seconds out of sight and where time runs backwards. Faces share
    nothing. The numbers are those that `smooth` gives.

    Args:
        by: a causal filter.

    Raises:
        SettingsError: the filter looks ahead.
    """

    def __init__(self, by: Filter) -> None:
        if not isinstance(by, Causal):
            raise SettingsError(
                f"{name_of(by)} looks {by.ahead:g} s ahead; a live stream needs a causal filter"
            )
        self._by = by
        self._faces: dict[int, _Live] = {}
        self._before = math.nan

    def update(
        self, seconds: float, ids: IntArray, predictions: Predictions, cut: bool = False
    ) -> Predictions:
        """Return the smoothed predictions of one frame, n rows.

        Args:
            seconds: time of the frame.
            ids: (n,) numbers of its faces.
            predictions: n rows of finite numbers.
            cut: whether a new shot starts with this frame.
        """
        self._faces = {
            face: live
            for face, live in self._faces.items()
            if not cut
            and seconds >= live.seconds
            and (live.seconds == self._before or seconds - live.seconds <= GAP)
        }
        self._before = seconds
        smoothed = {task: np.empty(said.shape, np.float64) for task, said in predictions.values.items()}
        for row, face in enumerate(ids.tolist()):
            if face not in self._faces:
                streams = {task: self._by.stream() for task in smoothed}
                self._faces[face] = _Live(seconds, streams)
            self._faces[face].seconds = seconds
            for task, stream in self._faces[face].streams.items():
                smoothed[task][row] = stream.update(seconds, predictions.values[task][row].astype(np.float64))
        held = {
            task: _held(rows, predictions.values[task], np.array([task.range]), task.kind == "categorical")
            for task, rows in smoothed.items()
        }
        return Predictions({task: rows.astype(np.float32) for task, rows in held.items()})


def _known_alike(known: BoolArray) -> list[list[int]]:
    """Return the columns of a mask (n, k) in groups that are known in the same rows."""
    groups: dict[bytes, list[int]] = {}
    for column, mask in enumerate(known.T):
        groups.setdefault(mask.tobytes(), []).append(column)
    return list(groups.values())


def _filtered(course: Course, mine: IntArray, rows: FloatArray, by: Filter) -> FloatArray:
    """Return rows (n, k) of one face filtered, stretch by stretch; `mine` (n,) says which of it they are."""
    filtered = np.empty(rows.shape, np.float64)
    seconds = course.seconds[mine]
    for piece in pieces(seconds, course.places[mine]):
        filtered[piece] = by.over(seconds[piece], rows[piece])
    return filtered


def _held(rows: FloatArray, raw: FloatArray, bounds: FloatArray, shares: bool) -> FloatArray:
    """Return rows (n, k) brought back into their range; shares add up to 1.

    Where a median leaves nothing of any share, the row is what it was.

    Args:
        rows: filtered.
        raw: the same before.
        bounds: (k or 1, 2) lowest and highest value.
        shares: whether a row's values are probabilities of which one holds.
    """
    held = np.clip(rows, bounds[:, 0], bounds[:, 1])
    if not shares:
        return held
    whole = held.sum(axis=1, keepdims=True)
    held = np.where(whole > 0, held, np.where(np.isnan(whole), np.nan, raw))
    whole = held.sum(axis=1, keepdims=True)
    shared: FloatArray = np.divide(held, whole, out=held, where=whole > 0)
    return shared


def _rebuilt(
    table: pa.Table, measured: Sequence[Measure], told: Mapping[str, FloatArray], by: Filter
) -> pa.Table:
    """Return the table with what was measured replaced, what follows from it told again, the rest kept."""
    note = f"; smoothed ({name_of(by)} {by.seconds:g} s)"
    stale = {f"{measure.name}_present" for measure in measured if measure.threshold is None}
    fields, arrays, dropped = [], [], []
    for field in table.schema:
        said = metadata(field)
        if "coverage" in said or field.name in stale:
            dropped.append(field.name)
            continue
        again = _again(field, measured, told)
        if again is not None:
            described_anew = {**said, "description": said.get("description", field.name) + note}
            field = field.with_metadata(described_anew)
        fields.append(field)
        arrays.append(table[field.name] if again is None else again.cast(field.type))
    of_file = {**metadata(table.schema), SMOOTHING: described(by), DROPPED: ", ".join(dropped)}
    return pa.table(arrays, schema=pa.schema(fields, of_file))


def _again(field: pa.Field, measured: Sequence[Measure], told: Mapping[str, FloatArray]) -> pa.Array | None:
    """Return a column from the smoothed values; None where smoothing does not touch it."""
    if field.name in told:
        return pa.array(told[field.name], pa.float32(), from_pandas=True)
    labels = {m.label: told[m.name] for m in measured if m.behaviour == "expression"}
    if labels and field.name in ("expression", "expression_uncertainty"):
        shares = np.stack(list(labels.values()), axis=1)
        absent = np.isnan(shares).any(axis=1)
        if field.name == "expression_uncertainty":
            return pa.array(1 - shares.max(axis=1), pa.float32(), mask=absent)
        best = pa.array(np.argmax(shares, axis=1).astype(np.int8), mask=absent)
        return pa.DictionaryArray.from_arrays(best, pa.array(list(labels)))
    unit = next((m for m in measured if field.name == f"{m.name}_present"), None)
    if unit is None or unit.threshold is None:
        return None
    present = told[unit.name] >= np.float32(unit.threshold)
    return pa.array(present.astype(np.int8), mask=np.isnan(told[unit.name]))
