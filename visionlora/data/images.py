"""One image file becomes one upright RGB image, or an error that says why it cannot."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy
from PIL import Image

from visionlora.errors import VisionLoraError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"})

MAX_PIXELS = 80_000_000
"""Larger images are refused before they are decoded: at this size they take 240 MB as RGB."""

MAX_ASPECT = 64
"""Longer side over shorter side; beyond it a resized image would be all memory and no content."""

# What the suffixes stand for. Everything else that Pillow can open (EPS runs Ghostscript) stays out, whatever
# the file is called.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM")

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


@dataclass(frozen=True)
class ImageFile:
    """An image file; ``label`` is its class name, None where nobody said."""

    path: Path
    label: str | None = None


class BadImage(VisionLoraError):
    """One image that cannot be used: ``path``, and ``reason`` without the path."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}; mend or remove it")
        self.path = path
        self.reason = reason


def open_image(path: str | Path, *, shorter_side: int | None = None) -> Image.Image:
    """Decode an image file to an upright RGB image.

    Transparency is laid over white, 16-bit gray is scaled to 8 bits, an animation gives its first frame, the
    EXIF orientation is applied. Colour profiles are not: the pretrained networks never saw them applied.

    Args:
        path: the file; its content counts, not its suffix.
        shorter_side: pixels that will be needed. JPEGs are then decoded at 1/2, 1/4 or 1/8 of their size
            where that leaves at least twice as many, which is several times faster for camera images.

    Raises:
        BadImage: a missing, truncated or unreadable file, one above ``MAX_PIXELS`` or ``MAX_ASPECT``, or
            pixels without a defined range (floating point, integers above 16 bits).
    """
    path = Path(path)
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _refuse_monsters(*image.size)
            if shorter_side is not None:
                image.draft(None, (2 * shorter_side, 2 * shorter_side))
            image.load()
            # Only now: Pillow turns some TIFFs while it loads them and then drops the tag.
            turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION_TAG, 1))
            rgb = _to_rgb(image)
            return rgb if turn is None else rgb.transpose(turn)
    # Pillow's parsers raise whatever they trip over (struct.error, SyntaxError, zlib.error, ...): on the
    # bytes of a stranger's file any of them means the same, and the reason is kept.
    except Exception as error:
        raise BadImage(path, _reason(path, error)) from error


def _refuse_monsters(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels, more than {MAX_PIXELS // 1_000_000} million")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ValueError(f"{width} x {height} pixels, more than {MAX_ASPECT} times longer than wide")


def _reason(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, IsADirectoryError):
        return "a folder, not an image"
    if isinstance(error, Image.UnidentifiedImageError):
        return "an empty file" if path.stat().st_size == 0 else "not an image, or a damaged one"
    message = " ".join(str(error).split())
    if isinstance(error, (OSError, ValueError)) and message:
        return message
    return f"damaged ({type(error).__name__}: {message})"


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _eight_bits(image).convert("RGB")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no defined white; save it with 8 or 16 bits a channel")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        return opaque.convert("RGB")
    return image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale 0..65535 to 0..255; ``Image.convert`` would clip instead."""
    values = numpy.asarray(image).astype(numpy.float32)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("integers beyond 16 bits have no defined white; save it with 8 or 16 bits a channel")
    return Image.fromarray((values * (255 / 65535) + 0.5).astype(numpy.uint8))
