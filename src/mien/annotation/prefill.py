"""What a network says of a video, as annotators are shown it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mien.annotation.assignment import share
from mien.annotation.project import Assigned, Prefill, Project
from mien.annotation.records import Trace
from mien.annotation.replay import traces
from mien.annotation.store import Item
from mien.arrays import FloatArray
from mien.errors import InputError

SHORTEST = 0.2
"""Seconds below which a suggested segment is left out."""

GAP = 0.25
"""Seconds between frames above which a suggested segment ends."""


def hidden(item: Item, seed: int, part: float) -> bool:
    """Return if predictions are hidden from an item; the same whenever it is asked."""
    return share(seed, "hidden", item.annotator, item.task, item.video, item.turn) < part


def table_of(prefill: Prefill, video: str) -> Path:
    """Return where the predictions of a video are, or would be."""
    return prefill.predictions / video / "predictions.parquet"


def suggested(path: Path, task: Assigned) -> dict[str, Any]:
    """Return what predictions say of one face in each frame: curves, or segments.

    It is the face that is there most; in frames without it, which after a cut may be the same person under
    another number, it is the largest.

    Returns:
        {"times": [...], "curves": {label: [...]}} of a trace, None where a value is not known, or
        {"segments": [{label, start, end}]}; empty where the table has none of the task's labels.

    Raises:
        InputError: the table cannot be read.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a table of predictions ({error})") from error
    if not {"face", "time_s"} <= set(table.column_names):
        raise InputError(f"{path}: columns face and time_s are missing; expected a predictions.parquet")
    table = _one_face(table.filter(pc.and_(pc.is_valid(table["face"]), pc.is_finite(table["time_s"]))))
    if not table.num_rows:
        return {}
    times = table["time_s"].to_numpy()
    if task.kind == "trace":
        curves = {
            label: [
                None if value is None or not np.isfinite(value) else round(value, 3)
                for value in table[label].to_pylist()
            ]
            for label in task.labels
            if label in table.column_names and table[label].null_count < table.num_rows
        }
        return {"times": [round(second, 3) for second in times.tolist()], "curves": curves} if curves else {}
    found = [entry for label in task.labels for entry in _runs(times, _present(table, label), label)]
    return {"segments": sorted(found, key=lambda entry: entry["start"])} if found else {}


def _one_face(table: pa.Table) -> pa.Table:
    """Return one row of each time: of the face that is there most, else of the largest."""
    counts = {entry["values"]: entry["counts"] for entry in pc.value_counts(table["face"]).to_pylist()}
    main = min(counts, key=lambda face: (-counts[face], face), default=None)
    sizes = (
        pc.fill_null(pc.multiply(table["box_w"], table["box_h"]), 0.0).to_pylist()
        if {"box_w", "box_h"} <= set(table.column_names)
        else [0.0] * table.num_rows
    )
    best: dict[float, tuple[tuple[bool, float], int]] = {}
    for row, (second, face) in enumerate(
        zip(table["time_s"].to_pylist(), table["face"].to_pylist(), strict=True)
    ):
        rank = (face == main, sizes[row])
        if second not in best or rank > best[second][0]:
            best[second] = (rank, row)
    return table.take([row for _, (_, row) in sorted(best.items())])


def _present(table: pa.Table, label: str) -> FloatArray | None:
    """Return 1 where a label is there and 0 where not; None where the table does not say."""
    names = set(table.column_names)
    if label.startswith("AU"):
        if f"{label}_present" in names:
            return np.array([bool(value) for value in table[f"{label}_present"].to_pylist()], float)
        if label in names:
            return (np.array(table[label].to_numpy(), float) > 0.5).astype(float)
        return None
    if "expression" not in names:
        return None
    return np.array([value == label for value in table["expression"].to_pylist()], float)


def _runs(times: FloatArray, present: FloatArray | None, label: str) -> Sequence[dict[str, Any]]:
    """Return the stretches in which a label is there."""
    if present is None:
        return []
    found: list[dict[str, Any]] = []
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    start = None
    for at in range(len(times) + 1):
        over = at == len(times) or not present[at] or (at > 0 and times[at] - times[at - 1] > GAP)
        if start is not None and over:
            end = float(times[at - 1]) + step
            if end - start >= SHORTEST:
                found.append({"label": label, "start": round(start, 3), "end": round(end, 3)})
            start = None
        if at < len(times) and present[at] and start is None:
            start = float(times[at])
    return found


@dataclass(frozen=True)
class Anchoring:
    """How near an annotator's traces are to predictions that were shown, and to those that were hidden.

    Attributes:
        label: "valence" or "arousal".
        shown: mean absolute distance over items at which they were shown; NaN where there are none.
        hidden: the same where they were hidden.
        items: how many of either kind.
    """

    label: str
    shown: float
    hidden: float
    items: tuple[int, int]


def anchoring(project: Project) -> tuple[Anchoring, ...]:
    """Return of each traced label how near annotators came to predictions, shown and hidden.

    Where the shown are much nearer than the hidden, annotators follow the predictions. Repeats are left out.
    """
    if project.prefill is None:
        return ()
    found: dict[str, tuple[list[float], list[float]]] = {}
    with project.store(reading=True) as store:
        for item, shown in store.shown().items():
            task, table = project.tasks.get(item.task), table_of(project.prefill, item.video)
            if task is None or task.kind != "trace" or item.turn or not table.is_file():
                continue
            told = suggested(table, task)
            for trace in traces(store.events(item), item, task.labels):
                if trace.label in told.get("curves", {}):
                    curve = np.array(told["curves"][trace.label], float)
                    away = _distance(trace, np.array(told["times"]), curve)
                    found.setdefault(trace.label, ([], []))[0 if shown else 1].append(away)
    return tuple(
        Anchoring(label, _mean(near), _mean(far), (len(near), len(far)))
        for label, (near, far) in sorted(found.items())
    )


def _distance(trace: Trace, times: FloatArray, curve: FloatArray) -> float:
    """Return the mean absolute distance of a trace from a curve, at its times; NaN where none is known."""
    at = np.searchsorted(trace.seconds, times, side="right") - 1
    values = np.where(at >= 0, trace.values[np.maximum(at, 0)], np.nan)
    away = np.abs(values - curve)
    known = away[np.isfinite(away)]
    return float(known.mean()) if len(known) else float("nan")


def _mean(values: Sequence[float]) -> float:
    """Return the mean of what is known; NaN of nothing."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
