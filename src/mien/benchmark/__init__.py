"""Predictors scored on prepared databases by their protocols, beside published figures."""

from mien.benchmark.evaluation import evaluate
from mien.benchmark.result import Figure, Result

__all__ = ["Figure", "Result", "evaluate"]
