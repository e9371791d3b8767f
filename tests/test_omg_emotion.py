from pathlib import Path

import numpy as np
import pytest

from mien.databases.findings import Findings
from mien.databases.omg_emotion import read
from mien.errors import DatabaseError
from mien.tasks import EXPRESSION_7, VALENCE_AROUSAL
from mien.testing.databases.made import write_lines
from mien.testing.databases.omg_emotion import make_omg_emotion

HEADER = "link,start,end,video,utterance,arousal,valence,EmotionMaxVote"


@pytest.mark.parametrize(
    ("number", "name"),
    list(enumerate(("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"))),
)
def test_numbers_of_emotions_are_named(number: int, name: str, tmp_path: Path) -> None:
    write_lines(tmp_path / "omg_TrainVideos.csv", [HEADER, f"l,0,1,v,utterance_1.mp4,0.5,0,{number}"])
    index = read(tmp_path, Findings())
    assert EXPRESSION_7.labels[index.labels.values[EXPRESSION_7][0].argmax()] == name


def test_arousal_is_kept_as_it_is_and_each_value_goes_to_its_name(tmp_path: Path) -> None:
    write_lines(tmp_path / "omg_TrainVideos.csv", [HEADER, "l,1.5,2.5,v,utterance_1.mp4,0.25,-0.75,"])
    index = read(tmp_path, Findings())
    values = dict(zip(VALENCE_AROUSAL.labels, index.labels.values[VALENCE_AROUSAL][0], strict=True))
    assert values == pytest.approx({"valence": -0.75, "arousal": 0.25})
    assert not index.labels.known[EXPRESSION_7].any()
    assert (index.columns["start"][0], index.columns["end"][0]) == (1.5, 2.5)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("l,0,1,v,utterance_1.mp4,-0.1,0,3", "arousal"),
        ("l,0,1,v,utterance_1.mp4,0.1,1.1,3", "valence"),
        ("l,0,1,v,utterance_1.mp4,0.1,0,7", "EmotionMaxVote"),
        ("l,0,1,,utterance_1.mp4,0.1,0,3", "no video"),
        ("l,0,1,v,utterance_0.mp4,0.1,0,3", "second time"),
    ],
)
def test_odd_rows_are_refused(row: str, message: str, tmp_path: Path) -> None:
    write_lines(tmp_path / "omg_TrainVideos.csv", [HEADER, "l,0,1,v,utterance_0.mp4,0,0,0", row])
    with pytest.raises(DatabaseError, match=rf"line 3: .*{message}"):
        read(tmp_path, Findings())


def test_utterances_are_clips_grouped_by_recording(tmp_path: Path) -> None:
    index = read(make_omg_emotion(tmp_path).folder, Findings())
    assert index.unit == "clip"
    assert [name.partition("/")[0] for name in index.video.text()] == index.groups["recording"].text()
    assert index.groups["recording"].counts()["made0bbb1"] == 3
    assert index.sound.text() == index.media.text()


def test_whole_videos_are_no_utterances(tmp_path: Path) -> None:
    findings = Findings()
    index = read(make_omg_emotion(tmp_path).folder, findings)
    assert not any("temp" in name for name in index.media.text())
    assert findings.unmatched["label without a picture"].count == 3


def test_table_without_labels_is_read_only_where_the_other_is_missing(tmp_path: Path) -> None:
    made = make_omg_emotion(tmp_path)
    (made.folder / "omg_TestVideos_WithLabels.csv").unlink()
    findings = Findings()
    index = read(made.folder, findings)
    test = index.split.matches("test")
    assert test.sum() == 1 and not index.labels.known[VALENCE_AROUSAL][test].any()
    assert np.all(index.labels.known[VALENCE_AROUSAL][~test])
    assert findings.release.endswith("without labels")
