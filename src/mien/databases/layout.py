"""Finding a database's folders and files, however an archive nested and spelled them."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mien.arrays import IntArray
from mien.databases.findings import Findings
from mien.errors import DatabaseError

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
VIDEOS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".flv", ".mpg", ".mpeg", ".wmv", ".m4v"})
DEPTH = 6
"""How deep folders are searched for."""


def find_folders(root: Path, pattern: str) -> list[Path]:
    """Return the folders below `root` whose whole name matches, case aside, in order of path.

    Folders within a match are not searched.
    """
    wanted = re.compile(pattern, re.IGNORECASE)
    return sorted(_matching(root, wanted, DEPTH))


def _matching(folder: Path, wanted: re.Pattern[str], depth: int) -> Iterator[Path]:
    """Yield the matching folders below one."""
    for inner in subfolders(folder):
        if wanted.fullmatch(inner.name):
            yield inner
        elif depth > 1:
            yield from _matching(inner, wanted, depth - 1)


def the_folder(root: Path, pattern: str, wanted: str) -> Path:
    """Return the one folder below `root` whose name matches.

    Args:
        root: where to search.
        pattern: a regular expression for the folder's whole name.
        wanted: what the folder holds, for the message.

    Raises:
        DatabaseError: there is none, or there are several.
    """
    found = find_folders(root, pattern)
    if len(found) != 1:
        several = f"{len(found)} folders ({', '.join(str(f) for f in found[:3])})" if found else "no folder"
        raise DatabaseError(f"{root}: {several} for {wanted}, expected one named like {pattern}")
    return found[0]


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, in order of name; hidden ones left out.

    Raises:
        DatabaseError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.is_dir() and not e.name.startswith(".")]
    except OSError as error:
        raise DatabaseError(f"{folder}: {error.strerror}") from error
    return [folder / name for name in sorted(names)]


def files(folder: Path, suffixes: frozenset[str]) -> dict[str, Path]:
    """Return a folder's files that end in one of `suffixes`, case aside, by lower-case name, in order.

    A folder that does not exist has none. Hidden files are left out.

    Raises:
        DatabaseError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DatabaseError(f"{folder}: {error.strerror}") from error
    return {name.lower(): folder / name for name in names if os.path.splitext(name)[1].lower() in suffixes}


def numbered(folder: Path, findings: Findings) -> dict[int, Path]:
    """Return a folder's pictures by the number in their name, in order of number.

    The number is the name's last run of digits, so "7.jpg", "0007.JPG" and "frame-7.png" are all
    picture 7. A picture without a number, or two with the same, are malformed.
    """
    found: dict[int, Path] = {}
    for path in files(folder, PICTURES).values():
        digits = re.findall(r"[0-9]+", path.stem)
        if not digits:
            findings.fault(f"{path}: a picture without a number, expected one such as 00001.jpg")
        elif int(digits[-1]) in found:
            findings.fault(f"{path}: has the same number as {found[int(digits[-1])].name}")
        else:
            found[int(digits[-1])] = path
    return dict(sorted(found.items()))


def shown(place: str, pictures: Mapping[int, Path], numbers: IntArray, findings: Findings) -> list[str]:
    """Return each row's media: a folder of numbered pictures, or "" where the row's picture is missing.

    Args:
        place: the folder, as an Index keeps it.
        pictures: its pictures by number.
        numbers: (n,) the number of each row's picture.
        findings: told of labels without a picture.
    """
    media = []
    for number in numbers.tolist():
        if number not in pictures:
            findings.unmatch("label without a picture", f"{place}, picture {number}")
        media.append(place if number in pictures else "")
    return media


def tell_unlabelled(place: str, pictures: Mapping[int, Path], numbers: IntArray, findings: Findings) -> None:
    """Tell of the pictures in a folder whose number no row has; the arguments are those of `shown`."""
    for number in sorted(pictures.keys() - set(numbers.tolist())):
        findings.unmatch("picture without a label", f"{place}/{pictures[number].name}")


def relative(path: Path, root: Path) -> str:
    """Return a path below `root` as an Index keeps it, with "/"."""
    return path.relative_to(root).as_posix()
