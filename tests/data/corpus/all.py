"""All inputs of the corpus; ``python -m tests.data.corpus.all FOLDER`` writes them to look at."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus import (
    alike,
    beside,
    boxes,
    code_pages,
    domains,
    exported,
    exports,
    garbled,
    generated,
    given,
    joined,
    kinds,
    layouts,
    listed,
    lists,
    more,
    named,
    nested,
    odd,
    ordinary,
    others,
    outside,
    people,
    public,
    reported,
    roles,
    semi,
    sets,
    splits,
    tables,
    tools,
    trainers,
    tried,
    wide,
)
from tests.data.corpus.case import Case


def cases() -> Iterator[Case]:
    """Every input."""
    yield from layouts.layouts()
    yield from layouts.split_spellings()
    yield from layouts.classes_called_like_splits()
    yield from layouts.wrappers()
    yield from layouts.litter()
    yield from layouts.links()
    yield from tables.tables()
    yield from others.archives()
    yield from others.names()
    yield from others.numbers()
    for kind in ("splits", "layouts", "litter", "tables", "archives"):
        yield from getattr(more, f"more_{kind}")()
    yield from ordinary.ordinary()
    yield from public.public()
    yield from exports.exports()
    yield from trainers.left_by_trainers()
    yield from trainers.competitions()
    yield from outside.outside()
    yield from listed.listed()
    yield from domains.domains()
    yield from given.given()
    yield from sets.sets()
    yield from alike.all_alike()
    yield from tools.labelling_tools()
    yield from people.people()
    yield from lists.lists_of_paths()
    yield from lists.gone()
    yield from lists.more_hints()
    yield from lists.numbers_and_splits()
    yield from named.named()
    yield from nested.nested()
    yield from nested.parts()
    yield from nested.parts_and_table()
    yield from kinds.kinds()
    yield from splits.split_lists()
    yield from splits.unused_lists()
    yield from splits.names()
    yield from reported.reported()
    yield from roles.roles()
    yield from tried.tried()
    yield from odd.odd()
    yield from boxes.yolo_boxes()
    yield from boxes.files_of_classes()
    yield from boxes.more_boxes()
    yield from code_pages.code_pages()
    yield from joined.joined()
    yield from garbled.garbled()
    yield from generated.generated()
    yield from beside.beside()
    yield from exported.exported()
    yield from semi.semi()
    yield from wide.wide()


if __name__ == "__main__":
    for place, case in enumerate(cases()):
        folder = Path(sys.argv[1]) / f"{place:03}"
        folder.mkdir(parents=True)
        case.make(folder)
        print(f"{place:03} {case.name!r} data.root={case.root}")
