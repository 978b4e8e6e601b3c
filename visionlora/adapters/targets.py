"""Which weights are meant by `all`, `conv`, `linear`, `classifier`, `last:N` or a regular expression."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from torch import nn
from torch.nn.modules.conv import _ConvNd

from visionlora.adapters.errors import LoraError
from visionlora.adapters.network import named_sites, require_python
from visionlora.adapters.patterns import matches, of_wildcards

_LONGEST = 200
"""Letters of a wrong name that are compared: a file may hold names of any length."""
_KEYWORDS = ("all", "conv", "linear", "classifier", "last:1")


def chosen_sites(
    model: nn.Module, targets: Sequence[str], exclude: Sequence[str] = (), trained_whole: Collection[str] = ()
) -> list[str]:
    """Full names of the weights that `targets` select and `exclude` does not, in the model's order.

    Args:
        model: plain or adapted.
        targets, exclude: selectors, as `LoraConfig` has them.
        trained_whole: names of layers that get no adapter because they are trained as they are; nothing but
            them may be left.

    Raises:
        LoraError: a selector matches no layer, or nothing is left.
    """
    require_python(model)
    layers = {name: module for name, (module, _) in named_sites(model).items()}
    if not layers:
        raise LoraError(f"The {type(model).__name__} has no layer to adapt (convolution, linear, ...).")
    wanted = {name for selector in targets for name in _select("targets", selector, layers)}
    unwanted = {name for selector in exclude for name in _select("exclude", selector, layers)}
    chosen = [name for name in layers if name in wanted - unwanted]
    if not chosen:
        raise LoraError(
            f"exclude {list(exclude)} leaves none of the {len(wanted)} targeted layers: exclude less."
        )
    return [name for name in chosen if name not in trained_whole]


def unmatched_patterns(patterns: Mapping[str, object], names: Sequence[str]) -> list[str]:
    """The patterns that match none of the names."""
    return [pattern for pattern in patterns if not any(matches(pattern, name) for name in names)]


def instead_of(wrong: str, names: Collection[str], words: Iterable[str] = ()) -> str:
    """What to write instead of a pattern that matches none of the names: the regular expression, if it has
    the wildcards of a shell, or else names and words like it."""
    meant = of_wildcards(wrong)
    if meant is not None and any(matches(meant, name) for name in names):
        return f"it is a regular expression, so write {meant!r}"
    return f"close names: {closest(wrong, [*names, *words])}"


def closest(wrong: str, names: Iterable[str]) -> str:
    """Up to five of the names that are most like a wrong one, or the first and last of them."""
    known = list(names)
    close = difflib.get_close_matches(wrong[:_LONGEST], known, n=5, cutoff=0.5)
    if not close:
        close = known if len(known) <= 4 else [*known[:2], "...", *known[-2:]]
    return ", ".join(close)


def _select(key: str, selector: str, layers: Mapping[str, nn.Module]) -> list[str]:
    names = list(layers)
    if selector == "all":
        return names
    if selector == "classifier":
        return _classifier(names)
    if selector == "conv":
        found = [name for name, layer in layers.items() if isinstance(layer, _ConvNd)]
    elif selector == "linear":
        linear = (nn.Linear, nn.MultiheadAttention)
        found = [name for name, layer in layers.items() if isinstance(layer, linear)]
    elif selector.startswith("last:"):
        count = selector.removeprefix("last:")
        if not re.fullmatch(r"[1-9]\d*", count):
            raise LoraError(f"{key} {selector!r}: give the number of layers, for example last:3.")
        return names[-int(count) :]
    else:
        found = [name for name in names if matches(selector, name)]
    if not found:
        if "," in selector:
            raise LoraError(f"{key} {selector!r} matches no layer; several are a list: [{selector}].")
        words = [word for word in _KEYWORDS if word != selector]
        raise LoraError(f"{key} {selector!r} matches no layer; {instead_of(selector, names, words)}.")
    return found


def _classifier(names: Sequence[str]) -> list[str]:
    """The layers in the child that holds the last one, where the children of a wrapper count and not it."""
    paths = [name.split(".") for name in names]
    depth = 0
    while all(len(path) > depth + 1 for path in paths) and len({path[depth] for path in paths}) == 1:
        depth += 1
    last = paths[-1][: depth + 1]
    return [name for name, path in zip(names, paths, strict=True) if path[: depth + 1] == last]
