"""Which action units the landmarker can tell: docs/derived.md's tables, of folders that `mien derive` wrote.

    python benchmarks/blendshapes.py derived/fer2013 derived/faces --landmarker mediapipe/

For each folder: how the activation of each unit's shape is spread, how well it repeats on the mirror image,
and, on some of its pictures, after a shift and two blurs; then what became of it as labels; and, where people
voted, the mean activation by expression.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from mien.arrays import BoolArray, FloatArray, Image
from mien.databases.index import Index
from mien.derived.deriving import SURE, activations_of, units_of
from mien.derived.landmarker import Landmarker
from mien.derived.observing import Seen
from mien.derived.units import SHAPES, TOLD, presence
from mien.faces.detection import Mtcnn, in_crop
from mien.media.pictures import read_picture
from mien.tasks import ACTION_UNITS_18, EXPRESSION_8_CONTEMPT

UNITS = ACTION_UNITS_18.labels
SHIFT = 2 / 48
"""Of the shifted copy, as a share of the picture's width: 2 pixels of a FER2013 picture."""

BLURS = (0.5 / 48, 1 / 48)
"""Standard deviations of the blurred copies' Gaussian, likewise."""


def main() -> None:
    """Print the tables of each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="that mien derive wrote")
    parser.add_argument("--landmarker", type=Path, help="its files; without them no copies are looked at")
    parser.add_argument("--pictures", type=int, default=300, help="of each folder that copies are made of")
    chosen = parser.parse_args()
    for folder in chosen.folders:
        index, seen = Index.load(folder / "manifest.parquet"), Seen.load(folder / "seen.npz")
        copies = None
        if chosen.landmarker:
            copies = repeated(index, folder, Landmarker(chosen.landmarker), chosen.pictures)
        print(f"\n### {index.name}\n")
        sure = seen.presences.min(axis=1) >= SURE
        print(
            f"{len(index):,} pictures; the detector found a face in {seen.found.mean():.1%}, the landmarker "
            f"was sure of one in {sure.mean():.1%}: of {sure[seen.found].mean():.1%} of those that the "
            f"detector found, of {sure[~seen.found].mean():.1%} of the others.\n"
        )
        print_spread(activations_of(seen)[sure], copies)
        print_labels(seen)
        if EXPRESSION_8_CONTEMPT in index.labels.values:
            print_expressions(index, seen, sure)


def repeated(index: Index, folder: Path, landmarker: Landmarker, count: int) -> list[FloatArray]:
    """Return units' activations of some pictures as they are, shifted and blurred, (m, 18) each.

    Only pictures count in which the landmarker is sure of a face in all of these.
    """
    rows = np.random.default_rng(0).choice(len(index), min(count, len(index)), replace=False)
    detector, said = Mtcnn(), []
    for row in tqdm(rows.tolist(), desc="copies", unit="pictures", leave=False):
        picture = read_picture(folder / index.media.at(row))
        copies = (picture, shifted(picture), *(blurred(picture, deviation) for deviation in BLURS))
        shapes = [landmarker.see_twice(copy, in_crop(detector, copy)[0]) for copy in copies]
        if all(shape.presence >= SURE for both in shapes for shape in both):
            said.append(shapes)
    return [
        activations_of(
            Seen(
                np.array([[shape.activations for shape in shapes[which]] for shapes in said]),
                np.array([[shape.gap for shape in shapes[which]] for shapes in said]),
                np.ones((len(said), 2), np.float32),
                np.ones(len(said), bool),
            )
        ).mean(axis=1)
        for which in range(2 + len(BLURS))
    ]


def shifted(picture: Image) -> Image:
    """Return a picture moved to the right and down, its first pixels repeated."""
    by = round(SHIFT * picture.shape[1])
    wide = cv2.copyMakeBorder(picture, by, 0, by, 0, cv2.BORDER_REPLICATE)
    return np.asarray(wide[: picture.shape[0], : picture.shape[1]], np.uint8)


def blurred(picture: Image, deviation: float) -> Image:
    """Return a picture blurred by a Gaussian, whose deviation is a share of the picture's width."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), deviation * picture.shape[1]), np.uint8)


def correlation(a: FloatArray, b: FloatArray) -> float:
    """Return Pearson's correlation; NaN where one side does not vary."""
    if not (np.std(a) > 1e-6 and np.std(b) > 1e-6):
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def print_spread(views: FloatArray, copies: list[FloatArray] | None) -> None:
    """Print how activations (n, 2, 18) are spread, and how they repeat."""
    print(
        "| unit | shape | told | SD | median | 90 % | 99 % | mirror | mean of both | shift "
        "| slight blur | blur |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for place, unit in enumerate(UNITS):
        own = views[:, :, place]
        mean, repeat = own.mean(axis=1), correlation(own[:, 0], own[:, 1])
        low, high, top = np.percentile(mean, [50, 90, 99])
        moved = [np.nan] * (1 + len(BLURS))
        if copies:
            moved = [correlation(copies[0][:, place], copy[:, place]) for copy in copies[1:]]
        figures = [mean.std(), low, high, top]
        repeats = [repeat, 2 * repeat / (1 + repeat), *moved]
        print(
            f"| {unit} | {SHAPES.get(unit, 'gap of the lips')} | {'yes' if unit in TOLD else 'no'} | "
            f"{' | '.join(f'{figure:.3f}' for figure in figures)} | "
            f"{' | '.join('-' if np.isnan(r) else f'{r:.2f}' for r in repeats)} |"
        )
    print()


def print_labels(seen: Seen) -> None:
    """Print what became of activations as labels."""
    units, views = units_of(seen), activations_of(seen)
    print("| unit | absent up to | present from | known | present | in between | both views agree |")
    print("|---|---|---|---|---|---|---|")
    for unit, points in TOLD.items():
        place = UNITS.index(unit)
        known: BoolArray = np.isfinite(units[:, place])
        values = units[known, place]
        single = [presence(views[known, view, place], *points) > 0.5 for view in range(2)]
        shares = (
            known.mean(),
            (values > 0.5).mean(),
            ((values > 0) & (values < 1)).mean(),
            (single[0] == single[1]).mean(),
        )
        print(f"| {unit} | {points[0]:g} | {points[1]:g} | {' | '.join(f'{s:.1%}' for s in shares)} |")
    print()


def print_expressions(index: Index, seen: Seen, sure: BoolArray) -> None:
    """Print the mean activation of each unit's shape where most voted for an expression."""
    task = EXPRESSION_8_CONTEMPT
    most = index.labels.known[task] & (index.labels.values[task] > 0.5) & sure[:, None]
    mean = activations_of(seen).mean(axis=1)
    print(f"| unit | {' | '.join(task.labels)} |")
    print(f"|---|{'---|' * len(task)}")
    for place, unit in enumerate(UNITS):
        shown = [mean[most[:, label], place].mean() for label in range(len(task))]
        print(f"| {unit} | {' | '.join(f'{value:.2f}' for value in shown)} |")
    print(f"| pictures | {' | '.join(f'{count:,}' for count in most.sum(axis=0))} |")


if __name__ == "__main__":
    main()
