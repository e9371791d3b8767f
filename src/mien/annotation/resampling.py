"""Traces at the same times: on a fixed rate, without tremble, and at the times of frames.

clock = Clock(25, folder_of_videos)
courses = courses_of(annotations, "valence", Steps())
values = courses[0].at(clock.times("talk.mp4", 0).seconds)
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from mien.annotation.records import Annotations, Trace
from mien.arrays import FloatArray, IntArray
from mien.errors import InputError, SettingsError
from mien.media.video import timestamps

LATE = 1e-9
"""Seconds by which a time may miss another and still be it."""


@dataclass(frozen=True)
class Steps:
    """What is done to traces before they are compared and fused.

    Attributes:
        rate: values per second; between two times the earlier value holds.
        median: seconds of the window of a median filter; 0 for none.
        tail: the last value holds as long as values of its trace usually do, but not for more seconds.
        limit: the longest lag in seconds that is looked for; 0 for no compensation.
        gain: a trace is not moved for less than this gain in CCC.
        reaction: seconds taken off all traces besides: the lag of the quickest annotator, which the traces
            alone cannot tell.

    Raises:
        SettingsError: one of them is out of range.
    """

    rate: float = 25.0
    median: float = 0.5
    tail: float = 1.0
    limit: float = 6.0
    gain: float = 0.01
    reaction: float = 0.0

    def __post_init__(self) -> None:
        ranges = {
            "rate": (1, 1000),
            "median": (0, 60),
            "tail": (0, 3600),
            "limit": (0, 60),
            "gain": (0, 2),
            "reaction": (0, 60),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise SettingsError(f"{name} of {getattr(self, name):g}, expected {low} to {high}")


@dataclass(frozen=True, eq=False)
class Times:
    """The times of one video's rows.

    Attributes:
        seconds: (n,) rising.
        frames: (n,) numbers of the video's frames from 0; without the video, of the rows.
    """

    seconds: FloatArray
    frames: IntArray


@dataclass(frozen=True)
class Clock:
    """When the rows of a video are.

    Attributes:
        rate: rows per second where there is no folder of videos.
        videos: folder of the videos, whose frames' own times are taken.
    """

    rate: float = 25.0
    videos: Path | None = None

    def times(self, video: str, end: float) -> Times:
        """Return the times of a video's rows.

        Args:
            video: its file name.
            end: second at which annotations of it end; not needed where the videos are at hand.

        Raises:
            InputError: the video is not in the folder, or cannot be read.
        """
        if self.videos is None:
            seconds = grid(end, self.rate)
            return Times(seconds, np.arange(len(seconds)))
        path = self.videos / video
        if not path.is_file():
            raise InputError(f"{path}: no such video; it is annotated, and its frames' times are needed")
        seconds = timestamps(path)
        return Times(seconds, np.arange(len(seconds)))


@dataclass(frozen=True, eq=False)
class Course:
    """What several annotators said over one video, on one grid of times.

    Attributes:
        video: its file name.
        label: what was traced.
        rate: values per second; the first is of second 0.
        annotators: (k) who.
        values: (k, n) in [-1, 1], NaN where not known.
    """

    video: str
    label: str
    rate: float
    annotators: tuple[str, ...]
    values: FloatArray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or len(self.values) != len(self.annotators):
            raise ValueError(f"values {self.values.shape} of {len(self.annotators)} annotators")

    def moved(self, lags: Mapping[str, float]) -> Self:
        """Return the course with each annotator's lag taken off, to a step of the grid."""
        steps = [round(lags.get(who, 0) * self.rate) for who in self.annotators]
        rows = [shifted(values, step) for values, step in zip(self.values, steps, strict=True)]
        return replace(self, values=np.stack(rows) if rows else self.values)

    def at(self, seconds: FloatArray) -> FloatArray:
        """Return the values nearest to some times, (k, len(seconds)); NaN outside."""
        places = np.floor(seconds * self.rate + 0.5 + LATE).astype(int)
        inside = (places >= 0) & (places < self.values.shape[1])
        found = self.values[:, np.where(inside, places, 0)] if self.values.shape[1] else None
        if found is None:
            return np.full((len(self.values), len(seconds)), np.nan)
        return np.asarray(np.where(inside, found, np.nan))

    def without(self, annotators: Collection[str]) -> Self:
        """Return the course without some annotators."""
        rows = [row for row, who in enumerate(self.annotators) if who not in annotators]
        who = tuple(self.annotators[row] for row in rows)
        return replace(self, annotators=who, values=self.values[rows])


def grid(end: float, rate: float) -> FloatArray:
    """Return the times 0, 1 / rate, ... up to `end` in seconds."""
    return np.arange(int(np.floor(end * rate + LATE)) + 1) / rate


def held(trace: Trace, seconds: FloatArray, tail: float) -> FloatArray:
    """Return a trace's values at some times, the earlier one held: (len(seconds),).

    NaN before its first time, and later after its last than `lasting`.
    """
    if not len(trace):
        return np.full(len(seconds), np.nan)
    places = np.searchsorted(trace.seconds, seconds + LATE, "right") - 1
    inside = (places >= 0) & (seconds <= trace.seconds[-1] + lasting(trace, tail) + LATE)
    return np.where(inside, trace.values[places.clip(0)], np.nan)


def shifted(values: FloatArray, steps: int) -> FloatArray:
    """Return values (n,) so many steps earlier, or later if negative; NaN where none are."""
    moved = np.full(len(values), np.nan)
    if steps >= 0:
        moved[: max(0, len(values) - steps)] = values[steps:]
    else:
        moved[-steps:] = values[:steps]
    return moved


def lasting(trace: Trace, tail: float) -> float:
    """Return for how many seconds a trace's last value holds: the median step, `tail` at most."""
    return min(tail, float(np.median(np.diff(trace.seconds)))) if len(trace) > 1 else tail


def despiked(values: FloatArray, rate: float, window: float) -> FloatArray:
    """Return the medians of windows around each value, (n,); what is not known stays so.

    Args:
        values: (n,) at a fixed rate, NaN where not known.
        rate: values per second.
        window: its length in seconds; what lasts less than half of it goes.
    """
    half = int(window * rate / 2 + LATE)
    known = np.isfinite(values)
    if half < 1 or not known.any():
        return values
    padded = np.pad(values.astype(float), half, constant_values=np.nan)
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)[known], axis=1)
    count = np.isfinite(windows).sum(axis=1)
    rows = np.arange(len(windows))
    medians = values.astype(float)
    medians[known] = (windows[rows, (count - 1) // 2] + windows[rows, count // 2]) / 2
    return medians


def course_of(traces: Sequence[Trace], steps: Steps) -> Course:
    """Return the traces of one label over one video on one grid, without tremble.

    Args:
        traces: one of each annotator, at least one.
        steps: rate, median and tail.
    """
    ends = [float(trace.seconds[-1]) + lasting(trace, steps.tail) for trace in traces if len(trace)]
    seconds = grid(max(ends, default=0), steps.rate)
    rows = [despiked(held(trace, seconds, steps.tail), steps.rate, steps.median) for trace in traces]
    who = tuple(trace.annotator for trace in traces)
    return Course(traces[0].video, traces[0].label, steps.rate, who, np.stack(rows))


def courses_of(annotations: Annotations, label: str, steps: Steps) -> list[Course]:
    """Return the courses of a label over all videos that have one, in order of their names."""
    found = ((video, annotations.of(label, video)) for video in annotations.videos)
    return [course_of(traces, steps) for _, traces in found if traces]
