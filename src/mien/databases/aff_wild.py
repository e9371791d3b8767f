"""Aff-Wild (Zafeiriou et al. 2017): valence and arousal of every frame of reaction videos.

    annotations/train/valence/105.txt     a number a line, no header
    annotations/train/arousal/105.txt     as many lines
    videos/train/105.mp4 or .avi
    videos/test/...                       never labelled
    bboxes/ (bboxs/), landmarks/          not needed: faces are found anew

Line 1 is frame 0. Where the two files of a video differ in length, the longer is cut; lines beyond
the last decoded frame are rows whose picture cannot be read.
"""

from functools import partial
from pathlib import Path

import numpy as np

from mien.arrays import BoolArray, FloatArray
from mien.databases.aff_wild2_files import is_prose, part, tell_prose, walk
from mien.databases.aff_wild2_labels import read_numbers
from mien.databases.catalog import OFFICIAL, Database, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import files, find_folders, relative, subfolders
from mien.databases.names import Names
from mien.databases.text import number
from mien.errors import DatabaseError
from mien.records import Labels, by_name
from mien.tasks import VALENCE_AROUSAL

Traces = dict[str, FloatArray]
"""What is known of one video: "valence" or "arousal" -> (n, 1)."""


def read(folder: Path, findings: Findings) -> Index:
    """Return a row for each labelled frame.

    Raises:
        DatabaseError: no folders of labels were found, a file cannot be read, or a line is no number
            from -1 to 1 and is not skipped.
    """
    traces = _traces(folder, findings)
    videos = {name: relative(path, folder) for name, path in walk(folder).videos.items()}
    values, lengths, cut = [], [], []
    for (_, name), told in traces.items():
        if name not in videos:
            findings.unmatch("label without a picture", name)
        lengths.append(min(map(len, told.values())))
        if len({len(trace) for trace in told.values()}) > 1:
            cut.append(f"{name}: {' and '.join(str(len(trace)) for trace in told.values())} lines")
        joined = np.concatenate([trace[: lengths[-1]] for trace in told.values()], axis=1)
        values.append(by_name(VALENCE_AROUSAL, tuple(told), joined))
    if cut:
        findings.note(f"{len(cut)} videos have traces of different length; the longer is cut ({cut[0]}, ...)")
    spare = len(videos.keys() - {name for _, name in traces})
    if spare:
        findings.note(f"{spare} videos have no labels, as those of the test part")
    findings.release = "Aff-Wild 2017"
    names = [name for _, name in traces]
    media = _repeated([videos.get(name, "") for name in names], lengths)
    return Index.of(
        "aff_wild",
        Labels.of({VALENCE_AROUSAL: np.concatenate([np.zeros((0, 2), np.float32), *values])}),
        split=_repeated([split for split, _ in traces], lengths),
        video=_repeated(names, lengths),
        media=media,
        sound=media,
        frame=np.concatenate([np.zeros(0, np.int32), *(np.arange(n, dtype=np.int32) for n in lengths)]),
    )


def _traces(folder: Path, findings: Findings) -> dict[tuple[str, str], Traces]:
    """Return what is known of each (part, video), in order."""
    traces: dict[tuple[str, str], Traces] = {}
    texts: list[str] = []
    for place in find_folders(folder, "valence"):
        beside = {inner.name.lower(): inner for inner in subfolders(place.parent)}
        if "arousal" not in beside:
            continue
        split = part(place.parent.relative_to(folder).parts)
        for name in VALENCE_AROUSAL.labels:
            for path in files(beside[name], frozenset({".txt"})).values():
                if is_prose(path):
                    texts.append(relative(path, folder))
                    continue
                values = read_numbers(path, findings, 1, _sound, partial(_line, name=name))
                traces.setdefault((split, path.stem), {})[name] = values
    if not traces:
        raise DatabaseError(
            f"{folder}: no labels of Aff-Wild found, expected annotations/train/valence/<number>.txt and "
            "annotations/train/arousal/<number>.txt; unpack the annotations here"
        )
    tell_prose(texts, findings)
    for (_, video), told in traces.items():
        for name in set(VALENCE_AROUSAL.labels) - set(told):
            findings.unmatch(f"video without {name}", video)
    return dict(sorted(traces.items(), key=lambda item: (item[0][0] != "train", item[0])))


def _sound(values: FloatArray) -> BoolArray:
    """Return which lines hold a number in range, (n,)."""
    return np.asarray((np.abs(values) <= 1).all(axis=1), bool)


def _line(text: str, name: str) -> list[float]:
    """Return a line's number."""
    return [number(text, name, -1, 1)]


def _repeated(texts: list[str], lengths: list[int]) -> Names:
    """Return each text as many times as its length says."""
    short = Names.of(texts)
    return Names(np.repeat(short.codes, lengths), short.vocabulary)


DATABASE = Database(
    title="Aff-Wild",
    tasks=(VALENCE_AROUSAL,),
    read=read,
    protocols=(
        Protocol(
            name="VA",
            task=VALENCE_AROUSAL,
            metric="CCC",
            also=("MSE",),
            aggregation="all labelled frames of all videos as one; valence and arousal apart",
            folds=(OFFICIAL,),
            note="the labels of the test part were never released: nothing is scored but by the organisers",
        ),
    ),
    related={"aff_wild2": frozenset(str(number) for number in range(1, 1000))},
    licence="Research only, by a signed agreement with the authors; no redistribution.",
    obtain="From the page of the Aff-Wild challenge (ibug.doc.ic.ac.uk), by a signed agreement.",
    citation="Zafeiriou et al., CVPR workshops 2017; Kollias et al., IJCV 2019",
)
