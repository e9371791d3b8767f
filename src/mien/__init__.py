"""Facial affect in the wild: expressions, action units, valence and arousal, per face and frame."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mien.analysis import Analysis, analyze
    from mien.bundle import Bundle, Predictor
    from mien.errors import MienError
    from mien.faces.detection import Detector, Faces, Mtcnn
    from mien.inputs import Preprocessing
    from mien.records import Labels, Predictions
    from mien.tasks import TASKS, Task

_HOMES = {
    "Analysis": "mien.analysis",
    "Bundle": "mien.bundle",
    "Detector": "mien.faces.detection",
    "Faces": "mien.faces.detection",
    "Labels": "mien.records",
    "MienError": "mien.errors",
    "Mtcnn": "mien.faces.detection",
    "Predictions": "mien.records",
    "Predictor": "mien.bundle",
    "Preprocessing": "mien.inputs",
    "TASKS": "mien.tasks",
    "Task": "mien.tasks",
    "analyze": "mien.analysis",
}
"""Public names and the modules they live in; loaded when first used, so that start-up stays light."""

__all__ = [
    "TASKS",
    "Analysis",
    "Bundle",
    "Detector",
    "Faces",
    "Labels",
    "MienError",
    "Mtcnn",
    "Predictions",
    "Predictor",
    "Preprocessing",
    "Task",
    "analyze",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
