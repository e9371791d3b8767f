"""SEWA (Kossaifi et al. 2019): people of six cultures who watch adverts and talk of them, rated over time.

The database's own form, a folder for each clip:

    <clip>/valence/<clip>_Valence_AV_Aligned.csv   a first line, then time and a column for each annotator
    <clip>/arousal/<clip>_Arousal_A_Aligned.csv    of those who heard (A), saw (V) or both (AV)
    <anywhere>/<clip>.avi, <clip>.wav              the recordings

Of each dimension AV is read, else V, else A; the release says which, the group "annotators_had" which for
each row. Labels are the mean of the annotators; each one's trace is a column such as "valence_1", by place,
for what the first line calls them is not known for sure. The third "_" token of a clip's name is its subject.

The form of the AVEC challenges 2017 to 2019, German and Hungarian:

    <labels>/Train_DE_01.csv    "name;timestamp;arousal;valence;liking", also without that line;
    Devel_DE_01.csv, Test_...   files of features of the same name lie in other folders

There liking is a column, the culture a group, and nothing is said of subjects. In both forms values must lie
within [-1, 1].
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mien.databases.catalog import OFFICIAL, VALIDATION_AS_TEST, Database, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import relative
from mien.databases.recordings import Recordings, files_below
from mien.databases.text import fields, lines
from mien.databases.traces import DIMENSIONS, Recording, Trace, indexed, read_row, read_trace
from mien.errors import DatabaseError
from mien.tasks import VALENCE_AROUSAL

HAD = ("AV", "V", "A")
"""What annotators had of a clip, the one that is read first."""

SPLITS = {"train": "train", "devel": "validation", "dev": "validation", "test": "test"}
"""The challenges' names of the parts, in small letters, and ours."""

CHALLENGE_COLUMNS = ("name", "timestamp", "arousal", "valence", "liking")
"""The columns of the challenges' files of labels, in their order."""

_OWN = re.compile(r"(.+)_(valence|arousal)_(AV|V|A)_Aligned", re.IGNORECASE)
_CHALLENGE = re.compile(r"(train|devel|dev|test)_([A-Z]{2})_[0-9]{1,3}", re.IGNORECASE)

Clips = dict[str, dict[str, dict[str, Path]]]
"""Clip -> dimension -> what annotators had -> the file."""


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per clip and time stamp.

    Raises:
        DatabaseError: neither form is there, or a file breaks the format and is not skipped.
    """
    tables = list(files_below(folder, frozenset({".csv"})))
    found = Recordings(folder, findings)
    clips = _clips(tables, folder, findings)
    if clips:
        recordings = _own(clips, found, findings)
    else:
        recordings = _challenge(_label_files(tables, findings), found, findings)
    if not any(len(trace.times) for recording in recordings for trace in recording.labels.values()):
        raise DatabaseError(
            f"{folder}: no labels of SEWA there, expected <clip>/valence/<clip>_Valence_AV_Aligned.csv or, "
            "of the AVEC challenges, Train_DE_01.csv with columns arousal and valence"
        )
    found.tell_unlabelled()
    return indexed("sewa", recordings)


def _clips(tables: Sequence[Path], folder: Path, findings: Findings) -> Clips:
    """Return the files that are called like labels of the database's own form."""
    clips: Clips = {}
    for path in tables:
        match = _OWN.fullmatch(path.stem)
        if match:
            clip, dimension, had = match.groups()
            one = clips.setdefault(clip, {}).setdefault(dimension.lower(), {})
            if one.setdefault(had.upper(), path) != path:
                findings.unmatch("second file of one clip's labels", relative(path, folder))
    return clips


def _own(clips: Clips, found: Recordings, findings: Findings) -> list[Recording]:
    """Return the clips of the database's own form."""
    recordings = []
    kinds: dict[str, None] = {}
    for clip, dimensions in sorted(clips.items()):
        chosen = {d: next(had for had in HAD if had in dimensions[d]) for d in DIMENSIONS if d in dimensions}
        raters = {d: _placed(read_trace(dimensions[d][had], findings, ",")) for d, had in chosen.items()}
        told = " and ".join(dict.fromkeys(chosen.values()))
        kinds[told] = None
        recordings.append(
            Recording(
                clip,
                "",
                [*clip.split("_"), "", ""][2],
                *found.of(clip),
                {dimension: trace.mean() for dimension, trace in raters.items()},
                raters,
                groups={"annotators_had": told},
            )
        )
    findings.release = (
        f"the database's own form; labels are the mean of annotators who had {' or '.join(kinds)}"
    )
    return recordings


def _placed(trace: Trace) -> Trace:
    """Return a trace whose raters are called by their place."""
    return Trace(trace.times, trace.values, tuple(str(place + 1) for place in range(len(trace.raters))))


def _label_files(tables: Sequence[Path], findings: Findings) -> dict[str, Path]:
    """Return recording -> its file of labels among the files that are called like one.

    They are those in a folder called "labels" where there is one, otherwise those whose first line names
    arousal and valence.
    """
    called = [path for path in tables if _CHALLENGE.fullmatch(path.stem)]
    labels = [path for path in called if path.parent.name.lower().startswith("label")]
    found: dict[str, Path] = {}
    for path in labels or [path for path in called if _columns(path) is not None]:
        if found.setdefault(path.stem, path) != path:
            findings.unmatch("second file of one recording's labels", f"{path.parent.name}/{path.name}")
    return found


def _columns(path: Path) -> tuple[str, ...] | None:
    """Return the columns that a file's first line names; None where it names no arousal or valence."""
    try:
        names = fields(next(lines(path, Findings(skip=True)), (1, ""))[1].lower(), ";")
    except ValueError:
        return None
    return tuple(names) if {"timestamp", *DIMENSIONS} <= set(names) else None


def _challenge(labels: Mapping[str, Path], found: Recordings, findings: Findings) -> list[Recording]:
    """Return the recordings of the challenges' form."""
    recordings = []
    for name, path in labels.items():
        split, culture, _ = name.split("_")
        traces = _read_challenge(path, findings)
        recordings.append(
            Recording(
                name,
                SPLITS[split.lower()],
                "",
                *found.of(name),
                {dimension: traces[dimension] for dimension in DIMENSIONS},
                extra={other: trace for other, trace in traces.items() if other not in DIMENSIONS},
                groups={"culture": culture.upper()},
            )
        )
    findings.release = "the AVEC challenges' form, with their gold standard"
    return recordings


def _read_challenge(path: Path, findings: Findings) -> dict[str, Trace]:
    """Return arousal, valence and, where it is there, liking of one file."""
    names = _columns(path)
    columns = CHALLENGE_COLUMNS if names is None else names
    rated = [name for name in ("arousal", "valence", "liking") if name in columns]
    places = [columns.index(name) for name in ("timestamp", *rated)]
    times: list[int] = []
    values: list[list[float]] = []
    for line, text in lines(path, findings):
        if line == 1 and names is not None:
            continue
        with findings.row(path, line):
            cells = fields(text, ";")
            if len(cells) != len(columns):
                raise ValueError(f"{len(cells)} fields, expected {len(columns)}: {';'.join(columns)}")
            time, row = read_row([cells[place] for place in places], rated, times)
            times.append(time)
            values.append(row)
    table = np.array(values, np.float64).reshape(-1, len(rated))
    stamps = np.array(times, np.int64)
    return {name: Trace(stamps, table[:, [place]]) for place, name in enumerate(rated)}


DATABASE = Database(
    title="SEWA",
    tasks=(VALENCE_AROUSAL,),
    read=read,
    protocols=(
        Protocol(
            name="AVEC development part",
            task=VALENCE_AROUSAL,
            metric="CCC",
            aggregation="all time stamps of the part, concatenated, of each dimension",
            folds=(VALIDATION_AS_TEST,),
            note="for the challenges' form; the test part's labels are with the organisers",
        ),
        Protocol(
            name="AVEC test part",
            task=VALENCE_AROUSAL,
            metric="CCC",
            aggregation="all time stamps of the part, concatenated, of each dimension",
            folds=(OFFICIAL,),
            note="for the challenges' form",
        ),
        Protocol(
            name="five subject folds",
            task=VALENCE_AROUSAL,
            metric="CCC",
            aggregation="all time stamps of a fold's test subjects, concatenated; mean over folds",
            by="subject",
            folds=(),
            made=5,
            also=("PCC",),
            note="for the database's own form, which names no parts",
        ),
    ),
    licence="Research only, by an end user licence agreement.",
    obtain="Ask at db.sewaproject.eu; the challenges' form is given with their agreement.",
    citation="J. Kossaifi et al.: SEWA DB: A Rich Database for Audio-Visual Emotion and Sentiment Research "
    "in the Wild. IEEE Transactions on Pattern Analysis and Machine Intelligence, 2019.",
)
