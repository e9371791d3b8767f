"""What is around a rendered face: how it is turned and lit, what is behind it, what the camera does to it."""

from dataclasses import dataclass

import cv2
import numpy as np

from mien.arrays import FloatArray, Image

Colour = FloatArray


@dataclass(frozen=True, eq=False)
class Light:
    """The light of a scene; directions (3,) point to it, x to the picture's right, y up, z to the viewer.

    Attributes:
        key: direction of the main light.
        key_colour: (3,) red, green, blue, as the others, linear.
        fill: direction of the second light, a soft one.
        fill_colour: see key_colour.
        sky: what comes from above.
        ground: what comes from below.
        wrap: how far the main light reaches around, 0 (hard) to 1 (soft).
        shine: how strong highlights are.
        exposure: all light is multiplied by it.
    """

    key: FloatArray
    key_colour: FloatArray
    fill: FloatArray
    fill_colour: FloatArray
    sky: FloatArray
    ground: FloatArray
    wrap: float
    shine: float
    exposure: float


@dataclass(frozen=True, eq=False)
class Scene:
    """How a head is seen.

    Attributes:
        yaw: of the head in degrees, positive to the person's left, which is the picture's right.
        pitch: positive downwards.
        roll: positive towards the person's right shoulder, counterclockwise for the viewer.
        distance: of the camera, in the mesh's units, about centimetres.
        light: what lights it.
    """

    yaw: float
    pitch: float
    roll: float
    distance: float
    light: Light

    @property
    def turn(self) -> FloatArray:
        """The head's rotation (3, 3): first yaw, then pitch, then roll."""
        yaw, pitch, roll = np.radians([self.yaw, self.pitch, self.roll])
        about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        return np.asarray(about_z @ about_x @ about_y)


@dataclass(frozen=True)
class Faults:
    """What a camera does to a picture.

    Attributes:
        sharpness: size of the picture that it really resolves, as a share; 1 for all of it.
        blur: standard deviation in pixels of a picture of 112; 0 for none.
        contrast: by which distances from a middle grey are multiplied.
        brightness: added to all pixels.
        noise: standard deviation, in greys.
        quality: of the JPEG, 1 to 100.
    """

    sharpness: float
    blur: float
    contrast: float
    brightness: float
    noise: float
    quality: int


def random_scene(rng: np.random.Generator, brightness: float) -> Scene:
    """Return a scene; mostly near frontal, yaw within 40 degrees, pitch within 25, roll within 20.

    Args:
        rng: where chance comes from.
        brightness: of the face's paint, 0 to 1; a camera exposes dark skin longer, though not fully.
    """
    yaw, pitch, roll = rng.normal(0, [13, 8, 7]).clip([-40, -25, -20], [40, 25, 20])
    return Scene(
        yaw=float(yaw),
        pitch=float(pitch),
        roll=float(roll),
        distance=float(np.exp(rng.uniform(np.log(40), np.log(200)))),
        light=_random_light(rng, brightness),
    )


def _random_light(rng: np.random.Generator, brightness: float) -> Light:
    """Return a light; mostly from above and in front, sometimes from the side or below."""
    hard = rng.random() ** 1.5
    ambient = rng.uniform(0.15, 0.75)
    tint = rng.normal(1, 0.06, 3).clip(0.8, 1.2)
    elevation = rng.normal(30, 22) if rng.random() < 0.9 else rng.uniform(-40, 80)
    sky = ambient * rng.uniform(0.8, 1.3) * np.ones(3)
    key_colour = (1.3 - ambient) * tint
    total = ambient + 0.75 * float(key_colour.mean())
    wanted = rng.uniform(0.1, 0.34) * (brightness / 0.35) ** rng.uniform(0.25, 0.75)
    return Light(
        key=_direction(rng.normal(0, 40), elevation),
        key_colour=key_colour,
        fill=_direction(rng.uniform(-90, 90), rng.uniform(-10, 40)),
        fill_colour=rng.uniform(0, 0.4) * rng.normal(1, 0.06, 3).clip(0.8, 1.2),
        sky=sky,
        ground=sky * rng.uniform(0.3, 0.9),
        wrap=float(0.6 * (1 - hard)),
        shine=float(rng.uniform(0, 0.35)),
        exposure=float(wanted / (brightness * total)),
    )


def _direction(azimuth: float, elevation: float) -> FloatArray:
    """Return the unit direction (3,) of angles in degrees; 0, 0 is the viewer's."""
    a, e = np.radians(np.clip(azimuth, -100, 100)), np.radians(np.clip(elevation, -60, 85))
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])


def random_background(rng: np.random.Generator, size: int, clothes: Colour, hair: Colour | None) -> Image:
    """Return what is behind a head, (size, size, 3) uint8, blue first: a gradient, noise, blurred shapes.

    Args:
        rng: where chance comes from.
        size: of the picture.
        clothes: (3,) red, green, blue in 0 to 255, of the shoulders.
        hair: (3,) of long hair that hangs behind the face; None for none.
    """
    small = 16
    ground = rng.uniform(0, 255)
    tint = rng.normal(0, 14, 3)
    slope = rng.normal(0, 50, 2)
    grid = np.linspace(-0.5, 0.5, small)
    plane = ground + slope[0] * grid[None, :] + slope[1] * grid[:, None]
    picture = plane[..., None] + tint + rng.normal(0, rng.uniform(0, 30), (small, small, 1))
    picture = np.asarray(picture.clip(0, 255), np.float32)
    back = cv2.resize(picture, (size, size), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        for _ in range(int(rng.integers(1, 6))):
            _shape(rng, back)
        blur = rng.uniform(0, 0.05) * size
        back = np.asarray(cv2.GaussianBlur(back, (0, 0), blur) if blur > 0.5 else back, np.uint8)
    if hair is not None:
        _long_hair(rng, back, hair)
    centre = (size // 2 + int(rng.normal(0, 0.03) * size), int(1.08 * size))
    reach = (int(rng.uniform(0.45, 0.62) * size), int(rng.uniform(0.2, 0.28) * size))
    cv2.ellipse(back, centre, reach, 0, 0, 360, [float(part) for part in clothes[::-1]], -1, cv2.LINE_AA)
    return back


def _shape(rng: np.random.Generator, picture: Image) -> None:
    """Draw a random rectangle or disc."""
    size = picture.shape[0]
    colour = (rng.uniform(0, 255) + rng.normal(0, 20, 3)).clip(0, 255).tolist()
    x, y, w, h = (int(value) for value in rng.integers(0, size, 4))
    if rng.random() < 0.5:
        cv2.rectangle(picture, (x, y), (x + w, y + h), colour, -1)
    else:
        cv2.circle(picture, (x, y), w // 2 + 1, colour, -1, cv2.LINE_AA)


def _long_hair(rng: np.random.Generator, picture: Image, hair: Colour) -> None:
    """Draw hair that falls on both sides of a face."""
    size = picture.shape[0]
    heights = np.linspace(0, 1, size)[:, None]
    across = np.abs(np.linspace(-1, 1, size)[None, :] + rng.normal(0, 0.03))
    low, wide, curl = rng.uniform(0.65, 1.3), rng.uniform(0.5, 0.72), rng.uniform(0, 0.06)
    crown = np.sqrt(np.clip(1 - ((0.45 - np.minimum(heights, 0.45)) / 0.42) ** 2, 0, 1))
    edge = wide * crown + curl * np.sin(heights * rng.uniform(10, 30) + rng.uniform(0, 6))
    cover = np.clip((edge - across) * 12, 0, 1) * np.clip((low - heights) * 12, 0, 1)
    strands = cv2.GaussianBlur(rng.normal(1, 0.5, (size, size)), (0, 0), 0.6, sigmaY=size / 12)
    colour = (strands[..., None] * hair[::-1]).clip(0, 255)
    picture[:] = picture + cover[..., None] * (colour - picture)


def random_faults(rng: np.random.Generator) -> Faults:
    """Return what a camera does to its pictures."""
    return Faults(
        sharpness=float(rng.uniform(0.35, 0.9)) if rng.random() < 0.3 else 1.0,
        blur=float(rng.uniform(0.3, 1.4)) if rng.random() < 0.25 else 0.0,
        contrast=float(rng.uniform(0.9, 1.6)),
        brightness=float(rng.normal(0, 10)),
        noise=float(rng.uniform(0, 7)) if rng.random() < 0.6 else 0.0,
        quality=int(rng.integers(65, 97)),
    )


def photographed(rng: np.random.Generator, pixels: Image, behind: Image, faults: Faults) -> Image:
    """Return a head over its background as a camera gives it, (size, size, 3) uint8, blue first.

    Args:
        rng: where the noise comes from.
        pixels: (size, size, 4), the last how much of the pixel the head covers.
        behind: (size, size, 3).
        faults: of the camera.
    """
    cover = pixels[..., 3:].astype(np.float32) / 255
    picture: FloatArray = pixels[..., :3] + (1 - cover) * behind
    size = picture.shape[0]
    if faults.sharpness < 1:
        side = int(size * faults.sharpness)
        picture = np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA))
        picture = np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR))
    if faults.blur:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), faults.blur * size / 112))
    picture = (picture - 118) * faults.contrast + 118 + faults.brightness
    if faults.noise:
        picture = picture + rng.standard_normal((size, size, 1), np.float32) * np.float32(faults.noise)
    return np.asarray(picture.clip(0, 255), np.uint8)
