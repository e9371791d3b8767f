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
