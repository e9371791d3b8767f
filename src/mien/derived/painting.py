"""What a face model without textures is painted with: skin, lips, brows, eyes, hair and beard.

Each vertex has one colour. Where what is told from the mean face, so that paint moves with the mesh.
"""

from dataclasses import dataclass

import numpy as np

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.derived.facekit import EYES, GUMS, MOUTH, SKIN, TEETH, FaceKit

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """How one person is painted; colours are red, green, blue in 0 to 1, linear.

    Attributes:
        skin: mean colour.
        mottle: how much skin varies over the face, as a share.
        lips: colour.
        hair: colour of hair, brows and beard.
        brow: how dense brows are, 0 to 1.
        brow_width: half their height, in the mesh's units.
        brow_shift: how far they are moved up.
        brow_tilt: how far their inner ends are, beyond that.
        hairline: height of the hair's edge above the forehead; infinite for a bald head.
        volume: by how much hair stands off the head.
        beard: how dense, 0 to 1; 0 for none.
        moustache: the same.
        iris: colour.
        liner: how dark the lids' edges are, 0 to 1.
        folds: how dark the skin's folds are when the face moves, 0 to 1.
        glasses: half the width of their frames; 0 for none.
        clothes: colour of what is worn.
        collar: height up to which it reaches at the neck.
        seed: of the pattern in the skin and the hair's edge.
    """

    skin: Colour
    mottle: float
    lips: Colour
    hair: Colour
    brow: float
    brow_width: float
    brow_shift: float
    brow_tilt: float
    hairline: float
    volume: float
    beard: float
    moustache: float
    iris: Colour
    liner: float
    folds: float
    glasses: float
    clothes: Colour
    collar: float
    seed: int


_TONES = np.array(
    [[0.78, 0.56, 0.45], [0.66, 0.44, 0.33], [0.52, 0.32, 0.22], [0.33, 0.18, 0.11], [0.15, 0.08, 0.05]]
)
"""Skin from light to dark, linear."""

_HAIRS = np.array(
    [
        *([0.012, 0.010, 0.009], [0.03, 0.02, 0.014], [0.08, 0.045, 0.025], [0.2, 0.12, 0.06]),
        *([0.42, 0.3, 0.16], [0.25, 0.09, 0.03], [0.35, 0.34, 0.33]),
    ]
)
_IRISES = np.array([[0.02, 0.012, 0.008], [0.06, 0.03, 0.012], [0.08, 0.12, 0.16], [0.07, 0.1, 0.05]])


def random_look(rng: np.random.Generator) -> Look:
    """Return a person's look; dark hair is commonest, and the darker the skin the commoner."""
    place = rng.uniform(0, len(_TONES) - 1)
    low = min(int(place), len(_TONES) - 2)
    skin = _TONES[low] + (place - low) * (_TONES[low + 1] - _TONES[low])
    skin = np.clip(skin * rng.uniform(0.88, 1.12, 3), 0.01, 0.95)
    dark = place > 2.2 and rng.random() < 0.9
    hair = _HAIRS[
        rng.integers(2) if dark or rng.random() < 0.35 else rng.integers(len(_HAIRS))
    ] * rng.uniform(0.7, 1.3)
    lips = skin * rng.uniform([0.62, 0.35, 0.4], [0.95, 0.7, 0.75])
    if rng.random() < 0.15:
        lips = np.array([0.35, 0.03, 0.05]) * rng.uniform(0.5, 1.3)
    bearded = rng.random() < 0.25
    return Look(
        skin=_colour(skin),
        mottle=float(rng.uniform(0.03, 0.16)),
        lips=_colour(lips),
        hair=_colour(hair),
        brow=float(rng.uniform(0.7, 1.0)),
        brow_width=float(rng.uniform(0.3, 0.65)),
        brow_shift=float(rng.uniform(-0.45, 0.1)),
        brow_tilt=float(rng.normal(-0.5, 0.2)),
        hairline=float("inf") if rng.random() < 0.1 else float(rng.uniform(8.3, 11)),
        volume=float(rng.uniform(0.1, 1.6)),
        beard=float(rng.uniform(0.2, 0.9)) if bearded else 0.0,
        moustache=float(rng.uniform(0.2, 0.9)) if bearded and rng.random() < 0.9 else 0.0,
        iris=_colour(_IRISES[rng.integers(2) if dark else rng.integers(len(_IRISES))]),
        liner=float(rng.uniform(0.5, 1.0)),
        folds=float(rng.uniform(0.1, 0.7)),
        glasses=float(rng.uniform(0.08, 0.28)) if rng.random() < 0.12 else 0.0,
        clothes=_colour(rng.uniform(0.01, 0.7) * rng.uniform(0.5, 1, 3)),
        collar=float(rng.uniform(-14, -10.5)),
        seed=int(rng.integers(2**31)),
    )


def _colour(values: FloatArray) -> Colour:
    """Return three numbers as a colour."""
    red, green, blue = (float(value) for value in values)
    return red, green, blue


class Painter:
    """Paints the vertices of a face model.

    Args:
        kit: the model.
    """

    def __init__(self, kit: FaceKit) -> None:
        self._rest = kit.neutral
        marks = kit.neutral[kit.landmarks]
        skin = self._rest[SKIN]
        front = skin[:, 2] > 4
        outer = _depth(skin[:, :2], marks[48:60, :2])
        self._lips = np.where(skin[:, 2] > 8, ramp(outer, -0.12, 0.12), 0)
        self._lids = np.maximum(
            *(_near_ring(skin, marks[side], 0.45) for side in (slice(36, 42), slice(42, 48)))
        )
        self._inner = np.maximum(
            *(
                np.where(front & (skin[:, 2] < 9), ramp(_depth(skin[:, :2], marks[side, :2]), -0.1, 0.15), 0)
                for side in (slice(36, 42), slice(42, 48))
            )
        )
        self._between = _near_ring(skin, marks[60:68], 0.3)
        nostrils = np.minimum(
            *(np.linalg.norm(skin - marks[side] - [0, -0.1, -0.2], axis=1) for side in (32, 34))
        )
        self._nostrils = ramp(0.55 - nostrils, 0, 0.35)
        self._brows = (marks[17:22, :2], marks[22:27, :2])
        self._marks = marks

    def hair(self, look: Look) -> FloatArray:
        """Return how much of each vertex (v,) is hair, 0 to 1."""
        hair = np.zeros(len(self._rest), np.float32)
        skin = self._rest[SKIN]
        edge = look.hairline - 1.6 * np.maximum(0, 5.5 - skin[:, 2])
        edge = np.maximum(edge, -6.0) + 1.2 * pattern(skin, look.seed, 0.6)
        hair[SKIN] = ramp(skin[:, 1] - edge, -0.4, 0.5)
        return hair

    def paint(self, look: Look) -> FloatArray:
        """Return each vertex's colour and gloss (v, 4), float32 in 0 to 1."""
        paint = np.zeros((len(self._rest), 4), np.float32)
        paint[SKIN] = self._skin(look)
        paint[MOUTH] = (0.05, 0.012, 0.012, 0.1)
        paint[GUMS] = (0.14, 0.04, 0.04, 0.2)
        paint[TEETH] = (0.45, 0.42, 0.35, 0.25)
        for side in EYES:
            paint[side] = self._eye(self._rest[side], look)
        return paint

    def _skin(self, look: Look) -> FloatArray:
        """Return colour and gloss (n, 4) of face, head and neck."""
        skin = self._rest[SKIN]
        tone = np.array(look.skin, np.float32)
        variation = 1 + look.mottle * (
            pattern(skin, look.seed, 0.35) + 0.6 * pattern(skin, look.seed + 1, 1.3)
        )
        colour: FloatArray = tone * variation[:, None]
        blush = np.exp(-(((np.abs(skin[:, 0]) - 4.2) / 1.8) ** 2) - ((skin[:, 1] - 0.2) / 1.8) ** 2)
        colour = colour * (1 - 0.12 * blush[:, None] * np.array([0.1, 1, 1]))
        socket = np.exp(-(((np.abs(skin[:, 0]) - 3) / 1.9) ** 2) - ((skin[:, 1] - 3.6) / 1.2) ** 2)
        colour = colour * (1 - 0.42 * socket[:, None])
        below = ramp(-7.6 + 0.25 * np.abs(skin[:, 0]) - skin[:, 1], -0.6, 1.2) * ramp(9.5 - skin[:, 2], 0, 2)
        colour = colour * (1 - 0.45 * below[:, None])
        colour = _over(colour, np.array(look.hair), 0.85 * self._beard(skin, look))
        colour = _over(colour, np.array(look.hair), self._brow(skin, look))
        colour = _over(colour, np.array(look.lips), 0.9 * self._lips)
        colour = _over(colour, 0.12 * tone, 0.8 * self._between)
        colour = _over(colour, 0.1 * tone, 0.8 * self._nostrils)
        colour = _over(colour, 0.15 * tone, look.liner * self._lids)
        colour = _over(colour, 0.3 * tone, 0.7 * self._inner)
        if look.glasses:
            colour = _over(colour, np.full(3, 0.01), _frames(skin, look.glasses))
        hair = self.hair(look)[SKIN]
        strands = np.array(look.hair) * (1 + 0.5 * pattern(skin, look.seed + 2, 2.5))[:, None]
        colour = _over(colour, strands, hair)
        worn = ramp(look.collar + 0.3 * np.abs(skin[:, 0]) - 0.25 * skin[:, 2] - skin[:, 1], -0.1, 0.1)
        colour = _over(colour, np.array(look.clothes), worn * (skin[:, 1] < -9))
        gloss = (0.35 * (1 - hair) + 0.4 * self._lips) * (1 - worn)
        return np.asarray(np.column_stack([np.clip(colour, 0.003, 1), gloss]), np.float32)

    def _brow(self, skin: FloatArray, look: Look) -> FloatArray:
        """Return how much of each vertex is brow."""
        dense = np.zeros(len(skin))
        for line in self._brows:
            ends = np.abs(line[:, 0])
            tilt = look.brow_tilt * (1 - (ends - ends.min()) / np.ptp(ends)) ** 2
            ridge = line + np.column_stack([np.zeros(len(line)), look.brow_shift + tilt])
            away, along = to_line(skin[:, :2], ridge)
            inner = along if line[0, 0] > 0 else 1 - along
            width = look.brow_width * (1.15 - 0.7 * np.clip(inner, 0, 1))
            dense = np.maximum(dense, ramp(width - away, -0.15, 0.15))
        hairs = 0.85 + 0.15 * pattern(skin, look.seed + 3, 3.0)
        return np.asarray(np.where(skin[:, 2] > 6, look.brow * dense * hairs, 0))

    def _beard(self, skin: FloatArray, look: Look) -> FloatArray:
        """Return how much of each vertex is beard or moustache."""
        x, y, z = np.abs(skin[:, 0]), skin[:, 1], skin[:, 2]
        corner, nose = self._marks[54], self._marks[33]
        edge = corner[1] + 0.4 + 0.75 * np.maximum(0, x - corner[0] - 0.3)
        chin = ramp(np.minimum(edge, nose[1] + 2.5) - y, -0.4, 0.6) * (z > 1) * ramp(y, -11, -9)
        lip = ramp(nose[1] - 0.25 - y, -0.2, 0.3) * ramp(corner[0] + 0.5 - x, -0.3, 0.5)
        lip = lip * ramp(y - corner[1] + 0.8, -0.3, 0.3) * (z > 8)
        patches = 0.85 + 0.3 * pattern(skin, look.seed + 4, 1.8)
        dense = np.maximum(look.beard * chin, look.moustache * lip) * (1 - self._lips)
        return np.asarray(np.clip(dense * patches, 0, 1))

    @staticmethod
    def _eye(ball: FloatArray, look: Look) -> FloatArray:
        """Return colour and gloss (n, 4) of an eyeball that looks to the viewer."""
        centre = (ball.min(axis=0) + ball.max(axis=0)) / 2
        away = np.linalg.norm(ball[:, :2] - centre[:2], axis=1)
        away = np.where(ball[:, 2] > centre[2], away, 9)
        colour = np.tile(np.array([0.5, 0.47, 0.45]), (len(ball), 1))
        colour = _over(colour, np.array(look.iris), ramp(0.68 - away, -0.06, 0.06))
        colour = _over(colour, np.full(3, 0.004), ramp(0.27 - away, -0.06, 0.06))
        return np.asarray(np.column_stack([colour, np.full(len(ball), 1.0)]), np.float32)


def pattern(points: FloatArray, seed: int, frequency: float) -> FloatArray:
    """Return a smooth random pattern (n,) at points (n, 3), about -1 to 1: a sum of eight waves."""
    rng = np.random.default_rng(seed)
    waves = rng.normal(0, frequency, (8, 3))
    return np.asarray(np.cos(points @ waves.T + rng.uniform(0, 2 * np.pi, 8)).sum(axis=1) / 4)


def _frames(skin: FloatArray, width: float) -> FloatArray:
    """Return how much of each vertex (n, 3) the frames of glasses cover, as if they lay on the skin."""
    x, y, z = np.abs(skin[:, 0]), skin[:, 1], skin[:, 2]
    round_eye = (((x - 3.05) / 1.95) ** 4 + ((y - 3.2) / 1.5) ** 4) ** 0.25
    away = 1.6 * np.abs(round_eye - 1)
    away = np.where((x < 1.2) | (x > 4.9), np.minimum(away, np.abs(y - 3.7)), away)
    return np.where(z > 1, ramp(width - away, -0.12, 0.12), 0)


def ramp(values: FloatArray, low: float, high: float) -> FloatArray:
    """Return values as 0 up to `low`, 1 from `high` on, smooth between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def _over(colour: FloatArray, paint: FloatArray, cover: FloatArray) -> FloatArray:
    """Return colours (n, 3) with a paint, (3,) or (n, 3), laid over as far as it covers, (n,)."""
    return colour + cover[:, None] * (paint - colour)


def to_line(points: FloatArray, line: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how far points (n, 2) are from a line of corners (m, 2), and how far along they are, 0 to 1."""
    start, step = line[:-1], np.diff(line, axis=0)
    t = ((points[:, None] - start) * step).sum(axis=2) / (step**2).sum(axis=1)
    t = np.clip(t, 0, 1)
    away = np.linalg.norm(points[:, None] - start - t[..., None] * step, axis=2)
    nearest = away.argmin(axis=1)
    rows = np.arange(len(points))
    return away[rows, nearest], (nearest + t[rows, nearest]) / len(step)


def _depth(points: FloatArray, ring: FloatArray) -> FloatArray:
    """Return how deep points (n, 2) lie inside a closed ring of corners (m, 2); negative outside."""
    closed = np.concatenate([ring, ring[:1]])
    away, _ = to_line(points, closed)
    return np.where(_inside(points, ring), away, -away)


def _inside(points: FloatArray, ring: FloatArray) -> BoolArray:
    """Return which points (n, 2) lie in a closed ring: a ray from there crosses it an odd number of times."""
    x, y = points[:, :1], points[:, 1:]
    (x1, y1), (x2, y2) = ring.T, np.roll(ring, -1, axis=0).T
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = x1 + (y - y1) / (y2 - y1) * (x2 - x1)
    crossed: IntArray = (((y1 > y) != (y2 > y)) & (x < crossing)).sum(axis=1)
    odd: BoolArray = crossed % 2 == 1
    return odd


def _near_ring(points: FloatArray, ring: FloatArray, reach: float) -> FloatArray:
    """Return how near points (n, 3) are to a closed ring (m, 3): 1 on it, 0 from `reach` on."""
    away, _ = to_line(points, np.concatenate([ring, ring[:1]]))
    return ramp(reach - away, 0, reach)
