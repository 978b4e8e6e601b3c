"""The implementations that come into question for a layer and an input, and the one that the rule takes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from math import prod

import torch
from torch import Tensor, autograd

from visionlora.kernels import convolution, matmul, winograd
from visionlora.kernels.autotune import choose, is_too_small, remembered
from visionlora.kernels.convolution import Geometry
from visionlora.kernels.matmul import MatrixProduct
from visionlora.kernels.tensors import FrozenWeight, LayerTensors

Computation = MatrixProduct | Geometry
Compute = Callable[[Tensor], Tensor]
Computations = Mapping[str, Compute]
OURS, PLAIN = "functions", "autograd"

_LANES = 16  # a product with fewer columns takes as long as one with this many
_WORTHWHILE = 4  # the full weight gradient comes into question up to this many times the low-rank work
_SMALL = 2e8  # multiplications up to which PyTorch's own operations come into question
_HUGE = 64  # only the branch is for weights of this many times the numbers of input and output

_ALL = *matmul.PRODUCTS, *convolution.PRODUCTS, *matmul.GRADIENTS, *convolution.GRADIENTS, OURS, PLAIN
NAMES = tuple(dict.fromkeys(_ALL))  # for `autotune.implementation`


def implementations(
    x: Tensor, layer: LayerTensors, computation: Computation, sources: Sequence[Tensor] = ()
) -> tuple[str, str]:
    """The implementations of the product and of the gradient, for x and the `sources` of its recipe."""
    if isinstance(computation, Geometry):
        more: tuple[Hashable, ...] = (computation,)
    else:
        kept = computation.recipe.module if computation.recipe else "kept"
        more = ("no bias" if layer.bias is None else "bias", kept)
    request = request_for(computation.flatten(x), layer.weight, len(layer.A), *more)
    return remembered(request, lambda: _choose(request, x, layer, computation, sources or (x,)))


def _choose(
    request: Hashable, x: Tensor, layer: LayerTensors, computation: Computation, kept: Sequence[Tensor]
) -> tuple[str, str]:
    shape = layer.weight.shape
    if isinstance(computation, Geometry):
        kind, gradients = "conv", convolution.gradients_for(x, layer.A, computation)
        rows = x.shape[0] * prod(convolution.output_size(x, shape[2:], computation))
        products, product_rule = conv_products(x, shape, computation)
    else:
        kind, gradients, rows = "linear", list(matmul.GRADIENTS), x.numel() // shape[1]
        products, product_rule = matrix_products(x, rows, shape, layer.bias is not None)
    columns, lanes = prod(shape[1:]), -(-len(layer.A) // _LANES) * _LANES
    work, low_rank_work = rows * columns * shape[0], 2 * rows * (columns + shape[0]) * lanes
    if "low_rank" in gradients and work > _WORTHWHILE * low_rank_work:
        gradients.remove("full")
    gradient_rule = "full" if "low_rank" in gradients and work < low_rank_work else gradients[0]
    made: list[Tensor] = []

    def product(name: str) -> None:
        y = computation.forward(name, x, layer.operand(name, x.dtype), layer.bias)
        if x.requires_grad:
            computation.grad_input(name, computation.flatten(y), x, layer.operand(name, x.dtype))

    def gradient(name: str) -> None:
        if not made:
            y = computation.forward(products[0], x, layer.operand(products[0], x.dtype), None)
            made.append(computation.flatten(y))
        computation.gradients(name, kept, made[0], layer)

    return (
        choose(f"{kind} product", request, products, product, product_rule, work, x.device),
        choose(f"{kind} gradient", request, gradients, gradient, gradient_rule, work, x.device),
    )


def faster(x: Tensor, layer: LayerTensors, computations: Computations, *more: Hashable) -> Compute:
    """Of `OURS` and `PLAIN` the one that takes less time. PyTorch's own operations compute more and keep the
    merged weight, but are called sooner."""
    work, shape = work_of(x, layer.weight), layer.weight.shape
    small = not torch.compiler.is_compiling() and work <= _SMALL
    if not small or not layer.weight.is_stored or _is_huge(work // shape.numel(), shape):
        return computations[OURS]
    request = request_for(x, layer.weight, len(layer.A), *more)

    def decide() -> str:
        rule = PLAIN if is_too_small(work) else OURS
        run = partial(run_with_gradients, computations, x, (layer.A, layer.B))
        return choose("layer", request, tuple(computations), run, rule, work, x.device)

    return computations[remembered(("layer", *request), decide)]


def work_of(x: Tensor, weight: FrozenWeight | Tensor) -> int:
    """Multiplications of a layer without a stride."""
    return x.numel() // x.shape[1 - len(weight.shape)] * weight.shape.numel()


def run_with_gradients(computations: Computations, x: Tensor, trained: Iterable[Tensor], name: str) -> None:
    """Computes an output and gradients. Hooks of its own: checkpointing counts what its hooks are given."""
    with torch.enable_grad(), autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        leaf = x.detach().requires_grad_(x.requires_grad)
        y = computations[name](leaf)
        wanted = [t for t in (leaf, *trained) if t.requires_grad]
        autograd.grad(y, wanted, y.detach(), allow_unused=True)


def matrix_products(x: Tensor, rows: int, shape: Sequence[int], bias: bool) -> tuple[list[str], str]:
    """The candidates for a matrix product with a weight of this shape, and the rule's."""
    if _is_huge(rows, shape):
        return ["branch"], "branch"  # a merged weight of this size is not even made to be timed
    onednn = matmul.has_onednn(x)
    fused = onednn and x.dtype == torch.bfloat16 and bias
    return ["matmul"] + ["onednn"] * onednn, "onednn" if fused else "matmul"


def _is_huge(rows: int, shape: Sequence[int]) -> bool:
    """Whether a merged weight would be that much larger than input and output."""
    return _HUGE * rows * (shape[0] + shape[1]) < prod(shape)


def conv_products(x: Tensor, shape: Sequence[int], geometry: Geometry) -> tuple[list[str], str]:
    """The candidates for a convolution with a weight of this shape, and the rule's."""
    products, kernel = ["conv"], shape[2:]
    if x.requires_grad and convolution.can_flip(kernel, geometry):
        products.append("flipped")
    if convolution.can_winograd(kernel, geometry) and winograd.may_be_fastest(x, shape[:2]):
        products.append("winograd")
    slow = max(geometry.stride) > 1 and x.device.type == "cpu" and x.dtype != torch.float32
    return products, "flipped" if slow and "flipped" in products else "conv"


def request_for(x: Tensor, weight: FrozenWeight, rank: int, *more: Hashable) -> tuple[Hashable, ...]:
    """All that an implementation's time depends on, beside the machine."""
    last = "channels_last" if convolution.is_channels_last(x) else "contiguous"
    gradient = "input gradient" if x.requires_grad else "no input gradient"
    shapes = tuple(x.shape), "weight", tuple(weight.shape), weight.dtype, "rank", rank
    return x.device.type, x.dtype, last, *shapes, gradient, *more
