"""Pictures of a Result: confusion, action units, calibration, density of valence and arousal.

They are drawn with matplotlib (the extra `benchmark`) without its global figures, in colours that people see
alike whatever colours they can tell apart (Okabe & Ito 2008; cividis, Nuñez et al. 2018), and nothing is said
by colour alone. A reader's own matplotlib settings change nothing.
"""

import io
import math
import textwrap
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mien.arrays import FloatArray
from mien.benchmark.result import Result
from mien.metrics import Outcomes

FEW = 30
"""Rows of a bin of confidence below which its point is drawn hollow."""

DOTS = 150
"""Pixels of an inch."""

BLUE, ORANGE, BLACK, GREY, PALE = "#0072b2", "#e69f00", "#111111", "#666666", "#e9e9e9"

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "hatch.linewidth": 0.5,
    "text.parse_math": False,
    "text.usetex": False,
}
"""What differs from matplotlib's own settings; a label with dollar signs is no formula."""


def draw(result: Result) -> dict[str, bytes]:
    """Return the pictures of a result by what they show, as PNG; one for which it has no counts is left out.

    In this order: "confusion" (shares of each true class, with counts), "units" (F1 of each action unit),
    "density" (valence and arousal, truth beside model), "calibration".
    """
    makers: dict[str, tuple[dict[str, Any], Callable[[Result], Figure]]] = {
        "confusion": (result.confusion, confusion),
        "units": (result.units, units),
        "density": (result.density, density),
        "calibration": (result.calibration, calibration),
    }
    found = {}
    with style.context(["default", STYLE]):
        for what, (counts, maker) in makers.items():
            if counts:
                found[what] = _png(maker(result))
    return found


def confusion(result: Result) -> Figure:
    """Return the confusion matrix: of each true class the share given each name, and the counts.

    A true class without rows has no shares: its cells are hatched.
    """
    names = [_label(name) for name in result.confusion["classes"]]
    counts = np.asarray(result.confusion["counts"], float).reshape(len(names), len(names))
    totals = counts.sum(axis=1)
    shares = np.where(totals[:, None] > 0, counts / np.maximum(totals[:, None], 1), np.nan)
    side = 0.62 * len(names)
    longest = 0.085 * max(map(len, names), default=0)
    figure = _figure(
        result, "confusion", max(side + longest + 2.0, 4.5), max(side + 0.75 * longest + 1.1, 3.2)
    )
    axes = figure.add_subplot()
    axes.set_facecolor(PALE)
    for row in np.flatnonzero(totals == 0):
        axes.axhspan(row - 0.5, row + 0.5, facecolor=PALE, edgecolor=GREY, hatch="///", linewidth=0)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        if math.isfinite(share):
            colour = "white" if share > 0.55 else BLACK
            count = compact(float(counts[row, column]))
            for text, place, size in ((_percent(share), row - 0.15, 9), (count, row + 0.24, 6.5)):
                looks: dict[str, Any] = {"ha": "center", "va": "center", "color": colour, "fontsize": size}
                axes.text(column, place, text, in_layout=False, **looks)
    places = np.arange(len(names))
    axes.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
    rows = [f"{name} ({compact(total)})" for name, total in zip(names, totals, strict=True)]
    axes.set_yticks(places, rows)
    axes.set_xlabel("named by the model")
    axes.set_ylabel("truth (rows)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 3 / max(side, 1)), label="share of the true class")
    bar.outline.set_visible(False)
    return figure


def units(result: Result) -> Figure:
    """Return bars of the F1 of each action unit, at each choice of thresholds, with the constant baseline.

    All are of the counts of all folds and recordings together. The baseline says "present" of every row.
    """
    order = [name for name in ("0.5", "validation") if name in result.units]
    names = list(result.units[order[0]]) if order else []
    tables = {name: np.asarray([result.units[name][unit] for unit in names], float) for name in order}
    present = tables[order[0]] if order else np.zeros((0, 4))
    always = always_present(present)
    wide = 0.8 / max(len(order), 1)
    longest = 0.085 * max((len(_label(name)) + 8 for name in names), default=0)
    figure = _figure(
        result, "action units", 6.0 + longest, max(0.22 + 0.23 * len(order), 0.4) * len(names) + 1.7
    )
    axes = figure.add_subplot()
    looks = {"0.5": (BLUE, "", "model, threshold 0.5"), "validation": (ORANGE, "////", "model, thresholds")}
    for number, name in enumerate(order):
        colour, hatch, told = looks[name]
        places = np.arange(len(names), dtype=float) + (number - (len(order) - 1) / 2) * wide
        f1 = Outcomes(tables[name]).f1()
        told += " from validation" if name == "validation" else ""
        bars = axes.barh(places, np.nan_to_num(f1), wide * 0.92, color=colour, label=told)
        for bar in bars:
            bar.set(hatch=hatch, edgecolor="white", linewidth=0)
        for place, value, line, cells in zip(places, f1, always, tables[name], strict=True):
            _value(axes, place, value, line, "undefined" if cells.sum() else "not counted")
    places = np.arange(len(names), dtype=float)
    axes.vlines(
        always, places - 0.46, places + 0.46, color=BLACK, linewidth=2, label="constant: always present"
    )
    shares = [cells[[0, 2]].sum() / cells.sum() if cells.sum() else math.nan for cells in present]
    ticks = [f"{_label(name)} ({_percent(share)})" for name, share in zip(names, shares, strict=True)]
    axes.set_yticks(places, ticks)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 1.08)
    axes.set_xticks(np.arange(0, 1.01, 0.2))
    axes.set_xlabel("F1" + (", of all folds together" if result.settings.get("folds", 1) > 1 else ""))
    axes.set_title("in brackets: share of rows that show the unit", loc="left", fontsize=8)
    axes.grid(axis="x", color=PALE)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=1 if figure.get_figwidth() < 7 else 3, frameon=False)
    return figure


def always_present(counts: FloatArray) -> FloatArray:
    """Return the F1 of saying "present" of every row, (labels,); NaN where nothing was counted.

    With a share p of rows that show the unit, it is 2 p / (1 + p).

    Args:
        counts: (labels, 4) TP, FP, FN and TN of any predictions of these rows.
    """
    present, absent = counts[:, 0] + counts[:, 2], counts[:, 1] + counts[:, 3]
    none = np.zeros_like(present)
    return Outcomes(np.stack([present, absent, none, none], axis=1)).f1()


def density(result: Result) -> Figure:
    """Return where truth and model lie in the plane of valence and arousal; counts are on a log scale."""
    grids = {"truth": result.density["truth"], "model": result.density["model"]}
    counts = {name: np.asarray(grid, float) for name, grid in grids.items()}
    low, high = result.density["range"]
    most = max(grid.max(initial=1) for grid in counts.values())
    norm = LogNorm(1, max(most, 10))
    colours = matplotlib.colormaps["cividis"].with_extremes(bad="white")
    figure = _figure(result, "valence and arousal", 8.4, 4.2)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (name, grid) in zip(panels, counts.items(), strict=True):
        image = axes.imshow(
            np.where(grid > 0, grid, np.nan),
            cmap=colours,
            norm=norm,
            origin="lower",
            extent=(low, high, low, high),
            interpolation="nearest",
        )
        middle = (low + high) / 2
        axes.axhline(middle, color=GREY, linewidth=0.6)
        axes.axvline(middle, color=GREY, linewidth=0.6)
        axes.set_title(f"{name} ({int(grid.sum()):,} rows)")
        axes.set_xticks(np.linspace(low, high, 5))
        axes.set_yticks(np.linspace(low, high, 5))
        axes.set_xlabel("valence")
        axes.spines[:].set_visible(True)
    panels[0].set_ylabel("arousal")
    bar = figure.colorbar(image, ax=list(panels), label="rows in a cell (white: none)", shrink=0.9)
    bar.ax.yaxis.set_major_formatter(lambda number, _: compact(number))
    return figure


def calibration(result: Result) -> Figure:
    """Return how often the model was right at each confidence, and how many rows each bin has."""
    count = np.asarray(result.calibration["count"], float)
    used = count > 0
    x = np.asarray(result.calibration["confidence"], float)[used]
    y = np.asarray(result.calibration["right"], float)[used]
    figure = _figure(result, "calibration", 4.8, 5.2)
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfectly calibrated")
    axes.plot(x, y, color=BLUE, linewidth=1.5)
    few = count[used] < FEW
    axes.plot(x[~few], y[~few], "o", color=BLUE, label="model")
    if few.any():
        looks = {"color": BLUE, "markerfacecolor": "white"}
        axes.plot(x[few], y[few], "o", label=f"model, fewer than {FEW} in the bin", **looks)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlim(0, 1)
    axes.set_ylabel("share that shows the unit" if result.units else "share that was right")
    axes.grid(color=PALE)
    axes.legend(loc="upper left", frameon=False)
    error = result.calibration["expected_calibration_error"]
    text = f"expected calibration error {error:.3f}"
    axes.text(0.98, 0.03, text, transform=axes.transAxes, ha="right", va="bottom")
    edges = np.linspace(0, 1, len(count) + 1)
    below.bar(edges[:-1], count, np.diff(edges) * 0.92, align="edge", color=BLUE)
    for left, number in zip(edges, count, strict=False):
        place = left + 0.46 / len(count)
        below.text(place, number, compact(number), ha="center", va="bottom", fontsize=7)
    below.set_ylim(0, max(count.max(initial=0), 1) * 1.2)
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    below.yaxis.set_major_formatter(lambda number, _: compact(number))
    below.set_ylabel("cells" if result.units else "rows")
    below.set_xlabel("probability of the unit" if result.units else "probability of the class that was named")
    figure.align_ylabels()
    return figure


def compact(number: float) -> str:
    """Return a count in at most five characters: 950, 1,234, 56k, 1.2M; to three digits from 10,000 on."""
    if number < 10_000:
        return f"{number:,.0f}"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * size:
            shown = number / size
            return f"{shown:.1f}{letter}" if shown < 9.95 else f"{shown:.0f}{letter}"
    raise AssertionError("numbers below 10,000 are written out")


def _percent(share: float) -> str:
    """Return a share as people write it; none and all are said only where exact."""
    if not math.isfinite(share):
        return "–"
    if 0 < share <= 0.005:
        return "<1 %"
    if 0.995 <= share < 1:
        return ">99 %"
    return f"{100 * share:.0f} %"


def _label(name: str) -> str:
    """Return a label's name for reading."""
    return name.replace("_", " ")


def _value(axes: Axes, place: float, value: float, line: float, missing: str) -> None:
    """Write a bar's value at its end, past the baseline's line where that is in the way."""
    defined = math.isfinite(value)
    end = value if defined else 0.0
    end = line if end <= line < end + 0.07 else end
    text, colour = (f"{value:.2f}", BLACK) if defined else (missing, GREY)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8}
    axes.text(end + 0.012, place, text, va="center", fontsize=7, color=colour, bbox=box, in_layout=False)


def _figure(result: Result, what: str, width: float, height: float) -> Figure:
    """Return an empty picture of a size in inches, which makes room for its labels itself, with its title.

    Args:
        result: of which protocol it is.
        what: it shows.
        width: of the picture.
        height: of the picture without its title, which has as many lines as it needs.
    """
    lines = textwrap.wrap(f"{result.database}, {result.protocol}: {what}", max(int(width * 10.5), 20))
    height += 0.2 * len(lines)
    figure = Figure(figsize=(width, height), dpi=DOTS, layout="constrained", facecolor="white")
    figure.suptitle("\n".join(lines), fontsize=11)
    return figure


def _png(figure: Figure) -> bytes:
    """Return the picture as PNG; the same picture is the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
