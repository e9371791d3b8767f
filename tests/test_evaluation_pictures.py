"""The folder of an evaluation: its records, its pictures and its page say what the results say."""

import io
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import GREY, drawn
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pictures

from mien.arrays import FloatArray
from mien.benchmark import Figure, Result, evaluate
from mien.benchmark.folder import RESERVED, number, page, percent, section, slugs, write
from mien.errors import OutputError
from mien.records import Predictions
from mien.tasks import ACTION_UNITS_8, ACTION_UNITS_12, EXPRESSION_7, VALENCE_AROUSAL

pytest.importorskip("matplotlib", reason="matplotlib draws the pictures; install it for these tests")

import matplotlib
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from matplotlib.text import Text

from mien.benchmark import pictures

HOSTILE = "<script>document.title='run'</script> \"x\" & 8 AUs, F1 (>= 2)"
SLUG = "script-document-title-run-script-x-8-aus-f1-2"
LONG = ("x" * 12 + "_" + "y" * 13, "disgustedly_surprised", "costs $\\frac$ or more", "w" * 26)

in_browser = pytest.mark.program("chromium", "chromedriver")


def result(protocol: str, labels: tuple[str, ...], figures: list[Figure], **counts: Any) -> Result:
    """A result with everything that is not of the kind of label."""
    settings = {
        "labels": list(labels),
        "aggregation": "all frames",
        "folds": 3,
        "present_from": None,
        "without_face": "not counted",
        "baselines_from": ["the training part"],
    }
    coverage = {
        "rows": 1000,
        "labelled": 800,
        "picture": 790,
        "face found": 700,
        "carried": 0,
        "counted": 790,
    }
    network = {"name": "tiny", "sha256": "0" * 64, "trained_on": [{"database": "one"}], "tested_on": 1}
    data = {"rows": 1000, "rows_sha256": "f" * 64}
    settings |= counts.pop("settings", {})
    return Result(
        "disfa", "of 2013", protocol, settings, [network], data, coverage, "0.1.0", figures, **counts
    )


def curve(count: list[int]) -> dict[str, Any]:
    middle = [(k + 0.5) / 10 for k in range(10)]
    right = [m**2 for m in middle]
    return {"count": count, "confidence": middle, "right": right, "expected_calibration_error": 0.1234}


def faces(labels: tuple[str, ...] = EXPRESSION_7.labels, rows: int = 40) -> Result:
    rng = np.random.default_rng(len(labels))
    counts = rng.integers(0, rows, (len(labels), len(labels))) + rows * np.eye(len(labels), dtype=int)
    figures = [
        Figure("model", "accuracy", "", 0.6543, 0.6012, 0.7034, 790, 9),
        Figure("constant", "accuracy", "", 0.2617, count=790, units=9),
        Figure("prior", "accuracy", "", 0.1840, count=790, units=9),
        *(Figure("model", "recall", label, 0.5, count=7) for label in labels[:-1]),
        *(Figure("model", "recall", label, math.nan, count=0) for label in labels[-1:]),
        Figure("model", "accuracy", "fold 1", 0.61, count=300, units=3),
        Figure("model", "accuracy", "gender: female", 0.59, 0.5, 0.7, count=400, units=5, note="small"),
    ]
    confusion = {"classes": list(labels), "counts": counts.tolist()}
    calibration = curve([0, 0, 3, 29, 30, 100, 400, 2000, 12_345, 1_234_567])
    return result("seven", labels, figures, confusion=confusion, calibration=calibration, notes=["mind it"])


CELLS = {
    "AU01": [30, 10, 20, 40],
    "AU02": [0, 5, 10, 85],
    "AU04": [0, 0, 0, 100],
    "AU06": [0, 0, 0, 0],
    "AU07": [100, 0, 0, 0],
}
"""Of action units TP, FP, FN and TN: common, never hit, never there, never counted, always there."""


def units(cells: dict[str, list[int]] = CELLS, validation: bool = True) -> Result:
    figures = [
        Figure("model", "binary F1", "", 0.51, 0.45, 0.56, 100, 9, "0.5"),
        *([Figure("model", "binary F1", "", 0.56, 0.5, 0.6, 100, 9, "validation")] * validation),
        Figure("constant", "binary F1", "", 0.55, count=100, units=9),
        Figure("model", "AUC", "", 0.81, count=100, note="in steps"),
    ]
    table = {"0.5": cells} | ({"validation": {k: v[::-1] for k, v in cells.items()}} if validation else {})
    chosen = {"thresholds_of_validation": [[0.25] * len(cells), [0.75] * len(cells)]} if validation else {}
    calibration = curve([1000, 0, 0, 0, 0, 0, 0, 0, 0, 10])
    return result(
        HOSTILE, tuple(cells), figures, units=table, calibration=calibration, settings=chosen, notes=[HOSTILE]
    )


def plane(truth: FloatArray | None = None) -> Result:
    rng = np.random.default_rng(0)
    grid = rng.integers(0, 3, (32, 32)) ** 8 if truth is None else truth
    figures = [
        Figure("model", "RMSE", "", 0.4, 0.3, 0.5, 790, 9),
        Figure("constant", "RMSE", "", 0.3, count=790, units=9),
        Figure("model", "RMSE", "valence", 0.4, count=790),
    ]
    density = {"range": [-1.0, 1.0], "truth": grid.astype(int).tolist(), "model": grid.T.astype(int).tolist()}
    return result("VA", VALENCE_AROUSAL.labels, figures, density=density)


EMPTY = Result(
    "disfa", "", "nothing", {}, [], {}, {}, "0.1.0", [Figure("model", "CCC", "", math.nan, note="none")]
)

CASES = {
    "seven classes": faces(),
    "one class": faces(("neutral",)),
    "long names": faces(LONG * 3, rows=2_000_000),
    "five units": units(),
    "twelve units": units({unit: [50, 20, 9, 300] for unit in ACTION_UNITS_12.labels}),
    "units at 0.5 alone": units(validation=False),
    "one unit": units({"AU01": [1, 1, 1, 1]}, validation=False),
    "long unit names": units({name: [50, 20, 9, 300] for name in LONG}),
    "plane": plane(),
    "plane with one cell": plane(np.eye(32) * np.eye(32)[0]),
    "nothing": EMPTY,
}

MAKERS: dict[str, Callable[[Result], Drawing]] = {
    "confusion": pictures.confusion,
    "units": pictures.units,
    "density": pictures.density,
    "calibration": pictures.calibration,
}


def drawing(what: str, of: Result) -> Drawing:
    """A picture laid out as it is saved."""
    with style.context(["default", pictures.STYLE]):
        figure = MAKERS[what](of)
        FigureCanvasAgg(figure).draw()
    return figure


def texts(figure: Drawing) -> list[Text]:
    """All text that is drawn; matplotlib keeps ticks outside the axes without drawing them."""
    found: list[Text] = [*figure.texts, *(t for legend in figure.legends for t in legend.get_texts())]
    for axes in figure.axes:
        found += [*axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
        found += axes.get_legend().get_texts() if axes.get_legend() else []
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [t for t in axis.get_major_ticks() if low - 1e-9 <= t.get_loc() <= high + 1e-9]
            found += [label for tick in ticks for label in (tick.label1, tick.label2)]
    return [text for text in found if text.get_visible() and text.get_text()]


# Pictures


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("seven classes", ["confusion", "calibration"]),
        ("five units", ["units", "calibration"]),
        ("plane", ["density"]),
        ("nothing", []),
    ],
)
def test_what_has_counts_is_drawn_and_nothing_else(case: str, expected: list[str]) -> None:
    drawn_of = pictures.draw(CASES[case])
    assert list(drawn_of) == expected
    for picture in drawn_of.values():
        with Pictures.open(io.BytesIO(picture)) as image:
            assert image.format == "PNG"
            assert min(image.size) > 300
            assert "Software" not in image.info


@pytest.mark.parametrize("case", list(CASES))
def test_no_text_is_cut_or_lies_over_another(case: str) -> None:
    of = CASES[case]
    for what in MAKERS:
        if not getattr(of, what):
            continue
        figure = drawing(what, of)
        whole = figure.bbox
        for text in texts(figure):
            box = text.get_window_extent()
            inside = min(box.x0, box.y0) >= -1 and box.x1 <= whole.x1 + 1 and box.y1 <= whole.y1 + 1
            assert inside, f"{what}: {text.get_text()!r} is cut"
        flat = [t for t in texts(figure) if t.get_rotation() in (0, 90)]
        boxes = [(t.get_text(), t.get_window_extent()) for t in flat]
        for k, (name, box) in enumerate(boxes):
            for other, beside in boxes[k + 1 :]:
                wide = min(box.x1, beside.x1) - max(box.x0, beside.x0)
                high = min(box.y1, beside.y1) - max(box.y0, beside.y0)
                assert wide <= 1 or high <= 1, f"{what}: {name!r} lies over {other!r}"


def test_confusion_shows_shares_of_the_truth_and_counts() -> None:
    counts = [[3, 1, 0], [0, 0, 0], [1, 199, 0]]
    of = replace(faces(), confusion={"classes": ["neutral", "fear", "anger"], "counts": counts})
    figure = drawing("confusion", of)
    axes = figure.axes[0]
    cells = {(round(t.get_position()[1]), round(t.get_position()[0]), t.get_text()) for t in axes.texts}
    assert cells == {
        *((0, 0, "75 %"), (0, 0, "3"), (0, 1, "25 %"), (0, 1, "1"), (0, 2, "0 %"), (0, 2, "0")),
        *((2, 0, "<1 %"), (2, 0, "1"), (2, 1, ">99 %"), (2, 1, "199"), (2, 2, "0 %"), (2, 2, "0")),
    }, "a class without rows has no shares"
    assert [t.get_text() for t in axes.get_yticklabels()] == ["neutral (4)", "fear (0)", "anger (200)"]
    shares = np.ma.filled(axes.images[0].get_array(), np.nan)
    np.testing.assert_allclose(shares, [[0.75, 0.25, 0], [np.nan] * 3, [0.005, 0.995, 0]])


def test_bars_are_f1_and_undefined_is_no_bar_of_zero() -> None:
    figure = drawing("units", units())
    axes = figure.axes[0]
    half, chosen = ([bar.get_width() for bar in bars] for bars in axes.containers)
    assert half == pytest.approx([60 / 90, 0, 0, 0, 1])
    assert chosen == pytest.approx([80 / 110, 170 / 185, 1, 0, 0])
    shown = [t.get_text() for t in axes.texts]
    assert shown[:5] == ["0.67", "0.00", "undefined", "not counted", "1.00"]
    assert shown[5:] == ["0.73", "0.92", "1.00", "not counted", "undefined"]
    names = [t.get_text() for t in axes.get_yticklabels()]
    assert names == ["AU01 (50 %)", "AU02 (10 %)", "AU04 (0 %)", "AU06 (–)", "AU07 (100 %)"]
    assert axes.get_xlabel() == "F1, of all folds together"


def test_constant_baseline_is_the_f1_of_saying_present_of_each_row() -> None:
    of = units()
    lines = drawing("units", of).axes[0].collections[0]
    drawn_at = [path.vertices[0, 0] for path in lines.get_paths() if len(path.vertices)]
    expected = []
    for hits, alarms, misses, rejections in CELLS.values():
        truth = [True] * (hits + misses) + [False] * (alarms + rejections)
        precision = sum(truth) / len(truth) if truth else math.nan
        expected.append(2 * precision / (precision + 1))
    assert drawn_at == pytest.approx(expected, nan_ok=True)
    every = pictures.always_present(np.array(list(CELLS.values()), float))
    assert every == pytest.approx(np.array(expected), nan_ok=True)


def test_density_has_valence_across_and_arousal_up() -> None:
    """One cell, of the lowest valence and the highest arousal, is looked for among the drawn pixels."""
    grid = np.zeros((32, 32), int)
    grid[31, 0] = 1000
    of = plane(grid)
    figure = drawing("density", of)
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]

    def colour(panel: int, valence: float, arousal: float) -> tuple[int, ...]:
        x, y = figure.axes[panel].transData.transform((valence, arousal))
        return tuple(int(c) for c in pixels[round(pixels.shape[0] - y), round(x)])

    white = (255, 255, 255)
    assert colour(0, -1 + 1 / 32, 1 - 1 / 32) != white, "truth"
    assert colour(0, 1 - 1 / 32, -1 + 1 / 32) == white
    assert colour(1, 1 - 1 / 32, -1 + 1 / 32) != white, "the model's cell is the mirrored one"
    assert colour(1, -1 + 1 / 32, 1 - 1 / 32) == white
    assert [axes.get_title() for axes in figure.axes[:2]] == ["truth (1,000 rows)", "model (1,000 rows)"]


def test_calibration_shows_bins_with_rows_and_few_rows_hollow() -> None:
    figure = drawing("calibration", faces())
    axes, below = figure.axes
    lines = {str(line.get_label()): line for line in axes.lines}
    assert lines["model"].get_xdata() == pytest.approx([0.45, 0.55, 0.65, 0.75, 0.85, 0.95])
    few = lines["model, fewer than 30 in the bin"]
    assert few.get_xdata() == pytest.approx([0.25, 0.35])
    assert few.get_ydata() == pytest.approx([0.0625, 0.1225])
    assert few.get_markerfacecolor() == "white"
    counts = ["0", "0", "3", "29", "30", "100", "400", "2,000", "12k", "1.2M"]
    assert [t.get_text() for t in below.texts] == counts
    assert "expected calibration error 0.123" in [t.get_text() for t in axes.texts]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        *((0, "0"), (999, "999"), (9_999, "9,999"), (10_000, "10k"), (99_950, "100k"), (999_499, "999k")),
        *((999_500, "1.0M"), (1_249_000, "1.2M"), (9_960_000, "10M"), (3_000_000_000, "3.0G")),
    ],
)
def test_counts_are_short(count: int, expected: str) -> None:
    assert pictures.compact(count) == expected
    assert len(expected) <= 5


def test_pictures_do_not_depend_on_settings_or_change_them() -> None:
    before = dict(matplotlib.rcParams)
    plain = pictures.draw(plane())
    assert dict(matplotlib.rcParams) == before
    with matplotlib.rc_context({"font.size": 30, "figure.facecolor": "red", "text.parse_math": True}):
        assert pictures.draw(plane()) == plain


def test_neither_pyplot_nor_matplotlib_is_loaded_too_early() -> None:
    code = (
        "import sys, mien.benchmark.folder\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import mien.benchmark.pictures\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# The folder


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    pytest.importorskip("selenium", reason="selenium drives the browser; install it for these tests")
    from browser.chromium import chromium

    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert program
    assert driver
    with chromium(program, driver) as window:
        yield window


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
