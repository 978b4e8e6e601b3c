"""What is kept of each image to compare it with others: hashes of its bytes and of what it shows."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visionlora.data.formats import FORMATS
from visionlora.data.images import BadImage, decode_image, open_image

SIDE = 16
"""Pixels a side of the gray thumbnail that two images are compared by."""

_GRID = 32
_LOW = 8
_FLAT = 6
"""Largest difference of two pixels, out of 255, in an image that shows nothing."""


@dataclass(frozen=True)
class Fingerprint:
    """One image, or why it cannot be read.

    Attributes:
        digest: of the file's bytes (BLAKE2b, 16 bytes).
        hash: a perceptual hash of 64 bits: similar images differ in few of them.
        thumbnail: uint8 gray, ``SIDE`` x ``SIDE``, and then RGB, 4 x 4.
        width, height: pixels in the file.
        flat: whether all of it is one colour.
        error: why it cannot be read; None where it can.
    """

    digest: bytes
    hash: int = 0
    thumbnail: bytes = b""
    width: int = 0
    height: int = 0
    flat: bool = False
    error: str | None = None


def fingerprint(path: Path) -> Fingerprint:
    """Read and decode an image once. JPEGs are decoded small, so this takes less time than opening them whole."""
    try:
        content = path.read_bytes() if path.is_file() else b""
    except OSError:
        content = b""
    if not content:
        try:
            open_image(path)
        except BadImage as error:
            return Fingerprint(b"", error=error.reason)
    digest = hashlib.blake2b(content, digest_size=16).digest()
    try:
        image = decode_image(content, path, shorter_side=_GRID)
    except BadImage as error:
        return Fingerprint(digest, error=error.reason)
    small = image.resize((_GRID, _GRID), Image.Resampling.BOX, reducing_gap=2)
    pixels = np.asarray(small)
    gray = np.asarray(small.convert("L"), np.float32)
    colours = pixels.reshape(4, 8, 4, 8, 3).mean((1, 3))
    thumbnail = gray.reshape(SIDE, 2, SIDE, 2).mean((1, 3)).astype(np.uint8).tobytes()
    width, height = _size(content, image)
    flat = int(np.ptp(pixels, axis=(0, 1)).max()) < _FLAT and _is_flat(image)
    return Fingerprint(
        digest, perceptual_hash(gray), thumbnail + colours.astype(np.uint8).tobytes(), width, height, flat
    )


def perceptual_hash(gray: NDArray[np.float32]) -> int:
    """64 bits of a 32 x 32 image: which of the lowest frequencies (DCT-II) are above their median.

    The hash of Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), known as
    pHash.
    """
    low = _DCT @ gray @ _DCT.T
    low[0, 0] = 0  # the brightness
    bits = (low > np.median(low)).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _size(content: bytes, image: Image.Image) -> tuple[int, int]:
    """Width and height in the file; JPEGs are decoded smaller."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
            return opened.size
    except Exception:  # what could be decoded without its metadata
        return image.size


def _is_flat(image: Image.Image) -> bool:
    return all(low + _FLAT > high for low, high in image.getextrema())  # type: ignore[misc]


def _cosines() -> NDArray[np.float32]:
    places = np.arange(_GRID) + 0.5
    return np.cos(np.pi / _GRID * np.outer(np.arange(_LOW), places)).astype(np.float32)


_DCT = _cosines()


def stamp(path: Path) -> tuple[int, int] | None:
    """(size, time of change in ns) of a file; None where there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
