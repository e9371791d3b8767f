"""Kill -9 at random moments: what goes on ends in the same files, bit for bit."""

import multiprocessing
import random
import time
from pathlib import Path

from test_stages import FILE, FRAMES, GREY, assert_same_run, rows

from mien.learning.recipe import read
from mien.learning.training import train
from mien.preparation.prepared import Prepared
from mien.preparation.run import Options, prepare
from mien.testing.affect import make_affect


def go_on(folders: list[Path], file: Path, run: Path) -> None:
    """Train in a process of its own, which may be killed."""
    opened = [Prepared.open(folder) for folder in folders]
    train(read(file), opened, run, threads=1, quiet=True)


def epochs(run: Path) -> int:
    """Return how many epochs of all stages are done; -1 before the first has begun."""
    tables = list(run.glob("*/metrics.csv"))
    return sum(len(rows(table.parent)) for table in tables) if (run / "frames" / "start.txt").exists() else -1


def test_killed_at_random_moments_it_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """Kill -9, again and again, wherever it is: in the first stage, between files, in the second."""
    file = tmp_path / "two.toml"
    text = FILE[: FILE.index('[[stages]]\nname = "sound"')].replace('databases = ["affect"]', "")
    file.write_text(text.replace("epochs = 2", "epochs = 3"))
    place = tmp_path / "data"
    make_affect(place / "affect", {"train": 8, "validation": 2}, frames=FRAMES * 2, missing=0.3, seed=1)
    prepare("table", place / "affect", place / "prepared", GREY, Options(given=True, quality=0, quiet=True))
    folders = [place / "prepared"]
    start = time.monotonic()
    go_on(folders, file, tmp_path / "whole")
    length = time.monotonic() - start
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mien.learning.training"])
    chance = random.Random(3)
    kills: list[int] = []
    for _ in range(4):
        process = context.Process(target=go_on, args=(folders, file, tmp_path / "cut"))
        before = epochs(tmp_path / "cut")
        process.start()
        while process.exitcode is None and epochs(tmp_path / "cut") <= before:
            time.sleep(0.003)
        time.sleep(chance.uniform(0, length / 8))
        if process.exitcode is not None:
            break
        process.kill()
        process.join()
        kills.append(epochs(tmp_path / "cut"))
    assert len(kills) >= 3, "killed too late to test anything"
    assert kills[0] < 6
    go_on(folders, file, tmp_path / "cut")
    assert epochs(tmp_path / "cut") == 6
    for name in ("frames", "recurrent"):
        assert_same_run(tmp_path / "whole" / name, tmp_path / "cut" / name)
