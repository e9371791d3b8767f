"""Results drawn into the picture they come from, and the colours that every report shares.

Each face gets a thin box, a label and, where there is room that hides no face, a small panel with
all that the network says of it. Text is drawn once and kept, so that a face costs well under two
milliseconds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from mien.analysis import FrameResult
from mien.arrays import FloatArray, Image
from mien.faces.alignment import halved
from mien.reports.tables import written
from mien.tasks import Task

Colour = tuple[int, int, int]

EXPRESSION_COLOURS: Mapping[str, str] = {
    "neutral": "#b3b6ba",
    "anger": "#d0661a",
    "disgust": "#0b7a6b",
    "fear": "#b672b5",
    "happiness": "#e6bf00",
    "sadness": "#4a3fe0",
    "surprise": "#35c0f2",
    "contempt": "#a31fae",
    "other": "#6d6032",
}
"""Expression -> colour. They stay apart for people who see red, green or blue less well."""

FACE_COLOURS = (
    "#99ddff",
    "#ffaabb",
    "#d4e157",
    "#ffb38a",
    "#7fe0c0",
    "#d7c4ff",
    "#ffe38a",
    "#b0c8e8",
)
"""Pale colours of boxes, taken in turn by face number: none is the colour of an expression."""

_DARK: Colour = (26, 20, 17)
_PAPER: Colour = (235, 235, 235)
_TRACK: Colour = (92, 86, 82)


class Area(NamedTuple):
    """An upright rectangle in whole pixels."""

    x: int
    y: int
    width: int
    height: int

    def overlap(self, other: "Area") -> int:
        """Return the number of pixels that both cover."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(across, 0) * max(down, 0)

    def inside(self, width: int, height: int) -> "Area":
        """Return the same area moved as little as possible to lie in a picture of this size."""
        x = min(max(self.x, 0), max(width - self.width, 0))
        y = min(max(self.y, 0), max(height - self.height, 0))
        return Area(x, y, min(self.width, width), min(self.height, height))


def expression_colour(label: str) -> str:
    """Return the colour of an expression as #rrggbb; a name without one of its own gets "other"'s."""
    return EXPRESSION_COLOURS.get(label, EXPRESSION_COLOURS["other"])


def face_colour(face: int) -> str:
    """Return the colour of a face's box as #rrggbb, by its number."""
    return FACE_COLOURS[face % len(FACE_COLOURS)]


def thumbnail(image: Image, width: int) -> bytes:
    """Return a picture as JPEG, `width` pixels wide; a smaller one keeps its size."""
    if image.shape[1] > width:
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        near, _ = halved(image, image.shape[1] / width)
        image = np.asarray(cv2.resize(near, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 82])[1])


def draw(result: FrameResult) -> Image:
    """Return a copy of the frame with a box, a label and a panel of values for each face.

    Labels always stay in the picture. A panel that would hide a face shows fewer tasks, or is left
    out; only a picture's single face may lose a small part of its box to it.
    """
    tasks = written(tuple(result.predictions.values))
    boxes = [Area(*(round(float(side)) for side in box)) for box in result.faces.boxes]
    scene = _Scene(result.frame.image.copy(), boxes)
    rows = [{task: result.predictions.values[task][row] for task in tasks} for row in range(len(boxes))]
    marks = [_Mark(int(face), box, values) for face, box, values in zip(result.ids, boxes, rows, strict=True)]
    for mark in marks:
        _draw_box(scene, mark)
    for mark in marks:
        _draw_label(scene, mark)
    for mark in sorted(marks, key=lambda mark: -mark.box.width * mark.box.height):
        shorter = (tasks[:count] for count in range(len(tasks), 0, -1))
        any(_draw_panel(scene, mark, _panel(some, scene.unit)) for some in shorter)
    return scene.image


@dataclass(frozen=True)
class _Mark:
    """One face to be drawn: its number, its box and what the network says of it."""

    face: int
    box: Area
    values: Mapping[Task, FloatArray]

    @property
    def colour(self) -> Colour:
        return _bgr(face_colour(self.face))


@dataclass(frozen=True)
class _Scene:
    """The picture being drawn on, the faces in it, and what is already covered."""

    image: Image
    faces: list[Area]
    taken: list[Area] = field(default_factory=list)

    @property
    def unit(self) -> float:
        """The scale of all strokes and letters: 1 where the picture's shorter side is 600."""
        return max(0.85, float(min(self.image.shape[:2])) / 600)

    def best(self, candidates: Iterable[Area], own: Area) -> tuple[Area, int, int]:
        """Return the first candidate that hides least, moved into the picture.

        With it come the pixels of other faces and marks that it hides, and those of its own face.
        """
        height, width = self.image.shape[:2]
        others = [*(face for face in self.faces if face is not own), *self.taken]
        rated = []
        for candidate in candidates:
            place = candidate.inside(width, height)
            rated.append((place, sum(map(place.overlap, others)), place.overlap(own)))
        return min(rated, key=lambda one: 4 * one[1] + one[2])

    def part(self, place: Area) -> Image:
        """Return the pixels of an area as a view."""
        return self.image[place.y : place.y + place.height, place.x : place.x + place.width]


def _draw_box(scene: _Scene, mark: _Mark) -> None:
    """Draw a thin box with strong corners, on a dark line that holds on bright ground."""
    box, image = mark.box, scene.image
    thin, strong = max(1, round(scene.unit)), max(2, round(2.4 * scene.unit))
    left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    cv2.rectangle(image, (left, top), (right, bottom), _DARK, thin + 2)
    cv2.rectangle(image, (left, top), (right, bottom), mark.colour, thin)
    arm = max(4, min(box.width, box.height) // 5)
    for x, y, across, down in (
        (left, top, arm, arm),
        (right, top, -arm, arm),
        (left, bottom, arm, -arm),
        (right, bottom, -arm, -arm),
    ):
        corner = np.array([[x + across, y], [x, y], [x, y + down]], np.int32)
        cv2.polylines(image, [corner], isClosed=False, color=mark.colour, thickness=strong)


def _draw_label(scene: _Scene, mark: _Mark) -> None:
    """Draw "face 2 ● happiness 87 %" near the box; the dot has the expression's colour."""
    gap = max(3, round(4 * scene.unit))
    parts: list[Image | Colour] = [_ink(f"face {mark.face}", 0.46 * scene.unit)]
    for task, values in mark.values.items():
        if task.behaviour == "expression":
            best = int(np.argmax(values))
            parts.append(_bgr(expression_colour(task.labels[best])))
            parts.append(_ink(task.labels[best], 0.46 * scene.unit))
            parts.append(_ink(_percent(values[best]), 0.46 * scene.unit))
    wide, high = _width(parts, gap), _ink("face", 0.46 * scene.unit).shape[0] + gap
    if wide > scene.image.shape[1]:
        parts = parts[2:3] or parts
        wide = _width(parts, gap)
    box = mark.box
    right, below = box.x + box.width - wide, box.y + box.height
    ends = [
        (box.x, box.y - high),
        (right, box.y - high),
        (box.x, below),
        (right, below),
        (box.x, below - high),
    ]
    place, _, _ = scene.best([Area(x, y, wide, high) for x, y in ends], box)
    scene.taken.append(place)
    ground = scene.part(place)
    ground[:] = mark.colour
    x = gap
    for part in parts:
        if isinstance(part, tuple):
            cv2.circle(ground, (x + gap, high // 2), gap + max(1, gap // 4), _DARK, -1, cv2.LINE_AA)
            cv2.circle(ground, (x + gap, high // 2), gap, part, -1, cv2.LINE_AA)
            x += 3 * gap
        else:
            _stamp(ground, part, x, gap // 2, dark=True)
            x += part.shape[1] + gap


def _width(parts: list[Image | Colour], gap: int) -> int:
    """Return the pixels that texts and dots in a row take, with gaps around."""
    return gap + sum(3 * gap if isinstance(part, tuple) else part.shape[1] + gap for part in parts)


@dataclass(frozen=True)
class _Panel:
    """What panels of the same tasks share: where each task's values go, and all that never changes.

    Attributes:
        ink: (height, width, 3) names, tracks and axes on black.
        tops: task -> the first pixel row of its part.
        line: height of one line of text.
        names: width of the column of names.
        numbers: width of the column of numbers.
    """

    ink: Image
    tops: Mapping[Task, int]
    line: int
    names: int
    numbers: int

    @property
    def bar(self) -> tuple[int, int]:
        """First pixel column and width of the bars."""
        start = self.names + 4 * self.edge
        return start, self.ink.shape[1] - start - self.numbers - 2 * self.edge

    @property
    def edge(self) -> int:
        return max(2, self.line // 4)

    def plane(self, task: Task) -> Area:
        """Return the square of valence and arousal."""
        side = 5 * self.line
        return Area(2 * self.edge, self.tops[task] + self.edge // 2, side, side)

    def column(self, task: Task, index: int) -> Area:
        """Return the track of one action unit's bar."""
        room = (self.ink.shape[1] - 3 * self.edge) / len(task)
        left = round(2 * self.edge + index * room)
        right = round(2 * self.edge + (index + 1) * room) - max(1, self.line // 6)
        return Area(left, self.tops[task] + self.edge // 2, right - left, 3 * self.line - self.edge)


def _draw_panel(scene: _Scene, mark: _Mark, panel: _Panel) -> bool:
    """Draw the values of a face beside it where that hides nothing, and return if there was room."""
    box, gap = mark.box, max(4, round(6 * scene.unit))
    height, width = panel.ink.shape[:2]
    left, right = box.x - width - gap, box.x + box.width + gap
    below, above = box.y + box.height + gap, box.y - height - gap
    foot = box.y + box.height - height
    ends = [(right, box.y), (left, box.y), (right, foot), (left, foot), (box.x, below), (box.x, above)]
    if len(scene.faces) == 1:
        far = (scene.image.shape[1], scene.image.shape[0])
        ends += [(far[0], far[1]), (0, far[1]), (far[0], 0), (0, 0)]
    place, others, own = scene.best([Area(x, y, width, height) for x, y in ends], box)
    small = place.width < width or place.height < height or width > 0.6 * scene.image.shape[1]
    if small or others or own > (0.12 if len(scene.faces) == 1 else 0.02) * box.width * box.height:
        return False
    scene.taken.append(place)
    ground = scene.part(place)
    cv2.max(cv2.convertScaleAbs(ground, alpha=0.26), panel.ink, dst=ground)
    ground[:, : max(2, panel.edge // 2)] = mark.colour
    for task in panel.tops:
        _DRAWERS[task.behaviour](ground, panel, task, mark.values[task])
    return True


def _draw_expressions(ground: Image, panel: _Panel, task: Task, values: FloatArray) -> None:
    """Draw one bar and one number per expression."""
    start, room = panel.bar
    for index, (label, value) in enumerate(zip(task.labels, values, strict=True)):
        top = panel.tops[task] + index * panel.line
        share = round(room * min(max(float(value), 0.0), 1.0))
        inset = max(2, panel.line // 4)
        colour = _bgr(expression_colour(label))
        ground[top + inset : top + panel.line - inset, start : start + max(1, share)] = colour
        number = _ink(_percent(value), _scale(panel.line))
        _stamp(ground, number, ground.shape[1] - panel.edge - number.shape[1], top)


def _draw_plane(ground: Image, panel: _Panel, task: Task, values: FloatArray) -> None:
    """Draw the point of valence (right is pleasant) and arousal (up is excited), and both numbers."""
    plane = panel.plane(task)
    valence, arousal = (min(max(float(value), -1.0), 1.0) for value in values)
    x = plane.x + round((valence + 1) / 2 * (plane.width - 1))
    y = plane.y + round((1 - arousal) / 2 * (plane.height - 1))
    cv2.circle(ground, (x, y), max(3, panel.line // 4), _PAPER, -1, cv2.LINE_AA)
    left = plane.x + plane.width + 2 * panel.edge
    for index, value in enumerate(values):
        number = _ink(f"{value:+.2f}", _scale(panel.line))
        _stamp(ground, number, left, plane.y + (2 * index + 1) * panel.line)


def _draw_units(ground: Image, panel: _Panel, task: Task, values: FloatArray) -> None:
    """Draw one upright bar per action unit; bright where it is more likely active than not."""
    for index, value in enumerate(values):
        track = panel.column(task, index)
        high = max(1, round(track.height * min(max(float(value), 0.0), 1.0)))
        top = track.y + track.height - high
        colour = _PAPER if value >= 0.5 else (176, 168, 160)
        ground[top : top + high, track.x : track.x + track.width] = colour


_DRAWERS = {
    "expression": _draw_expressions,
    "valence_arousal": _draw_plane,
    "action_units": _draw_units,
}


@lru_cache(maxsize=16)
def _panel(tasks: tuple[Task, ...], unit: float) -> _Panel:
    """Return the panel of these tasks; kept, since a video needs the same one in every frame."""
    line = round(12.5 * unit)
    edge = max(2, line // 4)
    heights = {"expression": 0, "valence_arousal": 5 * line + edge, "action_units": 5 * line}
    labels = [label for task in tasks if task.behaviour == "expression" for label in task.labels]
    names = max((_ink(label, _scale(line)).shape[1] for label in labels), default=4 * line)
    numbers = _ink("100 %", _scale(line)).shape[1]
    tops, bottom = {}, edge
    for task in tasks:
        tops[task] = bottom
        bottom += (heights[task.behaviour] or len(task) * line) + edge
    width = names + numbers + round(4.2 * line) + 6 * edge
    panel = _Panel(np.zeros((bottom, width, 3), np.uint8), tops, line, names, numbers)
    for task in tops:
        _INKERS[task.behaviour](panel, task)
    panel.ink.setflags(write=False)
    return panel


def _ink_expressions(panel: _Panel, task: Task) -> None:
    """Write the names of the expressions and the tracks of their bars."""
    start, room = panel.bar
    for index, label in enumerate(task.labels):
        top = panel.tops[task] + index * panel.line
        _stamp(panel.ink, _ink(label, _scale(panel.line)), 2 * panel.edge, top)
        inset = max(2, panel.line // 4)
        panel.ink[top + inset : top + panel.line - inset, start : start + room] = _TRACK


def _ink_plane(panel: _Panel, task: Task) -> None:
    """Draw the axes of valence and arousal and write their names."""
    plane = panel.plane(task)
    x, y = plane.x + plane.width // 2, plane.y + plane.height // 2
    corner = (plane.x + plane.width - 1, plane.y + plane.height - 1)
    cv2.rectangle(panel.ink, (plane.x, plane.y), corner, _TRACK, 1)
    cv2.ellipse(panel.ink, (x, y), (plane.width // 2, plane.height // 2), 0, 0, 360, _TRACK, 1, cv2.LINE_AA)
    panel.ink[y, plane.x : plane.x + plane.width] = _TRACK
    panel.ink[plane.y : plane.y + plane.height, x] = _TRACK
    left = plane.x + plane.width + 2 * panel.edge
    for index, label in enumerate(task.labels):
        _stamp(panel.ink, _ink(label, _scale(panel.line)), left, plane.y + 2 * index * panel.line)


def _ink_units(panel: _Panel, task: Task) -> None:
    """Draw the tracks of the action units and write their numbers below, in two rows by turns."""
    for index, label in enumerate(task.labels):
        track = panel.column(task, index)
        panel.ink[track.y : track.y + track.height, track.x : track.x + track.width] = _TRACK
        number = _ink(label.removeprefix("AU").lstrip("0"), 0.9 * _scale(panel.line))
        below = track.y + track.height + index % 2 * (panel.line - panel.edge)
        _stamp(panel.ink, number, track.x + (track.width - number.shape[1]) // 2, below)


_INKERS = {
    "expression": _ink_expressions,
    "valence_arousal": _ink_plane,
    "action_units": _ink_units,
}


def _scale(line: int) -> float:
    """Return the letters' scale for a line of this height."""
    return 0.031 * line


def _percent(value: float) -> str:
    """Return a probability as people write it: 87 %."""
    return f"{round(100 * float(value))} %"


def _bgr(colour: str) -> Colour:
    """Return #rrggbb as blue, green, red."""
    return int(colour[5:7], 16), int(colour[3:5], 16), int(colour[1:3], 16)


@lru_cache(maxsize=512)
def _ink(text: str, scale: float) -> Image:
    """Return white text on black, (height, width, 3); kept, since the same words come again and again."""
    thickness = max(1, round(1.6 * scale))
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    ink = np.zeros((round(29 * scale), width + 2, 3), np.uint8)
    base = (1, round(22 * scale))
    cv2.putText(ink, text, base, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    ink.setflags(write=False)
    return ink


def _stamp(ground: Image, ink: Image, x: int, y: int, *, dark: bool = False) -> None:
    """Put text on a part of a picture, white or black; what would lie outside is cut off."""
    x, y = max(x, 0), max(y, 0)
    part = ground[y : y + ink.shape[0], x : x + ink.shape[1]]
    ink = ink[: part.shape[0], : part.shape[1]]
    if part.size:
        part[:] = cv2.min(part, cv2.bitwise_not(ink)) if dark else cv2.max(part, ink)
