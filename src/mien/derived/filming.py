"""Clips of rendered faces: an expression that comes, stays and goes, with an utterance of its emotion.

Where there is an utterance the jaw moves with its loudness. What people say in it is not what the lips show.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.arrays import FloatArray
from mien.derived.facekit import sides
from mien.derived.scenery import Scene
from mien.derived.scripting import Director, Shown
from mien.errors import InputError
from mien.media.audio import RATE as SOUND_RATE
from mien.media.audio import read_sound
from mien.tasks import EXPRESSION_8_CONTEMPT

RATE = 25
"""Frames a second."""

EMOTIONS: Mapping[str, str] = {
    "W": "anger",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
"""The letter in an EmoDB file's name -> expression; boredom (L) has no counterpart."""

_NAME = re.compile(r"(\d\d)[ab]\d\d([A-Z])[a-z]\.(?:flac|wav)")
"""EmoDB (Burkhardt et al. 2005): speaker, text, emotion, version."""


@dataclass(frozen=True, eq=False)
class Take:
    """A clip before it is drawn.

    Attributes:
        shown: of each frame.
        scenes: of each frame.
        sound: the utterance; None for a silent clip.
    """

    shown: list[Shown]
    scenes: list[Scene]
    sound: Path | None


class Utterances:
    """The files of an EmoDB folder, divided by speaker so that parts share no voice.

    Args:
        folder: holds them.
        parts: names of the parts; each but the first gets one speaker, the first the rest.

    Raises:
        InputError: there is no utterance, or there are fewer speakers than parts.
    """

    def __init__(self, folder: Path, parts: Sequence[str]) -> None:
        named = [(match, path) for path in sorted(folder.glob("*")) if (match := _NAME.fullmatch(path.name))]
        speakers = sorted({match[1] for match, _ in named})
        if len(speakers) < len(parts):
            raise InputError(
                f"{folder}: utterances of {len(speakers)} speakers, expected EmoDB's, such as 03a01Fa.wav"
            )
        others = len(parts) - 1
        part_of = dict.fromkeys(speakers, parts[0]) | dict(zip(speakers[-others:], parts[1:], strict=True))
        self._files: dict[tuple[str, str], list[Path]] = {}
        for match, path in named:
            expression = EMOTIONS.get(match[2], "")
            self._files.setdefault((part_of[match[1]], expression), []).append(path)

    def any(self, rng: np.random.Generator, part: str, expression: str) -> Path | None:
        """Return an utterance of an expression; None where there is none."""
        files = self._files.get((part, expression), [])
        return files[int(rng.integers(len(files)))] if files else None


def take(
    rng: np.random.Generator,
    director: Director,
    scene: Scene,
    frames: int,
    sounds: tuple[Utterances, str] | None,
) -> Take:
    """Return a clip of one expression.

    Args:
        rng: where chance comes from.
        director: says what expressions look like.
        scene: what the clip begins with.
        frames: how many.
        sounds: utterances, and the part whose are taken; None for a silent clip.
    """
    expression = str(rng.choice(EXPRESSION_8_CONTEMPT.labels))
    apex, calm = director.scripted(rng, expression, 0.4), director.scripted(rng, "neutral")
    course = _course(rng, frames)
    activations = calm.activations + course[:, None] * (apex.activations - calm.activations)
    sound = sounds[0].any(rng, sounds[1], expression) if sounds else None
    jaw, blink = sides(director.names, "jawOpen"), sides(director.names, "eyeBlink")
    if sound is not None:
        activations[:, jaw] += rng.uniform(0.2, 0.45) * loudness(sound, frames)[:, None]
    activations[:, blink] = np.maximum(activations[:, blink], _blinks(rng, frames)[:, None])
    shares = calm.shares + course[:, None] * (apex.shares - calm.shares)
    shown = [
        Shown(np.clip(activation, 0, 1), expression, float(part * apex.intensity), share)
        for activation, part, share in zip(activations.astype(np.float32), course, shares, strict=True)
    ]
    return Take(shown, list(_moving(rng, scene, frames)), sound)


def loudness(path: Path, frames: int) -> FloatArray:
    """Return how loud a sound is in each frame (frames,), its loudest as 1; 0 behind its end."""
    samples = read_sound(path).samples.astype(np.float64)
    step = SOUND_RATE // RATE
    whole = np.zeros(frames * step)
    whole[: min(len(samples), len(whole))] = samples[: len(whole)]
    level = np.sqrt((whole.reshape(frames, step) ** 2).mean(axis=1))
    smooth = np.convolve(level, [0.25, 0.5, 0.25], mode="same")
    return np.asarray(smooth / max(smooth.max(), 1e-9))


def _course(rng: np.random.Generator, frames: int) -> FloatArray:
    """Return how far the expression has come in each frame (frames,): onset, apex, offset, each smooth."""
    seconds = np.arange(frames) / RATE
    length = frames / RATE
    onset, rising, falling = rng.uniform(0, 0.25) * length, rng.uniform(0.25, 0.8), rng.uniform(0.4, 1.2)
    offset = onset + rising + rng.uniform(0.3, 0.8) * length
    up = np.clip((seconds - onset) / rising, 0, 1)
    down = np.clip((seconds - offset) / falling, 0, 1)
    return np.asarray(up * up * (3 - 2 * up) * (1 - down * down * (3 - 2 * down)))


def _blinks(rng: np.random.Generator, frames: int) -> FloatArray:
    """Return how far the eyes are shut by blinks in each frame (frames,): about one in three seconds."""
    shut = np.zeros(frames)
    for _ in range(int(rng.poisson(frames / RATE / 3))):
        away = np.abs(np.arange(frames) - rng.uniform(0, frames)) / RATE
        shut = np.maximum(shut, np.clip(1.5 - away / 0.09, 0, 1))
    return shut


def _moving(rng: np.random.Generator, scene: Scene, frames: int) -> Iterator[Scene]:
    """Yield a scene for each frame in which the head moves a little."""
    seconds = np.arange(frames) / RATE
    swings = []
    for size in (5.0, 3.0, 2.0):
        waves = rng.uniform(0.1, 0.7, (3, 1)) * 2 * np.pi * seconds + rng.uniform(0, 2 * np.pi, (3, 1))
        swings.append(size * rng.uniform(0.2, 1) * np.sin(waves).mean(axis=0))
    for yaw, pitch, roll in np.transpose(swings):
        yield Scene(
            scene.yaw + float(yaw),
            scene.pitch + float(pitch),
            scene.roll + float(roll),
            scene.distance,
            scene.light,
        )
