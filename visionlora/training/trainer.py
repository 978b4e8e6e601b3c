"""Lightning trainers for one network's images, as many as a run needs."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.accelerators import Accelerator, AcceleratorRegistry
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import SingleDeviceStrategy

from visionlora.data import ImageLoader
from visionlora.device import reading_interval
from visionlora.training.callbacks import Interruption
from visionlora.training.module import LoraModule


class OtherAccelerator(Accelerator):
    """An accelerator that PyTorch knows and Lightning has no class for (XPU)."""

    def setup_device(self, device: torch.device) -> None:
        torch.accelerator.set_device_index(device.index or 0)

    def teardown(self) -> None:
        """Nothing is held."""

    @staticmethod
    def parse_devices(devices: int) -> int:
        return devices

    @staticmethod
    def get_parallel_devices(devices: int) -> list[torch.device]:
        seen = torch.accelerator.current_accelerator()
        assert seen is not None
        return [torch.device(seen.type, index) for index in range(devices)]

    @staticmethod
    def auto_device_count() -> int:
        return torch.accelerator.device_count()

    @staticmethod
    def is_available() -> bool:
        return torch.accelerator.is_available()

    @staticmethod
    def name() -> str:
        return "other"

    def get_device_stats(self, device: object) -> dict[str, Any]:
        """None are read."""
        return {}


class OneDevice(SingleDeviceStrategy):
    """Training on one device, where the network stays: Lightning's own moves it to the CPU at the end."""

    def teardown(self) -> None:
        module, self._lightning_module = self._lightning_module, None
        super().teardown()
        self._lightning_module = module


@dataclass(frozen=True)
class Fitter:
    """Trains and validates modules on the same images.

    Attributes:
        device: where it is done; networks are there already.
        precision: as Lightning calls it.
        gradient_clip_val: the largest gradient norm; None: any.
        train_loader: the images to learn.
        validation_loader: those to validate on; None: there is no validation.
    """

    device: torch.device
    precision: str
    gradient_clip_val: float | None
    train_loader: ImageLoader
    validation_loader: ImageLoader | None

    def trainer(
        self,
        steps: int,
        validations: int = 1,
        logger: TensorBoardLogger | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> lightning.Trainer:
        """A trainer of ``steps`` steps; without a logger it writes no file."""
        return lightning.Trainer(
            accelerator=self.device.type if self.device.type in AcceleratorRegistry else OtherAccelerator(),
            strategy=OneDevice(self.device),
            devices=1,
            precision=self.precision,  # type: ignore[arg-type]
            max_steps=steps,
            max_epochs=-1,
            val_check_interval=max(1, steps // validations),
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            gradient_clip_val=self.gradient_clip_val,
            log_every_n_steps=reading_interval(self.device),
            logger=logger or False,
            callbacks=list(callbacks),
            enable_checkpointing=logger is not None,
            enable_model_summary=False,
            enable_progress_bar=False,
        )

    def fit(self, trainer: lightning.Trainer, module: LoraModule, resume: Path | None = None) -> bool:
        """Train; True where Ctrl-C ended it. The network is on its device afterwards."""
        loaders = (self.train_loader, self.validation_loader)
        try:
            with interruptible(trainer) as interruption:
                trainer.fit(module, *loaders, ckpt_path=resume, weights_only=True)
        except SystemExit:
            # Lightning answers Ctrl-C by ending the process; there is an adapter to save first.
            if not trainer.interrupted:
                raise
            return True
        return interruption.requested  # after the last batch nothing was left to end

    def objective(self, module: LoraModule) -> float:
        """The module's ``val/objective`` as it is now."""
        trainer = self.trainer(steps=1)
        (figures,) = trainer.validate(module, self.validation_loader, verbose=False)
        return float(figures["val/objective"])


@contextmanager
def interruptible(trainer: lightning.Trainer) -> Iterator[Interruption]:
    """Inside, Ctrl-C ends the trainer's fit between two batches. Only the main thread can receive it."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    trainer.callbacks.append(interruption)  # type: ignore[attr-defined]
    before = signal.signal(signal.SIGINT, interruption.handle)
    try:
        yield interruption
    finally:
        # Lightning ignores every further signal once it has handled one.
        signal.signal(signal.SIGINT, before)


def silence_warnings() -> None:
    """Hide Lightning's advice for other kinds of training."""
    # Some of it would be wrong here: frozen layers belong in eval mode.
    for text in (
        ".*does not have many workers.*",
        ".*The number of training batches.*",
        ".*module\\(s\\) in eval mode at the start of training.*",
        ".*treespec, LeafSpec.*",
        ".*The dirpath has changed.*",  # a resumed run has a folder of its own
        ".*You defined a `validation_step` but have no `val_dataloader`.*",  # announced in words of our own
    ):
        warnings.filterwarnings("ignore", text)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
