"""All inputs of the corpus; ``python -m tests.data.corpus_all FOLDER`` writes them to look at."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.data import (
    corpus_alike,
    corpus_domains,
    corpus_exports,
    corpus_given,
    corpus_layouts,
    corpus_listed,
    corpus_lists,
    corpus_more,
    corpus_named,
    corpus_nested,
    corpus_ordinary,
    corpus_others,
    corpus_outside,
    corpus_people,
    corpus_public,
    corpus_reported,
    corpus_sets,
    corpus_splits,
    corpus_tables,
    corpus_tools,
    corpus_trainers,
    corpus_tried,
)
from tests.data.corpus import Case


def cases() -> Iterator[Case]:
    """Every input."""
    yield from corpus_layouts.layouts()
    yield from corpus_layouts.split_spellings()
    yield from corpus_layouts.classes_called_like_splits()
    yield from corpus_layouts.wrappers()
    yield from corpus_layouts.litter()
    yield from corpus_layouts.links()
    yield from corpus_tables.tables()
    yield from corpus_others.archives()
    yield from corpus_others.names()
    yield from corpus_others.numbers()
    for kind in ("splits", "layouts", "litter", "tables", "archives"):
        yield from getattr(corpus_more, f"more_{kind}")()
    yield from corpus_ordinary.ordinary()
    yield from corpus_public.public()
    yield from corpus_exports.exports()
    yield from corpus_trainers.left_by_trainers()
    yield from corpus_trainers.competitions()
    yield from corpus_outside.outside()
    yield from corpus_listed.listed()
    yield from corpus_domains.domains()
    yield from corpus_given.given()
    yield from corpus_sets.sets()
    yield from corpus_alike.all_alike()
    yield from corpus_tools.labelling_tools()
    yield from corpus_people.people()
    yield from corpus_lists.lists_of_paths()
    yield from corpus_lists.gone()
    yield from corpus_lists.more_hints()
    yield from corpus_lists.numbers_and_splits()
    yield from corpus_named.named()
    yield from corpus_nested.nested()
    yield from corpus_nested.parts()
    yield from corpus_nested.parts_and_table()
    yield from corpus_splits.split_lists()
    yield from corpus_splits.unused_lists()
    yield from corpus_splits.names()
    yield from corpus_reported.reported()
    yield from corpus_tried.tried()


if __name__ == "__main__":
    for place, case in enumerate(cases()):
        folder = Path(sys.argv[1]) / f"{place:03}"
        folder.mkdir(parents=True)
        case.make(folder)
        print(f"{place:03} {case.name!r} data.root={case.root}")
