"""Test-time augmentation: an image and its mirror image are predicted together."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Mirrored(nn.Module):
    """Predicts the mean of the probabilities for an image and its mirror image (Krizhevsky et al. 2012,
    section 4.1, without the crops).

    Args:
        network: (batch, 3, height, width) to logits (batch, outputs).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """The logarithm of that mean: logits whose softmax it is."""
        both = [self.network(one).float().log_softmax(1) for one in (images, images.flip(3))]
        return torch.logaddexp(*both) - torch.log(torch.tensor(2.0, device=images.device))
