"""Where annotations come from: a project folder, or a folder of tables."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mien.annotation.coding import Coded
from mien.annotation.project import SETTINGS, Project
from mien.annotation.records import Annotations, read_annotations
from mien.files import sha256

AGAIN = "repeats"
"""Folder beside the tables that holds what the same annotators said when asked once more."""


@dataclass(frozen=True)
class Source:
    """What there is of some annotations.

    Attributes:
        folder: where they were read.
        annotations: what annotators said at first.
        again: what the same said when asked once more.
        coded: which labels of segments somebody is known to have gone through at first; None where nothing
            tells it, as in tables.
        coded_again: the same of when asked once more.
        videos: folder of the videos; None where they are not at hand.
        files: name -> SHA-256 of the files that were read.
    """

    folder: Path
    annotations: Annotations
    again: Annotations = field(default_factory=Annotations)
    coded: Coded | None = None
    coded_again: Coded | None = None
    videos: Path | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def traced(self) -> tuple[str, ...]:
        """The labels that were traced, valence first."""
        labels = {trace.label for trace in self.annotations.traces}
        return tuple(sorted(labels, key=lambda label: (label != "valence", label)))


def read_source(folder: Path, videos: Path | None = None, finished: bool = False) -> Source:
    """Return the annotations in a folder.

    Args:
        folder: a project, or a folder of traces.parquet and segments.parquet.
        videos: folder of the videos; that of the project by default.
        finished: of a project only what annotators called finished.

    Raises:
        InputError: it holds no annotations, or they cannot be read.
        SettingsError: a project's settings cannot be used.
    """
    if not (folder / SETTINGS).is_file():
        again = folder / AGAIN
        return Source(
            folder,
            read_annotations(folder),
            read_annotations(again) if again.is_dir() else Annotations(),
            videos=videos,
            files={path.name: sha256(path) for path in sorted(folder.glob("*.parquet"))},
        )
    project = Project.open(folder)
    return Source(
        folder,
        project.annotations(finished),
        project.annotations(finished, turn=1),
        _gone_through(project, turn=0),
        _gone_through(project, turn=1),
        videos or folder / "videos",
        {SETTINGS: sha256(folder / SETTINGS)},
    )


def digest(annotations: Annotations) -> str:
    """Return the SHA-256 of what was said, whatever form it is kept in and in whatever order."""
    parts = []
    for trace in annotations.traces:
        key = repr(("trace", trace.video, trace.annotator, trace.label)).encode()
        numbers = np.stack([trace.seconds, trace.values]).astype("<f8").tobytes()
        parts.append(hashlib.sha256(key + numbers).digest())
    parts += [hashlib.sha256(repr(one).encode()).digest() for one in annotations.segments]
    return hashlib.sha256(b"".join(sorted(parts))).hexdigest()


def _gone_through(project: Project, turn: int) -> Coded:
    """Return which labels of segments annotators called finished in a turn, by video and annotator."""
    found: dict[tuple[str, str], set[str]] = {}
    with project.store(reading=True) as store:
        for item in store.finished():
            task = project.tasks.get(item.task)
            if task is not None and task.kind == "segments" and item.turn == turn:
                found.setdefault((item.video, item.annotator), set()).update(task.labels)
    return {key: frozenset(labels) for key, labels in found.items()}
