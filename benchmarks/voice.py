"""How well the rule of mien.voice tells whose voice is heard.

    python benchmarks/voice.py TALKERS... [--silent VIDEO...] [--together VIDEO] [--tried]

Every face that a tracker finds in the TALKERS' videos, with the sound of its time, is a clip: one person who
is seen and heard. Videos of --silent show faces that do not speak. Every face is then held against every
clip's sound, as `Voices` does it frame by frame, and read at the last frame of each half second in which all
is known. Prints

- AUC: how often a face has more voice with its own sound than with another's (swapped), with its own at
  another time (moved by 0.5 and 1 s either way, its end put before its beginning), and than a face that does
  not speak has with a talker's sound (silent);
- how often the talker has the greatest voice of two, of three, and of two of which the other does not speak;
- how often `speaks` says that a face alone speaks: with its own sound, swapped, silent.

Intervals hold in 95 % of draws of as many talkers with replacement (1,000 draws): readings of one talker are
not independent.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from mien.arrays import BoolArray, FloatArray, Image, IntArray
from mien.errors import InputError, MienError
from mien.faces.detection import Mtcnn
from mien.faces.tracking import Tracker
from mien.media.audio import RATE, Heard, Sound, read_sound
from mien.media.video import Video
from mien.voice import SPEAKING, Rule, Voices

MOVES = (-1.0, -0.5, 0.5, 1.0)
"""Seconds by which a sound is moved."""

EVERY = 0.5
"""Seconds from one reading to the next."""

DRAWS = 1000
COLUMNS = (
    *("AUC swapped", "AUC moved", "AUC silent", "of two", "of three", "of talker and silent"),
    *("speaks: own", "speaks: swapped", "speaks: silent", "readings"),
)
"""What is printed of each rule; see above."""

MARGIN = 0.5
"""Room around a face that is kept, as a share of its box."""


@dataclass(frozen=True)
class Clip:
    """A face over some time, with the sound of it: a person seen and heard.

    Attributes:
        name: video and number of the face.
        times: (frames,) seconds on the clock of the video, of the frames with the face.
        images: what is around the face in each.
        landmarks: (frames, 5, 2) in these images.
        sound: of the video.
        end: seconds at which the last frame ends.
    """

    name: str
    times: FloatArray
    images: list[Image]
    landmarks: FloatArray
    sound: Sound
    end: float


@dataclass(frozen=True)
class Excerpt:
    """The sound of a clip under the pictures of another, from the beginning of both.

    Attributes:
        clip: whose sound it is.
        start: seconds at which the other's pictures begin.
        move: seconds by which it is moved; what goes over the end comes first.
    """

    clip: Clip
    start: float
    move: float = 0.0

    def between(self, start: float, end: float) -> tuple[FloatArray, BoolArray]:
        """Return what is heard, as `Heard` says."""
        first = round(self.clip.times[0] * RATE)
        samples, known = self.clip.sound.between(first / RATE, self.clip.end)
        place = round((start - self.start) * RATE) + np.arange(round((end - start) * RATE))
        inside = (place >= 0) & (place < len(samples))
        place = (place - round(self.move * RATE)) % len(samples)
        return np.where(inside, samples[place], np.float32(0)), inside & known[place]


@dataclass(frozen=True)
class Mixed:
    """Several sounds at once, of which only what all know is known."""

    sounds: Sequence[Heard]

    def between(self, start: float, end: float) -> tuple[FloatArray, BoolArray]:
        """Return their mean, as `Heard` says."""
        parts = [sound.between(start, end) for sound in self.sounds]
        samples: FloatArray = np.mean([samples for samples, _ in parts], axis=0)
        known: BoolArray = np.all([known for _, known in parts], axis=0)
        return samples, known


@dataclass(frozen=True)
class Noise:
    """White noise that never ends, `level` decibels of full scale loud."""

    level: float
    wave: FloatArray

    def between(self, start: float, end: float) -> tuple[FloatArray, BoolArray]:
        """Return what is heard, as `Heard` says."""
        place = round(start * RATE) + np.arange(round((end - start) * RATE))
        samples = self.wave[place % len(self.wave)] * np.float32(10 ** (self.level / 20) / 2**0.5)
        return samples, np.ones(len(samples), bool)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("talkers", type=Path, nargs="+", help="videos in which one face at a time is heard")
    parser.add_argument("--silent", type=Path, nargs="*", default=[], help="videos of faces that say nothing")
    parser.add_argument("--together", type=Path, help="a video of several of the talkers, who all speak")
    parser.add_argument("--shrink", type=int, default=1, help="show everything this many times smaller")
    parser.add_argument("--skip", type=int, default=0, help="leave out so many talkers, from the first on")
    parser.add_argument("--hard", action="store_true", help="also measure it where it is hard")
    parser.add_argument("--tried", action="store_true", help="also measure other rules")
    options = parser.parse_args()
    try:
        talkers = [clip for path in options.talkers for clip in clips(path, options.shrink)]
        silent = [clip for path in options.silent for clip in clips(path, options.shrink)]
        silent = [piece for clip in silent for piece in pieces(clip)]
        talkers = talkers[options.skip :]
        if len(talkers) < 3:
            raise InputError(f"{len(talkers)} talkers, expected at least 3")
        print(
            f"{len(talkers)} talkers, {len(silent)} pieces of silent faces, times smaller: {options.shrink}\n"
        )
        print(f"| rule | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
        for name, rule in (OTHERS if options.tried else {"as it is": Rule}).items():
            print(f"| {name} | {' | '.join(figures(talkers, silent, rule))} |", flush=True)
        if options.hard:
            hard(talkers)
        if options.together:
            together(options.together, talkers)
        cost(talkers[0])
    except MienError as error:
        raise SystemExit(f"mien: {error}") from error


def clips(path: Path, shrink: int = 1) -> list[Clip]:
    """Return every face of a video that is seen for at least two seconds."""
    tracker, sound = Tracker(Mtcnn()), read_sound(path)
    seen: dict[int, list[tuple[float, Image, FloatArray]]] = {}
    with Video(path) as video:
        for frame in video:
            image = frame.image
            if shrink > 1:
                size = (image.shape[1] // shrink, image.shape[0] // shrink)
                image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            tracked = tracker.update(image, frame.seconds)
            for face, box, points in zip(
                tracked.ids.tolist(), tracked.faces.boxes, tracked.faces.landmarks, strict=True
            ):
                corner = np.maximum(box[:2] - MARGIN * box[2:], 0).astype(int)
                far = (box[:2] + (1 + MARGIN) * box[2:]).astype(int)
                part = image[corner[1] : far[1], corner[0] : far[0]].copy()
                seen.setdefault(face, []).append((frame.seconds, part, points - corner))
    found = []
    for face, sights in seen.items():
        times = np.array([sight[0] for sight in sights])
        if times[-1] - times[0] >= 2:
            images, landmarks = [sight[1] for sight in sights], np.stack([sight[2] for sight in sights])
            end = float(times[-1] + np.median(np.diff(times)))
            found.append(Clip(f"{path.name} {face}", times, images, landmarks, sound, end))
    return found


def pieces(clip: Clip, seconds: float = 3.0) -> Iterator[Clip]:
    """Yield a clip in pieces of some seconds; the last may be as short as two."""
    number = np.floor((clip.times - clip.times[0]) / seconds).astype(int)
    for piece in range(int(number[-1]) + 1):
        rows = np.flatnonzero(number == piece)
        times = clip.times[rows]
        if times[-1] - times[0] >= 2:
            images = [clip.images[row] for row in rows]
            yield Clip(clip.name, times, images, clip.landmarks[rows], clip.sound, float(times[-1]))


def readings(clip: Clip, sound: Heard, rule: Rule) -> FloatArray:
    """Return a face's voice at the last frame of each half second; NaN where not known."""
    voices, told = Voices(sound, rule), []
    face = np.zeros(1, np.int64)
    for image, points, seconds in zip(clip.images, clip.landmarks, clip.times, strict=True):
        told.append(float(voices.update(image, points[None], face, float(seconds))[0]))
    half = np.floor((clip.times - clip.times[0] + 1e-3) / EVERY)
    last = np.append(half[1:] > half[:-1], True)
    values: FloatArray = np.array(told)[last]
    return values


def figures(talkers: Sequence[Clip], silent: Sequence[Clip], rule: Callable[[], Rule]) -> Iterator[str]:
    """Yield the figures of one rule, each with its interval.

    Args:
        talkers: at least three.
        silent: faces that say nothing; may be none.
        rule: makes it, afresh for each course.
    """
    slots = len(readings(talkers[0], talkers[0].sound, rule()))
    table = np.full((len(talkers) + len(silent), len(talkers), slots), np.nan)
    moved = np.full((len(talkers), len(MOVES), slots), np.nan)
    for row, face in enumerate([*talkers, *silent]):
        for column, clip in enumerate(talkers):
            told = readings(face, Excerpt(clip, face.times[0]), rule())[:slots]
            table[row, column, : len(told)] = told
        for column, move in enumerate(MOVES if row < len(talkers) else ()):
            told = readings(face, Excerpt(face, face.times[0], move), rule())[:slots]
            moved[row, column, : len(told)] = told
    everybody = np.arange(len(talkers))
    rng = np.random.default_rng(0)
    drawn = [scores(table, moved, rng.integers(len(talkers), size=len(talkers))) for _ in range(DRAWS)]
    spread = np.array(drawn)
    spread[:, np.isnan(spread).all(axis=0)] = -1
    low, high = np.nanquantile(spread, [0.025, 0.975], axis=0)
    for value, one, other in zip(scores(table, moved, everybody), low, high, strict=True):
        yield "" if np.isnan(value) else f"{value:.2f} ({one:.2f}-{other:.2f})"
    yield str(int(np.isfinite(table[everybody, everybody]).sum()))


def scores(table: FloatArray, moved: FloatArray, who: IntArray) -> list[float]:
    """Return the figures that main's docstring tells of, of some talkers; NaN where there is nothing to tell.

    Args:
        table: (talkers and silent faces, sounds of talkers, readings).
        moved: (talkers, MOVES, readings).
        who: numbers of the talkers that count, as often as they stand there.
    """
    own = table[who, who]
    others, quiet = table[who][:, who], table[table.shape[1] :][:, who]
    apart = who[:, None] != who
    swapped = others[apart]
    better, listened = right(own, others), right(own, quiet)
    better[~apart] = np.nan
    three = np.minimum(better[:, None], better[None])
    three[~apart[:, :, None].repeat(len(who), 2)] = np.nan
    return [
        area(own, swapped),
        area(own, moved[who]),
        area(own, quiet),
        mean(better),
        mean(three),
        mean(listened),
        mean(right(own, np.full(1, SPEAKING - 1e-9))),
        mean(right(swapped, np.full(1, SPEAKING - 1e-9))),
        mean(right(quiet, np.full(1, SPEAKING - 1e-9))),
    ]


def right(value: FloatArray, other: FloatArray) -> FloatArray:
    """Return 1 where a value is above the other, 0 where not, NaN where one is not known."""
    return np.where(np.isfinite(value) & np.isfinite(other), value > other, np.nan)


def mean(values: FloatArray) -> float:
    """Return the mean of what is known."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def area(positive: FloatArray, negative: FloatArray) -> float:
    """Return how often a positive is above a negative, half of ties counted; unknown ones left out."""
    one, other = positive[np.isfinite(positive)], np.sort(negative[np.isfinite(negative)])
    if not len(one) or not len(other):
        return float("nan")
    below, upto = np.searchsorted(other, one, "left"), np.searchsorted(other, one, "right")
    return float((below + upto).mean() / 2 / len(other))


def hard(talkers: Sequence[Clip]) -> None:
    """Print figures for sound that is off, frames that are few, noise, and two who speak at once."""
    apart = ~np.eye(len(talkers), dtype=bool)
    print("\n| condition | AUC swapped | speaks: own | speaks: swapped |\n|---|---|---|---|")
    plain = crossed(talkers)
    for move in (-0.12, -0.08, -0.06, -0.04, 0.0, 0.04, 0.06, 0.08, 0.12):
        own = np.array([readings(clip, Excerpt(clip, clip.times[0], move), Rule()) for clip in talkers])
        print(line(f"sound {move:+.2f} s late", own, plain[apart]), flush=True)
    for keep in (2, 3):
        told = crossed([thinned(clip, keep) for clip in talkers])
        print(line(f"one frame in {keep}", told[~apart], told[apart]), flush=True)
    wave = np.random.default_rng(0).normal(0, 1, 10 * RATE).astype(np.float32)
    for level in (-30.0, -20.0, -10.0):
        told = crossed(talkers, [Noise(level, wave)])
        print(line(f"white noise, {level:g} dB", told[~apart], told[apart]), flush=True)
    told = np.array([readings(clip, Noise(-20.0, wave), Rule()) for clip in talkers])
    print(line("white noise alone", plain[~apart], told))
    both: list[FloatArray] = []
    third: list[FloatArray] = []
    for one in range(len(talkers)):
        for other in range(one):
            for number in {one, other, (one + 1) % len(talkers), (other + 1) % len(talkers)}:
                start = talkers[number].times[0]
                pair = Mixed([Excerpt(talkers[one], start), Excerpt(talkers[other], start)])
                told = readings(talkers[number], pair, Rule())
                (both if number in (one, other) else third).append(told)
    print(line("two at once, held against a third", np.array(both), np.array(third)))


def crossed(talkers: Sequence[Clip], others: Sequence[Heard] = ()) -> FloatArray:
    """Return every face's readings with every talker's sound, (faces, sounds, readings), others mixed in."""
    table = []
    for face in talkers:
        start = face.times[0]
        table.append([readings(face, Mixed([Excerpt(clip, start), *others]), Rule()) for clip in talkers])
    return np.array(table)


def thinned(clip: Clip, keep: int) -> Clip:
    """Return a clip with one frame of so many."""
    rows = slice(None, None, keep)
    return replace(clip, times=clip.times[rows], images=clip.images[rows], landmarks=clip.landmarks[rows])


def line(name: str, own: FloatArray, other: FloatArray) -> str:
    """Return a line of a table: AUC, and how often each is said to speak."""
    least = np.full(1, SPEAKING - 1e-9)
    values = (area(own, other), mean(right(own, least)), mean(right(other, least)))
    return f"| {name} | {' | '.join(f'{value:.2f}' for value in values)} |"


def together(path: Path, talkers: Sequence[Clip]) -> None:
    """Print the voice of each face of a video with each talker's sound and with the video's own."""
    faces = clips(path)
    print(f"\n{path.name}: mean voice, faces from left to right")
    for clip in talkers:
        told = [readings(face, Excerpt(clip, face.times[0]), Rule()) for face in faces]
        print(f"  sound of {clip.name}: {' '.join(f'{np.nanmean(values):.2f}' for values in told)}")
    told = [readings(face, face.sound, Rule()) for face in faces]
    print(f"  its own sound: {' '.join(f'{np.nanmean(values):.2f}' for values in told)}")


def cost(clip: Clip) -> None:
    """Print the milliseconds that one frame takes, with one face and with five."""
    for faces in (1, 5):
        voices, ids = Voices(clip.sound), np.arange(faces)
        start = time.perf_counter()
        for image, points, seconds in zip(clip.images, clip.landmarks, clip.times, strict=True):
            voices.update(image, np.repeat(points[None], faces, axis=0), ids, float(seconds))
        print(f"faces {faces}: {(time.perf_counter() - start) / len(clip.times) * 1000:.2f} ms a frame")


class Motion:
    """Mean difference to the picture before: how much a mouth moves, whichever way."""

    def __init__(self) -> None:
        self._before: Image | None = None

    def __call__(self, mouth: Image) -> float:
        """Return it; 0 for the first picture."""
        before, self._before = self._before, mouth
        if before is None:
            return 0.0
        one, other = mouth - mouth.mean(), before - before.mean()
        return float(np.abs(one - other).mean())


def darkness(mouth: Image) -> float:
    """Return how much darker the middle of a mouth is than what is around it."""
    return float(mouth.mean() - mouth[8:24, 10:22].mean())


def darkest(mouth: Image) -> float:
    """Return how dark the darkest tenth of a mouth is, as a logarithm."""
    return float(-np.log1p(np.sort(mouth.ravel())[: mouth.size // 10].mean()))


def wide(most: float) -> tuple[float, ...]:
    """Return lags from -most to most."""
    return tuple(np.round(np.arange(-most, most + 0.01, 0.02), 2).tolist())


OTHERS: dict[str, Callable[[], Rule]] = {
    "as it is": Rule,
    "neither tremor nor hum": lambda: Rule(tremor=0.0, hum=0.0),
    "frame difference, no changes": lambda: Rule(measure=Motion(), step=0.0, tremor=0.0),
    "frame difference, its changes": lambda: Rule(measure=Motion(), tremor=0.0),
    "darkness of the middle, no changes": lambda: Rule(measure=darkness, step=0.0, tremor=0.0),
    "darkness of the middle": lambda: Rule(measure=darkness, tremor=0.0),
    "darkest tenth": lambda: Rule(measure=darkest, tremor=0.0),
    "contrast, no changes": lambda: Rule(step=0.0, tremor=0.0),
    "changes over 1 frame": lambda: Rule(step=0.03),
    "changes over 3 frames": lambda: Rule(step=0.1),
    "span 0.5 s": lambda: Rule(span=0.5, least=0.45),
    "span 1 s": lambda: Rule(span=1.0, least=0.95),
    "span 1.5 s": lambda: Rule(span=1.5, least=1.45),
    "span 2.5 s": lambda: Rule(span=2.5, least=1.5),
    "one lag, 0.02 s": lambda: Rule(lags=(0.02,)),
    "lags to 0.1 s": lambda: Rule(lags=wide(0.1)),
    "lags to 0.2 s": lambda: Rule(lags=wide(0.2)),
    "level over 0.1 s": lambda: Rule(window=0.1),
}
"""Rules that were tried: what they are called, and what makes them."""


if __name__ == "__main__":
    main()
