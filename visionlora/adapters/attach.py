"""Putting adapters on a network, switching them off, merging them, and taking them off again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from visionlora.adapters.config import LoraConfig, LoraError
from visionlora.adapters.layers import LoraLayer, can_adapt, swap_class, swapped_class
from visionlora.adapters.targets import chosen_layers, closest, unmatched_patterns
from visionlora.frozen.activations import in_place_again, out_of_place
from visionlora.frozen.folding import unfold_batch_norm
from visionlora.frozen.freeze import freeze, plain_again
from visionlora.kernels.convolution import LAST, is_channels_last

_Network = TypeVar("_Network", bound=nn.Module)


@dataclass(frozen=True)
class LayerPlan:
    """One layer's adapter, before it is there."""

    rank: int
    alpha: float
    rslora: bool = False
    dropout: float = 0.0
    init_std: float | None = None


def attach(
    model: _Network, config: LoraConfig | None = None, *, generator: torch.Generator | None = None
) -> _Network:
    """Puts an adapter on every targeted layer, in place, and freezes everything else.

    At this moment the network still computes what it did: B is zero. Batch-norm layers stay in eval mode from
    now on, whatever `model.train()` says. A's values depend on one number drawn from `generator` and on the
    layer's name, not on which others are adapted, nor on the device. A weight that two layers share gets an
    adapter for each.

    Args:
        model: a network of nn.Conv1d/2d/3d and nn.Linear layers (or subclasses of those); may itself be
            such a layer.
        config: what to adapt and how strongly; by default all layers at rank 8.
        generator: makes A reproducible; by default PyTorch's global one.

    Returns:
        `model` itself.

    Raises:
        LoraError: a target matches nothing, a layer can't be adapted, or the model has adapters already.
    """
    config = config or LoraConfig()
    names = chosen_layers(model, config.targets, config.exclude)
    for key, patterns in (("rank_pattern", config.rank_pattern), ("alpha_pattern", config.alpha_pattern)):
        for pattern in unmatched_patterns(patterns, names):
            raise LoraError(
                f"{key} {pattern!r} matches no adapted layer; close names: {closest(pattern, names)}."
            )
    plans = {
        name: LayerPlan(
            config.rank_of(name), config.alpha_of(name), config.rslora, config.dropout, config.init_std
        )
        for name in names
    }
    return attach_layers(model, plans, generator)


def attach_layers(
    model: _Network, plans: Mapping[str, LayerPlan], generator: torch.Generator | None = None
) -> _Network:
    """`attach` for layers that are already chosen: everything is checked before anything is changed."""
    if adapted_layers(model):
        raise LoraError("The model has adapters already: detach or merge them before attaching new ones.")
    modules = {name: model.get_submodule(name) for name in plans}
    for name, module in modules.items():
        _check_adaptable(name, module)
    seed = _draw_seed(generator)
    freeze(model, set(modules.values()))
    out_of_place(model)
    for name, module in modules.items():
        _put_on(module, plans[name], _layer_generator(seed, name))
    return model


def detach(model: _Network) -> _Network:
    """Throws the adapters away, in place: plain layers with the tensors they had, bit for bit.

    Parameters stay frozen (`model.requires_grad_(True)` undoes that).

    Raises:
        LoraError: the model has no adapters.
    """
    layers = _adapted(model).values()
    unfold_batch_norm(model)
    for layer in layers:
        _take_off(layer)
    return _plain(model)


def merge(model: _Network) -> _Network:
    """Adds each adapter's update to its weight and leaves plain layers, in place: nothing of this package
    remains.

    The sum is computed in single precision (double for a double network) and cast once. Weights that layers
    shared are separate tensors afterwards. Parameters stay frozen.

    Raises:
        LoraError: the model has no adapters.
    """
    layers = _adapted(model).values()
    unfold_batch_norm(model)
    for layer in layers:
        with torch.no_grad():
            weight = layer.lora_merged_weight()
        _take_off(layer)
        layer._parameters["weight"] = nn.Parameter(weight, requires_grad=False)
    return _plain(model)


@contextmanager
def merged(model: nn.Module) -> Iterator[None]:
    """Inside, adapted layers compute with their merged weight, at the cost of the plain layer.

    The merged weights are a snapshot that stands beside the base tensors, which are not touched: they are
    what they were afterwards, whatever happens inside. No gradient reaches the adapters inside, and steps
    that an optimizer takes show after it. Within `adapters_off` (inside or around) the network is the
    frozen one.

    Raises:
        LoraError: the model has no adapters.
    """
    layers = list(_adapted(model).values())
    before = [layer.lora_merged for layer in layers]
    try:
        for layer in layers:
            with torch.no_grad():
                layer.lora_merged = layer.lora_merged_weight()
        yield
    finally:
        for layer, previous in zip(layers, before, strict=True):
            layer.lora_merged = previous


@contextmanager
def adapters_off(model: nn.Module) -> Iterator[None]:
    """Inside, the network is the frozen one; may be nested, and used inside or around `merged`.

    Raises:
        LoraError: the model has no adapters.
    """
    layers = list(_adapted(model).values())
    for layer in layers:
        layer.lora_off += 1
    try:
        yield
    finally:
        for layer in layers:
            layer.lora_off -= 1


def scale(model: _Network, strength: float) -> _Network:
    """Multiplies every adapter's update by `strength` for good, in place: by way of its alpha, so that it is
    saved, merged and read by PEFT as any other adapter.

    Trained tensors stay as they are, and so do modules that were trained whole (a new head).

    Args:
        model: an adapted network; not inside `merged`, which holds the weights as they were.
        strength: above 0; 1 leaves everything as it is (Wortsman et al. 2022,
            https://arxiv.org/abs/2109.01903, equation 1 with the frozen network at 0).

    Returns:
        `model` itself.

    Raises:
        LoraError: the model has no adapters, or strength is not a positive, finite number.
    """
    if not (math.isfinite(strength) and strength > 0):
        raise LoraError(f"strength is {strength!r}: give a positive number.")
    for layer in _adapted(model).values():
        layer.lora_alpha *= strength
    return model


@contextmanager
def scaled(model: nn.Module, strength: float) -> Iterator[None]:
    """Inside, every adapter's update is multiplied by `strength`, 0 included; afterwards it is exactly what
    it was. `merged` goes inside of it, not around it.

    Raises:
        LoraError: the model has no adapters, or strength is negative or not finite.
    """
    if not (math.isfinite(strength) and strength >= 0):
        raise LoraError(f"strength is {strength!r}: give a number of at least 0.")
    layers = list(_adapted(model).values())
    before = [layer.lora_alpha for layer in layers]
    try:
        for layer, alpha in zip(layers, before, strict=True):
            layer.lora_alpha = alpha * strength
        yield
    finally:
        for layer, alpha in zip(layers, before, strict=True):
            layer.lora_alpha = alpha


def adapted_layers(model: nn.Module) -> dict[str, LoraLayer]:
    """The adapted layers by name, in the model's order; empty where nothing is attached."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}


def adapter_parameters(model: nn.Module) -> Iterator[nn.Parameter]:
    """A and B of every adapted layer."""
    for layer in adapted_layers(model).values():
        yield layer.lora_A
        yield layer.lora_B


def adapter_state(model: nn.Module) -> dict[str, Tensor]:
    """`<layer>.lora_A` and `<layer>.lora_B` of every adapted layer, detached, not copied."""
    return {
        f"{name}.{part}" if name else part: getattr(layer, part).detach()
        for name, layer in adapted_layers(model).items()
        for part in ("lora_A", "lora_B")
    }


def _adapted(model: nn.Module) -> dict[str, LoraLayer]:
    layers = adapted_layers(model)
    if not layers:
        raise LoraError(f"The {type(model).__name__} has no adapters: attach or load some first.")
    return layers


def _check_adaptable(name: str, module: nn.Module) -> None:
    weight = module._parameters.get("weight")
    if isinstance(weight, UninitializedParameter):
        raise LoraError(f"{name}: the layer is not initialised yet: run the model once before attaching.")
    if weight is None:
        raise LoraError(
            f"{name}: its weight is re-parametrised (weight_norm, spectral_norm, prune, ...): "
            f"remove the parametrisation first, or exclude the layer."
        )
    if not can_adapt(module) or not weight.is_floating_point():
        raise LoraError(
            f"{name}: a {type(module).__name__} of {weight.dtype} can't be adapted: exclude the layer."
        )


def _draw_seed(generator: torch.Generator | None) -> int:
    device = generator.device if generator is not None else "cpu"
    return int(torch.randint(2**62, (), generator=generator, device=device))


def _layer_generator(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def _put_on(module: nn.Module, plan: LayerPlan, generator: torch.Generator) -> None:
    weight = module._parameters["weight"]
    assert weight is not None
    std = plan.init_std or weight[0].numel() ** -0.5
    # Half precision is too coarse for the small steps of an adapter.
    dtype = torch.promote_types(weight.dtype, torch.float32)
    A = torch.randn((plan.rank, *weight.shape[1:]), dtype=dtype, generator=generator).mul_(std)
    B = torch.zeros(weight.shape[0], plan.rank, *(1,) * (weight.ndim - 2), dtype=dtype)
    if is_channels_last(weight):  # as the gradients that will be added to it
        A = A.contiguous(memory_format=LAST[A.ndim])
    layer = swap_class(module, swapped_class(type(module)))
    layer.lora_A = nn.Parameter(A.to(weight.device))
    layer.lora_B = nn.Parameter(B.to(weight.device))
    layer.lora_alpha = plan.alpha
    layer.lora_rslora = plan.rslora
    layer.lora_dropout = plan.dropout
    layer.lora_off = 0
    layer.register_buffer("lora_merged", None, persistent=False)


def _take_off(layer: LoraLayer) -> None:
    for name in ("lora_A", "lora_B", "lora_alpha", "lora_rslora", "lora_dropout", "lora_off", "lora_merged"):
        delattr(layer, name)
    swap_class(layer, layer.base_class)


def _plain(model: _Network) -> _Network:
    in_place_again(model)
    plain_again(model)
    return model
