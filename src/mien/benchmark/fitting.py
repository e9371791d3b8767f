"""From what a network says of faces with labels to its calibration: arrays in, `mien.calibration` out."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from mien.arrays import BoolArray, FloatArray, IntArray, Rows
from mien.benchmark.tally import STEPS, best_thresholds
from mien.calibration import (
    FLOOR,
    HOTTEST,
    LEAST,
    STEEPEST,
    Calibration,
    Classes,
    One,
    Units,
    Values,
    logits_of,
    placed,
    preceding,
    scaled,
    scales,
    tempered,
)
from mien.tasks import Task

ENOUGH = 20
"""Faces that must show a unit, and as many that must not, for it to be calibrated."""

ROUNDS = 50
"""Steps of Newton's method, at most; some ten are taken."""

HALVINGS = 36
"""Of the range of inverse temperatures: it is found to nine digits."""


@dataclass(frozen=True)
class Faces:
    """What a network says of n faces, and what their labels say.

    Attributes:
        said: task -> (n, labels), not calibrated.
        truth: task -> (n, labels): of classes 1 for the right one and 0 for the others, of units how sure it
            is that each is present, of others the value; 0 where it is not known.
        known: task -> (n, labels).
        group: (n,) which person, or recording, a face is of; faces of one are never divided.
    """

    said: Mapping[Task, FloatArray]
    truth: Mapping[Task, FloatArray]
    known: Mapping[Task, BoolArray]
    group: IntArray

    def __len__(self) -> int:
        return len(self.group)

    def __getitem__(self, rows: Rows) -> Self:
        return type(self)(
            {task: values[rows] for task, values in self.said.items()},
            {task: values[rows] for task, values in self.truth.items()},
            {task: values[rows] for task, values in self.known.items()},
            self.group[rows],
        )


def fitted(faces: Faces, coverage: float, sources: tuple[Mapping[str, str], ...] = ()) -> Calibration:
    """Return the calibration that faces allow; a task of which no label is known has none.

    Args:
        faces: that the network did not learn from.
        coverage: of sets and intervals, between 0 and 1.
        sources: name and part of each database they are from.
    """
    tasks: dict[Task, One] = {}
    for task in faces.said:
        known = faces.known[task]
        if task.kind == "categorical" and known.any():
            rows = known.all(axis=1)
            tasks[task] = classes(faces.said[task][rows], faces.truth[task][rows], coverage)
        if task.kind == "binary" and known.any():
            tasks[task] = units(faces.said[task], faces.truth[task], known)
    said = Calibration(coverage, tasks).applied(faces.said)
    expressions = next((task for task in faces.said if placed(task)), None)
    for task in faces.said:
        if task.kind == "continuous" and faces.known[task].any():
            about = expressions if task.labels == ("valence", "arousal") else None
            tasks[task] = values(task, said, faces.truth[task], faces.known[task], coverage, about)
    return Calibration(coverage, tasks, sources)


def classes(probabilities: FloatArray, right: FloatArray, coverage: float) -> Classes:
    """Return the temperature and the mass of sets of some faces, at least one.

    Args:
        probabilities: (n, classes).
        right: (n, classes) 1 for the class that is right, 0 for the others.
        coverage: of the sets.
    """
    found = temperature(probabilities, right)
    calibrated = tempered(probabilities, found).astype(np.float32)
    before = preceding(calibrated)[right > 0.5]
    return Classes(found, quantile(before, coverage, 1.0), len(probabilities))


def temperature(probabilities: FloatArray, right: FloatArray) -> float:
    """Return the temperature of least negative log likelihood (Guo et al. 2017).

    That is convex in the inverse temperature; its slope is the mean logit that is expected less that of the
    right class, and where it is 0 is found by halving. Where no face is wrong, or the network knows nothing,
    it is the lowest or the highest there is.

    Args:
        probabilities: (n, classes), n at least 1.
        right: (n, classes), each row adds up to 1.
    """
    logits = np.log(np.maximum(probabilities, LEAST, dtype=np.float64))
    wanted = (right * logits).sum(axis=1).mean()
    low, high = 1 / HOTTEST, HOTTEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        expected = (tempered(probabilities, 1 / middle) * logits).sum(axis=1).mean()
        low, high = (middle, high) if expected < wanted else (low, middle)
    return float(np.clip(2 / (low + high), 1 / HOTTEST, HOTTEST))


def units(probabilities: FloatArray, presence: FloatArray, known: BoolArray) -> Units:
    """Return scale, shift and threshold of each unit; 1, 0 and 0.5 for one that ENOUGH faces do not show.

    The threshold is that of the best F1, of equals the one nearest 0.5, in steps of a thousandth.

    Args:
        probabilities: (n, units).
        presence: (n, units) how sure it is that each is present, 0 to 1; above a half it counts as present.
        known: (n, units).
    """
    count = probabilities.shape[1]
    scale, shift, rows = np.ones(count), np.zeros(count), np.zeros(count, np.int64)
    calibrated = probabilities.astype(np.float32)
    present = presence > 0.5
    for unit in range(count):
        own = known[:, unit]
        shown = int(present[own, unit].sum())
        if min(shown, int(own.sum()) - shown) < ENOUGH:
            continue
        scale[unit], shift[unit] = platt(probabilities[own, unit], presence[own, unit])
        calibrated[:, unit] = scaled(probabilities[:, unit], scale[unit], shift[unit])
        rows[unit] = own.sum()
    scores = np.zeros((count, 2, STEPS), np.int64)
    place = np.clip((calibrated * STEPS).astype(np.int64), 0, STEPS - 1)
    for unit in np.flatnonzero(rows).tolist():
        own = known[:, unit]
        cells = present[own, unit] * STEPS + place[own, unit]
        scores[unit] = np.bincount(cells, minlength=2 * STEPS).reshape(2, STEPS)
    return Units(
        tuple(scale.tolist()),
        tuple(shift.tolist()),
        tuple(best_thresholds(scores).tolist()),
        tuple(rows.tolist()),
    )


def platt(probabilities: FloatArray, presence: FloatArray) -> tuple[float, float]:
    """Return scale and shift of the logit of least negative log likelihood (Platt 1999), by Newton's method.

    As there, present counts as (p + 1) / (p + 2) and absent as 1 / (a + 2), of p present and a absent faces,
    so that a unit that is never wrong keeps its numbers within bounds. A unit whose probability says nothing,
    or the contrary, keeps the network's own: 1 and 0.

    Args:
        probabilities: (n,), n at least 1.
        presence: (n,) from 0 to 1.
    """
    sure = np.asarray(presence, np.float64)
    highest, lowest = (sure.sum() + 1) / (sure.sum() + 2), 1 / ((1 - sure).sum() + 2)
    target = sure * highest + (1 - sure) * lowest
    design = np.stack([logits_of(probabilities), np.ones(len(sure))], axis=1)
    found = np.array([1.0, 0.0])
    for _ in range(ROUNDS):
        logits = design @ found
        said = (1 + np.tanh(logits / 2)) / 2
        slope = design.T @ (said - target)
        bend = (design * (said * (1 - said))[:, None]).T @ design + 1e-9 * len(sure) * np.eye(2)
        step = np.linalg.solve(bend, slope)
        size, before = 1.0, _loss(logits, target)
        while size > 1e-6 and _loss(design @ (found - size * step), target) > before:
            size /= 2
        found = found - size * step
        if np.abs(size * step).max() < 1e-9:
            break
    scale, shift = found.tolist()
    usable = 1 / STEEPEST <= scale <= STEEPEST and abs(shift) <= STEEPEST
    return (scale, shift) if usable else (1.0, 0.0)


def _loss(logits: FloatArray, target: FloatArray) -> float:
    """Return the negative log likelihood of targets, which may lie between 0 and 1."""
    return float((np.logaddexp(0, logits) - target * logits).sum())


def values(
    task: Task,
    said: Mapping[Task, FloatArray],
    truth: FloatArray,
    known: BoolArray,
    coverage: float,
    expressions: Task | None,
) -> Values:
    """Return the width of intervals of each label; of one that is too seldom known, of the whole range.

    Args:
        task: of continuous labels.
        said: calibrated, task -> (n, labels) of all tasks.
        truth: (n, labels).
        known: (n, labels).
        coverage: of the intervals.
        expressions: whose spread is the scale; None for the same scale of every face.
    """
    about = expressions.name if expressions is not None else ""
    least = Values((0.0,) * len(task), FLOOR, about, tuple(known.sum(axis=0).tolist()))
    low, high = task.range
    ratio = np.abs(truth - said[task]) / scales(least, said, truth.shape)
    width = tuple(
        quantile(ratio[known[:, label], label], coverage, 2 * (high - low) / FLOOR)
        for label in range(len(task))
    )
    return Values(width, FLOOR, about, least.rows)


def quantile(scores: FloatArray, coverage: float, beyond: float) -> float:
    """Return the score that a further face exceeds with a chance of at most 1 - coverage.

    Of n scores it is the ceil((n + 1) coverage)-th in rising order (Vovk, Gammerman and Shafer 2005).

    Args:
        scores: (n,).
        coverage: between 0 and 1.
        beyond: what is returned where n is too small for the coverage.
    """
    place = math.ceil((len(scores) + 1) * coverage - 1e-9)
    return float(np.sort(scores)[place - 1]) if place <= len(scores) else beyond
