"""Who may ask the local page for anything: the browser that was given its address, and nobody else.

The server listens on the loopback address alone. Any page that the browser shows could still try to reach it,
so each request must name this machine as its host, which a foreign name that was pointed here does not (DNS
rebinding); must not come from another page; and must bring the secret token of this run.
"""

import hmac
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAMES = ("127.0.0.1", "localhost")
"""Names of this machine; ports may differ, since tunnels change them."""

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every answer."""


class Guard:
    """Lets through only requests that may be answered, and adds HEADERS to all answers.

    Args:
        app: what answers.
        token: the secret; it stands in the query or in "Authorization: Bearer TOKEN".
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse to."""
        if scope["type"] != "http":
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        why = self._refusal(scope)
        answer = PlainTextResponse(why[1] + "\n", why[0]) if why else self._app
        await answer(scope, receive, sealed)

    def _refusal(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        """Return why a request is refused; None where it is not."""
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        (host,) = headers.get(b"host", [b""])[:1]
        if len(headers.get(b"host", [])) != 1 or _name(host) not in NAMES:
            return HTTPStatus.MISDIRECTED_REQUEST, "this server answers to the name of this machine only"
        if any(origin != b"http://" + host for origin in headers.get(b"origin", [])):
            return HTTPStatus.FORBIDDEN, "other pages may not ask"
        given = [value.removeprefix(b"Bearer ") for value in headers.get(b"authorization", [])]
        query = parse_qs(scope["query_string"].decode("latin-1"))
        given += [value.encode() for value in query.get("token", [])]
        if len(given) != 1 or not hmac.compare_digest(given[0], self._token):
            return HTTPStatus.FORBIDDEN, "the address needs the token that was printed with it"
        return None


def _name(host: bytes) -> str:
    """Return the name in a Host header, without the port."""
    name, _, port = host.decode("latin-1").partition(":")
    return name.lower() if not port or (port.isascii() and port.isdigit()) else ""
