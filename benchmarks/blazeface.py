"""BlazeFace, short range, as a `Detector`: for the comparison only.

Bazarevsky et al. 2019, "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs". It gives
eyes, nose tip, the middle of the mouth and ears; both mouth corners here are the mouth's middle.
"""

from pathlib import Path

import cv2
import numpy as np

from mien.arrays import FloatArray, Image
from mien.faces.detection import Faces
from mien.inference import session

SIDE = 128
"""Width and height of the network's input."""


def anchors() -> FloatArray:
    """Return the (896, 2) centres as shares of the input: 16 x 16 cells twice, 8 x 8 cells six times."""
    grids = []
    for cells, times in ((16, 2), (8, 6)):
        row, column = np.divmod(np.arange(cells * cells), cells)
        grids.append(np.repeat((np.stack([column, row], axis=1) + 0.5) / cells, times, axis=0))
    return np.concatenate(grids).astype(np.float32)


class BlazeFace:
    """The detector of Bazarevsky et al. 2019 on onnxruntime.

    Args:
        path: the network as ONNX, with outputs `regressors` and `classificators`.
        threshold: least score of a face.
    """

    name = "blazeface"

    def __init__(self, path: Path, threshold: float = 0.5) -> None:
        self._session = session(str(path))
        self._anchors = anchors()
        self._threshold = threshold

    def detect(self, image: Image) -> Faces:
        """Return every face of the picture, made square with black first."""
        height, width = image.shape[:2]
        side = max(height, width)
        left, top = (side - width) // 2, (side - height) // 2
        scale = SIDE / side
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        square = np.zeros((SIDE, SIDE, 3), np.float32)
        y, x = round(top * scale), round(left * scale)
        part = small[: SIDE - y, : SIDE - x]
        square[y : y + part.shape[0], x : x + part.shape[1]] = part
        pixels = square[None, :, :, ::-1] / 127.5 - 1
        values, logits = self._session.run(["regressors", "classificators"], {"input": pixels})
        scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0], -80, 80)))
        rows = np.flatnonzero(scores >= self._threshold)
        points = values[0, rows].reshape(-1, 8, 2) / SIDE
        points[:, [0, 2, 3, 4, 5, 6, 7]] += self._anchors[rows, None]
        points *= side
        corner = np.array([left, top], np.float32)
        boxes = np.concatenate([points[:, 0] - points[:, 1] / 2 - corner, points[:, 1]], axis=1)
        keep = [int(i) for i in cv2.dnn.NMSBoxes(boxes.tolist(), scores[rows].tolist(), 0.0, 0.3)]
        landmarks = points[:, [2, 3, 4, 5, 5]] - corner
        return Faces(boxes[keep], landmarks[keep], scores[rows][keep])

    def follow(self, image: Image, boxes: FloatArray) -> Faces:
        """Return the found face nearest each box (n, 4); score 0 where none lies over it."""
        faces = self.detect(image)
        rows, scores = np.zeros(len(boxes), int), np.zeros(len(boxes), np.float32)
        if not len(faces):
            return Faces(boxes, np.zeros((len(boxes), 5, 2), np.float32), scores)
        for index, box in enumerate(boxes):
            apart = np.abs(faces.boxes[:, :2] + faces.boxes[:, 2:] / 2 - box[:2] - box[2:] / 2)
            rows[index] = int(np.argmin(np.hypot(*apart.T)))
            inside = bool(np.all(apart[rows[index]] <= box[2:] / 2))
            scores[index] = faces.scores[rows[index]] if inside else 0
        return Faces(faces.boxes[rows], faces.landmarks[rows], scores)
