"""What the statistics of all kinds of labels share: rows in pieces, counts that add up, shares."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.arrays import BoolArray, FloatArray, IntArray, Rows

SCATTERED = 16
"""Rows whose groups change more often than once in so many are looked at in order of their groups."""


@dataclass(frozen=True, eq=False)
class Counts:
    """Counts by group.

    Attributes:
        counts: (groups, ...) in float64, which holds whole numbers exactly up to 2 ** 53.
    """

    counts: FloatArray

    def __add__(self, other: Self) -> Self:
        """Return the counts of the rows of both, group by group."""
        same_shape(self=self.counts, other=other.counts)
        return type(self)(self.counts + other.counts)

    def __getitem__(self, groups: Rows) -> Self:
        """Return the counts of some groups."""
        return type(self)(self.counts[groups])

    def sum(self, weights: FloatArray | IntArray | None = None) -> Self:
        """Return the counts of all groups together; what was the groups' axis is then the weights'.

        Args:
            weights: how often each group counts: (groups,), or (samples, groups) for that many samples of
                a bootstrap; None for once each.
        """
        return type(self)(weighted(self.counts, weights))


def weighted(values: FloatArray, weights: FloatArray | IntArray | None) -> FloatArray:
    """Return sums over the first axis, (...) or with weights (samples, n) also (samples, ...)."""
    if weights is None:
        return np.asarray(values.sum(axis=0))
    return np.asarray(np.tensordot(np.asarray(weights, np.float64), values, axes=(-1, 0)))


def ratio(part: ArrayLike, whole: ArrayLike) -> FloatArray:
    """Return part / whole; NaN where whole is 0, or NaN."""
    above, below = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    share = np.full(above.shape, np.nan)
    np.divide(above, below, out=share, where=below != 0)
    return share


def mean_defined(values: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the mean over the last axis of what is defined, and of how many values it is.

    Args:
        values: (..., labels), NaN where undefined.
    """
    defined = np.isfinite(values)
    count = defined.sum(axis=-1)
    return ratio(np.where(defined, values, 0).sum(axis=-1), count), count


def same_shape(**arrays: NDArray[Any]) -> None:
    """Check that arrays have one shape.

    Raises:
        ValueError: they have several.
    """
    if len({array.shape for array in arrays.values()}) > 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"{shapes}: expected one shape")


def flat(truth: ArrayLike, prediction: ArrayLike, known: ArrayLike | None = None) -> list[NDArray[Any]]:
    """Return truth and prediction, and the mask where there is one, as arrays (n,).

    Raises:
        ValueError: they are not of one shape (n,).
    """
    return _alike(truth, prediction, known, dimensions=(1,))


def columns(truth: ArrayLike, prediction: ArrayLike, known: ArrayLike | None) -> list[NDArray[Any]]:
    """Return truth and prediction, and the mask where there is one, as (n, labels).

    Args:
        truth: (n,) or (n, labels).
        prediction: of the same shape.
        known: of the same shape; None where all is known.

    Raises:
        ValueError: the shapes differ, or are others.
    """
    alike = _alike(truth, prediction, known, dimensions=(1, 2))
    return [array[:, None] if array.ndim == 1 else array for array in alike]


def _alike(
    truth: ArrayLike, prediction: ArrayLike, known: ArrayLike | None, dimensions: tuple[int, ...]
) -> list[NDArray[Any]]:
    """Return arrays of one shape.

    Raises:
        ValueError: they have several, or not so many dimensions.
    """
    named = {"truth": np.asarray(truth), "prediction": np.asarray(prediction)}
    if known is not None:
        named["known"] = np.asarray(known, bool)
    same_shape(**named)
    if named["truth"].ndim not in dimensions:
        wanted = " or ".join(("(n,)", "(n, labels)")[: len(dimensions)])
        raise ValueError(f"truth {named['truth'].shape}: expected {wanted}")
    return list(named.values())


@dataclass(frozen=True, eq=False)
class Piece:
    """Some rows, cut into runs of one group each.

    Attributes:
        rows: which rows of the whole.
        starts: (runs,) where each run begins within these.
        homes: (runs,) each run's group.
    """

    rows: slice | IntArray
    starts: IntArray
    homes: IntArray

    def of(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return these rows of an array (n, ...) of all; np.take is thrice as fast as an index."""
        return array[self.rows] if isinstance(self.rows, slice) else np.take(array, self.rows, axis=0)

    def known(self, known: BoolArray) -> "Piece":
        """Return the runs of only the rows that are known.

        Args:
            known: (n,) mask of this piece's rows. It is for the caller to take the rows themselves by it;
                `rows` is left as it is.
        """
        lengths = np.add.reduceat(known, self.starts, dtype=np.intp)
        lengths, homes = lengths[lengths > 0], self.homes[lengths > 0]
        return Piece(self.rows, np.cumsum(lengths) - lengths, homes)


def pieces(
    length: int, groups: ArrayLike | None, count: int | None, step: int
) -> tuple[int, Iterator[Piece]]:
    """Return the number of groups, and rows in pieces that fit a processor's memory.

    Args:
        length: how many rows.
        groups: (length,) each row's group, from 0; None for one group.
        count: how many groups; None for as many as are named.
        step: rows of a piece.

    Raises:
        ValueError: groups are not whole numbers from 0 to count - 1, one for each row.
    """
    if groups is None:
        none = np.zeros(1, np.intp)
        return count or 1, (
            Piece(slice(start, min(start + step, length)), none, none) for start in range(0, length, step)
        )
    named = np.asarray(groups)
    if named.shape != (length,) or (length and named.dtype.kind not in "iu"):
        raise ValueError(f"groups {named.shape} of {named.dtype}: expected ({length},) whole numbers")
    highest = int(named.max(initial=-1))
    count = highest + 1 if count is None else count
    if length and (named.min() < 0 or highest >= count):
        raise ValueError(f"groups {named.min()} to {highest}: expected 0 to {count - 1}")
    changes = int(np.count_nonzero(named[1:] != named[:-1]))
    order = _order(named, count) if changes * SCATTERED > length else None
    return count, (_piece(named, order, slice(start, start + step)) for start in range(0, length, step))


def _order(groups: IntArray, count: int) -> IntArray:
    """Return the rows in order of their groups."""
    short = groups.astype(np.int16) if count < 2**15 else groups  # of two bytes numpy sorts by counting
    return np.argsort(short, kind="stable")


def _piece(groups: IntArray, order: IntArray | None, part: slice) -> Piece:
    """Return some rows, of those in order where an order is given."""
    rows = part if order is None else order[part]
    own = groups[rows]
    starts = np.flatnonzero(np.concatenate([[True], own[1:] != own[:-1]]))
    return Piece(rows, starts, own[starts].astype(np.intp))
