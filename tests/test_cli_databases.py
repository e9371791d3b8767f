"""The commands about databases, as people type them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mien.databases import DATABASES
from mien.databases.checking import check
from mien.preparation.prepared import Prepared
from mien.testing.databases import MAKERS
from mien.testing.databases.made import Made, write_face, write_lines


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "mien"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def made(release: str, folder: Path) -> Made:
    return MAKERS[release][1](folder)


def test_list_names_every_database_and_its_labels() -> None:
    listed = run("databases", "list")
    assert listed.returncode == 0
    for name, database in DATABASES.items():
        assert f"{name} " in listed.stdout
        assert database.title in listed.stdout


def test_list_of_one_tells_labels_protocols_licence_and_citation() -> None:
    told = run("databases", "list", "disfa").stdout
    database = DATABASES["disfa"]
    for text in (database.licence, database.obtain, database.citation, "AU26", "3 folds of subjects"):
        assert text in told
    assert all(protocol.name in told for protocol in database.protocols)


@pytest.mark.parametrize("name", ["affectnet", "aff_wild2", "fer2013", "sewa"])
def test_list_of_one_tells_each_published_figure_with_its_note_and_source(name: str) -> None:
    told = run("databases", "list", name).stdout
    lines = told.splitlines()
    database = DATABASES[name]
    shown = [line for line in lines if re.match(r"    -?[0-9.]+ .* (19|20)[0-9]{2} \[[0-9]+\]$", line)]
    assert len(shown) == len(database.published)
    for figure in database.published:
        (source,) = {line.split("]")[0] for line in lines if line.endswith(f"] {figure.source}")}
        fits = [line for line in shown if line.split()[0] == f"{figure.value:g}" and figure.system in line]
        assert any(line.endswith(f"{figure.year} {source.strip()}]") for line in fits)
        assert all(text in told for text in (figure.note, figure.role, figure.part, figure.metric or ""))
    assert ("none that could be verified" in told) == (not database.published)
    for name, parts in database.sums.items():
        assert f"  {name}: the sum of {', '.join(parts)}" in lines


def test_list_of_one_tells_how_it_is_counted() -> None:
    assert "accuracy (beside it macro F1), " in run("databases", "list", "affectnet").stdout
    assert "of each recording by itself, then the mean" in run("databases", "list", "omg_emotion").stdout
    assert "also stand in the training part are left out" in run("databases", "list", "fer2013").stdout


def test_unknown_database_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    for command in (("databases", "list", "affnet"), ("databases", "check", "affnet", tmp_path)):
        refused = run(*command)
        assert refused.returncode == 1
        assert "affectnet" in refused.stderr
        assert "Traceback" not in refused.stderr


def own(folder: Path, *rows: str) -> Path:
    """A table of one's own, with a picture for each row."""
    for row in rows:
        write_face(folder / row.split(",")[0], np.random.default_rng(0))
    write_lines(folder / "manifest.csv", ["path,split,subject,expression", *rows])
    return folder


def test_a_whole_folder_has_no_faults(tmp_path: Path) -> None:
    folder = own(tmp_path / "own", "a.png,train,anna,neutral", "b.png,test,bob,fear")
    checked = run("databases", "check", "table", folder)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout.rstrip().endswith("no faults")
    assert "release: " in checked.stdout


def test_numbers_that_differ_from_the_published_ones_are_faults(tmp_path: Path) -> None:
    checked = run("databases", "check", "fer2013", made("fer2013", tmp_path / "fer").folder)
    assert checked.returncode == 1
    assert "rows in train: 60 found, 28,709 published" in checked.stdout


@pytest.mark.parametrize("release", ["aff_wild2_abaw3", "disfa", "affectnet_2017", "table_csv"])
def test_a_bad_line_is_told_by_file_and_number(release: str, tmp_path: Path) -> None:
    database = made(release, tmp_path / "made")
    bad = database.bads[0]
    lines = bad.path.read_text(encoding="utf-8").splitlines()
    lines[bad.line - 1] = bad.text
    bad.path.write_text("\n".join(lines), encoding="utf-8")
    result = check(MAKERS[release][0], database.folder)
    told = next(fault for fault in result.faults if "malformed" in fault)
    assert told.startswith("1 malformed rows")
    assert f"{bad.path}, line {bad.line}: " in told
    assert run("databases", "check", MAKERS[release][0], database.folder).returncode == 1


def test_people_in_two_parts_and_in_two_databases_are_told(tmp_path: Path) -> None:
    rows = ("a.png,train,anna,neutral", "b.png,test,anna,fear", "c.png,test,bob,anger")
    folder = own(tmp_path / "own", *rows)
    leaks = check("table", folder).faults
    assert leaks == ["1 subjects both in train and in test\n      anna"]
    related = check("disfa_plus", made("disfa_plus", tmp_path / "plus").folder)
    assert any("also in disfa" in note for note in related.notes)


def test_recordings_in_two_databases_are_told_where_no_people_are_named(tmp_path: Path) -> None:
    for name in ("valence", "arousal"):
        write_lines(tmp_path / "annotations" / "train" / name / "105.txt", ["0.1"])
    assert any(
        "1 of 1 recordings are also in aff_wild2 (105)" in note for note in check("aff_wild", tmp_path).notes
    )
    assert "in common with aff_wild2" in run("databases", "list", "aff_wild").stdout


def test_prepare_says_what_it_did_and_refuses_to_replace(tmp_path: Path) -> None:
    folder = made("raf_db", tmp_path / "raf").folder
    out = tmp_path / "prepared"
    arguments = ("prepare", "raf_db", folder, "-o", out, "--size", "48", "--colour", "grey")
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert f"{out}: rows " in done.stdout
    assert Prepared.open(out).preprocessing.channels == 1
    again = run(*arguments)
    assert again.returncode == 1
    assert "exists already" in again.stderr
    assert run("prepare", "raf_db", folder).returncode == 2


def test_what_was_left_out_is_told_and_no_more_than_one_can_read(tmp_path: Path) -> None:
    rows = [f"p{number:02d}.png,train,anna,fear" for number in range(25)]
    folder = own(tmp_path / "own", *rows)
    for number in range(24):
        (folder / f"p{number:02d}.png").write_bytes(b"no picture")
    refused = run("prepare", "table", folder, "-o", tmp_path / "out", "-q")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert f"{folder / 'p00.png'}: is in no picture format" in refused.stderr
    assert not (tmp_path / "out").exists()
    other = tmp_path / "other ü"
    done = run("prepare", "table", folder, "-o", f"{other}/", "-q", "--skip-malformed")
    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    assert len(told) == 21
    assert told[-1] == "mien: left out: 4 more; see manifest.json"
    assert Prepared.open(other).index.columns["picture"].tolist() == [0] * 24 + [1]


def test_a_size_that_no_memory_holds_is_a_wrong_call(tmp_path: Path) -> None:
    folder = own(tmp_path / "own", "a.png,train,anna,fear")
    refused = run("prepare", "table", folder, "-o", tmp_path / "out", "--size", "100000")
    assert refused.returncode == 2
    assert "16<=x<=1024" in refused.stderr


@pytest.mark.parametrize(
    "command", [("databases",), ("databases", "list"), ("databases", "check"), ("prepare",)]
)
def test_help_has_an_example(command: tuple[str, ...]) -> None:
    told = run(*command, "--help")
    assert told.returncode == 0
    assert "Example" in told.stdout
    assert "mien " + " ".join(command[:1]) in told.stdout.split("Example", 1)[1]


def test_openface_there_and_back(sample: Path, tmp_path: Path) -> None:
    run("analyze", sample, "-o", tmp_path / "result", "--no-overlay", "--no-report", "-q")
    out = run("openface", tmp_path / "result" / "predictions.parquet", "-o", tmp_path / "csv")
    assert out.stdout.strip() == str(tmp_path / "csv" / "portraits.csv")
    back = run("openface", tmp_path / "csv" / "portraits.csv", "-o", tmp_path / "back.parquet")
    assert back.returncode == 0, back.stderr
    original = pq.read_table(tmp_path / "result" / "predictions.parquet")
    again = pq.read_table(tmp_path / "back.parquet")
    assert again["frame"].to_pylist() == original["frame"].to_pylist()
    assert again["face"].to_pylist() == original["face"].to_pylist()
    happy = [name["expression_happiness"].to_numpy(zero_copy_only=False) for name in (original, again)]
    np.testing.assert_allclose(happy[0], happy[1], rtol=1e-6)
    refused = run("openface", tmp_path / "csv", "-o", tmp_path / "x.parquet")
    assert refused.returncode == 2


@pytest.mark.parametrize("kind", ["datapackage", "audformat"])
def test_export_writes_labels_in_a_common_form(kind: str, tmp_path: Path) -> None:
    if kind == "audformat":
        pytest.importorskip("audformat")
    folder = made("ravdess", tmp_path / "ravdess").folder
    done = run("databases", "export", "ravdess", folder, "-o", tmp_path / "out", "--to", kind)
    assert done.returncode == 0, done.stderr
    assert " rows" in done.stdout
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"datapackage": "datapackage.json", "audformat": "db.yaml"}[kind] in names
