"""The command line. Heavy modules are imported inside the commands, so that help is instant."""

from mien.cli import (
    agreeing,
    analyze,
    annotating,
    building,
    calibrating,
    databases,
    deriving,
    following,
    interchange,
    learning,
    living,
    recovering,
    rendering,
    scoring,
    submitting,
)
from mien.cli.main import main

__all__ = [
    "agreeing",
    "analyze",
    "annotating",
    "building",
    "calibrating",
    "databases",
    "deriving",
    "following",
    "interchange",
    "learning",
    "living",
    "main",
    "recovering",
    "rendering",
    "scoring",
    "submitting",
]
