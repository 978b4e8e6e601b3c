"""What is imported when it is first used, and in less time."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any


def names_of_api(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a package that offers the names of its module ``api``, for
    ``import *`` too.

    They are imported when first used: ``--help`` needs the options in ``package.config``, and not torch. None
    of them may be the name of a module: ``from package import module`` may stand in a module that ``api``
    imports, when ``api`` cannot be asked yet.
    """

    def find(name: str) -> Any:
        if name == "__all__":
            return importlib.import_module(f"{package}.api").__all__
        if name.startswith("__"):
            raise AttributeError(name)
        if find_spec(f"{package}.{name}") is not None:
            return importlib.import_module(f"{package}.{name}")
        return getattr(importlib.import_module(f"{package}.api"), name)

    def names() -> list[str]:
        return [*vars(importlib.import_module(package)), *find("__all__")]

    return find, names


@contextmanager
def garbage_kept() -> Iterator[None]:
    """Inside, Python does not look for objects that nothing refers to but each other.

    Of the objects that an import makes, and of those for each image of a folder, hardly any are; looking for
    them takes a quarter to a third of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
