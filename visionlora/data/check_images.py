"""Open every image once, before anything is trained, and report all the bad ones together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from torch import Tensor

from visionlora.data.cache import ImageCache
from visionlora.data.images import BadImage, ImageFile, open_image
from visionlora.errors import VisionLoraError

_NAMED = 10


def check(images: Iterable[ImageFile], cache: ImageCache | None = None) -> None:
    """Decode every image once, in threads; ``cache`` keeps what fits, so nothing is decoded twice.

    Raises:
        VisionLoraError: names the bad files and why, all of them counted.
    """
    refuse(find_bad(images, cache))


def find_bad(images: Iterable[ImageFile], cache: ImageCache | None = None) -> list[BadImage]:
    """The images that cannot be decoded, each once; ``cache`` keeps the others while they fit."""
    paths = list(dict.fromkeys(image.path for image in images))
    if cache is not None:
        paths = [path for path in paths if cache.memory.get(path) is None]
    bad: list[BadImage] = []

    def attempt(path: Path) -> Tensor | BadImage | None:
        try:
            if cache is not None:
                return cache.decode(path)
            open_image(path)
        except BadImage as error:
            return error
        return None

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for path, result in zip(paths, threads.map(attempt, paths), strict=True):
            if isinstance(result, BadImage):
                bad.append(result)
            elif cache is not None and result is not None:
                cache.memory.keep(path, result)
    return bad


def refuse(bad: Sequence[BadImage]) -> None:
    """Raise one error for all of ``bad``, if there are any.

    Raises:
        VisionLoraError: at most ten files are named, the others counted.
    """
    if not bad:
        return
    named = "; ".join(f"{image.path}: {image.reason}" for image in bad[:_NAMED])
    more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    count = "1 image" if len(bad) == 1 else f"{len(bad)} images"
    raise VisionLoraError(f"{count} cannot be used ({named}{more}); mend or remove them")
