"""Losses against torch's own, numpy's second way and finite differences; nothing known costs nothing."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from mien.learning.losses import (
    Term,
    UncertaintyWeights,
    binary,
    concordance,
    cross_entropy,
    full,
    gathered,
    intensity,
    squared,
    total,
)

Loss = Callable[[Tensor, Tensor, Tensor], Term]

LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "cross_entropy weighted and smoothed": lambda r, t, k: cross_entropy(
        r, t, k, full(torch.tensor([0.25, 1.0, 3.0, 0.5]).to(r)), 0.1
    ),
    "binary": binary,
    "binary weighted": lambda r, t, k: binary(r, t, k, full(torch.tensor([0.25, 1.0, 3.0, 5.0]).to(r))),
    "squared": squared,
    "intensity": intensity,
    "concordance": concordance,
}
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())

TRUTH = (0.10, 0.20, 0.35, 0.30, 0.05, -0.15, -0.40, -0.35, 0.00, 0.25)
SAID = (0.05, 0.30, 0.25, 0.20, 0.10, -0.05, -0.20, -0.45, 0.10, 0.00)


def batch(rows: int = 6, time: int = 5, labels: int = 4, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Return raw outputs, distributions and a mask of whole rows, (rows, time, labels), in float64."""
    chance = torch.Generator().manual_seed(seed)
    raw = torch.randn(rows, time, labels, generator=chance, dtype=torch.float64)
    target = torch.softmax(torch.randn(raw.shape, generator=chance, dtype=torch.float64), dim=-1)
    known = (torch.rand(rows, time, 1, generator=chance) < 0.7).expand(raw.shape).contiguous()
    return raw, target, known


def column(values: tuple[float, ...], dtype: torch.dtype = torch.float64) -> Tensor:
    """Return one label's series, (n, 1)."""
    return torch.tensor(values, dtype=dtype)[:, None]


def ccc(x: np.ndarray, y: np.ndarray) -> float:
    """Return Lin's coefficient as it is printed: twice the covariance over variances and squared gap."""
    covariance = float(np.cov(x, y, bias=True)[0, 1])
    return 2 * covariance / float(np.var(x) + np.var(y) + (np.mean(x) - np.mean(y)) ** 2)


def ccc_loss(x: Tensor, y: Tensor) -> float:
    """Return the concordance loss of series that are known throughout."""
    return concordance(x, y, torch.ones(x.shape, dtype=torch.bool))[0].item()


# Every loss


@each_loss
@pytest.mark.parametrize("filler", [0.0, float("nan"), float("inf")])
def test_nothing_known_costs_exactly_nothing(loss: Loss, filler: float) -> None:
    raw = torch.full((3, 2, 4), filler, requires_grad=True)
    value, count = loss(raw, torch.full((3, 2, 4), filler), torch.zeros(3, 2, 4, dtype=torch.bool))
    value.backward()
    assert (value.item(), count.item()) == (0.0, 0)
    assert torch.equal(raw.grad, torch.zeros(3, 2, 4))


@each_loss
def test_unknown_rows_weigh_nothing_whatever_they_hold(loss: Loss) -> None:
    raw, target, known = batch()
    assert 0 < known.sum() < known.numel()
    rows = known[..., 0]
    spoiled = raw.masked_fill(~known, float("nan")).requires_grad_()
    chosen = raw[rows].clone().requires_grad_()
    value, count = loss(spoiled, target.masked_fill(~known, float("nan")), known)
    alone, number = loss(chosen, target[rows], known[rows])
    torch.testing.assert_close((value, count), (alone, number))
    value.backward()
    alone.backward()
    torch.testing.assert_close(spoiled.grad[rows], chosen.grad)
    assert torch.equal(spoiled.grad[~rows], torch.zeros_like(spoiled.grad[~rows]))


@each_loss
def test_gradient_is_that_of_finite_differences(loss: Loss) -> None:
    raw, target, known = batch(rows=3, time=2)
    assert torch.autograd.gradcheck(lambda r: loss(r, target, known)[0], raw.requires_grad_())


@each_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_full(loss: Loss, dtype: torch.dtype) -> None:
    raw, target, known = batch()
    half = (raw * 3).to(dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value, count = loss(half, target.float(), known)
    expected, number = loss(half.detach().double(), target.float().double(), known)
    value.backward()
    assert value.dtype == torch.float32
    assert half.grad.dtype == dtype
    assert half.grad.isfinite().all()
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert count.item() == pytest.approx(number.item(), rel=1e-5)


@each_loss
def test_largest_half_precision_numbers_do_not_overflow(loss: Loss) -> None:
    raw = torch.tensor([[65504.0, -65504.0, 0.0, 1.0], [0.0, 65504.0, -1.0, 1.0]]).half().requires_grad_()
    value, _ = loss(raw, torch.eye(4)[:2], torch.ones(2, 4, dtype=torch.bool))
    value.backward()
    assert value.isfinite()
    assert not raw.grad.isnan().any()


@each_loss
@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_shapes_that_differ_are_refused_rather_than_broadcast(loss: Loss, wrong: int) -> None:
    given = list(batch())
    given[wrong] = given[wrong][:, :1]
    with pytest.raises(ValueError, match=r"values .*, mask .*expected equal shapes"):
        loss(*given)


# Cross-entropies and squares


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weights", [None, (0.2, 1.0, 3.0, 0.5)])
def test_cross_entropy_of_classes_is_torchs(smoothing: float, weights: tuple[float, ...] | None) -> None:
    raw, _, known = batch()
    classes = torch.randint(4, raw.shape[:2], generator=torch.Generator().manual_seed(1))
    weight = None if weights is None else torch.tensor(weights, dtype=raw.dtype)
    one_hot = functional.one_hot(classes, 4).to(raw.dtype)
    value, count = cross_entropy(raw, one_hot, known, weight, smoothing)
    truth = classes.masked_fill(~known[..., 0], -100).flatten()
    for reduction, ours in (("sum", value), ("mean", value / count)):
        theirs = functional.cross_entropy(
            raw.flatten(0, 1), truth, weight, reduction=reduction, label_smoothing=smoothing
        )
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, (0.2, 1.0, 3.0, 0.5)])
def test_cross_entropy_of_distributions_is_torchs(
    smoothing: float, weights: tuple[float, ...] | None
) -> None:
    raw, target, known = batch()
    weight = None if weights is None else torch.tensor(weights, dtype=raw.dtype)
    rows = known[..., 0]
    value, count = cross_entropy(raw, target, known, weight, smoothing)
    theirs = functional.cross_entropy(
        raw[rows], target[rows], weight, reduction="sum", label_smoothing=smoothing
    )
    torch.testing.assert_close(value, theirs)
    weighed = float(rows.sum()) if weight is None else (target[rows] @ weight).sum().item()
    assert count.item() == pytest.approx(weighed)


def test_a_row_known_in_part_is_not_known() -> None:
    raw, target, known = batch()
    known[:, :, 0] = False
    assert [part.item() for part in cross_entropy(raw, target, known)] == [0.0, 0]


@pytest.mark.parametrize("positive", [None, (0.5, 1.0, 4.0, 9.0)])
def test_binary_is_the_formula_over_known_cells(positive: tuple[float, ...] | None) -> None:
    raw, target, _ = batch()
    known = torch.rand(raw.shape, generator=torch.Generator().manual_seed(2)) < 0.5
    weight = None if positive is None else torch.tensor(positive, dtype=raw.dtype)
    value, count = binary(raw, target, known, weight)
    share, present = 1 / (1 + np.exp(-raw.numpy())), target.numpy()
    each = -(np.array(positive or [1.0] * 4) * present * np.log(share) + (1 - present) * np.log(1 - share))
    assert value.item() == pytest.approx(each[known.numpy()].sum())
    assert count.item() == known.sum().item()


def test_squared_is_torchs() -> None:
    raw, target, known = batch()
    value, count = squared(raw, target, known)
    torch.testing.assert_close(value / count, functional.mse_loss(raw[known], target[known]))


def test_intensity_counts_in_shares_of_the_highest_grade() -> None:
    raw = torch.tensor([[0.0, 50.0, -50.0]])
    value, count = intensity(raw, torch.tensor([[0.0, 5.0, 5.0]]), torch.ones(1, 3, dtype=torch.bool))
    assert (value.item(), count.item()) == (pytest.approx(0.25 + 0 + 1), 3)


# Concordance


def test_concordance_is_lins_not_that_of_unbiased_variances() -> None:
    value = ccc_loss(column(SAID), column(TRUTH))
    assert 1 - value == pytest.approx(0.8436770882, abs=5e-11)
    assert abs(1 - value - 0.8436967731) > 1e-5, "torchmetrics' variant"
    assert ccc_loss(column(SAID, torch.float32), column(TRUTH, torch.float32)) == pytest.approx(
        value, rel=1e-6
    )


@pytest.mark.parametrize("length", [2, 3, 4, 8, 100, 20_000])
def test_concordance_is_the_printed_formula(length: int) -> None:
    chance = np.random.default_rng(length)
    x = chance.normal(0.3, 0.4, (length, 3)).astype(np.float32)
    y = (0.7 * x + chance.normal(0, 0.2, x.shape)).astype(np.float32)
    expected = sum(1 - ccc(x[:, i].astype(float), y[:, i].astype(float)) for i in range(3))
    value, count = concordance(*map(torch.from_numpy, (x, y)), torch.ones(x.shape, dtype=torch.bool))
    assert value.item() == pytest.approx(expected, rel=2e-6)
    assert count.item() == 3


def test_concordance_of_equals_is_0_and_of_opposites_is_2() -> None:
    x = column(TRUTH) - column(TRUTH).mean()
    assert ccc_loss(x, x) == 0
    assert ccc_loss(-x, x) == pytest.approx(2, rel=1e-12)
    assert ccc_loss(x + 1e-5, x) == pytest.approx(
        1 - ccc((x + 1e-5).numpy()[:, 0], x.numpy()[:, 0]), rel=1e-4
    )


@pytest.mark.parametrize("shift", [1e2, 1e4, 1e5])
def test_concordance_of_a_small_spread_far_from_0_keeps_its_digits(shift: float) -> None:
    chance = torch.Generator().manual_seed(5)
    y = shift + torch.rand(1000, 1, generator=chance)
    x = y + 0.2 * torch.randn(1000, 1, generator=chance)
    expected = 1 - ccc(x.double().numpy()[:, 0], y.double().numpy()[:, 0])
    assert ccc_loss(x, y) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, -0.7, 1 / 3, 1e6])
@pytest.mark.parametrize("length", [1, 2, 7, 1000])
def test_concordance_of_two_equal_constants_is_not_defined(value: float, length: int) -> None:
    x = torch.full((length, 1), value, requires_grad=True)
    loss, count = concordance(x, torch.full((length, 1), value), torch.ones(length, 1, dtype=torch.bool))
    loss.backward()
    assert (loss.item(), count.item(), x.grad.abs().max().item()) == (0.0, 0, 0.0)


def test_concordance_of_one_cell_is_not_defined() -> None:
    x = torch.randn(3, 4, 2, requires_grad=True)
    known = torch.zeros(3, 4, 2, dtype=torch.bool)
    known[1, 2] = True
    loss, count = concordance(x, torch.randn(3, 4, 2), known)
    loss.backward()
    assert (loss.item(), count.item(), x.grad.abs().max().item()) == (0.0, 0, 0.0)


@pytest.mark.parametrize("noise", [0.3, 1e-4, 1e-7])
def test_constant_target_costs_1_without_gradient(noise: float) -> None:
    chance = torch.Generator().manual_seed(0)
    x = (0.1 + noise * torch.randn(50, 1, generator=chance)).requires_grad_()
    loss, count = concordance(x, torch.full((50, 1), 0.1), torch.ones(50, 1, dtype=torch.bool))
    loss.backward()
    assert (loss.item(), count.item(), x.grad.abs().max().item()) == (1.0, 1, 0.0)


def test_constant_prediction_is_drawn_towards_the_target() -> None:
    x = torch.full((10, 1), 0.2, dtype=torch.float64, requires_grad=True)
    y = column(TRUTH)
    concordance(x, y, torch.ones(10, 1, dtype=torch.bool))[0].backward()
    assert x.grad.isfinite().all()
    assert float((-x.grad * (y - y.mean())).sum()) > 0.1


def test_smallest_spreads_have_finite_gradients() -> None:
    for scale in (1e-10, 1e-18, 1e-19, 3e-20, 1e-22, 1e-30):
        x = (scale * column(SAID, torch.float32)).requires_grad_()
        y = scale * column(TRUTH, torch.float32)
        concordance(x, y, torch.ones(10, 1, dtype=torch.bool))[0].backward()
        assert x.grad.isfinite().all()


def test_labels_are_scored_apart_each_over_its_own_cells() -> None:
    raw, target, _ = batch()
    known = torch.rand(raw.shape, generator=torch.Generator().manual_seed(3)) < 0.6
    known[..., 1] = False
    value, count = concordance(raw, target, known)
    apart = [
        1 - ccc(raw[..., i][known[..., i]].numpy(), target[..., i][known[..., i]].numpy()) for i in (0, 2, 3)
    ]
    assert (value.item(), count.item()) == (pytest.approx(sum(apart), rel=1e-12), 3)


def test_batch_and_time_are_one_set_not_a_mean_of_clips() -> None:
    x, y = column(SAID).reshape(2, 5, 1), column(TRUTH).reshape(2, 5, 1)
    assert 1 - ccc_loss(x, y) == pytest.approx(0.8436770882, abs=5e-11)
    each = [1 - ccc_loss(x[i], y[i]) for i in range(2)]
    assert sum(each) / 2 == pytest.approx(0.6988940856, abs=5e-11)


# Several processes

WORKER = """
import sys, torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from mien.learning.losses import UncertaintyWeights, binary, concordance, cross_entropy, gathered

class Whole(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(6, 8)
        self.weights = UncertaintyWeights({"va": .5, "ex": 1., "au": 1.})
    def forward(self, x, y, known):
        raw = gathered(self.net(x)).flatten(0, 1)
        va = concordance(raw[..., :2], y[..., :2], known[..., :2])
        weights = torch.tensor([.2, 1., 3.], dtype=torch.float64)
        distribution = torch.softmax(y[..., 2:5], -1)
        ex = cross_entropy(raw[..., 2:5], distribution, known[..., 2:5], weights, .1)
        au = binary(raw[..., 5:], torch.sigmoid(y[..., 5:]), known[..., 5:])
        return self.weights({"va": va, "ex": ex, "au": au}), va[1]

def run(rows, wrap):
    torch.manual_seed(0)
    whole = Whole().double()
    x, y = torch.randn(12, 3, 6, dtype=torch.float64), torch.randn(12, 3, 8, dtype=torch.float64)
    known = torch.rand(12, 3, 8) < .7
    known[..., 3:5] = known[..., 2:3]
    known[:5, :, 0] = False
    known[:5, :, 5:] = False
    outer = wrap(whole)
    loss, labels = outer(x[rows], y, known)
    loss.backward()
    return [loss.detach(), labels, *(p.grad for p in whole.parameters())]

rank, store, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
alone = run(slice(None), lambda whole: whole)
distributed.init_process_group("gloo", init_method="file://" + store, rank=rank, world_size=2)
part = run(slice(6) if rank == 0 else slice(6, None), DistributedDataParallel)
torch.save([alone, part], out)
distributed.destroy_process_group()
"""


def test_two_processes_train_as_one_with_the_joint_batch(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(tmp_path / "store"), str(tmp_path / str(rank))],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for process in started:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    for rank in range(2):
        alone, part = torch.load(tmp_path / str(rank))
        assert alone[1].item() == 2
        assert all(gradient.abs().max() > 1e-3 for gradient in alone[2:])
        torch.testing.assert_close(part, alone, rtol=1e-12, atol=1e-14)


def test_alone_what_is_gathered_is_ones_own() -> None:
    said, _, _ = batch()
    assert torch.equal(gathered(said), said.unsqueeze(0))


# The sum of tasks


def test_total_divides_each_term_once_and_weighs_it() -> None:
    terms = {
        "a": (torch.tensor(6.0), torch.tensor(3)),
        "b": (torch.tensor(1.0), torch.tensor(0.25)),
        "none": (torch.tensor(0.0), torch.tensor(0)),
    }
    assert total(terms, {"a": 0.5, "b": 2.0, "none": 7.0, "other": 1.0}).item() == 0.5 * 2 + 2.0 * 4
    assert total({}, {}).item() == 0
    with pytest.raises(ValueError, match="no weight for b, none; there are a"):
        total(terms, {"a": 1.0})


def test_total_of_a_batch_without_labels_has_gradient_0() -> None:
    raw = torch.randn(2, 3, 4, requires_grad=True)
    known = torch.zeros(2, 3, 4, dtype=torch.bool)
    terms = {name: loss(raw, torch.zeros(2, 3, 4), known) for name, loss in LOSSES.items()}
    loss = total(terms, dict.fromkeys(LOSSES, 1.0))
    loss.backward()
    assert (loss.item(), raw.grad.abs().max().item()) == (0.0, 0.0)


def test_uncertainty_is_the_papers_negative_log_likelihood() -> None:
    module = UncertaintyWeights({"values": 0.5, "classes": 1.0})
    with torch.no_grad():
        module.logs.copy_(torch.tensor([0.4, -0.9]))
    terms = {"values": (torch.tensor(6.0), torch.tensor(3)), "classes": (torch.tensor(2.0), torch.tensor(4))}
    sigma, other = np.exp(0.2), np.exp(-0.45)
    expected = 2.0 / (2 * sigma**2) + np.log(sigma) + 0.5 / other**2 + np.log(other)
    assert module(terms).item() == pytest.approx(expected)
    errors = torch.randn(1000, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * sigma
    module = UncertaintyWeights({"values": 0.5}).double()
    with torch.no_grad():
        module.logs.fill_(0.4)
    likelihood = torch.distributions.Normal(0.0, float(sigma)).log_prob(errors).mean()
    ours = module({"values": ((errors**2).sum(), torch.tensor(1000))})
    assert ours.item() == pytest.approx(-likelihood.item() - 0.5 * np.log(2 * np.pi))


def test_learned_uncertainty_is_the_variance_of_the_errors() -> None:
    module = UncertaintyWeights({"values": 0.5})
    optimiser = torch.optim.SGD(module.parameters(), lr=0.5)
    for _ in range(100):
        optimiser.zero_grad()
        module({"values": (torch.tensor(30.0), torch.tensor(100))}).backward()
        optimiser.step()
    assert module.logs.exp().item() == pytest.approx(0.3, rel=1e-3)


@pytest.mark.parametrize("empty", [True, False], ids=["count of 0", "no term"])
def test_a_task_that_is_absent_has_no_say(empty: bool) -> None:
    module = UncertaintyWeights({"here": 1.0, "absent": 1.0})
    with torch.no_grad():
        module.logs[1] = 3.0
    terms = {"here": (torch.tensor(6.0), torch.tensor(3))}
    if empty:
        terms["absent"] = (torch.tensor(0.0), torch.tensor(0))
    loss = module(terms)
    loss.backward()
    assert loss.item() == 2.0
    assert module.logs.grad.tolist() == [-2.0 + 0.5, 0.0]
    with pytest.raises(ValueError, match="no weight for mood; there are here, absent"):
        module({"mood": terms["here"]})
