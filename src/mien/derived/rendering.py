"""Pictures of a face model: morphed in numpy, drawn by OpenGL without a window, cut as faces are cut.

Drawing goes straight into the aligned crop: the similarity that would cut a face out of a picture is part of
the projection, so that no face needs to be looked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from mien.arrays import BoolArray, FloatArray, Image, IntArray
from mien.derived.creases import creases
from mien.derived.facekit import EYES, GUMS, MOUTH, SKIN, TEETH, FaceKit
from mien.derived.painting import Look, Painter
from mien.derived.scenery import Scene
from mien.errors import SettingsError
from mien.inputs import Preprocessing

SAMPLES = 2
"""Pixels drawn for each pixel kept, along each side."""

_BACK, _BELOW = -4.0, -25.0
"""Vertices further back or lower, in the mesh's units, are not drawn."""

_VERTEX = """
#version 330
uniform mat4 projection;
uniform mat3 turn;
in vec3 position;
in vec3 direction;
in vec4 paint;
in float fold;
out vec3 normal;
out vec3 place;
out vec4 colour;
void main() {
    gl_Position = projection * vec4(position, 1.0);
    normal = turn * direction;
    place = turn * position;
    colour = vec4(paint.rgb * (1.0 - fold), paint.a);
}
"""

_FRAGMENT = """
#version 330
uniform vec3 key;
uniform vec3 key_colour;
uniform vec3 fill;
uniform vec3 fill_colour;
uniform vec3 sky;
uniform vec3 ground;
uniform float wrap;
uniform float shine;
uniform float exposure;
in vec3 normal;
in vec3 place;
in vec4 colour;
out vec4 pixel;
void main() {
    vec3 n = normalize(normal);
    if (n.z < -0.3) n = -n;
    float lit = max((dot(n, key) + wrap) / (1.0 + wrap), 0.0);
    float filled = max((dot(n, fill) + 0.5) / 1.5, 0.0);
    vec3 light = mix(ground, sky, 0.5 + 0.5 * n.y) + lit * key_colour + filled * fill_colour;
    vec3 half_way = normalize(key + vec3(0.0, 0.0, 1.0));
    float glint = colour.a * shine * pow(max(dot(n, half_way), 0.0), 24.0);
    vec3 seen = exposure * (colour.rgb * light + glint * key_colour);
    seen = seen / (1.0 + 0.35 * seen);
    pixel = vec4(pow(clamp(seen, 0.0, 1.0), vec3(1.0 / 2.2)), 1.0);
}
"""


@dataclass(frozen=True, eq=False)
class Person:
    """One head, painted.

    Attributes:
        mesh: (n, 3) the drawn vertices without an expression.
        paint: (n, 4) uint8, their colour and gloss.
        look: what it is painted as.
    """

    mesh: FloatArray
    paint: Image
    look: Look


@dataclass(frozen=True, eq=False)
class Rendering:
    """One picture and where its face is.

    Attributes:
        pixels: (size, size, 4) uint8, blue, green, red and how much of the pixel the head covers.
        landmarks: (5, 2) x, y in pixels of the picture: eyes, tip of the nose, corners of the mouth.
        gap: by how much the upper lip's inner edge is above the lower's, over the distance of the eyes' outer
            corners, both without perspective; 0 for lips that touch or are pressed into each other.
    """

    pixels: Image
    landmarks: FloatArray
    gap: float


class Renderer:
    """Draws a face model.

    Args:
        kit: the model.
        framing: the crop that pictures are; its size is that of the pictures.

    Raises:
        SettingsError: OpenGL is not there.
    """

    def __init__(self, kit: FaceKit, framing: Preprocessing) -> None:
        self._kit, self._framing = kit, framing
        self._painter = Painter(kit)
        seen, quads = _seen(kit)
        self.seen = seen
        self._marks = np.searchsorted(seen, kit.landmarks)
        self._shapes = np.ascontiguousarray(kit.shapes[:, seen])
        self._creases = creases(kit)[:, seen]
        self._moved = [_reach(shape) for shape in self._shapes]
        self._quads = quads
        corners = quads.ravel()
        order = np.argsort(corners, kind="stable")
        self._faces_of = order // 4
        self._starts = np.flatnonzero(np.diff(corners[order], prepend=-1))
        self._context = _context()
        self._draw = _Drawing(self._context, len(seen), _triangles(quads), framing.size * SAMPLES)
        self._shown: Person | None = None

    def person(self, weights: FloatArray, look: Look) -> Person:
        """Return a head from weights (i,) of the model's identities."""
        mesh = self._kit.person(weights)
        hair = self._painter.hair(look) * look.volume
        outward = mesh - np.array([0, 2.0, 0], np.float32)
        outward /= np.linalg.norm(outward, axis=1, keepdims=True)
        mesh = mesh + (hair * np.clip((mesh[:, 1] - 2) / 6, 0.1, 1))[:, None] * outward
        paint = self._painter.paint(look)
        stored = np.sqrt(paint[self.seen]) * 255
        return Person(mesh[self.seen].astype(np.float32), stored.round().astype(np.uint8), look)

    def mesh(self, person: Person, activations: FloatArray) -> FloatArray:
        """Return the drawn vertices (n, 3) of a person with the shapes (s,) activated."""
        mesh = person.mesh.copy()
        for place in np.flatnonzero(activations):
            first, last = self._moved[place]
            mesh[first:last] += np.float32(activations[place]) * self._shapes[place, first:last]
        return mesh

    def render(self, person: Person, activations: FloatArray, scene: Scene) -> Rendering:
        """Return a picture of a person with the shapes (s,) activated."""
        mesh = self.mesh(person, activations)
        marks = mesh[self._marks]
        gap = max(marks[62, 1] - marks[66, 1], 0) / np.linalg.norm(marks[36] - marks[45])
        camera, points = _camera(scene, five(marks))
        matrix = self._framing.matrix(points)
        if self._shown is not person:
            self._draw.paint(person.paint)
            self._shown = person
        folds = (person.look.folds * activations @ self._creases).clip(0, 0.8)
        self._draw.place(mesh, self.normals(mesh), folds)
        size = self._framing.size
        pixels = self._draw.picture(_into_crop(matrix, size) @ camera, scene)
        small = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
        landmarks = points @ matrix[:, :2].T + matrix[:, 2]
        return Rendering(np.asarray(small, np.uint8), landmarks.astype(np.float32), float(gap))

    def normals(self, mesh: FloatArray) -> FloatArray:
        """Return the vertices' directions outward (n, 3), by their faces' areas, not of unit length."""
        a, b, c, d = (mesh[self._quads[:, corner]] for corner in range(4))
        across, along = c - a, d - b
        faces = np.empty_like(across)
        for axis in range(3):
            one, two = (axis + 1) % 3, (axis + 2) % 3
            faces[:, axis] = across[:, one] * along[:, two] - across[:, two] * along[:, one]
        return np.asarray(np.add.reduceat(faces[self._faces_of], self._starts, axis=0))


class _Drawing:
    """What lies in OpenGL's memory, and the drawing of it.

    Args:
        context: of moderngl.
        vertices: how many there are.
        triangles: (t, 3) their corners.
        side: of the drawn picture, in pixels.
    """

    def __init__(self, context: Any, vertices: int, triangles: IntArray, side: int) -> None:
        self._side = side
        self._program = context.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        self._mesh = context.buffer(reserve=vertices * 12, dynamic=True)
        self._normals = context.buffer(reserve=vertices * 12, dynamic=True)
        self._folds = context.buffer(reserve=vertices * 4, dynamic=True)
        self._paint = context.buffer(reserve=vertices * 4)
        self._vertices = context.vertex_array(
            self._program,
            [
                (self._mesh, "3f", "position"),
                (self._normals, "3f", "direction"),
                (self._paint, "4f1", "paint"),
                (self._folds, "1f", "fold"),
            ],
            context.buffer(triangles.astype(np.int32).tobytes()),
        )
        self._target = context.framebuffer(
            [context.renderbuffer((side, side), 4)], context.depth_renderbuffer((side, side))
        )
        self._context = context

    def paint(self, paint: Image) -> None:
        """Take the vertices' colours (n, 4)."""
        self._paint.write(np.ascontiguousarray(paint))

    def place(self, mesh: FloatArray, normals: FloatArray, folds: FloatArray) -> None:
        """Take the vertices, their directions, (n, 3) each, and how dark folds are there, (n,)."""
        self._mesh.write(np.ascontiguousarray(mesh, np.float32))
        self._normals.write(np.ascontiguousarray(normals, np.float32))
        self._folds.write(np.ascontiguousarray(folds, np.float32))

    def picture(self, projection: FloatArray, scene: Scene) -> Image:
        """Return the drawn pixels (side, side, 4), blue first."""
        self._target.use()
        self._target.clear(0.0, 0.0, 0.0, 0.0, depth=1.0)
        self._context.enable(self._context.DEPTH_TEST)
        self._program["projection"].write(np.ascontiguousarray(projection.T, np.float32))
        self._program["turn"].write(np.ascontiguousarray(scene.turn.T, np.float32))
        for name, value in _uniforms(scene).items():
            self._program[name].value = value
        self._vertices.render()
        drawn = np.frombuffer(self._target.read(components=4), np.uint8)
        return np.asarray(
            cv2.cvtColor(drawn.reshape(self._side, self._side, 4), cv2.COLOR_RGBA2BGRA), np.uint8
        )


def _uniforms(scene: Scene) -> Mapping[str, float | tuple[float, ...]]:
    """Return the light of a scene as the shader takes it."""
    light = scene.light
    return {
        "key": tuple(light.key),
        "key_colour": tuple(light.key_colour),
        "fill": tuple(light.fill),
        "fill_colour": tuple(light.fill_colour),
        "sky": tuple(light.sky),
        "ground": tuple(light.ground),
        "wrap": light.wrap,
        "shine": light.shine,
        "exposure": light.exposure,
    }


def five(marks: FloatArray) -> FloatArray:
    """Return the five points (5, 3) that faces are aligned by, from the 68 landmarks (68, 3)."""
    eyes = [marks[36:42].mean(axis=0), marks[42:48].mean(axis=0)]
    return np.stack([*eyes, marks[30], marks[48], marks[54]])


def _camera(scene: Scene, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the projection (4, 4) onto a plane of unit focal length, y down, and points (n, 3) on it (n, 2).

    The head turns about a point between its ears; the camera looks at that point from a distance.
    """
    pivot = np.array([0, 1.0, 3.0])
    view = np.eye(4)
    view[:3, :3] = scene.turn
    view[:3, 3] = -scene.turn @ pivot - np.array([0, 0, scene.distance])
    near, far = scene.distance - 25, scene.distance + 25
    onto = np.array(
        [
            [1, 0, 0, 0],
            [0, -1, 0, 0],
            [0, 0, -(far + near) / (far - near), -2 * far * near / (far - near)],
            [0, 0, -1, 0],
        ]
    )
    camera = onto @ view
    seen = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ camera.T
    return camera, seen[:, :2] / seen[:, 3:]


def _into_crop(matrix: FloatArray, size: int) -> FloatArray:
    """Return the (4, 4) matrix that takes the camera's plane to a crop's corners at -1 and 1.

    Pixel k reaches from k - 1/2 to k + 1/2, so the crop's edges are at -1/2 and size - 1/2. Rows are read
    from the lowest y on, and y points down: no row needs to be turned round.
    """
    into = np.eye(4)
    into[:2, :2] = matrix[:, :2] * 2 / size
    into[:2, 3] = (matrix[:, 2] + 0.5) * 2 / size - 1
    return into


def _context() -> Any:
    """Return a context of OpenGL without a window.

    Raises:
        SettingsError: moderngl is not installed, or there is no EGL.
    """
    try:
        import moderngl
    except ImportError as error:
        raise SettingsError("rendering needs moderngl: pip install 'mien[render]'") from error
    settings: Any = {"backend": "egl"}
    try:
        return moderngl.create_context(standalone=True, **settings)
    except Exception as error:
        raise SettingsError(
            f"rendering needs OpenGL over EGL ({error}); on Debian: apt install libegl1 libegl-mesa0 "
            "libgl1-mesa-dri"
        ) from error


def _seen(kit: FaceKit) -> tuple[IntArray, IntArray]:
    """Return the vertices that are drawn, in order, and the faces (f, 4) among them, counted anew."""
    drawn = np.zeros(len(kit.neutral), bool)
    for part in (SKIN, MOUTH, GUMS, TEETH, *EYES):
        drawn[part] = True
    drawn &= (kit.neutral[:, 2] > _BACK) & (kit.neutral[:, 1] > _BELOW)
    quads = kit.quads[drawn[kit.quads].all(axis=1)]
    seen = np.unique(np.concatenate([quads.ravel(), kit.landmarks]))
    seen = seen[np.isin(seen, quads)]
    return seen, np.searchsorted(seen, quads)


def _triangles(quads: IntArray) -> IntArray:
    """Return the triangles (t, 3) of faces (f, 4)."""
    both = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    real: BoolArray = (both[:, 0] != both[:, 1]) & (both[:, 1] != both[:, 2]) & (both[:, 0] != both[:, 2])
    return np.asarray(both[real])


def _reach(shape: FloatArray) -> tuple[int, int]:
    """Return the first vertex that a shape (n, 3) moves, and the one after the last."""
    moved = np.flatnonzero((np.abs(shape) > 1e-4).any(axis=1))
    return (int(moved[0]), int(moved[-1]) + 1) if len(moved) else (0, 0)
