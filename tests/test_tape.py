"""Sound that is still coming is where sound of a file would be, and is forgotten when it is old."""

from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.media.audio import RATE, Sound, Tape
from mien.media.tape import RollingSound


def samples(start: int, count: int) -> np.ndarray:
    """Return sound that tells where it lies."""
    return (np.arange(start, start + count) % 30_000 + 1).astype(np.int16)


def test_what_was_written_is_heard_and_the_rest_is_unknown() -> None:
    tape = RollingSound()
    assert tape.until == 0
    tape.write(1600, samples(1600, 1600))
    heard, known = tape.between(0.05, 0.25)
    assert heard.dtype == np.float32
    assert len(heard) == len(known) == 3200
    assert np.flatnonzero(known).tolist() == list(range(800, 2400))
    np.testing.assert_array_equal(heard[known], samples(1600, 1600) / np.float32(32768))
    assert not heard[~known].any()
    assert tape.until == 0.2


@settings(max_examples=100, deadline=None)
@given(
    edges=st.sets(st.integers(0, 8000), max_size=12),
    start=st.floats(-0.5, 1),
    length=st.floats(0, 1),
)
def test_a_part_of_a_file_is_cut_out_of_its_sound(edges: set[int], start: float, length: float) -> None:
    places = sorted(edges)[: len(edges) // 2 * 2]
    known = np.array(places, np.int64).reshape(-1, 2)
    whole, mask = np.zeros(60_000, np.float32), np.zeros(60_000, bool)
    made = np.zeros(8000, np.int16)
    for first, last in known:
        made[first:last] = samples(first, last - first)
        whole[20_000 + first : 20_000 + last] = made[first:last] / np.float32(32768)
        mask[20_000 + first : 20_000 + last] = True
    heard, certain = Sound(made, known).between(start, start + length)
    first, count = 20_000 + round(start * RATE), round((start + length - start) * RATE)
    np.testing.assert_array_equal(heard, whole[first : first + count])
    np.testing.assert_array_equal(certain, mask[first : first + count])


@settings(max_examples=100, deadline=None)
@given(
    pieces=st.lists(st.tuples(st.integers(-300, 6000), st.integers(1, 3000)), max_size=12),
    start=st.floats(-0.5, 3),
    length=st.floats(0, 2),
)
def test_it_answers_as_the_sound_of_a_file(
    pieces: list[tuple[int, int]], start: float, length: float
) -> None:
    """Late, overlapping, with gaps: as long as nothing is old, both are the same."""
    rolling, tape, place = RollingSound(), Tape(0), 0
    for step, count in pieces:
        place += step
        rolling.write(place, samples(place, count))
        tape.write(place, samples(place, count))
        place += count
    truth: Sound = tape.sound()
    for mine, other in zip(
        rolling.between(start, start + length), truth.between(start, start + length), strict=True
    ):
        np.testing.assert_array_equal(mine, other)
    assert rolling.until == len(truth) / RATE


def test_what_is_older_than_kept_is_forgotten_and_the_newest_never() -> None:
    tape = RollingSound(keep=2.0)
    for position in range(0, 100 * RATE, 400):
        tape.write(position, samples(position, 400))
    heard, known = tape.between(98, 100)
    assert known.all()
    np.testing.assert_array_equal(heard, samples(98 * RATE, 2 * RATE) / np.float32(32768))
    assert not tape.between(90, 92)[1].any()
    assert tape._tape._samples.nbytes <= 2 * 2 * 2.1 * RATE


def test_a_long_gap_costs_no_memory() -> None:
    tape = RollingSound()
    tape.write(0, samples(0, 100))
    tape.write(3600 * RATE, samples(0, 100))
    assert tape.between(3600, 3601)[1].sum() == 100
    assert tape._tape._samples.nbytes < 10_000_000


def test_a_clock_that_is_set_back_begins_anew() -> None:
    tape = RollingSound()
    tape.write(50 * RATE, samples(0, 1600))
    tape.write(0, samples(7, 1600))
    assert tape.until == 0.1
    assert tape.between(0, 0.1)[1].all()
    assert not tape.between(50, 50.1)[1].any()


@pytest.mark.parametrize("position", [-100, 0])
def test_what_lies_before_zero_is_cut(position: int) -> None:
    tape = RollingSound()
    tape.write(position, samples(position, 200))
    assert tape.until == (200 + position) / RATE


def test_one_thread_writes_while_another_asks() -> None:
    tape = RollingSound(keep=0.5)
    end = 60 * RATE

    def write() -> None:
        for position in range(0, end, 160):
            tape.write(position, samples(position, 160))

    thread = Thread(target=write)
    thread.start()
    while thread.is_alive():
        until = tape.until
        heard, known = tape.between(until - 0.2, until)
        places = np.flatnonzero(known) + round((until - 0.2) * RATE)
        np.testing.assert_array_equal(heard[known], (places % 30_000 + 1) / np.float32(32768))
    thread.join()
    assert tape.until == 60
