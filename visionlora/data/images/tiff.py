"""The channels of a TIFF that is not read."""

from __future__ import annotations

import logging
from pathlib import Path

from PIL import TiffImagePlugin

# It prints what :func:`channels_of` says better.
logging.getLogger("PIL.TiffImagePlugin").setLevel(logging.CRITICAL)

_BITS, _SAMPLES = 258, 277


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
