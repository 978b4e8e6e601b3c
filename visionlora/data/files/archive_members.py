"""The files of a zip or tar file, one by one, as streams that are safe to read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import posixpath
import stat
import tarfile
import zipfile
from _compression import DecompressReader
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar, cast

from visionlora.data.files.code_pages import likely_page, unicode_text
from visionlora.data.files.formats import SUFFIXES, TABLE_SUFFIXES
from visionlora.data.files.not_images import is_unknown, only_bytes_tell, suffix_hint
from visionlora.data.files.system_files import is_system_file
from visionlora.errors import VisionLoraError

_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_XZ_MEMORY = 2**28
CHUNK = 1 << 20
LABEL_FILES = (*TABLE_SUFFIXES, ".xml", ".yaml", ".yml")
"""Files that may say the labels of images, or their classes, or that a trainer wrote the folder."""

_Member = TypeVar("_Member")


@dataclass
class Limit:
    """What may still be unpacked of an archive and of the archives in it.

    Attributes:
        size: bytes.
        files: how many, folders and links included.
    """

    size: int
    files: int
    most: int = field(init=False)

    def __post_init__(self) -> None:
        self.most = self.files


def members(archive: Path, folder: Path, limit: Limit) -> Iterator[tuple[str, IO[bytes]]]:
    """The name and content of each file of an archive, in its order.

    Args:
        archive: the file.
        folder: where its files are written; a link in a tar file leads to one that is there by now.
        limit: the files count; bytes do where they are passed over, whoever reads the others counts those.

    Raises:
        VisionLoraError: too many files, or a zip file that is encrypted, or compressed in a way that is not
            safe to read.
    """
    return (
        _zip_members(archive, limit) if zipfile.is_zipfile(archive) else _tar_members(archive, folder, limit)
    )


def parts_of(archive: Path, name: str) -> tuple[str, ...]:
    """The parts of a member's path; zip files made on Windows have backslashes.

    Raises:
        VisionLoraError: it leads outside of the archive.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    parts = tuple(part for part in path.parts if part != ".")
    drive = bool(parts) and len(parts[0]) == 2 and parts[0][1] == ":"
    if path.is_absolute() or ".." in parts or drive or "\0" in name:
        raise VisionLoraError(f"{archive} holds {name!r}, which leads outside of it; unpack it yourself")
    return parts


def is_wanted(parts: tuple[str, ...]) -> bool:
    """Whether a file is one of images or of their labels, or is worth a word to the user."""
    if not parts or any(is_system_file(part) for part in parts):
        return False
    suffix = PurePosixPath(parts[-1]).suffix.casefold()
    known = suffix in SUFFIXES or suffix in LABEL_FILES or suffix_hint(suffix) is not None
    known = known or parts[-1] == "pyvenv.cfg"
    return known or only_bytes_tell(suffix) or is_unknown(suffix)


def _zip_members(archive: Path, limit: Limit) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        page = _page(opened.infolist())
        for member in _counted(archive, opened.infolist(), limit):
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir() or (kind and not stat.S_ISREG(kind)):
                continue
            if member.flag_bits & 1:
                raise VisionLoraError(f"{archive} is encrypted; unpack it yourself")
            if member.compress_type not in _ZIP_METHODS:  # LZMA's dictionary may take 4 GiB of memory
                raise VisionLoraError(f"{archive} is neither deflated nor stored; unpack it yourself")
            with opened.open(member) as content:
                yield _zip_name(member, page), content


def _page(listed: Iterable[zipfile.ZipInfo]) -> str:
    """The encoding of the names that are not marked as UTF-8: that of the system that wrote them, which may
    be UTF-8, too. Python's zipfile reads them as code page 437."""
    names = [one.filename for one in listed if not one.filename.isascii() and not one.flag_bits & 0x800]
    content = "\n".join(names).encode("cp437", "replace")
    return "utf-8" if unicode_text(content) is not None else likely_page(content, "cp437")[0]


def _zip_name(member: zipfile.ZipInfo, page: str) -> str:
    if member.flag_bits & 0x800:
        return member.filename
    with suppress(UnicodeError):
        return member.filename.encode("cp437").decode(page)
    return member.filename


def _tar_members(archive: Path, folder: Path, limit: Limit) -> Iterator[tuple[str, IO[bytes]]]:
    most = limit.size
    with _decompressed(archive) as stream, tarfile.open(fileobj=_Pieces(stream, most), mode="r:") as opened:  # type: ignore[call-overload]
        for member in _counted(archive, opened, limit):
            opened.members = []  # which would keep all of them
            content = opened.extractfile(member) if member.isfile() else _linked(member, folder)
            if content is not None:
                with content:
                    yield member.name, content


def _linked(member: tarfile.TarInfo, folder: Path) -> IO[bytes] | None:
    """What a link leads to; None where that is not an unpacked file, or the member is no link."""
    if not (member.islnk() or member.issym()):
        return None
    above = "" if member.islnk() else posixpath.dirname(member.name)
    name = posixpath.normpath(posixpath.join(above, member.linkname))
    target = folder / name
    return target.open("rb") if not name.startswith(("..", "/")) and target.is_file() else None


def _counted(archive: Path, members: Iterable[_Member], limit: Limit) -> Iterator[_Member]:
    for member in members:
        limit.files -= 1
        if limit.files < 0:
            raise VisionLoraError(f"{archive} holds more than {limit.most} files; unpack it yourself")
        yield member


def _decompressed(archive: Path) -> IO[bytes]:
    """The bytes of a tar file, whatever it is compressed with."""
    with archive.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(archive))
    if magic.startswith(b"BZh"):
        return cast(IO[bytes], bz2.open(archive))
    if magic == b"\xfd7zXZ\0":
        # lzma.open has no limit of memory, and an xz file may ask for 4 GiB.
        reader = DecompressReader(archive.open("rb"), lzma.LZMADecompressor, memlimit=_XZ_MEMORY)
        return cast(IO[bytes], io.BufferedReader(reader))
    return archive.open("rb")


class _Pieces:
    """A tar file's bytes in pieces: a header may claim a name of any length, and gigabytes to skip.

    Args:
        stream: the bytes.
        most: of them are read.
    """

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, most
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= 4 * CHUNK:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._stream.read(size)

    def seek(self, place: int) -> int:
        if place > self._most:
            raise tarfile.ReadError(f"it unpacks to more than {self._most / 2**30:.1f} GiB")
        return self._stream.seek(place)
