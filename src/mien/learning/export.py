"""A trained network written as a bundle, refused unless ONNX and torch say the same."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mien.bundle import Bundle, write_record
from mien.errors import BundleError, InputError
from mien.files import whole_folder
from mien.learning.network import Network, probabilities
from mien.learning.training import load_network
from mien.tasks import Task

TOLERANCE = 1e-4
"""Largest difference between ONNX and torch that an export may show."""

OPSET = 17


class _Exported(nn.Module):
    """The network with raw outputs turned into probabilities, in the order of its tasks."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, faces: Tensor) -> tuple[Tensor, ...]:
        """Return one tensor per task, (batch, time, labels)."""
        raw = self.network(faces)
        return tuple(probabilities(task, raw[task.name]) for task in self.network.tasks)


def export(checkpoint: Path, out: Path, card: dict[str, Any]) -> float:
    """Write the averaged network of a checkpoint as a bundle; return the largest difference to torch.

    Args:
        checkpoint: of a training run.
        out: the bundle folder to make; it must not exist.
        card: what is to be known about it: training data, licence, scores, limits.

    Raises:
        BundleError: ONNX and torch differ by more than 1e-4 on fresh random input.
        OutputError: `out` exists or cannot be written.
    """
    network, recipe, _ = load_network(checkpoint)
    with whole_folder(out) as place:
        write_onnx(network, recipe.preprocessing.channels, recipe.preprocessing.size, place / "model.onnx")
        write_record(place, recipe.name, recipe.preprocessing, network.tasks, card)
        difference = largest_difference(network, Bundle.load(place))
        if not difference <= TOLERANCE:
            raise BundleError(
                f"{checkpoint}: not exported, ONNX and torch differ by {difference:.2g} "
                f"(accepted are {TOLERANCE:.0e})"
            )
    return difference


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


def write_onnx(network: Network, channels: int, size: int, path: Path) -> None:
    """Write a network as ONNX with free batch and time.

    torch's older exporter is used: it needs no further package and takes a second instead of many.
    """
    names = [task.name for task in network.tasks]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch announces its end with several
        torch.onnx.export(
            _Exported(network).eval(),
            (torch.zeros(2, 1, channels, size, size),),
            str(path),
            input_names=["faces"],
            output_names=names,
            dynamic_axes={name: {0: "batch", 1: "time"} for name in ["faces", *names]},
            opset_version=OPSET,
            dynamo=False,
        )


def largest_difference(network: Network, bundle: Bundle) -> float:
    """Return the largest difference between a network and its bundle on fresh random faces."""
    size, channels = bundle.preprocessing.size, bundle.preprocessing.channels
    shape = (16, size, size) if channels == 1 else (16, size, size, channels)
    pixels = np.random.default_rng().integers(0, 256, shape, dtype=np.uint8)
    faces = bundle.preprocessing.arrays(pixels)
    with torch.no_grad():
        raw = network.eval()(torch.from_numpy(faces))
    said = bundle.predict(faces).values
    return max(_difference(task, raw[task.name], said[task]) for task in network.tasks)


def _difference(task: Task, raw: Tensor, values: "np.ndarray[Any, Any]") -> float:
    """Return the largest difference in one task; infinite where torch says no number."""
    expected = probabilities(task, raw)[:, 0].numpy()
    return float(np.abs(expected - values).max()) if np.isfinite(expected).all() else float("inf")
