"""All pieces put together into the prepared folder."""

import json
import shutil
from dataclasses import replace
from hashlib import sha256 as hashed
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from mien.arrays import BoolArray, IntArray
from mien.databases.index import Index
from mien.errors import OutputError
from mien.files import sha256
from mien.preparation.prepared import FORMAT
from mien.preparation.work import Piece, piece_path

COLUMNS = ("rows", "frames", "seconds", "found", "digests", "sizes")

ADDED = ("picture", "face_found", "seen_in_training")
"""Columns that the index of a prepared database has beside those of its database."""


def merge(index: Index, todo: list[Piece], work: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Write the prepared folder as `result` in the work folder; return its manifest.

    Args:
        index: the rows that the pieces were made for.
        todo: the pieces, those of faces in order of rows.
        work: the folder that holds them.
        facts: what else the manifest says.
    """
    out = work / "result"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    faces = [number for number, piece in enumerate(todo) if piece.kind != "sound"]
    columns, problems, crops = _crops(todo, faces, work, out / "crops.bin")
    rows = _filled(columns, index, [todo[number] for number in faces])
    np.save(out / "crops.npy", np.concatenate([[0], np.cumsum(rows["sizes"])]).astype(np.int64))
    whole = _index(index, rows)
    whole.save(out / "index.parquet")
    sounds = [number for number, piece in enumerate(todo) if piece.kind == "sound"]
    if sounds:
        problems += _sounds(todo, sounds, work, out)
    manifest = {
        "format": FORMAT,
        **facts,
        "counts": _counts(whole),
        "sound_files": len(sounds),
        "problems": problems,
        "sha256": {"crops.bin": crops}
        | {path.name: sha256(path) for path in sorted(out.iterdir()) if path.name != "crops.bin"},
    }
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (out / "manifest.json").write_text(text, encoding="utf-8")
    return manifest


def _crops(
    todo: list[Piece], faces: list[int], work: Path, path: Path
) -> tuple[dict[str, np.ndarray], list[str], str]:
    """Write all crops; return the pieces' columns joined, their problems, and the file's SHA-256."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in COLUMNS}
    problems: list[str] = []
    digest = hashed()
    with open(path, "wb") as file:
        for number in faces:
            made = _opened(work, number)
            data = made["data"].tobytes()
            for name in COLUMNS:
                parts[name].append(made[name] + todo[number].first if name == "rows" else made[name])
            problems += made["problems"].tolist()
            digest.update(data)
            file.write(data)
    kinds = {"seconds": np.float64, "found": np.bool_, "digests": np.uint64}
    joined = {
        name: np.concatenate([np.zeros(0, kinds.get(name, np.int64)), *arrays])
        for name, arrays in parts.items()
    }
    return joined, problems, digest.hexdigest()


def _opened(work: Path, number: int) -> dict[str, np.ndarray]:
    """Return the arrays of a piece.

    Raises:
        OutputError: it is damaged, as a computer that lost its power may leave it.
    """
    path = piece_path(work, number)
    try:
        with np.load(path, allow_pickle=False) as made:
            return dict(made)
    except (ValueError, EOFError, BadZipFile) as error:
        raise OutputError(f"{path}: is damaged; remove it and give the same command again") from error


def _filled(columns: dict[str, np.ndarray], index: Index, faces: list[Piece]) -> dict[str, np.ndarray]:
    """Return the columns with rows of no medium put in at their places, without a crop."""
    served = np.zeros(len(index), bool)
    for piece in faces:
        served[piece.first : piece.last] = True
    absent = np.flatnonzero(~served)
    blank = {
        "rows": absent,
        "frames": index.frame[absent],
        "seconds": index.seconds[absent],
        "found": np.zeros(len(absent), bool),
        "digests": np.zeros(len(absent), np.uint64),
        "sizes": np.zeros(len(absent), np.int64),
    }
    order = np.argsort(np.concatenate([columns["rows"], absent]), kind="stable")
    return {name: np.concatenate([columns[name], blank[name]])[order] for name in COLUMNS}


def _index(index: Index, rows: dict[str, np.ndarray]) -> Index:
    """Return the index of frames, with what was found of each."""
    frames = replace(
        index[rows["rows"].astype(np.int64)],
        unit="frame",
        frame=rows["frames"].astype(np.int32),
        seconds=rows["seconds"],
    )
    return frames.with_columns(
        {
            "picture": (rows["sizes"] > 0).astype(np.int8),
            "face_found": rows["found"].astype(np.int8),
            "seen_in_training": _repeated(frames, rows["digests"]).astype(np.int8),
        }
    )


def _repeated(index: Index, digests: IntArray) -> BoolArray:
    """Return which rows outside the training part show a picture that also stands in it."""
    train = index.split.matches("train")
    repeated: BoolArray = np.isin(digests, digests[train]) & ~train & (digests != 0)
    return repeated


def _counts(index: Index) -> dict[str, int]:
    """Return how many rows there are of each kind."""
    counted = {name: int(index.columns[name].sum()) for name in ADDED}
    splits = {name or "no part": count for name, count in sorted(index.split.counts().items())}
    return {"rows": len(index), **counted, **splits}


def _sounds(todo: list[Piece], sounds: list[int], work: Path, out: Path) -> list[str]:
    """Write the sound of all files; return what could not be read."""
    places: list[dict[str, Any]] = []
    problems: list[str] = []
    first = 0
    with open(out / "sound.bin", "wb") as file:
        for number in sounds:
            made = _opened(work, number)
            samples, start, known = made["samples"], int(made["start"]), made["known"].tolist()
            problems += made["problems"].tolist()
            file.write(samples.astype("<i2").tobytes())
            place = {"file": todo[number].media, "first": first, "samples": len(samples), "start": start}
            places.append(place | {"known": known})
            first += len(samples)
    text = json.dumps(places, indent=1, ensure_ascii=False)
    (out / "sound.json").write_text(f"{text}\n", encoding="utf-8")
    return problems
