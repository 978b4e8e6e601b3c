"""From a project, and from three plain choices, to the command line of a training."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from visionlora.errors import VisionLoraError
from visionlora.files import replacing, write_json
from visionlora.studio.job import NAMES
from visionlora.studio.projects import Project

MEASURED = 3
"""One in so many images to keep, and of other things, measures instead of training."""

KEEP: Mapping[str, tuple[str, ...]] = {
    "everything": (),
    "most": ("retention.budget=0.05",),
    "nothing": ("model.head=new",),
}
"""What of the old knowledge is to be kept -> options."""

LONG: Mapping[str, tuple[str, ...]] = {
    "quick": ("trainer.max_steps=80", "retention.inverted=16"),
    "normal": (),
    "thorough": ("trainer.max_steps=1000", "trainer.patience=null"),
}
"""How long to train -> options."""


def choices(keep: str, long: str, network: str) -> list[str]:
    """The options that the three choices stand for.

    Raises:
        VisionLoraError: there is no such choice.
    """
    for chosen, known in ((keep, KEEP), (long, LONG)):
        if chosen not in known:
            raise VisionLoraError(f"there is no choice {chosen!r}; there are {', '.join(known)}")
    return [f"model={network}", *KEEP[keep], *LONG[long]]


def training_files(project: Project, images: Path, place: Path) -> list[str]:
    """Write what a training reads into a folder of its own; the options that name it.

    The project may change, or go, while the training waits or runs. One in three images to keep, and of other
    things, does not train: it measures.

    Args:
        project: what to train.
        images: the folder of its images.
        place: a folder for the files alone; what is there goes.

    Raises:
        VisionLoraError: no image is there to learn.
    """
    learned = [image for image in project.images if image.role == "class"]
    if not learned:
        raise VisionLoraError("there is nothing to learn yet; add images of a class")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    given = [f"data.root={place / 'images.csv'}", "data.name=studio"]
    # A folder for each class: one image may be in several of them, which is for the check to say.
    numbers = {label: number for number, label in enumerate(sorted({image.label for image in learned}))}
    for label, number in numbers.items():
        files = sorted({image.file for image in learned if image.label == label})
        _link(images, files, place / "images" / str(number))
    rows = [(f"images/{numbers[image.label]}/{image.file}", image.label) for image in learned]
    _write_table(place / "images.csv", rows)
    write_json(place / NAMES, {image.file: image.name for image in project.images})
    for role, section in (("keep", "retention"), ("others", "contrast")):
        files = sorted({image.file for image in project.images if image.role == role})
        measured = set(files[::MEASURED]) if len(files) >= 2 * MEASURED else set()
        anchors, root = place / f"{section}_anchors", place / f"{section}_root"
        _link(images, [file for file in files if file not in measured], anchors)
        _link(images, sorted(measured), root)
        given += [f"{section}.anchors={anchors}"] if anchors.exists() else []
        given += [f"{section}.root={root}"] if root.exists() else []
    return given


def _write_table(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    with replacing(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label"))
        writer.writerows(rows)


def _link(images: Path, names: Sequence[str], place: Path) -> None:
    """Make ``place`` a folder of these images; none, where there are none."""
    if names:
        place.mkdir(parents=True)
    for name in names:
        try:
            os.link(images / name, place / name)
        except OSError:  # a file system without hard links
            shutil.copy2(images / name, place / name)
