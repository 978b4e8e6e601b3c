"""Which output of the network each class name means, in words that a person can check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from visionlora.data.check.findings import Output
from visionlora.data.names.wordnet import (
    FIELDS,
    definition,
    field_of,
    kinds_among,
    meanings,
    more_usual_meaning,
    usual_field,
)
from visionlora.lazy import garbage_kept
from visionlora.models.classes import AmbiguousClass, UnknownClass, find_class

_SOME = 3
"""Outputs that are named where many are kinds of one class."""
_TELLING = 2
"""Other classes of one field, at least, say what a name means."""
_TOLD_APART = {"animal", "object"}
"""A plant or an animal may be food, too; an animal is no object."""


@garbage_kept()
def describe_outputs(
    classes: Iterable[str], categories: Sequence[str], wnids: Sequence[str]
) -> dict[str, Output]:
    """class -> the network's output that it means.

    Args:
        classes: names.
        categories: the name of each output.
        wnids: the WordNet id of each output, "" or left out where there is none.
    """
    found = {name: _describe(name, categories, wnids) for name in classes}
    fields = {
        name: field_of(output.wnid) if output.wnid else usual_field(name) for name, output in found.items()
    }
    for name, output in found.items():
        if _is_one_of_many(name, output.instead_of, fields):
            found[name] = replace(output, instead_of="")
        elif output.wnid and not output.instead_of:
            found[name] = replace(output, instead_of=_meant_by_others(name, fields))
    return found


def without_output(classes: Iterable[str], categories: Sequence[str], wnids: Sequence[str]) -> list[str]:
    """Those of the classes that the network has no output for."""
    return [name for name in classes if not _has_one(name, categories, wnids)]


def _has_one(name: str, categories: Sequence[str], wnids: Sequence[str]) -> bool:
    try:
        find_class(name, categories, wnids)
    except (AmbiguousClass, UnknownClass):
        return False
    return True


def _is_one_of_many(name: str, other: str, fields: Mapping[str, str]) -> bool:
    """Whether the other classes tell what a name means that may mean something of the field ``other``: a
    Chihuahua among dogs is no place, and a nail among hammers no part of a finger."""
    others = [field for one, field in fields.items() if one != name and field]
    alike = others.count(fields[name])
    return other in FIELDS and alike >= _TELLING and 2 * alike > len(others) and other not in others


def _meant_by_others(name: str, fields: Mapping[str, str]) -> str:
    """What the other classes tell that a name means, where that is not what its output is: a crane among
    herons and storks is an animal, and not the machine; "" where they do not tell."""
    others = {one: {field} if field else _fields(one) for one, field in fields.items() if one != name}
    for meant in _TOLD_APART - {fields[name]} if fields[name] in _TOLD_APART else ():
        tell = sum(meant in some and fields[name] not in some for some in others.values())
        if tell >= _TELLING and all(fields[one] != fields[name] for one in others) and meant in _fields(name):
            return meant
    return ""


def _fields(name: str) -> set[str]:
    """The fields of all that a name may mean."""
    return {field_of(wnid) for wnid in meanings(name, whole=True)}


def _describe(name: str, categories: Sequence[str], wnids: Sequence[str]) -> Output:
    try:
        key = find_class(name, categories, wnids)
    except AmbiguousClass as error:
        return Output("ambiguous", error.outputs)
    except UnknownClass as error:
        known = _in_other_words(name, categories, wnids) or _in_other_spelling(error)
        return Output("new", f"a new output; {known}" if known else "a new output")
    wnid = wnids[key] if key < len(wnids) else ""
    meaning = more_usual_meaning(wnid, name) if wnid else ""
    if meaning and meaning not in FIELDS and not _has_output(meaning, key, wnids):
        meaning = ""
    return Output("known", categories[key], wnid, definition(wnid), meaning, key)


def _has_output(name: str, key: int, wnids: Sequence[str]) -> bool:
    """Whether other outputs than ``key`` are what a name means, or kinds of it: airliners of an airplane."""
    same, kinds = kinds_among(name, wnids)
    return bool(same or kinds) and key not in (*same, *kinds)


def _in_other_words(name: str, categories: Sequence[str], wnids: Sequence[str]) -> str:
    """Which outputs mean what the name does, or kinds of it; "" where there are none."""
    same, kinds = kinds_among(name, wnids)
    if same:
        category, wnid = categories[same[0]], wnids[same[0]]
        found_by = category if list(categories).count(category) == 1 else wnid
        means = "means" if len(meanings(name, usual=True, whole=True)) == 1 else "may mean"
        return f"the network's {category} {means} the same (call the class {found_by} to train it)"
    if not kinds:
        return ""
    if len(kinds) == 1:
        return f"the network's {categories[kinds[0]]} is a kind of it"
    some = ", ".join(categories[place] for place in kinds[:_SOME])
    more = ", ..." if len(kinds) > _SOME else ""
    return f"{len(kinds)} of the network's outputs are kinds of it: {some}{more}"


def _in_other_spelling(error: UnknownClass) -> str:
    close = ", ".join(error.close())
    return f"close to it are {close}" if close else ""
