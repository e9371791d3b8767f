"""How much what is said of a still face flickers in a video.

    python benchmarks/flicker.py BUNDLE PHOTOS [--seconds 4]

Each portrait of a folder becomes a video that does not move: 480 pixels high, 25 frames/s, noise of a sensor
drawn anew in every frame, H.264 (x264, superfast) at two qualities. It is analysed as any video is: faces are
found and followed, aligned and given to the network. Prints the standard deviation over time and the mean
absolute change from frame to frame of every output, of the box and of the landmarks, as they are and through
two causal filters with about the same delay. The first second is left out, in which filters fill.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from robustness_page import Row, flicker_table

from mien.analysis import frame_results
from mien.arrays import FloatArray, Image
from mien.bundle import Bundle, Predictor, shipped
from mien.databases.layout import PICTURES
from mien.errors import InputError, MienError
from mien.faces.detection import Mtcnn
from mien.faces.tracking import Tracker
from mien.following import Follower
from mien.media.pictures import read_picture
from mien.media.video import Video

RATE = 25
HEIGHT = 480
NOISE = 4.0
"""Standard deviation of the noise of each pixel and colour, in grey levels of 255."""

QUALITIES = (23, 33)
"""x264's constant rate factors: its default, and one at which blocks show."""

SPAN = 0.12
"""Time constant of the exponential smoothing in seconds: half of a step is shown after 0.08 s."""

WINDOW = 5
"""Frames of the median filter: a step is shown after 2 frames, 0.08 s."""


def smoothed(values: FloatArray) -> FloatArray:
    """Return values (frames, k) through an exponential smoothing with SPAN, from the first value on."""
    share = 1 - np.exp(-1 / (RATE * SPAN))
    after = values.copy()
    for frame in range(1, len(values)):
        after[frame] = after[frame - 1] + share * (values[frame] - after[frame - 1])
    return after


def median(values: FloatArray) -> FloatArray:
    """Return of values (frames, k) the median of each frame and the WINDOW - 1 before it, where there are."""
    first = np.repeat(values[:1], WINDOW - 1, axis=0)
    windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([first, values]), WINDOW, axis=0)
    return np.asarray(np.median(windows, axis=-1))


FILTERS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "none": lambda values: values,
    f"exponential, {SPAN} s": smoothed,
    f"median of {WINDOW} frames": median,
}
"""What the outputs pass through: its name -> (frames, k) -> the same shape."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, help="'shipped' is the bundle inside the package")
    parser.add_argument("photos", type=Path, help="folder of portraits, one face each")
    parser.add_argument("--seconds", type=float, default=4.0)
    options = parser.parse_args()
    try:
        bundle = Bundle.load(shipped() if str(options.bundle) == "shipped" else options.bundle)
        print(flicker_table(list(measured(bundle, portraits(options.photos), options.seconds))))
    except MienError as error:
        raise SystemExit(f"mien: {error}") from error


def portraits(folder: Path) -> dict[str, Image]:
    """Return the pictures of a folder by their names.

    Raises:
        InputError: there is none.
    """
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    pictures = {path.name: read_picture(path) for path in found if path.suffix.lower() in PICTURES}
    if not pictures:
        raise InputError(f"{folder}: no pictures there, expected a folder of portraits")
    return pictures


def measured(predictor: Predictor, pictures: Mapping[str, Image], seconds: float = 4.0) -> Iterator[Row]:
    """Yield the figures of each picture, quality and filter.

    Args:
        predictor: a bundle.
        pictures: name -> BGR picture with one face.
        seconds: length of each video; above one, which is left out.

    Raises:
        InputError: a video is too short.
    """
    frames = round(seconds * RATE)
    if frames < 2 * RATE:
        raise InputError(f"videos of {seconds:g} s: expected at least 2, of which the first is left out")
    with tempfile.TemporaryDirectory() as place:
        for number, (name, picture) in enumerate(pictures.items()):
            for quality in QUALITIES:
                path = still_video(Path(place) / "still.mp4", picture, frames, quality, seed=number)
                courses, seen = followed(predictor, path)
                yield Row(name, "video", quality, "", "frames with the face", seen / frames, n=frames)
                yield from _figures(name, quality, courses)


def still_video(path: Path, picture: Image, frames: int, quality: int, seed: int) -> Path:
    """Return `path`, now a video of a picture that does not move under noise of its own in every frame."""
    width = round(picture.shape[1] * HEIGHT / picture.shape[0] / 2) * 2
    method = cv2.INTER_AREA if picture.shape[0] > HEIGHT else cv2.INTER_LINEAR
    still = cv2.resize(picture, (width, HEIGHT), interpolation=method)
    rng = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        options = {"preset": "superfast", "crf": str(quality)}
        stream: VideoStream = container.add_stream("libx264", RATE, options)
        stream.width, stream.height, stream.pix_fmt = width, HEIGHT, "yuv420p"
        for number in range(frames):
            noise = rng.normal(0, NOISE, still.shape)
            image = np.rint(still + noise).clip(0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def followed(predictor: Predictor, path: Path) -> tuple[dict[str, FloatArray], int]:
    """Return the courses of what is said of a video's first face, and in how many frames it was seen.

    Courses are (frames, k), by the task's name; "box" and "landmarks" in per cent of the face's mean width.
    """
    courses: dict[str, list[FloatArray]] = {}
    with Video(path) as video:
        for result in frame_results(video, Tracker(Mtcnn()), Follower(predictor)):
            for row in np.flatnonzero(result.ids == 0):
                for task, values in result.predictions.values.items():
                    courses.setdefault(task.name, []).append(values[row])
                courses.setdefault("box", []).append(result.faces.boxes[row])
                courses.setdefault("landmarks", []).append(result.faces.landmarks[row].ravel())
    stacked: dict[str, FloatArray] = {name: np.stack(rows) * 1.0 for name, rows in courses.items()}
    if not stacked:
        return {}, 0
    width = stacked["box"][:, 2].mean()
    for name in ("box", "landmarks"):
        stacked[name] = stacked[name] * (100 / width)
    return stacked, len(stacked["box"])


def _figures(name: str, quality: int, courses: Mapping[str, FloatArray]) -> Iterator[Row]:
    """Yield the figures of one video, after the first second."""
    for of, course in courses.items():
        for filtered, change in FILTERS.items():
            after = change(course)[RATE:]
            if len(after) < 2:
                continue
            spread, steps = after.std(axis=0), np.abs(np.diff(after, axis=0)).mean(axis=0)
            for what, each in (("standard deviation", spread), ("change a frame", steps)):
                yield Row(name, filtered, quality, of, what, float(each.mean()), n=len(after))
                worst = f"{what}, most changed"
                yield Row(name, filtered, quality, of, worst, float(each.max()), n=len(after))


if __name__ == "__main__":
    main()
