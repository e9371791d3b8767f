"""What is counted of one protocol while predictions pass: statistics by recording, nothing by row.

Whatever is asked later (a metric, a fold, an interval, a group of people) follows from these few numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.calibration import Calibration
from mien.databases.catalog import Protocol, recordings
from mien.databases.index import Index
from mien.errors import DatabaseError
from mien.metrics import Confusion, Moments, Outcomes, confidence_bins
from mien.records import Predictions, by_name
from mien.tasks import Task

Statistics = Moments | Confusion | Outcomes

STEPS = 1000
"""Steps of probability in which thresholds and areas under the curve are looked for."""

PIECE = 65_536
"""Rows whose labels are looked at together for the baselines."""

POOL = 10_000
"""About how many rows the prior draws from."""

SCATTER = np.uint64(0x9E3779B97F4A7C15)
"""Multiplier that spreads row numbers evenly (Knuth: The Art of Computer Programming 3, 6.4)."""

CELLS = 32
"""Cells across the grid of valence and arousal."""


def told(protocol: Protocol, predictions: Predictions) -> FloatArray:
    """Return what is predicted of a protocol's labels, (n, labels), NaN for a label that is not predicted.

    Where the network has not the protocol's task, the one of the same behaviour and kind with most of its
    labels, the first of equals, is read by their names.

    Raises:
        DatabaseError: it has none.
    """
    source = source_of(protocol, tuple(predictions.values))
    if source is None:
        has = ", ".join(t.name for t in predictions.values)
        raise DatabaseError(f"{protocol.name}: wants {protocol.task.name}, and the network predicts {has}")
    return by_name(protocol.task, source.labels, predictions.values[source])[:, columns(protocol)]


def source_of(protocol: Protocol, tasks: Sequence[Task]) -> Task | None:
    """Return which of a network's tasks a protocol is scored on; None where none has any of its labels."""
    wanted = protocol.task
    if wanted in tasks:
        return wanted
    shared = {
        task: len(set(task.labels) & set(protocol.labels))
        for task in tasks
        if (task.behaviour, task.kind) == (wanted.behaviour, wanted.kind)
    }
    best = max(shared, key=lambda task: shared[task], default=None)
    return best if best is not None and shared[best] else None


def columns(protocol: Protocol) -> list[int]:
    """Return where a protocol's labels are in its task."""
    return [protocol.task.index(label) for label in protocol.labels]


def labelled(protocol: Protocol, index: Index) -> tuple[FloatArray, BoolArray]:
    """Return the truth of a protocol's labels and what is known of it, (n, labels) each.

    Of classes the truth is 1 for each that is right, and a row is known where any is.
    """
    if protocol.task.kind == "categorical":
        right = protocol.right(index)
        return right.astype(np.float32), np.repeat(right.any(axis=1, keepdims=True), right.shape[1], axis=1)
    places = columns(protocol)
    values, known = index.labels.seen_as(protocol.task)
    return np.take(values, places, axis=1), np.take(known, places, axis=1)


@dataclass
class Baselines:
    """What is known of a protocol's labels without looking at a face.

    Attributes:
        constant: (labels,) the mean of each label.
        pool: (m, labels) labels of rows, from which the prior draws.
        source: of what they are.
    """

    constant: FloatArray
    pool: FloatArray
    source: str

    @classmethod
    def of(cls, protocol: Protocol, index: Index, train: IntArray, test: IntArray) -> "Baselines":
        """Return those of the training part; of the tested part where no label is known there."""
        found = _gathered(protocol, index, train)
        source = "the training part"
        if found is None:
            found = _gathered(protocol, index, test)
            source = "the tested part, for no other has labels"
        labels = len(protocol.labels)
        constant, pool = found or (np.zeros(labels, np.float32), np.zeros((1, labels), np.float32))
        return cls(constant, pool, source)

    def says(self, kind: str, rows: IntArray, binary: bool) -> FloatArray:
        """Return what a baseline says of rows, (n, labels); of each row the same whatever it is asked with.

        "constant" says the commonest class, the mean value, and of action units that each is present;
        "prior" says of each row what a row drawn by chance has.
        """
        if kind == "constant":
            said = np.ones_like(self.constant) if binary else self.constant
            return np.repeat(said[None], len(rows), axis=0)
        scattered = (rows.astype(np.uint64) * SCATTER) >> np.uint64(32)
        return self.pool[(scattered % np.uint64(len(self.pool))).astype(np.int64)]


def _gathered(protocol: Protocol, index: Index, rows: IntArray) -> tuple[FloatArray, FloatArray] | None:
    """Return the means of labels, and rows of labels spread over these; None where none is known.

    In a row of the pool, what is unknown is taken from another row in which it is known, so that each label
    is as often there as among all its known cells.
    """
    total, count = np.zeros(len(protocol.labels)), np.zeros(len(protocol.labels))
    kept: list[FloatArray] = []
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        values, known = labelled(protocol, index[piece])
        total += np.where(known, values, 0).sum(axis=0, dtype=np.float64)
        count += known.sum(axis=0)
        some = np.flatnonzero(known.any(axis=1))
        some = some[:: max(1, len(some) * len(rows) // (len(piece) * POOL))]
        kept.append(np.where(known[some], values[some], np.nan))
    if not count.any():
        return None
    pool = np.concatenate(kept)
    rng = np.random.default_rng(0)
    for label in range(pool.shape[1]):
        column = pool[:, label]
        unknown = np.isnan(column)
        column[unknown] = rng.choice(column[~unknown], unknown.sum()) if not unknown.all() else 0
    if protocol.task.kind == "categorical":
        pool = pool / np.maximum(pool.sum(axis=1, keepdims=True), 1)
    return (total / np.maximum(count, 1)).astype(np.float32), pool.astype(np.float32)


@dataclass
class Tally:
    """Statistics of the rows of one part, by recording.

    Attributes:
        statistics: by recording, of "model", "constant", "prior" and, with thresholds, "validation".
        names: (recordings,) their names' codes in the index.
        counts: rows of the part, with a label, with a picture, with a face found, carried, counted.
        scores: of action units (labels, 2, STEPS) how often each probability was said, of absent and of
            present ones.
        calibration: (bins, 3) how many, sum of confidence, how many right.
        density: (2, CELLS, CELLS) of truth and of model, valence across and arousal up.
        unpredicted: labels that the network does not have.
        held: of the sets, "", and of the intervals of each label: how many, how many hold the label, the sum
            of their sizes or widths; empty where the network states none.

    Args:
        protocol: what is counted.
        index: of the prepared database.
        rows: (n,) of the part, rising.
        baselines: what is scored beside the model.
        thresholds: (labels,) of action units, from the validation part.
        stated: what the network states of how sure it is.
    """

    protocol: Protocol
    index: Index
    rows: IntArray
    baselines: Baselines | None = None
    thresholds: FloatArray | None = None
    stated: Calibration | None = None
    statistics: dict[str, Statistics] = field(default_factory=dict)
    unpredicted: tuple[str, ...] = ()
    held: dict[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.wanted = np.zeros(len(self.index), bool)
        self.wanted[self.rows] = self.protocol.counted(self.index)[self.rows]
        units = recordings(self.index)
        self.names = np.unique(units.codes[self.rows])
        self._place = np.zeros(len(units.vocabulary), np.int64)
        self._place[self.names] = np.arange(len(self.names))
        self._clips: dict[int, tuple[FloatArray, int]] = {}
        self._clip = self.index.video.codes.astype(np.int64) * len(self.index.face.vocabulary)
        self._clip += self.index.face.codes
        labels = len(self.protocol.labels)
        self.counts = dict.fromkeys(("rows", "labelled", "picture", "face found", "carried", "counted"), 0)
        self.scores = np.zeros((labels, 2, STEPS), np.int64)
        self.calibration = confidence_bins([], [])
        self.density = np.zeros((2, CELLS, CELLS), np.int64)

    def add(self, rows: IntArray, predictions: Predictions, seen: BoolArray, carried: BoolArray) -> None:
        """Count some rows, of which those of another part are left out."""
        mine = self.wanted[rows]
        if not mine.any():
            return
        rows, seen, carried = rows[mine], seen[mine], carried[mine]
        part = self.index[rows]
        truth, known = labelled(self.protocol, part)
        carried = carried & self.protocol.carries
        usable = seen | carried
        self._count(part, known, seen, carried)
        said = told(self.protocol, predictions[mine])
        if self.index.unit == "clip":
            self._gather(rows[usable], said[usable])
            return
        keep = usable & known.any(axis=1)
        if keep.any():
            self._score(rows[keep], truth[keep], known[keep], said[keep])
            if self.stated is not None:
                self._hold(self.stated, truth[keep], known[keep], predictions[mine][keep])

    def finish(self) -> None:
        """Count what had to wait for the end of its clip, and forget recordings of which nothing counted."""
        if self._clips:
            self._judge()
        if "model" in self.statistics:
            count = self.statistics["model"].count
            some = np.flatnonzero(count.reshape(len(self.names), -1).any(axis=1))
            self.names = self.names[some]
            self.statistics = {name: statistics[some] for name, statistics in self.statistics.items()}

    def _judge(self) -> None:
        """Count clips by the mean of what was said of their frames."""
        first = {int(self._clip[row]): int(row) for row in self.rows[::-1]}
        rows = np.array([first[code] for code in self._clips], np.int64)
        said = np.stack([total / count for total, count in self._clips.values()]).astype(np.float32)
        truth, known = labelled(self.protocol, self.index[rows])
        keep = known.any(axis=1)
        if keep.any():
            self._score(rows[keep], truth[keep], known[keep], said[keep])

    def _count(self, part: Index, known: BoolArray, seen: BoolArray, carried: BoolArray) -> None:
        """Count the rows themselves."""
        with_label = known.any(axis=1)
        found = part.columns["face_found"] == 1 if "face_found" in part.columns else seen
        for name, which in (
            ("rows", np.ones(len(part), bool)),
            ("labelled", with_label),
            ("picture", with_label & seen),
            ("face found", with_label & found),
            ("carried", with_label & carried),
            ("counted", with_label & (seen | carried)),
        ):
            self.counts[name] += int(which.sum())

    def _gather(self, rows: IntArray, said: FloatArray) -> None:
        """Add what is said of the frames of clips, of each face apart."""
        codes = self._clip[rows]
        for code in np.unique(codes):
            own = said[codes == code]
            total, count = self._clips.get(int(code), (np.zeros(said.shape[1]), 0))
            self._clips[int(code)] = total + own.sum(axis=0), count + len(own)

    def _score(self, rows: IntArray, truth: FloatArray, known: BoolArray, said: FloatArray) -> None:
        """Add rows with a label to all statistics."""
        missing = np.isnan(said).all(axis=0)
        self.unpredicted = tuple(np.array(self.protocol.labels)[missing])
        groups = self._place[recordings(self.index).codes[rows]]
        binary = self.protocol.task.kind == "binary"
        voices: dict[str, FloatArray] = {"model": said}
        if self.baselines is not None:
            for kind in ("constant", "prior"):
                voice = self.baselines.says(kind, rows, binary)
                classes = self.protocol.task.kind == "categorical"
                voices[kind] = voice if classes else np.where(missing, np.nan, voice)
        for name, voice in voices.items():
            self._add(name, self._counted(truth, known, voice, groups, None))
        if self.thresholds is not None:
            self._add("validation", self._counted(truth, known, said, groups, self.thresholds))
        self._look(truth, known & ~missing, said)

    def _counted(
        self,
        truth: FloatArray,
        known: BoolArray,
        said: FloatArray,
        groups: IntArray,
        thresholds: FloatArray | None,
    ) -> Statistics:
        """Return the statistics of some rows by recording; without thresholds a unit is present from 0.5."""
        count = len(self.names)
        known = known & ~np.isnan(said)
        if self.protocol.task.kind == "categorical":
            chosen = np.where(np.isnan(said), -np.inf, said).argmax(axis=1)
            right = truth[np.arange(len(truth)), chosen] > 0
            true = np.where(right, chosen, truth.argmax(axis=1))
            return Confusion.of(true, chosen, truth.shape[1], groups=groups, count=count)
        if self.protocol.task.kind == "binary":
            present = said >= (0.5 if thresholds is None else thresholds)
            return Outcomes.of(truth > 0.5, present, known, groups, count)
        return Moments.of(truth, np.nan_to_num(said), known, groups, count)

    def _add(self, name: str, statistics: Statistics) -> None:
        """Add statistics to those that are there."""
        before = self.statistics.get(name)
        self.statistics[name] = statistics if before is None else before + statistics  # type: ignore[operator]

    def _look(self, truth: FloatArray, known: BoolArray, said: FloatArray) -> None:
        """Add rows to what the pictures show and thresholds are looked for in."""
        kind = self.protocol.task.kind
        if kind == "categorical":
            shares = np.nan_to_num(said) / np.maximum(np.nansum(said, axis=1, keepdims=True), 1e-9)
            chosen = shares.argmax(axis=1)
            lines = np.arange(len(said))
            self._calibrate(shares[lines, chosen], truth[lines, chosen] > 0)
        elif kind == "binary":
            step = np.clip((np.nan_to_num(said) * STEPS).astype(np.int64), 0, STEPS - 1)
            for label in range(said.shape[1]):
                own = known[:, label]
                place = (truth[own, label] > 0.5) * STEPS + step[own, label]
                self.scores[label] += np.bincount(place, minlength=2 * STEPS).reshape(2, STEPS)
            self._calibrate(said[known], truth[known] > 0.5)
        elif kind == "continuous" and said.shape[1] == 2:
            low, high = self.protocol.task.range
            both = known.all(axis=1)
            for which, values in enumerate((truth, said)):
                cell = ((values[both] - low) / (high - low) * CELLS).astype(np.int64).clip(0, CELLS - 1)
                np.add.at(self.density[which], (cell[:, 1], cell[:, 0]), 1)

    def _hold(
        self, stated: Calibration, truth: FloatArray, known: BoolArray, predictions: Predictions
    ) -> None:
        """Count how many sets and intervals of a calibrated network hold the label."""
        task = self.protocol.task
        if task not in predictions.values or self.protocol.labels != task.labels:
            return
        if stated.has_sets(task):
            sets = stated.sets(task, predictions.values)
            self._add_held("", np.asarray((sets & (truth > 0)).any(axis=1)), sets.sum(axis=1))
        if stated.has_intervals(task):
            low, high = np.moveaxis(stated.intervals(task, predictions.values).astype(np.float64), -1, 0)
            inside = (low <= truth) & (truth <= high)
            for place, label in enumerate(task.labels):
                own = known[:, place]
                self._add_held(label, inside[own, place], (high - low)[own, place])

    def _add_held(self, label: str, inside: BoolArray, sizes: FloatArray | IntArray) -> None:
        """Add sets or intervals to those that are there."""
        sums = np.array([len(inside), inside.sum(), sizes.sum()], np.float64)
        self.held[label] = self.held.get(label, np.zeros(3)) + sums

    def _calibrate(self, confidence: FloatArray, right: BoolArray) -> None:
        """Add rows to the calibration curve."""
        self.calibration += confidence_bins(confidence, right)


def best_thresholds(scores: IntArray) -> FloatArray:
    """Return for each action unit the threshold with the best F1, (labels,); the one nearest 0.5 of equals.

    A unit that was never present keeps 0.5.

    Args:
        scores: of a Tally of the validation part.
    """
    above = np.cumsum(scores[:, :, ::-1], axis=2)[:, :, ::-1]
    hits, alarms = above[:, 1], above[:, 0]
    present = scores[:, 1].sum(axis=1, keepdims=True)
    f1 = 2 * hits / np.maximum(hits + alarms + present, 1)
    steps = np.arange(STEPS) / STEPS
    nearness = 1e-9 * (1 - np.abs(steps - 0.5))
    best = (f1 + nearness).argmax(axis=1)
    return np.where(present[:, 0] > 0, steps[best], 0.5)


def areas(scores: IntArray) -> FloatArray:
    """Return the area under the ROC curve of each action unit, (labels,); NaN without both classes.

    Probabilities within one of the STEPS steps count as equal.
    """
    below = np.cumsum(scores[:, 0], axis=1) - scores[:, 0]
    wins = (scores[:, 1] * (below + scores[:, 0] / 2)).sum(axis=1)
    pairs = scores[:, 0].sum(axis=1) * scores[:, 1].sum(axis=1)
    return np.where(pairs > 0, wins / np.maximum(pairs, 1), np.nan)
