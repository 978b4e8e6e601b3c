"""Images become what a network takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from visionlora.models.registry import default_preprocessing, default_weights

# One for each kind: resize above crop, crop alone, bicubic, another mean.
NAMES = ["vgg19", "efficientnet_b0", "efficientnet_b2", "efficientnet_v2_l", "inception_v3", "swin_t"]


def image(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(640, 480), (300, 801)])
def test_it_equals_torchvisions_own(name: str, size: tuple[int, int]) -> None:
    ours = default_preprocessing(name)(image(*size))
    theirs = default_weights(name).transforms()(image(*size))
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


def test_a_batch_is_normalised_like_its_images() -> None:
    preprocessing = default_preprocessing("vgg19")
    squares = [preprocessing.square(image(320 + 8 * i, 240)) for i in range(3)]
    assert squares[0].dtype == torch.uint8
    assert squares[0].shape == (3, 224, 224)
    batch = preprocessing.normalised(torch.stack(squares))
    torch.testing.assert_close(batch, torch.stack([preprocessing.normalised(square) for square in squares]))


@pytest.mark.parametrize("name", models.list_models(module=models))
def test_every_networks_preprocessing_is_complete(name: str) -> None:
    preprocessing = default_preprocessing(name)
    assert 224 <= preprocessing.crop <= preprocessing.resize
    assert len(preprocessing.mean) == len(preprocessing.std) == 3
    assert preprocessing.interpolation in ("bilinear", "bicubic")
