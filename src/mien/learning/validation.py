"""How a network does on the validation part while it learns: a score for each task, and their mean."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mien.arrays import BoolArray, FloatArray
from mien.inputs import middle
from mien.learning.network import Network, probabilities
from mien.learning.recipe import Recipe
from mien.learning.sampling import Batch, Material
from mien.metrics import accuracy, binary_f1, ccc, macro_f1
from mien.preparation.prepared import Prepared
from mien.tasks import Task

CLIPS = 256
"""Frames that are looked at together."""


def validation_material(data: Sequence[Prepared], recipe: Recipe) -> Material | None:
    """Return the clips of the validation part, each frame once at most; None where there is no such part.

    What is left of a video after its last whole clip is not looked at, nor are videos shorter than a clip.
    """
    if not any(prepared.index.split.matches("validation").any() for prepared in data):
        return None
    frames = recipe.sampling.frames
    hearing = recipe.hearing if recipe.network.streams != "picture" else None
    return Material(data, tuple(recipe.weights), "validation", frames, frames, hearing, fresh=True)


def arrays(recipe: Recipe, batch: Batch, device: torch.device) -> tuple[Tensor | None, Tensor | None]:
    """Return what the network sees and hears of a batch, without changes, on its device."""
    faces = None
    if batch.crops is not None:
        crops = batch.crops.reshape(-1, *batch.crops.shape[2:])
        pixels = recipe.preprocessing.arrays(middle(crops, recipe.preprocessing.size))
        faces = torch.from_numpy(pixels).to(device).view(*batch.crops.shape[:2], *pixels.shape[2:])
    sound = torch.from_numpy(batch.sound).to(device) if batch.sound is not None else None
    return faces, sound


@torch.no_grad()
def said(network: Network, recipe: Recipe, material: Material) -> dict[Task, FloatArray]:
    """Return what a network says of all clips, task -> (clips, time, labels), in Predictions' units."""
    network.eval()
    device = next(network.parameters()).device
    at_once = max(1, CLIPS // recipe.sampling.frames)
    parts: dict[Task, list[FloatArray]] = {task: [] for task in network.tasks}
    for start in range(0, len(material), at_once):
        clips = np.arange(start, min(start + at_once, len(material)))
        raw, _ = network(*arrays(recipe, material.batch(clips, network.sees), device))
        for task in network.tasks:
            parts[task].append(probabilities(task, raw[task.name].float()).cpu().numpy())
    return {task: np.concatenate(arrays) for task, arrays in parts.items()}


def evaluate(network: Network, recipe: Recipe, material: Material | None) -> dict[str, float]:
    """Return scores by name: of each task what its kind is scored by, and "score", the mean of the tasks'.

    Valence and arousal: mean CCC over all frames. Expressions: accuracy and macro F1, the latter is the
    task's score; counted are rows with one clear class, more than half of the distribution. Action units:
    mean F1 at 0.5. Intensities: mean CCC. A task without labels here is NaN and left out of the mean;
    without any material there is but the mean, NaN.
    """
    if material is None:
        return {"score": float("nan")}
    predictions = said(network, recipe, material)
    scores: dict[str, float] = {}
    own: list[float] = []
    for task in network.tasks:
        values, known = material.truth(task, np.arange(len(material)))
        shape = (-1, len(task))
        mine, extra = _score(
            task, values.reshape(shape), known.reshape(shape), predictions[task].reshape(shape)
        )
        scores[task.name] = mine
        scores |= extra
        own.append(mine)
    finite = [score for score in own if np.isfinite(score)]
    return scores | {"score": float(np.mean(finite)) if finite else float("nan")}


def _score(
    task: Task, values: FloatArray, known: BoolArray, predictions: FloatArray
) -> tuple[float, dict[str, float]]:
    """Return a task's score, and further figures by name; arrays are (n, labels)."""
    if task.kind == "categorical":
        clear = known.all(axis=1) & (values.max(axis=1, initial=0) > 0.5)
        truth, guess = values[clear].argmax(axis=1), predictions[clear].argmax(axis=1)
        return macro_f1(truth, guess, len(task)), {f"{task.name}_accuracy": accuracy(truth, guess)}
    each = [
        binary_f1(values[known[:, i], i] > 0.5, predictions[known[:, i], i] >= 0.5)
        if task.kind == "binary"
        else ccc(values[known[:, i], i], predictions[known[:, i], i])
        for i in range(len(task))
    ]
    finite = [score for score in each if np.isfinite(score)]
    return float(np.mean(finite)) if finite else float("nan"), {}
