"""FER2013 and FERPlus beyond the shared trial: votes and their modes, forms of the files, scores."""

import math
from pathlib import Path

import numpy as np
import pytest
from counted import counted

from mien.databases import fer2013
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.errors import DatabaseError
from mien.records import Predictions
from mien.tasks import EXPRESSION_7, EXPRESSION_8_CONTEMPT
from mien.testing.databases.fer2013 import make_fer2013, make_fer2013_folders, make_ferplus_folders
from mien.testing.databases.made import write_lines

VOTES = Path(__file__).parents[2] / "shared" / "data" / "fer2013" / "fer2013new.csv"


def votes(text: str) -> np.ndarray:
    """Return a row of ten votes; the order is that of the header.

    neutral happiness surprise sadness anger disgust fear contempt unknown NF
    """
    return np.array([[int(number) for number in text.split()]])


def named(values: np.ndarray) -> dict[str, float]:
    """Return what a row says by class name, without zeros; nothing where it is not usable."""
    pairs = zip(EXPRESSION_8_CONTEMPT.labels, values.tolist(), strict=True)
    return {name: float(value) for name, value in pairs if value and not math.isnan(value)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_fer2013(tmp_path / "fer").folder


def read(folder: Path, skip: bool = False) -> Index:
    return fer2013.read(folder, Findings(skip))


@pytest.mark.parametrize(
    ("row", "label"),
    [
        ("4 0 0 1 3 2 0 0 0 0", None),  # 4 of 9 is no majority
        ("6 0 1 1 0 0 0 0 2 0", "neutral"),  # single votes go: 6 of 8
        ("5 0 0 0 3 2 0 0 0 0", None),  # half is not more than half
        ("5 0 0 0 3 1 1 0 0 0", "neutral"),  # 5 of 8
        ("0 0 0 0 0 0 0 7 3 0", "contempt"),
        ("3 0 0 0 0 0 0 0 7 0", None),  # most say unknown
        ("0 0 0 0 0 0 0 0 0 10", None),
        ("1 1 1 1 1 1 1 1 1 1", None),
    ],
)
def test_majority_by_hand(row: str, label: str | None) -> None:
    expected = EXPRESSION_8_CONTEMPT.index(label) if label else -1
    assert fer2013.majority(votes(row)).tolist() == [expected]


@pytest.mark.parametrize(
    ("row", "shares"),
    [
        ("8 2 0 0 0 0 0 0 0 0", {"neutral": 1.0}),  # 8 of 10 is three quarters already
        ("6 4 0 0 0 0 0 0 0 0", {"neutral": 0.6, "happiness": 0.4}),  # 6 of 10 is not
        ("6 2 1 1 0 0 0 0 0 0", {"neutral": 1.0}),  # single votes gone: 6 of 8 is just three quarters
        ("4 0 0 3 2 1 0 0 0 0", {"neutral": 4 / 7, "sadness": 3 / 7}),  # single vote gone: 7 of 9 is enough
        ("4 0 0 2 2 2 0 0 0 0", {}),  # neutral, then three equal ones at once: four classes
        ("3 3 2 2 0 0 0 0 0 0", {}),  # two equal, then two equal: four classes
        ("3 3 3 1 0 0 0 0 0 0", {"neutral": 1 / 3, "happiness": 1 / 3, "surprise": 1 / 3}),
        ("0 0 0 0 0 0 0 0 6 4", {}),  # unknown comes first
        ("4 2 0 0 0 0 0 0 4 0", {}),  # neutral taken, unknown ends it: 4 of 10 is no more than half
        ("6 0 0 0 0 0 0 2 2 0", {"neutral": 0.75, "contempt": 0.25}),
        ("6 2 0 0 0 0 0 0 0 2", {"neutral": 0.75, "happiness": 0.25}),
        ("5 0 0 0 0 0 0 0 5 0", {}),  # equal to unknown: kept itself, but just half
        ("1 1 1 1 1 1 1 1 1 1", {}),
    ],
)
def test_probability_by_hand(row: str, shares: dict[str, float]) -> None:
    assert named(fer2013.probability(votes(row))[0]) == pytest.approx(shares)


@pytest.mark.parametrize(
    ("row", "classes"),
    [
        ("3 7 0 0 0 0 0 0 0 0", {"neutral", "happiness"}),  # 30 % is enough
        ("2 8 0 0 0 0 0 0 0 0", {"happiness"}),
        ("2 4 1 1 1 1 0 0 0 0", {"neutral", "happiness"}),  # single votes gone: 2 of 6 is a third
        ("4 2 2 2 0 0 0 0 0 0", set()),  # only neutral has 30 %, but just 4 of 10
        ("3 3 0 0 0 0 0 0 4 0", set()),  # unknown has most
        ("4 0 0 0 0 0 3 0 3 0", {"neutral", "fear"}),
        ("0 0 0 0 0 0 0 0 0 10", set()),
        ("1 1 1 1 1 1 1 1 1 1", set()),
    ],
)
def test_multi_target_by_hand(row: str, classes: set[str]) -> None:
    assert set(named(fer2013.multi_target(votes(row))[0])) == classes


@pytest.mark.parametrize("mode", [fer2013.majority, fer2013.probability, fer2013.multi_target])
def test_a_mode_treats_each_row_alone(mode) -> None:  # noqa: ANN001
    rng = np.random.default_rng(0)
    rows = rng.multinomial(10, np.full(10, 0.1), 200)
    together = mode(rows)
    np.testing.assert_array_equal(together, np.concatenate([mode(row[None]) for row in rows]))


def test_distribution_drops_single_votes_and_sums_to_one() -> None:
    shares = fer2013.distribution(votes("6 0 1 0 2 0 0 0 1 0"))
    assert named(shares[0]) == pytest.approx({"neutral": 0.75, "anger": 0.25})
    assert np.isnan(fer2013.distribution(votes("0 0 0 0 0 0 0 0 0 10"))).all()


def test_a_row_without_image_name_has_no_votes(folder: Path) -> None:
    path = folder / "fer2013new.csv"
    lines = path.read_text().splitlines()
    usage, name, *counted = lines[5].split(",")
    assert name
    lines[5] = ",".join([usage, "", *counted])
    path.write_text("\n".join(lines))
    index = read(folder)
    assert index.columns["votes_neutral"][4] == -1
    assert not index.labels.known[EXPRESSION_8_CONTEMPT][4].any()
    assert index.labels.known[EXPRESSION_7][4].all()


def test_votes_shifted_against_the_pictures_are_refused(folder: Path) -> None:
    path = folder / "fer2013new.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[2:], lines[-1]]))
    with pytest.raises(DatabaseError, match="line 61: Usage is 'PublicTest', but 'Training'"):
        read(folder)


def test_votes_of_another_length_are_refused(folder: Path) -> None:
    path = folder / "fer2013new.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]))
    with pytest.raises(DatabaseError, match=r"119 rows, expected as many"):
        read(folder)


def test_votes_alone_are_refused(folder: Path) -> None:
    (folder / "fer2013.csv").unlink()
    with pytest.raises(DatabaseError, match=r"no fer2013\.csv"):
        read(folder)


def test_the_variant_with_spaces_in_its_header_reads_alike(folder: Path) -> None:
    whole = read(folder)
    path = folder / "fer2013.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()]
    text = "\n".join([f"{rows[0][0]}, {rows[0][2]}, {rows[0][1]}", *(f"{a},{c},{b}" for a, b, c in rows[1:])])
    (folder / "icml_face_data.csv").write_text(text)
    path.unlink()
    index = read(folder)
    assert index.media.counts() == {"icml_face_data.csv": 120}
    for task in (EXPRESSION_7, EXPRESSION_8_CONTEMPT):
        np.testing.assert_array_equal(index.labels.values[task], whole.labels.values[task])
    frame, picture = next(fer2013.pictures(folder, "icml_face_data.csv", np.array([3])))
    assert (frame, picture.shape) == (3, (48, 48))


def test_a_table_in_the_folder_of_an_archive_is_found(folder: Path, tmp_path: Path) -> None:
    inner = tmp_path / "archive" / "fer2013"
    inner.mkdir(parents=True)
    (folder / "fer2013.csv").rename(inner / "fer2013.csv")
    (folder / "fer2013new.csv").rename(tmp_path / "archive" / "fer2013new.csv")
    findings = Findings()
    index = fer2013.read(tmp_path / "archive", findings)
    assert findings.release == "fer2013.csv with FERPlus"
    assert index.media.counts() == {"fer2013/fer2013.csv": 120}
    assert len(list(fer2013.pictures(tmp_path / "archive", index.media.at(0), index.frame))) == 120


def test_pictures_come_in_order_and_only_those_wanted(folder: Path) -> None:
    found = dict(fer2013.pictures(folder, "fer2013.csv", np.array([0, 7, 60])))
    assert list(found) == [0, 7, 60]
    np.testing.assert_array_equal(found[60], found[0])  # made so: the repeated picture
    assert (found[7] != found[0]).any()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("emotion,pixels,Usage", "a,b,c", "no column emotion, pixels, Usage"),
        (",Training", ",Trainig", "line 2: Usage is 'Trainig'"),
        ("\n6,", "\n9,", "emotion is '9', expected a whole number from 0 to 6"),
        (" ", "", "line 2: pixels are"),
        (" ", " 256 ", "line 2: pixels are"),
        (" ", " ١ ", "line 2: pixels are"),
    ],
)
def test_broken_rows_are_named(folder: Path, old: str, new: str, said: str) -> None:
    path = folder / "fer2013.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DatabaseError, match=said):
        read(folder)


def test_class_folders_say_that_their_test_part_is_another(tmp_path: Path) -> None:
    findings = Findings()
    index = fer2013.read(make_fer2013_folders(tmp_path / "fer").folder, findings)
    assert "merges" in findings.release
    assert "not the contest's" in findings.notes[0]
    assert findings.unmatched["folder that is no class"].examples == ["train/unsorted"]
    index = index.with_columns({"seen_in_training": np.zeros(len(index))})[index.split.matches("test")]
    guess = Predictions({EXPRESSION_7: index.labels.values[EXPRESSION_7]})
    assert counted(index, guess) == {"FER2013": (1.0, 14)}


def test_class_folders_by_adjectives_mean_the_same(tmp_path: Path) -> None:
    made = make_fer2013_folders(tmp_path / "fer")
    whole = fer2013.read(made.folder, Findings()).labels.values[EXPRESSION_7]
    for part in ("train", "test"):
        for name, other in (("fear", "fearful"), ("disgust", "disgusted"), ("surprise", "Surprised")):
            if (made.folder / part / name).is_dir():
                (made.folder / part / name).rename(made.folder / part / other)
    findings = Findings()
    index = fer2013.read(made.folder, findings)
    np.testing.assert_array_equal(index.labels.values[EXPRESSION_7].sum(axis=0), whole.sum(axis=0))
    assert findings.unmatched["folder that is no class"].examples == ["train/unsorted"]


def test_prepared_folders_tell_what_has_no_counterpart(tmp_path: Path) -> None:
    findings = Findings()
    index = fer2013.read(make_ferplus_folders(tmp_path / "fer").folder, findings)
    assert findings.unmatched["label without a picture"].examples == ["FER2013Train/fer0000002.png"]
    assert findings.unmatched["picture without a label"].examples == ["FER2013Valid/fer0029999.png"]
    assert EXPRESSION_7 not in index.labels.values
    index = index.with_columns({"seen_in_training": np.zeros(len(index))})
    guess = Predictions({EXPRESSION_8_CONTEMPT: index.labels.values[EXPRESSION_8_CONTEMPT]})
    assert {value for value, _ in counted(index, guess).values()} == {1.0}


def test_a_picture_listed_twice_counts_once_and_not_with_two_labels(tmp_path: Path) -> None:
    made = make_ferplus_folders(tmp_path / "fer")
    lines = made.texts[0].read_text().splitlines()
    made.texts[0].write_text("\n".join([*lines, lines[0].replace("fer", "FER", 1)]))
    findings = Findings()
    assert len(fer2013.read(made.folder, findings)) == len(made.rows)
    assert "1 rows repeat a picture" in findings.notes[0]
    made.texts[0].write_text("\n".join([*lines, f"{lines[0].rsplit(',', 2)[0]},5,5"]))
    with pytest.raises(DatabaseError, match=r"line 6: fer0000000\.png is there a second time"):
        read(made.folder)


def test_scores_count_only_fresh_rows_that_have_a_label(folder: Path) -> None:
    index = read(folder)
    index = index.with_columns({"seen_in_training": np.arange(120) == 60})[np.arange(60, 90)]
    wrong = np.eye(8, dtype=np.float32)[[EXPRESSION_8_CONTEMPT.index("contempt")] * 30]
    told = counted(
        index,
        Predictions({EXPRESSION_7: index.labels.values[EXPRESSION_7], EXPRESSION_8_CONTEMPT: wrong}),
    )
    assert told == {
        "FER2013": (1.0, 29),
        "FERPlus majority": (0.0, 29),
        "FERPlus probability": (0.0, 29),
        "FERPlus multi-target": (0.0, 29),
    }


def test_each_mode_has_its_own_pictures_and_right_classes(folder: Path) -> None:
    index = read(folder)
    index = index.with_columns({"seen_in_training": np.zeros(120)})[np.arange(3)]
    rows = ["4 3 3 0 0 0 0 0 0 0", "6 4 0 0 0 0 0 0 0 0", "4 0 0 0 3 0 0 0 3 0"]
    table = np.concatenate([votes(row) for row in rows])
    index = index.with_columns({f"votes_{n}": table[:, i] for i, n in enumerate(fer2013.FERPLUS_VOTES)})
    happy = np.eye(8, dtype=np.float32)[[EXPRESSION_8_CONTEMPT.index("happiness")] * 3]
    told = counted(index, Predictions({EXPRESSION_8_CONTEMPT: happy}))
    # majority: row 1 alone, neutral; probability: all three, neutral leads or is equal; multi-target: all
    # three, and happiness is among the right ones of rows 0 and 1
    assert told["FERPlus majority"] == (0.0, 1)
    assert told["FERPlus probability"] == (0.0, 3)
    assert told["FERPlus multi-target"] == pytest.approx((2 / 3, 3))


def test_a_network_without_the_label_set_is_read_by_class_name(folder: Path) -> None:
    index = read(folder)
    index = index.with_columns({"seen_in_training": np.zeros(120)})
    eight = Predictions({EXPRESSION_8_CONTEMPT: index.labels.values[EXPRESSION_8_CONTEMPT]})
    assert counted(index, eight)["FER2013"][0] == pytest.approx(119 / 120, abs=0.01)


def test_the_original_votes_give_as_many_labels_as_their_own_code(tmp_path: Path) -> None:
    if not VOTES.exists():
        pytest.skip(f"FERPlus's own file is not there ({VOTES})")
    parts: dict[str, list[str]] = {"Training": [], "PublicTest": []}
    for line in VOTES.read_text().splitlines()[1:]:
        usage, row = line.split(",", 1)
        if not row.startswith(","):
            parts[usage].append(row)
    write_lines(tmp_path / "FER2013Train" / "label.csv", parts["Training"])
    write_lines(tmp_path / "FER2013Valid" / "label.csv", parts["PublicTest"])
    index = read(tmp_path)
    assert index.split.counts() == {"train": 28_558, "validation": 3_579}
    counted = np.stack([index.columns[f"votes_{name}"] for name in fer2013.FERPLUS_VOTES], axis=1)
    for part, expected in (("train", (25_057, 27_953, 27_668)), ("validation", (3_199, 3_505, 3_472))):
        rows = counted[index.split.matches(part)]
        usable = (
            fer2013.majority(rows) >= 0,
            np.isfinite(fer2013.probability(rows)).all(axis=1),
            fer2013.multi_target(rows).any(axis=1),
        )
        assert tuple(int(mode.sum()) for mode in usable) == expected
