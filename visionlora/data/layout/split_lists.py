"""Lists of the images of each split beside class folders: Food-101's ``meta/train.txt``."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from visionlora.data.files.code_pages import unicode_text
from visionlora.data.files.formats import is_image_name
from visionlora.data.images.decode import ImageFile
from visionlora.data.names.split_names import SPLITS, cell_split, split_and_rest, split_name
from visionlora.data.tables.cells import is_split
from visionlora.data.tables.files_by_name import shared_folders
from visionlora.data.tables.label_files import describe_left_out
from visionlora.data.tables.parts_of_names import folded_name
from visionlora.errors import VisionLoraError
from visionlora.files import require_regular
from visionlora.text import in_words, listed

_MOST_BYTES = 2**28
_SHOWN = 3
_NUMBER = re.compile(r"(\d{1,3})$")
_FLAGS = re.compile(r"(\d+)\s+([01])")


def split_by_lists(
    found: Mapping[str, Sequence[ImageFile]], lists: Sequence[Path]
) -> tuple[dict[str, list[ImageFile]], list[str]]:
    """(split -> its images, notes), as lists divide them.

    Lists are used only if each line names one image and no image is in two splits. Images that no list names
    are left out if there is a list of train, and are trained on if there is none.

    Args:
        found: the images of class folders, all in "train".
        lists: files whose names are those of splits.
    """
    images = {split: list(some) for split, some in found.items()}
    if not lists or set(images) != {"train"}:
        return images, []
    lists, draws = _first_draw(lists)
    try:
        splits = _read(lists, images["train"])
    except VisionLoraError as error:
        which = f"; {listed([path.name for path in lists], _SHOWN)} are not used" if len(lists) > 1 else ""
        how = "a split is made of folders, or of a table with a column `split`"
        return images, [*draws, f"{error}{which}: {how}"]
    sides: dict[ImageFile, str] = {
        image: split for split, (_, some) in splits.items() for image in some
    }  # fmt: skip
    rest = [image for image in images["train"] if image not in sides]
    listed_in = ", ".join(dict.fromkeys(name for name, _ in splits.values()))
    notes = [*draws, f"the split is that of {listed_in}"]
    if "train" not in splits:
        sides.update(dict.fromkeys(rest, "train"))
        if not rest:
            return images, [f"{listed_in} leaves no image to train on: it is not used"]
    elif rest:
        notes.append(describe_left_out(len(rest), listed_in))
    by_split: dict[str, list[ImageFile]] = {}
    for image, split in sides.items():
        by_split.setdefault(split, []).append(image)
    return by_split, notes


def _read(lists: Sequence[Path], images: Sequence[ImageFile]) -> dict[str, tuple[str, list[ImageFile]]]:
    """Split -> (the name of its list, its images).

    Raises:
        VisionLoraError: lists that cannot be used, and why.
    """
    by_name = ByName(images)
    splits: dict[str, tuple[str, list[ImageFile]]] = {}
    for path in _without_joined(lists):
        for split, names in _names(path):
            chosen = by_name.all_of(path, names)
            name, before = splits.setdefault(split, (path.name, chosen))
            if set(before) != set(chosen):
                raise VisionLoraError(f"{name} and {path.name} are not read: both are of {split}")
    where: dict[ImageFile, str] = {}
    for name, members in splits.values():
        for image in members:
            if where.setdefault(image, name) != name:
                raise VisionLoraError(f"{where[image]} and {name} are not read: {image.path.name} is in both")
    if "train" in splits:
        name, members = splits["train"]
        if lacking := {image.label for image in images} - {image.label for image in members}:
            raise VisionLoraError(f"{name} is not read: it names no image of {min(map(str, lacking))}")
    return splits


def _first_draw(lists: Sequence[Path]) -> tuple[Sequence[Path], list[str]]:
    """Of several numbered splits of the same images (DTD's ``train1.txt`` to ``train10.txt``, each with its
    ``val1.txt`` and ``test1.txt``) the lists of the first, and a note; else all lists."""
    draws: dict[int, dict[str, Path]] = defaultdict(dict)
    for path in lists:
        if number := _NUMBER.search(path.stem):
            draws[int(number[1])][split_and_rest(path.stem)[0] or ""] = path
    splits = {frozenset(one) for one in draws.values()}
    if len(draws) < 2 or len(splits) > 1 or not {"train"} < set.union(*map(set, splits)):
        return lists, []
    first = draws[min(draws)]
    names = in_words([first[split].name for split in SPLITS if split in first])
    note = f"the lists are of {len(draws)} splits of the same images: the first is taken ({names})"
    return [path for path in lists if path in first.values() or not _NUMBER.search(path.stem)], [note]


def _without_joined(lists: Sequence[Path]) -> list[Path]:
    """The lists without ``trainval.txt``, if train and val have lists of their own."""
    splits = {path: split_and_rest(path.stem)[0] for path in lists}
    joined = [path for path in lists if re.match("train_?val", path.stem, re.IGNORECASE)]
    apart = {splits[path] for path in lists if path not in joined}
    return [path for path in lists if path not in joined] if {"train", "val"} <= apart else [*lists]


class ByName:
    """Images by the names that lists have for them."""

    def __init__(self, images: Iterable[ImageFile]) -> None:
        self._known: dict[str, list[ImageFile]] = defaultdict(list)
        for image in images:
            for name in {image.path.name, image.path.stem}:
                self._known[folded_name(name)].append(image)

    def all_of(self, path: Path, lines: Sequence[Sequence[str]]) -> list[ImageFile]:
        """The images that the lines of a list mean, each once.

        Raises:
            VisionLoraError: as of :meth:`only`, or there are none.
        """
        found = [self.only(path, place, spellings) for place, spellings in enumerate(lines, 1) if spellings]
        chosen = list(dict.fromkeys(image for image in found if image is not None))
        if not chosen:
            raise VisionLoraError(f"{path.name} is not read: it names no image")
        return chosen

    def only(self, path: Path, place: int, spellings: Sequence[str]) -> ImageFile | None:
        """The one image that a line of a list means; None: the line is a header.

        Args:
            path: the list.
            place: of the line.
            spellings: the parts of it that may be the name of an image, the most likely first.

        Raises:
            VisionLoraError: there is no such image, or there are several.
        """
        for spelling in spellings:
            same = self._like(spelling)
            if len(same) == 1:
                return same[0]
            if same:
                raise VisionLoraError(
                    f"{path.name} is not read: {spelling} is the name of {len(same)} images"
                )
        if place == 1 and not any(map(is_image_name, spellings)) and len(spellings[0]) < 100:
            return None
        raise VisionLoraError(f"{path.name} is not read: {spellings[0][:200]} in it is not an image here")

    def _like(self, spelling: str) -> list[ImageFile]:
        """The images that a path may mean: those with its name that share the most of its last folders. The
        folders above need not agree."""
        *folders, name = [part for part in re.split(r"[\\/]+", spelling) if part not in ("", ".")] or [""]
        same = self._known.get(folded_name(name), [])
        shared = [shared_folders(image.path.parts[:-1], folders) for image in same]
        least = 1 if folders else 0
        return [
            image for image, count in zip(same, shared, strict=True)
            if count == max(shared) and count >= least
        ]  # fmt: skip


def _names(path: Path) -> Iterator[tuple[str, list[Sequence[str]]]]:
    """(split, for each line what may be the name of an image) of a list, which may be one of several splits.

    Raises:
        VisionLoraError: it cannot be read.
    """
    split = split_and_rest(path.stem)[0]
    try:
        require_regular(path)
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("it is too large")
        content = path.read_bytes()
        text = unicode_text(content) or content.decode("utf-8", "surrogateescape")
        suffix = path.suffix.casefold()
        value: Any = json.loads(text) if suffix == ".json" else None
    except OSError as error:
        raise VisionLoraError(f"{path.name} is not read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise VisionLoraError(f"{path.name} is not read: {error}") from error
    if suffix == ".json":
        each = {key: split_name(key) for key in value} if isinstance(value, dict) else {}
        if each and None not in each.values():
            for key, where in each.items():
                yield where or "", [[name] for name in _texts(value[key])]
        else:
            yield _said(path, split), [[name] for name in _texts(value)]
        return
    lines = [line.strip() for line in text.splitlines()]
    if suffix == ".csv":
        yield from _of_columns(path, split, [[cell.strip() for cell in row] for row in csv.reader(lines)])
    elif (flags := [_FLAGS.fullmatch(line) for line in lines if line]) and all(flags):
        yield from _of_flags(path, {one[1]: one[2] == "1" for one in flags if one})
    else:
        yield (
            _said(path, split),
            [[line, *re.split(r"\t", line), *line.split()] if line else [] for line in lines],
        )


def _said(path: Path, split: str | None) -> str:
    """The split of a list.

    Raises:
        VisionLoraError: nothing says it.
    """
    if split is None:
        raise VisionLoraError(f"{path.name} is not read: it does not say train, val or test")
    return split


def _of_columns(
    path: Path, split: str | None, rows: list[list[str]]
) -> Iterator[tuple[str, list[Sequence[str]]]]:
    """The lines of a CSV, by its column of splits where it has one."""
    body = rows[1:]
    place = next((place for place in range(max(map(len, body), default=0)) if is_split(body, place)), None)
    if place is None:
        yield _said(path, split), [[cell for cell in row if cell] for row in rows]
        return
    by_split: dict[str, list[Sequence[str]]] = defaultdict(list)
    for row in rows:
        if place < len(row) and (where := cell_split(row[place])):
            by_split[where].append([cell for cell in (*row[:place], *row[place + 1 :]) if cell])
    yield from by_split.items()


def _of_flags(path: Path, trains: Mapping[str, bool]) -> Iterator[tuple[str, list[Sequence[str]]]]:
    """CUB's ``train_test_split.txt``: an image's number in ``images.txt``, and 1 if it is trained on."""
    try:
        require_regular(path.parent / "images.txt")
        lines = (path.parent / "images.txt").read_text("utf-8", "surrogateescape").split("\n")
    except OSError as error:
        raise VisionLoraError(f"{path.name} is not read: there is no images.txt beside it") from error
    names = dict(line.strip().split(" ", 1) for line in lines if " " in line.strip())
    for split, wanted in (("train", True), ("test", False)):
        yield split, [[names.get(number, number)] for number, flag in trains.items() if flag is wanted]


def _texts(value: Any) -> Iterator[str]:
    """The strings in nested lists; keys of objects are names of images, or of classes that are skipped."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if is_image_name(str(key)):
                yield str(key)
            else:
                yield from _texts(one)
