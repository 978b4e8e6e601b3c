"""The names that `visionlora.data` offers."""

from visionlora.data.augment import (
    AugmentConfig,
    Normalise,
    evaluation_transform,
    training_transform,
)
from visionlora.data.cache import ImageCache, training_side
from visionlora.data.check_images import (
    LEFT_OUT,
    check,
    find_bad,
    refuse,
    split_bad,
    without_bad,
    write_bad,
)
from visionlora.data.folders import scan, scan_images, scan_known, scan_labelled, survey
from visionlora.data.images import BadImage, ImageFile, open_image
from visionlora.data.loading import ImageDataset, ImageLoader, make_loader
from visionlora.data.preprocessing import Preprocessing
from visionlora.data.splits import ImageFolder

__all__ = [
    "LEFT_OUT",
    "AugmentConfig",
    "BadImage",
    "ImageCache",
    "ImageDataset",
    "ImageFile",
    "ImageFolder",
    "ImageLoader",
    "Normalise",
    "Preprocessing",
    "check",
    "evaluation_transform",
    "find_bad",
    "make_loader",
    "open_image",
    "refuse",
    "scan",
    "scan_images",
    "scan_known",
    "scan_labelled",
    "split_bad",
    "survey",
    "training_side",
    "training_transform",
    "without_bad",
    "write_bad",
]
