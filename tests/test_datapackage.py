import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from mien.databases import DATABASES
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.errors import DatabaseError, OutputError
from mien.files import sha256
from mien.interchange.datapackage import read, write
from mien.tasks import TASKS
from mien.testing.databases import MAKERS

every_kind = pytest.mark.parametrize("release", ["recola_avec", "crema_d", "disfa", "table_csv"])


def made(release: str, folder: Path) -> Index:
    name, make = MAKERS[release]
    return DATABASES[name].read(make(folder / "made").folder, Findings())


@every_kind
def test_a_package_gives_the_same_index(release: str, tmp_path: Path) -> None:
    index = made(release, tmp_path)
    write(index, tmp_path / "package")
    again = read(tmp_path / "package")
    assert (again.database, again.unit) == (index.database, index.unit)
    assert again.video.text() == index.video.text()
    for task, values in index.labels.values.items():
        np.testing.assert_array_equal(again.labels.values[task], values)
        np.testing.assert_array_equal(again.labels.known[task], index.labels.known[task])


@every_kind
def test_every_column_is_described_in_order(release: str, tmp_path: Path) -> None:
    write(made(release, tmp_path), tmp_path / "package")
    package = json.loads((tmp_path / "package/datapackage.json").read_text(encoding="utf-8"))
    (resource,) = package["resources"]
    table = pq.read_table(tmp_path / "package/labels.parquet")
    fields = resource["schema"]["fields"]
    assert [field["name"] for field in fields] == table.column_names
    assert all(field["description"] and field["type"] in ("string", "integer", "number") for field in fields)
    for field in fields:
        task = TASKS.get(field["name"].partition(".")[0])
        if task:
            low, high = task.range
            assert field["constraints"] == {"minimum": low, "maximum": high}
    assert {field["name"]: field.get("unit") for field in fields}["seconds"] == "s"
    assert sum(package["mien"]["rows"].values()) == table.num_rows
    assert resource["hash"] == f"sha256:{sha256(tmp_path / 'package/labels.parquet')}"


def test_the_licence_goes_along(tmp_path: Path) -> None:
    index = made("crema_d", tmp_path)
    write(index, tmp_path / "usual")
    write(index, tmp_path / "own", licence="Nur für uns", title="Ours", description="Third round.")
    usual, own = (json.loads((tmp_path / n / "datapackage.json").read_bytes()) for n in ("usual", "own"))
    assert usual["licenses"][0]["title"] == DATABASES["crema_d"].licence
    assert (own["licenses"][0]["title"], own["title"], own["description"]) == (
        "Nur für uns",
        "Ours",
        "Third round.",
    )
    assert (tmp_path / "own/LICENCE.txt").read_text(encoding="utf-8") == "Nur für uns\n"


@pytest.mark.parametrize("place", [0, 100, -1])
def test_one_changed_byte_is_refused(place: int, tmp_path: Path) -> None:
    write(made("crema_d", tmp_path), tmp_path / "package")
    path = tmp_path / "package/labels.parquet"
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(DatabaseError, match="hash is sha256:"):
        read(tmp_path / "package")


def test_labels_cut_short_are_refused(tmp_path: Path) -> None:
    write(made("crema_d", tmp_path), tmp_path / "package")
    path = tmp_path / "package/labels.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatabaseError, match="bytes is"):
        read(tmp_path / "package")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"resources": []}', '{"resources": [{"path": 1}]}', "["])
def test_descriptions_of_something_else_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "datapackage.json").write_text(text)
    with pytest.raises(DatabaseError, match=r"datapackage\.json"):
        read(tmp_path)


def test_a_folder_without_description_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match=r"datapackage\.json"):
        read(tmp_path)


def test_an_earlier_package_is_replaced_and_nothing_else_is_touched(tmp_path: Path) -> None:
    index = made("crema_d", tmp_path)
    write(index, tmp_path / "package")
    write(index[np.arange(3)], tmp_path / "package")
    assert len(read(tmp_path / "package")) == 3
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    with pytest.raises(OutputError, match="exists already"):
        write(index, tmp_path / "mine")
    assert (tmp_path / "mine/notes.txt").read_text() == "keep"


def test_a_package_is_a_table_too(tmp_path: Path) -> None:
    index = made("table_csv", tmp_path)
    write(index, tmp_path / "package")
    again = DATABASES["table"].read(tmp_path / "package", Findings())
    assert again.video.text() == index.video.text()
