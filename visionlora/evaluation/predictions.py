"""The logits of a set of images, and the figures that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from visionlora.errors import VisionLoraError
from visionlora.frozen.features import network_inputs
from visionlora.memory import computed
from visionlora.processes import gather
from visionlora.tasks import single_label as task
from visionlora.this_process import this_process


@dataclass(frozen=True)
class Predictions:
    """Logits of a whole set of images, on the CPU.

    Attributes:
        logits: float32, shape (images, outputs), in the order of the images.
        labels: the index of the correct output, int64, shape (images,); -1 where there is none.
        views: rows that each image has, one after the other.
    """

    logits: Tensor
    labels: Tensor
    views: int = 1

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.labels) // self.views

    def top(self, k: int) -> float:
        """Top-k accuracy."""
        return task.accuracy(self.logits, self.labels, k)

    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return float(task.loss(self.logits, self.labels))

    def calibration_error(self) -> float:
        """Expected calibration error of the most probable output."""
        return task.calibration_error(self.logits, self.labels)

    def confusion(self, outputs: Sequence[int]) -> Tensor:
        """Counts (K + 1, K + 1) over K chosen outputs, truth by row; the last stands for every other one."""
        return task.confusion(self.logits, self.labels, outputs)

    @property
    def predicted(self) -> Tensor:
        """The most probable output of each image, int64, shape (images,)."""
        return self.logits.argmax(1)

    def share_predicted(self, outputs: Sequence[int]) -> float:
        """Share of images whose most probable output is one of ``outputs``: on images of other things, the
        false-positive rate."""
        return float(torch.isin(self.predicted, torch.tensor(list(outputs))).float().mean())

    def agreement(self, other: Predictions) -> float:
        """Share of images that both predict to be of the same class."""
        return float((self.predicted == other.predicted).float().mean())

    @property
    def labelled(self) -> bool:
        """Whether every image has a label."""
        return bool((self.labels >= 0).all())

    def subset(self, chosen: Tensor) -> Predictions:
        """The predictions of chosen images; ``chosen`` is bool, shape (images,)."""
        rows = chosen.repeat_interleave(self.views)
        return replace(self, logits=self.logits[rows], labels=self.labels[rows])

    def first(self, outputs: int) -> Predictions:
        """The same predictions over the first ``outputs`` outputs alone."""
        return replace(self, logits=self.logits[:, :outputs])

    def muted(self, outputs: int) -> Predictions:
        """The same where the outputs from ``outputs`` on are the least probable ones for every image."""
        logits = self.logits.clone()
        logits[:, outputs:] = logits[:, :outputs].amin(1, keepdim=True)
        return replace(self, logits=logits)

    def divergence(self, frozen: Predictions) -> float:
        """KL divergence from the frozen network's predictions in nats, the mean over the images."""
        return float(task.distillation(self.logits, frozen.logits))

    def estimated_lost(self, frozen: Predictions) -> float:
        """How much top-1 was lost on unlabelled images, by the frozen network's own probabilities.

        The mean over images, and over their views, of ``p(a) - p(b)``: ``p`` is the frozen network's softmax,
        ``a`` its own prediction, ``b`` the prediction now (an output that it does not have has probability
        0). If the frozen network is calibrated, that is the expected loss of top-1. It is never negative:
        what the network learned about these images does not count, and an overconfident frozen network makes
        it too large.
        """
        probability = frozen.logits.softmax(1)
        probability = F.pad(probability, (0, self.logits.shape[1] - probability.shape[1]))
        now = probability.gather(1, self.logits.argmax(1, keepdim=True))[:, 0]
        return float((probability.amax(1) - now).mean())


def require_numbers(logits: Tensor) -> Tensor:
    """The same logits.

    Raises:
        VisionLoraError: one is NaN or infinity, of which no probabilities can be made.
    """
    if not bool((logits < torch.inf).all()):
        raise VisionLoraError(
            "the network's outputs are NaN or infinite: the adapter or the weights have values that are too "
            "large; use a smaller strength, or train again with a lower optimizer.lr"
        )
    return logits


@torch.inference_mode()
def predict_batches(
    network: nn.Module, batches: Iterable[Mapping[str, Tensor]], suffix: nn.Module | None = None
) -> Predictions:
    """Run ``network`` over ``batches`` in eval mode, without a graph, on the device where it is.

    In float32, whatever training used: a figure must be the same when somebody measures it again.

    Args:
        network: maps (batch, 3, height, width) to (batch, outputs).
        batches: dictionaries with ``labels``, and ``images`` or the frozen prefix's ``features``; with
            ``indices`` too, where several processes have a share of them each.
        suffix: the part of the network that is left to compute where batches hold features.

    Raises:
        VisionLoraError: a logit is no number.
    """
    device = next(network.parameters()).device
    indices, logits, labels = [], [], []
    was_training = network.training
    network.eval()
    part = network if suffix is None else suffix
    for batch in batches:
        inputs = [value.to(device) for value in network_inputs(batch)]
        logits.append(require_numbers(computed(part, *inputs).float().cpu()))
        labels.append(batch["labels"].cpu())
        indices.append(batch.get("indices", torch.empty(0)).cpu())
    network.train(was_training)
    return of_all_processes(Predictions(torch.cat(logits), torch.cat(labels)), torch.cat(indices))


def of_all_processes(own: Predictions, indices: Tensor) -> Predictions:
    """The predictions of every process, in the order of the images, the same on each of them.

    Args:
        own: of this process's share of the images.
        indices: which images these are, int64, shape (images,).
    """
    if this_process().count == 1:
        return own
    parts = gather((indices, own.logits, own.labels))
    indices, logits, labels = (torch.cat(column) for column in zip(*parts, strict=True))
    # With fewer images than processes some predict an image that is another one's too.
    where = {index: row for row, index in reversed(list(enumerate(indices.tolist())))}
    rows = torch.tensor([where[index] for index in sorted(where)])
    return Predictions(logits[rows], labels[rows])
