"""Training in silence: which clips are not heard, that it is exact, and what the bundle says of it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.errors import SettingsError
from mien.hearing import Hearing
from mien.inputs import Preprocessing
from mien.learning import checkpoint, training
from mien.learning.augmentation import deafened
from mien.learning.export import export
from mien.learning.recipe import Recipe
from mien.learning.training import load_network, train
from mien.preparation.prepared import Prepared, Sounds
from mien.preparation.run import Options, prepare
from mien.testing.affect import make_affect

RECIPE = Recipe.from_json(
    {
        "name": "both",
        "tasks": {"valence_arousal": 1.0, "expression_7": 1.0},
        "preprocessing": {"size": 16, "colour": "grey"},
        "hearing": {"bands": 8, "span": 0.2},
        "network": {
            "streams": "both",
            "backbone": {"stem": 4, "widths": [4], "depth": 1},
            "sound_backbone": {"stem": 4, "widths": [4], "depth": 1, "standardised": False},
            "temporal": {"kind": "gru", "units": 6, "layers": 1},
        },
        "sampling": {"batch": 3, "frames": 8},
        "augmentation": {"deaf": 0.5},
        "optimisation": {"method": "adam", "rate": 3e-3, "warmup": 1, "epochs": 2, "precision": "fp32"},
    }
)


def deaf_at(recipe: Recipe, share: float) -> Recipe:
    return replace(recipe, augmentation=replace(recipe.augmentation, deaf=share))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Prepared]:
    place = tmp_path_factory.mktemp("deaf")
    make_affect(place / "affect", {"train": 6, "validation": 2}, frames=16, missing=0.0, seed=1)
    options = Options(given=True, quality=0, quiet=True)
    prepare("table", place / "affect", place / "prepared", Preprocessing(size=16), options)
    return [Prepared.open(place / "prepared")]


@pytest.fixture(scope="module")
def whole(data: list[Prepared], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which half of the clips are heard."""
    run = tmp_path_factory.mktemp("whole") / "run"
    train([RECIPE], data, run, threads=1, quiet=True)
    return run


def weights(run: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(run / "last.safetensors")[0]


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_whole_clips_are_silence_and_the_others_as_they_were() -> None:
    hearing = Hearing(bands=8, span=0.2)
    sound = torch.rand(400, 3, 1, 8, hearing.steps)
    silence = torch.from_numpy(hearing.silence(3))
    heard = deafened(sound, silence, 0.25, torch.Generator().manual_seed(0))
    silent = (heard == -1).flatten(1).all(dim=1)
    assert torch.equal(heard[~silent], sound[~silent])
    assert torch.equal(heard[silent], silence.expand(int(silent.sum()), *silence.shape))
    assert abs(silent.float().mean() - 0.25) < 0.07  # three standard deviations
    again = deafened(sound, silence, 0.25, torch.Generator().manual_seed(0))
    assert torch.equal(again, heard)


def test_all_clips_or_none_are_silence_at_the_ends() -> None:
    hearing = Hearing(bands=8, span=0.2)
    sound = torch.rand(50, 2, 1, 8, hearing.steps)
    silence = torch.from_numpy(hearing.silence(2))
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    assert torch.equal(deafened(sound, silence, 0.0, generator), sound)
    assert torch.equal(generator.get_state(), before), "a run without it draws what it drew before"
    assert torch.equal(deafened(sound, silence, 1.0, generator), silence.expand_as(sound))


def test_a_network_that_never_hears_in_training_does_not_depend_on_the_sound(
    whole: Path, data: list[Prepared], tmp_path: Path
) -> None:
    """Trained on the sound and on none, it comes out the same bit for bit; heard at times, it does not."""
    mute = [replace(data[0], sounds=Sounds(np.zeros(0, np.int16), {}))]
    for name, share, given in (("loud", 1.0, data), ("mute", 1.0, mute), ("half", 0.5, mute)):
        train([deaf_at(RECIPE, share)], given, tmp_path / name, threads=1, quiet=True)
    assert same(weights(tmp_path / "loud"), weights(tmp_path / "mute"))
    assert not same(weights(tmp_path / "half"), weights(whole))


class StopError(Exception):
    """Instead of the power failing."""


@pytest.mark.parametrize("moment", [(0, 1), (1, 0), (1, 2)], ids=str)
def test_a_run_that_was_stopped_hears_the_clips_it_would_have_heard(
    whole: Path,
    data: list[Prepared],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: tuple[int, int],
) -> None:
    real = training.epoch

    def stopping(*args: object) -> Iterator[np.ndarray]:
        for number, clips in enumerate(real(*args)):  # type: ignore[arg-type]
            if (args[3], number) == moment:
                raise StopError
            yield clips

    with monkeypatch.context() as patched:
        patched.setattr(training, "epoch", stopping)
        with pytest.raises(StopError):
            train([RECIPE], data, tmp_path / "run", threads=1, quiet=True)
    torch.manual_seed(99)  # whatever state chance is in
    train([RECIPE], data, tmp_path / "run", threads=1, quiet=True)
    assert same(weights(tmp_path / "run"), weights(whole))


def test_a_run_from_before_there_was_the_setting_is_read_and_goes_on(
    data: list[Prepared], tmp_path: Path
) -> None:
    recipe = deaf_at(RECIPE, 0.0)
    short = replace(recipe, optimisation=replace(recipe.optimisation, epochs=1))
    last = train([short], data, tmp_path / "run", threads=1, quiet=True)
    tensors, record = checkpoint.load(last)
    del record["recipe"]["augmentation"]["deaf"]
    checkpoint.save(last, tensors, record)
    assert load_network(last)[1] == short
    written = last.read_bytes()
    train([short], data, tmp_path / "run", threads=1, quiet=True)
    assert last.read_bytes() == written, "a run that is done is left alone"


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused_by_name(share: float) -> None:
    values = RECIPE.to_json()
    values["augmentation"]["deaf"] = share
    with pytest.raises(SettingsError, match=r"augmentation\.deaf"):
        Recipe.from_json(values)


def test_the_card_says_what_a_bundle_does_without_sound(
    whole: Path, data: list[Prepared], tmp_path: Path
) -> None:
    train([deaf_at(RECIPE, 0.0)], data, tmp_path / "heard", threads=1, quiet=True)
    seeing, hearing = (
        replace(RECIPE, name=name, network=replace(RECIPE.network, streams=name))
        for name in ("picture", "sound")
    )
    train([seeing], data, tmp_path / "seen", threads=1, quiet=True)
    train([hearing], data, tmp_path / "only", threads=1, quiet=True)
    half = "trained with 50 % of the clips in silence: without sound it goes by the picture"
    never = "never trained in silence: what it says without sound was not learned"
    for runs, said in (
        ([whole], half),
        ([tmp_path / "heard"], never),
        ([whole, tmp_path / "heard", whole], f"{half}; {never}"),
        ([tmp_path / "only"], "it only hears: silence tells it nothing of the face"),
        ([tmp_path / "seen"], None),
    ):
        out = tmp_path / f"bundle_{len(list(tmp_path.glob('bundle_*')))}"
        export([run / "best.safetensors" for run in runs], out, {"licence": "none"})
        card = json.loads((out / "bundle.json").read_text())["card"]
        assert card.get("silence") == said
        assert card["licence"] == "none"
