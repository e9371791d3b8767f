"""The loop of a live analysis: the newest frame, its faces, their numbers, and whoever wants them.

    with Stream("rtsp://camera/1") as source, Stop() as stop:
        watch(source, engine, [show, record], stop)

It is the path that a file takes, so it gives the same numbers. Frames that come while one is looked at are
dropped, but for the newest: the delay does not grow, whatever the machine is.

Sound may come later than its picture. For a network that hears, a frame waits for the sound of its time, WAIT
seconds at most; then it is given what is there, and the rest counts as unknown.
"""

import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Condition, Thread
from types import FrameType, TracebackType
from typing import Protocol, Self

from mien.analysis import FrameResult, frame_results
from mien.bundle import Bundle
from mien.faces.tracking import Tracker
from mien.media.audio import Heard
from mien.media.frames import Frame, MediaInfo
from mien.reports.results import Engine
from mien.studio.figures import Pace, Stopwatch

WAIT = 0.1
"""Seconds that a frame waits for its sound at most."""

LOOK = 0.004
"""Seconds from one look at what sound has come to the next."""

Taker = Callable[[FrameResult, Pace], None]
"""What is given each result, with how the analysis keeps up; it must be quick, since the loop waits."""


class Tape(Heard, Protocol):
    """Sound that is still coming."""

    @property
    def until(self) -> float:
        """Second of the frames' clock up to which sound has come."""


class Source(Protocol):
    """A camera or stream; iterating gives the newest frame, and the ones between are dropped."""

    info: MediaInfo

    @property
    def sound(self) -> Tape | None:
        """What has come of the sound; None where there is none."""

    def __iter__(self) -> Iterator[Frame]:
        """Return the frames; their numbers count all that came."""

    def arrived(self, number: int) -> float:
        """Return the monotonic second at which a frame that was given came out of the decoder."""


class Stop:
    """Ends a loop at Ctrl-C or SIGTERM once the frame at hand is done, or after some seconds.

    Asked twice, it raises KeyboardInterrupt at once.

    Args:
        seconds: after which to end; None for never.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._asked = self._waiting = False

    def __enter__(self) -> Self:
        self._before = {
            number: signal.signal(number, self._ask) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def frames(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield frames until it is asked to end; a source that gives none can be left, too."""
        start = time.monotonic()
        iterator = iter(frames)
        while not self._asked and (self._seconds is None or time.monotonic() - start < self._seconds):
            self._waiting = True
            try:
                frame = next(iterator)
            except StopIteration:
                return
            except KeyboardInterrupt:
                return
            finally:
                self._waiting = False
            yield frame

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        again = self._asked
        self._asked = True
        if again or self._waiting:
            raise KeyboardInterrupt


class Patient:
    """The frames of a source, each when its sound has come or after WAIT seconds.

    Sound comes in packets, so several frames may be ready at once; they are given in order. One that is
    older than WAIT is dropped where the next is ready, too, so that the line stays short.

    Args:
        source: where frames come from.
        sound: what has come of its sound.
        ahead: seconds of sound that a frame needs beyond its time.

    Attributes:
        unheard: frames that were given without all of their sound.
    """

    def __init__(self, source: Source, sound: Tape, ahead: float) -> None:
        self._source = source
        self._sound = sound
        self._ahead = ahead
        self._line: deque[tuple[Frame, float]] = deque()
        self._changed = Condition()
        self._ended = False
        self._error: Exception | None = None
        self.unheard = 0

    def __iter__(self) -> Iterator[Frame]:
        Thread(target=self._read, name="mien-line", daemon=True).start()
        while True:
            with self._changed:
                while not self._line and not self._ended:
                    self._changed.wait()
                if not self._line:
                    break
                frame = self._next(time.monotonic())
                if frame is None:
                    self._changed.wait(LOOK)
                    continue
            yield frame
        if self._error is not None:
            raise self._error

    def _read(self) -> None:
        """Put frames in the line until the source ends."""
        try:
            for frame in self._source:
                now = time.monotonic()
                with self._changed:
                    self._line.append((frame, self._source.arrived(frame.number)))
                    while len(self._line) > 1 and now - self._line[1][1] > WAIT:
                        self._line.popleft()  # both have waited long enough: `_next` would drop it, too
                    self._changed.notify()
        except Exception as error:  # whatever it is, it belongs to the consumer
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()

    def _next(self, now: float) -> Frame | None:
        """Return the frame whose turn it is and take it out of the line; None where none is ready."""
        while len(self._line) > 1 and now - self._line[0][1] > WAIT and self._ready(1, now):
            self._line.popleft()
        if not self._ready(0, now):
            return None
        frame, _ = self._line[0]
        self.unheard += not self._heard(frame)
        self._line.popleft()
        return frame

    def _ready(self, place: int, now: float) -> bool:
        frame, arrived = self._line[place]
        return self._ended or now - arrived >= WAIT or self._heard(frame)

    def _heard(self, frame: Frame) -> bool:
        return self._sound.until >= frame.seconds + self._ahead


def watch(source: Source, engine: Engine, takers: Sequence[Taker], stop: Stop) -> None:
    """Analyse a source as it comes, until it ends or is stopped.

    Args:
        source: a camera or stream.
        engine: what analyses.
        takers: what the results are given to, one after another.
        stop: ends it.

    Raises:
        MediaError: the source broke off.
        BundleError: the network says something that is not a number.
    """
    sound = source.sound if engine.listens else None
    follower = engine.follower(sound)
    ahead = _ahead(engine)
    line = Patient(source, sound, ahead) if sound is not None and ahead is not None else None
    stopwatch = Stopwatch()
    tracker = Tracker(engine.detector, engine.every)
    for result in frame_results(stop.frames(line or source), tracker, follower):
        stopwatch.take(result.frame.number, source.arrived(result.frame.number), time.monotonic())
        pace = stopwatch.pace(line.unheard if line else 0)
        for take in takers:
            take(result, pace)


def _ahead(engine: Engine) -> float | None:
    """Return the seconds of sound beyond a frame's time that a network hears; None for one that does not."""
    hearing = engine.predictor.hearing if isinstance(engine.predictor, Bundle) else None
    return hearing.context[1] if hearing is not None else None
