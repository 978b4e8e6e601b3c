"""A validation split of images with several labels each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from visionlora.data.images.decode import ImageFile

UNLABELLED = ("",)


def spread(images: Sequence[ImageFile], val_fraction: float, copies: Mapping[Path, bytes]) -> set[ImageFile]:
    """The images to validate on, so that about ``val_fraction`` of each label's are among them.

    The rarest label is dealt with first, by all of its images; then the rarest of what is left (iterative
    stratification: Sechidis et al. 2011, https://doi.org/10.1007/978-3-642-23808-6_10). Of n images of a
    label ``round(n * val_fraction)`` validate, at least one of two and more, and never all. Images without a
    label are spread alike.

    Args:
        images: in the order in which they are taken.
        val_fraction: above 0, below 1.
        copies: of :func:`visionlora.data.copies.same_image.same_images`, which are on one side.
    """
    groups: dict[Path | bytes, list[ImageFile]] = defaultdict(list)
    for image in images:
        groups[copies.get(image.path, image.path)].append(image)
    units = list(groups.values())
    labels = [{name for image in unit for name in (image.names or UNLABELLED)} for unit in units]
    places: dict[str, list[int]] = defaultdict(list)
    for place, found in enumerate(labels):
        for name in found:
            places[name].append(place)
    total = {name: len(own) for name, own in places.items()}
    wanted = {name: min(max(1, round(count * val_fraction)), count - 1) for name, count in total.items()}
    taken: Counter[str] = Counter()
    decided: dict[int, bool] = {}
    for label in sorted(total, key=lambda name: (total[name], name)):
        for place in places[label]:
            if place not in decided:
                fits = all(taken[name] + 1 < total[name] for name in labels[place])
                decided[place] = taken[label] < wanted[label] and fits
                taken.update(labels[place] if decided[place] else ())
    return {image for place, validates in decided.items() if validates for image in units[place]}
