"""Metrics of continuous labels: valence, arousal, intensity."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from mien.arrays import BoolArray, FloatArray, IntArray, Rows
from mien.metrics.agreement import Variance
from mien.metrics.statistics import Piece, columns, flat, pieces, ratio, same_shape, weighted

STEP = 65_536
"""Rows of a piece."""

ROUNDING = 1e-14
"""A spread that is this small a share of the squares it is what is left of is rounding: it counts as 0."""

N, T, P, TT, PP, TP, SQUARED, ABSOLUTE, SIGN, SIDE = range(10)
"""Places in Moments.values."""

Zero = Literal["own", "positive"]


@dataclass(frozen=True, eq=False)
class Moments:
    """Counts, means, centred sums and errors of truth and prediction, by group and label.

    Groups are merged about a point near their means (Chan, Golub & LeVeque 1983), so that values far
    from 0 lose nothing.

    Attributes:
        values: (groups, labels, 10) or, summed, ([samples,] labels, 10): how many; mean of truth, of
            prediction; sums of squares of truth and of prediction and of their product, each about its
            mean; sum of squared and of absolute errors; how many have equal sign, and how many are on one
            side of 0, which counts as positive.
    """

    values: FloatArray

    @classmethod
    def of(
        cls,
        truth: ArrayLike,
        prediction: ArrayLike,
        known: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        count: int | None = None,
    ) -> Self:
        """Return the moments of some rows, (groups, labels, 10); one group or label is an axis of 1.

        Args:
            truth: (n,) or (n, labels) numbers, finite where known.
            prediction: of the same shape.
            known: of the same shape, False for cells that are left out.
            groups: (n,) each row's group, from 0; quickest where equal ones are neighbours.
            count: how many groups there are; needed where chunks are added that do not hold the last one.

        Raises:
            ValueError: shapes differ, or a group is not in 0 to count - 1.
        """
        cells = columns(truth, prediction, known)
        length, labels = cells[0].shape
        count, parts = pieces(length, groups, count, STEP)
        items: list[FloatArray] = [np.zeros((0, 10))]
        homes: list[IntArray] = [np.zeros(0, np.intp)]
        for piece in parts:
            rows = [piece.of(array) for array in cells]
            for label in range(labels):
                runs, places = _column(piece, *(array[:, label] for array in rows))
                items.append(runs)
                homes.append(places * labels + label)
        gathered = _gathered(np.concatenate(items), np.concatenate(homes), count * labels)
        return cls(gathered.reshape(count, labels, 10))

    def __add__(self, other: Self) -> Self:
        """Return the moments of the rows of both, group by group."""
        same_shape(self=self.values, other=other.values)
        base = np.where(self.values[..., [N]] > 0, self.values[..., T : P + 1], other.values[..., T : P + 1])
        return type(self)(_centred(_about(self.values, base) + _about(other.values, base), base))

    def __getitem__(self, groups: Rows) -> Self:
        """Return the moments of some groups."""
        return type(self)(self.values[groups])

    def sum(self, weights: FloatArray | IntArray | None = None) -> Self:
        """Return the moments of all groups together; what was the groups' axis is then the weights'.

        Args:
            weights: how often each group counts: (groups,), or (samples, groups) for that many samples of
                a bootstrap; None for once each.
        """
        n = self.values[..., [N]]
        base = np.nan_to_num(ratio((n * self.values[..., T : P + 1]).sum(axis=0), n.sum(axis=0)))
        return type(self)(_centred(weighted(_about(self.values, base), weights), base))

    @property
    def count(self) -> FloatArray:
        """How many values, (..., labels)."""
        return self.values[..., N]

    def ccc(self) -> FloatArray:
        """Return Lin's (1989) concordance correlation coefficient, (..., labels), in [-1, 1].

        2 cov / (var + var + (difference of means) squared), all with 1/n, not 1/(n - 1); NaN for fewer
        than two values, or where both are the same constant.
        """
        n, truth, prediction, tt, pp, tp = np.moveaxis(self.values[..., : TP + 1], -1, 0)
        apart = tt + pp + n * (truth - prediction) ** 2
        return ratio(2 * tp, np.where(n >= 2, apart, 0)).clip(-1, 1)

    def pcc(self) -> FloatArray:
        """Return Pearson's correlation coefficient, (..., labels), in [-1, 1].

        cov / (sd sd); NaN for fewer than two values, or where either is constant.
        """
        tt, pp, tp = np.moveaxis(self.values[..., TT : TP + 1], -1, 0)
        return ratio(tp, np.sqrt(tt) * np.sqrt(pp)).clip(-1, 1)

    def mse(self) -> FloatArray:
        """Return the mean squared error, (..., labels), from 0; NaN for no values."""
        return ratio(self.values[..., SQUARED], self.count)

    def rmse(self) -> FloatArray:
        """Return the root of the mean squared error, (..., labels), from 0; NaN for no values."""
        return np.sqrt(self.mse())

    def mae(self) -> FloatArray:
        """Return the mean absolute error, (..., labels), from 0; NaN for no values."""
        return ratio(self.values[..., ABSOLUTE], self.count)

    def sagr(self, zero: Zero = "own") -> FloatArray:
        """Return the share of equal signs, (..., labels), in [0, 1]; NaN for no values.

        Nicolaou, Gunes & Pantic 2011, as AffectNet reports it.

        Args:
            zero: "own": 0 has a sign of its own and equals only 0, as in the code of EmoNet; "positive":
                0 counts as positive.
        """
        return ratio(self.values[..., {"own": SIGN, "positive": SIDE}[zero]], self.count)

    def icc(self, form: str = "ICC(C,1)") -> FloatArray:
        """Return the intraclass correlation of truth and prediction, (..., labels), at most 1.

        They are two raters; NaN for fewer than two values, or where all are equal.

        Args:
            form: as of `mien.metrics.agreement.icc`.

        Raises:
            ValueError: there is no such form.
        """
        n, truth, prediction, tt, pp, tp = np.moveaxis(self.values[..., : TP + 1], -1, 0)
        return Variance(
            rows=(tt + pp + 2 * tp).clip(0) / 2,
            raters=n * (truth - prediction) ** 2 / 2,
            residual=(tt + pp - 2 * tp).clip(0) / 2,
            n=n,
            k=2,
        ).icc(form)


def ccc(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the concordance correlation coefficient of two arrays (n,); see `Moments.ccc`."""
    return _one(truth, prediction).ccc().item()


def pcc(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return Pearson's correlation coefficient of two arrays (n,); see `Moments.pcc`."""
    return _one(truth, prediction).pcc().item()


def mse(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the mean squared error of two arrays (n,), from 0; NaN for no values."""
    return _one(truth, prediction).mse().item()


def rmse(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the root of the mean squared error of two arrays (n,), from 0; NaN for no values."""
    return _one(truth, prediction).rmse().item()


def mae(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the mean absolute error of two arrays (n,), from 0; NaN for no values."""
    return _one(truth, prediction).mae().item()


def sagr(truth: ArrayLike, prediction: ArrayLike, zero: Zero = "own") -> float:
    """Return the share of equal signs of two arrays (n,), in [0, 1]; see `Moments.sagr`."""
    return _one(truth, prediction).sagr(zero).item()


def _one(truth: ArrayLike, prediction: ArrayLike) -> Moments:
    """Return the moments of two arrays (n,).

    Raises:
        ValueError: they are not of one shape (n,).
    """
    true, said = flat(truth, prediction)
    return Moments.of(true, said)


def _column(
    piece: Piece, truth: FloatArray, prediction: FloatArray, known: BoolArray | None = None
) -> tuple[FloatArray, IntArray]:
    """Return moments (runs, 10) of the runs of one label in a piece, and each run's group."""
    if known is not None and not known.all():
        piece = piece.known(known)
        truth, prediction = truth[known], prediction[known]
    starts, length = piece.starts, len(truth)
    t, p = truth.astype(np.float64), prediction.astype(np.float64)
    base = np.stack([t[starts], p[starts]], axis=1)
    sums = np.empty((len(starts), 10))
    sums[:, N] = lengths = np.diff(starts, append=length)
    sums[:, SIDE] = _added(side := (t >= 0) == (p >= 0), starts)
    sums[:, SIGN] = _added(side & ((t <= 0) == (p <= 0)), starts)
    apart = t - p
    sums[:, SQUARED] = _multiplied(apart, apart, starts)
    sums[:, ABSOLUTE] = _added(np.abs(apart, out=apart), starts)
    t -= base[:, 0] if len(starts) == 1 else np.repeat(base[:, 0], lengths)
    p -= base[:, 1] if len(starts) == 1 else np.repeat(base[:, 1], lengths)
    sums[:, T], sums[:, P] = _added(t, starts), _added(p, starts)
    sums[:, TT], sums[:, PP] = _multiplied(t, t, starts), _multiplied(p, p, starts)
    sums[:, TP] = _multiplied(t, p, starts)
    return _centred(sums, base), piece.homes


def _added(values: FloatArray | BoolArray, starts: IntArray) -> FloatArray | int:
    """Return the sum of each run."""
    if values.dtype == bool:
        if len(starts) == 1:
            return int(np.count_nonzero(values))
        return np.add.reduceat(values, starts, dtype=np.float64)
    return np.add.reduceat(values, starts)


def _multiplied(a: FloatArray, b: FloatArray, starts: IntArray) -> FloatArray | float:
    """Return the sum of the products in each run."""
    return float(np.dot(a, b)) if len(starts) == 1 else np.add.reduceat(a * b, starts)


def _gathered(items: FloatArray, homes: IntArray, count: int) -> FloatArray:
    """Return moments (count, 10), merged from moments (m, 10) of which each has a home."""
    merged = np.zeros((count, 10))
    if len(items):
        order = np.argsort(homes, kind="stable")
        items, homes = items[order], homes[order]
        starts = np.flatnonzero(np.diff(homes, prepend=-1))
        base = items[starts, T : P + 1]
        about = _about(items, np.repeat(base, np.diff(starts, append=len(items)), axis=0))
        merged[homes[starts]] = _centred(np.add.reduceat(about, starts, axis=0), base)
    return merged


def _about(moments: FloatArray, base: FloatArray) -> FloatArray:
    """Return plain sums, which add up, of differences from a base (..., 2) of truth and of prediction."""
    sums = moments.copy()
    n = moments[..., N]
    truth, prediction = moments[..., T] - base[..., 0], moments[..., P] - base[..., 1]
    sums[..., T], sums[..., P] = n * truth, n * prediction
    sums[..., TT] += n * truth**2
    sums[..., PP] += n * prediction**2
    sums[..., TP] += n * (truth * prediction)
    return sums


def _centred(sums: FloatArray, base: FloatArray) -> FloatArray:
    """Return moments of plain sums of differences from a base; the opposite of `_about`."""
    moments = sums.copy()
    n = sums[..., N]
    some = np.where(n > 0, n, 1)
    truth, prediction = sums[..., T] / some, sums[..., P] / some
    moments[..., T] = np.where(n > 0, base[..., 0] + truth, 0)
    moments[..., P] = np.where(n > 0, base[..., 1] + prediction, 0)
    moments[..., TT] = tt = _left(sums[..., TT], n * truth**2)
    moments[..., PP] = pp = _left(sums[..., PP], n * prediction**2)
    moments[..., TP] = np.where((tt == 0) | (pp == 0), 0, sums[..., TP] - n * (truth * prediction))
    return moments


def _left(squares: FloatArray, taken: FloatArray) -> FloatArray:
    """Return what is left of a sum of squares; 0 where that is but rounding."""
    left = squares - taken
    return np.where(left <= ROUNDING * squares, 0, left)
