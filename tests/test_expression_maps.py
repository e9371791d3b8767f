"""The numbers by which databases name expressions: each is written, read, and compared by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mien.databases import DATABASES
from mien.databases.findings import Findings
from mien.testing.databases.made import write_lines

MAP = """
             aff_wild2  affectnet  affectnet_npy  raf_db  fer2013  ferplus  omg_emotion
neutral      0          0          0              7       6        0        4
anger        1          6          6              6       0        4        0
disgust      2          5          5              3       1        5        1
fear         3          4          4              2       2        6        2
happiness    4          1          1              4       3        1        3
sadness      5          2          2              5       4        3        5
surprise     6          3          3              1       5        2        6
contempt     -          7          7              -       -        7        -
other        7          -          -              -       -        -        -
"""
"""Written down apart from the readers, one column for each vocabulary."""


def aff_wild2(folder: Path, number: int) -> None:
    header = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"
    place = folder / "EXPR_Classification_Challenge" / "Train_Set"
    write_lines(place / "901.txt", [header, str(number)])


def affectnet(folder: Path, number: int) -> None:
    write_lines(folder / "validation.csv", [f"1/a.jpg,1,1,9,9,,{number},0.5,0.5"])


def affectnet_npy(folder: Path, number: int) -> None:
    place = folder / "val_set" / "annotations"
    place.mkdir(parents=True)
    np.save(place / "7_exp.npy", np.array(str(number)))


def raf_db(folder: Path, number: int) -> None:
    write_lines(folder / "basic" / "EmoLabel" / "list_patition_label.txt", [f"test_0001.jpg {number}"])


def fer2013(folder: Path, number: int) -> None:
    pixels = " ".join(["7"] * 48 * 48)
    write_lines(folder / "fer2013.csv", ["emotion,pixels,Usage", f"{number},{pixels},PrivateTest"])


def ferplus(folder: Path, number: int) -> None:
    votes = ",".join("10" if place == number else "0" for place in range(10))
    write_lines(folder / "FER2013Test" / "label.csv", [f'fer0032298.png,"(0, 0, 48, 48)",{votes}'])


def omg_emotion(folder: Path, number: int) -> None:
    header = "link,start,end,video,utterance,arousal,valence,EmotionMaxVote"
    row = f"http://example.org/v9,0.00,6.12,v9,utterance_1.mp4,0.41,-0.22,{number}"
    write_lines(folder / "omg_TrainVideos.csv", [header, row])


WRITERS: dict[str, tuple[str, Callable[[Path, int], None]]] = {
    "aff_wild2": ("aff_wild2", aff_wild2),
    "affectnet": ("affectnet", affectnet),
    "affectnet_npy": ("affectnet", affectnet_npy),
    "raf_db": ("raf_db", raf_db),
    "fer2013": ("fer2013", fer2013),
    "ferplus": ("fer2013", ferplus),
    "omg_emotion": ("omg_emotion", omg_emotion),
}
"""Column -> (name in DATABASES, writer of the smallest folder in which the only row has a number)."""


def cells() -> list[tuple[str, int, str]]:
    """Return (column, number, name) of every cell of the map that has a number."""
    columns, *rows = (line.split() for line in MAP.strip().splitlines())
    return [
        (column, int(number), name)
        for name, *numbers in rows
        for column, number in zip(columns, numbers, strict=True)
        if number != "-"
    ]


@pytest.mark.parametrize(("column", "number", "name"), cells())
def test_a_number_means_its_class(tmp_path: Path, column: str, number: int, name: str) -> None:
    database, write = WRITERS[column]
    write(tmp_path, number)
    index = DATABASES[database].read(tmp_path, Findings())
    told = [
        label
        for task, values in index.labels.values.items()
        if task.behaviour == "expression" and index.labels.known[task].all()
        for label, value in zip(task.labels, values[0], strict=True)
        if value == 1
    ]
    assert len(index) == 1
    assert told == [name]


@pytest.mark.parametrize("column", WRITERS)
def test_the_map_holds_each_number_once(column: str) -> None:
    numbers = sorted(number for other, number, _ in cells() if other == column)
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


@pytest.mark.parametrize(
    ("column", "number"),
    [
        ("affectnet", 8),
        ("affectnet", 9),
        ("affectnet_npy", 10),
        ("ferplus", 8),
        ("ferplus", 9),
        ("aff_wild2", -1),
    ],
)
def test_numbers_of_no_class_are_unknown(tmp_path: Path, column: str, number: int) -> None:
    database, write = WRITERS[column]
    write(tmp_path, number)
    index = DATABASES[database].read(tmp_path, Findings())
    for task, known in index.labels.known.items():
        assert task.behaviour != "expression" or not known.any()
