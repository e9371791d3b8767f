"""A database made ready once: each face found, aligned and packed, with its labels beside it.

A prepared folder holds

    index.parquet    the Index, with the columns `face_found` and `seen_in_training`
    crops.npy        (n, size, size) or (n, size, size, 3) uint8, row k of the index; memory-mapped
    manifest.json    counts, settings, versions and the hash of each file

and appears whole or not at all.
"""

import json
from dataclasses import dataclass
from hashlib import sha256 as hashed
from importlib.metadata import version
from pathlib import Path
from typing import Self

import numpy as np
from tqdm import tqdm

from mien.arrays import Image
from mien.databases import DATABASES
from mien.databases.index import Index
from mien.errors import DatabaseError
from mien.faces.detection import Detector, in_crop
from mien.files import sha256, whole_folder
from mien.inputs import Preprocessing

MARGIN = 8
"""Pixels stored beyond the network's crop at each side, for shifting and turning in training."""


@dataclass(frozen=True)
class Prepared:
    """A prepared database, opened.

    Attributes:
        index: n rows.
        crops: (n, size, size[, 3]) uint8, read from disk as needed.
        preprocessing: what was done to make a crop; its size is that of the stored crops.
    """

    index: Index
    crops: Image
    preprocessing: Preprocessing

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the prepared database in a folder.

        Raises:
            DatabaseError: the folder is not complete.
        """
        try:
            manifest = json.loads((folder / "manifest.json").read_text())
            index = Index.load(folder / "index.parquet")
            crops = np.load(folder / "crops.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DatabaseError(f"{folder}: not a complete prepared database ({error})") from error
        if len(crops) != len(index):
            raise DatabaseError(f"{folder}: {len(crops)} crops, but {len(index)} rows in the index")
        return cls(index, crops, Preprocessing.from_json(manifest["preprocessing"]))


def prepare(
    name: str, folder: Path, out: Path, preprocessing: Preprocessing, detector: Detector
) -> dict[str, int]:
    """Find, align and pack every face of a database's folder into `out`; return the counts.

    Args:
        name: a key of DATABASES.
        folder: the database as its users have it.
        out: the prepared folder to make; it must not exist.
        preprocessing: the network's; crops are stored MARGIN pixels wider at each side.
        detector: finds the five landmarks.

    Raises:
        DatabaseError: the database breaks its format.
        OutputError: `out` exists or cannot be written.
    """
    database = DATABASES[name]
    index = database.read(folder)
    stored = preprocessing.widened(preprocessing.size + 2 * MARGIN)
    shape = (len(index), stored.size, stored.size, *((3,) if stored.channels == 3 else ()))
    found = np.zeros(len(index), bool)
    digests = []
    with whole_folder(out) as place:
        crops = np.lib.format.open_memmap(place / "crops.npy", mode="w+", dtype=np.uint8, shape=shape)
        for row, picture in enumerate(tqdm(database.pictures(folder), "faces", len(index), unit="pictures")):
            landmarks, found[row] = in_crop(detector, picture)
            crops[row] = stored.crop(picture, landmarks)
            digests.append(hashed(picture.tobytes()).digest())
        crops.flush()
        seen = {digest for digest, split in zip(digests, index.split, strict=True) if split == "train"}
        repeated = np.array([digest in seen for digest in digests]) & (index.split != "train")
        index.with_column("face_found", found).with_column("seen_in_training", repeated).save(
            place / "index.parquet"
        )
        counts = {
            "pictures": len(index),
            "face_found": int(found.sum()),
            "seen_in_training": int(repeated.sum()),
            **{
                str(split): int(n)
                for split, n in zip(*np.unique(index.split, return_counts=True), strict=True)
            },
        }
        manifest = {
            "format": 1,
            "database": name,
            "mien": version("mien"),
            "detector": detector.name,
            "preprocessing": stored.to_json(),
            "counts": counts,
            "sha256": {file: sha256(place / file) for file in ("index.parquet", "crops.npy")},
        }
        (place / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    return counts
