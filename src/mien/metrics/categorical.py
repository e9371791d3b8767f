"""Metrics of classes of which each row has one: expressions."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.arrays import FloatArray, IntArray
from mien.metrics.statistics import Counts, flat, pieces, ratio

STEP = 65_536
"""Rows of a piece."""


class Confusion(Counts):
    """How often each class was taken for which, by group.

    Attributes:
        counts: (groups, classes, classes) or, summed, ([samples,] classes, classes): row is the truth,
            column the prediction.
    """

    @classmethod
    def of(
        cls,
        truth: ArrayLike,
        prediction: ArrayLike,
        classes: int,
        known: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        count: int | None = None,
    ) -> Self:
        """Return the counts of some rows, (groups, classes, classes); one group is an axis of 1.

        Args:
            truth: (n,) class indices, whole numbers from 0.
            prediction: (n,) class indices.
            classes: how many the protocol has.
            known: (n,) False for rows that are left out.
            groups: (n,) each row's group, from 0.
            count: how many groups there are; needed where chunks are added that do not hold the last one.

        Raises:
            ValueError: shapes differ, a known row's class is not one of the protocol's, or a group is not in
                0 to count - 1.
        """
        arrays = flat(truth, prediction, known)
        count, parts = pieces(len(arrays[0]), groups, count, STEP)
        counts = np.zeros((count, classes**2))
        for piece in parts:
            true, said, *mask = (piece.of(array) for array in arrays)
            if mask:
                piece, true, said = piece.known(mask[0]), true[mask[0]], said[mask[0]]
            cells = _classes(true, classes, "truth") * classes
            cells += _classes(said, classes, "prediction")
            runs = len(piece.starts)
            if runs > 1:
                lengths = np.diff(piece.starts, append=len(cells))
                cells += np.repeat(np.arange(runs) * classes**2, lengths)
            found = np.bincount(cells, minlength=runs * classes**2).reshape(runs, classes**2)
            np.add.at(counts, piece.homes, found)
        return cls(counts.reshape(count, classes, classes))

    @property
    def count(self) -> FloatArray:
        """How many rows, (...)."""
        return np.asarray(self.counts.sum(axis=(-2, -1)))

    def accuracy(self) -> FloatArray:
        """Return the share of right rows (the weighted average recall), (...), in [0, 1]; NaN for none."""
        return ratio(np.trace(self.counts, axis1=-2, axis2=-1), self.count)

    def recalls(self) -> FloatArray:
        """Return each class's recall, (..., classes), in [0, 1]; NaN for a class absent from the truth."""
        return ratio(self._hits(), self.counts.sum(axis=-1))

    def uar(self) -> FloatArray:
        """Return the unweighted average recall, (...), in [0, 1]; NaN for no rows.

        Mean over the classes that the truth has; balanced accuracy; the mean of the diagonal of the
        confusion matrix whose rows are made to add up to 1.
        """
        recalls = self.recalls()
        return ratio(np.nan_to_num(recalls).sum(axis=-1), np.isfinite(recalls).sum(axis=-1))

    def f1(self) -> FloatArray:
        """Return each class's F1, 2 TP / (2 TP + FP + FN), (..., classes), in [0, 1].

        NaN for a class that neither truth nor prediction has.
        """
        return ratio(2 * self._hits(), self.counts.sum(axis=-1) + self.counts.sum(axis=-2))

    def macro_f1(self) -> FloatArray:
        """Return the mean over all classes of their F1, (...), in [0, 1]; NaN for no rows.

        A class that neither truth nor prediction has counts as 0, as the ABAW challenges count it.
        """
        return np.where(self.count > 0, np.nan_to_num(self.f1()).mean(axis=-1), np.nan)

    def weighted_f1(self) -> FloatArray:
        """Return the mean of the classes' F1, weighted by their rows in the truth, (...); NaN for no rows."""
        return ratio((np.nan_to_num(self.f1()) * self.counts.sum(axis=-1)).sum(axis=-1), self.count)

    def _hits(self) -> FloatArray:
        """Return how many rows of each class are right, (..., classes)."""
        return np.diagonal(self.counts, axis1=-2, axis2=-1)


def accuracy(truth: ArrayLike, prediction: ArrayLike) -> float:
    """Return the share of equal entries, in [0, 1]; NaN for none.

    Args:
        truth: (n,) class indices.
        prediction: (n,) class indices.

    Raises:
        ValueError: shapes differ.
    """
    true, said = flat(truth, prediction)
    return ratio(np.count_nonzero(true == said), len(true)).item()


def confusion(truth: ArrayLike, prediction: ArrayLike, classes: int) -> IntArray:
    """Return counts (classes, classes): row is the truth, column the prediction.

    Raises:
        ValueError: shapes differ, or an entry is not one of the classes.
    """
    return np.asarray(Confusion.of(truth, prediction, classes).counts[0], np.int64)


def recalls(truth: ArrayLike, prediction: ArrayLike, classes: int) -> FloatArray:
    """Return the recall of each class, (classes,); NaN for a class absent from the truth."""
    return np.asarray(Confusion.of(truth, prediction, classes).recalls()[0])


def uar(truth: ArrayLike, prediction: ArrayLike, classes: int) -> float:
    """Return the mean recall of the classes that the truth has, in [0, 1]; NaN for no rows."""
    return Confusion.of(truth, prediction, classes).uar().item()


def macro_f1(truth: ArrayLike, prediction: ArrayLike, classes: int) -> float:
    """Return the mean over all classes of their F1, in [0, 1]; NaN for no rows.

    A class that neither truth nor prediction has counts as 0, as the ABAW challenges count it.

    Args:
        truth: (n,) class indices.
        prediction: (n,) class indices.
        classes: how many the protocol has.

    Raises:
        ValueError: shapes differ, or an entry is not one of the classes.
    """
    return Confusion.of(truth, prediction, classes).macro_f1().item()


def weighted_f1(truth: ArrayLike, prediction: ArrayLike, classes: int) -> float:
    """Return the mean of the classes' F1, weighted by their rows in the truth, in [0, 1]; NaN for no rows."""
    return Confusion.of(truth, prediction, classes).weighted_f1().item()


def _classes(numbers: NDArray[Any], classes: int, name: str) -> NDArray[np.intp]:
    """Return class indices as whole numbers.

    Raises:
        ValueError: one is none of the classes.
    """
    if not len(numbers):
        return np.zeros(0, np.intp)
    if numbers.dtype.kind not in "biu":
        odd = ~((np.rint(numbers) == numbers) & (np.abs(numbers) < 2**53))
        if odd.any():
            raise ValueError(f"{name}: class {numbers[odd][0]}, expected whole numbers; mask what is unknown")
    whole = numbers.astype(np.intp, copy=False)
    outside = whole.view(np.uintp).max() >= classes  # a negative number is a huge one here
    if outside:
        wrong = whole[(whole < 0) | (whole >= classes)][0]
        raise ValueError(f"{name}: class {wrong}, expected 0 to {classes - 1}; mask what is unknown")
    return whole
