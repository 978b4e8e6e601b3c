"""A file beside each image says its class, or has boxes or outlines of one class, which is then its own."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from visionlora.data.files.walk import entries
from visionlora.data.images.decode import ImageFile, labelled
from visionlora.data.names.split_names import GENERIC
from visionlora.data.names.words_of_names import first_words
from visionlora.data.tables.annotation_files import xml_root
from visionlora.data.tables.class_files import SUFFIXES, class_in, is_decimal
from visionlora.data.tables.label_files import MOST_MISSING, is_box_folder
from visionlora.files import is_regular
from visionlora.text import counted

_MOST_LABELS = 0.5
"""Texts per image, at most, that are classes: captions are as many as the images."""
_LEAST_BOXES = 0.1
"""The share of the images of train, at least, that have boxes; nobody may have labelled the others yet."""
_CORNERS = 8
"""Numbers in a line of DOTA: two for each corner of a turned box."""
_MOST_SHARE = 1.5
"""Boxes may lead out of their image a little."""
_MOST_BYTES = 2**26
"""labelme writes the image itself into its file."""


def labelled_by_sidecars(
    folders: Mapping[str, Path], several: bool
) -> tuple[dict[str, list[ImageFile]], list[str]]:
    """(split -> its labelled images, notes) where almost each image of folders has a file of its boxes, by
    labelme, YOLO or DOTA, in Pascal VOC's XML or the JSON of Supervisely, SuperAnnotate, V7 or Dataloop,
    whose boxes have one class; or a file of its class, as in a WebDataset: a line of text, or JSON, XML, YAML
    or a table of one row with a key ``label``. Empty where that is not so.

    Args:
        folders: split -> the folder of its images.
        several: an image may have several classes, or none.
    """
    files = {split: _files_of(folder) for split, folder in folders.items()}
    boxes = {split: _read(some, _classes_in) for split, some in files.items()}
    found = _one_of_each(files, boxes, several, _LEAST_BOXES)
    if found and not (_is_one_number(found) and first_words([*files["train"]])):
        said = "an image has the class of the boxes beside it, and is used as a whole"
        mixed = [] if several else [path for split in found for path in _mixed(boxes[split])]
        return found, [f"no class folders: {said}", *_left_out(files, found, "boxes", mixed)]
    classes = {split: _read(some, class_in) for split, some in files.items()}
    names = [name for some in classes.values() for one in some.values() for name in one]
    found = _one_of_each(files, classes, several) if not several and _are_classes(names) else {}
    said = "no class folders: an image has the class that the file beside it says"
    return found, [said, *_left_out(files, found, "such file")] if found else []


def _left_out(
    files: Mapping[str, Mapping[Path, Path | None]],
    found: Mapping[str, Sequence[ImageFile]],
    what: str,
    mixed: Sequence[Path] = (),
) -> list[str]:
    count = sum(map(len, files.values())) - sum(map(len, found.values())) - len(mixed)
    notes = [f"{counted(count, 'image has', 'images have')} no {what}: left out"] if count else []
    if mixed:
        have = counted(len(mixed), "image has", "images have")
        notes.append(
            f"{have} {what} of several classes ({mixed[0].name}): left out; task=multi_label keeps all"
        )
    return notes


def _is_one_number(found: Mapping[str, Sequence[ImageFile]]) -> bool:
    """Whether all boxes are of class 0, say: names of images may say more."""
    classes = {name for images in found.values() for image in images for name in image.names}
    return len(classes) == 1 and classes.pop().isdecimal()


def _are_classes(names: Sequence[str]) -> bool:
    """Whether texts are classes, and not captions, of which each image has its own."""
    return 1 < len(set(names)) <= _MOST_LABELS * len(names)


def _one_of_each(
    files: Mapping[str, Mapping[Path, Path | None]],
    classes: Mapping[str, Mapping[Path, set[str]]],
    several: bool,
    least: float = 1 - MOST_MISSING,
) -> dict[str, list[ImageFile]]:
    """split -> images with their classes, ``least`` of those of train at least; empty where too many have
    none, or more than they may."""
    found: dict[str, list[ImageFile]] = {}
    for split, known in classes.items():
        if split != "train" and not known:  # nobody has labelled the test images
            continue
        if split == "train" and len(known) < least * len(files[split]):
            return {}
        if several:
            found[split] = [labelled(path, names) for path, names in known.items()]
            continue
        if len(_mixed(known)) > MOST_MISSING * len(known):
            return {}
        found[split] = [ImageFile(path, min(names)) for path, names in known.items() if len(names) == 1]
    return found if found.get("train") else {}


def _mixed(known: Mapping[Path, set[str]]) -> list[Path]:
    """The images of several classes."""
    return [path for path, names in known.items() if len(names) > 1]


def _files_of(folder: Path) -> dict[Path, Path | None]:
    """Image -> the file of its boxes or its class."""
    files = {
        path.name: path for place in places_of(folder) for path in entries(place).others
        if path.suffix.casefold() in SUFFIXES
    }  # fmt: skip
    found = {}
    for image in entries(folder).images:
        stems = (image.stem, image.name, f"{image.name}___objects") if files else ()
        names = [f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES]
        found[image] = next((files[name] for name in names if name in files), None)
    return found


def _read(files: Mapping[Path, Path | None], read: Callable[[Path], set[str] | None]) -> dict[Path, set[str]]:
    """Image -> its classes, where its file has some or says that there are none."""
    found = {}
    for image, file in files.items():
        classes = None if file is None else read(file)
        if classes is not None:
            found[image] = classes
    return found


def places_of(folder: Path) -> list[Path]:
    """Where the files of boxes of the images in a folder may be: there, in ``labels`` in or beside it, or for
    ``images/train`` in ``labels/train``."""
    around = [folder.parent, *([folder.parent.parent] if folder.parent.name.casefold() in GENERIC else [])]
    aside = [
        one for above in around if os.access(above, os.R_OK) for one in entries(above).folders
        if one != folder and is_box_folder(one.name)
    ]  # fmt: skip
    aside += [one for above in around for one in _release(above)]
    aside += [one for one in entries(folder).folders if is_box_folder(one.name)]
    return [folder, *aside, *(one / folder.name for one in aside if (one / folder.name).is_dir())]


def _release(folder: Path) -> list[Path]:
    """Where V7 puts annotations: ``releases/latest/annotations``, or those of the one release."""
    found = releases_in(folder)
    chosen = [one for one in found if one.parent.name == "latest"] or found
    return chosen if len(chosen) == 1 else []


def releases_in(folder: Path) -> list[Path]:
    """The folders of annotations of V7's releases."""
    releases = folder / "releases"
    found = entries(releases).folders if releases.is_dir() else ()
    return [one / "annotations" for one in found if (one / "annotations").is_dir()]


def _classes_in(file: Path) -> set[str] | None:
    """The classes of the boxes in a file; None: it is none of boxes."""
    if not is_regular(file, _MOST_BYTES):
        return None
    try:
        content = file.read_bytes()
        if file.suffix.casefold() == ".json":
            names = list(_in_json(json.loads(content)))
        elif file.suffix.casefold() == ".txt":
            text = content.decode("utf-8-sig")
            names = list(_in_dota(text) or _in_yolo(text))
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
        most = _MOST_SHARE if is_decimal(number) else math.inf  # in pixels where the class has a name
        if len(shares) < 4 or not all(abs(float(share)) <= most for share in shares):
            raise ValueError("not YOLO's")
        if number.lstrip("-").replace(".", "", 1).isdecimal():
            if not float(number).is_integer() or number.startswith("-"):
                raise ValueError("not YOLO's")
            number = str(int(float(number)))
        yield number


def _in_dota(text: str) -> list[str]:
    """The classes of DOTA's lines, four corners in pixels, a class and how difficult it is; none where a line
    is another one. Two lines above them may say where the image is from."""
    names: list[str] = []
    for words in filter(None, map(str.split, text.splitlines())):
        if not names and words[0].startswith(("imagesource:", "gsd:")):
            continue
        *corners, name = words[: _CORNERS + 1]
        rest = words[_CORNERS + 1 :]
        if len(corners) < _CORNERS or not all(map(is_decimal, corners)) or is_decimal(name) or len(rest) > 1:
            return []
        names.append(name)
    return names


def _in_xml(content: bytes) -> Iterator[str]:
    root = xml_root(content, "annotation")
    if root is None:
        raise ValueError("not Pascal VOC's")
    for one in root.iter("object"):
        yield one.findtext("name") or one.findtext("possibleresult/name") or ""  # FAIR1M
