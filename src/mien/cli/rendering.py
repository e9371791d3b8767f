"""The command that renders labelled faces."""

from pathlib import Path

import click

from mien.cli.main import ANY, FOLDER, guarded, main

HERE = click.Path(path_type=Path, file_okay=False, exists=True)


@main.command()
@click.argument("facekit", type=ANY)
@click.option("-o", "--output", required=True, type=FOLDER, help="Folder to make.")
@click.option("--pictures", default=0, show_default=True, type=click.IntRange(0), help="How many stills.")
@click.option("--clips", default=0, show_default=True, type=click.IntRange(0), help="How many videos.")
@click.option("--frames", default=80, show_default=True, type=click.IntRange(8), help="Of each, 25 a second.")
@click.option("--sound", type=HERE, help="Folder of EmoDB, whose utterances the videos get.")
@click.option("--people", type=click.IntRange(8), help="Different heads; without it up to 1000.")
@click.option(
    "--size", default=112, show_default=True, type=click.IntRange(32, 1024), help="Side of a picture."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of all chance.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@guarded
def render(
    facekit: Path,
    output: Path,
    pictures: int,
    clips: int,
    frames: int,
    sound: Path | None,
    people: int | None,
    size: int,
    seed: int,
    workers: int,
    quiet: bool,
) -> None:
    r"""Render faces whose action units are known, of FACEKIT: the ICT-FaceKit, as OBJ files or packed.

    What comes out is a folder that `mien prepare table` reads: pictures, and a table of action units (as the
    model's shapes tell them) and, where an expression was scripted, of valence and arousal derived from it.
    People of the training, validation and test part differ. The same seed gives the same pictures.

    \b
    Example:
        mien render ICT-FaceKit/FaceXModel -o renderings/ --pictures 24000 --workers 2
        mien render ICT-FaceKit/FaceXModel -o filmed/ --clips 200 --sound emodb/
        mien prepare table renderings/ -o prepared/renderings --recipe recipes/affect_fast.toml
    """
    from mien.derived.renderings import Options
    from mien.derived.renderings import render as render_database

    if people is None:
        people = min(1000, max(pictures, clips))
    options = Options(pictures, people, clips, frames, sound, size, seed, workers, quiet)
    index = render_database(facekit, output, options)
    counts = ", ".join(f"{name} {count:,}" for name, count in index.split.counts().items())
    click.echo(f"{output}: {len(index):,} pictures and frames of {options.people:,} people; {counts}")
