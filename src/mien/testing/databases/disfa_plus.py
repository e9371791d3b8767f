"""A made DISFA+."""

from pathlib import Path

import numpy as np

from mien.testing.databases.disfa import UNITS, graded_row, grades
from mien.testing.databases.made import Bad, Made, write_face, write_lines


def make_disfa_plus(folder: Path, seed: int = 0) -> Made:
    """Write labels and pictures of three subjects; one trial lacks a picture, another has one more."""
    rng = np.random.default_rng(seed)
    rows, texts, numbered = [], [], []
    for subject in ("SN001", "SN003", "SN004"):
        for trial in ("A1_AU1_TrailNo_1", "Y_HappyDescribed_TrailNo_2"):
            graded = grades(rng, 5)
            pictures = folder / "Images" / subject / trial
            numbered.append(pictures)
            for frame, cells in enumerate(graded):
                there = (subject, trial[0], frame) != ("SN003", "Y", 4)
                rows.append(graded_row(f"{subject}/{trial}", subject, frame, cells, there))
                if there:
                    write_face(pictures / f"{frame:03d}.jpg", rng)
            for unit in UNITS:
                cells_of_unit = [f"{frame:03d}.jpg     {cells[unit]}" for frame, cells in enumerate(graded)]
                comments = [f"Subject {subject}, trial {trial}", f"Picture    intensity of AU{unit}"]
                path = folder / "Labels" / subject / trial / f"AU{unit}.txt"
                texts.append(write_lines(path, [*comments, *cells_of_unit]))
    write_face(folder / "Images/SN004/A1_AU1_TrailNo_1/005.jpg", rng)
    place = "SN001/A1_AU1_TrailNo_1"
    labels = folder / "Labels" / place
    bads = [
        Bad(labels / "AU2.txt", 4, "001.jpg", frozenset({("", place, "", 1)})),
        Bad(labels / "AU25.txt", 7, "004.jpg     9", frozenset({("", place, "", 4)})),
    ]
    lost = {folder / "Images" / place / "002.jpg": frozenset({("", place, "", 2)})}
    return Made(folder, rows, bads, texts, lost=lost, numbered=numbered)
