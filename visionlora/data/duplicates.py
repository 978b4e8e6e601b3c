"""Find images that are the same: byte for byte, or to the eye."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from visionlora.data.fingerprint import SIDE, Fingerprint

BITS = 12
"""Perceptual hashes of similar images differ in at most so many of 64 bits; of unrelated ones, in 32 of them."""

CORRELATION = 0.97
"""Of the gray thumbnails of two images that are the same to the eye, at least."""

COLOUR = 24
"""Mean difference of their colours, out of 255, at most."""

_BLOCK = 512


def exact_groups(images: Sequence[Fingerprint]) -> list[list[int]]:
    """Places of images whose files are equal, a list for each file that there is more than one of."""
    by_digest: dict[bytes, list[int]] = defaultdict(list)
    for place, image in enumerate(images):
        if image.digest:
            by_digest[image.digest].append(place)
    return [places for places in by_digest.values() if len(places) > 1]


def near_groups(images: Sequence[Fingerprint]) -> list[list[int]]:
    """Places of images that look the same and are not equal: other sizes, qualities, formats, small edits.

    All pairs of hashes are compared, 2 * 10^8 for 20,000 images in about a second; what is similar by its hash
    is compared by its thumbnail. Equal files are represented by the first one. Images of one colour, and ones
    that cannot be read, are left out.
    """
    first: dict[bytes, int] = {}
    for place, image in enumerate(images):
        if image.error is None and not image.flat:
            first.setdefault(image.digest, place)
    places = list(first.values())
    hashes = np.array([images[place].hash for place in places], np.uint64)
    thumbnails = np.frombuffer(b"".join(images[place].thumbnail for place in places), np.uint8)
    pixels = thumbnails.reshape(len(places), -1)
    parent = list(range(len(places)))
    for one, other in _similar(hashes, pixels):
        parent[_root(parent, other)] = _root(parent, one)
    groups: dict[int, list[int]] = defaultdict(list)
    for place in range(len(places)):
        groups[_root(parent, place)].append(places[place])
    return [group for group in groups.values() if len(group) > 1]


def _similar(hashes: NDArray[np.uint64], pixels: NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    """Pairs whose hashes and thumbnails are similar."""
    gray = pixels[:, : SIDE * SIDE].astype(np.float32)
    gray -= gray.mean(1, keepdims=True)
    gray /= np.maximum(np.linalg.norm(gray, axis=1, keepdims=True), 1e-6)
    colours = pixels[:, SIDE * SIDE :].astype(np.int16)
    for start in range(0, len(hashes), _BLOCK):
        block = hashes[start : start + _BLOCK, None] ^ hashes[None, start:]
        rows, columns = np.nonzero(_bits(block) <= BITS)
        later = columns > rows
        rows, columns = rows[later] + start, columns[later] + start
        for some in np.array_split(np.arange(len(rows)), max(1, len(rows) // 100_000)):
            one, other = rows[some], columns[some]
            same = np.einsum("ij,ij->i", gray[one], gray[other]) >= CORRELATION
            same &= np.abs(colours[one] - colours[other]).mean(1) <= COLOUR
            yield from zip(one[same].tolist(), other[same].tolist(), strict=True)


def _bits(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """How many bits of each value are set."""
    if hasattr(np, "bitwise_count"):
        return np.bitwise_count(values)
    return _BITS_OF_16[values.view(np.uint16)].reshape(*values.shape, 4).sum(-1, dtype=np.uint8)


_BITS_OF_16 = np.array([value.bit_count() for value in range(1 << 16)], np.uint8)


def _root(parent: list[int], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place
