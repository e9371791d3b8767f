"""The commands that write and read other programs' files."""

from pathlib import Path

import click

from mien.cli.databases import HERE, databases, known_database
from mien.cli.main import ANY, FILE, FOLDER, guarded, main
from mien.errors import InputError

PRESENT = click.FloatRange(0, 1)


@main.command()
@click.argument("table", type=FILE)
@click.option(
    "-o", "--output", required=True, type=ANY, help="Folder for csv files, or Parquet file to make."
)
@click.option(
    "--threshold",
    type=PRESENT,
    help="Probability from which a unit is present. Default: what the table's network states, else 0.5.",
)
@guarded
def openface(table: Path, output: Path, threshold: float | None) -> None:
    r"""Turn a table of predictions into OpenFace's csv, or OpenFace's csv into a table of predictions.

    A .parquet file gives a folder with a csv for each of its videos; a .csv file gives a Parquet file.
    Only what was measured is written: no column is made up.

    \b
    Examples:
        mien openface talk.mien/predictions.parquet -o talk-openface/
        mien openface processed/talk.csv -o talk.parquet
    """
    import pyarrow.parquet as pq

    from mien.files import whole_file
    from mien.interchange.openface import read, write

    if table.suffix.lower() == ".parquet":
        for path in write(table, output, threshold):
            click.echo(str(path))
        return
    if table.suffix.lower() != ".csv":
        raise InputError(f"{table}: expected a .parquet or a .csv file")
    rows = read(table)
    with whole_file(output) as place:
        pq.write_table(rows, place, compression="zstd")
    click.echo(f"{output}: {len(rows):,} rows")


@databases.command("export")
@click.argument("name")
@click.argument("folder", type=HERE)
@click.option("-o", "--output", required=True, type=FOLDER, help="Folder to make.")
@click.option(
    "--to",
    "kind",
    default="datapackage",
    show_default=True,
    type=click.Choice(["datapackage", "audformat"]),
    help="Parquet with a datapackage.json, or an audformat database (pip install 'mien[audformat]').",
)
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Frames per second, for audformat.")
@click.option("--skip-malformed", is_flag=True, help="Leave out malformed rows.")
@guarded
def export_database(
    name: str, folder: Path, output: Path, kind: str, rate: float | None, skip_malformed: bool
) -> None:
    r"""Write a database's labels in one common form, described; pictures are not copied.

    \b
    Examples:
        mien databases export disfa DISFA/ -o disfa-labels/
        mien databases export recola RECOLA/ -o recola-audformat/ --to audformat
    """
    from mien.databases.findings import Findings
    from mien.interchange import audformat, datapackage

    findings = Findings(skip_malformed)
    index = known_database(name).read(folder, findings)
    if kind == "datapackage":
        datapackage.write(index, output)
        left = 0
    else:
        left = audformat.write(index, output, rate=rate)
    without = f", {left:,} without picture and sound left out" if left else ""
    malformed = f", {findings.malformed.count:,} malformed left out" if findings.malformed.count else ""
    click.echo(f"{output}: {len(index) - left:,} rows{without}{malformed}")
