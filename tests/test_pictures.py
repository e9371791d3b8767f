"""Pictures of every kind become upright BGR; what is no picture is refused with the reason."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from rights import unprivileged

from mien.errors import MediaError
from mien.media.pictures import kind_of, list_media, read_picture
from mien.testing.media import make_sound, make_video

SIZE = (48, 32)
RED = (0, 0, 200)
"""BGR of the top left quarter; the rest is black."""


def quartered(mode: str = "RGB") -> Pillow.Image:
    """Return a picture whose top left quarter is red, or bright where there is no colour."""
    picture = Pillow.new("RGB", SIZE)
    picture.paste((200, 0, 0), (0, 0, SIZE[0] // 2, SIZE[1] // 2))
    return picture.convert(mode)


@pytest.mark.parametrize(
    ("name", "mode", "tolerance"),
    [
        ("a.png", "RGB", 0),
        ("a.PNG", "RGB", 0),
        ("bild größe 画.png", "RGB", 0),
        ("a.bmp", "RGB", 0),
        ("a.tiff", "RGB", 0),
        ("a.gif", "P", 5),
        ("a.png", "P", 5),
        ("a.jpg", "RGB", 25),
        ("a.JPEG", "RGB", 25),
        ("a.jpg", "CMYK", 25),
        ("a.tif", "CMYK", 0),
        ("a.webp", "RGB", 25),
        ("a.avif", "RGB", 25),
        ("a.jp2", "RGB", 0),
        ("a.ppm", "RGB", 0),
    ],
)
def test_colours_come_out_in_bgr(tmp_path: Path, name: str, mode: str, tolerance: int) -> None:
    quartered(mode).save(tmp_path / name)
    image = read_picture(tmp_path / name)
    assert image.shape == (SIZE[1], SIZE[0], 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    np.testing.assert_allclose(image[4, 4].astype(int), RED, atol=tolerance)
    np.testing.assert_allclose(image[-5, -5].astype(int), (0, 0, 0), atol=tolerance)
    assert kind_of(tmp_path / name) == "picture"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_exif_orientation_is_applied(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    quartered().save(tmp_path / name, exif=exif)
    image = read_picture(tmp_path / name)
    bright = image[:, :, 2] > 100
    assert image.shape[:2] == (SIZE if orientation >= 5 else SIZE[::-1])
    rows, columns = np.nonzero(bright)
    corner = (rows.mean() > image.shape[0] / 2, columns.mean() > image.shape[1] / 2)
    bottom, right = {
        1: (False, False),
        2: (False, True),
        3: (True, True),
        4: (True, False),
        5: (False, False),
        6: (False, True),
        7: (True, True),
        8: (True, False),
    }[orientation]
    assert corner == (bottom, right)


def test_grey_and_one_bit_are_spread_over_the_channels(tmp_path: Path) -> None:
    Pillow.new("L", (4, 4), 77).save(tmp_path / "grey.png")
    Pillow.new("1", (4, 4), 1).save(tmp_path / "bit.png")
    assert (read_picture(tmp_path / "grey.png") == 77).all()
    assert (read_picture(tmp_path / "bit.png") == 255).all()


def test_sixteen_bits_keep_the_upper_eight(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 0x7FFF], [0x8000, 0xABCD, 0xFF00, 0xFFFF]], np.uint16)
    Pillow.fromarray(values).save(tmp_path / "a.png")
    Pillow.fromarray(values).save(tmp_path / "a.tif")
    Pillow.fromarray(values.astype(np.int32)).save(tmp_path / "b.tif")
    for name in ("a.png", "a.tif", "b.tif"):
        np.testing.assert_array_equal(read_picture(tmp_path / name)[:, :, 1], values >> 8)


def test_numbers_of_unknown_range_are_refused(tmp_path: Path) -> None:
    Pillow.fromarray(np.full((4, 4), 0.5, np.float32)).save(tmp_path / "float.tif")
    Pillow.fromarray(np.full((4, 4), 70_000, np.int32)).save(tmp_path / "wide.tif")
    with pytest.raises(MediaError, match=r"float\.tif: holds floating point numbers"):
        read_picture(tmp_path / "float.tif")
    with pytest.raises(MediaError, match=r"wide\.tif: holds 32-bit numbers"):
        read_picture(tmp_path / "wide.tif")


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_are_laid_on_white(tmp_path: Path, mode: str) -> None:
    picture = Pillow.new("RGBA", (4, 4), (0, 0, 0, 0))
    picture.putpixel((0, 0), (10, 10, 10, 255))
    picture.putpixel((1, 0), (0, 0, 0, 128))
    picture.convert(mode).save(tmp_path / "a.png")
    image = read_picture(tmp_path / "a.png")
    assert image[0, 0].tolist() == [10, 10, 10]
    assert image[0, 1].tolist() == [127, 127, 127]
    assert image[3, 3].tolist() == [255, 255, 255]


@pytest.mark.parametrize("name", ["a.png", "a.gif"])
def test_a_transparent_palette_entry_is_laid_on_white(tmp_path: Path, name: str) -> None:
    picture = Pillow.new("P", (4, 4), 1)
    picture.putpalette([200, 0, 0, 0, 200, 0])
    picture.putpixel((0, 0), 0)
    picture.save(tmp_path / name, transparency=1)
    image = read_picture(tmp_path / name)
    assert image[0, 0].tolist() == [0, 0, 200]
    assert image[3, 3].tolist() == [255, 255, 255]


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp"])
def test_a_picture_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    Pillow.fromarray(pixels).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=rf"{name}: ") as caught:
        read_picture(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    Pillow.new("1", (20_000, 10_000)).save(path)
    with pytest.raises(MediaError, match=r"bomb\.png: has more pixels than are accepted"):
        read_picture(path)
    with pytest.raises(MediaError, match=r"bomb\.png: has more pixels than are accepted"):
        kind_of(path)


def test_kind_is_judged_by_content(tmp_path: Path) -> None:
    quartered().save(tmp_path / "p.png")
    (tmp_path / "p.png").rename(tmp_path / "p.mp4")
    make_video(tmp_path / "v.mp4").rename(tmp_path / "v.png")
    make_video(tmp_path / "w.mpg").rename(tmp_path / "w")
    assert kind_of(tmp_path / "p.mp4") == "picture"
    assert kind_of(tmp_path / "v.png") == "video"
    assert kind_of(tmp_path / "w") == "video"


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.avif"])
def test_an_animation_is_a_video(tmp_path: Path, name: str) -> None:
    pages = [Pillow.new("RGB", (64, 48), (40 * i, 0, 0)) for i in range(4)]
    pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:], duration=40)
    assert kind_of(tmp_path / name) == "video"


def test_an_animated_webp_is_refused_or_a_video(tmp_path: Path) -> None:
    pages = [Pillow.new("RGB", (64, 48), (40 * i, 0, 0)) for i in range(4)]
    pages[0].save(tmp_path / "a.webp", save_all=True, append_images=pages[1:], duration=40)
    try:
        found: str = kind_of(tmp_path / "a.webp")
    except MediaError as error:
        found = str(error)
    assert found == "video" or "is an animated WEBP, which FFmpeg cannot read" in found


def test_pages_of_a_document_are_a_picture(tmp_path: Path) -> None:
    quartered().save(tmp_path / "a.tif", save_all=True, append_images=[Pillow.new("RGB", SIZE)])
    assert kind_of(tmp_path / "a.tif") == "picture"
    assert read_picture(tmp_path / "a.tif")[4, 4].tolist() == list(RED)


def test_what_is_no_medium_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "heic.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    make_sound(tmp_path / "sound.wav")
    cases = {
        "missing.png": "no such file",
        "empty.png": "is empty (0 bytes)",
        "text.jpg": "is in no format that can be read",
        "heic.jpg": "is a HEIC picture",
        "sound.wav": "holds only sound",
        ".": "is a folder",
    }
    for name, reason in cases.items():
        with pytest.raises(MediaError) as caught:
            kind_of(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}: ")
        assert reason in str(caught.value)
        with pytest.raises(MediaError):
            read_picture(tmp_path / name)


def test_what_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    quartered().save(path)
    path.chmod(0)
    with unprivileged(), pytest.raises(MediaError, match=r"a\.png: no permission to read it"):
        kind_of(path)


def test_a_folder_is_listed_in_natural_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("b10.png", "b2.png", "A1.png", "b2a.png", ".hidden.png", "notes.txt", "10", "9"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner.png").touch()
    names = [path.name for path in list_media(tmp_path)]
    assert names == ["A1.png", "b2.png", "b2a.png", "b10.png", "notes.txt", "9", "10"]


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MediaError, match="no such folder"):
        list_media(tmp_path / "missing")
    with pytest.raises(MediaError, match="is a file, not a folder"):
        list_media(tmp_path / "file")
