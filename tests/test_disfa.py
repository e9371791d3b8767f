"""DISFA and DISFA+: what the trial of all databases does not hold them to."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mien.databases import disfa, disfa_plus
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import numbered
from mien.errors import DatabaseError
from mien.tasks import ACTION_UNITS_DISFA, INTENSITIES_DISFA
from mien.testing.databases.disfa import make_disfa, make_disfa_images
from mien.testing.databases.disfa_plus import make_disfa_plus
from mien.testing.databases.made import write_face, write_lines

UNITS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)


def write_labels(folder: Path, subject: str = "SN001", frames: int = 4) -> Path:
    """Write labels in which the grade of frame k of the action unit at place p is (p + k) mod 6."""
    for place, unit in enumerate(UNITS):
        texts = [f"{k},{(place + k) % 6}" for k in range(1, frames + 1)]
        write_lines(folder / "ActionUnit_Labels" / subject / f"{subject}_au{unit}.txt", texts)
    return folder / "ActionUnit_Labels" / subject


def grade(index: Index, unit: str, row: int) -> float:
    """Return an intensity, NaN for unknown."""
    column = INTENSITIES_DISFA.index(unit)
    known = index.labels.known[INTENSITIES_DISFA][row, column]
    return float(index.labels.values[INTENSITIES_DISFA][row, column]) if known else np.nan


def picture(folder: Path, index: Index, row: int) -> str:
    """Return the name of the picture that a row means."""
    place = folder / index.media.at(row)
    return numbered(place, Findings())[int(index.frame[row]) + index.numbering].name


def write_pictures(folder: Path, names: list[str]) -> None:
    """Write small pictures."""
    for name in names:
        write_face(folder / name, np.random.default_rng(0), size=16)


def test_a_file_is_of_the_action_unit_in_its_name(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    (labels / "SN001_au4.txt").rename(labels / "sn001_AU04.TXT")
    index = disfa.read(tmp_path, Findings())
    for place, unit in enumerate(UNITS):
        assert [grade(index, f"AU{unit:02d}", row) for row in range(4)] == [
            (place + k) % 6 for k in range(1, 5)
        ]


def test_label_one_is_frame_zero(tmp_path: Path) -> None:
    write_labels(tmp_path)
    assert disfa.read(tmp_path, Findings()).frame.tolist() == [0, 1, 2, 3]


def test_an_action_unit_is_present_from_two_on(tmp_path: Path) -> None:
    write_labels(tmp_path, frames=6)
    index = disfa.read(tmp_path, Findings())
    present = index.labels.values[ACTION_UNITS_DISFA][:, ACTION_UNITS_DISFA.index("AU01")]
    assert dict(zip([1, 2, 3, 4, 5, 0], present.tolist(), strict=True)) == {
        0: 0,
        1: 0,
        2: 1,
        3: 1,
        4: 1,
        5: 1,
    }


@pytest.mark.parametrize(
    ("names", "base", "first"),
    [
        (["img/SN001/0.png", "img/SN001/1.png", "img/SN001/2.png", "img/SN001/3.png"], 0, "0.png"),
        (["faces/SN001/00001.jpg", "faces/SN001/00002.jpg", "faces/SN001/00004.jpg"], 1, "00001.jpg"),
        (["Images/Left/LeftVideoSN001_comp.avi/frame-1.jpg"], 1, "frame-1.jpg"),
        (["Images/RightVideoSN001_Comp/7.jpg", "Images/LeftVideoSN001_comp/1.jpg"], 1, "1.jpg"),
    ],
)
def test_pictures_are_counted_from_where_they_begin(
    tmp_path: Path, names: list[str], base: int, first: str
) -> None:
    write_labels(tmp_path)
    write_pictures(tmp_path, names)
    index = disfa.read(tmp_path, Findings())
    assert index.numbering == base
    assert picture(tmp_path, index, 0) == first


def test_one_picture_zero_tells_the_base_of_all_subjects(tmp_path: Path) -> None:
    made = make_disfa_images(tmp_path)
    index = disfa.read(made.folder, Findings())
    assert index.numbering == 0
    row = index.subject.text().index("SN003")
    assert index.media.at(row) == ""
    assert picture(made.folder, index, row + 1) == "1.png"


def test_pictures_that_fit_neither_base_are_refused(tmp_path: Path) -> None:
    write_labels(tmp_path)
    write_pictures(tmp_path, ["img/SN001/1.png", "img/SN001/6.png"])
    with pytest.raises(DatabaseError, match=r"SN001: the last picture has number 6 .* frame 4"):
        disfa.read(tmp_path, Findings())
    index = disfa.read(tmp_path, Findings(skip=True))
    assert index.media.counts() == {"": 4}


def test_one_picture_more_than_labels_is_told_and_no_fault(tmp_path: Path) -> None:
    write_labels(tmp_path)
    write_pictures(tmp_path, [f"img/SN001/{number}.png" for number in range(1, 6)])
    findings = Findings()
    assert len(disfa.read(tmp_path, findings)) == 4
    assert findings.unmatched["picture without a label"].examples == ["img/SN001/5.png"]


def test_files_of_unequal_length_are_named_and_masked(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    write_lines(labels / "SN001_au9.txt", ["1,1", "2,2"])
    with pytest.raises(DatabaseError, match=r"unequal length: SN001_au9.txt 2 lines, the others 4"):
        disfa.read(tmp_path, Findings())
    findings = Findings(skip=True)
    index = disfa.read(tmp_path, findings)
    assert findings.malformed.count == 1
    np.testing.assert_equal([grade(index, "AU09", row) for row in range(4)], [1, 2, np.nan, np.nan])
    assert not index.labels.known[ACTION_UNITS_DISFA][2:, ACTION_UNITS_DISFA.index("AU09")].any()
    assert grade(index, "AU12", 3) == (6 + 4) % 6


def test_a_missing_file_is_told_and_its_action_unit_masked(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    (labels / "SN001_au17.txt").unlink()
    write_lines(labels / "SN001_au7.txt", ["1,5"])
    findings = Findings()
    index = disfa.read(tmp_path, findings)
    assert not index.labels.known[INTENSITIES_DISFA][:, INTENSITIES_DISFA.index("AU17")].any()
    assert findings.unmatched["action unit without a file"].examples == ["SN001, AU17"]
    assert findings.unmatched["file that is not of one of the twelve action units"].count == 1


def test_two_files_of_one_action_unit_are_refused(tmp_path: Path) -> None:
    labels = write_labels(tmp_path)
    shutil.copy(labels / "SN001_au4.txt", labels / "SN001_au04.txt")
    with pytest.raises(DatabaseError, match="AU04 is also in"):
        disfa.read(tmp_path, Findings())


def test_labels_may_lie_one_folder_deeper(tmp_path: Path) -> None:
    write_labels(tmp_path / "ActionUnit_Labels")
    assert len(disfa.read(tmp_path, Findings())) == 4


def test_videos_may_lie_one_folder_deeper(tmp_path: Path) -> None:
    write_labels(tmp_path)
    place = tmp_path / "Video_LeftCamera" / "Video_LeftCamera"
    place.mkdir(parents=True)
    (place / "LeftVideoSN001_comp.avi").write_bytes(b"")
    index = disfa.read(tmp_path, Findings())
    assert set(index.media.text()) == {"Video_LeftCamera/Video_LeftCamera/LeftVideoSN001_comp.avi"}


def test_left_camera_goes_before_right(tmp_path: Path) -> None:
    made = make_disfa(tmp_path)
    findings = Findings()
    index = disfa.read(made.folder, findings)
    media = dict(zip(index.subject.text(), index.media.text(), strict=True))
    assert media == {
        "SN001": "Videos_LeftCamera/LeftVideoSN001_comp.avi",
        "SN003": "Videos_LeftCamera/LeftVideoSN003_comp.avi",
        "SN013": "Video_RightCamera/RightVideoSN013_Comp.avi",
    }
    assert any("1 videos of the right camera" in note for note in findings.notes)
    assert any("SN013" in note for note in findings.notes)


def test_folds_are_three_disjoint_parts_of_all_subjects() -> None:
    for protocol in disfa.DATABASE.protocols:
        tests = [fold.test for fold in protocol.folds]
        assert [len(test) for test in tests] == [9, 9, 9]
        assert len(set().union(*tests)) == len(disfa.SUBJECTS) == 27
        assert tests[0][0] == "SN003", "fold 1 tests part 3"
        for fold in protocol.folds:
            assert set(fold.train) | set(fold.test) == set(disfa.SUBJECTS)
            assert not set(fold.train) & set(fold.test)


def test_protocols_score_eight_and_twelve() -> None:
    detection, intensity = disfa.DATABASE.protocols
    assert [int(label[2:]) for label in detection.labels] == [1, 2, 4, 6, 9, 12, 25, 26]
    assert detection.threshold == 2
    assert len(intensity.labels) == 12


def test_subjects_of_disfa_plus_are_subjects_of_disfa() -> None:
    shared = disfa_plus.DATABASE.related["disfa"]
    assert len(shared) == 9
    assert shared <= set(disfa.SUBJECTS)
    assert disfa.DATABASE.related["disfa_plus"] == shared


def test_disfa_plus_counts_pictures_from_zero(tmp_path: Path) -> None:
    made = make_disfa_plus(tmp_path)
    index = disfa_plus.read(made.folder, Findings())
    assert picture(made.folder, index, 0) == "000.jpg"
    assert index.frame[:5].tolist() == [0, 1, 2, 3, 4]


def test_a_row_in_the_place_of_a_comment_is_refused(tmp_path: Path) -> None:
    made = make_disfa_plus(tmp_path)
    path = made.texts[0]
    texts = path.read_text(encoding="utf-8").splitlines()
    write_lines(path, texts[1:])
    with pytest.raises(DatabaseError, match=r"AU1\.txt, line 2: .* is a row"):
        disfa_plus.read(made.folder, Findings())


def test_trials_without_counterpart_are_told(tmp_path: Path) -> None:
    made = make_disfa_plus(tmp_path)
    shutil.rmtree(made.folder / "Images/SN003/Y_HappyDescribed_TrailNo_2")
    shutil.rmtree(made.folder / "Labels/SN004/Y_HappyDescribed_TrailNo_2")
    findings = Findings()
    index = disfa_plus.read(made.folder, findings)
    assert len(index) == 25
    assert findings.unmatched["trial without pictures"].examples == ["SN003/Y_HappyDescribed_TrailNo_2"]
    assert findings.unmatched["trial without labels"].count == 1
