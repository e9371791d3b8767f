"""Action units from the shapes of a face model, by the names that ARKit gave them.

A shape's activation says how far a face model is bent, from 0 to 1. It is no intensity of FACS, and a unit
derived from it is no coding by a person: two shapes may share a unit, and several units have no shape.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from mien.arrays import FloatArray

SHAPES: Mapping[str, str] = {
    "AU01": "browInnerUp",
    "AU02": "browOuterUp",
    "AU04": "browDown",
    "AU05": "eyeWide",
    "AU06": "cheekSquint",
    "AU07": "eyeSquint",
    "AU09": "noseSneer",
    "AU10": "mouthUpperUp",
    "AU12": "mouthSmile",
    "AU14": "mouthDimple",
    "AU15": "mouthFrown",
    "AU17": "mouthShrugLower",
    "AU18": "mouthPucker",
    "AU20": "mouthStretch",
    "AU24": "mouthPress",
    "AU26": "jawOpen",
    "AU43": "eyeBlink",
}
"""Unit -> shape, without "Left" or "Right". AU25, parted lips, is the gap between the lips instead."""

ABSENT, CERTAIN = 0.1, 0.4
"""Activations up to the first count as absent for sure, from the second on as present for sure."""

CLOSED, PARTED = 0.02, 0.10
"""Gaps between the inner lips, as shares of the distance between the outer corners of the eyes: up to the
first they are closed for sure, from the second on parted for sure."""


TOLD: Mapping[str, tuple[float, float]] = {
    "AU01": (0.1, 0.5),
    "AU02": (0.1, 0.5),
    "AU04": (0.1, 0.5),
    "AU05": (0.03, 0.2),
    "AU07": (0.3, 0.6),
    "AU10": (0.1, 0.5),
    "AU12": (0.1, 0.5),
    "AU18": (0.3, 0.7),
    "AU20": (0.08, 0.35),
    "AU25": (CLOSED, PARTED),
    "AU26": (0.1, 0.4),
    "AU43": (0.35, 0.65),
}
"""Units that the landmarker tells on real faces, and up to where its activation means absent and from where
present. A shape whose activations stay small has lower points, one that rests high (narrowed eyes, lids of a
downward look, small mouths) higher ones. Not told are units whose activation does not repeat on the mirror
image (AU14, AU15, AU17, AU24) or never leaves 0 (AU06, AU09); docs/derived.md has the figures."""


def presence(activation: ArrayLike, absent: float = ABSENT, certain: float = CERTAIN) -> FloatArray:
    """Return how sure it is that a unit is present, 0 to 1, rising in a straight line between two points.

    Half way, which is where a probability says "present", the activation is the mean of the two.

    Args:
        activation: of a shape, or a gap between lips; any shape of array, NaN stays NaN.
        absent: up to here the unit is absent.
        certain: from here on it is present.
    """
    values = (np.asarray(activation, np.float64) - absent) / (certain - absent)
    return np.clip(values, 0, 1).astype(np.float32)
