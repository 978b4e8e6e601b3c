"""Names of classes that are numbers, from a file beside their folders: Oxford's ``cat_to_name.json``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from visionlora.data.files.formats import SUFFIXES
from visionlora.data.files.texts import decoded
from visionlora.data.files.walk import entries
from visionlora.data.images.decode import ImageFile
from visionlora.data.layout.names_of_codes import FILES, MOST_BYTES, renamed, with_names_of_codes
from visionlora.data.tables.column_names import LABEL_COLUMNS, key_of
from visionlora.data.tables.label_files import is_list, may_name_classes, up_to
from visionlora.files import is_regular
from visionlora.text import listed

Names = dict[int, str]

_UNREAD = (
    ".npy", ".npz", ".pkl", ".pickle", ".joblib", ".mat", ".h5", ".py", ".xml", ".docx", ".xlsx", ".xls",
    ".ods",
)  # fmt: skip
"""Of files that may have names, which are not read."""
_README = "readme.md"
"""Of a data set of Hugging Face: its head has the names."""
_HEAD = re.compile(r"---\n.*?\n---", re.DOTALL)
_CLASS_LABEL = re.compile(r"class_label:\s*names:((?:\s*['\"]?\d+['\"]?: .+)+)")
_ITEM = re.compile(r"item\s*\{([^}]*)\}")
_OF_NUMBER = re.compile(r"(?:c|cls|class|label|id|category|type)?[ _-]?(\d{1,12})", re.IGNORECASE | re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d*[.,]?\d+")
_NUMBERS = re.compile(r"[+-]?[\d.,]*\d(\s+[+-]?[\d.,]*\d)*")
_WHOLE = re.compile(r"\d{1,12}", re.ASCII)
_BEFORE = re.compile(r"(\d{1,12})(\s*[,;:=|]\s*|\s+-\s+|\s+)(\S.*)")
_BEHIND = re.compile(r"(.*\S)(\s*[,;:=|]\s*|\s+-\s+|\s+)(\d{1,12})")
_KEYS = ("names", "id2label", "class_to_idx", "label2id", "classes", "labels", "categories")
"""Of an object that has the names below one key: Ultralytics', Hugging Face's, torchvision's."""
_LONGEST = 1000
"""Letters in a line: no name of a class has more."""
_LEAST_APART = 0.9
"""ImageNet's names have two cranes and two maillots."""
_HEADS = {"name", "names", *map(key_of, LABEL_COLUMNS)}
"""Above a column of names."""
_SHOWN = 3


def above(root: Path) -> list[Path]:
    """The files beside a folder called like a split, or like nothing: they may have the names of its
    classes."""
    return [path for folder in up_to(root, root) if folder != root for path in entries(folder).others]


def with_names(
    found: Mapping[str, Sequence[ImageFile]], files: Iterable[Path], from_zero: bool = False
) -> tuple[dict[str, list[ImageFile]], list[str]]:
    """(the images of each split, notes). If all classes are numbers and one of the files has a name for each,
    they get these names.

    Args:
        found: split -> images.
        files: files that are not images.
        from_zero: a list of names counts from 0, whether or not all of its classes are there (YOLO).
    """
    images = {split: list(some) for split, some in found.items()}
    classes = sorted({name for some in images.values() for image in some for name in image.names})
    decimals = [float(name.replace(",", ".")) for name in classes if _DECIMAL.fullmatch(name)]
    if classes and len(decimals) == len(classes) and any(number % 1 for number in decimals):
        return images, [
            f"classes are decimal numbers ({listed(classes, _SHOWN)}): each is learned as a class of its "
            "own; if they are measurements, replace them by the names of ranges"
        ]
    matches = {name: match for name in classes if (match := _OF_NUMBER.fullmatch(name))}
    numbers = {name: int(match[1]) for name, match in matches.items()}
    if not classes or len(numbers) < len(classes) or len({*numbers.values()}) < len(numbers):
        return with_names_of_codes(images, classes, files)
    said: str | None = None
    stems = {image.path.stem for some in images.values() for image in some}  # boxes and captions of one
    for path in files:
        known = path.suffix.casefold() in FILES or path.name.casefold() == _README
        if not known and path.suffix.casefold() in _UNREAD and may_name_classes(path):
            said = path.name if said is None else said
        if not known or is_list(path) or path.stem in stems:
            continue
        names = _names_in(path, sorted(numbers.values()), from_zero)
        if names is not None:
            called = {name: names[number] for name, number in numbers.items()}
            some = listed([f"{one} is {two}" for one, two in called.items()], _SHOWN)
            return renamed(images, called), [f"class names are those of {path.name}: {some}"]
        said = path.name if said is None and may_name_classes(path) else said
    if said is None:
        return images, []
    return images, [
        f"classes are numbers ({listed(classes, _SHOWN)}); {said} may have their names: it is not "
        "read; rename the folders, or the labels, to learn them by their names"
    ]


def _names_in(path: Path, numbers: Sequence[int], from_zero: bool) -> Names | None:
    """The names that a file has for the numbers, all different; None: it does not have one for each."""
    if not is_regular(path, MOST_BYTES):
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    text = decoded(content).text
    if path.name.casefold() == _README:
        head = _HEAD.match(text)
        text = head[0] if head else ""
    if any(suffix in text.casefold() for suffix in SUFFIXES):  # of images: their labels are numbers, too
        return None
    suffix = path.suffix.casefold()
    if suffix == ".json":
        candidates = _of_json(text)
    elif suffix == ".md":
        candidates = _of_readme(text)
    elif suffix == ".pbtxt":
        candidates = _of_pbtxt(text)
    elif suffix in (".yaml", ".yml"):
        candidates = _of_yaml(text)
    else:
        candidates = _of_lines(text, may_name_classes(path) or suffix == ".names")
    for names in candidates:
        if isinstance(names, list):
            start = next((first for first in (0, 1) if numbers == [*range(first, first + len(names))]), None)
            start = 0 if from_zero else start
            names = {} if start is None else dict(enumerate(names, start))
        chosen = {number: names[number] for number in numbers if number in names}
        if len(chosen) == len(numbers) == len({*chosen.values()}) and all(map(_is_name, chosen.values())):
            return chosen
    return None


def _by_number(pairs: Sequence[tuple[str, str]]) -> Iterator[Names]:
    """Number -> name; nothing if a number or many names come twice. In a table of images whose labels are
    numbers each number comes several times, and in a table of numbered images each name does."""
    names = {int(number): _bare(name) for number, name in pairs}
    if pairs and len(names) == len(pairs) and len({*names.values()}) > _LEAST_APART * len(pairs):
        yield names


def _is_name(text: str) -> bool:
    return bool(text) and text.isprintable() and _NUMBERS.fullmatch(text) is None


def _of_json(text: str) -> Iterator[Names | list[str]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    yield from _of_value(value)
    if isinstance(value, dict):
        features = {tuple(names) for names in _class_labels(value)}
        yield from map(list, features if len(features) == 1 else ())
        for key in _KEYS:
            yield from _of_value(value.get(key))


def _of_yaml(text: str) -> Iterator[Names | list[str]]:
    """From the value of ``names`` in YOLO's data sets: a list on one line, or one name a line."""
    block = re.search(r"^names\s*:(.*(?:\n(?:[ \t-].*|))*)", text, re.MULTILINE)
    if block is None:
        return
    body = block[1].strip()
    lines = re.split(r"[,\n]", body[1:-1]) if body[:1] in ("[", "{") else body.splitlines()
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in lines]
    lines = [line for line in lines if line]
    if all(match := [re.fullmatch(r"""["']?(\d{1,12})["']?\s*:\s*(.+)""", line) for line in lines]):
        yield from _by_number([(one[1], one[2]) for one in match if one])
    else:
        yield [_bare(line.removeprefix("-").strip()) for line in lines]


def _of_readme(text: str) -> Iterator[Names]:
    """From the feature ``class_label`` in the head of a README, if there is one such feature."""
    features = {tuple(map(str.strip, block.strip().splitlines())) for block in _CLASS_LABEL.findall(text)}
    if len(features) == 1:
        pairs = [line.partition(":") for line in features.pop() if line]
        yield from _by_number([(number.strip("'\""), name.strip()) for number, _, name in pairs])


def _of_pbtxt(text: str) -> Iterator[Names]:
    """From TensorFlow's map of labels: ``item { id: 1 name: 'cat' }``."""
    items = [dict(re.findall(r"(\w+)\s*:\s*(\"[^\"]*\"|'[^']*'|\d+)", item)) for item in _ITEM.findall(text)]
    named = [(item.get("id", ""), item.get("display_name") or item.get("name", "")) for item in items]
    yield from _by_number([(number, name) for number, name in named if _WHOLE.fullmatch(number)])


def _class_labels(value: Any) -> Iterator[list[str]]:
    """The names of each feature of classes in ``dataset_infos.json``."""
    if isinstance(value, dict) and value.get("_type") == "ClassLabel":
        yield value.get("names") or []
    elif isinstance(value, dict):
        for one in value.values():
            yield from _class_labels(one)


def _of_value(value: Any) -> Iterator[Names | list[str]]:
    """From a list of names, or from an object: numbers and names, either way round, or numbers and pairs of
    WordNet id and name."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        yield [one.strip() for one in value]
    if (
        isinstance(value, list)
        and value
        and all(isinstance(one, dict) and {"id", "name"} <= one.keys() for one in value)
    ):
        yield from _by_number(
            [(str(one["id"]), str(one["name"])) for one in value if _WHOLE.fullmatch(str(one["id"]))]
        )
    if not isinstance(value, dict):
        return
    plain = {
        str(key): one[-1] if isinstance(one, list) and one else one for key, one in value.items()
    }  # fmt: skip
    yield from _by_number(
        [(key, one) for key, one in plain.items() if _WHOLE.fullmatch(key) and isinstance(one, str)]
    )
    if all(_WHOLE.fullmatch(str(one)) for one in plain.values()):
        yield from _by_number([(str(one), key) for key, one in plain.items()])


def _of_lines(text: str, called: bool) -> Iterator[Names | list[str]]:
    """From lines of a number and a name, either way round, with or without a header; if the file is called
    like a list of names (``called``), also from lines of names alone."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if any(len(line) > _LONGEST for line in lines):
        return
    for pattern, number, name in ((_BEFORE, 1, 3), (_BEHIND, 3, 1)):
        body = lines if lines and pattern.fullmatch(lines[0]) else lines[1:]
        found = [pattern.fullmatch(line) for line in body]
        if body and all(one and _is_one_cell(one[name], one[2].strip()) for one in found):
            yield from _by_number([(one[number], one[name]) for one in found if one])
    if called:
        yield [_bare(line) for line in lines]
        if lines and key_of(lines[0]) in _HEADS:
            yield [_bare(line) for line in lines[1:]]


def _is_one_cell(text: str, separator: str) -> bool:
    """Whether a text is one cell, and not several with separators between them."""
    return separator == "" or separator not in text or _bare(text) != text


def _bare(name: str) -> str:
    name = name.strip()
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] and name[0] in "\"'" else name
