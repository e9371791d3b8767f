"""Training that goes on from the network that ships."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from drawn import drawn, one_of

from mien.bundle import WEIGHTS, shipped
from mien.learning.recipe import read
from mien.learning.training import load_network, train
from mien.tasks import ACTION_UNITS_8, EXPRESSION_7, VALENCE_AROUSAL

RECIPE = Path(__file__).parent.parent / "recipes" / "affect_licensed.toml"


def test_a_recipe_goes_on_from_the_weights_inside_the_package(tmp_path: Path) -> None:
    recipe = read(RECIPE)[0]
    rng = np.random.default_rng(0)
    labels = {
        EXPRESSION_7: one_of(EXPRESSION_7, ["fear", "anger"] * 8),
        VALENCE_AROUSAL: rng.uniform(-1, 1, (16, 2)).astype(np.float32),
        ACTION_UNITS_8: rng.integers(0, 2, (16, 8)).astype(np.float32),
    }
    data = drawn(tmp_path, "faces", labels, [("train", 16)], recipe.preprocessing)
    still = replace(recipe.optimisation, epochs=1, rate=0.0)
    short = replace(recipe, optimisation=still, sampling=replace(recipe.sampling, batch=8))
    last = train([short], [data], tmp_path / "run", threads=1, quiet=True)
    before, after = load_network(shipped() / WEIGHTS)[0], load_network(last)[0]
    theirs = dict(before.named_parameters())
    same = [name for name, own in after.named_parameters() if torch.equal(theirs.get(name, own[:0]), own)]
    assert {name for name, _ in after.named_parameters() if "picture" in name} <= set(same)
    assert "heads.valence_arousal.weight" in same, "a task that both have goes on too"
    assert "heads.action_units_8.weight" not in same, "another set of units begins anew"
    assert "weights.safetensors" in (tmp_path / "run" / "start.txt").read_text()
