"""The commands that make a database of annotations: collect, split, publish."""

from pathlib import Path

import click

from mien.cli.databases import HERE
from mien.cli.main import FILE, FOLDER, guarded, main
from mien.errors import SettingsError

GIVEN = click.Path(path_type=Path, dir_okay=False, exists=True)


@main.command()
@click.argument("files", type=GIVEN, nargs=-1, required=True, metavar="FILES...")
@click.option("-o", "--output", required=True, type=FOLDER, help="Folder of annotations to make.")
@click.option("--tool", default="", help="Whose files they are. Default: what their content tells.")
@click.option(
    "--rename", multiple=True, metavar="OLD=NEW", help="A label's name in mien; nothing: leave it out."
)
@click.option("--video", default="", help="The video, where files do not name it.")
@click.option("--annotator", default="", help="Who annotated, where files do not say.")
@click.option("--label", default="", help="What was traced, where files do not say.")
@click.option("--pattern", default="", help="How paths end: {annotator}/{video}_{label}, without suffix.")
@click.option("--tier", default="", help="How ELAN's tiers are called: {annotator}:{face}:{label}.")
@click.option("--range", "span", type=float, nargs=2, help="The values that become -1 and 1 (PAGAN).")
@click.option("--rate", type=float, help="Frames per second, where files count frames (Label Studio).")
@click.option("--videos", type=HERE, help="Folder of the videos: times of frames, and names without suffix.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of texts.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier collection there.")
@guarded
def collect(
    files: tuple[Path, ...],
    output: Path,
    tool: str,
    rename: tuple[str, ...],
    video: str,
    annotator: str,
    label: str,
    pattern: str,
    tier: str,
    span: tuple[float, float] | None,
    rate: float | None,
    videos: Path | None,
    encoding: str,
    overwrite: bool,
) -> None:
    r"""Read the files of other annotation tools: CARMA, DARMA, PAGAN, NOVA, ELAN, Label Studio, CVAT.

    \b
    Examples:
        mien collect anna/*.csv -o annotations/ --pattern '{annotator}/{video}_{label}' --videos videos/
        mien collect talks/*.eaf -o annotations/ --rename joy=happiness --rename gesture=
        mien collect darma/*.csv -o annotations/ --annotator anna --rename Pleasure=valence --rename Power=
    """
    from mien.annotation import foreign
    from mien.annotation.foreign.source import Settings

    settings = Settings(
        video=video,
        annotator=annotator,
        label=label,
        pattern=pattern,
        tier=tier,
        rename=_renames(rename),
        low=span[0] if span else None,
        high=span[1] if span else None,
        rate=rate,
        videos=videos,
        encoding=encoding,
    )
    foreign.check_free(output, overwrite)
    found = foreign.collect(files, settings, tool)
    foreign.write(output, found, files, settings, overwrite)
    told = found.annotations
    who = {one.annotator for one in told.traces} | {one.annotator for one in told.segments}
    click.echo(
        f"{output}: {len(told.traces)} traces, {len(told.segments)} segments and {len(found.boxes)} boxes "
        f"of {len({*told.videos, *(box.video for box in found.boxes)})} videos by {len(who)} annotators"
    )
    for note in found.notes:
        click.echo(f"mien: {note}", err=True)


def _renames(told: tuple[str, ...]) -> dict[str, str]:
    """Return the renames OLD=NEW as a mapping."""
    wrong = [text for text in told if not text.partition("=")[1] or not text.partition("=")[0]]
    if wrong:
        raise SettingsError(f"--rename {wrong[0]!r}, expected OLD=NEW, or OLD= to leave it out")
    return {old: new for old, _, new in (text.rpartition("=") for text in told)}


@main.command()
@click.argument("gold", type=HERE)
@click.option("-o", "--output", required=True, type=FILE, help="List to make (csv); its hash lies beside it.")
@click.option("--attributes", type=GIVEN, help="csv of video, subject and what else is to be balanced.")
@click.option(
    "--shares",
    type=float,
    nargs=3,
    default=(0.7, 0.15, 0.15),
    show_default=True,
    help="Of train, validation and test.",
)
@click.option("--seed", default=0, show_default=True, help="Of what is random.")
@click.option("--tries", default=20_000, show_default=True, type=click.IntRange(0), help="Moves and swaps.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier list.")
@guarded
def split(
    gold: Path,
    output: Path,
    attributes: Path | None,
    shares: tuple[float, float, float],
    seed: int,
    tries: int,
    overwrite: bool,
) -> None:
    r"""Divide a database into train, validation and test parts that share nobody and are alike.

    Length, valence and arousal, expressions, action units and every further column of the csv are balanced at
    once. The table shows each part's share, and how far it is from the wanted one beside random splits.

    \b
    Example:
        mien split gold/ --attributes videos.csv -o split.csv
    """
    from dataclasses import replace

    from mien.annotation.gold import read_gold
    from mien.annotation.partition import Wanted, partition, table, write_split
    from mien.annotation.people import read_people
    from mien.files import sha256

    wanted = Wanted(shares, seed, tries)
    truth = read_gold(gold)
    people = read_people(attributes) if attributes else ()
    made = partition(truth, people, wanted)
    inputs = {"gold": truth.hash} | ({"attributes": sha256(attributes)} if attributes else {})
    digest = write_split(output, replace(made, inputs=inputs), overwrite)
    click.echo(table(made))
    click.echo(
        f"\n{output}: {len(made.part)} videos in {len(made.units)} groups that share nobody; SHA-256 {digest}"
    )
    for note in made.notes:
        click.echo(f"mien: {note}", err=True)


@main.command()
@click.argument("gold", type=HERE)
@click.option("--split", "parts", required=True, type=GIVEN, help="List of parts, from mien split.")
@click.option("--videos", type=HERE, help="Folder of the videos.")
@click.option("-o", "--output", required=True, type=FOLDER, help="Folder of the database to make.")
@click.option(
    "--media",
    default="link",
    show_default=True,
    type=click.Choice(["copy", "link", "none"]),
    help="Copy the videos, link to them, or leave them out.",
)
@click.option(
    "--tracks", type=GIVEN, help="Boxes of faces that have names: tracks.parquet from mien collect."
)
@click.option("--title", default="A database of faces", help="Its name.")
@click.option("--description", default="", help="What it is.")
@click.option("--licence", default="", help="What may be done with it. Default: nothing is stated.")
@click.option("--consent", default="", help="What the people who are seen agreed to.")
@click.option("--annotators", default="", help="Who annotated, how they were trained and paid.")
@click.option("--agreement", type=HERE, help="Folder that mien agreement made of the same annotations.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier database there.")
@guarded
def publish(
    gold: Path,
    parts: Path,
    videos: Path | None,
    output: Path,
    media: str,
    tracks: Path | None,
    title: str,
    description: str,
    licence: str,
    consent: str,
    annotators: str,
    agreement: Path | None,
    overwrite: bool,
) -> None:
    r"""Write the finished database: as a table with its description, in Aff-Wild2's form, with sheets.

    \b
    Examples:
        mien publish gold/ --split split.csv --videos videos/ -o talks/ --title Talks --licence CC-BY-4.0
        mien databases check table talks/
        mien databases check aff_wild2 talks/
    """
    from typing import cast

    from mien.annotation.gold import SETTINGS, read_gold
    from mien.annotation.measuring import FIGURES
    from mien.annotation.people import read_split
    from mien.annotation.publishing import About, Material, Media, read_agreement
    from mien.annotation.publishing import publish as publish_database

    truth = read_gold(gold)
    homes, people, record = read_split(parts)
    files = {"split.csv": parts}
    files |= {"split.json": parts.with_suffix(".json")} if record else {}
    files |= {"fusion.json": gold / SETTINGS} if truth.settings else {}
    files |= {FIGURES: agreement / FIGURES} if agreement else {}
    figures = read_agreement(agreement, truth) if agreement else {}
    about = About(title, description, licence, consent, annotators, figures)
    notes = publish_database(
        Material(truth, homes, people, record, tracks, files),
        videos,
        output,
        about,
        cast(Media, media),
        overwrite,
    )
    click.echo(
        f"{output}: {len(truth):,} rows of {len(truth.video.counts())} videos; see {output}/sheet.html"
    )
    for note in notes:
        click.echo(f"mien: {note}", err=True)
