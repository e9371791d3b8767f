"""A predictor that answers ABAW challenges, its answers read from the files, and their score by the book."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from assemblies import SIZE

from mien.arrays import FloatArray
from mien.benchmark import evaluate
from mien.benchmark.challenge import Challenge
from mien.benchmark.submission import Scored, score_submission, write_answers
from mien.calibration import Calibration
from mien.inputs import Preprocessing
from mien.preparation.prepared import Prepared
from mien.records import Predictions
from mien.tasks import (
    ACTION_UNITS_8,
    ACTION_UNITS_12,
    EXPRESSION_7,
    EXPRESSION_8_OTHER,
    VALENCE_AROUSAL,
    Task,
)
from mien.testing.databases.made import Made, Row

GREY = Preprocessing(size=SIZE)
TASKS = (VALENCE_AROUSAL, EXPRESSION_7, EXPRESSION_8_OTHER, ACTION_UNITS_8, ACTION_UNITS_12)


class Chance:
    """A predictor that says of each picture something of its own, in steps of a millionth."""

    preprocessing = GREY
    calibration: Calibration | None = None

    def __init__(self, tasks: tuple[Task, ...] = TASKS) -> None:
        self.tasks = tasks
        self.card: dict[str, Any] = {"name": "chance"}
        self._weights = {
            task: np.random.default_rng(crc32(task.name.encode())).normal(size=(SIZE * SIZE, len(task)))
            for task in tasks
        }

    def predict(self, faces: FloatArray) -> Predictions:
        pixels = faces.reshape(len(faces), -1).astype(np.float64)
        values = {}
        for task in self.tasks:
            wave = np.sin(pixels @ self._weights[task])
            if task.kind == "categorical":
                values[task] = np.exp(wave) / np.exp(wave).sum(axis=1, keepdims=True)
            else:
                values[task] = (wave if task.kind == "continuous" else wave / 2 + 0.5).round(6)
        return Predictions({task: value.astype(np.float32) for task, value in values.items()})


def evaluated(predictor: Any, data: Prepared, challenge: Challenge) -> tuple[float, list[int]]:
    """Return what `evaluate` says of the challenge's protocols, and how many rows each counted."""
    results = evaluate([predictor], data, [protocol.name for protocol in challenge.protocols])
    return sum(result.figure.value for result in results), [result.coverage["counted"] for result in results]


def submitted(predictor: Any, data: Prepared, challenge: Challenge, folder: Path) -> Scored:
    write_answers(predictor, data, challenge, folder, quiet=True)
    return score_submission(folder, data.index, challenge)


def lost(data: Prepared, *frames: tuple[str, str, int]) -> Prepared:
    """Return the data without the pictures of some frames (video, face, frame from 0)."""
    index = data.index
    keys = list(zip(index.video.text(), index.face.text(), index.frame.tolist(), strict=True))
    gone = np.array([key in frames for key in keys])
    picture = np.where(gone, 0, index.columns["picture"])
    return replace(data, index=index.with_columns({"picture": picture}))


def lines_of(folder: Path, video: str) -> list[str]:
    """Return the answers of a video's frames, in order, from either form."""
    if (folder / f"{video}.txt").exists():
        return (folder / f"{video}.txt").read_text().splitlines()[1:]
    lines = (folder / "predictions.txt").read_text().splitlines()[1:]
    return [line.split(",", 1)[1] for line in lines if line.startswith(f"{video}/")]


def answered(folder: Path, challenge: Challenge) -> dict[tuple[str, int], list[float]]:
    """Return each line of the files by video and frame from 0."""
    told = {}
    if challenge.by_video:
        for path in folder.iterdir():
            for frame, line in enumerate(path.read_text().splitlines()[1:]):
                told[path.stem, frame] = [float(number) for number in line.split(",")]
        return told
    for line in (folder / "predictions.txt").read_text().splitlines()[1:]:
        name, *numbers = line.split(",")
        video, _, picture = name.partition("/")
        told[video, int(picture.removesuffix(".jpg")) - 1] = [float(number) for number in numbers]
    return told


def place(row: Row) -> tuple[str, int]:
    return f"{row.video}_{row.face}" if row.face else row.video, row.frame


def by_the_book(rows: list[Row], folder: Path, challenge: Challenge) -> float:
    """Return the edition's score over some of the maker's rows."""
    told = answered(folder, challenge)
    total = 0.0
    columns = (
        {VALENCE_AROUSAL: 0, EXPRESSION_8_OTHER: 2, ACTION_UNITS_12: 3} if challenge.track == "MTL" else {}
    )
    for protocol in challenge.protocols:
        task = protocol.task
        pairs = [
            (row.labels[task], told[place(row)][columns.get(task, 0) :]) for row in rows if task in row.labels
        ]
        assert pairs
        if task == VALENCE_AROUSAL:
            total += np.mean([ccc([(t[name], p[k]) for t, p in pairs]) for k, name in enumerate(task.labels)])
        elif task.kind == "categorical":
            sure = [(task.labels.index(max(t, key=t.get)), int(p[0])) for t, p in pairs]
            macro = np.mean([f1([(t == k, p == k) for t, p in sure]) for k in range(len(task))])
            right = np.mean([t == p for t, p in sure])
            total += macro if task == EXPRESSION_8_OTHER else 0.67 * macro + 0.33 * right
        else:
            cells = [
                [(t[name] == 1, p[k] == 1) for t, p in pairs if name in t]
                for k, name in enumerate(task.labels)
            ]
            mean = np.mean([f1(column) for column in cells])
            right = np.mean([t == p for column in cells for t, p in column])
            total += mean if challenge.edition > 2 else 0.5 * mean + 0.5 * right
    return float(total)


def ccc(pairs: list[tuple[float, float]]) -> float:
    x, y = np.array(pairs, np.float64).T
    return float(2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))


def f1(pairs: list[tuple[bool, bool]]) -> float:
    hits = sum(t and p for t, p in pairs)
    wrong = sum(t != p for t, p in pairs)
    return 2 * hits / (2 * hits + wrong) if hits + wrong else 0.0


def truth(database: Made) -> list[Row]:
    return [row for row in database.rows if row.split == "validation"]
