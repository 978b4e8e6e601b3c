"""The adapters' average over the second half of training, and when it is taken.

Steps on a handful of images are noisy, and what the noise leaves in the adapters is forgetting that nobody
asked for. The average of the weights along the way has less of it (Izmailov et al. 2018,
https://arxiv.org/abs/1803.05407, section 3); with adapters it costs a copy of them and no time.
"""

from __future__ import annotations

from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import Tensor

from visionlora.training.module import LoraModule
from visionlora.training.trainer import Fitting


class AdapterAverage(Callback):
    """The mean of everything trained, after each step later than ``after``; A and B each for itself."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.count = 0
        self.total: dict[str, Tensor] = {}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, *arguments: Any
    ) -> None:
        """Add the parameters as they are now."""
        if trainer.global_step <= self.after:
            return
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                total = self.total.get(name)
                # What a checkpoint brought lies on the CPU.
                self.total[name] = parameter.clone() if total is None else total.to(parameter) + parameter
        self.count += 1

    def mean(self) -> dict[str, Tensor]:
        """By name in the module; empty before the first step that counts."""
        return {name: total / self.count for name, total in self.total.items()}

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint: a resumed run averages on."""
        return {"count": self.count, "total": dict(self.total)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.count, self.total = state_dict["count"], dict(state_dict["total"])


def take_better(
    fitting: Fitting, module: LoraModule, checkpoint: ModelCheckpoint, average: AdapterAverage
) -> dict[str, Any]:
    """Leave the module with the average, or with its best moment where that has the smaller ``val/objective``
    by more than one validation image counts: it was chosen among many by this figure, which flatters it.

    Returns:
        ``best`` and ``average``, their ``val/objective`` (None: training ended in its first half), and
        ``taken``, one of these.
    """
    if checkpoint.best_model_path:
        stored = torch.load(checkpoint.best_model_path, map_location="cpu", weights_only=True)
        module.load_state_dict(stored["state_dict"], strict=False)
    # Measured anew: a checkpoint does not tell a resumed run how good it was.
    best = _objective(fitting, module)
    if not average.count:
        return {"best": best, "average": None, "taken": "best"}
    kept = {name: value.clone() for name, value in module.state_dict().items() if name in average.total}
    module.load_state_dict(average.mean(), strict=False)
    averaged = _objective(fitting, module)
    one_image = 1 / len(fitting.job.val_loader.dataset)  # type: ignore[arg-type]
    taken = "average" if averaged <= best + one_image else "best"
    if taken == "best":
        module.load_state_dict(kept, strict=False)
    return {"best": best, "average": averaged, "taken": taken}


def _objective(fitting: Fitting, module: LoraModule) -> float:
    trainer = fitting.trainer(steps=1, validations=1)
    (figures,) = trainer.validate(module, fitting.loaders[1], verbose=False)
    return float(figures["val/objective"])
