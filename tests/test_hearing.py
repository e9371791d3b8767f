"""What a network hears: the same numbers whole, in pieces and live, and what is not known is silence."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.arrays import BoolArray, FloatArray
from mien.errors import BundleError
from mien.hearing import LATEST, Hearing, _tables
from mien.media.audio import RATE
from mien.preparation.prepared import Sounds

USUAL = Hearing()
HOP, WINDOW, SPAN = 352, 528, 15360
"""Samples of the default settings."""

OTHERS = (
    USUAL,
    Hearing(window=0.025, hop=0.01, bands=40, low=0, high=7600, span=0.4, ahead=0.2, floor=60),
    # 514 - 1 + 16 x 274 samples: just room for 16 columns
    Hearing(window=0.0321, hop=0.0171, bands=20, low=120.5, high=4000, span=0.3060625, ahead=0.05, floor=100),
)
each_hearing = pytest.mark.parametrize("hearing", OTHERS, ids=["default", "centred", "odd"])


def noise(count: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, count).astype(np.float32)


def tone(hertz: float, seconds: float, loud: float = 1.0) -> FloatArray:
    return (loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def heard(
    samples: FloatArray, times: FloatArray | list[float], start: float = 0.0, hearing: Hearing = USUAL
) -> FloatArray:
    """Return the pictures (frames, bands, steps) of sound that is known throughout."""
    pictures, _ = hearing.arrays(samples, np.ones(len(samples), bool), np.asarray(times), start)
    return pictures[:, 0]


def middles(hearing: Hearing = USUAL) -> FloatArray:
    """Return the middle of each band in Hz, from the formula with the natural logarithm."""
    low, high = (1127.01048 * math.log(1 + hertz / 700) for hertz in (hearing.low, hearing.high))
    step = (high - low) / (hearing.bands + 1)
    return np.array([700 * math.expm1((low + k * step) / 1127.01048) for k in range(1, hearing.bands + 1)])


def slow(
    hearing: Hearing, samples: FloatArray, known: BoolArray, times: FloatArray, start: float
) -> tuple[FloatArray, FloatArray]:
    """Return pictures and shares of the definition, sample by sample, with a sum in place of a transform."""
    hop, window, span, ahead = (
        round(seconds * RATE) for seconds in (hearing.hop, hearing.window, hearing.span, hearing.ahead)
    )
    steps = min(
        sum(begin >= phase and begin + window <= phase + span for begin in range(0, span + hop, hop))
        for phase in range(hop)
    )
    centres = np.array([hearing.low, *middles(hearing), hearing.high])
    size = 2
    while size < window or RATE / size > centres[1] - centres[0]:
        size *= 2
    mels = 1127.01048 * np.log1p(centres / 700)
    frequencies = 1127.01048 * np.log1p(np.arange(size // 2 + 1) * RATE / size / 700)
    filters = np.array(
        [np.interp(frequencies, mels[k : k + 3], [0.0, 1.0, 0.0]) for k in range(hearing.bands)]
    )
    bell = np.sin(np.pi * np.arange(window) / window) ** 2
    waves = np.exp(-2j * np.pi / size * np.outer(np.arange(size // 2 + 1), np.arange(window)))
    first = round(start * RATE)

    def at(place: int) -> float:
        inside = 0 <= place - first < len(samples) and known[place - first]
        return float(samples[place - first]) if inside else 0.0

    pictures, shares = [], []
    for time in times:
        end = round(time * RATE) + ahead
        last = max(j for j in range(end // hop - window, end // hop + 2) if j * hop + window <= end)
        columns = []
        for j in range(last - steps + 1, last + 1):
            piece = np.array([at(j * hop + k) for k in range(window)]) * bell
            power = 4 * filters @ np.abs(waves @ piece) ** 2 / (size * np.sum(bell**2))
            decibels = [10 * math.log10(p) if p > 0 else -math.inf for p in power]
            columns.append([max(2 * value / hearing.floor + 1, -1) for value in decibels])
        pictures.append(np.array(columns).T)
        places = [place - first for place in range(end - span, end)]
        shares.append(sum(0 <= place < len(samples) and bool(known[place]) for place in places) / span)
    return np.array(pictures)[:, None], np.array(shares)


@each_hearing
def test_numbers_are_those_of_the_definition(hearing: Hearing) -> None:
    samples = noise(RATE) * np.linspace(0.001, 1, RATE, dtype=np.float32)
    known = np.ones(RATE, bool)
    known[6000:7777] = False
    times = np.array([0.21, 0.9, 1.3])
    pictures, share = hearing.arrays(samples, known, times, 0.1234)
    wanted, wanted_share = slow(hearing, samples, known, times, 0.1234)
    assert pictures.shape == (3, 1, hearing.bands, hearing.steps)
    assert pictures.dtype == share.dtype == np.float32
    assert pictures.flags.c_contiguous
    np.testing.assert_allclose(pictures, wanted, atol=1e-4)
    np.testing.assert_allclose(share, wanted_share, atol=1e-6)


def test_default_columns() -> None:
    assert USUAL.steps == (SPAN - WINDOW + 1) // HOP == 42
    assert heard(noise(100), [0.0]).shape == (1, 64, 42)


@pytest.mark.parametrize("band", [0, 3, 20, 40, 63])
def test_a_tone_lands_in_its_band_from_the_column_at_which_it_begins(band: int) -> None:
    samples = np.concatenate([np.zeros(RATE // 2, np.float32), tone(middles()[band], 0.5, 0.5)])
    (picture,) = heard(samples, [1.0])
    last = (RATE - WINDOW) // HOP
    begins = (last - np.arange(42)[::-1]) * HOP
    full = begins >= RATE // 2
    assert full.sum() == 21
    assert (np.argmax(picture[:, full], axis=0) == band).all()
    assert np.ptp(picture[band, full]) < 0.02, "steady"
    assert (picture[:, begins + WINDOW <= RATE // 2] == -1).all()


@given(hertz=st.floats(200, 7500), loud=st.floats(0.01, 1))
@settings(max_examples=30, deadline=None)
def test_bands_of_a_sine_add_up_to_its_decibels_below_full_scale(hertz: float, loud: float) -> None:
    (picture,) = heard(tone(hertz, 1.0, loud), [1.0])
    power = np.sum(10 ** ((picture - 1) * USUAL.floor / 20), axis=0)
    np.testing.assert_allclose(10 * np.log10(power), 20 * math.log10(loud), atol=0.1)
    nearest = np.abs(np.log1p(middles() / 700) - np.log1p(hertz / 700)).argmin()
    assert abs(int(picture[:, -1].argmax()) - int(nearest)) <= 1


def test_ten_times_louder_is_twenty_decibels_more() -> None:
    soft, loud = (heard(noise(RATE) * np.float32(scale), [1.0]) for scale in (0.1, 1.0))
    assert soft.min() > -1
    np.testing.assert_allclose(loud - soft, 20 * 2 / USUAL.floor, atol=1e-5)


@pytest.mark.parametrize("floor", [30.0, 80.0, 200.0])
def test_silence_is_minus_one_and_nothing_exceeds_the_stated_bound(floor: float) -> None:
    hearing = Hearing(floor=floor)
    assert (heard(np.zeros(RATE, np.float32), [0.5, 1.0], hearing=hearing) == -1).all()
    for loud in (np.sign(tone(300, 1)), np.sign(tone(1000, 1)), np.sign(noise(RATE)), tone(2000, 1)):
        picture = heard(loud.astype(np.float32), [1.0], hearing=hearing)
        assert picture.min() >= -1
        assert 0.5 < picture.max() < 1 + 6.1 / floor


def test_sound_below_the_floor_is_minus_one() -> None:
    assert (heard(tone(1000, 1.0, 0.9e-4), [1.0]) == -1).all()
    assert heard(tone(1000, 1.0, 2e-4), [1.0]).max() > -1


@given(place=st.integers(0, 2 * RATE - 1), rate=st.sampled_from([24, 25, 29.97, 50]))
@settings(max_examples=40, deadline=None)
def test_a_click_is_in_the_columns_that_hold_it_and_moves_with_the_frames(place: int, rate: float) -> None:
    samples = np.zeros(2 * RATE, np.float32)
    samples[place] = 1
    times = np.arange(round(3.2 * rate)) / rate
    pictures = heard(samples, times)
    lasts = [(round(time * RATE) - WINDOW) // HOP for time in times]
    for time, last, picture in zip(times, lasts, pictures, strict=True):
        begins = (np.arange(last - 41, last + 1)) * HOP
        bell = np.sin(np.pi * (place - begins) / WINDOW) ** 2 * (
            (begins <= place) & (place < begins + WINDOW)
        )
        seen = picture.max(axis=0) > -1
        assert seen[bell > 0.05].all()
        assert not seen[bell == 0].any()
        end = round(time * RATE)
        if not end - SPAN <= place < end:
            assert not seen.any(), "outside of the span"
        if end - SPAN + HOP + WINDOW <= place < end - HOP - WINDOW:
            assert 1 <= seen.sum() <= 2
    for now, after, picture, following in zip(lasts, lasts[1:], pictures, pictures[1:], strict=False):
        moved = after - now
        assert moved in (math.floor(RATE / rate / HOP), math.ceil(RATE / rate / HOP))
        np.testing.assert_array_equal(following[:, : 42 - moved], picture[:, moved:])


@each_hearing
@given(seed=st.integers(0, 99), time=st.integers(300, 1500))
@settings(max_examples=15, deadline=None)
def test_nothing_outside_of_the_span_is_heard(hearing: Hearing, seed: int, time: int) -> None:
    samples = noise(2 * RATE, seed)
    end = time * RATE // 1000 + round(hearing.ahead * RATE)
    other = noise(2 * RATE, seed + 100)
    begin = max(end - round(hearing.span * RATE), 0)
    other[begin:end] = samples[begin:end]
    seconds = [time / 1000]
    np.testing.assert_array_equal(
        heard(samples, seconds, hearing=hearing), heard(other, seconds, hearing=hearing)
    )


@each_hearing
@given(
    starts=st.lists(st.integers(0, 2500), min_size=1, max_size=4),
    rate=st.sampled_from([25.0, 30.0, 29.97]),
    late=st.integers(0, 900),
)
@settings(max_examples=10, deadline=None)
def test_whole_in_pieces_and_frame_by_frame_are_equal(
    hearing: Hearing, starts: list[int], rate: float, late: int
) -> None:
    data = np.random.default_rng(late).integers(-20_000, 20_000, 2 * RATE)
    begin = late * RATE // 1000
    ranges = np.array([[begin, begin + 9000], [begin + 12_345, begin + 2 * RATE]])
    sounds = Sounds(data, {"a": (0, 2 * RATE, begin, ranges)})
    times = np.arange(round(3.5 * rate)) / rate
    samples, known = sounds.between("a", 0.0, 3.5)
    whole, share = hearing.arrays(samples * known, known, times, 0.0)
    before, after = hearing.context
    cuts = np.searchsorted(times, [0, *sorted(start / 1000 for start in starts)])
    parts = [part for part in np.split(np.arange(len(times)), cuts) if len(part)]
    for part in [*parts, *([row] for row in range(0, len(times), 7))]:
        start = times[part[0]] - before
        samples, known = sounds.between("a", start, times[part[-1]] + after)
        pictures, shares = hearing.arrays(samples, known, times[part], start)
        np.testing.assert_allclose(pictures, whole[part], atol=1e-6)
        np.testing.assert_allclose(shares, share[part], atol=1e-6)


def test_live_is_equal_to_the_file() -> None:
    samples, times = noise(3 * RATE), np.arange(75) / 25
    whole = heard(samples, times)
    for row in range(0, 75, 3):
        so_far = samples[: round(times[row] * RATE)]
        np.testing.assert_allclose(heard(so_far, times[row : row + 1])[0], whole[row], atol=1e-6)


@given(hops=st.integers(-5000, 5000), late=st.integers(0, 500), seed=st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_moving_sound_and_frames_by_whole_hops_changes_nothing(hops: int, late: int, seed: int) -> None:
    samples, times = noise(RATE, seed), late / 1000 + np.arange(30) / 25
    known = np.random.default_rng(seed).random(RATE) < 0.9999
    shift = hops * HOP / RATE
    for here, there in zip(
        USUAL.arrays(samples, known, times, late / 1000),
        USUAL.arrays(samples, known, times + shift, late / 1000 + shift),
        strict=True,
    ):
        np.testing.assert_allclose(here, there, atol=1e-6)


def test_frames_may_come_in_any_order_and_more_than_once() -> None:
    samples, times = noise(2 * RATE), np.array([1.5, 0.2, 0.2, 1.96, -0.5])
    pictures = heard(samples, times)
    for picture, time in zip(pictures, times, strict=True):
        np.testing.assert_allclose(picture, heard(samples, [time])[0], atol=1e-6)
    np.testing.assert_array_equal(pictures[1], pictures[2])


def test_share_of_the_span_that_is_known() -> None:
    known = np.ones(4 * RATE, bool)
    known[2 * RATE : 2 * RATE + 4800] = False
    times = np.array([9.0, 10.0, 10.48, 10.96, 11.5, 12.3, 12.5, 14.0, 14.48, 14.96, 20.0])
    _, share = USUAL.arrays(noise(4 * RATE), known, times, 10.0)
    gap = 0.3 / 0.96
    np.testing.assert_allclose(share, [0, 0, 0.5, 1, 1, 1 - gap, 1 - gap, 1, 0.5, 0, 0], atol=1e-6)


@given(known=st.lists(st.booleans(), max_size=40), first=st.integers(-500, 500), time=st.integers(-300, 1500))
@settings(max_examples=80, deadline=None)
def test_share_is_counted_sample_by_sample(known: list[bool], first: int, time: int) -> None:
    mask = np.repeat(np.array(known, bool), 300)
    _, share = USUAL.arrays(np.zeros(len(mask), np.float32), mask, np.array([time / 1000]), first / RATE)
    places = np.arange(time * 16 - SPAN, time * 16) - first
    count = sum(0 <= place < len(mask) and bool(mask[place]) for place in places.tolist())
    assert share[0] == pytest.approx(count / SPAN, abs=1e-6)


def test_what_is_not_known_is_silent_whatever_it_holds() -> None:
    samples, known = noise(2 * RATE), np.ones(2 * RATE, bool)
    known[5000:20_000] = False
    silent = np.where(known, samples, np.float32(0))
    samples[5000:20_000] = np.nan
    times = np.arange(50) / 25
    pictures, _ = USUAL.arrays(samples, known, times)
    np.testing.assert_array_equal(pictures[:, 0], heard(silent, times))
    assert (USUAL.arrays(samples, np.zeros(2 * RATE, bool), times)[0] == -1).all()


@pytest.mark.parametrize("time", [-LATEST, -5.0, 99.9, 102.0, 5000.0, LATEST])
def test_frames_without_any_sound_are_silent_and_unknown(time: float) -> None:
    for samples in (noise(RATE), noise(0), noise(1)):
        known = np.ones(len(samples), bool)
        pictures, share = USUAL.arrays(samples, known, np.array([time]), 100.0)
        assert pictures.shape == (1, 1, 64, 42)
        assert (pictures == -1).all()
        assert share.tolist() == [0]


def test_no_frames_give_none() -> None:
    pictures, share = USUAL.arrays(noise(RATE), np.ones(RATE, bool), np.zeros(0))
    assert pictures.shape == (0, 1, 64, 42)
    assert share.shape == (0,)


def test_half_and_double_precision_give_nearly_the_same() -> None:
    samples = noise(RATE)
    for kind, close in ((np.float64, 1e-6), (np.float16, 1e-2)):
        pictures = heard(samples.astype(kind), [1.0])
        assert pictures.dtype == np.float32
        np.testing.assert_allclose(pictures, heard(samples, [1.0]), atol=close)


@pytest.mark.parametrize(
    ("samples", "known", "times", "start", "reason"),
    [
        (np.zeros(9, np.int16), np.ones(9, bool), [0.0], 0.0, "samples .* int16, expected floating point"),
        (np.zeros((9, 2)), np.ones((9, 2), bool), [0.0], 0.0, "samples"),
        (np.zeros(9), np.ones(8, bool), [0.0], 0.0, "known"),
        (np.zeros(9), np.ones(9), [0.0], 0.0, "known"),
        (np.zeros(9), np.ones(9, bool), [math.nan], 0.0, "times"),
        (np.zeros(9), np.ones(9, bool), [math.inf], 0.0, "times"),
        (np.zeros(9), np.ones(9, bool), [1e10], 0.0, "times"),
        (np.zeros(9), np.ones(9, bool), [[0.0]], 0.0, "times"),
        (np.zeros(9), np.ones(9, bool), [0.0], math.nan, "start"),
    ],
)
def test_wrong_input_is_refused(
    samples: FloatArray, known: BoolArray, times: list[float], start: float, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        USUAL.arrays(samples, known, np.array(times), start)


@given(
    bands=st.integers(1, 100), low=st.floats(0, 1000), width=st.floats(500, 7000), window=st.floats(0.01, 0.1)
)
@settings(max_examples=30, deadline=None)
def test_bands_cover_every_frequency_once(bands: int, low: float, width: float, window: float) -> None:
    hearing = Hearing(window=window, bands=bands, low=low, high=min(low + width, 8000))
    shape, filters = _tables(hearing)
    frequencies = np.linspace(0, RATE / 2, len(filters))
    total = filters.sum(axis=1) / (4 / (2 * (len(filters) - 1) * np.sum(np.square(shape, dtype=np.float64))))
    centres = middles(hearing)
    assert filters.min() >= 0
    assert total.max() <= 1 + 1e-5
    np.testing.assert_allclose(
        total[(frequencies >= centres[0]) & (frequencies <= centres[-1])], 1, atol=1e-4
    )
    assert (total[(frequencies < hearing.low) | (frequencies > hearing.high)] <= 1e-6).all()
    assert (filters.max(axis=0) > 0).all(), "a band without a frequency would always be silent"
    assert ((filters > 0).sum(axis=1) <= 2).all()


def test_tables_are_made_once_and_cannot_be_written() -> None:
    assert _tables(Hearing()) is _tables(Hearing(low=50))
    with pytest.raises(ValueError, match="read-only"):
        _tables(USUAL)[1][0] = 1


@each_hearing
def test_to_json_and_back(hearing: Hearing) -> None:
    assert Hearing.from_json(json.loads(json.dumps(hearing.to_json()))) == hearing


@pytest.mark.parametrize(
    "values",
    [
        {"window": 0.0},
        {"window": 1.0},
        {"window": math.nan},
        {"hop": 0.0},
        {"hop": -0.1},
        {"hop": 2.0},
        {"hop": 0.95},
        {"hop": math.nan},
        {"bands": 0},
        {"bands": 64.0},
        {"bands": True},
        {"bands": 10**9},
        {"bands": "64"},
        {"bands": 1000},
        {"low": -1.0},
        {"low": 8000.0},
        {"low": 7999.9},
        {"low": math.nan},
        {"high": 8001.0},
        {"high": 50.0},
        {"span": 0.03},
        {"span": 0.034},
        {"span": 61.0},
        {"span": math.inf},
        {"ahead": -0.1},
        {"ahead": 1.0},
        {"floor": 0.0},
        {"floor": 1000.0},
        {"floor": None},
        {"hop": "0.02"},
        {"smile": 1},
    ],
    ids=str,
)
def test_values_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(BundleError, match="hearing"):
        Hearing.from_json(USUAL.to_json() | values)


@pytest.mark.parametrize("values", [None, [], [1, 2], 3])
def test_what_is_no_record_is_refused(values: Any) -> None:
    with pytest.raises(BundleError, match="hearing"):
        Hearing.from_json(values)
