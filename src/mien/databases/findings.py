"""What is wrong with a database's folder, gathered while it is read.

A reader refuses a malformed row unless it was asked to skip; everything else that a holder of the
database should know is gathered for `mien databases check`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from mien.errors import DatabaseError

EXAMPLES = 20
"""How many names of a kind are kept; all are counted."""


@dataclass
class Tally:
    """A count with its first examples."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(example)


class Findings:
    """What a reader found.

    Args:
        skip: leave malformed rows out and gather them; otherwise the first one is an error.

    Attributes:
        release: which release of the database the folder holds, in the reader's words.
        malformed: rows that break the format, as "file, line k: what was found and expected".
        unmatched: what has no counterpart, by kind ("label without a picture").
        notes: what one should know and is no fault.
    """

    def __init__(self, skip: bool = False) -> None:
        self.release = ""
        self.malformed = Tally()
        self.unmatched: dict[str, Tally] = {}
        self.notes: list[str] = []
        self._skip = skip
        self._place = ""

    def row(self, path: Path, line: int) -> Self:
        """Give a block in which a ValueError means that this line is malformed.

            with findings.row(path, line):
                values.append(number(text, "valence", -1, 1))

        Where malformed rows are skipped the block just ends; otherwise it raises DatabaseError.
        """
        self._place = f"{path}, line {line}"
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, ValueError):
            return False
        self.fault(f"{self._place}: {error}")
        return True

    def fault(self, message: str) -> None:
        """Gather a malformed row or file, named in the message.

        Raises:
            DatabaseError: unless malformed rows are skipped.
        """
        if not self._skip:
            raise DatabaseError(message)
        self.malformed.add(message)

    def unmatch(self, kind: str, name: str) -> None:
        """Gather something that has no counterpart."""
        self.unmatched.setdefault(kind, Tally()).add(name)

    def note(self, text: str) -> None:
        """Gather something to know."""
        self.notes.append(text)
