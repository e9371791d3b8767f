from pathlib import Path

import pytest

from mien.databases import DATABASES
from mien.databases.crema_d import read
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.errors import DatabaseError
from mien.tasks import EXPRESSION_7, EXPRESSION_7_PERCEIVED, Task
from mien.testing.databases.crema_d import make_crema_d
from mien.testing.databases.made import write_lines

HEADER = '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote","MultiModalLevel"'


def label(index: Index, task: Task, row: int) -> dict[str, float]:
    if not index.labels.known[task][row].all():
        return {}
    values = index.labels.values[task][row]
    return {name: float(value) for name, value in zip(task.labels, values, strict=True) if value}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("ANG", "anger"),
        ("DIS", "disgust"),
        ("FEA", "fear"),
        ("HAP", "happiness"),
        ("NEU", "neutral"),
        ("SAD", "sadness"),
    ],
)
def test_codes_and_votes_are_named(code: str, name: str, tmp_path: Path) -> None:
    clip = f"1999_IEO_{code}_HI"
    write_lines(tmp_path / "summaryTable.csv", [HEADER, f'"1","{clip}","N","1","{code[0]}","1","N","1"'])
    index = read(tmp_path, Findings())
    assert label(index, EXPRESSION_7, 0) == {name: 1}
    assert label(index, EXPRESSION_7_PERCEIVED, 0) == {name: 1}


def test_the_vote_of_the_face_counts_and_ties_are_divided(tmp_path: Path) -> None:
    index = read(make_crema_d(tmp_path).folder, Findings())
    rows = {name: row for row, name in enumerate(index.video.text())}
    tie = label(index, EXPRESSION_7_PERCEIVED, rows["9001_IEO_ANG_LO"])
    assert tie == {"anger": 0.5, "disgust": 0.5}
    assert label(index, EXPRESSION_7_PERCEIVED, rows["9003_WSI_FEA_XX"]) == {"sadness": 1}
    assert label(index, EXPRESSION_7_PERCEIVED, rows["9003_WSI_DIS_XX"]) == {}


def test_without_votes_only_the_intended_emotion_is_known(tmp_path: Path) -> None:
    (tmp_path / "AudioWAV").mkdir()
    (tmp_path / "AudioWAV/1999_IEO_SAD_XX.wav").touch()
    findings = Findings()
    index = read(tmp_path, findings)
    assert set(index.labels.values) == {EXPRESSION_7}
    assert (index.media.text(), index.sound.text()) == ([""], ["AudioWAV/1999_IEO_SAD_XX.wav"])
    assert findings.unmatched["label without a picture"].examples == ["1999_IEO_SAD_XX"]


def test_the_real_slip_in_a_name_is_one_clip(tmp_path: Path) -> None:
    index = read(make_crema_d(tmp_path).folder, Findings())
    row = index.video.text().index("9002_ITH_SAD_XX")
    assert index.media.at(row) == "VideoFlash/9002_ITH_SAD_X.flv"
    assert index.groups["level"].at(row) == "unspecified"
    assert "9002_ITH_SAD_X" not in index.video.text()


def test_flv_comes_before_mp4_and_the_sound_is_the_wav(tmp_path: Path) -> None:
    index = read(make_crema_d(tmp_path).folder, Findings())
    rows = {name: row for row, name in enumerate(index.video.text())}
    first, other = rows["9001_IEO_ANG_HI"], rows["9004_IEO_HAP_MD"]
    assert index.media.at(first) == "VideoFlash/9001_IEO_ANG_HI.flv"
    assert index.sound.at(first) == "AudioWAV/9001_IEO_ANG_HI.wav"
    assert index.media.at(other) == index.sound.at(other) == "VideoMP4/9004_IEO_HAP_MD.mp4"


def test_links_that_were_not_fetched_are_no_videos(tmp_path: Path) -> None:
    findings = Findings()
    index = read(make_crema_d(tmp_path).folder, findings)
    row = index.video.text().index("9005_MTI_SAD_XX")
    assert (index.media.at(row), index.sound.at(row)) == ("", "AudioWAV/9005_MTI_SAD_XX.wav")
    told = findings.unmatched["file that git-lfs did not fetch"].examples
    assert told == ["VideoFlash/9005_MTI_SAD_XX.flv"]


def test_groups_come_of_names_and_demographics(tmp_path: Path) -> None:
    index = read(make_crema_d(tmp_path).folder, Findings())
    rows = {name: row for row, name in enumerate(index.video.text())}

    def groups(name: str) -> dict[str, str]:
        return {group: names.at(rows[name]) for group, names in index.groups.items()}

    assert groups("9001_IEO_ANG_HI") == {
        "level": "high",
        "sentence": "IEO",
        "gender": "male",
        "age": "50-59",
        "race": "Caucasian",
        "ethnicity": "Not Hispanic",
    }
    assert groups("9003_WSI_FEA_XX")["race"] == ""
    assert groups("9006_MTI_FEA_XX")["gender"] == ""


@pytest.mark.parametrize("vote", ["Q", "A:A", "A;D", "anger"])
def test_votes_that_name_no_class_are_refused(vote: str, tmp_path: Path) -> None:
    write_lines(
        tmp_path / "summaryTable.csv", [HEADER, f'"1","1999_IEO_ANG_HI","N","1","{vote}","1","N","1"']
    )
    with pytest.raises(DatabaseError, match="line 2: FaceVote"):
        read(tmp_path, Findings())


def test_files_of_other_names_are_told(tmp_path: Path) -> None:
    made = make_crema_d(tmp_path)
    (made.folder / "AudioWAV/1999_IEO_JOY_HI.wav").touch()
    findings = Findings()
    assert len(read(made.folder, findings)) == 10
    assert findings.unmatched["file whose name is no clip's"].count == 1


def test_protocols_score_six_classes_by_actor() -> None:
    for protocol in DATABASES["crema_d"].protocols:
        assert len(protocol.labels) == 6 and "surprise" not in protocol.labels
        assert (protocol.by, protocol.made) == ("subject", 5)
