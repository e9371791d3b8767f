"""How late the numbers of `mien live` are, by a clock that stands in the picture itself.

    python benchmarks/live.py [--video VIDEO] [--bundle BUNDLE ...] [--seconds 20] [--sound]

One process sends 1280x720 at 30 frames a second: a face, and in the lowest 40 rows the machine's monotonic
clock in milliseconds as 32 black or white squares, 24 for the time and 8 to check it. It encodes with libx264
(ultrafast, zerolatency) into MPEG-TS, or another container, over a local TCP connection. Another process runs
the loop of `mien live` on that address; when a frame has its numbers, it reads the clock off that frame's own
picture and compares it with now. So (a) clock to numbers holds drawing, encoding, sending, decoding, waiting
and analysis; (b) arrival to numbers is what `mien live` itself shows. Both processes share the machine; the
processor time of each is measured apart, a second of one core being 100 %.

Each bundle is measured alone, with somebody who asks for the page's pictures as fast as they come, and, where
Chromium and selenium are there, with the page open in it; it draws in software here, on the same cores.
"""

import argparse
import json
import multiprocessing
import shutil
import socket
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from fractions import Fraction
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Thread
from typing import Any

import av
import cv2
import numpy as np

from mien.analysis import FrameResult
from mien.bundle import Bundle, shipped
from mien.faces.detection import Mtcnn
from mien.media.stream import Stream
from mien.media.video import Video
from mien.reports.results import Engine
from mien.studio.describing import told
from mien.studio.figures import Pace
from mien.studio.live import Stop, watch
from mien.studio.server import Page

WIDTH, HEIGHT, RATE = 1280, 720, 30
SQUARE = 40
SAMPLES = 48_000
PROMPT = {"flush_packets": "1", "max_interleave_delta": "1"}
"""What is asked of FFmpeg's muxers: to send each packet at once."""

WARM = 3.0
"""Seconds at the start that do not count: programs load, the decoder waits for a key frame."""

SAMPLE = Path(__file__).parents[1] / "src" / "mien" / "samples" / "portraits.mp4"


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--video", type=Path, default=SAMPLE, help="its first shot with one face is sent")
    parser.add_argument("--bundle", type=Path, action="append", help="default: the one that ships")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--sound", action="store_true", help="send sound, too")
    parser.add_argument("--container", default="mpegts", choices=["mpegts", "flv", "nut"])
    parser.add_argument("--viewers", nargs="+", default=list(VIEWERS), choices=list(VIEWERS))
    options = parser.parse_args()
    viewers = options.viewers
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        viewers = [viewer for viewer in viewers if viewer != "Chromium"]
    print(
        "| bundle | page | frames/s | dropped | (a) median | 95 % | max | (b) median | 95 % | max |", end=""
    )
    print(" CPU | sender |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for bundle in options.bundle or [shipped()]:
        for viewer in viewers:
            print(row(bundle.name, viewer, measured(bundle, viewer, options)), flush=True)


def measured(bundle: Path, viewer: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return what one run gave: both processes' figures."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    port, given = context.Pipe()
    total = options.seconds + WARM
    sender = context.Process(
        target=send, args=(options.video, total + 2, options.container, options.sound, given)
    )
    sender.start()
    address = f"tcp://127.0.0.1:{port.recv()}"
    loop = context.Process(target=receive, args=(address, bundle, options.every, total, theirs))
    loop.start()
    page = ours.recv()
    done = Event()
    watcher = Thread(target=VIEWERS[viewer], args=(page, done), daemon=True)
    watcher.start()
    figures: dict[str, Any] = ours.recv()
    done.set()
    figures["sender"] = port.recv()
    watcher.join(10)
    for process in (loop, sender):
        process.join(10)
    return figures


def row(name: str, viewer: str, figures: dict[str, Any]) -> str:
    """Return one line of the table; delays in milliseconds."""
    cells = [name, viewer, f"{figures['rate']:.1f}", f"{figures['dropped']} of {figures['came']}"]
    for kind in ("clock", "arrival"):
        median, slow = np.percentile(figures[kind], [50, 95])
        cells += [f"{median:.0f}", f"{slow:.0f}", f"{max(figures[kind]):.0f}"]
    if figures["unread"] or figures["unheard"]:
        print(f"{figures['unread']} clocks could not be read, {figures['unheard']} frames came without sound")
    cells += [f"{figures['cpu']:.0%}", f"{figures['sender']:.0%}"]
    return f"| {' | '.join(cells)} |"


# ---- the clock ----------------------------------------------------------------------------------


def stamped(luma: np.ndarray, now: float) -> None:
    """Write a monotonic time into the lowest rows of a brightness plane (height, width)."""
    milliseconds = round(1000 * now) % 2**24
    check = sum(milliseconds.to_bytes(3, "big")) % 256
    bits = np.array([int(bit) for bit in f"{milliseconds:024b}{check:08b}"], np.uint8)
    luma[-SQUARE:] = np.repeat(16 + 219 * bits, SQUARE)


def read_clock(image: np.ndarray) -> float | None:
    """Return the seconds that stand in a picture; None where the check does not agree."""
    middle = image[-SQUARE // 2 - 8 : -SQUARE // 2 + 8].mean(axis=(0, 2)).reshape(32, SQUARE)
    bits = "".join(str(int(value > 128)) for value in middle[:, 8:-8].mean(axis=1))
    milliseconds, check = int(bits[:24], 2), int(bits[24:], 2)
    return milliseconds / 1000 if sum(milliseconds.to_bytes(3, "big")) % 256 == check else None


def since(clock: float) -> float:
    """Return the milliseconds from a clock in a picture until now."""
    return (1000 * time.monotonic() - 1000 * clock) % 2**24


# ---- the sender ---------------------------------------------------------------------------------


def prepared(video: Path) -> list[np.ndarray]:
    """Return up to 150 planar pictures of 720p, of the first frames in a row that show one face."""
    detector, pictures = Mtcnn(), []
    with Video(video) as frames:
        for frame in frames:
            small = cv2.resize(frame.image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
            if frame.number % 10 == 0 and len(detector.detect(small)) != 1:
                if pictures:
                    return pictures[:-5]
                continue
            pictures.append(cv2.cvtColor(small, cv2.COLOR_BGR2YUV_I420))
            if len(pictures) == 150:
                break
    if not pictures:
        sys.exit(f"{video}: shows no single face")
    return pictures


def send(video: Path, seconds: float, container: str, sound: bool, told_port: Connection) -> None:
    """Send a face with a clock to whoever connects; tell the port, then the share of a core it took."""
    cv2.setNumThreads(1)
    pictures = prepared(video)
    pictures += pictures[-2:0:-1]  # forth and back, without a jump
    with socket.create_server(("127.0.0.1", 0)) as server:
        told_port.send(server.getsockname()[1])
        connection, _ = server.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    start, spent = time.monotonic(), time.process_time()
    with connection.makefile("wb", buffering=0) as pipe, suppress(OSError):  # the other side has seen enough
        encode(pictures, seconds, opened(pipe, container), sound)
    told_port.send((time.process_time() - spent) / (time.monotonic() - start))


def opened(pipe: Any, container: str) -> Any:
    """Return a container to be written; MPEG-TS is not to gather sound for 200 ms."""
    more = {"pes_payload_size": "1"} if container == "mpegts" else {}
    return av.open(pipe, "w", format=container, options={**PROMPT, **more})


def encode(pictures: list[np.ndarray], seconds: float, output: Any, sound: bool) -> None:
    """Encode at the pace of the clock into an open container."""
    options = {"preset": "ultrafast", "tune": "zerolatency", "g": "30", "crf": "23"}
    stream = output.add_stream("libx264", rate=RATE, options=options)
    stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    stream.codec_context.thread_count = 1
    voice = output.add_stream("aac", rate=SAMPLES, layout="mono") if sound else None
    noise = np.random.default_rng(0).normal(0, 2000, SAMPLES).astype(np.int16)
    start = time.monotonic()
    for number in range(round(seconds * RATE)):
        time.sleep(max(0.0, start + number / RATE - time.monotonic()))
        picture = pictures[number % len(pictures)]
        stamped(picture[:HEIGHT], time.monotonic())
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, RATE)
        if voice is not None:
            each = SAMPLES // RATE
            piece = np.roll(noise, -number * each)[None, :each]
            heard = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = SAMPLES, number * each, Fraction(1, SAMPLES)
            output.mux(voice.encode(heard))
        output.mux(stream.encode(frame))


# ---- the receiver -------------------------------------------------------------------------------


class Probe:
    """Takes the delay of each result once the first seconds are over."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._start = time.monotonic() + WARM
        self.clock: list[float] = []
        self.arrival: list[float] = []
        self.unread = self.unheard = 0
        self.first: tuple[float, float, int, int] | None = None
        self.last = (0.0, 0.0, 0, 0)

    def take(self, result: FrameResult, pace: Pace) -> None:
        """Take in a result."""
        now = time.monotonic()
        self.unheard = pace.unheard
        if now < self._start:
            return
        clock = read_clock(result.frame.image)
        if clock is None:
            self.unread += 1
        else:
            self.clock.append(since(clock))
        self.arrival.append(1000 * (now - self._stream.arrived(result.frame.number)))
        self.last = (now, time.process_time(), result.frame.number, pace.dropped)
        self.first = self.first or self.last


def receive(address: str, bundle: Path, every: int, seconds: float, pipe: Connection) -> None:
    """Run the loop of `mien live` with its page, and tell the page's address, then the figures."""
    cv2.setNumThreads(1)
    engine = Engine(Bundle.load(bundle), Mtcnn(), every)
    with Stream(address) as stream, Stop(seconds) as stop:
        probe = Probe(stream)
        with Page(engine.predictor.tasks, told(stream.info, engine, "", None)) as page:
            pipe.send(page.address)
            watch(stream, engine, [probe.take, page.take], stop)
    assert probe.first is not None, "too short"
    wall, spent, came, dropped = (b - a for a, b in zip(probe.first, probe.last, strict=True))
    pipe.send(
        {
            "rate": (len(probe.arrival) - 1) / wall,
            "dropped": dropped,
            "came": came,
            "clock": probe.clock,
            "arrival": probe.arrival,
            "unread": probe.unread,
            "unheard": probe.unheard,
            "cpu": spent / wall,
        }
    )


# ---- who looks at the page ----------------------------------------------------------------------


def nobody(_page: str, done: Event) -> None:
    """Look at nothing."""
    done.wait()


def reader(page: str, done: Event) -> None:
    """Ask for the newest picture as fast as it comes, as the page does, but draw nothing."""
    address, token = page.split("?token=")
    after = -1
    while not done.is_set():
        request = urllib.request.Request(f"{address}newest?after={after}&width=640")
        request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request) as answer:
                body = answer.read()
        except OSError:
            return
        rows = json.loads(body[4 : 4 + int.from_bytes(body[:4], "big")])["rows"]
        after = rows[-1]["frame"] if rows else after


def chromium(page: str, done: Event) -> None:
    """Show the page in Chromium without a window, 1280 x 720."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory() as profile:
        options = Options()
        options.binary_location = shutil.which("chromium") or ""
        for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,720"):
            options.add_argument(flag)
        options.add_argument(f"--user-data-dir={profile}")
        window = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver") or ""))
        try:
            window.get(page)
            done.wait()
        finally:
            window.quit()


VIEWERS = {"nobody": nobody, "a reader": reader, "Chromium": chromium}

if __name__ == "__main__":
    main()
