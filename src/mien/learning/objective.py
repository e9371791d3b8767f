"""From raw outputs and labels to one number: the terms of the tasks and their sum."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from mien.learning.heads import MarginHead
from mien.learning.losses import (
    UncertaintyWeights,
    binary,
    concordance,
    cross_entropy,
    full,
    intensity,
    squared,
    total,
)
from mien.learning.recipe import LossSettings, Recipe
from mien.learning.sampling import Material
from mien.tasks import Task

Terms = dict[str, tuple[Tensor, Tensor]]

RAREST = 20.0
"""Greatest weight that a rare class or unit is given."""


class Objective(nn.Module):
    """What training makes small.

    Args:
        recipe: tasks, weights and losses.
        material: the training part, of which frequencies are counted.
    """

    def __init__(self, recipe: Recipe, material: Material) -> None:
        super().__init__()
        self.settings: LossSettings = recipe.losses
        self.weights = {task.name: weight for task, weight in recipe.weights.items()}
        self.learned = (
            UncertaintyWeights(
                {name: factor for task in recipe.weights for name, factor in _factors(task, self.settings)}
            )
            if recipe.losses.balance == "uncertainty"
            else None
        )
        self.frequencies = {task: _weights(task, recipe.losses, material) for task in recipe.weights}

    def targets(
        self, values: Mapping[Task, Tensor], known: Mapping[Task, Tensor]
    ) -> tuple[dict[Task, Tensor], dict[Task, Tensor]]:
        """Return labels and masks as what is learned from: classes are made hard where that is wanted."""
        values, known = dict(values), dict(known)
        for task in values:
            if task.kind == "categorical" and self.settings.targets == "hard":
                values[task], known[task] = hardened(values[task], known[task])
        return values, known

    def terms(
        self, raw: Mapping[str, Tensor], values: Mapping[Task, Tensor], known: Mapping[Task, Tensor]
    ) -> Terms:
        """Return sum and count of each task's loss; raw outputs and labels are (batch, time, labels)."""
        terms: Terms = {}
        for task, target in values.items():
            said, mask, weights = raw[task.name], known[task], self.frequencies[task]
            weights = weights.to(said.device) if weights is not None else None
            if task.kind == "categorical":
                terms[task.name] = cross_entropy(said, target, mask, weights, self.settings.smoothing)
            elif task.kind == "binary":
                terms[task.name] = binary(said, target, mask, weights)
            elif task.kind == "intensity":
                terms[task.name] = intensity(said, target, mask)
            else:
                said = torch.tanh(full(said))
                if self.settings.continuous != "mse":
                    terms[task.name] = concordance(said, target, mask)
                if self.settings.continuous != "ccc":
                    name = task.name if self.settings.continuous == "mse" else f"{task.name}_mse"
                    terms[name] = squared(said, target, mask)
        return terms

    def forward(self, terms: Terms) -> Tensor:
        """Return the weighted sum of the terms' means."""
        if self.learned is not None:
            summed: Tensor = self.learned(terms)
            return summed
        weights = {name: self.weights[name.removesuffix("_mse")] for name in terms}
        return total(terms, weights)


def raw_outputs(
    heads: nn.ModuleDict, features: Tensor, values: Mapping[Task, Tensor], known: Mapping[Task, Tensor]
) -> dict[str, Tensor]:
    """Return the raw outputs of all heads in training, in which a margin makes the true class harder."""
    outputs = {}
    for task, target in values.items():
        head = heads[task.name]
        raw = head(features)
        outputs[task.name] = (
            head.with_margin(raw, target, known[task]) if isinstance(head, MarginHead) else raw
        )
    return outputs


def hardened(values: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return distributions with all weight on the largest share, and the mask without rows of two such.

    Args:
        values: (..., classes).
        known: (..., classes) bool; a row counts when all its cells are known.
    """
    filled = full(values).masked_fill(~known, 0)
    largest = filled == filled.amax(dim=-1, keepdim=True)
    clear = largest.sum(dim=-1, keepdim=True) == 1
    return largest.to(filled.dtype), known & clear


def _factors(task: Task, settings: LossSettings) -> list[tuple[str, float]]:
    """Return the terms of a task and their factors in the sum with learned weights.

    1 for a cross-entropy and 1/2 for a squared error follow from their likelihoods (Kendall et al. 2018);
    concordance has none and is given 1/2, as an error of a continuous value.
    """
    if task.kind in ("categorical", "binary"):
        return [(task.name, 1.0)]
    both = task.kind == "continuous" and settings.continuous == "both"
    return [(task.name, 0.5), *([(f"{task.name}_mse", 0.5)] if both else [])]


def _weights(task: Task, settings: LossSettings, material: Material) -> Tensor | None:
    """Return weights of classes, mean 1 over samples, or of present units; None where all count alike."""
    inverse = {"categorical": settings.class_weights, "binary": settings.positive_weights}.get(task.kind)
    if inverse != "inverse":
        return None
    values, known = material.truth(task, np.arange(len(material)))
    shown = np.where(known, values, 0).sum(axis=(0, 1), dtype=np.float64)
    seen = known.sum(axis=(0, 1))
    if task.kind == "binary":
        weights = (seen - shown) / np.maximum(shown, 1e-9)
    else:
        weights = seen.max(initial=0) / (len(task) * np.maximum(shown, 1e-9))
    clipped = np.where(shown > 0, np.clip(weights, 1 / RAREST, RAREST), 1.0)
    return torch.from_numpy(clipped.astype(np.float32))
