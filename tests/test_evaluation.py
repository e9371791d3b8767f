"""Protocols run on small prepared databases, every figure computed a second way, row by row."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import GREY, drawn, one_of

from mien.arrays import FloatArray, IntArray
from mien.benchmark import Figure, Result, evaluate, evaluation
from mien.benchmark.figures import Part, interval, mean_of_folds
from mien.bundle import Predictor
from mien.databases import DATABASES
from mien.databases.names import Names
from mien.errors import DatabaseError, InputError
from mien.inputs import middle
from mien.metrics import Moments
from mien.preparation.prepared import Prepared
from mien.records import Predictions
from mien.tasks import (
    ACTION_UNITS_8,
    ACTION_UNITS_12,
    ACTION_UNITS_DISFA,
    COMPOUND_7,
    EXPRESSION_7,
    EXPRESSION_8_CONTEMPT,
    EXPRESSION_8_OTHER,
    INTENSITIES_DISFA,
    VALENCE_AROUSAL,
    Task,
)

FRAMES = 12


class Table:
    """A predictor that knows each frame by its grey and says what a table says of that frame.

    Args:
        data: whose frames are looked up.
        tables: task -> (FRAMES, labels).
        trained_on: what its card says.
    """

    preprocessing = GREY
    calibration = None

    def __init__(self, data: Prepared, tables: dict[Task, FloatArray], trained_on: Any = None) -> None:
        self.tasks = tuple(tables)
        self.card: dict[str, Any] = {"name": "table", "sha256": "0" * 64}
        if trained_on is not None:
            self.card["trained_on"] = trained_on
        self._tables = tables
        crops = middle(data.crops[np.arange(FRAMES)], GREY.size)
        self._greys = self.preprocessing.arrays(crops).mean(axis=(1, 2, 3, 4))
        assert len(np.unique(self._greys)) == FRAMES

    def predict(self, faces: FloatArray) -> Predictions:
        frame = np.abs(faces.mean(axis=(1, 2, 3, 4))[:, None] - self._greys).argmin(axis=1)
        return Predictions({task: table[frame].astype(np.float32) for task, table in self._tables.items()})


def made(
    place: Path, name: str, labels: dict[Task, FloatArray], videos: Sequence[tuple[str, int]], **index: Any
) -> Prepared:
    data = drawn(place, name, labels, videos)
    return replace(data, index=replace(data.index, **index))


SUBJECTS = ("SN001", "SN013", "SN003", "SN002", "SN018", "SN029")


@pytest.fixture(scope="module")
def disfa(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Two subjects of each of DISFA's three parts, a video of 12 frames each, some cells unknown."""
    rng = np.random.default_rng(3)
    grades = rng.integers(0, 6, (6 * FRAMES, 12)).astype(np.float32)
    grades[rng.random(grades.shape) < 0.1] = np.nan
    labels = {
        INTENSITIES_DISFA: grades,
        ACTION_UNITS_DISFA: np.where(np.isnan(grades), np.nan, (grades >= 2).astype(np.float32)),
    }
    subject = Names.of(name for name in SUBJECTS for _ in range(FRAMES))
    return made(tmp_path_factory.mktemp("disfa"), "disfa", labels, [("", FRAMES)] * 6, subject=subject)


@pytest.fixture(scope="module")
def guesses() -> dict[Task, FloatArray]:
    rng = np.random.default_rng(5)
    return {
        ACTION_UNITS_DISFA: rng.random((FRAMES, 12)).astype(np.float32),
        INTENSITIES_DISFA: 5 * rng.random((FRAMES, 12)).astype(np.float32),
    }


def f1(truth: Sequence[bool], said: Sequence[bool]) -> float:
    hits = sum(t and s for t, s in zip(truth, said, strict=True))
    return 2 * hits / (sum(truth) + sum(said)) if sum(truth) + sum(said) else math.nan


def find(result: Result, metric: str, label: str = "", of: str = "model", thresholds: str = "") -> Figure:
    [found] = [
        figure
        for figure in result.figures
        if (figure.metric, figure.label, figure.of) == (metric, label, of)
        and thresholds in ("", figure.thresholds)
    ]
    return found


def folds_of(data: Prepared, protocol: str) -> list[IntArray]:
    [chosen] = [p for p in DATABASES[data.index.database].protocols if p.name == protocol]
    return [test for _, _, test in chosen.parts(data.index)]


def test_f1_is_the_mean_over_units_then_over_folds(disfa: Prepared, guesses: dict[Task, FloatArray]) -> None:
    name = "8 AUs, F1 (>= 2)"
    [result] = evaluate([Table(disfa, guesses)], disfa, [name])
    means = []
    values, known = (
        disfa.index.labels.values[ACTION_UNITS_DISFA],
        disfa.index.labels.known[ACTION_UNITS_DISFA],
    )
    units = DATABASES["disfa"].protocols[0].labels
    for rows in folds_of(disfa, name):
        each = []
        for unit in units:
            column = ACTION_UNITS_DISFA.index(unit)
            mine = [row for row in rows if known[row, column]]
            said = [bool(guesses[ACTION_UNITS_DISFA][disfa.index.frame[row], column] > 0.5) for row in mine]
            each.append(f1([bool(values[row, column] == 1) for row in mine], said))
        means.append(np.mean(each))
        fold = find(result, "binary F1", f"fold {len(means)}")
        assert fold.value == pytest.approx(means[-1])
    assert result.figure.metric == "binary F1"
    assert result.figure.value == pytest.approx(np.mean(means))
    assert result.figure.units == 6
    assert result.figure.low < result.figure.value < result.figure.high
    assert result.coverage["counted"] == result.coverage["rows"] == 6 * FRAMES
    assert result.settings["folds"] == 3
    assert result.settings["tested"] == sorted(
        s for f in DATABASES["disfa"].protocols[0].folds for s in f.test
    )
    always = find(result, "binary F1", of="constant").value
    assert always > result.figure.value - 0.5
    assert not [figure for figure in result.figures if figure.thresholds == "validation"]


def test_icc_is_the_means_too(disfa: Prepared, guesses: dict[Task, FloatArray]) -> None:
    name = "12 AUs, ICC(3,1)"
    [result] = evaluate([Table(disfa, guesses)], disfa, [name])
    values, known = disfa.index.labels.values[INTENSITIES_DISFA], disfa.index.labels.known[INTENSITIES_DISFA]
    means = []
    for rows in folds_of(disfa, name):
        each = []
        for column in range(12):
            mine = rows[known[rows, column]]
            pair = np.stack(
                [values[mine, column], guesses[INTENSITIES_DISFA][disfa.index.frame[mine], column]], axis=1
            ).astype(float)
            between = 2 * pair.mean(axis=1).var(ddof=1)
            residual = pair - pair.mean(axis=1, keepdims=True) - pair.mean(axis=0) + pair.mean()
            error = (residual**2).sum() / (len(pair) - 1)
            each.append((between - error) / (between + error))
        means.append(np.mean(each))
    assert result.figure.value == pytest.approx(np.mean(means), abs=1e-6)


def test_pieces_do_not_matter(
    disfa: Prepared, guesses: dict[Task, FloatArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = evaluate([Table(disfa, guesses)], disfa)
    monkeypatch.setattr(evaluation, "ROWS", 7)
    monkeypatch.setattr("mien.benchmark.predicting.AT_ONCE", 5)
    pieces = evaluate([Table(disfa, guesses)], disfa)
    assert [result.protocol for result in whole] == [p.name for p in DATABASES["disfa"].protocols]
    for one, other in zip(whole, pieces, strict=True):
        for ours, theirs in zip(one.figures, other.figures, strict=True):
            assert ours.value == pytest.approx(theirs.value, nan_ok=True)
        assert one.coverage == other.coverage


def test_a_fold_is_never_tested_by_who_has_seen_it(disfa: Prepared, guesses: dict[Task, FloatArray]) -> None:
    name = "8 AUs, F1 (>= 2)"

    def of_fold(number: int) -> Predictor:
        shifted = {task: np.roll(table, number, axis=0) for task, table in guesses.items()}
        trained = [{"database": "disfa", "fold": f"fold {number} of {name}"}]
        return Table(disfa, shifted, trained)

    [alone] = evaluate([of_fold(2)], disfa, [name])
    assert [network["tested_on"] for network in alone.networks] == [2]
    assert "folds tested: 2 of 3; the others were not measured" in alone.notes
    assert alone.coverage["rows"] == 2 * FRAMES
    [three] = evaluate([of_fold(3), of_fold(1), of_fold(2)], disfa, [name])
    assert [network["tested_on"] for network in three.networks] == [1, 2, 3]
    assert find(three, "binary F1", "fold 2").value == pytest.approx(alone.figure.value)
    [icc] = evaluate([of_fold(1)], disfa, ["12 AUs, ICC(3,1)"])
    assert [network["tested_on"] for network in icc.networks] == [1], "the same folds under another name"
    with pytest.raises(DatabaseError, match="could all be tested on fold 1; give one"):
        evaluate([of_fold(1), Table(disfa, guesses)], disfa, [name])
    with pytest.raises(DatabaseError, match="no rows to test that the network has not learned from"):
        evaluate([Table(disfa, guesses, [{"database": "disfa", "fold": "fold 9 of it"}])], disfa, [name])
    [whole] = evaluate([Table(disfa, guesses, [{"database": "disfa", "fold": ""}])], disfa, [name])
    assert any("learned from this database without its folds" in note for note in whole.notes)
    [other] = evaluate([Table(disfa, guesses, [{"database": "bp4d", "fold": "fold 1 of x"}])], disfa, [name])
    assert len(other.networks) == 3
    assert not any("learned from" in note for note in other.notes)


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Aff-Wild2's two parts with valence, arousal and action units, and frames without pictures."""
    rng = np.random.default_rng(8)
    videos = [("train", FRAMES)] * 2 + [("validation", FRAMES)] * 4
    words = [EXPRESSION_8_OTHER.labels[k] for k in rng.integers(0, 8, 6 * FRAMES)]
    labels = {
        VALENCE_AROUSAL: rng.uniform(-1, 1, (6 * FRAMES, 2)).astype(np.float32),
        ACTION_UNITS_12: rng.integers(0, 2, (6 * FRAMES, 12)).astype(np.float32),
        EXPRESSION_8_OTHER: one_of(EXPRESSION_8_OTHER, words),
    }
    data = made(tmp_path_factory.mktemp("wild"), "aff_wild2", labels, videos)
    picture = np.ones(len(data.index), np.int64)
    picture[[2 * FRAMES, 2 * FRAMES + 1, 3 * FRAMES + 5, 3 * FRAMES + 6]] = 0
    return replace(data, index=data.index.with_columns({"picture": picture}))


def test_frames_without_a_picture_follow_the_protocols_rule(wild: Prepared) -> None:
    rng = np.random.default_rng(2)
    table = rng.uniform(-1, 1, (FRAMES, 2)).astype(np.float32)
    [result] = evaluate([Table(wild, {VALENCE_AROUSAL: table})], wild, ["VA"])
    frames, video = wild.index.frame, wild.index.video.codes
    truth, said, last = [], [], {}
    for row in np.flatnonzero(wild.index.split.matches("validation")):
        if wild.index.columns["picture"][row]:
            last[video[row]] = table[frames[row]]
        if video[row] in last:
            truth.append(wild.index.labels.values[VALENCE_AROUSAL][row])
            said.append(last[video[row]])
    y, p = np.array(truth, float), np.array(said, float)
    cov = ((y - y.mean(axis=0)) * (p - p.mean(axis=0))).mean(axis=0)
    expected = 2 * cov / (y.var(axis=0) + p.var(axis=0) + (y.mean(axis=0) - p.mean(axis=0)) ** 2)
    assert find(result, "CCC", "valence").value == pytest.approx(expected[0], abs=1e-6)
    assert result.figure.value == pytest.approx(expected.mean(), abs=1e-6)
    assert (result.coverage["labelled"], result.coverage["picture"]) == (48, 44)
    assert (result.coverage["carried"], result.coverage["counted"]) == (2, 46)
    assert sum(map(sum, result.density["truth"])) == sum(map(sum, result.density["model"])) == 46
    constant = find(result, "CCC", of="constant")
    assert constant.value == pytest.approx(0, abs=1e-6)
    rms = find(result, "RMSE", of="constant").value
    train = wild.index.labels.values[VALENCE_AROUSAL][: 2 * FRAMES].mean(axis=0)
    assert rms == pytest.approx(np.sqrt(((y - train) ** 2).mean(axis=0)).mean(), abs=1e-6)


def test_an_epoch_may_have_been_chosen_by_the_tested_part(wild: Prepared) -> None:
    table = {VALENCE_AROUSAL: np.zeros((FRAMES, 2), np.float32)}
    for trained, expected in (([{"database": "aff_wild2", "fold": ""}], True), ([], False), (None, False)):
        [result] = evaluate([Table(wild, table, trained)], wild, ["VA"])
        assert any("its epoch may have been chosen" in note for note in result.notes) == expected


def test_recordings_of_which_nothing_counts_are_not_resampled(wild: Prepared) -> None:
    picture = wild.index.columns["picture"].copy()
    picture[5 * FRAMES :] = 0
    lost = replace(wild, index=wild.index.with_columns({"picture": picture}))
    table = np.random.default_rng(2).uniform(-1, 1, (FRAMES, 2)).astype(np.float32)
    units = [evaluate([Table(d, {VALENCE_AROUSAL: table})], d, ["VA"])[0].figure.units for d in (wild, lost)]
    assert units == [4, 3]


def test_of_several_label_sets_the_one_that_shares_most_is_read(wild: Prepared) -> None:
    rng = np.random.default_rng(3)
    compound, eight = (rng.dirichlet(np.ones(n), FRAMES).astype(np.float32) for n in (7, 8))
    names = ["EXPR"]
    [alone] = evaluate([Table(wild, {EXPRESSION_8_CONTEMPT: eight})], wild, names)
    [both] = evaluate([Table(wild, {COMPOUND_7: compound, EXPRESSION_8_CONTEMPT: eight})], wild, names)
    assert both.figure.value == alone.figure.value
    with pytest.raises(DatabaseError, match="EXPR: wants expression_8_other"):
        evaluate([Table(wild, {COMPOUND_7: compound})], wild, names)
    with pytest.raises(DatabaseError, match="no protocol has rows and labels"):
        evaluate([Table(wild, {COMPOUND_7: compound})], wild)


def test_a_probability_of_just_a_half_is_presence(wild: Prepared) -> None:
    [result] = evaluate(
        [Table(wild, {ACTION_UNITS_12: np.full((FRAMES, 12), 0.5, np.float32)})], wild, ["AU"]
    )
    assert result.figure.value == find(result, "binary F1", of="constant").value > 0


def test_thresholds_come_from_the_validation_part(tmp_path: Path) -> None:
    """On a table of one's own with three parts; the best threshold is found by trying all."""
    rng = np.random.default_rng(4)
    units = rng.integers(0, 2, (6 * FRAMES, 8)).astype(np.float32)
    units[:, 7] = 0
    labels = {ACTION_UNITS_8: units}
    videos = [(part, FRAMES) for part in ("train", "validation", "test") for _ in range(2)]
    data = made(tmp_path, "table", labels, videos)
    table = (rng.integers(0, 100, (FRAMES, 8)) / 100 + 0.0035).astype(np.float32)
    results = evaluate([Table(data, {ACTION_UNITS_8: table})], data)
    [result] = [result for result in results if result.settings["task"] == "action_units_8"]
    frame = data.index.frame
    chosen = []
    for unit in range(8):
        rows = [int(row) for row in np.flatnonzero(data.index.split.matches("validation"))]
        tests = [int(row) for row in np.flatnonzero(data.index.split.matches("test"))]
        truth = [bool(units[row, unit]) for row in rows]

        def at(step: int, which: list[int], unit: int = unit) -> list[bool]:
            return [bool(table[frame[row], unit] >= step / 1000) for row in which]

        scores = [(f1(truth, at(step, rows)), -abs(step - 500)) for step in range(1000)]
        best = max(scores)[0] if any(truth) else math.nan
        step = scores.index(max(scores)) if any(truth) else 500
        threshold = result.settings["thresholds_of_validation"][0][unit]
        assert threshold == pytest.approx(step / 1000), unit
        tested = f1([bool(units[row, unit]) for row in tests], at(step, tests))
        figure = find(result, "binary F1", ACTION_UNITS_8.labels[unit], thresholds="validation")
        assert figure.value == pytest.approx(tested, nan_ok=True)
        chosen.append(best)
    assert find(result, "binary F1", thresholds="validation").value > 0
    assert find(result, "AUC", "AU01").count == 2 * FRAMES


def test_clips_are_judged_by_the_mean_of_their_frames(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    clips = 10
    words = [EXPRESSION_7.labels[k] for k in rng.integers(0, 3, clips) for _ in range(FRAMES)]
    actors = Names.of(f"actor {k % 5}" for k in range(clips) for _ in range(FRAMES))
    data = made(
        tmp_path,
        *("ravdess", {EXPRESSION_7: one_of(EXPRESSION_7, words)}, [("", FRAMES)] * clips),
        subject=actors,
        unit="clip",
    )
    table = rng.dirichlet(np.ones(7), FRAMES).astype(np.float32)
    [result] = evaluate([Table(data, {EXPRESSION_7: table})], data, ["five subject folds"])
    guess = table.mean(axis=0).argmax()
    right = []
    for rows in folds_of(data, "five subject folds"):
        own = sorted({(data.index.video.at(int(row)), words[row]) for row in rows})
        right.append(np.mean([EXPRESSION_7.index(word) == guess for _, word in own]))
    assert result.figure.value == pytest.approx(np.mean(right))
    assert sum(map(sum, result.confusion["counts"])) == result.figure.count == clips


def test_of_each_recording_and_then_the_mean(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    labels = {VALENCE_AROUSAL: rng.uniform(-1, 1, (4 * FRAMES, 2)).astype(np.float32)}
    data = made(tmp_path, "omg_emotion", labels, [("train", FRAMES), *[("test", FRAMES)] * 3])
    table = rng.uniform(-1, 1, (FRAMES, 2)).astype(np.float32)
    [result] = evaluate([Table(data, {VALENCE_AROUSAL: table})], data, ["CCC per video"])
    each = []
    for start in (12, 24, 36):
        y, p = labels[VALENCE_AROUSAL][start : start + 12].astype(float), table.astype(float)
        cov = ((y - y.mean(axis=0)) * (p - p.mean(axis=0))).mean(axis=0)
        each.append(2 * cov / (y.var(axis=0) + p.var(axis=0) + (y.mean(axis=0) - p.mean(axis=0)) ** 2))
    assert result.figure.value == pytest.approx(np.mean(each), abs=1e-6)
    assert find(result, "CCC", "valence").value == pytest.approx(np.mean(each, axis=0)[0], abs=1e-6)


def test_baselines_are_those_of_the_training_part(tmp_path: Path) -> None:
    words = ["fear"] * 9 + ["neutral"] * 3 + ["neutral"] * 8 + ["fear"] * 4
    data = made(
        tmp_path, "raf_db", {EXPRESSION_7: one_of(EXPRESSION_7, words)}, [("train", 12), ("test", 12)]
    )
    table = np.eye(7, dtype=np.float32)[[0] * FRAMES]
    result = evaluate([Table(data, {EXPRESSION_7: table})], data)[0]
    assert find(result, "accuracy", of="constant").value == pytest.approx(4 / 12)
    assert result.settings["baselines_from"] == ["the training part"]
    alone = replace(data, index=data.index[np.arange(12, 24)])
    alone = replace(alone, crops=data.crops)
    result = evaluate([Table(data, {EXPRESSION_7: table})], alone)[0]
    assert result.settings["baselines_from"] == ["the tested part, for no other has labels"]
    assert find(result, "accuracy", of="constant").value == pytest.approx(8 / 12)


def test_labels_that_a_network_has_not_are_left_out_and_named(wild: Prepared) -> None:
    rng = np.random.default_rng(1)
    table = rng.random((FRAMES, 8)).astype(np.float32)
    [result] = evaluate([Table(wild, {ACTION_UNITS_8: table})], wild, ["AU"])
    missing = sorted(set(ACTION_UNITS_12.labels) - set(ACTION_UNITS_8.labels))
    assert f"not predicted and left out: {', '.join(missing)}" in result.notes
    assert all(math.isnan(find(result, "binary F1", unit).value) for unit in missing)
    each = [find(result, "binary F1", unit).value for unit in ACTION_UNITS_12.labels if unit not in missing]
    assert result.figure.value == pytest.approx(np.mean(each))


def test_what_cannot_be_run_says_why(disfa: Prepared, wild: Prepared) -> None:
    faces = Table(disfa, {EXPRESSION_7: np.ones((FRAMES, 7), np.float32)})
    with pytest.raises(
        DatabaseError, match="disfa: no protocol has rows and labels that the network predicts"
    ):
        evaluate([faces], disfa)
    with pytest.raises(
        DatabaseError, match=r"wants action_units_disfa, and the network predicts expression_7"
    ):
        evaluate([faces], disfa, ["8 AUs, F1 (>= 2)"])
    with pytest.raises(DatabaseError, match=r"no protocol 'F1'; it has '8 AUs, F1 \(>= 2\)'"):
        evaluate([faces], disfa, ["F1"])
    faces.preprocessing = replace(GREY, size=20)
    with pytest.raises(DatabaseError, match="the network wants"):
        evaluate([faces], disfa)


def test_a_record_says_the_same_after_reading(
    disfa: Prepared, guesses: dict[Task, FloatArray], tmp_path: Path
) -> None:
    [result] = evaluate([Table(disfa, guesses)], disfa, ["8 AUs, F1 (>= 2)"])
    result.figures.append(Figure("model", "AUC", "nothing", math.nan))
    result.save(tmp_path / "result.json")
    again = Result.load(tmp_path / "result.json")
    assert [str(figure) for figure in again.figures] == [str(figure) for figure in result.figures]
    assert again.text(verbose=True) == result.text(verbose=True)
    assert math.isnan(again.figures[-1].value)
    assert (again.settings, again.data, again.units) == (result.settings, result.data, result.units)
    (tmp_path / "other.json").write_text('{"format": 9}')
    with pytest.raises(InputError, match=r"other\.json: not a result of mien evaluate \(format 9"):
        Result.load(tmp_path / "other.json")


def test_groups_are_scored_apart_with_their_gap_and_a_caution(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    words = [EXPRESSION_7.labels[k] for k in rng.integers(0, 3, 8 * FRAMES)]
    videos = [("train", FRAMES)] * 2 + [("test", FRAMES)] * 6
    gender = Names.of(("female", "male", "")[k % 3] for k in range(8) for _ in range(FRAMES))
    alone = Names.of(f"age {k == 7}" for k in range(8) for _ in range(FRAMES))
    data = made(tmp_path, "raf_db", {EXPRESSION_7: one_of(EXPRESSION_7, words)}, videos)
    data = replace(data, index=replace(data.index, groups={"gender": gender, "age": alone}))
    table = rng.dirichlet(np.ones(7), FRAMES).astype(np.float32)
    result = evaluate([Table(data, {EXPRESSION_7: table})], data)[0]
    values = {}
    for name in ("female", "male", ""):
        rows = [r for r in range(2 * FRAMES, 8 * FRAMES) if gender.at(r) == name]
        hits = [EXPRESSION_7.index(words[r]) == table[data.index.frame[r]].argmax() for r in rows]
        figure = find(result, "accuracy", f"gender: {name or 'not stated'}")
        assert (figure.value, figure.count, figure.units) == (pytest.approx(np.mean(hits)), 24, 2)
        values[name] = np.mean(hits)
    gap = find(result, "gap of accuracy", "gender").value
    assert gap == pytest.approx(abs(values["female"] - values["male"]))
    assert math.isnan(find(result, "gap of accuracy", "age").value), "one group has a single recording"
    assert math.isnan(find(result, "accuracy", "age: age True").low)
    assert any("within a group others may be hidden" in note for note in result.notes)
    [plain, *_] = evaluate(
        [Table(data, {EXPRESSION_7: table})], replace(data, index=replace(data.index, groups={}))
    )
    assert not any("within a group" in note for note in plain.notes)


# Intervals


def part(recordings: int, rows: int, seed: int, clusters: IntArray | None = None) -> Part:
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, 0.5, recordings).repeat(rows)
    truth = rng.normal(size=recordings * rows) + shift
    said = 0.7 * truth + rng.normal(0, 0.5, recordings * rows)
    statistics = Moments.of(truth, said, groups=np.arange(recordings).repeat(rows))
    return Part(statistics, np.arange(recordings) if clusters is None else clusters)


def test_intervals_resample_subjects_and_hold_the_truth_about_as_often_as_they_say() -> None:
    truth = 0.7 * 1.25 * 2 / (1.25 + 0.49 * 1.25 + 0.25)
    held = 0
    for seed in range(60):
        low, high = interval("CCC", "rows", [part(40, 30, seed)])
        assert low < mean_of_folds("CCC", "rows", [part(40, 30, seed)]) < high
        held += low < truth < high
    assert 50 <= held <= 60
    assert interval("CCC", "rows", [part(40, 30, 1)]) == interval("CCC", "rows", [part(40, 30, 1)])
    narrow = np.diff(interval("CCC", "rows", [part(160, 30, 1)]))
    wide = np.diff(interval("CCC", "rows", [part(10, 30, 1)]))
    assert 2.5 * narrow < wide
    assert np.isnan(interval("CCC", "rows", [part(1, 300, 1)])).all()
    assert np.isnan(interval("CCC", "rows", [part(4, 30, 1), part(1, 30, 1)])).all()


def test_an_interval_is_that_of_a_bootstrap_written_out() -> None:
    clusters = np.array([0, 0, 1, 2, 2, 3, 4, 4])
    one = part(8, 20, 3, clusters)
    rng = np.random.default_rng(77)
    samples = []
    for _ in range(4000):
        chosen = rng.integers(5, size=5)
        recordings = np.concatenate([np.flatnonzero(clusters == c) for c in chosen])
        samples.append(Moments(one.statistics.values[recordings]).sum().ccc().item())  # type: ignore[union-attr]
    expected = np.percentile(samples, [2.5, 97.5])
    np.testing.assert_allclose(interval("CCC", "rows", [one]), expected, atol=0.02)
