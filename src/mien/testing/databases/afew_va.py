"""A made AFEW-VA."""

import json
from pathlib import Path

import numpy as np

from mien.tasks import VALENCE_AROUSAL
from mien.testing.databases.made import Made, Row, write_face

CLIPS = {
    "01/001": "Zoë Müller",
    "01/002": "山田 花",
    "02/051": "Zoë Müller",
    "05/333": "A. Third",
    "12/599": "A. Fourth",
    "12/600": "A. Fifth",
}
"""Folder -> actor."""


def make_afew_va(folder: Path, seed: int = 0) -> Made:
    """Write six clips of five actors; one picture is missing, one has no label."""
    rng = np.random.default_rng(seed)
    rows, files = [], []
    for place, actor in CLIPS.items():
        clip = place.partition("/")[2]
        frames = {}
        for frame in range(4):
            valence, arousal = (int(value) for value in rng.integers(-10, 11, 2))
            valence = -10 if frame == 0 else valence
            there = (clip, frame) != ("333", 3)
            if there:
                write_face(folder / place / f"{frame:05d}.png", rng, size=64)
            landmarks = rng.uniform(0, 64, (68, 2)).round(1).tolist()
            frames[f"{frame:05d}"] = {
                "landmarks": landmarks,
                "valence": float(valence),
                "arousal": float(arousal),
            }
            labels = {VALENCE_AROUSAL: {"valence": valence / 10, "arousal": arousal / 10}}
            rows.append(Row("", clip, frame, labels, subject=actor, picture=there))
        path = folder / place / f"{clip}.json"
        path.write_text(json.dumps({"video_id": clip, "actor": actor, "frames": frames}), encoding="utf-8")
        files.append(path)
    write_face(folder / "12/600/00004.png", rng, size=64)
    lost = {folder / "02/051/00000.png": frozenset({("", "051", "", 0)})}
    return Made(folder, rows, others=files, lost=lost, numbered=[folder / "01/001", folder / "05/333"])
