"""A stream gives the newest frame, loses none unnoticed, and puts its sound where a file has it."""

import math
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from threading import Event, Thread

import av
import numpy as np
import pytest
from test_audio import heard, remuxed

from mien.errors import MediaError
from mien.media.audio import Sound, read_sound
from mien.media.frames import Frame
from mien.media.live import REMEMBERED, Arrival, Live
from mien.media.stream import Lag, Stream, told
from mien.media.tape import RollingSound
from mien.media.video import Video
from mien.testing.media import clicks, make_sound, make_video

PLACES = (0.5, 1.3)


@contextmanager
def served(path: Path, seconds: float, *, ends: bool = True) -> Iterator[str]:
    """Give an address at which a file is sent once, in so many seconds; then the line ends or is silent."""
    data, leave = path.read_bytes(), Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def send() -> None:
        line, _ = listener.accept()
        with line:
            start, sent = time.monotonic(), 0
            while sent < len(data) and not leave.is_set():
                due = min(int(len(data) * (time.monotonic() - start) / seconds) + 1, len(data))
                try:
                    line.sendall(data[sent:due])
                except OSError:
                    return
                sent = due
                time.sleep(0.005)
            if not ends:
                leave.wait()

    thread = Thread(target=send, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        leave.set()
        thread.join()
        listener.close()


def sound_of(stream: Stream) -> Sound:
    """Return all that is known of a short stream's sound."""
    assert isinstance(stream.sound, RollingSound)
    samples, known = stream.sound.between(0, stream.sound.until)
    edges = np.flatnonzero(np.diff(known, prepend=False, append=False)).reshape(-1, 2)
    return Sound(np.round(samples * 32768).astype(np.int16), edges)


def watched(stream: Stream, pause: float = 0.0) -> list[Frame]:
    """Return the frames that a consumer gets that needs some time for each."""
    frames = []
    for frame in stream:
        frames.append(frame)
        time.sleep(pause)
    return frames


def test_frames_and_sound_come_over_a_line_as_they_are_in_the_file(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.ts", frames=50, sound=True, hear=clicks(*PLACES))
    truth = {frame.seconds: frame for frame in Video(path)}
    with served(path, 2.0) as address, Stream(address) as stream:
        frames = watched(stream)
        assert (stream.info.name, stream.info.kind) == (address, "camera")
        assert (stream.info.width, stream.info.height, stream.info.sound) == (64, 48, True)
        assert len(frames) + stream.dropped == 50
        for frame in frames:
            np.testing.assert_array_equal(frame.image, truth[frame.seconds].image)
            assert truth[frame.seconds].number == frame.number
        np.testing.assert_array_equal(sound_of(stream).samples, read_sound(path).samples)
        assert sound_of(stream).known.tolist() == read_sound(path).known.tolist()


def test_a_slow_consumer_gets_the_newest_frame_and_the_count_of_the_others(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.ts", frames=50)
    with served(path, 2.0) as address, Stream(address) as stream:
        frames = watched(stream, 0.3)
        assert stream.dropped > 0
        assert frames[-1].number == 49
        assert len(frames) + stream.dropped == 50
        numbers = [frame.number for frame in frames]
        assert numbers == sorted(set(numbers))
        times = [stream.arrived(number) for number in numbers]
        assert times == sorted(times)
        assert times[-1] - times[0] > 0.5, "it was not read at once and kept in a line"
        assert stream.sound is None


def test_it_is_known_when_each_of_the_last_frames_arrived(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", frames=30)
    with Stream(str(path)) as stream:
        for frame in stream:
            assert 0 <= time.monotonic() - stream.arrived(frame.number) < 5
        with pytest.raises(KeyError):
            stream.arrived(REMEMBERED)


def test_a_file_is_played_at_its_own_pace(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", times=[0.0, 0.1, 0.3, 0.9], sound=True, hear=clicks(0.5))
    start = time.monotonic()
    with Stream(str(path), realtime=True) as stream:
        frames = watched(stream)
        assert frames[-1].seconds == 0.9
        assert time.monotonic() - start > 0.85
        assert heard(sound_of(stream), 0.5) == pytest.approx(0.5, abs=0.001)


def test_a_file_that_holds_sound_and_pictures_apart_is_played_evenly(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "w.ts", frames=75, sound=True, hear=clicks(*PLACES)).read_bytes()
    pieces = [whole[place : place + 188] for place in range(0, len(whole), 188)]
    block = len(pieces) // 5

    def sound_first(piece: bytes) -> bool:
        return int.from_bytes(piece[1:3], "big") & 0x1FFF == 0x100  # the number of the pictures' stream

    path = tmp_path / "v.ts"
    blocks = [sorted(pieces[n : n + block], key=sound_first) for n in range(0, len(pieces), block)]
    path.write_bytes(b"".join(b"".join(pieces) for pieces in blocks))
    with Stream(str(path)) as stream:
        frames = watched(stream)
        assert len(frames) > 40, "pictures that wait for the sound before them come all at once"
        np.testing.assert_array_equal(sound_of(stream).samples, read_sound(path).samples)


KINDS = {
    "plain.mp4": {"frames": 50, "sound": True},
    "plain.ts": {"frames": 50, "sound": True},
    "b.mkv": {"frames": 50, "sound": True, "b_frames": 2},
    "b.ts": {"frames": 50, "sound": True, "b_frames": 2},
    "late.mkv": {"frames": 50, "sound": True, "sound_start": 0.8},
    "variable.mp4": {"times": (0.0, 0.1, 0.15, 0.4, 1.0, 4.5, 4.6), "sound": True, "b_frames": 2},
    "silent.mp4": {"frames": 20},
    "turned.mp4": {"frames": 10, "rotation": 90},
}


@pytest.mark.parametrize("name", KINDS)
def test_without_loss_it_is_the_file_with_its_sound_in_time(tmp_path: Path, name: str) -> None:
    path = make_video(tmp_path / name, **KINDS[name], hear=clicks(*PLACES))
    truth, sound = list(Video(path)), read_sound(path)
    with Stream(str(path), lossless=True) as stream:
        assert (stream.info.width, stream.info.height) == truth[0].image.shape[1::-1]
        frames = []
        for frame in stream:
            frames.append(frame)
            if stream.sound is not None:
                around = frame.seconds - 2, frame.seconds + 0.5
                for mine, other in zip(stream.sound.between(*around), sound.between(*around), strict=True):
                    np.testing.assert_array_equal(mine, other)
        assert stream.dropped == 0
    assert [(frame.number, frame.seconds) for frame in frames] == [(f.number, f.seconds) for f in truth]
    for frame, other in zip(frames, truth, strict=True):
        np.testing.assert_array_equal(frame.image, other.image)


def test_without_loss_reading_waits_for_the_consumer(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.mp4", frames=40, sound=True)
    with Stream(str(path), lossless=True) as stream:
        frames = []
        for frame in stream:
            frames.append(frame.number)
            time.sleep(0.02 if frame.number < 20 else 0)
    assert frames == list(range(40))


def test_sound_that_ends_early_holds_no_frame_back_for_long(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "w.mkv", frames=250, sound=True)
    stop = iter(range(10_000))
    path = remuxed(whole, tmp_path / "v.mkv", lambda packet: packet.stream.type == "video" or next(stop) < 20)
    with Stream(str(path), lossless=True) as stream:
        most = 0
        for _ in stream:
            most = max(most, len(stream._held))
        assert stream.sound is not None
        assert stream.sound.until < 0.5
    assert 0 < most < 110, "four seconds at most"


@pytest.mark.parametrize(
    ("rate", "layout"), [(8_000, "mono"), (44_100, "stereo"), (48_000, "5.1"), (96_000, "mono")]
)
def test_sound_of_any_rate_and_channels_is_where_a_file_has_it(
    tmp_path: Path, rate: int, layout: str
) -> None:
    sound = make_sound(tmp_path / "a.wav", seconds=2.0, rate=rate, layout=layout, hear=clicks(*PLACES))
    path = joined(make_video(tmp_path / "w.mkv", frames=50), sound, tmp_path / "v.mkv")
    with Stream(str(path), lossless=True) as stream:
        watched(stream)
        live = sound_of(stream)
    np.testing.assert_array_equal(live.samples, read_sound(path).samples)
    for place in PLACES:
        assert heard(live, place) == pytest.approx(place, abs=0.001)


def joined(video: Path, sound: Path, path: Path) -> Path:
    """Return `path`, now a file with the pictures of one and the sound of another."""
    with av.open(str(video)) as seen, av.open(str(sound)) as spoken, av.open(str(path), "w") as out:
        streams = {"video": out.add_stream_from_template(seen.streams.video[0])}
        streams["audio"] = out.add_stream_from_template(spoken.streams.audio[0])
        packets = [packet for source in (seen, spoken) for packet in source.demux() if packet.size]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            packet.stream = streams[packet.stream.type]
            out.mux(packet)
    return path


@pytest.mark.parametrize("ending", [False, True])
def test_sound_that_starts_late_or_stops_stays_in_its_place(tmp_path: Path, ending: bool) -> None:
    whole = make_video(tmp_path / "w.mkv", frames=50, sound=True, hear=clicks(*PLACES))
    part: Callable[[float], bool] = (lambda s: s < 0.9) if ending else (lambda s: s > 0.9)
    path = remuxed(
        whole,
        tmp_path / "v.ts",
        lambda packet: packet.stream.type == "video" or part(float(packet.pts * packet.time_base)),
    )
    with served(path, 2.0) as address, Stream(address) as stream:
        watched(stream)
        live = sound_of(stream)
    np.testing.assert_array_equal(live.samples, read_sound(path).samples)
    assert live.known.tolist() == read_sound(path).known.tolist()
    zero = next(iter(Video(path))).seconds
    place = PLACES[not ending]
    assert heard(live, place, zero) == pytest.approx(place, abs=0.002)


def test_damaged_packets_are_passed_over(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.ts", frames=100, sound=True)
    data = bytearray(path.read_bytes())
    chance = np.random.default_rng(0)
    for place in chance.integers(len(data) // 4, len(data), 40):
        data[place] ^= 0xFF
    path.write_bytes(data)
    with served(path, 1.0) as address, Stream(address) as stream:
        assert len(watched(stream)) + stream.dropped > 60


def passed(moments: list[tuple[float, float, bool]]) -> list[float]:
    """Return when packets are passed over, of (when it comes, when it is due, whether it is a key frame)."""
    lag = Lag()
    return [now for now, due, key in moments if lag.passes(due, key, now)]


def test_punctual_unsteady_and_interrupted_streams_lose_nothing() -> None:
    chance = np.random.default_rng(0)
    steady = [(100 + n / 25 + chance.uniform(0, 0.3), n / 25, n == 0) for n in range(5000)]
    assert passed(steady) == []
    drifting = [(100 + n / 25 * 1.001, n / 25, n == 0) for n in range(250_000)]
    assert passed(drifting) == []
    held = [(max(n / 25, 9.0 + n / 1000) if n > 100 else n / 25, n / 25, n == 0) for n in range(500)]
    assert passed(held) == [], "five seconds that come at once are made up for"
    set_back = [(n / 25, n / 25 % 30, n == 0) for n in range(2000)]
    assert passed(set_back) == []


def test_where_decoding_takes_too_long_frames_are_passed_over_up_to_a_key_frame() -> None:
    lag, now, late, passing = Lag(), 0.0, [], []
    for number in range(5000):
        due, key = number / 25, number % 50 == 0
        now = max(now, due)
        late.append(now - due)
        passing.append(lag.passes(due, key, now))
        now += 0.0005 if passing[-1] else 0.05
    assert max(late) < 3
    assert 0.1 < np.mean(passing) < 0.6
    first = [n for n in range(1, 5000) if passing[n - 1] and not passing[n]]
    assert first
    assert all(number % 50 == 0 for number in first)


def test_a_stream_that_comes_later_from_now_on_is_shown_again_soon() -> None:
    moments = [(n / 25 + (0.8 if n > 500 else 0), n / 25, n % 50 == 0) for n in range(3000)]
    lost = passed(moments)
    assert 0 < len(lost) < 25 * 6
    endless = [(now, due, False) for now, due, _ in moments]
    assert len(passed(endless)) < 25 * 12


def test_a_clock_that_is_set_back_is_no_lag() -> None:
    assert passed([(n / 25, n / 25 - (5 if n > 500 else 0), n % 50 == 0) for n in range(2000)]) == []


def test_sound_that_begins_unannounced_ends_nothing(tmp_path: Path) -> None:
    silent = make_video(tmp_path / "a.ts", frames=75).read_bytes()
    loud = make_video(tmp_path / "b.ts", frames=25, sound=True).read_bytes()
    path = tmp_path / "v.ts"
    path.write_bytes(silent + loud)
    with served(path, 2.0) as address, Stream(address) as stream:
        assert stream.sound is None
        assert len(watched(stream)) + stream.dropped > 90


@pytest.mark.parametrize("before", [0.0, 100.0])
def test_a_file_whose_clock_jumps_is_played_on(tmp_path: Path, before: float) -> None:
    pieces = [
        make_video(tmp_path / f"{start}.ts", times=[start + n / 25 for n in range(25)]).read_bytes()
        for start in (before, 50.0)
    ]
    path = tmp_path / "v.ts"
    path.write_bytes(b"".join(pieces))
    start = time.monotonic()
    with Stream(str(path)) as stream:
        assert len(watched(stream)) + stream.dropped > 45
    assert time.monotonic() - start < 10


def test_a_file_that_begins_late_is_played_at_once(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "3"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 9 * number, np.uint8))
            frame.pts, frame.time_base = 25 * 1000 + number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with Stream(str(path), patience=1.5) as stream:
        frames = watched(stream)
    assert len(frames) + stream.dropped == 25
    assert frames[-1].seconds == pytest.approx(1000.96, abs=0.05)


class Tardy(Live):
    """Its only frame comes late."""

    def _read(self) -> None:
        time.sleep(0.2)
        self._put(Arrival(0, 0.0, time.monotonic(), lambda: np.zeros((4, 4, 3), np.uint8)))


def test_a_camera_is_waited_for_as_long_as_it_takes() -> None:
    with Tardy("tardy") as source:
        source._start(math.inf)
        assert [frame.number for frame in source] == [0]


def test_leaving_stops_reading(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.ts", frames=50)
    with served(path, 0.5, ends=False) as address, Stream(address) as stream:
        assert next(iter(stream)).number >= 0
    assert list(stream) == []


def test_a_stream_that_falls_silent_is_named(tmp_path: Path) -> None:
    path = make_video(tmp_path / "v.ts", frames=50)
    said = r"tcp://127\.0\.0\.1:\d+: no answer within 1 s after \d+ frames"
    with served(path, 0.5, ends=False) as address, Stream(address, patience=1) as stream:  # noqa: SIM117
        with pytest.raises(MediaError, match=said):
            watched(stream)


def test_nobody_there_and_no_answer_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(MediaError, match=r"no answer within 0\.5 s"):
            Stream(address, patience=0.5)
    with pytest.raises(MediaError, match=r"cannot be opened .*refused"):
        Stream(address)


def test_what_is_no_stream_is_refused(tmp_path: Path) -> None:
    cases = {
        "gopher://127.0.0.1/x": "expected http://, .* or a file",
        "file:///etc/passwd": "expected http://",
        "concat://a|b": "expected http://",
        str(tmp_path / "missing.mp4"): "no such file",
        str(make_sound(tmp_path / "a.wav")): "holds no video",
    }
    for address, reason in cases.items():
        with pytest.raises(MediaError, match=reason):
            Stream(address)
    with pytest.raises(MediaError, match="expected a file"):
        Stream("tcp://127.0.0.1:9", lossless=True)
    with pytest.raises(MediaError, match="an address that cannot be read"):
        Stream("rtsp://[::1/x")


def test_secrets_in_an_address_are_not_shown() -> None:
    assert told("rtsp://me:secret@camera.local:554/one?token=abc") == "rtsp://camera.local:554/one"
    assert told("/home/me/talk.mp4") == "talk.mp4"
    with pytest.raises(MediaError) as caught:
        Stream("tcp://me:secret@127.0.0.1:9/x?token=abc")
    assert "secret" not in str(caught.value)
    assert "abc" not in str(caught.value)
