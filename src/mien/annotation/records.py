"""What annotators said: courses of a value over time, and stretches of time with a label.

    annotations = read_annotations(folder)
    valence = annotations.of("valence", "talk.mp4")  # a Trace of each annotator

The folder, one form for whatever a project, another tool or a script gives:

    traces.parquet      video, annotator, label, time_s, value: times of one trace rise; null is not known
    segments.parquet    video, annotator, face, label, start_s, end_s, apex_s, intensity, scorable; a null
                        face is "", a null scorable is true
    marks.parquet       video, annotator, label, mark, count       what happened while a trace was made
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mien.arrays import FloatArray
from mien.errors import InputError
from mien.files import whole_file

TRACES = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("video", "annotator", "label")),
        *(pa.field(name, pa.float64()) for name in ("time_s", "value")),
    ]
)

SEGMENTS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("video", "annotator", "face", "label")),
        *(pa.field(name, pa.float64()) for name in ("start_s", "end_s", "apex_s")),
        pa.field("intensity", pa.int8()),
        pa.field("scorable", pa.bool_()),
    ]
)

Key = tuple[str, str, str]
"""Video, annotator and label: one trace."""

MARKS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("video", "annotator", "label", "mark")),
        pa.field("count", pa.int64()),
    ]
)


@dataclass(frozen=True, eq=False)
class Trace:
    """One annotator's value over the time of one video; between two times the earlier value holds.

    Attributes:
        video: file name of the video.
        annotator: a pseudonym.
        label: what was traced: "valence", "arousal".
        seconds: (n,) times of the video, strictly rising.
        values: (n,) in [-1, 1]; NaN where not known.
        marks: what happened while it was made and how often, such as {"seek": 3, "blur": 1}.
    """

    video: str
    annotator: str
    label: str
    seconds: FloatArray
    values: FloatArray
    marks: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.seconds.ndim != 1 or self.seconds.shape != self.values.shape:
            raise ValueError(f"seconds {self.seconds.shape}, values {self.values.shape}, expected (n,) both")
        if not np.isfinite(self.seconds).all() or np.any(np.diff(self.seconds) <= 0):
            raise ValueError(f"{self.video}, {self.annotator}: times do not rise")
        if np.any(np.abs(self.values[np.isfinite(self.values)]) > 1):
            raise ValueError(f"{self.video}, {self.annotator}: {self.label} is outside [-1, 1]")

    def __len__(self) -> int:
        return len(self.seconds)


@dataclass(frozen=True)
class Segment:
    """One stretch of a video that an annotator gave a label.

    Attributes:
        video: file name of the video.
        annotator: a pseudonym.
        label: an expression or an action unit, spelled as in `mien.tasks`.
        start: second at which it begins (of an action unit its onset).
        end: second at which it is over (its offset); not before `start`.
        apex: second of its greatest strength; None where nobody said.
        intensity: 1 to 5 for FACS's A to E; None where nobody said.
        scorable: False where the annotator says that it cannot be told there.
        face: which face, where there are several; "" for the only one.
    """

    video: str
    annotator: str
    label: str
    start: float
    end: float
    apex: float | None = None
    intensity: int | None = None
    scorable: bool = True
    face: str = ""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.start) and np.isfinite(self.end) and self.start <= self.end):
            raise ValueError(f"{self.video}, {self.annotator}: {self.label} from {self.start} to {self.end}")
        if self.intensity is not None and not 1 <= self.intensity <= 5:
            raise ValueError(f"{self.video}, {self.annotator}: intensity {self.intensity}, expected 1 to 5")


@dataclass(frozen=True)
class Annotations:
    """All that annotators said of some videos."""

    traces: tuple[Trace, ...] = ()
    segments: tuple[Segment, ...] = ()

    def of(self, label: str, video: str) -> tuple[Trace, ...]:
        """Return the traces of a label over a video, one of each annotator, in order of their names."""
        found = [trace for trace in self.traces if (trace.label, trace.video) == (label, video)]
        return tuple(sorted(found, key=lambda trace: trace.annotator))

    @property
    def videos(self) -> tuple[str, ...]:
        """Names of all videos, sorted."""
        traced = {trace.video for trace in self.traces}
        return tuple(sorted(traced | {segment.video for segment in self.segments}))

    def joined(self, other: "Annotations") -> "Annotations":
        """Return both together."""
        return Annotations(self.traces + other.traces, self.segments + other.segments)


def write_annotations(folder: Path, annotations: Annotations) -> None:
    """Write annotations into a folder that exists; tables of earlier ones are replaced.

    Raises:
        OutputError: the folder cannot be written.
    """
    traces, marks = [], []
    for trace in annotations.traces:
        key = {"video": trace.video, "annotator": trace.annotator, "label": trace.label}
        keys = {name: np.repeat(value, len(trace)) for name, value in key.items()}
        values = pa.array(trace.values, pa.float64(), from_pandas=True)
        traces.append(pa.table({**keys, "time_s": trace.seconds, "value": values}, schema=TRACES))
        marks += [{**key, "mark": mark, "count": count} for mark, count in sorted(trace.marks.items())]
    rows = [
        {
            "video": one.video,
            "annotator": one.annotator,
            "face": one.face,
            "label": one.label,
            "start_s": one.start,
            "end_s": one.end,
            "apex_s": one.apex,
            "intensity": one.intensity,
            "scorable": one.scorable,
        }
        for one in annotations.segments
    ]
    tables = {
        "traces": pa.concat_tables([TRACES.empty_table(), *traces]),
        "segments": pa.Table.from_pylist(rows, schema=SEGMENTS),
        "marks": pa.Table.from_pylist(marks, schema=MARKS),
    }
    for name, table in tables.items():
        with whole_file(folder / f"{name}.parquet") as temporary:
            pq.write_table(table, temporary, compression="zstd")


def read_annotations(folder: Path) -> Annotations:
    """Return the annotations in a folder.

    Raises:
        InputError: it holds none, or a table has other columns or values than expected.
    """
    if not (folder / "traces.parquet").is_file() and not (folder / "segments.parquet").is_file():
        raise InputError(f"{folder}: neither traces.parquet nor segments.parquet in it; expected annotations")
    marks: dict[Key, dict[str, int]] = {}
    for row in _rows(folder / "marks.parquet", MARKS):
        marks.setdefault((row["video"], row["annotator"], row["label"]), {})[row["mark"]] = row["count"]
    try:
        segments = tuple(
            Segment(
                *(row["video"], row["annotator"], row["label"], row["start_s"], row["end_s"], row["apex_s"]),
                row["intensity"],
                row["scorable"] is not False,
                row["face"] or "",
            )
            for row in _rows(folder / "segments.parquet", SEGMENTS)
        )
        return Annotations(tuple(_traces(folder / "traces.parquet", marks)), segments)
    except ValueError as error:
        raise InputError(f"{folder}: {error}") from error


def _traces(path: Path, marks: Mapping[Key, Mapping[str, int]]) -> Iterable[Trace]:
    """Yield the traces of a table; rows of one trace follow each other."""
    table = _table(path, TRACES)
    named = (table[name].to_pylist() for name in ("video", "annotator", "label"))
    keys: list[Key] = list(zip(*named, strict=True))
    seconds, values = table["time_s"].to_numpy(), table["value"].to_numpy()
    starts = [row for row in range(len(keys)) if row == 0 or keys[row] != keys[row - 1]]
    if len({keys[row] for row in starts}) < len(starts):
        raise InputError(f"{path}: rows of one trace do not follow each other")
    for start, end in pairwise([*starts, len(keys)]):
        yield Trace(*keys[start], seconds[start:end], values[start:end], marks.get(keys[start], {}))


def _rows(path: Path, schema: pa.Schema) -> list[dict[str, Any]]:
    """Return the rows of a table; none where there is no such file."""
    rows: list[dict[str, Any]] = _table(path, schema).to_pylist()
    return rows


def _table(path: Path, schema: pa.Schema) -> pa.Table:
    """Return a table of a schema; an empty one where there is no such file."""
    if not path.is_file():
        return schema.empty_table()
    try:
        return pq.read_table(path).select(schema.names).cast(schema)
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a table of {', '.join(schema.names)} ({error})") from error
