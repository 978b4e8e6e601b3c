"""From the configuration to everything that a run needs, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from visionlora.adapters import active_adapters, adapted_layers
from visionlora.adapters.parameter_groups import learning_rate_factor
from visionlora.adapters.settings import AUTO
from visionlora.data import BadImage, ImageDataset, ImageFile, ImageFolder, ImageLoader, scan
from visionlora.data.config import DataConfig
from visionlora.data.files.parallel import loading_processes
from visionlora.data.files.walk import watched
from visionlora.data.images.augment import BatchMixing
from visionlora.data.images.preprocessing import Preprocessing
from visionlora.data.loading.image_loader import first_epoch
from visionlora.data.loading.loaders import ImageLoaders, LoaderOptions
from visionlora.data.splits.make_splits import with_report
from visionlora.data.splits.manifest import EARLIER, EarlierImages
from visionlora.data.tables.several_labels import require_several
from visionlora.device import choose_device, give_back_freed_memory, keep_freed_memory
from visionlora.evaluation.images import EvaluationImages
from visionlora.models.adapted import AdaptedNetwork, adapt
from visionlora.models.automatic_rank import describe_rank
from visionlora.notices import Notices
from visionlora.report.progress import progress
from visionlora.retention.anchors import anchor_stream, retention_loader
from visionlora.retention.earlier import earlier_loader, find_earlier_images
from visionlora.retention.make_teacher import find_anchors, find_negatives, make_teacher
from visionlora.retention.matching import lora_rank
from visionlora.retention.negatives import contrast_loader
from visionlora.retention.starts import BOTH, chosen_init, start_from_data
from visionlora.retention.teacher import AnchorTeacher, views_of_held_out
from visionlora.run_folder.record import Record
from visionlora.tasks.base import Task
from visionlora.tasks.choose import loss_weights, new_task
from visionlora.text import counted
from visionlora.training.announce import announce, announce_decided, announce_unused, decided_options, found
from visionlora.training.config import RunConfig
from visionlora.training.feature_cache import CachedInputs


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
        decided: what the settings had left to the run, by the options' full names.
    """

    config: RunConfig
    folder: ImageFolder
    adapted: AdaptedNetwork
    train_loader: ImageLoader
    validation_loader: ImageLoader | None
    evaluation_images: EvaluationImages
    teacher: AnchorTeacher | None
    files: FilesRead
    decided: Mapping[str, Any] = field(default_factory=dict)

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
    def cached_inputs(self) -> CachedInputs:
        """What a feature cache holds while training: views of the images and of the anchors."""
        views = None if self.config.augment.nothing else self.config.cache.views
        stream = self.teacher.stream if self.teacher else None
        anchors = len(stream.anchors) * stream.per_anchor if stream else 0
        return CachedInputs(len(self.folder.train) * (views or 1) + len(self.folder.val) + anchors, views)


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
    if config.trainer.threads is not None:
        torch.set_num_threads(config.trainer.threads)
    folder = _find_images(data, config.separator, config.seed, images, notices)
    adapted = adapt(
        config.model, config.lora, folder.classes, config.seed, config.adapter, config.separator is not None
    )
    if config.trainer.channels_last:
        adapted.network.to(memory_format=torch.channels_last)
    asked, config = config, _decided(config, adapted, notices)
    notices.console.print(found(config.trainer, data.batch_size, folder, adapted))
    loaders = _image_loaders(config, adapted.backbone.preprocessing, device, notices)
    targets = dict(zip(folder.classes, adapted.head.targets, strict=True))
    train_loader = loaders.training(folder.train, targets)
    validating = loaders.plain("val", folder.val, targets)
    testing = loaders.plain("test", folder.test, targets)
    loaders.left_out(data.on_bad)  # where too many cannot be read, nothing else matters
    folder = replace(folder, train=_images(train_loader), val=_images(validating), test=_images(testing))
    if device.type == "cpu":
        _keep_freed_memory(config.trainer.reuse_memory, notices)
    announce(config, folder, adapted, notices)
    announce_unused(asked, folder, adapted, notices)
    old, teacher = _old_knowledge(config, folder, adapted, loaders, record, notices)
    if teacher is not None:
        config = _with_weights(config, teacher, adapted, notices)
    give_back_freed_memory()  # of model inversion
    validation, test = validating if folder.val else None, testing if folder.test else None
    judged_by = replace(old, validation=validation, test=test)
    files = FilesRead(loaders.sets, _left_out(loaders, data.on_bad, notices))
    setup = RunSetup(config, folder, adapted, train_loader, validation, judged_by, teacher, files)
    setup = _with_start(setup, device, notices)
    decided = decided_options(asked, setup.config, adapted, setup.total_steps)
    announce_decided(decided, notices)
    return replace(setup, decided=decided)


def _decided(config: RunConfig, adapted: AdaptedNetwork, notices: Notices) -> RunConfig:
    """The settings with the values that depend on the head and on the classes."""
    several, cache, new = config.separator is not None, config.cache, adapted.head.kind == "new"
    ranks = describe_rank(config.lora, adapted.lora)
    if ranks and adapted_layers(adapted.network):
        notices.say(ranks)
    optimizer = config.optimizer.for_head(new, learning_rate_factor(config.lora), several)
    if config.augment.mixes:
        notices.say("cache.features is off: features are of one image, and images are mixed (augment)")
        cache = replace(cache, features=False)
    trainer = config.trainer.for_head(new)
    return replace(config, lora=adapted.lora, optimizer=optimizer, trainer=trainer, cache=cache)


def _with_weights(
    config: RunConfig, teacher: AnchorTeacher, adapted: AdaptedNetwork, notices: Notices
) -> RunConfig:
    """The settings with the numbers of the distillation."""
    retention, classes = config.retention, teacher.classes
    if retention.blended_share(classes) and not retention.blended_views(classes):
        notices.say(
            f"retention.views={retention.views} leaves no view to blend with another anchor (mixup=auto)"
        )
    rank = lora_rank(active_adapters(adapted.network))
    numbers = retention.resolved(teacher.old_outputs, classes, config.data.batch_size, config.task, rank)
    return replace(config, retention=numbers)


def _image_loaders(
    config: RunConfig, preprocessing: Preprocessing, device: torch.device, notices: Notices
) -> ImageLoaders:
    """What opens the run's images."""
    data = config.data
    workers = loading_processes(device.type) if data.workers is None else data.workers
    options = LoaderOptions(data.batch_size, config.seed, data.cache_mb, workers, data.balance)
    shown = partial(progress, notices.console, "reading images")
    return ImageLoaders(preprocessing, config.augment, options, shown)


def _old_knowledge(
    config: RunConfig, folder: ImageFolder, adapted: AdaptedNetwork, loaders: ImageLoaders, record: Record,
    notices: Notices,
) -> tuple[EvaluationImages, AnchorTeacher | None]:  # fmt: skip
    """The images that measure what the network forgets, and the teacher that keeps it from forgetting; a new
    head forgets everything, and predicts a trained class for every image."""
    new, backbone, earlier = adapted.head.kind == "new", adapted.backbone, EarlierImages()
    if adapted.earlier is not None:
        earlier = find_earlier_images(adapted.earlier.directory, notices)
    retention = None if new else retention_loader(config.retention.root, backbone, loaders, notices)
    teacher, held_out = None, None
    if config.retention.distils and not new:
        hold_out = retention is None and config.retention.budget is not None
        device, held_out_in = choose_device(config.trainer.accelerator), record if hold_out else None
        sources, held_out = find_anchors(config.retention, adapted, loaders, device, held_out_in, notices)
        # What earlier runs learned is anchors too; none of it is held out.
        learned = loaders.usable(EARLIER["train"], earlier.train, loaders.training_cache)
        sources += [learned] if learned else []
        negatives = find_negatives(config.contrast, folder, sources, backbone, loaders, notices)
        teacher = make_teacher(config.retention, sources, negatives, adapted, loaders)
    contrast = None if new else contrast_loader(config.contrast.root, loaders, notices)
    kept = earlier_loader(earlier.val, backbone, loaders)
    old = EvaluationImages(None, retention=retention, contrast=contrast, earlier=kept)
    if held_out is not None:
        stream = anchor_stream([held_out.anchors], config.retention, loaders)
        views = views_of_held_out(held_out.anchors)
        batches = stream.batches(config.data.batch_size, views=views)
        old = replace(old, held_out=batches, held_out_views=views, held_out_kind=held_out.kind)
    return old, teacher


def _find_images(
    data: DataConfig, separator: str | None, seed: int, images: ImageFolder | None, notices: Notices
) -> ImageFolder:
    """The images to learn, to validate on and to report on: ``images``, or what ``data.root`` holds."""
    with progress(notices.console, "looking for images", "files") as advance, watched(advance):
        folder = images or scan(
            data.root, class_name=data.class_name, val_fraction=data.val_fraction, seed=seed,
            separator=separator, class_from=data.class_from,
        )  # fmt: skip
    if separator is not None:
        require_several(folder.root, (*folder.train, *folder.val))
    folder, reporting = with_report(folder, seed)
    if reporting:
        notices.say(reporting)
    return folder


def _keep_freed_memory(keeps: bool, notices: Notices) -> None:
    """Keep freed memory for the next step, or say why that is not possible."""
    if not keep_freed_memory(keeps) and keeps:
        notices.say("freed memory goes back to the system: only glibc can keep it (trainer.reuse_memory)")


def _with_start(setup: RunSetup, device: torch.device, notices: Notices) -> RunSetup:
    """Give the adapters their start, where it is one from images; the settings name the one chosen."""
    lora, network, loader, anchors = setup.config.lora, setup.adapted.network, setup.train_loader, None
    if setup.teacher is not None:
        anchors = setup.teacher.stream.batches(loader.whole_batch, BOTH, False)
    asked = "default" if lora.init == AUTO and lora.init_std is not None else lora.init
    init = chosen_init(asked, network, anchors is not None)
    cycles = -(-setup.total_steps // (lora.restart_every or setup.total_steps))
    start_from_data(network, init, first_epoch(loader), anchors, device, notices, cycles)
    give_back_freed_memory()  # of the layers' inputs
    return replace(setup, config=replace(setup.config, lora=replace(lora, init=init)))


def _left_out(loaders: ImageLoaders, on_bad: str, notices: Notices) -> tuple[BadImage, ...]:
    """The images that cannot be read, where the run goes on without them."""
    for separated in loaders.separated:
        notices.warn(separated)
    bad = loaders.left_out(on_bad)
    if bad:
        count = counted(len(bad), "image")
        notices.warn(f"left out {count} that cannot be read, the first: {bad[0].path}: {bad[0].reason}")
    return bad


def _images(loader: ImageLoader) -> tuple[ImageFile, ...]:
    """The images of a loader that :class:`ImageLoaders` made."""
    assert isinstance(loader.dataset, ImageDataset)
    return loader.dataset.images
