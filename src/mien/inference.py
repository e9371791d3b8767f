"""Networks run by onnxruntime: the only place that imports it.

Its newer releases gather usage data by default, keep a device number and a queue of events in the
user's cache folder, and send them to their maker. mien sends nothing to anyone, so this is switched
off before the library is loaded; its own switch, called afterwards, comes too late for the files.
"""

import os
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime  # noqa: E402 - the line above must come first

Session = onnxruntime.InferenceSession


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
    return Session(str(path), options, providers=["CPUExecutionProvider"])
