"""Whether a file holds more images than the first one, which alone is read: pages of a TIFF, frames of an
animation."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

_SMALLER_COPY = 254
"""TIFF's tag NewSubfileType; where it is not given, 254 is no first tag either."""
_CHUNK = 8
"""Bytes of the length and the name of a chunk of PNG; a checksum of four lies behind its data."""


def has_several(content: bytes) -> bool:
    """Whether an image file has several pages or frames. A TIFF's smaller copies of a page are none.

    Args:
        content: of the file; what is damaged has one.
    """
    several = _SEVERAL.get(content[:4])
    if several is None:  # of a JPEG of a phone the second image is a depth map or a smaller copy
        return content[4:12] == b"ftypavis"
    try:
        return several(content)
    except (struct.error, IndexError):  # the first image may be whole
        return False


def _pages(content: bytes) -> bool:
    order = "<" if content[:1] == b"I" else ">"
    (version,) = struct.unpack_from(f"{order}H", content, 2)
    # BigTIFF counts with 64 bits.
    count, pointer, entry, place = ("Q", "Q", 20, 8) if version == 43 else ("H", "I", 12, 4)
    (place,) = struct.unpack_from(order + pointer, content, place)
    pages, seen = 0, set()
    while place and place not in seen and pages < 2:
        seen.add(place)
        (tags,) = struct.unpack_from(order + count, content, place)
        place += struct.calcsize(count)
        (first,) = struct.unpack_from(f"{order}H", content, place)
        (kind,) = struct.unpack_from(f"{order}I", content, place + entry - struct.calcsize(pointer))
        pages += not (first == _SMALLER_COPY and kind & 1)
        (place,) = struct.unpack_from(order + pointer, content, place + entry * tags)
    return pages > 1


def _frames_of_gif(content: bytes) -> bool:
    place = 13 + _palette(content[10])
    frames = 0
    while frames < 2 and content[place] != 0x3B:
        if content[place] == 0x2C:
            frames += 1
            place += 11 + _palette(content[place + 9])
        else:
            place += 2
        while size := content[place]:
            place += size + 1
        place += 1
    return frames > 1


def _palette(flags: int) -> int:
    """Bytes of a GIF's colours, by the flags before them."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _frames_of_png(content: bytes) -> bool:
    for name, place in _chunks_of_png(content):
        if name == b"acTL":
            (frames,) = struct.unpack_from(">I", content, place)
            return int(frames) > 1
    return False


def _chunks_of_png(content: bytes) -> Iterator[tuple[bytes, int]]:
    """(name, place of the data) of the chunks before the pixels."""
    place = 8
    while content[place + 4 : place + _CHUNK] != b"IDAT":
        (size,) = struct.unpack_from(">I", content, place)
        yield content[place + 4 : place + _CHUNK], place + _CHUNK
        place += size + _CHUNK + 4


def _frames_of_webp(content: bytes) -> bool:
    animated = content[8:16] == b"WEBPVP8X" and content[20] & 2
    first = content.find(b"ANMF") if animated else -1
    return first > 0 and content.find(b"ANMF", first + 1) > 0


_SEVERAL: dict[bytes, Callable[[bytes], bool]] = {
    b"II*\0": _pages, b"MM\0*": _pages, b"II+\0": _pages, b"MM\0+": _pages, b"GIF8": _frames_of_gif,
    b"\x89PNG": _frames_of_png, b"RIFF": _frames_of_webp,
}  # fmt: skip
"""The first bytes of a file -> whether it has several."""
