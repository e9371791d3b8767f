"""Two processes by torchrun learn what one does; only one writes; one that fails ends both."""

import csv
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed

from mien.inputs import Preprocessing
from mien.learning import checkpoint, parallel
from mien.learning.recipe import read
from mien.learning.training import train
from mien.preparation.prepared import Prepared
from mien.preparation.run import Options, prepare
from mien.testing.affect import make_affect

RECIPE = """
name = "two"
[tasks]
valence_arousal = 1.0
expression_7 = 1.0
action_units_8 = 1.0
[preprocessing]
size = 16
[network]
backbone = { kind = "vgg16", dropout = 0.0 }  # the one without batch normalisation
temporal = { kind = "gru", units = 8, layers = 2 }
[losses]
continuous = "ccc"
balance = "uncertainty"
class_weights = "inverse"
[augmentation]
turn = 0.0
shift = 0.0
zoom = 0.0
stretch = 0.0
contrast = 0.0
brightness = 0.0
gamma = 1.0
noise = 0.0
blur = 0.0
hidden = 0.0
mirror = 0.0
[sampling]
batch = 4
frames = 4
[optimisation]
method = "sgd"
rate = 0.01
warmup = 1
epochs = 2
precision = "fp32"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database with many labels missing, and a recipe; checkpoints of 15 million weights go afterwards."""
    folder = tmp_path_factory.mktemp("parallel")
    make_affect(folder / "affect", {"train": 5, "validation": 1}, frames=8, missing=0.4, seed=2)
    options = Options(given=True, quality=0, quiet=True)
    prepare("table", folder / "affect", folder / "prepared", Preprocessing(size=16), options)
    (folder / "two.toml").write_text(RECIPE)
    yield folder
    shutil.rmtree(folder)


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", *arguments]
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=settings)


def metrics(run: Path) -> list[dict[str, float]]:
    with open(run / "metrics.csv", newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def test_two_processes_learn_what_one_does(place: Path) -> None:
    train(read(place / "two.toml"), [Prepared.open(place / "prepared")], place / "one", threads=1, quiet=True)
    arguments = ["-m", "mien", "train", str(place / "two.toml"), str(place / "prepared")]
    done = torchrun(*arguments, "-o", str(place / "both"), "-q")
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [str(place / "both" / "last.safetensors")], "one process speaks"
    one, both = metrics(place / "one"), metrics(place / "both")
    assert [list(row) for row in one] == [list(row) for row in both]
    for mine, theirs in zip(one, both, strict=True):
        assert theirs == pytest.approx(mine, abs=1e-4, nan_ok=True)
    assert one[0]["loss"] != one[1]["loss"]
    kept = {path.name for path in (place / "both").iterdir()} - {"board"}
    assert kept == {"recipe.json", "start.txt", "metrics.csv", "last.safetensors", "best.safetensors"}
    if (place / "both" / "board").exists():
        assert len(list((place / "both" / "board").iterdir())) == 1
    first, told = checkpoint.load(place / "one" / "last.safetensors")
    second, also = checkpoint.load(place / "both" / "last.safetensors")
    assert told["optimiser"] == also["optimiser"]
    for name in first:
        torch.testing.assert_close(second[name], first[name], atol=1e-4, rtol=1e-3)
    moved = first["objective.learned.logs"]
    assert moved.abs().max() > 1e-4, "learned weights were learned"


def test_one_that_fails_ends_both(place: Path) -> None:
    """The second process fails in the second epoch, while the first waits for it."""
    program = place / "failing.py"
    program.write_text(
        "import os, sys\n"
        "from mien.cli import main\n"
        "from mien.learning import training\n"
        "real = training.epoch\n"
        "def failing(material, settings, seed, number):\n"
        "    for step, clips in enumerate(real(material, settings, seed, number)):\n"
        "        if os.environ['RANK'] == '1' and (number, step) == (1, 1):\n"
        "            raise OSError(28, 'No space left on device')\n"
        "        yield clips\n"
        "training.epoch = failing\n"
        "main(sys.argv[1:])\n"
    )
    start = time.monotonic()
    arguments = ["train", str(place / "two.toml"), str(place / "prepared"), "-o", str(place / "failed"), "-q"]
    done = torchrun(str(program), *arguments)
    assert done.returncode != 0
    assert "the disk is full" in done.stderr
    assert time.monotonic() - start < 60
    assert checkpoint.record(place / "failed" / "last.safetensors")["epoch"] == 0
    assert len(metrics(place / "failed")) == 1


def test_alone_nothing_is_divided() -> None:
    assert (parallel.world(), parallel.rank(), parallel.share(7)) == (1, 0, slice(0, 7))
    module = torch.nn.Linear(2, 2)
    assert parallel.shared(module) is module
    assert parallel.agreed({"score": 1.0}) == {"score": 1.0}
    parallel.begin("cpu")
    parallel.wait()
    assert not distributed.is_initialized()
    assert np.arange(7)[parallel.share(7)].tolist() == list(range(7))
