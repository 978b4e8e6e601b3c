"""Active adapters as a directory with which PEFT computes the same, whatever their families.

Layers whose change PEFT can hold are written as one of its families; a change of a bias as PEFT's bias. All
others (grouped convolutions, padding modes, families that PEFT lacks) are written with their merged weight,
as `modules_to_save`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from visionlora.adapters.base import Adapter, AdapterSettings
from visionlora.adapters.errors import NoFormError
from visionlora.adapters.families.bias import Bias, changed_bias
from visionlora.adapters.families.boft import Boft
from visionlora.adapters.families.lora import Lora
from visionlora.adapters.io.fingerprint import fingerprint as base_fingerprint
from visionlora.adapters.io.no_form import advised, refuse_new_blocks
from visionlora.adapters.io.other_programs import Places, adapter_obstacle
from visionlora.adapters.io.peft_config import AdapterInfo, config_to_peft
from visionlora.adapters.io.tensor_file import PREFIX, peft_tensors, write
from visionlora.adapters.layers import AdaptedLayer
from visionlora.adapters.network import require_adapters, unwrapped
from visionlora.adapters.norms import AdaptedNorm
from visionlora.adapters.replaced_tensors import replaced_by_module
from visionlora.text import listed

_MATRICES = (nn.Linear, nn.Conv2d)
_LAYERS = {
    "loha": (*_MATRICES, nn.Conv1d),
    "lokr": (*_MATRICES, nn.Conv1d),
    "oft": _MATRICES,
    "boft": _MATRICES,
    "ia3": (*_MATRICES, nn.Conv3d),
}
"""The layers that PEFT adapts with each family; LoRA's are in `_lora_obstacle`."""


_INNER = (
    "base_layer", "default", "lora_dropout", "lora_embedding_A", "lora_embedding_B", "boft_dropout",
    "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2", "hada_t1", "hada_t2",
)  # fmt: skip
"""Modules that PEFT makes in an adapted layer beside those of an adapter's tensors, or without them."""


class PeftDirectory(NamedTuple):
    """What was written.

    Attributes:
        directory: where.
        merged: the layers whose merged weight was written.
    """

    directory: Path
    merged: list[str]


class PeftContents(NamedTuple):
    """What is written.

    Attributes:
        tensors: by PEFT's names.
        config: PEFT's configuration.
        merged: the layers whose merged weight is written.
    """

    tensors: dict[str, Tensor]
    config: dict[str, Any]
    merged: list[str]


def save_peft(
    model: nn.Module,
    directory: str | Path,
    *,
    base_model: str = "",
    modules_to_save: Sequence[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> PeftDirectory:
    """Write the active adapters of a network for `peft.PeftModel.from_pretrained`.

    Args:
        model: an adapted network.
        directory: made where it is missing.
        base_model, modules_to_save, extra: as `save_adapter` has them.

    Raises:
        LoraError: PEFT can't compute the same, and why.
    """
    model = unwrapped(model)
    with advised(model):
        found = peft_contents(model, base_model, modules_to_save, extra)
    return PeftDirectory(write(Path(directory), found.tensors, found.config), found.merged)


@torch.no_grad()
def peft_contents(
    model: nn.Module,
    base_model: str = "",
    modules_to_save: Sequence[str] = (),
    extra: Mapping[str, Any] | None = None,
) -> PeftContents:
    """What `save_peft` writes.

    Raises:
        NoFormError: PEFT can't compute the same, and why.
    """
    refuse_new_blocks(model, "PEFT")
    layers = {name: layer for name, layer in require_adapters(model).items() if layer.active}
    native = _native(model, layers)
    merged, biases = _other_changes(layers, native)
    if not native:
        raise NoFormError("PEFT has no form for any of the layers' changes, and needs one")
    whole = _modules(model, merged)
    kept, lone = replaced_by_module(model, modules_to_save)
    if lone:
        raise NoFormError(f"PEFT has no place for changes of {listed(lone)}")
    _check_names(model, [*kept, *whole], native)
    tensors = _tensors(model, native, kept, whole, biases)
    changes_base = not native.keys().isdisjoint(biases)
    own = dict(extra or {})
    if not changes_base:
        own.setdefault("fingerprint", base_fingerprint(model, [*kept, *whole]))
    bias = _bias_kind(native) if changes_base else "none"
    info = AdapterInfo(base_model, [*kept, *whole], own, bias)
    config = config_to_peft(model, native, {site: layers[site] for site in native}, info)
    return PeftContents(tensors, config, merged)


def _other_changes(
    layers: Mapping[str, AdaptedLayer], native: Collection[str]
) -> tuple[list[str], dict[str, Tensor]]:
    """The layers that are written with their adapters merged, and the biases that adapters change."""
    merged, biases = [], {}
    for name, layer in layers.items():
        if isinstance(layer, AdaptedNorm):
            merged.append(name)
            continue
        changes = [one for one in layer.module_adapters() if isinstance(one, Bias)]
        if len(changes) < len(layer.module_adapters()):
            raise NoFormError(f"{name}: PEFT has no module beside a layer")
        if changes:
            biases[name] = changed_bias(layer, changes).detach()
        if name not in native and (changes or layer.active_adapters() or layer.sites[0].part):
            merged.append(name)
    return merged, biases


def _tensors(
    model: nn.Module,
    native: Mapping[str, Adapter],
    kept: Iterable[str],
    whole: Iterable[str],
    biases: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """The tensors of the file by PEFT's names: adapters, modules as they are and merged ones, and biases."""
    modules = dict(model.named_modules())
    tensors = {
        f"{PREFIX}{site}.{part}": one
        for site, lora in native.items()
        for part, one in peft_tensors(lora, modules[site]).items()
    }
    for name in kept:
        tensors |= {f"{PREFIX}{name}.{key}": one for key, one in modules[name].state_dict().items()}
    for name in whole:
        tensors |= {f"{PREFIX}{name}.{key}": one for key, one in _merged_state(modules[name]).items()}
    for name, bias in biases.items():
        if name in native:
            tensors[f"{PREFIX}{name}.base_layer.bias"] = bias
        if f"{PREFIX}{name}.bias" in tensors:
            tensors[f"{PREFIX}{name}.bias"] = bias
    return tensors


def _native(model: nn.Module, layers: Mapping[str, AdaptedLayer]) -> dict[str, Adapter]:
    """The adapters that PEFT computes alike, all of one family: the one that most layers have."""
    alone: dict[str, Adapter] = {}
    places = Places(model)
    for name, layer in layers.items():
        adapters = layer.weight_adapters()
        if places.is_shared(layer):
            raise NoFormError(f"{name} stands in several places, of which PEFT would adapt one")
        if not adapters or places.obstacle(name, layer, "PEFT") is not None:
            continue
        low_rank = layer.low_rank()
        if low_rank is not None and all(one.family != "loha" for one in adapters):
            lora = _as_lora(layer, *low_rank)
            if _lora_obstacle(lora, layer) is None:
                alone[name] = lora
        elif len(adapters) == 1 and adapters[0].peft_type and _obstacle(adapters[0], layer) is None:
            alone[name] = adapters[0]
    kinds = Counter(map(_kind, alone.values()))
    chosen = kinds.most_common(1)[0][0] if kinds else None
    return {name: one for name, one in alone.items() if _kind(one) == chosen}


def _kind(adapter: Adapter) -> tuple[Any, ...]:
    """What the adapters of one file of PEFT's have in common; not all families have ranks by layer there."""
    by_layer = adapter.settings_in_peft or "rank" in adapter.unused
    options = sorted(adapter.settings.options.items())
    return adapter.family, *options, None if by_layer else adapter.settings.rank


def _obstacle(adapter: Adapter, layer: AdaptedLayer) -> str | None:
    """Why PEFT computes something else with this adapter."""
    if isinstance(adapter, Lora):
        return _lora_obstacle(adapter, layer)
    if not isinstance(layer, _LAYERS[adapter.family]):
        return f"PEFT has no {adapter.family} for such a layer"
    if adapter.family in ("oft", "boft") and getattr(layer, "groups", 1) > 1:
        return f"PEFT has no {adapter.family} for convolutions with groups"
    if isinstance(adapter, Boft) and len(adapter.boft_R) > 1:
        return "PEFT has one factor where the CUDA extension of its BOFT is not built"
    return adapter_obstacle(adapter, layer)


def _lora_obstacle(lora: Lora, layer: Any) -> str | None:
    """Why PEFT's LoRA computes something else on this layer, or refuses it."""
    if isinstance(layer, _ConvNd) and (layer.transposed or layer.groups > 1):
        return "a convolution with groups, or a transposed one"
    if not isinstance(layer, (_ConvNd, nn.Linear, nn.Embedding)):
        return "no convolution, linear layer or embedding"
    return adapter_obstacle(lora, layer)


def _as_lora(layer: AdaptedLayer, A: Tensor, B: Tensor, scaling: float) -> Lora:
    shape = tuple(layer.sites[0].view(layer.base_weight).shape)
    # A negative scaling has no alpha.
    settings = AdapterSettings("lora", len(A), (abs(scaling) or 1.0) * len(A))
    lora = Lora(shape, settings, A.dtype, torch.Generator())
    lora.lora_A.copy_(A)
    lora.lora_B.copy_(B if scaling > 0 else -B if scaling < 0 else torch.zeros_like(B))
    return lora


def _modules(model: nn.Module, layers: Sequence[str]) -> list[str]:
    """The modules to save for these layers: of attention the whole of it."""
    modules = dict(model.named_modules())
    found = []
    for name in layers:
        parent = name.rpartition(".")[0]
        found.append(parent if isinstance(modules[parent], nn.MultiheadAttention) else name)
    return list(dict.fromkeys(found))


def _merged_state(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a module as `merge` would leave them, biases as they are."""
    state = {key: one for key, one in module.state_dict().items() if "adapters" not in key.split(".")}
    for name, layer in module.named_modules():
        if isinstance(layer, AdaptedLayer):
            key = f"{name}.{layer.adapted_parameter}" if name else layer.adapted_parameter
            state[key] = layer.adapted_weight()
        if isinstance(layer, AdaptedNorm):
            state[f"{name}.bias" if name else "bias"] = layer.bias
    return state


def _check_names(model: nn.Module, saved: Sequence[str], adapted: Mapping[str, Adapter]) -> None:
    """PEFT takes every module whose name ends in that of a module to save, its own ones too, and asks for the
    tensors of each."""
    others = [name for name, module in model.named_modules() if name not in saved and module.state_dict()]
    inner = [
        f"{site}.{part}"
        for site, adapter in adapted.items()
        for part in (*_INNER, *(key.removesuffix(".weight") for key in adapter.to_peft()))
    ]
    for name in saved:
        taken = [one for one in (*others, *inner) if one.endswith(name)]
        if taken:
            raise NoFormError(
                f"PEFT would take {listed(taken, 5)} for {name}, whose merged weight has to be saved, "
                f"because its name ends so"
            )


def _bias_kind(native: Mapping[str, Adapter]) -> str:
    return "boft_only" if next(iter(native.values())).family == "boft" else "lora_only"
