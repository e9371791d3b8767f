"""Temporal parts: pieces equal the whole, nothing is seen ahead, ONNX says the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mien.arrays import FloatArray
from mien.errors import SettingsError
from mien.inference import session
from mien.learning.temporal import DilatedConvolution, Gru, Temporal

INPUTS = 5

MAKERS: dict[str, Callable[[], Temporal]] = {
    "gru": lambda: Gru(INPUTS, 6, 2, 0.3),
    "gru of one layer": lambda: Gru(INPUTS, 6, 1, 0.3),
    "convolution": lambda: DilatedConvolution(INPUTS, 6, 3, 3, 0.3),
    "convolution of one layer": lambda: DilatedConvolution(INPUTS, 6, 1, 2, 0.3),
}

each_part = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def sigmoid(x: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-x))


@each_part
def test_interface(make: Callable[[], Temporal]) -> None:
    part = make().eval()
    state = part.initial(3)
    assert state.shape == (3, *part.kept)
    assert not state.any()
    for time in (1, 2, 9):
        outputs, after = part(torch.randn(3, time, INPUTS), state)
        assert outputs.shape == (3, time, part.width) == (3, time, 6)
        assert after.shape == state.shape
    assert make().double().initial(2).dtype == torch.float64


@each_part
@pytest.mark.parametrize(
    "cuts", [(20,), (1,) * 20, (1, 19), (19, 1), (7, 2, 11), (3, 1, 1, 14, 1), (10, 10)], ids=str
)
def test_a_clip_in_pieces_is_the_whole_clip(make: Callable[[], Temporal], cuts: tuple[int, ...]) -> None:
    part = make().eval()
    clip = torch.randn(4, 20, INPUTS)
    with torch.no_grad():
        whole, last = part(clip, part.initial(4))
        state, pieces = part.initial(4), []
        for piece in clip.split(list(cuts), dim=1):
            outputs, state = part(piece, state)
            pieces.append(outputs)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=0, atol=1e-6)
    torch.testing.assert_close(state, last, rtol=0, atol=1e-6)


@each_part
def test_states_are_cut_and_joined_like_rows(make: Callable[[], Temporal]) -> None:
    """One face stays, one leaves and a new one comes: each as if it were alone."""
    part = make().eval()
    first, second, third = torch.randn(3, 1, 12, INPUTS)
    with torch.no_grad():
        _, state = part(torch.cat([first, second])[:, :6], part.initial(2))
        joined = torch.cat([part.initial(1), state[1:]])
        outputs, _ = part(torch.cat([third[:, :6], second[:, 6:]]), joined)
        torch.testing.assert_close(outputs[:1], part(third, part.initial(1))[0][:, :6], rtol=0, atol=1e-6)
        torch.testing.assert_close(outputs[1:], part(second, part.initial(1))[0][:, 6:], rtol=0, atol=1e-6)


@each_part
def test_nothing_is_seen_ahead(make: Callable[[], Temporal]) -> None:
    part = make().eval()
    clip = torch.randn(2, 12, INPUTS)
    changed = clip.clone()
    changed[:, 7:] = torch.randn(2, 5, INPUTS)
    with torch.no_grad():
        before, after = part(clip, part.initial(2))[0], part(changed, part.initial(2))[0]
    torch.testing.assert_close(before[:, :7], after[:, :7], rtol=0, atol=1e-6)
    assert (before[:, 7] - after[:, 7]).abs().max() > 1e-3


@pytest.mark.parametrize(("layers", "kernel", "reach"), [(1, 2, 1), (2, 3, 6), (3, 2, 7), (5, 3, 62)])
def test_convolution_reaches_exactly_as_far_as_it_says(layers: int, kernel: int, reach: int) -> None:
    part = DilatedConvolution(INPUTS, 4, layers, kernel).double().eval()
    assert part.reach == part.kept[0] == reach
    for convolution in part.layers:  # nothing is cut off by ReLU, so that no path is closed
        nn.init.uniform_(convolution.weight, 0.05, 0.1)
        nn.init.constant_(convolution.bias, 5.0)
    clip = torch.randn(1, reach + 3, INPUTS, dtype=torch.float64, requires_grad=True)
    part(clip, part.initial(1).double())[0][0, -1].sum().backward()
    felt = (clip.grad[0].abs().sum(dim=1) > 0).numpy()
    assert felt.tolist() == [False] * 2 + [True] * (reach + 1)


def test_convolution_is_the_sum_written_out() -> None:
    part = DilatedConvolution(INPUTS, 4, 3, 3).double().eval()
    clip = torch.randn(11, INPUTS, dtype=torch.float64)
    weights = {name: tensor.numpy() for name, tensor in part.state_dict().items()}
    x = clip.numpy() @ weights["entry.weight"].T + weights["entry.bias"]
    for layer, apart in enumerate((1, 2, 4)):
        added = np.zeros_like(x)
        for t in range(len(x)):
            added[t] = weights[f"layers.{layer}.bias"]
            for tap in range(3):
                back = t - (2 - tap) * apart
                if back >= 0:
                    added[t] += weights[f"layers.{layer}.weight"][:, :, tap] @ x[back]
        x = x + np.maximum(added, 0)
    outputs, _ = part(clip[None], part.initial(1))
    np.testing.assert_allclose(outputs[0].detach().numpy(), x, atol=1e-12)


def test_gru_is_the_recurrence_written_out() -> None:
    part = Gru(INPUTS, 4, 2).double().eval()
    weights = {name.removeprefix("gru."): tensor.numpy() for name, tensor in part.state_dict().items()}
    clip = torch.randn(7, INPUTS, dtype=torch.float64)
    state = torch.randn(1, 2, 4, dtype=torch.float64)
    x, last = clip.numpy(), []
    for layer in range(2):
        h, outputs = state[0, layer].numpy(), []
        for row in x:
            i = weights[f"weight_ih_l{layer}"] @ row + weights[f"bias_ih_l{layer}"]
            j = weights[f"weight_hh_l{layer}"] @ h + weights[f"bias_hh_l{layer}"]
            reset, update = sigmoid(i[:4] + j[:4]), sigmoid(i[4:8] + j[4:8])
            h = (1 - update) * np.tanh(i[8:] + reset * j[8:]) + update * h
            outputs.append(h)
        x, last = np.stack(outputs), [*last, h]
    outputs, after = part(clip[None], state)
    np.testing.assert_allclose(outputs[0].detach().numpy(), x, atol=1e-12)
    np.testing.assert_allclose(after[0].detach().numpy(), np.stack(last), atol=1e-12)


@each_part
def test_gradients_pass_through_time_and_state(make: Callable[[], Temporal]) -> None:
    part = make().double().eval()
    features = torch.randn(2, 3, INPUTS, dtype=torch.float64, requires_grad=True)
    state = torch.randn(2, *part.kept, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(part, (features, state))
    part(features, state)[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters())


@each_part
def test_dropout_is_for_training_and_warns_nobody(make: Callable[[], Temporal]) -> None:
    torch.manual_seed(0)
    part = make()
    clip = torch.randn(2, 30, INPUTS)
    one, other = part(clip, part.initial(2))[0], part(clip, part.initial(2))[0]
    alone = isinstance(part, Gru) and part.gru.num_layers == 1
    assert torch.equal(one, other) == alone
    part.eval()
    assert torch.equal(part(clip, part.initial(2))[0], part(clip, part.initial(2))[0])


@each_part
def test_half_precision_around_it_is_no_trouble(make: Callable[[], Temporal]) -> None:
    part = make().eval()
    clip = torch.randn(3, 50, INPUTS)
    with torch.no_grad():
        whole, last = part(clip, part.initial(3))
        with torch.autocast("cpu", torch.bfloat16):
            outputs, state = part(clip.bfloat16(), part.initial(3))
            outputs, state = part(clip.bfloat16(), part.initial(3).to(state.dtype))
    assert (outputs.float() - whole).abs().max() < 0.05 * max(1.0, whole.abs().max().item())
    assert (state.float() - last).abs().max() < 0.05 * max(1.0, last.abs().max().item())


@each_part
def test_huge_values_and_constant_clips_stay_finite(make: Callable[[], Temporal]) -> None:
    part = make().eval()
    with torch.no_grad():
        for clip in (torch.zeros(1, 200, INPUTS), torch.full((1, 200, INPUTS), 1e6)):
            outputs, state = part(clip, part.initial(1))
            assert torch.isfinite(outputs).all() and torch.isfinite(state).all()
            assert (outputs[:, -1] - outputs[:, -2]).abs().max() <= 1e-4 * outputs.abs().max()


@pytest.mark.parametrize(("layers", "kernel"), [(0, 3), (2, 1), (2, 0)])
def test_a_convolution_that_sees_no_frame_before_is_refused(layers: int, kernel: int) -> None:
    with pytest.raises(SettingsError, match=f"kernel {kernel} and {layers} layers"):
        DilatedConvolution(INPUTS, 4, layers, kernel)


class Started(nn.Module):
    """A part that begins with its own initial state, as for a whole clip."""

    def __init__(self, part: Temporal) -> None:
        super().__init__()
        self.part = part

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        outputs, state = self.part(features, self.part.initial(features.shape[0]))
        return outputs, state


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Exporting a model to ONNX with a batch_size:UserWarning")
@each_part
@pytest.mark.parametrize("carried", [True, False])
def test_onnx_says_the_same_for_other_batches_and_times(
    make: Callable[[], Temporal], carried: bool, tmp_path: Path
) -> None:
    part = make().eval()
    names = ["features", "state"] if carried else ["features"]
    batch, time = (1, 4) if carried else (2, 1)
    free = {0: "batch", 1: "time"}
    torch.onnx.export(
        part if carried else Started(part).eval(),
        (torch.zeros(batch, time, INPUTS), part.initial(batch))[: len(names)],
        str(tmp_path / "part.onnx"),
        input_names=names,
        output_names=["outputs", "after"],
        dynamic_axes=dict.fromkeys(("features", "outputs"), free)
        | {name: {0: "batch"} for name in (*names[1:], "after")},
        opset_version=17,
        dynamo=False,
    )
    loaded = session(tmp_path / "part.onnx")
    for batch, time in [(1, 4), (1, 1), (3, 1), (2, 33), (7, 5)]:
        clip, state = torch.randn(batch, time, INPUTS), torch.randn(batch, *part.kept)
        state = state if carried else part.initial(batch)
        given = {"features": clip.numpy(), "state": state.numpy()}
        said = loaded.run(None, {name: given[name] for name in names})
        with torch.no_grad():
            expected = part(clip, state)
        for ours, theirs in zip(said, expected, strict=True):
            assert ours.shape == tuple(theirs.shape)
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-5)
