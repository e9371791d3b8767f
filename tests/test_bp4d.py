"""BP4D and BP4D+: what the trial of all databases does not hold them to."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mien.databases import bp4d, bp4d_plus
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import numbered
from mien.errors import DatabaseError
from mien.tasks import ACTION_UNITS_BP4D, INTENSITIES_BP4D
from mien.testing.databases.bp4d import make_bp4d
from mien.testing.databases.bp4d_plus import make_bp4d_plus
from mien.testing.databases.made import write_lines

SCORED = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
HEADER = ",".join(map(str, (0, *SCORED)))


def write_coding(folder: Path, texts: list[str], video: str = "F001_T1") -> Path:
    """Write a file of coding."""
    return write_lines(folder / f"AUCoding/AU_OCC/{video}.csv", texts)


def cell(index: Index, unit: str, row: int = 0) -> float | None:
    """Return what is known of one action unit; None for unknown."""
    column = ACTION_UNITS_BP4D.index(unit)
    if not index.labels.known[ACTION_UNITS_BP4D][row, column]:
        return None
    return float(index.labels.values[ACTION_UNITS_BP4D][row, column])


def picture(folder: Path, index: Index, row: int) -> str:
    """Return the name of the picture that a row means."""
    return numbered(folder / index.media.at(row), Findings())[int(index.frame[row]) + index.numbering].name


@pytest.mark.parametrize(
    ("read", "make", "video", "label", "name"),
    [
        (bp4d.read, make_bp4d, "F001_T1", 1500, "1500.jpg"),
        (bp4d.read, make_bp4d, "F004_T8", 97, "097.jpg"),
        (bp4d_plus.read, make_bp4d_plus, "F001_T1", 1, "000.jpg"),
    ],
)
def test_a_label_meets_its_picture(
    tmp_path: Path, read: Callable[..., Index], make: Callable[..., object], video: str, label: int, name: str
) -> None:
    make(tmp_path)
    index = read(tmp_path, Findings())
    row = index.video.text().index(video)
    assert index.frame[row] == label - 1
    assert picture(tmp_path, index, row) == name


def test_nine_is_unknown_cell_by_cell(tmp_path: Path) -> None:
    write_coding(tmp_path, [HEADER, "5,0,1,9,1,0,0,0,0,0,0,0,9"])
    index = bp4d.read(tmp_path, Findings())
    told = {unit: cell(index, f"AU{unit:02d}") for unit in SCORED}
    assert told == dict(zip(SCORED, [0, 1, None, 1, 0, 0, 0, 0, 0, 0, 0, None], strict=True))


def test_columns_are_found_by_their_number(tmp_path: Path) -> None:
    write_coding(tmp_path, ["0,24,5,23,17,15,14,12,10,7,6,4,2,1", "5,1,7,0,0,0,0,0,0,0,0,0,0,0"])
    index = bp4d.read(tmp_path, Findings())
    assert [unit for unit in SCORED if cell(index, f"AU{unit:02d}")] == [24]


def test_action_units_that_are_not_scored_are_one_note(tmp_path: Path) -> None:
    made = make_bp4d(tmp_path)
    findings = Findings()
    bp4d.read(made.folder, findings)
    assert [note for note in findings.notes if "AU05, AU09" in note]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("1500,0,1,2", "expected 0 and the numbers of action units"),
        ("0,1,1,2", "each once"),
        ("0,1,2,4,x", "expected 0"),
        ("0,1,2", "no column of AU04, AU06"),
        ('"0,1', "expected 0"),
    ],
)
def test_a_header_of_something_else_is_refused(tmp_path: Path, header: str, message: str) -> None:
    write_coding(tmp_path, [header, "5,0,0"])
    with pytest.raises(DatabaseError, match=rf"F001_T1\.csv, line 1: .*{message}"):
        bp4d.read(tmp_path, Findings())


def test_a_missing_column_is_masked_when_skipped(tmp_path: Path) -> None:
    write_coding(tmp_path, [HEADER.removesuffix(",24"), "5" + ",1" * 11])
    index = bp4d.read(tmp_path, Findings(skip=True))
    assert cell(index, "AU23") == 1
    assert cell(index, "AU24") is None


@pytest.mark.parametrize(
    "bad", ["5" + ",2" * 12, "0" + ",0" * 12, "5" + ",0" * 11, "x" + ",0" * 12, "5,nan" + ",0" * 11]
)
def test_a_malformed_row_is_named(tmp_path: Path, bad: str) -> None:
    write_coding(tmp_path, [HEADER, "4" + ",0" * 12, bad])
    with pytest.raises(DatabaseError, match=r"F001_T1\.csv, line 3: "):
        bp4d.read(tmp_path, Findings())
    assert bp4d.read(tmp_path, Findings(skip=True)).frame.tolist() == [3]


def test_a_frame_may_have_intensities_alone(tmp_path: Path) -> None:
    write_coding(tmp_path, [HEADER, "5" + ",1" * 12])
    write_lines(tmp_path / "AU Intensity Codes3.0/AU12/F001_T1_AU12.csv", ["5,9", "6,3"])
    index = bp4d.read(tmp_path, Findings())
    assert index.frame.tolist() == [4, 5]
    assert index.labels.known[ACTION_UNITS_BP4D].all(axis=1).tolist() == [True, False]
    place = INTENSITIES_BP4D.index("AU12")
    assert index.labels.known[INTENSITIES_BP4D][:, place].tolist() == [False, True]
    assert index.labels.values[INTENSITIES_BP4D][1, place] == 3
    assert index.labels.known[INTENSITIES_BP4D].sum() == 1


def test_without_intensities_there_are_occurrences_alone(tmp_path: Path) -> None:
    write_coding(tmp_path, [HEADER, "5" + ",1" * 12])
    assert set(bp4d.read(tmp_path, Findings()).labels.values) == {ACTION_UNITS_BP4D}


def test_coding_may_lie_in_aucoding_itself(tmp_path: Path) -> None:
    write_lines(tmp_path / "AUCoding/m018_t08.CSV", [HEADER, "5" + ",1" * 12])
    index = bp4d.read(tmp_path, Findings())
    assert (index.video.at(0), index.subject.at(0)) == ("M018_T8", "M018")


@pytest.mark.parametrize("place", ["AUCoding/AUCoding", "AUCoding/AU_OCC/AU_OCC"])
def test_coding_may_lie_in_a_folder_of_the_archive(tmp_path: Path, place: str) -> None:
    write_lines(tmp_path / place / "F001_T1.csv", [HEADER, "5" + ",1" * 12])
    assert bp4d.read(tmp_path, Findings()).video.text() == ["F001_T1"]


def test_gender_is_the_first_letter(tmp_path: Path) -> None:
    made = make_bp4d(tmp_path)
    index = bp4d.read(made.folder, Findings())
    assert dict(zip(index.subject.text(), index.groups["gender"].text(), strict=True)) == {
        "F001": "female",
        "F004": "female",
        "M011": "male",
    }


def test_the_released_pictures_go_before_a_users_own(tmp_path: Path) -> None:
    made = make_bp4d(tmp_path)
    shutil.copytree(made.folder / "Sequences(2D+3D)", made.folder / "Crops")
    media = bp4d.read(made.folder, Findings()).media.counts()
    assert all(name.startswith("Sequences(2D+3D)/") for name in media if name)


def test_a_sequence_without_pictures_is_told_once(tmp_path: Path) -> None:
    made = make_bp4d(tmp_path)
    shutil.rmtree(made.folder / "Sequences(2D+3D)/F001/T1")
    findings = Findings()
    bp4d.read(made.folder, findings)
    assert findings.unmatched["sequence without pictures"].examples == ["F001_T1"]


def test_the_ghost_is_a_note(tmp_path: Path) -> None:
    made = make_bp4d_plus(tmp_path)
    write_coding(made.folder, [HEADER, "5" + ",1" * 12], "F042_T11")
    write_lines(made.folder / "AUCoding/AU_INT/AU06/F042_T11_AU06.csv", ["5,1"])
    findings = Findings()
    index = bp4d_plus.read(made.folder, findings)
    assert "F042_T11" not in index.video.counts()
    assert [note for note in findings.notes if note.startswith("F042_T11.csv")]


def test_zip_files_are_a_note(tmp_path: Path) -> None:
    made = make_bp4d_plus(tmp_path)
    for subject in ("F001", "F082", "M001"):
        shutil.rmtree(made.folder / "2D+3D" / subject)
        shutil.copy(made.folder / "2D+3D/M058.zip", made.folder / f"2D+3D/{subject}.ZIP")
    findings = Findings()
    index = bp4d_plus.read(made.folder, findings)
    assert index.media.counts() == {"": len(index)}
    assert [note for note in findings.notes if "5 sequences are in zip files: unpack" in note]
    assert not findings.unmatched


def test_folds_are_three_disjoint_parts_of_all_subjects() -> None:
    folds = bp4d.DATABASE.protocols[0].folds
    assert sorted(name for fold in folds for name in fold.test) == sorted(bp4d.SUBJECTS)
    expected = [f"F{k:03d}" for k in range(1, 24)] + [f"M{k:03d}" for k in range(1, 19)]
    assert sorted(bp4d.SUBJECTS) == expected
    assert [fold.test[0] for fold in folds] == ["F007", "M011", "F001"]
    for fold in folds:
        assert not set(fold.train) & set(fold.test)
        assert len(fold.train) + len(fold.test) == 41


def test_fera_trains_on_odd_and_tests_on_even() -> None:
    for protocol in bp4d.DATABASE.protocols[1:]:
        (fold,) = protocol.folds
        assert len(fold.train) == 21
        assert len(fold.test) == 20
        assert {"F001", "M017"} <= set(fold.train)
        assert {"F002", "M018"} <= set(fold.test)
    assert [int(label[2:]) for label in bp4d.DATABASE.protocols[1].labels] == list(SCORED[:-1])


def test_made_folds_of_bp4d_plus_test_each_subject_once(tmp_path: Path) -> None:
    made = make_bp4d_plus(tmp_path)
    index = bp4d_plus.read(made.folder, Findings())
    tests = [rows[2] for rows in bp4d_plus.DATABASE.protocols[0].parts(index)]
    assert len(tests) == 4
    np.testing.assert_array_equal(np.sort(np.concatenate(tests)), np.arange(len(index)))
