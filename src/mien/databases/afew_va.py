"""AFEW-VA (Kossaifi et al. 2017): 600 clips of films with valence and arousal in every frame.

    01/001/001.json     {"video_id": "001", "actor": "...", "frames": {"00000": {...}, ...}}, each frame
                        with {"landmarks": [...], "valence": 3.0, "arousal": -1.0}
    01/001/00000.png    pictures counted from 0

The clips' folders may lie in the archives' folders 01 to 12, or all in one. Labels are -10 to 10 and are
divided by 10. The subject is the actor; no parts are official.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mien.databases.catalog import Count, Database, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import files, find_folders, numbered, relative, shown, tell_unlabelled
from mien.errors import DatabaseError
from mien.records import Labels
from mien.tasks import VALENCE_AROUSAL

SCALE = 10.0
"""Labels go from minus this to this."""

LAST = 1_000_000
"""A frame number above it is a mistake."""


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per clip and labelled frame.

    Raises:
        DatabaseError: there is no clip, or a file breaks the format and is not skipped.
    """
    parts: dict[str, Index] = {}
    for clip in find_folders(folder, "[0-9]{3}"):
        pictures = numbered(clip, findings)
        labels = _label_file(clip)
        if labels is None:
            if pictures:
                findings.unmatch("clip without labels", relative(clip, folder))
            continue
        if clip.name in parts:
            findings.fault(f"{clip}: a second folder of clip {clip.name}")
            continue
        actor, rows = _read_clip(labels, findings)
        if not rows:
            continue
        frames = np.array(sorted(rows), np.int64)
        place = relative(clip, folder)
        media = shown(place, pictures, frames, findings)
        tell_unlabelled(place, pictures, frames, findings)
        values = np.array([rows[frame] for frame in frames.tolist()], np.float32)
        labelled = Labels.of({VALENCE_AROUSAL: values})
        parts[clip.name] = Index.of(
            "afew_va", labelled, split="", subject=actor, video=clip.name, media=media, frame=frames
        )
    if not parts:
        raise DatabaseError(f"{folder}: no labelled clip of AFEW-VA, expected files such as 01/001/001.json")
    findings.release = f"{len(parts)} clips"
    return Index.joined(list(parts.values()))


def _label_file(clip: Path) -> Path | None:
    """Return the file of labels in a clip's folder: the one named like it, or the only one."""
    found = files(clip, frozenset({".json"}))
    if f"{clip.name}.json" in found:
        return found[f"{clip.name}.json"]
    return next(iter(found.values())) if len(found) == 1 else None


def _read_clip(path: Path, findings: Findings) -> tuple[str, dict[int, tuple[float, float]]]:
    """Return the actor, and frame -> (valence, arousal) in [-1, 1]; no frames where all is damaged."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise DatabaseError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        findings.fault(f"{path}: not JSON ({str(error)[:200]})")
        return "", {}
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, dict):
        findings.fault(f'{path}: no "frames", expected an object with a member for each frame')
        return "", {}
    actor = content.get("actor")
    if not isinstance(actor, str) or not actor.strip() or not actor.isprintable():
        findings.fault(f'{path}: "actor" is {str(actor)[:40]!r}, expected a name')
        actor = ""
    if str(content.get("video_id", path.parent.name)) != path.parent.name:
        findings.unmatch("clip whose video_id is another", f"{path.parent.name}/{path.name}")
    rows: dict[int, tuple[float, float]] = {}
    for name, frame in frames.items():
        try:
            number, values = _read_frame(name, frame)
            if number in rows:
                raise ValueError("is there twice")
            rows[number] = values
        except ValueError as error:
            findings.fault(f"{path}: frame {name[:40]!r} {error}")
    return actor.strip(), rows


def _read_frame(name: str, frame: Any) -> tuple[int, tuple[float, float]]:
    """Return a frame's number and its (valence, arousal).

    Raises:
        ValueError: something is missing or out of range.
    """
    if not (name.isascii() and name.isdigit() and len(name) < 10 and int(name) <= LAST):
        raise ValueError("has no number, expected one such as 00000")
    if not isinstance(frame, Mapping):
        raise ValueError("is no object with valence and arousal")
    return int(name), (_value(frame, "valence"), _value(frame, "arousal"))


def _value(frame: Mapping[str, Any], name: str) -> float:
    """Return one value, in [-1, 1].

    Raises:
        ValueError: it is no number from -10 to 10.
    """
    value = frame.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -SCALE <= value <= SCALE:
        raise ValueError(f"has {name} {str(value)[:40]!r}, expected a number from {-SCALE:g} to {SCALE:g}")
    return value / SCALE


DATABASE = Database(
    title="AFEW-VA",
    tasks=(VALENCE_AROUSAL,),
    read=read,
    protocols=(
        Protocol(
            name="five subject folds",
            task=VALENCE_AROUSAL,
            metric="CCC",
            also=("PCC", "RMSE", "ICC(3,1)"),
            aggregation="all frames of a fold's test subjects; mean over folds",
            by="subject",
            folds=(),
            made=5,
            note="no official parts; folds of frames or clips, as in much public code, leak the actors",
        ),
    ),
    counts=(Count(600, "videos"),),
    licence="Research only, by agreement with Imperial College London.",
    obtain="By request: ibug.doc.ic.ac.uk/resources/afew-va-database",
    citation="Kossaifi, Tzimiropoulos, Todorovic, Pantic: AFEW-VA, Image and Vision Computing 65, 2017",
)
