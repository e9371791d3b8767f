"""RAVDESS (Livingstone and Russo 2018): 24 actors speak and sing two sentences in eight emotions.

    Actor_01/01-01-05-02-01-02-01.mp4    modality (01 picture and sound, 02 picture only, 03 sound only),
    Actor_01/02-01-05-02-01-02-01.mp4    channel (01 speech, 02 song), emotion, intensity (01 normal, 02
    Actor_01/03-01-05-02-01-02-01.wav    strong), statement, repetition, actor (odd male, even female)

The archives' folders (Video_Speech_Actor_01, Audio_Song_Actors_01-24) may lie around Actor_01. Files that
differ in the first number only are one performance, and one row, so that none counts twice: its media is
the 01 file, else the 02 file, else "". Its sound is the 01 file's own, which has the pictures' clock, else
the 03 file, else "". The video is called by the six other numbers. "Calm" is none of the seven classes: such
rows have no label of expression_7; the group "emotion" keeps it.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from mien.databases.catalog import Count, Database, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import VIDEOS, files, relative
from mien.databases.names import Names
from mien.databases.recordings import SOUNDS, folders_called
from mien.errors import DatabaseError
from mien.records import Labels, one_hot
from mien.tasks import EXPRESSION_7

EMOTIONS = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
"""What the emotions' numbers 01 to 08 mean."""

CHANNELS = ("speech", "song")
"""What the channels' numbers 01 and 02 mean."""

INTENSITIES = ("normal", "strong")
"""What the intensities' numbers 01 and 02 mean."""

GREATEST = (3, 2, 8, 2, 2, 2, 24)
"""The greatest of each of the seven numbers; all count from 1."""

_NAME = re.compile(r"-".join(["([0-9]{2})"] * len(GREATEST)))

Copies = dict[int, Path]


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per performance.

    Raises:
        DatabaseError: there is none, or a file has a malformed name and is not skipped.
    """
    performances: dict[str, Copies] = {}
    for place in folders_called(folder, "Actor_[0-9]{2}"):
        for path in files(place, VIDEOS | SOUNDS).values():
            try:
                modality, name = _parsed(path)
            except ValueError as error:
                findings.fault(f"{path}: {error}")
                continue
            if performances.setdefault(name, {}).setdefault(modality, path) != path:
                findings.unmatch("second copy of a file", relative(path, folder))
    if not performances:
        raise DatabaseError(
            f"{folder}: no performance of RAVDESS there, expected files such as "
            "Actor_01/01-01-05-02-01-02-01.mp4"
        )
    names = sorted(performances, key=lambda name: (name[-2:], name))
    unseen = sum(not copies.keys() & {1, 2} for copies in performances.values())
    if unseen:
        findings.note(f"{unseen} performances are there as sound alone")
    numbers = [[int(number) for number in name.split("-")] for name in names]
    findings.release = _told(performances)
    return Index.of(
        "ravdess",
        Labels.of({EXPRESSION_7: one_hot(EXPRESSION_7, EMOTIONS, [row[1] - 1 for row in numbers])}),
        split="",
        subject=[name[-2:] for name in names],
        video=names,
        media=[_first(performances[name], (1, 2), folder) for name in names],
        sound=[_first(performances[name], (1, 3), folder) for name in names],
        unit="clip",
        groups={
            "gender": Names.of("male" if row[-1] % 2 else "female" for row in numbers),
            "channel": Names.of(CHANNELS[row[0] - 1] for row in numbers),
            "emotion": Names.of(EMOTIONS[row[1] - 1] for row in numbers),
            "intensity": Names.of(INTENSITIES[row[2] - 1] for row in numbers),
        },
    )


def _parsed(path: Path) -> tuple[int, str]:
    """Return a file's modality and its performance.

    Raises:
        ValueError: its name is malformed, or names another actor than its folder.
    """
    match = _NAME.fullmatch(path.stem)
    numbers = [int(number) for number in match.groups()] if match else []
    if not numbers or any(not 0 < n <= most for n, most in zip(numbers, GREATEST, strict=True)):
        raise ValueError(
            "expected a name of seven numbers such as 01-01-05-02-01-02-01, all within their ranges"
        )
    if int(path.parent.name[-2:]) != numbers[-1]:
        raise ValueError(f"a file of actor {numbers[-1]:02d} in the folder of another")
    if EMOTIONS[numbers[2] - 1] == "neutral" and numbers[3] != 1:
        raise ValueError("a strong neutral, which does not exist")
    return numbers[0], path.stem[3:]


def _first(copies: Copies, wanted: tuple[int, ...], folder: Path) -> str:
    """Return the first of some modalities that is there, as an Index keeps it; "" for none."""
    return next((relative(copies[modality], folder) for modality in wanted if modality in copies), "")


def _told(performances: Mapping[str, Copies]) -> str:
    """Return which modalities and channels are there."""
    kinds = ("picture and sound", "picture only", "sound only")
    counts = [sum(k in copies for copies in performances.values()) for k in (1, 2, 3)]
    files_of = ", ".join(f"{count} of {kind}" for count, kind in zip(counts, kinds, strict=True) if count)
    return f"{len(performances)} performances: {files_of}"


DATABASE = Database(
    title="RAVDESS",
    tasks=(EXPRESSION_7,),
    read=read,
    protocols=(
        Protocol(
            name="five subject folds",
            task=EXPRESSION_7,
            metric="accuracy",
            also=("mean recall",),
            aggregation="all performances of a fold's test actors; mean over folds",
            by="subject",
            folds=(),
            made=5,
            note="no official parts; seven classes, without calm. Many papers keep all eight, speech only, "
            "or random parts that leak the actors: compare like with like",
        ),
    ),
    counts=(Count(24, "subjects"),),
    licence="Creative Commons BY-NC-SA 4.0.",
    obtain="zenodo.org/records/1188976",
    citation="S. R. Livingstone, F. A. Russo: The Ryerson Audio-Visual Database of Emotional Speech and Song "
    "(RAVDESS). PLoS ONE 13(5): e0196391, 2018.",
)
