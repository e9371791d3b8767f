"""Scores, in plain numpy, each with its definition. Undefined is NaN."""

from dataclasses import dataclass

import numpy as np

from mien.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Score:
    """One figure and what it was counted over.

    Attributes:
        name: of the metric, with the label set and rule it follows.
        value: NaN where undefined.
        count: rows counted.
        note: what a reader must know to compare it.
    """

    name: str
    value: float
    count: int
    note: str = ""

    def __str__(self) -> str:
        note = f"  ({self.note})" if self.note else ""
        return f"{self.name:<52} {self.value:7.4f}  n = {self.count}{note}"


def accuracy(truth: IntArray, prediction: IntArray) -> float:
    """Return the share of equal entries, in [0, 1]; NaN for none.

    Args:
        truth: (n,) class indices.
        prediction: (n,) class indices.
    """
    return float(np.mean(truth == prediction)) if len(truth) else float("nan")


def confusion(truth: IntArray, prediction: IntArray, classes: int) -> IntArray:
    """Return counts (classes, classes): row is the truth, column the prediction."""
    return np.bincount(truth * classes + prediction, minlength=classes**2).reshape(classes, classes)


def recalls(truth: IntArray, prediction: IntArray, classes: int) -> FloatArray:
    """Return the recall of each class, (classes,); NaN for a class absent from the truth."""
    counts = confusion(truth, prediction, classes)
    total = counts.sum(axis=1)
    return np.where(total > 0, np.diag(counts) / np.maximum(total, 1), np.nan)


def macro_f1(truth: IntArray, prediction: IntArray, classes: int) -> float:
    """Return the mean over all classes of their F1, in [0, 1]; NaN for no rows.

    A class that neither truth nor prediction has counts as 0, as the ABAW challenges count it.

    Args:
        truth: (n,) class indices.
        prediction: (n,) class indices.
        classes: how many the protocol has.
    """
    if not len(truth):
        return float("nan")
    counts = confusion(truth, prediction, classes)
    both = counts.sum(axis=0) + counts.sum(axis=1)
    return float(np.mean(2 * np.diag(counts) / np.maximum(both, 1)))


def binary_f1(truth: BoolArray, prediction: BoolArray) -> float:
    """Return the F1 of the positive class, 2 TP / (2 TP + FP + FN); NaN where neither has a positive."""
    hits = int((truth & prediction).sum())
    both = int(truth.sum()) + int(prediction.sum())
    return 2 * hits / both if both else float("nan")


def ccc(truth: FloatArray, prediction: FloatArray) -> float:
    """Return the concordance correlation coefficient (Lin 1989), in [-1, 1], with moments over n.

    2 cov / (var + var + (difference of means) squared); NaN for fewer than two values, or where both
    are the same constant.
    """
    if len(truth) < 2:
        return float("nan")
    a, b = np.asarray(truth, np.float64), np.asarray(prediction, np.float64)
    spread = a.var() + b.var() + (a.mean() - b.mean()) ** 2
    return float(2 * np.mean((a - a.mean()) * (b - b.mean())) / spread) if spread > 0 else float("nan")
