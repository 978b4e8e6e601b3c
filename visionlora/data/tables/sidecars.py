"""Files of boxes or outlines, one beside each image: an image whose boxes have one class is of that class."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from visionlora.data.files.walk import entries
from visionlora.data.images.decode import ImageFile, labelled
from visionlora.data.names.split_names import GENERIC
from visionlora.data.tables.annotation_files import xml_root
from visionlora.data.tables.label_files import MOST_MISSING
from visionlora.files import is_regular

_ASIDE = frozenset(("labels", "annotations", "annotation", "ann", "annos", "xml", "xmls", "json", "jsons"))
"""What the folder of such files is called where it lies beside that of the images."""
_SUFFIXES = (".xml", ".json", ".txt")
_MOST_SHARE = 1.5
"""Boxes may lead out of their image a little."""
_MOST_BYTES = 2**26
"""labelme writes the image itself into its file."""


def labelled_by_sidecars(
    folders: Mapping[str, Path], several: bool
) -> tuple[dict[str, list[ImageFile]], list[str]]:
    """(split -> its labelled images, notes) where almost each image of folders has a file of its boxes, by
    labelme, YOLO, in Pascal VOC's XML or the JSON of Supervisely, SuperAnnotate, V7 or Dataloop, whose boxes
    have one class. Empty where that is not so.

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
    places = places_of(folder)
    files = {
        path.name: path for place in places for path in entries(place).others
        if path.suffix.casefold() in _SUFFIXES
    }  # fmt: skip
    if not files:
        return {}
    found = {}
    for image in images:
        stems = (image.stem, image.name, f"{image.name}___objects")
        names = [f"{stem}{suffix}" for stem in stems for suffix in _SUFFIXES]
        file = next((files[name] for name in names if name in files), None)
        classes = None if file is None else _classes_in(file)
        if classes is not None:
            found[image] = classes
    return found


def places_of(folder: Path) -> list[Path]:
    """Where the files of boxes of the images in a folder may be: there, in ``labels`` beside it, or for
    ``images/train`` in ``labels/train``."""
    around = [folder.parent, *([folder.parent.parent] if folder.parent.name.casefold() in GENERIC else [])]
    aside = [
        one for above in around if os.access(above, os.R_OK) for one in entries(above).folders
        if one.name.casefold() in _ASIDE
    ]  # fmt: skip
    return [folder, *aside, *(one / folder.name for one in aside if (one / folder.name).is_dir())]


def _classes_in(file: Path) -> set[str] | None:
    """The classes of the boxes in a file; None: it is none of boxes."""
    if not is_regular(file, _MOST_BYTES):
        return None
    try:
        content = file.read_bytes()
        if file.suffix.casefold() == ".json":
            names = list(_in_json(json.loads(content)))
        elif file.suffix.casefold() == ".txt":
            names = list(_in_yolo(content.decode()))
        else:
            names = list(_in_xml(content))
    except (OSError, ValueError, RecursionError, AttributeError, TypeError, KeyError):
        return None
    return {name.strip() for name in names if name.strip()}


def _in_json(value: Any) -> Iterator[str]:
    if "shapes" in value:  # labelme; its flags are the classes of the whole image
        yield from (str(one["label"]) for one in value["shapes"])
        yield from (name for name, is_set in (value.get("flags") or {}).items() if is_set is True)
    elif "instances" in value:  # SuperAnnotate
        yield from (str(one["className"]) for one in value["instances"])
    elif "annotations" in value:  # V7, Dataloop
        yield from (str(one["name"] if "name" in one else one["label"]) for one in value["annotations"])
    else:  # Supervisely
        yield from (str(one["classTitle"]) for one in value["objects"])
        yield from (str(one["name"]) for one in value["tags"])


def _in_yolo(text: str) -> Iterator[str]:
    for line in filter(None, map(str.split, text.splitlines())):
        number, *shares = line  # the class, and a box or an outline in shares of the image's sides
        if len(shares) < 4 or not all(abs(float(share)) <= _MOST_SHARE for share in shares):
            raise ValueError("not YOLO's")
        yield str(int(number))


def _in_xml(content: bytes) -> Iterator[str]:
    root = xml_root(content, "annotation")
    if root is None:
        raise ValueError("not Pascal VOC's")
    for one in root.iter("object"):
        yield one.findtext("name") or ""
