"""Adapters for convolutional networks. Needs PyTorch alone.

from visionlora.adapters import LoraConfig, attach, adapter_parameters, merge

attach(network, LoraConfig(rank=8))
optimizer = torch.optim.AdamW(adapter_parameters(network), lr=1e-3)
...
merge(network)  # a plain network again, with what was learned in its weights
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from visionlora.lazy import names_of_api

if TYPE_CHECKING:
    from visionlora.adapters.api import *  # noqa: F403

__getattr__, __dir__ = names_of_api(__name__)
