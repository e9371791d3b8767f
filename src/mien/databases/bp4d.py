"""BP4D-Spontaneous (Zhang et al. 2014): 41 people in eight tasks; action units coded for about 20 s of each.

    AUCoding/AU_OCC/F001_T1.csv                     header "0,1,2,4,...": action units; then frame and cells
    AU-Intensity-Codes3.0/AU06/F001_T1_AU06.csv     "frame,intensity", no header; AU 6, 10, 12, 14 and 17
    Sequences(2D+3D)/F001/T1/1500.jpg               also 0151.jpg or 151.jpg: padding differs

A cell is 0, 1 or 9 (nobody coded it), an intensity 0 to 5 or 9, taken to mean the same. Frame k of the
coding is the picture numbered k, so the Index's frame k - 1. A sequence is a recording. Its first letter
is the person's gender. Most pictures are of uncoded time; only their number is told.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.arrays import FloatArray, IntArray
from mien.databases.catalog import Count, Database, Fold, Protocol, three_parts
from mien.databases.disfa import GRADES, LAST, read_pairs
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import PICTURES, files, find_folders, numbered, relative, shown
from mien.databases.names import Names
from mien.databases.published import BP4D
from mien.databases.text import fields, lines, whole
from mien.errors import DatabaseError
from mien.records import Labels, by_name
from mien.tasks import ACTION_UNITS_BP4D, INTENSITIES_BP4D, Task

PARTS = (
    (
        *("F001", "M007", "F018", "F008", "F002", "M004", "F010", "F009", "M012", "M001"),
        *("F016", "M014", "F023", "M008"),
    ),
    (
        *("M011", "F003", "M010", "M002", "F005", "F022", "M018", "M017", "F013", "M016"),
        *("F020", "F011", "M013", "M005"),
    ),
    (
        *("F007", "F015", "F006", "F019", "M006", "M009", "F012", "M003", "F004", "F021"),
        *("F017", "M015", "F014"),
    ),
)
"""The three parts of subjects by which almost all papers cross-validate."""

SUBJECTS = tuple(sorted(name for part in PARTS for name in part))
"""The 41 subjects."""

ODD_EVEN = Fold(
    tuple(name for name in SUBJECTS if int(name[1:]) % 2),
    (),
    tuple(name for name in SUBJECTS if not int(name[1:]) % 2),
)
"""FERA 2015's parts: it trained on odd numbers and developed on even ones; its test part is another set."""

CELLS = {"0": 0.0, "1": 1.0, "9": np.nan}
"""How an action unit is coded, and what it means; 9 is not coded."""

INTENSITIES = {**GRADES, "9": np.nan}
"""How an intensity is coded, and what it means."""

GENDERS = {"F": "female", "M": "male"}

_SEQUENCE = re.compile("([FM][0-9]{3})_T0*([0-9]{1,3})", re.IGNORECASE)
_GRADED = re.compile("([FM][0-9]{3})_T0*([0-9]{1,3})_AU0*([0-9]{1,3})", re.IGNORECASE)
_FRAME = re.compile("0*[1-9][0-9]*")
_UNIT = re.compile("(?:AU ?)?0*([0-9]{1,3})", re.IGNORECASE)


@dataclass(frozen=True)
class Coding:
    """How one release differs from the other.

    Attributes:
        database: its name.
        title: as its authors write it.
        numbering: the number of the picture of frame 1 of the coding.
        ghosts: sequences that are listed and do not exist.
    """

    database: str
    title: str
    numbering: int
    ghosts: tuple[str, ...] = ()


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per sequence and coded frame.

    Raises:
        DatabaseError: there is no coding, or a file breaks the format and is not skipped.
    """
    return read_sequences(folder, findings, Coding("bp4d", "BP4D", 1))


def read_sequences(folder: Path, findings: Findings, coding: Coding) -> Index:
    """Return one row per sequence and coded frame, of BP4D or BP4D+.

    Raises:
        DatabaseError: there is no coding, or a file breaks the format and is not skipped.
    """
    occurrences = _occurrences(folder, findings, coding)
    intensities = _intensities(folder, findings, coding)
    pictures = _pictures(folder)
    zipped = _zipped(folder)
    others: set[int] = set()
    parts, uncoded, packed = [], 0, 0
    for video in sorted(occurrences.keys() | intensities.keys()):
        coded = _read_occurrences(occurrences[video], findings, others) if video in occurrences else {}
        graded = {u: read_pairs(p, findings, INTENSITIES)[0] for u, p in intensities.get(video, {}).items()}
        frames, labels = _labels(coded, graded, bool(intensities))
        if not len(frames):
            continue
        media: str | list[str] = ""
        if video in pictures:
            found = numbered(pictures[video], findings)
            media = shown(relative(pictures[video], folder), found, frames - 1 + coding.numbering, findings)
            uncoded += len(found) - (len(media) - media.count(""))
        elif video[:4] in zipped:
            packed += 1
        else:
            findings.unmatch("sequence without pictures", video)
        parts.append(_rows(coding, video, frames - 1, media, labels))
    if not parts:
        raise DatabaseError(f"{folder}: no row of {coding.title}'s coding, expected lines such as 1500,0,1,9")
    _tell(findings, others, uncoded, packed)
    silent = pictures.keys() - occurrences.keys() - intensities.keys()
    if silent:
        findings.note(f"{len(silent)} sequences with pictures are not coded, such as {min(silent)}")
    findings.release = f"coding of {len(parts)} sequences{' with intensities' if intensities else ''}"
    return Index.joined(parts)


def _tell(findings: Findings, others: set[int], uncoded: int, packed: int) -> None:
    """Tell what of the folder was left aside."""
    if others:
        named = ", ".join(f"AU{unit:02d}" for unit in sorted(others))
        findings.note(f"{len(others)} coded action units are not among the 12 scored and left out: {named}")
    if uncoded:
        findings.note(f"{uncoded} pictures are of frames that are not coded")
    if packed:
        findings.note(f"the pictures of {packed} sequences are in zip files: unpack them where they lie")


def _rows(coding: Coding, video: str, frames: IntArray, media: str | list[str], labels: Labels) -> Index:
    """Return the rows of one sequence."""
    return Index.of(
        coding.database,
        labels,
        split="",
        subject=video[:4],
        video=video,
        media=media,
        frame=frames,
        groups={"gender": Names.repeat(GENDERS[video[0]], len(frames))},
        numbering=coding.numbering,
    )


def _occurrences(folder: Path, findings: Findings, coding: Coding) -> dict[str, Path]:
    """Return the files of coding by sequence ("F001_T1")."""
    roots = find_folders(folder, "AU_OCC") or find_folders(folder, "AUCoding")
    roots += [inner for root in roots for inner in find_folders(root, re.escape(root.name))]
    found: dict[str, Path] = {}
    for root in roots:
        for path in files(root, frozenset({".csv"})).values():
            match = _SEQUENCE.fullmatch(path.stem)
            video = f"{match[1].upper()}_T{int(match[2])}" if match else ""
            if not match:
                findings.unmatch("file that is not named like a sequence", f"{root.name}/{path.name}")
            elif video in coding.ghosts:
                findings.note(f"{path.name}: this sequence is listed and does not exist; left out")
            elif video in found:
                findings.fault(f"{path}: {video} is also in {found[video]}, expected one file for each")
            else:
                found[video] = path
    if not found:
        raise DatabaseError(
            f"{folder}: no coding of {coding.title}, expected files such as AUCoding/AU_OCC/F001_T1.csv"
        )
    return found


def _intensities(folder: Path, findings: Findings, coding: Coding) -> dict[str, dict[str, Path]]:
    """Return the files of intensities by sequence and action unit."""
    found: dict[str, dict[str, Path]] = {}
    for root in find_folders(folder, "AU[-_ ]Intensity[-_ ]Codes.*|AU_INT"):
        for inner in find_folders(root, "AU[0-9]{1,3}"):
            for path in files(inner, frozenset({".csv"})).values():
                match = _GRADED.fullmatch(path.stem)
                unit = f"AU{int(match[3]):02d}" if match else ""
                video = f"{match[1].upper()}_T{int(match[2])}" if match else ""
                if unit not in INTENSITIES_BP4D.labels:
                    findings.unmatch(
                        "file that is not of one of the five graded action units", f"{inner.name}/{path.name}"
                    )
                elif video in coding.ghosts:
                    findings.note(f"{path.name}: this sequence is listed and does not exist; left out")
                elif unit in found.get(video, {}):
                    findings.fault(f"{path}: also in {found[video][unit]}, expected one file for each")
                else:
                    found.setdefault(video, {})[unit] = path
    return found


def _read_occurrences(path: Path, findings: Findings, others: set[int]) -> dict[int, list[float]]:
    """Return frame -> the cells of the scored action units, in the task's order; NaN for not coded.

    Args:
        path: the file of one sequence.
        findings: told of malformed lines, and of a header that has not all scored action units.
        others: is given the numbers of the action units that are not scored.
    """
    rows = lines(path, findings)
    _, header = next(rows, (1, ""))
    units = _header(path, header, findings)
    places = [units.get(int(label[2:]), 0) for label in ACTION_UNITS_BP4D.labels]
    if not any(places):
        return {}
    others.update(unit for unit in units if f"AU{unit:02d}" not in ACTION_UNITS_BP4D.labels)
    width = 1 + len(units)
    coded: dict[int, list[float]] = {}
    for line, text in rows:
        with findings.row(path, line):
            row = fields(text)
            if len(row) != width:
                raise ValueError(f"{len(row)} fields, expected {width} as in the header")
            frame = whole(row[0], "the frame", 1, LAST)
            if frame in coded:
                raise ValueError(f"frame {frame} is there twice")
            coded[frame] = [_cell(row[place]) if place else np.nan for place in places]
    return coded


def _header(path: Path, text: str, findings: Findings) -> dict[int, int]:
    """Return action unit -> its column, from the first line of a file of coding."""
    try:
        names = fields(text)
    except ValueError:
        names = [text]
    matches = [_UNIT.fullmatch(name) for name in names]
    units = {int(match[1]): place for place, match in enumerate(matches) if match and place}
    if not units or len(units) != len(names) - 1 or _FRAME.fullmatch(names[0]):
        findings.fault(
            f"{path}, line 1: {text[:80]!r}, expected 0 and the numbers of action units, each once"
        )
        return {}
    missing = [label for label in ACTION_UNITS_BP4D.labels if int(label[2:]) not in units]
    if missing:
        findings.fault(f"{path}, line 1: no column of {', '.join(missing)}")
    return units


def _cell(text: str) -> float:
    """Return what one cell means."""
    value = CELLS.get(text)
    if value is None:
        value = CELLS.get(str(whole(text, "a cell", 0, 9)))
    if value is None:
        raise ValueError(f"a cell is {text[:40]!r}, expected 0, 1 or 9")
    return value


def _labels(
    coded: Mapping[int, list[float]], graded: Mapping[str, Mapping[int, float]], intensities: bool
) -> tuple[IntArray, Labels]:
    """Return the frames (n,), counted from 1 and rising, that have any label, and their labels.

    Args:
        coded: frame -> cells of the scored action units.
        graded: action unit -> frame -> intensity.
        intensities: whether the database has any.
    """
    frames = sorted(set(coded).union(*graded.values()))
    blank = [np.nan] * len(ACTION_UNITS_BP4D)
    cells = np.array([coded.get(frame, blank) for frame in frames], np.float32)
    values: dict[Task, FloatArray] = {ACTION_UNITS_BP4D: cells.reshape(-1, len(ACTION_UNITS_BP4D))}
    if intensities:
        columns = [[unit.get(frame, np.nan) for frame in frames] for unit in graded.values()]
        grades = np.array(columns, np.float32).reshape(len(graded), len(frames)).T
        values[INTENSITIES_BP4D] = by_name(INTENSITIES_BP4D, list(graded), grades)
    return np.array(frames, np.int64), Labels.of(values)


def _pictures(folder: Path) -> dict[str, Path]:
    """Return the sequences' folders of pictures; of two, the one under "2D+3D"."""
    found: dict[str, Path] = {}
    tasks = [
        (task, f"{subject.name.upper()}_T{int(task.name[1:])}")
        for subject in find_folders(folder, "[FM][0-9]{3}")
        for task in find_folders(subject, "T[0-9]{1,3}")
    ]
    for task, video in sorted(tasks, key=lambda pair: "2D+3D" not in relative(pair[0], folder).upper()):
        if video not in found and files(task, PICTURES):
            found[video] = task
    return found


def _zipped(folder: Path) -> set[str]:
    """Return the subjects whose pictures are still in zip files."""
    places = (folder, *find_folders(folder, r".*2D\+3D.*"))
    return {Path(name).stem.upper() for place in places for name in files(place, frozenset({".zip"}))}


COUNTED = "all coded frames of a fold's test subjects; mean over action units, then over folds"
"""How F1 is counted here."""

FERA = tuple(label for label in ACTION_UNITS_BP4D.labels if label != "AU24")
"""The eleven action units of FERA 2015."""

DATABASE = Database(
    title="BP4D-Spontaneous",
    tasks=(ACTION_UNITS_BP4D, INTENSITIES_BP4D),
    read=read,
    protocols=(
        Protocol(
            name="12 AUs, three folds, F1",
            task=ACTION_UNITS_BP4D,
            metric="binary F1",
            aggregation=COUNTED,
            also=("accuracy",),
            by="subject",
            folds=three_parts(*PARTS),
            note="cells nobody coded are left out one by one; some papers drop the row or count it absent",
        ),
        Protocol(
            name="FERA 2015, F1",
            task=ACTION_UNITS_BP4D,
            labels=FERA,
            metric="binary F1",
            aggregation="all coded frames of the even subjects; mean over action units",
            by="subject",
            folds=(ODD_EVEN,),
            note="the development part stands for the test part, which is another set of people",
        ),
        Protocol(
            name="FERA 2015, ICC(3,1)",
            task=INTENSITIES_BP4D,
            metric="ICC(3,1)",
            aggregation="all graded frames of the even subjects; mean over action units",
            also=("MSE", "PCC"),
            by="subject",
            folds=(ODD_EVEN,),
            note="the development part stands for the test part, which is another set of people",
        ),
    ),
    counts=(Count(41, "subjects"),),
    published=BP4D,
    licence="Research only, by agreement with Binghamton University.",
    obtain="By request: www.cs.binghamton.edu/~lijun/Research/3DFE/3DFE_Analysis.html",
    citation="Zhang et al., Image and Vision Computing 32, 2014; FERA 2015: Valstar et al., FG 2015",
)
