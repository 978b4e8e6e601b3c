"""From the configuration to everything that a run needs, checked before anything is trained."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from torch import Tensor, nn

from visionlora.adapters import LoraConfig, attach, fingerprint
from visionlora.adapters.config import exactly
from visionlora.data import (
    AnchorStream,
    AugmentConfig,
    ImageDataset,
    ImageFolder,
    ImageLoader,
    refuse,
    scan,
    scan_images,
)
from visionlora.data.config import DataConfig
from visionlora.device import choose_device, keep_freed_memory
from visionlora.models import Backbone, Head, apply_head, head_parameters, load_backbone
from visionlora.models.config import ModelConfig
from visionlora.retention.anchors import make_teacher, retention_loader
from visionlora.retention.config import ContrastConfig, RetentionConfig
from visionlora.retention.teacher import AnchorTeacher
from visionlora.training.config import CacheConfig, OptimizerConfig, TrainerConfig, read_config
from visionlora.training.features import CachedImages
from visionlora.training.loaders import ImageLoaders

log = logging.getLogger(__name__)


@dataclass
class Job:
    """A run, ready to start: the adapted network, its images, and the settings of training."""

    console: Console
    seed: int
    data: DataConfig
    model: ModelConfig
    lora: LoraConfig
    retention: RetentionConfig
    contrast: ContrastConfig
    optimizer: OptimizerConfig
    cache: CacheConfig
    trainer: TrainerConfig
    augment: AugmentConfig
    folder: ImageFolder
    backbone: Backbone
    head: Head
    network: nn.Module
    base_fingerprint: str
    train_loader: ImageLoader
    val_loader: ImageLoader
    retention_loader: ImageLoader | None = None
    contrast_loader: ImageLoader | None = None
    held_out: AnchorStream | None = None
    teacher: AnchorTeacher | None = None
    rest: nn.Module | None = None
    """What of the network is left to compute where loaders serve features."""
    notices: list[str] = field(default_factory=list)
    logged: bool = False

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.trainer.steps(len(self.folder.train), self.data.batch_size)

    def say(self, notice: str) -> None:
        """Tell the user, and record in the run, what was decided for them."""
        self.notices.append(notice)
        if self.logged:
            log.info(notice)
        self.console.print(f"[dim]·[/dim] {escape(notice)}")

    def start_log(self) -> None:
        """Log what was said so far and will be said.

        Not before the run has a folder: the log's file makes it, and bad input leaves none behind.
        """
        for notice in self.notices:
            log.info(notice)
        self.logged = True

    def sample(self) -> Tensor:
        """A few images as the network will see them, to time it with: (4, 3, height, width)."""
        dataset = self.val_loader.dataset
        assert isinstance(dataset, ImageDataset)
        if isinstance(dataset, CachedImages):
            dataset = dataset.plain
        return dataset.normalise([dataset[place % len(dataset)][0] for place in range(4)])

    def image_counts(self) -> dict[str, int]:
        """How many images of each kind the run uses."""
        return {
            "train": len(self.folder.train),
            "val": len(self.folder.val),
            "anchors": len(self.teacher.stream.anchors) if self.teacher else 0,
        }


def assemble(config: DictConfig, console: Console, images_of: ImageFolder | None = None) -> Job:
    """Read every setting, find and check every image, load the network and attach the adapters.

    Args:
        config: the composed ``conf/train.yaml``.
        console: where decisions are announced.
        images_of: what to learn and to validate on; None: what ``data.root`` holds.

    Raises:
        VisionLoraError, visionlora.adapters.LoraError: a setting, folder, image, class name or layer that
            does not work out.
    """
    run = read_config(config)
    data, model, lora, seed = run.data, run.model, run.lora, run.seed
    retention, contrast, trainer = run.retention, run.contrast, run.trainer
    augment = run.augment
    if trainer.threads is not None:
        torch.set_num_threads(trainer.threads)

    folder = images_of or scan(
        data.root, class_name=data.class_name, val_fraction=data.val_fraction, seed=seed
    )
    backbone = load_backbone(model.name, model.weights)
    head = apply_head(backbone, model.head, folder.classes)
    base_fingerprint = fingerprint(backbone.model, exclude=head.trained)
    images = ImageLoaders(backbone, data, augment, seed)
    targets = dict(zip(folder.classes, head.targets, strict=True))
    train_loader, val_loader = images.labelled(folder, targets)
    adapters = _without_new_rows(lora, head)
    network = attach(backbone.model, adapters, generator=torch.Generator().manual_seed(seed))
    for parameter in head_parameters(network, head):
        parameter.requires_grad_(True)
    if trainer.channels_last:
        network.to(memory_format=torch.channels_last)

    job = Job(
        console, seed, data, model, lora, retention, contrast, run.optimizer, run.cache, trainer, augment,
        folder, backbone, head, network, base_fingerprint, train_loader, val_loader,
    )  # fmt: skip
    on_cpu = choose_device(trainer.accelerator).type == "cpu"
    if trainer.reuse_memory and on_cpu and not keep_freed_memory():
        job.say("freed memory goes back to the system: only glibc can keep it (trainer.reuse_memory)")
    if backbone.notice:
        console.rule("[bold yellow]attention", style="yellow")
        job.say(backbone.notice)
    job.say(f"head {head.kind}: {len(folder.classes)} classes, {len(head.outputs)} outputs")
    job.retention_loader = retention_loader(job, images)
    if retention.distils and head.kind != "new":
        job.teacher = make_teacher(job, images)
    elif contrast.anchors not in ("auto", ()):
        job.say("contrast.anchors are not used: nothing is distilled (retention.weight, per_step, head new)")
    if contrast.root is None:
        job.say("no contrast folder (contrast.root): what is wrongly called by a new name is not measured")
    else:
        job.contrast_loader = images.plain(scan_images([Path(contrast.root)]))
    refuse(images.bad)
    return job


def _without_new_rows(lora: LoraConfig, head: Head) -> LoraConfig:
    # New rows are trained whole: a low-rank update of them would be a detour.
    return replace(lora, exclude=(*lora.exclude, *map(exactly, head.trained)))
