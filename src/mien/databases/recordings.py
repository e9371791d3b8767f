"""Videos and sounds that labels call by the name of a recording, wherever an archive put them."""

import re
from collections.abc import Iterator
from pathlib import Path

from mien.databases.findings import Findings
from mien.databases.layout import VIDEOS, files, find_folders, relative, subfolders

SOUNDS = frozenset({".wav"})
"""What files of sound are called; compressed copies beside them are left alone."""

DEPTH = 8
"""How many folders deep is searched."""


def files_below(root: Path, suffixes: frozenset[str], depth: int = DEPTH) -> Iterator[Path]:
    """Yield the files in and below a folder that end in one of `suffixes`, case aside, in order of path.

    Raises:
        DatabaseError: a folder cannot be read.
    """
    inner = subfolders(root)
    yield from files(root, suffixes).values()
    if depth > 1:
        for folder in inner:
            yield from files_below(folder, suffixes, depth - 1)


def folders_called(root: Path, pattern: str) -> list[Path]:
    """Return the folders whose whole name matches, case aside: `root` itself, or those below it."""
    if re.fullmatch(pattern, root.name, re.IGNORECASE) and root.is_dir():
        return [root]
    return find_folders(root, pattern)


class Recordings:
    """The videos and sounds below a folder, by the name of their recording, case aside.

    Of two files of one kind and name the first in order of path counts; the other is told.

    Args:
        root: the database.
        findings: what is gathered.

    Raises:
        DatabaseError: a folder cannot be read.
    """

    def __init__(self, root: Path, findings: Findings) -> None:
        self._root = root
        self._findings = findings
        self._videos: dict[str, Path] = {}
        self._sounds: dict[str, Path] = {}
        self._asked: set[str] = set()
        for path in files_below(root, VIDEOS | SOUNDS):
            kind = self._sounds if path.suffix.lower() in SOUNDS else self._videos
            if kind.setdefault(path.stem.lower(), path) != path:
                findings.unmatch("second file of one recording", relative(path, root))

    def of(self, name: str) -> tuple[str, str]:
        """Return a recording's (media, sound) as an Index keeps them.

        Where no file of sound is there, the video is it. A recording without a video is told.
        """
        self._asked.add(name.lower())
        video, sound = self._videos.get(name.lower()), self._sounds.get(name.lower())
        if video is None:
            self._findings.unmatch("label without a picture", name)
        heard = sound or video
        return (
            relative(video, self._root) if video else "",
            relative(heard, self._root) if heard else "",
        )

    def tell_unlabelled(self) -> None:
        """Gather the videos that nobody asked for."""
        for name, path in self._videos.items():
            if name not in self._asked:
                self._findings.unmatch("picture without a label", relative(path, self._root))
