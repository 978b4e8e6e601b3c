"""Find copies of images: by their bytes, by what they show, or by their names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from visionlora.data.copies.duplicates import Comparison
from visionlora.data.copies.equal_files import equal_digests, equal_files
from visionlora.data.images.fingerprint import Fingerprint
from visionlora.data.index.fingerprints import fingerprints
from visionlora.paths import cache_directory

MOST_COMPARED = 50_000
"""With more images they are not compared: all pairs would take longer than reading them."""
_MOST_ALIKE = 16
"""Larger groups of similar images are not copies of one image: digits, frames of a film."""
_OF_SOURCE = (
    re.compile(r"(.+)\.rf\.[0-9a-z]{16,}", re.IGNORECASE),
    re.compile(r".+_original_(.+?)_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    re.compile(
        r"(.+?)(?: -)?[-_ @](?:\d{2,5}x\d{2,5}|scaled|[23]x|thumb(?:nail)?|small|medium|large|"
        r"orig(?:inal)?|resized|cropped|flip(?:ped)?|mirror(?:ed)?|rot(?:ated)?[-_]?\d*|aug(?:mented)?[-_]?\d*|"
        r"edit(?:ed)?|bearbeitet|modifi[ée]|editad[oa]|modificato|copy|kopie|copie|copia)",
        re.IGNORECASE,
    ),
)
"""Names of images that Roboflow, Augmentor, WordPress or a person made from another image."""
_IN_SOME = re.compile(r"[-_ @]|\.rf\.", re.IGNORECASE)
"""What is in each of them."""


def same_images(
    paths: Iterable[Path],
    seen: Mapping[Path, Fingerprint] | None = None,
    comparison: Comparison | None = None,
) -> dict[Path, bytes]:
    """path -> a key that copies of one image share; images without copies are left out.

    Copies are equal files, images that look the same in another size, quality or format, and images in one
    folder whose names say that they were made from one image. More than :data:`MOST_COMPARED` images are
    compared by bytes and names alone.

    Args:
        paths: image files.
        seen: their fingerprints, if they are known; None: images that are not in the cache are read.
        comparison: remembers how similar they are.
    """
    files = list(dict.fromkeys(paths))
    alike: list[Sequence[Path]] = [*_of_one_source(files)]
    if len(files) > MOST_COMPARED:
        equal = equal_files(files)
    else:
        prints = fingerprints(files, cache_directory()) if seen is None else seen
        near = (comparison or Comparison())([prints[path] for path in files])
        alike += [[files[place] for place in group] for group in near if len(group) <= _MOST_ALIKE]
        equal = equal_digests({path: prints[path].digest for path in files})
    by_key: dict[bytes, list[Path]] = defaultdict(list)
    for path, key in equal.items():
        by_key[key].append(path)
    return _joined([*by_key.values(), *alike])


def _of_one_source(paths: Sequence[Path]) -> list[list[Path]]:
    """Groups of an image and those that were made from it, by their names."""
    groups: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for path in paths:
        stem = path.stem
        made_of = stem
        if _IN_SOME.search(stem):  # a third of the time of the three
            made_of = next((match[1] for pattern in _OF_SOURCE if (match := pattern.fullmatch(stem))), stem)
        folder = str(path)[: -len(path.name)]
        groups[folder, made_of.casefold()].append(path)
    return [group for group in groups.values() if len(group) > 1]


def _joined(groups: Iterable[Sequence[Path]]) -> dict[Path, bytes]:
    """A key for each image, the same for all images in groups that overlap (union-find)."""
    top: dict[Path, Path] = {}

    def root(path: Path) -> Path:
        while top.setdefault(path, path) != path:
            path = top[path]
        return path

    for first, *others in groups:
        for other in others:
            one, two = sorted((root(first), root(other)))
            top[two] = one
    return {path: bytes(root(path)) for path in top}
