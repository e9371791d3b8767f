"""Folds that skin gets where a face moves, which a mesh of ten thousand vertices is too coarse for: painted.

Where they lie is told on the mean face, of one side; the other is its mirror image.
"""

from collections.abc import Mapping

import numpy as np

from mien.arrays import FloatArray
from mien.derived.facekit import SKIN, FaceKit, sides
from mien.derived.painting import ramp, to_line

Line = tuple[tuple[float, float], ...]

LINES: Mapping[str, tuple[Line, ...]] = {
    "browDown": (((0.45, 4.9), (0.55, 5.7), (0.4, 6.5)),),
    "browInnerUp": (((0.0, 7.3), (2.0, 7.4)), ((0.0, 8.1), (2.0, 8.2))),
    "browOuterUp": (((2.0, 7.4), (4.6, 7.1)), ((2.0, 8.2), (4.4, 7.9))),
    "cheekSquint": (
        *(((4.7, 3.6), (5.6, 4.1)), ((4.8, 3.3), (5.8, 3.3)), ((4.7, 3.0), (5.6, 2.5))),
        ((1.9, 2.5), (3.0, 2.1), (4.3, 2.6)),
    ),
    "eyeSquint": (((2.0, 2.7), (3.1, 2.45), (4.1, 2.75)),),
    "noseSneer": (
        *(((0.0, 4.0), (0.7, 3.8)), ((0.0, 3.4), (0.7, 3.3)), ((0.8, 2.4), (1.5, 3.1))),
        ((1.4, -0.3), (2.2, -1.5)),
    ),
    "mouthUpperUp": (((1.5, -0.5), (2.4, -1.7), (3.0, -2.8)),),
    "mouthSmile": (((1.6, -0.7), (2.5, -1.8), (3.2, -3.2), (3.3, -4.0)),),
    "mouthDimple": (((3.1, -2.9), (3.25, -3.9)),),
    "mouthFrown": (((2.6, -3.8), (3.0, -4.9)),),
    "mouthStretch": (((3.0, -2.6), (3.5, -3.6), (3.4, -4.6)),),
    "mouthShrugLower": (((0.0, -5.4), (0.9, -5.7)), ((0.3, -6.1), (0.8, -6.4))),
}
"""Shape -> lines (x, y) in the mesh's units; x is mirrored."""

WIDTH = 0.22
"""Distance from a line at which nothing is left of it."""


def creases(kit: FaceKit) -> FloatArray:
    """Return how dark folds are when each shape is fully activated, (s, v) float32 in 0 to 1."""
    skin = kit.neutral[SKIN]
    front = ramp(skin[:, 2], 4, 7)
    places = np.column_stack([np.abs(skin[:, 0]), skin[:, 1]])
    dark = np.zeros((len(kit.shapes), len(kit.neutral)), np.float32)
    for shape, lines in LINES.items():
        folds = np.max([ramp(WIDTH - to_line(places, np.array(line))[0], 0, WIDTH) for line in lines], axis=0)
        halves = sides(kit.names, shape)
        for place in halves:
            half = ramp(skin[:, 0] * (1 if place == halves[0] else -1), -0.2, 0.2) if len(halves) == 2 else 1
            dark[place, SKIN] = folds * front * half
    return dark
