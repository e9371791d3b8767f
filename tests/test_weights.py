"""Weights from files of others: names, prefixes, shapes, colours, refusals."""

import re
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mien.errors import InputError
from mien.learning import checkpoint
from mien.learning.backbones import densenet121, residual, resnet50, vgg16
from mien.learning.weights import load_weights, read_weights

VGG_FACE = {  # the published order of its convolutions, beside torchvision's numbers
    "conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10, "conv3_2": 12, "conv3_3": 14,
    "conv4_1": 17, "conv4_2": 19, "conv4_3": 21, "conv5_1": 24, "conv5_2": 26, "conv5_3": 28,
}  # fmt: skip


class Small(nn.Module):
    """A backbone of two layers and statistics."""

    def __init__(self, channels: int = 3, width: int = 4) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        seen: Tensor = self.fc(torch.relu(self.bn1(self.conv1(x))).mean(dim=(2, 3)))
        return seen


def state(network: nn.Module) -> dict[str, Tensor]:
    """Return a state no two of whose numbers are likely to agree with those of another network."""
    return {
        name: torch.randn_like(tensor) if tensor.is_floating_point() else tensor + 7
        for name, tensor in network.state_dict().items()
    }


def same(network: nn.Module, wanted: dict[str, Tensor]) -> bool:
    ours = {n: t for n, t in network.state_dict().items() if not n.endswith("num_batches_tracked")}
    return all(torch.equal(tensor, wanted[name]) for name, tensor in ours.items())


@pytest.mark.parametrize("kind", ["safetensors", "zip", "before 1.6"])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w"])
def test_the_contents_decide_what_a_file_is(tmp_path: Path, kind: str, name: str) -> None:
    wanted, path = state(Small()), tmp_path / name
    if kind == "safetensors":
        save_file(wanted, path)
    else:
        torch.save(OrderedDict(wanted), path, _use_new_zipfile_serialization=kind == "zip")
    network = Small()
    loading = load_weights(network, path)
    assert same(network, wanted)
    assert set(loading.matched) == {n for n in wanted if not n.endswith("num_batches_tracked")}
    assert (loading.share, loading.missing, loading.unexpected) == (1.0, (), ())
    assert (loading.prefix, loading.wrong_shape, loading.summed) == ("", {}, "")
    assert str(loading) == f"{path}: 7 of 7 tensors fit"


@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("module.", ""),
        ("backbone.", "backbone."),
        ("module.backbone.", "backbone."),
        ("net.module.encoder.", "net.encoder."),
        ("state_dict.module.backbone.", "state_dict.backbone."),
    ],
)
def test_any_prefix_is_found(tmp_path: Path, prefix: str, said: str) -> None:
    wanted = state(Small())
    save_file(
        {f"{prefix}{name}": tensor for name, tensor in wanted.items()} | {"other.weight": torch.ones(3)},
        tmp_path / "w.safetensors",
    )
    network = Small()
    loading = load_weights(network, tmp_path / "w.safetensors")
    assert same(network, wanted)
    assert loading.prefix == said
    assert loading.unexpected == (() if said else ("other.weight",))


def test_tables_within_tables_are_searched(tmp_path: Path) -> None:
    wanted, other = state(Small()), state(Small())
    saved: dict[str, Any] = {
        "epoch": 3,
        "arch": "small",
        "best": [0.5, None],
        "optimizer": {"state": {0: {"exp_avg": torch.ones(4, 3, 3, 3)}}, "param_groups": [{"lr": 0.1}]},
        "state_dict": OrderedDict((f"module.{name}", tensor) for name, tensor in wanted.items()),
        "state_dict_ema": other,
    }
    torch.save(saved, tmp_path / "w.tar")
    network = Small()
    loading = load_weights(network, tmp_path / "w.tar")
    assert same(network, wanted)
    assert (loading.prefix, loading.unexpected) == ("state_dict.", ())


def test_of_a_checkpoint_of_mien_the_averaged_backbone_is_taken(tmp_path: Path) -> None:
    network, _ = residual(1, 4, (6, 8), 1)
    first, second = state(network), state(network)
    tensors = {f"network.backbone.{name}": tensor for name, tensor in first.items()}
    tensors |= {f"average.backbone.{name}": tensor for name, tensor in second.items()}
    tensors |= {"average.heads.expression_7.weight": torch.ones(7, 8), "optimiser.0.momentum": torch.ones(4)}
    checkpoint.save(tmp_path / "last.safetensors", tensors, {"epoch": 1})
    loading = load_weights(network, tmp_path / "last.safetensors")
    assert loading.prefix == "average.backbone."
    assert loading.unexpected == ()
    assert same(network, second)


@pytest.mark.parametrize("line", ["", "_"])
def test_names_of_vgg_face_are_understood(tmp_path: Path, line: str) -> None:
    network, _ = vgg16(3, (16, 16), (32, 32))
    wanted = state(network)
    theirs = {}
    for name, number in VGG_FACE.items():
        for part in ("weight", "bias"):
            theirs[f"{name.replace('conv', 'conv' + line)}.{part}"] = wanted[f"features.{number}.{part}"]
    for name, number in {"fc6": 0, "fc7": 3}.items():
        for part in ("weight", "bias"):
            theirs[f"{name}.{part}"] = wanted[f"classifier.{number}.{part}"]
    theirs |= {"fc8.weight": torch.ones(2622, 16), "fc8.bias": torch.ones(2622)}
    torch.save(theirs, tmp_path / "vgg_face.pth")
    loading = load_weights(network, tmp_path / "vgg_face.pth")
    assert same(network, wanted)
    assert (len(loading.matched), loading.unexpected) == (30, ("fc8.weight", "fc8.bias"))


def test_first_connected_layer_made_for_larger_pictures_stays_as_it_was(tmp_path: Path) -> None:
    large, _ = vgg16(3, (16, 16), (64, 64))
    small, _ = vgg16(3, (16, 16), (32, 32))
    wanted, before = state(large), {name: t.clone() for name, t in small.state_dict().items()}
    save_file(wanted, tmp_path / "w.safetensors")
    loading = load_weights(small, tmp_path / "w.safetensors")
    assert loading.wrong_shape == {"classifier.0.weight": ((16, 2048), (16, 512))}
    assert loading.missing == ("classifier.0.bias",), "half a layer is of no use"
    for name, tensor in small.state_dict().items():
        assert torch.equal(tensor, (before if name.startswith("classifier.0") else wanted)[name])
    assert str(loading) == (
        f"{tmp_path / 'w.safetensors'}: 28 of 30 tensors fit\n"
        "  of another shape: classifier.0.weight (16 x 2048 in the file, 16 x 512 here)\n"
        "  left as they were: classifier.0.bias"
    )


def test_a_layer_that_the_file_holds_in_part_stays_as_it_was(tmp_path: Path) -> None:
    network = Small()
    before, theirs = {name: t.clone() for name, t in network.state_dict().items()}, state(Small())
    del theirs["fc.bias"], theirs["bn1.running_mean"]
    save_file(theirs, tmp_path / "w.safetensors")
    loading = load_weights(network, tmp_path / "w.safetensors", enough=0)
    assert loading.matched == ("conv1.weight",)
    assert {name.split(".")[0] for name in loading.missing} == {"fc", "bn1"}
    assert same(network, before | {"conv1.weight": theirs["conv1.weight"]})


def test_of_two_sets_the_one_whose_shapes_fit_is_taken(tmp_path: Path) -> None:
    wanted, larger = state(Small()), state(Small(width=6))
    tensors = {f"teacher.{name}": t for name, t in wanted.items()}
    save_file(tensors | {f"pupil.{name}": t for name, t in larger.items()}, tmp_path / "w.safetensors")
    network = Small()
    assert load_weights(network, tmp_path / "w.safetensors").prefix == "teacher."
    assert same(network, wanted)


def test_old_names_of_densenet_are_understood(tmp_path: Path) -> None:
    network, _ = densenet121(3)
    wanted = state(network)
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])")
    theirs = {
        old.sub(r"\1.\2", name): tensor.half() if tensor.is_floating_point() else tensor
        for name, tensor in wanted.items()
        if not name.endswith("num_batches_tracked")
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in theirs
    save_file(theirs | {"classifier.weight": torch.ones(1000, 8)}, tmp_path / "w.safetensors")
    loading = load_weights(network, tmp_path / "w.safetensors")
    assert (loading.share, loading.unexpected) == (1.0, ("classifier.weight",))
    assert same(network, {name: t.half().float() for name, t in wanted.items() if t.is_floating_point()})


@pytest.mark.parametrize("make", [lambda c: (Small(c), 2), resnet50, lambda c: vgg16(c, ())])
def test_three_colours_are_summed_for_a_grey_network(make: Any, tmp_path: Path) -> None:
    colour, grey = make(3)[0].eval(), make(1)[0].eval()
    save_file(colour.state_dict(), tmp_path / "w.safetensors")
    loading = load_weights(grey, tmp_path / "w.safetensors")
    first = "features.0.weight" if hasattr(grey, "features") else "conv1.weight"
    assert (loading.summed, loading.share) == (first, 1.0)
    assert f"three colours summed into one: {first}" in str(loading)
    faces = torch.randn(2, 1, 48, 48)
    with torch.no_grad():
        expected = colour(faces.expand(-1, 3, -1, -1)).numpy()
        np.testing.assert_allclose(grey(faces).numpy(), expected, atol=1e-4 * np.abs(expected).max())


def test_a_depthwise_filter_is_not_taken_for_a_grey_first_convolution(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, groups=4))
    theirs = state(network) | {"1.weight": torch.ones(4, 3, 3, 3)}
    save_file(theirs, tmp_path / "w.safetensors")
    loading = load_weights(network, tmp_path / "w.safetensors", enough=0)
    assert (loading.summed, set(loading.wrong_shape)) == ("", {"1.weight"})


def test_too_little_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    network = Small(width=4)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    theirs = state(Small(width=6))
    save_file(theirs | {"fc.weight": torch.ones(2, 4)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"w\.safetensors: not used, 2 of 7 .*29%.*80%") as caught:
        load_weights(network, tmp_path / "w.safetensors")
    assert "conv1.weight (6 x 3 x 3 x 3 in the file, 4 x 3 x 3 x 3 here)" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert same(network, before)
    loading = load_weights(network, tmp_path / "w.safetensors", enough=0.25)
    assert loading.matched == ("fc.weight", "fc.bias")
    assert torch.equal(network.fc.weight, torch.ones(2, 4))
    assert torch.equal(network.conv1.weight, before["conv1.weight"])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    """VGG with normalisation has the same names with other meanings."""
    widths = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0)
    layers: list[nn.Module] = []
    channels = 3
    for width in widths:
        if width:
            layers += [nn.Conv2d(channels, width, 3), nn.BatchNorm2d(width), nn.ReLU()]
            channels = width
        else:
            layers.append(nn.MaxPool2d(2))
    save_file(nn.ModuleDict({"features": nn.Sequential(*layers)}).state_dict(), tmp_path / "bn.safetensors")
    with pytest.raises(InputError, match="not used"):
        load_weights(vgg16(3, ())[0], tmp_path / "bn.safetensors")
    save_file(resnet50(3)[0].state_dict(), tmp_path / "resnet.safetensors")
    with pytest.raises(InputError, match=r"0 of 26 tensors fit \(0%"):
        load_weights(vgg16(3, ())[0], tmp_path / "resnet.safetensors")


class Bad:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("ran"),)


def test_files_that_are_no_weights_are_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_file(state(Small()), "whole.safetensors")
    torch.save(state(Small()), "whole.pth")
    torch.save(Small(), "model.pth")
    torch.save({"state_dict": state(Small()), "extra": Bad()}, "bad.pth")
    torch.save({"epoch": 3}, "empty.pth")
    save_file({}, "empty.safetensors")
    for name in ("whole.safetensors", "whole.pth"):
        data = Path(name).read_bytes()
        Path(f"cut.{name}").write_bytes(data[: len(data) // 2])
    for name, data in {"nothing": b"", "text": b"not weights at all", "header": b"\xff" * 8 + b"{"}.items():
        Path(name).write_bytes(data)
    refused = {
        "absent.pth": "No such file",
        ".": "directory",
        "model.pth": "save its state_dict",
        "bad.pth": "save its state_dict",
        "empty.pth": "no tensors",
        "empty.safetensors": "no tensors",
        "cut.whole.safetensors": "broken safetensors",
        "cut.whole.pth": "neither safetensors nor",
        "nothing": "neither safetensors nor",
        "text": "neither safetensors nor",
        "header": "broken safetensors",
    }
    for name, said in refused.items():
        with pytest.raises(InputError, match=said) as caught:
            read_weights(Path(name))
        assert str(caught.value).startswith(f"{name}: ")
        assert "\n" not in str(caught.value)
    assert not Path("ran").exists()


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    theirs = state(Small())
    theirs["bn1.running_var"][1] = float("nan")
    save_file({f"net.{name}": t for name, t in theirs.items()}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match=r"net\.bn1\.running_var holds numbers that are not finite"):
        load_weights(Small(), tmp_path / "w.safetensors")


def test_long_lists_are_cut_for_people(tmp_path: Path) -> None:
    save_file({f"{i}.weight": torch.ones(2, 2) for i in range(12)}, tmp_path / "w.safetensors")
    loading = load_weights(nn.Sequential(nn.Linear(2, 2, bias=False)), tmp_path / "w.safetensors")
    assert len(loading.unexpected) == 11
    assert str(loading).endswith("and 5 more")
    network = nn.Sequential(nn.ReLU())
    assert np.isnan(load_weights(network, tmp_path / "w.safetensors").share)
