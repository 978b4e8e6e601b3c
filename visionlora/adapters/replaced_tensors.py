"""Tensors of the network that a saved adapter replaces whole: norms, a head, layers that were trained as they
are. Their frozen values are kept, so that `adapters_off` gives the frozen network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from visionlora.frozen.packed import PackedWeight

_KEY = "replaced_tensors"


def replaced(model: nn.Module) -> Mapping[str, tuple[Tensor, Tensor]]:
    """(frozen, replacing) by the tensor's name in the state dict; empty where nothing was replaced."""
    return vars(model).get(_KEY, {})


@torch.no_grad()
def replace_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give tensors of the network these values, in place, and keep those that they had; a quantised weight
    is replaced by a dense one, which has the values that it computed with. A parameter that another module
    has too stays there as it is."""
    if not tensors:
        return
    holders = Counter(id(one) for module in model.modules() for one in module._parameters.values())
    for key in tensors:
        path, _, leaf = key.rpartition(".")
        place = model.get_submodule(path)._parameters
        weight = place.get(leaf)
        if isinstance(weight, PackedWeight):
            place[leaf] = nn.Parameter(weight.dense(), requires_grad=False)
        elif weight is not None and holders[id(weight)] > 1:
            place[leaf] = nn.Parameter(weight.detach().clone(), requires_grad=weight.requires_grad)
    state, kept = model.state_dict(), vars(model).setdefault(_KEY, {})
    for key, tensor in tensors.items():
        frozen = kept[key][0] if key in kept else state[key].detach().clone()
        kept[key] = (frozen, tensor.detach().clone().to(frozen.device))
        state[key].copy_(tensor)


@torch.no_grad()
def set_replaced(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give replaced tensors other values, in place."""
    state = model.state_dict() if tensors else {}
    for key, tensor in tensors.items():
        state[key].copy_(tensor)


def forget_replaced(model: nn.Module, modules: Sequence[str] | None = None) -> None:
    """What replaced the tensors of these modules counts as the network's own from now on; None: of all."""
    if modules is None:
        vars(model).pop(_KEY, None)
        return
    kept = vars(model).get(_KEY, {})
    for key in [key for key in kept if any(key.startswith(f"{module}.") for module in modules)]:
        del kept[key]


def interpolated(key: str, frozen: Tensor, shares: Sequence[tuple[float, Tensor]]) -> Tensor:
    """frozen + the sum of share * (replacing - frozen); a running variance is at least 0, whole numbers stay.

    Args:
        key: the tensor's name.
        frozen: its frozen value.
        shares: strength and replacing value of each adapter that replaces it.
    """
    if not frozen.is_floating_point():
        return frozen
    total = frozen + sum(share * (one.to(frozen.dtype) - frozen) for share, one in shares)
    return total.clamp_min(0) if key.endswith("running_var") else total


def replaced_by_module(model: nn.Module, modules: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """The modules that have to be saved whole, these and those of replaced tensors, and the replaced tensors
    of modules with others inside, which can't be."""
    found, tensors = list(modules), []
    for key in replaced(model):
        path = key.rpartition(".")[0]
        if any(path == one or path.startswith(f"{one}.") for one in found):
            continue
        if path and not any(True for _ in model.get_submodule(path).children()):
            found.append(path)
        else:
            tensors.append(key)
    return found, tensors


@contextmanager
def frozen_tensors(model: nn.Module) -> Iterator[None]:
    """Inside, replaced tensors have their frozen values; afterwards they are the objects that they were."""
    swapped: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for key, (frozen, _) in replaced(model).items():
            path, _, leaf = key.rpartition(".")
            module = model.get_submodule(path)
            place: dict[str, Any] = module._parameters if leaf in module._parameters else module._buffers
            swapped.append((place, leaf, place[leaf]))
            value = frozen.to(place[leaf].device)
            place[leaf] = nn.Parameter(value, False) if place is module._parameters else value
        yield
    finally:
        for place, leaf, value in reversed(swapped):
            place[leaf] = value
