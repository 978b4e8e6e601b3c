"""Lists of images to leave out, or to use alone, which are not read: ``blacklist.txt``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from visionlora.data.files.code_pages import unicode_text
from visionlora.data.files.formats import SUFFIXES
from visionlora.files import is_regular
from visionlora.text import Doubt, listed

_FILES = (".txt", ".csv", ".tsv", ".lst", ".json", ".list", ".log", "")
_WORDS = frozenset(
    (
        "blacklist", "blacklisted", "blocklist", "denylist", "whitelist", "allowlist", "exclude",
        "excluded", "excludes", "exclusion", "exclusions", "ignore", "ignored", "remove", "removed",
        "delete", "deleted", "discard", "discarded", "drop", "dropped", "reject", "rejected", "rejects",
        "skip", "skipped", "bad", "corrupt", "corrupted", "broken", "blurry", "duplicate", "duplicates",
        "dupes", "mislabeled", "mislabelled", "outliers",
    )
)  # fmt: skip
_READ = 4096
_SHOWN = 3


def describe_exclusions(files: Iterable[Path]) -> list[str]:
    """A note about lists of images to leave out: these are used nevertheless.

    Args:
        files: what lies beside the images.
    """
    lists = [path.name for path in files if _is_called_so(path) and _names_images(path)]
    if not lists:
        return []
    what = "lists images and is not read" if len(lists) == 1 else "list images and are not read"
    advice = "all images are used: move those that should not be out of the folder"
    return [Doubt(f"{listed(lists, _SHOWN)} {what}; {advice}")]


def _is_called_so(path: Path) -> bool:
    words = re.split(r"[\W\d_]+", path.stem.casefold())
    return path.suffix.casefold() in _FILES and not _WORDS.isdisjoint(words)


def _names_images(path: Path) -> bool:
    if not is_regular(path):
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_READ)
    except OSError:
        return False
    text = unicode_text(head) or head.decode("latin-1")
    return any(suffix in text.casefold() for suffix in SUFFIXES)
