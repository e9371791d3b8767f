"""Agreement of several raters on the same rows: intraclass correlations."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mien.arrays import FloatArray
from mien.metrics.statistics import ratio


@dataclass(frozen=True, eq=False)
class Variance:
    """The sums of squares of a two-way analysis of variance: rows times raters, a rating each.

    Attributes:
        rows: (...) between rows.
        raters: (...) between raters.
        residual: (...) what is left.
        n: (...) how many rows.
        k: how many raters.
    """

    rows: FloatArray
    raters: FloatArray
    residual: FloatArray
    n: FloatArray
    k: int

    def icc(self, form: str) -> FloatArray:
        """Return an intraclass correlation (Shrout & Fleiss 1979, McGraw & Wong 1996), at most 1.

        NaN for fewer than two rows, and where its denominator is 0.

        Args:
            form: one of FORMS.

        Raises:
            ValueError: there is no such form.
        """
        if form not in FORMS:
            raise ValueError(f"no form {form!r} of the intraclass correlation; there are {', '.join(FORMS)}")
        enough = self.n >= 2
        n = np.where(enough, self.n, np.nan)
        return FORMS[form](self, n, self.rows / (n - 1), self.residual / (n - 1) / (self.k - 1))


def _one_way(of: Variance, n: FloatArray, rows: FloatArray, _: FloatArray, *, mean: bool) -> FloatArray:
    """Return ICC(1,.) of n and the mean squares of rows and residual."""
    within = (of.raters + of.residual) / (n * (of.k - 1))
    return ratio(rows - within, rows if mean else rows + (of.k - 1) * within)


def _agreement(
    of: Variance, n: FloatArray, rows: FloatArray, residual: FloatArray, *, mean: bool
) -> FloatArray:
    """Return ICC(A,.)."""
    between = (of.raters / (of.k - 1) - residual) / n
    spread = rows + between if mean else rows + (of.k - 1) * residual + of.k * between
    return ratio(rows - residual, spread)


def _consistency(
    of: Variance, _: FloatArray, rows: FloatArray, residual: FloatArray, *, mean: bool
) -> FloatArray:
    """Return ICC(C,.)."""
    return ratio(rows - residual, rows if mean else rows + (of.k - 1) * residual)


Form = Callable[[Variance, FloatArray, FloatArray, FloatArray], FloatArray]


def _forms(numbers: str, formula: Callable[..., FloatArray]) -> dict[str, Form]:
    """Return the form of one rating and that of the mean of all k, under each of its names."""
    return {
        f"ICC({name},{last})": lambda *squares, mean=mean: formula(*squares, mean=mean)
        for last, mean in (("1", False), ("k", True))
        for name in numbers
    }


FORMS = _forms("1", _one_way) | _forms("A2", _agreement) | _forms("C3", _consistency)
"""By name, those of McGraw & Wong first and their numbers of Shrout & Fleiss beside them.

ICC(1,.): each row has raters of its own. ICC(A,.) = ICC(2,.): the same raters, and their different means
count as disagreement (absolute agreement). ICC(C,.) = ICC(3,.): the same raters, whose different means do
not count (consistency); what DISFA, BP4D and FERA report. Last comes 1 for one rating, k for the mean of all.
"""


def icc(ratings: ArrayLike, form: str = "ICC(C,1)") -> float:
    """Return an intraclass correlation, at most 1; NaN for fewer than two rows, or where all are equal.

    Args:
        ratings: (n, raters), at least two raters, all known; a NaN makes the result NaN.
        form: one of FORMS.

    Raises:
        ValueError: there are not two raters, or there is no such form.
    """
    table = np.asarray(ratings, np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(f"ratings {table.shape}: expected (n, raters), two raters or more")
    return _variance(table).icc(form).item()


def _variance(ratings: FloatArray) -> Variance:
    """Return the sums of squares of ratings (n, k), arrays of no dimension.

    They are taken of differences from the first row, so that equal rows give exactly 0.
    """
    n, k = ratings.shape
    first = ratings[0] if n else np.zeros(k)
    moved = ratings - first
    rows, means = moved.mean(axis=1), moved.sum(axis=0) / max(n, 1)
    raters = (first - first[0]) + means
    rest = moved - rows[:, None] - (means - means.mean())
    return Variance(
        rows=np.asarray(k * np.sum((rows - rows.sum() / max(n, 1)) ** 2)),
        raters=np.asarray(n * np.sum((raters - raters.mean()) ** 2)),
        residual=np.asarray(np.sum(rest**2)),
        n=np.asarray(float(n)),
        k=k,
    )
