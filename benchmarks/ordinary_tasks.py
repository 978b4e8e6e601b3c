"""The ordinary case as image folders: few images of a few classes, a new head, the old classes do not count.

Every family of tasks is in two halves of different classes. Half ``a`` is for development, half ``b`` is what
the table shows.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from benchmarks.quality_tasks import NETWORK, link
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.errors import VisionLoraError
from visionlora.models import WeightsMetadata, imagenet_wnids

EVERYDAY = {
    "a": ("airplane", "cat", "deer", "frog", "ship"),
    "b": ("automobile", "bird", "dog", "horse", "truck"),
}
# Ranges of ImageNet's outputs, which are in the order of WordNet.
ANIMALS: Mapping[str, Mapping[str, Sequence[range]]] = {
    "a": {"dog": [range(151, 269)], "other mammal": [range(269, 300), range(330, 389)]},
    "b": {
        "bird": [range(7, 25), range(80, 101), range(127, 147)],
        "reptile or amphibian": [range(25, 69)],
        "invertebrate": [range(69, 80), range(107, 127), range(300, 327)],
    },
}
SCENES = {"animal": [range(398)], "made": [range(398, 924)], "place": [range(970, 981)]}
THINGS = {"living": [range(398)], "made": [range(398, 924)]}
DRAWN_CLASSES = 20
EVERYDAY_SIZES = (1, 5, 10, 50)


@dataclass(frozen=True)
class Row:
    """A task at one number of images.

    Attributes:
        name: short, as in the records.
        title: one line for tables.
        images: how many of each class train, at most.
        root: folder with train, val (chooses) and test (reports), each of class folders.
    """

    name: str
    title: str
    images: int
    root: Path


def make_rows(folder: Path, real: Path, half: str) -> dict[str, Row]:
    """Make the folders below ``folder``, as links to the real images.

    Raises:
        VisionLoraError: the real images are missing.
    """
    for needed in ("ordinary", "photos", "illustrated"):
        if not (real / needed).is_dir():
            raise VisionLoraError(
                f"{real / needed} is missing; give the folder of real weights and images with --real FOLDER"
            )
    rows = [*_everyday(folder, real, half), *_photos(folder, real, half), *_drawings(folder, real, half)]
    return {row.name: row for row in rows}


def small_input_weights(folder: Path, real: Path, size: int) -> Path:
    """SqueezeNet's ImageNet weights with a preprocessing that crops to ``size`` pixels instead of 224.

    Raises:
        VisionLoraError: the real weights are missing.
    """
    source = real / f"{NETWORK}-imagenet.safetensors"
    if not source.is_file():
        raise VisionLoraError(f"{source} is missing; give the folder of real weights with --real FOLDER")
    about = WeightsMetadata.of_imagenet(NETWORK)
    usual = about.preprocessing
    preprocessing = Preprocessing(
        round(size * usual.resize / usual.crop), size, usual.mean, usual.std, usual.interpolation
    )
    path = folder / f"{NETWORK}-{size}.safetensors"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        load_file(source), path, WeightsMetadata(about.categories, about.wnids, preprocessing).as_text()
    )
    return path


def _everyday(folder: Path, real: Path, half: str) -> Iterable[Row]:
    photos = real / "ordinary"
    for count in EVERYDAY_SIZES:
        root = folder / f"everyday-{half}-{count}"
        for name in EVERYDAY[half]:
            train = _shuffled((photos / "train" / name).iterdir())
            held = _shuffled((photos / "test" / name).iterdir())
            _fill(root, name, train[:count], held[:10], held[10:])
        title = f"everyday photos, {len(EVERYDAY[half])} classes"
        yield Row(f"everyday-{half}-{count}", title, count, root)


def _photos(folder: Path, real: Path, half: str) -> Iterable[Row]:
    wnids = imagenet_wnids()

    def of(ranges: Sequence[range]) -> list[Path]:
        found = (real / "photos" / wnids[output] for several in ranges for output in several)
        return _shuffled(place / "0.jpg" for place in found if place.is_dir())

    tasks: list[tuple[str, str, Mapping[str, Any], int, int]] = [
        (f"animals-{half}", f"{len(ANIMALS[half])} kinds of animals", ANIMALS[half], 5, 2)
    ]
    if half == "b":
        tasks.append(("things", "living things and made things", THINGS, 10, 10))
    else:  # of places there are four photos: all train
        tasks.append(("scenes", "animals and made things, and four places", SCENES, 5, 10))
    for name, title, groups, count, choosing in tasks:
        root = folder / f"{name}-{count}"
        for group, ranges in groups.items():
            found = of(ranges)
            rest = found[count + choosing :]
            _fill(root, group, found[:count], found[count : count + choosing], rest)
        yield Row(f"{name}-{count}", title, count, root)


def _drawings(folder: Path, real: Path, half: str) -> Iterable[Row]:
    drawn = real / "illustrated"
    complete = [place for place in sorted((drawn / "train").iterdir()) if len(list(place.iterdir())) == 4]
    start = 0 if half == "a" else DRAWN_CLASSES
    classes = _shuffled(complete)[start : start + DRAWN_CLASSES]
    for count in (1, 2):
        root = folder / f"drawings-{half}-{count}"
        for number, place in enumerate(sorted(classes)):
            styles = _shuffled([*place.iterdir(), *(drawn / "unseen" / place.name).iterdir()], by_class=False)
            # A name that is no class of ImageNet: nothing tells the network what it is.
            _fill(root, f"kind {number:02}", styles[:count], styles[count : count + 1], styles[count + 1 :])
        title = f"drawings of {DRAWN_CLASSES} things, other styles to test"
        yield Row(f"drawings-{half}-{count}", title, count, root)


def _fill(root: Path, name: str, train: Sequence[Path], val: Sequence[Path], test: Sequence[Path]) -> None:
    for split, images in (("train", train), ("val", val), ("test", test)):
        for image in images:
            place = root / split / name / f"{image.parent.name}-{image.name}"
            if not place.is_symlink():
                link(place, image)


def _shuffled(paths: Iterable[Path], by_class: bool = True) -> list[Path]:
    """In an order that depends on the names alone; without ``by_class`` the same for every folder."""
    paths = sorted(paths, key=lambda path: path.name if not by_class else str(path))
    random.Random(0).shuffle(paths)
    return paths
