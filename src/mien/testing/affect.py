"""An audiovisual database whose labels each show in one place only, for seeing what a network can use.

    valence       only in the face: how far the mouth bends
    arousal       only in the sound: how loud a tone is
    AU01, AU02    only in motion over time: the brows turn up, the eyes open; how they stand in any one
                  frame tells nothing
    expression    happiness, neutral or sadness by valence, so that it and valence can help each other

Each clip shows another person: faces differ in shape, features, skin and light. Of each of the three tasks'
labels a share is missing, clip by clip. The folder is a table of one's own (`mien prepare table FOLDER
--aligned`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from mien.arrays import FloatArray, Image
from mien.testing.media import make_video

RATE = 25
SIZE = 64


def make_affect(
    folder: Path, clips: dict[str, int], frames: int = 80, missing: float = 0.6, seed: int = 0
) -> Path:
    """Write videos with sound and a manifest.csv with a row per frame; return the folder.

    Args:
        folder: the database to make.
        clips: part -> number of clips.
        frames: of each clip, at 25 a second.
        missing: share of clips of the training part without labels of a task, for each task by chance.
        seed: of all chance.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["path,frame,split,subject,sound,cropped,valence,arousal,expression,AU01,AU02"]
    for split, count in clips.items():
        for number in range(count):
            name = f"{split}_{number:04d}.mp4"
            traces = _traces(frames, rng)
            _film(folder / name, traces, rng)
            share = missing if split == "train" else 0.0
            lines += _rows(name, split, traces, rng.random(3) >= share)
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def _traces(frames: int, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Return what happens in a clip: valence, arousal, and how brows and eyes stand (0 to 1) and move."""
    traces: dict[str, FloatArray] = {name: _smooth(frames, rng) for name in ("valence", "arousal")}
    for name in ("brows", "eyes"):
        traces[name], traces[f"{name}_rising"] = _swing(frames, rng)
    return traces


def _swing(frames: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return a place in 0 to 1 that moves by 0.1 a frame, and 1 where it has just risen, 0 where fallen.

    It turns at both ends and by chance, so that any place is as often reached rising as falling.
    """
    place, rising = np.zeros(frames), np.zeros(frames)
    here, up = rng.uniform(), bool(rng.integers(2))
    for frame in range(frames):
        up = up != (rng.random() < 0.1)
        here += 0.1 if up else -0.1
        if not 0 <= here <= 1:
            here, up = (-here if here < 0 else 2 - here), not up
        place[frame], rising[frame] = here, up
    return place, rising


def _smooth(frames: int, rng: np.random.Generator) -> FloatArray:
    """Return a slow trace in [-1, 1]."""
    knots = rng.uniform(-1, 1, frames // 20 + 2)
    return np.interp(np.arange(frames) / 20, np.arange(len(knots)), knots)


def _film(path: Path, traces: dict[str, FloatArray], rng: np.random.Generator) -> None:
    """Write a clip: a drawn face that shows some traces, and a tone that is as loud as arousal says."""
    person = _Person.of(rng)
    noise = rng.normal(0, 4, (SIZE, SIZE))
    pitch = rng.uniform(200, 600)
    times = np.arange(len(traces["arousal"])) / RATE

    def draw(number: int) -> Image:
        face = _face(traces, number, person) + noise
        grey = np.clip(face, 0, 255).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)

    def hear(seconds: FloatArray) -> FloatArray:
        loud = np.interp(seconds, times, traces["arousal"])
        amplitude = 0.8 * 10 ** ((loud - 1) * 1.25)
        return np.asarray(amplitude * np.sin(2 * np.pi * pitch * seconds), np.float64)

    make_video(path, frames=len(times), size=(SIZE, SIZE), rate=RATE, sound=True, draw=draw, hear=hear)


@dataclass(frozen=True)
class _Person:
    """What does not change in a clip: greys, and sizes in pixels of a picture of 256."""

    skin: int
    ground: int
    dark: int
    wide: int
    tall: int
    apart: int
    eye: int
    brow: int
    mouth: int
    lips: int
    below: int

    @classmethod
    def of(cls, rng: np.random.Generator) -> Self:
        """Return somebody."""
        low = [110, 20, 10, 76, 104, 32, 12, 6, 30, 5, 170]
        high = [230, 100, 70, 104, 126, 46, 22, 14, 54, 14, 196]
        return cls(*(int(number) for number in rng.integers(low, high)))


def _face(traces: dict[str, FloatArray], number: int, person: _Person) -> Image:
    """Return a drawn face (SIZE, SIZE) of one frame."""
    image = np.full((4 * SIZE, 4 * SIZE), person.ground, np.uint8)
    cv2.ellipse(image, (128, 128), (person.wide, person.tall), 0, 0, 360, person.skin, -1)
    height = round(2 + 26 * traces["eyes"][number])
    tilt = round(56 * (traces["brows"][number] - 0.5))
    for side in (-1, 1):
        middle = 128 + person.apart * side
        cv2.ellipse(image, (middle, 112), (person.eye, height), 0, 0, 360, person.dark, -1)
        inner, outer = (middle - 20 * side, 62 + tilt), (middle + 20 * side, 62 - tilt)
        cv2.line(image, inner, outer, person.dark, person.brow)
    x = np.linspace(-person.mouth, person.mouth, 23)
    bend = 24 * traces["valence"][number] * ((1 - (x / person.mouth) ** 2) - 0.5)
    mouth = np.stack([128 + x, person.below + bend], axis=1).round().astype(np.int32)
    cv2.polylines(image, [mouth], False, person.dark, person.lips)
    return np.asarray(cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.uint8)


def _rows(name: str, split: str, traces: dict[str, FloatArray], known: np.ndarray) -> list[str]:
    """Return the table's rows of a clip; `known` says of valence-arousal, expression and units."""
    rows = []
    for frame, (valence, arousal) in enumerate(zip(traces["valence"], traces["arousal"], strict=True)):
        circumplex = f"{valence:.4f},{arousal:.4f}" if known[0] else ","
        word = "happiness" if valence > 1 / 3 else "sadness" if valence < -1 / 3 else "neutral"
        expression = word if known[1] else ""
        moving = (traces["brows_rising"][frame], traces["eyes_rising"][frame])
        units = f"{moving[0]:.0f},{moving[1]:.0f}" if known[2] else ","
        rows.append(
            f"{name},{frame},{split},{name.removesuffix('.mp4')},{name},1,{circumplex},{expression},{units}"
        )
    return rows
