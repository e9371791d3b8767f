"""The sample video is the file its origin describes and shows what it says."""

import re
from pathlib import Path

import av
import numpy as np
import pytest

from mien.arrays import IntArray
from mien.faces.detection import Mtcnn
from mien.faces.shots import ShotDetector
from mien.files import sha256

CUTS = (88, 113, 200)
"""Numbers of the frames that start shots 2, 3 and 4."""


@pytest.fixture(scope="module")
def frames(sample: Path) -> list[np.ndarray]:
    with av.open(str(sample)) as file:
        return [frame.to_ndarray(format="bgr24") for frame in file.decode(video=0)]


def faces_in(frames: list[np.ndarray], numbers: range) -> IntArray:
    """Return how many faces the detector finds in each of some frames."""
    detector = Mtcnn()
    return np.array([len(detector.detect(frames[number])) for number in numbers])


def test_hash_is_the_one_its_origin_states(sample: Path) -> None:
    stated = re.findall(r"([0-9a-f]{64})  portraits\.mp4", (sample.parent / "ORIGIN.md").read_text())
    assert stated == [sha256(sample)]


def test_sample_is_small(sample: Path) -> None:
    assert sample.stat().st_size < 1_000_000


def test_pictures_come_every_fortieth_of_a_second_and_sound_starts_late(sample: Path) -> None:
    with av.open(str(sample)) as file:
        times = np.array([frame.time for frame in file.decode(video=0)])
    with av.open(str(sample)) as file:
        first_sound = next(file.decode(audio=0)).time
    np.testing.assert_allclose(times, np.arange(300) / 25, atol=1e-6)
    assert first_sound == pytest.approx(0.4, abs=0.07)  # the encoder starts a packet early


def test_three_cuts_and_no_other(frames: list[np.ndarray]) -> None:
    small = np.array([frame[::8, ::8].astype(float) for frame in frames])
    change = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2, 3))
    assert tuple(np.flatnonzero(change > 25) + 1) == CUTS


def test_cuts_are_found_and_motion_is_not_taken_for_one(frames: list[np.ndarray]) -> None:
    shots = ShotDetector()
    assert tuple(number for number, frame in enumerate(frames) if shots.update(frame)) == CUTS


def test_first_shot_shows_one_face(frames: list[np.ndarray]) -> None:
    assert (faces_in(frames, range(0, 88, 8)) == 1).all()


def test_second_shot_shows_no_face(frames: list[np.ndarray]) -> None:
    assert (faces_in(frames, range(88, 113, 8)) == 0).all()


def test_third_shot_shows_one_face(frames: list[np.ndarray]) -> None:
    assert (faces_in(frames, range(113, 200, 8)) == 1).all()


def test_fourth_shot_shows_two_faces_and_one_while_they_cross(frames: list[np.ndarray]) -> None:
    counts = faces_in(frames, range(200, 300, 9))
    assert counts[0] == counts[-1] == 2
    assert set(counts.tolist()) == {1, 2}
