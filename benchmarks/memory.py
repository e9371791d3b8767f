"""How much memory an hour of video needs beside a minute of it.

    python benchmarks/memory.py [--work FOLDER] [--minutes 1 60]

Makes videos of these lengths out of the sample (25 frames/s, one to two faces, sound), by joining
copies of its packets, analyses each with everything that is written by default, whole process, and
prints the greatest resident memory, the seconds and the size of the results.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

SAMPLE = Path(__file__).parents[1] / "src" / "mien" / "samples" / "portraits.mp4"


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("memory-benchmark"))
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 60])
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    print("| minutes of video | peak memory, MB | wall s | report, kB | table, kB |\n|---|---|---|---|---|")
    for minutes in options.minutes:
        clip = joined(options.work / f"{minutes}.mp4", copies=minutes * 5)
        out = options.work / f"{minutes}"
        shutil.rmtree(out, ignore_errors=True)
        start = time.perf_counter()
        peak = peak_memory(
            [str(Path(sys.executable).parent / "mien"), "analyze", str(clip), "-o", str(out), "-q"]
        )
        seconds = time.perf_counter() - start
        report, table = (
            round((out / n).stat().st_size / 1e3) for n in ("report.html", "predictions.parquet")
        )
        print(f"| {minutes} | {peak:.0f} | {seconds:.0f} | {report} | {table} |", flush=True)


def kilobytes(path: Path) -> int:
    """Return the size of a file in kB."""
    return round(path.stat().st_size / 1e3)


def joined(target: Path, copies: int) -> Path:
    """Return a video of so many copies of the 12-second sample, without decoding anything."""
    if not target.exists():
        names = target.with_suffix(".txt")
        names.write_text(f"file '{SAMPLE.resolve()}'\n" * copies)
        command = ["ffmpeg", "-v", "error", "-f", "concat", "-safe", "0", "-i", str(names), "-c", "copy"]
        subprocess.run([*command, "-y", str(target)], check=True)
    return target


def peak_memory(command: list[str]) -> float:
    """Return the greatest resident memory of a process in MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} ended with {status}")
    return used.ru_maxrss / 1024


if __name__ == "__main__":
    main()
