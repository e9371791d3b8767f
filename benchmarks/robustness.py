"""How a network holds out against damage, and how still it is where nothing happens.

    python benchmarks/robustness.py BUNDLE PREPARED --split validation -o OUT/
    python benchmarks/robustness.py shipped prepared/fer2013 --split validation -o docs/pictures/robustness
        --originals FOLDER --photos PHOTOS --page docs/robustness.md

Of a prepared database some rows of one part are drawn by chance, of those with a crop of their own which do
not also stand in the training part. Measured are, clean and at each strength of each damage: the figure
against the labels of every task that has any (of several protocols with the same labels the first), the mean
top probability, the uncertainty (entropy as a share of its greatest), and the mean change of the outputs.
Beside it: the change when the crop is taken one and two pixels further on, and the flicker of a still face in
video.

Of a calibrated bundle also measured are the sizes of its sets, the widths of its intervals, the share of both
that hold the label, and action units at its own thresholds.

Damage is done to the stored crops, which are aligned already and wider than what the network is given. With
--originals (the database's own folder, whose pictures must be tight crops of faces) and --photos it is done
to pictures too, in which the face is then looked for and aligned. OUT then holds robustness.md,
robustness.csv and curves; --page also puts the text between two marked lines of a Markdown file.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import flicker
import numpy as np
from damage import DAMAGES, Change, Strength, moved
from damageable import Faces, Pictures, Sample, StoredCrops, originals
from robustness_page import (
    AGAINST_LABELS,
    COVERAGE,
    SET,
    THRESHOLDS,
    WIDTH,
    Row,
    curves,
    markdown,
    put_into,
    write_csv,
)
from tqdm import tqdm

from mien.arrays import BoolArray, FloatArray, Image
from mien.benchmark.figures import interval, mean_of_folds
from mien.benchmark.reporting import voices_of
from mien.benchmark.tally import Tally
from mien.bundle import Bundle, Predictor, shipped
from mien.calibration import Calibration
from mien.databases.catalog import Metric, Protocol
from mien.errors import MienError
from mien.faces.detection import Mtcnn
from mien.files import whole_file
from mien.inputs import middle
from mien.preparation.prepared import Prepared
from mien.records import Predictions
from mien.tasks import Kind

METRIC: dict[Kind, Metric] = {
    "categorical": "accuracy",
    "binary": "binary F1",
    "continuous": "CCC",
    "intensity": "ICC(3,1)",
}
"""What is measured against labels; of units and values the mean over labels."""

AT_ONCE = 256

YAW = (0, 10, 20, 30, 45, 60, 90)
"""Edges of the bins of the angle to either side, in degrees."""

AROUND = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)]
"""The eight directions in which a crop is moved."""

CURVES = {
    "scores": ("Scores, damage done to stored crops", "stored crops", AGAINST_LABELS),
    "uncertainty": (
        "Uncertainty (share of the greatest entropy), damage done to stored crops",
        "stored crops",
        ("uncertainty",),
    ),
    "sets": ("Mean number of classes in a set, damage done to stored crops", "stored crops", (SET,)),
    "intervals": ("Mean width of intervals, damage done to stored crops", "stored crops", (WIDTH,)),
    "pictures": (
        "Scores and share of faces found, damage done to original pictures",
        "original pictures",
        (*AGAINST_LABELS, "found"),
    ),
}
"""File -> title, what is damaged, and the figures that are drawn."""


def main() -> None:
    """Measure, and write what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, help="'shipped' is the bundle inside the package")
    parser.add_argument("prepared", type=Path)
    parser.add_argument("--split", default="validation", choices=["train", "validation", "test"])
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder for the page, table and curves"
    )
    parser.add_argument("--rows", type=int, default=1000, help="faces that are drawn (default 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--originals", type=Path, help="the database's own folder")
    parser.add_argument("--original-rows", type=int, default=150, help="of these so many (default 150)")
    parser.add_argument("--photos", type=Path, help="folder of portraits, one face each")
    parser.add_argument("--page", type=Path, help="Markdown file to put the text into")
    options = parser.parse_args()
    try:
        run(options)
    except MienError as error:
        raise SystemExit(f"robustness: {error}") from error


def run(options: argparse.Namespace) -> None:
    """Do what the command says.

    Raises:
        MienError: something cannot be read, used or written.
    """
    bundle = Bundle.load(shipped() if str(options.bundle) == "shipped" else options.bundle)
    data = Prepared.open(options.prepared)
    sample = Sample.drawn(data, bundle, options.split, options.rows, options.seed)
    photos = flicker.portraits(options.photos) if options.photos else {}
    options.output.mkdir(parents=True, exist_ok=True)
    crops = StoredCrops(bundle, sample)
    sources: list[Faces] = [crops]
    if options.originals:
        some = sample.some(options.original_rows)
        pictures = originals(options.originals, some.index)
        sources.append(Pictures("original pictures", pictures, bundle, Mtcnn(), some))
    if photos:
        sources.append(Pictures("photographs", list(photos.values()), bundle, Mtcnn(), None))
    rows = [row for source in sources for row in damaged(bundle, source, options.seed)]
    rows += [*turned_heads(bundle, crops), *stability(bundle, crops)]
    if photos:
        rows += tqdm(flicker.measured(bundle, photos), desc="still videos", unit=" figures", leave=False)
    write(rows, facts(bundle, sample, sources, options), options.output, options.page)


def damaged(predictor: Predictor, faces: Faces, seed: int = 0) -> Iterator[Row]:
    """Yield the figures of some faces, clean and damaged in every way at every strength."""
    conditions: list[tuple[str, Strength, Change | None]] = [("none", "", None)]
    for damage in DAMAGES:
        change = faces.change(damage)
        if change is not None:
            conditions += [(damage.name, strength, change) for strength in damage.strengths]
    clean: Predictions | None = None
    before: BoolArray | None = None
    for number, (name, strength, change) in enumerate(tqdm(conditions, faces.name, unit=" conditions")):
        crops, found = faces.crops(change, strength, seed + number)
        predictions = said(predictor, crops)
        if clean is None or before is None:
            clean, before = predictions, found
        counted = found & before if faces.sample is None else np.ones(len(found), bool)
        yield Row(faces.name, name, strength, "", "found", float(found.mean()), n=len(found))
        if faces.sample is not None:
            for protocol in faces.sample.protocols:
                yield from scored(
                    predictor, protocol, faces.sample, predictions, (faces.name, name, strength)
                )
        of = (faces.name, name, strength)
        yield from described(predictions[counted], clean[counted], of, predictor.calibration)


def said(predictor: Predictor, crops: Image) -> Predictions:
    """Return what is said of crops (n, size, size[, 3])."""
    parts = [
        predictor.predict(predictor.preprocessing.arrays(crops[start : start + AT_ONCE]))
        for start in range(0, len(crops), AT_ONCE)
    ]
    return Predictions({task: np.concatenate([p.values[task] for p in parts]) for task in predictor.tasks})


def scored(
    predictor: Predictor,
    protocol: Protocol,
    sample: Sample,
    predictions: Predictions,
    of: tuple[str, str, Strength],
    counted: BoolArray | None = None,
) -> Iterator[Row]:
    """Yield the figures of predictions against labels, counted as `mien evaluate` counts them.

    Where the predictor is calibrated they are also of its own thresholds of action units, and the share of
    its sets, or of its intervals, that hold what the label says.

    Args:
        predictor: who predicted.
        protocol: whose labels.
        sample: n rows.
        predictions: n rows.
        of: what was damaged, how, and how much.
        counted: (n,) rows to count; None for all.
    """
    every = np.arange(len(sample.rows))
    stated = predictor.calibration
    known = stated.thresholds(protocol.task) if stated is not None else {}
    thresholds = np.array([known[label] for label in protocol.labels]) if known else None
    rows = every if counted is None else np.flatnonzero(counted)
    tally = Tally(protocol, sample.index, rows, thresholds=thresholds, stated=stated)
    tally.add(every, predictions, np.ones(len(every), bool), np.zeros(len(every), bool))
    tally.finish()
    voices = voices_of(replace(sample.data, index=sample.index), [tally])
    metric, n = METRIC[protocol.task.kind], tally.counts["counted"]
    for voice, figure in (("model", metric), ("validation", THRESHOLDS)):
        if voice in voices:
            low, high = interval(metric, "rows", voices[voice])
            value = mean_of_folds(metric, "rows", voices[voice])
            yield Row(*of, protocol.name, figure, value, low, high, n)
    if tally.held:
        number, inside, _ = np.sum(list(tally.held.values()), axis=0)
        yield Row(*of, protocol.name, COVERAGE, float(inside / number) if number else float("nan"), n=n)


def described(
    predictions: Predictions,
    clean: Predictions,
    of: tuple[str, str, Strength],
    stated: Calibration | None = None,
) -> Iterator[Row]:
    """Yield what needs no labels: probabilities, uncertainty, sets and intervals, the change of the outputs.

    Args:
        predictions: of n damaged faces.
        clean: of the same faces undamaged.
        of: what was damaged, how, and how much.
        stated: what gives sets and intervals, where there is any.
    """
    n = len(predictions)
    for task, values in predictions.values.items():
        if not n:
            continue
        if task.kind in ("categorical", "binary"):
            top = values.max(axis=1) if task.kind == "categorical" else np.maximum(values, 1 - values)
            yield Row(*of, task.name, "top probability", float(top.mean()), n=n)
            yield Row(*of, task.name, "uncertainty", float(uncertainty(task.kind, values).mean()), n=n)
        if task.kind == "categorical":
            renamed = values.argmax(axis=1) != clean.values[task].argmax(axis=1)
            yield Row(*of, task.name, "renamed", float(renamed.mean()), n=n)
        if stated is not None and stated.has_sets(task):
            sets = stated.sets(task, predictions.values)
            yield Row(*of, task.name, SET, float(sets.sum(axis=1).mean()), n=n)
        if stated is not None and stated.has_intervals(task):
            ends = stated.intervals(task, predictions.values)
            yield Row(*of, task.name, WIDTH, float((ends[..., 1] - ends[..., 0]).mean()), n=n)
        change = np.abs(values - clean.values[task]).mean()
        yield Row(*of, task.name, "change", float(change), n=n)


def uncertainty(kind: Kind, values: FloatArray) -> FloatArray:
    """Return the entropy (Shannon 1948) of each face's probabilities as a share of its greatest, (n,).

    Of units that are each present or absent it is the mean of theirs.

    Args:
        kind: of the task.
        values: (n, labels).
    """
    shares = np.clip(values.astype(np.float64), 1e-12, 1)
    if kind == "categorical":
        return np.asarray(-(shares * np.log(shares)).sum(axis=1) / np.log(values.shape[1]))
    absent = np.clip(1 - shares, 1e-12, 1)
    return np.asarray(-(shares * np.log2(shares) + absent * np.log2(absent)).mean(axis=1))


def turned_heads(predictor: Predictor, faces: StoredCrops) -> Iterator[Row]:
    """Yield the figures of undamaged faces by how far they are turned to a side.

    It needs a column `yaw` of the index, in degrees.
    """
    sample = faces.sample
    if sample is None or "yaw" not in sample.index.columns:
        return
    angles = np.abs(np.asarray(sample.index.columns["yaw"], np.float64))
    predictions = said(predictor, faces.crops(None, "", 0)[0])
    for low, high in pairwise(YAW):
        inside = (angles >= low) & (angles < high)
        if inside.any():
            of = (faces.name, "yaw", f"{low} to {high}")
            for protocol in sample.protocols:
                yield from scored(predictor, protocol, sample, predictions, of, inside)
            rows = described(predictions[inside], predictions[inside], of, predictor.calibration)
            yield from (row for row in rows if row.figure not in ("change", "renamed"))


def stability(predictor: Predictor, faces: StoredCrops) -> Iterator[Row]:
    """Yield how outputs change when the crop is taken one and two pixels further on, in eight directions."""
    size = predictor.preprocessing.size
    clean = said(predictor, middle(faces.stored, size))
    for pixels in (1, 2):
        others = [
            said(predictor, moved(faces.stored, size, pixels * x, pixels * y))
            for x, y in tqdm(AROUND, f"moved by {pixels}", unit=" directions", leave=False)
        ]
        for task, values in clean.values.items():
            changes = np.stack([np.abs(other.values[task] - values) for other in others])
            anew = [(o.values[task].argmax(axis=1) != values.argmax(axis=1)).mean() for o in others]
            figures = {
                "mean change": changes.mean(),
                "mean change, most changed": changes.mean(axis=(0, 1)).max(),
                "95th percentile": np.percentile(changes, 95),
                "renamed": np.mean(anew) if task.kind == "categorical" else np.nan,
            }
            for name, figure in figures.items():
                yield Row(
                    faces.name, "pixels", pixels, task.name, name, float(figure), n=changes[..., 0].size
                )


def facts(bundle: Bundle, sample: Sample, sources: Sequence[Faces], options: argparse.Namespace) -> list[str]:
    """Return what was measured, a line each."""
    stored, wanted = sample.data.preprocessing.size, bundle.preprocessing.size
    release = sample.data.manifest.get("release") or sample.data.index.database
    lines = [
        f"Network: {bundle.card.get('name')}, SHA-256 {str(bundle.card.get('sha256'))[:12]}.",
        f"Faces: {len(sample.rows):,} of {release}, part {options.split!r}; seed {options.seed}.",
        f"Stored crops: {stored} pixels wide, of which the network sees the middle {wanted}.",
    ]
    if options.originals:
        some = next(s.sample for s in sources if s.name == "original pictures")
        lines.append(f"Original pictures: {len(some.rows) if some else 0:,} of these faces, tight crops.")
    if options.photos:
        lines.append(f"Photographs: {len(flicker.portraits(options.photos))}, without labels.")
    return lines


def write(rows: Sequence[Row], told: Sequence[str], folder: Path, page: Path | None) -> None:
    """Write robustness.md, robustness.csv and the curves, and put the text into a page.

    Raises:
        OutputError: something cannot be written.
    """
    write_csv(rows, folder / "robustness.csv")
    pictures: dict[str, str] = {}
    for name, (title, shown, figures) in CURVES.items():
        if any(row.shown == shown and row.figure in figures for row in rows):
            with whole_file(folder / f"{name}.png") as part:
                part.write_bytes(curves(rows, shown, figures, f"{title}; thin lines: undamaged"))
            pictures[title] = f"{name}.png"
    with whole_file(folder / "robustness.md") as part:
        part.write_text(f"# Robustness\n\n{markdown(rows, told, pictures)}", encoding="utf-8")
    if page is not None:
        below = os.path.relpath(folder, page.parent)
        linked = {title: f"{Path(below).as_posix()}/{file}" for title, file in pictures.items()}
        put_into(page, markdown(rows, told, linked, brief=True))
    print(f"{folder}: robustness.md, robustness.csv{''.join(f', {name}' for name in pictures.values())}")


if __name__ == "__main__":
    main()
