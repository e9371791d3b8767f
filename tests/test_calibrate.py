"""A bundle is calibrated on databases, by the command, and what it says then is shown in a table."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from assemblies import SIZE, bundled, made, small
from click.testing import CliRunner
from drawn import drawn

from mien.analysis import FrameResult, analyze
from mien.arrays import FloatArray
from mien.benchmark import evaluate
from mien.benchmark.calibrating import gathered, truth
from mien.bundle import Bundle, shipped, write_calibrated
from mien.calibration import Calibration, Classes, Units, Values
from mien.cli import main
from mien.databases import DATABASES
from mien.errors import BundleError, DatabaseError, OutputError
from mien.faces.detection import Faces as Found
from mien.inputs import Preprocessing, middle
from mien.interchange import openface
from mien.learning.recipe import Recipe
from mien.media.frames import Frame
from mien.media.video import Video
from mien.metrics import calibration_error, confidence_bins
from mien.preparation.prepared import Prepared
from mien.preparation.run import Options, prepare
from mien.records import Predictions
from mien.reports.tables import TableWriter, columns, write_csv
from mien.tasks import ACTION_UNITS_8, EXPRESSION_7, EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL, Task
from mien.testing.databases import make_fer2013

GREY = Preprocessing(size=SIZE)
TASKS = (EXPRESSION_7, VALENCE_AROUSAL, ACTION_UNITS_8)
KNOWN = Calibration(
    0.9,
    {
        EXPRESSION_7: Classes(0.5, 0.6, 100),
        VALENCE_AROUSAL: Values((2.0, 3.0), 0.1, EXPRESSION_7.name, (100, 100)),
        ACTION_UNITS_8: Units((1.0,) * 7 + (2.0,), (0.0,) * 8, (0.3,) * 8, (100,) * 8),
    },
    ({"database": "made", "part": "validation"},),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that predicts all three behaviours."""
    place = tmp_path_factory.mktemp("bundle") / "small"
    recipe: Recipe = small()
    bundled(made(recipe), recipe, place)
    return place


def labels(rows: int, seed: int) -> dict[Task, FloatArray]:
    chance = np.random.default_rng(seed)
    return {
        EXPRESSION_7: np.eye(7, dtype=np.float32)[chance.integers(7, size=rows)],
        VALENCE_AROUSAL: chance.uniform(-1, 1, (rows, 2)).astype(np.float32),
        ACTION_UNITS_8: chance.integers(2, size=(rows, 8)).astype(np.float32),
    }


def parts(*tasks: Task, rows: int, seed: int) -> dict[Task, FloatArray]:
    every = labels(rows, seed)
    return {task: every[task] for task in tasks}


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Two prepared databases: one has expressions, one valence, arousal and action units."""
    place = tmp_path_factory.mktemp("databases")
    videos = [("train", 8), *[("validation", 10)] * 6]
    drawn(place, "faces", parts(EXPRESSION_7, rows=68, seed=1), videos, GREY)
    drawn(place, "units", parts(VALENCE_AROUSAL, ACTION_UNITS_8, rows=68, seed=2), videos, GREY)
    return {"faces": place / "faces_prepared", "units": place / "units_prepared"}


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(main, ["calibrate", *map(str, arguments), "-q"])


# The command


def test_a_bundle_is_calibrated_on_two_databases(
    folder: Path, databases: Mapping[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "source")
    (tmp_path / "source" / "CARD.md").write_text("more")
    out = tmp_path / "out"
    done = run(tmp_path / "source", databases["faces"], databases["units"], "-o", out, "--coverage", "0.8")
    assert done.exit_code == 0, done.output
    for said in (
        "expression_7: 60 faces, temperature",
        "calibration error",
        "AU01 F1, from 0.",
        "valence_arousal: 60 faces, intervals as wide as expression_7 is spread",
        "valence intervals that hold the label",
        "calibrated on 120 faces",
    ):
        assert said in done.output
    bundle, before = Bundle.load(out), Bundle.load(folder)
    assert bundle.calibration is not None
    assert bundle.calibration.coverage == 0.8
    assert bundle.calibration.tasks.keys() == set(TASKS)
    card = bundle.card["calibration"]
    assert card["fitted_on"] == "table (validation), table (validation)"
    assert set(card["valence_arousal"]) >= {
        "valence intervals that hold the label",
        "arousal width of an interval",
    }
    assert (out / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()
    assert (out / "CARD.md").read_text() == "more"
    faces = GREY.arrays(np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE), dtype=np.uint8))
    expected = bundle.calibration.applied(before.predict(faces).values)
    for task, values in bundle.predict(faces).values.items():
        np.testing.assert_array_equal(values, expected[task])
    for task, values in bundle.uncalibrated().predict(faces).values.items():
        np.testing.assert_array_equal(values, before.predict(faces).values[task])
    assert bundle.showing(EXPRESSION_7.name).calibration is bundle.calibration


def test_calibrating_again_is_the_same_as_once(
    folder: Path, databases: Mapping[str, Path], tmp_path: Path
) -> None:
    assert run(folder, databases["units"], "-o", tmp_path / "once").exit_code == 0
    assert run(tmp_path / "once", databases["units"], "-o", tmp_path / "twice").exit_code == 0
    once, twice = ((tmp_path / name / "bundle.json").read_text() for name in ("once", "twice"))
    assert once == twice
    calibration = Bundle.load(tmp_path / "twice").calibration
    assert calibration is not None
    assert EXPRESSION_7 not in calibration.tasks, "no label of it was there"


def test_what_cannot_be_is_refused(folder: Path, databases: Mapping[str, Path], tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine").write_text("x")
    assert "exists already" in run(folder, databases["units"], "-o", tmp_path / "taken").output
    missing = run(folder, databases["units"], "-o", tmp_path / "out", "--split", "test")
    assert (missing.exit_code, "no row in the part 'test'" in missing.output) == (1, True)
    assert "the network wants" in run("shipped", databases["units"], "-o", tmp_path / "out").output
    assert run(folder, databases["units"], "-o", tmp_path / "out", "--coverage", "1").exit_code == 2
    assert not (tmp_path / "out").exists()
    with pytest.raises(OutputError, match="exists already"):
        write_calibrated(folder, tmp_path / "taken", KNOWN, {})


def test_a_database_without_labels_of_the_network_is_refused(
    databases: Mapping[str, Path], tmp_path: Path
) -> None:
    recipe = replace(small(), tasks={"expression_7": 1.0})
    bundle = bundled(made(recipe), recipe, tmp_path / "expressions")
    with pytest.raises(DatabaseError, match="none of its validation faces has labels of expression_7"):
        gathered(bundle, [Prepared.open(databases["units"])], "validation", quiet=True)


# Rows and their truth


def test_faces_of_one_recording_are_one_group(folder: Path, databases: Mapping[str, Path]) -> None:
    opened = [Prepared.open(path) for path in databases.values()]
    found = gathered(Bundle.load(folder), opened, "validation", quiet=True)
    np.testing.assert_array_equal(found.group, np.repeat(np.arange(12), 10))
    assert found.known[EXPRESSION_7].all(axis=1).tolist() == [True] * 60 + [False] * 60
    assert found.known[ACTION_UNITS_8].all(axis=1).tolist() == [False] * 60 + [True] * 60


def test_the_truth_of_votes_is_what_most_people_chose_and_known_pictures_are_left_out(tmp_path: Path) -> None:
    make_fer2013(tmp_path / "fer", train=20, validation=30, test=0)
    network = Bundle.load(shipped())
    prepare(
        "fer2013",
        tmp_path / "fer",
        tmp_path / "prepared",
        network.preprocessing,
        Options(given=True, quality=0, quiet=True),
    )
    data = Prepared.open(tmp_path / "prepared")
    found = gathered(network, [data], "validation", quiet=True)
    repeated = data.index.columns["seen_in_training"][data.index.split.matches("validation")].sum()
    assert repeated >= 1
    assert len(found) == 30 - repeated
    known = found.known[EXPRESSION_8_CONTEMPT]
    assert known.all(axis=1).sum() > 20
    assert (found.truth[EXPRESSION_8_CONTEMPT][known.all(axis=1)].max(axis=1) == 1).all(), (
        "one class, not shares"
    )
    assert (found.truth[EXPRESSION_8_CONTEMPT][~known.any(axis=1)] == 0).all()
    votes = data.index.labels.values[EXPRESSION_8_CONTEMPT]
    assert ((votes > 0) & (votes < 1)).any()
    unclear = data.index.with_columns({"votes_unknown": np.full(len(data.index), 30)})
    assert (unclear.labels.values[EXPRESSION_8_CONTEMPT] > 0.5).any()
    assert not truth(EXPRESSION_8_CONTEMPT, unclear)[1].any(), "most people could not tell"
    nothing, unknown = truth(VALENCE_AROUSAL, data.index)
    assert (nothing.any(), unknown.any()) == (False, False)


# The record in a bundle


def calibrated(folder: Path, place: Path, calibration: Calibration = KNOWN) -> Path:
    write_calibrated(folder, place, calibration, {"measured": "nowhere"})
    return place


def test_a_calibration_that_does_not_fit_is_refused_by_the_file(folder: Path, tmp_path: Path) -> None:
    place = calibrated(folder, tmp_path / "out")
    record = json.loads((place / "bundle.json").read_text())
    record["calibration"]["tasks"]["expression_7"]["mass"] = -1
    (place / "bundle.json").write_text(json.dumps(record))
    with pytest.raises(BundleError, match=r"bundle\.json: calibration: expression_7: mass is -1"):
        Bundle.load(place)


def test_a_bundle_without_calibration_is_as_it_was() -> None:
    bundle = Bundle.load(shipped()).uncalibrated()
    assert bundle.calibration is None
    fields = columns(bundle.tasks).names
    assert not [
        name for name in fields if name.endswith(("_low", "_high", "_set", "_uncertainty", "_present"))
    ]


# The table


def result(number: int, values: dict[Task, FloatArray]) -> FrameResult:
    count = len(next(iter(values.values())))
    found = Found(
        np.ones((count, 4), np.float32), np.zeros((count, 5, 2), np.float32), np.ones(count, np.float32)
    )
    frame = Frame(number, number / 25, np.zeros((8, 8, 3), np.uint8))
    return FrameResult(frame, np.arange(count), found, Predictions(values))


def some(count: int) -> dict[Task, FloatArray]:
    chance = np.random.default_rng(count)
    values = {
        EXPRESSION_7: chance.dirichlet(np.full(7, 0.5), count),
        VALENCE_AROUSAL: chance.uniform(-1, 1, (count, 2)),
        ACTION_UNITS_8: chance.random((count, 8)),
    }
    return {task: value.astype(np.float32) for task, value in values.items()}


def table(path: Path, values: dict[Task, FloatArray], tasks: tuple[Task, ...] = TASKS) -> Path:
    with TableWriter(path, tasks, calibration=KNOWN) as writer:
        writer.write("a.mp4", result(0, values))
        writer.write("a.mp4", result(1, {task: value[:0] for task, value in values.items()}))
    return path


def test_the_table_says_how_sure_each_prediction_is(tmp_path: Path) -> None:
    values = some(40)
    rows = pq.read_table(table(tmp_path / "t.parquet", values)).to_pylist()
    sets = KNOWN.sets(EXPRESSION_7, values)
    ends = KNOWN.intervals(VALENCE_AROUSAL, values)
    assert len({row["expression_set"] for row in rows}) > 5
    for row, shares, inside, end, presence in zip(
        rows[:40], values[EXPRESSION_7], sets, ends, values[ACTION_UNITS_8], strict=True
    ):
        named = row["expression_set"].split("|")
        assert named[0] == row["expression"]
        assert set(named) == {name for name, there in zip(EXPRESSION_7.labels, inside, strict=True) if there}
        assert sorted(named, key=lambda name: -shares[EXPRESSION_7.index(name)]) == named
        assert row["expression_uncertainty"] == pytest.approx(1 - shares.max(), abs=1e-6)
        for place, label in enumerate(VALENCE_AROUSAL.labels):
            assert [row[f"{label}_low"], row[f"{label}_high"]] == end[place].tolist()
        for label, p in zip(ACTION_UNITS_8.labels, presence, strict=True):
            assert row[f"{label}_present"] == int(p >= 0.3)
    absent = {name: value for name, value in rows[40].items() if value is not None}
    assert absent.keys() == {"video", "frame", "time_s"}


def test_columns_come_after_the_values_they_are_of_and_are_described() -> None:
    schema = columns(TASKS, KNOWN)
    order = schema.names
    assert order[order.index("expression_surprise") + 1 :][:2] == ["expression_set", "expression_uncertainty"]
    assert order[order.index("arousal") + 1 :][:4] == [
        "valence_low",
        "valence_high",
        "arousal_low",
        "arousal_high",
    ]
    assert order[order.index("AU25") + 1] == "AU01_present"
    said = [field.metadata[b"description"].decode() for field in schema]
    assert len(set(said)) == len(said)
    assert "90 %" in schema.field("expression_set").metadata[b"description"].decode()


def test_intervals_follow_expressions_that_are_not_written(tmp_path: Path) -> None:
    """The spread is that of one task, whichever label set is shown."""
    values = {EXPRESSION_8_CONTEMPT: np.full((3, 8), 1 / 8, np.float32), **some(3)}
    rows = pq.read_table(table(tmp_path / "t.parquet", values, tuple(values))).to_pylist()
    assert "expression_contempt" in rows[0]
    assert "expression_set" not in rows[0], "nothing is known of the set of eight"
    ends = KNOWN.intervals(VALENCE_AROUSAL, values)
    assert [rows[1]["valence_low"], rows[1]["valence_high"]] == ends[1, 0].tolist()


def test_csv_has_the_same_columns(tmp_path: Path) -> None:
    path = table(tmp_path / "t.parquet", some(3))
    write_csv(path, tmp_path / "t.csv")
    header, *lines = (tmp_path / "t.csv").read_text().splitlines()
    assert [name.strip('"') for name in header.split(",")] == pq.read_schema(path).names
    assert len(lines) == 4


def test_openface_gets_presence_by_the_tables_own_thresholds(tmp_path: Path) -> None:
    values = some(30)
    path = table(tmp_path / "t.parquet", values)
    for threshold, expected in ((None, 0.3), (0.8, 0.8), ({"AU02": 0.9}, 0.3)):
        (written,) = openface.write(path, tmp_path / "out", threshold)
        back = openface.read(written)
        assert not [
            name for name in back.column_names if name in ("expression_set", "expression_uncertainty")
        ]
        told = [row["AU01"] for row in back.to_pylist() if row["face"] is not None]
        assert told == (values[ACTION_UNITS_8][:, 0] >= np.float32(expected)).astype(float).tolist()


def test_an_analysis_hands_on_what_its_bundle_knows(folder: Path, tmp_path: Path, sample: Path) -> None:
    with Video(sample) as video:
        picture = next(iter(video)).image
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    bundle = Bundle.load(calibrated(folder, tmp_path / "out"))
    analysis = analyze(tmp_path / "a.png", bundle)
    assert len(analysis)
    assert analysis.calibration == KNOWN
    sets = KNOWN.sets(EXPRESSION_7, analysis.predictions.values)
    assert sets.any(axis=1).all()
    assert analyze(tmp_path / "a.png", bundle.uncalibrated()).calibration is None


# Evaluation


def test_an_evaluation_counts_sets_and_intervals_that_hold(
    folder: Path, databases: Mapping[str, Path], tmp_path: Path
) -> None:
    bundle = Bundle.load(calibrated(folder, tmp_path / "out"))
    for name, task in (("faces", EXPRESSION_7), ("units", VALENCE_AROUSAL)):
        data = Prepared.open(databases[name])
        (protocol,) = [p.name for p in DATABASES["table"].protocols if p.task == task]
        (result,) = evaluate([bundle], data, [protocol], split="validation")
        told = {(figure.metric, figure.label): figure for figure in result.figures if figure.of == "model"}
        rows = np.flatnonzero(data.index.split.matches("validation"))
        said = bundle.predict(GREY.arrays(middle(data.crops[rows], SIZE))).values
        true = data.index.labels.values[task][rows]
        if task == EXPRESSION_7:
            sets = KNOWN.sets(task, said)
            assert told["coverage of 90 % sets", ""].value == pytest.approx(sets[true > 0.5].mean())
            assert told["mean size of 90 % sets", ""].value == pytest.approx(sets.sum(axis=1).mean())
            best = said[task].argmax(axis=1)
            error = calibration_error(
                confidence_bins(said[task].max(axis=1), true[np.arange(len(best)), best])
            )
            assert told["expected calibration error", ""].value == pytest.approx(error, abs=1e-6)
        else:
            ends = KNOWN.intervals(task, said)
            inside = (ends[..., 0] <= true) & (true <= ends[..., 1])
            for place, label in enumerate(task.labels):
                assert told["coverage of 90 % intervals", label].value == pytest.approx(
                    inside[:, place].mean()
                )
                width = (ends[:, place, 1] - ends[:, place, 0]).mean()
                assert told["mean width of 90 % intervals", label].value == pytest.approx(width, rel=1e-5)
        (raw,) = evaluate([bundle.uncalibrated()], data, [protocol], split="validation")
        assert not [figure for figure in raw.figures if "90 %" in figure.metric]


def test_an_evaluation_on_the_faces_of_the_calibration_says_so(
    folder: Path, databases: Mapping[str, Path], tmp_path: Path
) -> None:
    here = replace(KNOWN, fitted_on=({"database": "table", "part": "validation"},))
    data = Prepared.open(databases["faces"])
    for calibration, expected in ((here, 1), (KNOWN, 0)):
        bundle = Bundle.load(calibrated(folder, tmp_path / f"out_{expected}", calibration))
        results = evaluate([bundle], data, split="validation")
        notes = [note for result in results for note in result.notes if "flattered" in note]
        assert len(notes) == expected * len(results)
