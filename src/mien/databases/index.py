"""The Index: one row per face and frame of a database, with where it came from and its labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mien.arrays import BoolArray, FloatArray, IntArray, Rows
from mien.databases.names import TEXT, Names
from mien.errors import DatabaseError
from mien.records import Labels
from mien.tasks import TASKS, Task

Unit = Literal["frame", "time", "clip"]
Column = NDArray[Any]
Text = str | Sequence[str] | Names

NAMED = ("split", "subject", "video", "face", "media", "sound")
"""The columns of names that every Index has."""


@dataclass(frozen=True, eq=False)
class Index:
    """n rows of one database; rows of one face of one video lie together, in order of time.

    Attributes:
        database: its name.
        unit: how a row meets its picture: by `frame`, by `time` (`seconds`, the nearest frame), or as
            a whole `clip`, all frames of which have the row's labels.
        labels: n rows.
        split: "train", "validation" or "test"; "" where the database has no official parts.
        subject: who is seen; "" where the database does not say.
        video: the recording a row belongs to; its rows must never be divided over parts. Several
            faces may share one. A still is its own.
        face: which person in the recording ("left", "right"); "" for the only or main one.
        media: the picture, the video, or the folder of numbered pictures, relative to the database's
            folder and with "/"; "" where there is none for this row.
        sound: the file whose sound goes with the row; "" for none.
        frame: (n,) int32, counted from 0 within media.
        seconds: (n,) float64 from the start of the recording; NaN where the labels do not say.
        columns: numbers that the database's protocol needs beside the labels.
        groups: names that a report by groups needs: gender, age, race, level.
        cropped: each picture shows one face, cut out tightly.
        numbering: the number that frame 0 has among pictures numbered in a folder.
        title: of a saved table, whose rows they are: the database that they were taken from; otherwise "".
    """

    database: str
    unit: Unit
    labels: Labels
    split: Names
    subject: Names
    video: Names
    face: Names
    media: Names
    sound: Names
    frame: IntArray
    seconds: FloatArray
    columns: Mapping[str, Column] = field(default_factory=dict)
    groups: Mapping[str, Names] = field(default_factory=dict)
    cropped: bool = False
    numbering: int = 0
    title: str = ""

    def __post_init__(self) -> None:
        counted = [getattr(self, name) for name in (*NAMED, "frame", "seconds")]
        lengths = {
            len(column) for column in (self.labels, *counted, *self.columns.values(), *self.groups.values())
        }
        if len(lengths) != 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")

    @classmethod
    def of(  # noqa: PLR0913  (an argument for each column)
        cls,
        database: str,
        labels: Labels,
        *,
        split: Text,
        video: Text,
        media: Text,
        subject: Text = "",
        face: Text = "",
        sound: Text = "",
        frame: IntArray | Sequence[int] | None = None,
        seconds: FloatArray | Sequence[float] | None = None,
        unit: Unit = "frame",
        columns: Mapping[str, Column] | None = None,
        groups: Mapping[str, Names] | None = None,
        cropped: bool = False,
        numbering: int = 0,
    ) -> Self:
        """Return an Index; a single text is that of every row, no frame is frame 0, no time is NaN."""
        rows = len(labels)

        def names(text: Text) -> Names:
            if isinstance(text, Names):
                return text
            return Names.repeat(text, rows) if isinstance(text, str) else Names.of(text)

        return cls(
            database=database,
            unit=unit,
            labels=labels,
            split=names(split),
            subject=names(subject),
            video=names(video),
            face=names(face),
            media=names(media),
            sound=names(sound),
            frame=np.zeros(rows, np.int32) if frame is None else np.asarray(frame, np.int32),
            seconds=np.full(rows, np.nan) if seconds is None else np.asarray(seconds, np.float64),
            columns=columns or {},
            groups=groups or {},
            cropped=cropped,
            numbering=numbering,
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of all parts, in order; they must be alike in all but their rows."""
        first = parts[0]
        kinds = {(p.database, p.unit, p.cropped, p.numbering, *p.columns, *p.groups) for p in parts}
        if len(kinds) > 1:
            raise ValueError(f"parts that differ in kind: {sorted(map(str, kinds))}")
        named: dict[str, Any] = {name: Names.joined([getattr(p, name) for p in parts]) for name in NAMED}
        return replace(
            first,
            labels=Labels.joined([part.labels for part in parts]),
            frame=np.concatenate([part.frame for part in parts]),
            seconds=np.concatenate([part.seconds for part in parts]),
            columns={name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns},
            groups={name: Names.joined([part.groups[name] for part in parts]) for name in first.groups},
            **named,
        )

    @property
    def name(self) -> str:
        """What a run calls these rows, so that two tables can be told apart: the title, else the database."""
        return self.title or self.database

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, rows: Rows) -> Self:
        named: dict[str, Any] = {name: getattr(self, name)[rows] for name in NAMED}
        return replace(
            self,
            labels=self.labels[rows],
            frame=self.frame[rows],
            seconds=self.seconds[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
            groups={name: column[rows] for name, column in self.groups.items()},
            **named,
        )

    def compact(self) -> Self:
        """Return the same rows, with names of no row forgotten."""
        named: dict[str, Any] = {name: getattr(self, name).compact() for name in NAMED}
        return replace(self, groups={name: group.compact() for name, group in self.groups.items()}, **named)

    def with_columns(self, columns: Mapping[str, Column]) -> Self:
        """Return the same rows with more columns."""
        return replace(self, columns={**self.columns, **columns})

    def describe(self, row: int) -> str:
        """Return where a row's picture comes from, for messages."""
        face = f" ({self.face.at(row)})" if self.face.at(row) else ""
        return f"{self.media.at(row) or self.video.at(row)}{face}, frame {self.frame[row]}"

    def sequences(self) -> IntArray:
        """Return the sequence each row belongs to, (n,) counted from 0.

        A sequence is the rows of one face of one video in one part, as they follow each other; a new
        one begins where a frame is missing between two rows.
        """
        if not len(self):
            return np.zeros(0, np.int64)
        codes = np.stack([self.video.codes, self.face.codes, self.split.codes])
        new = (codes[:, 1:] != codes[:, :-1]).any(axis=0)
        if self.unit == "frame":
            new |= np.diff(self.frame) != 1
        return np.concatenate([[0], np.cumsum(new)])

    def save(self, path: Path) -> None:
        """Write the index as Parquet; unknown label cells are null."""
        arrays: dict[str, pa.Array] = {name: _dictionary(getattr(self, name)) for name in NAMED}
        arrays |= {"frame": pa.array(self.frame), "seconds": pa.array(self.seconds, from_pandas=True)}
        for task, values in self.labels.values.items():
            for i, label in enumerate(task.labels):
                known = self.labels.known[task][:, i]
                arrays[f"{task.name}.{label}"] = pa.array(values[:, i], mask=~known, type=pa.float32())
        for name, column in self.columns.items():
            arrays[f"column.{name}"] = pa.array(column, from_pandas=True)
        for name, group in self.groups.items():
            arrays[f"group.{name}"] = _dictionary(group)
        facts = {"database": self.database, "unit": self.unit}
        facts |= {"cropped": str(int(self.cropped)), "numbering": str(self.numbering)}
        facts |= {"title": self.title} if self.title else {}
        pq.write_table(pa.table(arrays).replace_schema_metadata(facts), path, compression="zstd")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the index that `save` wrote.

        Raises:
            DatabaseError: the file is not such an index.
        """
        try:
            table = pq.read_table(path)
            facts = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
            tasks = [task for name, task in TASKS.items() if f"{name}.{task.labels[0]}" in table.column_names]
            cells = {task: _cells(table, task) for task in tasks}
            named: dict[str, Any] = {name: _names(table[name]) for name in NAMED}
            return cls(
                database=facts["database"],
                unit=cast(Unit, facts["unit"]),
                labels=Labels({t: c[0] for t, c in cells.items()}, {t: c[1] for t, c in cells.items()}),
                frame=table["frame"].to_numpy(),
                seconds=table["seconds"].to_numpy(),
                columns={name: column.to_numpy() for name, column in _under(table, "column.")},
                groups={name: _names(column) for name, column in _under(table, "group.")},
                cropped=facts["cropped"] == "1",
                numbering=int(facts["numbering"]),
                title=facts.get("title", ""),
                **named,
            )
        except (OSError, pa.ArrowInvalid, KeyError, ValueError) as error:
            raise DatabaseError(f"{path}: not an index of mien ({error})") from error


def _dictionary(names: Names) -> pa.DictionaryArray:
    """Return names as Arrow keeps them; the vocabulary holds just what rows have."""
    compact = names.compact()
    spelled = pa.array([str(name) for name in compact.vocabulary], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(compact.codes), spelled)


def _names(column: pa.ChunkedArray) -> Names:
    """Return the column of names that `_dictionary` made."""
    whole = column.unify_dictionaries().combine_chunks()
    array = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    codes = array.indices.to_numpy(zero_copy_only=False)
    if array.null_count or (len(codes) and not 0 <= codes.min() <= codes.max() < len(array.dictionary)):
        raise ValueError("names that are missing or point nowhere")
    return Names(codes.astype(np.int32), np.array(array.dictionary.to_pylist(), TEXT))


def _under(table: pa.Table, prefix: str) -> list[tuple[str, pa.ChunkedArray]]:
    """Return the columns whose names begin with a prefix, without it."""
    return [
        (name.removeprefix(prefix), table[name]) for name in table.column_names if name.startswith(prefix)
    ]


def _cells(table: pa.Table, task: Task) -> tuple[FloatArray, BoolArray]:
    """Return the values and the mask of one task."""
    columns = [table[f"{task.name}.{label}"] for label in task.labels]
    values = np.stack([column.fill_null(0).to_numpy() for column in columns], axis=1)
    known = np.stack([column.is_valid().to_numpy() for column in columns], axis=1)
    return values.astype(np.float32), known
