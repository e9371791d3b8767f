"""How fast packed crops are read, beside decoding the same JPEG bytes already in memory.

    python benchmarks/packing.py /tmp/packed --crops 1000000

Makes a prepared folder of that many crops with the labels of all of Aff-Wild2's tasks, if it is not there
yet (1,000,000 of 128 x 128 in colour take about 5 GB), and reads single random crops and clips of 80 from
it, cold (the file's pages thrown out of the system's cache before) and warm. The crops are 2,000 different
ones, cut from the sample video and varied, written again and again: each has its own place on disk.

Rates are of one process. A share of 1 would mean that reading costs nothing beside decoding.
"""

import argparse
import gc
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from mien.arrays import IntArray
from mien.databases.index import Index
from mien.databases.names import Names
from mien.faces.detection import Mtcnn
from mien.inputs import Preprocessing
from mien.media.video import Video
from mien.preparation.prepared import FORMAT, Prepared
from mien.records import Labels
from mien.tasks import ACTION_UNITS_12, EXPRESSION_8_OTHER, VALENCE_AROUSAL

DIFFERENT = 2000
FRAMES = 4000
SAMPLE = Path(__file__).parents[1] / "src" / "mien" / "samples" / "portraits.mp4"
STORED = Preprocessing(size=128, colour="rgb")


def main() -> None:
    """Make the folder if need be, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--crops", type=int, default=1_000_000)
    parser.add_argument("--read", type=int, default=40_000, help="crops read for each figure")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if not (arguments.folder / "manifest.json").exists():
        make(arguments.folder, arguments.crops)
    Prepared.open(arguments.folder)  # what is loaded once for all is not counted
    before = resident()
    data = Prepared.open(arguments.folder)
    held = resident() - before
    offsets = np.load(arguments.folder / "crops.npy")
    size = (arguments.folder / "crops.bin").stat().st_size
    print(f"{len(data.crops):,} crops, {size / 1e9:.2f} GB, {size / len(data.crops):.0f} bytes each")
    print(f"in memory: {(held - offsets.nbytes) / len(data.index):.0f} bytes of index a row, 8 of offsets")
    rng = np.random.default_rng(1)
    singles = rng.integers(0, len(data.crops), arguments.read)
    clips = data.clips(80, 80)
    chosen = clips[rng.permutation(len(clips))[: arguments.read // 80]]
    batches = singles[: len(singles) // 128 * 128].reshape(-1, 128)
    report(data, arguments.folder, "single random crops, 128 at a time", batches)
    report(data, arguments.folder, "random clips of 80 frames", chosen)


def resident() -> int:
    """Return the bytes that this process holds, what was freed given back before."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def report(data: Prepared, folder: Path, title: str, batches: IntArray) -> None:
    """Print the rates of reading batches of rows, cold and warm, beside decoding from memory."""
    forget(folder / "crops.bin")
    cold = rate(lambda rows: data.crops[rows], batches[: len(batches) // 2])
    ahead = [*batches[len(batches) // 2 + 1 :], batches[-1]]
    told = iter(ahead)

    def with_prefetch(rows: IntArray) -> None:
        data.crops.prefetch(next(told))
        _ = data.crops[rows]

    prefetched = rate(with_prefetch, batches[len(batches) // 2 :])
    shares, seconds = [], np.zeros(2)
    kept = {int(row): own_bytes(folder, row) for row in np.unique(batches)}
    for _ in range(3):
        times = np.zeros(2)
        for rows in batches:  # by turns, so that whatever else the machine does meets both
            times += timed(lambda rows: data.crops[rows], rows), timed(lambda rows: decoded(kept, rows), rows)
        shares.append(times[1] / times[0])
        seconds += times
    warm, memory = 3 * batches.size / seconds
    shares.sort()
    print(f"{title}")
    print(f"  decoding from memory  {memory:9,.0f} crops/s")
    print(
        f"  packed, warm          {warm:9,.0f} crops/s, share {shares[1]:.3f} "
        f"({shares[0]:.3f} to {shares[2]:.3f})"
    )
    print(f"  packed, cold          {cold:9,.0f} crops/s, share {cold / memory:.3f}")
    print(f"  cold, next batch told {prefetched:9,.0f} crops/s, share {prefetched / memory:.3f}")


def decoded(kept: dict[int, np.ndarray], rows: IntArray) -> np.ndarray:
    """Return crops decoded from bytes in memory."""
    crops = np.zeros((len(rows), STORED.size, STORED.size, 3), np.uint8)
    for place, row in enumerate(rows.tolist()):
        crops[place] = cv2.imdecode(kept[row], cv2.IMREAD_COLOR)
    return crops


def timed(read: Callable[[IntArray], object], rows: IntArray) -> float:
    """Return how many seconds it takes to read some rows."""
    start = time.perf_counter()
    read(rows)
    return time.perf_counter() - start


def own_bytes(folder: Path, row: int) -> np.ndarray:
    """Return a crop's own bytes, copied to memory."""
    offsets = np.load(folder / "crops.npy", mmap_mode="r")
    with open(folder / "crops.bin", "rb") as file:
        file.seek(int(offsets[row]))
        return np.frombuffer(file.read(int(offsets[row + 1] - offsets[row])), np.uint8)


def rate(read: Callable[[IntArray], object], batches: IntArray) -> float:
    """Return how many rows a second are read."""
    return batches.size / sum(timed(read, rows) for rows in batches)


def forget(path: Path) -> None:
    """Throw a file's pages out of the system's cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def make(folder: Path, count: int) -> None:
    """Write a prepared folder of `count` crops."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    crops = different(rng)
    sizes = np.array([len(crop) for crop in crops])
    order = rng.integers(0, len(crops), count)
    with open(folder / "crops.bin", "wb") as file:
        for start in range(0, count, 10_000):
            file.write(b"".join(crops[place] for place in order[start : start + 10_000]))
    np.save(folder / "crops.npy", np.concatenate([[0], np.cumsum(sizes[order])]))
    index(count, rng).save(folder / "index.parquet")
    manifest = {"format": FORMAT, "preprocessing": STORED.to_json()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def different(rng: np.random.Generator) -> list[bytes]:
    """Return JPEGs of faces from the sample video, shifted and lit by chance."""
    detector, faces = Mtcnn(), []
    with Video(SAMPLE) as video:
        for frame in video:
            if frame.number % 5 == 0:
                faces += [(frame.image, points) for points in detector.detect(frame.image).landmarks]
    crops = []
    for _ in range(DIFFERENT):
        image, points = faces[rng.integers(len(faces))]
        crop = STORED.crop(image, points + rng.normal(0, 2, (1, 2)).astype(np.float32))
        lit = np.clip(crop * rng.uniform(0.6, 1.3) + rng.normal(0, 4, crop.shape), 0, 255).astype(np.uint8)
        crops.append(cv2.imencode(".jpg", lit, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
    return crops


def index(count: int, rng: np.random.Generator) -> Index:
    """Return rows with all of Aff-Wild2's labels, a third of the cells unknown."""
    values = {
        VALENCE_AROUSAL: rng.uniform(-1, 1, (count, 2)).astype(np.float32),
        EXPRESSION_8_OTHER: np.eye(8, dtype=np.float32)[rng.integers(0, 8, count)],
        ACTION_UNITS_12: rng.integers(0, 2, (count, 12)).astype(np.float32),
    }
    for array in values.values():
        array[rng.random(count) < 1 / 3] = np.nan
    videos = np.arange(count) // FRAMES
    names = Names.of(f"{video}-30-640x480" for video in range(videos[-1] + 1))
    video = Names(videos.astype(np.int32), names.vocabulary)
    return Index.of(
        "aff_wild2",
        Labels.of(values),
        split="train",
        video=video,
        media=video,
        sound=video,
        frame=np.arange(count) % FRAMES,
        seconds=np.arange(count) % FRAMES / 30,
        columns={name: np.ones(count, np.int8) for name in ("picture", "face_found", "seen_in_training")},
        cropped=True,
        numbering=1,
    )


if __name__ == "__main__":
    main()
