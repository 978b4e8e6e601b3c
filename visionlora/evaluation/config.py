"""Options of the commands that predict and evaluate."""

from __future__ import annotations

from dataclasses import dataclass

from visionlora.adapters.settings import AUTO
from visionlora.data.config import DataConfig
from visionlora.evaluation.strength_range import strengths_of
from visionlora.models.config import AdapterSource, strength_option
from visionlora.options import option, section

MIRRORED = "whether each image's mirror image is predicted too, and the mean taken (test-time augmentation)"
DEVICES = "processes that share the images on this machine, each on a device of its own"


@dataclass(frozen=True, kw_only=True)
class PredictConfig(AdapterSource):
    """Options of ``visionlora predict``."""

    images: str = option(help="an image, a folder, or a glob in quotes", path=True, free="a path or a glob")
    output: str | None = option(
        None, "a file for the prediction of every image", path=True, suffixes=(".csv", ".jsonl")
    )
    sheet: str | None = option(
        None, "a sheet of the images with their predictions", path=True, suffixes=(".png",)
    )
    compare: bool = option(False, "whether the frozen network's predictions are shown too")
    top_k: int = option(3, "classes that are shown and written for each image", at_least=1, at_most=100_000)
    batch_size: int = option(16, "images at a time", at_least=1, at_most=65536)
    devices: int = option(1, DEVICES, at_least=1, at_most=1024)
    mirrored: bool = option(False, MIRRORED, also=("tta", "augment", "test_time_augmentation"))
    strength: float = strength_option()
    merged: bool = option(True, "whether the adapter is merged into the weights, which is faster")


@dataclass(frozen=True, kw_only=True)
class LabelledConfig(DataConfig):
    """Which labelled images an adapter is measured on."""

    root: str = option(
        AUTO, "labelled images, as train takes them; auto: those that the adapter's own run was judged by",
        words=(AUTO,), path=True, also=("dataset", "path", "folder"),
    )  # fmt: skip

    def check(self) -> None:
        super().check()
        if self.root != AUTO:
            return
        for name, default in (("class_name", None), ("class_from", "folders")):
            if (value := getattr(self, name)) != default:
                raise ValueError(f"{name} is {value}: it is for a folder; give data.root=FOLDER too")


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(AdapterSource):
    """Options of ``visionlora evaluate`` about the adapter and the images that it was made for."""

    output: str | None = option(None, "a file for the figures", path=True, suffixes=(".json",))
    devices: int = option(1, DEVICES, at_least=1, at_most=1024)
    mirrored: bool = option(False, MIRRORED, also=("tta", "augment", "test_time_augmentation"))
    sheet: str | None = option(
        None, "a sheet of the old images that were right and are wrong now", path=True, suffixes=(".png",)
    )
    strength: float | str = option(
        1.0, "the update is multiplied by it; or a range FROM:TO:STEP, each of which is measured", at_least=0,
        at_most=100, free="a range FROM:TO:STEP",
    )  # fmt: skip
    figure: str | None = option(
        None, "a figure of what each strength of a range learns and keeps", path=True, suffixes=(".png",)
    )
    rank_curve: bool = option(False, "whether the update is cut to rank 1, 2, 4, ... and measured at each")
    data: LabelledConfig = section(
        "folder",
        only=("root", "class_name", "class_from", "separator", "batch_size"),
    )

    @property
    def strengths(self) -> tuple[float, ...]:
        """The one strength, or those of a range."""
        return strengths_of(self.strength)

    def check(self) -> None:
        """The range, and that a figure has one."""
        super().check()
        strengths = self.strengths
        if self.figure and len(strengths) == 1:
            raise ValueError("figure is for a range of strengths; add strength=0:1:0.1")
