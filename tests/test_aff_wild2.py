"""The Aff-Wild2 reader: whatever the folders are called, numbers mean what the organisers' headers say."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.databases import DATABASES
from mien.databases.aff_wild2 import read
from mien.databases.aff_wild2_files import face_of, header, part
from mien.databases.aff_wild2_labels import read_frames
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.errors import DatabaseError
from mien.tasks import (
    ACTION_UNITS_8,
    ACTION_UNITS_12,
    EXPRESSION_7,
    EXPRESSION_8_OTHER,
    VALENCE_AROUSAL,
    Task,
)
from mien.testing.databases import MAKERS
from mien.testing.databases.aff_wild2 import make_aff_wild2_abaw6, make_aff_wild2_lsd, make_aff_wild2_videos
from mien.testing.databases.made import write_face, write_lines

EIGHT = "Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other"
SEVEN = EIGHT.removesuffix(",Other")
TWELVE = "AU1,AU2,AU4,AU6,AU7,AU10,AU12,AU15,AU23,AU24,AU25,AU26"
VA = "valence,arousal"
MTL = "image,valence,arousal,expression,aus"


def told(index: Index, task: Task, row: int) -> dict[str, float]:
    """Return the known labels of a row by name."""
    known, values = index.labels.known[task][row], index.labels.values[task][row]
    return {label: float(v) for label, v, k in zip(task.labels, values, known, strict=True) if k}


def crops(folder: Path, name: str, *numbers: int, above: str = "cropped_aligned") -> None:
    for number in numbers:
        write_face(folder / above / name / f"{number:05d}.jpg", np.random.default_rng(number))


@pytest.mark.parametrize(("names", "task"), [(SEVEN, EXPRESSION_7), (EIGHT, EXPRESSION_8_OTHER)])
def test_numbers_of_classes_mean_what_the_header_says(tmp_path: Path, names: str, task: Task) -> None:
    numbers = range(-1, len(task))
    write_lines(tmp_path / "EXPR_Set" / "Train_Set" / "1.txt", [names, *map(str, numbers)])
    index = read(tmp_path, Findings())
    expected = [{}, *({name.lower(): 1.0} for name in names.split(","))]
    for row, wanted in enumerate(expected):
        assert {k: v for k, v in told(index, task, row).items() if v} == wanted


def test_columns_in_another_order_are_read_by_name(tmp_path: Path) -> None:
    write_lines(tmp_path / "a" / "train" / "1.txt", ["arousal, valence", "0.25,-0.5"])
    write_lines(
        tmp_path / "b" / "train" / "1.txt",
        ["Other,Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise", "5"],
    )
    units = "AU26,AU25,AU24,AU23,AU15,AU12,AU10,AU7,AU6,AU4,AU2,AU1"
    write_lines(tmp_path / "c" / "train" / "1.txt", [units, "1,0,0,0,0,0,0,0,0,0,-1,0"])
    index = read(tmp_path, Findings())
    assert told(index, VALENCE_AROUSAL, 0) == {"valence": -0.5, "arousal": 0.25}
    assert told(index, EXPRESSION_8_OTHER, 0)["happiness"] == 1
    present = told(index, ACTION_UNITS_12, 0)
    assert {name for name, value in present.items() if value} == {"AU26"}
    assert set(ACTION_UNITS_12.labels) - set(present) == {"AU02"}


def test_an_unknown_trace_hides_both_and_an_unknown_unit_only_itself(tmp_path: Path) -> None:
    write_lines(tmp_path / "VA_Set" / "Train_Set" / "1.txt", [VA, "-5,0.5", "0.5,-5.0", "-5,-5", "0.1,0.2"])
    write_lines(tmp_path / "AU_Set" / "Train_Set" / "1.txt", [TWELVE, "1,-1,0,0,0,0,0,0,0,0,0,1"])
    index = read(tmp_path, Findings())
    assert [len(told(index, VALENCE_AROUSAL, row)) for row in range(4)] == [0, 0, 0, 2]
    assert [len(told(index, ACTION_UNITS_12, row)) for row in range(4)] == [11, 0, 0, 0]


def test_the_first_line_of_labels_is_picture_one(tmp_path: Path) -> None:
    write_lines(tmp_path / "VA_Set" / "Train_Set" / "1.txt", [VA, "0.1,0", "0.2,0", "0.3,0", "0.4,0"])
    crops(tmp_path, "1", 1, 3, 5)
    findings = Findings()
    index = read(tmp_path, findings)
    assert index.frame.tolist() == [0, 1, 2, 3]
    assert index.media.text() == ["cropped_aligned/1", "", "cropped_aligned/1", ""]
    pictured = [int(frame) + index.numbering for frame in index.frame[~index.media.matches("")]]
    assert pictured == [1, 3]
    assert index.cropped
    assert findings.unmatched == {}
    assert "2 of 4 labelled frames have no crop" in " ".join(findings.notes)
    assert "1 crops are numbered beyond" in " ".join(findings.notes)


def test_crops_counted_from_nought_are_told(tmp_path: Path) -> None:
    write_lines(tmp_path / "VA_Set" / "Train_Set" / "1.txt", [VA, "0.1,0", "0.2,0"])
    crops(tmp_path, "1", 0, 1)
    findings = Findings()
    index = read(tmp_path, findings)
    assert index.media.text() == ["cropped_aligned/1", ""]
    (kind,) = findings.unmatched
    assert kind.startswith("folder with a picture 0")
    assert not any("beyond" in note for note in findings.notes)


def test_both_persons_share_a_recording_and_its_sound(tmp_path: Path) -> None:
    index = read(make_aff_wild2_abaw6(tmp_path).folder, Findings())
    pairs = set(zip(index.video.text(), index.face.text(), index.sound.text(), strict=True))
    assert {face for video, face, _ in pairs if video == "901"} == {"left", "right"}
    assert {face for video, face, _ in pairs if video == "903"} == {"", "right"}
    for video, _, sound in pairs:
        assert Path(sound).stem == video
    assert face_of("122-60-1920x1080-2") == ("122-60-1920x1080-2", "")
    assert face_of("video45_7") == ("video45_7", "")
    assert face_of("_left") == ("_left", "")


def test_a_frame_of_several_tasks_is_one_row_and_parts_stay_apart(tmp_path: Path) -> None:
    write_lines(tmp_path / "VA_Set" / "Train_Set" / "1.txt", [VA, "0.1,0", "0.2,0"])
    write_lines(tmp_path / "EXPR_Set" / "Train_Set" / "1.txt", [EIGHT, "4", "4", "1"])
    write_lines(tmp_path / "AU_Set" / "Validation_Set" / "1.txt", [TWELVE, ",".join("0" * 12)])
    index = read(tmp_path, Findings())
    assert list(zip(index.split.text(), index.frame.tolist(), strict=True)) == [
        *(("train", frame) for frame in range(3)),
        ("validation", 0),
    ]
    assert told(index, VALENCE_AROUSAL, 1)["valence"] == pytest.approx(0.2)
    assert told(index, VALENCE_AROUSAL, 2) == {}
    assert told(index, ACTION_UNITS_12, 0) == {}


def test_sparse_lists_meet_frames_by_number(tmp_path: Path) -> None:
    units = ",".join("0" * 12)
    write_lines(tmp_path / "VA_Set" / "Train_Set" / "1.txt", [VA, "0.1,0", "0.2,0"])
    lines = [MTL, f"1/00004.jpg,0.4,0,2,{units}", f"1/2.jpg,0.9,0,-1,{units}", f"1/00004.jpg,0.5,0,3,{units}"]
    write_lines(tmp_path / "MTL_Challenge" / "train_set.txt", lines)
    findings = Findings()
    index = read(tmp_path, findings)
    assert index.frame.tolist() == [0, 1, 3]
    values = [told(index, VALENCE_AROUSAL, row)["valence"] for row in range(3)]
    assert values == pytest.approx([0.1, 0.2, 0.4]), "the file by video holds"
    assert "1 label cells differ" in " ".join(findings.notes)
    assert told(index, EXPRESSION_8_OTHER, 2)["disgust"] == 1
    assert findings.unmatched["picture labelled twice"].count == 1


def test_differing_files_are_counted_and_the_first_holds(tmp_path: Path) -> None:
    for edition, value in (("3rd_ABAW_Annotations", 0.1), ("5th_ABAW_Annotations", 0.3)):
        folder = tmp_path / edition / "VA_Estimation_Challenge" / "Train_Set"
        write_lines(folder / "1.txt", [VA, f"{value},0", "-5,-5" if value < 0.2 else "0.5,0.5"])
    findings = Findings()
    index = read(tmp_path, findings)
    assert told(index, VALENCE_AROUSAL, 0)["valence"] == pytest.approx(0.1)
    assert told(index, VALENCE_AROUSAL, 1) == {"valence": 0.5, "arousal": 0.5}, "fills what was unknown"
    assert "1 label cells differ" in " ".join(findings.notes)
    assert findings.release == "ABAW 3 and 5"


def test_the_header_beats_the_folder(tmp_path: Path) -> None:
    write_lines(tmp_path / "AU_Set" / "Train_Set" / "1.txt", [VA, "0.5,0"])
    findings = Findings()
    index = read(tmp_path, findings)
    assert list(index.labels.values) == [VALENCE_AROUSAL]
    assert "1 files lie in a folder named for another task" in " ".join(findings.notes)


@pytest.mark.parametrize(
    ("folders", "split"),
    [
        (("VA_Set", "Training_Set"), "train"),
        (("Train_Set", "Validation_Set"), "validation"),
        (("train", "VA_Set"), "train"),
        (("VA_Set", "valid"), "validation"),
        (("x", "TrainSet"), "train"),
        (("VA_Estimation_Challenge",), ""),
        (("EVALUATION", "audio", "trainer"), ""),
        (("train_and_validation",), ""),
        (("training_set_annotations_22",), "train"),
        (("Test_Set",), "test"),
    ],
)
def test_the_innermost_folder_names_the_part(folders: tuple[str, ...], split: str) -> None:
    assert part(folders) == split


@pytest.mark.parametrize(
    "text",
    [
        *("", "valence", "valence,arousal,", "image_location,valence,arousal", "AU1,AU1", 'valence,"arousal'),
        *(f"{SEVEN},Contempt", f"{EIGHT},Other", f"{TWELVE},AU27", "image,valence,arousal,expression"),
    ],
)
def test_what_is_no_header_of_labels(text: str) -> None:
    assert header(text) is None


def test_answers_lists_and_samples_are_no_labels(tmp_path: Path) -> None:
    write_lines(tmp_path / "VA_Set" / "Train_Set" / "1.txt", [VA, "0.5,0"])
    for place in ("predictions/2.txt", "my_results/VA_Set/Validation_Set/3.txt", "test/4.txt"):
        write_lines(tmp_path / place, [VA, "0.7,0"])
    write_lines(tmp_path / "test_set_examples" / "MTL.txt", [MTL, "5/00001.jpg" + ",0" * 15])
    write_lines(tmp_path / "readme.txt", ["valence and arousal"])
    findings = Findings()
    index = read(tmp_path, findings)
    assert index.video.text() == ["1"]
    assert "4 text files of the test part, samples or answers" in " ".join(findings.notes)


def test_labels_of_the_test_part_are_read_where_they_lie_with_the_others(tmp_path: Path) -> None:
    write_lines(tmp_path / "VA_Set" / "Test_Set" / "1.txt", [VA, "0.5,0"])
    assert read(tmp_path, Findings()).split.text() == ["test"]


def test_a_readme_among_the_labels_is_a_note(tmp_path: Path) -> None:
    folder = tmp_path / "VA_Set" / "Train_Set"
    write_lines(folder / "1.txt", [VA, "0.5,0"])
    write_lines(folder / "readme.txt", ["Aff-Wild2, version 2", "", "0.5,0 is a row", "Cite the paper."])
    write_lines(folder / "License.txt", ["For research only."])
    findings = Findings()
    assert read(tmp_path, findings).video.text() == ["1"]
    assert any("2 text files among the labels" in note for note in findings.notes)


@pytest.mark.parametrize("texts", [[], ["valence;arousal", "0.5,0", "-5,-5"], ["0.5,0"], ["", "0.5,-.1"]])
def test_labels_without_their_header_are_no_readme(tmp_path: Path, texts: list[str]) -> None:
    path = write_lines(tmp_path / "VA_Set" / "Train_Set" / "1.txt", texts)
    with pytest.raises(DatabaseError, match=f"{path.name}, line 1: .* is no header"):
        read(tmp_path, Findings())
    path.write_bytes("\n".join(["valence.arousal", *["0.5,0"] * 9]).encode("utf-16"))
    with pytest.raises(DatabaseError, match=f"{path.name}, line 1: .* is no header"):
        read(tmp_path, Findings())


def test_a_broken_header_is_named(tmp_path: Path) -> None:
    write_lines(tmp_path / "VA_Set" / "Train_Set" / "1.txt", ["0.5,0.1", "0.5,0.1"])
    write_lines(tmp_path / "VA_Set" / "Train_Set" / "2.txt", [VA, "0.5,0.1"])
    with pytest.raises(DatabaseError, match=r"1\.txt, line 1: '0\.5,0\.1' is no header"):
        read(tmp_path, Findings())
    findings = Findings(skip=True)
    assert read(tmp_path, findings).video.text() == ["2"]
    assert findings.malformed.count == 1


@pytest.mark.parametrize(
    ("names", "line", "message"),
    [
        (VA, "0.5", "1 fields, expected 2"),
        (VA, "0.5,-1.5", "arousal is '-1.5', expected a number from -1 to 1"),
        (VA, "nan,0", "valence is 'nan'"),
        (VA, "", "1 fields, expected 2"),
        (VA, "0,0\r0,0", "3 fields, expected 2"),
        (EIGHT, "8", "the expression is '8', expected a whole number from -1 to 7"),
        (SEVEN, "7", "expected a whole number from -1 to 6"),
        (EIGHT, "0,1,0,0,0,0,0,0", "8 fields, expected 1"),
        (EIGHT, "1.5", "the expression is '1.5'"),
        (TWELVE, "2,0,0,0,0,0,0,0,0,0,0,0", "AU01 is '2', expected a whole number from -1 to 1"),
    ],
)
def test_a_bad_line_says_what_was_expected(tmp_path: Path, names: str, line: str, message: str) -> None:
    good = {VA: "0,0", EIGHT: "0", SEVEN: "0", TWELVE: ",".join("0" * 12)}[names]
    path = write_lines(tmp_path / "x" / "train" / "1.txt", [names, good, line, good])
    with pytest.raises(DatabaseError) as refusal:
        read(tmp_path, Findings())
    assert str(refusal.value).startswith(f"{path}, line 3: ")
    assert message in str(refusal.value)
    index = read(tmp_path, Findings(skip=True))
    assert len(index) == 3, "later lines keep their frame"
    (known,) = index.labels.known.values()
    assert known.any(axis=1).tolist() == [True, False, True]


number = st.one_of(
    st.floats(-1, 1).map(lambda x: f"{x:.6g}"), st.just("-5"), st.just("-5.0"), st.just("1e-3")
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(number, number), min_size=1, max_size=20))
def test_reading_at_once_and_line_by_line_agree(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("va")
    form = header(VA)
    assert form is not None
    plain = write_lines(folder / "1.txt", [VA, *(",".join(row) for row in rows)])
    wide = [tuple(text.replace("5", "５") for text in row) for row in rows]
    slow = write_lines(folder / "2.txt", [VA, *(" , ".join(row) for row in wide)])
    first = read_frames(plain, form, Findings())
    np.testing.assert_array_equal(first.numbers, read_frames(slow, form, Findings()).numbers)
    assert len(first.frames) == len(rows)


def test_aligned_crops_are_preferred_and_whole_frames_are_not_used(tmp_path: Path) -> None:
    for name in ("1", "2", "3"):
        write_lines(tmp_path / "VA_Set" / "Train_Set" / f"{name}.txt", [VA, "0.5,0"])
    crops(tmp_path, "1", 1, above="cropped")
    crops(tmp_path, "1", 1, above="z/cropped_aligned_new_50_vids/cropped_aligned")
    crops(tmp_path, "2", 1, above="cropped")
    crops(tmp_path, "3", 1, above="frames")
    crops(tmp_path, "77", 1)
    findings = Findings()
    index = read(tmp_path, findings)
    assert index.media.text() == ["z/cropped_aligned_new_50_vids/cropped_aligned/1", "cropped/2", ""]
    assert findings.unmatched["label without a picture"].examples == ["3"]
    notes = " ".join(findings.notes)
    assert "1 folders are aligned, 1 are not" in notes
    assert "1 folders of pictures may hold whole frames" in notes
    assert "1 folders of crops have no labels" in notes


def test_videos_are_media_where_there_are_no_crops(tmp_path: Path) -> None:
    made = make_aff_wild2_videos(tmp_path)
    index = read(made.folder, Findings())
    assert not index.cropped
    assert index.numbering == 0
    assert index.media.text() == index.sound.text()
    assert {Path(name).parts[0] for name in index.media.counts()} == {"batch1", "batch2", "new_vids"}


@pytest.mark.parametrize(
    ("maker", "release"),
    [
        ("abaw1", "ABAW 1"),
        ("abaw2", "ABAW 2"),
        ("abaw3", "ABAW 3 with MTL"),
        ("abaw6", "ABAW 6"),
        ("mtl", "MTL (ABAW 4, 7 or 11)"),
        ("noncompetition", "the release outside the challenges"),
        ("videos", "ABAW 9"),
        ("lsd", "LSD (ABAW 4)"),
    ],
)
def test_the_release_is_recognised(tmp_path: Path, maker: str, release: str) -> None:
    made = MAKERS[f"aff_wild2_{maker}"][1](tmp_path / "made")
    findings = Findings()
    read(made.folder, findings)
    assert findings.release == release


@pytest.mark.parametrize(
    ("folders", "release"),
    [
        (("VA_Estimation_Challenge",), "ABAW 3 or later"),
        (("EXPR_Classification_Challenge",), "ABAW 3 or 5"),
        (("EXPR_Recognition_Challenge",), "ABAW 6, 8 or 10"),
        (("VA",), "ABAW, edition not told"),
    ],
)
def test_the_edition_is_only_as_exact_as_the_names(
    tmp_path: Path, folders: tuple[str, ...], release: str
) -> None:
    for folder in folders:
        text = [EIGHT, "1"] if "EXPR" in folder else [VA, "0,0"]
        write_lines(tmp_path / folder / "Train_Set" / "1.txt", text)
    findings = Findings()
    read(tmp_path, findings)
    assert findings.release == release


def test_synthetic_faces_are_read_by_the_name_of_their_folder(tmp_path: Path) -> None:
    made = make_aff_wild2_lsd(tmp_path / "lsd")
    index = read(made.folder, Findings())
    row = index.media.text().index("training_set_synthetic_images/ANGRER/0.jpg")
    assert {name for name, value in told(index, EXPRESSION_7, row).items() if value} == {"anger"}
    write_lines(tmp_path / "VA_Set" / "Train_Set" / "1.txt", [VA, "0.5,0"])
    findings = Findings()
    beside = read(tmp_path, findings)
    assert len(beside) == 1, "videos and crops in one index would mean different things"
    assert "synthetic faces are left out" in " ".join(findings.notes)
    crops(tmp_path, "1", 1)
    both = read(tmp_path, findings)
    assert len(both) == 1 + len(index)
    assert told(both, VALENCE_AROUSAL, 0)["valence"] == 0.5
    assert findings.release.endswith("with LSD")


def test_rows_stay_small(tmp_path: Path) -> None:
    rows = 3000
    write_lines(tmp_path / "VA_Set" / "Train_Set" / "1.txt", [VA, *["0.5,0"] * rows])
    write_lines(tmp_path / "EXPR_Set" / "Train_Set" / "1.txt", [EIGHT, *["1"] * rows])
    write_lines(tmp_path / "AU_Set" / "Train_Set" / "1.txt", [TWELVE, *[",".join("0" * 12)] * rows])
    index = read(tmp_path, Findings())
    arrays = [*index.labels.values.values(), *index.labels.known.values(), index.frame, index.seconds]
    arrays += [getattr(index, name).codes for name in ("split", "subject", "video", "face", "media", "sound")]
    assert sum(array.nbytes for array in arrays) / rows < 200


def test_nothing_recognised_says_what_was_expected(tmp_path: Path) -> None:
    write_lines(tmp_path / "notes.txt", ["hello"])
    crops(tmp_path, "1", 1)
    with pytest.raises(DatabaseError, match=r"nothing of Aff-Wild2 found, expected .*'valence,arousal'"):
        read(tmp_path, Findings())


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "VA_Set").symlink_to(tmp_path / "absent")
    (tmp_path / "1.txt").symlink_to(tmp_path / "absent.txt")
    with pytest.raises(DatabaseError, match=r"1\.txt: No such file"):
        read(tmp_path, Findings())
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="file: Not a directory"):
        read(tmp_path / "file", Findings())


def test_hidden_files_of_archives_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "VA_Set" / "Train_Set"
    write_lines(folder / "1.txt", [VA, "0.5,0"])
    write_lines(folder / "._1.txt", ["Mac OS X"])
    shutil.copytree(tmp_path / "VA_Set", tmp_path / ".hidden" / "VA_Set")
    assert len(read(tmp_path, Findings())) == 1


def test_protocols_are_the_challenges_own() -> None:
    protocols = {protocol.name: protocol for protocol in DATABASES["aff_wild2"].protocols}
    assert protocols["EXPR"].labels == EXPRESSION_8_OTHER.labels
    assert protocols["EXPR of ABAW 1 and 2"].metric == "0.67 macro F1 + 0.33 accuracy"
    assert protocols["EXPR of ABAW 1 and 2"].task == EXPRESSION_7
    assert protocols["AU of ABAW 1"].task == ACTION_UNITS_8
    assert len(protocols["LSD of ABAW 4"].labels) == 6
    for protocol in protocols.values():
        assert [(fold.train, fold.test) for fold in protocol.folds] == [(("train",), ("validation",))]
