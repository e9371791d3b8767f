"""Lags are found where there are any, and nobody is moved without a reason."""

import numpy as np
import pytest
from annotated import LAGS, curve, traces

from mien.annotation.lag import Lag, lags, mean_known
from mien.annotation.records import Annotations, Trace
from mien.annotation.resampling import Course, Steps, courses_of, despiked, grid, held, shifted
from mien.errors import SettingsError
from mien.metrics import ccc


def found(*said: tuple[Trace, ...], steps: Steps | None = None) -> dict[str, Lag]:
    """Return the lag of each annotator of some videos."""
    steps = steps or Steps()
    together = Annotations(tuple(trace for group in said for trace in group))
    return {lag.annotator: lag for lag in lags(courses_of(together, "valence", steps), steps)}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [0.0, 0.02, 0.05])
def test_lags_of_three_annotators_are_found_within_a_tenth_of_a_second(noise: float, seed: int) -> None:
    lag = found(traces(LAGS, noise=noise, seed=seed))
    for who, truth in LAGS.items():
        assert lag[who].seconds == pytest.approx(truth - LAGS["anna"], abs=0.1)
        assert not lag[who].opposed


@pytest.mark.parametrize("seed", range(3))
def test_much_noise_costs_precision_but_not_the_lag(seed: int) -> None:
    lag = found(traces(LAGS, noise=0.2, seed=seed))
    for who, truth in LAGS.items():
        assert lag[who].seconds == pytest.approx(truth - LAGS["anna"], abs=0.4)


def test_with_the_quickest_annotators_lag_told_all_lags_are_found() -> None:
    lag = found(traces(LAGS), steps=Steps(reaction=0.4))
    assert {who: one.seconds for who, one in lag.items()} == pytest.approx(LAGS, abs=0.1)


def test_who_runs_against_the_rest_is_told_not_moved_and_does_not_disturb() -> None:
    lag = found(traces({**LAGS, "dora": 1.0}, opposed=["dora"]))
    assert lag["dora"].opposed
    assert lag["dora"].seconds == 0
    assert "against" in lag["dora"].note
    for who, truth in LAGS.items():
        assert lag[who].seconds == pytest.approx(truth - LAGS["anna"], abs=0.1)


@pytest.mark.parametrize("who", sorted(LAGS))
def test_one_of_three_who_runs_against_the_rest_is_the_one_told(who: str) -> None:
    lag = found(traces(LAGS, opposed=[who]))
    assert [name for name, one in lag.items() if one.opposed] == [who]


def test_of_two_who_contradict_each_other_neither_is_believed() -> None:
    lag = found(traces({"anna": 0.4, "ben": 1.2}, opposed=["ben"]))
    assert all(one.opposed and one.seconds == 0 for one in lag.values())


@pytest.mark.parametrize("period", [4.0, 7.0, 10.0])
def test_who_swings_half_a_period_off_is_late_not_against_the_rest(period: float) -> None:
    random = np.random.default_rng(1)
    seconds = grid(30, 25)
    rows = [0.5 * np.sin(2 * np.pi * (seconds - lag) / period) for lag in (0, 0.4, 0.8, period / 2)]
    noisy = np.clip(np.stack(rows) + random.normal(0, 0.05, (4, len(seconds))), -1, 1)
    told = lags([Course("a.mp4", "valence", 25, ("anna", "ben", "cora", "dora"), noisy)], Steps())
    assert not any(one.opposed for one in told)


@pytest.mark.parametrize("seed", range(4))
def test_a_trace_upside_down_is_told_of_curves_without_a_period(seed: int) -> None:
    random = np.random.default_rng(seed)
    window = np.exp(-0.5 * (np.arange(-100, 101) / 25) ** 2)
    truth = np.convolve(random.normal(0, 1, 1400), window, "valid")
    truth *= 0.35 / truth.std()
    rows = [sign * truth[100 - lag : 1100 - lag] for lag, sign in ((10, 1), (30, 1), (60, 1), (45, -1))]
    noisy = np.clip(np.stack(rows) + random.normal(0, 0.05, (4, 1000)), -1, 1)
    told = lags([Course("a.mp4", "valence", 25, ("anna", "ben", "cora", "dora"), noisy)], Steps())
    assert [one.annotator for one in told if one.opposed] == ["dora"]


def test_nobody_is_moved_where_all_are_equally_late() -> None:
    lag = found(traces(dict.fromkeys(("anna", "ben", "cora"), 1.0)))
    assert [one.seconds for one in lag.values()] == [0, 0, 0]


def test_nobody_is_moved_for_less_than_the_least_gain() -> None:
    said = traces({"anna": 0.0, "ben": 0.6})
    gain = found(said)["ben"].after - found(said)["ben"].before
    assert found(said, steps=Steps(gain=gain - 1e-6))["ben"].seconds == pytest.approx(0.6, abs=0.1)
    kept = found(said, steps=Steps(gain=gain + 1e-6))["ben"]
    assert kept.seconds == 0
    assert "not moved" in kept.note


def test_no_lag_goes_beyond_the_limit() -> None:
    lag = found(traces({"anna": 0.0, "ben": 4.0}), steps=Steps(limit=3.0))["ben"]
    assert lag.seconds == 3.0
    assert "limit" in lag.note


def test_a_limit_of_0_moves_nobody_but_still_tells_who_is_against() -> None:
    said = traces({"anna": 0.0, "ben": 0.5, "cora": 0.2}, opposed=["cora"])
    lag = found(said, steps=Steps(limit=0.0))
    assert [one.seconds for one in lag.values()] == [0, 0, 0]
    assert [one.opposed for one in lag.values()] == [False, False, True]


def test_noise_is_not_moved_to_where_it_fits_by_chance() -> None:
    random = np.random.default_rng(3)
    values = np.clip(random.normal(0, 0.3, 2250), -1, 1)
    noise = Trace("talk.mp4", "zoe", "valence", np.arange(2250) / 25, values)
    assert found((*traces(LAGS), noise))["zoe"].seconds == 0


def test_a_lag_is_of_all_videos_together() -> None:
    said = [traces(LAGS, video=f"{n}.mp4", length=25, noise=0.2, seed=n, turn=n) for n in range(6)]
    for who, one in found(*said).items():
        assert one.seconds == pytest.approx(LAGS[who] - LAGS["anna"], abs=0.1)


def test_groups_that_share_no_video_each_have_a_quickest() -> None:
    first = traces({"anna": 0.4, "ben": 1.2}, video="a.mp4")
    second = traces({"cora": 2.0, "dora": 3.0}, video="b.mp4", turn=1)
    told = {who: one.seconds for who, one in found(first, second).items()}
    assert told == pytest.approx({"anna": 0, "ben": 0.8, "cora": 0, "dora": 1.0}, abs=0.1)


def test_who_annotated_alone_is_not_moved() -> None:
    lag = found(traces({"anna": 0.4, "ben": 1.2}), traces({"zoe": 3.0}, video="b.mp4"))["zoe"]
    assert lag.seconds == 0
    assert np.isnan(lag.after)
    assert "nothing to compare" in lag.note


def test_gaps_do_not_disturb() -> None:
    said = list(traces(LAGS))
    values = said[1].values.copy()
    values[500:900] = np.nan
    said[1] = Trace("talk.mp4", "ben", "valence", said[1].seconds, values)
    assert found(tuple(said))["ben"].seconds == pytest.approx(0.8, abs=0.1)


def test_a_shift_by_20_samples_is_found_and_raises_agreement() -> None:
    seconds = grid(60, 25)
    truth, late = curve(seconds), curve(seconds - 0.8)
    course = Course("a.mp4", "valence", 25, ("anna", "ben"), np.stack([truth, late]))
    (first, second) = lags([course], Steps())
    assert (first.seconds, second.seconds) == (0, 0.8)
    moved = course.moved({"ben": second.seconds}).values[:, :-20]
    assert ccc(*moved) > 0.9999 > ccc(truth, late)


# ---- the steps before -------------------------------------------------------------------------


def trace(seconds: list[float], values: list[float]) -> Trace:
    """Return a short trace."""
    return Trace("a.mp4", "anna", "valence", np.array(seconds), np.array(values))


def test_the_earlier_value_holds_until_the_next_and_a_while_after_the_last() -> None:
    values = held(trace([1.0, 2.5], [0.2, 0.6]), np.array([0.9, 1.0, 2.4, 2.5, 3.5, 3.6]), tail=1.0)
    np.testing.assert_array_equal(values, [np.nan, 0.2, 0.2, 0.6, 0.6, np.nan])


def test_an_unknown_value_holds_too() -> None:
    values = held(trace([0.0, 1.0, 2.0], [0.2, np.nan, 0.4]), np.array([0.5, 1.5, 2.0]), tail=0.0)
    np.testing.assert_array_equal(values, [0.2, np.nan, 0.4])


def test_a_spike_goes_a_step_stays_and_the_unknown_stays_unknown() -> None:
    values = np.array([0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, np.nan, 1, 1], float)
    np.testing.assert_array_equal(despiked(values, 10, 0.5), [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, np.nan, 1, 1])
    assert despiked(values, 10, 0.0) is values


def test_times_between_two_rows_take_the_nearer() -> None:
    course = Course("a.mp4", "valence", 2, ("anna",), np.array([[0.0, 0.5, 1.0]]))
    np.testing.assert_array_equal(course.at(np.array([-1, 0.2, 0.3, 1.2, 9])), [[np.nan, 0, 0.5, 1, np.nan]])


def test_the_mean_of_what_is_known() -> None:
    values = np.array([[1, np.nan, np.nan], [3, 4, np.nan]])
    np.testing.assert_array_equal(mean_known(values), [2, 4, np.nan])


@pytest.mark.parametrize("broken", [{"rate": 0}, {"median": -1}, {"limit": 99}, {"gain": float("nan")}])
def test_steps_out_of_range_are_refused(broken: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=f"{next(iter(broken))} of"):
        Steps(**broken)


def test_the_last_value_holds_as_long_as_values_of_the_trace_usually_do() -> None:
    course = courses_of(
        Annotations((trace([0.0, 0.1, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4]),)), "valence", Steps()
    )[0]
    assert len(course.values[0]) == 11


def test_values_move_to_both_sides() -> None:
    values = np.array([1.0, 2, 3])
    np.testing.assert_array_equal(shifted(values, 1), [2, 3, np.nan])
    np.testing.assert_array_equal(shifted(values, -1), [np.nan, 1, 2])
    np.testing.assert_array_equal(shifted(values, 0), values)
    for far in (-4, 4):
        assert np.isnan(shifted(values, far)).all()
