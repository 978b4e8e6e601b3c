"""The kinds of adapted layers: convolution, linear layer, attention, and layers that read their weight."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.adapters.base import Adapter, LowRank, ScaledLowRank
from visionlora.adapters.biases import HasBias
from visionlora.adapters.families.norm import NORMS
from visionlora.adapters.layers import AdaptedLayer, HasWeight
from visionlora.adapters.low_rank import scaled_outputs
from visionlora.adapters.merged_product import merged_product
from visionlora.adapters.mixed_batch import by_adapter, low_rank_of
from visionlora.adapters.module_adapter import ModuleAdapter, add_branches, change_inputs
from visionlora.adapters.norms import AdaptedNorm
from visionlora.adapters.output_scale import scaled_output
from visionlora.frozen.folding import Affine, Fold, FoldableConv
from visionlora.frozen.freeze import limits_norms
from visionlora.frozen.whole_weight import computed_conv, computed_linear, frozen_conv
from visionlora.kernels import (
    FrozenWeight,
    Geometry,
    LayerTensors,
    adapted_conv,
    adapted_linear,
    conv,
    conv_branch,
    linear_branch,
)


class AdaptedConv(HasBias, FoldableConv):
    """A convolution of 1, 2 or 3 dimensions with adapters."""

    def forward(self: Any, input: Tensor) -> Tensor:
        """(N, in, size...) to (N, out, size...)."""
        if self.mixed is not None:
            return self._mixed_forward(input)
        modules: list[ModuleAdapter] = self.module_adapters()
        x = change_inputs(modules, input, self)
        fold: Fold | None = self.fold
        affine = None if fold is None else fold.affine(self.frozen_weight, self.base_bias)
        y = self._weights_alone(x, affine)
        # A batch norm that is folded comes after the branches too.
        return add_branches(modules, x, y, self, None if affine is None else affine.scale)

    def _weights_alone(self: Any, x: Tensor, affine: Affine | None) -> Tensor:
        """The output without what modules add, normalized where a batch norm is folded."""
        merged = self.is_merged and not self.off
        adapters: list[Adapter] = self.weight_adapters() if self.computes_adapters else []
        computes = bool(adapters)
        if merged or any(adapter.dropout for adapter in adapters) or self.padding_mode != "zeros":
            y = self.recomputed(self._unfolded, x) if computes else self._plain(x)
            return y if affine is None else self.fold.apply_norm(y)
        weight, bias, scale = self.frozen_weight, self.base_bias, None
        if affine is not None:
            weight, bias, scale = affine.weight, affine.bias, affine.scale
        geometry = self._geometry(self.padding)
        if not computes:
            return frozen_conv(x, weight, bias, geometry)
        low_rank: LowRank | None = self.low_rank(adapters=adapters)
        if low_rank is not None:
            low_rank = scaled_outputs(low_rank, scale)
            return adapted_conv(x, LayerTensors(weight, bias, *low_rank), geometry)
        return self._other_families(x, weight, bias, scale, geometry)

    def _other_families(
        self: Any, x: Tensor, weight: FrozenWeight, bias: Tensor | None, scale: Tensor | None,
        geometry: Geometry,
    ) -> Tensor:  # fmt: skip
        """The output with adapters that are no low-rank update; `scale` is that of a folded batch norm."""

        def outputs(x: Tensor) -> Tensor:
            scaled: ScaledLowRank = self.scaled_low_rank()
            base, factor = weight, scale
            if scaled.turn is not None and scale is not None:  # the batch norm comes after the turn
                both = scale if scaled.scale is None else scaled.scale * scale
                base, factor, scaled = self.frozen_weight, None, scaled._replace(scale=both)

            def compute(
                x: Tensor, weight: FrozenWeight, bias: Tensor | None, low_rank: LowRank | None
            ) -> Tensor:
                if low_rank is None:
                    return computed_conv(x, weight, bias, geometry)
                low_rank = scaled_outputs(low_rank, factor)
                return adapted_conv(x, LayerTensors(weight, bias, *low_rank), geometry)

            return scaled_output(x, base, bias, scaled, compute, channels_first=True)

        def whole(x: Tensor) -> Tensor:
            adapted = self.adapted_weight()
            adapted = adapted if scale is None else (adapted * scale).to(adapted.dtype)
            return computed_conv(x, adapted, bias, geometry)

        if x.ndim < self.base_weight.ndim:
            return self.recomputed(whole, x)
        return self.by_faster(x, outputs, whole, geometry)

    def _mixed_forward(self: Any, x: Tensor) -> Tensor:
        """For a batch of different adapters: the frozen layer once, each adapter's branch for its images."""
        batch, fold = self.mixed, self.fold
        factors = [low_rank_of(self, names) if names else None for names in batch.kinds]
        plain = [not any(name in self.adapters for name in names) for names in batch.kinds]
        if self.padding_mode != "zeros" or any(
            one is None and not bare for one, bare in zip(factors, plain, strict=True)
        ):
            return by_adapter(self, x)
        weight, bias, scale = self.frozen_weight, self.base_bias, None
        if fold is not None:
            affine = fold.affine(weight, bias)
            weight, bias, scale = affine.weight, affine.bias, affine.scale
        geometry = self._geometry(self.padding)
        y = frozen_conv(x, weight, bias, geometry)
        counts = batch.rows(len(x))
        for low_rank, part, out in zip(factors, x.split(counts), y.split(counts), strict=True):
            if low_rank is not None:
                out += conv_branch(part, *scaled_outputs(low_rank, scale), geometry).to(out.dtype)
        return y

    def _geometry(self: Any, padding: Any) -> Geometry:
        return Geometry.of(self.kernel_size, self.stride, padding, self.dilation, self.groups)

    def _plain(self: Any, x: Tensor) -> Tensor:
        """With the frozen or the merged weight."""
        return self._conv_forward(x, self.weight, self.base_bias)

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
                return computed_conv(x, self.adapted_weight(), self.base_bias, geometry)
            return adapted_conv(x, LayerTensors(weight, self.base_bias, *low_rank), geometry)
        base = weight.dense()
        y = conv(x, base, self.base_bias, geometry)
        for adapter in self.weight_adapters():
            low_rank = adapter.low_rank()
            if low_rank is None:
                update = adapter.update(base.to(self._exact)).to(base.dtype)
                y = y + conv(x, update, None, geometry)
            else:
                A, B, factor = low_rank
                y = y + conv_branch(F.dropout(x, adapter.dropout), A, B, factor, geometry).to(y.dtype)
        return y


class AdaptedLinear(HasBias):
    """nn.Linear with adapters."""

    def forward(self: Any, input: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        if self.mixed is not None:
            return self._mixed_forward(input)
        return add_branches(self.module_adapters(), input, self._weights_alone(input), self)

    def _mixed_forward(self: Any, x: Tensor) -> Tensor:
        """For a batch of different adapters; rows of x are images, or parts of them side by side."""
        batch = self.mixed
        factors = [low_rank_of(self, names) for names in batch.kinds]
        plain = [not any(name in self.adapters for name in names) for names in batch.kinds]
        if any(one is None and not bare for one, bare in zip(factors, plain, strict=True)):
            return by_adapter(self, x)
        y, counts = self.frozen_part(x), batch.rows(len(x))
        for low_rank, part, out in zip(factors, x.split(counts), y.split(counts), strict=True):
            if low_rank is not None:
                out += linear_branch(part, *low_rank).to(out.dtype)
        return y

    def _weights_alone(self: Any, x: Tensor) -> Tensor:
        if self._is_computed_apart and (apart := self.low_rank()) is not None:
            A, B = (apart.A.detach(), apart.B.detach()) if self.merging else (apart.A, apart.B)
            y = self.frozen_part(x)
            return y + linear_branch(x, A, B, apart.scaling).to(y.dtype)
        if not self.computes_adapters:
            y = merged_product(self, x, self.base_bias)
            return F.linear(x, self.weight, self.base_bias) if y is None else y
        adapters: list[Adapter] = self.weight_adapters()
        if any(adapter.dropout for adapter in adapters):
            return self._add_updates(x, self.frozen_part(x))
        low_rank = self.low_rank(adapters=adapters)
        if low_rank is not None:
            return adapted_linear(x, LayerTensors(self.frozen_weight, self.base_bias, *low_rank))

        def outputs(x: Tensor) -> Tensor:
            def compute(
                x: Tensor, weight: FrozenWeight, bias: Tensor | None, low_rank: LowRank | None
            ) -> Tensor:
                if low_rank is None:
                    return computed_linear(x, weight, bias)
                return adapted_linear(x, LayerTensors(weight, bias, *low_rank))

            scaled = self.scaled_low_rank()
            return scaled_output(x, self.frozen_weight, self.base_bias, scaled, compute, channels_first=False)

        def whole(x: Tensor) -> Tensor:
            return computed_linear(x, self.adapted_weight(), self.base_bias)

        return self.by_faster(x, outputs, whole)

    @property
    def _is_computed_apart(self: Any) -> bool:
        """Whether the frozen weight and the update are multiplied apart: the first is quantised, and need
        not be dense as a whole where no gradient is asked for, or none of the update."""
        takes_part = self.is_quantised and bool(self.active) and not self.off
        return takes_part and (self.merging > 0 or not (torch.is_grad_enabled() or self.drops()))

    # What `frozen.split` asks of a layer whose frozen part can be computed beforehand.

    def frozen_part(self: Any, x: Tensor) -> Tensor:
        """The frozen output, (..., out), for x (..., in)."""
        return F.linear(x, self.frozen_weight.operand(), self.base_bias)

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


class AdaptedWeight(HasWeight):
    """A layer whose own forward pass reads the adapted weight (transposed convolutions, embeddings)."""

    def forward(self, *arguments: Any, **keywords: Any) -> Tensor:
        """As the plain layer."""
        compute = partial(super().forward, **keywords) if keywords else super().forward
        return self.recomputed(compute, *arguments)

    def low_rank(self, part: str = "", adapters: Sequence[Adapter] | None = None) -> LowRank | None:
        """As other layers have it; nothing of an embedding's padding is changed."""
        found = super().low_rank(part, adapters)
        return None if found is None else found._replace(A=self.sites[0].without_fixed(found.A))

    @property
    def sparse(self) -> bool:
        """Of an embedding: the gradient of a computed weight is dense."""
        return False

    @property
    def weight(self) -> Tensor:
        """As other layers have it; a copy where the forward pass limits the norms in it."""
        weight = self._current_weight()
        return weight.clone() if limits_norms(self) and not self.computes_adapters else weight


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
    if isinstance(module, NORMS):
        return AdaptedNorm
    return AdaptedAttention if isinstance(module, nn.MultiheadAttention) else AdaptedWeight
