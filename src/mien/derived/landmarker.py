"""The shapes of a face that MediaPipe's face landmarker sees: 478 points, 52 activations from 0 to 1.

Two networks run one after the other, as ONNX files that are not part of mien (Apache-2.0; Kartynnik et al.
2019, "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs", and Grishchenko et al. 2022,
"Blendshapes GHUM"):

    face_landmarks_detector.onnx    a square of 256 x 256 pixels around a face -> points and a score
    face_blendshapes.onnx           146 of the points -> activations, by the names that ARKit gave them

The square follows the face's turn and is laid by five landmarks. What lies beyond the picture is black, for
the first network takes a tight picture's last pixels, repeated, for skin. A face is seen twice, as it is and
mirrored, so that what the two disagree in can be told from what they share.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mien.arrays import FloatArray, Image
from mien.errors import SettingsError
from mien.faces.alignment import align, similarity
from mien.inference import session

FILES = ("face_landmarks_detector.onnx", "face_blendshapes.onnx")
"""The networks' names in their folder."""

SIDE = 256
"""Pixels of the square that the first network sees."""

ROOM = 1.5
"""Side of the square, as a multiple of the longer side of the box around the points."""

OUTER_EYES, INNER_LIPS = (33, 263), (13, 14)
"""Points: outer corners of the eyes, the picture's left first; middles of the upper and lower inner lip."""

PLACES = np.array(
    [[0.371, 0.383], [0.629, 0.383], [0.500, 0.529], [0.391, 0.660], [0.609, 0.660]], np.float32
)
"""Where the five landmarks lie in the square: the means over pictures of FER2013, made symmetric, of squares
that `square` lays by the points."""

# fmt: off
READ = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70,
    78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149,
    150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195,
    197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300,
    308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375,
    377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454,
    466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)
"""The points that the second network reads, in its order."""

NAMES = (
    "neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft",
    "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight",
    "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight",
    "mouthFrownLeft", "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft",
    "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)
"""What the second network's outputs mean; left and right are the person's own."""
# fmt: on

OTHER_SIDE = tuple(
    NAMES.index(name[:-4] + "Right" if name.endswith("Left") else name.removesuffix("Right") + "Left")
    if name.endswith(("Left", "Right"))
    else place
    for place, name in enumerate(NAMES)
)
"""Of each name the place of the same shape on the face's other side."""

EXCHANGED = (1, 0, 2, 4, 3)
"""The order of the five landmarks in a mirror image."""


@dataclass(frozen=True)
class Shape:
    """One face as the landmarker sees it.

    Attributes:
        points: (478, 3) x, y in pixels of the picture; z, nearer is less, in the same unit.
        activations: (52,) in the order of NAMES, 0 to 1.
        presence: how sure the landmarker is that a face is there, 0 to 1; it is not calibrated.
    """

    points: FloatArray
    activations: FloatArray
    presence: float

    @property
    def gap(self) -> float:
        """How far the inner lips are apart, as a share of the distance of the eyes' outer corners."""
        lips, eyes = (np.linalg.norm(self.points[a] - self.points[b]) for a, b in (INNER_LIPS, OUTER_EYES))
        return float(lips / eyes)


class Landmarker:
    """The two networks.

    Args:
        folder: where FILES are.
        threads: processor threads of each.

    Raises:
        SettingsError: one of them is not there.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        for name in FILES:
            if not (folder / name).is_file():
                raise SettingsError(
                    f"{folder}: no {name} there; give the folder of the face landmarker's ONNX files"
                )
        self._first, self._second = (session(folder / name, threads) for name in FILES)
        self._inputs = [network.get_inputs()[0].name for network in (self._first, self._second)]

    def see(self, picture: Image, landmarks: FloatArray, passes: int = 1) -> Shape:
        """Return the shape of a face.

        Args:
            picture: grey or BGR.
            landmarks: (5, 2) x, y in its pixels, in the order of `mien.faces.detection.Faces`.
            passes: how often points are looked for; from the second time on in the square around the last.
        """
        edge = max(max(picture.shape[:2]) // 16, 1)
        picture = np.asarray(
            cv2.copyMakeBorder(picture, edge, edge, edge, edge, cv2.BORDER_CONSTANT), np.uint8
        )
        points, presence = self._points(picture, similarity(landmarks + edge, PLACES * SIDE))
        for _ in range(passes - 1):
            points, presence = self._points(picture, square(points))
        points[:, :2] -= edge
        return Shape(points, self._activations(points), presence)

    def see_twice(self, picture: Image, landmarks: FloatArray) -> tuple[Shape, Shape]:
        """Return the shape of a face, and that of its mirror image turned back.

        The second's points are those of the mirror image; its activations have left and right exchanged.
        Arguments as in `see`.
        """
        width = picture.shape[1]
        other = landmarks[list(EXCHANGED)] * [-1, 1] + [width - 1, 0]
        seen = self.see(np.ascontiguousarray(picture[:, ::-1]), other)
        turned = Shape(seen.points, seen.activations[list(OTHER_SIDE)], seen.presence)
        return self.see(picture, landmarks), turned

    def _points(self, picture: Image, matrix: FloatArray) -> tuple[FloatArray, float]:
        """Return the points (478, 3) and the presence of the face in the square that `matrix` cuts out."""
        crop = align(picture, matrix, SIDE)
        code = cv2.COLOR_GRAY2RGB if crop.ndim == 2 else cv2.COLOR_BGR2RGB
        pixels = (cv2.cvtColor(crop, code).astype(np.float32) / 255)[None]
        found, logit = self._first.run(None, {self._inputs[0]: pixels})[:2]
        points = found.reshape(-1, 3).astype(np.float64)
        scale = np.hypot(matrix[0, 0], matrix[1, 0])
        points[:, :2] = (points[:, :2] - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
        points[:, 2] /= scale
        return points.astype(np.float32), float(1 / (1 + np.exp(-logit.ravel()[0])))

    def _activations(self, points: FloatArray) -> FloatArray:
        """Return the activations (52,) of some points."""
        read = points[list(READ), :2].astype(np.float32)[None]
        return np.asarray(self._second.run(None, {self._inputs[1]: read})[0]).ravel()


def square(points: FloatArray) -> FloatArray:
    """Return the similarity (2, 3) that takes the square around a face's points to SIDE x SIDE pixels.

    The square is turned so that the outer corners of the eyes are level, and has ROOM around the points.

    Args:
        points: (478, 2 or more) x, y in pixels of the picture.
    """
    flat = points[:, :2].astype(np.float64)
    eyes = flat[OUTER_EYES[1]] - flat[OUTER_EYES[0]]
    cosine, sine = eyes / max(float(np.hypot(*eyes)), 1e-6)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    level = flat @ turn.T
    low, high = level.min(axis=0), level.max(axis=0)
    scale = SIDE / max(float((high - low).max()) * ROOM, 1e-6)
    shift = SIDE / 2 - scale * (low + high) / 2
    return np.concatenate([scale * turn, shift[:, None]], axis=1)
