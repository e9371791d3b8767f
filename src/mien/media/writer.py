"""Frames written as an MP4 file that any browser plays, with their own times and the original sound.

    with VideoWriter(path, video.info, sound_from=source) as writer:
        for frame in video:
            writer.write(frame)

The picture is H.264 (MPEG-4 part 2 where FFmpeg was built without x264), BT.709, 4:2:0. The preset is
x264's `superfast` at CRF 23: measured at 1280x720 it takes 9 ms of processor a frame, `ultrafast` 6 for
twice the size, `veryfast` 13 for six tenths of it, at the same fidelity (39 dB).

Times are kept to 1/90000 s and may be of any spacing. The clock starts at zero where the source's
earliest stream starts (without sound: at the first frame), as `ffmpeg` has it, so lips stay in step with
the sound. The sound is copied packet by packet where browsers play its coding, else encoded as AAC, and
all of it is taken, also where it outlasts the frames.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from mien.errors import MediaError, OutputError
from mien.files import whole_file
from mien.media.frames import Frame, MediaInfo
from mien.media.video import open_container

CLOCK = Fraction(1, 90000)
"""The unit of time in the file, fine enough for every common rate."""

COPIED = ("aac", "mp3", "opus", "flac")
"""Codings of sound that browsers play inside MP4; any other is encoded as AAC."""

WAITING = 8
"""Frames that may wait for the encoder."""


class VideoWriter:
    """An MP4 file that appears, whole, when the `with` block ends well; on any exception nothing is left.

    Encoding runs on a thread of its own. A frame handed over must not be drawn on afterwards.

    Args:
        path: where the file is to appear; must end in .mp4. One that exists is replaced.
        info: size and rate of the frames. An odd width or height is padded by one pixel, since 4:2:0
            needs even ones.
        sound_from: a file whose sound is taken; one without sound gives a silent video.

    Raises:
        OutputError: the file cannot be written.
        MediaError: the sound cannot be read.
    """

    def __init__(self, path: Path | str, info: MediaInfo, sound_from: Path | None = None) -> None:
        self._path = Path(path)
        if self._path.suffix.lower() != ".mp4":
            raise OutputError(f"{path}: a video is written as MP4; choose a name that ends in .mp4")
        if not self._path.parent.is_dir():
            raise OutputError(f"{path}: there is no folder {self._path.parent}")
        self._info = info
        self._sound_from = sound_from
        self._queue: Queue[Frame | None] = Queue(WAITING)
        self._error: BaseException | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            part = stack.enter_context(whole_file(self._path))
            stack.enter_context(_explained(self._path))
            film = _Film(part, self._info, self._sound_from)
            self._thread = Thread(target=self._encode, args=(film,), name="mien-encode", daemon=True)
            self._thread.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if error is not None and self._error is None:
                self._error = error  # tells the thread to drop what is waiting
            self._queue.put(None)
            self._thread.join()
            if self._error is not None:
                raise self._error

    def write(self, frame: Frame) -> None:
        """Hand over the next frame, whose seconds are later than those of the frame before.

        Raises:
            ValueError: its size is not that of `info`, or it has no time.
            OutputError: an earlier frame could not be written.
            MediaError: the sound cannot be read further.
        """
        if frame.image.shape != (self._info.height, self._info.width, 3):
            raise ValueError(f"frame {frame.image.shape}, expected {(self._info.height, self._info.width, 3)}")
        if not math.isfinite(frame.seconds):
            raise ValueError(f"frame {frame.number} has no time")
        if self._error is not None:
            raise self._error
        self._queue.put(frame)
