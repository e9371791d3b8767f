"""A made copy of Aff-Wild."""

from pathlib import Path

import numpy as np

from mien.tasks import VALENCE_AROUSAL
from mien.testing.databases.made import Bad, Made, Row, write_lines
from mien.testing.media import make_video

_FRAMES = {"901": 6, "92": 8, "903": 7}
"""Video -> frames."""


def make_aff_wild(folder: Path, seed: int = 0) -> Made:
    """Write three labelled videos and one of the test part.

    As in the real files, the two traces of one video differ in length by a line, and folders of boxes
    lie beside them.
    """
    rng = np.random.default_rng(seed)
    rows, bads, texts, lost = [], [], [], {}
    for count, (video, frames) in enumerate(_FRAMES.items()):
        told = {
            name: [round(float(value), 3) for value in rng.uniform(-1, 1, frames)]
            for name in ("valence", "arousal")
        }
        for name, values in told.items():
            extra = [0.5] if (video, name) == ("92", "arousal") else []
            path = folder / "annotations" / "train" / name / f"{video}.txt"
            texts.append(write_lines(path, [str(value) for value in [*values, *extra]]))
            touched = frozenset({("train", video, "", 3)})
            bads += [Bad(path, 4, text, touched) for text in ("1.01", "0.1,0.2")[count % 2 :]]
        mine = [
            Row("train", video, frame, {VALENCE_AROUSAL: {name: told[name][frame] for name in told}})
            for frame in range(frames)
        ]
        rows += mine
        path = folder / "videos" / "train" / f"{video}{'.avi' if count else '.mp4'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        make_video(path, frames=frames)
        lost[path] = frozenset(row.key for row in mine)
    write_lines(folder / "bboxes" / "train" / "901" / "1.pts", ["version: 1", "{", "0 0", "}"])
    (folder / "videos" / "test").mkdir()
    make_video(folder / "videos" / "test" / "905.mp4", frames=3)
    return Made(folder, rows, bads, texts, lost=lost)
