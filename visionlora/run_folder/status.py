"""What a run is doing now, in ``status.json``: for the studio and other programs that look at a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from visionlora.device import reading_interval
from visionlora.errors import VisionLoraError
from visionlora.files import write_json
from visionlora.run_folder.names import STATUS
from visionlora.this_process import this_process

EVERY_S = 0.5
"""Between two files, unless something happens that is worth one of its own."""
POINTS = 300
"""Of the curve of the training loss; when it is full, every second one goes."""
SHOWN = 48
"""Validation images whose predictions are told."""


class Status(Callback):
    """Keeps ``status.json`` up to date while a run trains.

    Its keys: ``phase`` (of :data:`visionlora.phases.PHASES`, ``finished`` at the end), ``step``, ``steps``,
    ``seconds_left`` (of training; null where it is not known yet), ``loss`` (pairs of step and training
    loss), ``validations`` (an object each: the step and what Lightning logs as ``val/...``), ``images``
    (path, class, and what the network said before training and says now, each a name and a probability),
    ``time``.

    Args:
        folder: of the run.
        paths: of the validation images, in their order.
        said: of logits (images, outputs) and labels, for each image the name of its class (None: it has
            none), the name that the network gives it, and how probable it says that is.
        clock: gives seconds.
    """

    def __init__(
        self,
        folder: Path,
        paths: Sequence[Path],
        said: Callable[[Tensor, Tensor], Sequence[tuple[str | None, str, float]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = folder / STATUS
        self._paths = [str(path) for path in paths[:SHOWN]]
        self.said = said
        self._clock = clock
        self._written = -EVERY_S
        self._since = (0, 0.0)
        self._now: dict[str, Any] = {
            "phase": "setup", "step": 0, "steps": None, "seconds_left": None, "loss": [], "validations": [],
            "images": [],
        }  # fmt: skip

    def enter(self, phase: str) -> None:
        """Another phase began."""
        self._now["phase"] = phase
        self._write()

    def saw(self, logits: Tensor, labels: Tensor, when: str) -> None:
        """What the network says about the validation images.

        Args:
            logits: shape (images, outputs), images in the order of ``paths``.
            labels: of these images.
            when: ``before`` training or ``now``.
        """
        shown = min(len(self._paths), len(labels))
        said = self.said(logits[:shown].float(), labels[:shown])
        if not self._now["images"]:
            self._now["images"] = [
                {"path": path, "class": truth} for path, (truth, _, _) in zip(self._paths, said, strict=False)
            ]
        for image, (_, name, value) in zip(self._now["images"], said, strict=True):
            image[when] = [name, round(value, 4)]

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Know how long it will be."""
        self._since = trainer.global_step, self._clock()
        self._now["steps"] = trainer.max_steps
        self._write()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, *arguments: Any
    ) -> None:
        """Keep the loss, where it is read anyway (an accelerator has to wait for it), and write at times."""
        step, now = trainer.global_step, self._clock()
        self._now["step"] = step
        if step % reading_interval(module.device) == 0 and "train/loss" in trainer.callback_metrics:
            self._add(step, float(trainer.callback_metrics["train/loss"]))
        if now - self._written >= EVERY_S:
            first, started = self._since
            rate = (now - started) / max(1, step - first)
            self._now["seconds_left"] = round(rate * (trainer.max_steps - step), 1)
            self._write()

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write the figures, and what the network says now."""
        scores = {
            name: round(float(value), 5)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val/")
        }
        self._now["validations"].append({"step": trainer.global_step, **scores})
        seen = getattr(module, "validated", None)
        if seen is not None:
            logits, labels = seen
            self.saw(logits, labels, "now")
        self._write()

    def _add(self, step: int, loss: float) -> None:
        points = self._now["loss"]
        points.append([step, round(loss, 5)])
        if len(points) > POINTS:
            self._now["loss"] = points[::2]

    def _write(self) -> None:
        if not (
            this_process().first and self._path.parent.is_dir()
        ):  # a folder that was removed is not made again
            return
        self._written = self._clock()
        try:
            write_json(self._path, {**self._now, "time": time.time()})
        except (VisionLoraError, ValueError):
            return  # what the disk does not take is reported by what has to be kept
