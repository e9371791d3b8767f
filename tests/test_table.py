import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.table import read
from mien.errors import DatabaseError
from mien.tasks import (
    ACTION_UNITS_8,
    ACTION_UNITS_BP4D,
    ACTION_UNITS_DISFA,
    ACTION_UNITS_EMOTIONET,
    COMPOUND_7,
    EXPRESSION_7,
    EXPRESSION_7_PERCEIVED,
    EXPRESSION_8_CONTEMPT,
    EXPRESSION_8_OTHER,
    INTENSITIES_DISFA,
    VALENCE_AROUSAL,
    Task,
)
from mien.testing.databases.made import write_lines
from mien.testing.databases.table import make_table_csv, make_table_index, make_table_parquet

DOCS = Path(__file__).parents[1] / "docs" / "own_data.md"


def table(folder: Path, *lines: str) -> Path:
    """Write a manifest and the empty files it names as a.png, b.png, a.mp4, b.mp4."""
    for name in ("a.png", "b.png", "a.mp4", "b.mp4"):
        (folder / name).touch()
    return write_lines(folder / "manifest.csv", lines)


def labels(index: Index, task: Task, row: int = 0) -> dict[str, float]:
    known, values = index.labels.known[task][row], index.labels.values[task][row]
    return {
        name: float(value)
        for name, value, is_known in zip(task.labels, values, known, strict=True)
        if is_known
    }


def test_the_example_in_the_docs_is_read(tmp_path: Path) -> None:
    example = re.search(r"```csv\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    write_lines(tmp_path / "manifest.csv", example[1].splitlines())
    findings = Findings()
    index = read(tmp_path, findings)
    assert (len(index), index.unit) == (4, "frame")
    assert index.split.counts() == {"train": 2, "validation": 2}
    assert labels(index, EXPRESSION_7, 3)["neutral"] == 1
    assert labels(index, ACTION_UNITS_8, 2) == {}
    assert index.groups["lighting"].text() == ["day", "night", "day", "day"]
    assert findings.unmatched["label without a picture"].count == 4


@pytest.mark.parametrize(
    ("classes", "task"),
    [
        (("anger", "neutral"), EXPRESSION_7),
        (("Anger", "OTHER"), EXPRESSION_8_OTHER),
        (("contempt", "happiness"), EXPRESSION_8_CONTEMPT),
        (("sadly_angry", "happily_surprised"), COMPOUND_7),
    ],
)
def test_expression_is_of_the_first_task_that_has_all_classes(
    classes: tuple[str, ...], task: Task, tmp_path: Path
) -> None:
    table(tmp_path, "path,expression", *(f"{name}.png,{c}" for name, c in zip("ab", classes, strict=True)))
    index = read(tmp_path, Findings())
    assert set(index.labels.values) == {task}
    for row, name in enumerate(classes):
        assert labels(index, task, row) == {label: float(label == name.lower()) for label in task.labels}


def test_a_column_called_like_a_task_holds_its_classes(tmp_path: Path) -> None:
    table(tmp_path, "path,expression_8_contempt,expression_7_perceived", "a.png,anger,fear")
    index = read(tmp_path, Findings())
    assert labels(index, EXPRESSION_8_CONTEMPT)["anger"] == 1
    assert labels(index, EXPRESSION_7_PERCEIVED)["fear"] == 1


def test_classes_of_no_one_set_are_refused(tmp_path: Path) -> None:
    table(tmp_path, "path,expression", "a.png,contempt", "b.png,other")
    with pytest.raises(DatabaseError, match="no set of classes has all of contempt, other"):
        read(tmp_path, Findings())


def test_shares_are_kept_and_absent_classes_have_none(tmp_path: Path) -> None:
    table(tmp_path, "path,expression_anger,expression_other", "a.png,0.25,0.75", "b.png,,")
    index = read(tmp_path, Findings())
    assert labels(index, EXPRESSION_8_OTHER) == {
        name: {"anger": 0.25, "other": 0.75}.get(name, 0.0) for name in EXPRESSION_8_OTHER.labels
    }
    assert labels(index, EXPRESSION_8_OTHER, 1) == {}


@pytest.mark.parametrize(
    ("units", "task"),
    [
        (("AU01", "AU12"), ACTION_UNITS_8),
        (("AU1", "au05"), ACTION_UNITS_DISFA),
        (("AU14", "AU24"), ACTION_UNITS_BP4D),
        (("AU43", "AU56"), ACTION_UNITS_EMOTIONET),
    ],
)
def test_action_units_are_of_the_smallest_set_that_has_all(
    units: tuple[str, str], task: Task, tmp_path: Path
) -> None:
    table(tmp_path, f"path,{','.join(units)}", "a.png,1,0", "b.png,,1")
    index = read(tmp_path, Findings())
    names = [f"AU{int(unit[2:]):02d}" for unit in units]
    assert set(index.labels.values) == {task}
    assert labels(index, task) == {names[0]: 1, names[1]: 0}
    assert labels(index, task, 1) == {names[1]: 1}


def test_exact_names_reach_every_task(tmp_path: Path) -> None:
    columns = "intensities_disfa.AU12,expression_8_contempt.contempt,expression_8_contempt.fear"
    table(tmp_path, f"path,{columns},valence_arousal.arousal", "a.png,4.5,0.5,0.5,-1")
    index = read(tmp_path, Findings())
    assert labels(index, INTENSITIES_DISFA) == {"AU12": 4.5}
    assert labels(index, EXPRESSION_8_CONTEMPT)["contempt"] == 0.5
    assert labels(index, VALENCE_AROUSAL) == {"arousal": -1}


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("path,valence", "a.png,1.01", "valence is '1.01', expected a number from -1 to 1"),
        ("path,AU01", "a.png,0.5", "AU01 is '0.5', expected a whole number from 0 to 1"),
        ("path,expression", "a.png,joy", "expression is 'joy', expected one of"),
        ("path,compound_7", "a.png,anger", "compound_7 is 'anger', expected one of fearfully_surprised"),
        ("path,expression_anger,expression_fear", "a.png,0.5,0.4", "add up to 0.9"),
        ("path,expression_anger,expression_fear", "a.png,1,", "1 of them empty"),
        ("path,frame", "a.mp4,-1", "frame is '-1'"),
        ("path,frame", "a.mp4,1.5", "frame is '1.5'"),
        ("path,time_s", "a.mp4,soon", "time_s is 'soon'"),
        ("path,split", "a.png,val", "split is 'val', expected train, validation, test"),
        ("path,subject", "../a.png,x", "path is '../a.png'"),
        ("path,subject", "/etc/passwd,x", "path is '/etc/passwd'"),
        ("path,subject", "a.txt,x", "path is 'a.txt', expected a picture, a video or a folder"),
        ("path,subject", ",x", "neither path nor video"),
        ("path,frame,face", "b.mp4,0,", "a second row of b"),
    ],
)
def test_malformed_rows_are_named_with_their_line_and_left_out_when_asked(
    header: str, row: str, message: str, tmp_path: Path
) -> None:
    first = {"path,frame": "b.mp4,0", "path,time_s": "b.mp4,0", "path,frame,face": "b.mp4,0,"}
    empty = "b.png" + "," * header.count(",")
    path = table(tmp_path, header, first.get(header, empty), row)
    with pytest.raises(DatabaseError) as refusal:
        read(tmp_path, Findings())
    assert str(refusal.value).startswith(f"{path}, line 3: ")
    assert message in str(refusal.value)
    findings = Findings(skip=True)
    index = read(tmp_path, findings)
    assert (len(index), findings.malformed.count) == (1, 1)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("file,valence", "no column path"),
        ("path,valence,valence", "two columns are called valence"),
        ("path,AU01,AU1", "one action unit"),
        ("path,AU01,AU99", "lacks AU99"),
        ("path,expression_hapiness", "no set of classes has all of hapiness"),
        ("path,expression,expression_anger", "two kinds of columns say expression_7"),
        ("path,valence,valence_arousal.arousal", "two kinds of columns say valence_arousal"),
        ("path,valence_arousal.liking", "valence_arousal has valence, arousal"),
    ],
)
def test_columns_that_mean_nothing_or_the_same_are_refused(header: str, message: str, tmp_path: Path) -> None:
    path = table(tmp_path, header, "a.png" + "," * header.count(","))
    with pytest.raises(DatabaseError, match=re.escape(message)) as refusal:
        read(tmp_path, Findings())
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize(
    ("lines", "unit"),
    [
        (["path", "a.png"], "frame"),
        (["path,frame", "a.mp4,3"], "frame"),
        (["path,frame,time_s", "a.mp4,3,0.12"], "frame"),
        (["path,time_s", "a.mp4,0.12"], "time"),
        (["path", "a.mp4"], "clip"),
    ],
)
def test_rows_are_frames_times_or_clips(lines: list[str], unit: str, tmp_path: Path) -> None:
    table(tmp_path, *lines)
    index = read(tmp_path, Findings())
    assert index.unit == unit
    assert np.isfinite(index.seconds[0]) == ("time_s" in lines[0])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["path", "a.png", "a.mp4"], "line 3: no frame, where other rows have one"),
        (["path,frame", "a.mp4,0", "b.mp4,"], "line 3: no frame"),
        (["path,time_s", "a.mp4,0", "b.mp4,"], "line 3: no time_s"),
        (["path,time_s", "a.mp4,0", "pictures,0.1"], "line 3: no time_s in a video"),
    ],
)
def test_kinds_of_rows_are_not_mixed(lines: list[str], message: str, tmp_path: Path) -> None:
    table(tmp_path, *lines)
    (tmp_path / "pictures").mkdir()
    with pytest.raises(DatabaseError, match=message):
        read(tmp_path, Findings())


def test_rows_are_put_together_and_in_order(tmp_path: Path) -> None:
    rows = ["b.mp4,2,x", "a.mp4,1,x", "b.mp4,0,y", "b.mp4,0,x", "a.mp4,0,x", "b.mp4,2,y"]
    table(tmp_path, "path,frame,face", *rows)
    index = read(tmp_path, Findings())
    told = list(zip(index.video.text(), index.face.text(), index.frame.tolist(), strict=True))
    assert told == [("b", "x", 0), ("b", "x", 2), ("a", "x", 0), ("a", "x", 1), ("b", "y", 0), ("b", "y", 2)]


def test_times_are_counted_within_their_video(tmp_path: Path) -> None:
    table(tmp_path, "path,time_s", "b.mp4,0.2", "a.mp4,0.1", "b.mp4,0.1", "b.mp4,0.3")
    index = read(tmp_path, Findings())
    assert index.seconds.tolist() == [0.1, 0.2, 0.3, 0.1]
    assert index.frame.tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize(("first", "numbering"), [(0, 0), (1, 1)])
def test_folders_are_counted_from_their_first_number(first: int, numbering: int, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(first, first + 3):
        (tmp_path / "pictures" / f"{number:04d}.png").touch()
    table(tmp_path, "path,frame", "pictures,0", "pictures,2", "pictures,3")
    findings = Findings()
    index = read(tmp_path, findings)
    assert index.numbering == numbering
    assert index.media.text() == ["pictures", "pictures", ""]
    assert findings.unmatched["label without a picture"].examples == ["pictures, frame 3 (line 4)"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_fields_may_stand_between_commas_semicolons_or_tabs(delimiter: str, tmp_path: Path) -> None:
    table(tmp_path, delimiter.join(("path", "valence", "arousal")), delimiter.join(("a.png", "0.5", "-0.5")))
    assert labels(read(tmp_path, Findings()), VALENCE_AROUSAL) == {"valence": 0.5, "arousal": -0.5}


def test_other_columns_are_numbers_or_groups(tmp_path: Path) -> None:
    table(tmp_path, ",path,lux,light,empty", "0,a.png,300,day,", "1,b.png,,3,")
    index = read(tmp_path, Findings())
    np.testing.assert_array_equal(index.columns["lux"], [300, np.nan])
    assert index.groups["light"].text() == ["day", "3"]
    assert (set(index.columns), set(index.groups)) == ({"lux"}, {"light"})


def test_cropped_holds_for_all_rows_or_none(tmp_path: Path) -> None:
    table(tmp_path, "path,cropped", "a.png,1", "b.png,1")
    assert read(tmp_path, Findings()).cropped
    table(tmp_path, "path,cropped", "a.png,1", "b.png,0")
    with pytest.raises(DatabaseError, match="some rows are cropped"):
        read(tmp_path, Findings())


def test_sound_that_is_not_there_is_told(tmp_path: Path) -> None:
    table(tmp_path, "path,sound", "a.mp4,b.mp4", "b.mp4,../b.wav")
    findings = Findings()
    index = read(tmp_path, findings)
    assert index.sound.text() == ["b.mp4", ""]
    assert findings.unmatched["sound that is not there"].examples == ["../b.wav"]


def test_a_table_without_labels_knows_nothing(tmp_path: Path) -> None:
    table(tmp_path, "path", "a.png")
    findings = Findings()
    assert labels(read(tmp_path, findings), VALENCE_AROUSAL) == {}
    assert "no column of labels" in findings.notes[0]


def test_one_table_is_wanted(tmp_path: Path) -> None:
    write_lines(tmp_path / "x.csv", ["path", "a.png"])
    assert len(read(tmp_path, Findings())) == 1
    write_lines(tmp_path / "y.csv", ["path", "b.png"])
    with pytest.raises(DatabaseError, match=r"2 tables \(x.csv, y.csv\)"):
        read(tmp_path, Findings())
    write_lines(tmp_path / "manifest.csv", ["path", "c.png", "d.png"])
    assert len(read(tmp_path, Findings())) == 2


def test_columns_of_parquet_keep_their_kinds(tmp_path: Path) -> None:
    index = read(make_table_parquet(tmp_path).folder, Findings())
    assert index.subject.counts() == {"0": 5, "1": 5}
    assert index.columns["checked"].tolist() == [1, 1, 1, 1, 1, 1, 1, 0, 1, 1]
    assert index.sound.counts() == {"ton.wav": 10}


def test_columns_of_parquet_that_hold_lists_are_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["a.png"], "box": [[1, 2]]}), tmp_path / "manifest.parquet")
    with pytest.raises(DatabaseError, match="column box holds list"):
        read(tmp_path, Findings())


def test_what_an_index_saved_is_read_again(tmp_path: Path) -> None:
    index = read(make_table_csv(tmp_path / "own").folder, Findings())
    index.save(tmp_path / "own" / "labels.parquet")
    (tmp_path / "own" / "manifest.csv").unlink()
    again = read(tmp_path / "own", Findings())
    assert again.database == "table"
    assert again.media.text() == index.media.text()
    for task, values in index.labels.values.items():
        np.testing.assert_array_equal(again.labels.values[task], values)
        np.testing.assert_array_equal(again.labels.known[task], index.labels.known[task])


def test_a_saved_index_with_impossible_labels_is_refused(tmp_path: Path) -> None:
    path = make_table_index(tmp_path).folder / "labels.parquet"
    content = pq.read_table(path)
    place = content.column_names.index("valence_arousal.valence")
    spoiled = content.set_column(place, "valence_arousal.valence", pa.array([0, 2, 0, 0], pa.float32()))
    pq.write_table(spoiled.replace_schema_metadata(content.schema.metadata), path)
    with pytest.raises(DatabaseError, match="valence_arousal has values"):
        read(tmp_path, Findings())
