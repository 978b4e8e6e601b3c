"""From the configuration to everything that a run needs, checked before anything is trained."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import lightning
import torch
from omegaconf import DictConfig
from rich.console import Console
from torch import Tensor, nn

from visionlora.backbones import Backbone, Head, apply_head, find_class, head_parameters, load_backbone
from visionlora.data import PictureFolder
from visionlora.errors import VisionLoraError
from visionlora.lora import LoraConfig, attach, fingerprint
from visionlora.settings import build, plain
from visionlora.training.anchors import AnchorTeacher
from visionlora.training.options import (
    DataOptions,
    ModelOptions,
    OptimizerOptions,
    RetentionOptions,
    TrainerOptions,
)

SECTIONS = ("seed", "resume", "contrast", "data", "augment", "model", "lora", "retention", "optimizer", "trainer")
