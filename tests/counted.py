"""A database's protocols counted on predictions that a test makes up, without a network or pictures."""

import numpy as np

from mien.benchmark.figures import overall
from mien.benchmark.tally import Tally
from mien.databases import DATABASES
from mien.databases.index import Index
from mien.errors import DatabaseError
from mien.records import Predictions


def counted(index: Index, predictions: Predictions) -> dict[str, tuple[float, int]]:
    """Return for each protocol whose labels are there its figure over all rows, and how many were counted."""
    found = {}
    rows = np.arange(len(index))
    for protocol in DATABASES[index.database].protocols:
        tally = Tally(protocol, index, rows)
        try:
            tally.add(rows, predictions, np.ones(len(rows), bool), np.zeros(len(rows), bool))
        except DatabaseError:
            continue
        if tally.statistics:
            figure = overall(protocol.metric, tally.statistics["model"].sum()).item()
            found[protocol.name] = figure, tally.counts["counted"]
    return found
