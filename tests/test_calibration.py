"""What is fitted is what was put in; sets and intervals hold as often as they say; records are checked."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.arrays import FloatArray
from mien.benchmark.calibrating import checked
from mien.benchmark.fitting import ENOUGH, Faces, classes, fitted, platt, quantile, temperature, units
from mien.calibration import FLOOR, Calibration, Classes, Units, Values, preceding, tempered, uncertainty
from mien.derived.circumplex import on_circumplex
from mien.errors import BundleError
from mien.metrics import binary_f1, calibration_error, confidence_bins
from mien.tasks import (
    ACTION_UNITS_8,
    EXPRESSION_7,
    EXPRESSION_8_OTHER,
    INTENSITIES_BP4D,
    VALENCE_AROUSAL,
    Task,
)

CLASSES = len(EXPRESSION_7)
UNITS = len(ACTION_UNITS_8)
TASKS = (EXPRESSION_7, ACTION_UNITS_8, VALENCE_AROUSAL)


def softmax(logits: FloatArray) -> FloatArray:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def sigmoid(logits: FloatArray) -> FloatArray:
    return np.asarray(1 / (1 + np.exp(-logits)))


def drawn(probabilities: FloatArray, chance: np.random.Generator) -> FloatArray:
    """Return one class of each row, drawn as the probabilities say, as ones and zeros."""
    passed = probabilities.cumsum(axis=1) < chance.random((len(probabilities), 1))
    return np.eye(probabilities.shape[1])[passed.sum(axis=1).clip(max=probabilities.shape[1] - 1)]


def faces(rows: int, seed: int, hot: float = 2.0) -> Faces:
    """Return what a network says that is `hot` times too sure, with labels drawn from what is true."""
    chance = np.random.default_rng(seed)
    logits = chance.normal(size=(rows, CLASSES)) * 1.5
    true = softmax(logits)
    presence = chance.normal(size=(rows, UNITS)) * 2
    place = on_circumplex(EXPRESSION_7, true.astype(np.float32))
    noise = chance.normal(size=(rows, 2)) * 0.3 * uncertainty(true)[:, None]
    said = {
        EXPRESSION_7: softmax(logits * hot),
        ACTION_UNITS_8: sigmoid(presence * 2 + 1),
        VALENCE_AROUSAL: place,
    }
    truth = {
        EXPRESSION_7: drawn(true, chance),
        ACTION_UNITS_8: (chance.random((rows, UNITS)) < sigmoid(presence)).astype(float),
        VALENCE_AROUSAL: np.clip(place + noise, -1, 1),
    }
    known = {task: np.ones(values.shape, bool) for task, values in truth.items()}
    single = {task: values.astype(np.float32) for task, values in said.items()}
    return Faces(single, {t: v.astype(np.float32) for t, v in truth.items()}, known, np.arange(rows))


# Probabilities


def test_a_temperature_that_was_put_in_is_found() -> None:
    for hot in (0.5, 1.0, 3.0):
        given = faces(40_000, 1, hot)
        found = temperature(given.said[EXPRESSION_7], given.truth[EXPRESSION_7])
        assert found == pytest.approx(hot, rel=0.03)


def test_a_temperature_is_the_best_of_many() -> None:
    given = faces(300, 2)
    said, right = given.said[EXPRESSION_7], given.truth[EXPRESSION_7]

    def loss(t: float) -> float:
        return float(-np.log(tempered(said, t)[right > 0]).mean())

    found = temperature(said, right)
    assert loss(found) <= min(map(loss, np.geomspace(0.06, 19, 2000))) + 1e-9


def test_tempered_probabilities_are_the_softmax_of_divided_logits() -> None:
    logits = np.random.default_rng(3).normal(size=(50, 5)) * 4
    np.testing.assert_allclose(tempered(softmax(logits), 0.7), softmax(logits / 0.7), atol=1e-9)


@pytest.mark.parametrize("right", [True, False])
def test_temperatures_stay_finite_where_a_network_is_always_or_never_right(right: bool) -> None:
    said = softmax(np.random.default_rng(4).normal(size=(20, 3)))
    best = np.eye(3)[said.argmax(axis=1) if right else said.argmin(axis=1)]
    assert temperature(said, best) == pytest.approx(0.05 if right else 20, rel=1e-6)
    sure = np.repeat(np.array([[1.0, 0.0, 0.0]]), 5, axis=0)
    assert np.isfinite(tempered(sure, temperature(sure, sure))).all()


def test_platt_finds_scale_and_shift_that_were_put_in() -> None:
    chance = np.random.default_rng(5)
    logits = chance.normal(size=60_000) * 2
    present = (chance.random(len(logits)) < sigmoid(logits)).astype(float)
    scale, shift = platt(sigmoid((logits - 0.5) / 1.6), present)
    assert (scale, shift) == (pytest.approx(1.6, rel=0.03), pytest.approx(0.5, abs=0.05))


def test_platt_of_soft_presence_and_of_a_unit_without_an_error() -> None:
    logits = np.random.default_rng(6).normal(size=5000)
    scale, shift = platt(sigmoid(logits / 2), sigmoid(logits))
    assert (scale, shift) == (pytest.approx(2, rel=0.05), pytest.approx(0, abs=0.05))
    scale, shift = platt(np.array([0.1] * 50 + [0.9] * 50), np.array([0.0] * 50 + [1.0] * 50))
    assert sigmoid(scale * np.log(9) + shift) == pytest.approx(51 / 52, abs=1e-6), "Platt's own target"


def test_platt_leaves_a_unit_alone_that_says_the_contrary() -> None:
    assert platt(np.array([0.9, 0.8, 0.2, 0.1] * 10), np.array([0.0, 0.0, 1.0, 1.0] * 10)) == (1.0, 0.0)


def test_thresholds_serve_f1_and_rare_units_stay_as_they_are() -> None:
    given = faces(4000, 7)
    said, truth = given.said[ACTION_UNITS_8], given.truth[ACTION_UNITS_8].copy()
    known = np.ones(truth.shape, bool)
    truth[:, 3] = 0
    truth[: ENOUGH - 1, 3] = 1
    known[:, 4] = False
    found = units(said, truth, known)
    assert (found.rows[3], found.rows[4]) == (0, 0)
    assert [found.scale[3], found.shift[3], found.threshold[3]] == [1, 0, 0.5]
    calibrated = Calibration(0.9, {ACTION_UNITS_8: found}).applied({ACTION_UNITS_8: said})[ACTION_UNITS_8]
    np.testing.assert_array_equal(calibrated[:, 3], said[:, 3])
    extreme = {ACTION_UNITS_8: np.full((1, UNITS), 1e-20, np.float32)}
    assert (
        Calibration(0.9, {ACTION_UNITS_8: found}).applied(extreme)[ACTION_UNITS_8][0, 3]
        == extreme[ACTION_UNITS_8][0, 3]
    ), "not even rounded"
    for unit in (0, 7):
        own = binary_f1(truth[:, unit], calibrated[:, unit] >= np.float32(found.threshold[unit]))
        others = [binary_f1(truth[:, unit], calibrated[:, unit] >= cut) for cut in np.linspace(0, 1, 101)]
        assert own >= max(others) - 1e-9


def test_the_order_of_classes_and_of_faces_stays() -> None:
    given = faces(500, 8)
    said = fitted(given, 0.9).applied(given.said)
    np.testing.assert_array_equal(said[EXPRESSION_7].argmax(axis=1), given.said[EXPRESSION_7].argmax(axis=1))
    order = np.argsort(given.said[ACTION_UNITS_8][:, 2])
    assert (np.diff(said[ACTION_UNITS_8][order, 2]) >= 0).all()
    np.testing.assert_allclose(said[EXPRESSION_7].sum(axis=1), 1, atol=1e-6)
    assert all(values.dtype == np.float32 for values in said.values())


def test_calibrated_probabilities_are_as_often_right_as_they_say() -> None:
    calibration = fitted(faces(4000, 9), 0.9)
    fresh = faces(20_000, 10)

    def error(said: FloatArray) -> float:
        best = said.argmax(axis=1)
        right = fresh.truth[EXPRESSION_7][np.arange(len(best)), best]
        return calibration_error(confidence_bins(said.max(axis=1), right))

    assert error(fresh.said[EXPRESSION_7]) > 0.15
    assert error(calibration.applied(fresh.said)[EXPRESSION_7]) < 0.015


def test_clips_are_calibrated_like_faces() -> None:
    given = faces(24, 11)
    calibration = fitted(faces(200, 12), 0.9)
    clips = {task: values.reshape(4, 6, -1) for task, values in given.said.items()}
    for task, values in calibration.applied(clips).items():
        np.testing.assert_array_equal(values.reshape(24, -1), calibration.applied(given.said)[task])


def test_calibration_error_by_hand() -> None:
    bins = confidence_bins([0.95, 0.91, 0.55, 1.0], [1, 0, 0, 1])
    assert calibration_error(bins) == pytest.approx((abs(2.86 - 2) + 0.55) / 4)
    assert np.isnan(calibration_error(confidence_bins([], [])))


# Sets and intervals


def test_the_quantile_by_hand() -> None:
    scores = np.array([5.0, 1, 2, 4, 3, 9, 8, 7, 6])
    assert quantile(scores, 0.9, 99) == 9, "the ceil(10 x 0.9) = 9th of nine"
    assert quantile(scores[:8], 0.9, 99) == 99, "eight are too few for 90 %"
    assert quantile(scores, 0.5, 99) == 5
    assert quantile(scores, 0.51, 99) == 6
    assert quantile(np.zeros(0), 0.5, 99) == 99


@given(st.integers(1, 200), st.floats(0.01, 0.99), st.integers(0, 2**32 - 1))
def test_a_quantile_covers_a_further_score_as_often_as_asked(rows: int, coverage: float, seed: int) -> None:
    """Of n + 1 exchangeable scores each is the further one: at least that share lies within its quantile."""
    scores = np.random.default_rng(seed).permutation(rows + 1).astype(float)
    within = [s <= quantile(np.delete(scores, i), coverage, np.inf) for i, s in enumerate(scores)]
    assert np.mean(within) >= coverage - 1e-9
    assert np.mean(within) <= coverage + 1 / (rows + 1) + 1e-9, "and not much more"


def test_coverage_is_what_was_asked_for() -> None:
    """With n faces to calibrate on, coverage follows Beta(k, n + 1 - k) (Vovk 2012); its mean is checked."""
    rows, coverage, repeats = 400, 0.9, 30
    found = []
    for seed in range(repeats):
        calibration, fresh = fitted(faces(rows, seed), coverage), faces(2000, 1000 + seed)
        said = calibration.applied(fresh.said)
        ends = calibration.intervals(VALENCE_AROUSAL, said)
        inside = (ends[..., 0] <= fresh.truth[VALENCE_AROUSAL]) & (
            fresh.truth[VALENCE_AROUSAL] <= ends[..., 1]
        )
        sets = calibration.sets(EXPRESSION_7, said)
        found.append([sets[fresh.truth[EXPRESSION_7] > 0].mean(), *inside.mean(axis=0)])
    k = np.ceil((rows + 1) * coverage)
    spread = np.sqrt(k * (rows + 1 - k) / (rows + 1) ** 2 / (rows + 2) + coverage * (1 - coverage) / 2000)
    np.testing.assert_allclose(np.mean(found, axis=0), k / (rows + 1), atol=4 * spread / np.sqrt(repeats))


def test_sets_are_the_most_probable_classes_and_never_empty() -> None:
    said = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6], [1, 0, 0]], np.float32)
    np.testing.assert_allclose(preceding(said), [[0, 0.5, 0.8], [0.6, 0.8, 0], [0, 1, 1]], atol=1e-6)
    sums = np.random.default_rng(0).dirichlet(np.full(8, 0.01), 20_000).astype(np.float32)
    assert preceding(sums).max() == 1
    task = Task("three", "expression", "categorical", ("a", "b", "c"))

    def sets(mass: float) -> list[list[bool]]:
        found: list[list[bool]] = (
            Calibration(0.9, {task: Classes(1, mass, 9)}).sets(task, {task: said}).tolist()
        )
        return found

    assert sets(0) == [[True, False, False], [False, False, True], [True, False, False]]
    assert sets(0.7) == [[True, True, False], [True, False, True], [True, False, False]]
    assert sets(1) == [[True] * 3] * 3


def test_too_few_faces_give_full_sets_and_full_ranges() -> None:
    calibration = fitted(faces(8, 13), 0.9)
    fresh = faces(50, 14)
    said = calibration.applied(fresh.said)
    assert calibration.sets(EXPRESSION_7, said).all()
    ends = calibration.intervals(VALENCE_AROUSAL, said)
    np.testing.assert_array_equal(ends, np.broadcast_to([-1, 1], (50, 2, 2)))
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json())), TASKS) == calibration


def test_intervals_are_wider_for_doubtful_faces_and_stay_in_the_range() -> None:
    calibration = fitted(faces(2000, 15), 0.9)
    said = {
        EXPRESSION_7: np.array([[1, 0, 0, 0, 0, 0, 0], [0, 0.4, 0, 0, 0.3, 0.3, 0]], np.float32),
        VALENCE_AROUSAL: np.array([[0.995, 0], [0, 0]], np.float32),
    }
    ends = calibration.intervals(VALENCE_AROUSAL, said)
    widths = ends[..., 1] - ends[..., 0]
    assert (widths[1] > 3 * widths[0]).all()
    assert ends.max() == 1
    known = calibration.tasks[VALENCE_AROUSAL]
    assert isinstance(known, Values)
    assert widths[0, 1] == pytest.approx(2 * known.width[1] * FLOOR, rel=1e-5)


def test_without_expressions_all_intervals_have_one_width() -> None:
    given = faces(500, 16)
    alone = Faces(
        *({VALENCE_AROUSAL: part[VALENCE_AROUSAL]} for part in (given.said, given.truth, given.known)),
        given.group,
    )
    calibration = fitted(alone, 0.9)
    ends = calibration.intervals(VALENCE_AROUSAL, {VALENCE_AROUSAL: np.zeros((3, 2), np.float32)})
    assert (np.ptp(ends[..., 1] - ends[..., 0], axis=0) == 0).all()
    residual = np.abs(given.truth[VALENCE_AROUSAL] - given.said[VALENCE_AROUSAL])
    np.testing.assert_allclose(ends[0, :, 1], np.sort(residual, axis=0)[450], rtol=1e-5)


def test_a_task_without_labels_is_left_as_it_is() -> None:
    given = faces(100, 17)
    known = {**given.known, EXPRESSION_7: np.zeros_like(given.known[EXPRESSION_7])}
    calibration = fitted(replace(given, known=known), 0.9)
    assert calibration.tasks.keys() == {ACTION_UNITS_8, VALENCE_AROUSAL}
    np.testing.assert_array_equal(calibration.applied(given.said)[EXPRESSION_7], given.said[EXPRESSION_7])
    assert not calibration.has_sets(EXPRESSION_7)
    with pytest.raises(KeyError):
        calibration.sets(EXPRESSION_7, given.said)


def test_halves_keep_people_whole() -> None:
    """Of a person whose faces are all alike, one half must not tell about the other."""
    people, each = 24, 30
    chance = np.random.default_rng(18)
    truth = np.repeat(chance.uniform(-0.9, 0.9, (people, 2)), each, axis=0).astype(np.float32)
    said = np.zeros_like(truth)
    one = Faces(
        {VALENCE_AROUSAL: said},
        {VALENCE_AROUSAL: truth},
        {VALENCE_AROUSAL: np.ones(truth.shape, bool)},
        np.repeat(np.arange(people), each),
    )
    lines = {(line.label, line.what): line for line in checked(one, fitted(one, 0.8), quiet=True)}
    held = lines["valence", "intervals that hold the label"]
    assert held.own >= 0.8
    assert held.low < 0.8 < held.high
    assert held.high - held.low > 0.25, "of faces one by one, it would be 0.12"


# Records


def test_a_record_comes_back_as_it_was() -> None:
    calibration = fitted(faces(300, 19), 0.95, ({"database": "fer2013", "part": "validation"},))
    text = json.dumps(calibration.to_json(), allow_nan=False)
    assert Calibration.from_json(json.loads(text), TASKS) == calibration


def changed(*path: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        for name in path[:-1]:
            record = record[name]
        if to is None:
            del record[path[-1]]
        else:
            record[path[-1]] = to

    return change


NAN = float("nan")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed("coverage", to=1.5), "coverage is 1.5"),
        (changed("coverage", to=NAN), "coverage is nan"),
        (changed("coverage", to="0.9"), "coverage is '0.9', expected a float"),
        (changed("coverage", to=None), "has the fields .* expected .*coverage"),
        (changed("note", to="x"), "has the fields .*note"),
        (changed("tasks", to=[]), r"tasks is \[\], expected a dict"),
        (changed("tasks", "mood", to={}), "of 'mood', which the bundle does not predict"),
        (changed("tasks", "expression_7", "temperature", to=0), "temperature is 0.0, expected 0.05 to 20"),
        (changed("tasks", "expression_7", "temperature", to=NAN), "temperature is nan"),
        (changed("tasks", "expression_7", "mass", to=1.1), "mass is 1.1, expected 0 to 1"),
        (changed("tasks", "expression_7", "rows", to=2.5), "rows is 2.5, expected a int"),
        (changed("tasks", "expression_7", "rows", to=True), "rows is True"),
        (changed("tasks", "expression_7", "bias", to=[0.0]), "expression_7 has the fields .*bias"),
        (changed("tasks", "action_units_8", "scale", to=[1.0]), "1 numbers, expected 8"),
        (changed("tasks", "action_units_8", "scale", 0, to=-1.0), "scale is -1"),
        (changed("tasks", "action_units_8", "threshold", 1, to="x"), "threshold holds 'x'"),
        (changed("tasks", "valence_arousal", "width", 0, to=float("inf")), "width is inf"),
        (changed("tasks", "valence_arousal", "floor", to=0.0), "floor is 0"),
        (changed("tasks", "valence_arousal", "spread_of", to="action_units_8"), "no expressions on the circ"),
        (changed("tasks", "valence_arousal", "spread_of", to="expression_8_contempt"), "does not predict"),
        (changed("fitted_on", to=["fer2013"]), "fitted_on has the fields str"),
    ],
)
def test_records_that_make_no_sense_are_refused(change: Callable[[dict[str, Any]], None], said: str) -> None:
    sources = ({"database": "fer2013", "part": "validation"},)
    record = json.loads(json.dumps(fitted(faces(200, 20), 0.9, sources).to_json()))
    Calibration.from_json(record, TASKS)
    change(record)
    with pytest.raises(BundleError, match=f"^calibration: .*{said}"):
        Calibration.from_json(record, TASKS)


def test_a_record_that_is_no_object_is_refused() -> None:
    for value in (None, [], "x", 3):
        with pytest.raises(BundleError, match="calibration has the fields"):
            Calibration.from_json(value, TASKS)


def test_a_part_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="Classes is not of binary labels"):
        Calibration(0.9, {ACTION_UNITS_8: Classes(1, 1, 1)})
    with pytest.raises(ValueError, match="is not of intensity labels"):
        Calibration(0.9, {INTENSITIES_BP4D: Units((1.0,) * 5, (0.0,) * 5, (0.5,) * 5, (1,) * 5)})
    with pytest.raises(ValueError, match="no expressions on the circumplex"):
        Calibration(0.9, {VALENCE_AROUSAL: Values((1.0, 1.0), 0.1, EXPRESSION_8_OTHER.name, (9, 9))})


def test_uncertainty_is_what_the_best_class_leaves() -> None:
    np.testing.assert_allclose(uncertainty(np.array([[0.7, 0.2, 0.1], [0, 1, 0]])), [0.3, 0])
    assert uncertainty(np.zeros((0, 3))).shape == (0,)
    assert classes(np.array([[0.6, 0.4]]), np.array([[1.0, 0.0]]), 0.9).mass == 1
