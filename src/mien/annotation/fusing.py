"""One truth from what several annotators said: a row for each video, face and time.

    made = fuse(source, Steps(), Clock(25, videos), Choices())
    write_made(Path("gold"), made)

gold.parquet, null wherever nothing can be told:

    video, face, frame, time_s
    valence, valence_spread, valence_spread_weighted, valence_annotators      of each traced label
    expression, expression_<class>, expression_votes                          the shares add up to 1
    AU12, AU12_known, AU12_votes, AU12_intensity                              of each action unit
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mien.annotation.coding import EXPRESSION, Coding, codings_of, ends_of
from mien.annotation.coding_agreement import joined
from mien.annotation.fusion import FUSIONS, median, weigh, weights_of
from mien.annotation.gold import SETTINGS, TABLE
from mien.annotation.lag import lags, seconds_of
from mien.annotation.measuring import plain
from mien.annotation.resampling import Clock, Steps, Times, courses_of
from mien.annotation.source import Source, digest
from mien.annotation.votes import METHODS, Skene, decided
from mien.arrays import FloatArray
from mien.errors import InputError, SettingsError
from mien.files import sha256, whole_folder

Place = tuple[str, str]
"""Video and face."""


@dataclass(frozen=True)
class Choices:
    """How several become one.

    Attributes:
        traces: a way of `mien.annotation.fusion.FUSIONS`.
        classes: a way of `mien.annotation.votes.METHODS`, for expressions and action units.

    Raises:
        SettingsError: there is no such way.
    """

    traces: str = "ewe"
    classes: str = "soft"

    def __post_init__(self) -> None:
        for chosen, ways in ((self.traces, FUSIONS), (self.classes, METHODS)):
            if chosen not in ways:
                raise SettingsError(f"{chosen!r}: no way to fuse; there are {', '.join(ways)}")


@dataclass(frozen=True, eq=False)
class Made:
    """What was fused: the table, and how it was made."""

    table: pa.Table
    settings: Mapping[str, Any]


@dataclass
class _Rows:
    """Columns of each video and face, gathered label by label."""

    times: dict[str, Times]
    columns: dict[Place, dict[str, pa.Array]] = field(default_factory=dict)
    types: dict[str, pa.DataType] = field(default_factory=dict)

    def put(self, place: Place, columns: Mapping[str, pa.Array]) -> None:
        """Add columns of one video and face."""
        self.columns.setdefault(place, {}).update(columns)
        self.types.update({name: column.type for name, column in columns.items()})

    def table(self) -> pa.Table:
        """Return all rows, null where a column was not told."""
        parts = []
        for (video, face), columns in sorted(self.columns.items()):
            times = self.times[video]
            n = len(times.seconds)
            cells = {
                "video": pa.repeat(video, n),
                "face": pa.repeat(face, n),
                "frame": pa.array(times.frames, pa.int64()),
                "time_s": pa.array(times.seconds, pa.float64()),
            }
            cells |= {name: columns.get(name, pa.nulls(n, kind)) for name, kind in self.types.items()}
            parts.append(pa.table(cells))
        return pa.concat_tables(parts)


def fuse(source: Source, steps: Steps, clock: Clock, choices: Choices) -> Made:
    """Return one truth.

    Args:
        source: what annotators said; repeats do not count.
        steps: what is done to traces before.
        clock: the times of the rows.
        choices: how several become one.

    Raises:
        InputError: nothing was annotated, a label is unknown, or a video is missing.
    """
    annotations = source.annotations
    if not annotations.videos:
        raise InputError(f"{source.folder}: nothing is annotated there")
    codings = codings_of(annotations, clock, source.coded)
    times = {coding.video: coding.times for coding in codings}
    ends = ends_of(annotations)
    times |= {video: clock.times(video, ends[video]) for video in annotations.videos if video not in times}
    rows = _Rows(times)
    told: dict[str, Any] = {}
    for label in source.traced:
        told[label] = _traces(source, label, steps, choices, rows)
    for label in dict.fromkeys(coding.label for coding in codings):
        told[label] = _classes([one for one in codings if one.label == label], choices.classes, rows)
    return Made(rows.table(), _settings(source, steps, clock, choices) | {"labels": told})


def write_made(folder: Path, made: Made, replacing: bool = False) -> None:
    """Write a gold folder, whole or not at all.

    Args:
        folder: the folder to make.
        made: what was fused.
        replacing: whether an earlier gold folder there is replaced.

    Raises:
        OutputError: it exists, or cannot be written.
    """
    with whole_folder(folder, TABLE if replacing else "") as temporary:
        pq.write_table(made.table, temporary / TABLE, compression="zstd")
        settings = dict(made.settings) | {"gold_sha256": sha256(temporary / TABLE)}
        text = json.dumps(plain(settings), indent=2, ensure_ascii=False, allow_nan=False)
        (temporary / SETTINGS).write_text(text + "\n", encoding="utf-8")


def _traces(source: Source, label: str, steps: Steps, choices: Choices, rows: _Rows) -> dict[str, Any]:
    """Fuse the traces of one label, and return how."""
    courses = courses_of(source.annotations, label, steps)
    found = lags(courses, steps)
    opposed = {lag.annotator for lag in found if lag.opposed}
    aligned = [course.moved(seconds_of(found)) for course in courses]
    weights = weigh(aligned, opposed)
    for course in aligned:
        seconds = rows.times[course.video].seconds
        fused = FUSIONS[choices.traces](course.at(seconds), weights_of(course.annotators, weights))
        columns = {
            label: _floats(fused.values),
            f"{label}_spread": _floats(fused.spread),
            f"{label}_spread_weighted": _floats(fused.weighted_spread),
            f"{label}_annotators": pa.array(fused.count, pa.int16()),
        }
        rows.put((course.video, _face(source, course.video)), columns)
    notes = [*(f"{lag.annotator} {lag.note}" for lag in found if lag.note)]
    return {
        "fusion": choices.traces,
        "lags": [asdict(lag) for lag in found],
        "weights": dict(weights.shares) if choices.traces == "ewe" else None,
        "correlations": dict(weights.correlations),
        "notes": notes + (list(weights.notes) if choices.traces == "ewe" else []),
    }


def _classes(codings: list[Coding], method: str, rows: _Rows) -> dict[str, Any]:
    """Fuse the codings of one label, and return how."""
    label, classes = codings[0].label, codings[0].classes
    who, votes = joined(codings)
    told: dict[str, Any] = {"fusion": method, "annotators": list(who), "classes": list(classes), "notes": []}
    if method == "dawid-skene":
        model = Skene.fit(votes, len(classes))
        shares = model.shares
        told |= {
            "priors": model.priors.tolist(),
            "confusions": dict(zip(who, model.confusions.tolist(), strict=True)),
            "rounds": model.rounds,
        }
        if len(who) < 3:
            told["notes"].append("with fewer than three annotators Dawid-Skene cannot tell who is right")
    else:
        shares = METHODS[method](votes, len(classes))
    grades = _grades(codings)
    start = 0
    for coding in codings:
        part = slice(start, start + len(coding.times.seconds))
        start = part.stop
        count = pa.array(np.isfinite(coding.votes).sum(axis=0), pa.int16())
        if label == EXPRESSION:
            columns = _expression(classes, shares[part], count)
        else:
            columns = _unit(label, shares[part], count, None if grades is None else grades[part])
        rows.put((coding.video, coding.face), columns)
    return told


def _expression(classes: tuple[str, ...], shares: FloatArray, count: pa.Array) -> dict[str, pa.Array]:
    """Return the columns of expressions."""
    names = [classes[place] if place >= 0 else None for place in decided(shares).tolist()]
    columns = {EXPRESSION: pa.array(names, pa.string())}
    columns |= {f"{EXPRESSION}_{name}": _floats(shares[:, place]) for place, name in enumerate(classes)}
    return columns | {f"{EXPRESSION}_votes": count}


def _unit(label: str, shares: FloatArray, count: pa.Array, grades: FloatArray | None) -> dict[str, pa.Array]:
    """Return the columns of an action unit."""
    columns = {
        label: _floats(shares[:, 1]),
        f"{label}_known": pa.array(np.isfinite(shares[:, 1])),
        f"{label}_votes": count,
    }
    return columns if grades is None else columns | {f"{label}_intensity": _floats(grades)}


def _grades(codings: list[Coding]) -> FloatArray | None:
    """Return the median intensity of each row; None where nobody gave any."""
    _, grades = joined(codings, "grades")
    if not np.any(grades > 0):
        return None
    return median(grades.T, np.ones(grades.shape[1])).values


def _face(source: Source, video: str) -> str:
    """Return the face that traces of a video are of: its only one, else "", that of nobody in particular."""
    faces = {one.face for one in source.annotations.segments if one.video == video}
    return faces.pop() if len(faces) == 1 else ""


def _settings(source: Source, steps: Steps, clock: Clock, choices: Choices) -> dict[str, Any]:
    """Return everything that the result depends on."""
    annotations = source.annotations
    names = {trace.annotator for trace in annotations.traces}
    names |= {one.annotator for one in annotations.segments}
    return {
        "mien": version("mien"),
        "numpy": version("numpy"),
        "source": str(source.folder),
        "source_files_sha256": dict(source.files),
        "annotations_sha256": digest(annotations),
        "annotators": sorted(names),
        "videos": list(annotations.videos),
        "times": "the frames' own" if clock.videos else f"{clock.rate:g} per second, from 0",
        "steps": asdict(steps),
        "choices": asdict(choices),
    }


def _floats(values: FloatArray) -> pa.Array:
    """Return numbers with null for NaN."""
    return pa.array(np.asarray(values, np.float64), pa.float64(), from_pandas=True)
