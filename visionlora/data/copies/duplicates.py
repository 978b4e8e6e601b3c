"""Find images that are the same: byte for byte, or to the eye."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from visionlora.data.copies.borders import bordered
from visionlora.data.copies.thumbnails import bits_set, unit
from visionlora.data.files.parallel import in_threads
from visionlora.data.images.fingerprint import SIDE, Fingerprint, hashes_of, low_frequencies

BITS = 12
"""Perceptual hashes of similar images differ in at most so many of 64 bits, of unrelated ones in about 32."""

CORRELATION = 0.97
"""Of the gray thumbnails of two images that are the same to the eye, at least."""

COLOUR = 24
"""Mean difference of their colours, out of 255, at most: as they are, or once both are as bright."""

BRIGHTER = 2.0
"""Times as bright is the brighter one at most."""

MOST_TURNED = 5_000
"""Of so many images mirrored and turned copies are found, too: it takes eight times as long."""

MOST_BORDERED = 2_000
"""Of so many images copies with a border are found, too."""

_Turn = tuple[bool, bool, bool]
_TURNS: tuple[_Turn, ...] = tuple((a, b, c) for a, b, c in product((False, True), repeat=3))
"""The eight ways that an image may lie, the first as it is: transposed, upside down, mirrored."""

_ROWS, _COLUMNS = 32, 4096
"""Of the pairs that are compared at once: what they need fits the processor's cache."""


def exact_groups(images: Sequence[Fingerprint]) -> list[list[int]]:
    """Places of images that can be read and whose files are equal, a list for each file that there is more
    than one of."""
    by_digest: dict[bytes, list[int]] = defaultdict(list)
    for place, image in enumerate(images):
        if image.digest and image.error is None:
            by_digest[image.digest].append(place)
    return [places for places in by_digest.values() if len(places) > 1]


def alike(one: Fingerprint, other: Fingerprint, mirrored: bool = False) -> bool:
    """Whether two images look the same as they are, without a border, or in a mirror; turned ones do not."""
    pixels = np.frombuffer(one.thumbnail + other.thumbnail, np.uint8).reshape(2, -1)
    gray = pixels[:, : SIDE * SIDE].astype(np.float32)
    first, second = unit(gray)
    if mirrored:
        second = second.reshape(SIDE, SIDE)[:, ::-1].ravel()
    if float(first @ second) >= CORRELATION:
        return True
    hashes = np.array([one.hash, other.hash], np.uint64)
    pairs = bordered(hashes, gray.reshape(-1, SIDE, SIDE), CORRELATION)
    return not mirrored and any(len(some) for some, _ in pairs)


class Comparison:
    """Finds images that look the same; it compares them once, where the same are given in another order."""

    def __init__(self) -> None:
        self._compared: set[bytes] = set()
        self._tops: dict[bytes, int] = {}
        """Digest of each image that is similar to another -> the same number for all that are joined."""

    def __call__(self, images: Sequence[Fingerprint]) -> list[list[int]]:
        """Places of images that look the same and are not equal: other sizes, qualities, formats, edits, and,
        where there are at most :data:`MOST_TURNED`, mirrored or turned by quarters, and of at most
        :data:`MOST_BORDERED` those with a border.

        All pairs of hashes are compared, 2 * 10^8 for 20,000 images in a tenth of a second or so; what is
        similar by its hash is compared by its thumbnail. Equal files are represented by the first one. Images
        of one colour, and ones that cannot be read, are left out.
        """
        first: dict[bytes, int] = {}
        for place, image in enumerate(images):
            if image.error is None and not image.flat:
                first.setdefault(image.digest, place)
        if self._compared != first.keys():
            self._compare({digest: images[place] for digest, place in first.items()})
        groups: dict[int, list[int]] = defaultdict(list)
        for digest in first.keys() & self._tops.keys():
            groups[self._tops[digest]].append(first[digest])
        return sorted(map(sorted, groups.values()))

    def _compare(self, images: Mapping[bytes, Fingerprint]) -> None:
        self._compared, self._tops = set(images), {}
        if images:
            hashes = np.array([image.hash for image in images.values()], np.uint64)
            thumbnails = np.frombuffer(b"".join(image.thumbnail for image in images.values()), np.uint8)
            root = _joined(hashes, thumbnails.reshape(len(images), -1))
            several = np.bincount(root) > 1
            digests = list(images)
            self._tops = {digests[place]: int(root[place]) for place in np.flatnonzero(several[root])}


def _joined(hashes: NDArray[np.uint64], pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """One of the images that each is similar to, the same for all that are joined by similar ones."""
    gray = pixels[:, : SIDE * SIDE].astype(np.float32)
    colours = pixels[:, SIDE * SIDE :].astype(np.float32)
    root = np.arange(len(hashes))
    flat = unit(gray)
    for turn, turned_hashes in _turned_hashes(hashes, gray):

        def near(
            tile: tuple[int, int], others: NDArray[np.uint64] = turned_hashes
        ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
            top, left = tile
            bits = bits_set(hashes[top : top + _ROWS, None] ^ others[None, left : left + _COLUMNS])
            # Looking for them in a line takes a tenth of the time of looking in rows and columns.
            rows, columns = np.divmod(np.flatnonzero(bits.ravel() <= BITS), bits.shape[1])
            return rows + top, columns + left

        for rows, columns in in_threads(near, _tiles(len(hashes))):
            # Frames of a film are all similar: only what is not joined yet is looked at.
            new = (columns > rows) & (root[rows] != root[columns])
            rows, columns = rows[new], columns[new]
            if not len(rows):  # of most tiles: without what follows they take half the time
                continue
            for some in np.array_split(np.arange(len(rows)), len(rows) // 100_000 + 1):
                one, other = rows[some], columns[some]
                turned = _turned(flat[other].reshape(-1, SIDE, SIDE), turn)
                same = np.einsum("ij,ij->i", flat[one], turned.reshape(-1, SIDE * SIDE)) >= CORRELATION
                small = _turned(colours[other].reshape(-1, 4, 4, 3), turn)
                same &= _same_colours(colours[one], small.reshape(-1, 48))
                _join(root, one[same], other[same])
    if len(hashes) <= MOST_BORDERED:
        for one, other in bordered(hashes, gray.reshape(-1, SIDE, SIDE), CORRELATION):
            _join(root, one, other)
    return root


def _turned_hashes(
    hashes: NDArray[np.uint64], gray: NDArray[np.float32]
) -> Iterator[tuple[_Turn, NDArray[np.uint64]]]:
    """(how images lie, their hashes then), from what is kept of them."""
    yield _TURNS[0], hashes
    if len(hashes) > MOST_TURNED:
        return
    low = low_frequencies(gray.reshape(-1, SIDE, SIDE).repeat(2, 1).repeat(2, 2))
    for turn in _TURNS[1:]:
        transposed, rows, columns = turn
        other = (low.transpose(0, 2, 1) if transposed else low).copy()
        if rows:
            other[:, 1::2] *= -1
        if columns:
            other[:, :, 1::2] *= -1
        yield turn, np.array(hashes_of(other), np.uint64)


def _turned(pixels: NDArray[np.float32], turn: _Turn) -> NDArray[np.float32]:
    """Square images (B, side, side, ...) as they lie after a turn."""
    transposed, rows, columns = turn
    pixels = pixels.swapaxes(1, 2) if transposed else pixels
    return pixels[:, :: -1 if rows else 1, :: -1 if columns else 1]


def _same_colours(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether colours differ little, or in their brightness alone: a photo that was made lighter."""
    bright = np.maximum(one.mean(1, keepdims=True), 1), np.maximum(other.mean(1, keepdims=True), 1)
    most = np.maximum(*bright)
    lighter = np.abs(one * (most / bright[0]) - other * (most / bright[1])).mean(1)
    exposed = (lighter <= COLOUR) & (most <= BRIGHTER * np.minimum(*bright))[:, 0]
    near: NDArray[np.bool_] = exposed | (np.abs(one - other).mean(1) <= COLOUR)
    return near


def _join(root: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
    """Give the images of each pair, and what is joined to them, one root: the first image's."""
    while True:
        low, high = np.minimum(root[one], root[other]), np.maximum(root[one], root[other])
        if np.array_equal(low, high):
            return
        np.minimum.at(root, high, low)
        while not np.array_equal(root, root[root]):
            root[:] = root[root]


def _tiles(count: int) -> Iterator[tuple[int, int]]:
    """(first row, first column) of blocks that have every pair with the row above the column."""
    for top in range(0, count, _ROWS):
        for left in range(top, count, _COLUMNS):
            yield top, left
