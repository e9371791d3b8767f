"""A result folder: table, overlay, report and a record of how they were made, whole or not at all.

predictions.parquet    one row per face and frame (and predictions.csv on request)
overlay.mp4            a video with boxes, names and bars and the original sound
overlay/               or, for pictures, one annotated picture each
report.html            to look at; opens without a network
analysis.json          versions, settings, counts, problems
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np

from mien.analysis import Summary, frame_results, still_result
from mien.arrays import Image
from mien.bundle import Predictor
from mien.errors import MediaError
from mien.faces.detection import Detector
from mien.faces.tracking import Tracker
from mien.files import whole_folder
from mien.following import ALONE, Follower, Listening, follows, hears
from mien.media.audio import Heard, read_sound
from mien.media.frames import Frame, MediaInfo
from mien.media.pictures import read_picture
from mien.media.writer import VideoWriter
from mien.reports.gathering import Gatherer
from mien.reports.overlay import draw
from mien.reports.tables import TableWriter, write_csv

RECORD = "analysis.json"
"""The file that marks a folder as a result of mien."""


@dataclass(frozen=True)
class Output:
    """What to write, and where.

    Attributes:
        folder: the result folder to make.
        overlay: whether to write the annotated video or pictures.
        report: whether to write report.html.
        csv: whether to write predictions.csv beside the Parquet file.
        overwrite: whether an earlier result in the same place may be replaced.
    """

    folder: Path
    overlay: bool = True
    report: bool = True
    csv: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Engine:
    """What analyses.

    Attributes:
        predictor: what the faces are given to.
        detector: finds them.
        every: frames after which it searches the whole frame again, at most.
        voice: whether to tell how well each mouth moves with the sound.
        own: whether faces that are not the one that speaks are given silence.
    """

    predictor: Predictor
    detector: Detector
    every: int
    voice: bool = False
    own: bool = False

    def follower(self, sound: Heard | None) -> Follower:
        """Return a fresh follower of the faces of one medium with its sound."""
        return Follower(self.predictor, Listening(sound, self.voice, self.own))

    @property
    def listens(self) -> bool:
        """Whether sound is of use."""
        return self.voice or hears(self.predictor)


def write_video(
    info: MediaInfo, frames: Iterable[Frame], sound: Path | None, engine: Engine, out: Output
) -> Summary:
    """Analyse a video or camera and write its result folder; return the summary.

    Args:
        info: of the video or camera.
        frames: its frames, perhaps through a progress bar.
        sound: the file whose sound is heard and goes into the overlay; None for a camera or a silent file.
        engine: what analyses.
        out: what to write, and where.

    Raises:
        MediaError: the video breaks off; nothing is written.
        OutputError: the folder cannot be written; nothing is left behind.
    """
    follower = engine.follower(read_sound(sound) if sound is not None and engine.listens else None)
    gatherer = Gatherer(info, card_of(engine.predictor, follower.told), engine.detector.name)
    start = None
    with whole_folder(out.folder, RECORD if out.overwrite else "") as place:
        with ExitStack() as stack:
            table = stack.enter_context(_table(place, engine.predictor, engine.voice))
            writer = None
            if out.overlay:
                writer = stack.enter_context(VideoWriter(place / "overlay.mp4", info, sound))
            for result in frame_results(frames, Tracker(engine.detector, engine.every), follower):
                table.write(info.name, result)
                gatherer.take_frame(result)
                if writer:
                    writer.write(Frame(result.frame.number, result.frame.seconds, draw(result)))
        if writer:
            start = writer.start
        summary = gatherer.summary()
        finish(place, out, engine, summary, "overlay.mp4" if out.overlay else None, start)
    return summary


def write_pictures(name: str, paths: Iterable[Path], engine: Engine, out: Output, crops: bool) -> Summary:
    """Analyse pictures together and write their result folder; return the summary.

    A picture that cannot be read is named in the summary's problems; the rest is analysed.

    Args:
        name: what the pictures are called together.
        paths: the pictures, perhaps through a progress bar.
        engine: what analyses.
        out: what to write, and where.
        crops: the pictures are tight crops of one face each.

    Raises:
        MediaError: not one picture could be read; nothing is written.
        OutputError: the folder cannot be written; nothing is left behind.
    """
    info = MediaInfo(name, "picture", 0, 0, float("nan"), float("nan"), 0, False)
    told = ALONE if follows(engine.predictor) else ""
    gatherer = Gatherer(info, card_of(engine.predictor, told), engine.detector.name)
    with whole_folder(out.folder, RECORD if out.overwrite else "") as place:
        with _table(place, engine.predictor) as table:
            for path, image in _readable(paths, gatherer):
                result = still_result(Frame(0, float("nan"), image), engine.predictor, engine.detector, crops)
                table.write(path.name, result)
                drawn = draw(result) if out.overlay or out.report else image
                gatherer.take_picture(path.name, result, drawn)
                if out.overlay:
                    _write_picture(place / "overlay", path, drawn)
        summary = gatherer.summary()
        if not summary.frames:
            raise MediaError("; ".join(summary.problems) or f"{name}: no pictures")
        finish(place, out, engine, summary)
    return summary


def card_of(predictor: Predictor, told: str) -> dict[str, object]:
    """Return a predictor's card, with how faces were given to it where that is not each alone."""
    return {**predictor.card, **({"analysis": told} if told else {})}


def metadata_of(predictor: Predictor) -> dict[str, str]:
    """Return what a table of predictions says of where it comes from: versions, the bundle and its hash."""
    return {
        "mien": version("mien"),
        "bundle": str(predictor.card.get("name", "")),
        "bundle_sha256": str(predictor.card.get("sha256", "")),
    }


def _table(place: Path, predictor: Predictor, voice: bool = False) -> TableWriter:
    """Return the writer of predictions.parquet."""
    path = place / "predictions.parquet"
    return TableWriter(path, predictor.tasks, metadata_of(predictor), predictor.calibration, voice)


def finish(
    place: Path,
    out: Output,
    engine: Engine,
    summary: Summary,
    media: str | None = None,
    media_start: float | None = None,
) -> None:
    """Write what is made from the finished table: CSV, report and record.

    Args:
        place: the result folder, with predictions.parquet in it.
        out: what to write.
        engine: what analysed.
        summary: of the medium.
        media: name of a video in the folder that the report plays.
        media_start: the time of the table at which that video's own clock is 0.

    Raises:
        OutputError: a file cannot be written.
    """
    table = place / "predictions.parquet"
    if out.csv:
        write_csv(table, place / "predictions.csv")
    if out.report:
        from mien.reports.page import write_page  # with the template engine, which only a report needs

        write_page(place / "report.html", table, summary, media, media_start)
    info = summary.info
    record = {
        "mien": version("mien"),
        "media": {"name": info.name, "kind": info.kind, "width": info.width, "height": info.height},
        "frames": summary.frames,
        "frames_with_face": summary.frames_with_face,
        "cuts_s": summary.cuts,
        "bundle": dict(summary.card),
        "detector": {"name": summary.detector, "every": engine.every},
        "problems": summary.problems,
    }
    text = json.dumps(record, indent=2, ensure_ascii=False)
    (place / RECORD).write_text(text + "\n", encoding="utf-8")


def _readable(paths: Iterable[Path], gatherer: Gatherer) -> Iterator[tuple[Path, Image]]:
    """Yield the pictures that can be read; the others go to the problems."""
    for path in paths:
        try:
            image = read_picture(path)
        except MediaError as error:
            gatherer.take_problem(str(error))
            continue
        yield path, image


def _write_picture(folder: Path, path: Path, image: Image) -> None:
    """Write an annotated picture as JPEG; two of the same name get different ones."""
    folder.mkdir(exist_ok=True)
    target = folder / f"{path.name}.jpg"
    count = 2
    while target.exists():
        target = folder / f"{path.name}-{count}.jpg"
        count += 1
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(image), [cv2.IMWRITE_JPEG_QUALITY, 92])
    target.write_bytes(data.tobytes())
