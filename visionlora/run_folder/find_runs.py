"""The runs below a folder, and what their configurations have and others have not."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from visionlora.errors import VisionLoraError
from visionlora.options import shown
from visionlora.run_folder.folder import RunFolder
from visionlora.run_folder.names import CONFIG, METRICS, RECORD


@dataclass(frozen=True)
class FoundRun:
    """A run.

    Attributes:
        path: its folder.
        options: its configuration, by key.
        problem: why its configuration cannot be read; None: it can.
    """

    path: Path
    options: Mapping[str, Any]
    problem: str | None = None

    @property
    def finished(self) -> bool:
        """Whether it has figures."""
        return (self.path / METRICS).is_file()


def find_runs(folder: Path) -> list[FoundRun]:
    """Every run in ``folder`` and below, by path; the folds of a cross-validation are parts of theirs.

    Raises:
        VisionLoraError: there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise VisionLoraError(f"folder: there is no folder {folder}; give one that holds runs")
    found = []
    for path, folders, files in os.walk(folder):
        if CONFIG in files and (RECORD in files or METRICS in files):
            folders.clear()
            found.append(_read(Path(path)))
    if not found:
        raise VisionLoraError(f"folder: {folder} holds no run (none has a {CONFIG}); give one that does")
    return sorted(found, key=lambda run: run.path)


def varied_options(runs: Sequence[FoundRun]) -> list[dict[str, str]]:
    """For each run the options that not all runs have alike, as a configuration file has them."""
    readable = [run for run in runs if run.problem is None]
    keys = dict.fromkeys(key for run in readable for key in run.options)
    differing = [key for key in keys if len({shown(run.options.get(key)) for run in readable}) > 1]
    return [{key: _told(run.options[key]) for key in differing if key in run.options} for run in runs]


def _told(value: Any) -> str:
    return value if isinstance(value, str) else shown(value)


def _read(path: Path) -> FoundRun:
    try:
        config = OmegaConf.to_container(RunFolder(path, continues=True).config(), resolve=True)
    except VisionLoraError as error:
        return FoundRun(path, {}, str(error).removeprefix("resume: "))
    return FoundRun(path, _flat(config))


def _flat(config: Any, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        # Mappings of a group are its keys; one below is the value of an option.
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) and not prefix else {name: value}
    return flat
