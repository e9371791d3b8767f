"""A made FER2013 with FERPlus, in each of its three forms."""

import csv
from pathlib import Path

import numpy as np

from mien.databases.fer2013 import FERPLUS_VOTES
from mien.tasks import EXPRESSION_7, EXPRESSION_8_CONTEMPT
from mien.testing.databases.made import MOUTHS, Bad, Key, Made, Row, draw_face, write_face, write_lines

_NUMBERS = {"happiness": 3, "sadness": 4, "neutral": 6}

_SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}

_PREPARED = {"FER2013Train": "train", "FER2013Valid": "validation", "FER2013Test": "test"}

_FOLDERS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprise": "surprise",
    "neutral": "neutral",
}


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
                shares = {
                    name: (10 - others) / (10 - others + doubt),
                    "surprise": doubt / (10 - others + doubt),
                }
                truth[EXPRESSION_8_CONTEMPT] = shares
            rows.append(Row(_SPLITS[usage], f"fer{place:07d}", place, truth))
    files = (folder / "fer2013.csv", folder / "fer2013new.csv")
    bads = (
        Bad(files[0], 4, "7,1 2 3,Training", frozenset({rows[2].key})),
        Bad(files[1], 5, "Training,fer0000003.png,eleven,0,0,0,0,0,0,0,0,0", frozenset({rows[3].key})),
    )
    return Made(folder, rows, bads, files)


def make_fer2013_folders(folder: Path, seed: int = 0) -> Made:
    """Write train/<class> and test/<class> with drawn faces; a folder of another name lies among them."""
    rng = np.random.default_rng(seed)
    rows = []
    for part in ("train", "test"):
        for name, expression in _FOLDERS.items():
            for number in range(2):
                stem = f"{part}/{name}/Bild-ä{number}"
                write_face(
                    folder / f"{stem}.{'png' if number else 'jpg'}", rng, MOUTHS.get(expression, 0), 48
                )
                rows.append(Row(part, stem, 0, {EXPRESSION_7: {expression: 1.0}}))
    write_face(folder / "train" / "unsorted" / "x.png", rng, size=48)
    return Made(folder, rows)


def make_ferplus_folders(folder: Path, seed: int = 0) -> Made:
    """Write FERPlus's prepared folders: pictures and label.csv, in one of them without boxes.

    One picture has no row, one row no picture, and in one most see no face.
    """
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    bads, texts = [], []
    lost: dict[Path, frozenset[Key]] = {}
    for start, (part, split) in zip((0, 28709, 32298), _PREPARED.items(), strict=True):
        written = []
        for number in range(start, start + 5):
            name = str(rng.choice(list(MOUTHS)))
            others = -1 if number == 1 else int(rng.integers(2, 5))
            picture = folder / part / f"fer{number:07d}.png"
            if number != 2:
                write_face(picture, rng, MOUTHS[name], 48)
            box = '"(0, 0, 48, 48)",' if part != "FER2013Test" else ""
            written.append(f"{picture.name},{box}{','.join(map(str, _votes(name, others)))}")
            shares = {name: (10 - others) / 10, "surprise": others / 10}
            truth = {EXPRESSION_8_CONTEMPT: shares} if others >= 0 else {}
            rows.append(Row(split, picture.stem, 0, truth, picture=number != 2))
        lost[folder / part / f"fer{start + 3:07d}.png"] = frozenset({rows[-2].key})
        texts.append(write_lines(folder / part / "label.csv", written))
        bads.append(Bad(texts[-1], 4, f"fer{start + 3:07d}.png,1,2", frozenset({rows[-2].key})))
    write_face(folder / "FER2013Valid" / "fer0029999.png", rng, size=48)
    return Made(folder, rows, bads, texts, lost=lost)


def _votes(name: str, others: int) -> list[int]:
    """Return ten votes, all but `others` for the class; fewer than 0 stands for no face."""
    counted = [0] * len(FERPLUS_VOTES)
    if others < 0:
        return [*counted[:-1], 10]
    counted[FERPLUS_VOTES.index(name)] = 10 - others
    counted[FERPLUS_VOTES.index("surprise")] = others
    return counted
