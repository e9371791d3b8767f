"""A column of names, each spelled once: three million rows that name 600 videos stay small."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mien.arrays import BoolArray, IntArray, Rows

TEXT = np.dtypes.StringDType()
"""Text of any length; the short ones lie within the array itself."""


@dataclass(frozen=True, eq=False)
class Names:
    """n names.

    Attributes:
        codes: (n,) int32 places in the vocabulary.
        vocabulary: (m,) the different names; cutting rows may leave some that no row has.
    """

    codes: IntArray
    vocabulary: NDArray[Any]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Return a column of these texts; the vocabulary is in order of appearance."""
        places: dict[str, int] = {}
        codes = np.array([places.setdefault(text, len(places)) for text in texts], np.int32)
        return cls(codes, np.array(list(places), TEXT))

    @classmethod
    def repeat(cls, text: str, rows: int) -> Self:
        """Return a column in which every row has the same text."""
        return cls(np.zeros(rows, np.int32), np.array([text], TEXT))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of all parts, in order."""
        spelled = cls.of(name for part in parts for name in part.vocabulary)
        starts = np.cumsum([0, *(len(part.vocabulary) for part in parts)])
        codes = [spelled.codes[start + part.codes] for start, part in zip(starts, parts, strict=False)]
        return cls(np.concatenate(codes).astype(np.int32), spelled.vocabulary)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Rows) -> Self:
        return type(self)(self.codes[rows], self.vocabulary)

    def compact(self) -> Self:
        """Return the same names with a vocabulary of just those that rows have."""
        used, codes = np.unique(self.codes, return_inverse=True)
        return type(self)(codes.astype(np.int32), self.vocabulary[used])

    def at(self, row: int) -> str:
        """Return the name of one row."""
        return str(self.vocabulary[self.codes[row]])

    def text(self) -> list[str]:
        """Return every row's name."""
        return [str(name) for name in self.vocabulary[self.codes]]

    def matches(self, *wanted: str) -> BoolArray:
        """Return which rows have one of these names, (n,)."""
        hits = np.array([str(name) in wanted for name in self.vocabulary], bool)
        return hits[self.codes] if len(hits) else np.zeros(len(self), bool)

    def counts(self) -> dict[str, int]:
        """Return how many rows have each name, in the vocabulary's order; names of no row left out."""
        numbers = np.bincount(self.codes, minlength=len(self.vocabulary))
        return {str(self.vocabulary[code]): int(numbers[code]) for code in np.flatnonzero(numbers)}
