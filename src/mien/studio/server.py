"""The local page of a live analysis: one HTML file and one address that gives what is new.

The page asks for the newest result when it has drawn the one before. Nothing is pushed, so nothing piles up
in between; pausing is not asking.
"""

import base64
import hashlib
import secrets
import socket
from collections.abc import Mapping, Sequence
from importlib import resources
from threading import Thread
from types import TracebackType
from typing import Any, Self

import uvicorn
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from mien.analysis import FrameResult
from mien.errors import MienError, OutputError
from mien.studio.board import Board
from mien.studio.figures import Pace
from mien.studio.guard import Guard
from mien.tasks import Task

LOOPBACK = "127.0.0.1"


class Page:
    """Serves the page in a thread of its own while the `with` block lasts.

    Args:
        tasks: what the network has learned.
        told: what the page says beside results, as `mien.studio.describing.told` gives it.
        port: to listen on; 0 for any that is free.

    Attributes:
        address: of the page, with its token.

    Raises:
        OutputError: the port is taken.
    """

    def __init__(self, tasks: Sequence[Task], told: Mapping[str, Any], port: int = 0) -> None:
        self._board = Board(tasks)
        token = secrets.token_urlsafe(24)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((LOOPBACK, port))
            self._socket.listen()  # so that who is told the address may come at once
        except OSError as error:
            self._socket.close()
            raise OutputError(f"port {port}: cannot be used ({error.strerror}); choose another") from error
        self.address = f"http://{LOOPBACK}:{self._socket.getsockname()[1]}/?token={token}"
        self._html, self._policy = _rendered(told)
        routes = [Route("/", self._page), Route("/newest", self._newest)]
        config = uvicorn.Config(
            Guard(Starlette(routes=routes), token),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run, args=([self._socket],), name="mien-page", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._board.end(str(error) if isinstance(error, MienError) else "ended")
        self._server.should_exit = True
        self._thread.join(timeout=5.0)
        self._socket.close()

    def take(self, result: FrameResult, pace: Pace) -> None:
        """Show a result; it is not to be changed afterwards."""
        self._board.put(result, pace)

    async def _page(self, _request: Request) -> Response:
        return HTMLResponse(self._html, headers={"Content-Security-Policy": self._policy})

    def _newest(self, request: Request) -> Response:
        """Answer in a thread of the pool, since it waits for the loop and encodes a picture."""
        try:
            after = int(request.query_params.get("after", "-1"))
            width = int(request.query_params.get("width", "640"))
        except ValueError:
            return PlainTextResponse("after and width are whole numbers\n", 400)
        return Response(self._board.message(after, width), media_type="application/octet-stream")


def _rendered(told: Mapping[str, Any]) -> tuple[str, str]:
    """Return the page and the policy that allows its own style and script and nothing else."""
    style = _part("mien.reports", "page.css") + _part("mien.studio", "live.css")
    script = _part("mien.studio", "curves.js") + _part("mien.studio", "live.js")
    environment = Environment(
        loader=PackageLoader("mien.studio"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    page = environment.get_template("live.html.j2").render(
        **told, data=dict(told), style=Markup(style), script=Markup(script)
    )
    policy = (
        f"default-src 'none'; connect-src 'self'; img-src data:; script-src {_hash(script)}; "
        f"style-src {_hash(style)}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return page, policy


def _part(package: str, name: str) -> str:
    return (resources.files(package) / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
