"""A recipe: every setting of one training run, as typed fields read from a TOML file.

This module does without torch, so that preparation can read the preprocessing of a recipe.
"""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_type_hints

from mien.errors import BundleError, SettingsError
from mien.hearing import Hearing
from mien.inputs import Preprocessing
from mien.tasks import TASKS, Task

ANY = float("inf")

SHIPPED = "shipped"
"""What a recipe calls the network that ships with mien."""


@dataclass(frozen=True)
class BackboneSettings:
    """The part that turns a single picture, or the sound around a moment, into features.

    Attributes:
        kind: "residual" (small, for a CPU; widths, depth and stem are its own), "mobile" (depthwise, smaller
            still), or the published "vgg16" (layout of VGG-FACE), "resnet50", "densenet121" and "dlib" (29
            layers, made to tell faces apart).
        widths: channels of the residual stages, each of half the resolution of the last.
        depth: residual blocks in a stage.
        stem: channels of the first convolution, at full resolution.
        enlarged: times by which "dlib" enlarges a picture first; 2 for one of 48 pixels.
        hidden: sizes of fully connected layers after it, each with ReLU and dropout; VGG-FACE has 4096
            and 4096 (that the paper's networks have both is recalled, not confirmed).
        dropout: share of the features dropped before what follows, in training.
        standardised: bring each picture to mean 0 and variance 1 first.
        weights: file of weights to start from, safetensors or a state dict of torch; "" for chance.
    """

    kind: Literal["residual", "mobile", "vgg16", "resnet50", "densenet121", "dlib"] = "residual"
    widths: tuple[int, ...] = (48, 96, 192)
    depth: int = 2
    stem: int = 32
    enlarged: int = 1
    hidden: tuple[int, ...] = ()
    dropout: float = 0.3
    standardised: bool = True
    weights: str = ""

    def __post_init__(self) -> None:
        _within(self, {"depth": (1, ANY), "stem": (1, ANY), "enlarged": (1, 8), "dropout": (0, 1)})
        if not self.widths or min((*self.widths, *self.hidden)) < 1:
            raise SettingsError(f"widths {self.widths}, hidden {self.hidden}: expected sizes of at least 1")


@dataclass(frozen=True)
class TemporalSettings:
    """The part that looks back over the frames before.

    Attributes:
        kind: "none" (each frame alone), "gru", or "convolution" (causal and dilated, doubling each layer).
        units: of each layer; 128 as in the authors' code.
        layers: how many.
        kernel: frames that a convolution sees at once.
        dropout: between layers, in training.
    """

    kind: Literal["none", "gru", "convolution"] = "none"
    units: int = 128
    layers: int = 2
    kernel: int = 3
    dropout: float = 0.0

    def __post_init__(self) -> None:
        _within(self, {"units": (1, ANY), "layers": (1, ANY), "kernel": (2, ANY), "dropout": (0, 1)})


@dataclass(frozen=True)
class HeadSettings:
    """What is made of the features for each task.

    Attributes:
        expression: "softmax", or "arcface" or "cosface": a margin between classes on the unit sphere.
        embedding: size of the vector on the sphere, for the latter two; 512 in ArcFace.
        scale: its s. 64 in ArcFace; what the paper took for seven classes is not known.
        margin: its m: an angle in radians for ArcFace (0.5), a cosine for CosFace (0.35).
    """

    expression: Literal["softmax", "arcface", "cosface"] = "softmax"
    embedding: int = 512
    scale: float = 64.0
    margin: float = 0.5


@dataclass(frozen=True)
class NetworkSettings:
    """What the network is assembled from.

    Attributes:
        streams: what it sees and hears: "picture", "sound" or both.
        backbone: of the picture.
        sound_backbone: of the sound.
        temporal: after each backbone; with both streams once more after they are joined.
        heads: of the tasks.
    """

    streams: Literal["picture", "sound", "both"] = "picture"
    backbone: BackboneSettings = field(default_factory=BackboneSettings)
    sound_backbone: BackboneSettings = field(default_factory=BackboneSettings)
    temporal: TemporalSettings = field(default_factory=TemporalSettings)
    heads: HeadSettings = field(default_factory=HeadSettings)


@dataclass(frozen=True)
class LossSettings:
    """What training makes small.

    Attributes:
        continuous: of valence and arousal: "ccc" (1 - CCC, mean of the two), "mse", or "both".
        balance: "fixed" weights (those of the tasks), or "uncertainty": learned ones (Kendall et al. 2018),
            in which those of the tasks do not count.
        class_weights: "none", or "inverse" frequency of each class in the training part.
        positive_weights: "none", or "inverse": absent against present of each action unit.
        smoothing: share of each categorical target spread evenly over the classes.
        targets: "soft" for a distribution over classes as it is, "hard" for all its weight on the largest
            share; where two are equally large it is then unknown.
    """

    continuous: Literal["ccc", "mse", "both"] = "ccc"
    balance: Literal["fixed", "uncertainty"] = "fixed"
    class_weights: Literal["none", "inverse"] = "none"
    positive_weights: Literal["none", "inverse"] = "none"
    smoothing: float = 0.0
    targets: Literal["soft", "hard"] = "soft"

    def __post_init__(self) -> None:
        _within(self, {"smoothing": (0, 1)})


@dataclass(frozen=True)
class SamplingSettings:
    """What a batch is made of.

    Attributes:
        batch: clips in a step.
        frames: consecutive frames in a clip; 1 for single pictures, 80 in the authors' code.
        step: frames from the start of a clip to the next; 0 for as many as a clip has.
        mix: "proportional" to what there is, or "even": each task's labelled clips in equal shares.
        balance: "none", or "classes": each class, each present unit and the absence of all drawn equally
            often; a clip shows several, so that units come out nearer to each other, not equal.
    """

    batch: int = 128
    frames: int = 1
    step: int = 0
    mix: Literal["proportional", "even"] = "proportional"
    balance: Literal["none", "classes"] = "none"

    def __post_init__(self) -> None:
        _within(self, {"batch": (1, ANY), "frames": (1, ANY), "step": (0, ANY)})


@dataclass(frozen=True)
class AugmentationSettings:
    """How much a clip may change: its crops, and whether it is heard.

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
        mirror: share of clips that are mirrored; 0 where left and right mean different things.
        deaf: share of clips whose sound is silence, so that a network that sees and hears learns to go by
            the picture alone where there is no sound. 0 for one that is never used without.
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
    mirror: float = 0.5
    deaf: float = 0.0

    def __post_init__(self) -> None:
        _within(self, {"turn": (0, 180), "shift": (0, 1), "zoom": (0, 0.9), "stretch": (0, 0.9)})
        _within(self, {"contrast": (0, ANY), "brightness": (0, ANY), "gamma": (1, ANY), "noise": (0, ANY)})
        _within(self, {"blur": (0, 1), "hidden": (0, 1), "mirror": (0, 1), "deaf": (0, 1)})


@dataclass(frozen=True)
class OptimisationSettings:
    """How the weights are found.

    Attributes:
        method: "sgd" (Nesterov momentum 0.9) or "adam", which the authors' code takes.
        epochs: passes over the training part.
        rate: highest learning rate.
        warmup: epochs over which the rate rises; it then falls along a half cosine to zero.
        decay: weight decay; not applied to biases and normalisation.
        clip: largest gradient norm.
        averaging: decay per step of the running average of the weights, which is what is kept.
        patience: epochs without a better validation score after which training ends; 0 never. Where the
            validation part has no labels there is no score, and it does not count.
        precision: "fp32", "bf16", or "auto" for bf16 where the processor computes it natively.
        seed: of the weights, the order and the changes.
    """

    method: Literal["sgd", "adam"] = "sgd"
    epochs: int = 60
    rate: float = 0.1
    warmup: int = 3
    decay: float = 5e-4
    clip: float = 5.0
    averaging: float = 0.999
    patience: int = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        _within(self, {"epochs": (1, ANY), "rate": (0, ANY), "warmup": (0, ANY), "decay": (0, ANY)})
        _within(self, {"clip": (1e-12, ANY), "averaging": (0, 1), "patience": (0, ANY), "seed": (0, 2**32)})


@dataclass(frozen=True)
class Recipe:
    """One training run.

    Attributes:
        name: of the bundle that comes of it.
        tasks: task names -> weight of its loss.
        preprocessing: how a face becomes the network's input.
        hearing: how sound becomes its input, where it hears.
        network: what it is assembled from.
        losses: what is made small.
        sampling: what a batch is made of.
        augmentation: how crops change in training.
        optimisation: how the weights are found.
        databases: which of the prepared databases it learns from; none named means all.
        start: earlier stages of the same file, checkpoints (.safetensors) of other runs, or "shipped", the
            network that ships with mien; it starts from their weights where names and shapes match, and of
            a part that several have the last named counts.
        mean: of a part that several have, start from the mean of their weights instead (a "soup": Wortsman
            et al. 2022); good where one went on from the other, meaningless between other networks.
        teacher: likewise, whose best networks say together what is unknown in the training part:
            probabilities, or values. The validation part is never filled.
        taught: share of the teachers' word in what is known: 0 leaves known labels as they are, 1 learns
            from the teachers alone (distillation: Hinton et al. 2015, at temperature 1).
    """

    name: str
    tasks: dict[str, float]
    preprocessing: Preprocessing
    hearing: Hearing = field(default_factory=Hearing)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    losses: LossSettings = field(default_factory=LossSettings)
    sampling: SamplingSettings = field(default_factory=SamplingSettings)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    optimisation: OptimisationSettings = field(default_factory=OptimisationSettings)
    databases: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    mean: bool = False
    teacher: tuple[str, ...] = ()
    taught: float = 0.0

    def __post_init__(self) -> None:
        _within(self, {"taught": (0, 1)})
        unknown = [name for name in self.tasks if name not in TASKS]
        if unknown or not self.tasks:
            raise SettingsError(f"tasks: {', '.join(unknown) or 'none'}; known are {', '.join(TASKS)}")
        if not all(0 <= weight < ANY for weight in self.tasks.values()) or not any(self.tasks.values()):
            raise SettingsError(f"tasks: weights {self.tasks}, expected none below 0 and one above")
        if not self.name or self.name != Path(self.name).name:
            raise SettingsError(f"name: got {self.name!r}, expected what a folder may be called")

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


def read(path: Path) -> tuple[Recipe, ...]:
    """Return the stages in a TOML file, in order; a file without `[[stages]]` is one stage.

    Each stage has a name of its own and says what differs from the tables before it.

    Raises:
        SettingsError: the file cannot be read, a setting is unknown or of the wrong type, two stages have
            one name, or one starts from a stage that does not come before it.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        listed: Any = values.pop("stages", None)
        if listed is not None and not (isinstance(listed, list) and all(isinstance(s, dict) for s in listed)):
            raise SettingsError(f"stages: expected tables [[stages]], got {listed!r}")
        tables: list[dict[str, Any]] = listed or [{}]
        recipes = tuple(Recipe.from_json(_over(values, table)) for table in tables)
        check_order(recipes)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, SettingsError) as error:
        raise SettingsError(f"{path}: {error}") from error
    return recipes


def check_order(recipes: Sequence[Recipe]) -> None:
    """Refuse stages of one name, and a start or a teacher that does not come before.

    Raises:
        SettingsError: it names the stage.
    """
    names: list[str] = []
    for recipe in recipes:
        if recipe.name in names:
            raise SettingsError(f"stages: two are called {recipe.name!r}")
        for setting, wanted in (("start", recipe.start), ("teacher", recipe.teacher)):
            missing = [name for name in wanted if name not in names and not is_file(name)]
            if missing:
                raise SettingsError(f"{recipe.name}.{setting}: no stage {missing[0]!r} comes before it")
        names.append(recipe.name)


def is_file(name: str) -> bool:
    """Return whether what a stage starts from or is taught by is a file, not an earlier stage."""
    return name == SHIPPED or name.endswith(".safetensors")


def _over(values: dict[str, Any], stage: dict[str, Any]) -> dict[str, Any]:
    """Return settings with those of a stage laid over them; tables are joined, other values replaced.

    The weights of tasks are replaced as a whole: a stage may learn fewer.
    """
    joined = dict(values)
    for name, value in stage.items():
        below = joined.get(name)
        both = isinstance(value, dict) and isinstance(below, dict) and name != "tasks"
        joined[name] = _over(below, value) if both and below is not None else value
    return joined


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
    except (TypeError, BundleError) as error:
        raise SettingsError(f"{place.removesuffix('.') or 'recipe'}: {error}") from error
    except SettingsError as error:
        raise SettingsError(f"{place}{error}") from error


def _checked(kind: Any, value: Any, place: str) -> Any:
    """Return a plain value if it is of the kind its field states."""
    if kind is float and type(value) is int:
        return float(value)
    if getattr(kind, "__origin__", None) is tuple:
        if isinstance(value, list | tuple) and all(type(item) is kind.__args__[0] for item in value):
            return tuple(value)
    elif getattr(kind, "__origin__", None) is dict:
        if isinstance(value, dict) and all(type(item) in (int, float) for item in value.values()):
            return {key: float(item) for key, item in value.items()}
    elif getattr(kind, "__origin__", None) is Literal:
        if value in kind.__args__:
            return value
    elif type(value) is kind:
        return value
    raise SettingsError(f"{place}: got {value!r}, expected {getattr(kind, '__name__', kind)}")


def _within(settings: Any, ranges: Mapping[str, tuple[float, float]]) -> None:
    """Refuse a setting outside its range, ends included."""
    for name, (low, high) in ranges.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            expected = f"at least {low:g}" if high == ANY else f"{low:g} to {high:g}"
            raise SettingsError(f"{name}: got {value!r}, expected {expected}")
