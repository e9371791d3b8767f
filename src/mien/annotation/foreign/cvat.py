"""CVAT's "for video" XML: tracks, which become the boxes of faces.

    <annotations><meta><task><source>talk.mp4</source></task></meta>
        <track id="0" label="face">
            <box frame="0" keyframe="1" outside="0" xtl="10" ytl="20" xbr="50" ybr="70">
                <attribute name="face">left</attribute></box></track></annotations>

A track's label must be "face", or be renamed to it (`--rename person=face`), or left out (`--rename car=`). A
face is called as the attribute "face" of its boxes says, else "" where a video has one track, else by the
track's number. Frames that are "outside" show no face. Frames are counted from 0.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mien.annotation.foreign.source import FACE, Box, Collected, Settings, number, spelled
from mien.annotation.foreign.xml import Element, read_xml
from mien.errors import InputError

LARGEST = 1_000_000
"""A coordinate beyond it is a mistake."""


def read(path: Path, settings: Settings) -> Collected:
    """Return the boxes of a file.

    Raises:
        InputError: it breaks the format, the video cannot be told, or a label is neither face nor renamed.
    """
    root = read_xml(path, settings.encoding)
    video = settings.video_of(_source(root, path, settings), path)
    left: Counter[str] = Counter(
        one.name for one in root.inner if one.name not in ("version", "meta", "track")
    )
    tracks = [track for track in root.all("track") if _is_face(track, settings)]
    boxes: dict[tuple[str, int], Box] = {}
    for track in tracks:
        left.update(one.name for one in track.inner if one.name != "box")
        name = "" if len(tracks) == 1 else track.attribute("id")
        for where, box in _boxes(track, video, name):
            if (box.face, box.frame) in boxes:
                raise InputError(f"{where}: a second box of face {box.face!r} in frame {box.frame}")
            boxes[box.face, box.frame] = box
    notes = [f"{path.name}: {count} <{name}> left out" for name, count in sorted(left.items())]
    return Collected(boxes=tuple(boxes.values()), notes=tuple(notes))


def _source(root: Element, path: Path, settings: Settings) -> str:
    """Return the name of the video."""
    names = {one.text for meta in root.all("meta") for one in meta.below("source") if one.text}
    if len(names) > 1 and not settings.video:
        raise InputError(f"{path}: of {len(names)} videos; export each task by itself")
    return next(iter(names), "")


def _is_face(track: Element, settings: Settings) -> bool:
    """Return whether a track is of a face; False where it is to be left out."""
    said = track.attribute("label").strip()
    label = settings.renamed.get(spelled(said), spelled(said))
    if label not in (FACE, ""):
        raise InputError(
            f"{track.where}: a track of {said!r}; say --rename '{said}=face', or '{said}=' to leave it out"
        )
    return label == FACE


def _boxes(track: Element, video: str, name: str) -> Iterator[tuple[str, Box]]:
    """Yield where each box stands, and the box."""
    for box in track.all("box"):
        if _flag(box, "outside"):
            continue
        frame = number(box.attribute("frame"), "frame", box.where, 0, LARGEST * 100)
        if frame != int(frame):
            raise InputError(f"{box.where}: frame is {frame:g}, expected a whole number")
        left, top, right, bottom = (
            number(box.attribute(side), side, box.where, -LARGEST, LARGEST)
            for side in ("xtl", "ytl", "xbr", "ybr")
        )
        if right <= left or bottom <= top:
            raise InputError(f"{box.where}: a box from {left:g}, {top:g} to {right:g}, {bottom:g}")
        if number(box.said.get("rotation", "0"), "rotation", box.where):
            raise InputError(
                f"{box.where}: a rotated box; faces are cut out upright, so straighten it in CVAT"
            )
        told = [one.text for one in box.all("attribute") if one.said.get("name") == FACE]
        face = told[0] if told else name
        size = right - left, bottom - top
        yield box.where, Box(video, face, int(frame), (left, top), size, _flag(box, "keyframe"))


def _flag(box: Element, name: str) -> bool:
    """Return a flag of a box."""
    text = box.said.get(name, "0")
    if text not in ("0", "1"):
        raise InputError(f"{box.where}: {name} is {text!r}, expected 0 or 1")
    return text == "1"
