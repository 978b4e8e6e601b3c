"""Generated negatives."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from visionlora.retention.generated import generate_images
from visionlora.retention.restyle import generate_negatives, restyled, shuffled_patches

SCENES = generate_images(6, 64)


def two_colours(height: int = 64, width: int = 64) -> Tensor:
    """Black on the left, light blue on the right."""
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    image[:, :, width // 2 :] = torch.tensor([60, 120, 200], dtype=torch.uint8)[:, None, None]
    return image


@settings(max_examples=15, deadline=None)
@given(st.integers(16, 80), st.integers(0, 2**31), st.integers(10, 90), st.integers(10, 90))
def test_any_size_seed_and_training_image_works(size: int, seed: int, height: int, width: int) -> None:
    made = generate_negatives(6, size, [two_colours(height, width)], SCENES, seed)
    assert all(image.shape == (3, size, size) for image in made)
    assert all(image.dtype == torch.uint8 for image in made)


def test_an_image_depends_on_seed_and_index_alone() -> None:
    few, many = (generate_negatives(count, 32, SCENES, SCENES, seed=4) for count in (6, 12))
    assert all(torch.equal(a, b) for a, b in zip(few, many[:6], strict=True))
    others = generate_negatives(6, 32, SCENES, SCENES, seed=5)
    assert not any(torch.equal(a, b) for a, b in zip(few, others, strict=True))


def test_no_two_images_are_alike() -> None:
    made = generate_negatives(60, 32, SCENES, SCENES)
    assert len({image.numpy().tobytes() for image in made}) == 60


def test_shuffled_patches_keep_the_colours_but_not_the_positions() -> None:
    half = two_colours()
    for seed in range(4):
        piece = shuffled_patches(np.random.default_rng(seed), 48, [half])
        assert piece.shape == (3, 48, 48)
        assert 20 < piece[0].float().mean() < 40
        assert not torch.equal(piece, piece.sort(-1).values)


def test_a_restyled_scene_has_only_colours_of_the_style_and_outlines() -> None:
    style = two_colours()
    for seed in range(6):
        image = restyled(np.random.default_rng(seed), 48, SCENES[seed % len(SCENES)], style)
        tones = image.flatten(1).t().float().unique(dim=0)
        # Either colour, or one of them darkened by an outline: always between black and that blue.
        along = tones @ torch.tensor([60.0, 120.0, 200.0]) / (60**2 + 120**2 + 200**2)
        torch.testing.assert_close(
            tones, along[:, None] * torch.tensor([60.0, 120.0, 200.0]), atol=1.5, rtol=0
        )
        assert len(tones) <= 4


def test_a_restyled_scene_is_not_its_style() -> None:
    one, other = (restyled(np.random.default_rng(0), 48, scene, two_colours()) for scene in SCENES[:2])
    assert not torch.equal(one, other)
