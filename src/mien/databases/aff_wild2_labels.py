"""The label files of Aff-Wild2: a line for each frame of a video, or a line for each named picture."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.databases.aff_wild2_files import Header
from mien.databases.findings import Findings
from mien.databases.text import fields, lines, number, whole
from mien.errors import DatabaseError
from mien.records import by_name, one_hot
from mien.tasks import ACTION_UNITS_12, EXPRESSION_8_OTHER, VALENCE_AROUSAL, Task

NO_TRACE = -5.0
"""What stands for an unknown valence or arousal."""

UNKNOWN = -1
"""What stands for an unknown class or action unit."""

CLASSES = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "other")
"""What the classes' numbers mean in files without the classes' names."""

_PICTURE = re.compile(r"([^/,]+)/([0-9]{1,7})\.(?:jpg|jpeg|png|bmp)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Sheet:
    """The labels of one task of one face, kept small until they are put in their place.

    Attributes:
        task: whose labels.
        names: what a class's number means, or the columns' names.
        frames: (n,) int32, rising, counted from 0.
        numbers: (n, 2) float32 valence and arousal, (n, 1) int8 classes or (n, k) int8 action units,
            with NaN or UNKNOWN.
    """

    task: Task
    names: tuple[str, ...]
    frames: IntArray
    numbers: NDArray[Any]

    def cells(self) -> FloatArray:
        """Return the labels (n, len(task)) by name, NaN where nothing is known."""
        if self.task.kind == "categorical":
            return one_hot(self.task, self.names, self.numbers[:, 0])
        values = self.numbers.astype(np.float32)
        if self.task.kind == "binary":
            values[values == UNKNOWN] = np.nan
        return by_name(self.task, self.names, values)


def read_frames(path: Path, header: Header, findings: Findings) -> Sheet:
    """Return the labels of a file with a header and a line for each frame; a skipped line knows nothing.

    Raises:
        DatabaseError: the file cannot be read, or a line breaks the format and is not skipped.
    """
    task, names = header.task, header.names
    assert task is not None

    def sound(values: FloatArray) -> BoolArray:
        return _sound(values, task, len(names))

    def exact(text: str) -> list[float]:
        return _line(fields(text), task, names)

    width = 1 if task.kind == "categorical" else len(names)
    values = read_numbers(path, findings, width, sound, exact, headers=1)
    return Sheet(task, names, np.arange(len(values), dtype=np.int32), _small(values, task))


def read_numbers(
    path: Path,
    findings: Findings,
    width: int,
    sound: Callable[[FloatArray], BoolArray],
    exact: Callable[[str], list[float]],
    headers: int = 0,
) -> FloatArray:
    """Return the numbers of a file, (lines after the headers, width); NaN in a skipped line.

    The file is read at once; only where something in it is not as it should be, line by line.

    Args:
        path: the file.
        findings: where malformed lines go.
        width: numbers in each line.
        sound: (n, width) -> (n,) which rows are in range.
        exact: a line's text -> its numbers; raises ValueError with what was found and expected.
        headers: how many lines come before.

    Raises:
        DatabaseError: the file cannot be read, or a line is malformed and not skipped.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatabaseError(f"{path}: {error.strerror}") from error
    rows = data.removeprefix(b"\xef\xbb\xbf").rstrip().replace(b"\r\n", b"\n").split(b"\n")[headers:]
    rows = rows if rows != [b""] else []
    values = _at_once(rows, width)
    if values is not None and sound(values).all():
        return values
    values = np.full((len(rows), width), np.nan, np.float32)
    for line, text in lines(path, findings):
        if line > headers:
            with findings.row(path, line):
                values[line - 1 - headers] = exact(text)
    return values


def _at_once(rows: list[bytes], width: int) -> FloatArray | None:
    """Return the numbers of plain lines, (n, width); None where a line is not plain."""
    if not rows:
        return np.zeros((0, width), np.float32)
    try:
        texts = b"\n".join(rows).decode("ascii")
        if "\r" in texts:
            return None
        values = np.loadtxt(texts.split("\n"), np.float32, comments=None, delimiter=",", ndmin=2)
    except ValueError:
        return None
    return values if values.shape == (len(rows), width) else None


def _sound(values: FloatArray, task: Task, classes: int) -> BoolArray:
    """Return which rows hold nothing but what the task allows, (n,)."""
    if task.kind == "continuous":
        allowed = (np.abs(values) <= 1) | (values == NO_TRACE)
    else:
        highest = classes - 1 if task.kind == "categorical" else 1
        allowed = (values >= UNKNOWN) & (values <= highest) & (values == np.round(values))
    return np.asarray(allowed.all(axis=1), bool)


def _line(row: list[str], task: Task, names: tuple[str, ...]) -> list[float]:
    """Return the numbers of one line.

    Raises:
        ValueError: too many or too few, or one that the task does not allow.
    """
    width = 1 if task.kind == "categorical" else len(names)
    if len(row) != width:
        raise ValueError(f"{len(row)} fields, expected {width}")
    if task.kind == "categorical":
        return [whole(row[0], "the expression", UNKNOWN, len(names) - 1)]
    if task.kind == "binary":
        return [whole(text, name, UNKNOWN, 1) for text, name in zip(row, names, strict=True)]
    return [_trace(text, name) for text, name in zip(row, names, strict=True)]


def _trace(text: str, name: str) -> float:
    """Return valence or arousal, or NO_TRACE."""
    try:
        if float(text) == NO_TRACE:
            return NO_TRACE
    except ValueError:
        pass
    return number(text, name, -1, 1)


def _small(values: FloatArray, task: Task) -> NDArray[Any]:
    """Return numbers as a Sheet keeps them; a frame with one unknown trace knows neither."""
    if task.kind == "continuous":
        return np.where((values == NO_TRACE).any(axis=1)[:, None], np.float32(np.nan), values)
    return np.where(np.isfinite(values), values, UNKNOWN).astype(np.int8)


def read_pictures(path: Path, header: Header, findings: Findings) -> dict[str, list[Sheet]]:
    """Return the labels of a file whose lines name their picture, by the folder it is in.

    A picture that is named again keeps its first labels; the later line is told.

    Raises:
        DatabaseError: the file cannot be read, or a line breaks the format and is not skipped.
    """
    places: dict[str, int] = {}
    seen: set[tuple[int, int]] = set()
    keys: list[tuple[int, int]] = []
    values: list[list[float]] = []
    for line, text in lines(path, findings):
        if line == 1:
            continue
        with findings.row(path, line):
            name, frame, row = _picture(text, header.names)
            key = places.setdefault(name, len(places)), frame
            if key in seen:
                findings.unmatch("picture labelled twice", f"{path}, line {line}: {text.split(',')[0]}")
            else:
                seen.add(key)
                keys.append(key)
                values.append(row)
    table = np.array(values, np.float32).reshape(len(keys), 3 + len(header.names))
    places_of, frames = np.array(keys, np.int32).reshape(-1, 2).T
    order = np.lexsort((frames, places_of))
    bounds = np.searchsorted(places_of[order], np.arange(len(places) + 1))
    return {
        name: _sheets(frames[chosen], table[chosen], header.names)
        for name, chosen in ((name, order[bounds[i] : bounds[i + 1]]) for name, i in places.items())
    }


def _picture(text: str, units: tuple[str, ...]) -> tuple[str, int, list[float]]:
    """Return a line's folder, frame from 0 and numbers: valence, arousal, class, action units."""
    name, *row = fields(text)
    place = _PICTURE.fullmatch(name)
    if place is None or int(place[2]) == 0:
        raise ValueError(f"the picture is {name[:60]!r}, expected one such as 'video1/00001.jpg'")
    if len(row) != 3 + len(units):
        raise ValueError(f"{len(row) + 1} fields, expected {4 + len(units)}")
    traces = _line(row[:2], VALENCE_AROUSAL, VALENCE_AROUSAL.labels)
    label = _line(row[2:3], EXPRESSION_8_OTHER, CLASSES)
    return place[1], int(place[2]) - 1, [*traces, *label, *_line(row[3:], ACTION_UNITS_12, units)]


def _sheets(frames: IntArray, table: FloatArray, units: tuple[str, ...]) -> list[Sheet]:
    """Return the three tasks of one face."""
    parts = (
        (VALENCE_AROUSAL, VALENCE_AROUSAL.labels, table[:, :2]),
        (EXPRESSION_8_OTHER, CLASSES, table[:, 2:3]),
        (ACTION_UNITS_12, units, table[:, 3:]),
    )
    return [Sheet(task, names, frames, _small(numbers, task)) for task, names, numbers in parts]
