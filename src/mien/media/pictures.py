"""Pictures as BGR pixels, and what kind of medium a file is.

Pillow reads the file; what is said of brightness is said of the numbers in it: colour profiles are
not applied. Sixteen bits become eight by keeping the upper ones, transparent pixels are laid on
white, CMYK becomes RGB as Pillow does it (no profile; Adobe's inverted JPEG comes out right).
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from mien.arrays import Image
from mien.errors import MediaError
from mien.media.video import Video, refuse_unreadable

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TIFF", "WEBP")
"""What Pillow is asked to try: formats of photographs, none that calls another program."""

MOVING = ("AVIF", "GIF", "PNG", "WEBP")
"""Formats that can be animations; the pages of a TIFF or MPO file are not."""


def read_picture(path: Path | str) -> Image:
    """Return a picture as (height, width, 3) uint8 in BGR order, turned upright by its EXIF orientation.

    Of a file with several pages or frames it is the first. Transparent pixels are laid on white.

    Raises:
        MediaError: the file cannot be read, is no picture, is cut short or damaged, has more pixels than
            Pillow accepts (a decompression bomb), or holds numbers without a known range (floating
            point, or 32-bit integers beyond 16 bits).
    """
    path = Path(path)
    refuse_unreadable(path)
    with _explained(path):
        picture = _opened(path)
        if picture is None:
            raise MediaError(f"{path}: is in no picture format that can be read")
        with picture:
            turned = ImageOps.exif_transpose(picture)
            return np.ascontiguousarray(np.asarray(_rgb(turned, path))[:, :, ::-1])


def kind_of(path: Path | str) -> Literal["picture", "video"]:
    """Return what a file holds, judged by its content and not by its name.

    An animation (GIF, PNG, WebP, AVIF of several frames) is a video. Of a picture only the header is
    looked at; of a video the first frame is decoded.

    Raises:
        MediaError: the file cannot be read, or is neither.
    """
    path = Path(path)
    head = refuse_unreadable(path)
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"):
        raise MediaError(f"{path}: is a HEIC picture, which cannot be read; save it as JPEG or PNG")
    with _explained(path):
        picture = _opened(path)
        if picture is not None:
            with picture:
                if picture.format not in MOVING or getattr(picture, "n_frames", 1) == 1:
                    return "picture"
    try:
        Video(path)
    except MediaError as error:
        if picture is None:
            raise
        message = f"{path}: is an animated {picture.format}, which FFmpeg cannot read; save it as MP4 or GIF"
        raise MediaError(message) from error
    return "video"


def list_media(folder: Path | str) -> list[Path]:
    """Return the files directly inside a folder in natural order (2 before 10), hidden ones left out.

    All are listed, whatever they hold: one that is no medium is to be reported, not passed over.

    Raises:
        MediaError: the folder is missing, no folder, or may not be read.
    """
    folder = Path(folder)
    try:
        files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    except FileNotFoundError as error:
        raise MediaError(f"{folder}: no such folder") from error
    except NotADirectoryError as error:
        raise MediaError(f"{folder}: is a file, not a folder") from error
    except PermissionError as error:
        raise MediaError(f"{folder}: no permission to read it") from error
    return sorted(files, key=lambda path: (_natural(path.name), path.name))


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a sorting key in which runs of digits count as numbers."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _opened(path: Path) -> Pillow.Image | None:
    """Return the picture, identified but not decoded; None where no format fits."""
    Pillow.init()
    try:
        return Pillow.open(path, formats=[name for name in FORMATS if name in Pillow.OPEN])
    except UnidentifiedImageError:
        return None


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what Pillow raises into one clear line, and silence what it warns of."""
    with warnings.catch_warnings(action="ignore"):
        try:
            yield
        except MediaError:
            raise
        except Pillow.DecompressionBombError as error:
            raise MediaError(f"{path}: has more pixels than are accepted ({error})") from error
        except Exception as error:  # the decoders of damaged files raise nearly anything
            raise MediaError(f"{path}: cannot be decoded ({error})") from error


def _rgb(picture: Pillow.Image, path: Path) -> Pillow.Image:
    """Return the picture in RGB."""
    if picture.mode == "F":
        raise MediaError(f"{path}: holds floating point numbers of unknown range; save it as 8 or 16 bits")
    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.int64)
        if values.min(initial=0) < 0 or values.max(initial=0) > 65535:
            raise MediaError(f"{path}: holds 32-bit numbers of unknown range; save it as 8 or 16 bits")
        picture = Pillow.fromarray((values >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Pillow.new("RGBA", picture.size, "white")
        picture = Pillow.alpha_composite(white, picture)
    return picture.convert("RGB")
