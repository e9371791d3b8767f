"""The network, assembled from parts: what it sees, what it hears, what it remembers, a head for each task.

    faces -> backbone -> temporal ----+
                                      +-> joined -> temporal -> heads -> raw outputs by task
    sound -> backbone -> temporal ----+

A network of one stream has no joining part; one without memory no temporal parts. Input is always
(batch, time, channels, height, width): a still is a clip of length one. The state of all temporal parts is
one tensor with the batch as its first axis, so that the states of several faces are cut and joined like rows.
"""

import math

import torch
from torch import Tensor, nn

from mien.learning.backbones import connected, densenet121, dlib, mobile, residual, resnet50, vgg16
from mien.learning.heads import MarginHead
from mien.learning.recipe import BackboneSettings, NetworkSettings, Recipe, TemporalSettings
from mien.learning.temporal import DilatedConvolution, Gru
from mien.tasks import Task

Temporal = Gru | DilatedConvolution


class Stream(nn.Module):
    """A backbone over single pictures, and what remembers the ones before.

    Args:
        channels: of its input.
        size: height and width of its input.
        settings: the backbone.
        remembering: the temporal part.
    """

    def __init__(
        self, channels: int, size: tuple[int, int], settings: BackboneSettings, remembering: TemporalSettings
    ) -> None:
        super().__init__()
        self.backbone, width = backbone(channels, size, settings)
        beyond = () if settings.kind == "vgg16" else settings.hidden
        self.connected, width = connected(width, beyond, settings.dropout)
        # Connected layers drop after each of them, so also before what follows.
        self.dropout = nn.Dropout(0.0 if settings.hidden else settings.dropout)
        self.temporal = temporal(width, remembering)
        self.width = self.temporal.width if self.temporal is not None else width

    def forward(self, pictures: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return features (batch, time, width) and the state after them; None where nothing remembers."""
        batch, time = pictures.shape[:2]
        rows = self.dropout(self.connected(self.backbone(pictures.flatten(0, 1))))
        features: Tensor = rows.unflatten(0, (batch, time))
        if self.temporal is None:
            return features, None
        remembered: tuple[Tensor, Tensor] = self.temporal(features, state)
        return remembered


class Network(nn.Module):
    """Everything a recipe assembles, with weights by chance.

    Args:
        recipe: its tasks, of which the first expression task is the one analysis shows; its input and parts.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        settings, size = recipe.network, recipe.preprocessing.size
        self.tasks = tuple(recipe.weights)
        self.sees = settings.streams != "sound"
        self.hears = settings.streams != "picture"
        channels, hearing = recipe.preprocessing.channels, (recipe.hearing.bands, recipe.hearing.steps)
        remembering = settings.temporal
        self.picture = Stream(channels, (size, size), settings.backbone, remembering) if self.sees else None
        self.sound = Stream(1, hearing, settings.sound_backbone, remembering) if self.hears else None
        width = sum(stream.width for stream in (self.picture, self.sound) if stream is not None)
        self.joined = temporal(width, remembering) if self.sees and self.hears else None
        width = self.joined.width if self.joined is not None else width
        self.heads = nn.ModuleDict({task.name: _head(task, width, settings) for task in self.tasks})

    @property
    def memories(self) -> list[Temporal]:
        """The temporal parts, in the order in which the state holds them."""
        parts = (
            self.picture.temporal if self.picture is not None else None,
            self.sound.temporal if self.sound is not None else None,
            self.joined,
        )
        return [part for part in parts if part is not None]

    @property
    def memory(self) -> int:
        """Numbers in the state of one clip; 0 for a network without memory."""
        return sum(math.prod(part.kept) for part in self.memories)

    def initial(self, batch: int) -> Tensor | None:
        """Return the state before the first frame, (batch, k); None for a network without memory."""
        if not self.memories:
            return None
        return torch.cat([part.initial(batch).flatten(1) for part in self.memories], dim=1)

    def features(
        self, faces: Tensor | None, sound: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return what the heads are given, (batch, time, width), and the state after the last frame.

        Args are those of `forward`.
        """
        some = faces if faces is not None else sound
        assert some is not None, "a network sees or hears"
        states = self._parted(self.initial(some.shape[0]) if state is None else state)
        after: list[Tensor] = []
        seen: list[Tensor] = []
        for stream, pictures in ((self.picture, faces), (self.sound, sound)):
            if stream is None:
                continue
            assert pictures is not None, "a network is given what its streams need"
            own = states.pop(0) if stream.temporal is not None else None
            features, own = stream(pictures, own)
            seen.append(features)
            after += [own] if own is not None else []
        features = torch.cat(seen, dim=-1)
        if self.joined is not None:
            features, own = self.joined(features, states.pop(0))
            after.append(own)
        return features, torch.cat([part.flatten(1) for part in after], dim=1) if after else None

    def _parted(self, state: Tensor | None) -> list[Tensor]:
        """Return the state of each temporal part in its own shape."""
        if state is None:
            return []
        shapes = [part.kept for part in self.memories]
        pieces = torch.split(state, [math.prod(shape) for shape in shapes], dim=1)
        return [piece.unflatten(1, shape) for piece, shape in zip(pieces, shapes, strict=True)]

    def forward(
        self, faces: Tensor | None, sound: Tensor | None = None, state: Tensor | None = None
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return the raw outputs of each task by its name, (batch, time, labels), and the state after.

        Args:
            faces: (batch, time, channels, height, width), as `Preprocessing.arrays` makes them; None for a
                network that only hears.
            sound: (batch, time, 1, bands, steps), as `Hearing.arrays` makes it; None for one that only sees.
            state: what an earlier call gave for the frames just before; None at the start.
        """
        features, after = self.features(faces, sound, state)
        return {name: head(features) for name, head in self.heads.items()}, after


def backbone(channels: int, size: tuple[int, int], settings: BackboneSettings) -> tuple[nn.Module, int]:
    """Return the backbone that settings describe, and its width.

    Connected layers are within "vgg16", whose published weights hold them, and left out of the others,
    so that the names in a file of weights are those of the backbone alone.
    """
    standardised = settings.standardised
    if settings.kind == "vgg16":
        return vgg16(channels, settings.hidden, size, dropout=settings.dropout, standardised=standardised)
    if settings.kind == "resnet50":
        return resnet50(channels, standardised=standardised)
    if settings.kind == "densenet121":
        return densenet121(channels, standardised=standardised)
    if settings.kind == "dlib":
        return dlib(channels, settings.enlarged, standardised=standardised)
    small = mobile if settings.kind == "mobile" else residual
    return small(channels, settings.stem, settings.widths, settings.depth, standardised=standardised)


def temporal(width: int, settings: TemporalSettings) -> Temporal | None:
    """Return the temporal part that settings describe; None for none."""
    if settings.kind == "none":
        return None
    if settings.kind == "gru":
        return Gru(width, settings.units, settings.layers, settings.dropout)
    return DilatedConvolution(width, settings.units, settings.layers, settings.kernel, settings.dropout)


def _head(task: Task, width: int, settings: NetworkSettings) -> nn.Module:
    """Return a linear head, or one with a margin for an expression task where that is wanted."""
    heads = settings.heads
    if task.kind != "categorical" or heads.expression == "softmax":
        return nn.Linear(width, len(task))
    return MarginHead(
        width,
        len(task),
        embedding=heads.embedding,
        kind=heads.expression,
        scale=heads.scale,
        margin=heads.margin,
    )


def probabilities(task: Task, raw: Tensor) -> Tensor:
    """Return raw outputs as what Predictions hold: softmax, sigmoid or tanh by the task's kind."""
    if task.kind == "categorical":
        return torch.softmax(raw, dim=-1)
    if task.kind == "continuous":
        return torch.tanh(raw)
    return torch.sigmoid(raw) * task.range[1]
