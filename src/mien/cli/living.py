"""The command that analyses a camera or a stream as it comes."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mien.cli.engine import engine, engine_options
from mien.cli.main import FOLDER, guarded, main
from mien.errors import InputError

if TYPE_CHECKING:
    from mien.analysis import FrameResult
    from mien.media.camera import Camera
    from mien.media.stream import Stream
    from mien.reports.results import Engine
    from mien.studio.figures import Pace
    from mien.studio.live import Taker
    from mien.studio.server import Page


@main.command()
@click.argument("source")
@click.option("-o", "--output", type=FOLDER, help="Record: the result folder to make.")
@engine_options
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop after so many seconds. Default: at Ctrl-C.",
)
@click.option(
    "--realtime",
    is_flag=True,
    help="Play an address at its own pace, where it gives a recording faster than that.",
)
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Of the page. Default: any free one.")
@click.option("--page/--no-page", default=True, show_default=True, help="Show a page in the browser.")
@click.option("-q", "--quiet", is_flag=True, help="No line of figures each second.")
@guarded
def live(
    source: str,
    output: Path | None,
    bundle: Path | None,
    labels: str | None,
    detector: str,
    every: int,
    voice: bool,
    own_voice: bool,
    seconds: float | None,
    realtime: bool,
    port: int,
    page: bool,
    quiet: bool,
) -> None:
    r"""Analyse a camera (a number), a stream's address or a file at its own pace, as it comes.

    Frames that come while one is looked at are dropped, so that the delay stays small. Prints the address
    of a page with the picture, boxes and curves, for browsers on this machine; without it, a line of figures
    each second. Ctrl-C ends it well.

    \b
    Examples:
        mien live 0
        mien live rtsp://192.168.1.20/stream -o talk/
        mien live talk.mp4 --no-page --seconds 10
    """
    import cv2

    from mien.files import free_folder
    from mien.studio.live import Stop, watch

    cv2.setNumThreads(1)  # its pieces of work are small; other cores decode and encode meanwhile
    if output is not None:
        free_folder(output)
    works = engine(bundle, labels, detector, every, voice, own_voice)
    with _source(source, realtime) as camera, Stop(seconds) as stop, ExitStack() as stack:
        takers: list[Taker] = []
        told = works.follower(camera.sound if works.listens else None).told
        server = _page(camera, works, told, output, port) if page else None
        if output is not None:
            from mien.studio.recording import Recording

            stack.callback(_say, output)
            recording = Recording(output, camera.info, works, told)
            takers.append(stack.enter_context(recording).take)
        if server is not None:
            takers.insert(0, stack.enter_context(server).take)
            click.echo(server.address)
        elif not quiet:
            takers.append(Lines().take)
        watch(camera, works, takers, stop)


class Lines:
    """Prints how the analysis keeps up, once a second."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def take(self, result: "FrameResult", pace: "Pace") -> None:
        """Take in a result."""
        now = time.monotonic()
        if now - self._last >= 1:
            self._last = now
            faces = f"{len(result.ids)} face{'' if len(result.ids) == 1 else 's'}"
            click.echo(f"{result.frame.seconds:.1f} s: {faces}, {pace.line}", err=True)


def _source(text: str, realtime: bool) -> "Camera | Stream":
    """Return what a word names: a camera by its number, else a stream's address or a file."""
    from mien.media.camera import Camera
    from mien.media.stream import Stream

    if text.isdigit() and not Path(text).exists():
        return Camera(int(text))
    return Stream(text, realtime=realtime)


def _page(
    camera: "Camera | Stream", engine: "Engine", listening: str, output: Path | None, port: int
) -> "Page":
    """Return the page that shows results.

    Raises:
        InputError: what the page needs is not installed.
    """
    from mien.studio.describing import told

    try:
        from mien.studio.server import Page
    except ModuleNotFoundError as error:
        raise InputError(
            f"the page needs {error.name}: pip install 'mien[web]', or do without it (--no-page)"
        ) from error
    return Page(engine.predictor.tasks, told(camera.info, engine, listening, output), port)


def _say(output: Path) -> None:
    """Say where a recording is, if it is complete."""
    if (output / "analysis.json").exists():
        click.echo(f"recorded: {output}")
