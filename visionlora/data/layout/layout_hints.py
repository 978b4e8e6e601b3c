"""What to say of a folder that holds something else than labelled images in a known layout."""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from visionlora.data.files.archive import NAMES, stem_of
from visionlora.data.files.arrow import unpacked_by
from visionlora.data.files.not_images import is_part
from visionlora.data.files.root import LAYOUTS
from visionlora.data.files.walk import entries, has_images, hints, kinds, names_in, walk
from visionlora.data.layout.masks import describe_sets
from visionlora.data.names.split_names import GENERIC, split_name
from visionlora.data.names.words_of_names import first_words, last_words
from visionlora.data.tables.joins import describe_join, label_per_line
from visionlora.data.tables.label_files import (
    boxes_near,
    files_of,
    has_labels,
    labels_below,
    pixels_in,
    table_near,
    up_to,
)
from visionlora.data.tables.sidecars import labelled_by_sidecars, releases_in
from visionlora.data.tables.unread_tables import is_packed_table, unread_table
from visionlora.text import Doubt, first_of, in_words, listed

_COPY = re.compile(
    r"(.*[ _.-])?(back-?ups?|sicherung|old|orig(inal)?s?|copy|archived?|data(set)?|images|photos)"
    r"([ _.-]?\d+)*",
    re.IGNORECASE,
)
"""How archives are called that hold what is there already, or was."""
_SHOWN = 3


def describe_empty(folder: Path, others: Sequence[Path]) -> str:
    """Why a folder has nothing to learn from."""
    if part := next((path for path in others if is_part(path.name)), None):
        return f"{folder} holds no images{kinds(others)}; {part.name} is a part of an archive: unpack that"
    if commands := unpacked_by(folder, walk(folder)[1]):
        return f"{folder} holds no images{kinds(others)}, but a data set of Hugging Face; {commands}"
    if known := hints(others):
        return f"{folder} holds no images{kinds(others)}; {known[0]}"
    if table := pixels_in(others):
        return f"{folder} holds no images; {table.name} holds the pixels themselves: save each row as PNG"
    if table := labels_below(folder):
        return f"{folder} holds no images{kinds(others)}; data.root={table}, if that lists images and labels"
    return f"{folder} holds no images{kinds(others)}; it should be {LAYOUTS}"


def describe_packed(files: Iterable[Path], chosen: Container[str]) -> list[str]:
    """A note about the archive of a split that is not unpacked yet, beside folders of others.

    Args:
        files: what lies beside the folders.
        chosen: the splits that there are.
    """
    notes = []
    for path in (path for path in files if path.name.casefold().endswith(NAMES)):
        split = split_name(stem_of(path))
        if split and split not in chosen:
            notes.append(f"{path.name} is an archive: unpack it, if it holds images to use")
        elif not split and not is_packed_table(path):
            notes.append(f"{path.name} is an archive beside folders of splits: not read")
    return notes


def describe_packed_classes(files: Iterable[Path]) -> list[str]:
    """A note about archives beside class folders, which may be other classes: ``dog.zip`` beside ``cat``."""
    archives = [path for path in files if path.name.casefold().endswith(NAMES)]
    packed = [path for path in archives if not split_name(stem_of(path)) and not is_packed_table(path)]
    if not packed:
        return []
    what = "is an archive, which is not read" if len(packed) == 1 else "are archives, which are not read"
    said = f"{listed([path.name for path in packed], _SHOWN)} {what} beside folders"
    if all(_COPY.fullmatch(stem_of(path)) for path in packed):
        return [said]
    return [Doubt(f"{said}; unpack what holds images of a class")]


def describe_empty_class(folder: Path, others: Sequence[Path], classes: Mapping[Path, Sequence[Path]]) -> str:
    """The problem of a class folder without images.

    Args:
        folder: the class folder.
        others: the files in it.
        classes: every class folder -> its images.
    """
    known = hints(others)
    stems = {path.stem for path in others} if not known else set()
    said = f"class folder {folder} holds no images{kinds(others)}"
    for other, paths in classes.items():
        if stems and paths and stems <= {path.stem for path in paths}:
            return f"{said}; it looks like boxes for the images in {other.name}, which are not read"
    table = None if known else labels_below(folder)
    if table is not None:
        return f"{said}; if {table.name} in it lists images and labels, give that: data.root={table}"
    return f"{said}; {(*known, 'put some in, or remove it')[0]}"


def describe_unlabelled(folder: Path, root: Path) -> str:
    """What to do with a folder of images that nobody has said the class of.

    Args:
        folder: holds the images.
        root: what the user gave; a table in it, or on the way, may list the labels.
    """
    name = folder.resolve().name
    generic = set(name.casefold().split()) <= GENERIC or split_name(name) is not None
    what = "data.class_name=NAME" if generic else f"for example data.class_name={name!r}"
    below = "class folders" if generic else "a folder of that name"
    table = table_near(folder, root)
    hint = f"; or data.root={table}, if that lists their labels" if table else ""
    files = [path for here in up_to(folder, root) for path in files_of(here)]
    stems = [path.stem for path in entries(folder).images]
    if joined := describe_join(files, stems):
        hint = f"; {joined}"
    elif (table is None or not has_labels(table)) and (line := label_per_line(files, len(stems))):
        hint = f"; {line.name} has a line for each image, and no names: write FILE,LABEL into each"
    elif (table is None or not has_labels(table)) and (sheet := unread_table(folder, root)):
        do = "unpack it" if is_packed_table(sheet) else "save it as CSV"
        hint = f"; {sheet.name} may list their labels: {do}, and give that as data.root"
    boxes = boxes_near(folder, root)
    if boxes is not None:
        several, _ = labelled_by_sidecars({"train": folder}, several=True)
        are = "several classes in an image: task=multi_label learns them, or" if several else "not read:"
        hint += f"; {boxes} looks like boxes for object detection, which are {are} cut the objects out"
    releases = [one.parent.name for one in releases_in(folder.parent)]
    if len(releases) > 1 and "latest" not in releases:
        names = listed(releases, _SHOWN)
        hint += f"; releases has {len(releases)} ({names}): leave one there, or call it latest"
    if called := last_words(entries(folder).images):
        some = in_words(first_of(called, _SHOWN, "more words"))
        hint += f"; their names end in {some}: data.class_from=names makes these the classes"
    hint += "".join(f"; {said}" for said in describe_sets({folder: entries(folder).images}))
    if called := first_words(entries(folder).images):
        hint += f"; their names begin with {in_words(called)}: data.class_from=names makes these the classes"
    return (
        f"{folder} holds images but no class folders; say what they show, {what}, or move them into "
        f"{below}{hint}"
    )


def describe_splits_beside(root: Path) -> list[str]:
    """A note where the folder is the train of a data set whose other splits lie beside it."""
    root = root.absolute()
    if split_name(root.name) != "train" or not os.access(root.parent, os.R_OK):
        return []
    beside = [one for one in entries(root.parent).folders if split_name(one.name) in ("val", "test")]
    names = [one.name for one in sorted(beside, key=_is_test) if has_images(one)]
    if not names:
        return []
    lie = "lies beside it and is" if len(names) == 1 else "lie beside it and are"
    return [f"{' and '.join(names)} {lie} not used; data.root={root.parent} reads all of them"]


def _is_test(folder: Path) -> bool:
    return split_name(folder.name) == "test"


def refuse_copies(folders: Sequence[Path]) -> list[str]:
    """A problem where one folder holds what lies beside it once more: an archive that was unpacked twice.

    Args:
        folders: that lie side by side.
    """
    names = {folder.name for folder in folders}
    said = []
    for folder in folders:
        there = names & names_in(folder) - {folder.name}
        same = sorted(there & {one.name for one in entries(folder).folders}) if len(there) > 1 else []
        if len(same) > 1:
            said.append(
                f"{folder} holds the folders that lie beside it ({listed(same, _SHOWN)}): a copy of them? "
                f"Remove it, or give only it: data.root={folder}"
            )
    return said
