"""The average of the trained weights over the second half of training, and the weights a run may deliver.

Steps on a handful of images are noisy, and the noise in the adapters causes forgetting that nothing is gained
by. The average of the weights along the way has less of it (Izmailov et al. 2018,
https://arxiv.org/abs/1803.05407, section 3); with adapters it costs a copy of them and no time.

Where training starts at a network that is good at the task already, halfway between the start and that
average is better than both (Wortsman et al. 2022, https://arxiv.org/abs/2109.01903).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from visionlora.adapters import load_part
from visionlora.adapters.restart import compress, restarted_adapters
from visionlora.evaluation.strength import Candidates
from visionlora.phases import phase
from visionlora.report.metrics_file import NOT_MEASURED
from visionlora.run_folder.trainer_state import trained_state
from visionlora.training.module import LoraModule
from visionlora.training.trainer import Fitter


# Lightning's WeightAveraging copies the whole network, frozen weights too, and validates the average only.
class WeightAverage(Callback):
    """The mean of all trained parameters over the steps later than ``after``; A and B each by itself.

    Args:
        after: the last step that does not count.
        halfway: whether the result is the mean of that mean and of the parameters at the start.
    """

    def __init__(self, after: int, halfway: bool = False) -> None:
        self.after = after
        self.halfway = halfway
        self.count = 0
        self.total: dict[str, Tensor] = {}
        self.start: dict[str, Tensor] = {}

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Keep the start; a resumed run has it from its checkpoint."""
        if self.halfway and not self.start:
            self.start = {
                name: parameter.detach().clone()
                for name, parameter in module.named_parameters()
                if parameter.requires_grad
            }

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, *arguments: Any
    ) -> None:
        """Add the current parameters; those before a restart (ReLoRA) are no longer of the same sum."""
        if isinstance(module, LoraModule) and module.restarts_after(trainer.global_step):
            self.count, self.total = 0, {}
            return
        if trainer.global_step <= self.after:
            return
        trained = {name: one for name, one in module.named_parameters() if one.requires_grad}
        if self.total:
            # What a checkpoint held is on the CPU.
            self.total = {name: self.total[name].to(one) for name, one in trained.items()}
            torch._foreach_add_(list(self.total.values()), list(trained.values()))
        else:
            self.total = {name: one.clone() for name, one in trained.items()}
        self.count += 1

    def margin(self, validation_images: int) -> float:
        """How much better ``val/objective`` of other weights has to be than the result's: by one image;
        than halfway to a good start, which is rarely bad, by two standard errors of an error rate of 0.5."""
        return 1 / math.sqrt(validation_images) if self.halfway else 1 / validation_images

    def mean(self) -> dict[str, Tensor]:
        """By name in the module; empty before the first step that counts."""
        means = {name: total / self.count for name, total in self.total.items()}
        if not self.halfway:
            return means
        return {name: (mean + self.start[name].to(mean)) / 2 for name, mean in means.items()}

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint: a resumed run continues the average."""
        return {"count": self.count, "total": dict(self.total), "start": dict(self.start)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.count, self.total = state_dict["count"], dict(state_dict["total"])
        self.start = dict(state_dict["start"])


class BestWeights(Callback):
    """What was trained, as it was at the validation with the smallest ``val/objective`` so far."""

    def __init__(self) -> None:
        self.objective = math.inf
        self.weights: dict[str, Tensor] = {}
        """By name in the module; empty before the first validation."""

    def on_validation_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Compare."""
        objective = float(trainer.callback_metrics["val/objective"])
        if objective < self.objective or not self.weights:
            self.objective = objective
            self.weights = {name: value.clone() for name, value in trained_state(module).items()}

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"objective": self.objective, "weights": dict(self.weights)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.objective, self.weights = state_dict["objective"], dict(state_dict["weights"])


@phase("selection")
def weight_candidates(
    fitter: Fitter,
    module: LoraModule,
    best_weights: Mapping[str, Tensor],
    average: WeightAverage,
    validation_images: int,
) -> tuple[Candidates, dict[str, Any]]:
    """The weights that the run may deliver, the preferred ones first.

    Preferred is the average, unless the best weights have the smaller ``val/objective`` by more than its
    margin: they were chosen among many by this figure, which is biased for them. Without validation images
    there is the average alone.

    Args:
        fitter: validates.
        module: trained; it has any of the candidates' weights afterwards.
        best_weights: those with the smallest ``val/objective``; empty: there was no validation.
        average: over the second half of training.
        validation_images: how many there are.

    Returns:
        ``best``, ``average`` and ``last``, those that there are, and the ``val/objective`` of the first two
        (None: training ended in its first half).
    """
    last, mean = _by_network(trained_state(module)), _by_network(average.mean())
    averaged = _as_saved(module.network, {**last, **mean}) if mean else None
    best = _as_saved(module.network, _by_network(best_weights) or last)
    last = _as_saved(module.network, last)
    if not validation_images:
        candidates = {"last": last} if averaged is None else {"average": averaged}
        return candidates, {"best": NOT_MEASURED, "average": NOT_MEASURED}

    def objective(state: Mapping[str, Tensor]) -> float:
        load_part(module.network, state)
        return fitter.objective(module)

    # Measured again, as the average is: validation while training has another precision.
    figures: dict[str, Any] = {"best": objective(best), "average": None}
    candidates = {"best": best}
    if averaged is not None:
        figures["average"] = objective(averaged)
        preferred = figures["average"] <= figures["best"] + average.margin(validation_images)
        candidates = {"average": averaged} | candidates if preferred else candidates | {"average": averaged}
    if any(not torch.equal(value, best[name].to(value)) for name, value in last.items()):
        candidates["last"] = last
    return candidates, figures


def _as_saved(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they will be saved: a sum of restarts is cut to its rank before anything is measured."""
    if not restarted_adapters(network):
        return state
    load_part(network, state)
    compress(network)
    now = network.state_dict()
    return {name: now[name].clone() for name in state}


def _by_network(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A copy of a module's tensors by their names in its network."""
    return {name.removeprefix("network."): value.clone() for name, value in state.items()}
