"""Picture folders: scan, check, label, split, transform, serve."""

from visionlora.data.anchors import AnchorStream
from visionlora.data.augment import (
    AugmentConfig,
    Normalise,
    Preprocessing,
    evaluation_transform,
    training_transform,
)
from visionlora.data.cache import PictureCache, training_side
from visionlora.data.checking import check, find_bad, refuse
from visionlora.data.folders import scan, scan_known, scan_labelled, scan_pictures
from visionlora.data.generated import generate_anchors
from visionlora.data.loading import PictureDataset, PictureLoader, make_loader
from visionlora.data.pictures import BadPicture, Picture, open_picture
from visionlora.data.splits import PictureFolder

__all__ = [
    "AnchorStream",
    "AugmentConfig",
    "BadPicture",
    "Normalise",
    "Picture",
    "PictureCache",
    "PictureDataset",
    "PictureFolder",
    "PictureLoader",
    "Preprocessing",
    "check",
    "evaluation_transform",
    "find_bad",
    "generate_anchors",
    "make_loader",
    "open_picture",
    "refuse",
    "scan",
    "scan_known",
    "scan_labelled",
    "scan_pictures",
    "training_side",
    "training_transform",
]
