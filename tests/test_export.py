"""Bundles of every assembly say what torch says, remember in pieces, and are refused where parts differ."""

import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from assemblies import TASK_NAMES, bundled, difference, each_assembly, each_memory, inputs, made, small

from mien.arrays import FloatArray, Image
from mien.bundle import Bundle, shipped, write_record
from mien.errors import BundleError
from mien.hearing import Hearing
from mien.inputs import Preprocessing
from mien.learning.recipe import Recipe
from mien.media.audio import RATE
from mien.tasks import TASKS

RECIPES = Path(__file__).parent.parent / "recipes"


@each_assembly
def test_every_assembly_says_what_torch_says_for_any_batch_and_time(
    streams: str, temporal: str, heads: str, kind: str, tmp_path: Path
) -> None:
    recipe = small(streams, temporal, heads, kind)
    network = made(recipe)
    bundle = bundled(network, recipe, tmp_path / "bundle")
    for batch, time in ((1, 1), (3, 2), (1, 11), (2, 3)):
        worst, values = difference(network, recipe, bundle, batch, time)
        assert worst < 1e-4
        assert {name: value.shape for name, value in values.items()} == {
            name: (batch, time, len(TASKS[name])) for name in TASK_NAMES
        }
    record = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    assert record.get("hearing") == (recipe.hearing.to_json() if streams != "picture" else None)
    assert record.get("state") == (network.memory or None)
    assert bundle.hearing == (recipe.hearing if streams != "picture" else None)
    assert bundle.memory == network.memory


@cache
def _folders(streams: str, temporal: str, place: Path) -> Path:
    recipe = small(streams, temporal, "arcface")
    bundled(made(recipe), recipe, place / f"{streams}-{temporal}")
    return place / f"{streams}-{temporal}"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")


# A video in pieces


def video(recipe: Recipe, frames: int) -> tuple[Image, FloatArray, FloatArray]:
    """Return crops of a face as uint8, the sound around them, and the times of the frames."""
    rng = np.random.default_rng(3)
    size = recipe.preprocessing.size
    crops = rng.integers(0, 256, (frames, size, size), dtype=np.uint8)
    samples = rng.uniform(-0.5, 0.5, int(RATE * (frames / 25 + 0.2))).astype(np.float32)
    return crops, samples * np.linspace(0.01, 1, len(samples), dtype=np.float32), np.arange(frames) / 25


@each_memory
@pytest.mark.parametrize("length", [1, 4, 17])
def test_a_video_in_pieces_is_the_video_whole(
    streams: str, temporal: str, length: int, folders: Path
) -> None:
    """Pieces of a video, each with the sound that it alone needs, and the state of the one before."""
    recipe = small(streams, temporal, "arcface")
    bundle = Bundle.load(_folders(streams, temporal, folders))
    crops, samples, times = video(recipe, 17)

    def prepared(frames: slice, since: int, until: int) -> tuple[FloatArray, FloatArray | None]:
        faces = bundle.preprocessing.arrays(crops[frames])[:, 0][None]
        if bundle.hearing is None:
            return faces, None
        piece = samples[since:until]
        sound, _ = bundle.hearing.arrays(piece, np.ones(len(piece), bool), times[frames], since / RATE)
        return faces, sound[None]

    whole, last = bundle.follow(*prepared(slice(None), 0, len(samples)))
    state, pieces = None, []
    for start in range(0, 17, length):
        before, after = recipe.hearing.context
        frames = slice(start, start + length)
        since = max(0, int((times[frames][0] - before) * RATE))
        until = int((times[frames][-1] + after) * RATE) + 1
        said, state = bundle.follow(*prepared(frames, since, until), state)
        pieces.append(said)
    assert state is not None
    assert last is not None
    np.testing.assert_allclose(state, last, atol=1e-5)
    for task, values in whole.items():
        together = np.concatenate([piece[task] for piece in pieces], axis=1)
        np.testing.assert_allclose(together, values, atol=1e-5)
        forgetful, _ = bundle.follow(*prepared(slice(16, 17), 0, len(samples)))
        assert np.abs(forgetful[task][:, 0] - values[:, 16]).max() > 1e-4


@each_memory
def test_states_of_several_faces_are_cut_and_joined_like_rows(
    streams: str, temporal: str, folders: Path
) -> None:
    """The first face goes, the second stays, a third comes: each as if it were alone."""
    recipe = small(streams, temporal, "arcface")
    bundle = Bundle.load(_folders(streams, temporal, folders))
    faces, sound = inputs(recipe, 3, 6)

    def cut(clips: Any, frames: slice) -> tuple[FloatArray, FloatArray | None]:
        return faces[clips, frames], None if sound is None else sound[clips, frames]

    alone = [bundle.follow(*cut(slice(i, i + 1), slice(None)))[0] for i in range(3)]
    _, state = bundle.follow(*cut(slice(0, 2), slice(0, 3)))
    assert state is not None
    _, other = bundle.follow(*cut(slice(2, 3), slice(0, 3)))
    assert other is not None
    said, _ = bundle.follow(*cut(slice(1, 3), slice(3, 6)), np.concatenate([state[1:], other]))
    for task, values in said.items():
        np.testing.assert_allclose(values[0], alone[1][task][0, 3:], atol=1e-5)
        np.testing.assert_allclose(values[1], alone[2][task][0, 3:], atol=1e-5)


@each_memory
def test_a_face_alone_is_the_first_of_a_clip_in_silence(streams: str, temporal: str, folders: Path) -> None:
    recipe = small(streams, temporal, "arcface")
    bundle = Bundle.load(_folders(streams, temporal, folders))
    faces, _ = inputs(recipe, 4, 1)
    predictions = bundle.predict(faces)
    silence = None if bundle.hearing is None else np.stack([bundle.hearing.silence(1)] * 4)
    zeros = np.zeros((4, bundle.memory), np.float32)
    said, _ = bundle.follow(faces, silence, zeros)
    for task, values in predictions.values.items():
        np.testing.assert_array_equal(values, said[task][:, 0])
    assert bundle.showing("expression_7").hearing == bundle.hearing
    assert bundle.showing("expression_7").memory == bundle.memory


@pytest.mark.parametrize("temporal", ["none", "gru", "convolution"])
def test_no_face_gives_no_row(temporal: str, folders: Path) -> None:
    """Without care onnxruntime would end the process."""
    recipe = small("both", temporal, "arcface")
    bundle = Bundle.load(_folders("both", temporal, folders))
    faces, sound = inputs(recipe, 0, 3)
    assert len(bundle.predict(faces[:, :1])) == 0
    said, state = bundle.follow(faces, sound)
    assert {task.name: values.shape for task, values in said.items()} == {
        name: (0, 3, len(TASKS[name])) for name in TASK_NAMES
    }
    assert state is None if temporal == "none" else state is not None and state.shape == (0, bundle.memory)


# What is refused


def test_what_does_not_fit_a_bundle_is_refused_in_words(folders: Path) -> None:
    recipe = small("both", "gru", "arcface")
    bundle = Bundle.load(_folders("both", "gru", folders))
    faces, sound = inputs(recipe, 2, 3)
    assert sound is not None
    state = np.zeros((2, bundle.memory), np.float32)
    for given, said in (
        ((faces, sound, state[:, 1:]), r"small: state of shape \(2, 35\), expected \(2, 36\)"),
        ((faces, sound, state[:1]), r"state of shape \(1, 36\)"),
        ((faces, sound[:, :2], state), r"sound of shape \(2, 2, 1, 16, \d+\), expected \(2, 3, 1, 16, \d+\)"),
        ((faces, sound[:, :, :, 1:], state), "sound of shape"),
        ((faces[..., 1:], sound, state), r"faces of shape \(2, 3, 1, 24, 23\), expected \(2, 3, 1, 24, 24\)"),
        ((faces[:, :0], sound[:, :0], state), "at least one frame"),
        ((faces[0], sound, state), "faces of shape"),
    ):
        with pytest.raises(BundleError, match=said):
            bundle.follow(*given)
    plain = Bundle.load(shipped())
    faces = plain.preprocessing.arrays(np.zeros((2, 48, 48), np.uint8))
    with pytest.raises(BundleError, match="affect_fast: takes no sound"):
        plain.follow(faces, sound)
    with pytest.raises(BundleError, match="affect_fast: takes no state"):
        plain.follow(faces, None, state)
    assert plain.follow(faces.astype(np.float64))[1] is None


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    recipe = small("sound", "gru")
    network = made(recipe)
    with torch.no_grad():
        for weights in network.heads["valence_arousal"].parameters():
            weights.fill_(float("nan"))
    bundle = bundled(network, recipe, tmp_path / "bundle")
    with pytest.raises(BundleError, match="valence_arousal is not a number"):
        bundle.follow(*inputs(recipe, 1, 2))


@pytest.mark.parametrize(
    ("streams", "changes", "said"),
    [
        ("both", {"hearing": Hearing(bands=17, span=0.2).to_json()}, r"expected \(batch, time\).*1, 17"),
        ("both", {"hearing": Hearing(bands=16, span=0.3).to_json()}, r"expected \(batch, time\)"),
        ("both", {"hearing": None}, "hearing is None, expected a dict"),
        ("both", {"hearing": ...}, r"sound.*expected \(batch, time\)"),
        ("both", {"hearing": {"bands": "many"}}, "hearing"),
        ("both", {"hearing": {"tone": 1}}, "hearing.*tone"),
        ("picture", {"hearing": Hearing(bands=16, span=0.2).to_json()}, r"expected \(batch, time\).*sound"),
        ("both", {"state": 35}, r"the state is \('batch', 36\), bundle.json says \(batch, 35\)"),
        ("both", {"state": "36"}, "state is '36', expected a int"),
    ],
)
def test_records_that_do_not_fit_the_network_are_refused(
    streams: str, changes: dict[str, Any], said: str, folders: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(_folders(streams, "gru", folders), tmp_path / "bundle"))
    record = json.loads((folder / "bundle.json").read_text()) | changes
    kept = {name: value for name, value in record.items() if value is not ...}
    (folder / "bundle.json").write_text(json.dumps(kept))
    with pytest.raises(BundleError, match=said):
        Bundle.load(folder)


def rewritten(folder: Path, model: onnx.ModelProto) -> Path:
    """Put another network into a bundle, its hash set right."""
    record = json.loads((folder / "bundle.json").read_text())
    onnx.save(model, folder / "model.onnx")
    tasks = tuple(TASKS[task["name"]] for task in record["tasks"])
    hearing = Hearing.from_json(record["hearing"]) if "hearing" in record else None
    preprocessing = Preprocessing.from_json(record["preprocessing"])
    write_record(folder, "small", preprocessing, tasks, {}, hearing, record.get("state", 0))
    return folder


@pytest.fixture
def altered(folders: Path, tmp_path: Path) -> tuple[Path, onnx.ModelProto]:
    folder = Path(shutil.copytree(_folders("both", "gru", folders), tmp_path / "bundle"))
    return folder, onnx.load(folder / "model.onnx")


def test_a_network_without_the_state_after_is_refused(altered: tuple[Path, onnx.ModelProto]) -> None:
    folder, model = altered
    (place,) = [i for i, output in enumerate(model.graph.output) if output.name == "state_after"]
    del model.graph.output[place]
    with pytest.raises(BundleError, match=r"outputs \[.*\], expected \[.*'state_after'"):
        Bundle.load(rewritten(folder, model))


def test_a_network_with_fixed_axes_is_refused(altered: tuple[Path, onnx.ModelProto]) -> None:
    folder, model = altered
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 3
    with pytest.raises(BundleError, match=r"faces.*3.*expected \(batch, time\), both free"):
        Bundle.load(rewritten(folder, model))


def test_a_network_whose_state_has_no_fixed_size_is_refused(altered: tuple[Path, onnx.ModelProto]) -> None:
    folder, model = altered
    (state,) = [it for it in model.graph.input if it.name == "state"]
    state.type.tensor_type.shape.dim[1].dim_param = "k"
    with pytest.raises(BundleError, match=r"the state is .*'k'\), expected \(batch, a fixed number\)"):
        Bundle.load(rewritten(folder, model))


def test_a_state_after_of_another_size_is_refused(altered: tuple[Path, onnx.ModelProto]) -> None:
    folder, model = altered
    for node in model.graph.node:
        node.output[:] = ["kept" if name == "state_after" else name for name in node.output]
    model.graph.node.append(onnx.helper.make_node("Concat", ["kept", "kept"], ["state_after"], axis=1))
    with pytest.raises(BundleError, match=r"state_after is \(2, 72\) .* expected \(2, 36\)"):
        Bundle.load(rewritten(folder, model))


def test_a_network_that_cannot_take_other_lengths_is_refused(altered: tuple[Path, onnx.ModelProto]) -> None:
    """As a network that was traced badly: batch and time are named free, but one length alone runs."""
    folder, model = altered
    shape = onnx.helper.make_tensor("fixed", onnx.TensorProto.INT64, [3], [2, 3, 7])
    model.graph.initializer.append(shape)
    for node in model.graph.node:
        node.output[:] = ["wide" if name == "expression_7" else name for name in node.output]
    model.graph.node.append(onnx.helper.make_node("Reshape", ["wide", "fixed"], ["expression_7"]))
    with pytest.raises(BundleError, match="onnxruntime cannot run it"):
        Bundle.load(rewritten(folder, model))


def test_bundles_from_before_state_and_hearing_go_on_loading(folders: Path, tmp_path: Path) -> None:
    record = json.loads((shipped() / "bundle.json").read_text())
    assert not {"hearing", "state"} & record.keys()
    folder = Path(shutil.copytree(_folders("picture", "gru", folders), tmp_path / "bundle"))
    record = json.loads((folder / "bundle.json").read_text())
    del record["state"]
    (folder / "bundle.json").write_text(json.dumps(record))
    assert Bundle.load(folder).memory == 12
