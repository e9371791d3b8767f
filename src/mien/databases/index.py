"""The Index: one row per face and frame of a database, with where it came from and its labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mien.arrays import BoolArray, FloatArray, IntArray, Rows
from mien.errors import DatabaseError
from mien.records import Labels
from mien.tasks import TASKS, Task


@dataclass(frozen=True)
class Index:
    """n rows of one database.

    Attributes:
        database: its name.
        split: (n,) "train", "validation" or "test".
        source: (n,) the file, and row in it, that each row was read from.
        labels: n rows.
        columns: further integer columns (n,) that the database's protocol needs.
    """

    database: str
    split: NDArray[np.str_]
    source: NDArray[np.str_]
    labels: Labels
    columns: Mapping[str, IntArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {len(self.split), len(self.source), len(self.labels), *map(len, self.columns.values())}
        if len(lengths) != 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, rows: Rows) -> Self:
        return replace(
            self,
            split=self.split[rows],
            source=self.source[rows],
            labels=self.labels[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
        )

    def with_column(self, name: str, column: IntArray | BoolArray) -> Self:
        """Return the same rows with one more column."""
        return replace(self, columns={**self.columns, name: column.astype(np.int64)})

    def save(self, path: Path) -> None:
        """Write the index as Parquet; unknown label cells are null."""
        arrays: dict[str, pa.Array] = {"split": pa.array(self.split), "source": pa.array(self.source)}
        arrays |= {f"column.{name}": pa.array(column) for name, column in self.columns.items()}
        for task, values in self.labels.values.items():
            for i, label in enumerate(task.labels):
                known = self.labels.known[task][:, i]
                arrays[f"{task.name}.{label}"] = pa.array(values[:, i], mask=~known, type=pa.float32())
        table = pa.table(arrays).replace_schema_metadata({"database": self.database})
        pq.write_table(table, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the index that `save` wrote.

        Raises:
            DatabaseError: the file is not such an index.
        """
        try:
            table = pq.read_table(path)
            database = (table.schema.metadata or {})[b"database"].decode()
            tasks = [task for name, task in TASKS.items() if f"{name}.{task.labels[0]}" in table.column_names]
            cells = {task: _cells(table, task) for task in tasks}
            return cls(
                database=database,
                split=table["split"].to_numpy().astype(np.str_),
                source=table["source"].to_numpy().astype(np.str_),
                labels=Labels({t: c[0] for t, c in cells.items()}, {t: c[1] for t, c in cells.items()}),
                columns={
                    name.removeprefix("column."): table[name].to_numpy()
                    for name in table.column_names
                    if name.startswith("column.")
                },
            )
        except (pa.ArrowInvalid, KeyError) as error:
            raise DatabaseError(f"{path}: not an index of mien ({error})") from error


def _cells(table: pa.Table, task: Task) -> tuple[FloatArray, BoolArray]:
    """Return the values and the mask of one task."""
    columns = [table[f"{task.name}.{label}"] for label in task.labels]
    values = np.stack([column.fill_null(0).to_numpy() for column in columns], axis=1)
    known = np.stack([column.is_valid().to_numpy() for column in columns], axis=1)
    return values.astype(np.float32), known
