"""What to give in place of a path that is no run's folder."""

from __future__ import annotations

from pathlib import Path

from visionlora.errors import VisionLoraError
from visionlora.run_folder.names import CONFIG, RECORD, STATUS
from visionlora.text import listed

_SHOWN = 5


def no_run(path: Path) -> VisionLoraError:
    """The error of ``resume=PATH`` where PATH is no run's folder, with the run that may be meant.

    Args:
        path: as the user wrote it.
    """
    above = next((folder for folder in path.parents if _is_run(folder)), None)
    if above is not None:
        return VisionLoraError(f"resume: {path} is a part of a run; give the run, resume={above}")
    below = [str(found.parent) for found in sorted(path.glob(f"*/{CONFIG}")) if _is_run(found.parent)]
    if below:
        return VisionLoraError(
            f"resume: {path} holds runs and is not one; give one of {listed(below, _SHOWN)}"
        )
    return VisionLoraError(
        f"resume: {path} holds no run (there is no {CONFIG} in it); give the folder of a run, or start it "
        "again"
    )


def _is_run(folder: Path) -> bool:
    """Not only a configuration: a project may have one of that name in its own folder."""
    return (folder / CONFIG).is_file() and any(
        (folder / name).exists() for name in (RECORD, STATUS, "checkpoints", "adapter")
    )
