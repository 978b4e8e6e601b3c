"""Class names: find a network's output by its name.

ImageNet's classes are WordNet synsets. ``imagenet_wnids.txt`` lists their ids in the order of the outputs of
every torchvision network. The order is that of the ILSVRC 2012 data set (Russakovsky et al. 2015); the file
follows timm's ``imagenet_synsets.txt`` (Ross Wightman, Apache 2.0).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from visionlora.errors import VisionLoraError


class UnknownClass(VisionLoraError):
    """No output of the network has this name."""


@cache
def imagenet_wnids() -> tuple[str, ...]:
    """The 1,000 WordNet ids of ImageNet in the order of the outputs."""
    return tuple((Path(__file__).parent / "imagenet_wnids.txt").read_text(encoding="utf-8").split())


def find_class(name: str, categories: Sequence[str], wnids: Sequence[str] = ()) -> int:
    """The index of the output called ``name``.

    An exact match with a category or a WordNet id comes first ("cardigan" is the jacket, "Cardigan" the dog);
    otherwise case, spaces, underscores and punctuation are ignored.

    Args:
        name: a category's name or a WordNet id ("n01443537").
        categories: the name of each output.
        wnids: the WordNet id of each output, "" where there is none; may be empty.

    Raises:
        UnknownClass: no output has that name; similar names are suggested.
        VisionLoraError: several outputs match; the message lists their WordNet ids.
    """
    for key in (_exact, _normalised):
        wanted = key(name)
        found = [i for i, wnid in enumerate(wnids) if wnid and key(wnid) == wanted]
        found = found or [i for i, category in enumerate(categories) if key(category) == wanted]
        if len(found) == 1:
            return found[0]
        if found and wanted:
            which = ", ".join(_description(i, categories, wnids) for i in found)
            raise VisionLoraError(
                f"class '{name}' matches several of the network's classes: {which}; use a WordNet id"
            )
    close = suggestions(name, categories)
    hint = f"; close: {', '.join(close)}" if close else ""
    raise UnknownClass(f"class '{name}' is not one of the network's {len(categories)} classes{hint}")


def suggestions(name: str, categories: Sequence[str], count: int = 4) -> list[str]:
    """Categories that ``name`` may stand for: similar spellings, then those that share a whole word."""
    words = set(re.findall(r"\w+", name.casefold().replace("_", " ")))
    by_word = [category for category in categories if words & set(re.findall(r"\w+", category.casefold()))]
    by_key = {_normalised(category): category for category in categories}
    similar = [by_key[match] for match in get_close_matches(_normalised(name), by_key, n=count, cutoff=0.7)]
    return list(dict.fromkeys(similar + by_word))[:count]


def _exact(name: str) -> str:
    return name


def _normalised(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _description(index: int, categories: Sequence[str], wnids: Sequence[str]) -> str:
    wnid = wnids[index] if index < len(wnids) else ""
    return f"{wnid} ({categories[index]})" if wnid else f"output {index} ({categories[index]})"
