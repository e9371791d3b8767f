"""Prepared databases of a few drawn videos with whatever labels a test wants."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.arrays import FloatArray, Image
from mien.databases.index import Index
from mien.inputs import Preprocessing
from mien.preparation.prepared import Prepared
from mien.preparation.run import Options, prepare
from mien.records import Labels
from mien.tasks import Task
from mien.testing.media import make_video

GREY = Preprocessing(size=16)
ALIGNED = Options(given=True, quality=0, quiet=True)


def brightness(number: int) -> int:
    """Return the grey that a frame is drawn in."""
    return 30 + 12 * (number % 16)


def drawn(
    place: Path,
    name: str,
    labels: Mapping[Task, FloatArray],
    videos: Sequence[tuple[str, int]],
    preprocessing: Preprocessing = GREY,
    sound: bool = False,
) -> Prepared:
    """Return a prepared database of videos (part, frames), whose frames tell by their grey which they are.

    Args:
        place: a folder for it.
        name: what the database is called.
        labels: task -> (rows, labels), NaN for unknown; rows are the frames of all videos in order.
        videos: part and number of frames of each.
        preprocessing: of the network.
        sound: with a tone in each video.
    """

    def draw(number: int) -> Image:
        picture = np.full((32, 32, 3), brightness(number), np.uint8)
        picture[12:20, 4 + number % 16 : 8 + number % 16] = 255 - picture[0, 0]
        return picture

    folder = place / name
    folder.mkdir(parents=True)
    for number, (_, frames) in enumerate(videos):
        make_video(folder / f"v{number:03d}.mp4", frames=frames, size=(32, 32), draw=draw, sound=sound)
    counts = [frames for _, frames in videos]
    names = [f"v{number:03d}" for number, count in enumerate(counts) for _ in range(count)]
    media = [f"{video}.mp4" for video in names]
    index = Index.of(
        "table",
        Labels.of(labels),
        split=[part for part, count in videos for _ in range(count)],
        video=names,
        media=media,
        sound=media if sound else "",
        frame=[frame for count in counts for frame in range(count)],
        cropped=True,
    )
    index.save(folder / "index.parquet")
    prepare("table", folder, place / f"{name}_prepared", preprocessing, ALIGNED)
    opened = Prepared.open(place / f"{name}_prepared")
    return replace(opened, index=replace(opened.index, database=name))


def one_of(task: Task, names: Sequence[str]) -> FloatArray:
    """Return distributions (n, len(task)) with all weight on the named class; NaN for an empty name."""
    rows = [np.eye(len(task))[task.index(name)] if name else np.full(len(task), np.nan) for name in names]
    return np.asarray(rows, np.float32)
