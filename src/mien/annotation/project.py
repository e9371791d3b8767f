"""A folder in which a database is built: what is to be annotated, by whom, and what they said.

    project = Project.open("talks/")
    project.annotations().of("valence", "talk.mp4")

The folder:

    project.toml            name, seed, annotators, tasks, overlap, repeats, prefill
    videos/                 the videos
    videos.csv              optional: video, subject, and any further columns, such as age
    annotations.sqlite      every event, and who was assigned what; made by `mien annotate`
"""

import csv
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from mien.annotation.assignment import assign, ordered, repeated
from mien.annotation.gold import expression_task
from mien.annotation.records import Annotations, Segment, Trace
from mien.annotation.replay import segments, traces
from mien.annotation.store import EventStore, Item
from mien.errors import InputError, SettingsError
from mien.tasks import TASKS, VALENCE_AROUSAL

SETTINGS = "project.toml"
EVENTS = "annotations.sqlite"
SUFFIXES = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".ogv", ".mpg", ".mpeg", ".wmv", ".flv")

EXAMPLE = """\
name = "{name}"
seed = 1
annotators = ["anna", "ben", "cora"]    # pseudonyms: letters, digits, "-" and "_"
overlap = 3                             # annotators of each video
repeats = 0.0                           # part of the videos that each annotator does twice

[[tasks]]
name = "valence"
labels = ["valence"]

[[tasks]]
name = "arousal"
labels = ["arousal"]

[[tasks]]
name = "expressions"
labels = "expression_7"                 # or a list of labels

[[tasks]]
name = "units"
labels = ["AU01", "AU02", "AU04", "AU06", "AU12", "AU25"]
"""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_KEYS = {"name", "seed", "annotators", "overlap", "repeats", "tasks", "prefill"}


@dataclass(frozen=True)
class Assigned:
    """What annotators do with a video.

    Attributes:
        name: of the task.
        kind: "trace" for valence and arousal, "segments" for expressions and action units.
        labels: what is traced, or given to segments.
        units: the labels are action units, which have an apex and an intensity.
    """

    name: str
    kind: Literal["trace", "segments"]
    labels: tuple[str, ...]
    units: bool = False


@dataclass(frozen=True)
class Prefill:
    """Predictions that annotators are shown beside the video.

    Attributes:
        predictions: folder that holds VIDEO/predictions.parquet of each video, such as talk.mp4/.
        hidden: part of the items at which they are hidden, so that their influence can be measured.
        bundle: folder of the network that makes them; None for the one that ships.
    """

    predictions: Path
    hidden: float
    bundle: Path | None


@dataclass(frozen=True)
class Project:
    """A project folder, its settings checked.

    Attributes:
        folder: where it is.
        name: what annotators read at the top.
        seed: of all that is left to chance.
        annotators: pseudonyms.
        tasks: by name, in order of work.
        overlap: annotators of each video.
        repeats: part of the videos that each annotator does twice.
        prefill: predictions to show; None for none.
    """

    folder: Path
    name: str
    seed: int
    annotators: tuple[str, ...]
    tasks: Mapping[str, Assigned]
    overlap: int
    repeats: float
    prefill: Prefill | None

    @classmethod
    def open(cls, folder: Path | str) -> Self:
        """Return the project in a folder.

        Raises:
            InputError: there is none.
            SettingsError: its settings cannot be used.
        """
        folder = Path(folder)
        path = folder / SETTINGS
        try:
            told = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise InputError(f"{path}: not there; `mien annotate {folder} --new` writes one") from error
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InputError(f"{path}: cannot be read ({error})") from error
        if unknown := sorted(set(told) - _KEYS):
            raise SettingsError(
                f"{path}: {', '.join(unknown)}: unknown; known are {', '.join(sorted(_KEYS))}"
            )
        names = _names(path, "annotators", told.get("annotators"))
        return cls(
            folder,
            str(told.get("name", folder.resolve().name)),
            int(_number(path, "seed", told.get("seed", 1), 0, 2**62)),
            names,
            _tasks(path, told.get("tasks")),
            int(_number(path, "overlap", told.get("overlap", len(names)), 1, len(names))),
            _number(path, "repeats", told.get("repeats", 0.0), 0, 1),
            _prefill(path, told.get("prefill")),
        )

    @cached_property
    def videos(self) -> tuple[str, ...]:
        """File names of the videos, sorted.

        Raises:
            InputError: there are none, or one has a name that is no text.
        """
        folder = self.folder / "videos"
        found = sorted(
            path.name
            for path in (folder.iterdir() if folder.is_dir() else ())
            if path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        )
        if not found:
            raise InputError(f"{folder}: no videos in it; expected files such as talk.mp4")
        for name in found:
            if any("\ud800" <= letter <= "\udfff" for letter in name):
                raise InputError(f"{folder}: {os.fsencode(name)!r} is not in UTF-8; rename this file")
        return tuple(found)

    def video(self, name: str) -> Path | None:
        """Return where a video is; None where the project has none of that name."""
        return self.folder / "videos" / name if name in self.videos else None

    @cached_property
    def attributes(self) -> dict[str, dict[str, str]]:
        """What videos.csv says of each video: {video: {column: text}}; empty where there is no such file.

        Raises:
            InputError: it has no column "video", or names one twice.
        """
        path = self.folder / "videos.csv"
        if not path.is_file():
            return {}
        try:
            with open(path, newline="", encoding="utf-8-sig") as file:
                rows = list(csv.DictReader(file, strict=True))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"{path}: cannot be read ({error})") from error
        found: dict[str, dict[str, str]] = {}
        for number, row in enumerate(rows, 2):
            if None in row or None in row.values() or "video" not in row:
                raise InputError(f'{path}: row {number} does not fit the header; a column "video" is needed')
            if row["video"] in found:
                raise InputError(f"{path}: row {number}: {row['video']} is named twice")
            found[row["video"]] = {name: text for name, text in row.items() if name != "video"}
        return found

    def store(self, reading: bool = False) -> EventStore:
        """Return the project's events, open."""
        return EventStore(self.folder / EVENTS, reading)

    def prepare(self, store: EventStore) -> None:
        """Assign what is not assigned yet, repeats included."""
        there = store.assigned()
        firsts = [item for item in there if item.turn == 0]
        new = assign(self.videos, list(self.tasks), self.annotators, self.overlap, self.seed, firsts)
        store.assign(new)
        items = [item for item in (*there, *new) if item.video in self.videos]
        store.assign(repeated(items, self.repeats, self.seed))

    def work(self, store: EventStore, annotator: str) -> list[Item]:
        """Return what an annotator has to do, in order; videos that are gone are left out."""
        mine = [
            item for item in store.assigned() if item.annotator == annotator and item.video in self.videos
        ]
        return ordered(mine, list(self.tasks), self.seed)

    def annotations(self, finished: bool = False, turn: int = 0) -> Annotations:
        """Return all that annotators said.

        Args:
            finished: only what they called finished.
            turn: 0 for what they did first, 1 for the repeats.

        Raises:
            InputError: nothing has been annotated, or the database cannot be read.
        """
        said: list[Trace] = []
        marked: list[Segment] = []
        with self.store(reading=True) as store:
            done = store.finished() if finished else set()
            for item in store.items():
                task = self.tasks.get(item.task)
                if task is None or item.turn != turn or (finished and item not in done):
                    continue
                if task.kind == "trace":
                    said += traces(store.events(item), item, task.labels)
                else:
                    marked += segments(store.events(item), item)
        return Annotations(tuple(said), tuple(marked))


def _names(path: Path, key: str, told: Any) -> tuple[str, ...]:
    """Return a list of different short names."""
    if not isinstance(told, list) or not told or not all(isinstance(name, str) for name in told):
        raise SettingsError(f"{path}: {key} is {told!r}, expected a list of names")
    for name in told:
        if not _NAME.fullmatch(name):
            raise SettingsError(f'{path}: {key}: {name!r}; expected letters, digits, "-" and "_"')
    if len(set(told)) < len(told):
        raise SettingsError(f"{path}: {key} names one twice")
    return tuple(told)


def _number(path: Path, key: str, told: Any, low: float, high: float) -> float:
    """Return a number within bounds."""
    if isinstance(told, bool) or not isinstance(told, int | float) or not low <= told <= high:
        raise SettingsError(f"{path}: {key} is {told!r}, expected a number from {low} to {high}")
    return told


def _tasks(path: Path, told: Any) -> dict[str, Assigned]:
    """Return the tasks by name."""
    if not isinstance(told, list) or not told or not all(isinstance(one, dict) for one in told):
        raise SettingsError(f"{path}: no [[tasks]]; expected at least one, with name and labels")
    names = _names(path, "tasks", [one.get("name") for one in told])
    for one in told:
        if extra := sorted(set(one) - {"name", "labels"}):
            raise SettingsError(
                f"{path}: task {one['name']}: {', '.join(extra)}: unknown; name and labels are"
            )
    tasks = {name: _task(path, name, one.get("labels")) for name, one in zip(names, told, strict=True)}
    labels = [label for task in tasks.values() for label in task.labels]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise SettingsError(f"{path}: {', '.join(twice)}: in two tasks; each label belongs to one")
    return tasks


def _task(path: Path, name: str, labels: Any) -> Assigned:
    """Return a task; what its labels are decides how it is done."""
    if isinstance(labels, str):
        if labels not in TASKS:
            raise SettingsError(f"{path}: task {name}: {labels!r} is none of {', '.join(sorted(TASKS))}")
        labels = list(TASKS[labels].labels)
    chosen = _names(path, f"task {name}: labels", labels)
    if set(chosen) <= set(VALENCE_AROUSAL.labels):
        return Assigned(name, "trace", tuple(label for label in VALENCE_AROUSAL.labels if label in chosen))
    for behaviour in ("expression", "action_units"):
        known = {label for task in TASKS.values() if task.behaviour == behaviour for label in task.labels}
        if set(chosen) <= known:
            if behaviour == "expression":
                _one_set(path, name, chosen)
            return Assigned(name, "segments", chosen, behaviour == "action_units")
    raise SettingsError(
        f"{path}: task {name}: {', '.join(chosen)}; expected valence, arousal, expressions or action units"
    )


def _one_set(path: Path, name: str, labels: tuple[str, ...]) -> None:
    """Refuse expressions of which no set has all, since they could not be published."""
    try:
        expression_task(labels, name)
    except InputError as error:
        sets = ", ".join(task.name for task in TASKS.values() if task.behaviour == "expression")
        raise SettingsError(
            f"{path}: task {name}: {', '.join(labels)} are not all in one of {sets}; make several projects"
        ) from error


def _prefill(path: Path, told: Any) -> Prefill | None:
    """Return what predictions are shown."""
    if told is None:
        return None
    if not isinstance(told, dict) or set(told) - {"predictions", "hidden", "bundle"}:
        raise SettingsError(f"{path}: [prefill] may say predictions, hidden and bundle")
    for key in ("predictions", "bundle"):
        if not isinstance(told.get(key, ""), str):
            raise SettingsError(f"{path}: [prefill] {key} is {told[key]!r}, expected a folder")
    hidden = _number(path, "hidden", told.get("hidden", 0.25), 0, 1)
    bundle = path.parent / told["bundle"] if "bundle" in told else None
    return Prefill(path.parent / told.get("predictions", "prefill"), hidden, bundle)
