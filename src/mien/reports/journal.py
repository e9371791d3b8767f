"""A table of predictions that grows while a camera is watched, and outlives a crash.

    recording.arrows       while it grows: an Arrow IPC stream, whole at every moment but for its last batch
    predictions.parquet    once it is closed: what `TableWriter` would have written

Rows are written and handed to the disk every EVERY seconds, on a thread of their own, so that a slow disk
delays nobody. Where the process is killed, rows of the last moment are lost, EVERY seconds and what the disk
takes; `recover` makes the table of the rest. Each batch carries a checksum: one that is torn, or was lost
with the power, ends the recording.
"""

import fcntl
import os
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa

from mien.analysis import FrameResult
from mien.calibration import Calibration
from mien.errors import InputError, OutputError
from mien.files import explained, free_folder, whole_file
from mien.reports.tables import ROWS_PER_GROUP, Rows, parquet_writer
from mien.tasks import Task

RECORDING = "recording.arrows"
TABLE = "predictions.parquet"

EVERY = 0.25
"""Seconds after which rows are on the disk, where it is quick."""

MANY = 1024
"""Rows that are written at once, before that time."""


class Journal:
    """Records the results of one medium as they come; closing makes the table of them.

    Leaving the `with` block closes it, also after an error or Ctrl-C: what was seen until then is kept.

    Args:
        folder: the folder to make; it must not exist, or be empty.
        video: name of what the frames come from.
        tasks: what the bundle has learned, as for `Rows`.
        calibration: of the bundle, where it has one.
        metadata: kept in the table beside mien's own version: the bundle's name, its hash.
        voice: whether there is a column that tells how well each mouth moves with the sound.

    Raises:
        OutputError: the folder is in use or cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        video: str,
        tasks: tuple[Task, ...],
        calibration: Calibration | None = None,
        metadata: Mapping[str, str] | None = None,
        voice: bool = False,
    ) -> None:
        self._folder = folder
        self._video = video
        self._rows = Rows(tasks, metadata, calibration, voice)
        self._changed = Condition()
        self._closing = False
        self._error: Exception | None = None
        free_folder(folder)
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file, self._writer = _begun(folder / RECORDING, self._rows.take())
        self._thread = Thread(target=self._work, name="mien-journal", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, result: FrameResult) -> None:
        """Add the rows of one frame; it does not wait for the disk.

        Raises:
            OutputError: what came before could not be written; what is on the disk stays there.
            ValueError: the result holds no predictions of a task that the journal was opened for.
        """
        self._refuse_failed()
        with self._changed:
            self._rows.add(self._video, result)
            if len(self._rows) >= MANY:
                self._changed.notify()

    def close(self) -> None:
        """Write what is left and turn the recording into the table; does nothing a second time.

        Raises:
            OutputError: it cannot be written; the recording stays, for `recover`.
        """
        if self._file.closed:
            return
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        try:
            self._refuse_failed()
            _tabled(self._folder)
        finally:
            with suppress(OSError):  # what is still in its buffer has failed before
                self._file.close()

    def _work(self) -> None:
        """Write rows until the journal is closed."""
        try:
            closing = False
            while not closing:
                with self._changed:
                    full = self._changed.wait_for(lambda: self._closing or len(self._rows) >= MANY, EVERY)
                    closing = full and self._closing
                    table = self._rows.take() if len(self._rows) else None
                if table is not None:
                    _append(self._writer, table)
                    _to_disk(self._file)
        except Exception as error:  # it belongs to whoever writes next
            self._error = error

    def _refuse_failed(self) -> None:
        """Raise what went wrong on the thread."""
        if self._error is None:
            return
        try:
            with explained(self._folder / RECORDING):
                raise self._error
        except OutputError as error:
            raise OutputError(f"{error}; what is there is kept: mien recover {self._folder}") from self._error


def recover(folder: Path) -> int:
    """Turn the recording that a killed process left into predictions.parquet; return the number of rows.

    A batch that was being written is left out. The recording is removed once the table is complete.

    Raises:
        InputError: there is no recording, it is still going on, or not even its beginning can be read.
        OutputError: the table cannot be written; the recording stays.
    """
    path = folder / RECORDING
    if not path.is_file():
        found = f"; its {TABLE} is complete" if (folder / TABLE).is_file() else ""
        raise InputError(f"{folder}: holds no {RECORDING}, so there is nothing to recover{found}")
    with explained(path), open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(f"{path}: is still being recorded; stop that first") from error
        for left in folder.glob(f".{TABLE}.*.part"):
            left.unlink()
        return _tabled(folder)


def _begun(path: Path, blank: pa.Table) -> tuple[BinaryIO, pa.RecordBatchStreamWriter]:
    """Return a recording that was begun, open and locked, and what writes to it.

    It appears with its schema, so that there is no moment at which it cannot be read.

    Args:
        path: of the recording.
        blank: a table without rows.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    file = open(temporary, "xb")  # noqa: SIM115 - it stays open while the journal is
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        writer = pa.ipc.new_stream(file, blank.schema)
        _append(writer, blank)
        _to_disk(file)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        with suppress(OSError):
            file.close()
        raise
    return file, writer


def _append(writer: pa.RecordBatchStreamWriter, table: pa.Table) -> None:
    """Write a table of one chunk as a batch with its checksum."""
    batch = pa.RecordBatch.from_arrays([column.chunk(0) for column in table.columns], schema=table.schema)
    writer.write_batch(batch, custom_metadata={"crc32": _checksum(batch)})


def _checksum(batch: pa.RecordBatch) -> str:
    return str(zlib.crc32(batch.serialize()))


def _batches(reader: pa.RecordBatchStreamReader) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a recording up to its end, or to the first that is torn."""
    while True:
        try:
            batch, metadata = reader.read_next_batch_with_custom_metadata()
        except (StopIteration, pa.ArrowException):
            return
        except OSError as error:
            if error.errno is not None:  # the disk's own; of a torn batch pyarrow gives no number
                raise
            return
        if metadata is None or metadata.get(b"crc32") != _checksum(batch).encode():
            return
        yield batch


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the rows in the groups in which `TableWriter` writes them; each batch holds whole frames."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += len(batch)
        if rows >= ROWS_PER_GROUP:
            table = pa.Table.from_batches(held)
            while len(table) >= ROWS_PER_GROUP:
                starts = np.flatnonzero(np.diff(table["frame"].to_numpy())) + 1
                cut = next((int(start) for start in starts if start >= ROWS_PER_GROUP), len(table))
                yield table.slice(0, cut).combine_chunks()
                table = table.slice(cut)
            held, rows = table.to_batches(), len(table)
    if rows:
        yield pa.Table.from_batches(held).combine_chunks()


def _tabled(folder: Path) -> int:
    """Write the table of a recording and remove the recording; return the number of rows."""
    path, count = folder / RECORDING, 0
    with whole_file(folder / TABLE) as temporary:
        with pa.OSFile(str(path)) as file:
            try:
                reader = pa.ipc.open_stream(file)
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"{path}: not even its beginning can be read ({error})") from error
            with parquet_writer(temporary, reader.schema) as writer:
                for group in _groups(_batches(reader)):
                    writer.write_table(group)
                    count += len(group)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
    with explained(path):
        _sync_folder(folder)
        path.unlink()
    return count


def _to_disk(file: BinaryIO) -> None:
    """Hand what was written to the disk."""
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Hand a folder's list of files to the disk."""
    place = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(place)
    finally:
        os.close(place)
