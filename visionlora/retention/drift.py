"""How far adapters move their layers' outputs on known inputs, without running the network.

For a layer of weight W (out x d, a kernel unrolled) and update D = scaling B A, with C the mean of x x' over
the layer's inputs x in the frozen network,

    drift = E |D x|^2 / E |W x|^2 = tr(D C D') / tr(W C W'),

the share of the output's energy that the update adds on such inputs. C is estimated once; after that a step
costs one product of A's r rows with it. It is a quadratic penalty on the update, like weight decay, but one
that leaves directions free that the inputs hardly use (as in the null-space methods for continual learning:
Wang et al. 2021, https://arxiv.org/abs/2103.07113, section 3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from visionlora.adapters import adapted_layers, adapters_off
from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.module_adapter import pad
from visionlora.data.files.seeds import mixed
from visionlora.frozen.split import UpdatesOnly
from visionlora.kernels.tensors import autocast_off

POSITIONS = 64
"""Patches taken of each image."""
LARGEST = 2048
"""Up to so many inputs of a patch C itself is kept; beyond, as many patches."""


@dataclass
class Moment:
    """The second moment of a layer's inputs: C (d, d), or rows X (n, d) with C = X' X."""

    gram: Tensor | None = None
    rows: Tensor | None = None
    energy: Tensor = torch.ones(())  # noqa: RUF009 - tr(W C W'), never changed in place

    def quadratic(self, A: Tensor) -> Tensor:
        """A C A', (r, r), of A (r, d)."""
        if self.gram is not None:
            return A @ self.gram @ A.t()
        assert self.rows is not None
        hidden = A @ self.rows.t()
        return hidden @ hidden.t()


class Drift:
    """The drift of a network's adapters, a differentiable sum over their layers.

    Args:
        network: adapted, or what of it is left to compute.
        batches: what it is called with, to collect its layers' inputs in the frozen network.

    Layers that are not called (their weight is read) and convolutions of other than two dimensions are left
    out; grouped convolutions have one C for all groups.
    """

    def __init__(self, network: nn.Module, batches: Iterable[list[Tensor]]) -> None:
        self.layers: dict[str, AdaptedLayer] = adapted_layers(network)
        self.moments = _moments(network, self.layers, batches)

    def __call__(self) -> Tensor:
        """The sum over the layers, a scalar in single precision; zero before the first step."""
        total: Tensor | None = None
        for name, moment in self.moments.items():
            layer = self.layers[name]
            with autocast_off(moment.energy.device):
                low_rank = layer.low_rank()
                if low_rank is None:
                    energy = moment.quadratic(layer.update().flatten(1)).trace()
                else:
                    A, B = low_rank.A.flatten(1), low_rank.B.flatten(1)
                    energy = ((B.t() @ B) * moment.quadratic(A)).sum() * low_rank.scaling**2
                share = energy / moment.energy
            total = share if total is None else total + share
        return torch.zeros(()) if total is None else total


class MomentAccumulator:
    """Estimates a layer's :class:`Moment` from batches of patches, in memory that their number does not
    change: the sum of x x', or for wide layers a uniform sample of at most ``LARGEST`` patches.

    Args:
        generator: of the sample.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        self._count = 0
        self._total: Tensor | None = None
        self._rows: Tensor | None = None
        self._keys = torch.empty(0)

    def add(self, patches: Tensor) -> None:
        """Take in patches (n, d)."""
        self._count += len(patches)
        if patches.shape[1] <= LARGEST:
            product = patches.t() @ patches
            self._total = product if self._total is None else self._total.add_(product)
            return
        # Every patch has a random key; those with the smallest keys are a uniform sample of all so far.
        keys = torch.cat([self._keys, torch.rand(len(patches), generator=self._generator)])
        kept = keys.argsort()[:LARGEST]
        rows = patches if self._rows is None else torch.cat([self._rows, patches])
        self._keys, self._rows = keys[kept], rows[kept.to(rows.device)]

    def moment(self, weight: Tensor) -> Moment:
        """The estimate, and the energy of a layer with this ``weight``, (out, d)."""
        if self._total is not None:
            gram = self._total / self._count
            moment, energy = Moment(gram=gram), ((weight @ gram) * weight).sum()
        else:
            assert self._rows is not None, "no patches were added"
            rows = self._rows / len(self._rows) ** 0.5
            moment, energy = Moment(rows=rows), (weight @ rows.t()).square().sum()
        moment.energy = energy.clamp_min(torch.finfo(torch.float32).tiny)
        return moment


@torch.no_grad()
def _moments(
    network: nn.Module, layers: dict[str, AdaptedLayer], batches: Iterable[list[Tensor]]
) -> dict[str, Moment]:
    generator = torch.Generator().manual_seed(0)
    accumulators: dict[str, MomentAccumulator] = {}
    names = {id(layer): name for name, layer in layers.items()}

    def accumulate(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        layer = module.layer if isinstance(module, UpdatesOnly) else module
        assert isinstance(layer, AdaptedLayer)
        patches = _patches(layer, inputs[0].float(), generator)
        if patches is not None:
            name = names[id(layer)]
            # A generator of its own: which patches a wide layer keeps changes no other layer's.
            own = torch.Generator().manual_seed(mixed("drift", 0, name))
            accumulators.setdefault(name, MomentAccumulator(own)).add(patches)

    hooked = [m for m in network.modules() if isinstance(m, AdaptedLayer | UpdatesOnly)]
    handles = [module.register_forward_pre_hook(accumulate) for module in hooked]
    try:
        with adapters_off(network):
            for inputs in batches:
                network(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return {
        name: accumulator.moment(layers[name].base_weight.float().flatten(1))
        for name, accumulator in accumulators.items()
    }


def _patches(layer: AdaptedLayer, x: Tensor, generator: torch.Generator) -> Tensor | None:
    """Some of the patches that the layer multiplies with its weight, (n, d); None: it is left out."""
    if isinstance(layer, nn.Linear):
        return x.reshape(-1, x.shape[-1])[:: max(1, x[0, ..., 0].numel() // POSITIONS)]
    if not isinstance(layer, nn.Conv2d) or x.ndim != 4:
        return None
    x = pad(x, layer)
    tall, wide = ((size - 1) * step + 1 for size, step in zip(layer.kernel_size, layer.dilation, strict=True))
    rows, columns = (x.shape[2] - tall) // layer.stride[0] + 1, (x.shape[3] - wide) // layer.stride[1] + 1
    chosen = torch.randperm(rows * columns, generator=generator)[:POSITIONS].tolist()
    found = []
    for place in chosen:
        top, left = place // columns * layer.stride[0], place % columns * layer.stride[1]
        patch = x[:, :, top : top + tall : layer.dilation[0], left : left + wide : layer.dilation[1]]
        found.append(patch.reshape(len(x) * layer.groups, -1))
    return torch.cat(found)
