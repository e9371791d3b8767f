"""What is said of a database beside its rows: how it is read and scored, its licence, its counts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Literal

import numpy as np

from mien.arrays import BoolArray, Image, IntArray
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.names import Names
from mien.tasks import Kind, Task

Metric = Literal[
    "accuracy",
    "mean recall",
    "macro F1",
    "weighted F1",
    "0.67 macro F1 + 0.33 accuracy",
    "CCC",
    "PCC",
    "MSE",
    "RMSE",
    "MAE",
    "SAGR",
    "ICC(3,1)",
    "binary F1",
    "mean of accuracy and F1",
    "0.5 binary F1 + 0.5 accuracy",
]
"""A metric, by its name in the field."""


@dataclass(frozen=True)
class Scale:
    """What values a metric can take.

    Attributes:
        kinds: the kinds of labels it is of.
        lowest: it can be no lower.
        highest: it can be no higher.
        higher: whether higher is better.
    """

    kinds: tuple[Kind, ...]
    lowest: float
    highest: float
    higher: bool = True


_NUMBERS: tuple[Kind, ...] = ("continuous", "intensity")

METRICS: dict[Metric, Scale] = {
    "accuracy": Scale(("categorical", "binary"), 0, 1),
    "mean recall": Scale(("categorical",), 0, 1),
    "macro F1": Scale(("categorical",), 0, 1),
    "weighted F1": Scale(("categorical",), 0, 1),
    "0.67 macro F1 + 0.33 accuracy": Scale(("categorical",), 0, 1),
    "CCC": Scale(_NUMBERS, -1, 1),
    "PCC": Scale(_NUMBERS, -1, 1),
    "MSE": Scale(_NUMBERS, 0, inf, higher=False),
    "RMSE": Scale(_NUMBERS, 0, inf, higher=False),
    "MAE": Scale(_NUMBERS, 0, inf, higher=False),
    "SAGR": Scale(("continuous",), 0, 1),
    "ICC(3,1)": Scale(_NUMBERS, -1, 1),
    "binary F1": Scale(("binary",), 0, 1),
    "mean of accuracy and F1": Scale(("binary",), 0, 1),
    "0.5 binary F1 + 0.5 accuracy": Scale(("binary",), 0, 1),
}
"""Every metric and its scale; of two raters, truth and prediction, ICC(3,1) is no lower than -1."""


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
        metric: the one that ranks.
        aggregation: over what it is counted, and what is averaged then, in words.
        also: further metrics that papers report beside it.
        over: "rows", all rows of a fold's test part as one set; "video", the rows of each recording (see
            `recordings`), then the mean over recordings.
        by: whether folds name splits or subjects.
        folds: one for official parts, several for cross-validation; none where `made` folds are made.
        made: how many subject folds to make where the database has no official ones.
        threshold: intensity from which an action unit counts as present.
        truth: of categorical labels, (rows of an Index) -> which labels of the task are right in each,
            (n, labels of the task) bool, several or none; None for the one with more than half of the
            distribution.
        fresh: pictures that also stand in the training part are left out.
        without_face: what a frame in which no face was found counts as, in words.
        carries: such a frame holds what was said of the nearest earlier frame of the same face.
        note: what a reader must know to compare.
    """

    name: str
    task: Task
    metric: Metric
    aggregation: str
    labels: tuple[str, ...] = ()
    by: Literal["split", "subject"] = "split"
    folds: tuple[Fold, ...] = (OFFICIAL,)
    made: int = 0
    also: tuple[Metric, ...] = ()
    over: Literal["rows", "video"] = "rows"
    threshold: float | None = None
    truth: Callable[[Index], BoolArray] | None = None
    fresh: bool = False
    without_face: str = "counted, with the prediction for the whole picture"
    carries: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        unknown = set(self.labels) - set(self.task.labels)
        if unknown:
            raise ValueError(f"{self.name}: {self.task.name} has no {', '.join(sorted(unknown))}")
        if not self.labels:
            object.__setattr__(self, "labels", self.task.labels)
        kind = self.task.kind
        unfit = [metric for metric in (self.metric, *self.also) if kind not in METRICS[metric].kinds]
        if unfit:
            raise ValueError(f"{self.name}: {', '.join(unfit)} is not of {kind} labels")
        if self.truth is not None and kind != "categorical":
            raise ValueError(f"{self.name}: which label is right is asked of categorical ones, not {kind}")

    def parts(self, index: Index) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
        """Yield each fold's rows (train, validation, test) of an index."""
        column = index.split if self.by == "split" else index.subject
        for fold in self.folds or subject_folds(index, self.made):
            yield (
                np.flatnonzero(column.matches(*fold.train)),
                np.flatnonzero(column.matches(*fold.validation)),
                np.flatnonzero(column.matches(*fold.test)),
            )

    def right(self, index: Index) -> BoolArray:
        """Return which of the protocol's labels are right in each row, (n, labels of the protocol).

        A row with none does not count: it has no label, or none of these, or is not clear.

        Args:
            index: some rows of the database, of which the task must be categorical.
        """
        if self.truth is not None:
            every = self.truth(index)
        elif self.task in index.labels.values:
            every = index.labels.known[self.task] & (index.labels.values[self.task] > 0.5)
        else:
            every = np.zeros((len(index), len(self.task)), bool)
        return every[:, [self.task.index(label) for label in self.labels]]

    def counted(self, index: Index) -> BoolArray:
        """Return which rows of a prepared database's index are not left out, (n,), whatever their labels."""
        if not self.fresh:
            return np.ones(len(index), bool)
        return np.asarray(index.columns["seen_in_training"] == 0)


def recordings(index: Index) -> Names:
    """Return the recording of each row: the group "recording" where videos were cut into clips."""
    return index.groups.get("recording", index.video)


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


Role = Literal["", "seed paper", "best", "baseline", "apart"]
Part = Literal["", "validation", "test"]


@dataclass(frozen=True)
class Published:
    """A figure that others published.

    Attributes:
        protocol: by its name in the database, or a name in the database's `sums`.
        system: what was scored.
        value: in the metric's own unit; shares, not percent.
        source: who and where.
        year: of the source.
        of: one of the protocol's labels ("valence"), "" for the protocol's own figure.
        metric: the further metric it is of; None for the protocol's own.
        role: "seed paper", the paper this project follows; "best", the best that could be verified under
            the protocol; "baseline", the organisers' or authors' own; "apart", to be doubted or of other
            data: the note says why.
        part: the part it is of, where that is not the one that the protocol tests.
        note: why it may not be comparable.
    """

    protocol: str
    system: str
    value: float
    source: str
    year: int
    of: str = ""
    metric: Metric | None = None
    role: Role = ""
    part: Part = ""
    note: str = ""


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
        sums: name of a figure -> the protocols whose figures are added to make it.
        published: figures that others published, those under the protocol first.
        related: another database -> its subjects that are also here, or its recordings (all that may
            be, by name) where neither names subjects.
        pictures: (folder, media, frames) -> (frame, picture), where media is no picture, video or
            folder of numbered pictures.
    """

    title: str
    tasks: tuple[Task, ...]
    read: Callable[[Path, Findings], Index]
    protocols: tuple[Protocol, ...]
    licence: str
    obtain: str
    citation: str
    counts: tuple[Count, ...] = ()
    sums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    related: Mapping[str, frozenset[str]] = field(default_factory=dict)
    pictures: Callable[[Path, str, IntArray], Iterator[tuple[int, Image]]] | None = None
