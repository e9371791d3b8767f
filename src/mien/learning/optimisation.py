"""How weights are found: the optimiser, the rate over time, the running average, the precision."""

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from mien.learning.network import Network
from mien.learning.recipe import OptimisationSettings


def native_bf16(device: torch.device) -> bool:
    """Return whether a device multiplies bf16 numbers itself."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.backends.cpu.get_cpu_capability().startswith("AVX512") and _cpu_flag("avx512_bf16"))


def _cpu_flag(flag: str) -> bool:
    """Return whether Linux names a feature of the processor."""
    info = Path("/proc/cpuinfo")
    return info.exists() and flag in info.read_text().split()


def precision(settings: OptimisationSettings, device: torch.device) -> torch.autocast:
    """Return the context in which the network computes."""
    wanted = settings.precision == "bf16" or (settings.precision == "auto" and native_bf16(device))
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)


def optimiser(module: nn.Module, settings: OptimisationSettings) -> torch.optim.Optimizer:
    """Return the optimiser, with weight decay on the matrices alone."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": settings.decay}, {"params": vectors, "weight_decay": 0.0}]
    if settings.method == "adam":
        return torch.optim.AdamW(groups, lr=settings.rate)
    return torch.optim.SGD(groups, lr=settings.rate, momentum=0.9, nesterov=True)


def set_rate(optimiser: torch.optim.Optimizer, settings: OptimisationSettings, moment: float) -> None:
    """Set the learning rate for a moment counted in epochs: a rise, then a half cosine to zero."""
    if moment < settings.warmup:
        share = (moment + 0.01) / settings.warmup
    else:
        done = (moment - settings.warmup) / max(settings.epochs - settings.warmup, 1)
        share = 0.5 * (1 + math.cos(math.pi * done))
    for group in optimiser.param_groups:
        group["lr"] = settings.rate * share


@torch.no_grad()
def move_average(average: dict[str, Tensor], network: Network, decay: float) -> None:
    """Move the running average of weights and statistics towards the network's."""
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)
