"""What a TIFF holds besides one image of three channels."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

from PIL import TiffImagePlugin

# It prints what :func:`channels_of` says better.
logging.getLogger("PIL.TiffImagePlugin").setLevel(logging.CRITICAL)

_SMALLER_COPY = 254
_BITS, _SAMPLES = 258, 277


def pages_of(content: bytes) -> int:
    """How many pages a TIFF has, smaller copies of one not counted (its tag NewSubfileType); 1: no TIFF."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(content[:4])
    if order is None:
        return 1
    count, seen = 0, set()
    try:
        (place,) = struct.unpack_from(f"{order}I", content, 4)
        while place and place not in seen:
            seen.add(place)
            (tags,) = struct.unpack_from(f"{order}H", content, place)
            first, _, _, kind = struct.unpack_from(f"{order}HHII", content, place + 2)
            count += not (first == _SMALLER_COPY and kind & 1)
            (place,) = struct.unpack_from(f"{order}I", content, place + 2 + 12 * tags)
    except struct.error:  # the image itself may be whole
        pass
    return max(count, 1)


def channels_of(path: Path) -> str | None:
    """The channels of a TIFF in words; None where its tags cannot be read."""
    try:
        with path.open("rb") as file:
            tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
            file.seek(tags.next)
            tags.load(file)
        samples, bits = tags[_SAMPLES], max(tags[_BITS])
        return f"{samples} channel{'s' if samples > 1 else ''} of {bits} bits"
    except Exception:  # on the bytes of an untrusted file the parser raises any error
        return None
