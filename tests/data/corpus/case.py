# ruff: noqa: E501 - a case a line reads better
"""Folders, tables and archives as people have them, written at test time, with what the user should be told.

This module has what writes them; the cases are in the modules beside it, and ``all`` has them together.
"""

from __future__ import annotations

import io
import os
import random
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

Make = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        name: what it is.
        make: writes it into an empty folder.
        root: what ``data.root`` is, below that folder.
        options: of :func:`visionlora.data.layout.folders.survey`.
        counts: class -> images in (train, val, test); None where the folder is refused.
        split: where val comes from.
        notes: words of the notes, each in one of them.
        problems: words of the problems, each in one of them.
        error: words of the one line that refuses it.
        silent: no note at all.
    """

    name: str
    make: Make
    root: str = "."
    options: dict[str, object] = field(default_factory=dict)
    counts: dict[str, tuple[int, int, int]] | None = None
    split: str | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    error: str | None = None
    silent: bool = False


_serial = 0


def image_bytes(suffix: str = "png", size: tuple[int, int] = (24, 16)) -> bytes:
    """An image that no other one resembles."""
    global _serial
    _serial += 1
    buffer = io.BytesIO()
    kind = {"jpg": "JPEG", "jpeg": "JPEG", "tif": "TIFF"}.get(suffix.lower(), suffix.upper())
    blocks = Image.frombytes("RGB", (6, 4), random.Random(_serial).randbytes(72))
    blocks.resize(size, Image.Resampling.NEAREST).save(buffer, kind)
    return buffer.getvalue()


def files(*names: str) -> Make:
    """Writes files: images where the suffix says so, folders where the name ends in /, else a line of text."""

    def make(folder: Path) -> None:
        for name in names:
            _write(folder / name, name)

    return make


def _write(path: Path, name: str) -> None:
    if name.endswith("/"):
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = name.rpartition(".")[2].lower()
    if suffix in ("png", "jpg", "jpeg", "gif", "bmp", "webp", "tif"):
        path.write_bytes(image_bytes(suffix))
    else:
        path.write_text("text\n")


def many(*patterns: str, count: int = 4) -> Make:
    """Writes ``count`` images for each pattern, ``{}`` replaced by a number."""
    return files(*(pattern.replace("{}", str(number)) for pattern in patterns for number in range(count)))


def called(content: bytes, *names: str) -> Make:
    """Writes files of one content, whatever their suffixes say."""

    def make(folder: Path) -> None:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    return make


def table(name: str, text: str | bytes, *images: str) -> Make:
    """Writes a table and images."""
    return both(files(*images), called(text if isinstance(text, bytes) else text.encode(), name))


def tables(about: str) -> Callable[..., Case]:
    """Makes cases of a table, which is ``data.root``, and its images; their names begin with ``about``."""

    def case(name: str, text: str | bytes, *images: str, file: str = "t.csv", **expected: object) -> Case:
        expected = expected or {"counts": EACH}
        return Case(f"{about}: {name}", table(file, text, *(images or IMAGES)), root=file, **expected)  # type: ignore[arg-type]

    return case


def both(*makes: Make) -> Make:
    """Writes all of them."""

    def make(folder: Path) -> None:
        for one in makes:
            one(folder)

    return make


def zipped(name: str, *members: str, **raw: bytes) -> Make:
    """Writes a zip file of images and texts."""

    def make(folder: Path) -> None:
        with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in members:
                suffix = member.rpartition(".")[2].lower()
                archive.writestr(member, image_bytes(suffix) if suffix in ("png", "jpg") else b"text")
            for member, content in raw.items():
                archive.writestr(member, content)

    return make


def tarred(name: str, *members: str, links: dict[str, str] | None = None) -> Make:
    """Writes a tar file of images, and symbolic links."""

    def make(folder: Path) -> None:
        mode = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "xz": "w:xz"}.get(name.rpartition(".")[2], "w")
        with tarfile.open(folder / name, mode) as archive:  # type: ignore[call-overload]
            for member in members:
                content = image_bytes()
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            for member, target in (links or {}).items():
                info = tarfile.TarInfo(member)
                info.type, info.linkname = tarfile.SYMTYPE, target
                archive.addfile(info)

    return make


def link(name: str, target: str) -> Make:
    """Writes a symbolic link."""

    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(target)

    return make


def bytes_name(parent: str, name: bytes) -> Make:
    """Writes an image whose file name is not UTF-8."""

    def make(folder: Path) -> None:
        (folder / parent).mkdir(parents=True, exist_ok=True)
        Path(os.fsdecode(os.fsencode(folder / parent) + b"/" + name)).write_bytes(image_bytes())

    return make


ONE = (3, 1, 0)
TWO = {"cat": ONE, "dog": ONE}
EACH = {"cat": (1, 0, 0), "dog": (1, 0, 0)}
GIVEN = {"cat": (4, 4, 0), "dog": (4, 4, 0)}
TESTED = {"cat": (3, 1, 4), "dog": (3, 1, 4)}
CLASSES = ("cat/{}.png", "dog/{}.png")
THREE = {"cat": (4, 4, 4), "dog": (4, 4, 4)}
HALF = (1, 1, 0)
PAIRS = {"cat": HALF, "dog": HALF}
IMAGES = ("i/a.png", "i/b.png")
LABELS = ("cat", "dog") * 6
"""Of images by their number."""
EIGHT = tuple(f"images/{number}.png" for number in range(8))
BODY = "i/a.png,cat\ni/b.png,dog\n"
"""A table of one image of each class."""


def below(folder: str) -> tuple[str, ...]:
    """Class folders below ``folder``."""
    return tuple(f"{folder}/{name}" for name in CLASSES)


def rows(head: str, line: str, count: int = 8) -> str:
    """A table: ``{0}`` is a number, ``{1}`` its label."""
    return "".join(f"{text}\n" for text in (head, *(line.format(n, LABELS[n]) for n in range(count))) if text)
