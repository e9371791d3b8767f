"""What a database's folder holds, counted and held against what was published of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.databases import DATABASES
from mien.databases.catalog import Count, Database, Protocol, Published, recordings
from mien.databases.findings import Findings, Tally
from mien.databases.index import Index
from mien.tasks import Task

Row = tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """The result of checking a folder.

    Attributes:
        title: of the database and folder.
        release: which one the folder holds.
        tables: counts to be shown, each a heading row and rows.
        notes: what one should know.
        faults: what is wrong; none if all is well.
    """

    title: str
    release: str
    tables: list[list[Row]]
    notes: list[str]
    faults: list[str]

    def text(self) -> str:
        """Return the result for people."""
        parts = [f"{self.title}\nrelease: {self.release}"]
        parts += [_aligned(table) for table in self.tables if len(table) > 1]
        parts += ["notes\n" + "\n".join(f"  {note}" for note in self.notes)] if self.notes else []
        if self.faults:
            parts.append(
                f"{len(self.faults)} kind{'s' * (len(self.faults) > 1)} of faults\n"
                + "\n".join(f"  {fault}" for fault in self.faults)
            )
        else:
            parts.append("no faults")
        return "\n\n".join(parts)


def check(name: str, folder: Path) -> Check:
    """Read a database's folder, malformed rows left out, and return what is in it and what is wrong.

    Args:
        name: a key of DATABASES.
        folder: the database.

    Raises:
        DatabaseError: nothing of the database can be recognised in the folder.
    """
    database = DATABASES[name]
    findings = Findings(skip=True)
    index = database.read(folder, findings)
    published, differing = _published(database, index, findings.release)
    faults = [_told("malformed rows", findings.malformed)] if findings.malformed.count else []
    faults += [_told(kind, tally) for kind, tally in findings.unmatched.items()]
    faults += _leaks(index) + differing
    tables = [_parts(index), *(_labels(index, task) for task in index.labels.values), published]
    return Check(
        title=f"{database.title} in {folder}",
        release=findings.release,
        tables=tables,
        notes=[*findings.notes, *_relatives(database, index)],
        faults=faults,
    )


def _told(kind: str, tally: Tally) -> str:
    """Return a count with its first examples, one a line."""
    more = tally.count - len(tally.examples)
    lines = [f"{tally.count:,} {kind}", *(f"    {example}" for example in tally.examples)]
    return "\n  ".join([*lines, *([f"    and {more:,} more"] if more else [])])


def _splits(index: Index) -> list[str]:
    """Return the parts there are, in their usual order."""
    present = index.split.counts()
    return [split for split in ("train", "validation", "test", "") if split in present]


def _parts(index: Index) -> list[Row]:
    """Return rows, pictures, videos and subjects of each part."""
    table: list[Row] = [("part", "rows", "with a picture", "with sound", "videos", "subjects")]
    for split in _splits(index):
        part = index[index.split.matches(split)]
        subjects = [name for name in part.subject.counts() if name]
        numbers = (
            len(part),
            int((~part.media.matches("")).sum()),
            int((~part.sound.matches("")).sum()),
            len(part.video.counts()),
        )
        table.append(
            (
                split or "(no official part)",
                *(f"{number:,}" for number in numbers),
                f"{len(subjects):,}" if subjects else "not said",
            )
        )
    return table


def _labels(index: Index, task: Task) -> list[Row]:
    """Return what is known of a task in each part: classes, units present, or mean and range."""
    splits = _splits(index)
    table: list[Row] = [(task.name, *(split or "(no official part)" for split in splits))]
    columns = [index.split.matches(split) for split in splits]
    for place, label in enumerate(task.labels):
        cells = [_cell(index, task, place, rows) for rows in columns]
        table.append((f"  {label}", *cells))
    known = index.labels.known[task].any(axis=1)
    return [*table, ("  rows with a label", *(f"{int((known & rows).sum()):,}" for rows in columns))]


def _cell(index: Index, task: Task, place: int, rows: np.ndarray) -> str:
    """Return what is known of one label in one part."""
    known = index.labels.known[task][rows, place]
    values = index.labels.values[task][rows, place][known]
    if task.kind == "continuous":
        if not len(values):
            return "-"
        return f"{values.mean():+.2f} ({values.min():+.2f} to {values.max():+.2f})"
    if task.kind == "categorical":
        winners = index.labels.values[task][rows][known].argmax(axis=1)
        return f"{int((winners == place).sum()):,}"
    present = int((values > 0).sum())
    return f"{present:,} of {len(values):,}"


def _published(database: Database, index: Index, release: str) -> tuple[list[Row], list[str]]:
    """Return published numbers beside those found, and a line for each that differs."""
    table: list[Row] = [("published", "number", "found")]
    differing = []
    for count in database.counts:
        if count.release and count.release != release:
            continue
        found = _found(index, count)
        label = f" of {count.label}" if count.label else ""
        what = f"{count.what}{label} in {count.split or 'all parts'}"
        table.append((f"  {what}", f"{count.number:,}", f"{found:,}"))
        if found != count.number:
            differing.append(f"{what}: {found:,} found, {count.number:,} published")
    return table, differing


def _found(index: Index, count: Count) -> int:
    """Return the number that a published one is held against."""
    rows = index.split.matches(count.split) if count.split else np.ones(len(index), bool)
    if count.task is not None:
        if count.task not in index.labels.values:
            return 0
        known = index.labels.known[count.task]
        values = index.labels.values[count.task]
        if not count.label:
            rows &= known.any(axis=1)
        elif count.task.kind == "categorical":
            rows &= known.all(axis=1) & (values.argmax(axis=1) == count.task.index(count.label))
        else:
            rows &= values[:, count.task.index(count.label)] > 0
    if count.what == "rows":
        return int(rows.sum())
    names = (index.subject if count.what == "subjects" else index.video)[np.flatnonzero(rows)]
    return len([name for name in names.counts() if name])


def _leaks(index: Index) -> list[str]:
    """Return the people, or where none are named the recordings, that are in more than one part."""
    named = bool((~index.subject.matches("")).any())
    column, kind = (index.subject, "subjects") if named else (recordings(index), "recordings")
    parts = {split: set(column[index.split.matches(split)].counts()) - {""} for split in _splits(index)}
    lines = []
    names = [split for split in parts if split]
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            shared = sorted(parts[first] & parts[second])
            if shared:
                tally = Tally(len(shared), shared[:5])
                lines.append(_told(f"{kind} both in {first} and in {second}", tally))
    return lines


def _relatives(database: Database, index: Index) -> list[str]:
    """Return which people here, or recordings where no people are named, are also in other databases."""
    named = bool((~index.subject.matches("")).any())
    here = set((index.subject if named else index.video).counts()) - {""}
    kind = "subjects" if named else "recordings"
    lines = []
    for other, shared in database.related.items():
        both = sorted(here & shared)
        if both:
            lines.append(
                f"{len(both)} of {len(here)} {kind} are also in {other} ({', '.join(both[:12])}): "
                "never train on one and test on the other without leaving them out"
            )
    return lines


def description(key: str, database: Database) -> str:
    """Return all that is known of a database, for people."""
    lines = [f"{database.title} ({key})", "", "labels"]
    lines += [f"  {task.name}: {', '.join(task.labels)}" for task in database.tasks]
    lines += ["", "protocols, the usual one first"]
    for protocol in database.protocols:
        lines += _protocol(protocol)
    for name, parts in database.sums.items():
        lines.append(f"  {name}: the sum of {', '.join(parts)}")
    lines += _figures(database)
    if database.counts:
        lines += ["", "published counts"]
        for count in database.counts:
            where = f" in {count.split}" if count.split else ""
            of = f" of {count.label}" if count.label else ""
            release = f" ({count.release})" if count.release else ""
            lines.append(f"  {count.number:,} {count.what}{of}{where}{release}")
    for other in database.related:
        lines += ["", f"has people or recordings in common with {other}; check names those in a folder"]
    lines += [
        "",
        f"licence: {database.licence}",
        f"obtain:  {database.obtain}",
        f"cite:    {database.citation}",
    ]
    return "\n".join(lines)


def _protocol(protocol: Protocol) -> list[str]:
    """Return what a protocol says, a thing a line."""
    if protocol.folds:
        folds = "official parts" if protocol.by == "split" else f"{len(protocol.folds)} folds of subjects"
    else:
        folds = f"{protocol.made} folds of subjects, made here: no official ones"
    also = f" (beside it {', '.join(protocol.also)})" if protocol.also else ""
    lines = [
        f"  {protocol.name}: {protocol.metric}{also}, {protocol.aggregation}",
        f"    on {protocol.task.name}: {', '.join(protocol.labels)}",
        f"    {folds}; a frame without a face is {protocol.without_face}",
    ]
    if protocol.threshold is not None:
        lines.append(f"    an action unit is present from intensity {protocol.threshold:g} on")
    if protocol.over == "video":
        lines.append("    of each recording by itself, then the mean over recordings")
    if protocol.fresh:
        lines.append("    pictures that also stand in the training part are left out")
    return [*lines, *([f"    {protocol.note}"] if protocol.note else [])]


def _figures(database: Database) -> list[str]:
    """Return the published figures by protocol, a line each and its note beneath, and their sources."""
    if not database.published:
        return ["", "published figures: none that could be verified"]
    sources = list(dict.fromkeys(figure.source for figure in database.published))
    lines = [
        "",
        "published figures (best: of those that could be verified; apart: doubtful, or of other data)",
    ]
    metrics = {protocol.name: protocol.metric for protocol in database.protocols}
    for name in (*metrics, *database.sums):
        figures = [figure for figure in database.published if figure.protocol == name]
        if figures:
            lines.append(f"  {name}: {metrics.get(name, 'sum')}")
            width = max(len(_scored(figure)) for figure in figures)
            for figure in figures:
                source = f"{figure.role:<10}  {figure.year} [{sources.index(figure.source) + 1}]"
                lines.append(f"    {figure.value:<6g}  {_scored(figure):<{width}}  {source}")
                lines += [f"            {figure.note}"] * bool(figure.note)
    return [*lines, "  sources", *(f"    [{number}] {text}" for number, text in enumerate(sources, start=1))]


def _scored(figure: Published) -> str:
    """Return what was scored, and of what where that is not the whole of the protocol."""
    part = f"{figure.part} part" if figure.part else ""
    of = ", ".join(text for text in (figure.metric or "", figure.of, part) if text)
    return f"{figure.system} ({of})" if of else figure.system


def _aligned(table: list[Row]) -> str:
    """Return a table with aligned columns, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in table
    )
