"""A folder of results: a record and pictures for each protocol, and one page that shows them all.

The page is complete without a network and runs no script; a Content-Security-Policy allows its own style and
the pictures beside it, and nothing else. Pictures need matplotlib (the extra `benchmark`); without it the
records and the page are made all the same, and the page says so.
"""

import base64
import hashlib
import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mien.benchmark.reporting import CALIBRATION_ERROR, OTHERWISE
from mien.benchmark.result import Figure, Result
from mien.databases.catalog import METRICS
from mien.files import whole_folder

LONGEST = 60
"""Letters of a file's name before its ending, at most."""

RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)\d)")
"""Names that Windows keeps for devices."""

VOICES = {
    ("model", ""): "model",
    ("model", "0.5"): "model, threshold 0.5",
    ("model", "validation"): "model, thresholds from validation",
    ("constant", ""): "constant baseline",
    ("prior", ""): "prior baseline",
}
"""What the page calls who said something, at which thresholds."""

PICTURES = {
    "confusion": "Of each true class the share that was given each name, with counts.",
    "units": "F1 of each action unit, with that of saying “present” of every row.",
    "density": "Where truth and model lie in the plane of valence and arousal.",
    "calibration": "How often the model was right at each probability, and how many rows had it.",
}
"""What each picture shows."""


SETTINGS = {
    "also": "further metrics",
    "over": "metric is of each",
    "by": "parts are by",
    "present_from": "present from intensity",
    "without_face": "a frame without a face",
    "fresh": "without pictures that are in the training part too",
    "made": "folds made",
}
"""What the page calls a setting whose name alone says too little."""

SCALE = 96 / 150
"""Pixels of the page for one of a picture: 150 to the inch, of which CSS has 96."""


@dataclass(frozen=True)
class Section:
    """What the page shows of one result.

    Attributes:
        result: as it is.
        name: of its files and of its place in the page.
        voices: (of, thresholds) of the columns.
        overall: of each metric the figures of all labels together, one for each voice, None where it was not
            measured; the protocol's own first.
        columns: (metric, thresholds) of the table of labels.
        labels: of each label how many rows were counted and a figure, or None, for each column.
        folds: the figures of single folds.
        otherwise: the protocol's metric, aggregated the other way.
        groups: the figures of groups of people.
        pictures: which there are, and how wide each is, in pixels of the page.
    """

    result: Result
    name: str
    voices: list[tuple[str, str]]
    overall: list[tuple[str, list[Figure | None]]]
    columns: list[tuple[str, str]]
    labels: list[tuple[str, int, list[Figure | None]]]
    folds: list[Figure]
    otherwise: list[Figure]
    groups: list[Figure]
    pictures: dict[str, int]

    @property
    def own(self) -> dict[str, Figure | None]:
        """The protocol's own figure, by what the page calls who said it."""
        figures = self.overall[0][1] if self.overall else []
        return {VOICES[voice]: figure for voice, figure in zip(self.voices, figures, strict=True)}

    @property
    def no_better(self) -> list[str]:
        """Where the model is no better than the constant baseline in the protocol's own metric."""
        constant = self.own.get("constant baseline")
        if constant is None or not math.isfinite(constant.value):
            return []
        sign = -1 if is_lower_better(constant.metric) else 1
        return [
            name
            for name, figure in self.own.items()
            if figure is not None and figure.of == "model" and sign * (figure.value - constant.value) <= 0
        ]


def write(results: Sequence[Result], out: Path) -> None:
    """Write results into a new folder, whole or not at all.

    It holds for each result NAME.json (see `Result.save`) and, as far as it has counts for them, pictures:
    NAME_confusion.png, NAME_units.png, NAME_density.png and NAME_calibration.png; and index.html for all.
    NAME is that of the protocol in letters, digits and hyphens.

    Args:
        results: of one evaluation, or of several.
        out: the folder to make; it must not exist, or be empty.

    Raises:
        OutputError: it exists, cannot be written, or the disk is full.
    """
    draw, missing = _drawing()
    with whole_folder(out) as place:
        sections = []
        for result, name in zip(results, slugs([result.protocol for result in results]), strict=True):
            result.save(place / f"{name}.json")
            widths = {}
            for what, picture in draw(result).items():
                (place / f"{name}_{what}.png").write_bytes(picture)
                widths[what] = round(SCALE * int.from_bytes(picture[16:20], "big"))
            sections.append(section(result, name, widths))
        (place / "index.html").write_text(page(sections, missing), encoding="utf-8")


def slugs(names: Sequence[str]) -> list[str]:
    """Return a file name for each name, safe and different on any file system: letters, digits and hyphens.

    Args:
        names: any text; equal ones are numbered in their order.
    """
    found: list[str] = []
    for name in names:
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
        start = re.sub("[^a-z0-9]+", "-", plain).strip("-")[:LONGEST].strip("-") or "protocol"
        start = f"protocol-{start}" if RESERVED.fullmatch(start) else start
        slug, number = start, 2
        while slug in found:
            slug, number = f"{start}-{number}", number + 1
        found.append(slug)
    return found


def section(result: Result, name: str, pictures: dict[str, int]) -> Section:
    """Return what the page shows of one result, its figures sorted into tables."""
    known = result.settings.get("labels", [])
    whole = [figure for figure in result.figures if not figure.label]
    single = [figure for figure in result.figures if figure.label in known]
    others = [figure for figure in result.figures if figure.label and figure.label not in known]
    voices = [voice for voice in VOICES if any(_voice(figure, result) == voice for figure in whole)]
    overall = [
        (metric, [_find(whole, result, metric, voice) for voice in voices])
        for metric in dict.fromkeys(figure.metric for figure in whole)
    ]
    columns = list(dict.fromkeys((figure.metric, figure.thresholds) for figure in single))
    labels: list[tuple[str, int, list[Figure | None]]] = []
    for label in dict.fromkeys(figure.label for figure in single):
        mine = {(figure.metric, figure.thresholds): figure for figure in single if figure.label == label}
        counted = max(figure.count for figure in mine.values())
        labels.append((label, counted, [mine.get(column) for column in columns]))
    return Section(
        result=result,
        name=name,
        voices=voices,
        overall=overall,
        columns=columns,
        labels=labels,
        folds=[figure for figure in others if figure.label.startswith("fold ")],
        otherwise=[figure for figure in others if figure.label in OTHERWISE.values()],
        groups=[
            figure
            for figure in others
            if not figure.label.startswith("fold ") and figure.label not in OTHERWISE.values()
        ],
        pictures=pictures,
    )


def page(sections: Sequence[Section], missing: str) -> str:
    """Return the page.

    Args:
        sections: one for each result.
        missing: why there are no pictures; "" where they were drawn.
    """
    environment = Environment(
        loader=PackageLoader("mien.benchmark"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(number=number, whole=whole, percent=percent, words=words)
    environment.tests.update(lower_better=is_lower_better)
    style = (resources.files("mien.benchmark") / "templates" / "evaluation.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' file: data:; base-uri 'none'"
    databases = dict.fromkeys(section.result.database for section in sections)
    return environment.get_template("evaluation.html.j2").render(
        title=", ".join(databases) or "no database",
        networks=list(dict.fromkeys(n["name"] for s in sections for n in s.result.networks)),
        makers=list(dict.fromkeys(section.result.mien for section in sections)),
        policy=f"{policy}; form-action 'none'",
        style=Markup(style),
        sections=sections,
        voices=VOICES,
        shown=PICTURES,
        settings=SETTINGS,
        missing=missing,
    )


def number(value: float | None) -> str:
    """Return a figure in three decimals; "undefined" for one that is."""
    if value is None or not math.isfinite(value):
        return "undefined"
    return f"{value:.3f}".replace("-", "−")


def whole(value: int) -> str:
    """Return a count, its thousands apart."""
    return f"{value:,}"


def percent(part: float, total: float) -> str:
    """Return a share to a tenth of a percent; none and all are said only where exact."""
    if not total:
        return "–"
    share = 100 * part / total
    if 0 < share < 0.05:
        return "<0.1 %"
    if 99.95 <= share < 100:
        return ">99.9 %"
    return f"{share:.1f} %"


def words(name: str) -> str:
    """Return a name in a record as words."""
    return name.replace("_", " ")


def is_lower_better(metric: str) -> bool:
    """Return whether a lower value of a metric is the better one."""
    known = any(name == metric and not scale.higher for name, scale in METRICS.items())
    return known or metric == CALIBRATION_ERROR


def _voice(figure: Figure, result: Result) -> tuple[str, str]:
    """Return the column a figure of all labels stands in.

    A figure of action units that needs no threshold, the area under the ROC curve, stands with those at 0.5.
    """
    if figure.of == "model" and not figure.thresholds and result.units:
        return "model", "0.5"
    return figure.of, figure.thresholds


def _find(figures: Sequence[Figure], result: Result, metric: str, voice: tuple[str, str]) -> Figure | None:
    """Return the figure of a metric and voice; None where it was not measured."""
    return next((f for f in figures if f.metric == metric and _voice(f, result) == voice), None)


def _drawing() -> tuple[Callable[[Result], dict[str, bytes]], str]:
    """Return what draws the pictures of a result, and why it draws none, "" where it does."""
    try:
        from mien.benchmark.pictures import draw
    except ImportError as error:
        return _nothing, f"matplotlib could not be loaded ({error}); pip install 'mien[benchmark]'"
    return draw, ""


def _nothing(_result: Result) -> dict[str, bytes]:
    """Return no pictures."""
    return {}
