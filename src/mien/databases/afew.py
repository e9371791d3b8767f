"""AFEW (Dhall et al. 2012; the EmotiW contests): clips of films, one of seven expressions each.

    Train_AFEW/Angry/000046280.avi                      the folder of a clip is its label
    Val_AFEW/Happy/000543854.avi                        the contests' validation part
    Test_AFEW/000115360.avi                             never labelled in public: left out and told
    Train_AFEW/AlignedFaces_LBPTOP_Points/Faces/000046280/000.jpg
    Val_AFEW/AlignedFaces_LBPTOP_Points_Val/Faces/000543854/000.jpg

A row is a clip: all its frames have its label. Where each part with clips has the contests' extracted
faces they are the pictures, and clips in which no face was found have none; where a part lacks them the
videos are, of all parts. Frame 0 has the lowest number that any clip's faces have. Sound is the video's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mien.databases.catalog import VALIDATION_AS_TEST, Count, Database, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import VIDEOS, files, find_folders, numbered, relative, subfolders
from mien.databases.published import AFEW
from mien.errors import DatabaseError
from mien.records import Labels, one_hot
from mien.tasks import EXPRESSION_7

CLASSES = {
    "Angry": "anger",
    "Disgust": "disgust",
    "Fear": "fear",
    "Happy": "happiness",
    "Neutral": "neutral",
    "Sad": "sadness",
    "Surprise": "surprise",
}
"""The folders of clips and what they mean."""

PARTS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
"""How the folder of a part begins, in small letters, and what it is."""

VIDEO_RELEASE, FACE_RELEASE = "videos of clips", "extracted faces of clips"
"""What the releases are called."""


@dataclass(frozen=True)
class _Clip:
    """A labelled video."""

    split: str
    expression: str
    path: Path


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per labelled clip.

    Raises:
        DatabaseError: there are no labelled clips, or two of a part have the same name and are not skipped.
    """
    places = find_folders(folder, "(train|val|validation|test)(_afew)?")
    clips = [clip for place in places for clip in _clips(place, findings)]
    if not clips:
        raise DatabaseError(
            f"{folder}: no clips such as Train_AFEW/Angry/000046280.avi; give the folder that holds "
            "Train_AFEW and Val_AFEW, with their archives unpacked"
        )
    faces, numbering = _faces(folder, {clip.split for clip in clips}, findings)
    media = [relative(clip.path, folder) for clip in clips]
    if faces:
        keys = [(clip.split, clip.path.stem.lower()) for clip in clips]
        media = [faces.get(key, "") for key in keys]
        for clip, found in zip(clips, media, strict=True):
            if not found:
                findings.unmatch("label without a picture", relative(clip.path, folder))
        for key in sorted(faces.keys() - set(keys)):
            findings.unmatch("picture without a label", faces[key])
    findings.release = FACE_RELEASE if faces else VIDEO_RELEASE
    numbers = [list(CLASSES.values()).index(clip.expression) for clip in clips]
    return Index.of(
        "afew",
        Labels.of({EXPRESSION_7: one_hot(EXPRESSION_7, list(CLASSES.values()), numbers)}),
        split=[clip.split for clip in clips],
        video=[clip.path.stem for clip in clips],
        media=media,
        sound=[relative(clip.path, folder) for clip in clips],
        unit="clip",
        cropped=bool(faces),
        numbering=numbering,
    )


def _split(place: Path) -> str:
    """Return the part that a folder such as Train_AFEW holds."""
    return PARTS[place.name.lower().removesuffix("_afew")]


def _clips(place: Path, findings: Findings) -> list[_Clip]:
    """Return the labelled clips of a part; those that lie outside the classes' folders are told."""
    split = _split(place)
    clips: dict[str, _Clip] = {}
    for inner in find_folders(place, "|".join(CLASSES)):
        expression = CLASSES[inner.name.capitalize()]
        for path in files(inner, VIDEOS).values():
            if path.stem.lower() in clips:
                findings.fault(f"{path}: a clip of the same name is {clips[path.stem.lower()].path}")
            else:
                clips[path.stem.lower()] = _Clip(split, expression, path)
    others = [inner for inner in subfolders(place) if inner.name.capitalize() not in CLASSES]
    unlabelled = sum(len(files(outside, VIDEOS)) for outside in (place, *others))
    if unlabelled:
        findings.note(f"{place.name}: {unlabelled} clips without a label, left out")
    return list(clips.values())


def _faces(folder: Path, splits: set[str], findings: Findings) -> tuple[Mapping[tuple[str, str], str], int]:
    """Return where each clip's extracted faces are, by part and name, and the lowest number of a face.

    Nothing where a part has none.
    """
    faces: dict[tuple[str, str], str] = {}
    lowest: list[int] = []
    for place in find_folders(folder, "AlignedFaces_LBPTOP_Points(_Val|_Test)?"):
        split = _split_of_faces(place, folder)
        for inner in find_folders(place, "Faces"):
            for clip in subfolders(inner):
                pictures = numbered(clip, findings)
                if pictures:
                    faces[split, clip.name.lower()] = relative(clip, folder)
                    lowest.append(next(iter(pictures)))
    lacking = sorted(splits - {split for split, _ in faces})
    if faces and lacking:
        findings.note(f"no extracted faces of the part {', '.join(lacking)}: videos are the pictures of all")
        return {}, 0
    return faces, min(lowest, default=0)


def _split_of_faces(place: Path, folder: Path) -> str:
    """Return the part that a folder of extracted faces belongs to: where it lies, or how its name ends."""
    for outer in place.relative_to(folder).parents:
        part = outer.name.lower().removesuffix("_afew")
        if part in PARTS:
            return PARTS[part]
    return PARTS.get(place.name.lower().rpartition("_")[2], "train")


DATABASE = Database(
    title="AFEW",
    tasks=(EXPRESSION_7,),
    read=read,
    protocols=(
        Protocol(
            name="accuracy",
            task=EXPRESSION_7,
            metric="accuracy",
            also=("mean recall",),
            aggregation="all clips of the validation part",
            folds=(VALIDATION_AS_TEST,),
            note="some papers leave out clips in which no face was found; here they count",
        ),
    ),
    counts=(
        Count(773, split="train"),
        Count(383, split="validation"),
        *(
            Count(number, split="train", task=EXPRESSION_7, label=label)
            for label, number in zip(CLASSES.values(), (133, 74, 81, 150, 144, 117, 74), strict=True)
        ),
    ),
    published=AFEW,
    licence="For research that is not commercial, by agreement; the films are their owners'.",
    obtain="On request by its authors: cs.anu.edu.au/few.",
    citation="Dhall, Goecke, Lucey, Gedeon, IEEE MultiMedia 19(3), 2012",
)
