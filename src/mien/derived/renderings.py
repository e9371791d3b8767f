"""A database of rendered faces: pictures and their table, as `mien prepare table` reads them.

    manifest.parquet              an Index: action_units_18, valence_arousal, and what was rendered
    pictures/00012/0003.jpg       picture 3 of person 12

Every person is in one part only. What a picture shows depends on the seed, its person and its number, not on
how many processes draw.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from mien.arrays import FloatArray
from mien.databases.index import Index
from mien.databases.names import Names
from mien.derived.facekit import FaceKit
from mien.derived.painting import random_look
from mien.derived.rendering import Renderer, Rendering
from mien.derived.scenery import photographed, random_background, random_scene
from mien.derived.scripting import Director, Shown, presences
from mien.errors import SettingsError
from mien.files import explained, whole_folder
from mien.inputs import Preprocessing
from mien.preparation.finding import LANDMARKS
from mien.records import Labels
from mien.tasks import ACTION_UNITS_18, VALENCE_AROUSAL

PARTS = (("train", 0.75), ("validation", 0.125), ("test", 0.125))
"""Shares of the people."""

ZOOM, CENTRE = 0.72, 0.575
"""The pictures' crop: wide enough for a stored crop at any recipe's zoom from about 0.8 on."""

JITTER = 0.025
"""Standard deviation by which landmarks are told wrongly, as a share of the distance of the eyes."""

_LUMA = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True)
class Options:
    """What is rendered.

    Attributes:
        pictures: how many.
        people: how many different ones; each has about as many pictures as another.
        size: side of a picture.
        seed: of all chance.
        workers: processes.
        quiet: no progress bar.
    """

    pictures: int
    people: int
    size: int = 112
    seed: int = 0
    workers: int = 1
    quiet: bool = False

    def __post_init__(self) -> None:
        if not (8 <= self.people <= self.pictures and self.size >= 32 and self.workers >= 1):
            raise SettingsError(
                f"{self.pictures} pictures of {self.people} people at {self.size} pixels by {self.workers} "
                "processes; expected at least 8 people, a picture of each, 32 pixels and 1 process"
            )


def render(place: Path, out: Path, options: Options) -> Index:
    """Render a database into the new folder `out` and return its rows.

    Args:
        place: the face model, see `FaceKit.load`.
        out: it must not exist.
        options: how.

    Raises:
        InputError: the face model cannot be read.
        OutputError: `out` exists or cannot be written.
        SettingsError: there is no OpenGL.
    """
    with whole_folder(out) as folder:
        parts: dict[int, dict[str, Any]] = {}
        with (
            _workers(place, folder, options) as made,
            tqdm(total=options.pictures, unit="pictures", desc="rendering", disable=options.quiet) as bar,
        ):
            for person, rows in made:
                parts[person] = rows
                bar.update(len(rows["gap"]))
        index = _index([parts[person] for person in sorted(parts)], options)
        with explained(out):
            index.save(folder / "manifest.parquet")
    return index


def part_of(person: int, people: int) -> str:
    """Return the part that a person is in; people are drawn alike, so their order says nothing."""
    place, border = (person + 0.5) / people, 0.0
    for name, share in PARTS:
        border += share
        if place < border:
            return name
    return PARTS[-1][0]


class Studio:
    """Renders people, one after another.

    Args:
        place: the face model.
        folder: where pictures go.
        options: what is rendered.
    """

    def __init__(self, place: Path, folder: Path, options: Options) -> None:
        kit = FaceKit.load(place)
        self._renderer = Renderer(kit, Preprocessing(size=options.size, zoom=ZOOM, centre=CENTRE))
        self._director = Director(kit.names)
        self._modes = len(kit.identities)
        self._folder, self._options = folder, options

    def person(self, number: int) -> dict[str, Any]:
        """Render all pictures of one person and return their rows as columns."""
        options = self._options
        rng = np.random.default_rng([options.seed, number])
        person = self._renderer.person(
            rng.normal(0, rng.uniform(0.7, 1.3), self._modes).clip(-2.5, 2.5), random_look(rng)
        )
        brightness = float(_LUMA @ person.look.skin)
        long_hair = rng.random() < 0.35 and np.isfinite(person.look.hairline)
        hair = np.sqrt(person.look.hair) * 255 * 0.6 if long_hair else None
        count = (
            number + 1
        ) * options.pictures // options.people - number * options.pictures // options.people
        folder = self._folder / "pictures" / f"{number:05d}"
        with explained(folder):
            folder.mkdir(parents=True)
        rows: list[dict[str, Any]] = []
        for picture in range(count):
            shown, scene = self._director.draw(rng), random_scene(rng, brightness)
            made = self._renderer.render(person, shown.activations, scene)
            pixels = photographed(rng, made.pixels, random_background(rng, options.size, hair))
            path = folder / f"{picture:04d}.jpg"
            quality = int(rng.integers(65, 97))
            done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
            assert done, "OpenCV can always encode a picture"
            with explained(path):
                path.write_bytes(data.tobytes())
            turned = {"yaw": scene.yaw, "pitch": scene.pitch, "roll": scene.roll}
            media = f"pictures/{number:05d}/{picture:04d}.jpg"
            rows.append({"media": media, **turned, **_row(shown, made, _told(rng, made.landmarks))})
        levels = self._director.levels(np.stack([row.pop("activations") for row in rows]))
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        return {**columns, "levels": levels, "person": [number] * count}


def _row(shown: Shown, made: Rendering, landmarks: FloatArray) -> dict[str, Any]:
    """Return what is told of one picture."""
    return {
        "activations": shown.activations,
        "script": shown.script,
        "intensity": shown.intensity,
        "affect": shown.affect,
        "gap": made.gap,
        "landmarks": landmarks.ravel(),
    }


def _told(rng: np.random.Generator, landmarks: FloatArray) -> FloatArray:
    """Return landmarks (5, 2) as a detector would tell them, a little wrong."""
    apart = np.linalg.norm(landmarks[1] - landmarks[0])
    together = rng.normal(0, JITTER * apart, 2)
    return landmarks + together + rng.normal(0, JITTER * apart, landmarks.shape)


def _index(parts: list[dict[str, Any]], options: Options) -> Index:
    """Return the rows of all people as an Index."""
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    affect = columns["affect"].astype(np.float32)
    levels = columns["levels"]
    units = presences(levels, columns["gap"])
    people = [f"person {number:05d}" for number in columns["person"]]
    numbers = {
        name: columns[name].astype(np.float32) for name in ("yaw", "pitch", "roll", "intensity", "gap")
    }
    for place, unit in enumerate(ACTION_UNITS_18.labels):
        if np.isfinite(levels[:, place]).all():
            numbers[f"activation {unit}"] = levels[:, place]
    numbers |= dict(zip(LANDMARKS, columns["landmarks"].astype(np.float32).T, strict=True))
    media = [str(name) for name in columns["media"]]
    return Index.of(
        "renderings",
        Labels.of({ACTION_UNITS_18: units, VALENCE_AROUSAL: affect}),
        split=[part_of(int(number), options.people) for number in columns["person"]],
        subject=people,
        video=[name.removesuffix(".jpg") for name in media],
        media=media,
        columns=numbers,
        groups={"script": Names.of(str(name) for name in columns["script"])},
    )


_STUDIOS: list[Studio] = []
"""The one Studio of a worker process."""


def _begin(place: Path, folder: Path, options: Options) -> None:
    """Ready a worker process."""
    cv2.setNumThreads(1)
    _STUDIOS.append(Studio(place, folder, options))


def _person(number: int) -> tuple[int, dict[str, Any]]:
    """Render a person in a worker process."""
    return number, _STUDIOS[0].person(number)


@contextmanager
def _workers(place: Path, folder: Path, options: Options) -> Iterator[Iterator[tuple[int, dict[str, Any]]]]:
    """Give the rows of each person as they are made."""
    os.environ.setdefault("LP_NUM_THREADS", "1")  # Mesa's own threads only wait for each other here
    people = range(options.people)
    if options.workers == 1:
        studio = Studio(place, folder, options)
        yield ((number, studio.person(number)) for number in people)
        return
    pool = ProcessPoolExecutor(options.workers, get_context("spawn"), _begin, (place, folder, options))
    try:
        yield pool.map(_person, people)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
