"""The thresholds of labels: from which probability on an image is given a label."""

from __future__ import annotations

import torch
from torch import Tensor

MIDDLE = 0.5
"""The threshold of a label for which nothing chose one."""


def best_thresholds(logits: Tensor, labels: Tensor) -> Tensor:
    """For each label the probability above which it is given, so that F1 is largest on these images.

    Thresholds lie halfway between neighbouring probabilities; of equally good ones the nearest to 0.5 is
    taken. A label that no image or every image has keeps 0.5: these images cannot choose for it.

    Args:
        logits: shape (images, outputs).
        labels: 0 or 1, of the same shape.

    Returns:
        float64, shape (outputs,).
    """
    probabilities, truth = logits.double().sigmoid(), labels > 0.5
    thresholds = torch.full((logits.shape[1],), MIDDLE, dtype=torch.float64)
    for output in range(logits.shape[1]):
        own = truth[:, output]
        if not own.any() or own.all():
            continue
        order = probabilities[:, output].argsort(descending=True, stable=True)
        ordered, right = probabilities[order, output], own[order].cumsum(0)
        given = torch.arange(1, len(order) + 1)
        below = torch.cat([ordered[1:], ordered.new_zeros(1)])
        f1 = 2 * right / (given + own.sum())
        f1[ordered == below] = -1  # no threshold lies between equal ones
        middle = (ordered + below) / 2
        ties = f1 >= f1.max() - 1e-12
        thresholds[output] = middle[ties][(middle[ties] - MIDDLE).abs().argmin()]
    return thresholds


def halves(labels: Tensor) -> Tensor:
    """Which images the first half has: bool, (images,). Those of each label, the rarest first,
    alternate."""
    first = torch.zeros(len(labels), dtype=torch.bool)
    left = torch.ones(len(labels), dtype=torch.bool)
    place = 0
    for output in labels.sum(0).argsort(stable=True).tolist():
        for image in (left & (labels[:, output] > 0.5)).nonzero()[:, 0].tolist():
            first[image], left[image], place = place % 2 == 0, False, place + 1
    for image in left.nonzero()[:, 0].tolist():
        first[image], place = place % 2 == 0, place + 1
    return first
