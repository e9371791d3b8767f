"""Faces kept apart over time: one id per face and shot, at a fraction of the cost of detecting.

A whole picture is searched only now and then; in between, every face is looked for again where
its motion takes it. A face that cannot be found so, or two that end up on one, bring the next
search forward. What a search finds is given to the known faces by an optimal assignment.
"""

from dataclasses import dataclass, field
from math import exp, inf, log, nan, sqrt

import numpy as np

from mien.arrays import FloatArray, Image, IntArray
from mien.faces.alignment import align, similarity, template
from mien.faces.detection import Detector, Faces
from mien.faces.shots import ShotDetector

STEP = 0.04
"""Seconds between two pictures where nobody says."""

SPARSE = 0.4
"""Seconds between two pictures beyond which every picture is searched and believed at once."""

MEMORY = 1.0
"""Seconds after which a face that is gone is a new face when it returns."""

COAST = 0.3
"""Seconds in which the motion of a face that is not seen dies away."""

PROOF = 3
"""Pictures in a row in which a face must be found before it counts, unless it opens a shot."""

DOUBT = 11
"""The same where somebody is missing who may be that face, still half hidden."""

SAME = 0.4
"""Overlap (intersection over union) from which two boxes are one face."""

UNMATCHED = 2.5
"""Cost of leaving a known face without a found one; no dearer pair is made."""


@dataclass(frozen=True)
class Tracked:
    """The faces of one picture with their numbers, in order of number.

    Attributes:
        ids: (n,) 0-based by first appearance; those that appear together, from left to right.
        faces: n boxes, landmarks and scores.
        cut: whether this picture starts a new shot; no number lives across it.
    """

    ids: IntArray
    faces: Faces
    cut: bool


class Tracker:
    """Follows every face of a video, given its pictures one by one.

    Faces are told apart by where they are, how they move and how they look: a small normalised
    colour patch that lives in memory only, is compared within one shot only, and is never handed
    out or written. Recognising people across shots or videos is out of scope on principle: who
    comes back after a cut, or after more than MEMORY seconds, is a new face.

    Args:
        detector: finds faces.
        every: pictures from one search of the whole picture to the next, at most. While nobody
            is there, or somebody has just gone, the search is three times as frequent.

    Raises:
        ValueError: every is below 1.
    """

    def __init__(self, detector: Detector, every: int = 10) -> None:
        if every < 1:
            raise ValueError(f"every is {every}, expected at least 1")
        self._detector = detector
        self._every = every
        self._shots = ShotDetector()
        self._tracks: list[_Track] = []
        self._next_id = 0
        self._shape: tuple[int, ...] | None = None
        self._now = 0.0
        self._seconds = nan
        self._waited = 0

    def update(self, image: Image, seconds: float = nan) -> Tracked:
        """Return the faces of the next picture.

        The first picture of a shot shows all its faces at once; a face that comes later is shown
        when it was found in PROOF pictures in a row, so that a single mistake takes no number, or in
        DOUBT pictures where it may be a missing face that looks unlike itself, being half hidden.

        Args:
            image: (height, width, 3) BGR. A change of size starts a new shot.
            seconds: time of the picture; NaN, or a time that does not advance, counts as STEP
                after the picture before.
        """
        step = self._advance(seconds)
        cut = self._shots.update(image) or self._shape not in (None, image.shape)
        opening = cut or self._shape is None
        self._shape = image.shape
        if opening:
            self._tracks = []
        followed = self._followed(image)
        if opening or step > SPARSE or self._due() or not _sound(followed):
            self._waited = 0
            self._search(image, followed, DOUBT if opening or step > SPARSE else 1)
        else:
            self._waited += 1
            for track, sight in followed:
                if sight is not None:
                    track.see(sight, self._now)
        self._tracks = [track for track in self._tracks if track.remembered(self._now)]
        self._recall()
        return self._shown(cut)

    def _advance(self, seconds: float) -> float:
        """Return the seconds since the picture before, and move the clock on by them."""
        step = seconds - self._seconds
        if not step > 0:
            step = STEP
        self._seconds = seconds
        self._now += step
        return step

    def _due(self) -> bool:
        """Return whether the whole picture is to be searched again even if all goes well."""
        calm = bool(self._tracks) and all(track.here for track in self._tracks)
        return self._waited + 1 >= (self._every if calm else self._every // 3)

    def _followed(self, image: Image) -> "list[tuple[_Track, _Sight | None]]":
        """Return what is found of each present face where it should be now; None where it is not."""
        tracks = [track for track in self._tracks if track.here]
        if not tracks:
            return []
        boxes = np.array([track.expected(self._now) for track in tracks], np.float32)
        faces = self._detector.follow(image, boxes)
        found = [_sight(image, faces, row) if faces.scores[row] > 0 else None for row in range(len(faces))]
        return [
            (track, sight if sight is not None and track.cost(sight, self._now) < inf else None)
            for track, sight in zip(tracks, found, strict=True)
        ]

    def _search(self, image: Image, followed: "list[tuple[_Track, _Sight | None]]", proof: int) -> None:
        """Search the whole picture and settle which known face is which found one.

        Args:
            image: the picture.
            followed: what following found; it stands in for faces that the search misses.
            proof: in how many pictures a new face counts as found already.
        """
        faces = self._detector.detect(image)
        found = [_sight(image, faces, row) for row in range(len(faces))]
        costs = [[track.cost(sight, self._now) for sight in found] for track in self._tracks]
        pairs = assignment(np.array(costs).reshape(len(self._tracks), len(found)), UNMATCHED)
        matched = {id(self._tracks[row]) for row, _ in pairs}
        for row, column in pairs:
            self._tracks[row].see(found[column], self._now)
        seen = list(found)
        for track, sight in followed:
            if id(track) in matched:
                continue
            track.here = sight is not None and all(overlap(sight.box, other.box) < SAME for other in seen)
            if sight is not None and track.here:
                track.see(sight, self._now)
                seen.append(sight)
        fresh = set(range(len(found))) - {column for _, column in pairs}
        for sight in [found[column] for column in sorted(fresh)]:
            self._tracks.append(_Track(sight, self._now, sight.look, proof))

    def _recall(self) -> None:
        """Take faces without a number for missing ones where they have come to look like them."""
        missing = [track for track in self._tracks if not track.here]
        fresh = [track for track in self._tracks if track.id < 0]
        costs = [[track.cost(other.sight, self._now) for other in fresh] for track in missing]
        for row, column in assignment(np.array(costs).reshape(len(missing), len(fresh)), UNMATCHED):
            missing[row].see(fresh[column].sight, self._now)
            self._tracks.remove(fresh[column])

    def _shown(self, cut: bool) -> Tracked:
        """Return the present faces that count, after numbering the new ones from left to right."""
        missing = [track for track in self._tracks if not track.here]
        shown = []
        for track in self._tracks:
            doubt = track.id < 0 and any(other.near(track.sight, self._now) for other in missing)
            if track.here and track.found >= (DOUBT if doubt else PROOF):
                shown.append(track)
        for track in sorted((t for t in shown if t.id < 0), key=lambda t: float(t.sight.box[0])):
            track.id = self._next_id
            self._next_id += 1
        shown.sort(key=lambda track: track.id)
        ids = np.array([track.id for track in shown], np.int64)
        if not shown:
            return Tracked(ids, Faces.none(), cut)
        sights = [track.sight for track in shown]
        boxes, landmarks = np.stack([s.box for s in sights]), np.stack([s.landmarks for s in sights])
        return Tracked(ids, Faces(boxes, landmarks, np.array([s.score for s in sights], np.float32)), cut)


@dataclass(frozen=True, eq=False)
class _Sight:
    """One face in one picture; look is its patch with mean 0 and length 1."""

    box: FloatArray
    landmarks: FloatArray
    score: float
    look: FloatArray


@dataclass(eq=False)
class _Track:
    """One face over time: where it was seen last, and what is needed to know it again."""

    sight: _Sight
    time: float
    look: FloatArray
    found: int
    velocity: FloatArray = field(default_factory=lambda: np.zeros(2))
    id: int = -1
    here: bool = True

    def expected(self, now: float) -> FloatArray:
        """Return the box (4,) moved on at a speed that dies away within COAST seconds."""
        shift = self.velocity * COAST * (1 - exp((self.time - now) / COAST))
        return np.concatenate([self.sight.box[:2] + shift, self.sight.box[2:]])

    def near(self, sight: _Sight, now: float) -> bool:
        """Return whether this face may stand there by now, whatever it looks like."""
        return self._place(sight, now) < inf

    def cost(self, sight: _Sight, now: float) -> float:
        """Return how unlikely it is that this face stands and looks like that; inf if it cannot.

        To the cost of the place is added three times the unlikeness (1 - correlation) of the looks.
        """
        alike = float(self.look @ sight.look)
        if alike < (0.4 if self.here else 0.6):
            return inf
        return self._place(sight, now) + 3 * (1 - alike)

    def _place(self, sight: _Sight, now: float) -> float:
        """Return the distance as a share of what is within reach, plus the logarithm of the growth.

        The reach is 0.6 face sizes, and two more for every second unseen.
        """
        box = self.expected(now)
        size = sqrt(_area(box))
        apart = float(np.hypot(*(_centre(box) - _centre(sight.box)))) / size
        distance = apart / (0.6 + 2 * (now - self.time))
        growth = abs(log(sqrt(_area(sight.box)) / size))
        return distance + growth if distance <= 1 and growth <= log(2) else inf

    def see(self, sight: _Sight, now: float) -> None:
        """Take this as the face's present state; the look follows slowly, for what may hide it."""
        speed = (_centre(sight.box) - _centre(self.sight.box)) / (now - self.time)
        self.velocity = (self.velocity + speed) / 2
        look = 0.95 * self.look + 0.05 * sight.look
        self.look = look / max(float(np.linalg.norm(look)), 1e-6)
        self.sight, self.time, self.here = sight, now, True
        self.found += 1

    def remembered(self, now: float) -> bool:
        """Return whether the face is there, or counted once and may still return."""
        return self.here or (self.id >= 0 and now - self.time < MEMORY)


def _sight(image: Image, faces: Faces, row: int) -> _Sight:
    """Return one of the faces with its look: 16 x 16 pixels of colour."""
    landmarks = faces.landmarks[row]
    patch = align(image, similarity(landmarks, template(16, 1.0)), 16).astype(np.float32).ravel()
    patch -= patch.mean()
    look = patch / max(float(np.linalg.norm(patch)), 1e-6)
    return _Sight(faces.boxes[row], landmarks, float(faces.scores[row]), look)


def _sound(followed: list[tuple[_Track, _Sight | None]]) -> bool:
    """Return whether every face was found again, and no two at one place."""
    boxes = [sight.box for _, sight in followed if sight is not None]
    if len(boxes) < len(followed):
        return False
    return all(overlap(a, b) < SAME for row, a in enumerate(boxes) for b in boxes[:row])


def _centre(box: FloatArray) -> FloatArray:
    return box[:2] + box[2:] / 2


def _area(box: FloatArray) -> float:
    return max(float(box[2] * box[3]), 1e-6)


def overlap(a: FloatArray, b: FloatArray) -> float:
    """Return the intersection over the union of two boxes."""
    sides = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / (_area(a) + _area(b) - shared)


def assignment(costs: FloatArray, unmatched: float) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of least total cost, in order of row.

    A row may stay without a column at the cost `unmatched`; columns may stay without a row for
    nothing. Solved exactly by shortest augmenting paths with potentials (Jonker and Volgenant
    1987): one row after another is placed, moving earlier ones where that is cheaper.

    Args:
        costs: (rows, columns), infinite where a pair is impossible.
        unmatched: finite cost of leaving one row without a column.
    """
    rows, columns = costs.shape
    own = np.where(np.eye(rows, dtype=bool), unmatched, inf)
    table = np.concatenate([np.where(costs < inf, costs, inf), own], axis=1)
    owner = np.full(columns + rows, -1)
    price = np.zeros(columns + rows)
    for row in range(rows):
        _place(row, table, owner, price)
    return sorted((int(owner[column]), column) for column in range(columns) if owner[column] >= 0)


def _place(row: int, table: FloatArray, owner: IntArray, price: FloatArray) -> None:
    """Give the row a column along the cheapest chain of moves; `owner` and `price` change in place."""
    length = np.full(len(owner), inf)
    before = np.full(len(owner), -1)
    done = np.zeros(len(owner), bool)
    current, walked, column = row, 0.0, -1
    while True:
        held = np.flatnonzero(owner == current)
        worth = table[current, held[0]] - price[held[0]] if len(held) else 0.0
        through = walked + table[current] - price - worth
        closer = ~done & (through < length)
        length[closer], before[closer] = through[closer], column
        column = int(np.argmin(np.where(done, inf, length)))
        walked = float(length[column])
        if owner[column] < 0:
            break
        done[column] = True
        current = int(owner[column])
    price[done] += length[done] - walked
    while column >= 0:
        previous = int(before[column])
        owner[column] = row if previous < 0 else owner[previous]
        column = previous
