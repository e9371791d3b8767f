"""Weights that a user has, brought into a network: from safetensors or a state dict of torch.

mien neither ships nor fetches them. Two things no name or shape tells, and the user has to know: the
scale of the pictures and the order of the colours that weights were made for. mien's pictures are
(x - mean) / scale by the recipe, (x - 128) / 128 as it stands, in the order red, green, blue.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mien.errors import InputError

ENOUGH = 0.8
"""The share of a network's tensors that a file must hold, unless told otherwise."""

COUNTER = "num_batches_tracked"
"""A number beside a normalisation's statistics; older files lack it, and it decides nothing."""

VGG_PLACES = {
    (1, 1): 0, (1, 2): 2,
    (2, 1): 5, (2, 2): 7,
    (3, 1): 10, (3, 2): 12, (3, 3): 14,
    (4, 1): 17, (4, 2): 19, (4, 3): 21,
    (5, 1): 24, (5, 2): 26, (5, 3): 28,
}  # fmt: skip
"""Block and place of a convolution, as VGG-FACE counts them, to torchvision's number."""

CONNECTED = {"fc6": "classifier.0", "fc7": "classifier.3"}
"""Connected layers as VGG-FACE names them, and as torchvision does."""


@dataclass(frozen=True)
class Loading:
    """What became of a file of weights. Names are those of the network, but for `unexpected`.

    Attributes:
        path: the file.
        prefix: what stood before the names in the file, such as "state_dict.backbone."
        matched: taken from the file.
        missing: left as they were, because the file lacks them or another part of their layer.
        unexpected: in the file, under the same prefix, but not in the network; classifiers mostly.
        wrong_shape: name -> shape in the file, shape in the network; left as they were.
        summed: a first convolution, whose three colours were summed into one; "" for none.
    """

    path: Path
    prefix: str
    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    wrong_shape: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]
    summed: str = ""

    @property
    def share(self) -> float:
        """Matched tensors as a share of the network's, 0 to 1; NaN for a network that has none."""
        return len(self.matched) / self.wanted if self.wanted else float("nan")

    @property
    def wanted(self) -> int:
        """How many tensors the network has."""
        return len(self.matched) + len(self.missing) + len(self.wrong_shape)

    def __str__(self) -> str:
        """Return a few lines for people; long lists are cut short."""
        return "\n  ".join([f"{self.path}: {self.summary}", *self.details])

    @property
    def summary(self) -> str:
        """How much was taken, and from where in the file."""
        place = f", named {self.prefix}* in the file" if self.prefix else ""
        return f"{len(self.matched)} of {self.wanted} tensors fit{place}"

    @property
    def details(self) -> list[str]:
        """What is to be said of the rest, a line for each kind."""
        shapes = [
            f"{name} ({_sized(theirs)} in the file, {_sized(ours)} here)"
            for name, (theirs, ours) in self.wrong_shape.items()
        ]
        lists = {
            "three colours summed into one": [self.summed] if self.summed else [],
            "of another shape": shapes,
            "left as they were": self.missing,
            "not used": self.unexpected,
        }
        return [f"{said}: {_listed(names)}" for said, names in lists.items() if names]


def load_weights(network: nn.Module, path: Path, enough: float = ENOUGH) -> Loading:
    """Fill a network with the weights in a file, as far as names and shapes agree; return what was done.

    Files may nest their tensors ("state_dict", "model"), put a prefix before every name ("module.",
    "backbone."), use the names of VGG-FACE (conv1_1, fc6) or those that DenseNet's had once (norm.1);
    where several sets of weights fit equally, as in a checkpoint of mien, the averaged one is taken,
    else the one with the shortest prefix. A first convolution made for three colours is summed where the
    network wants grey, which says the same of a grey picture as of the same picture in three equal
    colours. A layer is taken whole or not at all.

    Args:
        network: a backbone, most often; it is changed only when enough was found.
        path: safetensors, or a state dict that torch saved, which is read without running what is in it.
        enough: least share of the network's tensors that must be found, 0 to 1; 0 accepts any file.

    Raises:
        InputError: the file cannot be read, holds no tensors or numbers that are not finite, or too
            little of it fits; the message says what is missing.
    """
    ours = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)}
    found = {_spelled(name): tensor for name, tensor in read_weights(path).items()}
    prefix = _prefix(ours, found)
    theirs = {
        name.removeprefix(prefix): tensor
        for name, tensor in found.items()
        if name.startswith(prefix) and not name.endswith(COUNTER)
    }
    summed = _summed(network, ours, theirs)
    both = [name for name in ours if name in theirs]
    wrong = {
        name: (tuple(theirs[name].shape), tuple(ours[name].shape))
        for name in both
        if theirs[name].shape != ours[name].shape
    }
    broken = {_layer(name) for name in ours if name not in theirs or name in wrong}
    matched = tuple(name for name in both if _layer(name) not in broken)
    loading = Loading(
        path=path,
        prefix=prefix,
        matched=matched,
        missing=tuple(name for name in ours if name not in matched and name not in wrong),
        unexpected=tuple(name for name in theirs if name not in ours),
        wrong_shape=wrong,
        summed=summed if summed in matched else "",
    )
    _check(loading, theirs, enough)
    with torch.no_grad():
        for name in matched:
            ours[name].copy_(theirs[name])
    return loading


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return every tensor in a file by its name, the names of nested tables joined with dots.

    The contents decide which kind of file it is, not its name.

    Raises:
        InputError: the file cannot be read, is of neither kind, wants to run code, or has no tensors.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(9)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if start[8:] == b"{":
        try:
            found = load_file(path)
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path}: broken safetensors ({error})") from error
    else:
        found = _unpacked(path)
    if not found:
        raise InputError(f"{path}: holds no tensors")
    return found


def _unpacked(path: Path) -> dict[str, Tensor]:
    """Return the tensors in a file that torch saved, nothing in it being run."""
    try:
        with open(path, "rb") as file:  # of a path torch would look at the name
            return dict(_flat(torch.load(file, map_location="cpu", weights_only=True), ""))
    except Exception as error:  # damaged files of strangers fail in ways that nobody lists
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{path}: neither safetensors nor a state dict of torch ({reason}); if it holds a whole model "
            "or other objects, save its state_dict() as safetensors where that model can be loaded"
        ) from error


def _flat(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of nested tables."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))


def _spelled(name: str) -> str:
    """Return a tensor's name as torchvision spells it, any prefix left in place."""
    name = re.sub(r"(^|\.)module\.", r"\1", name)
    name = re.sub(r"(\.denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", name)
    if vgg := re.fullmatch(r"(.*\.)?conv_?([1-5])_([1-3])\.(weight|bias)", name):
        place = VGG_PLACES.get((int(vgg[2]), int(vgg[3])))
        return name if place is None else f"{vgg[1] or ''}features.{place}.{vgg[4]}"
    if connected := re.fullmatch(r"(.*\.)?(fc[67])\.(weight|bias)", name):
        return f"{connected[1] or ''}{CONNECTED[connected[2]]}.{connected[3]}"
    return name


def _prefix(ours: dict[str, Tensor], found: dict[str, Tensor]) -> str:
    """Return what stands before the names of the largest set of tensors that fits the network."""
    fits: Counter[str] = Counter()
    for name, tensor in found.items():
        for start in (0, *(dot.end() for dot in re.finditer(r"\.", name))):
            own = ours.get(name[start:])
            if own is not None:
                fits[name[:start]] += 1 + (own.shape == tensor.shape)
    return min(
        fits,
        key=lambda prefix: (-fits[prefix], not prefix.startswith("average."), len(prefix), prefix),
        default="",
    )


def _summed(network: nn.Module, ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> str:
    """Sum the colours of the first convolution in `theirs` where the network's is grey; return its name."""
    for layer, part in network.named_modules():
        if isinstance(part, nn.Conv2d):
            name = f"{layer}.weight" if layer else "weight"
            wanted, got = ours[name].shape, theirs.get(name, ours[name]).shape
            if len(got) == 4 and wanted[1] == 1 and got[1] == 3:
                theirs[name] = theirs[name].to(ours[name].dtype).sum(dim=1, keepdim=True)
                return name
            return ""
    return ""


def _layer(name: str) -> str:
    """Return the layer that a tensor belongs to."""
    return name.rpartition(".")[0]


def _check(loading: Loading, theirs: dict[str, Tensor], enough: float) -> None:
    """Refuse weights that are not numbers, or of which too few fit."""
    for name in loading.matched:
        if not torch.isfinite(theirs[name]).all():
            raise InputError(f"{loading.path}: {loading.prefix}{name} holds numbers that are not finite")
    if loading.share < enough:
        raise InputError(
            f"{loading.path}: not used, {loading.summary} ({loading.share:.0%}; "
            f"at least {enough:.0%} are wanted); {'; '.join(loading.details)}"
        )


def _sized(shape: tuple[int, ...]) -> str:
    """Return a shape such as 64 x 3 x 3 x 3."""
    return " x ".join(map(str, shape)) or "one number"


def _listed(names: Sequence[str]) -> str:
    """Return the first few of some names and how many more there are."""
    more = len(names) - 6
    return ", ".join(names[:6]) + (f" and {more} more" if more > 0 else "")
