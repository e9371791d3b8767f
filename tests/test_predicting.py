"""What is said of prepared rows: faces followed through their videos, pieces, gaps and carried frames."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from assemblies import SIZE, bundled, made, small
from drawn import drawn

from mien.arrays import FloatArray, IntArray
from mien.benchmark import evaluate, predicting
from mien.benchmark.predicting import said
from mien.bundle import Bundle
from mien.inputs import Preprocessing
from mien.learning.sampling import Material
from mien.learning.validation import said as torch_said
from mien.preparation.prepared import Prepared, Sounds
from mien.records import Predictions
from mien.tasks import ACTION_UNITS_8, VALENCE_AROUSAL

LENGTHS = (9, 5, 12)
BREAKS = (9, 14)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    labels = {VALENCE_AROUSAL: np.zeros((sum(LENGTHS), 2), np.float32)}
    videos = [("test", length) for length in LENGTHS]
    return drawn(
        tmp_path_factory.mktemp("said"), "made", labels, videos, Preprocessing(size=SIZE), sound=True
    )


def all_rows(data: Prepared) -> IntArray:
    return np.arange(len(data.index))


def whole(bundle: Bundle, data: Prepared, task_name: str) -> tuple[IntArray, FloatArray]:
    pieces = list(said(bundle, data, all_rows(data)))
    values = [p.predictions.values[next(t for t in bundle.tasks if t.name == task_name)] for p in pieces]
    return np.concatenate([p.rows for p in pieces]), np.concatenate(values)


@pytest.mark.parametrize("temporal", ["none", "gru", "convolution"])
@pytest.mark.parametrize("streams", ["picture", "sound", "both"])
def test_it_is_what_torch_says_of_whole_videos(
    data: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streams: str, temporal: str
) -> None:
    recipe = small(streams, temporal)
    network = made(recipe)
    bundle = bundled(network, recipe, tmp_path / "bundle")
    monkeypatch.setattr(predicting, "FOLLOWED", 4)
    rows, values = whole(bundle, data, "valence_arousal")
    np.testing.assert_array_equal(rows, all_rows(data))
    start = 0
    for length in LENGTHS:
        part = replace(data, index=data.index)
        hearing = recipe.hearing if network.hears else None
        material = Material([part], (VALENCE_AROUSAL,), "test", length, length, hearing)
        clip = next(k for k in range(len(material)) if material.rows[k, 0] == start)
        frames = replace(recipe, sampling=replace(recipe.sampling, frames=length))
        with torch.no_grad():
            expected = torch_said(network, frames, material)[VALENCE_AROUSAL][clip]
        np.testing.assert_allclose(values[start : start + length], expected, atol=1e-4)
        start += length


def without(data: Prepared, *rows: int) -> Prepared:
    picture = np.ones(len(data.index), np.int64)
    picture[list(rows)] = 0
    return replace(data, index=data.index.with_columns({"picture": picture}))


class Counting:
    """A predictor whose action units say how bright a face is."""

    preprocessing = Preprocessing(size=SIZE)
    calibration = None
    tasks = (ACTION_UNITS_8,)

    def __init__(self) -> None:
        self.card: dict[str, Any] = {}

    def predict(self, faces: FloatArray) -> Predictions:
        bright = faces.mean(axis=(1, 2, 3, 4))
        return Predictions({ACTION_UNITS_8: np.repeat(bright[:, None], 8, axis=1).astype(np.float32)})


@pytest.fixture(params=["alone", "followed"])
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Prepared], list[predicting.Said]]:
    if request.param == "alone":
        return lambda data: list(said(Counting(), data, all_rows(data)))
    recipe = small("picture", "gru")
    bundle = bundled(made(recipe), recipe, tmp_path / "bundle")
    return lambda data: list(said(bundle, data, all_rows(data)))


@pytest.mark.parametrize("size", [1, 3, 256])
def test_a_missing_picture_holds_what_was_said_before_in_its_video(
    data: Prepared,
    told: Callable[[Prepared], list[predicting.Said]],
    monkeypatch: pytest.MonkeyPatch,
    size: int,
) -> None:
    """Missing: the middle of a video, the first frames of the next, and its last."""
    monkeypatch.setattr(predicting, "AT_ONCE", size)
    monkeypatch.setattr(predicting, "FOLLOWED", size)
    lost = without(data, 4, 5, 9, 10, 13)
    pieces = told(lost)
    values = np.concatenate([p.predictions.values[ACTION_UNITS_8] for p in pieces])
    seen = np.concatenate([p.seen for p in pieces])
    carried = np.concatenate([p.carried for p in pieces])
    assert np.flatnonzero(~seen).tolist() == [4, 5, 9, 10, 13]
    assert np.flatnonzero(carried).tolist() == [4, 5, 13]
    np.testing.assert_array_equal(values[[4, 5, 13]], values[[3, 3, 12]])
    assert not values[[9, 10]].any()
    assert (np.abs(values[seen]).sum(axis=1) > 0).all()


def test_rows_can_be_chosen(data: Prepared) -> None:
    chosen = np.array([0, 1, 9, 20, 25])
    pieces = list(said(Counting(), data, chosen))
    every = np.concatenate(
        [p.predictions.values[ACTION_UNITS_8] for p in said(Counting(), data, all_rows(data))]
    )
    np.testing.assert_array_equal(pieces[0].rows, chosen)
    np.testing.assert_array_equal(pieces[0].predictions.values[ACTION_UNITS_8], every[chosen])
    assert list(said(Counting(), data, np.zeros(0, np.int64))) == []


def test_silence_is_told(data: Prepared, tmp_path: Path) -> None:
    recipe = small("both", "gru")
    bundle = bundled(made(recipe), recipe, tmp_path / "bundle")
    own = replace(data, index=replace(data.index, database="table"))
    told = [evaluate([bundle], one)[0].notes for one in (own, replace(own, sounds=Sounds(np.zeros(0), {})))]
    assert not any("silence" in note for note in told[0])
    assert f"{sum(LENGTHS)} of {sum(LENGTHS)} rows have no sound or no times: silence was heard" in told[1]
