"""Where the files that ship with the project lie, in the checkout or inside a wheel, and where caches go."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "shipped" if (_PACKAGE / "shipped").is_dir() else _PACKAGE.parent


def shipped(relative: str) -> Path:
    """The absolute path of ``conf/...`` or ``data/...`` as shipped, wherever the package is installed."""
    return _SHIPPED / relative


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
