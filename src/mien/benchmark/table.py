"""One table over many Results: networks beside each other, and beside what others published.

    rows_of(results) -> rows        one for each figure of each protocol of the databases that occur
    markdown(rows) -> text
    write_table(rows, folder)       table.md and table.html, and table.csv with every figure of the results

What was not measured says so, and published figures of another part than a row's are marked.
"""

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from mien.benchmark.groups import CAUTION
from mien.benchmark.result import Figure, Result
from mien.benchmark.rows import UNTOLD, Cell, Row, higher, rows_of
from mien.databases import DATABASES
from mien.databases.catalog import Published
from mien.files import whole_folder

__all__ = ["markdown", "rows_of", "write_table"]

ROLES = ("seed paper", "best", "baseline")
"""The roles that have a column; what is "apart" is told below the table."""

READING = (
    "↑: more is better; ↓: less is.",
    "In square brackets the 95 % interval, of subjects or recordings drawn again within each fold.",
    "No interval: a fold has fewer than two of them, or the figure is of one label, or a sum.",
    "n: rows, or clips, counted. faces: of the labelled rows the share in which a face was found.",
    "counted: of the labelled rows the share that could be scored, where that is not all.",
    "not measured: no result has it. undefined: measured, but the metric has no value for what came out.",
    "constant: the score of one answer for all faces: the commonest class, the mean, every action unit.",
    "Others found and cut faces in another way, may have left out rows, or chosen the epoch by these rows.",
    "best: of what could be verified. –: none in this role. More: table.csv and mien databases list.",
)
"""What a reader of any table must know."""

FIELDS = (
    *("kind", "database", "protocol", "part", "part_of_protocol", "rows_sha256"),
    *("metric", "better", "label", "thresholds"),
    *("system", "sha256", "role", "state", "value", "low", "high", "count", "units"),
    *("rows", "labelled", "picture", "face_found", "carried", "counted", "year", "source", "note"),
)
"""The columns of table.csv."""


@dataclass(frozen=True)
class Text:
    """What is read in a cell: the number, what belongs to it, the numbers of its notes."""

    main: str
    detail: str = ""
    notes: tuple[int, ...] = ()

    def markdown(self) -> str:
        """Return it as Markdown."""
        detail = f"({self.detail})" if self.detail else ""
        marks = "".join(f"[{number}]" for number in self.notes)
        return " ".join(filter(None, (_escaped(self.main), _escaped(detail), marks)))


@dataclass(frozen=True)
class View:
    """The table in words, from which Markdown and HTML are written.

    Attributes:
        heads: of the columns, the database's first.
        groups: database -> its rows, each a list of cells, each of one text or several.
        notes: what the numbers in brackets mean, from 1.
        sections: further lists: title -> items.
    """

    heads: list[str]
    groups: dict[str, list[list[list[Text]]]]
    notes: list[str]
    sections: dict[str, list[str]]


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table with aligned columns, and the lists of notes beneath it."""
    view = _view(rows)
    table = [[_escaped(head) for head in view.heads]]
    table += [
        [_escaped(database), *("; ".join(text.markdown() for text in cell) for cell in cells)]
        for database, group in view.groups.items()
        for cells in group
    ]
    widths = [max(3, *(len(line[column]) for line in table)) for column in range(len(view.heads))]
    table.insert(1, ["-" * width for width in widths])
    lines = [f"| {' | '.join(c.ljust(w) for c, w in zip(line, widths, strict=True))} |" for line in table]
    notes = [f"[{number}] {_escaped(note)}" for number, note in enumerate(view.notes, start=1)]
    lists = {"Notes": notes} if notes else {}
    lists |= {title: [_escaped(item) for item in items] for title, items in view.sections.items()}
    for title, items in lists.items():
        lines += ["", f"**{title}**", "", *(f"- {item}" for item in items)]
    return "\n".join(lines) + "\n"


def write_table(rows: Sequence[Row], out: Path) -> None:
    """Write a folder with table.md, table.html and table.csv, as a whole or not at all.

    Raises:
        OutputError: the folder exists and is not empty, or cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("mien.benchmark"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    with whole_folder(out) as place:
        (place / "table.md").write_text(markdown(rows), encoding="utf-8")
        page = environment.get_template("table.html.j2").render(view=_view(rows))
        (place / "table.html").write_text(page, encoding="utf-8")
        with open(place / "table.csv", "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(_records(rows))


def _view(rows: Sequence[Row]) -> View:
    """Return rows in words."""
    notes: dict[str, int] = {}
    tested: dict[tuple[str, str, str], set[str]] = {}
    for row in rows:
        tested.setdefault((row.database, row.protocol, row.part), set()).add(row.rows)
    networks = [cell.network for cell in rows[0].cells] if rows else []
    groups: dict[str, list[list[list[Text]]]] = {}
    for row in rows:
        several = len(tested[row.database, row.protocol, row.part]) > 1
        groups.setdefault(row.database, []).append(_texts(row, notes, several))
    apart = [
        f"{row.database}: {row.protocol}, {_metric(row)}: {_number(p.value)}. {_cited(row, p)}"
        for row in rows
        for p in row.published
        if p.role == "apart" and row.part == row.own
    ]
    results = [cell.result for row in rows for cell in row.cells if cell.result is not None]
    sections = {
        "Published, but not to be compared": list(dict.fromkeys(apart)),
        "Networks": [
            f"{n.label}: SHA-256 {', '.join(n.hashes) or 'not said'}; learned from: {n.learned}"
            for n in networks
        ],
        "Data": list(dict.fromkeys(map(_data, results))),
        "How to read it": list(READING),
    }
    heads = ["database", "protocol", "metric", *(n.label for n in networks), "constant", *ROLES]
    return View(heads, groups, list(notes), {title: items for title, items in sections.items() if items})


def _texts(row: Row, notes: dict[str, int], several: bool) -> list[list[Text]]:
    """Return the cells of a row.

    Args:
        row: of the table.
        notes: what was told before -> its number; what was not is added.
        several: other rows of the same part were tested too, so that these are named.
    """

    def told(*texts: str) -> tuple[int, ...]:
        return tuple(dict.fromkeys(notes.setdefault(text, len(notes) + 1) for text in texts if text))

    part = [row.part if row.part == UNTOLD else f"{row.part}, not the {row.own}"]
    part = part if row.part != row.own else []
    part += [f"rows {row.rows[:8]}"] if several else []
    cells = [[Text(row.protocol, "; ".join(part), told(row.note))], [Text(_metric(row))]]
    for cell in row.cells:
        numbers = told(*(note for note in cell.notes if note != CAUTION))
        cells.append([Text(_figure(cell), _coverage(cell), numbers)])
    constants = dict.fromkeys(_number(cell.constant.value) for cell in row.cells if cell.constant is not None)
    cells.append([Text(" / ".join(constants) or "not measured")])
    for role in ROLES:
        figures = [p for p in row.published if p.role == role]
        cells += [
            [Text(_number(p.value), _who(row, p), told(_cited(row, p))) for p in figures] or [Text("–")]
        ]
    return cells


def _metric(row: Row) -> str:
    """Return what a row's figures are: metric, label, thresholds, which way is better."""
    of = f"of {row.of}" if row.of else ""
    at = {"": "", "0.5": "at 0.5", "validation": "at thresholds from validation"}[row.thresholds]
    return " ".join(filter(None, (row.metric, of, at, "↑" if row.higher else "↓")))


def _number(value: float) -> str:
    """Return a number with three digits after the point; one too small for that with its first."""
    if not math.isfinite(value):
        return "undefined"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.0005 else f"{value:.0e}"


def _figure(cell: Cell) -> str:
    """Return a cell's number and interval, or why there is none."""
    if cell.figure is None or cell.state != "measured":
        return cell.state
    value, low, high = cell.figure.value, cell.figure.low, cell.figure.high
    interval = f" [{_number(low)}, {_number(high)}]" if math.isfinite(low) and math.isfinite(high) else ""
    return _number(value) + interval


def _coverage(cell: Cell) -> str:
    """Return how many rows were counted, and of which share of the labelled ones."""
    if cell.figure is None or cell.result is None:
        return ""
    rows = cell.result.coverage
    labelled, counted = rows.get("labelled", 0), rows.get("counted", 0)
    parts = [f"n {cell.figure.count:,}", f"faces {_share(rows.get('face found', 0), labelled)}"]
    parts += [f"counted {_share(counted, labelled)}"] if counted < labelled else []
    return "; ".join(parts)


def _share(part: int, whole: int) -> str:
    """Return a share in percent; 100 and 0 stand for all and none alone."""
    if not whole:
        return "undefined"
    percent = 100 * part / whole
    if 0 < part < whole:
        percent = min(max(percent, 0.1), 99.9)
    return f"{percent:.1f} %"


def _who(row: Row, figure: Published) -> str:
    """Return whose a published figure is, and of which part where that is not the row's."""
    elsewhere = f"; {row.part_of(figure)}" if row.part_of(figure) != row.part else ""
    return f"{figure.system}, {figure.year}{elsewhere}"


def _cited(row: Row, figure: Published) -> str:
    """Return a published figure's source, and why it may not be comparable."""
    reasons = [f"it is of the {row.part_of(figure)}"] if row.part_of(figure) != row.part else []
    reasons += [figure.note] if figure.note else []
    why = f" May not be comparable: {'; '.join(reasons)}." if reasons else ""
    return f"{figure.system}, {figure.year}: {figure.source}.{why}"


def _data(result: Result) -> str:
    """Return what a result was measured on."""
    index, rows = (str(result.data.get(name) or "not said")[:8] for name in ("index_sha256", "rows_sha256"))
    return (
        f"{result.database}: {DATABASES[result.database].title}; release: {result.release or 'not said'}; "
        f"faces found by: {result.data.get('detector') or 'not said'}; index {index}; rows {rows}; "
        f"mien {result.mien}"
    )


def _escaped(text: str) -> str:
    """Return text in one line, in which nothing is taken for Markdown or HTML."""
    line = re.sub(r"([\\`*<|~&]|\](?=[(\[]))", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", line)


def _records(rows: Sequence[Row]) -> Iterator[dict[str, object]]:
    """Yield the rows of table.csv: every figure of every result, what was not measured, what others told."""
    told: set[tuple[str, Published]] = set()
    for row in rows:
        line = {
            "database": row.database,
            "protocol": row.protocol,
            "part": row.part,
            "part_of_protocol": row.own,
            "rows_sha256": row.rows,
            "metric": row.metric,
            "better": "higher" if row.higher else "lower",
            "label": row.of,
            "thresholds": row.thresholds,
        }
        for cell in row.cells:
            yield from ({**line, **record} for record in _measured(row, cell))
        for figure in row.published:
            if (row.database, figure) not in told:
                told.add((row.database, figure))
                yield {**line, **_told(row, figure)}


def _measured(row: Row, cell: Cell) -> Iterator[dict[str, object]]:
    """Yield a network's figures of a row: of a protocol's first row all, of the others what is missing."""
    who = {
        "kind": "measured",
        "system": cell.network.label,
        "sha256": " ".join(cell.network.hashes),
        "note": "; ".join(cell.notes),
    }
    if cell.figure is None:
        yield {**who, "role": "model", "state": cell.state}
    elif cell.result is None:
        yield from (
            {**who, **_plain(figure)} for figure in (cell.figure, cell.constant) if figure is not None
        )
    elif row.first:
        rows = {name.replace(" ", "_"): count for name, count in cell.result.coverage.items()}
        counts = {name: rows[name] for name in FIELDS if name in rows}
        for figure in cell.result.figures:
            better = "higher" if higher(figure.metric) else "lower"
            what = {"metric": figure.metric, "better": better}
            notes = dict.fromkeys(note for note in (*cell.notes, figure.note) if note)
            labels = {"label": figure.label, "thresholds": figure.thresholds, "note": "; ".join(notes)}
            yield {**who, **counts, **what, **labels, **_plain(figure)}


def _plain(figure: Figure) -> dict[str, object]:
    """Return a figure's numbers; nothing for those that are undefined."""
    numbers = {"value": figure.value, "low": figure.low, "high": figure.high}
    finite = {name: number for name, number in numbers.items() if math.isfinite(number)}
    state = "measured" if "value" in finite else "undefined"
    return {"role": figure.of, "state": state, "count": figure.count, "units": figure.units, **finite}


def _told(row: Row, figure: Published) -> dict[str, object]:
    """Return a figure that others published."""
    return {
        "kind": "published",
        "part": row.part_of(figure),
        "rows_sha256": "",
        "system": figure.system,
        "role": figure.role,
        "state": "published",
        "value": figure.value,
        "year": figure.year,
        "source": figure.source,
        "note": figure.note,
    }
