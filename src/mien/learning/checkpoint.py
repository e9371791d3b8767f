"""A checkpoint: tensors in safetensors and everything else in JSON beside them, written whole."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from mien.errors import InputError
from mien.files import whole_file


def save(path: Path, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
    """Write tensors to `path` with the record inside its header, at once or not at all."""
    with whole_file(path) as place:
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            place,
            {"record": json.dumps(record)},
        )


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the record that `save` wrote.

    Raises:
        InputError: the file is not such a checkpoint.
    """
    try:
        return load_file(path), _record(path)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a checkpoint of mien ({error})") from error


def record(path: Path) -> dict[str, Any]:
    """Return the record that `save` wrote, without the tensors.

    Raises:
        InputError: the file is not such a checkpoint.
    """
    try:
        return _record(path)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a checkpoint of mien ({error})") from error


def _record(path: Path) -> dict[str, Any]:
    """Return what stands in the header."""
    with safe_open(path, "pt") as file:
        found: dict[str, Any] = json.loads(file.metadata()["record"])
    return found


def flattened(state: dict[str, Any], prefix: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return an optimiser's state as named tensors and the plain rest."""
    tensors = {
        f"{prefix}.{index}.{key}": value
        for index, values in state["state"].items()
        for key, value in values.items()
        if isinstance(value, Tensor)
    }
    return tensors, {"groups": state["param_groups"]}


def unflattened(tensors: dict[str, Tensor], rest: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return the optimiser's state that `flattened` took apart."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(f"{prefix}."):
            _, index, key = name.rsplit(".", 2)
            state.setdefault(int(index), {})[key] = tensor
    return {"state": state, "param_groups": rest["groups"]}
