"""Lightning trainers for one network's images, as many as a run needs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from lightning.pytorch.accelerators import Accelerator, AcceleratorRegistry
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import SingleDeviceStrategy

from visionlora.data import ImageLoader
from visionlora.device import reading_interval
from visionlora.errors import Diverged
from visionlora.phases import phase
from visionlora.text import listed
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

    @phase("steps")
    def fit(self, trainer: lightning.Trainer, module: LoraModule) -> None:
        """Train.

        Raises:
            Stopped: SIGINT or SIGTERM ended it.
            Diverged: the loss or a parameter is no number; some of the step's images are named.
        """
        try:
            trainer.fit(module, self.train_loader, self.validation_loader)
        except Diverged as error:
            images = getattr(self.train_loader.dataset, "images", ())
            names = [str(images[place].path) for place in error.images if place < len(images)]
            raise Diverged(error.what, error.advice, names=listed(names, most=4)) from error

    def objective(self, module: LoraModule) -> float:
        """The module's ``val/objective`` as it is now."""
        trainer = self.trainer(steps=1)
        (figures,) = trainer.validate(module, self.validation_loader, verbose=False)
        return float(figures["val/objective"])


def silence_warnings() -> None:
    """Hide Lightning's advice for other kinds of training."""
    # Some of it would be wrong here: frozen layers belong in eval mode.
    for text in (
        ".*does not have many workers.*",
        ".*The number of training batches.*",
        ".*module\\(s\\) in eval mode at the start of training.*",
        ".*treespec, LeafSpec.*",
        ".*You defined a `validation_step` but have no `val_dataloader`.*",  # announced in words of our own
    ):
        warnings.filterwarnings("ignore", text)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
