"""Filters over irregular times, each with a stated delay.

    filter = FILTERS["exponential"](0.2)
    filter.over(seconds, values)               # a stretch of rows at once
    stream = filter.stream()                   # causal ones only: row by row, the same numbers
    stream.update(seconds, row)

Causal filters use what has been. Others look ahead too, so they are for files. A filter acts on one stretch
of one face; `pieces` says where a stretch ends.

Every filter but `savgol` and `one-euro` gives weighted means with weights that add up to 1, and so keeps
probabilities that add up to 1 as they are; `median` keeps only their range.
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from mien.arrays import FloatArray, IntArray
from mien.errors import SettingsError

GAP = 0.5
"""Seconds out of sight after which a face's course starts anew; from frame to frame it is in sight."""

LONGEST = 60.0
"""Most seconds that a filter may span."""

INSTANT = 1e-6
"""Seconds below which the one-euro filter takes two rows as one: a speed over less would have no meaning."""

SPEED_CUTOFF = 1.0
"""Hertz at which the one-euro filter smooths the speed, as in its paper."""


class Stream(Protocol):
    """The state of a causal filter in one stretch of one face."""

    def update(self, seconds: float, values: FloatArray) -> FloatArray:
        """Return the filtered values of the next row, (k,).

        Args:
            seconds: time of the row, not before that of the row before.
            values: (k,) finite numbers.
        """
        ...


@dataclass(frozen=True)
class Filter(ABC):
    """A filter; `delay` and `ahead` state what it costs.

    Attributes:
        seconds: its size; each filter says what that means.

    Raises:
        SettingsError: a size of not more than 0, or of more than LONGEST.
    """

    seconds: float

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= LONGEST:
            raise SettingsError(f"a filter of {self.seconds:g} s, expected more than 0 and up to {LONGEST:g}")

    @property
    @abstractmethod
    def delay(self) -> float:
        """Seconds by which a steady rise comes late, once the filter has run in."""

    @property
    @abstractmethod
    def ahead(self) -> float:
        """Seconds by which the filter looks ahead; 0 for causal ones."""

    @abstractmethod
    def over(self, seconds: FloatArray, values: FloatArray) -> FloatArray:
        """Return the filtered values (n, k) of one stretch.

        Args:
            seconds: (n,) times that do not fall.
            values: (n, k) finite numbers.
        """


class Causal(Filter):
    """A filter that uses only what has been: it runs in a live stream too."""

    @property
    def ahead(self) -> float:
        """Seconds by which the filter looks ahead: none."""
        return 0.0

    @abstractmethod
    def stream(self) -> Stream:
        """Return a fresh state, for one stretch of one face."""

    def over(self, seconds: FloatArray, values: FloatArray) -> FloatArray:
        """Return the filtered values (n, k) of one stretch, row by row as `stream` gives them."""
        filtered = np.empty(values.shape, np.float64)
        stream = self.stream()
        for row, (time, found) in enumerate(zip(seconds.tolist(), values.astype(np.float64), strict=True)):
            filtered[row] = stream.update(time, found)
        return filtered


class Exponential(Causal):
    """Exponential smoothing; `seconds` is the time constant: a step has come to 63 % after it.

    The weights are those of the continuous filter over values that change along lines, exact for any steps
    (Müller 1991, "Specially weighted moving averages with repeated application of the EMA operator";
    Eckner 2012, "Algorithms for unevenly spaced time series: moving averages and other rolling operators").
    """

    @property
    def delay(self) -> float:
        """Seconds by which a steady rise comes late: the time constant."""
        return self.seconds

    def stream(self) -> Stream:
        """Return a fresh state."""
        return _ExponentialStream(self.seconds)


class _ExponentialStream:
    def __init__(self, constant: float) -> None:
        self._constant = constant
        self._last: tuple[float, FloatArray, FloatArray] | None = None

    def update(self, seconds: float, values: FloatArray) -> FloatArray:
        if self._last is None:
            filtered = values
        else:
            time, before, filtered = self._last
            steps = max(0.0, seconds - time) / self._constant
            kept = math.exp(-steps)
            line = -math.expm1(-steps) / steps if steps > 0 else 1.0
            filtered = kept * filtered + (1 - line) * values + (line - kept) * before
        self._last = seconds, values, filtered
        return filtered


class Mean(Causal):
    """The mean over the last `seconds`, by time and not by rows; shorter at the start of a stretch."""

    @property
    def delay(self) -> float:
        """Seconds by which a steady rise comes late: half of the window."""
        return self.seconds / 2

    def stream(self) -> Stream:
        """Return a fresh state."""
        return _MeanStream(self.seconds)


class _MeanStream:
    def __init__(self, window: float) -> None:
        self._window = window
        self._times: deque[float] = deque()
        self._rows: deque[FloatArray] = deque()

    def update(self, seconds: float, values: FloatArray) -> FloatArray:
        self._times.append(seconds)
        self._rows.append(values)
        edge = seconds - self._window
        while len(self._times) > 1 and self._times[1] <= edge:
            self._times.popleft()
            self._rows.popleft()
        times, rows = np.array(self._times), np.array(self._rows)
        if times[0] < edge and len(times) > 1:
            share = (edge - times[0]) / (times[1] - times[0])
            times[0], rows[0] = edge, (1 - share) * rows[0] + share * rows[1]
        steps = np.diff(times)
        whole = steps.sum()
        if not whole > 0:
            return values
        weights = np.zeros(len(times))
        weights[:-1] += steps
        weights[1:] += steps
        mean: FloatArray = (weights / (2 * whole)) @ rows
        return mean


@dataclass(frozen=True)
class OneEuro(Causal):
    """The one-euro filter: slow while a value rests, quick while it moves.

    Casiez, Roussel and Vogel 2012, "1€ filter: a simple speed-based low-pass filter for noisy input in
    interactive systems", CHI. `seconds` is its time constant at rest, 1 / (2 pi mincutoff).

    Attributes:
        quickness: the paper's beta: hertz by which the cut-off rises for each 1 per second of speed.
    """

    quickness: float = 1.0

    @property
    def delay(self) -> float:
        """Seconds by which a slow steady rise comes late; a quick one comes less late."""
        return self.seconds

    def delay_of(self, speed: float) -> float:
        """Return the seconds by which a rise of `speed` per second comes late, once the filter has run in."""
        return 1 / (1 / self.seconds + 2 * math.pi * self.quickness * abs(speed))

    def stream(self) -> Stream:
        """Return a fresh state."""
        return _OneEuroStream(self)


class _OneEuroStream:
    def __init__(self, settings: OneEuro) -> None:
        self._settings = settings
        self._time = 0.0
        self._before: FloatArray | None = None

    def update(self, seconds: float, values: FloatArray) -> FloatArray:
        step = seconds - self._time
        if self._before is None:
            self._speed, self._filtered = np.zeros_like(values), values
        elif step < INSTANT:
            return self._filtered
        else:
            smooth = step / (step + 1 / (2 * math.pi * SPEED_CUTOFF))
            self._speed = self._speed + smooth * ((values - self._before) / step - self._speed)
            turns = 1 / self._settings.seconds + 2 * math.pi * self._settings.quickness * np.abs(self._speed)
            share = step / (step + 1 / turns)
            self._filtered = self._filtered + share * (values - self._filtered)
        self._time, self._before = seconds, values
        return self._filtered


class Gaussian(Filter):
    """A mean weighted by distance in time (Nadaraya 1964, Watson 1964); `seconds` is the standard deviation.

    The weights end at three standard deviations. At the ends of a stretch half of the bell is missing, and a
    value is drawn towards its neighbours inside.
    """

    @property
    def delay(self) -> float:
        """Seconds by which a steady rise comes late: none."""
        return 0.0

    @property
    def ahead(self) -> float:
        """Seconds by which the filter looks ahead: three standard deviations."""
        return 3 * self.seconds

    def over(self, seconds: FloatArray, values: FloatArray) -> FloatArray:
        """Return the weighted means (n, k) of one stretch."""
        filtered = np.empty(values.shape, np.float64)
        for row, near in _windows(seconds, self.ahead):
            weights = np.exp(-0.5 * ((seconds[near] - seconds[row]) / self.seconds) ** 2)
            filtered[row] = (weights / weights.sum()) @ values[near]
        return filtered


class Median(Filter):
    """The median of a window of `seconds` around each row: what is shorter than half of it goes."""

    @property
    def delay(self) -> float:
        """Seconds by which a steady rise comes late: none."""
        return 0.0

    @property
    def ahead(self) -> float:
        """Seconds by which the filter looks ahead: half of the window."""
        return self.seconds / 2

    def over(self, seconds: FloatArray, values: FloatArray) -> FloatArray:
        """Return the medians (n, k) of one stretch."""
        filtered = np.empty(values.shape, np.float64)
        for row, near in _windows(seconds, self.ahead):
            ordered = np.sort(values[near], axis=0)
            count = len(ordered)
            filtered[row] = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
        return filtered


class Quadratic(Filter):
    """The parabola that fits a window of `seconds` around each row best, taken at the row.

    With regular times and away from the ends this is the filter of Savitzky and Golay (1964), degree 2. It
    keeps the height of peaks and may go beyond the range of the values. A window of three rows or fewer
    leaves them as they are.
    """

    @property
    def delay(self) -> float:
        """Seconds by which a steady rise comes late: none."""
        return 0.0

    @property
    def ahead(self) -> float:
        """Seconds by which the filter looks ahead: half of the window."""
        return self.seconds / 2

    def over(self, seconds: FloatArray, values: FloatArray) -> FloatArray:
        """Return the parabolas' values (n, k) of one stretch."""
        filtered = values.astype(np.float64)
        for row, near in _windows(seconds, self.ahead):
            if near.stop - near.start > 3:
                away = (seconds[near] - seconds[row]) / self.ahead
                powers = np.stack([np.ones_like(away), away, away * away], axis=1)
                filtered[row] = np.linalg.pinv(powers)[0] @ values[near]
        return filtered


FILTERS: Mapping[str, type[Filter]] = {
    "exponential": Exponential,
    "mean": Mean,
    "one-euro": OneEuro,
    "gaussian": Gaussian,
    "median": Median,
    "savgol": Quadratic,
}
"""Every filter by its name, made with its size in seconds; the first three are causal."""


def name_of(by: Filter) -> str:
    """Return the name of a filter in FILTERS."""
    return next(name for name, kind in FILTERS.items() if type(by) is kind)


def pieces(seconds: FloatArray, places: IntArray) -> list[slice]:
    """Return the stretches of a course: one ends where the face was out of sight for more than GAP seconds.

    Args:
        seconds: (n,) finite times; one that is earlier than the one before begins a stretch, too.
        places: (n,) which frames of the video they are, so that a slow video is not taken for a gap.
    """
    steps = np.diff(seconds)
    edges = np.flatnonzero(((steps > GAP) & (np.diff(places) > 1)) | (steps < 0)) + 1
    bounds = [0, *edges.tolist(), len(seconds)]
    return [slice(start, end) for start, end in pairwise(bounds) if end > start]


def _windows(seconds: FloatArray, half: float) -> Iterator[tuple[int, slice]]:
    """Yield each row and the rows not further from it than `half`; times that do not fall."""
    near = half * (1 + 1e-9)  # so that a frame just at the edge is not lost to rounding
    first = np.searchsorted(seconds, seconds - near, "left").tolist()
    last = np.searchsorted(seconds, seconds + near, "right").tolist()
    for row, (start, end) in enumerate(zip(first, last, strict=True)):
        yield row, slice(start, end)
