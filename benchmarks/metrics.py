"""What metrics cost over millions of rows, against the same reductions written out in bare numpy.

    python benchmarks/metrics.py [--rows 3000000] [--groups 600]

Makes labels and predictions of the multi-task protocol (valence and arousal, eight expressions, twelve action
units with a mask for each cell) and measures, in one run and in turn, mien's functions and bare reductions
of the same arrays: means, variances and a covariance in double precision; one bincount; sums of masked
conjunctions. Bare reductions check nothing, know no groups and give only the one metric. Prints a Markdown
table: processor seconds, the median of several runs, the most memory that each allocates, and how far the
two results are apart. Run it with OMP_NUM_THREADS=1.
"""

import argparse
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mien.arrays import BoolArray, FloatArray, IntArray
from mien.metrics import Confusion, Moments, Outcomes, abaw_mean, abaw_multi_task, auc, ccc, macro_f1, mse

RUNS = 5
CLASSES = 8
UNITS = 12
SAMPLES = 1000


@dataclass(frozen=True)
class Data:
    """Truth, prediction and mask of the three tasks, and the video of each row."""

    affect: tuple[FloatArray, FloatArray]
    expression: tuple[IntArray, IntArray]
    units: tuple[BoolArray, BoolArray, BoolArray]
    video: IntArray

    @classmethod
    def made(cls, rows: int, videos: int) -> "Data":
        """Return rows drawn by chance, in videos of different lengths that lie one after another."""
        rng = np.random.default_rng(0)
        affect = rng.uniform(-1, 1, (rows, 2)).astype(np.float32)
        expression = rng.integers(0, CLASSES, rows)
        units = rng.random((rows, UNITS), np.float32) < 0.2
        return cls(
            (affect, np.clip(affect + rng.normal(0, 0.4, affect.shape), -1, 1).astype(np.float32)),
            (expression, np.where(rng.random(rows) < 0.4, expression, rng.integers(0, CLASSES, rows))),
            (units, units ^ (rng.random(units.shape, np.float32) < 0.1), rng.random(units.shape) < 0.9),
            np.sort(rng.integers(0, videos, rows)),
        )


def bare_ccc(truth: FloatArray, prediction: FloatArray) -> float:
    """Return CCC by five reductions."""
    t, p = truth.astype(np.float64), prediction.astype(np.float64)
    together = np.mean((t - t.mean()) * (p - p.mean()))
    return float(2 * together / (t.var() + p.var() + (t.mean() - p.mean()) ** 2))


def bare_mse(truth: FloatArray, prediction: FloatArray) -> float:
    """Return the mean squared error by one reduction."""
    return float(np.mean((truth.astype(np.float64) - prediction) ** 2))


def bare_macro_f1(truth: IntArray, prediction: IntArray) -> float:
    """Return macro F1 by one count."""
    counts = np.bincount(truth * CLASSES + prediction, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    return float(np.mean(2 * np.diag(counts) / (counts.sum(axis=0) + counts.sum(axis=1))))


def bare_mean_f1(truth: BoolArray, prediction: BoolArray, known: BoolArray) -> float:
    """Return the mean F1 of all labels by three masked sums."""
    told, true = prediction & known, truth & known
    hits = (told & true).sum(axis=0)
    return float(np.mean(2 * hits / (told.sum(axis=0) + true.sum(axis=0))))


def mtl(data: Data) -> float:
    """Return the multi-task score of ABAW."""
    affect = abaw_mean(Moments.of(*data.affect).ccc()[0])
    mean_f1 = Outcomes.of(*data.units).f1(empty=0)[0].mean()
    return float(abaw_multi_task(affect, macro_f1(*data.expression, CLASSES), mean_f1))


def bare_mtl(data: Data) -> float:
    """Return the same from bare reductions."""
    affect = np.mean([bare_ccc(data.affect[0][:, i], data.affect[1][:, i]) for i in range(2)])
    return float(affect) + bare_macro_f1(*data.expression) + bare_mean_f1(*data.units)


def by_video(data: Data) -> float:
    """Return the multi-task score from statistics of each video."""
    count = int(data.video[-1]) + 1
    affect = Moments.of(*data.affect, groups=data.video, count=count).sum()
    chosen = Confusion.of(*data.expression, CLASSES, groups=data.video, count=count).sum()
    outcomes = Outcomes.of(*data.units, data.video, count).sum()
    return float(abaw_multi_task(abaw_mean(affect.ccc()), chosen.macro_f1(), outcomes.f1(empty=0).mean()))


def main() -> None:
    """Measure and print Markdown tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--groups", type=int, default=600, help="videos")
    options = parser.parse_args()
    data = Data.made(options.rows, options.groups)
    one = data.affect[0][:, 0].copy(), data.affect[1][:, 0].copy()
    double = one[0].astype(np.float64), one[1].astype(np.float64)
    pairs: list[tuple[str, Callable[[], float], Callable[[], float]]] = [
        ("CCC, one label", lambda: ccc(*one), lambda: bare_ccc(*one)),
        ("CCC, one label, float64", lambda: ccc(*double), lambda: bare_ccc(*double)),
        ("MSE, one label", lambda: mse(*one), lambda: bare_mse(*one)),
        (
            f"macro F1, {CLASSES} classes",
            lambda: macro_f1(*data.expression, CLASSES),
            lambda: bare_macro_f1(*data.expression),
        ),
        (
            f"mean F1, {UNITS} action units, masked",
            lambda: float(Outcomes.of(*data.units).f1(empty=0).mean()),
            lambda: bare_mean_f1(*data.units),
        ),
        ("multi-task protocol", lambda: mtl(data), lambda: bare_mtl(data)),
        (f"multi-task protocol by {options.groups} videos", lambda: by_video(data), lambda: bare_mtl(data)),
    ]
    print(f"{options.rows} rows\n")
    print("| | mien (s) | bare numpy (s) | ratio | mien (MB) | bare (MB) | apart |")
    print("|---|---|---|---|---|---|---|")
    for name, ours, bare in pairs:
        mine, theirs = measured(ours, bare)
        apart = abs(ours() - bare())
        memory = f"{allocated(ours):.0f} | {allocated(bare):.0f}"
        print(f"| {name} | {mine:.3f} | {theirs:.3f} | {mine / theirs:.2f} | {memory} | {apart:.0e} |")
    print("\n| no bare counterpart | mien (s) |\n|---|---|")
    for name, call in others(data):
        print(f"| {name} | {measured(call)[0]:.4f} |")


def others(data: Data) -> list[tuple[str, Callable[[], object]]]:
    """Return what is measured alone: the bootstrap over videos, and AUC."""
    count = int(data.video[-1]) + 1
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), SAMPLES)
    affect = Moments.of(*data.affect, groups=data.video, count=count)
    chosen = Confusion.of(*data.expression, CLASSES, groups=data.video, count=count)
    outcomes = Outcomes.of(*data.units, data.video, count)
    return [
        (f"{SAMPLES} bootstrap samples of {count} videos, CCC of 2", lambda: affect.sum(weights).ccc()),
        (f"{SAMPLES} of macro F1", lambda: chosen.sum(weights).macro_f1()),
        (f"{SAMPLES} of the F1 of {UNITS}", lambda: outcomes.sum(weights).f1()),
        ("AUC, all rows", lambda: auc(data.units[0][:, 0], data.affect[1][:, 0])),
    ]


def measured(*calls: Callable[[], object]) -> list[float]:
    """Return the median processor seconds of calls, taken in turn."""
    seconds: list[list[float]] = [[] for _ in calls]
    for _ in range(RUNS):
        for place, call in enumerate(calls):
            start = time.process_time()
            call()
            seconds[place].append(time.process_time() - start)
    return [statistics.median(times) for times in seconds]


def allocated(call: Callable[[], object]) -> float:
    """Return the most megabytes that a call holds at once."""
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most / 1e6


if __name__ == "__main__":
    main()
