"""From a picture and five landmarks to the array a network wants: the one preprocessing.

The same record serves preparation, training, the export check, evaluation and analysis; a bundle
carries it as JSON.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self

import cv2
import numpy as np

from mien.arrays import FloatArray, Image
from mien.errors import BundleError
from mien.faces.alignment import align, similarity, template


@dataclass(frozen=True)
class Preprocessing:
    """How a face becomes an array.

    Attributes:
        size: width and height of the crop in pixels.
        zoom: 1 shows what the standard 112 x 112 crop shows; larger shows less around the face.
        centre: height of the template's point that becomes the crop's centre, as a share of the
            template; 0.5 is the standard crop, more looks lower and keeps the chin.
        colour: "grey" (one channel) or "rgb".
        mean: subtracted from pixels in 0 to 255.
        scale: pixels are divided by it after that.
    """

    size: int
    zoom: float = 1.0
    centre: float = 0.5
    colour: Literal["grey", "rgb"] = "grey"
    mean: float = 128.0
    scale: float = 128.0

    def __post_init__(self) -> None:
        if self.size < 8 or not self.zoom > 0 or not self.scale > 0 or not 0 < self.centre < 1:
            raise BundleError(f"preprocessing out of range: {self}")
        if self.colour not in ("grey", "rgb"):
            raise BundleError(f"preprocessing: colour is {self.colour!r}, expected 'grey' or 'rgb'")

    @property
    def channels(self) -> int:
        """Number of channels of the array."""
        return 1 if self.colour == "grey" else 3

    def widened(self, size: int) -> Self:
        """Return the same scale with a crop of another size, so with more or less around it."""
        return replace(self, size=size, zoom=self.zoom * self.size / size)

    def serves(self, wanted: Self) -> bool:
        """Return whether crops stored like this hold, in their middle, the crops that a network wants."""
        return wanted.widened(self.size) == self and self.size >= wanted.size

    def matrix(self, landmarks: FloatArray) -> FloatArray:
        """Return the (2, 3) similarity that takes landmarks (5, 2) in a picture to the crop."""
        target = template(self.size, self.zoom)
        target[:, 1] -= (self.centre - 0.5) * self.zoom * self.size
        return similarity(landmarks, target)

    def crop(self, image: Image, landmarks: FloatArray) -> Image:
        """Return the aligned crop, (size, size) in grey or (size, size, 3) in BGR.

        Args:
            image: a grey or BGR picture.
            landmarks: (5, 2) x, y in pixels of the picture.
        """
        crop = align(image, self.matrix(landmarks), self.size)
        if self.colour == "grey" and crop.ndim == 3:
            crop = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8)
        elif self.colour == "rgb" and crop.ndim == 2:
            crop = np.asarray(cv2.cvtColor(crop, cv2.COLOR_GRAY2BGR), np.uint8)
        return crop

    def arrays(self, crops: Sequence[Image] | Image) -> FloatArray:
        """Return crops as the network's input: (n, 1, channels, size, size), float32.

        The second axis is time: a still is a clip of length one.
        """
        pixels = np.asarray(crops)
        if pixels.ndim == 3:
            pixels = pixels[..., None]
        if pixels.shape[1:] != (self.size, self.size, self.channels):
            raise BundleError(
                f"crops of shape {pixels.shape[1:]}, expected {(self.size, self.size, self.channels)}"
            )
        planes = pixels[..., ::-1].transpose(0, 3, 1, 2)
        return ((planes.astype(np.float32) - self.mean) / self.scale)[:, None]

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Self:
        """Return the record that `to_json` wrote.

        Raises:
            BundleError: a field is missing, unknown or out of range.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise BundleError(f"preprocessing: {error}") from error


def middle(crops: Image, size: int) -> Image:
    """Return the middle of stored crops (n, s, s[, 3]), which is the crop of `size` without a margin."""
    margin = (crops.shape[1] - size) // 2
    return crops[:, margin : margin + size, margin : margin + size]
