"""Scores of the validation part, computed by hand from what a network says."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import GREY, drawn, one_of

from mien.hearing import Hearing
from mien.inputs import middle
from mien.learning.network import Network
from mien.learning.recipe import (
    BackboneSettings,
    NetworkSettings,
    Recipe,
    SamplingSettings,
    TemporalSettings,
)
from mien.learning.validation import evaluate, said, validation_material
from mien.preparation.prepared import Prepared
from mien.tasks import ACTION_UNITS_8, EXPRESSION_7, VALENCE_AROUSAL

BACKBONE = BackboneSettings(widths=(4,), depth=1, stem=4)
RECIPE = Recipe(
    name="scores",
    tasks={"valence_arousal": 1.0, "expression_7": 1.0, "action_units_8": 1.0},
    preprocessing=GREY,
    hearing=Hearing(bands=8, span=0.2),
    network=NetworkSettings(backbone=BACKBONE, sound_backbone=BACKBONE),
)
ROWS = 20


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    rng = np.random.default_rng(0)
    circumplex = rng.uniform(-1, 1, (ROWS + 10, 2)).astype(np.float32)
    circumplex[3] = np.nan
    words = one_of(EXPRESSION_7, [*rng.choice(["fear", "neutral", "", "anger"], ROWS + 10)])
    words[5] = np.full(7, 1 / 7)  # nothing clear
    units = np.full((ROWS + 10, 8), np.nan, np.float32)
    units[:, :3] = rng.random((ROWS + 10, 3)) < 0.4
    units[:, 2] = 0
    labels = {VALENCE_AROUSAL: circumplex, EXPRESSION_7: words, ACTION_UNITS_8: units}
    parts = [("validation", 13), ("validation", 7), ("train", 10)]
    return drawn(tmp_path_factory.mktemp("scores"), "made", labels, parts, sound=True)


def networked(recipe: Recipe) -> Network:
    torch.manual_seed(1)
    network = Network(recipe)
    for head in network.heads.values():
        torch.nn.init.normal_(head.weight, std=3.0)  # type: ignore[arg-type]
    return network.eval()


def test_scores_by_hand(data: Prepared) -> None:
    network = networked(RECIPE)
    material = validation_material([data], RECIPE)
    scores = evaluate(network, RECIPE, material)
    assert len(material) == ROWS
    crops = middle(data.crops[np.arange(ROWS)], 16)
    with torch.no_grad():
        raw, _ = network(torch.from_numpy(GREY.arrays(crops)))
    labels = data.index.labels[:ROWS]
    each = []
    for column in range(2):
        known = labels.known[VALENCE_AROUSAL][:, column]
        assert known.sum() == ROWS - 1
        x = labels.values[VALENCE_AROUSAL][known, column]
        y = torch.tanh(raw["valence_arousal"])[:, 0, column].numpy()[known]
        each.append(2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))
    assert scores["valence_arousal"] == pytest.approx(np.mean(each), rel=1e-4)
    clear = labels.known[EXPRESSION_7].all(axis=1) & (labels.values[EXPRESSION_7].max(axis=1) > 0.5)
    truth = labels.values[EXPRESSION_7][clear].argmax(axis=1)
    guess = raw["expression_7"][:, 0].argmax(dim=1).numpy()[clear]
    assert 0 < len(truth) < ROWS
    assert scores["expression_7_accuracy"] == pytest.approx((truth == guess).mean())
    f1 = []
    for k in range(7):
        hits, all_ = ((truth == k) & (guess == k)).sum(), (truth == k).sum() + (guess == k).sum()
        f1.append(2 * hits / all_ if all_ else 0.0)
    assert scores["expression_7"] == pytest.approx(np.mean(f1))
    units = []
    for k in range(3):
        there, told = labels.values[ACTION_UNITS_8][:, k] > 0.5, raw["action_units_8"][:, 0, k].numpy() > 0
        if there.sum() + told.sum():
            units.append(2 * (there & told).sum() / (there.sum() + told.sum()))
    assert scores["action_units_8"] == pytest.approx(np.mean(units))
    own = [scores["valence_arousal"], scores["expression_7"], scores["action_units_8"]]
    assert scores["score"] == pytest.approx(np.mean(own))


def test_a_task_without_labels_is_nan_under_the_same_names(data: Prepared) -> None:
    network = networked(RECIPE)
    whole = evaluate(network, RECIPE, validation_material([data], RECIPE))
    values = {VALENCE_AROUSAL: data.index.labels.values[VALENCE_AROUSAL]}
    known = {VALENCE_AROUSAL: data.index.labels.known[VALENCE_AROUSAL]}
    fewer = replace(data, index=replace(data.index, labels=type(data.index.labels)(values, known)))
    scores = evaluate(network, RECIPE, validation_material([fewer], RECIPE))
    assert list(scores) == list(whole)
    assert [name for name, score in scores.items() if math.isnan(score)] == [
        *("expression_7", "expression_7_accuracy", "action_units_8")
    ]
    assert scores["score"] == scores["valence_arousal"] == whole["valence_arousal"]


@pytest.mark.parametrize("streams", ["picture", "sound", "both"])
def test_recurrent_networks_see_whole_clips_from_their_start(data: Prepared, streams: str) -> None:
    remembering = TemporalSettings(kind="gru", units=5, layers=1)
    assembled = replace(RECIPE.network, streams=streams, temporal=remembering)
    recipe = replace(RECIPE, network=assembled, sampling=SamplingSettings(batch=2, frames=6))
    network = networked(recipe)
    material = validation_material([data], recipe)
    assert material.rows[:, 0].tolist() == [0, 6, 13], "13 frames hold two clips of 6, 7 frames one"
    told = said(network, recipe, material)
    for place, first in enumerate(material.rows[:, 0]):
        rows = np.arange(first, first + 6)
        faces = torch.from_numpy(GREY.arrays(middle(data.crops[rows], 16))).transpose(0, 1)
        times = data.index.seconds[rows]
        before, after = recipe.hearing.context
        start = times[0] - before
        samples, known = data.sounds.between(data.index.sound.at(int(first)), start, times[-1] + after)
        sound = torch.from_numpy(recipe.hearing.arrays(samples, known, times, start)[0])[None]
        with torch.no_grad():
            raw, _ = network(faces if streams != "sound" else None, sound if streams != "picture" else None)
        np.testing.assert_allclose(
            told[VALENCE_AROUSAL][place], torch.tanh(raw["valence_arousal"])[0], atol=1e-5
        )
    scores = evaluate(network, recipe, material)
    assert -1 <= scores["valence_arousal"] <= 1


def test_pictures_of_the_training_part_are_left_out(data: Prepared, tmp_path: Path) -> None:
    columns = dict(data.index.columns)
    columns["seen_in_training"] = np.zeros(ROWS + 10, np.int8)
    columns["seen_in_training"][[2, 8]] = 1
    marked = replace(data, index=data.index.with_columns(columns))
    assert len(validation_material([marked], RECIPE)) == ROWS - 2
    clips = validation_material([marked], replace(RECIPE, sampling=SamplingSettings(batch=2, frames=6)))
    assert clips.rows[:, 0].tolist() == [13]
