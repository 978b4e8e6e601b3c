"""LyCORIS files, as Kohya's trainers and LyCORIS write and read them.

A layer's tensors follow its name, in which dots are underscores, behind a prefix. `alpha` divided by the rank
multiplies the update. LoCon, LoHa, LoKr, GLoRA, diagonal OFT, BOFT and IA3 become the families of those names
here, DoRA's LoCon `dora`, Tucker decompositions the same product without one; DyLoRA is saved as LoCon.
`diff` and `diff_b` are whole changes of a weight and a bias, `w_norm` and `b_norm` of a norm. What has no
family here (a LoHa or LoKr with DoRA's norms, a LoKr of other factors, a limited rotation with other blocks)
becomes the whole difference.

LyCORIS multiplies the updates of LoHa and LoKr by alpha / rank once when it computes and twice when it
merges. Read here, they are what it computes; written here, alpha is the rank, so that both are the same
there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from visionlora.adapters.attaching import DEFAULT
from visionlora.adapters.errors import LoraError
from visionlora.adapters.io.foreign import ForeignAdapter, attach_foreign, dense_view, read_file
from visionlora.adapters.io.lycoris_layers import PARTS, read_layer
from visionlora.adapters.io.names import as_locon, by_layer, resolve
from visionlora.adapters.io.other_programs import Places
from visionlora.adapters.module_adapter import CONVOLUTIONS
from visionlora.adapters.sites import sites_of
from visionlora.text import listed

_Network = TypeVar("_Network", bound=nn.Module)


def load_lycoris(
    model: _Network, file: str | Path, *, alpha: float | None = None, name: str = DEFAULT
) -> _Network:
    """Attach what a LyCORIS file holds, in place, or a LoRA with the names of PEFT, diffusers or ComfyUI.

    Args:
        model: the network that it was trained on, plain or adapted.
        file: .safetensors, .pt or .pth.
        alpha: of a file with those names, which may not hold it.
        name: of the adapter.

    Returns:
        `model` itself.

    Raises:
        LoraError: the file is damaged, names a layer that the network lacks, or does not fit it; alpha is
            missing, or given for a file that has its own.
    """
    path = Path(file)
    layers, others = _layers(path, alpha)
    if others or not layers:
        what = listed(sorted(others)) if others else "nothing"
        raise LoraError(f"{path} holds {what}, which is not LyCORIS's: give a file that it saved.")
    modules = dict(model.named_modules())
    named = resolve(list(layers), modules.keys() - {""}, path)
    read, places = ForeignAdapter(), Places(model)
    for layer, tensors in layers.items():
        site = named[layer]
        obstacle = places.obstacle(site, modules[site], "LyCORIS")
        if obstacle is not None:
            raise LoraError(f"{path}: {obstacle}.")
        with torch.no_grad():
            _read(read, site, modules[site], tensors, path)
    return attach_foreign(model, read, path, name)


def _layers(path: Path, alpha: float | None) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    """The tensors of each layer by their part, and the others."""
    tensors = read_file(path)
    renamed = as_locon(tensors)
    layers, others = by_layer(renamed, PARTS)
    lacking = [parts for parts in layers.values() if "alpha" not in parts]
    if renamed.keys() == tensors.keys():  # LyCORIS's own may lack it: the scaling is 1 then
        lacking = []
    if alpha is None and lacking:
        raise LoraError(
            f"{path} holds A and B, and not the alpha that divided by the rank multiplies them: give the "
            "lora_alpha of the training as alpha=NUMBER."
        )
    if alpha is not None:
        if not lacking:
            raise LoraError(f"{path} holds alpha itself: leave alpha out.")
        if not (math.isfinite(alpha) and alpha > 0):
            raise LoraError(f"alpha is {alpha!r}: give a positive number.")
        for one in lacking:
            one["alpha"] = torch.tensor(float(alpha))
    return layers, others


def _read(read: ForeignAdapter, site: str, module: Any, tensors: Mapping[str, Tensor], path: Path) -> None:
    if "w_norm" in tensors or "b_norm" in tensors:
        _read_norm(read, site, module, tensors, path)
        return
    if not isinstance(module, (*CONVOLUTIONS, nn.Linear)):
        raise LoraError(f"{path}: {site} is a {type(module).__name__}, which LyCORIS has no adapters for.")
    if getattr(module, "padding_mode", "zeros") != "zeros":
        raise LoraError(f"{path}: {site} pads with {module.padding_mode}, which LyCORIS's adapter ignores.")
    base = dense_view(module, sites_of(module)[0])
    tensors = {key: tensor.to(base.dtype) for key, tensor in tensors.items()}
    bias = tensors.pop("diff_b", None)
    if bias is not None:
        if module.bias is None or bias.shape != module.bias.shape:
            raise LoraError(f"{path}: {site}.diff_b is {tuple(bias.shape)}, which its layer has no bias for.")
        if bool(bias.any()):
            read.add_bias(site, bias, tuple(base.shape))
    if tensors:
        try:
            settings, found = read_layer(tensors, base)
        except (KeyError, RuntimeError, ValueError) as error:
            raise LoraError(f"{path}: {site} ({', '.join(sorted(tensors))}): {error}.") from error
        if set(found) != {"difference"} or bool(found["difference"].any()):
            read.add(site, settings, found)


def _read_norm(
    read: ForeignAdapter, site: str, module: Any, tensors: Mapping[str, Tensor], path: Path
) -> None:
    for part, parameter in (("w_norm", "weight"), ("b_norm", "bias")):
        if part in tensors:
            own = getattr(module, parameter, None)
            if own is None or own.shape != tensors[part].shape:
                raise LoraError(f"{path}: {site}.{part} does not fit its {type(module).__name__}.")
            read.whole[f"{site}.{parameter}"] = own.detach() + tensors[part].to(own)
