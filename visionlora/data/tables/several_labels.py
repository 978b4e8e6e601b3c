"""Tables in which an image has any number of labels, and how the labels of a row are told apart."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from visionlora.data.images.decode import ImageFile
from visionlora.data.names.yes_no import NO, YES
from visionlora.data.tables.json_rows import LIST
from visionlora.errors import VisionLoraError

SEPARATORS = {"bar": "|", "semicolon": ";", "comma": ",", "space": " "}
"""The words of ``data.separator``; ``auto`` takes the first of them that is in the column."""
AUTO = "auto"
_NUMBERS = re.compile(r"\d+( \d+)*")
_WORDS = {"|": "a bar (|)", ";": "a semicolon (;)", ",": "a comma", " ": "spaces"}


class SeveralLabels(VisionLoraError):
    """An image has several labels where one is wanted."""


@dataclass(frozen=True)
class LabelForm:
    """How a column holds several labels.

    Attributes:
        words: in the notes of a run.
        split: a cell to the names in it; they may be repeated or empty.
    """

    words: str
    split: Callable[[str], Iterable[str]]

    def names(self, cell: str) -> tuple[str, ...]:
        """The labels of a cell, each once, sorted; none where it is empty."""
        return tuple(sorted({name.strip() for name in self.split(cell)} - {""}))


def label_form(cells: Sequence[str], separator: str, repeated: bool = False) -> LabelForm:
    """How a column holds labels.

    Spaces are in many names. They separate labels where most of the words are in other cells too.

    Args:
        cells: the whole column.
        separator: a word of :data:`SEPARATORS`, or :data:`AUTO`.
        repeated: whether an image has several rows; then spaces separate only if ``separator`` says it.
    """
    if separator != AUTO:
        return _separated(SEPARATORS[separator])
    if any(LIST in cell for cell in cells):
        return LabelForm("labels in lists", lambda cell: cell.split(LIST))
    filled = [cell for cell in cells if cell]
    if filled and all(_as_list(cell) is not None for cell in filled):
        return LabelForm("labels in lists, written as text", lambda cell: _as_list(cell) or ())
    for mark in ("|", ";", ","):
        if any(mark in cell for cell in filled):
            return _separated(mark)
    if not repeated and _known_words(filled) > 0.5:
        return _separated(" ")
    return LabelForm("a label in each row", lambda cell: (cell,))


def _separated(mark: str) -> LabelForm:
    split = str.split if mark == " " else lambda cell: cell.split(mark)
    return LabelForm(f"labels separated by {_WORDS[mark]}", split)


def _as_list(cell: str) -> list[str] | None:
    """The texts of a list as JSON or Python writes it, also as the one value of an object (Label Studio's
    ``{"choices": [...]}``); None for anything else."""
    if cell[:1] + cell[-1:] not in ("[]", "{}"):
        return None
    try:
        value = json.loads(cell)
    except (ValueError, RecursionError):
        try:
            value = ast.literal_eval(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    if isinstance(value, dict) and len(value) == 1:
        (value,) = value.values()
    plain = isinstance(value, list) and all(isinstance(one, (str, int, float)) for one in value)
    return [str(one) for one in value] if plain else None


def only_one(cell: str) -> str:
    """The label of a cell, also of one in which a program has written a list of one (``['cat']``) or none."""
    found = _as_list(cell)
    return cell if found is None or len(found) > 1 else "".join(found)


def _shares_words(cells: Iterable[str], mark: str) -> bool:
    """Whether most cells with several parts have only parts that other cells have too; with bars and
    semicolons one is enough where cells differ in the number of their parts, as those of a taxonomy do not.
    """
    parts = {cell: frozenset(cell.split(None if mark == " " else mark)) for cell in set(cells)}
    known = Counter(part for found in parts.values() for part in found)
    several = [found for found in parts.values() if len(found) > 1]
    shared = [found for found in several if all(known[part] > 1 for part in found)]
    differ = mark != " " and len({len(found) for found in parts.values() if found}) > 1
    return bool(shared) and (differ or len(shared) > len(several) / 2)


def _known_words(cells: Iterable[str]) -> float:
    """Of the words of cells with several, the share that is in other cells too."""
    parts = [set(cell.split()) for cell in set(cells)]
    known = Counter(word for found in parts for word in found)
    words = [word for found in parts if len(found) > 1 for word in found]
    return sum(known[word] > 1 for word in words) / len(words) if words else 0.0


def flagged(where: str, row: Sequence[str], classes: Mapping[str, int]) -> tuple[str, ...]:
    """The classes whose column has a 1.

    Raises:
        VisionLoraError: a cell is neither 0 nor 1.
    """
    names = []
    for name, place in classes.items():
        cell = row[place].casefold() if place < len(row) else ""
        if cell in YES:
            names.append(name)
        elif cell and cell not in NO:
            raise VisionLoraError(
                f"{where}: {row[place]!r} in column {name}; an image has a label (1) or not (0): write "
                "one of them, or remove the line"
            )
    return tuple(sorted(names))


def refuse_several(path: Path, column: str, cells: Sequence[str]) -> None:
    """Refuse a column with several labels in a cell where an image has one.

    Commas and spaces are in the names of classes too, bars and semicolons hardly: several labels are seen by
    their parts. Each is a label by itself elsewhere, or with bars and semicolons is in another cell.

    Raises:
        VisionLoraError: it names the first one, and the option.
    """
    whole = set(cells)
    marked = [mark for mark in ("|", ";") if _shares_words(whole, mark)]
    if all(map(_NUMBERS.fullmatch, whole)) and _shares_words(whole, " "):  # HPA's "16 0"
        marked.append(" ")
    for cell in dict.fromkeys(cells):
        found = None
        if LIST in cell and cell != LIST:
            found = cell.split(LIST)
        elif _as_list(cell) is not None and len(_as_list(cell) or ()) > 1:
            found = _as_list(cell)
        for mark in ("|", ";", ",", " "):
            parts = [part.strip() for part in (cell.split() if mark == " " else cell.split(mark))]
            if found is None and len(parts) > 1 and all(part in whole for part in parts):
                found = parts
        for mark in marked:
            if found is None and mark in cell:
                found = [part.strip() for part in cell.split(mark)]
        if found is not None:
            raise SeveralLabels(
                f"{path}: column {column} has several labels of an image, the first: {', '.join(found)}; set "
                "task=multi_label to learn all of them, or give each image one"
            )


def tags_note(column: str, cells: Iterable[str]) -> list[str]:
    """A note where labels of several words may be several labels: the words are in other labels too."""
    counts = {len(cell.split()) for cell in cells}
    if len(counts) < 2 or not _shares_words(cells, " "):
        return []
    return [
        f"the labels in column {column} have their words in common; if these are several labels of an image, "
        "set task=multi_label"
    ]


def count_labels(images: Iterable[ImageFile]) -> str:
    """How many images have how many labels, in words."""
    counts = Counter(len(image.names) for image in images)
    several = sum(times for count, times in counts.items() if count > 1)
    return (
        f"{several:,} of {counts.total():,} images have several labels, up to {max(counts, default=0)}, and "
        f"{counts[0]:,} have none of them"
    )


def require_several(root: Path, images: Iterable[ImageFile]) -> None:
    """Refuse to learn several labels of images that have exactly one each.

    Raises:
        VisionLoraError: they do.
    """
    if all(len(image.names) == 1 for image in images):
        raise VisionLoraError(
            f"{root}: each image has one label, and task=multi_label is for images with any number; leave it "
            "out, or if several are in one text set data.separator"
        )
