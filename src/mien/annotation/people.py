"""Who is seen in which video, and in which part: the lists that people write and `mien split` fills.

videos.csv    video, subject, face and any other columns, such as age; a row for each person of a video
split.csv     the same with the part: train, validation or test; split.json beside it has its hash
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.errors import InputError
from mien.files import sha256

PARTS = ("train", "validation", "test")
"""The parts, in order."""

PLACES = ("video", "face", "subject", "split")
"""The columns that are no attributes."""


@dataclass(frozen=True)
class Person:
    """Who is seen in a video, and what is said of them or of it.

    Attributes:
        video: file name.
        face: which face they are; "" for the only one, or where it is not said.
        subject: a pseudonym; "" where it is not known.
        attributes: column -> text, "" where not known.
    """

    video: str
    face: str
    subject: str
    attributes: Mapping[str, str] = field(default_factory=dict)


def read_people(path: Path) -> tuple[Person, ...]:
    """Return who is in which video: a csv with columns video and subject, face and any others.

    A video with several people has a row for each.

    Raises:
        InputError: it cannot be read, has no column video, or a row comes twice.
    """
    people: list[Person] = []
    seen: set[tuple[str, str, str]] = set()
    for line, row in _rows(path):
        key = row["video"], row.get("face", ""), row.get("subject", "")
        if key in seen:
            raise InputError(f"{path}, line {line}: the same video, face and subject again")
        seen.add(key)
        others = {name: value for name, value in row.items() if name not in PLACES}
        people.append(Person(*key, others))
    return tuple(people)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line and cells by column of each row with any text."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if "video" not in header or len(set(header)) < len(header) or "" in header:
            raise InputError(
                f"{path}, line 1: {','.join(header)[:80]!r}, expected video,subject and others, each once"
            )
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{path}, line {reader.line_num}"
            if len(cells) != len(header):
                raise InputError(f"{where}: {len(cells)} cells, expected {len(header)}")
            row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
            if not row["video"]:
                raise InputError(f"{where}: no video")
            yield reader.line_num, row
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from error


def read_split(path: Path) -> tuple[dict[str, str], tuple[Person, ...], dict[str, Any]]:
    """Return each video's part, the people, and what the JSON beside a split says, {} without one.

    Raises:
        InputError: it cannot be read, is not what its hash says, or has somebody in two parts.
    """
    people = read_people(path)
    parts: dict[str, str] = {}
    homes: dict[str, str] = {}
    for person, (_, row) in zip(people, _rows(path), strict=True):
        part = row.get("split", "")
        if part not in PARTS:
            raise InputError(f"{path}: {person.video} is in part {part!r}, expected {', '.join(PARTS)}")
        if parts.setdefault(person.video, part) != part:
            raise InputError(f"{path}: {person.video} is in two parts")
        if person.subject and homes.setdefault(person.subject, part) != part:
            raise InputError(f"{path}: subject {person.subject} is in two parts")
    beside = path.with_suffix(".json")
    if not beside.is_file():
        return parts, people, {}
    try:
        record = json.loads(beside.read_bytes())
        expected = record["sha256"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{beside}: not what `mien split` writes beside a split") from error
    if expected != sha256(path):
        raise InputError(
            f"{path}: not the list whose hash {beside.name} has; split again, or take {beside.name} away"
        )
    return parts, people, record


def _text(path: Path) -> str:
    """Return a file as text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no text in UTF-8 (byte {error.start + 1})") from error
