"""RAF-DB (Li, Deng, Du 2017): faces from the web, each judged by about forty people; the basic set.

    basic/EmoLabel/list_patition_label.txt              "train_00001.jpg 5", the file's name spelled so
    basic/Image/aligned/train_00001_aligned.jpg         100 x 100, read where there are any
    basic/Image/original/train_00001.jpg                read otherwise
    basic/Annotation/manual/train_00001_manu_attri.txt  five landmarks, then gender, race and age group

The attributes are optional: a picture without them, or with "unsure" gender, keeps its row. The compound
set (compound/, two expressions at once) has other classes under the same numbers and is not read: beside
basic/ it is left out and told, alone it is refused.
"""

from pathlib import Path
from re import fullmatch

from mien.databases.catalog import Count, Database, Fold, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import PICTURES, files, find_folders, relative
from mien.databases.names import Names
from mien.databases.text import lines, whole
from mien.errors import DatabaseError
from mien.records import Labels, one_hot
from mien.tasks import EXPRESSION_7

CLASSES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
"""What the numbers 1 to 7 mean."""

ATTRIBUTES = {
    "gender": ("male", "female", "unsure"),
    "race": ("Caucasian", "African-American", "Asian"),
    "age": ("0-3", "4-19", "20-39", "40-69", "70+"),
}
"""What the numbers from 0 in lines 6, 7 and 8 of a file of attributes mean; ages are in years."""

LISTS = ("list_patition_label.txt", "list_partition_label.txt")

ALIGNED, ORIGINAL = "basic set, aligned pictures", "basic set, original pictures"
"""What the releases are called."""


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per labelled picture of the basic set, with gender, race and age as groups.

    Raises:
        DatabaseError: the basic set is not there, or a row breaks the format and is not skipped.
    """
    basic, labels = _basic(folder)
    if find_folders(basic.parent, "compound"):
        findings.note("compound/ is not read: its numbers mean other classes")
    numbers: dict[str, int] = {}
    for line, text in lines(labels, findings):
        with findings.row(labels, line):
            name, number = _labelled(text)
            if name in numbers:
                raise ValueError(f"{name} is there a second time")
            numbers[name] = number
    pictures = _pictures(basic, "aligned")
    findings.release = ALIGNED if pictures else ORIGINAL
    cropped = bool(pictures)
    pictures = pictures or _pictures(basic, "original")
    for name in sorted(numbers.keys() - pictures.keys()):
        findings.unmatch("label without a picture", name)
    for name in sorted(pictures.keys() - numbers.keys()):
        findings.unmatch("picture without a label", relative(pictures[name], folder))
    return Index.of(
        "raf_db",
        Labels.of({EXPRESSION_7: one_hot(EXPRESSION_7, CLASSES, [n - 1 for n in numbers.values()])}),
        split=[name.partition("_")[0] for name in numbers],
        video=list(numbers),
        media=[relative(pictures[name], folder) if name in pictures else "" for name in numbers],
        groups=_groups(basic, list(numbers), findings),
        cropped=cropped,
    )


def _basic(folder: Path) -> tuple[Path, Path]:
    """Return the folder of the basic set and its list of labels."""
    own = () if folder.name.lower() == "compound" else (folder,)
    for place in (*own, *find_folders(folder, "basic")):
        found = files(place / "EmoLabel", frozenset({".txt"}))
        for name in LISTS:
            if name in found:
                return place, found[name]
    if not own or find_folders(folder, "compound"):
        raise DatabaseError(
            f"{folder}: there is only RAF-DB's compound set, whose classes are others and which is not "
            "read; expected basic/EmoLabel/list_patition_label.txt"
        )
    raise DatabaseError(
        f"{folder}: no basic/EmoLabel/list_patition_label.txt; give the folder that holds basic/"
    )


def _labelled(text: str) -> tuple[str, int]:
    """Return the picture's name without ending, in small letters, and its class from 1 of a row."""
    name, *rest = text.split()
    stem = name.lower().rpartition(".")[0]
    if len(rest) != 1 or not fullmatch("(train|test)_[0-9]+", stem):
        raise ValueError(f"{text[:60]!r}, expected a picture and a class such as 'train_00001.jpg 5'")
    return stem, whole(rest[0], "class", 1, len(CLASSES))


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
    tasks=(EXPRESSION_7,),
    read=read,
    protocols=(
        Protocol(
            name="accuracy",
            task=EXPRESSION_7,
            metric="accuracy",
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
    ),
    counts=(Count(12_271, split="train"), Count(3_068, split="test")),
    licence="For research that is not commercial; the pictures are their owners'. By agreement only.",
    obtain="On request by its authors: whdeng.cn/RAF/model1.html.",
    citation="Li, Deng, Du, CVPR 2017; Li, Deng, IEEE TIP 28(1), 2019",
)
