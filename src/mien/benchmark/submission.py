"""Answers to the ABAW challenges from a prepared database, and their score from the files.

    challenge = Challenge(6, "EXPR", "validation")
    write_answers(bundle, data, challenge, folder)
    scored = score_submission(folder, data.index, challenge)

Every frame that a form wants gets an answer. One in which no face was found repeats the last answer of its
video, or the first where none is before it; a video without any face is neutral throughout, with valence and
arousal 0 and no action unit. The scorer counts what `mien.benchmark.evaluate` counts, so that both give one
number: classes and action units are decisions in the files and agree exactly; valence and arousal are
rounded to six decimals there, by at most 5e-7 each. The organisers count every frame with a label; where that
is more (a video's first frames without a face), their figure stands beside.
"""

import sys
import zipfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.benchmark.challenge import Asked, Challenge, frame_of
from mien.benchmark.figures import by_label, overall
from mien.benchmark.predicting import check_prepared, said
from mien.benchmark.tally import Statistics, Tally, labelled
from mien.bundle import Predictor
from mien.databases.catalog import Metric
from mien.databases.index import Index
from mien.errors import DatabaseError, InputError, SettingsError
from mien.files import free_folder, whole_file, whole_folder
from mien.interchange.abaw import (
    Answers,
    Template,
    read_submission,
    read_template,
    read_video_files,
    write_submission,
    write_video_files,
)
from mien.metrics import Confusion, Outcomes, Score
from mien.preparation.prepared import Prepared
from mien.records import Predictions
from mien.tasks import Kind, Task

FILE = "predictions.txt"
"""What the one file of edition 5 and on is called."""

_OF_ONE: dict[Kind, tuple[Metric, str]] = {
    "continuous": ("CCC", "CCC"),
    "categorical": ("macro F1", "F1"),
    "binary": ("binary F1", "F1"),
}


@dataclass(frozen=True)
class Submitted:
    """What was written.

    Attributes:
        frames: with an answer, all that the form wants.
        repeated: how many of them had no face and repeat another frame of their video.
        neutral: how many are of a video in which no face was found at all.
        archive: the zip file; None without.
    """

    frames: int
    repeated: int
    neutral: int
    archive: Path | None


@dataclass(frozen=True)
class Scored:
    """What files of answers score.

    Attributes:
        score: the edition's, over the frames that `evaluate` counts: with a picture, or one before it.
        parts: what it is made of.
        every: the same over every frame with a label, as the organisers count.
    """

    score: Score
    parts: tuple[Score, ...]
    every: Score


def write_answers(
    predictor: Predictor,
    data: Prepared,
    challenge: Challenge,
    output: Path,
    sample: Path | None = None,
    archive: bool = False,
    quiet: bool = False,
) -> Submitted:
    """Write a challenge's files, a folder or nothing, and return what was written.

    An action unit is present from the threshold on that the predictor's calibration states, else from 0.5.

    Args:
        predictor: a bundle, or anything that predicts single faces.
        data: Aff-Wild2, or a table of its frames, prepared with the predictor's preprocessing. A video
            goes on to its last row; of the multi-task track the rows alone are answered.
        challenge: what is asked.
        output: the folder to make; it must not exist, or be empty.
        sample: the organisers' file of edition 5 and on; its rows are answered, in its order.
        archive: with OUTPUT.zip beside the folder.
        quiet: without a progress bar.

    Raises:
        BundleError: the network says something that is not a number.
        DatabaseError: the database is another, was prepared for another kind of network, or has no rows in
            the part.
        InputError: the predictor lacks a label that is asked for, or the sample has a video that the
            database has not.
        OutputError: something is at OUTPUT or OUTPUT.zip, or cannot be written.
        SettingsError: a sample for a form that has none.
    """
    packed = output.with_name(f"{output.name}.zip") if archive else None
    free_folder(output)
    if packed is not None:
        free_folder(packed)
    _check_kind(predictor, data)
    sources = _sources(challenge, predictor)
    asked = Asked.of(challenge, data.index, every_face=sample is not None)
    template = _template(challenge, asked, sample)
    answers = _answers(predictor, data, asked, sources, _bar(challenge, len(asked.split), quiet))
    answers, repeated, neutral = _complete(answers, template.names)
    threshold = _thresholds(challenge, predictor, sources)
    with (
        whole_file(packed) if packed is not None else nullcontext() as place,
        whole_folder(output) as folder,
    ):
        if challenge.by_video:
            task = challenge.parts[0].task
            write_video_files(folder, task, asked.frames, answers, threshold=threshold)
        else:
            write_submission(folder / FILE, template, answers, threshold=threshold)
        if place is not None:
            _pack(folder, place)
    return Submitted(len(template.names), repeated, neutral, packed)


def score_submission(folder: Path, index: Index, challenge: Challenge) -> Scored:
    """Return what a folder of answers scores by the labels of a prepared database.

    Args:
        folder: what `write_answers` made, or files of that form: one for each video, or one in all.
        index: of the prepared database.
        challenge: what was asked.

    Raises:
        DatabaseError: the part has no rows, or no label of the track.
        InputError: a file is missing, cannot be read, is of another form, or has not the frames that are
            asked for.
    """
    asked = Asked.of(challenge, index)
    for protocol in challenge.protocols:
        if not labelled(protocol, index[asked.rows])[1].any():
            none = protocol.task.name
            raise DatabaseError(f"{index.database}: the {challenge.split} part has no labels of {none}")
    answers = (
        _read_by_video(folder, challenge, asked) if challenge.by_video else _read(folder, challenge, asked)
    )
    places = {name: place for place, name in enumerate(answers.names)}
    predictions = answers.predictions[np.array([places[name] for name in asked.names], np.int64)]
    seen, carried = _seen(index, asked.rows)
    counted = _tallies(challenge, index, asked.rows, predictions, seen, carried)
    every = _tallies(challenge, index, asked.rows, predictions, np.ones_like(seen), np.zeros_like(seen))
    return Scored(
        score=_score(challenge, str(challenge), counted),
        parts=tuple(score for tally in counted for score in _parts(tally)),
        every=_score(challenge, "over every frame with a label, as the organisers count", every),
    )


def _check_kind(predictor: Predictor, data: Prepared) -> None:
    """Refuse a database that no challenge asks for, or that was prepared for another kind of network."""
    name = data.index.database
    if name not in ("aff_wild2", "table") or data.index.unit != "frame":
        raise DatabaseError(
            f"{name}, by {data.index.unit}: the challenges ask for frames of Aff-Wild2; prepare aff_wild2, "
            "or a table of its frames"
        )
    check_prepared(predictor, data)


def _sources(challenge: Challenge, predictor: Predictor) -> tuple[Task, ...]:
    """Return which of the predictor's tasks answer: those of the form, else the first with all its labels."""
    sources = []
    for part in challenge.parts:
        kind = (part.task.behaviour, part.task.kind)
        alike = [task for task in predictor.tasks if (task.behaviour, task.kind) == kind]
        able = [task for task in alike if not set(part.labels) - set(task.labels)]
        if not able:
            has = ", ".join(task.name for task in alike or predictor.tasks)
            raise InputError(
                f"{predictor.card.get('name', 'the network')}: predicts {has}; {challenge.track} of ABAW "
                f"{challenge.edition} asks for {', '.join(part.labels)}"
            )
        sources.append(part.task if part.task in able else able[0])
    return tuple(sources)


def _thresholds(challenge: Challenge, predictor: Predictor, sources: Sequence[Task]) -> dict[str, float]:
    """Return the thresholds that a calibrated predictor states of the action units that are asked for."""
    if predictor.calibration is None:
        return {}
    pairs = zip(challenge.parts, sources, strict=True)
    stated = [(part, predictor.calibration.thresholds(source)) for part, source in pairs]
    return {label: own[label] for part, own in stated for label in part.labels if label in own}


def _template(challenge: Challenge, asked: Asked, sample: Path | None) -> Template:
    """Return the rows that are answered."""
    if sample is None:
        return Template(Path(FILE), challenge.header, challenge.parts, tuple(asked.wanted))
    if challenge.by_video:
        raise SettingsError(f"--sample: edition {challenge.edition} has files by video, no file of rows")
    template = read_template(sample)
    if template.parts != challenge.parts:
        raise InputError(f"{sample}: the header {template.header[:80]!r} is not that of {challenge}")
    for line, name in enumerate(template.names, start=2):
        video, frame = frame_of(name)
        if video not in asked.frames or frame < 0:
            raise InputError(
                f"{sample}, line {line}: {name} is no frame of a video in the prepared {challenge.split} part"
            )
    return template


def _bar(challenge: Challenge, rows: int, quiet: bool) -> "tqdm[None]":
    """Return a progress bar with rate and time left."""
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(desc=str(challenge), total=rows, unit="frames", disable=quiet, mininterval=interval)


def _answers(
    predictor: Predictor, data: Prepared, asked: Asked, sources: Sequence[Task], bar: "tqdm[None]"
) -> Answers:
    """Return what the predictor says of the frames with a picture.

    It is given the whole part, as `evaluate` gives it: the same frames at once, the same rounding.
    """
    place = np.full(len(data.index), -1, np.int64)
    place[asked.rows] = np.arange(len(asked.rows))
    names: list[str] = []
    told: dict[Task, list[FloatArray]] = {task: [np.zeros((0, len(task)), np.float32)] for task in sources}
    with bar:
        for piece in said(predictor, data, asked.split):
            mine = piece.seen & (place[piece.rows] >= 0)
            names += [asked.names[row] for row in place[piece.rows[mine]].tolist()]
            for task, values in told.items():
                values.append(piece.predictions.values[task][mine])
            bar.update(len(piece.rows))
    predictions = Predictions({task: np.concatenate(pieces) for task, pieces in told.items()})
    return Answers(names, predictions, tuple(told))


def _complete(answers: Answers, wanted: Sequence[str]) -> tuple[Answers, int, int]:
    """Return an answer for every frame that is wanted, how many repeat another, and how many are neutral.

    A frame takes the answer of the nearest earlier one of its video, else of the nearest later one; where the
    video has none, a neutral one.
    """
    known: dict[str, tuple[list[int], list[int]]] = {}
    for place, name in enumerate(answers.names):
        video, frame = frame_of(name)
        for numbers, number in zip(known.setdefault(video, ([], [])), (frame, place), strict=True):
            numbers.append(number)
    places, repeated, neutral = np.full(len(wanted), len(answers.names), np.int64), 0, 0
    for row, name in enumerate(wanted):
        video, frame = frame_of(name)
        if video not in known:
            neutral += 1
            continue
        frames, sources = known[video]
        nearest = max(bisect_right(frames, frame) - 1, 0)
        places[row] = sources[nearest]
        repeated += frames[nearest] != frame
    values = {
        task: np.concatenate([given, _neutral(task)])[places]
        for task, given in answers.predictions.values.items()
    }
    return Answers(wanted, Predictions(values), answers.tasks), repeated, neutral


def _neutral(task: Task) -> FloatArray:
    """Return what is said of a video without any face, (1, len(task))."""
    if task.kind == "categorical":
        return np.eye(len(task), dtype=np.float32)[[task.index("neutral")]]
    return np.zeros((1, len(task)), np.float32)


def _pack(folder: Path, place: Path) -> None:
    """Write a zip file of a folder's files, the same bytes for the same files."""
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.writestr(zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED)


def _read_by_video(folder: Path, challenge: Challenge, asked: Asked) -> Answers:
    """Return what the files of editions 1 to 4 say, if they have just the frames that are asked for."""
    answers = read_video_files(folder)
    _check_form(folder, challenge, answers)
    counts = Counter(name.rpartition("/")[0] for name in answers.names)
    missing = [video for video in asked.frames if not (folder / f"{video}.txt").is_file()]
    if missing:
        raise InputError(
            f"{folder}: {len(missing)} of {len(asked.frames)} videos have no file ({missing[0]}.txt, ...)"
        )
    for video in dict.fromkeys([*counts, *asked.frames]):
        path, got, expected = folder / f"{video}.txt", counts[video], asked.frames.get(video)
        if expected is None:
            raise InputError(
                f"{path}: no video of the {challenge.split} part with labels of {challenge.track}"
            )
        if got != expected:
            line = min(got, expected) + 2
            raise InputError(f"{path}, line {line}: {got} frames, expected {expected}, one a line")
    return answers


def _read(folder: Path, challenge: Challenge, asked: Asked) -> Answers:
    """Return what the one file of edition 5 and on says, if it has just the frames that are asked for."""
    paths = sorted(folder.glob("*.txt"))
    if len(paths) != 1:
        raise InputError(f"{folder}: {len(paths)} text files, expected one with all answers")
    answers = read_submission(paths[0])
    _check_form(paths[0], challenge, answers)
    wanted, told = set(asked.wanted), set(answers.names)
    for line, name in enumerate(answers.names, start=2):
        if name not in wanted:
            raise InputError(f"{paths[0]}, line {line}: {name} is no frame that {challenge} asks for")
    missing = [name for name in asked.wanted if name not in told]
    if missing:
        raise InputError(
            f"{paths[0]}, line {len(told) + 2}: it ends, and {len(missing)} of {len(wanted)} frames have no "
            f"line ({missing[0]}, ...)"
        )
    return answers


def _check_form(path: Path, challenge: Challenge, answers: Answers) -> None:
    """Refuse files of another form."""
    expected = [part.task for part in challenge.parts]
    if list(answers.predictions.values) != expected:
        got, wanted = (", ".join(t.name for t in tasks) for tasks in (answers.predictions.values, expected))
        raise InputError(f"{path}: answers {got}; {challenge} asks for {wanted}")


def _seen(index: Index, rows: IntArray) -> tuple[BoolArray, BoolArray]:
    """Return which rows have a picture, and which have none but follow one of the same face, (n,) each."""
    seen = index.columns["picture"][rows] == 1
    faces = np.stack([index.video.codes[rows], index.face.codes[rows]], axis=1)
    begins = np.concatenate([[True], (faces[1:] != faces[:-1]).any(axis=1)])
    before = np.cumsum(seen)
    at_begin = np.maximum.accumulate(np.where(begins, before - seen, 0))
    return seen, ~seen & (before > at_begin)


def _tallies(
    challenge: Challenge,
    index: Index,
    rows: IntArray,
    predictions: Predictions,
    seen: BoolArray,
    carried: BoolArray,
) -> list[Tally]:
    """Return what is counted of the rows by each of the challenge's protocols."""
    tallies = [Tally(protocol, index, rows) for protocol in challenge.protocols]
    for tally in tallies:
        tally.add(rows, predictions, seen, carried)
    return tallies


def _score(challenge: Challenge, name: str, tallies: Sequence[Tally]) -> Score:
    """Return the edition's figure."""
    values = [_figure(tally, tally.protocol.metric) for tally in tallies]
    counts = [tally.counts["counted"] for tally in tallies]
    note = "rounded to six decimals in the file" if challenge.track in ("VA", "MTL") else ""
    return Score(name, sum(values), max(counts), note)


def _figure(tally: Tally, metric: str) -> float:
    """Return a metric of all labels together; NaN where nothing was counted."""
    return float(overall(metric, _all(tally))) if tally.statistics else float("nan")


def _all(tally: Tally) -> Statistics:
    """Return the statistics of all videos together."""
    return tally.statistics["model"].sum()


def _parts(tally: Tally) -> list[Score]:
    """Return what one protocol's figure is made of."""
    if not tally.statistics:
        return []
    protocol, statistics = tally.protocol, _all(tally)
    metric, name = _OF_ONE[protocol.task.kind]
    parts = [
        Score(f"{protocol.name}: {protocol.metric}", _figure(tally, protocol.metric), tally.counts["counted"])
    ]
    if protocol.metric != metric:
        accuracy = (
            statistics.total_accuracy() if isinstance(statistics, Outcomes) else _figure(tally, "accuracy")
        )
        parts += [
            Score(metric, _figure(tally, metric), tally.counts["counted"]),
            Score("accuracy", float(accuracy), tally.counts["counted"]),
        ]
    counts = statistics.counts.sum(axis=-1) if isinstance(statistics, Confusion) else statistics.count
    values = by_label(metric, statistics)
    return parts + [
        Score(f"{name} {label}", float(value), int(count))
        for label, value, count in zip(protocol.labels, values, counts, strict=True)
    ]
