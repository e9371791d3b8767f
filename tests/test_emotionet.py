"""EmotioNet: what the trial of all databases does not hold it to."""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mien.databases import emotionet
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.errors import DatabaseError
from mien.tasks import ACTION_UNITS_EMOTIONET
from mien.testing.databases.emotionet import make_emotionet_automatic, make_emotionet_csv, make_emotionet_xlsx
from mien.testing.databases.made import write_face, write_lines

workbooks = pytest.mark.skipif("not __import__('importlib').util.find_spec('openpyxl')", reason="no openpyxl")


def sheet(rows: str) -> bytes:
    """Return the XML of a sheet."""
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f"<worksheet xmlns='{space}'><sheetData>{rows}</sheetData></worksheet>".encode()


def write_sheet(folder: Path, texts: list[str]) -> Path:
    """Write a sheet as .csv."""
    return write_lines(folder / "EmotioNet.csv", texts)


def told(index: Index, row: int = 0) -> dict[str, float]:
    """Return what is known of one picture."""
    values, known = index.labels.values[ACTION_UNITS_EMOTIONET], index.labels.known[ACTION_UNITS_EMOTIONET]
    return {
        label: float(values[row, place])
        for place, label in enumerate(ACTION_UNITS_EMOTIONET.labels)
        if known[row, place]
    }


@pytest.mark.parametrize(
    "texts",
    [
        ["'URL','URL orig','AU 1','AU 2','AU 43'", "'http://e.org/a.jpg','http://e.org/x.jpg',0,999,1"],
        ["'URL','URL orig','AU 1','AU 2','AU 43'", "'http://e.org/a.jpg','http://e.org/x,y.jpg',0,999,1"],
        ["\"'URL'\",\"'URL orig'\",'AU 1','AU 2','AU 43'", "\"'http://e.org/a.jpg'\",\"'x,y'\",0,,1"],
        ["URL;URL orig;AU 1;AU 2;AU 43", "http://e.org/a.jpg;http://e.org/x,y.jpg;0;999.0;1.0"],
        [" 'AU 43' , 'URL' , 'AU01' , 'au 2' ", "1, 'http://e.org/a.jpg' ,0, 999"],
    ],
)
def test_a_sheet_is_read_however_it_was_saved(tmp_path: Path, texts: list[str]) -> None:
    write_sheet(tmp_path, texts)
    index = emotionet.read(tmp_path, Findings())
    assert index.video.text() == ["a.jpg"]
    assert told(index) == {"AU01": 0, "AU43": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("'http://e.org/a.jpg',2", "'2', expected 0, 1 or 999"),
        ("'http://e.org/a.jpg',-1", "expected a whole number"),
        ("'http://e.org/a.jpg'", "1 fields, expected 2"),
        ("'http://e.org/',0", "ends in a picture's name"),
        ('"http://e.org/a.jpg,0', "CSV"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, row: str, message: str) -> None:
    write_sheet(tmp_path, ["'URL','AU 1'", "'http://e.org/b.jpg',1", row])
    with pytest.raises(DatabaseError, match=rf"EmotioNet\.csv, line 3: .*{message}"):
        emotionet.read(tmp_path, Findings())
    assert emotionet.read(tmp_path, Findings(skip=True)).video.text() == ["b.jpg"]


def test_columns_that_are_missing_or_not_scored_are_noted(tmp_path: Path) -> None:
    write_sheet(tmp_path, ["'URL','AU 1','AU 7','AU 60'", "'http://e.org/b.jpg',1,1,1"])
    findings = Findings()
    assert told(emotionet.read(tmp_path, findings)) == {"AU01": 1}
    assert [note for note in findings.notes if "2 columns of action units are not among the 23" in note]
    assert [note for note in findings.notes if "no column of AU02" in note]


def test_dead_urls_are_one_note(tmp_path: Path) -> None:
    write_sheet(tmp_path, ["'URL','AU 1'", *(f"'http://e.org/{k}.jpg',1" for k in range(50))])
    write_face(tmp_path / "deep/er/7.JPG", np.random.default_rng(0), size=16)
    write_face(tmp_path / "other.png", np.random.default_rng(0), size=16)
    findings = Findings()
    index = emotionet.read(tmp_path, findings)
    assert index.media.at(7) == "deep/er/7.JPG"
    assert [note for note in findings.notes if note.startswith("49 of 50 pictures are not there")]
    assert findings.unmatched.keys() == {"picture without a label"}
    assert findings.unmatched["picture without a label"].examples == ["other.png"]


def test_people_go_before_the_program_and_are_what_is_tested(tmp_path: Path) -> None:
    write_sheet(tmp_path, ["'URL','AU 1'", "'http://e.org/a.jpg',1"])
    listed = ["\t".join([f"http://e.org/{name}.jpg", "http://x", *["0"] * 60]) for name in "ab"]
    write_lines(tmp_path / "list.txt", listed)
    write_lines(tmp_path / "readme.txt", ["Read me."])
    findings = Findings()
    index = emotionet.read(tmp_path, findings)
    assert (index.video.text(), index.split.text()) == (["a.jpg", "b.jpg"], ["", "train"])
    assert told(index) == {"AU01": 1}
    assert len(told(index, 1)) == 23
    assert [note for note in findings.notes if note.startswith("1 rows name a picture")]
    assert findings.release == "coded by people and coded by a program"
    for protocol in emotionet.DATABASE.protocols:
        (parts,) = protocol.parts(index)
        assert [rows.tolist() for rows in parts] == [[1], [], [0]]


def test_the_lists_columns_are_action_units_one_to_sixty(tmp_path: Path) -> None:
    cells = ["1" if unit in (4, 56) else "0" for unit in range(1, 61)]
    write_lines(tmp_path / "list.txt", ["\t".join(["http://e.org/a.jpg", "http://x", *cells])])
    index = emotionet.read(tmp_path, Findings())
    assert [label for label, value in told(index).items() if value] == ["AU04", "AU56"]


def test_challenges_score_their_action_units() -> None:
    first, second, third = (
        [int(label[2:]) for label in protocol.labels] for protocol in emotionet.DATABASE.protocols
    )
    assert first == [1, 2, 4, 5, 6, 9, 12, 17, 20, 25, 26]
    assert second == [*first, 43]
    assert third == [1, 2, 4, 5, 6, 9, 10, 12, 15, 17, 18, 20, 24, 25, 26, 28, 43, 51, 52, 53, 54, 55, 56]


@workbooks
def test_a_csv_goes_before_a_workbook(tmp_path: Path) -> None:
    make_emotionet_xlsx(tmp_path)
    made = make_emotionet_csv(tmp_path)
    findings = Findings()
    index = emotionet.read(made.folder, findings)
    assert len(index) == len(made.rows)
    assert [note for note in findings.notes if "not read, since there is a .csv" in note]


@workbooks
def test_a_malformed_row_of_a_workbook_is_named(tmp_path: Path) -> None:
    import openpyxl

    made = make_emotionet_xlsx(tmp_path)
    book = openpyxl.load_workbook(made.others[0])
    book.worksheets[0]["D4"] = 7
    book.worksheets[0]["C5"] = None
    book.worksheets[0]["C6"] = 1.0
    book.save(made.others[0])
    with pytest.raises(DatabaseError, match=r"\.xlsx, line 4: an action unit is '7'"):
        emotionet.read(made.folder, Findings())
    index = emotionet.read(made.folder, Findings(skip=True))
    assert len(index) == len(made.rows) - 1
    assert "AU01" not in told(index, 2)
    assert told(index, 3)["AU01"] == 1


def rewritten(path: Path, member: str, data: bytes | None) -> None:
    """Write a zip file again with one member changed or, for None, gone."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert member in members
    members = members | {member: data or b""}
    if data is None:
        del members[member]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@workbooks
@pytest.mark.parametrize(
    ("member", "data"),
    [
        ("xl/workbook.xml", None),
        ("xl/workbook.xml", b"<workbook"),
        ("xl/workbook.xml", b"<other/>"),
        ("[Content_Types].xml", None),
        ("[Content_Types].xml", b"\x00\xff"),
        ("xl/worksheets/sheet1.xml", None),
        ("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row r='1'><c r='A1' t='s'><v>x</v>"),
        ("xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row r='x'/></sheetData></worksheet>"),
        ("xl/styles.xml", b"not XML"),
        ("xl/worksheets/sheet1.xml", sheet("<row><c t='s'><v>9</v></c></row>")),
    ],
)
def test_a_damaged_workbook_is_refused_by_name(tmp_path: Path, member: str, data: bytes | None) -> None:
    made = make_emotionet_xlsx(tmp_path)
    rewritten(made.others[0], member, data)
    with pytest.raises(DatabaseError) as refusal:
        emotionet.read(made.folder, Findings())
    assert str(made.folder) in str(refusal.value)
    assert len(str(refusal.value)) < 1000


@workbooks
def test_a_row_number_without_end_is_refused(tmp_path: Path) -> None:
    made = make_emotionet_xlsx(tmp_path)
    rewritten(made.others[0], "xl/worksheets/sheet1.xml", sheet(f"<row r='{'9' * 30}'/>"))
    with pytest.raises(DatabaseError, match="not a workbook that can be read"):
        emotionet.read(made.folder, Findings())


@workbooks
@pytest.mark.parametrize("data", [b"", b"PK", b"\xd0\xcf\x11\xe0 a workbook with a password", b"URL,AU 1\n"])
def test_what_is_no_workbook_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "sheet.xlsx").write_bytes(data)
    with pytest.raises(DatabaseError, match=r"sheet\.xlsx: not a workbook that can be read"):
        emotionet.read(tmp_path, Findings())


def test_without_openpyxl_a_workbook_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "sheet.xlsx").write_bytes(b"")
    code = (
        "import pathlib, sys; sys.modules['openpyxl'] = None\n"
        "from mien.databases import emotionet, findings\n"
        "emotionet.read(pathlib.Path(sys.argv[1]), findings.Findings())"
    )
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "save the sheet as .csv" in run.stderr
    assert "pip install openpyxl" in run.stderr


def test_the_lists_are_read_without_openpyxl(tmp_path: Path) -> None:
    made = make_emotionet_automatic(tmp_path)
    code = (
        "import pathlib, sys; sys.modules['openpyxl'] = None\n"
        "from mien.databases import emotionet, findings\n"
        "print(len(emotionet.read(pathlib.Path(sys.argv[1]), findings.Findings())))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, made.folder], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str(len(made.rows))
