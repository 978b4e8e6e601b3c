"""The checkpoints of a run: the last two are kept, and a damaged one is passed over."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from visionlora.errors import VisionLoraError
from visionlora.run_folder.lost_results import was_removed
from visionlora.run_folder.state_file import read_state, write_state

KEPT = 2
_NAME = re.compile(r"step-(\d+)\.safetensors")


class Checkpoints:
    """Checkpoints in a folder, one file each, named by the optimizer step.

    Args:
        folder: made with the first one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, step: int, state: Mapping[str, Any]) -> None:
        """Write a checkpoint, then remove all but the last two.

        Raises:
            VisionLoraError: it cannot be written; the others are still there.
            MachineFault: the folder of the run is gone.
        """
        if not self.folder.parent.is_dir():
            raise was_removed(self.folder.parent)
        write_state(self.folder / f"step-{step}.safetensors", state)
        for path in self._newest_first()[KEPT:]:
            path.unlink(missing_ok=True)

    def newest(self, warn: Callable[[str], None]) -> dict[str, Any] | None:
        """The newest checkpoint that is undamaged; None: there is none.

        Args:
            warn: told about each damaged one.

        Raises:
            VisionLoraError: there are some, and all of them are damaged.
        """
        paths = self._newest_first()
        for path in paths:
            try:
                return read_state(path)
            except VisionLoraError as error:
                warn(f"{error}; the checkpoint before it is taken")
        if paths:
            raise VisionLoraError(
                f"every checkpoint in {self.folder} is damaged; remove the folder to start from step 0"
            )
        return None

    @property
    def last_step(self) -> int | None:
        """The step of the newest one; None: there is none."""
        paths = self._newest_first()
        return int(paths[0].stem.removeprefix("step-")) if paths else None

    def _newest_first(self) -> list[Path]:
        found = [(int(match[1]), path) for path in self._files() if (match := _NAME.fullmatch(path.name))]
        return [path for _, path in sorted(found, reverse=True)]

    def _files(self) -> list[Path]:
        return list(self.folder.iterdir()) if self.folder.is_dir() else []
