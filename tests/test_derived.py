"""Labels derived from shapes and from expressions."""

import numpy as np
import pytest

from mien.derived.circumplex import PLACES, on_circumplex, places, spread
from mien.derived.units import SHAPES, presence
from mien.tasks import ACTION_UNITS_18, EXPRESSION_7, EXPRESSION_8_CONTEMPT, EXPRESSION_8_OTHER


def test_presence_rises_between_absent_and_certain() -> None:
    said = presence([0.0, 0.1, 0.25, 0.4, 1.0])
    assert np.allclose(said, [0, 0, 0.5, 1, 1])
    assert np.isnan(presence(np.nan))


def test_every_unit_has_a_shape_but_parted_lips() -> None:
    assert set(ACTION_UNITS_18.labels) - set(SHAPES) == {"AU25"}
    assert set(SHAPES) <= set(ACTION_UNITS_18.labels)


def test_one_expression_lies_at_its_place() -> None:
    for task in (EXPRESSION_7, EXPRESSION_8_CONTEMPT):
        sure = np.eye(len(task), dtype=np.float32)
        assert np.allclose(on_circumplex(task, sure), [PLACES[label] for label in task.labels])
        assert np.allclose(spread(task, sure), 0, atol=1e-3)


def test_mean_and_spread_are_those_of_draws() -> None:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(8)).astype(np.float32)
    drawn = places(EXPRESSION_8_CONTEMPT)[rng.choice(8, 200_000, p=shares / shares.sum(dtype=np.float64))]
    assert np.allclose(on_circumplex(EXPRESSION_8_CONTEMPT, shares[None])[0], drawn.mean(0), atol=0.01)
    assert np.allclose(spread(EXPRESSION_8_CONTEMPT, shares[None])[0], drawn.std(0), atol=0.01)


def test_expression_without_a_place_is_refused() -> None:
    with pytest.raises(KeyError, match="other"):
        places(EXPRESSION_8_OTHER)
