"""One training run, from the configuration to the folder that it leaves."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from visionlora.adapters import FrozenBatchNorm, folded
from visionlora.data import ImageFolder
from visionlora.device import choose_device
from visionlora.errors import VisionLoraError
from visionlora.evaluation.results import look, outcome
from visionlora.evaluation.strength import settle
from visionlora.kernels.autotune import choice
from visionlora.training.average import AdapterAverage, take_better
from visionlora.training.callbacks import FirstBatch, StepClock, progress
from visionlora.training.feature_cache import Caching, cache_looks, cache_training, decide
from visionlora.training.learning_rate import settle_lr
from visionlora.training.precision import choose_precision
from visionlora.training.setup import Job, assemble
from visionlora.training.trainer import Fitting
from visionlora.training.write_outputs import leave

INTERRUPTED = 130

log = logging.getLogger(__name__)


def run(
    config: DictConfig,
    output_dir: str | Path,
    images: ImageFolder | None = None,
    folds: Mapping[str, Any] | None = None,
) -> int:
    """Assemble, measure, train, measure again and write everything down.

    Args:
        config: the composed ``conf/train.yaml``.
        output_dir: the run's folder; made where it is missing.
        images: what to learn and to validate on; None: what ``data.root`` holds.
        folds: what cross-validation found, where ``images`` validates on what it trains on.

    Returns:
        The exit code: 0, or 130 where Ctrl-C ended training early (the adapter is saved all the same).
    """
    started = time.perf_counter()
    console = Console()
    folder = Path(output_dir)
    _quieten()
    job = assemble(config, console, images)
    resume = _checkpoint_of(config.resume)
    device = choose_device(job.trainer.accelerator)
    folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, folder / "config.yaml", resolve=True)
    job.start_log()
    if folds is not None:
        job.say(
            f"{folds['count']} folds: top-1 {folds['val/top1']:.3f} on images not trained on (standard "
            f"deviation {folds['val/top1_deviation']:.3f} between folds); the figures of this run are on "
            "those it learns from"
        )
    job.network.to(device)
    caching = decide(job, device)
    if caching is not None:
        cache_looks(job, caching, device, folder)
    before = look(job)

    clock = StepClock()
    logger = TensorBoardLogger(str(folder), name="", version="tensorboard", default_hp_metric=False)
    checkpoint = ModelCheckpoint(folder / "checkpoints", "best", monitor="val/objective")
    with choice(job.trainer.kernel), _folded_batch_norms(job, device) as folded_norms:
        precision, reason = choose_precision(job.trainer.precision, *_sample(job, caching, device))
        job.say(f"precision {precision}: {reason}")
        loaders = (job.train_loader, job.val_loader)
        if caching is not None:
            loaders = cache_training(job, caching, device, precision, folder)
        fitting = Fitting(job, device, precision, loaders)
        tried = settle_lr(fitting)
        module = fitting.module(job.total_steps)
        average = AdapterAverage(after=job.total_steps // 2)
        callbacks = [checkpoint, clock, average, *_callbacks(job, console, folder)]
        trainer = fitting.trainer(job.total_steps, job.trainer.validations, logger, callbacks)
        fit_started = time.perf_counter()
        interrupted = fitting.fit(trainer, module, resume)
        candidates = None if interrupted else take_better(fitting, module, checkpoint, average)
    times = {"setup_s": fit_started - started, "fit_s": time.perf_counter() - fit_started, **clock.summary()}
    if candidates is None:
        job.say(f"interrupted at step {trainer.global_step}: the adapter is saved as it is now")
    elif candidates["taken"] == "average":
        job.say("the adapters' average over the second half of training is taken")

    strength_started = time.perf_counter()
    settled = settle(job, before, look(job), interrupted)
    job.say(settled.notice)
    times["strength_s"] = time.perf_counter() - strength_started
    metrics = outcome(
        job, before, settled.look, settled.metrics, times, precision, len(folded_norms), trainer.global_step,
        caching.record() if caching else None,
    )  # fmt: skip
    metrics["candidates"] = candidates or {"taken": "last"}
    metrics["learning_rate"] = {"used": job.optimizer.lr, "tried": tried or []}
    if folds is not None:
        metrics["folds"] = dict(folds)
    leave(folder, job, config, before, settled.look, metrics, logger)
    log.info("the run is in %s", folder)
    console.print(f"\nthe run is in [bold]{folder}[/bold]; tensorboard --logdir {folder}")
    return INTERRUPTED if interrupted else 0


def _sample(job: Job, caching: Caching | None, device: torch.device) -> tuple[Any, ...]:
    """What a step computes, and something to compute it with."""
    images = job.sample().to(device)
    if caching is None:
        return job.network, images
    with torch.no_grad():
        return caching.parts.suffix, *caching.parts.prefix(images)


@contextmanager
def _folded_batch_norms(job: Job, device: torch.device) -> Iterator[list[str]]:
    """Inside, frozen batch norms are folded where that is wanted; gives the names of those that are.

    What is measured before and after training is the network as it will be used: not folded.
    """
    norms = sum(isinstance(module, FrozenBatchNorm) for module in job.network.modules())
    if not (norms and job.trainer.fold_batch_norm):
        yield []
        return
    with folded(job.network, job.sample().to(device)) as names:
        job.say(f"{len(names)} of {norms} batch norms are computed by the convolution before them")
        yield names


def _callbacks(job: Job, console: Console, folder: Path) -> list[Callback]:
    callbacks: list[Callback] = [
        # ModelCheckpoint's save_last writes only when the best one changes: no place to resume from.
        ModelCheckpoint(folder / "checkpoints", "last", enable_version_counter=False),
        LearningRateMonitor("step"),
        FirstBatch(job.backbone.preprocessing.mean, job.backbone.preprocessing.std),
    ]
    if job.trainer.patience is not None:
        callbacks.append(EarlyStopping("val/objective", patience=job.trainer.patience))
    if job.trainer.progress:
        callbacks.append(progress(console))
    return callbacks


def _checkpoint_of(resume: str | None) -> Path | None:
    """The checkpoint that ``resume=`` names: a file, or the last one of a run folder."""
    if resume is None:
        return None
    path = Path(resume)
    if path.is_dir():
        path = path / "checkpoints" / "last.ckpt"
    if not path.is_file():
        raise VisionLoraError(f"resume: there is no checkpoint {path}; give a run folder or a .ckpt file")
    return path


def _quieten() -> None:
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
