"""Written videos: times, sound, size, and nothing left behind."""

import resource
import subprocess
import sys
import threading
from contextlib import chdir
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from rights import unprivileged

from mien.errors import MediaError, OutputError
from mien.media.frames import Frame, MediaInfo
from mien.media.video import Video
from mien.media.writer import VideoWriter
from mien.testing.media import make_sound, make_video

INFO = MediaInfo("v", "video", 64, 48, 25.0, 1.0, 25, sound=False)


def copy(source: Path, target: Path, sound_from: Path | None) -> list[Frame]:
    """Write every frame of a video again and return them."""
    with Video(source) as video:
        frames = list(video)
        with VideoWriter(target, video.info, sound_from) as writer:
            for frame in frames:
                writer.write(frame)
    return frames


def packets(path: Path) -> list[tuple[float, bytes]]:
    """Return time and bytes of each packet of sound."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(stream) if p.size]


def start(path: Path, kind: str) -> float:
    """Return when a file's picture or sound starts."""
    with av.open(str(path)) as container:
        stream = next(stream for stream in container.streams if stream.type == kind)
        return float((stream.start_time or 0) * (stream.time_base or Fraction(0)))


@pytest.mark.parametrize(
    "times", [(0.0, 0.1, 0.15, 0.4, 1.0, 1.033), tuple(i * 1001 / 30_000 for i in range(12)), (0.0,)]
)
def test_times_of_any_spacing_are_kept(tmp_path: Path, times: tuple[float, ...]) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    with VideoWriter(tmp_path / "w.mp4", INFO) as writer:
        for number, seconds in enumerate(times):
            writer.write(Frame(number, seconds, image))
    with Video(tmp_path / "w.mp4") as video:
        np.testing.assert_allclose([frame.seconds for frame in video], times, atol=1 / 90_000)


def test_sound_is_copied_packet_by_packet(tmp_path: Path) -> None:
    source = make_video(tmp_path / "v.mp4", frames=40, sound=True)
    copy(source, tmp_path / "w.mp4", source)
    assert packets(tmp_path / "w.mp4") == packets(source)


@pytest.mark.parametrize("suffix", [".mpg", ".wav"])
def test_sound_that_browsers_do_not_play_becomes_aac(tmp_path: Path, suffix: str) -> None:
    video = make_video(tmp_path / "v.mpg", frames=40, sound=True)
    sound = video if suffix == ".mpg" else make_sound(tmp_path / "a.wav", seconds=1.6, rate=16_000)
    copy(video, tmp_path / "w.mp4", sound)
    with av.open(str(tmp_path / "w.mp4")) as container:
        stream = container.streams.audio[0]
        heard = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(stream)])
        assert stream.codec_context.name == "aac"
        spectrum = abs(np.fft.rfft(heard[: stream.rate]))
        assert int(spectrum.argmax()) == pytest.approx(440, abs=2)
        assert len(heard) / stream.rate == pytest.approx(1.6, abs=0.1)


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.ts", "v.mpg", "v.flv"])
@pytest.mark.parametrize("late", ["sound", "pictures"])
def test_pictures_stay_in_step_with_the_sound(tmp_path: Path, name: str, late: str) -> None:
    if late == "sound":
        source = make_video(tmp_path / name, frames=40, sound=True, sound_start=0.5)
    elif name == "v.mpg":
        pytest.skip("MPEG-1 program streams have no variable rate")
    else:
        source = make_video(tmp_path / name, times=[0.5 + i / 25 for i in range(30)], sound=True)
    frames = copy(source, tmp_path / "w.mp4", source)
    before = frames[0].seconds - packets(source)[0][0]
    assert abs(before) > 0.4
    with Video(tmp_path / "w.mp4") as video:
        again = list(video)
    assert again[0].seconds - packets(tmp_path / "w.mp4")[0][0] == pytest.approx(before, abs=0.025)
    assert min(again[0].seconds, start(tmp_path / "w.mp4", "audio")) == pytest.approx(0, abs=0.025)
    spacing = np.diff([frame.seconds for frame in frames])
    np.testing.assert_allclose(np.diff([frame.seconds for frame in again]), spacing, atol=2 / 90_000)


def test_a_source_without_sound_gives_a_silent_video(tmp_path: Path) -> None:
    source = make_video(tmp_path / "v.mp4")
    copy(source, tmp_path / "w.mp4", source)
    assert not Video(tmp_path / "w.mp4").info.sound


def test_the_index_lies_in_front_of_the_data(tmp_path: Path) -> None:
    copy(make_video(tmp_path / "v.mp4"), tmp_path / "w.mp4", None)
    data = (tmp_path / "w.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(
    ("size", "written"), [((64, 48), (64, 48)), ((65, 49), (66, 50)), ((63, 48), (64, 48))]
)
def test_an_odd_size_is_padded_and_colours_are_kept(
    tmp_path: Path, size: tuple[int, int], written: tuple[int, int]
) -> None:
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    image[:, : width // 2] = (200, 60, 30)
    image[:, width // 2 :] = (30, 90, 220)
    info = MediaInfo("v", "video", width, height, 25.0, 1.0, 5, sound=False)
    with VideoWriter(tmp_path / "w.mp4", info) as writer:
        for number in range(5):
            writer.write(Frame(number, number / 25, image))
    with Video(tmp_path / "w.mp4") as video:
        again = next(iter(video)).image
    assert again.shape == (written[1], written[0], 3)
    np.testing.assert_allclose(
        again[4:40, 4 : width // 2 - 6].astype(int).mean((0, 1)), (200, 60, 30), atol=5
    )
    np.testing.assert_allclose(again[-3, -3].astype(int), (30, 90, 220), atol=8)


def test_an_exception_leaves_nothing_behind_and_the_old_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "w.mp4").write_bytes(b"old")
    threads = threading.active_count()
    for kind in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(kind):
            broken_off(tmp_path / "w.mp4", kind)
    assert [path.name for path in tmp_path.iterdir()] == ["w.mp4"]
    assert (tmp_path / "w.mp4").read_bytes() == b"old"
    assert threading.active_count() == threads


def broken_off(path: Path, kind: type[BaseException]) -> None:
    """Write some frames and stop by an exception."""
    with VideoWriter(path, INFO) as writer:
        for number in range(60):
            writer.write(Frame(number, number / 25, np.zeros((48, 64, 3), np.uint8)))
        raise kind


def test_a_wrong_size_and_a_missing_time_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"frame \(48, 63, 3\), expected \(48, 64, 3\)"):
        write_one(tmp_path / "w.mp4", Frame(0, 0.0, np.zeros((48, 63, 3), np.uint8)))
    with pytest.raises(ValueError, match="frame 7 has no time"):
        write_one(tmp_path / "w.mp4", Frame(7, float("nan"), np.zeros((48, 64, 3), np.uint8)))
    assert not list(tmp_path.iterdir())


def write_one(path: Path, frame: Frame, sound_from: Path | None = None) -> None:
    """Write a video of one frame."""
    with VideoWriter(path, INFO, sound_from) as writer:
        writer.write(frame)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    frame = Frame(0, 0.0, np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(OutputError, match=r"w\.mp4: there is no folder"):
        write_one(tmp_path / "missing" / "w.mp4", frame)
    with pytest.raises(OutputError, match=r"w\.avi: a video is written as MP4"):
        write_one(tmp_path / "w.avi", frame)
    (tmp_path / "closed").mkdir(mode=0o555)
    refused = pytest.raises(OutputError, match=r"w\.mp4: no permission to write here")
    with chdir(tmp_path / "closed"), unprivileged(), refused:
        write_one(Path("w.mp4"), frame)


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"w\.mp4: a video needs at least one frame"),
        VideoWriter(tmp_path / "w.mp4", INFO),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_sound_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    frame = Frame(0, 0.0, np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(MediaError, match=r"none\.wav: no such file"):
        write_one(tmp_path / "w.mp4", frame, tmp_path / "none.wav")
    assert not list(tmp_path.iterdir())


def test_a_file_that_may_grow_no_further_is_reported_and_removed(tmp_path: Path) -> None:
    source = make_video(tmp_path / "v.mp4", frames=40)
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from mien.media.video import Video; from mien.media.writer import VideoWriter\n"
        "from mien.errors import OutputError\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (2000, {resource.RLIM_INFINITY}))\n"
        "video = Video(sys.argv[1])\n"
        "try:\n"
        "    with VideoWriter(Path(sys.argv[2]), video.info) as writer:\n"
        "        for frame in video: writer.write(frame)\n"
        "except OutputError as error: sys.exit(str(error))\n"
    )
    command = [sys.executable, "-c", program, str(source), str(tmp_path / "w.mp4")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "w.mp4: the file would be larger than this place allows" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]


@pytest.mark.parametrize(("sound", "start"), [(True, 0.0), (False, 0.5)])
def test_the_writer_says_where_its_clock_starts(tmp_path: Path, sound: bool, start: float) -> None:
    """With sound from 0 and pictures from 0.5 s, the written clock is the sound's."""
    source = make_video(tmp_path / "late.mp4", times=[0.5, 0.54, 0.6], sound=True, sound_start=0.0)
    with Video(source) as video:
        with VideoWriter(tmp_path / "out.mp4", video.info, source if sound else None) as writer:
            for frame in video:
                writer.write(frame)
        assert writer.start == pytest.approx(start, abs=0.03)
