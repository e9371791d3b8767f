"""Losses that return a sum and a count, so that what is not labelled costs exactly nothing.

    what                    sum over                          count
    cross_entropy           known rows                        those rows, or what they weigh
    binary                  known cells                       those cells
    intensity, squared      known cells                       those cells
    concordance             labels for which it is defined    those labels

A term is such a pair. `total` divides each once by its count and adds them up. Everything is computed in
float32 or wider, whatever autocast made of the network's outputs; where a mask says unknown, values may be
anything (NaN too) and get a gradient of exactly 0.

Several processes train as one if each computes its terms from what all of them said (`gathered`).
"""

from collections.abc import Mapping

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

Term = tuple[Tensor, Tensor]
"""A sum and a count, both without dimensions."""


def full(values: Tensor) -> Tensor:
    """Return the values in float32, or as they are where that is wider."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def cross_entropy(
    raw: Tensor, target: Tensor, known: Tensor, weights: Tensor | None = None, smoothing: float = 0.0
) -> Term:
    """Return the summed cross-entropy against soft targets and the number of known rows.

    With weights, class c costs weights[c] times its share of the target, and the count is the sum over
    known rows of what their targets weigh before smoothing. For a target with all its weight on one class,
    sum / count is torch's weighted mean; for a soft target torch divides by rows instead.

    Args:
        raw: (..., classes) before the softmax.
        target: (..., classes) distributions; rows that are not known are ignored.
        known: (..., classes) bool; a row counts when all its cells are known.
        weights: (classes,), each above 0.
        smoothing: share of each target spread evenly over the classes, in [0, 1].

    Raises:
        ValueError: the shapes differ.
    """
    rows = known.all(dim=-1)
    raw, target = _cleared(rows.unsqueeze(-1).expand(known.shape), raw, target)
    smooth = (1 - smoothing) * target + smoothing / target.shape[-1]
    count = rows.sum()
    if weights is not None:
        smooth = smooth * weights
        count = (target * weights).sum()
    each = -(smooth * torch.log_softmax(raw, dim=-1)).sum(dim=-1)
    return each.masked_fill(~rows, 0).sum(), count


def binary(raw: Tensor, target: Tensor, known: Tensor, positive: Tensor | None = None) -> Term:
    """Return the summed cross-entropy of labels that are each present or absent, and the known cells.

    Args:
        raw: (..., labels) before the sigmoid.
        target: (..., labels) in [0, 1]; between the two for a probability, such as a teacher's.
        known: (..., labels) bool.
        positive: (labels,) what presence weighs against absence; the count stays that of cells.

    Raises:
        ValueError: the shapes differ.
    """
    raw, target = _cleared(known, raw, target)
    each = functional.binary_cross_entropy_with_logits(raw, target, pos_weight=positive, reduction="none")
    return each.masked_fill(~known, 0).sum(), known.sum()


def squared(prediction: Tensor, target: Tensor, known: Tensor) -> Term:
    """Return the sum of squared errors and the known cells.

    Args:
        prediction: (..., labels).
        target: the same shape and unit.
        known: the same shape, bool.

    Raises:
        ValueError: the shapes differ.
    """
    prediction, target = _cleared(known, prediction, target)
    return ((prediction - target) ** 2).sum(), known.sum()


def intensity(raw: Tensor, target: Tensor, known: Tensor) -> Term:
    """Return the sum of squared errors of graded labels, as shares of the highest grade, and the known cells.

    Args:
        raw: (..., labels); the prediction is 5 * sigmoid(raw).
        target: (..., labels) in 0 to 5, from absent to FACS's E.
        known: (..., labels) bool.

    Raises:
        ValueError: the shapes differ.
    """
    raw, target = _cleared(known, raw, target)
    return squared(torch.sigmoid(raw), target / 5, known)


def concordance(prediction: Tensor, target: Tensor, known: Tensor) -> Term:
    """Return 1 - CCC of each label, summed over the labels for which it is defined, and their number.

    The concordance correlation coefficient (Lin 1989) is one value for a set, not a mean over rows: the
    set is all known cells of a label, over batch and time together. Its moments are biased (divided by
    n). It is defined where a label has at least 2 known cells and the two series are not constant and
    equal; other labels add exactly 0 and no gradient. A target that is constant costs 1 without a
    gradient, since its CCC is 0 whatever is predicted.

    1 - CCC is computed as the mean squared error over the sum of both variances and the squared gap between
    the means, in which nothing cancels; it equals 1 - 2 cov / (var + var + gap^2).

    Args:
        prediction: (..., labels) on the scale of the target.
        target: (..., labels).
        known: (..., labels) bool.

    Raises:
        ValueError: the shapes differ.
    """
    prediction, target = (cells.reshape(-1, known.shape[-1]) for cells in _cleared(known, prediction, target))
    weight = known.reshape(prediction.shape).to(prediction.dtype)
    number = weight.sum(dim=0)
    _, predicted = _centred(prediction, weight)
    _, true = _centred(target, weight)
    gap, apart = _centred(prediction - target, weight)
    squares = [(weight * deviation**2).sum(dim=0) for deviation in (predicted, true, apart)]
    above = squares[2] + number * gap**2
    below = squares[0] + squares[1] + number * gap**2
    defined = (number >= 2) & (below >= torch.finfo(below.dtype).tiny)
    varied = defined & (squares[1] > 0)
    each = above.masked_fill(~varied, 0) / below.masked_fill(~varied, 1)
    return (each + (defined & ~varied)).sum(), defined.sum()


def gathered(own: Tensor) -> Tensor:
    """Return this tensor as every process has it, (processes, ...), in their order.

    The gradient flows into this process's own part alone and is multiplied by the number of processes,
    so that its mean over processes, which DistributedDataParallel takes, is the gradient of one process
    with the joint batch: the caller needs no factor. Every process must call it equally often, with
    tensors of one shape, also where it has nothing known. Without a process group there is one part.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return own.unsqueeze(0)
    size = distributed.get_world_size()
    still = own.detach().contiguous()
    parts = [torch.empty_like(still) for _ in range(size)]
    distributed.all_gather(parts, still)
    parts[distributed.get_rank()] = still + size * (own - still)
    return torch.stack(parts)


def total(terms: Mapping[str, Term], weights: Mapping[str, float]) -> Tensor:
    """Return the sum of all terms, each divided once by its count and weighted.

    A count of 0 divides by 1, so that a task with nothing known adds exactly 0. (Counts of cross-entropy
    with class weights may lie between 0 and 1, and divide as they are.)

    Args:
        terms: task name -> sum and count.
        weights: task name -> weight; may name tasks that have no term.

    Raises:
        ValueError: a term has no weight.
    """
    _named(terms, weights)
    return sum((weights[name] * _mean(term) for name, term in terms.items()), torch.zeros(()))


class UncertaintyWeights(nn.Module):
    """Weights of tasks that are learned with the network (Kendall, Gal and Cipolla 2018).

    For each task s = log sigma^2 is learned, from 0, and it adds factor * exp(-s) * mean + s / 2. With
    nothing to say a task has no say: it adds exactly 0 and its s gets a gradient of exactly 0, whether its
    term has a count of 0 or is missing. (Optimisers with momentum still move s; do not decay it.)

    Attributes:
        logs: (tasks,) s of each task, in the order of the factors.

    Args:
        factors: task name -> 1.0 for a cross-entropy, 0.5 for a squared error, as the paper derives them.
            Concordance is no likelihood; the paper has no factor for it.
    """

    def __init__(self, factors: Mapping[str, float]) -> None:
        super().__init__()
        self.factors = dict(factors)
        self.logs = nn.Parameter(torch.zeros(len(factors)))

    def forward(self, terms: Mapping[str, Term]) -> Tensor:
        """Return the loss.

        Args:
            terms: task name -> sum and count.

        Raises:
            ValueError: a term has no factor.
        """
        _named(terms, self.factors)
        loss = torch.zeros(())
        for name, log in zip(self.factors, self.logs.unbind(), strict=True):
            term = terms.get(name, (log.new_zeros(()), log.new_zeros(())))
            each = self.factors[name] * torch.exp(-log) * _mean(term) + log / 2
            loss = loss + torch.where(term[1] > 0, each, 0)
        return loss


def _cleared(known: Tensor, *values: Tensor) -> list[Tensor]:
    """Return values in float32 or wider, with 0 where unknown."""
    for each in values:
        if each.shape != known.shape:
            raise ValueError(f"values {tuple(each.shape)}, mask {tuple(known.shape)}: expected equal shapes")
    return [full(each).masked_fill(~known, 0) for each in values]


def _centred(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return weighted means over dimension 0 and the deviations from them.

    Shifted by a first estimate, the mean is exact to the last bits even where it is large against the
    spread, and the deviations of a constant are exactly 0.
    """
    number = weight.sum(dim=0).clamp(min=1)
    rough = ((weight * values).sum(dim=0) / number).detach()
    rest = (weight * (values - rough)).sum(dim=0) / number
    return rough + rest, values - rough - rest


def _mean(term: Term) -> Tensor:
    """Return sum / count, a count of 0 taken as 1."""
    return term[0] / torch.where(term[1] > 0, term[1], 1)


def _named(terms: Mapping[str, Term], known: Mapping[str, float]) -> None:
    """Refuse terms of tasks that have no entry."""
    missing = [name for name in terms if name not in known]
    if missing:
        raise ValueError(f"no weight for {', '.join(missing)}; there are {', '.join(known) or 'none'}")
