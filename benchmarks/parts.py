"""What each part of the network is for: every stage of a run scored on the test part, label by label.

    python benchmarks/parts.py runs/affect prepared/affect

The run is of recipes/affect.toml, whose made database shows valence only in the face, arousal only in the
sound and action units only in motion. Prints a Markdown table of CCC, accuracy and F1 of the test part.
"""

import argparse
from pathlib import Path

import numpy as np

from mien.learning.sampling import Material
from mien.learning.training import load_network
from mien.learning.validation import said
from mien.metrics import accuracy, binary_f1, ccc
from mien.preparation.prepared import Prepared
from mien.tasks import TASKS


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("prepared", type=Path)
    options = parser.parse_args()
    data = Prepared.open(options.prepared)
    print("| stage | valence CCC | arousal CCC | expression accuracy | AU01 F1 | AU02 F1 |")
    print("|---|---|---|---|---|---|")
    for best in sorted(options.run.glob("*/best.safetensors"), key=lambda path: path.stat().st_mtime):
        cells = [
            scores(best, data).get(name) for name in ("valence", "arousal", "expression", "AU01", "AU02")
        ]
        print(f"| {best.parent.name} | " + " | ".join("" if c is None else f"{c:.2f}" for c in cells) + " |")
    truth = data.index[data.index.split.matches("test")].labels
    units = TASKS["action_units_8"]
    always = [binary_f1(truth.values[units][:, k] > 0.5, np.ones(len(truth), bool)) for k in (0, 1)]
    print(f"| always present | | | | {always[0]:.2f} | {always[1]:.2f} |")


def scores(best: Path, data: Prepared) -> dict[str, float]:
    """Return the scores of a checkpoint's network by label."""
    network, recipe, _ = load_network(best)
    frames = recipe.sampling.frames
    hearing = recipe.hearing if network.hears else None
    material = Material([data], network.tasks, "test", frames, frames, hearing)
    found: dict[str, float] = {}
    for task, predictions in said(network, recipe, material).items():
        values, _ = material.truth(task, np.arange(len(material)))
        truth, guess = (array.reshape(-1, len(task)) for array in (values, predictions))
        if task.kind == "categorical":
            found["expression"] = accuracy(truth.argmax(axis=1), guess.argmax(axis=1))
        for place, label in enumerate(task.labels):
            if task.kind == "continuous":
                found[label] = ccc(truth[:, place], guess[:, place])
            elif task.kind == "binary" and label in ("AU01", "AU02"):
                found[label] = binary_f1(truth[:, place] > 0.5, guess[:, place] > 0.5)
    return found


if __name__ == "__main__":
    main()
