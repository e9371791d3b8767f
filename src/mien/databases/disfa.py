"""DISFA (Mavadati et al. 2013): 27 people watch a film; twelve action units graded 0 to 5 in every frame.

    ActionUnit_Labels/SN001/SN001_au1.txt ... SN001_au26.txt   "frame,intensity", no header, frame from 1
    Video_LeftCamera/LeftVideoSN001_comp.avi                   also Videos_LeftCamera
    Video_RightCamera/RightVideoSN001_Comp.avi                 the same moments: read where there is no left
    <anywhere>/SN001/0.png or 00001.png or frame-1.jpg         pictures its user took out of the videos,
    <anywhere>/LeftVideoSN001_comp.avi/0.png                   read where a subject has no video

The action unit is what a file's name says, never its place in a listing. Label frame k is frame k - 1 of
the video. Pictures are counted from 0 where any subject has a picture 0, otherwise from 1. An action
unit counts as present from intensity 2 on. Labels beyond the end of a video cannot be told from here.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mien.arrays import FloatArray, IntArray
from mien.databases.catalog import Count, Database, Protocol, three_parts
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import (
    PICTURES,
    VIDEOS,
    files,
    find_folders,
    numbered,
    relative,
    shown,
    subfolders,
    tell_unlabelled,
    the_folder,
)
from mien.databases.published import DISFA
from mien.databases.text import fields, lines, whole
from mien.errors import DatabaseError
from mien.records import Labels, by_name
from mien.tasks import ACTION_UNITS_DISFA, INTENSITIES_DISFA

PARTS = (
    ("SN002", "SN010", "SN001", "SN026", "SN027", "SN032", "SN030", "SN009", "SN016"),
    ("SN013", "SN018", "SN011", "SN028", "SN012", "SN006", "SN031", "SN021", "SN024"),
    ("SN003", "SN029", "SN023", "SN025", "SN008", "SN005", "SN007", "SN017", "SN004"),
)
"""The three parts of subjects by which almost all papers cross-validate."""

SUBJECTS = tuple(sorted(name for part in PARTS for name in part))
"""The 27 subjects."""

POSING = ("SN001", "SN003", "SN004", "SN007", "SN009", "SN010", "SN013", "SN025", "SN027")
"""The nine of them who also posed for DISFA+."""

PRESENT = 2
"""The intensity from which an action unit counts as present."""

GRADES = {str(grade): float(grade) for grade in range(6)}
"""How an intensity is written, and what it is."""

LAST = 10_000_000
"""A frame number above it is a mistake."""

SPARE = 1
"""By how many frames pictures may outnumber labels: the videos have 4,844 or 4,845."""

_SUBJECT = r"SN[0-9]{3}"
_LABELS = re.compile(rf"({_SUBJECT})_au0*([0-9]{{1,3}})", re.IGNORECASE)
_RECORDING = re.compile(rf"(?:(left|right)video)?({_SUBJECT})(?:_comp)?(?:\.avi)?", re.IGNORECASE)


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per subject and labelled frame, with the intensities and what they say is present.

    Raises:
        DatabaseError: there are no labels, or a file breaks the format and is not skipped.
    """
    root = the_folder(folder, "ActionUnit_?Labels", "DISFA's labels, with a folder for each subject")
    subjects = {path.name.upper(): path for path in find_folders(root, _SUBJECT)}
    if not subjects:
        raise DatabaseError(f"{root}: no folder of a subject, expected one such as SN001")
    graded = {
        name: read_grades(label_files(path, _LABELS, findings), findings) for name, path in subjects.items()
    }
    videos = _videos(folder, findings)
    pictures = _pictures(folder, root, [name for name in graded if name not in videos])
    numbers = {name: numbered(path, findings) for name, path in pictures.items()}
    base = 0 if any(0 in found for found in numbers.values()) else 1
    parts = []
    for name, (frames, grades) in graded.items():
        if not len(frames):
            continue
        media: str | list[str] = ""
        if name in videos:
            media = relative(videos[name], folder)
        elif name in pictures and _fits(pictures[name], numbers[name], base, int(frames[-1]), findings):
            place = relative(pictures[name], folder)
            media = shown(place, numbers[name], frames - 1 + base, findings)
            tell_unlabelled(place, numbers[name], frames - 1 + base, findings)
        else:
            findings.unmatch("subject without a video or pictures", name)
        parts.append(graded_rows("disfa", name, name, media, frames - 1, grades, base if pictures else 0))
    if not parts:
        raise DatabaseError(f"{root}: no row of labels, expected lines such as 1,0")
    findings.release = _release(videos, pictures, base)
    return Index.joined(parts)


def label_files(folder: Path, name: re.Pattern[str], findings: Findings) -> dict[str, Path]:
    """Return a folder's label files by action unit ("AU01").

    Args:
        folder: of one recording.
        name: what a file is called, its last group the action unit's number.
        findings: told of action units that DISFA does not have.
    """
    found: dict[str, Path] = {}
    for path in files(folder, frozenset({".txt"})).values():
        match = name.fullmatch(path.stem)
        unit = f"AU{int(match.groups()[-1]):02d}" if match else ""
        if unit not in INTENSITIES_DISFA.labels:
            findings.unmatch(
                "file that is not of one of the twelve action units", f"{folder.name}/{path.name}"
            )
        elif unit in found:
            findings.fault(f"{path}: {unit} is also in {found[unit].name}, expected one file for each")
        else:
            found[unit] = path
    for unit in INTENSITIES_DISFA.labels:
        if unit not in found:
            findings.unmatch("action unit without a file", f"{folder.name}, {unit}")
    return found


def read_grades(units: Mapping[str, Path], findings: Findings) -> tuple[IntArray, FloatArray]:
    """Return frames (n,), rising, and grades (n, 12) in the task's order from "frame,intensity" files.

    Files of different length are a fault; where one has no grade for a frame the cell is NaN.
    """
    graded: dict[str, dict[int, float]] = {}
    lengths: dict[str, int] = {}
    for unit, path in units.items():
        graded[unit], lengths[unit] = read_pairs(path, findings, GRADES)
    tell_lengths(units, lengths, findings)
    return gathered(graded)


def read_pairs(path: Path, findings: Findings, codes: Mapping[str, float]) -> tuple[dict[int, float], int]:
    """Return frame -> value of a file with "frame,code" in each line, and the number of lines.

    Args:
        path: the file.
        findings: told of malformed lines.
        codes: how a value may be written -> the value; the ways are whole numbers, which may also
            be written "3.0".
    """
    values: dict[int, float] = {}
    line = 0
    for line, text in lines(path, findings):
        with findings.row(path, line):
            row = fields(text)
            if len(row) != 2:
                raise ValueError(f"{len(row)} fields, expected a frame and a value such as 1,0")
            add_grade(values, whole(row[0], "the frame", 1, LAST), row[1], codes)
    return values, line


def add_grade(values: dict[int, float], frame: int, text: str, codes: Mapping[str, float]) -> None:
    """Add what the text of one cell says of a frame.

    Raises:
        ValueError: it is none of the codes, or the frame has a value already.
    """
    value = codes.get(text)
    if value is None:
        value = codes.get(str(whole(text, "the value", 0, 9)))
    if value is None:
        raise ValueError(f"the value is {text[:40]!r}, expected one of {', '.join(codes)}")
    if frame in values:
        raise ValueError(f"frame {frame} is there twice")
    values[frame] = value


def tell_lengths(units: Mapping[str, Path], lengths: Mapping[str, int], findings: Findings) -> None:
    """Tell of the files of one recording that are shorter than the longest."""
    longest = max(lengths.values(), default=0)
    short = [f"{units[unit].name} {n}" for unit, n in lengths.items() if n != longest]
    if short:
        place = next(iter(units.values())).parent
        findings.fault(f"{place}: files of unequal length: {', '.join(short)} lines, the others {longest}")


def gathered(graded: Mapping[str, Mapping[int, float]]) -> tuple[IntArray, FloatArray]:
    """Return the frames (n,) that any action unit has, rising, and the grades (n, 12), NaN for none."""
    frames = sorted(set().union(*graded.values()))
    columns = [[values.get(frame, np.nan) for frame in frames] for values in graded.values()]
    cells = np.array(columns, np.float32).reshape(len(graded), len(frames)).T
    return np.array(frames, np.int64), by_name(INTENSITIES_DISFA, list(graded), cells)


def graded_rows(
    database: str,
    video: str,
    subject: str,
    media: str | list[str],
    frames: IntArray,
    grades: FloatArray,
    base: int,
) -> Index:
    """Return the rows of one recording; `base` is the number of its first picture."""
    present = np.where(np.isnan(grades), np.float32(np.nan), (grades >= PRESENT).astype(np.float32))
    labels = Labels.of({INTENSITIES_DISFA: grades, ACTION_UNITS_DISFA: present})
    return Index.of(
        database, labels, split="", subject=subject, video=video, media=media, frame=frames, numbering=base
    )


def _videos(folder: Path, findings: Findings) -> dict[str, Path]:
    """Return the subjects' videos, of the left camera where there is one."""
    cameras: dict[str, dict[str, Path]] = {"left": {}, "right": {}}
    places = find_folders(folder, "Videos?_?(Left|Right)_?Camera")
    for place in (folder, *places, *(inner for each in places for inner in subfolders(each))):
        for path in files(place, VIDEOS).values():
            match = _RECORDING.fullmatch(path.stem)
            if match and match[1] and path.is_file():
                cameras[match[1].lower()][match[2].upper()] = path
    left, right = cameras["left"], cameras["right"]
    if right.keys() & left.keys():
        findings.note(
            f"{len(right.keys() & left.keys())} videos of the right camera show the same moments: not read"
        )
    if right.keys() - left.keys():
        alone = ", ".join(sorted(right.keys() - left.keys()))
        findings.note(f"no video of the left camera, the right one is read: {alone}")
    return right | left


def _pictures(folder: Path, labels: Path, subjects: list[str]) -> dict[str, Path]:
    """Return the folders of pictures of these subjects; of two the first, the right camera's last."""
    found: dict[str, Path] = {}
    matches = [(path, _RECORDING.fullmatch(path.name)) for path in find_folders(folder, _RECORDING.pattern)]
    for right in (False, True):
        for path, match in matches:
            name = match[2].upper() if match else ""
            turn = "right" in relative(path, folder).lower() and not path.is_relative_to(labels)
            if name in subjects and name not in found and turn == right and files(path, PICTURES):
                found[name] = path
    return found


def _fits(folder: Path, pictures: Mapping[int, Path], base: int, frames: int, findings: Findings) -> bool:
    """Return whether pictures counted from `base` can be those of this many labelled frames."""
    last = max(pictures, default=base)
    if last - base + 1 > frames + SPARE:
        findings.fault(
            f"{folder}: the last picture has number {last} and the last label is of frame {frames}; "
            "that fits pictures counted neither from 0 nor from 1"
        )
        return False
    if base == 1 and last == frames - 1:
        findings.note(f"{folder}: no picture 0 and none for the last label; taken as counted from 1")
    return True


def _release(videos: Mapping[str, Path], pictures: Mapping[str, Path], base: int) -> str:
    """Return what was found, in words."""
    kinds = [f"{len(videos)} videos"] * bool(videos)
    kinds += [f"pictures of {len(pictures)} subjects counted from {base}"] * bool(pictures)
    return f"labels with {' and '.join(kinds)}" if kinds else "labels alone"


DETECTED = ("AU01", "AU02", "AU04", "AU06", "AU09", "AU12", "AU25", "AU26")
"""The eight action units by which detection is scored."""

PROTOCOLS = (
    Protocol(
        name="8 AUs, F1 (>= 2)",
        task=ACTION_UNITS_DISFA,
        labels=DETECTED,
        metric="binary F1",
        also=("accuracy",),
        aggregation="all frames of a fold's test subjects; mean over action units, then over folds",
        by="subject",
        folds=three_parts(*PARTS),
        threshold=PRESENT,
        note="papers often choose the epoch on the test part; some count from intensity 1",
    ),
    Protocol(
        name="12 AUs, ICC(3,1)",
        task=INTENSITIES_DISFA,
        metric="ICC(3,1)",
        also=("MAE", "MSE"),
        aggregation="all frames of a fold's test subjects; mean over action units, then over folds",
        by="subject",
        folds=three_parts(*PARTS),
    ),
)
"""How DISFA is scored, and DISFA+ with folds of its own."""

DATABASE = Database(
    title="DISFA",
    tasks=(ACTION_UNITS_DISFA, INTENSITIES_DISFA),
    read=read,
    protocols=PROTOCOLS,
    counts=(Count(27, "subjects"), Count(27, "videos")),
    related={"disfa_plus": frozenset(POSING)},
    published=DISFA,
    licence="Research only, by agreement with the University of Denver.",
    obtain="By request to its authors: mohammadmahoor.com/disfa",
    citation="Mavadati, Mahoor, Bartlett, Trinh, Cohn: DISFA, IEEE Transactions on Affective Computing, 2013",
)
