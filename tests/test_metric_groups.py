"""Statistics by group: what each group gives alone, in pieces, in chunks, and repeated by weights."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mien.metrics import Confusion, Moments, Outcomes, ccc, icc, mae, mse, pcc, rmse, sagr
from mien.metrics import categorical as of_classes
from mien.metrics import continuous as of_numbers
from mien.metrics import units as of_units


def many(seed: int, n: int = 700, labels: int = 3, groups: int = 9) -> tuple[np.ndarray, ...]:
    """Return truth, prediction, mask (n, labels) and groups (n,); a group has no rows, one nothing known."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-1, 1, (n, labels)).astype(np.float32)
    said = (truth + rng.normal(0, 0.5, (n, labels))).astype(np.float32)
    of = rng.choice([g for g in range(groups) if g != 4], n)
    return truth, said, (rng.random((n, labels)) < 0.7) & (of != 2)[:, None], of


Make = Callable[..., Any]


def moments(cells: tuple[np.ndarray, ...], count: int | None = None, rows: Any = slice(None)) -> Moments:
    truth, said, known, of = (array[rows] for array in cells)
    return Moments.of(truth, said, known, of, count)


def classes(cells: tuple[np.ndarray, ...], count: int | None = None, rows: Any = slice(None)) -> Confusion:
    truth, said, known, of = (array[rows] for array in cells)
    sorts = (np.clip(np.rint(2 * array[:, 0]) + 2, 0, 4).astype(int) for array in (truth, said))
    return Confusion.of(*sorts, 5, known[:, 0], of, count)


def outcomes(cells: tuple[np.ndarray, ...], count: int | None = None, rows: Any = slice(None)) -> Outcomes:
    truth, said, known, of = (array[rows] for array in cells)
    return Outcomes.of(truth > 0.2, said > 0.2, known, of, count)


def numbers(statistics: Any) -> np.ndarray:
    return statistics.values if isinstance(statistics, Moments) else statistics.counts


each_kind = pytest.mark.parametrize("make", [moments, classes, outcomes])


@pytest.fixture(params=[False, True], ids=["whole", "pieces"])
def small_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at rows all at once, and a few at a time."""
    if request.param:
        for module in (of_numbers, of_classes, of_units):
            monkeypatch.setattr(module, "STEP", 7)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("order", ["runs", "sorted", "scattered"])
@each_kind
def test_groups_are_what_each_gives_alone(make: Make, order: str) -> None:
    cells = many(1)
    if order != "scattered":
        by = np.argsort(cells[3] if order == "sorted" else -cells[3], kind="stable")
        cells = tuple(array[by] for array in cells)
    whole = make(cells, 9)
    assert len(numbers(whole)) == 9
    for group in range(9):
        rows = cells[3] == group
        alone = make((*(array[rows] for array in cells[:3]), np.zeros(rows.sum(), int)), 1)
        np.testing.assert_allclose(numbers(whole)[group], numbers(alone)[0], rtol=1e-12, atol=1e-12)
    all_one = make((*cells[:3], np.zeros(len(cells[3]), int)))
    np.testing.assert_allclose(numbers(whole.sum()), numbers(all_one)[0], rtol=1e-9, atol=1e-11)
    some = tuple(array[np.isin(cells[3], [1, 3])] for array in cells)
    np.testing.assert_allclose(numbers(whole[[1, 3]].sum()), numbers(make(some).sum()), rtol=1e-9, atol=1e-11)


@each_kind
def test_chunks_add_up(make: Make) -> None:
    cells = many(2)
    parts = [make(cells, 9, slice(start, start + 90)) for start in range(0, 700, 90)]
    both = make(cells, 9, slice(0, 0))
    for part in parts:
        both = both + part
    np.testing.assert_allclose(numbers(both), numbers(make(cells, 9)), rtol=1e-10, atol=1e-11)
    with pytest.raises(ValueError, match="expected one shape"):
        _ = both + make(cells, 10)


@each_kind
def test_weights_repeat_groups(make: Make) -> None:
    cells = many(3)
    drawn = np.random.default_rng(0).integers(0, 4, (5, 9))
    summed = make(cells, 9).sum(drawn)
    for sample, weights in enumerate(drawn):
        rows = np.repeat(np.arange(700), weights[cells[3]])
        alone = make(cells, 9, rows).sum()
        np.testing.assert_allclose(numbers(summed)[sample], numbers(alone), rtol=1e-9, atol=1e-10)
        one = make(cells, 9).sum(weights)
        np.testing.assert_allclose(numbers(one), numbers(alone), rtol=1e-9, atol=1e-10)


def test_metrics_of_groups_are_those_of_their_rows() -> None:
    cells = truth, said, known, of = many(4)
    found = moments(cells, 9)
    for group, label in itertools.product(range(9), range(3)):
        rows = (of == group) & known[:, label]
        t, p = truth[rows, label], said[rows, label]
        for metric in (ccc, pcc, mse, rmse, mae, sagr):
            value = getattr(found, metric.__name__)()[group, label]
            assert value == pytest.approx(metric(t, p), nan_ok=True, rel=1e-9)
        assert found.count[group, label] == rows.sum()
        expected = icc(np.stack([t, p], axis=1), "ICC(A,1)")
        assert found.icc("ICC(A,1)")[group, label] == pytest.approx(expected, nan_ok=True, rel=1e-6)


def test_shapes_of_summed_metrics() -> None:
    cells, weights = many(5), np.ones((7, 9))
    assert moments(cells, 9).sum(weights).ccc().shape == (7, 3)
    assert moments(cells, 9).sum().icc().shape == (3,)
    assert outcomes(cells, 9).sum(weights).f1_norm().shape == (7, 3)
    assert outcomes(cells, 9).sum(weights).total_accuracy().shape == (7,)
    assert classes(cells, 9).sum(weights).macro_f1().shape == (7,)
    assert classes(cells, 9).sum(weights).recalls().shape == (7, 5)
    assert classes(cells, 9).uar().shape == (9,)


def test_nothing_known_is_undefined_everywhere() -> None:
    empty = many(6, n=0)
    for cells in (empty, (*many(6)[:2], np.zeros((700, 3), bool), many(6)[3])):
        for label in (lambda m: m.ccc(), lambda m: m.mse(), lambda m: m.sagr(), lambda m: m.icc()):
            assert np.isnan(label(moments(cells, 9).sum())).all()
        summed = outcomes(cells, 9).sum()
        assert np.isnan([summed.f1(), summed.f1_norm(), summed.accuracy()]).all()
        assert math.isnan(summed.total_accuracy())
        chosen = classes(cells, 9).sum()
        assert np.isnan([chosen.accuracy(), chosen.uar(), chosen.macro_f1(), chosen.weighted_f1()]).all()


def test_unknown_cells_may_hold_anything() -> None:
    truth, said, known, of = many(7)
    spoilt = np.where(known, truth, np.nan), np.where(known, said, np.inf), known, of
    np.testing.assert_array_equal(moments(spoilt, 9).values, moments((truth, said, known, of), 9).values)


def test_group_means_far_apart_lose_nothing() -> None:
    rng = np.random.default_rng(0)
    of = np.repeat(np.arange(50), 200)
    truth = rng.normal(0, 1e-3, 10_000) + of * 100.0
    said = truth + rng.normal(0, 1e-3, 10_000)
    found = Moments.of(truth, said, groups=of)
    for group in (0, 17, 49):
        rows = of == group
        assert found.pcc()[group, 0] == pytest.approx(np.corrcoef(truth[rows], said[rows])[0, 1], rel=1e-8)
    assert found.sum().ccc().item() == pytest.approx(
        2
        * np.cov(truth, said, ddof=0)[0, 1]
        / (truth.var() + said.var() + (truth.mean() - said.mean()) ** 2),
        rel=1e-12,
    )


@pytest.mark.parametrize(
    ("groups", "count", "message"),
    [
        ([0, 1], None, r"groups \(2,\)"),
        ([0, 1, 3], 3, "groups 0 to 3: expected 0 to 2"),
        ([0, -1, 1], None, "groups -1 to 1: expected 0 to 1"),
        ([0.0, 1.0, 1.0], None, "of float64"),
    ],
)
def test_groups_out_of_order_are_refused(groups: list[Any], count: int | None, message: str) -> None:
    for make in (Moments.of, Outcomes.of):
        with pytest.raises(ValueError, match=message):
            make([0, 1, 1], [0, 1, 1], groups=groups, count=count)


def test_constants_of_several_groups_stay_constants() -> None:
    varied = np.linspace(-1, 1, 30)
    of = np.repeat([0, 1, 2], 10)
    one = np.full(30, 0.1)
    whole = Moments.of(one, varied, groups=of)
    assert math.isnan(whole.sum().pcc().item())
    assert math.isnan((whole + whole).sum().pcc().item())
    three = Moments.of(np.repeat([0.1, 0.7, 0.7], 10), varied, groups=of)
    assert np.isnan(three.pcc()).all()
    assert math.isfinite(three.sum().pcc().item())
    assert np.isnan(three.sum(np.array([[0, 1, 1], [0, 3, 0]])).pcc()).all()


def test_samples_of_groups_with_one_constant_vary_by_nothing() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 40, 30)
    of = np.repeat(np.arange(30), lengths)
    truth = np.where(of < 3, 0.1 * of, 0.7)
    drawn = rng.integers(0, 5, (200, 30)) * (np.arange(30) >= 3)
    found = Moments.of(truth, rng.uniform(-1, 1, len(of)), groups=of).sum(drawn)
    assert np.isnan(found.pcc()).all()
    assert (found.ccc() == 0).all()
