"""The average of the trained weights over the second half of training, and the choice of the final weights.

Steps on a handful of images are noisy, and the noise in the adapters causes forgetting that nothing is gained
by. The average of the weights along the way has less of it (Izmailov et al. 2018,
https://arxiv.org/abs/1803.05407, section 3); with adapters it costs a copy of them and no time.
"""

from __future__ import annotations

from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from visionlora.report.metrics_file import NOT_MEASURED
from visionlora.training.module import LoraModule
from visionlora.training.trainer import Fitter


# Lightning's WeightAveraging copies the whole network, frozen weights too, and validates the average only.
class WeightAverage(Callback):
    """The mean of all trained parameters over the steps later than ``after``; A and B each by itself."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.count = 0
        self.total: dict[str, Tensor] = {}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, *arguments: Any
    ) -> None:
        """Add the current parameters."""
        if trainer.global_step <= self.after:
            return
        for name, parameter in module.named_parameters():
            if parameter.requires_grad:
                total = self.total.get(name)
                # What a checkpoint held is on the CPU.
                self.total[name] = parameter.clone() if total is None else total.to(parameter) + parameter
        self.count += 1

    def mean(self) -> dict[str, Tensor]:
        """By name in the module; empty before the first step that counts."""
        return {name: total / self.count for name, total in self.total.items()}

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint: a resumed run continues the average."""
        return {"count": self.count, "total": dict(self.total)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.count, self.total = state_dict["count"], dict(state_dict["total"])


def select_weights(
    fitter: Fitter, module: LoraModule, best_checkpoint: str, average: WeightAverage, validation_images: int
) -> dict[str, Any]:
    """Give the module the average, or the best checkpoint where that has the smaller ``val/objective`` by
    more than one validation image counts: it was chosen among many by this figure, which is biased for it.
    Without validation images it is the average.

    Args:
        fitter: validates.
        module: trained.
        best_checkpoint: path of the checkpoint with the smallest ``val/objective``; empty: there is none.
        average: over the second half of training.
        validation_images: how many there are.

    Returns:
        ``best`` and ``average``, their ``val/objective`` (None: training ended in its first half), and
        ``taken``, one of these or ``last``.
    """
    if not validation_images:
        if average.count:
            module.load_state_dict(average.mean(), strict=False)
        taken = "average" if average.count else "last"
        return {"best": NOT_MEASURED, "average": NOT_MEASURED, "taken": taken}
    if best_checkpoint:
        stored = torch.load(best_checkpoint, map_location="cpu", weights_only=True)
        module.load_state_dict(stored["state_dict"], strict=False)
    # Measured anew: a checkpoint does not tell a resumed run how good it was.
    best = fitter.objective(module)
    if not average.count:
        return {"best": best, "average": None, "taken": "best"}
    kept = {name: value.clone() for name, value in module.state_dict().items() if name in average.total}
    module.load_state_dict(average.mean(), strict=False)
    averaged = fitter.objective(module)
    taken = "average" if averaged <= best + 1 / validation_images else "best"
    if taken == "best":
        module.load_state_dict(kept, strict=False)
    return {"best": best, "average": averaged, "taken": taken}
