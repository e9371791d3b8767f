"""A prepared database on disk, opened: any random face and any clip, from memory maps.

A prepared folder holds

    index.parquet    the Index, one row per face and frame, with the columns `picture` (1 where there
                     is a crop), `face_found` and `seen_in_training`
    crops.bin        the crops, each a JPEG or PNG of its own, one after another in order of rows
    crops.npy        (n + 1,) int64: crop k is bytes [k] to [k + 1] of crops.bin; none if they are equal
    sound.bin        int16 samples of each sound file at 16 kHz, one after another; only with sound
    sound.json       of each sound file: name; where its samples begin in sound.bin and how many they are;
                     which sample of the recording the first is; ranges of samples that were recorded
    manifest.json    counts, settings, versions and the hash of each file

and appears whole or not at all.
"""

import json
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from mien.arrays import BoolArray, FloatArray, Image, IntArray, Rows
from mien.databases.catalog import Protocol
from mien.databases.index import Index
from mien.databases.names import TEXT, Names
from mien.errors import DatabaseError, MienError
from mien.hearing import Hearing
from mien.inputs import Preprocessing
from mien.media.audio import stretch

FORMAT = 2

MARGIN = 8
"""Pixels stored beyond the network's crop at each side, for shifting and turning in training."""


NOWHERE = np.zeros((0, 2), np.int64)


class Crops:
    """The packed crops, decoded when asked for.

    Args:
        path: the file of all.
        offsets: (n + 1,) where each begins, and the file's length.
        preprocessing: how they were made; tells their size and colour.

    Raises:
        ValueError: the file is shorter than the offsets say.
    """

    def __init__(self, path: Path, offsets: IntArray, preprocessing: Preprocessing) -> None:
        self._map, self._data = _mapped(path, np.uint8)
        if len(self._data) != offsets[-1]:
            raise ValueError(f"crops.bin holds {len(self._data)} bytes, expected {offsets[-1]}")
        if self._map is not None:
            self._map.madvise(mmap.MADV_RANDOM)  # pages around a crop are seldom wanted next
        self._offsets = offsets
        colour = preprocessing.channels == 3
        self._shape = (preprocessing.size, preprocessing.size, *((3,) if colour else ()))
        self._flag = cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, rows: Rows) -> Image:
        """Return the crops of some rows, (k, size, size[, 3]) in grey or BGR; black where there is none.

        Raises:
            DatabaseError: the bytes of a crop are damaged.
        """
        chosen = self._numbers(rows)
        self.prefetch(chosen)
        crops = np.zeros((len(chosen), *self._shape), np.uint8)
        starts, ends = self._offsets[chosen].tolist(), self._offsets[chosen + 1].tolist()
        for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
            if end > start:
                crop = cv2.imdecode(self._data[start:end], self._flag)
                if crop is None or crop.shape != self._shape:
                    raise DatabaseError(f"crop {chosen[place]} is damaged; prepare the database again")
                crops[place] = crop
        return crops

    def _numbers(self, rows: Rows) -> IntArray:
        """Return rows as numbers from 0, without a list of all rows where they are numbers already."""
        numbers = np.asarray(rows) if not isinstance(rows, slice) else np.zeros(0, bool)
        if numbers.dtype == bool:
            return np.arange(len(self))[rows]
        return np.where(numbers < 0, numbers + len(self), numbers).astype(np.int64)

    def prefetch(self, rows: IntArray) -> None:
        """Tell the system that these rows are read next, so that it fetches them from disk meanwhile.

        Reading itself does so for its own rows; a loader that knows its next batch while the present one
        is worked on hides the disk altogether.
        """
        if self._map is None:
            return
        order = np.sort(rows)
        breaks = np.flatnonzero(np.diff(order) > 1) + 1
        starts = self._offsets[order[np.concatenate([[0], breaks])]] if len(order) else order
        ends = self._offsets[order[np.concatenate([breaks - 1, [-1]])] + 1] if len(order) else order
        starts = starts // mmap.PAGESIZE * mmap.PAGESIZE
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            if end > start:
                self._map.madvise(mmap.MADV_WILLNEED, start, end - start)


class Sounds:
    """The sound of every sound file, on the clock of its pictures.

    Args:
        data: int16 samples of all.
        places: file -> (place of its first sample in the data, number of samples, which sample of the
            recording the first is, ranges of samples of the recording in which there is sound).
    """

    def __init__(self, data: IntArray, places: Mapping[str, tuple[int, int, int, IntArray]]) -> None:
        self._data = data
        self._places = places

    def __contains__(self, file: str) -> bool:
        return file in self._places

    def between(self, file: str, start: float, end: float) -> tuple[FloatArray, BoolArray]:
        """Return what is heard from `start` to `end`, in seconds: samples in [-1, 1] and a mask.

        Both have round((end - start) x 16,000) entries. Where nothing was recorded, before, after and
        in gaps, and for a file that is not here, samples are 0 and the mask is False.
        """
        place, length, begin, ranges = self._places.get(file, (0, 0, 0, NOWHERE))
        return stretch(self._data[place : place + length], begin, ranges, start, end)


@dataclass(frozen=True)
class Prepared:
    """A prepared database, opened.

    Attributes:
        index: n rows, each a frame.
        crops: n crops, read from disk as needed.
        sounds: by the file that the index names.
        preprocessing: what was done to make a crop; its size is that of the stored crops.
        manifest: what else is recorded: counts, settings, versions, hashes.
        fold: which fold of which protocol the index's parts are; "" for the database's own parts.
    """

    index: Index
    crops: Crops
    sounds: Sounds
    preprocessing: Preprocessing
    manifest: Mapping[str, Any]
    fold: str = ""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Return the prepared database in a folder.

        Raises:
            DatabaseError: the folder is not complete, or of another format.
        """
        try:
            manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
            if manifest["format"] != FORMAT:
                raise ValueError(f"format {manifest['format']}, this mien reads {FORMAT}: prepare it again")
            index = Index.load(folder / "index.parquet")
            preprocessing = Preprocessing.from_json(manifest["preprocessing"])
            offsets = np.load(folder / "crops.npy", allow_pickle=False)
            crops = Crops(folder / "crops.bin", offsets, preprocessing)
            sounds = _sounds(folder)
        except (OSError, ValueError, KeyError, TypeError, MienError) as error:
            raise DatabaseError(f"{folder}: not a complete prepared database ({error})") from error
        if len(crops) != len(index):
            raise DatabaseError(f"{folder}: {len(crops)} crops, but {len(index)} rows in the index")
        return cls(index, crops, sounds, preprocessing, manifest)

    def clips(self, frames: int, step: int) -> IntArray:
        """Return clips of consecutive frames of one face with a picture each: rows, (m, frames).

        Args:
            frames: how long a clip is.
            step: from the start of one clip to the start of the next of the same sequence.
        """
        parts = self.index.sequences() * 2 + (self.index.columns["picture"] == 0)
        bounds = np.flatnonzero(np.diff(parts, prepend=-1, append=-1))
        starts = [
            np.arange(first, last - frames + 1, step)
            for first, last in pairwise(bounds)
            if last - first >= frames and self.index.columns["picture"][first]
        ]
        first_rows = np.concatenate(starts) if starts else np.zeros(0, np.int64)
        return first_rows[:, None] + np.arange(frames)

    def of_fold(self, protocol: Protocol, number: int) -> Self:
        """Return the same rows in the parts of a protocol's fold; rows in none of them have the part "".

        Args:
            protocol: one of the database's.
            number: of the fold, from 1.

        Raises:
            DatabaseError: the protocol has no such fold.
        """
        folds = list(protocol.parts(self.index))
        if not 1 <= number <= len(folds):
            raise DatabaseError(
                f"{self.index.database}: {protocol.name!r} has folds 1 to {len(folds)}, got {number}"
            )
        codes = np.zeros(len(self.index), np.int32)
        for code, rows in enumerate(folds[number - 1], start=1):
            codes[rows] = code
        split = Names(codes, np.array(["", "train", "validation", "test"], TEXT))
        index = replace(self.index, split=split)
        return replace(self, index=index, fold=f"fold {number} of {protocol.name}")

    def heard(self, hearing: Hearing, rows: IntArray) -> FloatArray:
        """Return what is heard at each of some frames of one recording, in order, (k, 1, bands, steps).

        It is silence where the recording has no sound or its frames have no times.
        """
        times = self.index.seconds[rows]
        file = self.index.sound.at(int(rows[0]))
        if not np.isfinite(times).all() or file not in self.sounds:
            return hearing.silence(len(rows))
        before, after = hearing.context
        start, end = float(times[0] - before), float(times[-1] + after)
        samples, known = self.sounds.between(file, start, end)
        return hearing.arrays(samples, known, times, start)[0]


def _mapped(path: Path, kind: type[np.generic]) -> tuple[mmap.mmap | None, IntArray]:
    """Return a file's map and numbers without reading it; no map of an empty file."""
    if path.stat().st_size == 0:
        return None, np.zeros(0, kind)
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return mapped, np.frombuffer(mapped, kind)


def _sounds(folder: Path) -> Sounds:
    """Return the sound of a prepared folder; none where it was prepared without."""
    if not (folder / "sound.json").exists():
        return Sounds(np.zeros(0, np.int16), {})
    places = {
        entry["file"]: (
            *(entry["first"], entry["samples"], entry["start"]),
            np.array(entry["known"], np.int64).reshape(-1, 2),
        )
        for entry in json.loads((folder / "sound.json").read_text(encoding="utf-8"))
    }
    return Sounds(_mapped(folder / "sound.bin", np.int16)[1], places)
