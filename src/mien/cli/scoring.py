"""The commands that score networks on databases."""

from pathlib import Path

import click

from mien.cli.main import FILE, FOLDER, guarded, main


@main.command()
@click.argument("bundles", type=FOLDER, nargs=-1, required=True, metavar="BUNDLE...")
@click.argument("prepared", type=FOLDER)
@click.option("--protocol", "protocols", multiple=True, help="One of the database's; may be given again.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    help="Test this part instead of the protocol's own.",
)
@click.option("-o", "--output", type=FOLDER, help="Folder to make, with a record and pictures per protocol.")
@click.option("-v", "--verbose", is_flag=True, help="Every label's figures, not the protocol's alone.")
@guarded
def evaluate(
    bundles: tuple[Path, ...],
    prepared: Path,
    protocols: tuple[str, ...],
    split: str | None,
    output: Path | None,
    verbose: bool,
) -> None:
    r"""Score a bundle on a prepared database by the database's own protocols.

    Of a database with folds, one bundle is tested on all folds it has not learned from; give several, each
    trained with `mien train --fold`, to test each on its own. Intervals are of 95 %, over subjects or
    recordings. Baselines that look at no face stand beside: "constant" (the commonest class, the mean, every
    action unit) and "prior" (drawn as often as in the training part).

    \b
    Examples ('shipped' is the bundle inside the package):
        mien evaluate shipped prepared/fer2013 --split validation
        mien evaluate fold_1/ fold_2/ fold_3/ prepared/disfa --protocol "8 AUs, F1 (>= 2)" -o results/disfa
    """
    from mien.benchmark import evaluate as evaluate_bundles
    from mien.benchmark.folder import write
    from mien.bundle import Bundle, shipped
    from mien.files import free_folder
    from mien.preparation.prepared import Prepared

    if output is not None:
        free_folder(output)
    opened = [Bundle.load(shipped() if str(b) == "shipped" else b, threads=0) for b in bundles]
    results = evaluate_bundles(opened, Prepared.open(prepared), protocols, split or "")
    for result in results:
        click.echo(result.text(verbose))
    if output is not None:
        write(results, output)
        click.echo(f"{output}: {len(results)} records")


@main.command()
@click.argument("results", type=FILE, nargs=-1, required=True, metavar="RESULT.json...")
@click.option("-o", "--output", type=FOLDER, help="Folder to make, with the table in Markdown, CSV and HTML.")
@guarded
def benchmark(results: tuple[Path, ...], output: Path | None) -> None:
    r"""Put evaluations of many networks and databases into one table, beside published figures.

    \b
    Example:
        mien evaluate shipped prepared/fer2013 --split validation -o results/shipped
        mien benchmark results/*/*.json -o table/
    """
    from mien.benchmark.result import Result
    from mien.benchmark.table import markdown, rows_of, write_table

    rows = rows_of([Result.load(path) for path in results])
    click.echo(markdown(rows))
    if output is not None:
        write_table(rows, output)
