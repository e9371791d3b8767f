"""What is wrong with single traces, in words: late, still, flat, stuck, against the rest, interrupted.

The first two limits are those of ANNEMO, the tool of RECOLA: redo when the first movement comes after 5 s or
nothing moves for over 20 s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mien.annotation.lag import Lag, mean_known
from mien.annotation.records import Annotations, Trace
from mien.annotation.resampling import Course, Steps, courses_of, grid, held
from mien.arrays import FloatArray
from mien.metrics.continuous import pcc

Weight = Literal["redo", "look", "note"]
"""How much a flag matters: the trace should be made again, looked at, or it is only to be known."""


@dataclass(frozen=True)
class Limits:
    """From where on a trace is flagged.

    Attributes:
        first: seconds until the first movement.
        still: seconds without movement.
        flat: standard deviation below which a trace is flat.
        stuck: share of the time at -1 or 1.
        edge: how near to -1 or 1 is at it.
        movement: a change of more than this is a movement.
    """

    first: float = 5.0
    still: float = 20.0
    flat: float = 0.02
    stuck: float = 0.5
    edge: float = 0.02
    movement: float = 0.01


@dataclass(frozen=True)
class Flag:
    """One thing to be said of a trace.

    Attributes:
        video: file name.
        annotator: a pseudonym.
        label: what was traced.
        flag: "late", "still", "flat", "stuck", "against", "empty", or the name of a mark.
        weight: how much it matters.
        text: the same in words, with its number.
    """

    video: str
    annotator: str
    label: str
    flag: str
    weight: Weight
    text: str


def flags_of(annotations: Annotations, label: str, steps: Steps, lags: Sequence[Lag]) -> list[Flag]:
    """Return what is to be said of each trace of a label.

    Args:
        annotations: all.
        label: what was traced.
        steps: rate, median and tail.
        lags: what `mien.annotation.lag.lags` found; those who run against the rest are left out of the mean
            of the others that each is held against.
    """
    seconds = {lag.annotator: lag.seconds for lag in lags}
    opposed = {lag.annotator for lag in lags if lag.opposed}
    flags = []
    for course in courses_of(annotations, label, steps):
        rest = rest_of(course.moved(seconds), opposed)
        for trace in annotations.of(label, course.video):
            flags += look(trace, steps, rest.get(trace.annotator, float("nan")))
    return flags


def rest_of(course: Course, opposed: set[str]) -> dict[str, float]:
    """Return each annotator's correlation with the mean of the others who are not opposed; NaN: undefined."""
    found = {}
    for row, who in enumerate(course.annotators):
        others = [one for one, name in enumerate(course.annotators) if name != who and name not in opposed]
        if others:
            mean = mean_known(course.values[others])
            both = np.isfinite(mean) & np.isfinite(course.values[row])
            found[who] = pcc(course.values[row][both], mean[both])
    return found


def look(trace: Trace, steps: Steps, rest: float, limits: Limits | None = None) -> list[Flag]:
    """Return what is to be said of one trace.

    Args:
        trace: the trace as it was made.
        steps: rate and tail.
        rest: its correlation with the rest; NaN where undefined.
        limits: those of ANNEMO and of `Limits` by default.
    """
    limits = limits or Limits()
    seconds = grid(float(trace.seconds[-1]) if len(trace) else 0, steps.rate)
    values = held(trace, seconds, steps.tail)
    known = np.isfinite(values)
    found: list[tuple[str, Weight, str]] = []
    if not known.any():
        found.append(("empty", "redo", "holds no value"))
    else:
        found += _course(seconds[known], values[known], limits)
    if rest < 0:
        found.append(("against", "redo", f"runs against the others: correlation {rest:.2f}"))
    found += [(mark, "note", f"{mark}: {_times(count)}") for mark, count in sorted(trace.marks.items())]
    return [Flag(trace.video, trace.annotator, trace.label, *one) for one in found]


def _course(seconds: FloatArray, values: FloatArray, limits: Limits) -> list[tuple[str, Weight, str]]:
    """Return what is to be said of the known values of a trace."""
    found: list[tuple[str, Weight, str]] = []
    spread = float(values.std())
    if spread < limits.flat:
        return [("flat", "redo", f"is flat: standard deviation {spread:.3f}")]
    moves = seconds[1:][_moves(values, limits.movement)]
    first = float(moves[0]) if len(moves) else float("inf")
    if first > limits.first:
        found.append(("late", "redo", f"moves for the first time after {first:.1f} s"))
    rests = np.diff(np.concatenate([[0.0], moves, seconds[-1:]]))
    rests[0] = 0  # until the first movement: that is told above
    if len(rests) and rests.max() > limits.still:
        place = float(np.concatenate([[0.0], moves])[np.argmax(rests)])
        found.append(("still", "look", f"does not move for {rests.max():.1f} s from {place:.1f} s on"))
    for side, name in ((-1, "lowest"), (1, "highest")):
        share = float((side * values >= 1 - limits.edge).mean())
        if share >= limits.stuck:
            found.append(("stuck", "look", f"is at the {name} value {100 * share:.0f} % of the time"))
    return found


def _moves(values: FloatArray, least: float) -> FloatArray:
    """Return where values have moved by more than `least` since the last such place: (n - 1,) of bool."""
    moved = np.zeros(max(0, len(values) - 1), bool)
    anchor = values[0]
    for place, value in enumerate(values[1:].tolist()):
        if abs(value - anchor) > least:
            moved[place], anchor = True, value
    return moved


def _times(count: int) -> str:
    """Return how often: "once", "3 times"."""
    return "once" if count == 1 else f"{count} times"
