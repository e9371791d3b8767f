"""Heads with a margin between classes on the unit sphere, and the angles that show what they do."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mien.errors import SettingsError
from mien.learning.losses import full


def arcface(cosines: Tensor, share: Tensor, margin: float) -> Tensor:
    """Return cos(theta + margin * share) for cosines cos(theta) (ArcFace: Deng et al. 2019).

    Where theta + margin * share would exceed pi it is cos(theta) - a * sin(a), a = margin * share, so that
    the result falls with theta all the way from 0 to pi. Sines are kept above the rounding of the number
    type, so that gradients at cosines of 1 and -1 are finite.

    Args:
        cosines: (..., classes) in -1 to 1; computed in float32 or wider, and left as they are.
        share: (..., classes) of the margin, in 0 to 1; where 0 the cosine comes back unchanged.
        margin: in radians, 0 to pi / 2.
    """
    cosines = full(cosines)
    angle = margin * full(share)
    squares = (1 - cosines) * (1 + cosines)
    sines = torch.sqrt(squares.clamp(min=torch.finfo(cosines.dtype).eps))
    turned = cosines * torch.cos(angle) - sines * torch.sin(angle)
    beyond = cosines - angle * torch.sin(angle)
    return torch.where(cosines > -torch.cos(angle), turned, beyond)


def cosface(cosines: Tensor, share: Tensor, margin: float) -> Tensor:
    """Return cos(theta) - margin * share (CosFace: Wang et al. 2018).

    Args:
        cosines: (..., classes) in -1 to 1; computed in float32 or wider, and left as they are.
        share: (..., classes) of the margin, in 0 to 1.
        margin: a difference of cosines.
    """
    return full(cosines) - margin * full(share)


class MarginHead(nn.Module):
    """An embedding on the unit sphere and one direction for each class.

    The embedding is a linear layer and batch normalisation; ArcFace has batch normalisation and dropout
    before these as well, which here are the backbone's business. The network's outputs are always free of
    the margin; training adds it to them with `with_margin`, so that learning, inference and export run the
    same network.

    Args:
        inputs: size of the features.
        classes: number of classes.
        embedding: size of the vector on the sphere; 512 in ArcFace.
        kind: "arcface" adds its margin to the angle, "cosface" takes it from the cosine.
        scale: s, what cosines are multiplied by to be logits; 64 in both papers.
        margin: m; 0.5 radians in ArcFace, a cosine of 0.35 in CosFace.

    Raises:
        SettingsError: a size or the scale is not above 0, or the margin is out of range: 0 to pi / 2
            for "arcface", 0 to 1 for "cosface".
    """

    def __init__(
        self,
        inputs: int,
        classes: int,
        *,
        embedding: int = 512,
        kind: Literal["arcface", "cosface"] = "arcface",
        scale: float = 64.0,
        margin: float = 0.5,
    ) -> None:
        super().__init__()
        highest = math.pi / 2 if kind == "arcface" else 1.0
        if not 0 <= margin <= highest:
            raise SettingsError(f"margin: got {margin}, expected 0 to {highest:.4g} for {kind}")
        if not (embedding > 0 and math.isfinite(scale) and scale > 0):
            raise SettingsError(f"embedding: got {embedding}, scale: got {scale}; expected both above 0")
        self.kind, self.scale, self.margin = kind, scale, margin
        self.linear = nn.Linear(inputs, embedding, bias=False)
        self.norm = nn.BatchNorm1d(embedding)
        self.directions = nn.Parameter(nn.init.xavier_normal_(torch.empty(classes, embedding)))

    def embedded(self, features: Tensor) -> Tensor:
        """Return vectors of length 1, (n, embedding) or (batch, time, embedding), in float32 or wider.

        Args:
            features: (n, inputs) or (batch, time, inputs); in training mode more than one row, for the
                normalisation.
        """
        vectors = self.linear(features)
        if vectors.ndim == 3:  # a reshape to rows and back would fix batch and time in an exported network
            return _unit(self.norm(vectors.transpose(1, 2)).transpose(1, 2))
        return _unit(self.norm(vectors))

    def forward(self, features: Tensor) -> Tensor:
        """Return s * cos(theta) to each class's direction, without margin: features with classes last.

        Args:
            features: (n, inputs) or (batch, time, inputs); in training mode more than one row, for the
                normalisation.
        """
        vectors = self.embedded(features)
        with torch.autocast(vectors.device.type, enabled=False):
            return self.scale * (vectors @ _unit(self.directions).T)

    def with_margin(self, raw: Tensor, target: Tensor, known: Tensor) -> Tensor:
        """Return logits to train on: what `forward` returned, with the margin where the target has weight.

        Each class gets the margin times its share of the target. With all the weight on one class that is
        ArcFace (or CosFace) itself; votes spread over classes share the margin; a row that is not known
        gets none. Smooth targets afterwards, in the loss, not before.

        Args:
            raw: (..., classes), what `forward` returned.
            target: (..., classes) distributions.
            known: (..., classes) bool; a row counts when all its cells are known.
        """
        share = full(target).masked_fill(~known.all(dim=-1, keepdim=True), 0)
        bent = arcface if self.kind == "arcface" else cosface
        return self.scale * bent(full(raw) / self.scale, share, self.margin)


@dataclass(frozen=True)
class Angles:
    """How tight classes are on the sphere, and how far apart.

    Attributes:
        within: mean angle of samples to the centre of their own class, in degrees; NaN for no samples.
        between: smallest angle between two centres, in degrees; NaN for fewer than two classes.
    """

    within: float
    between: float


def angles(embeddings: Tensor, labels: Tensor) -> Angles:
    """Return the angles within and between classes.

    A centre is the direction of the mean of a class's unit vectors. Computed in float64, from half-angle
    tangents, so that small angles are exact too.

    Args:
        embeddings: (n, size) of any length.
        labels: (n,) class numbers; below 0 for unknown.
    """
    known = labels >= 0
    vectors = _unit(embeddings.detach()[known].cpu().double())
    classes, member = labels[known].cpu().unique(return_inverse=True)
    sums = vectors.new_zeros(len(classes), vectors.shape[-1]).index_add(0, member, vectors)
    centres = _unit(sums)
    first, second = torch.triu_indices(len(classes), len(classes), offset=1)
    apart = _degrees(centres[first], centres[second])
    between = apart.min().item() if len(apart) else math.nan
    return Angles(_degrees(vectors, centres[member]).mean().item(), between)


def _degrees(first: Tensor, second: Tensor) -> Tensor:
    """Return the angle in degrees between unit vectors, over the last dimension."""
    half = torch.atan2((first - second).norm(dim=-1), (first + second).norm(dim=-1))
    return torch.rad2deg(2 * half)


def _unit(vectors: Tensor) -> Tensor:
    """Return vectors at length 1, in float32 or wider; those shorter than 1e-4 stay shorter than 1.

    The floor bounds the gradient of a vector of zeros, which has no direction.
    """
    return functional.normalize(full(vectors), dim=-1, eps=1e-4)
