"""Class names: which output of a network bears a name.

ImageNet's classes are WordNet synsets. ``imagenet_wnids.txt`` lists their ids in the order of the outputs of
every torchvision network; the list is a fact of the ILSVRC 2012 data set (Russakovsky et al. 2015), and the
file follows timm's ``imagenet_synsets.txt`` (Ross Wightman, Apache 2.0).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from visionlora.errors import VisionLoraError


class UnknownClass(VisionLoraError):
    """No output of the network bears the name."""


@cache
def imagenet_wnids() -> tuple[str, ...]:
    """The 1,000 WordNet ids of ImageNet in the order of the outputs."""
    return tuple((Path(__file__).parent / "imagenet_wnids.txt").read_text(encoding="utf-8").split())


def find_class(name: str, categories: Sequence[str], wnids: Sequence[str] = ()) -> int:
    """The output that ``name`` means.

    A name that is written exactly like a category or a WordNet id wins ("cardigan" is the jacket, "Cardigan"
    the dog); otherwise case, spaces, underscores and punctuation do not count.

    Args:
        name: a category's name or a WordNet id ("n01443537").
        categories: the name of each output.
        wnids: the WordNet id of each output, "" where there is none; may be empty.

    Raises:
        UnknownClass: no output has that name; close ones are suggested.
        VisionLoraError: several outputs have it; their WordNet ids are suggested.
    """
    for same in (_exact, _folded):
        wanted = same(name)
        found = [i for i, wnid in enumerate(wnids) if wnid and same(wnid) == wanted]
        found = found or [i for i, category in enumerate(categories) if same(category) == wanted]
        if len(found) == 1:
            return found[0]
        if found and wanted:
            which = ", ".join(_title(i, categories, wnids) for i in found)
            raise VisionLoraError(
                f"class '{name}' means several of the network's classes: {which}; use one's id"
            )
    close = suggestions(name, categories)
    hint = f"; close: {', '.join(close)}" if close else ""
    raise UnknownClass(f"class '{name}' is none of the network's {len(categories)} classes{hint}")


def suggestions(name: str, categories: Sequence[str], count: int = 4) -> list[str]:
    """Categories that ``name`` may have been meant for: similar ones, then those that share a whole word."""
    words = set(re.findall(r"\w+", name.casefold().replace("_", " ")))
    by_word = [category for category in categories if words & set(re.findall(r"\w+", category.casefold()))]
    folded = {_folded(category): category for category in categories}
    similar = [folded[match] for match in get_close_matches(_folded(name), folded, n=count, cutoff=0.7)]
    return list(dict.fromkeys(similar + by_word))[:count]


def _exact(name: str) -> str:
    return name


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.casefold())


def _title(index: int, categories: Sequence[str], wnids: Sequence[str]) -> str:
    wnid = wnids[index] if index < len(wnids) else ""
    return f"{wnid} ({categories[index]})" if wnid else f"output {index} ({categories[index]})"
