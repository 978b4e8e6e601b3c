"""Write plain torchvision weights: ``python -m visionlora.merge adapter=RUN output=NAME.safetensors``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import Command, launch
from visionlora.lazy import garbage_kept
from visionlora.models.config import MergeConfig
from visionlora.settings import build, plain

COMMAND = Command(
    "merge",
    "write plain weights, which torchvision loads, with the adapter merged in",
    MergeConfig,
    (
        "visionlora merge adapter=RUN output=merged.safetensors",
        "visionlora merge adapter=[RUN,OTHER] adapter.weights=[0.7,0.3] output=merged.safetensors",
    ),
)


def merge(config: DictConfig) -> int:
    """Merge the adapter into the weights and write them, with the class names beside them."""
    options = build(MergeConfig, plain(config))
    with garbage_kept():
        from visionlora.models.merge_weights import write_merged

    write_merged(options)
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(merge, COMMAND)


if __name__ == "__main__":
    main()
