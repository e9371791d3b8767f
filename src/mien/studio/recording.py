"""A live analysis written down: the journal while it goes on, a whole result folder at its end.

predictions.parquet    one row per face and frame that was analysed; while it goes on, recording.arrows
report.html            to look at; opens without a network
analysis.json          versions, settings, counts, problems

Where the process is killed, `mien recover` makes predictions.parquet of what is there.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from mien.analysis import FrameResult
from mien.media.frames import MediaInfo
from mien.reports.gathering import Gatherer
from mien.reports.journal import Journal
from mien.reports.results import Engine, Output, card_of, finish, metadata_of
from mien.studio.figures import Pace


class Recording:
    """Takes results and writes them; the folder is complete when the `with` block is left.

    It is so after an error, too, which then stands in the report.

    Args:
        folder: the result folder to make; it must not exist, or be empty.
        info: of the source.
        engine: what analyses.
        listening: how faces are given to a network that follows them; empty for another.

    Raises:
        OutputError: the folder is in use or cannot be written.
    """

    def __init__(self, folder: Path, info: MediaInfo, engine: Engine, listening: str) -> None:
        predictor = engine.predictor
        self._folder = folder
        self._engine = engine
        self._gatherer = Gatherer(info, card_of(predictor, listening), engine.detector.name)
        self._pace: Pace | None = None
        self._journal = Journal(
            folder,
            info.name,
            predictor.tasks,
            predictor.calibration,
            metadata_of(predictor),
            engine.voice,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()
        if self._pace is None:  # not one frame came
            return
        if kind is not None and not issubclass(kind, Exception):  # asked twice to end
            return
        if isinstance(error, Exception):
            self._gatherer.take_problem(str(error))
        for line in _missed(self._pace):
            self._gatherer.take_problem(line)
        out = Output(self._folder, overlay=False)
        finish(self._folder, out, self._engine, self._gatherer.summary())

    def take(self, result: FrameResult, pace: Pace) -> None:
        """Write a result.

        Raises:
            OutputError: what came before could not be written.
        """
        self._pace = pace
        self._journal.write(result)
        self._gatherer.take_frame(result)


def _missed(pace: Pace) -> Iterator[str]:
    """Yield what the table does not show: frames and sound that were missed."""
    if pace.dropped:
        yield f"{pace.dropped} of {pace.analysed + pace.dropped} frames came too fast and were dropped"
    if pace.unheard:
        yield f"{pace.unheard} frames were analysed before all their sound had come"
