"""Label Studio's JSON: stretches of a video's time line, counted in frames from 1.

    [{"data": {"video": "talk.mp4"},
      "annotations": [{"completed_by": 9, "result": [
        {"value": {"ranges": [{"start": 5, "end": 15}], "timelinelabels": ["happiness"]}}]}]}]

A result is known by the keys of its value: `ranges` beside a list of names that ends in "labels". `start` and
`end` are the first and the last frame of a stretch. The file does not say how long a frame is: the videos, or
a rate, must. What Label Studio put before the name of an uploaded file is taken off; a file of its local
storage (`/data/local-files/?d=clips/talk.mp4`) is the one that `d` names. Results of another kind, cancelled
annotations and the predictions of networks are left out and told.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs

from mien.annotation.foreign.source import Collected, Settings, Times, path_of, read_text, segment_of
from mien.annotation.records import Annotations, Segment
from mien.databases.layout import VIDEOS
from mien.errors import InputError

LAST = 100_000_000
"""A frame number above it is a mistake."""

_UPLOADED = re.compile(r".*/upload/[0-9]+/[0-9a-f]{8}-")


def read(path: Path, settings: Settings) -> Collected:
    """Return the segments of a file.

    Raises:
        InputError: it is no JSON, breaks the format, or a label, an annotator or a video is not known.
    """
    try:
        tasks = json.loads(read_text(path, settings.encoding))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: no JSON ({error.msg})") from error
    except RecursionError as error:
        raise InputError(f"{path}: nested too deep") from error
    left: Counter[str] = Counter()
    segments: list[Segment] = []
    for place, task in enumerate(_list(tasks, f"{path}: the file"), 1):
        segments += _of_task(
            _dict(task, f"{path}, task {place}"), f"{path}, task {place}", path, settings, left
        )
    notes = tuple(f"{path.name}: {count} {kind} left out" for kind, count in sorted(left.items()))
    return Collected(Annotations(segments=tuple(segments)), notes=notes)


def _of_task(
    task: dict[str, Any], where: str, path: Path, settings: Settings, left: Counter[str]
) -> Iterator[Segment]:
    """Yield the segments of one task; what is left out is counted."""
    if task.get("predictions"):
        left["predictions of networks"] += len(_list(task["predictions"], f"{where}: predictions"))
    if "annotations" not in task:
        raise InputError(f"{where}: no 'annotations'; export as JSON, not as JSON-MIN")
    done = _list(task["annotations"], f"{where}: annotations")
    video, times = "", None
    for number, annotation in enumerate(done, 1):
        place = f"{where}, annotation {number}"
        said = _dict(annotation, place)
        if said.get("was_cancelled"):
            left["cancelled annotations"] += 1
            continue
        for count, result in enumerate(_list(said.get("result"), f"{place}: result"), 1):
            value = _dict(_dict(result, place).get("value"), f"{place}, result {count}: value")
            names = next((key for key in value if key.endswith("labels")), "")
            if not names or "ranges" not in value:
                left[f"results with {', '.join(sorted(value))[:60] or 'nothing'}"] += 1
                continue
            video = video or settings.video_of(_video(task), path)
            times = times or settings.times(video, path)
            who = settings.annotator_of(_annotator(said), path)
            yield from _segments((video, who), value, names, times, f"{place}, result {count}", settings)


def _segments(
    who: tuple[str, str], value: dict[str, Any], names: str, times: Times, where: str, settings: Settings
) -> Iterator[Segment]:
    """Yield the segments of one result.

    Args:
        who: video and annotator.
        value: of the result.
        names: the key of its labels.
        times: the video's clock.
        where: for messages.
        settings: what the user says.
    """
    for span in _list(value["ranges"], f"{where}: ranges"):
        first, last = (_frame(_dict(span, where).get(end), f"{where}: {end}") for end in ("start", "end"))
        if last < first:
            raise InputError(f"{where}: it ends with frame {last}, before it starts with {first}")
        start, end = times.at(first - 1, where), times.at(last, where)
        for name in _list(value[names], f"{where}: {names}"):
            if not isinstance(name, str):
                raise InputError(f"{where}: the label is {name!r}, expected a text")
            label = settings.label_of(name, where)
            if label:
                yield segment_of(where, (*who, label), start, end)


def _video(task: dict[str, Any]) -> str:
    """Return what a task's data calls the video, "" where it cannot be told."""
    data = task.get("data")
    texts = (
        {key: text for key, text in data.items() if isinstance(text, str)} if isinstance(data, dict) else {}
    )
    if "video" in texts:
        return _file(texts["video"])
    files = [_file(text) for text in texts.values()]
    moving = [file for file in files if PurePosixPath(file).suffix.lower() in VIDEOS]
    return moving[0] if len(moving) == 1 else ""


def _file(url: str) -> str:
    """Return the path of the file that a URL or path names; "" where local storage is told of no file."""
    place, _, query = url.partition("?")
    if place.rstrip("/").endswith("/local-files"):
        return parse_qs(query).get("d", [""])[0]
    return _UPLOADED.sub("", path_of(url))


def _annotator(annotation: dict[str, Any]) -> str:
    """Return the number of who annotated, never a name or an address."""
    who = annotation.get("completed_by")
    who = who.get("id") if isinstance(who, dict) else who
    return str(who) if isinstance(who, int) else ""


def _frame(value: object, where: str) -> int:
    """Return the number of a frame, from 1."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else 0
    if not 1 <= number <= LAST or number != int(number):
        raise InputError(f"{where} is {str(value)[:40]}, expected the number of a frame from 1")
    return int(number)


def _list(value: object, where: str) -> list[Any]:
    """Return a list that must be one."""
    if not isinstance(value, list):
        raise InputError(f"{where} is {str(value)[:40]}, expected a list")
    return value


def _dict(value: object, where: str) -> dict[str, Any]:
    """Return an object that must be one."""
    if not isinstance(value, dict):
        raise InputError(f"{where} is {str(value)[:40]}, expected an object")
    return value
