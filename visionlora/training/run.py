"""One training run, from the configuration to the folder with its results."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from visionlora.adapters import FrozenBatchNorm, folded
from visionlora.data import ImageDataset, ImageFolder, ImageLoader
from visionlora.device import choose_device
from visionlora.errors import VisionLoraError
from visionlora.evaluation.forgetting import changes_between
from visionlora.evaluation.images import evaluate_images
from visionlora.evaluation.strength import StrengthOptions, select_strength
from visionlora.kernels.autotune import implementation
from visionlora.notices import Notices
from visionlora.training.callbacks import FirstBatch, StepTimer, progress
from visionlora.training.config import OptimizerConfig, RunConfig, TrainerConfig, read_config
from visionlora.training.feature_cache import FeatureCachePlan, plan_feature_cache
from visionlora.training.learning_rate import select_learning_rate
from visionlora.training.metrics import TrainingResult, build_metrics
from visionlora.training.module import LoraModule
from visionlora.training.precision import choose_precision
from visionlora.training.setup import RunSetup, set_up
from visionlora.training.trainer import Fitter
from visionlora.training.weight_average import WeightAverage, select_weights
from visionlora.training.write_outputs import show_summary, write_adapter, write_outputs

INTERRUPTED = 130
SAMPLE = 4
"""Images that the network is timed and folded with."""

log = logging.getLogger(__name__)


def run(
    config: DictConfig,
    output_dir: str | Path,
    images: ImageFolder | None = None,
    folds: Mapping[str, Any] | None = None,
) -> int:
    """Set up, evaluate, train, evaluate again and write everything down.

    Args:
        config: the composed ``conf/train.yaml``.
        output_dir: the run's folder; made where it is missing.
        images: what to learn and to validate on; None: what ``data.root`` holds.
        folds: the results of cross-validation, where ``images`` validates on what it trains on.

    Returns:
        The exit code: 0, or 130 where Ctrl-C ended training early (the adapter is saved all the same).
    """
    started = time.perf_counter()
    folder, notices = Path(output_dir), Notices()
    _silence_warnings()
    settings = read_config(config)
    resume = find_checkpoint(settings.resume)
    setup = set_up(settings, notices, images)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "config.yaml", resolve=True)
    notices.start_log()
    if folds is not None:
        notices.say(
            f"{folds['count']} folds: top-1 {folds['val/top1']:.3f} on images not trained on (standard "
            f"deviation {folds['val/top1_deviation']:.3f} between folds); the figures of this run are on "
            "those it learns from"
        )

    device = choose_device(settings.trainer.accelerator)
    network, head = setup.adapted.network.to(device), setup.adapted.head
    sample = sample_images(setup.validation_loader).to(device)
    cache_plan = plan_feature_cache(
        settings.cache, network, sample, setup.cached_inputs, setup.views, settings.model.dropout, folder,
        notices,
    )  # fmt: skip
    evaluation_images = setup.evaluation_images
    if cache_plan is not None:
        evaluation_images = cache_plan.evaluation_images(evaluation_images)
    before = evaluate_images(network, evaluation_images).with_old_outputs(setup.adapted.old_outputs)

    logger = TensorBoardLogger(str(folder), name="", version="tensorboard", default_hp_metric=False)
    result = train(setup, sample, cache_plan, logger, folder, resume, started, notices)
    write_adapter(folder / "adapter", setup.adapted, setup.folder.classes)

    strength_started = time.perf_counter()
    after = evaluate_images(network, evaluation_images)
    skip = "training was interrupted" if result.interrupted else None
    selection = select_strength(
        network, evaluation_images, before, after, strength_options(settings, head.kind), head.targets, skip
    )
    notices.say(selection.notice)
    result.times["strength_s"] = time.perf_counter() - strength_started
    write_adapter(folder / "adapter", setup.adapted, setup.folder.classes)
    changes = changes_between(before.retention, selection.evaluation.retention, head.outputs)
    metrics = build_metrics(setup, before, selection, changes, result, notices.messages)
    if folds is not None:
        metrics["folds"] = dict(folds)
    write_outputs(folder, setup, config, before, selection.evaluation, changes, metrics, logger)
    show_summary(metrics, notices.console)
    log.info("the run is in %s", folder)
    notices.console.print(f"\nthe run is in [bold]{folder}[/bold]; tensorboard --logdir {folder}")
    return INTERRUPTED if result.interrupted else 0


def train(
    setup: RunSetup,
    sample: Tensor,
    cache_plan: FeatureCachePlan | None,
    logger: TensorBoardLogger,
    folder: Path,
    resume: Path | None,
    started: float,
    notices: Notices,
) -> TrainingResult:
    """Choose precision and learning rate, train, and give the network the weights that are best.

    Args:
        setup: of the run; its network is on its device and afterwards trained.
        sample: a few images for it.
        cache_plan: of features; None: there is no cache.
        logger: where the curves are written.
        folder: of the run, for checkpoints.
        resume: the checkpoint to continue from.
        started: ``time.perf_counter()`` when the run started.
        notices: where decisions are announced.
    """
    settings, network = setup.config, setup.adapted.network
    timer, average = StepTimer(), WeightAverage(after=setup.total_steps // 2)
    best = ModelCheckpoint(folder / "checkpoints", "best", monitor="val/objective")
    with (
        implementation(settings.trainer.kernel),
        _folded_batch_norms(network, settings.trainer, sample, notices) as norms,
    ):
        part, inputs = _computed_part(network, sample, cache_plan)
        precision, reason = choose_precision(settings.trainer.precision, part, *inputs)
        notices.say(f"precision {precision}: {reason}")
        train_loader, validation_loader = setup.train_loader, setup.validation_loader
        if cache_plan is not None:
            train_loader, validation_loader, cache = cache_plan.training_loaders(
                train_loader, validation_loader, settings.seed, precision
            )
            if setup.teacher is not None:
                setup.teacher.features = cache
        fitter = Fitter(
            sample.device, precision, settings.trainer.gradient_clip_val, train_loader, validation_loader
        )
        new_module = partial(_new_module, setup, None if cache_plan is None else part)
        options, trials = select_learning_rate(
            settings.optimizer, setup.total_steps, new_module, fitter, notices
        )
        module = new_module(setup.total_steps, options)
        callbacks = [best, timer, average, *_callbacks(setup, notices, folder)]
        trainer = fitter.trainer(setup.total_steps, settings.trainer.validations, logger, callbacks)
        fit_started = time.perf_counter()
        interrupted = fitter.fit(trainer, module, resume)
        candidates: dict[str, Any] = {"taken": "last"}
        if not interrupted:
            candidates = select_weights(fitter, module, best.best_model_path, average, len(setup.folder.val))
    times = {"setup_s": fit_started - started, "fit_s": time.perf_counter() - fit_started, **timer.summary()}
    if interrupted:
        notices.say(f"interrupted at step {trainer.global_step}: the adapter is saved as it is now")
    elif candidates["taken"] == "average":
        notices.say("the adapters' average over the second half of training is taken")
    features = None if cache_plan is None else cache_plan.metrics()
    return TrainingResult(
        precision,
        trainer.global_step,
        len(norms),
        features,
        options.lr,
        trials,
        candidates,
        interrupted,
        times,
    )


def sample_images(loader: ImageLoader) -> Tensor:
    """A few images as the network receives them: (4, 3, height, width)."""
    dataset = loader.dataset
    assert isinstance(dataset, ImageDataset)
    return dataset.normalise([dataset[index % len(dataset)][0] for index in range(SAMPLE)])


def find_checkpoint(resume: str | None) -> Path | None:
    """The checkpoint that ``resume=`` names: a file, or the last one of a run folder."""
    if resume is None:
        return None
    path = Path(resume)
    if path.is_dir():
        path = path / "checkpoints" / "last.ckpt"
    if not path.is_file():
        raise VisionLoraError(f"resume: there is no checkpoint {path}; give a run folder or a .ckpt file")
    return path


def strength_options(settings: RunConfig, head: str) -> StrengthOptions:
    """What the choice of the strength depends on, from ``retention`` and ``contrast``."""
    return StrengthOptions(
        settings.retention.budget,
        settings.contrast.budget,
        settings.retention.least_learned,
        settings.retention.strengths,
        old_knowledge=head != "new",
    )


def _computed_part(
    network: nn.Module, sample: Tensor, cache_plan: FeatureCachePlan | None
) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """What a training step computes, and a sample of its inputs."""
    if cache_plan is None:
        return network, (sample,)
    with torch.no_grad():
        return cache_plan.parts.suffix, cache_plan.parts.prefix(sample)


def _new_module(
    setup: RunSetup, suffix: nn.Module | None, steps: int, options: OptimizerConfig
) -> LoraModule:
    settings = setup.config
    return LoraModule(
        setup.adapted.network, steps, options, settings.retention, setup.teacher, settings.model.dropout,
        suffix, settings.seed,
    )  # fmt: skip


@contextmanager
def _folded_batch_norms(
    network: nn.Module, options: TrainerConfig, sample: Tensor, notices: Notices
) -> Iterator[list[str]]:
    """Inside, frozen batch norms are folded where that is wanted; gives the names of those that are.

    What is evaluated before and after training is the network as it will be used: not folded.
    """
    norms = sum(isinstance(module, FrozenBatchNorm) for module in network.modules())
    if not (norms and options.fold_batch_norm):
        yield []
        return
    with folded(network, sample) as names:
        notices.say(f"{len(names)} of {norms} batch norms are computed by the convolution before them")
        yield names


def _callbacks(setup: RunSetup, notices: Notices, folder: Path) -> list[Callback]:
    options, preprocessing = setup.config.trainer, setup.adapted.backbone.preprocessing
    callbacks: list[Callback] = [
        # ModelCheckpoint's save_last writes only when the best one changes: no place to resume from.
        ModelCheckpoint(folder / "checkpoints", "last", enable_version_counter=False),
        LearningRateMonitor("step"),
        FirstBatch(preprocessing.mean, preprocessing.std),
    ]
    if options.patience is not None:
        callbacks.append(EarlyStopping("val/objective", patience=options.patience))
    if options.progress:
        callbacks.append(progress(notices.console))
    return callbacks


def _silence_warnings() -> None:
    # Advice for other kinds of training; here it is noise, or wrong (frozen layers belong in eval mode).
    for text in (
        ".*does not have many workers.*",
        ".*The number of training batches.*",
        ".*module\\(s\\) in eval mode at the start of training.*",
        ".*treespec, LeafSpec.*",
        ".*The dirpath has changed.*",  # a resumed run has a folder of its own
    ):
        warnings.filterwarnings("ignore", text)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
