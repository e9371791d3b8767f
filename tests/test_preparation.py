"""Preparing: what is packed, in which order, by how many processes and after how many crashes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.databases import DATABASES
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.errors import DatabaseError, OutputError, SettingsError
from mien.faces.alignment import template
from mien.faces.detection import Faces, Mtcnn, in_crop
from mien.inputs import Preprocessing
from mien.media.audio import RATE
from mien.media.video import Video
from mien.preparation.finding import LANDMARKS, Wanted, choose
from mien.preparation.prepared import MARGIN, Prepared
from mien.preparation.run import Options, prepare
from mien.preparation.work import CHUNK, Job, Maker, pieces
from mien.records import Labels, one_hot
from mien.tasks import EXPRESSION_7
from mien.testing.databases import MAKERS
from mien.testing.databases.fer2013 import make_fer2013
from mien.testing.media import make_video

SMALL = Preprocessing(size=32, zoom=1.15, centre=0.575)
COLOUR = Preprocessing(size=48, colour="rgb")
QUIET = Options(quiet=True)


def labels(rows: int) -> Labels:
    return Labels.of({EXPRESSION_7: one_hot(EXPRESSION_7, EXPRESSION_7.labels, [k % 7 for k in range(rows)])})


def maker(folder: Path, given: bool = False, quality: int = 0, skip: bool = False) -> Maker:
    return Maker(Job("fer2013", folder, COLOUR, Mtcnn, given, quality, skip, 1))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_landmarks_that_a_table_gives_are_taken_and_others_looked_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (80, 90, 3), dtype=np.uint8) for _ in range(2)]
    given = np.array([[30, 30], [55, 33], [43, 45], [32, 60], [52, 62]], np.float32)
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    lines = [
        ",".join(("path", *LANDMARKS, "valence")),
        ",".join(("0.png", *(f"{value}" for value in given.ravel()), "0.5")),
        ",".join(("1.png", *(f"{value}" for value in given.ravel()[:9]), "", "0.5")),
    ]
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    manifest = prepare("table", tmp_path, tmp_path / "out", SMALL, Options(quality=0, quiet=True))
    data = Prepared.open(tmp_path / "out")
    assert data.index.columns["face_found"].tolist() == [1, 0], "there is no face in noise"
    assert (data.crops[[0]][0] == data.preprocessing.crop(pictures[0], given)).all()
    assert manifest["aligned"] == "by the detector's landmarks"


def test_every_row_gets_its_own_picture_and_the_manifest_counts(tmp_path: Path) -> None:
    made = make_fer2013(tmp_path / "fer")
    manifest = prepare("fer2013", made.folder, tmp_path / "out", SMALL, Options(quality=0, quiet=True))
    data = Prepared.open(tmp_path / "out")
    assert data.preprocessing.size == SMALL.size + 2 * MARGIN
    assert len(data.index) == len(made.rows) == len(data.crops)
    assert manifest["counts"]["rows"] == 120
    assert manifest["counts"]["picture"] == 120
    assert manifest["counts"]["seen_in_training"] == data.index.columns["seen_in_training"].sum() == 1
    index = DATABASES["fer2013"].read(made.folder, Findings())
    read = DATABASES["fer2013"].pictures
    assert read is not None
    frames = np.array([0, 61, 119])
    for row, picture in read(made.folder, "fer2013.csv", frames):
        expected = data.preprocessing.crop(picture, in_crop(Mtcnn(), picture)[0])
        np.testing.assert_array_equal(data.crops[[row]][0], expected)
    assert data.index.video.text() == index.video.text()
    assert data.index.labels.values.keys() == index.labels.values.keys()
    files = set(manifest["sha256"])
    assert files == {"crops.bin", "crops.npy", "index.parquet"}


def test_any_rows_are_read_in_any_order(tmp_path: Path) -> None:
    made = make_fer2013(tmp_path / "fer", train=6, validation=3, test=3)
    prepare("fer2013", made.folder, tmp_path / "out", SMALL, QUIET)
    crops = Prepared.open(tmp_path / "out").crops
    whole = crops[:]
    assert whole.shape == (12, 48, 48)
    assert len({crop.tobytes() for crop in whole}) == 11, "one picture stands in two parts"
    for rows in ([3, 1, 11], np.array([5]), slice(2, 9, 3), np.arange(12) % 2 == 0):
        np.testing.assert_array_equal(crops[rows], whole[rows])
    assert crops[[]].shape == (0, 48, 48)


def test_same_bytes_by_one_process_and_by_two(tmp_path: Path) -> None:
    made = make_fer2013(tmp_path / "fer", train=CHUNK + 5, validation=3, test=3)
    for workers in (1, 2):
        options = Options(workers=workers, quiet=True)
        prepare("fer2013", made.folder, tmp_path / f"out{workers}", SMALL, options)
    assert contents(tmp_path / "out1") == contents(tmp_path / "out2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fer", "out1", "out2"]


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_it_goes_on_to_the_same_bytes(tmp_path: Path, workers: int) -> None:
    made = make_fer2013(tmp_path / "fer", train=2 * CHUNK + 5, validation=3, test=3)
    command = [
        *(str(Path(sys.executable).parent / "mien"), "prepare", "fer2013", str(made.folder)),
        *("-o", "OUT", "--size", "32", "--colour", "grey", "--workers", str(workers), "-q"),
    ]
    work = tmp_path / ".killed.preparing"
    killed = [str(tmp_path / "killed") if part == "OUT" else part for part in command]
    process = subprocess.Popen(killed, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(work.glob("pieces/*.npz")):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    kept = {path.name: path.stat().st_mtime_ns for path in work.glob("pieces/*.npz")}
    assert 0 < len(kept) < 3
    assert not (tmp_path / "killed").exists()
    children_gone(process.pid)
    subprocess.run(killed, check=True, timeout=120)
    subprocess.run([str(tmp_path / "whole") if p == "OUT" else p for p in command], check=True, timeout=120)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert not work.exists()


def children_gone(session: int) -> None:
    """Wait until no process of a session is left: workers end with their parent."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        living = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                living.append(stat.parent.name)
        if not living:
            return
        time.sleep(0.05)
    pytest.fail(f"worker processes outlived their parent: {living}")


def test_another_process_in_the_same_place_is_refused(tmp_path: Path) -> None:
    made = make_fer2013(tmp_path / "fer", train=6, validation=3, test=3)
    work = tmp_path / ".out.preparing"
    work.mkdir()
    code = (
        f"import fcntl, time; f = open({str(work / 'lock')!r}, 'w'); fcntl.flock(f, fcntl.LOCK_EX); "
        "print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(OutputError, match="another process is preparing"):
        prepare("fer2013", made.folder, tmp_path / "out", SMALL, QUIET)
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    prepare("fer2013", made.folder, tmp_path / "out", SMALL, QUIET)


def test_half_done_work_with_other_settings_is_refused(tmp_path: Path) -> None:
    made = make_fer2013(tmp_path / "fer", train=6, validation=3, test=3)
    stopped = tmp_path / "fer2"
    shutil.copytree(made.folder, stopped)
    text = (stopped / "fer2013.csv").read_text().splitlines()
    fields = text[3].split(",")
    (tmp_path / "fer" / "fer2013.csv").write_text("\n".join([*text[:3], ",".join(fields), *text[4:]]))

    class Broken(Mtcnn):
        def follow(self, image: np.ndarray, boxes: np.ndarray) -> Faces:
            raise DatabaseError("stop here")

    with pytest.raises(DatabaseError, match="stop here"):
        prepare("fer2013", made.folder, tmp_path / "out", SMALL, Options(detector=Broken, quiet=True))
    with pytest.raises(SettingsError, match="begun with other settings"):
        prepare("fer2013", made.folder, tmp_path / "out", SMALL, Options(quality=50, quiet=True))
    prepare("fer2013", made.folder, tmp_path / "out", SMALL, QUIET)


def test_damaged_or_incomplete_folders_are_refused(tmp_path: Path) -> None:
    made = make_fer2013(tmp_path / "fer", train=6, validation=3, test=3)
    out = tmp_path / "out"
    prepare("fer2013", made.folder, out, SMALL, QUIET)
    with pytest.raises(OutputError, match="exists already"):
        prepare("fer2013", made.folder, out, SMALL, QUIET)
    data = (out / "crops.bin").read_bytes()
    (out / "crops.bin").write_bytes(data[:-1])
    with pytest.raises(DatabaseError, match=r"crops\.bin holds"):
        Prepared.open(out)
    (out / "crops.bin").write_bytes(bytes(len(data)))
    with pytest.raises(DatabaseError, match="crop 2 is damaged"):
        Prepared.open(out).crops[[2]]
    for name in ("crops.npy", "index.parquet", "manifest.json", "crops.bin"):
        shutil.copytree(out, tmp_path / name)
        (tmp_path / name / name).unlink()
        with pytest.raises(DatabaseError, match="not a complete prepared database"):
            Prepared.open(tmp_path / name)
    old = json.loads((out / "manifest.json").read_text()) | {"format": 1}
    (out / "manifest.json").write_text(json.dumps(old))
    with pytest.raises(DatabaseError, match="format 1, this mien reads 2: prepare it again"):
        Prepared.open(out)


def test_pieces_cover_each_row_with_media_once() -> None:
    media = [*["a.jpg"] * 3, "b.PNG", *["v.mp4"] * 4, "", "", *["folder"] * 2, "v.mp4"]
    index = Index.of(
        "x", labels(len(media)), split="", video=[str(k) for k in range(len(media))], media=media
    )
    assert [(p.kind, p.media, p.first, p.last) for p in pieces(index, own=False)] == [
        ("stills", "", 0, 4),
        ("video", "v.mp4", 4, 8),
        ("folder", "folder", 10, 12),
        ("video", "v.mp4", 12, 13),
    ]
    many = Index.of("x", labels(2 * CHUNK + 1), split="", video="", media="table.csv")
    assert [(p.kind, p.last - p.first) for p in pieces(many, own=True)] == [
        ("table", CHUNK),
        ("table", CHUNK),
        ("table", 1),
    ]


def test_faces_of_a_video_by_side_with_its_times(sample: Path) -> None:
    """The last shot of the sample shows two people; the first shows one, the second none."""
    with Video(sample) as video:
        frames = list(video)
    rows = list(range(len(frames)))
    index = Index.of(
        "x",
        labels(2 * len(rows)),
        split="",
        video="v",
        media=sample.name,
        face=["left"] * len(rows) + ["right"] * len(rows),
        frame=rows + rows,
    )
    made = maker(sample.parent).make(pieces(index, own=False)[0], index)
    left, right = made["found"][: len(rows)], made["found"][len(rows) :]
    both = left & right
    assert both[-20:].all()
    assert not (left | right).all()
    np.testing.assert_allclose(made["seconds"][: len(rows)], [frame.seconds for frame in frames])
    ends = np.cumsum(made["sizes"])
    assert (made["sizes"] > 0).tolist() == made["found"].tolist()
    data = made["data"].tobytes()
    pair = []
    for row in (len(rows) - 1, 2 * len(rows) - 1):
        crop = cv2.imdecode(np.frombuffer(data[ends[row] - made["sizes"][row] : ends[row]], np.uint8), -1)
        assert crop.shape == (48, 48, 3)
        pair.append(crop.astype(int))
    assert np.abs(pair[0] - pair[1]).mean() > 10, "two people, two crops"


def test_each_frame_meets_the_row_nearest_in_time(sample: Path) -> None:
    with Video(sample) as video:
        times = np.array([frame.seconds for frame in video])
    fine = np.arange(-0.1, times[-1] + 0.2, 0.01)
    index = Index.of(
        *("x", labels(len(fine))),
        split="",
        video="v",
        media=sample.name,
        seconds=fine,
        frame=range(len(fine)),
        unit="time",
    )
    made = maker(sample.parent).make(pieces(index, own=False)[0], index)
    inside = np.isin(made["rows"], np.flatnonzero((fine > -0.02) & (fine < times[-1] + 0.02)))
    assert made["frames"][inside].tolist() == list(range(len(times))), "finer labels: one row a frame"
    np.testing.assert_allclose(made["seconds"][inside], times)
    assert np.abs(fine[made["rows"][inside]] - times).max() <= 0.0051
    assert not made["sizes"][~inside].any()
    assert len(made["rows"]) > len(times)
    coarse = index[np.flatnonzero(np.abs(fine - np.round(fine)) < 0.004)]
    made = maker(sample.parent).make(pieces(coarse, own=False)[0], coarse)
    met = made["seconds"][made["sizes"] > 0]
    assert 0 < len(met) <= len(coarse), "coarser labels: the frames between have none"
    assert np.abs(met - np.round(met)).max() < 0.03


def test_a_whole_clip_meets_every_frame(sample: Path) -> None:
    with Video(sample) as video:
        count = sum(1 for _ in video)
    clip = Index.of("x", labels(1), split="", video="v", media=sample.name, unit="clip")
    made = maker(sample.parent).make(pieces(clip, own=False)[0], clip)
    assert made["frames"].tolist() == list(range(count))
    assert set(made["rows"].tolist()) == {0}


def test_single_pictures_of_one_video_keep_their_frames(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((20, 20, 3), np.uint8))
    index = Index.of(
        "x", labels(3), split="", video="v", media=["a.png", "b.png", "c.png"], frame=[4, 5, 6], cropped=True
    )
    made = maker(tmp_path, given=True).make(pieces(index, own=False)[0], index)
    assert made["frames"].tolist() == [4, 5, 6]


def test_numbered_pictures_and_aligned_ones_as_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder = tmp_path / "crops" / "v"
    folder.mkdir(parents=True)
    pictures = {}
    for number, name in ((1, "00001.JPG"), (2, "2.png"), (4, "00004.png")):
        pictures[number] = cv2.resize(rng.integers(0, 255, (14, 14, 3), np.uint8), (112, 112))
        cv2.imwrite(str(folder / name), pictures[number])
    index = Index.of(
        *("x", labels(4)), split="", video="v", media="v", frame=[0, 1, 2, 3], cropped=True, numbering=1
    )
    made = maker(folder.parent, given=True).make(pieces(index, own=False)[0], index)
    assert made["found"].tolist() == [True, True, False, True]
    ends = np.cumsum(made["sizes"])
    last = cv2.imdecode(made["data"][ends[3] - made["sizes"][3] : ends[3]], -1)
    np.testing.assert_array_equal(last, COLOUR.crop(pictures[4], template(112, 1.0)))
    clip = Index.of(*("x", labels(1)), split="", video="v", media="v", unit="clip", cropped=True, numbering=1)
    made = maker(folder.parent, given=True).make(pieces(clip, own=False)[0], clip)
    assert made["frames"].tolist() == [0, 1, 3]


def test_unreadable_media_end_the_work_unless_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    index = Index.of("x", labels(1), split="", video="a", media="a.jpg")
    piece = pieces(index, own=False)[0]
    with pytest.raises(Exception, match=r"a\.jpg"):
        maker(tmp_path).make(piece, index)
    made = maker(tmp_path, skip=True).make(piece, index)
    assert "a.jpg" in str(made["problems"][0])
    assert made["sizes"].tolist() == [0]


def faces(*lefts: float, size: float = 40) -> Faces:
    boxes = np.array([[x, 10, size + k, size + k] for k, x in enumerate(lefts)], np.float32)
    return Faces(boxes, np.zeros((len(lefts), 5, 2), np.float32), np.ones(len(lefts), np.float32))


@pytest.mark.parametrize(
    ("found", "face", "box", "place"),
    [
        (faces(100, 10), "left", None, 1),
        (faces(100, 10), "right", None, 0),
        (faces(100, 10), "", None, 1),  # the second is a little larger
        (faces(10), "left", None, 0),
        (faces(10), "right", None, None),
        (faces(250), "right", None, 0),
        (Faces.none(), "", None, None),
        (faces(100, 10), "anna", (98, 12, 40, 40), 0),
        (faces(100, 10), "anna", (200, 12, 40, 40), None),
    ],
)
def test_which_face_is_meant(found: Faces, face: str, box: tuple | None, place: int | None) -> None:
    wanted = Wanted(face, np.array(box if box else [np.nan] * 4))
    assert choose(found, wanted, 300) == place


def test_a_face_of_no_side_needs_a_box() -> None:
    with pytest.raises(DatabaseError, match="anna"):
        choose(faces(1), Wanted("anna", np.full(4, np.nan)), 300)


def test_clips_are_consecutive_frames_of_one_face_with_pictures(tmp_path: Path) -> None:
    made = make_fer2013(tmp_path / "fer", train=30, validation=3, test=3)
    prepare("fer2013", made.folder, tmp_path / "out", SMALL, QUIET)
    data = Prepared.open(tmp_path / "out")
    video = ["a"] * 12 + ["b"] * 12 + ["c"] * 12
    frames = [*range(12), *range(6), *range(8, 14), *range(12)]
    picture = np.ones(36, np.int8)
    picture[30] = 0
    index = Index.of(
        *("x", data.index.labels), split="", video=video, media="", frame=frames, columns={"picture": picture}
    )
    clips = Prepared(index, data.crops, data.sounds, data.preprocessing, {}).clips(6, 3)
    assert clips[:, 0].tolist() == [0, 3, 6, 12, 18, 24]
    assert (np.diff(clips, axis=1) == 1).all()


def test_sound_lies_on_the_clock_of_the_frames(tmp_path: Path) -> None:
    folder = tmp_path / "own"
    make_video(folder_of(folder) / "talk.mp4", frames=50, rate=25, sound=True, sound_start=0.5)
    make_video(folder / "mute.mp4", frames=10, rate=25)
    (folder / "manifest.csv").write_text(
        "path,sound,expression,split\ntalk.mp4,talk.mp4,neutral,train\nmute.mp4,,neutral,train\n"
    )
    prepare("table", folder, tmp_path / "out", COLOUR, QUIET)
    data = Prepared.open(tmp_path / "out")
    assert data.index.media.counts() == {"talk.mp4": 50, "mute.mp4": 10}
    np.testing.assert_allclose(data.index.seconds[:50], np.arange(50) / 25, atol=1e-3)
    samples, known = data.sounds.between("talk.mp4", 0.0, 2.0)
    assert samples.shape == known.shape == (2 * RATE,)
    assert not known[: int(0.45 * RATE)].any()
    assert known[int(0.55 * RATE) : int(1.9 * RATE)].all()
    assert np.abs(samples[int(0.6 * RATE) : RATE]).max() > 0.01
    np.testing.assert_array_equal(data.sounds.between("talk.mp4", 0.7, 0.9)[0], samples[11200:14400])
    before = data.sounds.between("talk.mp4", -1.0, 0.1)
    assert before[0].shape == (round(1.1 * RATE),)
    assert not before[1].any()
    assert not data.sounds.between("mute.mp4", 0, 1)[1].any()


def folder_of(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def test_without_sound_nothing_of_it_is_kept(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "own")
    make_video(folder / "talk.mp4", frames=5, sound=True)
    (folder / "manifest.csv").write_text("path,sound,expression\ntalk.mp4,talk.mp4,neutral\n")
    prepare("table", folder, tmp_path / "out", COLOUR, Options(sound=False, quiet=True))
    assert "sound.bin" not in os.listdir(tmp_path / "out")
    assert "talk.mp4" not in Prepared.open(tmp_path / "out").sounds


@pytest.mark.parametrize("release", MAKERS)
def test_every_made_database_is_prepared(release: str, tmp_path: Path) -> None:
    """Each way in which databases keep their pictures leads to crops; made faces are not always found."""
    name = MAKERS[release][0]
    made = MAKERS[release][1](tmp_path / "made")
    index = DATABASES[name].read(made.folder, Findings())
    given = index.cropped
    manifest = prepare(
        name, made.folder, tmp_path / "out", COLOUR, Options(given=given, skip=True, quiet=True)
    )
    data = Prepared.open(tmp_path / "out")
    assert index.unit == "time" or len(data.index) >= len(made.rows), "labels may be finer than frames"
    assert set(data.index.video.text()) == {row.video for row in made.rows}
    assert manifest["counts"]["picture"] == data.index.columns["picture"].sum()
    with_picture = np.flatnonzero(data.index.columns["picture"])
    if given:
        assert len(with_picture)
    assert data.crops[with_picture[:50]].any(axis=(1, 2, 3)).all()
    without = np.flatnonzero(data.index.columns["picture"] == 0)
    assert not data.crops[without[:50]].any()
    assert manifest["sound_files"] == len([f for f in data.index.sound.counts() if f])
