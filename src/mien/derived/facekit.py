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

NAMES = tuple(
    name
    for shape in (
        *("PupilDilate", "browDown", "browInnerUp", "browOuterUp", "cheekPuff", "cheekRaiser", "cheekSquint"),
        *("eyeBlink", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide"),
        *("jawForward.", "jawLeft.", "jawOpen.", "jawRight.", "mouthClose.", "mouthDimple", "mouthFrown"),
        *("mouthFunnel.", "mouthLeft.", "mouthLowerDown", "mouthPress", "mouthPucker.", "mouthRight."),
        *("mouthRollLower.", "mouthRollUpper.", "mouthShrugLower.", "mouthShrugUpper.", "mouthSmile"),
        *("mouthStretch", "mouthUpperUp", "noseSneer"),
    )
    for name in ((shape[:-1],) if shape.endswith(".") else (f"{shape}_L", f"{shape}_R"))
)
"""The expression shapes; in the release each is an OBJ file of its name."""

LANDMARKS = np.array(
    [
        *(1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443),
        *(268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857),
        *(
            1140,
            2075,
            1147,
            4269,
            3360,
            1507,
            1542,
            1537,
            1528,
            1518,
            1511,
            3742,
            3751,
            3756,
            3721,
            3725,
            3732,
        ),
        *(5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216, 6207),
        *(6470, 5517, 5966),
    ]
)
"""The vertices of the 68 landmarks, as the release's vertex_indices.json has them."""


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
            kit = cls._released(place) if place.is_dir() else cls._packed(place)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{place}: not a readable face model ({str(error)[:200]})") from error
        if len(kit.neutral) != VERTICES or kit.shapes.shape[1:] != kit.neutral.shape:
            raise InputError(
                f"{place}: {len(kit.neutral):,} vertices, shapes {kit.shapes.shape}; expected the "
                f"{VERTICES:,} of ICT-FaceKit"
            )
        marks = kit.neutral[kit.landmarks]
        if marks[:, 2].argmax() != 30 or marks[:, 0].argmin() != 0 or marks[:, 0].argmax() != 16:
            raise InputError(
                f"{place}: the tip of the nose and the ears are other vertices than expected; early releases "
                "number them otherwise, get the newest"
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

    @classmethod
    def _released(cls, folder: Path) -> Self:
        """Return the model in the release's folder FaceXModel, a file of OBJ for each shape."""
        neutral, quads = _read_obj(folder / "generic_neutral_mesh.obj")
        shapes = [_read_obj(folder / f"{name}.obj")[0] - neutral for name in NAMES]
        modes = [_read_obj(folder / f"identity{number:03d}.obj")[0] - neutral for number in range(IDENTITIES)]
        return cls(neutral, NAMES, np.stack(shapes), np.stack(modes), quads, LANDMARKS)

    def index(self, name: str) -> int:
        """Return the place of a shape."""
        return self.names.index(name)

    def person(self, weights: FloatArray) -> FloatArray:
        """Return a head (v, 3) without expression: its identities weighted by (i,) numbers."""
        return np.asarray(self.neutral + np.tensordot(weights, self.identities, 1), np.float32)


def sides(names: Sequence[str], shape: str) -> list[int]:
    """Return the places of a shape or of its two halves, left before right."""
    return [place for place, name in enumerate(names) if name in (shape, f"{shape}_L", f"{shape}_R")]


def _read_obj(path: Path) -> tuple[FloatArray, IntArray]:
    """Return the vertices (v, 3) and faces (f, 4) of an OBJ file; a triangle's last corner is there twice.

    Raises:
        ValueError: a face has neither three nor four corners, or a number is none.
    """
    vertices: list[str] = []
    faces: list[list[int]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append(rest)
        elif kind == "f":
            corners = [int(corner.partition("/")[0]) - 1 for corner in rest.split()]
            if not 3 <= len(corners) <= 4:
                raise ValueError(f"{path.name}: a face of {len(corners)} corners")
            faces.append((corners + corners[-1:])[:4])
    places = np.array(" ".join(vertices).split(), np.float32).reshape(-1, 3)
    return places, np.array(faces, np.int64).reshape(-1, 4)
