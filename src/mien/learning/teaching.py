"""What trained networks say of the training part, for another to learn from."""

from collections.abc import Sequence

import numpy as np

from mien.arrays import FloatArray
from mien.learning.network import Network
from mien.learning.recipe import Recipe
from mien.learning.sampling import Material
from mien.learning.validation import said
from mien.preparation.prepared import Prepared
from mien.records import Labels
from mien.tasks import Task


def taught(network: Network, recipe: Recipe, data: Sequence[Prepared]) -> list[Labels]:
    """Return what a network says of the training part of each database, as labels of all its rows.

    Probabilities of classes and units, values of valence, arousal and intensities. The network sees clips of
    its own length, one after another; rows that lie in none, or in another part, are unknown.

    Args:
        network: of the recipe.
        recipe: how it sees and hears.
        data: prepared with the recipe's preprocessing.

    Raises:
        SettingsError: no clip is as long as the network's.
    """
    frames = recipe.sampling.frames
    hearing = recipe.hearing if recipe.network.streams != "picture" else None
    material = Material(data, network.tasks, "train", frames, frames, hearing)
    predictions = said(network, recipe, material)
    labels = []
    for place, prepared in enumerate(data):
        mine = material.sources == place
        values: dict[Task, FloatArray] = {}
        for task in network.tasks:
            values[task] = np.full((len(prepared.index), len(task)), np.nan, np.float32)
            values[task][material.rows[mine]] = predictions[task][mine]
        labels.append(Labels.of(values))
    return labels


def together(said: Sequence[Labels]) -> Labels:
    """Return the mean of what several teachers say of the same rows, cell by cell, over those that know.

    A task that some of them do not have is what the others say.
    """
    means: dict[Task, FloatArray] = {}
    for task in dict.fromkeys(task for labels in said for task in labels.values):
        mine = [labels for labels in said if task in labels.values]
        number = np.sum([labels.known[task] for labels in mine], axis=0)
        total = np.sum([labels.values[task] for labels in mine], axis=0)
        means[task] = np.where(number > 0, total / np.maximum(number, 1), np.nan).astype(np.float32)
    return Labels.of(means)
