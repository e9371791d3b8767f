"""What analysing a video costs, against its bare parts and against the `fer` package.

    python benchmarks/speed.py VIDEO [--work FOLDER] [--fer PYTHON]

Scales VIDEO to 1280x720 and, in one run, measures processor seconds and wall seconds of

- the bare parts, one after another, each with nothing of mien around it: decoding to BGR (PyAV); the
  detector's three networks on as many inputs of the same shapes as mien gives them (cv2.resize and
  onnxruntime); the expression network, one face at a time; encoding the decoded frames (PyAV, the
  writer's codec settings) with the sound copied;
- `mien analyze`, whole process, step by step: without and with overlay and report;
- with --fer, the `fer` package's own video analysis with its overlay, whole process, run by an
  interpreter that has it installed.

Each figure is the median of three runs, taken in turn.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from mien.bundle import Bundle, shipped
from mien.faces.detection import Mtcnn

RUNS = 3
ENCODING = {"preset": "superfast", "crf": "23"}
"""What mien's writer asks of x264."""
FER = """
import sys
from fer.fer import FER
from fer.classes import Video
video = Video(sys.argv[1], outdir=sys.argv[2])
quiet = {"display": False, "save_frames": False, "zip_images": False}
video.analyze(FER(), save_video=True, annotate_frames=True, **quiet)
"""


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("video", type=Path)
    parser.add_argument("--work", type=Path, default=Path("speed-benchmark"))
    parser.add_argument("--fer", type=Path, help="interpreter of an environment that has fer")
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    clip = scaled(options.video, options.work / "clip.mp4", options.seconds)
    frames = sum(1 for _ in decoded(clip))
    parts: dict[str, Callable[[], None]] = {
        "decode": lambda: bare_decoding(clip),
        "detect": lambda: bare_detection(clip, frames),
        "network": lambda: bare_network(frames),
        "write": lambda: bare_writing(clip, options.work / "bare.mp4"),
    }
    rows: dict[str, list[tuple[float, float]]] = {}
    for _ in range(RUNS):
        for name, part in parts.items():
            rows.setdefault(f"bare: {name}", []).append(in_child(part))
        for name, flags in (
            ("mien: decode, detect, network, table", ["--no-overlay", "--no-report"]),
            ("mien: all of it, with overlay", ["--no-report"]),
            ("mien: all of it, with overlay and report", []),
        ):
            rows.setdefault(name, []).append(mien(clip, options.work, flags))
        if options.fer:
            rows.setdefault("fer: with overlay", []).append(fer(options.fer, clip, options.work))
    report(frames, {name: median(values) for name, values in rows.items()})


def scaled(source: Path, target: Path, seconds: float) -> Path:
    """Return a 1280x720 H.264 copy of a video, with its sound if it has any."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        rate = old.streams.video[0].average_rate or Fraction(25)
        stream = new.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number, frame in enumerate(old.decode(video=0)):
            if number / float(rate) >= seconds:
                break
            larger = frame.reformat(1280, 720, "yuv420p", interpolation="BICUBIC")
            larger.pts, larger.time_base = number, 1 / rate
            new.mux(stream.encode(larger))
        new.mux(stream.encode(None))
    return target


def decoded(clip: Path) -> Iterator[av.VideoFrame]:
    """Yield the frames of a clip."""
    with av.open(str(clip)) as container:
        container.streams.video[0].thread_type = "AUTO"
        yield from container.decode(video=0)


def bare_decoding(clip: Path) -> None:
    """Decode to BGR."""
    for frame in decoded(clip):
        frame.to_ndarray(format="bgr24", threads=1)


def bare_detection(clip: Path, frames: int, every: int = 10) -> None:
    """Run the detector's networks as often and on the shapes that mien does with one face."""
    detector = Mtcnn()
    image = next(decoded(clip)).to_ndarray(format="bgr24")
    sizes, scale = [], 12 / (0.04 * 1280)
    while 720 * scale >= 12:
        sizes.append((max(12, round(1280 * scale)), max(12, round(720 * scale))))
        scale *= 0.709
    proposals = len(detector._proposals(image))
    patches = np.zeros((proposals, 24, 24, 3), np.float32)
    face = np.zeros((1, 48, 48, 3), np.float32)
    for number in range(frames):
        if number % every == 0:
            half = cv2.resize(image, (640, 360), interpolation=cv2.INTER_AREA)
            for size in sizes:
                small = cv2.resize(half, size, interpolation=cv2.INTER_AREA)
                detector._proposal.run(None, {"input_1": small.transpose(1, 0, 2)[None].astype(np.float32)})
            detector._refinement.run(None, {"input_2": patches})
        near = cv2.resize(image[100:484, 400:784], (192, 192), interpolation=cv2.INTER_AREA)
        cv2.resize(near, (48, 48), interpolation=cv2.INTER_AREA)
        detector._output.run(None, {"input_3": face})


def bare_network(frames: int) -> None:
    """Run the expression network on one face as often as there are frames."""
    bundle = Bundle.load(shipped())
    size, channels = bundle.preprocessing.size, bundle.preprocessing.channels
    face = np.zeros((1, 1, channels, size, size), np.float32)
    for _ in range(frames):
        bundle._network.run(None, {"faces": face})


def bare_writing(clip: Path, target: Path) -> None:
    """Encode as many frames of the same pictures from memory with the writer's settings."""
    pictures = [frame.to_ndarray(format="bgr24") for frame, _ in zip(decoded(clip), range(50), strict=False)]
    count = sum(1 for _ in decoded_packets(clip))
    with av.open(str(target), "w") as new:
        stream = new.add_stream("libx264", rate=25, options=ENCODING)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number in range(count):
            turn = number % 98
            frame = av.VideoFrame.from_ndarray(pictures[min(turn, 98 - turn) % 50], format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            new.mux(stream.encode(frame))
        new.mux(stream.encode(None))


def decoded_packets(clip: Path) -> Iterator[av.Packet]:
    """Yield the video packets that hold something."""
    with av.open(str(clip)) as container:
        yield from (packet for packet in container.demux(video=0) if packet.size)


def in_child(work: Callable[[], None]) -> tuple[float, float]:
    """Return processor and wall seconds of some work in a process of its own, start not counted."""
    read, write = os.pipe()
    if os.fork() == 0:
        before, start = cpu(resource.RUSAGE_SELF), time.perf_counter()
        work()
        figures = [cpu(resource.RUSAGE_SELF) - before, time.perf_counter() - start]
        os.write(write, json.dumps(figures).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        processor, wall = json.loads(pipe.read())
    os.wait()
    return processor, wall


def cpu(who: int) -> float:
    """Return processor seconds, user and system."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def process(command: list[str]) -> tuple[float, float]:
    """Return processor and wall seconds of a whole process."""
    before, start = cpu(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return cpu(resource.RUSAGE_CHILDREN) - before, time.perf_counter() - start


def mien(clip: Path, work: Path, flags: list[str]) -> tuple[float, float]:
    """Return the seconds of `mien analyze`."""
    out = work / "mien"
    shutil.rmtree(out, ignore_errors=True)
    program = str(Path(sys.executable).parent / "mien")
    return process([program, "analyze", str(clip), "-o", str(out), "--quiet", *flags])


def fer(python: Path, clip: Path, work: Path) -> tuple[float, float]:
    """Return the seconds of the fer package on the same video, with its overlay."""
    out = work / "fer"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    return process([str(python), "-c", FER, str(clip), str(out)])


def median(values: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the medians of processor and wall seconds."""
    return statistics.median(v[0] for v in values), statistics.median(v[1] for v in values)


def report(frames: int, rows: dict[str, tuple[float, float]]) -> None:
    """Print the table and the ratios asked for."""
    print(f"{frames} frames of 1280x720, one face; medians of {RUNS} runs\n")
    print("| what | CPU s | wall s | frames/s |\n|---|---|---|---|")
    for name, (processor, wall) in rows.items():
        print(f"| {name} | {processor:.2f} | {wall:.2f} | {frames / wall:.0f} |")
    parts = {name: figures for name, figures in rows.items() if name.startswith("bare")}
    total = sum(figures[0] for figures in parts.values())
    bound = max(total / 2, max(figures[1] for figures in parts.values()))
    whole = rows["mien: all of it, with overlay"]
    print(
        f"\nCPU of the whole / sum of the bare parts: {whole[0]:.2f} / {total:.2f} = {whole[0] / total:.2f}"
    )
    print(f"wall of the whole / larger of half the sum and the slowest part: {whole[1] / bound:.2f}")
    if "fer: with overlay" in rows:
        ours = rows["mien: all of it, with overlay and report"][1]
        print(f"fer / mien, wall, both with overlay: {rows['fer: with overlay'][1] / ours:.1f}")


if __name__ == "__main__":
    main()
