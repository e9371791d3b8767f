"""What a batch is made of: clips of several prepared databases at once, each with its own labels.

A task that a database does not label is unknown there, cell by cell, so that databases with other label sets
learn side by side. The order of an epoch follows from the seed and the epoch alone: a run that goes on
after a crash draws what the uninterrupted one would have drawn.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from mien.arrays import BoolArray, FloatArray, Image, IntArray
from mien.errors import SettingsError
from mien.hearing import Hearing
from mien.learning.recipe import SamplingSettings
from mien.preparation.prepared import Prepared
from mien.records import Labels
from mien.tasks import Task


@dataclass(frozen=True)
class Batch:
    """b clips of t frames.

    Attributes:
        crops: (b, t, s, s[, 3]) as stored; None where the network does not see.
        sound: (b, t, 1, bands, steps); None where the network does not hear.
    """

    crops: Image | None
    sound: FloatArray | None


Cells = tuple[FloatArray, BoolArray]
"""Values and mask of a task, (rows, labels) each."""


class Material:
    """The clips of one part of several prepared databases.

    Attributes:
        tasks: what is learned.
        rows: (clips, frames) rows in the index of the database that a clip comes from.
        sources: (clips,) which database that is.
        labelled: task -> (clips,) which clips have a known label of it.
        preprocessing: how the stored crops were made.

    Args:
        data: prepared with the same preprocessing, with crops of one size.
        tasks: what is learned.
        split: "train", "validation" or "test".
        frames: length of a clip; 1 takes every row with a picture.
        step: frames from the start of a clip to the next.
        hearing: how sound becomes input; None where the network does not hear.
        fresh: leave out pictures that also stand in the training part.

    Raises:
        SettingsError: no clip is that long, or crops differ in size or colour.
    """

    def __init__(
        self,
        data: Sequence[Prepared],
        tasks: Sequence[Task],
        split: str,
        frames: int,
        step: int,
        hearing: Hearing | None = None,
        fresh: bool = False,
    ) -> None:
        self._data = data
        self.preprocessing = data[0].preprocessing
        self._hearing = hearing
        self.tasks = tuple(tasks)
        _check_alike(data)
        rows, sources = [], []
        for place, prepared in enumerate(data):
            chosen = _clips(prepared, split, frames, step, fresh)
            rows.append(chosen)
            sources.append(np.full(len(chosen), place))
        self.rows: IntArray = np.concatenate(rows)
        self.sources: IntArray = np.concatenate(sources)
        self._labels = [{task: prepared.index.labels.seen_as(task) for task in tasks} for prepared in data]
        self.labelled = {task: self._labelled(task) for task in tasks}
        if not len(self.rows):
            names = ", ".join(prepared.index.name for prepared in data)
            raise SettingsError(f"{names}: no clip of {frames} frames in the part {split!r}")

    def __len__(self) -> int:
        return len(self.rows)

    def _labelled(self, task: Task) -> BoolArray:
        """Return which clips have a known label of a task."""
        known = np.zeros(len(self.rows), bool)
        for place, labels in enumerate(self._labels):
            mine = self.sources == place
            rows: BoolArray = np.any(labels[task][1], axis=1)
            known[mine] = np.any(rows[self.rows[mine]], axis=1)
        return known

    def knows(self, task: Task) -> bool:
        """Return whether anything is known of a task, filled in or not."""
        return bool(self.truth(task, np.arange(len(self)))[1].any())

    def filled(self, said: Sequence[Labels], share: float = 0.0) -> "Material":
        """Return the same clips with what is unknown filled in by what somebody says of it.

        A distribution over classes is filled in whole or not at all. `labelled`, by which batches are mixed,
        stays what the databases themselves know.

        Args:
            said: of each database, for all its rows; tasks with other labels are translated by name.
            share: of what they say in known cells, 0 to 1; the rest is the label.
        """
        filled = copy(self)
        filled._labels = [
            {task: _joined(task, own[task], theirs.seen_as(task), share) for task in self.tasks}
            for own, theirs in zip(self._labels, said, strict=True)
        ]
        return filled

    def truth(self, task: Task, clips: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return values and mask of a task in some clips, (b, t, labels)."""
        shape = (len(clips), self.rows.shape[1], len(task))
        values, known = np.zeros(shape, np.float32), np.zeros(shape, bool)
        for place, labels in enumerate(self._labels):
            mine = self.sources[clips] == place
            values[mine], known[mine] = (array[self.rows[clips[mine]]] for array in labels[task])
        return values, known

    def batch(self, clips: IntArray, seeing: bool = True) -> Batch:
        """Return what is seen and heard of some clips; their labels are `truth`."""
        return Batch(
            crops=self._pictures(clips) if seeing else None,
            sound=np.stack([self._sound(int(clip)) for clip in clips]) if self._hearing else None,
        )

    def _pictures(self, clips: IntArray) -> Image:
        """Return the crops of some clips."""
        frames = self.rows.shape[1]
        shape = self._data[0].crops[np.zeros(0, np.int64)].shape[1:]
        crops = np.zeros((len(clips), frames, *shape), np.uint8)
        for place, prepared in enumerate(self._data):
            mine = self.sources[clips] == place
            stored = prepared.crops[self.rows[clips[mine]].ravel()]
            crops[mine] = stored.reshape(-1, frames, *shape)
        return crops

    def _sound(self, clip: int) -> FloatArray:
        """Return what is heard at each frame of a clip, (t, 1, bands, steps)."""
        assert self._hearing is not None
        prepared: Prepared = self._data[self.sources[clip]]
        return prepared.heard(self._hearing, self.rows[clip])

    def describe(self, clip: int) -> str:
        """Return where a clip comes from, for messages."""
        prepared, rows = self._data[self.sources[clip]], self.rows[clip]
        return f"{prepared.index.name}: {prepared.index.describe(int(rows[0]))}"


def _check_alike(data: Sequence[Prepared]) -> None:
    """Refuse databases whose crops cannot lie in one batch."""
    for prepared in data[1:]:
        ours, first = prepared.preprocessing, data[0].preprocessing
        if (ours.size, ours.colour) != (first.size, first.colour):
            raise SettingsError(
                f"{prepared.index.name}: crops of {ours.size} pixels in {ours.colour}, but those of "
                f"{data[0].index.name} have {first.size} in {first.colour}; prepare one of them again"
            )


def _joined(task: Task, own: Cells, theirs: Cells, share: float) -> Cells:
    """Return values and mask in which what is unknown in `own`, and a share of the rest, is `theirs`."""
    (values, known), (others, said) = own, theirs
    empty = ~known.any(axis=1, keepdims=True) if task.kind == "categorical" else ~known
    taken = empty & said
    mixed = np.where(known & said, (1 - share) * values + share * others, values)
    return np.where(taken, others, mixed).astype(np.float32), known | taken


def _clips(prepared: Prepared, split: str, frames: int, step: int, fresh: bool) -> IntArray:
    """Return the clips of one part of one database, rows (m, frames)."""
    columns = prepared.index.columns
    if frames == 1:
        rows: IntArray = np.flatnonzero(columns["picture"])[:, None]
    else:
        rows = prepared.clips(frames, step or frames)
    keep = prepared.index.split.matches(split)[rows[:, 0]]
    if fresh:
        keep &= ~(columns["seen_in_training"][rows] == 1).any(axis=1)
    return rows[keep]


def epoch(material: Material, settings: SamplingSettings, seed: int, number: int) -> Iterator[IntArray]:
    """Yield the batches of one epoch, numbers of clips (batch,).

    As many as there are clips for whole batches. "proportional" takes each clip once; "even" gives each task
    an equal share of each batch, drawn from the clips that have its labels, which come again when all were
    drawn. With `balance` clips are drawn by chance, with the weights of `chances`.

    Args:
        material: the clips.
        settings: batch, mix and balance.
        seed: of the run.
        number: of the epoch.

    Raises:
        SettingsError: there are fewer clips than a batch holds, or a batch has no room for every task.
    """
    steps = steps_of(material, settings)
    rng = np.random.default_rng((seed, number))
    pools = _pools(material, settings)
    shares = [settings.batch // len(pools) + (k < settings.batch % len(pools)) for k in range(len(pools))]
    draws = [
        _drawn(material, pool, tasks, steps * share, settings, rng).reshape(steps, share)
        for (pool, tasks), share in zip(pools, shares, strict=True)
    ]
    yield from rng.permuted(np.concatenate(draws, axis=1), axis=1)


def steps_of(material: Material, settings: SamplingSettings) -> int:
    """Return how many batches an epoch has.

    Raises:
        SettingsError: there are fewer clips than a batch holds, or a batch has no room for every task.
    """
    if len(material) < settings.batch:
        raise SettingsError(f"{len(material)} clips are too few for a batch of {settings.batch}")
    pools = len(_pools(material, settings))
    if settings.batch < pools:
        raise SettingsError(f"a batch of {settings.batch} has no room for {pools} tasks in equal shares")
    return len(material) // settings.batch


def _pools(material: Material, settings: SamplingSettings) -> list[tuple[IntArray, tuple[Task, ...]]]:
    """Return the clips from which each share of a batch is drawn, and the tasks they are drawn for."""
    if settings.mix == "even":
        pools: list[tuple[IntArray, tuple[Task, ...]]] = [
            (np.flatnonzero(material.labelled[task]), (task,))
            for task in material.tasks
            if material.labelled[task].any()
        ]
        if pools:
            return pools
    return [(np.arange(len(material)), material.tasks)]


def _drawn(
    material: Material,
    pool: IntArray,
    tasks: Sequence[Task],
    count: int,
    settings: SamplingSettings,
    rng: np.random.Generator,
) -> IntArray:
    """Return `count` clips of a pool in random order."""
    if settings.balance == "classes":
        return rng.choice(pool, count, p=chances(material, pool, tasks))
    rounds = [rng.permutation(pool) for _ in range(-(-count // len(pool)))]
    return np.concatenate(rounds)[:count]


def chances(material: Material, pool: IntArray, tasks: Sequence[Task]) -> FloatArray:
    """Return the probability with which each clip of a pool is drawn, (len(pool),), for balanced classes.

    As if a task were drawn first, by how many clips have its labels; then one of its classes, or one of its
    units or the absence of all of them, each as often as any other; then a clip by how much of that it
    shows. Of other kinds of task, and where nothing is known at all, each clip is as likely as any other.
    """
    total: FloatArray = np.zeros(len(pool))
    blank = np.ones(len(pool), bool)
    for task in tasks:
        values, known = material.truth(task, pool)
        some: BoolArray = np.any(known, axis=(1, 2))
        blank &= ~some
        shown: FloatArray = some[:, None].astype(np.float64)
        if task.kind in ("categorical", "binary"):
            shown = np.where(known, values, 0).sum(axis=1, dtype=np.float64)
            if task.kind == "binary":
                present: BoolArray = np.any(known & (values > 0.5), axis=2)
                absent = (known.any(axis=2) & ~present).sum(axis=1)
                shown = np.concatenate([shown, absent[:, None]], axis=1)
        shown = shown[:, shown.sum(axis=0) > 0]
        if shown.size:
            total += some.sum() * (shown / shown.sum(axis=0)).mean(axis=1)
    total = total + blank
    return np.asarray(total / total.sum())
