"""An adapter of a full fine-tune: ``python -m visionlora.extract model=NAME tuned=FILE output=FOLDER``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import Command, launch
from visionlora.lazy import garbage_kept
from visionlora.models.arithmetic_config import ExtractConfig
from visionlora.settings import build, plain

COMMAND = Command(
    "extract",
    "make an adapter of a full fine-tune: what differs from the weights before it",
    ExtractConfig,
    (
        "visionlora extract model=resnet18 tuned=tuned.safetensors rank=8 output=FOLDER",
        "visionlora extract model=resnet18 base=before.pth tuned=after.pth rank=full output=FOLDER",
    ),
)


def extract(config: DictConfig) -> int:
    """Write the adapter, and say how much of each layer's difference it keeps."""
    options = build(ExtractConfig, plain(config))
    with garbage_kept():
        from visionlora.models.combine_adapters import extract_adapter

    extract_adapter(options)
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(extract, COMMAND)


if __name__ == "__main__":
    main()
