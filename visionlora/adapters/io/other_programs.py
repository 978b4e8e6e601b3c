"""Where PEFT and LyCORIS compute something else than an adapter here, because of the layer or of its place.

Both put what the adapter gives into the layer's place, beside what the layer's own forward pass gives. So
they change nothing where the network reads the layer's weight and never calls the layer, and something else
where the layer's forward pass is not the usual one. They do not say so.

What is known here are the networks of PyTorch and torchvision that read weights; of others it is not seen.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from torch import nn

from visionlora.adapters.base import Adapter
from visionlora.adapters.families.dora import Dora
from visionlora.adapters.families.lora import Lora
from visionlora.adapters.sites import has_own_forward, sites_of
from visionlora.frozen.swap import plain_class

_READERS = {nn.TransformerEncoderLayer: ("linear1", "linear2"), nn.MultiheadAttention: ("out_proj",)}
"""Layers of PyTorch's that read the weights of others; the first one in eval mode."""
_READERS_BY_NAME = {"ShiftedWindowAttention": ("qkv", "proj"), "ShiftedWindowAttentionV2": ("qkv", "proj")}
"""torchvision's, which this package does not import."""


class Places:
    """Where the layers of a network stand.

    Args:
        model: plain or adapted.
    """

    def __init__(self, model: nn.Module) -> None:
        self._modules = dict(model.named_modules(remove_duplicate=False))
        self._counts = Counter(map(id, self._modules.values()))

    def is_shared(self, layer: nn.Module) -> bool:
        """Whether it has several names, of which PEFT adapts one."""
        return self._counts[id(layer)] > 1

    def obstacle(self, name: str, layer: nn.Module, program: str) -> str | None:
        """Why no adapter of another program is what one here is at this weight, as a clause.

        Args:
            name: the full name of the weight.
            layer: its module, plain or adapted.
            program: PEFT or LyCORIS.

        Returns:
            None where one is.
        """
        if isinstance(layer, nn.MultiheadAttention):
            return f"{program} does not adapt the projections of {plain_class(layer).__name__}"
        if program == "PEFT" and self.is_shared(layer):
            return f"PEFT adapts {name} in one of the places where it stands"
        own = own_forward_obstacle(name, layer, program)
        if own is not None:
            return own
        parent, _, leaf = name.rpartition(".")
        reader = type(self._modules.get(parent))
        reads = [child for one, child in _READERS.items() if issubclass(reader, one)]
        if any(leaf in child for child in (*reads, _READERS_BY_NAME.get(reader.__name__, ()))):
            return (
                f"the {reader.__name__} reads the weight of {name}, which {program}'s adapter does not change"
            )
        return None


def own_forward_obstacle(name: str, layer: nn.Module, program: str) -> str | None:
    """As `Places.obstacle`, of a layer whose class computes in its own manner."""
    kind = plain_class(layer)
    if not sites_of(layer) or not has_own_forward(kind):
        return None
    return f"{name} is a {kind.__name__} with a forward pass of its own, which {program} leaves out"


def adapter_obstacle(adapter: Adapter, layer: Any) -> str | None:
    """Why PEFT's adapter of this family is another one on this layer, as a clause; None where it is not.

    Of grouped and transposed convolutions PEFT itself refuses our tensors.
    """
    if isinstance(adapter, Lora) and isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        dilated = any(step > 1 for step in layer.dilation) and any(size > 1 for size in layer.kernel_size)
        if dilated or layer.padding_mode != "zeros":
            return f"PEFT ignores dilation={layer.dilation} and padding_mode={layer.padding_mode}"
    if isinstance(adapter, Lora) and isinstance(layer, nn.Embedding):
        if layer.max_norm is not None:
            return "PEFT limits the norms of A's columns where the embedding has max_norm"
        if isinstance(adapter, Dora) and layer.padding_idx is not None:
            return "PEFT's DoRA changes the embedding's padding too"
    return adapter.peft_obstacle(layer)
