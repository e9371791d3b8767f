"""Where a new shot starts: hard cuts, one picture at a time.

Every picture is shrunk to a thumbnail and compared with the one before in the shot, at the small
shift that correlates best (Lewis 1995, "Fast Normalized Cross-Correlation"). Correlation does
not see a change of overall brightness or contrast; the shift takes away most of what a moving camera
does; what still moves raises the bar for the pictures after it; and a thing that appears or moves
changes too little of the picture. Dissolves and wipes are not found.
"""

from collections import deque

import cv2
import numpy as np

from mien.arrays import FloatArray, Image

SIZE = (64, 36)
"""Width and height of a thumbnail."""

REACH = 3
"""Largest shift tried, in pixels of the thumbnail."""

NOISE = 9.0
"""Variance of grey levels that counts as nothing, so that two empty pictures are alike."""

SHARE = 0.2
"""Least share of a thumbnail that a cut changes."""

LEVELS = 16.0
"""Difference that counts as a change, in grey levels; half of the contrast where that is less."""

UNKNOWN = 0.1
"""What is assumed of a shot's movement before its second picture."""

PATIENCE = 3
"""Pictures that a flash or a black gap may last without ending the shot."""


SHORTEST = 4
"""Pictures a shot lasts at least; in them its own motion is learned, so that motion is no cut."""


class ShotDetector:
    """Tells, picture after picture, whether a new shot has started.

    Args:
        threshold: least unlikeness (1 - correlation) of a cut in a still scene.
        margin: how many times the unlikeness of the pictures just before a cut must exceed.
    """

    def __init__(self, threshold: float = 0.03, margin: float = 3.0) -> None:
        self._threshold = threshold
        self._margin = margin
        self._before: FloatArray | None = None
        self._moves: deque[float] = deque(maxlen=8)
        self._waited = 0
        self._age = 1

    def update(self, image: Image) -> bool:
        """Return True where this picture starts a new shot; the first one of all does not.

        A flash or a black gap of up to PATIENCE pictures is waited for: a cut that looks like
        one (everything becomes brighter, or black) is told that many pictures late.

        Args:
            image: a grey or BGR picture of any size; a size other than before may come at any time.
        """
        thumbnail = _thumbnail(image)
        before = self._before
        if before is None:
            self._before = thumbnail
            return False
        moved, share = _change(before, thumbnail)
        bar = self._threshold + self._margin * max(self._moves, default=UNKNOWN)
        cut = moved > bar and share > SHARE
        if cut and self._waited < PATIENCE and _passing(before, thumbnail):
            self._waited += 1
            return False
        if cut:
            self._moves.clear()
        else:
            self._moves.append(moved)
        self._waited = 0
        self._before = thumbnail
        return cut


def _thumbnail(image: Image) -> FloatArray:
    """Return the picture as (36, 64, 3), float32; every n-th pixel is enough for that."""
    step = max(1, min(image.shape[:2]) // 144)
    small = cv2.resize(image[::step, ::step], SIZE, interpolation=cv2.INTER_AREA)
    if small.ndim == 2:
        small = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR)
    return small.astype(np.float32)


def _change(before: FloatArray, after: FloatArray) -> tuple[float, float]:
    """Return 1 - the best correlation over small shifts, in [0, 2], and the share that differs there."""
    inner = after[REACH:-REACH, REACH:-REACH]
    inner = inner - inner.mean(axis=(0, 1))
    before = before - before.mean(axis=(0, 1))
    height, width = inner.shape[:2]
    noise = NOISE * height * width
    products = cv2.matchTemplate(before, inner, cv2.TM_CCORR)
    energy = cv2.matchTemplate(
        np.square(before).sum(axis=2), np.ones((height, width), np.float32), cv2.TM_CCORR
    )
    own = float(np.square(inner).sum()) + noise
    likeness = (products + noise) / np.sqrt((energy + noise) * own)
    row, column = np.unravel_index(int(np.argmax(likeness)), likeness.shape)
    gain = float(np.sqrt((energy[row, column] + noise) / own))
    there = before[row : row + height, column : column + width]
    contrast = float(np.sqrt(np.square(there).mean()))
    differs = np.abs(there - gain * inner).max(axis=2) > min(LEVELS, max(contrast / 2, NOISE**0.5))
    return 1 - float(likeness[row, column]), float(differs.mean())


def _passing(before: FloatArray, after: FloatArray) -> bool:
    """Return whether the change may be a flash (hardly anything darker) or a gap (all black)."""
    flash = after.mean() > before.mean() + 15 and np.mean(after > before - 6) > 0.9
    return bool(flash or after.max() < 24)
