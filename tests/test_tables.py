"""The table of predictions holds what it was given, and nothing that was not measured."""

import csv
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mien.analysis import FrameResult
from mien.errors import OutputError
from mien.faces.detection import Faces
from mien.media.frames import Frame
from mien.records import Predictions
from mien.reports.tables import ROWS_PER_GROUP, TableWriter, columns, write_csv
from mien.tasks import (
    ACTION_UNITS_12,
    EXPRESSION_7,
    EXPRESSION_8_CONTEMPT,
    VALENCE_AROUSAL,
    Task,
)

ALL = (EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL, ACTION_UNITS_12)
IMAGE = np.zeros((48, 64, 3), np.uint8)


def result(
    number: int, faces: int, tasks: tuple[Task, ...] = ALL, seconds: float | None = None
) -> FrameResult:
    """Return a frame with as many faces as asked, each with numbers that depend on the frame."""
    chance = np.random.default_rng(number)
    values = {}
    for task in tasks:
        raw = chance.random((faces, len(task)), np.float32)
        values[task] = raw / raw.sum(axis=1, keepdims=True) if task.kind == "categorical" else raw
    boxes = chance.random((faces, 4), np.float32) * 20
    found = Faces(boxes, np.zeros((faces, 5, 2), np.float32), chance.random(faces, np.float32))
    time = number / 25 if seconds is None else seconds
    return FrameResult(Frame(number, time, IMAGE), np.arange(faces), found, Predictions(values))


def written(path: Path, tasks: tuple[Task, ...], results: list[FrameResult]) -> Path:
    """Write the results of one video to a table and return its path."""
    with TableWriter(path, tasks, {"bundle": "small", "hash": "abc"}) as table:
        for one in results:
            table.write("talk.mp4", one)
    return path


def test_every_face_of_every_frame_is_one_row_with_its_values(tmp_path: Path) -> None:
    results = [result(number, number % 3 + 1) for number in range(7)]
    rows = pq.read_table(written(tmp_path / "t.parquet", ALL, results)).to_pylist()
    expected = [(one.frame.number, face) for one in results for face in one.ids]
    assert [(row["frame"], row["face"]) for row in rows] == expected
    for row in rows:
        one, face = results[row["frame"]], row["face"]
        probabilities = one.predictions.values[EXPRESSION_8_CONTEMPT][face]
        assert (row["video"], row["time_s"]) == ("talk.mp4", one.frame.seconds)
        assert [row[f"box_{side}"] for side in "xywh"] == one.faces.boxes[face].tolist()
        assert row["detection"] == one.faces.scores[face]
        assert row["expression"] == EXPRESSION_8_CONTEMPT.labels[int(probabilities.argmax())]
        assert [row[f"expression_{name}"] for name in EXPRESSION_8_CONTEMPT.labels] == probabilities.tolist()
        for task in (VALENCE_AROUSAL, ACTION_UNITS_12):
            assert [row[name] for name in task.labels] == one.predictions.values[task][face].tolist()


def test_a_frame_without_a_face_is_one_row_of_nulls_that_keeps_its_time(tmp_path: Path) -> None:
    rows = pq.read_table(written(tmp_path / "t.parquet", ALL, [result(0, 1), result(1, 0)])).to_pylist()
    assert len(rows) == 2
    kept = {name: value for name, value in rows[1].items() if value is not None}
    assert kept == {"video": "talk.mp4", "frame": 1, "time_s": 0.04}


def test_a_still_has_no_time(tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet", ALL, [result(0, 1, seconds=float("nan"))])
    assert pq.read_table(path).to_pylist()[0]["time_s"] is None


def test_a_task_that_was_not_learned_gives_no_columns(tmp_path: Path) -> None:
    tasks = (EXPRESSION_7,)
    found = pq.read_table(written(tmp_path / "t.parquet", tasks, [result(0, 1, tasks)])).column_names
    assert found[9:] == ["expression", *(f"expression_{name}" for name in EXPRESSION_7.labels)]
    assert columns(()).names == found[:9]


def test_of_two_expression_tasks_the_first_is_written(tmp_path: Path) -> None:
    tasks = (EXPRESSION_8_CONTEMPT, EXPRESSION_7)
    path = written(tmp_path / "t.parquet", tasks, [result(0, 1, tasks)])
    assert pq.read_table(path).column_names[-1] == "expression_contempt"


def test_each_column_says_what_it_means() -> None:
    schema = columns(ALL)
    descriptions = [field.metadata[b"description"].decode() for field in schema]
    assert all(descriptions)
    assert len(set(descriptions)) == len(descriptions)
    assert schema.field("AU12").metadata[b"description"].startswith(b"lip corner puller")


def test_rows_are_written_in_groups_while_they_come(tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet", ALL, [result(number, 64) for number in range(65)])
    with pq.ParquetFile(path) as file:
        groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert groups == [ROWS_PER_GROUP, 64]


def test_the_file_says_which_bundle_made_it(tmp_path: Path) -> None:
    metadata = pq.read_schema(written(tmp_path / "t.parquet", ALL, [])).metadata
    assert (metadata[b"bundle"], metadata[b"hash"]) == (b"small", b"abc")
    assert metadata[b"mien"]


def test_a_table_of_nothing_is_readable(tmp_path: Path) -> None:
    assert pq.read_table(written(tmp_path / "t.parquet", ALL, [])).num_rows == 0


def test_csv_holds_the_same_rows_with_empty_cells_for_null(tmp_path: Path) -> None:
    parquet = written(tmp_path / "t.parquet", ALL, [result(0, 2), result(1, 0)])
    write_csv(parquet, tmp_path / "t.csv")
    with open(tmp_path / "t.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    for text, row in zip(rows, pq.read_table(parquet).to_pylist(), strict=True):
        for name, value in row.items():
            if value is None:
                assert text[name] == ""
            elif isinstance(value, float):
                assert float(text[name]) == pytest.approx(value, rel=1e-6)
            else:
                assert text[name] == str(value)


def test_predictions_that_lack_a_task_are_refused_and_leave_no_file(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="valence_arousal"),
        TableWriter(tmp_path / "t.parquet", ALL) as table,
    ):
        table.write("talk.mp4", result(3, 1, (EXPRESSION_8_CONTEMPT,)))
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_earlier_table_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path / "t.parquet", ALL, [result(0, 1)])
    with pytest.raises(ValueError, match="no predictions"):
        written(path, ALL, [result(0, 3), result(1, 3, (EXPRESSION_7,))])
    assert pq.read_table(path).num_rows == 1
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    os.symlink("/dev/full", tmp_path / f".{path.name}.{os.getpid()}.part")
    with pytest.raises(OutputError, match="disk is full"):
        written(path, ALL, [result(number, 2) for number in range(5000)])
