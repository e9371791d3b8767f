"""The commands that look at predictions over time."""

from pathlib import Path

import click

from mien.cli.main import ANY, FILE, FOLDER, guarded, main

NAMES = ("exponential", "mean", "one-euro", "gaussian", "median", "savgol")
"""The filters, spelled again so that help is instant; a test holds them to be the same."""

SECONDS = click.FloatRange(min=0, min_open=True, max=60)


@main.command()
@click.argument("result", type=ANY)
@click.option("-o", "--output", required=True, type=FILE, help="Parquet file to make.")
@click.option("--filter", "name", default="exponential", show_default=True, type=click.Choice(NAMES))
@click.option(
    "--seconds", default=0.2, show_default=True, type=SECONDS, help="The filter's size; docs/events.md."
)
@click.option("--overwrite", is_flag=True, help="Replace the output where it exists.")
@guarded
def smooth(result: Path, output: Path, name: str, seconds: float, overwrite: bool) -> None:
    r"""Smooth a table of predictions over time, each face by itself.

    RESULT is a result folder, or a predictions.parquet. exponential, mean and one-euro are causal; gaussian,
    median and savgol look ahead and delay nothing.

    \b
    Examples:
        mien smooth talk.mien/ -o smoothed.parquet
        mien smooth talk.mien/ -o smoothed.parquet --filter gaussian --seconds 0.1
    """
    from mien.courses.filters import FILTERS
    from mien.courses.smoothing import described, smooth, write
    from mien.courses.table import place_of, read
    from mien.errors import OutputError

    if output.exists() and output.resolve() == place_of(result).resolve():
        raise OutputError(f"{output}: is the table that is read; choose another place with -o")
    if output.exists() and not overwrite:
        raise OutputError(f"{output}: exists already; choose another place with -o, or --overwrite")
    by = FILTERS[name](seconds)
    smoothed = smooth(read(result), by, str(result))
    write(smoothed, output)
    click.echo(f"{output}: {len(smoothed):,} rows, {described(by)}")


@main.command()
@click.argument("result", type=ANY)
@click.option("-o", "--output", required=True, type=FOLDER, help="Folder to make.")
@click.option("--filter", "name", type=click.Choice(NAMES), help="Smooth first. Default: not.")
@click.option("--seconds", default=0.2, show_default=True, type=SECONDS, help="The filter's size.")
@click.option("--minimum", default=0.2, show_default=True, help="Least duration of an event in seconds.")
@click.option("--gap", default=0.1, show_default=True, help="Interruptions shorter than this are closed.")
@click.option(
    "--enter",
    type=float,
    help="Value from which an action unit's event starts. Default: the network's threshold, else 0.5.",
)
@click.option("--leave", type=float, help="Value below which it ends. Default: three quarters of --enter.")
@click.option("--media", type=FILE, help="Video that the file for ELAN links. Default: where it is found.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier folder of events.")
@guarded
def events(
    result: Path,
    output: Path,
    name: str | None,
    seconds: float,
    minimum: float,
    gap: float,
    enter: float | None,
    leave: float | None,
    media: Path | None,
    overwrite: bool,
) -> None:
    r"""Find when action units and expressions begin, peak and end; as a table and for ELAN.

    RESULT is a result folder, or a table of predictions, smoothed or not. Written are events.parquet,
    events.csv and events.eaf, or an .eaf for each of several videos.

    \b
    Examples:
        mien events talk.mien/ -o talk-events/ --filter gaussian --seconds 0.1
        mien events smoothed.parquet -o talk-events/ --minimum 0.5 --media talk.mp4
    """
    from mien.courses.events import Rules, events
    from mien.courses.export import EVENTS, write
    from mien.courses.filters import FILTERS
    from mien.courses.smoothing import smooth
    from mien.courses.table import read
    from mien.errors import InputError
    from mien.files import free_folder

    free_folder(output, EVENTS if overwrite else "")
    rules = Rules(minimum, gap, enter, leave)
    table = read(result)
    if name is not None:
        table = smooth(table, FILTERS[name](seconds), str(result))
    found = events(table, rules, str(result))
    videos = table["video"].unique().to_pylist()
    if media is not None and len(videos) > 1:
        raise InputError(f"{result}: holds {len(videos)} videos; --media links one")
    if media is not None and not media.is_file():
        raise InputError(f"{media}: no such file to link")
    links = {video: place for video in videos if (place := media or _beside(video, result)) is not None}
    write(found, videos, output, links, overwrite)
    linked = f", linked to {', '.join(map(str, links.values()))}" if links else ", no video linked (--media)"
    click.echo(f"{output}: {len(found):,} events{linked}")


def _beside(video: str, result: Path) -> Path | None:
    """Return where the video of a result is: where we are, in the result's folder or beside it; else None."""
    home = result.resolve() if result.is_dir() else result.resolve().parent
    for folder in (Path.cwd(), home, home.parent):
        if (folder / Path(video).name).is_file():
            return folder / Path(video).name
    return None
