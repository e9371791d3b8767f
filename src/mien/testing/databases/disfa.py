"""A made DISFA, with its videos or with pictures its user took out of them."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mien.arrays import Image
from mien.tasks import ACTION_UNITS_DISFA, INTENSITIES_DISFA
from mien.testing.databases.made import Bad, Made, Row, draw_face, write_face, write_lines
from mien.testing.media import make_video

UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
"""The action units by number, as files are named after them."""

SUBJECTS = ("SN001", "SN003", "SN013")
"""One of each fold."""


def make_disfa(folder: Path, seed: int = 0) -> Made:
    """Write labels and videos of three subjects, of whom one has only the right camera's.

    As in the real database names mix upper and lower case, and the folder of videos is spelled in
    one of two ways.
    """
    rng = np.random.default_rng(seed)
    rows, texts = [], []
    videos = (
        ("SN001", "Videos_LeftCamera/LeftVideoSN001_comp.avi"),
        ("SN001", "Video_RightCamera/RightVideoSN001_Comp.avi"),
        ("SN003", "Videos_LeftCamera/LeftVideoSN003_comp.avi"),
        ("SN013", "Video_RightCamera/RightVideoSN013_Comp.avi"),
    )
    for subject in SUBJECTS:
        graded = grades(rng, 10)
        texts += _write_labels(folder, subject, graded)
        rows += [graded_row(subject, subject, frame, cells) for frame, cells in enumerate(graded)]
    for _, name in videos:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        make_video(folder / name, frames=10, size=(96, 96), draw=lambda _: _face(rng))
    lost = {folder / videos[2][1]: frozenset(row.key for row in rows if row.subject == "SN003")}
    return Made(folder, rows, _bads(folder, rows), texts, lost=lost)


def make_disfa_images(folder: Path, seed: int = 0) -> Made:
    """Write labels and pictures counted from 0, padded differently, one missing at the start."""
    rng = np.random.default_rng(seed)
    rows, texts = [], []
    place = folder / "Bilder – 顔"
    for subject in SUBJECTS:
        graded = grades(rng, 7)
        texts += _write_labels(folder, subject, graded)
        for frame, cells in enumerate(graded):
            there = (subject, frame) != ("SN003", 0)
            rows.append(graded_row(subject, subject, frame, cells, there))
            if there:
                write_face(
                    place / subject / (f"{frame:05d}.png" if subject == "SN013" else f"{frame}.png"), rng
                )
    lost = {
        place / "SN001/3.png": frozenset({("", "SN001", "", 3)}),
        place / "SN013/00006.png": frozenset({("", "SN013", "", 6)}),
    }
    numbered = [place / subject for subject in SUBJECTS]
    return Made(folder, rows, _bads(folder, rows), texts, lost=lost, numbered=numbered)


def grades(rng: np.random.Generator, frames: int) -> list[dict[int, int]]:
    """Return for each frame action unit -> intensity, mostly 0; no two action units go alike."""
    columns = {
        unit: rng.permutation([place % 6, 5, *rng.integers(0, 4, frames - 2)])
        for place, unit in enumerate(UNITS)
    }
    return [{unit: int(column[frame]) for unit, column in columns.items()} for frame in range(frames)]


def graded_row(video: str, subject: str, frame: int, cells: dict[int, int], picture: bool = True) -> Row:
    """Return the truth of one frame."""
    labels = {
        INTENSITIES_DISFA: {f"AU{unit:02d}": float(grade) for unit, grade in cells.items()},
        ACTION_UNITS_DISFA: {f"AU{unit:02d}": float(grade >= 2) for unit, grade in cells.items()},
    }
    return Row("", video, frame, labels, subject=subject, picture=picture)


def _write_labels(folder: Path, subject: str, graded: Sequence[dict[int, int]]) -> list[Path]:
    """Write a subject's files of labels and return their paths."""
    return [
        write_lines(
            folder / "ActionUnit_Labels" / subject / f"{subject}_au{unit}.txt",
            [f"{frame},{cells[unit]}" for frame, cells in enumerate(graded, 1)],
        )
        for unit in UNITS
    ]


def _bads(folder: Path, rows: Sequence[Row]) -> list[Bad]:
    """Return ways to spoil the labels."""
    labels = folder / "ActionUnit_Labels"
    last = [row for row in rows if row.subject == "SN003"][-1]
    return [
        Bad(labels / "SN001/SN001_au4.txt", 4, "4,6", frozenset({("", "SN001", "", 3)})),
        Bad(labels / "SN001/SN001_au12.txt", 3, "2,0", frozenset({("", "SN001", "", 2)})),
        Bad(labels / "SN003/SN003_au26.txt", last.frame + 1, "no label", frozenset({last.key})),
    ]


def _face(rng: np.random.Generator) -> Image:
    """Return a drawn face in colour."""
    return np.asarray(cv2.cvtColor(draw_face(0, rng, 96), cv2.COLOR_GRAY2BGR), np.uint8)
