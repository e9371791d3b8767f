"""A recipe: every setting of one training run, as typed fields read from a TOML file.

This module does without torch, so that preparation can read the preprocessing of a recipe.
"""

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_type_hints

from mien.errors import SettingsError
from mien.inputs import Preprocessing
from mien.tasks import TASKS, Task


@dataclass(frozen=True)
class NetworkSettings:
    """What the network is assembled from.

    Attributes:
        widths: channels of the three residual stages, each of half the resolution of the last.
        depth: residual blocks in a stage.
        stem: channels of the first convolution, at full resolution.
        dropout: share of the features dropped before the heads in training.
    """

    widths: tuple[int, ...] = (48, 96, 192)
    depth: int = 2
    stem: int = 32
    dropout: float = 0.3


@dataclass(frozen=True)
class AugmentationSettings:
    """How much a crop may change.

    Attributes:
        turn: largest rotation in degrees to either side.
        shift: largest shift as a share of the crop.
        zoom: largest change of scale, as a share.
        stretch: largest change of width against height, as a share.
        contrast: largest change of contrast, as a share.
        brightness: largest change of brightness, in units of the input (its range is about 2).
        gamma: largest exponent of the gamma change, and its inverse the smallest.
        noise: largest standard deviation of added noise, in units of the input.
        blur: share of clips that are blurred, as a lower resolution would.
        hidden: share of clips in which a rectangle is hidden.
    """

    turn: float = 15.0
    shift: float = 0.08
    zoom: float = 0.15
    stretch: float = 0.06
    contrast: float = 0.35
    brightness: float = 0.25
    gamma: float = 1.4
    noise: float = 0.04
    blur: float = 0.15
    hidden: float = 0.3


@dataclass(frozen=True)
class OptimisationSettings:
    """How the weights are found.

    Attributes:
        epochs: passes over the training part.
        batch: clips in a step.
        rate: highest learning rate of stochastic gradient descent (Nesterov momentum 0.9).
        warmup: epochs over which the rate rises; it then falls along a half cosine to zero.
        decay: weight decay; not applied to biases and normalisation.
        smoothing: share of each categorical target spread evenly over the classes.
        clip: largest gradient norm.
        averaging: decay per step of the running average of the weights, which is what is kept.
        precision: "fp32", "bf16", or "auto" for bf16 where the processor computes it natively.
        seed: of the weights, the order and the changes.
    """

    epochs: int = 60
    batch: int = 128
    rate: float = 0.1
    warmup: int = 3
    decay: float = 5e-4
    smoothing: float = 0.05
    clip: float = 5.0
    averaging: float = 0.999
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 0


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        name: of the bundle that comes of it.
        tasks: task names -> weight of its loss.
        preprocessing: how a face becomes the network's input.
        network: what it is assembled from.
        augmentation: how crops change in training.
        optimisation: how the weights are found.
    """

    name: str
    tasks: dict[str, float]
    preprocessing: Preprocessing
    network: NetworkSettings = field(default_factory=NetworkSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    optimisation: OptimisationSettings = field(default_factory=OptimisationSettings)

    def __post_init__(self) -> None:
        unknown = [name for name in self.tasks if name not in TASKS]
        if unknown or not self.tasks:
            raise SettingsError(f"tasks: {unknown or 'none'}; known are {', '.join(TASKS)}")

    @property
    def weights(self) -> dict[Task, float]:
        """Tasks and the weights of their losses."""
        return {TASKS[name]: weight for name, weight in self.tasks.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Recipe":
        """Return the recipe that `to_json` or a recipe file holds.

        Raises:
            SettingsError: a setting is unknown, missing or of the wrong type; it is named.
        """
        recipe = _filled(cls, values, "")
        assert isinstance(recipe, cls)
        return recipe


def read(path: Path) -> Recipe:
    """Return the recipe in a TOML file.

    Raises:
        SettingsError: the file cannot be read, or a setting is unknown or of the wrong type.
    """
    try:
        return Recipe.from_json(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def _filled(kind: type, values: Any, place: str) -> Any:
    """Return a dataclass of a kind filled from a table, tables within it likewise."""
    if not isinstance(values, dict):
        raise SettingsError(f"{place or 'recipe'}: expected a table, got {values!r}")
    types = get_type_hints(kind)
    unknown = [name for name in values if name not in types]
    if unknown:
        raise SettingsError(f"{place}{unknown[0]}: no such setting; known are {', '.join(types)}")
    filled = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(types[name]):
            filled[name] = _filled(types[name], value, f"{place}{name}.")
        else:
            filled[name] = _checked(types[name], value, f"{place}{name}")
    try:
        return kind(**filled)
    except TypeError as error:
        raise SettingsError(f"{place or 'recipe'}: {error}") from error


def _checked(kind: Any, value: Any, place: str) -> Any:
    """Return a plain value if it is of the kind its field states."""
    if kind is float and type(value) is int:
        return float(value)
    if getattr(kind, "__origin__", None) is tuple:
        if isinstance(value, list | tuple) and all(isinstance(item, kind.__args__[0]) for item in value):
            return tuple(value)
    elif getattr(kind, "__origin__", None) is dict:
        if isinstance(value, dict) and all(isinstance(item, int | float) for item in value.values()):
            return {key: float(item) for key, item in value.items()}
    elif getattr(kind, "__origin__", None) is Literal:
        if value in kind.__args__:
            return value
    elif type(value) is kind:
        return value
    raise SettingsError(f"{place}: got {value!r}, expected {getattr(kind, '__name__', kind)}")
