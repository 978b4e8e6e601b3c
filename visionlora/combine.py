"""Arithmetic on adapters: ``python -m visionlora.combine adapters=[RUN,OTHER] output=FOLDER``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import Command, launch
from visionlora.errors import called
from visionlora.lazy import garbage_kept
from visionlora.models.arithmetic_config import CombineConfig
from visionlora.settings import build, plain

COMMAND = Command(
    "combine",
    "make one adapter of several: add, subtract, average, TIES, DARE, another rank",
    CombineConfig,
    (
        "visionlora combine adapters=[RUN,OTHER] weights=[0.7,0.3] output=FOLDER",
        "visionlora combine adapters=[RUN,OTHER] method=ties density=0.3 rank=16 output=FOLDER",
        "visionlora combine adapters=[RUN] rank=4 output=FOLDER",
    ),
)


def combine(config: DictConfig) -> int:
    """Write the combination, and say how much of each layer's update it keeps."""
    options = build(CombineConfig, plain(config))
    with garbage_kept():
        from visionlora.models.combine_adapters import combine_adapters

    with called("adapter", "adapters"):
        combine_adapters(options)
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(combine, COMMAND)


if __name__ == "__main__":
    main()
