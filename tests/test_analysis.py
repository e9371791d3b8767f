"""What the analysis of the sample media says: golden values, and agreement between its ways in."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

import mien
from mien.analysis import Analysis, still_result
from mien.bundle import Bundle, shipped
from mien.faces.detection import Mtcnn
from mien.media.frames import Frame
from mien.media.video import Video

SAMPLE = Path(__file__).parent.parent / "src" / "mien" / "samples" / "portraits.mp4"
GOLDEN = Path(__file__).parent / "golden" / "portraits.json"
EXPRESSION = mien.TASKS["expression_8_contempt"]


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return mien.analyze(SAMPLE)


def summary(analysis: Analysis) -> dict[str, dict[str, object]]:
    """Return what the golden file holds of each face: where, how large, and what is said of it."""
    faces = {}
    for face in np.unique(analysis.face):
        rows = analysis.face == face
        faces[str(face)] = {
            "frames": [int(analysis.frame[rows].min()), int(analysis.frame[rows].max())],
            "rows": int(rows.sum()),
            "box": np.median(analysis.boxes[rows], axis=0).round(1).tolist(),
            "expression": analysis.predictions.values[EXPRESSION][rows].mean(axis=0).round(4).tolist(),
        }
    return faces


def test_the_sample_video_gives_the_golden_values(analysis: Analysis) -> None:
    golden, now = json.loads(GOLDEN.read_text()), summary(analysis)
    assert now.keys() == golden.keys()
    for face, expected in golden.items():
        assert now[face]["frames"] == expected["frames"]
        assert now[face]["rows"] == pytest.approx(expected["rows"], abs=3)
        np.testing.assert_allclose(now[face]["box"], expected["box"], atol=3)
        np.testing.assert_allclose(now[face]["expression"], expected["expression"], atol=0.02)


def test_the_smile_in_the_sample_is_happiness(analysis: Analysis) -> None:
    """Eileen Collins smiles broadly in the first shot, from its first frame to its last."""
    first = analysis.face == 0
    named = [EXPRESSION.labels[i] for i in analysis.predictions.values[EXPRESSION][first].argmax(axis=1)]
    assert Counter(named).most_common(1)[0][0] == "happiness"
    assert named.count("happiness") >= 0.95 * len(named)


def test_the_table_holds_what_the_analysis_says(analysis: Analysis, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).parent / "mien"), "analyze", str(SAMPLE), "-o", str(tmp_path / "out")]
    subprocess.run([*command, "--no-overlay", "--no-report", "--quiet"], check=True, capture_output=True)
    table = pq.read_table(tmp_path / "out" / "predictions.parquet")
    assert len(set(table["frame"].to_pylist())) == analysis.frames
    table = table.filter(table["face"].is_valid())
    np.testing.assert_array_equal(table["frame"].to_numpy(), analysis.frame)
    np.testing.assert_array_equal(table["face"].to_numpy(), analysis.face)
    np.testing.assert_allclose(table["time_s"].to_numpy(), analysis.seconds)
    for i, label in enumerate(EXPRESSION.labels):
        np.testing.assert_allclose(
            table[f"expression_{label}"].to_numpy(), analysis.predictions.values[EXPRESSION][:, i], atol=1e-6
        )


def test_colour_order_and_grey_hardly_matter(analysis: Analysis) -> None:
    """A grey picture, and the same in colour, get nearly the same numbers: the network sees grey."""
    with Video(SAMPLE) as video:
        image = next(iter(video)).image
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    bundle, detector = Bundle.load(shipped()), Mtcnn()
    results = [still_result(Frame(0, float("nan"), picture), bundle, detector) for picture in (image, grey)]
    colour, plain = (result.predictions.values[EXPRESSION][0] for result in results)
    np.testing.assert_allclose(colour, plain, atol=0.05)


def test_a_picture_has_no_time_and_numbers_its_faces_from_left_to_right(tmp_path: Path) -> None:
    with Video(SAMPLE) as video:
        frames = {frame.number: frame.image for frame in video if frame.number in (0, 150)}
    both = np.concatenate([frames[0], frames[150]], axis=1)
    cv2.imwrite(str(tmp_path / "both.png"), both)
    analysis = mien.analyze(tmp_path / "both.png")
    assert analysis.face.tolist() == [0, 1]
    assert analysis.boxes[0, 0] < analysis.boxes[1, 0]
    assert np.isnan(analysis.seconds).all()


def test_a_face_that_fills_the_picture_is_found(tmp_path: Path) -> None:
    with Video(SAMPLE) as video:
        image = next(iter(video)).image
    x, y, w, h = Mtcnn().detect(image).boxes[0].round().astype(int)
    side = max(w, h)
    tight = cv2.resize(image[y : y + side, x : x + side], (48, 48), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "tight.png"), tight)
    assert len(mien.analyze(tmp_path / "tight.png")) == 1
