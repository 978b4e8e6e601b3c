"""Which of two equal computations of a layer takes less time: from its output, or with the whole weight.

The gradient of the whole weight costs a product as large as the layer's. What `output_scale` does instead
costs two more passes over the output, which take longer where the output is large and the weight small.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import partial

from torch import Tensor, nn

from visionlora.kernels import FrozenWeight
from visionlora.kernels.autotune import choose, remembered
from visionlora.kernels.candidates import Compute as Computation
from visionlora.kernels.candidates import request_for, run_with_gradients

OUTPUTS, WHOLE = "outputs", "whole weight"
_LEAST_COLUMNS = 128
"""The rule where nothing may be timed: with fewer inputs the gradient of the whole weight costs less."""


def faster_computation(
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

    def decide() -> str:
        if not possible():
            return WHOLE
        columns = weight.shape[1:].numel()
        rule = WHOLE if columns < _LEAST_COLUMNS else OUTPUTS
        work = x.numel() * weight.shape[0]
        run = partial(run_with_gradients, computations, x, tuple(adapter.parameters()))
        return choose("adapted weight", request, (OUTPUTS, WHOLE), run, rule, work, x.device)

    return remembered(("adapted weight", *request), decide)
