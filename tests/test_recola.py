from pathlib import Path

import numpy as np
import pytest

from mien.databases import DATABASES
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.recola import read
from mien.errors import DatabaseError
from mien.tasks import VALENCE_AROUSAL
from mien.testing.databases.made import write_lines
from mien.testing.databases.recola import make_recola_avec, make_recola_original
from mien.testing.media import make_sound, make_video

HEADER = [
    "@relation GOLDSTANDARD_VALENCE",
    "@attribute Instance_name string",
    "@attribute frameTime numeric",
    "@attribute GoldStandard numeric",
    "@data",
]


def gold(folder: Path, dimension: str, name: str, *rows: str) -> Path:
    path = folder / "ratings_gold_standard" / dimension / f"{name}.arff"
    return write_lines(path, [*HEADER, *(f"'{name}',{row}" for row in rows)])


def rows_of(index: Index, name: str) -> Index:
    return index[index.video.matches(name)]


def test_valence_and_arousal_meet_on_rounded_times_and_not_on_lines(tmp_path: Path) -> None:
    gold(tmp_path, "valence", "train_1", "0.00,0.1", "0.04,0.2", "0.12,0.4")
    gold(tmp_path, "arousal", "train_1", "0.0400001,0.6", "0.08,0.7", "0.1199999,0.8")
    index = read(tmp_path, Findings())
    np.testing.assert_allclose(index.seconds, [0, 0.04, 0.08, 0.12])
    assert index.labels.known[VALENCE_AROUSAL].tolist() == [
        [True, False],
        [True, True],
        [False, True],
        [True, True],
    ]
    np.testing.assert_allclose(index.labels.values[VALENCE_AROUSAL][:, 1], [0, 0.6, 0.7, 0.8], atol=1e-6)


def test_all_7501_time_stamps_are_kept(tmp_path: Path) -> None:
    gold(tmp_path, "valence", "dev_1", *(f"{k * 0.04:.2f},{k / 7501:.6f}" for k in range(7501)))
    index = read(tmp_path, Findings())
    assert len(index) == 7501
    assert index.seconds[[0, -1]].tolist() == [0, 300]
    assert index.split.counts() == {"validation": 7501}
    assert index.frame[-1] == 7500


def test_a_question_mark_is_an_unknown_value(tmp_path: Path) -> None:
    gold(tmp_path, "valence", "train_1", "0.00,?", "0.04,0.2")
    assert read(tmp_path, Findings()).labels.known[VALENCE_AROUSAL][:, 0].tolist() == [False, True]


def test_gold_standard_is_never_replaced_by_a_mean(tmp_path: Path) -> None:
    gold(tmp_path, "valence", "train_1", "0.00,0.9")
    ratings = "ratings_individual/valence"
    for name in ("train_1", "dev_3"):
        write_lines(tmp_path / ratings / f"{name}.csv", ["time;FM1;FM2;FM3;FF1;FF2;FF3", "0;0;0;0;0;0;0"])
    findings = Findings()
    index = read(tmp_path, findings)
    assert index.video.text() == ["train_1"]
    assert index.labels.values[VALENCE_AROUSAL][0, 0] == pytest.approx(0.9)
    assert findings.unmatched["ratings without a gold standard"].examples == ["dev_3"]
    assert "gold standard" in findings.release and "mean" not in findings.release


def test_original_is_averaged_and_says_so(tmp_path: Path) -> None:
    made = make_recola_original(tmp_path)
    findings = Findings()
    index = read(made.folder, findings)
    assert "no gold standard" in findings.release and "mean" in findings.release
    raters = np.stack(
        [index.columns[f"valence_{name}"] for name in ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")]
    )
    np.testing.assert_allclose(index.labels.values[VALENCE_AROUSAL][:, 0], raters.mean(axis=0), atol=1e-6)
    assert index.video.text()[::6] == ["P16", "P25", "P103"]


def test_names_of_raters_lose_their_stray_space_and_stay_columns(tmp_path: Path) -> None:
    index = read(make_recola_original(tmp_path).folder, Findings())
    assert set(index.columns) == {
        f"{dimension}_{rater}"
        for dimension in ("valence", "arousal")
        for rater in ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")
    }
    assert {column.dtype for column in index.columns.values()} == {np.dtype(np.float32)}


def test_a_rater_who_said_nothing_is_left_out_of_the_mean(tmp_path: Path) -> None:
    lines = ["time;FM1;FM2;FM3", "0;0.5;;0.1", "0.04;NaN;;", "0.08;1;1;1"]
    write_lines(tmp_path / "emotional_behaviour/arousal/P16.csv", lines)
    index = read(tmp_path, Findings())
    np.testing.assert_allclose(index.labels.values[VALENCE_AROUSAL][:, 1], [0.3, 0, 1], atol=1e-6)
    assert index.labels.known[VALENCE_AROUSAL][:, 1].tolist() == [True, False, True]
    np.testing.assert_array_equal(index.columns["arousal_FM1"], np.float32([0.5, np.nan, 1]))


def test_recordings_are_in_order_of_number(tmp_path: Path) -> None:
    index = read(make_recola_avec(tmp_path).folder, Findings())
    assert list(dict.fromkeys(index.video.text())) == ["dev_1", "train_1", "train_2", "train_10"]


def test_sound_is_the_wav_and_otherwise_the_video(tmp_path: Path) -> None:
    made = make_recola_avec(tmp_path)
    findings = Findings()
    index = read(made.folder, findings)
    assert rows_of(index, "dev_1").sound.at(0) == "recordings_audio/dev_1.wav"
    assert rows_of(index, "train_1").sound.at(0) == "recordings_video/train_1.mp4"
    assert rows_of(index, "train_2").sound.at(0) == ""
    assert findings.unmatched["label without a picture"].examples == ["train_2"]
    assert findings.unmatched["picture without a label"].examples == ["recordings_video/test_1.mp4"]


def test_of_two_videos_of_one_name_the_first_counts_and_the_other_is_told(tmp_path: Path) -> None:
    gold(tmp_path, "valence", "train_1", "0.00,0.9")
    for place in ("b", "a"):
        (tmp_path / place).mkdir()
        make_video(tmp_path / place / "train_1.avi", frames=1)
    make_sound(tmp_path / "b/train_1.wav", seconds=0.05, rate=16_000, layout="mono")
    findings = Findings()
    index = read(tmp_path, findings)
    assert (index.media.at(0), index.sound.at(0)) == ("a/train_1.avi", "b/train_1.wav")
    assert findings.unmatched["second file of one recording"].examples == ["b/train_1.avi"]


def test_the_folder_of_labels_itself_may_be_given(tmp_path: Path) -> None:
    gold(tmp_path, "valence", "train_1", "0.00,0.9")
    assert len(read(tmp_path / "ratings_gold_standard", Findings())) == 1


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["0.00,0.1", "0.00,0.2"], "line 7: time is '0.00'"),
        (["0.00,-1.01"], "line 6: gold standard is '-1.01'"),
        (["-0.04,0.1"], "line 6: time is '-0.04'"),
        (["0.00"], "line 6: 2 fields, expected 3"),
    ],
)
def test_odd_rows_are_refused(rows: list[str], message: str, tmp_path: Path) -> None:
    gold(tmp_path, "valence", "train_1", *rows)
    with pytest.raises(DatabaseError, match=message):
        read(tmp_path, Findings())


def test_arff_without_its_attributes_is_refused(tmp_path: Path) -> None:
    path = gold(tmp_path, "valence", "train_1", "0.00,0.1")
    path.write_text(path.read_text().replace("GoldStandard", "Other"))
    with pytest.raises(DatabaseError, match="GoldStandard"):
        read(tmp_path, Findings())


def test_development_part_is_tested_by_default() -> None:
    (fold,) = DATABASES["recola"].protocols[0].folds
    assert (fold.train, fold.test) == (("train",), ("validation",))
