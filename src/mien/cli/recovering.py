"""The command that saves what a crash left."""

from pathlib import Path

import click

from mien.cli.main import FOLDER, guarded, main


@main.command()
@click.argument("folder", type=FOLDER)
@guarded
def recover(folder: Path) -> None:
    r"""Make the table of a live recording that broke off.

    What `mien live` recorded until its process was killed, or the power failed, becomes predictions.parquet.

    \b
    Example:
        mien recover me/
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from mien.reports.journal import TABLE
    from mien.reports.journal import recover as recovered

    rows = recovered(folder)
    times = pq.read_table(folder / TABLE, columns=["time_s"])["time_s"]
    ends = pc.min_max(times).as_py()
    seconds = ends["max"] - ends["min"] if ends["max"] is not None else 0.0
    click.echo(f"{folder / TABLE}: {rows:,} rows, {seconds:.1f} s")
