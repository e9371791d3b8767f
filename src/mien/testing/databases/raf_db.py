"""A made RAF-DB."""

from pathlib import Path

import numpy as np

from mien.tasks import COMPOUND_11, EXPRESSION_7
from mien.testing.databases.made import MOUTHS, Bad, Made, Row, write_face, write_lines

_NUMBERS = {
    "surprise": 1,
    "fear": 2,
    "disgust": 3,
    "happiness": 4,
    "sadness": 5,
    "anger": 6,
    "neutral": 7,
}

_MARKS = ("31.5\t40.2", "68.4\t39.8", "50.1\t60.0", "35.2 75.6", "64.9 75.1")
"""Five landmarks; the real files separate by tabs or by blanks."""


def make_raf_db(folder: Path, seed: int = 0) -> Made:
    """Write the basic set with drawn faces, train names of five digits and test names of four.

    As in the real files, the list's name is misspelt. One label has no picture, one picture no label,
    one no attributes. compound/ holds three pictures more.
    """
    rng = np.random.default_rng(seed)
    basic = folder / "basic"
    attributes = basic / "Annotation" / "manual"
    rows: list[Row] = []
    labels: list[str] = []
    for stem in [f"train_{k:05d}" for k in range(1, 15)] + [f"test_{k:04d}" for k in range(1, 8)]:
        expression = list(_NUMBERS)[len(rows) % 7]
        missing = stem == "train_00003"
        labels.append(f"{stem}.jpg {_NUMBERS[expression]}")
        if not missing:
            write_face(
                basic / "Image" / "aligned" / f"{stem}_aligned.jpg", rng, MOUTHS.get(expression, 0), 100
            )
        write_face(basic / "Image" / "original" / f"{stem}.jpg", rng, MOUTHS.get(expression, 0), 140)
        if stem != "train_00004":
            told = [str(int(rng.integers(0, n))) for n in (3, 3, 5)]
            write_lines(attributes / f"{stem}_manu_attri.txt", [*_MARKS, *told])
        truth = {EXPRESSION_7: {expression: 1.0}}
        rows.append(Row(stem.partition("_")[0], stem, 0, truth, picture=not missing))
    write_face(basic / "Image" / "aligned" / "train_00099_aligned.jpg", rng, size=100)
    compound = folder / "compound"
    for stem, name in (("train_00001", "happily_surprised"), ("train_00002", "fearfully_surprised")):
        write_face(compound / "Image" / "aligned" / f"{stem}_aligned.jpg", rng, size=100)
        rows.append(Row("train", f"compound/{stem}", 0, {COMPOUND_11: {name: 1.0}}))
    write_face(compound / "Image" / "aligned" / "test_0001_aligned.jpg", rng, size=100)
    rows.append(Row("test", "compound/test_0001", 0, {COMPOUND_11: {"disgustedly_surprised": 1.0}}))
    numbers = ["train_00001.jpg 1", "train_00002.jpg 8", "test_0001.jpg 11"]
    compound_list = write_lines(compound / "EmoLabel" / "list_patition_label.txt", numbers)
    list_path = write_lines(basic / "EmoLabel" / "list_patition_label.txt", labels)
    first = attributes / "train_00001_manu_attri.txt"
    bads = (
        Bad(list_path, 2, "train_00002.jpg 8", frozenset({rows[1].key})),
        Bad(list_path, 5, "train_00005.jpg", frozenset({rows[4].key})),
        Bad(first, 7, "3", frozenset()),
        Bad(compound_list, 3, "test_0001.jpg 12", frozenset({rows[-1].key})),
    )
    lost = {basic / "Image" / "aligned" / "test_0002_aligned.jpg": frozenset({rows[15].key})}
    return Made(folder, rows, bads, (list_path, compound_list, first), lost=lost)
