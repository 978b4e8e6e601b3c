from __future__ import annotations

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import v2

from tests.conftest import Sizes
from visionlora.data.images.augment import (
    AugmentConfig,
    ColourJitter,
    Normalise,
    evaluation_transform,
    mixed,
    seeded,
    training_transform,
)


def noise(height: int = 50, width: int = 70) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


EVERYTHING = AugmentConfig(trivial=True, colour_jitter=0.4, grayscale=0.5)


@pytest.mark.parametrize("config", [AugmentConfig(), EVERYTHING])
@pytest.mark.parametrize("shape", [(50, 70), (20, 20), (400, 30)])
def test_the_training_transform_gives_the_networks_size(
    config: AugmentConfig, shape: tuple[int, int], sizes: Sizes
) -> None:
    pixels = training_transform(config, sizes)(noise(*shape))
    assert pixels.shape == (3, 32, 32)
    assert pixels.dtype == torch.uint8


@pytest.mark.parametrize("config", [AugmentConfig(), EVERYTHING])
def test_the_training_transform_is_a_function_of_its_seed(config: AugmentConfig, sizes: Sizes) -> None:
    transform, pixels = training_transform(config, sizes), noise()
    results = []
    for seed in [1, 2, 3, 4, 1, 2, 3, 4]:
        with seeded(seed):
            results.append(transform(pixels))
    for first, second in zip(results[:4], results[4:], strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(results[0], results[1])


@pytest.mark.parametrize("shape", [(50, 70), (20, 33), (40, 40)])
def test_the_evaluation_transform_is_torchvisions(sizes: Sizes, shape: tuple[int, int]) -> None:
    wanted = v2.Compose([v2.Resize(40), v2.CenterCrop(32)])(noise(*shape))
    assert torch.equal(evaluation_transform(sizes)(noise(*shape)), wanted)


def test_settings_switch_their_own_effect_on(sizes: Sizes) -> None:
    whole = {"crop_scale": (1.0, 1.0), "crop_ratio": (1.0, 1.0)}
    square = noise(32, 32)
    nothing = AugmentConfig(**whole, horizontal_flip=0, colour_jitter=0)
    seen = training_transform(nothing, sizes)(noise(40, 60))
    assert torch.equal(seen, evaluation_transform(sizes)(noise(40, 60)))
    flipped = training_transform(AugmentConfig(**whole, horizontal_flip=1, colour_jitter=0), sizes)(square)
    assert torch.equal(flipped, square.flip(-1))
    gray = training_transform(AugmentConfig(**whole, grayscale=1), sizes)(square)
    assert torch.equal(gray[0], gray[1])
    for config in (AugmentConfig(**whole, horizontal_flip=0, colour_jitter=0.5),):
        with seeded(0):
            assert not torch.equal(training_transform(config, sizes)(square), square)


@given(st.floats(0, 1), st.integers(0, 2**31))
@example(strength=0.8737511628904071, seed=4705788)  # a value halfway between two levels
def test_colour_jitter_leaves_gray_images_gray_to_rounding(strength: float, seed: int) -> None:
    gray = noise(6, 7)[:1].expand(3, -1, -1)
    with seeded(seed):
        red, green, blue = ColourJitter(strength)(gray).int()
    assert int((red - green).abs().max()) <= 1
    assert int((red - blue).abs().max()) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_colour_jitter_but_for_hue_is_torchvisions(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = torch.rand(4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    drawn[3] = 0.5  # no hue
    monkeypatch.setattr(torch, "rand", lambda *arguments, **options: drawn)
    factors = [1 + 0.3 * (2 * float(one) - 1) for one in drawn[:3]]
    pixels = noise(6, 7) // 2 + 40  # nothing is clipped on the way
    expected = v2.functional.adjust_brightness(pixels.double() / 255, factors[0])
    expected = v2.functional.adjust_contrast(expected, factors[1])
    expected = v2.functional.adjust_saturation(expected, factors[2]) * 255
    torch.testing.assert_close(ColourJitter(0.3)(pixels).double(), expected, rtol=0, atol=1.0)


def test_colour_jitter_turns_a_hue_by_a_quarter_of_a_turn_at_most() -> None:
    red = torch.tensor([90, 50, 50], dtype=torch.uint8).view(3, 1, 1)
    hues = []
    for seed in range(200):
        with seeded(seed):
            pixel = ColourJitter(0.4)(red).flatten().double()
        first = pixel @ torch.tensor([1, -0.5, -0.5], dtype=torch.float64)
        second = pixel @ torch.tensor([0, 1, -1], dtype=torch.float64) * 3**0.5 / 2
        hues.append(float(torch.atan2(second, first)) / (2 * torch.pi))
    assert 0.08 < max(hues) < 0.11
    assert -0.11 < min(hues) < -0.08


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"crop_scale": [0.9, 0.5]}, r"crop_scale is \[0.9, 0.5\]; give the smaller number first"),
        ({"crop_scale": [0, 1]}, "crop_scale"),
        ({"crop_scale": [0.5, 2]}, "a list of two numbers above 0 and of at most 1"),
        ({"crop_scale": [0.5]}, "crop_scale"),
        ({"crop_ratio": [2, 1]}, "crop_ratio"),
        ({"horizontal_flip": 1.5}, "horizontal_flip is 1.5; it takes a number from 0 to 1"),
        ({"colour_jitter": -1}, "colour_jitter"),
        ({"grayscale": 2}, "grayscale"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings: dict, complaint: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=complaint):
        AugmentConfig(**settings)


def test_a_list_from_a_configuration_file_becomes_a_tuple() -> None:
    assert AugmentConfig(crop_scale=[0.2, 1.0]) == AugmentConfig(crop_scale=(0.2, 1.0))  # type: ignore[arg-type]


def test_normalising_a_batch_is_torchvisions_normalising_of_each(sizes: Sizes) -> None:
    images = [noise(32, 32), noise(32, 32).flip(-1), noise(64, 64)[:, ::2, ::2]]
    to_float = v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize(sizes.mean, sizes.std)])
    batch = Normalise(sizes.mean, sizes.std)(images)
    torch.testing.assert_close(batch, torch.stack([to_float(image) for image in images]))
    assert batch.dtype == torch.float32
    assert batch.is_contiguous(memory_format=torch.channels_last)


def test_within_seeded_nothing_else_counts_and_afterwards_nothing_has_happened() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with seeded(1, 2, 3):
        inside = torch.rand(4)
    assert torch.equal(torch.rand(3), expected)
    with pytest.raises(RuntimeError), seeded(1, 2, 3):
        assert torch.equal(torch.rand(4), inside)
        raise RuntimeError
    before = torch.get_rng_state()
    with seeded("word"):
        torch.rand(1)
    assert torch.equal(torch.get_rng_state(), before)


def test_mixed_seeds_do_not_meet() -> None:
    seeds = {mixed(seed, epoch, index) for seed in range(10) for epoch in range(10) for index in range(100)}
    assert len(seeds) == 10_000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert mixed(1, 11) != mixed(11, 1)
    assert mixed("view", 1) != mixed("picture", 1)
