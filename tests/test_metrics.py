"""Every metric against published or computed values, a second way, and the libraries of the field."""

import math
from collections.abc import Callable

import audmetric
import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torchmetrics.functional import concordance_corrcoef, pearson_corrcoef

import mien.metrics
from mien.metrics import (
    Confusion,
    Moments,
    Outcomes,
    Score,
    abaw_action_units_2020,
    abaw_expression_2020,
    abaw_mean,
    abaw_multi_task,
    accuracy,
    auc,
    binary_f1,
    ccc,
    confusion,
    emotionet,
    f1_norm,
    macro_f1,
    mae,
    mean_defined,
    mse,
    pcc,
    recalls,
    rmse,
    sagr,
    uar,
    weighted_f1,
)

TRUTH = np.array([0.10, 0.20, 0.35, 0.30, 0.05, -0.15, -0.40, -0.35, 0.00, 0.25])
SAID = np.array([0.05, 0.30, 0.25, 0.20, 0.10, -0.05, -0.20, -0.45, 0.10, 0.00])

CLASSES = np.array([0, 0, 0, 4, 4, 5, 7, 7, 1, 3])
CHOSEN = np.array([0, 0, 4, 4, 4, 5, 7, 0, 1, 5])

UNITS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 0, 0]])
PRESENT = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0], [0, 0, 0]])


def random_pair(n: int, seed: int = 0, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return two arrays (n,) that go together somewhat."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-1, 1, n)
    return truth + offset, 0.6 * truth + rng.normal(0.1, 0.3, n) + offset


# Continuous: values computed independently of this code.


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (ccc, 0.8436770882),
        (pcc, 0.8546076527),
        (mse, 0.01675),
        (rmse, 0.1294217911),
        (mae, 0.115),
        (sagr, 0.8),
    ],
)
def test_continuous_values(metric: Callable[..., float], value: float) -> None:
    assert metric(TRUTH, SAID) == pytest.approx(value, abs=1e-10)
    assert metric(TRUTH.tolist(), SAID.tolist()) == pytest.approx(value, abs=1e-10)


def test_zero_has_its_own_sign_unless_it_counts_as_positive() -> None:
    assert sagr(TRUTH, SAID, "positive") == 1.0
    assert sagr([0, 0, 0, 1, -1], [0, 1, -1, 0, -2]) == pytest.approx(2 / 5)
    assert sagr([0, 0, 0, 1, -1], [0, 1, -1, 0, -2], zero="positive") == pytest.approx(4 / 5)
    assert sagr([-0.0], [0.0]) == 1.0


def test_ccc_is_none_of_the_variants_with_other_moments() -> None:
    n, value = len(TRUTH), ccc(TRUTH, SAID)
    gap = (TRUTH.mean() - SAID.mean()) ** 2
    cov = np.cov(TRUTH, SAID)[0, 1]
    both = 2 * cov / (TRUTH.var(ddof=1) + SAID.var(ddof=1) + gap)
    mixed = 2 * cov / (TRUTH.var() + SAID.var() + gap)
    other = 2 * cov * (n - 1) / n / (TRUTH.var(ddof=1) + SAID.var(ddof=1) + gap)
    theirs = concordance_corrcoef(torch.tensor(SAID), torch.tensor(TRUTH)).item()
    assert both == pytest.approx(0.8436967731)
    assert theirs == pytest.approx(both)
    assert mixed == pytest.approx(0.9374189869)
    assert other == pytest.approx(0.7593, abs=1e-4)
    assert all(abs(value - wrong) > 1e-5 for wrong in (both, mixed, other, theirs))


def test_ccc_of_all_frames_is_not_the_mean_over_videos() -> None:
    moments = Moments.of(TRUTH, SAID, groups=[0] * 5 + [1] * 5)
    assert mean_defined(moments.ccc()[:, 0])[0] == pytest.approx(0.6988940856)
    assert moments.sum().ccc() == pytest.approx(0.8436770882)


def written_out(truth: np.ndarray, said: np.ndarray) -> dict[str, float]:
    """Return continuous metrics from numpy's own means and variances, in extended precision."""
    t, p = truth.astype(np.longdouble), said.astype(np.longdouble)
    covariance = ((t - t.mean()) * (p - p.mean())).mean()
    return {
        "ccc": float(2 * covariance / (t.var() + p.var() + (t.mean() - p.mean()) ** 2)),
        "pcc": float(covariance / (t.std() * p.std())),
        "mse": float(((t - p) ** 2).mean()),
        "rmse": float(np.sqrt(((t - p) ** 2).mean())),
        "mae": float(np.abs(t - p).mean()),
        "sagr": float((np.sign(t) == np.sign(p)).mean()),
    }


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("n", [2, 3, 10, 1000, 65_537, 1_000_000])
def test_continuous_metrics_written_another_way(n: int, offset: float) -> None:
    truth, said = random_pair(n, offset=offset)
    expected = written_out(truth, said)
    found = {name: getattr(mien.metrics, name)(truth, said) for name in expected}
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8])
def test_other_types_are_counted_in_double_precision(dtype: type) -> None:
    truth, said = (np.rint(array * 40).astype(dtype) for array in random_pair(70_000))
    assert ccc(truth, said) == pytest.approx(written_out(truth, said)["ccc"], rel=1e-12)


@pytest.mark.parametrize("n", [2, 5, 1000, 1_000_000])
def test_continuous_metrics_agree_with_libraries(n: int) -> None:
    truth, said = random_pair(n, seed=n)
    assert ccc(truth, said) == pytest.approx(audmetric.concordance_cc(truth, said), rel=1e-9)
    assert pcc(truth, said) == pytest.approx(audmetric.pearson_cc(truth, said), rel=1e-9)
    assert mse(truth, said) == pytest.approx(sklearn.metrics.mean_squared_error(truth, said), rel=1e-9)
    assert mae(truth, said) == pytest.approx(sklearn.metrics.mean_absolute_error(truth, said), rel=1e-9)
    theirs = pearson_corrcoef(torch.tensor(said), torch.tensor(truth)).item()
    assert pcc(truth, said) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -0.7, 1e6 + 0.1])
@pytest.mark.parametrize("n", [2, 3, 999, 150_001])
def test_constants_are_undefined_where_nothing_varies(n: int, value: float) -> None:
    same, varied = np.full(n, value), np.linspace(-1, 1, n)
    assert math.isnan(ccc(same, same))
    assert math.isnan(pcc(same, same))
    assert math.isnan(pcc(varied, same))
    assert math.isnan(pcc(same, varied))
    assert ccc(same, varied) == 0
    assert ccc(same, same + 1) == 0
    assert mse(same, same) == 0
    assert mae(same, same + 1) == pytest.approx(1)
    assert math.isnan(Moments.of(same, same).icc().item())


def test_small_changes_on_a_large_constant_are_not_lost() -> None:
    rng = np.random.default_rng(0)
    truth, said = 1e6 + 1e-3 * rng.normal(size=1000), 1e6 + 1e-3 * rng.normal(size=1000)
    assert pcc(truth, said) == pytest.approx(written_out(truth, said)["pcc"], rel=1e-6)
    truth[0] = said[0] = 0
    assert pcc(truth, said) == pytest.approx(1, abs=1e-9)


def test_nothing_and_one_value() -> None:
    for metric in (ccc, pcc, mse, rmse, mae, sagr):
        assert math.isnan(metric([], []))
    assert math.isnan(ccc([0.5], [0.5]))
    assert math.isnan(ccc([0.5], [0.4]))
    assert math.isnan(pcc([0.5], [0.4]))
    assert mse([0.5], [0.25]) == 0.0625
    assert sagr([0.5], [-0.5]) == 0


def test_a_value_that_is_no_number_shows() -> None:
    assert math.isnan(ccc([0.1, np.nan, 0.3], [0.1, 0.2, 0.3]))
    assert math.isnan(mse([0.1, np.nan, 0.3], [0.1, 0.2, 0.3]))


values = arrays(
    np.float64, st.integers(0, 40), elements=st.integers(-1000, 1000).map(lambda number: number / 1000)
)


@given(values, st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_properties_of_correlations(truth: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    said = rng.permutation(truth) if seed % 2 else rng.uniform(-1, 1, len(truth)).round(3)
    for metric in (ccc, pcc):
        value, order = metric(truth, said), rng.permutation(len(truth))
        assert math.isnan(value) or abs(value) <= 1
        assert metric(said, truth) == pytest.approx(value, nan_ok=True, abs=1e-12)
        assert metric(truth[order], said[order]) == pytest.approx(value, nan_ok=True, abs=1e-9)
        same = metric(truth, truth)
        assert math.isnan(same) if len(set(truth)) < 2 else same == pytest.approx(1, abs=1e-15)
    if not (math.isnan(ccc(truth, said)) or math.isnan(pcc(truth, said))):
        assert abs(ccc(truth, said)) <= abs(pcc(truth, said)) + 1e-12


def test_ccc_with_itself_is_one_exactly() -> None:
    truth = random_pair(200_003, offset=0.3)[0]
    assert ccc(truth, truth) == 1
    assert Moments.of(truth, truth, groups=np.arange(200_003) // 1000).sum().ccc().item() == 1


# Classes.


def test_categorical_values() -> None:
    assert macro_f1(CLASSES, CHOSEN, 8) == pytest.approx(0.475)
    assert weighted_f1(CLASSES, CHOSEN, 8) == pytest.approx(0.66)
    assert accuracy(CLASSES, CHOSEN) == pytest.approx(0.7)
    assert uar(CLASSES, CHOSEN, 8) == pytest.approx(0.6944444444)
    assert np.nan_to_num(recalls(CLASSES, CHOSEN, 8)).mean() == pytest.approx(0.5208333333)


def test_macro_f1_is_over_the_classes_of_the_protocol_not_those_that_occur() -> None:
    present = sklearn.metrics.f1_score(CLASSES, CHOSEN, average="macro")
    assert present == pytest.approx(0.6333333333)
    assert mean_defined(Confusion.of(CLASSES, CHOSEN, 8).f1()[0])[0] == pytest.approx(present)
    assert abs(macro_f1(CLASSES, CHOSEN, 8) - present) > 0.1


@pytest.mark.parametrize("n", [1, 2, 10, 1000, 1_000_000])
def test_categorical_metrics_agree_with_libraries(n: int) -> None:
    rng = np.random.default_rng(n)
    truth = rng.integers(0, 7, n)
    chosen = np.where(rng.random(n) < 0.5, truth, rng.integers(0, 7, n))
    kept = {"labels": range(8), "zero_division": 0}
    if n > 1000:
        counts = sklearn.metrics.confusion_matrix(truth, chosen, labels=range(8))
        assert (confusion(truth, chosen, 8) == counts).all()
        assert accuracy(truth, chosen) == counts.trace() / n
        return
    f1 = sklearn.metrics.f1_score
    assert macro_f1(truth, chosen, 8) == pytest.approx(f1(truth, chosen, average="macro", **kept))
    assert weighted_f1(truth, chosen, 8) == pytest.approx(f1(truth, chosen, average="weighted", **kept))
    assert accuracy(truth, chosen) == pytest.approx(sklearn.metrics.accuracy_score(truth, chosen))
    expected = sklearn.metrics.recall_score(
        truth, chosen, average="macro", labels=np.unique(truth), zero_division=0
    )
    assert uar(truth, chosen, 8) == pytest.approx(expected)
    assert macro_f1(truth, chosen, 8) == pytest.approx(
        audmetric.unweighted_average_fscore(truth, chosen, labels=list(range(8)), zero_division=0)
    )


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64, np.float32])
def test_classes_may_be_numbers_of_any_type(dtype: type) -> None:
    truth, chosen = np.tile(CLASSES, 30).astype(dtype), np.tile(CHOSEN, 30).astype(dtype)
    assert (confusion(truth, chosen, 8) == confusion(CLASSES, CHOSEN, 8) * 30).all()
    assert confusion(truth, chosen, 100).sum() == 300


def test_confusion_has_the_truth_in_rows() -> None:
    assert confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist() == [[1, 1], [0, 1]]
    assert confusion(np.array([0]), np.array([1]), 2).dtype == np.int64


def test_no_rows_and_one_class() -> None:
    none = np.zeros(0, np.int64)
    for metric in (macro_f1, weighted_f1, uar):
        assert math.isnan(metric(none, none, 8))
    assert math.isnan(accuracy(none, none))
    assert np.isnan(recalls(none, none, 3)).all()
    assert confusion([], [], 2).tolist() == [[0, 0], [0, 0]]
    one = np.full(9, 2)
    assert macro_f1(one, one, 8) == pytest.approx(1 / 8)
    assert weighted_f1(one, one, 8) == uar(one, one, 8) == accuracy(one, one) == 1
    assert weighted_f1(one, one - 1, 8) == uar(one, one - 1, 8) == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [([0, 8], "class 8"), ([-1, 0], "class -1"), ([0.5, 1], "class 0.5"), ([np.nan, 1], "class nan")],
)
def test_a_class_that_the_protocol_lacks_is_refused(wrong: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=f"truth: {said}, expected"):
        confusion(np.array(wrong), np.array([0, 0]), 8)
    with pytest.raises(ValueError, match=f"prediction: {said}, expected"):
        confusion(np.array([0, 0]), np.array(wrong), 8)


def test_rows_that_are_masked_may_hold_anything() -> None:
    counts = Confusion.of([99, 1, np.nan, 0], [0, 1, 0, -5], 2, [False, True, False, False]).counts
    assert counts.tolist() == [[[0, 0], [0, 1]]]
    assert Confusion.of([9], [9], 2, [False]).counts.sum() == 0


# Action units.


def test_values_of_action_units() -> None:
    outcomes = Outcomes.of(UNITS, PRESENT).sum()
    assert outcomes.counts.tolist() == [[2, 0, 1, 3], [2, 1, 0, 3], [0, 1, 0, 5]]
    assert outcomes.f1() == pytest.approx([0.8, 0.8, 0])
    assert mean_defined(outcomes.f1())[0] == pytest.approx(0.5333333333)
    assert outcomes.total_accuracy() == pytest.approx(0.8333333333)
    assert outcomes.accuracy() == pytest.approx([5 / 6, 5 / 6, 5 / 6])
    score = abaw_action_units_2020(outcomes.f1(empty=0).mean(), outcomes.total_accuracy())
    assert score == pytest.approx(0.6833333333)


def test_mean_f1_is_none_of_the_other_means() -> None:
    f1, mean = sklearn.metrics.f1_score, Outcomes.of(UNITS, PRESENT).f1().mean()
    both = np.mean([f1(UNITS[:, i], PRESENT[:, i], average="macro", zero_division=0) for i in range(3)])
    assert both == pytest.approx(0.7038961039)
    assert f1(UNITS, PRESENT, average="micro") == pytest.approx(0.7272727273)
    assert sklearn.metrics.accuracy_score(UNITS, PRESENT) == pytest.approx(0.5)
    assert mean == pytest.approx(f1(UNITS, PRESENT, average="macro", zero_division=0))
    assert all(abs(mean - wrong) > 0.03 for wrong in (both, 0.7272727273, 0.5))


def test_f1_and_its_skew_normalised_form() -> None:
    truth = np.repeat([1, 1, 0, 0], [14, 6, 27, 153])
    said = np.repeat([1, 0, 1, 0], [14, 6, 27, 153])
    assert binary_f1(truth, said) == pytest.approx(0.4590163934)
    assert f1_norm(truth, said) == pytest.approx(0.7567567568)
    assert f1_norm(np.tile(truth, 4), np.tile(said, 4)) == pytest.approx(0.7567567568)
    more = np.repeat([1, 1, 0, 0], [14, 6, 270, 1530])
    assert f1_norm(more, np.repeat([1, 0, 1, 0], [14, 6, 270, 1530])) == pytest.approx(0.7567567568)


@pytest.mark.parametrize("n", [1, 2, 7, 1000, 200_001])
def test_action_units_agree_with_scikit_learn(n: int) -> None:
    rng = np.random.default_rng(n)
    truth, said, known = (rng.random((n, 4)) < share for share in ([0, 0.1, 0.5, 1], 0.3, 0.8))
    outcomes = Outcomes.of(truth, said, known).sum()
    for i in range(4):
        mine, chosen = truth[known[:, i], i], said[known[:, i], i]
        positives = bool(mine.any() or chosen.any())
        f1 = sklearn.metrics.f1_score(mine, chosen, zero_division=0) if len(mine) else 0
        assert outcomes.f1()[i] == pytest.approx(f1 if positives else math.nan, nan_ok=True)
        assert outcomes.f1(empty=0)[i] == pytest.approx(f1)
        assert binary_f1(mine, chosen) == pytest.approx(outcomes.f1()[i], nan_ok=True)
        right = (mine == chosen).mean() if len(mine) else math.nan
        assert outcomes.accuracy()[i] == pytest.approx(right, nan_ok=True)
    if known.any():
        assert outcomes.total_accuracy() == pytest.approx((truth == said)[known].mean())


def test_what_no_one_has_is_undefined() -> None:
    absent, present = np.zeros(5, bool), np.ones(5, bool)
    assert math.isnan(binary_f1(absent, absent))
    assert math.isnan(binary_f1(absent[:0], absent[:0]))
    assert binary_f1(absent, present) == binary_f1(present, absent) == 0
    assert math.isnan(f1_norm(absent, present))
    assert math.isnan(f1_norm(present, present))
    assert f1_norm([1, 0], [0, 0]) == 0


def test_a_cell_that_is_neither_present_nor_absent_is_refused_unless_masked() -> None:
    truth = np.array([[1, 999], [0, 1]])
    with pytest.raises(ValueError, match="truth: 999, expected 0 or 1; mask what is unknown"):
        Outcomes.of(truth, truth == 1)
    with pytest.raises(ValueError, match=r"prediction: 0\.5, expected 0 or 1"):
        Outcomes.of(truth == 1, [[1, 0.5], [0, 1]])
    counts = Outcomes.of(truth, truth == 1, truth != 999).sum().counts
    assert counts.tolist() == [[1, 0, 0, 1], [1, 0, 0, 0]]


@pytest.mark.parametrize("n", [2, 5, 30, 1000, 100_000])
def test_auc_agrees_with_scikit_learn(n: int) -> None:
    rng = np.random.default_rng(n)
    truth = np.arange(n) % 3 == 0
    for score in (rng.random(n), rng.integers(0, 4, n), np.ones(n), rng.random(n) + truth):
        expected = sklearn.metrics.roc_auc_score(truth, score)
        assert auc(truth, score) == pytest.approx(expected, abs=1e-12)
        assert auc(truth.astype(int), -score) == pytest.approx(1 - expected, abs=1e-12)


def test_auc_is_the_share_of_pairs_in_order() -> None:
    truth, score = np.array([0, 1, 0, 1, 1, 0]), np.array([0.1, 0.4, 0.4, 0.9, 0.1, 0.2])
    pairs = [(p > q) + (p == q) / 2 for p in score[truth == 1] for q in score[truth == 0]]
    assert auc(truth, score) == pytest.approx(sum(pairs) / len(pairs))
    assert auc([1, 0], [3, 2]) == 1


@pytest.mark.parametrize(
    ("truth", "score"), [([], []), ([1, 1], [0, 1]), ([0], [0.3]), ([0, 1, 1], [0.1, np.nan, 0.3])]
)
def test_auc_is_undefined_without_both_classes_or_with_no_number(
    truth: list[int], score: list[float]
) -> None:
    assert math.isnan(auc(truth, score))


# Shapes, means and challenges.


def test_shapes_that_differ_are_refused() -> None:
    for metric in (ccc, mse, sagr, binary_f1, f1_norm, auc, accuracy):
        with pytest.raises(ValueError, match=r"truth \(3,\), prediction \(2,\): expected one shape"):
            metric([0, 1, 1], [0, 1])
    for metric in (ccc, mse, sagr, binary_f1, f1_norm, auc, accuracy):
        with pytest.raises(ValueError, match=r"truth \(1, 2\): expected \(n,\)"):
            metric([[0, 1]], [[0, 1]])
    with pytest.raises(ValueError, match="known"):
        Moments.of([0, 1], [0, 1], [True])


def test_a_mean_says_of_how_many_it_is() -> None:
    mean, count = mean_defined(np.array([[0.5, np.nan, 1], [np.nan] * 3]))
    assert mean.tolist() == pytest.approx([0.75, np.nan], nan_ok=True)
    assert count.tolist() == [2, 0]


def test_scores_of_the_challenges() -> None:
    assert abaw_expression_2020(macro_f1(CLASSES, CHOSEN, 8), 0.7) == pytest.approx(0.54925)
    assert abaw_action_units_2020(0.5333333333, 0.8333333333) == pytest.approx(0.6833333333)
    assert abaw_mean(np.array([0.24, 0.20])) == pytest.approx(0.22)
    assert math.isnan(abaw_mean(np.array([0.24, np.nan])))
    assert abaw_multi_task(0.22, 0.25, 0.39) == pytest.approx(0.86)
    assert abaw_multi_task(1, 1, 1) == 3
    assert emotionet(0.9, 0.5) == pytest.approx(0.7)
    np.testing.assert_allclose(abaw_expression_2020(np.array([0, 1]), np.array([1, 1])), [0.33, 1])


def test_a_score_is_told_with_its_count() -> None:
    assert str(Score("CCC", 0.25, 7, "per video")).endswith("0.2500  n = 7  (per video)")


def test_public_names_are_sorted_and_there() -> None:
    names = mien.metrics.__all__
    assert names == sorted(names, key=lambda name: (not name[0].isupper(), name))
    assert all(hasattr(mien.metrics, name) for name in names)
