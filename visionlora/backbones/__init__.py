"""Pretrained networks: their weights, class names, preprocessing and last layers."""

from visionlora.backbones.about import About
from visionlora.backbones.backbone import Backbone, load_backbone
from visionlora.backbones.classes import find_class, imagenet_wnids
from visionlora.backbones.download import WeightsUnavailable
from visionlora.backbones.heads import ExtendedHead, Head, apply_head, head_parameters, plain_head
from visionlora.backbones.networks import final_layer, list_backbones
from visionlora.backbones.preprocessing import Preprocessing

__all__ = [
    "About",
    "Backbone",
    "ExtendedHead",
    "Head",
    "Preprocessing",
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
