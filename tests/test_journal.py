"""A recording outlives a crash: what is saved is the table that an undisturbed run would have made."""

import multiprocessing
import os
import random
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from mien.analysis import FrameResult
from mien.calibration import Calibration, Classes
from mien.cli.recovering import recover as command
from mien.errors import InputError, OutputError
from mien.faces.detection import Faces
from mien.media.frames import Frame
from mien.records import Predictions
from mien.reports.journal import RECORDING, TABLE, Journal, recover
from mien.reports.tables import TableWriter
from mien.tasks import ACTION_UNITS_12, EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL

TASKS = (EXPRESSION_8_CONTEMPT, VALENCE_AROUSAL, ACTION_UNITS_12)
METADATA = {"bundle": "small", "bundle_sha256": "abc"}
IMAGE = np.zeros((4, 4, 3), np.uint8)
RATE = 30


def result(number: int) -> FrameResult:
    """Return a frame with none to three faces, whose numbers depend on the frame alone."""
    chance = np.random.default_rng(number)
    count = number % 4
    values = {}
    for task in TASKS:
        raw = chance.random((count, len(task)), np.float32)
        values[task] = raw / raw.sum(axis=1, keepdims=True) if task.kind == "categorical" else raw
    boxes = chance.random((count, 4), np.float32) * 20
    found = Faces(boxes, np.zeros((count, 5, 2), np.float32), chance.random(count, np.float32))
    voice = chance.random(count, np.float32)
    frame = Frame(number, number / RATE, IMAGE)
    return FrameResult(frame, np.arange(count), found, Predictions(values), voice=voice)


def undisturbed(path: Path, frames: int, calibration: Calibration | None = None, voice: bool = False) -> Path:
    """Return the table of the first frames as `TableWriter` writes it."""
    with TableWriter(path, TASKS, METADATA, calibration, voice) as table:
        for number in range(frames):
            table.write("camera 0", result(number))
    return path


def opened(folder: Path) -> Journal:
    """Return a journal without a calibration."""
    return Journal(folder, "camera 0", TASKS, metadata=METADATA)


def left(folder: Path, frames: int) -> bytes:
    """Return the recording of some frames as a killed process would leave it, and leave it in `folder`."""
    with opened(folder.with_name("running")) as journal:
        for number in range(frames):
            journal.write(result(number))
            if number % 10 == 9:
                size = (folder.with_name("running") / RECORDING).stat().st_size
                while (folder.with_name("running") / RECORDING).stat().st_size == size:
                    time.sleep(0.005)
        data = (folder.with_name("running") / RECORDING).read_bytes()
    folder.mkdir()
    (folder / RECORDING).write_bytes(data)
    return data


@pytest.mark.parametrize("frames", [0, 1, 30, 6000])
def test_closed_well_it_is_the_very_file_that_a_table_writer_makes(tmp_path: Path, frames: int) -> None:
    with opened(tmp_path / "j") as journal:
        for number in range(frames):
            journal.write(result(number))
    expected = undisturbed(tmp_path / "t.parquet", frames)
    assert (tmp_path / "j" / TABLE).read_bytes() == expected.read_bytes()
    assert [path.name for path in (tmp_path / "j").iterdir()] == [TABLE]


def test_calibration_and_voice_are_written_alike(tmp_path: Path) -> None:
    known = Calibration(0.9, {EXPRESSION_8_CONTEMPT: Classes(1.0, 0.9, 100)})
    with Journal(tmp_path / "j", "camera 0", TASKS, known, METADATA, voice=True) as journal:
        for number in range(20):
            journal.write(result(number))
    expected = undisturbed(tmp_path / "t.parquet", 20, known, voice=True)
    assert (tmp_path / "j" / TABLE).read_bytes() == expected.read_bytes()
    table = pq.read_table(tmp_path / "j" / TABLE)
    assert {"voice", "expression_set"} <= set(table.column_names)


def test_an_error_while_recording_keeps_what_was_seen(tmp_path: Path) -> None:
    def interrupted() -> None:
        with opened(tmp_path / "j") as journal:
            for number in range(9):
                journal.write(result(number))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    expected = undisturbed(tmp_path / "t.parquet", 9)
    assert (tmp_path / "j" / TABLE).read_bytes() == expected.read_bytes()


def test_a_recording_cut_at_any_byte_gives_the_frames_before(tmp_path: Path) -> None:
    whole = left(tmp_path / "j", 40)
    (tmp_path / "j" / RECORDING).unlink()
    expected = pq.read_table(undisturbed(tmp_path / "t.parquet", 40))
    with pa.ipc.open_stream(whole) as reader:
        schema = reader.schema
    saved = []
    chance = random.Random(1)
    header = whole.index(b"crc32")
    cuts = sorted({*chance.sample(range(header, len(whole)), 50), len(whole)})
    for cut in cuts:
        (tmp_path / "j" / RECORDING).write_bytes(whole[:cut])
        saved.append(recover(tmp_path / "j"))
        table = pq.read_table(tmp_path / "j" / TABLE)
        assert table.schema.equals(schema, check_metadata=True)
        assert table.equals(expected.slice(0, saved[-1]))
        assert not (tmp_path / "j" / RECORDING).exists()
    assert saved == sorted(saved)
    assert (saved[0], saved[-1]) == (0, len(expected))
    assert len(set(saved)) == 5


def test_a_last_batch_of_zeros_is_left_out(tmp_path: Path) -> None:
    """What a file system may leave after the power failed: the length is there, the bytes are not."""
    whole = left(tmp_path / "j", 40)
    data = bytearray(whole)
    data[len(data) * 9 // 10 :] = bytes(len(data) - len(data) * 9 // 10)
    (tmp_path / "j" / RECORDING).write_bytes(data)
    expected = pq.read_table(undisturbed(tmp_path / "t.parquet", 30))
    assert recover(tmp_path / "j") == len(expected)
    assert pq.read_table(tmp_path / "j" / TABLE).equals(expected)


def test_spoiled_bytes_never_become_numbers(tmp_path: Path) -> None:
    whole = left(tmp_path / "j", 20)
    expected = pq.read_table(undisturbed(tmp_path / "t.parquet", 20))
    start = whole.index(b"crc32") + 100
    chance = random.Random(2)
    for _ in range(40):
        data = bytearray(whole)
        data[chance.randrange(start, len(data))] ^= 1 << chance.randrange(8)
        (tmp_path / "j" / RECORDING).write_bytes(data)
        rows = recover(tmp_path / "j")
        assert pq.read_table(tmp_path / "j" / TABLE).equals(expected.slice(0, rows))


def record(folder: Path, log: Path, frames: int) -> None:
    """Record at a camera's pace and log when each frame was written; to be killed."""
    with opened(folder) as journal, open(log, "ab", buffering=0) as file:
        start = time.monotonic()
        for number in range(frames):
            time.sleep(max(start + number / RATE - time.monotonic(), 0))
            journal.write(result(number))
            file.write(f"{number} {time.monotonic()}\n".encode())


def logged(log: Path) -> list[tuple[int, float]]:
    """Return the frames that were written whole to the log, and when."""
    lines = log.read_bytes().split(b"\n")[:-1] if log.exists() else []
    return [(int(line.split()[0]), float(line.split()[1])) for line in lines]


def kill(process: BaseProcess) -> float:
    """Kill a process and return when."""
    when = time.monotonic()
    process.kill()
    process.join()
    return when


def killed(places: list[tuple[Path, Path]], chance: random.Random) -> list[float]:
    """Record in several processes at once, kill them within two seconds, and return when each was killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["__main__", "mien.reports.journal", "mien.cli.recovering", "click.testing"]
    )
    processes = [context.Process(target=record, args=(*place, 100_000)) for place in places]
    for process in processes:
        process.start()
    while not all(log.exists() for _, log in places):
        time.sleep(0.01)
    start, when = time.monotonic(), [0.0] * len(places)
    for moment, number in sorted((chance.uniform(0, 1.5), number) for number in range(len(places))):
        time.sleep(max(start + moment - time.monotonic(), 0))
        when[number] = kill(processes[number])
    return when


def test_killed_at_random_moments_it_loses_a_second_at_most(tmp_path: Path) -> None:
    expected = pq.read_table(undisturbed(tmp_path / "t.parquet", 2000))
    chance = random.Random()
    for wave in range(3):
        places = [(tmp_path / f"j{wave}{n}", tmp_path / f"log{wave}{n}") for n in range(5)]
        for (folder, log), when in zip(places, killed(places, chance), strict=True):
            rows = recover(folder)
            table = pq.read_table(folder / TABLE)
            assert table.equals(expected.slice(0, rows)), "what is saved is what an undisturbed run writes"
            saved = table["frame"].to_pylist()[-1] if rows else -1
            assert all(frame <= saved for frame, written in logged(log) if written <= when - 1)


def test_a_kill_while_the_table_is_made_loses_nothing(tmp_path: Path) -> None:
    left(tmp_path / "j", 20)
    (tmp_path / "j" / f".{TABLE}.99.part").write_bytes(b"half a table")
    (tmp_path / "j" / TABLE).write_bytes(b"a table that was complete already is made again")
    expected = undisturbed(tmp_path / "t.parquet", 20)
    recover(tmp_path / "j")
    assert pq.read_table(tmp_path / "j" / TABLE).equals(pq.read_table(expected))
    assert [path.name for path in (tmp_path / "j").iterdir()] == [TABLE]


def test_a_recording_that_goes_on_is_not_touched(tmp_path: Path) -> None:
    with opened(tmp_path / "j") as journal:
        journal.write(result(1))
        with pytest.raises(InputError, match="still being recorded"):
            recover(tmp_path / "j")
        journal.write(result(2))
    assert pq.read_table(tmp_path / "j" / TABLE).num_rows == 3


def test_nothing_to_recover_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing to recover$"):
        recover(tmp_path / "missing")
    opened(tmp_path / "j").close()
    with pytest.raises(InputError, match=r"predictions\.parquet is complete"):
        recover(tmp_path / "j")
    (tmp_path / "j" / RECORDING).write_bytes(b"no arrows")
    with pytest.raises(InputError, match="not even its beginning"):
        recover(tmp_path / "j")
    assert (tmp_path / "j" / RECORDING).exists()


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").touch()
    with pytest.raises(OutputError, match="exists already"):
        opened(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_a_result_that_lacks_a_task_is_refused_and_the_rest_is_kept(tmp_path: Path) -> None:
    poor = result(1)
    poor = FrameResult(poor.frame, poor.ids, poor.faces, Predictions({}))
    with opened(tmp_path / "j") as journal:
        journal.write(result(0))
        with pytest.raises(ValueError, match="no predictions"):
            journal.write(poor)
    assert pq.read_table(tmp_path / "j" / TABLE).num_rows == 1


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_that_fills_up_is_told_and_keeps_what_is_there(tmp_path: Path) -> None:
    journal = opened(tmp_path / "j")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal._file.fileno())
    os.close(full)

    def go_on() -> None:
        for number in range(10_000):
            journal.write(result(number))
            time.sleep(0.001)

    with pytest.raises(OutputError, match=r"recording\.arrows: the disk is full; .*mien recover"):
        go_on()
    with pytest.raises(OutputError, match="disk is full"):
        journal.close()
    assert recover(tmp_path / "j") == 0


def test_the_command_says_what_was_saved(tmp_path: Path) -> None:
    left(tmp_path / "j", 40)
    run = CliRunner().invoke(command, [str(tmp_path / "j")])
    assert run.output == f"{tmp_path / 'j' / TABLE}: 70 rows, 1.3 s\n"
    again = CliRunner().invoke(command, [str(tmp_path / "j")])
    assert (again.exit_code, "nothing to recover" in again.output) == (1, True)
