"""The commands that train, export and score networks."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mien.cli.main import FILE, FOLDER, guarded, main
from mien.errors import MienError

if TYPE_CHECKING:
    from mien.preparation.prepared import Prepared


@main.command()
@click.argument("recipe", type=FILE)
@click.argument("prepared", type=FOLDER, nargs=-1, required=True, metavar="PREPARED...")
@click.option(
    "-o", "--output", required=True, type=FOLDER, help="Run folder; a run that stopped in it goes on."
)
@click.option(
    "--threads", default=0, type=click.IntRange(0), help="Processor threads. Default: torch's choice."
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "cpu", "cuda"]),
    help="What computes; auto takes a GPU where torch finds one.",
)
@click.option(
    "--fold",
    type=click.IntRange(1),
    help="Train on this fold of each database that is scored by folds of its subjects.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
@guarded
def train(
    recipe: Path,
    prepared: tuple[Path, ...],
    output: Path,
    threads: int,
    device: str,
    fold: int | None,
    quiet: bool,
) -> None:
    r"""Train a network by a recipe on one or more prepared databases; started again, it goes on.

    \b
    Examples:
        mien train recipes/affect_fast.toml prepared/fer2013 prepared/faces prepared/renderings -o runs/affect
        mien train recipes/compact.toml prepared/aff_wild2 prepared/raf_db -o runs/compact
        mien train my_recipe.toml prepared/disfa -o runs/disfa_1 --fold 1
        torchrun --nproc-per-node 2 -m mien train recipes/mt_vgg.toml prepared/aff_wild2 -o runs/mt_vgg
    """
    from mien.preparation.prepared import Prepared

    needs_torch()
    from mien.learning.parallel import rank
    from mien.learning.recipe import read
    from mien.learning.training import train as train_network

    opened = [Prepared.open(folder) for folder in prepared]
    if fold is not None:
        opened = in_folds(opened, fold)
    last = train_network(read(recipe), opened, output, threads, quiet, device)
    if rank() == 0:
        click.echo(last)


@main.command()
@click.argument("checkpoints", type=FILE, nargs=-1, required=True, metavar="CHECKPOINT...")
@click.option("-o", "--output", required=True, type=FOLDER, help="Bundle folder to make.")
@click.option("--card", type=FILE, help="JSON file: training data, licence, scores, limits.")
@click.option("--mirrored", is_flag=True, help="Say the mean over each face and its mirror image.")
@click.option("--weights", is_flag=True, help="Add the weights, for `mien train` to start from.")
@click.option("--half", is_flag=True, help="Store the network in half precision: a file half as large.")
@guarded
def export(
    checkpoints: tuple[Path, ...], output: Path, card: Path | None, mirrored: bool, weights: bool, half: bool
) -> None:
    r"""Write trained networks as one bundle; refused unless ONNX and torch agree to 1e-4 (--half: 5e-3).

    Several checkpoints become one network that says the mean of what they say.

    \b
    Examples:
        mien export runs/affect/affect_fast/last.safetensors -o bundle/ --card recipes/affect_fast.card.json
        mien export runs/a/last.safetensors runs/b/last.safetensors -o together/ --mirrored
    """
    needs_torch()
    from mien.learning.export import export as export_bundle
    from mien.learning.export import read_card

    difference = export_bundle(checkpoints, output, read_card(card) if card else {}, mirrored, weights, half)
    click.echo(f"{output}: ONNX and torch differ by at most {difference:.1e}")


def in_folds(opened: list["Prepared"], number: int) -> list["Prepared"]:
    """Return databases in the parts of a fold of their first protocol with folds of subjects.

    Those without such a protocol keep their own parts.

    Raises:
        MienError: there is none with such a protocol, or not so many folds.
    """
    from mien.databases import DATABASES

    folded = []
    for data in opened:
        protocols = [p for p in DATABASES[data.index.database].protocols if p.by == "subject"]
        folded.append(data.of_fold(protocols[0], number) if protocols else data)
    if not any(data.fold for data in folded):
        names = ", ".join(data.index.database for data in opened)
        raise MienError(f"--fold: {names} has parts of its own and no folds of subjects; leave it out")
    return folded


def needs_torch() -> None:
    """Refuse in one line where the training extra is not installed."""
    from importlib.util import find_spec

    missing = [name for name in ("torch", "safetensors", "onnx") if find_spec(name) is None]
    if missing:
        raise MienError(
            f"this command needs {', '.join(missing)}; install them with: pip install 'mien[train]'"
        )
