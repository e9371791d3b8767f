"""The command that calibrates a bundle."""

from pathlib import Path

import click

from mien.cli.main import FOLDER, guarded, main


@main.command()
@click.argument("bundle", type=FOLDER)
@click.argument("prepared", type=FOLDER, nargs=-1, required=True, metavar="PREPARED...")
@click.option("-o", "--output", required=True, type=FOLDER, help="Bundle folder to make.")
@click.option(
    "--split",
    type=click.Choice(["validation", "test"]),
    default="validation",
    show_default=True,
    help="The part of the databases to calibrate on; the network must not have learned from it.",
)
@click.option(
    "--coverage",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.9,
    show_default=True,
    help="The share of sets and intervals that are to hold what the label says.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@guarded
def calibrate(
    bundle: Path, prepared: tuple[Path, ...], output: Path, split: str, coverage: float, quiet: bool
) -> None:
    r"""Set a bundle's probabilities straight, and give it sets and intervals with a stated coverage.

    Each task is fitted on all databases that have its labels. Printed are figures of the network itself, of
    the faces that were calibrated on, and of faces kept aside: the mean and 95 % of 100 halves, with the
    other half calibrated on. A calibration that the bundle has already is replaced.

    \b
    Examples ('shipped' is the bundle inside the package):
        mien calibrate bundle/ prepared/fer2013 -o calibrated/
        mien calibrate bundle/ prepared/fer2013 prepared/renderings -o calibrated/ --coverage 0.95
    """
    from mien.benchmark.calibrating import checked, gathered, sources, text, told
    from mien.benchmark.fitting import fitted
    from mien.bundle import Bundle, shipped, write_calibrated
    from mien.files import free_folder
    from mien.preparation.prepared import Prepared

    free_folder(output)
    folder = shipped() if str(bundle) == "shipped" else bundle
    network = Bundle.load(folder, threads=0).uncalibrated()
    databases = [Prepared.open(path) for path in prepared]
    faces = gathered(network, databases, split, quiet)
    calibration = fitted(faces, coverage, sources(databases, split))
    lines = checked(faces, calibration, quiet)
    click.echo(text(calibration, lines))
    write_calibrated(folder, output, calibration, told(calibration, lines))
    click.echo(f"{output}: calibrated on {len(faces):,} faces")
