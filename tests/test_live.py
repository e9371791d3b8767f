"""A live analysis keeps up by dropping, gives a file's numbers, and shows them to its own page alone."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Timer
from typing import Any, NamedTuple
from weakref import ref

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from test_stream import served

from mien.analysis import FrameResult, frame_results
from mien.bundle import Bundle, shipped
from mien.faces.detection import Faces, Mtcnn
from mien.faces.tracking import Tracker
from mien.media.audio import RATE
from mien.media.frames import Frame, MediaInfo
from mien.media.tape import RollingSound
from mien.media.video import Video
from mien.records import Predictions
from mien.reports.results import Engine
from mien.studio.board import Board
from mien.studio.describing import told
from mien.studio.figures import Pace, Stopwatch
from mien.studio.live import Patient, Stop, watch
from mien.studio.recording import Recording
from mien.studio.server import Page
from mien.tasks import EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL
from mien.testing.media import make_video

TASKS = (EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL)
PACE = Pace(1, 0, 0, 25.0, 25.0, 10.0, 12.0)
in_browser = pytest.mark.program("chromium", "chromedriver")


class Given:
    """A source that gives the frames it was made of, all there from the start, and drops none."""

    def __init__(self, frames: list[Frame], sound: RollingSound | None = None) -> None:
        height, width = frames[0].image.shape[:2]
        self.info = MediaInfo("given", "camera", width, height, 25.0, float("nan"), 0, sound is not None)
        self.sound = sound
        self._frames = frames
        self._start = time.monotonic()

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    def arrived(self, number: int) -> float:
        return self._start


def blank(number: int) -> Frame:
    return Frame(number, number / 25, np.zeros((36, 64, 3), np.uint8))


def result(number: int, faces: int = 1) -> FrameResult:
    """A result with faces that all look alike."""
    boxes = np.tile(np.array([16, 9, 32, 18], np.float32), (faces, 1))
    found = Faces(boxes, np.zeros((faces, 5, 2), np.float32), np.ones(faces, np.float32))
    said = {task: np.full((faces, len(task)), 0.125, np.float32) for task in TASKS}
    return FrameResult(blank(number), np.arange(faces), found, Predictions(said))


def engine() -> Engine:
    return Engine(Bundle.load(shipped()), Mtcnn(), 10)


# ---- the loop -----------------------------------------------------------------------------------


def test_a_live_source_gives_the_numbers_of_a_file(sample: Path) -> None:
    with Video(sample) as video:
        frames = [frame for frame, _ in zip(video, range(40), strict=False)]
    works = engine()
    found: list[FrameResult] = []
    with Stop() as stop:
        watch(Given(frames), works, [lambda each, _pace: found.append(each)], stop)
    wanted = list(frame_results(frames, Tracker(works.detector, works.every), works.follower(None)))
    assert [each.frame.number for each in found] == [each.frame.number for each in wanted]
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.ids.tolist() == theirs.ids.tolist()
        for task, values in theirs.predictions.values.items():
            assert np.array_equal(ours.predictions.values[task], values)


def test_frames_whose_sound_is_there_are_given_in_order() -> None:
    sound = RollingSound()
    sound.write(0, np.zeros(RATE, np.int16))
    line = Patient(Given([blank(number) for number in range(20)], sound), sound, 0.0)
    assert [frame.number for frame in line] == list(range(20))
    assert line.unheard == 0


def test_a_frame_whose_sound_never_comes_is_given_all_the_same() -> None:
    class Slow(Given):
        """Its frames come while the line waits; it ends only when that has given one."""

        def __iter__(self) -> Iterator[Frame]:
            yield from self._frames
            while not line.unheard:
                time.sleep(0.01)

    sound = RollingSound()
    line = Patient(Slow([blank(1)], sound), sound, 0.0)
    assert [frame.number for frame in line] == [1]
    assert line.unheard == 1


def test_a_slow_analysis_drops_frames_that_have_waited_for_their_sound() -> None:
    sound = RollingSound()
    sound.write(0, np.zeros(RATE, np.int16))
    given = []
    line = Patient(Given([blank(number) for number in range(10)], sound), sound, 0.0)
    for frame in line:
        given.append(frame.number)
        time.sleep(0.15)
    assert given[0] == 0
    assert given[-1] == 9
    assert given == sorted(given)
    assert len(given) < 10


def test_frames_do_not_pile_up_while_one_is_looked_at() -> None:
    alive: list[ref[Frame]] = []

    class Steady(Given):
        """200 frames a second, each with pixels of its own."""

        def __init__(self) -> None:
            super().__init__([blank(0)], sound)
            self.times: dict[int, float] = {}

        def __iter__(self) -> Iterator[Frame]:
            for number in range(200):
                frame = blank(number)
                alive.append(ref(frame))
                self.times[number] = time.monotonic()
                yield frame
                time.sleep(0.005)

        def arrived(self, number: int) -> float:
            return self.times[number]

    sound = RollingSound()
    line = iter(Patient(Steady(), sound, 0.0))
    next(line)
    time.sleep(0.9)
    assert len(alive) > 100
    assert sum(frame() is not None for frame in alive) < 50


def test_rates_and_delays_are_those_of_the_last_seconds() -> None:
    stopwatch = Stopwatch()
    assert np.isnan(stopwatch.pace().median)
    for step in range(400):
        late = 0.5 if step < 100 else 0.02
        stopwatch.take(2 * step, step / 25, step / 25 + late)
    pace = stopwatch.pace(3)
    assert (pace.analysed, pace.dropped, pace.unheard) == (400, 399, 3)
    assert pace.rate == pytest.approx(25)
    assert pace.source_rate == pytest.approx(50)
    assert pace.median == pytest.approx(20)
    assert pace.slow == pytest.approx(20)
    assert "400 analysed, 399 dropped, 3 without their sound, delay 20 ms" in pace.line


def test_a_source_that_gives_nothing_can_be_left() -> None:
    def silent() -> Iterator[Frame]:
        Event().wait(60)
        yield blank(0)

    with Stop() as stop:
        Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        assert list(stop.frames(silent())) == []


def test_asked_twice_it_ends_at_once() -> None:
    with Stop() as stop:
        frames = stop.frames([blank(0), blank(1)])
        next(frames)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert list(frames) == []


# ---- what a page is given -----------------------------------------------------------------------


class Message(NamedTuple):
    """What a page is answered."""

    rows: list[dict[str, Any]]
    pace: dict[str, Any] | None
    ended: str
    jpeg: bytes


def opened(body: bytes) -> Message:
    """Return a message taken apart."""
    length = int.from_bytes(body[:4], "big")
    return Message(**json.loads(body[4 : 4 + length]), jpeg=body[4 + length :])


def test_a_page_gets_all_numbers_since_it_asked_and_one_picture() -> None:
    board = Board(TASKS)
    for number in range(5):
        board.put(result(number, faces=number % 3), PACE)
    message = opened(board.message(after=1, width=64))
    assert [row["frame"] for row in message.rows] == [2, 3, 4]
    assert [len(row["faces"]) for row in message.rows] == [2, 0, 1]
    face = message.rows[0]["faces"][1]
    assert (face["face"], face["box"], face["values"]) == (1, [0.25, 0.25, 0.5, 0.5], [0.125] * 10)
    assert message.jpeg.startswith(b"\xff\xd8")
    assert message.pace is not None
    assert message.pace["median"] == 10.0


def test_where_nothing_is_new_there_is_no_picture_and_the_end_is_told() -> None:
    board = Board(TASKS)
    board.put(result(0), Pace(1, 0, 0, *[float("nan")] * 4))
    message = opened(board.message(after=0, width=64, patience=0.01))
    assert (message.rows, message.jpeg, message.ended) == ([], b"", "")
    assert message.pace is not None
    assert message.pace["rate"] is None
    board.end("the stream broke off")
    assert opened(board.message(after=0, width=64, patience=60)).ended == "the stream broke off"


def test_numbers_older_than_the_curves_are_forgotten() -> None:
    board = Board(TASKS)
    for number in range(600):
        board.put(result(number), PACE)
    rows = opened(board.message(after=-1, width=64)).rows
    assert 500 <= len(rows) <= 501, "20 seconds"


# ---- who may ask --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A page that shows one result, of a source whose name would run if it were not escaped."""
    info = MediaInfo("</script><img src=x>", "camera", 64, 36, 25.0, float("nan"), 0, False)
    with Page(TASKS, told(info, engine(), "", None)) as server:
        server.take(result(0), PACE)
        yield server


def asked(
    page: Page, path: str = "/newest", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Return what a page answers, as `answer` does."""
    return answer(page.address, path, method, **headers)


def answer(
    address: str, path: str = "/newest", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an answer; the token is given unless another is."""
    host, token = address.removeprefix("http://").split("/?token=")
    connection = http.client.HTTPConnection(host, timeout=10)
    sent = {"Host": host, "Authorization": f"Bearer {token}", **headers}
    connection.request(method, path, headers={name: value for name, value in sent.items() if value})
    got = connection.getresponse()
    body = got.read()
    connection.close()
    return got.status, dict(got.getheaders()), body


def test_with_its_token_the_page_is_given(page: Page) -> None:
    _, path = page.address.removeprefix("http://").split("/", 1)
    status, headers, body = asked(page, f"/{path}", Authorization="")
    assert status == 200
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; connect-src 'self'")
    assert "unsafe" not in policy
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "set-cookie" not in headers
    assert b"<img src=x>" not in body
    assert opened(asked(page)[2]).rows[0]["frame"] == 0


@pytest.mark.parametrize("token", ["", "Bearer ", "Bearer wrong", "Bearer wr\xf6ng"])
def test_without_the_token_nothing_is_given(page: Page, token: str) -> None:
    for path in ("/", "/newest", "/other", "/?token=wrong", "/?token="):
        status, _, body = asked(page, path, Authorization=token)
        assert status == 403
        assert len(body) < 100


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "127.0.0.1:x", ""]
)
def test_another_name_of_this_machine_is_refused(page: Page, host: str) -> None:
    assert asked(page, Host=host)[0] == (421 if host else 200), (
        "the client adds the right one where none is given"
    )


def test_a_tunnel_may_have_another_port(page: Page) -> None:
    assert asked(page, Host="localhost:8080")[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1"])
def test_another_page_is_refused(page: Page, origin: str) -> None:
    assert asked(page, Origin=origin)[0] == 403


def test_its_own_page_is_not_refused(page: Page) -> None:
    assert asked(page, Origin=page.address.split("/?")[0])[0] == 200


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/newest", "POST", 405), ("/other", "GET", 404), ("/newest?after=x", "GET", 400)],
)
def test_nothing_else_is_answered(page: Page, path: str, method: str, status: int) -> None:
    assert asked(page, path, method)[0] == status


# ---- the command --------------------------------------------------------------------------------


@contextmanager
def live(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Run `mien live`; what it still does at the end of the block is killed."""
    command = [sys.executable, "-m", "mien", "live", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str], pipe: str = "stdout") -> str:
    """Return the next line it prints."""
    return getattr(process, pipe).readline().strip()


def complete(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a result folder that is complete."""
    assert sorted(path.name for path in folder.iterdir()) == [
        "analysis.json",
        "predictions.parquet",
        "report.html",
    ]
    rows: list[dict[str, Any]] = pq.read_table(folder / "predictions.parquet").to_pylist()
    record = json.loads((folder / "analysis.json").read_text("utf-8"))
    assert record["frames"] == len({row["frame"] for row in rows})
    return rows


def test_without_a_page_it_prints_figures_and_records(sample: Path, tmp_path: Path) -> None:
    with live(sample, "--no-page", "-o", tmp_path / "talk", "--seconds", 1.5) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out == f"recorded: {tmp_path / 'talk'}\n"
    assert "frames/s" in err
    assert "dropped" in err
    rows = complete(tmp_path / "talk")
    assert {row["video"] for row in rows} == {sample.name}
    assert any(row["valence"] is not None for row in rows)


def test_a_recording_behind_an_address_is_played_at_its_own_pace(tmp_path: Path) -> None:
    video = make_video(tmp_path / "v.ts", frames=1500)
    words = ("--no-page", "--realtime", "-o", tmp_path / "talk", "--seconds", 3)
    with served(video, 0.1) as address, live(address, *words) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert max(row["time_s"] for row in complete(tmp_path / "talk")) < 45  # of 60 s, which all came at once


def test_ctrl_c_ends_it_well(sample: Path, tmp_path: Path) -> None:
    with live(sample, "-o", tmp_path / "talk") as process:
        shown = line(process)
        while not (pace := opened(answer(shown)[2]).pace) or pace["analysed"] < 5:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert len(complete(tmp_path / "talk")) >= 5


def test_asked_twice_the_table_is_complete_and_no_report_is_made(sample: Path, tmp_path: Path) -> None:
    works, frame = engine(), next(iter(Video(sample)))
    (seen,) = frame_results([frame], Tracker(works.detector), works.follower(None))

    def twice() -> None:
        with Recording(tmp_path / "talk", Given([frame]).info, works, "") as recording:
            recording.take(seen, PACE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        twice()
    assert [path.name for path in (tmp_path / "talk").iterdir()] == ["predictions.parquet"]
    assert pq.read_table(tmp_path / "talk" / "predictions.parquet").num_rows == max(len(seen.ids), 1)


def test_what_was_seen_before_a_kill_can_be_recovered(sample: Path, tmp_path: Path) -> None:
    with live(sample, "--no-page", "-o", tmp_path / "talk") as process:
        assert "analysed" in line(process, "stderr")
        process.kill()
    command = [sys.executable, "-m", "mien", "recover", str(tmp_path / "talk")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "talk").iterdir()] == ["predictions.parquet"]
    rows = pq.read_table(tmp_path / "talk" / "predictions.parquet").to_pylist()
    assert any(row["valence"] is not None for row in rows)


def test_without_a_page_no_web_framework_is_loaded() -> None:
    code = "import mien.studio.live, mien.studio.recording, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"starlette", "uvicorn", "jinja2"} & set(loaded.split())


def test_a_result_that_is_there_is_kept(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    with live(sample, "--no-page", "-o", tmp_path) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "exists already" in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


# ---- what a browser makes of it -----------------------------------------------------------------


class Address:
    """An address where the browser takes a file."""

    def __init__(self, text: str) -> None:
        self._text = text

    def as_uri(self) -> str:
        return self._text


@pytest.fixture(scope="module")
def address(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """The page of the sample as it plays, five times over."""
    place = tmp_path_factory.mktemp("live") / "long.mp4"
    with av.open(str(sample)) as given, av.open(str(place), "w") as made:
        stream = given.streams.video[0]
        copied = made.add_stream_from_template(stream)
        for turn in range(5):
            given.seek(0)
            for packet in given.demux(stream):
                if packet.size:
                    packet.pts += turn * stream.duration
                    packet.dts += turn * stream.duration
                    packet.stream = copied
                    made.mux(packet)
    with live(place) as process:
        yield Address(line(process))


def until(browser: Any, script: str) -> Any:
    """Return what a script returns once that is true."""
    for _ in range(400):
        if value := browser.run(script):
            return value
        browser.settle()
    raise AssertionError(f"never true: {script}; {browser.complaints()}")


LOOK = """
    const painted = (selector) => {
        const canvas = document.querySelector(selector);
        if (!canvas?.width) return false;
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value) => value > 0);
    };
    const face = document.querySelector("article.live:not(.gone)");
    const canvases = ["#picture", "#marks", "article.live:not(.gone) .curves canvas"];
    if (!face || !canvases.every(painted)) return null;
    return {
        status: document.getElementById("status").dataset.state,
        best: face.querySelector(".best").textContent,
        values: [...face.querySelectorAll("output")].map((output) => output.textContent),
        figures: [...document.querySelectorAll(".figures b")].map((figure) => figure.textContent),
        width: document.getElementById("picture").width,
    };
"""
"""What the page shows at one moment; null while the sample shows nobody."""


@in_browser
def test_the_page_shows_picture_boxes_numbers_and_figures(browser: Any, address: Address) -> None:
    browser.open(address, width=1280, height=720)
    shown = until(browser, LOOK)
    assert shown["status"] == "live"
    assert re.fullmatch(r"[a-z]+ \d+ %", shown["best"])
    expressions, numbers, units = shown["values"][:8], shown["values"][8:10], shown["values"][10:]
    assert all(re.fullmatch(r"\d+ %", text) for text in (*expressions, *units))
    assert all(re.fullmatch(r"[+−][01]\.\d\d", text) for text in numbers)
    assert len(units) == 6
    assert shown["width"] == 640
    until(browser, "return /^\\d+$/.test(document.getElementById('median').textContent)")
    assert "cannot tell" in browser.text(".note")
    assert browser.complaints() == []
    asked_for = {request for request in browser.requests() if not request.startswith("chrome")}
    assert {request.split("?")[0].rsplit("/", 1)[0] for request in asked_for} == {
        address.as_uri().split("/?")[0]
    }


@in_browser
def test_keys_pause_the_page_and_hide_boxes(browser: Any, address: Address) -> None:
    browser.open(address, width=400, height=800, theme="dark")
    until(browser, "return document.getElementById('status').dataset.state === 'live'")
    assert browser.run("return document.documentElement.scrollWidth") <= 400
    browser.press("p")
    assert browser.text("#status") == "paused"
    before = browser.run("return after")
    browser.press("b")
    assert browser.find("#boxes").get_attribute("aria-pressed") == "false"
    for _ in range(5):
        browser.settle()
    assert browser.run("return after") - before <= 1, "one answer may have been on its way"
    browser.press(" ")
    until(browser, f"return after > {before} + 1")
    assert browser.complaints() == []
