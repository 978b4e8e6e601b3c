"""Open every image once, before anything is trained, and report all the bad ones together."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from torch import Tensor

from visionlora.data.images.cache import ImageCache
from visionlora.data.images.decode import MOST_BAD, BadImage, ImageFile, open_image
from visionlora.data.images.unreadable import advice_for
from visionlora.data.index.fingerprints import Progress
from visionlora.data.index.readable import readable
from visionlora.errors import VisionLoraError
from visionlora.files import replacing
from visionlora.paths import cache_directory
from visionlora.processes import gather
from visionlora.text import counted, csv_safe
from visionlora.this_process import this_process

ON_BAD = ("skip", "stop")
LONG = 10_000
"""From so many images on it is remembered which can be read (:mod:`visionlora.data.index.readable`)."""

LEFT_OUT = "left_out.csv"
"""In a run's folder: the images that it could not read."""

_BATCH = 500
_NAMED = 10


def check(images: Iterable[ImageFile], cache: ImageCache | None = None) -> None:
    """Decode every image once, in threads; ``cache`` keeps what fits, so nothing is decoded twice.

    Raises:
        VisionLoraError: names the bad files and why, all of them counted.
    """
    refuse(find_bad(images, cache))


def find_bad(
    images: Iterable[ImageFile], cache: ImageCache | None = None, progress: Progress | None = None
) -> list[BadImage]:
    """The images that cannot be decoded, each once; ``cache`` keeps the others while they fit.

    Several processes decode a share each, and know all bad ones afterwards. Of ``LONG`` images or more those
    that an earlier run could read, and that have not changed, are not decoded once the cache is full.

    Args:
        images: what to decode.
        cache: keeps what fits.
        progress: called with (images done, images in all).
    """
    paths = list(this_process().share(list(dict.fromkeys(image.path for image in images))))
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

    with (
        readable(cache_directory() if len(paths) >= LONG else None) as index,
        ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads,
    ):
        # A batch at a time: a pool holds whatever it was given and what has not been asked for.
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            if cache is None or cache.memory.full:
                batch = index.unknown(batch)
            found = list(zip(batch, threads.map(attempt, batch), strict=True))
            bad += [result for _, result in found if isinstance(result, BadImage)]
            for path, result in found:
                if cache is not None and isinstance(result, Tensor):
                    cache.memory.keep(path, result)
            index.add([path for path, result in found if not isinstance(result, BadImage)])
            if progress:
                progress(min(start + _BATCH, len(paths)), len(paths))
    return [one for found in gather(bad) for one in found]


def refuse(bad: Sequence[BadImage]) -> None:
    """Raise one error for all of ``bad``, if there are any.

    Raises:
        VisionLoraError: at most ten files are named, the others counted.
    """
    if not bad:
        return
    raise VisionLoraError(f"{_list(bad)}; {_repair(bad)}")


def _list(bad: Sequence[BadImage]) -> str:
    count = f"{counted(len(bad), 'image')} cannot be used"
    more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    if len(bad) > 1 and len({image.reason for image in bad}) == 1:
        return f"{count}: {bad[0].reason} ({'; '.join(str(image.path) for image in bad[:_NAMED])}{more})"
    return f"{count} ({'; '.join(f'{image.path}: {image.reason}' for image in bad[:_NAMED])}{more})"


def _repair(bad: Sequence[BadImage]) -> str:
    return advice_for([image.reason for image in bad])


def split_bad(
    images: Sequence[ImageFile], bad: Sequence[BadImage], mode: str
) -> tuple[tuple[ImageFile, ...], tuple[BadImage, ...]]:
    """(images to use, images left out) of a set in which ``bad`` cannot be used (``data.on_bad``).

    Args:
        images: the set.
        bad: what :func:`find_bad` found, in this set and perhaps in others.
        mode: ``stop``, or ``skip``: go on without them.

    Raises:
        VisionLoraError: another mode; or some are bad and the mode is ``stop``, or they are more than a tenth
            of the set or all images of a class. It names at most ten files.
    """
    if mode not in ON_BAD:
        raise VisionLoraError(f"data.on_bad is {mode!r}; set it to {' or '.join(ON_BAD)}")
    reasons = {one.path: one for one in bad}
    kept = tuple(image for image in images if image.path not in reasons)
    if len(kept) == len(images):
        return kept, ()
    left_out = tuple(dict.fromkeys(reasons[image.path] for image in images if image.path in reasons))
    gone = sorted(_classes(images) - _classes(kept))
    lost = len(images) - len(kept)
    if mode == "stop":
        refuse(left_out)
    elif lost > MOST_BAD * len(images):
        raise VisionLoraError(
            f"{_list(left_out)}: {lost} of {len(images)}, too many to go on without; {_repair(bad)}"
        )
    elif gone:
        which = f"all images of class {gone[0]!r}" if gone[0] else "all images"
        raise VisionLoraError(f"{_list(left_out)}: {which}; {_repair(left_out)}")
    return kept, left_out


def _classes(images: Iterable[ImageFile]) -> set[str]:
    """The names of the classes; "" for images without a label."""
    return {name for image in images for name in (image.names or ("",))}


def write_bad(bad: Sequence[BadImage], path: Path) -> None:
    """Write a CSV of the images that were left out: path and reason."""
    with replacing(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "reason"])
        writer.writerows([csv_safe(str(image.path)), csv_safe(image.reason)] for image in bad)


def without_bad(images: Sequence[ImageFile], path: Path) -> tuple[ImageFile, ...]:
    """The images without those that :func:`write_bad` wrote into a file; all where there is no file."""
    if not path.is_file():
        return tuple(images)
    with path.open(newline="", encoding="utf-8") as file:
        bad = {row[0] for row in csv.reader(file) if row}
    return tuple(image for image in images if csv_safe(str(image.path)) not in bad)
