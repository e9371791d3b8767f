"""The report shows what the table holds, in a real browser, without a network and without surprises."""

import base64
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from browser.media import ALL, EXPRESSIONS, KNOWN, Film, write_film, write_stills

from mien.reports.page import clock, length_of, percent
from mien.reports.page_data import POINTS, view_pictures, view_video
from mien.tasks import EXPRESSION_8_CONTEMPT

HOSTILE = "</script><img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>.mp4"

in_browser = pytest.mark.program("chromium", "chromedriver")


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a short talk: three faces, one of them away for a while, and nobody near the end."""

    def present(face: int, share: float) -> bool:
        return not (face == 1 and 0.4 < share < 0.6) and not 0.8 < share < 0.9

    film = Film(100, 3, ALL, present=present, cuts=(50,), problems=("frame 7: damaged",))
    return write_film(tmp_path_factory.mktemp("talk"), film, media="overlay.mp4")


def data_of(page: Path) -> dict[str, Any]:
    """Return the values that lie in a page for its script."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"))
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def rows_of(page: Path) -> list[dict[str, Any]]:
    """Return the table beside a page."""
    rows: list[dict[str, Any]] = pq.read_table(page.with_name("predictions.parquet")).to_pylist()
    return rows


# ---- what is put into the page ----------------------------------------------------------------


def test_a_short_video_keeps_every_value(talk: Path) -> None:
    view = view_video(talk.with_name("predictions.parquet"))
    for face, series in view.series.items():
        rows = [row for row in rows_of(talk) if row["face"] == face]
        full = series.rows > 0
        assert series.exact
        assert series.frame[full].tolist() == [row["frame"] for row in rows]
        assert series.seconds[full] == pytest.approx([row["time_s"] for row in rows])
        for place, column in enumerate(view.columns):
            assert series.mean[full, place].tolist() == [row[column.name] for row in rows]


def test_gaps_stay_gaps(talk: Path) -> None:
    view = view_video(talk.with_name("predictions.parquet"))
    assert [int((series.rows == 0).sum()) for series in view.series.values()] == [1, 2, 1]
    assert view.present == [(0.0, 3.2), (3.6, 3.96)]
    assert [len(series.runs) for series in view.series.values()] == [2, 3, 2]


def test_shares_are_those_of_the_table(talk: Path) -> None:
    view = view_video(talk.with_name("predictions.parquet"))
    rows = [row for row in rows_of(talk) if row["face"] is not None]
    for place, label in enumerate(EXPRESSION_8_CONTEMPT.labels):
        mine = [row for row in rows if row["expression"] == label]
        assert view.everyone.winners[place] == len(mine)
        total = sum(row[f"expression_{label}"] for row in rows)
        assert view.everyone.totals[place] == pytest.approx(total, rel=1e-5)


def test_a_long_video_is_reduced_to_mean_least_and_greatest(tmp_path: Path) -> None:
    film = Film(2 * POINTS + 707, 1, EXPRESSIONS, present=lambda _, share: not 0.3 < share < 0.4)
    page = write_film(tmp_path, film)
    rows = [row for row in rows_of(page) if row["face"] == 0]
    series = view_video(page.with_name("predictions.parquet")).series[0]
    assert not series.exact
    assert len(series.rows) <= POINTS
    assert series.rows.sum() == len(rows)
    full = series.rows > 0
    at = int(np.flatnonzero(full)[100])
    mine = [row for row in rows if row["frame"] >= series.frame[at]][: series.rows[at]]
    values = [row["expression_neutral"] for row in mine]
    assert series.mean[at, 0] == pytest.approx(np.mean(values), rel=1e-6)
    assert (series.low[at, 0], series.high[at, 0]) == (min(values), max(values))
    assert (series.rows == 0).sum() == 1


def test_the_page_grows_no_more_once_points_are_means(tmp_path: Path) -> None:
    sizes = []
    for name, frames in (("short", 2400), ("long", 4800)):
        (tmp_path / name).mkdir()
        sizes.append(write_film(tmp_path / name, Film(frames, 1, EXPRESSIONS)).stat().st_size)
    assert sizes[1] < 1.1 * sizes[0]


def test_a_video_without_faces_says_so(tmp_path: Path) -> None:
    page = write_film(tmp_path, Film(20, 0, ALL))
    assert "No face was found in 20 frames." in page.read_text("utf-8")
    assert data_of(page)["faces"] == {}


def test_what_the_network_has_not_learned_is_said_and_not_drawn(tmp_path: Path) -> None:
    text = write_film(tmp_path, Film(20, 1, EXPRESSIONS)).read_text("utf-8")
    assert "This network has not learned valence and arousal or action units" in text
    assert 'data-chart="plane"' not in text
    assert 'data-chart="action_units"' not in text


def test_stills_of_one_name_stay_apart(tmp_path: Path) -> None:
    page = write_stills(tmp_path, ["a.jpg", "a.jpg", "a.jpg", "b.jpg"])
    pictures = view_pictures(page.with_name("predictions.parquet"), 10).pictures
    assert [(one.title, len(one.faces)) for one in pictures] == [
        ("a.jpg", 0),
        ("a.jpg", 1),
        ("a.jpg", 2),
        ("b.jpg", 3),
    ]


def test_the_policy_allows_only_the_pages_own_script(talk: Path) -> None:
    text = talk.read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    assert "default-src &#39;none&#39;" in policy[1]
    assert "unsafe" not in policy[1]
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)


def test_numbers_are_written_as_people_read_them() -> None:
    assert [percent(share) for share in (0, 0.001, 0.5, 0.999, 1)] == [
        "0 %",
        "<1 %",
        "50 %",
        ">99 %",
        "100 %",
    ]
    assert [clock(seconds) for seconds in (0, 59.96, 3723.4)] == ["0:00.0", "1:00.0", "1:02:03.4"]
    assert [length_of(seconds) for seconds in (2.04, 75, 3700)] == ["2.0 s", "1 min 15 s", "1 h 1 min"]


# ---- what a browser makes of it ---------------------------------------------------------------


@in_browser
def test_the_page_opens_without_complaint_and_asks_for_nothing(browser: Any, tmp_path: Path) -> None:
    page = write_film(tmp_path, Film(60, 2, ALL))
    for theme, width in (("light", 1280), ("dark", 400)):
        browser.open(page, width=width, theme=theme)
        assert browser.complaints() == []
        assert browser.requests() == [page.as_uri()]
        assert browser.run("return document.documentElement.scrollWidth") <= width


@in_browser
def test_a_missing_video_is_said_and_the_rest_works(browser: Any, talk: Path) -> None:
    browser.open(talk)
    assert not browser.find("#player").is_displayed()
    assert browser.find("#no-video").is_displayed()
    assert "frame 7: damaged" in browser.text(".problems")


@in_browser
def test_the_read_out_is_the_tables_value_at_that_time(browser: Any, talk: Path) -> None:
    browser.open(talk)
    plot = '#face-0 [data-chart="expression"]'
    for share in (0.3, 0.55, 0.7):
        browser.point(plot, share)
        frame = int(browser.text("#cursor").rsplit(" ", 1)[1])
        row = next(row for row in rows_of(talk) if row["face"] == 0 and row["frame"] == frame)
        minutes, seconds = browser.text("#cursor").split(" ")[0].split(":")
        assert 0 <= 60 * int(minutes) + float(seconds) - row["time_s"] <= 0.046
        for label in EXPRESSION_8_CONTEMPT.labels:
            shown = browser.text(f'#face-0 .chip[data-label="{label}"] b')
            assert shown == f"{row[f'expression_{label}']:.3f}"
        shown = browser.text('#face-0 .chip[data-label="valence"] b').replace("−", "-")
        assert shown == f"{row['valence']:.3f}"


@in_browser
def test_where_a_face_was_not_seen_no_value_is_shown(browser: Any, talk: Path) -> None:
    browser.open(talk)
    browser.point('#face-1 [data-chart="expression"]', 0.5)
    assert browser.text('#face-1 .chip[data-label="neutral"] b') == "–"


@in_browser
def test_zooming_changes_what_is_visible(browser: Any, talk: Path) -> None:
    def visible() -> tuple[float, float]:
        start, end = re.findall(r"(\d+):(\d+\.\d+)", browser.text("#range"))
        return 60 * int(start[0]) + float(start[1]), 60 * int(end[0]) + float(end[1])

    browser.open(talk)
    assert visible() == (0, 4)
    browser.press("+")
    first = visible()
    assert math.isclose(first[1] - first[0], 2.4, abs_tol=0.02)
    browser.press("\ue014")
    assert visible()[0] > first[0]
    browser.press("0")
    assert visible() == (0, 4)
    browser.drag('[data-chart="coverage"]', 0.3, 0.6)
    dragged = visible()
    assert 0.8 < dragged[0] < 1.3
    assert 2.0 < dragged[1] < 2.8
    browser.run("document.querySelector('[data-do=all]').click()")
    browser.settle()
    assert visible() == (0, 4)


@in_browser
def test_the_wheel_zooms_a_chart_that_was_clicked_and_scrolls_otherwise(browser: Any, talk: Path) -> None:
    wheel = (
        "arguments[0].dispatchEvent(new WheelEvent('wheel',"
        "{deltaY: -200, ctrlKey: arguments[1], bubbles: true, cancelable: true}))"
    )
    browser.open(talk)
    whole = browser.text("#range")
    chart = browser.find('#face-0 [data-chart="expression"]')
    browser.run(wheel, chart, False)
    browser.settle()
    assert browser.text("#range") == whole
    browser.run(wheel, chart, True)
    browser.settle()
    assert browser.text("#range") != whole


@in_browser
def test_an_expression_can_be_switched_off_for_all_faces(browser: Any, talk: Path) -> None:
    browser.open(talk)
    browser.show("#face-0 canvas")
    before = browser.run("return document.querySelector('#face-0 canvas').toDataURL()")
    browser.run("document.querySelector('#face-0 .chip[data-label=neutral]').click()")
    browser.settle()
    assert browser.find('#face-2 .chip[data-label="neutral"]').get_attribute("aria-pressed") == "false"
    assert browser.run("return document.querySelector('#face-0 canvas').toDataURL()") != before


@in_browser
def test_names_of_files_cannot_run(browser: Any, tmp_path: Path) -> None:
    page = write_film(tmp_path, Film(20, 1, EXPRESSIONS, name=HOSTILE, problems=(HOSTILE,)), media=HOSTILE)
    browser.open(page)
    assert browser.run("return document.title") == f"{HOSTILE} · mien"
    assert browser.text("h1") == HOSTILE
    assert browser.find_all("img[onerror]") == []
    assert all(address.startswith("file:") for address in browser.requests())


@in_browser
def test_stills_are_a_gallery(browser: Any, tmp_path: Path) -> None:
    page = write_stills(tmp_path, ["none.jpg", "one.jpg", HOSTILE, "three.jpg", "four.jpg"])
    browser.open(page)
    assert browser.complaints() == []
    assert browser.requests() == [page.as_uri()]
    assert [len(each.find_elements("css selector", ".still")) for each in browser.find_all(".picture")] == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert browser.find_all(".picture h3")[2].text == HOSTILE
    assert all(browser.run("return [...document.images].map((one) => one.naturalWidth > 0)"))
    assert browser.find_all("canvas") == []


@in_browser
def test_of_many_faces_the_longest_are_open_and_a_button_opens_the_rest(browser: Any, tmp_path: Path) -> None:
    film = Film(600, 60, EXPRESSIONS, present=lambda face, share: int(share * 60) == face)
    browser.open(write_film(tmp_path, film))
    assert len(browser.find_all("article.face:not([hidden])")) == 40
    browser.run("document.getElementById('more').click()")
    browser.settle()
    assert len(browser.find_all("article.face:not([hidden])")) == 60
    assert browser.complaints() == []


def test_the_values_in_the_page_are_packed_column_after_column(talk: Path) -> None:
    data = data_of(talk)
    face = data["faces"]["0"]
    frames = np.frombuffer(base64.b64decode(face["frame"]), "<i4")
    means = np.frombuffer(base64.b64decode(face["mean"]), "<f4").reshape(len(data["columns"]), len(frames))
    row = next(row for row in rows_of(talk) if row["face"] == 0 and row["frame"] == 30)
    place = [column["label"] for column in data["columns"]].index("valence")
    assert means[place, frames.tolist().index(30)] == row["valence"]


# ---- how sure it is -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a short talk by a calibrated network."""
    return write_film(tmp_path_factory.mktemp("sure"), Film(80, 2, ALL, calibration=KNOWN))


def test_what_is_known_of_sureness_is_read_from_the_table(sure: Path, talk: Path) -> None:
    told = view_video(sure.with_name("predictions.parquet")).sureness
    assert (told.coverage, told.mass, told.thresholds["AU26"]) == (0.9, 0.7, 0.2)
    assert "other faces may differ" in sure.read_text("utf-8")
    assert not view_video(talk.with_name("predictions.parquet")).sureness.told
    assert "uncalibrated, unless" in talk.read_text("utf-8")


@in_browser
def test_the_set_and_the_intervals_at_a_time_are_the_tables(browser: Any, sure: Path) -> None:
    browser.open(sure)
    sizes = set()
    for share in (0.2, 0.4, 0.6, 0.8):
        browser.point('#face-0 [data-chart="expression"]', share)
        frame = int(browser.text("#cursor").rsplit(" ", 1)[1])
        row = next(row for row in rows_of(sure) if row["face"] == 0 and row["frame"] == frame)
        inside = [chip.get_attribute("data-label") for chip in browser.find_all("#face-0 .chip.inside")]
        assert sorted(inside) == sorted(row["expression_set"].split("|"))
        sizes.add(len(inside))
        for label in ("valence", "arousal"):
            shown = browser.text(f'#face-0 .chip[data-label="{label}"] b').replace("−", "-")
            low, high = (row[f"{label}_{end}"] for end in ("low", "high"))
            assert shown == f"{row[label]:.3f} ({low:.2f} to {high:.2f})"
    assert len(sizes) > 1
    assert browser.complaints() == []


@in_browser
def test_an_interval_is_painted_behind_its_line(browser: Any, sure: Path) -> None:
    """Half way from the line to the edge of its interval the chart is tinted, beyond the edge it is not."""
    browser.open(sure)
    browser.show('#face-0 [data-chart="valence_arousal"]')
    browser.run("document.querySelector('#face-0 .chip[data-label=arousal]').click()")
    painted = browser.run(
        """
        const canvas = document.querySelector('#face-0 [data-chart="valence_arousal"] canvas');
        const face = series("0"), index = 40, pen = canvas.getContext("2d");
        const [place] = placesOf("valence_arousal"), scale = canvas.width / canvas.clientWidth;
        const [low, high] = boundsOf(place).map((bound) => face.mean[bound][index]);
        const bottom = canvas.clientHeight - TIME_AXIS;
        const y = (value) => 5 + (1 - (value + 1) / 2) * (bottom - 10);
        const x = across(face.time[index], canvas.clientWidth);
        const at = (value) =>
          pen.getImageData(Math.round(x * scale), Math.round(y(value) * scale), 1, 1).data[3];
        return [high - face.mean[place][index], at((face.mean[place][index] + high) / 2), at(high + 0.1)];
        """
    )
    assert painted[0] > 0.1, "the interval is wide enough to look into"
    assert painted[1] > 0
    assert painted[2] == 0


def test_a_still_shows_set_interval_and_present_units(tmp_path: Path) -> None:
    page = write_stills(tmp_path, ["none.jpg", "one.jpg"], calibration=KNOWN).read_text("utf-8")
    (row,) = [row for row in pq.read_table(tmp_path / "predictions.parquet").to_pylist() if row["face"] == 0]
    assert f"90 % set: <b>{row['expression_set'].replace('|', ', ')}</b>" in page
    ends = f"({row['valence_low']:+.2f} to {row['valence_high']:+.2f})".replace("-", "−")
    assert ends in page
    shown = re.findall(r"(AU\d\d) <b>", page)
    assert shown == [name[:4] for name, value in row.items() if name.endswith("_present") and value]
    assert shown
