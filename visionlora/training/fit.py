"""Training itself: precision and learning rate are chosen, the steps are taken, and weights to choose from
are kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from visionlora.adapters import load_part, start_adapters
from visionlora.adapters.settings import AUTO
from visionlora.data import ImageLoader
from visionlora.errors import Diverged, VisionLoraError
from visionlora.evaluation.strength import Candidates
from visionlora.memory import Parts
from visionlora.notices import Notices
from visionlora.optimizers.config import default_lr
from visionlora.run_folder.callbacks import CheckpointWriter
from visionlora.run_folder.folder import RunFolder
from visionlora.run_folder.kernel_choices import TimedChoices
from visionlora.run_folder.record import Record
from visionlora.run_folder.status import Status
from visionlora.run_folder.trainer_state import trained_state
from visionlora.signals import StopRequest
from visionlora.tasks.save import write_adapter
from visionlora.tasks.start import start_new_head
from visionlora.text import counted
from visionlora.training.callbacks import FirstBatch, StepTimer, chosen_callbacks
from visionlora.training.config import TrainerConfig
from visionlora.training.feature_cache import FeatureCachePlan, computed_part
from visionlora.training.metrics import TrainingResult, Trials
from visionlora.training.module import LoraModule, StepOptions
from visionlora.training.precision import TYPES, recorded_precision
from visionlora.training.setup import RunSetup
from visionlora.training.trainer import Fitter, folded_batch_norms, sent_in_words
from visionlora.training.weight_average import BestWeights, WeightAverage, weight_candidates

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""From too slow to too fast for every network and number of images that was tried."""
SHARE = 4
"""A trial has one SHARE-th of the run's steps, with its own warm-up and cosine."""
LEAST_STEPS = 20


@dataclass(frozen=True)
class Session:
    """One session of a run: a run that was interrupted has several.

    Attributes:
        folder: of the run, for checkpoints and what is decided.
        start: the checkpoint to continue from; None: from step 0.
        stop: SIGINT and SIGTERM, which end the run where nothing is half done.
        logger: where the curves are written.
        status: told how far training is.
        notices: where decisions are announced.
    """

    folder: RunFolder
    start: Mapping[str, Any] | None
    stop: StopRequest
    logger: Logger
    status: Status
    notices: Notices

    def checkpoint_writer(
        self, options: TrainerConfig, loader: ImageLoader, saved: Callable[[], None]
    ) -> CheckpointWriter:
        """What writes checkpoints while ``loader``'s images are learned; it calls ``saved`` after each."""
        return CheckpointWriter(
            self.folder.checkpoints, self.stop, loader, saved, steps=options.checkpoint_steps,
            minutes=options.checkpoint_minutes, start=self.start,
        )  # fmt: skip


def train(
    setup: RunSetup,
    session: Session,
    sample: Tensor,
    cache_plan: FeatureCachePlan | None,
    choices: TimedChoices,
) -> TrainingResult:
    """Choose precision and learning rate, train, and give the network the weights that it is likely to keep.

    Args:
        setup: of the run; its network is on its device and afterwards trained.
        session: whose checkpoint training starts from, and what it writes to.
        sample: a few images for the network.
        cache_plan: of features; None: there is no cache.
        choices: what is chosen by a timing.

    Raises:
        Stopped: a signal ended it; the checkpoint and the adapter are written.
    """
    settings, network, notices = setup.config, setup.adapted.network, session.notices
    with folded_batch_norms(network, settings.trainer, sample, notices) as norms:
        part, inputs = computed_part(network, sample, cache_plan)
        precision, reason = recorded_precision(settings.trainer.precision, choices, part, *inputs)
        notices.say(f"precision {precision}: {reason}")
        if session.start is None:  # a checkpoint has the head as it was by then
            start_new_head(
                setup.adapted, setup.train_loader, setup.validation_loader, TYPES.get(precision), setup.task,
                notices,
            )  # fmt: skip
        fitter = _fitter(setup, sample.device, precision, cache_plan)
        new_module = partial(_module, setup, notices, None if cache_plan is None else part)
        lr, trials = _learning_rate(setup, session, fitter, new_module)
        decided = {
            "trainer.precision": (settings.trainer.precision, precision),
            "cache.features": (settings.cache.features, cache_plan is not None),
            "optimizer.lr": (settings.optimizer.lr, lr),
        }
        session.folder.decide({name: value for name, (asked, value) in decided.items() if asked == AUTO})
        steps = _take_steps(setup, session, fitter, new_module(setup.total_steps, lr), choices)
        load_part(network, next(iter(steps.weights.values())))
    if steps.taken < setup.total_steps:
        notices.say(
            f"stopped early at step {steps.taken} of {setup.total_steps}: "
            f"trainer.patience={settings.trainer.patience} validations without progress"
        )
    if fitter.traffic.step_bytes:
        notices.say(sent_in_words(fitter.traffic.step_bytes, network))
    features = None if cache_plan is None else cache_plan.metrics()
    return TrainingResult(
        precision, steps.taken, len(norms), features, lr, trials, steps.weights, steps.objectives,
        steps.times,
    )  # fmt: skip


class _Steps(NamedTuple):
    """The steps of a run: how many were taken, and the rest as in :class:`TrainingResult`."""

    taken: int
    weights: Candidates
    objectives: Mapping[str, Any]
    times: dict[str, float | str]


def _take_steps(
    setup: RunSetup, session: Session, fitter: Fitter, module: LoraModule, choices: TimedChoices
) -> _Steps:
    """Take the steps of the run, and measure which weights it may deliver.

    Whenever a checkpoint is written, so are the adapter and what was chosen by a timing.
    """
    settings, validation_images = setup.config, len(setup.folder.val)

    def save_adapter() -> None:
        write_adapter(session.folder.path / "adapter", setup.adapted, setup.task)

    def saved() -> None:
        choices.write()
        save_adapter()

    # A restart leaves no start to go halfway back to.
    halfway = setup.new_head and settings.lora.restart_every is None
    timer, average, best = StepTimer(), WeightAverage(setup.total_steps // 2, halfway), BestWeights()
    preprocessing = setup.adapted.backbone.preprocessing
    callbacks = [
        *([best] if fitter.validation_loader is not None else []), timer, average,
        FirstBatch(preprocessing.mean, preprocessing.std),
        session.checkpoint_writer(settings.trainer, fitter.train_loader, saved),
        *chosen_callbacks(settings.trainer, session.notices.console, validation_images), session.status,
    ]  # fmt: skip
    trainer = fitter.trainer(setup.total_steps, settings.trainer.validations, session.logger, callbacks)
    with session.stop.deferred(rescue=save_adapter):
        fitter.fit(trainer, module)
    weights, objectives = weight_candidates(fitter, module, best.weights, average, validation_images)
    return _Steps(trainer.global_step, weights, objectives, timer.summary())


def _fitter(
    setup: RunSetup, device: torch.device, precision: str, cache_plan: FeatureCachePlan | None
) -> Fitter:
    """What trains on the run's images; a feature cache holds the teacher's anchors too."""
    trainer = setup.config.trainer
    train_loader, validation_loader = setup.train_loader, setup.validation_loader
    if cache_plan is not None:
        train_loader, validation_loader, cache = cache_plan.training_loaders(
            train_loader, validation_loader, setup.config.seed, precision
        )
        if setup.teacher is not None:
            setup.teacher.features = cache
    return Fitter(
        device, precision, trainer.gradient_clip_val, train_loader, validation_loader, trainer.strategy
    )


def _module(setup: RunSetup, notices: Notices, suffix: nn.Module | None, steps: int, lr: float) -> LoraModule:
    """What ``steps`` steps train; ``suffix`` is what a feature cache leaves to compute."""
    settings = setup.config
    step_options = StepOptions(
        dropout=settings.model.dropout, seed=settings.seed, restart_every=settings.lora.restart_every,
        mixing=setup.mixing, task=setup.task, parts=Parts(notices.warn, settings.trainer.accumulate),
    )  # fmt: skip
    network, options = setup.adapted.network, replace(settings.optimizer, lr=lr)
    return LoraModule(network, steps, options, settings.retention, setup.teacher, suffix, step_options)


def _learning_rate(
    setup: RunSetup, session: Session, fitter: Fitter, new_module: Callable[[int, float], LoraModule]
) -> tuple[float, Trials]:
    """The run's learning rate, and the trials that chose it."""
    lr, default, notices = setup.config.optimizer.lr, default_lr(setup.new_head), session.notices
    if isinstance(lr, (int, float)):
        return lr, []
    if fitter.validation_loader is None:
        notices.say(
            f"optimizer.lr={default:g}, not chosen: auto compares on validation images, and there are none"
        )
        return default, []
    return select_learning_rate(
        default, setup.total_steps, new_module, fitter, session.folder.record, notices
    )


def select_learning_rate(
    default: float,
    total_steps: int,
    new_module: Callable[[int, float], LoraModule],
    fitter: Fitter,
    record: Record,
    notices: Notices,
) -> tuple[float, Trials]:
    """The best of :data:`FACTORS` times the default; the network is unchanged afterwards.

    Every trial starts at the same adapters and sees the same images. The best one ends with the smallest
    ``val/objective``, which chooses the run's checkpoint too.

    Args:
        default: the learning rate in the middle.
        total_steps: optimizer steps of the whole run.
        new_module: makes a module from a number of steps and a learning rate.
        fitter: trains it.
        record: each trial is recorded when it is done, and those of an interrupted run are not repeated.
        notices: where the choice is announced.

    Returns:
        It and the trials.

    Raises:
        VisionLoraError: every trial diverges.
    """
    steps = min(total_steps, max(LEAST_STEPS, total_steps // SHARE))
    trials: Trials = list(record.get("learning_rate_trials", []))
    for lr in [factor * default for factor in FACTORS][len(trials) :]:
        trials.append({"lr": lr, "val/objective": _try(new_module(steps, lr), fitter)})
        record.set("learning_rate_trials", trials)
    objectives = {trial["lr"]: trial["val/objective"] for trial in trials}
    finite = {lr: value for lr, value in objectives.items() if lr is not None and value is not None}
    if not finite:
        raise VisionLoraError(
            "optimizer.lr=auto: training diverges at every learning rate; set trainer.precision=32-true, or "
            f"optimizer.lr to less than {FACTORS[0] * default:g}"
        )
    best = min(finite, key=lambda lr: finite[lr])
    figures = ", ".join(
        f"{lr:g}: {'diverged' if value is None else f'{value:.3f}'}" for lr, value in objectives.items()
    )
    length = counted(steps, "step")
    notices.say(f"optimizer.lr={best:g}, the best of trials of {length} by val/objective ({figures})")
    return best, trials


def _try(module: LoraModule, fitter: Fitter) -> float | None:
    """``val/objective`` after a short training, None where it diverges; the network is unchanged."""
    start = {name: value.clone() for name, value in trained_state(module).items()}
    trainer = fitter.trainer(module.total_steps)
    try:
        fitter.fit(trainer, module)
        objective = float(trainer.callback_metrics["val/objective"])
    except Diverged:
        objective = math.nan
    load_part(module, start)
    start_adapters(module.network, 0, module.total_steps)
    module.zero_grad()
    return objective if math.isfinite(objective) else None
