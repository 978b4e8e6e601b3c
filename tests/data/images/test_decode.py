from __future__ import annotations

import os
import pickle
import struct
import warnings
import zlib
from pathlib import Path
from unittest.mock import Mock

import numpy
import pytest
from PIL import Image

from tests.conftest import Draw, Sizes
from visionlora.data.images.decode import SUFFIXES, BadImage, ImageFile, decode_image, open_image
from visionlora.data.loading.image_loader import ImageDataset, make_loader

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
    with pytest.raises(BadImage, match=r"a\.jpg: a text file, not an image; repair or remove it"):
        open_image(tmp_path / "a.jpg")


def test_what_is_no_file_is_not_to_be_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadImage, match="a folder, not an image; give the images in it"):
        open_image(tmp_path)
    with pytest.raises(BadImage, match="no such file; check the path"):
        open_image(tmp_path / "a.png")
    monkeypatch.setattr("pathlib.Path.stat", Mock(side_effect=PermissionError(13, "not allowed")))
    with pytest.raises(BadImage, match="no permission to read it; change its permissions"):
        open_image(tmp_path / "a.png")


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


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("shorter_side", [None, 16])
def test_a_jpeg_that_lacks_the_mark_of_its_end_alone_is_read(
    tmp_path: Path, progressive: bool, shorter_side: int | None
) -> None:
    path, cut = tmp_path / "x.jpg", tmp_path / "cut.jpg"
    pixels = numpy.random.default_rng(0).integers(0, 255, (64, 96, 3), dtype=numpy.uint8)
    Image.fromarray(pixels).save(path, quality=90, progressive=progressive)
    content = path.read_bytes()
    assert content.endswith(b"\xff\xd9")
    for missing in (1, 2):
        cut.write_bytes(content[:-missing])
        whole, found = (open_image(one, shorter_side=shorter_side) for one in (path, cut))
        assert found.tobytes() == whole.tobytes()
    cut.write_bytes(content[:-40])
    with pytest.raises(BadImage, match="truncated"):
        open_image(cut, shorter_side=shorter_side)


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


def png_chunk(kind: bytes, content: bytes, checksum: int | None = None) -> bytes:
    check = zlib.crc32(kind + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def with_chunk(path: Path, chunk: bytes) -> None:
    """Put ``chunk`` after the header of a PNG."""
    content = path.read_bytes()
    path.write_bytes(content[:33] + chunk + content[33:])


@pytest.mark.parametrize(
    "chunk",
    [
        png_chunk(b"eXIf", b"no EXIF at all"),
        png_chunk(b"eXIf", b"MM\x00*\x00\x00\x00\x08\xff\xff"),
        png_chunk(b"eXIf", b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00", checksum=1),
        png_chunk(b"zTXt", b"Raw profile type exif\x00\x00" + zlib.compress(b"\nexif\n 9\nno hexadecimal")),
        png_chunk(b"tEXt", b"Raw profile type exif\x00\nexif\n 9\nzz"),
        png_chunk(b"iCCP", b"name\x00\x00not compressed"),
        png_chunk(b"zTXt", b"huge\x00\x00" + zlib.compress(bytes(3_000_000))),
        png_chunk(b"pHYs", b"\x00"),
        png_chunk(b"tIME", b"\x00", checksum=7),
        png_chunk(b"gAMA", b""),
    ],
)
def test_a_png_whose_metadata_is_broken_gives_its_pixels(draw: Draw, chunk: bytes) -> None:
    path = draw("a.png", colour=RED)
    with_chunk(path, chunk)
    image = open_image(path)
    assert (image.size, corner(image)) == ((64, 48), RED)


def jpeg_segment(marker: int, content: bytes, length: int | None = None) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2 if length is None else length) + content


@pytest.mark.parametrize(
    "segment",
    [
        jpeg_segment(0xE1, b"Exif\x00\x00MM\x00*\xff\xff\xff\xff"),
        jpeg_segment(0xE1, b"Exif\x00\x00"),
        jpeg_segment(0xE2, b"MPF\x00II*\x00\xff\xff\xff\xff"),
        jpeg_segment(0xE2, b"ICC_PROFILE\x00\x01\x09rest"),
        jpeg_segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\x00\x00\xff\xff\xff\xff"),
        jpeg_segment(0xE0, b"JFXX"),
        jpeg_segment(0xFE, bytes(range(256))),
    ],
)
def test_a_jpeg_whose_metadata_is_broken_gives_its_pixels(draw: Draw, segment: bytes) -> None:
    path = draw("a.jpg", colour=RED)
    content = path.read_bytes()
    path.write_bytes(content[:2] + segment + content[2:])
    image = open_image(path)
    assert image.size == (64, 48)
    assert close(corner(image), RED, 12)


def test_a_nonsensical_orientation_is_ignored(tmp_path: Path) -> None:
    for place, value in enumerate((0, 9, 65535)):
        exif = Image.Exif()
        exif[0x0112] = value
        Image.new("RGB", (8, 4), RED).save(tmp_path / f"{place}.jpg", exif=exif)
        assert open_image(tmp_path / f"{place}.jpg").size == (8, 4)


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "dib", "apng", "pgm", "jp2", "j2k", "avif"])
def test_less_usual_suffixes_open(tmp_path: Path, suffix: str) -> None:
    kind = {"jfif": "JPEG", "jpe": "JPEG", "dib": "BMP", "apng": "PNG", "pgm": "PPM", "j2k": "JPEG2000"}
    mode = "L" if suffix == "pgm" else "RGB"
    path = tmp_path / f"a.{suffix}"
    Image.new(mode, (32, 16), 128 if mode == "L" else (128, 128, 128)).save(path, kind.get(suffix))
    assert f".{suffix}" in SUFFIXES
    assert close(corner(open_image(path)), (128, 128, 128))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<!DOCTYPE html><html>", "a web page (a download that failed?), not an image"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"%PDF-1.7\n", "a PDF document, not an image"),
        (b"PK\x03\x04" + bytes(30), "a zip archive, not an image"),
        (bytes(500), "a file of zeros (an interrupted copy?), not an image"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(50), "a video, not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing, not an image"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a damaged PNG"),
        (b"\xff\xd8\xff\xe0\x00", "a damaged JPEG"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(50), "HEIC, which pip install 'visionlora[heic]' reads"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n" + bytes(50), "JPEG XL, not an image of a kind that is read"),
        (b"qoif" + bytes(50), "a QOI file, not an image of a kind that is read"),
        (b"\x89PNG\n\x1a\n\x00", "an image that was copied as text (a file transfer or an editor did that"),
        (b"\x89PNG\r\r\n\x1a\r\n", "an image that was copied as text"),
        ("\ufffd\ufffd\ufffd\ufffd\x00\x10JFIF".encode(), "an image that was copied as text"),
        ("\xff\xd8\xff\xe0\x00\x10JFIF".encode(), "an image that was copied as text"),
        ("\ufffdPNG\r\n".encode(), "an image that was copied as text"),
        (b"data:image/jpeg;base64,/9j/4AAQ", "an image written as text (base64)"),
        (b"/9j/4AAQSkZJRg", "an image written as text (base64)"),
        (b"/annex/objects/SHA256E-s1--a.jpg\n", "a git-annex pointer (git annex get fetches the image)"),
        (b"\x76\x2f\x31\x01" + bytes(9), "OpenEXR, not an image of a kind that is read"),
        (b"#?RADIANCE\n", "Radiance HDR, not an image of a kind"),
        (b"SIMPLE  =                    T", "FITS, not an image of a kind"),
        (b"\xff\xd8\xff\xf7" + bytes(60), "JPEG-LS, not an image of a kind"),
        (b"\x00\x00\x00\x18ftypcrx " + bytes(50), "a camera raw file, not an image"),
        (b"Salted__" + bytes(60), "an encrypted file, not an image"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "WEBP: damaged or truncated"),
        (b"\x01\x02\x03\x04", "not an image, or a damaged one"),
        (
            b"HTTP/1.1 200 OK\r\n\r\n\xff\xd8\xff\xe0",
            "a JPEG behind 19 bytes of something else; remove",
        ),
        (b"<br />\n<b>Warning</b>\n\x89PNG\r\n\x1a\n", "a PNG behind 22 bytes of something else"),
        (b"\xff\xd8\xff\xc3\x00\x0b\x08", "a lossless JPEG, not of a kind that is read; save it as PNG"),
        (b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc5\x00\x0b\x08", "a hierarchical JPEG, not of a kind"),
        (b"\xff\xd8\xff\xc1\x00\x0b\x0c", "a JPEG of 12 bits a channel, not of a kind that is read"),
        (
            bytes(18) + b"\x01" * 99 + bytes(8) + b"TRUEVISION-XFILE.\0",
            "a TGA image of another name; let",
        ),
        (b"\x1aE\xdf\xa3" + bytes(50), "a video, not an image"),
        (b"ID3\x04" + bytes(50), "a sound, not an image"),
        (b"FUJIFILMCCD-RAW 0201" + bytes(50), "a camera raw file, not an image"),
        (b"II*\x00\x10\x00\x00\x00CR\x02\x00" + bytes(50), "a camera raw file, not an image"),
        (b"MZ\x90\x00" + bytes(50), "a program of Windows, not an image"),
        (b"\x0a\x05\x01\x08" + bytes(50), "a PCX image, not an image of a kind that is read"),
    ],
)
def test_a_file_that_is_something_else_says_what_it_is(tmp_path: Path, content: bytes, reason: str) -> None:
    if "heic" in reason and ".heic" in SUFFIXES:
        pytest.skip("HEIC can be read here")
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(BadImage) as caught:
        open_image(tmp_path / "a.jpg")
    assert caught.value.reason.startswith(reason)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("blanks", [b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", bytes(512)])
def test_an_image_behind_blanks_is_read(draw: Draw, suffix: str, blanks: bytes) -> None:
    path = draw(f"a.{suffix}")
    whole = open_image(path).tobytes()
    path.write_bytes(blanks + path.read_bytes())
    assert open_image(path).tobytes() == whole
    assert decode_image(path.read_bytes(), path)[0].tobytes() == whole


@pytest.mark.parametrize("compression", [None, "tga_rle"])
def test_a_tga_is_read_by_its_suffix_alone(draw: Draw, tmp_path: Path, compression: str | None) -> None:
    image = open_image(draw("a.png"))
    image.save(tmp_path / "a.TGA", compression=compression)
    assert open_image(tmp_path / "a.TGA").tobytes() == image.tobytes()
    (tmp_path / "a.TGA").rename(tmp_path / "a.jpg")
    with pytest.raises(BadImage, match=r"a TGA image of another name"):
        open_image(tmp_path / "a.jpg")


def multispectral(channels: int, bits: int) -> bytes:
    """A TIFF of 8 x 8 pixels in any number of channels."""
    pixels = bytes(64 * channels * bits // 8)
    entries = [(256, 8), (257, 8), (258, 0), (259, 1), (262, 1), (273, 8), (277, channels), (278, 8)]
    entries.append((279, len(pixels)))
    place = 8 + len(pixels)
    behind = place + 6 + 12 * len(entries)
    found = b"".join(
        struct.pack("<HHII", tag, 3, channels, behind)
        if tag == 258
        else struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in entries
    )
    tags = struct.pack("<H", len(entries)) + found + bytes(4)
    return (
        b"II*\0" + struct.pack("<I", place) + pixels + tags + struct.pack(f"<{channels}H", *[bits] * channels)
    )


@pytest.mark.parametrize(("channels", "bits"), [(5, 8), (13, 16)])
def test_a_tiff_of_many_channels_says_so(
    tmp_path: Path, channels: int, bits: int, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.tif").write_bytes(multispectral(channels, bits))
    with pytest.raises(
        BadImage, match=f"{channels} channels of {bits} bits; save three channels of it as PNG"
    ):
        open_image(tmp_path / "a.tif")
    assert not caplog.records, "Pillow says nothing beside it"


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_is_read_upright_whatever_it_is_called(tmp_path: Path, orientation: int) -> None:
    pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    assert {".heic", ".heif", ".hif"} <= SUFFIXES
    image = Image.new("RGB", (64, 32), "white")
    image.paste("red", (0, 0, 32, 32))
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in ("a.heic", "a.HEIC", "a.jpg"):
        image.save(tmp_path / name, "HEIF", exif=exif.tobytes(), quality=95)
        found = open_image(tmp_path / name)
        assert found.size == ((64, 32) if orientation < 5 else (32, 64))
        red = {1: (5, 16), 3: (58, 16), 6: (16, 5), 8: (16, 58)}[orientation]
        pixel = found.getpixel(red)
        assert isinstance(pixel, tuple) and pixel[0] > 200 and pixel[1] < 60, pixel


def test_a_damaged_heic_says_so(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    path = tmp_path / "a.heic"
    Image.new("RGB", (64, 32)).save(path, "HEIF")
    content = path.read_bytes()
    for kept in (100, len(content) - 10):
        path.write_bytes(content[:kept])
        with pytest.raises(BadImage, match="HEIF"):
            open_image(path)


def test_a_truncated_file_says_its_format(draw: Draw) -> None:
    path = draw("a.png", size=(300, 300))
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(BadImage, match="PNG: "):
        open_image(path)


def test_an_image_of_git_annex_that_is_elsewhere_says_what_fetches_it(tmp_path: Path) -> None:
    link = tmp_path / "a.jpg"
    link.symlink_to("../.git/annex/objects/x/a.jpg")
    with pytest.raises(BadImage, match="a link to a file that is not there: git annex get fetches it"):
        open_image(link)


def test_links_that_lead_nowhere_or_to_themselves_and_pipes_say_so(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nothing.jpg")
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    for name, reason in (("gone", "a link to a file that is not there"), ("self", "a link to itself"),
                         ("pipe", "a pipe or device, not a file")):  # fmt: skip
        with pytest.raises(BadImage) as caught:
            open_image(tmp_path / f"{name}.jpg")
        assert caught.value.reason == reason


@pytest.mark.parametrize("suffix", ["tif", "png"])
@pytest.mark.parametrize("compression", ["raw", "deflate"])
def test_sixteen_bit_rgb_is_scaled(tmp_path: Path, suffix: str, compression: str) -> None:
    path = tmp_path / f"a.{suffix}"
    pixels = numpy.empty((6, 5, 3), "<u2")
    pixels[:] = (0xFFFF, 0x8080, 0)
    path.write_bytes(tiff_rgb16(pixels, compression) if suffix == "tif" else png_rgb16(pixels))
    assert close(corner(open_image(path)), (255, 128, 0), 1)


def tiff_rgb16(pixels: numpy.ndarray, compression: str) -> bytes:
    height, width, _ = pixels.shape
    data = pixels.tobytes()
    if compression == "deflate":
        data = zlib.compress(data)
    code = {"raw": 1, "deflate": 8}[compression]
    tags = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 200), (259, 3, 1, code), (262, 3, 1, 2),
        (273, 4, 1, 208), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, len(data)),
    ]  # fmt: skip
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = struct.pack("<2sHI", b"II", 42, 8) + directory + bytes(4)
    return head.ljust(200, b"\0") + struct.pack("<HHH", 16, 16, 16) + bytes(2) + data


def png_rgb16(pixels: numpy.ndarray) -> bytes:
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


def test_a_jpeg_of_a_hundred_megapixels_is_decoded_reduced(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("L", (12_000, 9_000), 200).save(path, quality=20)
    assert open_image(path, shorter_side=256).size == (1500, 1125)
    assert open_image(path).size == (6000, 4500)


def test_a_bad_image_travels_between_processes(tmp_path: Path) -> None:
    error = BadImage(tmp_path / "a.png", "damaged")
    rebuilt = pickle.loads(pickle.dumps(error))
    assert (rebuilt.path, rebuilt.reason, str(rebuilt)) == (error.path, error.reason, str(error))


def test_a_worker_process_reports_the_image_that_cannot_be_read(draw: Draw, tmp_path: Path) -> None:
    (tmp_path / "b.png").write_text("no image")
    dataset = ImageDataset([ImageFile(draw("a.png")), ImageFile(tmp_path / "b.png")], Sizes())
    with pytest.raises(BadImage, match="a text file, not an image"):
        list(make_loader(dataset, 1, workers=1))
