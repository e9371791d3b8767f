"""OpenFace's table: written from predictions, read back, and whatever a file may hold."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.analysis import FrameResult
from mien.errors import InputError, OutputError, SettingsError
from mien.faces.detection import Faces
from mien.interchange import openface
from mien.media.frames import Frame
from mien.records import Predictions
from mien.reports.tables import TableWriter
from mien.tasks import ACTION_UNITS_12, EXPRESSION_7, VALENCE_AROUSAL

SAMPLE = """\
frame, face_id, timestamp, confidence, success, pose_Rx, pose_Ry, pose_Rz, AU01_r, AU12_r, AU01_c, AU12_c
1, 0, 0.000, 0.98, 1, 0.02, -0.11, 0.00, 0.12, 1.85, 0.0, 1.0
2, 0, 0.033, 0.98, 1, 0.02, -0.11, 0.00, 0.15, 1.90, 0.0, 1.0
3, 0, 0.067, 0.02, 0, 0, 0, 0, 0, 0, 0, 0
"""

FLOAT = pa.float32()
KINDS = {
    "video": pa.string(),
    "face": pa.int32(),
    "frame": pa.int32(),
    "time_s": pa.float64(),
    **{f"box_{side}": FLOAT for side in "xywh"},
    "detection": FLOAT,
}


def saved(path: Path, rows: list[dict], names: tuple[str, ...] = (), rows_per_group: int = 4096) -> Path:
    """Return a Parquet file of predictions with some columns of measurements."""
    schema = pa.schema({**KINDS, **dict.fromkeys(names, FLOAT)})
    pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=rows_per_group)
    return path


def row(frame: int, face: int | None = 0, video: str = "clip.mp4", **values: float) -> dict:
    """Return a row of predictions."""
    seen = {} if face is None else {"detection": 0.5, **values}
    return {"video": video, "face": face, "frame": frame, "time_s": frame / 25, **seen}


def text(path: Path, content: str) -> Path:
    """Return a file with some content."""
    path.write_text(content, encoding="utf-8")
    return path


def test_the_sample_is_read(tmp_path: Path) -> None:
    table = openface.read(text(tmp_path / "clip.csv", SAMPLE))
    assert table.column_names == [*KINDS, "AU01", "AU12", "AU01_intensity", "AU12_intensity"]
    assert table["video"].to_pylist() == ["clip"] * 3
    assert table["frame"].to_pylist() == [0, 1, 2]
    assert table["face"].to_pylist() == [0, 0, None]
    assert table["time_s"].to_pylist() == [0.0, 0.033, 0.067]
    assert table["detection"].to_pylist() == [np.float32(0.98), np.float32(0.98), None]
    assert table["AU12"].to_pylist() == [1, 1, None]
    assert table["AU01"].to_pylist() == [0, 0, None]
    assert table["AU12_intensity"].to_pylist() == [np.float32(1.85), np.float32(1.9), None]
    assert table["box_x"].null_count == 3
    assert openface.read(tmp_path / "clip.csv", "talk.mp4")["video"].to_pylist() == ["talk.mp4"] * 3


def test_the_sample_comes_back_from_writing(tmp_path: Path) -> None:
    table = openface.read(text(tmp_path / "clip.csv", SAMPLE))
    pq.write_table(table, tmp_path / "t.parquet")
    (path,) = openface.write(tmp_path / "t.parquet", tmp_path / "out")
    assert path == tmp_path / "out" / "clip.csv"
    assert path.read_text().splitlines() == [
        "frame,face_id,timestamp,confidence,success,AU01_r,AU12_r,AU01_c,AU12_c",
        "1,0,0,0.98,1,0.12,1.85,0,1",
        "2,0,0.033,0.98,1,0.15,1.9,0,1",
        "3,0,0.067,0,0,0,0,0,0",
    ]
    assert openface.read(path).equals(table)


@pytest.mark.parametrize(
    ("header", "line", "expected"),
    [
        ("frame,face_id,timestamp,confidence,success,AU04_c", "7,2,0.24,0.9,1,1", (2, 6, 0.24, 1)),
        ("frame, timestamp, confidence, success, AU04_c", "7, 0.24, 0.9, 1, 1", (0, 6, 0.24, 1)),
        ("frame, confidence, success, AU04_c", "7, 0.9, 1, 1.00", (0, 6, None, 1)),
        ("frame, timestamp, confidence, detection_success, AU04_c", "7,0.24,0.9,1,0", (0, 6, 0.24, 0)),
        ("face, confidence, AU04_c", "2, 0.912, 1.0", (2, 0, None, 1)),
        ('"frame","timestamp","confidence","success","AU04_c"', "7,0.24,0.9,1,-nan(ind)", (0, 6, 0.24, None)),
        ("\N{ZERO WIDTH NO-BREAK SPACE}frame,success,AU04_c\r", "7,1,\r", (0, 6, None, None)),
    ],
)
def test_every_age_of_openface_is_read(tmp_path: Path, header: str, line: str, expected: tuple) -> None:
    (found,) = openface.read(text(tmp_path / "a.csv", f"{header}\n{line}\n\n")).to_pylist()
    assert (found["face"], found["frame"], found["time_s"], found["AU04"]) == expected


def test_a_frame_is_lost_only_where_no_face_was_found(tmp_path: Path) -> None:
    lines = ["1,0,.9,1,1", "1,1,.1,0,0", "2,0,.1,0,0", "2,1,.2,0,0", "3,0,.1,0,0", "3,1,.8,1,0"]
    content = "\n".join(["frame,face_id,confidence,success,AU01_c", *lines])
    table = openface.read(text(tmp_path / "a.csv", content))
    found = list(zip(table["frame"].to_pylist(), table["face"].to_pylist(), strict=True))
    assert found == [(0, 0), (1, None), (2, 1)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2,0,0.1,0.9,1,0", "5 fields|6 fields, expected 7"),
        ("0,0,0.1,0.9,1,0,1", "frame is '0', expected a whole number from 1 to"),
        ("1.5,0,0.1,0.9,1,0,1", "frame is '1.5', expected a whole number"),
        ("nan,0,0.1,0.9,1,0,1", "frame is 'nan'"),
        ("99999999999,0,0.1,0.9,1,0,1", "frame is '99999999999'"),
        ("2,-1,0.1,0.9,1,0,1", "face_id is '-1'"),
        ("2,0,soon,0.9,1,0,1", "timestamp is 'soon', expected a number"),
        ("2,0,0.1,1.9,1,0,1", "confidence is '1.9', expected a number from 0 to 1"),
        ("2,0,0.1,0.9,2,0,1", "success is '2', expected a whole number from 0 to 1"),
        ("2,0,0.1,0.9,,0,1", "success is ''"),
        ("2,0,0.1,0.9,1,5.1,1", "AU12_r is '5.1', expected a number from 0 to 5"),
        ("2,0,0.1,0.9,1,inf,1", "AU12_r is 'inf'"),
        ("2,0,0.1,0.9,1,1_0,1", "AU12_r is '1_0'"),
        ("2,0,0.1,0.9,1,0,0.5", "AU12_c is '0.5', expected a whole number from 0 to 1"),
        ("2,0,0.1,0.9,1,0,\u0661", "not plain text"),
        ("1,0,0.1,0.9,1,0,1", "face 0 of frame 1 comes again"),
    ],
)
def test_a_malformed_row_is_named_by_its_line(tmp_path: Path, line: str, message: str) -> None:
    header = "frame,face_id,timestamp,confidence,success,AU12_r,AU12_c"
    path = text(tmp_path / "a.csv", f"{header}\n1,0,0.04,0.9,1,0,1\n{line}\n")
    with pytest.raises(InputError, match=rf"a\.csv, line 3: .*({message})"):
        openface.read(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no OpenFace table"),
        ("time,AU01\n1,2\n", "no column frame, success; the header is 'time,AU01'"),
        ("frame,success,AU01_c,AU01_c\n", "column AU01_c comes twice"),
        ("frame,success," + ",".join(f"expression_{n}" for n in range(128)), "more than 127 expressions"),
    ],
)
def test_what_is_no_openface_table_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"a\.csv: .*{message}"):
        openface.read(text(tmp_path / "a.csv", content))
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        openface.read(tmp_path / "none.csv")


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    table = openface.read(text(tmp_path / "a.csv", SAMPLE.splitlines()[0]))
    assert len(table) == 0
    assert "AU12_intensity" in table.column_names


def test_predictions_of_an_analysis_are_written(tmp_path: Path) -> None:
    tasks = (EXPRESSION_7, VALENCE_AROUSAL, ACTION_UNITS_12)
    chance = np.random.default_rng(1)
    with TableWriter(tmp_path / "t.parquet", tasks) as writer:
        for number in range(5):
            faces = number % 3
            values = {task: chance.random((faces, len(task)), np.float32) for task in tasks}
            found = Faces(np.ones((faces, 4)), np.zeros((faces, 5, 2)), np.full(faces, 0.75, np.float32))
            frame = Frame(number, number / 25, np.zeros((8, 8, 3), np.uint8))
            writer.write("gänse.mp4", FrameResult(frame, np.arange(faces), found, Predictions(values)))
    (path,) = openface.write(tmp_path / "t.parquet", tmp_path)
    rows = [line.split(",") for line in path.read_text().splitlines()]
    assert path.name == "gänse.csv"
    assert rows[0] == [
        *("frame", "face_id", "timestamp", "confidence", "success"),
        *(f"{unit}_c" for unit in ACTION_UNITS_12.labels),
        *("valence", "arousal"),
        *(f"expression_{label}" for label in EXPRESSION_7.labels),
    ]
    assert [(cells[0], cells[1], cells[4]) for cells in rows[1:]] == [
        *(("1", "0", "0"), ("2", "0", "1"), ("3", "0", "1"), ("3", "1", "1")),
        *(("4", "0", "0"), ("5", "0", "1")),
    ]
    assert rows[1] == ["1", "0", "0", "0", "0", *["0"] * 12, *[""] * 9]
    assert rows[2][3] == "0.75"


def test_nothing_is_written_that_the_table_does_not_say(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.parquet", [row(0, AU12=0.7), row(1)], ("AU12",))
    (written,) = openface.write(path, tmp_path)
    header, first, second = written.read_text().splitlines()
    assert header == "frame,face_id,timestamp,confidence,success,AU12_c"
    assert first == "1,0,0,0.5,1,1"
    assert second == "2,0,0.04,0.5,1,", "a face whose action units are not known"


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.5, "0,1"), (0.3, "1,1"), ({"AU04": 0.9}, "0,0"), ({"AU01": 0.4}, "1,1")]
)
def test_an_action_unit_is_present_from_its_threshold_on(
    tmp_path: Path, threshold: openface.Threshold, expected: str
) -> None:
    path = saved(tmp_path / "t.parquet", [row(0, AU01=0.4, AU04=0.8)], ("AU01", "AU04"))
    (written,) = openface.write(path, tmp_path, threshold)
    assert written.read_text().splitlines()[1] == f"1,0,0,0.5,1,{expected}"


def test_thresholds_that_make_no_sense_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.parquet", [row(0, AU01=0.4)], ("AU01",))
    with pytest.raises(SettingsError, match=r"AU01 is 50, expected 0 to 1"):
        openface.write(path, tmp_path, 50)
    with pytest.raises(SettingsError, match="thresholds for AU99, of which the table has no probability"):
        openface.write(path, tmp_path, {"AU99": 0.5})


def test_every_video_has_a_file_of_its_own(tmp_path: Path) -> None:
    names = ["a.mp4", "a.avi", "b.mp4", "P01.session2", "more/c.mov", ".mp4"]
    rows = [row(frame, video=name) for name in names for frame in range(3)]
    paths = openface.write(saved(tmp_path / "t.parquet", rows, rows_per_group=4), tmp_path / "out")
    assert [str(path.relative_to(tmp_path / "out")) for path in paths] == [
        *("a.mp4.csv", "a.avi.csv", "b.csv", "P01.session2.csv", "more/c.csv", ".mp4.csv")
    ]
    for path in paths:
        assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["frame", "1", "2", "3"]


@pytest.mark.parametrize("name", ["../a.mp4", "/a.mp4", "", "."])
def test_a_video_cannot_be_written_elsewhere(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / "t.parquet", [row(0, video=name)])
    with pytest.raises(InputError, match="is no name of a video"):
        openface.write(path, tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.parquet"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row(0, AU01=3.2)], "AU01, a probability, is 3.2 in one row, expected 0 to 1"),
        ([row(0, AU12_intensity=7.0)], "AU12_intensity is 7 in one row, expected 0 to 5"),
        ([row(-1)], "frame is -1 in one row"),
        ([row(0), {**row(1), "frame": None}], "a row without a frame"),
        ([{**row(1), "video": None}], "a row without a video"),
        ([row(0, video="a"), row(0, video="b"), row(1, video="a")], "the rows of a do not lie together"),
        ([row(0, video="a.mp4"), row(0, video="a.avi"), row(0, video="a.mp4.csv")], "so alike"),
    ],
)
def test_predictions_that_cannot_be_are_refused_and_leave_nothing_half(
    tmp_path: Path, rows: list[dict], message: str
) -> None:
    path = saved(tmp_path / "t.parquet", rows, ("AU01", "AU12_intensity"))
    with pytest.raises(InputError, match=rf"t\.parquet: .*{message}"):
        openface.write(path, tmp_path)
    assert not list(tmp_path.glob(".*"))
    assert not (tmp_path / "clip.csv").exists()


def test_what_is_no_table_of_predictions_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"video": ["a"], "frame": [1]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="it has no column face, time_s, detection"):
        openface.write(tmp_path / "other.parquet", tmp_path)
    for path in (text(tmp_path / "no.parquet", "no"), tmp_path / "none.parquet"):
        with pytest.raises(InputError, match=r"no(ne)?\.parquet: cannot be read"):
            openface.write(path, tmp_path)
    with pytest.raises(OutputError, match="a part of this path is a file"):
        openface.write(saved(tmp_path / "t.parquet", [row(0)]), tmp_path / "no.parquet" / "out")


UNIT = st.floats(0, 1, width=32)
PART = st.none() | UNIT
FACE = st.fixed_dictionaries(
    {
        "detection": UNIT,
        "AU01": PART,
        "AU12": PART,
        "AU12_intensity": st.none() | st.floats(0, 5, width=32),
        "valence": st.none() | st.floats(-1, 1, width=32),
        "arousal": st.none() | st.floats(-1, 1, width=32),
        "expression_happiness": UNIT,
        "expression_fear": UNIT,
    }
)
FRAMES = st.lists(st.tuples(st.integers(1, 3), st.none() | st.floats(0, 1e5), st.lists(FACE, max_size=3)))
PLAIN = ("detection", "AU12_intensity", "valence", "arousal", "expression_happiness", "expression_fear")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=FRAMES.filter(bool), threshold=UNIT)
def test_predictions_come_back_as_they_were(tmp_path: Path, frames: list, threshold: float) -> None:
    rows, number = [], -1
    for step, time, faces in frames:
        number += step
        key = {"video": "clip", "frame": number, "time_s": time}
        rows += [{**key, "face": face, **values} for face, values in enumerate(faces)] or [{**key}]
    names = ("AU01", "AU12", *PLAIN[1:])
    path = saved(tmp_path / "t.parquet", rows, names, rows_per_group=3)
    (written,) = openface.write(path, tmp_path, threshold)
    before, after = pq.read_table(path), openface.read(written)
    for name in ("video", "face", "frame", "time_s", *PLAIN):
        assert after[name].to_pylist() == before[name].to_pylist(), name
    for name in ("AU01", "AU12"):
        expected = [
            None if one is None else float(one >= np.float32(threshold)) for one in before[name].to_pylist()
        ]
        assert after[name].to_pylist() == expected
    winners = [
        None
        if one["expression_happiness"] is None
        else "fear"
        if one["expression_fear"] > one["expression_happiness"]
        else "happiness"
        for one in before.to_pylist()
    ]
    same = [one["expression_happiness"] == one["expression_fear"] for one in before.to_pylist()]
    for found, expected, tie in zip(after["expression"].to_pylist(), winners, same, strict=True):
        assert found == expected or (tie and expected is not None)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_content_gives_a_table_or_an_input_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(SAMPLE.encode())
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(0, len(content)))
        new = data.draw(
            st.binary(max_size=4) | st.sampled_from([b",", b"\n", b"nan", b"1e400", b"-", b"\x00"])
        )
        content[place : place + data.draw(st.integers(0, 8))] = new
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    try:
        table = openface.read(path)
    except InputError as error:
        message = str(error)
    else:
        message = f"{path}: {len(table)} rows"
        assert len(table) <= content.count(b"\n") + 1
    assert message.startswith(str(path))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
def test_any_bytes_give_a_table_or_an_input_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.csv"):
        openface.read(path)
