"""From the names that other libraries give to layers to those of the network."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from visionlora.adapters.errors import LoraError
from visionlora.adapters.targets import closest
from visionlora.text import brief, listed

MOST_LAYERS = 100_000
"""In a file."""


def by_layer(
    tensors: Mapping[str, Tensor], parts: Collection[str]
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    """The tensors of each layer by their part, and those whose name ends in none of the parts."""
    ordered = sorted(parts, key=len, reverse=True)
    found: dict[str, dict[str, Tensor]] = {}
    others: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        part = next((part for part in ordered if key == part or key.endswith(f".{part}")), None)
        if part is None:
            others[key] = tensor
        else:
            found.setdefault(key[: -len(part)].rstrip("."), {})[part] = tensor
    return found, others


_FACTORS = re.compile(r"(lora_A|lora_B|lora\.down|lora\.up)(\.\w+)?\.weight$")
"""A and B as PEFT (in a state dict with the adapter's name), diffusers and ComfyUI call them."""
_AS_LOCON = {"lora_A": "lora_down", "lora.down": "lora_down", "lora_B": "lora_up", "lora.up": "lora_up"}


def as_locon(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with A and B called `lora_down.weight` and `lora_up.weight`, whatever their names were;
    two adapters of one layer stay as they are."""
    found = {key: _FACTORS.sub(lambda one: f"{_AS_LOCON[one[1]]}.weight", key) for key in tensors}
    if len(set(found.values())) < len(found):
        return dict(tensors)
    return {found[key]: tensor for key, tensor in tensors.items()}


def flattened(name: str) -> str:
    """A layer's name as Kohya's trainers and LyCORIS write it: `layer1_0_conv1`."""
    return name.replace(".", "_")


def resolve(names: Sequence[str], modules: Collection[str], source: Path) -> dict[str, str]:
    """The network's module of each name of a file.

    A name is a module's own, or the flattened one behind a prefix that all share (`lycoris_`, `lora_unet_`).

    Args:
        names: as the file has them.
        modules: of the network.
        source: the file, for messages.

    Raises:
        LoraError: a name is no layer's, or could be two layers'.
    """
    if len(names) > MOST_LAYERS:
        raise LoraError(f"{source} names {len(names)} layers: no network has so many.")
    if all(name in modules for name in names):
        return {name: name for name in names}
    flat: dict[str, list[str]] = {}
    for module in modules:
        flat.setdefault(flattened(module), []).append(module)
    plain = [flattened(name) for name in names]
    prefix = _common_prefix(plain, flat)
    found = {}
    for name, key in zip(names, plain, strict=True):
        meant = flat.get(key.removeprefix(prefix), []) if key.startswith(prefix) else []
        if len(meant) > 1:
            raise LoraError(f"{source}: {brief(name)} could be each of the layers {listed(meant)}.")
        if not meant:
            close = closest(key.removeprefix(prefix), flat)
            raise LoraError(
                f"{source}: the network has no layer {brief(name)} (close names: {close}): load the network "
                f"that the adapter was trained on."
            )
        found[name] = meant[0]
    return found


def _common_prefix(names: Sequence[str], flat: Collection[str]) -> str:
    """What all names begin with so that the most of them are layers behind it; the shortest such."""
    first = min(names, key=len)
    candidates = ["", *(first[: end + 1] for end, letter in enumerate(first) if letter == "_")]
    usual = [one for one in candidates if all(name.startswith(one) for name in names)]
    return max(usual, key=lambda one: sum(name[len(one) :] in flat for name in names))
