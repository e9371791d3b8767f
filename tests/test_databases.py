"""The same trial for every reader: a made database in its own format, whole, rearranged and spoiled."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from mien.databases import DATABASES
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import PICTURES, VIDEOS
from mien.errors import DatabaseError, MienError
from mien.testing.databases import MAKERS
from mien.testing.databases.made import Key, Made, Row

every_database = pytest.mark.parametrize("release", MAKERS)


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    return {}


@pytest.fixture
def made(
    release: str, originals: dict[str, Made], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> Made:
    """A copy of a made database that the test may change, in a folder with a name that is not ASCII."""
    if release not in originals:
        originals[release] = MAKERS[release][1](tmp_path_factory.mktemp("made") / "Gesichter – 顔")
    original = originals[release]
    folder = tmp_path / "données 顔"
    shutil.copytree(original.folder, folder)

    def moved(path: Path) -> Path:
        return folder / path.relative_to(original.folder)

    return Made(
        folder,
        original.rows,
        [type(bad)(moved(bad.path), bad.line, bad.text, bad.touched) for bad in original.bads],
        [moved(path) for path in original.texts],
        [moved(path) for path in original.others],
        {moved(path): keys for path, keys in original.lost.items()},
        [moved(path) for path in original.numbered],
    )


def read(release: str, made: Made, findings: Findings | None = None) -> Index:
    return DATABASES[MAKERS[release][0]].read(made.folder, findings or Findings())


def keys(index: Index) -> list[Key]:
    columns = (index.split.text(), index.video.text(), index.face.text(), index.frame.tolist())
    return list(zip(*columns, strict=True))


def differences(index: Index, rows: dict[Key, Row]) -> list[str]:
    """Return in which of the rows the index differs from the truth."""
    wrong = []
    for place, key in enumerate(keys(index)):
        if key not in rows:
            continue
        row = rows[key]
        for task in {*index.labels.values, *row.labels}:
            truth = row.labels.get(task, {})
            if truth and task.kind == "categorical":
                truth = {label: truth.get(label, 0.0) for label in task.labels}
            if task not in index.labels.values:
                wrong.append(f"{key}: {task.name} is missing")
                continue
            known = index.labels.known[task][place]
            values = index.labels.values[task][place]
            told = {
                label: float(value) for label, value, k in zip(task.labels, values, known, strict=True) if k
            }
            if told != pytest.approx(dict(truth), abs=1e-6):
                wrong.append(f"{key}: {task.name} is {told}, should be {dict(truth)}")
        if index.subject.at(place) != row.subject:
            wrong.append(f"{key}: subject {index.subject.at(place)!r}, should be {row.subject!r}")
        if (index.media.at(place) != "") != row.picture:
            wrong.append(f"{key}: media {index.media.at(place)!r}")
        if row.seconds is not None and index.seconds[place] != pytest.approx(row.seconds):
            wrong.append(f"{key}: {index.seconds[place]} s, should be {row.seconds}")
    return wrong


@every_database
def test_rows_and_labels_are_the_truth(release: str, made: Made) -> None:
    findings = Findings()
    index = read(release, made, findings)
    truth = {row.key: row for row in made.rows}
    assert len(truth) == len(made.rows)
    assert sorted(keys(index)) == sorted(truth)
    assert differences(index, truth) == []
    assert findings.malformed.count == 0
    assert findings.release


@every_database
def test_index_keeps_its_promises(release: str, made: Made) -> None:
    index = read(release, made)
    assert index.database == MAKERS[release][0]
    assert set(index.labels.values) <= set(DATABASES[index.database].tasks)
    for task, values in index.labels.values.items():
        known = index.labels.known[task]
        low, high = task.range
        assert values.shape == known.shape == (len(index), len(task))
        assert values[known].min(initial=low) >= low
        assert values[known].max(initial=high) <= high
        if task.kind == "categorical":
            assert (known.all(axis=1) == known.any(axis=1)).all(), "a class is known, another is not"
            np.testing.assert_allclose(values[known.all(axis=1)].sum(axis=1), 1, atol=1e-6)
    assert set(index.split.counts()) <= {"train", "validation", "test", ""}
    sequence = list(zip(index.split.text(), index.video.text(), index.face.text(), strict=True))
    changes = [a for a, b in zip(sequence, [*sequence[1:], None], strict=True) if a != b]
    assert len(changes) == len(set(changes)), "the rows of a face lie apart"
    for a, b in zip(range(len(index) - 1), range(1, len(index)), strict=True):
        if sequence[a] == sequence[b] and index.unit == "frame":
            assert index.frame[a] < index.frame[b]
    for column in (index.media, index.sound):
        for name in column.counts():
            assert name == "" or (made.folder / name).exists(), name


@every_database
def test_no_subject_is_in_two_parts_of_a_fold(release: str, made: Made) -> None:
    index = read(release, made)
    for protocol in DATABASES[index.database].protocols:
        for train, validation, test in protocol.parts(index):
            parts = [set(index[rows].subject.counts()) - {""} for rows in (train, validation, test)]
            assert not parts[0] & parts[2]
            assert not parts[1] & parts[2]
            videos = [set(index[rows].video.counts()) for rows in (train, validation, test)]
            assert not videos[0] & videos[2]


@every_database
def test_index_survives_a_file(release: str, made: Made, tmp_path: Path) -> None:
    index = read(release, made)
    index.save(tmp_path / "index.parquet")
    again = Index.load(tmp_path / "index.parquet")
    assert keys(again) == keys(index)
    for name in ("subject", "media", "sound"):
        assert getattr(again, name).text() == getattr(index, name).text()
    np.testing.assert_array_equal(again.seconds, index.seconds)
    assert (again.unit, again.cropped, again.numbering) == (index.unit, index.cropped, index.numbering)
    for task, values in index.labels.values.items():
        np.testing.assert_array_equal(again.labels.values[task], values)
        np.testing.assert_array_equal(again.labels.known[task], index.labels.known[task])
    assert again.columns.keys() == index.columns.keys()
    for name, column in index.columns.items():
        np.testing.assert_array_equal(again.columns[name], column)
    assert {n: g.text() for n, g in again.groups.items()} == {n: g.text() for n, g in index.groups.items()}


@every_database
def test_a_bad_line_is_named_and_skipped_only_when_asked(release: str, made: Made) -> None:
    assert made.bads or not made.texts
    truth = {row.key: row for row in made.rows}
    for bad in made.bads:
        before = bad.path.read_bytes()
        texts = before.decode().splitlines()
        texts[bad.line - 1] = bad.text
        bad.path.write_bytes("".join(f"{text}\n" for text in texts).encode())
        with pytest.raises(DatabaseError) as refusal:
            read(release, made)
        assert str(bad.path) in str(refusal.value)
        assert f"line {bad.line}:" in str(refusal.value)
        findings = Findings(skip=True)
        index = read(release, made, findings)
        assert findings.malformed.count == 1, findings.malformed.examples
        assert f"line {bad.line}:" in findings.malformed.examples[0]
        untouched = {key: row for key, row in truth.items() if key not in bad.touched}
        assert set(untouched) <= set(keys(index)) <= set(truth)
        assert differences(index, untouched) == []
        bad.path.write_bytes(before)


@every_database
@pytest.mark.parametrize("change", ["crlf", "no final newline", "byte order mark", "spaces"])
def test_line_ends_and_marks_do_not_matter(release: str, change: str, made: Made) -> None:
    if not made.texts:
        pytest.skip("its label files are not text")
    for path in made.texts:
        data = path.read_bytes()
        if change == "crlf":
            data = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        elif change == "no final newline":
            data = data.rstrip()
        elif change == "byte order mark":
            data = b"\xef\xbb\xbf" + data
        else:
            data = data.replace(b"\n", b" \n") + b"\n\n"
        path.write_bytes(data)
    truth = {row.key: row for row in made.rows}
    index = read(release, made)
    assert sorted(keys(index)) == sorted(truth)
    assert differences(index, truth) == []


@every_database
def test_upper_case_extensions_are_found(release: str, made: Made) -> None:
    media = [p for p in made.folder.rglob("*") if p.suffix.lower() in PICTURES | VIDEOS | {".wav"}]
    if not media:
        pytest.skip("it has no files of pictures, videos or sound")
    for path in media:
        path.rename(path.with_suffix(path.suffix.upper()))
    index = read(release, made)
    truth = {row.key: row for row in made.rows}
    assert sorted(keys(index)) == sorted(truth)
    assert differences(index, truth) == []


@every_database
def test_mixed_padding_of_numbers_is_found(release: str, made: Made) -> None:
    if not made.numbered:
        pytest.skip("it has no folders of numbered pictures")
    for folder in made.numbered:
        for count, path in enumerate(sorted(folder.iterdir())):
            number = int(path.stem)
            path.rename(path.with_stem(str(number) if count % 2 else f"{number:06d}"))
    index = read(release, made)
    assert differences(index, {row.key: row for row in made.rows}) == []


@every_database
def test_missing_pictures_are_told(release: str, made: Made) -> None:
    if not made.lost:
        if not (made.texts or made.others):
            pytest.skip("its labels are in the names of its files: a lost picture is a lost row")
        assert not [p for p in made.folder.rglob("*") if p.suffix.lower() in PICTURES | VIDEOS]
        pytest.skip("it has no files of pictures or videos")
    whole = Findings()
    read(release, made, whole)
    for path, without in made.lost.items():
        findings = Findings()
        path.rename(path.with_suffix(".gone"))
        index = read(release, made, findings)
        path.with_suffix(".gone").rename(path)
        media = dict(zip(keys(index), index.media.text(), strict=True))
        truth = {row.key: row for row in made.rows}
        assert set(media) == set(truth), "a row without a picture stays, without media"
        assert {key for key in truth if not media[key] and truth[key].picture} == set(without)
        assert (findings.unmatched, findings.notes) != (whole.unmatched, whole.notes)


@every_database
def test_an_empty_folder_is_refused_clearly(release: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(MienError, match=folder.name):
            DATABASES[MAKERS[release][0]].read(folder, Findings())


def test_every_database_has_a_maker() -> None:
    assert {name for name, _ in MAKERS.values()} == set(DATABASES)
    assert list(DATABASES) == sorted(DATABASES)


@pytest.mark.parametrize("name", DATABASES)
def test_everything_is_said_of_a_database(name: str) -> None:
    database = DATABASES[name]
    for text in (database.title, database.licence, database.obtain, database.citation):
        assert len(text) > 3
    assert database.protocols or name == "table"
    assert len({protocol.name for protocol in database.protocols}) == len(database.protocols)
    for protocol in database.protocols:
        assert protocol.task in database.tasks
    for count in database.counts:
        assert count.task is None or count.task in database.tasks
        assert not count.label or (count.task is not None and count.label in count.task.labels)
