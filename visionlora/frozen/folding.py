"""Frozen batch norm folded into the convolution before it, while training.

A frozen batch norm is an affine map of each channel: `scale * y + shift` with scale = gamma / sqrt(var + eps)
and shift = beta - scale * mean (Ioffe and Szegedy 2015, section 3.1). So the pair computes one convolution
with the weight `scale * (W + s B A)`: W scaled once, B's rows scaled in every step. Nothing that is stored
changes: parameters, buffers and adapters stay those of the untouched network, and so do files and merges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from visionlora.adapters.layers import FrozenBatchNorm, LoraLayer, Swapped, swap_class, swapped_class
from visionlora.frozen.weight import DenseWeight
from visionlora.kernels import Geometry, LayerTensors, adapted_conv, frozen_conv

_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True)
class _Affine:
    """The frozen part of a folded pair, and what it was made from."""

    source: tuple
    weight: Tensor
    bias: Tensor
    scale: Tensor  # (out, 1, 1...)


class _Folded(Swapped):
    """A module of a folded pair; `whole_class` is the class it has outside."""

    whole_class: ClassVar[type[nn.Module]]

    def __reduce_ex__(self, protocol: Any) -> tuple:
        whole: Any = self.whole_class
        swapped = issubclass(whole, Swapped)  # then it may be made at run time, and is made again
        return _new_folded, (whole.base_class if swapped else whole, swapped), self.__dict__


class FoldedConv(_Folded):
    """A convolution, adapted or frozen, that does the work of the batch norm after it."""

    folded_norm: tuple[FoldedNorm]  # in a tuple: not a submodule, so that no name changes
    folded_affine: _Affine | None
    groups: int

    def forward(self: Any, x: Tensor) -> Tensor:
        norm = self.folded_norm[0]
        adapted = isinstance(self, LoraLayer)
        dropout = adapted and self.lora_dropout and self.training
        merged = adapted and not self.lora_off and self.lora_merged is not None
        if merged or dropout or self.padding_mode != "zeros":
            return norm.whole_class.forward(norm, super().forward(x))
        affine = self._affine(norm)
        geometry = Geometry.of(self.kernel_size, self.stride, self.padding, self.dilation, self.groups)
        weight = DenseWeight(affine.weight)
        if adapted and self.lora_active:
            A, B = self.lora_A, self.lora_B * affine.scale.to(self.lora_B.dtype)
            return adapted_conv(x, LayerTensors(weight, affine.bias, A, B, self.lora_scaling), geometry)
        return frozen_conv(x, weight, affine.bias, geometry)

    def _affine(self: Any, norm: Any) -> _Affine:
        """The scaled weight; made anew whenever a tensor that it is made from has changed."""
        base = self._parameters["weight"]
        tensors = (base, self.bias, norm.weight, norm.bias, norm.running_mean, norm.running_var)
        if torch.compiler.is_compiling():
            return _make_affine((), *tensors, norm.eps)
        source = tuple(t if t is None else (t.data_ptr(), t._version, t.device, t.dtype) for t in tensors)
        if self.folded_affine is None or self.folded_affine.source != source:
            with torch.inference_mode(False):  # what a validation made serves training too
                self.folded_affine = _make_affine(source, *tensors, norm.eps)
        return self.folded_affine


class FoldedNorm(_Folded):
    """A frozen batch norm whose work is done by the convolution before it."""

    def forward(self, x: Tensor) -> Tensor:
        return x


@contextmanager
def folded(model: nn.Module, *example: Any) -> Iterator[list[str]]:
    """Inside, frozen batch norms are folded into the convolutions before them; gives their names."""
    names = fold_batch_norm(model, *example)
    try:
        yield names
    finally:
        unfold_batch_norm(model)


def fold_batch_norm(model: nn.Module, *example: Any) -> list[str]:
    """Folds every frozen batch norm that can be into the convolution before it, in place.

    A pair is found by watching one pass over the example, without a graph: the batch norm's input is the
    output of one call of the convolution, and nothing else reads it. Any small batch will do. Every other
    batch norm stays as it is. Computing with a folded network is exact to rounding.

    Args:
        model: a network with frozen batch norms (`attach` freezes them).
        example: what `model` is called with.

    Returns:
        The names of the batch norms that are folded now.
    """
    unfold_batch_norm(model)
    names = {module: name for name, module in model.named_modules()}
    found = []
    for conv, norm in _pairs(model, example):
        conv.folded_norm, conv.folded_affine = (norm,), None
        swap_class(norm, _folded_class(FoldedNorm, type(norm)))
        swap_class(conv, _folded_class(FoldedConv, type(conv)))
        found.append(names[norm])
    return found


def unfold_batch_norm(model: nn.Module) -> None:
    """Makes the pairs two layers again, in place; nothing happens to a network that is not folded."""
    for module in model.modules():
        if isinstance(module, FoldedConv):
            del module.folded_norm, module.folded_affine
        if isinstance(module, _Folded):
            swap_class(module, module.whole_class)


@torch.no_grad()
def _make_affine(
    source: tuple,
    weight: Tensor,
    bias: Tensor | None,
    gamma: Tensor | None,
    beta: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    eps: float,
) -> _Affine:
    exact = torch.promote_types(weight.dtype, torch.float32)
    scale = (variance.to(exact) + eps).rsqrt()
    scale = scale if gamma is None else scale * gamma
    shift = -mean.to(exact) if bias is None else bias.to(exact) - mean
    shift = shift * scale if beta is None else shift * scale + beta
    scale = scale.view(-1, *(1,) * (weight.ndim - 1))
    return _Affine(source, (weight * scale).to(weight.dtype), shift.to(weight.dtype), scale)


_CLASSES: dict[tuple[type, type], type] = {}


def _folded_class(kind: type[_Folded], whole: type[nn.Module]) -> type[_Folded]:
    if (kind, whole) not in _CLASSES:
        _CLASSES[kind, whole] = type(f"Folded{whole.__name__}", (kind, whole), {"whole_class": whole})
    return _CLASSES[kind, whole]


def _new_folded(base: type[nn.Module], swapped: bool) -> nn.Module:
    whole = swapped_class(base) if swapped else base
    cls = _folded_class(FoldedConv if issubclass(whole, _CONVS) else FoldedNorm, whole)
    return cls.__new__(cls)


# ---------------------------------------------------------------------------------------------------------
# Which batch norms follow a convolution and nothing else does.


def _pairs(model: nn.Module, example: tuple) -> list[tuple[Any, Any]]:
    convs = [m for m in model.modules() if isinstance(m, _CONVS) and _can_fold_conv(m)]
    norms = [m for m in model.modules() if isinstance(m, FrozenBatchNorm) and _can_fold_norm(m)]
    watch = _Watch(convs, norms)
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices), torch.no_grad(), watch:
        result = model(*example)
    watch.close()
    return watch.pairs(result)


class _Watch(TorchDispatchMode):
    """Counts who reads the outputs of the convolutions."""

    def __init__(self, convs: Iterable[nn.Module], norms: Iterable[nn.Module]) -> None:
        super().__init__()
        self._calls: Counter[nn.Module] = Counter()
        self._readers: Counter[int] = Counter()
        self._maker: dict[int, nn.Module] = {}
        self._kept: list[Tensor] = []  # so that no address is used twice
        self._read_by: dict[nn.Module, int] = {}
        self._handles = [conv.register_forward_hook(self._after_conv) for conv in convs]
        self._handles += [conv.register_forward_pre_hook(self._enter) for conv in convs]
        self._handles += [norm.register_forward_pre_hook(self._before_norm) for norm in norms]

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()

    def pairs(self, result: Any) -> list[tuple[nn.Module, nn.Module]]:
        """(convolution, batch norm) in the order of their calls, given what the network returned."""
        returned = {_address(t) for t in tree_leaves(result) if isinstance(t, Tensor)}
        return [
            (self._maker[address], norm)
            for norm, address in self._read_by.items()
            if address not in returned
            and self._readers[address] == 1
            and self._calls[norm] == self._calls[self._maker[address]] == 1
            and self._maker[address].out_channels == norm.num_features
        ]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self._readers.update({_address(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)})
        return result

    def _enter(self, module: nn.Module, inputs: tuple) -> None:
        self._calls[module] += 1

    def _after_conv(self, conv: nn.Module, inputs: tuple, output: Tensor) -> None:
        self._kept.append(output)
        self._maker[_address(output)] = conv
        self._readers[_address(output)] = 0

    def _before_norm(self, norm: nn.Module, inputs: tuple) -> None:
        self._calls[norm] += 1
        if _address(inputs[0]) in self._maker:
            self._read_by[norm] = _address(inputs[0])


def _address(t: Tensor) -> int:
    """Two tensors with one storage count as one: a view reads what it is a view of."""
    return t.untyped_storage()._cdata


def _can_fold_conv(conv: Any) -> bool:
    tensors = (conv._parameters.get("weight"), conv.bias)
    frozen = tensors[0] is not None and not any(t is not None and t.requires_grad for t in tensors)
    plain = getattr(type(conv), "base_class", type(conv)) in _CONVS
    return frozen and plain and not conv._forward_hooks


def _can_fold_norm(norm: Any) -> bool:
    tensors = (norm.weight, norm.bias)
    frozen = not any(t is not None and t.requires_grad for t in tensors)
    return frozen and norm.running_mean is not None and not norm._forward_pre_hooks
