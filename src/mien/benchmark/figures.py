"""From statistics by recording to figures: metrics, means over folds, intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mien.arrays import FloatArray, IntArray
from mien.benchmark.tally import Statistics
from mien.metrics import (
    Confusion,
    Moments,
    Outcomes,
    abaw_action_units_2020,
    abaw_expression_2020,
    emotionet,
    mean_defined,
)

DRAWS = 1000
"""Samples of the bootstrap."""

AT_ONCE = 50
"""Samples that are computed together."""

FURTHER: dict[str, tuple[str, ...]] = {
    "categorical": ("accuracy", "macro F1", "weighted F1", "mean recall"),
    "continuous": ("CCC", "PCC", "RMSE", "MAE", "SAGR"),
    "intensity": ("ICC(3,1)", "CCC", "PCC", "MSE", "MAE"),
    "binary": ("binary F1", "F1-norm", "accuracy"),
}
"""What is told of each kind of label beside the protocol's own figure."""


@dataclass(frozen=True)
class Part:
    """The statistics of one voice in one fold.

    Attributes:
        statistics: by recording.
        clusters: (recordings,) which subject, or recording, each counts to when resampled, from 0.
    """

    statistics: Statistics
    clusters: IntArray


def by_label(metric: str, statistics: Statistics) -> FloatArray:
    """Return a metric of each label, (..., labels); (..., 0) for one that is of all labels at once."""
    if isinstance(statistics, Moments):
        if metric == "ICC(3,1)":
            return statistics.icc("ICC(C,1)")
        simple = {
            "CCC": statistics.ccc,
            "PCC": statistics.pcc,
            "MSE": statistics.mse,
            "RMSE": statistics.rmse,
            "MAE": statistics.mae,
            "SAGR": statistics.sagr,
        }
        return simple[metric]()
    if isinstance(statistics, Outcomes):
        units = {"binary F1": statistics.f1, "F1-norm": statistics.f1_norm, "accuracy": statistics.accuracy}
        return units[metric]() if metric in units else np.zeros((*statistics.counts.shape[:-2], 0))
    classes = {"macro F1": statistics.f1, "mean recall": statistics.recalls}
    return classes[metric]() if metric in classes else np.zeros((*statistics.counts.shape[:-2], 0))


def overall(metric: str, statistics: Statistics) -> FloatArray:
    """Return a metric of all labels together, (...): the mean over the labels for which it is defined."""
    if isinstance(statistics, Confusion):
        return _of_classes(metric, statistics)
    if isinstance(statistics, Outcomes):
        mean_f1 = mean_defined(statistics.f1())[0]
        if metric == "mean of accuracy and F1":
            return np.asarray(emotionet(mean_defined(statistics.accuracy())[0], mean_f1))
        if metric == "0.5 binary F1 + 0.5 accuracy":
            return np.asarray(abaw_action_units_2020(mean_f1, statistics.total_accuracy()))
    return mean_defined(by_label(metric, statistics))[0]


def _of_classes(metric: str, statistics: Confusion) -> FloatArray:
    """Return a metric of classes, (...)."""
    if metric == "0.67 macro F1 + 0.33 accuracy":
        return np.asarray(abaw_expression_2020(statistics.macro_f1(), statistics.accuracy()))
    simple = {
        "accuracy": statistics.accuracy,
        "macro F1": statistics.macro_f1,
        "weighted F1": statistics.weighted_f1,
        "mean recall": statistics.uar,
    }
    return simple[metric]()


def value(
    metric: str, over: str, part: Part, weights: FloatArray | None = None, label: int = -1
) -> FloatArray:
    """Return a metric of one fold, () or with weights (samples,).

    Args:
        metric: by its name.
        over: "rows" of all recordings as one set, or each "video" and then their mean.
        part: the fold.
        weights: (samples, recordings) how often each recording counts.
        label: of this label alone; -1 for all together.
    """

    def one(statistics: Statistics) -> FloatArray:
        return overall(metric, statistics) if label < 0 else by_label(metric, statistics)[..., label]

    if over == "rows":
        return one(part.statistics.sum(weights))
    each = one(part.statistics)
    defined = np.isfinite(each)
    counted = defined.astype(float) if weights is None else weights * defined
    total = (counted * np.where(defined, each, 0)).sum(axis=-1)
    number = counted.sum(axis=-1)
    return np.where(number > 0, total / np.maximum(number, 1e-12), np.nan)


def mean_of_folds(metric: str, over: str, parts: Sequence[Part], label: int = -1) -> float:
    """Return the mean over folds; NaN where it is undefined in one of them."""
    return float(np.mean([value(metric, over, part, label=label) for part in parts]))


def interval(metric: str, over: str, parts: Sequence[Part], label: int = -1) -> tuple[float, float]:
    """Return the 95 % interval of `mean_of_folds`: percentiles of a bootstrap (Efron 1979).

    Whole subjects, or recordings where subjects are not known, are drawn with replacement within each
    fold: frames of one face are not independent. NaN where a fold has fewer than two of them, or where more
    than one sample in twenty is undefined.
    """
    if any(part.clusters.max(initial=-1) < 1 for part in parts):
        return float("nan"), float("nan")
    rng = np.random.default_rng(0)
    samples: list[FloatArray] = []
    for start in range(0, DRAWS, AT_ONCE):
        draws = min(AT_ONCE, DRAWS - start)
        folds = [value(metric, over, part, _weights(part.clusters, draws, rng), label) for part in parts]
        samples.append(np.mean(folds, axis=0))
    drawn = np.concatenate(samples)
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < 0.95 * DRAWS:
        return float("nan"), float("nan")
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)


def _weights(clusters: IntArray, draws: int, rng: np.random.Generator) -> FloatArray:
    """Return how often each recording counts in each sample, (draws, recordings)."""
    number = int(clusters.max()) + 1
    chosen = rng.integers(number, size=(draws, number)) + np.arange(draws)[:, None] * number
    times = np.bincount(chosen.ravel(), minlength=draws * number).reshape(draws, number)
    return np.asarray(times[:, clusters], np.float64)
