"""Training: prepared databases and a recipe in, a run folder with checkpoints out.

A run folder holds `recipe.json` (the resolved settings), `start.txt` (which weights it began with),
`metrics.csv` (a row per epoch), `board` (the same for TensorBoard, where that is installed),
`last.safetensors`, from which a stopped run goes on as if it had never stopped, and `best.safetensors`, the
epoch with the best validation score. A recipe of several stages has a folder for each. The order of clips and
all changes follow from the seed, the epoch and the step: a run that was killed at any moment ends in the same
weights, bit for bit, as one that was not, on the same processor with as many threads.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from mien.arrays import IntArray
from mien.bundle import WEIGHTS, shipped
from mien.errors import InputError, MienError, SettingsError
from mien.files import explained, whole_file
from mien.learning import checkpoint, parallel, sources
from mien.learning.augmentation import augment, deafened
from mien.learning.board import Board
from mien.learning.losses import gathered
from mien.learning.network import Network
from mien.learning.objective import Objective, Terms, raw_outputs
from mien.learning.optimisation import move_average, optimiser, precision, set_rate
from mien.learning.recipe import SHIPPED, OptimisationSettings, Recipe, check_order, is_file
from mien.learning.run_folder import alone, write_row
from mien.learning.sampling import Batch, Material, epoch, steps_of
from mien.learning.teaching import taught, together
from mien.learning.validation import evaluate, validation_material
from mien.learning.weights import Loading, load_weights
from mien.preparation.prepared import Prepared
from mien.tasks import Task


def train(
    stages: Sequence[Recipe],
    data: Sequence[Prepared],
    run: Path,
    threads: int = 0,
    quiet: bool = False,
    device: str = "auto",
) -> Path:
    """Train, or go on training, in the folder `run`; return the path of the last stage's checkpoint.

    Args:
        stages: every setting of each stage; of one alone `run` itself is the folder.
        data: prepared databases, made with the recipes' preprocessing.
        run: the run folder; a run that was stopped in it goes on, stages that are done are not done again.
        threads: processor threads; 0 leaves the choice to torch.
        quiet: no progress bar.
        device: "cpu", "cuda", or "auto" for a GPU where torch finds one.

    Raises:
        SettingsError: a recipe does not fit the data or the run that is there, or there is no such device.
        MienError: the loss is no longer a number; epoch, step, loss term and samples are named.
    """
    if threads:
        torch.set_num_threads(threads)
    check_order(stages)
    chosen = parallel.begin(device)
    places = {recipe.name: run / recipe.name if len(stages) > 1 else run for recipe in stages}
    for recipe in stages:
        place = places[recipe.name]
        with explained(place):
            if not _is_done(recipe, place, sources.identity(sources.named(recipe, data))):
                start, teachers = (
                    [_checkpoint(name, places) for name in names] for names in (recipe.start, recipe.teacher)
                )
                _begin(recipe, data, place, start, teachers, chosen).go(quiet)
    return places[stages[-1].name] / "last.safetensors"


def load_network(path: Path) -> tuple[Network, Recipe, dict[str, float]]:
    """Return the averaged network of a checkpoint, its recipe and its validation scores.

    Raises:
        InputError: the file is not a checkpoint of a run, or its weights do not fit its recipe.
    """
    tensors, record = checkpoint.load(path)
    recipe = Recipe.from_json(record["recipe"])
    network = Network(recipe)
    try:
        network.load_state_dict(_part(tensors, "average."))
    except RuntimeError as error:
        raise InputError(f"{path}: its weights do not fit the network of its recipe ({error})") from error
    return network.eval(), recipe, record["scores"]


@dataclass
class _Progress:
    """How far a run is: the next epoch, the best score and when it was reached, the last scores."""

    epoch: int = 0
    best: float = -math.inf
    best_epoch: int = -1
    scores: dict[str, float] | None = None

    def add(self, scores: dict[str, float]) -> bool:
        """Count an epoch; return whether it is the best. Until any has a score, that is the last one."""
        self.scores = scores
        better = scores["score"] > self.best or (math.isnan(scores["score"]) and self.best == -math.inf)
        if better:
            self.best_epoch = self.epoch
            self.best = -math.inf if math.isnan(scores["score"]) else scores["score"]
        self.epoch += 1
        return better

    def ended(self, settings: OptimisationSettings) -> bool:
        """Return whether all epochs are done, or the score has not risen for as long as the recipe waits."""
        waited = self.epoch - 1 - self.best_epoch
        return self.epoch >= settings.epochs or (settings.patience > 0 and waited >= settings.patience)


class _Run:
    """One stage in its folder.

    Args:
        recipe: of the stage.
        materials: the training and the validation part, None where there is no such part.
        place: the folder.
        start: checkpoints whose weights it starts from.
        facts: what else it is made of.
        device: what it computes on.
    """

    def __init__(
        self,
        recipe: Recipe,
        materials: tuple[Material, Material | None],
        place: Path,
        start: list[Path],
        facts: "_Facts",
        device: torch.device,
    ) -> None:
        self.recipe, self.place, self.facts, self.device = recipe, place, facts, device
        self.material, self.held = materials
        settings = recipe.optimisation
        self.steps = steps_of(self.material, recipe.sampling)
        parallel.share(recipe.sampling.batch)
        torch.manual_seed(settings.seed)
        self.network = Network(recipe)
        self.loadings = _begun(self.network, recipe, start)
        self.network = self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = Objective(recipe, self.material).to(device)
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.optimiser = optimiser(nn.ModuleList([self.network, self.objective]), settings)
        self.trained: nn.Module = _Trained(self.network, self.objective)
        self.progress = _Progress()

    def go(self, quiet: bool) -> None:
        """Go on from where the folder is, until all is done; no other run may be in it meanwhile.

        Raises:
            OutputError: another is.
            SettingsError: the folder holds a run on other data.
            MienError: the loss is no longer a number.
        """
        with alone(self.place):
            self.progress = self._resumed()
            self.trained = parallel.shared(self.trained)
            self._train(quiet)

    def _train(self, quiet: bool) -> None:
        """Train until all epochs are done, or the score no longer rises."""
        settings = self.recipe.optimisation
        with (
            Board(self.place) as board,
            tqdm(
                desc=self.recipe.name[-30:],
                total=settings.epochs * self.steps,
                initial=self.progress.epoch * self.steps,
                unit="step",
                disable=quiet or parallel.rank() > 0,
            ) as bar,
        ):
            while not self.progress.ended(settings):
                number = self.progress.epoch
                means = self._epoch(number, bar)
                own = evaluate(self.averaged(), self.recipe, self.held) if parallel.rank() == 0 else None
                scores = parallel.agreed(own)
                self._keep(number, means, scores)
                board.add(number, means | scores)
                bar.set_postfix(loss=f"{means['loss']:.3f}", score=f"{scores['score']:.4f}")

    def averaged(self) -> Network:
        """Return a network with the averaged weights."""
        network = Network(self.recipe)
        network.load_state_dict(self.average)
        return network.to(self.device).eval()

    def _epoch(self, number: int, bar: "tqdm[None]") -> dict[str, float]:
        """Go once through the material; return the mean loss and the mean of each term, NaN for none."""
        settings = self.recipe.optimisation
        torch.manual_seed(_seed(settings, number, 0))
        chance = torch.Generator(self.device).manual_seed(_seed(settings, number, 1))
        self.trained.train()
        sums: dict[str, tuple[float, float]] = {}
        for step, clips in enumerate(epoch(self.material, self.recipe.sampling, settings.seed, number)):
            set_rate(self.optimiser, settings, number + step / self.steps)
            loss, terms = self._loss(clips, chance)
            self.optimiser.zero_grad()
            loss.backward()
            length = torch.nn.utils.clip_grad_norm_(self.trained.parameters(), settings.clip)
            if not (torch.isfinite(loss) and torch.isfinite(length)):
                raise MienError(self._no_number(number, step, loss, terms, clips))
            self.optimiser.step()
            done = number * self.steps + step + 1
            move_average(self.average, self.network, min(settings.averaging, (1 + done) / (10 + done)))
            for name, (total, count) in {"loss": (loss, torch.ones(())), **terms}.items():
                before = sums.get(name, (0.0, 0.0))
                sums[name] = before[0] + total.item(), before[1] + count.item()
            bar.update()
        return {
            name if name == "loss" else f"loss_{name}": total / count if count else math.nan
            for name, (total, count) in sums.items()
        }

    def _loss(self, clips: IntArray, chance: torch.Generator) -> tuple[Tensor, Terms]:
        """Return the loss of one batch and its terms."""
        own = parallel.share(len(clips))
        batch = self.material.batch(clips[own], self.network.sees)
        faces, sound = self._inputs(batch, chance)
        truths = {task: self.material.truth(task, clips) for task in self.material.tasks}
        values = {task: torch.from_numpy(truth[0]).to(self.device) for task, truth in truths.items()}
        known = {task: torch.from_numpy(truth[1]).to(self.device) for task, truth in truths.items()}
        values, known = self.objective.targets(values, known)
        with precision(self.recipe.optimisation, self.device):
            loss, terms = self.trained(faces, sound, values, known, own)
        return loss, terms

    def _inputs(self, batch: Batch, chance: torch.Generator) -> tuple[Tensor | None, Tensor | None]:
        """Return what the network sees and hears, changed by chance."""
        faces = None
        if batch.crops is not None:
            crops = batch.crops.reshape(-1, *batch.crops.shape[2:])
            pixels = torch.from_numpy(self.material.preprocessing.arrays(crops)).to(self.device)
            stored = pixels.view(*batch.crops.shape[:2], *pixels.shape[2:])
            faces = augment(stored, self.recipe.preprocessing.size, self.recipe.augmentation, chance)
        sound = None
        if batch.sound is not None:
            heard = torch.from_numpy(batch.sound).to(self.device)
            silence = torch.from_numpy(self.recipe.hearing.silence(heard.shape[1])).to(self.device)
            sound = deafened(heard, silence, self.recipe.augmentation.deaf, chance)
        return faces, sound

    def _no_number(self, number: int, step: int, loss: Tensor, terms: Terms, clips: IntArray) -> str:
        """Return the message of a loss, or a gradient, that is no longer a number."""
        means = {name: (total / count.clamp(min=1e-9)).item() for name, (total, count) in terms.items()}
        if torch.isfinite(loss):
            told = ", ".join(f"{name} {mean:.3g}" for name, mean in means.items())
            what = f"gradient is no longer a number, though the loss still is ({told})"
        else:
            bad = [name for name, mean in means.items() if not math.isfinite(mean)]
            what = f"loss is no longer a number ({', '.join(bad) or 'the sum of the terms'})"
        places = ", ".join(self.material.describe(int(clip)) for clip in clips[:8])
        more = f" and {len(clips) - 8} more" if len(clips) > 8 else ""
        return (
            f"{self.recipe.name}: epoch {number}, step {step}: the {what}; "
            f"clips {places}{more}; lower the rate, or look at these"
        )

    def _keep(self, number: int, means: dict[str, float], scores: dict[str, float]) -> None:
        """Write what an epoch came to, from which the run goes on.

        The best comes before the last: a run killed between the two does this epoch again.
        """
        better = self.progress.add(scores)
        if parallel.rank() == 0:
            write_row(self.place / "metrics.csv", number, means | scores)
            if better:
                self._save(self.place / "best.safetensors")
            self._save(self.place / "last.safetensors")
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
            "data": self.facts.data,
            "learned": self.facts.learned,
        }
        checkpoint.save(path, tensors | moments, record)

    def _resumed(self) -> _Progress:
        """Load what is there and return how far it is; write the settings of a new run."""
        path = self.place / "last.safetensors"
        if not path.exists():
            if parallel.rank() == 0:
                self._write_settings()
            parallel.wait()
            return _Progress()
        tensors, record = checkpoint.load(path)
        self.network.load_state_dict(_part(tensors, "network."))
        self.objective.load_state_dict(_part(tensors, "objective."))
        for name, value in _part(tensors, "average.").items():
            self.average[name].copy_(value)
        self.optimiser.load_state_dict(checkpoint.unflattened(tensors, record["optimiser"], "optimiser"))
        return _progress(record)

    def _write_settings(self) -> None:
        """Write what a new run is made of."""
        with whole_file(self.place / "recipe.json") as file:
            file.write_text(json.dumps(self.recipe.to_json(), indent=2) + "\n", encoding="utf-8")
        with whole_file(self.place / "start.txt") as file:
            told = [*map(str, self.loadings)] or ["weights by chance"]
            file.write_text("\n".join([*told, *self.facts.told]) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class _Facts:
    """What a run is made of: name, fold and hashes of each database, and lines for people.

    `learned` is name and fold of each database behind its weights, earlier stages and teachers included.
    """

    data: list[list[str]]
    learned: list[list[str]]
    told: list[str]


def _progress(record: dict[str, Any]) -> _Progress:
    """Return how far a checkpoint is."""
    return _Progress(record["epoch"] + 1, record["best"], record["best_epoch"], record["scores"])


def _is_done(recipe: Recipe, place: Path, identity: list[list[str]]) -> bool:
    """Return whether a stage has nothing left to do.

    Raises:
        SettingsError: the folder holds a run of another recipe, or on other data.
    """
    path = place / "last.safetensors"
    if not path.exists():
        return False
    record = checkpoint.record(path)
    theirs = Recipe.from_json(record["recipe"])
    if theirs != recipe or [*theirs.tasks] != [*recipe.tasks]:
        raise SettingsError(f"{place}: holds a run of another recipe; choose another folder")
    if record.get("data", identity) != identity:
        raise SettingsError(f"{place}: holds a run on other data; choose another folder")
    return _progress(record).ended(recipe.optimisation)


def _checkpoint(name: str, places: dict[str, Path]) -> Path:
    """Return the checkpoint that a recipe names: of a stage, of another run, or the one that ships."""
    if name == SHIPPED:
        return shipped() / WEIGHTS
    return Path(name) if is_file(name) else places[name] / "best.safetensors"


def _begin(
    recipe: Recipe,
    data: Sequence[Prepared],
    place: Path,
    start: list[Path],
    teachers: list[Path],
    device: torch.device,
) -> _Run:
    """Return a stage that is ready to go.

    Raises:
        SettingsError: it does not fit the data; the stage is named.
    """
    try:
        chosen = sources.chosen(recipe, data, device)
        materials = _training_material(recipe, chosen, teachers, device), validation_material(chosen, recipe)
        share = f", and {recipe.taught:.0%} of what is known" if recipe.taught else ""
        told = [f"what is unknown in the training part{share} is what {path} says" for path in teachers]
        facts = _Facts(sources.identity(chosen), sources.learned(chosen, [*start, *teachers]), told)
        return _Run(recipe, materials, place, start, facts, device)
    except SettingsError as error:
        raise SettingsError(f"{recipe.name}: {error}") from error


def _training_material(
    recipe: Recipe, data: Sequence[Prepared], teachers: list[Path], device: torch.device
) -> Material:
    """Return the clips of the training part, filled by teachers where there are any.

    Raises:
        SettingsError: nobody knows anything of a task.
    """
    sampling = recipe.sampling
    hearing = recipe.hearing if recipe.network.streams != "picture" else None
    step = sampling.step or sampling.frames
    material = Material(data, tuple(recipe.weights), "train", sampling.frames, step, hearing)
    if teachers:
        words = []
        for path in teachers:
            network, theirs, _ = load_network(path)
            sources.check_preprocessing(theirs, data)
            words.append(taught(network.to(device), theirs, data))
        material = material.filled([together(said) for said in zip(*words, strict=True)], recipe.taught)
    unknown = [task.name for task in material.tasks if not material.knows(task)]
    if unknown:
        raise SettingsError(f"no prepared database has labels for {', '.join(unknown)} in the training part")
    return material


def _begun(network: Network, recipe: Recipe, start: list[Path]) -> list[Loading]:
    """Fill a new network with the weights it starts from; return what was taken of each file."""
    loadings = []
    for stream, settings in (
        (network.picture, recipe.network.backbone),
        (network.sound, recipe.network.sound_backbone),
    ):
        if stream is not None and settings.weights:
            loadings.append(load_weights(stream.backbone, Path(settings.weights)))
    own: list[dict[str, Tensor]] = []
    for path in start:
        loadings.append(load_weights(network, path, enough=0.0))
        if not loadings[-1].matched:
            raise SettingsError(f"start: nothing in {path} fits")
        if recipe.mean:
            state = network.state_dict()
            own.append({name: state[name].clone() for name in loadings[-1].matched})
    several = {name: [t[name] for t in own if name in t] for tensors in own for name in tensors}
    network.load_state_dict({name: sum(t) / len(t) for name, t in several.items()}, strict=False)
    return loadings


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


def _seed(settings: OptimisationSettings, number: int, purpose: int) -> int:
    """Return a seed for one purpose in one epoch, in this process."""
    entropy = (settings.seed, number, parallel.rank(), purpose)
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors under a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
