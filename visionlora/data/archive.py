"""A zip or tar file as a folder of images: unpacked once, into our cache and nowhere else."""

from __future__ import annotations

import atexit
import bz2
import gzip
import hashlib
import io
import lzma
import os
import posixpath
import shutil
import stat
import tarfile
import tempfile
import zipfile
from _compression import DecompressReader
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import IO, TypeVar, cast

from visionlora.data.formats import SUFFIXES, sniff
from visionlora.data.not_images import is_unknown, only_bytes_tell, suffix_hint
from visionlora.data.rows import SUFFIXES as TABLES
from visionlora.data.walk import is_system_file
from visionlora.errors import VisionLoraError
from visionlora.paths import cache_directory

MAX_BYTES = 50 * 2**30
MAX_FILES = 2_000_000
MAX_RATIO = 200
LEAST_LIMIT = 2**30
"""Unpacked bytes over packed ones: images hardly compress, so beyond it (and 1 GiB) an archive is a bomb."""

NAMES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
_XZ_MEMORY = 2**28
_PACKINGS = ("a gzip archive", "a bzip2 archive", "an xz archive")
"""What a tar file begins with that is compressed."""
_CHUNK = 1 << 20

_Member = TypeVar("_Member")


def is_archive(path: Path) -> bool:
    """Whether a path is a file that is called like a zip or tar file, or is a zip file without a suffix."""
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where it may not look
        return False
    if path.name.casefold().endswith(NAMES):
        return True
    return path.suffix == "" and (zipfile.is_zipfile(path) or _is_tar(path))


def _is_tar(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(262)[257:] == b"ustar"
    except OSError:
        return False


def unpacked(archive: Path, most_bytes: int | None = None, into: Path | None = None) -> tuple[Path, str]:
    """The folder with the archive's images and tables, unpacked now or by an earlier run, and a note on it.

    Links out of it, devices and other files are left out. Nothing is written outside of the folder.

    Args:
        archive: the file.
        most_bytes: that it may unpack to; None: ``MAX_BYTES``.
        into: a folder to unpack into; None: the cache.

    Raises:
        VisionLoraError: not such an archive, a damaged or encrypted one, one with a path that leads outside
            of it, or one that unpacks to more than there is room for.
    """
    try:
        with archive.open("rb"):
            status = archive.stat()
    except OSError as error:
        raise VisionLoraError(f"cannot read {archive}: {error.strerror}; check its permissions") from error
    identity = f"{os.path.realpath(archive)}\0{status.st_size}\0{status.st_mtime_ns}"
    name = hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    kept = into or cache_directory()
    places = _temporary_folder() if kept is None else kept
    # A folder of the archive's own name: it may be the class.
    folder = places / "unpacked" / name / (archive.name.split(".")[0][:40] or "archive")
    if not folder.is_dir():
        _unpack(archive, folder, MAX_BYTES if most_bytes is None else most_bytes)
    until = "" if kept else ", until this command ends (VISIONLORA_CACHE is empty)"
    return folder, f"{archive.name} is unpacked in {folder}{until}"


@cache
def _temporary_folder() -> Path:
    """One for the whole process, which removes it when it ends."""
    folder = tempfile.TemporaryDirectory(prefix="visionlora-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _unpack(archive: Path, folder: Path, most_bytes: int) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    except OSError as error:
        raise VisionLoraError(f"cannot unpack {archive} into {folder.parent}: {error.strerror}; set "
                              "VISIONLORA_CACHE to a folder that can be written") from error  # fmt: skip
    try:
        members = _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive, beside)
        _write(archive, members, beside, most_bytes)
        try:
            beside.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another run was faster
                raise
    except VisionLoraError:
        raise
    except Exception as error:  # on untrusted bytes the readers raise any error
        with archive.open("rb") as file:
            kind = sniff(file.read(256)) or ""
        said = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        if not archive.stat().st_size:
            said = "it is empty"
        elif kind == "a zip archive":
            said = (
                "its end is missing (a download that was cut off?)"
                if not zipfile.is_zipfile(archive)
                else said
            )
        elif kind and kind not in _PACKINGS:
            said = f"it is {kind}"
        raise VisionLoraError(
            f"cannot unpack {archive}: {said}; unpack it yourself, or download it again"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        with suppress(OSError):  # it holds what was unpacked
            folder.parent.rmdir()


def _write(archive: Path, members: Iterator[tuple[str, IO[bytes]]], folder: Path, most_bytes: int) -> None:
    packed = archive.stat().st_size
    most = min(most_bytes, max(LEAST_LIMIT, packed * MAX_RATIO), int(shutil.disk_usage(folder).free * 0.9))
    written = files = 0
    for name, content in members:
        parts = _parts(archive, name)
        if not _is_wanted(parts):
            continue
        files += 1
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_file() and zipfile.is_zipfile(archive):  # in a tar file the last one is meant
            raise VisionLoraError(f"{archive} holds two files called {name!r}; unpack it yourself")
        with target.open("wb") as file:
            while chunk := content.read(_CHUNK):
                written += len(chunk)
                if written > most:
                    raise VisionLoraError(
                        f"{archive} ({packed / 2**20:.0f} MiB) unpacks to more than {most / 2**30:.1f} GiB: "
                        "more than images do, or than the disk has room for; unpack it yourself"
                    )
                file.write(chunk)
    if not files:
        raise VisionLoraError(f"{archive} holds no images; they end in {', '.join(sorted(SUFFIXES))}")


def _parts(archive: Path, name: str) -> tuple[str, ...]:
    """The parts of a member's path; zip files made on Windows have backslashes."""
    path = PurePosixPath(name.replace("\\", "/"))
    parts = tuple(part for part in path.parts if part != ".")
    drive = bool(parts) and len(parts[0]) == 2 and parts[0][1] == ":"
    if path.is_absolute() or ".." in parts or drive or "\0" in name:
        raise VisionLoraError(f"{archive} holds {name!r}, which leads outside of it; it is not unpacked")
    return parts


def _is_wanted(parts: tuple[str, ...]) -> bool:
    if not parts or any(is_system_file(part) for part in parts):
        return False
    suffix = PurePosixPath(parts[-1]).suffix.casefold()
    known = suffix in SUFFIXES or suffix in TABLES or suffix_hint(suffix) is not None
    return known or only_bytes_tell(suffix) or is_unknown(suffix)


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        for member in _counted(archive, opened.infolist()):
            kind = stat.S_IFMT(member.external_attr >> 16)
            if member.is_dir() or (kind and not stat.S_ISREG(kind)):
                continue
            if member.flag_bits & 1:
                raise VisionLoraError(f"{archive} is encrypted; unpack it yourself")
            if member.compress_type not in _ZIP_METHODS:  # LZMA's dictionary may take 4 GiB of memory
                raise VisionLoraError(f"{archive} is neither deflated nor stored; unpack it yourself")
            with opened.open(member) as content:
                yield _zip_name(member), content


def _zip_name(member: zipfile.ZipInfo) -> str:
    """A member's name. Many programs write UTF-8 and do not say so; it is read as code page 437 then."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return member.filename


def _tar_members(archive: Path, folder: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """The files, and the content of links to files that came before them and are in ``folder`` by now."""
    most = max(LEAST_LIMIT, archive.stat().st_size * MAX_RATIO)
    with _decompressed(archive) as stream, tarfile.open(fileobj=_Pieces(stream, most), mode="r:") as opened:  # type: ignore[call-overload]
        for member in _counted(archive, opened):
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


def _counted(archive: Path, members: Iterable[_Member]) -> Iterator[_Member]:
    for number, member in enumerate(members):
        if number >= MAX_FILES:
            raise VisionLoraError(f"{archive} holds more than {MAX_FILES} files; unpack it yourself")
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
        if not 0 <= size <= 4 * _CHUNK:
            raise tarfile.ReadError(f"a header of {size} bytes")
        return self._stream.read(size)

    def seek(self, place: int) -> int:
        if place > self._most:
            raise tarfile.ReadError(f"it unpacks to more than {self._most / 2**30:.1f} GiB")
        return self._stream.seek(place)
