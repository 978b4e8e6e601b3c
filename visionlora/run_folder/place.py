"""Where a new run may write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from visionlora.errors import VisionLoraError
from visionlora.paths import with_home
from visionlora.run_folder.lock import LOCK
from visionlora.run_folder.names import LOG

ADVICE = "set hydra.run.dir=FOLDER (in a sweep hydra.sweep.dir=FOLDER)"


def require_utf8(folder: Path) -> None:
    """Refuse a run's folder that TensorBoard cannot write to, before anything is trained.

    Raises:
        VisionLoraError: the name of the folder, or of one around it, is not UTF-8.
    """
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise VisionLoraError(
            f"the run's folder {folder} has a name that is not UTF-8, which TensorBoard cannot write to; "
            f"{ADVICE}"
        ) from error


def require_no_images(folder: Path, sources: Iterable[Path]) -> None:
    """Refuse to write among a user's images: the run's own folders would be classes for the next run, and a
    class that holds a run would be taken for the run, and left out.

    Args:
        folder: of the run.
        sources: the folders that images are read from.

    Raises:
        VisionLoraError: the folder is one of them, or a folder of files within one.
    """
    place = folder.resolve()
    if {entry.name for entry in place.iterdir()} <= {LOCK, LOG}:
        return
    for source in sources:
        if place == source.resolve() or source.resolve() in place.parents:
            raise VisionLoraError(
                f"the run would write into {folder}, among the images of {source}; {ADVICE}"
            )


def image_folders(*values: Any) -> Iterator[Path]:
    """The folders that options name: each is a path, a list of paths, a word such as auto, or None."""
    for value in values:
        for one in [value] if isinstance(value, str) else value or ():
            if (folder := with_home(one)).is_dir():
                yield folder
