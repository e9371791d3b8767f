"""Traces: what raters said of a recording over time, and valence and arousal joined on their time stamps.

Time stamps are rounded to the millisecond. What was rated at a time in one dimension only is unknown in the
other. A cell that is empty, NaN or "?" (as ARFF writes it) is a rater who said nothing; the mean is over the
others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mien.arrays import FloatArray, IntArray
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.names import Names
from mien.databases.text import fields, lines, number
from mien.records import Labels
from mien.tasks import VALENCE_AROUSAL

DIMENSIONS = VALENCE_AROUSAL.labels
"""What is rated, in the task's order."""

LONGEST = 48 * 3600.0
"""A time stamp above it, in seconds, is a mistake."""

Line = tuple[int, str]


@dataclass(frozen=True, eq=False)
class Trace:
    """What was said of one dimension of one recording.

    Attributes:
        times: (n,) int64 milliseconds, rising.
        values: (n, m) in [-1, 1], a column for each rater; NaN where one said nothing.
        raters: their m names.
    """

    times: IntArray
    values: FloatArray
    raters: tuple[str, ...] = ("",)

    def mean(self) -> "Trace":
        """Return the mean over those who said something."""
        said = np.isfinite(self.values)
        total = np.where(said, self.values, 0).sum(axis=1)
        count = said.sum(axis=1)
        values = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return Trace(self.times, values[:, None])

    def at(self, times: IntArray) -> FloatArray:
        """Return the values at some times, (len(times), m); NaN at a time that is not in the trace."""
        values = np.full((len(times), self.values.shape[1]), np.nan)
        there = np.isin(times, self.times)
        values[there] = self.values[np.searchsorted(self.times, times[there])]
        return values


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording with its labels.

    Attributes:
        name: as the Index has it.
        split: as the Index has it.
        subject: as the Index has it.
        media: as the Index has it.
        sound: as the Index has it.
        labels: dimension -> a trace of one column.
        raters: dimension -> the raters' own traces, which become columns "valence_<rater>".
        extra: name -> a trace of one column that becomes a column.
        groups: group -> the recording's name in it.
    """

    name: str
    split: str
    subject: str
    media: str
    sound: str
    labels: Mapping[str, Trace]
    raters: Mapping[str, Trace] = field(default_factory=dict)
    extra: Mapping[str, Trace] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)


def read_trace(path: Path, findings: Findings, delimiter: str) -> Trace:
    """Return the trace in a file of CSV: time in seconds, then a column for each rater.

    Raters are called as the first line says, or by their place (from 1) where it holds numbers. A row with
    another number of fields, a time not later than the row before, or a value outside [-1, 1] is malformed.

    Raises:
        DatabaseError: the file cannot be read, or breaks the format and is not skipped.
    """
    body = list(lines(path, findings))
    raters, headed = _raters(path, body, findings, delimiter)
    body = body[headed:]
    if not raters:
        return Trace(np.zeros(0, np.int64), np.zeros((0, 1)))
    quick = _quick([text for _, text in body], delimiter, len(raters))
    times, values = _slow(path, body, findings, delimiter, raters) if quick is None else quick
    return Trace(times, values, raters)


def read_row(cells: Sequence[str], names: Sequence[str], times: list[int]) -> tuple[int, list[float]]:
    """Return a row's time in milliseconds and its values; NaN where a cell says nothing.

    Args:
        cells: the time in seconds, then the values.
        names: what the values are, for messages.
        times: those of the rows before, which must be earlier.

    Raises:
        ValueError: the row is malformed.
    """
    if len(cells) != len(names) + 1:
        raise ValueError(f"{len(cells)} fields, expected {len(names) + 1}")
    time = round(number(cells[0], "time", 0, LONGEST) * 1000)
    if times and time <= times[-1]:
        raise ValueError(f"time is {cells[0][:40]!r}, expected one later than {times[-1] / 1000:g}")
    said = [cell.lower() not in ("", "nan", "?") for cell in cells[1:]]
    return time, [
        number(cell, name, -1, 1) if is_said else np.nan
        for cell, name, is_said in zip(cells[1:], names, said, strict=True)
    ]


def _raters(
    path: Path, body: Sequence[Line], findings: Findings, delimiter: str
) -> tuple[tuple[str, ...], int]:
    """Return the raters' names, none where the file is refused, and how many lines the header has."""
    try:
        names = fields(body[0][1], delimiter) if body else []
    except ValueError as error:
        findings.fault(f"{path}: the header is {error}")
        return (), 0
    if len(names) < 2 or (len(set(names)) != len(names) and not _is_number(names[0])):
        findings.fault(
            f"{path}: the first line is {body[0][1][:80] if body else ''!r}, expected the time and raters"
        )
        return (), 0
    if _is_number(names[0]):
        return tuple(str(place) for place in range(1, len(names))), 0
    return tuple(names[1:]), 1


def _is_number(text: str) -> bool:
    """Return whether a field is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _quick(texts: list[str], delimiter: str, raters: int) -> tuple[IntArray, FloatArray] | None:
    """Return times and values of lines among which none is odd; None where any may be."""
    if not texts or not all(texts):
        return None
    try:
        table = np.loadtxt(texts, delimiter=delimiter, comments=None, ndmin=2)
    except ValueError:
        return None
    times, values = table[:, 0], table[:, 1:]
    if values.shape[1] != raters or not ((times >= 0) & (times <= LONGEST)).all():
        return None
    stamps = np.round(times * 1000).astype(np.int64)
    if (np.diff(stamps) <= 0).any() or (np.abs(values) > 1).any():
        return None
    return stamps, values


def _slow(
    path: Path, body: Sequence[Line], findings: Findings, delimiter: str, raters: tuple[str, ...]
) -> tuple[IntArray, FloatArray]:
    """Return times and values, line by line."""
    times: list[int] = []
    values: list[list[float]] = []
    for line, text in body:
        with findings.row(path, line):
            time, row = read_row(fields(text, delimiter), raters, times)
            times.append(time)
            values.append(row)
    return np.array(times, np.int64), np.array(values, np.float64).reshape(-1, len(raters))


def indexed(database: str, recordings: Sequence[Recording]) -> Index:
    """Return one row per recording and time stamp; `frame` counts a recording's time stamps from 0."""
    columns = dict.fromkeys(
        name
        for recording in recordings
        for name in (*(f"{d}_{r}" for d, t in recording.raters.items() for r in t.raters), *recording.extra)
    )
    return Index.joined([_part(database, recording, list(columns)) for recording in recordings])


def _part(database: str, recording: Recording, columns: Sequence[str]) -> Index:
    """Return the rows of one recording."""
    known = [trace.times for trace in recording.labels.values()]
    times = np.unique(np.concatenate([np.zeros(0, np.int64), *known]))
    values = np.full((len(times), len(DIMENSIONS)), np.nan)
    for place, dimension in enumerate(DIMENSIONS):
        if dimension in recording.labels:
            values[:, place] = recording.labels[dimension].at(times)[:, 0]
    said = {name: trace.at(times)[:, 0] for name, trace in recording.extra.items()}
    for dimension, trace in recording.raters.items():
        for rater, column in zip(trace.raters, trace.at(times).T, strict=True):
            said[f"{dimension}_{rater}"] = column
    nothing = np.full(len(times), np.nan)
    return Index.of(
        database,
        Labels.of({VALENCE_AROUSAL: values}),
        split=recording.split,
        subject=recording.subject,
        video=recording.name,
        media=recording.media,
        sound=recording.sound,
        frame=np.arange(len(times)),
        seconds=times / 1000,
        unit="time",
        columns={name: said.get(name, nothing).astype(np.float32) for name in columns},
        groups={name: Names.repeat(group, len(times)) for name, group in recording.groups.items()},
    )
