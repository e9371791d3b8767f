"""Backbones: published layouts by count, name and value; shapes; old weights; ONNX."""

import hashlib
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mien.inference import session
from mien.learning.backbones import (
    Inverted,
    Standardised,
    connected,
    densenet121,
    dlib,
    mobile,
    residual,
    resnet50,
    vgg16,
)

Maker = Callable[[int], tuple[nn.Module, int]]

MAKERS: dict[str, Maker] = {
    "residual": lambda channels: residual(channels, 8, (16, 24), 2),
    "mobile": lambda channels: mobile(channels, stem_stride=2, hard_swish=True),
    "vgg16": lambda channels: vgg16(channels, ()),
    "resnet50": resnet50,
    "resnet50 of Caffe": lambda channels: resnet50(channels, caffe=True),
    "densenet121": densenet121,
    "dlib": lambda channels: dlib(channels, 2),
}

each_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def weights(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def filled(network: nn.Module) -> nn.Module:
    """Fill a network with waves that depend on the order of its sorted names alone."""
    for position, (name, tensor) in enumerate(sorted(network.state_dict().items())):
        if tensor.ndim == 0:
            continue
        wave = np.sin(0.7 * np.arange(tensor.numel()) ** 1.01 + position).reshape(tensor.shape)
        if tensor.ndim > 1:
            wave = wave * 2 / math.sqrt(tensor[0].numel())
        elif name.endswith("running_var"):
            wave = 1 + 0.5 * wave**2
        elif name.endswith("weight"):
            wave = 1 + 0.1 * wave
        else:
            wave = 0.1 * wave
        tensor.copy_(torch.from_numpy(wave))
    return network.eval()


@pytest.mark.parametrize(
    ("make", "count"),
    [
        (lambda: vgg16(3, ()), 14_714_688),
        (lambda: resnet50(3), 23_508_032),
        (lambda: densenet121(3), 6_953_856),
        (lambda: dlib(3), 5_578_272),
    ],
    ids=["vgg16", "resnet50", "densenet121", "dlib"],
)
def test_weights_are_as_many_as_published(make: Callable[[], tuple[nn.Module, int]], count: int) -> None:
    assert weights(make()[0]) == count


@pytest.mark.parametrize(
    ("make", "names", "mean", "deviation", "first"),
    [
        (
            lambda: resnet50(3),
            "c1f7fd3808aa49e7",
            0.5312694,
            0.5060633,
            [11.1542826, 0.2014040, 0.1392901, 0],
        ),
        (lambda: densenet121(3), "d40ec7e16223b8b0", 0.0894621, 0.1053441, [2.1135581, 0, 0, 0.0077915]),
        (lambda: vgg16(3, (64, 64)), "e9fe96fe0bba78f4", 0.0951290, 0.1250031, [0, 0.3472992, 0, 0]),
        (
            lambda: residual(3, 8, (16, 24), 2),
            "df098a0fd1697358",
            1.1767619,
            0.4358693,
            [0.7445678, 0.5479059, 0.8832360, 1.4435021],
        ),
    ],
    ids=["resnet50", "densenet121", "vgg16", "residual"],
)
def test_names_shapes_and_results_are_as_recorded(
    make: Callable[[], tuple[nn.Module, int]], names: str, mean: float, deviation: float, first: list[float]
) -> None:
    """Recorded with torchvision 0.28.0, classifiers cut off, VGG's made for a map of 3 x 3.

    The residual one was recorded with the network that mien 0.1.0 was released with.
    """
    network, width = make()
    lines = sorted(f"{name} {tuple(tensor.shape)}" for name, tensor in network.state_dict().items())
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == names
    pictures = np.sin(0.37 * np.arange(2 * 3 * 96 * 96)).reshape(2, 3, 96, 96).astype(np.float32)
    with torch.no_grad():
        features = filled(network)(torch.from_numpy(pictures))
    assert features.shape == (2, width)
    assert features.mean().item() == pytest.approx(mean, rel=1e-3)
    assert features.std().item() == pytest.approx(deviation, rel=1e-3)
    np.testing.assert_allclose(features[0, :4].numpy(), first, rtol=1e-3, atol=1e-5)


@each_maker
@pytest.mark.parametrize(("channels", "size"), [(3, (96, 96)), (1, (112, 112)), (1, (49, 64))])
def test_any_picture_becomes_one_row_of_features(make: Maker, channels: int, size: tuple[int, int]) -> None:
    network, width = make(channels)
    with torch.no_grad():
        features = network.eval()(torch.rand(2, channels, *size) * 2 - 1)
    assert features.shape == (2, width)
    assert torch.isfinite(features).all()
    assert (features[0] - features[1]).abs().max() > 0


@each_maker
def test_every_weight_gets_a_gradient(make: Maker) -> None:
    network, _ = make(1)
    network(torch.rand(2, 1, 48, 48)).square().sum().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert idle == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["residual", "mobile", "vgg16", "resnet50 of Caffe", "densenet121"])
def test_onnx_says_the_same_for_any_number_of_pictures(name: str, tmp_path: Path) -> None:
    network, _ = MAKERS[name](1)
    network.eval()
    torch.onnx.export(
        network,
        (torch.zeros(2, 1, 49, 49),),
        str(tmp_path / "model.onnx"),
        input_names=["faces"],
        output_names=["features"],
        dynamic_axes={"faces": {0: "n"}, "features": {0: "n"}},
        opset_version=17,
        dynamo=False,
    )
    loaded = session(tmp_path / "model.onnx")
    for n in (1, 5):
        faces = torch.rand(n, 1, 49, 49) * 2 - 1
        with torch.no_grad():
            expected = network(faces).numpy()
        np.testing.assert_allclose(
            loaded.run(None, {"faces": faces.numpy()})[0], expected, rtol=1e-4, atol=1e-4 * expected.std()
        )


@pytest.mark.parametrize("make", [MAKERS["residual"], MAKERS["mobile"], resnet50], ids=["r", "m", "50"])
def test_half_precision_is_close(make: Maker) -> None:
    network, _ = make(1)
    faces = torch.rand(8, 1, 48, 48) * 2 - 1
    with torch.no_grad():
        network(faces)  # gives the running statistics something to hold
        whole = network.eval()(faces)
        with torch.autocast("cpu", torch.bfloat16):
            half = network(faces)
    assert torch.isfinite(half).all()
    assert (half.float() - whole).abs().mean() < 0.1 * whole.abs().mean() + 1e-3


@pytest.mark.parametrize("channels", [1, 3])
def test_old_weights_of_the_small_network_fit_unchanged(channels: int) -> None:
    """The backbone as it was first released, layer by layer; its checkpoints must go on loading."""

    def block(inputs: int, outputs: int, stride: int) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        convolutions = {"path.0": (outputs, inputs, 3, 3), "path.3": (outputs, outputs, 3, 3)}
        norms = ["path.1", "path.4"]
        if stride != 1 or inputs != outputs:
            convolutions["shortcut.0"] = (outputs, inputs, 1, 1)
            norms.append("shortcut.1")
        shapes |= {f"{name}.weight": shape for name, shape in convolutions.items()}
        for name in norms:
            shapes |= {
                f"{name}.{part}": (outputs,) for part in ("weight", "bias", "running_mean", "running_var")
            }
            shapes[f"{name}.num_batches_tracked"] = ()
        return shapes

    expected: dict[str, tuple[int, ...]] = {"1.weight": (32, channels, 3, 3)}
    expected |= {f"2.{part}": (32,) for part in ("weight", "bias", "running_mean", "running_var")}
    expected["2.num_batches_tracked"] = ()
    widths = [(32, 48, 2), (48, 48, 1), (48, 96, 2), (96, 96, 1), (96, 192, 2), (192, 192, 1)]
    for position, layer in enumerate(widths, start=4):
        expected |= {f"{position}.{name}": shape for name, shape in block(*layer).items()}
    for standardised in (True, False):
        network, width = residual(channels, 32, (48, 96, 192), 2, standardised=standardised)
        assert width == 192
        assert {n: tuple(t.shape) for n, t in network.state_dict().items()} == expected


def test_standardised_pictures_have_mean_0_and_variance_1_and_flat_ones_stay_flat() -> None:
    faces = torch.rand(3, 2, 20, 30, dtype=torch.float64) * 2 - 1
    faces[2] = 0.7
    seen = Standardised()(faces).numpy()
    plain = faces.numpy()
    for i in range(2):
        for c in range(2):
            by_hand = (plain[i, c] - plain[i, c].mean()) / np.sqrt(plain[i, c].var() + 1e-3)
            np.testing.assert_allclose(seen[i, c], by_hand, atol=1e-12)
    assert np.abs(seen[2]).max() < 1e-12


@pytest.mark.parametrize(
    "make",
    [
        lambda: residual(1, 8, (16, 24), 2),
        lambda: mobile(1, stem_stride=2),
        lambda: vgg16(1, (), standardised=True),
        lambda: resnet50(1, standardised=True),
        lambda: densenet121(1, standardised=True),
    ],
    ids=["residual", "mobile", "vgg16", "resnet50", "densenet121"],
)
def test_a_standardised_backbone_ignores_light_and_contrast(
    make: Callable[[], tuple[nn.Module, int]],
) -> None:
    network = make()[0].eval()
    faces = torch.randn(2, 1, 48, 48)
    with torch.no_grad():
        plain, changed = network(faces), network(0.9 * faces + 0.3)
    assert (plain - changed).abs().max() < 0.01 * plain.abs().max()


@pytest.mark.parametrize("size", [(96, 96), (112, 112), (49, 70)])
def test_vgg_keeps_the_last_row_of_odd_maps_as_same_padding_does(size: tuple[int, int]) -> None:
    network, width = vgg16(1, (8,), size)
    shapes = []
    sides = np.array(size)
    for part in network.features:
        if isinstance(part, nn.MaxPool2d):
            odd = torch.randn(1, 2, *sides)
            padded = np.full((2, *(sides + sides % 2)), -np.inf, np.float32)
            padded[:, : sides[0], : sides[1]] = odd[0].numpy()
            sides = -(-sides // 2)
            by_hand = padded.reshape(2, sides[0], 2, sides[1], 2).max(axis=(2, 4))
            np.testing.assert_array_equal(part(odd)[0].numpy(), by_hand)
            shapes.append(tuple(sides))
    assert network.classifier[0].in_features == 512 * sides[0] * sides[1]
    assert network.eval()(torch.zeros(2, 1, *size)).shape == (2, width)
    assert shapes[-1] == {(96, 96): (3, 3), (112, 112): (4, 4), (49, 70): (2, 3)}[size]


def test_vgg_does_not_fade_through_thirteen_layers() -> None:
    network, _ = vgg16(3, (256, 256))
    with torch.no_grad():
        spread = network.eval()(torch.randn(4, 3, 96, 96)).std().item()
    assert 0.05 < spread < 20


def test_vgg_has_the_connected_layers_of_the_paper() -> None:
    with torch.device("meta"):
        network, width = vgg16(3, (4096, 4096))
    assert width == 4096
    assert weights(network) == 14_714_688 + 4608 * 4096 + 4096 + 4096 * 4096 + 4096


def test_mobile_is_small_and_its_hard_swish_is_the_published_one() -> None:
    network, width = mobile(3)
    assert width == 192
    assert weights(network) < 700_000
    x = torch.linspace(-5, 5, 101)
    swish = next(part for part in mobile(1, hard_swish=True)[0].modules() if isinstance(part, nn.Hardswish))
    np.testing.assert_allclose(
        swish(x.clone()).numpy(), x.numpy() * np.clip(x.numpy() + 3, 0, 6) / 6, atol=1e-6
    )


def test_inverted_residuals_add_what_they_got_where_they_can() -> None:
    blocks = [part for part in mobile(1)[0].modules() if isinstance(part, Inverted)]
    widths = [(32, 48), (48, 48), (48, 96), (96, 96), (96, 192), (192, 192)]
    for (inputs, outputs), block in zip(widths, blocks, strict=True):
        block.eval()
        nn.init.zeros_(block.path[-1].weight)  # what the path says is nothing now
        x = torch.randn(1, inputs, 8, 8)
        assert torch.equal(block(x), x if outputs == inputs else torch.zeros(1, outputs, 4, 4))


def test_two_ways_of_resnet_have_the_same_names_and_strides_at_other_places() -> None:
    ours, caffe = resnet50(3)[0], resnet50(3, caffe=True)[0]
    caffe.load_state_dict(ours.state_dict())
    strides = {
        name: tuple(part.conv1.stride + part.conv2.stride)
        for name, part in caffe.named_modules()
        if hasattr(part, "conv3")
    }
    assert {name for name, found in strides.items() if found == (2, 2, 1, 1)} == {
        "layer2.0",
        "layer3.0",
        "layer4.0",
    }
    assert set(strides.values()) == {(2, 2, 1, 1), (1, 1, 1, 1)}
    faces = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        assert ours.eval()(faces).shape == caffe.eval()(faces).shape == (1, 2048)
        assert not torch.allclose(ours(faces), caffe(faces))


def test_connected_layers_end_with_the_last_size_and_none_change_nothing() -> None:
    layers, width = connected(10, (6, 4), 0.5)
    assert width == 4
    assert {name: tuple(t.shape) for name, t in layers.state_dict().items()} == {
        "0.weight": (6, 10),
        "0.bias": (6,),
        "3.weight": (4, 6),
        "3.bias": (4,),
    }
    x = torch.randn(5, 10)
    hidden = np.maximum(x.numpy() @ layers[0].weight.detach().numpy().T, 0)
    by_hand = np.maximum(hidden @ layers[3].weight.detach().numpy().T, 0)
    np.testing.assert_allclose(layers.eval()(x).detach().numpy(), by_hand, atol=1e-5)
    dropped = connected(10, (1000,), 0.5)[0].train()(torch.ones(1, 10)) == 0
    assert 0.6 < dropped.float().mean() < 0.9  # half by ReLU, half of the rest by dropout
    nothing, width = connected(10, (), 0.5)
    assert width == 10
    assert torch.equal(nothing(x), x)


@pytest.mark.parametrize("stem", [4, 8, 12])
def test_narrow_blocks_learn_the_same_with_channels_last(stem: int) -> None:
    """In a process of its own: done carelessly, oneDNN writes where it must not, and may end the process."""
    program = f"""if True:
        import torch
        from mien.learning.backbones import residual

        torch.manual_seed(0)
        network, width = residual(1, {stem}, (16, 24), 1)
        pictures, wanted = torch.rand(32, 1, 48, 48), torch.rand(32, width)
        gradients = []
        for layout in (torch.contiguous_format, torch.channels_last):
            network.to(memory_format=layout)
            for _ in range(5):
                network.zero_grad()
                (network(pictures) * wanted).sum().backward()
            gradients.append([p.grad.clone() for p in network.parameters()])
        for first, second in zip(*gradients, strict=True):
            assert (second - first).norm() < 0.01 * (1 + first.norm())  # statistics are rounded otherwise
        print("learned")
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "learned\n"), done.stderr
