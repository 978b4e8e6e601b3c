"""torchvision's networks for segmentation, detection and video: adapted and merged, but not trained."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models

from visionlora.data.images.preprocessing import Preprocessing
from visionlora.models.metadata import WeightsMetadata
from visionlora.models.registry import EmptyOnMeta, default_weights

_TASKS = {"segmentation": models.segmentation, "detection": models.detection, "video": models.video}
_OUTPUTS = (
    "classifier.4.weight", "classifier.low_classifier.weight", "roi_heads.box_predictor.cls_score.weight",
    "fc.weight", "head.weight", "classifier.1.weight",
)  # fmt: skip
"""Where the number of a file's outputs is seen."""


@cache
def _tasks_by_name() -> Mapping[str, str]:
    return {name: task for task, module in _TASKS.items() for name in models.list_models(module=module)}


def task_of(name: str) -> str | None:
    """``segmentation``, ``detection`` or ``video``; None: it is no such network of torchvision."""
    return _tasks_by_name().get(name)


def describe(name: str) -> WeightsMetadata:
    """Names of the outputs of a network's default weights, and the size and normalisation of its input."""
    weights = default_weights(name)
    names = tuple(weights.meta["categories"])
    transforms: Any = weights.transforms()
    size = getattr(transforms, "resize_size", [512])
    side = size[0] if isinstance(size, (list, tuple)) else size
    crop = getattr(transforms, "crop_size", [side])
    # Detection networks normalise their input themselves.
    mean, std = getattr(transforms, "mean", (0.0,) * 3), getattr(transforms, "std", (1.0,) * 3)
    about = Preprocessing(side, crop[0], tuple(mean), tuple(std), "bilinear")
    return WeightsMetadata(names, ("",) * len(names), about)


def constructor_options(name: str, state: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """What ``torchvision.models.get_model`` is given besides the number of outputs.

    Args:
        name: of the network.
        state: its weights; None: no auxiliary classifier, which only helps in training.
    """
    task = task_of(name)
    if task == "video":
        return {}
    auxiliary = state is not None and any(key.startswith("aux_classifier.") for key in state)
    return {"weights_backbone": None} | ({"aux_loss": auxiliary} if task == "segmentation" else {})


def outputs_in(state: Mapping[str, Tensor]) -> int | None:
    """How many outputs a file's weights have; None: it does not show."""
    return next((len(state[key]) for key in _OUTPUTS if key in state and state[key].dim()), None)


def build(name: str, outputs: int, options: Mapping[str, Any], *, seed: int | None) -> nn.Module:
    """A network in eval mode.

    Args:
        name: of the network.
        outputs: how many it has.
        options: of its constructor.
        seed: of its random weights; None: they are to be filled from a file.
    """
    if seed is None and task_of(name) != "detection":  # whose constructors run the network
        with EmptyOnMeta():
            return models.get_model(name, weights=None, num_classes=outputs, **options).eval()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed or 0)
        return models.get_model(name, weights=None, num_classes=outputs, **options).eval()
