"""The table of predictions: one row per face and frame, streamed to Parquet and from there to CSV.

A frame without a face is one row whose `face` and all measurements are null, so that "nobody was
there" and "this frame was not read" stay apart. Missing is null, never a number.

A calibrated network's table also says how sure each prediction is: sets of expressions, intervals of valence
and arousal, action units that count as present. Of any other network these columns are not there.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from mien.analysis import FrameResult
from mien.arrays import BoolArray, FloatArray
from mien.calibration import Calibration, Classes, uncertainty
from mien.files import whole_file
from mien.tasks import Behaviour, Task

ROWS_PER_GROUP = 4096
"""Rows held in memory before they are written: an hour needs no more of it than a minute."""

BEHAVIOURS: tuple[Behaviour, ...] = ("expression", "valence_arousal", "action_units")
"""The order in which the columns of the behaviours follow each other."""

_BOX = ("box_x", "box_y", "box_w", "box_h")

_MUSCLES = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    18: "lip pucker",
    20: "lip stretcher",
    22: "lip funneler",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
    27: "mouth stretch",
    28: "lip suck",
    43: "eyes closed",
    45: "blink",
}
"""What the Facial Action Coding System calls each action unit, by its number."""


class Rows:
    """Gathers the rows of frames, and makes tables of them: the one way from results to columns.

    Of several tasks of one behaviour the first is taken, since that is what analysis shows.

    Args:
        tasks: what the bundle has learned; each written task gives its columns, others give none.
        metadata: kept in the schema beside mien's own version: the bundle's name, its hash.
        calibration: of the bundle, where it has one.
        voice: whether there is a column that tells how well each mouth moves with the sound.

    Attributes:
        schema: of every table; with the metadata.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        metadata: Mapping[str, str] | None = None,
        calibration: Calibration | None = None,
        voice: bool = False,
    ) -> None:
        self._tasks = written(tasks)
        self._calibration = calibration
        self._voice = voice
        self._bounded = [task for task in self._tasks if calibration and calibration.has_intervals(task)]
        schema = columns(tasks, calibration, voice)
        self.schema = schema.with_metadata({"mien": version("mien"), **(metadata or {})})
        self._keys: list[tuple[str, int | None, int, float | None]] = []
        self._numbers: list[FloatArray] = []
        self._named = [*_BOX, "detection", *(name for task in self._tasks for name in names(task))]
        self._named += [name for task in self._bounded for name in bounds(task)]
        self._named += ["voice"] * voice
        self._absent = np.full(len(self._named), np.nan, np.float32)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, video: str, result: FrameResult) -> None:
        """Add the rows of one frame: one per face, or one that says that there was none.

        Args:
            video: name of the file that the frame comes from.
            result: the frame's faces and predictions.

        Raises:
            ValueError: the result holds no predictions of a task that there are columns for.
        """
        frame, seconds = result.frame.number, result.frame.seconds
        time = None if np.isnan(seconds) else float(seconds)
        if not len(result.ids):
            self._keys.append((video, None, frame, time))
            self._numbers.append(self._absent)
        else:
            measured = self._measured(result)
            self._keys.extend((video, int(face), frame, time) for face in result.ids)
            self._numbers.extend(measured)

    def _measured(self, result: FrameResult) -> FloatArray:
        """Return the numbers of each face of a frame, (n, columns), in the order of their names."""
        missing = [task.name for task in self._tasks if task not in result.predictions.values]
        if missing:
            raise ValueError(f"frame {result.frame.number}: no predictions of {', '.join(missing)}")
        parts = [result.faces.boxes, result.faces.scores[:, None]]
        said = result.predictions.values
        parts += [said[task] for task in self._tasks]
        if self._calibration is not None:
            intervals = [self._calibration.intervals(task, said) for task in self._bounded]
            parts += [ends.reshape(len(ends), -1) for ends in intervals]
        if self._voice:
            unknown = np.full(len(result.ids), np.nan, np.float32)
            parts.append((unknown if result.voice is None else result.voice)[:, None])
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def take(self) -> pa.Table:
        """Return the rows gathered so far as a table of one chunk, and forget them."""
        video, face, frame, time = zip(*self._keys, strict=True) if self._keys else ((), (), (), ())
        numbers = np.array(self._numbers, np.float32).reshape(-1, len(self._named))
        found = {
            "video": pa.array(video, pa.string()),
            "face": pa.array(face, pa.int32()),
            "frame": pa.array(frame, pa.int32()),
            "time_s": pa.array(time, pa.float64()),
        }
        for name, values in zip(self._named, numbers.T, strict=True):
            found[name] = pa.array(values, pa.float32(), from_pandas=True)
        start = 5
        for task in self._tasks:
            said = numbers[:, start : start + len(task)]
            start += len(task)
            if task.behaviour == "expression":
                found["expression"] = _winners(task, said)
            if self._calibration is not None:
                found |= _doubts(task, said, self._calibration)
        self._keys.clear()
        self._numbers.clear()
        return pa.table([found[name] for name in self.schema.names], schema=self.schema)


class TableWriter:
    """Writes results to Parquet as they come; the file appears whole, or not at all.

    Args:
        path: the Parquet file; one that exists is replaced.
        tasks: what the bundle has learned, as for `Rows`.
        metadata: kept in the file beside mien's own version: the bundle's name, its hash.
        calibration: of the bundle, where it has one.
        voice: whether there is a column that tells how well each mouth moves with the sound.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """

    def __init__(
        self,
        path: Path,
        tasks: tuple[Task, ...],
        metadata: Mapping[str, str] | None = None,
        calibration: Calibration | None = None,
        voice: bool = False,
    ) -> None:
        self._path = path
        self._rows = Rows(tasks, metadata, calibration, voice)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            temporary = stack.enter_context(whole_file(self._path))
            self._writer = stack.enter_context(parquet_writer(temporary, self._rows.schema))
            stack.push(self._finish)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, video: str, result: FrameResult) -> None:
        """Add the rows of one frame, as `Rows.add` does."""
        self._rows.add(video, result)
        if len(self._rows) >= ROWS_PER_GROUP:
            self._writer.write_table(self._rows.take())

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write the last rows when all went well."""
        if kind is None and len(self._rows):
            self._writer.write_table(self._rows.take())


def parquet_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Return the opened writer of a table of predictions; each table it is given becomes a row group."""
    return pq.ParquetWriter(path, schema, compression="zstd", write_page_index=True)


def written(tasks: Sequence[Task]) -> tuple[Task, ...]:
    """Return the tasks that a table holds: the first of each behaviour, in the columns' order."""
    first: dict[Behaviour, Task] = {}
    for task in tasks:
        first.setdefault(task.behaviour, task)
    return tuple(first[behaviour] for behaviour in BEHAVIOURS if behaviour in first)


def names(task: Task) -> tuple[str, ...]:
    """Return the names of a task's columns, in the order of its labels."""
    if task.behaviour == "expression":
        return tuple(f"expression_{label}" for label in task.labels)
    if task.kind == "intensity":
        return tuple(f"{label}_intensity" for label in task.labels)
    return task.labels


def bounds(task: Task) -> tuple[str, ...]:
    """Return the names of the columns of a task's intervals: lowest and highest value of each label."""
    return tuple(f"{label}_{end}" for label in task.labels for end in ("low", "high"))


def columns(tasks: Sequence[Task], calibration: Calibration | None = None, voice: bool = False) -> pa.Schema:
    """Return the schema of a table of predictions; each field's metadata holds its description.

    A field of a task also says its `behaviour` and its `label`, so that a reader need not take
    names apart.

    Args:
        tasks: what the bundle has learned; of several tasks of one behaviour the first counts.
        calibration: of the bundle, where it has one.
        voice: whether there is a column that tells how well each mouth moves with the sound.
    """
    fields = [
        _field("video", pa.string(), "name of the file"),
        _field("face", pa.int32(), "number of the face, from 0 in order of appearance; null: no face"),
        _field("frame", pa.int32(), "number of the frame, from 0 in order of presentation"),
        _field("time_s", pa.float64(), "presentation time in seconds; null for a picture"),
        _field("box_x", pa.float32(), "left edge of the face's box in pixels"),
        _field("box_y", pa.float32(), "top edge of the face's box in pixels"),
        _field("box_w", pa.float32(), "width of the face's box in pixels"),
        _field("box_h", pa.float32(), "height of the face's box in pixels"),
        _field("detection", pa.float32(), "the detector's score in [0, 1]; no calibrated probability"),
    ]
    for task in written(tasks):
        if task.behaviour == "expression":
            kind = pa.dictionary(pa.int8(), pa.string())
            fields.append(_field("expression", kind, "name of the most probable expression"))
        for name, label in zip(names(task), task.labels, strict=True):
            fields.append(_field(name, pa.float32(), _description(task, label), task, label))
        if calibration is not None:
            fields += _doubt_fields(task, calibration)
    if voice:
        said = "how well the mouth moves with the sound, -1 to 1; null where not known"
        fields.append(_field("voice", pa.float32(), said))
    return pa.schema(fields)


def _doubt_fields(task: Task, calibration: Calibration) -> list[pa.Field]:
    """Return the columns that say how sure the predictions of a task are; none where nothing is known.

    Their metadata also hold what the page and other programs need: of a set "coverage" and "mass", of an
    interval whose "interval" it is, of presence the "threshold".
    """
    share = f"{100 * calibration.coverage:.4g} %"
    known = calibration.tasks.get(task)
    fields = []
    if isinstance(known, Classes) and task.behaviour == "expression":
        said = f"expressions of which one is the label of {share} of faces, most probable first, divided by |"
        more = {"coverage": repr(calibration.coverage), "mass": repr(known.mass)}
        fields.append(_field("expression_set", pa.string(), said, more=more))
        said = "1 - the probability of the most probable expression: the chance that it is another"
        fields.append(_field("expression_uncertainty", pa.float32(), said))
    if calibration.has_intervals(task):
        for name in bounds(task):
            label, end = name.rsplit("_", 1)
            said = f"{'lowest' if end == 'low' else 'highest'} {label} of an interval that holds it "
            more = {"coverage": repr(calibration.coverage), "interval": label}
            fields.append(_field(name, pa.float32(), f"{said}for {share} of faces", more=more))
    for label, threshold in calibration.thresholds(task).items():
        said = f"1 where {label} is {threshold:.3f} or more, 0 where it is less"
        fields.append(_field(f"{label}_present", pa.int8(), said, more={"threshold": repr(threshold)}))
    return fields


def _doubts(task: Task, said: FloatArray, calibration: Calibration) -> dict[str, pa.Array]:
    """Return the columns that say how sure the predictions (n, labels) of a task are, without intervals."""
    absent = np.isnan(said).any(axis=1)
    found: dict[str, pa.Array] = {}
    if calibration.has_sets(task) and task.behaviour == "expression":
        inside = calibration.sets(task, {task: said})
        found["expression_set"] = pa.array(_spelled(task, said, inside), pa.string(), mask=absent)
        found["expression_uncertainty"] = pa.array(uncertainty(said), pa.float32(), from_pandas=True)
    for place, (label, threshold) in enumerate(calibration.thresholds(task).items()):
        present = said[:, place] >= np.float32(threshold)
        found[f"{label}_present"] = pa.array(present.astype(np.int8), mask=absent)
    return found


def _spelled(task: Task, said: FloatArray, inside: BoolArray) -> list[str]:
    """Return the names of the expressions in each set, most probable first."""
    order = np.argsort(-said, axis=1, kind="stable").tolist()
    return [
        "|".join(task.labels[place] for place in places[:size])
        for places, size in zip(order, inside.sum(axis=1).tolist(), strict=True)
    ]


def write_csv(parquet: Path, csv: Path) -> None:
    """Write a Parquet table as CSV, row group by row group; null becomes an empty cell.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    with pq.ParquetFile(parquet) as table, whole_file(csv) as temporary:
        schema = pa.schema([_plain(field) for field in table.schema_arrow])
        with pyarrow.csv.CSVWriter(temporary, schema) as writer:
            for batch in table.iter_batches(ROWS_PER_GROUP):
                writer.write(batch.cast(schema))


def _field(
    name: str,
    kind: pa.DataType,
    description: str,
    task: Task | None = None,
    label: str = "",
    *,
    more: Mapping[str, str] | None = None,
) -> pa.Field:
    """Return a column that says what it means, and of which task it is."""
    metadata = {"description": description, **(more or {})}
    if task:
        metadata |= {"behaviour": task.behaviour, "label": label}
    return pa.field(name, kind, metadata=metadata)


def _description(task: Task, label: str) -> str:
    """Return one line on what the numbers of a label mean."""
    if task.behaviour == "expression":
        return f"probability that the face shows {label}; all expressions add up to 1"
    if task.behaviour == "action_units":
        muscle = _MUSCLES.get(int(label.removeprefix("AU")), "")
        what = (
            "intensity, 0 absent to 5 maximum"
            if task.kind == "intensity"
            else "probability that it is active"
        )
        return f"{muscle}: {what}".removeprefix(": ")
    ends = {"valence": "-1 unpleasant, 1 pleasant", "arousal": "-1 calm, 1 excited"}
    return f"{label} in [-1, 1]: {ends[label]}"


def _winners(task: Task, probabilities: FloatArray) -> pa.DictionaryArray:
    """Return the most probable label of each row (n, labels) by name; null where there is no face."""
    absent = np.isnan(probabilities).any(axis=1)
    best = np.argmax(probabilities, axis=1).astype(np.int8)
    return pa.DictionaryArray.from_arrays(pa.array(best, mask=absent), pa.array(task.labels))


def _plain(field: pa.Field) -> pa.Field:
    """Return a field as CSV can hold it: text instead of a dictionary."""
    return pa.field(field.name, pa.string()) if pa.types.is_dictionary(field.type) else field
