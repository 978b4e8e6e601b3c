"""Quantising a network's frozen weights: four bits (`nf4`) or eight (int8, a scale for each output channel).

QLoRA (Dettmers et al. 2023, https://arxiv.org/abs/2305.14314) for convolutions of any number of groups as for
linear layers. A frozen batch norm is folded into its convolution before that is quantised: what is rounded is
the weight that the network multiplies with. The layer's own weight is that, divided by the batch norm's scale
again, so names, adapters and files stay those of the network as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from visionlora.frozen import nf4
from visionlora.frozen.fold_pairs import find_pairs
from visionlora.frozen.norm import scale_and_shift
from visionlora.frozen.packed import SCHEMES, PackedWeight

KINDS = (_ConvNd, nn.Linear)
"""Layers whose weights can be quantised."""


class Factors(NamedTuple):
    """A low-rank matrix `B @ A` beside a quantised weight, in half precision.

    Attributes:
        A: (r, in/groups, kernel...).
        B: (out, r).
    """

    A: Tensor
    B: Tensor

    def product(self) -> Tensor:
        """(out, in/groups * kernel...), summed in double precision: once rounded, the same everywhere."""
        return self.B.double() @ self.A.flatten(1).double()


class Correction(NamedTuple):
    """What makes up for the error of the quantisation.

    Attributes:
        subtracted: from the weight before it is quantised; None for nothing.
        added: to what is dequantised.
    """

    subtracted: Factors | None
    added: Factors


class LayerError(NamedTuple):
    """How far a quantised weight is from the dense one: Frobenius norm of the difference, as a share of the
    dense one's norm.

    Attributes:
        plain: of the weight that is only quantised.
        left: with what makes up for it.
    """

    plain: float
    left: float


def quantisable(model: nn.Module) -> dict[str, Any]:
    """The layers whose weights can be quantised, by name; a shared one is named once."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, KINDS) and module._parameters.get("weight") is not None
    }


def norm_scales(model: nn.Module, *example: Any) -> dict[nn.Module, Tensor]:
    """For each convolution the scale of each channel of the frozen batch norm that follows it, (out, 1...); 1
    where that is 0.

    Args:
        model: frozen (`frozen.freeze`), in eval mode.
        example: what it is called with.
    """
    scales = {}
    for conv, norm in find_pairs(model, example):
        scale, _ = scale_and_shift(norm, None, torch.float32)
        scale = torch.where(scale == 0, 1.0, scale)
        scales[conv] = scale.view(-1, *(1,) * (conv.weight.ndim - 1))
    return scales


@torch.no_grad()
def quantise(
    model: nn.Module,
    scheme: str,
    skip: Collection[str] = (),
    scales: Mapping[nn.Module, Tensor] | None = None,
    corrections: Mapping[str, Correction] | None = None,
    codec: nf4.Codec = nf4.PYTORCH,
) -> dict[str, LayerError]:
    """Quantise the weights of a network's convolutions and linear layers, in place.

    Args:
        model: plain, on the CPU, so that the bytes are the same everywhere.
        scheme: "nf4" or "int8".
        skip: names of layers that stay dense.
        scales: of the batch norms that are folded, from `norm_scales`.
        corrections: by the name of the layer.
        codec: the implementation of nf4.

    Returns:
        The errors by the names of the layers that are quantised now.

    Raises:
        ValueError: there is no such scheme.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme is {scheme!r}: give {' or '.join(SCHEMES)}.")
    done: dict[int, nn.Parameter] = {}
    errors = {}
    for name, module in quantisable(model).items():
        weight = module._parameters["weight"]
        if name in skip or isinstance(weight, PackedWeight):
            continue
        correction = (corrections or {}).get(name)
        if id(weight) not in done:
            about = scheme, (scales or {}).get(module), groups_of(module)
            packed = pack(weight, *about, correction, codec)
            left = relative_error(weight, packed)
            plain = left
            if correction is not None:
                plain = relative_error(weight, pack(weight, *about, None, codec))
            errors[name] = LayerError(plain, left)
            done[id(weight)] = nn.Parameter(packed, requires_grad=False)
        module._parameters["weight"] = done[id(weight)]
    return errors


def pack(
    weight: Tensor,
    scheme: str,
    scale: Tensor | None = None,
    groups: int | None = None,
    correction: Correction | None = None,
    codec: nf4.Codec = nf4.PYTORCH,
) -> PackedWeight:
    """A quantised weight.

    Args:
        weight: (out, in/groups, kernel...); of a transposed convolution (in, out/groups, kernel...).
        scheme: "nf4" or "int8".
        scale: of each output, (out, 1...): `scale * weight` is what is rounded; None: the weight itself.
        groups: of a transposed convolution; None: it is none.
        correction: in the units of the weight that is rounded.
        codec: the implementation of nf4.
    """
    rounded = weight.detach().float().contiguous()
    extra: dict[str, Tensor] = {}
    if scale is not None:
        rounded = rounded * scale
        extra["rows"] = 1 / scale.flatten()
    if correction is not None:
        if correction.subtracted is not None:
            product = correction.subtracted.product().view(rounded.shape)
            rounded = (rounded.double() - product).float()
        extra |= {"added_A": correction.added.A, "added_B": correction.added.B}
    parts = _int8(rounded, groups) if scheme == "int8" else _nf4(rounded, codec)
    return PackedWeight(scheme, weight.shape, {**parts, **extra}, codec, weight.dtype)


def stored_bytes(model: nn.Module) -> int:
    """What a network's parameters and buffers take in memory, each tensor once."""
    tensors = {id(one): one for one in (*model.parameters(), *model.buffers())}
    return sum(one.stored_bytes if isinstance(one, PackedWeight) else one.nbytes for one in tensors.values())


def packed_weights(model: nn.Module) -> dict[str, PackedWeight]:
    """The quantised weights of a network by the name of their layer."""
    found = {name: module._parameters["weight"] for name, module in quantisable(model).items()}
    return {name: weight for name, weight in found.items() if isinstance(weight, PackedWeight)}


@torch.no_grad()
def dequantise(model: nn.Module) -> None:
    """Give every quantised layer its dense weight, in place: what it computed with before."""
    done: dict[int, nn.Parameter] = {}
    for module in quantisable(model).values():
        weight = module._parameters["weight"]
        if isinstance(weight, PackedWeight):
            if id(weight) not in done:
                done[id(weight)] = nn.Parameter(weight.dense(), requires_grad=False)
            module._parameters["weight"] = done[id(weight)]


@torch.no_grad()
def relative_error(weight: Tensor, packed: PackedWeight) -> float:
    """||weight - packed|| / ||weight||, Frobenius norms; 0 for a weight of zeros."""
    rows, lost, whole = weight.flatten(1), 0.0, 0.0
    for part, dense in packed.pieces():
        lost += float((rows[part] - dense).square().sum())
        whole += float(rows[part].square().sum())
    return (lost / whole) ** 0.5 if whole > 0 else 0.0


def groups_of(module: Any) -> int | None:
    """The groups of a transposed convolution; None for other layers."""
    return module.groups if isinstance(module, _ConvTransposeNd) else None


def _nf4(weight: Tensor, codec: nf4.Codec) -> dict[str, Tensor]:
    codes, scales = codec.quantise(weight.flatten())
    stored = nf4.quantise_scales(scales)
    return {"codes": codes, **{f"scale_{name}": part for name, part in stored._asdict().items()}}


def _int8(weight: Tensor, groups: int | None) -> dict[str, Tensor]:
    """A scale for each output: (out, 1...), or of a transposed convolution (groups, 1, out/groups, 1...)."""
    seen = weight if groups is None else weight.unflatten(0, (groups, -1))
    inner = list(range(1, seen.ndim)) if groups is None else [1, *range(3, seen.ndim)]
    scales = torch.linalg.vector_norm(seen, torch.inf, inner, keepdim=True) / 127
    codes = torch.empty_like(seen, dtype=torch.int8)
    rows = max(1, nf4.AT_ONCE // seen[0].numel())
    for first in range(0, len(seen), rows):  # a few at a time, as in `nf4.in_pieces`
        part = slice(first, first + rows)
        relative = seen[part] / scales[part].clamp(min=torch.finfo(torch.float32).tiny)
        codes[part] = relative.round_().clamp_(-127, 127)
    return {"codes": codes.view(weight.shape), "scales": scales}
