"""AffectNet beyond the shared trial: boxes, unknown codes, headers, arrays of any kind, what is left out."""

from collections import Counter
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest

from mien.databases import affectnet
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.errors import DatabaseError
from mien.tasks import EXPRESSION_7, EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL
from mien.testing.databases.affectnet import make_affectnet_2017, make_affectnet_2021
from mien.testing.databases.made import write_lines

HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)


def listed(folder: Path, *rows: str) -> Index:
    write_lines(folder / "Manually_Annotated_file_lists" / "training.csv", [HEADER, *rows])
    return affectnet.read(folder, Findings())


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ("11,14,205,206", [11, 14, 205, 206]),
        ("-4,-1,205,206", [-4, -1, 205, 206]),
        ("11.0,14.5,205,206", [11, 14.5, 205, 206]),
        ("NULL,NULL,NULL,NULL", [np.nan] * 4),
        (",,,", [np.nan] * 4),
        ("11,14,NULL,206", [np.nan] * 4),
        ("0,0,0,0", [np.nan] * 4),
        ("11,14,-1,206", [np.nan] * 4),
        ("-1,-1,-1,-1", [np.nan] * 4),
    ],
)
def test_boxes(tmp_path: Path, box: str, expected: list[float]) -> None:
    index = listed(tmp_path, f"1/a.jpg,{box},,1,0.5,0.5")
    told = [index.columns[name] for name in ("box_x", "box_y", "box_w", "box_h")]
    assert {column.dtype for column in told} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(np.concatenate(told), np.array(expected, np.float32))


@pytest.mark.parametrize(
    ("row", "known"),
    [
        ("7,-0.5,0.5", (True, True, True)),
        ("8,0.1,0.2", (False, True, True)),
        ("9,-2,-2", (False, False, False)),
        ("10,-2.0,-2.0", (False, False, False)),
        ("0,-2,0.3", (True, False, True)),
        ("0,-1,1", (True, True, True)),
    ],
)
def test_what_is_known(tmp_path: Path, row: str, known: tuple[bool, bool, bool]) -> None:
    index = listed(tmp_path, f"1/a.jpg,1,1,9,9,,{row}")
    told = index.labels.known
    assert (told[EXPRESSION_8_CONTEMPT][0].all(), *told[VALENCE_AROUSAL][0]) == known


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1/a.jpg,1,1,9,9,,11,0,0", "expression is '11', expected a whole number from 0 to 10"),
        ("1/a.jpg,1,1,9,9,,1.5,0,0", "expression is '1.5'"),
        ("1/a.jpg,1,1,9,9,,1,-1.5,0", "valence is '-1.5', expected a number from -1 to 1, or -2"),
        ("1/a.jpg,1,1,9,9,,1,0,nan", "arousal is 'nan'"),
        ("1/a.jpg,1,x,9,9,,1,0,0", "the face's box_y is 'x'"),
        ("1/a.jpg,1,1,9,9,,1,0", "8 fields, expected 9"),
        ("a.jpg,1,1,9,9,,1,0,0", "the picture is 'a.jpg'"),
        ("../a.jpg,1,1,9,9,,1,0,0", "the picture is '../a.jpg'"),
        ("1/\0.jpg,1,1,9,9,,1,0,0", "the picture is"),
        (",1,1,9,9,,1,0,0", "the picture is ''"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(DatabaseError, match="line 2: ") as refusal:
        listed(tmp_path, row)
    assert said in str(refusal.value)


def test_both_lists_may_have_a_header_or_none(tmp_path: Path) -> None:
    made = make_affectnet_2017(tmp_path / "an")
    training, validation = made.texts
    before = affectnet.read(made.folder, Findings())
    training.write_text(training.read_text().split("\n", 1)[1])
    validation.write_text(f"{HEADER}\n{validation.read_text()}")
    after = affectnet.read(made.folder, Findings())
    assert after.video.text() == before.video.text()
    np.testing.assert_array_equal(after.labels.values[VALENCE_AROUSAL], before.labels.values[VALENCE_AROUSAL])


def test_a_header_in_another_order_is_read_by_name_and_a_lacking_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "training.csv"
    names = HEADER.split(",")
    order = [6, 0, 8, 7, 4, 3, 2, 1, 5]
    row = ["1/a.jpg", "10", "20", "30", "40", "", "4", "0.25", "-0.5"]
    write_lines(path, [",".join(names[i] for i in order), ",".join(row[i] for i in order)])
    index = affectnet.read(tmp_path, Findings())
    assert index.columns["box_h"][0] == 40
    assert index.labels.values[VALENCE_AROUSAL][0].tolist() == [0.25, -0.5]
    write_lines(path, [HEADER.replace(",arousal", ""), "1/a.jpg,1,1,9,9,,1,0"])
    with pytest.raises(DatabaseError, match=r"training\.csv: no column arousal"):
        affectnet.read(tmp_path, Findings())


def test_the_automatic_list_is_never_mixed_in_and_read_alone(tmp_path: Path) -> None:
    folder = make_affectnet_2017(tmp_path / "an").folder
    findings = Findings()
    manual = affectnet.read(folder, findings)
    assert findings.release == "lists of 2017"
    assert "automatically_annotated.csv: labels by a network, left out" in findings.notes[0]
    assert "1/aa.jpg" not in manual.video.text()
    rmtree(folder / "Manually_Annotated_file_lists")
    findings = Findings()
    automatic = affectnet.read(folder, findings)
    assert "automatic labels only" in findings.release
    assert (automatic.video.text(), automatic.split.text()) == (["1/aa.jpg"], ["train"])
    assert automatic.media.text() == [""], "the manual pictures are not taken for it"


def test_what_has_no_counterpart_is_told(tmp_path: Path) -> None:
    made = make_affectnet_2017(tmp_path / "an")
    findings = Findings()
    affectnet.read(made.folder, findings)
    assert findings.unmatched["label without a picture"].examples == [made.rows[4].video]
    assert findings.unmatched["picture without a label"].examples == ["903/ffff.jpg"]


@pytest.mark.parametrize(
    "place",
    ["Manually_Annotated/Manually_Annotated_Images", "Manually_Annotated", "manually_annotated_images"],
)
def test_pictures_are_found_however_they_are_nested(tmp_path: Path, place: str) -> None:
    made = make_affectnet_2017(tmp_path / "an")
    images = made.folder / "Manually_Annotated_Images"
    images.rename(made.folder / "x")
    (made.folder / place).parent.mkdir(exist_ok=True)
    (made.folder / "x").rename(made.folder / place)
    index = affectnet.read(made.folder, Findings())
    assert index.media.at(0) == f"{place}/{made.rows[0].video}"


def test_a_picture_stored_with_another_ending_is_found(tmp_path: Path) -> None:
    made = make_affectnet_2017(tmp_path / "an")
    picture = made.folder / "Manually_Annotated_Images" / made.rows[3].video
    picture.rename(picture.with_suffix(".jpeg"))
    findings = Findings()
    index = affectnet.read(made.folder, findings)
    assert index.media.at(3).endswith(".jpeg")
    assert findings.unmatched["picture without a label"].count == 1


def test_a_picture_in_both_lists_is_told(tmp_path: Path) -> None:
    write_lines(tmp_path / "validation.csv", ["1/a.jpg,1,1,9,9,,1,0,0"])
    write_lines(tmp_path / "training.csv", ["1/a.jpg,1,1,9,9,,1,0,0", "1/b.jpg,1,1,9,9,,1,0,0"])
    findings = Findings()
    affectnet.read(tmp_path, findings)
    assert findings.notes == ["1 pictures are in both lists, such as 1/a.jpg"]


@pytest.mark.parametrize("array", ["3", b"3", 3, 3.0, np.float32(3), np.int8(3), ["3"], [3]])
def test_one_value_of_any_kind_is_read_from_an_array(tmp_path: Path, array: object) -> None:
    place = tmp_path / "train_set" / "annotations"
    place.mkdir(parents=True)
    np.save(place / "12_exp.npy", np.array(array))
    index = affectnet.read(tmp_path, Findings())
    assert index.labels.values[EXPRESSION_8_CONTEMPT][0, EXPRESSION_8_CONTEMPT.index("surprise")] == 1
    assert not index.labels.known[VALENCE_AROUSAL].any()


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.array([1, 2]), "expected a .npy file of one number or text"),
        (np.array(object()), "expected a .npy file of one number or text"),
        (np.array("joy"), "expression is 'joy'"),
        (np.array(11), "expression is '11'"),
        (np.array(1 + 0j), "expected a .npy file of one number or text"),
    ],
)
def test_a_damaged_array_is_named_and_its_picture_skipped(
    tmp_path: Path, array: np.ndarray, said: str
) -> None:
    made = make_affectnet_2021(tmp_path / "an")
    path = made.folder / "train_set" / "annotations" / "23_exp.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(DatabaseError) as refusal:
        affectnet.read(made.folder, Findings())
    assert str(path) in str(refusal.value)
    assert said in str(refusal.value)
    findings = Findings(skip=True)
    index = affectnet.read(made.folder, findings)
    assert findings.malformed.count == 1
    assert len(index) == len(made.rows) - 1
    assert "train_set/23" not in index.video.text()


def test_hidden_files_beside_the_arrays_are_left_out(tmp_path: Path) -> None:
    made = make_affectnet_2021(tmp_path / "an")
    (made.folder / "train_set" / "annotations" / "._23_exp.npy").write_bytes(b"Mac OS X")
    assert len(affectnet.read(made.folder, Findings())) == len(made.rows)


def test_arrays_may_lie_one_folder_deeper(tmp_path: Path) -> None:
    made = make_affectnet_2021(tmp_path / "an")
    (made.folder / "val_set").rename(made.folder / "x")
    (made.folder / "val_set").mkdir()
    (made.folder / "x").rename(made.folder / "val_set" / "val_set")
    index = affectnet.read(made.folder, Findings())
    assert index.split.counts() == Counter(row.split for row in made.rows)
    assert any(media.startswith("val_set/val_set/images/") for media in index.media.text())


def test_a_cut_array_is_named(tmp_path: Path) -> None:
    made = make_affectnet_2021(tmp_path / "an")
    path = made.folder / "val_set" / "annotations" / "12_val.npy"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DatabaseError, match=r"12_val\.npy: "):
        affectnet.read(made.folder, Findings())


def test_arrays_tell_what_has_no_counterpart(tmp_path: Path) -> None:
    findings = Findings()
    index = affectnet.read(make_affectnet_2021(tmp_path / "an").folder, findings)
    assert index.cropped
    assert findings.unmatched["label without a picture"].examples == ["train_set/11"]
    assert findings.unmatched["picture without a label"].examples == ["val_set/99"]
    assert findings.unmatched["picture without one of its arrays"].examples == ["train_set/15_val.npy"]


def test_seven_classes_leave_contempt_out() -> None:
    seven = next(p for p in affectnet.DATABASE.protocols if p.name == "7 classes")
    assert set(seven.labels) == set(EXPRESSION_7.labels)
    for protocol in affectnet.DATABASE.protocols:
        assert [fold.test for fold in protocol.folds] == [("validation",)]


def test_published_classes_sum_to_the_published_whole() -> None:
    classes = {c.label: c.number for c in affectnet.DATABASE.counts if c.split == "train"}
    assert classes.pop("") == 287_651 == sum(classes.values())
    assert sum(classes.values()) - classes["contempt"] == 283_901
