"""What a camera and a stream share: frames as they come, always the newest.

A thread reads, a consumer iterates. A slow consumer loses frames, never time: of the frames that came while
it was busy it gets the last one.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import TIMEOUT_MAX, Condition, Thread
from types import TracebackType
from typing import Self

from mien.arrays import Image
from mien.errors import MediaError
from mien.media.frames import Frame, MediaInfo
from mien.media.tape import RollingSound

AHEAD = 8
"""Frames that wait for the consumer where none may be lost."""

REMEMBERED = 10_000
"""Frames that were handed out last, of which `arrived` can be asked."""


@dataclass(frozen=True)
class Arrival:
    """A frame that came.

    Attributes:
        number: counts what the source gave, from 0.
        seconds: on the source's clock.
        arrived: the monotonic time at which it came out of the decoder.
        image: makes its BGR pixels, which costs time only where somebody wants them.
    """

    number: int
    seconds: float
    arrived: float
    image: Callable[[], Image]


class Live(ABC):
    """A source of frames until it ends or the `with` block is left.

    Iterating yields the newest frame each time. `Frame.number` counts what the source gave, so a gap tells
    of frames that were dropped.

    Args:
        name: what messages call it.
        lossless: hand out every frame; reading waits for the consumer.

    Attributes:
        info: what is known of the source.
        sound: what has come of its sound, on the clock of the frames; None where it has none.
        dropped: frames that the source gave and nobody got.
    """

    info: MediaInfo
    sound: RollingSound | None

    def __init__(self, name: str, lossless: bool = False) -> None:
        self._name = name
        self._lossless = lossless
        self._line: deque[Arrival] = deque()
        self._arrivals: dict[int, float] = {}
        self._changed = Condition()
        self._stopping = self._ended = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._work, name="mien-live", daemon=True)
        self.sound = None
        self.dropped = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading and let go of the source."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout=2.0)  # a driver or a network may hang

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._line or self._ended or self._stopping)
                if not self._line or self._stopping:
                    break
                came = self._line.popleft()
                self._arrivals[came.number] = came.arrived
                if len(self._arrivals) > REMEMBERED:
                    del self._arrivals[next(iter(self._arrivals))]
                self._changed.notify_all()
            yield Frame(came.number, came.seconds, came.image())
        if self._error is not None:
            raise self._error

    def arrived(self, number: int) -> float:
        """Return the time.monotonic() at which a frame came out of the decoder.

        Args:
            number: of one of the REMEMBERED frames that were handed out last.
        """
        return self._arrivals[number]

    @abstractmethod
    def _read(self) -> None:
        """Put frames in the line until the source ends or `_stopping`; runs on the thread."""

    def _put(self, came: Arrival) -> None:
        """Put a frame in the line, in place of one that waits there."""
        with self._changed:
            if self._lossless:
                self._changed.wait_for(lambda: self._stopping or len(self._line) < AHEAD)
            elif self._line:
                self._line.popleft()
                self.dropped += 1
            self._line.append(came)
            self._changed.notify_all()

    def _sleep_until(self, due: float) -> None:
        """Wait until a monotonic time, or until the source is to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, timeout=max(due - time.monotonic(), 0))

    def _start(self, patience: float) -> None:
        """Start reading and return once the first frame is there.

        Raises:
            MediaError: the source cannot be read, ends before, or gives nothing for `patience` seconds.
        """
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._line or self._ended, timeout=min(patience, TIMEOUT_MAX))
            came, ended = bool(self._line), self._ended
        if not came:
            self.close()
            if self._error is not None:
                raise self._error
            raise MediaError(
                f"{self._name}: " + ("ends before its first frame" if ended else silence(patience))
            )

    def _work(self) -> None:
        try:
            self._read()
        except BaseException as error:  # whatever it is, it belongs to the consumer
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()


def silence(seconds: float) -> str:
    """Return what is said of a source that does not answer."""
    return f"no answer within {seconds:g} s"
