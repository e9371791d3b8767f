"""OpenFace's table: the csv of action units that psychologists' scripts in R, Matlab and Python expect.

    frame,face_id,timestamp,confidence,success,AU12_r,AU12_c,valence,arousal,expression_happiness
    1,0,0,0.98,1,1.85,1,0.41,0.1,0.9
    2,0,0.04,0,0,0,0,,,

It counts frames from 1 and faces from 0; `AU12_r` is an intensity from 0 to 5, `AU12_c` is 1 where the unit
is present. A frame without a face has success 0 and zeros. mien's own table of predictions counts frames
from 0, and what is missing is null; there `AU12` is a probability or an occurrence, `AU12_intensity` an
intensity.

Written are the columns of which the predictions say something, in OpenFace's order and spelling (that of
2.2, without spaces): `AU12_c` where they have a probability, `AU12_r` where they have an intensity, and
`confidence`, the detector's score. mien's own follow at the end, since OpenFace has none like them:
`valence` and `arousal` in [-1, 1], and `expression_<name>`, probabilities that add up to 1. They are empty
without a face, as are a timestamp of a picture and any other number that is not known.

Read are tables of OpenFace 1 and 2, of videos and of pictures ("face, confidence", without frames), with
spaces after commas or without, and those that are written here. Gaze, head pose and landmarks are left out.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice, pairwise
from operator import itemgetter
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.errors import InputError
from mien.files import explained, whole_file
from mien.interchange.thresholds import Threshold, thresholds

ROWS_AT_ONCE = 4096
"""Rows held in memory while writing, and converted at once while reading."""

MOST_EXPRESSIONS = 127
"""Expressions that a table of predictions can tell apart."""

_GREATEST = 2**31 - 2
"""The highest number of a frame, from 0."""

_MISSING = {"", "nan", "-nan", "-nan(ind)", "na"}
"""What stands in a cell without a number; the third is what Microsoft's compiler prints."""

_RANGES: Mapping[str, tuple[float, float]] = {
    "frame": (1, _GREATEST + 1),
    "face_id": (0, _GREATEST),
    "timestamp": (-1e9, 1e9),
    "confidence": (0, 1),
    "success": (0, 1),
    "r": (0, 5),
    "c": (0, 1),
}
"""Lowest and highest number of OpenFace's columns, those of action units by the end of their names."""

_NEEDED = ("face", "frame", "time_s", "detection")
"""Columns that every table of predictions has."""

_ABSENT = {"frame": "1", "face_id": "0", "timestamp": "nan", "confidence": "nan", "success": "1"}
"""What a file without one of these columns means: a picture has no frame, older files have no face_id."""


def write(predictions: Path, folder: Path, threshold: Threshold | None = None) -> list[Path]:
    """Return the written files: for each video of a table one named after it, clip.csv of clip.mp4.

    Two videos that differ in their ending only keep it: clip.mp4.csv and clip.avi.csv. Files that exist
    are replaced, each as a whole.

    Args:
        predictions: the Parquet file that an analysis writes; the rows of a video lie together.
        folder: where the files go; made where it is missing.
        threshold: probability from which an action unit is present: one for all, or some by name. The
            others, or all for None, have that of the network, which a table of a calibrated one states,
            or 0.5.

    Raises:
        InputError: the table cannot be read, or is no table of predictions.
        OutputError: the place cannot be written, or the disk is full.
        SettingsError: a threshold outside 0 to 1, or for an action unit that the table does not have.
    """
    try:
        table = pq.ParquetFile(predictions)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{predictions}: cannot be read as a table of predictions ({error})") from error
    written = []
    with table:
        columns = _measured(predictions, table.schema_arrow.names)
        thresholds = _thresholds(columns, threshold, _stated(predictions, table.schema_arrow))
        places = _places(predictions, table, folder)
        runs = _runs(predictions, table, ["video", *_NEEDED, *columns])
        for video, parts in groupby(runs, key=itemgetter(0)):
            if video not in places:
                raise InputError(f"{predictions}: the rows of {video} do not lie together; sort the table")
            path = places.pop(video)
            _write_one(path, (_converted(predictions, rows, columns, thresholds) for _, rows in parts))
            written.append(path)
    return written


def read(path: Path, video: str | None = None) -> pa.Table:
    """Return an OpenFace table as a table of predictions, a row for each face and frame.

    The columns are video, face, frame (from 0), time_s, box_x to box_h (null, since OpenFace has no box),
    detection (its confidence), then what the file has of expression_<name>, valence, arousal, AU<number>
    (1 present, 0 absent) and AU<number>_intensity (0 to 5). Where success is 0 the face and every
    measurement are null; a frame in which another face was found has no such row.

    Args:
        path: the csv file.
        video: what the column `video` is to say; the file's name without its ending by default.

    Raises:
        InputError: the file cannot be read, is no OpenFace table, or a row is malformed, named by its line.
    """
    try:
        with open(path, "rb") as file:
            cells = _header(path, file.readline())
            blocks = [_block(path, cells, lines) for lines in _blocks(file)]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    numbers = np.concatenate([np.zeros((0, len(cells.places) + 1)), *blocks])
    return _table(cells, numbers[_kept(path, cells, numbers)], path.stem if video is None else video)


def _measured(path: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the table's columns of measurements, in the order of writing: name -> OpenFace's name."""
    missing = [name for name in ("video", *_NEEDED) if name not in names]
    if missing:
        raise InputError(f"{path}: no table of predictions: it has no column {', '.join(missing)}")
    units = sorted(name for name in names if re.fullmatch(r"AU\d\d(_intensity)?", name))
    columns = {name: f"{name[:4]}_r" for name in units if name.endswith("_intensity")}
    columns |= {name: f"{name}_c" for name in units if len(name) == 4}
    columns |= {name: name for name in ("valence", "arousal") if name in names}
    doubts = ("expression_set", "expression_uncertainty")
    return columns | {name: name for name in names if name.startswith("expression_") and name not in doubts}


def _stated(path: Path, schema: pa.Schema) -> dict[str, float]:
    """Return the thresholds that a table states beside its columns of presence."""
    found = {}
    for field in schema:
        said = (field.metadata or {}).get(b"threshold")
        if said is not None and re.fullmatch(r"AU\d\d_present", field.name):
            try:
                found[field.name.removesuffix("_present")] = float(said)
            except ValueError as error:
                raise InputError(f"{path}: the threshold of {field.name} is {said!r}") from error
    return found


def _thresholds(
    columns: Mapping[str, str], threshold: Threshold | None, stated: Mapping[str, float]
) -> dict[str, float]:
    """Return the threshold of every action unit that has a probability."""
    units = [name for name, written in columns.items() if written.endswith("_c")]
    return thresholds(units, threshold, "of which the table has no probability", stated)


def _places(path: Path, table: pq.ParquetFile, folder: Path) -> dict[str, Path]:
    """Return where each video's file goes."""
    stems = {video: "" for video, _ in _runs(path, table, ["video"])}
    for video in stems:
        inside = PurePosixPath(video)
        if inside.is_absolute() or ".." in inside.parts or not inside.name or "\0" in video:
            raise InputError(f"{path}: {video!r} is no name of a video that a file could have")
        name = re.sub(r"(?<=.)\.[A-Za-z][A-Za-z0-9]{1,4}$", "", inside.name)
        stems[video] = str(inside.with_name(name))
    counts = Counter(stems.values())
    places = {video: folder / f"{stem if counts[stem] == 1 else video}.csv" for video, stem in stems.items()}
    if len(set(places.values())) < len(places):
        raise InputError(f"{path}: names of videos so alike that their files could not be told apart")
    return places


def _runs(path: Path, table: pq.ParquetFile, names: list[str]) -> Iterator[tuple[str, pa.Table]]:
    """Yield (video, rows that follow each other), from one batch at a time."""
    try:
        for batch in table.iter_batches(ROWS_AT_ONCE, columns=list(dict.fromkeys(names))):
            rows = pa.table(batch)
            coded = rows["video"].cast(pa.string()).combine_chunks().dictionary_encode()
            if coded.null_count:
                raise InputError(f"{path}: a row without a video")
            codes = coded.indices.to_numpy()
            edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
            for start, end in pairwise(edges):
                yield coded.dictionary[int(codes[start])].as_py(), rows.slice(start, end - start)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as a table of predictions ({error})") from error


def _converted(
    path: Path, rows: pa.Table, columns: Mapping[str, str], thresholds: Mapping[str, float]
) -> pa.Table:
    """Return rows of predictions as OpenFace writes them."""
    try:
        found = pc.is_valid(rows["face"])
        made = {
            "frame": pc.add(_whole(rows["frame"], "frame"), 1),
            "face_id": pc.fill_null(_whole(rows["face"], "face"), 0),
            "timestamp": _numbers(rows["time_s"]),
            "confidence": _zero_unless(found, _numbers(rows["detection"])),
            "success": found.cast(pa.int8()),
        }
        if rows["frame"].null_count:
            raise ValueError("a row without a frame")
        for name, written in columns.items():
            made[written] = _numbers(rows[name])
            if written.endswith("_r"):
                _refuse_outside(made[written], name, 0, 5)
                made[written] = _zero_unless(found, made[written])
            if written.endswith("_c"):
                _refuse_outside(made[written], f"{name}, a probability,", 0, 1)
                least = pa.scalar(thresholds[name], made[written].type)
                made[written] = _zero_unless(found, pc.greater_equal(made[written], least).cast(pa.int8()))
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{path}: {error}") from error
    return pa.table(made)


def _whole(values: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Return numbers of frames or faces; ValueError where one is none."""
    numbers = values.cast(pa.int64())
    _refuse_outside(numbers, name, 0, _GREATEST)
    return numbers


def _numbers(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return measurements, null where one is not finite."""
    numbers = values if pa.types.is_floating(values.type) else values.cast(pa.float64())
    return pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, numbers.type))


def _zero_unless(found: pa.ChunkedArray, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return values, 0 where there is no face."""
    return pc.if_else(found, values, pa.scalar(0, values.type))


def _refuse_outside(numbers: pa.ChunkedArray, name: str, low: int, high: int) -> None:
    """Raise ValueError where a number lies outside a range."""
    ends = pc.min_max(numbers).as_py()
    for end in (ends["min"], ends["max"]):
        if end is not None and not low <= end <= high:
            raise ValueError(f"{name} is {end:g} in one row, expected {low} to {high}")


def _write_one(path: Path, tables: Iterator[pa.Table]) -> None:
    """Write the file of one video."""
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    first = next(tables)
    options = pyarrow.csv.WriteOptions(include_header=False)
    with whole_file(path) as part, open(part, "wb") as file:
        file.write((",".join(first.column_names) + "\n").encode())
        with pyarrow.csv.CSVWriter(file, first.schema, write_options=options) as writer:
            for table in chain([first], tables):
                writer.write(table)


@dataclass(frozen=True)
class _Cells:
    """Which cells of a line are wanted.

    Attributes:
        width: number of cells in a line.
        places: OpenFace's name -> position of its cell, -1 where the file has none; the keys come first.
    """

    width: int
    places: Mapping[str, int]

    def pick(self, line: bytes) -> list[str]:
        """Return the wanted cells of a line as text.

        Raises:
            ValueError: the line is not plain text, or has another number of cells.
        """
        try:
            cells = line.decode("ascii").split(",")
        except UnicodeDecodeError as error:
            raise ValueError(f"not plain text (byte {error.start + 1} of the line)") from error
        if len(cells) != self.width:
            raise ValueError(f"{len(cells)} fields, expected {self.width} as in the header")
        return [_ABSENT[name] if place < 0 else cells[place] for name, place in self.places.items()]


def _header(path: Path, line: bytes) -> _Cells:
    """Return what a table's first line says.

    Raises:
        InputError: it is not the first line of an OpenFace table, or a column comes twice.
    """
    text = line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    names = [name.strip().strip('"') for name in text.split(",")]
    picture = "frame" not in names and "face" in names
    spelled = {"face": "face_id"} if picture else {"detection_success": "success"}
    names = [spelled.get(name, name) for name in names]
    missing = [n for n in (("confidence",) if picture else ("frame", "success")) if n not in names]
    if missing:
        raise InputError(
            f"{path}: no OpenFace table: no column {', '.join(missing)}; the header is {text.strip()[:200]!r}"
        )
    measured = [name for name in names if re.fullmatch(r"AU\d\d_[rc]|valence|arousal|expression_\w+", name)]
    if sum(name.startswith("expression_") for name in measured) > MOST_EXPRESSIONS:
        raise InputError(f"{path}: more than {MOST_EXPRESSIONS} expressions")
    twice = sorted({name for name in (*_ABSENT, *measured) if names.count(name) > 1})
    if twice:
        raise InputError(f"{path}: column {', '.join(twice)} comes twice")
    places = {name: names.index(name) if name in names else -1 for name in (*_ABSENT, *measured)}
    return _Cells(len(names), places)


def _blocks(file: Iterable[bytes]) -> Iterator[list[tuple[int, bytes]]]:
    """Yield numbered lines of a file after its header, many at once; empty ones are left out."""
    numbered = ((number, line) for number, line in enumerate(file, 2) if line.strip())
    while block := list(islice(numbered, ROWS_AT_ONCE)):
        yield block


def _block(path: Path, cells: _Cells, lines: Sequence[tuple[int, bytes]]) -> FloatArray:
    """Return the wanted numbers of some lines, and each line's number last; NaN where one is missing.

    Raises:
        InputError: a line is malformed.
    """
    rows = []
    for number, line in lines:
        try:
            rows.append(cells.pick(line))
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {error}") from error
    shape = len(rows), len(cells.places)
    values = np.fromiter(map(_number, chain.from_iterable(rows)), np.float64, math.prod(shape)).reshape(shape)
    names = list(cells.places)
    for row, place in np.argwhere(_bad(names, values))[:1].tolist():
        found, name = rows[row][place].strip()[:40], names[place]
        raise InputError(f"{path}, line {lines[row][0]}: {name} is {found!r}, expected {_expected(name)}")
    return np.column_stack([values, [number for number, _ in lines]])


def _number(text: str) -> float:
    """Return a cell as a number: NaN where it is missing, infinity where it is none."""
    try:
        return float(text) if "_" not in text else math.inf
    except ValueError:
        return math.nan if text.strip().lower() in _MISSING else math.inf


def _bad(names: Sequence[str], values: FloatArray) -> BoolArray:
    """Return which numbers (n, names) break the format."""
    bad = np.zeros(values.shape, bool)
    for place, name in enumerate(names):
        numbers = values[:, place]
        low, high = _range(name)
        with np.errstate(invalid="ignore"):
            bad[:, place] = (numbers < low) | (numbers > high)
            if _is_whole(name):
                bad[:, place] |= numbers != np.round(numbers)
        bad[:, place] &= ~np.isnan(numbers)
        if name in ("frame", "face_id", "success"):
            bad[:, place] |= np.isnan(numbers)
    return bad


def _range(name: str) -> tuple[float, float]:
    """Return the lowest and highest number of a column of OpenFace's."""
    if name in _RANGES:
        return _RANGES[name]
    greatest = float(np.finfo(np.float32).max)
    return _RANGES[name[-1]] if name.startswith("AU") else (-greatest, greatest)


def _is_whole(name: str) -> bool:
    """Return whether a column holds whole numbers."""
    return name in ("frame", "face_id", "success") or name.endswith("_c")


def _expected(name: str) -> str:
    """Return in words what a column holds."""
    low, high = _range(name)
    if _is_whole(name):
        return f"a whole number from {low} to {high}"
    return f"a number from {low:g} to {high:g}"


def _table(cells: _Cells, numbers: FloatArray, video: str) -> pa.Table:
    """Return the table of predictions of some rows of a file."""
    column = dict(zip(cells.places, numbers.T, strict=False))
    found = column["success"] > 0
    measured = {name: np.where(found, values, np.nan) for name, values in column.items()}
    expressions = [name for name in measured if name.startswith("expression_")]
    units = sorted(name for name in measured if name.startswith("AU"))

    fields, arrays = [], []

    def add(name: str, values: pa.Array, description: str, behaviour: str = "", label: str = "") -> None:
        said = {"description": description, "behaviour": behaviour, "label": label}
        metadata = {key: value for key, value in said.items() if value}
        fields.append(pa.field(name, values.type, metadata=metadata))
        arrays.append(values)

    add("video", pa.repeat(pa.scalar(video), len(numbers)), "name of the file")
    faces = pa.array(np.where(found, column["face_id"], 0), pa.int32(), mask=~found)
    add("face", faces, "OpenFace's face_id; null: no face")
    add("frame", pa.array(column["frame"] - 1, pa.int32()), "number of the frame, from 0")
    add("time_s", pa.array(column["timestamp"], from_pandas=True), "presentation time in seconds")
    for side in "xywh":
        add(f"box_{side}", pa.nulls(len(numbers), pa.float32()), "of the face's box; OpenFace has none")
    add("detection", _floats(measured["confidence"]), "OpenFace's confidence in its landmarks, in [0, 1]")
    if expressions:
        winners = _winners(expressions, np.stack([measured[name] for name in expressions], axis=1))
        add("expression", winners, "name of the most probable expression")
    for name in expressions:
        label = name.removeprefix("expression_")
        add(name, _floats(measured[name]), f"probability that the face shows {label}", "expression", label)
    for name in ("valence", "arousal"):
        if name in measured:
            add(name, _floats(measured[name]), f"{name} in [-1, 1]", "valence_arousal", name)
    for name in (unit for unit in units if unit.endswith("_c")):
        add(name[:4], _floats(measured[name]), "1 present, 0 absent", "action_units", name[:4])
    for name in (unit for unit in units if unit.endswith("_r")):
        add(f"{name[:4]}_intensity", _floats(measured[name]), "intensity from 0 to 5")
    return pa.table(arrays, schema=pa.schema(fields))


def _floats(values: FloatArray) -> pa.Array:
    """Return measurements, null where they are missing."""
    return pa.array(values, pa.float32(), from_pandas=True)


def _winners(names: Sequence[str], probabilities: FloatArray) -> pa.DictionaryArray:
    """Return the most probable expression of each row (n, names); null where one has no probability."""
    absent = np.isnan(probabilities).any(axis=1)
    best = pa.array(np.argmax(probabilities, axis=1), pa.int8(), mask=absent)
    return pa.DictionaryArray.from_arrays(
        best, pa.array([name.removeprefix("expression_") for name in names])
    )


def _kept(path: Path, cells: _Cells, numbers: FloatArray) -> IntArray:
    """Return which rows say something: every face, and one row for a frame without any.

    Raises:
        InputError: a face comes twice in a frame.
    """
    names = list(cells.places)
    frame, face = numbers[:, names.index("frame")], numbers[:, names.index("face_id")]
    found = np.flatnonzero(numbers[:, names.index("success")] > 0)
    order = found[np.lexsort((found, face[found], frame[found]))]
    again = (np.diff(frame[order]) == 0) & (np.diff(face[order]) == 0)
    if again.any():
        row = order[1:][again].min()
        raise InputError(
            f"{path}, line {numbers[row, -1]:.0f}: face {face[row]:.0f} of frame {frame[row]:.0f} comes again"
        )
    lost = np.setdiff1d(np.arange(len(numbers)), found)
    lost = lost[~np.isin(frame[lost], frame[found])]
    _, first = np.unique(frame[lost], return_index=True)
    return np.union1d(found, lost[first])
