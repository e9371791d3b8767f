"""Runs of every kind and every shipped recipe become bundles, and analysis can use them."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from assemblies import bundled, difference, made, small
from click.testing import CliRunner
from safetensors.torch import save_file

from mien.bundle import Bundle
from mien.cli.main import main
from mien.errors import InputError
from mien.learning.backbones import residual
from mien.learning.network import Network
from mien.learning.recipe import BackboneSettings, OptimisationSettings, Recipe, SamplingSettings, read
from mien.learning.training import load_network, train
from mien.preparation.prepared import Prepared
from mien.preparation.run import Options, prepare
from mien.testing.affect import make_affect

RECIPES = Path(__file__).parent.parent / "recipes"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    place = tmp_path_factory.mktemp("data")
    make_affect(place / "affect", {"train": 6, "validation": 3}, frames=16, missing=0.2)
    preprocessing = small().preprocessing
    prepare("table", place / "affect", place / "prepared", preprocessing, Options(given=True, quiet=True))
    return Prepared.open(place / "prepared")


@pytest.mark.parametrize(
    ("streams", "temporal", "heads", "kind"),
    [
        ("picture", "none", "softmax", "residual"),
        ("picture", "gru", "arcface", "mobile"),
        ("sound", "convolution", "cosface", "residual"),
        ("both", "gru", "softmax", "mobile"),
        ("both", "none", "arcface", "residual"),
    ],
)
def test_runs_of_every_kind_are_exported(
    streams: str, temporal: str, heads: str, kind: str, prepared: Prepared, tmp_path: Path
) -> None:
    recipe = replace(
        small(streams, temporal, heads, kind),
        sampling=SamplingSettings(batch=3, frames=8) if temporal != "none" else SamplingSettings(batch=16),
        optimisation=OptimisationSettings("adam", epochs=2, rate=1e-3, warmup=1, precision="fp32"),
    )
    train([recipe], [prepared], tmp_path / "run", threads=1, quiet=True)
    for name in ("best", "last"):
        checkpoint = tmp_path / "run" / f"{name}.safetensors"
        done = CliRunner().invoke(main, ["export", str(checkpoint), "-o", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
        assert "ONNX and torch differ by at most" in done.output
        network, found, _ = load_network(checkpoint)
        assert found == recipe
        assert difference(network, recipe, Bundle.load(tmp_path / name), 2, 5)[0] < 1e-4
    assert json.loads((tmp_path / "last" / "bundle.json").read_text())["name"] == "small"


def test_a_run_starts_from_a_users_weights(prepared: Prepared, tmp_path: Path) -> None:
    """Three colours become grey, the bundle says what the file's own network said of grey pictures."""
    torch.manual_seed(5)
    theirs, _ = residual(3, 4, (8, 12), 1)
    tensors = {f"model.{name}": tensor.clone() for name, tensor in theirs.state_dict().items()}
    save_file(tensors, tmp_path / "weights.safetensors")
    still = OptimisationSettings("adam", epochs=1, rate=1e-12, warmup=0, decay=0.0, precision="fp32")
    plain = small()
    backbone = replace(plain.network.backbone, weights=str(tmp_path / "weights.safetensors"))
    recipe = replace(
        plain,
        network=replace(plain.network, backbone=backbone),
        optimisation=still,
        sampling=SamplingSettings(16),
    )
    last = train([recipe], [prepared], tmp_path / "run", threads=1, quiet=True)
    told = (tmp_path / "run" / "start.txt").read_text()
    assert "weights.safetensors" in told
    assert "named model.* in the file" in told
    assert "three colours summed into one: 1.weight" in told
    network, _, _ = load_network(last)
    assert network.picture is not None
    learned = network.picture.backbone.state_dict()
    for name, tensor in theirs.state_dict().items():
        if name.endswith(("num_batches_tracked", "running_mean", "running_var")):
            continue  # training goes on counting these
        expected = tensor.sum(dim=1, keepdim=True) if name == "1.weight" else tensor
        torch.testing.assert_close(learned[name], expected, rtol=0, atol=1e-5)
    assert CliRunner().invoke(main, ["export", str(last), "-o", str(tmp_path / "bundle")]).exit_code == 0
    missing = replace(backbone, weights=str(tmp_path / "nowhere.safetensors"))
    refused = replace(recipe, network=replace(plain.network, backbone=missing))
    with pytest.raises(InputError, match=r"nowhere\.safetensors: cannot be read"):
        train([refused], [prepared], tmp_path / "other", quiet=True)


def modest(recipe: Recipe) -> Recipe:
    """Return a recipe whose published backbones see small pictures through narrow connected layers."""
    picture, sound = recipe.network.backbone, recipe.network.sound_backbone
    if recipe.network.streams == "picture":
        sound = BackboneSettings()
    if picture.kind in ("residual", "mobile"):
        return replace(recipe, network=replace(recipe.network, sound_backbone=sound))
    if recipe.network.streams == "both":  # what both share is known from the stages of one stream
        picture = replace(picture, kind="residual", widths=(8,), depth=1, stem=4)
    network = replace(
        recipe.network,
        backbone=replace(picture, hidden=(16, 16) if picture.hidden else ()),
        sound_backbone=replace(sound, hidden=(16, 16) if sound.hidden else ()),
    )
    return replace(recipe, preprocessing=replace(recipe.preprocessing, size=32), network=network)


def shipped_recipes() -> Iterator[Any]:
    """Yield one stage of each network in the shipped recipes, made smaller where it is large."""
    known = set()
    for path in sorted(RECIPES.glob("*.toml")):
        for recipe in read(path):
            small_enough = modest(recipe)
            key = json.dumps([small_enough.to_json()[name] for name in ("preprocessing", "network")])
            if key not in known:
                known.add(key)
                yield pytest.param(small_enough, id=f"{path.stem}-{recipe.name}")


@pytest.mark.parametrize("recipe", list(shipped_recipes()))
def test_every_shipped_recipe_is_exported(recipe: Recipe, tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = Network(recipe).eval()
    bundle = bundled(network, recipe, tmp_path / "bundle")
    assert difference(network, recipe, bundle, 1, 3)[0] < 1e-4
    shutil.rmtree(tmp_path / "bundle")


# Analysis


@pytest.mark.parametrize("streams", ["both", "sound"])
def test_a_bundle_that_remembers_and_hears_can_be_used_by_analysis(
    streams: str, sample: Path, tmp_path: Path
) -> None:
    recipe = small(streams, "gru")
    folder = tmp_path / "bundle"
    bundled(made(recipe), recipe, folder)
    given = ["analyze", str(sample), "-o", str(tmp_path / "out"), "--bundle", str(folder), "-q"]
    done = CliRunner().invoke(main, [*given, "--every", "10", "--no-overlay"])
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "out" / "analysis.json").read_text())
    assert "a memory of its own" in record["bundle"]["analysis"]
    assert "all faces hear the sound of their time" in record["bundle"]["analysis"]
    table = pq.read_table(tmp_path / "out" / "predictions.parquet")
    assert {"valence", "arousal", "expression_happiness"} <= set(table.column_names)
    valence = table["valence"].to_numpy()
    valence = valence[np.isfinite(valence)]  # frames without a face have a row without numbers
    assert len(valence) > 10
    assert np.ptp(valence) > 1e-6  # also where it only hears: the sample has sound
    assert (tmp_path / "out" / "report.html").exists()


def test_export_of_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    done = CliRunner().invoke(main, ["export", str(tmp_path / "x.safetensors"), "-o", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "not a checkpoint of mien" in done.output
    assert not (tmp_path / "out").exists()
