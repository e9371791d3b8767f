"""Whether probabilities are what they say: how often each confidence is right."""

import numpy as np
from numpy.typing import ArrayLike

from mien.arrays import FloatArray

BINS = 10
"""Bins of equal width from 0 to 1."""


def confidence_bins(confidence: ArrayLike, right: ArrayLike) -> FloatArray:
    """Return of each bin how many rows, the sum of their confidence, how many are right, (BINS, 3).

    Bins of several pieces of the rows add up to those of all.

    Args:
        confidence: (n,) probabilities of what was said.
        right: (n,) whether it was right.

    Raises:
        ValueError: shapes differ.
    """
    said, true = np.asarray(confidence, np.float64), np.asarray(right, np.float64)
    if said.shape != true.shape or said.ndim != 1:
        raise ValueError(f"confidence {said.shape} and right {true.shape}, expected (n,) for both")
    place = np.clip((said * BINS).astype(np.int64), 0, BINS - 1)
    sums = [np.bincount(place, weights, BINS) for weights in (np.ones_like(said), said, true)]
    return np.stack(sums, axis=1).astype(np.float64)


def calibration_error(bins: FloatArray) -> float:
    """Return the expected calibration error, in [0, 1]; NaN for no rows.

    The mean over rows of the gap between the mean confidence of their bin and the share that is right in it
    (Naeini, Cooper and Hauskrecht 2015). It is above 0 for a perfect network too, since a bin of few rows is
    right more or less often by chance.

    Args:
        bins: as `confidence_bins` counts them.
    """
    rows = bins[:, 0].sum()
    return float(np.abs(bins[:, 1] - bins[:, 2]).sum() / rows) if rows else float("nan")
