"""What a network says about images, and the figures that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
)

from visionlora.tasks.losses import distillation
from visionlora.training.features import inputs_of


@dataclass(frozen=True)
class Answers:
    """Logits of a whole set of images, on the CPU.

    Attributes:
        logits: float32, shape (images, outputs), in the order of the images.
        labels: the right output's index, int64, shape (images,); -1 where there is none.
    """

    logits: Tensor
    labels: Tensor

    def top(self, k: int) -> float:
        """Share of images whose label is among the ``k`` most probable outputs."""
        k = min(k, self.logits.shape[1])
        share = multiclass_accuracy(
            self.logits, self.labels, num_classes=self.logits.shape[1], top_k=k, average="micro"
        )
        return float(share)

    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return float(F.cross_entropy(self.logits, self.labels))

    def calibration_error(self, bins: int = 15) -> float:
        """Expected calibration error of the most probable output (Guo et al. 2017, equation 3)."""
        error = multiclass_calibration_error(
            self.logits.softmax(1), self.labels, num_classes=self.logits.shape[1], n_bins=bins
        )
        return float(error)

    def confusion(self, outputs: Sequence[int]) -> Tensor:
        """Counts (K + 1, K + 1) over the chosen outputs, truth by row; the last is "anything else"."""
        place = torch.full((self.logits.shape[1],), len(outputs))
        place[list(outputs)] = torch.arange(len(outputs))
        return multiclass_confusion_matrix(
            place[self.logits.argmax(1)], place[self.labels], num_classes=len(outputs) + 1
        )

    def share_named(self, outputs: Sequence[int]) -> float:
        """Share of images whose most probable output is one of ``outputs``."""
        return float(torch.isin(self.logits.argmax(1), torch.tensor(list(outputs))).float().mean())

    def agreement(self, other: Answers) -> float:
        """Share of images for which both answers name the same output."""
        return float((self.logits.argmax(1) == other.logits.argmax(1)).float().mean())

    @property
    def labelled(self) -> bool:
        """Whether every image has a right answer."""
        return bool((self.labels >= 0).all())

    def first(self, outputs: int) -> Answers:
        """The same answers over the first ``outputs`` outputs alone."""
        return Answers(self.logits[:, :outputs], self.labels)

    def divergence(self, frozen: Answers) -> float:
        """KL divergence from the frozen network's answers in nats, the mean over the images."""
        return float(distillation(self.logits, frozen.logits))

    def estimated_lost(self, frozen: Answers) -> float:
        """How much top-1 the frozen network believes was lost, for images that nobody labelled.

        The mean over images of ``p(a) - p(b)``: ``p`` the frozen network's softmax, ``a`` its own answer,
        ``b`` the answer now (an output that it does not have has no probability). If the frozen network's
        probabilities are right, that is the expected loss of top-1. It is never negative: what the network
        learned about these images does not count, and a frozen network that is too sure of itself makes it
        too large.
        """
        belief = frozen.logits.softmax(1)
        belief = F.pad(belief, (0, self.logits.shape[1] - belief.shape[1]))
        now = belief.gather(1, self.logits.argmax(1, keepdim=True))[:, 0]
        return float((belief.amax(1) - now).mean())

    def scores(self) -> dict[str, float]:
        """The figures of labelled validation images."""
        return {"val/top1": self.top(1), "val/top5": self.top(5), "val/loss": self.loss()}


@torch.inference_mode()
def answers(
    network: nn.Module, batches: Iterable[dict[str, Tensor]], rest: nn.Module | None = None
) -> Answers:
    """Run ``network`` (wherever it lies) over ``batches`` in eval mode, without a graph.

    In float32, whatever training used: a figure must be the same when somebody measures it again.

    Args:
        network: maps (batch, 3, height, width) to (batch, outputs).
        batches: dictionaries with ``labels``, and ``images`` or the frozen part's ``features``.
        rest: what of the network is left to compute where there are features.
    """
    device = next(network.parameters()).device
    logits, labels = [], []
    was_training = network.training
    network.eval()
    for batch in batches:
        inputs = [value.to(device) for value in inputs_of(batch)]
        computed = network if rest is None else rest
        logits.append(computed(*inputs).float().cpu())
        labels.append(batch["labels"].cpu())
    network.train(was_training)
    return Answers(torch.cat(logits), torch.cat(labels))


def named(logits: Tensor, outputs: Sequence[str], top: int) -> list[list[tuple[str, float]]]:
    """For each row of ``logits`` (images, outputs) its ``top`` best names with their probabilities."""
    values, indices = logits.float().softmax(1).topk(min(top, len(outputs)), dim=1)
    return [
        [(outputs[index], value) for index, value in zip(row_of, values_of, strict=True)]
        for row_of, values_of in zip(indices.tolist(), values.tolist(), strict=True)
    ]
