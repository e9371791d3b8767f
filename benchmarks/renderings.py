"""Speed and looks of rendered faces: what a picture costs, how often units are shown, a sheet of examples.

    python benchmarks/renderings.py ICT-FaceKit/FaceXModel -o docs/pictures/renderings.jpg

Times are of the processor, by one process, so that other work on the machine counts little.
"""

import argparse
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from mien.arrays import Image
from mien.derived.circumplex import PLACES
from mien.derived.facekit import FaceKit, sides
from mien.derived.filming import take
from mien.derived.painting import random_look
from mien.derived.rendering import Person, Renderer
from mien.derived.renderings import CENTRE, ZOOM, Options, Studio
from mien.derived.scenery import Light, Scene, photographed, random_background, random_faults, random_scene
from mien.derived.scripting import Director, presences
from mien.derived.units import SHAPES
from mien.inputs import Preprocessing
from mien.tasks import ACTION_UNITS_18

SIDE, ACROSS, NOTE = 112, 9, 15


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("facekit", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="the sheet to write, a JPEG")
    parser.add_argument("--people", type=int, default=20, help="measured with 24 pictures of each")
    arguments = parser.parse_args()
    os.environ.setdefault("LP_NUM_THREADS", "1")
    cv2.setNumThreads(1)
    speed(arguments.facekit, arguments.people)
    kit = FaceKit.load(arguments.facekit)
    rates(Director(kit.names))
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        done, data = cv2.imencode(".jpg", sheet(kit), [cv2.IMWRITE_JPEG_QUALITY, 88])
        assert done
        arguments.output.write_bytes(data.tobytes())
        print(f"{arguments.output}: {len(data):,} bytes")


def speed(place: Path, people: int) -> None:
    """Print what a picture costs, written as JPEG."""
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(place, Path(folder), Options(pictures=24 * (people + 1), people=people + 1))
        studio.person(people)  # what is made at first use is made
        begun = time.process_time()
        for number in range(people):
            studio.person(number)
        spent = (time.process_time() - begun) / (24 * people)
    print(
        f"{1000 * spent:.1f} ms of processor a picture of {SIDE} x {SIDE}: {1 / spent:.0f} a second and core"
    )


def rates(director: Director) -> None:
    """Print how often each unit is present, of 20,000 pictures; parted lips need a mesh and are left out."""
    rng = np.random.default_rng(0)
    levels = director.levels(np.stack([director.draw(rng).activations for _ in range(20_000)]))
    present = (presences(levels, np.zeros(len(levels))) > 0.5).mean(axis=0)
    told = (f"{unit} {rate:.0%}" for unit, rate in zip(ACTION_UNITS_18.labels, present, strict=True))
    print(", ".join(one for one in told if not one.startswith("AU25")))


def sheet(kit: FaceKit) -> Image:
    """Return units one by one, random pictures, and a clip."""
    renderer = Renderer(kit, Preprocessing(size=SIDE, zoom=ZOOM, centre=CENTRE))
    rows = [*units(kit, renderer), *examples(kit, renderer, 4), clip(kit, renderer)]
    return np.vstack(rows)


def units(kit: FaceKit, renderer: Renderer) -> list[Image]:
    """Return rows in which each unit is shown alone, at full activation."""
    rng = np.random.default_rng(5)
    look = replace(random_look(rng), glasses=0.0, beard=0.0, moustache=0.0, brow_width=0.35)
    person = renderer.person(np.zeros(len(kit.identities)), look)
    light = Light(
        key=np.array([-0.45, 0.45, 0.77]),
        key_colour=np.full(3, 0.95),
        fill=np.array([0.7, 0.1, 0.7]),
        fill_colour=np.full(3, 0.15),
        sky=np.full(3, 0.4),
        ground=np.full(3, 0.2),
        wrap=0.2,
        shine=0.15,
        exposure=0.9,
    )
    scene = Scene(yaw=0, pitch=0, roll=0, distance=90, light=light)
    tiles = []
    for unit in ACTION_UNITS_18.labels:
        shapes = np.zeros(len(kit.names), np.float32)
        for shape in (SHAPES.get(unit, "mouthLowerDown"), "cheekRaiser" if unit == "AU06" else ""):
            shapes[sides(kit.names, shape)] = 1
        if unit == "AU25":
            shapes[sides(kit.names, "jawOpen")] = 0.12
        tiles.append(noted(shown(renderer, person, shapes, scene), unit))
    return [np.hstack(tiles[first : first + ACROSS]) for first in range(0, len(tiles), ACROSS)]


def shown(renderer: Renderer, person: Person, shapes: np.ndarray, scene: Scene) -> Image:
    """Return a head before grey."""
    pixels = renderer.render(person, shapes, scene).pixels.astype(np.float32)
    return (pixels[..., :3] + (255 - pixels[..., 3:]) * 0.6).clip(0, 255).astype(np.uint8)


def examples(kit: FaceKit, renderer: Renderer, rows: int) -> list[Image]:
    """Return rows of pictures as a database has them, each of another person."""
    director, rng = Director(kit.names), np.random.default_rng(11)
    tiles = []
    for _ in range(rows * ACROSS):
        look = random_look(rng)
        person = renderer.person(rng.normal(0, 1, len(kit.identities)).clip(-2.5, 2.5), look)
        one = director.draw(rng)
        brightness = float(np.dot([0.2126, 0.7152, 0.0722], look.skin))
        made = renderer.render(person, one.activations, random_scene(rng, brightness))
        hair = np.sqrt(look.hair) * 150 if rng.random() < 0.35 and np.isfinite(look.hairline) else None
        behind = random_background(rng, SIDE, np.sqrt(look.clothes) * 180, hair)
        present = presences(director.levels(one.activations[None]), np.array([made.gap]))[0] > 0.5
        note = " ".join(
            unit[2:] for unit, there in zip(ACTION_UNITS_18.labels, present, strict=True) if there
        )
        tiles.append(noted(photographed(rng, made.pixels, behind, random_faults(rng)), note or "none"))
    return [np.hstack(tiles[first : first + ACROSS]) for first in range(0, len(tiles), ACROSS)]


def clip(kit: FaceKit, renderer: Renderer) -> Image:
    """Return frames of a clip, with its valence and arousal."""
    director, rng = Director(kit.names), np.random.default_rng(4)
    look = random_look(rng)
    person = renderer.person(rng.normal(0, 1, len(kit.identities)), look)
    scene = random_scene(rng, float(np.dot([0.2126, 0.7152, 0.0722], look.skin)))
    behind = random_background(rng, SIDE, np.sqrt(look.clothes) * 180, None)
    faults = replace(random_faults(rng), blur=0.0, sharpness=1.0)
    strongest = 0.0
    while strongest < 0.85:
        filmed = take(rng, director, scene, 8 * ACROSS, None)
        strongest = max(one.affect[0] for one in filmed.shown) / PLACES["happiness"][0]
    tiles = []
    for number in range(0, 8 * ACROSS, 8):
        one = filmed.shown[number]
        made = renderer.render(person, one.activations, filmed.scenes[number])
        valence, arousal = one.affect
        note = f"{number / 25:.1f} s {valence:+.2f} {arousal:+.2f}"
        tiles.append(noted(photographed(rng, made.pixels, behind, faults), note))
    return np.hstack(tiles)


def noted(picture: Image, text: str) -> Image:
    """Return a picture with a line of text below it."""
    line = np.full((NOTE, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(line, text, (2, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.32, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([picture, line])


if __name__ == "__main__":
    main()
