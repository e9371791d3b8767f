import hashlib
import re
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.arrays import FloatArray, Image
from mien.errors import InputError
from mien.faces.detection import TYPICAL, Detector, Faces, Mtcnn, in_crop
from mien.faces.yunet import Yunet

SHARED = Path(__file__).parents[2] / "shared"

GOLDEN = {
    "astronaut.png": ((179.4, 63.3, 86.8, 110.1), ((203.8, 101.8), (247.1, 104.1), (224.7, 129.9))),
    "grace_hopper.jpg": ((175.4, 111.7, 182.3, 230.3), ((221.9, 193.3), (309.8, 187.9), (267.9, 242.8))),
    "obama.jpg": ((380.6, 94.5, 229.3, 321.2), ((444.7, 213.9), (550.0, 212.3), (497.4, 276.8))),
    "single_face.jpg": ((185.0, 146.0, 188.3, 255.6), ((229.8, 248.5), (312.7, 245.7), (267.7, 298.5))),
}
"""Box, and eyes and nose tip, of the one face of each photo; first seen, then checked by eye."""


@pytest.fixture(scope="module")
def detector() -> Mtcnn:
    return Mtcnn()


@pytest.fixture(scope="module")
def yunet() -> Yunet:
    path = SHARED / "models" / "yunet" / "yunet_n_dynamic.onnx"
    if not path.is_file():
        pytest.skip(f"YuNet's weights are not here ({path})")
    return Yunet(path)


def photo(name: str) -> Image:
    path = SHARED / "media" / "photos" / name
    if not path.is_file():
        pytest.skip(f"the sample photos are not here ({path})")
    image = cv2.imread(str(path))
    assert image is not None
    return image


def faceless() -> Image:
    """A colourful picture without a face: soft noise, a grid and a disc."""
    cells = np.random.default_rng(3).integers(0, 255, (9, 12, 3)).astype(np.uint8)
    image = cv2.resize(cells, (320, 240), interpolation=cv2.INTER_CUBIC)
    image[::20] = 255
    cv2.circle(image, (160, 120), 50, (90, 140, 200), -1)
    return image


def test_the_weights_are_those_whose_origin_is_told() -> None:
    folder = resources.files("mien.faces") / "weights"
    told = dict(re.findall(r"`(\w+\.onnx)`.*`([0-9a-f]{64})`", (folder / "ORIGIN.md").read_text("utf-8")))
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.name.endswith(".onnx")}
    assert told == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert len(told) == 3
    assert "MIT" in (folder / "LICENSE").read_text("utf-8")


@pytest.mark.parametrize("name", GOLDEN)
def test_the_one_face_of_a_photo_is_found(detector: Mtcnn, name: str) -> None:
    faces = detector.detect(photo(name))
    box, points = GOLDEN[name]
    assert len(faces) == 1
    assert 0.9 < faces.scores[0] <= 1
    np.testing.assert_allclose(faces.boxes[0], box, atol=0.02 * box[3])
    np.testing.assert_allclose(faces.landmarks[0, :3], points, atol=0.01 * box[3])


@pytest.mark.parametrize("turned", [False, True])
def test_landmarks_are_ordered_as_the_picture_shows_them(detector: Mtcnn, turned: bool) -> None:
    image = photo("grace_hopper.jpg")
    left_eye, right_eye, nose, left_mouth, right_mouth = detector.detect(
        image[:, ::-1] if turned else image
    ).landmarks[0]
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


@pytest.mark.parametrize("scale", [0.5, 1.7])
def test_boxes_grow_with_the_picture(detector: Mtcnn, scale: float) -> None:
    image = photo("astronaut.png")
    larger = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    faces = detector.detect(np.asarray(larger, np.uint8))
    assert len(faces) == 1
    np.testing.assert_allclose(faces.landmarks[0, :3] / scale, GOLDEN["astronaut.png"][1], atol=4)


def test_a_face_smaller_than_asked_for_is_not_found() -> None:
    image = photo("astronaut.png")
    assert len(Mtcnn(smallest=0.5).detect(image)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (11, 11), (12, 12), (13, 300), (300, 1), (64, 64)])
def test_pictures_that_hold_nothing_hold_no_face(detector: Mtcnn, shape: tuple[int, int]) -> None:
    for value in (0, 255):
        assert len(detector.detect(np.full((*shape, 3), value, np.uint8))) == 0


def test_a_picture_without_faces_has_none(detector: Mtcnn) -> None:
    image = faceless()
    assert len(detector.detect(image)) == 0
    assert detector.follow(image, np.array([[0, 0, 320, 240]], np.float32)).scores.tolist() == [0]
    landmarks, found = in_crop(detector, image)
    assert not found
    np.testing.assert_array_equal(landmarks, TYPICAL * np.array([320, 240], np.float32))


def check_following(detector: Detector, image: Image, face: FloatArray) -> None:
    boxes = np.array([[5, 5, 60, 60], np.add(face, (6, -5, 8, 8)), [-300, -300, 40, 40], face], np.float32)
    faces = detector.follow(image, boxes)
    assert (faces.scores > 0).tolist() == [False, True, False, True]
    for row in (1, 3):
        middle = faces.boxes[row, :2] + faces.boxes[row, 2:] / 2
        assert np.abs(middle - face[:2] - face[2:] / 2).max() < 0.08 * face[3]
    assert len(detector.follow(image, np.zeros((0, 4), np.float32))) == 0


def test_following_answers_in_order_and_tells_what_is_lost(detector: Mtcnn) -> None:
    check_following(detector, photo("grace_hopper.jpg"), np.array(GOLDEN["grace_hopper.jpg"][0]))


def test_a_face_followed_again_and_again_stays_where_it_is(detector: Mtcnn) -> None:
    image = photo("obama.jpg")
    box = detector.detect(image).boxes
    for _ in range(30):
        faces = detector.follow(image, box)
        assert faces.scores[0] > 0.9
        box = faces.boxes
    np.testing.assert_allclose(faces.landmarks[0, :3], GOLDEN["obama.jpg"][1], atol=6)


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("side", [40, 48, 160])
def test_the_landmarks_of_a_tight_crop_are_found(detector: Mtcnn, side: int, grey: bool) -> None:
    image = photo("single_face.jpg")[140:404, 150:414]
    crop = np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    if grey:
        crop = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8)
    landmarks, found = in_crop(detector, crop)
    expected = (np.array(GOLDEN["single_face.jpg"][1]) - [150, 140]) * side / 264
    assert found
    np.testing.assert_allclose(landmarks[:3], expected, atol=0.05 * side)


def test_faces_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 scores"):
        Faces(np.zeros((1, 4)), np.zeros((2, 5, 2)), np.zeros(2))


def test_faces_are_sliced_as_a_whole() -> None:
    faces = Faces(np.arange(12.0).reshape(3, 4), np.arange(30.0).reshape(3, 5, 2), np.array([0.9, 0.8, 0.7]))
    part = faces[np.array([False, True, True])]
    assert len(part) == 2
    assert part.boxes[0, 0] == 4
    assert part.landmarks[0, 0, 0] == 10
    assert len(Faces.none()) == 0


# YuNet, by option


@pytest.mark.parametrize("name", GOLDEN)
def test_yunet_and_mtcnn_agree(yunet: Yunet, name: str) -> None:
    faces = yunet.detect(photo(name))
    box, points = GOLDEN[name]
    assert len(faces) == 1
    np.testing.assert_allclose(faces.landmarks[0, :3], points, atol=0.06 * box[3])


def test_yunet_equals_its_reference_in_opencv(yunet: Yunet) -> None:
    image = photo("astronaut.png")
    path = str(SHARED / "models" / "yunet" / "yunet_n_dynamic.onnx")
    _, rows = cv2.FaceDetectorYN.create(path, "", image.shape[1::-1], 0.7, 0.3).detect(image)
    faces = yunet.detect(image)
    np.testing.assert_allclose(faces.boxes, rows[:, :4], atol=1e-2)
    np.testing.assert_allclose(faces.landmarks, rows[:, 4:14].reshape(-1, 5, 2), atol=1e-2)
    np.testing.assert_allclose(faces.scores, rows[:, 14], atol=1e-4)


def test_yunet_follows_in_order_and_tells_what_is_lost(yunet: Yunet) -> None:
    check_following(yunet, photo("grace_hopper.jpg"), np.array(GOLDEN["grace_hopper.jpg"][0]))


def test_yunet_finds_nothing_in_pictures_that_hold_nothing(yunet: Yunet) -> None:
    for shape in ((1, 1), (12, 12), (1, 500), (50, 70)):
        assert len(yunet.detect(np.zeros((*shape, 3), np.uint8))) == 0


def test_a_wrong_file_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere.onnx: no such file"):
        Yunet(tmp_path / "nowhere.onnx")
    text = tmp_path / "text.onnx"
    text.write_text("no network")
    with pytest.raises(InputError, match=r"text.onnx: not an ONNX file"):
        Yunet(text)
    other = str(resources.files("mien.faces") / "weights" / "onet.onnx")
    with pytest.raises(InputError, match=r"onet.onnx: outputs .*, expected YuNet's cls_8"):
        Yunet(other)
