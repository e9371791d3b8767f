"""What rendered faces show, and its labels: units at random, or expressions after a script.

An expression's units are those commonly listed for it (Ekman and Friesen 1983, EMFACS; Matsumoto et al. 2008,
"Facial expressions of emotion"); how likely a face shows each is ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mien.arrays import FloatArray
from mien.derived.circumplex import on_circumplex
from mien.derived.facekit import sides
from mien.derived.units import CLOSED, PARTED, SHAPES, presence
from mien.tasks import ACTION_UNITS_18, EXPRESSION_8_CONTEMPT

RANDOM = "random"
"""The script of pictures whose units are chosen one by one."""

RATES: Mapping[str, float] = dict.fromkeys(SHAPES, 0.28) | {
    "AU05": 0.3,
    "AU10": 0.35,
    "AU12": 0.4,
    "AU14": 0.4,
    "AU15": 0.4,
    "AU17": 0.4,
    "AU18": 0.7,
    "AU20": 0.4,
    "AU24": 0.45,
    "AU26": 0.4,
    "AU43": 0.22,
}
"""How often a unit is tried in a random picture; units that it would cancel make it rarer."""

CANCELLING: tuple[tuple[str, str], ...] = (
    *(("AU43", "AU05"), ("AU43", "AU07")),
    *(("AU12", "AU15"), ("AU12", "AU18"), ("AU12", "AU20"), ("AU12", "AU24")),
    *(("AU14", "AU18"), ("AU14", "AU15"), ("AU14", "AU20")),
    *(("AU15", "AU18"), ("AU18", "AU20"), ("AU18", "AU24"), ("AU18", "AU10")),
    *(("AU24", "AU10"), ("AU24", "AU20"), ("AU24", "AU26"), ("AU17", "AU26")),
)
"""Pairs of units that undo or hide each other, of which a picture has one at most."""

_LEVEL, _TRACE = (0.25, 1.0), 0.15
"""Activations of a unit that is shown; and the most of one that is not."""

_JAW = 0.7
"""An open jaw's share of full activation: beyond it, faces are none that are seen."""

Cast = tuple[tuple[str, float, float], ...]

PROTOTYPES: Mapping[str, Cast] = {
    "neutral": (),
    "anger": (
        *(("AU04", 1.0, 1.0), ("AU05", 0.6, 0.5), ("AU07", 0.8, 0.8), ("AU24", 0.9, 0.5)),
        *(("AU17", 0.7, 0.4), ("AU10", 0.5, 0.15), ("AU26", 0.5, 0.15)),
    ),
    "disgust": (
        *(("AU09", 1.0, 0.9), ("AU10", 0.9, 0.9), ("AU17", 0.7, 0.5), ("AU04", 0.6, 0.5)),
        *(("AU07", 0.7, 0.5), ("AU15", 0.5, 0.2)),
    ),
    "fear": (
        *(("AU01", 1.0, 0.9), ("AU02", 0.7, 0.8), ("AU04", 0.7, 0.8), ("AU05", 1.0, 0.9)),
        *(("AU07", 0.5, 0.4), ("AU20", 0.9, 0.8), ("AU25", 0.7, 0.6), ("AU26", 0.5, 0.4)),
    ),
    "happiness": (
        *(("AU12", 1.0, 1.0), ("AU06", 0.9, 0.85), ("AU25", 0.8, 0.5), ("AU26", 0.4, 0.2)),
        *(("AU07", 0.4, 0.15),),
    ),
    "sadness": (
        *(("AU01", 1.0, 0.9), ("AU04", 0.7, 0.7), ("AU15", 1.0, 0.9), ("AU17", 0.8, 0.5)),
        *(("AU43", 0.35, 0.1),),
    ),
    "surprise": (
        *(("AU01", 1.0, 0.95), ("AU02", 1.0, 0.95), ("AU05", 0.9, 0.8), ("AU26", 0.9, 0.85)),
        *(("AU25", 0.6, 0.2),),
    ),
    "contempt": (("AU14", 1.0, 1.0), ("AU12", 0.5, 0.4)),
}
"""Expression -> its units, each with its activation at full intensity and how likely it is."""

BESIDE: Mapping[str, float] = dict.fromkeys(
    (
        *("jawLeft", "jawRight", "mouthLeft", "mouthRight", "jawForward", "cheekPuff", "mouthFunnel"),
        *("mouthRollLower", "mouthRollUpper", "mouthShrugUpper"),
    ),
    0.04,
)
"""Shapes that no unit is derived from, and how often they are seen at random nevertheless."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What one face shows.

    Attributes:
        activations: (s,) of the model's shapes.
        script: the expression or, of a mixture, both, joined by "+"; RANDOM for units at random.
        intensity: of the expression, 0 (neutral) to 1; NaN where there is no script.
        shares: (8,) the distribution over EXPRESSION_8_CONTEMPT that the script means; NaN without one.
    """

    activations: FloatArray
    script: str
    intensity: float
    shares: FloatArray

    @property
    def affect(self) -> FloatArray:
        """Valence and arousal (2,), derived from the shares; NaN without a script."""
        return np.asarray(on_circumplex(EXPRESSION_8_CONTEMPT, self.shares[None])[0])


class Director:
    """Says what faces show.

    Args:
        names: of the model's shapes.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._sides = {unit: sides(names, shape) for unit, shape in SHAPES.items()}
        self._raisers = sides(names, "cheekRaiser")
        self._lowered = sides(names, "mouthLowerDown")

    def draw(self, rng: np.random.Generator) -> Shown:
        """Return what a face shows: as often units at random as a script."""
        return self.scripted(rng) if rng.random() < 0.5 else self.random(rng)

    def random(self, rng: np.random.Generator) -> Shown:
        """Return units chosen one by one."""
        tried = [unit for unit, rate in RATES.items() if rng.random() < rate]
        levels = {unit: float(rng.uniform(*_LEVEL)) for unit in tried}
        rng.shuffle(tried)
        levels = compatible(levels, tried)
        if "AU24" not in levels and rng.random() < 0.25:
            levels["AU25"] = float(rng.uniform(*_LEVEL))
        if "AU26" in levels:
            levels["AU26"] *= _JAW
        activations = self._activated(rng, levels, 0.15)
        for shape, rate in BESIDE.items():
            if rng.random() < rate:
                activations[sides(self.names, shape)] = rng.uniform(0.1, 0.7)
        return Shown(activations, RANDOM, np.nan, np.full(len(EXPRESSION_8_CONTEMPT), np.nan))

    def scripted(self, rng: np.random.Generator, expression: str = "", weakest: float = 0.15) -> Shown:
        """Return an expression of some intensity, sometimes a mixture of two, or none.

        Args:
            rng: where chance comes from.
            expression: which one, without another; "" for any.
            weakest: the least intensity.
        """
        first, second = rng.choice(EXPRESSION_8_CONTEMPT.labels, 2, replace=False)
        first = expression or first
        weight = float(rng.uniform(0.5, 0.9)) if not expression and rng.random() < 0.15 else 1.0
        intensity = float(rng.uniform(weakest, 1.0))
        levels: dict[str, float] = {}
        for name, part in ((str(first), weight), (str(second), 1 - weight)):
            for unit, gain, likely in PROTOTYPES[name]:
                if rng.random() < likely and part > 0:
                    level = gain * intensity * min(1.4 * part, 1.0) * rng.uniform(0.75, 1.2)
                    levels[unit] = min(max(levels.get(unit, 0.0), level), 1.0)
        if rng.random() < 0.05:
            levels["AU43"] = float(rng.uniform(0.5, 1))
        levels = compatible(levels, sorted(levels, key=lambda unit: -levels[unit]))
        if "AU26" in levels:
            levels["AU26"] *= _JAW
        lopsided = 1.0 if "contempt" in (first, second) and "AU14" in levels else 0.07
        shares = np.zeros(len(EXPRESSION_8_CONTEMPT), np.float32)
        shares[EXPRESSION_8_CONTEMPT.index("neutral")] += 1 - intensity
        shares[EXPRESSION_8_CONTEMPT.index(str(first))] += intensity * weight
        shares[EXPRESSION_8_CONTEMPT.index(str(second))] += intensity * (1 - weight)
        script = str(first) if weight == 1 else f"{first}+{second}"
        shown = 1 - float(shares[EXPRESSION_8_CONTEMPT.index("neutral")])
        return Shown(self._activated(rng, levels, lopsided), script, shown, shares)

    def _activated(
        self, rng: np.random.Generator, levels: Mapping[str, float], lopsided: float
    ) -> FloatArray:
        """Return the shapes (s,) for units' levels, the rest absent or a trace, and a gaze.

        Args:
            rng: where chance comes from.
            levels: of the units that are shown.
            lopsided: how likely the mouth is on one side only.
        """
        shapes = np.zeros(len(self.names), np.float32)
        side = int(rng.integers(2)) if rng.random() < lopsided else -1
        for unit, places in self._sides.items():
            level = levels.get(unit, 0.0)
            if level == 0 and rng.random() < 0.2:
                level = float(rng.uniform(0, _TRACE))
            both = level * (1 + rng.normal(0, 0.05, len(places)))
            one_sided = unit in ("AU10", "AU12", "AU14", "AU15", "AU02") or (unit == "AU43" and level > 0.6)
            if side >= 0 and len(places) == 2 and one_sided:
                both[1 - side] *= rng.uniform(0, 0.35)
            shapes[places] = both
        shapes[self._raisers] = shapes[self._sides["AU06"]]
        if "AU25" in levels:
            shapes[self._lowered] = levels["AU25"]
            shapes[self._sides["AU26"]] = np.maximum(shapes[self._sides["AU26"]], 0.12 * levels["AU25"])
        self._gaze(rng, shapes)
        return np.clip(shapes, 0, 1)

    def _gaze(self, rng: np.random.Generator, shapes: FloatArray) -> None:
        """Turn both eyes to one place, mostly about the camera."""
        left, up = rng.normal(0, [0.28, 0.22]).clip(-0.9, 0.9)
        of_left, of_right = ("eyeLookOut", "eyeLookIn") if left > 0 else ("eyeLookIn", "eyeLookOut")
        for name, level in (
            (f"{of_left}_L", abs(left)),
            (f"{of_right}_R", abs(left)),
            ("eyeLookUp", max(up, 0)),
            ("eyeLookDown", max(-up, 0) * 0.7),
        ):
            shapes[sides(self.names, name)] = level

    def levels(self, activations: FloatArray) -> FloatArray:
        """Return each unit's activation (n, 18), that of the stronger side; NaN for parted lips.

        Args:
            activations: (n, s) of the model's shapes.
        """
        found = np.full((len(activations), len(ACTION_UNITS_18)), np.nan, np.float32)
        for unit, places in self._sides.items():
            found[:, ACTION_UNITS_18.index(unit)] = activations[:, places].max(axis=1)
        return found


def compatible(levels: Mapping[str, float], order: Sequence[str]) -> dict[str, float]:
    """Return the levels of units without those that cancel one earlier in order."""
    kept: dict[str, float] = {}
    for unit in order:
        if not any({unit, other} == set(pair) for other in kept for pair in CANCELLING):
            kept[unit] = levels[unit]
    return kept


def presences(levels: FloatArray, gaps: FloatArray) -> FloatArray:
    """Return how sure it is that each unit is present, (n, 18).

    Args:
        levels: (n, 18) activations, as `Director.levels` returns them.
        gaps: (n,) between the inner lips over the distance of the eyes' outer corners.
    """
    present = presence(levels)
    present[:, ACTION_UNITS_18.index("AU25")] = presence(gaps, CLOSED, PARTED)
    return present
