"""A trained network without its adapters' layers, as prediction in Python and exported files have it."""

from __future__ import annotations

from torch import nn

from visionlora.adapters import merge
from visionlora.adapters.merging import is_mergeable
from visionlora.frozen.quantised import dequantise
from visionlora.models.heads import plain_head


def plain_network(network: nn.Module) -> nn.Module:
    """The network in eval mode with dense weights and the adapter merged in; changed in place.

    New blocks stay. Where an active adapter cannot be merged (Conv-Adapter, prompts), all of them stay.
    """
    if is_mergeable(network):
        network = plain_head(merge(network, keep_blocks=True))
    dequantise(network)
    return network.eval()
