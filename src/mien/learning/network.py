"""The network: a backbone over single frames and a head for each task.

Input is always (batch, time, channels, height, width): a still is a clip of length one.
"""

import torch
from torch import Tensor, nn

from mien.learning.recipe import NetworkSettings
from mien.tasks import Task


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
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, outputs, height / stride, width / stride)."""
        return torch.relu(self.path(x) + self.shortcut(x))


class Network(nn.Module):
    """A residual backbone and one linear head per task.

    Args:
        tasks: what it learns; the first expression task is the one analysis shows.
        channels: 1 for grey input, 3 for colour.
        settings: widths and depth.
    """

    def __init__(self, tasks: tuple[Task, ...], channels: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.tasks = tasks
        layers: list[nn.Module] = [
            Standardised(),
            nn.Conv2d(channels, settings.stem, 3, 1, 1, bias=False),
            nn.BatchNorm2d(settings.stem),
            nn.ReLU(inplace=True),
        ]
        width = settings.stem
        for outputs in settings.widths:
            for i in range(settings.depth):
                layers.append(Block(width, outputs, 2 if i == 0 else 1))
                width = outputs
        self.backbone = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.dropout = nn.Dropout(settings.dropout)
        self.heads = nn.ModuleDict({task.name: nn.Linear(width, len(task)) for task in tasks})

    def forward(self, faces: Tensor) -> dict[str, Tensor]:
        """Return the raw outputs of each task, by task name, (batch, time, labels).

        Args:
            faces: (batch, time, channels, height, width), as `Preprocessing.arrays` makes them.
        """
        batch, time = faces.shape[:2]
        features = self.dropout(self.backbone(faces.flatten(0, 1)))
        return {name: head(features).unflatten(0, (batch, time)) for name, head in self.heads.items()}


def probabilities(task: Task, raw: Tensor) -> Tensor:
    """Return raw outputs as what Predictions hold: softmax, sigmoid or tanh by the task's kind."""
    if task.kind == "categorical":
        return torch.softmax(raw, dim=-1)
    if task.kind == "continuous":
        return torch.tanh(raw)
    return torch.sigmoid(raw) * task.range[1]
