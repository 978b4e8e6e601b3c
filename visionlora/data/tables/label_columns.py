"""Which columns of a table hold the labels: one of names, or one for each class."""

from __future__ import annotations

from collections.abc import Container, Sequence

from visionlora.data.names.yes_no import YES
from visionlora.data.tables.cells import Body, is_number, is_switch, repeats, share, values_of
from visionlora.data.tables.column_names import (
    LABEL_COLUMNS,
    LABEL_ENDINGS,
    LABELS_ANYWHERE,
    PLURALS,
    RANKS,
    WEAK,
    key_of,
)

_UNSURE = {
    "art": {
        "datei",
        "dateiname",
        "bild",
        "bilddatei",
        "bildname",
        "fil",
        "filnavn",
        "filnamn",
        "billede",
        "bilde",
    },
    "specie": {"immagine", "nomefile", "percorso"},
}
"""Species in one language, and something else in English -> columns of that language."""
_CERTAIN_NAMES = ("label", "labels", "class", "classes")
"""Of a column that is the label even if all images have one."""


def label_column(names: Sequence[str], body: Body, taken: Container[int | None], several: bool) -> int | None:
    """The column with the best known name; of several one with names before one with numbers."""
    endings = (*PLURALS, *LABEL_ENDINGS) if several else LABEL_ENDINGS
    ranked = len(RANKS & set(names)) > 1
    labels = [name for name in map(key_of, LABELS_ANYWHERE) if not (ranked and name == "class")]
    known = [place for one in labels for place, name in enumerate(names) if name == one]
    known += [place for place, name in enumerate(names) if name.endswith(endings)]
    known += [place for place, name in enumerate(names) if name == WEAK]
    known += [names.index("suffix")] if {"prefix", "suffix"} <= set(names) else []  # PaliGemma's answers
    free = [place for place in known if place not in taken and _is_sure(names, body, place, taken)]

    def doubt(place: int) -> tuple[bool, bool, bool]:
        # A category of all images, or tags that nobody has set, beside the species.
        same = names[place] not in _CERTAIN_NAMES and len(set(values_of(body, place))) < 2
        return "pred" in names[place], same, share(body, place, is_number) == 1

    best = min(free, key=doubt, default=None)
    if best is None:
        return None
    same = [place for place in free if names[place] == names[best] and doubt(place) == doubt(best)]
    # Of two of one name the one that tells images apart: Labelbox has the name of the question, too.
    return next((place for place in same if len(set(values_of(body, place))) > 1), best)


def _is_sure(names: Sequence[str], body: Body, place: int, taken: Container[int | None]) -> bool:
    """Whether a column is called like nothing but labels, or the other columns tell: by their language, or
    since none of them may hold labels, and this one does not say yes and no."""
    if names[place] not in _UNSURE or _UNSURE[names[place]] & {*names}:
        return True
    others = [one for one, name in enumerate(names) if name and one != place and one not in taken]
    return share(body, place, is_switch) < 1 and not any(repeats(body, one) for one in others)


def one_hot_columns(body: Body, rest: Sequence[int]) -> list[int]:
    """The columns of 0 and 1: all there are, or those of which each row has one 1."""
    hot = [place for place in rest if share(body, place, is_switch) == 1]
    ones = [sum(row[place].casefold() in YES for place in hot if place < len(row)) for row in body[:200]]
    return hot if hot == list(rest) or set(ones) == {1} else []


def of_dummies(classes: dict[str, int]) -> tuple[dict[str, int], list[str]]:
    """The columns by the names of their classes, which pandas' get_dummies writes as ``label_cat``, and
    others as ``is_cat``."""
    heads = {name.partition("_")[0] for name in classes}
    head = heads.pop()
    known = head.casefold() in ("is", "has") or key_of(head) in map(key_of, LABEL_COLUMNS)
    if heads or not known or f"{head}_" in classes or head in classes:
        return classes, []
    note = f"what columns are called behind {head}_ is taken for the name of a class"
    return {name.partition("_")[2]: place for name, place in classes.items()}, [note]
