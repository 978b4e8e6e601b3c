"""The product with a merged weight that is made a few rows at a time.

VGG19's first linear layer has 411 MB, and so had its merged weight beside it. A few rows of that are in a
CPU's cache, so merging them in each call takes little. If the outputs are a multiple of ROWS the product
is the same to the bit, else to rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.adapters.base import LowRank
from visionlora.adapters.layers import AdaptedLayer

LARGE = 2**24
"""Numbers of a weight from which on it is merged a few rows at a time."""
PIECE = 2**21
"""Numbers of those rows, in multiples of :data:`ROWS`."""
ROWS = 64


def is_merged_in_rows(layer: AdaptedLayer) -> bool:
    """Whether `merged` leaves it to the layer to merge its weight, in each call."""
    weight = layer.base_weight
    large = isinstance(layer, nn.Linear) and weight.numel() >= LARGE and weight.device.type == "cpu"
    return large and not layer.is_quantised and layer.low_rank() is not None


def merged_product(layer: AdaptedLayer, x: Tensor, bias: Tensor | None) -> Tensor | None:
    """The output for x (..., in) inside `merged`; None: the layer is computed with its whole weight."""
    low_rank = layer.low_rank() if layer.merging and layer.active and not layer.off else None
    if low_rank is None or x.requires_grad or not is_merged_in_rows(layer):
        return None
    with torch.no_grad():
        return _product(x, layer.base_weight, low_rank, bias)


def _product(x: Tensor, weight: Tensor, low_rank: LowRank, bias: Tensor | None) -> Tensor:
    rows = max(1, PIECE // weight.shape[1] // ROWS) * ROWS
    pieces = []
    for first in range(0, len(weight), rows):
        some = slice(first, first + rows)
        merged = low_rank._replace(B=low_rank.B[some]).added_to(weight[some])
        pieces.append(F.linear(x, merged, None if bias is None else bias[some]))
    return torch.cat(pieces, dim=-1)
