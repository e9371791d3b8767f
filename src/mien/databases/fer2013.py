"""FER2013 (Goodfellow et al. 2013) and FERPlus (Barsoum et al. 2016): one set of pictures, two labellings.

Three forms are read, whichever lies in the folder, the first of these where there are several:

    fer2013.csv                       a row of 48 x 48 pixels each, with its part of the contest; the
    fer2013new.csv                    variant icml_face_data.csv too. Beside it, where FERPlus is wanted,
                                      the votes: row k belongs to row k; without image name, no votes
    FER2013Train/label.csv            FERPlus's prepared pictures, with their votes and no contest label;
    FER2013Train/fer0000000.png       FER2013Valid and FER2013Test likewise
    train/angry/<any name>.png        the contest's labels as folders; test/ merges its PublicTest and
    test/angry/<any name>.png         PrivateTest, so accuracy on it is not the contest's

FERPlus's own code turns votes into labels in three ways: `majority`, `probability`, `multi_target`. It
always scores by majority. As published it compares the place of the top class with 8 - 2 and not 10 - 2,
and so leaves out all pictures of fear and contempt too; here only "unknown" and "not a face" are left out,
as its remarks say.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from re import fullmatch

import numpy as np

from mien.arrays import BoolArray, FloatArray, Image, IntArray
from mien.databases.catalog import Count, Database, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import PICTURES, files, find_folders, relative, subfolders
from mien.databases.published import FER2013
from mien.databases.text import fields, lines, table, whole
from mien.errors import DatabaseError
from mien.records import Labels, one_hot
from mien.tasks import EXPRESSION_7, EXPRESSION_8_CONTEMPT

SPLITS = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
"""The contest's names of the three parts and ours."""

FER2013_CLASSES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
"""What the contest's numbers 0 to 6 mean."""

CLASS_FOLDERS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""How folders name the same classes."""

OTHERWISE = {"disgusted": "disgust", "fearful": "fear", "surprised": "surprise"}
"""How some copies name three of the folders."""

FERPLUS_VOTES = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
    *("unknown", "NF"),
)
"""The columns of votes in fer2013new.csv; NF is "not a face"."""

FERPLUS_FOLDERS = {"fer2013train": "train", "fer2013valid": "validation", "fer2013test": "test"}
"""FERPlus's prepared folders, in small letters, and the parts they hold."""

TABLE, WITH_VOTES = "fer2013.csv", "fer2013.csv with FERPlus"
PREPARED = "FERPlus's prepared folders"
FOLDERS = "class folders, whose test part merges PublicTest and PrivateTest"
"""What the releases are called."""


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per picture, with the labellings that lie there; FERPlus's ten votes are columns.

    Of a table, `media` is the table and `frame` the row's number in it, counted from 0; `video` is
    named after that number too, and not after FERPlus's image names, which count otherwise.

    Raises:
        DatabaseError: none of the forms is there, or a row breaks the format and is not skipped.
    """
    if folder.is_dir():
        for place, name in product((folder, *subfolders(folder)), ("fer2013.csv", "icml_face_data.csv")):
            if (place / name).is_file():
                return _read_table(folder, place / name, findings)
        prepared = find_folders(folder, r"FER2013(Train|Valid|Test)")
        if prepared:
            return _read_prepared(folder, prepared, findings)
        parts = [place for place in find_folders(folder, "train|test") if _classes(place)]
        if parts:
            return _read_folders(folder, parts, findings)
    raise DatabaseError(
        f"{folder}: no fer2013.csv, no FER2013Train/label.csv and no train/angry/ there; "
        "give the folder that holds one of them"
    )


def _read_table(folder: Path, path: Path, findings: Findings) -> Index:
    """Return the rows of fer2013.csv."""
    emotions, usages, places = [], [], []
    for line, row in table(path, findings, ("emotion", "pixels", "Usage")):
        with findings.row(path, line):
            emotion = whole(row["emotion"], "emotion", 0, len(FER2013_CLASSES) - 1)
            if row["Usage"] not in SPLITS:
                raise ValueError(f"Usage is {row['Usage'][:40]!r}, expected one of {', '.join(SPLITS)}")
            _pixels(row["pixels"])
            emotions.append(emotion)
            usages.append(row["Usage"])
            places.append(line - 2)
    values = {EXPRESSION_7: one_hot(EXPRESSION_7, FER2013_CLASSES, emotions)}
    columns: dict[str, IntArray] = {}
    findings.release = TABLE
    beside = [place / "fer2013new.csv" for place in (path.parent, folder)]
    if any(votes.exists() for votes in beside):
        votes = _votes_of(next(votes for votes in beside if votes.exists()), findings, places, usages)
        values[EXPRESSION_8_CONTEMPT] = distribution(votes)
        columns = {f"votes_{name}": votes[:, i] for i, name in enumerate(FERPLUS_VOTES)}
        findings.release = WITH_VOTES
    return Index.of(
        "fer2013",
        Labels.of(values),
        split=[SPLITS[usage] for usage in usages],
        video=[f"fer{place:07d}" for place in places],
        media=relative(path, folder),
        frame=places,
        columns=columns,
        cropped=True,
    )


def _read_prepared(folder: Path, parts: Sequence[Path], findings: Findings) -> Index:
    """Return the rows of FERPlus's prepared folders."""
    splits, names, media, votes = [], [], [], []
    repeated = 0
    for part in parts:
        pictures = files(part, PICTURES)
        listed: dict[str, list[int]] = {}
        for line, text in lines(part / "label.csv", findings):
            with findings.row(part / "label.csv", line):
                name, counted = _labelled(text)
                if listed.setdefault(name.lower(), counted) is not counted:
                    if listed[name.lower()] != counted:
                        raise ValueError(f"{name[:60]} is there a second time, with other votes")
                    repeated += 1
                    continue
                picture = pictures.get(name.lower())
                if picture is None:
                    findings.unmatch("label without a picture", f"{part.name}/{name}")
                splits.append(FERPLUS_FOLDERS[part.name.lower()])
                names.append(name.rpartition(".")[0] or name)
                media.append(relative(picture, folder) if picture else "")
                votes.append(counted)
        for name in sorted(pictures.keys() - listed.keys()):
            findings.unmatch("picture without a label", f"{part.name}/{name}")
    counts = np.array(votes, np.int64).reshape(-1, len(FERPLUS_VOTES))
    if repeated:
        findings.note(f"{repeated} rows repeat a picture with the same votes and are left out")
    findings.release = PREPARED
    return Index.of(
        "fer2013",
        Labels.of({EXPRESSION_8_CONTEMPT: distribution(counts)}),
        split=splits,
        video=names,
        media=media,
        columns={f"votes_{name}": counts[:, i] for i, name in enumerate(FERPLUS_VOTES)},
        cropped=True,
    )


def _labelled(text: str) -> tuple[str, list[int]]:
    """Return the picture's name and the votes of a row of label.csv: name, box or none, ten votes."""
    name, *rest = fields(text)
    if len(rest) == len(FERPLUS_VOTES) + 1 and fullmatch(r"\([0-9]+(, ?[0-9]+){3}\)", rest[0]):
        rest = rest[1:]
    if len(rest) != len(FERPLUS_VOTES) or not name:
        raise ValueError(f'{text[:60]!r}, expected a name, a box such as "(0, 0, 48, 48)" and ten votes')
    return name, [whole(vote, f"votes for {of}", 0, 10) for vote, of in zip(rest, FERPLUS_VOTES, strict=True)]


def _classes(part: Path) -> dict[str, Path]:
    """Return a part's folders of classes, by their name in CLASS_FOLDERS."""
    named = {OTHERWISE.get(inner.name.lower(), inner.name.lower()): inner for inner in subfolders(part)}
    return {name: inner for name, inner in named.items() if name in CLASS_FOLDERS}


def _read_folders(folder: Path, parts: Sequence[Path], findings: Findings) -> Index:
    """Return the pictures of train/<class> and test/<class>."""
    splits, numbers, media = [], [], []
    for part in parts:
        classes = _classes(part)
        for other in subfolders(part):
            if other not in classes.values():
                findings.unmatch("folder that is no class", relative(other, folder))
        for name, place in classes.items():
            found = [relative(picture, folder) for picture in files(place, PICTURES).values()]
            media += found
            splits += [part.name.lower()] * len(found)
            numbers += [CLASS_FOLDERS.index(name)] * len(found)
    findings.release = FOLDERS
    findings.note("test merges PublicTest and PrivateTest: accuracy on it is not the contest's")
    return Index.of(
        "fer2013",
        Labels.of({EXPRESSION_7: one_hot(EXPRESSION_7, FER2013_CLASSES, numbers)}),
        split=splits,
        video=[name.rpartition(".")[0] for name in media],
        media=media,
        cropped=True,
    )


def pictures(folder: Path, media: str, frames: IntArray) -> Iterator[tuple[int, Image]]:
    """Yield (frame, its picture in grey, (48, 48)) for the wanted frames of a table, which rise."""
    wanted = set(frames.tolist())
    rows = lines(folder / media, Findings(skip=True))
    column = fields(next(rows)[1]).index("pixels")
    for line, text in rows:
        if line - 2 in wanted:
            yield line - 2, _pixels(fields(text)[column])
        elif line - 2 > frames[-1]:
            return


def _pixels(text: str) -> Image:
    """Return a row's picture."""
    numbers = text.isascii() and text.replace(" ", "").isdigit()
    pixels = np.fromstring(text, dtype=np.int64, sep=" ") if numbers else np.zeros(0)
    if pixels.size != 48 * 48 or pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(f"pixels are {text[:40]!r}..., expected {48 * 48} whole numbers from 0 to 255")
    return pixels.astype(np.uint8).reshape(48, 48)


def _votes_of(path: Path, findings: Findings, places: Sequence[int], usages: Sequence[str]) -> IntArray:
    """Return the votes of some rows of fer2013new.csv, (n, 10) in the order of FERPLUS_VOTES.

    A row without image name, or a skipped one, has -1 throughout: no label comes of it.

    Args:
        path: fer2013new.csv.
        findings: what is gathered.
        places: which rows, counted from 0.
        usages: the parts that fer2013.csv names in these rows; another name shows rows that are shifted.

    Raises:
        DatabaseError: a column or rows are missing, or a row is malformed and not skipped.
    """
    nothing = [-1] * len(FERPLUS_VOTES)
    votes: list[list[int]] = []
    parts = dict(zip(places, usages, strict=True))
    for line, row in table(path, findings, ("Usage", "Image name", *FERPLUS_VOTES)):
        votes.extend([nothing] * (line - 2 - len(votes)))
        with findings.row(path, line):
            part = parts.get(line - 2, row["Usage"])
            if row["Usage"] != part:
                raise ValueError(
                    f"Usage is {row['Usage'][:40]!r}, but {part!r} in the same row of fer2013.csv"
                )
            counted = [whole(row[name], f"votes for {name}", 0, 10) for name in FERPLUS_VOTES]
            votes.append(counted if row["Image name"] else nothing)
    if len(votes) <= max(places, default=-1):
        raise DatabaseError(f"{path}: {len(votes)} rows, expected as many as in fer2013.csv")
    return np.array(votes, np.int64).reshape(-1, len(FERPLUS_VOTES))[list(places)]


def _kept(votes: IntArray) -> IntArray:
    """Return the votes that count: a class with a single vote has none."""
    return np.where(votes > 1, votes, 0)


def _ours(columns: FloatArray | IntArray | BoolArray) -> FloatArray:
    """Return the eight classes' columns in the order of EXPRESSION_8_CONTEMPT; the last two are cut."""
    order = [FERPLUS_VOTES.index(name) for name in EXPRESSION_8_CONTEMPT.labels]
    return columns[:, order].astype(np.float32)


def _shares(votes: IntArray, usable: BoolArray) -> FloatArray:
    """Return votes (n, 10) as shares of the eight classes, (n, 8); NaN rows are not usable."""
    shares = _ours(votes)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    return np.where(usable[:, None], shares, np.float32(np.nan))


def distribution(votes: IntArray) -> FloatArray:
    """Return the votes as distributions over EXPRESSION_8_CONTEMPT, (n, 8); NaN rows are not usable.

    As in the labels' own code, a class with a single vote counts as none, and a picture that most
    voted unknown or not a face is not usable; the rest is normalised over the eight classes. Nothing
    else is dropped, so that training keeps every doubt.
    """
    kept = _kept(votes)
    usable = (kept.argmax(axis=1) < len(EXPRESSION_8_CONTEMPT)) & (kept[:, :8].sum(axis=1) > 0)
    return _shares(kept, usable)


def majority(votes: IntArray) -> IntArray:
    """Return FERPlus's majority label of each row as an index of EXPRESSION_8_CONTEMPT, or -1.

    Single votes count as none; a class is kept when it has more than half of what remains,
    unknown and not-a-face included; otherwise, or where one of these two wins, the row is dropped.
    """
    kept = _kept(votes)
    best = kept.argmax(axis=1)
    clear = 2 * kept.max(axis=1) > kept.sum(axis=1)
    ours = np.array([EXPRESSION_8_CONTEMPT.index(name) for name in FERPLUS_VOTES[:8]] + [-1, -1])
    return np.where(clear, ours[best], -1)


def probability(votes: IntArray) -> FloatArray:
    """Return FERPlus's probability labels over EXPRESSION_8_CONTEMPT, (n, 8); NaN rows are dropped.

    Single votes count as none. The classes with most votes are taken, equal ones together, until they
    have three quarters of the votes or three are taken; unknown and not-a-face end this where their
    turn comes. A row is dropped where one of these two comes first, where no more than half of the
    votes are taken, or where equal ones made it more than three classes.
    """
    kept = _kept(votes)
    total, left, taken = kept.sum(axis=1), kept.copy(), np.zeros_like(kept)
    going = np.ones(len(kept), bool)
    for _ in range(3):
        going &= (4 * taken.sum(axis=1) < 3 * total) & ((taken > 0).sum(axis=1) < 3)
        next_ones = going[:, None] & (left == left.max(axis=1, keepdims=True)) & (left > 0)
        left[next_ones] = 0
        no_class = next_ones[:, 8:].any(axis=1)
        next_ones[:, 8:] = False
        taken = np.where(next_ones, kept, taken)
        going &= ~no_class
    usable = (2 * taken.sum(axis=1) > total) & ((taken > 0).sum(axis=1) <= 3)
    return _shares(taken, usable)


def multi_target(votes: IntArray) -> BoolArray:
    """Return which classes of EXPRESSION_8_CONTEMPT FERPlus's multi-target labels hold, (n, 8).

    Single votes count as none; each class with at least 30 % of the rest is as right as the others. A
    row holds none and is dropped where such classes (unknown and not-a-face among them) have no more
    than half of the votes, or where one of these two has most.
    """
    kept = _kept(votes)
    total = kept.sum(axis=1)
    taken = np.where((10 * kept >= 3 * total[:, None]), kept, 0)
    usable = (2 * taken.sum(axis=1) > total) & (taken.argmax(axis=1) < len(EXPRESSION_8_CONTEMPT))
    right: BoolArray = (_ours(taken) > 0) & usable[:, None]
    return right


def _counted(index: Index) -> IntArray:
    """Return the votes of rows, (n, 10); -1 throughout where there are none."""
    if "votes_neutral" not in index.columns:
        return np.full((len(index), len(FERPLUS_VOTES)), -1)
    return np.stack([index.columns[f"votes_{name}"] for name in FERPLUS_VOTES], axis=1)


def by_majority(index: Index) -> BoolArray:
    """Return which class of EXPRESSION_8_CONTEMPT is right by FERPlus's majority label, (n, 8)."""
    return np.asarray(majority(_counted(index))[:, None] == np.arange(len(EXPRESSION_8_CONTEMPT)))


def by_probability(index: Index) -> BoolArray:
    """Return which classes are greatest in FERPlus's probability label, (n, 8); several where equal."""
    shares = probability(_counted(index))
    return np.asarray(shares == shares.max(axis=1, keepdims=True))


def by_multi_target(index: Index) -> BoolArray:
    """Return which classes FERPlus's multi-target label holds, (n, 8)."""
    return multi_target(_counted(index))


DATABASE = Database(
    title="FER2013 and FERPlus",
    tasks=(EXPRESSION_7, EXPRESSION_8_CONTEMPT),
    read=read,
    pictures=pictures,
    protocols=(
        Protocol(
            name="FER2013",
            task=EXPRESSION_7,
            metric="accuracy",
            also=("mean recall",),
            aggregation="all pictures of PrivateTest",
            fresh=True,
            note="of class folders it is not the contest's figure, for their test part holds PublicTest too",
        ),
        Protocol(
            name="FERPlus majority",
            task=EXPRESSION_8_CONTEMPT,
            metric="accuracy",
            also=("mean recall",),
            aggregation="pictures of the test part with a majority label",
            truth=by_majority,
            fresh=True,
            note="how many pictures have a label depends on the mode",
        ),
        Protocol(
            name="FERPlus probability",
            task=EXPRESSION_8_CONTEMPT,
            metric="accuracy",
            aggregation="pictures of the test part with a probability label; its greatest class is right, "
            "or any of several equal ones",
            truth=by_probability,
            fresh=True,
            note="the labels' own code trains in this mode, and in one named crossentropy with the same "
            "labels, and scores by majority",
        ),
        Protocol(
            name="FERPlus multi-target",
            task=EXPRESSION_8_CONTEMPT,
            metric="accuracy",
            aggregation="pictures of the test part with a multi-target label; each of its classes is right",
            truth=by_multi_target,
            fresh=True,
            note="the labels' own code trains in this mode and scores by majority",
        ),
    ),
    published=FER2013,
    counts=(
        *(Count(28_709, split="train", release=release) for release in (TABLE, WITH_VOTES, FOLDERS)),
        *(Count(3_589, split="validation", release=release) for release in (TABLE, WITH_VOTES)),
        *(Count(3_589, split="test", release=release) for release in (TABLE, WITH_VOTES)),
        Count(7_178, split="test", release=FOLDERS),
    ),
    licence="FERPlus labels: MIT. FER2013 pictures: gathered by web search, no clear licence.",
    obtain="FER2013: the 2013 Kaggle contest's page. FERPlus: github.com/microsoft/FERPlus.",
    citation="Goodfellow et al., ICONIP 2013; Barsoum et al., ICMI 2016 (FERPlus)",
)
