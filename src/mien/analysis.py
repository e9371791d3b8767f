"""One medium analysed: its faces, their tracks, and what the network says of them over time."""

from collections.abc import Mapping
from dataclasses import dataclass

from mien.arrays import IntArray
from mien.faces.detection import Faces
from mien.media.frames import Frame, MediaInfo
from mien.records import Predictions


@dataclass(frozen=True)
class FrameResult:
    """What was found in one frame, n faces.

    Attributes:
        frame: the frame itself, with its number and time.
        ids: (n,) face numbers, 0-based by first appearance in the medium; stable over time.
        faces: n boxes, landmarks and scores.
        predictions: n rows.
    """

    frame: Frame
    ids: IntArray
    faces: Faces
    predictions: Predictions


@dataclass(frozen=True)
class Thumbnail:
    """A small picture for the report.

    Attributes:
        title: file name for a still, empty for a frame of a video.
        frame: frame number.
        seconds: time of the frame; NaN for a still.
        jpeg: the picture.
    """

    title: str
    frame: int
    seconds: float
    jpeg: bytes


@dataclass(frozen=True)
class Summary:
    """What a report needs beside the table of predictions.

    Attributes:
        info: of the medium; for many pictures analysed together, name is the folder's.
        frames: frames (or pictures) read.
        frames_with_face: those in which at least one face was found.
        first_seconds: time of the first frame; NaN for stills.
        last_seconds: time of the last frame; NaN for stills.
        cuts: times in seconds at which a new shot starts.
        thumbnails: evenly spread over time (a video) or one per picture (at most some hundreds).
        portraits: face number -> JPEG of its best crop.
        card: the bundle's model card: plain values to be shown as they are.
        detector: the detector's name.
        problems: one line each, of what could not be read.
    """

    info: MediaInfo
    frames: int
    frames_with_face: int
    first_seconds: float
    last_seconds: float
    cuts: tuple[float, ...]
    thumbnails: tuple[Thumbnail, ...]
    portraits: Mapping[int, bytes]
    card: Mapping[str, object]
    detector: str
    problems: tuple[str, ...]
