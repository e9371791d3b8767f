"""RECOLA (Ringeval et al. 2013): people who solve a task together over a video call, rated by six listeners.

    ratings_gold_standard/valence/train_1.arff     AVEC 2015 and 2016: train_1 to 9 and dev_1 to 9, a value
    ratings_gold_standard/arousal/dev_9.arff       every 40 ms from 0.00 to 300.00 s
    ratings_individual/valence/train_1.csv         beside it: "time;FM1;FM2;FM3;FF1;FF2;FF3"
    emotional_behaviour/valence/P16.csv            the original: "time;FM1 ;FM2;...", no gold standard
    <anywhere>/train_1.mp4, train_1.wav, P16.mp4   the recordings, called as the labels are

Labels are the gold standard. Where there is none at all, they are the mean of the six ratings, which is not
the gold standard (ratings were centred for that), and the release says so. Each rater's trace is a column
such as "valence_FM1". All 7,501 time stamps are kept; code that drops the first to match 7,500 frames is not
followed, for rows meet frames by time. A recording shows one person, who is called as the recording.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mien.databases.catalog import OFFICIAL, VALIDATION_AS_TEST, Database, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import files
from mien.databases.recordings import Recordings, folders_called
from mien.databases.text import fields, lines
from mien.databases.traces import DIMENSIONS, Recording, Trace, indexed, read_row, read_trace
from mien.errors import DatabaseError
from mien.tasks import VALENCE_AROUSAL

SPLITS = {"train": "train", "dev": "validation", "test": "test"}
"""AVEC's names of the three parts and ours."""

GOLD, INDIVIDUAL, ORIGINAL = (r"ratings_gold_standard", r"ratings_individual", r"emotional_behaviou?r")
"""The folders, each with a folder for each dimension."""

_RECORDING = re.compile(r"(?:(train|dev|test)_[0-9]{1,3}|P[0-9]{1,3})", re.IGNORECASE)

Traces = dict[str, dict[str, Trace]]


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per recording and time stamp.

    Raises:
        DatabaseError: there are no labels, or a file breaks the format and is not skipped.
    """
    gold = _traces(folder, GOLD, ".arff", findings)
    raters = _traces(folder, INDIVIDUAL, ".csv", findings)
    if not raters and not gold:
        raters = _traces(folder, ORIGINAL, ".csv", findings)
        findings.release = "original database, which has no gold standard; labels are the mean of its raters"
    elif not gold:
        findings.release = "AVEC package without its gold standard; labels are the mean of the raters"
    else:
        beside = " and individual ratings" if raters else ""
        findings.release = f"AVEC package with its gold standard{beside}"
    labels = gold or {name: {d: t.mean() for d, t in traces.items()} for name, traces in raters.items()}
    if not any(len(trace.times) for traces in labels.values() for trace in traces.values()):
        raise DatabaseError(
            f"{folder}: no labels of RECOLA there, expected ratings_gold_standard/valence/train_1.arff, "
            "ratings_individual/valence/train_1.csv or emotional_behaviour/valence/P16.csv"
        )
    for name in raters.keys() - labels.keys():
        findings.unmatch("ratings without a gold standard", name)
    found = Recordings(folder, findings)
    recordings = [_recording(name, labels[name], raters.get(name, {}), found) for name in labels]
    found.tell_unlabelled()
    return indexed("recola", recordings)


def _recording(
    name: str, labels: Mapping[str, Trace], raters: Mapping[str, Trace], found: Recordings
) -> Recording:
    """Return one recording."""
    media, sound = found.of(name)
    split = SPLITS.get(name.partition("_")[0].lower(), "")
    return Recording(name, split, name, media, sound, labels, raters)


def _traces(folder: Path, pattern: str, suffix: str, findings: Findings) -> Traces:
    """Return recording -> dimension -> its trace, of the files in one kind of folder, in order of name."""
    found: Traces = {}
    for place in folders_called(folder, pattern):
        for dimension in DIMENSIONS:
            for inner in folders_called(place, dimension):
                for path in files(inner, frozenset({suffix})).values():
                    if not _RECORDING.fullmatch(path.stem):
                        findings.unmatch("file of labels with another name", path.name)
                    elif dimension in found.get(path.stem, {}):
                        findings.unmatch(
                            "second file of one recording's labels", str(path.relative_to(folder))
                        )
                    else:
                        reader = (
                            _read_gold(path, findings)
                            if suffix == ".arff"
                            else read_trace(path, findings, ";")
                        )
                        found.setdefault(path.stem, {})[dimension] = reader
    return {name: found[name] for name in sorted(found, key=_order)}


def _order(name: str) -> tuple[str, int]:
    """Return what puts recordings in order: train_2 before train_10."""
    letters = name.rstrip("0123456789")
    return letters, int(name[len(letters) :])


def _read_gold(path: Path, findings: Findings) -> Trace:
    """Return the gold standard in one file of ARFF.

    Raises:
        DatabaseError: it cannot be read, or is malformed and not skipped.
    """
    names: list[str] = []
    times: list[int] = []
    values: list[list[float]] = []
    places: tuple[int, int] | None = None
    for line, text in lines(path, findings):
        if not text or text.startswith("%"):
            continue
        if places is None:
            if text.lower().startswith("@attribute"):
                names.append([*text.split(), ""][1].strip("'\"").lower())
            elif text.lower().startswith("@data"):
                if not {"frametime", "goldstandard"} <= set(names):
                    break
                places = names.index("frametime"), names.index("goldstandard")
            continue
        with findings.row(path, line):
            cells = fields(text)
            if len(cells) != len(names):
                raise ValueError(f"{len(cells)} fields, expected {len(names)}: {', '.join(names)}")
            time, row = read_row([cells[place] for place in places], ["gold standard"], times)
            times.append(time)
            values.append(row)
    if places is None:
        findings.fault(f"{path}: no @data after attributes frameTime and GoldStandard")
    return Trace(np.array(times, np.int64), np.array(values, np.float64).reshape(-1, 1))


DATABASE = Database(
    title="RECOLA",
    tasks=(VALENCE_AROUSAL,),
    read=read,
    protocols=(
        Protocol(
            name="AVEC development part",
            task=VALENCE_AROUSAL,
            metric="CCC",
            aggregation="all time stamps of the part, concatenated, of each dimension",
            folds=(VALIDATION_AS_TEST,),
            note="nine recordings train, nine are tested: the test part's labels are with the organisers. "
            "Raters react late; many papers shift the labels by 2 to 4 s, which must then be said",
        ),
        Protocol(
            name="AVEC test part",
            task=VALENCE_AROUSAL,
            metric="CCC",
            aggregation="all time stamps of the part, concatenated, of each dimension",
            folds=(OFFICIAL,),
            note="nine recordings each for training, development and test",
        ),
        Protocol(
            name="five subject folds",
            task=VALENCE_AROUSAL,
            metric="CCC",
            aggregation="all time stamps of a fold's test subjects, concatenated; mean over folds",
            by="subject",
            folds=(),
            made=5,
            note="for the original database, which names no parts",
        ),
    ),
    licence="Research only, by an end user licence agreement.",
    obtain="Ask at diuf.unifr.ch/main/diva/recola; the AVEC package is given with the challenge's agreement.",
    citation="F. Ringeval, A. Sonderegger, J. Sauer, D. Lalanne: Introducing the RECOLA multimodal corpus "
    "of remote collaborative and affective interactions. FG workshops 2013.",
)
