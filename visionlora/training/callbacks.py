"""What a run shows while it trains: time per step, progress, an augmented batch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from torch import Tensor
from torchvision.utils import make_grid


class StepTimer(Callback):
    """Times each training step, from the batch's arrival to the optimizer's end."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self.images = 0
        self._start = 0.0

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: Any, batch_index: int
    ) -> None:
        """Start timing."""
        self._start = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Mapping[str, Tensor],
        batch_index: int,
    ) -> None:
        """Log ``time/step_ms`` and ``time/images_per_s`` (new images, anchors not counted)."""
        if module.device.type == "cuda":
            torch.cuda.synchronize(module.device)
        seconds = time.perf_counter() - self._start
        self.milliseconds.append(1000 * seconds)
        self.images += len(batch["labels"])
        module.log("time/step_ms", 1000 * seconds)
        module.log("time/images_per_s", len(batch["labels"]) / seconds)

    def summary(self) -> dict[str, float]:
        """Median step in milliseconds and new images a second."""
        if not self.milliseconds:
            return {"step_ms": 0.0, "images_per_s": 0.0}
        return {
            "step_ms": statistics.median(self.milliseconds),
            "images_per_s": 1000 * self.images / sum(self.milliseconds),
        }


class Interruption(Callback):
    """Ctrl-C ends training between two batches, never in the middle of a file that is being written.

    The second one ends it at once. An exception raised by the signal itself could come while a checkpoint is
    saved, or inside a destructor, which swallows it.
    """

    def __init__(self) -> None:
        self.requested = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        """The signal handler."""
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def on_train_batch_end(self, *arguments: Any) -> None:
        """Stop here, where nothing is half done."""
        if self.requested:
            raise KeyboardInterrupt

    def on_validation_batch_end(self, *arguments: Any) -> None:
        """Stop here too: the validation is abandoned."""
        self.on_train_batch_end()


class FirstBatch(Callback):
    """Puts the first augmented batch into TensorBoard, as the network receives it.

    Args:
        mean, std: the normalisation to undo, one number a channel.
    """

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self._mean = torch.tensor(mean).view(1, 3, 1, 1)
        self._std = torch.tensor(std).view(1, 3, 1, 1)
        self._shown = False

    def on_train_batch_start(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        batch: Mapping[str, Tensor],
        batch_index: int,
    ) -> None:
        """Draw the grid once."""
        if self._shown or "images" not in batch or not isinstance(trainer.logger, TensorBoardLogger):
            return
        self._shown = True
        images = (batch["images"].float().cpu() * self._std + self._mean).clamp(0, 1)
        grid = make_grid(images[:32], pad_value=1)
        trainer.logger.experiment.add_image("images/augmented_batch", grid, 0)


class ProgressLines(Callback):
    """For terminals that are none (a log file, CI): one line a validation."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Print the step and the figures."""
        figures = trainer.callback_metrics
        parts = [
            f"{name} {float(figures[name]):.3f}"
            for name in ("train/loss", "val/loss", "val/top1")
            if name in figures
        ]
        self._console.print(f"step {trainer.global_step:>4} of {trainer.max_steps}: " + ", ".join(parts))


def progress(console: Console) -> Callback:
    """A rich progress bar on a terminal, plain lines elsewhere."""
    return RichProgressBar() if console.is_terminal else ProgressLines(console)
