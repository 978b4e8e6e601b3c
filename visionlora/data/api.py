"""The names that `visionlora.data` offers."""

from visionlora.data.check.check_images import (
    LEFT_OUT,
    check,
    find_bad,
    refuse,
    split_bad,
    without_bad,
    write_bad,
)
from visionlora.data.images.augment import (
    AugmentConfig,
    Normalise,
    evaluation_transform,
    training_transform,
)
from visionlora.data.images.cache import ImageCache, training_side
from visionlora.data.images.decode import BadImage, ImageFile, open_image
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.data.layout.folders import scan, scan_images, scan_known, scan_labelled, survey
from visionlora.data.loading.image_loader import ImageDataset, ImageLoader, make_loader, shuffled_loader
from visionlora.data.splits.make_splits import ImageFolder

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
    "shuffled_loader",
    "split_bad",
    "survey",
    "training_side",
    "training_transform",
    "without_bad",
    "write_bad",
]
