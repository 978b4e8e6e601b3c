"""The options of a run that another one continues from (``adapter=RUN``)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from visionlora.errors import VisionLoraError
from visionlora.paths import with_home
from visionlora.run_folder.compare import anchored, value_of
from visionlora.run_folder.config_file import load_config, set_value
from visionlora.run_folder.names import CONFIG, RECORD
from visionlora.run_folder.record import Record
from visionlora.settings import Key
from visionlora.value_text import shown

OWN = ("seed", "adapter", "resume", "data", "model.head", "lora.restart_every", "lora.restart_rank")
"""Options and groups that a run does not take from the one that it continues from: its images are others, and
restarts can't be added to an adapter."""


def take_options(config: DictConfig, given: Mapping[str, Any], keys: Mapping[str, Key]) -> str | None:
    """Give ``config`` the options of the run that ``config.adapter`` names, but for those that are given and
    those of its own images.

    Args:
        config: of the new run; changed in place.
        given: options that the command line sets, by name.
        keys: every option of the command.

    Returns:
        Which options this changed, in words; None: none, or the adapter is in no run's folder.

    Raises:
        VisionLoraError: the run's options cannot be read.
    """
    adapter = with_home(str(config.adapter))
    run = next((one for one in (adapter, adapter.parent) if (one / CONFIG).is_file()), None)
    if run is None:
        return None
    try:
        earlier = load_config(run / CONFIG)
        directory = Record(run / RECORD).get("directory")
        if directory is not None:
            anchored(earlier, keys, Path(directory))
    except (OSError, ValueError, RecursionError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise VisionLoraError(
            f"adapter: the options of its run cannot be read from {run / CONFIG}: {error}; correct the file, "
            "or copy the adapter directory elsewhere, and the options are the defaults"
        ) from error
    taken = []
    for name in keys:
        if name in given or {name, name.partition(".")[0]} & set(OWN):
            continue
        own, value = (
            value_of(config, name),
            OmegaConf.select(earlier, name, default=OmegaConf.select(config, name)),
        )
        if OmegaConf.is_config(value):
            value = OmegaConf.to_container(value, resolve=True)
        if value != own:
            set_value(config, name, value)
            taken.append(f"{name}={shown(value)}")
    return f"options taken from {run / CONFIG}: {', '.join(taken)}" if taken else None
