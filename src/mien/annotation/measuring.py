"""Everything that is said about how annotators agree, and the files it is written to.

measured = measure(source, Steps(), Clock(25, videos), tolerance=0.5)
write_figures(folder, measured)      # agreement.json, agreement.csv
"""

import csv
import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mien.annotation.agreement import Agreement, trace_agreement
from mien.annotation.coding import Coding, codings_of, group_of
from mien.annotation.coding_agreement import coding_agreement
from mien.annotation.fusion import Fused, Weights, weigh, weighted_mean, weights_of
from mien.annotation.lag import Lag, lags, seconds_of
from mien.annotation.quality import Flag, flags_of
from mien.annotation.records import Annotations
from mien.annotation.resampling import Clock, Course, Steps, courses_of
from mien.annotation.source import Source, digest
from mien.errors import InputError

FIGURES, TABLE, PAGE = "agreement.json", "agreement.csv", "agreement.html"
"""The files of the result."""

COLUMNS = ("label", "kind", "stage", "video", "face", "first", "second", "figure", "value", "count", "why")
"""Those of the table: a row for each figure; first and second are empty where it is of all together."""

KEPT = "kept"
"""The stage of traces whose lags are taken off, without those who run against the rest."""

AGAIN = " again"
"""What is put behind an annotator's name for what was said when asked once more."""


@dataclass(frozen=True, eq=False)
class Traced:
    """What was found of one traced label.

    Attributes:
        label: what was traced.
        before: the courses of each video.
        after: the same with lags taken off.
        lags: of each annotator.
        weights: of the evaluator-weighted mean.
        fused: that mean, of each video in `after`.
        agreement: before and after, of each video and of all; and KEPT, where somebody is left out.
        flags: what is wrong with single traces.
    """

    label: str
    before: tuple[Course, ...]
    after: tuple[Course, ...]
    lags: tuple[Lag, ...]
    weights: Weights
    fused: tuple[Fused, ...]
    agreement: tuple[Agreement, ...]
    flags: tuple[Flag, ...]

    @property
    def opposed(self) -> tuple[str, ...]:
        """Who runs against the rest."""
        return tuple(lag.annotator for lag in self.lags if lag.opposed)

    def with_others(self, stage: str, video: str = "") -> float:
        """Return the mean CCC of annotators with the others, without those who run against the rest."""
        return self.of(stage, video).with_others(self.opposed)

    def has(self, stage: str) -> bool:
        """Return whether agreement was measured at a stage."""
        return any(one.stage == stage for one in self.agreement)

    def of(self, stage: str, video: str = "") -> Agreement:
        """Return the agreement at a stage, of a video or of all."""
        return next(one for one in self.agreement if (one.stage, one.video) == (stage, video))


@dataclass(frozen=True, eq=False)
class Measured:
    """Everything about how annotators agree.

    Attributes:
        source: what they said.
        steps: what was done to traces.
        tolerance: seconds by which events' starts and ends may differ.
        traced: of each traced label.
        codings: of each video, face and label of segments.
        coded: agreement on them.
        repeats: of each annotator and label, what was said at first against what was said once more.
    """

    source: Source
    steps: Steps
    tolerance: float
    traced: tuple[Traced, ...]
    codings: tuple[Coding, ...]
    coded: tuple[Agreement, ...]
    repeats: tuple[Agreement, ...]

    @property
    def agreements(self) -> Iterator[Agreement]:
        """All of them."""
        for traced in self.traced:
            yield from traced.agreement
        yield from self.coded
        yield from self.repeats


def measure(source: Source, steps: Steps, clock: Clock, tolerance: float) -> Measured:
    """Return how annotators agree.

    Args:
        source: what they said.
        steps: what is done to traces before they are compared.
        clock: the times of the rows on which segments are compared.
        tolerance: seconds by which an event's start and end may differ.

    Raises:
        InputError: nothing was annotated, a label is unknown, or a video is missing.
    """
    if not source.annotations.videos:
        raise InputError(f"{source.folder}: nothing is annotated there")
    codings = codings_of(source.annotations, clock, source.coded)
    return Measured(
        source,
        steps,
        tolerance,
        tuple(_traced(source.annotations, label, steps) for label in source.traced),
        tuple(codings),
        tuple(coding_agreement(codings, tolerance)),
        tuple(_repeats(source, steps, clock, tolerance)),
    )


def _traced(annotations: Annotations, label: str, steps: Steps) -> Traced:
    """Return what is found of one traced label."""
    before = courses_of(annotations, label, steps)
    found = lags(before, steps)
    opposed = {lag.annotator for lag in found if lag.opposed}
    after = [course.moved(seconds_of(found)) for course in before]
    weights = weigh(after, opposed)
    agreement = [*trace_agreement(before, "before", opposed), *trace_agreement(after, "after", opposed)]
    kept = [course for course in (course.without(opposed) for course in after) if course.annotators]
    if opposed and kept:
        agreement += trace_agreement(kept, KEPT)
    return Traced(
        label,
        tuple(before),
        tuple(after),
        found,
        weights,
        tuple(weighted_mean(course.values, weights_of(course.annotators, weights)) for course in after),
        tuple(agreement),
        tuple(flags_of(annotations, label, steps, found)),
    )


def _repeats(source: Source, steps: Steps, clock: Clock, tolerance: float) -> Iterator[Agreement]:
    """Yield how each annotator agrees with the same one asked once more, on what was asked twice."""
    again = source.again
    who = {one.annotator for one in again.traces} | {one.annotator for one in again.segments}
    who |= {name for _, name in source.coded_again or ()}
    for annotator in sorted(who):
        through = _coded_twice(source, annotator)
        both = _twice(source.annotations, again, annotator, through)
        labels = sorted({trace.label for trace in both.traces})
        for label in labels:
            courses = [course for course in courses_of(both, label, steps) if len(course.annotators) == 2]
            yield from (replace(one, stage="repeat") for one in trace_agreement(courses) if not one.video)
        coded = {
            (video, name): labels
            for video, labels in through.items()
            for name in (annotator, annotator + AGAIN)
        }
        codings = [one for one in codings_of(both, clock, coded) if len(one.annotators) == 2]
        codings = [one for one in codings if None not in one.events]
        found = coding_agreement(codings, tolerance)
        yield from (replace(one, stage="repeat") for one in found if not one.video)


def _coded_twice(source: Source, annotator: str) -> dict[str, frozenset[str]]:
    """Return by video which action units an annotator went through twice, seen or not.

    A project tells it. From tables alone, it is all units of the annotator's, in each video of which the
    repeats have one: whether a video without any was gone through again cannot be told.
    """
    if source.coded is not None:
        first, again = source.coded, source.coded_again or {}
        return {
            video: labels & again[video, who]
            for (video, who), labels in first.items()
            if who == annotator and (video, who) in again
        }
    said = source.annotations.joined(source.again).segments
    units = {one.label for one in said if one.annotator == annotator and group_of(one) == "unit"}
    repeated = [one for one in source.again.segments if one.annotator == annotator and one.label in units]
    return dict.fromkeys((one.video for one in repeated), frozenset(units))


def _twice(first: Annotations, again: Annotations, annotator: str, through: Collection[str]) -> Annotations:
    """Return what an annotator said of the videos seen twice: at first, and under another name again.

    Args:
        first: what everybody said at first.
        again: when asked once more.
        annotator: whose.
        through: videos that are known to have been gone through twice, whether anything was seen or not.
    """
    traces = {(one.video, one.label) for one in again.traces if one.annotator == annotator}
    videos = {one.video for one in again.segments if one.annotator == annotator} | set(through)
    name = annotator + AGAIN
    return Annotations(
        (
            *(one for one in first.traces if one.annotator == annotator and (one.video, one.label) in traces),
            *(replace(one, annotator=name) for one in again.traces if one.annotator == annotator),
        ),
        (
            *(one for one in first.segments if one.annotator == annotator and one.video in videos),
            *(replace(one, annotator=name) for one in again.segments if one.annotator == annotator),
        ),
    )


def write_figures(folder: Path, measured: Measured) -> None:
    """Write all figures into a folder that exists: agreement.json, and agreement.csv with a row for each."""
    told = {
        "mien": version("mien"),
        "source": str(measured.source.folder),
        "source_files_sha256": dict(measured.source.files),
        "annotations_sha256": digest(measured.source.annotations),
        "steps": asdict(measured.steps),
        "tolerance": measured.tolerance,
        "lags": {one.label: [asdict(lag) for lag in one.lags] for one in measured.traced},
        "weights": {one.label: asdict(one.weights) for one in measured.traced},
        "flags": [asdict(flag) for one in measured.traced for flag in one.flags],
        "agreement": [asdict(one) for one in measured.agreements],
    }
    text = json.dumps(plain(told), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / FIGURES).write_text(text + "\n", encoding="utf-8")
    with open(folder / TABLE, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(_table(measured.agreements))


def plain(told: Any) -> Any:
    """Return what JSON can hold: None for numbers that are none."""
    if isinstance(told, Mapping):
        return {str(key): plain(value) for key, value in told.items()}
    if isinstance(told, list | tuple):
        return [plain(value) for value in told]
    if isinstance(told, float | np.floating):
        return float(told) if math.isfinite(told) else None
    return told


def _table(agreements: Iterable[Agreement]) -> Iterator[tuple[object, ...]]:
    """Yield the rows of the table."""
    for one in agreements:
        place = (one.label, one.kind, one.stage, one.video, one.face)
        named = [("", "", one.figures), *((pair.first, pair.second, pair.figures) for pair in one.pairs)]
        named += [(pair.first, pair.second, pair.figures) for pair in one.alone]
        for first, second, figures in named:
            for figure in figures:
                value = f"{figure.value:.6f}" if math.isfinite(figure.value) else ""
                yield (*place, first, second, figure.name, value, figure.count, figure.why)
