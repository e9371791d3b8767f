"""Networks that remember and hear, on faces that are followed: whole, in pieces, several at once."""

import itertools
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from assemblies import bundled, made, small
from click.testing import CliRunner

import mien
from mien.analysis import FrameResult, analyze, frame_results
from mien.arrays import FloatArray, Image
from mien.bundle import Bundle
from mien.cli import main
from mien.faces.detection import Faces, Mtcnn
from mien.faces.tracking import Tracked, Tracker
from mien.following import FORGET, Follower, Listening, prepared
from mien.media.audio import RATE, Heard, Sound, read_sound
from mien.media.frames import Frame
from mien.media.stream import Stream
from mien.media.video import Video
from mien.testing.media import make_video, tone

SAMPLE = Path(__file__).parent.parent / "src" / "mien" / "samples" / "portraits.mp4"
VALENCE = mien.TASKS["valence_arousal"]
BOTH = slice(180, 228)
"""Frames of the sample around the cut to the shot with two faces."""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Bundle]:
    """Bundles with weights by chance, by streams and memory."""
    folder = tmp_path_factory.mktemp("bundles")
    found = {}
    for streams, temporal in itertools.product(("picture", "sound", "both"), ("none", "gru", "convolution")):
        recipe = small(streams, temporal)
        found[streams, temporal] = bundled(made(recipe), recipe, folder / f"{streams}-{temporal}")
    return found


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    with Video(SAMPLE) as video:
        return list(itertools.islice(video, BOTH.start, BOTH.stop))


@pytest.fixture(scope="module")
def tracked(frames: list[Frame]) -> list[Tracked]:
    tracker = Tracker(Mtcnn())
    return [tracker.update(frame.image, frame.seconds) for frame in frames]


@pytest.fixture(scope="module")
def sound() -> Sound:
    return read_sound(SAMPLE)


def courses(results: Sequence[FrameResult]) -> dict[int, FloatArray]:
    """Return valence and arousal of each face over its frames."""
    rows: dict[int, list[FloatArray]] = defaultdict(list)
    for result in results:
        for face, values in zip(result.ids.tolist(), result.predictions.values[VALENCE], strict=True):
            rows[face].append(values)
    return {face: np.stack(values) for face, values in rows.items()}


def followed(bundle: Bundle, frames: Sequence[Frame], sound: Heard | None = None) -> list[FrameResult]:
    return list(frame_results(frames, Tracker(Mtcnn()), Follower(bundle, Listening(sound))))


def noise(seconds: float, seed: int = 0) -> Sound:
    """Return noise whose loudness changes, so that every moment sounds unlike others."""
    rng = np.random.default_rng(seed)
    loud = np.repeat(rng.uniform(0, 1, round(seconds * 20) + 1), RATE // 20)[: round(seconds * RATE)]
    samples = (rng.normal(size=len(loud)) * loud * 6000).astype(np.int16)
    return Sound(samples, np.array([[0, len(samples)]]))


@pytest.mark.parametrize("temporal", ["none", "gru", "convolution"])
@pytest.mark.parametrize("streams", ["picture", "sound", "both"])
def test_a_file_frame_by_frame_gives_what_the_network_says_of_whole_courses(
    bundles: dict[tuple[str, str], Bundle],
    frames: list[Frame],
    tracked: list[Tracked],
    sound: Sound,
    streams: str,
    temporal: str,
) -> None:
    bundle = bundles[streams, temporal]
    said = courses(followed(bundle, frames, sound))
    assert len(said) == 3  # one before the cut, two after it
    for face, values in said.items():
        seen = [place for place, found in enumerate(tracked) if face in found.ids]
        rows = [tracked[place].faces[tracked[place].ids == face].landmarks for place in seen]
        faces = np.stack(
            [prepared(bundle, frames[place].image, r)[0] for place, r in zip(seen, rows, strict=True)], axis=1
        )
        times = np.array([frames[place].seconds for place in seen])
        heard = None
        if bundle.hearing is not None:
            known = np.zeros(len(sound), bool)
            for first, last in sound.known:
                known[first:last] = True
            samples = sound.samples.astype(np.float32) / 32768
            heard = bundle.hearing.arrays(samples, known, times)[0][None]
        whole, _ = bundle.follow(faces.reshape(1, len(seen), *faces.shape[2:]), heard)
        np.testing.assert_allclose(values, whole[VALENCE][0], atol=1e-5)


def test_cut_anywhere_the_join_is_seamless(
    bundles: dict[tuple[str, str], Bundle], frames: list[Frame], sound: Sound
) -> None:
    bundle = bundles["both", "gru"]
    whole = courses(followed(bundle, frames, sound))
    rng = np.random.default_rng(3)
    for _ in range(3):
        tracker, follower = Tracker(Mtcnn()), Follower(bundle, Listening(sound))
        places = [0, *sorted(rng.choice(np.arange(1, len(frames)), 7, replace=False).tolist()), len(frames)]
        pieces = [
            list(frame_results(iter(frames[a:b]), tracker, follower)) for a, b in itertools.pairwise(places)
        ]
        joined = courses([result for piece in pieces for result in piece])
        assert joined.keys() == whole.keys()
        for face, values in whole.items():
            np.testing.assert_allclose(joined[face], values, atol=1e-5)


def test_a_stream_gives_the_numbers_of_the_file(bundles: dict[tuple[str, str], Bundle]) -> None:
    """Once read whole, once as it comes, with sound that is still coming."""
    bundle = bundles["both", "gru"]
    whole = analyze(SAMPLE, bundle)
    with Stream(str(SAMPLE), lossless=True) as stream:
        follower = Follower(bundle, Listening(stream.sound))
        results = list(frame_results(stream, Tracker(Mtcnn()), follower))
    assert len(results) == whole.frames
    said = np.concatenate([result.predictions.values[VALENCE] for result in results])
    np.testing.assert_array_equal(np.concatenate([result.ids for result in results]), whole.face)
    np.testing.assert_allclose(said, whole.predictions.values[VALENCE], atol=1e-5)


def test_memory_makes_a_difference_and_a_cut_ends_it(
    bundles: dict[tuple[str, str], Bundle], frames: list[Frame], tracked: list[Tracked]
) -> None:
    cut = next(place for place, found in enumerate(tracked) if place and found.cut)
    bundle = bundles["picture", "gru"]
    whole = followed(bundle, frames)
    again = followed(bundle, frames[cut:])
    for ours, theirs in zip(whole[cut : cut + 5], again[:5], strict=True):
        np.testing.assert_allclose(
            ours.predictions.values[VALENCE], theirs.predictions.values[VALENCE], atol=1e-5
        )
    later = followed(bundle, frames[5:cut])[0].predictions.values[VALENCE]
    assert np.abs(whole[5].predictions.values[VALENCE] - later).max() > 1e-4


def standing(face: int, points: FloatArray) -> Tracked:
    """Return one face where it was seen, without a cut."""
    return several([face], points[None])


def several(ids: Sequence[int], points: FloatArray) -> Tracked:
    count = len(ids)
    return Tracked(
        np.array(ids), Faces(np.zeros((count, 4), np.float32), points, np.ones(count, np.float32)), False
    )


@pytest.mark.parametrize("temporal", ["gru", "convolution"])
def test_swapping_two_people_swaps_what_is_said_of_them(
    bundles: dict[tuple[str, str], Bundle], frames: list[Frame], tracked: list[Tracked], temporal: str
) -> None:
    two = [place for place, found in enumerate(tracked) if len(found.ids) == 2]
    assert len(two) > 20
    one, other = (Follower(bundles["both", temporal], Listening(noise(12))) for _ in range(2))
    for place in two:
        points = tracked[place].faces.landmarks
        ours, _ = one.update(frames[place], several([0, 1], points))
        theirs, _ = other.update(frames[place], several([0, 1], points[::-1]))
        np.testing.assert_allclose(ours.values[VALENCE], theirs.values[VALENCE][::-1], atol=1e-5)
    assert np.abs(ours.values[VALENCE][0] - ours.values[VALENCE][1]).max() > 1e-4


def test_people_who_change_sides_on_the_screen_keep_what_is_said_of_them(
    bundles: dict[tuple[str, str], Bundle], frames: list[Frame], tracked: list[Tracked]
) -> None:
    two = [frames[place] for place, found in enumerate(tracked) if len(found.ids) == 2]
    half = two[0].image.shape[1] // 2
    crossed = [
        Frame(f.number, f.seconds, np.concatenate([f.image[:, half:], f.image[:, :half]], axis=1))
        for f in two
    ]
    ours, theirs = (courses(followed(bundles["picture", "gru"], shown)) for shown in (two, crossed))
    assert ours.keys() == theirs.keys() == {0, 1}
    apart = np.abs(ours[0] - ours[1]).mean()
    for face in (0, 1):  # numbered from left to right, so that the other is meant; a little is the detector's
        assert np.abs(ours[face] - theirs[1 - face]).mean() < apart / 5


@pytest.mark.parametrize(("gap", "kept"), [(FORGET - 0.1, True), (FORGET + 0.1, False), (-1.0, False)])
def test_a_face_goes_on_after_a_short_absence_and_begins_anew_after_a_long_one(
    bundles: dict[tuple[str, str], Bundle],
    frames: list[Frame],
    tracked: list[Tracked],
    gap: float,
    kept: bool,
) -> None:
    bundle = bundles["picture", "gru"]
    points = tracked[0].faces.landmarks[0]
    follower, fresh = Follower(bundle), Follower(bundle)
    for number in range(5):
        follower.update(replace(frames[number], seconds=number / 25), standing(0, points))
    follower.update(replace(frames[5], seconds=5 / 25), several([], np.zeros((0, 5, 2), np.float32)))
    back = replace(frames[6], seconds=4 / 25 + gap)
    ours, _ = follower.update(back, standing(0, points))
    theirs, _ = fresh.update(back, standing(0, points))
    assert np.allclose(ours.values[VALENCE], theirs.values[VALENCE], atol=1e-6) != kept


def test_sound_that_comes_half_a_second_later_is_answered_half_a_second_later(
    bundles: dict[tuple[str, str], Bundle], frames: list[Frame], tracked: list[Tracked]
) -> None:
    """The picture stands still, so that sound alone makes the difference; 23 hops are 506 ms."""
    shift = 23 * 352
    early = noise(3)
    late = Sound(np.concatenate([np.zeros(shift, np.int16), early.samples]), early.known + shift)
    points = tracked[0].faces.landmarks[0]

    def said(sound: Sound, start: float) -> FloatArray:
        follower = Follower(bundles["both", "gru"], Listening(sound))
        shown = [replace(frames[0], seconds=start + k / 50) for k in range(100)]
        return np.concatenate(
            [follower.update(frame, standing(0, points))[0].values[VALENCE] for frame in shown]
        )

    here, there, unmoved = said(early, 0.2), said(late, 0.2 + shift / RATE), said(late, 0.2)
    np.testing.assert_allclose(here, there, atol=1e-5)
    assert np.abs(here - unmoved).max() > 1e-3


def shown(place: Path, images: Sequence[Image], sound: bool, start: float = 0.0) -> Path:
    height, width = images[0].shape[:2]
    return make_video(
        place,
        frames=len(images),
        size=(width, height),
        sound=sound,
        sound_start=start,
        draw=lambda k: images[k],
        hear=tone(700.0),
    )


def analysed(path: Path, folder: Path, bundle: Path, *more: str) -> tuple[dict[str, object], FloatArray]:
    done = CliRunner().invoke(
        main, ["analyze", str(path), "-o", str(folder), "--bundle", str(bundle), "-q", "--no-overlay", *more]
    )
    assert done.exit_code == 0, done.output
    table = pq.read_table(folder / "predictions.parquet")
    return json.loads((folder / "analysis.json").read_text()), table["valence"].to_numpy()


@pytest.fixture
def still(frames: list[Frame]) -> list[Image]:
    return [frames[0].image] * 40


def test_a_file_without_sound_is_given_silence_and_the_report_says_so(
    still: list[Image], tmp_path: Path
) -> None:
    recipe = small("both", "gru")
    bundled(made(recipe), recipe, tmp_path / "bundle")
    silent, without = analysed(
        shown(tmp_path / "a.mp4", still, sound=False), tmp_path / "out", tmp_path / "bundle"
    )
    _, with_sound = analysed(
        shown(tmp_path / "b.mp4", still, sound=True), tmp_path / "out2", tmp_path / "bundle"
    )
    told = silent["bundle"]["analysis"]  # type: ignore[index]
    assert "picture only: there is no sound, and the network hears silence" in told
    assert "picture only: there is no sound" in (tmp_path / "out" / "report.html").read_text()
    assert len(without) == len(with_sound)
    assert np.abs(without - with_sound).max() > 1e-4
    bundle = Bundle.load(tmp_path / "bundle")
    with Video(tmp_path / "a.mp4") as video:
        np.testing.assert_allclose(courses(followed(bundle, list(video)))[0][:, 0], without, atol=1e-5)


def test_sound_that_starts_late_is_silence_before(still: list[Image], tmp_path: Path) -> None:
    recipe = small("both", "none")
    bundled(made(recipe), recipe, tmp_path / "bundle")
    _, late = analysed(
        shown(tmp_path / "a.mp4", still, sound=True, start=0.8), tmp_path / "out", tmp_path / "bundle"
    )
    _, silent = analysed(shown(tmp_path / "b.mp4", still, sound=False), tmp_path / "o2", tmp_path / "bundle")
    before = np.arange(40) / 25 < 0.8 - 0.03  # a coder rings a little before it begins
    np.testing.assert_allclose(late[before], silent[before], atol=1e-5)
    assert np.abs(late[30:] - silent[30:]).max() > 1e-4


def test_pictures_are_taken_alone_and_the_record_says_so(still: list[Image], tmp_path: Path) -> None:
    import cv2

    recipe = small("both", "gru")
    bundled(made(recipe), recipe, tmp_path / "bundle")
    cv2.imwrite(str(tmp_path / "a.png"), still[0])
    record, _ = analysed(tmp_path / "a.png", tmp_path / "out", tmp_path / "bundle")
    assert "taken alone" in record["bundle"]["analysis"]  # type: ignore[index]
