"""Annotating works in a real browser with a real server, and loses nothing when either is killed."""

import json
import math
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import av
import numpy as np
import pytest
from browser.annotating import CODE, NAMES, PROJECT, Server, fetch, make_project

from mien.annotation.project import Project
from mien.annotation.records import Segment, Trace
from mien.annotation.store import Item
from mien.studio.playable import advice, look
from mien.testing.media import make_video

pytest.importorskip("uvicorn", reason="the page needs the extra `web`")

in_browser = pytest.mark.program("chromium", "chromedriver")

TIME = "return document.querySelector('video')?.currentTime ?? 0"
SAVED = "return document.querySelector('#saved').dataset.unsent === '0'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sample: Path) -> Iterator[Server]:
    """A project's server."""
    with Server(make_project(tmp_path_factory.mktemp("talks") / "talks", sample)) as running:
        yield running


@pytest.fixture(scope="module")
def names() -> Iterator[str]:
    """Annotators nobody has been yet."""
    return iter(NAMES)


@pytest.fixture
def name(names: Iterator[str]) -> str:
    """An annotator of the test's own."""
    return next(names)


def opening(session: str) -> dict[str, Any]:
    return {"session": session, "task": "valence", "video": "talk.mp4", "turn": 0}


def events(session: str, sequence: int, value: float) -> dict[str, Any]:
    told = {"session": session, "sequence": sequence, "kind": "value", "label": "valence"}
    return {"holder": session, "events": [{**told, "media": sequence / 10, "value": value}]}


def trace_of(server: Server, name: str, label: str = "valence") -> Trace:
    traces = Project.open(server.folder).annotations().of(label, "talk.mp4")
    (trace,) = (trace for trace in traces if trace.annotator == name)
    return trace


def segments_of(server: Server, name: str) -> list[Segment]:
    return [one for one in Project.open(server.folder).annotations().segments if one.annotator == name]


def held(trace: Trace, second: float) -> float:
    """Return the value that holds at a second."""
    return float(trace.values[int(np.searchsorted(trace.seconds, second, side="right")) - 1])


# ---- the server -------------------------------------------------------------------------------


def test_who_has_no_token_or_comes_from_elsewhere_is_refused(server: Server, name: str) -> None:
    page = server.addresses[name]
    assert fetch(page)[0] == 200
    assert fetch(page[:-2] + "/")[0] == 403
    assert fetch(page.replace(f"/{name}/", f"/{NAMES[-1]}/"))[0] == 403
    assert fetch(page.replace(f"/{name}/", "/nobody/"))[0] == 403
    assert fetch(f"http://127.0.0.1:{server.port}/")[0] == 403
    assert fetch(page, headers={"Host": "evil.example"})[0] == 421
    for path in ("", "work", "video/talk.mp4"):
        assert fetch(page + path, headers={"Origin": "http://evil.example"})[0] == 403
    assert fetch(page + "open", opening("session-x"), {"Origin": "http://evil.example"})[0] == 403


@pytest.mark.parametrize(
    "path", ["static/../index.html", "static/%2e%2e%2fserver.py", "video/..%2fproject.toml"]
)
def test_nothing_but_the_pages_files_and_the_videos_is_given_out(server: Server, path: str) -> None:
    assert fetch(server.addresses[NAMES[0]] + path)[0] == 404


def test_videos_are_served_in_ranges(server: Server, sample: Path) -> None:
    address = server.addresses[NAMES[0]] + "video/talk.mp4"
    status, body = fetch(address, headers={"Range": "bytes=100-299"})
    assert (status, body) == (206, sample.read_bytes()[100:300])


def test_an_annotator_sees_only_its_own(server: Server, names: Iterator[str]) -> None:
    anna, ben = (server.addresses[next(names)] for _ in range(2))
    assert fetch(anna + "open", opening("session-anna"))[0] == 200
    assert fetch(anna + "events", events("session-anna", 0, 0.7123))[0] == 200
    status, body = fetch(ben + "open", opening("session-ben"))
    assert status == 200 and b"0.7123" not in body
    assert fetch(ben + "events", events("session-anna", 1, 0.7))[0] == 400


def test_what_was_acknowledged_is_there_after_a_second_window_took_over(server: Server, name: str) -> None:
    page = server.addresses[name]
    fetch(page + "open", opening("session-first"))
    assert fetch(page + "events", events("session-first", 0, 0.7))[0] == 200
    assert fetch(page + "open", opening("session-second"))[0] == 409
    assert fetch(page + "open", {**opening("session-second"), "take": True})[0] == 200
    assert fetch(page + "events", events("session-first", 1, 0.9))[0] == 409
    assert trace_of(server, name).values.tolist() == [0.7]


@pytest.mark.parametrize("told", [b"[]", b"{", b'{"holder": 1}', b'{"holder": "x", "events": 1}'])
def test_requests_that_make_no_sense_are_refused(server: Server, told: bytes) -> None:
    with pytest.raises(HTTPError) as caught:
        urlopen(server.addresses[NAMES[0]] + "events", told, timeout=20)
    with caught.value:
        assert caught.value.code == 400


def test_what_could_not_be_sent_back_is_refused(server: Server, name: str) -> None:
    page = server.addresses[name]
    assert fetch(page + "open", opening("session-odd"))[0] == 200
    told = events("session-odd", 0, 0.7)
    for odd in (float("nan"), float("inf"), "\ud800"):
        wrong = {**told["events"][0], "detail": {"x": odd}}
        assert fetch(page + "events", {"holder": "session-odd", "events": [wrong]})[0] == 400
    assert fetch(page + "open", opening("session-\ud800"))[0] == 400
    assert fetch(page + "events", told)[0] == 200
    assert fetch(page + "open", opening("session-odd"))[0] == 200


def test_who_opens_what_a_killed_page_left_is_told_where_it_ends(server: Server, name: str) -> None:
    page = server.addresses[name]
    fetch(page + "open", opening("session-killed"))
    assert fetch(page + "events", events("session-killed", 0, 0.7))[0] == 200
    status, body = fetch(page + "open", {**opening("session-after"), "take": True})
    assert (status, json.loads(body)["courses"]) == (200, {"valence": [[0.0, 0.001], [0.7, None]]})


def test_a_copy_is_advised_with_names_that_a_shell_takes(tmp_path: Path) -> None:
    for name, told, copy in (
        ("my talk.mov", "'my talk.mov'", "'my talk.mp4'"),
        ("$(reboot).mp4", "'$(reboot).mp4'", "'$(reboot)-h264.mp4'"),
        ("-y.avi", "./-y.avi", "./-y.mp4"),
    ):
        said = advice(tmp_path / name)
        assert f"ffmpeg -i {told} -c:v libx264" in said
        assert said.endswith(f" {copy}")
        assert f"take {name} out of the folder" in said


def live(path: Path, source: Path) -> Path:
    """Return `path`, now a copy of a video that does not tell its duration, like what browsers record."""
    with av.open(str(source)) as given, av.open(str(path), "w", format="webm", options={"live": "1"}) as copy:
        stream = copy.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(given.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                copy.mux(packet)
    return path


def test_a_video_without_a_duration_is_a_problem_with_a_way_out(tmp_path: Path) -> None:
    written = make_video(tmp_path / "whole.webm")
    assert look(written).problem == ""
    found = look(live(tmp_path / "live.webm", written))
    assert found.seconds is None
    assert found.problem.startswith("live.webm does not tell how long it is")
    assert found.problem.endswith("ffmpeg -i live.webm -c copy live-whole.webm")


def test_addresses_stay_when_the_server_comes_back(server: Server) -> None:
    before = dict(server.addresses)
    server.stop()
    server.start()
    assert server.addresses == before


def test_kills_at_random_moments_lose_nothing_acknowledged(root: Path) -> None:
    script = [
        sys.executable,
        str(root / "benchmarks" / "annotation_kills.py"),
        "--kills",
        "30",
        "--seed",
        "3",
    ]
    done = subprocess.run(script, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 lost" in done.stdout


def test_a_new_project_is_made_and_nothing_is_overwritten(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, "annotate", str(tmp_path / "talks")]
    assert subprocess.run([*command, "--new"], capture_output=True).returncode == 0
    assert Project.open(tmp_path / "talks").annotators == ("anna", "ben", "cora")
    assert b"exists already" in subprocess.run([*command, "--new"], capture_output=True).stderr
    assert b"no videos" in subprocess.run([*command, "--status"], capture_output=True).stderr


# ---- a real browser ---------------------------------------------------------------------------


def work(browser: Any, server: Server, name: str, task: str = "valence") -> None:
    """Open an item, freshly, and wait for its video."""
    browser.open("about:blank")
    browser.open(f"{server.addresses[name]}#/{task}/talk.mp4/0", 1280, 720)
    browser.until("return document.querySelector('video')?.readyState >= 3")


def stand(browser: Any, value: float) -> None:
    """Move the mouse to a value on the scale."""
    left, top, width, height = browser.run(
        "const r = document.querySelector('.area').getBoundingClientRect();"
        "return [r.left, r.top, r.width, r.height]"
    )
    browser.move(left + width / 2, top + height * (1 - value) / 2)


def go_to(browser: Any, second: float) -> None:
    """Wait until the video plays at a second."""
    browser.until(f"return document.querySelector('video').currentTime >= {second}")


@in_browser
def test_a_course_drawn_with_the_mouse_is_stored_at_the_videos_own_times(
    browser: Any, server: Server, name: str
) -> None:
    work(browser, server, name)
    levels = [0.8 * math.sin(0.7 * number) for number in range(10)]
    stand(browser, levels[0])
    browser.press(" ")
    spans = []
    for level in levels:
        stand(browser, level)
        browser.settle()
        start = browser.run(TIME)
        go_to(browser, start + 0.5)
        spans.append((start, browser.run(TIME), level))
    browser.press(" ")
    browser.until(SAVED)
    trace = trace_of(server, name)
    assert trace.seconds[0] == 0.0
    for start, end, level in spans:
        inside = [held(trace, second) for second in np.linspace(start + 0.15, end - 0.05, 5)]
        assert inside == pytest.approx([level] * 5, abs=0.01)
    assert np.isnan(trace.values[-1])
    assert trace.marks == {"pause": 1}


@in_browser
def test_the_keyboard_alone_traces_goes_back_overwrites_and_finishes(
    browser: Any, server: Server, name: str
) -> None:
    work(browser, server, name)
    up, down = "\ue013", "\ue015"
    browser.press(" ")
    for _ in range(4):
        browser.press(up)
    go_to(browser, 6.0)
    browser.press("\ue003")  # backspace: five seconds back
    came = browser.run(TIME)
    browser.press(down * 8)
    go_to(browser, came + 1.0)
    browser.press(" ")
    browser.until(SAVED)
    trace = trace_of(server, name)
    assert held(trace, 0.9) == pytest.approx(0.2)
    assert trace.values[:-1][-1] == pytest.approx(-0.2)
    assert np.nanmax(trace.seconds) < 5.0
    assert trace.marks["overwrite"] == 1
    browser.press("z")
    browser.until(SAVED)
    assert held(trace_of(server, name), 5.0) == pytest.approx(0.2)
    browser.press("f")
    browser.press("\t")
    browser.run("document.querySelector('#ask .primary').focus()")
    browser.press("\ue007")
    browser.until("return location.hash.startsWith('#/expressions')")
    with Project.open(server.folder).store(reading=True) as store:
        assert store.finished() == {Item(name, "valence", "talk.mp4")}


@in_browser
def test_expressions_are_segments_made_with_number_keys(browser: Any, server: Server, name: str) -> None:
    work(browser, server, name, "expressions")
    browser.press("5")
    go_on(browser, 25)
    browser.press("2")
    go_on(browser, 10)
    browser.press("2x")
    browser.press("1")
    browser.press("z")
    browser.until(SAVED)
    said = segments_of(server, name)
    assert [(one.label, one.scorable) for one in said] == [("happiness", True), ("anger", False)]
    assert said[0].start == 0.0
    assert said[0].end == said[1].start == pytest.approx(1.0, abs=0.021)
    assert said[1].end == pytest.approx(1.4, abs=0.021)


def go_on(browser: Any, frames: int) -> None:
    """Step on by frames."""
    for _ in range(frames):
        before = browser.run(TIME)
        browser.press(".")
        browser.until(
            f"const v = document.querySelector('video'); return !v.seeking && v.currentTime > {before}"
        )
        browser.settle()


@in_browser
def test_action_units_have_apex_intensity_and_a_neutral_face_beside(
    browser: Any, server: Server, name: str
) -> None:
    work(browser, server, name, "units")
    browser.press("n")
    browser.press("3")
    go_on(browser, 3)
    browser.press("pd")
    go_on(browser, 3)
    browser.press("3")
    browser.until(SAVED)
    (one,) = segments_of(server, name)
    assert (one.label, one.intensity) == ("AU12", 4)
    assert (one.start, one.apex, one.end) == pytest.approx((0.0, 0.12, 0.24), abs=0.021)
    work(browser, server, name, "units")
    browser.until("return document.querySelector('#neutral canvas').width > 300")
    assert browser.text("#neutral") == "Neutral at 0:00.00"


@in_browser
def test_when_the_server_is_gone_work_goes_on_and_is_merged_later(
    browser: Any, server: Server, name: str
) -> None:
    work(browser, server, name)
    stand(browser, 0.4)
    browser.press(" ")
    go_to(browser, 1.0)
    server.stop(signal.SIGKILL)
    browser.until("return !document.querySelector('#banner').hidden")
    assert "The server is gone" in browser.text("#banner")
    stand(browser, -0.6)
    browser.settle()
    at = browser.run(TIME)
    go_to(browser, at + 1.5)
    server.start()
    browser.until("return document.querySelector('#banner').hidden")
    browser.press(" ")
    browser.until(SAVED)
    trace = trace_of(server, name)
    assert held(trace, 0.8) == pytest.approx(0.4, abs=0.01)
    assert held(trace, at + 1.0) == pytest.approx(-0.6, abs=0.01)


@in_browser
def test_of_two_tabs_one_works_and_the_other_says_so(browser: Any, server: Server, name: str) -> None:
    work(browser, server, name)
    stand(browser, 0.4)
    browser.press(" ")
    go_to(browser, 1.0)
    first = browser.tab()
    browser.open(f"{server.addresses[name]}#/valence/talk.mp4/0", 1280, 720)
    browser.until("return document.querySelector('#ask[open]')")
    assert "open in another window" in browser.text("#ask")
    browser.run("document.querySelector('#ask .primary').click()")
    browser.until("return document.querySelector('video')?.readyState >= 3")
    second = browser.tab()
    browser.back_to(first, closing=True)
    browser.until("return document.querySelector('#ask[open]')")
    assert "Another window has taken over" in browser.text("#ask")
    browser.press("\ue00c")
    browser.back_to(second)
    browser.press(" ")
    browser.until("return document.querySelector('#mode').textContent === 'recording'")
    browser.press(" ")
    browser.until(SAVED)
    assert trace_of(server, name).marks["blur"] == 1
    browser.back_to(first, closing=True)


@in_browser
def test_a_page_that_is_left_while_it_opens_does_not_lock_its_annotator_out(
    browser: Any, server: Server, name: str
) -> None:
    work(browser, server, name)
    browser.open("about:blank")
    browser.open(server.addresses[name], 1280, 720)
    browser.until("return document.querySelector('.items')")
    before = sessions(server)
    slowly(browser, 2000)
    browser.run("location.hash = '#/valence/talk.mp4/0'")
    until(lambda: sessions(server) > before)  # taken, but the page has not been told yet
    browser.run("location = 'about:blank'")
    slowly(browser, 0)
    work(browser, server, name)
    assert not browser.find("#ask").is_displayed()


def slowly(browser: Any, milliseconds: int) -> None:
    """Let every answer come late."""
    line = {"offline": False, "latency": milliseconds, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.send("Network.emulateNetworkConditions", line)


def sessions(server: Server) -> int:
    """Return how many sessions were ever begun."""
    with sqlite3.connect(f"file:{server.folder / 'annotations.sqlite'}?mode=ro", uri=True) as base:
        (count,) = base.execute("select count(*) from sessions").fetchone()
    base.close()
    return int(count)


def until(fact: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for a fact; fail where it never comes."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.02)


@in_browser
def test_a_dozen_videos_are_opened_one_after_another(browser: Any, tmp_path: Path, sample: Path) -> None:
    folder = make_project(tmp_path / "many", sample)
    for number in range(12):
        shutil.copy(sample, folder / "videos" / f"v{number:02}.mp4")
    ready = "const v = document.querySelector('video'); return v?.readyState >= 3 && v.src.includes('{}')"
    with Server(folder) as server:
        page = server.addresses[NAMES[0]]
        browser.open("about:blank")
        browser.open(f"{page}#/valence/v00.mp4/0", 1280, 720)
        for number in range(12):
            browser.until(ready.format(f"v{number:02}"))
            browser.press(" ")
            go_to(browser, 0.2)
            browser.run(f"location.hash = '#/valence/v{(number + 1) % 12:02}.mp4/0'")
        for number in range(12):  # each as a new page, while the one before has the next video half open
            browser.open("about:blank")
            browser.open(f"{page}#/valence/v{number:02}.mp4/0", 1280, 720)
            browser.until(ready.format(f"v{number:02}"))
            browser.run(f"location.hash = '#/valence/v{(number + 1) % 12:02}.mp4/0'")


@in_browser
def test_a_browser_that_is_killed_loses_at_most_the_last_second(
    server: Server, name: str, tmp_path: Path
) -> None:
    pytest.importorskip("selenium", reason="selenium drives the browser; install it for these tests")
    from browser.chromium import chromium

    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    with chromium(program or "", driver or "", tmp_path / "profile") as window:
        work(window, server, name)
        stand(window, 0.5)
        window.press(" ")
        go_to(window, 3.0)
        at = window.run(TIME)
        window.kill()
    assert trace_of(server, name).seconds[-1] > at - 2.0
    with chromium(program or "", driver or "", tmp_path / "profile") as window:
        work(window, server, name)
        assert not window.find("#ask").is_displayed()
        trace = trace_of(server, name)  # with what the browser had kept
        assert trace.seconds[-1] > at - 1.0
        assert window.run(TIME) == pytest.approx(trace.seconds[-1] - 3, abs=1.5)


@in_browser
def test_speed_goes_from_a_quarter_to_twice(browser: Any, server: Server, name: str) -> None:
    work(browser, server, name)
    rates = []
    for key in "[[[[" + "]" * 8:
        browser.press(key)
        rates.append(browser.run("return document.querySelector('video').playbackRate"))
    assert rates == [0.75, 0.5, 0.25, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2, 2]


@in_browser
def test_a_sticks_centre_extremes_and_dead_zone_are_heeded(browser: Any, server: Server, name: str) -> None:
    browser.open(server.addresses[name], 1280, 720)
    script = (
        "const done = arguments[arguments.length - 1];"
        "import(new URL('static/stick.js', location.href)).then(({deflection}) => {"
        "const axis = {centre: 0.1, low: -0.7, high: 0.9, invert: true};"
        "done([-0.7, 0.1, 0.15, 0.9, 5].map((raw) => deflection(raw, axis, 0.1)));})"
    )
    assert browser.wait_for(script) == pytest.approx([1.0, 0.0, 0.0, -1.0, -1.0])


@in_browser
@pytest.mark.parametrize("width", [420, 1280, 1920])
@pytest.mark.parametrize("task", ["valence", "expressions", "units"])
def test_screens_fit_and_nothing_is_complained_of(
    browser: Any, server: Server, task: str, width: int
) -> None:
    browser.open("about:blank")
    browser.open(f"{server.addresses[NAMES[-1]]}#/{task}/talk.mp4/0", width, 900, "dark")
    browser.until("return document.querySelector('video')?.readyState >= 2")
    browser.press("?")
    assert browser.find("#keys").is_displayed()
    browser.press("?")
    assert not browser.find("#keys").is_displayed()
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.complaints() == []
    home = f"http://127.0.0.1:{server.port}/"
    assert [address for address in browser.requests() if not address.startswith((home, "about:"))] == []


@in_browser
def test_both_dimensions_at_once_are_two_traces(
    browser: Any, tmp_path: Path, sample: Path, name: str
) -> None:
    text = PROJECT.replace('"valence"\nlabels = ["valence"]', '"both"\nlabels = ["arousal", "valence"]')
    with Server(make_project(tmp_path / "both", sample, text)) as server:
        work(browser, server, name, "both")
        left, top, width, height = browser.run(
            "const r = document.querySelector('.area').getBoundingClientRect();"
            "return [r.left, r.top, r.width, r.height]"
        )
        browser.press(" ")
        browser.move(left + 0.75 * width, top + 0.9 * height)
        browser.settle()
        at = browser.run(TIME)
        go_to(browser, at + 1.0)
        browser.press(" ")
        browser.until(SAVED)
        assert held(trace_of(server, name, "valence"), at + 0.8) == pytest.approx(0.5, abs=0.01)
        assert held(trace_of(server, name, "arousal"), at + 0.8) == pytest.approx(-0.8, abs=0.01)


@in_browser
def test_what_a_page_could_not_send_is_sent_when_the_list_is_opened(
    browser: Any, server: Server, name: str
) -> None:
    work(browser, server, name)
    stand(browser, 0.4)
    browser.press(" ")
    go_to(browser, 0.5)
    server.stop(signal.SIGKILL)
    browser.until("return !document.querySelector('#banner').hidden")
    at = browser.run(TIME)
    go_to(browser, at + 1.0)
    browser.open("about:blank")
    server.start()
    browser.open(server.addresses[name], 1280, 720)
    browser.until("return document.querySelector('.items')")
    assert trace_of(server, name).seconds[-1] >= at + 0.9


@in_browser
def test_the_wheel_and_a_finger_set_values(browser: Any, server: Server, name: str) -> None:
    work(browser, server, name)
    left, top, width, height = browser.run(
        "const r = document.querySelector('.area').getBoundingClientRect();"
        "return [r.left, r.top, r.width, r.height]"
    )
    place = {"x": left + width / 2, "y": top + height * 0.75}
    browser.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [place]})
    browser.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    browser.settle()
    assert float(browser.text(".readout").replace("−", "-")) == pytest.approx(-0.5, abs=0.01)
    browser.send("Input.dispatchMouseEvent", {"type": "mouseWheel", **place, "deltaX": 0, "deltaY": -100})
    browser.settle()
    assert float(browser.text(".readout").replace("−", "-")) == pytest.approx(-0.45, abs=0.02)


@in_browser
def test_addresses_that_change_quickly_open_one_piece_of_work(
    browser: Any, server: Server, name: str
) -> None:
    browser.open("about:blank")
    browser.open(server.addresses[name], 1280, 720)
    browser.until("return document.querySelector('.items')")
    before = sessions(server)
    there = "#/valence/talk.mp4/0"
    browser.run(f"for (const to of ['{there}', '#/', '{there}']) location.hash = to")
    browser.until("return document.querySelector('video')?.readyState >= 3")
    time.sleep(1.5)  # in which a second opening would give up waiting for the first one
    assert not browser.find("#ask").is_displayed()
    assert sessions(server) == before + 1


@in_browser
def test_an_event_that_is_refused_does_not_hold_up_the_others(
    browser: Any, server: Server, name: str
) -> None:
    work(browser, server, name)
    browser.run(
        "const real = window.fetch; window.fetch = (path, told = {}) => real(path,"
        ' {...told, body: told.body?.replaceAll(\'"kind":"pause"\', \'"kind":"odd"\')})'
    )
    stand(browser, 0.4)
    for second in (0.5, 1.5):
        browser.press(" ")
        go_to(browser, second)
        browser.press(" ")
    browser.until(SAVED)
    assert "refused" in browser.text("#banner")
    assert trace_of(server, name).seconds[-1] > 1.4


@in_browser
def test_a_video_without_a_duration_is_not_kept_at_its_beginning(
    browser: Any, tmp_path: Path, sample: Path
) -> None:
    folder = make_project(tmp_path / "live", sample)
    live(folder / "videos" / "live.webm", make_video(tmp_path / "whole.webm", frames=100))
    with Server(folder) as server:
        browser.open("about:blank")
        browser.open(f"{server.addresses[NAMES[0]]}#/valence/live.webm/0", 1280, 720)
        browser.until("return document.querySelector('video')?.readyState >= 2")
        browser.press(" ")
        go_to(browser, 1.0)
        browser.press(" ")
        browser.press(".")
        browser.settle()
        assert browser.run(TIME) > 0.9
