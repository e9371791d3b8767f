"""Whose voice is heard: told from drawn mouths and made sounds."""

from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from mien.arrays import FloatArray, Image
from mien.faces.alignment import TEMPLATE
from mien.media.audio import RATE, Sound
from mien.media.tape import RollingSound
from mien.voice import FORGET, SPEAKING, Rule, Voices, contrast, mouth, speaks

FRAMES = 100
RATES = (12.5, 24.0, 25.0, 29.97, 50.0, 60.0)


def openings(seed: int, seconds: float = 6.0) -> FloatArray:
    """Return how open a mouth is every 10 ms, from 0 to 1: a syllable lasts 0.1 to 0.5 s."""
    rng = np.random.default_rng(seed)
    knots, heights = [0.0], [0.0]
    while knots[-1] < seconds:
        knots.append(knots[-1] + rng.choice([0.05, 0.08, 0.12, 0.25]))
        heights.append(0.0 if len(heights) % 2 == 0 else rng.uniform(0.3, 1.0))
    return np.interp(np.arange(round(seconds * 100)) / 100, knots, heights)


def sound(opening: FloatArray, loudest: float = -10.0) -> Sound:
    """Return a tone that is 30 dB louder while the mouth is open; the loudest in decibels."""
    level = np.interp(np.arange(len(opening) * 160), np.arange(len(opening)) * 160, opening)
    wave = 10 ** ((loudest + 30 * (level - 1)) / 20) * np.sin(np.arange(len(level)) * 0.3)
    samples = np.rint(32767 * wave).astype(np.int16)
    return Sound(samples, np.array([[0, len(samples)]]))


SILENT = Sound(np.zeros(6 * RATE, np.int16), np.array([[0, 6 * RATE]]))
NONE = Sound(np.zeros(0, np.int16), np.zeros((0, 2), np.int64))


@dataclass
class Scene:
    """Faces that stand side by side, each with its opening; `shift` is where the heads are, in pixels."""

    openings: list[FloatArray]
    rate: float = 25.0
    noise: float = 2.0

    def __post_init__(self) -> None:
        size = (2, 180, 150 * len(self.openings), 3)
        self.grain = np.random.default_rng(0).normal(0, self.noise, size)

    def seconds(self, number: int) -> float:
        return number / self.rate

    def frame(self, number: int, shift: float = 0.0) -> tuple[Image, FloatArray]:
        """Return a picture and the landmarks (n, 5, 2)."""
        image = np.full((180, 150 * len(self.openings), 3), 150.0)
        landmarks = []
        for place, opening in enumerate(self.openings):
            corner = np.array([150 * place + 20.0 + shift, 30.0 + shift / 2])
            for x, y in TEMPLATE[:3] + corner:
                cv2.circle(image, (round(16 * x), round(16 * y)), 80, (60, 60, 60), -1, cv2.LINE_AA, 4)
            height = 3 + 8 * opening[round(100 * number / self.rate)]
            middle, axes = TEMPLATE[3:].mean(axis=0) + corner, np.array([15, height])
            where, size = np.rint(16 * middle).astype(int), np.rint(16 * axes).astype(int)
            cv2.ellipse(image, where.tolist(), size.tolist(), 0, 0, 360, (40, 40, 60), -1, cv2.LINE_AA, 4)
            landmarks.append(TEMPLATE + corner)
        noisy = image + np.roll(self.grain[number % 2], (7 * number, 11 * number), (0, 1))
        return np.clip(noisy, 0, 255).astype(np.uint8), np.array(landmarks)


def told(scene: Scene, voices: Voices, frames: range = range(FRAMES)) -> FloatArray:
    """Return the voice of each frame and face."""
    ids = np.arange(len(scene.openings))
    rows = []
    for number in frames:
        image, landmarks = scene.frame(number)
        rows.append(voices.update(image, landmarks, ids, scene.seconds(number)))
    return np.array(rows)


A, B = openings(1), openings(2)


def test_the_mouth_that_moves_with_the_sound_speaks_and_the_other_does_not() -> None:
    voice = told(Scene([A, B]), Voices(sound(A)))[-1]
    assert voice.dtype == np.float32
    assert voice[0] > 0.8 and voice[1] < SPEAKING
    assert speaks(voice, 2).tolist() == [True, False]


def test_another_sound_swaps_who_speaks() -> None:
    voice = told(Scene([A, B]), Voices(sound(B)))[-1]
    assert voice[1] > 0.8 and voice[0] < SPEAKING
    assert speaks(voice, 2).tolist() == [False, True]


def test_swapped_faces_swap_their_voices() -> None:
    one = told(Scene([A, B], noise=0), Voices(sound(A)))
    other = told(Scene([B, A], noise=0), Voices(sound(A)))
    np.testing.assert_allclose(one, other[:, ::-1], atol=0.02)


def test_a_face_has_the_same_voice_alone_and_among_others() -> None:
    scene, among, alone = Scene([A, B]), Voices(sound(A)), Voices(sound(A))
    for number in range(FRAMES):
        image, landmarks = scene.frame(number)
        both = among.update(image, landmarks, np.array([3, 7]), scene.seconds(number))
        one = alone.update(image, landmarks[1:], np.array([7]), scene.seconds(number))
        np.testing.assert_array_equal(both[1:], one)


def test_the_order_in_which_faces_are_given_changes_nothing() -> None:
    scene, straight, mixed = Scene([A, B]), Voices(sound(A)), Voices(sound(A))
    for number in range(FRAMES):
        image, landmarks = scene.frame(number)
        turn = [1, 0] if number % 2 else [0, 1]
        one = straight.update(image, landmarks, np.array([0, 1]), scene.seconds(number))
        other = mixed.update(image, landmarks[turn], np.array([0, 1])[turn], scene.seconds(number))
        np.testing.assert_array_equal(one[turn], other)


def test_a_sound_half_a_second_off_has_no_voice() -> None:
    late = np.concatenate([np.zeros(50), A])[: len(A)]
    assert told(Scene([A]), Voices(sound(late)))[-1, 0] < SPEAKING


@pytest.mark.parametrize("late", [-4, 0, 6])
def test_sound_a_little_off_still_has_its_voice(late: int) -> None:
    assert told(Scene([A]), Voices(sound(np.roll(A, late))))[-1, 0] > 0.7


@pytest.mark.parametrize("rate", RATES)
def test_any_usual_frame_rate_will_do(rate: float) -> None:
    frames = range(round(4 * rate))
    voice = told(Scene([A, B], rate), Voices(sound(A)), frames)[-1]
    assert voice[0] > 0.7 and voice[1] < SPEAKING


def test_a_few_frames_a_second_are_too_few_to_know() -> None:
    assert np.isnan(told(Scene([A], 5.0), Voices(sound(A)), range(20))).all()


def test_loudness_of_the_whole_changes_nothing() -> None:
    loud, quiet = (told(Scene([A]), Voices(sound(A, level))) for level in (-6.0, -36.0))
    np.testing.assert_allclose(loud, quiet, atol=0.03)


@pytest.mark.parametrize("heard", [None, NONE, SILENT, sound(A, -60.0)])
def test_no_sound_and_silence_are_unknown(heard: Sound | None) -> None:
    voice = told(Scene([A, B]), Voices(heard))
    assert voice.shape == (FRAMES, 2) and np.isnan(voice).all()
    assert not speaks(voice[-1], 2).any()


def test_sound_that_never_changes_and_steady_noise_go_with_nothing() -> None:
    everything = np.array([[0, 6 * RATE]])
    tone = Sound(np.full(6 * RATE, 3000, np.int16), everything)
    noise = Sound(np.random.default_rng(0).normal(0, 3000, 6 * RATE).astype(np.int16), everything)
    assert abs(told(Scene([A]), Voices(tone))[-1, 0]) < 1e-6
    assert np.nanmax(told(Scene([A]), Voices(noise))) < 0.2


def test_a_mouth_that_never_changes_goes_with_nothing() -> None:
    voice = told(Scene([np.zeros(600)], noise=0), Voices(sound(A)))[-1, 0]
    assert abs(voice) < 1e-6


def test_a_course_of_less_than_the_least_is_unknown() -> None:
    rule = Rule()
    voice = told(Scene([A]), Voices(sound(A)))[:, 0]
    first = int(np.flatnonzero(np.isfinite(voice))[0])
    assert rule.least <= first / 25 <= rule.least + rule.wait + 0.2
    assert np.isfinite(voice[first:]).all()


def test_sound_that_is_not_known_is_left_out() -> None:
    whole = sound(A)
    gap = Sound(whole.samples, np.array([[0, 3 * RATE], [round(3.3 * RATE), len(whole)]]))
    late = Sound(whole.samples, np.array([[3 * RATE, len(whole)]]))
    assert told(Scene([A]), Voices(gap))[-1, 0] > 0.8
    assert np.isnan(told(Scene([A]), Voices(late))).all()


def test_only_the_past_counts() -> None:
    heard = sound(A)
    cut = Sound(heard.samples[: 3 * RATE], np.array([[0, 3 * RATE]]))
    np.testing.assert_array_equal(
        told(Scene([A]), Voices(heard), range(75)), told(Scene([A]), Voices(cut), range(75))
    )


def test_pieces_give_what_the_whole_gives() -> None:
    whole = told(Scene([A, B]), Voices(sound(A)))
    scene, voices = Scene([A, B]), Voices(sound(A))
    parts = [told(scene, voices, range(start, min(start + 7, FRAMES))) for start in range(0, FRAMES, 7)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_sound_that_comes_live_gives_what_a_file_gives() -> None:
    heard, tape = sound(A), RollingSound()
    scene, again, voices, other = Scene([A]), Scene([A]), Voices(heard), Voices(tape)
    for number in range(FRAMES):
        seconds = scene.seconds(number)
        first, last = max(round((seconds - 0.04) * RATE), 0), round(seconds * RATE)
        tape.write(first, heard.samples[first:last])
        file = voices.update(*scene.frame(number), np.array([0]), seconds)
        live = other.update(*again.frame(number), np.array([0]), seconds)
        np.testing.assert_allclose(live, file, atol=1e-6)


def test_a_face_missed_for_a_moment_goes_on_and_one_gone_begins_anew() -> None:
    for missed, begins in ((0.4, False), (FORGET + 0.2, True)):
        scene, voices = Scene([A]), Voices(sound(A))
        told(scene, voices, range(60))
        image, _ = scene.frame(0)
        back = 60 + round(25 * missed)
        for number in range(60, back):
            assert voices.update(image, np.zeros((0, 5, 2)), np.zeros(0, int), number / 25).shape == (0,)
        voice = told(scene, voices, range(back, back + 10))
        assert np.isnan(voice).all() == begins


def test_a_number_that_is_new_begins_with_nothing_of_another() -> None:
    scene, voices = Scene([A]), Voices(sound(A))
    told(scene, voices, range(60))
    image, landmarks = scene.frame(60)
    assert np.isnan(voices.update(image, landmarks, np.array([1]), 60 / 25)).all()


def test_time_that_runs_backwards_begins_anew_and_no_time_is_unknown() -> None:
    scene, voices = Scene([A]), Voices(sound(A))
    told(scene, voices, range(60))
    image, landmarks = scene.frame(60)
    assert np.isnan(voices.update(image, landmarks, np.array([0]), float("nan"))).all()
    assert np.isnan(voices.update(image, landmarks, np.array([0]), 0.5)).all()


def test_a_head_that_moves_changes_the_mouth_little() -> None:
    scene = Scene([A], noise=0)
    shifted = [scene.frame(0, shift) for shift in range(9)]
    opening = [scene.frame(number) for number in range(25)]
    moved, opened = (
        [contrast(mouth(image, points[0])) for image, points in frames] for frames in (shifted, opening)
    )
    assert np.ptp(moved) < 0.15 * np.ptp(opened)


def test_a_head_that_nods_with_the_sound_does_not_speak() -> None:
    still, voices = Scene([np.zeros(600)], noise=2), Voices(sound(A))
    voice = [
        voices.update(*still.frame(number, 8 * A[number * 4]), np.array([0]), number / 25)[0]
        for number in range(FRAMES)
    ]
    assert np.nanmax(voice) < SPEAKING


def test_the_greatest_voice_speaks_if_it_is_great_enough() -> None:
    assert speaks(np.array([0.5, 0.7, np.nan]), 3).tolist() == [False, True, False]
    assert not speaks(np.array([SPEAKING - 0.01, -0.2]), 2).any()
    assert not speaks(np.array([np.nan, np.nan]), 2).any()
    assert speaks(None, 2).tolist() == [False, False]
    assert speaks(np.zeros(0), 0).shape == (0,)
