"""Rendered faces: the model's files, what is shown and its labels, pictures, and the database of them."""

import os
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.derived import facekit
from mien.derived.circumplex import PLACES
from mien.derived.creases import creases
from mien.derived.facekit import EYES, LANDMARKS, NAMES, SKIN, FaceKit, sides
from mien.derived.filming import EMOTIONS, Utterances, loudness, take
from mien.derived.painting import Painter, _depth, pattern, random_look
from mien.derived.rendering import Renderer
from mien.derived.renderings import PARTS, Options, part_of, render
from mien.derived.scenery import photographed, random_background, random_faults, random_scene
from mien.derived.scripting import CANCELLING, RANDOM, Director, compatible, presences
from mien.derived.units import CLOSED, PARTED, SHAPES
from mien.errors import InputError, SettingsError
from mien.inputs import Preprocessing
from mien.media.video import Video
from mien.preparation.prepared import Prepared
from mien.preparation.run import Options as Preparing
from mien.preparation.run import prepare
from mien.tasks import ACTION_UNITS_18, EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL
from mien.testing.media import make_sound, tone

KIT = Path(__file__).parents[2] / "shared" / "data" / "ict_facekit" / "facekit.npz"
FRAMING = Preprocessing(size=96, zoom=0.72, centre=0.575, colour="rgb")
PLAIN = Preprocessing(size=48, zoom=1.15, centre=0.575)
NEUTRAL = EXPRESSION_8_CONTEMPT.index("neutral")


@pytest.fixture(scope="module")
def kit() -> FaceKit:
    if not KIT.is_file():
        pytest.skip(f"the face model is not here ({KIT})")
    return FaceKit.load(KIT)


@pytest.fixture(scope="module")
def renderer(kit: FaceKit) -> Renderer:
    return opened(kit)


def opened(kit: FaceKit) -> Renderer:
    """Return a renderer; where OpenGL is missing the test is skipped."""
    os.environ.setdefault("LP_NUM_THREADS", "1")
    try:
        return Renderer(kit, FRAMING)
    except SettingsError as error:
        pytest.skip(str(error))


def activated(**levels: float) -> np.ndarray:
    shapes = np.zeros(len(NAMES), np.float32)
    for name, level in levels.items():
        shapes[sides(NAMES, name)] = level
    return shapes


# The model's files


def write_release(folder: Path) -> None:
    """Write a release whose mesh is a square and a triangle; file k moves the first corner by k."""
    names = ["generic_neutral_mesh", *NAMES, *(f"identity{number:03d}" for number in range(100))]
    for moved, name in enumerate(names):
        corners = [(moved, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 2, 0.5)]
        lines = ["# made", *(f"v {x} {y} {z}" for x, y, z in corners), "vt 0 0", "vn 0 0 1"]
        (folder / f"{name}.obj").write_text("\n".join([*lines, "f 1/1/1 2/1/1 3/1/1 4/1/1", "f 3 4 5", ""]))


def test_release_is_read_as_differences_from_the_neutral_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_release(tmp_path)
    monkeypatch.setattr(facekit, "VERTICES", 5)
    monkeypatch.setattr(facekit, "LANDMARKS", np.array([3, *[0] * 15, 1, *[0] * 13, 4, *[0] * 37]))
    kit = FaceKit.load(tmp_path)
    assert kit.names == NAMES
    assert kit.shapes[:, 0, 0].tolist() == list(range(1, 58))
    assert kit.identities[:, 0, 0].tolist() == list(range(58, 158))
    assert not kit.shapes[:, 1:].any()
    assert kit.quads.tolist() == [[0, 1, 2, 3], [2, 3, 4, 4]]
    assert kit.person(np.eye(100)[3])[0].tolist() == [61, 0, 0]


def test_what_is_no_such_model_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="generic_neutral_mesh"):
        FaceKit.load(tmp_path)
    with pytest.raises(InputError, match="not a readable face model"):
        FaceKit.load(tmp_path / "none.npz")
    write_release(tmp_path)
    with pytest.raises(InputError, match=r"5 vertices.*26,719"):
        FaceKit.load(tmp_path)
    (tmp_path / "jawOpen.obj").write_text("v 0 0 0\nf 1 2 3 4 5\n")
    with pytest.raises(InputError, match=r"jawOpen\.obj: a face of 5 corners"):
        FaceKit.load(tmp_path)


def test_vertices_numbered_otherwise_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_release(tmp_path)
    monkeypatch.setattr(facekit, "VERTICES", 5)
    monkeypatch.setattr(facekit, "LANDMARKS", np.zeros(68, np.int64))
    with pytest.raises(InputError, match="number them otherwise"):
        FaceKit.load(tmp_path)


def test_packed_model_has_the_release_s_names_and_landmarks(kit: FaceKit) -> None:
    assert kit.names == NAMES
    assert (kit.landmarks == LANDMARKS).all()
    assert (kit.neutral[kit.landmarks][:17, 1].argmin(), kit.landmarks[30]) == (8, LANDMARKS[30])


# What is shown


def shown_units(director: Director, activations: np.ndarray) -> set[str]:
    levels = director.levels(activations[None])[0]
    return {unit for unit, level in zip(ACTION_UNITS_18.labels, levels, strict=True) if level > 0.2}


def test_random_pictures_have_every_unit_often_enough_and_none_that_cancel() -> None:
    director, rng = Director(NAMES), np.random.default_rng(0)
    drawn = [director.draw(rng) for _ in range(3000)]
    levels = director.levels(np.stack([shown.activations for shown in drawn]))
    rates = (presences(levels, np.zeros(len(levels))) > 0.5).mean(axis=0)
    for unit, rate in zip(ACTION_UNITS_18.labels, rates, strict=True):
        assert unit == "AU25" or 0.08 < rate < 0.38, f"{unit} in {rate:.1%}"
    assert 0.45 < np.mean([shown.script == RANDOM for shown in drawn]) < 0.55
    for shown in drawn:
        assert shown.activations.min() >= 0 and shown.activations.max() <= 1
        if shown.script == RANDOM:
            pairs = combinations(sorted(shown_units(director, shown.activations)), 2)
            assert not {frozenset(pair) for pair in pairs} & {frozenset(pair) for pair in CANCELLING}


def test_absent_units_are_mostly_nought_and_never_more_than_a_trace() -> None:
    director, rng = Director(NAMES), np.random.default_rng(1)
    levels = director.levels(np.stack([director.random(rng).activations for _ in range(500)]))
    known = levels[:, [unit != "AU25" for unit in ACTION_UNITS_18.labels]]
    low = known[known < 0.17]
    assert (low == 0).mean() > 0.6
    assert (low > 0).mean() > 0.1


def test_of_a_pair_that_cancels_the_earlier_stays() -> None:
    levels = {"AU12": 0.5, "AU15": 0.9, "AU01": 1.0}
    assert compatible(levels, ["AU12", "AU15", "AU01"]) == {"AU12": 0.5, "AU01": 1.0}
    assert compatible(levels, ["AU15", "AU12", "AU01"]) == {"AU15": 0.9, "AU01": 1.0}
    assert {unit for pair in CANCELLING for unit in pair} <= set(SHAPES)


@pytest.mark.parametrize("expression", EXPRESSION_8_CONTEMPT.labels)
def test_script_says_its_expression_and_the_affect_that_follows(expression: str) -> None:
    director, rng = Director(NAMES), np.random.default_rng(2)
    for _ in range(50):
        shown = director.scripted(rng, expression)
        assert shown.script == expression
        assert shown.shares.sum() == pytest.approx(1)
        assert shown.intensity == pytest.approx(1 - shown.shares[NEUTRAL], abs=1e-6)
        assert np.allclose(shown.affect, shown.intensity * np.array(PLACES[expression]), atol=1e-5)


def test_contempt_is_on_one_side_and_happiness_on_both() -> None:
    director, rng = Director(NAMES), np.random.default_rng(3)
    left, right = sides(NAMES, "mouthDimple")
    contempt = np.stack([director.scripted(rng, "contempt", 0.8).activations for _ in range(40)])
    assert (contempt[:, [left, right]].min(axis=1) < 0.4 * contempt[:, [left, right]].max(axis=1)).all()
    left, right = sides(NAMES, "mouthSmile")
    happy = np.stack([director.scripted(rng, "happiness", 0.8).activations for _ in range(40)])
    assert np.mean(np.abs(happy[:, left] - happy[:, right]) < 0.25) > 0.8


def test_both_eyes_look_the_same_way() -> None:
    director, rng = Director(NAMES), np.random.default_rng(4)
    for _ in range(20):
        shapes = dict(zip(NAMES, director.draw(rng).activations, strict=True))
        assert shapes["eyeLookOut_L"] == shapes["eyeLookIn_R"]
        assert shapes["eyeLookIn_L"] == shapes["eyeLookOut_R"]
        assert 0 in (shapes["eyeLookOut_L"], shapes["eyeLookIn_L"])


def test_parted_lips_are_told_by_their_gap() -> None:
    levels = np.zeros((3, 18), np.float32)
    present = presences(levels, np.array([CLOSED / 2, (CLOSED + PARTED) / 2, 1.0]))
    assert present[:, ACTION_UNITS_18.index("AU25")].tolist() == pytest.approx([0, 0.5, 1])
    assert not np.delete(present, ACTION_UNITS_18.index("AU25"), axis=1).any()


# Paint and surroundings


def test_depth_in_a_ring_is_that_of_opencv() -> None:
    rng = np.random.default_rng(5)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
    ring = np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(0.4, 2, (9, 1))
    points = rng.uniform(-2, 2, (300, 2))
    expected = [
        cv2.pointPolygonTest(ring.astype(np.float32)[:, None], tuple(map(float, point)), True)
        for point in points
    ]
    assert np.allclose(_depth(points, ring.astype(np.float32)), expected, atol=1e-5)


def test_pattern_is_smooth_and_the_seed_s() -> None:
    points = np.random.default_rng(6).uniform(-5, 5, (2000, 3))
    there, near = pattern(points, 1, 0.5), pattern(points + 0.01, 1, 0.5)
    assert np.abs(there - near).max() < 0.05
    assert 0.3 < there.std() < 0.7
    assert np.abs(there - pattern(points, 2, 0.5)).max() > 0.5


def test_head_turns_as_it_is_told() -> None:
    scene = replace(random_scene(np.random.default_rng(0), 0.3), yaw=0.0, pitch=0.0, roll=0.0)
    nose, crown = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])
    assert (replace(scene, yaw=30.0).turn @ nose)[0] > 0.49
    assert (replace(scene, pitch=30.0).turn @ nose)[1] < -0.49
    assert (replace(scene, roll=30.0).turn @ crown)[0] < -0.49
    turn = replace(scene, yaw=20.0, pitch=-10.0, roll=5.0).turn
    assert np.allclose(turn @ turn.T, np.eye(3)) and np.linalg.det(turn) == pytest.approx(1)


def test_scenes_stay_in_their_range() -> None:
    rng = np.random.default_rng(7)
    poses = np.array([[s.yaw, s.pitch, s.roll] for s in (random_scene(rng, 0.3) for _ in range(500))])
    assert (np.abs(poses).max(axis=0) <= [40, 25, 20]).all()
    assert (np.abs(poses[:, 0]) < 15).mean() > 0.6


def test_background_shows_where_the_head_is_not() -> None:
    rng = np.random.default_rng(8)
    behind = random_background(rng, 64, np.zeros(3), None)
    assert behind.shape == (64, 64, 3) and behind.dtype == np.uint8
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[:, 32:] = (10, 20, 30, 255)
    calm = replace(random_faults(rng), sharpness=1.0, blur=0.0, contrast=1.0, brightness=0.0, noise=0.0)
    picture = photographed(rng, pixels, behind, calm)
    assert (picture[:, :32] == behind[:, :32]).all()
    assert (picture[:, 32:] == (10, 20, 30)).all()


# Pictures


def test_face_lies_where_the_landmarks_say(kit: FaceKit, renderer: Renderer) -> None:
    """Eyeballs alone are painted white: their pixels must surround the two eyes' landmarks."""
    rng = np.random.default_rng(9)
    for _ in range(4):
        scene = random_scene(rng, 0.3)
        scene = replace(
            scene, yaw=0.5 * scene.yaw, light=replace(scene.light, ground=np.ones(3), sky=np.ones(3))
        )
        person = renderer.person(rng.normal(0, 1, 100), random_look(rng))
        paint = np.zeros((len(kit.neutral), 4), np.uint8)
        for side in EYES:
            paint[side] = (255, 255, 255, 0)
        made = renderer.render(
            replace(person, paint=np.ascontiguousarray(paint[renderer.seen])), activated(eyeWide=1), scene
        )
        white = made.pixels[..., 1] > 0.5 * made.pixels[..., 1].max()
        rows, columns = np.nonzero(white)
        for eye, mine in zip(made.landmarks[:2], (columns < 48, columns >= 48), strict=True):
            centre = np.array([columns[mine].mean(), rows[mine].mean()])
            assert np.linalg.norm(centre - eye) < 1.5, "pixels of a picture of 96"


def test_landmarks_are_aligned_to_the_template(renderer: Renderer) -> None:
    rng = np.random.default_rng(10)
    person = renderer.person(rng.normal(0, 1, 100), random_look(rng))
    for _ in range(5):
        made = renderer.render(person, activated(), random_scene(rng, 0.3))
        assert np.allclose(FRAMING.matrix(made.landmarks), [[1, 0, 0], [0, 1, 0]], atol=1e-3)


def test_mesh_is_the_sum_of_what_is_activated(kit: FaceKit, renderer: Renderer) -> None:
    rng = np.random.default_rng(11)
    person = renderer.person(rng.normal(0, 1, 100), random_look(rng))
    shapes = rng.uniform(0, 1, len(NAMES)).astype(np.float32)
    expected = person.mesh + np.tensordot(shapes, kit.shapes[:, renderer.seen], 1)
    assert np.allclose(renderer.mesh(person, shapes), expected, atol=1e-3)


def test_normals_are_sums_over_the_faces_at_a_corner(kit: FaceKit, renderer: Renderer) -> None:
    mesh = kit.neutral[renderer.seen]
    normals = renderer.normals(mesh)
    nose = int(np.searchsorted(renderer.seen, LANDMARKS[30]))
    own = [face for face in kit.quads if LANDMARKS[30] in face]
    expected = sum(
        np.cross(kit.neutral[c] - kit.neutral[a], kit.neutral[d] - kit.neutral[b]) for a, b, c, d in own
    )
    assert np.allclose(normals[nose], expected, rtol=1e-3, atol=1e-4)
    assert normals[nose, 2] > 0, "the tip of the nose looks at the viewer"


def test_gap_opens_with_the_jaw_and_not_with_the_chin(renderer: Renderer) -> None:
    rng = np.random.default_rng(12)
    person = renderer.person(np.zeros(100), random_look(rng))
    scene = random_scene(rng, 0.3)
    gaps = [
        renderer.render(person, shapes, scene).gap
        for shapes in (
            activated(),
            activated(jawOpen=0.2),
            activated(jawOpen=0.6),
            activated(mouthShrugLower=1),
        )
    ]
    assert gaps[0] < CLOSED < gaps[1] < PARTED < gaps[2]
    assert gaps[3] == 0


def test_expression_changes_its_part_of_the_face(renderer: Renderer) -> None:
    rng = np.random.default_rng(13)
    person, scene = renderer.person(np.zeros(100), random_look(rng)), random_scene(rng, 0.3)
    scene = replace(scene, yaw=0.0, pitch=0.0)
    calm, again = (renderer.render(person, activated(), scene).pixels.astype(int) for _ in range(2))
    assert (calm == again).all()
    smile = np.abs(renderer.render(person, activated(mouthSmile=1), scene).pixels - calm).sum(axis=2)
    brows = np.abs(renderer.render(person, activated(browInnerUp=1), scene).pixels - calm).sum(axis=2)
    assert smile[48:].sum() > 3 * smile[:40].sum()
    assert brows[:48].sum() > 3 * brows[56:].sum()


def test_paint_is_where_the_features_are(kit: FaceKit) -> None:
    look = replace(
        random_look(np.random.default_rng(14)), brow=1.0, beard=0.0, moustache=0.0, hairline=np.inf
    )
    look = replace(look, skin=(0.6, 0.4, 0.3), hair=(0.01, 0.01, 0.01), lips=(0.5, 0.02, 0.02), mottle=0.0)
    paint = Painter(kit).paint(look)
    assert np.isfinite(paint).all() and paint.min() >= 0 and paint.max() <= 1
    skin = np.median(paint[SKIN, :3], axis=0)
    brows, lips = kit.landmarks[17:27], kit.landmarks[[50, 51, 52, 56, 57, 58]]
    assert (paint[brows, 0] < 0.7 * skin[0]).sum() > 5
    assert (paint[lips, 1] < 0.5 * paint[lips, 0]).all()


def test_folds_come_with_their_shape_on_its_side(kit: FaceKit, renderer: Renderer) -> None:
    dark = creases(kit)
    assert dark.min() >= 0 and dark.max() <= 1
    left, right = sides(NAMES, "mouthSmile")
    assert dark[left].any() and not dark[left][kit.neutral[:, 0] < -0.3].any()
    assert not dark[right][kit.neutral[:, 0] > 0.3].any()
    assert not dark[sides(NAMES, "jawOpen")].any()
    rng = np.random.default_rng(17)
    look = replace(random_look(rng), beard=0.0, moustache=0.0, skin=(0.6, 0.4, 0.3), mottle=0.0, glasses=0.0)
    scene = replace(random_scene(rng, 0.4), yaw=0.0, pitch=0.0, roll=0.0)
    smooth, lined = (
        renderer.render(
            renderer.person(np.zeros(100), replace(look, folds=folds)), activated(mouthSmile_L=1), scene
        ).pixels.astype(int)
        for folds in (0.0, 1.0)
    )
    darker = (smooth - lined)[..., :3].sum(axis=2)
    assert darker[:, 48:].sum() > 20 * np.abs(darker[:, :44]).sum(), "the person's left is on the right"


# Clips


def utterances(folder: Path, *, speakers: int = 4) -> Path:
    folder.mkdir()
    for speaker in range(speakers):
        for letter in [*EMOTIONS, "L"]:
            make_sound(folder / f"{speaker:02d}a01{letter}a.wav", seconds=0.1, rate=16_000, layout="mono")
    return folder


def test_voices_of_parts_differ_and_fit_the_expression(tmp_path: Path) -> None:
    names = [name for name, _ in PARTS]
    sounds, rng = Utterances(utterances(tmp_path / "emodb"), names), np.random.default_rng(15)
    heard: dict[str, set[str]] = {}
    for name in names:
        for expression in EXPRESSION_8_CONTEMPT.labels:
            path = sounds.any(rng, name, expression)
            assert (path is None) == (expression not in EMOTIONS.values())
            if path is not None:
                assert EMOTIONS[path.name[5]] == expression
                heard.setdefault(name, set()).add(path.name[:2])
    assert not any(heard[a] & heard[b] for a, b in combinations(names, 2))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="0 speakers"):
        Utterances(tmp_path / "empty", names)


def test_loudness_follows_the_sound(tmp_path: Path) -> None:
    def rising(seconds: np.ndarray) -> np.ndarray:
        return seconds * tone(440.0)(seconds)

    path = make_sound(tmp_path / "rising.wav", seconds=1.0, rate=16_000, layout="mono", hear=rising)
    heard = loudness(path, 40)
    peak = 23.5 / 25  # of a tone that rises for a second, smoothed over three frames
    assert heard[1:22] == pytest.approx((np.arange(1, 22) + 0.5) / 25 / peak, abs=0.05)
    assert not heard[27:].any()


def test_clip_comes_from_neutral_and_keeps_its_person_s_scene() -> None:
    director, rng = Director(NAMES), np.random.default_rng(16)
    for _ in range(20):
        scene = random_scene(rng, 0.3)
        clip = take(rng, director, scene, 80, None)
        strength = np.array([shown.intensity for shown in clip.shown])
        assert len(clip.shown) == len(clip.scenes) == 80
        assert strength[0] < 0.05
        assert np.abs(np.diff(strength)).max() < 0.3
        assert all(view.light is scene.light for view in clip.scenes)
        assert max(abs(view.yaw - scene.yaw) for view in clip.scenes) <= 5
        if clip.shown[0].script != "neutral":
            assert strength.max() > 0.39
        moves = np.abs(np.diff([shown.activations for shown in clip.shown], axis=0)).max()
        assert moves < 0.6, "nothing jumps from one frame to the next"


# The database


class Blind:
    """A detector that must not be asked."""

    name = "blind"

    def detect(self, picture: np.ndarray) -> None:
        raise AssertionError("the table gives landmarks")


def test_part_of_each_person_is_fixed_and_shares_are_kept() -> None:
    parts = [part_of(person, 1000) for person in range(1000)]
    assert {name: parts.count(name) for name, _ in PARTS} == {"train": 750, "validation": 125, "test": 125}
    assert {part_of(person, 8) for person in range(8)} == {name for name, _ in PARTS}


def test_every_picture_has_its_person() -> None:
    options = Options(pictures=103, people=10)
    shares = [options.share(103, person) for person in range(10)]
    assert sum(shares) == 103 and set(shares) == {10, 11}
    for wrong in ({"people": 4}, {"people": 200}, {"size": 33}, {"workers": 0}, {"frames": 2}):
        with pytest.raises(SettingsError):
            Options(**{"pictures": 100, "people": 10, **wrong})


def test_database_is_read_prepared_and_the_same_by_any_number_of_processes(
    renderer: Renderer, tmp_path: Path
) -> None:
    del renderer  # only so that the test is skipped where nothing can be rendered
    sound = utterances(tmp_path / "emodb")
    options = Options(pictures=12, people=8, clips=8, frames=10, sound=sound, size=64, quiet=True)
    index = render(KIT, tmp_path / "one", options)
    render(KIT, tmp_path / "two", replace(options, workers=2))
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 12 + 8 + 1
    for name in files:
        if name.suffix != ".mp4":
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    preparing = Preparing(detector=Blind, quality=0, quiet=True)
    manifest = prepare("table", tmp_path / "one", tmp_path / "out", PLAIN, preparing)
    assert manifest["aligned"] == "by the landmarks that rows give"
    data = Prepared.open(tmp_path / "out")
    assert data.index.columns["face_found"].all() and data.index.columns["picture"].all()
    assert len(data.index) == len(index) == 12 + 80
    for task in (ACTION_UNITS_18, VALENCE_AROUSAL):
        assert np.array_equal(data.index.labels.values[task], index.labels.values[task])
        assert np.array_equal(data.index.labels.known[task], index.labels.known[task])
    assert data.index.labels.known[ACTION_UNITS_18].all()
    scripted = ~index.groups["script"].matches(RANDOM)
    assert np.array_equal(index.labels.known[VALENCE_AROUSAL].all(axis=1), scripted)
    people = {name: set() for name, _ in PARTS}
    for row in range(len(index)):
        people[index.split.at(row)].add(index.subject.at(row))
    assert all(people.values()) and not any(people[a] & people[b] for a, b in combinations(people, 2))
    clip = tmp_path / "one" / index.media.at(len(index) - 1)
    with Video(clip) as video:
        assert len(list(video)) == 10
    spoken = {index.sound.at(row) for row in range(len(index))} - {""}
    assert spoken <= {
        index.media.at(row) for row in range(len(index)) if index.media.at(row).endswith(".mp4")
    }


def test_command_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).parent / "mien"),
        "render",
        str(tmp_path),
        "-o",
        str(tmp_path / "out"),
    ]
    ended = subprocess.run([*command, "--pictures", "20"], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "not a readable face model" in ended.stderr and ended.stderr.count("\n") == 1
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "0 pictures and 0 clips" in ended.stderr
    assert not (tmp_path / "out").exists()
