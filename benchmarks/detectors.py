"""Compare face detectors on sample media and print Markdown tables.

    python benchmarks/detectors.py --media ../shared/media --models ../shared/models

Truth is the number of faces, which is known for every file; recall and false positives count
faces found up to that number and beyond it. Milliseconds are processor time of one thread, so
that other work on the machine adds little. Videos are searched in every 5th picture, and tracked
in all. With scikit-image installed, its pictures without faces are searched too.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
from blazeface import BlazeFace

from mien.arrays import FloatArray, Image
from mien.faces.detection import Detector, Faces, Mtcnn, in_crop
from mien.faces.tracking import Tracker
from mien.faces.yunet import Yunet

PHOTOS = ("astronaut.png", "grace_hopper.jpg", "obama.jpg", "single_face.jpg")

VIDEOS = {
    "bbaf2n.mpg": (1, 1),
    "brbk7n.mpg": (1, 1),
    "lbax4n.mpg": (1, 1),
    "lbbc2a.mpg": (1, 1),
    "lrwp9a.mpg": (1, 1),
    "grid_3faces.mp4": (3, 3),
    "grid_10speakers_30s.mp4": (1, 10),
    "single_face.mp4": (1, 1),
    "WolfgangLanger_Pexels.mp4": (1, 1),
    "face_noface.mov": (1, 1),
}
"""Faces in every picture, and people (one id each) in the whole."""

LEAVES = {"face_noface.mov": 72}
"""Number of the first picture without a face, found by looking: 72 is black, then a drawn title."""

CUTS = {"grid_10speakers_30s.mp4": tuple(range(75, 750, 75)), "face_noface.mov": (72,)}

FACELESS = (
    "brick",
    "cell",
    "chelsea",
    "clock_motion",
    "coffee",
    "color",
    "grass",
    "gravel",
    "horse",
    "ihc",
    "moon",
    "motorcycle_left",
    "motorcycle_right",
    "page",
    "text",
)
"""Pictures of scikit-image without a human face; coins.png (portraits) and camera.png are left out."""

EVERY = 5


@dataclass
class Count:
    """What one detector found in one file."""

    truth: int = 0
    hits: int = 0
    false: int = 0
    ids: int = 0
    milliseconds: list[float] = field(default_factory=list)

    def add(self, found: int, truth: int, seconds: float) -> None:
        """Count one picture."""
        self.truth += truth
        self.hits += min(found, truth)
        self.false += max(0, found - truth)
        self.milliseconds.append(seconds * 1e3)


def picture(path: Path) -> Image:
    """Return a picture file in BGR."""
    pixels = cv2.imread(str(path))
    if pixels is None:
        raise SystemExit(f"{path}: cannot be read as a picture")
    return np.asarray(pixels, np.uint8)


def frames(path: Path) -> Iterator[tuple[int, float, Image]]:
    """Yield number, seconds and BGR picture of a video."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for number, frame in enumerate(container.decode(stream)):
            yield number, frame.time or 0.0, np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def truth(name: str, number: int) -> int:
    """Return how many faces a picture of a video shows."""
    return 0 if number >= LEAVES.get(name, number + 1) else VIDEOS[name][0]


def searched(detector: Detector, media: Path) -> dict[str, Count]:
    """Return a Count per file of searching single pictures."""
    counts = {name: Count() for name in (*PHOTOS, *VIDEOS)}
    for name in PHOTOS:
        image = picture(media / "photos" / name)
        detector.detect(image)
        start = time.thread_time()
        found = len(detector.detect(image))
        counts[name].add(found, 1, time.thread_time() - start)
    for name in VIDEOS:
        for number, _, image in frames(media / "videos" / name):
            if number % EVERY == 0:
                start = time.thread_time()
                found = len(detector.detect(image))
                counts[name].add(found, truth(name, number), time.thread_time() - start)
    return counts


def tracked(every: int, media: Path) -> tuple[dict[str, Count], dict[str, list[Faces]]]:
    """Return a Count and all faces per video, of tracking with a search in every k-th picture."""
    counts, faces = {}, {}
    for name in VIDEOS:
        tracker, count, ids, results = Tracker(Mtcnn(), every), Count(), set[int](), []
        cuts: list[int] = []
        for number, seconds, image in frames(media / "videos" / name):
            start = time.thread_time()
            result = tracker.update(image, seconds)
            count.add(len(result.ids), truth(name, number), time.thread_time() - start)
            ids.update(int(i) for i in result.ids)
            results.append(result.faces)
            cuts += [number] * result.cut
        count.ids = len(ids)
        counts[name], faces[name] = count, results
        if every == 1:
            print(f"- cuts in {name}: found {cuts}, true {list(CUTS.get(name, ()))}")
    return counts, faces


def apart(ours: Faces, theirs: Faces) -> list[float]:
    """Return mean landmark distances over the distance of the eyes, of faces over one another."""
    distances = []
    for landmarks in ours.landmarks:
        eyes = float(np.hypot(*(landmarks[1] - landmarks[0])))
        each = [float(np.hypot(*(landmarks - other).T).mean()) / eyes for other in theirs.landmarks]
        distances += [min(each)] if each and min(each) < 1 else []
    return distances


def agreement(ours: Detector, theirs: Detector, media: Path) -> dict[str, list[float]]:
    """Return the landmark distances of two detectors per file."""
    pictures = {name: [picture(media / "photos" / name)] for name in PHOTOS}
    for name in VIDEOS:
        pictures[name] = [image for number, _, image in frames(media / "videos" / name) if number % 15 == 0]
    return {
        name: [d for image in images for d in apart(ours.detect(image), theirs.detect(image))]
        for name, images in pictures.items()
    }


def backgrounds(media: Path) -> list[Image]:
    """Return squares of 64 to 256 pixels beside the faces of the photos and from the empty frames."""
    random, squares = np.random.default_rng(0), []
    detector = Mtcnn()
    sources = [picture(media / "photos" / name) for name in PHOTOS]
    empty = frames(media / "videos" / "face_noface.mov")
    sources += [image for number, _, image in empty if number > 72 and number % 20 == 0]
    for image in sources:
        boxes = detector.detect(image).boxes
        for _ in range(40):
            side = int(random.integers(64, min(257, *image.shape[:2])))
            x, y = (int(random.integers(0, length - side + 1)) for length in (image.shape[1], image.shape[0]))
            beside = [x + side < b[0] or x > b[0] + b[2] or y + side < b[1] or y > b[1] + b[3] for b in boxes]
            squares += [image[y : y + side, x : x + side]] if all(beside) else []
    return squares


def faceless() -> dict[str, list[Image]]:
    """Return scikit-image's pictures without faces, or nothing where it is not installed."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        return {}
    folder = Path(spec.origin).parent / "data"
    pictures = [picture(folder / f"{name}.png") for name in FACELESS]
    patches = (np.load(folder / "lfw_subset.npy")[100:] * 255).astype(np.uint8)
    large = [np.asarray(cv2.resize(patch, (100, 100)), np.uint8) for patch in patches]
    return {
        "whole pictures": pictures,
        "LFW backgrounds, 25x25 enlarged to 100x100": [np.repeat(p[:, :, None], 3, axis=2) for p in large],
    }


def mistakes(detector: Detector, pictures: list[Image]) -> tuple[int, int, int]:
    """Return in how many pictures a search, following the whole picture, and in_crop find a face."""
    whole = [np.array([[0, 0, p.shape[1], p.shape[0]]], np.float32) for p in pictures]
    return (
        sum(len(detector.detect(picture)) > 0 for picture in pictures),
        sum(bool(detector.follow(p, box).scores[0] > 0) for p, box in zip(pictures, whole, strict=True)),
        sum(in_crop(detector, picture)[1] for picture in pictures),
    )


def harder(media: Path) -> dict[str, list[tuple[Image, int]]]:
    """Return alterations of all photos and of each video's first picture, with their faces' number."""
    originals = [(picture(media / "photos" / name), 1) for name in PHOTOS]
    for name, (faces, _) in VIDEOS.items():
        _, _, image = next(frames(media / "videos" / name))
        originals.append((image, faces))
    alterations: dict[str, Callable[[Image], Image]] = {
        "as they are": np.copy,
        "turned by 20 degrees": partial(turned, degrees=20),
        "turned by 40 degrees": partial(turned, degrees=40),
        "a tenth of the light, with noise": dark,
        "blurred by 1 % of the width": blurred,
        "shrunk to a quarter, on grey": partial(shrunk, share=4),
        "shrunk to an eighth, on grey": partial(shrunk, share=8),
    }
    return {
        title: [(alter(image), faces) for image, faces in originals] for title, alter in alterations.items()
    }


def blurred(image: Image) -> Image:
    """Return the picture blurred by a hundredth of its width."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), image.shape[1] / 100), np.uint8)


def turned(image: Image, degrees: float) -> Image:
    """Return the picture turned about its middle, its edge repeated."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    return np.asarray(
        cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def dark(image: Image) -> Image:
    """Return the picture with a tenth of its light and a noise of 3 grey levels."""
    noise = np.random.default_rng(0).normal(0, 3, image.shape)
    return np.clip(image * 0.1 + noise, 0, 255).astype(np.uint8)


def shrunk(image: Image, share: int) -> Image:
    """Return the picture at a part of its size in the middle of a grey one of its own size."""
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // share, height // share), interpolation=cv2.INTER_AREA)
    canvas = np.full_like(image, 128)
    top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


def hard_table(makers: dict[str, Callable[[], Detector]], media: Path) -> str:
    """Return faces found, and false ones, per alteration and detector."""
    sets, rows = harder(media), []
    made = {name: make() for name, make in makers.items()}
    for title, pictures in sets.items():
        row = [f"{title} ({sum(faces for _, faces in pictures)})"]
        for detector in made.values():
            found = [(len(detector.detect(image)), faces) for image, faces in pictures]
            false = sum(max(0, n - faces) for n, faces in found)
            row.append(f"{sum(min(n, faces) for n, faces in found)}" + (f" + {false} false" if false else ""))
        rows.append(row)
    return table(["pictures (faces)", *made], rows)


def table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def summary(name: str, counts: dict[str, Count], startup: float) -> list[str]:
    """Return one detector's row: recall, false positives, milliseconds."""
    photos = [counts[n] for n in PHOTOS if n in counts]
    videos = [counts[n] for n in VIDEOS]
    each = [value for count in videos for value in count.milliseconds]
    return [
        name,
        f"{sum(c.hits for c in photos)} of {sum(c.truth for c in photos)}" if photos else "",
        f"{100 * sum(c.hits for c in videos) / sum(c.truth for c in videos):.2f}",
        str(sum(c.false for c in photos + videos)),
        f"{np.median(each):.1f}",
        f"{np.mean(each):.1f}",
        f"{startup:.0f}",
        str(sum(max(0, counts[n].ids - VIDEOS[n][1]) for n in VIDEOS)) if videos[0].ids else "",
    ]


def cell(count: Count | None) -> str:
    """Return one detector's result in one file: recall, false positives, milliseconds."""
    if count is None:
        return ""
    return f"{100 * count.hits / count.truth:.1f} / {count.false} / {np.median(count.milliseconds):.1f}"


def detectors(models: Path) -> dict[str, Callable[[], Detector]]:
    """Return name -> maker of every detector compared."""
    made: dict[str, Callable[[], Detector]] = {
        f"MTCNN, smallest {share}": partial(Mtcnn, share) for share in (0.02, 0.04, 0.1)
    }
    made["BlazeFace short range"] = partial(BlazeFace, models / "mediapipe" / "face_detector.onnx")
    for kind in "ns":
        for size in (320, 640):
            path = models / "yunet" / f"yunet_{kind}_dynamic.onnx"
            made[f"YuNet {kind}, {size} wide"] = partial(Yunet, path, size)
    return made


def startup(make: Callable[[], Detector]) -> tuple[Detector, float]:
    """Return the detector, ready, and the milliseconds of making it and of its first picture."""
    start = time.perf_counter()
    detector = make()
    detector.detect(np.full((64, 64, 3), 128, np.uint8))
    return detector, (time.perf_counter() - start) * 1e3


def losses(reference: dict[str, list[Faces]], other: dict[str, list[Faces]]) -> FloatArray:
    """Return landmark distances of two ways of tracking the same videos."""
    each = [apart(a, b) for name in VIDEOS for a, b in zip(reference[name], other[name], strict=True)]
    return np.array([d for distances in each for d in distances])


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description="Compare face detectors on sample media.")
    parser.add_argument("--media", type=Path, default=Path("../shared/media"))
    parser.add_argument("--models", type=Path, default=Path("../shared/models"))
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    rows, per_file, makers = [], {}, detectors(arguments.models)
    for name, make in makers.items():
        detector, ready = startup(make)
        per_file[name] = searched(detector, arguments.media)
        rows.append(summary(name, per_file[name], ready))
    print("Faces found in altered pictures:\n\n" + hard_table(makers, arguments.media))
    results = {}
    for every in (1, 5, 10, 15):
        name = f"MTCNN tracked, k = {every}"
        per_file[name], results[every] = tracked(every, arguments.media)
        rows.append(summary(name, per_file[name], startup(Mtcnn)[1]))
    header = ["detector", "photos", "recall in videos, %", "false", "ms median", "ms mean", "startup ms"]
    print("\n" + table([*header, "ids too many"], rows))
    print("Recall % / false / median ms:\n")
    cells = [[name, *(cell(counts.get(name)) for counts in per_file.values())] for name in (*PHOTOS, *VIDEOS)]
    print(table(["file", *per_file], cells))
    print("Landmarks against a search in every picture, share of the distance of the eyes:\n")
    distances = {every: losses(results[1], results[every]) for every in (5, 10, 15)}
    row = [[f"k = {k}", f"{d.mean():.4f}", f"{np.percentile(d, 99):.4f}"] for k, d in distances.items()]
    print(table(["tracked", "mean", "99 %"], row))
    ours, theirs = makers["MTCNN, smallest 0.04"](), makers["YuNet n, 640 wide"]()
    print("Landmarks, MTCNN against YuNet n at 640, share of the distance of the eyes:\n")
    both = agreement(ours, theirs, arguments.media)
    print(
        table(
            ["file", "mean", "faces"], [[n, f"{np.mean(d):.3f}", str(len(d))] for n, d in both.items() if d]
        )
    )
    print("Pictures without a face in which one is found: search / whole picture as box / in_crop:\n")
    sets = {"squares beside faces": backgrounds(arguments.media), **faceless()}
    names = ("MTCNN, smallest 0.04", "YuNet n, 640 wide")
    wrong = [
        [f"{title} ({len(p)})", *(" / ".join(map(str, mistakes(makers[n](), p))) for n in names)]
        for title, p in sets.items()
    ]
    print(table(["pictures", *names], wrong))


if __name__ == "__main__":
    main()
