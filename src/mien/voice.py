"""Whose voice is heard: how well each mouth moves with the sound. The rule is told in docs/voice.md.

    voices = Voices(sound)
    for frame in video:
        tracked = tracker.update(frame.image, frame.seconds)
        voice = voices.update(frame.image, tracked.faces.landmarks, tracked.ids, frame.seconds)
        speaking = speaks(voice, len(voice))

A mouth that opens shows dark and teeth between the lips, so its picture gains contrast, and a voice is louder
while the mouth is open. So the changes of both are held against each other. That is a measure of agreement,
not of speech: it knows nothing of what a voice sounds like.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from mien.arrays import BoolArray, FloatArray, Image, IntArray
from mien.faces.alignment import TEMPLATE, align, similarity
from mien.media.audio import RATE, Heard

SPEAKING = 0.4
"""The least voice of a face that is said to speak."""

FORGET = 1.0
"""Seconds out of sight after which a face that returns begins anew."""

CENTRE, WIDTH = (56.0, 92.0), 40.0
"""Middle and side of the square that shows the mouth, in the 112 x 112 pixels of the template."""

SIZE = 32
"""Pixels of a side of the mouth's picture."""

COARSEST = 0.15
"""Seconds between two frames beyond which their difference says nothing: below 7 frames/s all is unknown."""

SILENCE = -50.0
"""Decibels (0: a sine of full scale): where nothing is louder, there is no voice to place."""

DEPTH = 30.0
"""Decibels below the loudest moment of the span that count as silent."""

Measure = Callable[[Image], float]
"""From the grey picture of a mouth, (SIZE, SIZE), to how open it looks, in any unit."""


def contrast(mouth: Image) -> float:
    """Return the logarithm of 1 + the standard deviation of a picture's greys: an open mouth has more."""
    return float(np.log1p(cv2.meanStdDev(mouth)[1][0, 0]))


@dataclass(frozen=True)
class Rule:
    """How mouths are held against the sound; times in seconds.

    Attributes:
        span: how much of the past is looked at.
        least: how much of it must be known.
        step: over which time changes are taken, at least: to the last frame that is so much earlier. With 0
            courses are compared as they are.
        window: length of sound whose power is the level at its middle.
        lags: how much later than the picture its sound may be; the best of them counts.
        measure: how open a mouth looks.
        tremor: standard deviation of its changes that is put down to noise, so that a mouth that hardly
            changes does not speak, in the unit of `measure`; talkers have 0.04 to 0.11, still faces 0.02.
        hum: the same of the level's changes in decibels, so that steady noise is no voice; speech has 6 to 9.
    """

    span: float = 2.0
    least: float = 1.5
    step: float = 0.06
    window: float = 0.04
    lags: tuple[float, ...] = (-0.04, -0.02, 0.0, 0.02, 0.04, 0.06)
    measure: Measure = contrast
    tremor: float = 0.02
    hum: float = 1.0

    @property
    def wait(self) -> float:
        """How long a picture waits for its sound."""
        return max(*self.lags, 0.0) + self.window / 2

    @property
    def reach(self) -> float:
        """How far back frames are remembered and sound is asked for."""
        return self.wait + self.span + COARSEST - min(*self.lags, 0.0) + self.window


class Voices:
    """Tells how well each mouth moves with the sound; a fresh one for each medium.

    What is told of a face depends on its own past and the sound alone, both up to the present.

    Args:
        sound: of the medium, on the clock of its frames. It is asked for the last `rule.reach` seconds.
        rule: how mouths are held against it.
    """

    def __init__(self, sound: Heard | None, rule: Rule = Rule()) -> None:
        self._sound = sound
        self._rule = rule
        self._times: list[float] = []
        self._courses: dict[int, list[float]] = {}
        self._seen: dict[int, float] = {}

    def update(self, image: Image, landmarks: FloatArray, ids: IntArray, seconds: float) -> FloatArray:
        """Return how well each face's mouth moves with the sound, (n,) float32 in [-1, 1].

        NaN where that is not known: less than `rule.least` seconds of face and sound, only silence, or a
        frame without time. A time that does not advance begins all anew.

        Args:
            image: (height, width, 3) BGR.
            landmarks: (n, 5, 2) in pixels, in the order of `mien.faces.alignment`.
            ids: (n,) numbers of the faces; a cut gives new ones.
            seconds: time of the frame on the clock of the sound.
        """
        unknown = np.full(len(ids), np.nan, np.float32)
        if self._sound is None or not np.isfinite(seconds):
            return unknown
        self._advance(seconds)
        for face, points in zip(ids.tolist(), landmarks, strict=True):
            course = self._courses.setdefault(face, [])
            course.extend([np.nan] * (len(self._times) - 1 - len(course)))
            course.append(self._rule.measure(mouth(image, points)))
            self._seen[face] = seconds
        if not len(ids) or seconds - self._times[0] < self._rule.least:
            return unknown
        courses = np.full((len(ids), len(self._times)), np.nan)
        for row, face in enumerate(ids.tolist()):
            courses[row] = self._courses[face]
        return agreement(np.array(self._times), courses, self._levels(self._sound), seconds, self._rule)

    def _advance(self, seconds: float) -> None:
        """Take a frame's time, and forget what lies too far back, and faces that are gone."""
        if self._times and not seconds > self._times[-1]:
            self._times, self._courses, self._seen = [], {}, {}
        self._times.append(seconds)
        old = int(np.searchsorted(self._times, seconds - self._rule.reach))
        gone = {face for face, last in self._seen.items() if seconds - last > FORGET}
        for face in gone:
            del self._courses[face], self._seen[face]
        del self._times[:old]
        for course in self._courses.values():
            del course[:old]

    def _levels(self, sound: Heard) -> FloatArray:
        """Return the level in decibels at each frame and lag, (lags, frames); NaN where not known yet."""
        now = self._times[-1]
        first, last = round((now - self._rule.reach) * RATE), round(now * RATE)
        samples, known = sound.between(first / RATE, last / RATE)
        power = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
        count = np.concatenate([[0], np.cumsum(known)])
        length = round(self._rule.window * RATE)
        middles = np.array(self._times) + np.array(self._rule.lags)[:, None]
        starts = np.rint(middles * RATE).astype(np.int64) - length // 2 - first
        inside = (starts >= 0) & (starts + length <= len(samples))
        starts = np.where(inside, starts, 0)
        ends = np.minimum(starts + length, len(samples))
        mean = np.maximum(power[ends] - power[starts], 0) / length
        whole = inside & (count[ends] - count[starts] == length)
        return np.where(whole, 10 * np.log10(2 * mean + 1e-12), np.nan)


def mouth(image: Image, landmarks: FloatArray) -> Image:
    """Return the grey picture of a mouth, (SIZE, SIZE), in one position however the head stands.

    Args:
        image: (height, width, 3) BGR.
        landmarks: (5, 2) in pixels.
    """
    corner = np.array(CENTRE) - WIDTH / 2
    crop = align(image, similarity(landmarks, (TEMPLATE - corner) * (SIZE / WIDTH)), SIZE)
    return np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8)


def agreement(
    times: FloatArray, courses: FloatArray, levels: FloatArray, now: float, rule: Rule
) -> FloatArray:
    """Return the greatest correlation over the lags of changes of courses and of levels, (n,) float32.

    Pearson's, over the frames of the span whose changes are known, the sound's at every lag, with
    `rule.tremor` ** 2 added to the mouth's variance and `rule.hum` ** 2 to the sound's. NaN where these are
    fewer than `rule.least` seconds of frames, or where there is no variance.

    Args:
        times: (frames,) seconds, rising.
        courses: (n, frames) of each mouth; NaN where not known.
        levels: (lags, frames) in decibels; NaN where not known.
        now: seconds.
        rule: how they are held against each other.
    """
    span = (times >= now - rule.wait - rule.span - 1e-6) & (times <= now - rule.wait + 1e-6)
    loud = levels[:, span & np.isfinite(levels).all(axis=0)]
    if not loud.size or loud.max() < SILENCE:
        return np.full(len(courses), np.nan, np.float32)
    levels = np.maximum(levels, loud.max() - DEPTH)
    steps = np.minimum(np.diff(times, prepend=times[0]), COARSEST)
    if rule.step:
        before = np.searchsorted(times, times - rule.step + 1e-3, "right") - 1
        span &= (before >= 0) & (times - times[before] <= COARSEST)
        courses, levels = courses - courses[:, before], levels - levels[:, before]
    known = span & np.isfinite(levels).all(axis=0) & np.isfinite(courses)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    mouths = np.where(known, courses, 0)
    mouths = np.where(known, mouths - mouths.sum(axis=1, keepdims=True) / count, 0)
    sounds = np.where(known[:, None], levels, 0)
    sounds = np.where(known[:, None], sounds - sounds.sum(axis=2, keepdims=True) / count[:, None], 0)
    shared = (sounds @ mouths[:, :, None])[:, :, 0]
    moved = np.sum(mouths**2, axis=1, keepdims=True) + count * rule.tremor**2
    power = moved * (np.sum(sounds**2, axis=2) + count * rule.hum**2)
    enough = (known * steps).sum(axis=1) >= rule.least - 1e-6
    told = enough & (power > 1e-9).all(axis=1)
    best = np.max(shared / np.sqrt(np.where(power > 0, power, 1)), axis=1)
    return np.where(told, np.clip(best, -1, 1), np.nan).astype(np.float32)


def speaks(voice: FloatArray | None, faces: int) -> BoolArray:
    """Return which of a frame's faces speaks, (faces,): that of the greatest voice, if it reaches SPEAKING.

    None does where nothing is known.

    Args:
        voice: (faces,) from `Voices.update`, or None.
        faces: how many there are.
    """
    speaking = np.zeros(faces, bool)
    if voice is not None and np.isfinite(voice).any():
        best = int(np.nanargmax(voice))
        speaking[best] = voice[best] >= SPEAKING
    return speaking
