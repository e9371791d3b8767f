"""AFEW beyond the shared trial: videos or extracted faces, parts, what has no label."""

from pathlib import Path
from shutil import rmtree

import pytest

from mien.databases import afew
from mien.databases.findings import Findings
from mien.errors import DatabaseError
from mien.tasks import EXPRESSION_7
from mien.testing.databases.afew import make_afew, make_afew_faces
from mien.testing.databases.made import Made


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_afew_faces(tmp_path_factory.mktemp("afew") / "made")


@pytest.fixture
def folder(original: Made, tmp_path: Path) -> Path:
    for path in original.folder.rglob("*"):
        if path.is_file():
            copy = tmp_path / "afew" / path.relative_to(original.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(path)
    return tmp_path / "afew"


def test_a_row_is_a_clip_of_faces_with_its_sound(folder: Path) -> None:
    findings = Findings()
    index = afew.read(folder, findings)
    assert (index.unit, index.cropped, index.numbering) == ("clip", True, 0)
    assert findings.release == "extracted faces of clips"
    first = index.video.at(0)
    assert index.media.at(0) == f"Train_AFEW/AlignedFaces_LBPTOP_Points/Faces/{first}"
    assert index.sound.at(0) == f"Train_AFEW/Angry/{first}.avi"
    last = index.video.at(13)
    assert index.media.at(13) == f"Val_AFEW/AlignedFaces_LBPTOP_Points_Val/Faces/{last}"


def test_what_has_no_counterpart_is_told(folder: Path) -> None:
    findings = Findings()
    index = afew.read(folder, findings)
    fear = index.labels.values[EXPRESSION_7][:, EXPRESSION_7.index("fear")] == 1
    assert index[fear].media.text()[0] == ""
    assert findings.unmatched["label without a picture"].examples == [index[fear].sound.at(0)]
    (face,) = findings.unmatched["picture without a label"].examples
    assert face.endswith("Faces/000000001")
    assert findings.notes == ["Test_AFEW: 1 clips without a label, left out"]


def test_faces_count_from_the_lowest_number(folder: Path) -> None:
    for path in list(folder.rglob("*.jpg")):
        path.rename(path.with_stem(f"{int(path.stem) + 1:05d}"))
    assert afew.read(folder, Findings()).numbering == 1


def test_videos_are_the_pictures_where_a_part_lacks_faces(folder: Path) -> None:
    rmtree(folder / "Val_AFEW" / "AlignedFaces_LBPTOP_Points_Val")
    findings = Findings()
    index = afew.read(folder, findings)
    assert (index.cropped, findings.release) == (False, "videos of clips")
    assert index.media.text() == index.sound.text()
    assert any("no extracted faces of the part validation" in note for note in findings.notes)


@pytest.mark.parametrize("nested", ["AlignedFaces_LBPTOP_Points", "x/AlignedFaces_LBPTOP_Points"])
def test_faces_beside_the_parts_are_told_apart_by_name(folder: Path, nested: str) -> None:
    outer = folder / nested
    outer.parent.mkdir(exist_ok=True)
    before = afew.read(folder, Findings())
    (folder / "Train_AFEW" / "AlignedFaces_LBPTOP_Points").rename(outer)
    (folder / "Val_AFEW" / "AlignedFaces_LBPTOP_Points_Val").rename(outer.with_name(f"{outer.name}_Val"))
    after = afew.read(folder, Findings())
    names = [[Path(media).name for media in index.media.text()] for index in (before, after)]
    assert names[0] == names[1]


def test_parts_of_other_names_and_depth_are_found(folder: Path) -> None:
    (folder / "EmotiW" / "Train").mkdir(parents=True)
    (folder / "Train_AFEW").rename(folder / "EmotiW" / "Train" / "Train_AFEW")
    (folder / "Val_AFEW").rename(folder / "EmotiW" / "Val")
    index = afew.read(folder, Findings())
    assert index.split.counts() == {"train": 7, "validation": 7}
    assert index.cropped


def test_two_clips_of_one_name_in_a_part_are_refused(folder: Path) -> None:
    clip = next((folder / "Train_AFEW" / "Angry").iterdir())
    clip.rename(folder / "Train_AFEW" / "Happy" / clip.name)
    (folder / "Train_AFEW" / "Sad" / clip.name).symlink_to(folder / "Train_AFEW" / "Happy" / clip.name)
    with pytest.raises(DatabaseError, match="a clip of the same name is"):
        afew.read(folder, Findings())
    assert len(afew.read(folder, Findings(skip=True))) == 14


def test_a_test_part_alone_is_refused(tmp_path: Path) -> None:
    folder = make_afew(tmp_path / "afew").folder
    rmtree(folder / "Train_AFEW")
    rmtree(folder / "Val_AFEW")
    with pytest.raises(DatabaseError, match="no clips such as Train_AFEW/Angry"):
        afew.read(folder, Findings())


def test_published_classes_sum_to_the_published_whole() -> None:
    train = [count for count in afew.DATABASE.counts if count.split == "train"]
    assert sum(count.number for count in train if count.label) == train[0].number == 773
