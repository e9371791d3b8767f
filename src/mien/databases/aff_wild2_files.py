"""Where the files of Aff-Wild2 lie, in whatever way an edition, an archive or its owner nested them.

The folder is walked once. What a text file is, its header tells; the names of folders above it tell
the part, and only where the header is broken, that it should have been a file of labels.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from mien.databases.findings import Findings
from mien.databases.layout import PICTURES, VIDEOS
from mien.databases.text import fields
from mien.errors import DatabaseError
from mien.tasks import (
    ACTION_UNITS_8,
    ACTION_UNITS_12,
    EXPRESSION_7,
    EXPRESSION_8_OTHER,
    VALENCE_AROUSAL,
    Task,
)

TASKS_READ = (VALENCE_AROUSAL, EXPRESSION_7, EXPRESSION_8_OTHER, ACTION_UNITS_8, ACTION_UNITS_12)
"""What the labels of any edition may say."""

DEPTH = 9
"""How many folders deep is searched."""

SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
}
"""What the parts are called in the names of folders and files, and by us."""

_PART = re.compile(r"(?:^|[_ .-])(training|train|validation|valid|val|test)(?:set)?(?=[_ .-]|$)", re.I)
_ANSWERS = re.compile(r"(?:^|[_ .-])(?:sample|example|prediction|submission|result)s?(?=[_ .-]|$)", re.I)
_ORDINAL = re.compile(r"(?<![0-9])([0-9]{1,2})(?:st|nd|rd|th)[ _-]*abaw", re.I)
_WORDS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7}
_WORD = re.compile(rf"({'|'.join(_WORDS)})[ _-]*abaw", re.I)
_TASK_FOLDERS = {
    "valence_arousal": re.compile(r"(va|valence([_ ]arousal)?)(set|[_ ].*)", re.I),
    "expression": re.compile(r"expr(ession)?(set|[_ ].*)", re.I),
    "action_units": re.compile(r"(aus?|action_units?)(set|[_ ].*)", re.I),
    "all": re.compile(r"(mtl|multi_task)[_ ].*", re.I),
}
_ALL_TASKS_FILE = re.compile(r"(train|training|val|valid|validation)_set(_annotations.*)?", re.I)
_NUMBERS = re.compile(r"[-+0-9.,;eE\s]*[0-9][-+0-9.,;eE\s]*")
_CUT_OUT = re.compile(r"align|crop|face", re.I)


@dataclass(frozen=True)
class Tree:
    """What lies in the folder, each in order of path.

    Attributes:
        texts: files that end in .txt; those among pictures left out.
        videos: name without suffix -> the first file of that name.
        pictures: folders that hold pictures.
    """

    texts: list[Path] = field(default_factory=list)
    videos: dict[str, Path] = field(default_factory=dict)
    pictures: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Header:
    """What a file's first line says of the others.

    Attributes:
        task: whose labels stand there; None where each line names a picture and has all three tasks.
        names: the labels in the file's order, in our spelling; of the action units where task is None.
    """

    task: Task | None
    names: tuple[str, ...]


@dataclass(frozen=True)
class LabelFile:
    """One file of labels.

    Attributes:
        path: the file.
        split: its part; "" where no folder tells.
        header: what its lines hold.
    """

    path: Path
    split: str
    header: Header


def walk(root: Path) -> Tree:
    """Return what lies below a folder, hidden files and folders aside.

    Raises:
        DatabaseError: a folder cannot be read.
    """
    tree = Tree()
    _walk(root, tree, DEPTH)
    return tree


def _walk(folder: Path, tree: Tree, depth: int) -> None:
    """Add what lies below one folder."""
    inner, names, pictured = _inside(folder)
    if pictured:
        tree.pictures.append(folder)
    for name in names:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in VIDEOS:
            tree.videos.setdefault(stem, folder / name)
        elif not pictured:
            tree.texts.append(folder / name)
    for name in inner if depth else ():
        _walk(folder / name, tree, depth - 1)


def _inside(folder: Path) -> tuple[list[str], list[str], bool]:
    """Return a folder's folders, its texts and videos, in order, and whether it holds pictures."""
    inner, names, pictured = [], [], False
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                suffix = os.path.splitext(entry.name)[1].lower()
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    inner.append(entry.name)
                elif suffix in PICTURES:
                    pictured = True
                elif suffix == ".txt" or suffix in VIDEOS:
                    names.append(entry.name)
    except OSError as error:
        raise DatabaseError(f"{folder}: {error.strerror}") from error
    return sorted(inner), sorted(names), pictured


def column(name: str) -> str:
    """Return a column's name in our spelling: "AU1" is "AU01", others are in lower case."""
    unit = re.fullmatch(r"au0*([0-9]{1,3})", name.strip(), re.IGNORECASE)
    return f"AU{int(unit[1]):02d}" if unit else name.strip().lower()


def header(text: str) -> Header | None:
    """Return what a header says, whatever the order of its names; None where it is none of Aff-Wild2's."""
    try:
        names = tuple(column(name) for name in fields(text))
    except ValueError:
        return None
    if names[:4] == ("image", "valence", "arousal", "expression"):
        units = ACTION_UNITS_12.labels if names[4:] == ("aus",) else names[4:]
        return Header(None, units) if sorted(units) == sorted(ACTION_UNITS_12.labels) else None
    task = next((task for task in TASKS_READ if sorted(names) == sorted(task.labels)), None)
    return Header(task, names) if task else None


def part(names: tuple[str, ...]) -> str:
    """Return the part that the innermost of a path's names tells; "" where none does, or two at once."""
    for name in reversed(names):
        told = {SPLITS[word.lower()] for word in _PART.findall(name)}
        if told:
            return told.pop() if len(told) == 1 else ""
    return ""


def task_folder(names: tuple[str, ...]) -> str:
    """Return the behaviour that the innermost folder of a task is named for ("all": MTL); "" for none."""
    for name in reversed(names):
        for behaviour, pattern in _TASK_FOLDERS.items():
            if pattern.fullmatch(name):
                return behaviour
    return ""


def label_files(tree: Tree, root: Path, findings: Findings) -> list[LabelFile]:
    """Return the files of labels.

    Test lists, sample files and answers to a challenge have the same headers or none; they are
    counted in a note. So are files whose folder is named for another task than their header's, and
    a readme or licence among the labels.

    Raises:
        DatabaseError: a file cannot be read, or one that must hold labels has no header of Aff-Wild2
            and malformed rows are not skipped.
    """
    found, lists, moved = [], 0, 0
    texts: list[str] = []
    for path in tree.texts:
        inside = path.relative_to(root)
        first = _first_line(path)
        told = header(first)
        every = told.task is None if told else bool(_ALL_TASKS_FILE.fullmatch(path.stem))
        names = (*inside.parent.parts, path.stem) if every else inside.parent.parts
        split, named = part(names), task_folder(inside.parent.parts)
        if any(map(_ANSWERS.search, names)) or (split == "test" and (every or not named)):
            lists += 1
        elif told:
            moved += bool(named) and named != (told.task.behaviour if told.task else "all")
            found.append(LabelFile(path, split, told))
        elif split and (named or every) and is_prose(path):
            texts.append(inside.as_posix())
        elif split and (named or every):
            findings.fault(f"{path}, line 1: {first[:60]!r} is no header of Aff-Wild2's labels")
    if lists:
        findings.note(f"{lists} text files of the test part, samples or answers hold no labels; not read")
    if moved:
        findings.note(f"{moved} files lie in a folder named for another task; their headers decided")
    tell_prose(texts, findings)
    return found


def is_prose(path: Path) -> bool:
    """Return whether a file among labels is none of them: it has text, of which few lines are numbers.

    Raises:
        DatabaseError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(4096).replace(b"\0", b"").decode("utf-8", "replace")
    except OSError as error:
        raise DatabaseError(f"{path}: {error.strerror}") from error
    written = [line for line in text.splitlines() if line.strip()]
    return 2 * sum(bool(_NUMBERS.fullmatch(line)) for line in written) < len(written)


def tell_prose(texts: Sequence[str], findings: Findings) -> None:
    """Note the files among labels that hold other text."""
    if texts:
        findings.note(f"{len(texts)} text files among the labels hold no labels; not read ({texts[0]}, ...)")


def _first_line(path: Path) -> str:
    """Return a file's first line as far as it can be read."""
    try:
        with open(path, "rb") as file:
            line = file.readline(4096)
    except OSError as error:
        raise DatabaseError(f"{path}: {error.strerror}") from error
    return line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").strip()


def face_of(name: str) -> tuple[str, str]:
    """Return the recording and the face that a file or folder is named for."""
    stem, _, side = name.rpartition("_")
    return (stem, side) if stem and side in ("left", "right") else (name, "")


def crop_folders(tree: Tree, root: Path, names: set[str], findings: Findings) -> dict[str, Path]:
    """Return the folders of crops by name: aligned ones before others, then in order of path.

    A folder of pictures counts as one where it, or a folder above it, is named for cropping or
    aligning: else it may hold whole frames. Both those and crops without labels are noted: the test
    part's crops come without labels.

    Args:
        tree: what lies in the folder.
        root: the database's folder.
        names: the recordings and faces that have labels.
        findings: where the notes go.
    """
    ranked: list[tuple[int, Path]] = []
    frames, spare = 0, []
    for folder in tree.pictures:
        inside = folder.relative_to(root)
        above = "/".join(inside.parent.parts)
        if not _CUT_OUT.search(above):
            frames += folder.name in names
        elif folder.name in names:
            ranked.append((0 if "align" in above.lower() else 1, folder))
        else:
            spare.append(inside.as_posix())
    if spare:
        findings.note(
            f"{len(spare)} folders of crops have no labels, as those of the test part ({spare[0]}, ...)"
        )
    if frames:
        findings.note(
            f"{frames} folders of pictures may hold whole frames (no 'crop' in their path); not used"
        )
    found: dict[str, Path] = {}
    ranks: Counter[int] = Counter()
    for rank, folder in sorted(ranked):
        if folder.name not in found:
            found[folder.name] = folder
            ranks[rank] += 1
    if len(ranks) > 1:
        findings.note(f"crops: {ranks[0]} folders are aligned, {ranks[1]} are not")
    return found


def release(files: list[LabelFile], tree: Tree, root: Path) -> str:
    """Return which edition the folder holds, as its names and headers tell."""
    paths = [PurePath(root.name) / file.path.relative_to(root) for file in files]
    numbers = {int(n) for path in paths for n in _ORDINAL.findall(str(path.parent))}
    numbers |= {_WORDS[word.lower()] for path in paths for word in _WORD.findall(str(path.parent))}
    per_frame = [file for file in files if file.header.task]
    every = len(per_frame) < len(files)
    if numbers:
        name = "ABAW " + " and ".join(str(n) for n in sorted(numbers))
        return f"{name} with MTL" if every and per_frame else f"MTL of {name}" if every else name
    if not per_frame:
        return "MTL (ABAW 4, 7 or 11)"
    inside = any(task_folder(video.relative_to(root).parent.parts) for video in tree.videos.values())
    name = "the release outside the challenges" if inside else _edition(per_frame, root)
    return f"{name} with MTL" if every else name


def _edition(files: list[LabelFile], root: Path) -> str:
    """Return the edition that classes, action units and the names of folders tell."""
    tasks = {file.header.task for file in files}
    folders = " ".join({"/".join(file.path.relative_to(root).parent.parts) for file in files}).lower()
    if "expr_recognition" in folders:
        return "ABAW 6, 8 or 10"
    if "expr_classification" in folders:
        return "ABAW 3 or 5"
    if EXPRESSION_8_OTHER in tasks or "_challenge" in folders:
        return "ABAW 3 or later"
    if ACTION_UNITS_8 in tasks:
        return "ABAW 1"
    if ACTION_UNITS_12 in tasks:
        return "ABAW 2"
    return "ABAW 1 or 2" if EXPRESSION_7 in tasks else "ABAW, edition not told"
