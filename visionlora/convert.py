"""An adapter in another format: ``python -m visionlora.convert from=PATH to=lycoris
output=NAME.safetensors``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import Command, launch
from visionlora.errors import called
from visionlora.lazy import garbage_kept
from visionlora.models.arithmetic_config import ConvertConfig
from visionlora.settings import build, plain

COMMAND = Command(
    "convert",
    "write an adapter in the format of PEFT, LyCORIS or loralib, or read one of theirs",
    ConvertConfig,
    (
        "visionlora convert from=RUN to=peft output=FOLDER",
        "visionlora convert from=RUN to=lycoris output=adapter.safetensors",
        "visionlora convert from=lycoris.safetensors model=resnet18 output=FOLDER",
        "visionlora convert from=loralib.pt alpha=16 model=resnet18 output=FOLDER",
    ),
)


def convert(config: DictConfig) -> int:
    """Read the adapter, whatever its format, and write it."""
    options = build(ConvertConfig, plain(config))
    with garbage_kept():
        from visionlora.models.convert_adapter import convert_adapter

    with called("adapter", "from"):
        convert_adapter(options)
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(convert, COMMAND)


if __name__ == "__main__":
    main()
