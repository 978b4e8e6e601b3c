"""Test-time augmentation: an image and its mirror image are predicted together."""

from __future__ import annotations

from torch import Tensor, nn

from visionlora.tasks.base import Task


class Mirrored(nn.Module):
    """Predicts the mean of the probabilities for an image and its mirror image (Krizhevsky et al. 2012,
    section 4.1, without the crops).

    Args:
        network: (batch, 3, height, width) to logits (batch, outputs).
        task: says what the probabilities of logits are.
    """

    def __init__(self, network: nn.Module, task: Task) -> None:
        super().__init__()
        self.network = network
        self._task = task

    def forward(self, images: Tensor) -> Tensor:
        """Logits with that mean as their probabilities."""
        return self._task.mean_logits(self.network(images), self.network(images.flip(3)))
