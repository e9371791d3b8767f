from pathlib import Path

import pytest

from mien.databases import DATABASES
from mien.databases.catalog import subject_folds
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.ravdess import read
from mien.errors import DatabaseError
from mien.tasks import EXPRESSION_7


def files(folder: Path, *names: str) -> Path:
    for name in names:
        place = folder / f"Actor_{name.rpartition('.')[0][-2:]}"
        place.mkdir(parents=True, exist_ok=True)
        (place / name).touch()
    return folder


def label(index: Index) -> str:
    known = index.labels.known[EXPRESSION_7][0].all()
    return EXPRESSION_7.labels[index.labels.values[EXPRESSION_7][0].argmax()] if known else ""


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (1, "neutral"),
        (2, ""),
        (3, "happiness"),
        (4, "sadness"),
        (5, "anger"),
        (6, "fear"),
        (7, "disgust"),
        (8, "surprise"),
    ],
)
def test_numbers_of_emotions_are_named_and_calm_is_unknown(number: int, name: str, tmp_path: Path) -> None:
    index = read(files(tmp_path, f"01-01-{number:02d}-01-01-01-05.mp4"), Findings())
    assert label(index) == name
    assert index.groups["emotion"].text() == [name or "calm"]


@pytest.mark.parametrize(
    ("there", "media", "sound"),
    [
        ((1,), 1, 1),
        ((2,), 2, 0),
        ((3,), 0, 3),
        ((1, 2), 1, 1),
        ((1, 3), 1, 1),
        ((2, 3), 2, 3),
        ((1, 2, 3), 1, 1),
    ],
)
def test_files_of_a_performance_are_one_row(
    there: tuple[int, ...], media: int, sound: int, tmp_path: Path
) -> None:
    rest = "01-05-02-01-02-05"
    names = {k: f"{k:02d}-{rest}.{'wav' if k == 3 else 'mp4'}" for k in (1, 2, 3)}
    index = read(files(tmp_path, *(names[k] for k in there)), Findings())
    assert index.video.text() == [rest]
    assert index.media.text() == [f"Actor_05/{names[media]}" if media else ""]
    assert index.sound.text() == [f"Actor_05/{names[sound]}" if sound else ""]


@pytest.mark.parametrize(
    "name",
    [
        "01-01-09-01-01-01-05.mp4",
        "04-01-05-01-01-01-05.mp4",
        "01-01-05-03-01-01-05.mp4",
        "01-01-01-02-01-01-05.mp4",
        "01-01-00-01-01-01-05.mp4",
        "01-01-05-01-01-01-25.mp4",
        "01-01-05-01-01-05.mp4",
        "1-1-5-1-1-1-05.mp4",
        "01-01-٠٥-01-01-01-05.mp4",
        "holiday05.mp4",
    ],
)
def test_malformed_names_are_refused_and_skipped_when_asked(name: str, tmp_path: Path) -> None:
    folder = files(tmp_path, "01-01-05-01-01-01-05.mp4", name)
    with pytest.raises(DatabaseError, match="Actor_"):
        read(folder, Findings())
    findings = Findings(skip=True)
    assert len(read(folder, findings)) == 1
    assert findings.malformed.count == 1


def test_a_file_in_another_actors_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Actor_03").mkdir()
    (tmp_path / "Actor_03/01-01-05-01-01-01-05.mp4").touch()
    with pytest.raises(DatabaseError, match="actor 05 in the folder of another"):
        read(tmp_path, Findings())


def test_groups_and_actors(tmp_path: Path) -> None:
    index = read(files(tmp_path, "01-01-05-02-01-01-05.mp4", "01-02-03-01-01-01-06.mp4"), Findings())
    assert index.subject.text() == ["05", "06"]
    assert index.groups["gender"].text() == ["male", "female"]
    assert index.groups["channel"].text() == ["speech", "song"]
    assert index.groups["intensity"].text() == ["strong", "normal"]


def test_one_actors_folder_may_be_given(tmp_path: Path) -> None:
    files(tmp_path, "01-01-05-02-01-01-05.mp4")
    assert len(read(tmp_path / "Actor_05", Findings())) == 1


def test_copies_in_two_archives_are_told(tmp_path: Path) -> None:
    for archive in ("a", "b"):
        files(tmp_path / archive, "01-01-05-02-01-01-05.mp4")
    findings = Findings()
    index = read(tmp_path, findings)
    assert index.media.text() == ["a/Actor_05/01-01-05-02-01-01-05.mp4"]
    assert findings.unmatched["second copy of a file"].count == 1


def test_five_folds_divide_the_actors(tmp_path: Path) -> None:
    names = [f"01-01-{e:02d}-01-01-01-{actor:02d}.mp4" for actor in range(1, 25) for e in (1, 3, 5)]
    index = read(files(tmp_path, *names), Findings())
    tested = [fold.test for fold in subject_folds(index, DATABASES["ravdess"].protocols[0].made)]
    assert sorted(actor for part in tested for actor in part) == [f"{actor:02d}" for actor in range(1, 25)]
    assert {len(part) for part in tested} == {4, 5}
