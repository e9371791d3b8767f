"""Networks assembled from parts: every combination builds, remembers and keeps clips apart."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from assemblies import (
    HEADS,
    KEPT,
    KINDS,
    SIZE,
    STREAMS,
    TASK_NAMES,
    clips,
    each_assembly,
    each_memory,
    made,
    part_of,
    small,
)
from safetensors.torch import save_file
from torch import nn

from mien.inputs import Preprocessing
from mien.learning.backbones import residual
from mien.learning.heads import MarginHead
from mien.learning.network import Network, probabilities
from mien.learning.recipe import (
    BackboneSettings,
    NetworkSettings,
)
from mien.learning.training import _begun
from mien.tasks import TASKS


@each_assembly
def test_every_assembly_gives_each_tasks_labels_and_its_state(
    streams: str, temporal: str, heads: str, kind: str
) -> None:
    recipe = small(streams, temporal, heads, kind)
    network = made(recipe)
    parts = 0 if temporal == "none" else 3 if streams == "both" else 1
    assert network.memory == parts * KEPT[temporal]
    assert len(network.memories) == parts
    assert isinstance(network.heads["expression_7"], nn.Linear if heads == "softmax" else MarginHead)
    for batch, time in ((1, 1), (3, 4)):
        with torch.no_grad():
            outputs, state = network(*clips(recipe, batch, time))
        assert list(outputs) == list(TASK_NAMES)
        assert {name: tuple(out.shape) for name, out in outputs.items()} == {
            name: (batch, time, len(TASKS[name])) for name in TASK_NAMES
        }
        first = network.initial(batch)
        if temporal == "none":
            assert state is None
            assert first is None
        else:
            assert state is not None
            assert first is not None
            assert state.shape == first.shape == (batch, network.memory)
            assert not first.any()


@each_assembly
def test_gradients_reach_every_part(streams: str, temporal: str, heads: str, kind: str) -> None:
    recipe = small(streams, temporal, heads, kind)
    torch.manual_seed(1)
    network = Network(recipe).train()
    outputs, _ = network(*clips(recipe, 4, 3))
    sum((out * torch.randn_like(out)).sum() for out in outputs.values()).backward()
    without = [
        name for name, weights in network.named_parameters() if weights.grad is None or not weights.grad.any()
    ]
    assert without == []


@each_memory
@pytest.mark.parametrize("cuts", [(1,) * 9, (1, 8), (8, 1), (4, 2, 3)], ids=str)
def test_a_clip_in_pieces_is_the_whole_clip(streams: str, temporal: str, cuts: tuple[int, ...]) -> None:
    recipe = small(streams, temporal)
    network = made(recipe)
    faces, sound = clips(recipe, 2, 9)
    with torch.no_grad():
        whole, last = network(faces, sound)
        state, pieces, start = None, [], 0
        for length in cuts:
            cut = (slice(None), slice(start, start + length))
            said, state = network(part_of(faces, cut), part_of(sound, cut), state)
            pieces.append(said)
            start += length
    torch.testing.assert_close(state, last, rtol=0, atol=1e-5)
    for name, values in whole.items():
        together = torch.cat([piece[name] for piece in pieces], dim=1)
        torch.testing.assert_close(together, values, rtol=0, atol=1e-5)
        assert (values[:, 1:] - values[:, :-1]).abs().max() > 1e-4


@each_memory
def test_what_was_before_counts_and_what_comes_after_does_not(streams: str, temporal: str) -> None:
    recipe = small(streams, temporal)
    network = made(recipe)
    faces, sound = clips(recipe, 1, 6)
    others = clips(recipe, 1, 6)
    for given, other in zip((faces, sound), others, strict=True):
        if given is None or other is None:
            continue
        late, early = given.clone(), given.clone()
        late[:, 4:], early[:, :1] = other[:, 4:], other[:, :1]
        with torch.no_grad():
            plain, changed_late, changed_early = (
                network(*((it, sound) if given is faces else (faces, it)))[0]["valence_arousal"]
                for it in (given, late, early)
            )
        torch.testing.assert_close(changed_late[:, :4], plain[:, :4], rtol=0, atol=1e-5)
        assert (changed_early[:, 1] - plain[:, 1]).abs().max() > 1e-5


@each_assembly
def test_clips_of_a_batch_do_not_influence_each_other(
    streams: str, temporal: str, heads: str, kind: str
) -> None:
    recipe = small(streams, temporal, heads, kind)
    network = made(recipe)
    faces, sound = clips(recipe, 2, 3)
    state = None if network.memory == 0 else torch.randn(2, network.memory)
    with torch.no_grad():
        both, after = network(faces, sound, state)
        swap: Any = [1, 0]
        swapped, swapped_after = network(*(part_of(given, swap) for given in (faces, sound, state)))
        first: Any = slice(1)
        alone, _ = network(*(part_of(given, first) for given in (faces, sound, state)))
    for name, values in both.items():
        torch.testing.assert_close(swapped[name][swap], values, rtol=0, atol=1e-5)
        torch.testing.assert_close(alone[name], values[:1], rtol=0, atol=1e-5)
        assert (values[0] - values[1]).abs().max() > 1e-4
    if state is not None:
        torch.testing.assert_close(swapped_after[swap], after, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("streams", "heads", "kind"), list(product(STREAMS, HEADS, KINDS)))
def test_without_memory_a_clip_is_its_stills(streams: str, heads: str, kind: str) -> None:
    recipe = small(streams, "none", heads, kind)
    network = made(recipe)
    faces, sound = clips(recipe, 2, 3)
    with torch.no_grad():
        whole, _ = network(faces, sound)
        stills, _ = network(*(None if it is None else it.flatten(0, 1).unsqueeze(1) for it in (faces, sound)))
    for name, values in whole.items():
        torch.testing.assert_close(stills[name].reshape(values.shape), values, rtol=0, atol=1e-5)


@pytest.mark.parametrize("temporal", ["gru", "convolution"])
def test_both_streams_are_joined_from_what_each_says_alone(temporal: str) -> None:
    """The network written out: stream by stream, joined, then the heads; the state in that order."""
    recipe = small("both", temporal)
    network = made(recipe)
    faces, sound = clips(recipe, 2, 5)
    assert faces is not None
    assert sound is not None
    picture, hearing, joined = network.memories
    seen, heard = network.picture, network.sound
    assert seen is not None
    assert heard is not None
    with torch.no_grad():
        said, state = network(faces, sound)
        parts = []
        rows = [
            torch.stack([stream.backbone(given[:, t]) for t in range(5)], dim=1)
            for stream, given in ((seen, faces), (heard, sound))
        ]
        remembered = []
        for part, features in zip((picture, hearing), rows, strict=True):
            out, after = part(features, part.initial(2))
            remembered.append(out)
            parts.append(after.reshape(2, -1))
        out, after = joined(torch.cat(remembered, dim=2), joined.initial(2))
        parts.append(after.reshape(2, -1))
    torch.testing.assert_close(state, torch.cat(parts, dim=1), rtol=0, atol=1e-5)
    for name, head in network.heads.items():
        torch.testing.assert_close(said[name], head(out), rtol=0, atol=1e-5)


def test_what_is_remembered_of_several_faces_is_cut_and_joined() -> None:
    recipe = small("both", "gru")
    network = made(recipe)
    faces, sound = clips(recipe, 3, 6)
    assert faces is not None
    assert sound is not None
    with torch.no_grad():
        alone = [network(faces[i : i + 1], sound[i : i + 1])[0]["expression_7"][0] for i in range(3)]
        _, state = network(faces[:2, :3], sound[:2, :3])
        first = network.initial(1)
        assert first is not None
        # the first face is gone, the third has come
        joined = torch.cat([first, state[1:]])
        said, _ = network(
            torch.cat([faces[2:, :3], faces[1:2, 3:]]), torch.cat([sound[2:, :3], sound[1:2, 3:]]), joined
        )
    torch.testing.assert_close(said["expression_7"][0], alone[2][:3], rtol=0, atol=1e-5)
    torch.testing.assert_close(said["expression_7"][1], alone[1][3:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("streams", ["picture", "both"])
@pytest.mark.parametrize("kind", ["vgg16", "resnet50", "densenet121", "dlib"])
def test_published_backbones_take_part(kind: Any, streams: str) -> None:
    plain = small(streams, "gru", "arcface")
    seen = BackboneSettings(kind, hidden=(32,) if kind == "vgg16" else (), standardised=False)
    recipe = replace(
        plain,
        preprocessing=Preprocessing(size=96, colour="rgb"),
        network=replace(plain.network, backbone=seen),
    )
    network = Network(recipe).eval()
    with torch.no_grad():
        outputs, state = network(*clips(recipe, 1, 2))
    assert all(out.shape == (1, 2, len(TASKS[name])) for name, out in outputs.items())
    assert all(torch.isfinite(out).all() for out in outputs.values())
    assert state.shape == (1, network.memory)


@pytest.mark.parametrize(
    ("kind", "hidden", "count"),
    [("residual", (), 1), ("mobile", (10,), 1), ("residual", (10, 7), 2), ("vgg16", (10, 7), 2)],
)
def test_no_feature_is_dropped_twice(kind: Any, hidden: tuple[int, ...], count: int) -> None:
    settings = BackboneSettings(kind, widths=(8,), depth=1, stem=4, hidden=hidden, dropout=0.5)
    recipe = replace(small(), network=NetworkSettings(backbone=settings))
    network = Network(recipe)
    dropping = [part for part in network.modules() if isinstance(part, nn.Dropout) and part.p > 0]
    assert len(dropping) == count
    width = hidden[-1] if hidden else 8
    assert network.picture is not None
    assert network.picture.width == width


def test_raw_outputs_become_what_predictions_hold() -> None:
    raw = torch.tensor([[[-30.0, 0.0], [1.0, 2.0]]])
    continuous = probabilities(TASKS["valence_arousal"], raw)
    torch.testing.assert_close(continuous, (raw.exp() - (-raw).exp()) / (raw.exp() + (-raw).exp()))
    units = torch.linspace(-9, 9, 8)[None, None]
    torch.testing.assert_close(probabilities(TASKS["action_units_8"], units), 1 / (1 + (-units).exp()))
    for task in TASKS.values():
        values = probabilities(task, torch.linspace(-40, 40, len(task)).expand(2, 3, -1))
        assert values.shape == (2, 3, len(task))
        assert task.range[0] <= values.min()
        assert values.max() <= task.range[1]
        if task.kind == "categorical":
            torch.testing.assert_close(values.sum(dim=-1), torch.ones(2, 3))
        if task.kind == "intensity":
            assert values.max() == pytest.approx(5.0)


# A user's weights


def written(place: Path, network: nn.Module, prefix: str = "") -> str:
    """Write a network's weights, and a classifier that nobody wants; return the path."""
    tensors = {f"{prefix}{name}": tensor.clone() for name, tensor in network.state_dict().items()}
    save_file(tensors | {f"{prefix}fc.weight": torch.ones(3, 12)}, place)
    return str(place)


@pytest.mark.parametrize("hidden", [(), (10,)], ids=["alone", "with connected layers"])
@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_file_of_weights_fills_the_backbone(tmp_path: Path, hidden: tuple[int, ...], prefix: str) -> None:
    torch.manual_seed(5)
    theirs, _ = residual(1, 4, (8, 12), 1)
    path = written(tmp_path / "weights.safetensors", theirs, prefix)
    settings = BackboneSettings(widths=(8, 12), depth=1, stem=4, hidden=hidden, weights=path)
    network = Network(replace(small(), network=NetworkSettings(backbone=settings)))
    (loading,) = _begun(network, replace(small(), network=NetworkSettings(backbone=settings)), [])
    assert loading.share == 1
    assert loading.prefix == prefix
    assert network.picture is not None
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(network.picture.backbone.state_dict()[name], tensor)


def test_weights_for_three_colours_fill_a_grey_network_and_a_sound_network(tmp_path: Path) -> None:
    torch.manual_seed(5)
    theirs, _ = residual(3, 4, (8, 12), 1)
    path = written(tmp_path / "weights.safetensors", theirs)
    settings = BackboneSettings(widths=(8, 12), depth=1, stem=4, dropout=0.0, weights=path)
    recipe = replace(small("both"), network=NetworkSettings("both", settings, settings))
    network = Network(recipe).eval()
    loadings = _begun(network, recipe, [])
    assert [loading.summed for loading in loadings] == ["1.weight", "1.weight"]
    grey = torch.rand(2, 1, SIZE, SIZE)
    with torch.no_grad():
        expected = theirs.eval()(grey.expand(-1, 3, -1, -1))
        for stream in (network.picture, network.sound):
            assert stream is not None
            torch.testing.assert_close(stream.backbone(grey), expected, rtol=0, atol=1e-5)


def test_a_later_stage_takes_over_the_parts_of_several_earlier_ones(tmp_path: Path) -> None:
    """The fusion stage of the paper: each stream from its own stage, what joins them by chance."""
    stages = {streams: Network(small(streams, "gru")) for streams in ("picture", "sound")}
    for streams, network in stages.items():
        tensors = {f"average.{name}": tensor for name, tensor in network.state_dict().items()}
        others = {f"network.{name}": tensor + 1 for name, tensor in network.state_dict().items()}
        save_file(tensors | others, tmp_path / f"{streams}.safetensors")
    fusion = Network(small("both", "gru"))
    before = {name: tensor.clone() for name, tensor in fusion.state_dict().items()}
    _begun(fusion, small("both", "gru"), [tmp_path / f"{streams}.safetensors" for streams in stages])
    for name, tensor in fusion.state_dict().items():
        stream = name.partition(".")[0]
        if name.endswith("num_batches_tracked"):
            continue
        if stream in stages:
            torch.testing.assert_close(tensor, stages[stream].state_dict()[name])
        elif stream == "joined":
            torch.testing.assert_close(tensor, before[name])
