"""Frames of a live camera, always the newest."""

import math
import time
from typing import cast

import cv2

from mien.arrays import Image
from mien.errors import MediaError
from mien.media.frames import MediaInfo
from mien.media.live import Arrival, Live


class Camera(Live):
    """A camera: what is known of it, and its frames until the `with` block is left; it has no sound.

    `Frame.seconds` is the monotonic time since the first frame arrived.

    Args:
        index: 0 for the first camera.

    Raises:
        MediaError: there is no such camera or it gives no picture. While iterating: it stopped.
    """

    def __init__(self, index: int = 0) -> None:
        super().__init__(f"camera {index}")
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # else it writes to stderr
        try:
            self._capture = cv2.VideoCapture(index)
            found, self._first = cast("tuple[bool, Image]", self._capture.read())
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not found:
            reason = "gives no picture" if self._capture.isOpened() else "no such camera"
            self._capture.release()
            raise MediaError(f"{self._name}: {reason}")
        height, width = self._first.shape[:2]
        rate = self._capture.get(cv2.CAP_PROP_FPS) or math.nan
        self.info = MediaInfo(self._name, "camera", width, height, rate, math.nan, 0, sound=False)
        self._start(math.inf)

    def _read(self) -> None:
        start, number, found, image = time.monotonic(), 0, True, self._first
        try:
            while found and not self._stopping:
                self._put(self._came(number, start, image))
                found, image = cast("tuple[bool, Image]", self._capture.read())
                number += 1
        finally:
            self._capture.release()
        if not found and not self._stopping:
            raise MediaError(f"{self._name}: stopped giving pictures")

    def _came(self, number: int, start: float, image: Image) -> Arrival:
        now = time.monotonic()
        return Arrival(number, now - start, now, lambda: image)
