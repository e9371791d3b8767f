"""Frames and sound of a stream as they come, or of a file that is played like one.

    with Stream("rtsp://camera.local/1") as stream:
        for frame in stream:
            frame.seconds, frame.image, stream.sound.between(frame.seconds - 1, frame.seconds)

Pictures and sound have the stream's own clock: time stamp x time base, as for files. Each stream of sound is
resampled and placed by the rules of `mien.media.audio`.

What keeps the delay small: the decoder works without frames in flight (threads share the slices of one
frame; where there are no B-frames it is told so), only the newest frame waits for the consumer, pixels are
made of frames that are wanted alone, and where decoding itself falls behind for good, frames are passed over
up to the next key frame. What the sender and the container add is not seen here: with MPEG-TS a frame comes
two frames late, since its end is known by the beginning of the next, once in the container and once in H.264.

A damaged packet is passed over, and so is what a stream did not announce when it was opened, such as sound
that begins later.

Addresses are opened with the protocols that their scheme needs and no other. User names, passwords and
queries of addresses are left out of `info.name` and of messages.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from fractions import Fraction
from heapq import heappop, heappush
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream as AnyStream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mien.arrays import Image
from mien.errors import MediaError
from mien.media.audio import Placing, Samples
from mien.media.frames import MediaInfo
from mien.media.live import Arrival, Live, silence
from mien.media.tape import RollingSound
from mien.media.video import CONTAINERS, moving_streams, open_container, packets, pixels_of, turn_of, upright

PROTOCOLS = {
    "http": "http,tcp",
    "https": "https,http,tls,tcp",
    "rtmp": "rtmp,tcp",
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,udp,tcp,tls",
    "srt": "srt",
    "tcp": "tcp",
    "udp": "udp",
}
"""Scheme of an address -> the protocols of FFmpeg that it may use."""

FORMATS = f"{CONTAINERS},rtsp,sdp,rtp,hls"
"""Formats that a stream may have beside those of files."""

PATIENCE = 10.0
"""Seconds in which a stream must answer, and in which something must come, unless said otherwise."""

PROBED = {"analyzeduration": "1000000", "probesize": "1000000"}
"""At most so many microseconds and bytes are looked at to learn what is in a stream."""

LAG = 0.5
"""Seconds by which frames come later than the most punctual ones where there is more than can be decoded."""

LAGGING = 2.0
"""Seconds after which such a lag is believed: after an interruption it is soon made up for."""

PASSING = 3.0
"""Seconds after which frames that still come late are what is usual now."""

DRIFT = 0.01
"""Seconds a second by which a sender's clock may run slow without counting as a lag."""

LEAP = 10.0
"""Seconds; what comes later than this, or is due later, is on another clock."""

BACK = 0.1
"""Seconds by which a clock must have gone back to be another one."""

INTERLEAVED = 1.0
"""Seconds by which a file may hold sound and pictures of one time apart."""

HEARD_AHEAD = 1.0
"""Seconds of sound beyond a frame that are there before it is handed out, where nothing may be lost."""

APART = 3.0
"""Seconds of pictures for which sound is waited for there: containers keep the two closer together."""


class Stream(Live):
    """A stream: what is known of it, and its frames and sound until it ends or the `with` block is left.

    Args:
        address: with one of the schemes of PROTOCOLS; or the path of a file, which is played at its own
            pace.
        realtime: play an address at its own pace, too, where it gives a recording faster than that.
        lossless: of a file, hand out every frame, as soon as it is wanted, with all sound up to HEARD_AHEAD
            after it.
        patience: seconds in which it must answer, and in which something must come.

    Raises:
        MediaError: it cannot be opened, has no video, or gives no frame in time. While iterating: it
            broke off, or nothing came in time.
    """

    def __init__(
        self, address: str, *, realtime: bool = False, lossless: bool = False, patience: float = PATIENCE
    ) -> None:
        self._address = address
        self._patience = patience
        self._scheme = address.partition("://")[0].lower() if "://" in address else ""
        if self._scheme and (self._scheme not in PROTOCOLS or lossless):
            wanted = "a file" if lossless else ", ".join(f"{scheme}://" for scheme in PROTOCOLS)
            raise MediaError(f"{told(address)}: expected {wanted}{'' if lossless else ' or a file'}")
        super().__init__(told(address), lossless)
        self._paced = (realtime or not self._scheme) and not lossless
        self._number = 0
        self._lag = Lag()
        self._held: deque[Arrival] = deque()
        self._start(2 * patience)

    def _read(self) -> None:
        try:
            with self._opened() as container:
                pictures = self._pictures(container)
                hearing = self._hearing(container)
                for packet in self._packets(container):
                    if self._stopping:
                        return
                    if packet.stream_index == pictures.stream.index:
                        self._see(pictures, packet)
                    elif hearing is not None and packet.stream_index == hearing.stream.index:
                        hearing.take(packet)
                        self._release(hearing.tape.until - HEARD_AHEAD)
                    self._release(_due(packet) - APART)
                self._see(pictures, None)
                if hearing is not None:
                    hearing.take(None)
                self._release(math.inf)
        except av.FFmpegError as error:
            raise MediaError(f"{self._name}: {self._reason(error)}") from error

    def _opened(self) -> InputContainer:
        """Return the opened container."""
        if not self._scheme:
            return open_container(Path(self._address))
        options = {"format_whitelist": FORMATS, "protocol_whitelist": PROTOCOLS[self._scheme], **PROBED}
        if self._scheme.startswith("rtsp"):
            options["rtsp_flags"] = "prefer_tcp"
        container: InputContainer = av.open(
            self._address, "r", container_options=options, timeout=(self._patience, self._patience)
        )
        return container

    def _pictures(self, container: InputContainer) -> "_Pictures":
        """Return the decoder of the pictures, set up to hold none back."""
        stream = container.streams.best("video")
        moving = {stream.index for stream in moving_streams(container)}
        if not isinstance(stream, VideoStream) or stream.codec_context is None or stream.index not in moving:
            raise MediaError(f"{self._name}: holds no video that can be decoded")
        context = stream.codec_context
        context.thread_type = "SLICE"
        if not self._lossless and not context.has_b_frames:
            context.flags |= Flags.low_delay
        return _Pictures(stream)

    def _hearing(self, container: InputContainer) -> "_Hearing | None":
        """Return the decoder of the sound that a player would choose; None where there is none."""
        stream = container.streams.best("audio") if container.streams.audio else None
        if not isinstance(stream, AudioStream) or stream.codec_context is None:
            return None
        self.sound = RollingSound(math.inf) if self._lossless else RollingSound()
        return _Hearing(stream, self._name, self.sound)

    def _packets(self, container: InputContainer) -> Iterator["Packet[AnyStream]"]:
        """Yield packets as they come, or when they are due."""
        source = packets(container, Path(self._address)) if not self._scheme else _announced(container)
        source = (packet for packet in source if packet.size)
        if not self._paced:
            yield from source
            return
        zero = math.nan
        for seconds, packet in _in_order(source):
            now = time.monotonic()
            if not abs(zero + seconds - now) < LEAP:  # the first, or another clock
                zero = now - seconds
            self._sleep_until(zero + seconds)
            yield packet

    def _see(self, pictures: "_Pictures", packet: "Packet[Any] | None") -> None:
        """Put the pictures of a packet in the line; None for those that the decoder still holds."""
        if packet is not None and self._passes(packet):
            self._number += 1
            self.dropped += 1
            return
        for seconds, picture in pictures.decode(packet):
            came = Arrival(self._number, seconds, time.monotonic(), pictures.pixels(picture))
            if not hasattr(self, "info"):
                self.info = pictures.info(self._name, self.sound is not None)
            self._number += 1
            if self._lossless and self.sound is not None:
                self._held.append(came)
            else:
                self._put(came)

    def _passes(self, packet: "Packet[Any]") -> bool:
        """Return whether a packet of pictures is passed over."""
        now = time.monotonic()
        return not self._lossless and self._lag.passes(_due(packet), packet.is_keyframe, now)

    def _release(self, until: float) -> None:
        """Put the frames in the line that waited for sound, up to a time."""
        while self._held and self._held[0].seconds <= until and not self._stopping:
            self._put(self._held.popleft())

    def _reason(self, error: av.FFmpegError) -> str:
        """Return why a stream could not be opened or broke off."""
        after = f" after {self._number} frames" if self._number else ""
        if isinstance(error, av.error.ExitError):
            return silence(self._patience) + after
        if isinstance(error, av.error.ProtocolNotFoundError):
            return f"this build of FFmpeg knows no {self._scheme}"
        return f"{'broke off' if after else 'cannot be opened'}{after} ({error.strerror})"


def _announced(container: InputContainer) -> Iterator["Packet[AnyStream]"]:
    """Yield the packets of the streams that were there at opening."""
    while True:
        try:
            yield from container.demux()
        except IndexError:  # the first packet of another stream; asked anew, PyAV leaves that stream out
            continue
        return


def _due(packet: "Packet[Any]") -> float:
    """Return the seconds at which a packet is to be decoded, or else shown; NaN where it tells neither."""
    stamp = packet.dts if packet.dts is not None else packet.pts
    return math.nan if stamp is None else float(stamp * packet.time_base)


def _in_order(source: Iterator["Packet[AnyStream]"]) -> Iterator[tuple[float, "Packet[AnyStream]"]]:
    """Yield packets by the time at which they are due, with that time.

    A file may hold half a second of sound before, or behind, the pictures of that time.
    """
    held: list[tuple[float, int, Packet[AnyStream]]] = []
    newest = 0.0
    for number, packet in enumerate(source):
        seconds = _due(packet)
        newest = seconds if math.isfinite(seconds) else newest
        heappush(held, (newest, number, packet))
        while held[0][0] < newest - INTERLEAVED:
            due, _, packet = heappop(held)
            yield due, packet
    while held:
        due, _, packet = heappop(held)
        yield due, packet


class Lag:
    """Tells which pictures are passed over, undecoded, since more come than can be decoded.

    They are passed over up to a key frame, and as long as what is read is late. Where there is none for
    LEAP seconds, the decoder must do without.
    """

    def __init__(self) -> None:
        self._offset = math.inf
        self._seconds = -math.inf
        self._looked = self._began = 0.0
        self._since = math.inf
        self._passing = False

    def passes(self, seconds: float, key: bool, now: float) -> bool:
        """Return whether a packet is to be passed over.

        Args:
            seconds: of the stream's clock, at which it is due; NaN where that is not known.
            key: whether it is a key frame.
            now: monotonic seconds.
        """
        if math.isnan(seconds):
            return self._passing
        offset = now - seconds
        if seconds < self._seconds - BACK:
            self._offset, self._since = offset, math.inf
        self._seconds = seconds
        usual = self._offset + DRIFT * (now - self._looked)
        self._offset, self._looked = offset if offset > usual + LEAP else min(offset, usual), now
        behind = offset > self._offset + LAG
        self._since = min(self._since, now) if behind else math.inf
        if self._passing:
            late = now - self._began > PASSING
            self._passing = not (key and (late or not behind)) and now - self._began <= LEAP
            if not self._passing:
                self._offset, self._since = offset, math.inf
        elif now - self._since > LAGGING:
            self._passing, self._began = True, now
        return self._passing


class _Pictures:
    """Decodes pictures.

    Args:
        stream: of an open container.
    """

    def __init__(self, stream: VideoStream) -> None:
        self.stream = stream
        self._step = 1 / stream.average_rate if stream.average_rate else Fraction(0)
        self._seconds = -self._step
        self._size = (0, 0)
        self._turned = (False, False, False)

    def decode(self, packet: "Packet[Any] | None") -> Iterator[tuple[float, VideoFrame]]:
        """Yield the frames that come out now, with their seconds; nothing for a damaged packet."""
        try:
            frames = self.stream.decode(packet)
        except av.FFmpegError:
            return
        for frame in frames:
            if self._size == (0, 0):
                self._size, self._turned = (frame.width, frame.height), turn_of(frame)
            stamp = frame.pts if frame.pts is not None else frame.dts
            if stamp is not None and self.stream.time_base is not None:
                self._seconds = stamp * self.stream.time_base
            else:
                self._seconds += self._step
            yield float(self._seconds), frame

    def pixels(self, frame: VideoFrame) -> Callable[[], Image]:
        """Return what makes the pixels of a frame: upright, and of the first frame's size."""
        size, turned = self._size, self._turned
        return lambda: upright(pixels_of(frame, size), turned)

    def info(self, name: str, sound: bool) -> MediaInfo:
        """Return what is known of a stream whose first frame was decoded."""
        width, height = self._size[::-1] if self._turned[0] else self._size
        rate = float(self.stream.average_rate or math.nan)
        return MediaInfo(name, "camera", width, height, rate, math.nan, 0, sound)


class _Hearing:
    """Decodes sound and writes it where it belongs.

    Args:
        stream: of an open container.
        name: what messages call it.
        tape: what is written.
    """

    def __init__(self, stream: AudioStream, name: str, tape: RollingSound) -> None:
        self.stream = stream
        self.tape = tape
        self._name = name
        self._placing = self._fresh()

    def take(self, packet: "Packet[Any] | None") -> None:
        """Write the sound of a packet; None for what is still inside. What is damaged is a gap."""
        try:
            frames = self.stream.decode(packet)
        except av.FFmpegError:
            return
        try:
            for frame in frames:
                self._write(self._placing.add(frame))
            if packet is None:
                self._write(self._placing.finish())
        except (av.FFmpegError, MediaError, ValueError):
            self._placing = self._fresh()

    def _write(self, parts: Iterator[tuple[int, Samples]]) -> None:
        for part in parts:
            self.tape.write(*part)

    def _fresh(self) -> Placing:
        return Placing(self._name, longest=math.inf)


def told(address: str) -> str:
    """Return an address as it is shown: without user, password and query; of a file its name."""
    if "://" not in address:
        return Path(address).name
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise MediaError(f"an address that cannot be read ({error})") from error
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
