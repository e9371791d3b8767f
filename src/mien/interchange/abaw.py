"""Files of answers to the ABAW challenges: writing them complete, and reading them back.

    edition 1 to 4      a text file for each test video (and person), a line for every frame:
                        the header of the labels, then "0.113200,0.204500", "4" or "0,0,1,..."
    edition 5 and on    one file, which the organisers give filled with placeholders:
                        image_location,valence,arousal          video1/00001.jpg,0.113200,0.204500
                        image_location,Neutral,...,Other        video1/00001.jpg,4
                        image_location,AU1,...,AU26             video1/00001.jpg,0,0,1,...
                        image_location,Fearfully_Surprised,...  01/00001.jpg,6    (compound expressions)
    editions 4, 7, 11   image,valence,arousal,expression,aus    video1/00012.jpg,0.2,0.3,4,0,0,1,...
    edition 4 (LSD)     image,expression                        0.jpg,3

The organisers' file is the template: its header and order stay, every value is replaced, and nothing
is written while a row has no answer, since an incomplete file counts as none. Labels are found by
name. An expression is the most probable of the template's classes; an action unit is present from a
threshold on. Ambivalence and hesitancy (AH), emotional reactions (ERI), mimicry (EMI) and violence
(VD) are no facial affect of mien's tasks and not written.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from mien.arrays import FloatArray, IntArray
from mien.databases.text import number, whole
from mien.errors import InputError, SettingsError
from mien.files import whole_file, whole_folder
from mien.interchange.thresholds import Threshold, thresholds
from mien.records import Predictions, by_name, one_hot
from mien.tasks import (
    ACTION_UNITS_8,
    ACTION_UNITS_12,
    COMPOUND_7,
    EXPRESSION_7,
    EXPRESSION_8_OTHER,
    VALENCE_AROUSAL,
    Task,
)

WithoutFace = Literal["refuse", "repeat"]

SYNTHETIC = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""The classes of edition 4's challenge of synthetic faces, in the order of their numbers."""

_CLASSES = ("neutral", "anger", "disgust", "fear", "happiness", "sadness", "surprise", "other")
_COMPOUNDS = (
    *("fearfully_surprised", "happily_surprised", "sadly_surprised", "disgustedly_surprised"),
    *("angrily_surprised", "sadly_fearful", "sadly_angry"),
)


@dataclass(frozen=True)
class Part:
    """Some columns of a form.

    Attributes:
        task: what they answer.
        labels: which of its labels, in the columns' order, or what the numbers of classes mean.
    """

    task: Task
    labels: tuple[str, ...]

    @property
    def width(self) -> int:
        """Number of columns."""
        return 1 if self.task.kind == "categorical" else len(self.labels)


def _spelled(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return labels as the organisers' headers spell them."""
    return tuple(f"AU{int(label[2:])}" if label.startswith("AU") else label.title() for label in labels)


_VA = Part(VALENCE_AROUSAL, ("valence", "arousal"))
_EXPR = Part(EXPRESSION_8_OTHER, _CLASSES)
_AU = Part(ACTION_UNITS_12, ACTION_UNITS_12.labels)
_EXPR_7 = Part(EXPRESSION_7, _CLASSES[:7])
_AU_8 = Part(ACTION_UNITS_8, ACTION_UNITS_8.labels)

BY_VIDEO: dict[Task, tuple[Part, str]] = {
    part.task: (part, ",".join(part.labels if part is _VA else _spelled(part.labels)))
    for part in (_VA, _EXPR_7, _EXPR, _AU_8, _AU)
}
"""The forms of editions 1 to 4: task -> what a file answers, and its header."""

_FORMS: dict[str, tuple[Part, ...]] = {
    **{header.lower(): (part,) for part, header in BY_VIDEO.values()},
    ",".join(_COMPOUNDS): (Part(COMPOUND_7, _COMPOUNDS),),
    "valence,arousal,expression,aus": (_VA, _EXPR, _AU),
    "expression": (Part(EXPRESSION_7, SYNTHETIC),),
}
"""A header in lower case, without the column of names -> what the other columns answer."""


@dataclass(frozen=True)
class Template:
    """A file to be filled.

    Attributes:
        path: the file it came from, for messages.
        header: its first line, as it stands.
        parts: what the columns after the name answer.
        names: the rows' names, in order: "video1/00001.jpg".
    """

    path: Path
    header: str
    parts: tuple[Part, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Answers:
    """What is predicted of named pictures.

    Attributes:
        names: (n,) "video1/00001.jpg", each once; the frame counts from 1.
        predictions: n rows.
        tasks: which of the predictions answer, where several could; all for none.
    """

    names: Sequence[str]
    predictions: Predictions
    tasks: tuple[Task, ...] = ()

    def __post_init__(self) -> None:
        if set(self.tasks) - set(self.predictions.values):
            raise ValueError("a task that the predictions do not have")
        if len(self.names) != len(self.predictions):
            raise ValueError(f"{len(self.names)} names for {len(self.predictions)} predictions")
        if len(set(self.names)) != len(self.names):
            raise ValueError("a name stands for several predictions")

    def by_row(self, task: Task) -> dict[str, FloatArray]:
        """Return the values (len(task),) of each row by its name."""
        return dict(zip(self.names, self.predictions.values[task], strict=True))


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        rows: lines with an answer.
        repeated: how many of them had no prediction and repeat another frame of their video.
        unused: predictions that no row asked for.
    """

    rows: int
    repeated: int
    unused: int


def read_template(path: Path) -> Template:
    """Return the rows that a file of the organisers asks for; its values are not looked at.

    Raises:
        InputError: the file cannot be read, its header is no known form, or a row has no name or one
            that stands there already.
    """
    return _template(path, _lines(path))


def read_names(path: Path) -> list[str]:
    """Return the names of a list of test videos, one a line.

    Raises:
        InputError: the file cannot be read.
    """
    return [name for name in _lines(path) if name]


def write_submission(
    path: Path,
    template: Template,
    answers: Answers,
    without_face: WithoutFace = "refuse",
    threshold: Threshold = 0.5,
) -> Written:
    """Write a template's rows with their answers, all or nothing, and return what was written.

    Args:
        path: the file to write.
        template: the organisers' file.
        answers: the predictions; those that the template does not ask for are left.
        without_face: what a row without a prediction gets: "refuse" refuses to write; "repeat" takes
            the last predicted frame of its video, or the first where none is before it.
        threshold: from which probability an action unit is present, for all or by name.

    Raises:
        InputError: a row is not covered, a value is not finite or out of range, or the predictions lack
            a label of the template.
        SettingsError: a threshold outside [0, 1], or for an action unit that is not asked for.
        OutputError: the file cannot be written.
    """
    places, written = _places(template.names, answers, str(template.path), without_face)
    rows = _rows(template.parts, answers, places, threshold)
    with whole_file(path) as temporary:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(f"{template.header}\n")
            file.writelines(f"{name},{row}\n" for name, row in zip(template.names, rows, strict=True))
    return written


def write_video_files(
    folder: Path,
    task: Task,
    frames: Mapping[str, int],
    answers: Answers,
    without_face: WithoutFace = "refuse",
    threshold: Threshold = 0.5,
) -> Written:
    """Write a file for each test video, as editions 1 to 4 ask, all or nothing.

    Args:
        folder: the folder to make; it must not exist, or be empty.
        task: a key of BY_VIDEO; it decides the header and what each line holds.
        frames: name of the video, with the person's suffix -> number of frames.
        answers: predictions named "video/00001.jpg", the frame in five digits from 1.
        without_face: as in `write_submission`.
        threshold: as in `write_submission`.

    Raises:
        InputError: as in `write_submission`, or a video's name is no file's name.
        SettingsError: the task has no such form, or as in `write_submission`.
        OutputError: the folder holds something, or cannot be written.
    """
    if task not in BY_VIDEO:
        known = ", ".join(known.name for known in BY_VIDEO)
        raise SettingsError(f"{task.name} has no files by video; editions 1 to 4 asked for {known}")
    part, header = BY_VIDEO[task]
    for name in frames:
        if not name or name in (".", "..") or set(name) & set("/\\\0\n"):
            raise InputError(f"the video {name!r} cannot name a file")
    names = [f"{video}/{frame:05d}.jpg" for video, count in frames.items() for frame in range(1, count + 1)]
    places, written = _places(names, answers, "the list of test videos", without_face)
    rows = _rows((part,), answers, places, threshold)
    with whole_folder(folder) as temporary:
        for video, count in frames.items():
            text = "".join(f"{next(rows)}\n" for _ in range(count))
            (temporary / f"{video}.txt").write_text(f"{header}\n{text}", "utf-8", newline="\n")
    return written


def read_submission(path: Path) -> Answers:
    """Return what a file of answers says: valence and arousal, or 0 and 1 for classes and action units.

    Raises:
        InputError: the file cannot be read, its header is no known form, a name stands there twice, or
            a line lacks values or has one out of range.
    """
    lines = _lines(path)
    template = _template(path, lines)
    numbers = _numbers(path, template.parts, (line.split(",")[1:] for line in lines[1:]))
    return Answers(template.names, _predictions(template.parts, numbers))


def read_video_files(folder: Path) -> Answers:
    """Return what the files of editions 1 to 4 say, rows named "video/00001.jpg".

    Raises:
        InputError: there are none, they have different headers, or as in `read_submission`.
    """
    names: list[str] = []
    numbers: list[list[float]] = []
    form: tuple[Part, ...] | None = None
    for path in sorted(folder.glob("*.txt")):
        lines = _lines(path)
        parts = _parts(path, lines[0])
        if form not in (None, parts):
            raise InputError(f"{path}: another header than in the files before it: {lines[0][:60]!r}")
        form = parts
        numbers += _numbers(path, parts, (line.split(",") for line in lines[1:]))
        names += [f"{path.stem}/{frame:05d}.jpg" for frame in range(1, len(lines))]
    if form is None:
        raise InputError(f"{folder}: no text files of answers, one for each video")
    return Answers(names, _predictions(form, numbers))


def _lines(path: Path) -> list[str]:
    """Return a file's lines without spaces around them, at least one; empty ones at the end left out."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start + 1})") from error
    return [line.strip() for line in text.rstrip().split("\n")]


def _parts(path: Path, header: str) -> tuple[Part, ...]:
    """Return what the columns of a header, without that of names, answer."""
    spelled = ",".join(name.strip().lower() for name in header.split(","))
    if spelled not in _FORMS:
        raise InputError(
            f"{path}: the header {header[:80]!r} is no known form of the ABAW challenges; take the "
            "organisers' sample file"
        )
    return _FORMS[spelled]


def _template(path: Path, lines: list[str]) -> Template:
    """Return the rows that lines ask for."""
    first, _, columns = lines[0].partition(",")
    located = first.strip().lower() == "image_location"
    if not located and first.strip().lower() != "image":
        raise InputError(
            f"{path}: the header is {lines[0][:80]!r}, expected one that begins with image_location"
        )
    parts = _parts(path, columns)
    names: dict[str, int] = {}
    for line, text in enumerate(lines[1:], 2):
        name = text.partition(",")[0].strip()
        if not name or (located and "/" not in name):
            raise InputError(
                f"{path}, line {line}: {text[:60]!r}, expected a picture such as video/00001.jpg"
            )
        if names.setdefault(name, line) != line:
            raise InputError(f"{path}, line {line}: {name} stands in line {names[name]} already")
    if not names:
        raise InputError(f"{path}: a header and no rows; take the organisers' whole sample file")
    return Template(path, lines[0], parts, tuple(names))


def _places(
    names: Sequence[str], answers: Answers, whose: str, without_face: WithoutFace
) -> tuple[IntArray, Written]:
    """Return which prediction answers each row, (n,), and the count of them."""
    known = {name: place for place, name in enumerate(answers.names)}
    found = np.array([known.get(name, -1) for name in names], np.int64)
    places = _nearest(names, found) if without_face == "repeat" else found
    missing = np.flatnonzero(places < 0)
    if len(missing):
        few = ", ".join(names[row] for row in missing[:3]) + ", ..." * (len(missing) > 3)
        advice = (
            "" if without_face == "repeat" else "; frames without a face may repeat their video's last answer"
        )
        raise InputError(
            f"{whose}: {len(missing)} of {len(names)} rows have no prediction ({few}); "
            f"an incomplete file counts as none{advice}"
        )
    unused = len(answers.names) - len(np.unique(found[found >= 0]))
    return places, Written(len(names), int((found < 0).sum()), unused)


def _nearest(names: Sequence[str], found: IntArray) -> IntArray:
    """Return places in which a row without one has that of the row before it in its video, or the first."""
    places = found.copy()
    for order in (range(len(names)), range(len(names) - 1, -1, -1)):
        last: dict[str, int] = {}
        for row in order:
            video = names[row].rpartition("/")[0]
            if places[row] >= 0:
                last[video] = int(places[row])
            elif video:
                places[row] = last.get(video, -1)
    return places


def _rows(parts: tuple[Part, ...], answers: Answers, places: IntArray, threshold: Threshold) -> Iterator[str]:
    """Return an iterator over the rows' values as text, after everything has been checked."""
    thresholds = _thresholds(parts, threshold)
    used = np.unique(places)
    columns = []
    for part in parts:
        task = _source(part, answers)
        values = answers.predictions.values[task][:, [task.index(label) for label in part.labels]]
        low, high = part.task.range
        sound = np.asarray(((values >= low - 1e-5) & (values <= high + 1e-5)).all(axis=1))
        if not sound[used].all():
            row = int(used[~sound[used]][0])
            raise InputError(
                f"{answers.names[row]}: {task.name} is {values[row].tolist()}, expected {low:g} to {high:g}"
            )
        columns.append(_texts(part, values, thresholds))
    return (",".join(column[place] for column in columns) for place in places.tolist())


def _texts(part: Part, values: FloatArray, thresholds: Mapping[str, float]) -> list[str]:
    """Return each row of values (n, number of labels) as text."""
    if part.task.kind == "categorical":
        return [str(number) for number in values.argmax(axis=1).tolist()]
    if part.task.kind == "binary":
        present = values >= np.array([thresholds[label] for label in part.labels], np.float32)
        return [",".join("1" if one else "0" for one in row) for row in present.tolist()]
    return [",".join(f"{one:.6f}" for one in row) for row in (np.clip(values, -1, 1).round(6) + 0.0).tolist()]


def _thresholds(parts: tuple[Part, ...], threshold: Threshold) -> dict[str, float]:
    """Return the threshold of every action unit asked for."""
    asked = [label for part in parts if part.task.kind == "binary" for label in part.labels]
    return thresholds(asked, threshold, "which the form does not ask for")


def _source(part: Part, answers: Answers) -> Task:
    """Return which task of the predictions answers some columns."""
    alike = [
        task
        for task in answers.tasks or answers.predictions.values
        if (task.behaviour, task.kind) == (part.task.behaviour, part.task.kind)
    ]
    if not alike:
        raise InputError(f"the predictions say nothing of {part.task.name}, which the form asks for")
    missing = {task: sorted(set(part.labels) - set(task.labels)) for task in alike}
    able = [task for task in alike if not missing[task]]
    if part.task in able:
        return part.task
    if len(able) > 1:
        names = ", ".join(task.name for task in able)
        raise InputError(f"{names} could all answer {part.task.name}; say which does")
    if not able:
        task = min(alike, key=lambda task: len(missing[task]))
        raise InputError(f"{task.name} has no {', '.join(missing[task])}, which the form asks for")
    return able[0]


def _numbers(path: Path, parts: tuple[Part, ...], rows: Iterable[list[str]]) -> list[list[float]]:
    """Return the values of each line of a file, from the second on."""
    width = sum(part.width for part in parts)
    numbers = []
    for line, row in enumerate(rows, 2):
        try:
            if len(row) != width:
                raise ValueError(f"{len(row)} values, expected {width}")
            numbers.append(_values(parts, row))
        except ValueError as error:
            raise InputError(f"{path}, line {line}: {error}") from error
    return numbers


def _values(parts: tuple[Part, ...], row: list[str]) -> list[float]:
    """Return the values of one line."""
    texts = iter(row)
    values: list[float] = []
    for part in parts:
        if part.task.kind == "categorical":
            values.append(whole(next(texts), "the class", 0, len(part.labels) - 1))
        elif part.task.kind == "binary":
            values += [whole(next(texts), label, 0, 1) for label in part.labels]
        else:
            values += [number(next(texts), label, -1, 1) for label in part.labels]
    return values


def _predictions(parts: tuple[Part, ...], numbers: list[list[float]]) -> Predictions:
    """Return lines of values as predictions."""
    table = np.array(numbers, np.float32).reshape(len(numbers), sum(part.width for part in parts))
    values: dict[Task, FloatArray] = {}
    start = 0
    for part in parts:
        columns = table[:, start : start + part.width]
        start += part.width
        if part.task.kind == "categorical":
            values[part.task] = one_hot(part.task, part.labels, columns[:, 0].astype(np.int64))
        else:
            values[part.task] = by_name(part.task, part.labels, columns)
    return Predictions(values)
