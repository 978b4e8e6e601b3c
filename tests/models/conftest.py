"""Fixtures for the tests of the models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from visionlora.data.images.preprocessing import Preprocessing
from visionlora.models import WeightsMetadata, backbone
from visionlora.models.registry import build

SHARED = Path(__file__).parents[3] / "shared" / "real"


@dataclass
class Known:
    """A small network with named outputs."""

    model: nn.Module
    categories: tuple[str, ...]
    wnids: tuple[str, ...]


@pytest.fixture
def linear_network() -> Known:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4))
    return Known(model, ("goldfish", "tabby", "great white shark", "hammerhead"), ("n1", "n2", "n3", "n4"))


@pytest.fixture
def convolutional_network() -> Known:
    torch.manual_seed(0)
    classifier = nn.Sequential(
        nn.Dropout(), nn.Conv2d(6, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), classifier).eval()
    return Known(model, ("goldfish", "tabby", "great white shark", "hammerhead"), ("n1", "n2", "n3", "n4"))


@pytest.fixture
def pocket_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the weights that ship with the project: half precision, three classes."""
    about = WeightsMetadata(
        ("goldfish", "orange", "jellyfish"),
        ("n01443537", "n07747607", "n01910747"),
        Preprocessing(128, 128, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "bilinear"),
    )
    state = {key: tensor.half() for key, tensor in build("squeezenet1_1", 3).state_dict().items()}
    path = tmp_path / "pocket.safetensors"
    save_file(state, path, about.as_text())
    monkeypatch.setattr(backbone, "POCKET_FILE", path)
    return path
