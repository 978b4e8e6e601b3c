"""The names that `visionlora.models` offers."""

from visionlora.models.backbone import Backbone, load_backbone
from visionlora.models.classes import find_class, imagenet_wnids
from visionlora.models.download import WeightsUnavailable
from visionlora.models.heads import ExtendedHead, Head, apply_head, head_parameters, plain_head
from visionlora.models.metadata import WeightsMetadata
from visionlora.models.registry import final_layer, list_backbones

__all__ = [
    "Backbone",
    "ExtendedHead",
    "Head",
    "WeightsMetadata",
    "WeightsUnavailable",
    "apply_head",
    "final_layer",
    "find_class",
    "head_parameters",
    "imagenet_wnids",
    "list_backbones",
    "load_backbone",
    "plain_head",
]
