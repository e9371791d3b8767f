"""How well annotators agree on traces: pairs, each with the rest, and all together.

An undefined figure is NaN and says why.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mien.annotation.lag import mean_known
from mien.annotation.resampling import Course
from mien.arrays import FloatArray
from mien.metrics.agreement import icc
from mien.metrics.continuous import Moments
from mien.metrics.raters import krippendorff

ICCS = {
    "ICC(2,1)": "absolute agreement of one annotator",
    "ICC(2,k)": "absolute agreement of the mean of all; also called ICC(A,k)",
    "ICC(3,1)": "consistency of one annotator",
    "ICC(3,k)": "consistency of the mean of all; Cronbach's alpha",
}
"""The forms that are reported, and what each is."""

OTHERS = "the others"
"""Stands for the mean of the others."""


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        name: of the metric.
        value: NaN where undefined.
        count: of how many rows, or events.
        why: why it is undefined; "" where it is defined.
    """

    name: str
    value: float
    count: int
    why: str = ""


@dataclass(frozen=True)
class Pair:
    """The figures of two annotators, or of one and OTHERS."""

    first: str
    second: str
    figures: tuple[Figure, ...]

    def figure(self, name: str) -> Figure:
        """Return a figure by its name.

        Raises:
            KeyError: there is none.
        """
        for figure in self.figures:
            if figure.name == name:
                return figure
        raise KeyError(name)


@dataclass(frozen=True)
class Agreement:
    """What was measured of one label.

    Attributes:
        label: "valence", "AU12", "expression".
        kind: "traces", "frames", "events" or "grades".
        stage: of traces "before" and "after" lags were taken off; "" otherwise.
        video: file name; "" for all together.
        face: which, where there are several.
        annotators: whose.
        figures: of all of them together.
        pairs: each two.
        alone: each one and OTHERS.
    """

    label: str
    kind: str
    stage: str
    video: str
    face: str
    annotators: tuple[str, ...]
    figures: tuple[Figure, ...]
    pairs: tuple[Pair, ...] = ()
    alone: tuple[Pair, ...] = ()

    def figure(self, name: str) -> Figure:
        """Return a figure of all annotators by its name.

        Raises:
            KeyError: there is none.
        """
        return Pair("", "", self.figures).figure(name)

    def with_others(self, apart: Collection[str] = ()) -> float:
        """Return the mean over annotators of the CCC with OTHERS, where it is defined; NaN for none.

        Args:
            apart: whose does not count.
        """
        found = [pair.figure("CCC").value for pair in self.alone if pair.first not in apart]
        known = [value for value in found if np.isfinite(value)]
        return float(np.mean(known)) if known else float("nan")


Two = tuple[str, str]


def trace_agreement(
    courses: Sequence[Course], stage: str = "", apart: Collection[str] = ()
) -> list[Agreement]:
    """Return the agreement of each video, and of all together where there are several or one.

    Overall figures of pairs are of all times of all videos that both traced, as one long course.

    Args:
        courses: of one label.
        stage: "before" or "after" lags were taken off.
        apart: who is left out of the mean of the others, as they run against it.
    """
    whole_pairs: dict[Two, Moments] = {}
    whole_alone: dict[Two, Moments] = {}
    found = []
    for course in courses:
        pairs, alone = _pairs(course), _alone(course, apart)
        for whole, part in ((whole_pairs, pairs), (whole_alone, alone)):
            for key, moments in part.items():
                whole[key] = whole[key] + moments if key in whole else moments
        figures = _together([course])
        found.append(
            Agreement(
                course.label,
                "traces",
                stage,
                course.video,
                "",
                course.annotators,
                figures,
                _told(pairs),
                _told(alone),
            )
        )
    if courses:
        everybody = tuple(sorted({who for course in courses for who in course.annotators}))
        told = _told(whole_pairs), _told(whole_alone)
        label = courses[0].label
        found.append(Agreement(label, "traces", stage, "", "", everybody, _together(courses), *told))
    return found


def _pairs(course: Course) -> dict[Two, Moments]:
    """Return the moments of each two annotators."""
    rows = range(len(course.annotators))
    return {
        (course.annotators[one], course.annotators[two]): _moments(course.values[one], course.values[two])
        for one, two in combinations(rows, 2)
    }


def _alone(course: Course, apart: Collection[str]) -> dict[Two, Moments]:
    """Return the moments of each annotator and the mean of the others."""
    found = {}
    for row, who in enumerate(course.annotators):
        others = [one for one, name in enumerate(course.annotators) if name != who and name not in apart]
        if others:
            found[who, OTHERS] = _moments(course.values[row], mean_known(course.values[others]))
    return found


def _moments(first: FloatArray, second: FloatArray) -> Moments:
    """Return the moments of where both are known."""
    known = np.isfinite(first) & np.isfinite(second)
    return Moments.of(np.where(known, first, 0), np.where(known, second, 0), known)


def _told(found: Mapping[Two, Moments]) -> tuple[Pair, ...]:
    """Return CCC and PCC of moments."""
    pairs = []
    for (first, second), moments in sorted(found.items()):
        count = int(moments.count.item())
        few = "" if count >= 2 else "fewer than two times that both traced"
        figures = (
            defined("CCC", moments.ccc().item(), count, few or "both are one constant"),
            defined("PCC", moments.pcc().item(), count, few or "one of them never moves"),
        )
        pairs.append(Pair(first, second, figures))
    return tuple(pairs)


def _together(courses: Sequence[Course]) -> tuple[Figure, ...]:
    """Return the figures of all annotators of some courses."""
    most = max(len(course.annotators) for course in courses)
    alike = len({course.annotators for course in courses}) == 1
    parts = [np.full((most, course.values.shape[1]), np.nan) for course in courses]
    for part, course in zip(parts, courses, strict=True):
        part[: len(course.annotators)] = course.values
    table = np.concatenate(parts, axis=1).T
    complete = table[np.isfinite(table).all(axis=1)]
    why = "" if alike else "not all annotators traced all videos"
    why = why or ("one annotator" if most < 2 else "")
    why = why or ("fewer than two times that all traced" if len(complete) < 2 else "")
    figures = [
        defined(form, float("nan") if why else icc(complete, form), len(complete), why or "nothing moves")
        for form in ICCS
    ]
    several = int((np.isfinite(table).sum(axis=1) >= 2).sum())
    few = "" if several else "no time that two traced"
    alpha = krippendorff(table, "interval")
    return (*figures, defined("Krippendorff (interval)", alpha, several, few or "nothing moves"))


def defined(name: str, value: float, count: int, why: str) -> Figure:
    """Return a figure; `why` is told only where it is undefined."""
    return Figure(name, value, count, "" if np.isfinite(value) else why)
