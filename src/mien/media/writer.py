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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from mien.errors import MediaError, OutputError
from mien.files import explained, whole_file
from mien.media.frames import Frame, MediaInfo
from mien.media.video import open_container

CLOCK = Fraction(1, 90000)
"""The unit of time in the file, fine enough for every common rate."""

COPIED = ("aac", "mp3", "opus", "flac")
"""Codings of sound that browsers play inside MP4; any other is encoded as AAC."""

AAC_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Sampling rates that are kept when sound is encoded."""

Timed = tuple[float, "Packet[AudioStream]"]
"""A packet and the second at which it is heard."""

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
        with explained(self._path):
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
            self._film = _Film(self._path, part, self._info, self._sound_from)
            self._thread = Thread(target=self._encode, args=(self._film,), name="mien-encode", daemon=True)
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

    @property
    def start(self) -> float | None:
        """Time of the source at which the written file's clock is 0; None until that is settled."""
        return self._film.start

    def write(self, frame: Frame) -> None:
        """Hand over the next frame, whose seconds are later than those of the frame before.

        Raises:
            ValueError: its size is not that of `info`, or it has no time.
            OutputError: an earlier frame could not be written.
            MediaError: the sound cannot be read further.
        """
        if frame.image.shape != (self._info.height, self._info.width, 3):
            raise ValueError(
                f"frame {frame.image.shape}, expected {(self._info.height, self._info.width, 3)}"
            )
        if not math.isfinite(frame.seconds):
            raise ValueError(f"frame {frame.number} has no time")
        if self._error is not None:
            raise self._error
        self._queue.put(frame)

    def _encode(self, film: "_Film") -> None:
        """Encode what arrives until None does; after an error only empty the queue."""

        def attempt(step: Callable[[], None]) -> None:
            if self._error is None:
                try:
                    with _explained(self._path):
                        step()
                except BaseException as error:  # whatever it is, it belongs to the thread that writes
                    self._error = error

        while (frame := self._queue.get()) is not None:
            attempt(partial(film.add, frame))
        attempt(film.finish)
        film.close()


class _Film:
    """An MP4 container being filled: pictures, and the sound that belongs before each of them."""

    def __init__(self, path: Path, part: Path, info: MediaInfo, sound_from: Path | None) -> None:
        self._path = path
        self.start: float | None = None
        self._last = -1
        with ExitStack() as stack:
            source = stack.enter_context(open_container(sound_from)) if sound_from is not None else None
            options = {"movflags": "+faststart"}
            self._container = av.open(f"file:{part}", "w", format="mp4", options=options)
            stack.callback(_close_quietly, self._container)
            self._pictures = _picture_stream(self._container, info)
            self._sound: Iterator[Timed] = iter(())
            if sound_from is not None and source is not None and source.streams.audio:
                self.start = (source.start_time or 0) / av.time_base
                self._sound = _sound(self._container, source, self.start, sound_from)
            self._waiting = next(self._sound, None)
            self._stack = stack.pop_all()

    def add(self, frame: Frame) -> None:
        """Encode one frame, after the sound up to its time, so that neither waits long for the other."""
        if self.start is None:
            self.start = frame.seconds
        seconds = frame.seconds - self.start
        height, width = frame.image.shape[:2]
        image = frame.image
        if height % 2 or width % 2:
            image = np.asarray(
                cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE), np.uint8
            )
        picture = av.VideoFrame.from_ndarray(image, format="bgr24")
        picture = picture.reformat(
            format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, threads=1
        )
        clock = self._pictures.codec_context.time_base or CLOCK
        self._last = max(round(seconds / clock), self._last + 1)
        picture.pts, picture.time_base = self._last, clock
        self._add_sound(seconds)
        self._container.mux(self._pictures.encode(picture))

    def finish(self) -> None:
        """Write what is left, and the index."""
        if self._last < 0:
            raise OutputError(f"{self._path}: a video needs at least one frame")
        self._container.mux(self._pictures.encode(None))
        self._add_sound(math.inf)
        self._container.close()

    def close(self) -> None:
        """Let go of every file."""
        self._stack.close()

    def _add_sound(self, seconds: float) -> None:
        while self._waiting is not None and self._waiting[0] <= seconds:
            self._container.mux(self._waiting[1])
            self._waiting = next(self._sound, None)


def _picture_stream(container: OutputContainer, info: MediaInfo) -> VideoStream:
    """Return a new stream of pictures of the size and rate of `info`."""
    rate = Fraction(info.rate).limit_denominator(100_000) if info.rate > 0 else Fraction(25)
    if "libx264" in av.codecs_available:
        stream = container.add_stream("libx264", rate, {"preset": "superfast", "crf": "23"})
        clock = CLOCK
    else:
        stream = container.add_stream("mpeg4", rate, {"qscale": "4"})
        clock = Fraction(1, 60_000)  # MPEG-4 counts in 16 bits
    stream.width, stream.height = info.width + info.width % 2, info.height + info.height % 2
    stream.pix_fmt = "yuv420p"
    coder = stream.codec_context
    coder.time_base = stream.time_base = clock
    coder.colorspace = 1  # BT.709 as H.273 numbers it; PyAV's own names are those of swscale
    coder.color_range = ColorRange.MPEG
    coder.color_primaries, coder.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
    return stream


def _sound(container: OutputContainer, source: InputContainer, start: float, path: Path) -> Iterator[Timed]:
    """Return the packets of a source's sound and their times, in a new stream of the container."""
    stream = source.streams.best("audio")
    if not isinstance(stream, AudioStream) or stream.codec_context is None:
        raise MediaError(f"{path}: its sound has a coding that FFmpeg does not know")
    if stream.codec_context.codec.canonical_name in COPIED:
        packets = _copied(source, stream, container.add_stream_from_template(stream))
    else:
        rate = stream.rate if stream.rate in AAC_RATES else 48_000
        coded = container.add_stream("aac", rate, layout="mono" if stream.channels == 1 else "stereo")
        packets = _coded(source, stream, coded)
    return _timed(packets, start, path)


def _timed(packets: Iterator["Packet[AudioStream]"], start: float, path: Path) -> Iterator[Timed]:
    """Yield packets with their times, both moved so that `start` is zero."""
    try:
        for packet in packets:
            shift = round(start / packet.time_base)
            packet.pts = (packet.pts or 0) - shift
            packet.dts = packet.pts if packet.dts is None else packet.dts - shift
            yield float(packet.pts * packet.time_base), packet
    except av.FFmpegError as error:
        raise MediaError(f"{path}: its sound cannot be read ({error.strerror})") from error


def _copied(
    source: InputContainer, stream: AudioStream, copy: AudioStream
) -> Iterator["Packet[AudioStream]"]:
    """Yield the packets as they are, now of the stream `copy`."""
    for packet in source.demux(stream):
        if packet.size and packet.pts is not None:
            packet.stream = copy
            yield packet


def _coded(
    source: InputContainer, stream: AudioStream, coded: AudioStream
) -> Iterator["Packet[AudioStream]"]:
    """Yield packets of the sound encoded anew; what cannot be decoded is passed over."""
    coder = coded.codec_context
    resampler = AudioResampler("fltp", coder.layout, coder.rate, frame_size=1024)
    for packet in chain(source.demux(stream), [None]):
        if packet is not None and not packet.size:
            continue
        try:
            heard = stream.decode(packet)
        except av.FFmpegError:
            continue
        for frame in heard:
            for part in resampler.resample(frame):
                yield from coded.encode(part)
    for part in resampler.resample(None):
        yield from coded.encode(part)
    yield from coded.encode(None)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn FFmpeg's and the operating system's refusals to write into one clear line."""
    try:
        with explained(path):
            try:
                yield
            except av.FFmpegError as error:
                raise OSError(error.errno, error.strerror) from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def _close_quietly(container: OutputContainer) -> None:
    """Close a container that may be unfinished; its file is thrown away, and so is the complaint."""
    with suppress(av.FFmpegError, OSError, ValueError):
        container.close()
