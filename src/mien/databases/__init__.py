"""The databases mien reads: name -> how to read it and what must be said of it."""

from mien.databases import fer2013
from mien.databases.catalog import Database

DATABASES: dict[str, Database] = {
    "fer2013": fer2013.DATABASE,
}
"""In order of name."""
