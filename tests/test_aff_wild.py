"""The Aff-Wild reader: two traces a video, of almost the same length."""

from pathlib import Path

import pytest

from mien.databases.aff_wild import read
from mien.databases.findings import Findings
from mien.errors import DatabaseError
from mien.tasks import VALENCE_AROUSAL
from mien.testing.databases.aff_wild import make_aff_wild
from mien.testing.databases.made import write_lines


def test_traces_of_different_length_are_cut_and_noted(tmp_path: Path) -> None:
    findings = Findings()
    index = read(make_aff_wild(tmp_path).folder, findings)
    assert index.video.counts() == {"901": 6, "903": 7, "92": 8}
    assert any("92: 8 and 9 lines" in note for note in findings.notes)
    assert any("1 videos have no labels" in note for note in findings.notes)
    assert findings.unmatched == {}


def test_videos_have_either_suffix_and_their_own_sound(tmp_path: Path) -> None:
    index = read(make_aff_wild(tmp_path).folder, Findings())
    assert set(index.media.counts()) == {
        "videos/train/901.mp4",
        "videos/train/903.avi",
        "videos/train/92.avi",
    }
    assert index.sound.text() == index.media.text()
    assert index.numbering == 0


def test_a_video_with_one_trace_keeps_it(tmp_path: Path) -> None:
    folder = tmp_path / "nested" / "annotations" / "train"
    write_lines(folder / "valence" / "5.txt", ["0.5", "-0.5"])
    (folder / "arousal").mkdir()
    write_lines(tmp_path / "mine" / "valence" / "6.txt", ["0.5"])
    findings = Findings()
    index = read(tmp_path, findings)
    assert index.labels.known[VALENCE_AROUSAL].tolist() == [[True, False]] * 2
    assert index.labels.values[VALENCE_AROUSAL][:, 0].tolist() == [0.5, -0.5]
    assert findings.unmatched["video without arousal"].examples == ["5"]
    assert findings.unmatched["label without a picture"].examples == ["5"]


def test_a_skipped_line_keeps_the_frames_behind_it_in_place(tmp_path: Path) -> None:
    folder = tmp_path / "annotations" / "train"
    write_lines(folder / "valence" / "5.txt", ["0.1", "-5", "0.3"])
    write_lines(folder / "arousal" / "5.txt", ["0.1", "0.2", "0.3"])
    with pytest.raises(
        DatabaseError, match=r"5\.txt, line 2: valence is '-5', expected a number from -1 to 1"
    ):
        read(tmp_path, Findings())
    index = read(tmp_path, Findings(skip=True))
    assert index.labels.values[VALENCE_AROUSAL][:, 0].tolist() == pytest.approx([0.1, 0, 0.3])
    assert index.labels.known[VALENCE_AROUSAL][:, 0].tolist() == [True, False, True]


def test_a_readme_among_the_labels_is_a_note(tmp_path: Path) -> None:
    for name in VALENCE_AROUSAL.labels:
        write_lines(tmp_path / "annotations" / "train" / name / "5.txt", ["0.1", "0.2"])
        write_lines(tmp_path / "annotations" / "train" / name / "readme.txt", ["Aff-Wild", "Cite the paper."])
    findings = Findings()
    assert read(tmp_path, findings).video.text() == ["5", "5"]
    assert any("2 text files among the labels" in note for note in findings.notes)
    assert findings.unmatched.keys() == {"label without a picture"}


def test_aff_wild2_is_not_taken_for_it(tmp_path: Path) -> None:
    write_lines(tmp_path / "VA_Set" / "Train_Set" / "1.txt", ["valence,arousal", "0,0"])
    with pytest.raises(
        DatabaseError, match=r"no labels of Aff-Wild found, expected annotations/train/valence"
    ):
        read(tmp_path, Findings())


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "annotations" / "train"
    write_lines(folder / "arousal" / "5.txt", ["0.1"])
    (folder / "valence").mkdir()
    (folder / "valence" / "5.txt").symlink_to(tmp_path / "absent")
    with pytest.raises(DatabaseError, match=r"5\.txt: No such file"):
        read(tmp_path, Findings())
