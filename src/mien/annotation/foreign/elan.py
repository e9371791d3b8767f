"""ELAN's .eaf: tiers of stretches of time with a text.

Of each tier that depends on none, and has annotations, is read

    annotator   {annotator} of the tier's name by `--tier`, else the attribute ANNOTATOR
    face        {face} of the tier's name, else PARTICIPANT ("face 0" is "0"), else ""
    label       {label} of the tier's name, else its whole name where that is a label; then an annotation's
                text is an intensity (A to E, 1 to 5), "?" for "cannot be scored", the label again, or empty
                otherwise the annotation's text is the label, with an intensity or not: "happiness", "AU12 C"

Of tiers that depend on another, one whose name ends in "apex" gives the second at which an annotation of the
other peaks (the start of its own), one whose name ends in "intensity" its grade. Others are left out, and
told.

Wittenburg et al. 2006, "ELAN: a professional framework for multimodality research", LREC.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mien.annotation.foreign.source import (
    LABELS,
    Collected,
    Settings,
    divisions,
    intensity_of,
    number,
    path_of,
    segment_of,
    spelled,
)
from mien.annotation.foreign.xml import Element, read_xml
from mien.annotation.records import Annotations, Segment
from mien.errors import InputError

UNSCORABLE = "?"
"""The text that says that it cannot be told there."""

_GRADED = re.compile(r"(.*?)[ _:]?([A-E1-5?])")
_ALIGNED, _REFERRING = "ALIGNABLE_ANNOTATION", "REF_ANNOTATION"


@dataclass(frozen=True)
class Told:
    """One annotation of a tier.

    Attributes:
        where: file and line.
        name: its id in the file.
        text: its value.
        start: in seconds of the video.
        end: in seconds of the video.
        parent: the id of the annotation that it refers to, "" where it has times of its own.
    """

    where: str
    name: str
    text: str
    start: float
    end: float
    parent: str = ""


def read(path: Path, settings: Settings) -> Collected:
    """Return the segments of a file.

    Raises:
        InputError: it breaks the format, a time is missing, or a label or annotator is not known.
    """
    root = read_xml(path, settings.encoding)
    header = (root.all("HEADER") or [Element("HEADER", {}, str(path))])[0]
    unit = header.said.get("TIME_UNITS", "milliseconds")
    if unit != "milliseconds":
        raise InputError(f"{header.where}: times in {unit}, expected milliseconds")
    name, origin = _media(header)
    video = settings.video_of(name, path)
    times = _times(root, origin)
    tiers = {tier.attribute("TIER_ID"): tier for tier in root.all("TIER")}
    told = {name: list(_told(tier, times)) for name, tier in tiers.items()}
    segments: list[Segment] = []
    notes: list[str] = []
    for name, tier in tiers.items():
        parent = tier.said.get("PARENT_REF", "")
        if parent and parent not in tiers:
            raise InputError(f"{tier.where}: depends on tier {parent!r}, which is not there")
        if parent and told[name] and not name.endswith(("apex", "intensity")):
            notes.append(f"{path.name}: tier {name!r} depends on another; left out")
        if parent or not told[name]:
            continue
        inner = {
            kind: [
                one
                for other, below in tiers.items()
                if below.said.get("PARENT_REF") == name and other.endswith(kind)
                for one in told[other]
            ]
            for kind in ("apex", "intensity")
        }
        segments += _segments(video, tier, told[name], inner, path, settings)
    return Collected(Annotations(segments=tuple(segments)), notes=tuple(notes))


def _media(header: Element) -> tuple[str, float]:
    """Return the name of the video, "" for none, and the second of it at which the file's times begin."""
    media = header.all("MEDIA_DESCRIPTOR")
    moving = [one for one in media if one.said.get("MIME_TYPE", "").startswith("video/")] or media
    if not moving:
        return "", 0.0
    names = {
        one.said.get("MEDIA_URL", "") or one.said.get("RELATIVE_MEDIA_URL", "").rpartition("/")[2]
        for one in moving
    }
    origin = moving[0].said.get("TIME_ORIGIN", "0")
    name = path_of(names.pop()) if len(names) == 1 else ""
    return name, number(origin, "TIME_ORIGIN", moving[0].where) / 1000


def _times(root: Element, origin: float) -> dict[str, float]:
    """Return the seconds of the named times; those without a value are left out."""
    return {
        slot.attribute("TIME_SLOT_ID"): number(slot.said["TIME_VALUE"], "TIME_VALUE", slot.where, 0) / 1000
        + origin
        for order in root.all("TIME_ORDER")
        for slot in order.all("TIME_SLOT")
        if "TIME_VALUE" in slot.said
    }


def _told(tier: Element, times: dict[str, float]) -> Iterator[Told]:
    """Yield the annotations of a tier."""
    for holder in tier.all("ANNOTATION"):
        for one in holder.inner:
            if one.name not in (_ALIGNED, _REFERRING):
                raise InputError(f"{one.where}: <{one.name}>, expected {_ALIGNED} or {_REFERRING}")
            text = "".join(value.text for value in one.all("ANNOTATION_VALUE"))
            name = one.attribute("ANNOTATION_ID")
            if one.name == _REFERRING:
                yield Told(one.where, name, text, 0.0, 0.0, one.attribute("ANNOTATION_REF"))
                continue
            ends = [one.attribute(f"TIME_SLOT_REF{place}") for place in (1, 2)]
            for end in ends:
                if end not in times:
                    raise InputError(f"{one.where}: time {end} has no value; align the annotation in ELAN")
            yield Told(one.where, name, text, times[ends[0]], times[ends[1]])


def _segments(
    video: str,
    tier: Element,
    told: list[Told],
    inner: dict[str, list[Told]],
    path: Path,
    settings: Settings,
) -> Iterator[Segment]:
    """Yield the segments of a tier.

    Args:
        video: its name.
        tier: the tier.
        told: its annotations.
        inner: the annotations of tiers below it: "apex" and "intensity".
        path: the file.
        settings: what the user says.
    """
    name = tier.attribute("TIER_ID")
    found = divisions(settings.tier, name) if settings.tier else [{}]
    if not found:
        raise InputError(f"{tier.where}: the tier is called {name!r}, not like {settings.tier!r}")
    fields = settings.only(found, settings.tier, f"{tier.where}: the tier {name!r}")
    annotator = settings.annotator_of(fields.get("annotator") or tier.said.get("ANNOTATOR", ""), path)
    face = fields.get("face", tier.said.get("PARTICIPANT", "")).strip()
    face = re.sub(r"(?i)^face ", "", face)
    of_tier = fields.get("label", "") or (name if spelled(name) in LABELS | set(settings.renamed) else "")
    for one in told:
        label, grade = _said(one.text, of_tier, settings, one.where)
        if not label:
            continue
        made = segment_of(one.where, (video, annotator, label), one.start, one.end, face)
        apexes = [low.start for low in inner["apex"] if one.start <= low.start and low.end <= one.end]
        grades = [low.text for low in inner["intensity"] if _belongs(low, one)]
        yield replace(
            made,
            apex=apexes[0] if apexes else None,
            intensity=intensity_of(grade) or (intensity_of(grades[0]) if grades else None),
            scorable=grade != UNSCORABLE,
        )


def _belongs(low: Told, one: Told) -> bool:
    """Return whether an annotation of a lower tier is of this one."""
    return low.parent == one.name if low.parent else one.start <= low.start and low.end <= one.end


def _said(text: str, of_tier: str, settings: Settings, where: str) -> tuple[str, str]:
    """Return the label ("": leave it out) and the grade ("": none) of an annotation.

    Raises:
        InputError: the text is neither.
    """
    if of_tier:
        label = settings.label_of(of_tier, where)
        if text in ("", UNSCORABLE) or intensity_of(text):
            return label, text
        if spelled(text) != spelled(of_tier):
            raise InputError(
                f"{where}: {text[:40]!r} in the tier of {of_tier}, expected A to E, 1 to 5, '?', or nothing"
            )
        return label, ""
    if not text:
        raise InputError(f"{where}: an annotation without a text, in a tier that is called like no label")
    known = LABELS | set(settings.renamed)
    graded = _GRADED.fullmatch(text)
    if spelled(text) not in known and graded and spelled(graded[1]) in known:
        return settings.label_of(graded[1], where), graded[2]
    return settings.label_of(text, where), ""
