"""Backbones: networks that turn one picture, or the sound around a moment, into a row of features.

Each function returns a module and its width: (n, channels, height, width) in, (n, width) out. Those of
published networks name their weights as torchvision does, so that public files of weights fit them.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

AnyModule = TypeVar("AnyModule", bound=nn.Module)


class Standardised(nn.Module):
    """Each picture and channel with mean 0 and variance 1, so that light and contrast matter less."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape; the floor 1e-3 keeps flat pictures flat (input is in -1 to 1)."""
        shifted = x - x.mean(dim=(2, 3), keepdim=True)
        return shifted / torch.sqrt((shifted * shifted).mean(dim=(2, 3), keepdim=True) + 1e-3)


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, outputs, height / stride, width / stride), rounded up.

        The shortcut takes every stride-th pixel itself: the gradient of a 1 x 1 convolution with a stride
        and fewer than 16 channels, the channels last, is written past its memory by oneDNN (its issue 6035).
        """
        beside = x if self.stride == 1 else x[:, :, :: self.stride, :: self.stride]
        return torch.relu(self.path(x) + self.shortcut(beside))


def residual(
    channels: int, stem: int, widths: Sequence[int], depth: int, *, standardised: bool = True
) -> tuple[nn.Module, int]:
    """Return the small residual backbone, made for a CPU, and its width.

    Args:
        channels: of the input.
        stem: channels of the first convolution, at full resolution.
        widths: channels of the stages, each of half the resolution of the last.
        depth: blocks in a stage.
        standardised: bring each picture to mean 0 and variance 1 first.
    """
    layers: list[nn.Module] = [
        _entry(standardised),
        nn.Conv2d(channels, stem, 3, 1, 1, bias=False),
        nn.BatchNorm2d(stem),
        nn.ReLU(inplace=True),
    ]
    width = stem
    for outputs in widths:
        for i in range(depth):
            layers.append(Block(width, outputs, 2 if i == 0 else 1))
            width = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), width


class Inverted(nn.Module):
    """A narrow picture four times widened, filtered by channel, narrowed again (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: type[nn.Module]) -> None:
        super().__init__()
        wide = 4 * inputs
        self.path = nn.Sequential(
            *_convolved(inputs, wide, 1, 1, activation),
            *_convolved(wide, wide, 3, stride, activation, groups=wide),
            nn.Conv2d(wide, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.beside = inputs == outputs and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, outputs, height / stride, width / stride), rounded up."""
        seen: Tensor = self.path(x)
        return x + seen if self.beside else seen


def mobile(
    channels: int,
    stem: int = 32,
    widths: Sequence[int] = (48, 96, 192),
    depth: int = 2,
    *,
    stem_stride: int = 1,
    hard_swish: bool = False,
    standardised: bool = True,
) -> tuple[nn.Module, int]:
    """Return a backbone of depthwise convolutions and its width; 0.6 M weights as it stands.

    Args:
        channels: of the input.
        stem: channels of the first convolution.
        widths: channels of the stages, each of half the resolution of the last.
        depth: inverted residuals in a stage.
        stem_stride: 1 for pictures of about 48 pixels, 2 for 96 and more.
        hard_swish: x * clip(x + 3, 0, 6) / 6 in place of ReLU (Howard et al. 2019).
        standardised: bring each picture to mean 0 and variance 1 first.
    """
    activation: type[nn.Module] = nn.Hardswish if hard_swish else nn.ReLU
    layers: list[nn.Module] = [
        _entry(standardised),
        *_convolved(channels, stem, 3, stem_stride, activation),
    ]
    width = stem
    for outputs in widths:
        for i in range(depth):
            layers.append(Inverted(width, outputs, 2 if i == 0 else 1, activation))
            width = outputs
    layers += _convolved(width, width, 1, 1, activation)
    return _initialised(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())), width


class _Vgg(nn.Module):
    """Thirteen 3 x 3 convolutions in five blocks, and fully connected layers."""

    def __init__(self, channels: int, hidden: nn.Module, flat: bool, standardised: bool) -> None:
        super().__init__()
        self.entry = _entry(standardised)
        layers: list[nn.Module] = []
        for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
            for _ in range(depth):
                layers += [nn.Conv2d(channels, width, 3, 1, 1), nn.ReLU(inplace=True)]
                channels = width
            layers.append(nn.MaxPool2d(2, 2, ceil_mode=True))
        self.features = nn.Sequential(*layers)
        self.classifier = hidden
        self.flat = flat

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, width)."""
        seen = self.features(self.entry(x))
        features: Tensor = self.classifier(seen.flatten(1) if self.flat else seen.mean(dim=(2, 3)))
        return features


def vgg16(
    channels: int,
    hidden: Sequence[int],
    size: tuple[int, int] = (96, 96),
    *,
    dropout: float = 0.5,
    standardised: bool = False,
) -> tuple[nn.Module, int]:
    """Return VGG-16 in the layout of VGG-FACE (Parkhi et al. 2015), and its width.

    Convolutions have biases and no normalisation. Where a side is odd, pooling keeps its last row, as
    "SAME" does: 96 x 96 becomes 3 x 3 x 512, 112 x 112 becomes 4 x 4 x 512.

    Args:
        channels: of the input.
        hidden: sizes of the fully connected layers over the flattened last map, such as (4096, 4096);
            with none, the last map's mean is what comes out, 512 wide.
        size: height and width of the input, which the first of them must know.
        dropout: after each of them, in training.
        standardised: bring each picture to mean 0 and variance 1 first.
    """
    height, width = (-(-side // 32) for side in size)
    layers, last = connected(512 * height * width, hidden, dropout)
    network = _Vgg(channels, layers if hidden else nn.Identity(), bool(hidden), standardised)
    return _initialised(network), last if hidden else 512


class _Bottleneck(nn.Module):
    """Convolutions of 1, 3 and 1 beside a shortcut; the output is four times as wide as the middle."""

    def __init__(self, inputs: int, middle: int, stride: int, caffe: bool) -> None:
        super().__init__()
        first, second = (stride, 1) if caffe else (1, stride)
        self.conv1 = nn.Conv2d(inputs, middle, 1, first, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, second, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, 4 * middle, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * middle)
        self.downsample: nn.Module = nn.Identity()
        if inputs != 4 * middle or stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * middle, 1, stride, bias=False), nn.BatchNorm2d(4 * middle)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, 4 * middle, height / stride, width / stride), rounded up."""
        inner = torch.relu(self.bn1(self.conv1(x)))
        inner = torch.relu(self.bn2(self.conv2(inner)))
        return torch.relu(self.bn3(self.conv3(inner)) + self.downsample(x))


class _ResNet50(nn.Module):
    """Fifty layers: a first convolution, sixteen bottlenecks in four stages, and a mean."""

    def __init__(self, channels: int, caffe: bool, standardised: bool) -> None:
        super().__init__()
        self.entry = _entry(standardised)
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 0 if caffe else 1, ceil_mode=caffe)
        self.layer1 = self._stage(64, 64, 3, 1, caffe)
        self.layer2 = self._stage(256, 128, 4, 2, caffe)
        self.layer3 = self._stage(512, 256, 6, 2, caffe)
        self.layer4 = self._stage(1024, 512, 3, 2, caffe)

    @staticmethod
    def _stage(inputs: int, middle: int, depth: int, stride: int, caffe: bool) -> nn.Sequential:
        """Return the bottlenecks of a stage; the first of them has its stride."""
        rest = (_Bottleneck(4 * middle, middle, 1, caffe) for _ in range(depth - 1))
        return nn.Sequential(_Bottleneck(inputs, middle, stride, caffe), *rest)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, 2048)."""
        x = self.maxpool(torch.relu(self.bn1(self.conv1(self.entry(x)))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3))


def resnet50(channels: int, *, caffe: bool = False, standardised: bool = False) -> tuple[nn.Module, int]:
    """Return ResNet-50 (He et al. 2016, activation after the sum) without its classifier, and its width.

    Args:
        channels: of the input.
        caffe: compute as the networks of Caffe do, such as those of VGGFace2: strides in the first
            convolution of a bottleneck, and the first pooling without a margin. Weights of either sort
            fit the other without an error, but do not mean the same there. By default strides are in
            the 3 x 3 convolution, as in torchvision's weights.
        standardised: bring each picture to mean 0 and variance 1 first.
    """
    return _initialised(_ResNet50(channels, caffe, standardised)), 2048


class _Dense(nn.Module):
    """A layer whose 32 new channels are put behind those it got."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, 128, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(128)
        self.conv2 = nn.Conv2d(128, 32, 3, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, inputs + 32, height, width)."""
        inner = self.conv1(torch.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(torch.relu(self.norm2(inner)))], dim=1)


class _DenseNet121(nn.Module):
    """Four blocks of dense layers, each but the last halved in channels and resolution, and a mean."""

    def __init__(self, channels: int, standardised: bool) -> None:
        super().__init__()
        self.entry = _entry(standardised)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(channels, 64, 7, 2, 3, bias=False),
            norm0=nn.BatchNorm2d(64),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(3, 2, 1),
        )
        width = 64
        for block, depth in enumerate((6, 12, 24, 16), start=1):
            dense: OrderedDict[str, nn.Module] = OrderedDict(
                (f"denselayer{i + 1}", _Dense(width + 32 * i)) for i in range(depth)
            )
            layers[f"denseblock{block}"] = nn.Sequential(dense)
            width += 32 * depth
            if block < 4:
                layers[f"transition{block}"] = self._transition(width)
                width //= 2
        layers["norm5"] = nn.BatchNorm2d(width)
        self.features = nn.Sequential(layers)

    @staticmethod
    def _transition(width: int) -> nn.Sequential:
        """Return what halves channels and resolution."""
        return nn.Sequential(
            OrderedDict(
                norm=nn.BatchNorm2d(width),
                relu=nn.ReLU(inplace=True),
                conv=nn.Conv2d(width, width // 2, 1, bias=False),
                pool=nn.AvgPool2d(2, 2),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, 1024)."""
        return torch.relu(self.features(self.entry(x))).mean(dim=(2, 3))


def densenet121(channels: int, *, standardised: bool = False) -> tuple[nn.Module, int]:
    """Return DenseNet-121 (Huang et al. 2017) without its classifier, and its width.

    Args:
        channels: of the input.
        standardised: bring each picture to mean 0 and variance 1 first.
    """
    return _initialised(_DenseNet121(channels, standardised)), 1024


class _Shifted(nn.Module):
    """Two 3 x 3 convolutions beside the picture itself, its new channels being 0 (as in dlib)."""

    def __init__(self, inputs: int, outputs: int, halved: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 2 if halved else 1, 0 if halved else 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.halved, self.added = halved, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, outputs, height, width), both halved and rounded down where this block halves."""
        inner, beside = x, x
        if self.halved:
            inner, beside = _evened(x), functional.avg_pool2d(x, 2)
        inner = torch.relu(self.bn1(self.conv1(inner)))
        beside = functional.pad(beside, (0, 0, 0, 0, 0, self.added))
        return torch.relu(self.bn2(self.conv2(inner)) + beside)


class _Dlib(nn.Module):
    """A first convolution, fourteen blocks, of which four halve, and a mean."""

    def __init__(self, channels: int, enlarged: int, standardised: bool) -> None:
        super().__init__()
        self.entry = _entry(standardised)
        self.enlarged = enlarged
        self.conv1 = nn.Conv2d(channels, 32, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        blocks: list[nn.Module] = []
        width = 32
        for stage, (outputs, depth) in enumerate(((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))):
            for place in range(depth):
                blocks.append(_Shifted(width, outputs, halved=stage > 0 and place == 0))
                width = outputs
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, 256)."""
        x = self.entry(x)
        if self.enlarged > 1:
            x = functional.interpolate(x, scale_factor=self.enlarged, mode="bilinear", align_corners=False)
        x = torch.relu(self.bn1(self.conv1(x)))
        features: Tensor = self.blocks(functional.max_pool2d(_evened(x), 3, 2))
        return features.mean(dim=(2, 3))


def dlib(channels: int, enlarged: int = 1, *, standardised: bool = False) -> tuple[nn.Module, int]:
    """Return the residual network that dlib tells faces apart by (King 2017), and its width.

    29 layers with half of ResNet-34's filters, 5.6 M weights, made for pictures of 150 pixels. Its weights
    are in the public domain; `scripts/dlib_weights.py` makes a file of them that fits.

    Args:
        channels: of the input.
        enlarged: times by which a picture is enlarged first: 2 for one of 48 pixels, which would otherwise
            shrink to a point before the last of the six times that it is halved.
        standardised: bring each picture to mean 0 and variance 1 first.
    """
    return _initialised(_Dlib(channels, enlarged, standardised)), 256


def _evened(x: Tensor) -> Tensor:
    """Return pictures with a row and a column of zeros behind those that have an even number."""
    return functional.pad(x, (0, 1 - x.shape[3] % 2, 0, 1 - x.shape[2] % 2))


def connected(inputs: int, sizes: Sequence[int], dropout: float) -> tuple[nn.Sequential, int]:
    """Return fully connected layers, each with ReLU and dropout, and the width of the last.

    Args:
        inputs: features that come in.
        sizes: of the layers; none gives an empty module, which changes nothing.
        dropout: share dropped after each layer, in training.
    """
    layers: list[nn.Module] = []
    for size in sizes:
        layers += [nn.Linear(inputs, size), nn.ReLU(inplace=True), nn.Dropout(dropout)]
        inputs = size
    return _initialised(nn.Sequential(*layers)), inputs


def _entry(standardised: bool) -> nn.Module:
    """Return what happens to a picture first; neither choice has weights or changes their names."""
    return Standardised() if standardised else nn.Identity()


def _convolved(
    inputs: int, outputs: int, size: int, stride: int, activation: type[nn.Module], groups: int = 1
) -> list[nn.Module]:
    """Return a convolution with normalisation and activation."""
    return [
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        activation(inplace=True),
    ]


def _initialised(network: AnyModule) -> AnyModule:
    """Return a network whose random weights keep the size of what ReLU lets through (He et al. 2015).

    Without it the thirteen convolutions of VGG, which are not normalised, would fade to nothing.
    """
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    return network
