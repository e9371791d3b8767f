"""ICT-FaceKit: a face model of identities and expression shapes that share one mesh.

Li et al. 2020, "Learning Formation of Physically-Based Face Attributes"; the model is published under the MIT
licence as https://github.com/ICT-VGL/ICT-FaceKit. Its shapes have the names that ARKit gave them, most of
them in halves for the left and the right side of the person, who is on the right and left of the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from mien.arrays import FloatArray, IntArray
from mien.errors import InputError

SKIN = slice(0, 11248)
"""Vertices of face, head and neck."""

MOUTH = slice(11248, 13294)
"""The bag behind the lips."""

GUMS, TEETH = slice(14062, 17039), slice(17039, 21451)
"""Gums with the tongue; all teeth."""

EYES = (slice(21451, 22221), slice(23021, 23791))
"""The outer surfaces of the person's left and right eyeball."""

VERTICES, IDENTITIES = 26719, 100


@dataclass(frozen=True, eq=False)
class FaceKit:
    """The model: a face is neutral + identities weighted + shapes weighted.

    Attributes:
        neutral: (v, 3) the mean face without an expression, about a centimetre to a unit; x to the person's
            left, y up, z to the viewer.
        names: of the expression shapes, such as "jawOpen" and "mouthSmile_L".
        shapes: (s, v, 3) float32, what each adds at full activation.
        identities: (i, v, 3) what each adds; modes by which heads differ, to be weighted with numbers about
            as large as standard normal ones.
        quads: (f, 4) corners; the last two of a triangle are the same.
        landmarks: (68,) vertices of the usual 68 points, the first at the picture's left (the right ear).
    """

    neutral: FloatArray
    names: tuple[str, ...]
    shapes: FloatArray
    identities: FloatArray
    quads: IntArray
    landmarks: IntArray

    @classmethod
    def load(cls, place: Path) -> Self:
        """Return the model in a file of numpy arrays, or in a folder of the release's OBJ files.

        Raises:
            InputError: it is neither, or not this model.
        """
        try:
            kit = cls._packed(place)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{place}: not a readable face model ({str(error)[:200]})") from error
        if len(kit.neutral) != VERTICES or kit.shapes.shape[1:] != kit.neutral.shape:
            raise InputError(
                f"{place}: {len(kit.neutral):,} vertices, shapes {kit.shapes.shape}; expected the "
                f"{VERTICES:,} of ICT-FaceKit"
            )
        return kit

    @classmethod
    def _packed(cls, place: Path) -> Self:
        """Return the model in a file of numpy arrays."""
        with np.load(place, allow_pickle=False) as arrays:
            triangles = arrays["tris"]
            return cls(
                neutral=arrays["neutral"].astype(np.float32),
                names=tuple(str(name) for name in arrays["expr_names"]),
                shapes=arrays["expr"].astype(np.float32),
                identities=arrays["ident"].astype(np.float32),
                quads=np.concatenate([arrays["quads"], triangles[:, [0, 1, 2, 2]]]),
                landmarks=arrays["landmarks68"],
            )

    def index(self, name: str) -> int:
        """Return the place of a shape."""
        return self.names.index(name)

    def person(self, weights: FloatArray) -> FloatArray:
        """Return a head (v, 3) without expression: its identities weighted by (i,) numbers."""
        return np.asarray(self.neutral + np.tensordot(weights, self.identities, 1), np.float32)


def sides(names: Sequence[str], shape: str) -> list[int]:
    """Return the places of a shape or of its two halves, left before right."""
    return [place for place, name in enumerate(names) if name in (shape, f"{shape}_L", f"{shape}_R")]
