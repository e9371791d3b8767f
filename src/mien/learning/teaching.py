"""What a trained network says where labels are missing, for another to learn from."""

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
