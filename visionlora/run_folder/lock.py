"""One run at a time writes into a folder."""

from __future__ import annotations

import errno
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from visionlora.errors import MachineFault, VisionLoraError
from visionlora.files import DISK_FAULTS

LOCK = ".lock"

_claimed: set[str] = set()
"""The folders of this process: the system's locks do not keep a process out of its own files."""


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Inside, the folder belongs to this process. It is made where it is missing.

    The system keeps the lock, and drops it when the process ends in whatever way.

    Raises:
        VisionLoraError: another run has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, name = folder / LOCK, os.path.realpath(folder)
    if name in _claimed:
        raise VisionLoraError(_taken(folder, ""))
    descriptor = _locked(path)
    _claimed.add(name)
    try:
        yield
    finally:
        _claimed.discard(name)
        # Before it is unlocked: a process that opened it meanwhile finds that it is gone, and makes another.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path) -> int:
    """The descriptor of the lock file, locked, with this process's name in it."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
            kind = MachineFault if error.errno in DISK_FAULTS else VisionLoraError
            raise kind(
                f"{path.parent} cannot be written into: {error.strerror}; copy the folder to where you can "
                f"write (cp -r {shlex.quote(str(path.parent))} COPY), and name the copy"
            ) from error
        try:
            _lock(descriptor)
        except OSError as error:
            owner = os.read(descriptor, 200).decode("utf-8", "replace")
            os.close(descriptor)
            if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                raise VisionLoraError(_taken(path.parent, owner)) from error
            raise VisionLoraError(
                f"{path} cannot be locked ({error.strerror}), so another run could write into the same "
                "folder; set hydra.run.dir=FOLDER on a file system that has locks"
            ) from error
        if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
            break
        os.close(descriptor)  # its owner removed it between our opening and locking it
    os.truncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
    return descriptor


def _lock(descriptor: int) -> None:
    # Locks of the process, which worker processes do not inherit: they may outlive a run that is killed.
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _taken(folder: Path, owner: str) -> str:
    by = f" by {owner}" if owner else ""
    return f"{folder} is used{by}: two runs cannot share a folder; name another with hydra.run.dir=FOLDER"
