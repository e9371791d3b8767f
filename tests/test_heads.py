"""Margin heads against angles computed the long way, finite differences and onnxruntime."""

import math
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

from mien.errors import SettingsError
from mien.learning.heads import Angles, MarginHead, angles, arcface, cosface
from mien.learning.losses import cross_entropy

ONE = torch.ones((), dtype=torch.float64)


def bent(degrees: float, margin: float) -> float:
    """Return what ArcFace makes of an angle, through the angle itself."""
    theta = math.radians(degrees)
    if theta + margin <= math.pi:
        return math.cos(theta + margin)
    return math.cos(theta) - margin * math.sin(margin)


def one_hot(labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Return class numbers as distributions, all known."""
    target = torch.nn.functional.one_hot(labels, classes).float()
    return target, torch.ones_like(target, dtype=torch.bool)


# The margins


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5, 1.2, math.pi / 2])
def test_arcface_turns_the_angle(margin: float) -> None:
    degrees = np.linspace(0.5, 179.5, 359)
    cosines = torch.tensor(np.cos(np.radians(degrees)))
    expected = [bent(d, margin) for d in degrees]
    np.testing.assert_allclose(arcface(cosines, ONE, margin).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(arcface(cosines.float(), ONE, margin).numpy(), expected, atol=2e-5)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("margin", [0.05, 0.5, 1.0, math.pi / 2])
def test_arcface_falls_with_the_angle_all_the_way(margin: float, share: float) -> None:
    cosines = torch.cos(torch.linspace(0, math.pi, 20_001, dtype=torch.float64))
    changed = arcface(cosines, ONE * share, margin)
    assert (changed.diff() < 0).all()
    assert (changed <= cosines).all()


def test_arcface_gradient_is_the_derivative_of_the_turned_cosine() -> None:
    cosine = torch.tensor(0.6, dtype=torch.float64, requires_grad=True)
    arcface(cosine, ONE, 0.5).backward()
    expected = math.sin(math.acos(0.6) + 0.5) / math.sin(math.acos(0.6))
    assert expected == pytest.approx(1.237, abs=5e-4), "1.000 where the margin is added without gradient"
    assert cosine.grad.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("near", [0.5, 1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_arcface_gradient_is_that_of_finite_differences(near: float, side: int, share: float) -> None:
    cosine = torch.tensor(side * (1 - near), dtype=torch.float64, requires_grad=True)
    step = min(1e-6, near * 1e-3)
    assert torch.autograd.gradcheck(
        lambda c: arcface(c, ONE * share, 0.5), cosine, eps=step, atol=1e-4, rtol=1e-3
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [1.0, -1.0, 1.000001, -1.000001, -0.9, 0.0])
def test_gradients_at_the_ends_are_finite(value: float, dtype: torch.dtype) -> None:
    for share in (0.0, 0.4, 1.0):
        cosine = torch.tensor([value], dtype=dtype, requires_grad=True)
        changed = arcface(cosine, torch.tensor([share], dtype=dtype), 0.5)
        changed.sum().backward()
        assert changed.dtype == torch.promote_types(dtype, torch.float32)
        assert changed.isfinite().all() and cosine.grad.isfinite().all()
        assert changed.item() == pytest.approx(
            bent(math.degrees(math.acos(max(-1.0, min(1.0, cosine.item())))), 0.5 * round(share, 1)), abs=6e-4
        )


def test_cosface_lowers_the_cosine() -> None:
    cosines = torch.tensor([0.9, 0.1, -0.5])
    lowered = cosface(cosines, torch.tensor([1.0, 0.0, 0.5]), 0.35)
    torch.testing.assert_close(lowered, torch.tensor([0.55, 0.1, -0.675]))


# The head


@pytest.fixture
def head() -> MarginHead:
    torch.manual_seed(0)
    made = MarginHead(12, 5, embedding=16, scale=30.0, margin=0.5)
    made(torch.randn(64, 12) + 2)  # moves the statistics away from 0 and 1
    return made.eval()


def test_outputs_are_scaled_cosines_without_margin(head: MarginHead) -> None:
    features = torch.randn(3, 4, 12)
    raw = head(features)
    vectors = features.reshape(12, 12).double() @ head.linear.weight.double().T
    vectors = (vectors - head.norm.running_mean) / torch.sqrt(head.norm.running_var + 1e-5)
    cosines = torch.cosine_similarity(vectors[:, None], head.directions.double()[None], dim=-1)
    torch.testing.assert_close(raw.double(), 30 * cosines.reshape(3, 4, 5), rtol=0, atol=2e-5)
    torch.testing.assert_close(head.embedded(features).norm(dim=-1), torch.ones(3, 4))


def test_margin_bears_on_the_true_class_alone_and_nothing_is_overwritten(head: MarginHead) -> None:
    raw = head(torch.randn(50, 12)).detach()
    before = raw.clone()
    labels = torch.arange(50) % 5
    changed = head.with_margin(raw, *one_hot(labels, 5))
    assert torch.equal(raw, before)
    true = torch.nn.functional.one_hot(labels, 5).bool()
    torch.testing.assert_close(changed[~true], raw[~true], rtol=1e-6, atol=0)
    expected = [30 * bent(math.degrees(math.acos(c)), 0.5) for c in (raw[true].double() / 30).tolist()]
    torch.testing.assert_close(changed[true], torch.tensor(expected), rtol=0, atol=1e-4)


def test_margin_follows_the_share_of_the_target_and_unknown_rows_have_none(head: MarginHead) -> None:
    raw = head(torch.randn(3, 12)).detach()
    target = torch.tensor([[0.7, 0.3, 0, 0, 0], [0, 0, 1.0, 0, 0], [math.nan, 1.0, 0, 0, 0]])
    known = torch.ones(3, 5, dtype=torch.bool)
    known[1], known[2, 0] = False, False
    changed = head.with_margin(raw, target, known)
    torch.testing.assert_close(changed[1:], raw[1:])
    torch.testing.assert_close(changed[0, 2:], raw[0, 2:])
    for cell, share in ((0, 0.7), (1, 0.3)):
        expected = 30 * bent(math.degrees(math.acos(raw[0, cell].item() / 30)), 0.5 * share)
        assert changed[0, cell].item() == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("kind", ["arcface", "cosface"])
def test_whole_heads_gradient_is_that_of_finite_differences(kind: str) -> None:
    torch.manual_seed(1)
    head = MarginHead(4, 3, embedding=5, kind=kind, scale=4.0, margin=0.4).double()  # type: ignore[arg-type]
    features = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    target, known = one_hot(torch.tensor([0, 1, 2, 0, 1, 2]), 3)
    target[0] = torch.tensor([0.5, 0.25, 0.25])

    def loss(features: Tensor, directions: Tensor) -> Tensor:
        raw = torch.func.functional_call(head, {"directions": directions}, (features,))
        return cross_entropy(head.with_margin(raw, target, known), target, known)[0]

    assert torch.autograd.gradcheck(loss, (features, head.directions.detach().requires_grad_()))


@pytest.mark.parametrize("away", [0.0, 1e-7, 1e-4, 1e-2])
@pytest.mark.parametrize("side", [1, -1])
def test_a_sample_on_its_direction_or_opposite_trains_gently(
    head: MarginHead, away: float, side: int
) -> None:
    head.linear.weight.data = torch.eye(16, 12)
    head.directions.data = torch.eye(5, 16)
    head.norm.reset_running_stats()
    features = torch.zeros(2, 12)
    features[:, 0], features[:, 1] = side, away
    features.requires_grad_()
    target, known = one_hot(torch.zeros(2, dtype=torch.long), 5)
    value, _ = cross_entropy(head.with_margin(head(features), target, known), target, known)
    value.backward()
    assert value.isfinite()
    assert features.grad.isfinite().all()
    assert features.grad.norm(dim=-1).max() <= 30 * 1.01, "the angle changes by at most 1 / length"


def test_features_of_zeros_have_bounded_gradients(head: MarginHead) -> None:
    features = torch.zeros(4, 12, requires_grad=True)
    target, known = one_hot(torch.tensor([0, 1, 2, 3]), 5)
    value, _ = cross_entropy(head.train().with_margin(head(features), target, known), target, known)
    value.backward()
    assert value.isfinite()
    assert all(p.grad.abs().max() < 1e9 for p in (features, *head.parameters()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_the_cosines_whole(head: MarginHead, dtype: torch.dtype) -> None:
    features = torch.randn(32, 12)
    whole = head(features)
    with torch.autocast("cpu", dtype):
        raw = head(features)
        embedded = head.embedded(features)
    assert raw.dtype == torch.float32
    torch.testing.assert_close(embedded.norm(dim=-1), torch.ones(32))
    cosines = embedded.double() @ torch.nn.functional.normalize(head.directions.double()).T
    torch.testing.assert_close(raw.double(), 30 * cosines, rtol=0, atol=1e-5)
    torch.testing.assert_close(raw, whole, rtol=0, atol=30 * 0.02)
    target, known = one_hot(torch.arange(32) % 5, 5)
    half = raw.detach().to(dtype).requires_grad_()
    cross_entropy(head.with_margin(half, target, known), target, known)[0].backward()
    assert half.grad.isfinite().all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"margin": 1.6}, "margin: got 1.6, expected 0 to 1.571 for arcface"),
        ({"margin": -0.1}, "margin: got -0.1"),
        ({"margin": math.nan}, "margin: got nan"),
        ({"kind": "cosface", "margin": 1.1}, "expected 0 to 1 for cosface"),
        ({"scale": 0.0}, "scale: got 0.0"),
        ({"scale": math.inf}, "scale: got inf"),
        ({"embedding": 0}, "embedding: got 0"),
    ],
)
def test_settings_out_of_range_are_named(settings: dict[str, float], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        MarginHead(4, 3, **settings)  # type: ignore[arg-type]


def test_exported_head_says_what_torch_says_for_any_batch_and_time(head: MarginHead, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            head,
            (torch.zeros(2, 1, 12),),
            str(tmp_path / "head.onnx"),
            input_names=["features"],
            output_names=["raw"],
            dynamic_axes={"features": {0: "batch", 1: "time"}, "raw": {0: "batch", 1: "time"}},
            opset_version=17,
            dynamo=False,
        )
    session = onnxruntime.InferenceSession(tmp_path / "head.onnx", providers=["CPUExecutionProvider"])
    for shape in ((1, 1, 12), (3, 4, 12), (2, 80, 12)):
        features = torch.randn(shape)
        (said,) = session.run(["raw"], {"features": features.numpy()})
        np.testing.assert_allclose(said, head(features).detach().numpy(), atol=2e-5)


# Angles


def test_angles_of_known_places() -> None:
    def on_circle(*degrees: float) -> Tensor:
        radians = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
        return torch.stack([radians.cos(), radians.sin()], dim=1)

    vectors = on_circle(0, 20, 90, 100, 300, 200) * torch.tensor([1, 5, 2, 0.1, 1, 9])[:, None]
    found = angles(vectors, torch.tensor([7, 7, 2, 2, 4, -1]))
    assert found.within == pytest.approx((10 + 10 + 5 + 5 + 0) / 5)
    assert found.between == pytest.approx(70), "from 10 to 300 degrees it is 70, from 10 to 95 it is 85"
    tiny = angles(on_circle(0, 2e-6), torch.tensor([0, 0]))
    assert tiny.within == pytest.approx(1e-6, rel=1e-6), "lost where the arc cosine of the product is taken"


def test_angles_of_nothing_are_not_numbers() -> None:
    none = angles(torch.randn(3, 4), torch.tensor([-1, -1, -1]))
    assert math.isnan(none.within) and math.isnan(none.between)
    one = angles(torch.randn(1, 4), torch.tensor([0]))
    assert one.within == pytest.approx(0, abs=1e-6) and math.isnan(one.between)


def trained(margin: float, kind: str, seed: int) -> Angles:
    """Return the angles of fresh samples after training on overlapping clouds of five classes."""
    torch.manual_seed(seed)
    places = torch.randn(5, 10)
    labels = torch.arange(1000) % 5
    features = places[labels] + 0.8 * torch.randn(1000, 10)
    fresh = places[labels] + 0.8 * torch.randn(1000, 10)
    head = MarginHead(10, 5, embedding=8, kind=kind, scale=16.0, margin=margin)  # type: ignore[arg-type]
    optimiser = torch.optim.Adam(head.parameters(), lr=0.01)
    target, known = one_hot(labels, 5)
    for step in range(150):
        rows = slice(200 * (step % 5), 200 * (step % 5 + 1))
        raw = head.with_margin(head(features[rows]), target[rows], known[rows])
        value, count = cross_entropy(raw, target[rows], known[rows])
        optimiser.zero_grad()
        (value / count).backward()
        optimiser.step()
    return angles(head.eval().embedded(fresh), labels)


@pytest.mark.parametrize(("kind", "margin"), [("arcface", 0.5), ("cosface", 0.35)])
def test_margin_tightens_classes_and_drives_them_apart(kind: str, margin: float) -> None:
    plain, with_margin = trained(0.0, kind, 0), trained(margin, kind, 0)
    assert with_margin.within < plain.within
    assert with_margin.between > plain.between
    assert with_margin.within / with_margin.between < 0.85 * plain.within / plain.between
