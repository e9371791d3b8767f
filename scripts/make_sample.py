# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "av==18.1.0",
#     "matplotlib==3.11.2",
#     "numpy==2.4.6",
#     "opencv-python-headless==5.0.0.93",
#     "scikit-image==0.26.0",
# ]
# ///
"""Make the sample video from two portraits in the public domain (`make sample`).

Four shots with hard cuts: Eileen Collins, seen by a camera that moves, zooms and tilts while the
light changes; nobody; Grace Hopper likewise; both at once, crossing in front of the same wall.
A quiet voice-like tone starts 0.4 s after the picture. Both portraits come with packages and
nothing is downloaded.
"""

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from matplotlib import cbook
from numpy.typing import NDArray
from skimage import data

Image = NDArray[np.uint8]

PLACE = Path(__file__).parents[1] / "src" / "mien" / "samples" / "portraits.mp4"
WIDTH, HEIGHT = 640, 360
RATE = 25
SOUND_RATE = 16000
SOUND_STARTS = 0.4
SHOTS = (88, 25, 87, 100)
"""Frames of each shot: 12 seconds in all."""


def collins() -> Image:
    """Return the portrait of Eileen Collins, BGR: NASA; scikit-image's astronaut."""
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])


def hopper() -> Image:
    """Return the portrait of Grace Hopper, BGR: US Navy; matplotlib's sample picture."""
    return cv2.imread(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))


def view(picture: Image, centre: tuple[float, float], width: float, degrees: float) -> Image:
    """Return what a camera sees of a picture, (HEIGHT, WIDTH, 3).

    Args:
        picture: the scene.
        centre: the point of the picture in the middle of the view.
        width: pixels of the picture that the view spans.
        degrees: how far the camera is tilted.
    """
    matrix = cv2.getRotationMatrix2D(centre, degrees, WIDTH / width)
    matrix[:, 2] += np.array([WIDTH / 2, HEIGHT / 2]) - centre
    return cv2.warpAffine(
        picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )


def lit(picture: Image, gain: float, warmth: float = 0.0) -> Image:
    """Return a picture under another light: `gain` times as bright, blue and red `warmth` apart."""
    scale = gain * np.array([1 - warmth, 1, 1 + warmth])
    return np.clip(picture * scale, 0, 255).astype(np.uint8)


def wall(shift: float) -> Image:
    """Return a plain wall with a soft light on it, `shift` pixels to the right of the middle."""
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    glow = np.exp(-((x - WIDTH / 2 - shift) ** 2 + (y - 120) ** 2) / (2 * 220.0**2))
    return (glow[:, :, None] * np.array([70, 66, 60]) + np.array([66, 60, 56])).astype(np.uint8)


def placed(scene: Image, portrait: Image, left: float, height: int) -> Image:
    """Return a scene with a framed portrait on it, its left edge at `left`, cut at the borders."""
    scale = height / portrait.shape[0]
    small = cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = cv2.copyMakeBorder(small, 6, 6, 6, 6, cv2.BORDER_CONSTANT, value=(225, 230, 232))
    shift = np.array([[1, 0, left], [0, 1, (HEIGHT - small.shape[0]) / 2]])
    return cv2.warpAffine(small, shift, (WIDTH, HEIGHT), dst=scene.copy(), borderMode=cv2.BORDER_TRANSPARENT)


def shots() -> Iterator[Image]:
    """Yield the frames of all shots."""
    first, second = collins(), hopper()
    for t in np.linspace(0, 1, SHOTS[0]):
        centre = (212 + 36 * math.sin(math.pi * t), 130 + 14 * t)
        seen = view(first, centre, 340 - 90 * t, 7 * math.sin(2 * math.pi * t))
        yield lit(seen, 1 - 0.35 * math.sin(math.pi * t) ** 2, 0.08 * t)
    for t in np.linspace(0, 1, SHOTS[1]):
        yield wall(260 * (t - 0.5))
    for t in np.linspace(0, 1, SHOTS[2]):
        centre = (252 - 24 * math.sin(math.pi * t), 190 + 20 * math.sin(2 * math.pi * t))
        seen = view(second, centre, 360 + 130 * t, -6 * math.sin(math.pi * t))
        yield lit(seen, 0.75 + 0.4 * t, -0.06 * (1 - t))
    near, far = first[:330, 60:400], second[20:420, 70:450]
    for t in np.linspace(0, 1, SHOTS[3]):
        scene = placed(wall(0), far, 60 + 360 * t, 200)
        yield placed(scene, near, 360 - 340 * t, 290)


def voice() -> NDArray[np.int16]:
    """Return a quiet sound, (1, n) at SOUND_RATE: a gliding buzz that swells like syllables."""
    t = np.arange(int(SOUND_RATE * (sum(SHOTS) / RATE - SOUND_STARTS))) / SOUND_RATE
    pitch = 130 + 25 * np.sin(2 * np.pi * 0.4 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / SOUND_RATE
    buzz = sum(np.sin(k * phase) / k**1.5 for k in range(1, 9))
    syllables = np.clip(np.sin(2 * np.pi * 1.6 * t), 0, None) ** 2
    return (2200 * buzz * syllables).astype(np.int16)[None]


def main() -> None:
    """Write the video and say where."""
    PLACE.parent.mkdir(exist_ok=True)
    with av.open(str(PLACE), "w", options={"movflags": "+faststart"}) as file:
        picture = file.add_stream(
            "libx264", rate=RATE, options={"crf": "27", "preset": "slow", "threads": "1"}
        )
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = file.add_stream("aac", rate=SOUND_RATE, layout="mono")
        sound.bit_rate = 32000
        for image in shots():
            file.mux(picture.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        file.mux(picture.encode())
        samples = av.AudioFrame.from_ndarray(voice(), "s16", "mono")
        samples.sample_rate = SOUND_RATE
        samples.time_base = Fraction(1, SOUND_RATE)
        samples.pts = int(SOUND_STARTS * SOUND_RATE)
        file.mux(sound.encode(samples))
        file.mux(sound.encode())
    print(f"{PLACE}: {PLACE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
