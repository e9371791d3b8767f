"""What a network says of a video, as annotators are shown it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mien.annotation.assignment import share
from mien.annotation.project import Assigned, Prefill
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
    """Return what predictions say of the face that is there most: curves, or segments.

    Returns:
        {"times": [...], "curves": {label: [...]}} of a trace, or {"segments": [{label, start, end}]}; empty
        where the table has none of the task's labels.

    Raises:
        InputError: the table cannot be read.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a table of predictions ({error})") from error
    if not {"face", "time_s"} <= set(table.column_names):
        raise InputError(f"{path}: columns face and time_s are missing; expected a predictions.parquet")
    table = table.filter(pc.is_valid(table["face"]))
    if not table.num_rows:
        return {}
    counts = pc.value_counts(table["face"]).to_pylist()
    main = min(counts, key=lambda entry: (-entry["counts"], entry["values"]))["values"]
    table = table.filter(pc.equal(table["face"], main))
    times = table["time_s"].to_numpy()
    if task.kind == "trace":
        curves = {
            label: [round(value, 3) for value in table[label].to_pylist()]
            for label in task.labels
            if label in table.column_names and table[label].null_count == 0
        }
        return {"times": [round(second, 3) for second in times.tolist()], "curves": curves} if curves else {}
    found = [entry for label in task.labels for entry in _runs(times, _present(table, label), label)]
    return {"segments": sorted(found, key=lambda entry: entry["start"])} if found else {}


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
