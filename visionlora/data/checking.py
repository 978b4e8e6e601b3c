"""Open every picture once, before anything is trained, and report all the bad ones together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from torch import Tensor

from visionlora.data.cache import PictureCache
from visionlora.data.pictures import BadPicture, Picture, open_picture
from visionlora.errors import VisionLoraError

_NAMED = 10


def check(pictures: Iterable[Picture], cache: PictureCache | None = None) -> None:
    """Decode every picture once, in threads; ``cache`` keeps what fits, so nothing is decoded twice.

    Raises:
        VisionLoraError: names the bad files and why, all of them counted.
    """
    refuse(find_bad(pictures, cache))


def find_bad(pictures: Iterable[Picture], cache: PictureCache | None = None) -> list[BadPicture]:
    """The pictures that cannot be decoded, each once; ``cache`` keeps the others while they fit."""
    paths = list(dict.fromkeys(picture.path for picture in pictures))
    if cache is not None:
        paths = [path for path in paths if cache.memory.get(path) is None]
    bad: list[BadPicture] = []

    def attempt(path: Path) -> Tensor | BadPicture | None:
        try:
            if cache is not None:
                return cache.decode(path)
            open_picture(path)
        except BadPicture as error:
            return error
        return None

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for path, result in zip(paths, threads.map(attempt, paths), strict=True):
            if isinstance(result, BadPicture):
                bad.append(result)
            elif cache is not None and result is not None:
                cache.memory.keep(path, result)
    return bad


def refuse(bad: Sequence[BadPicture]) -> None:
    """Raise one error for all of ``bad``, if there are any.

    Raises:
        VisionLoraError: at most ten files are named, the others counted.
    """
    if not bad:
        return
    named = "; ".join(f"{picture.path}: {picture.reason}" for picture in bad[:_NAMED])
    more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    count = "1 picture" if len(bad) == 1 else f"{len(bad)} pictures"
    raise VisionLoraError(f"{count} cannot be used ({named}{more}); mend or remove them")
