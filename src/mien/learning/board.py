"""Metrics for TensorBoard, where that is installed."""

from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mien.learning import parallel

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class Board:
    """Writes a run's metrics beside its CSV; without TensorBoard it does nothing.

    Args:
        place: the run folder; events go into `board` within it, from the first metrics on.
    """

    def __init__(self, place: Path) -> None:
        self._place = place / "board"
        self._writer: SummaryWriter | None = None
        self._wanted = find_spec("tensorboard") is not None and parallel.rank() == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, number: int, values: dict[str, float]) -> None:
        """Write the metrics of an epoch; an epoch that is run again after a crash replaces what it had."""
        if not self._wanted:
            return
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self._place), purge_step=number)
        for name, value in values.items():
            self._writer.add_scalar(name, value, number)
        self._writer.flush()
