"""A made RECOLA, as AVEC packed it and as its authors give it."""

from pathlib import Path

import numpy as np

from mien.tasks import VALENCE_AROUSAL
from mien.testing.databases.made import Bad, Made, Row, write_lines
from mien.testing.media import make_sound, make_video

_RATERS = ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")

_STEP = 0.04

_SPLITS = {"train_1": "train", "train_2": "train", "train_10": "train", "dev_1": "validation"}


def make_recola_avec(folder: Path, seed: int = 0) -> Made:
    """Write AVEC's package: gold standard and individual ratings of four recordings, 8 time stamps each.

    One recording has no video, one has no ratings, one lacks an arousal value, and a video of the test
    part lies beside them.
    """
    rng = np.random.default_rng(seed)
    rows, texts = [], []
    for name, split in _SPLITS.items():
        gold = {dimension: rng.uniform(-0.6, 0.6, 8).round(4) for dimension in ("valence", "arousal")}
        gold["valence"][0] = -1
        for dimension, values in gold.items():
            stamps = [k for k in range(8) if (name, dimension, k) != ("dev_1", "arousal", 6)]
            texts.append(_write_arff(folder, dimension, name, {k: float(values[k]) for k in stamps}))
            if name != "train_2":
                path = folder / "ratings_individual" / dimension / f"{name}.csv"
                texts.append(_write_ratings(path, rng.uniform(-1, 1, (8, 6)).round(3), "FM1"))
        for k in range(8):
            labels = {dimension: float(values[k]) for dimension, values in gold.items()}
            if (name, k) == ("dev_1", 6):
                del labels["arousal"]
            picture = name != "train_2"
            rows.append(_row(split, name, k, labels, picture))
    for name in ("train_1", "train_10", "dev_1", "test_1"):
        (folder / "recordings_video").mkdir(exist_ok=True)
        make_video(folder / "recordings_video" / f"{name}.mp4", frames=9, sound=name == "train_1")
    (folder / "recordings_audio").mkdir()
    make_sound(folder / "recordings_audio" / "dev_1.wav", seconds=0.36, rate=16_000, layout="mono")
    bads = [
        Bad(texts[0], 10, "'train_1',0.08,1.5", frozenset({("train", "train_1", "", 2)})),
        Bad(folder / "ratings_individual/valence/dev_1.csv", 3, "0.04;0;0;x;0;0;0", frozenset()),
    ]
    lost = {folder / "recordings_video/train_1.mp4": frozenset(row.key for row in rows[:8])}
    return Made(folder, rows, bads, texts, lost=lost)


def make_recola_original(folder: Path, seed: int = 0) -> Made:
    """Write the original csv of three recordings, with the stray space after the first rater's name."""
    rng = np.random.default_rng(seed)
    rows, texts = [], []
    for name in ("P16", "P25", "P103"):
        said = {dimension: rng.uniform(-1, 1, (6, 6)).round(2) for dimension in ("valence", "arousal")}
        said["arousal"][2] = 1
        for dimension, values in said.items():
            path = folder / "RECOLA-Annotation" / "emotional_behaviour" / dimension / f"{name}.csv"
            texts.append(_write_ratings(path, values, "FM1 "))
        for k in range(6):
            labels = {dimension: float(sum(values[k]) / 6) for dimension, values in said.items()}
            rows.append(_row("", name, k, labels, name != "P25"))
        if name != "P25":
            (folder / "RECOLA-Video-recordings").mkdir(exist_ok=True)
            make_video(folder / "RECOLA-Video-recordings" / f"{name}.mp4", frames=7)
    bads = [Bad(texts[0], 5, "0.12;0;0;0;0;0", frozenset({rows[3].key}))]
    lost = {folder / "RECOLA-Video-recordings/P103.mp4": frozenset(row.key for row in rows[12:])}
    return Made(folder, rows, bads, texts, lost=lost)


def _row(split: str, name: str, stamp: int, labels: dict[str, float], picture: bool) -> Row:
    """Return the truth of one time stamp."""
    seconds = stamp * _STEP
    return Row(split, name, stamp, {VALENCE_AROUSAL: labels}, subject=name, seconds=seconds, picture=picture)


def _write_arff(folder: Path, dimension: str, name: str, values: dict[int, float]) -> Path:
    """Write a gold standard."""
    header = [
        f"@relation GOLDSTANDARD_{dimension.upper()}",
        "",
        "@attribute Instance_name string",
        "@attribute frameTime numeric",
        "@attribute GoldStandard numeric",
        "",
        "@data",
    ]
    lines = [f"'{name}',{stamp * _STEP:.2f},{value}" for stamp, value in values.items()]
    return write_lines(folder / "ratings_gold_standard" / dimension / f"{name}.arff", [*header, *lines])


def _write_ratings(path: Path, values: np.ndarray, first: str) -> Path:
    """Write individual ratings (n, 6)."""
    header = ";".join(("time", first, *_RATERS[1:]))
    lines = [";".join([f"{k * _STEP:g}", *(f"{value:g}" for value in row)]) for k, row in enumerate(values)]
    return write_lines(path, [header, *lines])
