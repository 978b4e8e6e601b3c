"""What an image is, by its content: whatever its file is called and wherever it stands in a list."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from visionlora.data.files.seeds import mixed
from visionlora.data.files.share import retried
from visionlora.data.images.decode import BadImage, ImageFile

if TYPE_CHECKING:  # the manifest is read before PyTorch is imported
    from torch import Tensor

_BATCH = 500


def file_hash(path: Path) -> tuple[int, str]:
    """(size in bytes, SHA-256 in hexadecimal) of a file; one that did not change is read once.

    Raises:
        OSError: it cannot be read.
    """
    status = path.stat()
    return _file_hash(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _file_hash(path: Path, size: int, changed: int) -> tuple[int, str]:
    content = retried(path, path.read_bytes)
    return len(content), hashlib.sha256(content).hexdigest()


def file_hashes(paths: Sequence[Path]) -> dict[Path, tuple[int, str]]:
    """:func:`file_hash` of each file, read by several threads.

    Raises:
        OSError: one of them cannot be read.
    """
    hashes: dict[Path, tuple[int, str]] = {}
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for start in range(0, len(paths), _BATCH):  # a pool holds whatever it was given
            batch = paths[start : start + _BATCH]
            hashes.update(zip(batch, threads.map(file_hash, batch), strict=True))
    return hashes


def identities(images: Sequence[ImageFile | Tensor]) -> tuple[str, ...]:
    """The SHA-256 of each image's file, or of the pixels of one that is no file.

    Random numbers that belong to an image are a function of it: they stay the same when other images are
    added, and when files are renamed. Byte copies share an identity.

    Raises:
        BadImage: a file that cannot be read.
    """
    try:
        hashes = file_hashes(
            list(dict.fromkeys(image.path for image in images if isinstance(image, ImageFile)))
        )
    except OSError as error:
        raise BadImage(Path(str(error.filename)), (error.strerror or str(error)).lower()) from error
    return tuple(
        hashes[image.path][1]
        if isinstance(image, ImageFile)
        else hashlib.sha256(image.contiguous().numpy().data).hexdigest()
        for image in images
    )


def ordered(identities: Sequence[str], *seed: int | str) -> list[int]:
    """The places of the identities in an order that is a function of ``seed`` and of the identities alone.

    What is added to them or taken away leaves the others in the same order. Equal identities stand next to
    each other.
    """
    keys = [mixed(*seed, identity) for identity in identities]
    return sorted(range(len(keys)), key=keys.__getitem__)
