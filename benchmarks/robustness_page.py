"""The figures of robustness as a Markdown page, a CSV file and curves."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from damage import DAMAGES, Strength
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mien.benchmark.pictures import STYLE
from mien.errors import OutputError
from mien.files import whole_file

BEGIN, END = "<!-- robustness: begin -->", "<!-- robustness: end -->"
"""Lines of a Markdown file between which the page is put."""

LINES: tuple[dict[str, Any], ...] = (
    {"color": "#111111", "marker": "o", "linestyle": "-"},
    {"color": "#777777", "marker": "s", "linestyle": "--"},
    {"color": "#0072b2", "marker": "^", "linestyle": "-."},
    {"color": "#c8860a", "marker": "v", "linestyle": ":"},
    {"color": "#555555", "marker": "D", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
)
"""How curves are told apart, in grey too."""

ACROSS = 4
"""Panels beside each other."""

THRESHOLDS, COVERAGE = "binary F1 at its thresholds", "coverage"
SET, WIDTH = "mean set size", "mean width of intervals"
"""What figures of calibrated bundles are called."""

AGAINST_LABELS = ("accuracy", "binary F1", THRESHOLDS, "CCC", "ICC(3,1)")
"""Figures against labels."""


PIPELINE = ("none", "scale", "rotation")
"""Damage that aligning a face undoes, so that pictures tell more of it than aligned crops."""


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        shown: what was damaged: "stored crops", "original pictures", "photographs"; of videos the picture.
        damage: its name; "none"; of videos the filter.
        strength: of the damage; of videos x264's rate factor.
        of: a protocol for figures against labels, a task for others.
        figure: what it is.
        value: NaN where undefined.
        low: of the 95 % interval; NaN where there is none.
        high: of the same.
        n: faces, or frames, that it is of.
    """

    shown: str
    damage: str
    strength: Strength
    of: str
    figure: str
    value: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0


class Table:
    """Rows, found by what they are of."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._found = {(r.shown, r.damage, r.strength, r.of, r.figure): r for r in rows}

    def at(self, shown: str, damage: str, strength: Strength, of: str, figure: str) -> Row | None:
        """Return a figure, None where it was not measured."""
        return self._found.get((shown, damage, strength, of, figure))

    def columns(self, shown: str, figures: Sequence[str]) -> list[tuple[str, str]]:
        """Return what some figures are of, (of, figure), in the order in which they were measured."""
        return list(
            dict.fromkeys((r.of, r.figure) for r in self.rows if r.shown == shown and r.figure in figures)
        )


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """Write every figure; undefined ones are empty."""
    names = [field.name for field in fields(Row)]
    with whole_file(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        for row in rows:
            cells = [getattr(row, name) for name in names]
            writer.writerow(["" if isinstance(c, float) and math.isnan(c) else c for c in cells])


def put_into(page: Path, text: str) -> None:
    """Put a text between the lines BEGIN and END of a Markdown file.

    Raises:
        OutputError: it has not both lines, in this order.
    """
    whole = page.read_text(encoding="utf-8") if page.is_file() else ""
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise OutputError(f"{page}: expected a file with the lines {BEGIN} and {END}; write them in it")
    with whole_file(page) as part:
        part.write_text(f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}", encoding="utf-8")


def markdown(
    rows: Sequence[Row], facts: Sequence[str], pictures: Mapping[str, str], brief: bool = False
) -> str:
    """Return the page.

    Args:
        rows: all figures.
        facts: a line each on what was measured.
        pictures: title -> path of a picture, from where the page lies.
        brief: of pictures in which faces are looked for only the damages in PIPELINE.
    """
    parts = ["\n".join(f"- {fact}" for fact in facts)]
    parts += [f"![{title}]({path})" for title, path in pictures.items()]
    table = Table(rows)
    for shown in dict.fromkeys(r.shown for r in rows if r.figure == "found"):
        few = PIPELINE if brief and shown != "stored crops" else ()
        parts += [f"### Damage, on {shown}", damage_table(table, shown, few)]
    if any(r.damage == "yaw" for r in rows):
        parts += ["### Turned heads, undamaged", yaw_table(table)]
    parts += ["### Shifted by pixels", stability_table(table)]
    flicker = [r for r in rows if r.of == "box" or r.figure.startswith(("standard", "change a", "frames"))]
    parts += ["### A still face in video", flicker_table(flicker) if flicker else "Not measured."]
    return "\n\n".join(parts) + "\n"


def damage_table(table: Table, shown: str, only: Sequence[str] = ()) -> str:
    """Return the table of one way of damaging: a row for each damage and strength.

    Args:
        table: all figures.
        shown: what was damaged.
        only: these damages; none for all.
    """
    scored = table.columns(shown, (*AGAINST_LABELS, COVERAGE))
    others = table.columns(shown, ("uncertainty", SET, WIDTH, "change"))
    first = table.columns(shown, ("top probability",))[:1]
    columns = [*scored, *first, *others]
    mine = [r for r in table.rows if (r.shown, r.figure) == (shown, "found")]
    found = {r.value for r in mine} != {1.0}
    heads = ["damage", "strength", *(["face found"] if found else []), *map(_head, columns)]
    lines = [_line(heads), _line(["---"] * len(heads))]
    keys = dict.fromkeys((r.damage, r.strength) for r in mine if not only or r.damage in only)
    units = {damage.name: damage.unit for damage in DAMAGES}
    last = ""
    for damage, strength in keys:
        name = f"{damage} ({units[damage]})" if damage in units else damage
        cells = [name if damage != last else "", _plain(strength)]
        if found:
            cells.append(_cell(table.at(shown, damage, strength, "", "found")))
        cells += [_cell(table.at(shown, damage, strength, of, figure)) for of, figure in columns]
        lines.append(_line(cells))
        last = damage
    return "\n".join(lines)


def yaw_table(table: Table) -> str:
    """Return the table of faces by how far they are turned to a side."""
    shown = next(r.shown for r in table.rows if r.damage == "yaw")
    columns = list(dict.fromkeys((r.of, r.figure) for r in table.rows if r.damage == "yaw"))
    wanted = (*AGAINST_LABELS, COVERAGE, "uncertainty", SET, WIDTH)
    columns = [(of, figure) for of, figure in columns if figure in wanted]
    lines = [_line(["yaw, degrees", "faces", *map(_head, columns)]), _line(["---"] * (len(columns) + 2))]
    for bin_ in dict.fromkeys(r.strength for r in table.rows if r.damage == "yaw"):
        count = max(r.n for r in table.rows if r.damage == "yaw" and r.strength == bin_)
        cells = [_cell(table.at(shown, "yaw", bin_, of, figure)) for of, figure in columns]
        lines.append(_line([_plain(bin_), f"{count:,}", *cells]))
    return "\n".join(lines)


def stability_table(table: Table) -> str:
    """Return the table of how outputs change when the crop is taken some pixels further on."""
    heads = ["output", "pixels", "mean change", "of the most changed label", "95th percentile", "named anew"]
    lines = [_line(heads), _line(["---"] * len(heads))]
    for of in dict.fromkeys(r.of for r in table.rows if r.damage == "pixels"):
        for pixels in (1, 2):
            found = [
                table.at("stored crops", "pixels", pixels, of, figure)
                for figure in ("mean change", "mean change, most changed", "95th percentile", "renamed")
            ]
            lines.append(_line([of.replace("_", " "), str(pixels), *map(_cell, found)]))
    return "\n".join(lines)


def flicker_table(rows: Sequence[Row]) -> str:
    """Return the table of flicker, means over the pictures; in brackets the most changed label's."""
    heads = ["output", "x264 CRF", "filter", "standard deviation", "change a frame"]
    lines = [_line(heads), _line(["---"] * len(heads))]
    kinds = dict.fromkeys((r.of, r.strength, r.damage) for r in rows if r.of)
    for of, quality, filtered in kinds:
        cells = []
        for figure in heads[3:]:
            mean, worst = (
                _mean([r.value for r in rows if (r.of, r.strength, r.damage, r.figure) == key])
                for key in (
                    (of, quality, filtered, figure),
                    (of, quality, filtered, f"{figure}, most changed"),
                )
            )
            cells.append(f"{mean:.4f} ({worst:.4f})")
        unit = ", % of its width" if of in ("box", "landmarks") else ""
        lines.append(_line([of.replace("_", " ") + unit, _plain(quality), filtered, *cells]))
    seen = [r.value for r in rows if r.figure == "frames with the face"]
    names = dict.fromkeys(r.shown for r in rows)
    told = f"{len(names)} pictures: {', '.join(names)}. Face found in {100 * _mean(seen):.1f} % of frames."
    return "\n".join([*lines, "", told])


@dataclass(frozen=True)
class Panel:
    """One panel of curves.

    Attributes:
        damage: its name.
        unit: of the strengths.
        strengths: from left to right; None for an undamaged face.
        joined: whether points are joined.
    """

    damage: str
    unit: str
    strengths: tuple[Strength | None, ...]
    joined: bool


def panels_of(rows: Sequence[Row], shown: str) -> list[Panel]:
    """Return the panels for which there are figures."""
    there = {row.damage for row in rows if row.shown == shown}
    found = []
    for damage in (damage for damage in DAMAGES if damage.name in there):
        before, after = damage.strengths[: damage.clean], damage.strengths[damage.clean :]
        joined = not isinstance(damage.strengths[0], str)
        found.append(Panel(damage.name, damage.unit, (*before, None, *after), joined))
    bins = tuple(dict.fromkeys(row.strength for row in rows if (row.shown, row.damage) == (shown, "yaw")))
    if bins:
        found.append(Panel("yaw", "degrees to either side", bins, True))
    return found


def curves(rows: Sequence[Row], shown: str, figures: Sequence[str], title: str) -> bytes:
    """Return curves of some figures against strength as PNG: a panel for each damage.

    A thin line of the same kind is the level of undamaged faces.

    Args:
        rows: all figures.
        shown: what was damaged.
        figures: which are drawn.
        title: of the whole.
    """
    table = Table(rows)
    columns = table.columns(shown, figures)
    chosen = panels_of(rows, shown)
    with style.context(["default", STYLE]):
        down = math.ceil(len(chosen) / ACROSS)
        figure = Figure(figsize=(11, 2.15 * down + 0.9), dpi=130, layout="constrained", facecolor="white")
        figure.suptitle(title, fontsize=11)
        places = figure.subplots(down, ACROSS, sharey=True, squeeze=False).ravel()
        for axes, panel in zip(places, chosen, strict=False):
            _draw(axes, table, shown, panel, columns)
        for axes in places[len(chosen) :]:
            axes.set_axis_off()
        lines = places[0].get_legend_handles_labels()
        figure.legend(*lines, loc="outside lower center", ncols=3, frameon=False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _draw(axes: Axes, table: Table, shown: str, panel: Panel, columns: Sequence[tuple[str, str]]) -> None:
    """Draw the curves of one damage."""
    places = np.arange(len(panel.strengths))
    for (of, figure), line in zip(columns, LINES * 4, strict=False):
        clean = table.at(shown, "none", "", of, figure)
        found = [
            clean if s is None else table.at(shown, panel.damage, s, of, figure) for s in panel.strengths
        ]
        values = [math.nan if row is None else row.value for row in found]
        looks = line if panel.joined else {**line, "linestyle": ""}
        name = ": ".join(filter(None, (of.replace("_", " "), figure)))
        axes.plot(places, values, markersize=4, linewidth=1.3, label=name, **looks)
        if clean is not None:
            axes.axhline(clean.value, color=line["color"], linestyle=line["linestyle"], linewidth=0.5)
        bounds = np.array([(math.nan, math.nan) if row is None else (row.low, row.high) for row in found])
        if np.isfinite(bounds).any():
            axes.vlines(places, *bounds.T, color=line["color"], linewidth=0.8)
    ticks = ["none" if s is None else _plain(s).replace(" half", "\nhalf") for s in panel.strengths]
    axes.set_xticks(places, ticks, fontsize=7.5)
    axes.set_title(panel.damage, fontsize=10, fontweight="bold")
    axes.set_xlabel(panel.unit, fontsize=8)
    axes.tick_params(axis="y", labelleft=True)
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)


def _head(column: tuple[str, str]) -> str:
    """Return the head of a column."""
    of, figure = column
    return f"{of.replace('_', ' ')}: {figure}"


def _cell(row: Row | None) -> str:
    """Return a figure as it is printed, with its interval where there is one."""
    if row is None or math.isnan(row.value):
        return "–"
    digits = 2 if row.figure in (SET, "found") else 3
    interval = f" [{row.low:.{digits}f}, {row.high:.{digits}f}]" if math.isfinite(row.low) else ""
    return f"{row.value:.{digits}f}{interval}"


def _plain(value: object) -> str:
    """Return a number without what it does not need."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _mean(values: Sequence[float]) -> float:
    """Return the mean; NaN for none."""
    return float(np.mean(values)) if len(values) else math.nan


def _line(cells: Sequence[str]) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"
