"""Sound: where it lies on the clock of the pictures, whatever the container, rate and channels; and times."""

import subprocess
import wave
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.errors import MediaError
from mien.media.audio import RATE, TOLERANCE, Sound, read_sound
from mien.media.video import Video, timestamps
from mien.testing.media import CODERS, SOUND_CODERS, clicks, make_sound, make_video

VIDEOS = Path(__file__).parents[2] / "shared" / "media" / "videos"
PLACES = (0.5, 1.3)
MP3_DELAY = 1105 / 48_000
"""Seconds by which MP3 in AVI is late: 576 samples of the encoder, 529 of any decoder; no file states it."""


def heard(sound: Sound, place: float, zero: float = 0.0) -> float:
    """Return the second, after `zero`, of the click that is nearest to `place`."""
    around = np.arange(-192, 193) / RATE
    match = np.correlate(sound.samples.astype(float), clicks(0.0)(around), "same")
    times = np.arange(len(match)) / RATE - zero
    near = np.abs(times - place) < 0.2
    return float(times[near][np.argmax(match[near])])


def first_picture(path: Path) -> float:
    """Return the time of the first picture."""
    return float(timestamps(path)[0])


@pytest.mark.parametrize("suffix", CODERS)
def test_clicks_lie_where_they_were_made(tmp_path: Path, suffix: str) -> None:
    path = make_video(tmp_path / f"v{suffix}", frames=50, sound=True, hear=clicks(*PLACES))
    sound = read_sound(path)
    late = MP3_DELAY if suffix == ".avi" else 0.0
    for place in PLACES:
        assert heard(sound, place, first_picture(path)) == pytest.approx(place + late, abs=0.001)
    assert len(sound) / RATE == pytest.approx(first_picture(path) + 2.0, abs=0.05)
    assert sound.samples.dtype == np.int16


@pytest.mark.parametrize("suffix", sorted(CODERS.keys() - {".avi"}))  # AVI: sound begins with the file
def test_sound_that_starts_late_is_silent_and_unknown_before(tmp_path: Path, suffix: str) -> None:
    path = make_video(tmp_path / f"v{suffix}", frames=50, sound=True, sound_start=0.4, hear=clicks(*PLACES))
    sound, zero = read_sound(path), first_picture(path)
    for place in PLACES:
        assert heard(sound, place, zero) == pytest.approx(place, abs=0.0015)
    ((start, end),) = sound.known
    assert start / RATE - zero == pytest.approx(0.4, abs=0.025), "a coding may begin a packet earlier"
    assert end == len(sound)
    assert not sound.samples[:start].any()


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000, 192_000])
def test_every_rate_and_number_of_channels(tmp_path: Path, rate: int, layout: str) -> None:
    path = make_sound(tmp_path / "a.wav", seconds=2.0, rate=rate, layout=layout, hear=clicks(*PLACES))
    sound = read_sound(path)
    for place in PLACES:
        assert heard(sound, place) == pytest.approx(place, abs=0.0001)
    assert len(sound) == 2 * RATE
    assert sound.known.tolist() == [[0, len(sound)]]
    truth = 32_767 * clicks(*PLACES)(np.arange(len(sound)) / RATE)
    np.testing.assert_allclose(sound.samples, truth, atol=700)


@pytest.mark.parametrize("suffix", SOUND_CODERS)
def test_every_kind_of_sound_file_starts_at_zero(tmp_path: Path, suffix: str) -> None:
    sound = read_sound(make_sound(tmp_path / f"a{suffix}", seconds=2.0, hear=clicks(*PLACES)))
    for place in PLACES:
        assert heard(sound, place) == pytest.approx(place, abs=0.0005)
    assert sound.known[0, 0] == 0
    assert len(sound) / RATE == pytest.approx(2.0, abs=0.03)


def test_the_clock_of_a_sound_file_starts_where_its_sound_does(tmp_path: Path) -> None:
    now = read_sound(make_sound(tmp_path / "now.nut"))
    later = read_sound(make_sound(tmp_path / "later.nut", start=5.0))
    np.testing.assert_array_equal(now.samples, later.samples)


@pytest.mark.parametrize("channels", range(1, 9))
def test_channels_are_mixed_without_clipping(tmp_path: Path, channels: int) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, 16_000, 0, "NONE", ""))
        loud = np.where(np.arange(800) // 100 % 2, -32_768, 32_767).astype("<i2")
        file.writeframes(loud.repeat(channels).tobytes())
    samples = read_sound(path).samples
    np.testing.assert_allclose(samples, loud, atol=3)


def test_each_of_two_channels_counts_half(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, 16_000, 0, "NONE", ""))
        file.writeframes(np.tile(np.array([1000, 200], "<i2"), 1600).tobytes())
    np.testing.assert_allclose(read_sound(path).samples, 600, atol=1)


def test_no_sound_is_an_empty_sound(tmp_path: Path) -> None:
    sound = read_sound(make_video(tmp_path / "v.mp4"))
    assert len(sound) == 0
    assert sound.known.shape == (0, 2)


def test_sound_may_end_before_the_pictures(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mkv", frames=75, sound=True)
    part = remuxed(path, tmp_path / "part.mkv", lambda packet: not is_sound(packet) or seconds(packet) < 1.0)
    assert len(read_sound(part)) / RATE == pytest.approx(1.0, abs=0.03)


def is_sound(packet: Packet) -> bool:
    """Return whether a packet is of the sound."""
    return packet.stream.type == "audio"


def seconds(packet: Packet) -> float:
    """Return when a packet begins."""
    return float(packet.pts * packet.time_base)


def remuxed(
    path: Path, copy: Path, keep: Callable[[Packet], bool], move: Callable[[float], float] | None = None
) -> Path:
    """Return a copy that holds the packets to be kept; `move` says when each one of sound is to be heard."""
    with av.open(str(path)) as source, av.open(str(copy), "w") as target:
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size and keep(packet):
                if move is not None and is_sound(packet):
                    packet.pts = packet.dts = round(move(seconds(packet)) / packet.time_base)
                packet.stream = streams[packet.stream_index]
                target.mux(packet)
    return copy


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".flv", ".webm", ".mpg"])
def test_a_gap_is_silent_and_unknown_and_moves_nothing(tmp_path: Path, suffix: str) -> None:
    whole = make_video(tmp_path / f"whole{suffix}", frames=50, sound=True, hear=clicks(0.3, 1.6))
    zero = first_picture(whole)
    path = remuxed(
        whole,
        tmp_path / f"v{suffix}",
        lambda packet: not is_sound(packet) or not 0.7 < seconds(packet) - zero < 1.2,
    )
    sound, zero = read_sound(path), first_picture(path)
    for place in (0.3, 1.6):
        assert heard(sound, place, zero) == pytest.approx(place, abs=0.002)
    (_, first), (second, end) = sound.known
    assert first / RATE - zero == pytest.approx(0.7, abs=0.03)
    assert second / RATE - zero == pytest.approx(1.2, abs=0.03)
    assert end == len(sound)
    assert not sound.samples[first:second].any()


def test_one_lost_packet_is_a_gap_as_long_as_it(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", frames=50, sound=True)
    numbers = iter(range(10_000))
    path = remuxed(whole, tmp_path / "v.mkv", lambda packet: not is_sound(packet) or next(numbers) != 40)
    (_, first), (second, _) = read_sound(path).known
    assert (second - first) / RATE == pytest.approx(1024 / 48_000, abs=0.001)


def test_sound_before_zero_is_cut(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", frames=50, sound=True, hear=clicks(*PLACES))
    path = tmp_path / "v.mp4"
    remuxed(whole, path, lambda packet: True, lambda second: second - 0.2)
    sound, zero = read_sound(path), first_picture(path)
    assert heard(sound, 1.1, zero) == pytest.approx(1.1, abs=0.002)
    assert sound.known[0, 0] == 0


def test_unsteady_time_stamps_leave_no_seam(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", frames=75, sound=True)
    jitter = np.random.default_rng(0).uniform(-TOLERANCE / 2.5, TOLERANCE / 2.5, 10_000)
    jitter[:2] = 0  # the first is left out when decoded, the second sets where all lie
    moves = iter(jitter)
    path = remuxed(whole, tmp_path / "v.mkv", lambda packet: True, lambda second: second + next(moves))
    steady, sound = read_sound(whole), read_sound(path)
    assert sound.known.tolist() == [[0, len(sound)]]
    np.testing.assert_array_equal(sound.samples, steady.samples)


def test_time_stamps_that_run_faster_than_the_samples_are_followed(tmp_path: Path) -> None:
    places = (1.0, 15.0, 29.0)
    whole = make_video(tmp_path / "whole.mkv", times=[0, 30], sound=True, hear=clicks(*places))
    path = remuxed(whole, tmp_path / "v.mkv", lambda packet: True, lambda second: second * 1.003)
    sound = read_sound(path)
    for place in places:
        assert heard(sound, place * 1.003) == pytest.approx(place * 1.003, abs=TOLERANCE + 0.002)
    assert len(sound.known) == pytest.approx(30 * 0.003 / TOLERANCE, abs=2)


def test_sound_that_comes_twice_is_kept_the_first_time(tmp_path: Path) -> None:
    once = make_video(tmp_path / "once.ts", frames=50, sound=True, hear=clicks(0.5))
    again = make_video(tmp_path / "again.ts", frames=50, sound=True, hear=clicks(1.3))
    twice = tmp_path / "twice.ts"
    twice.write_bytes(once.read_bytes() + again.read_bytes())
    np.testing.assert_array_equal(read_sound(twice).samples, read_sound(once).samples)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shift=st.integers(0, 16_000), rate=st.sampled_from([16_000, 48_000, 96_000]))
def test_silence_in_front_shifts_the_samples(tmp_path: Path, shift: int, rate: int) -> None:
    d = shift / RATE
    plain = make_sound(tmp_path / "plain.wav", seconds=0.5, rate=rate, hear=clicks(0.25))
    moved = make_sound(tmp_path / "moved.wav", seconds=0.5 + d, rate=rate, hear=clicks(0.25 + d))
    one, two = read_sound(plain).samples, read_sound(moved).samples
    assert len(two) == len(one) + shift
    np.testing.assert_allclose(two[shift:].astype(int), one, atol=2)
    assert not two[:shift].any()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(milliseconds=st.integers(0, 1500))
def test_sound_that_starts_later_is_shifted(tmp_path: Path, milliseconds: int) -> None:
    d = milliseconds / 1000
    path = make_video(
        tmp_path / "v.mkv", frames=50, sound=True, sound_start=d, hear=lambda t: clicks(0.25)(t - d)
    )
    sound = read_sound(path)
    assert heard(sound, 0.25 + d) == pytest.approx(0.25 + d, abs=0.0011)
    assert sound.known[0, 0] / RATE == pytest.approx(d, abs=0.0011)


def test_two_readings_give_the_same_bytes(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", frames=50, sound=True)
    assert read_sound(path).samples.tobytes() == read_sound(path).samples.tobytes()


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi", ".flv"])
def test_a_video_cut_short_is_refused(tmp_path: Path, suffix: str) -> None:
    path = make_video(tmp_path / f"v{suffix}", frames=75, sound=True)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(MediaError, match=rf"v\{suffix}: .*cut short") as caught:
        read_sound(path)
    assert "\n" not in str(caught.value)


def test_a_sound_file_cut_short_is_refused(tmp_path: Path) -> None:
    for suffix in (".wav", ".m4a"):
        path = make_sound(tmp_path / f"a{suffix}", seconds=2.0)
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
        with pytest.raises(MediaError, match=rf"a\{suffix}: .*cut short"):
            read_sound(path)


@pytest.mark.parametrize(("share", "refused"), [(0.02, False), (0.5, True)])
def test_damaged_packets_are_gaps_until_they_are_many(tmp_path: Path, share: float, refused: bool) -> None:
    path = make_sound(tmp_path / "a.flac", seconds=8.0, hear=clicks(*PLACES))
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux() if packet.size]
    data = bytearray(path.read_bytes())
    for place, size in packets[40 :: round(1 / share)]:
        data[place + 8 : place + size] = b"\xff" * (size - 8)
    path.write_bytes(data)
    if refused:
        with pytest.raises(MediaError, match=r"a\.flac: damaged: \d+ of \d+ packets"):
            read_sound(path)
    else:
        sound = read_sound(path)
        assert len(sound.known) > 1
        assert heard(sound, 0.5) == pytest.approx(0.5, abs=0.001)


def test_an_absurd_time_stamp_is_refused_before_it_costs_memory(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", frames=50, sound=True)
    path = remuxed(whole, tmp_path / "v.mkv", lambda p: True, lambda s: s if s < 1 else s + 1e6)
    with pytest.raises(MediaError, match=r"v\.mkv: .*278 hours"):
        read_sound(path)


def test_a_long_silence_in_front_is_no_burden(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", frames=50, sound=True)
    path = remuxed(whole, tmp_path / "v.mkv", lambda packet: True, lambda second: second + 90_000)
    sound, usual = read_sound(path), read_sound(whole)
    ((start, end),) = sound.known
    assert start == 90_000 * RATE
    np.testing.assert_array_equal(sound.samples[start:end], usual.samples)


def test_a_damaged_rate_is_refused(tmp_path: Path) -> None:
    path = make_sound(tmp_path / "a.wav", seconds=0.2)
    data = path.read_bytes()
    assert data[24:28] == (48_000).to_bytes(4, "little")
    path.write_bytes(data[:24] + (3).to_bytes(4, "little") + data[28:])
    with pytest.raises(MediaError, match=r"a\.wav: its sound states 3 samples a second"):
        read_sound(path)


def test_a_stream_that_begins_in_the_middle_is_refused(tmp_path: Path) -> None:
    silent = make_video(tmp_path / "silent.flv", frames=200)
    loud = make_video(tmp_path / "loud.flv", frames=200, sound=True)
    sound = [tag for tag in flv_tags(loud.read_bytes()) if tag[0] == 8]
    path = tmp_path / "v.flv"
    path.write_bytes(silent.read_bytes() + b"".join(sound))
    with pytest.raises(MediaError, match=r"v\.flv: damaged: after \d+ packets another stream begins"):
        timestamps(path)


def flv_tags(data: bytes) -> Iterator[bytes]:
    """Yield the tags of an FLV file, each with the size that follows it."""
    place = 13
    while place < len(data):
        size = int.from_bytes(data[place + 1 : place + 4], "big") + 15
        yield data[place : place + size]
        place += size


def test_what_is_no_sound_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound\n" * 100)
    with pytest.raises(MediaError, match=r"text\.wav: is in no format"):
        read_sound(tmp_path / "text.wav")
    with pytest.raises(MediaError, match=r"none\.wav: no such file"):
        read_sound(tmp_path / "none.wav")


def test_any_bytes_give_sound_or_a_media_error(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    wholes = [make_sound(tmp_path / f"a{suffix}", seconds=0.3) for suffix in SOUND_CODERS]
    for whole in [*wholes, make_video(tmp_path / "v.mkv", sound=True)]:
        data = np.frombuffer(whole.read_bytes(), np.uint8)
        for _ in range(12):
            spoiled = data.copy()
            where = chance.integers(0, len(data), chance.integers(1, 40))
            spoiled[where] = chance.integers(0, 256, len(where))
            path = tmp_path / f"spoiled{whole.suffix}"
            path.write_bytes(spoiled.tobytes())
            with suppress(MediaError):
                assert len(read_sound(path)) < 60 * RATE


@pytest.mark.parametrize(
    ("samples", "known", "message"),
    [
        (np.zeros(4), [[0, 4]], "expected .* int16"),
        (np.zeros((4, 1), np.int16), [[0, 4]], "expected"),
        (np.zeros(4, np.int16), [0, 4], "expected"),
        (np.zeros(4, np.int16), [[0, 5]], "do not rise from 0 to 4"),
        (np.zeros(4, np.int16), [[2, 4], [0, 1]], "do not rise"),
    ],
)
def test_a_sound_is_checked_when_made(samples: np.ndarray, known: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sound(samples, np.array(known))


@pytest.mark.program("ffmpeg")
def test_sound_of_found_videos_is_that_of_ffmpeg() -> None:
    if not VIDEOS.is_dir():
        pytest.skip(f"{VIDEOS} is not there")
    paths = sorted(VIDEOS.glob("*.mpg"))
    assert paths
    for path in paths:
        sound = read_sound(path)
        command = ["ffmpeg", "-v", "error", "-i", str(path), "-ac", "1", "-ar", str(RATE), "-f", "s16le", "-"]
        raw = subprocess.run(command, capture_output=True, check=True).stdout
        np.testing.assert_allclose(sound.samples.astype(int), np.frombuffer(raw, np.int16), atol=20)
        assert sound.known.tolist() == [[0, len(sound)]]
        assert abs(len(sound) / RATE - timestamps(path)[-1]) < 0.1


TIMED = {
    "variable.mp4": {"times": (0.0, 0.1, 0.15, 0.4, 1.0, 1.033), "b_frames": 2},
    "variable.mkv": {"times": (0.5, 0.6, 0.75, 2.0), "b_frames": 2},
    "variable.webm": {"times": (0.5, 0.6, 0.75, 2.0)},
    "late.mp4": {"times": (0.5, 0.6, 0.7), "sound": True},
    "one.mp4": {"frames": 1},
    **{f"b{suffix}": {"frames": 30, "b_frames": 2} for suffix in CODERS if suffix not in (".flv", ".webm")},
    **{f"with_sound{suffix}": {"frames": 30, "sound": True} for suffix in CODERS},
}


@pytest.mark.parametrize("name", TIMED)
def test_times_without_decoding_are_those_of_the_frames(tmp_path: Path, name: str) -> None:
    path = make_video(tmp_path / name, **TIMED[name])
    assert timestamps(path).tolist() == [frame.seconds for frame in Video(path)]


def test_times_of_found_videos_are_those_of_the_frames() -> None:
    if not VIDEOS.is_dir():
        pytest.skip(f"{VIDEOS} is not there")
    for path in sorted(VIDEOS.iterdir()):
        assert timestamps(path).tolist() == [frame.seconds for frame in Video(path)], path.name


@pytest.mark.program("ffmpeg")
def test_times_of_a_video_with_hidden_frames(tmp_path: Path) -> None:
    path = tmp_path / "v.webm"
    source = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=2"]
    coder = ["-c:v", "libvpx", "-b:v", "100k", "-auto-alt-ref", "1", "-lag-in-frames", "16"]
    for number in ("1", "2"):
        passes = ["-pass", number, "-passlogfile", str(tmp_path / "log")]
        subprocess.run([*source, *coder, *passes, str(path)], check=True)
    with av.open(str(path)) as container:
        assert sum(packet.size > 0 for packet in container.demux()) > 50, "no hidden frame was made"
    assert len(timestamps(path)) == 50
    assert timestamps(path).tolist() == [frame.seconds for frame in Video(path)]


def open_groups(path: Path, coder: str) -> Path:
    """Return a video in which frames refer to the key frame behind them."""
    source = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=25:duration=3"]
    given = {
        "libx264": ["-x264-params", "keyint=20:open-gop=1"],
        "libx265": ["-x265-params", "log-level=none:keyint=20:open-gop=1"],
    }
    subprocess.run([*source, "-c:v", coder, "-bf", "3", *given[coder], str(path)], check=True)
    return path


@pytest.mark.program("ffmpeg")
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("coder", ["libx264", "libx265"])
def test_times_of_a_video_cut_out_of_another(tmp_path: Path, suffix: str, coder: str) -> None:
    for number, whole in enumerate(
        (open_groups(tmp_path / "open.mp4", coder), make_video(tmp_path / "closed.mp4", frames=300))
    ):
        path = tmp_path / f"v{number}{suffix}"
        command = ["ffmpeg", "-v", "error", "-ss", "1.3", "-i", str(whole), "-c", "copy", str(path)]
        subprocess.run(command, check=True)
        assert timestamps(path).tolist() == [frame.seconds for frame in Video(path)]


@pytest.mark.program("ffmpeg")
@pytest.mark.parametrize("coder", ["libx264", "libx265"])
def test_times_of_a_video_that_begins_with_a_later_group(tmp_path: Path, coder: str) -> None:
    whole = open_groups(tmp_path / "whole.mkv", coder)
    with av.open(str(whole)) as container:
        keys = [number for number, packet in enumerate(container.demux()) if packet.is_keyframe]
    numbers = iter(range(10_000))
    path = remuxed(whole, tmp_path / "v.mkv", lambda packet: next(numbers) >= keys[1])
    assert timestamps(path).tolist() == [frame.seconds for frame in Video(path)]


def test_times_of_a_video_without_its_first_key_frame(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "whole.mkv", times=[number / 25 for number in range(400)])
    path = remuxed(whole, tmp_path / "v.mkv", lambda packet: seconds(packet) > 1.0)
    times = timestamps(path).tolist()
    assert times == [frame.seconds for frame in Video(path)]
    assert len(times) < 374, "what needs the lost frame is not shown"


def test_times_are_refused_for_what_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="holds only sound, no video"):
        timestamps(make_sound(tmp_path / "a.wav"))
    path = make_video(tmp_path / "v.mkv", frames=75)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    with pytest.raises(MediaError, match="cut short"):
        timestamps(path)
