"""What names of classes mean, and which are kinds of one another: a part of WordNet 3.0.

ImageNet's classes are WordNet synsets (https://wordnet.princeton.edu; Miller 1995). ``wordnet.tsv.gz`` is
made by ``scripts/make_wordnet_table.py`` and carries WordNet's licence.
"""

from __future__ import annotations

import gzip
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

_FIELDS = {
    "3": "thing", "4": "activity", "5": "animal", "6": "object", "8": "body part", "13": "food",
    "15": "place", "17": "natural thing", "20": "plant",
}  # fmt: skip
"""WordNet's lexicographer files."""
FIELDS = frozenset(_FIELDS.values())
"""The kinds of thing that :func:`more_usual_meaning` tells apart."""

_MEANINGS = 5
"""Of a word, so many meanings count at most; the bird is the fifth of ``crane``."""

_ID = re.compile(r"n\d{8}")
_BETWEEN = re.compile(r"[\W_]+")

# Names that WordNet 3.0 does not have, or has in one country's sense alone.
_ALIASES = {
    "clownfish": ("n02607072",),  # anemone fish
    "clown_fish": ("n02607072",),
    "tang": ("n02621258",),  # surgeonfish
    "football": ("n03378765", "n04254680"),  # soccer ball
}


class _Synset(NamedTuple):  # 14,000 of them are made; a dataclass takes three times as long
    kinds: tuple[str, ...]
    words: tuple[str, ...]
    field: str
    definition: str = ""
    others: str = ""


def meanings(name: str, usual: bool = False, whole: bool = False) -> frozenset[str]:
    """The WordNet ids that a name can mean, empty where none is known.

    An id stands for itself. Case, spaces and punctuation do not count, a plural is its singular, and of a
    compound that is unknown the last words count: a ``grey-cat`` is a cat, and so is ``cat_001``. Rare
    meanings are left out (``blue`` is a butterfly, too). With ``usual`` a name means at most one animal, one
    object, one food and so on; with ``whole`` a compound that is unknown means nothing.
    """
    if _ID.fullmatch(name.strip().casefold()):
        return frozenset({name.strip().casefold()})
    words = [word for word in _BETWEEN.split(name.casefold()) if word and not word.isdigit()]
    for start in range(min(len(words), 1) if whole else len(words)):
        for spelling in _singulars("_".join(words[start:])):
            if spelling in _ALIASES:
                return frozenset(_ALIASES[spelling])
            if found := _index().get(spelling):
                first = {_synsets()[wnid].field: wnid for wnid in reversed(found)}
                return frozenset(first.values() if usual else found)
    return frozenset()


def kinds(wnid: str) -> frozenset[str]:
    """The synset itself and everything that it is a kind of, up to the most general."""
    return _above(wnid)


def are_related(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether a meaning of one name is a kind of a meaning of the other."""
    return any(a in kinds(b) or b in kinds(a) for a in one for b in other)


def kinds_among(name: str, wnids: Sequence[str]) -> tuple[list[int], list[int]]:
    """(places of ids that are what ``name`` usually means, places of ids that are kinds of it)."""
    meant = meanings(name, usual=True, whole=True)
    same = [place for place, wnid in enumerate(wnids) if wnid in meant]
    below = [place for place, wnid in enumerate(wnids) if wnid and wnid not in meant and kinds(wnid) & meant]
    return same, below


def definition(wnid: str) -> str:
    """A short definition of one of ImageNet's classes; "" for others."""
    synset = _synsets().get(wnid)
    return synset.definition if synset else ""


def field_of(wnid: str) -> str:
    """Which of ``FIELDS`` a synset is in; "": none of them, or it is not known."""
    synset = _synsets().get(wnid)
    return _FIELDS.get(synset.field, "") if synset else ""


def usual_field(name: str) -> str:
    """Which of ``FIELDS`` the meanings of a name are in; "": none, or in several."""
    fields = {field_of(wnid) for wnid in meanings(name)}
    return fields.pop() if len(fields) == 1 else ""


def more_usual_meaning(wnid: str, name: str) -> str:
    """What ``name`` more often means than the class ``wnid`` of ImageNet: ``animal`` for the computer mouse.

    One of ``FIELDS``, or another name of something of the same field (``airplane`` for the tool, a plane); ""
    where the class is what the name usually means.
    """
    synset = _synsets().get(wnid)
    if synset is None or not synset.others:
        return ""
    spelling = _BETWEEN.sub("_", name.casefold()).strip("_")
    for entry in synset.others.split(";"):
        word, _, others = entry.partition("=")
        if _BETWEEN.sub("_", word.casefold()) in _singulars(spelling):
            return others.split("|")[0]
    return ""


def _singulars(word: str) -> tuple[str, ...]:
    """The word, and what it may be the plural of."""
    found = [word]
    if word.endswith("ies"):
        found.append(word[:-3] + "y")
    if word.endswith("es"):
        found.append(word[:-2])
    if word.endswith("s") and not word.endswith("ss"):
        found.append(word[:-1])
    return tuple(found)


@cache
def _synsets() -> dict[str, _Synset]:
    text = gzip.decompress((Path(__file__).parent / "wordnet.tsv.gz").read_bytes()).decode()
    table = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        wnid, kinds, words, field, *rest = line.split("\t")
        above = tuple(f"n{kind}" for kind in kinds.split(",") if kind)
        table[f"n{wnid}"] = _Synset(above, tuple(words.split(",")), field, *rest)
    return table


@cache
def _index() -> dict[str, list[str]]:
    """Word -> its meanings, the most usual one first."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for wnid, synset in _synsets().items():
        for entry in synset.words:
            word, _, rank = entry.partition("#")
            more_usual = int(rank) if rank else 0
            if more_usual < _MEANINGS:
                spelling = word.casefold()
                if not spelling.isalnum():
                    spelling = _BETWEEN.sub("_", spelling).strip("_")
                found[spelling].append((more_usual, wnid))
    return {word: [wnid for _, wnid in sorted(places)] for word, places in found.items()}


@cache
def _above(wnid: str) -> frozenset[str]:
    synset = _synsets().get(wnid)
    above: frozenset[str] = frozenset({wnid})
    return above.union(*map(_above, synset.kinds)) if synset else above
