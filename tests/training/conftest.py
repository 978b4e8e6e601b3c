"""A tiny network and a few tiny pictures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

SIZE = 24
PREPROCESSING = SimpleNamespace(
    resize=SIZE, crop=SIZE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), interpolation="bilinear"
)


@pytest.fixture
def network() -> nn.Module:
    """Three convolutions with batch norm and dropout, four outputs; always the same weights."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 8, 3, 1, 1, groups=8), nn.ReLU(),
        nn.Conv2d(8, 16, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Dropout(0.5), nn.Linear(16, 4),
    ).eval()  # fmt: skip


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of reddish and bluish noise, train and val, and one of greenish noise for contrast."""
    random = np.random.default_rng(0)
    for split, count in (("train", 5), ("val", 3)):
        for name, channel in (("red", 0), ("blue", 2)):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                _noise(random, channel, folder / f"{index}.png")
    (tmp_path / "others").mkdir()
    for index in range(6):
        _noise(random, 1, tmp_path / "others" / f"{index}.png")
    return tmp_path / "pictures"


def _noise(random: np.random.Generator, channel: int, path: Path) -> None:
    pixels = random.integers(0, 120, (SIZE + 8, SIZE + 8, 3))
    pixels[..., channel] += 120
    Image.fromarray(pixels.astype(np.uint8)).save(path)
