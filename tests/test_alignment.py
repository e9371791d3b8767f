import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.arrays import FloatArray, Image
from mien.faces.alignment import TEMPLATE, align, similarity, template

angles = st.floats(-np.pi, np.pi)
scales = st.floats(0.05, 20)
shifts = st.floats(-1000, 1000)
seeds = st.integers(0, 2**32 - 1)


def motion(angle: float, scale: float, x: float, y: float) -> FloatArray:
    """The (2, 3) matrix of a rotation, a scale and a shift."""
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[cosine, -sine, x], [sine, cosine, y]])


def moved(matrix: FloatArray, points: FloatArray) -> FloatArray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def inverse(matrix: FloatArray) -> FloatArray:
    linear = np.linalg.inv(matrix[:, :2])
    return np.concatenate([linear, (-linear @ matrix[:, 2])[:, None]], axis=1)


@given(angle=angles, scale=scales, x=shifts, y=shifts, seed=seeds)
def test_a_known_similarity_is_recovered(angle: float, scale: float, x: float, y: float, seed: int) -> None:
    points = np.random.default_rng(seed).uniform(0, 100, (5, 2))
    known = motion(angle, scale, x, y)
    np.testing.assert_allclose(similarity(points, moved(known, points)), known, atol=1e-6)


@given(seed=seeds, count=st.integers(2, 12))
def test_noisy_points_give_the_least_squares_optimum(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    points, target = random.uniform(0, 100, (count, 2)), random.uniform(0, 100, (count, 2))
    ones, zeros = np.ones(count), np.zeros(count)
    # unknowns a, b, x, y of u = a x - b y + x0 and v = b x + a y + y0
    rows_u = np.stack([points[:, 0], -points[:, 1], ones, zeros], axis=1)
    rows_v = np.stack([points[:, 1], points[:, 0], zeros, ones], axis=1)
    (a, b, x, y), *_ = np.linalg.lstsq(np.vstack([rows_u, rows_v]), target.T.ravel(), rcond=None)
    np.testing.assert_allclose(similarity(points, target), [[a, -b, x], [b, a, y]], atol=1e-6)


def test_a_mirrored_face_is_not_reflected() -> None:
    matrix = similarity(TEMPLATE * [-1, 1], TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_points_in_single_precision_are_enough() -> None:
    known = motion(0.3, 0.02, -40, 12)
    points = moved(inverse(known), TEMPLATE.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(moved(similarity(points, TEMPLATE), points), TEMPLATE, atol=1e-3)


@pytest.mark.parametrize("count", [1, 5])
def test_points_all_at_one_place_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="two different points"):
        similarity(np.full((count, 2), 7.0), TEMPLATE[:count])


def test_the_template_scales_about_the_centre_of_the_crop() -> None:
    np.testing.assert_allclose(template(112, 1), TEMPLATE, rtol=1e-6)
    np.testing.assert_allclose(template(48, 1), TEMPLATE * 48 / 112, rtol=1e-6)
    np.testing.assert_allclose(template(112, 1.5) - 56, (TEMPLATE - 56) * 1.5, atol=1e-4)


def drawn(matrix: FloatArray, size: int, width: int, height: int, channels: int) -> Image:
    """A picture with a soft dot, wide enough to be seen in the crop, at each landmark."""
    landmarks = moved(inverse(matrix), template(size, 1).astype(np.float64))
    spread = max(1.5 / np.hypot(matrix[0, 0], matrix[1, 0]), 1.5)
    across = np.exp(-(((np.arange(width)[:, None] - landmarks[:, 0]) / spread) ** 2) / 2)
    down = np.exp(-(((np.arange(height)[:, None] - landmarks[:, 1]) / spread) ** 2) / 2)
    dots = [np.outer(down[:, point], across[:, point]) for point in range(5)]
    grey = (20 + 220 * np.max(dots, axis=0)).round().astype(np.uint8)
    return grey if channels == 1 else np.stack([grey, grey // 2, grey // 4], axis=2)


def centre_of_dot(crop: Image, point: FloatArray) -> FloatArray:
    """The centre of mass of brightness around a point, to a fraction of a pixel."""
    grey = crop.astype(np.float64) if crop.ndim == 2 else crop.astype(np.float64).sum(axis=2)
    x, y = np.meshgrid(np.arange(crop.shape[1]), np.arange(crop.shape[0]))
    near = np.hypot(x - point[0], y - point[1]) < 6
    weight = np.where(near, grey - grey[near].min(), 0)
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("scale", "width", "height"),
    [(2.5, 100, 90), (1.0, 240, 200), (0.6, 300, 300), (0.49, 400, 380), (0.2, 900, 800), (0.07, 2200, 2000)],
)
@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_landmarks_land_on_the_template(
    scale: float, width: int, height: int, angle: float, channels: int
) -> None:
    size = 112
    matrix = motion(angle, scale, 0, 0)
    # the middle of the picture goes to the middle of the crop
    matrix[:, 2] = size / 2 - matrix[:, :2] @ [width / 2, height / 2]
    image = drawn(matrix, size, width, height, channels)
    landmarks = moved(inverse(matrix), template(size, 1).astype(np.float64))
    crop = align(image, similarity(landmarks, template(size, 1)), size)
    assert crop.dtype == np.uint8
    assert crop.shape == ((size, size) if channels == 1 else (size, size, 3))
    for point in template(size, 1):
        assert np.hypot(*(centre_of_dot(crop, point) - point)) < 0.2


@pytest.mark.parametrize("scale", [1.0, 0.3])
@pytest.mark.parametrize("corner", [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
def test_a_face_at_the_border_lands_on_the_template_too(scale: float, corner: tuple[float, float]) -> None:
    size, side = 112, 500
    matrix = motion(0.1, scale, 0, 0)
    # the landmarks' mean lies so near a corner that a third of the crop is beyond the picture
    middle = np.abs(np.array(corner) * side - 34 / scale)
    matrix[:, 2] = size / 2 - matrix[:, :2] @ middle
    crop = align(drawn(matrix, size, side, side, 1), matrix, size)
    points = template(size, 1)
    inside = np.all(
        (moved(inverse(matrix), points) > 7 / scale) & (moved(inverse(matrix), points) < side - 7 / scale), 1
    )
    assert inside.sum() >= 2
    for point in points[inside]:
        assert np.hypot(*(centre_of_dot(crop, point) - point)) < 0.2


def test_beyond_the_edge_the_last_pixels_are_repeated() -> None:
    image = np.full((50, 50), 200, np.uint8)
    for scale in (1.0, 0.1):
        matrix = motion(0, scale, 0, 0)
        np.testing.assert_array_equal(align(image, matrix, 60), 200)
        far = motion(0, scale, -900, -900)
        np.testing.assert_array_equal(align(image, far, 60), 200)


def test_a_fine_pattern_of_a_large_face_is_averaged_not_sampled() -> None:
    pattern = (np.indices((800, 800)).sum(axis=0) % 2 * 255).astype(np.uint8)
    crop = align(pattern, motion(0.0, 0.1, 0, 0), 80)
    assert np.abs(crop[4:-4, 4:-4].astype(int) - 127).max() < 12


@settings(max_examples=30, deadline=None)
@given(angle=angles, scale=st.floats(0.02, 4), x=st.floats(-200, 200), y=st.floats(-200, 200))
def test_no_similarity_breaks_the_crop(angle: float, scale: float, x: float, y: float) -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    assert align(image, motion(angle, scale, x, y), 48).shape == (48, 48, 3)


def test_a_large_face_agrees_with_shrinking_the_picture_first() -> None:
    noise = np.random.default_rng(1).uniform(size=(1000, 1000))
    image = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 30), None, 0, 255, cv2.NORM_MINMAX)
    image = image.round().astype(np.uint8)
    half = cv2.resize(image, (500, 500), interpolation=cv2.INTER_AREA)
    whole = align(image, motion(0.2, 0.25, -20, 5), 112)
    # a pixel centre at p in the picture lies at (p - 0.5) / 2 in its half
    matrix = motion(0.2, 0.5, -20, 5)
    matrix[:, 2] += 0.25 * motion(0.2, 1, 0, 0)[:, :2] @ [0.5, 0.5]
    direct = align(half, matrix, 112)
    assert np.abs(whole.astype(int) - direct.astype(int)).max() <= 4
