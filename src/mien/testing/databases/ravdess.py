"""A made RAVDESS."""

from pathlib import Path

from mien.tasks import EXPRESSION_7
from mien.testing.databases.made import Made, Row
from mien.testing.media import make_sound, make_video

_MEANT = {
    1: "neutral",
    2: "",
    3: "happiness",
    4: "sadness",
    5: "anger",
    6: "fear",
    7: "disgust",
    8: "surprise",
}

_FILES = {
    "Video_Speech_Actor_01/Actor_01": ("01-01-01-01-01-01-01.mp4", "02-01-01-01-01-01-01.mp4"),
    "Video_Song_Actor_01/Actor_01": ("01-02-02-01-01-01-01.mp4", "02-02-03-02-01-02-01.mp4"),
    "Audio_Speech_Actors_01-24/Actor_01": ("03-01-01-01-01-01-01.wav",),
    "Video_Speech_Actor_02/Actor_02": ("01-01-04-01-02-01-02.mp4", "01-01-05-02-02-01-02.mp4"),
    "Audio_Speech_Actors_01-24/Actor_02": ("03-01-06-02-02-01-02.wav",),
    "Video_Speech_Actor_11/Actor_11": ("01-01-07-01-01-01-11.mp4",),
    "Video_Speech_Actor_12/Actor_12": ("01-01-08-01-01-01-12.mp4", "02-01-02-02-01-01-12.mp4"),
    "Audio_Speech_Actors_01-24/Actor_12": ("03-01-02-02-01-01-12.wav",),
    "Video_Speech_Actor_23/Actor_23": ("01-01-03-01-01-01-23.mp4",),
}
"""Folder -> files; performances have from one to three of them."""


def make_ravdess(folder: Path, seed: int = 0) -> Made:  # noqa: ARG001  (nothing is random)
    """Write ten performances of five actors; one has a sound only, some have two or three files.

    Of the videos one is real; the others are empty files.
    """
    rows: dict[str, Row] = {}
    for place, names in _FILES.items():
        for name in names:
            path = folder / place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name == "01-01-01-01-01-01-01.mp4":
                make_video(path, frames=3, sound=True)
            elif path.suffix == ".wav":
                make_sound(path, seconds=0.05, rate=16_000, layout="mono")
            else:
                path.touch()
            performance = path.stem[3:]
            meant = _MEANT[int(performance[3:5])]
            labels = {EXPRESSION_7: {meant: 1.0}} if meant else {}
            picture = performance != "01-06-02-02-01-02"
            rows[performance] = Row("", performance, 0, labels, subject=performance[-2:], picture=picture)
    lost = {
        folder / "Video_Speech_Actor_12/Actor_12/02-01-02-02-01-01-12.mp4": frozenset(
            {("", "01-02-02-01-01-12", "", 0)}
        )
    }
    return Made(folder, list(rows.values()), lost=lost)
