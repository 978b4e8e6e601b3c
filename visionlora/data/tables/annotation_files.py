"""Files of labelling tools, which keep images, boxes and the names of classes apart: a row for each image."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from visionlora.data.files.formats import is_image_name

_OTHER_FILES = (AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError)
"""What reading a file of another kind ends in."""
_ABOUT = "-metadata"
"""Behind the name of an attribute in a manifest of SageMaker: what is known of it."""
Named = dict[str, list[str]]
"""Image -> the names of its classes, each once."""


@dataclass(frozen=True)
class Annotated:
    """What such a file says.

    Attributes:
        tool: whose file it is.
        rows: the objects of a table, with the keys ``path`` and ``label``.
        notes: what the user should know of.
    """

    tool: str
    rows: list[dict[str, object]]
    notes: tuple[str, ...] = ()


def annotated(value: Any) -> Annotated | None:
    """What the JSON of a labelling tool says; None: it is of none that is known, or has no classes."""
    for tool, read in _READERS.items():
        try:
            found, boxes = read(value)
        except _OTHER_FILES:
            continue
        if any(found.values()):
            return _said(tool, found, boxes)
    return None


def of_manifest(line: Mapping[str, Any]) -> Mapping[str, Any]:
    """A line of a manifest of SageMaker or Rekognition with its labels below one key: each attribute has one
    that an object beside it names, or boxes or numbers whose names that object has. Another line as it is."""
    if "source-ref" not in line:
        return line
    labels: list[str] = []
    taken = set()
    for key, about in line.items():
        marks = line.get(key.removesuffix(_ABOUT))
        if not key.endswith(_ABOUT) or not isinstance(about, dict) or marks is None:
            continue
        names = about.get("class-map")
        if isinstance(about.get("class-name"), str):
            labels.append(about["class-name"])
        elif isinstance(names, dict):
            marks = marks.get("annotations") if isinstance(marks, dict) else marks
            marks = marks if isinstance(marks, list) else [marks]
            numbers = [one.get("class_id") if isinstance(one, dict) else one for one in marks]
            labels += [str(names[str(number)]) for number in numbers if str(number) in names]
        else:
            continue
        taken |= {key, key.removesuffix(_ABOUT)}
    others = {key: value for key, value in line.items() if key not in taken}
    return {**others, "label": sorted(set(labels))} if taken else line


def annotated_xml(content: bytes) -> Annotated | None:
    """What the XML of CVAT for images or of dlib says; None: it is something else, or has no classes."""
    return _cvat(content) or _dlib(content)


def _dlib(content: bytes) -> Annotated | None:
    root = xml_root(content, "dataset")
    images = [] if root is None else list(root.iter("image"))
    named = {one.get("file", ""): [label.text or "" for label in one.iter("label")] for one in images}
    return _said("dlib's", named, True) if any(named.values()) else None


def _cvat(content: bytes) -> Annotated | None:
    root = xml_root(content, "annotations")
    images = [] if root is None else list(root.iter("image"))
    marks = {one.get("name", ""): [mark for mark in one if mark.get("label")] for one in images}
    if not any(marks.values()):
        return None
    boxes = any(mark.tag != "tag" for found in marks.values() for mark in found)
    named = {name: [mark.get("label", "") for mark in found] for name, found in marks.items()}
    return _said("CVAT's", named, boxes)


def xml_root(content: bytes, tag: str) -> ElementTree.Element | None:
    """The root of XML that is called ``tag``; None: there is none, or entities, which may fill the memory."""
    try:
        root = None if b"<!ENTITY" in content else ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError):
        return None
    return root if root is not None and root.tag == tag else None


def _said(tool: str, found: Named, boxes: bool) -> Annotated:
    rows: list[dict[str, object]] = [
        {"path": name, "label": sorted(set(labels))} for name, labels in found.items()
    ]
    has = "the class of its boxes, and is used as a whole" if boxes else "the class written for it"
    return Annotated(tool, rows, (f"read as a file of {tool}: an image has {has}",))


def _coco(value: Any) -> tuple[Named, bool]:
    """COCO's, and what competitions have made of it: other names of keys (Herbarium), several numbers of
    labels and no names (iMaterialist)."""
    categories = value.get("categories") or []
    names = {_key(one, "id", "category_id"): str(_key(one, "name", "scientificName")) for one in categories}
    found: Named = {}
    files = {}
    for one in value["images"]:
        number = _key(one, "id", "image_id", "imageId")
        files[number] = str(one.get("file_name") or number)
        found[files[number]] = []
    for one in value["annotations"]:
        image = _key(one, "image_id", "imageId")
        numbers = one["labelId"] if "labelId" in one else [one["category_id"]]
        known = [names.get(number) if names else str(number) for number in numbers]
        if image in files:
            found[files[image]] += [name for name in known if name is not None]
    return found, any(one.get("bbox") for one in value["annotations"])


def _key(one: Mapping[str, Any], *keys: str) -> Any:
    """What an object has below the first of several keys that it has."""
    return one[next(key for key in keys if key in one)]


def _datumaro(value: Any) -> tuple[Named, bool]:
    names = [str(one["name"]) for one in value["categories"]["label"]["labels"]]
    found: Named = {}
    kinds = set()
    for item in value["items"]:
        marks = [one for one in item["annotations"] if isinstance(one.get("label_id"), int)]
        kinds |= {one.get("type") for one in marks}
        media = item.get("image") or item.get("media") or {}
        path = str(media.get("path") or item["id"])
        found[path] = [names[one["label_id"]] for one in marks if 0 <= one["label_id"] < len(names)]
    return found, kinds != {"label"}


def _label_studio(value: Any) -> tuple[Named, bool]:
    found: Named = defaultdict(list)
    boxes = False
    for task in value:
        done = task["annotations"]
        path = next(text for text in task["data"].values() if is_image_name(str(text)))
        found[path] += []
        for result in (one for note in done if not note.get("was_cancelled") for one in note["result"]):
            kind = result["type"]
            if kind == "choices" or kind.endswith("labels"):
                found[path] += map(str, result["value"][kind])
                boxes = boxes or kind != "choices"
    return found, boxes


def _create_ml(value: Any) -> tuple[Named, bool]:
    found: Named = {}
    for item in value:
        path = next(str(item[key]) for key in ("image", "imagefilename") if key in item)
        marks = next(item[key] for key in ("annotations", "annotation") if key in item)
        found[path] = list(_texts(one["label"] for one in marks))
    return found, True


def _via(value: Any) -> tuple[Named, bool]:
    """Version 3 of VIA: marks are in views, which have files; an attribute with options is a class."""
    classes = {key: one["options"] for key, one in value["attribute"].items() if one.get("options")}
    files = {key: str(one["src"] or one["fname"]) for key, one in value["file"].items()}
    found: Named = {name: [] for name in files.values()}
    boxes = False
    for mark in value["metadata"].values():
        (image,) = value["view"][mark["vid"]]["fid_list"]
        chosen = [(classes[key], said) for key, said in mark["av"].items() if key in classes]
        found[files[str(image)]] += [str(names[one]) for names, said in chosen for one in said.split(",")]
        boxes = boxes or bool(mark.get("xy"))
    return found, boxes


def _vott(value: Any) -> tuple[Named, bool]:
    assets = value["assets"]
    named = assets.values() if isinstance(assets, dict) else assets
    return {
        str(one["asset"]["name"]): list(_texts(tag for box in one["regions"] for tag in box["tags"]))
        for one in named
    }, True


def _fifty_one(value: Any) -> tuple[Named, bool]:
    """Its paths have no suffix; a label is a number of ``classes``, a name, or an object of that."""
    names = value["classes"] or []
    found: Named = {}
    boxes = False
    for path, said in value["labels"].items():
        marks = said if isinstance(said, list) else [] if said is None else [said]
        plain = [one["label"] if isinstance(one, dict) else one for one in marks]
        found[path] = list(_texts(names[one] if isinstance(one, int) else one for one in plain))
        boxes = boxes or any("bounding_box" in one for one in marks if isinstance(one, dict))
    return found, boxes


def _open_mmlab(value: Any) -> tuple[Named, bool]:
    names = [str(one) for one in value["metainfo"]["classes"]]
    found: Named = {}
    for item in value["data_list"]:
        labels = item["gt_label"] if isinstance(item["gt_label"], list) else [item["gt_label"]]
        found[str(item["img_path"])] = [names[one] for one in labels]
    return found, False


def _edge_impulse(value: Any) -> tuple[Named, bool]:
    """``info.labels`` of an export has labels or boxes, ``bounding_boxes.labels`` of an upload boxes."""
    if "boundingBoxes" in value:
        return {
            name: list(_texts(one["label"] for one in marks))
            for name, marks in value["boundingBoxes"].items()
        }, True
    found: Named = {}
    boxes = False
    for file in value["files"]:
        marks = file.get("boundingBoxes") or []
        marks = marks or ([file["label"]] if file["label"]["type"] == "label" else [])
        found[str(file["path"])] = list(_texts(one["label"] for one in marks))
        boxes = boxes or bool(file.get("boundingBoxes"))
    return found, boxes


def _hasty(value: Any) -> tuple[Named, bool]:
    return {
        str(one["image_name"]): list(_texts(mark["class_name"] for mark in one["labels"]))
        for one in value["images"]
    }, True


def _label_u(value: Any) -> tuple[Named, bool]:
    """Its result is JSON within JSON; what a tool of tags says is for the whole image."""
    found: Named = {}
    boxes = False
    for item in value:
        marks = json.loads(item["result"])["annotations"]
        found[str(item["fileName"])] = list(
            _texts(name for tool in marks for one in tool["result"] for name in _values_of(one))
        )
        boxes = boxes or any(tool["toolName"] != "tagTool" for tool in marks)
    return found, boxes


def _values_of(mark: dict[str, Any]) -> list[object]:
    if "label" in mark:
        return [mark["label"]]
    return [
        name for names in mark["value"].values() for name in (names if isinstance(names, list) else [names])
    ]


def _texts(labels: Iterable[object]) -> Iterator[str]:
    for label in labels:
        if not isinstance(label, str):
            raise TypeError("a label is not text")
        yield label


_READERS = {
    "COCO's": _coco, "Datumaro's": _datumaro, "Label Studio's": _label_studio, "Create ML's": _create_ml,
    "VIA's": _via, "VoTT's": _vott, "FiftyOne's": _fifty_one, "OpenMMLab's": _open_mmlab,
    "Edge Impulse's": _edge_impulse, "Hasty's": _hasty, "LabelU's": _label_u,
}  # fmt: skip
