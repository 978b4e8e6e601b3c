from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

Draw = Callable[..., Path]


@dataclass(frozen=True)
class Sizes:
    """A network's preprocessing as the backbones describe it."""

    resize: int = 40
    crop: int = 32
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: str = "bilinear"


@pytest.fixture
def sizes() -> Sizes:
    return Sizes()


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Write a small picture below the test's folder: left half of one colour, right half white."""

    def _draw(
        name: str, size: tuple[int, int] = (64, 48), colour: tuple[int, int, int] = (200, 30, 30)
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", size, "white")
        image.paste(colour, (0, 0, size[0] // 2, size[1]))
        image.save(path)
        return path

    return _draw
