"""Video: frames, their times, and what is refused."""

import os
import subprocess
import threading
from collections.abc import Generator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow
from rights import unprivileged

from mien.errors import MediaError
from mien.media.camera import Camera
from mien.media.frames import Frame
from mien.media.video import AHEAD, Video, _ahead
from mien.testing.media import CODERS, make_sound, make_video

VIDEOS = Path(__file__).parents[2] / "shared" / "media" / "videos"
KINDS = {
    "variable.mp4": {"times": (0.0, 0.1, 0.15, 0.4, 1.0, 1.033)},
    "variable.mkv": {"times": (0.5, 0.6, 0.75, 2.0)},
    "odd.mp4": {"size": (65, 49)},
    "late_sound.mp4": {"frames": 50, "sound": True, "sound_start": 0.5},
    "late_video.mp4": {"times": (0.5, 0.6, 0.7), "sound": True},
    "turned.mp4": {"rotation": 90},
    **{
        f"b_frames{suffix}": {"frames": 30, "b_frames": 2}
        for suffix in (".mp4", ".mkv", ".ts", ".avi", ".mpg")
    },
    **{f"with_sound{suffix}": {"frames": 30, "sound": True} for suffix in CODERS},
    **{f"single{suffix}": {"frames": 1} for suffix in CODERS},
}


def ffprobe_seconds(path: Path) -> list[float]:
    """Return each frame's time as ffprobe prints it; NaN where it knows none."""
    entries = "frame=best_effort_timestamp_time"
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", entries, "-of", "csv=p=0"]
    lines = subprocess.run([*command, str(path)], capture_output=True, text=True, check=True).stdout.split()
    return [float(field) if (field := line.split(",")[0]) != "N/A" else np.nan for line in lines]


def ffmpeg_pixels(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the first frame as ffmpeg shows it."""
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(path),
        "-frames:v",
        "1",
        "-pix_fmt",
        "bgr24",
        "-f",
        "rawvideo",
        "-",
    ]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(shape)


@pytest.mark.program("ffprobe")
@pytest.mark.parametrize("name", KINDS)
def test_times_of_made_videos_are_those_of_ffprobe(tmp_path: Path, name: str) -> None:
    path = make_video(tmp_path / name, **KINDS[name])
    expected = np.array(ffprobe_seconds(path))
    with Video(path) as video:
        frames = list(video)
    seconds = np.array([frame.seconds for frame in frames])
    assert [frame.number for frame in frames] == list(range(len(expected)))
    known = ~np.isnan(expected)
    np.testing.assert_allclose(seconds[known], expected[known], atol=1e-6)
    assert (np.diff(seconds) > 0).all()


@pytest.mark.program("ffprobe")
def test_times_of_found_videos_are_those_of_ffprobe() -> None:
    if not VIDEOS.is_dir():
        pytest.skip(f"{VIDEOS} is not there")
    for path in sorted(VIDEOS.iterdir()):
        expected = ffprobe_seconds(path)
        for threads in (0, 1):
            with Video(path, threads=threads) as video:
                seconds = [frame.seconds for frame in video]
            np.testing.assert_allclose(seconds, expected, atol=1e-6, err_msg=path.name)


def test_variable_times_come_back_as_given(tmp_path: Path) -> None:
    times = [0.0, 0.1, 0.15, 0.4, 1.0]
    with Video(make_video(tmp_path / "v.mp4", times=times)) as video:
        assert [frame.seconds for frame in video] == times


def test_frames_without_time_follow_each_other_at_the_rate(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "raw.h264"), "w") as container:
        stream = container.add_stream("libx264", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise(number), format="bgr24")))
        container.mux(stream.encode(None))
    with Video(tmp_path / "raw.h264") as video:
        assert [frame.seconds for frame in video] == [number / 25 for number in range(12)]


@pytest.mark.program("ffmpeg")
@pytest.mark.parametrize(
    ("rotation", "mirrored", "red"),
    [
        (0, False, "top left"),
        (90, False, "bottom left"),
        (180, False, "bottom right"),
        (270, False, "top right"),
        (0, True, "top right"),
        (90, True, "bottom right"),
    ],
)
def test_pictures_are_upright_as_ffmpeg_shows_them(
    tmp_path: Path, rotation: int, mirrored: bool, red: str
) -> None:
    path = make_video(tmp_path / "v.mp4", rotation=rotation, mirrored=mirrored)
    with Video(path) as video:
        first = next(iter(video))
    height, width = first.image.shape[:2]
    assert (video.info.width, video.info.height) == (width, height)
    assert (width, height) == ((48, 64) if rotation in (90, 270) else (64, 48))
    corners = {
        "top left": first.image[4, 4],
        "top right": first.image[4, -5],
        "bottom left": first.image[-5, 4],
        "bottom right": first.image[-5, -5],
    }
    for corner, pixel in corners.items():
        expected = (0, 0, 255) if corner == red else (40, 40, 40)
        np.testing.assert_allclose(pixel.astype(int), expected, atol=8, err_msg=corner)
    np.testing.assert_array_equal(first.image, ffmpeg_pixels(path, first.image.shape))


@pytest.mark.program("ffmpeg")
@pytest.mark.parametrize("options", [["-colorspace", "bt709"], ["-color_range", "pc"], []])
def test_colours_follow_matrix_and_range_as_in_ffmpeg(tmp_path: Path, options: list[str]) -> None:
    path = tmp_path / "v.mkv"
    source = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48:duration=0.2"]
    subprocess.run([*source, "-pix_fmt", "yuv420p", *options, "-c:v", "ffv1", str(path)], check=True)
    with Video(path) as video:
        first = next(iter(video))
    np.testing.assert_allclose(first.image, ffmpeg_pixels(path, first.image.shape).astype(int), atol=2)


def test_info_tells_size_rate_length_and_sound(tmp_path: Path) -> None:
    info = Video(make_video(tmp_path / "v.mp4", frames=50, size=(80, 60), sound=True)).info
    assert (info.name, info.kind, info.width, info.height) == ("v.mp4", "video", 80, 60)
    assert (info.rate, info.seconds, info.frames, info.sound) == (25.0, 2.0, 50, True)
    assert not Video(make_video(tmp_path / "silent.mp4")).info.sound


def test_leaving_early_stops_the_thread_and_iterating_starts_anew(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", frames=20 * AHEAD)
    before = threading.active_count()
    with Video(path) as video:
        for frame in video:
            if frame.number == 3:
                break
        assert next(iter(video)).number == 0
    assert threading.active_count() == before
    with pytest.raises(KeyboardInterrupt):
        interrupted(path)
    assert threading.active_count() == before
    for _ in Video(path):
        break
    assert threading.active_count() == before


def test_leaving_early_decodes_no_further_than_was_ahead() -> None:
    made: list[int] = []

    def source() -> Generator[Frame]:
        for number in range(1000):
            made.append(number)
            yield Frame(number, number / 25, np.zeros((4, 4, 3), np.uint8))

    frames = _ahead(source)
    assert next(frames).number == 0
    frames.close()
    assert len(made) <= AHEAD + 3


def interrupted(path: Path) -> None:
    """Press Ctrl-C at the first frame."""
    with Video(path) as video:
        for _ in video:
            raise KeyboardInterrupt


def test_a_file_that_vanishes_between_opening_and_reading_is_reported(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4")
    video = Video(path)
    path.unlink()
    with pytest.raises(MediaError, match=r"v\.mp4: no such file"):
        list(video)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi", ".flv"])
def test_a_video_cut_short_is_refused(tmp_path: Path, suffix: str) -> None:
    path = make_video(tmp_path / f"v{suffix}", frames=75)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(MediaError, match=rf"v\{suffix}: .*cut short") as caught:
        list(Video(path))
    assert "\n" not in str(caught.value)


@pytest.mark.program("ffmpeg")
def test_a_cut_behind_the_index_is_refused_at_opening(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mp4", frames=75)
    path = tmp_path / "v.mp4"
    command = ["ffmpeg", "-v", "error", "-i", str(whole), "-c", "copy", "-movflags", "+faststart", str(path)]
    subprocess.run(command, check=True)
    assert len(list(Video(path))) == 75
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(MediaError, match=r"v\.mp4: cut short: its index reaches to byte \d+"):
        Video(path)


def test_one_damaged_packet_costs_its_frame_only(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", frames=60, draw=noise)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    frames = list(Video(path))
    assert len(frames) in (58, 59)
    assert frames[-1].seconds == pytest.approx(59 / 25)


def test_a_video_damaged_all_over_is_refused(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", frames=60, draw=noise)
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 6000, data.index(b"moov") - 4
    for position in range(start, end, 1500):
        data[position : min(position + 700, end)] = bytes(min(700, end - position))
    path.write_bytes(data)
    with pytest.raises(MediaError, match=r"v\.mp4: damaged: \d+ of \d+ packets"):
        list(Video(path))


def noise(number: int) -> np.ndarray:
    """Return a picture that compresses badly."""
    return np.random.default_rng(number).integers(0, 255, (48, 64, 3)).astype(np.uint8)


def test_missing_empty_folder_and_text_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video at all\n" * 100)
    (tmp_path / "notes.txt").write_text("FFmpeg would show this as ANSI art\n" * 100)
    (tmp_path / "zeros.mp4").write_bytes(bytes(10_000))
    cases = {
        "missing.mp4": "no such file",
        "empty.mp4": "is empty",
        "text.mp4": "in no format",
        "notes.txt": "in no format",
        "zeros.mp4": "in no format",
        ".": "is a folder",
    }
    for name, reason in cases.items():
        path = tmp_path / name
        with pytest.raises(MediaError) as caught:
            Video(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert reason in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaError, match="not a regular file"):
        Video(tmp_path / "pipe.mp4")


def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4")
    path.chmod(0)
    with unprivileged(), pytest.raises(MediaError, match=r"v\.mp4: no permission to read it"):
        Video(path)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a", "a.flac", "a.ogg"])
def test_sound_alone_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match="holds only sound, no video"):
        Video(make_sound(tmp_path / name))


@pytest.mark.program("ffmpeg")
def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    sound, cover, path = make_sound(tmp_path / "a.m4a"), tmp_path / "c.png", tmp_path / "covered.m4a"
    Pillow.new("RGB", (64, 48)).save(cover)
    maps = ["-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic"]
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(sound), "-i", str(cover), *maps, str(path)], check=True
    )
    with pytest.raises(MediaError, match="holds only sound and a cover picture, no video"):
        Video(path)


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.avi"])
def test_a_video_of_zero_frames_is_refused(tmp_path: Path, name: str) -> None:
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream("mpeg4", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    with pytest.raises(MediaError, match=rf"{name}: (holds no (frame|video)|ends before its first frame)"):
        Video(tmp_path / name)


def test_names_are_taken_literally(tmp_path: Path) -> None:
    for name in ("gänse 100%d:x.mp4", "VIDEO.MP4.bin"):
        path = make_video(tmp_path / "v.mp4").rename(tmp_path / name)
        assert len(list(Video(path))) == 10


def test_a_missing_camera_is_named() -> None:
    with pytest.raises(MediaError, match="camera 99: no such camera"):
        Camera(99)
