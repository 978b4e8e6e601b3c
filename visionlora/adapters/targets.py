"""Which layers are meant by `all`, `conv`, `linear`, `classifier`, `last:N` or a regular expression."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from visionlora.adapters.config import LoraError, matches
from visionlora.adapters.layers import can_adapt

_KEYWORDS = ("all", "conv", "linear", "classifier", "last:1")


def weight_layers(model: nn.Module) -> dict[str, nn.Module]:
    """The layers that can be adapted, by name, in the model's order; one that stands in two places counts
    once."""
    return {name: module for name, module in model.named_modules() if can_adapt(module)}


def chosen_layers(model: nn.Module, targets: Sequence[str], exclude: Sequence[str] = ()) -> list[str]:
    """Names of the layers that `targets` select and `exclude` does not, in the model's order.

    Raises:
        LoraError: a selector matches no layer, or nothing is left.
    """
    layers = weight_layers(model)
    if not layers:
        raise LoraError(f"The {type(model).__name__} has no convolution and no linear layer to adapt.")
    wanted = {name for selector in targets for name in _select("target", selector, layers)}
    unwanted = {name for selector in exclude for name in _select("exclude", selector, layers)}
    chosen = [name for name in layers if name in wanted - unwanted]
    if not chosen:
        raise LoraError(
            f"exclude {list(exclude)} leaves none of the {len(wanted)} targeted layers: exclude less."
        )
    return chosen


def unmatched_patterns(patterns: Mapping[str, float], names: Sequence[str]) -> list[str]:
    """The patterns that match none of the names."""
    return [pattern for pattern in patterns if not any(matches(pattern, name) for name in names)]


def closest(wrong: str, names: Iterable[str]) -> str:
    """Up to five of the names that look most like a wrong one, or the first and last of them."""
    known = list(names)
    close = difflib.get_close_matches(wrong, known, n=5, cutoff=0.5)
    if not close:
        close = known if len(known) <= 4 else [*known[:2], "...", *known[-2:]]
    return ", ".join(close)


def _select(key: str, selector: str, layers: Mapping[str, nn.Module]) -> list[str]:
    names = list(layers)
    if selector == "all":
        return names
    if selector == "classifier":
        last = names[-1].split(".")[0]
        return [name for name in names if name.split(".")[0] == last]
    if selector in ("conv", "linear"):
        linear = selector == "linear"
        found = [name for name, layer in layers.items() if isinstance(layer, nn.Linear) == linear]
    elif selector.startswith("last:"):
        count = selector.removeprefix("last:")
        if not re.fullmatch(r"[1-9]\d*", count):
            raise LoraError(f"{key} {selector!r}: give the number of layers, for example last:3.")
        return names[-int(count) :]
    else:
        found = [name for name in names if matches(selector, name)]
    if not found:
        close = closest(selector, [*names, *_KEYWORDS])
        raise LoraError(f"{key} {selector!r} matches no layer; close names: {close}.")
    return found
