"""The FER2013 and FERPlus reader: votes, masks, class names and refusals."""

from pathlib import Path

import numpy as np
import pytest

from mien.databases import fer2013
from mien.databases.index import Index
from mien.errors import DatabaseError
from mien.records import Predictions
from mien.tasks import EXPRESSION_7, EXPRESSION_8_CONTEMPT
from mien.testing.databases import make_fer2013


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_fer2013(tmp_path / "fer")


def test_counts_splits_and_classes_by_name(folder: Path) -> None:
    index = fer2013.read(folder)
    assert {str(s): int(n) for s, n in zip(*np.unique(index.split, return_counts=True), strict=True)} == {
        "train": 60,
        "validation": 30,
        "test": 30,
    }
    named = {EXPRESSION_7.labels[i] for i in index.labels.values[EXPRESSION_7].argmax(axis=1)}
    assert named == {"neutral", "happiness", "sadness"}
    assert index.source[0] == "fer2013.csv:1"


def test_both_labellings_agree_by_name(folder: Path) -> None:
    index = fer2013.read(folder)
    known = index.columns["ferplus_majority"] >= 0
    seven = [EXPRESSION_7.labels[i] for i in index.labels.values[EXPRESSION_7].argmax(axis=1)[known]]
    eight = [EXPRESSION_8_CONTEMPT.labels[i] for i in index.columns["ferplus_majority"][known]]
    assert seven == eight


def test_not_a_face_is_masked_in_ferplus_only(folder: Path) -> None:
    index = fer2013.read(folder)
    assert not index.labels.known[EXPRESSION_8_CONTEMPT][1].any()
    assert index.labels.known[EXPRESSION_7][1].all()
    assert index.columns["ferplus_majority"][1] == -1


@pytest.mark.parametrize(
    ("votes", "majority"),
    [  # neutral happiness surprise sadness anger disgust fear contempt unknown NF
        ([4, 0, 0, 1, 3, 2, 0, 0, 0, 0], -1),  # 4 of 9 is no majority
        ([6, 0, 1, 1, 0, 0, 0, 0, 2, 0], 0),  # single votes go: 6 of 8
        ([0, 0, 0, 0, 0, 0, 0, 7, 3, 0], 7),
        ([3, 0, 0, 0, 0, 0, 0, 0, 7, 0], -1),  # most say unknown
        ([0, 0, 0, 0, 0, 0, 0, 0, 0, 10], -1),
        ([1, 1, 1, 1, 1, 1, 1, 1, 1, 1], -1),
    ],
)
def test_majority_rule(votes: list[int], majority: int) -> None:
    expected = EXPRESSION_8_CONTEMPT.index(fer2013.FERPLUS_VOTES[majority]) if majority >= 0 else -1
    assert fer2013.majority(np.array([votes])).tolist() == [expected]


def test_distribution_drops_single_votes_and_sums_to_one() -> None:
    shares, usable = fer2013.distribution(np.array([[6, 0, 1, 0, 2, 0, 0, 0, 1, 0], [0] * 9 + [10]]))
    assert usable.tolist() == [True, False]
    assert shares[0, EXPRESSION_8_CONTEMPT.index("neutral")] == pytest.approx(0.75)
    assert shares[0, EXPRESSION_8_CONTEMPT.index("anger")] == pytest.approx(0.25)
    assert shares[0].sum() == pytest.approx(1)
    assert not shares[1].any()


def test_pictures_come_in_the_index_order(folder: Path) -> None:
    pictures = list(fer2013.pictures(folder))
    assert len(pictures) == 120
    assert pictures[0].shape == (48, 48)
    np.testing.assert_array_equal(pictures[60], pictures[0])  # made so: the repeated picture


def test_header_with_leading_spaces_reads_alike(folder: Path) -> None:
    path = folder / "fer2013.csv"
    path.write_text(path.read_text().replace("emotion,pixels,Usage", "emotion, pixels, Usage", 1))
    assert len(fer2013.read(folder)) == 120


def test_index_round_trip(folder: Path, tmp_path: Path) -> None:
    index = fer2013.read(folder)
    index.save(tmp_path / "index.parquet")
    again = Index.load(tmp_path / "index.parquet")
    assert again.database == "fer2013"
    for task in (EXPRESSION_7, EXPRESSION_8_CONTEMPT):
        np.testing.assert_array_equal(again.labels.values[task], index.labels.values[task])
        np.testing.assert_array_equal(again.labels.known[task], index.labels.known[task])
    np.testing.assert_array_equal(again.columns["ferplus_majority"], index.columns["ferplus_majority"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("emotion,pixels,Usage", "a,b,c", "header is a,b,c"),
        (",Training", ",Trainig", "row 1: Usage is 'Trainig'"),
    ],
)
def test_broken_rows_are_named(folder: Path, old: str, new: str, said: str) -> None:
    path = folder / "fer2013.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DatabaseError, match=said):
        fer2013.read(folder)


def test_wrong_class_number_and_pixel_count_are_named(folder: Path) -> None:
    path = folder / "fer2013.csv"
    lines = path.read_text().splitlines()
    lines[2] = "9" + lines[2][1:]
    path.write_text("\n".join(lines))
    with pytest.raises(DatabaseError, match="row 2: emotion is '9'"):
        fer2013.read(folder)
    lines[1] = lines[1].replace(" ", "", 1)
    path.write_text("\n".join(lines))
    with pytest.raises(DatabaseError, match="row 1"):
        next(iter(fer2013.pictures(folder)))


def test_votes_of_another_length_are_refused(folder: Path) -> None:
    path = folder / "fer2013new.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(DatabaseError, match="119 rows, expected 120"):
        fer2013.read(folder)


def test_scores_count_only_fresh_rows_with_a_majority(folder: Path) -> None:
    index = fer2013.read(folder)
    index = index.with_column("seen_in_training", np.arange(120) == 60)[60:90]
    truth = index.labels.values[EXPRESSION_7]
    eight = np.eye(8, dtype=np.float32)[index.columns["ferplus_majority"]]
    wrong = np.roll(eight, 1, axis=1)
    right = fer2013.scores(index, Predictions({EXPRESSION_7: truth, EXPRESSION_8_CONTEMPT: wrong}))
    assert {
        s.name: (s.value, s.count) for s in right if "accuracy" in s.name and "commonest" not in s.name
    } == {
        "FER2013, 7 classes: accuracy": (1.0, 29),
        "FERPlus, 8 classes, majority: accuracy": (0.0, 29),
    }


def test_a_network_without_the_label_set_is_read_by_class_name(folder: Path) -> None:
    index = fer2013.read(folder)
    index = index.with_column("seen_in_training", np.zeros(120))
    eight = np.eye(8, dtype=np.float32)[np.maximum(index.columns["ferplus_majority"], 0)]
    scores = fer2013.scores(index, Predictions({EXPRESSION_8_CONTEMPT: eight}))
    assert scores[0].value == pytest.approx(119 / 120, abs=0.01)
