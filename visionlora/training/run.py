"""One training run, from the configuration to the folder with its results."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from torch import Tensor, nn

from visionlora.adapters import FrozenBatchNorm, folded
from visionlora.data import ImageFolder, write_bad
from visionlora.data.manifest import write_manifest
from visionlora.device import choose_device
from visionlora.evaluation.forgetting import changes_between
from visionlora.evaluation.images import evaluate_images
from visionlora.evaluation.strength import Candidates, StrengthOptions, select_strength
from visionlora.kernels.autotune import implementation, recorded, replay
from visionlora.notices import Notices
from visionlora.report.run_text import example_images, heading, show_next
from visionlora.retention.config import ContrastConfig, RetentionConfig
from visionlora.training.callbacks import FirstBatch, StepTimer, progress
from visionlora.training.config import OptimizerConfig, TrainerConfig, read_config
from visionlora.training.feature_cache import FeatureCachePlan, plan_feature_cache
from visionlora.training.learning_rate import select_learning_rate
from visionlora.training.metrics import TrainingResult, build_metrics
from visionlora.training.module import LoraModule
from visionlora.training.precision import choose_precision
from visionlora.training.setup import RunSetup, find_checkpoint, sample_images, set_up
from visionlora.training.trainer import Fitter, silence_warnings
from visionlora.training.weight_average import WeightAverage, trained_state, weight_candidates
from visionlora.training.write_outputs import (
    read_kernels,
    show_summary,
    write_adapter,
    write_kernels,
    write_outputs,
)

INTERRUPTED = 130

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
    silence_warnings()
    settings = read_config(config)
    resume = find_checkpoint(settings.resume)
    setup = set_up(settings, notices, images)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "config.yaml", resolve=True)
    left_out = setup.files.left_out
    if left_out:
        write_bad(left_out, folder / "left_out.csv")
        notices.say(f"they are listed in {folder / 'left_out.csv'}")
    write_manifest(setup.files.sets, folder / "images.json", without=[image.path for image in left_out])
    notices.start_log()
    notices.console.print(heading("Training"))
    if folds is not None:
        notices.say(
            f"{folds['count']} folds: top-1 {folds['val/top1']:.3f} on {len(setup.folder.val)} images, by "
            f"the run that did not learn each (standard deviation {folds['val/top1_deviation']:.3f} between "
            "folds); the figures of this run are on those it learns from"
        )

    device = choose_device(settings.trainer.accelerator)
    network, head = setup.adapted.network.to(device), setup.adapted.head
    sample = sample_images(setup.validation_loader or setup.train_loader).to(device)
    cache_plan = plan_feature_cache(
        settings.cache, network, sample, setup.cached_inputs, setup.views, settings.model.dropout, folder,
        notices,
    )  # fmt: skip
    evaluation_images = setup.evaluation_images
    if cache_plan is not None:
        evaluation_images = cache_plan.evaluation_images(evaluation_images)
    before = evaluate_images(network, evaluation_images).before_training(setup.adapted.old_outputs)

    logger = TensorBoardLogger(str(folder), name="", version="tensorboard", default_hp_metric=False)
    result = train(setup, sample, cache_plan, logger, folder, resume, started, notices)
    write_adapter(folder / "adapter", setup.adapted, setup.folder.classes)

    strength_started = time.perf_counter()
    skip = "training was interrupted" if result.interrupted else None
    selection = select_strength(
        network,
        evaluation_images,
        before,
        result.weights,
        strength_options(settings.retention, settings.contrast, head.kind),
        head.targets,
        skip,
        notices.console,
    )
    (notices.say if selection.metrics.get("kept", True) else notices.warn)(selection.notice)
    result.times["strength_s"] = time.perf_counter() - strength_started
    write_adapter(folder / "adapter", setup.adapted, setup.folder.classes)
    changes = changes_between(before.retention, selection.evaluation.retention, head.outputs)
    write_kernels(folder / "kernels.json", result.kernels)
    metrics = build_metrics(setup, before, selection, changes, result, notices.messages)
    if folds is not None:
        metrics["folds"] = dict(folds)
    write_outputs(folder, setup, config, before, selection.evaluation, changes, metrics, logger)
    notices.console.print(heading("Result"))
    show_summary(metrics, notices.console)
    log.info("the run is in %s", folder)
    show_next(folder, example_images(setup.folder), notices.console)
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
    preprocessing = setup.adapted.backbone.preprocessing
    timer, average = StepTimer(), WeightAverage(after=setup.total_steps // 2)
    first_batch = FirstBatch(preprocessing.mean, preprocessing.std)
    with (
        _kernel_policy(settings.trainer.kernel, notices),
        recorded() as kernels,
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
        checkpoints, interval = folder / "checkpoints", settings.trainer.interval(setup.total_steps)
        best = [ModelCheckpoint(checkpoints, "best", monitor="val/objective")] if validation_loader else []
        fitter = Fitter(
            sample.device, precision, settings.trainer.gradient_clip_val, train_loader, validation_loader
        )

        def new_module(steps: int, options: OptimizerConfig) -> LoraModule:
            suffix = None if cache_plan is None else part
            return LoraModule(
                network, steps, options, settings.retention, setup.teacher, settings.model.dropout, suffix,
                settings.seed,
            )  # fmt: skip

        options, trials = select_learning_rate(
            settings.optimizer, setup.total_steps, new_module, fitter, notices
        )
        module = new_module(setup.total_steps, options)
        callbacks = [
            *best, timer, average, first_batch,
            *_callbacks(settings.trainer, notices.console, checkpoints, interval, len(setup.folder.val)),
        ]  # fmt: skip
        trainer = fitter.trainer(setup.total_steps, settings.trainer.validations, logger, callbacks)
        fit_started = time.perf_counter()
        interrupted = fitter.fit(trainer, module, resume)
        weights: Candidates = {"last": trained_state(module)}
        objectives: dict[str, Any] = {}
        if not interrupted:
            best_path = best[0].best_model_path if best else ""
            weights, objectives = weight_candidates(fitter, module, best_path, average, len(setup.folder.val))
    times = {"setup_s": fit_started - started, "fit_s": time.perf_counter() - fit_started, **timer.summary()}
    if interrupted:
        notices.say(f"interrupted at step {trainer.global_step}: the adapter is saved as it is now")
    elif trainer.global_step < setup.total_steps:
        notices.say(
            f"stopped early at step {trainer.global_step} of {setup.total_steps}: "
            f"trainer.patience={settings.trainer.patience} validations without progress"
        )
    features = None if cache_plan is None else cache_plan.metrics()
    return TrainingResult(
        precision,
        trainer.global_step,
        len(norms),
        features,
        options.lr,
        trials,
        weights,
        objectives,
        interrupted,
        times,
        kernels,
    )


@contextmanager
def _kernel_policy(kernel: str, notices: Notices) -> Iterator[None]:
    """Inside, layers are computed as ``trainer.kernel`` demands: a word, an implementation's name, or the
    path of another run's kernels.json, whose choices are replayed."""
    path = Path(kernel)
    if path.suffix != ".json":
        with implementation(kernel):
            yield
        return
    decisions = read_kernels(path)
    with replay(decisions) as missing:
        yield
    if missing:
        first = f"{len(missing)} of the layers, first: {missing[0]}"
        notices.warn(f"trainer.kernel: {path} has no choice for {first}; there the rule chose")


def strength_options(retention: RetentionConfig, contrast: ContrastConfig, head: str) -> StrengthOptions:
    """What the choice of the strength depends on."""
    return StrengthOptions(
        retention.budget,
        contrast.budget,
        retention.least_learned,
        retention.strengths,
        old_knowledge=head != "new",
        keeps_head=head == "keep",
    )


def _computed_part(
    network: nn.Module, sample: Tensor, cache_plan: FeatureCachePlan | None
) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """What a training step computes, and a sample of its inputs."""
    if cache_plan is None:
        return network, (sample,)
    with torch.no_grad():
        return cache_plan.parts.suffix, cache_plan.parts.prefix(sample)


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


def _callbacks(
    options: TrainerConfig, console: Console, checkpoints: Path, interval: int, validation_images: int
) -> list[Callback]:
    # ModelCheckpoint's save_last writes only when the best one changes: no place to resume from.
    last = ModelCheckpoint(
        checkpoints, "last", enable_version_counter=False,
        every_n_train_steps=None if validation_images else interval,
    )  # fmt: skip
    callbacks: list[Callback] = [last, LearningRateMonitor("step")]
    if options.patience is not None and validation_images:
        callbacks.append(EarlyStopping("val/objective", patience=options.patience))
    if options.progress:
        callbacks.append(progress(console, validation_images))
    return callbacks
