"""agreement.html: how well annotators agree, to look at; a page that needs no network and runs no script."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mien.annotation.agreement import ICCS, Agreement, Figure, Pair
from mien.annotation.coding import EXPRESSION, Coding
from mien.annotation.measuring import KEPT, Measured, Traced
from mien.annotation.resampling import Course
from mien.arrays import FloatArray
from mien.files import whole_file
from mien.reports.overlay import expression_colour

SHOWN = 8
"""Videos that are open at first."""

DRAWN = 60
"""Most videos that are drawn, of each label those with the lowest agreement."""

POINTS = 300
"""Stretches of a drawn trace; of each its lowest and highest value is drawn."""

TONES = ("#0072b2", "#d55e00", "#009e73", "#c0609a", "#b98300", "#3f9fd8", "#8a6d3b", "#7a5cc4")
"""Colours of annotators, taken in turn; they stay apart for people who see red, green or blue less well."""

POLICY = ("default-src 'none'", "img-src data:", "base-uri 'none'", "form-action 'none'")
"""What the page may do besides having its own style."""

EVEN = 0.179
"""Luminance of a ground on which black and white text have the same contrast, 4.6 to 1."""

HIGH, MIDDLE, LOW = (29, 95, 196), (236, 238, 241), (201, 92, 24)
"""Colours of the figures 1, 0 and -1 in red, green and blue."""


def write_page(path: Path, measured: Measured) -> None:
    """Write the page.

    Args:
        path: the file to write; one that exists is replaced.
        measured: what it shows.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    environment = Environment(
        loader=PackageLoader("mien.reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(number=number, tone=tone)
    folder = resources.files("mien.reports") / "templates"
    style = "".join((folder / name).read_text(encoding="utf-8") for name in ("page.css", "agreement.css"))
    style += _colours()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.get_template("agreement.html.j2").render(
        policy="; ".join((f"style-src 'sha256-{digest}'", *POLICY)),
        style=Markup(style),
        title=measured.source.folder.resolve().name,
        sentences=_sentences(measured),
        facts=_facts(measured),
        reaction=f"{measured.steps.reaction:g}",
        traced=[_traced(one) for one in measured.traced],
        coded=_coded(measured),
        repeats=_repeats(measured.repeats),
        settings=_settings(measured),
        shown=SHOWN,
    )
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def number(value: float) -> str:
    """Return a figure in three decimals; "–" for one that is undefined."""
    return f"{value:.3f}".replace("-", "−") if np.isfinite(value) else "–"


def tone(value: float) -> str:
    """Return the class of a figure's colour: "t0" for -1 to "t20" for 1."""
    return f"t{round((min(1.0, max(-1.0, value)) + 1) * 10)}"


@dataclass(frozen=True)
class Matrix:
    """Figures of each two annotators.

    Attributes:
        names: of the columns.
        rows: with a name and cells: a Figure, or None where both are the same.
        rest: whether a last column holds figures with the mean of the others.
    """

    names: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    rest: bool = False


def _colours() -> str:
    """Return the rules of the colours of figures and annotators."""
    rules = []
    for step in range(21):
        share = abs(step - 10) / 10
        end = HIGH if step > 10 else LOW
        mixed = [round(a + (b - a) * share) for a, b in zip(MIDDLE, end, strict=True)]
        ink = "#ffffff" if _light(mixed) < EVEN else "#000000"
        rules.append(f".matrix .t{step}{{background:#{bytes(mixed).hex()};color:{ink}}}")
    rules += [f".a{place}{{stroke:{colour}}}" for place, colour in enumerate(TONES)]
    return "\n".join(rules) + "\n"


def _light(colour: Sequence[int]) -> float:
    """Return the relative luminance of a colour, 0 to 1 (Web Content Accessibility Guidelines)."""
    shares = [value / 255 for value in colour]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _sentences(measured: Measured) -> list[str]:
    """Return what was found, in plain sentences."""
    told = []
    for one in measured.traced:
        before, after = one.with_others("before"), one.with_others("after")
        without = f" (without {', '.join(one.opposed)}, against the rest)" if one.opposed else ""
        if np.isfinite(before):
            told.append(
                f"{one.label.capitalize()}: annotators{without} agree with the mean of the others with CCC "
                f"{number(before)} as traced, {number(after)} with lags taken off."
            )
        else:
            told.append(f"{one.label.capitalize()}: no two annotators traced the same.")
    redo = {
        (f.video, f.annotator, f.label) for one in measured.traced for f in one.flags if f.weight == "redo"
    }
    if redo:
        told.append(f"{len(redo)} of {len(measured.source.annotations.traces)} traces should be made again.")
    return told


def _facts(measured: Measured) -> list[tuple[str, str]]:
    """Return what the page's head says of the annotations."""
    annotations = measured.source.annotations
    who = {one.annotator for one in annotations.traces} | {one.annotator for one in annotations.segments}
    return [
        ("Annotators", str(len(who))),
        ("Videos", str(len(annotations.videos))),
        ("Traces", str(len(annotations.traces))),
        ("Segments", f"{len(annotations.segments):,}".replace(",", " ")),
        ("Made", datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %z")),
        ("With", f"mien {version('mien')}"),
    ]


def _traced(one: Traced) -> dict[str, Any]:
    """Return what the page shows of one traced label."""
    before, after = one.of("before"), one.of("after")
    opposed = set(one.opposed)
    tones = {who: f"a{place % len(TONES)}" for place, who in enumerate(before.annotators)}
    about = dict(ICCS) | {"Krippendorff (interval)": "alpha; times that one left out do not count against it"}
    stages = [before, after, *([one.of(KEPT)] if one.has(KEPT) else [])]
    figures = [
        (figure.name, about.get(figure.name, ""), [stage.figure(figure.name) for stage in stages])
        for figure in before.figures
    ]
    means = [one.with_others(stage.stage) for stage in stages]
    mean = [Figure("", value, 0, "" if np.isfinite(value) else "no two traced the same") for value in means]
    about_mean = f"mean of annotators but {', '.join(one.opposed)}" if opposed else "mean of annotators"
    drawn = _drawn(one)
    order = {"redo": 0, "look": 1, "note": 2}
    videos = [
        {
            "name": course.video,
            "before": one.with_others("before", course.video),
            "after": one.with_others("after", course.video),
            "raw": _plot(course, tones, opposed),
            "aligned": _plot(moved, tones, opposed, fused.values, fused.weighted_spread),
        }
        for course, moved, fused in zip(one.before, one.after, one.fused, strict=True)
        if course.video in drawn
    ]
    return {
        "label": one.label,
        "figures": [("CCC with the others", about_mean, mean), *figures],
        "lags": [(lag, one.weights.shares.get(lag.annotator, 0.0)) for lag in one.lags],
        "without": ", ".join(one.opposed) if one.has(KEPT) else "",
        "before": _matrix(before),
        "after": _matrix(after),
        "reasons": _reasons((*before.pairs, *before.alone, *after.pairs, *after.alone)),
        "flags": sorted(one.flags, key=lambda flag: (order[flag.weight], flag.video, flag.annotator)),
        "key": [(who, tones[who], who in opposed) for who in before.annotators],
        "videos": videos,
        "of": len(one.before),
    }


def _drawn(one: Traced) -> set[str]:
    """Return which videos are drawn: those whose annotators agree least; what is undefined comes first."""
    names = [course.video for course in one.before]
    return set(
        sorted(names, key=lambda name: np.nan_to_num(one.with_others("after", name), nan=-2.0))[:DRAWN]
    )


def _matrix(agreement: Agreement) -> Matrix:
    """Return the CCC of each two, and of each with the others."""
    found = {(pair.first, pair.second): pair.figure("CCC") for pair in agreement.pairs}
    rest = {pair.first: pair.figure("CCC") for pair in agreement.alone}
    nothing = Figure("CCC", float("nan"), 0, "no video that both traced")
    rows = [
        {
            "name": who,
            "cells": [
                *(
                    None if who == other else found.get((who, other), found.get((other, who), nothing))
                    for other in agreement.annotators
                ),
                rest.get(who, nothing),
            ],
        }
        for who in agreement.annotators
    ]
    return Matrix(agreement.annotators, tuple(rows), rest=True)


def _reasons(pairs: Iterable[Pair]) -> list[str]:
    """Return why figures are undefined, each reason once, with whom it concerns."""
    found: dict[str, list[str]] = {}
    for pair in pairs:
        figure = pair.figures[0]
        if figure.why:
            whom = f"{pair.first} and {pair.second}"
            if whom not in found.setdefault(figure.why, []):
                found[figure.why].append(whom)
    return [f"{', '.join(whom)}: {why}" for why, whom in found.items()]


def _plot(
    course: Course,
    tones: Mapping[str, str],
    opposed: set[str],
    fused: FloatArray | None = None,
    spread: FloatArray | None = None,
) -> dict[str, Any]:
    """Return the lines of one plot, in a field of 1000 by 200."""
    length = max(1, course.values.shape[1] - 1) / course.rate
    band = ""
    if fused is not None and spread is not None:
        band = _band(fused - spread, fused + spread)
    return {
        "lines": [
            {"name": who, "tone": tones[who], "opposed": who in opposed, "path": _path(values)}
            for who, values in zip(course.annotators, course.values, strict=True)
        ],
        "fused": "" if fused is None else _path(fused),
        "band": band,
        "ticks": _ticks(length),
    }


def _reduced(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return places in [0, 1000] and values: all, or lowest and highest of each stretch in their order."""
    n = len(values)
    places = np.arange(n) * (1000 / max(1, n - 1))
    if n <= 2 * POINTS:
        return places, values
    chosen: list[int] = []
    for part in np.array_split(np.arange(n), POINTS):
        known = part[np.isfinite(values[part])]
        if len(known) < len(part):
            chosen.append(int(part[~np.isfinite(values[part])][0]))
        if len(known):
            chosen += [int(known[np.argmin(values[known])]), int(known[np.argmax(values[known])])]
    order = np.unique(chosen)
    return places[order], values[order]


def _path(values: FloatArray) -> str:
    """Return the path of a trace, interrupted where it is not known."""
    text, drawing = [], False
    for place, value in zip(*_reduced(values), strict=True):
        if np.isfinite(value):
            text.append(f"{'L' if drawing else 'M'}{place:.1f} {100 - 99 * value:.1f}")
        drawing = bool(np.isfinite(value))
    return "".join(text)


def _band(low: FloatArray, high: FloatArray) -> str:
    """Return the outline of a band, in pieces where it is not known."""
    step = max(1, len(low) // POINTS)
    places = np.arange(len(low))[::step]
    scale = 1000 / max(1, len(low) - 1)
    known = np.isfinite(low[places]) & np.isfinite(high[places])
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(int), [0]])))
    text = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        run = places[start:end]
        there = [f"{place * scale:.1f} {100 - 99 * min(1.0, high[place]):.1f}" for place in run]
        back = [f"{place * scale:.1f} {100 - 99 * max(-1.0, low[place]):.1f}" for place in run[::-1]]
        text.append(f"M{'L'.join(there + back)}Z")
    return "".join(text)


def _ticks(length: float) -> list[tuple[str, str]]:
    """Return where on the time axis which times stand: shares in percent, and m:ss."""
    steps = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)
    step = next((step for step in steps if length / step <= 6), 7200)
    times = np.arange(0, length + 1e-9, step).tolist()
    return [(f"{100 * time / length:.2f}", f"{int(time // 60)}:{int(time % 60):02d}") for time in times]


def _coded(measured: Measured) -> dict[str, Any]:
    """Return what the page shows of segments."""
    whole = [one for one in measured.coded if not one.video]
    captions = {
        "frames": "Row by row",
        "grades": "Intensities, row by row; absent is 0",
        "events": f"Events: F1 of each two, the mean; starts and ends within {measured.tolerance:g} s",
    }
    tables = []
    for kind, caption in captions.items():
        mine = [one for one in whole if one.kind == kind]
        if mine:
            columns = list(dict.fromkeys(figure.name for one in mine for figure in one.figures))
            rows = [(one.label, [_find(one.figures, name) for name in columns]) for one in mine]
            tables.append({"caption": caption, "columns": columns, "rows": rows})
    frames = [one for one in whole if one.kind == "frames"]
    undefined = [(one.label, p.figures[0].why) for one in frames for p in one.pairs if p.figures[0].why]
    classes = next((one.classes for one in measured.codings if one.label == EXPRESSION), ())
    return {
        "tables": tables,
        "cohen": _kappas(frames),
        "reasons": [f"{label}: {why}" for label, why in dict.fromkeys(undefined)],
        "key": [(name, expression_colour(name)) for name in classes],
        "units": any(one.label != EXPRESSION for one in measured.codings),
        "videos": _strips(measured.codings),
    }


def _kappas(frames: Sequence[Agreement]) -> Matrix:
    """Return Cohen's kappa of each two annotators, a column for each label."""
    pairs = sorted({(pair.first, pair.second) for one in frames for pair in one.pairs})
    nothing = Figure("Cohen", float("nan"), 0, "no row that both coded")
    rows = []
    for key in pairs:
        found = [next((p for p in one.pairs if (p.first, p.second) == key), None) for one in frames]
        cells = [nothing if pair is None else pair.figure("Cohen") for pair in found]
        rows.append({"name": ", ".join(key), "cells": cells})
    return Matrix(tuple(one.label for one in frames), tuple(rows))


def _find(figures: Iterable[Figure], name: str) -> Figure | None:
    """Return a figure by its name; None where it was not measured."""
    return next((figure for figure in figures if figure.name == name), None)


def _strips(codings: Sequence[Coding]) -> list[dict[str, Any]]:
    """Return of each video and face the strips of each label and annotator."""
    videos: dict[str, list[tuple[str, list[dict[str, Any]]]]] = {}
    for coding in codings:
        name = f"{coding.video}, face {coding.face}" if coding.face else coding.video
        rows = [
            _strip(who, votes, coding) for who, votes in zip(coding.annotators, coding.votes, strict=True)
        ]
        videos.setdefault(name, []).append((coding.label, rows))
    return [{"name": name, "labels": labels} for name, labels in sorted(videos.items())]


def _strip(who: str, votes: FloatArray, coding: Coding) -> dict[str, Any]:
    """Return the stretches of one annotator's strip, in percent of the video, and what it says in words."""
    filled = np.where(np.isfinite(votes), votes, -1).astype(int)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(filled)) + 1, [len(filled)]]).astype(int)
    scale = 100 / max(1, len(filled))
    runs, unit = [], coding.label != EXPRESSION
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        vote = int(filled[start]) if end > start else 0
        if end > start and not (unit and vote == 0):
            name = "not known" if vote < 0 else coding.classes[vote]
            colour = "dunno" if vote < 0 else "on" if unit else expression_colour(name)
            runs.append((f"{start * scale:.2f}", f"{(end - start) * scale:.2f}", colour, name))
    shares = [
        f"{coding.classes[vote]} {100 * np.mean(filled == vote):.0f} %"
        for vote in np.unique(filled)
        if vote >= 0
    ]
    return {"name": who, "runs": runs, "text": f"{who}, {coding.label}: {', '.join(shares) or 'not known'}"}


def _repeats(repeats: Iterable[Agreement]) -> list[tuple[str, str, Figure]]:
    """Return the figures of each annotator and the same one asked once more."""
    told = []
    for one in repeats:
        label = one.label if one.kind in ("traces", "frames") else f"{one.label}, {one.kind}"
        told += [(pair.first, label, figure) for pair in one.pairs for figure in pair.figures]
    return told


def _settings(measured: Measured) -> list[tuple[str, str]]:
    """Return how it was made, in words."""
    steps = measured.steps
    lags = f"looked for up to {steps.limit:g} s, taken off for a gain in CCC of {steps.gain:g} or more"
    return [
        (
            "Traces",
            f"{steps.rate:g} values per second; each holds, the last for {steps.tail:g} s at most",
        ),
        ("Median filter", f"{steps.median:g} s" if steps.median else "none"),
        ("Lags", lags if steps.limit else "none taken off"),
        ("Reaction", f"{steps.reaction:g} s taken off all"),
        ("Mean of the others", "without those who run against the rest"),
        ("Events", f"the same if start and end differ by {measured.tolerance:g} s or less"),
    ]
