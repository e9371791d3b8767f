"""Several processes that train one network, each on its share of every batch.

Started by torchrun, which tells each process its rank. What the network says of all shares is gathered before
the loss, so that CCC and the means over labelled cells are those of the whole batch, not of a share. Batch
normalisation counts over each process's own share, as is usual.
"""

import os

import torch.distributed as dist
from torch import nn

from mien.errors import SettingsError


def begin() -> None:
    """Join the other processes where torchrun started several."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("gloo")


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


def shared(network: nn.Module) -> nn.Module:
    """Return the network with gradients averaged over all processes."""
    if world() == 1:
        return network
    return nn.parallel.DistributedDataParallel(network, find_unused_parameters=True)


def share(batch: int) -> slice:
    """Return which part of a batch is this process's.

    Raises:
        SettingsError: the batch cannot be divided evenly.
    """
    if batch % world():
        raise SettingsError(f"a batch of {batch} cannot be divided over {world()} processes")
    part = batch // world()
    return slice(rank() * part, (rank() + 1) * part)
