"""Options about the images, and about what happens to them in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from visionlora.options import Section, option


def task_option() -> Any:
    """Of a command that reads images with any number of labels too."""
    return option(
        "single_label", "whether each image has one label, or any number of labels, which a table gives",
        words=("single_label", "multi_label"),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DataConfig(Section):
    """Which images, and how many at a time."""

    name: str = option("folder", "names the run's folder, outputs/NAME/...")
    root: str = option(
        help="FOLDER/{train,val}/<class>/*, FOLDER/<class>/*, FOLDER/* with data.class_name, or a CSV file",
        path=True,
        also=("dataset", "path", "folder"),
    )
    class_name: str | None = option(None, "the class of all images, where the folder has no class folders")
    class_from: str = option(
        "folders", "what says the classes: folders or a table, or the names of images (cat.0.jpg, 2_dog.jpg)",
        words=("folders", "names"),
    )  # fmt: skip
    separator: str = option(
        "auto", "with task=multi_label: what separates the labels in a cell of the table; auto: recognised",
        words=("auto", "bar", "semicolon", "comma", "space"),
    )  # fmt: skip
    val_fraction: float = option(
        0.25, "share of each class held out for validation, where the folder has no val",
        at_least=0, below=1,
    )  # fmt: skip
    on_bad: str = option(
        "skip", "unreadable images: skip them, up to a tenth and never a whole class, or stop",
        words=("skip", "stop"),
    )  # fmt: skip
    balance: bool = option(
        False, "whether each class comes equally often in training, however many images it has"
    )
    folds: int | None = option(
        None, "K trains K times, each time without a K-th of the images, then once with all of them",
        at_least=2, at_most=1000,
    )  # fmt: skip
    batch_size: int = option(
        16, "images in a training step, or at a time", at_least=1, at_most=65536, also=("batch", "bs")
    )
    cache_mb: float = option(1024, "megabytes of decoded images to keep in memory", at_least=0, at_most=1e9)
    workers: int | None = option(
        None, "processes that load images; 0: none besides the run's own; null: up to 4 on a GPU, else 0",
        at_least=0, at_most=256, also=("num_workers",),
    )  # fmt: skip

    def check(self) -> None:
        if self.class_name is not None and self.class_from == "names":
            raise ValueError(
                f"class_name is {self.class_name!r}, and class_from is names; leave one of them out"
            )


@dataclass(frozen=True)
class AugmentConfig(Section):
    """What happens to a training image, in this order.

    TrivialAugment is Müller and Hutter 2021, https://arxiv.org/abs/2103.10158.
    """

    crop_scale: tuple[float, float] = option(
        (0.5, 1.0), "smallest and largest share of the area that a random crop keeps",
        above=0, at_most=1, length=2,
    )  # fmt: skip
    crop_ratio: tuple[float, float] = option(
        (0.75, 1.3333), "narrowest and widest aspect ratio of the crop, before it is made square",
        at_least=0.01, at_most=100, length=2,
    )  # fmt: skip
    horizontal_flip: float = option(0.5, "probability of a horizontal flip", at_least=0, at_most=1)
    trivial: bool = option(False, "one random operation of random strength (TrivialAugment)")
    colour_jitter: float = option(
        0.3, "strength of changes in brightness, contrast and saturation; a quarter of it for hue",
        at_least=0, at_most=1, also=("color_jitter",),
    )  # fmt: skip
    grayscale: float = option(0.0, "probability of a grayscale image", at_least=0, at_most=1)
    mixup: float = option(
        0.0, "alpha of MixUp, which blends two images and their labels; 0: none", at_least=0, at_most=100
    )
    cutmix: float = option(
        0.0, "alpha of CutMix, which puts a part of one image into another; 0: none", at_least=0, at_most=100
    )

    @property
    def mixes(self) -> bool:
        """Whether the images of a step are mixed with each other."""
        return bool(self.mixup or self.cutmix)

    @property
    def nothing(self) -> bool:
        """Whether training images are transformed as validation images are."""
        crops = self.crop_scale == (1.0, 1.0) and self.crop_ratio == (1.0, 1.0)
        chances = (self.horizontal_flip, self.colour_jitter, self.grayscale)
        return crops and not self.trivial and not any(chances)

    def check(self) -> None:
        for name in ("crop_scale", "crop_ratio"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} is [{low}, {high}]; give the smaller number first")
