"""What a run shows while it trains: time per step, progress, an augmented batch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, LearningRateMonitor
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from torch import Tensor
from torchvision.utils import make_grid

from visionlora.device import reading_interval, synchronize
from visionlora.report.metrics_file import NOT_MEASURED
from visionlora.text import counted
from visionlora.training.config import TrainerConfig

WORDS = {
    "train/loss": "training loss", "train/top1": "training top-1",
    "val/loss": "validation loss", "val/top1": "validation top-1",
    "train/f1": "training F1", "val/map": "validation mAP",
}  # fmt: skip
"""What the terminal calls the figures of TensorBoard."""

ESTIMATE_AFTER_S = 5.0
"""Of training, until the time left is estimated."""


# Lightning's ThroughputMonitor gives means over a window of wall time, waits for data included: no step_ms.
class StepTimer(Callback):
    """Times training steps, on the CPU each by itself, from the batch's arrival to the optimizer's end.

    On an accelerator waiting for the end of every step would leave it idle between two: there it is the mean
    of the steps since the last reading (:func:`visionlora.device.reading_interval`), with the waits for data.
    """

    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self.images = 0
        self._start = 0.0
        self._unread: list[int] = []

    def on_train_batch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, batch: Any, batch_index: int
    ) -> None:
        """Start timing."""
        if not self._unread:
            synchronize(module.device)  # nothing is left to do unless this is the first step
            self._start = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Mapping[str, Tensor],
        batch_index: int,
    ) -> None:
        """Log ``train/step_ms`` and ``train/images_per_s`` (new images, anchors not counted)."""
        self._unread.append(len(batch["labels"]) * trainer.world_size)
        last = trainer.global_step == trainer.max_steps
        if trainer.global_step % reading_interval(module.device) and not last:
            return
        synchronize(module.device)
        steps, images = len(self._unread), sum(self._unread)
        seconds = time.perf_counter() - self._start
        self._unread.clear()
        self.milliseconds += [1000 * seconds / steps] * steps
        self.images += images
        module.log("train/step_ms", 1000 * seconds / steps)
        module.log("train/images_per_s", images / seconds)

    def summary(self) -> dict[str, float | str]:
        """Median step in milliseconds and new images a second; a run that was continued after its last step
        has taken none."""
        if not self.milliseconds:
            return {"step_ms": NOT_MEASURED, "images_per_s": NOT_MEASURED}
        return {
            "step_ms": statistics.median(self.milliseconds),
            "images_per_s": 1000 * self.images / sum(self.milliseconds),
        }


class Patience(EarlyStopping):
    """Ends training after so many validations without progress; a run that continues has its own patience."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        super().load_state_dict({**state_dict, "patience": self.patience})


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


_WIDE = 132
"""Characters of a terminal that has room for a bar beside the figures."""


class StepProgress(Callback):
    """One progress bar over the optimizer steps: step k of N, loss, top-1, time left.

    Lightning's own bars count batches of an epoch, and a run here has as many epochs as its steps need.
    """

    def __init__(self, console: Console, validation_images: int) -> None:
        self._validation_images = validation_images
        self._progress = Progress(
            TextColumn("step {task.completed:.0f} of {task.total:.0f}"),
            *([BarColumn(20)] if console.width >= _WIDE else []),
            # They take several lines where they have to: else the step and the time left are cut off.
            TextColumn("{task.fields[figures]}", table_column=Column(overflow="fold")),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
        )
        self._task: TaskID | None = None

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Show the bar, of a resumed run from where it continues."""
        self._task = self._progress.add_task(
            "", total=trainer.max_steps, completed=trainer.global_step, figures=""
        )
        self._progress.start()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, *arguments: Any
    ) -> None:
        """Move the bar."""
        assert self._task is not None
        if trainer.global_step % reading_interval(module.device):
            return  # the figures are the accelerator's
        figures = _figures(
            trainer, ("train/loss", "train/top1", "train/f1", "val/top1", "val/map"), self._validation_images
        )
        self._progress.update(self._task, completed=trainer.global_step, figures=figures)

    def on_train_end(self, *arguments: Any) -> None:
        """Give the terminal back."""
        self._progress.stop()

    def on_exception(self, *arguments: Any) -> None:
        """Give the terminal back."""
        self._progress.stop()


class ProgressLines(Callback):
    """For output that is no terminal (a log file, CI): one line a validation, or where one would be, and one
    as soon as it is known how long training takes."""

    def __init__(
        self, console: Console, validation_images: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._validation_images = validation_images
        self._clock = clock
        self._start: tuple[int, float] | None = None
        """The step after which steps are timed, and when; a run's first one is longer, it tries kernels."""
        self._estimated = False

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Print the step and the figures."""
        self._print(
            trainer,
            _figures(trainer, ("train/loss", "val/loss", "val/top1", "val/map"), self._validation_images),
        )

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, *arguments: Any
    ) -> None:
        """Print the figures where there are no validation images, and once how long training takes."""
        if self._start is None and trainer.global_step:
            self._start = trainer.global_step, self._clock()
        if trainer.global_step % int(trainer.val_check_interval) == 0:
            if not trainer.num_val_batches:
                self._print(trainer, _figures(trainer, ("train/loss",), 0))
        elif not self._estimated and self._start and self._clock() - self._start[1] >= ESTIMATE_AFTER_S:
            self._print(trainer, "")

    def _print(self, trainer: lightning.Trainer, figures: str) -> None:
        step, most = trainer.global_step, trainer.max_steps
        first, started = self._start or (step, 0.0)
        left = ""
        if first < step < most:
            self._estimated = True
            left = f"about {_duration((self._clock() - started) / (step - first) * (most - step))} left"
        said = [part for part in (figures, left) if part]
        line = f"step {trainer.global_step:>4} of {trainer.max_steps}: {', '.join(said)}"
        self._console.print(line, highlight=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    """A length of time in words: ``8 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _figures(trainer: lightning.Trainer, names: Sequence[str], validation_images: int) -> str:
    """Those of the figures that there are, in words; behind those of validation the number of images."""
    known = trainer.callback_metrics
    said = ", ".join(f"{WORDS[name]} {float(known[name]):.3f}" for name in names if name in known)
    validated = any(name in known for name in names if name.startswith("val/"))
    return f"{said} ({counted(validation_images, 'image')})" if validated else said


def progress(console: Console, validation_images: int) -> Callback:
    """A progress bar on a terminal, plain lines elsewhere.

    Args:
        console: where.
        validation_images: how many there are, to stand beside their figures.
    """
    lines = StepProgress if console.is_terminal else ProgressLines
    return lines(console, validation_images)


def chosen_callbacks(options: TrainerConfig, console: Console, validation_images: int) -> list[Callback]:
    """What the configuration asks for: an early stop, a progress bar; and the learning rate's curve."""
    callbacks: list[Callback] = [LearningRateMonitor("step")]
    if options.stops_after is not None and validation_images:
        callbacks.append(Patience("val/objective", patience=options.stops_after))
    if options.progress:
        callbacks.append(progress(console, validation_images))
    return callbacks
