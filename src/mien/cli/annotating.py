"""The command with which databases are annotated."""

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mien.cli.main import FOLDER, guarded, main

if TYPE_CHECKING:
    from mien.annotation.project import Project

PORT = 8765


@main.command()
@click.argument("project", type=FOLDER)
@click.option("--new", is_flag=True, help="Make the folder with a project.toml to change, and stop.")
@click.option(
    "--prefill", is_flag=True, help="Analyse the videos, so that predictions can be shown; and stop."
)
@click.option("--status", is_flag=True, help="Print how far everybody is, and stop.")
@click.option(
    "--port",
    default=PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Where to listen. Keep it: what a page holds back while the server is gone belongs to the port.",
)
@click.option("--annotator", help="Print the address of this one only.")
@click.option("--browser", is_flag=True, help="Open the page of --annotator.")
@guarded
def annotate(
    project: Path, new: bool, prefill: bool, status: bool, port: int, annotator: str | None, browser: bool
) -> None:
    r"""Annotate the videos of a project folder in a browser.

    An address is printed for each annotator. It works on this machine only. Events are kept in
    PROJECT/annotations.sqlite as they happen.

    \b
    Examples:
        mien annotate talks/ --new
        mien annotate talks/
        mien annotate talks/ --annotator anna --browser
    """
    from mien.annotation.project import Project
    from mien.errors import SettingsError

    if new:
        return _new(project)
    opened = Project.open(project)
    if annotator is not None and annotator not in opened.annotators:
        raise SettingsError(f"{annotator}: no annotator of {project}; it has {', '.join(opened.annotators)}")
    if prefill:
        return _prefill(opened)
    if status:
        return _status(opened)
    return _serve(opened, port, annotator, browser)


def _new(folder: Path) -> None:
    """Make a project folder."""
    from mien.annotation.project import EXAMPLE, SETTINGS
    from mien.errors import OutputError
    from mien.files import explained, whole_file

    if (folder / SETTINGS).exists():
        raise OutputError(f"{folder / SETTINGS}: exists already")
    with explained(folder):
        (folder / "videos").mkdir(parents=True, exist_ok=True)
    with whole_file(folder / SETTINGS) as temporary:
        name = "".join(
            letter for letter in folder.resolve().name if letter.isprintable() and letter not in '"\\'
        )
        temporary.write_text(EXAMPLE.format(name=name), encoding="utf-8")
    click.echo(
        f"{folder / SETTINGS}: change it, put videos into {folder / 'videos'}, then: mien annotate {folder}"
    )


def _serve(project: "Project", port: int, annotator: str | None, browser: bool) -> None:
    """Run the server until Ctrl-C."""
    from mien.studio.annotate_server import Office
    from mien.studio.playable import look

    for video in project.videos:
        if problem := look(project.folder / "videos" / video).problem:
            click.echo(f"mien: {problem}", err=True)
    with project.store() as store:
        project.prepare(store)
        office = Office(project, store, port)
        for name, address in office.addresses.items():
            if annotator in (None, name):
                click.echo(f"{name}  {address}")
        click.echo("Ctrl-C ends it.")
        if browser and annotator is not None:
            webbrowser.open(office.addresses[annotator])
        office.run()


def _status(project: "Project") -> None:
    """Print how far everybody is, and how near annotators came to predictions."""
    from mien.annotation.prefill import anchoring

    with project.store() as store:
        project.prepare(store)
        done, begun = store.finished(), set(store.items())
        for name in project.annotators:
            work = project.work(store, name)
            finished = sum(item in done for item in work)
            open_ = sum(item in begun and item not in done for item in work)
            click.echo(f"{name}: {finished} of {len(work)} finished, {open_} begun")
    for one in anchoring(project):
        click.echo(
            f"{one.label}: {one.shown:.2f} from predictions that were shown ({one.items[0]} items),"
            f" {one.hidden:.2f} from hidden ones ({one.items[1]} items)"
        )


def _prefill(project: "Project") -> None:
    """Analyse the videos that have no predictions yet."""
    from mien.annotation.prefill import table_of
    from mien.bundle import Bundle, shipped
    from mien.errors import SettingsError
    from mien.faces.detection import Mtcnn
    from mien.media.video import Video
    from mien.reports.results import Engine, Output, write_video

    if project.prefill is None:
        raise SettingsError(
            f"{project.folder}: project.toml has no [prefill]; add it, such as: hidden = 0.25"
        )
    engine = Engine(Bundle.load(project.prefill.bundle or shipped(), threads=1), Mtcnn(), 10)
    for name in project.videos:
        table = table_of(project.prefill, name)
        if table.is_file():
            click.echo(f"{table}: there already")
            continue
        path = project.folder / "videos" / name
        with Video(path) as video:
            sound = path if video.info.sound else None
            write_video(video.info, video, sound, engine, Output(table.parent, overlay=False, report=False))
        click.echo(f"{table}: written")
