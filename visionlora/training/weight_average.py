"""The average of the trained weights over the second half of training, and the weights a run may deliver.

Steps on a handful of images are noisy, and the noise in the adapters causes forgetting that nothing is gained
by. The average of the weights along the way has less of it (Izmailov et al. 2018,
https://arxiv.org/abs/1803.05407, section 3); with adapters it costs a copy of them and no time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from visionlora.adapters import adapter_state
from visionlora.evaluation.strength import Candidates
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


def weight_candidates(
    fitter: Fitter, module: LoraModule, best_checkpoint: str, average: WeightAverage, validation_images: int
) -> tuple[Candidates, dict[str, Any]]:
    """The weights that the run may deliver, the preferred ones first.

    Preferred is the average, unless the best checkpoint has the smaller ``val/objective`` by more than one
    validation image counts: it was chosen among many by this figure, which is biased for it. Without
    validation images there is the average alone.

    Args:
        fitter: validates.
        module: trained; it has any of the candidates' weights afterwards.
        best_checkpoint: path of the checkpoint with the smallest ``val/objective``; empty: there is none.
        average: over the second half of training.
        validation_images: how many there are.

    Returns:
        ``best``, ``average`` and ``last``, those that there are, and the ``val/objective`` of the first two
        (None: training ended in its first half).
    """
    last = trained_state(module)
    mean = {name.removeprefix("network."): value for name, value in average.mean().items()}
    averaged = {**last, **mean} if mean else None
    if not validation_images:
        candidates = {"last": last} if averaged is None else {"average": averaged}
        return candidates, {"best": NOT_MEASURED, "average": NOT_MEASURED}
    best = last
    if best_checkpoint:
        stored = torch.load(best_checkpoint, map_location="cpu", weights_only=True)["state_dict"]
        best = {name.removeprefix("network."): value for name, value in stored.items()}

    def objective(state: Mapping[str, Tensor]) -> float:
        module.network.load_state_dict(dict(state), strict=False)
        return fitter.objective(module)

    # Measured anew: a checkpoint does not tell a resumed run how good it was.
    figures: dict[str, Any] = {"best": objective(best), "average": None}
    candidates = {"best": best}
    if averaged is not None:
        figures["average"] = objective(averaged)
        preferred = figures["average"] <= figures["best"] + 1 / validation_images
        candidates = {"average": averaged} | candidates if preferred else candidates | {"average": averaged}
    if any(not torch.equal(value, best[name].to(value)) for name, value in last.items()):
        candidates["last"] = last
    return candidates, figures


def trained_state(module: LoraModule) -> dict[str, Tensor]:
    """A copy of what is trained, and of what adapters know beside it, by the names in the network."""
    network = module.network
    trained = {name: value for name, value in network.named_parameters() if value.requires_grad}
    return {name: value.detach().clone() for name, value in (trained | adapter_state(network)).items()}
