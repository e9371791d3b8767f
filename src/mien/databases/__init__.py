"""The databases mien reads: name -> how to read it and what must be said of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mien.arrays import Image
from mien.databases import fer2013
from mien.databases.index import Index
from mien.metrics import Score
from mien.records import Predictions


@dataclass(frozen=True)
class Database:
    """How one database is read, and its facts.

    Attributes:
        read: folder -> Index.
        pictures: folder -> its pictures in the Index's order.
        scores: (rows of the Index, their Predictions) -> scores by the database's protocol.
        licence: what may be done with it.
        citation: what to cite.
    """

    read: Callable[[Path], Index]
    pictures: Callable[[Path], Iterator[Image]]
    scores: Callable[[Index, Predictions], list[Score]]
    licence: str
    citation: str


DATABASES = {
    "fer2013": Database(
        read=fer2013.read,
        pictures=fer2013.pictures,
        scores=fer2013.scores,
        licence="FERPlus labels: MIT. FER2013 pictures: gathered by web search, no clear licence.",
        citation="Goodfellow et al., ICONIP 2013; Barsoum et al., ICMI 2016 (FERPlus)",
    ),
}
