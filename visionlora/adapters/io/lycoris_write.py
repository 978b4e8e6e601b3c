"""Active adapters as a LyCORIS file. What LyCORIS has no form for, or can't load, is written as the whole
difference (`diff`). It saves IA3 and loads none (4.1.3): its loader ends in a TypeError."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from visionlora.adapters.base import Adapter, LowRank, scaling_of
from visionlora.adapters.errors import LoraError, NoFormError
from visionlora.adapters.families.bias import Bias, changed_bias
from visionlora.adapters.families.lokr import factorization
from visionlora.adapters.io.foreign import dense_view
from visionlora.adapters.io.lycoris_layers import interleaved, read_layer
from visionlora.adapters.io.names import flattened
from visionlora.adapters.io.no_form import advised, refuse_new_blocks
from visionlora.adapters.io.other_programs import Places
from visionlora.adapters.io.tensor_file import write_tensors
from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.module_adapter import CONVOLUTIONS
from visionlora.adapters.network import require_adapters, unwrapped
from visionlora.adapters.norms import AdaptedNorm
from visionlora.adapters.replaced_tensors import replaced
from visionlora.frozen.swap import plain_class
from visionlora.text import listed

LYCORIS_PREFIX = "lycoris"


def save_lycoris(model: nn.Module, file: str | Path, *, prefix: str = LYCORIS_PREFIX) -> list[str]:
    """Write the active adapters of a network for LyCORIS.

    Args:
        model: an adapted network.
        file: ends in .safetensors.
        prefix: in front of each layer's name; Kohya's trainers have `lora_unet`.

    Returns:
        The layers whose whole difference was written, because LyCORIS can't load them as their family.

    Raises:
        LoraError: a layer or a change of it that LyCORIS has no place for, or values that are NaN or
            infinite.
    """
    path = Path(file)
    if path.suffix.lower() != ".safetensors":
        raise LoraError(f"{path}: give a file that ends in .safetensors.")
    model = unwrapped(model)
    with advised(model):
        tensors, whole = lycoris_tensors(model, prefix)
    write_tensors(path, tensors, {})
    return whole


@torch.no_grad()
def lycoris_tensors(model: nn.Module, prefix: str = LYCORIS_PREFIX) -> tuple[dict[str, Tensor], list[str]]:
    """What `save_lycoris` writes, and the layers whose whole difference that is.

    Raises:
        NoFormError: a layer or a change of it that LyCORIS has no place for.
    """
    refuse_new_blocks(model, "LyCORIS")
    layers, places = require_adapters(model), Places(model)
    tensors: dict[str, Tensor] = _norms(model, prefix)
    whole = []
    for name, layer in layers.items():
        if not layer.active:
            continue
        key = f"{prefix}_{flattened(name)}"
        if isinstance(layer, AdaptedNorm) and isinstance(layer, nn.LayerNorm | nn.GroupNorm):
            tensors[f"{key}.w_norm"] = layer.update()
            tensors[f"{key}.b_norm"] = layer.bias - cast(Tensor, layer._parameters["bias"])
            continue
        _check(name, layer, places)
        if any(one.startswith(f"{key}.") for one in tensors):
            raise NoFormError(f"{name}: another layer is {key} too, so a LyCORIS file can't tell them apart")
        found, native = _layer(layer)
        tensors |= {f"{key}.{part}": tensor for part, tensor in found.items()}
        whole += [] if native else [name]
    return tensors, whole


def _check(name: str, layer: AdaptedLayer, places: Places) -> None:
    """Raises NoFormError for what LyCORIS has no place for, or computes otherwise."""
    if not isinstance(layer, (*CONVOLUTIONS, nn.Linear)):
        kind = plain_class(layer).__name__
        raise NoFormError(f"{name} is a {kind}: LyCORIS adapts only linear layers and convolutions")
    padding = getattr(layer, "padding_mode", "zeros")
    if padding != "zeros":
        raise NoFormError(f"{name} pads with {padding}, which LyCORIS's adapters ignore")
    obstacle = places.obstacle(name, layer, "LyCORIS")
    if obstacle is not None:
        raise NoFormError(obstacle)
    others = [one.family for one in layer.module_adapters() if not isinstance(one, Bias)]
    if others:
        raise NoFormError(f"{name}: LyCORIS has nothing like {others[0]}, a module of its own")


def _layer(layer: Any) -> tuple[dict[str, Tensor], bool]:
    """The layer's tensors by LyCORIS's names, and whether its family has a form there."""
    adapters = layer.weight_adapters()
    biases = [one for one in layer.module_adapters() if isinstance(one, Bias)]
    base = dense_view(layer, layer.sites[0])
    if not biases:
        native = _native(layer, adapters, base)
        if native is not None:
            return native, True
    found = {"diff": layer.sites[0].view(layer.update())}
    if biases:
        found["diff_b"] = changed_bias(layer, biases).detach() - layer.base_bias
    only_full = all(one.family == "full" for one in adapters)
    return found, only_full


def _native(layer: AdaptedLayer, adapters: list[Adapter], base: Tensor) -> dict[str, Tensor] | None:
    writer = _WRITERS.get(adapters[0].family) if len(adapters) == 1 else None
    if writer is not None:
        found = writer(adapters[0], base)
        return found if found is not None and _reads_back(found, adapters[0], base) else None
    low_rank = layer.low_rank()
    return None if low_rank is None or not len(adapters) else _locon(low_rank)


def _locon(low_rank: LowRank) -> dict[str, Tensor]:
    A, B, scaling = low_rank
    if scaling <= 0:  # LyCORIS takes an alpha of 0 for none
        B, scaling = scaling * B, 1.0
    return {"alpha": torch.tensor(float(scaling) * len(A)), "lora_down.weight": A, "lora_up.weight": B}


def _dora(adapter: Any, base: Tensor) -> dict[str, Tensor] | None:
    if adapter.strength != 1:
        return None
    A, B = adapter.factors()
    return {**_locon(LowRank(A, B, adapter.scaling)), "dora_scale": adapter.magnitude}


def _loha(adapter: Any, base: Tensor) -> dict[str, Tensor]:
    found = dict(adapter.to_peft())
    found["hada_w1_a"] = found["hada_w1_a"] * scaling_of(adapter.settings, adapter.strength)
    return {**found, "alpha": torch.tensor(float(adapter.settings.rank))}


def _lokr(adapter: Any, base: Tensor) -> dict[str, Tensor] | None:
    """With the smaller factor of the outputs and of the inputs in w1, as LyCORIS's loader takes it to be."""
    found = dict(adapter.to_peft())
    sizes = (factorization(size, adapter.option("factor")) for size in base.shape[:2])
    if any(first > second for first, second in sizes):
        return None
    first = "lokr_w1" if "lokr_w1" in found else "lokr_w1_a"
    found[first] = found[first] * scaling_of(adapter.settings, adapter.strength)
    low = found.get("lokr_w1_a", found.get("lokr_w2_a"))
    return {**found, "alpha": torch.tensor(1.0 if low is None else float(low.shape[1]))}


def _glora(adapter: Any, base: Tensor) -> dict[str, Tensor] | None:
    ones = (1,) * (base.ndim - 2)
    tensors = {name: tensor.detach() for name, tensor in adapter.named_parameters()}
    shaped = {name: one if name == "b2" else one.reshape(*one.shape, *ones) for name, one in tensors.items()}
    scaling = scaling_of(adapter.settings, adapter.strength)
    if scaling <= 0:
        return None
    alpha = torch.tensor(scaling * adapter.settings.rank)
    return {**{f"{name}.weight": tensor for name, tensor in shaped.items()}, "alpha": alpha}


def _oft(adapter: Any, base: Tensor) -> dict[str, Tensor] | None:
    """LyCORIS takes the smaller of a block's size and their number for the size."""
    if adapter.strength != 1 or adapter.option("side") != "output" or adapter.option("neumann_terms"):
        return None
    blocks, size = len(adapter.oft_R), adapter.block
    if size > blocks:
        return None
    rows, columns = torch.triu_indices(size, size, 1)
    upper = adapter.oft_R.new_zeros(blocks, size, size)
    upper[:, rows, columns] = adapter.oft_R.detach()
    return {"oft_blocks": upper, "alpha": torch.tensor(0.0)}


def _boft(adapter: Any, base: Tensor) -> dict[str, Tensor] | None:
    """As many factors as LyCORIS has for the blocks, which are a power of two times an odd number."""
    factors, blocks = adapter.boft_R.shape[:2]
    wanted = bin(blocks - 1).count("1") + 1 if blocks > 1 else 1
    if adapter.strength != 1 or adapter.option("side") != "output" or factors != wanted:
        return None
    if adapter.boft_R.shape[-1] % 2:  # LyCORIS takes a block as two halves
        return None
    scales = adapter.boft_s.reshape(-1, *(1,) * (base.ndim - 1))
    return {"oft_blocks": interleaved(adapter.boft_R) / -2, "rescale": scales, "alpha": torch.tensor(0.0)}


_WRITERS: Mapping[str, Callable[[Any, Tensor], dict[str, Tensor] | None]] = {
    "dora": _dora, "loha": _loha, "lokr": _lokr, "glora": _glora, "oft": _oft, "boft": _boft,
}  # fmt: skip


def _reads_back(found: Mapping[str, Tensor], adapter: Adapter, base: Tensor) -> bool:
    """Whether the tensors mean what the adapter does: LyCORIS derives sizes of blocks by rules of its own."""
    try:
        settings, tensors = read_layer({key: one.detach() for key, one in found.items()}, base)
    except (ValueError, KeyError, RuntimeError):
        return False
    if settings.family not in (adapter.family, "boft"):
        return False
    again = type(adapter)(tuple(base.shape), settings, base.dtype, torch.Generator())
    again.from_peft(tensors)
    return torch.allclose(again.weight(base) - base, adapter.update(base), rtol=1e-4, atol=1e-5)


def _norms(model: nn.Module, prefix: str) -> dict[str, Tensor]:
    found, refused = {}, []
    modules = dict(model.named_modules())
    for key, (frozen, replacing) in replaced(model).items():
        module, _, leaf = key.rpartition(".")
        part = {"weight": "w_norm", "bias": "b_norm"}.get(leaf)
        if not isinstance(modules[module], (nn.LayerNorm, nn.GroupNorm)) or part is None:
            refused.append(module)
        else:
            found[f"{prefix}_{flattened(module)}.{part}"] = replacing - frozen
    if refused:
        names = listed(list(dict.fromkeys(refused)))
        raise NoFormError(f"{names} was trained whole, which a LyCORIS file has no place for")
    return found
