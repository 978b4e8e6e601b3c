"""Write ``visionlora/data/names/wordnet.tsv.gz``: the part of WordNet 3.0 that class names are compared with.

    python scripts/make_wordnet_table.py /usr/share/wordnet      # Debian: apt-get install wordnet-base

A line a synset: id, ids of the kinds that it is a kind of, its words (``word#3`` has three more usual
meanings), its field, and for ImageNet's 1,000 classes a short definition and what else their words mean,
where that is more usual: ``word=meaning|meaning``.
"""

from __future__ import annotations

import gzip
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parents[1]
DRAWINGS = HERE / "data" / "goldfish" / "contrast"
ANIMAL, ARTIFACT, BODY, FOOD, PLANT = 5, 6, 8, 13, 20
MEANINGS = {
    3: "thing", 4: "activity", ANIMAL: "animal", ARTIFACT: "object", BODY: "body part", FOOD: "food",
    15: "place", 17: "natural thing", PLANT: "plant",
}  # fmt: skip
LICENCE = """\
# From WordNet 3.0 (https://wordnet.princeton.edu), made by scripts/make_wordnet_table.py.
# WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved.
# Permission to use, copy, modify and distribute this software and database and its documentation for
# any purpose and without fee or royalty is hereby granted, provided that you agree to comply with the
# following copyright notice and statements, including the disclaimer, and that the same appear on ALL
# copies of the software, database and documentation, including modifications that you make for
# internal use or for distribution. THIS SOFTWARE AND DATABASE IS PROVIDED "AS IS" AND PRINCETON
# UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT
# LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF MERCHANTABILITY OR
# FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE OF THE LICENSED SOFTWARE, DATABASE OR
# DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS. The
# name of Princeton University or Princeton may not be used in advertising or publicity pertaining to
# distribution of the software and/or database. Title to copyright in this software, database and any
# associated documentation shall at all times remain with Princeton University and LICENSEE agrees to
# preserve same.
"""


class Synset(NamedTuple):
    """One meaning: what it belongs to, its words, the kinds that it is a kind of, its definition."""

    field: int
    words: list[str]
    kinds: list[str]
    definition: str


def read(folder: Path) -> tuple[dict[str, Synset], dict[str, list[str]]]:
    """(id -> synset, word -> ids, the most usual meaning first)."""
    synsets = {}
    for line in (folder / "data.noun").read_text(encoding="utf-8").splitlines():
        if line.startswith("  "):
            continue
        data, _, definition = line.partition(" | ")
        parts = data.split(" ")
        count = int(parts[3], 16)
        words = parts[4 : 4 + 2 * count : 2]
        pointers = parts[5 + 2 * count :]
        kinds = [
            f"n{pointers[place + 1]}"
            for place in range(0, len(pointers) - 3, 4)
            if pointers[place] in ("@", "@i")
        ]
        synsets[f"n{parts[0]}"] = Synset(int(parts[1]), words, kinds, definition.strip())
    index = {}
    for line in (folder / "index.noun").read_text(encoding="utf-8").splitlines():
        if not line.startswith("  "):
            parts = line.split()
            index[parts[0]] = [f"n{offset}" for offset in parts[-int(parts[2]) :]]
    return synsets, index


def closure(start: set[str], towards: dict[str, list[str]]) -> set[str]:
    """``start`` and all that can be reached from it."""
    found, waiting = set(start), list(start)
    while waiting:
        for one in towards.get(waiting.pop(), ()):
            if one not in found:
                found.add(one)
                waiting.append(one)
    return found


def is_taxon(synset: Synset) -> bool:
    """Whether it is a name of biology that nobody gives to a class of images ("genus Canis")."""
    return all(word[0].isupper() for word in synset.words) and bool(
        re.match(
            r"(type |a |an |large |small |one of |the )*(genus|famil|order|class|phylum|sub|super)",
            synset.definition,
        )
    )


def short(definition: str, most: int = 70) -> str:
    """The first clause of a definition."""
    text = definition.split(";")[0].split(' "')[0].strip()
    text = re.sub(r"^\([^)]*\)\s*", "", text)
    while len(text) > most:
        cut = re.split(r"[,(]| with | that | having | used | which | from ", text)[0].strip()
        text = cut if 12 < len(cut) < len(text) else text[: text.rfind(" ", 0, most)] + " ..."
        break
    return text


def other_meanings(wnid: str, synsets: dict[str, Synset], index: dict[str, list[str]]) -> str:
    """Of each word of a class what else it means, where WordNet lists that meaning first."""
    found = []
    for word in synsets[wnid].words:
        meanings: list[str] = []
        senses = index[word.lower()]
        for other in senses[: senses.index(wnid)]:
            synset = synsets[other]
            if any(one != word and one.lower() == word.lower() for one in synset.words):
                continue  # a proper name
            meaning = MEANINGS.get(synset.field)
            if {synset.field, synsets[wnid].field} <= {ANIMAL, PLANT, FOOD} and synset.field != synsets[
                wnid
            ].field:
                continue  # the same thing, growing or on a plate
            if synset.field == synsets[wnid].field:
                meaning = next((one for one in synset.words if one.lower() != word.lower()), None)
                meaning = meaning and meaning.replace("_", " ")
            if meaning and meaning not in meanings:
                meanings.append(meaning)
        if meanings:
            found.append(f"{word}={'|'.join(meanings[:2])}")
    return ";".join(found)


def main() -> None:
    """Write the table."""
    synsets, index = read(Path(sys.argv[1]))
    below: dict[str, list[str]] = defaultdict(list)
    for wnid, synset in synsets.items():
        for kind in synset.kinds:
            below[kind].append(wnid)
    classes = (HERE / "visionlora" / "models" / "imagenet_wnids.txt").read_text(encoding="utf-8").split()
    subjects = {path.stem.replace("-", "_") for path in DRAWINGS.rglob("*.webp")}
    words = {"_".join(name.split("_")[place:]) for name in subjects for place in range(name.count("_") + 1)}
    drawn = {wnid for word in words for wnid in index.get(word, ()) if synsets[wnid].field in MEANINGS}
    wanted = closure(set(classes) | drawn, below)
    wanted |= {wnid for wnid, one in synsets.items() if one.field in (ANIMAL, FOOD) and not is_taxon(one)}
    wanted = {wnid for wnid in wanted if synsets[wnid].field in MEANINGS and not is_taxon(synsets[wnid])}
    wanted |= set(classes)
    wanted = closure(wanted, {wnid: synset.kinds for wnid, synset in synsets.items()})
    lines = []
    for wnid in sorted(wanted):
        synset = synsets[wnid]
        places = [index[word.lower()].index(wnid) for word in synset.words]
        words = [
            f"{word}#{place}" if place else word for word, place in zip(synset.words, places, strict=True)
        ]
        line = [wnid[1:], ",".join(kind[1:] for kind in synset.kinds), ",".join(words), str(synset.field)]
        if wnid in classes:
            line += [short(synset.definition), other_meanings(wnid, synsets, index)]
        lines.append("\t".join(line).rstrip("\t"))
    text = LICENCE + "\n".join(lines) + "\n"
    target = HERE / "visionlora" / "data" / "names" / "wordnet.tsv.gz"
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(lines)} synsets, {target.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
