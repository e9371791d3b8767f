"""Preparing what is not as it should be: unreadable media, unclear rows, places that cannot be written."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from mien.databases import DATABASES
from mien.databases.findings import Findings
from mien.errors import DatabaseError, MediaError, MienError, OutputError
from mien.faces.detection import Mtcnn
from mien.inputs import Preprocessing
from mien.preparation.prepared import Prepared
from mien.preparation.run import Options, prepare
from mien.preparation.work import Job, Maker, pieces
from mien.testing.databases.made import write_face, write_lines
from mien.testing.media import make_video

COLOUR = Preprocessing(size=48, colour="rgb")
QUIET = Options(quiet=True)
SKIP = Options(skip=True, quiet=True)


def own(folder: Path, header: str, rows: Sequence[str]) -> Path:
    """A table of one's own."""
    folder.mkdir(parents=True, exist_ok=True)
    write_lines(folder / "manifest.csv", [header, *rows])
    return folder


def stills(folder: Path, count: int = 4) -> Path:
    """A table of single pictures p0.png, p1.png, ..."""
    rng = np.random.default_rng(0)
    for number in range(count):
        write_face(folder / f"p{number}.png", rng)
    return own(folder, "path,expression", [f"p{number}.png,fear" for number in range(count)])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_one_unreadable_picture_costs_its_own_row_only(tmp_path: Path) -> None:
    folder = stills(tmp_path / "own")
    (folder / "p1.png").write_bytes(b"no picture")
    (folder / "p3.png").write_bytes(b"")
    with pytest.raises(MediaError, match=r"p1\.png"):
        prepare("table", folder, tmp_path / "out", COLOUR, QUIET)
    shutil.rmtree(tmp_path / ".out.preparing")
    manifest = prepare("table", folder, tmp_path / "out", COLOUR, SKIP)
    assert Prepared.open(tmp_path / "out").index.columns["picture"].tolist() == [1, 0, 1, 0]
    assert [problem.split(":")[0] for problem in manifest["problems"]] == [
        str(folder / "p1.png"),
        str(folder / "p3.png"),
    ]


@pytest.mark.parametrize("clip", [False, True])
def test_one_unreadable_numbered_picture_costs_its_own_row_only(tmp_path: Path, clip: bool) -> None:
    rng = np.random.default_rng(0)
    for number in range(3):
        write_face(tmp_path / "own" / "v" / f"{number}.png", rng)
    (tmp_path / "own" / "v" / "1.png").write_bytes(b"no picture")
    rows = ["v,,1,fear"] if clip else [f"v,{frame},1,fear" for frame in range(3)]
    folder = own(tmp_path / "own", "path,frame,cropped,expression", rows)
    manifest = prepare("table", folder, tmp_path / "out", COLOUR, SKIP)
    index = Prepared.open(tmp_path / "out").index
    assert index.frame.tolist() == [0, 1, 2]
    assert index.columns["picture"].tolist() == [1, 0, 1]
    assert len(manifest["problems"]) == 1


def test_a_picture_taken_as_aligned_that_is_not_is_named(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    for name, height in (("a.png", 40), ("b.png", 50)):
        cv2.imwrite(str(tmp_path / "own" / name), np.full((height, 40, 3), 99, np.uint8))
    folder = own(tmp_path / "own", "path,cropped,expression", ["a.png,1,fear", "b.png,1,fear"])
    with pytest.raises(DatabaseError, match=r"own/b\.png: a picture of 40 x 50 is not aligned"):
        prepare("table", folder, tmp_path / "out", COLOUR, Options(given=True, quiet=True))
    prepare("table", folder, tmp_path / "out2", COLOUR, Options(given=True, skip=True, quiet=True))
    assert Prepared.open(tmp_path / "out2").index.columns["picture"].tolist() == [1, 0]


def test_media_that_vanish_after_reading_are_named(tmp_path: Path) -> None:
    write_face(tmp_path / "own" / "v" / "0.png", np.random.default_rng(0))
    make_video(tmp_path / "own" / "v.mp4", frames=3)
    rows = ["v,0,v.mp4,fear", "v.mp4,1,,fear"]
    folder = own(tmp_path / "own", "path,frame,sound,expression", rows)
    index = DATABASES["table"].read(folder, Findings())
    shutil.rmtree(folder / "v")
    (folder / "v.mp4").rename(folder / "other.mp4")
    job = Job("table", folder, COLOUR, Mtcnn, False, 0, False, 1)
    for piece in pieces(index, own=False):
        with pytest.raises(MediaError, match=rf"own/{piece.media}: no such"):
            Maker(job).make(piece, index[piece.first : piece.last])


def test_frames_behind_a_damaged_one_keep_number_and_time(tmp_path: Path) -> None:
    def noise(number: int) -> np.ndarray:
        return np.random.default_rng(number).integers(0, 255, (48, 64, 3), np.uint8)

    folder = own(tmp_path / "own", "path,expression", ["v.mp4,fear"])
    path = make_video(folder / "v.mp4", frames=60, draw=noise)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    index = DATABASES["table"].read(folder, Findings())
    made = Maker(Job("table", folder, COLOUR, Mtcnn, False, 0, False, 1)).make(
        pieces(index, own=False)[0], index
    )
    assert made["frames"].tolist() == list(range(60))
    assert made["found"].sum() == 0
    np.testing.assert_allclose(made["seconds"], made["frames"] / 25, atol=1e-3)


def test_a_face_that_no_one_can_tell_is_refused_before_the_work(tmp_path: Path) -> None:
    folder = stills(tmp_path / "own", 1)
    own(folder, "path,face,expression", ["p0.png,anna,fear"])
    with pytest.raises(DatabaseError, match=r"own, p0\.png \(anna\), frame 0: which face is that"):
        prepare("table", folder, tmp_path / "out", COLOUR, QUIET)
    assert os.listdir(tmp_path) == ["own"]
    own(folder, "path,face,box_x,box_y,box_w,box_h,expression", ["p0.png,anna,5,5,60,60,fear"])
    prepare("table", folder, tmp_path / "out", COLOUR, QUIET)


def test_a_column_that_preparing_adds_is_not_overwritten(tmp_path: Path) -> None:
    folder = stills(tmp_path / "own", 1)
    own(folder, "path,picture,expression", ["p0.png,77,fear"])
    with pytest.raises(DatabaseError, match="adds a column picture itself; call yours otherwise"):
        prepare("table", folder, tmp_path / "out", COLOUR, QUIET)


def test_nothing_to_prepare_is_refused(tmp_path: Path) -> None:
    for rows in ([], ["gone.png,fear", "lost.png,fear"]):
        folder = own(tmp_path / "own", "path,expression", rows)
        with pytest.raises(DatabaseError, match=f"none of {len(rows)} rows has a picture or sound"):
            prepare("table", folder, tmp_path / "out", COLOUR, QUIET)
        assert os.listdir(tmp_path) == ["own"]


def test_killed_while_clearing_away_it_only_clears_away(tmp_path: Path) -> None:
    folder = stills(tmp_path / "own")
    manifest = prepare("table", folder, tmp_path / "out", COLOUR, QUIET)
    before = contents(tmp_path / "out")
    work = tmp_path / ".out.preparing"
    (work / "pieces").mkdir(parents=True)
    assert prepare("table", folder, tmp_path / "out", COLOUR, QUIET) == manifest
    assert not work.exists()
    assert contents(tmp_path / "out") == before
    with pytest.raises(OutputError, match="exists already"):
        prepare("table", folder, tmp_path / "out", COLOUR, QUIET)
    work.mkdir()
    with pytest.raises(OutputError, match="exists already"):
        prepare("table", folder, tmp_path / "out", COLOUR, Options(quality=50, quiet=True))
    assert contents(tmp_path / "out") == before


def test_what_was_put_there_meanwhile_is_not_touched(tmp_path: Path) -> None:
    folder = stills(tmp_path / "own", 1)

    def detector() -> Mtcnn:
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / "theirs").write_text("x")
        return Mtcnn()

    with pytest.raises(OutputError, match="exists already"):
        prepare("table", folder, tmp_path / "out", COLOUR, Options(detector=detector, quiet=True))
    assert os.listdir(tmp_path / "out") == ["theirs"]


def test_a_result_takes_the_place_of_an_empty_folder_behind_a_link(tmp_path: Path) -> None:
    folder = stills(tmp_path / "own", 1)
    (tmp_path / "disk" / "empty").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "empty")
    prepare("table", folder, tmp_path / "link", COLOUR, QUIET)
    assert len(Prepared.open(tmp_path / "link").crops) == 1
    assert os.listdir(tmp_path / "disk") == ["empty"]


def test_the_current_folder_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stills(tmp_path / "own", 1)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for out in (Path("."), Path("../here")):
        with pytest.raises(OutputError, match="choose a new folder in it"):
            prepare("table", folder, out, COLOUR, QUIET)
    assert sorted(os.listdir(tmp_path)) == ["here", "own"]
    prepare("table", folder, Path("new"), COLOUR, QUIET)


def test_a_damaged_piece_is_named(tmp_path: Path) -> None:
    folder = stills(tmp_path / "own", 2)
    (folder / "p1.png").write_bytes(b"")
    work = tmp_path / ".out.preparing" / "pieces"
    work.mkdir(parents=True)
    (work / "000000.npz").write_bytes(b"")
    with pytest.raises(MienError, match=r"000000\.npz: is damaged; remove it and give the same command"):
        prepare("table", folder, tmp_path / "out", COLOUR, QUIET)
    assert json.loads((work.parent / "settings.json").read_text())["rows"] == 2
