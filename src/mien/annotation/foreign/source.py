"""What readers of other tools' files share: what the user adds, texts, numbers, names, what comes back."""

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, pairwise
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import numpy as np

from mien.annotation.records import Annotations, Segment, Trace
from mien.arrays import FloatArray
from mien.errors import InputError, SettingsError
from mien.media.video import timestamps
from mien.tasks import TASKS

FACE = "face"
"""What a track of a face is labelled, and may be renamed to."""

GRADES = "ABCDE"
"""FACS's names of the intensities 1 to 5."""

_UNIT = re.compile(r"au[ _-]?0*([0-9]{1,2})", re.IGNORECASE)
_FIELDS = ("video", "annotator", "label", "face")
_MISSING = {"", "nan"}
_MOST = 1000


def spelled(text: str) -> str:
    """Return a label as names are compared: "AU 6" is "AU06", others in lower case with "_" for gaps."""
    unit = _UNIT.fullmatch(text.strip())
    return f"AU{int(unit[1]):02d}" if unit else re.sub(r"[\s-]+", "_", text.strip().lower())


LABELS = frozenset(label for task in TASKS.values() for label in task.labels)
"""All labels that mien knows."""


@dataclass(frozen=True)
class Settings:
    """What the files do not say themselves.

    Attributes:
        video: file name of the video, where files do not name it.
        annotator: who annotated, where files do not say.
        label: what was traced, where files do not say.
        pattern: how paths without suffix end, such as "{annotator}/{video}_{label}".
        tier: how names of ELAN's tiers are built, of {annotator}, {face} and {label}.
        rename: a tool's label -> mien's; "" leaves it out.
        low: the traced value that becomes -1, where files do not say.
        high: the traced value that becomes 1.
        rate: frames per second, where files count frames.
        videos: folder of the videos: completes names without suffix, and gives frames their own times.
        encoding: of texts.

    Raises:
        SettingsError: a label that mien does not know, a range or rate that is none, or a broken pattern.
    """

    video: str = ""
    annotator: str = ""
    label: str = ""
    pattern: str = ""
    tier: str = ""
    rename: Mapping[str, str] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    rate: float | None = None
    videos: Path | None = None
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        wanted = [new for new in (*self.rename.values(), self.label) if new]
        for new in wanted:
            if spelled(new) not in LABELS | {FACE}:
                raise SettingsError(f"{new!r} is no label of mien's; they are {', '.join(sorted(LABELS))}")
        if (self.low is None) != (self.high is None):
            raise SettingsError("a range needs its lowest and its highest value")
        if self.low is not None and self.high is not None and not -math.inf < self.low < self.high < math.inf:
            raise SettingsError(f"the range from {self.low} to {self.high} is none")
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise SettingsError(f"{self.rate} frames per second, expected a number above 0")
        for pattern in (self.pattern, self.tier):
            _pieces(pattern)

    @cached_property
    def renamed(self) -> Mapping[str, str]:
        """The renames by the spelling in which labels are compared."""
        return {spelled(old): spelled(new) for old, new in self.rename.items()}

    def label_of(self, text: str, where: str) -> str:
        """Return mien's label for a tool's, "" for one that is to be left out.

        Raises:
            InputError: mien has no such label, and no rename tells what it is.
        """
        name = spelled(text)
        name = self.renamed.get(name, name)
        if name and name not in LABELS:
            raise InputError(
                f"{where}: the label is {text[:60]!r}, which mien does not know; say --rename "
                f"'{text[:60]}=LABEL', or '{text[:60]}=' to leave it out"
            )
        return name

    def from_path(self, path: Path) -> dict[str, str]:
        """Return what the pattern finds in a path: any of video, annotator, label, face.

        Raises:
            InputError: the path does not end as the pattern says, or may be divided in several ways.
        """
        if not self.pattern:
            return {}
        parts = path.with_suffix("").as_posix().split("/")
        found = divisions(self.pattern, "/".join(parts[-1 - self.pattern.count("/") :]))
        if not found:
            raise InputError(f"{path}: the path does not end like {self.pattern!r}")
        return self.only(found, self.pattern, str(path))

    def only(self, found: Sequence[dict[str, str]], pattern: str, where: str) -> dict[str, str]:
        """Return the one division that is meant: its label is known, its video is there.

        Args:
            found: the divisions, one at least.
            pattern: what they are by, for the message.
            where: what was divided, for the message.

        Raises:
            InputError: several may be meant.
        """
        known = LABELS | set(self.renamed)
        left = [one for one in found if spelled(one.get("label", "")) in known] or found
        if len(left) > 1 and self.videos is not None:
            left = [one for one in left if self._fitting(one.get("video", ""))] or left
        if len(left) > 1:
            ways = (" and ".join(f"{name} {text!r}" for name, text in one.items()) for one in left[:2])
            raise InputError(
                f"{where} divides by {pattern!r} in several ways: {', or '.join(ways)}; say --videos, or a "
                "pattern that fits once"
            )
        return left[0]

    def _fitting(self, name: str) -> list[str]:
        """Return the files of the videos' folder that a name with or without suffix means."""
        if self.videos is None or not name:
            return []
        if (self.videos / name).is_file():
            return [name]
        try:
            return sorted(p.name for p in self.videos.iterdir() if p.is_file() and p.stem == name)
        except OSError as error:
            raise InputError(f"{self.videos}: {error.strerror}") from error

    def video_of(self, told: str, path: Path) -> str:
        """Return the file name of the video that a file tells of.

        Args:
            told: as the file names it, with or without folders; "" where it does not.
            path: the file.

        Raises:
            InputError: nobody says, or the videos' folder has no such file.
        """
        base = PurePosixPath(told.replace("\\", "/")).name
        name = self.video or self.from_path(path).get("video", "") or base
        if not name:
            raise InputError(f"{path}: it does not say of which video; say --video or --pattern '{{video}}'")
        if self.videos is None:
            return name
        fitting = self._fitting(name)
        if len(fitting) != 1:
            several = f"{len(fitting)} videos ({', '.join(fitting)})" if fitting else "no video"
            raise InputError(f"{path}: {several} called {name} in {self.videos}")
        return fitting[0]

    def annotator_of(self, told: str, path: Path) -> str:
        """Return who annotated.

        Raises:
            InputError: nobody says.
        """
        name = self.annotator or self.from_path(path).get("annotator", "") or told.strip()
        if not name:
            raise InputError(
                f"{path}: it does not say who annotated; say --annotator or --pattern '{{annotator}}'"
            )
        return name

    def traced(self, told: str, path: Path, hint: str = "") -> str:
        """Return what a trace is of, "" where it is to be left out.

        Args:
            told: as the file says; "" where it does not.
            path: the file.
            hint: what the file says beside, for the message.

        Raises:
            InputError: nobody says, or mien has no such label.
        """
        name = self.label or self.from_path(path).get("label", "") or told
        if not name:
            raise InputError(
                f"{path}: it does not say what was rated{hint}; say --label or --pattern '{{label}}'"
            )
        return self.label_of(name, str(path))

    def times(self, video: str, path: Path) -> "Times":
        """Return the clock of a video whose frames a file counts.

        Raises:
            InputError: neither a rate nor the videos were given, or the video cannot be read.
        """
        if self.videos is not None:
            return Times(timestamps(self.videos / self.video_of(video, path)))
        if self.rate is None:
            raise InputError(
                f"{path}: it counts frames and does not say how many a second has; "
                "say --videos FOLDER (best) or --rate"
            )
        return Times(np.zeros(0), self.rate)


@dataclass(frozen=True, eq=False)
class Times:
    """When a video's frames are shown.

    Attributes:
        seconds: (n,) time of each frame; (0,) where only the rate is known.
        rate: frames per second, used where `seconds` are not known.
    """

    seconds: FloatArray
    rate: float = 0.0

    def at(self, frame: int, where: str) -> float:
        """Return when a frame, counted from 0, begins; that after the last ends the video.

        Raises:
            InputError: the video has no such frame.
        """
        if not len(self.seconds):
            return frame / self.rate
        last = len(self.seconds)
        if not 0 <= frame <= last:
            raise InputError(f"{where}: frame {frame + 1}, but the video has {last}")
        if frame < last:
            return float(self.seconds[frame])
        step = float(np.median(np.diff(self.seconds))) if last > 1 else 0.0
        return float(self.seconds[-1]) + step


@dataclass(frozen=True)
class Box:
    """Where a face is in one frame.

    Attributes:
        video: file name of the video.
        face: which one; "" for the only one.
        frame: counted from 0.
        corner: x and y of the upper left corner, in pixels.
        size: width and height, in pixels.
        keyframe: whether a person set it; otherwise the tool drew it between two that were.
    """

    video: str
    face: str
    frame: int
    corner: tuple[float, float]
    size: tuple[float, float]
    keyframe: bool


@dataclass(frozen=True)
class Collected:
    """What files of other tools say.

    Attributes:
        annotations: traces and segments.
        boxes: where faces are.
        notes: what was left out, or should be known.
    """

    annotations: Annotations = field(default_factory=Annotations)
    boxes: tuple[Box, ...] = ()
    notes: tuple[str, ...] = ()


def path_of(url: str) -> str:
    """Return a URL without its query, and with what is percent-encoded decoded."""
    return unquote(url.partition("?")[0])


def divisions(pattern: str, text: str) -> list[dict[str, str]]:
    """Return the ways, a thousand at most, in which a pattern with fields in braces divides all of a text.

    Raises:
        SettingsError: a field that is not known or comes twice.
    """
    return list(islice(_divided(_pieces(pattern), text), _MOST))


def _pieces(pattern: str) -> list[str]:
    """Return the fields of a pattern, with their braces, and what stands between them."""
    pieces = [piece for piece in re.split(r"(\{[^}]*\})", pattern) if piece]
    for piece in pieces:
        if piece.startswith("{") and (piece[1:-1] not in _FIELDS or pieces.count(piece) > 1):
            fields = ", ".join(f"{{{known}}}" for known in _FIELDS)
            raise SettingsError(f"pattern {pattern!r}: {piece}, expected each of {fields} once at most")
    return pieces


def _divided(pieces: Sequence[str], text: str) -> Iterator[dict[str, str]]:
    """Yield what each field is, for each way in which the pieces make up the text; no field has a "/"."""
    if not pieces:
        if not text:
            yield {}
        return
    first, *others = pieces
    if not first.startswith("{"):
        if text.startswith(first):
            yield from _divided(others, text.removeprefix(first))
        return
    longest = len(text.partition("/")[0])
    for end in range(1, longest + 1) if others else [longest] if 0 < longest == len(text) else []:
        for rest in _divided(others, text[end:]):
            yield {first[1:-1]: text[:end], **rest}


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def read_text(path: Path, encoding: str) -> str:
    """Return a file as text, without a mark of its byte order.

    Raises:
        InputError: it cannot be read, or holds bytes that are no text.
    """
    data = read_bytes(path)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: no text in {encoding}; say --encoding, such as cp1252"
        ) from error
    except LookupError as error:
        raise SettingsError(f"no encoding is called {encoding!r}") from error
    if "\0" in text:
        raise InputError(f"{path}, line {text[: text.index(chr(0))].count(chr(10)) + 1}: a zero byte in text")
    return text.removeprefix("\ufeff")


def csv_rows(path: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the line and the cells of each row with any text; cells are stripped.

    Raises:
        InputError: it cannot be read, or quotes do not close.
    """
    reader = csv.reader(io.StringIO(read_text(path, encoding), newline=""), strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from error


def number(text: str, name: str, where: str, low: float = -math.inf, high: float = math.inf) -> float:
    """Return a finite number of a cell, from `low` to `high`.

    Raises:
        InputError: it is none.
    """
    try:
        value = float(text) if "_" not in text else math.nan
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and low <= value <= high):
        bounded = low > -math.inf or high < math.inf
        span = f" from {low:g} to {high:g}" if bounded else ""
        raise InputError(f"{where}: {name} is {text[:40]!r}, expected a number{span}")
    return value


def scaled(text: str, name: str, where: str, low: float, high: float, slack: float = 0.0) -> float:
    """Return a rating brought from [low, high] to [-1, 1]; NaN for an empty one.

    Args:
        text: the rating.
        name: what it is called, for the message.
        where: where it stands, for the message.
        low: what becomes -1.
        high: what becomes 1.
        slack: part of an end by which a rating may be past it, and is then at it.

    Raises:
        InputError: it is no number of the range.
    """
    if text.strip().lower() in _MISSING:
        return math.nan
    value = number(text, name, where, low - slack * abs(low), high + slack * abs(high))
    return 2 * (min(max(value, low), high) - low) / (high - low) - 1


def trace(
    path: Path,
    key: tuple[str, str, str],
    points: Sequence[tuple[int, float, float]],
    marks: Mapping[str, int] | None = None,
) -> Trace:
    """Return a trace of points.

    Args:
        path: the file.
        key: video, annotator, label.
        points: (line, second, value in [-1, 1]) each.
        marks: what happened, and how often.

    Raises:
        InputError: there is no point, or times do not rise.
    """
    if not points:
        raise InputError(f"{path}: no rating in it")
    for (_, before, _), (line, after, _) in pairwise(points):
        if after <= before:
            raise InputError(f"{path}, line {line}: second {after:g} after {before:g}; times must rise")
    seconds, values = (np.array([point[place] for point in points], np.float64) for place in (1, 2))
    return Trace(*key, seconds, values, marks or {})


def segment_of(where: str, key: tuple[str, str, str], start: float, end: float, face: str = "") -> Segment:
    """Return a segment; `key` is video, annotator, label.

    Raises:
        InputError: it ends before it starts.
    """
    if end < start:
        raise InputError(f"{where}: it ends at {end:g} s, before it starts at {start:g} s")
    return Segment(*key, start, end, face=face)


def intensity_of(text: str) -> int | None:
    """Return 1 to 5 for A to E or a digit; None where the text is none of these."""
    grade = text.strip().upper()
    if len(grade) == 1 and grade in GRADES:
        return GRADES.index(grade) + 1
    return int(grade) if grade in {"1", "2", "3", "4", "5"} else None


def joined(parts: Iterable[tuple[Path, Collected]]) -> Collected:
    """Return what several files say.

    Raises:
        InputError: two files hold the same annotator's trace of one label over one video.
    """
    traces: dict[tuple[str, str, str], tuple[Path, Trace]] = {}
    segments: list[Segment] = []
    boxes: dict[tuple[str, str, int], Box] = {}
    notes: list[str] = []
    for path, part in parts:
        for one in part.annotations.traces:
            key = one.video, one.annotator, one.label
            if key in traces:
                raise InputError(
                    f"{path}: a second trace of {one.label} over {one.video} by {one.annotator}; the first "
                    f"is in {traces[key][0]}"
                )
            traces[key] = path, one
        for box in part.boxes:
            place = box.video, box.face, box.frame
            if place in boxes:
                raise InputError(
                    f"{path}: face {box.face!r} of {box.video} has two boxes in frame {box.frame}"
                )
            boxes[place] = box
        segments += part.annotations.segments
        notes += part.notes
    found = Annotations(tuple(one for _, one in traces.values()), tuple(segments))
    return Collected(found, tuple(boxes.values()), tuple(notes))
