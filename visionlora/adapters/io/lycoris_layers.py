"""One layer of a LyCORIS file: its tensors as a family of ours, or as the whole difference that they mean.

Shapes and formulas are those of `lycoris.modules` (version 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from visionlora.adapters.base import AdapterSettings
from visionlora.adapters.families import FAMILIES
from visionlora.adapters.families.rotation import cayley

Layer = tuple[AdapterSettings, dict[str, Tensor]]
PARTS = (
    "lora_up.weight", "lora_down.weight", "lora_mid.weight", "alpha", "dora_scale",
    "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
    "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t1", "lokr_t2",
    "oft_blocks", "rescale", "a1.weight", "a2.weight", "b1.weight", "b2.weight", "bm.weight",
    "weight", "on_input", "diff", "diff_b", "w_norm", "b_norm",
)  # fmt: skip
MARKS = (
    "lora_up.weight", "hada_w1_a", "lokr_w1", "lokr_w1_a", "oft_blocks", "a1.weight", "on_input", "diff",
    "w_norm",
)  # fmt: skip
"""Parts that tell the families apart, and a LyCORIS file from other ones."""


def read_layer(tensors: Mapping[str, Tensor], base: Tensor) -> Layer:
    """Settings, and tensors by the names that the family's `from_peft` takes.

    Args:
        tensors: by LyCORIS's names, of the base's type.
        base: the frozen weight, (out, in/groups, kernel...).

    Raises:
        ValueError, KeyError, RuntimeError: they are no layer of LyCORIS's, or of another shape than the base.
    """
    readers: dict[str, Callable[[Mapping[str, Tensor], Tensor], Layer]] = {
        "diff": lambda tensors, base: _whole(tensors["diff"].reshape(base.shape)),
        "lora_up.weight": _locon,
        "hada_w1_a": _loha,
        "lokr_w2": _lokr,
        "lokr_w2_a": _lokr,
        "oft_blocks": _rotation,
        "a1.weight": _glora,
        "on_input": _ia3,
    }
    reader = next((reader for part, reader in readers.items() if part in tensors), None)
    if reader is None:
        raise ValueError("they are not a LyCORIS layer that is known here")
    if float(tensors.get("alpha", 0.0)) < 0:
        tensors = _with_positive_alpha(tensors)
    settings, found = reader(tensors, base)
    if "dora_scale" not in tensors:
        return settings, found
    return _with_norms(settings, found, tensors["dora_scale"], base)


def _with_positive_alpha(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The same layer with the sign of alpha in a factor of the update: our files hold an alpha above 0."""
    negated = {"lora_up.weight", "hada_w1_a", "lokr_w1", "lokr_w1_a", "a1.weight", "b1.weight"}
    if {"lokr_w1", "lokr_w2"} <= tensors.keys():  # without a decomposition LyCORIS leaves alpha out
        return tensors
    changed = {key: -tensors[key] for key in negated & tensors.keys()}
    return {**tensors, **changed, "alpha": -tensors["alpha"]} if changed else tensors


def _settings(
    family: str, rank: int, tensors: Mapping[str, Tensor], **options: int | bool | str
) -> AdapterSettings:
    """With alpha as the file has it; none means the rank (a scaling of 1)."""
    alpha = float(tensors["alpha"]) if "alpha" in tensors else 0.0
    return AdapterSettings(family, rank, alpha or float(rank), options=options)


def _whole(difference: Tensor) -> Layer:
    return AdapterSettings("full", 1, 1.0), {"difference": difference}


def _locon(tensors: Mapping[str, Tensor], base: Tensor) -> Layer:
    """B A, or of Tucker's form B (mid A). DyLoRA's up is a matrix on convolutions too."""
    A, B = tensors["lora_down.weight"], tensors["lora_up.weight"]
    if "lora_mid.weight" in tensors:
        A = torch.einsum("mr...,ri->mi...", tensors["lora_mid.weight"], A.flatten(1))
    rank = len(A)
    B = B.reshape(len(base), rank, *(1,) * (base.ndim - 2))
    A = A.reshape(rank, *base.shape[1:])
    return _settings("lora", rank, tensors), {"lora_A.weight": A, "lora_B.weight": B}


def _loha(tensors: Mapping[str, Tensor], base: Tensor) -> Layer:
    found = {}
    for side in ("1", "2"):
        a, b = tensors[f"hada_w{side}_a"], tensors[f"hada_w{side}_b"]
        if f"hada_t{side}" in tensors:  # a is (r, out) and b (r, in) then
            a, b = a.t(), torch.einsum("ij...,jc->ic...", tensors[f"hada_t{side}"], b).flatten(1)
        found[f"hada_w{side}_a"], found[f"hada_w{side}_b"] = a.contiguous(), b
    return _settings("loha", found["hada_w1_a"].shape[1], tensors), found


def _lokr(tensors: Mapping[str, Tensor], base: Tensor) -> Layer:
    found = {key: tensor for key, tensor in tensors.items() if key.startswith("lokr_w")}
    if "lokr_t2" in tensors:  # w2_a is (r, b) and w2_b (r, d) then
        core = torch.einsum("ij...,jd->id...", tensors["lokr_t2"], tensors["lokr_w2_b"])
        found["lokr_w2_a"], found["lokr_w2_b"] = tensors["lokr_w2_a"].t().contiguous(), core.flatten(1)
    whole = {"lokr_w1", "lokr_w2"} <= found.keys()
    low = found.get("lokr_w1_a", found.get("lokr_w2_a"))
    w1 = found["lokr_w1"] if "lokr_w1" in found else found["lokr_w1_a"] @ found["lokr_w1_b"]
    w2 = found["lokr_w2"].flatten(1) if "lokr_w2" in found else found["lokr_w2_a"] @ found["lokr_w2_b"]
    # Without a decomposition the rank says nothing but that there is none, and LyCORIS's alpha is the rank.
    rank = max(1, *w1.shape, *w2.shape) if whole or low is None else low.shape[1]
    alpha = {} if whole else {key: tensors[key] for key in ("alpha",) if key in tensors}
    both = "lokr_w1_a" in found
    for factor in dict.fromkeys((-1, *w1.shape)):
        settings = _settings("lokr", rank, alpha, factor=factor, decompose_both=both)
        if _fits(settings, found, base):
            return settings, found
    scaling = _settings("lokr", rank, alpha).alpha / rank
    return _whole(scaling * torch.kron(w1, w2).reshape(base.shape))


def _glora(tensors: Mapping[str, Tensor], base: Tensor) -> Layer:
    a1, a2, b1, b2 = (tensors[f"{name}.weight"] for name in ("a1", "a2", "b1", "b2"))
    if "bm.weight" in tensors:
        b2 = torch.einsum("mr...,ri->mi...", tensors["bm.weight"], b2.flatten(1))
    rank = len(a2)
    found = {
        "a1": a1.flatten(1),
        "a2": a2.flatten(1),
        "b1": b1.flatten(1),
        "b2": b2.reshape(rank, *base.shape[1:]),
    }
    return _settings("glora", rank, tensors), found


def _ia3(tensors: Mapping[str, Tensor], base: Tensor) -> Layer:
    inputs = bool(tensors["on_input"])
    side = "input" if inputs else "output"
    scales = 1 + tensors["weight"].flatten()
    shape = (-1, 1) if base.ndim == 2 and not inputs else (1, -1, *(1,) * (base.ndim - 2))
    return AdapterSettings("ia3", 1, 1.0, options={"side": side}), {"ia3_l": scales.view(shape)}


def _rotation(tensors: Mapping[str, Tensor], base: Tensor) -> Layer:
    """(I + Q)^-1 (I - Q) W with Q = blocks - blocks^T, its norm at most alpha * out where alpha is given."""
    blocks, out = tensors["oft_blocks"], len(base)
    skew = blocks - blocks.transpose(-1, -2)
    limit = float(tensors["alpha"]) * out if "alpha" in tensors else 0.0
    norm = float(skew.norm()) + 1e-8
    if 0 < limit < norm:
        skew = skew * (limit / norm)
    size, rescale = blocks.shape[-1], tensors.get("rescale")
    if skew.ndim == 3 and rescale is None:
        rows, columns = torch.triu_indices(size, size, 1)
        found = {"oft_R": skew[:, rows, columns]}
        settings = AdapterSettings("oft", size, 1.0, options={"side": "output"})
        if _fits(settings, {"oft_R.weight": found["oft_R"]}, base):
            return settings, {"oft_R.weight": found["oft_R"]}
    scales = torch.ones(out, dtype=base.dtype) if rescale is None else rescale.flatten()
    factors = skew[None] if skew.ndim == 3 else -deinterleaved(skew)
    settings = AdapterSettings("boft", size, 1.0, options={"side": "output", "factors": len(factors)})
    found = {"boft_R": factors, "boft_s": scales.view((out, 1) if base.ndim == 2 else (1, out))}
    if _fits(settings, found, base):
        return settings, found
    if skew.ndim == 4:
        raise ValueError(f"BOFT's {len(factors)} factors of blocks of {size} are not known here")
    turned = torch.einsum("bij,bjn->bin", cayley(skew), base.reshape(len(skew), size, -1)).reshape(base.shape)
    return _whole(scales.view(-1, *(1,) * (base.ndim - 1)) * turned - base)


def interleaved(blocks: Tensor) -> Tensor:
    """LyCORIS interleaves the halves of BOFT's blocks (..., b, b), which stand one behind the other here."""
    order = torch.arange(blocks.shape[-1]).view(2, -1).t().flatten()
    return blocks[..., order, :][..., order]


def deinterleaved(blocks: Tensor) -> Tensor:
    """The inverse of `interleaved`."""
    order = torch.arange(blocks.shape[-1]).view(-1, 2).t().flatten()
    return blocks[..., order, :][..., order]


def _with_norms(
    settings: AdapterSettings, found: dict[str, Tensor], magnitude: Tensor, base: Tensor
) -> Layer:
    """DoRA: magnitude * V / ||V|| with V the adapted weight, the norm of each output or each input."""
    outputs = magnitude.shape[0] == len(base)
    if settings.family == "lora" and outputs and magnitude.numel() == len(base):
        dora = AdapterSettings("dora", settings.rank, settings.alpha)
        shape = (-1,) if base.ndim == 2 else (1, -1, *(1,) * (base.ndim - 2))
        return dora, {**found, "lora_magnitude_vector": magnitude.reshape(shape)}
    adapter = FAMILIES[settings.family](tuple(base.shape), settings, base.dtype, torch.Generator())
    adapter.from_peft(found)
    weight = adapter.weight(base)
    axes = [axis for axis in range(base.ndim) if axis != (0 if outputs else 1)]
    norms = torch.linalg.vector_norm(weight, dim=axes, keepdim=True) + torch.finfo(weight.dtype).eps
    return _whole((weight * (magnitude / norms)).detach() - base)


def _fits(settings: AdapterSettings, found: Mapping[str, Tensor], base: Tensor) -> bool:
    adapter = FAMILIES[settings.family](tuple(base.shape), settings, torch.float32, torch.Generator())
    return adapter.peft_shapes() == {key: tuple(tensor.shape) for key, tensor in found.items()}
