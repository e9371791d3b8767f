"""PAGAN's csv: a row for each change of each participant's trace.

    OriginalName,DatabaseName,Participant,SessionID,Timestamp,VideoTime,Value
    talk.mp4,proj9_4,p901,s01,1767600000410,530,1

No range is stated: RankTrace has none, BTrace is 0 or 1; the user says which values become -1 and 1. Nor is
the unit of VideoTime: it is that in which it runs as fast as Timestamp, which counts milliseconds. Where
VideoTime goes back, what was traced from there on is overwritten, and a "seek" is marked.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from mien.annotation.foreign.source import Collected, Settings, csv_rows, number, scaled, trace
from mien.annotation.records import Annotations
from mien.errors import InputError

COLUMNS = ("OriginalName", "DatabaseName", "Participant", "SessionID", "Timestamp", "VideoTime", "Value")
"""The first line."""

Row = tuple[int, float, float, float]
"""Line, Timestamp in milliseconds, VideoTime, value in [-1, 1]."""


def read(path: Path, settings: Settings) -> Collected:
    """Return a trace for each participant and video.

    Raises:
        InputError: it breaks the format, the range or the label is not said, or a participant has two
            sessions over one video.
    """
    if settings.low is None or settings.high is None:
        raise InputError(f"{path}: PAGAN does not state the range of values; say --range LOW HIGH")
    label = settings.traced("", path)
    rows: dict[tuple[str, str, str], list[Row]] = {}
    for line, cells in csv_rows(path, settings.encoding):
        where = f"{path}, line {line}"
        if line == 1:
            if tuple(cells) != COLUMNS:
                raise InputError(f"{where}: {','.join(cells)[:80]!r}, expected {','.join(COLUMNS)}")
            continue
        if len(cells) != len(COLUMNS):
            raise InputError(
                f"{where}: {len(cells)} cells, expected {len(COLUMNS)}; PAGAN does not quote, so a comma in "
                "a name must be taken out"
            )
        named = dict(zip(COLUMNS, cells, strict=True))
        key = named["OriginalName"], named["Participant"], named["SessionID"]
        stamp, moment = (number(named[name], name, where, 0) for name in ("Timestamp", "VideoTime"))
        value = scaled(named["Value"], "Value", where, settings.low, settings.high)
        rows.setdefault(key, []).append((line, stamp, moment, value))
    if not rows:
        raise InputError(f"{path}: no rating in it")
    sessions = Counter(key[:2] for key in rows)
    for (video, who), count in sessions.items():
        if count > 1:
            raise InputError(f"{path}: participant {who} has {count} sessions over {video}; leave one")
    unit = _unit(path, list(rows.values()))
    traces = []
    for (video, who, _), told in rows.items():
        place = settings.video_of(video, path), settings.annotator_of(who, path), label
        points, marks = _overwritten(told, unit)
        traces.append(trace(path, place, points, marks))
    return Collected(Annotations(tuple(traces) if label else ()))


def _unit(path: Path, sessions: Sequence[list[Row]]) -> float:
    """Return how many seconds one of VideoTime is: that in which it runs as fast as Timestamp.

    Raises:
        InputError: the two clocks are neither the same nor a thousand apart.
    """
    rates = [
        (after[2] - before[2]) / (after[1] - before[1])
        for rows in sessions
        for before, after in pairwise(rows)
        if after[1] > before[1] and after[2] > before[2]
    ]
    rate = float(np.median(rates)) if rates else float("nan")
    for seconds in (0.001, 1.0):
        if 0.2 < rate * 1000 * seconds < 5:
            return seconds
    raise InputError(
        f"{path}: VideoTime runs {rate:g} as fast as Timestamp (milliseconds), expected 1 (it is in "
        "milliseconds) or 0.001 (seconds)"
    )


def _overwritten(rows: list[Row], unit: float) -> tuple[list[tuple[int, float, float]], dict[str, int]]:
    """Return a session's points with rising times, and its marks."""
    points: list[tuple[int, float, float]] = []
    seeks = 0
    for line, _, moment, value in sorted(rows, key=lambda row: row[1]):
        second = moment * unit
        seeks += bool(points) and second < points[-1][1]
        while points and points[-1][1] >= second:
            points.pop()
        points.append((line, second, value))
    return points, {"seek": seeks} if seeks else {}
