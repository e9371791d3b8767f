"""A finished database: gold, parts and videos in one folder that others can read, check and train on.

    publish(Material(gold, parts, people), Path("videos"), Path("database"), About(title="Talks"))

The folder:

    labels.parquet, datapackage.json    every label with its meaning; a table database of mien's (interchange)
    LICENCE.txt                         what may be done with it
    annotations/                        the same in Aff-Wild2's own form (interchange.aff_wild2)
    videos/                             the videos, copied or linked
    README.md, sheet.html               counts, distributions, and what is not known
    making/                             split.csv, and how the gold was made

An action unit is present where more than half of what was fused says so; the probability is kept beside it,
as are the spreads. Nothing of anybody's names is written: subjects are the pseudonyms that the split has.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mien.annotation.gold import Gold, expression_task, unit_tasks
from mien.annotation.measuring import FIGURES, KEPT
from mien.annotation.people import Person
from mien.annotation.sheets import page, readme
from mien.arrays import FloatArray
from mien.databases.index import Index
from mien.databases.names import Names
from mien.errors import InputError
from mien.files import sha256, whole_folder
from mien.interchange import aff_wild2, datapackage
from mien.media.video import Video, timestamps
from mien.records import Labels, by_name
from mien.tasks import VALENCE_AROUSAL, Task

UNSTATED = "Not stated: nobody has said what may be done with these labels and videos."
"""The licence of a database that has none."""

ALPHA = "Krippendorff"
"""What the figure is called that the sheets have of each label."""

STAGES = {
    "": "",
    "after": "",
    "before": "before lags were taken off",
    KEPT: "without those who run against the rest",
}
"""The stages of figures that the sheets have, and what is said of those beside the figure of all."""

VIDEOS, MAKING = "videos", "making"
"""Folders of a published database."""

BOX = ("box_x", "box_y", "box_w", "box_h")
"""The columns of a face's box."""

Media = Literal["copy", "link", "none"]


@dataclass(frozen=True)
class Material:
    """What a database is made of.

    Attributes:
        gold: the labels.
        parts: video -> train, validation or test.
        people: who is in which video.
        split: what is known of how it was divided; {} for nothing.
        tracks: a table of boxes, from `mien collect`; None for none.
        files: further files to go along: name in `making` -> file.
    """

    gold: Gold
    parts: Mapping[str, str]
    people: Sequence[Person]
    split: Mapping[str, Any] = field(default_factory=dict)
    tracks: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class About:
    """What is said of a database; "" for what is not known, which the sheets then say.

    Attributes:
        title: its name.
        description: what it is, in a few sentences.
        licence: what may be done with it.
        consent: what the people who are seen agreed to.
        annotators: who annotated, how they were trained and paid.
        agreement: from `read_agreement`.
    """

    title: str = "A database of faces"
    description: str = ""
    licence: str = ""
    consent: str = ""
    annotators: str = ""
    agreement: Mapping[str, str] = field(default_factory=dict)


def publish(
    material: Material,
    videos: Path | None,
    folder: Path,
    about: About,
    media: Media = "link",
    overwrite: bool = False,
) -> list[str]:
    """Write a database whole or not at all, and return what has no place in one of its forms.

    Args:
        material: what it is made of.
        videos: folder of the videos; None where media is "none" and they are not at hand.
        folder: to make.
        about: what is said of it.
        media: whether videos are copied, linked, or left for the reader to put in.
        overwrite: whether an earlier database there may be replaced.

    Raises:
        InputError: a video is missing, lies in the folder that is made, has other frames or times than the
            gold, or a name cannot be kept.
        OutputError: the folder exists already, or cannot be written.
    """
    names = list(material.gold.video.counts())
    _check_names(names)
    if videos:
        _check_apart(names, videos, folder)
    sounding = _checked(material.gold, videos) if videos else {}
    index = database_index(material, sounding, about.title)
    with whole_folder(folder, replacing=datapackage.DESCRIPTION if overwrite else "") as place:
        datapackage.write(
            index,
            place,
            title=about.title,
            description=about.description or "Labels of faces in videos, fused from several annotators.",
            licence=about.licence or UNSTATED,
        )
        notes = aff_wild2.write(index, place)
        notes += [*_unplaced(material.gold), *_boxless(index), *_stale(material)]
        if media != "none":
            _bring(names, videos, place / VIDEOS, media)
        (place / MAKING).mkdir()
        for name, path in material.files.items():
            shutil.copyfile(path, place / MAKING / name)
        facts = _facts(material, about, notes, media)
        _describe(place / datapackage.DESCRIPTION, material, about, notes)
        (place / "sheet.html").write_text(
            page(index, about.title, about.description, facts), encoding="utf-8"
        )
        (place / "README.md").write_text(
            readme(index, about.title, about.description, facts), encoding="utf-8"
        )
    return notes


def read_agreement(folder: Path, gold: Gold) -> dict[str, str]:
    """Return how well annotators agree on each label, of all videos: Krippendorff's alpha in words.

    Args:
        folder: from `mien agreement`.
        gold: what was made of the same annotations.

    Raises:
        InputError: it holds no figures, or those of other annotations than the gold's.
    """
    path = folder / FIGURES
    alphas: dict[str, dict[str, float | None]] = {}
    try:
        told = json.loads(path.read_bytes())
        measured = told["annotations_sha256"]
        for one in told["agreement"]:
            if one["kind"] in ("traces", "frames") and one["stage"] in STAGES and not one["video"]:
                values = [f["value"] for f in one["figures"] if f["name"].startswith(ALPHA)]
                alphas.setdefault(one["label"], {})[one["stage"]] = values[0] if values else None
        found = {label: _alpha(of) for label, of in alphas.items()}
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected what `mien agreement` makes") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not the figures that `mien agreement` makes") from error
    if gold.settings.get("annotations_sha256", measured) != measured:
        raise InputError(f"{path}: of other annotations than those in {gold.folder}; measure these again")
    return found


def _alpha(stages: Mapping[str, float | None]) -> str:
    """Return the agreement of all on a label in words, of traces with lags taken off; other stages beside."""
    last = stages["after"] if "after" in stages else stages[""]
    said = "undefined" if last is None else f"{last:.2f}"
    told = [(stages.get(stage), words) for stage, words in STAGES.items() if words]
    more = [f"{value:.2f} {words}" for value, words in told if value is not None]
    return f"{said} ({', '.join(more)})" if more else said


def _check_names(names: Sequence[str]) -> None:
    """Raise InputError where names of videos cannot be those of files, or two differ by suffix alone."""
    stems: dict[str, str] = {}
    for name in names:
        stem = Path(name).stem
        if not name.isprintable() or name != Path(name).name or name.startswith("."):
            raise InputError(f"the video {name!r} is called as no file can be; name it by its file's name")
        if stem.lower() in stems:
            raise InputError(
                f"{stems[stem.lower()]} and {name} have the same name but for their suffix; rename one"
            )
        stems[stem.lower()] = name


def _check_apart(names: Sequence[str], videos: Path, folder: Path) -> None:
    """Raise InputError where a video lies in a folder that is about to be replaced, and would be lost."""
    place = os.path.realpath(folder)
    for name in names:
        if Path(os.path.realpath(videos / name)).is_relative_to(place):
            raise InputError(
                f"{videos / name}: lies in {folder}, which is to be made anew; publish to another folder"
            )


def _checked(gold: Gold, videos: Path) -> dict[str, bool]:
    """Return whether each video has sound.

    Raises:
        InputError: a video is not there, or has not the frames and times of the gold.
    """
    sounding = {}
    for code, name in enumerate(gold.video.vocabulary):
        path = videos / str(name)
        if not path.is_file():
            raise InputError(f"{path}: not there, but the gold has its labels")
        rows = gold.video.codes == code
        frames, seconds = gold.frame[rows], gold.seconds[rows]
        times = timestamps(path)
        if frames.max() >= len(times):
            raise InputError(f"{path}: {len(times)} frames, but the gold has frame {frames.max()}")
        apart = np.abs(times[frames] - seconds)
        step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
        if apart.max() > step / 2:
            worst = int(apart.argmax())
            raise InputError(
                f"{path}: frame {frames[worst]} is at {times[frames[worst]]:.3f} s, but the gold has it at "
                f"{seconds[worst]:.3f} s; fuse with --videos, or was it encoded anew?"
            )
        with Video(path) as video:
            sounding[str(name)] = video.info.sound
    return sounding


def database_index(material: Material, sounding: Mapping[str, bool], title: str) -> Index:
    """Return the rows of a database, as a table database of mien's.

    Args:
        material: what it is made of.
        sounding: which videos have sound.
        title: of the database.

    Raises:
        InputError: a video has no part, no set of expressions has all classes, or no label is in any set.
    """
    gold = material.gold
    missing = [name for name in gold.video.counts() if name not in material.parts]
    if missing:
        raise InputError(
            f"{len(missing)} videos of the gold are in no part ({', '.join(missing[:3])}); split again"
        )
    people = _people(material)
    attributes = list(dict.fromkeys(name for person in material.people for name in person.attributes))

    def named(of: Callable[[str], str]) -> Names:
        return _renamed(gold.video, of)

    return Index(
        database="table",
        unit="frame",
        labels=Labels.of(dict(_tasks(gold))),
        split=named(lambda name: material.parts[name]),
        subject=Names.of(person.subject for person in people),
        video=named(lambda name: Path(name).stem),
        face=gold.face,
        media=named(lambda name: f"{VIDEOS}/{name}"),
        sound=named(lambda name: f"{VIDEOS}/{name}" if sounding.get(name) else ""),
        frame=gold.frame,
        seconds=gold.seconds,
        columns=_columns(material),
        groups={name: Names.of(one.attributes.get(name, "") for one in people) for name in attributes},
        title=re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_") or "table",
    )


def _renamed(names: Names, of: Callable[[str], str]) -> Names:
    """Return a column whose every name is what a function makes of it."""
    spelled = Names.of(of(str(name)) for name in names.vocabulary)
    return Names(spelled.codes[names.codes].astype(np.int32), spelled.vocabulary)


def _people(material: Material) -> list[Person]:
    """Return who is seen in each row; a nameless person where that cannot be told."""
    gold = material.gold
    by_face = {(person.video, person.face): person for person in material.people}
    by_video: dict[str, list[Person]] = {}
    for person in material.people:
        by_video.setdefault(person.video, []).append(person)
    found: dict[tuple[int, int], Person] = {}
    rows = []
    for key in zip(gold.video.codes.tolist(), gold.face.codes.tolist(), strict=True):
        if key not in found:
            video, face = str(gold.video.vocabulary[key[0]]), str(gold.face.vocabulary[key[1]])
            there = by_video.get(video, [])
            alone = there[0] if len(there) == 1 and not there[0].face else Person(video, face, "")
            several = len(there) > 1 and not face
            found[key] = alone if several else by_face.get((video, face), alone)
        rows.append(found[key])
    return rows


def _tasks(gold: Gold) -> list[tuple[Task, FloatArray]]:
    """Return the labels by task, NaN where unknown."""
    tasks: list[tuple[Task, FloatArray]] = []
    blank = np.full(len(gold), np.nan)
    if any(name in gold.values for name in VALENCE_AROUSAL.labels):
        columns = [gold.values.get(name, blank) for name in VALENCE_AROUSAL.labels]
        tasks.append((VALENCE_AROUSAL, np.stack(columns, axis=1).astype(np.float32)))
    if gold.expressions:
        task = expression_task(gold.expressions, str(gold.folder))
        shares = np.stack([gold.values[name] for name in gold.expressions], axis=1)
        whole = np.isfinite(shares).all(axis=1, keepdims=True)
        values = np.nan_to_num(by_name(task, gold.expressions, shares.astype(np.float32)))
        tasks.append((task, np.where(whole, values, np.float32(np.nan))))
    for task, units in unit_tasks(gold.units).items():
        columns = [gold.present(unit) for unit in units]
        tasks.append((task, by_name(task, units, np.stack(columns, axis=1).astype(np.float32))))
    if not tasks:
        raise InputError(f"{gold.folder}: no label that any set of mien's has")
    return tasks


def _columns(material: Material) -> dict[str, FloatArray]:
    """Return the numbers beside the labels: spreads, probabilities of action units, boxes."""
    gold = material.gold
    columns = {name: values for name, values in gold.others.items() if np.isfinite(values).any()}
    columns |= {f"{unit}_probability": gold.values[unit] for unit in gold.units}
    if material.tracks is None:
        return columns
    boxes = _boxes(material.tracks)
    found = np.full((len(gold), 4), np.nan)
    keys = zip(gold.video.text(), gold.face.text(), gold.frame.tolist(), strict=True)
    for row, key in enumerate(keys):
        if key in boxes:
            found[row] = boxes[key]
    return {**columns, **{name: found[:, place] for place, name in enumerate(BOX)}}


def _boxes(path: Path) -> dict[tuple[str, str, int], tuple[float, ...]]:
    """Return the boxes of a table of tracks by video, face and frame.

    Raises:
        InputError: it is no such table.
    """
    try:
        table = pq.read_table(path, columns=["video", "face", "frame", *BOX])
        rows = table.to_pylist()
        return {
            (str(row["video"]), str(row["face"]), int(row["frame"])): tuple(float(row[name]) for name in BOX)
            for row in rows
        }
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise InputError(
            f"{path}: no table of tracks, which `mien collect` makes of CVAT's files ({error})"
        ) from error


def _unplaced(gold: Gold) -> list[str]:
    """Return a note where action units are in no set of mien's, so that they have no labels."""
    placed = {unit for units in unit_tasks(gold.units).values() for unit in units}
    lost = [unit for unit in gold.units if unit not in placed]
    return [f"{', '.join(lost)} in no set of mien's: only probabilities are kept"] if lost else []


def _boxless(index: Index) -> list[str]:
    """Return a note where faces have names and no box, so that they cannot be found in the pictures."""
    boxed = np.isfinite(index.columns[BOX[0]]) if BOX[0] in index.columns else np.zeros(len(index), bool)
    lost = ~boxed & ~index.face.matches("", "left", "right")
    return (
        [f"{int(lost.sum())} rows are of faces that have a name and no box: give --tracks"]
        if lost.any()
        else []
    )


def _stale(material: Material) -> list[str]:
    """Return a note where the split was balanced over another gold."""
    balanced = material.split.get("inputs", {}).get("gold", material.gold.hash)
    return ["the parts were balanced over another gold than this"] if balanced != material.gold.hash else []


def _bring(names: Sequence[str], videos: Path | None, place: Path, media: Media) -> None:
    """Copy or link the videos into a new folder."""
    if videos is None:
        raise InputError("videos can be copied or linked where their folder is given; else say --media none")
    place.mkdir()
    for name in names:
        if media == "copy":
            shutil.copyfile(videos / name, place / name)
        else:
            os.symlink(os.path.realpath(videos / name), place / name)


def _facts(material: Material, about: About, notes: Sequence[str], media: Media) -> dict[str, str]:
    """Return what the sheets say, "" for what is not known."""
    split = material.split
    named = {person.subject for person in material.people if person.subject}
    nameless = sorted({person.video for person in material.people if not person.subject})
    if nameless:
        shared = f"cannot be told of {len(nameless)} videos, in which a subject is not known"
    else:
        shared = f"each of {len(named)} subjects is in one part alone" if named else ""
    balance = split.get("deviation", {})
    said = (
        f"seed {split['seed']}; deviation from the parts' shares {balance['here']:.2f}, of random splits by "
        f"subject {balance['random']:.2f}; list's SHA-256 {split['sha256']}"
        if {"seed", "sha256"} <= split.keys() and {"here", "random"} <= balance.keys()
        else ""
    )
    where = {
        "copy": "copied into videos/",
        "link": "linked from videos/",
        "none": "not included; put them into videos/",
    }
    return {
        "licence": about.licence,
        "consent of the people seen": about.consent,
        "annotators": about.annotators or _annotators(material.gold.settings),
        "agreement of the annotators": _agreement(about.agreement),
        "nobody in two parts": shared,
        "how it was divided": said,
        "how labels were fused": f"making/fusion.json; SHA-256 of the gold {material.gold.hash}"
        if material.gold.settings
        else "",
        "videos": where[media],
        "to be known of its forms": "; ".join(notes) or "nothing",
    }


def _agreement(told: Mapping[str, str]) -> str:
    """Return the agreement in words; "" where it is not known."""
    said = "; ".join(f"{name} {value}" for name, value in told.items())
    return f"Krippendorff's alpha: {said}" if said else ""


def _annotators(settings: Mapping[str, Any]) -> str:
    """Return how many annotators the settings of the gold name, "" where they name none."""
    told = settings.get("annotators")
    if isinstance(told, list | dict) and told:
        return f"{len(told)}, by pseudonym in making/fusion.json"
    return f"{told}" if isinstance(told, int) and told else ""


def _describe(path: Path, material: Material, about: About, notes: Sequence[str]) -> None:
    """Add to a package's description what only a database built here has."""
    package = json.loads(path.read_bytes())
    package["mien"]["building"] = {
        "consent": about.consent or None,
        "annotators": about.annotators or _annotators(material.gold.settings) or None,
        "agreement": dict(about.agreement) or None,
        "gold_sha256": material.gold.hash,
        "split_sha256": material.split.get("sha256"),
        "making": {name: sha256(source) for name, source in sorted(material.files.items())},
        "notes": list(notes),
    }
    path.write_text(json.dumps(package, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
