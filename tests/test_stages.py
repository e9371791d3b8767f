"""Training in stages: stops and resumption, early ends, what is written, teachers, what is refused."""

import csv
import fcntl
import json
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import drawn, one_of

from mien.errors import MienError, OutputError, SettingsError
from mien.inputs import Preprocessing
from mien.learning import checkpoint, training
from mien.learning.recipe import Recipe, read
from mien.learning.teaching import taught, together
from mien.learning.training import load_network, train
from mien.preparation.prepared import Prepared
from mien.preparation.run import Options, prepare
from mien.records import Labels
from mien.tasks import ACTION_UNITS_8, EXPRESSION_7, EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL
from mien.testing.affect import make_affect

GREY = Preprocessing(size=16)
FRAMES = 8

FILE = """
[tasks]
valence_arousal = 1.0
expression_7 = 0.5
action_units_8 = 1.0
[preprocessing]
size = 16
[network]
backbone = { stem = 4, widths = [4, 8], depth = 1, dropout = 0.2 }
sound_backbone = { stem = 4, widths = [4], depth = 1, dropout = 0.2, standardised = false }
[hearing]
bands = 8
span = 0.2
[losses]
continuous = "both"
balance = "uncertainty"
class_weights = "inverse"
positive_weights = "inverse"
[sampling]
batch = 6
mix = "even"
[optimisation]
method = "adam"
rate = 3e-3
warmup = 1
epochs = 2
averaging = 0.9
precision = "fp32"

[[stages]]
name = "frames"
databases = ["affect"]

[[stages]]
name = "recurrent"
start = ["frames"]
databases = ["affect"]
network.temporal = { kind = "gru", units = 6, layers = 2, dropout = 0.2 }
sampling = { batch = 3, frames = 8 }

[[stages]]
name = "sound"
databases = ["affect"]
network = { streams = "sound", temporal = { kind = "convolution", units = 6, layers = 2 } }
sampling = { batch = 3, frames = 8 }

[[stages]]
name = "fusion"
start = ["recurrent", "sound"]
teacher = ["recurrent"]
databases = ["affect"]
network = { streams = "both", temporal = { kind = "gru", units = 6, layers = 2, dropout = 0.2 } }
sampling = { batch = 3, frames = 8, step = 4 }
optimisation = { epochs = 3 }

[[stages]]
name = "target"
start = ["frames"]
databases = ["faces"]
tasks = { expression_8_contempt = 1.0 }
network.heads = { expression = "arcface", embedding = 6, scale = 16.0 }
losses = { balance = "fixed" }
sampling = { batch = 4 }
"""


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, ...]:
    path = tmp_path_factory.mktemp("recipe") / "stages.toml"
    path.write_text(FILE)
    return read(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Prepared]:
    """Seeing and hearing, with labels that are missing; and pictures of another label set."""
    place = tmp_path_factory.mktemp("stages")
    make_affect(place / "affect", {"train": 8, "validation": 2}, frames=FRAMES * 2, missing=0.3, seed=1)
    prepare("table", place / "affect", place / "prepared", GREY, Options(given=True, quality=0, quiet=True))
    affect = Prepared.open(place / "prepared")
    words = ["neutral", "contempt", "fear", "happiness"] * 6
    faces = drawn(
        place,
        "faces",
        {EXPRESSION_8_CONTEMPT: one_of(EXPRESSION_8_CONTEMPT, words)},
        [("train", 16), ("validation", 8)],
    )
    return [replace(affect, index=replace(affect.index, database="affect")), faces]


@pytest.fixture(scope="module")
def whole(stages: tuple[Recipe, ...], data: list[Prepared], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All stages, never stopped."""
    run = tmp_path_factory.mktemp("whole") / "run"
    last = train(stages, data, run, threads=1, quiet=True)
    assert last == run / "target" / "last.safetensors"
    return run


def rows(run: Path) -> list[dict[str, str]]:
    with open(run / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def assert_same_run(first: Path, second: Path) -> None:
    """Every weight, moment, score and setting is the same, bit for bit."""
    kept = [sorted(p.name for p in run.iterdir() if p.name != "board") for run in (first, second)]
    assert kept[0] == kept[1]
    for name in ("last.safetensors", "best.safetensors"):
        (one, told), (two, also) = (checkpoint.load(run / name) for run in (first, second))
        assert json.dumps(told, sort_keys=True) == json.dumps(also, sort_keys=True)
        assert one.keys() == two.keys()
        assert [k for k in one if not torch.equal(one[k], two[k])] == []
    assert (first / "metrics.csv").read_text() == (second / "metrics.csv").read_text()


def test_stages_of_one_file_run_end_to_end(whole: Path, stages: tuple[Recipe, ...]) -> None:
    assert [path.name for path in sorted(whole.iterdir())] == sorted(stage.name for stage in stages)
    for stage in stages:
        network, recipe, scores = load_network(whole / stage.name / "best.safetensors")
        assert recipe == stage
        assert [task.name for task in network.tasks] == list(stage.tasks)
        assert math.isfinite(scores["score"])
        assert [int(row["epoch"]) for row in rows(whole / stage.name)] == list(
            range(stage.optimisation.epochs)
        )
    told = {stage.name: (whole / stage.name / "start.txt").read_text() for stage in stages}
    assert told["frames"] == told["sound"] == "weights by chance\n"
    assert "frames/best.safetensors" in told["recurrent"]
    assert "named average.*" in told["recurrent"]
    assert told["fusion"].index("recurrent/best.safetensors") < told["fusion"].index("sound/best.safetensors")
    assert "what is unknown in the training part is what" in told["fusion"]
    assert "left as they were: heads.expression_8_contempt" in told["target"]


def test_a_stage_starts_from_the_best_of_the_stages_before(
    whole: Path, stages: tuple[Recipe, ...], data: list[Prepared], tmp_path: Path
) -> None:
    """With a rate of 0 the weights at the end are those it began with."""
    still = [
        replace(s, optimisation=replace(s.optimisation, rate=0.0, epochs=1)) if s.name == "fusion" else s
        for s in stages[:4]
    ]
    for name in ("frames", "recurrent", "sound"):
        (tmp_path / "run" / name).mkdir(parents=True)
        for file in (whole / name).glob("*.safetensors"):
            (tmp_path / "run" / name / file.name).write_bytes(file.read_bytes())
    train(still, data, tmp_path / "run", threads=1, quiet=True)
    assert not (tmp_path / "run" / "sound" / "metrics.csv").exists(), "a stage that is done is left alone"
    ended, _ = checkpoint.load(tmp_path / "run" / "fusion" / "last.safetensors")
    compared = 0
    for stream, name in (("picture", "recurrent"), ("sound", "sound")):
        begun, _ = checkpoint.load(whole / name / "best.safetensors")
        for key in (k for k in begun if k.startswith(f"average.{stream}.")):
            here = f"network.{key.removeprefix('average.')}"
            if here in ended and ended[here].shape == begun[key].shape and "running" not in key:
                fits = torch.equal(ended[here], begun[key])
                assert fits or "num_batches" in key, key
                compared += fits
    assert compared > 20


def test_stages_that_are_done_are_not_trained_again(
    whole: Path, stages: tuple[Recipe, ...], data: list[Prepared]
) -> None:
    before = {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in whole.rglob("*") if path.is_file()
    }
    train(stages, data, whole, threads=1, quiet=True)
    after = {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in whole.rglob("*") if path.is_file()
    }
    assert before == after


class StopError(Exception):
    """Instead of the power failing."""


def stopped_at(monkeypatch: pytest.MonkeyPatch, epoch: int, step: int) -> None:
    """Let training stop before one step."""
    real = training.epoch

    def stopping(*args: object) -> Iterator[np.ndarray]:
        for number, clips in enumerate(real(*args)):  # type: ignore[arg-type]
            if (args[3], number) == (epoch, step):
                raise StopError
            yield clips

    monkeypatch.setattr(training, "epoch", stopping)


@pytest.mark.parametrize("moment", [(0, 0), (0, 3), (1, 0), (1, 2), (2, 1)], ids=str)
def test_stopped_before_any_step_it_goes_on_bit_for_bit(
    whole: Path,
    stages: tuple[Recipe, ...],
    data: list[Prepared],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: tuple[int, int],
) -> None:
    """A network that sees, hears and remembers, with dropout, Adam, learned weights and a teacher."""
    run = tmp_path / "run"
    for name in ("frames", "recurrent", "sound"):
        (run / name).mkdir(parents=True)
        for file in (whole / name).glob("*.safetensors"):
            (run / name / file.name).write_bytes(file.read_bytes())
    with monkeypatch.context() as patched:
        stopped_at(patched, *moment)
        with pytest.raises(StopError):
            train(stages[:4], data, run, threads=1, quiet=True)
    assert (run / "fusion" / "last.safetensors").exists() == (moment[0] > 0)
    torch.manual_seed(99)  # whatever state chance is in
    np.random.seed(99)
    train(stages[:4], data, run, threads=1, quiet=True)
    tensors, _ = checkpoint.load(run / "fusion" / "last.safetensors")
    assert tensors["objective.learned.logs"].abs().max() > 0
    assert (run / "fusion" / "start.txt").read_text().replace(str(run), str(whole)) == (
        whole / "fusion" / "start.txt"
    ).read_text()
    assert_same_run(whole / "fusion", run / "fusion")


@pytest.mark.parametrize("file", ["metrics.csv", "best.safetensors", "last.safetensors"])
def test_stopped_between_the_files_of_an_epoch_it_goes_on_bit_for_bit(
    whole: Path,
    stages: tuple[Recipe, ...],
    data: list[Prepared],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
) -> None:
    """The files of the second epoch are written up to one, and no further; of the best, those of the first,

    since whether the second is better is for the numbers to say.
    """
    written: list[str] = []
    epochs = 1 if file == "best.safetensors" else 2

    def stopping(path: Path, *rest: object) -> None:
        written.append(path.name)
        if path.name == file and written.count("metrics.csv") == epochs:
            raise StopError
        real[path.suffix](path, *rest)

    real = {".csv": training.write_row, ".safetensors": checkpoint.save}
    with monkeypatch.context() as patched:
        patched.setattr(training, "write_row", stopping)
        patched.setattr(checkpoint, "save", stopping)
        with pytest.raises(StopError):
            train(stages[:1], data, tmp_path / "run", threads=1, quiet=True)
    train(stages[:1], data, tmp_path / "run", threads=1, quiet=True)
    assert_same_run(whole / "frames", tmp_path / "run")


@pytest.fixture
def short(stages: tuple[Recipe, ...]) -> Recipe:
    return replace(stages[0], sampling=replace(stages[0].sampling, batch=12))


def test_it_ends_when_the_score_no_longer_rises(
    short: Recipe, data: list[Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(short.optimisation, epochs=40, patience=2, rate=0.02)
    recipe = replace(short, optimisation=settings)
    train([recipe], data, tmp_path / "whole", threads=1, quiet=True)
    scores = [float(row["score"]) for row in rows(tmp_path / "whole")]
    best = int(np.argmax(scores))
    assert len(scores) == best + 3 < 40
    assert all(len(scores[:k]) - 1 - int(np.argmax(scores[:k])) < 2 for k in range(1, len(scores)))
    _, record = checkpoint.load(tmp_path / "whole" / "best.safetensors")
    assert (record["epoch"], record["scores"]["score"]) == (best, pytest.approx(scores[best], abs=1e-6))
    assert checkpoint.record(tmp_path / "whole" / "last.safetensors")["epoch"] == len(scores) - 1
    with monkeypatch.context() as patched:  # stopped while it waits, it waits no longer than it would have
        stopped_at(patched, len(scores) - 1, 0)
        with pytest.raises(StopError):
            train([recipe], data, tmp_path / "cut", threads=1, quiet=True)
    train([recipe], data, tmp_path / "cut", threads=1, quiet=True)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_columns_stay_where_a_task_has_no_labels_to_score(
    short: Recipe, data: list[Prepared], tmp_path: Path
) -> None:
    affect = data[0]
    labels = affect.index.labels
    known = dict(labels.known)
    held = affect.index.split.matches("validation")
    known[EXPRESSION_7] = known[EXPRESSION_7] & ~held[:, None]
    values = {task: np.where(known[task], labels.values[task], 0) for task in labels.values}
    fewer = replace(affect, index=replace(affect.index, labels=type(labels)(values, known)))
    train([short], [fewer], tmp_path / "run", threads=1, quiet=True)
    table = rows(tmp_path / "run")
    assert len(table) == 2
    assert list(table[0]) == [
        *("epoch", "loss", "loss_valence_arousal", "loss_valence_arousal_mse", "loss_expression_7"),
        *("loss_action_units_8", "valence_arousal", "expression_7", "expression_7_accuracy"),
        *("action_units_8", "score"),
    ]
    assert (
        {row["expression_7"] for row in table} == {row["expression_7_accuracy"] for row in table} == {"nan"}
    )
    assert all(math.isfinite(float(row["score"])) for row in table)


def test_without_any_score_the_last_epoch_is_the_best(
    short: Recipe, data: list[Prepared], tmp_path: Path
) -> None:
    affect = data[0]
    labels = affect.index.labels
    held = affect.index.split.matches("validation")
    known = {task: mask & ~held[:, None] for task, mask in labels.known.items()}
    values = {task: np.where(known[task], labels.values[task], 0) for task in labels.values}
    blind = replace(affect, index=replace(affect.index, labels=type(labels)(values, known)))
    recipe = replace(short, optimisation=replace(short.optimisation, epochs=4, patience=1))
    train([recipe], [blind], tmp_path / "run", threads=1, quiet=True)
    assert [row["score"] for row in rows(tmp_path / "run")] == ["nan"] * 4
    assert checkpoint.record(tmp_path / "run" / "best.safetensors")["epoch"] == 3


def test_tensorboard_has_what_the_table_has(
    short: Recipe, data: list[Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with monkeypatch.context() as patched:
        stopped_at(patched, 1, 0)
        with pytest.raises(StopError):
            train([short], data, tmp_path / "run", threads=1, quiet=True)
    train([short], data, tmp_path / "run", threads=1, quiet=True)
    board = EventAccumulator(str(tmp_path / "run" / "board")).Reload()
    table = rows(tmp_path / "run")
    assert set(board.Tags()["scalars"]) == set(table[0]) - {"epoch"}
    for name in ("loss", "score", "loss_valence_arousal"):
        events = board.Scalars(name)
        assert [event.step for event in events] == [0, 1]
        assert [event.value for event in events] == pytest.approx(
            [float(row[name]) for row in table], abs=1e-5
        )


def test_a_teacher_says_what_it_saw_of_the_training_part_alone(
    whole: Path, stages: tuple[Recipe, ...], data: list[Prepared]
) -> None:
    network, recipe, _ = load_network(whole / "recurrent" / "best.safetensors")
    longer = replace(recipe, sampling=replace(recipe.sampling, frames=6))
    labels = taught(network, longer, data[:1])[0]
    index = data[0].index
    frames = np.asarray(index.frame)
    seen = index.split.matches("train") & (frames < 12)  # 16 frames hold two clips of 6
    for task in (VALENCE_AROUSAL, EXPRESSION_7, ACTION_UNITS_8):
        assert labels.known[task].all(axis=1).tolist() == seen.tolist()
        low, high = task.range
        assert (labels.values[task] >= low).all()
        assert (labels.values[task] <= high).all()
    np.testing.assert_allclose(labels.values[EXPRESSION_7][seen].sum(axis=1), 1, atol=1e-5)


def test_several_teachers_say_their_mean_over_those_that_know() -> None:
    first = Labels.of({VALENCE_AROUSAL: np.array([[0.2, 0.4], [np.nan, np.nan]], np.float32)})
    units = np.full((2, len(ACTION_UNITS_8)), 0.5, np.float32)
    values = np.array([[0.6, 0.0], [0.1, -1.0]], np.float32)
    second = Labels.of({VALENCE_AROUSAL: values, ACTION_UNITS_8: units})
    both = together([first, second])
    np.testing.assert_allclose(both.values[VALENCE_AROUSAL], [[0.4, 0.2], [0.1, -1.0]])
    np.testing.assert_array_equal(both.values[ACTION_UNITS_8], units)
    assert both.known[VALENCE_AROUSAL].all()


def test_a_run_starts_from_and_is_taught_by_checkpoints_of_another(
    whole: Path, stages: tuple[Recipe, ...], data: list[Prepared], tmp_path: Path
) -> None:
    file = str(whole / "frames" / "best.safetensors")
    short = replace(stages[0].optimisation, epochs=1, rate=0.0)
    recipe = replace(stages[0], name="on", start=(file,), teacher=(file,), taught=1.0, optimisation=short)
    last = train([recipe], data, tmp_path / "run", threads=1, quiet=True)
    before, after = load_network(Path(file))[0].state_dict(), load_network(last)[0].state_dict()
    for name, _ in load_network(last)[0].named_parameters():
        assert torch.equal(before[name], after[name]), "a rate of 0 leaves the weights it started from"
    told = (tmp_path / "run" / "start.txt").read_text()
    assert f"and 100% of what is known is what {file} says" in told
    with pytest.raises(MienError, match=r"none\.safetensors"):
        train([replace(recipe, start=("none.safetensors",))], data, tmp_path / "other", quiet=True)


def test_a_run_starts_from_the_mean_of_several_weights(
    whole: Path, stages: tuple[Recipe, ...], data: list[Prepared], tmp_path: Path
) -> None:
    first = whole / "frames" / "best.safetensors"
    tensors, record = checkpoint.load(first)
    moved = {name: t + 0.5 if t.is_floating_point() else t for name, t in tensors.items()}
    extra = [name for name in moved if "heads.valence_arousal" in name]
    checkpoint.save(tmp_path / "moved.safetensors", moved, record)
    fewer = {name: t for name, t in tensors.items() if name not in extra}
    checkpoint.save(tmp_path / "fewer.safetensors", fewer, record)
    still = replace(stages[0].optimisation, epochs=1, rate=0.0)
    start = (str(tmp_path / "fewer.safetensors"), str(tmp_path / "moved.safetensors"))
    recipe = replace(stages[0], name="soup", start=start, mean=True, optimisation=still)
    last = train([recipe], data, tmp_path / "run", threads=1, quiet=True)
    after = dict(load_network(last)[0].named_parameters())
    for name, before in load_network(first)[0].named_parameters():
        both = 0.5 if "heads.valence_arousal" in name else 0.25
        torch.testing.assert_close(after[name], before + both)


def test_a_student_learns_a_task_that_only_its_teacher_knows(
    whole: Path, stages: tuple[Recipe, ...], data: list[Prepared], tmp_path: Path
) -> None:
    student = replace(
        stages[4],
        name="student",
        teacher=("frames",),
        start=(),
        tasks={"expression_8_contempt": 1.0, "action_units_8": 1.0, "valence_arousal": 1.0},
        optimisation=replace(stages[4].optimisation, epochs=12, rate=0.01, averaging=0.5),
    )
    place = tmp_path / "run" / "frames"
    place.mkdir(parents=True)
    for file in (whole / "frames").glob("*.safetensors"):
        (place / file.name).write_bytes(file.read_bytes())
    train([stages[0], student], data, tmp_path / "run", threads=1, quiet=True)
    table = rows(tmp_path / "run" / "student")
    assert float(table[-1]["loss_action_units_8"]) < float(table[0]["loss_action_units_8"])
    assert {row["action_units_8"] for row in table} == {"nan"}, "the validation part is never filled"
    alone = replace(student, teacher=())
    with pytest.raises(
        SettingsError, match="student: no prepared database has labels for action_units_8, valen"
    ):
        train([stages[0], alone], data, tmp_path / "other", threads=1, quiet=True)


def test_what_does_not_fit_is_refused_before_anything_is_written(
    short: Recipe, stages: tuple[Recipe, ...], data: list[Prepared], tmp_path: Path
) -> None:
    run = tmp_path / "run"

    def refused(said: str, *recipes: Recipe, given: list[Prepared] = data) -> None:
        with pytest.raises(SettingsError, match=said):
            train(recipes, given, run, quiet=True)
        assert not (run / recipes[-1].name / "last.safetensors").exists()
        assert not (run / "recipe.json").exists()

    refused("frames: wants affect; prepared are faces", short, given=data[1:])
    refused(
        "frames: 128 clips are too few for a batch of 500",
        replace(short, sampling=replace(short.sampling, batch=500)),
    )
    refused(
        "frames: .*no clip of 90 frames in the part 'train'",
        replace(short, sampling=replace(short.sampling, frames=90)),
    )
    refused("a batch of 2 has no room for 3 tasks", replace(short, sampling=replace(short.sampling, batch=2)))
    refused(
        "frames: no prepared database has labels for action_units_12",
        replace(short, databases=("faces",), tasks={"action_units_12": 1.0}),
    )
    refused("prepare it again", replace(short, preprocessing=Preprocessing(size=24)))
    refused("prepare it again", replace(short, preprocessing=GREY.widened(48)))
    refused("sound.start: no stage 'frames' comes before it", replace(stages[2], start=("frames",)))
    refused(
        "recurrent.teacher: no stage 'sound' comes before it",
        short,
        replace(stages[1], start=(), teacher=("sound",)),
    )
    refused("two are called 'frames'", short, short)
    train([short], data, run, quiet=True)
    with pytest.raises(SettingsError, match="another recipe"):
        train([replace(short, tasks=dict(reversed(short.tasks.items())))], data, run)
    longer = replace(short, optimisation=replace(short.optimisation, epochs=9))
    with pytest.raises(SettingsError, match="another recipe"):
        train([longer], data, run)


def test_two_runs_do_not_share_a_folder_and_rests_are_cleared_away(
    short: Recipe, data: list[Prepared], tmp_path: Path
) -> None:
    place = tmp_path / "run"
    place.mkdir()
    rest = place / ".last.safetensors.77.part"
    rest.write_bytes(b"half a")
    folder = os.open(place, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="another process is training here now"):
            train([short], data, place, quiet=True)
    finally:
        os.close(folder)
    assert rest.exists()
    train([short], data, place, quiet=True)
    assert not rest.exists()


def test_a_run_does_not_go_on_with_other_data(
    short: Recipe, data: list[Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        stopped_at(patched, 1, 0)
        with pytest.raises(StopError):
            train([short], data, tmp_path / "run", quiet=True)
    other = replace(data[0], manifest={**data[0].manifest, "sha256": {"index.parquet": "0"}})
    with pytest.raises(SettingsError, match="holds a run on other data"):
        train([short], [other], tmp_path / "run", quiet=True)
