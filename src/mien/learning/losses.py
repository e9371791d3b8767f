"""Losses that return a sum and a count, so that what is not labelled costs exactly nothing."""

import torch
from torch import Tensor


def cross_entropy(raw: Tensor, target: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Return the summed cross-entropy against soft targets and the number of known rows.

    Args:
        raw: (..., classes) before the softmax.
        target: (..., classes) distributions; rows that are not known are ignored.
        known: (..., classes) bool; a row counts when all its cells are known.
    """
    rows = known.all(dim=-1)
    each = -(target * torch.log_softmax(raw.float(), dim=-1)).sum(dim=-1)
    return torch.where(rows, each, torch.zeros_like(each)).sum(), rows.sum()
