"""Several processes that train one network, each on its share of every batch.

Started by torchrun, which tells each process its rank and ends all when one fails. What the network says of
all shares is gathered before the loss, so that CCC and the means over labelled cells are those of the whole
batch, not of a share. Batch normalisation counts over each process's own share, as is usual, and dropout and
changes of the pictures are drawn by each process for itself: without these three, several processes learn
what one would, but for rounding.

The first process decides alone what all must agree on: the scores, and with them what is best and when to
end. The run folder must be one that all processes see.
"""

import atexit
import os
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn

from mien.errors import SettingsError

PATIENCE = timedelta(hours=12)
"""How long a process waits for another, such as for the first to score a large validation part."""


def begin(device: str) -> torch.device:
    """Join the other processes where torchrun started several; return what this one computes on.

    Args:
        device: "cpu", "cuda" (of several GPUs each process takes its own), or "auto" for a GPU where there
            is one.

    Raises:
        SettingsError: a GPU is wanted, and torch finds none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            "device: got cuda, but torch finds no GPU; use cpu, or a build of torch with CUDA"
        )
    chosen = torch.device("cpu")
    if device != "cpu" and torch.cuda.is_available():
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(chosen)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=PATIENCE)
        atexit.register(dist.destroy_process_group)
    return chosen


def world() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return the number of this process, from 0; 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def wait() -> None:
    """Return when all processes are here."""
    if world() > 1:
        dist.barrier()


def agreed(values: dict[str, float] | None) -> dict[str, float]:
    """Return what the first process gives, in every process; the others may give None."""
    box = [values]
    if world() > 1:
        dist.broadcast_object_list(box, src=0)
    assert box[0] is not None, "the first process gives values"
    return box[0]


def shared(network: nn.Module) -> nn.Module:
    """Return the network with gradients averaged over all processes."""
    return network if world() == 1 else nn.parallel.DistributedDataParallel(network)


def share(batch: int) -> slice:
    """Return which part of a batch is this process's.

    Raises:
        SettingsError: the batch cannot be divided evenly.
    """
    if batch % world():
        raise SettingsError(f"a batch of {batch} cannot be divided over {world()} processes")
    part = batch // world()
    return slice(rank() * part, (rank() + 1) * part)
