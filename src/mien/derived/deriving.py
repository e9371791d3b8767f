"""Real pictures labelled by the landmarker and by votes: a database in, a table database out.

The new folder holds

    manifest.parquet    the Index, with the database's own labels, parts and people, and two more tasks:
                        action_units_18, how sure it is that a unit is present, 0 to 1, from the landmarker's
                        shapes; valence_arousal, from distributions of votes over expressions
    pictures/           the pictures; what the database keeps in a form of its own as PNG
    seen.npz            all that the landmarker said, by names of `observing.Seen`; row k is the Index's

and is read as the database "table". None of the two is a coding or a rating by people.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from mien.arrays import BoolArray, FloatArray
from mien.databases import DATABASES
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.names import Names
from mien.derived.circumplex import on_circumplex
from mien.derived.landmarker import NAMES, Landmarker
from mien.derived.observing import Job, Seen, kept_as, observe
from mien.derived.units import SHAPES, TOLD, presence
from mien.errors import DatabaseError
from mien.files import explained, free_folder
from mien.records import Labels
from mien.tasks import ACTION_UNITS_18, EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL, Task

SURE = 0.5
"""Where the landmarker is less sure than this that a face is there, in the picture or its mirror image,
nothing is known of its units."""


def derive(name: str, folder: Path, models: Path, out: Path, workers: int, quiet: bool) -> Index:
    """Write the table database of a database's pictures with derived labels; return its Index.

    Runs call it by the database's name, or by that of its folder where it is a table itself.

    Stopped or killed, it goes on where it was when called again.

    Args:
        name: a key of DATABASES.
        folder: the database as its users have it.
        models: the folder of the landmarker's files.
        out: the folder to make; it must not exist.
        workers: processes.
        quiet: no progress bar.

    Raises:
        DatabaseError: the database breaks its format, or has no single pictures.
        MediaError: a picture cannot be read.
        SettingsError: the landmarker's files are not there.
        OutputError: `out` exists or cannot be written.
    """
    place = Path(os.path.realpath(out))
    work = place.with_name(f".{place.name}.deriving")
    free_folder(place)
    Landmarker(models)
    index = DATABASES[name].read(folder, Findings()).compact()
    if index.unit != "frame" or not index.media.matches("").sum() < len(index):
        raise DatabaseError(f"{folder}: no pictures; labels are derived for single pictures")
    if index.database == "table" and not index.title:
        index = replace(index, title=folder.name)
    with explained(work):
        seen = observe(Job(name, folder, models, work), index, workers, quiet)
        derived = labelled(index, seen, DATABASES[name].pictures is not None)
        with open(work / "seen.npz", "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **seen.arrays())
        derived.save(work / "manifest.parquet")
        shutil.rmtree(work / "pieces")
        (work / "begun.parquet").unlink()
        free_folder(place)
        os.replace(work, place)
    return derived


def labelled(index: Index, seen: Seen, own: bool) -> Index:
    """Return the rows of a table database: those of an index, with derived labels beside their own.

    Args:
        index: n rows.
        seen: of the same rows.
        own: whether the database keeps its pictures in a form of its own.
    """
    labels = Labels.of({ACTION_UNITS_18: units_of(seen), **_circumplex(index)})
    values, known = {**index.labels.values, **labels.values}, {**index.labels.known, **labels.known}
    media = Names.of([kept_as(index, row, own) for row in range(len(index))])
    frame = np.zeros_like(index.frame) if own else index.frame
    return replace(index, labels=Labels(values, known), media=media, frame=frame)


def _circumplex(index: Index) -> dict[Task, FloatArray]:
    """Return valence and arousal of votes; nothing where there are none, or the database has its own."""
    labels = index.labels.values
    if EXPRESSION_8_CONTEMPT not in labels or VALENCE_AROUSAL in labels:
        return {}
    shares, known = labels[EXPRESSION_8_CONTEMPT], index.labels.known[EXPRESSION_8_CONTEMPT]
    if not ((shares > 0) & (shares < 1)).any():
        return {}
    rated: FloatArray = on_circumplex(EXPRESSION_8_CONTEMPT, np.where(known, shares, np.nan))
    return {VALENCE_AROUSAL: rated}


def units_of(seen: Seen) -> FloatArray:
    """Return how sure it is that each unit is present, (n, 18) in 0 to 1; NaN where it cannot be told.

    A cell is told where both views of the face are sure that it is one, and differ in the unit by less than
    the whole way from absent to certain.
    """
    views = activations_of(seen)
    sure = seen.presences.min(axis=1) >= SURE
    units = np.full((len(seen), len(ACTION_UNITS_18)), np.nan, np.float32)
    for place, unit in enumerate(ACTION_UNITS_18.labels):
        if unit not in TOLD:
            continue
        absent, certain = TOLD[unit]
        own = views[:, :, place]
        alike: BoolArray = np.abs(own[:, 0] - own[:, 1]) < certain - absent
        units[:, place] = np.where(sure & alike, presence(own.mean(axis=1), absent, certain), np.nan)
    return units


def activations_of(seen: Seen) -> FloatArray:
    """Return each unit's activation in both views, (n, 2, 18): the mean of the face's sides.

    Of parted lips, AU25, it is the gap between them; nothing is told of units of no shape.
    """
    found = np.full((len(seen), 2, len(ACTION_UNITS_18)), np.nan, np.float32)
    for place, unit in enumerate(ACTION_UNITS_18.labels):
        if unit in SHAPES:
            shape = SHAPES[unit]
            sides = [NAMES.index(name) for name in (shape, f"{shape}Left", f"{shape}Right") if name in NAMES]
            found[:, :, place] = seen.activations[:, :, sides].mean(axis=2)
        elif unit == "AU25":
            found[:, :, place] = seen.gaps
    return found
