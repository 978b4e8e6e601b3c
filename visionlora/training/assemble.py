"""From the configuration to everything that a run needs, checked before anything is trained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from torch import Tensor, nn

from visionlora.backbones import Backbone, Head, apply_head, find_class, head_parameters, load_backbone
from visionlora.data import (
    AnchorStream,
    AugmentConfig,
    BadPicture,
    Picture,
    PictureCache,
    PictureDataset,
    PictureFolder,
    PictureLoader,
    find_bad,
    make_loader,
    refuse,
    scan,
    scan_known,
    scan_pictures,
    training_side,
    training_transform,
)
from visionlora.data.generated import generate_anchors
from visionlora.errors import VisionLoraError
from visionlora.lora import LoraConfig, attach, fingerprint
from visionlora.settings import build, plain
from visionlora.training.anchors import AnchorTeacher, hold_out
from visionlora.training.features import CachedPictures
from visionlora.training.options import (
    CacheOptions,
    ContrastOptions,
    DataOptions,
    ModelOptions,
    OptimizerOptions,
    RetentionOptions,
    TrainerOptions,
)

SECTIONS = (
    "seed", "resume", "data", "augment", "model", "lora", "retention", "contrast", "optimizer", "cache",
    "trainer",
)  # fmt: skip


@dataclass
class Job:
    """A run, ready to start: the adapted network, its pictures, and the settings of training."""

    console: Console
    seed: int
    data: DataOptions
    model: ModelOptions
    lora: LoraConfig
    retention: RetentionOptions
    contrast: ContrastOptions
    optimizer: OptimizerOptions
    cache: CacheOptions
    trainer: TrainerOptions
    augment: AugmentConfig
    folder: PictureFolder
    backbone: Backbone
    head: Head
    network: nn.Module
    base_fingerprint: str
    train_loader: PictureLoader
    val_loader: PictureLoader
    retention_loader: PictureLoader | None = None
    contrast_loader: PictureLoader | None = None
    held_out: AnchorStream | None = None
    teacher: AnchorTeacher | None = None
    rest: nn.Module | None = None
    """What of the network is left to compute where loaders serve features."""
    notices: list[str] = field(default_factory=list)

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.trainer.steps(len(self.folder.train), self.data.batch_size)

    def say(self, notice: str) -> None:
        """Tell the user, and record in the run, what was decided for them."""
        self.notices.append(notice)
        self.console.print(f"[dim]·[/dim] {escape(notice)}")

    def sample(self) -> Tensor:
        """A few pictures as the network will see them, to time it with: (4, 3, height, width)."""
        dataset = self.val_loader.dataset
        assert isinstance(dataset, PictureDataset)
        if isinstance(dataset, CachedPictures):
            dataset = dataset.plain
        return dataset.normalise([dataset[place % len(dataset)][0] for place in range(4)])

    def picture_counts(self) -> dict[str, int]:
        """How many pictures of each kind the run uses."""
        return {
            "train": len(self.folder.train),
            "val": len(self.folder.val),
            "anchors": len(self.teacher.stream.anchors) if self.teacher else 0,
        }


def assemble(config: DictConfig, console: Console) -> Job:
    """Read every setting, find and check every picture, load the network and attach the adapters.

    Raises:
        VisionLoraError, visionlora.lora.LoraError: a setting, folder, picture, class name or layer that
            does not work out.
    """
    settings = plain(config)
    for key in settings:
        if key not in SECTIONS:
            raise VisionLoraError(f"there is no configuration key {key!r}; there are {', '.join(SECTIONS)}")
    data = build(DataOptions, settings["data"], "data")
    model = build(ModelOptions, settings["model"], "model")
    retention = build(RetentionOptions, settings["retention"], "retention")
    contrast = build(ContrastOptions, settings["contrast"], "contrast")
    trainer = build(TrainerOptions, settings["trainer"], "trainer")
    optimizer = build(OptimizerOptions, settings["optimizer"], "optimizer")
    cache = build(CacheOptions, settings["cache"], "cache")
    lora = build(LoraConfig, settings["lora"], "lora")
    augment = build(AugmentConfig, settings["augment"], "augment")
    seed = settings["seed"]
    if not isinstance(seed, int):
        raise VisionLoraError(f"seed is {seed!r}; give a whole number")
    if trainer.threads is not None:
        torch.set_num_threads(trainer.threads)

    folder = scan(data.root, class_name=data.class_name, val_fraction=data.val_fraction, seed=seed)
    backbone = load_backbone(model.name, model.weights)
    head = apply_head(backbone, model.head, folder.classes)
    base_fingerprint = fingerprint(backbone.model, exclude=head.trained)
    network = attach(
        backbone.model, _without_new_rows(lora, head), generator=torch.Generator().manual_seed(seed)
    )
    for parameter in head_parameters(network, head):
        parameter.requires_grad_(True)
    if trainer.channels_last:
        network.to(memory_format=torch.channels_last)

    pictures = _Pictures(backbone, data, augment, seed)
    targets = dict(zip(folder.classes, head.targets, strict=True))
    train_loader, val_loader = pictures.labelled(folder, targets)
    job = Job(
        console, seed, data, model, lora, retention, contrast, optimizer, cache, trainer, augment,
        folder, backbone, head, network, base_fingerprint, train_loader, val_loader,
    )  # fmt: skip
    if backbone.notice:
        console.rule("[bold yellow]attention", style="yellow")
        job.say(backbone.notice)
    job.say(f"head {head.kind}: {len(folder.classes)} classes, {len(head.outputs)} outputs")
    job.retention_loader = _retention_loader(job, pictures)
    if retention.distils and head.kind != "new":
        job.teacher = _teacher(job, pictures)
    elif contrast.anchors:
        job.say("contrast.anchors are not used: nothing is distilled (retention.weight, per_step, head new)")
    if contrast.root is None:
        job.say("no contrast folder (contrast.root): what is wrongly called by a new name is not measured")
    else:
        job.contrast_loader = pictures.plain(scan_pictures([Path(contrast.root)]))
    refuse(pictures.bad)
    return job


class _Pictures:
    """Loaders with one network's preprocessing, one cache and one seed.

    Every picture is opened when its loader is made; those that cannot be used are collected in ``bad``, to be
    reported together.
    """

    def __init__(self, backbone: Backbone, data: DataOptions, augment: AugmentConfig, seed: int) -> None:
        self.preprocessing = backbone.preprocessing
        self.data = data
        self.seed = seed
        self.bad: list[BadPicture] = []
        self.augment = training_transform(augment, self.preprocessing)
        side = training_side(self.preprocessing.resize, self.preprocessing.crop, augment.crop_scale[0])
        self.training_cache = PictureCache(data.cache_mb / 2, side, self.preprocessing.interpolation)
        self.cache = PictureCache(
            data.cache_mb / 2, self.preprocessing.resize, self.preprocessing.interpolation
        )

    def labelled(self, folder: PictureFolder, targets: dict[str, int]) -> tuple[PictureLoader, PictureLoader]:
        """The training loader, shuffled and augmented, and the validation loader."""
        self._open(folder.train, self.training_cache)
        dataset = PictureDataset(
            folder.train,
            self.preprocessing,
            targets=targets,
            transform=self.augment,
            cache=self.training_cache,
            seed=self.seed,
        )
        loader = make_loader(dataset, self.data.batch_size, self.seed, True, self.data.workers)
        return loader, self.plain(folder.val, targets)

    def plain(self, pictures: Sequence[Picture], targets: dict[str, int] | None = None) -> PictureLoader:
        """A loader without augmentation."""
        self._open(pictures, self.cache)
        dataset = PictureDataset(pictures, self.preprocessing, targets=targets, cache=self.cache)
        return make_loader(dataset, self.data.batch_size)

    def _open(self, pictures: Sequence[Picture], cache: PictureCache) -> None:
        self.bad += find_bad(pictures, cache)

    def stream(
        self, sources: Sequence[Sequence[Picture | Tensor]], options: RetentionOptions
    ) -> AnchorStream:
        """The endless stream of anchors, each source with the same share of a step."""
        anchors = [anchor for source in sources for anchor in source]
        files = [anchor for anchor in anchors if isinstance(anchor, Picture)]
        self._open(files, self.training_cache)
        return AnchorStream(
            anchors,
            options.per_step,
            self.preprocessing,
            self.augment,
            self.training_cache,
            views=options.views,
            seed=self.seed,
            sources=[len(source) for source in sources],
        )


def _without_new_rows(lora: LoraConfig, head: Head) -> LoraConfig:
    # New rows are trained whole: a low-rank update of them would be a detour.
    return replace(lora, exclude=(*lora.exclude, *(f"^{re.escape(name)}" for name in head.trained)))


def _teacher(job: Job, pictures: _Pictures) -> AnchorTeacher:
    sources = _retention_anchors(job)
    if job.retention_loader is None and job.retention.budget is not None:
        sources, held = hold_out(sources)
        if held:
            job.held_out = pictures.stream([held], job.retention)
            job.say(f"{len(held)} anchors are held out, to choose the adapter's strength with")
    anchors = sum(map(len, sources))
    for folder in map(Path, job.contrast.anchors):
        sources.append(scan_pictures([folder]))
        job.say(f"{len(sources[-1])} pictures of other things from {folder}")
    if not sources:
        raise VisionLoraError(
            "retention: there are no anchors; set retention.anchors=[FOLDER], retention.generated=N "
            "or, to train without keeping anything, retention.weight=0"
        )
    stream = pictures.stream(sources, job.retention)
    return AnchorTeacher(stream, len(job.backbone.categories), anchors, job.head.targets)


def _retention_anchors(job: Job) -> list[Sequence[Picture | Tensor]]:
    options, backbone = job.retention, job.backbone
    if options.anchors == "auto":
        folders = [Path(anchor) for anchor in job.data.anchors] + list(backbone.anchors)
    else:
        folders = [Path(anchor) for anchor in options.anchors]
    sources: list[Sequence[Picture | Tensor]] = [scan_pictures([folder]) for folder in folders]
    for folder, source in zip(folders, sources, strict=True):
        job.say(f"{len(source)} anchor pictures from {folder}")
    if not sources and options.generated:
        sources.append(generate_anchors(options.generated, backbone.preprocessing.crop, job.seed))
        job.say(
            f"no photos as anchors (retention.anchors): {options.generated} generated pictures serve "
            "instead; a folder of any photos keeps much more of what the network knew"
        )
    return sources


def _retention_loader(job: Job, pictures: _Pictures) -> PictureLoader | None:
    if job.head.kind == "new":
        job.say("head new has none of the old outputs: nothing is distilled, and forgetting is not measured")
        return None
    root = job.backbone.retention_root if job.retention.root == "auto" else job.retention.root
    if root is None:
        job.say("no retention folder (retention.root): forgetting is not measured")
        return None
    known = scan_known(root)
    names = {picture.label for picture in known if picture.label is not None}
    try:
        targets = {name: find_class(name, job.backbone.categories, job.backbone.wnids) for name in names}
    except VisionLoraError as error:
        hint = "pictures without class folders need no names"
        raise VisionLoraError(f"retention.root {root}: {error}; {hint}") from error
    if not names:
        job.say(
            f"{root} has no labels: how much is forgotten is estimated by the frozen network's own answers"
        )
    return pictures.plain(known, targets)
