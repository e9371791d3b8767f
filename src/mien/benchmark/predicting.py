"""What a predictor says of the rows of a prepared database, piece by piece, in order.

A network that remembers or hears follows each face through its video, frame after frame with the sound of
that time, as it does a live stream; any other looks at rows in any order. Memory is that of one piece,
however many rows there are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.bundle import Bundle, Predictor
from mien.errors import DatabaseError
from mien.following import follows
from mien.inputs import middle
from mien.preparation.prepared import Prepared
from mien.records import Predictions
from mien.tasks import Task

AT_ONCE = 256
"""Rows that are looked at together."""

FOLLOWED = 64
"""Frames of one face that are given to a network with memory at once."""


@dataclass(frozen=True)
class Said:
    """What is said of some rows.

    Attributes:
        rows: (n,) in the index.
        predictions: n rows; those without a picture hold what was said of the nearest earlier frame of the
            same face in the same video, or zeros where there is none.
        seen: (n,) rows with a picture of their own.
        carried: (n,) rows that hold what was said of an earlier frame.
    """

    rows: IntArray
    predictions: Predictions
    seen: BoolArray
    carried: BoolArray


def check_prepared(predictor: Predictor, data: Prepared) -> None:
    """Refuse a database that was prepared for another kind of network.

    Raises:
        DatabaseError: it was.
    """
    if not data.preprocessing.serves(predictor.preprocessing):
        raise DatabaseError(
            f"{data.index.database}: prepared with {data.preprocessing}, "
            f"the network wants {predictor.preprocessing}"
        )


def said(predictor: Predictor, data: Prepared, rows: IntArray) -> Iterator[Said]:
    """Yield what a predictor says of some rows, in order.

    Args:
        predictor: a bundle, or anything that predicts single faces.
        data: prepared with the predictor's preprocessing.
        rows: (n,) rising; for a network that remembers, whole parts of the database.
    """
    last: tuple[tuple[int, int], dict[Task, FloatArray]] | None = None
    pieces = _followed(predictor, data, rows) if follows(predictor) else _single(predictor, data, rows)
    for piece, values in pieces:
        seen = data.index.columns["picture"][piece] == 1
        faces = np.stack([data.index.video.codes[piece], data.index.face.codes[piece]], axis=1)
        source = _latest(seen, faces)
        carried = ~seen & (source >= 0)
        for value in values.values():
            value[carried] = value[source[carried]]
        if last is not None:
            opening = ~seen & (source < 0) & (faces == last[0]).all(axis=1)
            for task, value in values.items():
                value[opening] = last[1][task]
            carried = carried | opening
        told = seen | carried
        if told[-1]:
            last = (tuple(faces[-1].tolist()), {task: value[-1].copy() for task, value in values.items()})
        yield Said(piece, Predictions(values), seen, carried)


def _latest(seen: BoolArray, faces: IntArray) -> IntArray:
    """Return for each row the last row up to it that is seen, of the same face in one run; -1 for none."""
    numbers = np.arange(len(seen))
    begins = np.concatenate([[True], (faces[1:] != faces[:-1]).any(axis=1)])
    first = np.maximum.accumulate(np.where(begins, numbers, 0))
    latest = np.maximum.accumulate(np.where(seen, numbers, -1))
    return np.where(latest >= first, latest, -1)


def _single(
    predictor: Predictor, data: Prepared, rows: IntArray
) -> Iterator[tuple[IntArray, dict[Task, FloatArray]]]:
    """Yield rows, and what is said of each picture alone; zeros where there is none."""
    for start in range(0, len(rows), AT_ONCE):
        piece = rows[start : start + AT_ONCE]
        seen = np.flatnonzero(data.index.columns["picture"][piece] == 1)
        values = {task: np.zeros((len(piece), len(task)), np.float32) for task in predictor.tasks}
        if len(seen):
            crops = middle(data.crops[piece[seen]], predictor.preprocessing.size)
            told = predictor.predict(predictor.preprocessing.arrays(crops))
            for task, value in values.items():
                value[seen] = told.values[task]
        yield piece, values


def _followed(
    predictor: Bundle, data: Prepared, rows: IntArray
) -> Iterator[tuple[IntArray, dict[Task, FloatArray]]]:
    """Yield rows, and what is said of each face as it is followed; zeros where there is no picture.

    Where a picture is missing the network begins anew after it.
    """
    picture = data.index.columns["picture"][rows] == 1
    parts = data.index.sequences()[rows] * 2 + picture
    breaks = np.flatnonzero((np.diff(parts) != 0) | (np.diff(rows) != 1)) + 1
    for run in np.split(rows, breaks):
        state = None
        for start in range(0, len(run), FOLLOWED):
            piece = run[start : start + FOLLOWED]
            if not data.index.columns["picture"][piece[0]]:
                yield piece, {task: np.zeros((len(piece), len(task)), np.float32) for task in predictor.tasks}
                continue
            crops = middle(data.crops[piece], predictor.preprocessing.size)
            faces = predictor.preprocessing.arrays(crops)
            sound = data.heard(predictor.hearing, piece)[None] if predictor.hearing is not None else None
            values, state = predictor.follow(faces.swapaxes(0, 1), sound, state)
            yield piece, {task: value[0] for task, value in values.items()}
