"""Which batch norms follow a convolution, and nothing else reads its output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from visionlora.frozen.freeze import CONVOLUTIONS
from visionlora.frozen.norm import FrozenBatchNorm, is_plain_norm, scale_and_shift


def find_pairs(model: nn.Module, example: tuple) -> list[tuple[Any, Any]]:
    """(convolution, batch norm) in the order of their calls, from one pass over the example."""
    convs = [m for m in model.modules() if isinstance(m, CONVOLUTIONS) and _can_fold_conv(m)]
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
        self._source: dict[int, nn.Module] = {}
        self._kept: list[Tensor] = []  # so that no address is used twice
        self._read_by: dict[nn.Module, int] = {}
        self._not_affine: set[nn.Module] = set()
        self._counting = True
        self._handles = [conv.register_forward_hook(self._after_conv) for conv in convs]
        self._handles += [conv.register_forward_pre_hook(self._before) for conv in convs]
        self._handles += [norm.register_forward_hook(self._after_norm) for norm in norms]

    def close(self) -> None:
        for handle in self._handles:
            handle.remove()

    def pairs(self, result: Any) -> list[tuple[nn.Module, nn.Module]]:
        """(convolution, batch norm) in the order of their calls, given what the network returned."""
        returned = {_address(t) for t in tree_leaves(result) if isinstance(t, Tensor)}
        return [
            (self._source[address], norm)
            for norm, address in self._read_by.items()
            if address not in returned
            and self._readers[address] == 1
            and self._calls[norm] == self._calls[self._source[address]] == 1
            and self._source[address].out_channels == norm.num_features
            and norm not in self._not_affine
        ]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if self._counting:
            self._readers.update({_address(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)})
        return result

    def _before(self, module: nn.Module, inputs: tuple) -> None:
        self._calls[module] += 1

    def _after_conv(self, conv: nn.Module, inputs: tuple, output: Tensor) -> None:
        self._kept.append(output)
        self._source[_address(output)] = conv
        self._readers[_address(output)] = 0

    def _after_norm(self, norm: nn.Module, inputs: tuple, output: Any) -> None:
        self._calls[norm] += 1
        (x,) = inputs
        if _address(x) not in self._source:
            return
        self._read_by[norm] = _address(x)
        self._counting = False
        if not _is_affine(norm, x, output):
            self._not_affine.add(norm)
        self._counting = True


def _is_affine(norm: nn.Module, x: Tensor, output: Any) -> bool:
    """Whether a batch norm gave what folding takes it to compute."""
    if not isinstance(output, Tensor) or output.shape != x.shape:
        return False
    scale, shift = (
        t.view(1, -1, *(1,) * (x.ndim - 2))
        for t in scale_and_shift(norm, None, torch.promote_types(x.dtype, torch.float32))
    )
    expected = x * scale + shift
    tolerance = 0.05 if x.dtype.itemsize < 4 else 1e-3
    return bool((output - expected).norm() <= tolerance * expected.norm())


def _address(t: Tensor) -> int:
    """Two tensors with one storage count as one: a view reads what it is a view of."""
    return t.untyped_storage()._cdata


def _can_fold_conv(conv: Any) -> bool:
    tensors = (conv._parameters.get("weight"), conv._parameters.get("bias"))
    frozen = tensors[0] is not None and not any(t is not None and t.requires_grad for t in tensors)
    plain = getattr(type(conv), "base_class", type(conv)) in CONVOLUTIONS
    return frozen and plain and not conv._forward_hooks


def _can_fold_norm(norm: Any) -> bool:
    tensors = (norm.weight, norm.bias)
    frozen = not any(t is not None and t.requires_grad for t in tensors)
    hooks = norm._forward_pre_hooks or norm._forward_hooks
    trained = norm.kind is not FrozenBatchNorm  # swapped once more: its weight is computed
    return frozen and not trained and is_plain_norm(norm) and norm.running_mean is not None and not hooks
