"""Where a network comes from, by its name: torchvision, timm, a user's function, or pocket.

==========================  ==================================================
``vgg19``                   torchvision's classification networks
``deeplabv3_resnet50``      its networks for other tasks (:mod:`.other_tasks`)
``timm/resnet18.a1_in1k``   timm's (:mod:`.timm_networks`)
``package.module:function`` the user's own (:mod:`.factory`)
``pocket``                  the network that ships with the project
==========================  ==================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from visionlora.errors import VisionLoraError
from visionlora.models import factory, other_tasks, registry, timm_networks
from visionlora.models.download import cache_path, published_weights
from visionlora.models.heads import like
from visionlora.models.known import POCKET
from visionlora.models.metadata import WeightsMetadata

POCKET_NETWORK = "squeezenet1_1"


def check_source(name: str, others: Sequence[str] = ()) -> None:
    """Check that a network of this name exists; nothing is built, and no code of the user's runs.

    Raises:
        VisionLoraError: it does not, or its package is not installed.
    """
    if timm_networks.is_timm(name):
        timm_networks.check_timm_name(name)
    elif not factory.is_factory(name) and other_tasks.task_of(name) is None:
        registry.check_name(name, others)


def network_name(name: str) -> str:
    """What torchvision or timm calls the network."""
    return POCKET_NETWORK if name == POCKET else name.removeprefix(timm_networks.PREFIX)


def describe(name: str) -> WeightsMetadata:
    """The outputs and the input of a network's published weights; not for a factory's."""
    if timm_networks.is_timm(name):
        return timm_networks.describe(name)
    if other_tasks.task_of(name):
        return other_tasks.describe(name)
    return WeightsMetadata.of_imagenet(network_name(name))


def constructor_options(name: str, state: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """What the network's constructor is given besides the number of outputs, for weights from a file."""
    if timm_networks.is_timm(name) or factory.is_factory(name):
        return {}
    if other_tasks.task_of(name):
        return other_tasks.constructor_options(name, state)
    return registry.constructor_options(network_name(name), state)


def outputs_in(name: str, model: nn.Module, state: Mapping[str, Tensor], outputs: int) -> int:
    """How many outputs a file's weights have.

    Args:
        name: of the network.
        model: with as many outputs as its published weights have.
        state: the file's weights, under the network's names.
        outputs: how many the model has.
    """
    if other_tasks.task_of(name):
        return other_tasks.outputs_in(state) or outputs
    try:
        last = state.get(registry.final_layer(model, outputs) + ".weight")
    except VisionLoraError:
        if factory.is_factory(name):  # one that names its classes itself, and need have no such layer
            return outputs
        raise
    # An empty tensor may claim any number of rows: it is refused when the network is filled.
    return len(last) if last is not None and last.dim() and last.numel() else outputs


def structure(name: str, outputs: int, options: Mapping[str, Any] | None = None) -> nn.Module:
    """A network's layers, with their weights on the meta device."""
    if factory.is_factory(name):
        return _with_outputs(factory.make(name), name, outputs).to("meta")
    if timm_networks.is_timm(name):
        return timm_networks.build(name, outputs, seed=None)
    if other_tasks.task_of(name):
        given = other_tasks.constructor_options(name) if options is None else options
        return other_tasks.build(name, outputs, given, seed=None)
    return registry.build_empty(network_name(name), outputs, options)


def _with_outputs(network: nn.Module, name: str, outputs: int) -> nn.Module:
    """A factory's network, in place, with another last layer where it has another number of outputs; 0: as it
    is."""
    own = len(factory.describe(network, name).categories)
    if outputs not in (0, own):
        layer = registry.final_layer(network, own)
        network.set_submodule(layer, like(network.get_submodule(layer), outputs))  # type: ignore[arg-type]
    return network


def random_network(name: str, outputs: int, options: Mapping[str, Any], seed: int) -> nn.Module:
    """A network in eval mode with random weights from ``seed``; not for a factory's."""
    if timm_networks.is_timm(name):
        return timm_networks.build(name, outputs, seed=seed)
    if other_tasks.task_of(name):
        return other_tasks.build(name, outputs, options, seed=seed)
    return registry.build(network_name(name), outputs, seed=seed, options=options)


def published_file(name: str, progress: bool, timeout_s: float) -> tuple[Path, str | None]:
    """The file of a network's published weights, downloaded if it is in no cache, and a notice about it.

    Raises:
        WeightsUnavailable: the download failed.
    """
    if not timm_networks.is_timm(name):
        return published_weights(name, registry.default_weights(name).url, progress, timeout_s)
    cached, url, file_name = timm_networks.published(name)
    if cached is not None:
        return cached, None
    return published_weights(name, url, progress, timeout_s, file_name)


def is_here(name: str) -> bool:
    """Whether a network's published weights need no download."""
    if factory.is_factory(name):
        return True
    if not timm_networks.is_timm(name):
        return cache_path(registry.default_weights(name).url).is_file()
    cached, url, file_name = timm_networks.published(name)
    return cached is not None or cache_path(url, file_name).is_file()


@torch.inference_mode()
def require_class_logits(name: str, model: nn.Module, outputs: int, side: int) -> None:
    """Check that a network gives logits of classes for images, which is what training needs.

    Args:
        name: of the network.
        model: on the CPU.
        outputs: how many classes there are.
        side: of its images in pixels.

    Raises:
        VisionLoraError: it gives something else.
    """
    task = other_tasks.task_of(name)
    if task is not None:
        raise VisionLoraError(
            f"model {name}: a {task} network gives no class logits of images, so train cannot learn with it; "
            "attach, merge and load work (visionlora.attach)"
        )
    if not factory.is_factory(name):
        return
    try:
        given = model(torch.zeros(1, 3, side, side))
    except Exception as error:  # the user's network
        raise VisionLoraError(
            f"model.factory: {name} does not take a float32 image (1, 3, {side}, {side}): "
            f"{type(error).__name__}: {str(error)[:200]}"
        ) from error
    shape = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
    if shape != (1, outputs):
        raise VisionLoraError(
            f"model.factory: for an image {name} gives {shape} and not logits of its {outputs} classes, "
            "(1, classes); train needs these"
        )
