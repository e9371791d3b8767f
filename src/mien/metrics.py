"""Scores, in plain numpy, each with its definition. Undefined is NaN."""

from dataclasses import dataclass

import numpy as np

from mien.arrays import FloatArray, IntArray


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
