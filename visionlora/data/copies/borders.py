"""Find images that were copied with something around them: a letterbox, a frame, a caption below."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from visionlora.data.copies.thumbnails import bits_set, unit
from visionlora.data.images.fingerprint import SIDE, hashes_of, low_frequencies

_BITS = 20
"""Hashes of the same image, cut a little otherwise, differ in so many of 64 bits."""
_LIKELY = 0.85
"""Correlation from which on a pair is looked at closely."""
_CUTS = (
    *((0, below, 0, 0) for below in range(1, 5)), *((k, k, 0, 0) for k in range(1, 5)),
    *((0, 0, k, k) for k in range(1, 5)), (1, 1, 1, 1), (2, 2, 2, 2), (1, 3, 1, 1), (1, 4, 1, 1),
)  # fmt: skip
"""Rows and columns of a thumbnail that may be a border: (above, below, left, right)."""
_OFFSETS = (0.0, 0.25, 0.5, 0.75)
"""Of a row that is half border, half image, the whole is cut; so much of the other image is cut, too."""
_TOLERANCE, _SHARE = 10, 0.6
"""So much of a border lies within so many, of 255, of its median; the rest are the letters of a caption."""
_EDGE = 0.5
"""An image without a border varies at its edge, in comparison to all of it, as much as this."""
_RING = np.pad(np.zeros((SIDE - 2, SIDE - 2), bool), 1, constant_values=True)
_ROWS = 512

Cut = tuple[float, float, float, float]


def bordered(
    hashes: NDArray[np.uint64], gray: NDArray[np.float32], correlation: float
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of an image that has a border, and of one without any that is the same inside of it. Objects on a
    plain ground have no image without a border beside them, and so are not taken for one another.

    Args:
        hashes: (N,), of whole images.
        gray: their thumbnails (N, SIDE, SIDE).
        correlation: of the two images, at least.

    Yields:
        Places of the images with a border, and of the others.
    """
    ring = gray[:, _RING].std(1)
    plain = np.flatnonzero((ring >= _EDGE * gray.reshape(len(gray), -1).std(1)) & (ring > 0))
    for cut in _CUTS if len(plain) else ():
        having = np.flatnonzero(_has_border(gray, cut))
        if not len(having):
            continue
        inner = _cut(gray[having], cut)
        inner_hashes = np.array(
            hashes_of(low_frequencies(inner.reshape(-1, SIDE, SIDE).repeat(2, 1).repeat(2, 2))), np.uint64
        )
        inner = unit(inner)
        for start in range(0, len(having), _ROWS):
            bits = bits_set(inner_hashes[start : start + _ROWS, None] ^ hashes[plain])
            rows, columns = np.divmod(np.flatnonzero(bits.ravel() <= _BITS), len(plain))
            one, other = rows + start, plain[columns]
            one, other = one[having[one] != other], other[having[one] != other]
            same = _same_inside(inner[one], gray, other, cut, correlation)
            yield having[one[same]], other[same]


def _same_inside(
    inner: NDArray[np.float32], gray: NDArray[np.float32], other: NDArray[np.int64], cut: Cut,
    correlation: float,
) -> NDArray[np.bool_]:  # fmt: skip
    """Whether the inner parts of images (P, SIDE * SIDE) are the images at ``other`` (P,), cut a little."""
    same = np.zeros(len(other), bool)
    looked, back = np.unique(other, return_inverse=True)
    middle = unit(_cut(gray[looked], _offset(cut, 0.4, 0.4)))
    likely = np.flatnonzero(np.einsum("ij,ij->i", inner, middle[back]) >= _LIKELY)
    some, back = np.unique(other[likely], return_inverse=True)
    for down in _OFFSETS if cut[1] else (0.0,):
        for across in _OFFSETS if cut[3] else (0.0,):
            whole = unit(_cut(gray[some], _offset(cut, down, across)))
            same[likely] |= np.einsum("ij,ij->i", inner[likely], whole[back]) >= correlation
    return same


def _has_border(gray: NDArray[np.float32], cut: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Whether what is cut is mostly of one brightness; the innermost row or column may be half image."""
    above, below, left, right = (max(1, one - 1) if one else 0 for one in cut)
    mask = np.ones((SIDE, SIDE), bool)
    mask[above : SIDE - below, left : SIDE - right] = False
    border = gray[:, mask]
    near = np.abs(border - np.median(border, 1, keepdims=True)) <= _TOLERANCE
    mostly: NDArray[np.bool_] = near.mean(1) >= _SHARE
    return mostly


def _offset(cut: Cut, down: float, across: float) -> Cut:
    above, below, left, right = map(bool, cut)
    return above * down, below * down, left * across, right * across


def _cut(gray: NDArray[np.float32], cut: Cut) -> NDArray[np.float32]:
    """Thumbnails (N, SIDE, SIDE) without some rows and columns, or parts of them, as (N, SIDE * SIDE)."""
    above, below, left, right = cut
    small = _weights(above, below) @ gray @ _weights(left, right).T
    return np.asarray(small.reshape(len(gray), SIDE * SIDE), np.float32)


def _weights(before: float, behind: float) -> NDArray[np.float32]:
    """(SIDE, SIDE): how much of each old pixel is in each new one."""
    edges = np.linspace(before, SIDE - behind, SIDE + 1)
    pixels = np.arange(SIDE)
    shares = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    shares = np.clip(shares, 0, None).astype(np.float32)
    return np.asarray(shares / shares.sum(1, keepdims=True), np.float32)
