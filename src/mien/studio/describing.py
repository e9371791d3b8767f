"""What the page says beside the numbers: their names and colours, the network, what it has not learned."""

from pathlib import Path
from typing import Any

from mien.media.frames import MediaInfo
from mien.reports.overlay import expression_colour
from mien.reports.results import Engine
from mien.reports.tables import columns, written
from mien.studio.board import KEEP

_BEHAVIOURS = {
    "expression": "expressions",
    "valence_arousal": "valence and arousal",
    "action_units": "action units",
}


def told(info: MediaInfo, engine: Engine, listening: str, recording: Path | None) -> dict[str, Any]:
    """Return what the page needs to know before the first result, as plain values.

    Args:
        info: of the source.
        engine: what analyses.
        listening: how faces are given to a network that follows them; empty for another.
        recording: the result folder that is written meanwhile; None where nothing is.
    """
    predictor = engine.predictor
    tasks = written(predictor.tasks)
    learned = {task.behaviour for task in tasks}
    said = {field.metadata[b"label"]: field for field in columns(tasks) if b"label" in (field.metadata or {})}
    calibration = predictor.calibration
    present = {} if calibration is None else {t: calibration.thresholds(t) for t in tasks}
    return {
        "name": info.name,
        "width": info.width,
        "height": info.height,
        "bundle": str(predictor.card.get("name", "")),
        "detector": engine.detector.name,
        "every": engine.every,
        "recording": "" if recording is None else str(recording),
        "calibrated": calibration is not None,
        "unlearned": [words for behaviour, words in _BEHAVIOURS.items() if behaviour not in learned],
        "listening": listening,
        "choosable": "expression" in learned,
        "seconds": KEEP,
        "columns": [
            {
                "behaviour": task.behaviour,
                "kind": task.kind,
                "label": label,
                "colour": expression_colour(label) if task.behaviour == "expression" else "",
                "threshold": present.get(task, {}).get(label, 0.5),
                "range": task.range,
                "description": said[label.encode()].metadata[b"description"].decode(),
            }
            for task in tasks
            for label in task.labels
        ],
    }
