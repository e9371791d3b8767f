"""How a live analysis keeps up: frames a second, frames dropped, and the delay of its numbers."""

from collections import deque
from dataclasses import dataclass

import numpy as np

SPAN = 5.0
"""Seconds that rates and delays look back."""


@dataclass(frozen=True)
class Pace:
    """How a live analysis keeps up, over the last SPAN seconds; counts are since its start.

    Attributes:
        analysed: frames that have their numbers.
        dropped: frames that came between them and were never looked at.
        unheard: frames whose sound had not come when they were analysed.
        rate: frames analysed per second; NaN before the second one.
        source_rate: frames that came per second; NaN before the second one.
        median: milliseconds from a frame's arrival to its numbers, the median; NaN before the first.
        slow: the same, the 95th percentile.
    """

    analysed: int
    dropped: int
    unheard: int
    rate: float
    source_rate: float
    median: float
    slow: float

    @property
    def line(self) -> str:
        """The figures as one line of text."""
        unheard = f", {self.unheard} without their sound" if self.unheard else ""
        return (
            f"{self.rate:.1f} of {self.source_rate:.1f} frames/s, {self.analysed} analysed, "
            f"{self.dropped} dropped{unheard}, delay {self.median:.0f} ms (95 %: {self.slow:.0f} ms)"
        )


class Stopwatch:
    """Takes in when frames came and when they had their numbers, and gives the Pace."""

    def __init__(self) -> None:
        self._taken: deque[tuple[int, float, float]] = deque()
        self._analysed = 0
        self._first = 0

    def take(self, number: int, arrived: float, done: float) -> None:
        """Take in one frame.

        Args:
            number: of the frame; the source counts every frame that came.
            arrived: monotonic second at which it came out of the decoder.
            done: monotonic second at which its numbers were there.
        """
        if not self._taken:
            self._first = number
        self._analysed += 1
        self._taken.append((number, arrived, done))
        while self._taken[0][2] < done - SPAN:
            self._taken.popleft()

    def pace(self, unheard: int = 0) -> Pace:
        """Return how the analysis keeps up, with the number of frames whose sound had not come."""
        numbers, came, done = np.array(self._taken, np.float64).reshape(-1, 3).T
        rate = source = median = slow = float("nan")
        dropped = 0
        if len(done):
            dropped = int(numbers[-1]) + 1 - self._first - self._analysed
            median, slow = (1000 * float(value) for value in np.percentile(done - came, [50, 95]))
        if len(done) > 1 and done[-1] > done[0]:
            rate = (len(done) - 1) / float(done[-1] - done[0])
        if len(came) > 1 and came[-1] > came[0]:
            source = float((numbers[-1] - numbers[0]) / (came[-1] - came[0]))
        return Pace(self._analysed, dropped, unheard, rate, source, median, slow)
