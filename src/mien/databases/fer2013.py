"""FER2013 (Goodfellow et al. 2013) and FERPlus (Barsoum et al. 2016): one set of pictures, two labellings.

Files, as their users have them, in one folder: `fer2013.csv` with a row of 48 x 48 pixels each,
and beside it, where FERPlus is wanted, `fer2013new.csv`, whose row k belongs to row k.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mien.arrays import BoolArray, FloatArray, Image, IntArray
from mien.databases.catalog import Count, Database, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.text import table, whole
from mien.errors import DatabaseError
from mien.metrics import Score, accuracy, recalls
from mien.records import Labels, Predictions, one_hot
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


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per picture, with both labellings where fer2013new.csv is there.

    `media` is "fer2013.csv" and `frame` the row's number in it, counted from 0; the ten votes are
    columns.

    Raises:
        DatabaseError: a file is missing, or a row breaks the format and is not skipped.
    """
    path = folder / "fer2013.csv"
    emotions, splits, places = [], [], []
    for line, row in table(path, findings, ("emotion", "pixels", "Usage")):
        with findings.row(path, line):
            emotion = whole(row["emotion"], "emotion", 0, len(FER2013_CLASSES) - 1)
            if row["Usage"] not in SPLITS:
                raise ValueError(f"Usage is {row['Usage']!r}, expected one of {', '.join(SPLITS)}")
            _pixels(row["pixels"])
            emotions.append(emotion)
            splits.append(SPLITS[row["Usage"]])
            places.append(line - 2)
    values = {EXPRESSION_7: one_hot(EXPRESSION_7, FER2013_CLASSES, emotions)}
    columns: dict[str, IntArray] = {}
    findings.release = "fer2013.csv"
    if (folder / "fer2013new.csv").exists():
        votes = read_votes(folder / "fer2013new.csv", findings)
        if len(votes) <= max(places, default=-1):
            raise DatabaseError(
                f"{folder / 'fer2013new.csv'}: {len(votes)} rows, expected as many as in fer2013.csv"
            )
        votes = votes[places]
        values[EXPRESSION_8_CONTEMPT] = distribution(votes)
        columns = {f"votes_{name}": votes[:, i] for i, name in enumerate(FERPLUS_VOTES)}
        findings.release = "fer2013.csv with FERPlus"
    return Index.of(
        "fer2013",
        Labels.of(values),
        split=splits,
        video=[f"fer{place:07d}" for place in places],
        media="fer2013.csv",
        frame=places,
        columns=columns,
        cropped=True,
    )


def pictures(folder: Path, media: str, frames: IntArray) -> Iterator[tuple[int, Image]]:
    """Yield (frame, its picture in grey, (48, 48)) for the wanted frames, which rise."""
    wanted = set(frames.tolist())
    for line, row in table(folder / media, Findings(skip=True), ("pixels",)):
        if line - 2 in wanted:
            yield line - 2, _pixels(row["pixels"])
        elif line - 2 > frames[-1]:
            return


def _pixels(text: str) -> Image:
    """Return a row's picture."""
    pixels = np.fromstring(text, dtype=np.int64, sep=" ") if text.replace(" ", "").isdigit() else np.zeros(0)
    if pixels.size != 48 * 48 or pixels.max() > 255:
        raise ValueError(f"pixels are {text[:40]!r}..., expected {48 * 48} whole numbers from 0 to 255")
    return pixels.astype(np.uint8).reshape(48, 48)


def read_votes(path: Path, findings: Findings) -> IntArray:
    """Return the votes of fer2013new.csv, (n, 10) in the order of FERPLUS_VOTES; -1 in a skipped row.

    Raises:
        DatabaseError: a column is missing, or a vote is no whole number from 0 to 10 and not skipped.
    """
    votes: list[list[int]] = []
    for line, row in table(path, findings, FERPLUS_VOTES):
        votes.extend([[-1] * len(FERPLUS_VOTES)] * (line - 2 - len(votes)))
        with findings.row(path, line):
            votes.append([whole(row[name], f"votes for {name}", 0, 10) for name in FERPLUS_VOTES])
    return np.array(votes, dtype=np.int64).reshape(-1, len(FERPLUS_VOTES))


def distribution(votes: IntArray) -> FloatArray:
    """Return the votes as distributions over EXPRESSION_8_CONTEMPT, (n, 8); NaN rows are not usable.

    As in the labels' own code, a class with a single vote counts as none, and a picture that most
    voted unknown or not a face is not usable; the rest is normalised over the eight classes.
    """
    kept = np.where(votes > 1, votes, 0)
    usable = (kept.argmax(axis=1) < len(EXPRESSION_8_CONTEMPT)) & (kept[:, :8].sum(axis=1) > 0)
    order = [FERPLUS_VOTES.index(name) for name in EXPRESSION_8_CONTEMPT.labels]
    shares = kept[:, order].astype(np.float32)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    return np.where(usable[:, None], shares, np.float32(np.nan))


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
    if "votes_neutral" in index.columns:
        truth8 = majority(np.stack([index.columns[f"votes_{name}"] for name in FERPLUS_VOTES], axis=1))
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


DATABASE = Database(
    title="FER2013 and FERPlus",
    tasks=(EXPRESSION_7, EXPRESSION_8_CONTEMPT),
    read=read,
    pictures=pictures,
    scores=scores,
    protocols=(
        Protocol(
            name="FER2013",
            task=EXPRESSION_7,
            metric="accuracy",
            aggregation="all pictures of the test part",
            note="pictures that also stand in Training are left out",
        ),
        Protocol(
            name="FERPlus majority",
            task=EXPRESSION_8_CONTEMPT,
            metric="accuracy",
            aggregation="pictures of the test part with a majority label",
            note="how many pictures have one depends on the mode: see `majority`",
        ),
    ),
    counts=(
        Count(28_709, split="train"),
        Count(3_589, split="validation"),
        Count(3_589, split="test"),
    ),
    licence="FERPlus labels: MIT. FER2013 pictures: gathered by web search, no clear licence.",
    obtain="FER2013: the 2013 Kaggle contest's page. FERPlus: github.com/microsoft/FERPlus.",
    citation="Goodfellow et al., ICONIP 2013; Barsoum et al., ICMI 2016 (FERPlus)",
)
