"""A made database and the truth about it, as its maker knows it and not as a reader tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from mien.arrays import Image
from mien.tasks import Task

Key = tuple[str, str, str, int]
"""What a row is called: split, video, face, frame."""


@dataclass(frozen=True)
class Row:
    """One row that a reader must give.

    Attributes:
        split: as the Index has it.
        video: as the Index has it.
        frame: counted from 0.
        labels: task -> label -> value; what is not in it is unknown.
        face: as the Index has it.
        subject: as the Index has it.
        seconds: the time the database states; None where it states none.
        picture: whether the row has media.
    """

    split: str
    video: str
    frame: int
    labels: Mapping[Task, Mapping[str, float]]
    face: str = ""
    subject: str = ""
    seconds: float | None = None
    picture: bool = True

    @property
    def key(self) -> Key:
        """What the row is called."""
        return self.split, self.video, self.face, self.frame


@dataclass(frozen=True)
class Bad:
    """A way to spoil the database: one line of one file becomes something malformed.

    Attributes:
        path: the file.
        line: number of the line, from 1.
        text: what takes its place.
        touched: the rows that may be missing, or know less, when the line is skipped.
    """

    path: Path
    line: int
    text: str
    touched: frozenset[Key]


@dataclass(frozen=True)
class Made:
    """A database in a folder.

    Attributes:
        folder: what a reader is given.
        rows: the truth, in any order.
        bads: ways to spoil it, at least one of each kind of label file; none for binary files.
        texts: its label files of text, whose line ends may change without any effect.
        others: its label files of other kinds (JSON, arrays, workbooks), for damaging at random.
        lost: a picture or video that may be deleted -> the rows that then have none.
        numbered: folders whose pictures' numbers may be padded otherwise.
    """

    folder: Path
    rows: Sequence[Row]
    bads: Sequence[Bad] = ()
    texts: Sequence[Path] = ()
    others: Sequence[Path] = ()
    lost: Mapping[Path, frozenset[Key]] = field(default_factory=dict)
    numbered: Sequence[Path] = ()


MOUTHS = {"happiness": 1, "sadness": -1, "neutral": 0}
"""How the mouth of a drawn face bends."""


def draw_face(mouth: int, rng: np.random.Generator, size: int = 48) -> Image:
    """Return a drawn grey face (size, size) whose mouth bends up (1), down (-1) or not (0)."""
    image = np.full((192, 192), int(rng.integers(60, 120)), np.uint8)
    x, y = 96 + int(rng.integers(-6, 7)), 96 + int(rng.integers(-6, 7))
    skin = int(rng.integers(150, 230))
    cv2.ellipse(image, (x, y), (68, 88), 0, 0, 360, skin, -1)
    for side in (-1, 1):
        cv2.ellipse(image, (x + 28 * side, y - 24), (12, 7), 0, 0, 360, 40, -1)
        cv2.line(image, (x + 16 * side, y - 42), (x + 42 * side, y - 42), 60, 5)
    cv2.line(image, (x, y - 14), (x - 4, y + 14), skin - 50, 4)
    if mouth:
        start = 20 if mouth > 0 else 200
        cv2.ellipse(image, (x, y + 44 - 14 * mouth), (30, 22), 0, start, start + 140, 30, 7)
    else:
        cv2.line(image, (x - 28, y + 46), (x + 28, y + 46), 30, 7)
    noisy = image + rng.normal(0, 6, image.shape)
    small = cv2.resize(np.clip(noisy, 0, 255).astype(np.uint8), (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def write_face(path: Path, rng: np.random.Generator, mouth: int = 0, size: int = 112) -> None:
    """Write a drawn face as a picture; folders are made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _, data = cv2.imencode(path.suffix.lower(), draw_face(mouth, rng, size))
    path.write_bytes(data.tobytes())


def write_lines(path: Path, texts: Sequence[str]) -> Path:
    """Write lines of UTF-8 text and return the path; folders are made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{text}\n" for text in texts).encode())
    return path
