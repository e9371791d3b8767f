"""The benchmark of robustness: what damage does, that clean figures are evaluation's, and the command."""

import csv
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib draws the curves; install it for these tests")
sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import flicker
from damage import DAMAGES, GAMMA, WHITE, Damage, Where, moved
from damageable import Sample, StoredCrops
from robustness import METRIC, damaged, stability, turned_heads, uncertainty
from robustness_page import (
    BEGIN,
    COVERAGE,
    END,
    SET,
    THRESHOLDS,
    WIDTH,
    Row,
    Table,
    damage_table,
    flicker_table,
    put_into,
)

from mien.arrays import FloatArray, Image
from mien.benchmark import evaluate
from mien.bundle import Bundle, shipped
from mien.calibration import Calibration, Classes, Units, Values
from mien.errors import InputError, OutputError
from mien.faces.alignment import template
from mien.inputs import Preprocessing
from mien.media.video import Video
from mien.preparation.prepared import Prepared
from mien.preparation.run import Options, prepare
from mien.records import Predictions
from mien.tasks import ACTION_UNITS_8, EXPRESSION_7, VALENCE_AROUSAL
from mien.testing.databases.fer2013 import make_fer2013

COMMAND = Path(__file__).parents[1] / "benchmarks" / "robustness.py"
SIZE = 32
GREY = Preprocessing(size=SIZE, zoom=1.15, centre=0.575)
BY_NAME = {damage.name: damage for damage in DAMAGES}
CHANCE = np.random.default_rng(0)


def face(mouth: bool, eyes: bool) -> Image:
    """Return an aligned picture of 112 pixels, grey, with white bars where it shows something."""
    picture = np.full((112, 112), 90, np.uint8)
    if mouth:
        picture[88:97, 36:76] = 255
    if eyes:
        picture[47:56, 32:80] = 255
    return picture


class Seeing:
    """A predictor that looks whether the mouth's place or the eyes' is brighter than the rest."""

    preprocessing = GREY
    tasks = (EXPRESSION_7, ACTION_UNITS_8, VALENCE_AROUSAL)

    def __init__(self, calibration: Calibration | None = None) -> None:
        self.card: dict[str, Any] = {"name": "seeing"}
        self.calibration = calibration
        self._points = Where.stored(GREY, SIZE).landmarks

    def predict(self, faces: FloatArray) -> Predictions:
        """Return happiness for a bright mouth, surprise for bright eyes, else neutral."""
        pixels = faces[:, 0, 0] * 128 + 128
        eyes, mouth = (self._bright(pixels, self._points[part].mean(axis=0)) for part in ([0, 1], [3, 4]))
        scores = np.zeros((len(faces), 7), np.float32)
        scores[:, EXPRESSION_7.index("neutral")] = 1
        scores[:, EXPRESSION_7.index("happiness")] = 3 * mouth
        scores[:, EXPRESSION_7.index("surprise")] = 3 * eyes
        units = np.full((len(faces), 8), 0.1, np.float32)
        units[:, ACTION_UNITS_8.index("AU12")] = np.clip(mouth, 0, 1)
        shares = np.exp(scores)
        rated = np.stack([mouth - 0.3, mouth + eyes], axis=1).clip(-1, 1).astype(np.float32)
        return Predictions(
            {
                EXPRESSION_7: shares / shares.sum(axis=1, keepdims=True),
                ACTION_UNITS_8: units,
                VALENCE_AROUSAL: rated,
            }
        )

    def _bright(self, pixels: FloatArray, place: FloatArray) -> FloatArray:
        x, y = np.rint(place).astype(int)
        own = pixels[:, y, x - 2 : x + 3].mean(axis=1)
        return np.asarray((own - pixels.mean(axis=(1, 2))) / 100)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Thirty faces, of which some are labelled wrongly; they are turned to a side by steps."""
    folder = tmp_path_factory.mktemp("seen")
    kinds = {"neutral": face(False, False), "happiness": face(True, False), "surprise": face(False, True)}
    lines = ["path,split,expression,AU12,valence,arousal,yaw,cropped"]
    for number in range(30):
        name = list(kinds)[number % 3]
        cv2.imwrite(str(folder / f"{number:02d}.png"), kinds[name])
        told = "sadness" if number % 10 == 4 else name
        part = "train" if number < 3 else "validation"
        valence = (number % 3 == 1) * 0.7 - number / 100
        numbers = (int(name == "happiness"), valence, number / 100, 3 * number - 45, 1)
        lines.append(",".join([f"{number:02d}.png", part, told, *map(str, numbers)]))
    (folder / "manifest.csv").write_text("\n".join(lines))
    place = tmp_path_factory.mktemp("prepared") / "seen"
    prepare("table", folder, place, GREY, Options(given=True, quality=0, quiet=True))
    opened = Prepared.open(place)
    fresh = np.zeros(len(opened.index), np.int64)  # the same three pictures stand in every part
    return replace(opened, index=opened.index.with_columns({"seen_in_training": fresh}))


@pytest.fixture(scope="module")
def figures(data: Prepared) -> dict[tuple[str, Any, str, str], Row]:
    predictor = Seeing()
    crops = StoredCrops(predictor, Sample.drawn(data, predictor, "validation", 1000))
    rows = list(damaged(predictor, crops))
    return {(row.damage, row.strength, row.of, row.figure): row for row in rows}


def test_undamaged_is_what_evaluation_counts(
    data: Prepared, figures: dict[tuple[str, Any, str, str], Row]
) -> None:
    results = {result.protocol: result for result in evaluate([Seeing()], data, split="validation")}
    for task in Seeing.tasks:
        metric = METRIC[task.kind]
        other = next(
            f for f in results[task.name].figures if (f.of, f.metric, f.label) == ("model", metric, "")
        )
        row = figures["none", "", task.name, metric]
        assert (row.value, row.low, row.high) == (other.value, other.low, other.high)
        assert row.n == 27
    assert figures["none", "", "expression_7", "accuracy"].value == pytest.approx(24 / 27)
    assert figures["none", "", "expression_7", "change"].value == 0


def test_of_a_database_with_repeated_pictures_it_is_the_same_rows(tmp_path: Path) -> None:
    made = make_fer2013(tmp_path / "fer", train=4, validation=12, test=1)
    bundle = Bundle.load(shipped())
    prepare("fer2013", made.folder, tmp_path / "prepared", bundle.preprocessing, Options(quiet=True))
    prepared = Prepared.open(tmp_path / "prepared")
    sample = Sample.drawn(prepared, bundle, "validation", 1000)
    assert len(sample.rows) == 11, "one also stands in the training part"
    assert [p.name for p in sample.protocols] == ["FER2013", "FERPlus majority"]
    rows = list(damaged_but_clean(bundle, sample))
    results = {r.protocol: r for r in evaluate([bundle], prepared, split="validation")}
    for protocol in sample.protocols:
        row = next(r for r in rows if (r.of, r.figure) == (protocol.name, "accuracy"))
        assert row.value == results[protocol.name].figures[0].value
        assert row.n == results[protocol.name].figures[0].count
    assert len(Sample.drawn(prepared, bundle, "validation", 5).rows) == 5


def damaged_but_clean(bundle: Bundle, sample: Sample) -> list[Row]:
    """Return the figures of the first condition alone."""

    class Undamaged(StoredCrops):
        def change(self, damage: Damage) -> None:
            return None

    return list(damaged(bundle, Undamaged(bundle, sample)))


def test_hiding_what_it_looks_at_ruins_it(figures: dict[tuple[str, Any, str, str], Row]) -> None:
    def accuracy(damage: str, strength: Any) -> float:
        return figures[damage, strength, "expression_7", "accuracy"].value

    clean = accuracy("none", "")
    assert accuracy("part hidden", "mouth") < clean - 0.2
    assert accuracy("part hidden", "eyes") < clean - 0.2
    assert accuracy("part hidden", "lower half") < clean - 0.2
    assert figures["part hidden", "mouth", "action_units_8", "binary F1"].value < 0.7
    assert figures["part hidden", "eyes", "action_units_8", "binary F1"].value > 0.9
    assert accuracy("square hidden", 5) > accuracy("square hidden", 50)
    assert accuracy("contrast", 50) <= clean
    assert figures["contrast", 2, "expression_7", "uncertainty"].value > 0.95
    assert figures["none", "", "expression_7", "uncertainty"].value < 0.8
    assert (
        figures["shift", 16, "expression_7", "change"].value
        > figures["shift", 2, "expression_7", "change"].value
    )


def test_with_all_of_it_hidden_every_face_is_called_the_same(data: Prepared) -> None:
    predictor = Seeing()
    sample = Sample.drawn(data, predictor, "validation", 1000)
    crops, found = StoredCrops(predictor, sample).crops(BY_NAME["square hidden"].crop, 100, 1)
    assert found.all()
    assert (crops == crops[:, :1, :1]).all(), "one grey"
    said = predictor.predict(GREY.arrays(crops)).values[EXPRESSION_7].argmax(axis=1)
    assert len(np.unique(said)) == 1


def test_turned_heads_are_counted_by_their_angle(data: Prepared) -> None:
    predictor = Seeing()
    crops = StoredCrops(predictor, Sample.drawn(data, predictor, "validation", 1000))
    rows = [r for r in turned_heads(predictor, crops) if (r.of, r.figure) == ("expression_7", "accuracy")]
    angles = np.abs(3 * np.arange(3, 30) - 45)
    right = np.arange(3, 30) % 10 != 4
    bins = [(0, 10), (10, 20), (20, 30), (30, 45)]
    assert [row.strength for row in rows] == [f"{low} to {high}" for low, high in bins]
    for row, (low, high) in zip(rows, bins, strict=True):
        inside = (angles >= low) & (angles < high)
        assert row.n == inside.sum()
        assert row.value == pytest.approx(right[inside].mean())
    columns = {name: column for name, column in data.index.columns.items() if name != "yaw"}
    plain = replace(data, index=replace(data.index, columns=columns))
    crops = StoredCrops(predictor, Sample.drawn(plain, predictor, "validation", 1000))
    assert list(turned_heads(predictor, crops)) == []


def test_of_a_calibrated_predictor_sets_intervals_and_thresholds_are_told(data: Prepared) -> None:
    units = Units((1.0,) * 8, (0.0,) * 8, (0.0,) * 8, (9,) * 8)
    known = {
        EXPRESSION_7: Classes(1.0, 0.6, 9),
        ACTION_UNITS_8: units,
        VALENCE_AROUSAL: Values((0.4, 0.2), 1.0, "", (9, 9)),
    }
    predictor = Seeing(Calibration(0.9, known))
    sample = Sample.drawn(data, predictor, "validation", 1000)
    rows = list(damaged(predictor, StoredCrops(predictor, sample)))
    found = {(r.of, r.figure): r.value for r in rows if r.damage == "none"}
    assert found["action_units_8", THRESHOLDS] == pytest.approx(0.5), "of all faces; a third has it"
    assert found["action_units_8", "binary F1"] == 1
    crops, _ = StoredCrops(predictor, sample).crops(None, "", 0)
    said = predictor.predict(GREY.arrays(crops)).values
    sizes, held = [], []
    labels = sample.index.labels.values[EXPRESSION_7].argmax(axis=1)
    for shares, label in zip(said[EXPRESSION_7], labels, strict=True):
        inside, mass = [], 0.0
        for k in sorted(range(7), key=lambda k: -shares[k]):
            if mass <= 0.6:
                inside.append(k)
            mass += shares[k]
        sizes.append(len(inside))
        held.append(label in inside)
    assert found["expression_7", SET] == pytest.approx(np.mean(sizes))
    assert found["expression_7", COVERAGE] == pytest.approx(np.mean(held))
    reach = np.array([0.4, 0.2])
    low, high = (np.clip(said[VALENCE_AROUSAL] + sign * reach, -1, 1) for sign in (-1, 1))
    assert found["valence_arousal", WIDTH] == pytest.approx((high - low).mean(), rel=1e-5)
    truth = sample.index.labels.values[VALENCE_AROUSAL]
    assert found["valence_arousal", COVERAGE] == pytest.approx(((low <= truth) & (truth <= high)).mean())
    table = damage_table(Table(rows), "stored crops")
    assert all(f": {figure}" in table.splitlines()[0] for figure in (THRESHOLDS, COVERAGE, SET, WIDTH))


class Corner:
    """A predictor whose valence is the grey of the crop's first pixel, per 1,000."""

    preprocessing = GREY
    tasks = (VALENCE_AROUSAL,)

    def __init__(self) -> None:
        self.card: dict[str, Any] = {}
        self.calibration: Calibration | None = None

    def predict(self, faces: FloatArray) -> Predictions:
        first = (faces[:, 0, 0, 0, 0] * 128 + 128) / 1000
        return Predictions({VALENCE_AROUSAL: np.stack([first, np.zeros_like(first)], axis=1)})


def test_moved_by_pixels_outputs_change_as_the_picture_does(data: Prepared) -> None:
    """On a ramp of 3 greys a pixel, six of the eight directions change the corner, by 3 greys a pixel."""
    predictor = Corner()
    crops = StoredCrops(predictor, Sample.drawn(data, predictor, "validation", 5))
    ramp = (3 * np.arange(crops.stored.shape[2])).astype(np.uint8)
    crops.stored = np.repeat(np.repeat(ramp[None, None], len(ramp), axis=1), 5, axis=0)
    rows = {(row.strength, row.figure): row.value for row in stability(predictor, crops)}
    for pixels in (1, 2):
        assert rows[pixels, "mean change"] == pytest.approx(0.003 * pixels * 6 / 8 / 2, rel=1e-4)
        assert rows[pixels, "mean change, most changed"] == pytest.approx(0.003 * pixels * 6 / 8, rel=1e-4)
        assert rows[pixels, "95th percentile"] == pytest.approx(0.003 * pixels, rel=1e-4)
        assert math.isnan(rows[pixels, "renamed"])


def test_crops_are_moved_in_the_stored_ones_and_beyond_them_only_at_the_edge() -> None:
    stored = CHANCE.integers(0, 256, (3, 20, 20), np.uint8)
    np.testing.assert_array_equal(moved(stored, 16, 2, -1), stored[:, 1:17, 4:20])
    tight = moved(stored, 20, 1, 0)
    np.testing.assert_array_equal(tight[:, :, :19], stored[:, :, 1:])
    np.testing.assert_array_equal(tight[:, :, 19], stored[:, :, 19])
    assert moved(stored[..., None].repeat(3, axis=3), 16, -2, 2).shape == (3, 16, 16, 3)


def textured(size: int) -> Image:
    """Return a grey picture with structure at every place, mild enough for interpolation."""
    small = np.random.default_rng(3).integers(40, 220, (12, 12)).astype(np.uint8)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_every_damage_keeps_the_crop_and_leaves_the_given_one_alone(damage: Damage, colour: bool) -> None:
    crop = textured(48)
    crop = np.repeat(crop[..., None], 3, axis=2) if colour else crop
    before, where = crop.copy(), Where.stored(GREY, 48)
    for strength in damage.strengths:
        after = damage.crop(crop, where, strength, np.random.default_rng(1))
        again = damage.crop(crop, where, strength, np.random.default_rng(1))
        assert after.shape == crop.shape
        assert after.dtype == np.uint8
        np.testing.assert_array_equal(after, again)
        np.testing.assert_array_equal(crop, before)
        if damage.picture is not None:
            assert damage.picture(crop, where, strength, np.random.default_rng(1)).ndim == crop.ndim


@pytest.mark.parametrize("name", ["blur", "noise", "JPEG", "low light", "contrast", "scale", "square hidden"])
def test_a_greater_strength_changes_more(name: str) -> None:
    crop, where = textured(48), Where.stored(GREY, 48)
    changes = [
        np.mean(
            [
                np.abs(
                    BY_NAME[name].crop(crop, where, s, np.random.default_rng(k)) - crop.astype(float)
                ).mean()
                for k in range(20)
            ]
        )
        for s in BY_NAME[name].strengths
    ]
    worse = changes[2:] if name == "scale" else changes  # larger than the crop, it is only resized
    assert worse == sorted(worse)
    assert worse[-1] > worse[0]


def test_low_light_counts_photons_by_chance() -> None:
    """Mean and variance of the light are those of Poisson's law, but for what 8 bit round."""
    grey, share = 128, 0.2
    dark = BY_NAME["low light"].crop(
        np.full((400, 400), grey, np.uint8), Where.stored(GREY, 400), 100 * share, np.random.default_rng(0)
    )
    photons = (dark / 255.0) ** GAMMA * WHITE
    expected = (grey / 255) ** GAMMA * WHITE * share
    assert photons.mean() == pytest.approx(expected, rel=0.01)
    assert photons.var() == pytest.approx(expected, rel=0.05)


def test_a_picture_is_damaged_where_its_crop_would_be() -> None:
    """Of a face that is turned and large, width, centre and landmarks are those of its crop."""
    target = template(112, 1.0) * 3
    angle = np.radians(12)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks = ((target - 168) @ turn.T * 0.8 + [260, 240]).astype(np.float32)
    picture = np.full((480, 520), 200, np.uint8)
    where, inside = Where.of(GREY, landmarks), Where.stored(GREY, SIZE)
    assert where.width == pytest.approx(SIZE / np.hypot(*GREY.matrix(landmarks)[:, 0]), rel=1e-6)
    mapped = where.centre @ GREY.matrix(landmarks)[:, :2].T + GREY.matrix(landmarks)[:, 2]
    np.testing.assert_allclose(mapped, inside.centre, atol=1e-3)
    on_crop = landmarks @ GREY.matrix(landmarks)[:, :2].T + GREY.matrix(landmarks)[:, 2]
    np.testing.assert_allclose(on_crop, inside.landmarks, atol=1e-3)
    hidden = BY_NAME["square hidden"].picture
    assert hidden is not None
    upright = Where(where.width * 1.5, where.centre, landmarks)
    covered = GREY.crop(hidden(picture, upright, 100, np.random.default_rng(5)), landmarks)
    assert (covered == covered[0, 0]).all()
    assert covered[0, 0] != 200


@pytest.mark.parametrize("part", BY_NAME["part hidden"].strengths)
def test_a_hidden_part_holds_its_landmarks_and_no_other(part: str) -> None:
    where = Where.stored(GREY, 48)
    crop = np.full((48, 48), 7, np.uint8)
    hidden = BY_NAME["part hidden"].crop(crop, where, part, np.random.default_rng(0)) != 7
    there = [hidden[round(y), round(x)] for x, y in where.landmarks[[0, 1, 3, 4]].tolist()]
    expected = {
        "mouth": [False, False, True, True],
        "eyes": [True, True, False, False],
        "left half": [True, False, True, False],
        "right half": [False, True, False, True],
        "lower half": [False, False, True, True],
    }
    assert there == expected[part]


def test_a_turned_picture_holds_all_of_it() -> None:
    picture = np.full((40, 60, 3), 10, np.uint8)
    picture[:2, :2], picture[-2:, -2:] = 250, 200
    turn = BY_NAME["rotation"].picture
    assert turn is not None
    after = turn(picture, Where.stored(GREY, 40), 90, CHANCE)
    assert after.shape[:2] == (60, 40)
    assert after[-1, 0, 0] > 240
    assert after[0, -1, 0] > 190
    assert turn(picture, Where.stored(GREY, 40), 45, CHANCE).shape[:2] == (71, 71)


def test_uncertainty_is_the_share_of_the_greatest_entropy() -> None:
    shares = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]], np.float32)
    np.testing.assert_allclose(uncertainty("categorical", shares), [0, 1, 0.5], atol=1e-6)
    units = np.array([[0, 1], [0.5, 0.5], [0.5, 1]], np.float32)
    np.testing.assert_allclose(uncertainty("binary", units), [0, 1, 0.5], atol=1e-6)


def test_filters_look_at_no_later_frame_and_delay_as_they_say() -> None:
    step = np.concatenate([np.zeros((10, 1)), np.ones((20, 1))])
    for name, change in flicker.FILTERS.items():
        values = np.random.default_rng(0).normal(size=(30, 2))
        later = values.copy()
        later[15:] += 9
        np.testing.assert_array_equal(change(values)[:15], change(later)[:15], err_msg=name)
        assert change(step).shape == step.shape
        np.testing.assert_array_equal(change(np.ones((7, 3))), np.ones((7, 3)))
    assert int(np.argmax(flicker.median(step) > 0.5)) == 10 + flicker.WINDOW // 2
    after = flicker.smoothed(step)[10:, 0]
    expected = 1 - np.exp(-(np.arange(20) + 1) / (flicker.RATE * flicker.SPAN))
    np.testing.assert_allclose(after, expected)


def test_a_still_face_is_followed_and_flickers_less_through_a_filter(sample: Path) -> None:
    with Video(sample) as video:
        portrait = next(iter(video)).image
    bundle = Bundle.load(shipped())
    rows = list(flicker.measured(bundle, {"portrait": portrait}, seconds=2))
    found = {(r.damage, r.strength, r.of, r.figure): r.value for r in rows}
    for quality in flicker.QUALITIES:
        assert found["video", quality, "", "frames with the face"] == 1
        for of in ("expression_8_contempt", "landmarks"):
            plain = found["none", quality, of, "change a frame"]
            assert plain > 0
            for name in list(flicker.FILTERS)[1:]:
                assert found[name, quality, of, "change a frame"] < plain
    shown = len(bundle.tasks) + 2  # the box and the landmarks too
    assert flicker_table(rows).count("\n| ") == 1 + shown * len(flicker.FILTERS) * len(flicker.QUALITIES)
    with pytest.raises(InputError, match="expected at least 2"):
        list(flicker.measured(bundle, {"portrait": portrait}, seconds=1))


def command(*arguments: Path | str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, str(COMMAND), *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def test_the_command_writes_page_table_and_curves(tmp_path: Path) -> None:
    made = make_fer2013(tmp_path / "fer", train=3, validation=8, test=1)
    bundle = Bundle.load(shipped())
    prepare("fer2013", made.folder, tmp_path / "prepared", bundle.preprocessing, Options(quiet=True))
    page = tmp_path / "page.md"
    page.write_text(f"Before.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")
    given = ("shipped", tmp_path / "prepared", "-o", tmp_path / "out", "--originals", made.folder)
    done = command(*given, "--rows", "6", "--original-rows", "3", "--page", page)
    assert done.returncode == 0, done.stderr
    names = {"robustness.md", "robustness.csv", "scores.png", "uncertainty.png", "pictures.png"}
    names |= {"sets.png", "intervals.png"}  # of a calibrated bundle
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    for name in names:
        if name.endswith(".png"):
            assert cv2.imread(str(tmp_path / "out" / name)).std() > 10
    with open(tmp_path / "out" / "robustness.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    measured = {(row["shown"], row["damage"], row["strength"]) for row in rows}
    for damage in DAMAGES:
        for strength in damage.strengths:
            assert ("stored crops", damage.name, f"{strength}") in measured
            assert (("original pictures", damage.name, f"{strength}") in measured) == (
                damage.picture is not None
            )
    text = page.read_text()
    assert text.startswith("Before.\n\n<!--")
    assert text.endswith("-->\n\nAfter.\n")
    assert "old" not in text
    assert "](out/scores.png)" in text
    assert text.count("\n| rotation (degrees) | -45 |") == 2
    assert text.count("\n| blur ") == 1, "of original pictures only what differs most from crops"
    written = (tmp_path / "out" / "robustness.md").read_text()
    assert "Damage, on original pictures" in written
    assert written.count("\n| rotation (degrees) | -45 |") == 2
    assert "### A still face in video\n\nNot measured." in written


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path, data: Prepared) -> None:
    done = command(tmp_path / "none", tmp_path, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("robustness: ")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
    (tmp_path / "page.md").write_text(f"{END} {BEGIN}")
    with pytest.raises(OutputError, match="expected a file with the lines"):
        put_into(tmp_path / "page.md", "text")
