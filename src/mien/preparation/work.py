"""Preparation cut into pieces of work, each the same whoever does it and whenever.

A piece is what one process makes at a time: the faces of one video or folder of pictures, of some
hundred single pictures, or the sound of one file. What it makes does not depend on other pieces, so
that pieces can be made in any order, by several processes, and again after a crash.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from mien.arrays import FloatArray, Image
from mien.databases import DATABASES
from mien.databases.findings import Findings
from mien.databases.index import Index
from mien.databases.layout import PICTURES, VIDEOS, numbered
from mien.errors import DatabaseError, MediaError, MienError
from mien.faces.detection import Detector
from mien.faces.tracking import Tracker
from mien.inputs import Preprocessing
from mien.media.audio import read_sound
from mien.media.pictures import read_picture
from mien.media.video import Video, timestamps
from mien.preparation.finding import (
    choose,
    given_landmarks,
    in_open_picture,
    in_tight_picture,
    wanted_face,
)

CHUNK = 500
"""Single pictures in one piece."""

SAME = 1e-4
"""Seconds by which two times of one frame may differ."""

Kind = Literal["stills", "table", "folder", "video", "sound"]


@dataclass(frozen=True)
class Piece:
    """One piece of work.

    Attributes:
        kind: single pictures, pictures within a database's own file, a folder of numbered pictures,
            a video, or a sound file.
        media: the file or folder; "" for single pictures.
        first: the first row of the index that it serves; the last is before `last`.
        last: see first; a sound file serves none.
    """

    kind: Kind
    media: str
    first: int
    last: int


@dataclass(frozen=True)
class Job:
    """What is done to every piece.

    Attributes:
        database: a key of DATABASES.
        folder: the database.
        stored: the preprocessing of the crops as they are stored.
        detector: makes the detector, in each process its own.
        given: pictures are aligned already and taken as they are.
        quality: of JPEG, 1 to 100; 0 stores PNG, without loss.
        skip: a picture, video or sound that cannot be read is recorded and left out, instead of ending
            the work.
        threads: of a video's decoder; 0 leaves it to FFmpeg.
    """

    database: str
    folder: Path
    stored: Preprocessing
    detector: Callable[[], Detector]
    given: bool
    quality: int
    skip: bool
    threads: int


def pieces(index: Index, own: bool) -> list[Piece]:
    """Return the pieces that make the faces of an index, in order of its rows.

    Args:
        index: n rows.
        own: whether the database reads media of its own kind.
    """
    kinds = [_kind(str(name), own) for name in index.media.vocabulary]
    found: list[Piece] = []
    first = 0
    codes = index.media.codes
    single = np.array([kind == "stills" for kind in kinds], bool)[codes]
    borders = np.flatnonzero((np.diff(codes) != 0) & ~(single[1:] & single[:-1])) + 1
    for last in [*borders.tolist(), len(index)]:
        kind = kinds[codes[first]] if len(index) else None
        if kind in ("stills", "table"):
            name = "" if kind == "stills" else index.media.at(first)
            found += [
                Piece(kind, name, start, min(start + CHUNK, last)) for start in range(first, last, CHUNK)
            ]
        elif kind is not None:
            found.append(Piece(kind, index.media.at(first), first, last))
        first = last
    return found


def sound_pieces(index: Index) -> list[Piece]:
    """Return a piece for each sound file of an index."""
    return [Piece("sound", name, 0, 0) for name in index.sound.counts() if name]


def piece_path(work: Path, number: int) -> Path:
    """Return where a piece is kept in a work folder."""
    return work / "pieces" / f"{number:06d}.npz"


def _kind(name: str, own: bool) -> Kind | None:
    """Return what a medium is, by its name; None for no medium."""
    suffix = Path(name).suffix.lower()
    if not name:
        return None
    if suffix in PICTURES:
        return "stills"
    if suffix in VIDEOS:
        return "video"
    return "table" if own else "folder"


@dataclass
class Faces:
    """The faces of one piece, gathered as they are found.

    Attributes:
        rows: of the piece, from 0; a row of a whole clip comes once for each frame.
        frames: counted from 0.
        seconds: NaN where unknown.
        found: whether a face was found.
        digests: first 8 bytes of the SHA-256 of the picture it is in; 0 for frames of videos.
        crops: encoded; empty where there is none.
        problems: what was left out, and why.
    """

    rows: list[int]
    frames: list[int]
    seconds: list[float]
    found: list[bool]
    digests: list[int]
    crops: list[bytes]
    problems: list[str]

    @classmethod
    def none(cls) -> "Faces":
        """No rows yet."""
        return cls([], [], [], [], [], [], [])

    def add(
        self, row: int, frame: int, seconds: float, found: bool, digest: int = 0, crop: bytes = b""
    ) -> None:
        """Add a row."""
        self.rows.append(row)
        self.frames.append(frame)
        self.seconds.append(seconds)
        self.found.append(found)
        self.digests.append(digest)
        self.crops.append(crop)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the columns as arrays, in order of row and frame, crops joined as `data`; and `problems`."""
        order = np.lexsort((self.frames, self.rows))
        columns: dict[str, np.ndarray] = {
            "rows": np.array(self.rows, np.int64),
            "frames": np.array(self.frames, np.int32),
            "seconds": np.array(self.seconds, np.float64),
            "found": np.array(self.found, bool),
            "digests": np.array(self.digests, np.uint64),
            "sizes": np.array([len(crop) for crop in self.crops], np.int64),
        }
        data = b"".join(self.crops[place] for place in order)
        ordered = {name: column[order] for name, column in columns.items()}
        problems = np.array(self.problems, np.str_)
        return ordered | {"data": np.frombuffer(data, np.uint8), "problems": problems}


class Maker:
    """Does pieces of a job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._detector = job.detector()

    def make(self, piece: Piece, index: Index) -> dict[str, np.ndarray]:
        """Return what a piece gives: the columns of Faces, or `samples`, `start` and `known` of a sound.

        Where that is to be skipped, a picture, video or sound that cannot be read gives its rows without
        crops, or no samples, and the reason among `problems`.

        Args:
            piece: what to do.
            index: its rows; for a sound none.

        Raises:
            MienError: the medium cannot be read.
        """
        try:
            return self._sound(piece) if piece.kind == "sound" else self._faces(piece, index)
        except MienError as error:
            if not self._job.skip:
                raise
            nothing = Faces.none()
            nothing.problems.append(str(error))
            for row in range(len(index)):
                nothing.add(row, int(index.frame[row]), float(index.seconds[row]), False)
            silence: dict[str, np.ndarray] = {
                "samples": np.zeros(0, np.int16),
                "start": np.array(0),
                "known": np.zeros((0, 2), np.int64),
                "problems": np.array([str(error)]),
            }
            return silence if piece.kind == "sound" else nothing.arrays()

    @contextmanager
    def _passing(self, faces: Faces) -> Iterator[None]:
        """Give a block for one picture; where it cannot be used, that is recorded if it is to be skipped."""
        try:
            yield
        except MienError as error:
            if not self._job.skip:
                raise
            if str(error) not in faces.problems[-1:]:
                faces.problems.append(str(error))

    def _sound(self, piece: Piece) -> dict[str, np.ndarray]:
        """Return a file's samples and the ranges in which there really is sound."""
        sound = read_sound(self._job.folder / piece.media)
        first = int(sound.known.min(initial=len(sound)))  # a clock may start hours before its sound
        none = np.zeros(0, np.str_)
        samples = sound.samples[first:]
        return {"samples": samples, "start": np.array(first), "known": sound.known, "problems": none}

    def _faces(self, piece: Piece, index: Index) -> dict[str, np.ndarray]:
        """Return the faces of a piece."""
        faces = Faces.none()
        if piece.kind in ("folder", "video"):
            self._frames(piece, index, faces)
        else:
            self._stills(piece, index, faces)
        return faces.arrays()

    def _stills(self, piece: Piece, index: Index, faces: Faces) -> None:
        """Add the faces of single pictures."""
        folder = self._job.folder
        pictures: Iterator[tuple[int, Image | None]] = ((frame, None) for frame in index.frame.tolist())
        if piece.kind == "table":
            read = DATABASES[self._job.database].pictures
            assert read is not None, "pieces are tables only for databases that read their own"
            pictures = iter(read(folder, piece.media, index.frame))
        for row, (frame, given) in enumerate(pictures):
            found, digest, crop = False, 0, b""
            with self._passing(faces):
                path = folder / index.media.at(row)
                picture = read_picture(path) if given is None else given
                landmarks, found = self._still(picture, path, index, row)
                digest = int.from_bytes(sha256(picture.tobytes()).digest()[:8], "little")
                crop = self._encoded(picture, landmarks)
            faces.add(row, frame, float(index.seconds[row]), found, digest, crop)
        if len(faces.rows) != len(index):
            raise DatabaseError(f"{piece.media}: {len(faces.rows)} pictures, expected {len(index)}")

    def _still(self, picture: Image, path: Path, index: Index, row: int) -> tuple[FloatArray, bool]:
        """Return the landmarks (5, 2) of the face that a row means, and whether they are really its own."""
        given = given_landmarks(index, row)
        if given is not None:
            return given, True
        if index.cropped:
            return self._tight(picture, path)
        return in_open_picture(self._detector, picture, wanted_face(index, row))

    def _tight(self, picture: Image, path: Path) -> tuple[FloatArray, bool]:
        """Return the landmarks (5, 2) in a picture that shows one face, and whether it was found."""
        try:
            return in_tight_picture(self._detector, picture, self._job.given)
        except DatabaseError as error:
            raise DatabaseError(f"{path}: {error}") from error

    def _frames(self, piece: Piece, index: Index, faces: Faces) -> None:
        """Add the faces of a video or of a folder of numbered pictures."""
        path, folder = self._job.folder / piece.media, piece.kind == "folder"
        if folder and not path.is_dir():
            raise MediaError(f"{path}: no such folder; it was there when the labels were read")
        pictures = numbered(path, Findings(skip=True)) if folder else {}
        times = self._times_beside(index, faces) if folder else timestamps(path)
        frames = [number - index.numbering for number in pictures] if folder else list(range(len(times)))
        wanted, absent = _meeting(index, frames, times)
        tracker = Tracker(self._detector)
        seen: Iterator[tuple[int, Image | None]] = ((frame, None) for frame in sorted(wanted))
        if not folder:
            seen = _video(path, self._job.threads, times, max(wanted, default=-1))
        for frame, decoded in seen:
            rows = wanted.pop(frame, [])
            seconds = _time(times, frame)
            made = [(False, b"")] * len(rows)
            with self._passing(faces):
                place = pictures[frame + index.numbering] if folder else path
                picture = read_picture(place) if decoded is None else decoded
                made = self._crops(picture, place, seconds, index[rows], tracker)
            for row, (found, crop) in zip(rows, made, strict=True):
                faces.add(row, frame, seconds, found, 0, crop)
        for frame, rows in wanted.items():  # damaged ones, which are not decoded
            for row in rows:
                faces.add(row, frame, _time(times, frame), False)
        for row in absent:
            faces.add(row, int(index.frame[row]), float(index.seconds[row]), False)

    def _crops(
        self, picture: Image, path: Path, seconds: float, index: Index, tracker: Tracker
    ) -> list[tuple[bool, bytes]]:
        """Return, for each row of a frame, whether its face was found, and its crop."""
        if index.cropped:
            return [
                (found, self._encoded(picture, landmarks))
                for landmarks, found in (self._tight(picture, path) for _ in range(len(index)))
            ]
        given = [given_landmarks(index, row) for row in range(len(index))]
        known = [landmarks for landmarks in given if landmarks is not None]
        if len(known) == len(index):
            return [(True, self._encoded(picture, landmarks)) for landmarks in known]
        seen = tracker.update(picture, seconds).faces
        places = [choose(seen, wanted_face(index, row), picture.shape[1]) for row in range(len(index))]
        return [
            (False, b"") if place is None else (True, self._encoded(picture, seen.landmarks[place]))
            for place in places
        ]

    def _times_beside(self, index: Index, faces: Faces) -> FloatArray:
        """Return the times of the frames of the video whose frames a folder holds; none if unknown."""
        source = index.sound.at(0)
        if Path(source).suffix.lower() in VIDEOS:
            with self._passing(faces):
                return timestamps(self._job.folder / source)
        return np.zeros(0)

    def _encoded(self, picture: Image, landmarks: FloatArray) -> bytes:
        """Return the aligned crop as a file's bytes."""
        crop = self._job.stored.crop(picture, landmarks)
        if self._job.quality:
            done, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, self._job.quality])
        else:
            done, data = cv2.imencode(".png", crop)
        assert done, "OpenCV can always encode a crop"
        return bytes(data.tobytes())


def _time(times: FloatArray, frame: int) -> float:
    """Return the time of a frame; NaN where it is unknown."""
    return float(times[frame]) if 0 <= frame < len(times) else np.nan


def _video(path: Path, threads: int, times: FloatArray, last: int) -> Iterator[tuple[int, Image]]:
    """Yield the frames of a video up to the last that is wanted, by their place among all times.

    A frame that is damaged is not there; those behind it keep their number, as they keep their time.
    """
    with Video(path, threads) as video:
        number = -1
        for frame in video:
            number = max(number + 1, int(np.searchsorted(times, frame.seconds - SAME)))
            if number > last:
                return
            yield number, frame.image


def _meeting(index: Index, frames: list[int], times: FloatArray) -> tuple[dict[int, list[int]], list[int]]:
    """Return which rows each frame of a medium serves, and the rows that no frame serves.

    Rows of whole clips meet all frames; rows of frame numbers their frame; of rows of times each frame
    meets the nearest of each face.

    Args:
        index: the rows.
        frames: the frames that are there.
        times: the time of each frame, counted from 0; empty where unknown.
    """
    rows = range(len(index))
    if index.unit == "clip":
        return {frame: list(rows) for frame in frames}, [] if frames else list(rows)
    if index.unit == "time":
        return _nearest(index, times)
    near = np.isin(index.frame, frames)
    wanted: dict[int, list[int]] = {}
    for row in np.flatnonzero(near).tolist():
        wanted.setdefault(int(index.frame[row]), []).append(row)
    return wanted, np.flatnonzero(~near).tolist()


def _nearest(index: Index, times: FloatArray) -> tuple[dict[int, list[int]], list[int]]:
    """Return the nearest row of each face for each frame, and the rows before or after all frames.

    Nearest is at most half a usual distance of frames away: where labels are finer than frames, the rows
    between are left out; where they are coarser, frames between have none.
    """
    usual = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    reach = 0.51 * usual  # a little more than half, since time stamps are rounded
    wanted: dict[int, list[int]] = {}
    for face in np.unique(index.face.codes):
        rows = np.flatnonzero(index.face.codes == face)
        rows = rows[np.argsort(index.seconds[rows], kind="stable")]
        seconds = index.seconds[rows]
        place = np.searchsorted((seconds[1:] + seconds[:-1]) / 2, times)
        near = np.abs(seconds[place] - times) <= reach
        for frame in np.flatnonzero(near).tolist():
            wanted.setdefault(frame, []).append(int(rows[place[frame]]))
    if not len(times):
        return wanted, list(range(len(index)))
    outside = (index.seconds < times[0] - reach) | (index.seconds > times[-1] + reach)
    return wanted, np.flatnonzero(outside).tolist()
