"""The part of a network below its first trained layer: it computes the same for an image every time."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn
from torch.nn import functional as F

from visionlora.adapters.layers import LoraLayer, LoraLinear
from visionlora.kernels import linear_branch

Values = tuple[Tensor, ...]

DROPOUTS = (nn.modules.dropout._DropoutNd,)
"""Layers that draw random numbers while they train."""


@dataclass(frozen=True)
class Split:
    """A network in two parts that share its modules: ``suffix(*prefix(images)) == network(images)``.

    Attributes:
        prefix: images (N, 3, H, W) to what the suffix needs, one or two tensors of N rows; nothing in it is
            trained.
        suffix: these tensors to the network's output.
        layer: the first layer of the suffix that has something to learn.
        frozen_layers: how many convolutions and linear layers the prefix computes.
    """

    prefix: Callable[[Tensor], Values]
    suffix: nn.Module
    layer: str
    frozen_layers: int


class Beside(nn.Module):
    """An adapted linear layer whose frozen part, ``x W' + bias``, is known: only the adapter is computed."""

    def __init__(self, layer: LoraLinear) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, frozen: Tensor) -> Tensor:
        """x (N, ..., in) and frozen (N, ..., out) to (N, ..., out)."""
        layer = self.layer
        if layer.lora_off:
            return frozen.clone()  # the next layer may work in place
        x = F.dropout(x, layer.lora_dropout, layer.training)
        branch = linear_branch(x, layer.lora_A, layer.lora_B, layer.lora_scaling)
        return frozen + branch.to(frozen.dtype)


def split(network: nn.Module, random: tuple[type[nn.Module], ...] = ()) -> Split | None:
    """Split an adapted network before its first trained layer, at the last place where one tensor says
    everything that the rest needs to know.

    Where that tensor goes into an adapted linear layer, the layer's frozen part is moved into the prefix.

    Args:
        network: adapted, in eval mode.
        random: kinds of modules that compute something else each time (active dropout).

    Returns:
        The parts, or None: there is no convolution and no linear layer below, or the network can't be traced
        layer by layer (torch.fx).
    """
    try:
        graph = _Tracer().trace(network)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, NotImplementedError):
        return None
    nodes = [node for node in graph.nodes if node.op != "output"]
    if not _calls_every_adapter(network, nodes):
        return None
    below = _untouched(network, nodes, random)
    place = _last_cut(nodes, below)
    if place is None or place + 1 == len(nodes):
        return None
    computed = [network.get_submodule(str(n.target)) for n in nodes[: place + 1] if n.op == "call_module"]
    weighted = sum(getattr(module, "weight", None) is not None and _multiplies(module) for module in computed)
    if not weighted:
        return None
    return _split(network, graph, nodes, place, below, weighted)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return not any(module.children()) or super().is_leaf_module(module, name)


def _multiplies(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear | nn.modules.conv._ConvNd)


def _calls_every_adapter(network: nn.Module, nodes: list[fx.Node]) -> bool:
    """Whether each adapted layer is called by the graph: some networks read a layer's weight instead."""
    called = {str(node.target) for node in nodes if node.op == "call_module"}
    adapted = [name for name, module in network.named_modules() if isinstance(module, LoraLayer)]
    return all(name in called or any(name.startswith(f"{one}.") for one in called) for name in adapted)


def _untouched(network: nn.Module, nodes: list[fx.Node], random: tuple[type[nn.Module], ...]) -> int:
    """How many nodes, from the first, nothing trained or random takes part in."""
    for place, node in enumerate(nodes):
        if node.op == "call_module":
            module = network.get_submodule(str(node.target))
            if any(p.requires_grad for p in module.parameters()) or isinstance(module, random):
                return place
        if node.op == "get_attr" and getattr(_attribute(network, str(node.target)), "requires_grad", False):
            return place
    return len(nodes)


def _attribute(network: nn.Module, name: str) -> Any:
    value: Any = network
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _last_cut(nodes: list[fx.Node], below: int) -> int | None:
    """The last place among the first ``below`` whose value is the only one that later nodes use."""
    place_of = {node: place for place, node in enumerate(nodes)}
    last_use = [max((place_of.get(user, len(nodes)) for user in node.users), default=-1) for node in nodes]
    for place in range(below - 1, 0, -1):
        if any(user.target is operator.getitem for user in nodes[place].users):
            continue  # several tensors, or a size
        if all(use <= place for use in last_use[:place]) and last_use[place] > place:
            return place
    return None


def _split(
    network: nn.Module, graph: fx.Graph, nodes: list[fx.Node], place: int, below: int, weighted: int
) -> Split:
    cut, after = nodes[place], list(nodes[place].users)
    first = network.get_submodule(str(nodes[below].target)) if below < len(nodes) else None
    beside = (
        below == place + 1
        and after == [nodes[below]]
        and nodes[below].args == (cut,)
        and not nodes[below].kwargs
        and isinstance(first, LoraLinear)
    )
    prefix = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    for node in nodes[: place + 1]:
        copied[node] = prefix.node_copy(node, copied.__getitem__)
    prefix.output(copied[cut])

    suffix = fx.Graph()
    copied = {cut: suffix.placeholder("value")}
    later = nodes[place + 1 :]
    root: Any = network
    if beside:
        frozen = suffix.placeholder("frozen")
        copied[nodes[below]] = suffix.call_module("beside", (copied[cut], frozen))
        later = later[1:]
        # A GraphModule takes the modules that its graph names from whatever has them.
        root = {str(n.target): network.get_submodule(str(n.target)) for n in later if n.op == "call_module"}
        root |= {str(n.target): _attribute(network, str(n.target)) for n in later if n.op == "get_attr"}
        assert isinstance(first, LoraLinear)
        root["beside"] = Beside(first)
    for node in later:
        copied[node] = suffix.node_copy(node, copied.__getitem__)
    output = next(node for node in graph.nodes if node.op == "output")
    suffix.node_copy(output, copied.__getitem__)

    below_module = fx.GraphModule(network, prefix)
    layer = first if beside and isinstance(first, LoraLinear) else None

    def values(images: Tensor) -> Values:
        value = below_module(images)
        if layer is None:
            return (value,)
        bias: Tensor | None = layer.bias
        return value, F.linear(value, layer.base_weight, bias)

    named = str(nodes[below].target) if below < len(nodes) else str(nodes[-1].target)
    return Split(values, fx.GraphModule(root, suffix), named, weighted + beside)
