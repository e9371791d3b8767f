"""YuNet, a detector for those who have its file: mien does not bring the weights.

Wu, Peng and Yu 2023, "YuNet: A Tiny Millisecond-level Face Detector". The file is an ONNX export
with free picture size, as OpenCV's model zoo and libfacedetection publish it.
"""

from pathlib import Path

import cv2
import numpy as np

from mien.arrays import FloatArray, Image
from mien.errors import InputError
from mien.faces.detection import Faces
from mien.inference import session

STRIDES = (8, 16, 32)
OUTPUTS = [f"{kind}_{stride}" for stride in STRIDES for kind in ("cls", "obj", "bbox", "kps")]


class Yunet:
    """The detector of Wu, Peng and Yu 2023 on onnxruntime.

    Args:
        path: the .onnx file, of any of the published sizes of the network.
        size: a picture whose longer side has more pixels is shrunk to this many first.
        threshold: least score of a face.
        threads: processor threads.

    Raises:
        InputError: the file is absent, no ONNX file, or not this network with free picture size.
    """

    name = "yunet"

    def __init__(self, path: str | Path, size: int = 640, threshold: float = 0.7, threads: int = 1) -> None:
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file; expected a YuNet .onnx file")
        try:
            self._session = session(str(path), threads)
        except Exception as error:  # onnxruntime's exceptions have no base of their own
            raise InputError(f"{path}: not an ONNX file that onnxruntime can load") from error
        inputs = self._session.get_inputs()
        names = {output.name for output in self._session.get_outputs()}
        if not names.issuperset(OUTPUTS) or len(inputs) != 1:
            raise InputError(f"{path}: outputs {sorted(names)}, expected YuNet's {', '.join(OUTPUTS)}")
        if any(isinstance(side, int) for side in inputs[0].shape[2:]):
            raise InputError(f"{path}: made for pictures of {inputs[0].shape[2:]} only, expected any size")
        self._input = inputs[0].name
        self._size = size
        self._threshold = threshold

    def detect(self, image: Image) -> Faces:
        """Return every face of the picture."""
        return self._found(image, self._size)

    def follow(self, image: Image, boxes: FloatArray) -> Faces:
        """Return one face per box (n, 4), in the same order; score 0 where none is left.

        A square of twice the box's size is searched, and the face nearest its middle is taken if
        its middle lies within the box.
        """
        result = Faces(
            np.array(boxes, np.float32),
            np.zeros((len(boxes), 5, 2), np.float32),
            np.zeros(len(boxes), np.float32),
        )
        for row, box in enumerate(boxes):
            centre, side = box[:2] + box[2:] / 2, 2 * max(float(box[2]), float(box[3]))
            corner = np.maximum(np.floor(centre - side / 2), 0).astype(int)
            end = np.ceil(centre + side / 2).astype(int)
            region = image[corner[1] : max(end[1], 0), corner[0] : max(end[0], 0)]
            if region.size == 0:
                continue
            faces = self._found(region, 160)
            apart = np.abs(faces.boxes[:, :2] + faces.boxes[:, 2:] / 2 + corner - centre)
            inside = np.flatnonzero(np.all(apart <= box[2:] / 2, axis=1))
            if len(inside):
                best = inside[np.argmin(np.hypot(*apart[inside].T))]
                result.boxes[row] = faces.boxes[best]
                result.boxes[row, :2] += corner
                result.landmarks[row] = faces.landmarks[best] + corner
                result.scores[row] = faces.scores[best]
        return result

    def _found(self, image: Image, size: int) -> Faces:
        """Return the faces of a picture after shrinking its longer side to at most `size`."""
        height, width = image.shape[:2]
        shrink = min(1.0, size / max(height, width))
        small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        pixels = image if shrink == 1 else cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        padded = np.zeros((-(-small[1] // 32) * 32, -(-small[0] // 32) * 32, 3), np.float32)
        padded[: small[1], : small[0]] = pixels
        arrays = self._session.run(OUTPUTS, {self._input: padded.transpose(2, 0, 1)[None]})
        values = dict(zip(OUTPUTS, arrays, strict=True))
        parts = [_decoded(values, stride, padded.shape[1] // stride, self._threshold) for stride in STRIDES]
        boxes, landmarks, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
        keep = [int(row) for row in cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), 0.0, 0.3)]
        enlarge = np.array([width / small[0], height / small[1]], np.float32)
        return Faces(boxes[keep] * np.tile(enlarge, 2), landmarks[keep] * enlarge, scores[keep])


def _decoded(
    values: dict[str, FloatArray], stride: int, columns: int, threshold: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return boxes (n, 4), landmarks (n, 5, 2) and scores (n,) of one stride's cells.

    A cell's score is the geometric mean of its two probabilities; its box is centred at
    (cell + offset) x stride and exp(size) x stride large; points lie at (cell + offset) x stride.
    """
    face, place = (np.clip(values[f"{kind}_{stride}"][0, :, 0], 0, 1) for kind in ("cls", "obj"))
    scores = np.sqrt(face * place)
    cells = np.flatnonzero(scores >= threshold)
    corner = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
    offsets = values[f"bbox_{stride}"][0, cells]
    size = np.exp(offsets[:, 2:]) * stride
    centre = (corner + offsets[:, :2]) * stride
    points = (values[f"kps_{stride}"][0, cells].reshape(-1, 5, 2) + corner[:, None]) * stride
    return np.concatenate([centre - size / 2, size], axis=1), points, scores[cells]
