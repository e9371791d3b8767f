"""A made BP4D; the one of BP4D+ is written by the same means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.tasks import ACTION_UNITS_BP4D, INTENSITIES_BP4D
from mien.testing.databases.made import Bad, Made, Row, write_face, write_lines

COLUMNS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 23, 24)
"""The action units of a file of coding, in the usual order; 5 and 9 are not scored."""

GRADED = (6, 10, 12, 14, 17)
"""The action units with intensities."""


@dataclass(frozen=True)
class Sequence4D:
    """One sequence: its name, and what is coded of its frames (counted as in the files).

    Attributes:
        video: "F001_T1".
        coded: frame -> action unit -> 0, 1 or 9.
        graded: action unit -> frame -> 0 to 5, or 9.
    """

    video: str
    coded: Mapping[int, Mapping[int, int]]
    graded: Mapping[int, Mapping[int, int]]


def make_bp4d(folder: Path, seed: int = 0) -> Made:
    """Write codings and pictures of four sequences.

    As in the real database coding begins in the middle of a sequence, one action unit is coded by
    nobody, padding differs, and pictures of uncoded time lie there; one coded picture is missing, one
    file has its columns in another order, and one sequence has intensities of three action units.
    """
    rng = np.random.default_rng(seed)
    rows, texts = [], []
    starts = {"F001_T1": 1500, "F001_T2": 997, "F004_T8": 97, "M011_T3": 2}
    for video, start in starts.items():
        made = coding(rng, video, range(start, start + 6), GRADED if video[0] == "F" else GRADED[:3])
        columns = COLUMNS if video != "F004_T8" else tuple(int(unit) for unit in rng.permutation(COLUMNS))
        texts += write_coding(folder, made, columns, "AU-Intensity-Codes3.0")
        pictures = folder / "Sequences(2D+3D)" / video.replace("_", "/")
        for number in range(start - 1, start + 7):
            if (video, number) != ("F004_T8", 99):
                write_face(pictures / f"{number:0{3 if video == 'F004_T8' else 4}d}.jpg", rng, size=48)
        missing = {99} if video == "F004_T8" else set()
        rows += truth(made, missing)
    occurrences, graded = folder / "AUCoding/AU_OCC", folder / "AU-Intensity-Codes3.0"
    bads = [
        Bad(occurrences / "F001_T1.csv", 3, "1501,0,1", frozenset({("", "F001_T1", "", 1500)})),
        Bad(
            occurrences / "F001_T2.csv", 2, "997" + ",3" * len(COLUMNS), frozenset({("", "F001_T2", "", 996)})
        ),
        Bad(
            occurrences / "F004_T8.csv",
            1,
            "0,1,2,two",
            frozenset(row.key for row in rows if row.video == "F004_T8"),
        ),
        Bad(graded / "AU12/F001_T1_AU12.csv", 6, "1505,6", frozenset({("", "F001_T1", "", 1504)})),
    ]
    place = folder / "Sequences(2D+3D)"
    lost = {
        place / "F001/T1/1502.jpg": frozenset({("", "F001_T1", "", 1501)}),
        place / "M011/T3/0002.jpg": frozenset({("", "M011_T3", "", 1)}),
    }
    return Made(folder, rows, bads, texts, lost=lost, numbered=[place / "F001/T2", place / "F004/T8"])


def coding(rng: np.random.Generator, video: str, frames: Sequence[int], graded: Sequence[int]) -> Sequence4D:
    """Return a made coding: nobody coded AU 5, and some cells and intensities are 9."""
    cells = {unit: rng.choice([0, 1, 9], len(frames), p=[0.5, 0.4, 0.1]) for unit in COLUMNS}
    cells[5][:] = 9
    return Sequence4D(
        video,
        {
            frame: {unit: int(column[place]) for unit, column in cells.items()}
            for place, frame in enumerate(frames)
        },
        {unit: {frame: int(rng.choice([0, 1, 2, 3, 4, 5, 9])) for frame in frames} for unit in graded},
    )


def write_coding(folder: Path, made: Sequence4D, columns: Sequence[int], intensities: str) -> list[Path]:
    """Write the files of one sequence and return their paths.

    Args:
        folder: of the database.
        made: the sequence.
        columns: the order of the action units.
        intensities: the folder of the intensities' folders.
    """
    rows = [
        ",".join(map(str, [frame, *(cells[unit] for unit in columns)])) for frame, cells in made.coded.items()
    ]
    header = ",".join(map(str, [0, *columns]))
    paths = [write_lines(folder / "AUCoding/AU_OCC" / f"{made.video}.csv", [header, *rows])]
    for unit, values in made.graded.items():
        path = folder / intensities / f"AU{unit:02d}" / f"{made.video}_AU{unit:02d}.csv"
        paths.append(write_lines(path, [f"{frame},{value}" for frame, value in values.items()]))
    return paths


def truth(made: Sequence4D, missing: set[int] | None = None, pictures: bool = True) -> list[Row]:
    """Return the rows of one sequence; frame k of the coding is frame k - 1 of the Index.

    Args:
        made: the sequence.
        missing: frames (as in the files) without a picture.
        pictures: whether there are any.
    """
    return [
        Row(
            "",
            made.video,
            frame - 1,
            {
                ACTION_UNITS_BP4D: {
                    f"AU{u:02d}": float(v) for u, v in cells.items() if v != 9 and u not in (5, 9)
                },
                INTENSITIES_BP4D: {
                    f"AU{u:02d}": float(v[frame]) for u, v in made.graded.items() if v[frame] != 9
                },
            },
            subject=made.video[:4],
            picture=pictures and frame not in (missing or ()),
        )
        for frame, cells in made.coded.items()
    ]
