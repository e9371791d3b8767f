"""What analysing and watching have in common: which network, which detector, what is done with sound."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mien.cli.main import FOLDER

if TYPE_CHECKING:
    from mien.reports.results import Engine

Command = TypeVar("Command", bound=Callable[..., Any])

OPTIONS = (
    click.option("--bundle", type=FOLDER, help="Network to use. Default: the one that ships with mien."),
    click.option("--labels", help="Label set to show, of those the network has, such as expression_7."),
    click.option(
        "--detector", default="mtcnn", show_default=True, help="'mtcnn', or the path of a YuNet .onnx file."
    ),
    click.option(
        "--every",
        default=10,
        show_default=True,
        type=click.IntRange(1),
        help="Search the whole frame at least every so many frames; between, faces are followed.",
    ),
    click.option("--voice", is_flag=True, help="Add a column: how well each mouth moves with the sound."),
    click.option(
        "--own-voice",
        is_flag=True,
        help="A network that hears is given the sound for the face that speaks alone, for others silence.",
    ),
)


def engine_options(command: Command) -> Command:
    """Return a command with the options that `engine` takes."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def engine(
    bundle: Path | None, labels: str | None, detector: str, every: int, voice: bool, own_voice: bool
) -> "Engine":
    """Return what analyses, as the options say.

    Raises:
        BundleError: the bundle is not whole, or has no such labels.
        InputError: the detector's file cannot be used.
    """
    from mien.bundle import Bundle, shipped
    from mien.faces.detection import Mtcnn
    from mien.faces.yunet import Yunet
    from mien.reports.results import Engine

    predictor = Bundle.load(bundle or shipped(), threads=1)
    shown = predictor.showing(labels) if labels else predictor
    finder = Mtcnn() if detector == "mtcnn" else Yunet(Path(detector))
    return Engine(shown, finder, every, voice, own_voice)
