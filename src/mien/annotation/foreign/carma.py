"""CARMA's csv: one rating over time, with the range it was given on.

    "media_open","2026/01/05 10:00:00:123"
    "Multimedia File","talk.mp4"
    "Lower Label","negative"
    "Minimum Value",-100
    "Maximum Value",100
    "Second","Rating"
    "%%%%%%","%%%%%%"
    0.5,12.25

The range becomes [-1, 1]. An empty rating is unknown. What was rated and who rated it, the file does not say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mien.annotation.foreign.source import Collected, Settings, csv_rows, number, scaled, trace
from mien.annotation.records import Annotations
from mien.errors import InputError

RULE = "%%%%%%"
"""What stands between the head and the ratings."""


@dataclass(frozen=True)
class Sheet:
    """A csv of CARMA or DARMA.

    Attributes:
        path: the file.
        head: key -> (line, cells after it).
        columns: names of the columns of ratings, "Second" first.
        rows: (line, cells) of each rating.
    """

    path: Path
    head: Mapping[str, tuple[int, list[str]]]
    columns: list[str]
    rows: list[tuple[int, list[str]]]

    def text(self, key: str) -> str:
        """Return the cell after a key.

        Raises:
            InputError: there is none.
        """
        if key not in self.head or not any(self.head[key][1]):
            raise InputError(f"{self.path}: no {key!r} in its head")
        return self.head[key][1][0]

    def number(self, key: str) -> float:
        """Return the number after a key.

        Raises:
            InputError: there is none.
        """
        return number(self.text(key), key, f"{self.path}, line {self.head[key][0]}")


def read_sheet(path: Path, encoding: str) -> Sheet:
    """Return the head and the rows of ratings of a file.

    Raises:
        InputError: it cannot be read, has no rule, or a row has another number of cells.
    """
    head: dict[str, tuple[int, list[str]]] = {}
    rows: list[tuple[int, list[str]]] = []
    columns: list[str] = []
    ruled = False
    for line, cells in csv_rows(path, encoding):
        if ruled:
            rows.append((line, _fitted(cells, len(columns), f"{path}, line {line}")))
        elif cells[0] == RULE:
            ruled = True
        else:
            head[cells[0]] = line, cells[1:]
            columns = cells
    while columns and not columns[-1]:
        columns.pop()
    if not ruled:
        raise InputError(f"{path}: no row of {RULE}, after which ratings stand; is the file cut short?")
    if len(columns) < 2 or columns[0] != "Second":
        raise InputError(
            f"{path}: the row before {RULE} is {','.join(columns)[:60]!r}, expected one from 'Second' on"
        )
    return Sheet(path, head, columns, rows)


def _fitted(cells: list[str], width: int, where: str) -> list[str]:
    """Return a row's cells, as many as there are columns; empty ones may be too many or too few."""
    if any(cells[width:]):
        raise InputError(f"{where}: {len(cells)} cells, expected {width}")
    return (cells + [""] * width)[:width]


def read(path: Path, settings: Settings) -> Collected:
    """Return the trace of a file.

    Raises:
        InputError: it breaks the format, or nobody says what was rated or by whom.
    """
    sheet = read_sheet(path, settings.encoding)
    if len(sheet.columns) != 2:
        raise InputError(f"{path}: columns {', '.join(sheet.columns)}, expected Second and Rating")
    low, high = sheet.number("Minimum Value"), sheet.number("Maximum Value")
    if low >= high:
        raise InputError(f"{path}: its values go from {low:g} to {high:g}")
    ends = [sheet.head[key][1][0] for key in ("Lower Label", "Upper Label") if key in sheet.head]
    label = settings.traced("", path, f" (from {' to '.join(map(repr, ends))})" if len(ends) == 2 else "")
    points = []
    for line, cells in sheet.rows:
        where = f"{path}, line {line}"
        points.append(
            (line, number(cells[0], "Second", where, 0), scaled(cells[1], "Rating", where, low, high))
        )
    video = settings.video_of(sheet.text("Multimedia File"), path)
    key = video, settings.annotator_of("", path), label
    averaged = next(iter(sheet.head), "") == "Time of Rating"
    notes = (f"{path.name}: a mean that CARMA made of several annotators, not one annotator",) * averaged
    return Collected(Annotations((trace(path, key, points),) * bool(label)), notes=notes)
