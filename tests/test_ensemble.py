"""Several networks exported as one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from assemblies import clips, made, small

from mien.bundle import WEIGHTS, Bundle, write_record
from mien.errors import SettingsError
from mien.learning import checkpoint, sources
from mien.learning.ensemble import Ensemble
from mien.learning.export import export, largest_difference, write_onnx
from mien.learning.network import Network
from mien.learning.recipe import BackboneSettings, Recipe
from mien.learning.training import load_network
from mien.tasks import TASKS


def test_it_says_the_mean_and_mirrored_the_same_of_a_mirrored_face() -> None:
    recipe = small("picture", "none", "softmax")
    networks = [made(recipe), made(replace(recipe, name="other"))]
    with torch.no_grad():
        for parameter in networks[1].parameters():
            parameter.mul_(0.8)
    faces, _ = clips(recipe, 3, 2)
    assert faces is not None
    with torch.no_grad():
        raws = [network.eval()(faces)[0] for network in networks]
        both, state = Ensemble(networks).eval()(faces)
        once = Ensemble(networks, mirrored=True).eval()(faces)[0]
        turned = Ensemble(networks, mirrored=True).eval()(torch.flip(faces, [-1]))[0]
    assert state is None
    for name, raw in both.items():
        torch.testing.assert_close(raw, (raws[0][name] + raws[1][name]) / 2)
        torch.testing.assert_close(once[name], turned[name], atol=1e-5, rtol=1e-5)
        assert not torch.allclose(once[name], raw, atol=1e-4), "the mirrored face counts"


@pytest.mark.parametrize("streams", ["picture", "both"])
@pytest.mark.parametrize("temporal", ["none", "gru", "convolution"])
def test_exported_it_remembers_for_each_of_its_views(streams: str, temporal: str, tmp_path: Path) -> None:
    recipe = small(streams, temporal, "softmax")
    ensemble = Ensemble([made(recipe), made(recipe)], mirrored=True).eval()
    write_onnx(ensemble, recipe, tmp_path / "model.onnx")
    hearing = recipe.hearing if ensemble.hears else None
    tasks = ensemble.tasks
    write_record(tmp_path, "both", recipe.preprocessing, tasks, {}, hearing, ensemble.memory)
    bundle = Bundle.load(tmp_path)
    assert bundle.memory == ensemble.memory == 4 * made(recipe).memory
    assert largest_difference(ensemble, recipe, bundle) < 1e-4
    faces = np.zeros((0, 3, *clips(recipe, 1, 1)[0].shape[2:]), np.float32)  # type: ignore[union-attr]
    assert bundle.follow(faces)[0][TASKS["expression_7"]].shape == (0, 3, 7)


def test_networks_that_do_not_fit_are_refused() -> None:
    recipe = small("picture", "none", "softmax")
    fewer = replace(recipe, tasks={"expression_7": 1.0})
    with pytest.raises(SettingsError, match="differ in their tasks"):
        Ensemble([made(recipe), made(fewer)])
    with pytest.raises(SettingsError, match="at least one"):
        Ensemble([])
    with pytest.raises(SettingsError, match="does not see"):
        Ensemble([made(small("sound", "none", "softmax"))], mirrored=True)


def kept(recipe: Recipe, folder: Path) -> tuple[Network, Path]:
    """Write a network by chance as a run would; return it and the file."""
    network = made(recipe)
    tensors = {f"average.{name}": value for name, value in network.state_dict().items()}
    record = {"recipe": recipe.to_json(), "scores": {}, "learned": [["affect", ""]], "epoch": 3}
    tensors["optimiser.0.step"] = torch.zeros(3)
    checkpoint.save(folder / "last.safetensors", tensors, record)
    return network, folder / "last.safetensors"


@pytest.mark.parametrize(("streams", "temporal"), [("picture", "none"), ("both", "gru")])
def test_in_half_precision_a_bundle_is_half_as_large_and_says_the_same(
    streams: str, temporal: str, tmp_path: Path
) -> None:
    recipe = small(streams, temporal, "softmax")
    wide = BackboneSettings(widths=(48, 96), depth=1)
    remembering = replace(recipe.network.temporal, units=64)
    network = replace(recipe.network, backbone=wide, sound_backbone=wide, temporal=remembering)
    _, path = kept(replace(recipe, network=network), tmp_path)
    assert export([path], tmp_path / "whole", {}) < 1e-4
    assert 1e-6 < export([path], tmp_path / "half", {}, half=True) < 5e-3
    sizes = [(tmp_path / name / "model.onnx").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.6 * sizes[1]


def test_weights_in_a_bundle_are_what_a_run_starts_from(tmp_path: Path) -> None:
    recipe = small("picture", "none", "softmax")
    network, path = kept(recipe, tmp_path)
    export([path], tmp_path / "bundle", {}, weights=True)
    again, theirs, _ = load_network(tmp_path / "bundle" / WEIGHTS)
    assert theirs == recipe
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=1e-3, rtol=1e-3)
    assert sources.learned([], [tmp_path / "bundle" / WEIGHTS]) == [["affect", ""]]
    size = sum(value.numel() for value in network.state_dict().values())
    assert (tmp_path / "bundle" / WEIGHTS).stat().st_size < 2 * size + 20_000
