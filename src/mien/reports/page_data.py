"""A table of predictions reduced to what a page can show: the memory it takes has a bound.

The table is read twice, row group by row group: first to count, then to fill. A face with few rows
keeps every value; a longer one is cut into equal spans of time with mean, least and greatest value.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mien.arrays import FloatArray, IntArray
from mien.reports.tables import BEHAVIOURS, ROWS_PER_GROUP

POINTS = 2000
"""Most points in time that are kept of one face."""

POINTS_IN_ALL = 24_000
"""Most points kept of all faces together, as long as each still gets LEAST_POINTS."""

LEAST_POINTS = 60
"""Points that a face gets however many faces there are."""

FACES = 400
"""Most faces that are kept: those seen longest. The table has them all."""

PIECES = 1500
"""Parts of a medium that presence is told apart by: shorter gaps are closed."""


@dataclass(frozen=True)
class Column:
    """One measured column; the ends of intervals have the behaviour "interval", the low one first."""

    name: str
    behaviour: str
    label: str
    description: str


@dataclass
class Counts:
    """What the first reading knows of one face, or of all faces together.

    Attributes:
        rows: rows of the table.
        first: place of the first frame among all frames read.
        last: place of the last one.
        totals: (columns,) sums of the values.
        winners: (expressions,) rows in which each was the most probable.
    """

    rows: int
    first: int
    last: int
    totals: FloatArray
    winners: IntArray


@dataclass(frozen=True)
class Series:
    """One face over time, p points; a point without rows stands for each gap.

    Attributes:
        rows: (p,) rows of the table in each point; 0 in a gap.
        seconds: (p,) mean time.
        frame: (p,) number of the first frame.
        mean: (p, columns) mean values: the values themselves where rows is 1.
        low: (p, columns) least values.
        high: (p, columns) greatest values.
        runs: first and last second of each stretch in which the face was seen without a gap.
    """

    rows: IntArray
    seconds: FloatArray
    frame: IntArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    runs: list[tuple[float, float]]

    @property
    def exact(self) -> bool:
        """Whether each point is one row of the table."""
        return bool(np.all(self.rows <= 1))


@dataclass(frozen=True)
class Picture:
    """The faces found in one still: their numbers and values (n, columns)."""

    title: str
    faces: list[int]
    values: FloatArray


@dataclass(frozen=True)
class Sureness:
    """What a table of a calibrated network says of how sure its values are.

    Attributes:
        coverage: share of sets and intervals that hold the label; None where there are none.
        mass: of sets of expressions; None where there are none.
        thresholds: of action units; none where they are not stated.
    """

    coverage: float | None
    mass: float | None
    thresholds: Mapping[str, float]

    @property
    def told(self) -> bool:
        """Whether anything is said."""
        return self.coverage is not None or bool(self.thresholds)


@dataclass(frozen=True)
class TableView:
    """A table reduced for a page.

    Attributes:
        columns: what was measured, in the table's order.
        frames: frames or pictures in the table.
        frames_with_face: those with at least one face.
        faces: number of different faces in the table.
        counts: face -> its counts, of the FACES seen longest, by number.
        everyone: counts of all faces together.
        series: face -> its values over time; empty for stills.
        present: stretches of seconds in which at least one face was seen.
        pictures: the first stills; empty for a video.
        sureness: what the table says of how sure its values are.
    """

    columns: tuple[Column, ...]
    frames: int
    frames_with_face: int
    faces: int
    counts: dict[int, Counts]
    everyone: Counts
    series: dict[int, Series]
    present: list[tuple[float, float]]
    pictures: tuple[Picture, ...]
    sureness: Sureness

    def of(self, behaviour: str) -> list[int]:
        """Return the positions of a behaviour's columns; none where it was not learned."""
        return [place for place, column in enumerate(self.columns) if column.behaviour == behaviour]


@dataclass(frozen=True)
class _Rows:
    """A piece of the table as arrays, with each row's place among all frames read."""

    video: list[str]
    face: IntArray
    frame: IntArray
    seconds: FloatArray
    place: IntArray
    values: FloatArray


def view_video(path: Path) -> TableView:
    """Return the table of a video or camera, reduced."""
    with pq.ParquetFile(path) as table:
        columns = _columns(table.schema_arrow)
        sureness = _sureness(table.schema_arrow)
        tally = _count(table, columns, stills=False)
        kept = sorted(sorted(tally.faces, key=lambda face: -tally.faces[face].rows)[:FACES])
        counts = {face: tally.faces[face] for face in kept}
        series, present = _fill(table, columns, counts, tally.frames)
    return TableView(
        columns,
        tally.frames,
        tally.frames_with_face,
        len(tally.faces),
        counts,
        tally.everyone,
        series,
        present,
        (),
        sureness,
    )


def view_pictures(path: Path, limit: int) -> TableView:
    """Return the table of stills, reduced; the first `limit` of them with every value."""
    with pq.ParquetFile(path) as table:
        columns = _columns(table.schema_arrow)
        tally = _count(table, columns, stills=True)
        pictures = tuple(_first_pictures(table, columns, limit))
        sureness = _sureness(table.schema_arrow)
    everyone = tally.everyone
    return TableView(
        columns, tally.frames, tally.frames_with_face, everyone.rows, {}, everyone, {}, [], pictures, sureness
    )


@dataclass
class _Tally:
    """What the first reading finds."""

    faces: dict[int, Counts]
    everyone: Counts
    frames: int = 0
    frames_with_face: int = 0


def _columns(schema: pa.Schema) -> tuple[Column, ...]:
    """Return the measured columns, by what their metadata says."""
    found = []
    for each in schema:
        said = _said(each)
        if said.get("behaviour") in BEHAVIOURS:
            found.append(Column(each.name, said["behaviour"], said["label"], said["description"]))
        elif "interval" in said:
            found.append(Column(each.name, "interval", said["interval"], said["description"]))
    return tuple(found)


def _said(column: pa.Field) -> dict[str, str]:
    """Return a column's metadata."""
    return {key.decode(): value.decode() for key, value in (column.metadata or {}).items()}


def _sureness(schema: pa.Schema) -> Sureness:
    """Return what a table says of how sure its values are."""
    told = {each.name: _said(each) for each in schema}
    coverage = [float(said["coverage"]) for said in told.values() if "coverage" in said]
    mass = [float(said["mass"]) for said in told.values() if "mass" in said]
    thresholds = {
        name.removesuffix("_present"): float(said["threshold"])
        for name, said in told.items()
        if "threshold" in said
    }
    return Sureness(coverage[0] if coverage else None, mass[0] if mass else None, thresholds)


def _pieces(table: pq.ParquetFile, columns: Sequence[Column], *, stills: bool) -> Iterator[_Rows]:
    """Yield the table in pieces of some thousand rows.

    A new frame starts where the file or frame changes. Stills may share name and frame number, but
    within one the faces' numbers rise; a row without a face is a frame of its own.
    """
    names = [column.name for column in columns]
    place, before = -1, ("", -1, -1)
    for batch in table.iter_batches(ROWS_PER_GROUP, columns=["video", "face", "frame", "time_s", *names]):
        video = batch.column(0).to_pylist()
        face = batch.column(1).fill_null(-1).to_numpy()
        frame = batch.column(2).to_numpy()
        places = np.empty(len(frame), np.int64)
        for row, now in enumerate(zip(video, frame.tolist(), face.tolist(), strict=True)):
            if now[:2] != before[:2] or (stills and (before[2] < 0 or now[2] <= before[2])):
                place += 1
            places[row], before = place, now
        values = [batch.column(name).to_numpy(zero_copy_only=False) for name in names]
        stacked = np.stack(values, axis=1) if values else np.empty((len(frame), 0), np.float32)
        seconds = batch.column(3).to_numpy(zero_copy_only=False)
        yield _Rows(video, face, frame, seconds, places, stacked)


def _count(table: pq.ParquetFile, columns: Sequence[Column], *, stills: bool) -> _Tally:
    """Read the table once and count rows, sums and winners, of each face and of all."""
    expressions = [place for place, column in enumerate(columns) if column.behaviour == "expression"]

    def nothing(first: int) -> Counts:
        return Counts(0, first, first, np.zeros(len(columns)), np.zeros(len(expressions), np.int64))

    tally, last = _Tally({}, nothing(0)), -1
    for rows in _pieces(table, columns, stills=stills):
        seen = rows.face >= 0
        with_face = np.unique(rows.place[seen])
        tally.frames = int(rows.place[-1]) + 1
        tally.frames_with_face += len(with_face) - bool(len(with_face) and with_face[0] == last)
        last = int(with_face[-1]) if len(with_face) else last
        for face in [-1] if stills else np.unique(rows.face[seen]).tolist():
            mine = seen if stills else rows.face == face
            into = (
                tally.everyone if stills else tally.faces.setdefault(face, nothing(int(rows.place[mine][0])))
            )
            _add(into, rows.place[mine], rows.values[mine], expressions)
    for one in tally.faces.values():
        tally.everyone.rows += one.rows
        tally.everyone.totals += one.totals
        tally.everyone.winners += one.winners
    return tally


def _add(counts: Counts, place: IntArray, values: FloatArray, expressions: list[int]) -> None:
    """Add rows to what is known of a face."""
    if not len(place):
        return
    counts.rows += len(place)
    counts.last = int(place[-1])
    counts.totals += np.nansum(values, axis=0, dtype=np.float64)
    if expressions:
        best = np.argmax(values[:, expressions], axis=1)
        counts.winners += np.bincount(best, minlength=len(expressions))


def _fill(
    table: pq.ParquetFile, columns: Sequence[Column], counts: dict[int, Counts], frames: int
) -> tuple[dict[int, Series], list[tuple[float, float]]]:
    """Read the table a second time and return each face's series, and when any face was seen."""
    most = int(np.clip(POINTS_IN_ALL // max(len(counts), 1), LEAST_POINTS, POINTS))
    fillers = {face: _Filler(one, most, len(columns), frames) for face, one in counts.items()}
    anyone = _Runs(frames / PIECES)
    for rows in _pieces(table, columns, stills=False):
        seen = rows.face >= 0
        anyone.add(rows.place[seen], rows.seconds[seen])
        for face in np.unique(rows.face[seen]).tolist():
            if face in fillers:
                fillers[face].add(rows, np.flatnonzero(rows.face == face))
    return {face: filler.series() for face, filler in fillers.items()}, anyone.found


class _Filler:
    """Takes a face's rows in order of time and gives its series.

    A face with few rows gets a point for each, and one point without rows for each gap; a longer
    one gets `most` points of equal time.
    """

    def __init__(self, counts: Counts, most: int, columns: int, frames: int) -> None:
        self._first = counts.first
        self._span = counts.last - counts.first + 1
        self._each = counts.rows <= most
        self._points = min(2 * counts.rows, self._span) if self._each else most
        self._next, self._before = 0, counts.first - 1
        self._runs = _Runs(frames / PIECES)
        self._rows = np.zeros(self._points, np.int64)
        self._seconds = np.zeros(self._points)
        self._frame = np.zeros(self._points, np.int32)
        self._sum = np.zeros((self._points, columns))
        self._low = np.full((self._points, columns), np.inf, np.float32)
        self._high = np.full((self._points, columns), -np.inf, np.float32)

    def add(self, rows: _Rows, mine: IntArray) -> None:
        """Take in the rows at these positions."""
        place, values = rows.place[mine], rows.values[mine]
        self._runs.add(place, rows.seconds[mine])
        if self._each:
            steps = np.where(np.diff(place, prepend=self._before) > 1, 2, 1)
            points = self._next + np.cumsum(steps) - 1
            self._next, self._before = int(points[-1]) + 1, int(place[-1])
        else:
            points = (place - self._first) * self._points // self._span
        starts = np.flatnonzero(np.diff(points, prepend=-1))
        into = points[starts]
        frames = rows.frame[mine][starts]
        self._frame[into] = np.where(self._rows[into] == 0, frames, self._frame[into])
        self._rows[into] += np.diff(starts, append=len(points))
        self._seconds[into] += np.add.reduceat(rows.seconds[mine], starts)
        self._sum[into] += np.add.reduceat(values, starts, axis=0, dtype=np.float64)
        self._low[into] = np.minimum(self._low[into], np.minimum.reduceat(values, starts, axis=0))
        self._high[into] = np.maximum(self._high[into], np.maximum.reduceat(values, starts, axis=0))

    def series(self) -> Series:
        """Return what came, with one empty point for each gap."""
        full = self._rows > 0
        keep = full.copy()
        keep[1:] |= full[:-1]
        keep[int(np.flatnonzero(full)[-1]) + 1 :] = False
        rows = self._rows[keep]
        divisor = np.maximum(rows, 1)
        return Series(
            rows,
            self._seconds[keep] / divisor,
            self._frame[keep],
            (self._sum[keep] / divisor[:, None]).astype(np.float32),
            self._low[keep],
            self._high[keep],
            self._runs.found,
        )


class _Runs:
    """Collects stretches without a gap; gaps of up to `gap` frames are closed."""

    def __init__(self, gap: float) -> None:
        self._gap = max(gap, 1.0)
        self._end = -np.inf
        self.found: list[tuple[float, float]] = []

    def add(self, place: IntArray, seconds: FloatArray) -> None:
        """Take in the rows that come next, in order of time."""
        if not len(place):
            return
        before = np.concatenate([[self._end], place[:-1]])
        starts = np.flatnonzero(place - before > self._gap)
        if len(starts) == 0 or starts[0] > 0:
            first = int(starts[0]) if len(starts) else len(place)
            self.found[-1] = (self.found[-1][0], float(seconds[first - 1]))
        for start, end in pairwise([*starts.tolist(), len(place)]):
            self.found.append((float(seconds[start]), float(seconds[end - 1])))
        self._end = float(place[-1])


def _first_pictures(table: pq.ParquetFile, columns: Sequence[Column], limit: int) -> Iterator[Picture]:
    """Yield the first stills with all faces found in them."""
    titles: dict[int, str] = {}
    faces: dict[int, list[int]] = {}
    values: dict[int, list[FloatArray]] = {}
    for rows in _pieces(table, columns, stills=True):
        if rows.place[0] >= limit:
            break
        for row, place in enumerate(rows.place.tolist()):
            titles[place] = rows.video[row]
            faces.setdefault(place, [])
            values.setdefault(place, [])
            if rows.face[row] >= 0:
                faces[place].append(int(rows.face[row]))
                values[place].append(rows.values[row])
    for place in sorted(titles)[:limit]:
        found = np.array(values[place], np.float32).reshape(len(faces[place]), len(columns))
        yield Picture(titles[place], faces[place], found)
