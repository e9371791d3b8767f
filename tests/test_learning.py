"""Training, resuming and export, on a small drawn database with a network of a few thousand weights."""

import csv
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.benchmark import evaluate
from mien.bundle import Bundle
from mien.databases import fer2013
from mien.errors import BundleError, DatabaseError, InputError, MienError, OutputError, SettingsError
from mien.inputs import Preprocessing, middle
from mien.learning import checkpoint
from mien.learning.augmentation import augment
from mien.learning.export import export, largest_difference, load_ensemble
from mien.learning.losses import cross_entropy
from mien.learning.network import Network
from mien.learning.recipe import (
    AugmentationSettings,
    BackboneSettings,
    LossSettings,
    NetworkSettings,
    OptimisationSettings,
    Recipe,
    SamplingSettings,
    read,
)
from mien.learning.training import load_network, train
from mien.preparation.prepared import MARGIN, Prepared
from mien.preparation.run import Options, prepare
from mien.tasks import EXPRESSION_7, EXPRESSION_8_CONTEMPT
from mien.testing.databases.fer2013 import make_fer2013

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
RECIPES = Path(__file__).parent.parent / "recipes"
SMALL = Recipe(
    name="small",
    tasks={"expression_8_contempt": 1.0, "expression_7": 0.5},
    preprocessing=Preprocessing(size=32, zoom=1.15, centre=0.575),
    network=NetworkSettings(backbone=BackboneSettings(widths=(8, 16), depth=1, stem=8, dropout=0.1)),
    losses=LossSettings(smoothing=0.05),
    sampling=SamplingSettings(batch=16),
    optimisation=OptimisationSettings(epochs=3, rate=0.05, warmup=1, precision="fp32"),
)
QUIET = Options(quality=0, quiet=True)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data")
    make_fer2013(place / "fer", train=96, validation=40, test=40)
    prepare("fer2013", place / "fer", place / "prepared", SMALL.preprocessing, QUIET)
    return place / "prepared"


@pytest.mark.parametrize(
    "path", sorted([*RECIPES.glob("*.toml"), *BENCHMARKS.glob("*.toml")]), ids=lambda p: p.name
)
def test_every_shipped_recipe_parses_and_builds(path: Path) -> None:
    for recipe in read(path):
        with torch.device("meta"):  # shapes alone: VGG-16 with its layers has 50 million weights
            network = Network(recipe)
            size, channels = recipe.preprocessing.size, recipe.preprocessing.channels
            if recipe.network.temporal.kind == "none" and recipe.network.heads.expression == "softmax":
                outputs, _ = network(torch.zeros(2, 3, channels, size, size))
                assert {name: tuple(out.shape) for name, out in outputs.items()} == {
                    task.name: (2, 3, len(task)) for task in recipe.weights
                }
        assert bool(network.memories) == (recipe.network.temporal.kind != "none")
        assert len(network.memories) <= {"picture": 1, "sound": 1, "both": 3}[recipe.network.streams]
        assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nam = 'x'", "nam: no such setting"),
        ("name = 'x'\n[tasks]\nmood = 1\n[preprocessing]\nsize = 48", "mood"),
        ("name = 'x'\n[tasks]\nexpression_7 = 1", "preprocessing"),
        ("name = 3\n[tasks]\nexpression_7 = 1", "name: got 3, expected str"),
        (
            "name = 'x'\n[tasks]\nexpression_7 = 1\n[preprocessing]\nsize = 'big'",
            "preprocessing.size: got 'big'",
        ),
        (
            "name='x'\ntasks={expression_7=1}\npreprocessing={size=48}\noptimisation={precision='int4'}",
            "int4",
        ),
        ("name = ", "Invalid value"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(SettingsError, match=said) as caught:
        read(tmp_path / "recipe.toml")
    assert "recipe.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("sampling = { batch = 0 }", "sampling.batch: got 0, expected at least 1"),
        ("sampling = { frames = true }", "sampling.frames: got True"),
        ("optimisation = { epochs = 0 }", "optimisation.epochs: got 0, expected at least 1"),
        ("optimisation = { averaging = 1.5 }", "optimisation.averaging: got 1.5, expected 0 to 1"),
        ("losses = { smoothing = nan }", "losses.smoothing: got nan, expected 0 to 1"),
        ("network.backbone = { widths = [] }", "network.backbone.widths"),
        ("network.temporal = { kernel = 1 }", "network.temporal.kernel: got 1, expected at least 2"),
        ("hearing = { bands = 0 }", "hearing: hearing out of range"),
        ("tasks = { expression_7 = -1 }", "tasks: weights"),
        ("name = 'a/b'", "name: got 'a/b', expected what a folder may be called"),
        ("teacher = ['later']", "x.teacher: no stage 'later' comes before it"),
    ],
)
def test_settings_out_of_range_are_named(tmp_path: Path, table: str, said: str) -> None:
    lines = {
        "name": "name = 'x'",
        "tasks": "tasks = { expression_7 = 1 }",
        "preprocessing": "preprocessing = { size = 48 }",
    }
    lines[table.split(" ")[0]] = table
    (tmp_path / "recipe.toml").write_text("\n".join(lines.values()))
    with pytest.raises(SettingsError, match=r"recipe\.toml") as caught:
        read(tmp_path / "recipe.toml")
    assert said in str(caught.value)


def test_prepared_crops_are_the_networks_crops_with_a_margin(prepared: Path) -> None:
    data = Prepared.open(prepared)
    assert data.crops[:].shape == (176, 32 + 2 * MARGIN, 32 + 2 * MARGIN)
    assert SMALL.preprocessing.widened(48) == data.preprocessing
    assert data.index.columns["seen_in_training"].sum() == 1
    _, picture = next(fer2013.pictures(prepared.parent / "fer", "fer2013.csv", np.array([0])))
    landmarks = np.array([[15, 18], [33, 18], [24, 28], [17, 38], [31, 38]], np.float32)
    np.testing.assert_array_equal(
        middle(data.preprocessing.crop(picture, landmarks)[None], 32)[0],
        SMALL.preprocessing.crop(picture, landmarks),
    )


def test_prepared_folder_is_whole_or_refused(prepared: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="exists already"):
        prepare("fer2013", prepared.parent / "fer", prepared, SMALL.preprocessing, QUIET)
    with pytest.raises(DatabaseError, match="fer2013"):
        prepare("fer2013", tmp_path, tmp_path / "out", SMALL.preprocessing, QUIET)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DatabaseError, match="not a complete prepared database"):
        Prepared.open(tmp_path)


def test_unlabelled_rows_cost_nothing_and_give_no_gradient() -> None:
    raw = torch.randn(6, 8, requires_grad=True)
    target = torch.softmax(torch.randn(6, 8), dim=1)
    total, count = cross_entropy(raw, target, torch.zeros(6, 8, dtype=torch.bool))
    total.backward()
    assert (total.item(), count.item(), raw.grad.abs().max().item()) == (0.0, 0, 0.0)
    known = torch.tensor([True, False] * 3)[:, None].expand(6, 8)
    total, count = cross_entropy(raw, target, known)
    half = torch.nn.functional.cross_entropy(raw[::2], target[::2], reduction="sum")
    assert count.item() == 3
    assert total.item() == pytest.approx(half.item(), rel=1e-6)


def test_augmentation_of_nothing_is_the_middle_and_is_drawn_per_clip() -> None:
    stored = torch.rand(4, 3, 1, 48, 48) * 1.8 - 0.9
    none = AugmentationSettings(0, 0, 0, 0, 0, 0, 1.0, 0, 0, 0)
    changed = augment(stored, 32, none, torch.Generator().manual_seed(1))
    middle_ = stored[..., 8:40, 8:40]
    mirrored = torch.flip(middle_, dims=[-1])
    distance = [min((changed[i] - m[i]).abs().max().item() for m in (middle_, mirrored)) for i in range(4)]
    assert max(distance) < 1e-4
    still = stored[:, :1].expand(-1, 3, -1, -1, -1)
    settings = replace(AugmentationSettings(), noise=0.0)
    moved = augment(still, 32, settings, torch.Generator().manual_seed(2))
    assert (moved - moved[:, :1]).abs().max() < 1e-6
    assert (moved[:, 0] - stored[..., 8:40, 8:40][:, 0]).abs().mean() > 0.05


def test_loss_falls_and_the_run_folder_is_complete(prepared: Path, tmp_path: Path) -> None:
    gentle = AugmentationSettings(turn=5, hidden=0, blur=0, noise=0.02)
    recipe = replace(SMALL, augmentation=gentle, optimisation=replace(SMALL.optimisation, epochs=25))
    train([recipe], [Prepared.open(prepared)], tmp_path / "run", quiet=True)
    assert {path.name for path in (tmp_path / "run").iterdir()} - {"board"} == {
        *("recipe.json", "start.txt", "metrics.csv", "last.safetensors", "best.safetensors")
    }
    with open(tmp_path / "run" / "metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(25))
    assert float(rows[-1]["loss"]) < 0.8 * float(rows[0]["loss"])
    export([tmp_path / "run" / "last.safetensors"], tmp_path / "bundle", {"licence": "none"})
    [result] = evaluate(
        [Bundle.load(tmp_path / "bundle")], Prepared.open(prepared), ["FERPlus majority"], "test"
    )
    said = {
        figure.of: figure.value
        for figure in result.figures
        if (figure.metric, figure.label) == ("accuracy", "")
    }
    assert said["model"] == result.figure.value > said["constant"] + 0.2


def test_a_killed_run_goes_on_bit_for_bit(prepared: Path, tmp_path: Path) -> None:
    """Kill -9 in the middle of an epoch; the run that goes on equals the one that never stopped."""
    data = Prepared.open(prepared)
    whole = train([SMALL], [data], tmp_path / "whole", threads=1, quiet=True)
    program = (
        "import sys; sys.path.insert(0, sys.argv[3]); from pathlib import Path\n"
        "from test_learning import SMALL; from mien.preparation.prepared import Prepared\n"
        "from mien.learning.training import train\n"
        "train([SMALL], [Prepared.open(Path(sys.argv[1]))], Path(sys.argv[2]), threads=1)"
    )
    arguments = [
        sys.executable,
        "-c",
        program,
        str(prepared),
        str(tmp_path / "cut"),
        str(Path(__file__).parent),
    ]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "cut" / "last.safetensors").exists() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()
    _, record = checkpoint.load(tmp_path / "cut" / "last.safetensors")
    assert record["epoch"] < SMALL.optimisation.epochs - 1, "killed too late to test anything"
    cut = train([SMALL], [data], tmp_path / "cut", threads=1, quiet=True)
    first, second = checkpoint.load(whole), checkpoint.load(cut)
    assert first[1] == second[1]
    assert first[0].keys() == second[0].keys()
    assert all(torch.equal(first[0][name], second[0][name]) for name in first[0])
    metrics = [(tmp_path / run / "metrics.csv").read_text() for run in ("whole", "cut")]
    assert metrics[0] == metrics[1]


def test_a_run_of_another_recipe_and_data_that_do_not_fit_are_refused(prepared: Path, tmp_path: Path) -> None:
    data = Prepared.open(prepared)
    short = replace(SMALL, optimisation=replace(SMALL.optimisation, epochs=1))
    train([short], [data], tmp_path / "run", quiet=True)
    with pytest.raises(SettingsError, match="another recipe"):
        train([SMALL], [data], tmp_path / "run")
    with pytest.raises(SettingsError, match="prepare it again"):
        train([replace(SMALL, preprocessing=Preprocessing(size=40))], [data], tmp_path / "other")
    with pytest.raises(SettingsError, match="has labels for valence_arousal"):
        train([replace(SMALL, tasks={"valence_arousal": 1.0})], [data], tmp_path / "third")
    with pytest.raises(SettingsError, match="wants raf_db; prepared are fer2013"):
        train([replace(SMALL, databases=("raf_db",))], [data], tmp_path / "fourth")


def test_a_loss_that_is_no_number_stops_with_its_rows(prepared: Path, tmp_path: Path) -> None:
    wild = replace(SMALL, optimisation=replace(SMALL.optimisation, rate=1e12, clip=1e12, warmup=0))
    with pytest.raises(
        MienError, match=r"epoch \d+, step \d+: the (loss|gradient) .*\(expression_.*fer2013\.csv, frame \d+"
    ):
        train([wild], [Prepared.open(prepared)], tmp_path / "run", quiet=True)


def test_export_is_refused_when_onnx_and_torch_differ(prepared: Path, tmp_path: Path) -> None:
    short = replace(SMALL, optimisation=replace(SMALL.optimisation, epochs=1))
    last = train([short], [Prepared.open(prepared)], tmp_path / "run", quiet=True)
    assert export([last], tmp_path / "bundle", {}) < 1e-4
    network, recipe = load_ensemble([last])
    bundle = Bundle.load(tmp_path / "bundle")
    assert largest_difference(network, recipe, bundle) < 1e-4
    with torch.no_grad():
        network.members[0].heads["expression_7"].bias[0] += 0.01
    assert largest_difference(network, recipe, bundle) > 1e-4
    with torch.no_grad():
        network.members[0].heads["expression_7"].bias[0] = float("nan")
    assert largest_difference(network, recipe, bundle) == float("inf")
    with pytest.raises(OutputError, match="exists already"):
        export([last], tmp_path / "bundle", {})


def test_weights_that_do_not_fit_their_recipe_are_refused(prepared: Path, tmp_path: Path) -> None:
    short = replace(SMALL, optimisation=replace(SMALL.optimisation, epochs=1))
    last = train([short], [Prepared.open(prepared)], tmp_path / "run", quiet=True)
    tensors, record = checkpoint.load(last)
    record["recipe"]["network"]["backbone"]["stem"] += 1
    checkpoint.save(last, tensors, record)
    with pytest.raises(InputError, match=r"last\.safetensors: its weights do not fit the network"):
        load_network(last)


def test_export_leaves_nothing_behind_when_refused(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(SMALL, optimisation=replace(SMALL.optimisation, epochs=1))
    last = train([short], [Prepared.open(prepared)], tmp_path / "run", quiet=True)
    monkeypatch.setattr("mien.learning.export.TOLERANCE", 0.0)
    with pytest.raises(BundleError, match="not exported"):
        export([last], tmp_path / "bundle", {})
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_order_of_heads_is_the_recipes() -> None:
    network = Network(SMALL)
    assert network.tasks == (EXPRESSION_8_CONTEMPT, EXPRESSION_7)
    assert list(network(torch.zeros(1, 1, 1, 32, 32))[0]) == ["expression_8_contempt", "expression_7"]
