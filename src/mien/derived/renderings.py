"""A database of rendered faces: pictures and their table, as `mien prepare table` reads them.

    manifest.parquet              an Index: action_units_18, valence_arousal, and what was rendered
    pictures/00012/0003.jpg       picture 3 of person 12
    clips/00012_0000.mp4          clip 0 of person 12, each frame a row

Every person is in one part only. What a picture shows depends on the seed, its person and its number, not on
how many processes draw.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from mien.arrays import FloatArray, Image
from mien.databases.index import Index
from mien.databases.names import Names
from mien.derived.facekit import FaceKit
from mien.derived.filming import RATE, Utterances, take
from mien.derived.painting import random_look
from mien.derived.rendering import Person, Renderer, Rendering
from mien.derived.scenery import Scene, photographed, random_background, random_faults, random_scene
from mien.derived.scripting import Director, Shown, presences
from mien.errors import SettingsError
from mien.files import explained, whole_folder
from mien.inputs import Preprocessing
from mien.media.frames import Frame, MediaInfo
from mien.media.writer import VideoWriter
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
        pictures: how many single ones.
        people: how many different ones; each has about as many pictures and clips as another.
        clips: how many.
        frames: of each clip.
        sound: folder of EmoDB, whose utterances clips get; None for silent ones.
        size: side of a picture; even, since videos need that.
        seed: of all chance.
        workers: processes.
        quiet: no progress bar.
    """

    pictures: int
    people: int
    clips: int = 0
    frames: int = 80
    sound: Path | None = None
    size: int = 112
    seed: int = 0
    workers: int = 1
    quiet: bool = False

    def __post_init__(self) -> None:
        if not 8 <= self.people <= max(self.pictures, self.clips):
            raise SettingsError(
                f"{self.people} people for {self.pictures} pictures and {self.clips} clips; expected at "
                "least 8, and a picture or clip of each"
            )
        if self.size < 32 or self.size % 2 or self.workers < 1 or self.frames < 8:
            raise SettingsError(
                f"{self.size} pixels, {self.frames} frames, {self.workers} processes; expected an even "
                "number of pixels from 32 on, 8 frames and 1 process"
            )

    def share(self, whole: int, person: int) -> int:
        """Return how many of all pictures or clips are of one person."""
        return (person + 1) * whole // self.people - person * whole // self.people


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
            tqdm(
                total=options.pictures + options.clips * options.frames,
                unit="pictures",
                desc="rendering",
                disable=options.quiet,
            ) as bar,
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
        self._sounds = Utterances(options.sound, [name for name, _ in PARTS]) if options.sound else None

    def person(self, number: int) -> dict[str, Any]:
        """Render all pictures and clips of one person and return their rows as columns."""
        options = self._options
        rng = np.random.default_rng([options.seed, number])
        weights = rng.normal(0, rng.uniform(0.7, 1.3), self._modes).clip(-2.5, 2.5)
        sitter = _Sitter(self._renderer.person(weights, random_look(rng)), number, rng.random() < 0.35)
        chance = np.random.default_rng([options.seed, number, 1])
        pictures = range(options.share(options.pictures, number))
        rows = [self._picture(chance, sitter, picture) for picture in pictures]
        chance = np.random.default_rng([options.seed, number, 2])
        for clip in range(options.share(options.clips, number)):
            rows += self._clip(chance, sitter, clip)
        levels = self._director.levels(np.stack([row.pop("activations") for row in rows]))
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
        return {**columns, "levels": levels, "person": [number] * len(rows)}

    def _picture(self, rng: np.random.Generator, sitter: "_Sitter", number: int) -> dict[str, Any]:
        """Render a single picture and return its row."""
        shown, scene = self._director.draw(rng), random_scene(rng, sitter.brightness)
        behind, faults = sitter.background(rng, self._options.size), random_faults(rng)
        made = self._renderer.render(sitter.person, shown.activations, scene)
        pixels = photographed(rng, made.pixels, behind, faults)
        media = f"pictures/{sitter.number:05d}/{number:04d}.jpg"
        path = self._folder / media
        done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, faults.quality])
        assert done, "OpenCV can always encode a picture"
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data.tobytes())
        landmarks = made.landmarks + _mistake(rng, made.landmarks)
        return _row(media, 0, "", shown, scene, replace(made, landmarks=landmarks))

    def _clip(self, rng: np.random.Generator, sitter: "_Sitter", number: int) -> list[dict[str, Any]]:
        """Render a clip and return a row for each frame."""
        options = self._options
        scene = random_scene(rng, sitter.brightness)
        behind, faults = sitter.background(rng, options.size), random_faults(rng)
        part = part_of(sitter.number, options.people)
        sounds = (self._sounds, part) if self._sounds else None
        clip = take(rng, self._director, scene, options.frames, sounds)
        media = f"clips/{sitter.number:05d}_{number:04d}.mp4"
        path = self._folder / media
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        size, seconds = options.size, options.frames / RATE
        info = MediaInfo(
            path.name, "video", size, size, RATE, seconds, options.frames, clip.sound is not None
        )
        rows, mistake = [], None
        with VideoWriter(path, info, clip.sound) as writer:
            for frame, (shown, view) in enumerate(zip(clip.shown, clip.scenes, strict=True)):
                made = self._renderer.render(sitter.person, shown.activations, view)
                writer.write(Frame(frame, frame / RATE, photographed(rng, made.pixels, behind, faults)))
                mistake = _mistake(rng, made.landmarks) if mistake is None else mistake
                landmarks = made.landmarks + mistake + 0.2 * _mistake(rng, made.landmarks)
                sound = media if clip.sound is not None else ""
                rows.append(_row(media, frame, sound, shown, view, replace(made, landmarks=landmarks)))
        return rows


@dataclass(frozen=True, eq=False)
class _Sitter:
    """Who is rendered.

    Attributes:
        person: the head.
        number: from 0.
        long_hair: whether hair hangs behind the face; not of a bald head.
    """

    person: Person
    number: int
    long_hair: bool

    @property
    def brightness(self) -> float:
        """The skin's, 0 to 1."""
        return float(_LUMA @ self.person.look.skin)

    def background(self, rng: np.random.Generator, size: int) -> Image:
        """Return what is behind the head, (size, size, 3)."""
        look = self.person.look
        hair = np.sqrt(look.hair) * 255 * 0.6 if self.long_hair and np.isfinite(look.hairline) else None
        return random_background(rng, size, np.sqrt(look.clothes) * 255 * rng.uniform(0.5, 0.9), hair)


def _row(media: str, frame: int, sound: str, shown: Shown, scene: Scene, made: Rendering) -> dict[str, Any]:
    """Return what is told of one picture or frame."""
    return {
        "media": media,
        "frame": frame,
        "sound": sound,
        "activations": shown.activations,
        "script": shown.script,
        "intensity": shown.intensity,
        "affect": shown.affect,
        "gap": made.gap,
        "landmarks": made.landmarks.ravel(),
        "yaw": scene.yaw,
        "pitch": scene.pitch,
        "roll": scene.roll,
    }


def _mistake(rng: np.random.Generator, landmarks: FloatArray) -> FloatArray:
    """Return by how much a detector might be wrong about landmarks (5, 2)."""
    apart = np.linalg.norm(landmarks[1] - landmarks[0])
    together = rng.normal(0, JITTER * apart, 2)
    return np.asarray(together + rng.normal(0, JITTER * apart, landmarks.shape))


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
        video=[name.rpartition(".")[0] for name in media],
        media=media,
        sound=[str(name) for name in columns["sound"]],
        frame=columns["frame"],
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
