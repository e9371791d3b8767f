"""The command that labels real pictures by what a landmarker sees and what people voted."""

from pathlib import Path

import click

from mien.cli.databases import HERE, known_database
from mien.cli.main import FOLDER, guarded, main


@main.command()
@click.argument("name", metavar="NAME")
@click.argument("folder", type=HERE)
@click.option("-o", "--output", required=True, type=FOLDER, help="Folder of the table database to make.")
@click.option(
    "--landmarker", required=True, type=HERE, help="Folder of MediaPipe's face landmarker as ONNX files."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@guarded
def derive(name: str, folder: Path, output: Path, landmarker: Path, workers: int, quiet: bool) -> None:
    r"""Label the pictures of a database with action units and valence-arousal that nobody gave.

    Units come from the shapes that the landmarker sees, valence and arousal from votes over expressions:
    no FACS coding and no ratings. Stopped or killed, it goes on when the same command is given again.

    \b
    Examples:
        mien derive fer2013 FER2013/ -o derived/fer2013 --landmarker mediapipe/
        mien prepare table derived/fer2013 -o prepared/fer2013 --recipe recipes/affect_fast.toml
    """
    from mien.derived.deriving import derive as derive_labels

    known_database(name)
    index = derive_labels(name, folder, landmarker, output, workers, quiet)
    click.echo(f"{output}: {len(index):,} pictures")
    for task, known in index.labels.known.items():
        whole = known.any(axis=1).sum()
        click.echo(f"  {task.name:<24}{whole:>8,} labelled")
