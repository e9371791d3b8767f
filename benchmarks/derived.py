"""What a bundle makes of labels that nobody gave, in one part of some databases.

    python benchmarks/derived.py BUNDLE prepared/renderings prepared/faces --split test

For each database and action unit: how many faces are labelled and show it, the correlation of the network's
probability with the label's presence (0 to 1), F1 at 0.5 and at the bundle's own threshold; then CCC of
valence and arousal. Labels above one half count as present. A mean leaves out what is undefined.
"""

import argparse
from pathlib import Path

import numpy as np

from mien.arrays import BoolArray, FloatArray
from mien.benchmark.calibrating import gathered
from mien.bundle import Bundle, shipped
from mien.metrics import binary_f1, ccc, mean_defined, pcc
from mien.preparation.prepared import Prepared
from mien.tasks import Task


def main() -> None:
    """Print the tables of each database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", help="a folder, or 'shipped'")
    parser.add_argument("prepared", nargs="+", type=Path, help="databases, prepared for it")
    parser.add_argument("--split", default="test", help="the part that is measured")
    chosen = parser.parse_args()
    bundle = Bundle.load(shipped() if chosen.bundle == "shipped" else Path(chosen.bundle), threads=0)
    for folder in chosen.prepared:
        data = Prepared.open(folder)
        faces = gathered(bundle, [data], chosen.split, quiet=True)
        print(f"\n### {data.index.name}, {chosen.split}: {len(faces):,} faces\n")
        for task in bundle.tasks:
            predicted, truth, known = faces.said[task], faces.truth[task], faces.known[task]
            if task.kind == "binary" and known.any():
                thresholds = bundle.calibration.thresholds(task) if bundle.calibration else {}
                print_units(task, predicted, truth, known, thresholds)
            elif task.kind == "continuous" and known.any():
                for i, label in enumerate(task.labels):
                    mine = known[:, i]
                    print(
                        f"{label}: CCC {ccc(truth[mine, i], predicted[mine, i]):.3f} on {mine.sum():,} faces"
                    )


def print_units(
    task: Task, predicted: FloatArray, truth: FloatArray, known: BoolArray, thresholds: dict[str, float]
) -> None:
    """Print a row for each unit with labels, and their mean; arrays are (n, units)."""
    print("| unit | faces | present | correlation | F1 at 0.5 | F1 at its threshold |")
    print("|---|---|---|---|---|---|")
    rows = []
    for i, unit in enumerate(task.labels):
        mine = known[:, i]
        if not mine.any():
            continue
        own, probability = truth[mine, i], predicted[mine, i]
        half = binary_f1(own > 0.5, probability >= 0.5)
        best = binary_f1(own > 0.5, probability >= thresholds[unit]) if unit in thresholds else float("nan")
        rows.append((pcc(own, probability), half, best))
        share = f"{(own > 0.5).mean():.1%}"
        print(f"| {unit} | {mine.sum():,} | {share} | {rows[-1][0]:.3f} | {half:.3f} | {best:.3f} |")
    means = [mean_defined(np.array(column))[0] for column in zip(*rows, strict=True)]
    print(f"| mean | | | {means[0]:.3f} | {means[1]:.3f} | {means[2]:.3f} |\n")


if __name__ == "__main__":
    main()
