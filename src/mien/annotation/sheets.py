"""A database on one page, and in a few lines of text: counts, distributions, and what is not known.

The page needs no network and runs no script; its pictures are drawn as SVG. A Content-Security-Policy allows
its own style by its hash and nothing else, so that no name in the data can run.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from mien.annotation.partition import quartered
from mien.arrays import BoolArray, FloatArray
from mien.databases.index import Index
from mien.databases.names import Names
from mien.tasks import VALENCE_AROUSAL

PARTS = ("train", "validation", "test", "")
"""The parts in their order; "" for rows without one."""

GRID = 20
"""Cells of valence, and of arousal, in the pictures of both."""

SIDE = 8
"""Of a cell, in pixels."""

CELL = 34
"""Side of a cell of the table of units that come together, in pixels."""

BAR = 8
"""Of a bar, in pixels."""

LONGEST = 320
"""The longest bar, in pixels."""

NOT_SAID = "not known"
"""What stands where nobody said anything."""

_ELSE = "img-src data:; base-uri 'none'; form-action 'none'"

Row = tuple[str, ...]


@dataclass(frozen=True)
class Part:
    """The rows of one part.

    Attributes:
        name: of the part.
        rows: which rows, (n,).
        count: how many.
    """

    name: str
    rows: BoolArray
    count: int


def parts_of(index: Index) -> list[Part]:
    """Return the parts of an Index that have rows."""
    found = [(name, index.split.matches(name)) for name in PARTS]
    return [Part(name or "no part", rows, int(rows.sum())) for name, rows in found if rows.any()]


def page(index: Index, title: str, description: str, facts: Mapping[str, str]) -> str:
    """Return the page of a database.

    Args:
        index: its rows.
        title: its name.
        description: what it is.
        facts: what is said of it; "" for what is not known.
    """
    environment = Environment(
        loader=PackageLoader("mien.annotation"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    style = (resources.files("mien.annotation") / "templates" / "sheet.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    parts = parts_of(index)
    return environment.get_template("sheet.html.j2").render(
        title=title,
        description=description,
        facts=facts,
        not_said=NOT_SAID,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; {_ELSE}",
        style=Markup(style),
        counts=counts(index, parts),
        histograms=[(part.name, histogram(index, part)) for part in parts],
        traces=traces(index, parts),
        expressions=expressions(index, parts),
        units=units(index, parts),
        together=together(index),
        bars=bars,
        groups={name: group(index, parts, name) for name in index.groups},
        version=version("mien"),
    )


def readme(index: Index, title: str, description: str, facts: Mapping[str, str]) -> str:
    """Return the same in short, as Markdown."""
    parts = parts_of(index)
    lines = [f"# {_plain(title)}", ""]
    lines += [_plain(description), ""] if description else []
    lines += ["Labels of how faces look, by people who watched them. They do not say what anybody felt.", ""]
    lines += [f"- **{name}**: {_plain(value) or NOT_SAID}" for name, value in facts.items()]
    for rows in (counts(index, parts), traces(index, parts), expressions(index, parts), units(index, parts)):
        lines += ["", *_table(rows)] if rows else []
    lines += [
        "",
        "`labels.parquet` has every label, `datapackage.json` says what each column means, `annotations/`",
        "has the same in Aff-Wild2's form, `sheet.html` the distributions.",
        "",
        "    mien databases check table .",
        "    mien prepare table . -o prepared",
        "",
    ]
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Return a text as one line in which Markdown means nothing."""
    line = " ".join(text.split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in line)


def _table(rows: Sequence[Row]) -> list[str]:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(_plain(cell) for cell in row)} |" for row in rows]
    return [lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]]


def counts(index: Index, parts: Sequence[Part]) -> list[Row]:
    """Return how much there is in each part, a heading row first."""
    table: list[Row] = [("", *(part.name for part in parts), "all")]
    every = Part("all", np.ones(len(index), bool), len(index))

    def row(name: str, cells: Sequence[int | float]) -> None:
        table.append((name, *(f"{cell:,.1f}" if isinstance(cell, float) else f"{cell:,}" for cell in cells)))

    whole = [*parts, every]
    row("videos", [len(index.video[np.flatnonzero(part.rows)].counts()) for part in whole])
    subjects = [len(set(index.subject[np.flatnonzero(part.rows)].counts()) - {""}) for part in whole]
    if any(subjects):
        row("subjects known by pseudonym", subjects)
    row("minutes", [float(minutes(index, part)) for part in whole])
    row("frames of a face", [part.count for part in whole])
    for task, known in index.labels.known.items():
        told = known.any(axis=1)
        name = task.behaviour.replace("_", " ").replace("valence arousal", "valence and arousal")
        row(
            f"with {name} ({int(known.any(axis=0).sum())})", [int((told & part.rows).sum()) for part in whole]
        )
    return table


def minutes(index: Index, part: Part) -> float:
    """Return how many minutes lie between the first and the last row of a part's videos."""
    total = 0.0
    rows = np.flatnonzero(part.rows)
    codes, seconds = index.video.codes[rows], index.seconds[rows]
    for code in np.unique(codes):
        times = seconds[codes == code]
        times = np.unique(times[np.isfinite(times)])
        if len(times) > 1:
            total += float(times[-1] - times[0] + np.median(np.diff(times)))
    return total / 60


def traces(index: Index, parts: Sequence[Part]) -> list[Row]:
    """Return mean and spread of valence and arousal in each part; nothing where neither is known."""
    if VALENCE_AROUSAL not in index.labels.values:
        return []
    table: list[Row] = [("mean (standard deviation)", *(part.name for part in parts))]
    for place, name in enumerate(VALENCE_AROUSAL.labels):
        cells = []
        for part in parts:
            known = index.labels.known[VALENCE_AROUSAL][:, place] & part.rows
            values = index.labels.values[VALENCE_AROUSAL][known, place].astype(np.float64)
            cells.append(_signed(f"{values.mean():+.2f} ({values.std():.2f})") if len(values) else NOT_SAID)
        table.append((name, *cells))
    return table


def _signed(text: str) -> str:
    """Return a number with a proper minus."""
    return text.replace("-", "−")


def histogram(index: Index, part: Part) -> Markup:
    """Return a picture of how often each place of valence and arousal is taken; "" where none is known."""
    if VALENCE_AROUSAL not in index.labels.values:
        return Markup("")
    known = index.labels.known[VALENCE_AROUSAL].all(axis=1) & part.rows
    if not known.any():
        return Markup("")
    valence, arousal = index.labels.values[VALENCE_AROUSAL][known].T
    mass, _, _ = np.histogram2d(valence, arousal, bins=GRID, range=((-1, 1), (-1, 1)))
    shares = mass / mass.sum()
    side = GRID * SIDE
    cells = [
        f'<rect class="cell" x="{x * SIDE}" y="{(GRID - 1 - y) * SIDE}" width="{SIDE}" height="{SIDE}" '
        f'fill-opacity="{_depth(shares[x, y], shares.max()):.3f}"/>'
        for x, y in np.argwhere(shares > 0).tolist()
    ]
    middle = side // 2
    lines = (
        f'<rect class="frame" x="0" y="0" width="{side}" height="{side}"/>'
        f'<path class="axis" d="M{middle} 0V{side}M0 {middle}H{side}"/>'
    )
    words = (
        f'<text x="0" y="{side + 13}">−1</text>'
        f'<text x="{middle}" y="{side + 13}" text-anchor="middle">valence</text>'
        f'<text x="{side}" y="{side + 13}" text-anchor="end">1</text>'
        f'<text x="-5" y="{side}" text-anchor="end">−1</text><text x="-5" y="10" text-anchor="end">1</text>'
        f'<text x="-5" y="{middle + 4}" text-anchor="end">arousal</text>'
    )
    top = np.unravel_index(int(shares.argmax()), shares.shape)
    where = " and ".join(f"{2 * (int(place) + 0.5) / GRID - 1:.2f}" for place in top)
    said = (
        f"{int(known.sum()):,} frames; most, {shares.max():.1%}, around valence and arousal {_signed(where)}"
    )
    return Markup(
        f'<svg role="img" aria-label="{escape(said)}" viewBox="-46 -2 {side + 50} {side + 20}" '
        f'width="{side + 50}" height="{side + 20}">{"".join(cells)}{lines}{words}</svg>'
        f'<p class="hint">{escape(said)}</p>'
    )


def _depth(share: float, most: float) -> float:
    """Return how dark a cell is: the root of its share of the fullest cell, so that rare ones are seen."""
    return float(0.08 + 0.92 * np.sqrt(share / most))


def expressions(index: Index, parts: Sequence[Part]) -> list[Row]:
    """Return how many frames show each expression in each part, and what share that is."""
    tasks = [task for task in index.labels.values if task.behaviour == "expression"]
    table: list[Row] = []
    for task in tasks:
        known = index.labels.known[task].all(axis=1)
        winners = np.where(known, index.labels.values[task].argmax(axis=1), -1)
        table += [("expression", *(part.name for part in parts))]
        for place, name in enumerate(task.labels):
            cells = []
            for part in parts:
                of = int((known & part.rows).sum())
                cells.append(_share(int(((winners == place) & part.rows).sum()), of))
            table.append((name.replace("_", " "), *cells))
    return table


def _units(index: Index) -> dict[str, tuple[FloatArray, BoolArray]]:
    """Return the values and the mask of each action unit of which any row knows."""
    found: dict[str, tuple[FloatArray, BoolArray]] = {}
    for task, values in index.labels.values.items():
        if (task.behaviour, task.kind) == ("action_units", "binary"):
            for place, name in enumerate(task.labels):
                known = index.labels.known[task][:, place]
                if known.any():
                    found[name] = values[:, place], known
    return dict(sorted(found.items()))


def units(index: Index, parts: Sequence[Part]) -> list[Row]:
    """Return in how many frames each action unit is present in each part, of those that know."""
    found = _units(index)
    if not found:
        return []
    table: list[Row] = [("action unit present", *(part.name for part in parts))]
    for name, (values, known) in found.items():
        pairs = [(known & part.rows & (values > 0.5), known & part.rows) for part in parts]
        table.append((name, *(_share(int(there.sum()), int(told.sum())) for there, told in pairs)))
    return table


def _share(count: int, of: int) -> str:
    """Return a count and its share."""
    return f"{count:,} ({count / of:.1%})" if count else "0" if of else NOT_SAID


def bars(rows: Sequence[Row]) -> Markup:
    """Return a picture of a table of counts and shares: a group of bars for each row, a bar for each part."""
    shares = [
        [float(cell.partition("(")[2].rstrip("%)") or 0) if "(" in cell else 0.0 for cell in row[1:]]
        for row in rows[1:]
    ]
    most = max((share for row in shares for share in row), default=0.0)
    if not most:
        return Markup("")
    step = BAR * len(rows[0][1:]) + 8
    pieces = []
    for place, (row, told) in enumerate(zip(rows[1:], shares, strict=True)):
        y = place * step
        middle = y + step / 2
        pieces.append(f'<text x="84" y="{middle:g}" text-anchor="end">{escape(row[0])}</text>')
        pieces += [
            f'<rect class="part{number}" x="92" y="{y + number * BAR + 3}" height="{BAR - 1}" '
            f'width="{LONGEST * share / most:.1f}"/>'
            for number, share in enumerate(told)
        ]
    height = len(shares) * step + 22
    for number, part in enumerate(rows[0][1:]):
        x = 92 + 100 * number
        pieces.append(f'<rect class="part{number}" x="{x}" y="{height - 14}" width="10" height="10"/>')
        pieces.append(f'<text x="{x + 15}" y="{height - 5}">{escape(part)}</text>')
    size = f"{LONGEST + 100} {height}"
    return Markup(
        f'<svg role="img" aria-label="the shares of the table as bars; the longest is {most:g} %" '
        f'viewBox="0 0 {size}" width="{LONGEST + 100}" height="{height}">{"".join(pieces)}</svg>'
    )


def together(index: Index) -> Markup:
    """Return a picture of which action units come together, in percent of the row's unit."""
    found = _units(index)
    if len(found) < 2:
        return Markup("")
    names, left, top = list(found), 52, 22
    pieces = []
    for row, one in enumerate(names):
        y = top + row * CELL
        pieces.append(f'<text x="{left - 6}" y="{y + 21}" text-anchor="end">{escape(one)}</text>')
        pieces.append(f'<text x="{left + row * CELL + 17}" y="14" text-anchor="middle">{escape(one)}</text>')
        for column, other in enumerate(names):
            both = found[one][1] & found[other][1]
            there = both & (found[one][0] > 0.5)
            of = int(there.sum())
            share = float((there & (found[other][0] > 0.5)).sum() / of) if of else float("nan")
            pieces.append(_cell(left + column * CELL, y, share))
    size = left + len(names) * CELL + 2, top + len(names) * CELL + 2
    return Markup(
        f'<svg role="img" aria-label="which action units come together" viewBox="0 0 {size[0]} {size[1]}" '
        f'width="{size[0]}" height="{size[1]}">{"".join(pieces)}</svg>'
    )


def _cell(x: int, y: int, share: float) -> str:
    """Return a cell with its share in percent; a dash where no frame says anything."""
    known = np.isfinite(share)
    shade = f'fill-opacity="{0.5 * share:.3f}"' if known else 'fill-opacity="0"'
    word = f"{100 * share:.0f}" if known else "–"
    return (
        f'<rect class="cell" x="{x}" y="{y}" width="{CELL - 2}" height="{CELL - 2}" {shade}/>'
        f'<text x="{x + (CELL - 2) // 2}" y="{y + 20}" text-anchor="middle">{word}</text>'
    )


def group(index: Index, parts: Sequence[Part], name: str) -> list[Row]:
    """Return how many frames, and subjects, each value of an attribute has in each part."""
    told = index.groups[name].compact()
    quarters = Names.of(quartered([str(value) for value in told.vocabulary]))
    column = Names(quarters.codes[told.codes].astype(np.int32), quarters.vocabulary)
    table: list[Row] = [(name, *(part.name for part in parts))]
    for value in sorted(column.counts(), key=lambda value: (not value, value)):
        cells = []
        for part in parts:
            rows = np.flatnonzero(column.matches(value) & part.rows)
            people = len(set(index.subject[rows].counts()) - {""})
            of = f", {people} subject{'s' * (people != 1)}" if len(rows) else ""
            cells.append(f"{_share(len(rows), part.count)}{of}")
        table.append((value or NOT_SAID, *cells))
    return table
