"""What lies in a folder, without what file managers, NAS boxes, notebooks and our own runs leave there."""

from __future__ import annotations

import errno
import itertools
import logging
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from visionlora.data.files.formats import FORMATS, SUFFIXES, sniff
from visionlora.data.files.not_images import content_hint, is_unknown, name_hint, only_bytes_tell
from visionlora.data.files.share import may_pass, retried
from visionlora.data.files.system_files import is_system_file
from visionlora.errors import VisionLoraError
from visionlora.files import is_regular
from visionlora.text import listed

_log = logging.getLogger(__name__)
watcher: ContextVar[Callable[[int], None] | None] = ContextVar("watcher", default=None)
"""Told about each file that is found: a long folder takes minutes, and many functions lead here."""
_CERTAIN = frozenset(FORMATS) - {"TIFF", "BMP", "PPM"}
"""Formats that the first bytes of a file tell for certain."""
_OF_HUB = ("blobs", "refs")
"""Beside ``snapshots`` in the cache of Hugging Face: the same images without their names."""
_WINDOWS_BINS = ("recycled", "recycle bin")
_OF_BINS = ("info2", "info")
_OF_BIN = b"645FF040"  # in its desktop.ini; folders with an icon of their own have one, too
_RUN_NAMES = ("outputs", "multirun")
_OF_TRAINERS = frozenset(("model", "models", "checkpoint", "checkpoints", "weights", "log", "logs"))
_YOLO_OPTIONS = ("args.yaml", "opt.yaml")
"""What Ultralytics leaves in ``runs/<task>/<run>``, beside sheets of training images."""
_RUN_STAMP = re.compile(r"\d{4}-\d\d-\d\d(_\d\d-\d\d-\d\d(_\d+)?)?")


@dataclass(frozen=True)
class Entries:
    """What lies directly in a folder, each sorted."""

    folders: tuple[Path, ...]
    images: tuple[Path, ...]
    others: tuple[Path, ...]


def entries(folder: Path) -> Entries:
    """What lies directly in ``folder``, without system files; symbolic links are followed.

    Raises:
        VisionLoraError: the folder cannot be read.
    """
    try:
        found = retried(folder, lambda: sorted(os.scandir(folder), key=lambda entry: entry.name))
    except OSError as error:
        raise unreadable(folder, error) from error
    folders: list[Path] = []
    images: list[Path] = []
    others: list[Path] = []
    names = {entry.name for entry in found}
    for entry in found:
        if is_system_file(entry.name) or (entry.name in _OF_HUB and {"snapshots", *_OF_HUB} <= names):
            continue
        path = folder / entry.name
        if _is_folder(entry):
            if not is_run_folder(path):
                folders.append(path)
        else:
            (images if is_image(path) else others).append(path)
    return Entries(tuple(folders), tuple(images), tuple(others))


def names_in(folder: Path) -> set[str]:
    """The names of all that lies directly in ``folder``, in a tenth of the time of :func:`entries`.

    Raises:
        VisionLoraError: the folder cannot be read.
    """
    try:
        return set(retried(folder, lambda: os.listdir(folder)))  # noqa: PTH208 - names alone
    except OSError as error:
        raise unreadable(folder, error) from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or what may not be looked at
        return False


def walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """All files below ``folder``, symbolic links followed: (images, others), each sorted.

    Raises:
        VisionLoraError: a folder that cannot be read.
    """
    images: list[Path] = []
    others: list[Path] = []
    report = watcher.get()
    for path in _files(folder):
        (images if is_image(path) else others).append(path)
        if report is not None:
            report(1)
    return sorted(images, key=by_parts), sorted(others, key=by_parts)


def by_parts(path: Path) -> tuple[str, ...]:
    """The key of the order of paths, which compare several times slower themselves."""
    return path.parts


@contextmanager
def watched(report: Callable[[int, None], None]) -> Iterator[None]:
    """Inside, ``report`` is called with how many files were found so far, and None: how many there are is not
    known."""
    count = itertools.count(1)
    token = watcher.set(lambda _: report(next(count), None))
    try:
        yield
    finally:
        watcher.reset(token)


def has_images(folder: Path) -> bool:
    """Whether there is an image at any depth below ``folder``."""
    return any(map(is_image, _files(folder)))


def _files(folder: Path) -> Iterator[Path]:
    again: list[str] = []

    def note_failure(error: OSError) -> None:
        folder = os.fsdecode(error.filename)
        if not may_pass(error):
            raise unreadable(Path(folder), error) from error
        again.append(folder)

    # A link to a folder above would lead round in circles. Path.resolve would raise for a link to itself.
    top = os.path.realpath(folder)
    been_in = {top, *map(str, Path(top).parents)}
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=note_failure):
        here = Path(parent)
        kept = []
        for name in folders:
            real = os.path.realpath(here / name)
            if real not in been_in and not is_system_file(name) and not is_run_folder(here / name):
                been_in.add(real)
                kept.append(name)
        folders[:] = kept
        yield from (here / name for name in files if not is_system_file(name))
    for failed in again:
        try:
            retried(failed, lambda: os.listdir(failed))  # noqa: B023, PTH208
        except OSError as error:
            raise unreadable(Path(failed), error) from error
        yield from _files(Path(failed))


def is_image(path: Path) -> bool:
    """Whether a file is an image: by its suffix, or by its first bytes where it has none worth the name."""
    suffix = path.suffix.casefold()
    if suffix in SUFFIXES:
        return True
    if only_bytes_tell(suffix):
        return _sniffed(path) in FORMATS
    # Raw files of cameras and scans are TIFFs, and two letters at the start of a file say little.
    return is_unknown(suffix) and _sniffed(path) in _CERTAIN


def _sniffed(path: Path) -> str | None:
    """What a file is by its first bytes; None: not known, or it cannot be read."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return sniff(file.read(256))
    except OSError:
        return None


def is_run_folder(folder: Path) -> bool:
    """Whether training wrote this folder: a run, or ``outputs`` with runs in it (or nothing yet). Or Python:
    a virtual environment. Or Windows: the ``Recycled`` of an old disk, which may be a class, too. Or another
    trainer: its ``runs``, and ``models`` or ``logs`` without images, as fastai, Keras and Kohya's leave."""
    try:
        inside = set(os.listdir(folder))  # noqa: PTH208 - names alone
    except OSError:  # whoever reads it says so
        return False
    if folder.name.casefold() in _WINDOWS_BINS:
        if any(name.casefold() in _OF_BINS or name.startswith("S-1-") for name in inside):
            return True
        return is_regular(folder / "desktop.ini") and _OF_BIN in (folder / "desktop.ini").read_bytes().upper()
    of_run = "config.yaml" in inside and {"adapter", "checkpoints", "run.json", "tensorboard"} & inside
    if of_run or "pyvenv.cfg" in inside:
        return True
    if folder.name.casefold() in _OF_TRAINERS:
        return not has_images(folder)
    if folder.name == "runs" and any(path.name in _YOLO_OPTIONS for path in folder.glob("*/*/*.yaml")):
        return True
    if folder.name not in _RUN_NAMES:
        return False
    below = [folder]
    for _ in range(3):  # outputs/<data>/<model>/<time>
        try:
            below = [path for one in below for path in one.iterdir() if not is_system_file(path.name)]
        except OSError:
            return False
        if any(path.is_file() and is_image(path) for path in below):
            return False
        below = [path for path in below if path.is_dir()]
        if stamped := [path for path in below if _RUN_STAMP.fullmatch(path.name)]:
            return not any(folder == path.parent and _holds_images(path) for path in stamped)
    return not below or not has_files(folder)


def _holds_images(folder: Path) -> bool:
    """Whether images lie directly in ``outputs/2024-01-01``: Fooocus' pictures of a day."""
    return any(
        path.is_file() and not is_system_file(path.name) and is_image(path) for path in folder.iterdir()
    )


def has_files(folder: Path) -> bool:
    """Whether there is any file below ``folder``, system files included."""
    return any(files for _, _, files in os.walk(folder))


def kinds(files: Iterable[Path]) -> str:
    """`` (3 .heic, 1 .txt)``, or nothing."""
    counted = Counter(path.suffix.casefold() or "without suffix" for path in files)
    return f" ({', '.join(f'{count} {kind}' for kind, count in counted.most_common(5))})" if counted else ""


def skipped_notes(skipped: Iterable[Path]) -> list[str]:
    """What was left out because it is not an image, and how it becomes one where that is known."""
    files = list(skipped)
    if not files:
        return []
    count = "1 file that is not an image" if len(files) == 1 else f"{len(files)} files that are not images"
    return [f"left out {count}{kinds(files)}", *hints(files)]


def warn_of_skipped(root: Path, skipped: Iterable[Path]) -> None:
    """Say once how many files were left out because they are not images."""
    for note in skipped_notes(skipped):
        _log.warning("%s: %s", root, note)


def hints(files: Iterable[Path]) -> list[str]:
    """What to do about files that are not read but could be, a line a kind of file."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for path in files:
        suffix = path.suffix.casefold()
        untold = only_bytes_tell(suffix) or is_unknown(suffix)
        if hint := name_hint(path.name) or (untold and (_broken(path) or content_hint(_sniffed(path)))):
            counted[hint][suffix] += 1
    lines = []
    for hint, found in sorted(counted.items(), key=lambda item: (-item[1].total(), min(item[1]))):
        are = "files are" if found.total() > 1 else "file is one of"
        if len(found) > 1 or not next(iter(found)):
            which = listed([suffix or "without suffix" for suffix in sorted(found)], 4)
            are = f"files ({which}) are" if found.total() > 1 else f"file ({which}) is one of"
            lines.append(f"{found.total()} {are} {hint}")
        else:
            lines.append(f"{found.total()} {next(iter(found))} {are} {hint}")
    return lines


def _broken(path: Path) -> str | None:
    """What a link to nothing is, which may have been a class folder."""
    gone = os.path.islink(path) and not os.path.exists(path)  # noqa: PTH110, PTH114 - a loop is none, too
    return "links to what is not there; repair them" if gone else None


def unreadable(path: Path, error: OSError) -> VisionLoraError:
    """A folder or file that cannot be read, with what helps."""
    if error.errno == errno.ENAMETOOLONG:
        some = os.path.join(*path.parts[:3])  # noqa: PTH118 - of an absolute path, too
        return VisionLoraError(f"cannot read all below {some}: its folders lie too deep; move them up")
    advice = {
        errno.EACCES: "check its permissions",
        errno.EPERM: "check its permissions",
        errno.ENOENT: "it has just been removed; run the command again",
    }.get(error.errno or 0, "copy it to another disk, and name the copy")
    return VisionLoraError(f"cannot read {path}: {error.strerror}; {advice}")
