"""One figure as it is printed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """One figure and what it was counted over.

    Attributes:
        name: of the metric, with the label set and rule it follows.
        value: NaN where undefined.
        count: rows counted.
        note: what a reader must know to compare it.
    """

    name: str
    value: float
    count: int
    note: str = ""

    def __str__(self) -> str:
        note = f"  ({self.note})" if self.note else ""
        return f"{self.name:<52} {self.value:7.4f}  n = {self.count}{note}"
