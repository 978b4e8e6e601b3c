"""Which images train, which validate, which test; and what makes a set of images usable at all."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from visionlora.data.copies.same_image import same_images
from visionlora.data.files.walk import by_parts
from visionlora.data.images.decode import ImageFile
from visionlora.data.names.spellings import two_spellings
from visionlora.data.names.split_names import SPLITS
from visionlora.data.names.words_of_names import describe_frames
from visionlora.data.splits.divide import stratified
from visionlora.errors import VisionLoraError
from visionlora.lazy import garbage_kept
from visionlora.text import listed

MOST_TEST = 2000
"""So many test images give top-1 to about 0.02."""
MANY_VAL = 400
"""From so many validation images on one half is enough to choose with."""


@dataclass(frozen=True)
class FoundImages:
    """Labelled images before they are split: ``images`` of each split that the data has, in any order.

    ``problems`` are what is wrong with them; the rest is as in :class:`ImageFolder`.
    """

    root: Path
    images: Mapping[str, Sequence[ImageFile]]
    skipped: tuple[Path, ...] = ()
    layout: str = ""
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that train has, sorted."""
        return tuple(sorted({name for image in self.images.get("train", ()) for name in image.names}))


@dataclass(frozen=True)
class ImageFolder:
    """A labelled set of images, split.

    Attributes:
        root: the folder or the table that was scanned.
        classes: class names in sorted order, exactly those of ``train``.
        train, val, test: images in sorted order.
        skipped: files that are not images and were left out.
        layout: the layout that was recognised, in words.
        notes: what was decided about it and the user should know of, a line each.
        split: ``given`` where the data has val images of its own, ``made`` where they were taken from train,
            ``none`` where there are none.
    """

    root: Path
    classes: tuple[str, ...]
    train: tuple[ImageFile, ...]
    val: tuple[ImageFile, ...] = ()
    test: tuple[ImageFile, ...] = ()
    skipped: tuple[Path, ...] = ()
    layout: str = ""
    notes: tuple[str, ...] = ()
    split: str = "given"

    def judged_by(self) -> tuple[tuple[ImageFile, ...], str]:
        """The images that no training on this data learns from, and what they are in words.

        The test images, else val images that the data came with. Without either nobody knows what was trained
        on: all images.
        """
        if self.test:
            return self.test, "test images"
        if self.split == "given" and self.val:
            return self.val, "val images"
        words = "images, all that there are: the data has neither test nor val images of its own"
        return (*self.train, *self.val), words


def with_report(folder: ImageFolder, seed: int) -> tuple[ImageFolder, str | None]:
    """The folder with test images that report what the val images chose, and in words where they are from.

    These are its own test images, at most :data:`MOST_TEST`, evenly spaced. Without any, val images from
    :data:`MANY_VAL` on are halved. With fewer there are none.
    """
    if folder.test:
        count = len(folder.test)
        if count <= MOST_TEST:
            return folder, None
        test = tuple(folder.test[place * count // MOST_TEST] for place in range(MOST_TEST))
        return replace(folder, test=test), (
            f"{MOST_TEST:,} of {count:,} test images report the result; visionlora evaluate takes all of them"
        )
    if len(folder.val) < MANY_VAL or set(folder.val) & set(folder.train):
        return folder, None
    val, test_half = stratified(folder.val, folder.root, 0.5, seed)
    return replace(folder, val=tuple(val), test=tuple(test_half)), (
        f"no test images: of {len(folder.val):,} validation images {len(val):,} choose and "
        f"{len(test_half):,} report the result"
    )


@garbage_kept()
def make_folder(
    found: FoundImages,
    *,
    val_fraction: float,
    seed: int,
    copies_among: Callable[[Iterable[Path]], Mapping[Path, bytes]] = same_images,
) -> tuple[ImageFolder, list[str]]:
    """Make the :class:`ImageFolder` of what was found, with a val split if there is none.

    Args:
        found: the images.
        val_fraction: of the val split, where it is made.
        seed: of its order.
        copies_among: tells which images are the same; whoever has read them all need not read them again.

    Returns:
        It, and what is wrong with it: a class in two spellings, one in val or test that train lacks.

    Raises:
        VisionLoraError: ``val_fraction`` is out of range.
    """
    if not 0 <= val_fraction < 1:
        raise VisionLoraError(f"data.val_fraction is {val_fraction}; set it to 0 or more and less than 1")
    root, notes = found.root, found.notes
    in_order = {
        split: sorted(found.images.get(split, ()), key=lambda image: by_parts(image.path)) for split in SPLITS
    }
    classes = {split: {name for image in in_order[split] for name in image.names} for split in SPLITS}
    spellings = two_spellings(root, set().union(*classes.values()))
    problems = [*found.problems, *spellings]
    for split in ("val", "test") if not spellings else ():
        if len(classes[split]) > 1 and not classes[split] & classes["train"]:
            problems.append(
                f"{root}: {split} and train have no class in common ({listed(sorted(classes[split]), 3)} and "
                f"{listed(sorted(classes['train']), 3)}); each class needs images in both"
            )
            continue
        for label in sorted(classes[split] - classes["train"]):
            close = difflib.get_close_matches(label, classes["train"], n=1)
            hint = f"is it {close[0]!r}?" if close else "add images of it to train, or remove it"
            problems.append(f"{root}: class {label!r} is in {split} but not in train; {hint}")
    train, val = in_order["train"], in_order["val"]
    split = "given"
    if not val:
        copies = copies_among(image.path for image in train) if val_fraction else {}
        train, val = stratified(train, root if root.is_dir() else root.parent, val_fraction, seed, copies)
        split = "made" if val else "none"
        together = set(copies) - _both(train, val, copies)
        if together:
            words = "images are copies, equal or similar: each is on the side of its copies"
            notes = (*notes, f"{len(together):,} {words}")
        notes = (*notes, *describe_frames(*([image.path for image in side] for side in (train, val))))
    folder = ImageFolder(
        root=root,
        classes=found.classes,
        train=tuple(train),
        val=tuple(val),
        test=tuple(in_order["test"]),
        skipped=tuple(sorted(found.skipped)),
        layout=found.layout,
        notes=notes,
        split=split,
    )
    return folder, problems


def _both(train: Sequence[ImageFile], val: Sequence[ImageFile], copies: Mapping[Path, bytes]) -> set[Path]:
    """Images that have a copy on the other side."""
    sides = [{copies[image.path] for image in side if image.path in copies} for side in (train, val)]
    return {path for path, key in copies.items() if key in sides[0] & sides[1]}
