"""JPEGs without anything that Pillow would have to look at before it decodes them."""

from __future__ import annotations

from PIL import Image

_LEAST, _MOST = 32, 2048
"""Pixels a side. Within them no limit of an image's size or shape is reached; decoding more takes much longer
than opening."""
_FRAMES = (0xC0, 0xC1, 0xC2)
_COLOURS = 3
_TABLES, _SCAN = 0xDB, 0xDA
_ANY = (0xC4, 0xDD, 0xFE)
"""Huffman tables, the interval of restarts, comments."""
_MARKS = (0xE0, 0xEE)
"""Of JFIF and Adobe; a shorter one than theirs is somebody else's."""
_MARK = 14


def plain_jpeg(content: bytes, shorter_side: int) -> tuple[Image.Image, tuple[int, int]] | None:
    """A baseline or progressive JPEG of three colours, at 1/2, 1/4 or 1/8 where that leaves twice as many
    pixels as are needed, and its size before. The pixels are those that Pillow gives by opening it and
    ``draft``, which takes 29 us longer, a quarter of the time for an image of 224 px.

    None for all else: other formats, metadata that may turn the image, several images, whatever is damaged.
    """
    size = _size(content)
    if size is None or min(size) < _LEAST or max(size) > _MOST:
        return None
    times = min(size) // (2 * shorter_side)
    scale = next((one for one in (8, 4, 2) if times >= one), 1)
    small = -(-size[0] // scale), -(-size[1] // scale)
    try:
        return Image.frombytes("RGB", small, content, "jpeg", ("RGB", "", scale, 0)), size
    except Exception:  # whoever opens it finds out what is wrong
        return None


def _size(content: bytes) -> tuple[int, int] | None:
    """By the segments up to the first scan; None: one of them is none that is known here."""
    if content[:2] != b"\xff\xd8":
        return None
    size, place = None, 2
    while True:
        head = content[place : place + 10]
        if len(head) < 10 or head[0] != 0xFF:
            return None
        kind, length = head[1], head[2] << 8 | head[3]
        if kind == _SCAN:
            return size
        if kind in _FRAMES:
            if size is not None or length != 8 + 3 * _COLOURS or head[4] != 8 or head[9] != _COLOURS:
                return None
            size = head[7] << 8 | head[8], head[5] << 8 | head[6]
        elif kind == _TABLES:
            if (length - 2) % 65:  # of 8 bits a value, as Pillow and libjpeg both want them then
                return None
        elif kind not in _ANY and (kind not in _MARKS or length < _MARK):
            return None
        place += 2 + length
