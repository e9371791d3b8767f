"""What the columns of somebody's own table say of faces, as arrays in which NaN means unknown."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mien.arrays import FloatArray
from mien.databases.table_cells import Cells
from mien.errors import DatabaseError
from mien.records import by_name, one_hot
from mien.tasks import (
    COMPOUND_7,
    EXPRESSION_7,
    EXPRESSION_8_CONTEMPT,
    EXPRESSION_8_OTHER,
    TASKS,
    VALENCE_AROUSAL,
    Task,
)

CLASSES = (EXPRESSION_7, EXPRESSION_8_OTHER, EXPRESSION_8_CONTEMPT, COMPOUND_7)
"""What "expression" may mean: the first that has all classes named in the table."""

ROUNDING = 0.001
"""How far a distribution may be from a sum of 1."""

_UNIT = re.compile(r"AU0*([1-9][0-9]?)", re.IGNORECASE)
_SHARE = "expression_"


def label_columns(names: Iterable[str]) -> set[str]:
    """Return which columns are labels."""
    return {
        name
        for name in names
        if name in (*VALENCE_AROUSAL.labels, "expression", *_class_columns())
        or name.startswith(_SHARE)
        or _UNIT.fullmatch(name)
        or ("." in name and name.partition(".")[0] in TASKS)
    }


def read_labels(cells: Cells) -> dict[Task, FloatArray]:
    """Return the labels of a table: (n, len(task)) for each task that a column is of.

    Raises:
        DatabaseError: columns that no task has, or two that say the same; a row that is malformed and
            not skipped.
    """
    names = label_columns(cells.columns)
    found: list[tuple[Task, FloatArray]] = []
    rated = {name: name for name in VALENCE_AROUSAL.labels if name in names}
    if rated:
        found.append((VALENCE_AROUSAL, _values(cells, VALENCE_AROUSAL, rated)))
    found += [_classes(cells, name) for name in ("expression", *_class_columns()) if name in names]
    shares = {
        name.removeprefix(_SHARE).lower(): name
        for name in cells.columns
        if name in names and name.startswith(_SHARE) and name.partition(".")[0] not in TASKS
    }
    if shares:
        task = _class_task(cells, shares, f"columns {_SHARE}...")
        found.append((task, _distribution(cells, task, shares)))
    units = _units(cells, names)
    if units:
        task = _unit_task(cells, list(units))
        found.append((task, _values(cells, task, units, whole=True)))
    found += _exact(cells, names)
    tasks = [task.name for task, _ in found]
    twice = sorted({name for name in tasks if tasks.count(name) > 1})
    if twice:
        raise DatabaseError(f"{cells.path}: two kinds of columns say {', '.join(twice)}; keep one of them")
    return dict(found)


def _class_columns() -> tuple[str, ...]:
    """Return the tasks whose name may head a column of class names."""
    return tuple(task.name for task in TASKS.values() if task.kind == "categorical")


def _values(cells: Cells, task: Task, columns: Mapping[str, str], whole: bool = False) -> FloatArray:
    """Return the values of a task whose labels are independent of each other.

    Args:
        cells: the table.
        task: the task.
        columns: label -> its column.
        whole: only 0 and 1 are labels.
    """
    low, high = task.range
    values = np.full((len(cells), len(task)), np.nan, np.float32)
    for label, name in columns.items():
        values[:, task.index(label)] = cells.numbers(name, low, high, whole)
    return values


def _classes(cells: Cells, column: str) -> tuple[Task, FloatArray]:
    """Return the task and the labels of a column of class names."""
    texts = [text.lower() for text in cells.texts(column)]
    if column == "expression":
        known = {label for task in CLASSES for label in task.labels}
        used = {text: text for text in texts if text in known}
        task = _class_task(cells, used, f"column {column}")
    else:
        task = TASKS[column]
        known = set(task.labels)
    unknown = [row for row, text in enumerate(texts) if text and text not in known]
    expected = task.labels if column != "expression" else sorted(known)
    cells.refuse(
        unknown, lambda row: f"{column} is {texts[row][:40]!r}, expected one of {', '.join(expected)}"
    )
    places = {label: place for place, label in enumerate(task.labels)}
    return task, one_hot(task, task.labels, [places.get(text, -1) for text in texts])


def _class_task(cells: Cells, classes: Mapping[str, str], where: str) -> Task:
    """Return the first task of CLASSES that has all these classes.

    Raises:
        DatabaseError: none has.
    """
    for task in CLASSES:
        if set(classes) <= set(task.labels):
            return task
    sets = "; ".join(f"{task.name}: {', '.join(task.labels)}" for task in CLASSES)
    raise DatabaseError(
        f"{cells.path}: {where}: no set of classes has all of {', '.join(sorted(classes))[:300]} ({sets})"
    )


def _distribution(cells: Cells, task: Task, columns: Mapping[str, str]) -> FloatArray:
    """Return shares of a task's classes, each row's sum 1; classes without a column have none."""
    classes = list(columns)
    shares = np.stack([cells.numbers(columns[name], 0, 1) for name in classes], axis=1)
    said = np.isfinite(shares)
    total = np.where(said, shares, 0).sum(axis=1)
    partly = cells.good & said.any(axis=1) & (~said.all(axis=1) | (np.abs(total - 1) > ROUNDING))
    cells.refuse(
        np.flatnonzero(partly).tolist(),
        lambda row: (
            f"the shares of {', '.join(classes)} add up to {total[row]:g} with "
            f"{int((~said[row]).sum())} of them empty, expected all of them and a sum of 1"
        ),
    )
    usable = said.all(axis=1) & ~partly & cells.good
    shares = np.where(usable[:, None], shares / np.maximum(total, ROUNDING)[:, None], np.nan)
    ordered = by_name(task, classes, shares.astype(np.float32))
    return np.where(usable[:, None], np.nan_to_num(ordered), np.float32(np.nan))


def _units(cells: Cells, names: Iterable[str]) -> dict[str, str]:
    """Return action unit -> its column, of columns such as AU01, AU1 or au01."""
    units: dict[str, str] = {}
    for name in sorted(names):
        match = _UNIT.fullmatch(name)
        if match:
            unit = f"AU{int(match[1]):02d}"
            if unit in units:
                raise DatabaseError(f"{cells.path}: columns {units[unit]} and {name} are of one action unit")
            units[unit] = name
    return units


def _unit_task(cells: Cells, units: Sequence[str]) -> Task:
    """Return the set of action units, present or absent, that has all of these and fewest others.

    Of two sets that fit equally well the first in TASKS is taken.

    Raises:
        DatabaseError: none has all.
    """
    sets = [task for task in TASKS.values() if task.behaviour == "action_units" and task.kind == "binary"]
    fitting = [task for task in sets if set(units) <= set(task.labels)]
    if not fitting:
        most = max(sets, key=lambda task: len(set(units) & set(task.labels)))
        missing = [unit for unit in units if unit not in most.labels]
        raise DatabaseError(
            f"{cells.path}: no set of action units has all of {', '.join(units)}; {most.name} lacks "
            f"{', '.join(missing)}: leave these columns out, or call them otherwise"
        )
    return min(fitting, key=len)


def _exact(cells: Cells, names: Iterable[str]) -> list[tuple[Task, FloatArray]]:
    """Return the labels of columns called "<task>.<label>"."""
    columns: dict[Task, dict[str, str]] = {}
    for name in sorted(names):
        prefix, dot, label = name.partition(".")
        if dot and prefix in TASKS:
            if label not in TASKS[prefix].labels:
                raise DatabaseError(
                    f"{cells.path}: column {name}: {prefix} has {', '.join(TASKS[prefix].labels)}"
                )
            columns.setdefault(TASKS[prefix], {})[label] = name
    return [
        (task, _distribution(cells, task, of) if task.kind == "categorical" else _values(cells, task, of))
        for task, of in columns.items()
    ]
