"""Labels and Predictions: what is known of n faces, and what a network says of them.

Both are frozen, checked when made, and cut as a whole by an index, a slice or a mask.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from mien.arrays import BoolArray, FloatArray, Rows
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
