"""How late each annotator is, found by which shift agrees best with the others.

Annotators react 1 to 6 s late, each in their own way (Mariooryad & Busso 2015, IEEE TAC 6(2)). A lag is one
number for an annotator and label over all videos: free warping can invent agreement, a constant cannot do
much. Only differences between annotators can be told: the quickest has lag 0.

    found = lags(courses, Steps())
    aligned = [course.moved(seconds_of(found)) for course in courses]
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mien.annotation.resampling import Course, Steps, shifted
from mien.arrays import FloatArray, IntArray

OPPOSED = -0.3
"""Who is correlated with the others below this in the mean, each at its strongest shift, is against them."""

REVERSED = 0.1
"""By how much more a trace must resemble another upside down than as it is, each at its best shift.

What swings resembles itself upside down too, half a period later.
"""

LEAST = 0.3
"""A trace is not moved to where its CCC with the others is below this."""

OVERLAP = 0.5
"""Shifts that leave less than this share of the common times are not looked at."""

ROUNDS = 20
"""Most rounds in which everybody is moved once."""


@dataclass(frozen=True)
class Lag:
    """What was found of one annotator.

    Attributes:
        annotator: a pseudonym.
        seconds: the lag taken off, `Steps.reaction` included.
        before: CCC with the mean of the others, theirs taken off, with no lag taken off; NaN if undefined.
        after: the same with the lag taken off.
        opposed: the trace runs against the others'.
        note: why it was not moved, or that the limit was reached; "" otherwise.
    """

    annotator: str
    seconds: float
    before: float
    after: float
    opposed: bool = False
    note: str = ""


@dataclass(frozen=True, eq=False)
class Match:
    """How a trace agrees with a reference at each shift.

    Attributes:
        ccc: (shifts,), NaN where undefined.
        pcc: (shifts,).
        shifts: (shifts,) by how many steps the trace is later than the reference.
    """

    ccc: FloatArray
    pcc: FloatArray
    shifts: IntArray

    def strongest(self) -> float:
        """Return the highest correlation; the lowest where that is clearly stronger; NaN if there is none."""
        known = self.pcc[np.isfinite(self.pcc)]
        if not len(known):
            return float("nan")
        low, high = float(known.min()), float(known.max())
        return low if -low > high + REVERSED else high

    def best(self, low: int, high: int) -> int:
        """Return the shift in [low, high] of the highest CCC; of equal ones that nearest to 0."""
        inside = (self.shifts >= low) & (self.shifts <= high) & np.isfinite(self.ccc)
        if not inside.any():
            return 0
        order = np.lexsort((np.abs(self.shifts[inside]), -np.round(self.ccc[inside], 12)))
        return int(self.shifts[inside][order[0]])

    def at(self, shift: int) -> float:
        """Return the CCC at a shift; NaN where it was not looked at."""
        found = self.ccc[self.shifts == shift]
        return float(found[0]) if len(found) else float("nan")


def match(pairs: Iterable[tuple[FloatArray, FloatArray]], limit: int) -> Match:
    """Return how traces agree with references at each shift, all videos together.

    Args:
        pairs: of each video the reference (n,) and the trace (n,), NaN where not known.
        limit: the largest shift in steps, to both sides.
    """
    sums = np.zeros((6, 2 * limit + 1))
    for reference, trace in pairs:
        sums += _sums(reference, trace, limit)
    n = np.round(sums[0])
    enough = n >= max(2, OVERLAP * n.max())
    with np.errstate(divide="ignore", invalid="ignore"):
        means = sums[1:3] / n
        squares = (sums[3:5] / n - means**2).clip(0)
        squares = np.where(squares < 1e-10, 0, squares)
        together = sums[5] / n - means[0] * means[1]
        ccc = 2 * together / (squares.sum(axis=0) + (means[0] - means[1]) ** 2)
        pcc = together / np.sqrt(squares[0] * squares[1])
    defined = enough & (squares > 0).all(axis=0)
    hidden = [np.where(defined, values, np.nan).clip(-1, 1) for values in (ccc, pcc)]
    return Match(hidden[0], hidden[1], np.arange(-limit, limit + 1))


def _sums(reference: FloatArray, trace: FloatArray, limit: int) -> FloatArray:
    """Return for each shift (6, shifts): n, sums of both, of their squares, of their product."""
    length = max(len(reference), len(trace)) + limit
    size = 1 << int(np.ceil(np.log2(max(2, length))))

    def spectra(values: FloatArray) -> FloatArray:
        known = np.isfinite(values)
        filled = np.where(known, values, 0)
        return np.asarray(np.fft.rfft(np.stack([known.astype(float), filled, filled**2]), size, axis=1))

    a, b = np.conj(spectra(reference)), spectra(trace)
    products = np.stack([a[0] * b[0], a[1] * b[0], a[0] * b[1], a[2] * b[0], a[0] * b[2], a[1] * b[1]])
    shifted = np.fft.irfft(products, size, axis=1)
    return np.concatenate([shifted[:, size - limit :], shifted[:, : limit + 1]], axis=1)


def lags(courses: Sequence[Course], steps: Steps) -> tuple[Lag, ...]:
    """Return each annotator's lag, in order of their names.

    First, pairs of annotators are matched at all shifts: who is correlated negatively with the rest is set
    apart and not moved. The others start where each fits best to the one who fits all best, and are moved in
    turn to where their CCC with the mean of the others is highest, until nobody moves. Who then gains less
    than `Steps.gain` over no lag gets none, and the rest is moved once more.

    Args:
        courses: of one label.
        steps: rate, limit, gain and reaction.
    """
    return _Search(courses, steps).found()


def seconds_of(found: Iterable[Lag]) -> dict[str, float]:
    """Return the lag of each annotator in seconds."""
    return {lag.annotator: lag.seconds for lag in found}


class _Search:
    """One search for the lags of a label."""

    def __init__(self, courses: Sequence[Course], steps: Steps) -> None:
        self._courses, self._steps = courses, steps
        self._rows = [{who: row for row, who in enumerate(course.annotators)} for course in courses]
        self._limit = round(steps.limit * steps.rate)
        self._everybody = sorted({who for rows in self._rows for who in rows})
        self._matches = self._pairwise()
        self._opposed = self._against()
        self._kept = [who for who in self._everybody if who not in self._opposed]
        self._shifts = dict.fromkeys(self._everybody, 0)

    def found(self) -> tuple[Lag, ...]:
        """Return the result."""
        fixed: set[str] = set()
        if self._limit:
            self._start()
            self._descend(self._kept, -self._limit, normal=True)
            while still := {who for who in self._kept if who not in fixed and not self._gains(who)}:
                fixed |= still
                self._shifts.update(dict.fromkeys(still, 0))
                self._descend([who for who in self._kept if who not in fixed], 0)
        return tuple(self._told(who) for who in self._everybody)

    def _pairwise(self) -> dict[tuple[str, str], Match]:
        """Return for each two annotators who share a video how the second fits to the first."""
        found = {}
        for one, two in combinations(self._everybody, 2):
            shared = [
                (course.values[rows[one]], course.values[rows[two]])
                for course, rows in zip(self._courses, self._rows, strict=True)
                if one in rows and two in rows
            ]
            if shared:
                found[one, two] = match(shared, self._limit)
        return found

    def _strength(self, who: str, others: Iterable[str]) -> float:
        """Return the mean of somebody's strongest correlations with others; 0 where there are none."""
        pairs = (self._matches.get((min(who, one), max(who, one))) for one in others if one != who)
        strengths = [pair.strongest() for pair in pairs if pair is not None]
        known = [strength for strength in strengths if np.isfinite(strength)]
        return float(np.mean(known)) if known else 0.0

    def _against(self) -> set[str]:
        """Return who runs against the rest, the worst first taken out and the others looked at again."""
        left = list(self._everybody)
        while left:
            strengths = {who: self._strength(who, left) for who in left}
            worst = min(strengths.values())
            if worst >= OPPOSED:
                break
            left = [who for who in left if strengths[who] > worst + 1e-9]
        return set(self._everybody) - set(left)

    def _start(self) -> None:
        """Start everybody where each fits best to the one who fits all best."""
        if not self._kept:
            return
        anchor = max(self._kept, key=lambda who: self._strength(who, self._kept))
        for who in self._kept:
            if (anchor, who) in self._matches:
                self._shifts[who] = self._matches[anchor, who].best(-self._limit, self._limit)
            elif (who, anchor) in self._matches:
                self._shifts[who] = -self._matches[who, anchor].best(-self._limit, self._limit)
        self._normalise()

    def _descend(self, moving: Sequence[str], low: int, normal: bool = False) -> None:
        """Move some in turn to where each fits best to the mean of the others, until nobody moves."""
        for _ in range(ROUNDS):
            before = dict(self._shifts)
            for who in moving:
                self._shifts[who] = self._fit(who).best(low, self._limit)
            if normal:
                self._normalise()
            if self._shifts == before:
                break

    def _normalise(self) -> None:
        """Make the quickest annotator of those who share videos have no lag."""
        for group in self._groups():
            least = min(self._shifts[who] for who in group)
            for who in group:
                self._shifts[who] = min(self._shifts[who] - least, self._limit)

    def _groups(self) -> list[set[str]]:
        """Return those who are linked by shared videos."""
        groups: list[set[str]] = []
        for rows in self._rows:
            linked = set(rows) & set(self._kept)
            if linked:
                touching = [group for group in groups if group & linked]
                groups = [group for group in groups if not group & linked]
                groups.append(linked.union(*touching))
        return groups

    def _fit(self, who: str) -> Match:
        """Return how somebody fits to the mean of the others, theirs moved as now known."""
        pairs = []
        for course, rows in zip(self._courses, self._rows, strict=True):
            others = [one for one in rows if one != who and one not in self._opposed]
            if who in rows and others:
                moved = [shifted(course.values[rows[one]], self._shifts[one]) for one in others]
                pairs.append((mean_known(np.stack(moved)), course.values[rows[who]]))
        return match(pairs, self._limit)

    def _gains(self, who: str) -> bool:
        """Return whether somebody's lag is worth it."""
        fit = self._fit(who)
        after, before = fit.at(self._shifts[who]), fit.at(0)
        return after >= LEAST and not after - before < self._steps.gain

    def _told(self, who: str) -> Lag:
        """Return what was found of one annotator."""
        fit, shift = self._fit(who), self._shifts[who]
        before, after, note = fit.at(0), fit.at(shift), ""
        best = fit.at(fit.best(0, self._limit))
        if who in self._opposed:
            note = "runs against the others; not moved"
        elif not np.isfinite(after):
            note = "nothing to compare with; not moved"
        elif self._limit and shift == self._limit:
            note = f"reached the limit of {self._steps.limit:g} s"
        elif not shift and best - before > 1e-3:
            note = f"a shift would gain {best - before:.3f}; not moved"
        seconds = shift / self._steps.rate + self._steps.reaction
        return Lag(who, seconds, before, after, who in self._opposed, note)


def mean_known(values: FloatArray) -> FloatArray:
    """Return the mean of what is known in each column of (k, n); NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0).sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
