"""A training run, from the configuration to the folder with its results; and cross-validation, which is
several."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.markup import escape
from torch import Tensor

from visionlora.adapters.io.directory import start_digest
from visionlora.adapters.restart import describe_restarts
from visionlora.data import LEFT_OUT, ImageFolder, scan, write_bad
from visionlora.data.check.check_images import find_bad, split_bad
from visionlora.data.loading.loaders import sample_images
from visionlora.data.splits.divide import k_folds, stratified
from visionlora.device import choose_device, give_back_freed_memory, processor
from visionlora.evaluation.cross_validation import summarize_folds
from visionlora.evaluation.earlier import earlier_knowledge
from visionlora.evaluation.forgetting import BeforeAfter
from visionlora.evaluation.images import Evaluation, evaluate_frozen
from visionlora.evaluation.strength import StrengthOptions, StrengthSelection, select_strength
from visionlora.models.heads import Head
from visionlora.notices import Notices
from visionlora.phases import listen, phase, timed_phases
from visionlora.processes import agreed
from visionlora.report.metrics_file import read_metrics, write_metrics
from visionlora.report.run_text import example_images, heading, show_next
from visionlora.retention.config import ContrastConfig, RetentionConfig
from visionlora.run_folder.folder import RunFolder
from visionlora.run_folder.kernel_choices import timed_choices
from visionlora.run_folder.loggers import make_logger
from visionlora.run_folder.shared_folder import shared
from visionlora.run_folder.status import Status
from visionlora.signals import StopRequest
from visionlora.tasks.base import Chosen
from visionlora.tasks.choose import choose, predicted_names
from visionlora.tasks.save import write_adapter
from visionlora.text import counted
from visionlora.this_process import this_process
from visionlora.training.config import read_config
from visionlora.training.feature_cache import frozen_parts, plan_feature_cache
from visionlora.training.fit import Session, train
from visionlora.training.metrics import TrainingResult, build_metrics, times_so_far, versions
from visionlora.training.setup import RunSetup, set_up
from visionlora.training.trainer import silence_warnings
from visionlora.training.write_outputs import show_summary, write_outputs

THREADS = "the number of threads"
"""Sums are divided among threads, so the last bits depend on it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Outcome:
    """What there is when a run has trained.

    Attributes:
        earlier: what is kept of an adapter that the run continues from, for ``metrics.json``.
        before: the frozen network's predictions.
        result: how training went.
        selection: the weights and the strength that the adapter has now, and the predictions with them.
    """

    earlier: dict[str, Any]
    before: Evaluation
    result: TrainingResult
    selection: StrengthSelection

    @property
    def judged(self) -> tuple[Tensor, Tensor] | None:
        """Logits and labels of the validation images as the adapter is now; None: there are no images."""
        validation = self.selection.evaluation.validation
        return None if validation is None else (validation.logits, validation.labels)


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
    folder.decide(setup.decided)
    notices.start_log()
    validation = setup.folder.val
    describe = partial(predicted_names, setup.task, outputs=setup.adapted.head.outputs)
    status = Status(folder.path, [image.path for image in validation], describe)
    listen(status.enter)
    notices.console.print(heading("Training"))
    if folds is not None:
        notices.say(_folds_in_words(folds, len(validation)))
    start = agreed(folder.checkpoints.newest(notices.warn))
    if start is not None:
        notices.say(f"continues after step {start['step']} of {setup.total_steps}")
    elif folder.continues:
        notices.say("there is no checkpoint: training starts at step 0")
    step = None if start is None else start["step"]
    logger = make_logger(settings.logger, folder.path, settings.data.name, step)
    session = Session(folder, start, stop, logger, status, notices)
    outcome = _train_and_select(setup, session)
    chosen = choose(setup.task, outcome.judged, setup.names, notices)
    with stop.deferred(), phase("writing"):
        write_adapter(folder.path / "adapter", setup.adapted, chosen.task)
    if this_process().first:
        _write_results(setup, session, outcome, chosen, folds)


def _folds_in_words(folds: Mapping[str, Any], images: int) -> str:
    return (
        f"{folds['count']} folds: top-1 {folds['val/top1']:.3f} on {images} images, by the run that did not "
        f"learn each (standard deviation {folds['val/top1_deviation']:.3f} between folds); the figures of "
        "this run are on those it learns from"
    )


def _record_inputs(folder: RunFolder, setup: RunSetup, notices: Notices) -> None:
    """Write down what the run starts with, or compare it with what it was begun with."""
    if not this_process().first:
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
        write_bad(left_out, folder.path / LEFT_OUT)
        notices.say(f"images that cannot be read are listed in {folder.path / LEFT_OUT}")


def _train_and_select(setup: RunSetup, session: Session) -> _Outcome:
    """Evaluate the frozen network, train it, and choose the adapter's weights and strength."""
    settings, folder, notices = setup.config, session.folder.path, session.notices
    device = choose_device(settings.trainer.accelerator)
    network, head = setup.adapted.network.to(device), setup.adapted.head
    sample = sample_images(setup.validation_loader or setup.train_loader).to(device)
    known = earlier_knowledge(setup.adapted.earlier, setup.evaluation_images, network)
    with timed_choices(folder / "kernels.json", settings.trainer.kernel, notices) as choices:
        parts = frozen_parts(settings.cache, network, settings.model.dropout)
        cache_plan = plan_feature_cache(
            settings.cache, parts, sample, setup.cached_inputs, folder, choices, notices
        )
        images = setup.evaluation_images
        if cache_plan is not None:
            images = cache_plan.evaluation_images(images)
        before = evaluate_frozen(network, images, setup.adapted.old_outputs)
        give_back_freed_memory()
        if before.validation is not None:
            session.status.saw(before.validation.logits, before.validation.labels, "before")
        budget = known.budget_left(settings.retention.budget, before, notices)
        result = train(setup, session, sample, cache_plan, choices)
        give_back_freed_memory()
        with session.stop.deferred():
            write_adapter(folder / "adapter", setup.adapted, setup.task)
        limits = strength_options(replace(settings.retention, budget=budget), settings.contrast, head)
        selection = select_strength(network, images, before, result.weights, limits, notices.console)
        session.folder.record.set("strength", [selection.candidate, selection.metrics["chosen"]])
    (notices.say if selection.metrics.get("kept", True) else notices.warn)(selection.notice)
    restarts = describe_restarts(network)
    if restarts is not None:
        notices.say(restarts)
    # Here and not where results are written: every process predicts its share of the images.
    earlier = known.metrics(network, before, selection.evaluation)
    return _Outcome(earlier, before, result, selection)


def _write_results(
    setup: RunSetup,
    session: Session,
    outcome: _Outcome,
    chosen: Chosen,
    folds: Mapping[str, Any] | None,
) -> None:
    """Write the results and show them; the adapter is in the folder already."""
    folder, notices, status = session.folder, session.notices, session.status
    outputs = setup.adapted.head.outputs
    evaluations = BeforeAfter.of(outcome.before, outcome.selection.evaluation, outputs)
    metrics = build_metrics(setup, chosen, evaluations, outcome.selection, outcome.result, notices.messages)
    metrics |= outcome.earlier
    if folds is not None:
        metrics["folds"] = dict(folds)
    with phase("writing"):
        write_outputs(folder.path, setup, chosen.task, evaluations, metrics, session.logger)
    # Again, with the time that writing took.
    write_metrics(folder.path / "metrics.json", {**metrics, "time": times_so_far(outcome.result.times)})
    folder.record.set("finished", True)
    if outcome.judged is not None:
        status.said = partial(predicted_names, chosen.task, outputs=outputs)
        status.saw(*outcome.judged, "now")
    status.enter("finished")
    notices.console.print(heading("Result"))
    show_summary(metrics, notices.console)
    log.info("the run is in %s", folder.path)
    show_next(folder.path, example_images(setup.folder), notices.console)


def run_folds(config: DictConfig, folder: RunFolder, stop: StopRequest) -> None:
    """Train once without each of ``data.folds`` parts of the images, then once with all of them.

    Train and val images are divided together. Each fold's run is in ``folds/N``. It reports on the part that
    it neither trains on nor chooses with: its validation images are ``data.val_fraction`` of the rest. The
    last run, in ``folder`` itself, has the adapter, and ``folds`` in its ``metrics.json`` holds the results
    of the others. Its own figures are on images that it was trained on.

    Those that are finished already are not repeated.

    Raises:
        VisionLoraError: there are too few images of a class, or too many that cannot be read.
        Stopped: a signal ended it; it can be continued.
    """
    data = read_config(config).data
    assert data.folds is not None
    whole = scan(
        data.root, class_name=data.class_name, val_fraction=data.val_fraction, seed=config.seed,
        class_from=data.class_from,
    )  # fmt: skip
    images = (*whole.train, *whole.val)
    console = Console()
    # Of the parts a bad image may be too large a share: what the whole can do without, every part can.
    usable, _ = split_bad(images, find_bad(images), data.on_bad)
    found: list[dict[str, Any]] = []
    for number, (rest, unseen) in enumerate(k_folds(usable, whole.root, data.folds, config.seed), start=1):
        train, val = stratified(rest, whole.root, data.val_fraction, config.seed)
        console.rule(
            escape(
                f"fold {number} of {data.folds}: {counted(len(train), 'image')} to learn from, "
                f"{len(val)} to choose with, {len(unseen)} unseen"
            )
        )
        split = "made" if val else "none"
        part = replace(whole, train=tuple(train), val=tuple(val), test=tuple(unseen), split=split)
        first = this_process().first  # it alone writes, and knows what was finished before
        fold = shared(folder.part(f"folds/{number}", config) if first else None, config)
        if not agreed(fold.finished):
            run(config, fold, stop, part)
        found.append(agreed(read_metrics(fold.path / "metrics.json") if first else {}))
    console.rule(escape(f"all {len(images)} images"))
    everything = replace(whole, train=images, val=images)
    run(config, folder, stop, everything, summarize_folds(found, len(usable)))


def strength_options(retention: RetentionConfig, contrast: ContrastConfig, head: Head) -> StrengthOptions:
    """What the choice of the strength depends on."""
    return StrengthOptions(
        retention.budget,
        contrast.budget,
        head.targets,
        retention.least_learned,
        retention.strengths,
        old_knowledge=head.kind != "new",
        keeps_head=head.kind == "keep",
    )
