"""The folder of an evaluation: its records and its page say what the results say."""

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import GREY, drawn
from hypothesis import given
from hypothesis import strategies as st
from results import EMPTY, HOSTILE, SLUG, faces, plane, units

from mien.arrays import FloatArray
from mien.benchmark import Result, evaluate
from mien.benchmark.folder import RESERVED, number, page, percent, section, slugs, write
from mien.errors import OutputError
from mien.records import Predictions
from mien.tasks import ACTION_UNITS_8, EXPRESSION_7, VALENCE_AROUSAL

pytest.importorskip("matplotlib", reason="matplotlib draws the pictures; install it for these tests")

in_browser = pytest.mark.program("chromium", "chromedriver")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluation") / "results" / "out"
    write([faces(), units(), plane(), EMPTY, plane()], out)
    return out


def test_the_folder_holds_a_record_and_pictures_for_each(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        *("index.html", "nothing.json"),
        *(f"{SLUG}.json", f"{SLUG}_calibration.png", f"{SLUG}_units.png"),
        *("seven.json", "seven_calibration.png", "seven_confusion.png"),
        *("va-2.json", "va-2_density.png", "va.json", "va_density.png"),
    ]
    again = Result.load(folder / f"{SLUG}.json")
    assert (again.protocol, again.units) == (HOSTILE, units().units)
    assert list(folder.parent.iterdir()) == [folder]


def test_what_exists_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        write([faces()], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = replace(faces(), confusion={"classes": ["a", "b"], "counts": [[1]]})
    with pytest.raises(ValueError, match="reshape"):
        write([plane(), broken], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_there_are_records_and_a_page_that_says_so(tmp_path: Path, folder: Path) -> None:
    faces().save(tmp_path / "one.json")
    code = (
        "import pathlib, sys; sys.modules['matplotlib'] = None\n"
        "from mien.benchmark import Result\n"
        "from mien.benchmark.folder import write\n"
        "write([Result.load(pathlib.Path(sys.argv[1]))], pathlib.Path(sys.argv[2]))"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "one.json", tmp_path / "out"], check=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["index.html", "seven.json"]
    shown = Page.of(tmp_path / "out")
    assert "No pictures were drawn: matplotlib could not be loaded" in shown.text
    assert "pip install 'mien[benchmark]'" in shown.text
    assert not [tag for tag, _ in shown.tags if tag == "img"]
    assert "No pictures" not in Page.of(folder).text


@given(st.lists(st.text(max_size=80) | st.sampled_from(["CON", "nul", "a", "A ", "a-2", "8 AUs", "8 AU's"])))
def test_names_of_files_are_safe_and_different(names: list[str]) -> None:
    found = slugs(names)
    assert len({slug.casefold() for slug in found}) == len(names)
    for slug in found:
        assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", slug)
        assert len(slug) < 80
        assert not RESERVED.fullmatch(slug)
    assert found == slugs(names)


# The page


class Page(HTMLParser):
    """What a page holds: its tags, its text, and its tables as lists of rows of cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: list[list[list[str]]] = []
        self._said: list[str] = []
        self._open = ""

    @classmethod
    def of(cls, folder: Path) -> "Page":
        page = cls()
        page.feed((folder / "index.html").read_text(encoding="utf-8"))
        return page

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._said).split())

    def table(self, start: str) -> dict[str, list[str]]:
        """The rows, by their first cell, of the first table whose first heading is this."""
        table = next(table for table in self.tables if table[0][0] == start)
        return {row[0]: row[1:] for row in table}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag in ("td", "th", "style", "title"):
            self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = "" if tag == self._open else self._open

    def handle_data(self, data: str) -> None:
        if self._open in ("style", "title"):
            return
        self._said.append(data)
        if self._open:
            row = self.tables[-1][-1]
            row[-1] = " ".join([row[-1], *data.split()]).strip()


def test_the_overview_has_each_protocol_with_its_interval_and_baselines(folder: Path) -> None:
    rows = Page.of(folder).table("protocol")
    assert rows["seven disfa"] == ["accuracy", "0.654 0.601 to 0.703", "–", "0.262", "0.184", "790"]
    assert rows[f"{HOSTILE} disfa"][1:4] == ["0.510 0.450 to 0.560", "0.560 0.500 to 0.600", "0.550"]
    assert rows["VA disfa"][:2] == ["RMSE (lower is better)", "0.400 0.300 to 0.500"]
    assert rows["nothing disfa"] == ["CCC", "undefined", "–", "–", "–", "0"]


def test_the_page_shows_labels_folds_groups_coverage_and_thresholds(folder: Path) -> None:
    shown = Page.of(folder)
    labels = shown.table("label")
    assert labels["neutral"] == ["7", "0.500"]
    assert labels["surprise"] == ["0", "undefined"]
    assert shown.table("of")["fold 1"][:4] == ["accuracy", "0.610", "300", "3"]
    groups = next(table for table in shown.tables if table[1][0] == "gender: female")
    assert groups[1] == ["gender: female", "accuracy", "0.590 0.500 to 0.700", "400", "5", "small"]
    coverage = shown.table("rows of the tested parts")
    assert coverage["with a label and a face found"] == ["700", "87.5 %"]
    cells = shown.table("action unit")
    assert cells["AU01"] == ["50.0 %", "30", "10", "20", "40"]
    assert cells["AU06"] == ["–", "0", "0", "0", "0"]
    chosen = next(table for table in shown.tables if table[0] == ["label", "tested fold 1", "tested fold 2"])
    assert chosen[1] == ["AU01", "0.250", "0.750"]
    matrix = next(table for table in shown.tables if table[0][1:] == list(EXPRESSION_7.labels))
    assert [[int(cell) for cell in row[1:]] for row in matrix[1:]] == faces().confusion["counts"]
    assert shown.table("bin")["0.0 to 0.1"] == ["0", "–", "–"]
    assert shown.table("bin")["0.9 to 1.0"] == ["1,234,567", "0.950", "0.902"]
    for said in ("What these figures cannot tell.", "mind it", "Baselines are from the training part."):
        assert said in shown.text


def test_the_page_says_where_a_model_is_no_better_than_the_constant(folder: Path) -> None:
    found = re.findall(r"No better than the constant baseline: ([^.]+(?:\.5)?)\.", Page.of(folder).text)
    assert found == ["model, threshold 0.5", "model", "model"], "F1 0.51 against 0.55, RMSE 0.4 against 0.3"


def test_thresholds_that_were_not_looked_for_are_said_to_be_unmeasured() -> None:
    told = "Thresholds from validation: not measured"
    assert told in page([section(units(validation=False), "one", {})], "")
    assert told not in page([section(units(), "one", {})], "")


def test_the_page_runs_nothing_and_asks_for_nothing_but_its_pictures(folder: Path) -> None:
    shown = Page.of(folder)
    asked = [attrs["src"] for tag, attrs in shown.tags if attrs.get("src")]
    assert asked == [
        *("seven_confusion.png", "seven_calibration.png", f"{SLUG}_units.png", f"{SLUG}_calibration.png"),
        *("va_density.png", "va-2_density.png"),
    ]
    assert all((folder / str(name)).is_file() for name in asked)
    links = {attrs["href"] for tag, attrs in shown.tags if attrs.get("href")}
    assert all(re.fullmatch(r"data:,|#[a-z0-9-]+|[a-z0-9-]+\.json", str(link)) for link in links)
    names = {tag for tag, _ in shown.tags}
    assert not names & {"script", "iframe", "object", "embed", "form", "base", "x"}
    assert not [name for _, attrs in shown.tags for name in attrs if name.startswith("on") or name == "style"]
    [policy] = [a["content"] for _, a in shown.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy).startswith("default-src 'none'; style-src 'sha256-")
    assert HOSTILE in shown.text, "shown as text"
    assert all(attrs.get("alt") and attrs.get("width") for tag, attrs in shown.tags if tag == "img")


def test_no_results_are_a_page_too(tmp_path: Path) -> None:
    write([], tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["index.html"]
    assert "There are no results." in Page.of(tmp_path / "out").text


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.12345, "0.123"), (-0.5, "−0.500"), (math.nan, "undefined"), (None, "undefined"), (12.0, "12.000")],
)
def test_a_figure_has_three_decimals_or_is_undefined(value: float | None, expected: str) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    ("part", "total", "expected"),
    [(0, 0, "–"), (0, 9, "0.0 %"), (1, 3000, "<0.1 %"), (2999, 3000, ">99.9 %"), (3, 3, "100.0 %")],
)
def test_none_and_all_are_said_only_where_exact(part: int, total: int, expected: str) -> None:
    assert percent(part, total) == expected


# A protocol that was run


class Guesser:
    """A predictor whose every number follows from how bright a picture is."""

    preprocessing = GREY
    calibration = None
    tasks = (ACTION_UNITS_8, VALENCE_AROUSAL)
    card: dict[str, Any] = {"name": "guesser", "sha256": "1" * 64}  # noqa: RUF012

    def predict(self, faces: FloatArray) -> Predictions:
        grey = faces.mean(axis=(1, 2, 3, 4))[:, None]
        units = (np.sin(50 * grey + np.arange(8)) + 1) / 2
        plane = np.cos(90 * grey + np.arange(2))
        return Predictions({ACTION_UNITS_8: units.astype("f4"), VALENCE_AROUSAL: plane.astype("f4")})


def test_what_evaluate_returns_can_be_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = {
        ACTION_UNITS_8: rng.integers(0, 2, (36, 8)).astype(np.float32),
        VALENCE_AROUSAL: rng.uniform(-1, 1, (36, 2)).astype(np.float32),
    }
    data = drawn(tmp_path, "table", labels, [(p, 6) for p in ("train", "validation", "test") for _ in "ab"])
    results = evaluate([Guesser()], data)
    assert len(results) == 2
    write(results, tmp_path / "out")
    pictured = {path.stem.split("_")[1] for path in (tmp_path / "out").glob("*.png")}
    assert pictured == {"units", "calibration", "density"}
    rows = Page.of(tmp_path / "out").table("protocol")
    for one in results:
        cells = rows[f"{one.protocol} table"]
        assert cells[1].startswith(number(one.figure.value))
        assert cells[-1] == str(one.coverage["counted"])
    records = [json.loads(path.read_text()) for path in (tmp_path / "out").glob("*.json")]
    assert sorted(record["protocol"] for record in records) == sorted(one.protocol for one in results)


# In a browser


@in_browser
@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
def test_the_page_shows_its_pictures_and_fits_the_window(
    folder: Path, browser: Any, width: int, theme: str
) -> None:
    browser.open(folder / "index.html", width=width, theme=theme)
    assert browser.complaints() == []
    assert {Path(address).suffix for address in browser.requests()} == {".html", ".png"}
    assert browser.run("return [...document.images].every(image => image.naturalWidth > 300)")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run("return document.title") == "disfa · mien evaluation"
    ink, ground = (
        [
            int(c)
            for c in re.findall(r"\d+", browser.run(f"return getComputedStyle(document.body).{what}"))[:3]
        ]
        for what in ("color", "backgroundColor")
    )
    assert (sum(ink) < sum(ground)) == (theme == "light")
    assert abs(sum(ink) - sum(ground)) > 500
