"""A run's folder in each of several processes."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from visionlora.processes import agreed
from visionlora.run_folder.folder import RunFolder
from visionlora.run_folder.names import CONFIG, KERNELS, RECORD
from visionlora.this_process import this_process


def shared(folder: RunFolder | None, config: DictConfig | None = None) -> RunFolder:
    """A run's folder in one of several processes.

    Args:
        folder: of the first process; None in the others. Each of these gets a folder of its own within it,
            with what the run was told and has decided so far.
        config: of the run, in the first process.
    """
    files = None
    if folder is not None:
        found = (folder.path / name for name in (RECORD, KERNELS))
        told = {path.name: path.read_bytes() for path in found if path.exists()}
        # Not its file: the paths of a run that is resumed elsewhere are relative to where it was begun.
        files = folder.path, {**told, CONFIG: OmegaConf.to_yaml(config, resolve=True).encode()}
    first = agreed(files)
    if folder is not None or first is None:
        return folder or RunFolder(Path(), continues=False)
    own = first[0] / f".process-{this_process().rank}"
    own.mkdir(parents=True, exist_ok=True)
    for name, content in first[1].items():
        (own / name).write_bytes(content)
    return RunFolder(own, continues=True)
