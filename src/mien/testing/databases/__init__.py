"""Small, valid copies of databases in their own file formats, with drawn faces.

    made = make_fer2013(folder)

`MAKERS` has one maker for each release of each database that mien reads; all pass the same trial in
tests/test_databases.py.
"""

from collections.abc import Callable
from pathlib import Path

from mien.testing.databases.fer2013 import make_fer2013, make_fer2013_folders, make_ferplus_folders
from mien.testing.databases.made import Made

MAKERS: dict[str, tuple[str, Callable[[Path], Made]]] = {
    "fer2013": ("fer2013", make_fer2013),
    "fer2013_folders": ("fer2013", make_fer2013_folders),
    "ferplus_folders": ("fer2013", make_ferplus_folders),
}
"""Release -> (name in DATABASES, maker)."""
