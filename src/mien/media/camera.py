"""Frames of a live camera, always the newest: a slow consumer loses frames, never time."""

import math
import time
from collections.abc import Iterator
from threading import Condition, Thread
from types import TracebackType
from typing import Self, cast

import cv2

from mien.arrays import Image
from mien.errors import MediaError
from mien.media.frames import Frame, MediaInfo


class Camera:
    """A camera: what is known of it, and its frames until the `with` block is left.

    `Frame.seconds` is the monotonic time since the first frame arrived; `Frame.number` counts what the
    camera gave, so a gap tells of frames that were dropped.

    Args:
        index: 0 for the first camera.

    Raises:
        MediaError: there is no such camera or it gives no picture. While iterating: it stopped.
    """

    def __init__(self, index: int = 0) -> None:
        self._name = f"camera {index}"
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # else it writes to stderr
        try:
            self._capture = cv2.VideoCapture(index)
            found, image = cast("tuple[bool, Image]", self._capture.read())
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not found:
            reason = "gives no picture" if self._capture.isOpened() else "no such camera"
            self._capture.release()
            raise MediaError(f"{self._name}: {reason}")
        height, width = image.shape[:2]
        rate = self._capture.get(cv2.CAP_PROP_FPS) or math.nan
        self.info = MediaInfo(self._name, "camera", width, height, rate, math.nan, 0, sound=False)
        self._newest: Frame | None = None
        self._changed = Condition()
        self._ended = False
        self._thread = Thread(target=self._read, args=(image,), name="mien-camera", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._thread.join(timeout=2.0)  # a driver may hang

    def __iter__(self) -> Iterator[Frame]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._ended)
                frame, self._newest = self._newest, None
            if frame is None:
                raise MediaError(f"{self._name}: stopped giving pictures")
            yield frame

    def _read(self, image: Image) -> None:
        """Keep the newest frame until the camera or the consumer stops."""
        start, number, found = time.monotonic(), 0, True
        while found and not self._ended:
            with self._changed:
                self._newest = Frame(number, time.monotonic() - start, image)
                self._changed.notify()
            found, image = cast("tuple[bool, Image]", self._capture.read())
            number += 1
        self._capture.release()
        with self._changed:
            self._ended = True
            self._changed.notify()
