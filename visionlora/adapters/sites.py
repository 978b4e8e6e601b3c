"""Which weights of a module can be adapted, and how each is seen as (out, in/groups, kernel...).

Families know this view alone, so one definition serves every kind of layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvTransposeNd
from torch.nn.parameter import is_lazy

from visionlora.adapters.errors import LoraError


@dataclass(frozen=True)
class WeightSite:
    """One weight of a module.

    Attributes:
        part: what follows the module's name, "" for the only weight; of attention: "q_proj", "k_proj",
            "v_proj".
        parameter: the module's parameter that holds it.
        rows: which rows of the parameter, for a part of a stacked one.
        transposed: how the parameter differs from the view: "no"; "matrix" for embeddings, (in, out);
            "conv" for transposed convolutions, (in, out/groups, kernel...).
        groups: of a transposed convolution.
        fixed: an input whose weights no adapter changes: the padding of an embedding, which PyTorch does not
            train either.
    """

    part: str = ""
    parameter: str = "weight"
    rows: slice | None = None
    transposed: str = "no"
    groups: int = 1
    fixed: int | None = None

    def view(self, weight: Tensor) -> Tensor:
        """The parameter's tensor as (out, in/groups, kernel...); a view where it can be one."""
        if self.rows is not None:
            return weight[self.rows]
        if self.transposed == "matrix":
            return weight.t()
        if self.transposed == "conv":
            return _exchanged(weight, self.groups)
        return weight

    def restore(self, weight: Tensor) -> Tensor:
        """The inverse of `view`, for a site that is a whole parameter: (out, in/groups, kernel...) as the
        parameter has it."""
        assert self.rows is None
        if self.transposed == "matrix":
            return weight.t().contiguous()
        if self.transposed == "conv":
            return _exchanged(weight, self.groups)
        return weight

    def without_fixed(self, update: Tensor) -> Tensor:
        """An update (out, in/groups, kernel...), or the A of one, with zeros for the input that is fixed."""
        if self.fixed is None:
            return update
        return update.index_fill(1, torch.tensor(self.fixed, device=update.device), 0)


def _exchanged(weight: Tensor, groups: int) -> Tensor:
    """Inputs and outputs exchanged group by group: (in, out/groups, k...) to (out, in/groups, k...)."""
    return weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)


WHOLE = (WeightSite(),)
ADAPTABLE = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
    nn.Linear,
    nn.Embedding,
    nn.MultiheadAttention,
)
"""The layer kinds with weights that can be adapted."""
_FORWARD = ("forward", "_conv_forward")


def sites_of(module: Any) -> tuple[WeightSite, ...]:
    """The weights of a module that can be adapted, in their order; none for other modules.

    An attention module's own weight is its stacked input projection; its `out_proj` is a linear layer of its
    own. Attention with keys or values of other sizes keeps three separate weights and has no such site.
    """
    if isinstance(module, nn.MultiheadAttention):
        if module._parameters.get("in_proj_weight") is None:
            return ()
        size = module.embed_dim
        return tuple(
            WeightSite(part, "in_proj_weight", slice(place * size, (place + 1) * size))
            for place, part in enumerate(("q_proj", "k_proj", "v_proj"))
        )
    if isinstance(module, _ConvTransposeNd):
        return (WeightSite(transposed="conv", groups=module.groups),)
    if isinstance(module, nn.Embedding):
        return (WeightSite(transposed="matrix", fixed=module.padding_idx),)
    return WHOLE if isinstance(module, ADAPTABLE) else ()


def weight_obstacle(weight: Tensor | None) -> str | None:
    """Why a layer's weight can be neither read nor adapted, and what to do; None where it can be."""
    if weight is None:
        return (
            "its weight is re-parametrised (weight_norm, spectral_norm, prune, ...): remove the "
            "parametrisation first"
        )
    return "it is not initialised yet: run the model once first" if is_lazy(weight) else None


def plain_weight(name: str, module: nn.Module, site: WeightSite) -> Tensor:
    """The parameter of a site, as the module has it.

    Raises:
        LoraError: something computes it from other tensors, or it has no shape yet.
    """
    weight = module._parameters.get(site.parameter)
    obstacle = weight_obstacle(weight)
    if weight is None or obstacle is not None:
        raise LoraError(f"{name}: {obstacle}.")
    return weight


def has_own_forward(kind: type[nn.Module]) -> bool:
    """Whether a class of adaptable layers computes in its own manner, from the weight and the bias that it
    reads (timm's `StdConv2d`)."""
    plain = next(one for one in ADAPTABLE if issubclass(kind, one))
    return any(getattr(kind, name) is not getattr(plain, name) for name in _FORWARD if hasattr(plain, name))


def site_name(module: str, site: WeightSite) -> str:
    """The full name of a weight: the module's, and the part's where there are several."""
    return ".".join(part for part in (module, site.part) if part)
