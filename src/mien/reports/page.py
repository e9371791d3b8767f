"""One self-contained report: a page that opens without a network and never asks for one.

Everything is inside: style, script, values and pictures. A Content-Security-Policy allows the
page's own script and style by their hash and nothing else, so that no name of a file can run.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mien.analysis import Summary, Thumbnail
from mien.arrays import FloatArray
from mien.calibration import preceding
from mien.files import whole_file
from mien.reports.overlay import expression_colour, face_colour
from mien.reports.page_data import Counts, Picture, Series, TableView, view_pictures, view_video
from mien.tasks import Behaviour

SHOWN = 40
"""Faces that are open at first; a button opens the others."""

GALLERY = 400
"""Stills shown one by one; the shares count all of them."""

_BEHAVIOURS: Mapping[Behaviour, str] = {
    "expression": "expressions",
    "valence_arousal": "valence and arousal",
    "action_units": "action units",
}


def write_page(
    path: Path, table: Path, summary: Summary, media_name: str | None, media_start: float | None = None
) -> None:
    """Write the report of one medium as a single HTML file.

    Args:
        path: the file to write; one that exists is replaced.
        table: the Parquet table of predictions; it is read piece by piece.
        summary: what is to be known beside the table.
        media_name: a video that lies beside the page, such as "overlay.mp4", to be played in step
            with the time lines; the page does without where it is missing.
        media_start: the time of the table at which that video's own clock is 0; that of the first
            frame unless given.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    stills = summary.info.kind == "picture"
    view = view_pictures(table, GALLERY) if stills else view_video(table)
    style, script = _part("page.css"), _part("charts.js") + _part("page.js")
    video = None if stills or media_name is None else quote(PurePath(media_name).name)
    environment = Environment(
        loader=PackageLoader("mien.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(percent=percent, clock=clock, length_of=length_of, words=_words, jpeg=_jpeg)
    page = environment.get_template("page.html.j2").render(
        title=summary.info.name,
        sentence=_sentence(summary, view),
        facts=_facts(summary, view),
        policy=_policy(style, script, video),
        style=Markup(style),
        script=Markup(script),
        stills=stills,
        video=video,
        problems=summary.problems,
        card=summary.card,
        learned=[name for key, name in _BEHAVIOURS.items() if view.of(key)],
        unlearned=[name for key, name in _BEHAVIOURS.items() if not view.of(key)],
        behaviours=[key for key in _BEHAVIOURS if view.of(key)],
        faces=_faces(summary, view),
        everyone=_shares(view, view.everyone),
        shown=SHOWN,
        left_out=0 if stills else view.faces - len(view.series),
        pictures=_pictures(summary, view) if stills else [],
        pictures_in_all=view.frames,
        calibrated=view.sureness.told,
        coverage=view.sureness.coverage,
        sets=view.sureness.mass is not None,
        intervals=bool(view.of("interval")),
        presence=bool(view.sureness.thresholds),
        data=None if stills else _data(summary, view, media_start),
    )
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


@dataclass(frozen=True)
class Share:
    """How much of the time a face showed an expression.

    Attributes:
        label: the expression.
        colour: its colour, #rrggbb.
        winner: share of rows in which it was the most probable.
        mean: its mean probability.
        before: the winners' shares of the expressions before it, where its part of a bar starts.
    """

    label: str
    colour: str
    winner: float
    mean: float
    before: float


def percent(share: float) -> str:
    """Return a share in [0, 1] as people write it; all and nothing are said only where exact."""
    if 0 < share < 0.005:
        return "<1 %"
    if 0.995 <= share < 1:
        return ">99 %"
    return f"{100 * share:.0f} %"


def clock(seconds: float) -> str:
    """Return a time as h:mm:ss.s, without hours where there are none."""
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    text = f"{minutes:02d}:{tenths / 10:04.1f}" if hours else f"{minutes}:{tenths / 10:04.1f}"
    return f"{hours}:{text}" if hours else text


def length_of(seconds: float) -> str:
    """Return a length of time as people say it: "12.4 s", "51 min 3 s", "1 h 2 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _part(name: str) -> str:
    """Return a file of the page's folder."""
    return (resources.files("mien.reports") / "templates" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str, video: str | None) -> str:
    """Return the Content-Security-Policy: this style, this script, pictures inside, one video beside."""
    allowed = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src 'sha256-{allowed[0]}'",
            f"script-src 'sha256-{allowed[1]}'",
            "img-src data:",
            "media-src 'self' file:" if video else "media-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _sentence(summary: Summary, view: TableView) -> str:
    """Return what was found, as one plain sentence."""
    frames = view.frames or summary.frames
    if summary.info.kind == "picture":
        if not view.everyone.rows:
            return f"No face was found in {_count(frames, 'picture')}."
        faces, pictures = _count(view.everyone.rows, "face").capitalize(), _count(frames, "picture")
        if view.frames_with_face == frames:
            return f"{faces} in {pictures}."
        return f"{faces} in {pictures}; {frames - view.frames_with_face} of {frames} without one."
    if not view.faces:
        return f"No face was found in {_count(frames, 'frame')}."
    faces = _count(view.faces, "face").capitalize()
    return f"{faces}, seen in {percent(view.frames_with_face / frames)} of frames."


def _facts(summary: Summary, view: TableView) -> list[tuple[str, str]]:
    """Return what the page's head says of the medium and of its making."""
    info, facts = summary.info, []
    if info.kind != "picture":
        length = summary.last_seconds - summary.first_seconds + _interval(summary)
        facts += [("Duration", length_of(length)), ("Frames", f"{summary.frames:,}".replace(",", " "))]
        if np.isfinite(info.rate):
            facts.append(("Frame rate", f"{info.rate:.5g} per second"))
    else:
        facts.append(("Pictures", str(summary.frames)))
    if info.width and info.height:
        facts.append(("Size", f"{info.width} × {info.height} pixels"))
    name = summary.card.get("name")
    return [
        *facts,
        ("Faces", str(view.faces)),
        *([("Network", str(name))] if name else []),
        ("Face detector", summary.detector),
        ("Made", datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z")),
        ("With", f"mien {version('mien')}"),
    ]


def _shares(view: TableView, counts: Counts) -> list[Share]:
    """Return the share of each expression; empty where expressions were not learned or nothing was seen."""
    places = view.of("expression")
    if not places or not counts.rows:
        return []
    winners = counts.winners / counts.rows
    starts = np.cumsum(winners) - winners
    labels = [view.columns[place].label for place in places]
    return [
        Share(
            label, expression_colour(label), float(winner), float(counts.totals[place] / counts.rows), start
        )
        for label, winner, place, start in zip(labels, winners, places, starts.tolist(), strict=True)
    ]


def _faces(summary: Summary, view: TableView) -> list[dict[str, Any]]:
    """Return what the page says of each face in words and bars, those first shown first by number."""
    longest = sorted(view.counts, key=lambda face: -view.counts[face].rows)
    order = sorted(longest[:SHOWN]) + sorted(longest[SHOWN:])
    interval, faces = _interval(summary), []
    for face in order:
        counts, series = view.counts[face], view.series[face]
        full = series.rows > 0
        weight = series.rows[full] / counts.rows
        faces.append(
            {
                "number": face,
                "colour": face_colour(face),
                "portrait": summary.portraits.get(face),
                "seconds": counts.rows * interval,
                "share": counts.rows / max(view.frames, 1),
                "first": float(series.seconds[full][0]),
                "exact": series.exact,
                "span": float(series.rows.max() * interval),
                "shares": _shares(view, counts),
                "means": {
                    view.columns[place].label: float(series.mean[full, place] @ weight)
                    for place in view.of("valence_arousal")
                },
            }
        )
    return faces


def _pictures(summary: Summary, view: TableView) -> list[dict[str, Any]]:
    """Return the gallery: each still with its picture and the faces in it."""
    waiting: dict[str, list[Thumbnail]] = {}
    for thumbnail in summary.thumbnails:
        waiting.setdefault(thumbnail.title, []).append(thumbnail)
    gallery = []
    for picture in view.pictures:
        same = waiting.get(picture.title)
        gallery.append(
            {
                "title": picture.title,
                "jpeg": same.pop(0).jpeg if same else None,
                "faces": [_still_face(view, picture, row) for row in range(len(picture.faces))],
            }
        )
    return gallery


def _still_face(view: TableView, picture: Picture, row: int) -> dict[str, Any]:
    """Return the values of one face of a still, by behaviour."""
    values = {
        behaviour: [(view.columns[place].label, float(picture.values[row, place])) for place in places]
        for behaviour in _BEHAVIOURS
        if (places := view.of(behaviour))
    }
    numbers, units = values.get("valence_arousal", []), values.get("action_units", [])
    expressions = [(label, value, expression_colour(label)) for label, value in values.get("expression", [])]
    thresholds = view.sureness.thresholds
    return {
        "number": picture.faces[row],
        "colour": face_colour(picture.faces[row]),
        "expressions": expressions,
        "best": max(expressions, key=lambda one: one[1]) if expressions else None,
        "inside": _inside(view, picture.values[row]),
        "numbers": [(*number, _ends(view, picture.values[row], number[0])) for number in numbers],
        "units": [unit for unit in units if unit[1] >= np.float32(thresholds.get(unit[0], 0.5))],
    }


def _inside(view: TableView, values: FloatArray) -> list[str]:
    """Return the set of expressions of a face, most probable first; none where the table has no sets."""
    places = view.of("expression")
    if view.sureness.mass is None or not places:
        return []
    shares = values[places]
    inside = preceding(shares[None])[0] <= view.sureness.mass
    order = np.argsort(-shares, kind="stable").tolist()
    return [view.columns[places[place]].label for place in order if inside[place]]


def _ends(view: TableView, values: FloatArray, label: str) -> tuple[float, ...]:
    """Return lowest and highest value of an interval; none where the table has no intervals."""
    return tuple(float(values[place]) for place in view.of("interval") if view.columns[place].label == label)


def _data(summary: Summary, view: TableView, media_start: float | None) -> dict[str, Any]:
    """Return what the page's script draws from."""
    interval = _interval(summary)
    start = summary.first_seconds if np.isfinite(summary.first_seconds) else 0
    return {
        "start": start,
        "mediaStart": start if media_start is None else media_start,
        "end": summary.last_seconds + interval if np.isfinite(summary.last_seconds) else 1,
        "interval": interval,
        "cuts": [round(cut, 4) for cut in summary.cuts],
        "present": _rounded(view.present),
        "columns": [
            {
                "label": column.label,
                "behaviour": column.behaviour,
                "description": column.description,
                "colour": expression_colour(column.label) if column.behaviour == "expression" else "",
            }
            for column in view.columns
        ],
        "share": view.frames_with_face / max(view.frames, 1),
        "mass": view.sureness.mass,
        "faces": {
            str(face): {
                "number": face,
                "colour": face_colour(face),
                "share": view.counts[face].rows / max(view.frames, 1),
                **_series(series, interval),
            }
            for face, series in view.series.items()
        },
        "thumbnails": [{"time": one.seconds, "source": _jpeg(one.jpeg)} for one in summary.thumbnails],
    }


def _series(series: Series, interval: float) -> dict[str, Any]:
    """Return one face over time: arrays as base64 of little-endian numbers, column after column."""
    gap = series.rows == 0
    seconds = series.seconds.copy()
    for place in np.flatnonzero(gap):
        seconds[place] = min(seconds[place - 1] + interval, (seconds[place - 1] + seconds[place + 1]) / 2)
    packed = {
        "time": _base64(seconds, "<f8"),
        "frame": _base64(np.where(gap, -1, series.frame), "<i4"),
        "mean": _base64(series.mean.T, "<f4"),
    }
    if not series.exact:
        packed |= {"low": _small(series.low), "high": _small(series.high)}
    step = float(series.rows.max()) * interval
    return {
        **packed,
        "step": step,
        "exact": series.exact,
        "runs": _rounded(series.runs),
    }


def _small(values: FloatArray) -> str:
    """Return numbers in [-1, 1] as 16 bits each: the edges of a band need no more."""
    finite = np.nan_to_num(values, posinf=0, neginf=0)
    return _base64(np.round((np.clip(finite.T, -1, 1) + 1) / 2 * 65535), "<u2")


def _base64(values: FloatArray, kind: str) -> str:
    """Return numbers as base64 of their bytes."""
    return base64.b64encode(np.ascontiguousarray(values, kind).tobytes()).decode()


def _rounded(runs: Sequence[tuple[float, float]]) -> list[list[float]]:
    """Return stretches in seconds with as many digits as a page can show."""
    return [[round(start, 3), round(end, 3)] for start, end in runs]


def _interval(summary: Summary) -> float:
    """Return the mean time between two frames in seconds."""
    span = summary.last_seconds - summary.first_seconds
    if summary.frames > 1 and np.isfinite(span) and span > 0:
        return float(span / (summary.frames - 1))
    return 1 / summary.info.rate if np.isfinite(summary.info.rate) and summary.info.rate > 0 else 0.04


def _jpeg(data: bytes) -> str:
    """Return a JPEG as a data URI."""
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"


def _words(key: object) -> str:
    """Return a key of the card as words: "training_data" becomes "Training data"."""
    text = str(key).replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def _count(number: int, noun: str) -> str:
    """Return a number with its noun: "one face", "3 faces"."""
    return f"one {noun}" if number == 1 else f"{number} {noun}s"
