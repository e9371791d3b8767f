"""Metrics for TensorBoard, where that is installed."""

from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Self

from mien.learning import parallel


class Board:
    """Writes a run's metrics beside its CSV; without TensorBoard it does nothing.

    Args:
        place: the run folder; events go into `board` within it.
    """

    def __init__(self, place: Path) -> None:
        self._writer = None
        if find_spec("tensorboard") and parallel.rank() == 0:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(place / "board"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, number: int, values: dict[str, float]) -> None:
        """Write the metrics of an epoch."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, number)
