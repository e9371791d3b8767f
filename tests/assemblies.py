"""Small networks in every assembly, clips for them, and their bundles; shared by tests."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mien.arrays import FloatArray
from mien.bundle import Bundle, write_record
from mien.hearing import Hearing
from mien.inputs import Preprocessing
from mien.learning.ensemble import Ensemble
from mien.learning.export import write_onnx
from mien.learning.network import Network, probabilities
from mien.learning.recipe import BackboneSettings, HeadSettings, NetworkSettings, Recipe, TemporalSettings

SIZE = 24
TASK_NAMES = ("valence_arousal", "expression_7", "action_units_8")
STREAMS = ("picture", "sound", "both")
TEMPORAL = ("none", "gru", "convolution")
HEADS = ("softmax", "arcface", "cosface")
KINDS = ("residual", "mobile")
KEPT = {"none": 0, "gru": 2 * 6, "convolution": 2 * 3 * 6}
"""Numbers that one temporal part of `small` keeps: layers x units, reach x units."""


def small(
    streams: Any = "picture", temporal: Any = "none", heads: Any = "softmax", kind: Any = "residual"
) -> Recipe:
    """Return a recipe of small parts with dropout in all of them; `mobile` with connected layers."""
    hidden = (10,) if kind == "mobile" else ()
    part = BackboneSettings(kind, widths=(8, 12), depth=1, stem=4, hidden=hidden, dropout=0.3)
    return Recipe(
        name="small",
        tasks=dict.fromkeys(TASK_NAMES, 1.0),
        preprocessing=Preprocessing(size=SIZE),
        hearing=Hearing(bands=16, span=0.2),
        network=NetworkSettings(
            streams,
            part,
            replace(part, widths=(6, 9), standardised=False),
            TemporalSettings(temporal, units=6, layers=2, kernel=3, dropout=0.3),
            HeadSettings(heads, embedding=8, scale=16.0, margin=0.3),
        ),
    )


def made(recipe: Recipe) -> Network:
    """Return a network in eval mode whose normalisations have seen something."""
    torch.manual_seed(1)
    network = Network(recipe)
    with torch.no_grad():
        network(*clips(recipe, 6, 3))
    return network.eval()


def clips(recipe: Recipe, batch: int, time: int) -> tuple[Tensor | None, Tensor | None]:
    """Return random faces and sound, None for a stream that the network lacks."""
    channels, size, hearing = recipe.preprocessing.channels, recipe.preprocessing.size, recipe.hearing
    faces = torch.rand(batch, time, channels, size, size) * 2 - 1
    sound = torch.rand(batch, time, 1, hearing.bands, hearing.steps) * 2 - 1
    streams = recipe.network.streams
    return faces if streams != "sound" else None, sound if streams != "picture" else None


def part_of(given: Tensor | None, index: Any) -> Tensor | None:
    return None if given is None else given[index]


each_assembly = pytest.mark.parametrize(
    ("streams", "temporal", "heads", "kind"), list(product(STREAMS, TEMPORAL, HEADS, KINDS))
)
each_memory = pytest.mark.parametrize(
    ("streams", "temporal"), list(product(STREAMS, [kind for kind in TEMPORAL if kind != "none"]))
)


def bundled(network: Network, recipe: Recipe, folder: Path) -> Bundle:
    """Write a network as a bundle, as `export` does with a checkpoint's, and load it."""
    folder.mkdir()
    write_onnx(Ensemble([network]), recipe, folder / "model.onnx")
    hearing = recipe.hearing if network.hears else None
    write_record(folder, recipe.name, recipe.preprocessing, network.tasks, {}, hearing, network.memory)
    return Bundle.load(folder)


def inputs(recipe: Recipe, batch: int, time: int) -> tuple[FloatArray, FloatArray | None]:
    """Return random faces, which a bundle always wants, and sound."""
    seen, heard = clips(replace(recipe, network=replace(recipe.network, streams="both")), batch, time)
    assert seen is not None
    assert heard is not None
    return seen.numpy(), heard.numpy() if recipe.network.streams != "picture" else None


def difference(
    network: Network, recipe: Recipe, bundle: Bundle, batch: int, time: int
) -> tuple[float, dict[str, FloatArray]]:
    """Return the largest difference of outputs and state from a random state on, and the outputs."""
    faces, sound = inputs(recipe, batch, time)
    state = np.random.default_rng(batch).normal(size=(batch, network.memory)).astype(np.float32)
    first = state if network.memory else None
    with torch.no_grad():
        raw, after = network(
            torch.from_numpy(faces) if network.sees else None,
            None if sound is None else torch.from_numpy(sound),
            None if first is None else torch.from_numpy(first),
        )
    said, said_after = bundle.follow(faces, sound, first)
    pairs = [(probabilities(task, raw[task.name]).numpy(), said[task]) for task in network.tasks]
    if network.memory:
        assert said_after is not None
        pairs.append((after.numpy(), said_after))
    else:
        assert said_after is None
    assert all(ours.shape == theirs.shape for ours, theirs in pairs)
    values = {task.name: said[task] for task in network.tasks}
    return max(float(np.abs(ours - theirs).max()) for ours, theirs in pairs), values
