"""Trained networks written as a bundle, refused unless ONNX and torch say the same."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from mien.arrays import FloatArray
from mien.bundle import WEIGHTS, Bundle, write_record
from mien.errors import BundleError, InputError, SettingsError
from mien.files import whole_folder
from mien.learning.checkpoint import load, record, save
from mien.learning.ensemble import Ensemble
from mien.learning.network import probabilities
from mien.learning.recipe import Recipe
from mien.learning.training import load_network
from mien.tasks import Task

TOLERANCE = 1e-4
"""Largest difference between ONNX and torch that an export may show."""

HALF_TOLERANCE = 5e-3
"""The same where the network's weights are in half precision."""

OPSET = 17

KNOWN_WARNINGS = (
    (DeprecationWarning, "You are using the legacy TorchScript-based ONNX export"),
    (DeprecationWarning, "The feature will be removed"),
    # Of the first state, which here is an input, so that nothing of the traced batch stays in it.
    (UserWarning, "Exporting a model to ONNX with a batch_size other than 1"),
    # Of the order in which margins are written; onnxruntime folds what is constant when it loads the network.
    (UserWarning, "Constant folding - Only steps=1 can be constant folded"),
)
"""What torch's older exporter says whenever it is called; any other warning is let through."""


class _Exported(nn.Module):
    """The network with raw outputs turned into probabilities, in the order of its tasks."""

    def __init__(self, network: Ensemble) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return one tensor per task, (batch, time, labels), and the state after, where there is one."""
        given = dict(zip(input_names(self.network), inputs, strict=True))
        raw, state = self.network(given.get("faces"), given.get("sound"), given.get("state"))
        said = tuple(probabilities(task, raw[task.name]) for task in self.network.tasks)
        return said if state is None else (*said, state)


def input_names(network: Ensemble) -> list[str]:
    """Return the names of a network's inputs, in order."""
    has = {"faces": network.sees, "sound": network.hears, "state": bool(network.memory)}
    return [name for name, there in has.items() if there]


def export(
    checkpoints: Sequence[Path],
    out: Path,
    card: dict[str, Any],
    mirrored: bool = False,
    weights: bool = False,
    half: bool = False,
) -> float:
    """Write the averaged network of a checkpoint as a bundle; return the largest difference to torch.

    Args:
        checkpoints: of training runs; several become one network that says the mean of what they say, under
            the name of the first.
        out: the bundle folder to make; it must not exist.
        card: what is to be known about it: training data, licence, scores, limits. To it are added
            "trained_on": name and fold of each database that the runs, the stages they started from and
            their teachers learned from; and, of a network that hears, "silence": what it does without sound.
        mirrored: each network says the mean of what it says of a face and of the mirrored face.
        weights: add the weights of the first, in half precision, for `mien train` to start from.
        half: store the network's own weights in half precision too, which makes the file half as large and
            moves what it says by about 0.001; it computes with 32 bits all the same.

    Raises:
        SettingsError: the networks differ in their tasks, or in how a face or sound is prepared for them.
        BundleError: ONNX and torch differ by more than 1e-4 on fresh random input; 5e-3 with half precision.
        OutputError: `out` exists or cannot be written.
    """
    network, recipe = load_ensemble(checkpoints, mirrored)
    learned = dict.fromkeys(tuple(e) for path in checkpoints for e in record(path).get("learned", []))
    card = {**card, "trained_on": [{"database": name, "fold": fold} for name, fold in learned]}
    if network.hears:
        recipes = [Recipe.from_json(record(path)["recipe"]) for path in checkpoints]
        card["silence"] = "; ".join(dict.fromkeys(map(without_sound, recipes)))
    with whole_folder(out) as place:
        write_onnx(network, recipe, place / "model.onnx")
        if half:
            halve(place / "model.onnx")
        hearing = recipe.hearing if network.hears else None
        write_record(place, recipe.name, recipe.preprocessing, network.tasks, card, hearing, network.memory)
        if weights:
            write_weights(checkpoints[0], place / WEIGHTS)
        difference = largest_difference(network, recipe, Bundle.load(place))
        accepted = HALF_TOLERANCE if half else TOLERANCE
        if not difference <= accepted:
            raise BundleError(
                f"{', '.join(map(str, checkpoints))}: not exported, ONNX and torch differ by "
                f"{difference:.2g} (accepted are {accepted:.0e})"
            )
    return difference


def without_sound(recipe: Recipe) -> str:
    """Return what a network that hears does in silence, as its card says it.

    Only its own training counts: a stage that learned in silence and was then trained on without forgets.
    """
    if recipe.network.streams == "sound":
        return "it only hears: silence tells it nothing of the face"
    share = recipe.augmentation.deaf
    if not share:
        return "never trained in silence: what it says without sound was not learned"
    return f"trained with {100 * share:.0f} % of the clips in silence: without sound it goes by the picture"


def load_ensemble(checkpoints: Sequence[Path], mirrored: bool = False) -> tuple[Ensemble, Recipe]:
    """Return the averaged networks of checkpoints as one, and the first one's recipe.

    Raises:
        SettingsError: they differ in their tasks, or in how a face or sound is prepared for them.
    """
    loaded = [load_network(path) for path in checkpoints]
    first = loaded[0][1]
    for path, (_, recipe, _) in zip(checkpoints, loaded, strict=True):
        if (recipe.preprocessing, recipe.hearing) != (first.preprocessing, first.hearing):
            raise SettingsError(
                f"{path}: made for {recipe.preprocessing}, but {checkpoints[0]} for {first.preprocessing}"
            )
    return Ensemble([network for network, _, _ in loaded], mirrored).eval(), first


def write_weights(source: Path, out: Path) -> None:
    """Write a checkpoint with nothing but the averaged weights, in half precision, and what they are of."""
    tensors, known = load(source)
    halved = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    wanted = ("mien", "recipe", "scores", "learned")
    kept: dict[str, Any] = {name: known[name] for name in wanted if name in known}
    save(out, {name: tensor for name, tensor in halved.items() if name.startswith("average.")}, kept)


def read_card(path: Path) -> dict[str, Any]:
    """Return a card file's values.

    Raises:
        InputError: the file is no JSON object.
    """
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(card, dict):
        raise InputError(f"{path}: holds a {type(card).__name__}, expected an object of named values")
    return card


def write_onnx(network: Ensemble, recipe: Recipe, path: Path) -> None:
    """Write a network as ONNX with free batch and time.

    torch's older exporter is used: it needs no further package and takes a second instead of many.
    """
    names = [task.name for task in network.tasks]
    examples = _inputs(network, recipe, np.random.default_rng(0), batch=2, time=3)
    inputs = input_names(network)
    free = {name: {0: "batch", 1: "time"} for name in ["faces", "sound", *names]}
    free |= {"state": {0: "batch"}, "state_after": {0: "batch"}}
    outputs = [*names, *(["state_after"] if network.memory else [])]
    with warnings.catch_warnings():
        for kind, start in KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", start, kind)
        torch.onnx.export(
            _Exported(network).eval(),
            tuple(torch.from_numpy(examples[name]) for name in inputs),
            str(path),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes={name: axes for name, axes in free.items() if name in [*inputs, *outputs]},
            opset_version=OPSET,
            dynamo=False,
        )


def halve(path: Path) -> None:
    """Store the large arrays of a network in half precision, each made 32 bits again before it is used.

    onnxruntime does so once, when it loads the network, so that computing is as fast as before.
    """
    model = onnx.load(path)
    kept, casts = [], []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 1024:
            kept.append(tensor)
            continue
        name = f"{tensor.name}.half"
        kept.append(onnx.numpy_helper.from_array(values.astype(np.float16), name))
        casts.append(onnx.helper.make_node("Cast", [name], [tensor.name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    onnx.save(model, path)


def _inputs(
    network: Ensemble, recipe: Recipe, rng: np.random.Generator, batch: int, time: int
) -> dict[str, FloatArray]:
    """Return random inputs of a network by name."""
    size, channels = recipe.preprocessing.size, recipe.preprocessing.channels
    pixels = rng.integers(0, 256, (batch * time, size, size, channels), dtype=np.uint8)
    faces = recipe.preprocessing.arrays(pixels).reshape(batch, time, channels, size, size)
    inputs: dict[str, FloatArray] = {"faces": faces}
    if network.hears:
        shape = (batch, time, 1, recipe.hearing.bands, recipe.hearing.steps)
        inputs["sound"] = rng.uniform(-1, 1, shape).astype(np.float32)
    first = network.initial(batch)
    if first is not None:
        inputs["state"] = first.numpy()
    return inputs


def largest_difference(network: Ensemble, recipe: Recipe, bundle: Bundle) -> float:
    """Return the largest difference between a network and its bundle on fresh random clips.

    Of a network that remembers, the clip is given to the bundle in two pieces, and whole to torch.
    """
    inputs = _inputs(network, recipe, np.random.default_rng(), batch=4, time=5)
    with torch.no_grad():
        raw, _ = network.eval()(
            torch.from_numpy(inputs["faces"]) if network.sees else None,
            torch.from_numpy(inputs["sound"]) if network.hears else None,
        )
    faces, sound = inputs["faces"], inputs.get("sound")
    pieces, state = [], None
    for cut in (slice(0, 2), slice(2, None)):
        said, state = bundle.follow(faces[:, cut], None if sound is None else sound[:, cut], state)
        pieces.append(said)
    whole = {task: np.concatenate([piece[task] for piece in pieces], axis=1) for task in network.tasks}
    return max(_difference(task, raw[task.name], whole[task]) for task in network.tasks)


def _difference(task: Task, raw: Tensor, values: FloatArray) -> float:
    """Return the largest difference in one task; infinite where torch says no number."""
    expected = probabilities(task, raw).numpy()
    return float(np.abs(expected - values).max()) if np.isfinite(expected).all() else float("inf")
