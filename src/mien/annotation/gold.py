"""The gold folder, read back: one truth for each face and frame, of which anything may be unknown.

gold = read_gold(Path("gold"))
gold.values["valence"]     # (n,), NaN where unknown
gold.values["happiness"]   # (n,) share of the class
gold.values["AU12"]        # (n,) probability that it is present

gold.parquet     video, face, frame, time_s, valence, arousal, expression_<class>, AU01, AU01_known, ...
settings.json    how it was made
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.databases.names import Names
from mien.errors import InputError
from mien.files import sha256
from mien.tasks import TASKS, VALENCE_AROUSAL, Task

TABLE, SETTINGS = "gold.parquet", "settings.json"
"""The two files."""

ROUNDING = 1e-3
"""How far the shares of a row may be from adding up to 1."""

EXPRESSIONS = tuple(
    dict.fromkeys(label for task in TASKS.values() if task.behaviour == "expression" for label in task.labels)
)
"""Every class of expressions that any task has."""

_UNIT = re.compile(r"AU[0-9]{2}")


@dataclass(frozen=True, eq=False)
class Gold:
    """n rows, those of one face of one video together and in order of their frames.

    Attributes:
        folder: where they were read.
        video: file name of each row's video.
        face: which face; "" for the only one.
        frame: (n,) counted from 0.
        seconds: (n,) time of the frame.
        values: label -> (n,): valence and arousal in [-1, 1], shares of classes, probabilities of action
            units; NaN where unknown. Labels that no row knows are left out.
        others: further columns of numbers, such as "valence_spread", (n,), NaN where unknown.
        settings: what settings.json says; empty where there is none.
        hash: SHA-256 of the table's file.
    """

    folder: Path
    video: Names
    face: Names
    frame: IntArray
    seconds: FloatArray
    values: Mapping[str, FloatArray]
    others: Mapping[str, FloatArray] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    hash: str = ""

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def expressions(self) -> tuple[str, ...]:
        """The classes of expressions that there are."""
        return tuple(label for label in EXPRESSIONS if label in self.values)

    @property
    def units(self) -> tuple[str, ...]:
        """The action units that there are."""
        return tuple(sorted(label for label in self.values if _UNIT.fullmatch(label)))

    def winners(self) -> IntArray:
        """Return the place in `expressions` of each row's most frequent class, -1 where none is alone."""
        if not self.expressions:
            return np.full(len(self), -1)
        shares = np.nan_to_num(np.stack([self.values[name] for name in self.expressions], axis=1))
        top = shares.max(axis=1, keepdims=True)
        clear = (shares >= top - 1e-9).sum(axis=1) == 1
        return np.where(clear & (top[:, 0] > 0), shares.argmax(axis=1), -1)

    def present(self, unit: str) -> FloatArray:
        """Return 1 where an action unit is present, 0 where it is not, NaN where unknown or undecided."""
        probabilities = self.values[unit]
        return np.where(probabilities == 0.5, np.nan, np.where(probabilities > 0.5, 1.0, 0 * probabilities))


def expression_task(names: Sequence[str], where: str) -> Task:
    """Return the first set of expressions that has all these classes.

    Raises:
        InputError: none has.
    """
    tasks = [
        task for task in TASKS.values() if task.behaviour == "expression" and "perceived" not in task.name
    ]
    for task in tasks:
        if set(names) <= set(task.labels):
            return task
    raise InputError(
        f"{where}: no set of expressions has all of {', '.join(names)}; leave some out of the gold"
    )


def unit_tasks(names: Sequence[str]) -> dict[Task, list[str]]:
    """Return sets of action units and which of these each takes: those with most of them; few sets."""
    sets = [task for task in TASKS.values() if task.behaviour == "action_units" and task.kind == "binary"]
    taken: dict[Task, list[str]] = {}
    left = set(names)
    while left:
        best = max(sets, key=lambda task: (len(left & set(task.labels)), -len(task)))
        chosen = left & set(best.labels)
        if not chosen:
            break
        taken[best] = sorted(chosen)
        left -= chosen
    return taken


def read_gold(folder: Path) -> Gold:
    """Return the gold in a folder.

    Raises:
        InputError: it holds none, or a column or row is not as expected.
    """
    path = folder / TABLE
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as gold, which `mien fuse` makes ({error})") from error
    missing = [name for name in ("video", "frame", "time_s") if name not in table.column_names]
    if missing or not table.num_rows:
        what = f"no column {', '.join(missing)}" if missing else "no rows"
        raise InputError(f"{path}: {what}, expected gold as `mien fuse` makes it")
    video, face = _names(table, "video", path), _names(table, "face", path)
    frame, seconds = _floats(table, "frame", path), _floats(table, "time_s", path)
    _refuse(path, "frame", frame, ~((frame >= 0) & (frame == np.round(frame))), "a whole number from 0")
    _refuse(path, "time_s", seconds, ~np.isfinite(seconds), "seconds")
    values, others = _values(table, path)
    order = np.lexsort((frame, _ranks(face), _ranks(video)))
    same = (np.diff(video.codes[order]) == 0) & (np.diff(face.codes[order]) == 0)
    again = order[1:][same & (np.diff(frame[order]) == 0)]
    if len(again):
        row = int(again.min())
        raise InputError(f"{path}, row {row + 1}: frame {frame[row]:.0f} of {video.at(row)} comes again")
    return Gold(
        folder=folder,
        video=video[order],
        face=face[order],
        frame=frame[order].astype(np.int32),
        seconds=seconds[order],
        values={name: column[order] for name, column in values.items()},
        others={name: column[order] for name, column in others.items()},
        settings=_settings(folder / SETTINGS),
        hash=sha256(path),
    )


def _ranks(names: Names) -> IntArray:
    """Return numbers that sort as the names do, (n,)."""
    order = np.argsort(np.argsort([str(name) for name in names.vocabulary]))
    return np.asarray(order[names.codes])


def _values(table: pa.Table, path: Path) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Return the columns of labels, and the other numbers."""
    columns = {name: name for name in VALENCE_AROUSAL.labels if name in table.column_names}
    columns |= {
        name: f"expression_{name}" for name in EXPRESSIONS if f"expression_{name}" in table.column_names
    }
    columns |= {name: name for name in table.column_names if _UNIT.fullmatch(name)}
    values = {}
    for label, name in columns.items():
        column = _floats(table, name, path)
        if f"{name}_known" in table.column_names:
            told = pc.fill_null(table[f"{name}_known"].cast(pa.bool_()), fill_value=False).to_numpy()
            column = np.where(told, column, np.nan)
        low = -1.0 if label in VALENCE_AROUSAL.labels else 0.0
        _refuse(path, name, column, (column < low) | (column > 1) | np.isinf(column), f"{low:g} to 1")
        values[label] = column
    shares = [values[label] for label in EXPRESSIONS if label in values]
    if shares:
        total = np.sum(np.nan_to_num(shares), axis=0)
        told = np.isfinite(shares)
        wrong = told.any(axis=0) & (~told.all(axis=0) | (np.abs(total - 1) > ROUNDING))
        _refuse(path, "the sum of the expressions' shares", total, wrong, "1, with all of them known or none")
    numbers = pa.types.is_integer, pa.types.is_floating
    others = {
        name: _floats(table, name, path)
        for name in table.column_names
        if name not in {*columns.values(), "frame", "time_s", "face"}
        and any(fits(table.schema.field(name).type) for fits in numbers)
    }
    return {label: column for label, column in values.items() if np.isfinite(column).any()}, others


def _names(table: pa.Table, name: str, path: Path) -> Names:
    """Return a column of names; "" where it is missing or null."""
    if name not in table.column_names:
        return Names.repeat("", table.num_rows)
    try:
        column = table[name].cast(pa.string()).combine_chunks()
    except pa.ArrowException as error:
        raise InputError(f"{path}: column {name} holds no names ({error})") from error
    return Names.of(pc.fill_null(column, "").to_pylist())


def _floats(table: pa.Table, name: str, path: Path) -> FloatArray:
    """Return a column of numbers, NaN where it is null."""
    try:
        column = table[name].cast(pa.float64())
    except pa.ArrowException as error:
        raise InputError(f"{path}: column {name} holds no numbers ({error})") from error
    return np.asarray(column.to_numpy(), np.float64)


def _refuse(path: Path, name: str, values: FloatArray, wrong: BoolArray, expected: str) -> None:
    """Raise InputError for the first wrong value of a column."""
    for row in np.flatnonzero(wrong)[:1].tolist():
        raise InputError(f"{path}, row {row + 1}: {name} is {values[row]:g}, expected {expected}")


def _settings(path: Path) -> dict[str, Any]:
    """Return how gold was made; nothing where no file says it."""
    try:
        said = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not the settings of a gold folder ({error})") from error
    if not isinstance(said, dict):
        raise InputError(f"{path}: not the settings of a gold folder")
    return said
