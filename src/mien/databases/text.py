"""Text files of labels, read the way they lie on people's disks.

Byte order marks, CRLF, a missing final newline and spaces around fields are no faults. What breaks a
format is a ValueError, which `Findings.row` turns into a message that names the file and line.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from mien.databases.findings import Findings
from mien.errors import DatabaseError


def lines(path: Path, findings: Findings) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, text without spaces around it); empty lines at the end are left out.

    Raises:
        DatabaseError: the file cannot be read, or a line is not UTF-8 and malformed rows are not skipped.
    """
    blank = 0
    try:
        with open(path, "rb") as file:
            for number, raw in enumerate(file, 1):
                text = None
                with findings.row(path, number):
                    text = _decoded(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw)
                if text == "":
                    blank += 1
                    continue
                for missed in range(number - blank, number):
                    yield missed, ""
                blank = 0
                if text is not None:
                    yield number, text
    except OSError as error:
        raise DatabaseError(f"{path}: {error.strerror}") from error


def fields(text: str, delimiter: str = ",") -> list[str]:
    """Return the fields of one line of CSV, without spaces around them.

    Raises:
        ValueError: quotes that do not close.
    """
    if '"' not in text:
        return [field.strip() for field in text.split(delimiter)]
    try:
        row = next(csv.reader([text], delimiter=delimiter, skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(f"not a row of CSV ({error})") from error
    return [field.strip() for field in row]


def table(
    path: Path, findings: Findings, required: Sequence[str], delimiter: str = ","
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row by column name) of a CSV file with a header.

    A row with more or fewer fields than the header is malformed.

    Raises:
        DatabaseError: the file cannot be read, has no header, or lacks a required column.
    """
    rows = lines(path, findings)
    _, first = next(rows, (1, ""))
    try:
        names = [name.strip("' ") for name in fields(first, delimiter)]
    except ValueError as error:
        raise DatabaseError(f"{path}: the header is {error}") from error
    missing = [name for name in required if name not in names]
    if missing:
        raise DatabaseError(f"{path}: no column {', '.join(missing)}; the header is {first[:200]!r}")
    for number, text in rows:
        row = None
        with findings.row(path, number):
            row = fields(text, delimiter)
            if len(row) != len(names):
                raise ValueError(f"{len(row)} fields, expected {len(names)} as in the header")
        if row is not None and len(row) == len(names):
            yield number, dict(zip(names, row, strict=True))


def number(text: str, name: str, low: float, high: float) -> float:
    """Return a number within a range.

    Raises:
        ValueError: it is none, or lies outside.
    """
    value = _float(text)
    if not low <= value <= high:
        raise ValueError(f"{name} is {text[:40]!r}, expected a number from {low:g} to {high:g}")
    return value


def whole(text: str, name: str, low: int, high: int) -> int:
    """Return a whole number within a range; "3.0" is one too.

    Raises:
        ValueError: it is none, or lies outside.
    """
    value = _float(text)
    if not low <= value <= high or value != int(value):
        raise ValueError(f"{name} is {text[:40]!r}, expected a whole number from {low} to {high}")
    return int(value)


def _float(text: str) -> float:
    """Return a number; NaN for what is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _decoded(raw: bytes) -> str:
    """Return a line's text."""
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 text (byte {error.start + 1} of the line)") from error
