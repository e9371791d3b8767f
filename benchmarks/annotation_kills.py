"""Kills the server of `mien annotate` at random moments and counts what was acknowledged and is not there.

    python benchmarks/annotation_kills.py --kills 1000

A server process answers posts of events as a page sends them: each batch is sent until it is acknowledged,
also to the next server. After each kill (SIGKILL, 0 to 250 ms after the server is up) the next server is
started on the same project. At the end each acknowledged event must be there once, as it was sent.
"""

import argparse
import http.client
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mien.annotation.project import Project
from mien.annotation.store import EventStore, Item
from mien.studio.annotate_door import tokens_of
from mien.studio.annotate_server import Office

SETTINGS = 'annotators = ["anna"]\n[[tasks]]\nname = "valence"\nlabels = ["valence"]\n'
ITEM = Item("anna", "valence", "talk.mp4")
BATCH = 15


def serve(folder: Path, port: int) -> int:
    """Start a server in a process of its own; return its id."""
    child = os.fork()
    if child:
        return child
    project = Project.open(folder)
    with project.store() as store:
        project.prepare(store)
        Office(project, store, port).run()
    os._exit(0)


def kill_later(server: int, seconds: float) -> int:
    """Kill a process after a while, from another; return the killer's id."""
    child = os.fork()
    if child:
        return child
    time.sleep(seconds)
    os.kill(server, signal.SIGKILL)
    os._exit(0)


def post(port: int, path: str, told: dict[str, Any]) -> int:
    """Return the status of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, json.dumps(told), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def ready(port: int) -> None:
    """Wait until somebody listens."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.002)
        else:
            return


class Page:
    """Sends events as the page does: in order, each batch until it is acknowledged."""

    def __init__(self, path: str, port: int) -> None:
        self.path, self.port = path, port
        self.sent: list[dict[str, Any]] = []
        self.kept = 0

    def open(self) -> None:
        """Take the lease."""
        told = {"session": "session-one", "task": ITEM.task, "video": ITEM.video, "turn": 0}
        assert post(self.port, self.path + "open", told) == 200

    def more(self) -> None:
        """Send what is not acknowledged, and a few more."""
        for _ in range(BATCH):
            at = len(self.sent)
            told = {"session": "session-one", "sequence": at, "kind": "value", "label": "valence"}
            self.sent.append({**told, "media": at / 25, "value": random.uniform(-1, 1)})
        status = post(
            self.port, self.path + "events", {"holder": "session-one", "events": self.sent[self.kept :]}
        )
        assert status == 200, status
        self.kept = len(self.sent)


def lost(folder: Path, page: Page) -> int:
    """Return how many acknowledged events are not there as they were sent."""
    with EventStore(folder / "annotations.sqlite", reading=True) as store:
        there = {event.sequence: (event.media, event.value) for event in store.events(ITEM)}
    told = [(event["media"], event["value"]) for event in page.sent[: page.kept]]
    return sum(there.get(at) != said for at, said in enumerate(told))


def main() -> int:
    """Kill as often as asked; return 0 if nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    random.seed(given.seed)
    with tempfile.TemporaryDirectory() as place, socket.socket() as free:
        folder = Path(place)
        (folder / "videos").mkdir()
        (folder / "videos" / ITEM.video).touch()
        (folder / "project.toml").write_text(SETTINGS)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        page = Page(f"/anna/{tokens_of(folder, ('anna',))['anna']}/", port)
        missing, within, begun = 0, 0, time.monotonic()
        for number in range(given.kills):
            server = serve(folder, port)
            ready(port)
            killer = kill_later(server, random.uniform(0, 0.25))
            try:
                if not page.kept:
                    page.open()
                while True:
                    page.more()
            except (OSError, http.client.HTTPException):
                within += len(page.sent) > page.kept
            os.waitpid(killer, 0)
            os.waitpid(server, 0)
            if number % 50 == 49 or number == given.kills - 1:
                missing = max(missing, lost(folder, page))
        seconds = time.monotonic() - begun
        print(f"{given.kills} kills, {within} of them with a post under way, {seconds:.0f} s")
        print(f"{page.kept} events acknowledged, {missing} lost")
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())
