"""One image file becomes one upright RGB image, or an error that says why it cannot."""

from __future__ import annotations

import io
import os
import stat
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy
from PIL import Image, JpegImagePlugin

from visionlora.data.files.formats import FORMATS, SUFFIXES, TGA, without_leading_bytes, without_metadata
from visionlora.data.files.share import retried
from visionlora.data.images.plain_jpeg import plain_jpeg
from visionlora.data.images.unreadable import advice_for, reason
from visionlora.errors import VisionLoraError

__all__ = [
    "MAX_ASPECT",
    "MAX_JPEG_PIXELS",
    "MAX_PIXELS",
    "MOST_BAD",
    "SUFFIXES",
    "BadImage",
    "ImageFile",
    "open_image",
]

MAX_PIXELS = 80_000_000
"""Larger images are refused before they are decoded. Pillow keeps four bytes a pixel, so at this size an RGB
image takes 320 MB, and 640 MB while it is converted (palette, gray, CMYK, transparency) or turned."""

MAX_JPEG_PIXELS = 250_000_000
"""JPEGs above ``MAX_PIXELS`` are decoded at 1/2, 1/4 or 1/8 of their size, up to this one. A baseline JPEG
then takes no more than a smaller image; a progressive one needs its coefficients too, 750 MB at this size."""

MAX_ASPECT = 64
"""Longer side over shorter side; beyond it a resized image would be all memory and no content."""

MOST_BAD = 0.1
"""Of a set, so many are left out at most: where more cannot be read, something else is wrong."""

_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Our own limit is the lower one and ends in an error, so Pillow's warning would only say it twice.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Broken metadata does not matter where the pixels are sound; where they are not, there is an error.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\..*")


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image file.

    Attributes:
        path: of the file.
        label: its class name, None where nobody said; of several labels all names in one text.
        labels: where images have any number of labels, the names of this one's, sorted; None: it has one.
    """

    path: Path
    label: str | None = None
    labels: tuple[str, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its classes: none, one or several."""
        if self.labels is not None:
            return self.labels
        return () if self.label is None else (self.label,)


def labelled(path: Path, names: Iterable[str]) -> ImageFile:
    """An image with any number of labels."""
    labels = tuple(sorted(set(names)))
    return ImageFile(path, "|".join(labels), labels)


class BadImage(VisionLoraError):
    """One image that cannot be used: ``path``, and ``reason`` without the path."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; {advice_for([reason])}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[BadImage], tuple[Path, str]]:
        # Worker processes send it to the main process; an exception is rebuilt from its message by default.
        return type(self), (self.path, self.reason)


def open_image(path: str | Path, *, shorter_side: int | None = None) -> Image.Image:
    """Decode an image file to an upright RGB image.

    Transparency is laid over white, 16-bit gray is scaled to 8 bits, an animation gives its first frame, the
    EXIF orientation is applied. Colour profiles are not: the pretrained networks never saw them applied.
    Metadata that cannot be parsed is ignored, the orientation with it.

    Args:
        path: the file; its content counts, not its suffix.
        shorter_side: pixels that will be needed. JPEGs are then decoded at 1/2, 1/4 or 1/8 of their size
            where that leaves at least twice as many, which is several times faster for camera images.

    Raises:
        BadImage: a missing, truncated or unreadable file, one above ``MAX_PIXELS`` (``MAX_JPEG_PIXELS``) or
            ``MAX_ASPECT``, or pixels without a defined range (floating point, integers above 16 bits).
    """
    path = Path(path)
    # Pillow's parsers raise any error (struct.error, SyntaxError, zlib.error, ...): on the
    # bytes of an untrusted file any of them means the same, and the reason is kept.
    try:
        # Opening a named pipe would wait for ever.
        mode = retried(path, path.stat).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise BadImage(path, "a pipe or device, not a file")
        return retried(path, lambda: _decoded(path, shorter_side))
    except BadImage:
        raise
    except Exception as error:
        rescued = _rescue(path, shorter_side, error)
        if rescued is not None:
            return rescued[0]
        raise BadImage(path, reason(path, error)) from error


def _decoded(path: Path, shorter_side: int | None) -> Image.Image:
    with path.open("rb") as file:
        return _decode(file, shorter_side, _formats(path))[0]


def decode_image(
    content: bytes, path: str | Path, *, shorter_side: int | None = None
) -> tuple[Image.Image, tuple[int, int]]:
    """:func:`open_image` for a file that has been read already, and its size before it is reduced.

    Raises:
        BadImage: as :func:`open_image`; ``path`` is named in it.
    """
    try:
        plain = None if shorter_side is None else plain_jpeg(content, shorter_side)
        return plain or _decode(io.BytesIO(content), shorter_side, _formats(path))
    except Exception as error:
        path = Path(path)
        rescued = _rescue(path, shorter_side, error)
        if rescued is not None:
            return rescued
        raise BadImage(path, reason(path, error)) from error


def _formats(path: str | Path) -> tuple[str, ...]:
    """TGA files begin with nothing that tells them from others, so theirs is the one suffix that counts."""
    suffix = os.path.splitext(path)[1]  # noqa: PTH122 - in half the time of Path.suffix
    return (*FORMATS, "TGA") if suffix.casefold() in TGA else FORMATS


def _decode(
    file: IO[bytes], shorter_side: int | None, formats: tuple[str, ...] = FORMATS
) -> tuple[Image.Image, tuple[int, int]]:
    with _opened(file, formats) as image:
        size = image.size
        shrinks = isinstance(image, JpegImagePlugin.JpegImageFile)
        _refuse_monsters(image.width, image.height, MAX_JPEG_PIXELS if shrinks else MAX_PIXELS)
        if shrinks and image.width * image.height > MAX_PIXELS and shorter_side is None:
            image.draft(None, (image.width // 2, image.height // 2))
        elif shorter_side is not None:
            image.draft(None, (2 * shorter_side, 2 * shorter_side))
        _refuse_monsters(image.width, image.height, MAX_PIXELS)
        return upright(image), size


def upright(image: Image.Image) -> Image.Image:
    """A Pillow image as :func:`open_image` gives it: RGB, upright, transparency over white, 8 bits.

    Raises:
        ValueError: pixels without a defined range.
    """
    image.load()
    # Only now: Pillow turns some TIFFs while it loads them and then drops the tag.
    turn = _orientation(image)
    rgb = _to_rgb(image)
    return rgb if turn is None else rgb.transpose(turn)


def _opened(file: IO[bytes], formats: tuple[str, ...]) -> Image.Image:
    try:
        return Image.open(file, formats=formats)
    except Image.DecompressionBombError:
        # Pillow refuses by size before a JPEG can say that it will be decoded smaller.
        file.seek(0)
        if file.read(3) != b"\xff\xd8\xff":
            raise
        file.seek(0)
        return JpegImagePlugin.JpegImageFile(file)


def _orientation(image: Image.Image) -> Image.Transpose | None:
    try:
        return _UPRIGHT.get(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # the pixels are decoded by now: whatever is wrong is wrong with the metadata
        return None


def _rescue(
    path: Path, shorter_side: int | None, error: Exception
) -> tuple[Image.Image, tuple[int, int]] | None:
    """The image without its metadata, the blanks in front of it or the mark of its end, where ``error`` is
    about those."""
    if isinstance(error, (MemoryError, Image.DecompressionBombError)):
        return None
    try:
        content = path.read_bytes()
        if content.startswith(b"\xff\xd8\xff") and "truncated" in str(error):
            return _without_its_end(content, shorter_side)
        pixels = without_leading_bytes(content) or without_metadata(content)
        return None if pixels is None else _decode(io.BytesIO(pixels), shorter_side)
    except Exception:
        return None


def _without_its_end(content: bytes, shorter_side: int | None) -> tuple[Image.Image, tuple[int, int]] | None:
    """A JPEG that lacks the mark of its end alone: then what follows its pixels does not change them, as
    it does where pixels are missing."""
    pixels = content.rstrip(b"\xff")
    # At full size, whatever size is wanted: a smaller one may be whole where this is not.
    once, again = (
        _decode(io.BytesIO(pixels + rest + b"\xff\xd9"), None)[0] for rest in (b"", b"\x56\xa9" * 32)
    )
    whole = once.tobytes() == again.tobytes()
    return _decode(io.BytesIO(pixels + b"\xff\xd9"), shorter_side) if whole else None


def _refuse_monsters(width: int, height: int, most: int) -> None:
    if width * height > most:
        raise ValueError(f"{width} x {height} pixels, more than {most // 1_000_000} million")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(f"{width} x {height} pixels, more than {MAX_ASPECT} times longer than wide")


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _eight_bits(image).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no defined white; save it with 8 or 16 bits a channel")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        return opaque.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255; ``Image.convert`` would clip instead."""
    values = numpy.asarray(image).astype(numpy.float32)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("integers beyond 16 bits have no defined white; save it with 8 or 16 bits a channel")
    return Image.fromarray((values * (255 / 65535) + 0.5).astype(numpy.uint8))
