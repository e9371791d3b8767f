"""One label from several votes: majority, shares of votes, Dawid and Skene's model.

Votes are (n, annotators): class numbers from 0, NaN for no vote. What comes back is (n, classes), each row
adding up to 1, and NaN where nothing can be told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.metrics.raters import vote_counts
from mien.metrics.statistics import ratio

LEAST = 1e-10
"""No probability of the model is smaller, so that one rare vote cannot rule a class out."""


def soft(votes: FloatArray, classes: int) -> FloatArray:
    """Return the share of votes of each class; NaN where nobody voted."""
    counts = vote_counts(votes, classes)
    return ratio(counts, counts.sum(axis=1, keepdims=True))


def majority(votes: FloatArray, classes: int) -> FloatArray:
    """Return 1 for the class with most votes, 0 for the others; NaN where several have most, or none."""
    counts = vote_counts(votes, classes)
    winners = counts == counts.max(axis=1, keepdims=True)
    clear = (counts.sum(axis=1) > 0) & (winners.sum(axis=1) == 1)
    return np.where(clear[:, None], winners.astype(float), np.nan)


def dawid_skene(votes: FloatArray, classes: int) -> FloatArray:
    """Return each class's probability by the model of Dawid and Skene; NaN where nobody voted."""
    return Skene.fit(votes, classes).shares


METHODS: Mapping[str, Callable[[FloatArray, int], FloatArray]] = {
    "majority": majority,
    "soft": soft,
    "dawid-skene": dawid_skene,
}
"""Every way by its name."""


def decided(shares: FloatArray) -> IntArray:
    """Return the class with the largest share, (n,); -1 where several have it, or nothing is known."""
    filled = np.where(np.isfinite(shares), shares, -1.0)
    best = filled.max(axis=1, keepdims=True)
    leading: BoolArray = np.asarray(filled >= best - 1e-12)
    clear = (leading.sum(axis=1) == 1) & (best[:, 0] > 0)
    return np.where(clear, filled.argmax(axis=1), -1)


@dataclass(frozen=True, eq=False)
class Skene:
    """Dawid and Skene's (1979) model: each annotator has a confusion matrix, found together with the truth.

    Rows count as independent, which neighbouring frames are not: probabilities come out surer than they are.

    Attributes:
        shares: (n, classes) probability of each class; NaN where nobody voted.
        confusions: (annotators, classes, classes) probability of a vote (column) for a true class (row).
        priors: (classes,) how frequent each class is.
        rounds: how many were needed.
    """

    shares: FloatArray
    confusions: FloatArray
    priors: FloatArray
    rounds: int

    @classmethod
    def fit(cls, votes: FloatArray, classes: int, rounds: int = 200, tolerance: float = 1e-7) -> "Skene":
        """Return the model of some votes, by expectation and maximisation from the shares of votes.

        Rows with the same votes are looked at once.

        Args:
            votes: (n, annotators).
            classes: how many there are.
            rounds: the most that are made.
            tolerance: it ends when no probability changes by more.
        """
        filled = np.where(np.isfinite(votes), votes, -1).astype(int)
        patterns, places, counts = np.unique(filled, axis=0, return_inverse=True, return_counts=True)
        voted: BoolArray = np.asarray(patterns >= 0)
        counts = counts * voted.any(axis=1)
        cast = np.stack([patterns == name for name in range(classes)], axis=2).astype(float)
        shares = np.nan_to_num(soft(np.where(patterns < 0, np.nan, patterns.astype(float)), classes))
        confusions, priors, made = np.zeros((votes.shape[1], classes, classes)), np.zeros(classes), 0
        while made < rounds:
            made += 1
            weighted = shares * counts[:, None]
            priors = (weighted.sum(axis=0) / max(1, counts.sum())).clip(LEAST)
            confusions = np.einsum("pt,pav->atv", weighted, cast).clip(LEAST)
            confusions /= confusions.sum(axis=2, keepdims=True)
            logs = np.log(priors) + np.einsum("pav,atv->pt", cast, np.log(confusions))
            likely = np.exp(logs - logs.max(axis=1, keepdims=True))
            before, shares = shares, likely / likely.sum(axis=1, keepdims=True)
            if not len(shares) or np.abs(shares - before).max() <= tolerance:
                break
        known: BoolArray = np.asarray(np.isfinite(votes).any(axis=1))
        told = np.where(known[:, None], shares[places.ravel()], np.nan)
        return cls(told, confusions, priors, made)
