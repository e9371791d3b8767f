"""RAF-DB beyond the shared trial: which pictures are taken, attributes as words, what is refused."""

from pathlib import Path
from shutil import rmtree

import pytest

from mien.databases import raf_db
from mien.databases.findings import Findings
from mien.errors import DatabaseError
from mien.tasks import COMPOUND_11
from mien.testing.databases.made import write_lines
from mien.testing.databases.raf_db import make_raf_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_raf_db(tmp_path / "raf").folder


def test_aligned_pictures_are_preferred(folder: Path) -> None:
    findings = Findings()
    index = raf_db.read(folder, findings)
    assert index.cropped
    assert index.media.at(0) == "basic/Image/aligned/train_00001_aligned.jpg"
    assert "aligned" in findings.release
    assert findings.unmatched["label without a picture"].examples == ["train_00003"]
    (unlabelled,) = findings.unmatched["picture without a label"].examples
    assert unlabelled == "basic/Image/aligned/train_00099_aligned.jpg"
    assert findings.release == "basic and compound set, aligned pictures"


def test_original_pictures_are_read_where_no_aligned_ones_are(folder: Path) -> None:
    rmtree(folder / "basic" / "Image" / "aligned")
    findings = Findings()
    index = raf_db.read(folder, findings)
    assert not index.cropped
    assert index.media.at(2) == "basic/Image/original/train_00003.jpg"
    assert "original" in findings.release
    told = findings.unmatched["label without a picture"]
    assert told.count == 3, "one kind of picture for both sets"
    assert told.examples[0] == "compound/test_0001"


def test_pictures_in_a_folder_of_the_archive_are_found(folder: Path) -> None:
    aligned = folder / "basic" / "Image" / "aligned"
    aligned.rename(aligned.with_name("x"))
    aligned.mkdir()
    aligned.with_name("x").rename(aligned / "aligned")
    assert raf_db.read(folder, Findings()).media.at(0).endswith("aligned/aligned/train_00001_aligned.jpg")


@pytest.mark.parametrize("name", ["basic", "compound"])
def test_a_set_in_a_folder_of_the_archive_is_found(folder: Path, name: str) -> None:
    (folder / name).rename(folder / "x")
    (folder / name).mkdir()
    (folder / "x").rename(folder / name / name)
    findings = Findings()
    index = raf_db.read(folder, findings)
    assert findings.release == "basic and compound set, aligned pictures"
    assert sum(f"{name}/{name}/Image" in media for media in index.media.text()) > 0


def test_attributes_are_words(folder: Path) -> None:
    manual = folder / "basic" / "Annotation" / "manual"
    marks = ["1 2"] * 5
    write_lines(manual / "train_00001_manu_attri.txt", [*marks, "0", "1", "2"])
    write_lines(manual / "train_00002_manu_attri.txt", [*marks, "1", "0", "0"])
    write_lines(manual / "train_00005_manu_attri.txt", [*marks, "2", "2", "4"])
    groups = raf_db.read(folder, Findings()).groups
    told = list(zip(*(groups[name].text() for name in ("gender", "race", "age")), strict=True))
    assert told[0] == ("male", "African-American", "20-39")
    assert told[1] == ("female", "Caucasian", "0-3")
    assert told[4] == ("unsure", "Asian", "70+")
    assert told[3] == ("", "", ""), "a missing file is no fault"


def test_a_short_file_of_attributes_is_named(folder: Path) -> None:
    path = folder / "basic" / "Annotation" / "manual" / "train_00002_manu_attri.txt"
    write_lines(path, ["1 2"] * 5 + ["0", "1"])
    with pytest.raises(DatabaseError, match=r"train_00002_manu_attri\.txt, line 8: age is ''"):
        raf_db.read(folder, Findings())
    index = raf_db.read(folder, Findings(skip=True))
    assert (index.groups["race"].at(1), index.groups["age"].at(1)) == ("African-American", "")


def test_without_annotations_groups_are_empty(folder: Path) -> None:
    rmtree(folder / "basic" / "Annotation")
    index = raf_db.read(folder, Findings())
    assert index.groups["gender"].counts() == {"": len(index)}


@pytest.mark.parametrize("given", ["", "compound"])
def test_the_compound_set_alone_is_read_by_its_own_classes(folder: Path, given: str) -> None:
    rmtree(folder / "basic")
    index = raf_db.read(folder / given, Findings())
    assert index.video.text() == ["compound/train_00001", "compound/train_00002", "compound/test_0001"]
    assert list(index.labels.values) == [COMPOUND_11]
    winners = [COMPOUND_11.labels[k] for k in index.labels.values[COMPOUND_11].argmax(axis=1)]
    assert winners == ["happily_surprised", "fearfully_surprised", "disgustedly_surprised"]


def test_the_basic_folder_itself_may_be_given(folder: Path) -> None:
    index = raf_db.read(folder / "basic", Findings())
    assert index.media.at(0) == "Image/aligned/train_00001_aligned.jpg"


def test_a_picture_labelled_twice_is_malformed(folder: Path) -> None:
    path = folder / "basic" / "EmoLabel" / "list_patition_label.txt"
    path.write_text(path.read_text() + "train_00001.jpg 1\n")
    with pytest.raises(DatabaseError, match="line 22: train_00001 is there a second time"):
        raf_db.read(folder, Findings())
