"""The commands that list, check and prepare databases."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mien.cli.main import FILE, FOLDER, guarded, kept, main
from mien.errors import SettingsError

if TYPE_CHECKING:
    from mien.databases.catalog import Database
    from mien.inputs import Preprocessing

SHOWN = 20
"""How many problems are told; all are in the manifest."""

HERE = click.Path(path_type=Path, file_okay=False, exists=True)


@main.group()
@kept
def databases() -> None:
    r"""What databases mien reads, and whether a folder holds one as it should.

    \b
    Examples:
        mien databases list
        mien databases check raf_db RAF-DB/
    """


@databases.command("list")
@click.argument("name", required=False)
@guarded
def list_databases(name: str | None) -> None:
    r"""List the databases; with a NAME all that is known of one.

    \b
    Example:
        mien databases list disfa
    """
    from mien.databases import DATABASES
    from mien.databases.checking import description

    if name:
        click.echo(description(name, known_database(name)))
        return
    width = max(map(len, DATABASES))
    for key, database in DATABASES.items():
        tasks = ", ".join(f"{task.name} ({len(task)})" for task in database.tasks)
        click.echo(f"{key:<{width}}  {database.title}: {tasks}")
    click.echo(
        "\nmien databases list NAME tells classes, protocols, figures that others published, licence, how to "
        "obtain it, what to cite."
    )


@databases.command("check")
@click.argument("name")
@click.argument("folder", type=HERE)
@guarded
def check_database(name: str, folder: Path) -> None:
    r"""Read a database's folder and say what is in it and what is wrong; exit code 1 on faults.

    Counts are held against the published ones. Nothing is written or changed.

    \b
    Example:
        mien databases check aff_wild2 AffWild2/
    """
    from mien.databases.checking import check

    known_database(name)
    result = check(name, folder)
    click.echo(result.text())
    sys.exit(1 if result.faults else 0)


@main.command()
@click.argument("name", metavar="NAME")
@click.argument("folder", type=HERE)
@click.option("-o", "--output", required=True, type=FOLDER, help="Prepared folder to make.")
@click.option("--recipe", type=FILE, help="Recipe whose preprocessing is applied; else --size and --colour.")
@click.option(
    "--size", default=112, show_default=True, type=click.IntRange(16, 1024), help="Side of a network's input."
)
@click.option("--colour", default="rgb", show_default=True, type=click.Choice(["rgb", "grey"]))
@click.option(
    "--aligned", is_flag=True, help="The pictures are aligned faces already; take them as they are."
)
@click.option(
    "--quality",
    default=95,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Of the stored JPEGs; 0 stores them without loss (PNG).",
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--sound/--no-sound", default=True, show_default=True, help="Keep the sound, 16 kHz mono.")
@click.option("--skip-malformed", is_flag=True, help="Leave out bad rows and unreadable media; record them.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@guarded
def prepare(
    name: str,
    folder: Path,
    output: Path,
    recipe: Path | None,
    size: int,
    colour: str,
    aligned: bool,
    quality: int,
    workers: int,
    sound: bool,
    skip_malformed: bool,
    quiet: bool,
) -> None:
    r"""Find, align and pack the faces of a database, once.

    Stopped or killed, it goes on where it was when the same command is given again, and gives the same
    files, byte for byte.

    \b
    Examples:
        mien prepare disfa DISFA/ -o prepared/disfa --workers 8
        mien prepare fer2013 FER2013/ -o prepared/fer2013 --recipe recipes/affect_fast.toml --quality 0
        mien prepare aff_wild2 AffWild2/ -o prepared/aff_wild2 --aligned
    """
    from mien.preparation.run import Options
    from mien.preparation.run import prepare as prepare_database

    known_database(name)
    options = Options(
        given=aligned, quality=quality, workers=workers, skip=skip_malformed, sound=sound, quiet=quiet
    )
    manifest = prepare_database(name, folder, output, _preprocessing(recipe, size, colour), options)
    counts = ", ".join(f"{what} {count:,}" for what, count in manifest["counts"].items())
    click.echo(f"{output}: {counts}")
    problems = manifest["problems"]
    for problem in problems[:SHOWN]:
        click.echo(f"mien: left out: {problem}", err=True)
    if len(problems) > SHOWN:
        click.echo(f"mien: left out: {len(problems) - SHOWN:,} more; see manifest.json", err=True)


def known_database(name: str) -> "Database":
    """Return a database by its name."""
    from mien.databases import DATABASES

    if name not in DATABASES:
        raise SettingsError(f"no database {name!r}; known are {', '.join(DATABASES)}")
    return DATABASES[name]


def _preprocessing(recipe: Path | None, size: int, colour: str) -> "Preprocessing":
    """Return a recipe's preprocessing, or one of a size and colour."""
    from mien.inputs import Preprocessing
    from mien.learning.recipe import read

    if recipe:
        return read(recipe)[0].preprocessing
    return Preprocessing(size=size, colour="rgb" if colour == "rgb" else "grey")
