"""An Index in Aff-Wild2's own form: what trains on that database can train on yours.

    annotations/VA_Estimation_Challenge/Train_Set/talk.txt            valence,arousal
    annotations/EXPR_Recognition_Challenge/Validation_Set/talk.txt    Neutral,Anger,...  then a number a line
    annotations/AU_Detection_Challenge/Test_Set/talk_left.txt         AU1,AU2,...

Folders are named as in the sixth ABAW edition. Line 1 after the header is frame 0; a frame that has no row,
or whose label is not known, holds -5 or -1. What the form has no place for is left out and told: faces other
than the main one, left and right; compound expressions; action units that are in none of its sets. Its
"Other" is every expression that is none of the seven, so contempt is written as Other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.databases.aff_wild2_files import face_of
from mien.databases.aff_wild2_labels import NO_TRACE, UNKNOWN
from mien.databases.index import Index
from mien.errors import InputError
from mien.tasks import (
    ACTION_UNITS_8,
    ACTION_UNITS_12,
    EXPRESSION_7,
    EXPRESSION_8_OTHER,
    VALENCE_AROUSAL,
    Task,
)

TOP = "annotations"
"""The folder that all label files lie in."""

PARTS = {"train": "Train_Set", "validation": "Validation_Set", "test": "Test_Set"}
"""What the parts' folders are called."""

SIDES = ("", "left", "right")
"""The faces that a file can be named for."""

_VA, _EXPR, _AU = "VA_Estimation_Challenge", "EXPR_Recognition_Challenge", "AU_Detection_Challenge"


@dataclass(frozen=True)
class _Column:
    """What stands in the lines of one task.

    Attributes:
        folder: of the task.
        header: the first line.
        numbers: (rows of the Index, cells) as they are written.
        unknown: what a cell holds that nobody knows.
        known: (rows,) whether a row says anything.
    """

    folder: str
    header: str
    numbers: FloatArray
    unknown: float
    known: BoolArray

    def texts(self, lines: FloatArray) -> list[str]:
        """Return lines (n, cells) as they are written."""
        if self.unknown != NO_TRACE:
            return [",".join(map(str, row)) for row in lines.astype(np.int64).tolist()]
        unknown = f"{NO_TRACE:.0f},{NO_TRACE:.0f}"
        rounded = (np.round(lines, 3) + 0.0).tolist()
        return [unknown if NO_TRACE in row else ",".join(f"{cell:.3f}" for cell in row) for row in rounded]


def write(index: Index, folder: Path) -> list[str]:
    """Write the label files of an Index into a folder that exists, and return what was left out.

    Args:
        index: rows by frame, each in a part.
        folder: the database.

    Raises:
        InputError: a row has no part, rows are no frames, or a recording's name would be read as a face's.
    """
    if index.unit != "frame":
        raise InputError(f"rows by {index.unit}; Aff-Wild2's form is of frames")
    columns = [*_traces(index), *_classes(index), *_units(index)]
    missing = set(index.split.counts()) - set(PARTS)
    if missing:
        raise InputError(f"rows in part {', '.join(map(repr, sorted(missing)))}, expected {', '.join(PARTS)}")
    for name in index.video.counts():
        if face_of(name)[1] or name.startswith(".") or "/" in name:
            raise InputError(f"the recording {name!r} has a name that Aff-Wild2 gives to a face; rename it")
    notes = []
    unplaced = sorted({name for name in index.face.counts() if name not in SIDES})
    if unplaced:
        notes.append(f"faces called {', '.join(unplaced[:5])} have no place in Aff-Wild2's form")
    notes += _without_place(index)
    for split, name, rows in _faces(index):
        for column in columns:
            if column.known[rows].any():
                path = folder / TOP / column.folder / PARTS[split] / f"{name}.txt"
                _write(path, column, index.frame[rows], rows)
    return notes


def _faces(index: Index) -> Iterator[tuple[str, str, IntArray]]:
    """Yield the part, the name and the rows of each face that has a place."""
    keys = np.stack([index.split.codes, index.video.codes, index.face.codes], axis=1)
    found, places = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(places.ravel(), kind="stable")
    ends = np.cumsum(np.bincount(places.ravel(), minlength=len(found)))
    for key, rows in zip(found, np.split(order, ends[:-1]), strict=True):
        split, video, face = (
            str(names.vocabulary[code])
            for names, code in zip((index.split, index.video, index.face), key, strict=True)
        )
        if face in SIDES:
            yield split, f"{video}_{face}" if face else video, rows


def _write(path: Path, column: _Column, frames: IntArray, rows: IntArray) -> None:
    """Write the lines of one face for one task."""
    lines = np.full((int(frames.max()) + 1, column.numbers.shape[1]), column.unknown)
    lines[frames] = column.numbers[rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([column.header, *column.texts(lines)]) + "\n", encoding="ascii")


def _traces(index: Index) -> Iterator[_Column]:
    """Yield valence and arousal; a frame with one of them alone knows neither, as there."""
    if VALENCE_AROUSAL in index.labels.values:
        known = np.asarray(index.labels.known[VALENCE_AROUSAL].all(axis=1), bool)
        numbers = np.where(known[:, None], index.labels.values[VALENCE_AROUSAL], NO_TRACE)
        yield _Column(_VA, "valence,arousal", numbers.astype(np.float64), NO_TRACE, known)


def _classes(index: Index) -> Iterator[_Column]:
    """Yield the most frequent expression of each row; a tie is not known."""
    task = _expressions(index)
    if task is None:
        return
    form = EXPRESSION_7 if task == EXPRESSION_7 else EXPRESSION_8_OTHER
    places = [form.labels.index(name if name in form.labels else "other") for name in task.labels]
    values: FloatArray = np.zeros((len(index), len(form)))
    for source, place in enumerate(places):
        values[:, place] += index.labels.values[task][:, source]
    top = values.max(axis=1, keepdims=True)
    alone = np.count_nonzero(values > top - 1e-6, axis=1) == 1
    known: BoolArray = np.asarray(alone & (top[:, 0] > 0))
    header = ",".join(name.title() for name in form.labels)
    yield _Column(_EXPR, header, np.where(known, values.argmax(axis=1), UNKNOWN)[:, None], UNKNOWN, known)


def _set_of(index: Index) -> Task | None:
    """Return the set of action units of Aff-Wild2 that has most of an Index's, None where it has none."""
    named = set(_named(index))
    best = max((ACTION_UNITS_12, ACTION_UNITS_8), key=lambda task: len(named & set(task.labels)))
    return best if named & set(best.labels) else None


def _named(index: Index) -> list[str]:
    """Return the action units of which any row knows."""
    return sorted(
        {
            label
            for task, known in index.labels.known.items()
            if (task.behaviour, task.kind) == ("action_units", "binary")
            for place, label in enumerate(task.labels)
            if known[:, place].any()
        }
    )


def _units(index: Index) -> Iterator[_Column]:
    """Yield action units."""
    form = _set_of(index)
    if form is None:
        return
    values, known = index.labels.seen_as(form)
    numbers = np.where(known, values > 0.5, UNKNOWN)
    header = ",".join(f"AU{int(name[2:])}" for name in form.labels)
    yield _Column(_AU, header, numbers.astype(np.float64), UNKNOWN, np.asarray(known.any(axis=1), bool))


def _without_place(index: Index) -> Iterator[str]:
    """Yield what labels have no place in the form."""
    form = _set_of(index)
    left = [name for name in _named(index) if form is None or name not in form.labels]
    if left:
        yield f"{', '.join(left)} have no place in Aff-Wild2's form"
    chosen = _expressions(index)
    if chosen and "contempt" in chosen.labels:
        yield "contempt is Other in Aff-Wild2's form, where Other is all that is none of the seven"
    for task in index.labels.values:
        if task.behaviour == "expression" and task != chosen:
            yield f"{task.name} has no place in Aff-Wild2's form"


def _expressions(index: Index) -> Task | None:
    """Return the task of expressions that is written: the first that has the seven, None for none."""
    tasks = [task for task in index.labels.values if task.behaviour == "expression"]
    return next((task for task in tasks if set(EXPRESSION_7.labels) <= set(task.labels)), None)
