"""How every stage of a run does on a part of a prepared database, label by label.

    python benchmarks/stages.py RUN PREPARED [--split test]

Prints a Markdown table: of valence and arousal CCC, of expressions accuracy, mean F1 of the classes that
occur, and the angles within and between them (degrees, of what the head's last layer is given), of action
units F1 at 0.5. Stages whose names differ in a last number alone, as NAME_0 and NAME_1, are runs with other
seeds: their mean is given with half the width of the 95 % interval of Student's t, which says how much
seeds differ, not how much another set of pictures would.
"""

import argparse
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from mien.learning.heads import MarginHead, angles
from mien.learning.network import Network
from mien.learning.recipe import Recipe
from mien.learning.sampling import Material
from mien.learning.training import load_network
from mien.learning.validation import arrays, said
from mien.metrics import accuracy, binary_f1, ccc, recalls
from mien.preparation.prepared import Prepared
from mien.tasks import Task

AT_ONCE = 256
"""Frames that are looked at together."""

STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""Number of runs -> 97.5 % quantile of Student's t with one degree of freedom less."""


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--split", default="test", choices=["validation", "test"])
    options = parser.parse_args()
    data = Prepared.open(options.prepared)
    groups: dict[str, list[dict[str, float]]] = defaultdict(list)
    for best in sorted(options.run.glob("*/best.safetensors"), key=lambda path: path.stat().st_mtime):
        groups[re.sub(r"_\d+$", "", best.parent.name)].append(scores(best, data, options.split))
    columns = list(dict.fromkeys(name for runs in groups.values() for run in runs for name in run))
    print("| stage | runs | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 2) + "|")
    for name, runs in groups.items():
        cells = [cell(column, [run[column] for run in runs if column in run]) for column in columns]
        print(f"| {name} | {len(runs)} | " + " | ".join(cells) + " |")


def cell(column: str, values: list[float]) -> str:
    """Return a mean and, of several runs, half the width of its interval."""
    if not values:
        return ""
    digits = 1 if "angle" in column else 3
    mean = f"{np.mean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    half = STUDENT[len(values)] * np.std(values, ddof=1) / np.sqrt(len(values))
    return f"{mean} ± {half:.{digits}f}"


def scores(best: Path, data: Prepared, split: str) -> dict[str, float]:
    """Return the scores of a checkpoint's network by label."""
    network, recipe, _ = load_network(best)
    frames = recipe.sampling.frames
    hearing = recipe.hearing if network.hears else None
    material = Material([data], network.tasks, split, frames, frames, hearing, fresh=True)
    found: dict[str, float] = {}
    for task, predictions in said(network, recipe, material).items():
        values, known = (
            cells.reshape(-1, len(task)) for cells in material.truth(task, np.arange(len(material)))
        )
        guess = predictions.reshape(-1, len(task))
        if task.kind == "categorical":
            clear = known.all(axis=1) & (values.max(axis=1, initial=0) > 0.5)
            truth, chosen = values[clear].argmax(axis=1), guess[clear].argmax(axis=1)
            found[f"{task.name} accuracy"] = accuracy(truth, chosen)
            occurring = np.unique(truth)
            found[f"{task.name} mean F1"] = float(
                np.mean([binary_f1(truth == k, chosen == k) for k in occurring])
            )
            found[f"{task.name} mean recall"] = float(np.nanmean(recalls(truth, chosen, len(task))))
            within, between = spread(
                network, recipe, material, task, np.where(clear, values.argmax(axis=1), -1)
            )
            found |= {"angle within": within, "angle between": between}
            continue
        for place, label in enumerate(task.labels):
            mine = known[:, place]
            if mine.any():
                truth, told = values[mine, place], guess[mine, place]
                scored = ccc(truth, told) if task.kind == "continuous" else binary_f1(truth > 0.5, told > 0.5)
                found[f"{label} {'CCC' if task.kind == 'continuous' else 'F1'}"] = scored
    return found


@torch.no_grad()
def spread(
    network: Network, recipe: Recipe, material: Material, task: Task, classes: np.ndarray
) -> tuple[float, float]:
    """Return the angles within and between classes (rows,), -1 for unknown, before the head's last layer."""
    head = network.heads[task.name]
    parts = []
    step = max(1, AT_ONCE // recipe.sampling.frames)
    for start in range(0, len(material), step):
        clips = np.arange(start, min(start + step, len(material)))
        faces, sound = arrays(recipe, material.batch(clips, network.sees), torch.device("cpu"))
        features, _ = network.features(faces, sound, None)
        parts.append((head.embedded(features) if isinstance(head, MarginHead) else features).flatten(0, 1))
    found = angles(torch.cat(parts), torch.from_numpy(classes))
    return found.within, found.between


if __name__ == "__main__":
    main()
