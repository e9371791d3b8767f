"""From events to what they amount to: a trace or segments, and what happened meanwhile.

Kinds of events of traces:

    value       at `media`, `label` has `value`; it holds until the next
    rest        at `media` recording stopped: from there nothing is known, until a next value
    from        overwrite from here: what was at or after `media` in earlier passes is gone
    undo        what the last `from` overwrote is back, and what came after it is gone

A session that ends without a rest, since its page was killed, rests right after its last value.

Of segments:

    segment     `detail` is the segment as it is now: id, label, start, end, apex, intensity, scorable, face
    remove      the segment of `detail["id"]` is gone

Of both, and only counted or noted:

    play, pause, seek, blur, rate       marks
    neutral     at `media` the face is neutral
    prefill     predictions were shown (value 1) or hidden (0)
    done        the annotator calls the item finished
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mien.annotation.records import Segment, Trace
from mien.annotation.store import Event, Item

BRIDGE = 0.2
"""Seconds of video after a rest within which a next value goes on without a gap."""

MARKS = {"pause": "pause", "seek": "seek", "blur": "blur", "rate": "rate", "from": "overwrite"}
"""Kinds of events that are counted, and what the count is called."""


@dataclass
class Course:
    """The course of one label while events are gone through.

    Attributes:
        times: rising seconds.
        values: one each; None where recording stopped.
    """

    times: list[float] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)

    def cut(self, second: float) -> None:
        """Forget what is at or after a second."""
        keep = bisect_left(self.times, second)
        del self.times[keep:], self.values[keep:]

    def add(self, second: float, value: float | None) -> None:
        """Add a value at the end; one before the end is out of order and left out."""
        resting = bool(self.times) and self.values[-1] is None and value is not None
        if resting and second <= self.times[-1] + BRIDGE:
            del self.times[-1], self.values[-1]
        if self.times and second < self.times[-1]:
            return
        if self.times and second == self.times[-1]:
            self.values[-1] = value
            return
        self.times.append(second)
        self.values.append(value)

    def rest(self, second: float = 0.0) -> None:
        """Know nothing from a second on, or from right after the last value where that is later."""
        if self.times and self.values[-1] is not None:
            self.add(max(second, self.times[-1] + 0.001), None)

    def copy(self) -> "Course":
        """Return an equal one of its own."""
        return Course(list(self.times), list(self.values))


def courses(events: Iterable[Event], labels: Sequence[str]) -> dict[str, Course]:
    """Return the course of each label that the events of one item amount to."""
    now = {label: Course() for label in labels}
    before: list[dict[str, Course]] = []
    session = ""
    for event in events:
        if event.session != session:
            rest(now)
            session = event.session
        if event.kind == "undo":
            now = before.pop() if before else now
        elif event.media is None:
            continue
        elif event.kind == "from":
            before.append({label: course.copy() for label, course in now.items()})
            for course in now.values():
                course.cut(event.media)
        elif event.kind == "rest":
            rest(now, event.media)
        elif event.kind == "value" and event.label in now and event.value is not None:
            now[event.label].add(event.media, min(1.0, max(-1.0, event.value)))
    return now


def rest(now: Mapping[str, Course], second: float = 0.0) -> None:
    """Let all courses rest, from a second on or from right after their last values."""
    for course in now.values():
        course.rest(second)


def traces(events: Sequence[Event], item: Item, labels: Sequence[str]) -> tuple[Trace, ...]:
    """Return the traces of one item, one of each label that has values."""
    counts = marks(events)
    found = []
    for label, course in courses(events, labels).items():
        if course.times:
            values = np.array([np.nan if value is None else value for value in course.values])
            found.append(
                Trace(item.video, item.annotator, label, np.array(course.times), values, dict(counts))
            )
    return tuple(found)


def marks(events: Iterable[Event]) -> dict[str, int]:
    """Return how often each thing of MARKS happened; only what did."""
    counts: dict[str, int] = {}
    for event in events:
        if event.kind in MARKS:
            counts[MARKS[event.kind]] = counts.get(MARKS[event.kind], 0) + 1
    return counts


def pieces(events: Iterable[Event]) -> dict[str, Mapping[str, Any]]:
    """Return what each segment is at the end, by its id; some may have no end yet."""
    now: dict[str, Mapping[str, Any]] = {}
    for event in events:
        if event.kind == "segment":
            now[str(event.detail["id"])] = event.detail
        elif event.kind == "remove":
            now.pop(str(event.detail.get("id")), None)
    return now


def segments(events: Iterable[Event], item: Item) -> tuple[Segment, ...]:
    """Return the segments of one item that have an end, by their start."""
    found = [
        Segment(
            item.video,
            item.annotator,
            piece["label"],
            piece["start"],
            piece["end"],
            piece.get("apex"),
            piece.get("intensity"),
            piece.get("scorable", True),
            piece.get("face", ""),
        )
        for piece in pieces(events).values()
        if piece.get("end") is not None
    ]
    return tuple(sorted(found, key=lambda segment: (segment.start, segment.label)))


def neutral(events: Iterable[Event]) -> float | None:
    """Return the second that was last marked as neutral; None where none was."""
    seconds = [event.media for event in events if event.kind == "neutral"]
    return seconds[-1] if seconds else None
