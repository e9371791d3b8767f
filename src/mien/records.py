"""Labels and Predictions: what is known of n faces, and what a network says of them.

Both are frozen, checked when made, and cut as a whole by an index, a slice or a mask.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from mien.arrays import BoolArray, FloatArray, IntArray, Rows
from mien.tasks import Task


@dataclass(frozen=True)
class Labels:
    """What is known of n faces: for each task values and a mask of the same shape.

    Attributes:
        values: task -> (n, number of labels). A categorical label is a distribution over the
            classes, so that one vote and ten votes are the same case.
        known: task -> the same shape; False where nothing is known. Unknown values are 0.
    """

    values: Mapping[Task, FloatArray]
    known: Mapping[Task, BoolArray]

    def __post_init__(self) -> None:
        if self.values.keys() != self.known.keys():
            raise ValueError("values and masks name different tasks")
        lengths = {len(values) for values in self.values.values()}
        if len(lengths) > 1:
            raise ValueError(f"tasks of different lengths: {sorted(lengths)}")
        for task, values in self.values.items():
            if values.ndim != 2 or values.shape[1] != len(task) or values.shape != self.known[task].shape:
                raise ValueError(
                    f"{task.name}: values {values.shape}, mask {self.known[task].shape}, "
                    f"expected (n, {len(task)}) for both"
                )
            if np.any(values[~self.known[task]] != 0):
                raise ValueError(f"{task.name}: an unknown cell holds a value other than 0")

    def __len__(self) -> int:
        return len(next(iter(self.values.values()))) if self.values else 0

    def __getitem__(self, rows: Rows) -> Self:
        return type(self)(
            {task: values[rows] for task, values in self.values.items()},
            {task: known[rows] for task, known in self.known.items()},
        )

    def seen_as(self, task: Task) -> tuple[FloatArray, BoolArray]:
        """Return values and mask of a task, (n, len(task)) each, translated by name where need be.

        Where these labels have the task itself, that is it. Otherwise labels of other tasks of the same
        behaviour and kind serve, if names agree: action units one by one; a distribution over expressions
        if the classes that both know hold more than half of it, which are then made to add up to 1.
        """
        shape = (len(self), len(task))
        values, known = np.zeros(shape, np.float32), np.zeros(shape, bool)
        alike = [t for t in self.values if (t.behaviour, t.kind) == (task.behaviour, task.kind)]
        for other in [task] if task in self.values else alike:
            theirs = np.where(self.known[other], self.values[other], np.nan)
            named = by_name(task, other.labels, theirs)
            if task.kind == "categorical" and other != task:
                named = _shared(named)
            there = np.isfinite(named) & ~known
            values, known = np.where(there, named, values).astype(np.float32), known | there
        return values, known

    @classmethod
    def of(cls, values: Mapping[Task, FloatArray]) -> Self:
        """Return labels of arrays in which NaN means unknown."""
        known = {task: np.isfinite(array) for task, array in values.items()}
        cells = {task: np.where(known[task], array, 0).astype(np.float32) for task, array in values.items()}
        return cls(cells, known)

    @classmethod
    def joined(cls, parts: "Sequence[Self]") -> Self:
        """Return the rows of all parts, in order; a task that a part does not have is unknown there."""
        tasks = list(dict.fromkeys(task for part in parts for task in part.values))
        return cls(
            {t: np.concatenate([p.values.get(t, _blank(len(p), t)) for p in parts]) for t in tasks},
            {t: np.concatenate([p.known.get(t, _blank(len(p), t) > 0) for p in parts]) for t in tasks},
        )


def by_name(task: Task, names: Sequence[str], values: FloatArray) -> FloatArray:
    """Return columns (n, len(task)) in the task's order, found by name; NaN where there is none.

    Args:
        task: whose labels are wanted.
        names: what the columns of `values` mean; names that the task does not have are left out.
        values: (n, len(names)), NaN for unknown.
    """
    ordered = np.full((len(values), len(task)), np.nan, np.float32)
    for column, name in enumerate(names):
        if name in task.labels:
            ordered[:, task.index(name)] = values[:, column]
    return ordered


def one_hot(task: Task, vocabulary: Sequence[str], numbers: IntArray | Sequence[int]) -> FloatArray:
    """Return classes (n, len(task)) as distributions with all weight on one; a row of NaN for unknown.

    Args:
        task: a categorical task.
        vocabulary: what a database's numbers 0, 1, ... mean.
        numbers: (n,) the database's numbers; outside the vocabulary, or naming a class that the task
            does not have, means unknown.
    """
    table = np.full((len(vocabulary) + 1, len(task)), np.nan, np.float32)
    for number, name in enumerate(vocabulary):
        if name in task.labels:
            table[number] = np.eye(len(task), dtype=np.float32)[task.index(name)]
    codes = np.asarray(numbers, np.int64)
    inside = (codes >= 0) & (codes < len(vocabulary))
    return table[np.where(inside, codes, len(vocabulary))]


def _shared(named: FloatArray) -> FloatArray:
    """Return distributions over the classes that two vocabularies share; NaN where they hold too little."""
    mass = np.nansum(named, axis=1, keepdims=True)
    shares = np.nan_to_num(named) / np.maximum(mass, 1e-9)
    return np.where(mass > 0.5, shares, np.nan)


def _blank(rows: int, task: Task) -> FloatArray:
    """Return zeros (rows, len(task))."""
    return np.zeros((rows, len(task)), np.float32)


@dataclass(frozen=True)
class Predictions:
    """What a network says of n faces: for each of its tasks values, always complete.

    Attributes:
        values: task -> (n, number of labels): probabilities of a categorical or binary task,
            values in [-1, 1] of a continuous one.
    """

    values: Mapping[Task, FloatArray]

    def __post_init__(self) -> None:
        lengths = {len(values) for values in self.values.values()}
        if len(lengths) > 1:
            raise ValueError(f"tasks of different lengths: {sorted(lengths)}")
        for task, values in self.values.items():
            if values.ndim != 2 or values.shape[1] != len(task):
                raise ValueError(f"{task.name}: values {values.shape}, expected (n, {len(task)})")

    def __len__(self) -> int:
        return len(next(iter(self.values.values()))) if self.values else 0

    def __getitem__(self, rows: Rows) -> Self:
        return type(self)({task: values[rows] for task, values in self.values.items()})
