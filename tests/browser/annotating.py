"""A project with the sample video, its server as a process of its own, and what a test does on its pages."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

CODE = "from mien.cli import annotating, main; main()"

NAMES = tuple(f"anna{number}" for number in range(30))

PROJECT = """\
name = "Talks"
annotators = [{names}]
[[tasks]]
name = "valence"
labels = ["valence"]
[[tasks]]
name = "expressions"
labels = "expression_7"
[[tasks]]
name = "units"
labels = ["AU01", "AU04", "AU12"]
"""


def make_project(folder: Path, video: Path, text: str = PROJECT) -> Path:
    """Make a project folder with one video."""
    (folder / "videos").mkdir(parents=True)
    shutil.copy(video, folder / "videos" / "talk.mp4")
    (folder / "project.toml").write_text(text.replace("{names}", ", ".join(f'"{name}"' for name in NAMES)))
    return folder


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


class Server:
    """`mien annotate` as users run it; it can be killed and started again at the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.addresses: dict[str, str] = {}
        self.process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(signal.SIGTERM)

    def start(self) -> None:
        """Start it and wait for the addresses."""
        command = [sys.executable, "-c", CODE, "annotate", str(self.folder), "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        for line in self.process.stdout:
            if found := re.match(r"(\w+)  (http://\S+)", line):
                self.addresses[found[1]] = found[2]
            if line.startswith("Ctrl-C"):
                break
        assert self.addresses, "the server did not start"

    def stop(self, number: int = signal.SIGKILL) -> None:
        """End it by a signal."""
        if self.process:
            self.process.send_signal(number)
            self.process.communicate()
        self.process = None


def fetch(address: str, told: Any = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    """Return the status and body of an answer; what is told is sent as JSON."""
    data = None if told is None else json.dumps(told).encode()
    try:
        with urlopen(Request(address, data, headers or {}), timeout=20) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()
