"""A made EmotioNet: the sheet that people coded, as .xlsx and as .csv, and a list that a program coded."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mien.tasks import ACTION_UNITS_EMOTIONET
from mien.testing.databases.made import Bad, Made, Row, write_face, write_lines

SCORED = (1, 2, 4, 5, 6, 9, 10, 12, 15, 17, 18, 20, 24, 25, 26, 28, 43, 51, 52, 53, 54, 55, 56)
"""The action units of the 2020 challenge."""

COLUMNS = (*SCORED[:6], 7, *SCORED[6:], 60)
"""The columns of the sheet; 7 and 60 are not scored."""

Coded = Mapping[str, Mapping[int, int]]
"""Picture's name in the url -> action unit -> 0, 1 or 999."""


def make_emotionet_csv(folder: Path, seed: int = 0) -> Made:
    """Write the sheet as .csv with quotes and spaces as in the real one, and most of its pictures.

    One picture's name is not ASCII and spelled in percents in the url, one url holds a comma, one row
    comes twice, one picture's url is dead, and one cell is empty.
    """
    rng = np.random.default_rng(seed)
    coded = _coded(rng, 10)
    path = folder / "labels/EmotioNet_FACS_aws_2020_24600.csv"
    header = ["'URL'", "'URL orig'", *(f" 'AU {unit}'" for unit in COLUMNS)]
    rows = [
        [
            f"'{_url(name)}'",
            f"'http://example.org/a,{place}.jpg'" if place == 4 else "'http://example.org/a.jpg'",
        ]
        + ["" if (place, unit) == (5, 60) else str(value) for unit, value in cells.items()]
        for place, (name, cells) in enumerate(coded.items())
    ]
    write_lines(path, [",".join(row) for row in (header, *rows, rows[0])])
    lost = _write_pictures(folder, coded, rng)
    bads = [
        Bad(path, 3, ",".join([*rows[1][:2], *["2"] * len(COLUMNS)]), _key(coded, 1)),
        Bad(path, 9, "'http://example.org/x.jpg',0,1", _key(coded, 7)),
    ]
    return Made(folder, _rows(coded, ""), bads, [path], lost=lost)


def make_emotionet_xlsx(folder: Path, seed: int = 0) -> Made:
    """Write the sheet as .xlsx, which needs openpyxl, with a second sheet of other things."""
    import openpyxl

    rng = np.random.default_rng(seed)
    coded = _coded(rng, 10)
    path = folder / "EmotioNet_FACS_aws_2020_24600.xlsx"
    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["'URL'", "'URL orig'", *(f"'AU {unit}'" for unit in COLUMNS)])
    for name, cells in coded.items():
        sheet.append([f"'{_url(name)}'", "'http://example.org/a.jpg'", *cells.values()])
    book.create_sheet("Notes").append(["999", "unknown"])
    book.save(path)
    return Made(folder, _rows(coded, ""), others=[path], lost=_write_pictures(folder, coded, rng))


def make_emotionet_automatic(folder: Path, seed: int = 0) -> Made:
    """Write a list that a program coded, with 60 action units and no header."""
    rng = np.random.default_rng(seed)
    coded = _coded(rng, 12)
    texts = [
        "\t".join(
            [_url(name), "http://example.org/a.jpg", *(str(cells.get(unit, 999)) for unit in range(1, 61))]
        )
        for name, cells in coded.items()
    ]
    path = write_lines(folder / "dataFile_0001.txt", texts)
    bads = [
        Bad(path, 1, texts[0].replace("\t999", "\t99", 1), _key(coded, 0, "train")),
        Bad(path, 6, "http://example.org/x.jpg\t0\t1", _key(coded, 5, "train")),
    ]
    return Made(folder, _rows(coded, "train"), bads, [path], lost=_write_pictures(folder, coded, rng))


def _coded(rng: np.random.Generator, pictures: int) -> dict[str, dict[int, int]]:
    """Return made codes; the third picture's name is not ASCII, the last one's url is dead."""
    names = [f"N_90000{place:05d}_{place * 7:05d}.jpg" for place in range(pictures)]
    names[2] = "N_9000000002_visage%20%C3%A9t%C3%A9.jpg"
    return {name: {unit: int(rng.choice([0, 0, 1, 999])) for unit in COLUMNS} for name in names}


def _url(name: str) -> str:
    """Return a picture's url."""
    return f"http://example.org/images/{name[:12]}/{name}"


def _write_pictures(
    folder: Path, coded: Coded, rng: np.random.Generator
) -> dict[Path, frozenset[tuple[str, str, str, int]]]:
    """Write all pictures but the last, in two folders, and return two that may be lost."""
    names = list(coded)[:-1]
    paths = [folder / f"images/{place % 2}" / name for place, name in enumerate(names)]
    paths[2] = paths[2].with_name("N_9000000002_visage été.jpg")
    for path in paths:
        write_face(path, rng, size=64)
    split = "train" if len(coded) == 12 else ""
    return {paths[place]: _key(coded, place, split) for place in (2, 3)}


def _key(coded: Coded, place: int, split: str = "") -> frozenset[tuple[str, str, str, int]]:
    """Return the key of one picture's row."""
    return frozenset({(split, list(coded)[place], "", 0)})


def _rows(coded: Coded, split: str) -> list[Row]:
    """Return the truth; the last picture is not there."""
    last = list(coded)[-1]
    return [
        Row(
            split,
            name,
            0,
            {ACTION_UNITS_EMOTIONET: {f"AU{u:02d}": float(cells[u]) for u in SCORED if cells[u] != 999}},
            picture=name != last,
        )
        for name, cells in coded.items()
    ]
