"""What stands in the table over many Results: a row for each figure, a cell for each network.

A protocol without a result is not left out: its cells are not measured. A figure of another part than the
protocol tests has a row of its own, and so have figures of other rows of the same part (another release, some
of the folds): what stands in one row was counted over the same rows.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from mien.benchmark.reporting import OF_ONE
from mien.benchmark.result import Figure, Result
from mien.databases import DATABASES
from mien.databases.catalog import METRICS, Database, Protocol, Published
from mien.errors import InputError

State = Literal["measured", "undefined", "not measured"]

OWN_TABLE = "table"
"""The database that has a protocol for every task there is: only those with a result have rows."""

UNTOLD = "a part that the result does not say"
"""What the part is called of a Result that does not say which it tested."""


@dataclass(frozen=True)
class Network:
    """A column: one bundle, or the bundles of all folds.

    Attributes:
        label: its name; with the start of its hash where another has the same name.
        hashes: SHA-256 of each bundle.
        learned: from which databases, in words.
    """

    label: str
    hashes: tuple[str, ...]
    learned: str


@dataclass(frozen=True)
class Cell:
    """What one network reached.

    Attributes:
        network: whose it is.
        figure: its value, interval and count; None where it was not measured.
        constant: of the baseline of that name; None where it was not measured.
        result: where it is from, with coverage and settings; None for sums and what was not measured.
        notes: what a reader must know before comparing.
    """

    network: Network
    figure: Figure | None = None
    constant: Figure | None = None
    result: Result | None = None
    notes: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        """Whether there is a number, and if not, why."""
        if self.figure is None:
            return "not measured"
        return "measured" if math.isfinite(self.figure.value) else "undefined"


@dataclass(frozen=True)
class Row:
    """One figure of one protocol, of all networks and of others.

    Attributes:
        database: its name.
        protocol: its name, or that of a sum of protocols.
        part: that was tested: "test part", "validation part", "folds of subjects", "rows of no part".
        own: the same of what the protocol tests.
        rows: hash of the tested rows; "" where nobody was tested.
        metric: by its name in the field.
        of: the label it is of; "" for the protocol's own figure.
        thresholds: of action units, as in Figure.
        higher: whether more is better.
        first: it is the protocol's own figure.
        cells: one for each network, in the order of all rows.
        published: what others reached, of whatever part.
        note: what a reader must know of the protocol.
    """

    database: str
    protocol: str
    part: str
    own: str
    rows: str
    metric: str
    of: str
    thresholds: str
    higher: bool
    first: bool
    cells: tuple[Cell, ...]
    published: tuple[Published, ...]
    note: str = ""

    def part_of(self, figure: Published) -> str:
        """Return the part that a published figure is of."""
        return f"{figure.part} part" if figure.part else self.own


def higher(metric: str) -> bool:
    """Return whether more of a metric is better: not of errors and of gaps between groups."""
    if metric.startswith("gap of "):
        return False
    return all(scale.higher for name, scale in METRICS.items() if name == metric)


Tested = tuple[str, str]
"""What the tested part is called, and the hash of its rows."""

Given = Mapping[tuple[str, str], Mapping[Tested, Mapping[Network, Result]]]
"""(database, protocol) -> what was tested -> network -> its Result."""


def rows_of(results: Sequence[Result]) -> list[Row]:
    """Return the rows of all databases that occur, in the catalog's order.

    Raises:
        InputError: a result is of a protocol that the catalog does not have, or has with another metric;
            or two that differ are of the same network, protocol and rows.
    """
    networks = _networks(results)
    given: dict[tuple[str, str], dict[Tested, dict[Network, Result]]] = {}
    for result in results:
        protocol = _protocol(result)
        tested = _part(protocol.by, result.settings.get("tested")), str(result.data.get("rows_sha256", ""))
        network = networks[_key(result)]
        there = given.setdefault((result.database, protocol.name), {}).setdefault(tested, {})
        if repr(there.setdefault(network, result)) != repr(result):
            raise InputError(
                f"{result.database}: two results of {protocol.name!r}, {tested[0]}, by {network.label} "
                "differ; give one of them"
            )
    columns = tuple(dict.fromkeys(networks.values()))
    occurring = {result.database for result in results}
    return [row for name in DATABASES if name in occurring for row in _of_database(name, columns, given)]


def _protocol(result: Result) -> Protocol:
    """Return the catalog's protocol of a result."""
    known = DATABASES[result.database].protocols if result.database in DATABASES else ()
    for protocol in known:
        if protocol.name == result.protocol and protocol.metric == result.settings.get("metric"):
            return protocol
    raise InputError(
        f"{result.database}: a result of {result.protocol!r} by {result.settings.get('metric')}, which this "
        "mien does not have; evaluate again"
    )


def _part(by: str, tested: Sequence[str] | None) -> str:
    """Return what the tested part is called."""
    if by == "subject":
        return "folds of subjects"
    if tested is None:
        return UNTOLD
    return " and ".join(f"{name} part" if name else "rows of no part" for name in sorted(set(tested)))


def _own(protocol: Protocol) -> str:
    """Return what the part that a protocol tests is called."""
    return _part(protocol.by, [name for fold in protocol.folds for name in fold.test])


def _key(result: Result) -> tuple[tuple[str, str], ...]:
    """Return names and hashes of who was tested."""
    return tuple(sorted({(str(n.get("name", "")), str(n.get("sha256", ""))) for n in result.networks}))


def _networks(results: Sequence[Result]) -> dict[tuple[tuple[str, str], ...], Network]:
    """Return the columns, in the order in which they occur."""
    found: dict[tuple[tuple[str, str], ...], str] = {}
    for result in results:
        found.setdefault(_key(result), _learned(result))
    labels = [_label(key) for key in found]
    return {
        key: Network(
            label=label if labels.count(label) == 1 else f"{label} ({_short(key)})",
            hashes=tuple(digest for _, digest in key),
            learned=learned,
        )
        for (key, learned), label in zip(found.items(), labels, strict=True)
    }


def _label(key: Sequence[tuple[str, str]]) -> str:
    """Return the names of a column's bundles in a few words."""
    names = list(dict.fromkeys(name or "unnamed" for name, _ in key)) or ["unnamed"]
    return " + ".join(names) if len(names) < 4 else f"{names[0]} to {names[-1]} ({len(names)} networks)"


def _short(key: Sequence[tuple[str, str]]) -> str:
    """Return the start of a bundle's hash, or of the hash of several hashes."""
    digests = [digest for _, digest in key]
    together = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return together[:8] or "no hash"


def _entries(result: Result) -> list[dict[str, Any]]:
    """Return what the networks' cards say they learned from; none where one does not say."""
    cards = [network.get("trained_on") for network in result.networks]
    lists = [card for card in cards if isinstance(card, list)]
    if len(lists) < len(cards):
        return []
    return [entry for card in lists for entry in card if isinstance(entry, dict)]


def _learned(result: Result) -> str:
    """Return from which databases a result's networks learned, in words."""
    told = [f"{entry.get('database')} {entry.get('fold') or ''}".strip() for entry in _entries(result)]
    return ", ".join(dict.fromkeys(told)) or "not said"


def _of_database(name: str, columns: tuple[Network, ...], given: Given) -> Iterator[Row]:
    """Yield the rows of one database, a sum after the last of its protocols."""
    database = DATABASES[name]
    firsts: list[Row] = []
    for protocol in database.protocols:
        for row in _of_protocol(name, protocol, columns, given):
            firsts += [row] if row.first else []
            yield row
        done = {row.protocol for row in firsts}
        for total, names in database.sums.items():
            if protocol.name in names and set(names) <= done:
                yield from _sums(database, total, [row for row in firsts if row.protocol in names])


def _of_protocol(name: str, protocol: Protocol, columns: tuple[Network, ...], given: Given) -> Iterator[Row]:
    """Yield a protocol's rows: its own figure, then those of which others published some."""
    own = _own(protocol)
    published = [p for p in DATABASES[name].published if p.protocol == protocol.name]
    tested = given.get((name, protocol.name), {})
    blank = [] if name == OWN_TABLE or own in {part for part, _ in tested} else [(own, "")]
    for part, digest in sorted([*tested, *blank], key=lambda one: (one[0] != own, one)):
        results = tested.get((part, digest), {})
        for line in _lines(protocol, published, list(results.values())):
            metric, of, thresholds = line
            yield Row(
                database=name,
                protocol=protocol.name,
                part=part,
                own=own,
                rows=digest,
                metric=metric,
                of=of,
                thresholds=thresholds,
                higher=higher(metric),
                first=line == _line(protocol),
                cells=_compared([_cell(n, results.get(n), protocol, line) for n in columns]),
                published=tuple(p for p in published if _line(protocol, p) == line),
                note=protocol.note,
            )


Line = tuple[str, str, str]
"""Metric, label, thresholds."""


def _lines(protocol: Protocol, published: Sequence[Published], results: Sequence[Result]) -> list[Line]:
    """Return what is told of a protocol: its own figure, also by other thresholds, and what others told."""
    lines = [_line(protocol)]
    tuned: Line = (protocol.metric, "", "validation")
    if any(_found(result, "model", tuned) for result in results):
        lines.append(tuned)
    return list(dict.fromkeys([*lines, *(_line(protocol, figure) for figure in published)]))


def _line(protocol: Protocol, figure: Published | None = None) -> Line:
    """Return what a published figure is of; without one, a protocol's own."""
    thresholds = "0.5" if protocol.task.kind == "binary" else ""
    if figure is None:
        return protocol.metric, "", thresholds
    return figure.metric or protocol.metric, figure.of, thresholds


def _found(result: Result, of: str, line: Line) -> Figure | None:
    """Return a result's figure."""
    metric, label, thresholds = line
    names = (metric, OF_ONE.get(metric, metric)) if label else (metric,)
    for figure in result.figures:
        at = of != "model" or figure.thresholds == thresholds
        if at and figure.of == of and figure.label == label and figure.metric in names:
            return figure
    return None


def _cell(network: Network, result: Result | None, protocol: Protocol, line: Line) -> Cell:
    """Return what one network reached."""
    if result is None:
        return Cell(network)
    figure = result.figure if line == _line(protocol) else _found(result, "model", line)
    told = [note for note in result.notes if note != protocol.note]
    entries = _entries(result)
    if entries and result.database not in {entry.get("database") for entry in entries}:
        told.append("the network did not learn from this database")
    told += [
        f"the baselines are of {source}"
        for source in result.settings.get("baselines_from", ())
        if source != "the training part"
    ]
    told += [figure.note] if figure is not None and figure.note else []
    return Cell(network, figure, _found(result, "constant", line), result, tuple(told))


def _compared(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Return the cells of a row, with a note on those that were measured otherwise than the first."""
    first = next((cell for cell in cells if cell.result is not None), None)
    if first is None:
        return tuple(cells)
    return tuple(replace(cell, notes=(*cell.notes, *_differences(first, cell))) for cell in cells)


def _differences(first: Cell, cell: Cell) -> Iterator[str]:
    """Yield in what a cell differs from the first, beside the network."""
    if first.result is None or cell.result is None:
        return
    one, other = first.result, cell.result
    facts = {
        "release": (one.release, other.release),
        "faces found by": (one.data.get("detector"), other.data.get("detector")),
        "evaluated by mien": (one.mien, other.mien),
    }
    for what, (here, there) in facts.items():
        if here != there:
            yield f"{what} {there or 'not said'}, for {first.network.label} {here or 'not said'}"


def _sums(database: Database, total: str, rows: Sequence[Row]) -> Iterator[Row]:
    """Yield the sum of protocols' own figures, for all rows that one of them was tested on."""
    names = database.sums[total]
    own = rows[0].own
    blank = [] if any(row.rows for row in rows if row.part == own) else [(own, "")]
    tested = dict.fromkeys([*blank, *((row.part, row.rows) for row in rows if row.rows)])
    for part, digest in sorted(tested, key=lambda one: (one[0] != own, one)):
        parts = {row.protocol: row for row in rows if (row.part, row.rows) == (part, digest)}
        metrics = {row.protocol: row.metric for row in rows}
        columns = [{name: row.cells[i] for name, row in parts.items()} for i in range(len(rows[0].cells))]
        yield replace(
            rows[0],
            protocol=total,
            part=part,
            rows=digest,
            metric=" + ".join(metrics[name] for name in names),
            thresholds="",
            cells=tuple(_sum(names, cells) for cells in columns),
            published=tuple(p for p in database.published if p.protocol == total),
            note=f"the sum of {', '.join(names)}; action units at 0.5",
        )


def _sum(names: Sequence[str], cells: Mapping[str, Cell]) -> Cell:
    """Return what a network reached together, where all that is added was measured."""
    network = next(iter(cells.values())).network
    figures = {name: cell.figure for name, cell in cells.items() if cell.figure is not None}
    missing = [name for name in names if name not in figures]
    if missing:
        return Cell(network, notes=(f"not measured: {', '.join(missing)}",) if figures else ())
    constants = [cell.constant.value for cell in cells.values() if cell.constant is not None]
    return Cell(
        network,
        Figure("model", "sum", "", sum(figure.value for figure in figures.values())),
        Figure("constant", "sum", "", sum(constants)) if len(constants) == len(names) else None,
    )
