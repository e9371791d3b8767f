"""A folder of events: the table as Parquet and CSV, and a file for ELAN for each video."""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from mien.courses import elan
from mien.files import whole_folder

EVENTS = "events.parquet"
"""The file that marks a folder as one of events."""


def write(
    found: pa.Table,
    videos: list[str],
    folder: Path,
    media: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write the folder and return the files for ELAN: events.eaf, or of several videos one named after each.

    Args:
        found: from `events.events`.
        videos: those that were looked at, with events or without.
        folder: to make.
        media: video -> the file to link.
        overwrite: whether an earlier folder of events may be replaced.

    Raises:
        InputError: a label that XML cannot hold.
        OutputError: something is there already, the place cannot be written, or the disk is full.
    """
    names = dict.fromkeys(videos, "events.eaf") if len(videos) < 2 else _names(videos)
    with whole_folder(folder, EVENTS if overwrite else "") as place:
        pq.write_table(found, place / EVENTS, compression="zstd")
        pyarrow.csv.write_csv(found, place / "events.csv")
        for video, name in names.items():
            mine = found.filter(pc.equal(found["video"], video))
            elan.write(mine, place / name, (media or {}).get(video))
    return [folder / name for name in names.values()]


def _names(videos: list[str]) -> dict[str, str]:
    """Return a file name for each video, all different."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for video in videos:
        stem = re.sub(r"[^\w.-]", "_", PurePosixPath(video).stem)[:100] or "video"
        name, count = stem, 2
        while name.lower() in taken:
            name, count = f"{stem}-{count}", count + 1
        taken.add(name.lower())
        names[video] = f"{name}.eaf"
    return names
