"""The commands as people run them: real processes, real files, good and bad."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from assemblies import bundled, made, small

from mien.testing.media import make_sound, make_video

MIEN = Path(sys.executable).parent / "mien"
SAMPLE = Path(__file__).parent.parent / "src" / "mien" / "samples" / "portraits.mp4"


def mien(*arguments: str | Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run the command; return what it did."""
    command = [str(MIEN), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **settings)  # type: ignore[call-overload, no-any-return]


def leftovers(folder: Path) -> list[str]:
    """Return what lies in a folder, hidden names too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A still with a face: a frame of the sample video."""
    path = tmp_path_factory.mktemp("still") / "face.png"
    capture = cv2.VideoCapture(str(SAMPLE))
    _, image = capture.read()
    cv2.imwrite(str(path), image)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of video without faces."""
    return make_video(tmp_path_factory.mktemp("clip") / "clip.mp4", frames=25)


def test_a_video_gives_a_complete_result(tmp_path: Path) -> None:
    done = mien("analyze", SAMPLE, "-o", tmp_path / "out", "--csv")
    assert done.returncode == 0, done.stderr
    names = ["analysis.json", "overlay.mp4", "predictions.csv", "predictions.parquet", "report.html"]
    assert leftovers(tmp_path / "out") == names
    assert done.stdout.rstrip().endswith(str(tmp_path / "out" / "report.html"))
    record = json.loads((tmp_path / "out" / "analysis.json").read_text())
    table = pq.read_table(tmp_path / "out" / "predictions.parquet")
    assert len(set(table["frame"].to_pylist())) == record["frames"]
    assert record["bundle"]["name"] in ("affect_fast",)
    assert leftovers(tmp_path) == ["out"]


def test_what_the_bundle_has_not_learned_is_absent(tmp_path: Path, face: Path) -> None:
    recipe = replace(small("picture", "none", "softmax"), tasks={"expression_7": 1.0})
    bundled(made(recipe), recipe, tmp_path / "bundle")
    done = mien("analyze", face, "-o", tmp_path / "out", "--bundle", tmp_path / "bundle", "--no-report")
    assert done.returncode == 0, done.stderr
    names = pq.read_schema(tmp_path / "out" / "predictions.parquet").names
    assert "expression_happiness" in names
    assert not [name for name in names if name in ("valence", "arousal") or name.startswith("AU")]


def test_the_labels_shown_can_be_chosen(tmp_path: Path, face: Path) -> None:
    done = mien("analyze", face, "-o", tmp_path / "out", "--labels", "expression_7", "--no-report")
    assert done.returncode == 0, done.stderr
    names = pq.read_schema(tmp_path / "out" / "predictions.parquet").names
    assert "expression_neutral" in names
    assert "expression_contempt" not in names


def test_several_inputs_get_folders_of_their_own(tmp_path: Path, face: Path, clip: Path) -> None:
    done = mien("analyze", clip, clip, face, "-o", tmp_path / "out", "--no-report")
    assert done.returncode == 0, done.stderr
    assert leftovers(tmp_path / "out") == ["clip.mp4", "clip.mp4-2", "pictures"]


def test_a_folder_with_bad_files_still_gives_the_rest(tmp_path: Path, face: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(face, folder / "good.PNG")
    shutil.copy(face, folder / "große Ärgernis.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / "empty.jpg").touch()
    (folder / "cut.png").write_bytes(face.read_bytes()[:2000])
    done = mien("analyze", folder, "-o", tmp_path / "out")
    assert done.returncode == 1
    for name in ("notes.txt", "empty.jpg", "cut.png"):
        assert len(re.findall(rf"^mien: .*{name}", done.stderr, re.MULTILINE)) == 1
    assert "3 of 5 files could not be analysed" in done.stderr
    table = pq.read_table(tmp_path / "out" / "predictions.parquet")
    assert set(table["video"].to_pylist()) == {"good.PNG", "große Ärgernis.png"}


def bad_inputs(folder: Path, face: Path, clip: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield (case, path, what must be said)."""
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    (folder / "cut.mp4").write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    (folder / "cut.png").write_bytes(face.read_bytes()[:3000])
    make_sound(folder / "sound.m4a", seconds=0.5)
    (folder / "nothing").mkdir()
    yield "missing", folder / "missing.mp4", "no such file"
    yield "empty", folder / "empty.mp4", "empty"
    yield "text", folder / "text.mp4", "no format that can be read"
    yield "cut video", folder / "cut.mp4", "cut short|damaged|index"
    yield "cut picture", folder / "cut.png", "truncated"
    yield "no frames", folder / "sound.m4a", "no video|only sound|no moving"
    yield "empty folder", folder / "nothing", "the folder is empty"
    yield "camera", Path("97"), "camera 97"


def test_each_bad_input_gives_one_clear_line_and_no_result(tmp_path: Path, face: Path, clip: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    for case, path, said in bad_inputs(place, face, clip):
        done = mien("analyze", path, "-o", tmp_path / "out", "--quiet")
        lines = done.stderr.splitlines()
        assert done.returncode == 1, (case, done.stderr)
        assert len(lines) == 1, (case, done.stderr)
        assert path.name in lines[0], (case, lines)
        assert re.search(said, lines[0]), (case, lines)
        assert not (tmp_path / "out").exists(), case
    assert leftovers(tmp_path) == ["in"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_unreadable_and_unwritable_as_another_user(tmp_path: Path, face: Path) -> None:
    for parent in [tmp_path, *tmp_path.parents]:
        if parent.owner() == "root" and parent != Path("/"):
            parent.chmod(0o755)
    secret = tmp_path / "secret.png"
    shutil.copy(face, secret)
    secret.chmod(0o600)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    run = [*nobody, str(MIEN), "analyze"]
    reading = subprocess.run([*run, str(secret), "-o", "/tmp/x"], capture_output=True, text=True, check=False)
    started = reading.returncode in (0, 1) and "No module named" not in reading.stderr
    if not started or "Permission denied" in reading.stderr.split("\n")[0]:
        pytest.skip("another user cannot reach this environment's files")
    assert reading.returncode == 1
    assert "secret.png: no permission to read" in reading.stderr
    public = tmp_path / "public.png"
    shutil.copy(face, public)
    public.chmod(0o644)
    out = tmp_path / "out"
    writing = subprocess.run([*run, str(public), "-o", str(out)], capture_output=True, text=True, check=False)
    assert writing.returncode == 1
    assert writing.stderr.count("\n") == 1
    assert f"{out}: no permission to write here" in writing.stderr
    assert not out.exists()


def test_a_result_is_only_replaced_when_asked_and_only_a_result(tmp_path: Path, face: Path) -> None:
    out = tmp_path / "out"
    assert mien("analyze", face, "-o", out, "--no-report").returncode == 0
    before = (out / "predictions.parquet").read_bytes()
    again = mien("analyze", face, "-o", out)
    assert (again.returncode, "exists already" in again.stderr) == (1, True)
    assert (out / "predictions.parquet").read_bytes() == before
    assert mien("analyze", face, "-o", out, "--overwrite").returncode == 0
    assert (out / "report.html").exists()
    own = tmp_path / "holiday"
    own.mkdir()
    (own / "diary.txt").write_text("mine")
    refused = mien("analyze", face, "-o", own, "--overwrite")
    assert (refused.returncode, "no earlier result" in refused.stderr) == (1, True)
    assert leftovers(own) == ["diary.txt"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_named_and_nothing_stays(small_disk: Path) -> None:
    done = mien("analyze", SAMPLE, "-o", small_disk / "out", "--quiet")
    assert done.returncode == 1
    assert "the disk is full" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert leftovers(small_disk) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_an_interrupted_analysis_leaves_nothing(tmp_path: Path, number: int, code: int) -> None:
    long = make_video(tmp_path / "long.mp4", frames=2000, size=(640, 360))
    command = [str(MIEN), "analyze", str(long), "-o", str(tmp_path / "out"), "--quiet"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".out.*.part/*")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code, errors
    assert errors.count("\n") == 1, errors
    assert leftovers(tmp_path) == ["long.mp4"]


def test_a_killed_analysis_leaves_no_result(tmp_path: Path) -> None:
    long = make_video(tmp_path / "long.mp4", frames=2000, size=(640, 360))
    command = [str(MIEN), "analyze", str(long), "-o", str(tmp_path / "out"), "--quiet"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".out.*.part/*")):
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (tmp_path / "out").exists()
    again = mien("analyze", SAMPLE, "-o", tmp_path / "out", "--no-overlay", "--no-report")
    assert again.returncode == 0


def test_a_video_without_faces_has_a_row_for_each_frame(tmp_path: Path, clip: Path) -> None:
    assert mien("analyze", clip, "-o", tmp_path / "out").returncode == 0
    table = pq.read_table(tmp_path / "out" / "predictions.parquet")
    assert table["frame"].to_pylist() == list(range(25))
    assert table["face"].null_count == 25
    assert table["time_s"].null_count == 0


def test_crops_use_the_whole_picture_where_no_face_is_found(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "noise.png"), noise)
    mien("analyze", tmp_path / "noise.png", "-o", tmp_path / "plain", "--no-report")
    mien("analyze", tmp_path / "noise.png", "-o", tmp_path / "crop", "--no-report", "--crops")
    plain, crop = (pq.read_table(tmp_path / name / "predictions.parquet") for name in ("plain", "crop"))
    assert plain["face"].to_pylist() == [None]
    assert crop["face"].to_pylist() == [0]
    assert crop["detection"].to_pylist() == [None]
    assert crop["expression"].null_count == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["analyze"], "Missing argument"),
        (["analyze", "x.png", "--every", "0"], "every"),
        (["unknown"], "No such command"),
        (["analyze", "x.png", "--nonsense"], "No such option"),
    ],
)
def test_a_wrong_call_ends_with_2(arguments: list[str], said: str) -> None:
    done = mien(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_wrong_bundle_and_detector_are_named(tmp_path: Path, face: Path) -> None:
    bundle = mien("analyze", face, "-o", tmp_path / "out", "--bundle", tmp_path / "none")
    assert (bundle.returncode, "none: no such folder" in bundle.stderr) == (1, True)
    detector = mien("analyze", face, "-o", tmp_path / "out", "--detector", tmp_path / "none.onnx")
    assert (detector.returncode, "none.onnx" in detector.stderr) == (1, True)
    assert not (tmp_path / "out").exists()


def test_every_command_has_help_with_an_example() -> None:
    listed = mien("--help").stdout
    assert re.search(r"^  Example:\n +mien analyze talk\.mp4$", listed, re.MULTILINE)
    names = [line.split()[0] for line in listed.partition("Commands:")[2].strip().splitlines()]
    assert {"analyze", "prepare", "train", "export", "evaluate", "benchmark", "submit"} <= set(names)
    for name in names:
        told = mien(name, "--help").stdout
        assert re.search(rf"^  Examples?\b.*:\n(      .*\n)*      mien {name}\b", told, re.MULTILINE), told
        assert "\b" not in told
        assert "\\b" not in told


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from mien.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'onnxruntime', 'cv2', 'av', 'numpy', 'pyarrow', 'PIL', 'jinja2'}\n"
        "sys.exit(str(heavy & sys.modules.keys()) if heavy & sys.modules.keys() else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
