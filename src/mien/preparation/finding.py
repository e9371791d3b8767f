"""Which face of a picture a row means, and where it is."""

from dataclasses import dataclass

import numpy as np

from mien.arrays import BoolArray, FloatArray, Image
from mien.databases.index import Index
from mien.errors import DatabaseError
from mien.faces.alignment import template
from mien.faces.detection import TYPICAL, Detector, Faces, in_crop, in_still
from mien.faces.tracking import overlap

OVERLAP = 0.2
"""Intersection over union from which a found face is the one that a database's box means."""

BOX = ("box_x", "box_y", "box_w", "box_h")
"""The columns of an Index that give a face's box, in pixels."""

LANDMARKS = tuple(
    f"{point}_{axis}"
    for point in ("left_eye", "right_eye", "nose_tip", "left_mouth", "right_mouth")
    for axis in "xy"
)
"""Columns of an Index that give the five points a face is aligned by, in pixels; left is the picture's."""


@dataclass(frozen=True)
class Wanted:
    """Whose face is wanted in a picture.

    Attributes:
        face: "" for the main one, "left" or "right"; any other name needs a box.
        box: (4,) x, y, width, height that the database gives; NaN where it gives none.
    """

    face: str
    box: FloatArray


def wanted_face(index: Index, row: int) -> Wanted:
    """Return whose face a row wants."""
    box = [index.columns[side][row] if side in index.columns else np.nan for side in BOX]
    return Wanted(index.face.at(row), np.array(box, np.float64))


def given_landmarks(index: Index, row: int) -> FloatArray | None:
    """Return the landmarks (5, 2) that a row gives itself; None where it does not give them all."""
    if not all(name in index.columns for name in LANDMARKS):
        return None
    points = np.array([index.columns[name][row] for name in LANDMARKS], np.float32).reshape(5, 2)
    return points if np.isfinite(points).all() and np.ptp(points, axis=0).any() else None


def unplaced(index: Index) -> BoolArray:
    """Return which rows want a face that can be told from others neither by its side nor by a box, (n,)."""
    if index.cropped:
        return np.zeros(len(index), bool)
    boxed = np.ones(len(index), bool)
    for side in BOX:
        boxed &= np.isfinite(index.columns.get(side, np.full(len(index), np.nan)))
    unclear: BoolArray = ~boxed & ~index.face.matches("", "left", "right") & ~index.media.matches("")
    return unclear


def in_tight_picture(detector: Detector, picture: Image, given: bool) -> tuple[FloatArray, bool]:
    """Return the landmarks (5, 2) in a picture that shows one face, and whether it was found.

    Args:
        detector: finds the landmarks.
        picture: grey or BGR.
        given: do not look: the picture is aligned to the usual template (112 x 112, or as large as it
            is), and its landmarks are the template's.

    Raises:
        DatabaseError: taken as aligned, but not square.
    """
    if not given:
        return in_crop(detector, picture)
    height, width = picture.shape[:2]
    if height != width:
        raise DatabaseError(
            f"a picture of {width} x {height} is not aligned: expected a square one, or no --aligned"
        )
    return template(width, 1.0), True


def in_open_picture(detector: Detector, picture: Image, wanted: Wanted) -> tuple[FloatArray, bool]:
    """Return the landmarks (5, 2) of the wanted face in a single picture, and whether it was found.

    Where it was not, TYPICAL landmarks stand in, placed in the database's box or in the whole picture.
    """
    faces = in_still(detector, picture)
    place = choose(faces, wanted, picture.shape[1])
    if place is not None:
        return faces.landmarks[place], True
    height, width = picture.shape[:2]
    left, top, w, h = wanted.box if np.isfinite(wanted.box).all() else (0, 0, width, height)
    return (TYPICAL * [w, h] + [left, top]).astype(np.float32), False


def choose(faces: Faces, wanted: Wanted, width: int) -> int | None:
    """Return the place of the wanted face among those of a picture; None if it is not there.

    With a box: the face that overlaps it most. The main face is the largest. "left" and "right" are
    those of the two largest; where one face alone is seen, it is the one of its half of the picture.

    Raises:
        DatabaseError: a face that is neither of these has no box.
    """
    if not len(faces):
        return None
    if np.isfinite(wanted.box).all():
        overlaps = [overlap(box, wanted.box) for box in faces.boxes]
        best = int(np.argmax(overlaps))
        return best if overlaps[best] >= OVERLAP else None
    order = np.argsort(-faces.boxes[:, 2] * faces.boxes[:, 3], kind="stable")
    if wanted.face == "":
        return int(order[0])
    if wanted.face not in ("left", "right"):
        raise DatabaseError(f"which face is {wanted.face!r}? name it left or right, or give its box")
    two = order[:2]
    centres = faces.boxes[two, 0] + faces.boxes[two, 2] / 2
    if len(two) == 1:
        side = "left" if centres[0] < width / 2 else "right"
        return int(two[0]) if side == wanted.face else None
    return int(two[np.argmin(centres) if wanted.face == "left" else np.argmax(centres)])
