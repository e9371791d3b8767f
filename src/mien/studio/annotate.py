"""What the page for annotating asks of the server, and what it is answered.

Every annotator has an address with a name and a token in its path, and sees nothing of the others.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mien.annotation.incoming import event_of
from mien.annotation.prefill import hidden, suggested, table_of
from mien.annotation.project import Assigned, Project
from mien.annotation.replay import courses, neutral, pieces, rest
from mien.annotation.store import EventStore, Item, LeaseError
from mien.errors import InputError, MienError
from mien.studio.annotate_door import Doors
from mien.studio.playable import Playable

LARGEST = 8 * 2**20
"""Bytes that a request may have."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

Answer = Callable[[Request], Awaitable[Response]]


class Desk:
    """Answers what the pages of a project ask.

    Args:
        project: the project.
        store: its events.
    """

    def __init__(self, project: Project, store: EventStore) -> None:
        self._project = project
        self._store = store
        self._playable = Playable()

    def app(self, tokens: Mapping[str, str]) -> ASGIApp:
        """Return the application, behind doors that only tokens open."""
        routes = [
            Route("/", self._page),
            Route("/static/{name}", self._static),
            Route("/work", _told(self._work)),
            Route("/open", _told(self._open), methods=["POST"]),
            Route("/events", _told(self._events), methods=["POST"]),
            Route("/leave", _told(self._leave), methods=["POST"]),
            Route("/video/{name}", self._video),
        ]
        return Doors(Starlette(routes=routes), tokens)

    def _page(self, _request: Request) -> Response:
        return _file("index.html")

    def _static(self, request: Request) -> Response:
        return _file(request.path_params["name"])

    def _video(self, request: Request) -> Response:
        """Answer with a video, or the part of it that a Range header names."""
        path = self._project.video(request.path_params["name"])
        mine = self._project.work(self._store, request.scope["annotator"])
        if path is None or path.name not in {item.video for item in mine}:
            return PlainTextResponse("no such video\n", 404)
        return FileResponse(path)

    def _work(self, request: Request, _told: Any) -> dict[str, Any]:
        """Return what the annotator has to do and how far it is."""
        annotator = request.scope["annotator"]
        done, reach = self._store.finished(), self._store.reach(annotator)
        items = []
        for item in self._project.work(self._store, annotator):
            media = self._playable.of(self._project.folder / "videos" / item.video)
            items.append(
                {
                    "task": item.task,
                    "video": item.video,
                    "turn": item.turn,
                    "done": item in done,
                    "reach": reach.get(item, 0.0),
                    "seconds": media.seconds,
                    "problem": media.problem,
                }
            )
        tasks = {
            name: {"kind": task.kind, "labels": task.labels, "units": task.units}
            for name, task in self._project.tasks.items()
        }
        return {"project": self._project.name, "annotator": annotator, "tasks": tasks, "items": items}

    def _open(self, request: Request, told: Any) -> dict[str, Any]:
        """Begin a session; return what is there of the item already."""
        item = self._item(request.scope["annotator"], told)
        session = told.get("session")
        if not isinstance(session, str) or not 8 <= len(session) <= 64:
            raise InputError("open: needs a session of 8 to 64 characters")
        listed = told.get("former")
        former = {one for one in listed if isinstance(one, str)} if isinstance(listed, list) else set()
        self._store.open(session, item, take=told.get("take") is True, former=former)
        return self._state(item)

    def _state(self, item: Item) -> dict[str, Any]:
        """Return what an item amounts to now."""
        task = self._project.tasks[item.task]
        events = self._store.events(item)
        media = self._playable.of(self._project.folder / "videos" / item.video)
        told: dict[str, Any] = {
            "neutral": neutral(events),
            "done": item in self._store.finished(),
            "step": media.step,
            "problem": media.problem,
            "prefill": self._prefill(item, task),
        }
        if task.kind == "trace":
            now = courses(events, task.labels)
            rest(now)  # what comes is of another session
            told["courses"] = {label: [one.times, one.values] for label, one in now.items()}
        else:
            told["segments"] = list(pieces(events).values())
        return told

    def _prefill(self, item: Item, task: Assigned) -> dict[str, Any] | None:
        """Return what predictions say, or that they are hidden; None where there are none."""
        settings = self._project.prefill
        if settings is None or not table_of(settings, item.video).is_file():
            return None
        if hidden(item, self._project.seed, settings.hidden):
            return {"hidden": True}
        found = suggested(table_of(settings, item.video), task)
        return {"hidden": False, **found} if found else None

    def _events(self, request: Request, told: Any) -> dict[str, Any]:
        """Keep events; return how many are safe."""
        holder, listed = told.get("holder"), told.get("events")
        task = self._own(request, holder)
        if not isinstance(listed, list):
            raise InputError("events: expected a list")
        self._store.append(str(holder), [event_of(one, task) for one in listed])
        return {"kept": len(listed)}

    def _leave(self, request: Request, told: Any) -> dict[str, Any]:
        """Give the lease back."""
        self._own(request, told.get("holder"))
        self._store.release(str(told.get("holder")))
        return {}

    def _own(self, request: Request, session: Any) -> Assigned:
        """Return the task of a session of the one who asks."""
        owner = self._store.task_of(session) if isinstance(session, str) else None
        if owner is None or owner[0] != request.scope["annotator"]:
            raise InputError(f"session {session!r}: not one of yours")
        return self._project.tasks[owner[1]]

    def _item(self, annotator: str, told: Any) -> Item:
        """Return an item that is named, if it is the annotator's."""
        for item in self._project.work(self._store, annotator):
            if (item.task, item.video, item.turn) == tuple(
                told.get(key) for key in ("task", "video", "turn")
            ):
                return item
        raise InputError("open: not assigned to you")


def _told(answer: Callable[[Request, Any], dict[str, Any]]) -> Answer:
    """Return an endpoint that answers in JSON and says what is wrong; work is done in a thread."""

    async def endpoint(request: Request) -> Response:
        told: Any = {}
        if request.method == "POST":
            body = b""
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST:
                    return JSONResponse({"error": f"more than {LARGEST} bytes"}, 413)
            told = _object(body)
            if told is None:
                return JSONResponse({"error": "expected a JSON object of finite numbers and whole text"}, 400)
        try:
            return JSONResponse(await run_in_threadpool(answer, request, told))
        except LeaseError as error:
            return JSONResponse({"error": str(error)}, 409)
        except InputError as error:
            return JSONResponse({"error": str(error)}, 400)
        except MienError as error:
            return JSONResponse({"error": str(error)}, 503)

    return endpoint


def _object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a body; None where it is none, or could not be kept and sent again."""
    try:
        told = json.loads(body)
        json.dumps(told, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _file(name: str) -> Response:
    """Answer with a file of the page."""
    kind = _TYPES.get(Path(name).suffix)
    file = resources.files("mien.studio") / "static" / "annotate" / name
    if kind is None or "/" in name or not file.is_file():
        return PlainTextResponse("no such file\n", 404)
    return Response(file.read_bytes(), media_type=kind, headers={"Content-Security-Policy": POLICY})
