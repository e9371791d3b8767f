from pathlib import Path

import numpy as np
import pytest

from mien.databases.findings import Findings
from mien.databases.sewa import read
from mien.errors import DatabaseError
from mien.tasks import VALENCE_AROUSAL
from mien.testing.databases.made import write_lines
from mien.testing.databases.sewa import make_sewa, make_sewa_avec


def own(folder: Path, clip: str, dimension: str, had: str, *lines: str) -> Path:
    name = f"{clip}_{dimension}_{had}_Aligned.csv"
    return write_lines(folder / clip / dimension.lower() / name, ["Time,A1,A2", *lines])


@pytest.mark.parametrize(
    ("there", "read_first"), [(("A", "V", "AV"), "AV"), (("A", "V"), "V"), (("A",), "A")]
)
def test_annotators_who_had_most_are_read_and_told(
    there: tuple[str, ...], read_first: str, tmp_path: Path
) -> None:
    values = {"A": 0.1, "V": 0.2, "AV": 0.3}
    for had in there:
        own(tmp_path, "x_y_P901_1", "Valence", had, f"0,{values[had]},{values[had]}")
    findings = Findings()
    index = read(tmp_path, findings)
    assert index.labels.values[VALENCE_AROUSAL][0, 0] == pytest.approx(values[read_first])
    assert index.groups["annotators_had"].text() == [read_first]
    assert findings.release.endswith(f"who had {read_first}")


def test_each_dimension_has_its_own_annotators(tmp_path: Path) -> None:
    own(tmp_path, "x_y_P901_1", "Valence", "V", "0,0.1,0.1")
    own(tmp_path, "x_y_P901_1", "Arousal", "A", "0,0.5,0.5")
    index = read(tmp_path, Findings())
    np.testing.assert_allclose(index.labels.values[VALENCE_AROUSAL], [[0.1, 0.5]])
    assert index.groups["annotators_had"].text() == ["V and A"]


@pytest.mark.parametrize(("clip", "subject"), [("SEWA_C1_P901_ad1", "P901"), ("a_b_c", "c"), ("a_b", "")])
def test_subject_is_the_third_part_of_the_name(clip: str, subject: str, tmp_path: Path) -> None:
    own(tmp_path, clip, "Valence", "AV", "0,0.1,0.3")
    assert read(tmp_path, Findings()).subject.text() == [subject]


@pytest.mark.parametrize("value", ["1.0001", "-1.5", "inf", "x"])
def test_values_outside_the_range_are_refused_with_their_line(value: str, tmp_path: Path) -> None:
    path = own(tmp_path, "a_b_c", "Valence", "AV", "0,0.1,0.3", f"0.01,0.1,{value}")
    with pytest.raises(DatabaseError, match=r"line 3: A2 is") as refusal:
        read(tmp_path, Findings())
    assert str(path) in str(refusal.value)
    index = read(tmp_path, Findings(skip=True))
    np.testing.assert_allclose(index.labels.values[VALENCE_AROUSAL][:, 0], [0.2])


def test_both_ways_of_reading_agree(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = [f"{k / 50},{a},{b}" for k, (a, b) in enumerate(rng.uniform(-1, 1, (40, 2)))]
    own(tmp_path / "quick", "a_b_c", "Valence", "AV", *lines)
    own(tmp_path / "slow", "a_b_c", "Valence", "AV", *lines, "0.8,,0.5")
    quick, slow = read(tmp_path / "quick", Findings()), read(tmp_path / "slow", Findings())
    np.testing.assert_array_equal(quick.columns["valence_1"], slow.columns["valence_1"][:-1])
    np.testing.assert_array_equal(
        quick.labels.values[VALENCE_AROUSAL], slow.labels.values[VALENCE_AROUSAL][:-1]
    )
    np.testing.assert_array_equal(quick.seconds, slow.seconds[:-1])
    assert slow.labels.values[VALENCE_AROUSAL][-1, 0] == pytest.approx(0.5)


def test_times_meet_to_the_millisecond_whichever_way_they_were_read(tmp_path: Path) -> None:
    lines = [f"{k / 1000},0.1,0.3" for k in range(1000)]
    own(tmp_path, "a_b_c", "Valence", "AV", *lines)
    own(tmp_path, "a_b_c", "Arousal", "AV", *lines, "1.0,,0.5")
    index = read(tmp_path, Findings())
    assert len(index) == 1001
    assert index.labels.known[VALENCE_AROUSAL][:-1].all()
    np.testing.assert_array_equal(index.seconds, np.arange(1001) / 1000)


def test_a_file_without_header_loses_no_row(tmp_path: Path) -> None:
    write_lines(tmp_path / "a_b_c_Valence_AV_Aligned.csv", ["0.00,0.5,0.1", "0.01,0.5,0.3"])
    index = read(tmp_path, Findings())
    np.testing.assert_allclose(index.labels.values[VALENCE_AROUSAL][:, 0], [0.3, 0.4])


def test_fewer_annotators_leave_unknown_columns(tmp_path: Path) -> None:
    index = read(make_sewa(tmp_path).folder, Findings())
    third = index.video.matches("SEWA_C2_Zoë_talk")
    assert np.isnan(index.columns["valence_4"][third]).all()
    assert np.isfinite(index.columns["valence_3"]).all()
    assert np.isnan(index.columns["arousal_2"][third]).tolist() == [k == 4 for k in range(9)]


def test_features_of_the_same_name_are_not_labels(tmp_path: Path) -> None:
    index = read(make_sewa_avec(tmp_path).folder, Findings())
    assert len(index) == 21
    assert set(index.groups["culture"].text()) == {"DE", "HU"}
    assert index.columns["liking"].dtype == np.float32 and np.isfinite(index.columns["liking"]).all()
    assert set(index.subject.text()) == {""}


def test_labels_are_found_by_their_header_where_no_folder_is_called_labels(tmp_path: Path) -> None:
    write_lines(tmp_path / "gold/Devel_HU_05.csv", ["name;timestamp;valence;arousal", "'x';0.0;0.1;0.2"])
    write_lines(tmp_path / "features/Devel_HU_05.csv", ["name;timestamp;f1;f2", "'x';0.0;0.9;0.9"])
    index = read(tmp_path, Findings())
    np.testing.assert_allclose(index.labels.values[VALENCE_AROUSAL], [[0.1, 0.2]])
    assert index.split.text() == ["validation"]


def test_features_alone_are_refused(tmp_path: Path) -> None:
    write_lines(tmp_path / "features/Train_DE_01.csv", ["name;timestamp;f1;f2", "'x';0.0;0.9;0.9"])
    with pytest.raises(DatabaseError, match="no labels of SEWA"):
        read(tmp_path, Findings())
