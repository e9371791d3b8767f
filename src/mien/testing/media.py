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

from mien.arrays import Image

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

CLOCK = Fraction(1, 90_000)


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
        sound: whether to add a tone of 440 Hz as long as the pictures.
        sound_start: seconds at which the tone begins.
        draw: frame number -> BGR picture of `size`; `corner_image` by default.
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
        tone = cast(AudioStream, container.add_stream(hearing, 48_000)) if sound else None
        for number, tick in enumerate(ticks):
            image = corner_image(number, size) if draw is None else draw(number)
            picture = av.VideoFrame.from_ndarray(image, format="bgr24")
            picture.pts, picture.time_base = tick, clock
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
        if tone is not None:
            _add_tone(container, tone, sound_start, float(ticks[-1] * clock) + 1 / rate - sound_start)
    return path


def make_sound(path: Path, *, seconds: float = 1.0, rate: int = 48_000, frequency: float = 440.0) -> Path:
    """Return `path`, now a stereo tone; its suffix chooses the container (.wav, .mp3, .m4a, .flac, .ogg).

    Args:
        path: where to write it.
        seconds: its length.
        rate: samples per second.
        frequency: of the tone in Hz; its amplitude is a quarter of full scale.
    """
    coders = {".wav": "pcm_s16le", ".mp3": "libmp3lame", ".m4a": "aac", ".flac": "flac", ".ogg": "libopus"}
    with av.open(str(path), "w") as container:
        stream = cast(AudioStream, container.add_stream(coders[path.suffix], rate))
        _add_tone(container, stream, 0.0, seconds, frequency)
    return path


def _add_tone(
    container: OutputContainer, stream: AudioStream, start: float, seconds: float, frequency: float = 440.0
) -> None:
    """Add a stereo tone to an open container, in blocks of 1024 samples."""
    rate, total = stream.rate, max(round(seconds * stream.rate), 1)
    for first in range(0, total, 1024):
        phase = np.arange(first, min(first + 1024, total)) * (2 * math.pi * frequency / rate)
        samples = np.round(8192 * np.sin(phase)).astype(np.int16).repeat(2)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = first + round(start * rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
