"""The part of a network below its first trained layer: it computes the same for an image every time."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, fx, nn

from visionlora.frozen.growth import Growth

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


@runtime_checkable
class SplittableLayer(Protocol):
    """A layer with trained updates whose frozen output can be computed beforehand (an adapted linear one)."""

    def frozen_part(self, x: Tensor) -> Tensor:
        """The frozen output, (..., out), for x (..., in)."""

    def add_updates(self, x: Tensor, frozen: Tensor) -> Tensor:
        """The output, (..., out), for x (..., in) and its frozen output."""


class UpdatesOnly(nn.Module):
    """A layer of which the frozen output is known: only what is trained is computed."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, frozen: Tensor) -> Tensor:
        """x (N, ..., in) and frozen (N, ..., out) to (N, ..., out)."""
        return self.layer.add_updates(x, frozen)


def split(
    network: nn.Module, random: tuple[type[nn.Module], ...] = (), whole_layers: bool = False
) -> Split | None:
    """Split a network before its first trained layer, at the last place where one tensor holds everything
    that the rest needs.

    Where that tensor goes into a `SplittableLayer`, the layer's frozen part is moved into the prefix.

    Args:
        network: in eval mode; what requires a gradient is trained.
        random: kinds of modules that compute something else each time (active dropout).
        whole_layers: whether such a layer stays whole, behind the cut: for gradients of its frozen weight.

    Returns:
        The parts, or None: there is no layer with weights below, or the network can't be traced layer by
        layer (torch.fx).
    """
    try:
        graph = _Tracer().trace(network)
    except Exception:  # a forward pass gets a proxy in place of a tensor, and raises any error
        return None
    nodes = [node for node in graph.nodes if node.op != "output"]
    if not _calls_everything_trained(network, nodes):
        return None
    below = _untouched(network, nodes, random)
    place = _last_cut(nodes, below)
    if place is None or place + 1 == len(nodes):
        return None
    if not _layers_in(network, nodes[: place + 1]):
        return None
    return _split(network, graph, nodes, place, below, whole_layers)


def _layers_in(network: nn.Module, nodes: list[fx.Node]) -> int:
    """How many layers with weights these call."""
    called = [network.get_submodule(str(node.target)) for node in nodes if node.op == "call_module"]
    return sum(map(_has_weight, called))


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        # A layer with weights is one step, whatever hangs on it; a growth, because it can be off.
        return (
            _has_weight(module)
            or isinstance(module, Growth)
            or not any(module.children())
            or super().is_leaf_module(module, name)
        )


def _has_weight(module: nn.Module) -> bool:
    kinds = (nn.Linear, nn.modules.conv._ConvNd, nn.Embedding, nn.MultiheadAttention)
    return isinstance(module, kinds)


def _calls_everything_trained(network: nn.Module, nodes: list[fx.Node]) -> bool:
    """Whether each module with trained parameters is called by the graph: some networks read a layer's weight
    instead."""
    called = {str(node.target) for node in nodes if node.op == "call_module"}
    trained = {
        name.rpartition(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad
    }
    return all(name in called or any(name.startswith(f"{one}.") for one in called) for name in trained)


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
    network: nn.Module, graph: fx.Graph, nodes: list[fx.Node], place: int, below: int, whole_layers: bool
) -> Split:
    cut, after = nodes[place], list(nodes[place].users)
    first: Any = network.get_submodule(str(nodes[below].target)) if below < len(nodes) else None
    splits_first = (
        not whole_layers
        and below == place + 1
        and after == [nodes[below]]
        and nodes[below].args == (cut,)
        and not nodes[below].kwargs
        and isinstance(first, SplittableLayer)
    )
    prefix = fx.Graph()
    copied: dict[fx.Node, fx.Node] = {}
    for node in nodes[: place + 1]:
        copied[node] = prefix.node_copy(node, copied.__getitem__)
    prefix.output(copied[cut])
    below_module = fx.GraphModule(network, prefix)

    def values(images: Tensor) -> Values:
        value = below_module(images)
        return (value, first.frozen_part(value)) if splits_first else (value,)

    suffix = fx.Graph()
    copied = {cut: suffix.placeholder("value")}
    later = nodes[place + 1 :]
    root: Any = network
    if splits_first:
        frozen = suffix.placeholder("frozen")
        copied[nodes[below]] = suffix.call_module("updates_only", (copied[cut], frozen))
        later = later[1:]
        # A GraphModule takes the modules that its graph names from whatever has them.
        root = {str(n.target): network.get_submodule(str(n.target)) for n in later if n.op == "call_module"}
        root |= {str(n.target): _attribute(network, str(n.target)) for n in later if n.op == "get_attr"}
        root["updates_only"] = UpdatesOnly(first)
    for node in later:
        copied[node] = suffix.node_copy(node, copied.__getitem__)
    output = next(node for node in graph.nodes if node.op == "output")
    suffix.node_copy(output, copied.__getitem__)
    named = str(nodes[below].target) if below < len(nodes) else str(nodes[-1].target)
    weighted = _layers_in(network, nodes[: place + 1])
    return Split(values, fx.GraphModule(root, suffix), named, weighted + splits_first)
