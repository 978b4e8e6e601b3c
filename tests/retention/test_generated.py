from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visionlora.retention.generated import generate_images


def test_generated_images_are_uint8_of_the_requested_size() -> None:
    for image in generate_images(12, 48):
        assert image.shape == (3, 48, 48)
        assert image.dtype == torch.uint8


def test_an_image_depends_on_seed_and_index_alone() -> None:
    few, many = generate_images(6, 32, seed=4), generate_images(14, 32, seed=4)
    assert all(torch.equal(a, b) for a, b in zip(few, many[:6], strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(few, generate_images(6, 32, seed=5), strict=True))


def test_no_two_images_are_alike_and_none_is_blank() -> None:
    images = generate_images(60, 32)
    assert len({image.numpy().tobytes() for image in images}) == 60
    assert all(image.float().std() > 2 for image in images)


@settings(max_examples=15, deadline=None)
@given(st.integers(16, 80), st.integers(0, 2**31))
def test_any_size_and_seed_works(size: int, seed: int) -> None:
    assert all(image.shape == (3, size, size) for image in generate_images(6, size, seed))


def test_the_spectrum_falls_as_that_of_natural_images_does() -> None:
    grays = torch.stack(generate_images(48, 64)).float().mean(1)
    power = torch.fft.rfft2(grays - grays.mean((1, 2), keepdim=True)).abs().square().mean(0)
    distance = torch.hypot(torch.fft.fftfreq(64)[:, None], torch.fft.rfftfreq(64)[None, :])
    low = power[(distance > 0.02) & (distance < 0.06)].mean()
    high = power[(distance > 0.2) & (distance < 0.4)].mean()
    assert 20 < low / high < 3000


@pytest.mark.parametrize(("count", "size"), [(-1, 64), (1, 8)])
def test_invalid_counts_and_sizes_are_refused(count: int, size: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        generate_images(count, size)
