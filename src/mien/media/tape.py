"""Sound that is still coming: the newest seconds of it, on the clock of the pictures."""

from threading import Lock

from mien.arrays import BoolArray, FloatArray
from mien.media.audio import RATE, Samples, Tape

BACK = 1.0
"""Seconds by which sound may come again; further back, the clock itself has been set back."""


class RollingSound:
    """The newest sound of a stream; one thread may write while others ask.

    It is placed as `mien.media.audio.read_sound` places that of a file: of an overlap the sound that came
    first is kept, gaps and what lies before zero are unknown. Where sound comes that lies more than BACK
    before what has come, the stream's clock was set back: all is forgotten.

    Args:
        keep: seconds that are kept at least; what is older may be unknown when asked for.
    """

    def __init__(self, keep: float = 10.0) -> None:
        self._keep = keep * RATE
        self._tape = self._blank()
        self._lock = Lock()

    def write(self, position: int, samples: Samples) -> None:
        """Add samples, (n,) int16; `position` is the number of the first on the pictures' clock."""
        with self._lock:
            if position + len(samples) < self._tape.end - BACK * RATE:
                self._tape = self._blank()
            self._tape.write(position, samples)

    @property
    def until(self) -> float:
        """The second up to which sound has come; 0 before the first."""
        return self._tape.end / RATE

    def between(self, start: float, end: float) -> tuple[FloatArray, BoolArray]:
        """Return what is heard from `start` to `end` and where that is known; see `Heard`."""
        with self._lock:
            return self._tape.between(start, end)

    def _blank(self) -> Tape:
        return Tape(0, self._keep)
