"""A bundle calibrated on prepared databases, and how well that holds on faces kept aside.

    faces = gathered(bundle.uncalibrated(), databases, "validation")
    calibration = fitted(faces, 0.9, sources)
    lines = checked(faces, calibration)

Faces are those of one part of each database, without pictures that also stand in its training part. What is
learned of a task comes from all databases that have its labels: expressions perhaps from one, units from
another.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.benchmark.fitting import Faces, fitted
from mien.benchmark.predicting import check_prepared, said
from mien.bundle import Bundle
from mien.calibration import Calibration, Classes, One, Units
from mien.databases import DATABASES
from mien.databases.catalog import recordings
from mien.databases.index import Index
from mien.errors import DatabaseError
from mien.metrics import Outcomes, calibration_error, confidence_bins, mean_defined
from mien.preparation.prepared import Prepared
from mien.tasks import Task

HALVES = 100
"""Times that the faces are divided by chance: one half calibrates, the other is measured."""

DRAWS = 20
"""Times that what is right is drawn by chance, to tell what error a perfect network would show."""


@dataclass(frozen=True)
class Line:
    """One thing that is measured.

    Attributes:
        task: of which task.
        label: of which label; "" for all.
        what: is measured.
        raw: of the network itself, on all faces; NaN where it has none.
        own: on the faces that the calibration was fitted on.
        aside: the mean over halves of the faces that were kept aside.
        low: 2.5 % of halves had less.
        high: 2.5 % had more.
    """

    task: Task
    label: str
    what: str
    raw: float
    own: float
    aside: float
    low: float
    high: float


def gathered(bundle: Bundle, databases: Sequence[Prepared], split: str, quiet: bool = False) -> Faces:
    """Return what a bundle says of the faces of one part of some databases, and their labels.

    Args:
        bundle: not calibrated.
        databases: prepared with its preprocessing.
        split: the part, "validation" or "test".
        quiet: without a progress bar.

    Raises:
        DatabaseError: a database was prepared for another network, has no rows in the part, or none of the
            labels that the network predicts.
    """
    parts = [_of_database(bundle, data, split, quiet) for data in databases]
    starts = np.cumsum([0, *(int(part.group.max()) + 1 for part in parts)])
    return Faces(
        {task: np.concatenate([part.said[task] for part in parts]) for task in bundle.tasks},
        {task: np.concatenate([part.truth[task] for part in parts]) for task in bundle.tasks},
        {task: np.concatenate([part.known[task] for part in parts]) for task in bundle.tasks},
        np.concatenate([part.group + start for part, start in zip(parts, starts, strict=False)]),
    )


def _of_database(bundle: Bundle, data: Prepared, split: str, quiet: bool) -> Faces:
    """Return the faces of one database."""
    check_prepared(bundle, data)
    index = data.index
    rows = np.flatnonzero(index.split.matches(split) & (index.columns["seen_in_training"] == 0))
    if not len(rows):
        raise DatabaseError(f"{index.database}: no row in the part {split!r}; take another with --split")
    kept: list[IntArray] = []
    told: dict[Task, list[FloatArray]] = {task: [] for task in bundle.tasks}
    with _bar(index.database, len(rows), "face", quiet) as bar:
        for piece in said(bundle, data, rows):
            kept.append(piece.rows[piece.seen])
            for task in bundle.tasks:
                told[task].append(piece.predictions.values[task][piece.seen])
            bar.update(len(piece.rows))
    part = index[np.concatenate(kept)]
    truths = {task: truth(task, part) for task in bundle.tasks}
    if not any(known.any() for _, known in truths.values()):
        wanted = ", ".join(task.name for task in bundle.tasks)
        raise DatabaseError(f"{index.database}: none of its {split} faces has labels of {wanted}")
    return Faces(
        {task: np.concatenate(values) for task, values in told.items()},
        {task: values for task, (values, _) in truths.items()},
        {task: known for task, (_, known) in truths.items()},
        _groups(part),
    )


def _bar(title: str, total: int, unit: str, quiet: bool) -> "tqdm[None]":
    """Return a progress bar with rate and time left."""
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(desc=title, total=total, unit=unit, disable=quiet, mininterval=interval, leave=False, delay=1)


def truth(task: Task, index: Index) -> tuple[FloatArray, BoolArray]:
    """Return what the labels of rows say and what is known, (n, labels) each.

    The right class is that of the database's usual protocol of these classes: of votes the one that most
    people chose, since the question is how likely it is that most people would say so. A row with none, or
    with several, is not known. Units are taken by their names from whatever units the database has.
    """
    if task.kind == "binary":
        return index.labels.seen_as(task)
    if task not in index.labels.values:
        return np.zeros((len(index), len(task)), np.float32), np.zeros((len(index), len(task)), bool)
    if task.kind != "categorical":
        return index.labels.values[task], index.labels.known[task]
    usual = [p for p in DATABASES[index.database].protocols if (p.task, p.labels) == (task, task.labels)]
    right = usual[0].right(index) if usual else index.labels.values[task] > 0.5
    known = np.repeat(right.sum(axis=1, keepdims=True) == 1, len(task), axis=1)
    return np.where(known, right, 0).astype(np.float32), known


def _groups(part: Index) -> IntArray:
    """Return which person each row is of, (n,) from 0; its recording where the person is not known."""
    names = recordings(part)
    nameless = np.array([not str(name) for name in part.subject.vocabulary], bool)[part.subject.codes]
    codes = np.where(nameless, names.codes + len(part.subject.vocabulary), part.subject.codes)
    return np.asarray(np.unique(codes, return_inverse=True)[1], np.int64)


def sources(databases: Sequence[Prepared], split: str) -> tuple[dict[str, str], ...]:
    """Return name and part of each database."""
    return tuple({"database": data.index.name, "part": split} for data in databases)


def checked(faces: Faces, calibration: Calibration, quiet: bool = False) -> list[Line]:
    """Return how well a calibration holds: on its own faces, and of others made the same way on faces aside.

    HALVES times the faces are divided into two halves, people whole: one is calibrated on, one measured.

    Args:
        faces: that it was fitted on.
        calibration: of all of them.
        quiet: without a progress bar.
    """
    rng = np.random.default_rng(0)
    own = dict(measured(faces, calibration, rng))
    people = int(faces.group.max()) + 1
    aside: dict[Key, list[float]] = {key: [] for key in own}
    with _bar("halves", HALVES, "half", quiet) as bar:
        for _ in range(HALVES if people > 1 else 0):
            here = np.isin(faces.group, rng.permutation(people)[: people // 2])
            for key, (_, value) in measured(faces[~here], fitted(faces[here], calibration.coverage), rng):
                aside.setdefault(key, []).append(value)
            bar.update()
    return [Line(*key, *own[key], *_spread(aside[key])) for key in own]


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return mean, 2.5 % and 97.5 % of the defined ones of some numbers; NaN where there is none."""
    defined = np.array(values, np.float64)
    defined = defined[np.isfinite(defined)]
    if not len(defined):
        return float("nan"), float("nan"), float("nan")
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(defined.mean()), float(low), float(high)


Key = tuple[Task, str, str]
"""Task, label, what is measured."""


def measured(
    faces: Faces, calibration: Calibration, rng: np.random.Generator
) -> Iterator[tuple[Key, tuple[float, float]]]:
    """Yield how well a calibration holds on some faces: (what, (of the network itself, calibrated))."""
    said_so = calibration.applied(faces.said)
    for task, one in calibration.tasks.items():
        known, true = faces.known[task], faces.truth[task]
        if isinstance(one, Classes):
            rows = known.all(axis=1)
            sets = calibration.sets(task, {task: said_so[task][rows]})
            yield from _of_classes(
                task, faces.said[task][rows], said_so[task][rows], true[rows] > 0.5, sets, rng
            )
        elif isinstance(one, Units):
            yield from _of_units(task, one, faces.said[task], said_so[task], true > 0.5, known)
        else:
            ends = calibration.intervals(task, said_so)
            inside = (ends[..., 0] <= true) & (true <= ends[..., 1])
            for place, label in enumerate(task.labels):
                own = known[:, place]
                width = (ends[own, place, 1] - ends[own, place, 0]).astype(np.float64)
                yield (
                    (task, label, "intervals that hold the label"),
                    (float("nan"), _mean(inside[own, place])),
                )
                yield (task, label, "width of an interval"), (float("nan"), _mean(width))


def _of_classes(
    task: Task,
    raw: FloatArray,
    said_so: FloatArray,
    right: BoolArray,
    sets: BoolArray,
    rng: np.random.Generator,
) -> Iterator[tuple[Key, tuple[float, float]]]:
    """Yield what is measured of classes."""
    nan = float("nan")
    lines = np.arange(len(raw))
    best = said_so.argmax(axis=1)
    hit = right[lines, best]
    confidence = said_so[lines, best]
    yield (task, "", "accuracy"), (_mean(right[lines, raw.argmax(axis=1)]), _mean(hit))
    errors = (calibration_error(confidence_bins(c, hit)) for c in (raw[lines, best], confidence))
    yield (task, "", "calibration error"), (next(errors), next(errors))
    draws = rng.random((DRAWS, len(raw))) < confidence
    chance = _mean([calibration_error(confidence_bins(confidence, draw)) for draw in draws])
    yield (task, "", "the same, were it perfect"), (nan, chance)
    yield (task, "", "sets that hold the label"), (nan, _mean(sets[right]))
    yield (task, "", "expressions in a set"), (nan, _mean(sets.sum(axis=1)))
    for place, label in enumerate(task.labels):
        own = right[:, place]
        yield (task, label, "sets that hold it"), (nan, _mean(sets[own, place]))


def _of_units(
    task: Task, one: Units, raw: FloatArray, said_so: FloatArray, present: BoolArray, known: BoolArray
) -> Iterator[tuple[Key, tuple[float, float]]]:
    """Yield what is measured of units."""
    errors = [calibration_error(confidence_bins(p[known], present[known])) for p in (raw, said_so)]
    yield (task, "", "calibration error"), (errors[0], errors[1])
    half = Outcomes.of(present, raw >= 0.5, known).sum().f1()
    found = Outcomes.of(present, said_so >= np.array(one.threshold, np.float32), known).sum().f1()
    yield (task, "", "mean F1"), (float(mean_defined(half)[0]), float(mean_defined(found)[0]))
    for label, before, after in zip(task.labels, half.tolist(), found.tolist(), strict=True):
        yield (task, label, "F1"), (before, after)


def _mean(values: Any) -> float:
    """Return the mean; NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")


def text(calibration: Calibration, lines: Sequence[Line]) -> str:
    """Return a table of what a calibration is and how well it holds."""
    told = []
    for task, one in calibration.tasks.items():
        told.append(f"{task.name}: {_parameters(one)}")
        own = [line for line in lines if line.task == task]
        names = [_name(line, one) for line in own]
        wide = max(map(len, names), default=0)
        told.append(f"  {'':<{wide}}  network  calibrated  kept aside")
        for line, name in zip(own, names, strict=True):
            aside = (
                f"{line.aside:.3f} ({line.low:.3f} to {line.high:.3f})" if line.aside == line.aside else "–"
            )
            raw = f"{line.raw:.3f}" if line.raw == line.raw else "–"
            told.append(f"  {name:<{wide}}  {raw:>7}  {line.own:>10.3f}  {aside}")
    return "\n".join(told)


def _parameters(one: One) -> str:
    """Return how many faces a task was fitted on, and its temperature, in words."""
    if isinstance(one, Classes):
        return f"{one.rows:,} faces, temperature {one.temperature:.3f}, sets up to a mass of {one.mass:.3f}"
    rows = f"{max(one.rows, default=0):,} faces"
    if isinstance(one, Units):
        return f"{rows}, {sum(count > 0 for count in one.rows)} of {len(one.rows)} units"
    about = f"as wide as {one.spread_of} is spread" if one.spread_of else "of one width"
    return f"{rows}, intervals {about}"


def _name(line: Line, one: One) -> str:
    """Return what a line is of."""
    if isinstance(one, Units) and line.label:
        place = line.task.index(line.label)
        at = f"from {one.threshold[place]:.3f}" if one.rows[place] else "left as it is"
        return f"{line.label} {line.what}, {at}"
    return f"{line.label} {line.what}".strip()


def told(calibration: Calibration, lines: Sequence[Line]) -> dict[str, Any]:
    """Return the same as plain values, for a card: of each task what was measured on faces kept aside."""
    figures: dict[str, dict[str, Any]] = {}
    for line in lines:
        numbers = {"raw": line.raw, "aside": line.aside, "low": line.low, "high": line.high}
        rounded = {name: round(value, 4) for name, value in numbers.items() if np.isfinite(value)}
        figures.setdefault(line.task.name, {})[f"{line.label} {line.what}".strip()] = rounded
    parts = ", ".join(f"{entry['database']} ({entry['part']})" for entry in calibration.fitted_on)
    return {
        "fitted_on": parts,
        "coverage": calibration.coverage,
        "kept_aside": f"mean and 95 % range of {HALVES} halves of the faces, the other half calibrated on",
        **figures,
    }
