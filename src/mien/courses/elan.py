"""Events as tiers of ELAN, the program in which people annotate video: EAF 3.0.

    <ANNOTATION_DOCUMENT FORMAT="3.0" VERSION="3.0" ...>
        <HEADER TIME_UNITS="milliseconds"><MEDIA_DESCRIPTOR MEDIA_URL="file:///talk.mp4" .../></HEADER>
        <TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1240"/>...</TIME_ORDER>
        <TIER TIER_ID="face 0 AU12" PARTICIPANT="face 0" LINGUISTIC_TYPE_REF="event">...</TIER>
        <TIER TIER_ID="face 0 AU12 apex" PARENT_REF="face 0 AU12" LINGUISTIC_TYPE_REF="apex">...</TIER>
        <LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="event" TIME_ALIGNABLE="true" .../>...

A tier for each face and action unit holds its events from onset to offset; a tier "expression" holds the
episodes of expressions. The value is the label. Below each lies a tier with the apexes: one frame long, its
value the highest one.

Wittenburg et al. 2006, "ELAN: a professional framework for multimodality research", LREC.
"""

import mimetypes
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa

from mien.errors import InputError
from mien.files import whole_file

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"

_CONSTRAINTS = {
    "Time_Subdivision": "Time subdivision of parent annotation's time interval, no time gaps allowed "
    "within this interval",
    "Symbolic_Subdivision": "Symbolic subdivision of a parent annotation. Annotations refering to the same "
    "parent are ordered",
    "Symbolic_Association": "1-1 association with a parent annotation",
    "Included_In": "Time alignable annotations within the parent annotation's time interval, gaps are "
    "allowed",
}
"""The four ways in which a tier depends on another, in ELAN's own words; it writes them into every file."""

Row = Mapping[str, Any]
Span = tuple[int, int, str]
"""First and last millisecond, and value."""


def write(found: pa.Table, path: Path, media: Path | None = None) -> None:
    """Write the events of one video for ELAN; a file that exists is replaced.

    Times are those of the video's frames in milliseconds; what lies before 0 is moved to 0.

    Args:
        found: from `events.events`, of one video.
        path: the file to make.
        media: the video to link; None for none.

    Raises:
        InputError: a label that XML cannot hold.
        OutputError: the place cannot be written, or the disk is full.
    """
    tree = ElementTree.ElementTree(document(found.to_pylist(), media, path.parent))
    ElementTree.indent(tree)
    with whole_file(path) as part:
        tree.write(part, encoding="UTF-8", xml_declaration=True)


def document(found: Sequence[Row], media: Path | None, folder: Path) -> ElementTree.Element:
    """Return the root of an EAF document.

    Args:
        found: events of one video, as rows of the table of events.
        media: the video to link; None for none.
        folder: where the document will lie, for the relative address of the video.

    Raises:
        InputError: a label that XML cannot hold.
    """
    root = ElementTree.Element("ANNOTATION_DOCUMENT")
    root.set("AUTHOR", f"mien {version('mien')}")
    root.set("DATE", datetime.now(UTC).isoformat(timespec="seconds"))
    root.set("FORMAT", "3.0")
    root.set("VERSION", "3.0")
    root.set(f"{{{_INSTANCE}}}noNamespaceSchemaLocation", _SCHEMA)
    written = _Written()
    for name, rows in _tiers(found):
        written.add(name, rows)
    header = ElementTree.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    if media is not None:
        header.append(_link(media, folder))
    last = ElementTree.SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId")
    last.text = str(written.annotations)
    root.append(written.order())
    root.extend(written.tiers)
    for name, constraint in (("event", {}), ("apex", {"CONSTRAINTS": "Included_In"})):
        said = {"LINGUISTIC_TYPE_ID": name, "TIME_ALIGNABLE": "true", "GRAPHIC_REFERENCES": "false"}
        ElementTree.SubElement(root, "LINGUISTIC_TYPE", {**said, **constraint})
    for name, description in _CONSTRAINTS.items():
        ElementTree.SubElement(root, "CONSTRAINT", STEREOTYPE=name, DESCRIPTION=description)
    return root


@dataclass
class _Written:
    """The tiers written so far, and what they refer to.

    Attributes:
        tiers: their elements.
        annotations: how many there are in them.
        slots: name -> millisecond.
    """

    tiers: list[ElementTree.Element] = field(default_factory=list)
    annotations: int = 0
    slots: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, rows: Sequence[Row]) -> None:
        """Add a tier of events by time, and the one with their apexes."""
        face = f"face {rows[0]['face']}"
        spans = _spans(rows)
        whole = ElementTree.Element(
            "TIER", TIER_ID=name, PARTICIPANT=face, ANNOTATOR="mien", LINGUISTIC_TYPE_REF="event"
        )
        inner = ElementTree.Element(
            "TIER",
            TIER_ID=f"{name} apex",
            PARTICIPANT=face,
            ANNOTATOR="mien",
            LINGUISTIC_TYPE_REF="apex",
            PARENT_REF=name,
        )
        for row, span in zip(rows, spans, strict=True):
            self._annotate(whole, span)
            self._annotate(inner, _apex(row, span))
        self.tiers += [whole, inner]

    def _annotate(self, tier: ElementTree.Element, span: Span) -> None:
        start, end, value = span
        self.annotations += 1
        names = []
        for millisecond in (start, end):
            names.append(f"ts{len(self.slots) + 1}")
            self.slots[names[-1]] = millisecond
        holder = ElementTree.SubElement(tier, "ANNOTATION")
        said = {
            "ANNOTATION_ID": f"a{self.annotations}",
            "TIME_SLOT_REF1": names[0],
            "TIME_SLOT_REF2": names[1],
        }
        aligned = ElementTree.SubElement(holder, "ALIGNABLE_ANNOTATION", said)
        ElementTree.SubElement(aligned, "ANNOTATION_VALUE").text = value

    def order(self) -> ElementTree.Element:
        """Return the times, rising; their names are given anew, so that they rise too."""
        order = ElementTree.Element("TIME_ORDER")
        ranked = sorted(self.slots, key=lambda name: (self.slots[name], int(name[2:])))
        renamed = {old: f"ts{place}" for place, old in enumerate(ranked, 1)}
        for old, new in renamed.items():
            said = {"TIME_SLOT_ID": new, "TIME_VALUE": str(self.slots[old])}
            ElementTree.SubElement(order, "TIME_SLOT", said)
        for tier in self.tiers:
            for aligned in tier.iter("ALIGNABLE_ANNOTATION"):
                for end in ("TIME_SLOT_REF1", "TIME_SLOT_REF2"):
                    aligned.set(end, renamed[aligned.attrib[end]])
        return order


def _tiers(found: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Yield the name of each tier and its events by time."""
    tiers: dict[str, list[Row]] = {}
    for row in found:
        if not row["label"].isprintable():
            raise InputError(f"a label is {row['label']!r}; expected one that can be printed")
        kind = "expression" if row["behaviour"] == "expression" else row["label"]
        tiers.setdefault(f"face {row['face']} {kind}", []).append(row)
    for name, rows in tiers.items():
        yield name, sorted(rows, key=lambda row: (row["onset_s"], row["start_s"]))


def _spans(rows: Sequence[Row]) -> list[Span]:
    """Return where events lie; they do not overlap, and each lasts at least a millisecond."""
    spans: list[Span] = []
    free = 0
    for row in rows:
        start = max(free, round(1000 * row["onset_s"]))
        over = max(row["offset_s"], row["start_s"] + row["duration_s"])
        free = max(start + 1, round(1000 * over))
        spans.append((start, free, row["label"]))
    return spans


def _apex(row: Row, span: Span) -> Span:
    """Return where an event's apex lies within it: one frame, or what of it is inside."""
    start, end, _ = span
    frame = row["duration_s"] / row["frames"]
    first = min(max(start, round(1000 * row["apex_s"])), end - 1)
    last = min(end, max(first + 1, round(1000 * (row["apex_s"] + frame))))
    return first, last, f"{row['apex']:.2f}"


def _link(media: Path, folder: Path) -> ElementTree.Element:
    """Return the element that links a video or sound."""
    place = Path(os.path.abspath(media))
    kind = mimetypes.guess_type(place.name)[0] or "unknown"
    said = {"MEDIA_URL": place.as_uri(), "MIME_TYPE": kind}
    try:
        beside = Path(os.path.relpath(place, os.path.abspath(folder))).as_posix()
        said["RELATIVE_MEDIA_URL"] = beside if beside.startswith("..") else f"./{beside}"
    except ValueError:  # another drive of Windows
        pass
    return ElementTree.Element("MEDIA_DESCRIPTOR", said)
