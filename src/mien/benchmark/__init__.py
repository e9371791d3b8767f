"""A Predictor scored on prepared databases by their own protocols."""

import numpy as np

from mien.arrays import IntArray
from mien.bundle import Predictor
from mien.databases import DATABASES
from mien.errors import DatabaseError
from mien.inputs import middle
from mien.metrics import Score
from mien.preparation.prepared import Prepared
from mien.records import Predictions


def evaluate(predictor: Predictor, data: Prepared, split: str) -> list[Score]:
    """Return a predictor's scores on one part of a prepared database, with coverage and baselines.

    Args:
        predictor: a bundle.
        data: prepared with the predictor's preprocessing.
        split: "train", "validation" or "test".

    Raises:
        DatabaseError: the part is empty, was prepared for another kind of network, or is of a database
            whose protocol cannot be run yet.
    """
    scores = DATABASES[data.index.database].scores
    if scores is None:
        raise DatabaseError(f"{data.index.database}: its protocol cannot be run yet")
    rows = np.flatnonzero(data.index.split.matches(split))
    if not len(rows):
        raise DatabaseError(f"{data.index.database}: no rows in the part {split!r}")
    if predictor.preprocessing.widened(data.preprocessing.size) != data.preprocessing:
        raise DatabaseError(
            f"{data.index.database}: prepared with {data.preprocessing}, "
            f"the network wants {predictor.preprocessing}"
        )
    index = data.index[rows]
    found = index.columns["face_found"]
    coverage = Score(
        "face found",
        float(found.mean()),
        len(rows),
        "elsewhere the whole picture is used; every row is scored",
    )
    return [coverage, *scores(index, predict(predictor, data, rows))]


def predict(predictor: Predictor, data: Prepared, rows: IntArray) -> Predictions:
    """Return predictions for some rows of a prepared database, 256 at a time."""
    parts = []
    for start in range(0, len(rows), 256):
        crops = middle(data.crops[rows[start : start + 256]], predictor.preprocessing.size)
        parts.append(predictor.predict(predictor.preprocessing.arrays(crops)))
    return Predictions(
        {task: np.concatenate([part.values[task] for part in parts]) for task in predictor.tasks}
    )
