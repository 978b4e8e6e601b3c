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

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.adapters.base import Adapter, LowRank
from visionlora.adapters.computed_weight import ComputedWeight
from visionlora.adapters.module_adapter import ModuleAdapter, add_branches, change_inputs
from visionlora.adapters.sites import ADAPTABLE, WeightSite, sites_of
from visionlora.frozen.folding import Fold, FoldableConv
from visionlora.frozen.swap import Swapped
from visionlora.frozen.weight import frozen_weight
from visionlora.kernels import (
    FrozenWeight,
    Geometry,
    LayerTensors,
    adapted_conv,
    adapted_linear,
    conv,
    conv_branch,
    frozen_conv,
    linear_branch,
)
from visionlora.kernels.merge import autocast_off

_FORWARD = ("forward", "_conv_forward")
_ATTRIBUTES = ("active", "off", "merged_weight", "fold")


class AdaptedLayer(Swapped):
    """What all adapted layers have in common.

    Attributes:
        adapters: by name an `Adapter`; for a module with several weights (attention) an `nn.ModuleDict` by
            part.
        active: the names of the adapters that take part.
        off: how many `adapters_off()` are open around this layer.
        merged_weight: the adapted parameter inside `merged()`.
        adapted_parameter: its name.
    """

    prefix = "Adapted"
    adapted_parameter: ClassVar[str] = "weight"
    adapters: nn.ModuleDict
    active: tuple[str, ...]
    off: int
    merged_weight: Tensor | None

    @classmethod
    def members(cls, base: type[nn.Module]) -> dict[str, Any]:
        """A base class that computes in its own manner keeps its forward pass, which reads the property."""
        plain = next(kind for kind in ADAPTABLE if issubclass(base, kind))
        own = any(
            getattr(base, name) is not getattr(plain, name) for name in _FORWARD if hasattr(plain, name)
        )
        return {"forward": base.forward} if own else {}

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
        return bool(self.active) and not self.off and self.merged_weight is None

    def adapters_of(self, name: str) -> dict[str, Adapter]:
        """The adapters called `name`, by part; empty where this layer has none of that name."""
        found = self.adapters[name] if name in self.adapters else None  # noqa: SIM401 - no get()
        if isinstance(found, nn.ModuleDict):
            return {part: adapter for part, adapter in found.items() if isinstance(adapter, Adapter)}
        return {"": found} if isinstance(found, Adapter) else {}

    def active_adapters(self, part: str = "") -> list[Adapter]:
        """The adapters of one weight that take part, in the order of their names' activation."""
        found = (self.adapters_of(name).get(part) for name in self.active)
        return [adapter for adapter in found if adapter is not None]

    def weight_adapters(self, part: str = "") -> list[Adapter]:
        """The active adapters that change one weight."""
        return [one for one in self.active_adapters(part) if not isinstance(one, ModuleAdapter)]

    def module_adapters(self) -> list[ModuleAdapter]:
        """Those that take part and are no change of the weight; `merged` does not replace them."""
        return [] if self.off else [one for one in self.active_adapters() if isinstance(one, ModuleAdapter)]

    def low_rank(self, part: str = "") -> LowRank | None:
        """The sum of the active updates as one low-rank product; None where one of them is none."""
        factors = []
        for adapter in self.weight_adapters(part):
            low_rank = adapter.low_rank()
            if low_rank is None:
                return None
            factors.append(low_rank)
        if not factors:
            return None
        if len(factors) == 1:
            return factors[0]
        A = torch.cat([one.A for one in factors])
        B = torch.cat([one.B * one.scaling for one in factors], dim=1)
        return LowRank(A, B, 1.0)

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
        parts = []
        for site in self.sites:
            view = site.view(base)
            adapters = self.weight_adapters(site.part)
            parts.append(sum((one.update(view) for one in adapters), torch.zeros_like(view)))
        return self.sites[0].restore(parts[0]) if len(parts) == 1 else torch.cat(parts)

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
                low_rank = low_rank._replace(A=_drop_channels(low_rank.A, adapters))
            return low_rank.added_to(view)
        exact = view.to(self._exact)
        with autocast_off(exact.device):
            if len(adapters) == 1 and adapters[0].strength == 1:
                return adapters[0].weight(exact).to(base.dtype)
            return sum((one.update(exact) for one in adapters), exact).to(base.dtype)

    def _current_weight(self) -> Tensor:
        """What the property gives."""
        if self.off or not self.active:
            return self.base_weight
        if self.merged_weight is not None:
            return self.merged_weight
        return ComputedWeight.of(self.adapted_weight(dropout=True))

    def drops(self) -> bool:
        """Whether an active adapter drops parts of its input now."""
        return any(adapter.dropout for adapter in self.active_adapters())


class _HasWeight(AdaptedLayer):
    """A layer whose adapted parameter is `weight`."""

    # An AttributeError raised in here would make nn.Module fall back to the frozen weight without a word.
    @property
    def weight(self) -> Tensor:
        """The weight that the layer computes with now."""
        return self._current_weight()


class AdaptedConv(_HasWeight, FoldableConv):
    """A convolution of 1, 2 or 3 dimensions with adapters."""

    def forward(self: Any, x: Tensor) -> Tensor:
        """(N, in, size...) to (N, out, size...)."""
        fold: Fold | None = self.fold
        modules: list[ModuleAdapter] = self.module_adapters()
        computes, drops = self.computes_adapters, self.drops()
        merged = self.merged_weight is not None and not self.off
        if merged or drops or modules or self.padding_mode != "zeros":
            changed = change_inputs(modules, x, self)
            y = self._unfolded(changed) if computes else super().forward(changed)
            y = add_branches(modules, changed, y, self)
            return y if fold is None else fold.apply_norm(y)
        weight, bias, scale = self.frozen_weight, self.bias, None
        if fold is not None:
            affine = fold.affine(weight, bias)
            weight, bias, scale = affine.weight, affine.bias, affine.scale
        geometry = self._geometry(self.padding)
        if not computes:
            return frozen_conv(x, weight, bias, geometry)
        low_rank: LowRank | None = self.low_rank()
        if low_rank is None:
            adapted = self.adapted_weight()
            adapted = adapted if scale is None else (adapted * scale).to(adapted.dtype)
            return conv(x, adapted, bias, geometry)
        A, B, factor = low_rank
        B = B if scale is None else B * scale.to(B.dtype)
        return adapted_conv(x, LayerTensors(weight, bias, A, B, factor), geometry)

    def _geometry(self: Any, padding: Any) -> Geometry:
        return Geometry.of(self.kernel_size, self.stride, padding, self.dilation, self.groups)

    def _unfolded(self: Any, x: Tensor) -> Tensor:
        """With dropout or a padding mode of its own: the layer alone."""
        geometry = self._geometry(self.padding)
        if self.padding_mode != "zeros":
            x = F.pad(x, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            geometry = self._geometry("valid")
        weight = self.frozen_weight
        if not self.drops():
            low_rank = self.low_rank()
            if low_rank is None:
                return conv(x, self.adapted_weight(), self.bias, geometry)
            return adapted_conv(x, LayerTensors(weight, self.bias, *low_rank), geometry)
        base = weight.dense()
        y = conv(x, base, self.bias, geometry)
        for adapter in self.weight_adapters():
            low_rank = adapter.low_rank()
            if low_rank is None:
                update = adapter.update(base.to(self._exact)).to(base.dtype)
                y = y + conv(x, update, None, geometry)
            else:
                A, B, factor = low_rank
                y = y + conv_branch(F.dropout(x, adapter.dropout), A, B, factor, geometry).to(y.dtype)
        return y


class AdaptedLinear(_HasWeight):
    """nn.Linear with adapters."""

    def forward(self: Any, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        return add_branches(self.module_adapters(), x, self._weights_alone(x), self)

    def _weights_alone(self: Any, x: Tensor) -> Tensor:
        if not self.computes_adapters:
            return super().forward(x)
        if self.drops():
            return self._add_updates(x, self.frozen_part(x))
        low_rank = self.low_rank()
        if low_rank is None:
            return F.linear(x, self.adapted_weight(), self.bias)
        return adapted_linear(x, LayerTensors(self.frozen_weight, self.bias, *low_rank))

    # What `frozen.split` asks of a layer whose frozen part can be computed beforehand.

    def frozen_part(self: Any, x: Tensor) -> Tensor:
        """The frozen output, (..., out), for x (..., in)."""
        return F.linear(x, self.frozen_weight.dense(), self.bias)

    def add_updates(self: Any, x: Tensor, frozen: Tensor) -> Tensor:
        """The output for x (..., in), given the frozen one (..., out)."""
        return add_branches(self.module_adapters(), x, self._add_updates(x, frozen), self)

    def _add_updates(self: Any, x: Tensor, frozen: Tensor) -> Tensor:
        if self.off or not self.active:
            return frozen.clone()  # the next layer may work in place
        base = self.frozen_weight.dense()
        for adapter in self.weight_adapters():
            low_rank = adapter.low_rank()
            if low_rank is None:
                branch = F.linear(x, adapter.update(base.to(self._exact)).to(base.dtype))
            else:
                branch = linear_branch(F.dropout(x, adapter.dropout), *low_rank)
            frozen = frozen + branch.to(frozen.dtype)
        return frozen


class AdaptedWeight(_HasWeight):
    """A layer whose own forward pass reads the adapted weight (transposed convolutions, embeddings)."""


class AdaptedAttention(AdaptedLayer):
    """nn.MultiheadAttention with adapters on its query, key and value projections."""

    adapted_parameter = "in_proj_weight"
    computed: Tensor | None = None

    def forward(self: Any, *arguments: Any, **keywords: Any) -> Any:
        """As nn.MultiheadAttention; the projection, which it reads several times, is computed once."""
        if not self.computes_adapters:
            return super().forward(*arguments, **keywords)
        self.computed = self._current_weight()
        try:
            return super().forward(*arguments, **keywords)
        finally:
            self.computed = None

    @property
    def in_proj_weight(self) -> Tensor:
        """The stacked projection that the layer computes with now, (3 * embed_dim, embed_dim)."""
        return self._current_weight() if self.computed is None else self.computed


def kind_of(module: nn.Module) -> type[AdaptedLayer]:
    """The adapted kind of a layer."""
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return AdaptedConv
    if isinstance(module, nn.Linear):
        return AdaptedLinear
    return AdaptedAttention if isinstance(module, nn.MultiheadAttention) else AdaptedWeight


def adapters_in(layer: AdaptedLayer) -> Iterator[tuple[str, str, Adapter]]:
    """(name, part, adapter) of every adapter on a layer, active or not."""
    for name in layer.adapters:
        for part, adapter in layer.adapters_of(name).items():
            yield name, part, adapter


def _drop_channels(A: Tensor, adapters: list[Adapter]) -> Tensor:
    """Whole input channels of A dropped, each adapter's rows with its own probability."""
    if not any(adapter.dropout for adapter in adapters):
        return A
    ranks = [low_rank.A.shape[0] for one in adapters if (low_rank := one.low_rank()) is not None]
    pieces = []
    for adapter, rows in zip(adapters, A.split(ranks), strict=True):
        mask = A.new_ones(1, A.shape[1], *(1,) * (A.ndim - 2))
        pieces.append(rows * F.dropout(mask, adapter.dropout))
    return torch.cat(pieces) if len(pieces) > 1 else pieces[0]
