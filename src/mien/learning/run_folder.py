"""A run folder: held by one run at a time, with a table of metrics that grows by a row per epoch."""

import csv
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mien.errors import OutputError
from mien.files import whole_file
from mien.learning import parallel


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Hold a run folder for this run; clear away what a killed one left half written.

    The system lets go of it when the process ends, however it does.

    Raises:
        OutputError: another run holds it.
    """
    if parallel.rank() > 0:
        yield
        return
    place.mkdir(parents=True, exist_ok=True)
    folder = os.open(place, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network disks know no locks of folders
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OutputError(f"{place}: another process is training here now") from error
        for rest in place.glob(".*.part"):
            rest.unlink(missing_ok=True)
        yield
    finally:
        os.close(folder)


def write_row(path: Path, number: int, values: dict[str, float]) -> None:
    """Add an epoch's row to a CSV file; rows of epochs that are run again are replaced."""
    rows: list[dict[str, str]] = []
    if path.exists():
        with open(path, newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["epoch"]) < number]
    rows.append({"epoch": str(number), **{name: f"{value:.6f}" for name, value in values.items()}})
    with whole_file(path) as place, open(place, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[-1]))
        writer.writeheader()
        writer.writerows(rows)
