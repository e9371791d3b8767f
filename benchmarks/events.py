"""What smoothing takes away and how well events are told; see docs/events.md.

mien render FACEKIT -o renderings/ --clips 24 --frames 80 --people 8 --size 256 --seed 4242
mien analyze renderings/clips/*.mp4 -o results/ --no-overlay --no-report
python benchmarks/events.py movements renderings/ results/
python benchmarks/events.py flicker RESULT...
python benchmarks/events.py picture RESULT FACE UNIT PICTURE
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mien.courses.events import events
from mien.courses.filters import FILTERS, Filter
from mien.courses.smoothing import smooth
from mien.courses.table import courses, measures, read, values

SIZES = (
    ("exponential", 0.1),
    ("exponential", 0.2),
    ("mean", 0.2),
    ("one-euro", 0.2),
    ("gaussian", 0.05),
    ("gaussian", 0.1),
    ("median", 0.2),
    ("savgol", 0.3),
)
RATE = 25
LEFT_OUT = ("AU25", "AU26", "AU43")
"""Moved by more than the script: the jaw, and blinks."""

Row = dict[str, Any]


def filters() -> Iterator[tuple[str, Filter | None]]:
    """Yield what is compared: no filter, and each of SIZES."""
    yield "none", None
    for name, seconds in SIZES:
        yield f"{name} {seconds:g} s", FILTERS[name](seconds)


def through(table: pa.Table, by: Filter | None) -> pa.Table:
    """Return a table smoothed, or as it is."""
    return table if by is None else smooth(table, by)


def flicker(result: Path) -> None:
    """Print the mean change from frame to frame of each behaviour, changes of expression, and events."""
    table = read(result)
    for name, by in filters():
        told = through(table, by)
        measured = measures(told)
        numbers = values(told, tuple(measure.name for measure in measured))
        expression = np.array(told["expression"].cast(pa.string()).to_pylist(), object)
        line = []
        for behaviour in ("action_units", "valence_arousal", "expression"):
            columns = [place for place, measure in enumerate(measured) if measure.behaviour == behaviour]
            steps = [np.abs(np.diff(numbers[c.rows][:, columns], axis=0)).mean() for c in courses(told)]
            line.append(f"{np.mean(steps):.4f}")
        changes = sum(int((expression[c.rows][1:] != expression[c.rows][:-1]).sum()) for c in courses(told))
        units = sum(row["behaviour"] == "action_units" for row in events(told).to_pylist())
        print(name, *line, changes, units, sep=" | ")


def course(name: str, numbers: np.ndarray) -> pa.Table:
    """Return a table of predictions of one action unit of one face."""
    said = {"behaviour": "action_units", "label": name}
    fields = [
        pa.field("video", pa.string()),
        pa.field("face", pa.int32()),
        pa.field("frame", pa.int32()),
        pa.field("time_s", pa.float64()),
        pa.field(name, pa.float32(), metadata=said),
    ]
    count = len(numbers)
    cells = [["clip"] * count, [0] * count, range(count), np.arange(count) / RATE, numbers]
    arrays = [pa.array(cell, field.type) for cell, field in zip(cells, fields, strict=True)]
    return pa.table(arrays, schema=pa.schema(fields))


def scripted(renderings: Path) -> dict[tuple[str, str], Row]:
    """Return the event of each unit of each clip that is moved once and by 0.3 or more, onset in view."""
    table = pq.read_table(renderings / "manifest.parquet")
    clips: dict[str, list[Row]] = {}
    for row in table.to_pylist():
        clips.setdefault(row["video"], []).append(row)
    named = [name for name in table.column_names if name.startswith("column.activation AU")]
    found = {}
    for clip, rows in clips.items():
        rows.sort(key=lambda row: row["frame"])
        for name in named:
            unit = name.split()[-1]
            moved = np.array([row[name] for row in rows])
            height = np.ptp(moved)
            if unit in LEFT_OUT or height < 0.3:
                continue
            own = events(course(unit, (moved - moved.min()) / height)).to_pylist()
            seen = [row for row in own if row["onset_seen"]]
            if len(seen) == 1:
                found[Path(clip).name, unit] = seen[0]
    return found


def overlap(one: Row, other: Row) -> float:
    """Return the seconds that two events share; below 0 where they share none."""
    return min(one["end_s"], other["end_s"]) - max(one["start_s"], other["start_s"])


def movements(renderings: Path, results: Path) -> None:
    """Print how many of the scripted movements are found, and how late."""
    truth = scripted(renderings)
    print(len(truth), "scripted movements")
    for name, by in filters():
        late: dict[str, list[float]] = {"start_s": [], "onset_s": [], "offset_s": []}
        hits = 0
        for (clip, unit), event in truth.items():
            told = events(through(read(results / f"{clip}.mp4"), by)).to_pylist()
            near = [row for row in told if row["label"] == unit and overlap(row, event) > 0]
            if not near:
                continue
            hits += 1
            best = max(near, key=lambda row: overlap(row, event))
            for key in ("start_s", "onset_s") if best["onset_seen"] else ():
                late[key].append(best[key] - event[key])
            if best["offset_seen"] and event["offset_seen"]:
                late["offset_s"].append(best["offset_s"] - event["offset_s"])
        told_late = [f"{np.median(gaps):.2f} ({len(gaps)})" if gaps else "(0)" for gaps in late.values()]
        close = np.mean(np.abs(late["onset_s"]) <= 0.2) if late["onset_s"] else np.nan
        print(name, hits, *told_late[:2], f"{close:.0%}", told_late[2], sep=" | ")


def picture(result: Path, face: int, unit: str, place: Path) -> None:
    """Draw one action unit of one face: raw, smoothed causally and not, and its events."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    table = read(result)
    even, causal = smooth(table, FILTERS["gaussian"](0.05)), smooth(table, FILTERS["exponential"](0.1))
    found = [row for row in events(even).to_pylist() if (row["face"], row["label"]) == (face, unit)]
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    for event in found:
        axes.axvspan(event["onset_s"], event["offset_s"], color="#f2c14e", alpha=0.25, lw=0)
        axes.axvspan(event["start_s"], event["end_s"], color="#f2c14e", alpha=0.35, lw=0)
    drawn = (
        (table, {"marker": ".", "color": "#9a9a9a", "lw": 0.7, "ms": 3.5, "label": "raw"}),
        (causal, {"color": "#2a6fbb", "label": "exponential 0.1 s: causal, delay 0.1 s"}),
        (even, {"color": "#c4442a", "label": "gaussian 0.05 s: looks 0.15 s ahead, no delay"}),
    )
    for told, look in drawn:
        rows = [row for row in told.to_pylist() if row["face"] == face]
        axes.plot([row["time_s"] for row in rows], [row[unit] for row in rows], **look)
    peaks = [row["apex_s"] for row in found], [row["apex"] for row in found]
    axes.plot(*peaks, "v", color="#c4442a", ms=7, label="apex")
    for name in ("enter", "leave"):
        axes.axhline(found[0][name], color="#444444", lw=0.7, ls=":")
        axes.text(axes.get_xlim()[1], found[0][name], f" {name}", va="center", fontsize=8)
    axes.set(xlabel="seconds", ylabel=f"{unit}, probability", ylim=(0, 1.25), yticks=np.linspace(0, 1, 5))
    axes.legend(fontsize=8, ncols=2, loc="upper left", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(place, dpi=110)


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    if what == "flicker":
        for one in given:
            print(one)
            flicker(Path(one))
    elif what == "movements":
        movements(Path(given[0]), Path(given[1]))
    else:
        picture(Path(given[0]), int(given[1]), given[2], Path(given[3]))
