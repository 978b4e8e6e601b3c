"""A Lightning trainer and module for a job, as often as a run needs them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger

from visionlora.data import ImageLoader
from visionlora.training.callbacks import Interruption
from visionlora.training.module import LoraModule
from visionlora.training.setup import Job


@dataclass(frozen=True)
class Fitting:
    """How a job is trained here.

    Attributes:
        job: the network is on ``device`` already.
        device: where it is trained.
        precision: Lightning's word.
        loaders: of training and of validation.
    """

    job: Job
    device: torch.device
    precision: str
    loaders: tuple[ImageLoader, ImageLoader]

    def module(self, steps: int, lr: float | None = None) -> LoraModule:
        """The job's network in training for ``steps`` steps, at another learning rate if one is given."""
        job = self.job
        options = job.optimizer if lr is None else replace(job.optimizer, lr=lr)
        return LoraModule(
            job.network,
            steps,
            options,
            job.retention,
            job.teacher,
            job.model.dropout,
            job.rest,
            job.seed,
        )

    def trainer(
        self,
        steps: int,
        validations: int,
        logger: TensorBoardLogger | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> lightning.Trainer:
        """A trainer of ``steps`` steps; without a logger it leaves nothing behind."""
        return lightning.Trainer(
            accelerator=self.device.type,
            devices=1,
            precision=self.precision,  # type: ignore[arg-type]
            max_steps=steps,
            max_epochs=-1,
            val_check_interval=max(1, steps // validations),
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            gradient_clip_val=self.job.trainer.gradient_clip_val,
            log_every_n_steps=1,
            logger=logger or False,
            callbacks=list(callbacks),
            enable_checkpointing=logger is not None,
            enable_model_summary=False,
            enable_progress_bar=any("ProgressBar" in type(callback).__name__ for callback in callbacks),
        )

    def fit(self, trainer: lightning.Trainer, module: LoraModule, resume: Path | None = None) -> bool:
        """Train; True where Ctrl-C ended it."""
        try:
            with interruptible(trainer) as interruption:
                trainer.fit(module, *self.loaders, ckpt_path=resume, weights_only=True)
        except SystemExit:
            # Lightning answers Ctrl-C by leaving the process; there is an adapter to save first.
            if not trainer.interrupted:
                raise
            return True
        return interruption.asked  # after the last batch nothing was left to end


@contextmanager
def interruptible(trainer: lightning.Trainer) -> Iterator[Interruption]:
    """Inside, Ctrl-C ends the trainer's fit between two batches; only a main thread is told of it at all."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    trainer.callbacks.append(interruption)  # type: ignore[attr-defined]
    before = signal.signal(signal.SIGINT, interruption.handle)
    try:
        yield interruption
    finally:
        # Lightning has made the process deaf to further ones.
        signal.signal(signal.SIGINT, before)
