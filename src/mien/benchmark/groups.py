"""The same figures for each group of people that a database names: gender, age, race and the like.

A difference between two groups here is not yet one of the network: groups differ in number, in who they are,
in what they show, in light and camera, and in who labelled them and how. See `CAUTION`.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from mien.arrays import BoolArray, IntArray
from mien.benchmark.figures import Part, interval, mean_of_folds
from mien.benchmark.result import Figure
from mien.benchmark.tally import Statistics, Tally
from mien.databases.catalog import Protocol, recordings
from mien.databases.index import Index
from mien.databases.names import Names
from mien.metrics import Confusion, Moments, Outcomes

CAUTION = (
    "Groups are those that the database names, often judged from looks by others; they tell nothing of one "
    "person. A gap may come from few people, from other expressions, light or cameras in a group, or from "
    "labels that differ by group, as well as from the network. No gap does not show that it is fair: a group "
    "that is missing was not measured, and within a group others may be hidden."
)
"""What cannot be concluded."""

PEOPLE = ("gender", "sex", "age", "race", "ethnicity", "culture")
"""Groups of an Index that are of people; others are of recordings, sentences, levels."""


def groups(
    protocol: Protocol, index: Index, tallies: Sequence[Tally], parts: Sequence[Part]
) -> Iterator[Figure]:
    """Yield the protocol's metrics for each group, all folds together, and the gap between best and worst.

    The gap is between groups of at least two subjects, or recordings where these are not known. A recording
    that shows people of several groups counts to none.

    Args:
        protocol: what is scored.
        index: names the groups.
        tallies: of the folds.
        parts: the model's statistics of the same folds.
    """
    whole = together(parts)
    first = np.concatenate([first_rows(index, tally) for tally in tallies])
    for column, names in index.groups.items():
        if column not in PEOPLE:
            continue
        codes = names.codes[first]
        alone = ~np.concatenate([_mixed(index, names, tally) for tally in tallies])
        for metric in (protocol.metric, *protocol.also):
            values = []
            for code in np.unique(codes[alone]):
                chosen = np.flatnonzero((codes == code) & alone)
                label = f"{column}: {names.vocabulary[code] or 'not stated'}"
                figure = _figure(metric, protocol, whole, chosen, label)
                yield figure
                if names.vocabulary[code] and figure.units > 1 and np.isfinite(figure.value):
                    values.append(figure.value)
            gap = max(values) - min(values) if len(values) > 1 else float("nan")
            note = (
                f"; {int((~alone).sum())} recordings show several groups, left out" if not alone.all() else ""
            )
            yield Figure("model", f"gap of {metric}", column, gap, note=f"best less worst group{note}")


def _mixed(index: Index, names: Names, tally: Tally) -> BoolArray:
    """Return which recordings of a tally have rows of several groups."""
    units = recordings(index)
    lowest = np.full(len(units.vocabulary), np.iinfo(np.int32).max)
    highest = np.full(len(units.vocabulary), -1)
    np.minimum.at(lowest, units.codes[tally.rows], names.codes[tally.rows])
    np.maximum.at(highest, units.codes[tally.rows], names.codes[tally.rows])
    return np.asarray((lowest != highest)[tally.names])


def _figure(metric: str, protocol: Protocol, whole: Part, chosen: IntArray, label: str) -> Figure:
    """Return a metric over some recordings."""
    clusters = np.unique(whole.clusters[chosen], return_inverse=True)[1]
    part = Part(whole.statistics[chosen], clusters)
    low, high = interval(metric, protocol.over, [part])
    summed = part.statistics.sum()
    count = summed.count if isinstance(summed, Confusion) else summed.count.max(initial=0)
    return Figure(
        "model",
        metric,
        label,
        mean_of_folds(metric, protocol.over, [part]),
        low,
        high,
        count=int(count),
        units=int(clusters.max(initial=-1)) + 1,
        thresholds="0.5" if isinstance(part.statistics, Outcomes) else "",
    )


def together(parts: Sequence[Part]) -> Part:
    """Return the recordings of all folds as one part; nobody is in two folds."""
    statistics: Statistics
    first = parts[0].statistics
    if isinstance(first, Moments):
        statistics = Moments(
            np.concatenate([p.statistics.values for p in parts if isinstance(p.statistics, Moments)])
        )
    else:
        kind = type(first)
        counts = [p.statistics.counts for p in parts if not isinstance(p.statistics, Moments)]
        statistics = kind(np.concatenate(counts))
    shifts = np.cumsum([0, *(int(part.clusters.max(initial=-1)) + 1 for part in parts)])
    clusters = [part.clusters + shift for part, shift in zip(parts, shifts, strict=False)]
    return Part(statistics, np.concatenate(clusters))


def first_rows(index: Index, tally: Tally) -> IntArray:
    """Return the first row of each recording of a tally."""
    units = recordings(index)
    first = np.full(len(units.vocabulary), -1, np.int64)
    first[units.codes[tally.rows[::-1]]] = tally.rows[::-1]
    return np.asarray(first[tally.names])
