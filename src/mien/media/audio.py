"""The sound of a video or sound file: mono, 16 kHz, on the clock of the pictures.

    sound = read_sound(path)
    sound.samples[round(frame.seconds * RATE)]  # what is heard at a frame of the same file

Sample k is heard at k / RATE seconds of the clock that `Frame.seconds` counts on, which is the
container's own and is not moved: where the pictures start at 0.54 s, sample 0 lies 0.54 s before them.
A file without pictures has a clock that starts where its sound starts.

Sound is placed by the time stamps of what was decoded, so it cannot drift away from the pictures. As long
as they differ by no more than TOLERANCE from where the sound before ended, it goes on without a seam:
containers round their stamps to milliseconds, and some recorders write unsteady ones. A greater distance
forward is a gap, which is silent and not `known`; of an overlap, the sound that came first is kept. Sound
that starts late is silent before; what lies before zero is cut off.

Decoding takes away what an encoder put in front, where the file states it (MP4, MOV, Matroska, WebM, Ogg,
MP3 with a LAME header), and MPEG and FLV files have it in their time stamps. So a click is found within
1 ms of its place. Where nothing is stated it comes as late as in every player: MP3 in AVI 23 ms, and in
sound files without pictures raw AAC 21 ms, MP2 10 ms, AC-3 5 ms (as FFmpeg encodes them).

Channels are mixed and rates converted by FFmpeg (libswresample): all channels count, the LFE of surround
sound does not, and the mix never clips. What is damaged or cut short is judged as in `mien.media.video`:
a single damaged packet is a gap, more than one in ten or a cut is an error.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.errors import MediaError
from mien.media.video import decoded, moving_streams, open_container, refuse_cut_index

RATE = 16_000
"""Samples per second."""

TOLERANCE = 0.010
"""Seconds by which a time stamp may differ from where the sound before ended: half of a usual packet."""

RATES = (1_000, 800_000)
"""Lowest and highest sampling rate that is believed; another is a damaged header."""

LONGEST = 48 * 3600
"""Seconds of the clock that sound may reach to; the stamps of MPEG wrap after 26.5 hours."""

SPARE = 10
"""Seconds of room beyond the length that a header states, so that samples need not be moved to grow."""

FINE = {"internal_sample_fmt": "fltp"}
"""For libswresample: mix in floating point, since its mix of whole numbers may turn loud sound over."""

Samples = NDArray[np.int16]


class Heard(Protocol):
    """Sound that can be asked what is heard when: of a file, or still coming."""

    def between(self, start: float, end: float) -> tuple[FloatArray, BoolArray]:
        """Return what is heard from `start` to `end`, in seconds on the pictures' clock.

        Samples are in [-1, 1]; the mask tells where there really was sound, elsewhere samples are 0. Both
        have round((end - start) x RATE) entries.
        """


@dataclass(frozen=True, eq=False)
class Sound:
    """Sound on the clock of the pictures.

    Attributes:
        samples: (n,) int16; sample k is heard at k / RATE seconds. 0 where nothing is known.
        known: (m, 2) first sample and the one after the last of each part where there really was sound;
            rising, apart from each other.
    """

    samples: Samples
    known: IntArray

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.int16:
            raise ValueError(f"samples {self.samples.shape} {self.samples.dtype}, expected (n,) int16")
        if self.known.ndim != 2 or self.known.shape[1] != 2:
            raise ValueError(f"known {self.known.shape}, expected (m, 2)")
        edges = self.known.ravel()
        if np.any(np.diff(edges) <= 0) or np.any(edges < 0) or np.any(edges > len(self.samples)):
            raise ValueError(f"known parts do not rise from 0 to {len(self.samples)}")

    def __len__(self) -> int:
        return len(self.samples)

    def between(self, start: float, end: float) -> tuple[FloatArray, BoolArray]:
        """Return what is heard from `start` to `end`, as `Heard` says."""
        return stretch(self.samples, 0, self.known, start, end)


def stretch(
    samples: IntArray, begin: int, known: IntArray, start: float, end: float
) -> tuple[FloatArray, BoolArray]:
    """Return a stretch of sound as `Heard.between` gives it.

    Args:
        samples: (n,) of 16 bits.
        begin: the number of the first of them on the clock.
        known: (m, 2) numbers on the clock: first and one after the last of each part with sound; rising.
        start: seconds.
        end: seconds.
    """
    first, count = round(start * RATE), round((end - start) * RATE)
    heard, mask = np.zeros(count, np.float32), np.zeros(count, bool)
    low, high = max(first, begin), min(first + count, begin + len(samples))
    if low < high:
        heard[low - first : high - first] = samples[low - begin : high - begin] / np.float32(32768)
    near = slice(np.searchsorted(known[:, 1], first, "right"), np.searchsorted(known[:, 0], first + count))
    for one, other in known[near].tolist():
        mask[max(one - first, 0) : other - first] = True
    return heard, mask


def read_sound(path: Path) -> Sound:
    """Return the sound of a file; an empty one where it has none.

    Of several sound streams it is the one a player would choose. Memory is that of the sound: 115 MB
    for an hour. Silence before it and gaps need none until they are read, as long as they may be.

    Raises:
        MediaError: the file cannot be read, is cut short or damaged, or its sound cannot be decoded.
    """
    with open_container(path) as container:
        if not container.streams.audio:
            return Sound(np.zeros(0, np.int16), np.zeros((0, 2), np.int64))
        stream = container.streams.best("audio")
        if not isinstance(stream, AudioStream) or stream.codec_context is None:
            raise MediaError(f"{path}: its sound has a coding that FFmpeg does not know")
        refuse_cut_index(stream, path)
        zero = 0.0
        if not moving_streams(container) and stream.start_time and stream.time_base:
            zero = float(stream.start_time * stream.time_base)
        tape, placing = Tape(_stated_samples(container)), Placing(str(path), zero)
        try:
            for frame in decoded(container, stream, path):
                for part in placing.add(frame):
                    tape.write(*part)
            for part in placing.finish():
                tape.write(*part)
        except (av.FFmpegError, ValueError) as error:
            raise MediaError(f"{path}: its sound cannot be decoded ({error})") from error
        return tape.sound()


def _stated_samples(container: InputContainer) -> int:
    """Return for how many samples to make room: as many as the header states, which may be a guess."""
    seconds = ((container.start_time or 0) + (container.duration or 0)) / av.time_base
    return round((min(max(seconds, 0), LONGEST) + SPARE) * RATE)


class Placing:
    """Resamples decoded sound and says where it lies on the clock.

    Args:
        name: what messages call the file or stream.
        zero: seconds of the time stamps that are 0 of the clock.
        longest: seconds that are believed; a stamp beyond is damaged.
    """

    def __init__(self, name: str, zero: float = 0.0, longest: float = LONGEST) -> None:
        self._name = name
        self._zero = zero
        self._longest = longest
        self._run: _Run | None = None

    def add(self, frame: AudioFrame) -> Iterator[tuple[int, Samples]]:
        """Yield resampled sound and the number of its first sample, which may be negative or overlap.

        Raises:
            MediaError: the frame's time or rate is not to be believed.
        """
        run = self._run
        seconds = run.end if run else 0.0
        if frame.pts is not None and frame.time_base is not None:
            seconds = float(frame.pts * frame.time_base) - self._zero
        if seconds > self._longest:
            raise MediaError(f"{self._name}: a time stamp of its sound says {seconds / 3600:.0f} hours")
        if not RATES[0] <= frame.sample_rate <= RATES[1]:
            raise MediaError(f"{self._name}: its sound states {frame.sample_rate} samples a second")
        steady = run is not None and abs(seconds - run.end) <= TOLERANCE
        if run is None or not steady or not run.takes(frame):
            yield from self.finish()
            if run is not None and steady:
                run = _Run(frame, run.end, run.position)
            else:
                run = _Run(frame, seconds, round(seconds * RATE))
            self._run = run
        yield from run.add(frame)

    def finish(self) -> Iterator[tuple[int, Samples]]:
        """Yield what is still inside; what is added then begins anew."""
        if self._run is not None:
            run, self._run = self._run, None
            yield from run.finish()


class _Run:
    """Sound of one format without a gap, being resampled.

    Args:
        frame: the first; every other is of its format.
        start: the seconds at which it is heard.
        position: the number of the sample that is heard then.

    Attributes:
        position: number of the next sample that comes out.
    """

    def __init__(self, frame: AudioFrame, start: float, position: int) -> None:
        self._kind = _kind(frame)
        self._start = start
        self._first = self.position = position
        self._taken = 0
        self._resampler = AudioResampler("s16", "mono", RATE, options=FINE)

    @property
    def end(self) -> float:
        """The seconds at which what was taken ends."""
        return self._start + self._taken / self._kind[2]

    def takes(self, frame: AudioFrame) -> bool:
        """Return whether a frame has the format of this run."""
        return _kind(frame) == self._kind

    def add(self, frame: AudioFrame) -> Iterator[tuple[int, Samples]]:
        """Yield what comes out now that a frame goes in."""
        self._taken += frame.samples
        yield from self._out(frame)

    def finish(self) -> Iterator[tuple[int, Samples]]:
        """Yield what is still inside."""
        yield from self._out(None)

    def _out(self, frame: AudioFrame | None) -> Iterator[tuple[int, Samples]]:
        for mono in self._resampler.resample(frame):
            if mono is not None:  # what a resampler without work answers to None
                samples = mono.to_ndarray()[0].astype(np.int16, copy=False)
                yield self.position, samples
                self.position += len(samples)


def _kind(frame: AudioFrame) -> tuple[str, str, int]:
    """Return a frame's format, layout and rate."""
    return frame.format.name, frame.layout.name, frame.sample_rate


class Tape:
    """Samples that are written from left to right, with gaps.

    Args:
        expected: how many samples there will probably be.
        keep: how many of the newest are kept at least; older ones may be forgotten.
    """

    def __init__(self, expected: int, keep: float = math.inf) -> None:
        self._samples: Samples = np.zeros(max(expected, RATE), np.int16)
        self._keep = keep
        self._known: list[tuple[int, int]] = []
        self._begin = 0
        self.end = 0

    def write(self, position: int, samples: Samples) -> None:
        """Write samples at a position, except those where something is written already or before 0."""
        samples = samples[max(self.end - position, 0) :]
        if not len(samples):
            return
        start = max(position, self.end)
        end = start + len(samples)
        if end > self._begin + len(self._samples):
            self._make_room(end)
        self._samples[start - self._begin : end - self._begin] = samples
        if self._known and self._known[-1][1] == start:
            start = self._known.pop()[0]
        self._known.append((start, end))
        self.end = end

    def _make_room(self, end: int) -> None:
        """Forget what is old, and make room up to `end` and as much again.

        Gaps are not touched, so they need no memory.
        """
        begin = int(max(self._begin, end - self._keep))
        samples: Samples = np.zeros(2 * (end - begin), np.int16)
        self._known = [(max(first, begin), last) for first, last in self._known if last > begin]
        for first, last in self._known:
            samples[first - begin : last - begin] = self._samples[first - self._begin : last - self._begin]
        self._samples, self._begin = samples, begin

    def between(self, start: float, end: float) -> tuple[FloatArray, BoolArray]:
        """Return what is heard from `start` to `end` and where that is known; see `Heard`."""
        known = np.array(self._known, np.int64).reshape(-1, 2)
        return stretch(self._samples[: self.end - self._begin], self._begin, known, start, end)

    def sound(self) -> Sound:
        """Return what was written; nothing of it may have been forgotten. The tape is not used afterwards."""
        self._samples.resize(self.end, refcheck=False)
        return Sound(self._samples, np.array(self._known, np.int64).reshape(-1, 2))
