"""A bundle: a folder with a network as ONNX and everything its numbers mean as JSON.

    model.onnx     inputs "faces" (batch, time, channels, size, size), for a network that hears "sound"
                   (batch, time, 1, bands, steps), for one that remembers "state" (batch, k), zeros before the
                   first frame; one output per task, named after it, (batch, time, labels): probabilities,
                   or values in the task's range; and "state_after" (batch, k)
    bundle.json    format, name, preprocessing, hearing and size of the state where there are any, tasks with
                   their labels in order, the hash and opset of the network, the model card, and where it was
                   calibrated (mien.calibration) how; the network itself is as it was before

    weights.safetensors    where wanted: the network as `mien train` can start from it

Nothing in it is executed or unpickled. Loading refuses a bundle whose parts do not fit together.
"""

import json
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from mien.arrays import FloatArray
from mien.calibration import Calibration
from mien.errors import BundleError
from mien.files import sha256, whole_folder
from mien.hearing import Hearing
from mien.inference import Session, session
from mien.inputs import Preprocessing
from mien.records import Predictions
from mien.tasks import TASKS, Task

FORMAT = 1
"""Version of the bundle's form; it rises when older readers would misread it."""

OPSETS = range(13, 22)
"""Versions of ONNX's operator set that are accepted."""

WEIGHTS = "weights.safetensors"
"""Name of the file with the weights that training can start from, in half precision."""

DEFAULT = "affect_fast"
"""Name of the bundle that ships with the package."""


class Predictor(Protocol):
    """Anything that turns prepared faces into Predictions.

    Attributes:
        preprocessing: how a face must be prepared for it.
        tasks: what it predicts; of several expression tasks the first is the one to show.
        card: what is to be known about it, as plain values.
        calibration: how right its predictions are, which it is already applied to; None where not known.
    """

    preprocessing: Preprocessing
    tasks: tuple[Task, ...]
    card: dict[str, Any]
    calibration: Calibration | None

    def predict(self, faces: FloatArray) -> Predictions:
        """Return predictions for faces (n, 1, channels, size, size)."""


class Bundle:
    """A bundle opened for use; make one with `Bundle.load`.

    Attributes:
        preprocessing: how a face must be prepared for it.
        tasks: what it predicts; of several expression tasks the first is the one to show.
        card: what is to be known about it, as plain values.
        hearing: how sound must be prepared for it; None for one that does not hear.
        calibration: how right its predictions are, which it is already applied to; None where not known.
        memory: numbers in the state of one clip; 0 for one that remembers nothing.
    """

    def __init__(
        self,
        preprocessing: Preprocessing,
        tasks: tuple[Task, ...],
        card: dict[str, Any],
        network: Session,
        hearing: Hearing | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.preprocessing = preprocessing
        self.tasks = tasks
        self.card = card
        self.hearing = hearing
        self.calibration = calibration
        self._network = network
        shapes = {entry.name: entry.shape for entry in network.get_inputs()}
        self._sees = "faces" in shapes
        self.memory = int(shapes["state"][1]) if "state" in shapes else 0

    @classmethod
    def load(cls, folder: Path, threads: int = 1) -> Self:
        """Return the bundle in a folder.

        Args:
            folder: holds model.onnx and bundle.json.
            threads: processor threads of the network.

        Raises:
            BundleError: a file is missing or altered, or shapes, labels, opset, hash or calibration do not
                fit.
        """
        record = _record(folder)
        model = folder / "model.onnx"
        if not model.is_file():
            raise BundleError(f"{folder}: no model.onnx in it")
        digest = sha256(model)
        if digest != _field(folder, record, "sha256", str):
            raise BundleError(
                f"{model}: its SHA-256 is {digest[:12]}…, bundle.json says {record['sha256'][:12]}…"
            )
        opset = onnx_opset(model)
        if opset != _field(folder, record, "opset", int) or opset not in OPSETS:
            raise BundleError(
                f"{model}: opset {opset}; bundle.json says {record['opset']}, "
                f"accepted are {OPSETS.start} to {OPSETS.stop - 1}"
            )
        preprocessing = Preprocessing.from_json(_field(folder, record, "preprocessing", dict))
        tasks = tuple(_task(folder, entry) for entry in _field(folder, record, "tasks", list))
        try:
            network = session(str(model), threads)
        except Exception as error:  # onnxruntime raises a dozen unrelated types
            raise BundleError(f"{model}: onnxruntime cannot load it ({error})") from error
        heard = _field(folder, record, "hearing", dict) if "hearing" in record else None
        hearing = Hearing.from_json(heard) if heard is not None else None
        memory = _field(folder, record, "state", int) if "state" in record else None
        _check_inputs(model, network, _expected(preprocessing, hearing), memory)
        _check_outputs(model, network, _expected(preprocessing, hearing), tasks)
        card = {
            "name": _field(folder, record, "name", str),
            **_field(folder, record, "card", dict),
            "sha256": digest,
        }
        return cls(preprocessing, tasks, card, network, hearing, _calibration(folder, record, tasks))

    def showing(self, name: str) -> Self:
        """Return the same bundle with another task first; of several label sets the first is shown.

        Raises:
            BundleError: the bundle has no such task.
        """
        chosen = [task for task in self.tasks if task.name == name]
        if not chosen:
            known = ", ".join(task.name for task in self.tasks)
            raise BundleError(f"{self.card['name']}: has no task {name!r}; it has {known}")
        others = [task for task in self.tasks if task.name != name]
        return self._with((*chosen, *others), self.calibration)

    def uncalibrated(self) -> Self:
        """Return the same bundle with what its network says as it says it."""
        return self._with(self.tasks, None)

    def _with(self, tasks: tuple[Task, ...], calibration: Calibration | None) -> Self:
        """Return the same network with another order of tasks, or another calibration."""
        return type(self)(self.preprocessing, tasks, self.card, self._network, self.hearing, calibration)

    def predict(self, faces: FloatArray) -> Predictions:
        """Return predictions for faces (n, 1, channels, size, size), as `Preprocessing.arrays` makes them.

        Each face is taken alone, as the first frame of a clip in silence: nothing is remembered, and
        nothing is heard.

        Raises:
            BundleError: faces are of another shape, or the network says something that is not a number.
        """
        values, _ = self.follow(faces)
        return Predictions({task: value[:, 0] for task, value in values.items()})

    def follow(
        self, faces: FloatArray, sound: FloatArray | None = None, state: FloatArray | None = None
    ) -> tuple[dict[Task, FloatArray], FloatArray | None]:
        """Return what is said of clips, task -> (batch, time, labels), and the state after them.

        Where the bundle is calibrated, this is what the calibration makes of what the network says.

        A clip given in pieces, each with the state that the one before left, gives what the whole gives.
        States have a row for each clip, and are cut and joined like rows.

        Args:
            faces: (batch, time, channels, size, size), as `Preprocessing.arrays` makes them, stills joined
                along their second axis; time is at least 1. One that only hears looks at the shape alone.
            sound: (batch, time, 1, bands, steps), as `Hearing.arrays` makes it; None is silence.
            state: (batch, memory), what an earlier call gave; None before the first frame.

        Raises:
            BundleError: something is of another shape or not wanted, or the network says something that
                is not a number.
        """
        batch, time = faces.shape[:2]
        inputs = {"faces": faces}
        if self.hearing is not None or sound is not None:
            silence = self.hearing.silence(time) if self.hearing is not None else np.zeros(0)
            inputs["sound"] = np.repeat(silence[None], batch, axis=0) if sound is None else sound
        if self.memory or state is not None:
            inputs["state"] = np.zeros((batch, self.memory), np.float32) if state is None else state
        inputs = self._checked(inputs)
        if not batch:  # onnxruntime ends the whole process where a GRU is given no clip
            nothing = {task: np.zeros((0, time, len(task)), np.float32) for task in self.tasks}
            return nothing, inputs.get("state")
        if not self._sees:
            del inputs["faces"]
        names = [task.name for task in self.tasks]
        outputs = self._network.run([*names, *(["state_after"] if self.memory else [])], inputs)
        values = dict(zip(self.tasks, outputs, strict=False))
        for task, value in values.items():
            if not np.isfinite(value).all():
                raise BundleError(f"{self.card['name']}: {task.name} is not a number for some face")
        if self.calibration is not None:
            values = self.calibration.applied(values)
        return values, outputs[-1] if self.memory else None

    def _checked(self, inputs: dict[str, FloatArray]) -> dict[str, FloatArray]:
        """Return what a network is to be given in its number type, if it is of the shapes it wants."""
        batch, time = inputs["faces"].shape[:2]
        wanted = {
            name: (batch, time, *shape) for name, shape in _expected(self.preprocessing, self.hearing).items()
        }
        if self.memory:
            wanted["state"] = (batch, self.memory)
        for name, value in inputs.items():
            if name not in wanted:
                raise BundleError(f"{self.card['name']}: takes no {name}, got {value.shape}")
            if value.shape != wanted[name] or not time:
                raise BundleError(
                    f"{self.card['name']}: {name} of shape {value.shape}, expected {wanted[name]} "
                    "with at least one frame"
                )
        return {name: np.asarray(value, np.float32) for name, value in inputs.items()}


def shipped() -> Path:
    """Return the folder of the bundle that ships with the package."""
    return Path(str(resources.files("mien") / "bundles" / DEFAULT))


def write_record(
    folder: Path,
    name: str,
    preprocessing: Preprocessing,
    tasks: tuple[Task, ...],
    card: dict[str, Any],
    hearing: Hearing | None = None,
    memory: int = 0,
) -> None:
    """Write bundle.json beside the model.onnx in a folder; arguments as the attributes of Bundle."""
    model = folder / "model.onnx"
    record = {
        "format": FORMAT,
        "name": name,
        "sha256": sha256(model),
        "opset": onnx_opset(model),
        "preprocessing": preprocessing.to_json(),
        **({"hearing": hearing.to_json()} if hearing is not None else {}),
        **({"state": memory} if memory else {}),
        "tasks": [
            {"name": t.name, "behaviour": t.behaviour, "kind": t.kind, "labels": list(t.labels)}
            for t in tasks
        ],
        "card": card,
    }
    (folder / "bundle.json").write_text(
        json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def write_calibrated(source: Path, folder: Path, calibration: Calibration, measured: Any) -> None:
    """Write a copy of a bundle with a calibration, which takes the place of one that it has.

    Args:
        source: the bundle's folder.
        folder: to make; it must not exist.
        calibration: of the network as it is, without any that the bundle has.
        measured: what the card says of it, as plain values.

    Raises:
        OutputError: `folder` exists or cannot be written.
    """
    record = _record(source)
    record["calibration"] = calibration.to_json()
    record["card"] = {**record["card"], "calibration": measured}
    with whole_folder(folder) as place:
        for file in (file for file in source.iterdir() if file.is_file()):
            shutil.copyfile(file, place / file.name)
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
        (place / "bundle.json").write_text(text + "\n", encoding="utf-8")


def onnx_opset(path: Path) -> int:
    """Return the version of ONNX's own operator set that a model file states.

    Read straight from the file (ModelProto field 8, OperatorSetIdProto fields 1 and 2), so that the
    onnx package is not needed to run a model.

    Raises:
        BundleError: the file is not an ONNX model.
    """
    try:
        for number, value in _protobuf_fields(path.read_bytes()):
            if number == 8 and isinstance(value, bytes):
                entry = dict(_protobuf_fields(value))
                version = entry.get(2)
                if entry.get(1, b"") in (b"", b"ai.onnx") and isinstance(version, int):
                    return version
    except IndexError as error:
        raise BundleError(f"{path}: not an ONNX model") from error
    raise BundleError(f"{path}: not an ONNX model (it states no opset)")


def _protobuf_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of one protobuf message; raises IndexError where it is no such."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == 0:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        if kind == 2:
            length, position = _varint(data, position)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise IndexError(kind)
        if position + length > len(data):
            raise IndexError(position)
        yield key >> 3, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return a protobuf integer and the position after it."""
    value, shift = 0, 0
    while True:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise IndexError(position)


def _record(folder: Path) -> dict[str, Any]:
    """Return bundle.json of a folder, with its format checked."""
    path = folder / "bundle.json"
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such folder; a bundle is a folder with model.onnx and bundle.json")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read as a bundle's record ({error})") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        found = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise BundleError(f"{path}: format {found!r}, this version reads format {FORMAT}")
    return record


def _field(folder: Path, record: dict[str, Any], name: str, kind: type) -> Any:
    """Return a field of bundle.json if it is of the kind expected."""
    if type(record.get(name)) is not kind:
        raise BundleError(
            f"{folder / 'bundle.json'}: {name} is {record.get(name)!r}, expected a {kind.__name__}"
        )
    return record[name]


def _calibration(folder: Path, record: dict[str, Any], tasks: tuple[Task, ...]) -> Calibration | None:
    """Return the calibration that bundle.json holds; None where it holds none."""
    if "calibration" not in record:
        return None
    try:
        return Calibration.from_json(record["calibration"], tasks)
    except BundleError as error:
        raise BundleError(f"{folder / 'bundle.json'}: {error}; calibrate it again") from error


def _task(folder: Path, entry: Any) -> Task:
    """Return the task that an entry of bundle.json names, if its labels are the ones we know."""
    if not isinstance(entry, dict) or entry.get("name") not in TASKS:
        raise BundleError(f"{folder / 'bundle.json'}: unknown task {entry!r}; known are {', '.join(TASKS)}")
    task = TASKS[entry["name"]]
    stated = (entry.get("behaviour"), entry.get("kind"), tuple(entry.get("labels", ())))
    if stated != (task.behaviour, task.kind, task.labels):
        raise BundleError(
            f"{folder / 'bundle.json'}: {task.name} has the labels {entry.get('labels')}, "
            f"expected {list(task.labels)} in this order"
        )
    return task


def _expected(preprocessing: Preprocessing, hearing: Hearing | None) -> dict[str, tuple[int, ...]]:
    """Return the shapes of one frame that a network may be given, by the name of its input."""
    size, channels = preprocessing.size, preprocessing.channels
    expected: dict[str, tuple[int, ...]] = {"faces": (channels, size, size)}
    if hearing is not None:
        expected["sound"] = (1, hearing.bands, hearing.steps)
    return expected


def _check_inputs(
    model: Path, network: Session, expected: dict[str, tuple[int, ...]], memory: int | None
) -> None:
    """Refuse a network whose inputs are not what the record says; `memory` is None where it says nothing."""
    inputs = {entry.name: tuple(entry.shape) for entry in network.get_inputs()}
    state = inputs.pop("state", None)
    fixed = [name for name, shape in inputs.items() if not all(isinstance(axis, str) for axis in shape[:2])]
    if (
        not inputs
        or fixed
        or any(expected.get(name) != shape[2:] for name, shape in inputs.items())
        or ("sound" in expected and "sound" not in inputs)
    ):
        raise BundleError(f"{model}: inputs {inputs}, expected (batch, time), both free, and {expected}")
    if state is not None and (len(state) != 2 or isinstance(state[0], int) or not isinstance(state[1], int)):
        raise BundleError(f"{model}: the state is {state}, expected (batch, a fixed number)")
    if memory is not None and (state is None or state[1] != memory):
        raise BundleError(f"{model}: the state is {state}, bundle.json says (batch, {memory})")


def _check_outputs(
    model: Path, network: Session, expected: dict[str, tuple[int, ...]], tasks: tuple[Task, ...]
) -> None:
    """Refuse a network whose outputs are not what the record says; two clips of two frames are tried."""
    inputs = {entry.name: entry.shape for entry in network.get_inputs()}
    outputs = {entry.name for entry in network.get_outputs()}
    wanted: dict[str, tuple[int, ...]] = {task.name: (2, 2, len(task)) for task in tasks}
    probe = {name: np.zeros((2, 2, *expected[name]), np.float32) for name in inputs if name != "state"}
    if "state" in inputs:
        probe["state"] = np.zeros((2, int(inputs["state"][1])), np.float32)
        wanted["state_after"] = probe["state"].shape
    if not tasks or outputs != set(wanted):
        raise BundleError(f"{model}: outputs {sorted(outputs)}, expected {sorted(wanted)}")
    try:
        tried = network.run(list(wanted), probe)
    except Exception as error:  # onnxruntime raises a dozen unrelated types
        raise BundleError(f"{model}: onnxruntime cannot run it ({error})") from error
    for (name, shape), values in zip(wanted.items(), tried, strict=True):
        if values.shape != shape:
            raise BundleError(
                f"{model}: {name} is {values.shape} for two clips of two frames, expected {shape}"
            )
