"""Adapted layers. An adapted layer *is* its base layer: a subclass, with the same tensors under the same
names.

An adapter is attached by giving the layer object another class and one more child, `adapters`, and detached
in the reverse order. So the object stays what hooks, containers and other references to it hold.

The adapted parameter (`weight`; of attention `in_proj_weight`) is a property: the weight that the layer
computes with, with a gradient to the adapters, or the frozen or the merged one inside `adapters_off` or
`merged`. That matters because some networks read a layer's weight and never call the layer
(`nn.MultiheadAttention` its `out_proj`, torchvision's Swin its `qkv` and `proj`). The frozen tensor keeps its
place among the parameters (`state_dict`, `named_parameters`) and is `base_weight`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from visionlora.adapters.base import Adapter, LowRank, ScaledLowRank
from visionlora.adapters.computed_weight import ComputedWeight
from visionlora.adapters.faster_computation import OUTPUTS, WHOLE, Computation, faster_computation
from visionlora.adapters.guarded import Guarded
from visionlora.adapters.low_rank import drop_channels, summed
from visionlora.adapters.mixed_batch import MixedBatch, ReadsWeight
from visionlora.adapters.module_adapter import ModuleAdapter
from visionlora.adapters.sites import WeightSite, has_own_forward, sites_of
from visionlora.frozen.packed import PackedWeight
from visionlora.frozen.weight import frozen_weight
from visionlora.kernels import FrozenWeight
from visionlora.kernels.tensors import autocast_off, transformed


class AdaptedLayer(Guarded):
    """What all adapted layers have in common.

    Attributes:
        adapters: by name an `Adapter`; for a module with several weights (attention) an `nn.ModuleDict` by
            part.
        active: the names of the adapters that take part.
        off: how many `adapters_off()` are open around this layer.
        merged_weight: the adapted parameter inside `merged()`.
        merging: how many `merged()` are open around a layer that is merged again in each call: its weight is
            quantised, and kept merged it would be dense, or it is large.
        mixed: which adapters the images of the batch use, inside `predict_mixed`.
        adapted_parameter: its name.
    """

    prefix = "Adapted"
    adapted_parameter: ClassVar[str] = "weight"
    adapters: nn.ModuleDict
    active: tuple[str, ...]
    off: int
    merging: int
    merged_weight: Tensor | None
    mixed: MixedBatch | None = None

    @classmethod
    def members(cls, base: type[nn.Module]) -> dict[str, Any]:
        """A base class that computes in its own manner keeps its forward pass, which reads the property."""
        return {"forward": base.forward} if has_own_forward(base) else {}

    def __reduce_ex__(self, protocol: Any) -> tuple:
        """A copy, or a pickle, that is made inside `merged` is not merged: nothing would ever end that."""
        make, recipe, state = super().__reduce_ex__(protocol)
        buffers = {**state["_buffers"], "merged_weight": None}
        return make, recipe, {**state, "_buffers": buffers, "merging": 0}

    @property
    def sites(self) -> tuple[WeightSite, ...]:
        """The weights that can be adapted."""
        return sites_of(self)

    @property
    def base_weight(self) -> nn.Parameter:
        """The frozen parameter: the tensor that the layer had before, the same object."""
        weight = self._parameters[self.adapted_parameter]
        assert weight is not None
        return weight

    @property
    def frozen_weight(self) -> FrozenWeight:
        """The frozen weight, in whatever form it is kept."""
        return frozen_weight(self, self.adapted_parameter)

    @property
    def computes_adapters(self) -> bool:
        """Whether adapters take part in the forward pass: active, not switched off, not merged."""
        return bool(self.active) and not self.off and not self.is_merged

    @property
    def is_merged(self) -> bool:
        """Whether a `merged()` is open around it."""
        return self.merged_weight is not None or self.merging > 0

    @property
    def is_quantised(self) -> bool:
        """Whether the adapted parameter is."""
        return isinstance(self._parameters[self.adapted_parameter], PackedWeight)

    def recomputed(self, compute: Callable[..., Tensor], *inputs: Any) -> Tensor:
        """`compute(*inputs)`; where the weight is quantised, no dense weight in it is kept for the backward
        pass, which computes all of it once more."""
        if not self.is_quantised or not torch.is_grad_enabled():
            return compute(*inputs)
        return checkpoint(compute, *inputs, use_reentrant=False)

    def adapters_of(self, name: str) -> dict[str, Adapter]:
        """The adapters called `name`, by part; empty where this layer has none of that name."""
        found = self.adapters._modules.get(name)
        if isinstance(found, nn.ModuleDict):
            return {part: one for part, one in found._modules.items() if isinstance(one, Adapter)}
        return {"": found} if isinstance(found, Adapter) else {}

    def active_adapters(self, part: str = "") -> list[Adapter]:
        """The adapters of one weight that take part, in the order of their names' activation."""
        # Read several times in each forward pass. Attributes of nn.Module and isinstance with the abstract
        # Adapter would take seven times as long.
        held = self._modules["adapters"]._modules  # type: ignore[union-attr]
        active = []
        for name in self.active:
            adapter: Any = held.get(name)
            if type(adapter) is nn.ModuleDict:
                adapter = adapter._modules.get(part)
            if adapter is not None:
                active.append(adapter)
        return active

    def weight_adapters(self, part: str = "") -> list[Adapter]:
        """The active adapters that change one weight."""
        self.warn_if_trained()
        return [one for one in self.active_adapters(part) if not isinstance(one, ModuleAdapter)]

    def module_adapters(self) -> list[ModuleAdapter]:
        """Those that take part and are no change of the weight; `merged` does not replace them."""
        return [] if self.off else [one for one in self.active_adapters() if isinstance(one, ModuleAdapter)]

    def low_rank(self, part: str = "", adapters: Sequence[Adapter] | None = None) -> LowRank | None:
        """The sum of the active updates as one low-rank product; None where one of them is none.

        Args:
            part: of the layer.
            adapters: its `weight_adapters`, where they are known.
        """
        factors = []
        for adapter in self.weight_adapters(part) if adapters is None else adapters:
            low_rank = adapter.low_rank()
            if low_rank is None:
                return None
            factors.append(low_rank)
        return summed(factors) if factors else None

    def scaled_low_rank(self) -> ScaledLowRank | None:
        """The adapted weight as scaled or turned outputs of a low-rank change, which saves the gradient of
        the whole weight; None where the layer is not trained, or it is none."""
        adapter = self._only_trained()
        return None if adapter is None else self._scaled_low_rank_of(adapter)

    def _scaled_low_rank_of(self, adapter: Adapter) -> ScaledLowRank | None:
        exact = self.frozen_weight.dense(self._exact)
        with autocast_off(exact.device):
            return adapter.scaled_low_rank(exact)

    def by_faster(self, x: Tensor, outputs: Computation, whole: Computation, *more: Hashable) -> Tensor:
        """The output for x, by the computation that takes less time.

        Args:
            x: the input.
            outputs: from `scaled_low_rank`.
            whole: from `adapted_weight`.
            more: what the time depends on besides x, the weight and the adapter.
        """
        adapter = self._only_trained()
        if adapter is None:
            return self.recomputed(whole, x)
        settings = adapter.settings
        computations: dict[str, Computation] = {OUTPUTS: outputs, WHOLE: partial(self.recomputed, whole)}
        more = adapter.family, *sorted(settings.options.items()), *more
        possible = partial(self._scales, adapter)
        name = faster_computation(x, self.frozen_weight, settings.rank, more, computations, adapter, possible)
        return computations[name](x)

    def _scales(self, adapter: Adapter) -> bool:
        """Whether `scaled_low_rank` gives the layer's output: a turn may not mix the outputs of groups, which
        have inputs of their own, and groups may not share a turn of inputs."""
        with torch.no_grad():
            scaled = self._scaled_low_rank_of(adapter)
        if scaled is None or (self.is_quantised and scaled.low_rank is not None and scaled.scale is None):
            return False  # GLoRA's factors are made of the dense base, which would be kept
        groups = getattr(self, "groups", 1)
        if scaled.turn is None:
            return scaled.turn_in is None or groups == 1
        group = self.frozen_weight.shape[0] // groups
        return group % scaled.turn.shape[-1] == 0

    def _only_trained(self) -> Adapter | None:
        """The one adapter of the weight, where it alone is trained, at full strength."""
        adapters = self.weight_adapters()
        trained = torch.is_grad_enabled() and not transformed()
        if not trained or len(adapters) != 1 or adapters[0].strength != 1:
            return None
        bias = self._parameters["bias"]
        if self.frozen_weight.requires_grad or (bias is not None and bias.requires_grad):
            return None
        return adapters[0]

    def adapted_weight(self, dropout: bool = False) -> Tensor:
        """The adapted parameter in the base's type: computed in single or double precision, cast once.

        Args:
            dropout: whether adapters that drop parts of their input do so here too: whole input channels,
                with one mask for the batch, since the input is not at hand.
        """
        base = self.frozen_weight.dense()
        sites = self.sites
        if len(sites) == 1 and sites[0].rows is None:
            return sites[0].restore(self._adapted_view(sites[0], base, dropout))
        return torch.cat([self._adapted_view(site, base, dropout) for site in sites])

    def update(self) -> Tensor:
        """adapted weight - base weight, in the shape of the parameter and in at least single precision."""
        base = self.frozen_weight.dense(self._exact)
        return self.joined([self.update_of(site, base) for site in self.sites])

    def update_of(self, site: WeightSite, base: Tensor) -> Tensor:
        """The sum of the active updates of one weight, (out, in/groups, kernel...).

        Args:
            site: one of `sites`.
            base: the whole frozen parameter, in at least single precision.
        """
        view = site.view(base)
        adapters = self.weight_adapters(site.part)
        return site.without_fixed(sum((one.update(view) for one in adapters), torch.zeros_like(view)))

    def joined(self, views: list[Tensor]) -> Tensor:
        """The weights of all `sites`, each (out, in/groups, kernel...), as the parameter has them."""
        return self.sites[0].restore(views[0]) if len(views) == 1 else torch.cat(views)

    @property
    def _exact(self) -> torch.dtype:
        return torch.promote_types(self.frozen_weight.dtype, torch.float32)

    def _adapted_view(self, site: WeightSite, base: Tensor, dropout: bool) -> Tensor:
        view, adapters = site.view(base), self.weight_adapters(site.part)
        if not adapters:
            return view
        low_rank = self.low_rank(site.part)
        if low_rank is not None:
            if dropout:
                low_rank = low_rank._replace(A=drop_channels(low_rank.A, adapters))
            return low_rank.added_to(view)
        exact = view.to(self._exact)
        with autocast_off(exact.device):
            if len(adapters) == 1 and adapters[0].strength == 1 and site.fixed is None:
                return adapters[0].weight(exact).to(base.dtype)
            updates = (site.without_fixed(one.update(exact)) for one in adapters)
            return sum(updates, exact).to(base.dtype)

    def _current_weight(self) -> Tensor:
        """What the property gives."""
        if self.mixed is not None:
            raise ReadsWeight("its weight is read")
        if self.off or not self.active:
            return self.base_weight
        if self.merged_weight is not None:
            return self.merged_weight
        if self.merging:
            with torch.no_grad():
                return self.adapted_weight()
        return ComputedWeight.of(self.adapted_weight(dropout=True))

    def drops(self) -> bool:
        """Whether an active adapter drops parts of its input now."""
        return any(adapter.dropout for adapter in self.active_adapters())


class HasWeight(AdaptedLayer):
    """A layer whose adapted parameter is `weight`."""

    # An AttributeError raised in here would make nn.Module fall back to the frozen weight without a word.
    @property
    def weight(self) -> Tensor:
        """The weight that the layer computes with now."""
        return self._current_weight()


def adapters_in(layer: AdaptedLayer) -> Iterator[tuple[str, str, Adapter]]:
    """(name, part, adapter) of every adapter on a layer, active or not."""
    for name in layer.adapters:
        for part, adapter in layer.adapters_of(name).items():
            yield name, part, adapter
