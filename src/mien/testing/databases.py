"""Small, valid copies of databases in their own file formats, with drawn faces."""

import csv
from pathlib import Path

import cv2
import numpy as np

from mien.arrays import Image
from mien.databases.fer2013 import FERPLUS_VOTES

MOUTHS = {"happiness": 1, "sadness": -1, "neutral": 0}
"""How the mouth of a drawn face bends for the classes that `make_fer2013` draws."""

_NUMBERS = {"happiness": 3, "sadness": 4, "neutral": 6}


def make_fer2013(folder: Path, train: int = 60, validation: int = 30, test: int = 30, seed: int = 0) -> Path:
    """Write fer2013.csv and fer2013new.csv with drawn faces of three classes; return the folder.

    As in the real files, one validation picture repeats a training picture, one row has no votes
    for a face (NF), and votes disagree a little.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    usages = ["Training"] * train + ["PublicTest"] * validation + ["PrivateTest"] * test
    names = rng.choice(list(MOUTHS), len(usages))
    pictures = [draw_face(MOUTHS[name], rng) for name in names]
    if train and validation:
        pictures[train], names[train] = pictures[0], names[0]
    with (
        open(folder / "fer2013.csv", "w", newline="", encoding="utf-8") as labels,
        open(folder / "fer2013new.csv", "w", newline="", encoding="utf-8") as votes,
    ):
        label_rows, vote_rows = csv.writer(labels), csv.writer(votes)
        label_rows.writerow(["emotion", "pixels", "Usage"])
        vote_rows.writerow(["Usage", "Image name", *FERPLUS_VOTES])
        for row, (usage, name, picture) in enumerate(zip(usages, names, pictures, strict=True)):
            label_rows.writerow([_NUMBERS[name], " ".join(map(str, picture.ravel())), usage])
            face = row != 1
            counted = _votes(str(name), rng) if face else [0] * 9 + [10]
            vote_rows.writerow([usage, f"fer{row:07d}.png" if face else "", *counted])
    return folder


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


def _votes(name: str, rng: np.random.Generator) -> list[int]:
    """Return ten votes of which at least seven are for the class."""
    counted = [0] * len(FERPLUS_VOTES)
    other = int(rng.integers(0, 4))
    counted[FERPLUS_VOTES.index(name)] = 10 - other
    counted[FERPLUS_VOTES.index("surprise")] = other
    return counted
