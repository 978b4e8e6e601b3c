"""The rows of a JSON or JSON Lines file: the names of its columns, and then a row an object."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from visionlora.data.files.formats import is_image_name
from visionlora.data.names.split_names import split_name
from visionlora.data.tables.annotation_files import Annotated, annotated, of_manifest
from visionlora.errors import VisionLoraError

LIST = "\x1f"
"""Between the items of a JSON list in a field."""
_FORMS = '[{"file_name": ..., "label": ...}, ...] or {"FILE": "LABEL", ...}'
_OTHERS: dict[str, tuple[frozenset[str], str]] = {
    "MegaDetector's, with boxes": (frozenset(("images", "detection_categories")), "save a CSV of"),
    "COCO's without classes (captions?)": (frozenset(("images", "annotations")), "save a CSV of"),
    "labelme's, with outlines in one image": (frozenset(("shapes", "imagePath")), "save a CSV of"),
    "Datumaro's without classes": (frozenset(("items", "categories")), "save a CSV of"),
    "VoTT's without classes": (frozenset(("assets",)), "export CSV:"),
    "Label Studio's without classes": (frozenset(("annotations", "data")), "export CSV or JSON-MIN:"),
}  # fmt: skip
"""Files of labelling tools that say no classes: their keys, and what to do."""

Numbered = list[tuple[int, list[str]]]


def json_lines(path: Path, lines: Sequence[str]) -> Numbered:
    """The rows of a JSON Lines file, numbered as its lines; the keys of nested objects have dots.

    Raises:
        VisionLoraError: a line that is no object.
    """
    objects: list[tuple[int, Mapping[str, object]]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line.strip().removesuffix(","))
        except (ValueError, RecursionError) as error:  # also numbers of 5,000 digits and 1,000 brackets
            raise _not_json(f"{path} line {number}", error, "each line is an object") from error
        if not isinstance(value, dict):
            raise VisionLoraError(
                f'{path} line {number}: not an object; each line is {{"file_name": ..., "label": ...}}'
            )
        objects.append((number, of_manifest(value)))
    return _rows(path, objects)


def json_table(path: Path, text: str, lines: Sequence[str]) -> tuple[Numbered, Annotated | None]:
    """The rows of a JSON file that lists images and labels in any usual way, numbered from 1; and what a
    labelling tool says, if it is a file of one.

    Understood are a list of objects or of pairs, such a list as the one list of an object, lists by split,
    ``{file: label}``, ``{file: object}``, ``{label: files}``, the columns of pandas, and what
    :func:`visionlora.data.tables.annotation_files.annotated` reads. A file of objects without a list is read
    as JSON Lines.

    Raises:
        VisionLoraError: it is not JSON, or lists images in no such way.
    """
    if not text.strip():
        return [], None

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) < len(pairs):
            twice = next(key for place, (key, _) in enumerate(pairs) if key in dict(pairs[:place]))
            raise VisionLoraError(f"{path}: the key {twice!r} is there twice in one object; leave one")
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and error.lineno > 1:
            return json_lines(path, lines), None
        raise _not_json(f"{path} line {error.lineno}", error, f"write {_FORMS}") from error
    except (ValueError, RecursionError) as error:
        raise _not_json(str(path), error, f"write {_FORMS}") from error
    if found := annotated(value):
        return tool_rows(path, found), found
    first = value[0] if isinstance(value, list) and value else value
    filled = set(first) if isinstance(first, dict) else set()
    if "annotations" in filled and first["annotations"] == [] and first.get("images"):
        filled.remove("annotations")
    for what, (keys, advice) in _OTHERS.items():
        if keys <= filled:
            raise VisionLoraError(f"{path} is a file of {what}, which is not read; {advice} path and label")
    objects = _listed(value) if isinstance(value, list) else _of_object(value)
    if objects is None:
        raise VisionLoraError(f"{path} does not list images and labels; write {_FORMS}, or save it as CSV")
    return _rows(path, list(enumerate(objects, 1))), None


def tool_rows(path: Path, said: Annotated) -> Numbered:
    """The rows of what a labelling tool says."""
    return _rows(path, list(enumerate(said.rows, 1)))


def with_objects(rows: Numbered) -> Numbered:
    """The rows of a CSV with a column for each key where cells are objects: VIA's attributes of files."""
    (number, names), *body = rows
    for place in reversed(range(len(names))):
        cells = [row[place] if place < len(row) else "" for _, row in body]
        if not any(cells) or not all(cell.startswith("{") for cell in cells if cell):
            continue
        try:
            objects = [json.loads(cell or "{}") for cell in cells]
        except (ValueError, RecursionError):
            continue
        flat = [dict(_flat(one, f"{names[place]}.")) for one in objects]
        keys = list(dict.fromkeys(key for one in flat for key in one))
        names = [*names[:place], *keys, *names[place + 1 :]]
        body = [
            (n, [*row[:place], *(_plain(one.get(key)) for key in keys), *row[place + 1 :]])
            for (n, row), one in zip(body, flat, strict=True)
        ]
    return [(number, names), *body]


def _not_json(where: str, error: Exception, advice: str) -> VisionLoraError:
    said = error.msg if isinstance(error, json.JSONDecodeError) else error
    return VisionLoraError(f"{where}: not JSON ({said}); {advice}")


def _rows(path: Path, objects: Sequence[tuple[int, Mapping[str, object]]]) -> Numbered:
    try:
        flat = [(number, dict(_flat(one))) for number, one in objects]
    except RecursionError as error:
        raise _not_json(str(path), error, "its objects are too deep") from error
    keys = list(dict.fromkeys(key for _, one in flat for key in one))
    if not keys:
        return []
    rows = [(0, keys), *((number, [_plain(one.get(key)) for key in keys]) for number, one in flat)]
    for _, row in rows:
        _require_whole(path, row)
    return rows


def _require_whole(path: Path, row: Sequence[str]) -> None:
    """Refuse half a character, ``\\ud800`` alone, which no file can have."""
    try:
        "".join(row).encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        cell = next(cell for cell in row if error.object[error.start] in cell)
        raise VisionLoraError(f"{path}: {cell!a} has half a character; write it whole") from error


def _flat(value: Mapping[str, object], above: str = "") -> Iterator[tuple[str, object]]:
    for key, inner in value.items():
        if isinstance(inner, list) and len(inner) == 1 and isinstance(inner[0], dict):
            inner = inner[0]
        if isinstance(inner, dict):
            yield from _flat(inner, f"{above}{key}.")
        else:
            yield f"{above}{key}", inner


def _plain(value: object) -> str:
    """Text and numbers as text, those of a list with :data:`LIST` between them, which alone stands for a list
    of something else; of anything else nothing is left."""
    if isinstance(value, bool):
        return str(value).casefold()
    if isinstance(value, list):
        items = [_plain(one) for one in value if isinstance(one, (str, int, float))]
        return LIST.join(items) if len(items) == len(value) else LIST
    return str(value).strip() if isinstance(value, (str, int, float)) else ""


def _listed(items: list[Any]) -> list[dict[str, object]] | None:
    """The objects of a list, or those that its pairs mean, which may have a split behind them."""
    if all(isinstance(item, dict) for item in items):
        return [one for item in items for one in _each(item)]
    if not all(isinstance(item, list) and len(item) in (2, 3) for item in items):
        return None
    first = all(is_image_name(str(item[0])) for item in items)
    if not first and not all(is_image_name(str(item[1])) for item in items):
        return None
    named = ({"path": item[not first], "label": item[first]} for item in items)
    return [
        {**one, "split": item[2]} if item[2:] else one for one, item in zip(named, items, strict=True)
    ]  # fmt: skip


def _each(item: dict[str, object]) -> list[dict[str, object]]:
    """An object for each of the images that one object lists: those of a class."""
    for key, paths in item.items():
        if isinstance(paths, list) and _mostly_images(paths) and paths:
            return [{**item, key: path} for path in paths]
    return [item]


def _of_object(value: Any) -> list[dict[str, object]] | None:
    """The objects that one object lists; None: it lists none."""
    if not isinstance(value, dict) or not value:
        return None
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):  # pandas, "split"
        rows = [row for row in value["data"] if isinstance(row, list)]
        return [dict(zip(map(str, value["columns"]), row, strict=False)) for row in rows]
    if "_via_img_metadata" in value:  # a project of VIA
        return _of_object(value["_via_img_metadata"])
    if _mostly_images(value):
        return [
            {"path": name, **one} if isinstance(one, dict) else {"path": name, "label": one}
            for name, one in value.items()
        ]
    if all(map(split_name, value)):
        return _by_split(value)
    if len(value) == 1 and isinstance(only := next(iter(value.values())), dict):
        return _of_object(only)
    if all(isinstance(one, dict) for one in value.values()):
        return _listed(_by_column(value))
    lists = {name: one for name, one in value.items() if isinstance(one, list) and one}
    if len(lists) == 1 and (found := next(iter(lists.values()))) and isinstance(found[0], (dict, list)):
        return _listed(found)
    if len(lists) < len(value):
        return None
    # Food-101 names its files without a suffix: {"apple_pie": ["apple_pie/1005649", ...]}
    if all(_mostly_images(items) or _are_below(name, items) for name, items in lists.items()):
        return [{"path": path, "label": name} for name, items in lists.items() for path in items]
    return _of_columns(lists)


def _of_columns(lists: Mapping[str, list[Any]]) -> list[dict[str, object]] | None:
    """The objects of columns: the lists that are as long as the one of images. One of another length has the
    names of classes that are numbers (mini-ImageNet's ``label_names``)."""
    images = next((items for items in lists.values() if _mostly_images(items)), next(iter(lists.values())))
    columns = {name: items for name, items in lists.items() if len(items) == len(images)}
    others = [items for name, items in lists.items() if name not in columns]
    if len(columns) < 2 or len(others) > 1:
        return None
    for names in others:
        for name, items in columns.items():
            if all(type(one) is int and 0 <= one < len(names) for one in items):
                columns[name] = [names[one] for one in items]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _by_split(value: dict[str, object]) -> list[dict[str, object]] | None:
    """The objects of each split; None: files without labels."""
    objects: list[dict[str, object]] = []
    for name, items in value.items():
        found = _listed(items) if isinstance(items, list) else _of_object(items)
        if found is None:
            return None
        objects += [{**one, "split": name} for one in found]
    return objects


def _by_column(value: dict[str, dict[str, object]]) -> list[dict[str, object]]:
    """The objects of an object, or of the columns that pandas writes, each with the numbers of its rows."""
    first = next(iter(value.values()))
    if (
        first
        and all(key.isdecimal() for key in first)
        and all(one.keys() == first.keys() for one in value.values())
    ):
        return [{name: column[key] for name, column in value.items()} for key in first]
    return list(value.values())


def _are_below(folder: str, names: Sequence[object]) -> bool:
    return bool(names) and all(isinstance(name, str) and name.startswith(f"{folder}/") for name in names)


def _mostly_images(names: Mapping[str, object] | Sequence[object]) -> bool:
    return sum(isinstance(name, str) and is_image_name(name) for name in names) > len(names) / 2
