"""An Index as a Frictionless Data Package: labels that say what they mean and cannot change unseen.

    write(index, folder)      labels.parquet, and datapackage.json: each column's meaning, range and unit,
    index = read(folder)      the licence, rows by part, and the labels' size and SHA-256, which `read` checks

The description follows Data Package and Table Schema 2.0 (datapackage.org). Unknown cells are nulls in the
Parquet file. What the standard has no place for stands under "mien": database, unit, rows by part, version.
Pictures are not copied: media are paths relative to the database's own folder.
"""

import json
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mien.databases import DATABASES
from mien.databases.index import NAMED, Index
from mien.errors import DatabaseError
from mien.files import sha256, whole_folder
from mien.tasks import Task

LABELS, DESCRIPTION = "labels.parquet", "datapackage.json"
"""The two files."""

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"
"""The standard that the description follows."""

MEANINGS = {
    "split": "train, validation or test; empty where there are no official parts",
    "subject": "who is seen; empty where it is not known",
    "video": "the recording; its rows must never be divided over parts",
    "face": "which face in the recording; empty for the only or main one",
    "media": "picture, video or folder of numbered pictures, relative to the database's folder",
    "sound": "file whose sound goes with the row, relative to the database's folder",
    "frame": "number of the frame within media, counted from 0",
    "seconds": "time from the start of the recording",
}
"""What the columns mean that every Index has."""

KINDS = {
    "continuous": "-1 lowest to 1 highest",
    "categorical": "share of the class; the shares of a row add up to 1",
    "binary": "0 absent, 1 present",
    "intensity": "0 absent to 5 maximum (A to E of FACS)",
}
"""What the numbers of a kind of task mean."""


def write(index: Index, folder: Path, *, title: str = "", description: str = "", licence: str = "") -> None:
    """Write an index as a package, whole or not at all; an earlier package there is replaced.

    Args:
        index: the rows.
        folder: the package to make.
        title: of the package; that of the database by default.
        description: what else a user should know.
        licence: what may be done with the labels; that of the database by default.

    Raises:
        OutputError: the folder holds something else, or cannot be written.
    """
    known = DATABASES.get(index.database)
    licence = licence or (known.licence if known else "")
    package: dict[str, Any] = {
        "$schema": PROFILE,
        "name": re.sub("[^a-z0-9.]+", "-", index.database.lower()).strip("-") or "labels",
        "title": title or (known.title if known else index.database),
    }
    if description:
        package["description"] = description
    if known and index.database != "table":
        package["sources"] = [{"title": f"{known.citation} {known.obtain}"}]
    with whole_folder(folder, replacing=DESCRIPTION) as place:
        if licence:
            (place / "LICENCE.txt").write_text(f"{licence}\n", encoding="utf-8")
            package["licenses"] = [{"path": "LICENCE.txt", "title": licence}]
        index.save(place / LABELS)
        package["resources"] = [_resource(index, place / LABELS)]
        package["mien"] = {
            "version": version("mien"),
            "database": index.database,
            "unit": index.unit,
            "rows": {name or "no part": count for name, count in sorted(index.split.counts().items())},
        }
        text = json.dumps(package, indent=2, ensure_ascii=False)
        (place / DESCRIPTION).write_text(f"{text}\n", encoding="utf-8")


def read(folder: Path) -> Index:
    """Return the index of a package whose labels are, to the byte, what its description says.

    Raises:
        DatabaseError: the package is incomplete, altered or none of mien's.
    """
    path, labels = folder / DESCRIPTION, folder / LABELS
    try:
        package = json.loads(path.read_bytes())
        (resource,) = package["resources"]
        expected = resource["path"], resource["bytes"], resource["hash"]
    except OSError as error:
        raise DatabaseError(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DatabaseError(
            f"{path}: not the description of one resource with path, bytes and hash"
        ) from error
    try:
        found = LABELS, labels.stat().st_size, f"sha256:{sha256(labels)}"
    except OSError as error:
        raise DatabaseError(f"{labels}: {error.strerror}") from error
    for name, this, wanted in zip(("path", "bytes", "hash"), found, expected, strict=True):
        if this != wanted:
            raise DatabaseError(
                f"{labels}: {name} is {this}, {DESCRIPTION} says {str(wanted)[:80]}: "
                "the labels were changed or cut short; get the package again"
            )
    return Index.load(labels)


def _resource(index: Index, path: Path) -> dict[str, Any]:
    """Return the description of the labels."""
    return {
        "name": path.stem,
        "type": "table",
        "path": path.name,
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        "bytes": path.stat().st_size,
        "hash": f"sha256:{sha256(path)}",
        "schema": {"fields": _fields(index), "missingValues": [""]},
    }


def _fields(index: Index) -> list[dict[str, Any]]:
    """Return the description of each column, in the file's order."""
    fields = [_field(name, "string", MEANINGS[name]) for name in NAMED]
    fields[NAMED.index("split")]["constraints"] = {"enum": ["train", "validation", "test", ""]}
    fields.append(_field("frame", "integer", MEANINGS["frame"], constraints={"required": True, "minimum": 0}))
    fields.append(_field("seconds", "number", MEANINGS["seconds"], unit="s"))
    fields += [_label(task, label) for task in index.labels.values for label in task.labels]
    for name, column in index.columns.items():
        kind = {"b": "boolean", "i": "integer", "u": "integer"}.get(column.dtype.kind, "number")
        fields.append(_field(f"column.{name}", kind, f"the database's own {name}"))
    fields += [
        _field(f"group.{name}", "string", f"by {name}, for reports by groups") for name in index.groups
    ]
    return fields


def _label(task: Task, label: str) -> dict[str, Any]:
    """Return the description of a label."""
    low, high = task.range
    meaning = f"{label} ({task.name}): {KINDS[task.kind]}; null where it is unknown"
    return _field(f"{task.name}.{label}", "number", meaning, constraints={"minimum": low, "maximum": high})


def _field(
    name: str, kind: str, description: str, *, unit: str = "", constraints: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the description of a column."""
    field: dict[str, Any] = {"name": name, "type": kind, "description": description}
    if unit:
        field["unit"] = unit
    if constraints:
        field["constraints"] = dict(constraints)
    return field
