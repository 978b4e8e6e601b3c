"""Files that a table lists under a path which is not there, found by their names."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from visionlora.data.split_names import split_name
from visionlora.data.walk import has_images, walk

_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What Label Studio writes before the name of a file that was uploaded."""
ASIDE = re.compile(r"annotations?|labels?|meta(data)?|lists?|splits?|csv|tables?|imagelists?", re.IGNORECASE)
"""What folders of tables are called."""
_LOCAL = "/data/local-files/?d="
"""What Label Studio writes before the path of a file of its own machine."""


def spellings(name: str) -> tuple[str, ...]:
    """``name`` as a table has it, in old systems' bytes, and without what addresses are written with."""
    return name, _old_bytes(name), unquote(name), unquote(name.rpartition(_LOCAL)[2])


def _old_bytes(name: str) -> str:
    """``name`` as a file name that an old system wrote in Windows-1252, if it can be one."""
    try:
        return os.fsdecode(name.encode("cp1252"))
    except UnicodeEncodeError:
        return name


class FilesByName:
    """The images below a table's folder.

    Args:
        table: the table; where it is called like a split, files in folders of that split come first. Of one
            in a folder of tables (``annotations``) the images below the folder above it count.
    """

    def __init__(self, table: Path) -> None:
        self._top = table.parent
        if ASIDE.fullmatch(self._top.name) and not has_images(self._top):
            self._top = self._top.parent
        self._split = split_name(table.stem)
        self._files: dict[str, list[Path]] = defaultdict(list)
        for file in walk(self._top)[0]:
            for name in {_folded(file.name), _folded(file.stem)}:
                self._files[name].append(file)

    def has(self, name: str) -> bool:
        """Whether some file has the name of this path, with or without a suffix."""
        return _folded(name.replace("\\", "/").rpartition("/")[2]) in self._files

    def like(self, path: Path, split: str) -> Sequence[Path]:
        """The files with the name of ``path``; of several those that share most folders with it, and of
        those the ones in a folder that is called like the split.

        Case and Unicode form do not count, nor does a suffix that is not written.

        Args:
            path: as the table has it.
            split: what the table says that it belongs to.
        """
        name = path.name.partition("?")[0] if ":/" in str(path) else path.name
        same = self._files.get(_folded(name), []) or self._files.get(_folded(_UPLOADED.sub("", name)), [])
        if len(same) > 1:
            shared = [_shared(file, path) for file in same]
            same = [file for file, count in zip(same, shared, strict=True) if count == max(shared)]
        if len(same) > 1:
            wanted = self._split or split
            inside = [
                file for file in same
                if any(split_name(part) == wanted for part in file.relative_to(self._top).parts[:-1])
            ]  # fmt: skip
            same = inside or same
        return same


def _shared(one: Path, other: Path) -> int:
    """How many of the last folders are called the same."""
    count = 0
    for a, b in zip(reversed(one.parts[:-1]), reversed(other.parts[:-1]), strict=False):
        if _folded(a) != _folded(b):
            break
        count += 1
    return count


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
