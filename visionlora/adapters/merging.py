"""Merging adapters into the weights, permanently or for a while; switching them off; their strength."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Real
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from visionlora.adapters.base import Adapter
from visionlora.adapters.errors import LoraError
from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.merged_product import is_merged_in_rows
from visionlora.adapters.network import active_adapters, finish_detaching, remove_adapters, require_adapters
from visionlora.adapters.replaced_tensors import (
    forget_replaced,
    frozen_tensors,
    interpolated,
    replaced,
    set_replaced,
)
from visionlora.frozen.folding import unfold_batch_norm
from visionlora.frozen.growth import Gate, growths
from visionlora.kernels.convolution import is_channels_last
from visionlora.kernels.tensors import LAST
from visionlora.text import brief

MOST_STRENGTH = 1e6
"""Beyond it an update may leave single precision."""
_Network = TypeVar("_Network", bound=nn.Module)


@torch.inference_mode(False)  # the weights may be trained later
def merge(model: _Network, *, keep_blocks: bool = False) -> _Network:
    """Put the active adapters into the weights, in place: plain layers, with what was learned in them. Other
    adapters are dropped.

    Computed once in single or double precision and cast to the weight's type. Parameters stay frozen.

    Args:
        model: an adapted network.
        keep_blocks: whether new blocks (`model.expand`) stay, which no weight can hold; otherwise a network
            with some is refused.

    Raises:
        LoraError: the model has no adapters, some that are modules of their own (Conv-Adapter, prompts), new
            blocks that are not to be kept, or adapters that make a weight NaN or infinite.
    """
    named = require_adapters(model)
    if growths(model) and not keep_blocks:
        raise LoraError(
            "The network has new blocks (model.expand), which are modules of their own and no change of a "
            "weight: use it with them (merge(network, keep_blocks=True) merges what is beside them)."
        )
    layers = named.values()
    for layer in layers:
        for adapter in (one for one in layer.module_adapters() if not one.mergeable):
            raise LoraError(
                f"{adapter.family} is a module of its own and not a change of a weight, so it can't be "
                f"merged: use the network with it, or activate only the other adapters."
            )
    weights = {name: _finite_weight(name, layer) for name, layer in named.items()}
    unfold_batch_norm(model)
    for name, layer in named.items():
        for adapter in layer.module_adapters():
            adapter.merge_into(layer)
        parameter = layer.adapted_parameter
        remove_adapters(layer)
        layer._parameters[parameter] = nn.Parameter(weights.pop(name), requires_grad=False)
    forget_replaced(model)
    return finish_detaching(model, ())


def is_mergeable(model: nn.Module) -> bool:
    """Whether `merge` can put all active adapters into the weights: none is a module of its own."""
    layers = require_adapters(model).values()
    return all(adapter.mergeable for layer in layers for adapter in layer.module_adapters())


@torch.no_grad()
def _finite_weight(name: str, layer: AdaptedLayer) -> Tensor:
    """The weight that `merge` gives a layer."""
    was_training = layer.adapters.training
    layer.adapters.eval()  # a rank that DyLoRA drew for one step is not permanent
    weight = _laid_out(layer)
    layer.adapters.train(was_training)
    if not weight.is_meta and not bool(weight.isfinite().all()):
        raise LoraError(
            f"{name}: with its adapter the weight has values that are NaN or infinite: use a smaller "
            "strength, or train again with a lower learning rate."
        )
    return weight


def _laid_out(layer: AdaptedLayer) -> Tensor:
    """The adapted weight, in memory as the frozen one: a family may compute it in another order."""
    weight = layer.adapted_weight()
    last = not layer.is_quantised and is_channels_last(layer.base_weight)
    return weight.contiguous(memory_format=LAST[weight.ndim]) if last else weight


@contextmanager
def merged(model: nn.Module) -> Iterator[None]:
    """Inside, adapted layers compute with their merged weight, at the cost of the plain layer. Adapters
    that are modules of their own are computed beside it. A quantised layer is merged again in each call, and
    on a CPU so is a large linear one, a few rows at a time.

    The merged weights are a snapshot that stands beside the base tensors, which are not touched: they are
    what they were afterwards, whatever happens inside. No gradient reaches the adapters inside, and steps
    that an optimizer takes show after it. A copy of the network that is made inside is not merged. Within
    `adapters_off` (inside or around) the network is the frozen one.

    Raises:
        LoraError: the model has no adapters.
    """
    layers = list(require_adapters(model).values())
    before = [(layer.merged_weight, layer.merging) for layer in layers]
    try:
        for layer in layers:
            if layer.is_quantised or is_merged_in_rows(layer):
                layer.merging += 1
                continue
            with torch.no_grad():  # what is adapted by modules alone has the parameter itself as its weight
                layer.merged_weight = _laid_out(layer).detach()
        yield
    finally:
        for layer, (weight, merging) in zip(layers, before, strict=True):
            if isinstance(layer, AdaptedLayer):  # not where the adapters were merged or detached inside
                layer.merged_weight, layer.merging = weight, merging


@contextmanager
def adapters_off(model: nn.Module) -> Iterator[None]:
    """Inside, the network is the frozen one: new blocks off, replaced norms and heads as they were; may be
    nested, and used in or around `merged`. A copy that is made inside stays the frozen one (a teacher).

    Raises:
        LoraError: the model has no adapters.
    """
    layers: list[Any] = [*require_adapters(model).values(), *growths(model).values()]
    for layer in layers:
        layer.off += 1
    try:
        with frozen_tensors(model):
            yield
    finally:
        for layer in layers:
            if getattr(layer, "off", 0):  # not where the adapters were merged or detached inside
                layer.off -= 1


def scale(model: _Network, strength: float) -> _Network:
    """Multiply every active adapter's update, and the branch of every new block, by `strength`, in place;
    it is saved and merged so.

    Trained tensors stay as they are, and so do modules that were trained whole (a new head).

    Args:
        model: an adapted network; not inside `merged`, which holds the weights as they were.
        strength: above 0; 1 changes nothing (Wortsman et al. 2022,
            https://arxiv.org/abs/2109.01903, equation 1 with the frozen network at 0).

    Returns:
        `model` itself.

    Raises:
        LoraError: the model has no adapters, or strength is not a positive, finite number.
    """
    if not (_is_number(strength) and strength > 0):
        advice = ", or use scaled or adapters_off, which give the update back" if strength == 0 else ""
        raise LoraError(
            f"strength is {brief(strength)}: give a positive number up to {MOST_STRENGTH:g}{advice}."
        )
    for adapter in scalable(model):
        adapter.strength *= strength
    set_replaced(model, _between(model, strength))
    return model


def scalable(model: nn.Module) -> list[Adapter | Gate]:
    """What has a strength: the active adapters, and the gates of new blocks."""
    return [*active_adapters(model), *(growth.gate for growth in growths(model).values())]


@contextmanager
def scaled(model: nn.Module, strength: float) -> Iterator[None]:
    """Inside, every active adapter's update is multiplied by `strength`, 0 included; afterwards it is exactly
    what it was. `merged` goes inside of it, not around it.

    Raises:
        LoraError: the model has no adapters, or strength is negative or not finite.
    """
    if not (_is_number(strength) and strength >= 0):
        raise LoraError(f"strength is {brief(strength)}: give a number from 0 to {MOST_STRENGTH:g}.")
    adapters = scalable(model)
    before = [adapter.strength for adapter in adapters]
    state = model.state_dict() if replaced(model) else {}
    tensors = {key: state[key].detach().clone() for key in replaced(model)}
    try:
        set_replaced(model, _between(model, strength))
        for adapter, own in zip(adapters, before, strict=True):
            adapter.strength = own * strength
        yield
    finally:
        for adapter, own in zip(adapters, before, strict=True):
            adapter.strength = own
        set_replaced(model, tensors)


def _is_number(strength: object) -> bool:
    return isinstance(strength, Real) and math.isfinite(strength) and strength <= MOST_STRENGTH


def _between(model: nn.Module, strength: float) -> dict[str, Tensor]:
    """The tensors that an adapter replaced, at a strength between the frozen values and those now."""
    state = model.state_dict() if replaced(model) else {}
    return {
        key: interpolated(key, frozen, [(strength, state[key])])
        for key, (frozen, _) in replaced(model).items()
    }
