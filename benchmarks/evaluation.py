"""What it costs to count a protocol's figures: time and memory by the number of rows.

    python benchmarks/evaluation.py [--rows 3000000]

Makes an index like Aff-Wild2's (600 videos; valence and arousal, eight expressions, twelve action units, a
tenth of the rows without a label of each) and gives the tallies of VA, EXPR and AU random predictions, 8,192
rows at a time, as `mien evaluate` does; networks and pictures are not part of it. Prints a Markdown table for
a tenth of the rows and for all: seconds, rows per second, and how much the greatest resident memory grew
beyond the index.
"""

import argparse
import multiprocessing
import resource
import time

import numpy as np

from mien.benchmark.evaluation import ROWS
from mien.benchmark.figures import Part, interval, mean_of_folds
from mien.benchmark.tally import Baselines, Tally
from mien.databases import DATABASES
from mien.databases.index import Index
from mien.databases.names import TEXT, Names
from mien.records import Labels, Predictions
from mien.tasks import ACTION_UNITS_12, EXPRESSION_8_OTHER, VALENCE_AROUSAL

VIDEOS = 600


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=3_000_000)
    options = parser.parse_args()
    print("| rows | counting, s | rows/s | figures and intervals, s | index, MB | memory beyond it, MB |")
    print("|---|---|---|---|---|---|", flush=True)
    context = multiprocessing.get_context("spawn")
    for rows in (options.rows // 10, options.rows):
        process = context.Process(target=measure, args=(rows,))
        process.start()
        process.join()


def measure(rows: int) -> None:
    """Print one row of the table; in a process of its own, so that memory is its own too."""
    index = made(rows)
    before = peak()
    everything = np.arange(rows)
    tallies = []
    for protocol in DATABASES["aff_wild2"].protocols[:3]:
        baselines = Baselines.of(protocol, index, everything, everything)
        tallies.append(Tally(protocol, index, everything, baselines))
    rng = np.random.default_rng(1)
    start = time.perf_counter()
    spent = 0.0
    for first in range(0, rows, ROWS):
        chunk = everything[first : first + ROWS]
        made_up = time.perf_counter()
        predictions = Predictions(
            {
                VALENCE_AROUSAL: rng.uniform(-1, 1, (len(chunk), 2)).astype(np.float32),
                EXPRESSION_8_OTHER: rng.random((len(chunk), 8), np.float32),
                ACTION_UNITS_12: rng.random((len(chunk), 12), np.float32),
            }
        )
        spent += time.perf_counter() - made_up
        for tally in tallies:
            tally.add(chunk, predictions, np.ones(len(chunk), bool), np.zeros(len(chunk), bool))
    counting = time.perf_counter() - start - spent
    start = time.perf_counter()
    for tally in tallies:
        part = Part(tally.statistics["model"], np.arange(len(tally.names)))
        mean_of_folds(tally.protocol.metric, tally.protocol.over, [part])
        interval(tally.protocol.metric, tally.protocol.over, [part])
    figures = time.perf_counter() - start
    print(
        f"| {rows:,} | {counting:.1f} | {rows / counting:,.0f} | {figures:.2f} | {before:.0f} "
        f"| {peak() - before:.0f} |",
        flush=True,
    )


def made(rows: int) -> Index:
    """Return an index of so many rows."""
    rng = np.random.default_rng(0)
    values = {
        VALENCE_AROUSAL: rng.uniform(-1, 1, (rows, 2)).astype(np.float32),
        EXPRESSION_8_OTHER: np.eye(8, dtype=np.float32)[rng.integers(0, 8, rows)],
        ACTION_UNITS_12: (rng.random((rows, 12), np.float32) < 0.2).astype(np.float32),
    }
    known = {task: np.ones(array.shape, bool) for task, array in values.items()}
    for task, mask in known.items():
        lost = rng.random(rows) < 0.1
        mask[lost] = False
        values[task][lost] = 0
    names = np.array([f"video {k}" for k in range(VIDEOS)], TEXT)
    video = Names((np.arange(rows) * VIDEOS // rows).astype(np.int32), names)
    columns = {"picture": np.ones(rows, np.int8), "face_found": np.ones(rows, np.int8)}
    return Index.of(
        "aff_wild2",
        Labels(values, known),
        split="validation",
        video=video,
        media=video,
        frame=np.arange(rows, dtype=np.int32),
        columns=columns,
    )


def peak() -> float:
    """Return the greatest resident memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


if __name__ == "__main__":
    main()
