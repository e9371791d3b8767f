"""A made AffectNet, in each of its two releases."""

from pathlib import Path

import numpy as np

from mien.tasks import EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL
from mien.testing.databases.made import MOUTHS, Bad, Key, Made, Row, write_face, write_lines

_NUMBERS = {
    "neutral": 0,
    "happiness": 1,
    "sadness": 2,
    "surprise": 3,
    "fear": 4,
    "disgust": 5,
    "anger": 6,
    "contempt": 7,
}

_NO_EXPRESSION = {"none": 8, "uncertain": 9, "no face": 10}

_HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)

_ENDINGS = (".jpg", ".JPG", ".png", ".bmp", ".tif")


def _line(picture: str, box: str, number: int, affect: tuple[float, float], rng: np.random.Generator) -> str:
    """Return a row of a list, with 68 landmarks."""
    marks = ";".join(f"{mark:.2f}" for mark in rng.uniform(20, 200, 136))
    return f"{picture},{box},{marks},{number},{affect[0]:g},{affect[1]:g}"


def make_affectnet_2017(folder: Path, seed: int = 0) -> Made:
    """Write the lists of 2017 and their pictures.

    As in the real ones, validation.csv has no header, pictures end in many ways, boxes are NULL,
    negative or without size, and the last three classes are no expression. One picture is missing, one
    is not listed, one shows two faces, and an automatic list lies beside.
    """
    rng = np.random.default_rng(seed)
    lists, images = folder / "Manually_Annotated_file_lists", folder / "Manually_Annotated_Images"
    rows: list[Row] = []
    texts: dict[str, list[str]] = {"train": [_HEADER], "validation": []}
    boxes = ("11,14,205,205", "NULL,NULL,NULL,NULL", "-3,-7,190,200", "0,0,0,0", "20,18,210,212")
    names = [*_NUMBERS, *_NO_EXPRESSION]
    for split, count in (("train", 22), ("validation", 11)):
        for number in range(count):
            name = names[number % len(names)]
            code = {**_NUMBERS, **_NO_EXPRESSION}[name]
            picture = f"{901 + number % 3}/{rng.bytes(14).hex()}{_ENDINGS[number % len(_ENDINGS)]}"
            if (split, number) != ("train", 4):
                write_face(images / picture, rng, MOUTHS.get(name, 0), 96)
            valence, arousal = (round(float(x), 4) for x in rng.uniform(-1, 1, 2))
            unknown = name in ("uncertain", "no face")
            affect = (-2.0, -2.0) if unknown else (valence, arousal)
            texts[split].append(_line(picture, boxes[number % len(boxes)], code, affect, rng))
            truth = {} if unknown else {VALENCE_AROUSAL: {"valence": valence, "arousal": arousal}}
            if name in _NUMBERS:
                truth[EXPRESSION_8_CONTEMPT] = {name: 1.0}
            rows.append(Row(split, picture, 0, truth, picture=(split, number) != ("train", 4)))
    twice = rows[0].video
    texts["train"].append(_line(twice, "60,10,30,30", 6, (-0.5, 0.5), rng))
    truth = {EXPRESSION_8_CONTEMPT: {"anger": 1.0}, VALENCE_AROUSAL: {"valence": -0.5, "arousal": 0.5}}
    rows.append(Row("train", twice, 0, truth, face="2"))
    write_face(images / "903" / "ffff.jpg", rng, size=96)
    files = {
        "train": write_lines(lists / "training.csv", texts["train"]),
        "validation": write_lines(lists / "validation.csv", texts["validation"]),
    }
    automatic = _line("1/aa.jpg", "1,1,50,50", 0, (0.1, 0.1), rng)
    write_lines(
        folder / "Automatically_Annotated_file_lists" / "automatically_annotated.csv", [_HEADER, automatic]
    )
    spoiled = texts["train"][3].rsplit(",", 1)[0]
    bads = (
        Bad(files["train"], 4, f"{spoiled},loud", frozenset({rows[2].key})),
        Bad(files["validation"], 1, texts["validation"][0].replace(",", ";"), frozenset({rows[22].key})),
        Bad(files["validation"], 2, f"../x.jpg,{boxes[0]},,0,0,0", frozenset({rows[23].key})),
    )
    lost = {
        images / rows[7].video: frozenset({rows[7].key}),
        images / twice: frozenset({rows[0].key, rows[-1].key}),
    }
    return Made(folder, rows, bads, tuple(files.values()), lost=lost)


def make_affectnet_2021(folder: Path, seed: int = 0) -> Made:
    """Write the arrays of 2021: mostly texts, some numbers; numbers of pictures have gaps.

    One picture is missing, one has no array, and one lacks its valence.
    """
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    arrays: list[Path] = []
    lost: dict[Path, frozenset[Key]] = {}
    for place, split, numbers in (
        ("train_set", "train", range(7, 80, 4)),
        ("val_set", "validation", (0, 5, 12)),
    ):
        for number in numbers:
            name = list(_NUMBERS)[len(rows) % 8]
            picture = folder / place / "images" / f"{number}.jpg"
            missing = number == 11
            if not missing:
                write_face(picture, rng, MOUTHS.get(name, 0), 112)
            affect = {
                "valence": round(float(rng.uniform(-1, 1)), 4),
                "arousal": round(float(rng.uniform(-1, 1)), 4),
            }
            if number == 15:
                del affect["valence"]
            told = {"exp": _NUMBERS[name], "val": affect.get("valence"), "aro": affect["arousal"]}
            for kind, value in told.items():
                if value is not None:
                    array = np.array(value if number == 19 else str(value))
                    arrays.append(folder / place / "annotations" / f"{number}_{kind}.npy")
                    arrays[-1].parent.mkdir(parents=True, exist_ok=True)
                    np.save(arrays[-1], array)
            marks = rng.uniform(0, 224, 136)
            np.save(folder / place / "annotations" / f"{number}_lnd.npy", marks)
            truth = {EXPRESSION_8_CONTEMPT: {name: 1.0}, VALENCE_AROUSAL: affect}
            rows.append(Row(split, f"{place}/{number}", 0, truth, picture=not missing))
            if number in (27, 5):
                lost[picture] = frozenset({rows[-1].key})
    write_face(folder / "val_set" / "images" / "99.jpg", rng, size=112)
    return Made(folder, rows, others=arrays, lost=lost)
