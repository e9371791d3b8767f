"""What a network says of faces that are followed: each with a state of its own, all with the sound.

    follower = Follower(bundle, read_sound(path))
    for frame in video:
        tracked = tracker.update(frame.image, frame.seconds)
        predictions, voice = follower.update(frame, tracked)

One frame after another is the only way: a file, a file in pieces and a live stream take it alike, so that
they give the same numbers.

A state belongs to the number of a face. It is forgotten at a cut, where all numbers end; after FORGET seconds
out of sight, also where the face then comes back under its number; and where time runs backwards. A face that
is missing for less goes on where it was: the frames between count as if they had not been.
"""

import math
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from mien.arrays import FloatArray, Image
from mien.bundle import Bundle, Predictor
from mien.faces.tracking import Tracked
from mien.hearing import Hearing
from mien.media.audio import Heard
from mien.media.frames import Frame
from mien.records import Predictions
from mien.voice import Voices, speaks

FORGET = 0.5
"""Seconds out of sight after which a face that returns begins anew; from frame to frame it is in sight."""

ALONE = "each picture is taken alone: without memory and to silence"
"""How a network that follows faces is given pictures."""


@dataclass(frozen=True)
class Listening:
    """What is done with sound.

    Attributes:
        sound: of the medium, on the clock of its frames; None where there is none.
        voice: whether to tell how well each mouth moves with the sound.
        own: whether a network that hears is given silence for faces that are not the one that speaks.
    """

    sound: Heard | None = None
    voice: bool = False
    own: bool = False


@dataclass(frozen=True)
class _Memory:
    """What is remembered of one face: the network's state, and when the face was seen last."""

    state: FloatArray
    seconds: float


class Follower:
    """Follows the faces of one medium; a fresh one for each.

    Args:
        predictor: what the faces are given to.
        listening: what is done with sound; a network that hears is given silence where there is none.
    """

    def __init__(self, predictor: Predictor, listening: Listening = Listening()) -> None:
        self.predictor = predictor
        self.listening = listening
        self._bundle = predictor if follows(predictor) else None
        self._memories: dict[int, _Memory] = {}
        self._before = math.nan
        wanted = listening.voice or (listening.own and hears(predictor))
        self._voices = Voices(listening.sound) if wanted and listening.sound is not None else None

    @property
    def told(self) -> str:
        """How faces are given to the network, in words; empty for one that takes each picture alone."""
        if self._bundle is None:
            return ""
        parts = []
        if self._bundle.memory:
            parts.append(f"each face has a memory of its own, which a cut or {FORGET} s out of sight end")
        if self._bundle.hearing is not None:
            if self.listening.sound is None:
                stated = self._bundle.card.get("silence")
                said = "picture only: there is no sound, and the network hears silence"
                parts.append(f"{said} ({stated})" if stated else said)
            elif self.listening.own:
                parts.append("the face whose mouth moves with the sound hears it, others hear silence")
            else:
                parts.append("all faces hear the sound of their time")
        return "; ".join(parts)

    def update(self, frame: Frame, tracked: Tracked) -> tuple[Predictions, FloatArray | None]:
        """Return what is said of the faces of the next frame, n rows, and how well each speaks.

        The second is (n,) as `Voices.update` gives it, NaN where not known; None where voices are not asked
        for.

        Raises:
            BundleError: the network says something that is not a number.
        """
        self._memories = {
            face: memory
            for face, memory in self._memories.items()
            if not tracked.cut
            and frame.seconds >= memory.seconds
            and (memory.seconds == self._before or frame.seconds - memory.seconds <= FORGET)
        }
        self._before = frame.seconds
        ids, landmarks = tracked.ids, tracked.faces.landmarks
        voice = None
        if self._voices is not None:
            voice = self._voices.update(frame.image, landmarks, ids, frame.seconds)
        elif self.listening.voice:
            voice = np.full(len(ids), np.nan, np.float32)
        if self._bundle is None or not len(ids):
            return predict(self.predictor, frame.image, landmarks), voice
        return self._followed(self._bundle, frame, tracked, voice), voice

    def _followed(
        self, bundle: Bundle, frame: Frame, tracked: Tracked, voice: FloatArray | None
    ) -> Predictions:
        """Return what a network with memory or hearing says, and keep what it remembers."""
        faces = prepared(bundle, frame.image, tracked.faces.landmarks)
        sound = self._heard(bundle.hearing, frame.seconds, len(faces), voice) if bundle.hearing else None
        states = None
        if bundle.memory:
            blank = _Memory(np.zeros(bundle.memory, np.float32), frame.seconds)
            states = np.stack([self._memories.get(face, blank).state for face in tracked.ids.tolist()])
        values, after = bundle.follow(faces, sound, states)
        if after is not None:
            for face, state in zip(tracked.ids.tolist(), after, strict=True):
                self._memories[face] = _Memory(state, frame.seconds)
        return Predictions({task: value[:, 0] for task, value in values.items()})

    def _heard(self, hearing: Hearing, seconds: float, faces: int, voice: FloatArray | None) -> FloatArray:
        """Return what each of some faces hears, (faces, 1, 1, bands, steps)."""
        sound = self.listening.sound
        silence = hearing.silence(1)
        heard = silence
        if sound is not None and np.isfinite(seconds):
            before, after = hearing.context
            samples, known = sound.between(seconds - before, seconds + after)
            heard, _ = hearing.arrays(samples, known, np.array([seconds]), seconds - before)
        each = np.repeat(heard[None], faces, axis=0)
        if self.listening.own:
            each[~speaks(voice, faces)] = silence
        return each


def hears(predictor: Predictor) -> bool:
    """Return whether a predictor takes sound."""
    return isinstance(predictor, Bundle) and predictor.hearing is not None


def follows(predictor: Predictor) -> TypeGuard[Bundle]:
    """Return whether a predictor says more of a face that is followed than of single pictures of it."""
    return isinstance(predictor, Bundle) and (predictor.memory > 0 or predictor.hearing is not None)


def prepared(predictor: Predictor, image: Image, landmarks: FloatArray) -> FloatArray:
    """Return the faces of one picture as the network wants them, (n, 1, channels, size, size); n >= 1."""
    crops = [predictor.preprocessing.crop(image, points) for points in landmarks]
    return predictor.preprocessing.arrays(np.stack(crops))


def predict(predictor: Predictor, image: Image, landmarks: FloatArray) -> Predictions:
    """Return predictions for the faces of one picture, landmarks (n, 5, 2), each alone."""
    if not len(landmarks):
        return Predictions({task: np.zeros((0, len(task)), np.float32) for task in predictor.tasks})
    return predictor.predict(prepared(predictor, image, landmarks))
