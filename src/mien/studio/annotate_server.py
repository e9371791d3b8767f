"""The server of a project's pages, until it is asked to stop."""

import socket

import uvicorn

from mien.annotation.project import Project
from mien.annotation.store import EventStore
from mien.errors import OutputError
from mien.studio.annotate import Desk
from mien.studio.annotate_door import tokens_of

LOOPBACK = "127.0.0.1"


class Office:
    """A project's server: bound when made, so that its addresses are known before it runs.

    Args:
        project: the project.
        store: its events, assignments made.
        port: to listen on; pages that wait for the server find it only at the same; 0 for any that is free.

    Attributes:
        addresses: of each annotator's page.

    Raises:
        OutputError: the port is taken.
    """

    def __init__(self, project: Project, store: EventStore, port: int) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((LOOPBACK, port))
            self._socket.listen(128)
        except OSError as error:
            self._socket.close()
            raise OutputError(f"port {port}: cannot be used ({error.strerror}); choose another") from error
        tokens = tokens_of(project.folder, project.annotators)
        here = f"http://{LOOPBACK}:{self._socket.getsockname()[1]}"
        self.addresses = {name: f"{here}/{name}/{token}/" for name, token in tokens.items()}
        config = uvicorn.Config(
            Desk(project, store).app(tokens),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Answer until Ctrl-C or SIGTERM."""
        try:
            self._server.run([self._socket])
        except KeyboardInterrupt:
            pass  # the server has ended well by then
        finally:
            self._socket.close()
