"""What is said of a database beside its rows: how it is read and scored, its licence, its counts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from mien.arrays import Image, IntArray
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.metrics import Score
from mien.records import Predictions
from mien.tasks import Task


@dataclass(frozen=True)
class Fold:
    """Which splits, or which subjects, are for what."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


OFFICIAL = Fold(("train",), ("validation",), ("test",))
"""The database's own three parts."""

VALIDATION_AS_TEST = Fold(("train",), (), ("validation",))
"""Where the test part was never released and papers report the validation part."""


@dataclass(frozen=True)
class Protocol:
    """How a database is scored, so that figures can stand beside published ones.

    Attributes:
        name: unique within the database.
        task: the labels that are scored.
        labels: which of them, in order.
        metric: by its name in the field ("CCC", "macro F1", "accuracy", "binary F1", "ICC(3,1)").
        aggregation: over what it is counted, and what is averaged then.
        by: whether folds name splits or subjects.
        folds: one for official parts, several for cross-validation; none where `made` folds are made.
        made: how many subject folds to make where the database has no official ones.
        threshold: intensity from which an action unit counts as present.
        without_face: what a frame in which no face was found counts as.
        note: what a reader must know to compare.
    """

    name: str
    task: Task
    metric: str
    aggregation: str
    labels: tuple[str, ...] = ()
    by: Literal["split", "subject"] = "split"
    folds: tuple[Fold, ...] = (OFFICIAL,)
    made: int = 0
    threshold: float | None = None
    without_face: str = "counted, with the prediction for the whole picture"
    note: str = ""

    def __post_init__(self) -> None:
        unknown = set(self.labels) - set(self.task.labels)
        if unknown:
            raise ValueError(f"{self.name}: {self.task.name} has no {', '.join(sorted(unknown))}")
        if not self.labels:
            object.__setattr__(self, "labels", self.task.labels)

    def parts(self, index: Index) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
        """Yield each fold's rows (train, validation, test) of an index."""
        column = index.split if self.by == "split" else index.subject
        for fold in self.folds or subject_folds(index, self.made):
            yield (
                np.flatnonzero(column.matches(*fold.train)),
                np.flatnonzero(column.matches(*fold.validation)),
                np.flatnonzero(column.matches(*fold.test)),
            )


def three_parts(*parts: tuple[str, ...]) -> tuple[Fold, ...]:
    """Return the folds in which each part of subjects, last first, is tested and the others train."""
    return tuple(
        Fold(tuple(s for other in parts if other is not part for s in other), (), part)
        for part in reversed(parts)
    )


def subject_folds(index: Index, folds: int) -> tuple[Fold, ...]:
    """Return folds in which no subject is in two test parts, of about equal numbers of rows.

    Subjects with most rows first, each goes to the fold that has fewest; of equals, by name. So the
    folds follow from the rows alone.

    Args:
        index: a database whose rows name their subjects.
        folds: how many.
    """
    counts = {name: n for name, n in index.subject.counts().items() if name}
    parts: list[list[str]] = [[] for _ in range(folds)]
    sizes = [0] * folds
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        smallest = sizes.index(min(sizes))
        parts[smallest].append(name)
        sizes[smallest] += counts[name]
    return tuple(
        Fold(tuple(s for other in parts if other is not part for s in other), (), tuple(part))
        for part in parts
    )


@dataclass(frozen=True)
class Count:
    """A number that was published of a database.

    Attributes:
        number: as published.
        what: "rows", "subjects" or "videos".
        split: the part it is of; "" for all.
        task: where rows with a known label of this task are counted.
        label: where rows with this class, or with this action unit present, are counted.
        release: the release it is of, as a reader names it; "" for all.
    """

    number: int
    what: Literal["rows", "subjects", "videos"] = "rows"
    split: str = ""
    task: Task | None = None
    label: str = ""
    release: str = ""


@dataclass(frozen=True)
class Database:
    """How one database is read, and its facts.

    Attributes:
        title: its name as its authors write it.
        tasks: what its labels may say.
        read: (folder, Findings) -> Index.
        protocols: how it is scored, the usual one first.
        licence: what may be done with it.
        obtain: how to get it.
        citation: what to cite.
        counts: published numbers that a folder is held against.
        related: another database -> its subjects that are also here, or its recordings (all that may
            be, by name) where neither names subjects.
        pictures: (folder, media, frames) -> (frame, picture), where media is no picture, video or
            folder of numbered pictures.
        scores: (rows of the Index, their Predictions) -> scores, where the protocol can be run.
    """

    title: str
    tasks: tuple[Task, ...]
    read: Callable[[Path, Findings], Index]
    protocols: tuple[Protocol, ...]
    licence: str
    obtain: str
    citation: str
    counts: tuple[Count, ...] = ()
    related: Mapping[str, frozenset[str]] = field(default_factory=dict)
    pictures: Callable[[Path, str, IntArray], Iterator[tuple[int, Image]]] | None = None
    scores: Callable[[Index, Predictions], list[Score]] | None = None
