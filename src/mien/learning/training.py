"""Training: prepared databases and a recipe in, a run folder with checkpoints out.

A run folder holds `recipe.json` (the resolved settings), `start.txt` (which weights it began with),
`metrics.csv` (a row per epoch), `last.safetensors`, from which a stopped run goes on as if it had never
stopped, and `best.safetensors`, the epoch with the best validation score. A recipe of several stages has a
folder for each. The order of clips and all changes follow from the seed, the epoch and the step: a run that
was killed at any moment ends in the same weights, bit for bit, as one that was not.
"""

import csv
import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from mien.errors import MienError, SettingsError
from mien.files import explained, whole_file
from mien.learning import checkpoint, parallel
from mien.learning.augmentation import augment
from mien.learning.board import Board
from mien.learning.losses import gathered
from mien.learning.network import Network
from mien.learning.objective import Objective, Terms, raw_outputs
from mien.learning.recipe import OptimisationSettings, Recipe
from mien.learning.sampling import Batch, Material, epoch
from mien.learning.validation import evaluate, validation_material
from mien.learning.weights import Loading, load_weights
from mien.preparation.prepared import Prepared
from mien.tasks import Task


def train(
    stages: Sequence[Recipe], data: Sequence[Prepared], run: Path, threads: int = 0, quiet: bool = False
) -> Path:
    """Train, or go on training, in the folder `run`; return the path of the last stage's checkpoint.

    Args:
        stages: every setting of each stage; of one alone `run` itself is the folder.
        data: prepared databases, made with the recipes' preprocessing.
        run: the run folder; a run that was stopped in it goes on.
        threads: processor threads; 0 leaves the choice to torch.
        quiet: no progress bar.

    Raises:
        SettingsError: a recipe does not fit the data or the run that is there.
        MienError: the loss is no longer a number; epoch, step, loss term and samples are named.
    """
    if threads:
        torch.set_num_threads(threads)
    parallel.begin()
    places = {recipe.name: run / recipe.name if len(stages) > 1 else run for recipe in stages}
    for recipe in stages:
        chosen = _chosen(recipe, data)
        start = [places[name] / "best.safetensors" for name in recipe.start]
        with explained(places[recipe.name]):
            _Run(recipe, chosen, places[recipe.name], start).go(quiet)
    return places[stages[-1].name] / "last.safetensors"


def load_network(path: Path) -> tuple[Network, Recipe, dict[str, float]]:
    """Return the averaged network of a checkpoint, its recipe and its validation scores.

    Raises:
        InputError: the file is not a checkpoint of a run.
    """
    tensors, record = checkpoint.load(path)
    recipe = Recipe.from_json(record["recipe"])
    network = Network(recipe)
    network.load_state_dict(_part(tensors, "average."))
    return network.eval(), recipe, record["scores"]


@dataclass
class _Progress:
    """How far a run is: the next epoch, the best score and when it was reached, whether it has ended."""

    epoch: int = 0
    best: float = -math.inf
    best_epoch: int = -1
    scores: dict[str, float] | None = None


class _Run:
    """One stage in its folder."""

    def __init__(self, recipe: Recipe, data: Sequence[Prepared], place: Path, start: list[Path]) -> None:
        self.recipe, self.place = recipe, place
        settings = recipe.optimisation
        hearing = recipe.hearing if recipe.network.streams != "picture" else None
        sampling = recipe.sampling
        step = sampling.step or sampling.frames
        self.material = Material(data, tuple(recipe.weights), "train", sampling.frames, step, hearing)
        self.held = validation_material(data, recipe)
        self.preprocessing = data[0].preprocessing
        torch.manual_seed(settings.seed)
        self.network = Network(recipe)
        self.loadings = _begun(self.network, recipe, start)
        self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = Objective(recipe, self.material)
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.optimiser = _optimiser(nn.ModuleList([self.network, self.objective]), settings)
        self.progress = self._resumed()
        self.trained = parallel.shared(_Trained(self.network, self.objective))

    def go(self, quiet: bool) -> None:
        """Train until all epochs are done, or the score no longer rises."""
        settings = self.recipe.optimisation
        steps = len(self.material) // self.recipe.sampling.batch
        with (
            Board(self.place) as board,
            tqdm(
                desc=self.recipe.name[-30:],
                total=settings.epochs * steps,
                initial=self.progress.epoch * steps,
                unit="step",
                disable=quiet or parallel.rank() > 0,
            ) as bar,
        ):
            while self.progress.epoch < settings.epochs and not self._ended():
                number = self.progress.epoch
                means = self._epoch(number, steps, bar)
                scores = evaluate(self.averaged(), self.recipe, self.held)
                self._keep(number, means, scores)
                board.add(number, means | scores)
                bar.set_postfix(loss=f"{means['loss']:.3f}", score=f"{scores['score']:.4f}")

    def averaged(self) -> Network:
        """Return a network with the averaged weights."""
        network = Network(self.recipe)
        network.load_state_dict(self.average)
        return network.eval()

    def _epoch(self, number: int, steps: int, bar: "tqdm[None]") -> dict[str, float]:
        """Go once through the material; return the mean loss and the mean of each term."""
        settings = self.recipe.optimisation
        torch.manual_seed(settings.seed + 1000 * (number + 1) + parallel.rank())
        chance = torch.Generator().manual_seed(settings.seed + 1000 * (number + 1) + parallel.rank())
        self.trained.train()
        sums: dict[str, float] = {}
        for step, clips in enumerate(epoch(self.material, self.recipe.sampling, settings.seed, number)):
            _set_rate(self.optimiser, settings, number + step / steps)
            loss, terms = self._loss(clips, chance)
            if not torch.isfinite(loss):
                raise MienError(self._no_number(number, step, terms, clips))
            self.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.trained.parameters(), settings.clip)
            self.optimiser.step()
            done = number * steps + step + 1
            _average(self.average, self.network, min(settings.averaging, (1 + done) / (10 + done)))
            for name, (total, count) in {"loss": (loss, torch.ones(())), **terms}.items():
                sums[name] = sums.get(name, 0.0) + (total / count.clamp(min=1)).item()
            bar.update()
        return {name if name == "loss" else f"loss_{name}": total / steps for name, total in sums.items()}

    def _loss(self, clips: np.ndarray, chance: torch.Generator) -> tuple[Tensor, Terms]:
        """Return the loss of one batch and its terms."""
        mine = clips[parallel.share(len(clips))]
        batch = self.material.batch(mine)
        faces, sound = self._inputs(batch, chance)
        truths = {task: self.material.truth(task, clips) for task in self.material.tasks}
        values = {task: torch.from_numpy(truth[0]) for task, truth in truths.items()}
        known = {task: torch.from_numpy(truth[1]) for task, truth in truths.items()}
        own = parallel.share(len(clips))
        with _precision(self.recipe.optimisation):
            loss, terms = self.trained(faces, sound, values, known, own)
        return loss, terms

    def _inputs(self, batch: Batch, chance: torch.Generator) -> tuple[Tensor | None, Tensor | None]:
        """Return what the network sees and hears, changed by chance."""
        faces = None
        if self.network.sees:
            crops = batch.crops.reshape(-1, *batch.crops.shape[2:])
            pixels = torch.from_numpy(self.preprocessing.arrays(crops))
            stored = pixels.view(*batch.crops.shape[:2], *pixels.shape[2:])
            faces = augment(stored, self.recipe.preprocessing.size, self.recipe.augmentation, chance)
        return faces, torch.from_numpy(batch.sound) if batch.sound is not None else None

    def _no_number(self, number: int, step: int, terms: Terms, clips: np.ndarray) -> str:
        """Return the message of a loss that is no longer a number."""
        bad = [name for name, (total, _) in terms.items() if not torch.isfinite(total)]
        places = ", ".join(self.material.describe(int(clip)) for clip in clips[:8])
        return (
            f"epoch {number}, step {step}: the loss is no longer a number ({', '.join(bad) or 'their sum'}); "
            f"clips {places}, ...; lower the rate, or look at these"
        )

    def _ended(self) -> bool:
        """Return whether the score has not risen for as long as the recipe waits."""
        patience = self.recipe.optimisation.patience
        return bool(patience) and self.progress.epoch - 1 - self.progress.best_epoch >= patience

    def _keep(self, number: int, means: dict[str, float], scores: dict[str, float]) -> None:
        """Write what an epoch came to, from which the run goes on."""
        progress = self.progress
        progress.epoch, progress.scores = number + 1, scores
        better = scores["score"] > progress.best or progress.best_epoch < 0
        if better:
            progress.best, progress.best_epoch = scores["score"], number
        if parallel.rank() == 0:
            _write_row(self.place / "metrics.csv", number, means | scores)
            self._save(self.place / "last.safetensors")
            if better:
                with whole_file(self.place / "best.safetensors") as copy:
                    shutil.copyfile(self.place / "last.safetensors", copy)
        parallel.wait()

    def _save(self, path: Path) -> None:
        """Write the checkpoint from which the run goes on after this epoch."""
        moments, groups = checkpoint.flattened(self.optimiser.state_dict(), "optimiser")
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {f"objective.{name}": value for name, value in self.objective.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        record = {
            "epoch": self.progress.epoch - 1,
            "best": self.progress.best,
            "best_epoch": self.progress.best_epoch,
            "mien": version("mien"),
            "recipe": self.recipe.to_json(),
            "scores": self.progress.scores,
            "optimiser": groups,
        }
        checkpoint.save(path, tensors | moments, record)

    def _resumed(self) -> _Progress:
        """Load what is there and return how far it is; write the settings of a new run."""
        path = self.place / "last.safetensors"
        if not path.exists():
            if parallel.rank() == 0:
                self.place.mkdir(parents=True, exist_ok=True)
                with whole_file(self.place / "recipe.json") as file:
                    file.write_text(json.dumps(self.recipe.to_json(), indent=2) + "\n", encoding="utf-8")
                with whole_file(self.place / "start.txt") as file:
                    told = "\n".join(map(str, self.loadings)) or "weights by chance"
                    file.write_text(f"{told}\n", encoding="utf-8")
            parallel.wait()
            return _Progress()
        tensors, record = checkpoint.load(path)
        if Recipe.from_json(record["recipe"]) != self.recipe:
            raise SettingsError(f"{self.place}: holds a run of another recipe; choose another folder")
        self.network.load_state_dict(_part(tensors, "network."))
        self.objective.load_state_dict(_part(tensors, "objective."))
        for name, value in _part(tensors, "average.").items():
            self.average[name].copy_(value)
        self.optimiser.load_state_dict(checkpoint.unflattened(tensors, record["optimiser"], "optimiser"))
        return _Progress(record["epoch"] + 1, record["best"], record["best_epoch"], record["scores"])


def _begun(network: Network, recipe: Recipe, start: list[Path]) -> list[Loading]:
    """Fill a new network with the weights it starts from; return what was taken of each file."""
    loadings = []
    for stream, settings in (
        (network.picture, recipe.network.backbone),
        (network.sound, recipe.network.sound_backbone),
    ):
        if stream is not None and settings.weights:
            loadings.append(load_weights(stream.backbone, Path(settings.weights)))
    return loadings + [load_weights(network, path, enough=0.0) for path in start]


class _Trained(nn.Module):
    """Network and objective together, so that gradients of both are shared between processes."""

    def __init__(self, network: Network, objective: Objective) -> None:
        super().__init__()
        self.network = network
        self.objective = objective

    def forward(
        self,
        faces: Tensor | None,
        sound: Tensor | None,
        values: dict[Task, Tensor],
        known: dict[Task, Tensor],
        own: slice,
    ) -> tuple[Tensor, Terms]:
        """Return the loss of the whole batch, of which this process sees its own share, and its terms."""
        some = faces if faces is not None else sound
        assert some is not None, "a network sees or hears"
        features, _ = self.network.features(faces, sound, self.network.initial(len(some)))
        mine = {task: target[own] for task, target in values.items()}
        masks = {task: mask[own] for task, mask in known.items()}
        raw = raw_outputs(self.network.heads, features, mine, masks)
        together = {name: gathered(said.float()).flatten(0, 1) for name, said in raw.items()}
        terms = self.objective.terms(together, values, known)
        return self.objective(terms), terms


def _chosen(recipe: Recipe, data: Sequence[Prepared]) -> list[Prepared]:
    """Return the databases a recipe learns from.

    Raises:
        SettingsError: one is missing, was prepared for another network, or nobody labels a task.
    """
    names = [prepared.index.database for prepared in data]
    missing = [name for name in recipe.databases if name not in names]
    if missing:
        raise SettingsError(f"{recipe.name}: wants {missing[0]}; prepared are {', '.join(names)}")
    chosen = [
        d for d, name in zip(data, names, strict=True) if not recipe.databases or name in recipe.databases
    ]
    for prepared in chosen:
        stored, ours = prepared.preprocessing, recipe.preprocessing
        if ours.widened(stored.size) != stored:
            raise SettingsError(
                f"{prepared.index.database}: prepared with {stored}, the recipe wants {ours}; "
                "prepare it again"
            )
    unlabelled = [
        task.name
        for task in recipe.weights
        if not any(prepared.index.labels.seen_as(task)[1].any() for prepared in chosen)
    ]
    if unlabelled:
        raise SettingsError(f"{recipe.name}: no prepared database has labels for {', '.join(unlabelled)}")
    if recipe.optimisation.precision == "bf16" and not _native_bf16():
        raise SettingsError("precision is bf16, but this processor computes it many times slower; use auto")
    return chosen


def _native_bf16() -> bool:
    """Return whether the processor multiplies bf16 numbers itself."""
    return bool(torch.backends.cpu.get_cpu_capability().startswith("AVX512") and _cpu_flag("avx512_bf16"))


def _cpu_flag(flag: str) -> bool:
    """Return whether Linux names a feature of the processor."""
    info = Path("/proc/cpuinfo")
    return info.exists() and flag in info.read_text().split()


def _precision(settings: OptimisationSettings) -> torch.autocast:
    """Return the context in which the network computes."""
    wanted = settings.precision == "bf16" or (settings.precision == "auto" and _native_bf16())
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted)


def _optimiser(module: nn.Module, settings: OptimisationSettings) -> torch.optim.Optimizer:
    """Return the optimiser, with weight decay on the matrices alone."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    vectors = [p for p in module.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": settings.decay}, {"params": vectors, "weight_decay": 0.0}]
    if settings.method == "adam":
        return torch.optim.AdamW(groups, lr=settings.rate)
    return torch.optim.SGD(groups, lr=settings.rate, momentum=0.9, nesterov=True)


def _set_rate(optimiser: torch.optim.Optimizer, settings: OptimisationSettings, moment: float) -> None:
    """Set the learning rate for a moment counted in epochs: a rise, then a half cosine to zero."""
    if moment < settings.warmup:
        share = (moment + 0.01) / settings.warmup
    else:
        done = (moment - settings.warmup) / max(settings.epochs - settings.warmup, 1)
        share = 0.5 * (1 + math.cos(math.pi * done))
    for group in optimiser.param_groups:
        group["lr"] = settings.rate * share


@torch.no_grad()
def _average(average: dict[str, Tensor], network: Network, decay: float) -> None:
    """Move the running average of weights and statistics towards the network's."""
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors under a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _write_row(path: Path, number: int, values: dict[str, float]) -> None:
    """Add an epoch's row to a CSV file; rows of epochs that are run again are replaced."""
    rows: list[dict[str, str]] = []
    if path.exists():
        with open(path, newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["epoch"]) < number]
    rows.append({"epoch": str(number), **{name: f"{value:.6f}" for name, value in values.items()}})
    with whole_file(path) as place, open(place, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[-1]))
        writer.writeheader()
        writer.writerows(rows)
