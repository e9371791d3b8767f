"""Goes the whole way from a browser to a trained network, with annotators whose curves are known.

    python benchmarks/circle.py FOLDER

A project of three short videos is served by `mien annotate`. Three made annotators open its page in Chromium
and trace valence and arousal at once while each video plays: pointer events on the plane, at the video's own
time, along a known curve that each follows with a lag of its own and white noise. Then `agreement`, `fuse`,
`split`, `publish`, `databases check`, `prepare` and `train` run as commands, and what was found is held
against what was put in. The exit status is 1 where that is outside the bounds below. It needs Chromium, its
driver, selenium and mien's extras.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

import mien
from mien.arrays import FloatArray, Image
from mien.media.video import Video
from mien.testing.media import make_video

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from browser.annotating import Server
from browser.chromium import Browser, chromium

LAGS = {"anna": 0.3, "ben": 0.8, "cora": 1.3}
"""Seconds by which each annotator is late."""

NOISE = 0.03
LABELS = ("valence", "arousal")
FRAMES = 225
LAG_BOUND, CCC_BOUND = 0.15, 0.95

SHOTS = {"one.mp4": (0, 80, False), "two.mp4": (118, 195, False), "three.mp4": (10, 70, True)}
"""Video -> first and last frame of the sample, played to and fro, and whether mirrored.

The sample has two people: the third is the first again, mirrored, and counts as another, for three parts.
"""

WAVES = {
    ("one.mp4", "valence"): ((0.45, 0.23, 0.3), (0.25, 0.41, 1.9)),
    ("two.mp4", "valence"): ((0.50, 0.19, 2.0), (0.20, 0.37, 0.4)),
    ("three.mp4", "valence"): ((0.40, 0.26, 4.1), (0.30, 0.33, 1.0)),
    ("one.mp4", "arousal"): ((0.40, 0.21, 1.2), (0.25, 0.39, 3.0)),
    ("two.mp4", "arousal"): ((0.45, 0.25, 5.0), (0.20, 0.43, 0.9)),
    ("three.mp4", "arousal"): ((0.50, 0.17, 3.3), (0.20, 0.35, 2.2)),
}
"""Video and label -> height, frequency (Hz) and phase of the sines that add up to the truth."""

PROJECT = """\
name = "Circle"
annotators = ["anna", "ben", "cora"]
[[tasks]]
name = "affect"
labels = ["valence", "arousal"]
"""

RECIPE = """\
name = "tiny"
[tasks]
valence_arousal = 1.0
[preprocessing]
size = 32
colour = "grey"
[network.backbone]
stem = 8
widths = [8, 16]
depth = 1
[sampling]
batch = 32
[optimisation]
epochs = 3
warmup = 1
precision = "fp32"
"""

HAND = """\
const [waves, lag, noise, seed] = arguments;
const video = document.querySelector("video"), area = document.querySelector(".area");
let state = seed, last = -1;
const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
const normal = () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
const wave = (time) => (sum, [height, rate, phase]) =>
  sum + height * Math.sin(2 * Math.PI * rate * time + phase);
const value = (label, time) => waves[label].reduce(wave(time), noise * normal());
window.sent = 0;
const step = (now) => {
  if (now - last >= 38) {
    last = now;
    const box = area.getBoundingClientRect(), time = video.currentTime - lag;
    const clientX = box.left + box.width * (1 + value("valence", time)) / 2;
    const clientY = box.top + box.height * (1 - value("arousal", time)) / 2;
    const place = {clientX, clientY, pointerType: "mouse", bubbles: true};
    area.dispatchEvent(new PointerEvent("pointermove", place));
    window.sent += 1;
  }
  if (!video.ended) requestAnimationFrame(step);
};
step(performance.now());
"""
"""Moves the pointer over the plane until the video ends; roughly 25 times a second."""


def make_project(folder: Path) -> None:
    """Make the project with its videos, who is seen in them, and the recipe."""
    (folder / "talks/videos").mkdir(parents=True)
    sample = Path(mien.__file__).parent / "samples/portraits.mp4"
    pictures = [frame.image for frame in Video(sample)]
    for name, (first, last, mirrored) in SHOTS.items():

        def draw(number: int, first: int = first, last: int = last, mirrored: bool = mirrored) -> Image:
            span = last - first
            picture = pictures[first + span - abs(number % (2 * span) - span)]
            return np.ascontiguousarray(picture[:, ::-1]) if mirrored else picture

        make_video(folder / "talks/videos" / name, frames=FRAMES, size=(640, 360), draw=draw)
    (folder / "talks/project.toml").write_text(PROJECT)
    (folder / "videos.csv").write_text("video,subject\none.mp4,s1\ntwo.mp4,s2\nthree.mp4,s3\n")
    (folder / "tiny.toml").write_text(RECIPE)


def truth(video: str, label: str, seconds: FloatArray) -> FloatArray:
    """Return the curve that annotators of a video follow, at times."""
    parts = [
        height * np.sin(2 * math.pi * rate * seconds + phase) for height, rate, phase in WAVES[video, label]
    ]
    return np.asarray(np.sum(parts, axis=0))


def trace(browser: Browser, server: Server, annotator: str, video: str, seed: int) -> int:
    """Trace a video as an annotator and call it finished; return how many moves were made."""
    browser.open("about:blank")
    browser.open(f"{server.addresses[annotator]}#/affect/{video}/0", 1280, 720)
    browser.until("return document.querySelector('video')?.readyState >= 3")
    waves = {label: WAVES[video, label] for label in LABELS}
    browser.run(HAND, waves, LAGS[annotator], NOISE, seed)
    browser.press(" ")
    browser.until("return document.querySelector('video').ended", 60)
    browser.until("return document.querySelector('#saved').dataset.unsent === '0'")
    moves = int(browser.run("return window.sent"))
    browser.press("f")
    browser.until(f"return !location.hash.startsWith('#/affect/{video}')")
    return moves


def annotate(folder: Path) -> int:
    """Have all annotators trace all videos; return how many moves were made."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not program or not driver:
        sys.exit("chromium and chromedriver are needed")
    moves = 0
    with Server(folder / "talks") as server:
        for place, annotator in enumerate(LAGS):
            with chromium(program, driver) as browser:
                for number, video in enumerate(SHOTS):
                    moves += trace(browser, server, annotator, video, 1000 + 10 * place + number)
                    print(f"{annotator} traced {video}", file=sys.stderr)
    return moves


def run(folder: Path, *words: str) -> str:
    """Return what a command of mien prints; stop where it fails."""
    done = subprocess.run([sys.executable, "-m", "mien", *words], cwd=folder, capture_output=True, text=True)
    print(f"mien {' '.join(words)}: {done.returncode}", file=sys.stderr)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return done.stdout + done.stderr


def build(folder: Path) -> None:
    """Run everything that comes after annotating."""
    run(folder, "agreement", "talks", "-o", "agreement", "--finished")
    run(folder, "fuse", "talks", "-o", "gold", "--finished")
    run(folder, "fuse", "talks", "-o", "gold_late", "--finished", "--lag-limit", "0")
    reaction = str(min(LAGS.values()))
    run(folder, "fuse", "talks", "-o", "gold_known", "--finished", "--reaction", reaction)
    run(folder, "split", "gold", "--attributes", "videos.csv", "-o", "split.csv")
    place = ("--videos", "talks/videos", "--agreement", "agreement", "--title", "Circle")
    run(folder, "publish", "gold", "--split", "split.csv", *place, "-o", "circle")
    for form in ("table", "aff_wild2"):
        if "no faults" not in (said := run(folder, "databases", "check", form, "circle")):
            sys.exit(said)
    run(folder, "prepare", "table", "circle", "-o", "prepared", "--recipe", "tiny.toml", "-q")
    run(folder, "train", "tiny.toml", "prepared", "-o", "run", "--device", "cpu", "-q")


def concordance(one: FloatArray, other: FloatArray) -> float:
    """Return the CCC of two courses, over the rows that both have (Lin 1989)."""
    both = np.isfinite(one) & np.isfinite(other)
    a, b = one[both], other[both]
    return float(2 * np.cov(a, b, bias=True)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2))


def with_others(told: dict[str, Any], label: str, stage: str) -> float:
    """Return the mean CCC of annotators with the mean of the others."""
    (one,) = (
        one for one in told["agreement"] if (one["label"], one["stage"], one["video"]) == (label, stage, "")
    )
    figures = [figure for pair in one["alone"] for figure in pair["figures"]]
    return float(np.mean([figure["value"] for figure in figures if figure["name"] == "CCC"]))


def near(gold: Path, label: str, late: float) -> float:
    """Return the CCC of a gold folder with the truth, put off by some seconds."""
    table = pq.read_table(gold / "gold.parquet")
    names, seconds = np.array(table["video"].to_pylist()), table["time_s"].to_numpy()
    fused = table[label].to_numpy(zero_copy_only=False).astype(float)
    real = np.empty(len(fused))
    for name in SHOTS:
        real[names == name] = truth(name, label, seconds[names == name] - late)
    return concordance(fused, real)


def judge(folder: Path) -> bool:
    """Print what was found beside what was put in; return whether all is within bounds."""
    told = json.loads((folder / "agreement/agreement.json").read_bytes())
    quickest = min(LAGS.values())
    made = {"gold_late": quickest, "gold": quickest, "gold_known": 0.0}
    fine = True
    print("| label | annotator | lag put in, beyond the quickest | found |\n|---|---|---|---|")
    for label in LABELS:
        for lag in told["lags"][label]:
            put = LAGS[lag["annotator"]] - quickest
            fine &= abs(lag["seconds"] - put) <= LAG_BOUND
            print(f"| {label} | {lag['annotator']} | {put:.2f} s | {lag['seconds']:.2f} s |")
    print("\n| label | CCC with the others | with lags off | fused, lags left in | fused | quickest known |")
    print("|---|---|---|---|---|---|")
    for label in LABELS:
        before, after = (with_others(told, label, stage) for stage in ("before", "after"))
        late, fused, known = (near(folder / name, label, late) for name, late in made.items())
        fine &= after > before and fused > max(CCC_BOUND, late) and known > CCC_BOUND
        print(f"| {label} | {before:.3f} | {after:.3f} | {late:.3f} | {fused:.3f} | {known:.3f} |")
    rows = pq.read_metadata(folder / "circle/labels.parquet").num_rows
    trained = (folder / "run/best.safetensors").is_file()
    print(f"\n{rows} rows published; {'a network was trained' if trained else 'NOTHING was trained'}:\n")
    print((folder / "run/metrics.csv").read_text())
    return bool(fine and trained and rows == FRAMES * len(SHOTS))


def main() -> None:
    """Go the way once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="Where to make everything; must not exist.")
    folder = parser.parse_args().folder.resolve()
    make_project(folder)
    print(f"{annotate(folder)} moves made", file=sys.stderr)
    build(folder)
    fine = judge(folder)
    print("Within the bounds." if fine else "\nOutside the bounds.")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
