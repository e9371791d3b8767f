"""One medium analysed: its faces, their tracks, and what the network says of them over time."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.arrays import FloatArray, IntArray
from mien.bundle import Bundle, Predictor, shipped
from mien.calibration import Calibration
from mien.faces.detection import Detector, Faces, Mtcnn, in_crop, in_still
from mien.faces.tracking import Tracker
from mien.following import Follower, Listening, hears, predict
from mien.media.audio import read_sound
from mien.media.frames import Frame, MediaInfo
from mien.media.pictures import kind_of, read_picture
from mien.media.video import Video
from mien.records import Predictions


@dataclass(frozen=True)
class FrameResult:
    """What was found in one frame, n faces.

    Attributes:
        frame: the frame itself, with its number and time.
        ids: (n,) face numbers, 0-based by first appearance in the medium; stable over time.
        faces: n boxes, landmarks and scores.
        predictions: n rows.
        cut: whether a new shot starts with this frame.
        voice: (n,) how well each mouth moves with the sound, -1 to 1, NaN where not known; None where that
            was not asked for.
    """

    frame: Frame
    ids: IntArray
    faces: Faces
    predictions: Predictions
    cut: bool = False
    voice: FloatArray | None = None


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


@dataclass(frozen=True)
class Analysis:
    """One medium's result in memory: n rows, one per face and frame, in order of time.

    Attributes:
        info: of the medium.
        frames: frames read, with and without faces.
        frame: (n,) 0-based frame numbers.
        seconds: (n,) presentation times; NaN for a picture.
        face: (n,) face numbers by first appearance.
        boxes: (n, 4) x, y, width, height in pixels.
        detection: (n,) the detector's scores.
        predictions: n rows.
        calibration: what its predictor says of how right they are; None where it says nothing. It gives
            sets of expressions and intervals of valence and arousal.
    """

    info: MediaInfo
    frames: int
    frame: IntArray
    seconds: FloatArray
    face: IntArray
    boxes: FloatArray
    detection: FloatArray
    predictions: Predictions
    calibration: Calibration | None = None

    def __len__(self) -> int:
        return len(self.frame)


def analyze(
    path: str | Path, predictor: Predictor | None = None, detector: Detector | None = None
) -> Analysis:
    """Return what is seen in a picture or video.

    A network that remembers or hears follows each face through the video, with the video's sound.

    Args:
        path: a picture or a video file.
        predictor: a bundle; the one that ships with mien unless given.
        detector: finds the faces; MTCNN unless given.

    Raises:
        MediaError: the file cannot be read; the message says why.

    Example:
        >>> analysis = mien.analyze("talk.mp4")
        >>> expression = analysis.predictions.values[mien.TASKS["expression_8_contempt"]]  # (n, 8)
    """
    path = Path(path)
    predictor = predictor or Bundle.load(shipped())
    detector = detector or Mtcnn()
    if kind_of(path) == "picture":
        image = read_picture(path)
        height, width = image.shape[:2]
        info = MediaInfo(path.name, "picture", width, height, float("nan"), float("nan"), 1, False)
        return _gathered(info, [still_result(Frame(0, float("nan"), image), predictor, detector)], predictor)
    with Video(path) as video:
        listening = Listening(read_sound(path) if hears(predictor) and video.info.sound else None)
        results = frame_results(video, Tracker(detector), Follower(predictor, listening))
        return _gathered(video.info, results, predictor)


def frame_results(frames: Iterable[Frame], tracker: Tracker, follower: Follower) -> Iterator[FrameResult]:
    """Yield the result of each frame of one medium, in order; memory does not grow with its length.

    Called again with the frames that come next and the same tracker and follower, it goes on where it
    stopped.

    Args:
        frames: in presentation order.
        tracker: keeps the faces apart; a fresh one for each medium.
        follower: gives them to the network; a fresh one for each medium.
    """
    for frame in frames:
        tracked = tracker.update(frame.image, frame.seconds)
        predictions, voice = follower.update(frame, tracked)
        yield FrameResult(frame, tracked.ids, tracked.faces, predictions, tracked.cut, voice)


def still_result(frame: Frame, predictor: Predictor, detector: Detector, crop: bool = False) -> FrameResult:
    """Return the result of a single picture; faces are numbered from left to right.

    Args:
        frame: the picture.
        predictor: what the faces are given to.
        detector: finds the faces.
        crop: the picture is a tight crop of one face. Where none is found in it, the whole
            picture is used, with detection NaN.
    """
    if crop:
        landmarks, found = in_crop(detector, frame.image)
        height, width = frame.image.shape[:2]
        score = np.array([1.0 if found else np.nan], np.float32)
        faces = Faces(np.array([[0, 0, width, height]], np.float32), landmarks[None], score)
    else:
        faces = in_still(detector, frame.image)
        faces = faces[np.argsort(faces.boxes[:, 0], kind="stable")]
    return FrameResult(frame, np.arange(len(faces)), faces, predict(predictor, frame.image, faces.landmarks))


def _gathered(info: MediaInfo, results: Iterable[FrameResult], predictor: Predictor) -> Analysis:
    """Return the rows of all frames as one Analysis."""
    frames = 0
    number, seconds, face, boxes, scores = [], [], [], [], []
    values: dict[str, list[FloatArray]] = {task.name: [] for task in predictor.tasks}
    for result in results:
        frames += 1
        number += [result.frame.number] * len(result.ids)
        seconds += [result.frame.seconds] * len(result.ids)
        face += result.ids.tolist()
        boxes.append(result.faces.boxes)
        scores.append(result.faces.scores)
        for task, rows in result.predictions.values.items():
            values[task.name].append(rows)
    return Analysis(
        info=info,
        frames=frames,
        frame=np.array(number, np.int64),
        seconds=np.array(seconds, np.float64),
        face=np.array(face, np.int64),
        boxes=np.concatenate([np.zeros((0, 4), np.float32), *boxes]),
        detection=np.concatenate([np.zeros(0, np.float32), *scores]),
        predictions=Predictions(
            {t: np.concatenate([np.zeros((0, len(t)), np.float32), *values[t.name]]) for t in predictor.tasks}
        ),
        calibration=predictor.calibration,
    )
