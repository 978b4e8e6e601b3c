"""The runs below a folder, and what their configurations have and others have not."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from visionlora.errors import VisionLoraError
from visionlora.run_folder.compare import absolute
from visionlora.run_folder.folder import RunFolder
from visionlora.run_folder.names import CONFIG, METRICS, RECORD
from visionlora.run_folder.record import Record
from visionlora.settings import Key
from visionlora.value_text import written


@dataclass(frozen=True)
class FoundRun:
    """A run.

    Attributes:
        path: its folder.
        options: its configuration, by key.
        directory: that it was started in; its relative paths start there.
        problem: why its configuration cannot be read; None: it can.
    """

    path: Path
    options: Mapping[str, Any]
    problem: str | None = None
    directory: Path = Path()

    @property
    def finished(self) -> bool:
        """Whether it has figures."""
        return (self.path / METRICS).is_file()


def find_runs(folder: Path) -> list[FoundRun]:
    """Every run in ``folder`` and below, by path; the folds of a cross-validation are parts of theirs.

    Raises:
        VisionLoraError: there is no such folder, or no run in it.
    """
    if folder.is_file():
        raise VisionLoraError(f"folder: {folder} is a file; give a folder that holds runs")
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


def varied_options(runs: Sequence[FoundRun], keys: Mapping[str, Key]) -> list[dict[str, str]]:
    """For each run the options that not all runs have alike, as a configuration file has them.

    A path is the same whether it is written from the run's directory or whole.

    Args:
        runs: to compare.
        keys: every option of a run.
    """
    readable = [run for run in runs if run.problem is None]
    names = dict.fromkeys(name for run in readable for name in run.options)
    differing = [
        name for name in names if len({_compared(run, name, keys.get(name)) for run in readable}) > 1
    ]
    return [{name: _told(run.options[name]) for name in differing if name in run.options} for run in runs]


def _compared(run: FoundRun, name: str, key: Key | None) -> str:
    value = run.options.get(name)
    return written(absolute(value, run.directory) if key is not None and key.rule.path else value)


def _told(value: Any) -> str:
    return value if isinstance(value, str) else written(value)


def _read(path: Path) -> FoundRun:
    try:
        config = OmegaConf.to_container(RunFolder(path, continues=True).config(), resolve=True)
    except VisionLoraError as error:
        return FoundRun(path, {}, str(error).removeprefix("resume: "))
    return FoundRun(path, _flat(config), directory=_directory(path))


def _directory(run: Path) -> Path:
    try:
        return Path(Record(run / RECORD).get("directory", "."))
    except VisionLoraError:  # the figures do not need it
        return Path()


def _flat(config: Any, prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        # Mappings of a group are its keys; one below is the value of an option.
        flat |= _flat(value, f"{name}.") if isinstance(value, Mapping) and not prefix else {name: value}
    return flat
