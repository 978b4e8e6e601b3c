"""A JPEG decoded without opening it has the pixels that opening it gives, or is left to that."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visionlora.data.images import decode as images
from visionlora.data.images.decode import decode_image
from visionlora.data.images.plain_jpeg import plain_jpeg

SIDE = 16


def jpeg(size: tuple[int, int] = (150, 81), mode: str = "RGB", **options: Any) -> bytes:
    """Coloured squares and noise."""
    random = np.random.default_rng(0)
    squares = Image.fromarray(random.integers(0, 256, (6, 6, 3), np.uint8)).resize(size)
    pixels = np.asarray(squares) // 2 + random.integers(0, 99, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).convert(mode).save(file, "JPEG", **options)
    return file.getvalue()


def opened(content: bytes) -> tuple[tuple[int, int], bytes] | None:
    """(size, pixels) as Pillow opens it; None: it does not."""
    try:
        image, size = images._decode(io.BytesIO(content), SIDE)
    except Exception:
        return None
    return size, image.tobytes()


@pytest.mark.parametrize("size", [(32, 32), (33, 90), (64, 63), (150, 81), (224, 224), (600, 300)])
@pytest.mark.parametrize(
    "options",
    [
        {}, {"progressive": True}, {"optimize": True}, {"subsampling": 0}, {"comment": b"a"}, {"quality": 30},
        {"restart_marker_rows": 1}, {"dpi": (300, 300)},
    ],
)  # fmt: skip
def test_the_pixels_are_those_of_opening_it(size: tuple[int, int], options: dict[str, Any]) -> None:
    content = jpeg(size, **options)
    plain = plain_jpeg(content, SIDE)
    assert plain is not None
    assert (plain[1], plain[0].tobytes()) == opened(content)


def turned() -> Image.Exif:
    """Says that the image lies on its side."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(jpeg(mode="L"), id="gray"),
        pytest.param(jpeg(mode="CMYK"), id="CMYK"),
        pytest.param(jpeg((31, 300)), id="thin"),
        pytest.param(jpeg((2100, 40)), id="long"),
        pytest.param(jpeg(exif=turned()), id="turned"),
        pytest.param(b"\xff\xd8\xff\xe0\x00\x06JFIF" + jpeg()[20:], id="with a shorter mark"),
        pytest.param(jpeg()[:-900], id="truncated"),
        pytest.param(jpeg()[:300], id="truncated in its header"),
        pytest.param(jpeg()[:25], id="truncated in a segment"),
        pytest.param(b"\xff\xd8\xff", id="its first bytes"),
        pytest.param(b"\x89PNG\r\n\x1a\n", id="PNG"),
        pytest.param(b"", id="empty"),
    ],
)
def test_all_else_is_left_to_opening_it(content: bytes) -> None:
    assert plain_jpeg(content, SIDE) is None


def test_whatever_is_changed_in_a_jpeg_nothing_is_decoded_that_cannot_be_opened() -> None:
    chance = random.Random(0)
    seeds = [jpeg((90, 70)), jpeg((90, 70), progressive=True), jpeg((90, 70), optimize=True)]
    decoded = 0
    for _ in range(1500):
        content = bytearray(chance.choice(seeds))
        place = chance.randrange(min(len(content), 700))
        if chance.random() < 0.5:
            content[place] = chance.randrange(256)
        else:
            content[place : place + chance.randrange(9)] = chance.randbytes(chance.randrange(9))
        plain = plain_jpeg(bytes(content), SIDE)
        if plain is not None:
            decoded += 1
            assert (plain[1], plain[0].tobytes()) == opened(bytes(content))
    assert decoded > 100


def test_an_image_that_a_check_reads_is_decoded_without_opening_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_decode", None)
    assert decode_image(jpeg(), "a.jpg", shorter_side=SIDE)[1] == (150, 81)
