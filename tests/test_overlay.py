"""What is drawn stays in the picture, hides no face, and can be told apart by colour."""

import itertools

import cv2
import numpy as np
import pytest

from mien.analysis import FrameResult
from mien.arrays import FloatArray, Image
from mien.faces.detection import Faces
from mien.media.frames import Frame
from mien.records import Predictions
from mien.reports.overlay import EXPRESSION_COLOURS, Area, draw, expression_colour, face_colour, thumbnail
from mien.tasks import ACTION_UNITS_12, EXPRESSION_8_CONTEMPT, TASKS, VALENCE_AROUSAL, Task

ALL = (EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL, ACTION_UNITS_12)
SIMULATIONS = {
    "normal": np.eye(3),
    "deuteranopia": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9690]],
    "protanopia": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "tritanopia": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9309, 0.1476], [0.0047, 0.6914, 0.3039]],
}
"""How linear RGB looks to people of each kind of sight: Machado, Oliveira and Fernandes 2009."""


def picture(width: int, height: int) -> Image:
    """Return a picture with structure everywhere, so that any drawing shows."""
    return np.random.default_rng(1).integers(60, 200, (height, width, 3)).astype(np.uint8)


def result(image: Image, boxes: list[list[float]], tasks: tuple[Task, ...] = ALL) -> FrameResult:
    """Return a frame with faces at these boxes and values drawn at random."""
    chance, n = np.random.default_rng(2), len(boxes)
    values = {task: chance.random((n, len(task)), np.float32) for task in tasks}
    faces = Faces(
        np.array(boxes, np.float32).reshape(n, 4), np.zeros((n, 5, 2), np.float32), np.ones(n, np.float32)
    )
    return FrameResult(Frame(0, 0.0, image), np.arange(n), faces, Predictions(values))


def inner(image: Image, box: list[float], edge: int = 8) -> Image:
    """Return the pixels within a box, without the lines that mark it."""
    x, y, width, height = map(int, box)
    return image[y + edge : y + height - edge, x + edge : x + width - edge]


@pytest.mark.parametrize(("width", "height"), [(360, 288), (640, 360), (1280, 720), (3840, 2160)])
@pytest.mark.parametrize("tasks", [ALL, ALL[:1], ALL[1:], ()])
def test_drawing_keeps_size_and_leaves_the_frame_alone(
    width: int, height: int, tasks: tuple[Task, ...]
) -> None:
    image = picture(width, height)
    before = image.copy()
    drawn = draw(result(image, [[width * 0.4, height * 0.3, width * 0.2, height * 0.4]], tasks))
    assert drawn.shape == image.shape
    assert np.array_equal(image, before)
    assert not np.array_equal(drawn, before)


def test_no_face_draws_nothing() -> None:
    image = picture(360, 288)
    assert np.array_equal(draw(result(image, [])), image)


@pytest.mark.parametrize(
    "boxes",
    [
        [[100, 100, 120, 160], [240, 100, 120, 160], [380, 110, 120, 160]],
        [[10, 60, 100, 130], [10, 220, 100, 130], [300, 60, 200, 260]],
        [[x, y, 50, 60] for x in (20, 160, 300, 440) for y in (40, 150, 260)],
    ],
)
def test_neither_label_nor_panel_hides_a_face(boxes: list[list[float]]) -> None:
    image = picture(640, 400)
    drawn = draw(result(image, boxes))
    for box in boxes:
        assert np.array_equal(inner(drawn, box), inner(image, box))


@pytest.mark.parametrize(
    "box", [[-40, -30, 90, 100], [600, 350, 90, 100], [0, 0, 640, 400], [300, 200, 3, 3]]
)
def test_a_face_at_the_border_or_of_any_size_is_labelled_within_the_picture(box: list[float]) -> None:
    drawn = draw(result(picture(640, 400), [box]))
    colour = face_colour(0)
    wanted = [int(colour[at : at + 2], 16) for at in (5, 3, 1)]
    assert np.all(drawn == wanted, axis=2).sum() > 500


def test_a_tiny_picture_can_be_drawn_on() -> None:
    assert draw(result(picture(48, 48), [[4, 4, 40, 40]])).shape == (48, 48, 3)


def test_a_box_keeps_its_colour_by_face_number() -> None:
    assert face_colour(3) == face_colour(3)
    assert len({face_colour(number) for number in range(8)}) == 8


def test_an_area_moves_into_the_picture_as_little_as_possible() -> None:
    assert Area(-5, 90, 20, 20).inside(100, 100) == Area(0, 80, 20, 20)
    assert Area(0, 0, 10, 10).overlap(Area(5, 8, 10, 10)) == 10


def test_a_thumbnail_has_the_width_asked_for_and_is_never_enlarged() -> None:
    for width, expected in ((160, (90, 160, 3)), (2000, (720, 1280, 3))):
        jpeg = np.frombuffer(thumbnail(picture(1280, 720), width), np.uint8)
        assert cv2.imdecode(jpeg, cv2.IMREAD_COLOR).shape == expected


def test_every_expression_has_a_colour() -> None:
    labels = {label for task in TASKS.values() if task.behaviour == "expression" for label in task.labels}
    compound = {label for label in labels if "_" in label}
    assert labels - compound == EXPRESSION_COLOURS.keys()
    assert {expression_colour(label) for label in compound} == {EXPRESSION_COLOURS["other"]}
    assert expression_colour("boredom") == EXPRESSION_COLOURS["other"]


@pytest.mark.parametrize("sight", SIMULATIONS)
def test_colours_of_expressions_stay_apart_in_every_kind_of_sight(sight: str) -> None:
    seen = [lab(np.array(SIMULATIONS[sight]) @ linear(colour)) for colour in EXPRESSION_COLOURS.values()]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 18


def linear(colour: str) -> FloatArray:
    """Return #rrggbb as linear RGB in [0, 1]."""
    value = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: FloatArray) -> FloatArray:
    """Return linear RGB as CIE L*a*b*, where distances are about as large as they look."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.clip(to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089], 1e-6, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])
