"""Damaged label files: whatever is in them, a reader reads on or refuses with mien's own error."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.databases import DATABASES
from mien.databases.findings import Findings
from mien.errors import DatabaseError
from mien.testing.databases import MAKERS

PIECES = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [
            *(b"", b"\n", b",", b";", b'"', b"'", b"\x00", b"nan", b"inf", b"-1", b"1e999", b"9" * 40),
            *(b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"{", b"]", b" ", b"\t", b"-5,-5", b"0x1"),
            *("١٢".encode(), b"true", b"null"),
        ]
    ),
)
"""What is put into a file."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, list[Path]]]:
    made: dict[str, tuple[Path, list[Path]]] = {}

    def folder(release: str) -> tuple[Path, list[Path]]:
        if release not in made:
            database = MAKERS[release][1](tmp_path_factory.mktemp("fuzz") / "made")
            made[release] = database.folder, [*database.texts, *database.others]
        return made[release]

    return folder


@pytest.mark.parametrize("release", MAKERS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data())
def test_damaged_label_files_never_crash_a_reader(
    release: str, folders: Callable[[str], tuple[Path, list[Path]]], data: st.DataObject
) -> None:
    folder, files = folders(release)
    if not files:
        pytest.skip("its labels are in the names of its files")
    path = files[data.draw(st.integers(0, len(files) - 1))]
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    length = data.draw(st.integers(0, 30))
    damaged = whole[:start] + data.draw(PIECES) + whole[start + length :]
    path.write_bytes(damaged[: start + 5] if data.draw(st.booleans()) else damaged)
    try:
        for skip in (False, True):
            told = ""
            try:
                index = DATABASES[MAKERS[release][0]].read(folder, Findings(skip))
            except DatabaseError as error:
                told = str(error)
                continue
            finally:
                assert len(told) < 2000
            for values in index.labels.values.values():
                assert abs(values).max(initial=0) <= 5
    finally:
        path.write_bytes(whole)
