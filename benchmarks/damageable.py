"""Faces that can be damaged: stored crops, original pictures, photographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol as Shape

import numpy as np
from damage import Change, Damage, Strength, Where

from mien.arrays import BoolArray, FloatArray, Image, IntArray
from mien.benchmark.predicting import check_prepared
from mien.benchmark.tally import source_of
from mien.bundle import Predictor
from mien.databases import DATABASES
from mien.databases.catalog import Protocol
from mien.databases.index import Index
from mien.databases.layout import PICTURES
from mien.errors import DatabaseError
from mien.faces.detection import TYPICAL, Detector, in_crop, in_still
from mien.inputs import middle
from mien.media.pictures import read_picture
from mien.preparation.prepared import Prepared


@dataclass(frozen=True)
class Sample:
    """Some rows of a prepared database, by themselves.

    Attributes:
        data: the database.
        rows: (n,) which of its rows, rising.
        protocols: by which they can be scored.
    """

    data: Prepared
    rows: IntArray
    protocols: tuple[Protocol, ...]

    @cached_property
    def index(self) -> Index:
        """The rows' index."""
        return self.data.index[self.rows]

    @classmethod
    def drawn(cls, data: Prepared, predictor: Predictor, split: str, count: int, seed: int = 0) -> "Sample":
        """Return at most so many rows of a part that can be scored.

        Raises:
            DatabaseError: the database was prepared for another network, or the part has no such row.
        """
        check_prepared(predictor, data)
        index = data.index
        fit = index.split.matches(split) if split else np.ones(len(index), bool)
        fit = fit & (index.columns["picture"] == 1) & (index.columns["seen_in_training"] == 0)
        rows = np.flatnonzero(fit)
        if not len(rows):
            raise DatabaseError(f"{index.database}: no row with a picture in the part {split!r}")
        if len(rows) > count:
            rows = np.sort(np.random.default_rng(seed).choice(rows, count, replace=False))
        first = {p.task: p for p in reversed(DATABASES[index.database].protocols)}
        labelled = (first[task] for task in index.labels.values if task in first)
        return cls(data, rows, tuple(p for p in labelled if source_of(p, predictor.tasks)))

    def some(self, count: int) -> "Sample":
        """Return at most so many of the rows, spread evenly."""
        places = np.unique(np.linspace(0, len(self.rows) - 1, count).round().astype(np.int64))
        return Sample(self.data, self.rows[places], self.protocols)


class Faces(Shape):
    """Faces that can be damaged.

    Attributes:
        name: what is damaged.
        sample: the rows that they are of; None where there are no labels.
    """

    name: str
    sample: Sample | None

    def change(self, damage: Damage) -> Change | None:
        """Return what a damage does to them; None where it makes no sense."""

    def crops(self, change: Change | None, strength: Strength, seed: int) -> tuple[Image, BoolArray]:
        """Return the network's crops (n, size, size[, 3]) of damaged faces, and which were found, (n,)."""


class StoredCrops:
    """The crops of a prepared database; they are aligned already, so that every face is found."""

    name = "stored crops"

    def __init__(self, predictor: Predictor, sample: Sample) -> None:
        self.sample: Sample | None = sample
        self.stored = sample.data.crops[sample.rows]
        self._size = predictor.preprocessing.size
        self._where = Where.stored(predictor.preprocessing, self.stored.shape[1])

    def change(self, damage: Damage) -> Change | None:
        """Return what a damage does to a crop."""
        return damage.crop

    def crops(self, change: Change | None, strength: Strength, seed: int) -> tuple[Image, BoolArray]:
        """Return the network's crops of damaged ones; all are found."""
        rng = np.random.default_rng(seed)
        damaged = self.stored
        if change is not None:
            damaged = np.stack([change(crop, self._where, strength, rng) for crop in self.stored])
        return middle(damaged, self._size), np.ones(len(damaged), bool)


class Pictures:
    """Pictures in which faces are looked for as preparation or analysis does.

    Args:
        name: what they are.
        pictures: grey or BGR.
        predictor: whose crops are wanted.
        detector: finds the faces.
        sample: their rows, of pictures that are tight crops; None for photographs of one face each.
    """

    def __init__(
        self,
        name: str,
        pictures: Sequence[Image],
        predictor: Predictor,
        detector: Detector,
        sample: Sample | None,
    ) -> None:
        self.name = name
        self.sample = sample
        self._preprocessing = predictor.preprocessing
        self._detector = detector
        landmarks = [self._find(picture)[0] for picture in pictures]
        places = [Where.of(self._preprocessing, points) for points in landmarks]
        self._pictures = list(zip(pictures, places, strict=True))

    def change(self, damage: Damage) -> Change | None:
        """Return what a damage does to a picture."""
        return damage.picture

    def crops(self, change: Change | None, strength: Strength, seed: int) -> tuple[Image, BoolArray]:
        """Return the crops of faces found in damaged pictures; black where a photograph has none."""
        rng = np.random.default_rng(seed)
        crops, found = [], []
        for picture, where in self._pictures:
            damaged = picture if change is None else change(picture, where, strength, rng)
            landmarks, there = self._find(damaged)
            crop = self._preprocessing.crop(damaged, landmarks)
            crops.append(crop if there or self.sample is not None else np.zeros_like(crop))
            found.append(there)
        return np.stack(crops), np.array(found)

    def _find(self, picture: Image) -> tuple[FloatArray, bool]:
        """Return the landmarks (5, 2) of the only or largest face, typical ones where none is found."""
        if self.sample is not None:
            return in_crop(self._detector, picture)
        faces = in_still(self._detector, picture)
        if not len(faces):
            return TYPICAL * np.array(picture.shape[1::-1], np.float32), False
        largest = int(np.argmax(faces.boxes[:, 2] * faces.boxes[:, 3]))
        return faces.landmarks[largest], True


def originals(folder: Path, index: Index) -> list[Image]:
    """Return the pictures of rows as the database has them.

    Raises:
        DatabaseError: they are not tight crops of one face, or lie in videos or numbered folders.
    """
    read = DATABASES[index.database].pictures
    if not index.cropped:
        raise DatabaseError(f"{index.database}: its pictures are no tight crops of faces; omit --originals")
    found: dict[int, Image] = {}
    for code in np.unique(index.media.codes):
        media = str(index.media.vocabulary[code])
        places = np.flatnonzero(index.media.codes == code)
        places = places[np.argsort(index.frame[places], kind="stable")]
        if Path(media).suffix.lower() in PICTURES:
            found |= dict.fromkeys(places.tolist(), read_picture(folder / media))
        elif read is not None:
            pictures = (picture for _, picture in read(folder, media, index.frame[places]))
            found |= dict(zip(places.tolist(), pictures, strict=True))
        else:
            raise DatabaseError(f"{folder / media}: no picture, expected one; omit --originals")
    return [found[place] for place in range(len(index))]
