"""Makers of small videos and sounds whose every frame and time is known."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from mien.arrays import FloatArray, Image

CODERS = {
    ".mp4": ("libx264", "aac"),
    ".mov": ("libx264", "aac"),
    ".mkv": ("libx264", "aac"),
    ".ts": ("libx264", "aac"),
    ".flv": ("flv", "aac"),
    ".webm": ("libvpx", "libopus"),
    ".avi": ("mpeg4", "libmp3lame"),
    ".mpg": ("mpeg2video", "mp2"),
}
"""Suffix -> FFmpeg's encoders of picture and sound."""

SOUND_CODERS = {
    ".wav": "pcm_s16le",
    ".nut": "pcm_s16le",
    ".flac": "flac",
    ".m4a": "aac",
    ".mp3": "libmp3lame",
    ".ogg": "libopus",
}
"""Suffix -> FFmpeg's encoder of sound alone."""

CLOCK = Fraction(1, 90_000)

Hearing = Callable[[FloatArray], FloatArray]
"""Seconds (n,) -> what is heard then (n,), in [-1, 1]."""


def corner_image(number: int, size: tuple[int, int] = (64, 48)) -> Image:
    """Return a grey BGR picture of size (width, height) with a red top left quarter.

    The grey is 40 + 10 x (number mod 20): it tells frames apart and survives compression.
    """
    width, height = size
    image = np.full((height, width, 3), 40 + 10 * (number % 20), np.uint8)
    image[: height // 2, : width // 2] = (0, 0, 255)
    return image


def make_video(
    path: Path,
    *,
    frames: int = 10,
    size: tuple[int, int] = (64, 48),
    rate: int = 25,
    times: Sequence[float] | None = None,
    rotation: int = 0,
    mirrored: bool = False,
    b_frames: int = 0,
    sound: bool = False,
    sound_start: float = 0.0,
    draw: Callable[[int], Image] | None = None,
    hear: Hearing | None = None,
) -> Path:
    """Return `path`, now a video; its suffix chooses container and coding (see CODERS).

    Args:
        path: where to write it.
        frames: number of frames; ignored where `times` are given.
        size: width and height of the stored pictures; odd ones are stored without colour subsampling.
        rate: frames per second, where no `times` are given.
        times: the frames' seconds, of any spacing, for a variable frame rate (not in .avi and .mpg).
        rotation: degrees counter-clockwise by which a player is to turn the picture (.mp4, .mov).
        mirrored: whether a player is to mirror it left to right, after turning (.mp4, .mov).
        b_frames: greatest number of B-frames in a row.
        sound: whether to add sound, as long as the pictures.
        sound_start: seconds at which the sound begins.
        draw: frame number -> BGR picture of `size`; `corner_image` by default.
        hear: the sound, on the clock of the `times`; a tone of 440 Hz by default.
    """
    coding, hearing = CODERS[path.suffix]
    clock = Fraction(1, rate) if times is None else CLOCK
    ticks = list(range(frames)) if times is None else [round(t / clock) for t in times]
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast"} if coding == "libx264" else {"b": "1000000"}
        stream = cast(VideoStream, container.add_stream(coding, rate, options))
        stream.width, stream.height = size
        stream.pix_fmt = "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"
        stream.codec_context.time_base = stream.time_base = clock
        stream.codec_context.max_b_frames = b_frames
        if rotation or mirrored:
            stream.set_display_rotation(rotation, hflip=mirrored)
        heard = cast(AudioStream, container.add_stream(hearing, 48_000)) if sound else None
        for number, tick in enumerate(ticks):
            image = corner_image(number, size) if draw is None else draw(number)
            picture = av.VideoFrame.from_ndarray(image, format="bgr24")
            picture.pts, picture.time_base = tick, clock
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if heard is not None:
            seconds = float(ticks[-1] * clock) + 1 / rate - sound_start
            _add_sound(container, heard, hear or tone(440.0), sound_start, seconds)
    return path


def make_sound(
    path: Path,
    *,
    seconds: float = 1.0,
    rate: int = 48_000,
    frequency: float = 440.0,
    layout: str = "stereo",
    start: float = 0.0,
    hear: Hearing | None = None,
) -> Path:
    """Return `path`, now a sound; its suffix chooses container and coding (see SOUND_CODERS).

    Args:
        path: where to write it.
        seconds: its length.
        rate: samples per second.
        frequency: of the tone in Hz, where `hear` does not tell what is heard.
        layout: FFmpeg's name of the channels ("mono", "stereo", "5.1"); all are given the same.
        start: seconds of the file's clock at which it begins; not every container keeps that.
        hear: the sound; its clock is zero where the sound begins.
    """
    with av.open(str(path), "w") as container:
        coder = SOUND_CODERS[path.suffix]
        stream = cast(AudioStream, container.add_stream(coder, rate, layout=layout))
        heard = hear or tone(frequency)
        _add_sound(container, stream, lambda times: heard(times - start), start, seconds)
    return path


def tone(frequency: float) -> Hearing:
    """Return a sine of a frequency in Hz; its amplitude is a quarter of full scale."""
    return lambda seconds: 0.25 * np.sin(2 * math.pi * frequency * seconds)


def clicks(*places: float) -> Hearing:
    """Return silence with a click of 10 ms around each of some seconds; it survives every coding."""

    def hear(seconds: FloatArray) -> FloatArray:
        distances = seconds - np.array(places)[:, None]
        waves = np.exp(-((distances / 0.004) ** 2)) * np.cos(2 * math.pi * 1000 * distances)
        return np.asarray(0.5 * waves.sum(axis=0))

    return hear


def _add_sound(
    container: OutputContainer, stream: AudioStream, hear: Hearing, start: float, seconds: float
) -> None:
    """Add sound to an open container, the same on every channel, in blocks of 1024 samples."""
    rate, total = stream.rate, max(round(seconds * stream.rate), 1)
    begin = round(start * rate)
    for first in range(begin, begin + total, 1024):
        values = hear(np.arange(first, min(first + 1024, begin + total)) / rate)
        samples = np.round(32_767 * values).astype(np.int16).repeat(stream.layout.nb_channels)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=stream.layout.name)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = first
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
