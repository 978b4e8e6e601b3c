"""Commands to name where another one refuses an adapter: those that are known to take it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.merging import is_mergeable
from visionlora.adapters.network import adapted_layers
from visionlora.frozen.growth import growths
from visionlora.frozen.packed import PackedWeight
from visionlora.models.heads import relu_is_removed
from visionlora.models.other_tasks import task_of
from visionlora.models.restore import TrainedModel
from visionlora.text import listed, printable

IN_PYTHON = "visionlora.load in Python"


@dataclass(frozen=True)
class Named:
    """Adapters and their network, as a command line names them.

    Attributes:
        adapters: run folders or adapter directories.
        shares: what the update of each is multiplied by; None: 1 each.
        model, weights: of the network, where the adapters do not say them.
    """

    adapters: Sequence[str]
    shares: Sequence[float] | None = None
    model: str | None = None
    weights: str | None = None

    def command(self, name: str, output: str) -> str:
        """A command with these adapters, quoted for the shell."""
        several = len(self.adapters) > 1
        all_ones = self.shares is None or set(self.shares) == {1.0}
        shares = [] if all_ones else [f"{one:g}" for one in self.shares or ()]
        given = {
            "adapter": f"[{','.join(self.adapters)}]" if several else self.adapters[0],
            "adapter.weights": f"[{','.join(shares)}]" if shares else None,
            "output": output,
            "model": self.model,
            "weights": self.weights,
        }
        words = [f"{key}={value}" for key, value in given.items() if value is not None]
        return printable(shlex.join(["visionlora", name, *words]))


def weights_obstacle(network: nn.Module) -> str | None:
    """What of an adapted network no file of weights holds, as a clause; None where such a file is enough."""
    if growths(network):
        return "has new blocks (model.expand), which are modules of their own"
    if not is_mergeable(network):
        layers = adapted_layers(network).values()
        modules = [one for layer in layers for one in layer.module_adapters() if not one.mergeable]
        families = listed(list(dict.fromkeys(one.family for one in modules)))
        return f"has {families}, modules of their own and no change of weights"
    if relu_is_removed(network):
        return "gives an image several labels, for which the ReLU behind the last layer was removed"
    return None


def shared_tensors(network: nn.Module) -> list[list[str]]:
    """The names of each tensor that has several in a network's state dict."""
    names: dict[tuple[int, tuple[int, ...]], list[str]] = {}
    for name, parameter in network.named_parameters(remove_duplicate=False):
        if not isinstance(parameter.data, PackedWeight) and parameter.numel():
            names.setdefault((parameter.data_ptr(), tuple(parameter.shape)), []).append(name)
    return [several for several in names.values() if len(several) > 1]


def delivered(trained: TrainedModel, named: Named) -> str:
    """The command that writes the network with its adapters, whatever they are."""
    if weights_obstacle(trained.network) is None and not _may_part(trained.network):
        return named.command("merge", "merged.safetensors")
    return exported(trained, named)


def exported(trained: TrainedModel, named: Named, output: str = "network.pt2") -> str:
    """The command that writes the network with its code, or what does where it has no logits of images."""
    if task_of(trained.backbone.name) in ("detection", "video"):
        return IN_PYTHON
    return named.command("export", output)


def _may_part(network: nn.Module) -> bool:
    """Whether one weight stands in several adapted layers, whose merged weights may differ."""
    for names in shared_tensors(network):
        owners = {id(network.get_submodule(name.rpartition(".")[0])): name for name in names}
        adapted = (network.get_submodule(name.rpartition(".")[0]) for name in owners.values())
        if len(owners) > 1 and any(isinstance(one, AdaptedLayer) for one in adapted):
            return True
    return False
