"""What decoding yields: frames with their own time, and what is known of the file beforehand."""

from dataclasses import dataclass
from typing import Literal

from mien.arrays import Image


@dataclass(frozen=True)
class Frame:
    """One decoded frame.

    Attributes:
        number: 0-based, in presentation order.
        seconds: presentation time as the container states it (pts x time base; what ffprobe
            prints as pts_time). NaN for a picture, which has no time.
        image: (height, width, 3) BGR, upright: rotation metadata is already applied.
    """

    number: int
    seconds: float
    image: Image


@dataclass(frozen=True)
class MediaInfo:
    """What is known of a medium before it is read.

    Attributes:
        name: what people call it: the file's name, or "camera 0".
        kind: a still picture, a video file or a live camera.
        width: in pixels, after rotation.
        height: in pixels, after rotation.
        rate: average frames per second; NaN where unknown.
        seconds: duration; NaN where unknown.
        frames: number of frames, 0 where unknown; a hint for progress only.
        sound: whether there is a sound stream.
    """

    name: str
    kind: Literal["picture", "video", "camera"]
    width: int
    height: int
    rate: float
    seconds: float
    frames: int
    sound: bool
