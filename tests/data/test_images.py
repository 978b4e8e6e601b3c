from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy
import pytest
from PIL import Image

from tests.conftest import Draw
from visionlora.data.images import BadImage, open_image

RED, WHITE = (255, 0, 0), (255, 255, 255)


def corner(image: Image.Image) -> tuple[int, ...]:
    assert image.mode == "RGB"
    pixel = image.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return pixel


def close(pixel: tuple[int, ...], wanted: tuple[int, ...], tolerance: int = 3) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, wanted, strict=True))


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "png", "bmp", "gif", "webp", "tif", "tiff", "ppm"])
def test_every_supported_kind_of_file_opens(draw: Draw, suffix: str) -> None:
    image = open_image(draw(f"a.{suffix}", colour=RED))
    assert image.size == (64, 48)
    assert close(corner(image), RED, 12)


def test_transparent_pixels_are_white_and_half_transparent_ones_half_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1))
    image.putpixel((0, 0), (0, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 0, 128))
    image.save(tmp_path / "a.png")
    opened = open_image(tmp_path / "a.png")
    assert corner(opened) == WHITE
    assert close(opened.getpixel((1, 0)), (255, 127, 127))  # type: ignore[arg-type]


def test_gray_with_transparency_lies_over_white(tmp_path: Path) -> None:
    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "a.png")
    assert corner(open_image(tmp_path / "a.png")) == WHITE


def test_a_transparent_palette_entry_is_white_and_the_others_keep_their_colour(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png", transparency=0)
    opened = open_image(tmp_path / "a.png")
    assert corner(opened) == WHITE
    assert opened.getpixel((1, 0)) == RED


def test_one_transparent_colour_of_an_rgb_image_is_white(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), (1, 2, 3)).save(tmp_path / "a.png", transparency=(1, 2, 3))
    assert corner(open_image(tmp_path / "a.png")) == WHITE


def test_an_opaque_palette_image_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), RED).quantize(4).save(tmp_path / "a.png")
    assert corner(open_image(tmp_path / "a.png")) == RED


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_red_is_red(tmp_path: Path, suffix: str) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / f"a.{suffix}")
    assert close(corner(open_image(tmp_path / f"a.{suffix}")), RED)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(("value", "gray"), [(0, 0), (32896, 128), (65535, 255), (300, 1)])
def test_sixteen_bit_gray_is_scaled_not_clipped(tmp_path: Path, suffix: str, value: int, gray: int) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(numpy.full((4, 4), value, numpy.uint16)).save(path)
    assert corner(open_image(path)) == (gray, gray, gray)


def test_big_endian_sixteen_bit_gray_is_scaled(tmp_path: Path) -> None:
    Image.fromarray(numpy.full((4, 4), 32896, ">u2")).save(tmp_path / "a.tif")
    assert corner(open_image(tmp_path / "a.tif")) == (128, 128, 128)


def test_thirty_two_bit_integers_within_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    Image.fromarray(numpy.full((4, 4), 65535, numpy.int32)).save(tmp_path / "a.tif")
    assert corner(open_image(tmp_path / "a.tif")) == WHITE


@pytest.mark.parametrize(
    "pixels", [numpy.full((4, 4), 70000, numpy.int32), numpy.ones((4, 4), numpy.float32)]
)
def test_pixels_without_a_defined_white_are_refused(tmp_path: Path, pixels: numpy.ndarray) -> None:
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    with pytest.raises(BadImage, match="no defined white; save it with 8 or 16 bits"):
        open_image(tmp_path / "a.tif")


def test_one_bit_images_open(tmp_path: Path) -> None:
    Image.new("1", (9, 9), 1).save(tmp_path / "a.png")
    assert corner(open_image(tmp_path / "a.png")) == WHITE


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, (0, 0, 255), (0, 255, 0))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert corner(open_image(tmp_path / "a.gif")) == RED


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = Image.new("RGB", (48, 32), "white")
    upright.paste((220, 0, 0), (0, 0, 16, 16))
    # How a camera that is held that way stores the scene: the inverse of what a viewer must do.
    stored = {
        1: lambda image: image,
        2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: lambda image: image.rotate(180),
        4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
        6: lambda image: image.rotate(90, expand=True),
        7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
        8: lambda image: image.rotate(-90, expand=True),
    }[orientation](upright)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    stored.save(path, exif=exif)
    opened = open_image(path)
    assert opened.size == (48, 32)
    difference = numpy.abs(numpy.asarray(opened, float) - numpy.asarray(upright, float))
    assert difference.mean() < 4


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_damaged_exif_block_does_not_spoil_the_image(draw: Draw, tmp_path: Path) -> None:
    path = tmp_path / "b.jpg"
    Image.open(draw("a.jpg")).save(path, exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff garbage")
    assert open_image(path).size == (64, 48)


def test_an_image_of_many_frames_by_a_phone_opens(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, (0, 0, 255))]
    frames[0].save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=frames[1:])
    assert close(corner(open_image(tmp_path / "a.jpg")), RED, 12)


def test_a_camera_jpeg_is_decoded_small_but_not_too_small(draw: Draw) -> None:
    path = draw("a.jpg", size=(1600, 1200))
    assert open_image(path).size == (1600, 1200)
    assert open_image(path, shorter_side=150).size == (400, 300)


def test_a_text_file_named_jpg_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("I am no image")
    with pytest.raises(BadImage, match=r"a\.jpg: not an image, or a damaged one; mend or remove it"):
        open_image(tmp_path / "a.jpg")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(BadImage, match="an empty file"):
        open_image(tmp_path / "a.png")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadImage, match="no such file"):
        open_image(tmp_path / "a.png")
    with pytest.raises(BadImage, match="a folder, not an image"):
        open_image(tmp_path)


def test_postscript_named_jpg_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", format="EPS")
    with pytest.raises(BadImage, match="not an image"):
        open_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "webp", "bmp", "tif", "ppm"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused_in_one_line(tmp_path: Path, suffix: str, kept: float) -> None:
    path = tmp_path / f"a.{suffix}"
    noise = numpy.random.default_rng(0).integers(0, 255, (64, 64, 3), numpy.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(BadImage) as caught:
        open_image(path)
    assert caught.value.path == path
    assert caught.value.reason
    assert "\n" not in str(caught.value)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [9_000, 30_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path, side: int) -> None:
    (tmp_path / "a.png").write_bytes(png_header(side, side))
    with warnings.catch_warnings(), pytest.raises(BadImage, match="pixels"):
        warnings.simplefilter("ignore")
        open_image(tmp_path / "a.png")


def test_a_sliver_is_refused(draw: Draw) -> None:
    with pytest.raises(BadImage, match="6400 x 10 pixels, more than 64 times longer than wide"):
        open_image(draw("a.png", size=(6400, 10)))
