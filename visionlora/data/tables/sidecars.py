"""Files of boxes or outlines, one beside each image: an image whose boxes have one class is of that class."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from visionlora.data.files.walk import entries
from visionlora.data.images.decode import ImageFile, labelled
from visionlora.data.tables.annotation_files import xml_root
from visionlora.data.tables.label_files import MOST_MISSING

_ASIDE = frozenset(("labels", "annotations", "annotation", "ann", "annos", "xml", "xmls", "json", "jsons"))
"""What the folder of such files is called where it lies beside that of the images."""
_SUFFIXES = (".xml", ".json")
_MOST_BYTES = 2**26
"""labelme writes the image itself into its file."""


def labelled_by_sidecars(
    folders: Mapping[str, Path], several: bool
) -> tuple[dict[str, list[ImageFile]], list[str]]:
    """(split -> its labelled images, notes) where almost each image of folders has a file of its boxes, by
    labelme, in Pascal VOC's XML or Supervisely's JSON, whose boxes have one class. Empty where that is not
    so.

    Args:
        folders: split -> the folder of its images.
        several: an image may have several classes, or none.
    """
    found: dict[str, list[ImageFile]] = {}
    unlabelled = 0
    for split, folder in folders.items():
        images = entries(folder).images
        classes = _classes_of(images, folder)
        if len(classes) < (1 - MOST_MISSING) * len(images):
            return {}, []
        if not several and any(len(names) > 1 for names in classes.values()):
            return {}, []
        if several:
            found[split] = [labelled(path, names) for path, names in classes.items()]
        else:
            found[split] = [ImageFile(path, min(names)) for path, names in classes.items() if names]
            unlabelled += len(images) - len(found[split])
    if not found.get("train"):
        return {}, []
    notes = ["no class folders: an image has the class of the boxes beside it, and is used as a whole"]
    if unlabelled:
        images_have = "1 image has" if unlabelled == 1 else f"{unlabelled} images have"
        notes.append(f"{images_have} no boxes: left out")
    return found, notes


def _classes_of(images: Sequence[Path], folder: Path) -> dict[Path, set[str]]:
    """Image -> the classes of its boxes, where there is a file of them."""
    beside = [one for one in entries(folder.parent).folders if one.name.casefold() in _ASIDE]
    places = [folder, *beside, *(one / folder.name for one in beside if (one / folder.name).is_dir())]
    files = {
        path.name: path for place in places for path in entries(place).others
        if path.suffix.casefold() in _SUFFIXES
    }  # fmt: skip
    if not files:
        return {}
    found = {}
    for image in images:
        names = [f"{name}{suffix}" for name in (image.stem, image.name) for suffix in _SUFFIXES]
        file = next((files[name] for name in names if name in files), None)
        classes = None if file is None else _classes_in(file)
        if classes is not None:
            found[image] = classes
    return found


def _classes_in(file: Path) -> set[str] | None:
    """The classes of the boxes in a file; None: it is none of boxes."""
    try:
        if file.stat().st_size > _MOST_BYTES:
            return None
        content = file.read_bytes()
        if file.suffix.casefold() == ".json":
            names = list(_in_json(json.loads(content)))
        else:
            names = list(_in_xml(content))
    except (OSError, ValueError, RecursionError, AttributeError, TypeError, KeyError):
        return None
    return {name.strip() for name in names if name.strip()}


def _in_json(value: Any) -> Iterator[str]:
    if "shapes" in value:  # labelme; its flags are the classes of the whole image
        yield from (str(one["label"]) for one in value["shapes"])
        yield from (name for name, is_set in (value.get("flags") or {}).items() if is_set is True)
    else:  # Supervisely
        yield from (str(one["classTitle"]) for one in value["objects"])
        yield from (str(one["name"]) for one in value["tags"])


def _in_xml(content: bytes) -> Iterator[str]:
    root = xml_root(content, "annotation")
    if root is None:
        raise ValueError("not Pascal VOC's")
    for one in root.iter("object"):
        yield one.findtext("name") or ""
