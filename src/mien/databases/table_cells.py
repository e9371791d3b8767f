"""The cells of somebody's own table, of CSV or Parquet, column by column and checked row by row."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.databases.findings import Findings
from mien.databases.text import fields, lines, table
from mien.errors import DatabaseError

DELIMITERS = (",", ";", "\t")
"""What may stand between the fields of CSV; the one that the header has most of is taken."""

UNREADABLE = (OSError, pa.ArrowException, ValueError, KeyError, TypeError, AttributeError, OverflowError)
"""What reading a damaged Parquet file may raise."""


class Cells:
    """The cells of a table; rows that turn out malformed are marked and told.

    Attributes:
        path: the file.
        columns: name -> n texts without spaces around them, or n numbers; "" and NaN where nothing is said.
        good: (n,) which rows are not malformed.
    """

    def __init__(
        self, path: Path, rows: IntArray, columns: dict[str, list[str] | FloatArray], findings: Findings
    ) -> None:
        self.path = path
        self.columns = columns
        self.good: BoolArray = np.ones(len(rows), bool)
        self._lines = rows
        self._findings = findings

    def __len__(self) -> int:
        return len(self._lines)

    def refuse(self, rows: Iterable[int], message: Callable[[int], str]) -> None:
        """Mark rows as malformed, each with what was found and expected.

        Raises:
            DatabaseError: unless malformed rows are skipped.
        """
        for row in rows:
            if self.good[row]:
                self.good[row] = False
                with self._findings.row(self.path, self.line(row)):
                    raise ValueError(message(row))

    def line(self, row: int) -> int:
        """Return the line of a row; in Parquet its number, from 1."""
        return int(self._lines[row])

    def texts(self, name: str) -> list[str]:
        """Return a column as texts; "" throughout where there is none."""
        column = self.columns.get(name)
        if column is None:
            return [""] * len(self)
        if isinstance(column, list):
            return column
        return [_spelled(value) for value in column.tolist()]

    def numbers(self, name: str, low: float, high: float, whole: bool = False) -> FloatArray:
        """Return a column as numbers within a range, NaN where nothing is said; other rows are refused."""
        column = self.columns.get(name)
        if column is None:
            return np.full(len(self), np.nan)
        values = numbers_of(column) if isinstance(column, list) else column
        outside = ~np.isnan(values) & ~((values >= low) & (values <= high))
        if whole:
            outside |= np.isfinite(values) & (values != np.round(values))
        texts = self.texts(name) if outside.any() else []
        kind = "a whole number" if whole else "a number"
        self.refuse(
            np.flatnonzero(outside).tolist(),
            lambda row: f"{name} is {texts[row][:40]!r}, expected {kind} from {low:g} to {high:g}",
        )
        return np.where(outside, np.nan, values)


def numbers_of(texts: list[str]) -> FloatArray:
    """Return texts as numbers: NaN for no text, infinity for what is no number."""
    try:
        values: FloatArray = np.array([text or "nan" for text in texts], np.float64)
    except ValueError:
        values = np.array([_number(text) for text in texts], np.float64)
    return values


def _number(text: str) -> float:
    """Return one text as a number."""
    try:
        return float(text or "nan")
    except ValueError:
        return np.inf


def _spelled(value: float) -> str:
    """Return a number as it would stand in CSV."""
    if np.isnan(value):
        return ""
    return f"{value:.0f}" if value == np.round(value) else repr(value)


def read_cells(path: Path, findings: Findings) -> Cells:
    """Return the cells of a table of CSV or Parquet.

    Raises:
        DatabaseError: it cannot be read, has two columns of one name or none called "path", or a row is
            malformed and not skipped.
    """
    cells = _read_csv(path, findings) if path.suffix.lower() == ".csv" else _read_parquet(path, findings)
    if "path" not in cells.columns:
        raise DatabaseError(f"{path}: no column path; the columns are {', '.join(cells.columns)[:200]}")
    return cells


def _unique(path: Path, names: list[str]) -> None:
    """Return if no two columns have one name."""
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DatabaseError(f"{path}: two columns are called {', '.join(twice)[:200]}")


def _read_csv(path: Path, findings: Findings) -> Cells:
    """Return the cells of a file of CSV."""
    _, header = next(lines(path, findings), (1, ""))
    delimiter = max(DELIMITERS, key=header.count)
    try:
        names = [name.strip("' ") for name in fields(header, delimiter)]
    except ValueError as error:
        raise DatabaseError(f"{path}: the header is {error}") from error
    _unique(path, names)
    columns: dict[str, list[str]] = {name: [] for name in names}
    numbers = []
    for line, row in table(path, findings, ("path",), delimiter):
        numbers.append(line)
        for name, cell in row.items():
            columns[name].append(cell)
    columns.pop("", None)
    return Cells(path, np.array(numbers, np.int64), {**columns}, findings)


def _read_parquet(path: Path, findings: Findings) -> Cells:
    """Return the cells of a file of Parquet."""
    try:
        content = pq.read_table(path)
        _unique(path, content.column_names)
        columns = {name: _column(path, name, content[name]) for name in content.column_names}
    except UNREADABLE as error:
        raise DatabaseError(f"{path}: not a readable file of Parquet ({str(error)[:200]})") from error
    return Cells(path, np.arange(1, content.num_rows + 1), columns, findings)


def _column(path: Path, name: str, column: pa.ChunkedArray) -> list[str] | FloatArray:
    """Return a column of Parquet as texts or numbers."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        return [(text or "").strip() for text in column.to_pylist()]
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise DatabaseError(f"{path}: column {name} holds {kind}, expected text or numbers")
    numbers: FloatArray = column.cast(pa.float64()).to_numpy()
    return numbers
