"""From the configuration to everything that a run needs, checked before anything is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from rich.console import RenderableType

from visionlora.adapters.groups import learning_rate_factor
from visionlora.data import BadImage, ImageDataset, ImageFile, ImageFolder, ImageLoader, scan
from visionlora.data.augment import BatchMixing
from visionlora.data.class_findings import unequal
from visionlora.data.loaders import ImageLoaders
from visionlora.data.loading import first_epoch
from visionlora.data.manifest import EarlierImages
from visionlora.data.several_labels import require_several
from visionlora.data.splits import with_report
from visionlora.data.walk import watched
from visionlora.device import choose_device, keep_freed_memory
from visionlora.evaluation.images import EvaluationImages
from visionlora.frozen.growth import growths
from visionlora.models.adapted import AdaptedNetwork, adapt
from visionlora.models.class_outputs import describe_outputs
from visionlora.models.config import ModelConfig
from visionlora.models.sources import check_source
from visionlora.models.upper_layers import AUTO
from visionlora.notices import Notices
from visionlora.optimizers.make import require_optimizer
from visionlora.report.progress import progress
from visionlora.report.run_text import found_block, training_plan
from visionlora.retention.anchors import anchor_stream, retention_loader
from visionlora.retention.earlier import earlier_loader, find_earlier_images
from visionlora.retention.make_teacher import make_teacher
from visionlora.retention.negatives import contrast_loader
from visionlora.retention.starts import BOTH, chosen_init, start_from_data
from visionlora.retention.teacher import AnchorTeacher
from visionlora.run_folder.record import Record
from visionlora.tasks.base import Task
from visionlora.tasks.choose import loss_weights, new_task
from visionlora.text import counted, listed
from visionlora.training.config import RunConfig, TrainerConfig

_HALFWAY = "the average of the weights is taken halfway to the start"


@dataclass(frozen=True)
class FilesRead:
    """The image files of a run.

    Attributes:
        sets: all of them, by what they are for.
        left_out: those among them that cannot be read, where the run goes on without them.
    """

    sets: Mapping[str, tuple[ImageFile, ...]]
    left_out: tuple[BadImage, ...]


@dataclass(frozen=True)
class RunSetup:
    """A run, ready to start.

    Attributes:
        config: every setting.
        folder: the images to learn, and to validate on.
        adapted: the network.
        train_loader: augmented batches of the images to learn.
        validation_loader: batches of those to validate on; None where there are none.
        evaluation_images: everything that the run is judged by, these among them.
        teacher: the frozen network on anchors; None trains without distillation.
        files: the image files that were read or left out.
    """

    config: RunConfig
    folder: ImageFolder
    adapted: AdaptedNetwork
    train_loader: ImageLoader
    validation_loader: ImageLoader | None
    evaluation_images: EvaluationImages
    teacher: AnchorTeacher | None
    files: FilesRead

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.config.trainer.steps(len(self.folder.train), self.config.data.batch_size, self.new_head)

    @property
    def new_head(self) -> bool:
        """Whether the network has none of its old outputs."""
        return self.adapted.head.kind == "new"

    @property
    def names(self) -> dict[int, str]:
        """The classes that are trained, by their outputs."""
        return dict(zip(self.adapted.head.targets, self.folder.classes, strict=True))

    @property
    def mixing(self) -> BatchMixing | None:
        """What mixes the images of a step with each other; None: nothing."""
        augment, outputs = self.config.augment, len(self.adapted.head.outputs)
        if not augment.mixes:
            return None
        return BatchMixing(augment.mixup, augment.cutmix, outputs, self.config.seed)

    @property
    def task(self) -> Task:
        """What is learned, with the label smoothing and the weights of the classes."""
        config, head, weights = self.config, self.adapted.head, None
        if config.optimizer.class_weights:
            targets = dict(zip(self.folder.classes, head.targets, strict=True))
            weights = loss_weights(config.task, self.folder.train, targets, len(head.outputs))
            weights = weights.to(next(self.adapted.network.parameters()).device)
        return new_task(config.task, config.optimizer.label_smoothing or 0.0, weights)

    @property
    def views(self) -> int | None:
        """Augmented views of a training image that a feature cache holds; None: nothing is random."""
        return None if self.config.augment.nothing else self.config.cache.views

    @property
    def cached_inputs(self) -> int:
        """What a feature cache holds while training: views of the images and of the anchors."""
        stream = self.teacher.stream if self.teacher else None
        anchors = len(stream.anchors) * stream.views if stream else 0
        return len(self.folder.train) * (self.views or 1) + len(self.folder.val) + anchors


def set_up(
    config: RunConfig, record: Record, notices: Notices, images: ImageFolder | None = None
) -> RunSetup:
    """Find and check every image, load the network and attach the adapters.

    Args:
        config: every setting.
        record: where decisions are recorded, or were recorded before the run was interrupted.
        notices: where they are announced.
        images: what to learn and to validate on; None: what ``data.root`` holds.

    Raises:
        VisionLoraError, visionlora.adapters.LoraError: a setting, folder, image, class name or layer that
            does not work out.
    """
    data, device = config.data, choose_device(config.trainer.accelerator)
    several = config.separator is not None
    if config.trainer.threads is not None:
        torch.set_num_threads(config.trainer.threads)
    with progress(notices.console, "looking for images", "files") as advance, watched(advance):
        folder = images or scan(
            data.root, class_name=data.class_name, val_fraction=data.val_fraction, seed=config.seed,
            separator=config.separator,
        )  # fmt: skip
    if several:
        require_several(folder.root, (*folder.train, *folder.val))
    folder, reporting = with_report(folder, config.seed)
    if reporting:
        notices.say(reporting)
    adapted = adapt(
        config.model, config.lora, folder.classes, config.seed, config.trainer.channels_last, config.adapter,
        several,
    )  # fmt: skip
    backbone, head = adapted.backbone, adapted.head
    new = head.kind == "new"
    optimizer = config.optimizer.for_head(new, learning_rate_factor(config.lora), several)
    config = replace(config, optimizer=optimizer, trainer=config.trainer.for_head(new))
    if config.augment.mixes:
        config = replace(config, cache=replace(config.cache, features=False))
        notices.say("cache.features is off: features are of one image, and images are mixed (augment)")
    notices.console.print(_found(config.trainer, config.data.batch_size, folder, adapted))
    loaders = ImageLoaders(
        backbone.preprocessing, config.augment, seed=config.seed, batch_size=data.batch_size,
        cache_mb=data.cache_mb, workers=data.workers, balance=data.balance,
        progress=partial(progress, notices.console, "reading images"),
    )  # fmt: skip
    targets = dict(zip(folder.classes, head.targets, strict=True))
    train_loader = loaders.training(folder.train, targets)
    validating = loaders.plain("val", folder.val, targets)
    testing = loaders.plain("test", folder.test, targets)
    folder = replace(folder, train=_images(train_loader), val=_images(validating), test=_images(testing))
    validation_loader = validating if folder.val else None
    keeps = config.trainer.reuse_memory
    if device.type == "cpu" and not keep_freed_memory(keeps) and keeps:
        notices.say("freed memory goes back to the system: only glibc can keep it (trainer.reuse_memory)")
    _announce(config, folder, adapted, notices)
    earlier = EarlierImages()
    if adapted.earlier is not None:
        earlier = find_earlier_images(adapted.earlier.directory, notices)
    retention, teacher, held_out = None, None, None
    if head.kind == "new":
        notices.say(
            "head new has none of the old outputs: nothing is distilled, and forgetting is not measured"
        )
        if smoothing := config.optimizer.label_smoothing:
            notices.say(f"labels are smoothed by {smoothing:g} (optimizer.label_smoothing)")
        if config.lora.restart_every is None:
            notices.say(_HALFWAY)
    else:
        retention = retention_loader(config.retention.root, backbone, loaders, notices)
    if config.retention.distils and head.kind != "new":
        hold_out = retention is None and config.retention.budget is not None
        teacher, held_out = make_teacher(
            config.retention, config.contrast, folder, adapted, loaders, device, hold_out, earlier.train,
            record, notices,
        )  # fmt: skip
    elif config.contrast.anchors not in ("auto", []):
        notices.say(
            "contrast.anchors are not used: nothing is distilled (retention.weight, per_step, head new)"
        )
    contrast = None if several else contrast_loader(config.contrast.root, loaders, notices)
    evaluation_images = EvaluationImages(
        validation_loader, retention, contrast, test=testing if folder.test else None,
        earlier=earlier_loader(earlier.val, backbone, loaders),
    )  # fmt: skip
    if held_out is not None:
        stream = anchor_stream([held_out.anchors], config.retention, loaders)
        batches = stream.batches(data.batch_size)
        evaluation_images = replace(evaluation_images, held_out=batches, held_out_kind=held_out.kind)
    anchors = None if teacher is None else teacher.stream.batches(data.batch_size, BOTH, False)
    init = chosen_init(config.lora.init, adapted.network, anchors is not None)
    config = replace(config, lora=replace(config.lora, init=init))
    for separated in loaders.separated:
        notices.warn(separated)
    bad = loaders.left_out(data.on_bad)
    if bad:
        count = counted(len(bad), "image")
        notices.warn(f"left out {count} that cannot be read, the first: {bad[0].path}: {bad[0].reason}")
    start_from_data(adapted.network, init, first_epoch(train_loader), anchors, device, notices)
    return RunSetup(
        config, folder, adapted, train_loader, validation_loader, evaluation_images, teacher,
        FilesRead(loaders.sets, bad),
    )  # fmt: skip


def _announce(config: RunConfig, folder: ImageFolder, adapted: AdaptedNetwork, notices: Notices) -> None:
    """What the settings mean for these images and this network, and what deserves a warning."""
    backbone, head, several = adapted.backbone, adapted.head, config.separator is not None
    factor = config.optimizer.adapter_factor
    if factor != 1:
        notices.say(f"adapters train at {factor:g} times optimizer.lr (adapter_factor)")
    if backbone.notice:
        notices.warn(backbone.notice)
    notices.say(
        f"head {head.kind}: {counted(len(head.outputs), 'output')}, {len(folder.classes)} of them trained"
    )
    if adapted.quantised is not None:
        notices.say(adapted.quantised.in_words())
    uneven = unequal(Counter(name for image in folder.train for name in image.names))
    if uneven and several and not config.optimizer.class_weights:
        notices.warn(f"{uneven}; optimizer.class_weights=true counts images with and without a label alike")
    elif uneven and not several and not config.data.balance:
        notices.warn(f"{uneven}; data.balance=true draws every class equally often")
    if config.model.expand:
        blocks = [name.removesuffix(".growth") for name in growths(adapted.network)]
        notices.say(f"new blocks are trained after {listed(blocks)} (model.expand)")
    if tuple(config.lora.targets) == (AUTO,):
        notices.say(f"adapters are on {adapted.places} layers (lora.targets=auto)")
    if not folder.val:
        notices.warn(
            "no validation images: what is learned is not measured, and no checkpoint is chosen; the adapter "
            "is the average of the weights over the second half of training"
            + (", halfway to the start" if head.kind == "new" and config.lora.restart_every is None else "")
        )


def _found(
    trainer: TrainerConfig, batch_size: int, folder: ImageFolder, adapted: AdaptedNetwork
) -> RenderableType:
    """What was found, and what will be done with it, for the terminal."""
    backbone = adapted.backbone
    # Of an unknown network, or where the whole head is new, no name means an output.
    known = ((), ()) if adapted.head.kind == "new" else (backbone.categories, backbone.wnids)
    outputs = describe_outputs(folder.classes, *known)
    steps = trainer.steps(len(folder.train), batch_size, adapted.head.kind == "new")
    plan = training_plan(steps, batch_size, trainer.validations if folder.val else 0, trainer.stops_after)
    return found_block(folder, outputs, plan)


def _images(loader: ImageLoader) -> tuple[ImageFile, ...]:
    """The images of a loader that :class:`ImageLoaders` made."""
    assert isinstance(loader.dataset, ImageDataset)
    return loader.dataset.images


def check_available(model: ModelConfig, trainer: TrainerConfig, optimizer: str = "adamw") -> None:
    """Check, before anything is loaded, that the network is known and the accelerator can run the optimizer.

    Raises:
        VisionLoraError: one of them is not.
    """
    check_source(model.name, others=("auto", "pocket"))
    require_optimizer(optimizer, choose_device(trainer.accelerator))
