"""One trace from several: mean, median, or the mean weighted by who agrees with the rest.

    fused = FUSIONS["ewe"](values, weights)

The evaluator-weighted estimator (EWE; Grimm & Kroschel 2005, ASRU) weighs each annotator by the correlation
with the mean of the others. Its guards: negative weights are 0; who cannot be compared with anybody counts
as the mean of those who can; if no weight is left, all count alike, and a note says so.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mien.annotation.lag import mean_known
from mien.annotation.resampling import Course
from mien.arrays import FloatArray, IntArray
from mien.metrics.continuous import Moments
from mien.metrics.statistics import ratio


@dataclass(frozen=True, eq=False)
class Fused:
    """One course from several.

    Attributes:
        values: (n,) in [-1, 1]; NaN where nobody who counts said anything.
        spread: (n,) standard deviation of all annotators, with k - 1; NaN for fewer than two.
        weighted_spread: (n,) root of the weighted mean square about `values`; NaN for fewer than two
            who count.
        count: (n,) how many annotators said something.
    """

    values: FloatArray
    spread: FloatArray
    weighted_spread: FloatArray
    count: IntArray


@dataclass(frozen=True)
class Weights:
    """How much each annotator counts.

    Attributes:
        shares: annotator -> weight; they add up to 1.
        correlations: annotator -> correlation with the mean of the others; NaN where undefined.
        notes: what was decided where the correlations did not tell.
    """

    shares: Mapping[str, float]
    correlations: Mapping[str, float]
    notes: tuple[str, ...] = ()


def weigh(courses: Sequence[Course], opposed: Collection[str] = ()) -> Weights:
    """Return the annotators' weights, from all their videos together.

    Args:
        courses: of one label, lags taken off.
        opposed: who is known to run against the rest: weight 0, and left out of the means of the others.
    """
    found: dict[str, Moments] = {}
    for course in courses:
        for row, who in enumerate(course.annotators):
            others = [
                one for one, name in enumerate(course.annotators) if name != who and name not in opposed
            ]
            if others:
                mean = mean_known(course.values[others])
                both = np.isfinite(mean) & np.isfinite(course.values[row])
                moments = Moments.of(course.values[row][both], mean[both])
                found[who] = found[who] + moments if who in found else moments
    everybody = sorted({who for course in courses for who in course.annotators})
    compared = {who for who, moments in found.items() if moments.count.item() >= 2}
    correlations = {who: found[who].pcc().item() if who in compared else np.nan for who in everybody}
    return shared(correlations, compared, opposed)


def shared(correlations: Mapping[str, float], compared: Collection[str], opposed: Collection[str]) -> Weights:
    """Return weights of correlations, with the guards.

    Args:
        correlations: annotator -> correlation with the mean of the others; NaN where undefined.
        compared: who could be compared with somebody: an undefined correlation of theirs is a flat trace.
        opposed: whose weight is 0 whatever the correlation.
    """
    notes = [f"{who} runs against the others: weight 0" for who in sorted(opposed) if who in correlations]
    raw = {}
    for who, value in correlations.items():
        if who in opposed:
            raw[who] = 0.0
        elif who in compared:
            raw[who] = max(0.0, value) if np.isfinite(value) else 0.0
            if not value > 0:
                told = "never moves" if not np.isfinite(value) else f"has correlation {value:.2f}"
                notes.append(f"{who} {told}: weight 0")
    positive = [value for value in raw.values() if value > 0]
    alone = [who for who in correlations if who not in raw]
    for who in alone:
        raw[who] = float(np.mean(positive)) if positive else 0.0
        notes.append(f"{who} shares no time with another: the mean of the others' weights")
    total = sum(raw.values())
    if not total > 0:
        left = [who for who in raw if who not in opposed] or list(raw)
        notes.append(f"no weight is left: {', '.join(left)} count alike")
        raw = {who: float(who in left) for who in raw}
        total = float(len(left))
    return Weights({who: value / total for who, value in raw.items()}, dict(correlations), tuple(notes))


def weighted_mean(values: FloatArray, weights: FloatArray) -> Fused:
    """Return the weighted mean of several courses; where some are not known, the weights of the others count.

    Args:
        values: (k, n), NaN where not known.
        weights: (k,) from 0.
    """
    known = np.isfinite(values)
    mass = np.where(known, weights[:, None], 0)
    mean = ratio((mass * np.where(known, values, 0)).sum(axis=0), mass.sum(axis=0))
    return _with_spread(values, mean, mass)


def mean(values: FloatArray, _weights: FloatArray) -> Fused:
    """Return the mean of several courses (k, n); weights do not count."""
    return weighted_mean(values, np.ones(len(values)))


def median(values: FloatArray, _weights: FloatArray) -> Fused:
    """Return the median of several courses (k, n), of an even number the middle of two; no weights count."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    ordered, columns = np.sort(values, axis=0), np.arange(values.shape[1])  # NaN comes last
    low, high = ordered[(count - 1).clip(0) // 2, columns], ordered[count // 2, columns]
    return _with_spread(values, np.where(count > 0, (low + high) / 2, np.nan), known.astype(float))


FUSIONS: Mapping[str, Callable[[FloatArray, FloatArray], Fused]] = {
    "ewe": weighted_mean,
    "mean": mean,
    "median": median,
}
"""Every way by its name."""


def weights_of(annotators: Iterable[str], weights: Weights) -> FloatArray:
    """Return the weights of some annotators, (k,)."""
    return np.array([weights.shares[who] for who in annotators])


def _with_spread(values: FloatArray, fused: FloatArray, mass: FloatArray) -> Fused:
    """Return a fused course with its spreads."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    apart = np.where(known, values - mean_known(values), 0)
    spread = np.sqrt(ratio((apart**2).sum(axis=0), np.where(count >= 2, count - 1, 0)))
    about = np.where(known, values - fused, 0)
    several = (mass > 0).sum(axis=0) >= 2
    weighted = np.sqrt(ratio((mass * about**2).sum(axis=0), np.where(several, mass.sum(axis=0), 0)))
    return Fused(fused, spread, weighted, count)
