"""The script that brings dlib's weights: what the network computes with them is what the file says."""

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from mien.learning.backbones import dlib

SCRIPT = Path(__file__).parents[1] / "scripts" / "dlib_weights.py"

script: dict[str, Any] = runpy.run_path(str(SCRIPT))


def write_package(folder: Path) -> dict[str, np.ndarray]:
    """Write the two files of the package with weights by chance; return what they say."""
    chance = np.random.default_rng(0)
    network, _ = dlib(3)
    shapes: dict[str, tuple[int, ...]] = {}
    widths = [("conv32_down", (7, 7, 3, 32))]
    inputs = 32
    for name, block in zip(script["BLOCKS"], network.blocks, strict=True):  # type: ignore[arg-type]
        outputs = block.conv1.out_channels
        widths += [
            (f"conv{name}/conv1", (3, 3, inputs, outputs)),
            (f"conv{name}/conv2", (3, 3, outputs, outputs)),
        ]
        inputs = outputs
    for name, shape in widths:
        shapes[f"{name}/conv/filters"] = shape
        for part in ("conv/bias", "scale/weights", "scale/biases"):
            shapes[f"{name}/{part}"] = shape[-1:]
    values, listed, raw = {}, [], b""
    for number, (name, shape) in enumerate(shapes.items()):
        wide = 2 / np.sqrt(np.prod(shape[:3])) if len(shape) == 4 else 0.2
        low = 0.9 if name.endswith("weights") else -wide / 2
        entry: dict[str, Any] = {"name": name, "shape": shape, "dtype": "float32"}
        if number % 4 == 3:  # the package leaves some arrays as they are
            values[name] = chance.normal(0, 0.1, shape).astype("<f4")
            raw += values[name].tobytes()
        else:
            stored = chance.integers(0, 256, shape, np.uint8)
            entry["quantization"] = {"dtype": "uint8", "scale": wide / 255, "min": low}
            values[name] = (stored * np.float32(wide / 255) + np.float32(low)).astype(np.float32)
            raw += stored.tobytes()
        listed.append(entry)
    (folder / "face_recognition_model-weights_manifest.json").write_text(json.dumps([{"weights": listed}]))
    (folder / "face_recognition_model.bin").write_bytes(raw)
    return values


def by_the_file(values: dict[str, np.ndarray], x: torch.Tensor) -> torch.Tensor:
    """Compute the network as dlib does, by factors and offsets."""

    def layer(x: torch.Tensor, name: str, stride: int, margin: int) -> torch.Tensor:
        filters = torch.from_numpy(values[f"{name}/conv/filters"]).permute(3, 2, 0, 1)
        bias = torch.from_numpy(values[f"{name}/conv/bias"])
        factor, offset = (
            torch.from_numpy(values[f"{name}/scale/{part}"])[:, None, None] for part in ("weights", "biases")
        )
        return functional.conv2d(x, filters, bias, stride, margin) * factor + offset

    x = functional.relu(layer(x, "conv32_down", 2, 3))
    x = functional.max_pool2d(functional.pad(x, (0, 1, 0, 1)), 3, 2)
    for name in script["BLOCKS"]:
        inner, beside = x, x
        if "down" in name:
            even = 1 - x.shape[-1] % 2
            inner = functional.pad(x, (0, even, 0, even))
            beside = functional.avg_pool2d(x, 2)
        inner = functional.relu(layer(inner, f"conv{name}/conv1", *((2, 0) if "down" in name else (1, 1))))
        inner = layer(inner, f"conv{name}/conv2", 1, 1)
        more = inner.shape[1] - beside.shape[1]
        x = functional.relu(inner + functional.pad(beside, (0, 0, 0, 0, 0, more)))
    return x.mean(dim=(2, 3))


def test_the_network_computes_what_the_file_says(tmp_path: Path) -> None:
    values = write_package(tmp_path)
    faces = torch.randn(4, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    network, _ = dlib(1, 2)
    script["fill"](network, script["read"](tmp_path), faces)
    large = functional.interpolate(faces, scale_factor=2, mode="bilinear") * script["CONTRAST"]
    wanted = by_the_file(values, large.expand(-1, 3, -1, -1))
    with torch.no_grad():
        found = network(faces)
        shifted = network(faces + 1)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
    assert (shifted - wanted).abs().max() > 0.01


def test_normalised_by_the_faces_it_computes_about_the_same(tmp_path: Path) -> None:
    write_package(tmp_path)
    faces = torch.randn(16, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    network, _ = dlib(1, 2)
    script["fill"](network, script["read"](tmp_path), faces)
    with torch.no_grad():
        still = network(faces)
        training = network.train()(faces)
    torch.testing.assert_close(training, still, rtol=0.02, atol=0.02 * float(still.abs().max()))


def test_a_file_of_another_length_is_refused(tmp_path: Path) -> None:
    write_package(tmp_path)
    path = tmp_path / "face_recognition_model.bin"
    path.write_bytes(path.read_bytes() + b"more")
    with pytest.raises(SystemExit, match=r"face_recognition_model.bin: .* bytes, its list says"):
        script["read"](tmp_path)
