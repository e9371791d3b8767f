"""Pictures of an evaluation show what its results hold, and no text of theirs is cut."""

import io
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pictures
from results import CASES, CELLS, faces, plane, units

from mien.benchmark import Result

pytest.importorskip("matplotlib", reason="matplotlib draws the pictures; install it for these tests")

import matplotlib
from matplotlib import style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from matplotlib.text import Text

from mien.benchmark import pictures

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
