"""The commands that answer the ABAW challenges, and score such answers."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mien.cli.main import FILE, FOLDER, guarded, main

if TYPE_CHECKING:
    from mien.benchmark.challenge import Split, Track

EDITION = click.option("--edition", required=True, type=click.IntRange(1), help="Of the ABAW challenges.")
TASK = click.option(
    "--task", "track", required=True, type=click.Choice(["VA", "EXPR", "AU", "MTL"]), help="Track of it."
)
SPLIT = click.option(
    "--split",
    default="validation",
    show_default=True,
    type=click.Choice(["validation", "test"]),
    help="Part that is answered.",
)


@main.command()
@click.argument("bundle", type=FOLDER)
@click.argument("prepared", type=FOLDER)
@EDITION
@TASK
@click.option("-o", "--output", required=True, type=FOLDER, help="Folder to make.")
@SPLIT
@click.option("--sample", type=FILE, help="The organisers' file (edition 5 and on), whose rows are answered.")
@click.option("--archive", is_flag=True, help="Also pack the files into OUTPUT.zip.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@guarded
def submit(
    bundle: Path,
    prepared: Path,
    edition: int,
    track: "Track",
    output: Path,
    split: "Split",
    sample: Path | None,
    archive: bool,
    quiet: bool,
) -> None:
    r"""Write a bundle's answers to an ABAW challenge, in that edition's form.

    Every frame gets an answer: one without a face repeats the last of its video, or the first where none is
    before it; a video without any face is neutral. For the test part, prepare a table of its frames.

    \b
    Examples:
        mien submit BUNDLE/ prepared/aff_wild2 --edition 6 --task EXPR -o answers/
        mien score answers/ prepared/aff_wild2 --edition 6 --task EXPR
    """
    from mien.benchmark.challenge import Challenge
    from mien.benchmark.submission import write_answers
    from mien.bundle import Bundle, shipped
    from mien.preparation.prepared import Prepared

    challenge = Challenge(edition, track, split)
    opened = Bundle.load(shipped() if str(bundle) == "shipped" else bundle, threads=0)
    done = write_answers(opened, Prepared.open(prepared), challenge, output, sample, archive, quiet)
    click.echo(
        f"{output}: {done.frames:,} frames, {done.repeated:,} without a face repeat another of their video, "
        f"{done.neutral:,} of videos without any face are neutral"
    )
    if done.archive is not None:
        click.echo(str(done.archive))


@main.command()
@click.argument("folder", type=FOLDER)
@click.argument("prepared", type=FOLDER)
@EDITION
@TASK
@SPLIT
@guarded
def score(folder: Path, prepared: Path, edition: int, track: "Track", split: "Split") -> None:
    r"""Score a folder of answers to an ABAW challenge by the labels of a prepared database.

    The figure is that of `mien evaluate` for the same protocol.

    \b
    Example:
        mien score answers/ prepared/aff_wild2 --edition 6 --task EXPR
    """
    from mien.benchmark.challenge import Challenge
    from mien.benchmark.submission import score_submission
    from mien.preparation.prepared import Prepared

    scored = score_submission(folder, Prepared.open(prepared).index, Challenge(edition, track, split))
    click.echo(str(scored.score))
    if scored.every.count != scored.score.count:
        click.echo(str(scored.every))
    for part in scored.parts:
        click.echo(f"  {part}")
