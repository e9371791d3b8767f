"""Tables of predictions of faces whose course over time is known, written as analysis writes them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mien.analysis import FrameResult
from mien.arrays import FloatArray
from mien.calibration import Calibration, Classes, Units, Values
from mien.faces.detection import Faces
from mien.media.frames import Frame
from mien.records import Predictions
from mien.reports.tables import TableWriter
from mien.tasks import ACTION_UNITS_12, EXPRESSION_7, VALENCE_AROUSAL, Task

ALL = (EXPRESSION_7, VALENCE_AROUSAL, ACTION_UNITS_12)
IMAGE = np.zeros((8, 8, 3), np.uint8)
SMILE = ACTION_UNITS_12.index("AU12")

CALIBRATION = Calibration(
    0.9,
    {
        EXPRESSION_7: Classes(1.0, 0.5, 100),
        ACTION_UNITS_12: Units(
            (1.0,) * 12, (0.0,) * 12, tuple(0.2 + 0.05 * n for n in range(12)), (50,) * 12
        ),
        VALENCE_AROUSAL: Values((1.0, 1.0), 0.2, "", (100, 100)),
    },
)

Course = tuple[FloatArray, Mapping[Task, FloatArray]]
"""Times (n,) of one face, and its values (n, labels) of each task."""


def timed(
    path: Path,
    faces: Mapping[int, Course],
    tasks: Sequence[Task] = ALL,
    calibration: Calibration | None = None,
    video: str = "talk.mp4",
    empty: Sequence[float] = (),
) -> Path:
    """Write a table of one video in which faces have the courses given; return its path.

    Args:
        path: of the Parquet file.
        faces: number -> course; several interleave as they would in a video.
        tasks: of the table.
        calibration: of the network.
        video: its name.
        empty: times of frames without a face.
    """
    times = sorted({time for seconds, _ in faces.values() for time in seconds.tolist()} | set(empty))
    with TableWriter(path, tuple(tasks), {"bundle": "small"}, calibration) as table:
        for number, time in enumerate(times):
            there = {face: np.flatnonzero(seconds == time) for face, (seconds, _) in faces.items()}
            ids = sorted(face for face, rows in there.items() if len(rows))
            values = {
                task: np.array([faces[face][1][task][there[face][0]] for face in ids], np.float32).reshape(
                    len(ids), len(task)
                )
                for task in tasks
            }
            found = Faces(np.ones((len(ids), 4), np.float32), np.zeros((len(ids), 5, 2)), np.ones(len(ids)))
            table.write(
                video, FrameResult(Frame(number, time, IMAGE), np.array(ids), found, Predictions(values))
            )
    return path


def smiling(seconds: FloatArray, values: FloatArray) -> Course:
    """Return the course of a face whose AU12 is given and whose other action units are 0."""
    units = np.zeros((len(seconds), 12), np.float32)
    units[:, SMILE] = values
    return seconds, {ACTION_UNITS_12: units}


def looking(seconds: FloatArray, winners: Sequence[str], certain: float = 0.9) -> Course:
    """Return the course of a face of which one expression after another has the probability `certain`."""
    shares = np.full((len(seconds), 7), (1 - certain) / 6, np.float32)
    for row, winner in enumerate(winners):
        shares[row, EXPRESSION_7.index(winner)] = certain
    return seconds, {EXPRESSION_7: shares}


def anything(seed: int, seconds: FloatArray) -> Course:
    """Return a course of random values of every task."""
    chance = np.random.default_rng(seed)
    shares = chance.dirichlet(np.full(7, 0.5), len(seconds))
    return seconds, {
        EXPRESSION_7: shares,
        VALENCE_AROUSAL: chance.uniform(-1, 1, (len(seconds), 2)),
        ACTION_UNITS_12: chance.random((len(seconds), 12)),
    }
