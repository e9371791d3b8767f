"""Writing without half-written results: a file or folder appears whole or not at all."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mien.errors import OutputError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; it takes the place of `path` when the block ends well.

    Raises:
        OutputError: the place cannot be written, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    with explained(path):
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path, replacing: str = "") -> Iterator[Path]:
    """Give a temporary folder beside `path`; it becomes `path` when the block ends well.

    Args:
        path: the folder to make; it must not exist, or be empty.
        replacing: name of a file; a folder at `path` that holds it is an earlier result and is
            replaced once the new one is complete. Any other folder is never touched.

    Raises:
        OutputError: `path` exists and may not be replaced, cannot be written, or the disk is full.
    """
    path = Path(os.path.abspath(path))
    free_folder(path, replacing)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            if path.exists() and any(path.iterdir()):
                old = temporary.with_suffix(".old")
                os.replace(path, old)
                os.replace(temporary, path)
                shutil.rmtree(old)
            else:
                os.replace(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def free_folder(path: Path, replacing: str = "") -> None:
    """Return if a folder may be made at `path`; the rule is that of `whole_folder`.

    Raises:
        OutputError: something is there that must not be replaced.
    """
    with explained(path):
        if not path.exists() or (path.is_dir() and not any(path.iterdir())):
            return
        if replacing and (path / replacing).is_file():
            return
    ours = f" (it holds no {replacing}, so it is no earlier result)" if replacing else ""
    raise OutputError(f"{path}: exists already{ours}; choose another place with -o, or remove it")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into one clear line about `path`."""
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: "the disk is full",
            errno.EDQUOT: "the disk quota is used up",
            errno.EFBIG: "the file would be larger than this place allows",
            errno.EIO: "the disk reports an error",
            errno.ESTALE: "the network folder is gone",
            errno.EACCES: "no permission to write here",
            errno.EPERM: "no permission to write here",
            errno.EROFS: "the disk is read-only",
            errno.ENOTDIR: "a part of this path is a file, not a folder",
            errno.ENAMETOOLONG: "the name is too long",
        }
        if error.errno not in reasons:
            raise
        raise OutputError(f"{path}: {reasons[error.errno]}") from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
