"""How adapters start where that depends on images: those to learn, or the anchors that are to be kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.adapters import AdapterSettings, adapted_layers, adapters_off, named_adapters
from visionlora.adapters.collect import layer_inputs, set_starts, weight_gradients
from visionlora.adapters.families.lora import Lora
from visionlora.adapters.init import FROM_DATA
from visionlora.adapters.init.contrastive import contrastive
from visionlora.adapters.init.from_data import TooFewDirections, corda, eva, lora_ga, lora_null
from visionlora.adapters.init.start import Start
from visionlora.adapters.layers import adapters_in
from visionlora.adapters.network import active_names, named_sites
from visionlora.adapters.restart import RestartedLora
from visionlora.adapters.settings import AUTO
from visionlora.errors import VisionLoraError
from visionlora.frozen.weight import frozen_weight
from visionlora.models.upper_layers import multiplications
from visionlora.notices import Notices
from visionlora.report.progress import progress
from visionlora.text import counted

Batch = Mapping[str, Tensor]
IMAGES = 64
"""Images that a start is computed from."""
BOTH = 256
"""Images to learn, and as many anchors, for a start that compares the two."""
MULTIPLICATIONS = 2.5e11
"""Budget of a start for each kind of image: 256 images with SqueezeNet, 61 with ResNet50, at least 16."""
ROWS = 512
"""Patches that a layer keeps of each batch."""
ON_ANCHORS = ("corda", "lora_null")
CONTRASTIVE = "contrastive"
_FROM_INPUTS: dict[str, Callable[[Tensor, AdapterSettings, Tensor], Start]] = {
    "eva": eva, "corda": corda, "lora_null": lora_null,
}  # fmt: skip


def chosen_init(init: str, network: nn.Module, anchors: bool) -> str:
    """What a run does for ``lora.init=auto``: LoRA starts from images where there are anchors to tell them
    from, everything else as its family does. Other names stay as they are.

    Args:
        init: as it was configured.
        network: with its adapters.
        anchors: whether there are any.
    """
    if init != AUTO:
        return init
    layers = adapted_layers(network).values()
    families = {adapter.settings.family for layer in layers for _, _, adapter in adapters_in(layer)}
    return CONTRASTIVE if anchors and families == {"lora"} else "default"


def start_from_data(
    network: nn.Module,
    init: str,
    training: Iterable[Batch],
    anchors: Iterable[Batch] | None,
    device: torch.device,
    notices: Notices,
    cycles: int = 1,
) -> None:
    """Start the adapters from images, in place, if ``init`` is such a start; the network's output does not
    change.

    Args:
        network: adapted.
        init: a start's name; nothing is done unless it is in `adapters.init.FROM_DATA`.
        training: batches of the images to learn, ``images`` (n, 3, S, S) and ``labels`` (n,).
        anchors: batches of images that are to be kept; None: there are none.
        device: where the network is computed.
        notices: says which layers keep their own start.
        cycles: how often adapters start that restart (ReLoRA), the first time included.

    Raises:
        VisionLoraError: a start from anchors where there are none.
    """
    if init not in FROM_DATA:
        return
    if init in (*ON_ANCHORS, CONTRASTIVE) and anchors is None:
        raise VisionLoraError(
            f"lora.init={init} starts from anchors, and there are none: set retention.anchors"
        )
    adapters = {
        (name, site): adapter
        for name in active_names(network)
        for site, adapter in named_adapters(network, name).items()
        if isinstance(adapter, Lora)
    }
    collected = _collect(network, init, training, anchors, {site for _, site in adapters}, device)
    starts = {}
    with progress(notices.console, f"lora.init={init}", "layers") as advance:
        for done, ((name, site), one) in enumerate(adapters.items()):
            advance(done, len(adapters))
            settings = _settings(one, cycles, collected.found.get(site))
            start = _start(network, site, settings, init, collected)
            if isinstance(one, RestartedLora) and start is not None:
                start = one.plan(start.A.flip(0))  # those of the largest eigenvalues come last
            starts[name, site] = start
    for name in active_names(network):
        own = {site: start for (of, site), start in starts.items() if of == name and start is not None}
        set_starts(network, own, name)
    left = [site for (_, site), start in starts.items() if start is None]
    rest = f"; {len(left)} keep their own, the first: {left[0]}" if left else ""
    notices.say(f"lora.init={init} starts {counted(len(starts) - len(left), 'layer')}{rest}")


class _Collected(NamedTuple):
    """What is known of layers, by the full names of their weights.

    Attributes:
        found: their inputs, (rows, values), of the images that the start is made from; of ``lora_ga`` the
            gradients of their weights.
        known: their inputs of the anchors that ``contrastive`` compares those with; else empty.
    """

    found: Mapping[str, Tensor]
    known: Mapping[str, Tensor]


def _collect(
    network: nn.Module,
    init: str,
    training: Iterable[Batch],
    anchors: Iterable[Batch] | None,
    sites: Collection[str],
    device: torch.device,
) -> _Collected:
    """Run the network on the images that a start is made from; the other parameters are
    :func:`start_from_data`'s, and ``sites`` the layers to collect from."""
    training = iter(training)
    first = next(training)
    count = BOTH if init == CONTRASTIVE else IMAGES
    count = _affordable(network, count, first["images"].shape[-1])
    training = chain([first], training)
    batches = list(_first(anchors if init in ON_ANCHORS and anchors is not None else training, count))
    was_training = network.training
    network.eval().to(device)
    if init == "lora_ga":
        found = _gradients(network, batches, device)
    else:
        found = layer_inputs(network, lambda: _compute(network, batches, device), ROWS, only=sites)
    known: dict[str, Tensor] = {}
    if init == CONTRASTIVE and anchors is not None:
        known = layer_inputs(
            network, lambda: _compute(network, _first(anchors, count), device), ROWS, only=sites
        )
    network.train(was_training)
    return _Collected(found, known)


def _affordable(network: nn.Module, count: int, size: int) -> int:
    """How many of ``count`` images of ``size`` pixels a side fit the budget of a start, at least 16."""
    spent = sum(multiplications(network, size).values())
    return min(count, max(16, int(MULTIPLICATIONS / max(1, spent))))


def _first(batches: Iterable[Batch], count: int) -> Iterator[Batch]:
    seen = 0
    for batch in batches:
        yield batch
        seen += len(batch["images"])
        if seen >= count:
            return


def _settings(adapter: Lora, cycles: int, inputs: Tensor | None) -> AdapterSettings:
    """An adapter's settings; one that restarts has the rank of all cycles, as far as there are directions."""
    settings = adapter.settings
    if not isinstance(adapter, RestartedLora) or inputs is None:
        return settings
    known = min(inputs.shape) // settings.rank
    return replace(settings, rank=settings.rank * max(1, min(cycles, known)))


def _start(
    network: nn.Module, site: str, settings: AdapterSettings, init: str, collected: _Collected
) -> Start | None:
    """None where the layer was not called, or its inputs have fewer directions than the rank."""
    found, known = collected
    if site not in found:
        return None
    module, where = named_sites(network)[site]
    base = where.view(frozen_weight(module, where.parameter).dense()).detach().float().cpu()
    if init == "lora_ga":
        return lora_ga(base, settings, found[site].float().cpu())
    try:
        if init == CONTRASTIVE:
            return contrastive(base, settings, found[site], known[site])
        return _FROM_INPUTS[init](base, settings, found[site])
    except TooFewDirections:
        return None


def _compute(network: nn.Module, batches: Iterable[Batch], device: torch.device) -> None:
    with torch.no_grad(), adapters_off(network):
        for batch in batches:
            network(batch["images"].to(device))


def _gradients(network: nn.Module, batches: Iterable[Batch], device: torch.device) -> dict[str, Tensor]:
    """The gradients of the loss, added up batch by batch, which takes the memory of one."""
    total: dict[str, Tensor] = {}
    for batch in batches:
        found = weight_gradients(network, partial(_loss, network, batch, device))
        total = {name: total.get(name, 0) + gradient for name, gradient in found.items()}
    return total


def _loss(network: nn.Module, batch: Batch, device: torch.device) -> Tensor:
    logits = network(batch["images"].to(device))
    return F.cross_entropy(logits, batch["labels"].to(device), reduction="sum")
