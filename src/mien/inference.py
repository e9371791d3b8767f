"""Networks run by onnxruntime: the only place that imports it.

Its newer releases gather usage data by default, keep a device number and a queue of events in the
user's cache folder, and send them to their maker. mien sends nothing to anyone, so this is switched
off before the library is loaded; its own switch, called afterwards, comes too late for the files.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mien.arrays import FloatArray

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime


class Port(Protocol):
    """One input or output of a network: its name and shape, free axes as text."""

    name: str
    shape: list[int | str]


class Session(Protocol):
    """A loaded network, as onnxruntime gives it."""

    def run(self, names: Sequence[str] | None, inputs: dict[str, FloatArray]) -> list[FloatArray]:
        """Return the outputs of these names, or all of them."""

    def get_inputs(self) -> list[Port]:
        """Return what goes in."""

    def get_outputs(self) -> list[Port]:
        """Return what comes out."""


def session(path: str | Path, threads: int = 1) -> Session:
    """Return a quiet session on the CPU with a fixed number of threads.

    Args:
        path: an ONNX file.
        threads: processor threads of the network; 0 leaves the choice to onnxruntime.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    loaded: Session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return loaded
