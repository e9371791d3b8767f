"""Intraclass correlations against published values and mean squares written out."""

import math

import numpy as np
import pytest

from mien.metrics import Moments, icc
from mien.metrics.agreement import FORMS

GRADES = [0, 0, 1, 2, 3, 3, 2, 1, 0, 5]
GRADED = [0.2, 0.1, 0.8, 1.6, 2.2, 3.1, 2.4, 1.2, 0.3, 3.9]

JUDGES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
"""Shrout & Fleiss 1979, table 2: six targets, four judges."""


def random_pair(n: int, seed: int = 0, offset: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return two arrays (n,) that go together somewhat."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-1, 1, n)
    return truth + offset, 0.6 * truth + rng.normal(0.1, 0.3, n) + offset


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("ICC(3,1)", 0.9426479561),
        ("ICC(C,1)", 0.9426479561),
        ("ICC(A,1)", 0.9450),
        ("ICC(1,1)", 0.9450),
        ("ICC(C,k)", 0.9705),
    ],
)
def test_icc_values(form: str, value: float) -> None:
    close = 1e-9 if form in ("ICC(3,1)", "ICC(C,1)") else 5e-5
    assert icc(np.stack([GRADES, GRADED], axis=1), form) == pytest.approx(value, abs=close)
    assert Moments.of(GRADES, GRADED).icc(form).item() == pytest.approx(value, abs=close)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        *(("ICC(1,1)", 0.17), ("ICC(2,1)", 0.29), ("ICC(3,1)", 0.71)),
        *(("ICC(1,k)", 0.44), ("ICC(2,k)", 0.62), ("ICC(3,k)", 0.91)),
    ],
)
def test_icc_of_shrout_and_fleiss(form: str, value: float) -> None:
    assert icc(JUDGES, form) == pytest.approx(value, abs=0.005)


def written_out(ratings: np.ndarray) -> dict[str, float]:
    """Return the intraclass correlations by form, from mean squares written out (McGraw & Wong 1996)."""
    n, k = ratings.shape
    cells = [(i, j) for i in range(n) for j in range(k)]
    whole = sum(ratings[i, j] for i, j in cells) / (n * k)
    rows = [sum(ratings[i]) / k for i in range(n)]
    columns = [sum(ratings[:, j]) / n for j in range(k)]
    between = k * sum((row - whole) ** 2 for row in rows) / (n - 1)
    within = sum((ratings[i, j] - rows[i]) ** 2 for i, j in cells) / (n * (k - 1))
    judges = n * sum((column - whole) ** 2 for column in columns) / (k - 1)
    error = sum((ratings[i, j] - rows[i] - columns[j] + whole) ** 2 for i, j in cells) / ((n - 1) * (k - 1))
    return {
        "ICC(1,1)": (between - within) / (between + (k - 1) * within),
        "ICC(A,1)": (between - error) / (between + (k - 1) * error + k * (judges - error) / n),
        "ICC(C,1)": (between - error) / (between + (k - 1) * error),
        "ICC(1,k)": (between - within) / between,
        "ICC(A,k)": (between - error) / (between + (judges - error) / n),
        "ICC(C,k)": (between - error) / between,
    }


@pytest.mark.parametrize(("n", "k"), [(2, 2), (5, 2), (12, 4), (100, 3)])
def test_icc_agrees_with_mean_squares_written_out(n: int, k: int) -> None:
    rng = np.random.default_rng(n)
    ratings = rng.normal(0, 1, (n, 1)) + rng.normal(0, 0.7, (n, k)) + rng.normal(0, 0.5, k)
    expected = written_out(ratings)
    assert len(expected) == 6
    assert {form: icc(ratings, form) for form in expected} == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_icc_of_two_raters_follows_from_their_moments(form: str) -> None:
    for offset in (0.0, 1e6):
        truth, said = random_pair(5000, offset=offset)
        expected = icc(np.stack([truth, said], axis=1), form)
        assert Moments.of(truth, said).icc(form).item() == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("form", FORMS)
def test_icc_at_the_edges(form: str) -> None:
    assert math.isnan(icc(np.zeros((0, 2)), form))
    assert math.isnan(icc([[1, 2]], form))
    assert math.isnan(icc(np.full((7, 3), 0.1), form))
    assert math.isnan(icc([[1, 2], [np.nan, 3], [2, 2]], form))
    assert icc(np.tile([[0.1], [0.3], [0.7]], 4), form) == pytest.approx(1)
    assert math.isnan(Moments.of([], []).icc(form).item())
    assert math.isnan(Moments.of([0.3], [0.2]).icc(form).item())


def test_consistency_forgives_a_different_mean_and_agreement_does_not() -> None:
    ratings = np.stack([GRADES, np.add(GRADES, 3)], axis=1)
    assert icc(ratings, "ICC(C,1)") == pytest.approx(1)
    assert icc(ratings, "ICC(A,1)") < 0.5
    assert icc(ratings, "ICC(1,1)") < 0.5
    assert math.isnan(icc(np.tile([0.1, 0.4], (5, 1)), "ICC(C,1)"))
    assert icc(np.tile([0.1, 0.4], (5, 1)), "ICC(A,1)") == 0


def test_an_unknown_form_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"'ICC\(4,1\)'.*ICC\(1,1\), .*ICC\(A,1\)"):
        icc(JUDGES, "ICC(4,1)")
    with pytest.raises(ValueError, match=r"\(6,\): expected \(n, raters\)"):
        icc([1, 2, 3, 4, 5, 6])
