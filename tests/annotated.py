"""Made-up annotators: traces of a known curve with known lags and noise, segments of known events."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from mien.annotation.records import Annotations, Segment, Trace
from mien.arrays import FloatArray

LAGS = {"anna": 0.4, "ben": 1.2, "cora": 2.5}
"""Three annotators, and by how many seconds each is late."""


def curve(seconds: FloatArray, turn: float = 0.0) -> FloatArray:
    """Return the truth at some times: slow waves within [-0.9, 0.9], others for each `turn`."""
    slow = 0.5 * np.sin(0.35 * seconds + turn) + 0.3 * np.sin(0.13 * seconds + 1 - turn)
    return np.asarray(slow + 0.1 * np.sin(0.9 * seconds + 2))


def traces(
    lags: Mapping[str, float],
    *,
    video: str = "talk.mp4",
    label: str = "valence",
    length: float = 90.0,
    rate: float = 25.0,
    noise: float = 0.05,
    opposed: Collection[str] = (),
    seed: int = 1,
    turn: float = 0.0,
) -> tuple[Trace, ...]:
    """Return a trace of each annotator: the truth, late, with noise, and upside down where opposed."""
    random = np.random.default_rng(seed)
    seconds = np.arange(round(length * rate)) / rate
    found = []
    for who, lag in lags.items():
        values = curve(seconds - lag, turn) * (-1 if who in opposed else 1)
        values = values + random.normal(0, noise, len(seconds))
        found.append(Trace(video, who, label, seconds, np.clip(values, -1, 1)))
    return tuple(found)


def segments(
    label: str, told: Mapping[str, Sequence[tuple[float, float]]], *, video: str = "talk.mp4", **more: object
) -> tuple[Segment, ...]:
    """Return segments of one label: of each annotator where they begin and end."""
    return tuple(
        Segment(video, who, label, start, end, **more)  # type: ignore[arg-type]
        for who, spans in told.items()
        for start, end in spans
    )


def database(opposed: Collection[str] = ("dora",)) -> Annotations:
    """Return two videos traced by four, of whom one is upside down, and coded by three."""
    lags = {**LAGS, "dora": 1.0}
    said: list[Trace] = []
    for place, video in enumerate(("talk.mp4", "walk.mp4")):
        for label in ("valence", "arousal"):
            turn = place + 3.0 * (label == "arousal")
            against = opposed if label == "valence" else ()
            said += traces(lags, video=video, label=label, seed=place, turn=turn, opposed=against)
    coded = (
        *segments(
            "AU12", {"anna": [(2, 6), (20, 24)], "ben": [(2.2, 6.1), (20, 25)], "cora": [(3, 6)]}, intensity=3
        ),
        *segments("AU04", {"anna": [(40, 41)], "ben": [(40.1, 41)]}),
        *segments("happiness", {"anna": [(0, 20)], "ben": [(0, 22)], "cora": [(0, 19)]}),
        *segments("sadness", {"anna": [(20, 50)], "ben": [(22, 50)], "cora": [(19, 35)]}),
        *segments("surprise", {"cora": [(35, 50)]}),
        *segments("AU12", {"cora": [(60, 70)]}, scorable=False),
    )
    return Annotations(tuple(said), coded)
