"""Training: a prepared database and a recipe in, a run folder with checkpoints out.

A run folder holds `recipe.json` (the resolved settings), `metrics.csv` (a row per epoch) and
`last.safetensors`, from which a stopped run goes on as if it had never stopped.
"""

import csv
import json
import math
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from mien.errors import MienError, SettingsError
from mien.files import explained, whole_file
from mien.inputs import middle
from mien.learning import checkpoint
from mien.learning.augmentation import augment
from mien.learning.losses import cross_entropy
from mien.learning.network import Network
from mien.learning.recipe import OptimisationSettings, Recipe
from mien.metrics import accuracy
from mien.preparation.prepared import Prepared


def train(recipe: Recipe, data: Prepared, run: Path, threads: int = 0) -> Path:
    """Train, or go on training, in the folder `run`; return the path of the last checkpoint.

    Args:
        recipe: every setting.
        data: a prepared database, made with the recipe's preprocessing.
        run: the run folder; a run that was stopped in it goes on.
        threads: processor threads; 0 leaves the choice to torch.

    Raises:
        SettingsError: the recipe does not fit the data or the run that is there.
        MienError: the loss is no longer a number; the epoch, step and rows are named.
    """
    if threads:
        torch.set_num_threads(threads)
    _check(recipe, data)
    settings = recipe.optimisation
    torch.manual_seed(settings.seed)
    network = Network(tuple(recipe.weights), recipe.preprocessing.channels, recipe.network)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser = _optimiser(network, settings)
    rows = np.flatnonzero(data.index.split.matches("train") & (data.index.columns["picture"] == 1))
    per_epoch = len(rows) // settings.batch
    first = _resumed(run, recipe, network, average, optimiser)
    with (
        explained(run),
        tqdm(total=settings.epochs * per_epoch, initial=first * per_epoch, unit="step") as bar,
    ):
        for epoch in range(first, settings.epochs):
            torch.manual_seed(settings.seed + 1000 * (epoch + 1))
            chance = torch.Generator().manual_seed(settings.seed + 1000 * (epoch + 1))
            order = rows[torch.randperm(len(rows), generator=chance).numpy()]
            network.train()
            total = 0.0
            for step in range(per_epoch):
                _set_rate(optimiser, settings, epoch + step / per_epoch)
                chosen = np.sort(order[step * settings.batch : (step + 1) * settings.batch])
                loss = _loss(network, recipe, data, chosen, chance)
                if not torch.isfinite(loss):
                    sources = ", ".join(data.index.describe(row) for row in chosen[:8])
                    raise MienError(
                        f"epoch {epoch}, step {step}: the loss is {loss.item()} (rows {sources}, ...)"
                    )
                optimiser.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
                optimiser.step()
                steps = epoch * per_epoch + step + 1
                _average(average, network, min(settings.averaging, (1 + steps) / (10 + steps)))
                total += loss.item()
                bar.update()
            scores = evaluate(_with(recipe, average), data, recipe)
            _write_row(run / "metrics.csv", epoch, {"loss": total / per_epoch, **scores})
            bar.set_postfix({name: f"{score:.4f}" for name, score in scores.items()})
            _save(run, recipe, network, average, optimiser, epoch, scores)
    return run / "last.safetensors"


def evaluate(network: Network, data: Prepared, recipe: Recipe) -> dict[str, float]:
    """Return the accuracy of each task on the validation part, by task name.

    Counted are rows whose label has one clear class (more than half of the distribution); rows
    whose picture also stands in the training part are left out.
    """
    columns = data.index.columns
    fresh = (columns["seen_in_training"] == 0) & (columns["picture"] == 1)
    rows = np.flatnonzero(data.index.split.matches("validation") & fresh)
    network.eval()
    outputs: dict[str, list[Tensor]] = {task.name: [] for task in network.tasks}
    with torch.no_grad():
        for start in range(0, len(rows), 256):
            crops = middle(data.crops[rows[start : start + 256]], recipe.preprocessing.size)
            with _precision(recipe.optimisation):
                raw = network(torch.from_numpy(recipe.preprocessing.arrays(crops)))
            for name, values in raw.items():
                outputs[name].append(values[:, 0].float())
    scores = {}
    for task in network.tasks:
        target = data.index.labels.values[task][rows]
        clear = target.max(axis=1, initial=0) > 0.5
        guess = torch.cat(outputs[task.name]).argmax(dim=1).numpy()
        scores[task.name] = accuracy(target.argmax(axis=1)[clear], guess[clear])
    return scores


def load_network(path: Path) -> tuple[Network, Recipe, dict[str, float]]:
    """Return the averaged network of a checkpoint, its recipe and its validation scores.

    Raises:
        InputError: the file is not a checkpoint of a run.
    """
    tensors, record = checkpoint.load(path)
    recipe = Recipe.from_json(record["recipe"])
    average = {
        name.removeprefix("average."): tensor
        for name, tensor in tensors.items()
        if name.startswith("average.")
    }
    return _with(recipe, average), recipe, record["scores"]


def _check(recipe: Recipe, data: Prepared) -> None:
    """Refuse a recipe that does not fit the prepared data."""
    stored, ours = data.preprocessing, recipe.preprocessing
    if ours.widened(stored.size) != stored:
        raise SettingsError(f"the data was prepared with {stored}, the recipe wants {ours}; prepare it again")
    missing = [task.name for task in recipe.weights if task not in data.index.labels.values]
    if missing:
        raise SettingsError(f"the prepared data has no labels for {', '.join(missing)}")
    if recipe.optimisation.precision == "bf16" and not _native_bf16():
        raise SettingsError("precision is bf16, but this processor computes it many times slower; use auto")


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


def _loss(
    network: Network, recipe: Recipe, data: Prepared, chosen: np.ndarray, chance: torch.Generator
) -> Tensor:
    """Return the weighted sum of the tasks' mean losses over one batch."""
    stored = torch.from_numpy(data.preprocessing.arrays(data.crops[chosen]))
    faces = augment(stored, recipe.preprocessing.size, recipe.augmentation, chance)
    with _precision(recipe.optimisation):
        outputs = network(faces)
    loss = torch.zeros(())
    for task, weight in recipe.weights.items():
        target = torch.from_numpy(data.index.labels.values[task][chosen])
        known = torch.from_numpy(data.index.labels.known[task][chosen])
        smooth = target * (1 - recipe.optimisation.smoothing) + recipe.optimisation.smoothing / len(task)
        total, count = cross_entropy(outputs[task.name][:, 0], smooth, known)
        loss = loss + weight * total / count.clamp(min=1)
    return loss


def _optimiser(network: Network, settings: OptimisationSettings) -> torch.optim.SGD:
    """Return stochastic gradient descent with weight decay on the matrices alone."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": settings.decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.SGD(groups, lr=settings.rate, momentum=0.9, nesterov=True)


def _set_rate(optimiser: torch.optim.Optimizer, settings: OptimisationSettings, epoch: float) -> None:
    """Set the learning rate for a moment counted in epochs: a rise, then a half cosine to zero."""
    if epoch < settings.warmup:
        share = (epoch + 0.01) / settings.warmup
    else:
        done = (epoch - settings.warmup) / max(settings.epochs - settings.warmup, 1)
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


def _with(recipe: Recipe, state: dict[str, Tensor]) -> Network:
    """Return a network of the recipe with given weights."""
    network = Network(tuple(recipe.weights), recipe.preprocessing.channels, recipe.network)
    network.load_state_dict(state)
    return network.eval()


def _resumed(
    run: Path, recipe: Recipe, network: Network, average: dict[str, Tensor], optimiser: torch.optim.SGD
) -> int:
    """Fill network, average and optimiser from the run's last checkpoint; return the next epoch."""
    path = run / "last.safetensors"
    if not path.exists():
        with explained(run):
            run.mkdir(parents=True, exist_ok=True)
            with whole_file(run / "recipe.json") as place:
                place.write_text(json.dumps(recipe.to_json(), indent=2) + "\n")
        return 0
    tensors, record = checkpoint.load(path)
    if Recipe.from_json(record["recipe"]) != recipe:
        raise SettingsError(f"{run}: holds a run of another recipe; choose another folder")
    network.load_state_dict(_part(tensors, "network."))
    for name, value in _part(tensors, "average.").items():
        average[name].copy_(value)
    optimiser.load_state_dict(checkpoint.unflattened(tensors, record["optimiser"], "optimiser"))
    return int(record["epoch"]) + 1


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors under a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _save(
    run: Path,
    recipe: Recipe,
    network: Network,
    average: dict[str, Tensor],
    optimiser: torch.optim.SGD,
    epoch: int,
    scores: dict[str, float],
) -> None:
    """Write the checkpoint from which the run goes on after this epoch."""
    moments, groups = checkpoint.flattened(optimiser.state_dict(), "optimiser")
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.items()}
    record = {
        "epoch": epoch,
        "mien": version("mien"),
        "recipe": recipe.to_json(),
        "scores": scores,
        "optimiser": groups,
    }
    checkpoint.save(run / "last.safetensors", tensors | moments, record)


def _write_row(path: Path, epoch: int, values: dict[str, float]) -> None:
    """Add an epoch's row to a CSV file; rows of epochs that are run again are replaced."""
    rows: list[dict[str, str]] = []
    if path.exists():
        with open(path, newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["epoch"]) < epoch]
    rows.append({"epoch": str(epoch), **{name: f"{value:.6f}" for name, value in values.items()}})
    with whole_file(path) as place, open(place, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[-1]))
        writer.writeheader()
        writer.writerows(rows)
