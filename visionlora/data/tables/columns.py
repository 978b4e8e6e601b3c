"""Which column of a table is the path, which the label, which the split."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from visionlora.data.files.formats import is_image_name
from visionlora.data.names.split_names import cell_split
from visionlora.data.names.yes_no import YES
from visionlora.data.tables import cells
from visionlora.data.tables.cells import (
    Body,
    is_count,
    is_flag,
    is_number,
    is_split,
    is_switch,
    share,
    values_of,
)
from visionlora.data.tables.column_advice import refuse_columns, refuse_unnamed
from visionlora.data.tables.column_names import (
    FLAGS,
    FOLDERS,
    LABEL_COLUMNS,
    LABEL_ENDINGS,
    PATH_COLUMNS,
    SPLIT_COLUMNS,
    key_of,
)  # fmt: skip
from visionlora.data.tables.files_by_name import FilesByName
from visionlora.data.tables.label_columns import label_column, of_dummies, one_hot_columns
from visionlora.data.tables.rows import Rows
from visionlora.data.tables.several_labels import SeveralLabels
from visionlora.errors import VisionLoraError
from visionlora.text import listed

_NO_LABELS = (
    "{} lists paths and no labels; add a column label, or data.class_name=NAME; where the folders of the "
    "files are the classes, give the folder that holds them: data.root=FOLDER"
)
_COUNTS = {"count", "counts", "total", "amount", "frequency", "anzahl", "cantidad"}
"""What columns of numbers of images are called."""
_CERTAIN = 8
"""Rows from which on a column of 0, 1, 2, ... counts them: no image of another has its class."""


@dataclass(frozen=True)
class Columns:
    """Positions of the columns.

    Attributes:
        path, label, split: None where there is none.
        flags: split -> a column that says with 1 or true that an image belongs to it.
        classes: class -> its column of 0 and 1.
        header: how many rows at the top are no images.
        words: the columns in words.
        folder: of the file that the path names, where the path alone leads nowhere.
        notes: what was guessed.
    """

    path: int
    label: int | None = None
    split: int | None = None
    flags: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, int] = field(default_factory=dict)
    header: int = 1
    words: str = ""
    notes: tuple[str, ...] = ()
    folder: int | None = None

    @property
    def used(self) -> tuple[int | None, ...]:
        """The places of the columns that are read."""
        return (self.path, self.label, self.split, *self.flags.values(), *self.classes.values())

    @property
    def has_labels(self) -> bool:
        """Whether a label can be read."""
        return self.label is not None or bool(self.classes)


def find_columns(
    path: Path, rows: Rows, class_name: str | None, refuse: bool = True, several: bool = False
) -> Columns | None:
    """The columns of a table, by the names in its first row and by what is in them.

    Where an image has several labels, the columns of mostly 0 and 1 are its labels unless one is called so.

    Raises:
        VisionLoraError: no path or label column, and ``refuse``; it lists the columns and the names that are
            understood.
    """
    first = rows.numbered[0][1]
    if len(first) == 1 and class_name is None and any(is_image_name(row[0]) for _, row in rows.numbered[:2]):
        raise VisionLoraError(_NO_LABELS.format(path))
    if not rows.has_header and any(is_image_name(name) for name in first):
        place = next(place for place, name in enumerate(first) if is_image_name(name))
        return _headless(path, rows, place, class_name)
    names = [key_of(name) for name in first]
    body = [row for _, row in rows.numbered[1:]]
    where = _path_column(names, body)
    if where is None:
        where, named = _known_files(path, rows)
        if where is not None and not named:
            return _headless(path, rows, where, class_name)
    if where is not None:
        found = _with_label(first, names, body, where, class_name, several)
        if found is not None:
            return found
    if not refuse:
        return None
    refuse_columns(path, first, names, body, where)
    return None


def one_hot(where: str, row: Sequence[str], columns: Columns) -> str | None:
    """The class whose column has a 1; None where none has.

    Raises:
        VisionLoraError: several have.
    """
    chosen = [
        name for name, place in columns.classes.items() if place < len(row) and row[place].casefold() in YES
    ]
    if len(chosen) > 1:
        raise SeveralLabels(
            f"{where}: {', '.join(chosen)} at once; set task=multi_label to learn all labels of "
            "an image, or leave one"
        )
    return chosen[0] if chosen else None


def _headless(path: Path, rows: Rows, where: int, class_name: str | None) -> Columns:
    """Columns of a table without names: the path is at ``where``, then label and split. Others are numbers of
    rows (MXNet's lists, CUB), or boxes (Tiny ImageNet)."""
    body = [row for _, row in rows.numbered]
    rest = [place for place in range(len(body[0])) if place != where]
    splits = [share(body, place, lambda text: cell_split(text) is not None) for place in rest]
    split = next((place for place, part in zip(rest, splits, strict=True) if part > 0.5), None)
    if split is not None and len(rest) == 1:  # a class may be called test
        split = None
    free = [place for place in rest if place != split]
    if class_name is None:
        refuse_unnamed(path, body, free)
    no_masks = [place for place in free if share(body, place, is_image_name) <= 0.5]
    named = sorted(
        no_masks or free, key=lambda place: share(body, place, is_number) == 1
    )  # names, then numbers
    label = next((place for place in named if not is_count(body, place)), next(iter(free), None))
    if label is not None and is_count(body, label) and len(body) >= _CERTAIN:
        label = None
    if label is None and class_name is None:
        raise VisionLoraError(_NO_LABELS.format(path))
    words = "no names; path, label, split in this order"
    others = len(free) - (label is not None)
    notes = (f"columns without names beside path, label and split are not used: {others}",) if others else ()
    return Columns(where, label, split, header=0, words=words, notes=notes)


def _known_files(path: Path, rows: Rows) -> tuple[int | None, bool]:
    """The column that has names of files without their suffix, where there is such a column, and whether the
    first row names the columns."""
    files = FilesByName(path)
    first, *body = [row for _, row in rows.numbered]
    shares = [share(body or [first], place, files.has) for place in range(len(first))]
    counts = [key_of(name) in _COUNTS or _counts_things(body, place) for place, name in enumerate(first)]
    shares = [0.0 if counted else part for counted, part in zip(counts, shares, strict=True)]
    if not shares or max(shares) <= 0.5:
        return None, False
    place = shares.index(max(shares))
    return place, rows.has_header or not files.has(first[place])


def _counts_things(body: Body, place: int) -> bool:
    """Whether a column has a few numbers again and again, which are no names of images: ``1`` animal in each,
    and ``1.jpg`` is there."""
    values = values_of(body, place)
    return len(set(values)) < len(values) / 2 and all(map(is_number, values))


def _path_column(names: Sequence[str], body: Body) -> int | None:
    files = [place for place in range(len(names)) if share(body, place, is_image_name) > 0.5]
    if len(files) == 1:
        return files[0]
    for known in map(key_of, PATH_COLUMNS):
        for place, name in enumerate(names):
            if name == known and (not files or place in files):
                return place
    return files[0] if files else None


def _with_label(
    first: Sequence[str],
    names: Sequence[str],
    body: Body,
    where: int,
    class_name: str | None,
    several: bool,
) -> Columns | None:
    """The columns of a table whose paths are in column ``where``; None where none can be the label."""
    likely = label_column(names, body, {where}, several)
    flags = _flag_columns(names, body, likely is not None)
    split, notes = _split_column(first, names, body, where, likely)
    taken = {where, split, *flags.values()}
    rest = [place for place in range(len(names)) if place not in taken and names[place]]
    switches = [place for place in rest if share(body, place, is_switch) > 0.5] if several else []
    if len(switches) > 1:  # a label may be called "object" or "kind"
        taken |= set(switches)
    label = label_column(names, body, taken, several)
    classes: dict[str, int] = {}
    if several and label is None and switches:
        classes, said = of_dummies({first[place]: place for place in switches})
        notes += said
        unused = [first[place] for place in rest if place not in switches]
        if unused:
            notes.append(f"not 0 and 1, so no labels: {listed(unused, most=5)}")
    elif label is None and len(hot := one_hot_columns(body, rest)) > 1:
        classes, said = of_dummies({first[place]: place for place in hot})
        notes += said
    elif label is None and class_name is None and len(rest) == 1:
        label = rest[0]
        notes.append(f"column {first[label]} is taken for the label")
    if label is None and not classes and class_name is None:
        return None
    notes += _rivals(first, names, body, label, taken)
    pairs = [place for place in rest if place != label and share(body, place, is_image_name) > 0.5]
    if pairs:
        notes.append(f"columns {first[where]} and {first[pairs[0]]} both have images; {first[where]} is read")
    used = [first[place] for place in (where, label, split, *flags.values()) if place is not None]
    words = f"columns {', '.join(used)}" + (
        f" and a column for each of {len(classes)} classes" if classes else ""
    )
    folders = (place for place in rest if place != label and names[place].endswith(FOLDERS))
    return Columns(where, label, split, flags, classes, 1, words, tuple(notes), next(folders, None))


def _flag_columns(names: Sequence[str], body: Body, labelled: bool) -> dict[str, int]:
    """Split -> the column that flags its images. Without a column of labels, one called ``train`` may be one
    of several classes (bus, car, train)."""
    return {
        split: names.index(name) for split, known in FLAGS.items()
        for name in map(key_of, (*known, split) if labelled else known)
        if name in names and share(body, names.index(name), is_flag) == 1
    }  # fmt: skip


def _split_column(
    first: Sequence[str], names: Sequence[str], body: Body, where: int, label: int | None
) -> tuple[int | None, list[str]]:
    """The column of splits, by its name or by what is in it; and what to say about it."""
    split = next((names.index(name) for name in map(key_of, SPLIT_COLUMNS) if name in names), None)
    notes = []
    if split is not None and share(body, split, cells.is_fold) == 1:
        notes.append(f"column {first[split]} has numbers, not train, val or test: not used")
        split = None
    elif split is not None and names[split] != "split" and not any(map(cell_split, values_of(body, split))):
        notes.append(f"column {first[split]} does not say train, val or test: not used")
        split = None
    others = [place for place in range(len(names)) if place not in (where, label)]
    if split is None and (label is not None or len(others) > 1):
        split = next((place for place in others if is_split(body, place)), None)
    return split, notes


def _rivals(
    first: Sequence[str], names: Sequence[str], body: Body, label: int | None, taken: Container[int | None]
) -> list[str]:
    """A note where the name of another column ends as that of the label does: ``fine_label``."""
    if label is None or names[label] in map(key_of, LABEL_COLUMNS):
        return []
    rivals = [
        first[place] for place, name in enumerate(names)
        if name.endswith(LABEL_ENDINGS) and place != label and place not in taken
        and "pred" not in name and share(body, place, is_number) < 1
    ]  # fmt: skip
    what = f"may be the label, too; {first[label]} is taken: leave one of them in the table"
    return [f"column {rivals[0]} {what}"] if rivals and names[label].endswith(LABEL_ENDINGS) else []
