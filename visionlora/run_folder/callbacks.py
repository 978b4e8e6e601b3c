"""When a run writes its checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import lightning
from lightning.pytorch.callbacks import Checkpoint

from visionlora.run_folder.checkpoints import Checkpoints
from visionlora.run_folder.trainer_state import Resumable, capture, restore
from visionlora.signals import StopRequest


# Lightning calls a Checkpoint after all other callbacks, so it sees what these did in the same hook.
class CheckpointWriter(Checkpoint):
    """Writes checkpoints while a run trains, and lets it continue from one.

    They are written every so many steps and minutes, when the user or the system asks the run to stop, at the
    last step, after each validation, and one step before: a run that is stopped during a validation repeats
    that step.

    Args:
        checkpoints: where.
        stop: SIGINT and SIGTERM; handled when the checkpoint is written.
        loader: of the training images.
        saved: called after each checkpoint.
        steps: from one to the next; None: any number.
        minutes: from one to the next; None: any.
        start: the checkpoint to continue from; None: from step 0.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        stop: StopRequest,
        loader: Resumable,
        saved: Callable[[], None],
        *,
        steps: int | None,
        minutes: float | None,
        start: Mapping[str, Any] | None = None,
    ) -> None:
        self.checkpoints = checkpoints
        self.stop = stop
        self.loader = loader
        self.saved = saved
        self.steps = steps
        self.minutes = minutes
        self.start = start
        self._last_time = time.monotonic()
        self._last_step = 0

    def on_fit_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Continue from the checkpoint."""
        if self.start is not None:
            restore(trainer, module, self.start, self.loader)
        self._last_step = trainer.global_step

    def on_train_start(self, *arguments: Any) -> None:
        """Take SIGTERM back: Lightning has a handler of its own, which leaves no time to save."""
        self.stop.install()
        self._last_time = time.monotonic()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, *arguments: Any
    ) -> None:
        """Write a checkpoint where one is due, and stop here if that is asked for."""
        if _validates(trainer, batches_from_now=0):
            self.stop.check()  # the checkpoint of the step before is there
        elif self._is_due(trainer):
            self._save(trainer, module)

    def on_validation_batch_end(self, *arguments: Any) -> None:
        """Stop here if that is asked for: the validation is abandoned."""
        self.stop.check()

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write a checkpoint, with what this validation decided."""
        self._save(trainer, module)

    def _is_due(self, trainer: lightning.Trainer) -> bool:
        step, minutes = trainer.global_step, (time.monotonic() - self._last_time) / 60
        return (
            self.stop.number is not None
            or step == trainer.max_steps
            or (self.steps is not None and step - self._last_step >= self.steps)
            or (self.minutes is not None and minutes >= self.minutes)
            or _validates(trainer, batches_from_now=1)
        )

    def _save(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if trainer.is_global_zero:
            self.checkpoints.write(trainer.global_step, capture(trainer, module))
            self.saved()
        self._last_step, self._last_time = trainer.global_step, time.monotonic()
        self.stop.check()


def _validates(trainer: lightning.Trainer, batches_from_now: int) -> bool:
    """Whether a validation follows the batch that comes so many after this one."""
    batches = trainer.fit_loop.total_batch_idx + 1 + batches_from_now
    return trainer.enable_validation and batches % int(trainer.val_check_batch) == 0  # type: ignore[arg-type]
