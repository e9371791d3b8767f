"""Faces in one picture: boxes, five landmarks and scores.

`Detector` is the one seam: another detector is one more file with the same two methods.
The default, `Mtcnn`, runs the three small networks of Zhang et al. 2016 ("Joint Face Detection
and Alignment using Multitask Cascaded Convolutional Networks"); their weights ship with the
package (see `weights/ORIGIN.md`). `detect` searches a whole picture; `follow` looks again where
faces were a moment ago, which costs about a tenth and is what makes video fast.
"""

from dataclasses import dataclass
from importlib import resources
from typing import Protocol

import cv2
import numpy as np

from mien.arrays import FloatArray, Image, Rows
from mien.faces.alignment import halved
from mien.inference import session


@dataclass(frozen=True)
class Faces:
    """The faces of one picture, n of them, most certain first.

    Attributes:
        boxes: (n, 4) x, y, width, height in pixels; x and y may be negative at the border.
        landmarks: (n, 5, 2) x, y in pixels: left and right eye, nose tip, left and right mouth
            corner, where left is the left of the picture.
        scores: (n,) the detector's own score in [0, 1]. It is no calibrated probability.
    """

    boxes: FloatArray
    landmarks: FloatArray
    scores: FloatArray

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.boxes.shape != (n, 4) or self.landmarks.shape != (n, 5, 2):
            raise ValueError(f"{n} scores, boxes {self.boxes.shape}, landmarks {self.landmarks.shape}")

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: Rows) -> "Faces":
        return Faces(self.boxes[rows], self.landmarks[rows], self.scores[rows])

    @classmethod
    def none(cls) -> "Faces":
        """No face at all."""
        return cls(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))


class Detector(Protocol):
    """Finds faces in a BGR picture of shape (height, width, 3), uint8."""

    name: str

    def detect(self, image: Image) -> Faces:
        """Return every face of the picture."""

    def follow(self, image: Image, boxes: FloatArray) -> Faces:
        """Return one face per box (n, 4), in the same order; score 0 where none is left."""


TYPICAL = np.array(
    [[0.327, 0.387], [0.692, 0.381], [0.503, 0.598], [0.358, 0.793], [0.663, 0.789]], np.float32
)
"""Where the five landmarks lie on average in a tight picture of a face, as shares of its size."""


def in_crop(detector: Detector, image: Image) -> tuple[FloatArray, bool]:
    """Return the landmarks (5, 2) of a picture that is a tight crop of one face, and if it was found.

    The whole picture is tried as the face's box; then faces are searched for with room around the
    picture, and the largest is taken. Where both fail, TYPICAL landmarks stand in, so that the
    whole picture is used as it is.
    """
    if image.ndim == 2:
        image = np.repeat(image[:, :, None], 3, axis=2)
    height, width = image.shape[:2]
    faces = detector.follow(image, np.array([[0, 0, width, height]], np.float32))
    if faces.scores[0] > 0:
        return faces.landmarks[0], True
    margin = max(height, width) // 2
    wide = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    faces = detector.detect(wide)
    if len(faces):
        largest = int(np.argmax(faces.boxes[:, 2] * faces.boxes[:, 3]))
        return faces.landmarks[largest] - np.float32(margin), True
    return TYPICAL * np.array([width, height], np.float32), False


def in_still(detector: Detector, image: Image) -> Faces:
    """Return the faces of a single picture.

    Where none is found and the picture is about as wide as high, it may be one face that fills it,
    which a detector that wants room around a face misses; the whole picture is then tried as its box.
    """
    faces = detector.detect(image)
    height, width = image.shape[:2]
    if len(faces) or not 0.6 < width / height < 1.6:
        return faces
    faces = detector.follow(image, np.array([[0, 0, width, height]], np.float32))
    return faces[np.flatnonzero(faces.scores > 0)]


class Mtcnn:
    """The cascaded detector of Zhang et al. 2016 on onnxruntime.

    Args:
        smallest: the smallest face looked for, as a share of the picture's longer side.
        thresholds: least scores of the three stages for a face that is new.
        following: least score of the last stage for a face that was there a moment ago.
        threads: processor threads of each network.
    """

    name = "mtcnn"

    def __init__(
        self,
        smallest: float = 0.04,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.9),
        following: float = 0.8,
        threads: int = 1,
    ) -> None:
        folder = resources.files("mien.faces") / "weights"
        self._proposal, self._refinement, self._output = (
            session(str(folder / f"{net}.onnx"), threads) for net in ("pnet", "rnet", "onet")
        )
        self._smallest = smallest
        self._thresholds = thresholds
        self._following = following

    def detect(self, image: Image) -> Faces:
        """Return every face of the picture."""
        boxes = self._proposals(image)
        if not len(boxes):
            return Faces.none()
        offsets, scores = self._refinement.run(None, {"input_2": _patches(image, boxes, 24)})
        keep = scores[:, 1] >= self._thresholds[1]
        boxes = _shifted(boxes[keep], offsets[keep])
        boxes = boxes[_apart(boxes, scores[keep, 1], 0.7)]
        faces = self._outputs(image, _square(boxes))
        faces = faces[np.flatnonzero(faces.scores >= self._thresholds[2])]
        return faces[_apart(_corners(faces.boxes), faces.scores, 0.4)]

    def follow(self, image: Image, boxes: FloatArray) -> Faces:
        """Return one face per box (n, 4), in the same order; score 0 where none is left."""
        faces = self._outputs(image, _square(_corners(boxes)))
        lost = faces.scores < self._following
        return Faces(faces.boxes, faces.landmarks, np.where(lost, np.float32(0), faces.scores))

    def _proposals(self, image: Image) -> FloatArray:
        """Return square candidate boxes (n, 4) as corners, from a pyramid of the picture."""
        height, width = image.shape[:2]
        scale = 12 / max(self._smallest * max(height, width), 12.0)
        found, scores = [], []
        while min(height, width) * scale >= 12:
            size = (max(12, round(width * scale)), max(12, round(height * scale)))
            image, _ = halved(image, min(image.shape[1] / size[0], image.shape[0] / size[1]))
            small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            offsets, probabilities = self._proposal.run(None, {"input_1": _input(small)[None]})
            column, row = np.nonzero(probabilities[0, :, :, 1] >= self._thresholds[0])
            if len(row):
                corner = np.stack([column * 2.0, row * 2.0], axis=1) * [width / size[0], height / size[1]]
                side = np.array([12 * width / size[0], 12 * height / size[1]])
                boxes = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
                score = probabilities[0, column, row, 1]
                boxes = _shifted(boxes, offsets[0, column, row])
                keep = _apart(boxes, score, 0.5)
                found.append(boxes[keep])
                scores.append(score[keep])
            scale *= 0.709
        if not found:
            return np.zeros((0, 4), np.float32)
        boxes, score = np.concatenate(found), np.concatenate(scores)
        return _square(boxes[_apart(boxes, score, 0.7)])

    def _outputs(self, image: Image, boxes: FloatArray) -> Faces:
        """Return the last stage's face for each square box given as corners."""
        if not len(boxes):
            return Faces.none()
        offsets, points, scores = self._output.run(None, {"input_3": _patches(image, boxes, 48)})
        size = (boxes[:, 2:] - boxes[:, :2])[:, None, :]
        landmarks = boxes[:, None, :2] + np.stack([points[:, :5], points[:, 5:]], axis=2) * size
        corners = _shifted(boxes, offsets)
        corners[:, 2:] -= corners[:, :2]
        return Faces(corners, landmarks.astype(np.float32), scores[:, 1])


def _input(pixels: Image) -> FloatArray:
    """Return BGR pixels as these networks want them: RGB, transposed, about -1 to 1."""
    rgb = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return ((rgb.astype(np.float32) - 127.5) / 128).transpose(1, 0, 2)


def _patches(image: Image, boxes: FloatArray, size: int) -> FloatArray:
    """Return the boxes (n, 4) cut out and scaled to size; black beyond the picture's edge."""
    patches = np.empty((len(boxes), size, size, 3), np.float32)
    for patch, (left, top, right, bottom) in zip(patches, boxes, strict=True):
        patch[:] = _input(_cut(image, left, top, right, bottom, size))
    return patches


def _cut(image: Image, left: float, top: float, right: float, bottom: float, size: int) -> Image:
    """Return one box scaled to size x size by area where it shrinks."""
    height, width = image.shape[:2]
    x0, y0 = round(left), round(top)
    x1, y1 = max(round(right), x0 + 1), max(round(bottom), y0 + 1)
    inside = image[max(y0, 0) : max(min(y1, height), 0), max(x0, 0) : max(min(x1, width), 0)]
    if inside.size == 0:
        return np.zeros((size, size, 3), np.uint8)
    if inside.shape[:2] != (y1 - y0, x1 - x0):
        edges = (max(-y0, 0), max(y1 - height, 0), max(-x0, 0), max(x1 - width, 0))
        inside = np.asarray(cv2.copyMakeBorder(inside, *edges, cv2.BORDER_CONSTANT), np.uint8)
    inside, _ = halved(inside, (x1 - x0) / size)
    method = cv2.INTER_AREA if inside.shape[1] > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(inside, (size, size), interpolation=method), np.uint8)


def _corners(boxes: FloatArray) -> FloatArray:
    """Return x, y, width, height as left, top, right, bottom."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _shifted(boxes: FloatArray, offsets: FloatArray) -> FloatArray:
    """Return corners moved by offsets given in box sizes."""
    size = boxes[:, 2:] - boxes[:, :2]
    moved: FloatArray = (boxes + offsets * np.concatenate([size, size], axis=1)).astype(np.float32)
    return moved


def _square(boxes: FloatArray) -> FloatArray:
    """Return corners widened to squares about the same centres."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = np.max(boxes[:, 2:] - boxes[:, :2], axis=1, keepdims=True) / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def _apart(boxes: FloatArray, scores: FloatArray, overlap: float) -> list[int]:
    """Return indices of corners that overlap no better one by more than `overlap` (IoU)."""
    sizes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return [int(i) for i in cv2.dnn.NMSBoxes(sizes.tolist(), scores.tolist(), 0.0, overlap)]
