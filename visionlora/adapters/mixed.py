"""A batch whose images use different adapters, in one pass.

All adapters stay on the network. Where those of a layer are low-rank, the frozen layer is computed once for
the whole batch, and each adapter's two small layers for its own images; otherwise the layer is computed for
the images of each adapter. Images are sorted by adapter meanwhile, so each adapter's are one slice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from visionlora.adapters.attaching import activate
from visionlora.adapters.errors import LoraError
from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.mixed_batch import MixedBatch, ReadsWeight
from visionlora.adapters.network import adapted_layers, adapter_names, require_adapters, with_parts

Assignment = str | Sequence[str] | None
"""The adapter of an image, those that act together on it, or None for the frozen network."""


@torch.no_grad()
def predict_mixed(model: nn.Module, images: Tensor, adapters: Sequence[Assignment]) -> Tensor:
    """The network's output for a batch, each image with adapters of its own.

    Args:
        model: holds all the adapters; in eval mode. Which are active does not matter and stays as it is.
        images: (N, 3, height, width).
        adapters: N names of adapters, tuples of names that act together, or None for the frozen network.

    Returns:
        What the network gives for the images, in their order: (N, outputs).

    Raises:
        LoraError: a name that the network does not have, not one for each image, or a network in training
            mode.
    """
    require_adapters(model)
    chosen = [with_parts(model, _names(one)) for one in adapters]
    known = adapter_names(model)
    for name in dict.fromkeys(name for names in chosen for name in names):
        if name not in known:
            raise LoraError(f"There is no adapter {name!r}; there are {', '.join(known)}.")
    if len(chosen) != len(images):
        raise LoraError(
            f"There are {len(images)} images and {len(chosen)} adapters: give one for each image."
        )
    if model.training:
        raise LoraError("The network is in training mode: call model.eval() first.")
    order = sorted(range(len(chosen)), key=lambda place: chosen[place])
    kinds = sorted(set(chosen))
    counts = [chosen.count(kind) for kind in kinds]
    places = torch.tensor(order, device=images.device)
    sorted_images = images[places]
    try:
        with _mixed(model, MixedBatch(tuple(kinds), tuple(counts))):
            outputs = model(sorted_images)
    except ReadsWeight:
        # A network that reads a layer's weight and computes with it by itself has one weight for the batch.
        outputs = _by_adapter(model, sorted_images, kinds, counts)
    back = torch.empty_like(places)
    back[places] = torch.arange(len(order), device=images.device)
    return outputs[back]


@contextmanager
def _mixed(model: nn.Module, batch: MixedBatch) -> Iterator[None]:
    layers = list(adapted_layers(model).values())
    try:
        for layer in layers:
            layer.mixed = batch
        yield
    finally:
        for layer in layers:
            layer.mixed = None


def _by_adapter(
    model: nn.Module, images: Tensor, kinds: Sequence[tuple[str, ...]], counts: Sequence[int]
) -> Tensor:
    before: Mapping[AdaptedLayer, tuple[str, ...]] = {
        layer: layer.active for layer in adapted_layers(model).values()
    }
    try:
        outputs: list[Any] = []
        for names, part in zip(kinds, images.split(list(counts)), strict=True):
            activate(model, *names)
            outputs.append(model(part))
        return torch.cat(outputs)
    finally:
        for layer, active in before.items():
            layer.active = active


def _names(given: Assignment) -> tuple[str, ...]:
    return () if given is None else (given,) if isinstance(given, str) else tuple(given)
