import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.databases import DATABASES
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.errors import DatabaseError, OutputError, SettingsError
from mien.interchange.audformat import write
from mien.tasks import VALENCE_AROUSAL
from mien.testing.databases import MAKERS

# audformat 1.4 calls pandas in a way that pandas 3.1 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*inplace.*")


def made(release: str, folder: Path) -> Index:
    name, make = MAKERS[release]
    return DATABASES[name].read(make(folder / "made").folder, Findings())


def loaded(folder: Path) -> Any:
    audformat = pytest.importorskip("audformat")
    return audformat.Database.load(str(folder))


def test_without_the_package_the_command_to_get_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "audformat", None)
    with pytest.raises(SettingsError, match="pip install audformat"):
        write(made("crema_d", tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_times_become_segments_with_their_raters(tmp_path: Path) -> None:
    pytest.importorskip("audformat")
    index = made("recola_avec", tmp_path)
    assert write(index, tmp_path / "out") == 8
    database = loaded(tmp_path / "out")
    assert {name: len(table) for name, table in database.tables.items()} == {
        "labels.train": 16,
        "labels.validation": 8,
    }
    assert database.splits["validation"].type == "dev"
    assert set(database.raters) == {"FM1", "FM2", "FM3", "FF1", "FF2", "FF3"}
    table = database["labels.validation"]
    assert (table.type, table.split_id) == ("segmented", "validation")
    assert table.columns["arousal_FF2"].rater_id == "FF2"
    assert table.columns["arousal_FF2"].scheme_id == "arousal"
    part = index[index.split.matches("validation")]
    starts, ends = (table.df.index.get_level_values(n).total_seconds() for n in ("start", "end"))
    np.testing.assert_allclose(starts, part.seconds)
    np.testing.assert_allclose(ends, part.seconds + 0.04)
    arousal = table.df["arousal"].to_numpy(float)
    known = part.labels.known[VALENCE_AROUSAL][:, 1]
    assert np.isnan(arousal).tolist() == (~known).tolist()
    np.testing.assert_allclose(arousal[known], part.labels.values[VALENCE_AROUSAL][known, 1], atol=1e-6)
    np.testing.assert_allclose(
        table.df["valence_FM1"].to_numpy(float), part.columns["valence_FM1"], atol=1e-6
    )


def test_schemes_state_ranges_and_classes(tmp_path: Path) -> None:
    pytest.importorskip("audformat")
    write(made("crema_d", tmp_path), tmp_path / "out")
    database = loaded(tmp_path / "out")
    assert database.schemes["expression_7"].labels == list(DATABASES["crema_d"].tasks[0].labels)
    assert database.schemes["expression_7_perceived.anger"].maximum == 1
    assert database.license == DATABASES["crema_d"].licence
    write(made("recola_original", tmp_path / "other"), tmp_path / "second", licence="Ours", usage="research")
    second = loaded(tmp_path / "second")
    assert (second.license, second.usage) == ("Ours", "research")
    assert (second.schemes["valence"].minimum, second.schemes["valence"].maximum) == (-1, 1)


def test_clips_are_files_and_ties_have_no_class(tmp_path: Path) -> None:
    pytest.importorskip("audformat")
    index = made("crema_d", tmp_path)
    assert write(index, tmp_path / "out") == 1
    table = loaded(tmp_path / "out")["labels"]
    assert table.type == "filewise"
    row = table.df.loc["VideoFlash/9001_IEO_ANG_LO.flv"]
    assert row["expression_7"] == "anger"
    assert row["expression_7_perceived"] != row["expression_7_perceived"]
    assert (row["expression_7_perceived.anger"], row["expression_7_perceived.disgust"]) == (0.5, 0.5)
    assert (row["subject"], row["level"]) == ("9001", "low")
    assert "AudioWAV/9005_MTI_SAD_XX.wav" in table.files


def test_frames_without_times_need_the_rate(tmp_path: Path) -> None:
    pytest.importorskip("audformat")
    index = made("disfa", tmp_path)
    with pytest.raises(DatabaseError, match="frames per second"):
        write(index, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    write(index, tmp_path / "out", rate=20)
    table = next(iter(loaded(tmp_path / "out").tables.values()))
    starts = table.df.index.get_level_values("start").total_seconds()
    there = np.array([bool(m or s) for m, s in zip(index.media.text(), index.sound.text(), strict=True)])
    np.testing.assert_allclose(sorted(starts), sorted(index.frame[there] / 20))


def test_each_face_has_a_table(tmp_path: Path) -> None:
    pytest.importorskip("audformat")
    write(made("table_csv", tmp_path), tmp_path / "out", rate=25)
    assert {"labels.validation.left", "labels.validation.right"} <= set(loaded(tmp_path / "out").tables)


def test_an_earlier_database_is_replaced_and_nothing_else_is_touched(tmp_path: Path) -> None:
    pytest.importorskip("audformat")
    index = made("crema_d", tmp_path)
    write(index, tmp_path / "out")
    write(index[np.arange(3)], tmp_path / "out")
    assert len(loaded(tmp_path / "out")["labels"]) == 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    with pytest.raises(OutputError, match="exists already"):
        write(index, tmp_path / "mine")
