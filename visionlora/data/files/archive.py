"""Zip and tar files as a folder of images: unpacked once, into our cache and nowhere else."""

from __future__ import annotations

import atexit
import errno
import glob
import hashlib
import os
import re
import shutil
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from visionlora.data.files.archive_members import CHUNK, LABEL_FILES, Limit, is_wanted, members, parts_of
from visionlora.data.files.formats import LFS, SUFFIXES, sniff
from visionlora.data.files.walk import has_images, unreadable, walk
from visionlora.errors import MachineFault, VisionLoraError
from visionlora.files import DISK_FAULTS
from visionlora.paths import cache_directory
from visionlora.text import listed

MAX_BYTES = 50 * 2**30
MAX_FILES = 2_000_000
MAX_RATIO = 200
LEAST_LIMIT = 2**30
"""Unpacked bytes over packed ones: images hardly compress, so beyond it (and 1 GiB) an archive is a bomb."""

NAMES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_PACKINGS = ("a gzip archive", "a bzip2 archive", "an xz archive")
"""What a tar file begins with that is compressed."""
_DEEPEST = 3
"""Archives in archives in an archive."""
_DOWNLOAD = re.compile(r"(.+?)(?:[-_.]\d{3}| part \d+ of \d+| ?\(\d+\))", re.IGNORECASE)
"""What Google, Apple and browsers call the parts of one download."""
_SAMPLES = re.compile(r"(.+)-samples(?: ?\(\d+\))?")
"""What Teachable Machine calls the images of a class."""
_NOTE, _HERE = "note.txt", "\0"
"""The file beside an unpacked folder that says what was unpacked, and what stands in it for the folder."""
_NO_IMAGES = f"holds no images; they end in {', '.join(sorted(SUFFIXES))}"
_SHOWN = 3


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


def packed(folder: Path) -> list[Path]:
    """The archives below a folder whose images are all in archives; none, where it has others."""
    if not os.path.isdir(folder) or has_images(folder):  # noqa: PTH112 - as above
        return []
    return [path for path in walk(folder)[1] if is_archive(path)]


def stem_of(archive: Path) -> str:
    """The name of an archive without the suffixes that say how it is packed."""
    suffixes = [suffix for suffix in NAMES if archive.name.casefold().endswith(suffix)]
    return archive.name[: -len(max(suffixes, key=len))] if suffixes else archive.name


def unpacked(root: Path, most_bytes: int | None = None, into: Path | None = None) -> tuple[Path, str]:
    """The folder with an archive's images and tables, unpacked now or by an earlier run, and a note on it.

    Links out of it, devices and other files are left out. Nothing is written outside of the folder. Where it
    holds archives and no images they are unpacked, too, each into a folder of its name.

    Args:
        root: the archive, or a folder of archives (:func:`packed`).
        most_bytes: that it may unpack to; None: ``MAX_BYTES``.
        into: a folder to unpack into; None: the cache.

    Raises:
        VisionLoraError: not such an archive, a damaged or encrypted one, one with a path that leads outside
            of it, one that unpacks to more than there is room for, or archives that may be parts or classes.
    """
    whole = root.is_dir()
    archives = packed(root) if whole else [root]
    files = [*archives, *(filter(_is_table, walk(root)[1]) if whole else [])]
    identity, size = _identity(files)
    kept = cache_directory() if into is None else into
    places = _temporary_folder() if kept is None else kept
    # A folder of the archive's own name: it may be the class.
    called = Path(os.path.realpath(root)).name if whole else root.name
    folder = places / "unpacked" / identity / (called.split(".")[0][:40] or "archive")
    if not folder.is_dir():
        most = MAX_BYTES if most_bytes is None else most_bytes
        _unpack(root, files, folder, Limit(min(most, max(LEAST_LIMIT, size * MAX_RATIO)), MAX_FILES))
    until = "" if kept else ", until this command ends (VISIONLORA_CACHE is empty)"
    said = (folder.parent / _NOTE).read_text("utf-8", "surrogateescape").replace(_HERE, f"{folder}{until}")
    return folder, said


def other_files(folder: Path) -> list[Path]:
    """What is not taken from a folder of archives."""
    return [path for path in walk(folder)[1] if not is_archive(path) and not _is_table(path)]


def _is_table(path: Path) -> bool:
    return path.suffix.casefold() in LABEL_FILES and path.is_file()


def _identity(files: Sequence[Path]) -> tuple[str, int]:
    """A name for what files hold now, and their bytes."""
    known, size = hashlib.sha256(), 0
    for path in files:
        try:
            with path.open("rb"):
                status = path.stat()
        except OSError as error:
            raise unreadable(path, error) from error
        text = f"{os.path.realpath(path)}\0{status.st_size}\0{status.st_mtime_ns}\0"
        known.update(text.encode("utf-8", "surrogateescape"))
        size += status.st_size
    return known.hexdigest()[:16], size


@cache
def _temporary_folder() -> Path:
    """One for the whole process, which removes it when it ends."""
    folder = tempfile.TemporaryDirectory(prefix="visionlora-", ignore_cleanup_errors=True)
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _unpack(root: Path, files: Sequence[Path], folder: Path, limit: Limit) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    except OSError as error:
        raise VisionLoraError(f"cannot unpack {root} into {folder.parent}: {error.strerror}; set "
                              "VISIONLORA_CACHE to a folder that can be written") from error  # fmt: skip
    limit.size = min(limit.size, int(shutil.disk_usage(folder.parent).free * 0.9))
    try:
        if root.is_dir():
            said = f"{_unpack_each(files, root, beside, limit)} unpacked in {_HERE}"
        elif _extract(root, beside, limit):
            said = f"{root.name} is unpacked in {_HERE}"
        else:
            raise VisionLoraError(f"{root} {_NO_IMAGES}")
        for _ in range(_DEEPEST):
            if inner := packed(beside):
                said = f"{said}; {_unpack_each(inner, beside, beside, limit)} unpacked in it, too"
            for path in inner:
                path.unlink()
        (folder.parent / _NOTE).write_text(said, "utf-8", "surrogateescape")
        try:
            beside.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another run was faster
                raise
    except VisionLoraError as error:  # nobody else knows the path of what is in an archive
        error.args = (str(error).replace(str(beside), str(root)),)
        raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        with suppress(OSError):  # it holds what was unpacked
            folder.parent.rmdir()


def _unpack_each(files: Sequence[Path], top: Path, folder: Path, limit: Limit) -> str:
    """Unpack archives that lie below ``top`` into the same places below ``folder``, and copy other files
    there; return what was unpacked.

    One that is alone in its folder, or a part of a download, goes where it lies; others into a folder of
    their name, or if they bring that, too, into theirs. One without images is said.

    Raises:
        VisionLoraError: names that differ only in numbers, which may be parts or classes; no images at all.
    """
    beside: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        target = folder / path.relative_to(top)
        if is_archive(path):
            beside[target.parent].append(path)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    taken: list[Path] = []
    bare: list[Path] = []
    for parent, archives in beside.items():
        stems = [stem_of(path) for path in archives]
        classes = {match[1] for stem in stems if (match := _SAMPLES.fullmatch(stem))}
        of_classes = len(classes) == len(stems) > 1
        if of_classes:
            stems = [_SAMPLES.sub(r"\1", stem) for stem in stems]
        parts = {match[1] if (match := _DOWNLOAD.fullmatch(stem)) else stem for stem in stems}
        if (
            len(parts) > 1
            and not of_classes
            and len({re.sub(r"\d+", "0", stem) for stem in stems}) < len(stems)
        ):
            raise VisionLoraError(
                f"{archives[0].parent} holds archives whose names differ only in numbers "
                f"({listed([path.name for path in archives], _SHOWN)}); unpack each into a folder of its "
                "name if they are classes, or all into one folder if they are parts of one"
            )
        for path, stem in zip(archives, stems, strict=True):
            parent.mkdir(parents=True, exist_ok=True)
            within = parent if len(parts) == 1 else Path(tempfile.mkdtemp(prefix=".unpacking-", dir=parent))
            found = _extract(path, within, limit)
            (taken if found else bare).append(path)
            if within != parent:
                _rename(within, parent / stem) if found else within.rmdir()
    if not taken:
        raise VisionLoraError(f"{bare[0]} {_NO_IMAGES}")
    said = f"{listed([path.name for path in taken], _SHOWN)} {'is' if len(taken) == 1 else 'are'}"
    without = f"{listed([path.name for path in bare], _SHOWN)} without images left out, "
    return f"{without if bare else ''}{said}"


def _rename(folder: Path, wanted: Path) -> None:
    """Give a folder its name; the only thing in it may have that already."""
    inside = list(folder.iterdir())
    one = inside[0] if [path.name for path in inside] == [wanted.name] else folder
    if os.path.lexists(wanted):
        raise VisionLoraError(f"{wanted.parent} holds both {wanted.name} and its archive; unpack it yourself")
    one.rename(wanted)
    if one != folder:
        folder.rmdir()


def _extract(archive: Path, folder: Path, limit: Limit) -> int:
    """Write the images and tables of an archive; return how many there are.

    Raises:
        VisionLoraError: it is none, or it cannot be unpacked, or not safely.
    """
    try:
        return _write(archive, folder, limit)
    except VisionLoraError:
        raise
    except Exception as error:  # on untrusted bytes the readers raise any error
        if isinstance(error, OSError) and error.errno in DISK_FAULTS - {errno.EIO}:
            raise MachineFault(
                f"cannot unpack {archive}: {error.strerror} where it is unpacked; free some space, or set "
                "VISIONLORA_CACHE to a folder elsewhere"
            ) from error
        with archive.open("rb") as file:
            kind = sniff(file.read(256)) or ""
        said = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        if not archive.stat().st_size:
            said = "it is empty"
        elif parts := sorted(archive.parent.glob(f"{glob.escape(archive.stem)}.[zZ][0-9][0-9]")):
            said = f"it is the last part of an archive, with {parts[0].name}"
        elif kind == "a zip archive":
            said = (
                "its end is missing (a download that was cut off?)"
                if not zipfile.is_zipfile(archive)
                else said
            )
        elif kind and kind not in _PACKINGS:
            said = f"it is {kind}"
        how = "run git lfs pull" if kind == LFS else "unpack it yourself, or download it again"
        raise VisionLoraError(f"cannot unpack {archive}: {said}; {how}") from error


def _write(archive: Path, folder: Path, limit: Limit) -> int:
    size = archive.stat().st_size
    most = limit.size
    files = 0
    for name, content in members(archive, folder, limit):
        parts = parts_of(archive, name)
        if not is_wanted(parts):
            continue
        files += 1
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_file() and zipfile.is_zipfile(archive):  # in a tar file the last one is meant
            raise VisionLoraError(f"{archive} holds {name!r}, which is there already; unpack it yourself")
        with target.open("wb") as file:
            while chunk := content.read(CHUNK):
                limit.size -= len(chunk)
                if limit.size < 0:
                    raise VisionLoraError(
                        f"{archive} ({size / 2**20:.0f} MiB) unpacks to more than {most / 2**30:.1f} GiB: "
                        "more than images do, or than the disk has room for; unpack it yourself"
                    )
                file.write(chunk)
    return files
