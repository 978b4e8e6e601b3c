"""How a training step of a network is computed here: each layer's implementations and their times."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from visionlora.adapters import AdaptedLayer, FrozenBatchNorm, LoraConfig, adapted_layers, attach, folded
from visionlora.device import choose_device
from visionlora.files import write_json
from visionlora.frozen.folding import FoldedConv, FoldedNorm
from visionlora.frozen.freeze import FrozenConv
from visionlora.frozen.split import split
from visionlora.kernels.autotune import implementation, recorded
from visionlora.kernels.candidates import PLAIN
from visionlora.kernels.decisions import Decision, Decisions
from visionlora.models import Backbone, load_backbone
from visionlora.models.adapted import with_prompt_size
from visionlora.models.config import ModelConfig
from visionlora.models.known import POCKET
from visionlora.plain_table import show
from visionlora.report.explanation import explanation_table
from visionlora.report.progress import progress
from visionlora.terminal import show_on_stderr
from visionlora.text import counted
from visionlora.training.config import ExplainConfig, TrainerConfig
from visionlora.training.precision import TYPES, choose_precision, pass_seconds

_STEPS = 3


@dataclass
class LayerCalls:
    """A layer in one step: its number of calls, and the input and decisions of the first one. Where PyTorch's
    own operations compute the whole layer, that is the product's."""

    calls: int = 0
    input: tuple[int, ...] = ()
    product: Decision | None = None
    gradient: Decision | None = None

    def entries(self) -> dict[str, Any]:
        """The same as plain data."""
        return {"calls": self.calls, "input": self.input, "product": self.product, "gradient": self.gradient}


def explain_network(options: ExplainConfig) -> dict[str, Any]:
    """Attach adapters to a network, take a step on random images, and print which implementation each layer
    used.

    Args:
        options: which network, adapters and step.

    Returns:
        What ``output`` holds, where one is named.

    Raises:
        VisionLoraError, visionlora.adapters.LoraError: a setting, network or layer that does not work out.
    """
    trainer = options.trainer
    if trainer.threads is not None:
        torch.set_num_threads(trainer.threads)
    backbone, images = _attached(options.model, options.lora, trainer, options.data.batch_size)
    show_on_stderr(_announcement(backbone.name, images))
    network = backbone.model
    fold = folded(network, images[:2]) if trainer.fold_batch_norm else nullcontext()
    with implementation(trainer.kernel), fold:
        precision, _ = choose_precision(trainer.precision, network, images)
        explanation = {
            "model": backbone.name,
            "input": list(images.shape),
            "precision": precision,
            "device": _device_in_words(images.device),
            "frozen_below": _frozen_below(network),
            **explain_step(network, images, TYPES.get(precision)),
        }
    if options.output is not None:
        write_json(options.output, explanation, indent=1)
    console = Console()
    # In a file or a pipe the table need not fit a terminal.
    show(explanation_table(explanation), console if console.is_terminal else Console(width=180))
    return explanation


def _announcement(name: str, images: Tensor) -> str:
    """What is about to be timed, in words: the layers of a large network take a minute."""
    count, _, height, width = images.shape
    sizes = f"{counted(count, 'random image')} of {height} x {width}"
    step = f"timing a training step of {name}: {sizes}, {_device_in_words(images.device)}"
    return f"{step}; model=NAME times another network" if name == POCKET else step


def _frozen_below(network: nn.Module) -> dict[str, Any] | None:
    """The first trained layer and how many layers below it a run computes once; None where there are none."""
    parts = split(network)
    return {"layer": parts.layer, "layers": parts.frozen_layers} if parts else None


def explain_step(network: nn.Module, images: Tensor, low: torch.dtype | None = None) -> dict[str, Any]:
    """Take steps with an adapted network and describe how its layers were computed, as plain data.

    Args:
        network: adapted; its batch norm folded or not.
        images: a batch on the network's device, (batch, 3, height, width).
        low: the type of autocast; None computes as the network is.
    """
    calls = _record_step(network, images, low)
    seconds = statistics.median(pass_seconds(network, [images], low) for _ in range(_STEPS))
    norms = {name: module for name, module in network.named_modules() if isinstance(module, FrozenBatchNorm)}
    names = {id(module): name for name, module in norms.items()}
    layers = [
        {
            "name": name,
            "kind": kind_of(layer),
            "rank": _rank(layer),
            "parameters": sum(p.numel() for p in _trained(layer)),
            "folded": names[id(layer.fold.norm)] if getattr(layer, "fold", None) else None,
            **calls[name].entries(),
        }
        for name, layer in _layers_with_choices(network).items()
    ]
    taken = [d for one in calls.values() for d in (one.product, one.gradient) if d and d["seconds"]]
    parameters = list(network.parameters())
    return {
        "layers": layers,
        "batch_norms": {
            "all": len(norms),
            "folded": sum(isinstance(norm, FoldedNorm) for norm in norms.values()),
        },
        "parameters": {
            "total": sum(parameter.numel() for parameter in parameters),
            "trainable": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        },
        "step_s": seconds,
        "timed_s": sum(decision["seconds"][decision["implementation"]] for decision in taken),
    }


def _rank(layer: Any) -> int:
    """The rank of the layer's active adapters together; 0 for a frozen one, and for families without."""
    if not isinstance(layer, AdaptedLayer):
        return 0
    adapters = layer.active_adapters()
    return sum(adapter.settings.rank for adapter in adapters if "rank" not in adapter.unused)


def _trained(layer: nn.Module) -> Iterator[nn.Parameter]:
    """The layer's own trained parameters and its adapters'."""
    yield from (parameter for parameter in layer.parameters(recurse=False) if parameter.requires_grad)
    if isinstance(layer, AdaptedLayer):
        yield from layer.adapters.parameters()


def kind_of(layer: Any) -> str:
    """A layer in a few words: ``conv 3x3 / 2, 64 -> 128``, ``linear 512 -> 1000``."""
    if isinstance(layer, nn.Linear):
        return f"linear {layer.in_features} -> {layer.out_features}"
    if isinstance(layer, nn.MultiheadAttention):
        return f"attention projections {layer.embed_dim} -> {3 * layer.embed_dim}"
    if isinstance(layer, nn.Embedding):
        return f"embedding {layer.num_embeddings} -> {layer.embedding_dim}"
    if not hasattr(layer, "kernel_size"):
        return f"normalization of {len(layer.base_weight)}"
    words = f"conv {'x'.join(map(str, layer.kernel_size))}"
    if max(layer.stride) > 1:
        words += f" / {max(layer.stride)}"
    if max(layer.dilation) > 1:
        words += f" dilated {max(layer.dilation)}"
    words += f", {layer.in_channels} -> {layer.out_channels}"
    return words if layer.groups == 1 else f"{words} in {layer.groups} groups"


def _attached(
    model: ModelConfig, lora: LoraConfig, trainer: TrainerConfig, batch_size: int
) -> tuple[Backbone, Tensor]:
    """The network with adapters, ready to train, and random images of its size; both on the device."""
    device = choose_device(trainer.accelerator)
    backbone = load_backbone(model.name, model.weights, option="model.weights")
    size = backbone.preprocessing.crop
    if model.weights == "none":
        _fit_batch_norm(backbone.model, size)
    lora = with_prompt_size(lora, size)
    network = attach(backbone.model, lora, generator=torch.Generator().manual_seed(0)).to(device)
    images = torch.randn(batch_size, 3, size, size, generator=torch.Generator().manual_seed(0)).to(device)
    if trainer.channels_last:
        network.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    for layer in adapted_layers(network).values():
        layer.train()  # for dropout on its input; everything else is in eval mode, as in a run
    return backbone, images


def _layers_with_choices(network: nn.Module) -> dict[str, Any]:
    """The layers that are computed by a choice: the adapted ones, and frozen grouped convolutions, with or
    without a folded batch norm."""
    return {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, AdaptedLayer | FrozenConv)
        or (isinstance(layer, FoldedConv) and layer.groups != 1)
    }


def _record_step(network: nn.Module, images: Tensor, low: torch.dtype | None) -> dict[str, LayerCalls]:
    """Take one step and record each of these layers; implementations that are not known yet are timed."""
    layers = _layers_with_choices(network)
    calls = {name: LayerCalls() for name in layers}
    handles = []
    with recorded() as decisions, progress(Console(stderr=True), "timing", "layers") as advance:
        for name, layer in layers.items():
            handles += _record_calls(layer, calls[name], decisions)
            handles.append(
                layer.register_forward_hook(
                    lambda *_: advance(sum(one.calls > 0 for one in calls.values()), len(layers))
                )
            )
        pass_seconds(network, [images], low)
    for handle in handles:
        handle.remove()
    return calls


def _record_calls(layer: nn.Module, calls: LayerCalls, decisions: Decisions) -> list[Any]:
    def before(module: nn.Module, inputs: tuple) -> None:
        decisions.clear()

    def after(module: nn.Module, inputs: tuple, output: Tensor) -> None:
        calls.calls += 1
        if calls.calls > 1:
            return
        calls.input = tuple(inputs[0].shape)
        kinds = {key.partition(":")[0]: decision for key, decision in decisions.items()}
        whole = kinds.pop("layer", None)
        if whole is not None and whole["implementation"] == PLAIN:
            calls.product = whole  # with its gradients
            return
        for kind, decision in kinds.items():
            if kind.endswith("product"):
                calls.product = decision
            else:
                calls.gradient = decision

    return [layer.register_forward_pre_hook(before), layer.register_forward_hook(after)]


@torch.no_grad()
def _fit_batch_norm(network: nn.Module, size: int) -> None:
    """Running statistics that fit random weights: without them activations shrink from layer to layer, down
    to numbers that a processor handles slowly."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
        norm.train()
    if norms:
        network(torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1)))
    for norm in norms:
        norm.eval()


def _device_in_words(device: torch.device) -> str:
    if device.type in ("cuda", "xpu"):
        return torch.get_device_module(device).get_device_name(device)
    return f"CPU, {counted(torch.get_num_threads(), 'thread')}"
