"""A made AFEW, of videos alone and with extracted faces."""

from pathlib import Path

import numpy as np

from mien.tasks import EXPRESSION_7
from mien.testing.databases.made import MOUTHS, Key, Made, Row, write_face
from mien.testing.media import make_video

_FOLDERS = {
    "Angry": "anger",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happiness",
    "Neutral": "neutral",
    "Sad": "sadness",
    "Surprise": "surprise",
}


def make_afew(folder: Path, seed: int = 0) -> Made:
    """Write clips of few frames in the folders of their classes, and test clips without a label."""
    rng = np.random.default_rng(seed)
    rows = []
    for part, split in (("Train_AFEW", "train"), ("Val_AFEW", "validation")):
        for name, expression in _FOLDERS.items():
            clip = f"{int(rng.integers(0, 10**8)):09d}"
            _write_clip(folder / part / name / f"{clip}.avi")
            rows.append(Row(split, clip, 0, {EXPRESSION_7: {expression: 1.0}}))
    _write_clip(folder / "Test_AFEW" / "000115360.avi")
    return Made(folder, rows)


def make_afew_faces(folder: Path, seed: int = 0) -> Made:
    """Write the same with extracted faces beside the clips, numbered from 0; one clip has none.

    One folder of faces belongs to no clip, and one face in the middle was not found.
    """
    rng = np.random.default_rng(seed)
    rows = []
    numbered = []
    lost: dict[Path, frozenset[Key]] = {}
    parts = {"train": ("Train_AFEW", ""), "validation": ("Val_AFEW", "_Val")}
    for row in make_afew(folder, seed).rows:
        part, suffix = parts[row.split]
        faces = folder / part / f"AlignedFaces_LBPTOP_Points{suffix}" / "Faces" / row.video
        name = next(iter(row.labels[EXPRESSION_7]))
        missing = row.split == "train" and name == "fear"
        if not missing:
            for number in (0, 1, 3):
                write_face(faces / f"{number:03d}.jpg", rng, MOUTHS.get(name, 0), 128)
            numbered.append(faces)
        rows.append(Row(row.split, row.video, 0, row.labels, picture=not missing))
        if name == "sadness":
            lost[faces] = frozenset({row.key})
    write_face(numbered[0].with_name("000000001") / "000.jpg", rng)
    return Made(folder, rows, lost=lost, numbered=numbered)


def _write_clip(path: Path) -> None:
    """Write a video of three frames with sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    make_video(path, frames=3, size=(64, 48), sound=True)
