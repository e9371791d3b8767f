"""Aff-Wild2 (Kollias and Zafeiriou 2018-2026) in every form the ABAW challenges gave it.

    <anything>/VA_Estimation_Challenge/Train_Set/video1.txt       valence,arousal
    <anything>/EXPR_Recognition_Challenge/Train_Set/7_left.txt    Neutral,Anger,...   then one number a line
    <anything>/AU_Detection_Challenge/Validation_Set/video2.txt   AU1,AU2,...
    <anything>/training_set_annotations.txt                       image,valence,arousal,expression,aus
    <anything>/cropped_aligned/7_left/00001.jpg
    <anything>/batch1/7.mp4
    <anything>/training_set_synthetic_images/ANGRER/1.jpg         edition 4's synthetic faces

A per-frame file has a header and a line for each frame; line 1 after the header is frame 0 and
`00001.jpg`. Folders may be named and nested in any way: the header tells the task, the innermost
"train" or "validation" above a file the part. A frame with labels of several tasks in one part is
one row; where tasks put a recording into different parts, it has rows in each. Where two files of a
part label the same cell, a per-frame file holds before a list of pictures, then the first in order
of path, and differences are counted.

Where there are folders of crops, they are `media`, and a frame whose crop is missing (no face was
found in it) has none; otherwise the videos are. `sound` is the video. Crops beyond the last label, and
labels beyond the last crop, are no fault.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.databases.aff_wild2_files import (
    TASKS_READ,
    LabelFile,
    Tree,
    crop_folders,
    face_of,
    label_files,
    part,
    release,
    walk,
)
from mien.databases.aff_wild2_labels import Sheet, read_frames, read_pictures
from mien.databases.catalog import VALIDATION_AS_TEST, Count, Database, Metric, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import PICTURES, files, numbered, relative
from mien.databases.names import TEXT, Names
from mien.databases.published import AFF_WILD2
from mien.errors import DatabaseError
from mien.records import Labels, one_hot
from mien.tasks import (
    ACTION_UNITS_8,
    ACTION_UNITS_12,
    EXPRESSION_7,
    EXPRESSION_8_OTHER,
    VALENCE_AROUSAL,
    Task,
)

SYNTHETIC = {
    "ANGRER": "anger",
    "ANGER": "anger",
    "DISGUST": "disgust",
    "FEAR": "fear",
    "HAPPINESS": "happiness",
    "SADNESS": "sadness",
    "SURPRISE": "surprise",
}
"""Edition 4's folders of classes; the first is spelled that way."""

LSD = "LSD (ABAW 4)"
"""What the release of edition 4's folders alone is called."""

ORDER = ("train", "validation", "test", "")


@dataclass(frozen=True, eq=False)
class Face:
    """The labels of one face of one recording in one part.

    Attributes:
        split: the part.
        name: the recording with the face's suffix, as files and folders are named.
        sheets: its labels, at least one.
        frames: (n,) the frames of all sheets, rising.
    """

    split: str
    name: str
    sheets: list[Sheet]
    frames: IntArray


def read(folder: Path, findings: Findings) -> Index:
    """Return a row for each face and labelled frame, or for each picture of the synthetic faces.

    Raises:
        DatabaseError: nothing of Aff-Wild2 was found, a file cannot be read, or a line breaks the
            format and is not skipped.
    """
    tree = walk(folder)
    labelled = label_files(tree, folder, findings)
    stills = _synthetic(tree, folder)
    if not labelled and not stills:
        raise DatabaseError(
            f"{folder}: nothing of Aff-Wild2 found, expected text files whose first line is "
            "'valence,arousal', the names of expressions or action units, or "
            "'image,valence,arousal,expression,aus', in folders named for the training or validation part; "
            "unpack the archive of annotations here"
        )
    if not labelled:
        findings.release = LSD
        return _stills(stills, folder)
    findings.release = release(labelled, tree, folder)
    index = _index(_faces(labelled, findings), tree, folder, findings)
    if not stills:
        return index
    if not index.cropped:
        findings.note("edition 4's synthetic faces are left out beside videos; read their folder by itself")
        return index
    findings.release += " with LSD"
    return Index.joined([index, replace(_stills(stills, folder), numbering=index.numbering)])


def _faces(labelled: list[LabelFile], findings: Findings) -> list[Face]:
    """Return the labels of every face, parts in order, then by name."""
    sheets: dict[tuple[str, str], list[Sheet]] = {}
    for file in sorted(labelled, key=lambda file: file.header.task is None):
        if file.header.task:
            found = {file.path.stem: [read_frames(file.path, file.header, findings)]}
        else:
            found = read_pictures(file.path, file.header, findings)
        for name, told in found.items():
            sheets.setdefault((file.split, name), []).extend(told)
    faces = []
    for split, name in sorted(sheets, key=lambda key: (ORDER.index(key[0]), face_of(key[1]))):
        told = sheets[split, name]
        longest = max((sheet.frames for sheet in told), key=len)
        if not all(np.array_equal(sheet.frames, longest[: len(sheet.frames)]) for sheet in told):
            longest = np.unique(np.concatenate([sheet.frames for sheet in told]))
        faces.append(Face(split, name, told, longest))
    return faces


def _index(faces: list[Face], tree: Tree, folder: Path, findings: Findings) -> Index:
    """Return the rows of all faces."""
    lengths = [len(face.frames) for face in faces]
    named = [face_of(face.name) for face in faces]
    crops = crop_folders(tree, folder, {face.name for face in faces}, findings)
    videos = {name: relative(path, folder) for name, path in tree.videos.items()}
    sound = [
        videos.get(face.name) or videos.get(video, "") for face, (video, _) in zip(faces, named, strict=True)
    ]
    if crops:
        media = _crops(faces, crops, folder, findings)
    else:
        _tell_videos(faces, named, videos, findings)
        media = _repeated(sound, lengths)
    return Index(
        database="aff_wild2",
        unit="frame",
        labels=_labels(faces, findings),
        split=_repeated([face.split for face in faces], lengths),
        subject=Names.repeat("", sum(lengths)),
        video=_repeated([video for video, _ in named], lengths),
        face=_repeated([side for _, side in named], lengths),
        media=media,
        sound=_repeated(sound, lengths),
        frame=np.concatenate([np.zeros(0, np.int32), *(face.frames for face in faces)]).astype(np.int32),
        seconds=np.full(sum(lengths), np.nan),
        cropped=bool(crops),
        numbering=1 if crops else 0,
    )


def _repeated(texts: list[str], lengths: list[int]) -> Names:
    """Return each text as many times as its length says."""
    short = Names.of(texts)
    return Names(np.repeat(short.codes, lengths), short.vocabulary)


def _labels(faces: list[Face], findings: Findings) -> Labels:
    """Return the labels of all rows, filled in place so that three million need little memory."""
    told = {sheet.task for face in faces for sheet in face.sheets}
    tasks = [task for task in TASKS_READ if task in told]
    rows = sum(len(face.frames) for face in faces)
    values = {task: np.zeros((rows, len(task)), np.float32) for task in tasks}
    known = {task: np.zeros((rows, len(task)), bool) for task in tasks}
    start, differing, where = 0, 0, ""
    for face in faces:
        block = slice(start, start := start + len(face.frames))
        for sheet in face.sheets:
            places = np.searchsorted(face.frames, sheet.frames)
            count = _fill(values[sheet.task][block], known[sheet.task][block], places, sheet.cells())
            differing += count
            where = where or (face.name if count else "")
    if differing:
        findings.note(
            f"{differing} label cells differ between files of one part ({where}); the first file holds"
        )
    return Labels(values, known)


def _fill(values: FloatArray, known: BoolArray, places: IntArray, cells: FloatArray) -> int:
    """Put cells into the rows at their places where nothing is known yet; return how many differ."""
    told, before = np.isfinite(cells), known[places]
    differing = told & before & (values[places] != cells)
    values[places] = np.where(told & ~before, cells, values[places])
    known[places] = told | before
    return int(differing.sum())


def _crops(faces: list[Face], crops: dict[str, Path], folder: Path, findings: Findings) -> Names:
    """Return the folder of crops of every row, "" where its crop is missing; tell which are."""
    vocabulary, columns, without, total, beyond = [""], [], 0, 0, 0
    for face in faces:
        codes = np.zeros(len(face.frames), np.int32)
        columns.append(codes)
        if face.name not in crops:
            findings.unmatch("label without a picture", face.name)
            continue
        last = int(face.frames.max(initial=-1))
        numbers = [number - 1 for number in numbered(crops[face.name], findings)]
        if numbers[:1] == [-1]:
            findings.unmatch("folder with a picture 0, though the first line's is 00001.jpg", face.name)
        there = np.array([frame for frame in numbers if 0 <= frame <= last], np.int32)
        codes[np.isin(face.frames, there)] = len(vocabulary)
        vocabulary.append(relative(crops[face.name], folder))
        without += int((codes == 0).sum())
        total += len(codes)
        beyond += sum(frame > last for frame in numbers) if last + 1 == len(face.frames) else 0
    if without:
        findings.note(f"{without} of {total} labelled frames have no crop (no face was found in them)")
    if beyond:
        findings.note(f"{beyond} crops are numbered beyond the last line of their labels; not used")
    return Names(np.concatenate([np.zeros(0, np.int32), *columns]), np.array(vocabulary, TEXT))


def _tell_videos(
    faces: list[Face], named: list[tuple[str, str]], videos: dict[str, str], findings: Findings
) -> None:
    """Tell which labels have no video, and which videos have no labels."""
    for face, (video, _) in zip(faces, named, strict=True):
        if video not in videos and face.name not in videos:
            findings.unmatch("label without a picture", face.name)
    labelled = {video for video, _ in named} | {face.name for face in faces}
    spare = [path for name, path in videos.items() if name not in labelled]
    if spare:
        findings.note(f"{len(spare)} videos have no labels, as those of the test part ({spare[0]}, ...)")


def _synthetic(tree: Tree, folder: Path) -> dict[Path, tuple[str, str]]:
    """Return edition 4's folders of classes: folder -> (part, expression)."""
    found = {}
    for pictures in tree.pictures:
        above = pictures.relative_to(folder).parent.name
        if (
            above.lower().endswith(("_synthetic_images", "_real_images"))
            and pictures.name.upper() in SYNTHETIC
        ):
            found[pictures] = part((above,)), SYNTHETIC[pictures.name.upper()]
    return found


def _stills(stills: dict[Path, tuple[str, str]], folder: Path) -> Index:
    """Return a row for each picture of edition 4's folders."""

    def rows() -> Iterator[tuple[str, str, str]]:
        for place in sorted(stills, key=lambda place: (ORDER.index(stills[place][0]), place)):
            for path in files(place, PICTURES).values():
                yield *stills[place], relative(path, folder)

    found = list(rows())
    classes = tuple(dict.fromkeys(SYNTHETIC.values()))
    numbers = [classes.index(expression) for _, expression, _ in found]
    return Index.of(
        "aff_wild2",
        Labels.of({EXPRESSION_7: one_hot(EXPRESSION_7, classes, numbers)}),
        split=[split for split, _, _ in found],
        video=[path.rpartition(".")[0] for _, _, path in found],
        media=[path for _, _, path in found],
        cropped=True,
    )


def _protocol(name: str, task: Task, metric: Metric, note: str, labels: tuple[str, ...] = ()) -> Protocol:
    """Return a protocol over the validation part."""
    averages = {
        "valence_arousal": "mean of valence and arousal",
        "action_units": "mean over the action units",
    }
    average = averages.get(task.behaviour, f"mean over the {len(labels or task.labels)} classes")
    return Protocol(
        name=name,
        task=task,
        metric=metric,
        aggregation=f"all labelled frames of all videos as one; {average}",
        labels=labels,
        folds=(VALIDATION_AS_TEST,),
        without_face="counted, with the prediction of the nearest earlier frame of the same face",
        carries=True,
        note=note,
    )


_SUM = "editions 4, 7 and 11 add VA, EXPR and AU over the pictures of the MTL lists; edition 3 had it too"
_FLAT = "accuracy is over all cells of all action units at once"
_TEST = (
    "labels of the test part were never released; papers report the validation part or the organisers' table"
)

DATABASE = Database(
    title="Aff-Wild2",
    tasks=TASKS_READ,
    read=read,
    protocols=(
        _protocol("VA", VALENCE_AROUSAL, "CCC", f"editions 1 to 3, 5, 6, 8 to 10; {_TEST}"),
        _protocol("EXPR", EXPRESSION_8_OTHER, "macro F1", f"editions 3, 5, 6, 8 and 10; {_TEST}"),
        _protocol("AU", ACTION_UNITS_12, "binary F1", f"editions 3, 5, 6, 8 and 10; {_TEST}"),
        _protocol("MTL valence and arousal", VALENCE_AROUSAL, "CCC", _SUM),
        _protocol("MTL expressions", EXPRESSION_8_OTHER, "macro F1", _SUM),
        _protocol("MTL action units", ACTION_UNITS_12, "binary F1", _SUM),
        _protocol(
            "EXPR of ABAW 1 and 2",
            EXPRESSION_7,
            "0.67 macro F1 + 0.33 accuracy",
            "no figure of editions 1 and 2 compares with later ones: 7 classes, another formula",
        ),
        _protocol("AU of ABAW 1", ACTION_UNITS_8, "0.5 binary F1 + 0.5 accuracy", _FLAT),
        _protocol("AU of ABAW 2", ACTION_UNITS_12, "0.5 binary F1 + 0.5 accuracy", _FLAT),
        _protocol(
            "LSD of ABAW 4",
            EXPRESSION_7,
            "macro F1",
            "trained on synthetic faces, tested on real ones",
            labels=("anger", "disgust", "fear", "happiness", "sadness", "surprise"),
        ),
    ),
    counts=(
        Count(277_251, split="train", task=EXPRESSION_7, release=LSD),
        Count(4_670, split="validation", task=EXPRESSION_7, release=LSD),
        Count(1_581_184, split="train", task=VALENCE_AROUSAL, release="ABAW 3"),
        Count(344_714, split="validation", task=VALENCE_AROUSAL, release="ABAW 3"),
        Count(1_359_690, split="train", task=ACTION_UNITS_12, release="ABAW 3"),
        Count(445_845, split="validation", task=ACTION_UNITS_12, release="ABAW 3"),
        *(
            Count(number, split=split, task=task, release=edition)
            for edition in ("ABAW 5", "ABAW 6")
            for number, split, task in (
                (597_361, "train", EXPRESSION_8_OTHER),
                (284_230, "validation", EXPRESSION_8_OTHER),
                (1_359_523, "train", ACTION_UNITS_12),
                (445_845, "validation", ACTION_UNITS_12),
            )
        ),
        Count(1_679_857, split="train", task=VALENCE_AROUSAL, release="ABAW 6"),
        Count(382_021, split="validation", task=VALENCE_AROUSAL, release="ABAW 6"),
    ),
    sums={"MTL": ("MTL valence and arousal", "MTL expressions", "MTL action units")},
    related={"aff_wild": frozenset(str(number) for number in range(1, 1000))},
    published=AFF_WILD2,
    licence="Research only, by a signed agreement with the authors; no redistribution.",
    obtain="Write to the organisers with a signed agreement, as the current ABAW workshop's page says.",
    citation="Kollias and Zafeiriou, BMVC 2019 (arXiv 1910.04855); the edition's own ABAW paper",
)
