"""Whether browsers can play a video, and what to do where they cannot."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import av
import av.error

CODECS = {"h264": "mp4", "vp8": "webm", "vp9": "webm", "av1": "webm"}
"""Codecs that both Chromium and Firefox play, if their pixels are ordinary."""

CONTAINERS = {"mp4", "mov", "webm"}

PIXELS = {"yuv420p", "yuvj420p"}


@dataclass(frozen=True)
class Playing:
    """What is known of a video.

    Attributes:
        seconds: its duration; None where it is not told.
        step: seconds from one frame to the next, on the average.
        problem: what keeps browsers from playing it, and what to do; "" where nothing does.
    """

    seconds: float | None = None
    step: float = 0.04
    problem: str = ""


class Playable:
    """Looks at each video once, and again when it has changed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[tuple[Path, int, int], Playing] = {}

    def of(self, path: Path) -> Playing:
        """Return what is known of a video; what cannot be read is a problem, not an error."""
        try:
            stat = path.stat()
        except OSError as error:
            return Playing(problem=f"{path.name} cannot be read ({error.strerror}).")
        key = (path, stat.st_mtime_ns, stat.st_size)
        with self._lock:
            if key not in self._known:
                self._known[key] = look(path)
            return self._known[key]


def look(path: Path) -> Playing:
    """Return what a video's header says of playing it."""
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                return Playing(problem=f"{path.name} holds no pictures.")
            stream = container.streams.video[0]
            seconds = container.duration / av.time_base if container.duration else None
            step = float(1 / stream.average_rate) if stream.average_rate else 0.04
            codec, pixels = stream.codec_context.name, stream.codec_context.pix_fmt or "unknown"
            forms = set(container.format.name.split(","))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        return Playing(problem=f"{path.name} cannot be read ({error}).")
    why = ""
    codec = {"libdav1d": "av1", "libvpx": "vp8", "libvpx-vp9": "vp9"}.get(codec, codec)
    if codec not in CODECS:
        why = f"its pictures are {codec}"
    elif pixels not in PIXELS:
        why = f"its pixels are {pixels}"
    elif not forms & CONTAINERS:
        why = f"its container is {sorted(forms)[0]}"
    if why:
        return Playing(seconds, step, f"Browsers may not play {path.name}: {why}. {advice(path)}")
    if seconds is None:
        why = f"{path.name} does not tell how long it is, so browsers may not seek in it. {remuxing(path)}"
    return Playing(seconds, step, why)


def advice(path: Path) -> str:
    """Return how a copy is made that plays everywhere and steps quickly."""
    copy = f"{path.stem}.mp4" if path.suffix.lower() != ".mp4" else f"{path.stem}-h264.mp4"
    coding = "-c:v libx264 -pix_fmt yuv420p -g 15 -fps_mode passthrough -c:a aac -movflags +faststart"
    return _copying(path, coding, copy)


def remuxing(path: Path) -> str:
    """Return how a copy is made that tells its duration."""
    return _copying(path, "-c copy", f"{path.stem}-whole{path.suffix}")


def _copying(path: Path, coding: str, copy: str) -> str:
    """Return how a copy is made, and what is to be done then; the command is for a shell in the folder."""
    return (
        f"Make a copy and take {path.name} out of the folder, since both would be assigned:"
        f" ffmpeg -i {_spelled(path.name)} {coding} {_spelled(copy)}"
    )


def _spelled(name: str) -> str:
    """Return a file name as ffmpeg takes it from a shell: neither an option nor a protocol."""
    return shlex.quote(f"./{name}" if name.startswith("-") or ":" in name else name)
