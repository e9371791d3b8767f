"""Training on a fold of a database that is scored by folds of its subjects."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn import GREY, drawn

from mien.bundle import Bundle
from mien.cli.learning import in_folds
from mien.databases import DATABASES
from mien.databases.names import Names
from mien.errors import DatabaseError, MienError, SettingsError
from mien.learning import checkpoint
from mien.learning.export import export
from mien.learning.recipe import (
    BackboneSettings,
    NetworkSettings,
    OptimisationSettings,
    Recipe,
    SamplingSettings,
)
from mien.learning.training import train
from mien.preparation.prepared import Prepared
from mien.tasks import ACTION_UNITS_DISFA

PROTOCOL = DATABASES["disfa"].protocols[0]
RECIPE = Recipe(
    name="folded",
    tasks={"action_units_disfa": 1.0},
    preprocessing=GREY,
    network=NetworkSettings(backbone=BackboneSettings(widths=(2,), depth=1, stem=2)),
    sampling=SamplingSettings(batch=4),
    optimisation=OptimisationSettings(epochs=1, warmup=0, rate=0.01),
)


@pytest.fixture(scope="module")
def disfa(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Return six frames each of one subject of each of DISFA's three parts, and of one who is in none."""
    labels = {ACTION_UNITS_DISFA: np.random.default_rng(0).integers(0, 2, (24, 12)).astype(np.float32)}
    made = drawn(tmp_path_factory.mktemp("folds"), "disfa", labels, [("", 6)] * 4)
    subjects = Names.of(name for name in ("SN001", "SN013", "SN003", "SN999") for _ in range(6))
    return replace(made, index=replace(made.index, subject=subjects))


def test_the_parts_of_all_folds_are_the_protocols(disfa: Prepared) -> None:
    tested = np.zeros(24, np.int64)
    for number, (train_rows, _, test_rows) in enumerate(PROTOCOL.parts(disfa.index), start=1):
        folded = disfa.of_fold(PROTOCOL, number)
        np.testing.assert_array_equal(np.flatnonzero(folded.index.split.matches("train")), train_rows)
        np.testing.assert_array_equal(np.flatnonzero(folded.index.split.matches("test")), test_rows)
        assert folded.index.split.counts() == {"": 6, "train": 12, "test": 6}
        assert folded.fold == f"fold {number} of {PROTOCOL.name}"
        tested[test_rows] += 1
    assert tested.tolist() == [1] * 18 + [0] * 6
    for number in (0, 4):
        with pytest.raises(DatabaseError, match=f"has folds 1 to 3, got {number}"):
            disfa.of_fold(PROTOCOL, number)


def test_a_run_is_of_one_fold(disfa: Prepared, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no clip of 1 frames in the part 'train'"):
        train([RECIPE], [disfa], tmp_path / "run", quiet=True)
    train([RECIPE], in_folds([disfa], 1), tmp_path / "run", quiet=True)
    record = checkpoint.record(tmp_path / "run" / "last.safetensors")
    assert record["data"][0][:2] == ["disfa", "fold 1 of 8 AUs, F1 (>= 2)"]
    export([tmp_path / "run" / "last.safetensors"], tmp_path / "bundle", {"licence": "none"})
    assert Bundle.load(tmp_path / "bundle").card["trained_on"] == [
        {"database": "disfa", "fold": "fold 1 of 8 AUs, F1 (>= 2)"}
    ]
    before = (tmp_path / "run" / "last.safetensors").read_bytes()
    train([RECIPE], in_folds([disfa], 1), tmp_path / "run", quiet=True)
    with pytest.raises(SettingsError, match="holds a run on other data"):
        train([RECIPE], in_folds([disfa], 2), tmp_path / "run", quiet=True)
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == before


def test_a_fold_of_a_database_with_parts_of_its_own_is_refused(disfa: Prepared) -> None:
    own = replace(disfa, index=replace(disfa.index, database="fer2013"))
    with pytest.raises(MienError, match="--fold: fer2013 has parts of its own"):
        in_folds([own], 1)
    assert [data.fold for data in in_folds([own, disfa], 1)] == ["", "fold 1 of 8 AUs, F1 (>= 2)"]
