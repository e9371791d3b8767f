"""RAF-DB (Li, Deng, Du 2017): faces from the web, each judged by about forty people.

    basic/EmoLabel/list_patition_label.txt              "train_00001.jpg 5", the file's name spelled so
    basic/Image/aligned/train_00001_aligned.jpg         100 x 100, read where there are any
    basic/Image/original/train_00001.jpg                read otherwise
    basic/Annotation/manual/train_00001_manu_attri.txt  five landmarks, then gender, race and age group

    compound/...                                        the same layout, eleven classes of two expressions

The attributes are optional: a picture without them, or with "unsure" gender, keeps its row. The numbers of
the compound set are in the order of public code that reads it, and of the authors' page of RAF-CE.
"""

from pathlib import Path
from re import fullmatch

from mien.databases.catalog import Count, Database, Fold, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import PICTURES, files, find_folders, relative
from mien.databases.names import Names
from mien.databases.published import RAF_DB
from mien.databases.text import lines, whole
from mien.errors import DatabaseError
from mien.records import Labels, one_hot
from mien.tasks import COMPOUND_11, EXPRESSION_7

CLASSES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""What the numbers 1 to 7 mean."""

ATTRIBUTES = {
    "gender": ("male", "female", "unsure"),
    "race": ("Caucasian", "African-American", "Asian"),
    "age": ("0-3", "4-19", "20-39", "40-69", "70+"),
}
"""What the numbers from 0 in lines 6, 7 and 8 of a file of attributes mean; ages are in years."""

LISTS = ("list_patition_label.txt", "list_partition_label.txt")

SETS = {"basic": (EXPRESSION_7, CLASSES), "compound": (COMPOUND_11, COMPOUND_11.labels)}
"""The folder of a set -> what its numbers from 1 mean."""


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per labelled picture, with gender, race and age as groups.

    A picture of the compound set is called "compound/train_00001": both sets count from 1.

    Raises:
        DatabaseError: neither set is there, or a row breaks the format and is not skipped.
    """
    sets = [(name, *found) for name in SETS if (found := _set(folder, name))]
    if not sets:
        raise DatabaseError(
            f"{folder}: no basic/EmoLabel/list_patition_label.txt; give the folder that holds basic/"
        )
    kind = "aligned" if all(_pictures(place, "aligned") for _, place, _ in sets) else "original"
    findings.release = f"{' and '.join(name for name, _, _ in sets)} set, {kind} pictures"
    return Index.joined([_read_set(folder, *each, kind, findings) for each in sets])


def _set(folder: Path, name: str) -> tuple[Path, Path] | None:
    """Return the folder of a set and its list of labels; None if it is not there."""
    other = next(other for other in SETS if other != name)
    own = () if folder.name.lower() == other or name == "compound" != folder.name.lower() else (folder,)
    outer = find_folders(folder, name)
    for place in (*own, *outer, *(inner for each in outer for inner in find_folders(each, name))):
        found = files(place / "EmoLabel", frozenset({".txt"}))
        for wanted in LISTS:
            if wanted in found:
                return place, found[wanted]
    return None


def _read_set(folder: Path, name: str, place: Path, labels: Path, kind: str, findings: Findings) -> Index:
    """Return the rows of one set."""
    task, classes = SETS[name]
    numbers: dict[str, int] = {}
    for line, text in lines(labels, findings):
        with findings.row(labels, line):
            stem, number = _labelled(text, len(classes))
            if stem in numbers:
                raise ValueError(f"{stem} is there a second time")
            numbers[stem] = number
    pictures = _pictures(place, kind)
    prefix = "compound/" if name == "compound" else ""
    for stem in sorted(numbers.keys() - pictures.keys()):
        findings.unmatch("label without a picture", f"{prefix}{stem}")
    for stem in sorted(pictures.keys() - numbers.keys()):
        findings.unmatch("picture without a label", relative(pictures[stem], folder))
    return Index.of(
        "raf_db",
        Labels.of({task: one_hot(task, classes, [n - 1 for n in numbers.values()])}),
        split=[stem.partition("_")[0] for stem in numbers],
        video=[f"{prefix}{stem}" for stem in numbers],
        media=[relative(pictures[stem], folder) if stem in pictures else "" for stem in numbers],
        groups=_groups(place, list(numbers), findings),
        cropped=kind == "aligned",
    )


def _labelled(text: str, classes: int) -> tuple[str, int]:
    """Return the picture's name without ending, in small letters, and its class from 1 of a row."""
    name, *rest = text.split()
    stem = name.lower().rpartition(".")[0]
    if len(rest) != 1 or not fullmatch("(train|test)_[0-9]+", stem):
        raise ValueError(f"{text[:60]!r}, expected a picture and a class such as 'train_00001.jpg 5'")
    return stem, whole(rest[0], "class", 1, classes)


def _pictures(basic: Path, kind: str) -> dict[str, Path]:
    """Return the aligned or the original pictures by their name in the list, without ending."""
    images = basic / "Image"
    for place in (images / kind, images / kind / kind):
        found = files(place, PICTURES)
        if found:
            suffix = "_aligned" if kind == "aligned" else ""
            return {name.rpartition(".")[0].removesuffix(suffix): path for name, path in found.items()}
    return {}


def _groups(basic: Path, names: list[str], findings: Findings) -> dict[str, Names]:
    """Return the manual attributes of pictures as words; "" where there is no file of them."""
    found = files(basic / "Annotation" / "manual", frozenset({".txt"}))
    rows = []
    for name in names:
        path = found.get(f"{name}_manu_attri.txt")
        rows.append(_attributes(path, findings) if path else [""] * len(ATTRIBUTES))
    return {group: Names.of(row[i] for row in rows) for i, group in enumerate(ATTRIBUTES)}


def _attributes(path: Path, findings: Findings) -> list[str]:
    """Return a file's words for gender, race and age; "" for one that is malformed and skipped."""
    texts = dict(lines(path, findings))
    told = []
    for line, (name, words) in enumerate(ATTRIBUTES.items(), 6):
        word = ""
        with findings.row(path, line):
            word = words[whole(texts.get(line, ""), name, 0, len(words) - 1)]
        told.append(word)
    return told


TRAIN_AND_TEST = Fold(("train",), (), ("test",))
"""There is no validation part."""

DATABASE = Database(
    title="RAF-DB",
    tasks=(EXPRESSION_7, COMPOUND_11),
    read=read,
    protocols=(
        Protocol(
            name="accuracy",
            task=EXPRESSION_7,
            metric="accuracy",
            also=("macro F1",),
            aggregation="all pictures of the test part",
            folds=(TRAIN_AND_TEST,),
        ),
        Protocol(
            name="mean diagonal",
            task=EXPRESSION_7,
            metric="mean recall",
            aggregation="recall of each class over the test part, mean of the seven",
            folds=(TRAIN_AND_TEST,),
            note="the authors' own figure, the mean of the confusion matrix's diagonal, because the "
            "classes are of unequal size; papers report one or the other",
        ),
        Protocol(
            name="compound",
            task=COMPOUND_11,
            metric="mean recall",
            aggregation="recall of each class over the test part, mean of the eleven",
            folds=(TRAIN_AND_TEST,),
        ),
    ),
    counts=(
        Count(12_271, split="train", task=EXPRESSION_7),
        Count(3_068, split="test", task=EXPRESSION_7),
    ),
    published=RAF_DB,
    licence="For research that is not commercial; the pictures are their owners'. By agreement only.",
    obtain="On request by its authors: whdeng.cn/RAF/model1.html.",
    citation="Li, Deng, Du, CVPR 2017; Li, Deng, IEEE TIP 28(1), 2019",
)
