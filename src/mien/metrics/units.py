"""Metrics of labels that are each present or absent: action units."""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.arrays import FloatArray
from mien.metrics.statistics import Counts, columns, flat, pieces, ratio

STEP = 16_384
"""Rows of a piece."""


class Outcomes(Counts):
    """Hits, false alarms, misses and correct rejections of each label, by group.

    Attributes:
        counts: (groups, labels, 4) or, summed, ([samples,] labels, 4), in that order: TP, FP, FN, TN.
    """

    @classmethod
    def of(
        cls,
        truth: ArrayLike,
        prediction: ArrayLike,
        known: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        count: int | None = None,
    ) -> Self:
        """Return the counts of some rows, (groups, labels, 4); one group or label is an axis of 1.

        Args:
            truth: (n,) or (n, labels), True or 1 where present; numbers other than 0 and 1 are refused.
            prediction: of the same shape.
            known: of the same shape, False for cells that are left out.
            groups: (n,) each row's group, from 0.
            count: how many groups there are; needed where chunks are added that do not hold the last one.

        Raises:
            ValueError: shapes differ, a known cell is neither 0 nor 1, or a group is not in 0 to count - 1.
        """
        cells = columns(truth, prediction, known)
        length, labels = cells[0].shape
        count, parts = pieces(length, groups, count, STEP)
        counts = np.zeros((count, labels * 8))
        for piece in parts:
            true, said, *mask = (piece.of(array) for array in cells)
            codes = _present(true, mask, "truth") << 1
            codes |= _present(said, mask, "prediction")
            if mask:
                codes |= (~mask[0]).view(np.uint8) << 2
            runs = len(piece.starts)
            places = codes + np.arange(labels) * 8
            if runs > 1:
                lengths = np.diff(piece.starts, append=len(codes))
                places += np.repeat(np.arange(runs) * labels * 8, lengths)[:, None]
            found = np.bincount(places.ravel(), minlength=runs * labels * 8).reshape(runs, labels * 8)
            np.add.at(counts, piece.homes, found)
        return cls(counts.reshape(count, labels, 8)[..., [3, 1, 2, 0]])

    @property
    def count(self) -> FloatArray:
        """How many known cells, (..., labels)."""
        return np.asarray(self.counts.sum(axis=-1))

    def accuracy(self) -> FloatArray:
        """Return the share of right cells of each label, (..., labels), in [0, 1]; NaN for none."""
        return ratio(self.counts[..., 0] + self.counts[..., 3], self.count)

    def total_accuracy(self) -> FloatArray:
        """Return the share of right cells of all labels at once, (...), in [0, 1]; NaN for none."""
        return Outcomes(self.counts.sum(axis=-2)).accuracy()

    def f1(self, empty: float = math.nan) -> FloatArray:
        """Return the F1 of presence, 2 TP / (2 TP + FP + FN), (..., labels), in [0, 1].

        Args:
            empty: what a label counts as that is present neither in truth nor in prediction; the ABAW
                challenges say 0.
        """
        hits, alarms, misses, _ = np.moveaxis(self.counts, -1, 0)
        f1 = ratio(2 * hits, 2 * hits + alarms + misses)
        return np.where(np.isnan(f1), empty, f1)

    def f1_norm(self) -> FloatArray:
        """Return the skew-normalised F1 (Jeni, Cohn & De la Torre 2013), (..., labels), in [0, 1].

        F1 with the false alarms divided by the skew, negatives by positives of the truth: what F1 were
        if there were as many of these as of those. NaN where the truth has none of either.
        """
        hits, alarms, misses, rejections = np.moveaxis(self.counts, -1, 0)
        skew = ratio(alarms + rejections, hits + misses)
        return ratio(2 * hits, 2 * hits + misses + ratio(alarms, skew))


def binary_f1(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the F1 of the positive class, 2 TP / (2 TP + FP + FN); NaN where neither has a positive.

    Args:
        truth: (n,) True or 1 where present.
        prediction: (n,) the same.
    """
    return _one(truth, prediction).f1().item()


def f1_norm(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the skew-normalised F1 of two arrays (n,), in [0, 1]; see `Outcomes.f1_norm`."""
    return _one(truth, prediction).f1_norm().item()


def auc(truth: ArrayLike, score: ArrayLike) -> float:
    """Return the area under the ROC curve, in [0, 1]; NaN where the truth has not both classes.

    The chance that a row with the label has the higher score than a row without it, a tie counting by half
    (Mann & Whitney 1947). It needs all rows.

    Args:
        truth: (n,) True or 1 where present.
        score: (n,) any numbers, higher for present; a NaN makes the result NaN.

    Raises:
        ValueError: shapes differ, or the truth has numbers other than 0 and 1.
    """
    labels, scores = flat(truth, score)
    present = _present(labels, [], "truth").astype(bool)
    with_it, without = np.sort(scores[present]), np.sort(scores[~present])
    if not len(with_it) or not len(without) or np.isnan(with_it[-1]) or np.isnan(without[-1]):
        return math.nan
    below = np.searchsorted(without, with_it, "left").sum(dtype=np.int64)
    not_above = np.searchsorted(without, with_it, "right").sum(dtype=np.int64)
    return float((below + not_above) / 2 / (len(with_it) * len(without)))


def _one(truth: ArrayLike, prediction: ArrayLike) -> Outcomes:
    """Return the counts of two arrays (n,).

    Raises:
        ValueError: they are not of one shape (n,), or have numbers other than 0 and 1.
    """
    true, said = flat(truth, prediction)
    return Outcomes.of(true, said)


def _present(cells: NDArray[Any], mask: list[NDArray[np.bool_]], name: str) -> NDArray[np.uint8]:
    """Return 1 for present and 0 for absent; unknown cells are either.

    Raises:
        ValueError: a known cell is neither 0 nor 1.
    """
    if cells.dtype == bool:
        return cells.view(np.uint8)
    present = cells == 1
    wrong = ~present & (cells != 0)
    if mask:
        wrong &= mask[0]
    if wrong.any():
        raise ValueError(f"{name}: {cells[wrong][0]}, expected 0 or 1; mask what is unknown")
    return np.asarray(present, np.uint8)
