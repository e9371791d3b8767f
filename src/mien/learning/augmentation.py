"""Random changes in training: position, light, noise and hidden parts of the stored crops, and silence.

Stored crops are wider than the network's input by a margin, so that turning and shifting shows
real surroundings. Parameters are drawn once per clip and applied to each of its frames.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from mien.learning.recipe import AugmentationSettings


def augment(stored: Tensor, size: int, settings: AugmentationSettings, generator: torch.Generator) -> Tensor:
    """Return changed crops (batch, time, channels, size, size).

    Args:
        stored: (batch, time, channels, s, s) with s >= size, in the network's units (-1 to 1).
        size: the network's input.
        settings: how much.
        generator: the source of chance, on the device of the crops; the same state gives the same result.
    """
    batch, time, channels, side, _ = stored.shape
    moved = _moved(stored.reshape(batch, time * channels, side, side), size, settings, generator)
    chosen = torch.flatten(_uniform(moved, 0, 1, generator) < settings.blur)
    moved[chosen] = functional.avg_pool2d(moved[chosen], 3, 1, 1, count_include_pad=False)
    lit = _lit(moved, settings, generator)
    shown = _hidden(lit, settings.hidden, generator)
    return shown.reshape(batch, time, channels, size, size)


def deafened(sound: Tensor, silence: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return sound in which whole clips, chosen by chance, are silence.

    Args:
        sound: (batch, time, 1, bands, steps), as `Hearing.arrays` makes it.
        silence: (time, 1, bands, steps), as `Hearing.silence` makes it.
        share: how likely each clip is silence, whatever the others are; at 0 nothing is drawn, so that what
            follows is as it was before there was this choice.
        generator: the source of chance, on the device of the sound.
    """
    if not share:
        return sound
    chosen = torch.rand(len(sound), 1, 1, 1, 1, generator=generator, device=sound.device) < share
    return torch.where(chosen, silence, sound)


def _uniform(clips: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Return one random number per clip, (batch, 1, 1, 1)."""
    drawn = torch.rand(len(clips), 1, 1, 1, generator=generator, device=clips.device)
    return drawn * (high - low) + low


def _moved(frames: Tensor, size: int, settings: AugmentationSettings, generator: torch.Generator) -> Tensor:
    """Return crops turned, shifted, scaled, stretched and mirrored about the middle."""
    batch, side = frames.shape[0], frames.shape[-1]

    def draw(reach: float) -> Tensor:
        return _uniform(frames, -reach, reach, generator).reshape(batch)

    angle = torch.deg2rad(draw(settings.turn))
    scale = size / side / (1 + draw(settings.zoom))
    stretch = 1 + draw(settings.stretch)
    mirror = torch.where((draw(1.0) + 1) / 2 < settings.mirror, -1.0, 1.0)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    across = torch.stack([cosine * stretch * mirror, sine * stretch * mirror], dim=1)
    down = torch.stack([-sine, cosine], dim=1)
    shift = torch.stack([draw(settings.shift), draw(settings.shift)], dim=1) * 2 * size / side
    places = (2 * torch.arange(size, device=frames.device) + 1) / size - 1
    x, y = places[None, None, :, None], places[None, :, None, None]
    grid = x * across[:, None, None] + (y * down[:, None, None] + shift[:, None, None])
    return functional.grid_sample(frames, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _lit(frames: Tensor, settings: AugmentationSettings, generator: torch.Generator) -> Tensor:
    """Return crops with other contrast, brightness, gamma and noise."""
    exponent = torch.exp(_uniform(frames, -1, 1, generator) * math.log(settings.gamma))
    lit = ((frames.clamp(-1, 1) + 1) / 2).pow(exponent) * 2 - 1
    mean = lit.mean(dim=(1, 2, 3), keepdim=True)
    lit = (lit - mean) * (1 + _uniform(frames, -settings.contrast, settings.contrast, generator)) + mean
    lit = lit + _uniform(frames, -settings.brightness, settings.brightness, generator)
    sigma = _uniform(frames, 0, settings.noise, generator)
    noise = torch.randn(lit.shape, generator=generator, device=lit.device)
    return (lit + noise * sigma).clamp(-1, 1)


def _hidden(frames: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Return crops of which some have a rectangle of one random grey over them."""
    height, width = frames.shape[2:]
    y = torch.arange(height, device=frames.device).view(1, 1, height, 1)
    x = torch.arange(width, device=frames.device).view(1, 1, 1, width)
    top, left = _uniform(frames, 0, height, generator), _uniform(frames, 0, width, generator)
    tall, wide = (_uniform(frames, 0.15 * height, 0.45 * height, generator) for _ in range(2))
    inside = (y >= top - tall / 2) & (y < top + tall / 2) & (x >= left - wide / 2) & (x < left + wide / 2)
    chosen = _uniform(frames, 0, 1, generator) < share
    return torch.where(inside & chosen, _uniform(frames, -1, 1, generator), frames)
