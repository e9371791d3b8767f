"""DISFA+ (Mavadati et al. 2016): nine subjects of DISFA pose action units and expressions; twelve are graded.

    Labels/SN001/A1_AU1_TrailNo_1/AU1.txt     two lines of comment, then "000.jpg     0"
    Images/SN001/A1_AU1_TrailNo_1/000.jpg     pictures counted from 0

Each trial is a recording. All nine people are also in DISFA: training on one and testing on the other
leaks identities.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mien.arrays import FloatArray, IntArray
from mien.databases.catalog import Count, Database
from mien.databases.disfa import (
    GRADES,
    LAST,
    POSING,
    PROTOCOLS,
    add_grade,
    gathered,
    graded_rows,
    label_files,
    tell_lengths,
)
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import (
    PICTURES,
    files,
    find_folders,
    numbered,
    relative,
    shown,
    subfolders,
    tell_unlabelled,
    the_folder,
)
from mien.databases.text import lines, whole
from mien.errors import DatabaseError
from mien.tasks import ACTION_UNITS_DISFA, INTENSITIES_DISFA

COMMENTS = 2
"""How many lines stand before the first row of a label file."""

_SUBJECT = "SN[0-9]{3}"
_LABELS = re.compile("AU0*([0-9]{1,3})", re.IGNORECASE)
_ROW = re.compile(r"\S*?([0-9]+)\.[A-Za-z]+\s+(\S+)")


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per trial and labelled picture, with the intensities and what they say is present.

    Raises:
        DatabaseError: there are no labels, or a file breaks the format and is not skipped.
    """
    root = the_folder(folder, "Labels", "DISFA+'s labels, with a folder for each subject and trial")
    subjects = find_folders(root, _SUBJECT)
    if not subjects:
        raise DatabaseError(f"{root}: no folder of a subject, expected one such as SN001")
    pictures = _pictures(folder, root)
    parts = []
    for subject in subjects:
        name = subject.name.upper()
        for trial in subfolders(subject):
            frames, grades = _grades(label_files(trial, _LABELS, findings), findings)
            if not len(frames):
                continue
            place = pictures.pop((name, trial.name.lower()), None)
            media: str | list[str] = ""
            if place is None:
                findings.unmatch("trial without pictures", f"{name}/{trial.name}")
            else:
                found = numbered(place, findings)
                media = shown(relative(place, folder), found, frames, findings)
                tell_unlabelled(relative(place, folder), found, frames, findings)
            parts.append(graded_rows("disfa_plus", f"{name}/{trial.name}", name, media, frames, grades, 0))
    for name, unlabelled in pictures:
        findings.unmatch("trial without labels", f"{name}/{unlabelled}")
    if not parts:
        raise DatabaseError(
            f"{root}: no row of labels, expected lines such as 000.jpg 0 in SN001/<trial>/AU1.txt"
        )
    findings.release = (
        "labels with pictures" if any(p.media.matches("").sum() < len(p) for p in parts) else "labels alone"
    )
    return Index.joined(parts)


def _pictures(folder: Path, labels: Path) -> dict[tuple[str, str], Path]:
    """Return the trials' folders of pictures by subject and trial, in lower case."""
    found: dict[tuple[str, str], Path] = {}
    for subject in find_folders(folder, _SUBJECT):
        if not subject.is_relative_to(labels):
            for trial in subfolders(subject):
                if files(trial, PICTURES):
                    found.setdefault((subject.name.upper(), trial.name.lower()), trial)
    return found


def _grades(units: Mapping[str, Path], findings: Findings) -> tuple[IntArray, FloatArray]:
    """Return pictures' numbers (n,), rising, and grades (n, 12) of one trial."""
    graded: dict[str, dict[int, float]] = {}
    lengths: dict[str, int] = {}
    for unit, path in units.items():
        graded[unit], lengths[unit] = _read_pictures(path, findings)
    tell_lengths(units, lengths, findings)
    return gathered(graded)


def _read_pictures(path: Path, findings: Findings) -> tuple[dict[int, float], int]:
    """Return picture's number -> grade of one label file, and the number of its lines."""
    values: dict[int, float] = {}
    line = 0
    for line, text in lines(path, findings):
        with findings.row(path, line):
            match = _ROW.fullmatch(text)
            if line <= COMMENTS:
                if match:
                    raise ValueError(
                        f"{text[:40]!r} is a row, expected {COMMENTS} lines of comment before the first"
                    )
            elif not match:
                raise ValueError(f"{text[:40]!r}, expected a picture and its intensity such as 000.jpg 0")
            else:
                add_grade(values, whole(match[1], "the picture's number", 0, LAST), match[2], GRADES)
    return values, line


MADE = "no official parts: folds of whole subjects are made; never train on DISFA beside it"
"""What a reader of DISFA+'s figures must know; otherwise it is scored as DISFA is."""

DATABASE = Database(
    title="DISFA+",
    tasks=(ACTION_UNITS_DISFA, INTENSITIES_DISFA),
    read=read,
    protocols=tuple(replace(protocol, folds=(), made=3, note=MADE) for protocol in PROTOCOLS),
    counts=(Count(9, "subjects"),),
    related={"disfa": frozenset(POSING)},
    licence="Research only, by agreement with the University of Denver.",
    obtain="By request to its authors: mohammadmahoor.com/disfa",
    citation="Mavadati, Sanger, Mahoor: Extended DISFA Dataset, CVPR Workshops 2016",
)
