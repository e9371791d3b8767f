"""EmotioNet (Benitez-Quiroz et al. 2016): pictures of faces from the web with action units.

    EmotioNet_FACS_aws_2020_24600.xlsx    coded by people, also saved as .csv: 'URL','URL orig','AU 1',...
    *.txt                                 coded by a program: url, url, AU 1 ... AU 60 with tabs between
    <anywhere>/N_9000000001_00001.jpg     the pictures, named as the last part of the url

Headers and urls may stand in single quotes. A cell is 0, 1 or 999 (unknown); an empty cell is unknown too.
Where a sheet lies there as .csv and as .xlsx the .csv is read. The 23 action units of the 2020 challenge
are kept. Many urls are dead: how many pictures are missing is one note. A url that comes again keeps its
first row, people's before the program's.

The files name no parts: what people coded has no split, what the program coded is "train", since it is
only ever trained on.
"""

import csv
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from mien.databases.catalog import Database, Fold, Protocol
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import PICTURES
from mien.databases.published import EMOTIONET
from mien.databases.text import fields, lines, whole
from mien.errors import DatabaseError
from mien.records import Labels
from mien.tasks import ACTION_UNITS_EMOTIONET

UNITS_2017 = (
    *("AU01", "AU02", "AU04", "AU05", "AU06", "AU09"),
    *("AU12", "AU17", "AU20", "AU25", "AU26"),
)
"""The eleven action units of the 2017 challenge."""

UNITS_2018 = (*UNITS_2017, "AU43")
"""The twelve of the 2018 challenge."""

CODES = {"0": 0, "1": 1, "999": 2, "": 2}
"""How a cell is written, and its place in MEANINGS."""

MEANINGS = np.array([0, 1, np.nan], np.float32)
"""What the codes mean."""

LISTED = 62
"""The columns of the program's lists: two urls and action units 1 to 60."""

ROWS = 1_048_576
"""A sheet has no more."""

Rows = Iterator[tuple[int, list[str]]]
"""Lines of a sheet: number from 1, and cells."""

_UNIT = re.compile(r"AU\s*0*([0-9]{1,3})", re.IGNORECASE)


def read(folder: Path, findings: Findings) -> Index:
    """Return one row per picture of all label files.

    Raises:
        DatabaseError: there is no label file, a workbook cannot be read (or openpyxl is not installed
            to read it), or a row breaks the format and is not skipped.
    """
    paths = _walk(folder)
    tables = [folder / path for path in paths if _ends(path, ".csv") and _is_table(folder / path)]
    books = [folder / path for path in paths if _ends(path, ".xlsx") and "~$" not in path]
    lists = [folder / path for path in paths if _ends(path, ".txt") and _is_list(folder / path)]
    sheets = [(path, _table(path, findings)) for path in tables]
    sheets = sheets or [(path, rows) for path in books for rows in _book(path)]
    codes: dict[str, bytes] = {}
    again = sum(_read_sheet(path, rows, codes, findings) for path, rows in sheets)
    people = len(codes)
    again += sum(_read_list(path, codes, findings) for path in lists)
    if not codes:
        raise DatabaseError(
            f"{folder}: no labels of EmotioNet, expected a sheet (.xlsx or .csv) with columns 'URL' and "
            "'AU 1', or lists (.txt) of two urls and 60 values with tabs between"
        )
    if tables and books:
        findings.note(f"{', '.join(path.name for path in books)}: not read, since there is a .csv")
    if again:
        findings.note(f"{again} rows name a picture that an earlier row names: left out")
    kinds = ["coded by people"] * (people > 0) + ["coded by a program"] * (people < len(codes))
    findings.release = " and ".join(kinds)
    values = MEANINGS[np.frombuffer(b"".join(codes.values()), np.uint8)]
    return Index.of(
        "emotionet",
        Labels.of({ACTION_UNITS_EMOTIONET: values.reshape(len(codes), -1)}),
        split=["" if place < people else "train" for place in range(len(codes))],
        video=list(codes),
        media=_media(paths, list(codes), findings),
    )


def _walk(folder: Path) -> list[str]:
    """Return every file below a folder, relative to it with "/", in order; hidden ones left out.

    Raises:
        DatabaseError: there is no such folder.
    """
    if not folder.is_dir():
        raise DatabaseError(f"{folder}: no such folder")
    found = []
    for place, inner, names in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        prefix = Path(place).relative_to(folder).as_posix() + "/"
        prefix = "" if prefix == "./" else prefix
        found += [prefix + name for name in sorted(names) if not name.startswith(".")]
    return found


def _ends(path: str, *suffixes: str) -> bool:
    """Return whether a path ends in one of these, case aside."""
    return os.path.splitext(path)[1].lower() in suffixes


def _head(path: Path) -> list[str]:
    """Return about the first lines of a file.

    Raises:
        DatabaseError: it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read(1 << 16).decode("utf-8-sig", "replace").split("\n")
    except OSError as error:
        raise DatabaseError(f"{path}: {error.strerror}") from error


def _is_table(path: Path) -> bool:
    """Return whether a .csv file has the columns of the sheet."""
    first = _head(path)[0]
    try:
        return _columns(_split(first, _delimiter(first))) is not None
    except ValueError:
        return False


def _is_list(path: Path) -> bool:
    """Return whether a .txt file is one of the program's lists, by the tabs in its first lines."""
    return any("/" in line and line.count("\t") >= LISTED // 2 for line in _head(path))


def _delimiter(header: str) -> str:
    """Return what stands between the cells of a header."""
    return max(",;\t", key=header.count)


def _split(text: str, delimiter: str, width: int = 0) -> list[str]:
    """Return the cells of one line of CSV without quotes around them.

    Args:
        text: the line.
        delimiter: what stands between cells.
        width: how many cells are expected; a line with others is read once more with single quotes as
            quotes, since a url may hold a comma.

    Raises:
        ValueError: it is no line of CSV, or has not so many cells.
    """
    row = fields(text, delimiter)
    if width and len(row) != width and "'" in text:
        try:
            row = next(csv.reader([text], delimiter=delimiter, quotechar="'", skipinitialspace=True))
        except csv.Error as error:
            raise ValueError(f"not a row of CSV ({error})") from error
    if width and len(row) != width:
        raise ValueError(f"{len(row)} fields, expected {width} as in the header")
    return [cell.strip("' ") for cell in row]


def _columns(header: Sequence[str]) -> tuple[int, list[int], int] | None:
    """Return the url's column, those of the task's action units (-1 for none), and how many others there are.

    None where it is not the header of a sheet.
    """
    names = [name.upper() for name in header]
    matches = [_UNIT.fullmatch(name) for name in names]
    places = {f"AU{int(match[1]):02d}": place for place, match in enumerate(matches) if match}
    units = [places.get(label, -1) for label in ACTION_UNITS_EMOTIONET.labels]
    if "URL" not in names or max(units) < 0:
        return None
    return names.index("URL"), units, len(places) - sum(place >= 0 for place in units)


def _table(path: Path, findings: Findings) -> Rows:
    """Yield the rows of a .csv file, the header first."""
    delimiter, width = "", 0
    for line, text in lines(path, findings):
        delimiter = delimiter or _delimiter(text)
        row: list[str] = []
        with findings.row(path, line):
            row = _split(text, delimiter, width)
        if row:
            width = width or len(row)
            yield line, row


def _book(path: Path) -> list[Rows]:
    """Return the rows of each sheet of a workbook, empty ones left out.

    Raises:
        DatabaseError: it cannot be read, or openpyxl is not installed.
    """
    try:
        import openpyxl
    except ImportError as error:
        raise DatabaseError(
            f"{path}: workbooks are read with openpyxl, which is not installed; save the sheet as .csv "
            "beside it, or pip install openpyxl"
        ) from error
    try:
        with warnings.catch_warnings(), open(path, "rb") as file:
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            return [iter(list(_sheet(sheet))) for sheet in book.worksheets]
    except Exception as error:  # a damaged file lets zipfile, XML and openpyxl raise what they like
        raise DatabaseError(
            f"{path}: not a workbook that can be read ({type(error).__name__}: {str(error)[:200]}); "
            "one with a password must be saved without it"
        ) from error


def _sheet(sheet: Any) -> Rows:
    """Yield the rows of one sheet."""
    sheet.reset_dimensions()
    for line, row in enumerate(sheet.iter_rows(values_only=True), 1):
        if line > ROWS:
            raise ValueError(f"more than {ROWS} rows")
        cells = [
            "" if cell is None else f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in row
        ]
        if any(cells):
            yield line, [cell.strip("' ") for cell in cells]


def _read_sheet(path: Path, rows: Rows, codes: dict[str, bytes], findings: Findings) -> int:
    """Add what people coded to picture -> codes; return how many rows name a picture already there.

    A sheet without the columns is passed over.
    """
    _, header = next(rows, (1, []))
    columns = _columns(header)
    if columns is None:
        return 0
    url, units, others = columns
    missing = [name for name, place in zip(ACTION_UNITS_EMOTIONET.labels, units, strict=True) if place < 0]
    if missing:
        findings.note(f"{path.name}: no column of {', '.join(missing)}")
    if others:
        findings.note(f"{path.name}: {others} columns of action units are not among the 23 and left out")
    again = 0
    for line, row in rows:
        with findings.row(path, line):
            cells = [*row, *[""] * (len(header) - len(row))]
            name = _name(cells[url])
            code = bytes(_code(cells[place]) if place >= 0 else CODES[""] for place in units)
            again += name in codes
            codes.setdefault(name, code)
    return again


def _read_list(path: Path, codes: dict[str, bytes], findings: Findings) -> int:
    """Add what a program coded to picture -> codes; return how many rows name a picture already there."""
    units = itemgetter(*(1 + int(label[2:]) for label in ACTION_UNITS_EMOTIONET.labels))
    again = 0
    for line, text in lines(path, findings):
        with findings.row(path, line):
            row = text.split("\t")
            if len(row) != LISTED:
                raise ValueError(f"{len(row)} fields, expected {LISTED}: two urls and action units 1 to 60")
            name = _name(row[0])
            code = bytes(map(_code, units(row)))
            again += name in codes
            codes.setdefault(name, code)
    return again


def _name(url: str) -> str:
    """Return the picture's name: the last part of its url.

    Raises:
        ValueError: it has none.
    """
    name = url.strip("' ").rpartition("/")[2]
    if not name:
        raise ValueError(f"the url is {url[:80]!r}, expected one that ends in a picture's name")
    return name


def _code(text: str) -> int:
    """Return the place in MEANINGS of what one cell says.

    Raises:
        ValueError: it is not 0, 1, 999 or empty.
    """
    code = CODES.get(text)
    if code is None:
        code = CODES.get(str(whole(text.strip("' ") or "999", "an action unit", 0, 999)))
    if code is None:
        raise ValueError(f"an action unit is {text[:40]!r}, expected 0, 1 or 999")
    return code


def _media(paths: Iterable[str], names: Sequence[str], findings: Findings) -> list[str]:
    """Return where each named picture lies, "" where it does not; tell of pictures without a label."""
    pictures: dict[str, str] = {}
    for path in paths:
        if _ends(path, *PICTURES):
            pictures.setdefault(_key(path.rpartition("/")[2]), path)
    media = [pictures.get(_key(name)) or pictures.get(_key(unquote(name)), "") for name in names]
    lost = [name for name, path in zip(names, media, strict=True) if not path]
    if lost:
        findings.note(
            f"{len(lost)} of {len(names)} pictures are not there (many urls are dead), such as {lost[0]}"
        )
    labelled = set(media)
    for path in pictures.values():
        if path not in labelled:
            findings.unmatch("picture without a label", path)
    return media


def _key(name: str) -> str:
    """Return a picture's name with its suffix in lower case."""
    stem, suffix = os.path.splitext(name)
    return stem + suffix.lower()


MEANS = "accuracy and F1 of each action unit over its known pictures; mean over action units, then of the two"
HELD = (Fold(("train",), (), ("",)),)
NOTE = (
    "the test part was never released: what the program coded trains, what people coded, which carries no "
    "split, is tested. The organisers rank on accuracy and F1; their mean is the one figure that papers quote"
)

DATABASE = Database(
    title="EmotioNet",
    tasks=(ACTION_UNITS_EMOTIONET,),
    read=read,
    protocols=tuple(
        Protocol(
            name=f"{year}, {len(units)} AUs",
            task=ACTION_UNITS_EMOTIONET,
            labels=units,
            metric="mean of accuracy and F1",
            also=("accuracy", "binary F1"),
            aggregation=MEANS,
            folds=HELD,
            note=NOTE,
        )
        for year, units in ((2017, UNITS_2017), (2018, UNITS_2018), (2020, ACTION_UNITS_EMOTIONET.labels))
    ),
    published=EMOTIONET,
    licence="Research only, by agreement with the Ohio State University; pictures belong to their owners.",
    obtain="By request: cbcsl.ece.ohio-state.edu/EmotionNetChallenge",
    citation="Benitez-Quiroz, Srinivasan, Martinez: EmotioNet, CVPR 2016",
)
