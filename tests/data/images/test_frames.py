from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from visionlora.data.images.frames import has_several

KINDS = ("GIF", "PNG", "WEBP", "TIFF", "AVIF")


def written(kind: str, frames: int, **options: object) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (frames, 40, 60, 3), np.uint8)
    first, *others = [Image.fromarray(pixels) for pixels in noise]
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=frames > 1, append_images=others, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frames", [1, 2, 3])
def test_files_of_several_frames_are_told_from_single_images(kind: str, frames: int) -> None:
    assert has_several(written(kind, frames)) == (frames > 1)


@pytest.mark.parametrize("frames", [1, 2])
def test_pages_of_a_large_tiff_are_counted(frames: int) -> None:
    content = written("TIFF", frames, big_tiff=True)
    assert content[2] == 43
    assert has_several(content) == (frames > 1)


def test_a_jpeg_is_one_image_also_with_a_second_one_behind_it() -> None:
    assert not has_several(written("JPEG", 1))
    assert not has_several(written("MPO", 2))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_off_anywhere_is_no_error(kind: str) -> None:
    content = written(kind, 2)
    for end in (*range(64), *range(64, len(content), 97)):
        has_several(content[:end])
    assert not has_several(b"")
