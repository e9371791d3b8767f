"""Damage that pictures of faces suffer: each kind at several strengths, on a picture of any size.

Blur, shifts and hidden squares are shares of the face's width, which is the width of what the network's
crop shows, so that they mean the same on a crop of 48 pixels and on a photograph of a thousand. Noise, JPEG
and low light act on the pixels of the picture that is given, as a camera's do: on a crop that was stored
small they are harsher than on a large picture, of which the crop is an average.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from mien.arrays import FloatArray, Image
from mien.faces.alignment import template
from mien.inputs import Preprocessing

Strength = float | str

WHITE = 1000.0
"""Photons that a pixel counts at white in full light: about those of a webcam indoors."""

GAMMA = 2.2
"""Exponent by which 8-bit values are made of light."""


@dataclass(frozen=True)
class Where:
    """Where a face is in a picture.

    Attributes:
        width: of what the network's crop shows, in pixels of the picture.
        centre: (2,) x, y of the crop's centre.
        landmarks: (5, 2) eyes, nose tip and mouth corners, as of `mien.faces.detection.Faces`.
    """

    width: float
    centre: FloatArray
    landmarks: FloatArray

    @classmethod
    def of(cls, preprocessing: Preprocessing, landmarks: FloatArray) -> Self:
        """Return where a face with these landmarks (5, 2) is for a network with this preprocessing."""
        matrix = preprocessing.matrix(landmarks)
        scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
        middle = np.full(2, (preprocessing.size - 1) / 2) - matrix[:, 2]
        return cls(preprocessing.size / scale, np.linalg.solve(matrix[:, :2], middle), landmarks)

    @classmethod
    def stored(cls, preprocessing: Preprocessing, size: int) -> Self:
        """Return where the face is in an aligned crop of `size` whose middle the network is given."""
        wide = preprocessing.widened(size)
        landmarks = template(size, wide.zoom)
        landmarks[:, 1] -= (wide.centre - 0.5) * wide.zoom * size
        return cls(float(preprocessing.size), np.full(2, (size - 1) / 2), landmarks)


Change = Callable[[Image, Where, Strength, np.random.Generator], Image]


@dataclass(frozen=True)
class Damage:
    """One kind of damage.

    Attributes:
        name: unique.
        unit: what the strengths are, in words.
        strengths: from one end to the other.
        crop: what it does to a stored crop.
        picture: what it does to a picture in which the face is then looked for; None where it makes no sense.
        clean: before which of the strengths an undamaged face stands.
    """

    name: str
    unit: str
    strengths: tuple[Strength, ...]
    crop: Change
    picture: Change | None
    clean: int = 0


def blurred(image: Image, where: Where, strength: Strength, _: np.random.Generator) -> Image:
    """Return the picture blurred by a Gaussian whose sigma is so many per cent of the face's width."""
    sigma = float(strength) / 100 * where.width
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8)


def noisy(image: Image, _: Where, strength: Strength, rng: np.random.Generator) -> Image:
    """Return the picture with Gaussian noise of so many of 255 grey levels, each pixel and colour its own."""
    return _eight_bit(image + rng.normal(0, float(strength), image.shape))


def compressed(image: Image, _: Where, strength: Strength, __: np.random.Generator) -> Image:
    """Return the picture as JPEG of a quality from 1 to 100."""
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(strength)])
    assert done, "OpenCV can always encode a picture"
    flag = cv2.IMREAD_COLOR if image.ndim == 3 else cv2.IMREAD_GRAYSCALE
    return np.asarray(cv2.imdecode(data, flag), np.uint8)


def darkened(image: Image, _: Where, strength: Strength, rng: np.random.Generator) -> Image:
    """Return the picture in so many per cent of its light: photons counted by chance, then 8 bit.

    Shot noise alone (Poisson), with WHITE photons at white in full light; the picture stays dark.
    """
    light = (image / 255.0) ** GAMMA * (WHITE * float(strength) / 100)
    return _eight_bit(255 * (rng.poisson(light) / WHITE) ** (1 / GAMMA))


def flattened(image: Image, _: Where, strength: Strength, __: np.random.Generator) -> Image:
    """Return the picture with so many per cent of its contrast about its mean, in 8 bit."""
    mean = image.mean(axis=(0, 1))
    return _eight_bit(mean + float(strength) / 100 * (image - mean))


def small_and_back(image: Image, where: Where, strength: Strength, rng: np.random.Generator) -> Image:
    """Return the crop resized so that the face is so many pixels wide, and back."""
    small = shrunk(image, where, strength, rng)
    return np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def shrunk(image: Image, where: Where, strength: Strength, _: np.random.Generator) -> Image:
    """Return the picture resized so that the face is so many pixels wide."""
    factor = float(strength) / where.width
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def turned(image: Image, where: Where, strength: Strength, _: np.random.Generator) -> Image:
    """Return the crop turned counter-clockwise by so many degrees about the face, in the same frame."""
    centre = (float(where.centre[0]), float(where.centre[1]))
    matrix = np.asarray(cv2.getRotationMatrix2D(centre, float(strength), 1.0), np.float64)
    return _warped(image, matrix, image.shape[1::-1])


def turned_whole(image: Image, _: Where, strength: Strength, __: np.random.Generator) -> Image:
    """Return the picture turned counter-clockwise by so many degrees, in a frame that holds all of it."""
    height, width = image.shape[:2]
    centre = ((width - 1) / 2, (height - 1) / 2)
    matrix = np.asarray(cv2.getRotationMatrix2D(centre, float(strength), 1.0), np.float64)
    frame = np.ceil(np.abs(matrix[:, :2]) @ [width, height] - 1e-6)
    matrix[:, 2] += (frame - [width, height]) / 2
    return _warped(image, matrix, (int(frame[0]), int(frame[1])))


def part_hidden(image: Image, where: Where, strength: Strength, rng: np.random.Generator) -> Image:
    """Return the picture with a part of the face under one grey: "mouth", "eyes", or a half of the face."""
    left, right, nose, *mouth = where.landmarks
    apart = float(np.hypot(*(right - left)))
    middle, far = (left + right) / 2, 0.75 * where.width
    corners = {
        "mouth": (np.min(mouth, axis=0) - [0.3 * apart, 0.35 * apart], np.max(mouth, axis=0) + 0.35 * apart),
        "eyes": (np.minimum(left, right) - 0.35 * apart, np.maximum(left, right) + 0.35 * apart),
        "left half": (where.centre - far, np.array([middle[0], where.centre[1] + far])),
        "right half": (np.array([middle[0], where.centre[1] - far]), where.centre + far),
        "lower half": (np.array([where.centre[0] - far, nose[1]]), where.centre + far),
    }
    return _covered(image, *corners[str(strength)], rng)


def square_hidden(image: Image, where: Where, strength: Strength, rng: np.random.Generator) -> Image:
    """Return the picture with a square of so many per cent of the crop's area under one grey.

    It lies anywhere within what the network's crop shows; at 100 nothing of that is left.
    """
    side = np.sqrt(float(strength) / 100) * where.width
    first = where.centre - where.width / 2 + rng.uniform(0, where.width - side, 2)
    return _covered(image, first, first + side, rng)


def shifted(image: Image, where: Where, strength: Strength, rng: np.random.Generator) -> Image:
    """Return the crop moved by so many per cent of the face's width, each face in a direction of its own."""
    angle = rng.uniform(0, 2 * np.pi)
    step = float(strength) / 100 * where.width * np.array([np.cos(angle), np.sin(angle)])
    return _warped(image, np.array([[1, 0, step[0]], [0, 1, step[1]]]), image.shape[1::-1])


def zoomed(image: Image, where: Where, strength: Strength, _: np.random.Generator) -> Image:
    """Return the crop with the face so many times as large, about the crop's centre."""
    z = float(strength)
    shift = (1 - z) * where.centre
    return _warped(image, np.array([[z, 0, shift[0]], [0, z, shift[1]]]), image.shape[1::-1])


DAMAGES = (
    Damage("blur", "sigma, % of the face's width", (1, 2, 3, 4, 6, 8), blurred, blurred),
    Damage("noise", "sigma, grey levels of 255", (5, 10, 20, 40, 60), noisy, noisy),
    Damage("JPEG", "quality", (80, 50, 30, 15, 8, 4), compressed, compressed),
    Damage("low light", "% of full light", (50, 20, 10, 5, 2, 1), darkened, darkened),
    Damage("contrast", "% of its contrast", (50, 25, 10, 5, 2), flattened, flattened),
    Damage("scale", "width of the face, pixels", (200, 100, 64, 40, 30, 20), small_and_back, shrunk),
    Damage("rotation", "degrees", (-45, -30, -15, 15, 30, 45), turned, turned_whole, clean=3),
    Damage(
        "part hidden",
        "which part",
        ("mouth", "eyes", "left half", "right half", "lower half"),
        part_hidden,
        part_hidden,
    ),
    Damage("square hidden", "% of the crop's area", (5, 10, 20, 30, 50), square_hidden, square_hidden),
    Damage("shift", "% of the face's width", (2, 4, 6, 8, 12, 16), shifted, None),
    Damage("zoom", "times as large", (0.75, 0.85, 0.95, 1.05, 1.15, 1.3), zoomed, None, clean=3),
)


def moved(crops: Image, size: int, right: int, down: int) -> Image:
    """Return the middle (n, size, size[, 3]) of stored crops, taken so many whole pixels further on.

    Where the stored crops are too small for that their last pixels are repeated.
    """
    margin = (crops.shape[1] - size) // 2
    need = max(0, max(abs(right), abs(down)) - margin)
    edges = ((0, 0), (need, need), (need, need), (0, 0))[: crops.ndim]
    wide = np.pad(crops, edges, mode="edge") if need else crops
    top, left = margin + need + down, margin + need + right
    return wide[:, top : top + size, left : left + size]


def _eight_bit(values: FloatArray) -> Image:
    """Return values as 8-bit pixels."""
    return np.asarray(np.rint(values).clip(0, 255), np.uint8)


def _warped(image: Image, matrix: FloatArray, size: tuple[int, ...]) -> Image:
    """Return the picture moved by a matrix (2, 3) into (width, height); its edge is repeated beyond it."""
    warped = cv2.warpAffine(
        image, matrix, (size[0], size[1]), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(warped, np.uint8)


def _covered(image: Image, first: FloatArray, last: FloatArray, rng: np.random.Generator) -> Image:
    """Return the picture with one grey, drawn by chance, between two corners (x, y)."""
    (x0, y0), (x1, y1) = np.rint(first).astype(int).clip(0), np.rint(last).astype(int).clip(0)
    covered = image.copy()
    covered[y0:y1, x0:x1] = rng.integers(256)
    return covered
