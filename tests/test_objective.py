"""The terms of all tasks and their sum: absent tasks, weights by frequency, learned weights, margins."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn import GREY, drawn, one_of
from torch import Tensor
from torch.nn import functional

from mien.arrays import FloatArray
from mien.learning.network import Network
from mien.learning.objective import RAREST, Objective, raw_outputs
from mien.learning.optimisation import optimiser
from mien.learning.recipe import (
    BackboneSettings,
    HeadSettings,
    LossSettings,
    NetworkSettings,
    OptimisationSettings,
    Recipe,
)
from mien.learning.sampling import Material
from mien.metrics import ccc
from mien.tasks import ACTION_UNITS_8, EXPRESSION_7, INTENSITIES_BP4D, VALENCE_AROUSAL, Task

WORDS = ["neutral"] * 12 + ["happiness"] * 6 + ["fear"] * 2 + [""] * 4
TASKS = (VALENCE_AROUSAL, EXPRESSION_7, ACTION_UNITS_8)
RECIPE = Recipe(
    name="objective",
    tasks={task.name: 1.0 for task in TASKS},
    preprocessing=GREY,
    network=NetworkSettings(backbone=BackboneSettings(widths=(4,), depth=1, stem=4)),
)


def unit_labels() -> FloatArray:
    values = np.full((24, 8), np.nan, np.float32)
    values[4:, :3] = 0
    values[4:9, 0], values[4, 1] = 1, 1  # of 20 known: 5, 1 and none present
    return values


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    rng = np.random.default_rng(0)
    labels = {
        VALENCE_AROUSAL: rng.uniform(-1, 1, (30, 2)).astype(np.float32),
        EXPRESSION_7: one_of(EXPRESSION_7, [*WORDS, *["fear"] * 6]),  # the last six are not for training
        ACTION_UNITS_8: np.concatenate([unit_labels(), np.ones((6, 8), np.float32)]),
    }
    parts = [("train", 24), ("validation", 6)]
    data = [drawn(tmp_path_factory.mktemp("objective"), "made", labels, parts)]
    return Material(data, TASKS, "train", 1, 1)


def drawn_batch(tasks: tuple[Task, ...]) -> tuple[dict[str, Tensor], dict[Task, Tensor], dict[Task, Tensor]]:
    """Return raw outputs, labels and masks of 6 clips of 3 frames, in float64."""
    generator = torch.Generator().manual_seed(0)
    raw, values, known = {}, {}, {}
    for task in tasks:
        shape = (6, 3, len(task))
        raw[task.name] = torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        noise = torch.rand(shape, generator=generator, dtype=torch.float64)
        low, high = task.range
        values[task] = noise / noise.sum(-1, keepdim=True) if task.kind == "categorical" else noise.round()
        if task.kind in ("continuous", "intensity"):
            values[task] = low + (high - low) * noise
        rows = torch.rand((6, 3, 1), generator=generator) < 0.7
        known[task] = rows.expand(shape).clone()
        values[task] = values[task].masked_fill(~known[task], 0)
    return raw, values, known


def test_the_sum_is_what_its_parts_say(material: Material) -> None:
    """Each term and the sum, computed another way: rows taken out by their mask, torch's and numpy's own."""
    recipe = replace(RECIPE, tasks={"valence_arousal": 2.0, "expression_7": 1.0, "action_units_8": 0.5})
    recipe = replace(recipe, losses=LossSettings(continuous="both", smoothing=0.1))
    objective = Objective(recipe, material)
    raw, values, known = drawn_batch(TASKS)
    terms = objective.terms(raw, values, known)
    assert list(terms) == ["valence_arousal", "valence_arousal_mse", "expression_7", "action_units_8"]
    rows = {task: known[task].all(-1) for task in TASKS}
    said = {task: raw[task.name][rows[task]] for task in TASKS}
    truth = {task: values[task][rows[task]] for task in TASKS}
    guess = torch.tanh(said[VALENCE_AROUSAL])
    pairs = zip(truth[VALENCE_AROUSAL].T, guess.detach().T, strict=True)
    expected = {
        "valence_arousal": np.mean([1 - ccc(t.numpy(), p.numpy()) for t, p in pairs]),
        "valence_arousal_mse": functional.mse_loss(guess, truth[VALENCE_AROUSAL]).item(),
        "expression_7": functional.cross_entropy(
            said[EXPRESSION_7], truth[EXPRESSION_7], label_smoothing=0.1
        ).item(),
        "action_units_8": functional.binary_cross_entropy_with_logits(
            said[ACTION_UNITS_8], truth[ACTION_UNITS_8]
        ).item(),
    }
    for name, (total, count) in terms.items():
        assert (total / count).item() == pytest.approx(expected[name], rel=1e-9), name
    weights = {"valence_arousal": 2, "valence_arousal_mse": 2, "expression_7": 1, "action_units_8": 0.5}
    assert objective(terms).item() == pytest.approx(sum(weights[n] * expected[n] for n in expected), rel=1e-6)


@pytest.mark.parametrize("balance", ["fixed", "uncertainty"])
@pytest.mark.parametrize("absent", TASKS, ids=lambda task: task.name)
def test_a_task_absent_from_a_batch_adds_nothing(material: Material, balance: str, absent: Task) -> None:
    losses = LossSettings("both", balance, "inverse", "inverse", 0.1)  # type: ignore[arg-type]
    objective = Objective(replace(RECIPE, losses=losses), material)
    raw, values, known = drawn_batch(TASKS)
    known[absent] = torch.zeros_like(known[absent])
    values[absent] = torch.full_like(values[absent], float("nan"))
    loss = objective(objective.terms(raw, values, known))
    loss.backward()
    grad = raw[absent.name].grad
    assert grad is not None
    assert (grad == 0).all()
    others = tuple(task for task in TASKS if task != absent)
    fewer = Objective(replace(RECIPE, tasks={task.name: 1.0 for task in others}, losses=losses), material)
    cut = {task.name: raw[task.name].detach().requires_grad_() for task in others}
    alone = fewer(fewer.terms(cut, {t: values[t] for t in others}, {t: known[t] for t in others}))
    assert loss.item() == pytest.approx(alone.item(), rel=1e-9)
    for task in others:
        assert (raw[task.name].grad != 0).any()  # type: ignore[union-attr]
    if objective.learned is not None:
        names = list(objective.learned.factors)
        grads = objective.learned.logs.grad
        assert grads is not None
        for name, slope in zip(names, grads, strict=True):
            assert (slope == 0) == name.startswith(absent.name), name


def test_nothing_known_at_all_is_zero(material: Material) -> None:
    raw, values, known = drawn_batch(TASKS)
    for balance in ("fixed", "uncertainty"):
        objective = Objective(replace(RECIPE, losses=LossSettings("both", balance)), material)  # type: ignore[arg-type]
        loss = objective(
            objective.terms(raw, values, {task: torch.zeros_like(mask) for task, mask in known.items()})
        )
        loss.backward()
        assert loss.item() == 0
    assert all((tensor.grad == 0).all() for tensor in raw.values())  # type: ignore[union-attr]


def test_weights_are_those_of_the_training_part(material: Material) -> None:
    losses = LossSettings(class_weights="inverse", positive_weights="inverse")
    objective = Objective(replace(RECIPE, losses=losses), material)
    classes, units = objective.frequencies[EXPRESSION_7], objective.frequencies[ACTION_UNITS_8]
    assert classes is not None
    assert units is not None
    counts = {"neutral": 12, "happiness": 6, "fear": 2}  # of 20 known rows; validation has more fear
    expected = [20 / (7 * counts[name]) if name in counts else 1.0 for name in EXPRESSION_7.labels]
    np.testing.assert_allclose(classes, expected, rtol=1e-6)
    np.testing.assert_allclose(units, [15 / 5, 19 / 1, 1, 1, 1, 1, 1, 1], rtol=1e-6)
    assert objective.frequencies[VALENCE_AROUSAL] is None
    assert max(classes.max(), units.max()) <= RAREST
    plain = Objective(RECIPE, material)
    assert set(plain.frequencies.values()) == {None}


def test_inverse_weights_make_classes_cost_the_same(material: Material) -> None:
    losses = LossSettings(class_weights="inverse")
    objective = Objective(replace(RECIPE, tasks={"expression_7": 1.0}, losses=losses), material)
    values, known = (torch.from_numpy(array) for array in material.truth(EXPRESSION_7, np.arange(24)))
    raw = torch.zeros(24, 1, 7, requires_grad=True)
    total, count = objective.terms({"expression_7": raw}, {EXPRESSION_7: values}, {EXPRESSION_7: known})[
        "expression_7"
    ]
    assert (total / count).item() == pytest.approx(np.log(7), rel=1e-6)
    (total / count).backward()
    shown = values[:, 0].argmax(dim=1)
    rows = known.all(-1)[:, 0]
    pulls = [
        raw.grad[rows & (shown == EXPRESSION_7.index(word)), 0, EXPRESSION_7.index(word)].sum().item()  # type: ignore[index]
        for word in ("neutral", "happiness", "fear")
    ]
    assert pulls == pytest.approx([pulls[0]] * 3, rel=1e-5)


def test_learned_weights_follow_their_formula_and_are_not_decayed(material: Material) -> None:
    losses = LossSettings(continuous="both", balance="uncertainty")
    recipe = replace(RECIPE, losses=losses)
    objective = Objective(recipe, material).double()
    assert objective.learned is not None
    names = ["valence_arousal", "valence_arousal_mse", "expression_7", "action_units_8"]
    assert list(objective.learned.factors.items()) == list(zip(names, (0.5, 0.5, 1.0, 1.0), strict=True))
    logs = torch.tensor([0.3, -0.2, 0.7, -1.0], dtype=torch.float64)
    with torch.no_grad():
        objective.learned.logs.copy_(logs)
    raw, values, known = drawn_batch(TASKS)
    terms = objective.terms(raw, values, known)
    factors = (0.5, 0.5, 1.0, 1.0)
    expected = sum(
        factor * np.exp(-log) * (terms[name][0] / terms[name][1]).item() + log / 2
        for name, log, factor in zip(names, logs.tolist(), factors, strict=True)
    )
    assert objective(terms).item() == pytest.approx(expected, rel=1e-9)
    assert "learned.logs" in objective.state_dict()
    for method in ("sgd", "adam"):
        settings = OptimisationSettings(method=method, decay=0.1)  # type: ignore[arg-type]
        made = optimiser(torch.nn.ModuleList([Network(recipe), objective]), settings)
        decayed = {id(p): group["weight_decay"] for group in made.param_groups for p in group["params"]}
        assert decayed[id(objective.learned.logs)] == 0
        assert set(decayed.values()) == {0.0, 0.1}


def test_intensities_and_values_are_each_scored_on_their_scale(material: Material) -> None:
    objective = Objective(replace(RECIPE, losses=LossSettings(continuous="mse")), material)
    raw = {"valence_arousal": torch.full((2, 1, 2), 20.0), "intensities_bp4d": torch.full((2, 1, 5), 20.0)}
    values = {VALENCE_AROUSAL: torch.full((2, 1, 2), 1.0), INTENSITIES_BP4D: torch.full((2, 1, 5), 5.0)}
    known = {task: torch.ones_like(value, dtype=torch.bool) for task, value in values.items()}
    objective.frequencies[INTENSITIES_BP4D] = None
    terms = objective.terms(raw, values, known)
    assert [term[0].item() for term in terms.values()] == pytest.approx([0, 0], abs=1e-6)


def test_a_margin_is_there_in_training_alone(tmp_path: Path) -> None:
    heads = HeadSettings(expression="arcface", embedding=8, scale=16.0, margin=0.4)
    recipe = replace(RECIPE, network=replace(RECIPE.network, heads=heads), tasks={"expression_7": 1.0})
    torch.manual_seed(0)
    network = Network(recipe).eval()
    values = {EXPRESSION_7: torch.from_numpy(one_of(EXPRESSION_7, ["fear", "anger", "neutral"]))[:, None]}
    known = {EXPRESSION_7: torch.tensor([True, True, False])[:, None, None].expand(3, 1, 7)}
    faces = torch.randn(3, 1, 1, 16, 16)
    with torch.no_grad():
        features, _ = network.features(faces, None, None)
        plain = network(faces)[0]["expression_7"]
        bent = raw_outputs(network.heads, features, values, known)["expression_7"]
    true = values[EXPRESSION_7] * known[EXPRESSION_7] > 0
    angle = torch.acos((plain / 16).clamp(-1, 1))
    torch.testing.assert_close(bent[true], 16 * torch.cos(angle[true] + 0.4), atol=1e-4, rtol=0)
    torch.testing.assert_close(bent[~true], plain[~true], atol=1e-5, rtol=0)


def test_hard_targets_are_the_largest_share_and_ties_are_unknown(material: Material) -> None:
    values = torch.tensor(
        [[0.5, 0.2, 0.3, 0, 0, 0, 0], [0.4, 0.4, 0.2, 0, 0, 0, 0], [0.1, 0.9, 0, 0, 0, 0, 0]]
    )
    known = torch.ones(3, 7, dtype=torch.bool)
    known[2] = False
    units = torch.full((3, 8), 0.4)
    labels = {EXPRESSION_7: values, ACTION_UNITS_8: units}
    masks = {EXPRESSION_7: known, ACTION_UNITS_8: torch.ones(3, 8, dtype=torch.bool)}
    recipe = replace(RECIPE, losses=LossSettings(targets="hard"))
    made, left = Objective(recipe, material).targets(labels, masks)
    assert made[EXPRESSION_7][0].tolist() == [1, 0, 0, 0, 0, 0, 0]
    assert left[EXPRESSION_7].all(dim=1).tolist() == [True, False, False]
    assert torch.equal(made[ACTION_UNITS_8], units)
    soft, same = Objective(RECIPE, material).targets(labels, masks)
    assert torch.equal(soft[EXPRESSION_7], values)
    assert torch.equal(same[EXPRESSION_7], known)
