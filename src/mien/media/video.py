"""Frames of a video file with the container's own time stamps, decoded on a thread of their own.

    with Video(path) as video:
        for frame in video:
            frame.seconds, frame.image

What is promised: every frame in order of presentation, upright, or a `MediaError` that names the
file and the reason. The display matrix (rotation by right angles, mirroring) is applied. The sample
aspect ratio is not: pixels stay as stored, so an anamorphic video looks squeezed. Colours follow the
stream's own matrix and range as swscale does, BT.601 where the stream states none; high dynamic range
is not tone-mapped. A stream that changes its size is scaled to the size of its first frame.

A single damaged packet is passed over, as players do: its frame is missing, the others keep their
times. More than one damaged packet in ten is an error. So is a file that is cut short, as far as it
can be noticed: MP4 and MOV at opening (the index lies behind the cut or points beyond it); AVI,
Matroska, WebM and FLV at the end of what is left (more than half a second is missing from what the
header states, or the last packet is incomplete). MPEG program and transport streams, raw streams and
files written live state no length: a cut there passes for the end.

`timestamps` gives the frames' times without decoding them, where the container is one that states them.

Memory does not grow while decoding. FFmpeg keeps the index of an MP4 file, about 20 MB for an hour of
video with sound; other containers have next to none.
"""

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from fractions import Fraction
from itertools import chain
from pathlib import Path
from queue import Empty, Queue
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self, overload

import av
import cv2
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mien.arrays import FloatArray, Image
from mien.errors import MediaError
from mien.media.frames import Frame, MediaInfo

AHEAD = 8
"""Frames decoded ahead of the consumer: enough to keep both busy, 22 MB at 1280x720."""

CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,asf,gif,apng,ogg,mxf,ivf,nut,dv,"
    "h264,hevc,m4v,obu,mjpeg,mpjpeg,rm,wtv,yuv4mpegpipe,webp_anim,mp3,wav,flac,aac,aiff,amr,ac3,au,caf"
)
"""Containers that are tried. FFmpeg would also take text for ANSI art, and playlists that open more files."""

DAMAGED = 0.1
"""The share of packets that may fail to decode."""

_LENIENT: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
"""Titles in a broken coding are no reason to refuse a file; from PyAV 19 on they never are."""

LENGTH_STATED = ("matroska,webm", "flv", "flac", "aiff", "au")
"""Containers whose header states their length; of others FFmpeg may have guessed it from the file's size."""

MISSING = 0.5
"""Seconds by which a file may end before the time its header states."""

STAMPED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flv")
"""Containers in which a packet is a frame and has its own time; elsewhere it may be a field, or have none."""

Turn = tuple[bool, bool, bool]
"""How to show a stored picture: transposed first, then mirrored in x, then in y."""


class Video:
    """A video file: what is known of it, and its frames.

    Iterating starts at the beginning each time; one iteration at a time. Leaving the `with` block in
    any way stops the decoding thread and closes the file.

    Args:
        path: the file.
        threads: processor threads of the decoder; 0 leaves it to FFmpeg, best for one video at a time.
            Take 1 where several videos are decoded side by side.

    Raises:
        MediaError: the file cannot be read, holds no video, or not one frame of it can be decoded.
            While iterating: the file is cut short or damaged.
    """

    def __init__(self, path: Path | str, threads: int = 0) -> None:
        self._path = Path(path)
        self._threads = threads
        self._frames: Generator[Frame] | None = None
        self.info: MediaInfo = _info(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        self.close()
        path, threads = self._path, self._threads
        self._frames = _ahead(lambda: _frames(path, threads))
        return self._frames

    def close(self) -> None:
        """Stop decoding and close the file."""
        if self._frames is not None:
            self._frames.close()
            self._frames = None


def timestamps(path: Path) -> FloatArray:
    """Return the time of every frame in order of presentation, (n,), equal to their `Frame.seconds`.

    They are read from the packets, many times as fast as decoding. Where packets do not tell
    (other containers than STAMPED, a start in the middle of a group of pictures), frames are decoded.
    A damaged packet, whose frame is missing when decoded, is not noticed unless decoded.

    Raises:
        MediaError: the file cannot be read, holds no video, or is cut short.
    """
    with open_container(path) as container:
        stream = moving_stream(container, path)
        refuse_cut_index(stream, path)
        stamps = _packet_stamps(container, stream, path) if container.format.name in STAMPED else None
        if stamps is not None and stream.time_base is not None:
            return np.array([float(stamp * stream.time_base) for stamp in sorted(stamps)])
    with open_container(path) as container:
        stream = moving_stream(container, path)
        stream.codec_context.thread_type = "AUTO"
        return np.array([seconds for seconds, _ in _timed(container, stream, path)])


def refuse_unreadable(path: Path) -> bytes:
    """Return the first bytes of a file, up to 32.

    Raises:
        MediaError: it is missing, no regular file, empty, or may not be read.
    """
    try:
        if path.is_dir():
            raise MediaError(f"{path}: is a folder, not a file")
        if path.exists() and not path.is_file():
            raise MediaError(f"{path}: is not a regular file")
        with open(path, "rb") as file:
            head = file.read(32)
    except FileNotFoundError as error:
        raise MediaError(f"{path}: no such file") from error
    except PermissionError as error:
        raise MediaError(f"{path}: no permission to read it") from error
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({error.strerror})") from error
    if not head:
        raise MediaError(f"{path}: is empty (0 bytes)")
    return head


def open_container(path: Path) -> InputContainer:
    """Return the opened container of a video or sound file; close it after use.

    Raises:
        MediaError: the file cannot be read, or is no video or sound.
    """
    head = refuse_unreadable(path)
    options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        container: InputContainer = av.open(f"file:{path}", "r", container_options=options, **_LENIENT)
        return container
    except av.FFmpegError as error:
        if head[4:8] == b"ftyp":
            reason = "its index is missing or damaged: cut short, or still being written"
        elif isinstance(error, av.EOFError):
            reason = "ends before its first frame"
        else:
            reason = f"is in no format that can be read ({error.strerror})"
        raise MediaError(f"{path}: {reason}") from error


def _info(path: Path) -> MediaInfo:
    """Return what is known of a video, from its header and its first frame."""
    with open_container(path) as container:
        stream = moving_stream(container, path)
        refuse_cut_index(stream, path)
        stream.codec_context.thread_count = 1
        first = next(decoded(container, stream, path), None)
        if first is None:
            raise MediaError(f"{path}: holds no frame that can be decoded")
        width, height = first.width, first.height
        if turn_of(first)[0]:
            width, height = height, width
        rate = float(stream.average_rate or math.nan)
        seconds = math.nan
        if stream.duration and stream.time_base:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration:
            seconds = container.duration / av.time_base
        frames = stream.frames or (0 if math.isnan(rate * seconds) else round(rate * seconds))
        sound = len(container.streams.audio) > 0
        return MediaInfo(path.name, "video", width, height, rate, seconds, frames, sound)


def _frames(path: Path, threads: int) -> Generator[Frame]:
    """Yield the frames of a file; the container is opened and closed here, by whoever iterates."""
    with open_container(path) as container:
        stream = moving_stream(container, path)
        stream.codec_context.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        turn, size = (False, False, False), (0, 0)
        try:
            for number, (seconds, picture) in enumerate(_timed(container, stream, path)):
                if number == 0:
                    turn, size = turn_of(picture), (picture.width, picture.height)
                yield Frame(number, seconds, upright(pixels_of(picture, size), turn))
        except MediaError:
            raise
        except Exception as error:
            raise MediaError(f"{path}: cannot be decoded ({error})") from error


def _timed(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[tuple[float, VideoFrame]]:
    """Yield decoded frames with their seconds.

    Time stamps are pts x time base. A frame without pts takes its dts, and without that the time of
    the frame before plus one frame at the average rate (0 for the first).
    """
    step = 1 / stream.average_rate if stream.average_rate else Fraction(0)
    seconds = -step
    for picture in decoded(container, stream, path):
        stamp = picture.pts if picture.pts is not None else picture.dts
        if stamp is not None and stream.time_base is not None:
            seconds = stamp * stream.time_base
        else:
            seconds += step
        yield float(seconds), picture


def _packet_stamps(container: InputContainer, stream: VideoStream, path: Path) -> list[int] | None:
    """Return the pts of the packets that are shown; None where only decoding can tell the frames."""
    stamps: list[int] = []
    start: int | None = None
    some_hidden = stream.codec_context.name == "vp8"  # some packets only help to predict others
    for packet in packets(container, path):
        if packet.stream_index != stream.index:
            continue
        if packet.pts is None or (start is None and not packet.is_keyframe):
            return None
        start = packet.pts if start is None else start
        if packet.pts < start:
            return None  # shown before the key frame that it needs, or not at all
        if not packet.is_discard and (not some_hidden or memoryview(packet)[0] & 0x10):
            stamps.append(packet.pts)
    return stamps if len(set(stamps)) == len(stamps) else None


def packets(container: InputContainer, path: Path) -> Iterator["Packet[Stream]"]:
    """Yield the packets of every stream, and judge at the end if the file was whole.

    Every stream is demultiplexed, since a header states the end of the longest.

    Raises:
        MediaError: the file is cut short or damaged.
    """
    stated, reached = _stated_seconds(container), Fraction(0)
    incomplete, number = False, 0
    try:
        for packet in container.demux():
            if packet.size:
                number += 1
                incomplete, reached = packet.is_corrupt, max(reached, _end(packet))
                yield packet
    except av.FFmpegError as error:
        raise MediaError(f"{path}: cut short or damaged after {number} packets ({error.strerror})") from error
    except IndexError as error:  # PyAV knows the streams that were there at opening
        raise MediaError(f"{path}: damaged: after {number} packets another stream begins") from error
    if incomplete or stated - reached > MISSING:
        length = "" if math.isnan(stated) else f" of {stated:.2f} s"
        raise MediaError(f"{path}: cut short (ends at {float(reached):.2f}{length})")


@overload
def decoded(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[VideoFrame]: ...
@overload
def decoded(container: InputContainer, stream: AudioStream, path: Path) -> Iterator[AudioFrame]: ...
def decoded(container: InputContainer, stream: Any, path: Path) -> Iterator[Any]:
    """Yield the decoded frames of one stream of pictures or sound, passing over damaged packets.

    Raises:
        MediaError: the file is cut short, or more than one packet in ten is damaged.
    """
    tried = damaged = 0
    for packet in chain(packets(container, path), [None]):  # None: what the decoder still holds
        if packet is not None and packet.stream_index != stream.index:
            continue
        tried += 1
        try:
            frames = stream.decode(packet)
        except av.FFmpegError:
            damaged += 1
            continue
        yield from frames
    if damaged > DAMAGED * tried:
        raise MediaError(f"{path}: damaged: {damaged} of {tried} packets cannot be decoded")


def _ahead(source: Callable[[], Generator[Frame]]) -> Generator[Frame]:
    """Yield what `source` yields, made on a thread that stays up to AHEAD frames in front."""
    queue: Queue[Frame | BaseException | None] = Queue(AHEAD)
    stop = Event()

    def work() -> None:
        end: BaseException | None = None
        try:
            with closing(source()) as frames:
                for frame in frames:
                    queue.put(frame)
                    if stop.is_set():
                        break
        except BaseException as error:  # whatever it is, it belongs to the consumer
            end = error
        queue.put(end)

    thread = Thread(target=work, name="mien-decode", daemon=True)
    thread.start()
    try:
        while (item := queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        while thread.is_alive():
            try:
                queue.get(timeout=0.01)
            except Empty:
                continue


def moving_streams(container: InputContainer) -> list[VideoStream]:
    """Return the streams of moving pictures; the cover of a record is none."""
    streams = container.streams.video
    return [s for s in streams if not Disposition(s.disposition) & Disposition.attached_pic]


def moving_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the stream of moving pictures that a player would show."""
    streams, moving = container.streams, moving_streams(container)
    if not moving:
        cover = " and a cover picture" if streams.video else ""
        raise MediaError(f"{path}: holds {'only sound' + cover + ', ' if streams.audio else ''}no video")
    best = streams.best("video")
    stream = next((s for s in moving if best is not None and s.index == best.index), moving[0])
    if stream.codec_context is None:
        raise MediaError(f"{path}: its video has a coding that FFmpeg does not know")
    return stream


def refuse_cut_index(stream: Stream, path: Path) -> None:
    """Refuse a file whose own index of a stream points beyond the file's end."""
    size = path.stat().st_size
    end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    if end > size:
        raise MediaError(f"{path}: cut short: its index reaches to byte {end}, the file ends at {size}")


def _stated_seconds(container: InputContainer) -> float:
    """Return the end that the header states, on the container's clock; NaN where none is to be trusted."""
    if container.format.name == "avi":
        moving = [stream for stream in moving_streams(container) if stream.average_rate]
        return max((float(s.frames / s.average_rate) for s in moving if s.average_rate), default=math.nan)
    if container.format.name in LENGTH_STATED and container.duration:
        return container.duration / av.time_base
    return math.nan


def _end(packet: "Packet[Stream]") -> Fraction:
    """Return when what a packet holds ends, in seconds; 0 where it has no time."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    return Fraction(0) if stamp is None else (stamp + (packet.duration or 0)) * packet.time_base


def pixels_of(picture: VideoFrame, size: tuple[int, int]) -> Image:
    """Return BGR pixels of shape (height, width, 3) for size (width, height)."""
    width, height = size
    pixels = picture.to_ndarray(format="bgr24", width=width, height=height, threads=1)
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def turn_of(picture: VideoFrame) -> Turn:
    """Return how a frame is to be shown, from its display matrix.

    Not turned where there is no matrix, or it turns by other than right angles.
    """
    data = picture.side_data.get("DISPLAYMATRIX")
    if isinstance(data, SideData):
        # A point (x, y) is shown at (a x + c y, b x + d y); the numbers are 16.16 fixed point.
        a, b, _, c, d, *_ = np.sign(np.frombuffer(bytes(data), np.int32)).tolist()
        if a and d and not b and not c:
            return False, a < 0, d < 0
        if b and c and not a and not d:
            return True, c < 0, b < 0
    return False, False, False


def upright(image: Image, turn: Turn) -> Image:
    """Return the image as it is to be shown."""
    transposed, mirror_x, mirror_y = turn
    if transposed:
        image = cv2.transpose(image).astype(np.uint8, copy=False)
    if mirror_x or mirror_y:
        image = cv2.flip(image, -1 if mirror_x and mirror_y else int(mirror_x)).astype(np.uint8, copy=False)
    return image
