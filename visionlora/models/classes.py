"""Class names: find a network's output by its name.

ImageNet's classes are WordNet synsets. ``imagenet_wnids.txt`` lists their ids in the order of the outputs of
every torchvision network. The order is that of the ILSVRC 2012 data set (Russakovsky et al. 2015); the file
follows timm's ``imagenet_synsets.txt`` (Ross Wightman, Apache 2.0). ``imagenet_categories.txt`` has the names
that torchvision gives them (BSD 3-Clause).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache, lru_cache
from pathlib import Path

from visionlora.data.images.decode import ImageFile
from visionlora.errors import VisionLoraError
from visionlora.text import listed


class UnknownClass(VisionLoraError):
    """No output of the network has this name."""

    def __init__(self, name: str, categories: Sequence[str]) -> None:
        super().__init__(name, categories)
        self._name, self._categories = name, categories

    def close(self) -> list[str]:
        """Similar names of outputs; found when asked for, because comparing a thousand names takes long."""
        return suggestions(self._name, self._categories)

    def __str__(self) -> str:
        close = self.close()
        hint = f"; close: {', '.join(close)}" if close else f"; it has {listed(self._categories, 10)}"
        what = f"class '{listed([self._name])}' is not one of the network's {len(self._categories)} classes"
        return f"{what}{hint}"


class AmbiguousClass(VisionLoraError):
    """Several outputs of the network have this name; ``outputs`` lists them, in words."""

    def __init__(self, name: str, outputs: str) -> None:
        super().__init__(name, outputs)
        self._name, self.outputs = name, outputs

    def __str__(self) -> str:
        return (
            f"class '{self._name}' matches several of the network's classes: {self.outputs}; use a WordNet id"
        )


@cache
def imagenet_wnids() -> tuple[str, ...]:
    """The 1,000 WordNet ids of ImageNet in the order of the outputs."""
    return tuple((Path(__file__).parent / "imagenet_wnids.txt").read_text(encoding="utf-8").split())


@cache
def imagenet_categories() -> tuple[str, ...]:
    """torchvision's names of ImageNet's 1,000 classes in the order of the outputs."""
    text = (Path(__file__).parent / "imagenet_categories.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())


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
        AmbiguousClass: several outputs match; the message lists their WordNet ids.
    """
    for exact in (True, False):
        wanted = name if exact else _normalised(name)
        found = _places(tuple(wnids), exact).get(wanted, []) if wanted else []
        found = found or _places(tuple(categories), exact).get(wanted, [])
        if len(found) == 1:
            return found[0]
        if found and wanted:
            raise AmbiguousClass(name, ", ".join(_description(i, categories, wnids) for i in found))
    raise UnknownClass(name, categories)


def outputs_of_labels(
    images: Iterable[ImageFile], categories: Sequence[str], wnids: Sequence[str] = ()
) -> dict[str, int]:
    """Each label of the images -> the output that :func:`find_class` finds."""
    labels = sorted({image.label for image in images if image.label is not None})
    return {label: find_class(label, categories, wnids) for label in labels}


@lru_cache(maxsize=16)
def _places(names: tuple[str, ...], exact: bool) -> dict[str, list[int]]:
    """Where each name is, as it is or normalised."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        places.setdefault(name if exact else _normalised(name), []).append(place)
    return places


def suggestions(name: str, categories: Sequence[str], count: int = 4) -> list[str]:
    """Categories that ``name`` may stand for: similar spellings, then those that share a whole word."""
    words = set(re.findall(r"\w+", name.casefold().replace("_", " ")))
    by_word = [category for category in categories if words & set(re.findall(r"\w+", category.casefold()))]
    by_key = {_normalised(category): category for category in categories}
    similar = [by_key[match] for match in get_close_matches(_normalised(name), by_key, n=count, cutoff=0.7)]
    return list(dict.fromkeys(similar + by_word))[:count]


def _normalised(name: str) -> str:
    # Macs store "ä" as two characters, other systems as one.
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", name).casefold())


def _description(index: int, categories: Sequence[str], wnids: Sequence[str]) -> str:
    wnid = wnids[index] if index < len(wnids) else ""
    return f"{wnid} ({categories[index]})" if wnid else f"output {index} ({categories[index]})"
