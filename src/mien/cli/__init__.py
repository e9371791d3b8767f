"""The command line. Heavy modules are imported inside the commands, so that help is instant."""

from mien.cli import (
    analyze,
    building,
    calibrating,
    databases,
    deriving,
    following,
    interchange,
    learning,
    rendering,
    scoring,
    submitting,
)
from mien.cli.main import main

__all__ = [
    "analyze",
    "building",
    "calibrating",
    "databases",
    "deriving",
    "following",
    "interchange",
    "learning",
    "main",
    "rendering",
    "scoring",
    "submitting",
]
