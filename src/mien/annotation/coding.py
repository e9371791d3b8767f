"""Segments as votes on rows: of each action unit absent or present, of expressions one class.

Which action units somebody went through in a video is told by a project; of what was not finished there, only
the annotator's own segments are known. From tables alone, who has any segment of action units there is taken
to have gone through all units that anybody coded anywhere. Where there is no segment of a unit that was gone
through, it is absent. Of expressions, what has no segment is not known. Where the annotator says that it
cannot be told, nothing is known.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mien.annotation.records import Annotations, Segment
from mien.annotation.resampling import LATE, Clock, Times
from mien.arrays import FloatArray
from mien.errors import InputError
from mien.tasks import TASKS

EXPRESSION = "expression"
"""The label of all expressions together."""

PRESENCE = ("absent", "present")
"""The classes of an action unit."""

UNIT = re.compile(r"AU\d\d")

Span = tuple[float, float]
"""Start and end of an event in seconds."""

Group = Literal["unit", "expression"]

Coded = Mapping[tuple[str, str], frozenset[str]]
"""Video and annotator -> the labels that were gone through there, seen or not."""


@dataclass(frozen=True, eq=False)
class Coding:
    """What several annotators said of one label on the rows of one video and face.

    Attributes:
        video: file name.
        face: which face; "" for the only one.
        label: an action unit, or EXPRESSION.
        classes: what the votes 0, 1, ... mean.
        annotators: (k) who.
        times: of the rows.
        votes: (k, n) class numbers, NaN where not known.
        grades: (k, n) intensities 1 to 5, 0 where absent, NaN where not known; of expressions all NaN.
        events: (k) the stretches in which each saw an action unit, None of who did not go through to the
            end; of expressions none.
    """

    video: str
    face: str
    label: str
    classes: tuple[str, ...]
    annotators: tuple[str, ...]
    times: Times
    votes: FloatArray
    grades: FloatArray
    events: tuple[tuple[Span, ...] | None, ...]


def group_of(segment: Segment) -> Group:
    """Return whether a segment is of an action unit or of an expression.

    Raises:
        InputError: its label is neither.
    """
    if UNIT.fullmatch(segment.label):
        return "unit"
    if any(segment.label in task.labels for task in TASKS.values() if task.behaviour == EXPRESSION):
        return "expression"
    raise InputError(
        f"{segment.video}, {segment.annotator}: {segment.label!r} is no action unit such as AU01 and no "
        "expression of mien's"
    )


def vocabulary(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the classes of the smallest of mien's expression tasks that has all labels.

    Where none has them all, the labels themselves, sorted.
    """
    wanted = set(labels)
    tasks = [task for task in TASKS.values() if task.behaviour == EXPRESSION and wanted <= set(task.labels)]
    return min(tasks, key=len).labels if tasks else tuple(sorted(wanted))


def ends_of(annotations: Annotations) -> dict[str, float]:
    """Return the second at which what was annotated of each video ends."""
    ends: dict[str, float] = {}
    for trace in annotations.traces:
        last = float(trace.seconds[-1]) if len(trace) else 0.0
        ends[trace.video] = max(ends.get(trace.video, 0.0), last)
    for one in annotations.segments:
        ends[one.video] = max(ends.get(one.video, 0.0), one.end)
    return ends


def codings_of(annotations: Annotations, clock: Clock, coded: Coded | None = None) -> list[Coding]:
    """Return the codings of all labels, by video, face and label.

    Args:
        annotations: all.
        clock: when the rows of each video are.
        coded: which labels somebody is known to have gone through in a video; None where nothing tells it.

    Raises:
        InputError: a label is not one of mien's, or a video's times cannot be read.
    """
    groups: dict[Group, list[Segment]] = {"unit": [], "expression": []}
    for one in annotations.segments:
        groups[group_of(one)].append(one)
    classes = vocabulary({one.label for one in groups["expression"]})
    told = coded if coded is not None else {}
    named = {label for labels in told.values() for label in labels if UNIT.fullmatch(label)}
    units = sorted({one.label for one in groups["unit"]} | named)
    ends, found = ends_of(annotations), []
    for video in sorted({one.video for one in annotations.segments} | {video for video, _ in told}):
        here = {key: [one for one in group if one.video == video] for key, group in groups.items()}
        coders = _coders(video, here["unit"], units, coded)
        faces = sorted({one.face for group in here.values() for one in group}) or [""]
        times = clock.times(video, ends.get(video, 0.0))
        for face in faces:
            if here["expression"]:
                found.append(_expression(here["expression"], face, classes, times))
            for unit, who in coders.items():
                found.append(_unit(here["unit"], (video, face, unit), who, times))
    return found


def _coders(
    video: str, segments: Sequence[Segment], units: Sequence[str], coded: Coded | None
) -> dict[str, dict[str, bool]]:
    """Return who coded each unit in a video, and whether to the end; units that nobody coded are left out."""
    seen: dict[str, set[str]] = {}
    for one in segments:
        seen.setdefault(one.annotator, set()).add(one.label)
    coders = {}
    for unit in units:
        if coded is None:
            mine = dict.fromkeys(seen, True)
        else:
            mine = {who: False for who, labels in seen.items() if unit in labels}
            mine |= {who: True for (of, who), labels in coded.items() if of == video and unit in labels}
        if mine:
            coders[unit] = dict(sorted(mine.items()))
    return coders


def _unit(
    segments: Sequence[Segment], place: tuple[str, str, str], who: Mapping[str, bool], times: Times
) -> Coding:
    """Return the coding of one action unit from all units' segments of a video.

    Args:
        segments: all of them.
        place: video, face and unit.
        who: coded it, and whether to the end.
        times: of the rows.
    """
    _, face, unit = place
    votes, grades = np.zeros((2, len(who), len(times.seconds)))
    events: list[tuple[Span, ...] | None] = []
    for row, (annotator, whole) in enumerate(who.items()):
        if not whole:
            votes[row], grades[row] = np.nan, np.nan
        mine = [s for s in segments if (s.annotator, s.face, s.label) == (annotator, face, unit)]
        mine.sort(key=lambda one: (not one.scorable, one.start))
        for one in mine:
            rows = _rows(one, times.seconds)
            votes[row, rows] = 1 if one.scorable else np.nan
            graded = one.scorable and one.intensity is not None
            grades[row, rows] = one.intensity if graded else np.nan
        events.append(tuple((one.start, one.end) for one in mine if one.scorable) if whole else None)
    return Coding(*place, PRESENCE, tuple(who), times, votes, grades, tuple(events))


def _expression(segments: Sequence[Segment], face: str, classes: tuple[str, ...], times: Times) -> Coding:
    """Return the coding of the expressions of a video; of segments that overlap the later one holds."""
    who = tuple(sorted({one.annotator for one in segments}))
    votes = np.full((len(who), len(times.seconds)), np.nan)
    for one in sorted(segments, key=lambda one: one.start):
        if one.face == face:
            vote = classes.index(one.label) if one.scorable else np.nan
            votes[who.index(one.annotator), _rows(one, times.seconds)] = vote
    nothing = np.full_like(votes, np.nan)
    events: tuple[tuple[Span, ...], ...] = tuple(() for _ in who)
    return Coding(segments[0].video, face, EXPRESSION, classes, who, times, votes, nothing, events)


def _rows(segment: Segment, seconds: FloatArray) -> slice:
    """Return the rows that a segment covers, without its end; a short one covers the row it begins in."""
    first = int(np.searchsorted(seconds, segment.start - LATE, "left"))
    last = int(np.searchsorted(seconds, segment.end - LATE, "left"))
    if first == last:
        first = max(0, int(np.searchsorted(seconds, segment.start + LATE, "right")) - 1)
        last = first + 1
    return slice(first, last)
