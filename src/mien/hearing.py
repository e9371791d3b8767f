"""From sound to the picture of it that a network hears with each frame: the one preprocessing of sound.

    hearing = Hearing()
    pictures, share = hearing.arrays(samples, known, times, start)  # (frames, 1, bands, steps), (frames,)

The record is the counterpart of `mien.inputs.Preprocessing`: the same one serves training, the export check,
evaluation and analysis; a bundle carries it as JSON.

Windows lie on one fixed grid of the clock, multiples of `hop` from second 0. Each frame takes the last
`steps` windows that end at or before its time plus `ahead`. So neighbouring frames share windows, and
sound given whole, in pieces or frame by frame, as it comes live, gives the same numbers.

Decibels are relative to full scale: 0 is the power of a sine between -1 and 1 that lies in one band. A
reference taken from the file itself, such as its loudest moment, is not known before its end, so that live
and file analysis would differ.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.errors import BundleError
from mien.media.audio import RATE

BLOCK = 256
"""Windows transformed at once: what bounds memory, and fits a processor's cache."""

LONGEST = 8192
"""Samples of the longest Fourier transform: half a second, and frequencies 2 Hz apart."""

LATEST = 1e9
"""Seconds of the clock, either way, that a time may reach to: 30 years."""


@dataclass(frozen=True)
class Hearing:
    """How sound becomes a picture for each frame: log-mel bands around the frame's time.

    Seconds are rounded to whole samples at 16 kHz.

    Attributes:
        window: seconds of one Hann window, at most 0.512. The paper does not confirm it; 33 ms are recalled.
        hop: seconds from one window to the next. The paper does not confirm it; 22 ms are recalled.
        bands: mel bands. The paper does not confirm it.
        low: lowest frequency in Hz. The paper does not confirm it.
        high: highest frequency in Hz, at most 8,000. The paper does not confirm it.
        span: seconds around a frame's time that it hears. The paper does not confirm it.
        ahead: seconds of the span that lie after the frame; 0 can be computed live. The paper does not
            confirm it.
        floor: decibels below full scale that count as silence. The paper does not confirm it.
    """

    window: float = 0.033
    hop: float = 0.022
    bands: int = 64
    low: float = 50.0
    high: float = 8000.0
    span: float = 0.96
    ahead: float = 0.0
    floor: float = 80.0

    def __post_init__(self) -> None:
        times = 0.001 <= self.hop <= 1 and 0.001 <= self.window <= LONGEST / RATE and self.span <= 60
        bands = type(self.bands) is int and 1 <= self.bands <= 1024 and 0 <= self.low < self.high <= RATE / 2
        if not (times and bands and 0 <= self.ahead <= self.span and 0 < self.floor <= 200):
            raise BundleError(f"hearing out of range: {self}")
        if _narrowest(self) < RATE / LONGEST:
            raise BundleError(f"hearing: {self.bands} bands from {self.low} to {self.high} Hz are too narrow")
        if self.steps < 1:
            raise BundleError(f"hearing: a span of {self.span} s has no room for a window at every phase")

    @property
    def steps(self) -> int:
        """Number of columns: the windows that lie within the span wherever the grid has its phase."""
        return (_samples(self.span) - _samples(self.window) + 1) // _samples(self.hop)

    @property
    def context(self) -> tuple[float, float]:
        """Seconds of sound needed before and after a frame's time, each with a sample for rounding."""
        span, ahead = _samples(self.span), _samples(self.ahead)
        return (span - ahead + 1) / RATE, (ahead + 1) / RATE

    def silence(self, frames: int) -> FloatArray:
        """Return the pictures of frames at which nothing is heard, (frames, 1, bands, steps)."""
        return np.full((frames, 1, self.bands, self.steps), -1, np.float32)

    def arrays(
        self, samples: FloatArray, known: BoolArray, times: FloatArray, start: float = 0.0
    ) -> tuple[FloatArray, FloatArray]:
        """Return frames as the network's input, and how much of each frame's sound is known.

        Pictures are (frames, 1, bands, steps), float32: the lowest band and the earliest window first;
        -1 is `floor` decibels below full scale or less, 1 is full scale, and no sound can exceed 1 + 6.1 /
        floor. What is not known counts as silence: before and after the samples, and where `known` is
        False. The second array, (frames,) float32, is the share of the frame's span that is known, 0 to 1.

        Besides the result, memory is 1 MB for each minute of sound. The result of an hour at 25
        frames a second is 1 GB with the default settings; ask for it in pieces, each with `context`.

        Args:
            samples: (n,) floating point, in [-1, 1], at 16 kHz.
            known: (n,) where there really is sound.
            times: (frames,) seconds of the frames, in any order.
            start: the second at which sample 0 is heard.

        Raises:
            ValueError: samples are not floating point, `known` is not of their shape, or times are out
                of range.
        """
        times = np.asarray(times, np.float64)
        if samples.ndim != 1 or samples.dtype.kind != "f":
            raise ValueError(f"samples {samples.shape} {samples.dtype}, expected floating point (n,)")
        if known.shape != samples.shape or known.dtype != bool:
            raise ValueError(f"known {known.shape} {known.dtype}, expected bool {samples.shape}")
        if times.ndim != 1 or not np.all(np.abs(np.append(times, start)) <= LATEST):
            raise ValueError(f"times {times.shape} and start {start}, expected seconds up to {LATEST:.0e}")
        first = int(_sample(np.array(start)))
        ends = _sample(times) + _samples(self.ahead)
        pictures = self._gathered(samples, known, first, ends)
        length = _samples(self.span)
        until, since = _known_before(known, np.stack([ends, ends - length]) - first)
        return pictures[:, None], ((until - since) / length).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the record that `to_json` wrote.

        Raises:
            BundleError: a field is unknown, of the wrong type or out of range.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise BundleError(f"hearing: {error}") from error

    def _gathered(self, samples: FloatArray, known: BoolArray, first: int, ends: IntArray) -> FloatArray:
        """Return the pictures (frames, bands, steps) of frames that hear nothing from sample `ends` on.

        Windows are numbered on the clock: window j begins with sample j x hop. Only those that touch the
        samples and that a frame wants are transformed; beyond them lie `steps` silent ones on each side.
        """
        hop, length, steps = _samples(self.hop), _samples(self.window), self.steps
        if not len(ends):
            return np.zeros((0, self.bands, steps), np.float32)
        last = (ends - length) // hop
        low = max((first - length) // hop + 1, int(last.min()) - steps + 1)
        high = max(min((first + len(samples) - 1) // hop + 1, int(last.max()) + 1), low)
        columns = np.full((self.bands, high - low + 2 * steps), -1, np.float32)
        for window in range(low, high, BLOCK):
            until = min(window + BLOCK, high)
            place = window - low + steps
            block = self._columns(samples, known, first, window, until)
            columns[:, place : place + until - window] = block.T
        views = sliding_window_view(columns, steps, axis=1).transpose(1, 0, 2)
        chosen = np.clip(last, low - 1, high - 1 + steps) - low + 1
        return np.ascontiguousarray(views[chosen])

    def _columns(
        self, samples: FloatArray, known: BoolArray, first: int, window: int, until: int
    ) -> FloatArray:
        """Return the columns (until - window, bands) of consecutive windows, in [-1, 1] or a little above."""
        hop, length = _samples(self.hop), _samples(self.window)
        begin, end = window * hop, (until - 1) * hop + length
        sound = np.zeros(end - begin, np.float32)
        low, high = max(begin, first), min(end, first + len(samples))
        if low < high:
            part = slice(low - first, high - first)
            sound[low - begin : high - begin] = np.where(known[part], samples[part], 0)
        shape, filters = _tables(self)
        spectrum = np.fft.rfft(sliding_window_view(sound, length)[::hop] * shape, 2 * (len(filters) - 1))
        power = (np.square(spectrum.real) + np.square(spectrum.imag)) @ filters
        with np.errstate(divide="ignore"):
            decibels = np.maximum(10 * np.log10(power), -self.floor)
        return np.asarray(1 + decibels * np.float32(2 / self.floor))


def _samples(seconds: float) -> int:
    """Return a length in samples."""
    return round(seconds * RATE)


def _sample(seconds: FloatArray) -> IntArray:
    """Return the number on the clock of the sample nearest to each time."""
    return np.asarray(np.rint(seconds * RATE), np.int64)


def _mel(hertz: FloatArray | float) -> FloatArray:
    """Return frequencies in mel, by HTK's formula (Young et al., The HTK Book, 2006, section 5.4)."""
    return np.asarray(2595 * np.log10(1 + np.asarray(hertz) / 700))


def _edges(hearing: Hearing) -> FloatArray:
    """Return the middles of the bands in mel, with the lowest and the highest frequency around them."""
    return np.linspace(float(_mel(hearing.low)), float(_mel(hearing.high)), hearing.bands + 2)


def _narrowest(hearing: Hearing) -> float:
    """Return the Hz from the lowest frequency to the middle of the first band."""
    return float(700 * (10 ** (_edges(hearing)[1] / 2595) - 1)) - hearing.low


@lru_cache(maxsize=16)
def _tables(hearing: Hearing) -> tuple[FloatArray, FloatArray]:
    """Return the Hann window (n,) and the filters (frequencies, bands), scaled to full scale.

    The filters are HTK's: triangles in mel, 1 at the middle, 0 at the middles of their neighbours, so
    that between the outer middles every frequency counts once in total. The transform is long enough for
    the narrowest to hold a frequency. Scaled so that the sum over the spectrum is twice the mean
    square of the sound under the window (Parseval), which is 1 for a sine between -1 and 1.
    """
    window = np.hanning(_samples(hearing.window) + 1)[:-1]
    edges = _edges(hearing)
    length = 1 << int(np.ceil(np.log2(max(len(window), RATE / _narrowest(hearing)))))
    mel = _mel(np.fft.rfftfreq(length, 1 / RATE))
    filters = np.maximum(1 - np.abs(mel[:, None] - edges[1:-1]) / (edges[1] - edges[0]), 0)
    scale = 4 / (length * np.sum(window**2))
    tables = window.astype(np.float32), (filters * scale).astype(np.float32)
    for table in tables:
        table.flags.writeable = False
    return tables


def _known_before(known: BoolArray, places: IntArray) -> FloatArray:
    """Return how many of the samples before each place are known; it is linear between changes."""
    edges = np.concatenate(([0], np.flatnonzero(known[1:] != known[:-1]) + 1, [len(known)]))
    parts = np.diff(edges)
    if len(known):
        parts[~known[edges[:-1]]] = 0
    return np.interp(places, edges, np.concatenate(([0], np.cumsum(parts))))
