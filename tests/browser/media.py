"""Made-up results: drawn frames, smooth random values, tables and summaries of any length."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from mien.analysis import FrameResult, Summary, Thumbnail
from mien.arrays import FloatArray, Image
from mien.calibration import Calibration, Classes, Units, Values
from mien.faces.detection import Faces
from mien.media.frames import Frame, MediaInfo
from mien.records import Predictions
from mien.reports.overlay import draw, thumbnail
from mien.reports.page import write_page
from mien.reports.tables import TableWriter
from mien.tasks import ACTION_UNITS_12, EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL, Task

EXPRESSIONS: tuple[Task, ...] = (EXPRESSION_8_CONTEMPT,)
ALL: tuple[Task, ...] = (EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL, ACTION_UNITS_12)

KNOWN = Calibration(
    0.9,
    {
        EXPRESSION_8_CONTEMPT: Classes(1.0, 0.7, 100),
        VALENCE_AROUSAL: Values((1.0, 0.6), 0.05, EXPRESSION_8_CONTEMPT.name, (100, 100)),
        ACTION_UNITS_12: Units((1.0,) * 12, (0.0,) * 12, (0.2,) * 12, (100,) * 12),
    },
)
"""A calibration of ALL."""

CARD = {
    "name": "made_up",
    "training_data": ["drawn faces", "nothing else"],
    "licence": "Apache-2.0",
    "intended_use": "Tests of this report.",
    "limits": "It has never seen a face.",
    "scores": [
        {"database": "none", "accuracy": 0.12345, "macro_f1": 0.1},
        {"database": "other", "accuracy": 0.5},
    ],
    "calibrated": False,
    "year": 2026,
    "paper": None,
    "sha256": "0123456789abcdef" * 4,
}


def always(face: int, share: float) -> bool:
    """Every face is there all the time."""
    return True


@dataclass
class Film:
    """What a made-up video holds.

    Attributes:
        frames: how many.
        faces: how many different ones.
        tasks: what is predicted.
        present: whether a face is there at a share of the whole time.
        cuts: frames at which a new shot starts.
        picture: gives the picture and the faces' boxes (faces, 4) of a frame; drawn without.
        rate: frames per second.
        name: of the file.
        problems: to be reported.
        calibration: of the network, where it is calibrated.
    """

    frames: int
    faces: int
    tasks: tuple[Task, ...] = EXPRESSIONS
    present: Callable[[int, float], bool] = always
    cuts: tuple[int, ...] = ()
    picture: Callable[[int], tuple[Image, FloatArray]] | None = None
    rate: float = 25.0
    name: str = "talk.mp4"
    problems: tuple[str, ...] = ()
    calibration: Calibration | None = None
    _waves: dict[Task, FloatArray] = field(default_factory=dict)

    def results(self, images: bool = True) -> Iterator[FrameResult]:
        """Yield the frames; without images every one shares the same small black picture."""
        black = np.zeros((72, 128, 3), np.uint8)
        for number in range(self.frames):
            ids = [face for face in range(self.faces) if self.present(face, number / self.frames)]
            image, boxes = (
                (self.picture or self._drawn)(number) if images else (black, np.ones((self.faces, 4)))
            )
            n = len(ids)
            faces = Faces(
                boxes[ids].astype(np.float32).reshape(n, 4),
                np.zeros((n, 5, 2), np.float32),
                np.full(n, 0.98, np.float32),
            )
            values = {task: self.values(task, number)[ids] for task in self.tasks}
            seconds = number / self.rate
            frame = Frame(number, seconds, image)
            yield FrameResult(frame, np.array(ids, np.int64), faces, Predictions(values), number in self.cuts)

    def values(self, task: Task, number: int) -> FloatArray:
        """Return smooth values (faces, labels) that look like a network's."""
        chance = np.random.default_rng(len(task))
        if task not in self._waves:
            self._waves[task] = chance.uniform(0, 6.3, (5, self.faces, len(task)))
        speeds = np.array([0.11, 0.37, 0.9, 2.1, 4.7]) / max(self.frames / self.rate / 60, 1) ** 0.5
        strength = np.array([1.6, 1.2, 0.8, 0.5, 0.25])[:, None, None]
        angle = speeds[:, None, None] * number / self.rate * 2.5 + self._waves[task]
        raw = (strength * np.sin(angle)).sum(axis=0)
        if task.kind == "categorical":
            raw = np.exp(1.3 * raw + 1.5 * (np.arange(len(task)) == 0))
            return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
        if task.kind == "continuous":
            return np.tanh(raw / 3).astype(np.float32)
        return (1 / (1 + np.exp(2 - 1.5 * raw))).astype(np.float32)

    def _drawn(self, number: int) -> tuple[Image, FloatArray]:
        """Return a picture with a moving head per face, and the heads' boxes."""
        shade = 60 + 25 * sum(number >= cut for cut in self.cuts) % 120
        image = np.full((288, 512, 3), (shade, 110, 150 - shade // 2), np.uint8)
        boxes = []
        for face in range(self.faces):
            x = 80 + (face * 157) % 360 + 20 * np.sin(number / 30 + face)
            y = 110 + (face * 53) % 80
            centre = (round(x), round(y))
            cv2.ellipse(image, centre, (34, 44), 0, 0, 360, (170, 190, 225), -1, cv2.LINE_AA)
            for side in (-13, 13):
                cv2.circle(image, (centre[0] + side, centre[1] - 8), 4, (60, 50, 40), -1, cv2.LINE_AA)
            cv2.ellipse(image, (centre[0], centre[1] + 16), (14, 7), 0, 0, 180, (80, 70, 160), 2, cv2.LINE_AA)
            boxes.append([x - 36, y - 46, 72, 92])
        return image, np.array(boxes).reshape(self.faces, 4)


def write_film(folder: Path, film: Film, *, media: str | None = None, thumbnails: int = 24) -> Path:
    """Write a film's table and report to a folder and return the report's path."""
    table, portraits, small = folder / "predictions.parquet", {}, []
    with_face = 0
    with TableWriter(table, film.tasks, {"bundle": "made_up"}, film.calibration) as writer:
        for result in film.results(images=film.frames <= 2000):
            writer.write(film.name, result)
            with_face += len(result.ids) > 0
            if result.frame.number % max(film.frames // thumbnails, 1) == 0:
                shot = result if film.frames <= 2000 else next(Film(1, film.faces, film.tasks).results())
                jpeg = thumbnail(shot.frame.image, 160)
                small.append(Thumbnail("", result.frame.number, result.frame.seconds, jpeg))
            for face, box in zip(result.ids.tolist(), result.faces.boxes, strict=True):
                if face not in portraits:
                    portraits[face] = thumbnail(cut(result.frame.image, box), 96)
    summary = Summary(
        info=MediaInfo(film.name, "video", 512, 288, film.rate, film.frames / film.rate, film.frames, True),
        frames=film.frames,
        frames_with_face=with_face,
        first_seconds=0.0,
        last_seconds=(film.frames - 1) / film.rate,
        cuts=tuple(cut / film.rate for cut in film.cuts),
        thumbnails=tuple(small),
        portraits=portraits,
        card=CARD,
        detector="drawn",
        problems=film.problems,
    )
    write_page(folder / "report.html", table, summary, media)
    return folder / "report.html"


def cut(image: Image, box: FloatArray) -> Image:
    """Return the part of a picture in a box, or a grey one where the box lies outside."""
    x, y, width, height = (max(round(float(side)), 0) for side in box)
    part = image[y : y + height, x : x + width]
    return part if part.size else np.full((8, 8, 3), 128, np.uint8)


def write_stills(
    folder: Path, titles: list[str], tasks: tuple[Task, ...] = ALL, calibration: Calibration | None = None
) -> Path:
    """Write a table and report of stills; the k-th has k faces, so that the first has none."""
    table, small = folder / "predictions.parquet", []
    with TableWriter(table, tasks, calibration=calibration) as writer:
        for faces, title in enumerate(titles):
            still = next(Film(1, faces, tasks).results())
            still = FrameResult(
                Frame(0, float("nan"), still.frame.image), still.ids, still.faces, still.predictions
            )
            writer.write(title, still)
            small.append(Thumbnail(title, 0, float("nan"), thumbnail(draw(still), 320)))
    nan = float("nan")
    summary = Summary(
        info=MediaInfo(folder.name, "picture", 0, 0, nan, nan, 0, False),
        frames=len(titles),
        frames_with_face=len(titles) - 1,
        first_seconds=nan,
        last_seconds=nan,
        cuts=(),
        thumbnails=tuple(small),
        portraits={},
        card=CARD,
        detector="drawn",
        problems=("broken.jpg: not a picture",),
    )
    write_page(folder / "report.html", table, summary, None)
    return folder / "report.html"
