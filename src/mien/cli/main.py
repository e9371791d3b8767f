"""The command group, and what every command shares."""

import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import ParamSpec, TypeVar

import click

from mien.errors import MienError

P = ParamSpec("P")
T = TypeVar("T")
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
ANY = click.Path(path_type=Path)


def guarded(command: Callable[P, T]) -> Callable[P, T]:
    """Return the command with mien's own errors turned into one line and exit code 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except MienError as error:
            click.echo(f"mien: {error}", err=True)
        except KeyboardInterrupt:
            click.echo("mien: interrupted; nothing was written for what was not finished", err=True)
            sys.exit(130)
        sys.exit(1)

    return kept(run)


def kept(command: Callable[P, T]) -> Callable[P, T]:
    r"""Return the command with the lines of its examples kept as they are in the help.

    click leaves a paragraph alone whose first line is a backspace; docstrings spell it as \b.
    """
    if command.__doc__:
        command.__doc__ = command.__doc__.replace("\\b\n", "\b\n")
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mien", message="mien %(version)s")
@kept
def main() -> None:
    r"""Facial affect in the wild: expressions, action units, valence and arousal.

    \b
    Example:
        mien analyze talk.mp4
    """
    signal.signal(signal.SIGTERM, _terminate)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does when asked to terminate, so that nothing half-written stays."""
    raise KeyboardInterrupt
