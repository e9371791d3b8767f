"""An address for each annotator: /NAME/TOKEN/, with a guard behind each.

The token stands in the path, so that scripts, styles and videos of the page have it without being told. It is
made from a secret in the project's folder and stays the same when the server comes back, so that a page that
waited for it goes on.
"""

import base64
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from mien.errors import InputError
from mien.files import explained
from mien.studio.guard import Guard

SECRET = ".secret"
"""Name of the file in the project's folder."""


class Doors:
    """Leads each address to its annotator's guard, and tells the application whose it is.

    Args:
        app: what answers; `scope["annotator"]` says who asks.
        tokens: the token of each annotator.
    """

    def __init__(self, app: ASGIApp, tokens: Mapping[str, str]) -> None:
        self._guards = {name: Guard(app, token) for name, token in tokens.items()}
        self._wall = Guard(app, secrets.token_urlsafe(32))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse to."""
        if scope["type"] != "http":
            return
        parts = scope["path"].split("/", 3)
        name, token, rest = [*parts, "", "", ""][1:4]
        headers = list(scope["headers"])
        if len(parts) == 4:
            headers.append((b"authorization", b"Bearer " + token.encode("utf-8", "replace")))
        inner = {
            **scope,
            "path": f"/{rest}",
            "raw_path": f"/{rest}".encode(),
            "headers": headers,
            "annotator": name,
        }
        await self._guards.get(name, self._wall)(inner, receive, send)


def tokens_of(folder: Path, annotators: tuple[str, ...]) -> dict[str, str]:
    """Return each annotator's token; the secret they come from is made where there is none.

    Raises:
        InputError: the file of the secret holds none.
        OutputError: it cannot be written.
    """
    path = folder / SECRET
    with explained(path):
        try:
            place = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        else:
            with os.fdopen(place, "w") as file:
                file.write(secrets.token_hex(32))
    secret = path.read_text(encoding="ascii", errors="replace").strip()
    if len(secret) != 64:
        raise InputError(f"{path}: holds no secret; remove it, and annotators get new addresses")
    return {name: _token(secret, name) for name in annotators}


def _token(secret: str, name: str) -> str:
    digest = hmac.digest(bytes.fromhex(secret), name.encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:24]).decode()
