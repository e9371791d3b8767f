"""Make a file of weights for `kind = "dlib"` from the npm package @vladmandic/face-api.

    npm pack @vladmandic/face-api@1.7.15 && tar xf vladmandic-face-api-1.7.15.tgz
    python scripts/dlib_weights.py package/model prepared/fer2013 -o dlib.safetensors

The weights are those of dlib's face_recognition_resnet_model_v1 (King 2017), which its author gave to the
public domain; the package, under MIT, holds them in 8 bits. They come with the normalisation folded into a
factor and an offset for each channel, which would not train well: so faces of a prepared database are shown
to the network, layer by layer, and the normalisation is put back such that on these faces the network
computes what it did before.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mien.arrays import FloatArray
from mien.learning import checkpoint
from mien.learning.backbones import dlib
from mien.preparation.prepared import Prepared

NAME = "face_recognition_model"

BLOCKS = (
    *(f"32_{i}" for i in (1, 2, 3)),
    "64_down", *(f"64_{i}" for i in (1, 2, 3)),
    "128_down", *(f"128_{i}" for i in (1, 2)),
    "256_down", *(f"256_{i}" for i in (1, 2)),
    "256_down_out",
)  # fmt: skip
"""The blocks as the package names them, in their order."""

CONTRAST = 0.2
"""A face's standard deviation in dlib's units, (x - mean) / 256; mien brings each picture to 1."""


def read(folder: Path) -> dict[str, FloatArray]:
    """Return the arrays of the package's file by name, as float32.

    Raises:
        SystemExit: the file is not as long as its list says.
    """
    manifest = json.loads((folder / f"{NAME}-weights_manifest.json").read_text())
    raw = (folder / f"{NAME}.bin").read_bytes()
    arrays, place = {}, 0
    for entry in manifest[0]["weights"]:
        stored = entry.get("quantization")
        kind = np.dtype(stored["dtype"] if stored else "<f4")
        values = np.frombuffer(raw, kind, int(np.prod(entry["shape"])), place).astype(np.float32)
        place += values.size * kind.itemsize
        if stored:
            values = values * np.float32(stored["scale"]) + np.float32(stored["min"])
        arrays[entry["name"]] = values.reshape(entry["shape"])
    if place != len(raw):
        raise SystemExit(f"{folder / NAME}.bin: {len(raw)} bytes, its list says {place}")
    return arrays


def fill(network: nn.Module, arrays: dict[str, FloatArray], faces: Tensor) -> None:
    """Put the package's weights into the network, which is then in evaluation mode.

    Args:
        network: of `dlib`, for grey pictures.
        arrays: as `read` returns them.
        faces: (n, 1, size, size), by which the normalisation is put back.
    """
    layers = [("conv32_down", network.conv1, network.bn1)]
    for name, block in zip(BLOCKS, network.blocks, strict=True):
        layers += [
            (f"conv{name}/conv{i}", block.get_submodule(f"conv{i}"), block.get_submodule(f"bn{i}"))
            for i in (1, 2)
        ]
    network.eval()
    for name, convolution, normalisation in layers:
        filters = torch.from_numpy(arrays[f"{name}/conv/filters"]).permute(3, 2, 0, 1)
        if convolution is network.conv1:
            filters = CONTRAST * filters.sum(1, keepdim=True)
        convolution.weight.data = filters
        factor, offset, bias = (
            torch.from_numpy(arrays[f"{name}/{part}"])
            for part in ("scale/weights", "scale/biases", "conv/bias")
        )
        mean, variance = _seen(network, convolution, faces)
        normalisation.running_mean.copy_(mean)
        normalisation.running_var.copy_(variance)
        normalisation.weight.data = factor * torch.sqrt(variance + normalisation.eps)
        normalisation.bias.data = offset + factor * (bias + mean)


@torch.no_grad()
def _seen(network: nn.Module, convolution: nn.Module, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of each channel of what a convolution puts out."""
    outputs: list[Tensor] = []
    handle = convolution.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    network(faces)
    handle.remove()
    return outputs[0].mean(dim=(0, 2, 3)), outputs[0].var(dim=(0, 2, 3))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="folder `model` of the unpacked package")
    parser.add_argument("prepared", type=Path, help="prepared database of grey faces, of about 48 pixels")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write")
    chosen = parser.parse_args(arguments)
    prepared = Prepared.open(chosen.prepared)
    crops = np.asarray(prepared.crops[:512])
    faces = torch.from_numpy(prepared.preprocessing.arrays(crops)[:, 0])
    network, _ = dlib(1, 2, standardised=True)
    fill(network, read(chosen.model), faces)
    origin = "dlib face_recognition_resnet_model_v1, public domain"
    checkpoint.save(chosen.output, network.state_dict(), {"origin": origin})
    print(f"{chosen.output}: {sum(p.numel() for p in network.parameters()):,} weights")


if __name__ == "__main__":
    main()
