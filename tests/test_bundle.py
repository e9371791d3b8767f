"""A bundle loads only when its parts fit together."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.bundle import WEIGHTS, Bundle, onnx_opset, shipped
from mien.errors import BundleError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(shipped(), tmp_path / "bundle"))


def change(folder: Path, name: str, value: Any) -> None:
    record = json.loads((folder / "bundle.json").read_text())
    record[name] = value
    (folder / "bundle.json").write_text(json.dumps(record))


def test_shipped_bundle_predicts_distributions() -> None:
    bundle = Bundle.load(shipped())
    size = bundle.preprocessing.size
    faces = np.random.default_rng(0).integers(0, 256, (5, size, size), dtype=np.uint8)
    predictions = bundle.predict(bundle.preprocessing.arrays(faces))
    assert len(predictions) == 5
    assert predictions.values.keys() == set(bundle.tasks)
    for task, values in predictions.values.items():
        if task.kind == "categorical":
            np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-5)
        assert task.range[0] <= values.min() <= values.max() <= task.range[1]
    assert {task.behaviour for task in bundle.tasks} == {"expression", "action_units", "valence_arousal"}


def test_one_face_alone_and_among_others_gets_the_same_numbers() -> None:
    bundle = Bundle.load(shipped())
    size = bundle.preprocessing.size
    faces = bundle.preprocessing.arrays(
        np.random.default_rng(1).integers(0, 256, (7, size, size), dtype=np.uint8)
    )
    together, alone = bundle.predict(faces), bundle.predict(faces[3:4])
    for task in bundle.tasks:
        np.testing.assert_allclose(together.values[task][3:4], alone.values[task], atol=1e-5)


def test_another_label_set_can_be_shown() -> None:
    bundle = Bundle.load(shipped())
    other = bundle.tasks[-1]
    faces = bundle.preprocessing.arrays(np.zeros((1, *[bundle.preprocessing.size] * 2), np.uint8))
    turned = bundle.showing(other.name).predict(faces)
    assert next(iter(turned.values)) == other
    np.testing.assert_array_equal(turned.values[other], bundle.predict(faces).values[other])
    with pytest.raises(BundleError, match="no task 'mood'; it has expression_8_contempt"):
        bundle.showing("mood")


def test_shipped_bundle_is_small_and_has_a_card() -> None:
    sizes = {path.name: path.stat().st_size for path in shipped().iterdir()}
    assert sizes.pop(WEIGHTS) <= 3_500_000, "half precision, for training to start from"
    assert sum(sizes.values()) <= 8_000_000
    bundle = Bundle.load(shipped())
    assert {"name", "sha256", "training_data", "licence", "scores", "limits"} <= bundle.card.keys()
    assert "derived, not FACS-coded" in bundle.card["action_units"].replace("Derived", "derived")
    assert bundle.calibration is not None


def test_altered_network_is_refused(folder: Path) -> None:
    data = bytearray((folder / "model.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.onnx").write_bytes(data)
    with pytest.raises(BundleError, match=r"model\.onnx: its SHA-256 is"):
        Bundle.load(folder)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("format", 99, "format 99, this version reads format 1"),
        ("opset", 3, "opset 17; bundle.json says 3"),
        ("sha256", None, "sha256 is None"),
        ("tasks", [], r"outputs .* expected \[\]"),
        ("tasks", [{"name": "mood"}], "unknown task"),
        ("preprocessing", {"size": 64}, r"expected \(batch, time\)"),
        ("preprocessing", {"size": 48, "colour": "infrared"}, "colour is 'infrared'"),
        ("preprocessing", {"size": 48, "shade": 1}, "unexpected keyword"),
    ],
)
def test_records_that_do_not_fit_are_refused(folder: Path, name: str, value: Any, said: str) -> None:
    change(folder, name, value)
    with pytest.raises(BundleError, match=said):
        Bundle.load(folder)


def test_labels_in_another_order_are_refused(folder: Path) -> None:
    tasks = json.loads((folder / "bundle.json").read_text())["tasks"]
    tasks[0]["labels"] = tasks[0]["labels"][::-1]
    change(folder, "tasks", tasks)
    with pytest.raises(BundleError, match="in this order"):
        Bundle.load(folder)


@pytest.mark.parametrize("name", ["model.onnx", "bundle.json"])
def test_missing_and_empty_files_are_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"")
    with pytest.raises(BundleError, match=name):
        Bundle.load(folder)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        Bundle.load(folder)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such folder"):
        Bundle.load(tmp_path / "nowhere")


def test_opset_of_a_file_that_is_no_onnx(tmp_path: Path) -> None:
    for data in (b"", b"\x00", b"hello, this is text", b"\xff" * 40):
        (tmp_path / "x.onnx").write_bytes(data)
        with pytest.raises(BundleError, match="not an ONNX model"):
            onnx_opset(tmp_path / "x.onnx")


def test_running_a_network_leaves_no_trace_and_gathers_no_usage_data(tmp_path: Path) -> None:
    """onnxruntime by itself keeps a device number and a queue of events to send in the cache folder."""
    program = (
        "import numpy as np; from mien.bundle import Bundle, shipped; b = Bundle.load(shipped())\n"
        "size = b.preprocessing.size; b.predict(b.preprocessing.arrays(np.zeros((1, size, size), np.uint8)))"
    )
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", program], check=True, env=home)
    assert list(tmp_path.rglob("*")) == []
