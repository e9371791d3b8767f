"""Agreement of several raters beyond chance: kappas, AC1 and Krippendorff's alpha.

Votes are (n, raters): category numbers from 0, NaN where a rater said nothing. Undefined is NaN.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mien.arrays import FloatArray
from mien.metrics.statistics import ratio

Level = Literal["nominal", "ordinal", "interval"]

WEIGHTS = {"": 0, "linear": 1, "quadratic": 2}
"""Powers of the distance by which disagreements of two raters weigh; none: all alike."""


def vote_counts(votes: ArrayLike, categories: int) -> FloatArray:
    """Return how many raters chose each category, (n, categories).

    Args:
        votes: (n, raters), NaN for no vote.
        categories: how many there are.

    Raises:
        ValueError: a vote is no number from 0 to categories - 1.
    """
    table = _table(votes)
    cast = table[np.isfinite(table)]
    if np.any((cast < 0) | (cast >= categories) | (cast != np.round(cast))):
        raise ValueError(f"votes from {cast.min():g} to {cast.max():g}: expected 0 to {categories - 1}")
    return np.stack([(table == category).sum(axis=1) for category in range(categories)], axis=1).astype(float)


def cohen(first: ArrayLike, second: ArrayLike, categories: int, weights: str = "") -> float:
    """Return Cohen's kappa of two raters, at most 1; rows that one of them left out do not count.

    Cohen 1960; with weights Cohen 1968. NaN for no rows, and where chance alone agrees wholly.

    Args:
        first: (n,) category numbers, NaN for no vote.
        second: (n,) likewise.
        categories: how many there are.
        weights: one of WEIGHTS.

    Raises:
        ValueError: shapes differ, a vote is no category, or there are no such weights.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"no weights {weights!r}; there are {', '.join(map(repr, WEIGHTS))}")
    pair = np.stack([np.asarray(first, float), np.asarray(second, float)], axis=1)
    pair = pair[np.isfinite(pair).all(axis=1)]
    vote_counts(pair, categories)
    cells = pair[:, 0] * categories + pair[:, 1]
    seen = np.bincount(cells.astype(int), minlength=categories**2).reshape(categories, categories)
    rows, columns = seen.sum(axis=1), seen.sum(axis=0)
    apart = np.abs(np.subtract.outer(np.arange(categories), np.arange(categories)))
    cost = apart ** WEIGHTS[weights] if weights else apart > 0
    by_chance = (cost * np.outer(rows, columns)).sum()
    return float(1 - ratio((cost * seen).sum() * len(pair), by_chance))


def fleiss(votes: ArrayLike, categories: int) -> float:
    """Return Fleiss's (1971) kappa, at most 1, over the rows on which all raters voted; NaN for none."""
    counts = _complete(votes, categories)
    shares = ratio(counts.sum(axis=0), counts.sum())
    return _beyond(_agreeing(counts), float((shares**2).sum()))


def randolph(votes: ArrayLike, categories: int) -> float:
    """Return Randolph's (2005) free-marginal kappa over the rows on which all raters voted; NaN for none.

    Chance is 1 / categories, so that a rare category does not make it collapse.
    """
    return _beyond(_agreeing(_complete(votes, categories)), 1 / categories)


def ac1(votes: ArrayLike, categories: int) -> float:
    """Return Gwet's (2008) AC1, at most 1, over the rows with two votes or more; NaN for none.

    Chance is small where one category prevails, so that a rare one does not make it collapse.
    """
    counts = vote_counts(votes, categories)
    counts = counts[counts.sum(axis=1) >= 1]
    shares = ratio(counts, counts.sum(axis=1, keepdims=True)).sum(axis=0)
    shares = ratio(shares, len(counts))
    chance = float((shares * (1 - shares)).sum() / (categories - 1))
    return _beyond(_agreeing(counts[counts.sum(axis=1) >= 2]), chance)


def agreed(votes: ArrayLike, categories: int) -> float:
    """Return the share of pairs of votes on one row that are equal, in [0, 1]; NaN for no pair.

    Each row with two votes or more counts alike.
    """
    counts = vote_counts(votes, categories)
    return _agreeing(counts[counts.sum(axis=1) >= 2])


def krippendorff(votes: ArrayLike, level: Level = "nominal") -> float:
    """Return Krippendorff's (2011) alpha, at most 1; votes that are alone on their row do not count.

    NaN for no row with two votes, and where all votes are equal.

    Args:
        votes: (n, raters) numbers, NaN for no vote; of the interval level any, else categories or grades.
        level: nominal: values differ or not; ordinal: by how many votes lie between; interval: squares.

    Raises:
        ValueError: there is no such level.
    """
    table = _table(votes)
    table = table[np.isfinite(table).sum(axis=1) >= 2]
    if level == "interval":
        return _interval(table)
    if level not in ("nominal", "ordinal"):
        raise ValueError(f"no level {level!r}; there are nominal, ordinal, interval")
    values = np.unique(table[np.isfinite(table)])
    counts = np.stack([(table == value).sum(axis=1) for value in values], axis=1) if len(values) else None
    if counts is None:
        return float("nan")
    totals = counts.sum(axis=0).astype(float)
    scaled = counts / (counts.sum(axis=1, keepdims=True) - 1)
    together = counts.T @ scaled - np.diag(scaled.sum(axis=0))
    cost = _between(totals) if level == "ordinal" else np.asarray(1 - np.eye(len(values)))
    by_chance = (cost * np.outer(totals, totals)).sum() / (totals.sum() - 1)
    return float(1 - ratio((cost * together).sum(), by_chance))


def _interval(table: FloatArray) -> float:
    """Return alpha of the interval level, by sums of squares: no table of values by values."""
    known = np.isfinite(table)
    if not known.any():
        return float("nan")
    values = np.where(known, table - table[known].mean(), 0)
    count, total, squares = known.sum(axis=1), values.sum(axis=1), (values**2).sum(axis=1)
    n = int(count.sum())
    apart = ((count * squares - total**2).clip(0) / (count - 1)).sum()
    by_chance = (n * squares.sum() - total.sum() ** 2) / (n - 1)
    return float(1 - ratio(apart, by_chance if by_chance > 1e-14 * n else 0))


def _between(totals: FloatArray) -> FloatArray:
    """Return the squared ordinal distances of values, of which each has so many votes."""
    upto = np.cumsum(totals)
    middle = upto - totals / 2
    return np.asarray(np.subtract.outer(middle, middle) ** 2)


def _agreeing(counts: FloatArray) -> float:
    """Return the mean over rows of the share of equal pairs of votes."""
    count = counts.sum(axis=1)
    shares = ratio((counts * (counts - 1)).sum(axis=1), count * (count - 1))
    return float(ratio(shares.sum(), len(shares)))


def _complete(votes: ArrayLike, categories: int) -> FloatArray:
    """Return the counts of the rows on which all raters voted."""
    table = _table(votes)
    return vote_counts(table[np.isfinite(table).all(axis=1)], categories)


def _beyond(agreed: float, chance: float) -> float:
    """Return agreement beyond chance."""
    return float(1 - ratio(1 - agreed, 1 - chance))


def _table(votes: ArrayLike) -> FloatArray:
    """Return votes as numbers.

    Raises:
        ValueError: they are not (n, raters).
    """
    table = np.asarray(votes, float)
    if table.ndim != 2:
        raise ValueError(f"votes {table.shape}: expected (n, raters)")
    return table
