"""From the tallies of a protocol's folds to its Result."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from mien.benchmark.figures import FURTHER, Part, by_label, interval, mean_of_folds, overall
from mien.benchmark.groups import CAUTION, first_rows, groups
from mien.benchmark.result import Figure, Result
from mien.benchmark.tally import STEPS, Tally, areas
from mien.databases.catalog import Protocol
from mien.metrics import Confusion, Outcomes, calibration_error
from mien.preparation.prepared import Prepared

OF_ONE = {"macro F1": "F1", "mean recall": "recall"}
"""What a mean over classes is called of one of them."""

CALIBRATION_ERROR = "expected calibration error"

OTHERWISE = {"video": "mean of recordings", "rows": "all rows as one"}
"""What a figure is called that is aggregated not as its protocol says."""


def described(
    protocol: Protocol,
    data: Prepared,
    tallies: Sequence[Tally],
    networks: list[dict[str, Any]],
    facts: dict[str, Any],
    notes: list[str],
) -> Result:
    """Return what the tallies of a protocol's folds come to."""
    voices = voices_of(data, tallies)
    by_group = list(groups(protocol, data.index, tallies, voices["model"])) if voices else []
    coverage = {
        name: sum(tally.counts[name] for tally in tallies) for name in (tallies[0].counts if tallies else ())
    }
    return Result(
        database=data.index.database,
        release=str(data.manifest.get("release", "")),
        protocol=protocol.name,
        settings=settings(protocol, tallies),
        networks=networks,
        data=facts,
        coverage=coverage,
        mien=version("mien"),
        figures=[*figures(protocol, voices, tallies), *sureness(tallies), *by_group],
        confusion=confusion(protocol, voices),
        units=units(protocol, voices),
        calibration=calibration(tallies),
        density=density(protocol, tallies),
        notes=[*notes, CAUTION] if by_group else notes,
    )


def voices_of(data: Prepared, tallies: Sequence[Tally]) -> dict[str, list[Part]]:
    """Return for the model and each baseline its statistics fold by fold."""
    voices: dict[str, list[Part]] = {}
    for tally in tallies:
        clusters = _clusters(data, tally)
        for name, statistics in tally.statistics.items():
            voices.setdefault(name, []).append(Part(statistics, clusters))
    return {name: parts for name, parts in voices.items() if len(parts) == len(tallies)}


def _clusters(data: Prepared, tally: Tally) -> Any:
    """Return which subject each recording counts to; each its own where a subject is not known."""
    subjects = data.index.subject
    codes = subjects.codes[first_rows(data.index, tally)].astype(np.int64)
    nameless = np.array([not str(name) for name in subjects.vocabulary], bool)[codes]
    codes[nameless] = len(subjects.vocabulary) + np.arange(int(nameless.sum()))
    return np.unique(codes, return_inverse=True)[1]


def figures(protocol: Protocol, voices: dict[str, list[Part]], tallies: Sequence[Tally]) -> list[Figure]:
    """Return all figures, the protocol's own first."""
    if not voices:
        return [Figure("model", protocol.metric, "", float("nan"), note="no row could be counted")]
    found = []
    binary = isinstance(voices["model"][0].statistics, Outcomes)
    at = {"model": "0.5", "validation": "validation", "constant": "", "prior": ""} if binary else {}
    metrics = [protocol.metric, *protocol.also, *FURTHER[protocol.task.kind]]
    speakers = [name for name in ("model", "validation", "constant", "prior") if name in voices]
    for metric in dict.fromkeys(metrics):
        found += [_figure(protocol, metric, name, voices[name], at.get(name, "")) for name in speakers]
    for name in (name for name in speakers if name in ("model", "validation")):
        for metric in dict.fromkeys(metrics):
            labels = by_label(metric, voices[name][0].statistics.sum()).shape[-1]
            found += [
                _figure(protocol, metric, name, voices[name], at.get(name, ""), label)
                for label in range(labels)
            ]
    if binary:
        found += _areas(protocol, tallies)
    return (
        found
        + _otherwise(protocol, voices["model"], at.get("model", ""))
        + _folds(protocol, voices["model"], at.get("model", ""))
    )


def _figure(
    protocol: Protocol, metric: str, name: str, parts: Sequence[Part], thresholds: str, label: int = -1
) -> Figure:
    """Return one figure with its interval; baselines go without."""
    value = mean_of_folds(metric, protocol.over, parts, label)
    model = name in ("model", "validation")
    low, high = interval(metric, protocol.over, parts, label) if model and label < 0 else (float("nan"),) * 2
    return Figure(
        of="model" if model else name,
        note=_defined(metric, parts, label),
        metric=OF_ONE.get(metric, metric) if label >= 0 else metric,
        label=protocol.labels[label] if label >= 0 else "",
        value=value,
        low=low,
        high=high,
        count=_count(parts, label),
        units=sum(int(part.clusters.max(initial=-1)) + 1 for part in parts),
        thresholds=thresholds,
    )


def _defined(metric: str, parts: Sequence[Part], label: int) -> str:
    """Return of how many labels a mean is, where it is not of all."""
    if label >= 0:
        return ""
    each = [np.isfinite(by_label(metric, part.statistics.sum())) for part in parts]
    fewest = min(int(defined.sum()) for defined in each)
    classes = isinstance(parts[0].statistics, Confusion)
    if classes or not len(each[0]) or fewest == len(each[0]):
        return ""
    return f"mean of the {fewest} of {len(each[0])} labels for which it is defined"


def _otherwise(protocol: Protocol, parts: Sequence[Part], thresholds: str) -> list[Figure]:
    """Return the protocol's metric aggregated the other way, where recordings have several rows."""
    recorded = sum(len(part.clusters) for part in parts)
    if _count(parts, -1) < 2 * recorded:
        return []
    other = "video" if protocol.over == "rows" else "rows"
    note = "not the protocol's figure"
    if other == "video":
        each = np.concatenate([overall(protocol.metric, part.statistics) for part in parts])
        note += f"; defined for {int(np.isfinite(each).sum())} of {len(each)} recordings"
    return [
        Figure(
            "model",
            protocol.metric,
            OTHERWISE[other],
            mean_of_folds(protocol.metric, other, parts),
            *interval(protocol.metric, other, parts),
            count=_count(parts, -1),
            units=sum(int(part.clusters.max(initial=-1)) + 1 for part in parts),
            thresholds=thresholds,
            note=note,
        )
    ]


def _count(parts: Sequence[Part], label: int) -> int:
    """Return how many rows were counted of a label; of all together that of the label with most."""
    total = 0
    for part in parts:
        summed = part.statistics.sum()
        if isinstance(summed, Confusion):
            total += int(summed.count if label < 0 else summed.counts[label].sum())
        else:
            total += int(summed.count.max(initial=0) if label < 0 else summed.count[label])
    return total


def _areas(protocol: Protocol, tallies: Sequence[Tally]) -> list[Figure]:
    """Return the area under the ROC curve of each action unit and their mean; folds are taken together."""
    scores = np.sum([tally.scores for tally in tallies], axis=0)
    each = areas(scores)
    defined = each[np.isfinite(each)]
    mean = float(defined.mean()) if len(defined) else float("nan")
    note = f"in {STEPS} steps of probability, over all folds together"
    counts = scores.sum(axis=(1, 2))
    return [
        Figure("model", "AUC", "", mean, count=int(counts.max(initial=0)), note=note),
        *(
            Figure("model", "AUC", label, float(area), count=int(count))
            for label, area, count in zip(protocol.labels, each, counts, strict=True)
        ),
    ]


def _folds(protocol: Protocol, parts: Sequence[Part], thresholds: str) -> list[Figure]:
    """Return the protocol's figure fold by fold, where there are several."""
    if len(parts) < 2:
        return []
    return [
        Figure(
            "model",
            protocol.metric,
            f"fold {number}",
            mean_of_folds(protocol.metric, protocol.over, [part]),
            count=_count([part], -1),
            units=int(part.clusters.max(initial=-1)) + 1,
            thresholds=thresholds,
        )
        for number, part in enumerate(parts, start=1)
    ]


def settings(protocol: Protocol, tallies: Sequence[Tally]) -> dict[str, Any]:
    """Return all that the protocol says, as plain values."""
    thresholds = [tally.thresholds.tolist() for tally in tallies if tally.thresholds is not None]
    baselines = sorted({tally.baselines.source for tally in tallies if tally.baselines is not None})
    return {
        "task": protocol.task.name,
        "labels": list(protocol.labels),
        "metric": protocol.metric,
        "also": list(protocol.also),
        "aggregation": protocol.aggregation,
        "over": protocol.over,
        "by": protocol.by,
        "folds": max(len(protocol.folds), protocol.made),
        "tested": sorted({name for fold in protocol.folds for name in fold.test}),
        "present_from": protocol.threshold,
        "without_face": protocol.without_face,
        "fresh": protocol.fresh,
        "thresholds_of_validation": thresholds,
        "baselines_from": baselines,
        "interval": "95 %: percentiles of 1,000 samples of subjects (or recordings) within each fold",
    }


def sureness(tallies: Sequence[Tally]) -> list[Figure]:
    """Return how well probabilities are calibrated and how sets and intervals hold, of all folds together."""
    told = calibration(tallies)
    found = []
    if told:
        error, count = told["expected_calibration_error"], sum(told["count"])
        found.append(Figure("model", CALIBRATION_ERROR, "", error, count=count))
    stated = sorted({tally.stated.coverage for tally in tallies if tally.stated is not None and tally.held})
    share = " and ".join(f"{100 * coverage:.4g} %" for coverage in stated)
    for label in dict.fromkeys(label for tally in tallies for label in tally.held):
        of = [tally.held[label] for tally in tallies if label in tally.held]
        count, held, size = np.sum(of, axis=0).tolist()
        what, measure = ("intervals", "width") if label else ("sets", "size")
        coverage, mean = (held / count, size / count) if count else (float("nan"), float("nan"))
        found.append(Figure("model", f"coverage of {share} {what}", label, coverage, count=int(count)))
        found.append(Figure("model", f"mean {measure} of {share} {what}", label, mean, count=int(count)))
    return found


def confusion(protocol: Protocol, voices: dict[str, list[Part]]) -> dict[str, Any]:
    """Return classes and counts over all folds; empty for other kinds of label."""
    parts = voices.get("model", [])
    matrices = [part.statistics.sum().counts for part in parts if isinstance(part.statistics, Confusion)]
    if not matrices:
        return {}
    return {"classes": list(protocol.labels), "counts": np.sum(matrices, axis=0).astype(int).tolist()}


def units(protocol: Protocol, voices: dict[str, list[Part]]) -> dict[str, Any]:
    """Return TP, FP, FN and TN of each action unit over all folds, by thresholds; empty for other labels."""
    told = {}
    for name, thresholds in (("model", "0.5"), ("validation", "validation")):
        parts = voices.get(name, [])
        counts = [part.statistics.sum().counts for part in parts if isinstance(part.statistics, Outcomes)]
        if counts:
            table = np.sum(counts, axis=0).astype(int).tolist()
            told[thresholds] = dict(zip(protocol.labels, table, strict=True))
    return told


def calibration(tallies: Sequence[Tally]) -> dict[str, Any]:
    """Return count, mean confidence and share that was right of each bin, and the expected calibration error.

    Empty where nothing has a confidence.
    """
    total = np.sum([tally.calibration for tally in tallies], axis=0) if tallies else np.zeros((0, 3))
    if not total.any():
        return {}
    count = np.maximum(total[:, 0], 1)
    confidence, right = total[:, 1] / count, total[:, 2] / count
    return {
        "count": total[:, 0].astype(int).tolist(),
        "confidence": confidence.tolist(),
        "right": right.tolist(),
        "expected_calibration_error": calibration_error(total),
    }


def density(protocol: Protocol, tallies: Sequence[Tally]) -> dict[str, Any]:
    """Return counts over the grid of valence and arousal; empty for other labels."""
    total = np.sum([tally.density for tally in tallies], axis=0) if tallies else np.zeros(0)
    if not total.any():
        return {}
    return {"range": list(protocol.task.range), "truth": total[0].tolist(), "model": total[1].tolist()}
