"""Who may be tested on what, and what is said of labels, folds and faces that are missing or mixed."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import GREY, drawn, one_of
from test_evaluation import FRAMES, Table, find, made

from mien.benchmark import evaluate
from mien.benchmark.folder import section
from mien.benchmark.reporting import _clusters
from mien.benchmark.tally import Baselines, Tally
from mien.bundle import Bundle
from mien.databases import DATABASES
from mien.databases.names import Names
from mien.errors import DatabaseError
from mien.learning.export import export
from mien.learning.recipe import (
    BackboneSettings,
    NetworkSettings,
    OptimisationSettings,
    Recipe,
    SamplingSettings,
)
from mien.learning.training import train
from mien.tasks import ACTION_UNITS_DISFA, EXPRESSION_7, VALENCE_AROUSAL


def test_a_bundle_remembers_what_earlier_stages_and_teachers_learned_from(tmp_path: Path) -> None:
    faces = drawn(
        tmp_path, "faces", {EXPRESSION_7: one_of(EXPRESSION_7, ["fear", "anger"] * 8)}, [("train", 16)]
    )
    words = drawn(
        tmp_path, "words", {EXPRESSION_7: one_of(EXPRESSION_7, ["fear", "anger"] * 8)}, [("train", 16)]
    )
    words = replace(words, index=replace(words.index, database="table", title="words"))
    first = Recipe(
        name="first",
        tasks={"expression_7": 1.0},
        preprocessing=GREY,
        network=NetworkSettings(backbone=BackboneSettings(widths=(2,), depth=1, stem=2)),
        sampling=SamplingSettings(batch=4),
        optimisation=OptimisationSettings(epochs=1, warmup=0, rate=0.01),
        databases=("faces",),
    )
    stages = [
        first,
        replace(first, name="second", databases=("words",), start=("first",)),
        replace(first, name="third", databases=("words",), teacher=("second",)),
    ]
    train(stages, [replace(faces, fold="fold 1 of it"), words], tmp_path / "run", quiet=True)
    for name in ("second", "third"):
        export([tmp_path / "run" / name / "best.safetensors"], tmp_path / name, {})
        assert Bundle.load(tmp_path / name).card["trained_on"] == [
            {"database": "faces", "fold": "fold 1 of it"},
            {"database": "words", "fold": ""},
        ]


def traces(place: Path, trained: Any = None) -> tuple[Any, Any]:
    """Return RECOLA with ten subjects over its official parts, and a predictor."""
    rng = np.random.default_rng(0)
    labels = {VALENCE_AROUSAL: rng.uniform(-1, 1, (10 * FRAMES, 2)).astype(np.float32)}
    parts = [("train", FRAMES)] * 4 + [("validation", FRAMES)] * 3 + [("test", FRAMES)] * 3
    subject = Names.of(f"P{k:02d}" for k in range(10) for _ in range(FRAMES))
    data = made(place, "recola", labels, parts, subject=subject)
    table = rng.uniform(-1, 1, (FRAMES, 2)).astype(np.float32)
    return data, Table(data, {VALENCE_AROUSAL: table}, trained)


def test_who_learned_from_a_fold_is_not_tested_on_official_parts(tmp_path: Path) -> None:
    [folds] = [p for p in DATABASES["recola"].protocols if p.by == "subject"]
    data, predictor = traces(tmp_path, [{"database": "recola", "fold": f"fold 1 of {folds.name}"}])
    results = evaluate([predictor], data)
    assert [result.protocol for result in results] == [folds.name]
    assert [network["tested_on"] for network in results[0].networks] == [1]
    split = next(p for p in DATABASES["recola"].protocols if p.by == "split")
    with pytest.raises(DatabaseError, match="no rows to test that the network has not learned from"):
        evaluate([predictor], data, [split.name])
    predictor.card["trained_on"] = [
        {"database": "recola", "fold": f"fold {k} of {folds.name}"} for k in (1, 2)
    ]
    with pytest.raises(DatabaseError, match="no rows to test"):
        evaluate([predictor], data, [folds.name])


def test_a_fold_without_labels_is_not_measured_and_the_others_are(tmp_path: Path) -> None:
    units = np.random.default_rng(1).integers(0, 2, (3 * FRAMES, 12)).astype(np.float32)
    units[:FRAMES] = np.nan
    subject = Names.of(name for name in ("SN001", "SN013", "SN003") for _ in range(FRAMES))
    data = made(tmp_path, "disfa", {ACTION_UNITS_DISFA: units}, [("", FRAMES)] * 3, subject=subject)
    table = np.random.default_rng(2).random((FRAMES, 12)).astype(np.float32)
    [result] = evaluate([Table(data, {ACTION_UNITS_DISFA: table})], data)
    assert math.isfinite(result.figure.value)
    assert any("of 3; the others were not measured" in note for note in result.notes)


def test_two_faces_of_one_clip_are_judged_apart(tmp_path: Path) -> None:
    values = np.repeat([[0.9, 0.9], [-0.9, -0.9]] * 2, FRAMES // 2, axis=0).astype(np.float32)
    data = made(tmp_path, "table", {VALENCE_AROUSAL: values}, [("test", FRAMES)] * 2, unit="clip")
    face = Names.of(side for _ in range(2) for side in ("left", "right") for _ in range(FRAMES // 2))
    data = replace(data, index=replace(data.index, face=face))
    [result] = evaluate([Table(data, {VALENCE_AROUSAL: np.full((FRAMES, 2), 0.1)})], data)
    assert find(result, "MAE").value == pytest.approx((0.8 + 1.0) / 2)
    assert result.figure.count == 4


def test_the_prior_is_as_frequent_as_known_labels_and_the_same_in_any_piece(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    units = (rng.random((200, 12)) < 0.4).astype(np.float32)
    units[:100][rng.random((100, 12)) < 0.8] = np.nan
    data = made(tmp_path, "disfa", {ACTION_UNITS_DISFA: units}, [("train", 100), ("test", 100)])
    protocol = DATABASES["disfa"].protocols[0]
    baselines = Baselines.of(protocol, data.index, np.arange(100), np.arange(100, 200))
    rows = np.arange(5000)
    said = baselines.says("prior", rows, binary=True)
    assert set(np.unique(said)) == {0.0, 1.0}
    known = np.nanmean(units[:100, [ACTION_UNITS_DISFA.index(unit) for unit in protocol.labels]], axis=0)
    np.testing.assert_allclose(said.mean(axis=0), known, atol=0.12)
    assert said.mean() == pytest.approx(known.mean(), abs=0.05)
    for start in (0, 17, 3000):
        np.testing.assert_array_equal(
            said[start : start + 9], baselines.says("prior", rows[start : start + 9], True)
        )


def test_a_recording_without_a_subject_is_alone_and_the_others_stay_together(tmp_path: Path) -> None:
    labels = {ACTION_UNITS_DISFA: np.zeros((8, 12), np.float32)}
    data = made(tmp_path, "disfa", labels, [("test", 2)] * 4, subject=Names.of("aaaabbbb"))
    tally = Tally(DATABASES["disfa"].protocols[0], data.index, np.arange(8))
    assert _clusters(data, tally).tolist() == [0, 0, 1, 1]
    subject = Names.of(["a", "a", "a", "a", "", "", "", ""])
    nameless = replace(data, index=replace(data.index, subject=subject))
    assert _clusters(nameless, tally).tolist() == [0, 0, 1, 2]


def test_a_recording_of_several_groups_counts_to_none(tmp_path: Path) -> None:
    words = ["fear"] * FRAMES + ["anger"] * FRAMES + ["fear"] * FRAMES
    data = made(tmp_path, "raf_db", {EXPRESSION_7: one_of(EXPRESSION_7, words)}, [("test", FRAMES)] * 3)
    gender = Names.of(["f"] * FRAMES + ["m"] * (FRAMES + FRAMES // 2) + ["f"] * (FRAMES // 2))
    kind = Names.of(["posed"] * 3 * FRAMES)
    data = replace(data, index=replace(data.index, groups={"gender": gender, "channel": kind}))
    result = evaluate([Table(data, {EXPRESSION_7: np.eye(7)[[3] * FRAMES]})], data)[0]
    assert find(result, "accuracy", "gender: f").count == FRAMES
    assert find(result, "accuracy", "gender: m").count == FRAMES
    assert "1 recordings show several groups" in find(result, "gap of accuracy", "gender").note
    assert not [figure for figure in result.figures if "channel" in figure.label]


def test_the_other_aggregation_stands_beside_the_protocols(tmp_path: Path) -> None:
    data, predictor = traces(tmp_path)
    split = next(p for p in DATABASES["recola"].protocols if p.by == "split")
    [result] = evaluate([predictor], data, [split.name])
    other = find(result, "CCC", "mean of recordings")
    assert other.note.startswith("not the protocol's figure; defined for 3 of 3 recordings")
    assert other.value != result.figure.value
    shown = section(result, "name", {})
    assert shown.otherwise == [other]
    assert shown.groups == []
