"""What all tests share: the sample video, and skipping where a program of the system is missing."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked with `program(name, ...)` where one of the programs is missing."""
    for mark in item.iter_markers("program"):
        missing = [name for name in mark.args if shutil.which(name) is None]
        if missing:
            pytest.skip(f"not installed on this machine: {', '.join(missing)}")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def sample(root: Path) -> Path:
    """The sample video: four shots with one face, none, one other, and both."""
    return root / "src" / "mien" / "samples" / "portraits.mp4"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all tests of a file."""
    pytest.importorskip("selenium", reason="selenium drives the browser; install it for these tests")
    from browser.chromium import chromium

    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert program
    assert driver
    with chromium(program, driver) as window:
        yield window
