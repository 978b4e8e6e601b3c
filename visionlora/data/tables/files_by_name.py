"""Find the files that a table lists under paths that do not exist, by their names."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from visionlora.data.files.archive import NAMES as ARCHIVES
from visionlora.data.files.code_pages import CODE_PAGES
from visionlora.data.files.formats import SUFFIXES, is_image_name
from visionlora.data.files.walk import has_images, hints, walk
from visionlora.data.names.split_names import GENERIC, split_name
from visionlora.data.tables.parts_of_names import behind_one_word, folded_name, without_one_ending
from visionlora.errors import VisionLoraError
from visionlora.text import counted

_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What Label Studio writes before the name of a file that was uploaded."""
_ASIDE = frozenset(
    (
        "annotation", "annotations", "anno", "annos", "label", "labels", "meta", "metadata", "list", "lists",
        "split", "splits", "csv", "csvs", "table", "tables", "imagelist", "imagelists", "imagesets", "devkit",
    )
)  # fmt: skip
_WHOLE = re.compile(r"(\d{1,18})(?:\.0)?", re.ASCII)
"""A number as a file or a spreadsheet has it: ``0012``, ``12.0``."""
_ROUNDED = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)
"""A long number as a spreadsheet shows it: ``1.23457E+14``."""
_ABOVE = 4
_MOST_GONE = 0.1
"""The share of a table's files that may be missing; one that lacks more is about other files."""
_CONTENT = ("iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "data:image", "{'bytes'", '{"bytes"')
"""What images begin with that were written into the table (base64, pandas of Hugging Face)."""
_LOCAL = "/data/local-files/?d="
"""What Label Studio writes before the path of a file of its own machine."""


def is_table_folder(name: str) -> bool:
    """Whether a folder is called like one of tables: ``annotations``, ``split_csv``, ``meta data``,
    ``ISIC2018_Training_GroundTruth``."""
    words = set(re.split(r"[\W_]+", name.casefold()))
    of_tables = words <= _ASIDE | GENERIC and bool(words & _ASIDE)
    return of_tables or name.casefold().endswith(("groundtruth", "ground_truth", "ground truth"))


def spellings(name: str) -> tuple[str, ...]:
    """``name`` as the table has it, in the bytes of old systems, and with the escapes of URLs decoded."""
    plain = unquote(name)
    local = unquote(name.rpartition(_LOCAL)[2]).replace("\\", "/")
    old = () if name.isascii() else _old_bytes(name)
    return name, *old, plain, local, plain.replace("+", " ")


def _old_bytes(name: str) -> list[str]:
    """``name`` as a file name that an old system wrote in its code page, in each that it can be in."""
    found = []
    for page in CODE_PAGES:
        with suppress(UnicodeEncodeError):
            found.append(os.fsdecode(name.encode(page)))
    return found


class PathsOf:
    """The files that are where a table says.

    Args:
        table: the table; paths are relative to its folder, or to the folder above it that has the first one.
    """

    def __init__(self, table: Path) -> None:
        self._folder = table.parent
        self._further = table.absolute().parents[1:_ABOVE]
        self.above: list[Path] = []

    def existing(self, name: str) -> Path | None:
        """The file that ``name`` means: as it is written, in old systems' bytes, or with a suffix."""
        for folder in (*self.above, self._folder):
            for candidate in (folder / spelling for spelling in spellings(name)):
                if os.path.isfile(candidate) or os.path.islink(candidate):  # noqa: PTH113, PTH114
                    return candidate
            if Path(name).suffix.casefold() not in SUFFIXES:
                for suffix in (".jpg", ".jpeg", ".png", ".JPG", ".PNG"):
                    if os.path.isfile(folder / f"{name}{suffix}"):  # noqa: PTH113
                        return folder / f"{name}{suffix}"
        return None

    def existing_above(self, name: str) -> Path | None:
        """The file, if paths are relative to a folder above the table's; that folder is remembered."""
        if self.above:
            return None
        for folder in self._further:
            self.above = [folder]
            if image := self.existing(name):
                return image
        self.above = []
        return None


class FilesByName:
    """The images below a table's folder.

    Args:
        table: the table. If it is called like a split, files in folders of that split come first. If it is in
            a folder of tables (``annotations``), images below the parent of that folder are searched.
    """

    def __init__(self, table: Path) -> None:
        self._table = table
        self._top = _top_of(table)
        self._split = split_name(table.stem)
        self._files: dict[str, list[Path]] = defaultdict(list)
        self._numbered: dict[int, list[Path]] = defaultdict(list)
        images, others = walk(self._top)
        self._packed = [file.name for file in others if file.name.casefold().endswith(ARCHIVES)]
        self._others = {folded_name(file.stem): file for file in others if hints([file])}
        for file in images:
            stem = folded_name(file.stem)
            for name in {folded_name(file.name), stem}:
                self._files[name].append(file)
            if number := _WHOLE.fullmatch(stem):
                self._numbered[int(number[1])].append(file)
        self._behind_word = {} if self._numbered else behind_one_word(images)
        self._without_ending = without_one_ending(images)

    def has(self, name: str) -> bool:
        """Whether some file has the name of this path, with or without a suffix."""
        name = folded_name(name.replace("\\", "/").rpartition("/")[2])
        return name in self._files or name in self._others

    def hint(self, path: Path) -> str | None:
        """How to make an image of the file with the name of ``path`` that is not one; None: there is none."""
        other = self._others.get(folded_name(path.name)) or self._others.get(folded_name(path.stem))
        return None if other is None else f"{other.name} is there: {hints([other])[0]}"

    def _named(self, name: str) -> list[Path]:
        """The files with a name. If there is none, those that differ from it only in the prefix of an upload,
        the suffix, leading zeros or ``.0`` of a number, escapes of URLs, or plus signs for spaces."""
        stem = Path(name).stem if is_image_name(name) else name
        for known in (name, _UPLOADED.sub("", name), stem, unquote(name), name.replace("+", " ")):
            if found := self._files.get(folded_name(known)):
                return found
        number = _WHOLE.fullmatch(stem)
        if not number:
            return self._without_ending.get(folded_name(stem), [])
        behind = self._behind_word.get(int(number[1]))
        return [behind] if behind else self._numbered.get(int(number[1]), [])

    def like(self, path: Path, split: str) -> Sequence[Path]:
        """The files with the name of ``path``: of several, those that share the most folders with it, and of
        these the ones in a folder of the split.

        Case and Unicode form are ignored, and what :meth:`_named` ignores.

        Args:
            path: as the table has it.
            split: what the table says that it belongs to.
        """
        name = path.name.partition("?")[0] if ":/" in str(path) else path.name
        same = self._named(name)
        if len(same) > 1:
            shared = [shared_folders(file.parts[:-1], path.parts[:-1]) for file in same]
            same = [file for file, count in zip(same, shared, strict=True) if count == max(shared)]
        if len(same) > 1:
            wanted = self._split or split
            inside = [
                file for file in same
                if any(split_name(part) == wanted for part in file.relative_to(self._top).parts[:-1])
            ]  # fmt: skip
            same = inside or same
        return same

    def found(
        self, missing: Sequence[tuple[Path, str]], known: Collection[Path]
    ) -> tuple[dict[Path, Path], list[str]]:
        """(path that does not exist -> the file that it means, notes). Up to a tenth of all files may be
        missing: their paths stay, and count as unreadable images (``data.on_bad``).

        Args:
            missing: the paths with their splits.
            known: all paths of the table.

        Raises:
            VisionLoraError: as of :meth:`only`, or too many are missing.
        """
        gone = {image for image, split in missing if not self.like(image, split)}
        if gone and self._behind_word:  # then the numbers count something else
            self._behind_word = {}
            gone = {image for image, split in missing if not self.like(image, split)}
        if len(gone) > _MOST_GONE * len(known):
            gone = set()
        moved: dict[Path, Path] = {}
        taken = set(known)
        for image, split in missing:
            if image not in gone:
                moved[image] = self.only(image, split, taken, len(missing))
                taken.add(moved[image])
        notes = []
        if gone:
            which = counted(len(gone), "file", "files")
            verb = "does" if len(gone) == 1 else "do"
            notes.append(f"{which} that {self._table.name} lists {verb} not exist, such as {min(gone)}")
        if moved:
            where, *others = {path.parent.as_posix() for path in moved.values()}
            where = f"folders below {self._table.parent}" if others else where
            notes.append(f"{counted(len(moved), 'file was', 'files were')} found by name in {where}")
            wanted, file = min(moved.items())
            renamed = file in self._behind_word.values() or self._without_ending
            if renamed and not self.has(wanted.name):
                notes[-1] += f"; {wanted.name} is taken for {file.name}"
        return moved, notes

    def only(
        self, image: Path, split: str, taken: Collection[Path], count: int, so_far: bool = False
    ) -> Path:
        """The one file, not taken yet, that a path which does not exist means.

        Raises:
            VisionLoraError: there is none, or several; ``so_far``: more may be missing in rows to come.
        """
        same = self.like(image, split)
        if len(same) == 1 and same[0] not in taken:
            return same[0]
        more = f" and {'at least ' if so_far else ''}{count - 1} more" if count > 1 else ""
        shown = str(image) if len(str(image)) <= 1000 else f"{str(image)[:500]}..."
        several = f"; {len(same)} files below it have that name: write their folder too" if same[1:] else ""
        if len(same) == 1:
            several = f"; {same[0].name} has that name, and is listed already"
        if os.path.isdir(image):  # noqa: PTH112
            several = "; it is a folder: list each image, or give the folder of class folders"
        if hint := self.hint(image):
            several = f"; {hint}"
        if not several and self._packed:
            several = (
                f"; if {self._packed[0]} holds them, unpack it, or give its folder: data.root={self._top}"
            )
        if str(image).removeprefix(f"{self._table.parent}/").startswith(_CONTENT):
            several, shown = "; those are images themselves: save each as a file", f"{shown[:40]}..."
        if _ROUNDED.fullmatch(image.name):
            several = "; a spreadsheet has rounded such numbers: export the table again, with names as text"
        if ":/" in str(image):
            several = "; addresses are not downloaded: give files"
        raise VisionLoraError(
            f"{self._table} lists files that do not exist: {shown}{more}; paths are relative to "
            f"{self._table.parent}{several}"
        )


def images_by_number(table: Path) -> dict[int, Path]:
    """number -> the image below a table's folder that is called by it (:func:`behind_one_word`)."""
    return behind_one_word(walk(_top_of(table))[0])


def _top_of(table: Path) -> Path:
    """The folder that a table's images are looked for in: around one of tables (``annotations``)."""
    folder = table.parent
    return folder.parent if is_table_folder(folder.name) and not has_images(folder) else folder


def shared_folders(one: Sequence[str], other: Sequence[str]) -> int:
    """How many folders have the same names, counted from the last one."""
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if folded_name(a) != folded_name(b):
            break
        count += 1
    return count
