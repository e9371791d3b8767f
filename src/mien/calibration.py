"""How right a network is: its probabilities set straight, and sets and intervals around what it says.

It is fitted on faces with labels that the network did not learn from (`mien calibrate`), lies in the bundle
and is applied to what the network says, so that the network itself stays as it is.

    expressions          a temperature (Guo et al. 2017), and sets with a stated coverage
    action units         a scale and a shift of each unit (Platt 1999), and a threshold of each
    valence and arousal  intervals with a stated coverage

Sets and intervals are split conformal (Vovk, Gammerman and Shafer 2005): on faces like those that it was
fitted on, the stated share of sets and intervals holds what the label says, whatever the network is. That
is a share of all such faces; of some class or group of people it may be another.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from mien.arrays import BoolArray, FloatArray
from mien.derived.circumplex import PLACES, spread
from mien.errors import BundleError
from mien.tasks import TASKS, Task

FLOOR = 0.03
"""Added to the spread of expressions, so that an interval has a width where all weight is on one expression.

Of 0.01 to 1 it gave the narrowest intervals that cover confident and doubtful faces about alike (FERPlus).
"""

LEAST = 1e-30
"""A probability of 0 counts as this."""

HOTTEST = 20.0
"""The highest temperature, and the inverse of the lowest."""

STEEPEST = 100.0
"""The largest scale or shift of an action unit's logit."""


@dataclass(frozen=True)
class Classes:
    """What is known of the probabilities of classes.

    Attributes:
        temperature: probabilities p become p ** (1 / temperature), made to add up to 1; above 1 they come
            closer together, below 1 they move apart. The order stays.
        mass: a class is in the set where the more probable ones together have at most this (adaptive sets of
            Romano, Sesia and Candès 2020 without their random draw, so that none is empty); from 0, the most
            probable class alone, to 1, all classes.
        rows: faces it was fitted on.
    """

    temperature: float
    mass: float
    rows: int

    def check(self, task: Task) -> None:
        """Refuse what is out of range.

        Raises:
            ValueError: something is.
        """
        _within(task, "temperature", [self.temperature], 1 / HOTTEST, HOTTEST)
        _within(task, "mass", [self.mass], 0, 1)
        _within(task, "rows", [self.rows], 0, math.inf)


@dataclass(frozen=True)
class Units:
    """What is known of the probabilities of labels that are each present or absent, a number for each.

    Attributes:
        scale: of the logit, above 0.
        shift: added to the scaled logit.
        threshold: calibrated probability from which a unit counts as present.
        rows: faces it was fitted on; 0 for a unit that is as the network says it, with the threshold 0.5.
    """

    scale: tuple[float, ...]
    shift: tuple[float, ...]
    threshold: tuple[float, ...]
    rows: tuple[int, ...]

    def check(self, task: Task) -> None:
        """Refuse what is out of range, or not of as many labels as the task has.

        Raises:
            ValueError: something is.
        """
        _counted(task, self.scale, self.shift, self.threshold, self.rows)
        _within(task, "scale", self.scale, 1 / STEEPEST, STEEPEST)
        _within(task, "shift", self.shift, -STEEPEST, STEEPEST)
        _within(task, "threshold", self.threshold, 0, 1)
        _within(task, "rows", self.rows, 0, math.inf)


@dataclass(frozen=True)
class Values:
    """What is known of values in a range, a number for each label.

    An interval reaches `width` times the face's scale to both sides, within the task's range (Papadopoulos
    2008; Lei et al. 2018). The scale is the spread of the expressions on the circumplex and `floor`.

    Attributes:
        width: from 0.
        floor: above 0.
        spread_of: the task of the same network whose expressions are spread; "" where the scale is `floor`.
        rows: faces it was fitted on.
    """

    width: tuple[float, ...]
    floor: float
    spread_of: str
    rows: tuple[int, ...]

    def check(self, task: Task) -> None:
        """Refuse what is out of range, or not of as many labels as the task has.

        Raises:
            ValueError: something is.
        """
        _counted(task, self.width, self.rows)
        _within(task, "width", self.width, 0, math.inf)
        _within(task, "floor", [self.floor], 1e-6, math.inf)
        _within(task, "rows", self.rows, 0, math.inf)
        if self.spread_of and (self.spread_of not in TASKS or not placed(TASKS[self.spread_of])):
            raise ValueError(f"{task.name}: {self.spread_of!r} has no expressions on the circumplex")
        if self.spread_of and task.labels != ("valence", "arousal"):
            raise ValueError(f"{task.name}: the spread of expressions is of valence and arousal only")


One = Classes | Units | Values

KINDS: Mapping[str, type[Classes] | type[Units] | type[Values]] = {
    "categorical": Classes,
    "binary": Units,
    "continuous": Values,
}
"""Kind of task -> what is known of it; of graded units nothing is."""


@dataclass(frozen=True)
class Calibration:
    """All that is known of one network.

    Attributes:
        coverage: the share of sets, and of intervals, that hold what the label says.
        tasks: what is known of each task; one that is not here is as the network says it.
        fitted_on: name and part of each database it was fitted on.
    """

    coverage: float
    tasks: Mapping[Task, One]
    fitted_on: tuple[Mapping[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.coverage < 1:
            raise ValueError(f"coverage is {self.coverage}, expected between 0 and 1")
        for task, known in self.tasks.items():
            if type(known) is not KINDS.get(task.kind):
                raise ValueError(f"{task.name}: {type(known).__name__} is not of {task.kind} labels")
            known.check(task)

    def applied(self, said: Mapping[Task, FloatArray]) -> dict[Task, FloatArray]:
        """Return what a network says, task -> (..., labels), with calibrated probabilities."""
        return {task: self._applied(task, np.asarray(values)) for task, values in said.items()}

    def _applied(self, task: Task, values: FloatArray) -> FloatArray:
        known = self.tasks.get(task)
        if isinstance(known, Classes):
            return tempered(values, known.temperature).astype(np.float32)
        if isinstance(known, Units):
            moved = scaled(values, np.array(known.scale), np.array(known.shift)).astype(np.float32)
            return np.where(np.array(known.rows) > 0, moved, values)
        return values

    def has_sets(self, task: Task) -> bool:
        """Return whether a task has sets."""
        return isinstance(self.tasks.get(task), Classes)

    def has_intervals(self, task: Task) -> bool:
        """Return whether a task has intervals."""
        return isinstance(self.tasks.get(task), Values)

    def sets(self, task: Task, said: Mapping[Task, FloatArray]) -> BoolArray:
        """Return which classes are in the set of each face, (n, classes); no set is empty.

        Args:
            task: with `has_sets`.
            said: calibrated, task -> (n, labels), as of `Predictions.values`.

        Raises:
            KeyError: the task has no sets.
        """
        known = self.tasks[task]
        if not isinstance(known, Classes):
            raise KeyError(task.name)
        return preceding(said[task]) <= known.mass

    def intervals(self, task: Task, said: Mapping[Task, FloatArray]) -> FloatArray:
        """Return the lowest and highest value of each label of each face, (n, labels, 2), within the range.

        Args:
            task: with `has_intervals`.
            said: calibrated, task -> (n, labels) of all tasks, as of `Predictions.values`.

        Raises:
            KeyError: the task has no intervals.
        """
        known = self.tasks[task]
        if not isinstance(known, Values):
            raise KeyError(task.name)
        reach = np.array(known.width) * scales(known, said, said[task].shape)
        ends = np.stack([said[task] - reach, said[task] + reach], axis=-1)
        return np.clip(ends, *task.range).astype(np.float32)

    def thresholds(self, task: Task) -> dict[str, float]:
        """Return from which probability each label counts as present; none where nothing is known of it."""
        known = self.tasks.get(task)
        return dict(zip(task.labels, known.threshold, strict=True)) if isinstance(known, Units) else {}

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return {
            "coverage": self.coverage,
            "fitted_on": [dict(entry) for entry in self.fitted_on],
            "tasks": {task.name: _plain(asdict(known)) for task, known in self.tasks.items()},
        }

    @classmethod
    def from_json(cls, values: Any, tasks: Sequence[Task]) -> Self:
        """Return the record that `to_json` wrote.

        Args:
            values: as read from JSON.
            tasks: those of the bundle.

        Raises:
            BundleError: a field is missing, unknown, of the wrong type or out of range.
        """
        try:
            fields = _fields(values, {"coverage": float, "fitted_on": list, "tasks": dict}, "calibration")
            named = {task.name: task for task in tasks}
            known = {_task(name, named): _one(name, entry, named) for name, entry in fields["tasks"].items()}
            for one in known.values():
                if isinstance(one, Values) and one.spread_of:
                    _task(one.spread_of, named)
            return cls(fields["coverage"], known, tuple(map(_source, fields["fitted_on"])))
        except (ValueError, OverflowError) as error:
            raise BundleError(f"calibration: {error}") from error


def tempered(probabilities: FloatArray, temperature: float) -> FloatArray:
    """Return probabilities (..., classes) ** (1 / temperature), made to add up to 1; float64.

    It is softmax(logits / temperature) of the logits that the probabilities are the softmax of.
    """
    logits = np.log(np.maximum(probabilities, LEAST, dtype=np.float64)) / temperature
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def logits_of(probabilities: FloatArray) -> FloatArray:
    """Return log(p / (1 - p)), from -16 to 16; float64."""
    inside = np.clip(np.asarray(probabilities, np.float64), 1e-7, 1 - 1e-7)
    return np.asarray(np.log(inside) - np.log1p(-inside))


def scaled(probabilities: FloatArray, scale: FloatArray, shift: FloatArray) -> FloatArray:
    """Return the probabilities (..., labels) whose logits are scaled and shifted; float64."""
    logits = scale * logits_of(probabilities) + shift
    return np.asarray((1 + np.tanh(logits / 2)) / 2)


def preceding(probabilities: FloatArray) -> FloatArray:
    """Return for each class what the more probable ones have together, (n, classes); 0 for the first."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ordered = np.take_along_axis(np.asarray(probabilities, np.float64), order, axis=1)
    before = np.minimum(np.cumsum(ordered, axis=1) - ordered, 1.0)  # the sum may be a little more
    found = np.empty_like(before)
    np.put_along_axis(found, order, before, axis=1)
    return found


def placed(task: Task) -> bool:
    """Return whether each class of a task has a place on the circumplex."""
    return task.kind == "categorical" and set(task.labels) <= set(PLACES)


def scales(known: Values, said: Mapping[Task, FloatArray], shape: tuple[int, ...]) -> FloatArray:
    """Return the scale of each face's intervals, of a shape (n, labels)."""
    if not known.spread_of:
        return np.full(shape, known.floor)
    expressions = TASKS[known.spread_of]
    return np.asarray(spread(expressions, said[expressions]) + known.floor, np.float64)


def uncertainty(probabilities: FloatArray) -> FloatArray:
    """Return 1 - the highest probability of each face, (n,): the chance that another class is right.

    Where the probabilities are calibrated, 0.2 says that one such face in five has another label.
    """
    return np.asarray(1 - probabilities.max(axis=1, initial=0))


def _within(task: Task, name: str, values: Sequence[float], low: float, high: float) -> None:
    """Refuse numbers outside a range, and what is no number."""
    for value in values:
        if not (math.isfinite(value) and low <= value <= high):
            raise ValueError(f"{task.name}: {name} is {value}, expected {low:g} to {high:g}")


def _counted(task: Task, *columns: Sequence[float]) -> None:
    """Refuse columns that have not a number for each label."""
    for column in columns:
        if len(column) != len(task):
            raise ValueError(f"{task.name}: {len(column)} numbers, expected {len(task)}, one for each label")


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields as JSON holds them."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


def _fields(values: Any, kinds: Mapping[str, type], of: str) -> dict[str, Any]:
    """Return the fields of an object, if they are those expected and of their kinds.

    Raises:
        ValueError: they are not.
    """
    if not isinstance(values, dict) or set(values) != set(kinds):
        found = sorted(values) if isinstance(values, dict) else type(values).__name__
        raise ValueError(f"{of} has the fields {found}, expected {sorted(kinds)}")
    for name, kind in kinds.items():
        accepted = (int, float) if kind is float else kind
        if isinstance(values[name], bool) or not isinstance(values[name], accepted):
            raise ValueError(f"{of}: {name} is {values[name]!r}, expected a {kind.__name__}")
    return {name: float(values[name]) if kind is float else values[name] for name, kind in kinds.items()}


def _numbers(name: str, values: list[Any], kind: type) -> tuple[Any, ...]:
    """Return a list as numbers of one kind.

    Raises:
        ValueError: something in it is of another.
    """
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else kind):
            raise ValueError(f"{name} holds {value!r}, expected a {kind.__name__}")
    return tuple(kind(value) for value in values)


def _task(name: str, named: Mapping[str, Task]) -> Task:
    """Return a bundle's task by its name.

    Raises:
        ValueError: the bundle has none of that name.
    """
    if name not in named:
        raise ValueError(f"of {name!r}, which the bundle does not predict; it has {', '.join(named)}")
    return named[name]


def _one(name: str, entry: Any, named: Mapping[str, Task]) -> One:
    """Return what is known of one task.

    Raises:
        ValueError: a field is missing, unknown or of the wrong kind.
    """
    task = _task(name, named)
    if task.kind == "categorical":
        return Classes(**_fields(entry, {"temperature": float, "mass": float, "rows": int}, name))
    if task.kind == "binary":
        lists = _fields(entry, dict.fromkeys(("scale", "shift", "threshold", "rows"), list), name)
        kinds = {"scale": float, "shift": float, "threshold": float, "rows": int}
        return Units(**{field: _numbers(field, lists[field], kind) for field, kind in kinds.items()})
    if task.kind == "continuous":
        fields = _fields(entry, {"width": list, "floor": float, "spread_of": str, "rows": list}, name)
        return Values(
            width=_numbers("width", fields["width"], float),
            floor=fields["floor"],
            spread_of=fields["spread_of"],
            rows=_numbers("rows", fields["rows"], int),
        )
    raise ValueError(f"{name} has {task.kind} labels, of which nothing can be known")


def _source(entry: Any) -> dict[str, str]:
    """Return the name and part of a database.

    Raises:
        ValueError: it is something else.
    """
    return _fields(entry, {"database": str, "part": str}, "fitted_on")
