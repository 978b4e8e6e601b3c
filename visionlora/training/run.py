"""One training run, from the configuration to the folder with its results."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig
from torch import Tensor

from visionlora.adapters.io.directory import start_digest
from visionlora.adapters.restart import describe_restarts
from visionlora.data import ImageFolder, write_bad
from visionlora.data.loaders import sample_images
from visionlora.device import choose_device, processor
from visionlora.evaluation.earlier import earlier_knowledge
from visionlora.evaluation.forgetting import changes_between
from visionlora.evaluation.images import evaluate_frozen
from visionlora.evaluation.strength import StrengthOptions, select_strength
from visionlora.notices import Notices
from visionlora.optimizers.config import OptimizerConfig, default_lr
from visionlora.phases import listen, phase, timed_phases
from visionlora.place import place
from visionlora.processes import agreed
from visionlora.report.metrics_file import write_metrics
from visionlora.report.run_text import example_images, heading, show_next
from visionlora.retention.config import ContrastConfig, RetentionConfig
from visionlora.run_folder.callbacks import CheckpointWriter
from visionlora.run_folder.folder import RunFolder
from visionlora.run_folder.kernel_choices import TimedChoices, timed_choices
from visionlora.run_folder.loggers import make_logger
from visionlora.run_folder.status import Status
from visionlora.signals import StopRequest
from visionlora.tasks.choose import choose, said
from visionlora.tasks.save import write_adapter
from visionlora.tasks.start import start_new_head
from visionlora.training.callbacks import FirstBatch, StepTimer, chosen_callbacks
from visionlora.training.config import read_config
from visionlora.training.feature_cache import FeatureCachePlan, computed_part, plan_feature_cache
from visionlora.training.learning_rate import select_learning_rate
from visionlora.training.metrics import TrainingResult, build_metrics, times_so_far, versions
from visionlora.training.module import LoraModule
from visionlora.training.precision import TYPES, recorded_precision
from visionlora.training.setup import RunSetup, set_up
from visionlora.training.trainer import Fitter, folded_batch_norms, sent_in_words, silence_warnings
from visionlora.training.weight_average import BestWeights, WeightAverage, weight_candidates
from visionlora.training.write_outputs import show_summary, write_outputs

THREADS = "the number of threads"
"""Sums are divided among threads, so the last bits depend on it."""

log = logging.getLogger(__name__)


@timed_phases()
def run(
    config: DictConfig,
    folder: RunFolder,
    stop: StopRequest,
    images: ImageFolder | None = None,
    folds: Mapping[str, Any] | None = None,
) -> None:
    """Set up, evaluate, train, evaluate again and write everything down; of a run that was interrupted, what
    is left of that.

    Args:
        config: the composed ``conf/train.yaml``.
        folder: of the run.
        stop: SIGINT and SIGTERM, which end the run where nothing is half done.
        images: what to learn and to validate on; None: what ``data.root`` holds.
        folds: the results of cross-validation, where ``images`` validates on what it trains on.

    Raises:
        Stopped: a signal ended it; it can be continued.
    """
    notices = Notices()
    silence_warnings()
    settings = read_config(config)
    if settings.trainer.threads is None and THREADS in folder.inputs:
        torch.set_num_threads(folder.inputs[THREADS])
    setup = set_up(settings, folder.record, notices, images)
    _record_inputs(folder, setup, notices)
    notices.start_log()
    told = partial(said, outputs=setup.adapted.head.outputs)
    status = Status(folder.path, [image.path for image in setup.folder.val], partial(told, setup.task))
    listen(status.enter)
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
    known = earlier_knowledge(setup.adapted.earlier, setup.evaluation_images, network)
    start = agreed(folder.checkpoints.newest(notices.warn))
    if start is not None:
        notices.say(f"continues after step {start['step']} of {setup.total_steps}")
    elif folder.continues:
        notices.say("there is no checkpoint: training starts at step 0")
    step = None if start is None else start["step"]
    logger = make_logger(settings.logger, folder.path, settings.data.name, step)
    with timed_choices(folder.path / "kernels.json", settings.trainer.kernel, notices) as choices:
        cache_plan = plan_feature_cache(
            setup.config.cache, network, sample, setup.cached_inputs, setup.views, settings.model.dropout,
            folder.path, choices, notices,
        )  # fmt: skip
        evaluation_images = setup.evaluation_images
        if cache_plan is not None:
            evaluation_images = cache_plan.evaluation_images(evaluation_images)
        before = evaluate_frozen(network, evaluation_images, setup.adapted.old_outputs)
        if before.validation is not None:
            status.saw(before.validation.logits, before.validation.labels, "before")
        budget = known.budget_left(settings.retention.budget, before, notices)
        result = train(setup, sample, cache_plan, logger, folder, choices, start, stop, notices, status)
        with stop.deferred():
            write_adapter(folder.path / "adapter", setup.adapted, setup.task)

        limits = strength_options(replace(settings.retention, budget=budget), settings.contrast, head.kind)
        selection = select_strength(
            network, evaluation_images, before, result.weights, limits, head.targets, notices.console
        )
        folder.record.set("strength", [selection.candidate, selection.metrics["chosen"]])
    (notices.say if selection.metrics.get("kept", True) else notices.warn)(selection.notice)
    restarts = describe_restarts(network)
    if restarts is not None:
        notices.say(restarts)
    judged = selection.evaluation.validation
    seen = None if judged is None else (judged.logits, judged.labels)
    chosen = choose(setup.task, seen, setup.names, notices)
    with stop.deferred(), phase("writing"):
        write_adapter(folder.path / "adapter", setup.adapted, chosen.task)
    if not place().first:
        return  # the first process writes the results
    changes = changes_between(before.retention, selection.evaluation.retention, head.outputs)
    metrics = build_metrics(setup, chosen, before, selection, changes, result, notices.messages)
    metrics |= known.metrics(network, before, selection.evaluation)
    if folds is not None:
        metrics["folds"] = dict(folds)
    with phase("writing"):
        write_outputs(
            folder.path, setup, chosen.task, config, before, selection.evaluation, changes, metrics, logger
        )
    # Again, with the time that writing took.
    write_metrics(folder.path / "metrics.json", {**metrics, "time": times_so_far(result.times)})
    folder.record.set("finished", True)
    if judged is not None:
        status.said = partial(told, chosen.task)
        status.saw(judged.logits, judged.labels, "now")
    status.enter("finished")
    notices.console.print(heading("Result"))
    show_summary(metrics, notices.console)
    log.info("the run is in %s", folder.path)
    show_next(folder.path, example_images(setup.folder), notices.console)


def _record_inputs(folder: RunFolder, setup: RunSetup, notices: Notices) -> None:
    """Write down what the run starts with, or compare it with what it was begun with."""
    if not place().first:
        return
    left_out, teacher = setup.files.left_out, setup.teacher
    values = {
        **versions(),
        "the network": setup.adapted.fingerprint,
        "the device": choose_device(setup.config.trainer.accelerator).type,
        THREADS: torch.get_num_threads(),
        "the learned start": start_digest(setup.config.lora.init),
        "the generated anchors": teacher.stream.digest() if teacher else None,
    }
    folder.check_inputs(setup.files.sets, [image.path for image in left_out], values, notices)
    folder.check_processor(processor().model, notices)
    if left_out:
        write_bad(left_out, folder.path / "left_out.csv")
        notices.say(f"images that cannot be read are listed in {folder.path / 'left_out.csv'}")


def train(
    setup: RunSetup,
    sample: Tensor,
    cache_plan: FeatureCachePlan | None,
    logger: Logger,
    folder: RunFolder,
    choices: TimedChoices,
    start: Mapping[str, Any] | None,
    stop: StopRequest,
    notices: Notices,
    status: Status,
) -> TrainingResult:
    """Choose precision and learning rate, train, and give the network the weights that it is likely to keep.

    Args:
        setup: of the run; its network is on its device and afterwards trained.
        sample: a few images for it.
        cache_plan: of features; None: there is no cache.
        logger: where the curves are written.
        folder: of the run, for checkpoints and what is decided.
        choices: what is chosen by a timing.
        start: the checkpoint to continue from; None: from step 0.
        stop: SIGINT and SIGTERM.
        notices: where decisions are announced.
        status: told how far training is.

    Raises:
        Stopped: a signal ended it; the checkpoint and the adapter are written.
    """
    settings, network = setup.config, setup.adapted.network
    preprocessing = setup.adapted.backbone.preprocessing
    halfway = (
        setup.new_head and settings.lora.restart_every is None
    )  # a restart leaves no start to go back to
    timer, average, best = StepTimer(), WeightAverage(setup.total_steps // 2, halfway), BestWeights()
    first_batch = FirstBatch(preprocessing.mean, preprocessing.std)
    with folded_batch_norms(network, settings.trainer, sample, notices) as norms:
        part, inputs = computed_part(network, sample, cache_plan)
        precision, reason = recorded_precision(settings.trainer.precision, choices, part, *inputs)
        notices.say(f"precision {precision}: {reason}")
        start_new_head(
            setup.adapted, setup.train_loader, setup.validation_loader, TYPES.get(precision), setup.task,
            notices,
        )  # fmt: skip
        train_loader, validation_loader = setup.train_loader, setup.validation_loader
        if cache_plan is not None:
            train_loader, validation_loader, cache = cache_plan.training_loaders(
                train_loader, validation_loader, settings.seed, precision
            )
            if setup.teacher is not None:
                setup.teacher.features = cache
        fitter = Fitter(
            sample.device, precision, settings.trainer.gradient_clip_val, train_loader, validation_loader,
            settings.trainer.strategy,
        )  # fmt: skip

        def new_module(steps: int, options: OptimizerConfig) -> LoraModule:
            suffix = None if cache_plan is None else part
            return LoraModule(
                network, steps, options, settings.retention, setup.teacher, settings.model.dropout, suffix,
                settings.seed, settings.lora.restart_every, setup.mixing, setup.task,
                settings.trainer.accumulate, notices.warn,
            )  # fmt: skip

        def save_adapter() -> None:
            write_adapter(folder.path / "adapter", setup.adapted, setup.task)

        def saved() -> None:
            choices.write()
            save_adapter()

        options, trials = select_learning_rate(
            settings.optimizer, default_lr(setup.new_head), setup.total_steps, new_module, fitter,
            folder.record, notices,
        )  # fmt: skip
        module = new_module(setup.total_steps, options)
        writer = CheckpointWriter(
            folder.checkpoints, stop, train_loader, saved, steps=settings.trainer.checkpoint_steps,
            minutes=settings.trainer.checkpoint_minutes, start=start,
        )  # fmt: skip
        validates = validation_loader is not None
        callbacks = [
            *([best] if validates else []), timer, average, first_batch, writer,
            *chosen_callbacks(settings.trainer, notices.console, len(setup.folder.val)), status,
        ]  # fmt: skip
        trainer = fitter.trainer(setup.total_steps, settings.trainer.validations, logger, callbacks)
        with stop.deferred(rescue=save_adapter):
            fitter.fit(trainer, module)
        weights, objectives = weight_candidates(fitter, module, best.weights, average, len(setup.folder.val))
        network.load_state_dict(dict(next(iter(weights.values()))), strict=False)
    if trainer.global_step < setup.total_steps:
        notices.say(
            f"stopped early at step {trainer.global_step} of {setup.total_steps}: "
            f"trainer.patience={settings.trainer.patience} validations without progress"
        )
    if fitter.traffic.step_bytes:
        notices.say(sent_in_words(fitter.traffic.step_bytes, network))
    features = None if cache_plan is None else cache_plan.metrics()
    return TrainingResult(
        precision, trainer.global_step, len(norms), features, options.lr, trials, weights, objectives,
        timer.summary(),
    )  # fmt: skip


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
