"""What a batch is made of: clips of several prepared databases at once, each with its own labels.

A task that a database does not label is unknown there, cell by cell, so that databases with other label sets
learn side by side. The order of an epoch follows from the seed and the epoch alone: a run that goes on
after a crash draws what the uninterrupted one would have drawn.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mien.arrays import BoolArray, FloatArray, Image, IntArray
from mien.errors import SettingsError
from mien.hearing import Hearing
from mien.learning.recipe import SamplingSettings
from mien.preparation.prepared import Prepared
from mien.tasks import Task


@dataclass(frozen=True)
class Batch:
    """b clips of t frames.

    Attributes:
        crops: (b, t, s, s[, 3]) as stored.
        sound: (b, t, 1, bands, steps); None where the network does not hear.
        values: task -> (b, t, labels).
        known: task -> the same shape.
        clips: (b,) numbers of the clips, for messages.
    """

    crops: Image
    sound: FloatArray | None
    values: Mapping[Task, FloatArray]
    known: Mapping[Task, BoolArray]
    clips: IntArray


class Material:
    """The clips of one part of several prepared databases.

    Args:
        data: prepared with the same preprocessing.
        tasks: what is learned.
        split: "train", "validation" or "test".
        frames: length of a clip; 1 takes every row with a picture.
        step: frames from the start of a clip to the next.
        hearing: how sound becomes input; None where the network does not hear.
        fresh: leave out pictures that also stand in the training part.

    Raises:
        SettingsError: no clip is that long, or no database has labels of a task.
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
        self._hearing = hearing
        self.tasks = tuple(tasks)
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
            raise SettingsError(f"no clip of {frames} frames in the part {split!r}")

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

    def truth(self, task: Task, clips: IntArray) -> tuple[FloatArray, BoolArray]:
        """Return values and mask of a task in some clips, (b, t, labels)."""
        shape = (len(clips), self.rows.shape[1], len(task))
        values, known = np.zeros(shape, np.float32), np.zeros(shape, bool)
        for place, labels in enumerate(self._labels):
            mine = self.sources[clips] == place
            values[mine], known[mine] = (array[self.rows[clips[mine]]] for array in labels[task])
        return values, known

    def batch(self, clips: IntArray) -> Batch:
        """Return some clips with pictures, sound and labels."""
        parts = [self._data[place].crops[self.rows[clips[self.sources[clips] == place]].ravel()]
                 for place in range(len(self._data))]  # fmt: skip
        size = next(part.shape[1:] for part in parts)
        crops = np.zeros((len(clips), self.rows.shape[1], *size), np.uint8)
        for place, part in enumerate(parts):
            mine = self.sources[clips] == place
            crops[mine] = part.reshape(int(mine.sum()), self.rows.shape[1], *size)
        truths = {task: self.truth(task, clips) for task in self.tasks}
        return Batch(
            crops=crops,
            sound=np.stack([self._sound(int(clip)) for clip in clips]) if self._hearing else None,
            values={task: truth[0] for task, truth in truths.items()},
            known={task: truth[1] for task, truth in truths.items()},
            clips=clips,
        )

    def _sound(self, clip: int) -> FloatArray:
        """Return what is heard at each frame of a clip, (t, 1, bands, steps)."""
        assert self._hearing is not None
        prepared, rows = self._data[self.sources[clip]], self.rows[clip]
        times = prepared.index.seconds[rows]
        file = prepared.index.sound.at(int(rows[0]))
        if not np.isfinite(times).all() or file not in prepared.sounds:
            return self._hearing.silence(len(rows))
        before, after = self._hearing.context
        start, end = times[0] - before, times[-1] + after
        samples, known = prepared.sounds.between(file, float(start), float(end))
        return self._hearing.arrays(samples, known, times, float(start))[0]

    def describe(self, clip: int) -> str:
        """Return where a clip comes from, for messages."""
        prepared, rows = self._data[self.sources[clip]], self.rows[clip]
        return f"{prepared.index.database}: {prepared.index.describe(int(rows[0]))}"


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
    drawn. With `balance` clips are drawn by chance, rare classes and rarely present units more often.

    Args:
        material: the clips.
        settings: batch, mix and balance.
        seed: of the run.
        number: of the epoch.

    Raises:
        SettingsError: there are fewer clips than a batch holds.
    """
    steps = len(material) // settings.batch
    if not steps:
        raise SettingsError(f"{len(material)} clips are too few for a batch of {settings.batch}")
    rng = np.random.default_rng((seed, number))
    everything = np.arange(len(material))
    pools: list[tuple[IntArray, tuple[Task, ...]]] = [(everything, material.tasks)]
    if settings.mix == "even":
        pools = [(np.flatnonzero(material.labelled[task]), (task,)) for task in material.tasks]
        pools = [pool for pool in pools if len(pool[0])]
    shares = [settings.batch // len(pools) + (k < settings.batch % len(pools)) for k in range(len(pools))]
    draws = [
        _drawn(material, pool, tasks, steps * share, settings, rng).reshape(steps, share)
        for (pool, tasks), share in zip(pools, shares, strict=True)
    ]
    yield from np.concatenate(draws, axis=1)


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
        weights = rarity(material, pool, tasks)
        return rng.choice(pool, count, p=weights / weights.sum())
    rounds = [rng.permutation(pool) for _ in range(-(-count // len(pool)))]
    return np.concatenate(rounds)[:count]


def rarity(material: Material, pool: IntArray, tasks: Sequence[Task]) -> FloatArray:
    """Return how rare what each clip of a pool shows is, (len(pool),), at least 1 where anything is known.

    For each categorical or binary task: the mean over what a clip shows of the commonest label's frequency
    over the label's own; of several tasks the greatest. Clips of which nothing is known, or with no unit
    present, have 1.
    """
    rare = np.ones(len(pool))
    for task in tasks:
        if task.kind not in ("categorical", "binary"):
            continue
        values, known = material.truth(task, pool)
        shown = np.where(known, values, 0).sum(axis=1)  # (clips, labels)
        totals = shown.sum(axis=0)
        weight = totals.max(initial=0) / np.maximum(totals, 1e-9)
        mass = shown.sum(axis=1)
        mean = (shown * np.where(totals > 0, weight, 0)).sum(axis=1) / np.maximum(mass, 1e-9)
        rare = np.maximum(rare, np.where(mass > 0, mean, 1))
    return rare
