"""Frozen batch norm folded into the convolution before it, while training.

A frozen batch norm is an affine map of each channel: `scale * y + shift` (`norm.scale_and_shift`). So the
pair computes one convolution with the weight `scale * W`, adapted or not. Nothing that is stored changes:
parameters, buffers and adapters stay those of the untouched network, and so do files and merges.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from visionlora.frozen.fold_pairs import find_pairs
from visionlora.frozen.freeze import conv_geometry
from visionlora.frozen.norm import scale_and_shift
from visionlora.frozen.packed import PackedWeight
from visionlora.frozen.swap import Swapped, swap, swap_back
from visionlora.frozen.weight import DenseWeight, frozen_weight
from visionlora.frozen.whole_weight import frozen_conv
from visionlora.kernels import FrozenWeight


@dataclass(frozen=True)
class Affine:
    """A convolution's frozen part with its batch norm in it.

    Attributes:
        weight: `scale * W`.
        bias: `scale * bias + shift`, (out,).
        scale: (out, 1, 1...), what the adapted part has to be multiplied with.
    """

    weight: FrozenWeight
    bias: Tensor
    scale: Tensor


class Fold:
    """What a convolution knows of the batch norm that it does the work of.

    Args:
        norm: a `FoldedNorm`. It is no submodule of the convolution, so that no name changes.
    """

    def __init__(self, norm: Any) -> None:
        self.norm = norm
        self._source: list = []
        self._affine: Affine | None = None

    def apply_norm(self, y: Tensor) -> Tensor:
        """The batch norm as a layer of its own, for what cannot be folded."""
        return self.norm.base_class.forward(self.norm, y)

    def affine(self, weight: FrozenWeight, bias: Tensor | None) -> Affine:
        """The frozen part with the batch norm in it; computed again when a tensor it depends on changed."""
        norm = self.norm
        stored = weight.parts["codes"] if isinstance(weight, PackedWeight) else weight.dense()
        tensors = (stored, bias, norm.weight, norm.bias, norm.running_mean, norm.running_var)
        if torch.compiler.is_compiling():
            return _make_affine(weight, bias, norm)
        source = [None if t is None else (t.data_ptr(), t._version) for t in tensors]
        if self._affine is None or self._source != source:
            with torch.inference_mode(False):  # what a validation made serves training too
                self._source, self._affine = source, _make_affine(weight, bias, norm)
        return self._affine

    def __getstate__(self) -> dict[str, Any]:
        return {"norm": self.norm, "_source": [], "_affine": None}


class FoldedNorm(Swapped):
    """A frozen batch norm whose work is done by the convolution before it."""

    prefix = "Folded"

    def forward(self, input: Tensor) -> Tensor:
        """The input itself."""
        return input


class FoldedConv(Swapped):
    """A frozen convolution that does the work of the batch norm after it."""

    prefix = "Folded"
    fold: Fold

    def forward(self: Any, input: Tensor) -> Tensor:
        """(N, in, size...) to (N, out, size...), normalized."""
        if self.padding_mode != "zeros":
            return self.fold.apply_norm(super().forward(input))
        affine = self.fold.affine(frozen_weight(self), self.bias)
        return frozen_conv(input, affine.weight, affine.bias, conv_geometry(self))


class FoldableConv(Swapped):
    """A convolution that can do the work of a batch norm in its own forward pass (an adapted one).

    Attributes:
        fold: the batch norm that it does the work of, if any.
    """

    fold: Fold | None


@contextmanager
def folded(model: nn.Module, *example: Any) -> Iterator[list[str]]:
    """Inside, frozen batch norms are folded into the convolutions before them; gives their names."""
    names = fold_batch_norm(model, *example)
    try:
        yield names
    finally:
        unfold_batch_norm(model)


def fold_batch_norm(model: nn.Module, *example: Any) -> list[str]:
    """Fold every frozen batch norm that can be into the convolution before it, in place.

    A pair is found by watching one pass over the example, without a graph: the batch norm's input is the
    output of one call of the convolution, and nothing else reads it. Any small batch will do. A batch norm
    whose class does more than normalize, or whose output on the example is not `scale * y + shift`, stays as
    it is. Computing with a folded network is exact to rounding.

    Args:
        model: a network with frozen batch norms (`attach` freezes them).
        example: what `model` is called with.

    Returns:
        The names of the batch norms that are folded now.
    """
    unfold_batch_norm(model)
    names = {module: name for name, module in model.named_modules()}
    found = []
    for conv, norm in find_pairs(model, example):
        swap(norm, FoldedNorm)
        if not isinstance(conv, FoldableConv):
            swap(conv, FoldedConv)
        conv.fold = Fold(norm)
        found.append(names[norm])
    return found


def unfold_batch_norm(model: nn.Module) -> None:
    """Make the pairs two layers again, in place; nothing happens to a network that is not folded."""
    for module in model.modules():
        if isinstance(module, FoldedConv):
            vars(module).pop("fold")
            swap_back(module)
        elif isinstance(module, FoldedNorm):
            swap_back(module)
        elif isinstance(module, FoldableConv):
            module.fold = None


@torch.no_grad()
def _make_affine(weight: FrozenWeight, bias: Tensor | None, norm: Any) -> Affine:
    exact = torch.promote_types(weight.dtype, torch.float32)
    scale, shift = scale_and_shift(norm, bias, exact)
    shift, columns = shift.to(weight.dtype), scale.view(-1, *(1,) * (len(weight.shape) - 1))
    if isinstance(weight, PackedWeight):
        return Affine(weight.scaled(scale), shift, columns)
    return Affine(DenseWeight((weight.dense() * columns).to(weight.dtype)), shift, columns)
