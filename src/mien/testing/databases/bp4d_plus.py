"""A made BP4D+."""

import zipfile
from pathlib import Path

import numpy as np

from mien.testing.databases.bp4d import COLUMNS, GRADED, coding, truth, write_coding
from mien.testing.databases.made import Bad, Made, write_face, write_lines


def make_bp4d_plus(folder: Path, seed: int = 0) -> Made:
    """Write codings from frame 1 and pictures from 0 of four subjects.

    As in the real database one sequence is listed and does not exist, tasks that nobody coded have
    pictures, and one subject's pictures are still in a zip file.
    """
    rng = np.random.default_rng(seed)
    rows, texts = [], []
    place = folder / "2D+3D"
    for video in ("F001_T1", "F001_T6", "F082_T7", "M001_T8", "M058_T1"):
        made = coding(rng, video, range(1, 6), GRADED)
        texts += write_coding(folder, made, COLUMNS, "AUCoding/AU_INT")
        zipped = video.startswith("M058")
        rows += truth(made, {5} if video == "F082_T7" else None, not zipped)
        for number in range(0 if zipped else 6):
            if (video, number) != ("F082_T7", 4):
                write_face(place / video.replace("_", "/") / f"{number:0{3 + number % 2}d}.jpg", rng, size=48)
    write_face(place / "F001/T2/0000.jpg", rng, size=48)
    with zipfile.ZipFile(place / "M058.zip", "w") as archive:
        archive.writestr("M058/T1/0000.jpg", b"")
    write_lines(folder / "AUCoding/AU_OCC/F042_T11.csv", [",".join(map(str, [0, *COLUMNS]))])
    occurrences = folder / "AUCoding/AU_OCC"
    bads = [
        Bad(occurrences / "M001_T8.csv", 4, "3" + ",x" * len(COLUMNS), frozenset({("", "M001_T8", "", 2)})),
        Bad(
            folder / "AUCoding/AU_INT/AU17/F001_T6_AU17.csv",
            5,
            "5,1,1",
            frozenset({("", "F001_T6", "", 4)}),
        ),
    ]
    lost = {
        place / "F001/T1/000.jpg": frozenset({("", "F001_T1", "", 0)}),
        place / "M001/T8/004.jpg": frozenset({("", "M001_T8", "", 4)}),
    }
    return Made(folder, rows, bads, texts, lost=lost, numbered=[place / "F001/T1", place / "F082/T7"])
