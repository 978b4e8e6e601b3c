"""What is kept of each image to compare it with others: hashes of its bytes and of what it shows."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from visionlora.data.images.decode import BadImage, decode_image, open_image
from visionlora.data.images.frames import has_several
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.data.images.resizing import evaluation_view

SIDE = 16
"""Pixels a side of the gray thumbnail that two images are compared by."""

_GRID = 32
_DECODED = 48
"""Pixels of the shorter side that a JPEG is decoded to at least: one of 224 is read at 56, not at 112."""
_SAMPLED = 4 * _GRID
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
        several: whether the file has more pages or frames than the first, which is read.
    """

    digest: bytes
    hash: int = 0
    thumbnail: bytes = b""
    width: int = 0
    height: int = 0
    flat: bool = False
    error: str | None = None
    several: bool = False


Read = tuple[tuple[int, int] | None, Fingerprint, NDArray[np.uint8] | None]
"""(:func:`stamp` before it was read, fingerprint, view of a network) of a file."""


@dataclass(frozen=True)
class Sample:
    """What is read of one file; ``pixels`` are RGB, 32 x 32, and empty where it cannot be read. ``view`` is
    what a network sees of it (:func:`visionlora.data.images.resizing.evaluation_view`), where that was
    asked for. ``when`` is its :func:`stamp` from before it was read."""

    digest: bytes
    when: tuple[int, int] | None
    pixels: bytes = b""
    size: tuple[int, int] = (0, 0)
    flat: bool = False
    error: str | None = None
    view: NDArray[np.uint8] | None = None
    several: bool = False


def sample(path: str | Path, preprocessing: Preprocessing | None = None) -> Sample:
    """Read and decode a file once. JPEGs are decoded small, in less time than it takes to open them whole.

    Args:
        path: the file.
        preprocessing: of a network that will look at it.
    """
    when, content = _read(path)
    digest = b"" if content is None else hashlib.blake2b(content, digest_size=16).digest()
    view = None
    try:
        if content is None:
            image = open_image(path)
            size = image.size
        else:
            side = _DECODED // 2 if preprocessing is None else max(_DECODED // 2, preprocessing.resize)
            image, size = decode_image(content, path, shorter_side=side)
            if preprocessing is not None:
                view = evaluation_view(image, preprocessing)
                image = _as_decoded_small(image, size, content)
    except BadImage as error:
        return Sample(digest, when, error=error.reason)
    small = image
    if min(image.size) >= _SAMPLED and image.size != (_SAMPLED, _SAMPLED):
        # Sixteen pixels speak for each of the small ones: averaging all takes as long as decoding a PNG.
        small = image.resize((_SAMPLED, _SAMPLED), Image.Resampling.NEAREST)
    times = small.width // _GRID
    if small.size == (times * _GRID, times * _GRID):
        small = small.reduce(times)  # in a quarter of the time
    else:
        # Whole pixels, as BOX has them, differ twice as much between two sizes of one image.
        small = small.resize((_GRID, _GRID), Image.Resampling.BILINEAR)
    pixels = small.tobytes()
    # Means of pixels lie no further apart than the pixels; some reds of them nearly always tell.
    reds = pixels[:: 3 * _GRID + 3]
    flat = max(reds) - min(reds) < _FLAT and _is_flat(small) and _is_flat(image)
    several = content is not None and has_several(content)
    return Sample(digest, when, pixels, size, flat, view=view, several=several)


def _read(path: str | Path) -> tuple[tuple[int, int] | None, bytes | None]:
    """(:func:`stamp`, content) of a file. Without content: what is no regular file (a pipe would wait for
    ever), and what cannot be read, of which :func:`open_image` says why."""
    try:
        status = os.stat(path)  # noqa: PTH116 - in half the time of Path.stat
        if not stat.S_ISREG(status.st_mode):
            return _stamp(status), None
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))  # in half the time of open()
        try:
            content = os.read(file, status.st_size + 1)
            while len(content) != status.st_size and (more := os.read(file, 2**20)):
                content += more
            return _stamp(status), content
        finally:
            os.close(file)
    except (OSError, ValueError):  # a table may give any text as a path
        return None, None


def _as_decoded_small(image: Image.Image, size: tuple[int, int], content: bytes) -> Image.Image:
    """A JPEG that was decoded for a network as it would have been for its fingerprint alone: a decoder at
    1/8 averages what it gives at 1/4. So both fingerprints of one image are the same to a rounding or two."""
    if not content.startswith(b"\xff\xd8"):
        return image
    before, times = round(max(size) / max(image.size)), 1
    while 2 * times * before <= 8 and min(size) // (2 * times * before) >= _DECODED:
        times *= 2
    return image if times == 1 else image.reduce(times)


def fingerprinted(paths: Sequence[str | Path], preprocessing: Preprocessing | None = None) -> list[Read]:
    """What each file shows."""
    samples = [sample(path, preprocessing) for path in paths]
    return [(one.when, made, one.view) for one, made in zip(samples, fingerprints_of(samples), strict=True)]


def fingerprints_of(samples: Sequence[Sample]) -> list[Fingerprint]:
    """The fingerprints of many samples at once, which takes a twentieth of the time of one by one."""
    readable = [one for one in samples if one.error is None]
    pixels = np.frombuffer(b"".join(one.pixels for one in readable), np.uint8).reshape(-1, _GRID, _GRID, 3)
    gray = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    hashes = perceptual_hashes(gray)
    # Means of 2 x 2 and of 8 x 8 pixels; NumPy's own over two axes takes several times as long.
    pairs = gray[:, ::2] + gray[:, 1::2]
    small = ((pairs[:, :, ::2] + pairs[:, :, 1::2]) / 4).astype(np.uint8).reshape(-1, SIDE * SIDE)
    rows = pixels.reshape(-1, 4, 8, 3 * _GRID).sum(2, dtype=np.uint16)
    colours = (rows.reshape(-1, 4, 4, 8, 3).sum(3, dtype=np.uint32) // 64).astype(np.uint8).reshape(-1, 48)
    thumbnails = np.concatenate([small, colours], 1)
    ready = iter(zip(hashes, thumbnails, strict=True))
    found = []
    for one in samples:
        if one.error is not None:
            found.append(Fingerprint(one.digest, error=one.error))
            continue
        bits, thumbnail = next(ready)
        found.append(
            Fingerprint(one.digest, bits, thumbnail.tobytes(), *one.size, one.flat, None, one.several)
        )
    return found


def perceptual_hashes(gray: NDArray[np.float32]) -> list[int]:
    """64 bits of each image (B, 32, 32): which of the lowest frequencies (DCT-II) are above their median.

    The hash of Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010), known as
    pHash.
    """
    return hashes_of(low_frequencies(gray))


def low_frequencies(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """The lowest frequencies (B, 8, 8) of images (B, 32, 32). Of a mirrored image the odd ones of an axis
    have the other sign, of a transposed one they are transposed."""
    return np.asarray(_DCT @ gray @ _DCT.T, np.float32)


def hashes_of(low: NDArray[np.float32]) -> list[int]:
    """:func:`perceptual_hashes` of images by their lowest frequencies."""
    low = low.reshape(-1, _LOW * _LOW)
    low[:, 0] = 0  # the brightness
    middle = _LOW * _LOW // 2
    # np.median imports numpy.ma first, in each process.
    bits = low > np.sort(low, axis=1)[:, middle - 1 : middle + 1].mean(1, keepdims=True)
    return [int.from_bytes(row.tobytes(), "big") for row in np.packbits(bits, axis=1)]


def _is_flat(image: Image.Image) -> bool:
    return all(low + _FLAT > high for low, high in image.getextrema())  # type: ignore[misc]


def _cosines() -> NDArray[np.float32]:
    places = np.arange(_GRID) + 0.5
    return np.cos(np.pi / _GRID * np.outer(np.arange(_LOW), places)).astype(np.float32)


_DCT = _cosines()


def stamp(path: Path) -> tuple[int, int] | None:
    """(size, a number that changes whenever the file does) of a file; None where there is none."""
    try:
        return _stamp(os.stat(path))  # noqa: PTH116
    except OSError:
        return None


def _stamp(status: os.stat_result) -> tuple[int, int]:
    # An archive or a copy may give another file the date of this one, and uncompressed images all have one
    # size; the system's own time tells. SQLite takes 63 bits, and some cameras live in 2300.
    return status.st_size, (status.st_mtime_ns + status.st_ctime_ns) % 2**63
