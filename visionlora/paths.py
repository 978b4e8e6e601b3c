"""Where the files that ship with the project lie, in the checkout or inside a wheel, and where caches go."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from pathlib import Path

from visionlora.errors import VisionLoraError
from visionlora.this_process import this_process

_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "shipped" if (_PACKAGE / "shipped").is_dir() else _PACKAGE.parent


def shipped(relative: str) -> Path:
    """The absolute path of ``conf/...`` or ``data/...`` as shipped, wherever the package is installed."""
    return _SHIPPED / relative


def require_current_folder() -> None:
    """Refuse a folder that was removed under the shell that is in it: nothing could be looked up.

    Raises:
        VisionLoraError: it is gone.
    """
    try:
        Path.cwd()
    except OSError as error:
        raise VisionLoraError(
            "the current folder is not there any more: it was removed, or removed and made again; cd to one "
            'that is there (where it was made again: cd "$PWD")'
        ) from error


def with_home(path: str | Path) -> Path:
    """The path with the home folder for ``~``; of a user that this machine does not know, as it is."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path raises for an unknown user


def cache_directory() -> Path | None:
    """Where what was found out once is kept; None: nowhere (VISIONLORA_CACHE is empty, or nobody knows the
    home folder, as in a container of another user's)."""
    directory = os.environ.get("VISIONLORA_CACHE")
    if directory is None:
        cache = with_home(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "visionlora"
        return cache if cache.parts[0] != "~" else None
    return Path(directory) if directory else None


def program(name: str, module: str) -> tuple[str, ...]:
    """The words that start one of the programs of this Python, for a shell.

    Args:
        name: of the program; enough where the shell finds it.
        module: what ``python -m`` runs where it is not installed.
    """
    if shutil.which(name):
        return (name,)
    beside = Path(sys.executable).with_name(name)
    return (str(beside),) if beside.is_file() else (sys.executable, "-m", module)


def new_folder(path: str) -> str:
    """Make a folder that nobody else has: ``path``, or ``path_2``, ``path_3``, ... where that is there.

    One that cannot be made is ``path``, about which its user complains. So it is where several
    processes start together: they agree on the folder later.
    """
    if this_process().count > 1:
        return path
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return path
    for number in itertools.count(1):
        name = path if number == 1 else f"{path}_{number}"
        try:
            Path(name).mkdir()
        except FileExistsError:
            continue
        except OSError:
            break
        return name
    return path
