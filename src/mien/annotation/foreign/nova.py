"""NOVA's annotations: a header `x.annotation` and its data `x.annotation~`, as text or binary.

    <annotation ssi-v="3">
        <info ftype="ASCII" size="2" />
        <meta annotator="anna" role="person1"/>
        <scheme name="valence" type="CONTINUOUS" sr="25" min="-1" max="1" />
    </annotation>

    continuous   score;confidence                 row k, from 0, is at k / sr seconds
    discrete     from;to;id;confidence[;meta]     the id of an <item> of the scheme; -1: cannot be scored
    free         from;to;name;confidence[;...]

Data of ftype BINARY holds the same little-endian and without a break: seconds as float64, scores and
confidences as float32, ids as uint32 (all bits set: cannot be scored), a name as UTF-8 after a uint32 that
counts its UTF-16 units (hcmlab/nova: Types/AnnoListFile.cs).

"Cannot be scored" becomes a segment that is not scorable for each label of the scheme. Confidences are not
kept. The video is nowhere stated.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from mien.annotation.foreign.source import (
    Collected,
    Settings,
    number,
    read_bytes,
    read_text,
    scaled,
    segment_of,
    trace,
)
from mien.annotation.foreign.xml import Element, read_xml
from mien.annotation.records import Annotations, Segment
from mien.errors import InputError

GARBAGE = -1
"""The id of what cannot be scored."""

NONE = 2**32 - 1
"""The same in binary data."""

ROUNDING = {"ASCII": 0.0, "BINARY": 2.0**-24}
"""Form of the data -> part of a score by which it may be off: a float32 is as near as that to its number."""

Row = tuple[str, int, list[str]]
"""Where it stands, its line, its cells."""


def read(path: Path, settings: Settings) -> Collected:
    """Return the trace, or the segments, of a header and its data.

    Raises:
        InputError: it breaks the format, its data is missing or cut short, or a label is unknown.
    """
    header = read_xml(path, settings.encoding)
    info, scheme = _one(header, "info", path), _one(header, "scheme", path)
    kind = scheme.attribute("type").upper()
    form = info.said.get("ftype", "ASCII").upper()
    if form not in ROUNDING:
        raise InputError(f"{info.where}: the data is {form}, expected ASCII or BINARY")
    if kind not in ("CONTINUOUS", "DISCRETE", "FREE"):
        raise InputError(f"{scheme.where}: scheme {kind}, expected CONTINUOUS, DISCRETE or FREE")
    beside = path.with_name(f"{path.name}~")
    rows = list(_rows(beside, settings.encoding) if form == "ASCII" else _records(beside, kind))
    if "size" in info.said and number(info.said["size"], "size", info.where) != len(rows):
        raise InputError(f"{path}~: {len(rows)} rows, but {path.name} says {info.said['size']}")
    said = [one.said.get("annotator", "") for one in header.all("meta")]
    who = settings.video_of("", path), settings.annotator_of(said[0] if said else "", path)
    if kind == "CONTINUOUS":
        return _trace(path, who, scheme, rows, settings, ROUNDING[form])
    names = _items(scheme) if kind == "DISCRETE" else None
    return Collected(Annotations(segments=tuple(_segments(who, names, rows, settings))))


def _one(header: Element, name: str, path: Path) -> Element:
    """Return the one element of a name."""
    found = header.all(name)
    if len(found) != 1:
        raise InputError(f"{path}: {len(found)} <{name}> in it, expected one")
    return found[0]


def _rows(path: Path, encoding: str) -> Iterator[Row]:
    """Yield the rows of the data."""
    for line, text in enumerate(read_text(path, encoding).splitlines(), 1):
        if text.strip():
            yield f"{path}, line {line}", line, [cell.strip() for cell in text.split(";")]


def _records(path: Path, kind: str) -> Iterator[Row]:
    """Yield the rows of binary data, as cells of text like the others."""
    data = read_bytes(path)
    at, count = 0, 0
    while at < len(data):
        count += 1
        where = f"{path}, row {count}"
        try:
            if kind == "CONTINUOUS":
                cells = list(struct.unpack_from("<ff", data, at))
                at += 8
            else:
                start, end, third = struct.unpack_from("<ddI", data, at)
                at += 20
                label: int | str = GARBAGE if third == NONE else third
                if kind == "FREE":
                    label = _name(data[at:], third)
                    at += len(label.encode())
                cells = [start, end, label, *struct.unpack_from("<f", data, at)]
                at += 4
        except (struct.error, UnicodeDecodeError) as error:
            raise InputError(f"{where}: cut short, or not of scheme {kind} ({error})") from error
        yield where, count, [str(cell) for cell in cells]


def _name(data: bytes, units: int) -> str:
    """Return the name of so many UTF-16 units that data begins with; struct.error where it is too short."""
    text = data[: 3 * units].decode(errors="surrogateescape")  # what follows the name is no text
    name = text.encode("utf-16-le", "surrogatepass")[: 2 * units].decode("utf-16-le")
    if len(name.encode("utf-16-le")) != 2 * units:
        raise struct.error(f"a name of {units} letters is not there")
    return name


def _trace(
    path: Path, who: tuple[str, str], scheme: Element, rows: list[Row], settings: Settings, slack: float
) -> Collected:
    """Return a continuous annotation; a score past its range by no more than the slack is at its end."""
    low, high = (number(scheme.attribute(end), end, scheme.where) for end in ("min", "max"))
    rate = number(scheme.attribute("sr"), "sr", scheme.where)
    if low >= high or rate <= 0:
        raise InputError(f"{scheme.where}: from {low:g} to {high:g} at {rate:g} rows a second")
    label = settings.traced(scheme.attribute("name"), path)
    points = []
    for place, (where, line, cells) in enumerate(rows):
        if len(cells) != 2:
            raise InputError(f"{where}: {len(cells)} cells, expected score;confidence")
        points.append((line, place / rate, scaled(cells[0], "the score", where, low, high, slack)))
    return Collected(Annotations((trace(path, (*who, label), points),) * bool(label)))


def _items(scheme: Element) -> dict[int, str]:
    """Return the names of a scheme's labels by their ids."""
    items: dict[int, str] = {}
    for item in scheme.all("item"):
        place = int(number(item.attribute("id"), "id", item.where))
        if place in items:
            raise InputError(f"{item.where}: a second item with id {place}")
        items[place] = item.attribute("name")
    if not items:
        raise InputError(f"{scheme.where}: a discrete scheme without an <item>")
    return items


def _segments(
    who: tuple[str, str], items: dict[int, str] | None, rows: list[Row], settings: Settings
) -> Iterator[Segment]:
    """Yield the segments of a discrete annotation, or where there are no items of a free one."""
    for where, _, cells in rows:
        if len(cells) < 4:
            raise InputError(f"{where}: {len(cells)} cells, expected from;to;label;confidence")
        start, end = (
            number(text, name, where, 0) for text, name in zip(cells[:2], ("from", "to"), strict=True)
        )
        if items is None:
            names = [cells[2]]
        else:
            place = number(cells[2], "the id", where)
            if place != GARBAGE and place not in items:
                raise InputError(f"{where}: id {cells[2]!r}, but the scheme has {sorted(items)}")
            names = list(items.values()) if place == GARBAGE else [items[int(place)]]
        for name in names:
            label = settings.label_of(name, where)
            if label:
                made = segment_of(where, (*who, label), start, end)
                scorable = items is None or place != GARBAGE
                yield Segment(made.video, made.annotator, label, start, end, scorable=scorable)
