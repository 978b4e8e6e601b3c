"""Classes that the names of files say: ``cat.0.jpg``, ``12_frog.png``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from visionlora.data.files.walk import skipped_notes, walk
from visionlora.data.images.decode import ImageFile
from visionlora.data.layout.class_hints import describe_twice, like_splits
from visionlora.data.layout.layout_hints import describe_empty
from visionlora.data.layout.names_of_classes import above, with_names
from visionlora.data.layout.recognise import recognise
from visionlora.data.names.words_of_names import NUMBER_FIRST, NUMBER_LAST
from visionlora.data.splits.make_splits import FoundImages
from visionlora.errors import VisionLoraError
from visionlora.text import Doubt, listed

_PATTERNS = {
    "before the number": NUMBER_LAST,
    "behind the number": NUMBER_FIRST,
    "before the last number": re.compile(r"(.+?)[\W_]+\d+[\W_]*"),
    "before the first dot": re.compile(r"([^.]*[^\W\d_][^.]*)\..+"),  # Edge Impulse: cat.img_1.jpg.2ab3.jpg
    "before the first number": re.compile(r"(.*?[^\W\d_])[\W_]+\d+[\W_].*"),  # cat-01-crop
}
_NUMBERS = re.compile(r"\d+([\W_]+\d+)+")
"""UTKFace has age, gender and race in its names."""
_AROUND = "[](){} "
_OFTEN = 3
_SHOWN = 3


def read_file_names(root: Path, notes: Sequence[str]) -> FoundImages:
    """The images of a folder, or of its folders of splits, where the name of each one says its class.

    Args:
        root: the folder.
        notes: what is said already.

    Raises:
        VisionLoraError: there are no images, tables or folders say the classes, or the names say none.
    """
    layout = recognise(root, "")  # as if all were of one class
    if layout.tables or layout.images or layout.inner:
        raise VisionLoraError(f"{root}: {layout.name} say the classes; leave out data.class_from=names")
    paths: dict[str, list[Path]] = {}
    skipped: list[Path] = []
    for split, folder in layout.folders.items():
        paths[split], others = walk(folder)
        skipped += others
    if not paths["train"]:
        raise VisionLoraError(describe_empty(layout.folders["train"], skipped))
    where = _where(root, paths["train"])
    found: dict[str, list[ImageFile]] = {}
    said: list[str] = []
    for split, images in paths.items():
        labelled = [
            (path, match[1].strip(_AROUND))
            for path in images
            if (match := _PATTERNS[where].fullmatch(path.stem))
        ]
        if images and not labelled:
            said.append(f"{layout.folders[split].name} holds images whose names say no class: left out")
            continue
        _require_all(root, images, [path for path, _ in labelled], where)
        found[split] = [ImageFile(path, label) for path, label in labelled]
    classes = {image.label or "" for images in found.values() for image in images}
    first = found["train"][0]
    how = f"data.class_from=names: the class is what stands {where} in the name of each image"
    said = [
        f"{how}: {first.label} in {first.path.name}",
        *said,
        *_doubts(classes, sum(map(len, found.values()))),
    ]
    found, names_notes = with_names(found, [*layout.beside, *skipped, *above(root)], from_zero=True)
    said += [*layout.notes, *skipped_notes(skipped), *describe_twice(classes), *names_notes]
    layout_name = f"images in {', '.join(folder.name for folder in layout.folders.values())}"
    called, more = like_splits(sorted(classes))
    where_from = f"{layout_name}, classes in their names"
    return FoundImages(root, found, tuple(skipped), where_from, (*notes, *said, *more), tuple(called))


def _doubts(classes: set[str], count: int) -> list[str]:
    """A note where names hold several numbers, or almost as many classes as there are images."""
    if several := [name for name in sorted(classes) if _NUMBERS.fullmatch(name)]:
        said = (
            f"classes are several numbers each ({listed(several, _SHOWN)}): labels of several things (age, "
        )
        return [Doubt(f"{said}gender, angle)? A table of images and the one label to learn says which")]
    if len(classes) > max(_OFTEN, count / _OFTEN):
        said = (
            f"{count} images have {len(classes)} classes ({listed(sorted(classes), _SHOWN)}); if the names "
        )
        return [Doubt(f"{said}say something else, list the images and their classes in a table")]
    return []


def _where(root: Path, images: Sequence[Path]) -> str:
    """Where the class stands in names: a key of the patterns, one that fits all of them or else most."""
    fitting: Mapping[str, Counter[str]] = {
        where: Counter(match[1] for path in images if (match := pattern.fullmatch(path.stem)))
        for where, pattern in _PATTERNS.items()
    }
    # A number that counts the images is in each name another one; the classes come again.
    again = {where: words for where, words in fitting.items() if 0 < 2 * len(words) <= words.total()}
    if len(fitting["before the first dot"]) < 2:
        again.pop("before the first dot", None)
    if not again:
        raise VisionLoraError(
            f"{root}: the names of the images ({images[0].name}, ...) say no classes, such as cat.0.jpg, "
            "dog_1.jpg or 2_dog.jpg do; move the images into class folders, or list them in a table"
        )
    # One word that all names end in (aug, crop) is no class where something else tells them apart.
    several = [where for where in again if len(again[where]) > 1]
    return max(several or again, key=lambda where: again[where].total())


def _require_all(root: Path, images: Sequence[Path], labelled: Sequence[Path], where: str) -> None:
    if len(labelled) < len(images):
        others = sorted({*images} - {*labelled})
        raise VisionLoraError(
            f"{root}: {others[0].relative_to(root).as_posix()} has no class {where} in its name, as "
            f"{labelled[0].name} has ({len(others)} of {len(images)} images); rename such images, or take "
            "them out"
        )
