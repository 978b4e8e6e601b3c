"""Write a network for another runtime: ``python -m visionlora.export adapter=RUN output=NAME.onnx``."""

from __future__ import annotations

from omegaconf import DictConfig

from visionlora.command import Command, launch
from visionlora.exporting.config import ExportConfig
from visionlora.lazy import garbage_kept
from visionlora.settings import build, plain

COMMAND = Command(
    "export",
    "write the trained network for ONNX Runtime and others, compared with PyTorch",
    ExportConfig,
    (
        "visionlora export adapter=RUN output=network.onnx",
        "visionlora export adapter=RUN output=small.onnx precision=int8 images=FOLDER",
        "visionlora export adapter=RUN output=network.pt2 preprocess=normalise",
    ),
)


def export(config: DictConfig) -> int:
    """Write the file, and beside it what is in it and how it compares."""
    options = build(ExportConfig, plain(config))
    with garbage_kept():
        from visionlora.exporting.export import export_adapter

    export_adapter(options)
    return 0


def main() -> None:
    """Entry point of the command."""
    launch(export, COMMAND)


if __name__ == "__main__":
    main()
