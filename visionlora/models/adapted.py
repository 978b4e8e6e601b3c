"""A pretrained network with a head for the classes and adapters: what a run trains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from visionlora.adapters import LoraConfig, attach, fingerprint
from visionlora.adapters.init import FROM_DATA
from visionlora.models.backbone import Backbone, load_backbone
from visionlora.models.config import ModelConfig
from visionlora.models.heads import Head, apply_head, head_parameters


@dataclass(frozen=True)
class AdaptedNetwork:
    """A pretrained network with a head for the new classes and adapters.

    Attributes:
        backbone: where it comes from: class names, preprocessing.
        head: what its outputs mean now.
        network: the backbone's model, adapted.
        fingerprint: of the backbone's weights, without the rows of the head that are trained whole.
    """

    backbone: Backbone
    head: Head
    network: nn.Module
    fingerprint: str

    @property
    def old_outputs(self) -> int:
        """How many of the network's outputs are the frozen network's."""
        return 0 if self.head.kind == "new" else len(self.backbone.categories)


def adapt(
    model: ModelConfig, lora: LoraConfig, classes: Sequence[str], seed: int, channels_last: bool
) -> AdaptedNetwork:
    """The pretrained network with a head for the classes, frozen but for its adapters and new rows."""
    backbone = load_backbone(model.name, model.weights)
    head = apply_head(backbone, model.head, classes)
    base_fingerprint = fingerprint(backbone.model, exclude=head.trained)
    # New rows are trained whole: a low-rank update of them would only restrict them.
    generator = torch.Generator().manual_seed(seed)
    plain_start = replace(lora, init="default") if lora.init in FROM_DATA else lora
    network = attach(backbone.model, plain_start, generator=generator, trained_whole=head.trained)
    for parameter in head_parameters(network, head):
        parameter.requires_grad_(True)
    if channels_last:
        network.to(memory_format=torch.channels_last)
    return AdaptedNetwork(backbone, head, network, base_fingerprint)
