"""Somebody's own data with a table, in CSV, in Parquet, and as an Index is saved."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mien.databases.index import Index
from mien.records import Labels
from mien.tasks import (
    ACTION_UNITS_8,
    EXPRESSION_7,
    EXPRESSION_8_CONTEMPT,
    EXPRESSION_8_OTHER,
    VALENCE_AROUSAL,
    Task,
)
from mien.testing.databases.made import Bad, Made, Row, write_face, write_lines
from mien.testing.media import make_sound, make_video


def make_table_csv(folder: Path, seed: int = 0) -> Made:
    """Write stills, frames of a video out of order, and a folder of pictures counted from 1, as frames.

    Cells are empty where nothing is known; one still and one picture of the folder do not exist.
    """
    rng = np.random.default_rng(seed)
    lines = ["path,frame,time_s,subject,split,video,face,valence,arousal,expression,AU01,AU12,lighting,lux"]
    lines += [
        "Bilder/änna.png,,,änna,train,,,0.25,-0.5,happiness,0,1,day,300",
        "Bilder/bob.jpg,,,bob,train,,,,0.125,Contempt,,,night,2.5",
        "Bilder/lost.png,,,bob,train,,,-1,1,neutral,1,0,,",
        '"Gespräch, lang.mp4",2,0.08,carl,validation,talk,left,0.1,0.2,,1,1,day,',
        '"Gespräch, lang.mp4",0,0.0,carl,validation,talk,left,0.0,0.1,fear,0,1,day,',
        '"Gespräch, lang.mp4",1,0.04,dora,validation,talk,right,-0.1,,,,,day,',
        "frames,0,,ed,test,,,0.5,0.5,anger,,,,",
        "frames,1,,ed,test,,,0.5,0.6,surprise,,,,",
        "frames,2,,ed,test,,,0.5,0.7,,,,,",
        "frames,4,,ed,test,,,0.5,0.8,disgust,,,,",
    ]
    write_face(folder / "Bilder/änna.png", rng, 1)
    write_face(folder / "Bilder/bob.jpg", rng)
    for number in (1, 2, 3):
        write_face(folder / f"frames/{number:04d}.png", rng, size=64)
    make_video(folder / "Gespräch, lang.mp4", frames=4)
    table = write_lines(folder / "manifest.csv", lines)
    rows = [
        _still("Bilder/änna", "änna", 0.25, -0.5, "happiness", 0, 1),
        _still("Bilder/bob", "bob", None, 0.125, "contempt", None, None),
        _still("Bilder/lost", "bob", -1, 1, "neutral", 1, 0),
        Row("validation", "talk", 0, _labels(0.0, 0.1, "fear", 0, 1), "left", "carl", 0.0),
        Row("validation", "talk", 2, _labels(0.1, 0.2, "", 1, 1), "left", "carl", 0.08),
        Row("validation", "talk", 1, _labels(-0.1, None, "", None, None), "right", "dora", 0.04),
        *(
            Row("test", "frames", k, _labels(0.5, v, c, None, None), "", "ed", picture=k < 4)
            for k, v, c in ((0, 0.5, "anger"), (1, 0.6, "surprise"), (2, 0.7, ""), (4, 0.8, "disgust"))
        ),
    ]
    bads = [
        Bad(table, 3, "Bilder/bob.jpg,,,bob,train,,,,1.5,contempt,,,night,2.5", frozenset({rows[1].key})),
        Bad(
            table,
            6,
            '"Gespräch, lang.mp4",0,0,carl,validation,talk,left,0,0.1,joy,0,1,,',
            frozenset({rows[3].key}),
        ),
        Bad(table, 9, "frames,1.5,,ed,test,,,0.5,0.6,surprise,,,,", frozenset({rows[7].key})),
    ]
    lost = {
        folder / "Bilder/änna.png": frozenset({rows[0].key}),
        folder / "frames/0003.png": frozenset({rows[8].key}),
        folder / "Gespräch, lang.mp4": frozenset(row.key for row in rows[3:6]),
    }
    return Made(folder, rows, bads, [table], lost=lost, numbered=[folder / "frames"])


Said = tuple[float | None, float | None, str, int | None, int | None]
"""Valence, arousal, expression, AU01 and AU12."""


def _still(stem: str, subject: str, *said: *Said) -> Row:
    """Return the truth of a still."""
    return Row("train", stem, 0, _labels(*said), subject=subject, picture=stem != "Bilder/lost")


def _labels(*said: *Said) -> dict[Task, dict[str, float]]:
    """Return the truth of a row of the CSV."""
    valence, arousal, expression, one, twelve = said
    rated = {"valence": valence, "arousal": arousal}
    units = {"AU01": one, "AU12": twelve}
    return {
        VALENCE_AROUSAL: {name: value for name, value in rated.items() if value is not None},
        EXPRESSION_8_CONTEMPT: {expression: 1.0} if expression else {},
        ACTION_UNITS_8: {name: value for name, value in units.items() if value is not None},
    }


def make_table_parquet(folder: Path, seed: int = 0) -> Made:
    """Write moments of two videos, with shares of classes, in typed columns with nulls."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows, cells = [], []
    for number, name in enumerate(("eins.mp4", "zwei.avi")):
        make_video(folder / name, frames=6)
        for k in range(5):
            share = float(rng.integers(0, 5)) / 4
            known = (number, k) != (1, 2)
            valence = None if k == 3 else float(np.float32(rng.uniform(-1, 1)))
            cells.append(
                (name, k * 0.04, number, "train" if number else "test", "ton.wav", valence, share, known)
            )
            shares = {"fear": share, "other": 1 - share}
            labels = {VALENCE_AROUSAL: {} if valence is None else {"valence": valence}}
            labels[EXPRESSION_8_OTHER] = shares if known else {}
            rows.append(
                Row("train" if number else "test", name[:4], k, labels, subject=str(number), seconds=k * 0.04)
            )
    make_sound(folder / "ton.wav", seconds=0.1, rate=16_000, layout="mono")
    paths, times, subjects, splits, sounds, valences, fear, usable = zip(*cells, strict=True)
    table = pa.table(
        {
            "path": pa.array(paths).dictionary_encode(),
            "time_s": pa.array(times, pa.float64()),
            "subject": pa.array(subjects, pa.int32()),
            "split": pa.array(splits),
            "sound": pa.array(sounds),
            "valence": pa.array(valences, pa.float32()),
            "expression_fear": pa.array([f if u else None for f, u in zip(fear, usable, strict=True)]),
            "expression_other": pa.array([1 - f if u else None for f, u in zip(fear, usable, strict=True)]),
            "checked": pa.array(usable, pa.bool_()),
        }
    )
    pq.write_table(table, folder / "data.parquet")
    lost = {folder / "zwei.avi": frozenset(row.key for row in rows[5:])}
    return Made(folder, rows, others=[folder / "data.parquet"], lost=lost)


def make_table_index(folder: Path, seed: int = 0) -> Made:
    """Write an Index of clips as it is saved."""
    rng = np.random.default_rng(seed)
    names = ("a", "b", "ç", "d")
    rated = rng.uniform(-1, 1, (4, 2)).astype(np.float32)
    rated[1, 1] = np.nan
    classes = np.eye(7, dtype=np.float32)[[4, 0, 2, 4]]
    classes[3] = np.nan
    folder.mkdir(parents=True, exist_ok=True)
    for name in names[:3]:
        make_video(folder / f"{name}.mp4", frames=2)
    index = Index.of(
        "ours",
        Labels.of({VALENCE_AROUSAL: rated, EXPRESSION_7: classes}),
        split=["train", "train", "validation", "test"],
        subject=names,
        video=names,
        media=[f"{name}.mp4" for name in names],
        unit="clip",
        columns={"length": np.array([1.5, 2, 3, np.nan])},
    )
    index.save(folder / "labels.parquet")
    rows = [
        Row(
            index.split.at(k),
            name,
            0,
            {
                VALENCE_AROUSAL: {
                    label: float(rated[k, place])
                    for place, label in enumerate(("valence", "arousal"))
                    if (k, place) != (1, 1)
                },
                EXPRESSION_7: {} if k == 3 else {("happiness", "neutral", "disgust")[k]: 1.0},
            },
            subject=name,
            picture=k < 3,
        )
        for k, name in enumerate(names)
    ]
    lost = {folder / "a.mp4": frozenset({rows[0].key})}
    return Made(folder, rows, others=[folder / "labels.parquet"], lost=lost)
