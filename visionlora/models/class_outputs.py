"""Which output of the network each class name means, in words that a person can check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from visionlora.data.findings import Output
from visionlora.data.wordnet import FIELDS, definition, more_usual_meaning
from visionlora.models.classes import AmbiguousClass, UnknownClass, find_class


def describe_outputs(
    classes: Iterable[str], categories: Sequence[str], wnids: Sequence[str]
) -> dict[str, Output]:
    """class -> the network's output that it means.

    Args:
        classes: names.
        categories: the name of each output.
        wnids: the WordNet id of each output, "" or left out where there is none.
    """
    return {name: _describe(name, categories, wnids) for name in classes}


def _describe(name: str, categories: Sequence[str], wnids: Sequence[str]) -> Output:
    try:
        key = find_class(name, categories, wnids)
    except AmbiguousClass as error:
        return Output("ambiguous", error.outputs)
    except UnknownClass as error:
        close = ", ".join(error.close())
        return Output("new", f"a new output; close to it are {close}" if close else "a new output")
    wnid = wnids[key] if key < len(wnids) else ""
    meaning = more_usual_meaning(wnid, name) if wnid else ""
    return Output("known", categories[key], wnid, definition(wnid), meaning if meaning in FIELDS else "", key)
