"""A made FER2013 with FERPlus."""

import csv
from pathlib import Path

import numpy as np

from mien.databases.fer2013 import FERPLUS_VOTES
from mien.tasks import EXPRESSION_7, EXPRESSION_8_CONTEMPT
from mien.testing.databases.made import MOUTHS, Bad, Made, Row, draw_face

_NUMBERS = {"happiness": 3, "sadness": 4, "neutral": 6}

_SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}


def make_fer2013(folder: Path, train: int = 60, validation: int = 30, test: int = 30, seed: int = 0) -> Made:
    """Write fer2013.csv and fer2013new.csv with drawn faces of three classes.

    As in the real files, one validation picture repeats a training picture, one row has no votes
    for a face (NF), and votes disagree a little.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    usages = ["Training"] * train + ["PublicTest"] * validation + ["PrivateTest"] * test
    names = [str(name) for name in rng.choice(list(MOUTHS), len(usages))]
    pictures = [draw_face(MOUTHS[name], rng) for name in names]
    if train and validation:
        pictures[train], names[train] = pictures[0], names[0]
    rows = []
    with (
        open(folder / "fer2013.csv", "w", newline="", encoding="utf-8") as labels,
        open(folder / "fer2013new.csv", "w", newline="", encoding="utf-8") as votes,
    ):
        label_rows, vote_rows = csv.writer(labels), csv.writer(votes)
        label_rows.writerow(["emotion", "pixels", "Usage"])
        vote_rows.writerow(["Usage", "Image name", *FERPLUS_VOTES])
        for place, (usage, name, picture) in enumerate(zip(usages, names, pictures, strict=True)):
            label_rows.writerow([_NUMBERS[name], " ".join(map(str, picture.ravel())), usage])
            others = int(rng.integers(0, 4)) if place != 1 else -1
            vote_rows.writerow([usage, f"fer{place:07d}.png" if others >= 0 else "", *_votes(name, others)])
            truth = {EXPRESSION_7: {name: 1.0}}
            if others >= 0:
                doubt = others if others > 1 else 0
                shares = {name: (10 - others) / (10 - others + doubt), "surprise": doubt / (10 - others + doubt)}
                truth[EXPRESSION_8_CONTEMPT] = shares
            rows.append(Row(_SPLITS[usage], f"fer{place:07d}", place, truth))
    files = (folder / "fer2013.csv", folder / "fer2013new.csv")
    bads = (
        Bad(files[0], 4, "7,1 2 3,Training", frozenset({rows[2].key})),
        Bad(files[1], 5, "Training,fer0000003.png,eleven,0,0,0,0,0,0,0,0,0", frozenset({rows[3].key})),
    )
    return Made(folder, rows, bads, files)


def _votes(name: str, others: int) -> list[int]:
    """Return ten votes, all but `others` for the class; fewer than 0 stands for no face."""
    counted = [0] * len(FERPLUS_VOTES)
    if others < 0:
        return [*counted[:-1], 10]
    counted[FERPLUS_VOTES.index(name)] = 10 - others
    counted[FERPLUS_VOTES.index("surprise")] = others
    return counted
