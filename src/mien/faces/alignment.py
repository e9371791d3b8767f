"""Faces brought into one position: a least-squares similarity from five landmarks to a template.

The template is the one face recognition settled on for 112 x 112 pictures. A smaller or wider
crop is the same template scaled about the picture's centre, so every crop of mien is described
by two numbers: its size in pixels and its zoom.
"""

import cv2
import numpy as np

from mien.arrays import FloatArray, Image

TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float32,
)
"""Left eye, right eye, nose tip, left and right mouth corner (picture's left) in 112 x 112 pixels."""


def template(size: int, zoom: float) -> FloatArray:
    """Return the five points (5, 2) in a crop of size x size pixels.

    Args:
        size: width and height of the crop in pixels.
        zoom: 1 is the standard crop; 1.2 shows the face 1.2 times as large, with less around it.
    """
    return ((TEMPLATE / 112 - 0.5) * zoom + 0.5) * size


def similarity(points: FloatArray, target: FloatArray) -> FloatArray:
    """Return the (2, 3) matrix of the rotation, scale and shift that best take points to target.

    Least squares over the points, without reflection (Umeyama 1991, in the plane). With points
    as complex numbers it is w = a z + b, and a = <z, w> / <z, z> after removing the means.

    Args:
        points: (n, 2), at least two different ones.
        target: (n, 2).

    Raises:
        ValueError: all points are the same, so that no scale exists.
    """
    z = points[:, 0] + 1j * points[:, 1].astype(np.complex128)
    w = target[:, 0] + 1j * target[:, 1].astype(np.complex128)
    z_mean, w_mean = z.mean(), w.mean()
    spread = np.sum(np.abs(z - z_mean) ** 2)
    if not spread > 0:
        raise ValueError("a similarity needs at least two different points")
    a = np.sum(np.conj(z - z_mean) * (w - w_mean)) / spread
    b = w_mean - a * z_mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def align(image: Image, matrix: FloatArray, size: int) -> Image:
    """Return the crop of size x size that the similarity `matrix` (2, 3) cuts from the picture.

    Beyond the picture's edge its last pixels are repeated. A face more than twice as large as
    the crop is averaged down first, so that no detail turns into noise.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.5:
        image, matrix = _shrunk(image, matrix, size, scale)
    crop = cv2.warpAffine(
        image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(crop, image.dtype)


def _shrunk(image: Image, matrix: FloatArray, size: int, scale: float) -> tuple[Image, FloatArray]:
    """Return the part that the crop shows, halved to less than twice its scale, and its matrix."""
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64)
    seen = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    height, width = image.shape[:2]
    margin = 2 / scale
    left, top = np.clip(np.floor(seen.min(axis=0) - margin), 0, [width - 1, height - 1]).astype(int)
    right, bottom = np.clip(np.ceil(seen.max(axis=0) + margin), [left + 1, top + 1], [width, height]).astype(
        int
    )
    small, times = halved(image[top:bottom, left:right], 1 / scale)
    # A pixel centre u of `small` lies at corner + (u + 1/2) 2^times - 1/2 in the picture.
    shift = matrix[:, :2] @ (np.array([left, top]) + 0.5 * 2**times - 0.5) + matrix[:, 2]
    return small, np.concatenate([matrix[:, :2] * 2**times, shift[:, None]], axis=1)


def halved(image: Image, factor: float) -> tuple[Image, int]:
    """Return the picture averaged down by the largest power of two up to `factor`, and its exponent.

    Halving again and again is several times as fast as averaging by any factor at once. An odd last
    row or column is left out.
    """
    times = 0
    while 2 ** (times + 1) <= factor and min(image.shape[:2]) >= 2:
        height, width = image.shape[0] // 2, image.shape[1] // 2
        whole = image[: 2 * height, : 2 * width]
        image = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        times += 1
    return image, times
