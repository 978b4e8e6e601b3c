"""Which output of the network each class name means, in words that a person can check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from visionlora.data.findings import Output
from visionlora.data.wordnet import FIELDS, definition, more_usual_meaning
from visionlora.errors import VisionLoraError


def describe_outputs(
    classes: Iterable[str],
    categories: Sequence[str],
    wnids: Sequence[str],
    find: Callable[[str, Sequence[str], Sequence[str]], int],
) -> dict[str, Output]:
    """class -> the network's output that it means.

    Args:
        classes: names.
        categories: the name of each output.
        wnids: the WordNet id of each output, "" or left out where there is none.
        find: :func:`visionlora.models.find_class`.
    """
    return {name: _describe(name, categories, wnids, find) for name in classes}


def _describe(
    name: str,
    categories: Sequence[str],
    wnids: Sequence[str],
    find: Callable[[str, Sequence[str], Sequence[str]], int],
) -> Output:
    try:
        key = find(name, categories, wnids)
    except VisionLoraError as error:
        message = str(error)
        if "several" in message:
            return Output("ambiguous", message.partition("several of the network's classes: ")[2] or message)
        close = message.partition("; close: ")[2]
        return Output("new", f"a new output; close to it are {close}" if close else "a new output")
    wnid = wnids[key] if key < len(wnids) else ""
    meaning = more_usual_meaning(wnid, name) if wnid else ""
    return Output("known", categories[key], wnid, definition(wnid), meaning if meaning in FIELDS else "", key)
