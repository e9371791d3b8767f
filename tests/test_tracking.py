import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mien.arrays import FloatArray, Image
from mien.faces.detection import TYPICAL, Faces, Mtcnn
from mien.faces.shots import ShotDetector
from mien.faces.tracking import Tracked, Tracker, assignment
from mien.media.video import Video

WIDTH, HEIGHT = 320, 240
FACE_WIDTH, FACE_HEIGHT = 48, 64
TWINS = 5000
"""People whose numbers differ by this look alike."""

Walk = Callable[[int], tuple[float, float] | None]
"""From the number of a picture to a face's centre; None where it is away."""


def smooth(seed: int, width: int, height: int, cells: int = 6) -> Image:
    """A soft random texture in colour; every seed looks different."""
    cells_of_colour = np.random.default_rng(seed).integers(0, 255, (cells, cells, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(cells_of_colour, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def overlap(a: FloatArray, b: FloatArray) -> float:
    sides = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / (float(a[2] * a[3] + b[2] * b[3]) - shared)


@dataclass
class Scene:
    """Drawn faces that move, and a detector that sees those not mostly hidden.

    Attributes:
        people: seed of the texture -> path; later ones stand in front.
        background: seed of the texture behind them.
        noise: standard deviation of found boxes in pixels.
        mistakes: number of a picture -> box found there though nobody is.
    """

    people: dict[int, Walk]
    background: int = 1000
    noise: float = 0.0
    mistakes: dict[int, tuple[float, float, float, float]] = field(default_factory=dict)
    name: str = "drawn"
    searches: int = 0
    boxes: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    owners: list[int] = field(default_factory=list)

    def draw(self, number: int) -> Image:
        """The picture; the detector from now on answers for it."""
        image = smooth(self.background, WIDTH, HEIGHT) // 2
        boxes, owners = [], []
        for seed, path in self.people.items():
            centre = path(number)
            if centre is not None:
                x, y = round(centre[0]) - FACE_WIDTH // 2, round(centre[1]) - FACE_HEIGHT // 2
                left, top, right, bottom = (
                    max(x, 0),
                    max(y, 0),
                    min(x + FACE_WIDTH, WIDTH),
                    min(y + FACE_HEIGHT, HEIGHT),
                )
                texture = smooth(seed % TWINS, FACE_WIDTH, FACE_HEIGHT)
                if left < right and top < bottom:
                    image[top:bottom, left:right] = texture[top - y : bottom - y, left - x : right - x]
                    boxes.append(np.array([x, y, FACE_WIDTH, FACE_HEIGHT], np.float32))
                    owners.append(seed)
        seen = [
            row
            for row in range(len(boxes))
            if all(overlap(boxes[row], boxes[front]) < 0.35 for front in range(row + 1, len(boxes)))
        ]
        random = np.random.default_rng(number)
        self.boxes = np.array(
            [boxes[row] + random.normal(0, self.noise, 4) for row in seen], np.float32
        ).reshape(-1, 4)
        self.owners = [owners[row] for row in seen]
        if number in self.mistakes:
            self.boxes = np.concatenate([self.boxes, np.array([self.mistakes[number]], np.float32)])
            self.owners.append(-1)
        return image

    def _faces(self, boxes: FloatArray, scores: FloatArray) -> Faces:
        landmarks = boxes[:, None, :2] + TYPICAL * boxes[:, None, 2:]
        return Faces(boxes, landmarks.astype(np.float32), scores)

    def detect(self, image: Image) -> Faces:
        assert image.shape == (HEIGHT, WIDTH, 3)
        self.searches += 1
        return self._faces(self.boxes, np.full(len(self.boxes), 0.99, np.float32))

    def follow(self, image: Image, boxes: FloatArray) -> Faces:
        assert image.shape == (HEIGHT, WIDTH, 3)
        found, scores = boxes.copy(), np.zeros(len(boxes), np.float32)
        for row, box in enumerate(boxes):
            over = [overlap(box, other) for other in self.boxes]
            if over and max(over) > 0.3:
                found[row], scores[row] = self.boxes[int(np.argmax(over))], 0.99
        return self._faces(found, scores)

    def run(self, count: int, every: int = 10, rate: float = 25) -> list[dict[int, int]]:
        """Per picture: texture -> id of every face shown; a mistake's texture is -1."""
        tracker = Tracker(self, every)
        return [self.named(tracker.update(self.draw(number), number / rate)) for number in range(count)]

    def named(self, tracked: Tracked) -> dict[int, int]:
        """Texture -> id of the faces shown of the picture drawn last."""
        assert list(tracked.ids) == sorted(set(tracked.ids.tolist()))
        names = {}
        for number, box in zip(tracked.ids.tolist(), tracked.faces.boxes, strict=True):
            over = [overlap(box, other) for other in self.boxes]
            names[self.owners[int(np.argmax(over))]] = number
        assert len(names) == len(tracked.ids), "two ids on one face"
        return names


def still(x: float, y: float = 120) -> Walk:
    return lambda _: (x, y)


def away(path: Walk, first: int, last: int) -> Walk:
    """The same path with the face gone from one picture up to another."""
    return lambda number: None if first <= number < last else path(number)


def test_two_faces_that_cross_keep_their_ids() -> None:
    scene = Scene({1: lambda n: (50 + 3 * n, 120), 2: lambda n: (270 - 3 * n, 124)})
    shown = scene.run(75)
    assert shown[0] == {1: 0, 2: 1}
    assert shown[74] == {1: 0, 2: 1}
    assert any(len(names) == 1 for names in shown), "nobody was hidden: the crossing tests nothing"
    assert all(names.items() <= {1: 0, 2: 1}.items() for names in shown)


@settings(max_examples=50, deadline=None, derandomize=True)
@example(speeds=(2.0, 1.5), apart=0.0, textures=[357, 585], every=1)  # uncovered slowly
@given(
    speeds=st.tuples(st.floats(1.5, 6), st.floats(1.5, 6)),
    apart=st.floats(-25, 25),
    textures=st.lists(st.integers(0, 900), min_size=2, max_size=2, unique=True),
    every=st.integers(1, 15),
)
def test_crossing_faces_keep_their_ids_at_any_speed(
    speeds: tuple[float, float], apart: float, textures: list[int], every: int
) -> None:
    right, left = speeds
    first, second = textures
    count = int(230 / max(speeds))
    scene = Scene(
        {first: lambda n: (40 + right * n, 120), second: lambda n: (280 - left * n, 120 + apart)}, noise=0.7
    )
    shown = scene.run(count, every)
    assert all(names.items() <= {first: 0, second: 1}.items() for names in shown)
    assert sum(len(names) for names in shown) > 1.4 * count


def test_of_twins_that_cross_neither_is_shown_twice() -> None:
    scene = Scene({1: lambda n: (50 + 3 * n, 120), 1 + TWINS: lambda n: (270 - 3 * n, 124)})
    shown = scene.run(75, every=30)
    assert all(len(names) <= 2 for names in shown)
    assert len(shown[-1]) == 2


def test_a_face_hidden_for_half_a_second_gets_its_id_back() -> None:
    scene = Scene({1: away(still(80), 20, 32), 2: still(240)})
    shown = scene.run(50)
    assert shown[25] == {2: 1}
    assert shown[-1] == {1: 0, 2: 1}


def test_a_face_that_walks_on_while_hidden_gets_its_id_back() -> None:
    scene = Scene({1: away(lambda n: (50 + 2 * n, 120), 25, 37)})
    assert scene.run(60)[-1] == {1: 0}


def test_a_face_away_for_longer_than_a_second_is_a_new_face() -> None:
    scene = Scene({1: away(still(80), 20, 60), 2: still(240)})
    assert scene.run(80)[-1] == {1: 2, 2: 1}


@pytest.mark.parametrize(("rate", "number"), [(5, 1), (100, 0)])
def test_time_away_counts_in_seconds_not_in_pictures(rate: float, number: int) -> None:
    scene = Scene({1: away(still(80), 20, 32)})
    assert scene.run(50, rate=rate)[-1] == {1: number}


def test_a_face_that_reappears_half_hidden_gets_its_id_back() -> None:
    # the one in front steps aside slowly, so that the other is found while much of it is covered
    scene = Scene({1: still(150), 2: lambda n: (150 - min(max(0, 2 * n - 20), 60), 130) if n > 4 else None})
    shown = scene.run(60)
    assert shown[0] == {1: 0}
    assert shown[15] == {2: 1}
    assert shown[-1] == {1: 0, 2: 1}


def test_another_face_at_the_same_place_is_a_new_face() -> None:
    scene = Scene({1: away(still(80), 20, 999), 2: away(still(80), 0, 30)})
    shown = scene.run(60)
    assert shown[19] == {1: 0}
    assert shown[-1] == {2: 1}


def test_ids_go_from_left_to_right_and_then_by_appearance() -> None:
    scene = Scene({5: still(250), 6: away(still(40), 0, 12), 7: still(150)})
    shown = scene.run(40)
    assert shown[0] == {7: 0, 5: 1}
    assert shown[-1] == {7: 0, 5: 1, 6: 2}


def test_a_single_mistake_takes_no_id() -> None:
    mistake = (200.0, 20.0, 48.0, 64.0)
    scene = Scene({1: still(80), 2: away(still(240), 0, 25)}, mistakes={10: mistake, 20: mistake})
    shown = scene.run(60)
    assert all(-1 not in names for names in shown)
    assert shown[-1] == {1: 0, 2: 1}


def test_the_first_picture_shows_its_faces_at_once() -> None:
    scene = Scene({1: still(80), 2: still(240)})
    assert scene.run(1) == [{1: 0, 2: 1}]


def test_a_cut_starts_new_ids_even_for_the_same_face() -> None:
    before, after = Scene({1: still(80)}), Scene({1: still(82)}, background=2000)
    tracker = Tracker(before)
    for number in range(20):
        tracked = tracker.update(before.draw(number))
        assert not tracked.cut
        assert tracked.ids.tolist() == [0]
    image = after.draw(0)
    before.boxes = after.boxes
    tracked = tracker.update(image)
    assert tracked.cut
    assert tracked.ids.tolist() == [1]


def test_a_gone_face_is_not_shown_and_is_searched_for_at_once() -> None:
    scene = Scene({1: away(still(80), 13, 99)})
    tracker = Tracker(scene, 10)
    searches = []
    for number in range(14):
        tracked = tracker.update(scene.draw(number))
        searches.append(scene.searches)
    assert len(tracked.ids) == 0
    assert searches[9:] == [1, 2, 2, 2, 3]


@pytest.mark.parametrize(("every", "searches"), [(1, 31), (5, 7), (10, 4), (50, 1)])
def test_every_kth_picture_is_searched(every: int, searches: int) -> None:
    scene = Scene({1: still(80)})
    scene.run(31, every)
    assert scene.searches == searches


def test_pictures_far_apart_in_time_are_all_searched() -> None:
    scene = Scene({1: lambda n: (60 + 40 * n, 120)})
    assert [names[1] for names in scene.run(5, rate=1)] == [0] * 5
    assert scene.searches == 5


def test_a_search_every_zero_pictures_is_refused() -> None:
    with pytest.raises(ValueError, match="every is 0"):
        Tracker(Scene({}), 0)


def test_a_change_of_size_is_a_new_shot_and_odd_pictures_do_no_harm() -> None:
    tracker = Tracker(Mtcnn())
    shapes = [(120, 160), (120, 160), (1, 1), (12, 12), (3, 500), (200, 100), (200, 100)]
    cuts = []
    for shape in shapes:
        tracked = tracker.update(np.zeros((*shape, 3), np.uint8), float("nan"))
        cuts.append(tracked.cut)
        assert len(tracked.faces) == len(tracked.ids) == 0
    assert cuts == [False, False, True, True, True, True, False]


@given(
    rows=st.integers(0, 4),
    columns=st.integers(0, 4),
    unmatched=st.floats(0.1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_assignment_costs_as_little_as_the_best_of_all(
    rows: int, columns: int, unmatched: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    costs = random.uniform(0, 4, (rows, columns))
    if seed % 2:
        costs = costs.round()
    costs[random.random(costs.shape) < 0.25] = np.inf

    def total(choice: tuple[int, ...]) -> float:
        taken = [column for column in choice if column >= 0]
        if len(set(taken)) < len(taken):
            return np.inf
        return float(sum(unmatched if c < 0 else costs[r, c] for r, c in enumerate(choice)))

    pairs = dict(assignment(costs, unmatched))
    best = min(total(choice) for choice in itertools.product(range(-1, columns), repeat=rows))
    assert total(tuple(pairs.get(row, -1) for row in range(rows))) == pytest.approx(best)


# Shots


def test_a_change_of_scene_is_a_cut_and_movement_is_none() -> None:
    shots = ShotDetector()
    scene = Scene({1: lambda n: (50 + 4 * n, 120), 2: lambda n: (270 - 4 * n, 120)})
    assert not any(shots.update(scene.draw(number)) for number in range(50))
    assert shots.update(smooth(7, WIDTH, HEIGHT))
    assert not any(shots.update(smooth(7, WIDTH, HEIGHT)) for _ in range(5))
    assert shots.update(smooth(8, WIDTH, HEIGHT))


def lit(image: Image, gain: float, offset: float = 0) -> Image:
    return np.clip(image * gain + offset, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("flash", ["bright", "white", "black", "spot"])
def test_a_flash_or_a_black_gap_is_no_cut(flash: str, count: int) -> None:
    plain = smooth(7, WIDTH, HEIGHT) // 2 + 20
    lamp = np.exp(-np.hypot(*(np.indices((HEIGHT, WIDTH)) - 100)) / 80)[:, :, None]
    flashed = {
        "bright": lit(plain, 2.5, 40),
        "white": np.full_like(plain, 255),
        "black": np.zeros_like(plain),
        "spot": np.clip(plain + 250 * lamp, 0, 255).astype(np.uint8),
    }[flash]
    shots = ShotDetector()
    pictures = [plain] * 5 + [flashed] * count + [plain] * 5
    assert not any(shots.update(picture) for picture in pictures)


def test_a_cut_that_looks_like_a_flash_is_told_three_pictures_late() -> None:
    dark, bright = smooth(7, WIDTH, HEIGHT) // 8, smooth(8, WIDTH, HEIGHT) // 2 + 120
    shots = ShotDetector()
    told = [shots.update(picture) for picture in [dark] * 5 + [bright] * 8]
    assert told.index(True) == 8
    assert sum(told) == 1


def test_light_that_comes_and_goes_is_no_cut() -> None:
    plain = smooth(7, WIDTH, HEIGHT) // 2 + 10
    shots = ShotDetector()
    assert not any(shots.update(lit(plain, gain)) for gain in (1, 1.5, 1.5, 0.5, 0.5, 1, 0.25, 1.9))


def test_noise_in_the_dark_is_no_cut() -> None:
    shots = ShotDetector()
    random = np.random.default_rng(0)
    assert not any(shots.update(random.integers(0, 12, (HEIGHT, WIDTH, 3), np.uint8)) for _ in range(30))


def test_grey_and_tiny_pictures_are_taken() -> None:
    shots = ShotDetector()
    assert not shots.update(smooth(1, WIDTH, HEIGHT)[:, :, 0])
    shots.update(np.zeros((1, 1), np.uint8))
    shots.update(np.zeros((1, 1, 3), np.uint8))


# Real media


@pytest.fixture(scope="module")
def media() -> Path:
    folder = Path(__file__).parents[2] / "shared" / "media"
    if not folder.is_dir():
        pytest.skip(f"the sample media are not here ({folder})")
    return folder


def test_cuts_between_speakers_before_one_background_are_found(media: Path) -> None:
    shots = ShotDetector()
    clip = Video(media / "videos" / "grid_10speakers_30s.mp4")
    cuts = [frame.number for frame in clip if shots.update(frame.image)]
    assert cuts == list(range(75, 750, 75))


@pytest.mark.parametrize("name", ["grid_3faces.mp4", "single_face.mp4", "lbax4n.mpg"])
def test_clips_of_one_shot_have_no_cut(media: Path, name: str) -> None:
    shots = ShotDetector()
    assert not any(shots.update(frame.image) for frame in Video(media / "videos" / name))


def test_searching_every_tenth_picture_finds_the_same_faces(media: Path) -> None:
    detector = Mtcnn()
    often, rarely = Tracker(detector, 1), Tracker(detector, 10)
    shared = []
    for frame in itertools.islice(Video(media / "videos" / "grid_3faces.mp4"), 45):
        a, b = (tracker.update(frame.image, frame.seconds) for tracker in (often, rarely))
        assert a.ids.tolist() == b.ids.tolist() == [0, 1, 2]
        assert np.all(np.diff(b.faces.boxes[:, 0]) > 0)
        shared += [overlap(x, y) for x, y in zip(a.faces.boxes, b.faces.boxes, strict=True)]
    assert min(shared) > 0.75
    assert np.mean(shared) > 0.92


def test_two_real_faces_that_cross_keep_their_ids(media: Path) -> None:
    heads = []
    for name, (x, y, width, height) in {
        "astronaut.png": (140, 20, 170, 200),
        "grace_hopper.jpg": (100, 60, 320, 376),
    }.items():
        photo = cv2.imread(str(media / "photos" / name))
        assert photo is not None
        heads.append(
            cv2.resize(photo[y : y + height, x : x + width], (102, 120), interpolation=cv2.INTER_AREA)
        )
    tracker = Tracker(Mtcnn())
    places: dict[int, list[float]] = {0: [], 1: []}
    for number in range(60):
        image = smooth(1000, 420, 200) // 4 + 60
        for head, x, y in ((heads[0], 10 + 5 * number, 40), (heads[1], 310 - 5 * number, 46)):
            image[y : y + 120, x : x + 102] = head
        tracked = tracker.update(image)
        assert set(tracked.ids.tolist()) <= {0, 1}
        for number_of_face, box in zip(tracked.ids.tolist(), tracked.faces.boxes, strict=True):
            places[number_of_face].append(float(box[0] + box[2] / 2))
    assert len(places[0]) > 40 and len(places[1]) > 40
    # the astronaut only moves right, the officer only left
    assert np.diff(places[0]).min() > -4
    assert np.diff(places[1]).max() < 4
    assert places[0][-1] > 300 > 130 > places[1][-1]
