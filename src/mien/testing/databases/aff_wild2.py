"""Made copies of Aff-Wild2 in the layouts of the ABAW challenges."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mien.tasks import (
    ACTION_UNITS_8,
    ACTION_UNITS_12,
    EXPRESSION_7,
    EXPRESSION_8_OTHER,
    VALENCE_AROUSAL,
    Task,
)
from mien.testing.databases.made import MOUTHS, Bad, Key, Made, Row, write_face, write_lines
from mien.testing.media import make_video

_SEVEN = ("Neutral", "Anger", "Disgust", "Fear", "Happiness", "Sadness", "Surprise")
_EIGHT = (*_SEVEN, "Other")
_UNITS_8 = (1, 2, 4, 6, 12, 15, 20, 25)
_UNITS_12 = (1, 2, 4, 6, 7, 10, 12, 15, 23, 24, 25, 26)

_FACES = {
    "train": (("901", "left"), ("901", "right"), ("900-30-640x480", ""), ("122-60-1920x1080-2", "")),
    "validation": (("video902_1", ""), ("903", ""), ("903", "right")),
}
"""Part -> (recording, face); the plain name stands for the main person."""

_FRAMES = 6

_Labels = dict[Task, dict[str, float]]
_Truth = dict[Key, _Labels]


@dataclass(frozen=True)
class _Layout:
    """How a release lays out its files.

    Attributes:
        folders: behaviour -> folder of its labels; none where all tasks share a file.
        parts: part -> folder within it.
        classes: of expressions, as the header names them.
        units: numbers of the action units.
        pictures: folders of crops; faces take turns in them.
        videos: folders of videos; recordings take turns in them.
        lists: part -> file that names pictures and has all three tasks.
    """

    folders: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = _EIGHT
    units: tuple[int, ...] = _UNITS_12
    pictures: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    lists: Mapping[str, str] = field(default_factory=dict)


_TRAIN_SET = {"train": "Train_Set", "validation": "Validation_Set"}


def _challenge(top: str, expression: str = "EXPR_Classification_Challenge") -> dict[str, str]:
    """Return the folders of the tasks from the third edition on."""
    return {
        "valence_arousal": f"{top}VA_Estimation_Challenge",
        "expression": f"{top}{expression}",
        "action_units": f"{top}AU_Detection_Challenge",
    }


def _sets(pattern: str) -> dict[str, str]:
    """Return the folders of the tasks before the third edition."""
    names = {"valence_arousal": "VA", "expression": "EXPR", "action_units": "AU"}
    return {behaviour: pattern.format(name) for behaviour, name in names.items()}


def make_aff_wild2_abaw1(folder: Path, seed: int = 0) -> Made:
    """Write the first edition: seven expressions, eight action units, an archive nested once more."""
    layout = _Layout(
        folders=_sets("annotations/{}_Set"),
        parts={"train": "Training_Set", "validation": "Validation_Set"},
        classes=_SEVEN,
        units=_UNITS_8,
        pictures=("cropped_aligned/cropped_aligned",),
    )
    return _make(folder, layout, seed)


def make_aff_wild2_abaw2(folder: Path, seed: int = 0) -> Made:
    """Write the second edition: seven expressions, twelve action units, crops that are not aligned."""
    layout = _Layout(
        _sets("{}_Set"), _TRAIN_SET, classes=_SEVEN, pictures=("cropped",), videos=("batch1", "batch2")
    )
    return _make(folder, layout, seed)


def make_aff_wild2_abaw3(folder: Path, seed: int = 0) -> Made:
    """Write the third edition, with its lists of pictures that have all tasks."""
    top = "Third ABAW Annotations/"
    lists = {
        "train": f"{top}MTL_Challenge/train_set.txt",
        "validation": f"{top}MTL_Challenge/validation_set.txt",
    }
    pictures = ("cropped_aligned",)
    return _make(folder, _Layout(_challenge(top), _TRAIN_SET, pictures=pictures, lists=lists), seed)


def make_aff_wild2_abaw6(folder: Path, seed: int = 0) -> Made:
    """Write the sixth edition: more videos with crops of their own, test lists and sample files."""
    layout = _Layout(
        _challenge("6th ABAW Annotations/", "EXPR_Recognition_Challenge"),
        _TRAIN_SET,
        pictures=("cropped_aligned", "cropped_aligned_new_50_vids"),
        videos=("batch1", "new_vids"),
    )
    write_lines(
        folder / "prediction_files_format" / "CVPR_6th_ABAW_VA_test_set_sample.txt",
        ["image_location,valence,arousal", "904/00001.jpg,0.5,-0.5"],
    )
    write_lines(
        folder / "names_of_videos_in_each_test_set" / "Expression_Recognition_Challenge_test_set_release.txt",
        ["904", "904_left"],
    )
    write_face(folder / "cropped_aligned" / "904" / "00001.jpg", np.random.default_rng(seed))
    return _make(folder, layout, seed)


def make_aff_wild2_mtl(folder: Path, seed: int = 0) -> Made:
    """Write the multi-task form of editions 4 and 7: two lists of pictures, and one of the test part."""
    lists = {"train": "training_set_annotations.txt", "validation": "validation_set_annotations.txt"}
    header = "image,valence,arousal,expression,aus"
    write_lines(folder / "MTL_Challenge_test_set_release.txt", [header, "904/00001.jpg"])
    return _make(folder, _Layout(pictures=("cropped_aligned",), lists=lists), seed)


def make_aff_wild2_noncompetition(folder: Path, seed: int = 0) -> Made:
    """Write the release outside the challenges: labels and videos of each task nested in its own folder."""
    layout = _Layout(
        folders={
            "valence_arousal": "VASet/annotations",
            "expression": "ExpressionSet/ExpressionSet/annotations",
            "action_units": "AUSet/AU_Set",
        },
        parts=_TRAIN_SET,
        classes=_SEVEN,
        units=_UNITS_8,
        videos=("VASet/videos", "AUSet/AU_Set/videos"),
    )
    return _make(folder, layout, seed)


def make_aff_wild2_videos(folder: Path, seed: int = 0) -> Made:
    """Write the ninth edition's valence and arousal, with videos and no crops."""
    layout = _Layout(
        folders={"valence_arousal": "9th_ABAW_Annotations/VA_Estimation_Challenge"},
        parts=_TRAIN_SET,
        videos=("batch1", "batch2", "new_vids"),
    )
    return _make(folder, layout, seed)


def make_aff_wild2_lsd(folder: Path, seed: int = 0) -> Made:
    """Write the fourth edition's synthetic faces: the folder is the label."""
    rng = np.random.default_rng(seed)
    tops = {"train": "training_set_synthetic_images", "validation": "validation_set_real_images"}
    names = {"ANGRER": "anger", "HAPPINESS": "happiness", "SADNESS": "sadness", "SURPRISE": "surprise"}
    rows = []
    for split, top in tops.items():
        for inside, name in names.items():
            for number in range(2):
                write_face(folder / top / inside / f"{number}.jpg", rng, MOUTHS.get(name, 0))
                rows.append(Row(split, f"{top}/{inside}/{number}", 0, {EXPRESSION_7: {name: 1.0}}))
    return Made(folder, rows)


def _make(folder: Path, layout: _Layout, seed: int) -> Made:
    """Write a release and return the truth about it.

    Some frames have no valence and arousal, class or action units; one has a single unknown action
    unit; files of action units are two lines shorter; the third frame of each face has no crop.
    """
    rng = np.random.default_rng(seed)
    truth: _Truth = {}
    bads: list[Bad] = []
    texts: list[Path] = []
    for split, video, side in _named():
        for frame in range(_FRAMES):
            truth[split, video, side, frame] = _draw(layout, frame, rng)
        for behaviour, place in layout.folders.items():
            path = folder / place / layout.parts[split] / f"{_joined(video, side)}.txt"
            texts.append(_write_frames(path, layout, behaviour, split, video, side, truth))
            keys = [key for key in truth if key[:3] == (split, video, side)]
            if side != "right":
                text = {"valence_arousal": "0.1,1.5", "expression": "8", "action_units": "0,1"}[behaviour]
                bads.append(Bad(path, 4, text, frozenset({keys[2]})))
            if side == "left":
                bads.append(Bad(path, 1, "valence;arousal", frozenset(keys)))
    for split, inside in layout.lists.items():
        path, lines = _write_list(folder / inside, layout, split, truth)
        texts.append(path)
        bads += [Bad(path, 3, text, frozenset({lines[1]})) for text in ("901_left/1.jpg,0,0", "x" * 9)]
    kept = set(truth) if layout.folders else {key for key in truth if key[3] % 2 == 0}
    crops = _write_crops(folder, layout, rng)
    lost = {path: frozenset({key}) for path, key in crops.items() if key in kept}
    lost = lost or _write_videos(folder, layout, kept)
    pictured = {key for keys in lost.values() for key in keys}
    if crops:
        _write_videos(folder, layout, kept)
    rows = [
        Row(split, video, frame, truth[split, video, side, frame], side, picture=key in pictured)
        for key in sorted(kept)
        for split, video, side, frame in [key]
    ]
    numbered = sorted({path.parent for path in crops})
    return Made(folder, rows, bads, texts, lost=lost, numbered=numbered)


def _named() -> Iterator[tuple[str, str, str]]:
    """Yield part, recording and face."""
    for split, faces in _FACES.items():
        for video, side in faces:
            yield split, video, side


def _joined(video: str, side: str) -> str:
    """Return what a face's files are called."""
    return f"{video}_{side}" if side else video


def _draw(layout: _Layout, frame: int, rng: np.random.Generator) -> _Labels:
    """Return what is known of a frame."""
    expressions = EXPRESSION_7 if layout.classes == _SEVEN else EXPRESSION_8_OTHER
    units = ACTION_UNITS_8 if layout.units == _UNITS_8 else ACTION_UNITS_12
    traces = {name: round(float(rng.uniform(-1, 1)), 3) for name in ("valence", "arousal")}
    drawn: _Labels = {
        VALENCE_AROUSAL: traces,
        expressions: {str(rng.choice(layout.classes)).lower(): 1.0},
        units: {f"AU{number:02d}": float(rng.integers(0, 2)) for number in layout.units},
    }
    if frame == 1:
        del drawn[VALENCE_AROUSAL]
    if frame in (1, 3):
        del drawn[expressions]
    if frame == 2:
        del drawn[units]["AU04"]
    if layout.folders:
        present = {task.behaviour for task in drawn} & set(layout.folders)
        drawn = {task: labels for task, labels in drawn.items() if task.behaviour in present}
        if frame >= _FRAMES - 2:
            drawn.pop(units, None)
    return drawn


def _written(layout: _Layout, behaviour: str, known: _Labels, frame: int) -> list[str]:
    """Return a frame's fields of one behaviour; numbers are spelled in several ways, as they are."""
    told = next((labels for task, labels in known.items() if task.behaviour == behaviour), {})
    point = ".0" if frame % 2 else ""
    if behaviour == "valence_arousal":
        return [f"{told[n]:.3f}" if told else f"-5{point}" for n in ("valence", "arousal")]
    if behaviour == "expression":
        numbers = [place for place, name in enumerate(layout.classes) if name.lower() in told]
        return [f"{numbers[0]}{point}" if numbers else "-1"]
    return [f"{int(told.get(f'AU{number:02d}', -1))}{point}" for number in layout.units]


def _write_frames(
    path: Path, layout: _Layout, behaviour: str, split: str, video: str, side: str, truth: _Truth
) -> Path:
    """Write the labels of one face for one task, a line for each frame."""
    names = {
        "valence_arousal": ("valence", "arousal"),
        "expression": layout.classes,
        "action_units": tuple(f"AU{number}" for number in layout.units),
    }[behaviour]
    frames = range(_FRAMES - 2 if behaviour == "action_units" else _FRAMES)
    comma = ", " if video == "901" else ","
    lines = [
        ",".join(_written(layout, behaviour, truth[split, video, side, frame], frame)) for frame in frames
    ]
    return write_lines(path, [comma.join(names), *lines])


def _write_list(path: Path, layout: _Layout, split: str, truth: _Truth) -> tuple[Path, list[Key]]:
    """Write a list of pictures with all tasks, every second frame; return it and its lines' rows."""
    keys = [key for key in truth if key[0] == split and key[3] % 2 == 0]
    lines = []
    for _, video, side, frame in keys:
        row = [f"{_joined(video, side)}/{frame + 1:05d}.jpg"]
        for behaviour in ("valence_arousal", "expression", "action_units"):
            row += _written(layout, behaviour, truth[split, video, side, frame], frame)
        lines.append(",".join(row))
    return write_lines(path, ["image,valence,arousal,expression,aus", *lines]), keys


def _write_crops(folder: Path, layout: _Layout, rng: np.random.Generator) -> dict[Path, Key]:
    """Write the crops of all frames but the third, and one more than there are labels: path -> row."""
    crops = {}
    for count, (split, video, side) in enumerate(_named() if layout.pictures else ()):
        place = folder / layout.pictures[count % len(layout.pictures)] / _joined(video, side)
        for frame in (0, 1, *range(3, _FRAMES + 1)):
            path = place / f"{frame + 1:05d}.jpg"
            write_face(path, rng)
            crops[path] = split, video, side, frame
    return crops


def _write_videos(folder: Path, layout: _Layout, rows: set[Key]) -> dict[Path, frozenset[Key]]:
    """Write a video of each recording: path -> its rows."""
    videos = {}
    for count, name in enumerate(sorted({video for _, video, _ in _named()}) if layout.videos else ()):
        path = (
            folder / layout.videos[count % len(layout.videos)] / f"{name}{'.avi' if count == 1 else '.mp4'}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        make_video(path, frames=_FRAMES)
        videos[path] = frozenset(key for key in rows if key[1] == name)
    return videos
