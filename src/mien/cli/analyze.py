"""The command that analyses."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from mien.cli.engine import engine, engine_options
from mien.cli.main import FOLDER, guarded, main
from mien.errors import InputError, MienError, OutputError

if TYPE_CHECKING:
    from tqdm import tqdm

    from mien.analysis import Summary
    from mien.media.frames import Frame
    from mien.reports.results import Engine, Output

T = TypeVar("T")


@main.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("-o", "--output", type=FOLDER, help="Folder to make. Default: NAME.mien beside where you are.")
@engine_options
@click.option(
    "--crops",
    is_flag=True,
    help="The pictures are tight crops of one face each; use the whole picture where no face is found.",
)
@click.option("--csv", is_flag=True, help="Also write predictions.csv.")
@click.option(
    "--overlay/--no-overlay", default=True, show_default=True, help="Write the annotated video or pictures."
)
@click.option("--report/--no-report", default=True, show_default=True, help="Write report.html.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier result in the same place.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop a camera after so many seconds. Default: at Ctrl-C.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress bars.")
@guarded
def analyze(
    inputs: tuple[str, ...],
    output: Path | None,
    bundle: Path | None,
    labels: str | None,
    detector: str,
    every: int,
    crops: bool,
    voice: bool,
    own_voice: bool,
    csv: bool,
    overlay: bool,
    report: bool,
    overwrite: bool,
    seconds: float | None,
    quiet: bool,
) -> None:
    r"""Analyse pictures, folders, videos or a camera (a number).

    A video gives a result folder; pictures named together, or in one folder, give one together.
    Several of these become folders within the output folder.

    \b
    Examples:
        mien analyze talk.mp4 -o talk/
        mien analyze holiday/*.jpg group.png -o pictures/ --csv
        mien analyze 0 --seconds 60 -o me/
    """
    import cv2

    from mien.reports.results import Output

    cv2.setNumThreads(1)  # its pieces of work are small; other cores decode and encode meanwhile
    jobs, problems = _jobs(inputs)
    base = output or Path(f"{_stem(inputs[0])}.mien")
    places = _places(base, [job.name for job in jobs])
    _check_free(places, overwrite)
    if jobs:
        works = engine(bundle, labels, detector, every, voice, own_voice)
    for job, place in zip(jobs, places, strict=True):
        out = Output(place, overlay=overlay, report=report, csv=csv, overwrite=overwrite)
        try:
            summary = job.run(works, out, crops, seconds, quiet)
        except OutputError:
            raise
        except MienError as error:
            problems.append(_told(str(error)))
            continue
        for line in summary.problems:
            problems.append(_told(line))
        click.echo(_sentence(job.name, summary, place / ("report.html" if report else "predictions.parquet")))
    if problems:
        total = _count(inputs)
        if total > 1:
            click.echo(
                f"mien: {len(problems)} of {total} files could not be analysed (named above)", err=True
            )
        sys.exit(1)


class Job:
    """One result folder to be made: a camera, a video, or pictures together."""

    def __init__(self, name: str, camera: int | None = None, video: Path | None = None) -> None:
        self.name = name
        self.camera = camera
        self.video = video
        self.pictures: list[Path] = []

    def run(
        self, engine: "Engine", out: "Output", crops: bool, seconds: float | None, quiet: bool
    ) -> "Summary":
        """Analyse and write; return the summary."""
        from mien.media.camera import Camera
        from mien.media.video import Video
        from mien.reports.results import write_pictures, write_video

        if self.camera is not None:
            with Camera(self.camera) as camera, _bar(camera, self.name, 0, "frame", quiet) as bar:
                return write_video(camera.info, _until(bar, seconds), None, engine, out)
        if self.video is not None:
            with Video(self.video) as video, _bar(video, self.name, video.info.frames, "frame", quiet) as bar:
                return write_video(video.info, bar, self.video if video.info.sound else None, engine, out)
        with _bar(self.pictures, self.name, len(self.pictures), "picture", quiet) as pictures:
            return write_pictures(self.name, pictures, engine, out, crops)


def _jobs(inputs: tuple[str, ...]) -> tuple[list[Job], list[str]]:
    """Return what to do, and the problems of inputs that are none of picture, video, camera, folder."""
    from mien.media.pictures import kind_of

    jobs: list[Job] = []
    problems: list[str] = []
    loose = Job("pictures")
    for text in inputs:
        path = Path(text)
        if text.isdigit() and not path.exists():
            jobs.append(Job(f"camera {text}", camera=int(text)))
            continue
        folder = Job(path.resolve().name) if path.is_dir() else None
        try:
            members = _members(path)
        except MienError as error:
            problems.append(_told(str(error)))
            continue
        for member in members:
            try:
                if kind_of(member) == "video":
                    jobs.append(Job(member.name, video=member))
                else:
                    (folder or loose).pictures.append(member)
            except MienError as error:
                problems.append(_told(str(error)))
        if folder and folder.pictures:
            jobs.append(folder)
    return [*jobs, *([loose] if loose.pictures else [])], problems


def _members(path: Path) -> list[Path]:
    """Return the files a path stands for.

    Raises:
        InputError: a folder that holds none.
    """
    from mien.media.pictures import list_media

    members = list_media(path) if path.is_dir() else [path]
    if not members:
        raise InputError(f"{path}: the folder is empty, nothing to analyse")
    return members


def _places(base: Path, names: list[str]) -> list[Path]:
    """Return the result folder of each job: the base for one, different folders within it for several."""
    if len(names) == 1:
        return [base]
    places: list[Path] = []
    for name in names:
        place, count = base / name, 2
        while place in places:
            place, count = base / f"{name}-{count}", count + 1
        places.append(place)
    return places


def _check_free(places: list[Path], overwrite: bool) -> None:
    """Refuse places that are taken before any work is done."""
    from mien.files import free_folder
    from mien.reports.results import RECORD

    for place in places:
        free_folder(place, RECORD if overwrite else "")


def _until(frames: "Iterable[Frame]", seconds: float | None) -> "Iterable[Frame]":
    """Yield a camera's frames for so many seconds, or until Ctrl-C, which ends a recording well."""
    try:
        for frame in frames:
            if seconds is not None and frame.seconds > seconds:
                return
            yield frame
    except KeyboardInterrupt:
        return


def _bar(items: Iterable[T], title: str, total: int, unit: str, quiet: bool) -> "tqdm[T]":
    """Return the items under a progress bar with rate and time left, shown where it takes over a second."""
    from tqdm import tqdm

    interval = 0.1 if sys.stderr.isatty() else 10.0
    options = {"unit": unit, "disable": quiet, "mininterval": interval, "leave": False, "delay": 1}
    return tqdm(items, title[-40:], total or None, **options)


def _told(line: str) -> str:
    """Print a problem at once and return it."""
    click.echo(f"mien: {line}", err=True)
    return line


def _stem(text: str) -> str:
    """Return the name a default output folder is made from."""
    path = Path(text)
    return f"camera-{text}" if text.isdigit() and not path.exists() else path.stem or path.resolve().name


def _count(inputs: tuple[str, ...]) -> int:
    """Return the number of files the inputs name."""
    total = 0
    for text in inputs:
        try:
            total += len(_members(Path(text)))
        except MienError:
            total += 1
    return total


def _sentence(name: str, summary: "Summary", path: Path) -> str:
    """Return one line on what was found and where it is."""
    share = 100 * summary.frames_with_face / max(summary.frames, 1)
    unit = "picture" if summary.info.kind == "picture" else "frame"
    plural = "" if summary.frames == 1 else "s"
    return f"{name}: {summary.frames} {unit}{plural}, a face in {share:.0f} % of them: {path}"
