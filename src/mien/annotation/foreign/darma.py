"""DARMA's csv: two ratings at once from a joystick.

    "Time of Rating","2026-01-05 10:00:00",,
    "Multimedia File","talk.mp4",61.2,
    "Magnitude",1000,,
    "Second","Affiliation","Dominance","Button"
    "%%%%%%","%%%%%%","%%%%%%","%%%%%%"
    0.5,12.1,-40,0

Axes go from -Magnitude to Magnitude, which becomes [-1, 1]. An empty cell, "NaN" in older files, is unknown.
How often the button was held is kept as a mark.
"""

from pathlib import Path

from mien.annotation.foreign.carma import read_sheet
from mien.annotation.foreign.source import Collected, Settings, number, scaled, trace
from mien.annotation.records import Annotations, Trace
from mien.errors import InputError

BUTTON = "Button"
"""The column that is no axis."""


def read(path: Path, settings: Settings) -> Collected:
    """Return a trace for each axis that is not left out.

    Raises:
        InputError: it breaks the format, an axis is none of mien's labels, or nobody says who rated.
    """
    sheet = read_sheet(path, settings.encoding)
    most = sheet.number("Magnitude")
    if most <= 0:
        raise InputError(f"{path}: its Magnitude is {most:g}, expected more than 0")
    axes = [place for place, name in enumerate(sheet.columns) if place and name != BUTTON]
    video = settings.video_of(sheet.text("Multimedia File"), path)
    annotator = settings.annotator_of("", path)
    held = _held(sheet.columns, sheet.rows)
    traces: list[Trace] = []
    for place in axes:
        name = sheet.columns[place]
        label = settings.label_of(name, f"{path}, line {sheet.head['Second'][0]}")
        points = []
        for line, cells in sheet.rows:
            where = f"{path}, line {line}"
            second = number(cells[0], "Second", where, 0)
            points.append((line, second, scaled(cells[place], name, where, -most, most)))
        if label:
            traces.append(trace(path, (video, annotator, label), points, {"button": held} if held else {}))
    twice = sorted({one.label for one in traces if [t.label for t in traces].count(one.label) > 1})
    if twice:
        raise InputError(f"{path}: two axes are both {twice[0]}")
    return Collected(Annotations(tuple(traces)))


def _held(columns: list[str], rows: list[tuple[int, list[str]]]) -> int:
    """Return in how many bins the button was held."""
    if BUTTON not in columns:
        return 0
    place = columns.index(BUTTON)
    return sum(cells[place] not in ("", "0", "NaN") for _, cells in rows)
