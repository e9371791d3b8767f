"""The commands that compare annotators, and make one truth of what they said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mien.cli.main import FOLDER, guarded, main

TRACES = ("ewe", "mean", "median")
CLASSES = ("soft", "majority", "dawid-skene")
"""The ways to fuse, spelled again so that help is instant; a test holds them to be the same."""

SECONDS = click.FloatRange(min=0, max=60)


def prepared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with the options of what is done to annotations first."""
    options = (
        click.option(
            "--rate",
            default=25.0,
            show_default=True,
            type=click.FloatRange(1, 1000),
            help="Values per second.",
        ),
        click.option(
            "--median", default=0.5, show_default=True, type=SECONDS, help="Median filter of traces, seconds."
        ),
        click.option(
            "--lag-limit",
            default=6.0,
            show_default=True,
            type=SECONDS,
            help="Longest lag looked for; 0: none is taken off.",
        ),
        click.option(
            "--gain",
            default=0.01,
            show_default=True,
            type=click.FloatRange(0, 2),
            help="Least gain in CCC for which a trace is moved.",
        ),
        click.option(
            "--reaction",
            default=0.0,
            show_default=True,
            type=SECONDS,
            help="Lag of the quickest annotator, taken off all.",
        ),
        click.option(
            "--tail",
            default=1.0,
            show_default=True,
            type=click.FloatRange(0, 3600),
            help="Most seconds for which a trace's last value holds.",
        ),
        click.option(
            "--videos",
            type=FOLDER,
            help="Folder of the videos, for their frames' times. Default: a project's own.",
        ),
        click.option("--finished", is_flag=True, help="Of a project only what annotators called finished."),
        click.option("--overwrite", is_flag=True, help="Replace an earlier result."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@main.command()
@click.argument("source", type=FOLDER)
@click.option("-o", "--output", required=True, type=FOLDER, help="Folder to make.")
@click.option(
    "--tolerance",
    default=0.5,
    show_default=True,
    type=SECONDS,
    help="Seconds by which starts and ends of events may differ.",
)
@prepared
@guarded
def agreement(
    source: Path,
    output: Path,
    tolerance: float,
    rate: float,
    median: float,
    lag_limit: float,
    gain: float,
    reaction: float,
    tail: float,
    videos: Path | None,
    finished: bool,
    overwrite: bool,
) -> None:
    r"""Say how well annotators agree, with lags and without, and what is wrong with single traces.

    SOURCE is a project, or a folder of traces.parquet and segments.parquet. Written are agreement.html to
    look at, agreement.csv with a row for each figure, and agreement.json.

    \b
    Examples:
        mien agreement project/ -o agreement/
        mien agreement annotations/ -o agreement/ --videos videos/ --lag-limit 4
    """
    from mien.annotation.measuring import FIGURES, PAGE, measure, write_figures
    from mien.annotation.resampling import Clock, Steps
    from mien.annotation.source import read_source
    from mien.files import free_folder, whole_folder
    from mien.reports.agreement_page import write_page

    replacing = FIGURES if overwrite else ""
    free_folder(output, replacing)
    steps = Steps(rate, median, tail, lag_limit, gain, reaction)
    read = read_source(source, videos, finished)
    measured = measure(read, steps, Clock(rate, read.videos), tolerance)
    with whole_folder(output, replacing) as temporary:
        write_figures(temporary, measured)
        write_page(temporary / PAGE, measured)
    for traced in measured.traced:
        before, after = traced.with_others("before"), traced.with_others("after")
        without = f", without {', '.join(traced.opposed)}" if traced.opposed else ""
        click.echo(f"{traced.label}: CCC with the others {before:.3f}, {after:.3f} with lags off{without}")
        for flag in traced.flags:
            if flag.weight != "note":
                click.echo(f"  {flag.video}, {flag.annotator} {flag.text}")
    click.echo(f"{output / PAGE}: to look at")


@main.command()
@click.argument("source", type=FOLDER)
@click.option("-o", "--output", required=True, type=FOLDER, help="Gold folder to make.")
@click.option(
    "--traces", default="ewe", show_default=True, type=click.Choice(TRACES), help="How traces are fused."
)
@click.option(
    "--classes",
    default="soft",
    show_default=True,
    type=click.Choice(CLASSES),
    help="How expressions and action units are fused.",
)
@prepared
@guarded
def fuse(
    source: Path,
    output: Path,
    traces: str,
    classes: str,
    rate: float,
    median: float,
    lag_limit: float,
    gain: float,
    reaction: float,
    tail: float,
    videos: Path | None,
    finished: bool,
    overwrite: bool,
) -> None:
    r"""Make one truth of what several annotators said: a row for each video, face and frame.

    SOURCE is a project, or a folder of traces.parquet and segments.parquet. Written are gold.parquet, with
    the annotators' spread beside each value, and settings.json, which says how it was made.

    \b
    Examples:
        mien fuse project/ -o gold/
        mien fuse annotations/ -o gold/ --videos videos/ --traces median --classes dawid-skene
    """
    from mien.annotation.fusing import Choices, fuse, write_made
    from mien.annotation.gold import TABLE
    from mien.annotation.resampling import Clock, Steps
    from mien.annotation.source import read_source
    from mien.files import free_folder

    free_folder(output, TABLE if overwrite else "")
    read = read_source(source, videos, finished)
    steps = Steps(rate, median, tail, lag_limit, gain, reaction)
    made = fuse(read, steps, Clock(rate, read.videos), Choices(traces, classes))
    write_made(output, made, overwrite)
    for label, told in made.settings["labels"].items():
        for note in told["notes"]:
            click.echo(f"{label}: {note}")
    click.echo(f"{output}: {made.table.num_rows:,} rows of {len(made.settings['videos'])} videos")
