"""Events as a browser sends them, checked before they are kept."""

import json
from collections.abc import Mapping
from typing import Any

from mien.annotation.project import Assigned
from mien.annotation.store import Event
from mien.errors import InputError

KINDS = frozenset(
    (
        *("open", "value", "rest", "from", "undo", "segment", "remove"),
        *("play", "pause", "seek", "blur", "rate", "neutral", "prefill", "done"),
    )
)
DEVICES = frozenset(("", "mouse", "touch", "pen", "wheel", "keys", "stick", "button"))

_DETAIL = 4000
"""Characters that a detail may have."""


def event_of(told: Any, task: Assigned) -> Event:
    """Return an event that a browser sent.

    Raises:
        InputError: it is none, or does not fit the task.
    """
    if not isinstance(told, dict):
        raise InputError(f"event {told!r}: expected an object")
    kind, label = told.get("kind"), told.get("label") or ""
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"event kind {kind!r}: unknown")
    if label and label not in task.labels:
        raise InputError(f"event label {label!r}: task {task.name} has {', '.join(task.labels)}")
    session, sequence = told.get("session"), told.get("sequence")
    if not isinstance(session, str) or not 8 <= len(session) <= 64:
        raise InputError(f"event session {session!r}: expected 8 to 64 characters")
    if isinstance(sequence, bool) or not isinstance(sequence, int) or not 0 <= sequence < 2**53:
        raise InputError(f"event sequence {sequence!r}: expected a whole number from 0")
    device, detail = told.get("device") or "", told.get("detail") or {}
    if not isinstance(device, str) or device not in DEVICES:
        raise InputError(f"event device {device!r}: unknown")
    if not isinstance(detail, dict) or len(str(detail)) > _DETAIL:
        raise InputError(f"event detail: expected an object of at most {_DETAIL} characters")
    try:
        json.dumps(detail, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise InputError("event detail: expected finite numbers and whole text") from error
    event = Event(
        session,
        sequence,
        kind,
        _number(told, "media", 0.0, 1e6),
        label,
        _number(told, "value", -1.0, 100.0),
        device,
        _number(told, "rate", 0.0, 100.0),
        _number(told, "wall", 0.0, 1e12),
        detail,
    )
    _fits(event, task)
    return event


def _fits(event: Event, task: Assigned) -> None:
    """Refuse an event that lacks what its kind needs."""
    if event.kind in ("value", "rest", "from", "neutral") and event.media is None:
        raise InputError(f"event {event.kind}: has no media time")
    if event.kind == "value" and (not event.label or event.value is None or event.value > 1):
        raise InputError("event value: needs a label and a value from -1 to 1")
    if event.kind == "segment":
        _segment(event.detail, task)
    if event.kind == "remove" and not isinstance(event.detail.get("id"), str):
        raise InputError("event remove: needs the id of a segment")


def _segment(detail: Mapping[str, Any], task: Assigned) -> None:
    """Refuse a segment that could not be read back."""
    if not isinstance(detail.get("id"), str) or detail.get("label") not in task.labels:
        raise InputError(f"segment: needs an id and a label of task {task.name}")
    start = _number(detail, "start", 0.0, 1e6)
    end, apex = _number(detail, "end", 0.0, 1e6), _number(detail, "apex", 0.0, 1e6)
    if start is None or (end is not None and end < start):
        raise InputError(f"segment: from {start} to {end}")
    if apex is not None and (apex < start or (end is not None and apex > end)):
        raise InputError(f"segment: its apex at {apex} is not between {start} and {end}")
    intensity = detail.get("intensity")
    if intensity not in (None, 1, 2, 3, 4, 5) or isinstance(intensity, bool | float):
        raise InputError(f"segment: intensity {intensity!r}, expected 1 to 5")
    if not isinstance(detail.get("scorable", True), bool) or not isinstance(detail.get("face", ""), str):
        raise InputError("segment: scorable is true or false, face a text")


def _number(told: Mapping[str, Any], key: str, low: float, high: float) -> float | None:
    """Return a number within bounds; None where there is none."""
    value = told.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"{key} {value!r}: expected a number")
    if not low <= value <= high:
        raise InputError(f"{key} {value!r}: expected {low} to {high}")
    return float(value)
