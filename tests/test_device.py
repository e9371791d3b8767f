"""Training on another device: no step mixes two, which torch refuses on a pretended one."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from assemblies import SIZE, small
from click.testing import CliRunner
from drawn import drawn, one_of
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.symbolic_shapes import ShapeEnv

from mien.cli import main
from mien.errors import SettingsError
from mien.inputs import Preprocessing
from mien.learning.network import Network
from mien.learning.objective import Objective
from mien.learning.parallel import begin
from mien.learning.recipe import LossSettings
from mien.learning.training import _begin, _Trained
from mien.tasks import ACTION_UNITS_8, EXPRESSION_7, VALENCE_AROUSAL

WITHOUT_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


@pytest.mark.parametrize("temporal", ["gru", "convolution"])
def test_a_step_of_all_parts_stays_on_its_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporal: str
) -> None:
    """On "meta", the GPU of this test, tensors have no numbers, and torch does not mix them with others."""
    rng = np.random.default_rng(0)
    labels = {
        VALENCE_AROUSAL: rng.uniform(-1, 1, (16, 2)).astype(np.float32),
        EXPRESSION_7: one_of(EXPRESSION_7, ["fear", "neutral"] * 8),
        ACTION_UNITS_8: rng.integers(0, 2, (16, 8)).astype(np.float32),
    }
    data = drawn(
        tmp_path, "made", labels, [("train", 8), ("validation", 8)], Preprocessing(size=SIZE), sound=True
    )
    recipe = small("both", temporal, "arcface")
    recipe = replace(
        recipe,
        losses=LossSettings("both", "uncertainty", "inverse", "inverse", 0.1, "hard"),
        sampling=replace(recipe.sampling, batch=2, frames=4),
        optimisation=replace(recipe.optimisation, precision="fp32"),
    )
    run = _begin(recipe, [data], tmp_path / "run", [], [], torch.device("cpu"))
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())  # it has no "meta"
    with FakeTensorMode(allow_non_fake_inputs=True, shape_env=ShapeEnv()):
        with torch.device("meta"):
            run.network = Network(recipe)
            run.objective = Objective(recipe, run.material)
        run.trained, run.device = _Trained(run.network, run.objective), torch.device("meta")
        loss, terms = run._loss(np.arange(2), torch.Generator())
        loss.backward()
        assert loss.device.type == "meta"
        assert len(terms) == 4
        assert all(p.grad is not None and p.grad.device.type == "meta" for p in run.trained.parameters())
        run.device = torch.device("cpu")
        with pytest.raises(RuntimeError, match="device"):
            run._loss(np.arange(2), torch.Generator())


@WITHOUT_GPU
def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert begin("auto").type == "cpu"
    with pytest.raises(SettingsError, match=r"torch finds no GPU; use cpu"):
        begin("cuda")
    data = drawn(tmp_path, "made", {EXPRESSION_7: one_of(EXPRESSION_7, ["fear"] * 8)}, [("train", 8)])
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('name = "r"\ntasks = { expression_7 = 1.0 }\npreprocessing = { size = 16 }\n')
    place = next(tmp_path.glob("*_prepared"))
    done = CliRunner().invoke(
        main, ["train", str(recipe), str(place), "-o", str(tmp_path / "run"), "--device", "cuda"]
    )
    assert len(data.index) == 8
    assert done.exit_code == 1
    assert "torch finds no GPU" in done.stderr
