"""Results of an evaluation, made up: of every kind of label, with what is rare, empty or hostile in them."""

import math
from typing import Any

import numpy as np

from mien.arrays import FloatArray
from mien.benchmark import Figure, Result
from mien.tasks import ACTION_UNITS_12, EXPRESSION_7, VALENCE_AROUSAL

HOSTILE = "<script>document.title='run'</script> \"x\" & 8 AUs, F1 (>= 2)"
SLUG = "script-document-title-run-script-x-8-aus-f1-2"
LONG = ("x" * 12 + "_" + "y" * 13, "disgustedly_surprised", "costs $\\frac$ or more", "w" * 26)


def result(protocol: str, labels: tuple[str, ...], figures: list[Figure], **counts: Any) -> Result:
    """A result with everything that is not of the kind of label."""
    settings = {
        "labels": list(labels),
        "aggregation": "all frames",
        "folds": 3,
        "present_from": None,
        "without_face": "not counted",
        "baselines_from": ["the training part"],
    }
    coverage = {
        "rows": 1000,
        "labelled": 800,
        "picture": 790,
        "face found": 700,
        "carried": 0,
        "counted": 790,
    }
    network = {"name": "tiny", "sha256": "0" * 64, "trained_on": [{"database": "one"}], "tested_on": 1}
    data = {"rows": 1000, "rows_sha256": "f" * 64}
    settings |= counts.pop("settings", {})
    return Result(
        "disfa", "of 2013", protocol, settings, [network], data, coverage, "0.1.0", figures, **counts
    )


def curve(count: list[int]) -> dict[str, Any]:
    middle = [(k + 0.5) / 10 for k in range(10)]
    right = [m**2 for m in middle]
    return {"count": count, "confidence": middle, "right": right, "expected_calibration_error": 0.1234}


def faces(labels: tuple[str, ...] = EXPRESSION_7.labels, rows: int = 40) -> Result:
    rng = np.random.default_rng(len(labels))
    counts = rng.integers(0, rows, (len(labels), len(labels))) + rows * np.eye(len(labels), dtype=int)
    figures = [
        Figure("model", "accuracy", "", 0.6543, 0.6012, 0.7034, 790, 9),
        Figure("constant", "accuracy", "", 0.2617, count=790, units=9),
        Figure("prior", "accuracy", "", 0.1840, count=790, units=9),
        *(Figure("model", "recall", label, 0.5, count=7) for label in labels[:-1]),
        *(Figure("model", "recall", label, math.nan, count=0) for label in labels[-1:]),
        Figure("model", "accuracy", "fold 1", 0.61, count=300, units=3),
        Figure("model", "accuracy", "gender: female", 0.59, 0.5, 0.7, count=400, units=5, note="small"),
    ]
    confusion = {"classes": list(labels), "counts": counts.tolist()}
    calibration = curve([0, 0, 3, 29, 30, 100, 400, 2000, 12_345, 1_234_567])
    return result("seven", labels, figures, confusion=confusion, calibration=calibration, notes=["mind it"])


CELLS = {
    "AU01": [30, 10, 20, 40],
    "AU02": [0, 5, 10, 85],
    "AU04": [0, 0, 0, 100],
    "AU06": [0, 0, 0, 0],
    "AU07": [100, 0, 0, 0],
}
"""Of action units TP, FP, FN and TN: common, never hit, never there, never counted, always there."""


def units(cells: dict[str, list[int]] = CELLS, validation: bool = True) -> Result:
    figures = [
        Figure("model", "binary F1", "", 0.51, 0.45, 0.56, 100, 9, "0.5"),
        *([Figure("model", "binary F1", "", 0.56, 0.5, 0.6, 100, 9, "validation")] * validation),
        Figure("constant", "binary F1", "", 0.55, count=100, units=9),
        Figure("model", "AUC", "", 0.81, count=100, note="in steps"),
    ]
    table = {"0.5": cells} | ({"validation": {k: v[::-1] for k, v in cells.items()}} if validation else {})
    chosen = {"thresholds_of_validation": [[0.25] * len(cells), [0.75] * len(cells)]} if validation else {}
    calibration = curve([1000, 0, 0, 0, 0, 0, 0, 0, 0, 10])
    return result(
        HOSTILE, tuple(cells), figures, units=table, calibration=calibration, settings=chosen, notes=[HOSTILE]
    )


def plane(truth: FloatArray | None = None) -> Result:
    rng = np.random.default_rng(0)
    grid = rng.integers(0, 3, (32, 32)) ** 8 if truth is None else truth
    figures = [
        Figure("model", "RMSE", "", 0.4, 0.3, 0.5, 790, 9),
        Figure("constant", "RMSE", "", 0.3, count=790, units=9),
        Figure("model", "RMSE", "valence", 0.4, count=790),
    ]
    density = {"range": [-1.0, 1.0], "truth": grid.astype(int).tolist(), "model": grid.T.astype(int).tolist()}
    return result("VA", VALENCE_AROUSAL.labels, figures, density=density)


EMPTY = Result(
    "disfa", "", "nothing", {}, [], {}, {}, "0.1.0", [Figure("model", "CCC", "", math.nan, note="none")]
)

CASES = {
    "seven classes": faces(),
    "one class": faces(("neutral",)),
    "long names": faces(LONG * 3, rows=2_000_000),
    "five units": units(),
    "twelve units": units({unit: [50, 20, 9, 300] for unit in ACTION_UNITS_12.labels}),
    "units at 0.5 alone": units(validation=False),
    "one unit": units({"AU01": [1, 1, 1, 1]}, validation=False),
    "long unit names": units({name: [50, 20, 9, 300] for name in LONG}),
    "plane": plane(),
    "plane with one cell": plane(np.eye(32) * np.eye(32)[0]),
    "nothing": EMPTY,
}
