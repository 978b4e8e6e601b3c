"""Which of two equal computations of a layer takes less time: from its output, or with the whole weight.

The gradient of the whole weight costs a product as large as the layer's. What `output_scale` does instead
costs two more passes over the output, which take longer where the output is large and the weight small.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import torch
from torch import Tensor, nn

from visionlora.kernels import FrozenWeight
from visionlora.kernels.autotune import choose, remembered
from visionlora.kernels.candidates import request_for

Computation = Callable[[Tensor], Tensor]
OUTPUTS, WHOLE = "outputs", "whole weight"
_LEAST_COLUMNS = 128
"""The rule where nothing may be timed: with fewer inputs the gradient of the whole weight costs less."""


def faster(
    x: Tensor,
    weight: FrozenWeight,
    rank: int,
    more: tuple[Hashable, ...],
    computations: Mapping[str, Computation],
    adapter: nn.Module,
    possible: Callable[[], bool],
) -> str:
    """`OUTPUTS` or `WHOLE`: timed once for each shape and recorded, as the kernels' implementations are.

    Args:
        x: the input.
        weight: the frozen weight.
        rank: of the adapter.
        more: what else the time depends on.
        computations: each gives the output for an input.
        adapter: whose parameters get a gradient.
        possible: whether `OUTPUTS` can compute this adapter.
    """
    request = request_for(x, weight, rank, *more)

    def run(name: str) -> None:
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(x.requires_grad)
            y = computations[name](leaf)
            wanted = [t for t in (leaf, *adapter.parameters()) if t.requires_grad]
            torch.autograd.grad(y, wanted, y.detach(), allow_unused=True)

    def decide() -> str:
        if not possible():
            return WHOLE
        columns = weight.shape[1:].numel()
        rule = WHOLE if columns < _LEAST_COLUMNS else OUTPUTS
        work = x.numel() * weight.shape[0]
        return choose("adapted weight", request, (OUTPUTS, WHOLE), run, rule, work, x.device)

    return remembered(("adapted weight", *request), decide)
