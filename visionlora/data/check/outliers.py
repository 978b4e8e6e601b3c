"""Images that are far from all others of their class in a network's features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 5
"""So many of a class that are most similar stand for it: a class may show several things."""

_BLOCK = 1024
_MOST = 20
"""Images that are returned, at most."""


@dataclass(frozen=True)
class Limits:
    """From where on an image is far from its class, in cosine similarity.

    Attributes:
        told: where the features tell a class from others, the median image is nearer to it by so much.
        nearer: by so much another class is nearer than the own, where the features tell them apart.
        hardly_told: by so much where they hardly do.
        unusual: robust standard deviations below the median similarity of the class.
    """

    told: float
    nearer: float
    hardly_told: float
    unusual: float


LIKELY = Limits(told=0, nearer=0.1, hardly_told=0.5, unusual=4)
"""A list to look through: most folders have two or three such images without a mislabelled one."""

CLEAR = Limits(told=0.3, nearer=0.4, hardly_told=0.8, unusual=6)
"""A warning to whoever did not ask for that list (docs/check.md has the figures of both)."""


@dataclass(frozen=True)
class Stray:
    """An image that may be mislabelled.

    ``place`` is its row; ``own`` and ``other`` are its mean cosine similarities to the nearest images of its
    own and of the nearest other class, which is ``nearest`` ("" where none is nearer than its own). ``clear``
    is whether that is worth a warning.
    """

    place: int
    own: float
    other: float
    nearest: str
    clear: bool = True


def ranked(features: NDArray[np.float32], labels: Sequence[str]) -> list[Stray]:
    """The :data:`CLEAR` strays, the worst first, and then what else is :data:`LIKELY`, which is not clear.

    Args:
        features: (N, D), of a frozen network.
        labels: of the N images.
    """
    fits = _fits(features, labels)
    clear = _far(fits, CLEAR)
    places = {stray.place for stray in clear}
    likely = [stray for stray in _far(fits, LIKELY) if stray.place not in places]
    return [*clear, *(replace(stray, clear=False) for stray in likely)]


def far_from_class(features: NDArray[np.float32], labels: Sequence[str]) -> list[Stray]:
    """The :data:`LIKELY` strays: images that fit another class better than their own by their nearest
    neighbours, or none at all.

    Where the images of a class mostly fit others by these features, only the clearest case counts.
    A fiftieth of all images is returned at most, but three where there are as many, and never more than 20.

    Args:
        features: (N, D), of a frozen network.
        labels: of the N images.

    Returns:
        The worst first. Classes with fewer than three images have nothing to compare with.
    """
    return _far(_fits(features, labels), LIKELY)


@dataclass(frozen=True)
class _Fits:
    """How well N images fit their classes, and the class that each fits best of the others."""

    names: Sequence[str]
    of: NDArray[np.int64]
    nearest: NDArray[np.int64]
    own: NDArray[np.float32]
    other: NDArray[np.float32]


def _fits(features: NDArray[np.float32], labels: Sequence[str]) -> _Fits:
    names = sorted(set(labels))
    of = np.array([names.index(label) for label in labels], np.int64)
    if not labels:
        nothing = np.zeros(0, np.float32)
        return _Fits(names, of, of, nothing, nothing)
    near = _nearness(np.asarray(features, np.float32), of, len(names))
    rows = np.arange(len(of))
    own = near[rows, of]
    near[rows, of] = -1
    near[:, np.bincount(of, minlength=len(names)) < 3] = -1
    return _Fits(names, of, near.argmax(1), own, near.max(1))


def _far(fits: _Fits, limits: Limits) -> list[Stray]:
    found = []
    own, other = fits.own, fits.other
    for place in range(len(fits.names)):
        members = np.flatnonzero(fits.of == place)
        if len(members) < 3:
            continue
        judged = len(fits.names) == 1 or np.median(own[members] - other[members]) > limits.told
        unusual = _deviations(own[members]) < -limits.unusual
        for row, strange in zip(members.tolist(), unusual.tolist(), strict=True):
            nearer = other[row] > own[row] + (limits.nearer if judged else limits.hardly_told)
            if nearer or (strange and judged):
                resembled = fits.names[fits.nearest[row]] if nearer else ""
                found.append(Stray(row, float(own[row]), float(other[row]), resembled))
    found.sort(key=lambda stray: stray.own - stray.other)
    return found[: min(_MOST, max(3, len(fits.of) // 50))]


def _nearness(rows: NDArray[np.float32], of: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """(N, classes): the mean cosine similarity of each image to its nearest ones of each class."""
    rows = rows - rows.mean(0)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
    near = np.full((len(rows), classes), -1.0, np.float32)
    members = [np.flatnonzero(of == place) for place in range(classes)]
    for start in range(0, len(rows), _BLOCK):
        similar = rows[start : start + _BLOCK] @ rows.T
        similar[np.arange(len(similar)), start + np.arange(len(similar))] = -np.inf  # itself
        for place, columns in enumerate(members):
            count = min(NEIGHBOURS, len(columns) - 1)
            if count > 0:
                best = np.partition(similar[:, columns], -count, 1)[:, -count:]
                near[start : start + _BLOCK, place] = best.mean(1)
    return near


def _deviations(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far from their median values are, in robust standard deviations."""
    middle = np.median(values)
    spread = 1.48 * np.median(np.abs(values - middle))
    return (values - middle) / max(float(spread), 0.05)
