"""CREMA-D (Cao et al. 2014): actors say sentences in six emotions; a crowd says what it saw and heard.

    VideoFlash/1001_IEO_ANG_HI.flv       actor, sentence, emotion and level; copies in another coding, such as
    VideoMP4/1001_IEO_ANG_HI.mp4         .mp4, are read where there is no .flv
    AudioWAV/1001_IEO_ANG_HI.wav         the sound; where it is not there, that of the video
    processedResults/summaryTable.csv    "","FileName","VoiceVote",...,"FaceVote",...: the majority's vote
    VideoDemographics.csv                ActorID,Age,Sex,Race,Ethnicity

Two labels are kept apart: what the actor was asked to show (the file's name) is expression_7, what most
viewers named who saw the face without sound (FaceVote) is expression_7_perceived; a tie such as "A:D" is
divided evenly. No clip is meant as surprise, and nobody could vote for it. The folders may lie in one
another or elsewhere below. A row is a clip that has a file or a vote: the table names three clips that were
never published. "1040_ITH_SAD_X" is the real name of a file; it is "1040_ITH_SAD_XX" in the table and here.
A file that is only a link of git-lfs, as in a download without it, counts as missing. Known to be bad:
1076_MTI_SAD_XX is silent, and 1064_IEO_DIS_MD holds all emotions of its sentence.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from mien.arrays import FloatArray
from mien.databases.catalog import Count, Database, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import VIDEOS, relative
from mien.databases.names import Names
from mien.databases.recordings import SOUNDS, files_below
from mien.databases.text import table, whole
from mien.errors import DatabaseError
from mien.records import Labels, by_name, one_hot
from mien.tasks import EXPRESSION_7, EXPRESSION_7_PERCEIVED

EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
"""The codes in file names."""

VOTES = {code[0]: name for code, name in EMOTIONS.items()}
"""The letters in the table of votes: A, D, F, H, N, S."""

LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified", "X": "unspecified"}
"""The levels in file names; "X" is one file's slip."""

DECADE = 10
"""Years of an age group."""

LINK = b"version https://git-lfs"
"""How a file begins that stands for one which was not fetched."""

_CLIP = re.compile(rf"([0-9]{{4}})_([A-Z]{{3}})_({'|'.join(EMOTIONS)})_({'|'.join(LEVELS)})", re.IGNORECASE)

Facts = Mapping[str, str]


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per clip.

    Raises:
        DatabaseError: there is no clip, or a file breaks the format and is not skipped.
    """
    videos, sounds = _media(folder, findings)
    tables = {path.name.lower(): path for path in files_below(folder, frozenset({".csv"}))}
    votes = _votes(tables.get("summarytable.csv"), findings)
    people = _people(tables.get("videodemographics.csv"), findings)
    names = sorted({*videos, *sounds, *votes})
    if not names:
        raise DatabaseError(
            f"{folder}: no clip of CREMA-D there, expected VideoFlash/1001_IEO_ANG_HI.flv or "
            "AudioWAV/1001_IEO_ANG_HI.wav"
        )
    for name in names:
        if name not in videos:
            findings.unmatch("label without a picture", name)
        if votes and name not in votes:
            findings.unmatch("clip without votes", name)
    findings.release = "with votes" if votes else "without summaryTable.csv: intended emotions only"
    parts = [_parts_of(name) for name in names]
    codes = [list(EMOTIONS).index(emotion) for _, _, emotion, _ in parts]
    values = {EXPRESSION_7: one_hot(EXPRESSION_7, list(EMOTIONS.values()), codes)}
    if votes:
        values[EXPRESSION_7_PERCEIVED] = _perceived(votes, names)
    groups = {
        "level": Names.of(LEVELS[level] for *_, level in parts),
        "sentence": Names.of(sentence for _, sentence, _, _ in parts),
    }
    for group in ("gender", "age", "race", "ethnicity") if people else ():
        groups[group] = Names.of(people.get(actor, {}).get(group, "") for actor, *_ in parts)
    return Index.of(
        "crema_d",
        Labels.of(values),
        split="",
        subject=[actor for actor, *_ in parts],
        video=names,
        media=[videos.get(name, "") for name in names],
        sound=[sounds.get(name) or videos.get(name, "") for name in names],
        unit="clip",
        groups=groups,
    )


def _parts_of(name: str) -> tuple[str, str, str, str]:
    """Return actor, sentence, emotion and level of a clip's name in its usual spelling."""
    actor, sentence, emotion, level = name.split("_")
    return actor, sentence, emotion, level


def _name(text: str) -> str:
    """Return a clip's name in its usual spelling.

    Raises:
        ValueError: it is no clip's name.
    """
    match = _CLIP.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no clip, expected a name such as 1001_IEO_ANG_HI")
    actor, sentence, emotion, level = match.groups()
    spelled = "XX" if level.upper() == "X" else level.upper()
    return f"{actor}_{sentence.upper()}_{emotion.upper()}_{spelled}"


def _media(folder: Path, findings: Findings) -> tuple[dict[str, str], dict[str, str]]:
    """Return clip -> its video, and clip -> its sound, each as an Index keeps it."""
    videos: dict[str, str] = {}
    sounds: dict[str, str] = {}
    for path in sorted(files_below(folder, VIDEOS | SOUNDS), key=_preference):
        place = relative(path, folder)
        if not _CLIP.fullmatch(path.stem):
            findings.unmatch("file whose name is no clip's", place)
        elif _is_link(path):
            findings.unmatch("file that git-lfs did not fetch", place)
        else:
            kind = sounds if path.suffix.lower() in SOUNDS else videos
            kind.setdefault(_name(path.stem), place)
    return videos, sounds


def _preference(path: Path) -> tuple[bool, bool, Path]:
    """Return what puts the better copy of a clip first."""
    return path.suffix.lower() != ".flv", path.suffix.lower() != ".mp4", path


def _is_link(path: Path) -> bool:
    """Return whether a file stands for one which was not fetched."""
    try:
        if path.stat().st_size > 1000:
            return False
        return path.read_bytes().startswith(LINK)
    except OSError as error:
        raise DatabaseError(f"{path}: {error.strerror}") from error


def _votes(path: Path | None, findings: Findings) -> dict[str, list[str]]:
    """Return clip -> the classes most viewers of the face named; none where nobody's vote is written."""
    votes: dict[str, list[str]] = {}
    if path is None:
        return votes
    for line, row in table(path, findings, ("FileName", "FaceVote")):
        with findings.row(path, line):
            name = _name(row["FileName"])
            letters = row["FaceVote"].split(":") if row["FaceVote"] else []
            if len(set(letters)) != len(letters) or not set(letters) <= set(VOTES):
                raise ValueError(f"FaceVote is {row['FaceVote'][:40]!r}, expected some of {':'.join(VOTES)}")
            if name in votes:
                raise ValueError(f"{name} is there a second time")
            votes[name] = [VOTES[letter] for letter in letters]
    return votes


def _perceived(votes: Mapping[str, Iterable[str]], names: Iterable[str]) -> FloatArray:
    """Return each clip's vote as a distribution, (n, 7); NaN where there is none."""
    classes = list(VOTES.values())
    rows = []
    for name in names:
        named = list(votes.get(name, ()))
        rows.append([(label in named) / len(named) if named else np.nan for label in classes])
    shares = np.array(rows, np.float32).reshape(-1, len(classes))
    perceived = by_name(EXPRESSION_7_PERCEIVED, classes, shares)
    perceived[np.isfinite(shares).all(axis=1), EXPRESSION_7_PERCEIVED.index("surprise")] = 0
    return perceived


def _people(path: Path | None, findings: Findings) -> dict[str, Facts]:
    """Return actor -> group -> name; "" where it is unknown."""
    people: dict[str, Facts] = {}
    if path is None:
        return people
    for line, row in table(path, findings, ("ActorID", "Age", "Sex", "Race", "Ethnicity")):
        with findings.row(path, line):
            if not re.fullmatch("[0-9]{4}", row["ActorID"]):
                raise ValueError(f"ActorID is {row['ActorID'][:40]!r}, expected four digits")
            age = whole(row["Age"], "Age", 1, 120) // DECADE * DECADE
            people[row["ActorID"]] = {
                "gender": row["Sex"].lower(),
                "age": f"{age:02d}-{age + DECADE - 1:02d}",
                "race": "" if row["Race"] in ("Unknown", "Unspecified") else row["Race"],
                "ethnicity": row["Ethnicity"],
            }
    return people


DATABASE = Database(
    title="CREMA-D",
    tasks=(EXPRESSION_7, EXPRESSION_7_PERCEIVED),
    read=read,
    protocols=(
        Protocol(
            name="intended emotion",
            task=EXPRESSION_7,
            labels=tuple(EMOTIONS.values()),
            metric="accuracy",
            also=("mean recall",),
            aggregation="all clips of a fold's test actors; mean over folds",
            by="subject",
            folds=(),
            made=5,
            note="no official parts; random parts of clips, as in much public code, leak the actors. Many "
            "papers see and hear the clip, and some score the perceived emotion: compare like with like",
        ),
        Protocol(
            name="perceived emotion",
            task=EXPRESSION_7_PERCEIVED,
            labels=tuple(EMOTIONS.values()),
            metric="accuracy",
            also=("mean recall",),
            aggregation="clips of a fold's test actors without a tie of votes; mean over folds",
            by="subject",
            folds=(),
            made=5,
            note="the vote of those who saw the face without sound",
        ),
    ),
    counts=(Count(91, "subjects"),),
    licence="Open Database License 1.0; contents under the Database Contents License 1.0.",
    obtain="github.com/CheyneyComputerScience/CREMA-D, with git-lfs. 7,442 clips were published.",
    citation="H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma: CREMA-D: Crowd-Sourced "
    "Emotional Multimodal Actors Dataset. IEEE Transactions on Affective Computing 5(4), 2014.",
)
