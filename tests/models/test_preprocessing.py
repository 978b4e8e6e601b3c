"""Images become a network's input exactly as torchvision's own transforms make it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from visionlora.data import ImageDataset, ImageFile
from visionlora.models.registry import default_preprocessing, default_weights

# One for each kind: resize above crop, crop alone, bicubic, another mean.
NAMES = ["vgg19", "efficientnet_b0", "efficientnet_b2", "efficientnet_v2_l", "inception_v3", "swin_t"]


def image(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(640, 480), (300, 801)])
def test_an_image_is_preprocessed_as_by_torchvision(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    image(*size).save(tmp_path / "image.png")
    preprocessing = default_preprocessing(name)
    dataset = ImageDataset([ImageFile(tmp_path / "image.png")], preprocessing)
    (ours,) = dataset.collate([dataset[0]])["images"]
    theirs = default_weights(name).transforms()(image(*size))
    assert ours.dtype == torch.float32
    difference = (ours - theirs).abs()
    # Small images are enlarged as tensors, which rounds a few pixels by one of 255 levels.
    assert difference.max() < 1.01 / (255 * min(preprocessing.std))
    assert (difference > 2e-6).float().mean() < (0.01 if min(size) < preprocessing.resize else 1e-9)


@pytest.mark.parametrize("name", models.list_models(module=models))
def test_every_networks_preprocessing_is_complete(name: str) -> None:
    preprocessing = default_preprocessing(name)
    assert 224 <= preprocessing.crop <= preprocessing.resize
    assert len(preprocessing.mean) == len(preprocessing.std) == 3
    assert preprocessing.interpolation in ("bilinear", "bicubic")
