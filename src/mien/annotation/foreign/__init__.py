"""Files of other annotation tools, turned into mien's annotations; docs/building.md says what each may hold.

    found = collect([Path("anna/talk.csv"), Path("talk.eaf")], Settings(annotator="anna", label="valence"))
    write(Path("annotations"), found, ...)

The content of a file decides whose it is, not its name.
"""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mien.annotation.foreign import carma, cvat, darma, elan, label_studio, nova, pagan
from mien.annotation.foreign.source import Box, Collected, Settings, joined, read_text
from mien.annotation.foreign.xml import read_xml
from mien.annotation.records import write_annotations
from mien.errors import InputError, OutputError, SettingsError
from mien.files import explained, free_folder, sha256, whole_folder

READERS: Mapping[str, Callable[[Path, Settings], Collected]] = {
    "carma": carma.read,
    "darma": darma.read,
    "pagan": pagan.read,
    "nova": nova.read,
    "elan": elan.read,
    "label_studio": label_studio.read,
    "cvat": cvat.read,
}
"""Tool -> what reads its files."""

ROOTS = {"annotation": "nova", "ANNOTATION_DOCUMENT": "elan", "annotations": "cvat"}
"""Outermost element of an XML file -> tool."""

RECORD = "collected.json"
"""The file of a folder that says where its annotations are from."""

BOXES = "tracks.parquet"
"""The file of a folder that holds boxes."""

WRITTEN = {RECORD, BOXES, "traces.parquet", "segments.parquet", "marks.parquet"}
"""All that `write` puts into a folder."""

TRACKS = pa.schema(
    [
        pa.field("video", pa.string()),
        pa.field("face", pa.string()),
        pa.field("frame", pa.int32()),
        *(pa.field(f"box_{side}", pa.float64()) for side in "xywh"),
        pa.field("keyframe", pa.bool_()),
    ]
)
"""The columns of BOXES; boxes are in pixels from the upper left corner."""


def tool_of(path: Path, encoding: str = "utf-8") -> str:
    """Return whose file this is: a key of READERS.

    Raises:
        InputError: it cannot be read, or is of no tool that is known.
    """
    try:
        with open(path, "rb") as file:
            first = file.read(512).lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if first.startswith(b"<"):
        root = read_xml(path, encoding).name
        if root in ROOTS:
            return ROOTS[root]
        raise InputError(f"{path}: XML of <{root}>, expected one of {_known(ROOTS)}")
    if first.startswith((b"[", b"{")):
        return "label_studio"
    keys = [row[0].strip() for row in csv.reader(read_text(path, encoding).splitlines()[:40]) if row]
    if keys[:1] == [pagan.COLUMNS[0]]:
        return "pagan"
    if carma.RULE in keys:
        return "darma" if "Magnitude" in keys else "carma"
    raise InputError(
        f"{path}: a file of none of {', '.join(READERS)}, as far as its content tells; else say --tool"
    )


def _known(roots: Mapping[str, str]) -> str:
    """Return the roots in words."""
    return ", ".join(f"<{root}> ({tool})" for root, tool in roots.items())


def collect(paths: Sequence[Path], settings: Settings, tool: str = "") -> Collected:
    """Return what files of other tools say; the data file `x~` of NOVA is read with its header `x`.

    Args:
        paths: the files.
        settings: what they do not say themselves.
        tool: whose they are; "" to look.

    Raises:
        InputError: a file breaks its tool's format, or does not say what must be known.
        SettingsError: no such tool.
    """
    if tool and tool not in READERS:
        raise SettingsError(f"no tool {tool!r}; known are {', '.join(READERS)}")
    given = set(paths)
    chosen = [path for path in paths if not (path.name.endswith("~") and _header(path) in given)]
    for path in chosen:
        if path.name.endswith("~"):
            raise InputError(f"{path}: the data of NOVA; give its header {_header(path).name} instead")
    found = joined(
        (path, READERS[tool or tool_of(path, settings.encoding)](path, settings)) for path in chosen
    )
    if not (found.boxes or found.annotations.videos):
        raise InputError(f"nothing in {len(chosen)} files was to be kept")
    return found


def _header(path: Path) -> Path:
    """Return the header of a data file of NOVA."""
    return path.with_name(path.name.removesuffix("~"))


def check_free(folder: Path, overwrite: bool) -> None:
    """Return if `write` may write into a folder.

    Raises:
        OutputError: it holds something, or with `overwrite` something that `write` did not put there.
    """
    free_folder(folder, RECORD if overwrite else "")
    with explained(folder):
        others = sorted({path.name for path in folder.iterdir()} - WRITTEN) if folder.exists() else []
    if others:
        raise OutputError(
            f"{folder}: mien collect did not write {', '.join(others)} in it, and would remove it; choose "
            "another place with -o, or move it away"
        )


def write(
    folder: Path, found: Collected, paths: Sequence[Path], settings: Settings, overwrite: bool = False
) -> None:
    """Write what was collected into a new folder of annotations.

    It holds what `mien.annotation.records` describes, `tracks.parquet` where there are boxes, and
    `collected.json` with the files, their hashes and the settings.

    Args:
        folder: to make.
        found: what was collected.
        paths: the files that it is from.
        settings: what they did not say themselves.
        overwrite: whether an earlier such folder may be replaced.

    Raises:
        OutputError: the folder exists, holds something else, or cannot be written.
    """
    check_free(folder, overwrite)
    said: dict[str, Any] = {
        **asdict(settings),
        "videos": str(settings.videos or ""),
        "rename": dict(settings.rename),
    }
    record = {
        "mien": version("mien"),
        "files": [{"name": str(path), "sha256": sha256(path)} for path in paths],
        "settings": {name: value for name, value in said.items() if value not in ("", None, {})},
        "notes": list(found.notes),
    }
    with whole_folder(folder, replacing=RECORD if overwrite else "") as place:
        write_annotations(place, found.annotations)
        if found.boxes:
            pq.write_table(_tracks(found.boxes), place / BOXES, compression="zstd")
        text = json.dumps(record, indent=2, ensure_ascii=False)
        (place / RECORD).write_text(f"{text}\n", encoding="utf-8")


def _tracks(boxes: Sequence[Box]) -> pa.Table:
    """Return boxes as a table, in order of video, face and frame."""
    ordered = sorted(boxes, key=lambda box: (box.video, box.face, box.frame))
    columns = {
        "video": [box.video for box in ordered],
        "face": [box.face for box in ordered],
        "frame": [box.frame for box in ordered],
        "box_x": [box.corner[0] for box in ordered],
        "box_y": [box.corner[1] for box in ordered],
        "box_w": [box.size[0] for box in ordered],
        "box_h": [box.size[1] for box in ordered],
        "keyframe": [box.keyframe for box in ordered],
    }
    return pa.table(columns, schema=TRACKS)
