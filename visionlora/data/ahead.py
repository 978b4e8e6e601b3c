"""Read the images of a folder while this process still finds out what they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from visionlora.data.fingerprint import Read, fingerprinted
from visionlora.data.formats import SUFFIXES
from visionlora.data.index import holds_any_of
from visionlora.data.parallel import meanwhile
from visionlora.data.root import as_written
from visionlora.data.walk import is_system_file
from visionlora.lazy import garbage_kept

FROM = 2000
"""Smaller folders are looked through in a moment."""

_MOST = 20_000
"""What is read may be no image of any class, and waits in memory: half a kilobyte each."""

Early = Callable[[], dict[str, Read]]
"""Ends it; path -> what was read by then."""


@contextmanager
def reading_ahead(root: str | Path, cache: Path | None) -> Iterator[Early]:
    """Inside, other processes read what seem to be images below a folder.

    Args:
        root: what the user gave, whatever it is.
        cache: folder of the index; nothing is read of a folder that it knows images of.

    Raises:
        VisionLoraError: as of :func:`visionlora.data.root.as_written`.
    """
    folder = as_written(root)
    names = [] if holds_any_of(folder, cache) else _listed(folder)
    with meanwhile(fingerprinted, names if len(names) > FROM else []) as ended:

        @garbage_kept()
        def early() -> dict[str, Read]:
            return {name: one for batch, found in ended() for name, one in zip(batch, found, strict=True)}

        yield early


def _listed(folder: Path) -> list[str]:
    """The first files below a folder that are called like images, links to folders not followed."""
    found: list[str] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not is_system_file(name)]
        start = str(Path(parent, "_"))[:-1]  # as paths are written: not ./cat/1.jpg
        found += [start + name for name in files if os.path.splitext(name)[1].casefold() in SUFFIXES]  # noqa: PTH122
        if len(found) >= _MOST:
            break
    return sorted(found[:_MOST])
