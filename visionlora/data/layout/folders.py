"""Find the images below a folder, and their class names from where they lie."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from visionlora.data.files.archive import is_archive, other_files, packed, unpacked
from visionlora.data.files.formats import SUFFIXES
from visionlora.data.files.root import as_written, refuse_missing, refuse_several
from visionlora.data.files.walk import (
    entries,
    has_images,
    is_image,
    kinds,
    skipped_notes,
    walk,
    warn_of_skipped,
)
from visionlora.data.images.decode import ImageFile
from visionlora.data.layout.class_hints import describe_twice
from visionlora.data.layout.file_names import read_file_names
from visionlora.data.layout.layout_hints import describe_splits_beside
from visionlora.data.layout.names_of_classes import above, with_names
from visionlora.data.layout.read_layout import read_layout
from visionlora.data.layout.recognise import recognise
from visionlora.data.layout.split_lists import split_by_lists
from visionlora.data.names.garbled import describe_garbled
from visionlora.data.names.spellings import in_one_form, two_spellings
from visionlora.data.splits.make_splits import FoundImages, ImageFolder, make_folder
from visionlora.data.tables.exclusions import describe_exclusions
from visionlora.data.tables.label_files import describe_beside, labels_below
from visionlora.data.tables.several_labels import count_labels
from visionlora.data.tables.table import read_table
from visionlora.data.tables.tables_against import tables_against
from visionlora.errors import VisionLoraError, about
from visionlora.text import Doubt

_log = logging.getLogger(__name__)


def scan(
    root: str | Path,
    *,
    class_name: str | None = None,
    val_fraction: float = 0.25,
    seed: int = 0,
    separator: str | None = None,
    class_from: str = "folders",
) -> ImageFolder:
    """Find labelled images. ``root`` is one of

    - a folder of images, all of the class ``class_name``;
    - a folder of class folders, images at any depth below them; lists (``train.txt``) may say their splits;
    - a folder of ``train`` and, if wanted, ``val`` and ``test`` in any usual spelling, each like one of the
      above, or with a table of labels (``metadata.csv`` of Hugging Face, ``_classes.csv`` of Roboflow);
    - a folder of class folders that each hold ``train`` and ``val``;
    - a folder that has nothing but one of the above in it;
    - a table of path, label and, if wanted, split (:func:`visionlora.data.tables.table.read_table`);
    - a zip or tar file of any of these, or several (:func:`visionlora.data.files.archive.unpacked`).

    Without a val split a stratified one is made (:func:`visionlora.data.splits.divide.stratified`).
    What file managers and our own runs leave is passed over. Decisions are logged as warnings, and
    listed in the result's ``notes``; so are other files that are not images, counted.

    With a ``separator`` images have any number of labels, which tables alone can say. With ``class_from``
    "names" the names of images say their classes (:func:`visionlora.data.layout.file_names.read_file_names`).

    Raises:
        VisionLoraError: no such folder, nothing in it, an empty class folder, layouts mixed, a class spelled
            in two ways, a class in val or test alone, or a class name that is missing or not needed.
    """
    folder, problems = survey(
        root, class_name=class_name, val_fraction=val_fraction, seed=seed, separator=separator,
        class_from=class_from,
    )  # fmt: skip
    for note in folder.notes:
        _log.warning("%s%s: %s", "warning: " if isinstance(note, Doubt) else "", folder.root, note)
    if problems:
        more = f" (and {len(problems) - 1} more; visionlora check names all)" if len(problems) > 1 else ""
        raise VisionLoraError(f"{problems[0]}{more}")
    return folder


def survey(
    root: str | Path,
    *,
    class_name: str | None = None,
    val_fraction: float = 0.25,
    seed: int = 0,
    separator: str | None = None,
    class_from: str = "folders",
) -> tuple[ImageFolder, list[str]]:
    """:func:`scan` without a word: what is found, and what is wrong with it, all of it.

    Raises:
        VisionLoraError: nothing can be found at all.
    """
    found = find(root, class_name=class_name, separator=separator, class_from=class_from)
    return make_folder(found, val_fraction=val_fraction, seed=seed)


def find(
    root: str | Path, *, class_name: str | None = None, separator: str | None = None,
    class_from: str = "folders",
) -> FoundImages:  # fmt: skip
    """The labelled images of :func:`scan` before they are split.

    Raises:
        VisionLoraError: nothing can be found at all.
    """
    root, within = _within_archive(as_written(root))
    names = class_from == "names"
    if not is_archive(root) and not packed(root):
        return _found_in(root, class_name, separator, [], names)
    folder, note = unpacked(root)
    folder = folder / within
    refuse_missing(folder)
    notes = [note, *(skipped_notes(other_files(root)) if root.is_dir() else [])]
    if not has_images(folder) and labels_below(folder) is not None:
        raise VisionLoraError(
            f"{root} holds a table and no images; unpack it, and give the table as data.root"
        )
    try:
        return _found_in(folder, class_name, separator, notes, names)
    except VisionLoraError as error:
        error.args = (f"{error} ({note})",)
        raise


def _found_in(
    root: Path, class_name: str | None, by: str | None, notes: list[str], names: bool
) -> FoundImages:
    """:func:`find` in what is no archive."""
    if names and (root.is_file() or by is not None):
        raise VisionLoraError("data.class_from=names is for a folder of images with one label each")
    if root.is_file():
        if class_name is not None and is_image(root):
            return FoundImages(root, {"train": [ImageFile(root, class_name)]}, layout="one image")
        table = read_table(root, class_name, by)
        images, forms = in_one_form(table.images)
        images, names_notes = with_names(
            images, [path for path in entries(root.parent).others if path != root]
        )
        notes += [*table.notes, *forms, *describe_beside(root), *names_notes]
        notes += [*describe_twice(_classes(images)), *describe_garbled(_classes(images))]
        notes += _counted(images, by)
        return FoundImages(root, images, layout=table.layout, notes=tuple(notes))
    refuse_several(root)
    with about("data.root"):
        refuse_missing(root)
    if names:
        return read_file_names(root, notes)
    layout = recognise(root, class_name, by is not None)
    if by is not None and not layout.tables and not layout.images:
        raise VisionLoraError(
            f"{root}: {layout.name} say one label an image; for several (task=multi_label) give a CSV of "
            "paths and labels as data.root"
        )
    found, skipped, problems = read_layout(root, layout, class_name, notes, by)
    found, split_notes = split_by_lists(found, layout.lists)
    others = {*layout.beside, *skipped, *above(root)} - {*layout.tables.values()}
    if not layout.tables and not layout.images:
        notes += tables_against(found, layout.beside)
    notes += describe_exclusions(
        path
        for path in layout.beside
        if path not in layout.tables.values() and path.stem not in _classes(found)
    )
    found, names_notes = with_names(found, sorted(others), bool(layout.images))
    layout_notes = (note for note in layout.notes if note not in notes)
    notes += [*_counted(found, by), *layout_notes, *split_notes, *skipped_notes(skipped), *names_notes]
    notes += [*describe_twice(_classes(found)), *describe_garbled(_classes(found))]
    notes += describe_splits_beside(root)
    return FoundImages(root, found, tuple(skipped), layout.name, tuple(notes), tuple(problems))


def scan_labelled(root: str | Path) -> tuple[ImageFile, ...]:
    """Every labelled image of a folder in one of the layouts of :func:`scan`, without a split.

    Raises:
        VisionLoraError: no such folder, nothing in it, an empty class folder, or images beside the folders.
    """
    root = _opened(root)
    layout = recognise(root)
    found, skipped, problems = read_layout(root, layout, None, [])
    found, _ = with_names(found, [*layout.beside, *skipped], bool(layout.images))
    images = [image for split in found.values() for image in split]
    problems += two_spellings(root, {name for image in images for name in image.names})
    if problems:
        raise VisionLoraError(problems[0])
    warn_of_skipped(root, skipped)
    return tuple(images)


def scan_known(root: str | Path) -> tuple[ImageFile, ...]:
    """The images of a folder of class folders with their labels; of a folder of images, without any.

    Raises:
        VisionLoraError: as of :func:`scan_labelled`.
    """
    root = _opened(root)
    found = entries(root)
    flat = found.images and not any(map(has_images, found.folders))
    return scan_images([root]) if flat else scan_labelled(root)


def scan_images(folders: str | Path | Iterable[str | Path]) -> tuple[ImageFile, ...]:
    """Every image at any depth below one folder or several, unlabelled, each file once.

    Raises:
        VisionLoraError: no such folder, or one without images.
    """
    found: dict[str, ImageFile] = {}
    for folder in map(_opened, [folders] if isinstance(folders, str | Path) else folders):
        images, skipped = walk(folder)
        if not images:
            suffixes = ", ".join(sorted(SUFFIXES))
            raise VisionLoraError(f"{folder} holds no images{kinds(skipped)}; images end in {suffixes}")
        warn_of_skipped(folder, skipped)
        for path in images:
            found.setdefault(os.path.realpath(path), ImageFile(path))
    return tuple(found.values())


def _opened(root: str | Path) -> Path:
    """The folder of a path, that of its content where it is an archive.

    Raises:
        VisionLoraError: no such folder, or an archive that cannot be unpacked.
    """
    path, within = _within_archive(as_written(root))
    if is_archive(path) or packed(path):
        path = unpacked(path)[0] / within
    refuse_missing(path)
    return path


def _within_archive(path: Path) -> tuple[Path, Path]:
    """(the archive, the path in it) of a path such as ``x.zip/train``; else the path, and an empty one."""
    archive = next((one for one in path.parents if is_archive(one)), path)
    return archive, path.relative_to(archive)


def _classes(found: Mapping[str, Sequence[ImageFile]]) -> set[str]:
    return {name for images in found.values() for image in images for name in image.names}


def _counted(found: Mapping[str, Sequence[ImageFile]], separator: str | None) -> list[str]:
    """How many labels the images have, where they may have several."""
    images = [image for split in found.values() for image in split]
    return [] if separator is None else [count_labels(images)]
