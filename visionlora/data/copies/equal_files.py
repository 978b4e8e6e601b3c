"""Files that are copies of one another, byte for byte."""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from visionlora.data.files.parallel import in_batches

_TAIL = 1024
"""Bytes at the end of a file that nearly always tell it from another of its size."""


def equal_files(paths: Iterable[Path]) -> dict[Path, bytes]:
    """path -> what it has in common with its copies; files without a copy are left out.

    Only files of equal size and end are read whole, and links to one file once. A file that cannot be read is
    no copy.
    """
    links: dict[tuple[int, int], list[Path]] = defaultdict(list)
    sizes: dict[Path, bytes] = {}
    for path in dict.fromkeys(paths):
        try:
            status = path.stat()
        except OSError:  # the check of the images says so
            continue
        if not stat.S_ISREG(status.st_mode):  # a pipe would wait for ever, and a device may have no end
            continue
        files = links[status.st_dev, status.st_ino]
        files.append(path)
        sizes[files[0]] = str(status.st_size).encode()
    alike = _told_apart(_shared(sizes), _tails)
    equal = _told_apart(alike, _digests)
    found = {}
    for names in links.values():
        key = equal.get(names[0], os.fsencode(names[0]) if len(names) > 1 else None)
        if key is not None:
            found.update(dict.fromkeys(names, key))
    return found


def equal_digests(digests: Mapping[Path, bytes]) -> dict[Path, bytes]:
    """:func:`equal_files` of files that were hashed before; the digest of an unreadable one is empty."""
    return _shared({path: digest for path, digest in digests.items() if digest})


def _told_apart(
    keys: Mapping[Path, bytes], read: Callable[[Sequence[Path]], list[bytes | None]]
) -> dict[Path, bytes]:
    """Those that still share a key once ``read`` has added to it."""
    longer: dict[Path, bytes] = {}
    for batch, found in in_batches(read, list(keys)):
        more = zip(batch, found, strict=True)
        longer.update((path, keys[path] + one) for path, one in more if one is not None)
    return _shared(longer)


def _shared(keys: Mapping[Path, bytes]) -> dict[Path, bytes]:
    counts = Counter(keys.values())
    return {path: key for path, key in keys.items() if counts[key] > 1}


def _tails(paths: Sequence[Path]) -> list[bytes | None]:
    return [_hash(path, _TAIL) for path in paths]


def _digests(paths: Sequence[Path]) -> list[bytes | None]:
    return [_hash(path) for path in paths]


def _hash(path: Path, last: int | None = None) -> bytes | None:
    """Of a file, or of its last bytes; None where it cannot be read."""
    try:
        with path.open("rb", buffering=0) as file:
            if last is not None:
                file.seek(max(0, file.seek(0, os.SEEK_END) - last))
            return hashlib.blake2b(file.read(), digest_size=16).digest()
    except OSError:
        return None
