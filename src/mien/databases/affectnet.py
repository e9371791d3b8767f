"""AffectNet (Mollahosseini, Hasani, Mahoor 2017): web pictures with an expression, valence and arousal.

Two releases are read. That of 2017 is lists:

    Manually_Annotated_file_lists/training.csv     with a header
    Manually_Annotated_file_lists/validation.csv   with or without one
    Manually_Annotated_Images/901/<hash>.jpg       any kind of picture; also in Manually_Annotated/
    Automatically_Annotated_file_lists/automatically_annotated.csv

Of a row the picture, the box of its face, expression, valence and arousal are read, not the landmarks. A
box of "NULL", or one without width or height, is unknown; it may begin outside the picture. A picture
that is listed twice shows a second face. Classes 8 (none), 9 (uncertain) and 10 (no face) are no
expression: masked, and the row kept. Valence and arousal of -2 are unknown.

The automatic list was labelled by a network. It is never mixed in: beside the manual ones it is left out
and told; it is read, all of it as the part "train", where the given folder holds no other list.

That of March 2021 is arrays, of pictures cut to the face:

    train_set/images/7.jpg                         224 x 224; val_set likewise
    train_set/annotations/7_exp.npy                7_val.npy, 7_aro.npy: one number, mostly as a text

The test part was never released; papers report the validation part.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from re import DOTALL
from re import compile as pattern

import numpy as np

from mien.arrays import FloatArray
from mien.databases.catalog import VALIDATION_AS_TEST, Count, Database, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import PICTURES, files, find_folders, relative, subfolders
from mien.databases.published import AFFECTNET
from mien.databases.text import fields, lines, number, whole
from mien.errors import DatabaseError
from mien.records import Labels, one_hot
from mien.tasks import EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL

CLASSES = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt")
"""What the numbers 0 to 7 mean; 8 to 10 are no expression."""

LAST_NUMBER = 10

COLUMNS = (
    *("subDirectory_filePath", "face_x", "face_y", "face_width", "face_height", "facial_landmarks"),
    *("expression", "valence", "arousal"),
)
"""The columns of a list of 2017, in their order where there is no header."""

BOX = ("box_x", "box_y", "box_w", "box_h")
"""Columns of the Index: the face's box in pixels, NaN where unknown."""

LISTS = {"training.csv": "train", "validation.csv": "validation"}
AUTOMATIC = "automatically_annotated.csv"
SETS = {"train_set": "train", "val_set": "validation"}
ARRAYS = ("exp", "val", "aro")

RELEASE_2017, RELEASE_2021 = "lists of 2017", "arrays of March 2021"
RELEASE_AUTOMATIC = "lists of 2017, automatic labels only"
"""What the releases are called."""

NPY = pattern(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>|=][SUfiu][0-9]{1,3})', "
    rb"'fortran_order': (?:False|True), 'shape': \((?:1,)?\), *\} *\n",
    DOTALL,
)
"""How a .npy file of one text or number begins; one with any other content does not."""


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per listed face of 2017, or per picture of 2021.

    Raises:
        DatabaseError: neither release is there, or a row or an array breaks the format and is not skipped.
    """
    if folder.is_dir():
        found = _lists(folder)
        if found:
            return _read_lists(folder, found, findings)
    outer = find_folders(folder, "train_set|val_set")
    whole = [place for place in outer if (place / "annotations").is_dir()]
    inner = [place for each in outer if each not in whole for place in find_folders(each, each.name)]
    sets = sorted(whole + [place for place in inner if (place / "annotations").is_dir()])
    if sets:
        return _read_arrays(folder, sets, findings)
    raise DatabaseError(
        f"{folder}: neither Manually_Annotated_file_lists/training.csv or validation.csv (2017) nor "
        "train_set/annotations/ (2021) is there; give the folder that holds one of them"
    )


def _lists(folder: Path) -> dict[str, Path]:
    """Return the lists of 2017 by their file's name."""
    named = find_folders(folder, "(manually|automatically)_annotated_file_lists?")
    places = (folder, *subfolders(folder), *named)
    wanted = [place / name for place in places for name in (*LISTS, AUTOMATIC)]
    return {path.name: path for path in reversed(wanted) if path.is_file()}


def _read_lists(folder: Path, found: dict[str, Path], findings: Findings) -> Index:
    """Return the rows of the lists of 2017."""
    parts = {split: found[name] for name, split in LISTS.items() if name in found}
    findings.release = RELEASE_2017
    if not parts:
        parts, findings.release = {"train": found[AUTOMATIC]}, RELEASE_AUTOMATIC
    elif AUTOMATIC in found:
        findings.note(f"{relative(found[AUTOMATIC], folder)}: labels by a network, left out")
    paths: list[str] = []
    splits: list[str] = []
    faces: list[str] = []
    numbers: list[tuple[float, ...]] = []
    for split, path in parts.items():
        listed, values = _read_list(path, findings)
        paths += listed
        splits += [split] * len(listed)
        faces += _faces(listed)
        numbers += values
    shared = {p for p, s in zip(paths, splits, strict=True) if s == "train"}
    shared &= {p for p, s in zip(paths, splits, strict=True) if s == "validation"}
    if shared:
        findings.note(f"{len(shared)} pictures are in both lists, such as {min(shared)}")
    table = np.array(numbers, np.float64).reshape(-1, 7)
    kind = "automatically" if findings.release == RELEASE_AUTOMATIC else "manually"
    return Index.of(
        "affectnet",
        _labels(table[:, 4:]),
        split=splits,
        video=paths,
        face=faces,
        media=_media(folder, kind, paths, findings),
        columns={name: table[:, i].astype(np.float32) for i, name in enumerate(BOX)},
    )


def _read_list(path: Path, findings: Findings) -> tuple[list[str], list[tuple[float, ...]]]:
    """Return a list's pictures, and for each row box (4), expression, valence and arousal."""
    paths: list[str] = []
    numbers: list[tuple[float, ...]] = []
    names: Sequence[str] = COLUMNS
    order = list(range(len(COLUMNS)))
    for line, text in lines(path, findings):
        with findings.row(path, line):
            cells = fields(text)
            if line == 1 and COLUMNS[0] in cells:
                names, order = cells, _order(path, cells)
                continue
            if len(cells) != len(names):
                raise ValueError(f"{len(cells)} fields, expected {len(names)}: {', '.join(names)}")
            name, *box, _, expression, valence, arousal = [cells[place] for place in order]
            values = (*_box(box), *_judged(expression, valence, arousal))
            paths.append(_inside(name))
            numbers.append(values)
    return paths, numbers


def _order(path: Path, header: Sequence[str]) -> list[int]:
    """Return where a header has each of COLUMNS."""
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise DatabaseError(
            f"{path}: no column {', '.join(missing)}; the header is {','.join(header)[:200]!r}"
        )
    return [header.index(name) for name in COLUMNS]


def _inside(name: str) -> str:
    """Return the path of a picture below the folder of pictures."""
    path = name.replace("\\", "/")
    steps = path.split("/")
    sound = path.isprintable() and len(path) < 200 and all(step.strip(". ") for step in steps)
    if len(steps) != 2 or not sound:
        raise ValueError(f"the picture is {name[:60]!r}, expected a folder and a file such as '901/ab.jpg'")
    return path


def _box(cells: Sequence[str]) -> tuple[float, ...]:
    """Return x, y, width and height in pixels; all NaN where the box is unknown."""
    unknown = (np.nan,) * 4
    if any(cell in ("", "NULL") for cell in cells):
        return unknown
    box = tuple(number(cell, f"the face's {n}", -1e5, 1e5) for cell, n in zip(cells, BOX, strict=True))
    return box if box[2] > 0 and box[3] > 0 else unknown


def _judged(expression: str, valence: str, arousal: str) -> tuple[float, float, float]:
    """Return expression, valence and arousal as numbers; the latter NaN where they are -2."""
    values = []
    for name, cell in (("valence", valence), ("arousal", arousal)):
        value = number(cell, name, -2, 1)
        if -2 < value < -1:
            raise ValueError(f"{name} is {cell!r}, expected a number from -1 to 1, or -2 for unknown")
        values.append(value if value >= -1 else np.nan)
    return float(whole(expression, "expression", 0, LAST_NUMBER)), values[0], values[1]


def _labels(judged: FloatArray) -> Labels:
    """Return labels of rows of expression, valence and arousal; NaN is unknown."""
    classes = np.where(np.isnan(judged[:, 0]), -1, judged[:, 0]).astype(np.int64)
    return Labels.of(
        {
            EXPRESSION_8_CONTEMPT: one_hot(EXPRESSION_8_CONTEMPT, CLASSES, classes),
            VALENCE_AROUSAL: judged[:, 1:].astype(np.float32),
        }
    )


def _faces(paths: Iterable[str]) -> list[str]:
    """Return a face's name for each row: "" for the first of a picture, then "2", "3"."""
    seen: dict[str, int] = {}
    faces = []
    for path in paths:
        seen[path] = seen.get(path, 0) + 1
        faces.append(str(seen[path]) if seen[path] > 1 else "")
    return faces


def _media(folder: Path, kind: str, paths: Sequence[str], findings: Findings) -> list[str]:
    """Return each row's picture below `folder`, "" where it is missing; tell what has no counterpart."""
    wanted = {path.partition("/")[0] for path in paths}
    place = _pictures_folder(folder, kind, wanted)
    on_disk = {name: files(place / name, PICTURES) for name in wanted}
    by_stem = {
        (name, file.rpartition(".")[0]): picture
        for name, pictures in on_disk.items()
        for file, picture in pictures.items()
    }
    media = []
    used = set()
    base = "" if place == folder else f"{relative(place, folder)}/"
    for path in paths:
        name, _, file = path.partition("/")
        picture = on_disk[name].get(file.lower()) or by_stem.get((name, file.lower().rpartition(".")[0]))
        media.append(f"{base}{name}/{picture.name}" if picture else "")
        if picture is None:
            findings.unmatch("label without a picture", path)
        else:
            used.add(media[-1])
    rest = [inner.name for inner in subfolders(place) if inner.name not in wanted] if base else []
    for name in sorted([*wanted, *rest]):
        for picture in (on_disk.get(name) or files(place / name, PICTURES)).values():
            if f"{base}{name}/{picture.name}" not in used:
                findings.unmatch("picture without a label", f"{name}/{picture.name}")
    return media


def _pictures_folder(folder: Path, kind: str, wanted: Iterable[str]) -> Path:
    """Return the folder that holds some of the wanted ones: <kind>_Annotated_Images, however nested."""
    named = find_folders(folder, f"{kind}_annotated(_images|_compressed)?")
    inner = [place for outer in named for place in find_folders(outer, f"{kind}_annotated_images")]
    for place in (*inner, *named, folder):
        if any((place / name).is_dir() for name in wanted):
            return place
    return folder


def _read_arrays(folder: Path, sets: Sequence[Path], findings: Findings) -> Index:
    """Return the rows of the release of 2021."""
    splits, videos, media = [], [], []
    judged: list[tuple[float, float, float]] = []
    for place in sets:
        pictures = {n.rpartition(".")[0]: path for n, path in files(place / "images", PICTURES).items()}
        arrays = _names(place / "annotations")
        marks = {f"_{kind}.npy" for kind in ARRAYS}
        stems = {name[:-8] for name in arrays if name[-8:] in marks}
        for stem in sorted(stems, key=lambda stem: (len(stem), stem)):
            values = _values(place / "annotations", stem, arrays, findings)
            if values is None:
                continue
            if stem.lower() not in pictures:
                findings.unmatch("label without a picture", f"{place.name}/{stem}")
            splits.append(SETS[place.name.lower()])
            videos.append(f"{place.name}/{stem}")
            media.append(relative(pictures[stem.lower()], folder) if stem.lower() in pictures else "")
            judged.append(values)
        for name in sorted(pictures.keys() - {stem.lower() for stem in stems}):
            findings.unmatch("picture without a label", f"{place.name}/{name}")
    findings.release = RELEASE_2021
    table = np.array(judged, np.float64).reshape(-1, 3)
    return Index.of("affectnet", _labels(table), split=splits, video=videos, media=media, cropped=True)


def _names(folder: Path) -> set[str]:
    """Return the names of a folder's entries, hidden ones left out; for a million a Path each is slow."""
    try:
        return {name for name in os.listdir(folder) if not name.startswith(".")}
    except OSError as error:
        raise DatabaseError(f"{folder}: {error.strerror}") from error


def _values(
    place: Path, stem: str, arrays: set[str], findings: Findings
) -> tuple[float, float, float] | None:
    """Return a picture's expression, valence and arousal, NaN where there is no array; None if damaged."""
    texts = {"exp": str(LAST_NUMBER), "val": "-2", "aro": "-2"}
    judged = _judged(*texts.values())
    for kind in ARRAYS:
        name = f"{stem}_{kind}.npy"
        if name not in arrays:
            findings.unmatch("picture without one of its arrays", f"{place.parent.name}/{name}")
            continue
        try:
            texts[kind] = _only_value(f"{place}/{name}")
            judged = _judged(*texts.values())
        except ValueError as error:
            findings.fault(f"{place / name}: {error}")
            return None
    return judged


def _only_value(path: str) -> str:
    """Return the one value of a .npy file as text.

    A header is matched and not evaluated: that is five times as fast as np.load, and there are a million
    of these files.

    Raises:
        ValueError: the file cannot be read, or is not such a file.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(4096)
        start = NPY.match(data)
        value = _unpacked(start[1].decode(), data[start.end() :]) if start else None
    except (OSError, TypeError) as error:
        raise ValueError(f"not a .npy file of one number or text ({error})") from error
    if value is None:
        raise ValueError(f"begins with {data[:24]!r}, expected a .npy file of one number or text")
    return value


def _unpacked(kind: str, data: bytes) -> str | None:
    """Return one value of a kind such as "<U4" or "<f8" as text; None where there is not just one.

    Raises:
        TypeError: there is no such kind.
        ValueError: it is a text that cannot be.
    """
    dtype = np.dtype(kind)
    if len(data) != dtype.itemsize:
        return None
    if dtype.kind == "U":  # numpy itself fails on numbers that are no character
        return data.decode("utf-32-be" if kind[0] == ">" else "utf-32-le").rstrip("\0")
    if dtype.kind == "S":
        return data.decode("ascii").rstrip("\0")
    return str(np.frombuffer(data, dtype)[0])


_BASIC = tuple(label for label in EXPRESSION_8_CONTEMPT.labels if label != "contempt")

_TRAIN = {
    "neutral": 74_874,
    "happiness": 134_415,
    "sadness": 25_459,
    "surprise": 14_090,
    "fear": 6_378,
    "disgust": 3_803,
    "anger": 24_882,
    "contempt": 3_750,
}
"""Published numbers of pictures in the training part of 2017's lists."""

DATABASE = Database(
    title="AffectNet",
    tasks=(EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL),
    read=read,
    protocols=(
        Protocol(
            name="8 classes",
            task=EXPRESSION_8_CONTEMPT,
            metric="accuracy",
            also=("macro F1",),
            aggregation="pictures of the validation part with one of the classes",
            folds=(VALIDATION_AS_TEST,),
            note="classes are equal in the validation part and not in the training part",
        ),
        Protocol(
            name="7 classes",
            task=EXPRESSION_8_CONTEMPT,
            labels=_BASIC,
            metric="accuracy",
            also=("macro F1",),
            aggregation="pictures of the validation part with one of the classes; contempt left out",
            folds=(VALIDATION_AS_TEST,),
        ),
        Protocol(
            name="valence and arousal",
            task=VALENCE_AROUSAL,
            metric="CCC",
            also=("RMSE", "PCC", "SAGR"),
            aggregation="each over all pictures of the validation part where it is known, and their mean",
            folds=(VALIDATION_AS_TEST,),
            note="figures of EmoNet and others are of a cleaned subset",
        ),
    ),
    counts=(
        *(
            Count(count, split="train", task=EXPRESSION_8_CONTEMPT, label=label, release=RELEASE_2017)
            for label, count in {"": sum(_TRAIN.values()), **_TRAIN}.items()
        ),
        Count(4_000, split="validation", task=EXPRESSION_8_CONTEMPT, release=RELEASE_2017),
        Count(3_999, split="validation", task=EXPRESSION_8_CONTEMPT, release=RELEASE_2021),
    ),
    published=AFFECTNET,
    licence="For research that is not commercial, by agreement; the pictures are their owners'.",
    obtain="On request by its authors: mohammadmahoor.com/affectnet.",
    citation="Mollahosseini, Hasani, Mahoor, IEEE Transactions on Affective Computing 10(1), 2019",
)
