"""Events in predictions over time: action units that come and go, and episodes of expressions.

    found = events(table, Rules(minimum=0.2, gap=0.1))

An action unit's event starts with the frame that reaches `enter` and ends with the last one before a
frame below `leave`. Its apex is the frame with the highest value, the first of equal ones. The rise is the
run of frames up to the start in which each is higher than the one before; its onset is the last of them with
no more than RISE of the way from the rise's first value to the apex behind it. The fall after the end and its
offset are the same, seen backwards. An expression's episode is a run of frames in which it is the most
probable; onset and offset are its first and last frame.

The words are those of the Facial Action Coding System (Ekman, Friesen and Hager 2002), where a person sees
movement begin, peak and end; docs/events.md says what differs.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from mien.arrays import FloatArray, IntArray
from mien.courses.filters import pieces
from mien.courses.table import Course, Measure, courses, measures, metadata, values
from mien.errors import SettingsError

ENTER = 0.5
"""From which probability an action unit's event starts where the table states no threshold."""

ENTER_INTENSITY = 2.0
"""The same of an intensity from 0 to 5: "slight", from which databases count an action unit as present."""

LEAVE = 0.75
"""Share of `enter` below which an event ends."""

RISE = 0.1
"""Share of the way to the apex before the onset, and after the offset."""

Run = tuple[int, int, int]
"""First row, row after the last, and what is there."""


@dataclass(frozen=True)
class Rules:
    """What counts as an event.

    Attributes:
        minimum: least duration in seconds, from the start's frame until the end's frame is over.
        gap: an interruption shorter than so many seconds is none.
        enter: from which value an action unit's event starts; None for the threshold that the table states,
            ENTER or ENTER_INTENSITY where it states none.
        leave: below which value it ends; None for LEAVE of `enter`.

    Raises:
        SettingsError: a time below 0, a value outside 0 to 5, or `leave` above `enter`.
    """

    minimum: float = 0.2
    gap: float = 0.1
    enter: float | None = None
    leave: float | None = None

    def __post_init__(self) -> None:
        for name in ("minimum", "gap"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise SettingsError(f"{name} is {getattr(self, name):g} s, expected 0 or more")
        for name in ("enter", "leave"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 5:
                raise SettingsError(f"{name} is {value:g}, expected 0 to 1, or to 5 for intensities")
        if self.enter is not None and self.leave is not None and self.leave > self.enter:
            raise SettingsError(f"leave is {self.leave:g}, above enter, {self.enter:g}")

    def bounds(self, measure: Measure) -> tuple[float, float]:
        """Return the values at which an action unit's event starts and ends.

        Raises:
            SettingsError: `leave` is above the threshold that the table states, or `enter` out of reach.
        """
        stated = measure.threshold
        if stated is None:
            stated = ENTER_INTENSITY if measure.high > 1 else ENTER
        enter = stated if self.enter is None else self.enter
        leave = LEAVE * enter if self.leave is None else self.leave
        if leave > enter:
            raise SettingsError(
                f"leave is {leave:g}, above {enter:g}, from which {measure.label} counts as present; "
                "give a lower one, or enter too"
            )
        if enter > measure.high:
            raise SettingsError(f"enter is {enter:g}; {measure.name} is at most {measure.high:g}")
        return enter, leave


@dataclass(frozen=True)
class Event:
    """One event of one face; times in seconds, on the clock of the frames.

    Attributes:
        video: name of the file.
        face: number of the face.
        behaviour: "action_units" or "expression".
        label: action unit or expression.
        onset_s: see the module.
        start_s: time of the first frame of the event.
        apex_s: time of its highest value.
        end_s: time of its last frame.
        offset_s: see the module.
        onset_frame: number of the onset's frame.
        apex_frame: number of the apex's frame.
        offset_frame: number of the offset's frame.
        duration_s: from the start until the end's frame is over.
        apex: the highest value.
        mean: mean value from start to end.
        frames: frames from start to end.
        enter: value at which it started; None for an expression.
        leave: value below which it ended; None for an expression.
        onset_seen: whether the face was there before the rise began.
        offset_seen: whether the face was there after the fall was over.
    """

    video: str
    face: int
    behaviour: str
    label: str
    onset_s: float
    start_s: float
    apex_s: float
    end_s: float
    offset_s: float
    onset_frame: int
    apex_frame: int
    offset_frame: int
    duration_s: float
    apex: float
    mean: float
    frames: int
    enter: float | None
    leave: float | None
    onset_seen: bool
    offset_seen: bool


_DESCRIPTIONS = {
    "video": "name of the file",
    "face": "number of the face",
    "behaviour": "action_units or expression",
    "label": "action unit or expression",
    "onset_s": "time of the frame at which the rise to the apex begins; of an expression its first frame",
    "start_s": "time of the first frame that reaches enter; of an expression its first frame",
    "apex_s": "time of the frame with the highest value, the first of equal ones",
    "end_s": "time of the last frame before one below leave; of an expression its last frame",
    "offset_s": "time of the frame at which the fall is over; of an expression its last frame",
    "onset_frame": "number of the onset's frame, from 0",
    "apex_frame": "number of the apex's frame, from 0",
    "offset_frame": "number of the offset's frame, from 0",
    "duration_s": "seconds from the start until the end's frame is over",
    "apex": "the highest value from start to end",
    "mean": "the mean value from start to end",
    "frames": "frames with this face from start to end",
    "enter": "value from which the event starts; null for an expression",
    "leave": "value below which it ends; null for an expression",
    "onset_seen": "false: the face came into view when the event was under way, it may have begun earlier",
    "offset_seen": "false: the face went out of view while the event was under way, it may have gone on",
}


def events(table: pa.Table, rules: Rules = Rules(), name: str = "table") -> pa.Table:
    """Return the events of a table of predictions, a row each, by video, face, label and time.

    The columns are those of `Event`, each with its description; the table's own metadata are kept, and
    "events" says the rules.

    Args:
        table: as analysis or `smoothing.smooth` gives it.
        rules: what counts as an event.
        name: what errors call the table.

    Raises:
        InputError: the table is of pictures, or is no table of predictions.
        SettingsError: the rules do not fit the table.
    """
    measured = measures(table, name)
    units = [(m, *rules.bounds(m)) for m in measured if m.behaviour == "action_units"]
    raw = values(table, tuple(measure.name for measure in measured))
    places = {measure.name: place for place, measure in enumerate(measured)}
    shown = [m for m in measured if m.behaviour == "expression"]
    found: list[Event] = []
    for course in courses(table, name):
        for measure, enter, leave in units:
            column = raw[course.rows, places[measure.name]]
            for piece in _stretches(course, column):
                found += piece.of_unit(measure.label, enter, leave, rules)
        if shown:
            shares = raw[course.rows][:, [places[m.name] for m in shown]]
            for piece in _stretches(course, shares):
                found += piece.of_expressions([m.label for m in shown], rules)
    return _table(found, {**metadata(table.schema), "events": json.dumps(asdict(rules))})


@dataclass(frozen=True)
class _Stretch:
    """One face in view without a gap, n rows; `over` are the times at which each frame is over."""

    course: Course
    seconds: FloatArray
    over: FloatArray
    frames: IntArray
    values: FloatArray

    def of_unit(self, label: str, enter: float, leave: float, rules: Rules) -> Iterator[Event]:
        """Yield the events of an action unit; values (n,)."""
        found = self.values
        # as float32, in which tables hold values: 0.3 of a table is not below a threshold of 0.3
        runs = [(start, end, 0) for start, end in _active(found, np.float32(enter), np.float32(leave))]
        for start, end, _ in self._kept(runs, rules):
            apex = start + int(np.argmax(found[start:end]))
            onset, first = _foot(found[: start + 1][::-1], found[apex])
            offset, last = _foot(found[end - 1 :], found[apex])
            rows = _Rows(start - onset, start, apex, end, end - 1 + offset)
            seen = (first < start, end - 1 + last < len(found) - 1)
            yield self._event("action_units", label, found, rows, (enter, leave), seen)

    def of_expressions(self, labels: Sequence[str], rules: Rules) -> Iterator[Event]:
        """Yield the episodes of expressions; values (n, labels)."""
        best = np.argmax(self.values, axis=1)
        edges = [0, *(np.flatnonzero(np.diff(best)) + 1).tolist(), len(best)]
        runs = [(s, e, int(best[s])) for s, e in pairwise(edges)]
        for start, end, which in self._kept(runs, rules):
            found = self.values[:, which]
            rows = _Rows(start, start, start + int(np.argmax(found[start:end])), end, end - 1)
            yield self._event("expression", labels[which], found, rows, None, (start > 0, end < len(found)))

    def _kept(self, runs: Sequence[Run], rules: Rules) -> Iterator[Run]:
        """Yield runs with short interruptions closed, from the first on, and then without short ones."""
        place = 0
        while place < len(runs):
            start, end, what = runs[place]
            ahead = place + 1
            while ahead < len(runs) and self.seconds[runs[ahead][0]] - self.over[end - 1] < rules.gap - 1e-9:
                if runs[ahead][2] == what:
                    end, place = runs[ahead][1], ahead
                ahead += 1
            if self.over[end - 1] - self.seconds[start] >= rules.minimum - 1e-9:
                yield start, end, what
            place += 1

    def _event(
        self,
        behaviour: str,
        label: str,
        found: FloatArray,
        rows: "_Rows",
        bounds: tuple[float, float] | None,
        seen: tuple[bool, bool],
    ) -> Event:
        """Return an event of values (n,); `seen` says whether its rise and its fall were seen whole."""
        onset, start, apex, end, offset = rows
        return Event(
            video=self.course.video,
            face=self.course.face,
            behaviour=behaviour,
            label=label,
            onset_s=float(self.seconds[onset]),
            start_s=float(self.seconds[start]),
            apex_s=float(self.seconds[apex]),
            end_s=float(self.seconds[end - 1]),
            offset_s=float(self.seconds[offset]),
            onset_frame=int(self.frames[onset]),
            apex_frame=int(self.frames[apex]),
            offset_frame=int(self.frames[offset]),
            duration_s=float(self.over[end - 1] - self.seconds[start]),
            apex=float(found[apex]),
            mean=float(found[start:end].mean()),
            frames=end - start,
            enter=bounds[0] if bounds else None,
            leave=bounds[1] if bounds else None,
            onset_seen=seen[0],
            offset_seen=seen[1],
        )


class _Rows(NamedTuple):
    """The rows of an event; `end` is the one after its last."""

    onset: int
    start: int
    apex: int
    end: int
    offset: int


def _foot(found: FloatArray, apex: float) -> tuple[int, int]:
    """Return how far from the first of some values (n,) the offset lies, and the end of the fall.

    The fall is followed as long as each value is lower than the one before. The offset is the first value in
    it that is no more than RISE of the way from the fall's last value to the apex above it.
    """
    last = 0
    while last + 1 < len(found) and found[last + 1] < found[last]:
        last += 1
    low = found[last] + RISE * (apex - found[last])
    return int(np.argmax(found[: last + 1] <= low)), last


def _stretches(course: Course, found: FloatArray) -> Iterator[_Stretch]:
    """Yield where a face was in view without a gap and its values are known; (n,) or (n, k)."""
    known = np.flatnonzero(np.isfinite(found.reshape(len(found), -1)).all(axis=1))
    usual = _usual_step(course.seconds)
    for piece in pieces(course.seconds[known], course.places[known]):
        mine = known[piece]
        seconds = course.seconds[mine]
        yield _Stretch(
            course, seconds, np.append(seconds[1:], seconds[-1] + usual), course.frames[mine], found[mine]
        )


def _usual_step(seconds: FloatArray) -> float:
    """Return the median time from a frame to the next; 0 where there is only one."""
    steps = np.diff(seconds)
    return float(np.median(steps)) if len(steps) else 0.0


def _active(found: FloatArray, enter: np.float32, leave: np.float32) -> list[tuple[int, int]]:
    """Return where values (n,) are on, first and row after the last: from `enter` until below `leave`."""
    turns = np.where(found >= enter, 1, np.where(found < leave, -1, 0))
    told = np.maximum.accumulate(np.where(turns != 0, np.arange(len(found)), -1))
    on = np.where(told < 0, False, turns[np.maximum(told, 0)] > 0)
    edges = np.flatnonzero(np.diff(on.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _table(found: Sequence[Event], of_file: dict[str, str]) -> pa.Table:
    """Return events as a table."""
    kinds = {
        "str": pa.string(),
        "int": pa.int32(),
        "float": pa.float64(),
        "float | None": pa.float64(),
        "bool": pa.bool_(),
    }
    named = {field.name: kinds[str(getattr(field.type, "__name__", field.type))] for field in fields(Event)}
    schema = pa.schema(
        [pa.field(name, kind, metadata={"description": _DESCRIPTIONS[name]}) for name, kind in named.items()],
        metadata=of_file,
    )
    return pa.Table.from_pylist([asdict(event) for event in found], schema)
