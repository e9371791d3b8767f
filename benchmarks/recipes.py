"""What the shipped recipes cost: weights, memory of a training step, and how much of it is waiting for data.

    python benchmarks/recipes.py [RECIPE.toml ...] [--threads N] [--gigabytes 16]
    python benchmarks/recipes.py [RECIPE.toml ...] --data PREPARED [--threads N] [--device cuda] [--clips 8]

The first prints of each stage the number of weights and the greatest resident memory of a process that takes
one training step (random pictures, sound and labels of the recipe's batch, forward, backward, optimiser; its
moments and the running average are there already, torch itself is counted in). Stages whose step does not fit
in the memory given are tried with half the clips again and again; the batch is stated. Precision is 32 bits.

The second trains on a prepared database and compares the steps of training as it is (crops read and decoded,
changed by chance, sound transformed, weights averaged) with steps on one batch that lies in memory already.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from mien.learning.network import Network
from mien.learning.optimisation import move_average, optimiser, precision
from mien.learning.recipe import Recipe, read
from mien.learning.training import _begin, _Run
from mien.preparation.prepared import Prepared

RECIPES = Path(__file__).parents[1] / "recipes"
STEPS = 12
"""Steps of one round; the first is not counted."""

ROUNDS = 5
"""Rounds of each kind, in turn, so that what else the machine does falls on both."""


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipes", type=Path, nargs="*", default=sorted(RECIPES.glob("*.toml")))
    parser.add_argument("--data", type=Path, help="prepared database for the second table")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--gigabytes", type=float, default=16.0)
    parser.add_argument(
        "--clips", type=int, help="most clips in a step of the second table, for large networks"
    )
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"], help="of the second table")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.data:
        device = torch.device(options.device)
        print_waiting(options.recipes, Prepared.open(options.data), device, options.clips)
    else:
        print_memory(options.recipes, options.threads, options.gigabytes)


# Memory


def print_memory(paths: list[Path], threads: int, gigabytes: float) -> None:
    """Print weights and memory of each stage; stages with the same network and batch are measured once."""
    print("| recipe | stage | weights, millions | clips x frames | peak memory, GB |")
    print("|---|---|---|---|---|", flush=True)
    known: dict[str, tuple[int, float]] = {}
    for path, recipe in stages(paths):
        parts = recipe.to_json()
        key = json.dumps(
            [parts[name] for name in ("tasks", "preprocessing", "hearing", "network", "sampling")]
        )
        if key not in known:
            known[key] = fitting(recipe, threads, gigabytes)
        batch, peak = known[key]
        with torch.device("meta"):
            weights = sum(part.numel() for part in Network(recipe).parameters())
        wanted = recipe.sampling.batch
        clips = str(batch) if batch == wanted else f"{batch} (of {wanted})"
        frames = recipe.sampling.frames
        print(
            f"| {path.stem} | {recipe.name} | {weights / 1e6:.2f} | {clips} x {frames} | {peak:.2f} |",
            flush=True,
        )


def stages(paths: list[Path]) -> Iterator[tuple[Path, Recipe]]:
    """Yield every stage of some recipe files."""
    for path in paths:
        for recipe in read(path):
            yield path, recipe


def fitting(recipe: Recipe, threads: int, gigabytes: float) -> tuple[int, float]:
    """Return the largest batch, halved as often as needed, whose step fits, and its memory in GB."""
    batch = recipe.sampling.batch
    while batch:
        peak = in_own_process(recipe, batch, threads, gigabytes)
        if peak:
            return batch, peak
        batch //= 2
    return 0, float("nan")


def in_own_process(recipe: Recipe, batch: int, threads: int, gigabytes: float) -> float:
    """Return the peak memory of a step in GB, taken in a process of its own; 0 if it does not fit."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=take_step, args=(recipe, batch, threads, gigabytes, theirs))
    process.start()
    theirs.close()
    try:
        peak = float(ours.recv())
    except EOFError:  # it was ended for want of memory
        peak = 0.0
    process.join()
    return peak


def take_step(recipe: Recipe, batch: int, threads: int, gigabytes: float, answer: Connection) -> None:
    """Take a step, and send the greatest memory of this process in GB; 0 where it is not enough."""
    limit = int(gigabytes * 1e9)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    torch.set_num_threads(threads)
    try:
        network = Network(recipe).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = {name: value.clone() for name, value in network.state_dict().items()}
        moving = optimiser(nn.ModuleList([network]), recipe.optimisation)
        for clips, frames in ((2, 1), (batch, recipe.sampling.frames)):
            step(network, moving, recipe, clips, frames)
            move_average(average, network, 0.9)
    except (RuntimeError, MemoryError) as error:
        if "memory" not in str(error):
            raise
        answer.send(0.0)
        return
    answer.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9)


def step(network: Network, moving: torch.optim.Optimizer, recipe: Recipe, clips: int, frames: int) -> None:
    """Take a training step on random input, with a squared loss, which needs no less memory than others."""
    size, channels = recipe.preprocessing.size, recipe.preprocessing.channels
    faces = torch.rand(clips, frames, channels, size, size) * 2 - 1 if network.sees else None
    hearing = recipe.hearing
    sound = torch.rand(clips, frames, 1, hearing.bands, hearing.steps) * 2 - 1 if network.hears else None
    outputs, _ = network.train()(faces, sound)
    loss: Tensor = sum(((out - torch.rand_like(out)) ** 2).mean() for out in outputs.values())
    moving.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), recipe.optimisation.clip)
    moving.step()


# Waiting for data


class EnoughError(Exception):
    """As many steps as wanted were taken."""


class Watch(tqdm):  # type: ignore[misc]
    """A progress bar that notes when steps end, and ends the epoch after some."""

    def __init__(self) -> None:
        super().__init__(disable=True)
        self.times: list[float] = []

    def update(self, _: float | None = 1) -> None:
        """Note the end of a step.

        Raises:
            EnoughError: after STEPS steps.
        """
        self.times.append(time.perf_counter())
        if len(self.times) == STEPS:
            raise EnoughError


def print_waiting(paths: list[Path], data: Prepared, device: torch.device, most: int | None) -> None:
    """Print clips' frames per second of training and of steps on a batch in memory."""
    print("| recipe | stage | clips x frames | training, frames/s | from memory, frames/s | share |")
    print("|---|---|---|---|---|---|", flush=True)
    for path, recipe in stages(paths):
        sampling = replace(recipe.sampling, batch=min(recipe.sampling.batch, most or recipe.sampling.batch))
        alone = replace(recipe, start=(), teacher=(), databases=(), sampling=sampling)
        with tempfile.TemporaryDirectory() as place:
            run = _begin(alone, [data], Path(place), [], None, device)
            training, memory = [], []
            for _ in range(ROUNDS):
                training += as_it_is(run)
                memory += from_memory(run)
        frames = sampling.batch * sampling.frames
        rates = [frames / statistics.median(seconds) for seconds in (training, memory)]
        print(
            f"| {path.stem} | {recipe.name} | {sampling.batch} x {sampling.frames} "
            f"| {rates[0]:.0f} | {rates[1]:.0f} | {rates[0] / rates[1]:.2f} |",
            flush=True,
        )


def as_it_is(run: _Run) -> list[float]:
    """Return the seconds of some steps of training."""
    watch = Watch()
    with contextlib.suppress(EnoughError):
        run._epoch(0, watch)
    return list(np.diff(watch.times))


def from_memory(run: _Run) -> list[float]:
    """Return the seconds of some steps on one batch that was read and changed before."""
    clips = np.arange(run.recipe.sampling.batch)
    faces, sound = run._inputs(
        run.material.batch(clips, run.network.sees), torch.Generator(run.device).manual_seed(0)
    )
    truths = {task: run.material.truth(task, clips) for task in run.material.tasks}
    values = {task: torch.from_numpy(truth[0]).to(run.device) for task, truth in truths.items()}
    known = {task: torch.from_numpy(truth[1]).to(run.device) for task, truth in truths.items()}
    times = []
    for _ in range(STEPS):
        with precision(run.recipe.optimisation, run.device):
            loss, _ = run.trained(faces, sound, values, known, slice(0, len(clips)))
        run.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(run.trained.parameters(), run.recipe.optimisation.clip)
        run.optimiser.step()
        times.append(time.perf_counter())
    return list(np.diff(times))


if __name__ == "__main__":
    main()
