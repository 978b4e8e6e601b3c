"""Files are written beside their place and renamed into it: a reader never sees half of one."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from visionlora.errors import MachineFault, VisionLoraError

_NOT_WRITABLE = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG, errno.ENOTDIR,
    errno.EISDIR, errno.EEXIST, errno.ENOENT, errno.ELOOP, errno.EIO, errno.EFBIG, errno.ESTALE,
}  # fmt: skip
_TEMPORARY = re.compile(r"\..{0,40}\.[0-9a-f]{8}\.tmp", re.DOTALL)
DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.ESTALE}
"""Errors of the disk, not of what was asked for."""
_FULL = 2**16
"""Bytes: with fewer free, it is the disk that a file could not be written to."""

_KEPT = {
    "adapter_config.json": ("adapter_config.json", "adapter_model.safetensors"),
    "config.yaml": ("images.json", "kernels.json", "metrics.json", "report.html", "run.json", "status.json"),
}
"""Files that no ``output=`` replaces where a folder has them: by the file that the folder is known by."""

MOST_JSON = 2**30
"""Bytes of a JSON file that is read: the manifest of several million images."""


@contextmanager
def replacing(path: str | Path, durable: bool = False) -> Iterator[Path]:
    """Yield a path to write to; it becomes ``path`` if the block ends well, and is removed if it does not, as
    are the folders that were made for it.

    Args:
        path: of the file.
        durable: whether it is on the disk when the block ends, and stays there if the machine loses power.

    Raises:
        VisionLoraError: the file cannot be written: no permission, no space, a folder of that name.
    """
    path = Path(path)
    beside, missing = path.parent / _temporary_name(path), []
    try:
        with reported(path, beside):
            if path.is_dir():  # which raises where the name is too long: the rename would, after the work
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
            missing = [folder for folder in path.parents if not folder.exists()]
            path.parent.mkdir(parents=True, exist_ok=True)
            mode = touched(beside)  # before a library in another language fails in words of its own
            yield beside
            beside.chmod(mode)
            if durable:
                _sync(beside)
            beside.replace(path)
            if durable:
                _sync(path.parent)
    finally:
        _remove(beside)
        for folder in missing:
            with suppress(OSError):  # it holds the file
                folder.rmdir()


def touched(path: Path) -> int:
    """Make an empty file, and return the mode that new files get here: those that safetensors makes are their
    owner's alone."""
    path.touch()
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def reported(path: Path, beside: Path) -> Iterator[None]:
    """Inside, what keeps ``path`` from being written is reported as an error about it.

    Args:
        path: of the file.
        beside: what becomes it, a file or a folder with files.

    Raises:
        VisionLoraError: no permission, no space, a folder of that name.
    """
    try:
        yield
    except OSError as error:
        own = error.filename is None
        if isinstance(error.filename, str | bytes):
            about = Path(os.fsdecode(error.filename))
            own = about in (path, *path.parents) or about.is_relative_to(beside)
        if error.errno not in _NOT_WRITABLE or not own:
            raise
        raise _cannot_write(path, error) from error
    except VisionLoraError:
        raise
    except Exception as error:  # of a library that has words of its own for a full disk
        number = _system_error(error, path.parent)
        if number is None:
            raise
        raise _cannot_write(path, OSError(number, os.strerror(number))) from error


def require_writable(path: str | Path, key: str, *sources: str | None) -> None:
    """Check that a file can be written before the work for it is done; nothing is made.

    Args:
        path: of the file; folders that are missing will be made.
        key: the option that names it, for the error.
        sources: files that are read for it, and other texts.

    Raises:
        VisionLoraError: it cannot, or a source or a file of a run or an adapter would be lost.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise VisionLoraError(f"{key}: {path} is a folder; give the name of a file")
        for mark, names in _KEPT.items():
            if path.name in names and (path.parent / mark).is_file():
                what = "an adapter" if mark == "adapter_config.json" else "a run"
                raise VisionLoraError(f"{key}: {path} is a file of {what}; name another file")
        if path.exists() and any(source and path.resolve() == Path(source).resolve() for source in sources):
            raise VisionLoraError(f"{key}: {path} is the file that is read; name another file")
        (path.parent / _temporary_name(path)).exists()  # refuses a name that is too long
        folder = next(one for one in (path.parent, *path.parent.parents) if one.exists())
        probe = folder / _temporary_name(path)
        try:
            probe.touch()
        finally:
            _remove(probe)
    except OSError as error:
        raise _cannot_write(path, error, f"{key}: ") from error


def require_all_writable(**files: str | None) -> None:
    """:func:`require_writable` for each option that names a file; None names none."""
    for key, path in files.items():
        if path is not None:
            require_writable(path, key)


def write_json(path: str | Path, value: Any, indent: int | None = None) -> None:
    """Write a value as JSON in UTF-8, completely or not at all.

    Bytes of a file name that are not UTF-8, lone surrogates in Python's texts, become JSON's own escapes
    (``\\udce4``): the file is valid, and ``json.loads`` gives the same name again.

    Raises:
        ValueError: NaN or infinity, which JSON does not have.
        VisionLoraError: the file cannot be written.
    """
    with replacing(path) as beside:
        beside.write_text(f"{json_text(value, indent)}\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """What a JSON file holds; it may be untrusted.

    Raises:
        VisionLoraError: it cannot be read, has more than :data:`MOST_JSON` bytes, or is not JSON.
    """
    path = Path(path)
    try:
        require_regular(path)
        if path.stat().st_size > MOST_JSON:
            raise ValueError(f"more than {MOST_JSON >> 20} MiB")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise VisionLoraError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise VisionLoraError(f"{path} is not JSON ({error}); write it again") from error


def require_regular(path: Path) -> None:
    """Refuse a pipe, which would be waited for, and a device, which may have no end.

    Raises:
        OSError: it is one, or is not there.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is not an ordinary file", str(path))


def is_regular(path: Path, most: float = math.inf) -> bool:
    """Whether a path is a file, and no pipe or device, of at most ``most`` bytes."""
    try:
        status = path.stat()
    except (OSError, ValueError):  # a link to nothing; a name with a zero byte
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size <= most


def link_outside(folder: Path) -> Path | None:
    """A link in a folder, at any depth, that leads out of it; None: there is none."""
    own = os.path.realpath(folder)
    for one in sorted(folder.rglob("*")):
        if one.is_symlink() and os.path.commonpath([own, os.path.realpath(one)]) != own:
            return one
    return None


def json_text(value: Any, indent: int | None = None) -> str:
    """A value as JSON that UTF-8 can encode; letters of every script stay as they are."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def remove_unfinished(folder: Path) -> None:
    """Remove what :func:`replacing` was writing in ``folder``, at any depth, when its process was killed."""
    for file in folder.rglob(".*.tmp"):
        if _TEMPORARY.fullmatch(file.name) and file.is_file():
            _remove(file)


def _sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    if path.is_dir() and os.name != "posix":
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot flush
            raise
    finally:
        os.close(descriptor)


def _temporary_name(path: Path) -> str:
    # No longer than the longest name that a file system takes (255 bytes), whatever the file is called.
    return f".{path.name[:40]}.{secrets.token_hex(4)}.tmp"  # as _TEMPORARY has it


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # there is no such folder
        return


def _system_error(error: Exception, folder: Path) -> int | None:
    """The system's error behind a library's own; None: there is none."""
    named = re.search(r"\(os error (\d+)\)", str(error))  # as Rust says it
    if named:
        return int(named[1])
    try:
        # PyTorch's writer counts bytes and forgets why some are missing: a quota, or a limit of file sizes.
        if "PytorchStreamWriter" in str(error) or "unexpected pos" in str(error):
            return errno.ENOSPC if shutil.disk_usage(folder).free < _FULL else errno.EIO
        return errno.ENOSPC if shutil.disk_usage(folder).free < _FULL else None
    except OSError:
        return None


def cannot_use(error: OSError) -> VisionLoraError:
    """An error of the system in words: of the machine, or one that another path avoids."""
    path = None if error.filename is None else Path(os.fsdecode(error.filename))
    return _cannot("used", path, error)


def _cannot_write(path: Path, error: OSError, key: str = "") -> VisionLoraError:
    return _cannot("written", path, error, key)


def _cannot(what: str, path: Path | None, error: OSError, key: str = "") -> VisionLoraError:
    said = f"{key}{'a file' if path is None else path} cannot be {what}: {error.strerror}"
    if error.errno in DISK_FAULTS:
        space = "free some space, or " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        return MachineFault(f"{said}; {space}name another folder")
    return VisionLoraError(f"{said}; name another file")
