"""FER2013 (Goodfellow et al. 2013) and FERPlus (Barsoum et al. 2016): one set of pictures, two labellings.

Files, as their users have them, in one folder: `fer2013.csv` with a row of 48 x 48 pixels each,
and beside it, where FERPlus is wanted, `fer2013new.csv`, whose row k belongs to row k.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mien.arrays import BoolArray, FloatArray, Image, IntArray
from mien.databases.index import Index
from mien.errors import DatabaseError
from mien.metrics import Score, accuracy, recalls
from mien.records import Labels, Predictions
from mien.tasks import EXPRESSION_7, EXPRESSION_8_CONTEMPT, Task

SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
"""The contest's names of the three parts and ours."""

FER2013_CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""What the contest's numbers 0 to 6 mean."""

FERPLUS_VOTES = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
    *("unknown", "NF"),
)
"""The columns of votes in fer2013new.csv; NF is "not a face"."""


def read(folder: Path) -> Index:
    """Return one row per picture, with both labellings where fer2013new.csv is there.

    Raises:
        DatabaseError: a file is missing or a row breaks the format.
    """
    emotions, splits = [], []
    for number, row in _rows(folder):
        emotions.append(_emotion(folder, number, row["emotion"]))
        if row["Usage"] not in SPLITS:
            raise DatabaseError(
                f"{folder / 'fer2013.csv'}, row {number}: Usage is {row['Usage']!r}, "
                f"expected one of {', '.join(SPLITS)}"
            )
        splits.append(SPLITS[row["Usage"]])
    values = {EXPRESSION_7: np.eye(len(EXPRESSION_7), dtype=np.float32)[emotions]}
    known = {EXPRESSION_7: np.ones_like(values[EXPRESSION_7], dtype=bool)}
    columns: dict[str, IntArray] = {}
    if (folder / "fer2013new.csv").exists():
        votes = read_votes(folder / "fer2013new.csv")
        if len(votes) != len(emotions):
            raise DatabaseError(
                f"{folder / 'fer2013new.csv'}: {len(votes)} rows, expected {len(emotions)} as in fer2013.csv"
            )
        values[EXPRESSION_8_CONTEMPT], usable = distribution(votes)
        known[EXPRESSION_8_CONTEMPT] = np.repeat(usable[:, None], len(EXPRESSION_8_CONTEMPT), axis=1)
        columns["ferplus_majority"] = majority(votes)
    return Index(
        database="fer2013",
        split=np.array(splits),
        source=np.array([f"fer2013.csv:{number}" for number in range(1, len(emotions) + 1)]),
        labels=Labels(values, known),
        columns=columns,
    )


def pictures(folder: Path) -> Iterator[Image]:
    """Yield the pictures in the order of `read`, grey, (48, 48)."""
    for number, row in _rows(folder):
        pixels = np.array(row["pixels"].split(), dtype=np.int64)
        if pixels.size != 48 * 48 or pixels.min() < 0 or pixels.max() > 255:
            raise DatabaseError(
                f"{folder / 'fer2013.csv'}, row {number}: {pixels.size} pixels, "
                f"expected {48 * 48} numbers from 0 to 255"
            )
        yield pixels.astype(np.uint8).reshape(48, 48)


def read_votes(path: Path) -> IntArray:
    """Return the votes of fer2013new.csv, (n, 10) in the order of FERPLUS_VOTES.

    Raises:
        DatabaseError: a column is missing or a vote is not a whole number from 0 to 10.
    """
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in FERPLUS_VOTES if name not in (reader.fieldnames or ())]
        if missing:
            raise DatabaseError(f"{path}: no column {', '.join(missing)}")
        votes = []
        for number, row in enumerate(reader, 1):
            try:
                votes.append([int(row[name]) for name in FERPLUS_VOTES])
            except (TypeError, ValueError) as error:
                raise DatabaseError(f"{path}, row {number}: votes are not whole numbers") from error
    return np.array(votes, dtype=np.int64).reshape(-1, len(FERPLUS_VOTES))


def distribution(votes: IntArray) -> tuple[FloatArray, BoolArray]:
    """Return the votes as distributions over EXPRESSION_8_CONTEMPT, (n, 8), and which rows are usable.

    As in the labels' own code, a class with a single vote counts as none, and a picture that most
    voted unknown or not a face is not usable; the rest is normalised over the eight classes.
    """
    kept = np.where(votes > 1, votes, 0)
    usable = (kept.argmax(axis=1) < len(EXPRESSION_8_CONTEMPT)) & (kept[:, :8].sum(axis=1) > 0)
    order = [FERPLUS_VOTES.index(name) for name in EXPRESSION_8_CONTEMPT.labels]
    shares = kept[:, order].astype(np.float32)
    shares[~usable] = 0
    return shares / np.maximum(shares.sum(axis=1, keepdims=True), 1), usable


def majority(votes: IntArray) -> IntArray:
    """Return FERPlus's majority label of each row as an index of EXPRESSION_8_CONTEMPT, or -1.

    Single votes count as none; a class is kept when it has more than half of what remains,
    unknown and not-a-face included; otherwise, or where one of these two wins, the row is dropped.
    """
    kept = np.where(votes > 1, votes, 0)
    best = kept.argmax(axis=1)
    clear = 2 * kept.max(axis=1) > kept.sum(axis=1)
    ours = np.array([EXPRESSION_8_CONTEMPT.index(name) for name in FERPLUS_VOTES[:8]] + [-1, -1])
    return np.where(clear, ours[best], -1)


def scores(index: Index, predictions: Predictions) -> list[Score]:
    """Return the protocol's scores of some rows of one part.

    FER2013: accuracy over the contest's seven classes. FERPlus: accuracy over eight classes on the
    pictures with a majority label. Pictures that also stand in the training part are left out.
    Where a network was not taught a label set, its first expression task is read by class name.
    """
    fresh = index.columns["seen_in_training"] == 0
    note = f"{int((~fresh).sum())} pictures that stand in Training left out"
    truth7 = index.labels.values[EXPRESSION_7].argmax(axis=1)
    rows = _scored("FER2013, 7 classes", EXPRESSION_7, truth7, fresh, predictions, note)
    if "ferplus_majority" in index.columns:
        truth8 = index.columns["ferplus_majority"]
        known = fresh & (truth8 >= 0)
        rows += _scored(
            "FERPlus, 8 classes, majority", EXPRESSION_8_CONTEMPT, truth8, known, predictions, note
        )
    return rows


def _scored(
    name: str, task: Task, truth: IntArray, rows: BoolArray, predictions: Predictions, note: str
) -> list[Score]:
    """Return accuracy, mean recall, the constant baseline and coverage over chosen rows."""
    guess, truth, count = _choice(task, predictions)[rows], truth[rows], int(rows.sum())
    constant = np.full_like(truth, np.bincount(truth, minlength=len(task)).argmax())
    recall = recalls(truth, guess, len(task))
    return [
        Score(f"{name}: accuracy", accuracy(truth, guess), count, note),
        Score(
            f"{name}: mean recall",
            float(np.nanmean(recall)),
            count,
            f"{int(np.isfinite(recall).sum())} classes present",
        ),
        Score(f"{name}: accuracy of the commonest class", accuracy(truth, constant), count),
    ]


def _choice(task: Task, predictions: Predictions) -> IntArray:
    """Return the most probable class of each row as an index of the task."""
    if task in predictions.values:
        own: IntArray = predictions.values[task].argmax(axis=1)
        return own
    first = next((t for t in predictions.values if t.behaviour == "expression"), None)
    if first is None:
        raise DatabaseError("fer2013: the network predicts no expressions")
    shared = [label for label in first.labels if label in task.labels]
    columns = predictions.values[first][:, [first.index(label) for label in shared]]
    ours: IntArray = np.array([task.index(label) for label in shared])
    best: IntArray = columns.argmax(axis=1)
    return np.take(ours, best)


def _rows(folder: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (row number from 1, row) of fer2013.csv; header names may have leading spaces."""
    path = folder / "fer2013.csv"
    if not path.exists():
        raise DatabaseError(f"{folder}: no fer2013.csv in it")
    with open(path, newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        names = [name.strip() for name in reader.fieldnames or ()]
        if not {"emotion", "pixels", "Usage"} <= set(names):
            raise DatabaseError(f"{path}: the header is {','.join(names)}, expected emotion,pixels,Usage")
        reader.fieldnames = names
        yield from enumerate(reader, 1)


def _emotion(folder: Path, number: int, text: str) -> int:
    """Return the contest's number as an index of EXPRESSION_7."""
    if not text.isdigit() or int(text) >= len(FER2013_CLASSES):
        raise DatabaseError(f"{folder / 'fer2013.csv'}, row {number}: emotion is {text!r}, expected 0 to 6")
    return EXPRESSION_7.index(FER2013_CLASSES[int(text)])
