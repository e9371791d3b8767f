"""Every made database scored by all its protocols, and the commands from a folder to the table."""

import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mien.benchmark.figures import Part, mean_of_folds
from mien.benchmark.tally import Baselines, Tally
from mien.bundle import Bundle, shipped
from mien.cli import main
from mien.databases import DATABASES
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.preparation.run import Options, prepare
from mien.records import Predictions
from mien.testing.databases import MAKERS
from mien.testing.databases.fer2013 import make_fer2013

BEST = {"RMSE": 0.0, "MSE": 0.0, "MAE": 0.0}
"""What a perfect answer scores where that is not 1."""


@pytest.mark.parametrize("release", sorted(MAKERS))
def test_the_truth_scores_best_by_every_protocol(release: str, tmp_path: Path) -> None:
    """Labels given back as predictions: 1, or undefined where the few rows show one value alone."""
    name, make = MAKERS[release]
    index = DATABASES[name].read(make(tmp_path / "made").folder, Findings())
    ones = np.ones(len(index), np.int8)
    index = index.with_columns({"picture": ones, "face_found": ones, "seen_in_training": 0 * ones})
    truth = Predictions({task: values.copy() for task, values in index.labels.values.items()})
    counted = 0
    for protocol in DATABASES[name].protocols:
        if protocol.task not in truth.values:
            continue
        for train, _, test in protocol.parts(index):
            tally = Tally(protocol, index, test, Baselines.of(protocol, index, train, test))
            rows = np.arange(len(index))
            tally.add(rows, truth, ones == 1, ones == 0)
            tally.finish()
            if not tally.statistics:
                continue
            parts = [Part(tally.statistics["model"], np.arange(len(tally.names)))]
            for metric in (protocol.metric, *protocol.also):
                figure = mean_of_folds(metric, protocol.over, parts)
                assert (
                    math.isnan(figure)
                    or figure == pytest.approx(BEST.get(metric, 1.0), abs=1e-6)
                    or (_few_classes(protocol.labels, index, metric))
                ), (protocol.name, metric, figure)
            counted += tally.counts["counted"]
            assert tally.counts["counted"] <= tally.counts["labelled"] <= len(test)
            assert set(tally.statistics) == {"model", "constant", "prior"}
    assert counted or not _has_labels_to_test(name, index)


def _few_classes(labels: tuple[str, ...], index: Index, metric: str) -> bool:
    """Macro F1 counts classes that nobody shows as 0, so a perfect answer may score less there."""
    return "macro F1" in metric and len(labels) > 1 and len(index) < 200


def _has_labels_to_test(name: str, index: Index) -> bool:
    return any(
        index.labels.known[protocol.task][test].any()
        for protocol in DATABASES[name].protocols
        if protocol.task in index.labels.known
        for _, _, test in protocol.parts(index)
    )


def test_from_a_folder_to_the_table_by_commands(tmp_path: Path) -> None:
    make_fer2013(tmp_path / "fer", train=40, validation=30, test=30)
    prepare(
        *("fer2013", tmp_path / "fer", tmp_path / "prepared"),
        Bundle.load(shipped()).preprocessing,
        Options(quality=0, quiet=True),
    )

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(main, [*arguments])
        assert done.exit_code == 0, done.output
        return done.output

    out, prepared = str(tmp_path / "out"), str(tmp_path / "prepared")
    told = run("evaluate", "shipped", prepared, "-o", out, "--protocol", "FERPlus majority")
    assert "fer2013: FERPlus majority  (affect_fast)" in told
    assert "constant  accuracy" in told
    assert "F1 happiness" not in told
    assert "F1 happiness" in run("evaluate", "shipped", prepared, "-v")
    [record] = (tmp_path / "out").glob("*.json")
    assert (tmp_path / "out" / "index.html").exists()
    table = run("benchmark", str(record), "-o", str(tmp_path / "table"))
    assert "not measured" in table
    assert {path.suffix for path in (tmp_path / "table").iterdir()} == {".md", ".csv", ".html"}
    again = CliRunner().invoke(main, ["evaluate", "shipped", str(tmp_path / "none"), "-o", out])
    assert again.exit_code == 1
    assert "exists already" in again.output, "refused before anything is read"
