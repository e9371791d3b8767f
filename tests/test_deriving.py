"""Real pictures labelled by the landmarker and by votes."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from mien.arrays import FloatArray, Image
from mien.cli import main
from mien.databases import DATABASES
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.derived import observing
from mien.derived.circumplex import PLACES
from mien.derived.deriving import activations_of, derive, labelled, units_of
from mien.derived.landmarker import (
    FILES,
    NAMES,
    OTHER_SIDE,
    OUTER_EYES,
    READ,
    SIDE,
    Landmarker,
    Shape,
    square,
)
from mien.derived.observing import Seen
from mien.derived.units import SHAPES, TOLD
from mien.errors import MienError
from mien.faces.detection import Mtcnn, in_still
from mien.inputs import Preprocessing
from mien.learning import sources
from mien.learning.sampling import Material
from mien.preparation.prepared import Prepared
from mien.preparation.run import Options, prepare
from mien.tasks import ACTION_UNITS_18, EXPRESSION_7, EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL
from mien.testing.databases.fer2013 import make_fer2013
from mien.testing.databases.table import make_table_csv

SHARED = Path(__file__).parents[2] / "shared"
MODELS = SHARED / "models" / "mediapipe"
UNITS = ACTION_UNITS_18.labels


@pytest.fixture(scope="module")
def models() -> Path:
    if not all((MODELS / name).is_file() for name in FILES):
        pytest.skip(f"the landmarker's files are not here ({MODELS})")
    return MODELS


@pytest.fixture(scope="module")
def landmarker(models: Path) -> Landmarker:
    return Landmarker(models)


def photo(name: str) -> tuple[Image, FloatArray]:
    """Return a photo and the landmarks of its largest face."""
    path = SHARED / "media" / "photos" / name
    if not path.is_file():
        pytest.skip(f"the photos are not here ({path})")
    picture = cv2.imread(str(path))
    assert picture is not None
    faces = in_still(Mtcnn(), np.asarray(picture, np.uint8))
    return np.asarray(picture, np.uint8), faces.landmarks[int(np.argmax(faces.boxes[:, 2]))]


def said(shape: Shape, name: str) -> float:
    return float(shape.activations[NAMES.index(name)])


def seen(rows: int, given: dict[str, FloatArray] | None = None, gap: float = 0.0) -> Seen:
    """Return what a landmarker may say: nothing but the given shapes, (n,) or (n, 2)."""
    activations = np.zeros((rows, 2, len(NAMES)), np.float32)
    for name, values in (given or {}).items():
        activations[:, :, NAMES.index(name)] = np.asarray(values).reshape(rows, -1)
    full = np.full((rows, 2), gap, np.float32)
    return Seen(activations, full, np.ones((rows, 2), np.float32), np.ones(rows, bool))


def test_names_and_points_are_those_of_the_networks() -> None:
    assert len(set(NAMES)) == 52
    assert len(set(READ)) == 146
    assert list(READ) == sorted(READ)
    assert [OTHER_SIDE[OTHER_SIDE[place]] for place in range(52)] == list(range(52))
    assert NAMES[OTHER_SIDE[NAMES.index("mouthSmileLeft")]] == "mouthSmileRight"
    assert OTHER_SIDE[NAMES.index("jawOpen")] == NAMES.index("jawOpen")
    for shape in SHAPES.values():
        assert {shape, f"{shape}Left"} & set(NAMES), shape


@pytest.mark.parametrize("degrees", [0, 30, -75, 170])
def test_square_levels_the_eyes_and_holds_the_points(degrees: float) -> None:
    rng = np.random.default_rng(0)
    upright = rng.uniform([-40, -60], [40, 60], (478, 2))
    upright[list(OUTER_EYES)] = [[-30, -20], [30, -20]]
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = square((upright @ turn.T + [500, 300]).astype(np.float32))
    inside = (upright @ turn.T + [500, 300]) @ matrix[:, :2].T + matrix[:, 2]
    left, right = inside[list(OUTER_EYES)]
    assert left[1] == pytest.approx(right[1], abs=0.01)
    assert left[0] < right[0]
    assert np.ptp(inside, axis=0).max() == pytest.approx(SIDE / 1.5, rel=1e-4)
    np.testing.assert_allclose((inside.min(axis=0) + inside.max(axis=0)) / 2, SIDE / 2, atol=0.01)


@pytest.mark.parametrize("name", ["astronaut.png", "obama.jpg", "single_face.jpg"])
def test_smiles_are_seen_in_colour_grey_and_turned(landmarker: Landmarker, name: str) -> None:
    picture, landmarks = photo(name)
    shape = landmarker.see(picture, landmarks)
    assert shape.presence > 0.9
    assert shape.gap > 0.1
    for side in ("Left", "Right"):
        assert said(shape, f"mouthSmile{side}") > 0.6
        assert said(shape, f"eyeBlink{side}") < 0.4
    grey = landmarker.see(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8), landmarks)
    assert said(grey, "mouthSmileLeft") == pytest.approx(said(shape, "mouthSmileLeft"), abs=0.25)
    height = picture.shape[0]
    turned = np.ascontiguousarray(np.rot90(picture, -1))
    places = np.stack([height - 1 - landmarks[:, 1], landmarks[:, 0]], axis=1)
    again = landmarker.see(turned, places.astype(np.float32))
    assert said(again, "mouthSmileLeft") == pytest.approx(said(shape, "mouthSmileLeft"), abs=0.2)
    back = np.stack([again.points[:, 1], height - 1 - again.points[:, 0]], axis=1)
    eyes = np.linalg.norm(shape.points[OUTER_EYES[0], :2] - shape.points[OUTER_EYES[1], :2])
    assert np.linalg.norm(back - shape.points[:, :2], axis=1).mean() < 0.03 * eyes


def test_closed_lips_have_no_gap(landmarker: Landmarker) -> None:
    shape = landmarker.see(*photo("grace_hopper.jpg"))
    assert shape.gap < 0.02
    assert said(shape, "mouthSmileLeft") < 0.2


def test_the_mirror_image_exchanges_left_and_right(landmarker: Landmarker) -> None:
    picture, landmarks = photo("single_face.jpg")
    plain, turned = landmarker.see_twice(picture, landmarks)
    exchange = [
        (NAMES.index(f"eyeLook{way}Right"), NAMES.index(f"eyeLook{way}Left")) for way in ("In", "Out")
    ]
    for right, left in exchange:
        assert abs(plain.activations[right] - turned.activations[right]) < 0.35
        larger = max(right, left, key=lambda place: plain.activations[place])
        assert larger == max(right, left, key=lambda place: turned.activations[place])
    other = np.ascontiguousarray(picture[:, ::-1])
    mirrored = landmarks[[1, 0, 2, 4, 3]] * [-1, 1] + [picture.shape[1] - 1, 0]
    own = landmarker.see(other, mirrored)
    np.testing.assert_allclose(own.activations[list(OTHER_SIDE)], turned.activations, atol=1e-5)


def test_a_wall_is_no_face(landmarker: Landmarker) -> None:
    landmarks = np.array([[40, 50], [80, 50], [60, 70], [45, 90], [75, 90]], np.float32)
    assert landmarker.see(np.full((128, 128), 90, np.uint8), landmarks).presence < 0.1


def test_a_units_activation_is_the_mean_of_the_sides() -> None:
    both = activations_of(seen(1, {"mouthSmileLeft": np.ones(1), "jawOpen": np.array([0.25])}, gap=0.3))
    assert both[0, :, UNITS.index("AU12")] == pytest.approx(0.5)
    assert both[0, :, UNITS.index("AU26")] == pytest.approx(0.25)
    assert both[0, :, UNITS.index("AU25")] == pytest.approx(0.3)


def test_units_that_cannot_be_told_are_unknown() -> None:
    said_of = seen(4, {"cheekSquintLeft": np.ones(4), "noseSneerLeft": np.ones(4)})
    said_of.presences[1] = 0.2, 0.9
    said_of.activations[2, 0, [NAMES.index("mouthSmileLeft"), NAMES.index("mouthSmileRight")]] = 0.9
    said_of.activations[3], said_of.gaps[3] = np.nan, np.nan
    known = np.isfinite(units_of(said_of))
    told = np.isin(UNITS, list(TOLD))
    np.testing.assert_array_equal(known[0], told)
    assert not known[1].any()
    np.testing.assert_array_equal(known[2], told & ~np.isin(UNITS, "AU12"))
    assert not known[3].any()
    assert not np.isin(UNITS, ["AU06", "AU09"])[told].any()


@pytest.mark.parametrize("unit", [unit for unit in TOLD if unit != "AU25"])
def test_units_rise_between_their_points(unit: str) -> None:
    absent, certain = TOLD[unit]
    values = np.array([0, absent, (absent + certain) / 2, certain, 1])
    names = [name for name in NAMES if name.startswith(SHAPES[unit])]
    units = units_of(seen(5, dict.fromkeys(names, values)))
    np.testing.assert_allclose(units[:, UNITS.index(unit)], [0, 0, 0.5, 1, 1], atol=1e-5)


def made_index(folder: Path) -> Index:
    return DATABASES["fer2013"].read(make_fer2013(folder, 12, 6, 6).folder, Findings())


def test_derived_labels_stand_beside_the_own_ones_and_are_read_back(tmp_path: Path) -> None:
    index = made_index(tmp_path / "fer")
    smiles = np.linspace(0, 1, len(index))
    shapes = seen(len(index), {"mouthSmileLeft": smiles, "mouthSmileRight": smiles})
    derived = labelled(index, shapes, own=True)
    (tmp_path / "out" / "pictures").mkdir(parents=True)
    for row in range(len(index)):
        (tmp_path / "out" / derived.media.at(row)).touch()
    derived.save(tmp_path / "out" / "manifest.parquet")
    again = DATABASES["table"].read(tmp_path / "out", Findings())
    assert (again.database, again.title, again.name) == ("table", "fer2013", "fer2013")
    assert index.name == "fer2013"
    assert again.cropped
    for task in (EXPRESSION_7, EXPRESSION_8_CONTEMPT):
        np.testing.assert_array_equal(again.labels.values[task], index.labels.values[task])
        np.testing.assert_array_equal(again.labels.known[task], index.labels.known[task])
    assert again.split.text() == index.split.text()
    assert again.video.text() == index.video.text()
    assert again.columns.keys() == index.columns.keys()
    np.testing.assert_allclose(
        again.labels.values[ACTION_UNITS_18][:, UNITS.index("AU12")],
        np.clip((smiles - 0.1) / 0.4, 0, 1),
        atol=1e-5,
    )
    shares, known = again.labels.values[EXPRESSION_8_CONTEMPT], again.labels.known[EXPRESSION_8_CONTEMPT]
    voted = known.all(axis=1)
    places = np.array([PLACES[label] for label in EXPRESSION_8_CONTEMPT.labels])
    mean = (shares[:, :, None] * places).sum(axis=1)
    np.testing.assert_allclose(again.labels.values[VALENCE_AROUSAL][voted], mean[voted], atol=1e-6)
    np.testing.assert_array_equal(again.labels.known[VALENCE_AROUSAL], np.repeat(voted[:, None], 2, axis=1))
    assert 0 < voted.sum() < len(voted)


def test_single_labels_and_given_ratings_make_no_valence(tmp_path: Path) -> None:
    index = made_index(tmp_path / "fer")
    values, known = dict(index.labels.values), dict(index.labels.known)
    hard = np.eye(8, dtype=np.float32)[values[EXPRESSION_8_CONTEMPT].argmax(axis=1)]
    values[EXPRESSION_8_CONTEMPT] = np.where(known[EXPRESSION_8_CONTEMPT], hard, 0)
    single = replace(index, labels=type(index.labels)(values, known))
    assert VALENCE_AROUSAL not in labelled(single, seen(len(index)), own=True).labels.values
    rated = np.full((len(index), 2), 0.25, np.float32)
    values = dict(index.labels.values) | {VALENCE_AROUSAL: rated}
    both = type(index.labels)(values, known | {VALENCE_AROUSAL: np.ones_like(rated, bool)})
    kept = labelled(replace(index, labels=both), seen(len(index)), own=True)
    np.testing.assert_array_equal(kept.labels.values[VALENCE_AROUSAL], rated)


def test_a_derived_database_is_prepared_and_learned_from_like_its_source(
    models: Path, tmp_path: Path
) -> None:
    made = make_fer2013(tmp_path / "fer", 12, 6, 6).folder
    derived = derive("fer2013", made, models, tmp_path / "derived", 1, quiet=True)
    assert sorted(p.name for p in (tmp_path / "derived").iterdir()) == [
        *("manifest.parquet", "pictures", "seen.npz")
    ]
    assert len(Seen.load(tmp_path / "derived" / "seen.npz")) == len(derived) == 24
    size, options = Preprocessing(32), Options(quality=0, quiet=True)
    prepare("fer2013", made, tmp_path / "a", size, options)
    prepare("table", tmp_path / "derived", tmp_path / "b", size, options)
    first, second = (Prepared.open(tmp_path / name) for name in "ab")
    np.testing.assert_array_equal(first.crops[:], second.crops[:])
    for column in ("picture", "face_found", "seen_in_training"):
        np.testing.assert_array_equal(first.index.columns[column], second.index.columns[column])
    assert first.index.columns["seen_in_training"].sum() == 1
    tasks = (EXPRESSION_8_CONTEMPT, ACTION_UNITS_18, VALENCE_AROUSAL)
    material = Material([first, second], tasks, "train", 1, 1)
    assert (
        material.labelled[VALENCE_AROUSAL].tolist()
        == [False] * 12 + material.labelled[EXPRESSION_8_CONTEMPT][12:].tolist()
    )
    values, known = material.truth(ACTION_UNITS_18, np.arange(12, 24))
    np.testing.assert_array_equal(known[:, 0], derived.labels.known[ACTION_UNITS_18][:12])
    np.testing.assert_array_equal(values[:, 0], derived.labels.values[ACTION_UNITS_18][:12])


def test_a_stopped_run_goes_on_to_the_same_labels(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "PIECE", 5)
    made = make_fer2013(tmp_path / "fer", 6, 3, 3).folder
    index = DATABASES["fer2013"].read(made, Findings()).compact()
    job = observing.Job("fer2013", made, models, tmp_path / ".half.deriving")
    whole = observing.observe(job, index, 1, quiet=True)
    (job.out / "pieces" / "00000005.npz").unlink()
    derived = derive("fer2013", made, models, tmp_path / "half", 1, quiet=True)
    np.testing.assert_array_equal(
        units_of(whole)[:5], units_of(Seen.load(tmp_path / "half" / "seen.npz"))[:5]
    )
    np.testing.assert_allclose(whole.activations, Seen.load(tmp_path / "half" / "seen.npz").activations)
    assert len(derived) == 12
    observing.observe(replace(job, out=tmp_path / ".other.deriving"), index[:5], 1, quiet=True)
    with pytest.raises(MienError, match="begun with other rows"):
        derive("fer2013", made, models, tmp_path / "other", 1, quiet=True)


def test_two_tables_of_one_run_are_told_apart(models: Path, tmp_path: Path) -> None:
    opened = []
    for name in ("faces", "others"):
        folder = tmp_path / name
        (folder / "cut").mkdir(parents=True)
        rng = np.random.default_rng(0)
        for place in range(3):
            cv2.imwrite(str(folder / "cut" / f"{place}.png"), rng.integers(0, 255, (40, 40), np.uint8))
        lines = [f"cut/{place}.png,anna,train,1" for place in range(3)]
        (folder / "manifest.csv").write_text("\n".join(["path,subject,split,cropped", *lines, ""]))
        derive("table", folder, models, tmp_path / f"{name}_derived", 1, quiet=True)
        assert (tmp_path / f"{name}_derived" / "pictures" / "cut" / "0.png").read_bytes() == (
            folder / "cut" / "0.png"
        ).read_bytes()
        prepare(
            "table",
            tmp_path / f"{name}_derived",
            tmp_path / f"{name}_p",
            Preprocessing(32),
            Options(quiet=True),
        )
        opened.append(Prepared.open(tmp_path / f"{name}_p"))
    assert [entry[0] for entry in sources.identity(opened)] == ["faces", "others"]
    assert sources.learned(opened, []) == [["faces", ""], ["others", ""]]
    assert {data.index.database for data in opened} == {"table"}


def test_missing_networks_are_one_line(tmp_path: Path) -> None:
    make_fer2013(tmp_path / "fer", 4, 1, 1)
    words = ["derive", "fer2013", str(tmp_path / "fer"), "-o", str(tmp_path / "o")]
    result = CliRunner().invoke(main, [*words, "--landmarker", str(tmp_path)])
    assert result.exit_code == 1
    assert "no face_landmarks_detector.onnx there" in result.output
    assert not (tmp_path / "o").exists()


def test_videos_are_refused(models: Path, tmp_path: Path) -> None:
    made = make_table_csv(tmp_path / "own").folder
    with pytest.raises(MienError, match="single pictures"):
        derive("table", made, models, tmp_path / "o", 1, quiet=True)
