"""Options of ``visionlora export``."""

from __future__ import annotations

from dataclasses import dataclass

from visionlora.models.config import AdapterSource
from visionlora.options import option

SUFFIXES = (".onnx", ".pt2", ".safetensors", ".mlpackage", ".tflite")


@dataclass(frozen=True, kw_only=True)
class ExportConfig(AdapterSource):
    """Options of ``visionlora export``."""

    output: str = option(help="the file to write; its suffix is the format", path=True, suffixes=SUFFIXES)
    images: str | None = option(
        None, "images to compare the file with PyTorch on; null: the run's validation images",
        path=True, free="a path or a glob",
    )  # fmt: skip
    precision: str = option(
        "float32", "of the file's numbers; int8 is for .onnx", words=("float32", "float16", "int8")
    )
    preprocess: str = option(
        "none", "what the file does itself: scale bytes (normalise), and resize and crop too (all; .onnx)",
        words=("none", "normalise", "all"),
    )  # fmt: skip
    calibration: str | None = option(
        None, "images that set the ranges of int8; null: those that the run was trained on",
        path=True, free="a path or a glob",
    )  # fmt: skip

    def check(self) -> None:
        """Refuse what a format does not have."""
        super().check()
        onnx = self.output.lower().endswith(".onnx")
        if self.precision == "int8" and not onnx:
            raise ValueError("precision int8 is ONNX Runtime's; give an output that ends in .onnx")
        if self.precision == "float16" and self.output.lower().endswith(".tflite"):
            raise ValueError("precision float16 is not for .tflite; use float32")
        if self.preprocess == "all" and not onnx:
            raise ValueError("preprocess all is only for .onnx; use normalise or none")
        if self.preprocess != "none" and self.output.lower().endswith(".mlpackage"):
            raise ValueError("preprocess is not for .mlpackage, whose converter takes no bytes; leave it out")
        if self.preprocess != "none" and self.output.lower().endswith(".safetensors"):
            raise ValueError("preprocess is for formats with code in them; safetensors has only weights")
        if self.calibration is not None and self.precision != "int8":
            raise ValueError("calibration is for precision=int8; leave it out")
