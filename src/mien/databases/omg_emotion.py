"""OMG-Emotion (Barros et al. 2018): monologues on YouTube, cut into utterances, each with one label.

    omg_TrainVideos.csv                  link,start,end,video,utterance,arousal,valence,EmotionMaxVote
    omg_ValidationVideos.csv             likewise
    omg_TestVideos_WithLabels.csv        likewise; without it omg_TestVideos_WithoutLabels.csv, whose rows
                                         have no labels
    <anywhere>/<video>/utterance_1.mp4   what the authors' script cut out; videos that YouTube has no longer
                                         are missing

A row is an utterance, a clip of its own: the Index's video is "<video>/utterance_1", and the group
"recording" keeps the video, over whose utterances CCC is counted. The official parts divide recordings.
Valence is in [-1, 1]; arousal is in [0, 1] and kept as it is, not stretched to [-1, 1]: 0 is calm here. Where
in the recording an utterance lay is in the columns "start" and "end", in seconds. Who is seen is not said.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mien.databases.catalog import OFFICIAL, VALIDATION_AS_TEST, Database, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import VIDEOS, relative
from mien.databases.names import Names
from mien.databases.recordings import files_below
from mien.databases.text import number, table, whole
from mien.errors import DatabaseError
from mien.records import Labels, one_hot
from mien.tasks import EXPRESSION_7, VALENCE_AROUSAL

EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
"""What the numbers 0 to 6 of EmotionMaxVote mean."""

TABLES = {
    "omg_trainvideos.csv": "train",
    "omg_validationvideos.csv": "validation",
    "omg_testvideos_withlabels.csv": "test",
}
"""The tables in small letters, and the parts they hold."""

UNLABELLED = "omg_testvideos_withoutlabels.csv"
"""The test part's table as it was during the challenge."""

LABELS = ("arousal", "valence", "EmotionMaxVote")
"""The columns of labels."""

PER_RECORDING = 'over the utterances of each recording (group "recording"), then the mean over recordings'
"""How the authors' script counts CCC."""

DAY = 86_400.0
"""No video is longer, in seconds."""

Utterance = tuple[str, str, float, float, float, float, int]


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per utterance.

    Raises:
        DatabaseError: there is no table, or one breaks the format and is not skipped.
    """
    there = {path.name.lower(): path for path in files_below(folder, frozenset({".csv"}))}
    tables = {there[name]: split for name, split in TABLES.items() if name in there}
    if "test" not in tables.values() and UNLABELLED in there:
        tables[there[UNLABELLED]] = "test"
    if not tables:
        raise DatabaseError(f"{folder}: no table of OMG-Emotion there, expected omg_TrainVideos.csv")
    videos = _videos(folder, findings)
    splits: list[str] = []
    rows: list[Utterance] = []
    for path, split in tables.items():
        read_rows = _rows(path, findings)
        rows += read_rows
        splits += [split] * len(read_rows)
    names = [f"{video}/{utterance}" for video, utterance, *_ in rows]
    media = [videos.get(name.lower(), "") for name in names]
    for name, video in zip(names, media, strict=True):
        if not video:
            findings.unmatch("label without a picture", name)
    for name in videos.keys() - {name.lower() for name in names}:
        findings.unmatch("picture without a label", videos[name])
    findings.release = f"parts {', '.join(dict.fromkeys(tables.values()))}"
    if there.get(UNLABELLED) in tables:
        findings.release += ", the test part without labels"
    numbers = np.array([row[2:6] for row in rows], np.float64).reshape(-1, 4)
    return Index.of(
        "omg_emotion",
        Labels.of(
            {
                VALENCE_AROUSAL: numbers[:, [3, 2]],
                EXPRESSION_7: one_hot(EXPRESSION_7, EMOTIONS, [row[6] for row in rows]),
            }
        ),
        split=splits,
        video=names,
        media=media,
        sound=media,
        unit="clip",
        columns={"start": numbers[:, 0], "end": numbers[:, 1]},
        groups={"recording": Names.of(video for video, *_ in rows)},
    )


def _rows(path: Path, findings: Findings) -> list[Utterance]:
    """Return each row's (video, utterance, start, end, arousal, valence, emotion); NaN and -1 for none."""
    labelled = path.name.lower() != UNLABELLED
    rows: list[Utterance] = []
    listed: set[tuple[str, str]] = set()
    for line, row in table(
        path, findings, ("video", "utterance", "start", "end", *(LABELS if labelled else ()))
    ):
        with findings.row(path, line):
            video, utterance = row["video"], row["utterance"].removesuffix(".mp4")
            if not video or not utterance:
                raise ValueError("no video or no utterance")
            start, end = number(row["start"], "start", 0, DAY), number(row["end"], "end", 0, DAY)
            labels = _labels(row) if labelled else (np.nan, np.nan, -1)
            if (video, utterance) in listed:
                raise ValueError(f"{video}/{utterance} is there a second time")
            listed.add((video, utterance))
            rows.append((video, utterance, start, end, *labels))
    return rows


def _labels(row: Mapping[str, str]) -> tuple[float, float, int]:
    """Return arousal, valence and emotion of a row; NaN and -1 where a cell is empty.

    Raises:
        ValueError: one is malformed.
    """
    arousal = number(row["arousal"], "arousal", 0, 1) if row["arousal"] else np.nan
    valence = number(row["valence"], "valence", -1, 1) if row["valence"] else np.nan
    vote = row["EmotionMaxVote"]
    emotion = whole(vote, "EmotionMaxVote", 0, len(EMOTIONS) - 1) if vote else -1
    return arousal, valence, emotion


def _videos(folder: Path, findings: Findings) -> dict[str, str]:
    """Return "<video>/<utterance>", in small letters, -> the file, as an Index keeps it."""
    videos: dict[str, str] = {}
    for path in files_below(folder, VIDEOS):
        if path.stem.lower().startswith("utterance_"):
            place = relative(path, folder)
            if videos.setdefault(f"{path.parent.name}/{path.stem}".lower(), place) != place:
                findings.unmatch("second file of one utterance", place)
    return videos


DATABASE = Database(
    title="OMG-Emotion",
    tasks=(VALENCE_AROUSAL, EXPRESSION_7),
    read=read,
    protocols=(
        Protocol(
            name="CCC per video",
            task=VALENCE_AROUSAL,
            metric="CCC",
            aggregation=PER_RECORDING,
            over="video",
            folds=(OFFICIAL,),
            note="as the authors' script counts it; arousal is in [0, 1]",
        ),
        Protocol(
            name="CCC per video, validation part",
            task=VALENCE_AROUSAL,
            metric="CCC",
            aggregation=PER_RECORDING,
            over="video",
            folds=(VALIDATION_AS_TEST,),
            note="for papers of before the test part's labels were given out",
        ),
        Protocol(
            name="emotion",
            task=EXPRESSION_7,
            metric="macro F1",
            aggregation="all utterances of the test part",
            folds=(OFFICIAL,),
            note="the vote of most annotators",
        ),
    ),
    licence="Labels: see the licence in their repository. The videos are their makers', from YouTube.",
    obtain="github.com/knowledgetechnologyuhh/OMGEmotionChallenge; its script fetches and cuts the videos.",
    citation="P. Barros, N. Churamani, E. Lakomkin, H. Siqueira, A. Sutherland, S. Wermter: The OMG-Emotion "
    "Behavior Dataset. IJCNN 2018.",
)
