"""A made SEWA, in its own form and in that of the AVEC challenges."""

from pathlib import Path

import numpy as np

from mien.tasks import VALENCE_AROUSAL
from mien.testing.databases.made import Bad, Made, Row, write_lines
from mien.testing.media import make_sound, make_video

_CLIPS = {"SEWA_C1_P901_ad1": ("A", "AV", "V"), "SEWA_C1_P902_ad1": ("A", "V"), "SEWA_C2_Zoë_talk": ("A",)}
"""Clip -> what the annotators of its files had."""


def make_sewa(folder: Path, seed: int = 0) -> Made:
    """Write three clips of 9 time stamps, 100 a second, with five annotators or three.

    One clip has files of all three kinds of annotators, one has no video, one annotator said nothing at
    one time, and landmarks lie beside the labels.
    """
    rng = np.random.default_rng(seed)
    rows, texts = [], []
    for clip, kinds in _CLIPS.items():
        truth: dict[str, list[float]] = {}
        for dimension in ("valence", "arousal"):
            for had in kinds:
                values = rng.uniform(-1, 1, (9, 3 if had == "A" else 5)).round(2)
                if had == next(kind for kind in ("AV", "V", "A") if kind in kinds):
                    truth[dimension] = [sum(row) / len(row) for row in values.tolist()]
                cells = [[f"{value}" for value in row] for row in values.tolist()]
                if (clip, dimension, had) == ("SEWA_C2_Zoë_talk", "arousal", "A"):
                    cells[4][1] = "NaN"
                    truth[dimension][4] = float(values[4, 0] + values[4, 2]) / 2
                header = ",".join(["Time", *(f"A{k + 1}" for k in range(values.shape[1]))])
                lines = [",".join([f"{k / 100:.2f}", *row]) for k, row in enumerate(cells)]
                name = f"{clip}_{dimension.capitalize()}_{had}_Aligned.csv"
                texts.append(write_lines(folder / "data" / clip / dimension / name, [header, *lines]))
        for k in range(9):
            labels = {VALENCE_AROUSAL: {dimension: values[k] for dimension, values in truth.items()}}
            subject, picture = clip.split("_")[2], clip != "SEWA_C1_P902_ad1"
            rows.append(Row("", clip, k, labels, subject=subject, seconds=k / 100, picture=picture))
        if clip != "SEWA_C1_P902_ad1":
            make_video(folder / "data" / clip / f"{clip}.avi", frames=5, rate=50)
        (folder / "data" / clip / "landmarks").mkdir()
        write_lines(folder / "data" / clip / "landmarks" / f"{clip}_0001.txt", ["1 2", "3 4"])
    make_sound(folder / "data/SEWA_C1_P902_ad1/SEWA_C1_P902_ad1.wav", seconds=0.1, rate=16_000, layout="mono")
    read = [path for path in texts if "P901" not in path.name or "_AV_" in path.name]
    bads = [
        Bad(read[0], 4, "0.02,0,0,1.2,0,0", frozenset({rows[2].key})),
        Bad(read[1], 11 - 1, "0.07,0,0,0,0,0", frozenset({rows[8].key})),
    ]
    lost = {folder / "data/SEWA_C1_P901_ad1/SEWA_C1_P901_ad1.avi": frozenset(row.key for row in rows[:9])}
    return Made(folder, rows, bads, texts, lost=lost)


def make_sewa_avec(folder: Path, seed: int = 0) -> Made:
    """Write the challenges' form: three recordings, 10 time stamps a second; one file has no header.

    Features lie in files of the same names, and the test part has no labels.
    """
    rng = np.random.default_rng(seed)
    rows, texts = [], []
    for name, split in {"Train_DE_01": "train", "Train_HU_02": "train", "Devel_DE_03": "validation"}.items():
        header = [] if name == "Train_HU_02" else ["name;timestamp;arousal;valence;liking"]
        lines = []
        for k in range(7):
            arousal, valence, liking = rng.uniform(-1, 1, 3).round(3).tolist()
            lines.append(f"'{name}';{k / 10:.1f};{arousal};{valence};{liking}")
            labels = {VALENCE_AROUSAL: {"valence": valence, "arousal": arousal}}
            rows.append(Row(split, name, k, labels, seconds=k / 10, picture=name != "Devel_DE_03"))
        texts.append(write_lines(folder / "labels" / f"{name}.csv", [*header, *lines]))
        features = [f"'{name}';{k / 10:.1f};{rng.uniform():.3f};{rng.uniform():.3f};0" for k in range(7)]
        header = ["name;timestamp;f0;f1;f2"]
        write_lines(folder / "audio_features_egemaps" / f"{name}.csv", [*header, *features])
    (folder / "video").mkdir()
    for name in ("Train_DE_01", "Train_HU_02", "Test_DE_04"):
        make_video(folder / "video" / f"{name}.mp4", frames=4, rate=10)
    bads = [
        Bad(texts[0], 8, "'Train_DE_01';0.6;0.1;-5;0", frozenset({rows[6].key})),
        Bad(texts[1], 7, "'Train_HU_02';0.6;0.1", frozenset({rows[13].key})),
    ]
    lost = {folder / "video/Train_HU_02.mp4": frozenset(row.key for row in rows[7:14])}
    return Made(folder, rows, bads, texts, lost=lost)
