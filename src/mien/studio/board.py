"""The newest result, put up for whoever looks: nobody is waited for, and nothing is kept in a line.

A page asks for what has come since it asked last. It gets the numbers of every frame since then, up to KEEP
seconds back, and the picture of the newest one alone. So a slow browser loses pictures, never time.
"""

import json
import time
from collections import deque
from collections.abc import Sequence
from threading import Condition
from typing import Any

import cv2
import numpy as np

from mien.analysis import FrameResult
from mien.reports.overlay import face_colour, thumbnail
from mien.reports.tables import written
from mien.studio.figures import Pace
from mien.tasks import Task

KEEP = 20.0
"""Seconds of numbers that a page which has just been opened is given."""

QUALITY = 80
"""Of the JPEG pictures, 0 to 100."""


class Board:
    """Takes results from the loop and gives them to pages; both may live in threads of their own.

    Args:
        tasks: what the network has learned; of several tasks of one behaviour the first is shown.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        self._tasks = written(tasks)
        self._rows: deque[dict[str, Any]] = deque()
        self._result: FrameResult | None = None
        self._pace: Pace | None = None
        self._ended = ""
        self._changed = Condition()

    def put(self, result: FrameResult, pace: Pace) -> None:
        """Take in the newest result; it is not to be changed afterwards."""
        row = self._row(result)
        with self._changed:
            self._result, self._pace = result, pace
            self._rows.append(row)
            while self._rows[0]["seconds"] < row["seconds"] - KEEP or len(self._rows) > 120 * KEEP:
                self._rows.popleft()
            self._changed.notify_all()

    def end(self, why: str) -> None:
        """Tell all pages that nothing more will come, and why."""
        with self._changed:
            self._ended = why
            self._changed.notify_all()

    def message(self, after: int, width: int, patience: float = 1.0) -> bytes:
        """Return what has come since a frame, as a page reads it.

        It is the length of a JSON text in four bytes, the highest first, the text, and a JPEG, which is
        empty where no frame is newer.

        Args:
            after: number of the newest frame that is known; -1 for none.
            width: pixels across that the picture needs at least, where the frame has as many.
            patience: seconds to wait for a newer frame at most.
        """
        until = time.monotonic() + patience
        with self._changed:
            while not self._ended and not self._newer(after) and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            result = self._result if self._newer(after) else None
            rows = [row for row in self._rows if row["frame"] > after]
            pace, ended = self._pace, self._ended
        text = json.dumps({"rows": rows, "pace": _plain(pace), "ended": ended}).encode()
        return len(text).to_bytes(4, "big") + text + (_jpeg(result, width) if result else b"")

    def _newer(self, after: int) -> bool:
        return self._result is not None and self._result.frame.number > after

    def _row(self, result: FrameResult) -> dict[str, Any]:
        """Return the numbers of a frame as plain values, in the order of the page's columns."""
        height, width = result.frame.image.shape[:2]
        said = [result.predictions.values[task] for task in self._tasks]
        values = np.concatenate([np.zeros((len(result.ids), 0), np.float32), *said], axis=1)
        boxes = (result.faces.boxes / np.array([width, height, width, height], np.float32)).round(4)
        voices = np.full(len(values), np.nan) if result.voice is None else result.voice
        voice = [None if np.isnan(value) else round(float(value), 2) for value in voices]
        faces = zip(result.ids.tolist(), boxes.tolist(), values.round(4).tolist(), voice, strict=True)
        return {
            "frame": result.frame.number,
            "seconds": result.frame.seconds,
            "cut": result.cut,
            "faces": [
                {"face": face, "colour": face_colour(face), "box": box, "values": numbers, "voice": heard}
                for face, box, numbers, heard in faces
            ],
        }


def _plain(pace: Pace | None) -> dict[str, Any] | None:
    """Return a pace as plain values; what is not known is null."""
    if pace is None:
        return None
    return {name: None if value != value else round(value, 2) for name, value in vars(pace).items()}


def _jpeg(result: FrameResult, width: int) -> bytes:
    """Return the frame as JPEG, shrunk by a whole number, which is quick, where it is wide enough."""
    image = result.frame.image
    shrink = max(1, image.shape[1] // max(width, 1))
    if shrink > 1:
        return thumbnail(image, image.shape[1] // shrink)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1])
